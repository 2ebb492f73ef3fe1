//! Rounding to integers, between a first and a last one.

use super::{ActivationFn, Piece, Shape};

/// A number rounded to an integer; numbers outside a range get the first or the last integer of it.
#[derive(Clone, Debug)]
pub struct Staircase {
    name: &'static str,
    pieces: Vec<Piece>,
}

impl Staircase {
    /// `min(max(⌊z⌋, first), last)`; `first ≤ last`.
    #[must_use]
    pub fn floor(first: i32, last: i32) -> Self {
        Self::new("floor", first, last, |k| (f64::from(k), true))
    }

    /// The part of `z` before the point, limited to `[first, last]`; `first ≤ last`.
    #[must_use]
    pub fn truncation(first: i32, last: i32) -> Self {
        Self::new("truncation", first, last, |k| if k > 0 { (f64::from(k), true) } else { (f64::from(k) - 1.0, false) })
    }

    /// The nearest integer, the even one of two, limited to `[first, last]`; `first ≤ last`.
    #[must_use]
    pub fn nearest(first: i32, last: i32) -> Self {
        Self::new("nearest", first, last, |k| (f64::from(k) - 0.5, k % 2 == 0))
    }

    /// `step(k)` is where the value becomes k, and whether it is k there already.
    fn new(name: &'static str, first: i32, last: i32, step: impl Fn(i32) -> (f64, bool)) -> Self {
        let piece = |k: i32| {
            let (from, from_closed) = if k == first { (f64::NEG_INFINITY, false) } else { step(k) };
            let (to, is_next) = if k == last { (f64::INFINITY, true) } else { step(k + 1) };
            Piece { from, to, from_closed, to_closed: !is_next, slope: 0.0, intercept: f64::from(k) }
        };
        Self { name, pieces: (first..=last).map(piece).collect() }
    }
}

impl ActivationFn for Staircase {
    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self) -> Shape<'_> {
        Shape::Pieces(&self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_roundings() {
        for z in (-40..=40).map(|n| f64::from(n) / 8.0) {
            let clipped = |y: f64| y.clamp(-3.0, 3.0);
            assert_eq!(Staircase::floor(-3, 3).eval(z), clipped(z.floor()), "{z}");
            assert_eq!(Staircase::truncation(-3, 3).eval(z), clipped(z.trunc()), "{z}");
            assert_eq!(Staircase::nearest(-3, 3).eval(z), clipped(z.round_ties_even()), "{z}");
        }
        assert_eq!(Staircase::floor(2, 2).eval(-9.0), 2.0);
    }
}
