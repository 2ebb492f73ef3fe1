//! All neurons of a layer at once, where their pre-activations lie in a ball: what a form loses there is less than the sum
//! of what each neuron loses on its own range (SDP-CROWN, Chiu et al. 2025).
//!
//! For `‖z − c‖ ≤ ρ`, `z_i ∈ [l_i, u_i]`, any slopes `g` and any `λ ≥ 0`
//! ```text
//! Σ a_i σ(z_i) ≥ Σ g_i z_i + h,   h = −λ ρ² / 2 + Σ_i min over [l_i, u_i] of a_i σ(z) − g_i z + λ (z − c_i)² / 2,
//! ```
//! since the last terms sum to no more than `λ ρ² / 2`. With `λ = 0` this is the lines' intercepts; over the whole line it
//! is the paper's offset. As a function of `λ` it is concave, so that its one parameter is found by bisection.

use super::batch::{Entry, Walk, of_activation};
use super::relaxed::{Layer, Pass, Relaxed};
use crate::network::NodeId;
use crate::num::round::{add_down, div_up, mul_up, sub_down};
use crate::num::{Interval, Real};

/// A neuron of the layer with the form's coefficients of its output, `a`, and of its input after the lines, `g`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neuron {
    pub a: f64,
    pub g: f64,
    /// Where its pre-activation is.
    pub range: Interval,
    /// The ball's centre there.
    pub center: f64,
}

/// What is found of a member.
#[derive(Clone, Debug)]
pub(super) struct Joint<'a> {
    /// Slopes below and above zero.
    pub corner: (f64, f64),
    pub neurons: &'a [Neuron],
    pub radius: f64,
}

/// Halvings of the range in which the parameter is sought, as powers of two around what the coefficients suggest.
const HALVINGS: usize = 14;
const RANGE: f64 = 16.0;

impl Neuron {
    /// Where the two pieces are: their slopes and ranges, as far as the neuron gets there.
    fn pieces(&self, (left, right): (f64, f64)) -> impl Iterator<Item = (f64, Interval)> {
        let below = (left, Interval { lo: self.range.lo, hi: self.range.hi.min(0.0) });
        let above = (right, Interval { lo: self.range.lo.max(0.0), hi: self.range.hi });
        [below, above].into_iter().filter(|(_, range)| !range.is_empty())
    }

    /// Where the neuron's term is least, and how much that is: nearly.
    fn least(&self, corner: (f64, f64), lambda: f64) -> (f64, f64) {
        let of_piece = |(slope, range): (f64, Interval)| {
            let c = self.a * slope - self.g;
            let z = (self.center - c / lambda).max(range.lo).min(range.hi);
            (z, c * z + 0.5 * lambda * (z - self.center) * (z - self.center))
        };
        let better = |best: (f64, f64), next: (f64, f64)| if next.1 < best.1 { next } else { best };
        self.pieces(corner).map(of_piece).fold((self.center, f64::INFINITY), better)
    }

    /// A lower bound of the neuron's term.
    fn certified(&self, corner: (f64, f64), lambda: f64) -> f64 {
        let point = Interval::point;
        let of_piece = |(slope, range): (f64, Interval)| {
            let c = point(self.a).scale(slope) - point(self.g);
            let z = (self.center - (self.a * slope - self.g) / lambda).max(range.lo).min(range.hi);
            let away = point(z) - point(self.center);
            let value = (c.scale(z) + (away * away).scale(0.5 * lambda)).lo;
            let rise = c + away.scale(lambda);
            let is_end = (z == range.lo && rise.lo >= 0.0) || (z == range.hi && rise.hi <= 0.0);
            // A parabola is nowhere lower by more than this.
            let missed = div_up(mul_up(rise.magnitude(), rise.magnitude()), 2.0 * lambda);
            if is_end { value } else { sub_down(value, missed) }
        };
        // What is no number stays none.
        let less = |least: f64, value: f64| if value >= least { least } else { value };
        self.pieces(corner).map(of_piece).fold(f64::INFINITY, less)
    }
}

/// Parameters whose products neither overflow nor underflow here.
const SENSIBLE: std::ops::Range<f64> = 1e-200..1e200;

impl Joint<'_> {
    /// The parameter with the largest offset; `None` where that is none: the ranges alone are as good.
    pub fn parameter(&self) -> Option<f64> {
        let length = self.neurons.iter().map(|neuron| neuron.a * neuron.a).sum::<f64>().sqrt();
        let typical = length / self.radius;
        if !(typical.is_normal() && self.radius.is_normal()) {
            return None;
        }
        let squared = self.radius * self.radius;
        let is_outside = |lambda: f64| {
            let away = |neuron: &Neuron| neuron.least(self.corner, lambda).0 - neuron.center;
            self.neurons.iter().map(away).map(|away| away * away).sum::<f64>() > squared
        };
        let (mut low, mut high) = (-RANGE, 4.0);
        if !is_outside(typical * f64::exp2(low)) {
            return None;
        }
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if is_outside(typical * middle.exp2()) { low = middle } else { high = middle }
        }
        Some(typical * high.exp2())
    }

    /// The offset, nearly.
    pub fn offset(&self, lambda: f64) -> f64 {
        let terms = self.neurons.iter().map(|neuron| neuron.least(self.corner, lambda).1);
        terms.sum::<f64>() - 0.5 * lambda * self.radius * self.radius
    }

    /// Where the neurons' terms are least, nearly.
    pub fn minimisers(&self, lambda: f64) -> impl Iterator<Item = f64> {
        self.neurons.iter().map(move |neuron| neuron.least(self.corner, lambda).0)
    }

    /// A lower bound of the offset.
    pub fn certified(&self, lambda: f64) -> f64 {
        if !SENSIBLE.contains(&lambda) {
            return f64::NEG_INFINITY;
        }
        let terms = self.neurons.iter().map(|neuron| neuron.certified(self.corner, lambda));
        let of_ball = mul_up(0.5 * lambda, mul_up(self.radius, self.radius));
        sub_down(terms.fold(0.0, add_down), of_ball)
    }
}

impl<T: Real> Walk<T> {
    /// At an activation node that was passed from the coefficients `a`, with sums that were `before`: takes what all neurons
    /// lose jointly where that is less.
    pub fn join<const PROVES: bool>(
        &mut self,
        relaxed: &Relaxed,
        id: NodeId,
        a: &[T],
        before: &[T],
        entries: &[Entry],
    ) {
        let Some(layer) = &relaxed.layers[id] else { return };
        let Some(sphere) = &relaxed.compiled.spheres[layer.source] else { return };
        let (n, z) = (self.n, &relaxed.bounds.nodes()[layer.source]);
        let free: Vec<usize> = layer.free().map(|(i, _)| i).collect();
        if free.is_empty() {
            return;
        }
        let g = &self.coefficients[layer.source];
        let neuron = |r: usize, &i: &usize| {
            let (a, g) = (a[i * n + r].double(), g[i * n + r].double());
            Neuron { a, g, range: z.get(i), center: sphere.center[i] }
        };
        let mut all: Vec<Neuron> = (0..n).flat_map(|r| free.iter().map(move |i| neuron(r, i))).collect();
        for entry in of_activation(entries, id, layer.source) {
            let Ok(place) = free.binary_search(&entry.neuron) else { continue };
            let neuron = &mut all[entry.column * free.len() + place];
            // Its piece is a line: what that loses is nothing.
            let end = if entry.side.above { &mut neuron.range.lo } else { &mut neuron.range.hi };
            (*end, neuron.a, neuron.g) = (0.0, 0.0, 0.0);
        }
        let stars = &mut self.stars[id];
        stars.resize(a.len(), f32::NAN);
        for (r, neurons) in all.chunks_exact(free.len()).enumerate() {
            let joint = Joint { corner: layer.corner, neurons, radius: sphere.radius };
            let Some(lambda) = joint.parameter() else { continue };
            let offset = T::of(if PROVES { joint.certified(lambda) } else { joint.offset(lambda) });
            if offset > self.sums.value[r] - before[r] {
                self.sums.value[r] = before[r] + offset;
                if PROVES {
                    self.sums.magnitude[r] += offset.magnitude();
                }
                free.iter().zip(joint.minimisers(lambda)).for_each(|(&i, z)| stars[i * n + r] = z as f32);
            }
        }
    }
}

impl Layer {
    /// The neurons with free slopes and their indices.
    fn free(&self) -> impl Iterator<Item = (usize, usize)> {
        let of = |(i, pass): (usize, &Pass)| match *pass {
            Pass::Free { index, .. } => Some((i, index)),
            _ => None,
        };
        self.passes.iter().enumerate().filter_map(of)
    }

    /// What [`forth`](Self::forth) gives where the layer was bounded jointly, at the points `stars`: the lines go through
    /// the neurons there.
    pub fn forth_jointly(&self, stars: &[f32], a: &[f32], z: &[f32], n: usize, slopes: &[f32], y: &mut [f32]) {
        let (left, right) = (self.corner.0 as f32, self.corner.1 as f32);
        for (i, index) in self.free() {
            let Pass::Free { upper, .. } = self.passes[i] else { continue };
            for r in (0..n).filter(|r| !stars[i * n + r].is_nan()) {
                let (star, at) = (stars[i * n + r], i * n + r);
                let slope = if a[at] > 0.0 { slopes[index * n + r] } else { upper.0 as f32 };
                y[at] = (left * star).max(right * star) + slope * (z[at] - star);
            }
        }
    }
}

/// How far the inputs `z` of a layer are from the points at which its neurons' terms are least: what a slope multiplies.
pub(super) fn from_stars(stars: &[f32], z: &[f32]) -> Vec<f32> {
    let away = |(&z, &star): (&f32, &f32)| if star.is_nan() { z } else { z - star };
    z.iter().zip(stars).map(away).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `−ReLU(x₁) − … − ReLU(x_n)` over the unit ball, with slopes −1/2: `−√n / 2` where ranges alone give `−n / 2`.
    #[test]
    fn the_ball_saves_the_root_of_the_neurons() {
        for n in [1_usize, 2, 9, 100] {
            let neuron = Neuron { a: -1.0, g: -0.5, range: Interval { lo: -1.0, hi: 1.0 }, center: 0.0 };
            let neurons = vec![neuron; n];
            let joint = Joint { corner: (0.0, 1.0), neurons: &neurons, radius: 1.0 };
            let truth = -0.5 * (n as f64).sqrt();
            let found = joint.parameter().map_or(-0.5 * n as f64, |lambda| joint.certified(lambda));
            assert!(found <= truth && found >= truth * (1.0 + 1e-3), "{n}: {found} {truth}");
        }
    }
}
