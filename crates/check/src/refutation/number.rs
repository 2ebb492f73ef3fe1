//! The numbers in which bounds are computed: floats, whose rounding is charged, or exact rationals.

use dashu_ratio::RBig;
use std::cell::RefCell;

/// Half the distance from 1 to the next float: what rounding to the nearest float loses at most, relatively.
pub(super) const UNIT: f64 = f64::EPSILON / 2.0;

/// A lower bound of `a + b`, exact where the float sum is (two-sum, Knuth).
#[inline]
pub(super) fn add_down(a: f64, b: f64) -> f64 {
    let sum = a + b;
    let b_seen = sum - a;
    let error = (a - (sum - b_seen)) + (b - b_seen);
    // An error that is no number comes from an infinity: one step down is safe there, too.
    if error >= 0.0 { sum } else { sum.next_down() }
}

/// An upper bound of `a + b`.
pub(super) fn add_up(a: f64, b: f64) -> f64 {
    -add_down(-a, -b)
}

/// A lower bound of `a · b`, exact where a factor is 0, 1 or −1.
#[inline]
pub(super) fn mul_down(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        0.0
    } else if a.abs() == 1.0 || b.abs() == 1.0 {
        a * b
    } else {
        (a * b).next_down()
    }
}

/// An upper bound of `a · b`.
pub(super) fn mul_up(a: f64, b: f64) -> f64 {
    -mul_down(-a, b)
}

/// What a sum of `n` products loses at most when every operation rounds to the nearest, relative to the sum of the
/// products' magnitudes (Higham 2002, Lemma 3.1); underflow is charged apart.
pub(super) fn gamma(n: usize) -> f64 {
    let nu = n as f64 * UNIT;
    // The quotient rounds; so do these factors, far less than the last one adds.
    if nu < 0.5 { nu / (1.0 - nu) * (1.0 + 1e-12) } else { f64::INFINITY }
}

/// The largest float at most `q`, and the least at least `q`.
pub(super) fn enclose(q: &RBig) -> (f64, f64) {
    let near = nearest(q);
    match RBig::try_from(near) {
        Ok(value) if &value == q => (near, near),
        Ok(value) if &value < q => (near, near.next_up()),
        Ok(_) => (near.next_down(), near),
        Err(_) if near > 0.0 => (f64::MAX, f64::INFINITY),
        Err(_) => (f64::NEG_INFINITY, -f64::MAX),
    }
}

/// The float nearest to `q`.
pub(super) fn nearest(q: &RBig) -> f64 {
    q.to_f64().value()
}

/// `slope · z + intercept`: a line below the graph and one above; the same twice where the function is affine.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair<N> {
    pub slopes: [f64; 2],
    pub intercepts: [N; 2],
}

/// Bounds of a neuron, and whether the ends themselves are left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub bounds: (f64, f64),
    pub open: (bool, bool),
}

impl Range {
    /// All between two bounds, these among it.
    pub fn closed(bounds: (f64, f64)) -> Self {
        Self { bounds, open: (false, false) }
    }
}

/// The slopes of a neuron's lower line, and of its upper one, where something was said.
pub(super) type Given = Option<(f64, Option<f64>)>;

/// Per node and neuron the lines that were asked for last, behind what they rest on, and those in both arithmetics.
pub(super) type Cache<N> = RefCell<Vec<Lines<N>>>;
pub(super) type Lines<N> = Vec<Option<((Range, Given), Option<Pair<N>>)>>;
pub(super) type Caches = (Cache<f64>, Cache<RBig>);

/// A number in which lines and bounds are computed.
pub(super) trait Number: Clone + PartialOrd {
    /// The number of a finite float.
    fn of(x: f64) -> Self;
    /// An end of a range: the exact one, where it is known and has a place, or the float that is safe.
    fn end(exact: impl FnOnce() -> Option<RBig>, rounded: f64) -> Self;
    /// A lower bound of the sum.
    fn plus(&self, other: &Self) -> Self;
    /// A lower bound of the product.
    fn times(&self, other: &Self) -> Self;
    /// The lines that are kept in such numbers.
    fn cache(caches: &Caches) -> &Cache<Self>;
}

impl Number for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn end(_: impl FnOnce() -> Option<RBig>, rounded: f64) -> Self {
        rounded
    }
    fn plus(&self, other: &Self) -> Self {
        add_down(*self, *other)
    }
    fn times(&self, other: &Self) -> Self {
        mul_down(*self, *other)
    }
    fn cache(caches: &Caches) -> &Cache<Self> {
        &caches.0
    }
}

impl Number for RBig {
    fn of(x: f64) -> Self {
        // Whoever asks has seen that the float is finite.
        Self::try_from(x).unwrap_or(Self::ZERO)
    }
    fn end(exact: impl FnOnce() -> Option<RBig>, rounded: f64) -> Self {
        exact().unwrap_or_else(|| Self::of(rounded))
    }
    fn plus(&self, other: &Self) -> Self {
        self + other
    }
    fn times(&self, other: &Self) -> Self {
        self * other
    }
    fn cache(caches: &Caches) -> &Cache<Self> {
        &caches.1
    }
}

#[cfg(test)]
mod tests;
