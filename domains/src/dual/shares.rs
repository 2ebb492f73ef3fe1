//! [Pairs](super::pairs) on the way back and forth, member by member.

use super::batch::{Entry, Walk, of_activation};
use super::layers::SHARE_OF_INTERCEPT;
use super::pairs::{Neuron, Pair};
use super::relaxed::{Layer, Pass, Relaxed};
use super::steps::{Moments, Step};
use crate::activation::{Line, Lines};
use crate::network::{NodeId, Twin};
use crate::num::Real;

impl Pair {
    /// For every neuron and each of `n` members what its sides tell; nothing where no member has sides here.
    fn kept(&self, relaxed: &Relaxed, entries: &[Entry], n: usize) -> Vec<Kept> {
        let both = [self.twin.first, self.twin.second].map(|id| relaxed.layers[id].as_ref().map(|layer| (id, layer)));
        let [Some(first), Some(second)] = both else { return Vec::new() };
        let own = [first, second].map(|(id, layer)| of_activation(entries, id, layer.source));
        if own.iter().all(|own| own.clone().next().is_none()) {
            return Vec::new();
        }
        let is_free = |layer: &Layer, i: usize| matches!(layer.passes[i], Pass::Free { .. });
        let on_all = |neuron: &Neuron| Kept {
            are_lines: [first, second].map(|(_, layer)| !is_free(layer, neuron.i)),
            ..Kept::default()
        };
        let mut kept: Vec<Kept> = self.neurons.iter().flat_map(|neuron| vec![on_all(neuron); n]).collect();
        for (which, own) in own.into_iter().enumerate() {
            for entry in own {
                if let Ok(p) = self.neurons.binary_search_by_key(&entry.neuron, |neuron| neuron.i) {
                    let kept = &mut kept[p * n + entry.column];
                    (kept.are_lines[which], kept.slopes[which]) = (true, Some(entry.slope));
                }
            }
        }
        kept
    }
}

/// What a member's sides tell of two neurons.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    /// Which of them have one piece only.
    are_lines: [bool; 2],
    /// The slopes of the pieces on which the member keeps them.
    slopes: [Option<f64>; 2],
}

impl Kept {
    /// Nothing is lost alone then.
    fn are_both(self) -> bool {
        self.are_lines == [true; 2]
    }

    /// The line on the side that a share `t` reads. A convex function with a corner at zero is nowhere below a piece's line:
    /// with the first on the piece of slope `s` the difference is at least `s d`, with the second there at most.
    fn line<T: Real>(self, neuron: &Neuron, t: T) -> Line {
        let Lines { lower, upper } = neuron.lines;
        let (of_all, own) = if t > T::ZERO { (lower, self.slopes[0]) } else { (upper, self.slopes[1]) };
        own.map_or(of_all, |slope| Line { slope, intercept: 0.0 })
    }
}

/// The most that coefficients of opposite signs have in common, with the sign of the second one.
#[inline(always)]
fn common<T: Real>(a: T, b: T) -> T {
    let are_opposite = a < T::ZERO && b > T::ZERO || a > T::ZERO && b < T::ZERO;
    match are_opposite {
        true if a.magnitude() < b.magnitude() => T::ZERO - a,
        true => b,
        false => T::ZERO,
    }
}

impl<T: Real> Walk<T> {
    /// At the second of two activation nodes that correspond: takes shares of what their coefficients have in common over
    /// their difference.
    pub fn share<const PROVES: bool>(&mut self, relaxed: &Relaxed, id: NodeId, parameters: &[T], entries: &[Entry]) {
        let Some(pair) = &relaxed.pairs[id] else { return };
        let (n, Twin { first, second, difference }) = (self.n, pair.twin);
        if !self.reached[first] {
            return;
        }
        let kept = pair.kept(relaxed, entries, n);
        let [mut a, mut b] = [first, second].map(|id| std::mem::take(&mut self.coefficients[id]));
        let mut passed = vec![T::ZERO; relaxed.network().node(difference).len * n];
        let mut shared = std::mem::take(&mut self.shared[id]);
        shared.resize(pair.len() * n, T::ZERO);
        for (p, neuron) in pair.neurons.iter().enumerate() {
            let [once_a, once_b] = [first, second].map(|id| T::of(relaxed.once[id][neuron.i]));
            for r in 0..n {
                let (at, kept) = (neuron.i * n + r, kept.get(p * n + r).copied().unwrap_or_default());
                let t = common(a[at], b[at]) * parameters[neuron.index * n + r];
                if t == T::ZERO || kept.are_both() {
                    continue;
                }
                let Line { slope, intercept } = kept.line(neuron, t);
                (a[at], b[at], shared[p * n + r]) = (a[at] + t, b[at] - t, t);
                passed[at] = T::of(slope) * t;
                let term = T::of(intercept) * t;
                self.sums.value[r] += term;
                if PROVES {
                    self.sums.magnitude[r] += term.magnitude();
                    // The rounding of both sums, and of the product with the slope.
                    self.sums.charge[r] += once_a * a[at].magnitude();
                    self.sums.charge[r] += once_b * b[at].magnitude();
                    self.sums.charge[r] += T::of(neuron.error) * t.magnitude();
                }
            }
        }
        (self.coefficients[first], self.coefficients[second], self.shared[id]) = (a, b, shared);
        self.add::<PROVES>(relaxed, difference, &passed);
    }
}

/// What a gradient step moves: parameters, those of the best round, and the running means of their gradients.
pub(super) struct Moving<'m> {
    pub parameters: &'m mut [f32],
    pub best: &'m mut [f32],
    pub moments: &'m mut Moments,
}

impl Pair {
    /// The values of both nodes by the lines in use: `values`, by node, hold those by their own lines. The smaller one of two
    /// coefficients that are shared is the difference's and the larger one's. With a step the shares are moved.
    pub fn forth(
        &self,
        relaxed: &Relaxed,
        walk: &Walk<f32>,
        entries: &[Entry],
        values: &mut [Vec<f32>],
        moving: Moving,
        step: Option<(Step, &[f32])>,
    ) {
        let (n, Twin { first, second, difference }) = (walk.n, self.twin);
        let shared = &walk.shared[second];
        if shared.is_empty() {
            return;
        }
        let Moving { parameters, best, moments } = moving;
        let kept = self.kept(relaxed, entries, n);
        for (p, neuron) in self.neurons.iter().enumerate() {
            for r in 0..n {
                let (at, parameter) = (neuron.i * n + r, neuron.index * n + r);
                let kept = kept.get(p * n + r).copied().unwrap_or_default();
                let (t, share) = (shared[p * n + r], parameters[parameter]);
                let (a, b) = (walk.coefficients[first][at] - t, walk.coefficients[second][at] + t);
                let most = if kept.are_both() { 0.0 } else { common(a, b) };
                let Line { slope, intercept } = kept.line(neuron, most);
                let gain =
                    slope as f32 * values[difference][at] + intercept as f32 - (values[second][at] - values[first][at]);
                if most != 0.0 {
                    if a.abs() < b.abs() {
                        values[first][at] -= share * gain;
                    } else {
                        values[second][at] += share * gain;
                    }
                }
                if let Some((step, improved)) = step {
                    best[parameter] = if improved[r] > 0.0 { share } else { best[parameter] };
                    let gradient = if most == 0.0 { 0.0 } else { most * gain };
                    let by = step.of(gradient, &mut moments.first[parameter], &mut moments.second[parameter]);
                    parameters[parameter] = (share + by).clamp(0.0, 1.0);
                }
            }
        }
    }

    /// For each member the free neuron on whose side the lines around a difference lose most: `best` and `pick` take over
    /// where that is more.
    #[allow(clippy::too_many_arguments)]
    pub fn losses(
        &self,
        relaxed: &Relaxed,
        walk: &Walk<f32>,
        entries: &[Entry],
        values: &[Vec<f32>],
        weights: &[f32],
        best: &mut [f32],
        pick: &mut [u32],
    ) {
        let (n, Twin { first, second, difference }) = (walk.n, self.twin);
        let (Some(of_first), Some(of_second)) = (&relaxed.layers[first], &relaxed.layers[second]) else { return };
        let (left, right) = (of_first.corner.0 as f32, of_first.corner.1 as f32);
        let function = |z: f32| (left * z).max(right * z);
        let kept = self.kept(relaxed, entries, n);
        for (p, neuron) in self.neurons.iter().enumerate() {
            let free = [of_first, of_second].map(|layer| match layer.passes[neuron.i] {
                Pass::Free { index, .. } => Some(index as u32),
                _ => None,
            });
            for (r, &t) in walk.shared[second].iter().skip(p * n).take(n).enumerate().filter(|(_, t)| **t != 0.0) {
                let (at, kept) = (neuron.i * n + r, kept.get(p * n + r).copied().unwrap_or_default());
                let Line { slope, intercept } = kept.line(neuron, t);
                let truth = function(values[of_second.source][at]) - function(values[of_first.source][at]);
                let missed = slope as f32 * values[difference][at] + intercept as f32 - truth;
                let score = (t * missed).abs() + SHARE_OF_INTERCEPT * (t * intercept as f32).abs();
                // On the sides of the one whose line that is first.
                let order = if t > 0.0 { [0, 1] } else { [1, 0] };
                let open = order.into_iter().find_map(|which| free[which].filter(|_| !kept.are_lines[which]));
                let Some(index) = open else { continue };
                let score = weights[index as usize] * score;
                if score > best[r] {
                    (best[r], pick[r]) = (score, index);
                }
            }
        }
    }
}
