//! The arithmetics in which a network can be evaluated.

use super::{Interval, Rational, exact_or_zero};

/// A number in which a network can be evaluated: `f64`, `f32`, [`Interval`] (rigorous enclosure) or
/// [`Rational`] (exact).
pub trait Scalar: Clone + Send + Sync {
    /// The number zero.
    fn zero() -> Self;
    /// A float parameter, exactly where the type can hold it.
    fn from_f64(x: f64) -> Self;
    /// A parameter that is no float: its exact value when it is rational, else an enclosure.
    /// `None` where the type cannot represent it faithfully.
    fn from_parameter(value: f64, rational: Option<&Rational>, enclosure: Interval) -> Option<Self>;
    /// `self + other`.
    fn add(&self, other: &Self) -> Self;
    /// `self · other`.
    fn mul(&self, other: &Self) -> Self;
    /// `self + w · x` for a float weight: the step of a dot product.
    fn accumulate(&mut self, w: f64, x: &Self);
    /// Adds `Σ w_i x_i`, from left to right unless the type says otherwise.
    fn accumulate_all(&mut self, w: &[f64], x: &[Self]) {
        for (&w, x) in w.iter().zip(x) {
            self.accumulate(w, x);
        }
    }
}

impl Scalar for f64 {
    fn zero() -> Self {
        0.0
    }
    fn from_f64(x: f64) -> Self {
        x
    }
    fn from_parameter(value: f64, _: Option<&Rational>, _: Interval) -> Option<Self> {
        Some(value)
    }
    fn add(&self, other: &Self) -> Self {
        self + other
    }
    fn mul(&self, other: &Self) -> Self {
        self * other
    }
    fn accumulate(&mut self, w: f64, x: &Self) {
        *self += w * x;
    }
    /// In several partial sums, which is faster.
    fn accumulate_all(&mut self, w: &[f64], x: &[Self]) {
        *self += super::kernel::dot(w, x);
    }
}

impl Scalar for f32 {
    fn zero() -> Self {
        0.0
    }
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    fn from_parameter(value: f64, _: Option<&Rational>, _: Interval) -> Option<Self> {
        Some(value as f32)
    }
    fn add(&self, other: &Self) -> Self {
        self + other
    }
    fn mul(&self, other: &Self) -> Self {
        self * other
    }
    fn accumulate(&mut self, w: f64, x: &Self) {
        *self += w as f32 * x;
    }
}

impl Scalar for Interval {
    fn zero() -> Self {
        Self::ZERO
    }
    fn from_f64(x: f64) -> Self {
        Self::point(x)
    }
    fn from_parameter(_: f64, _: Option<&Rational>, enclosure: Interval) -> Option<Self> {
        Some(enclosure)
    }
    fn add(&self, other: &Self) -> Self {
        *self + *other
    }
    fn mul(&self, other: &Self) -> Self {
        *self * *other
    }
    fn accumulate(&mut self, w: f64, x: &Self) {
        if w != 0.0 {
            *self = *self + x.scale(w);
        }
    }
}

impl Scalar for Rational {
    fn zero() -> Self {
        Self::ZERO
    }
    fn from_f64(x: f64) -> Self {
        exact_or_zero(x)
    }
    fn from_parameter(_: f64, rational: Option<&Rational>, _: Interval) -> Option<Self> {
        rational.cloned()
    }
    fn add(&self, other: &Self) -> Self {
        self + other
    }
    fn mul(&self, other: &Self) -> Self {
        self * other
    }
    fn accumulate(&mut self, w: f64, x: &Self) {
        if w != 0.0 && x != &Self::ZERO {
            *self += exact_or_zero(w) * x;
        }
    }
}
