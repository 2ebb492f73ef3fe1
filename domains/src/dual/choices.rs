//! Nodes that several lines or planes bound on either side: curves, by tangents and chords, and products, by McCormick's
//! corners. Any mean of two of them is one, so that a parameter per neuron and side runs through them in the order of
//! their slopes; it is improved as the slopes of corners are.

use super::steps::{Moments, Step};
use super::sums::Sums;
use crate::activation::{ActivationFn, HalfPlane, Line, Power};
use crate::domain::{NodeBounds, Plane, planes_of_product};
use crate::network::{Activation, Factor, NodeId, Product};
use crate::num::error::{ETA, UNIT, gamma};
use crate::num::round::{add_up, mul_up};
use crate::num::{Interval, Real, vectorised};
use float_ord::FloatOrd;
use rayon::prelude::*;
use std::sync::Arc;

/// The planes on one side of a neuron.
#[derive(Clone, Debug)]
struct Menu {
    /// Which parameter runs through them.
    index: usize,
    /// At least two, by their first slopes.
    planes: Vec<Plane>,
    /// The parameter to begin with, as a share of its range.
    first: f64,
}

/// How a node of curves or products is passed.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    /// What the planes' slopes are for: one number for a curve, two for a product.
    pub factors: Vec<Factor>,
    /// The function of a curve; products have none.
    curve: Option<Arc<dyn ActivationFn>>,
    /// For each neuron those below and those above.
    menus: Vec<[Menu; 2]>,
    /// `|a| · error` bounds what rounding may lose where `a` is a neuron's coefficient.
    error: Vec<f64>,
    /// What underflow may lose whatever the coefficients are.
    pub absolute: f64,
}

impl Menu {
    /// `chosen` is where to begin.
    fn new(mut planes: Vec<Plane>, chosen: &Plane) -> Self {
        planes.retain(|plane| plane.intercept.is_finite());
        if planes.is_empty() {
            planes.push(*chosen);
        }
        planes.sort_by_key(|plane| FloatOrd(plane.slopes[0]));
        if planes.len() == 1 {
            planes.push(planes[0]);
        }
        let distance = |plane: &Plane| {
            let of = |i: usize| (plane.slopes[i] - chosen.slopes[i]).abs();
            FloatOrd(of(0) + of(1))
        };
        let nearest = (0..planes.len()).min_by_key(|&k| distance(&planes[k])).unwrap_or(0);
        let first = nearest as f64 / (planes.len() - 1) as f64;
        Self { index: 0, planes, first }
    }

    /// The largest parameter; the least is zero.
    fn last(&self) -> f64 {
        (self.planes.len() - 1) as f64
    }

    /// Adds up, from the first plane on, what each pair of neighbours changes: `out` are the slopes and intercepts of some
    /// parameters.
    #[inline(always)]
    fn at<T: Real>(&self, parameters: &[T], out: &mut Rows<T>) {
        let n = parameters.len();
        for (i, out) in out.iter_mut().enumerate() {
            out[..n].fill(T::of(numbers(&self.planes[0])[i]));
        }
        for (k, change) in self.changes::<T>().enumerate() {
            let k = T::of(k as f64);
            for (out, change) in out.iter_mut().zip(change).filter(|(_, change)| *change != T::ZERO) {
                for (out, &parameter) in out[..n].iter_mut().zip(parameters) {
                    *out += change * unit(parameter - k);
                }
            }
        }
    }

    /// What a parameter's plane changes per unit of it at the factors' values `z`.
    #[inline(always)]
    fn rise(&self, parameters: &[f32], z: [&[f32]; 2], out: &mut [f32; TOGETHER]) {
        let n = parameters.len();
        let (z, last) = (z.map(|z| &z[..n]), self.planes.len() - 2);
        out[..n].fill(0.0);
        for (k, [a, b, c]) in self.changes::<f32>().enumerate() {
            let (from, to) = (k as f32, if k == last { f32::INFINITY } else { k as f32 + 1.0 });
            for r in 0..n {
                let is_here = from <= parameters[r] && parameters[r] < to;
                out[r] += if is_here { a * z[0][r] + b * z[1][r] + c } else { 0.0 };
            }
        }
    }

    /// From each plane to the next.
    #[inline(always)]
    fn changes<T: Real>(&self) -> impl Iterator<Item = [T; 3]> + '_ {
        self.planes.windows(2).map(|pair| {
            let (left, right) = (numbers(&pair[0]), numbers(&pair[1]));
            // Infinite ones do not differ.
            std::array::from_fn(|i| if left[i] == right[i] { T::ZERO } else { T::of(right[i]) - T::of(left[i]) })
        })
    }
}

/// Slopes and intercepts of planes, for members side by side.
type Rows<T> = [[T; TOGETHER]; 3];

/// So many members are passed at a time.
const TOGETHER: usize = 64;

fn numbers(plane: &Plane) -> [f64; 3] {
    [plane.slopes[0], plane.slopes[1], plane.intercept]
}

/// The nearest number between 0 and 1.
#[inline(always)]
fn unit<T: Real>(x: T) -> T {
    let x = if x > T::ZERO { x } else { T::ZERO };
    if x < T::ONE { x } else { T::ONE }
}

/// What summing up a mean of so many planes' numbers may lose, relative to the largest of them: each of the steps rounds
/// a change, a product and a sum, of no more than three times that.
fn of_mean(menus: &[Menu; 2]) -> f64 {
    16.0 * UNIT * menus[0].planes.len().max(menus[1].planes.len()) as f64
}

/// The lines around a curve over `z`, below and above.
fn of_curve(function: &dyn ActivationFn, z: Interval) -> [Menu; 2] {
    let plane = |line: Line| Plane { slopes: [line.slope, 0.0], intercept: line.intercept };
    let lines = function.lines(z.into());
    let mut sides = [Vec::new(), Vec::new()];
    for HalfPlane { z, y, rhs } in function.hull(z.into()).into_iter().filter(|half| half.y.abs() == 1.0) {
        sides[usize::from(y > 0.0)].push(plane(Line { slope: -z / y, intercept: rhs / y }));
    }
    let [below, above] = sides;
    [Menu::new(below, &plane(lines.lower)), Menu::new(above, &plane(lines.upper))]
}

/// The planes around a product.
fn of_pair(ranges: [Interval; 2], is_square: bool) -> [Menu; 2] {
    if let Some(square) = Power::new(2).filter(|_| is_square) {
        return of_curve(&square, ranges[0]);
    }
    let ([below, above], chosen) = planes_of_product(ranges);
    [Menu::new(below, &chosen.lower), Menu::new(above, &chosen.upper)]
}

impl Choices {
    /// Those of an activation whose pre-activations lie in `z`.
    pub fn of_activation(activation: &Activation, z: &NodeBounds) -> Self {
        let factor = Factor { source: activation.source, index: (0..z.len()).collect() };
        let menus = (0..z.len()).into_par_iter().map(|i| of_curve(activation.function.as_ref(), z.get(i))).collect();
        Self::new(vec![factor], Some(activation.function.clone()), menus, |_| z)
    }

    /// Those of products.
    pub fn of_product<'a>(product: &Product, bounds: impl Fn(NodeId) -> &'a NodeBounds) -> Self {
        let pairs = product.pairs(|source, i| bounds(source).get(i)).enumerate();
        let menus = pairs.map(|(k, ranges)| of_pair(ranges, product.is_square(k))).collect();
        Self::new(product.factors.to_vec(), None, menus, bounds)
    }

    fn new<'a>(
        factors: Vec<Factor>,
        curve: Option<Arc<dyn ActivationFn>>,
        menus: Vec<[Menu; 2]>,
        bounds: impl Fn(NodeId) -> &'a NodeBounds,
    ) -> Self {
        let mut choices = Self { error: vec![0.0; menus.len()], factors, curve, menus, absolute: 0.0 };
        let largest = |menus: &[Menu; 2], of: &dyn Fn(&Plane) -> f64| {
            menus.iter().flat_map(|menu| &menu.planes).map(|plane| of(plane).abs()).fold(0.0, f64::max)
        };
        for (f, factor) in choices.factors.iter().enumerate() {
            let bounds = bounds(factor.source);
            let mut readers = vec![0; bounds.len()];
            factor.index.iter().for_each(|&i| readers[i] += 1);
            for ((menus, error), &i) in choices.menus.iter().zip(&mut choices.error).zip(factor.index.iter()) {
                let slope = largest(menus, &|plane| plane.slopes[f]);
                if slope == 0.0 {
                    continue;
                }
                // A mean of slopes, summed up from one to the next, its product with a coefficient, and the sum over all
                // that read the entry.
                let rounding = mul_up(add_up(gamma(readers[i] + 1), of_mean(menus)), slope);
                let magnitude = bounds.get(i).magnitude();
                *error = add_up(*error, mul_up(add_up(rounding, 8.0 * ETA), magnitude));
                choices.absolute = add_up(choices.absolute, mul_up(4.0 * ETA, magnitude));
            }
        }
        for (menus, error) in choices.menus.iter().zip(&mut choices.error) {
            let intercept = largest(menus, &|plane| plane.intercept);
            *error = add_up(*error, add_up(mul_up(of_mean(menus), intercept), 8.0 * ETA));
        }
        choices
    }

    /// Numbers the parameters from `next` on; for each of them, in order, its neuron, its range and where it begins.
    pub fn number(&mut self, next: usize) -> Vec<(usize, f64, f64)> {
        let mut parameters = Vec::new();
        for (i, menu) in self.menus.iter_mut().enumerate().flat_map(|(i, menus)| menus.iter_mut().map(move |m| (i, m)))
        {
            menu.index = next + parameters.len();
            parameters.push((i, menu.last(), menu.first));
        }
        parameters
    }

    /// The planes in use for the coefficients `a` of neuron `k` and the members from `start` on.
    #[inline(always)]
    fn planes<T: Real>(&self, k: usize, start: usize, n: usize, a: &[T], parameters: &[T]) -> Rows<T> {
        let mut sides = [[[T::ZERO; TOGETHER]; 3]; 2];
        for (menu, side) in self.menus[k].iter().zip(&mut sides) {
            let row = menu.index * n + start;
            menu.at(&parameters[row..row + a.len()], side);
        }
        let [mut chosen, above] = sides;
        for (chosen, above) in chosen.iter_mut().zip(&above) {
            for ((chosen, &above), &a) in chosen.iter_mut().zip(above).zip(a) {
                *chosen = if a > T::ZERO { *chosen } else { above };
            }
        }
        chosen
    }

    /// The rows of the factors of neuron `k` for `len` members from `start` on; a curve's second one is its first.
    #[inline(always)]
    fn factors_of<'z>(&self, k: usize, start: usize, len: usize, n: usize, z: &'z [Vec<f32>]) -> [&'z [f32]; 2] {
        let row = |factor: &Factor| &z[factor.source][factor.index[k] * n + start..][..len];
        [row(&self.factors[0]), row(self.factors.last().unwrap_or(&self.factors[0]))]
    }

    /// What the neurons are by the planes in use, where the factors are in `z`, by node.
    pub fn forth(&self, a: &[f32], z: &[Vec<f32>], n: usize, parameters: &[f32], y: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                for (k, (a, y)) in a.chunks_exact(n).zip(y.chunks_exact_mut(n)).enumerate() {
                    for (at, (a, y)) in a.chunks(TOGETHER).zip(y.chunks_mut(TOGETHER)).enumerate() {
                        let start = at * TOGETHER;
                        let planes = self.planes(k, start, n, a, parameters);
                        let [first, second] = self.factors_of(k, start, a.len(), n, z);
                        for (r, y) in y.iter_mut().enumerate() {
                            *y = planes[0][r] * first[r] + planes[1][r] * second[r] + planes[2][r];
                        }
                    }
                }
            },
        );
    }

    /// What the neurons are, where the factors are in `z`.
    pub fn apply(&self, z: &[Vec<f32>], n: usize, y: &mut [f32]) {
        for (k, y) in y.chunks_exact_mut(n).enumerate() {
            let [first, second] = self.factors_of(k, 0, n, n, z);
            for ((y, &a), &b) in y.iter_mut().zip(first).zip(second) {
                *y = self.curve.as_ref().map_or(a * b, |function| function.eval(f64::from(a)) as f32);
            }
        }
    }

    /// One gradient step of the parameters; `best` takes over those before it for the members marked in `improved` by 1.
    #[allow(clippy::too_many_arguments)]
    pub fn improve(
        &self,
        a: &[f32],
        z: &[Vec<f32>],
        n: usize,
        parameters: &mut [f32],
        best: &mut [f32],
        moments: &mut Moments,
        improved: &[f32],
        step: Step,
    ) {
        let mut of_row = |k: usize, menu: &Menu, sign: f32, start: usize, len: usize| {
            let last = menu.last() as f32;
            let step = Step { rate: step.rate * last, ..step };
            let row = menu.index * n + start..menu.index * n + start + len;
            let a = &a[k * n + start..][..len];
            let mut rise = [0.0; TOGETHER];
            menu.rise(&parameters[row.clone()], self.factors_of(k, start, len, n, z), &mut rise);
            let (parameters, best) = (&mut parameters[row.clone()], &mut best[row.clone()]);
            let (first, second) = (&mut moments.first[row.clone()], &mut moments.second[row]);
            let improved = &improved[start..start + len];
            for r in 0..len {
                best[r] = if improved[r] > 0.0 { parameters[r] } else { best[r] };
                let (mut mean, mut square) = (first[r], second[r]);
                // Only the planes on the side that the coefficient reads.
                let by = step.of(sign * (sign * a[r]).max(0.0) * rise[r], &mut mean, &mut square);
                (first[r], second[r]) = (mean, square);
                parameters[r] = (parameters[r] + by).max(0.0).min(last);
            }
        };
        vectorised(
            #[inline(always)]
            || {
                for (k, menus) in self.menus.iter().enumerate() {
                    for (menu, sign) in menus.iter().zip([1.0, -1.0]) {
                        for start in (0..n).step_by(TOGETHER) {
                            of_row(k, menu, sign, start, TOGETHER.min(n - start));
                        }
                    }
                }
            },
        );
    }

    /// Takes the coefficients `a` of the neurons to those of the factors, which are added to `passed`; what planes add to
    /// the forms goes to their sums.
    pub fn back<T: Real, const PROVES: bool>(
        &self,
        a: &[T],
        n: usize,
        parameters: &[T],
        passed: &mut [Vec<T>; 2],
        sums: &mut Sums<T>,
    ) {
        vectorised(
            #[inline(always)]
            || {
                for (k, row) in a.chunks_exact(n).enumerate() {
                    for (at, a) in row.chunks(TOGETHER).enumerate() {
                        let start = at * TOGETHER;
                        let planes = self.planes(k, start, n, a, parameters);
                        for ((factor, out), slopes) in self.factors.iter().zip(passed.iter_mut()).zip(&planes) {
                            let out = &mut out[factor.index[k] * n + start..][..a.len()];
                            for ((out, &a), &slope) in out.iter_mut().zip(a).zip(slopes) {
                                *out += a * slope;
                            }
                        }
                        for (r, &a) in a.iter().enumerate() {
                            // Nothing of what is infinite is nothing.
                            let of = |factor: T| if a == T::ZERO { T::ZERO } else { a * factor };
                            let term = of(planes[2][r]);
                            sums.value[start + r] += term;
                            if PROVES {
                                sums.magnitude[start + r] += term.magnitude();
                                sums.charge[start + r] += of(T::of(self.error[k])).magnitude();
                            }
                        }
                    }
                }
            },
        );
    }
}
