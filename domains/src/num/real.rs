//! Floats of either width for kernels over columns: a matrix has one row per neuron and one column per member of a
//! batch, so that a neuron's numbers lie side by side and its constants stay in registers.

use std::borrow::Cow;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// `f32` for guesses, `f64` for proofs.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The nearest number.
    fn of(value: f64) -> Self;

    /// As a double, exactly.
    fn double(self) -> f64;

    /// `|self|`.
    fn magnitude(self) -> Self;

    /// The nearest numbers, without a copy where they are the same.
    fn all_of(values: &[f64]) -> Cow<'_, [Self]>;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }

    fn all_of(values: &[f64]) -> Cow<'_, [Self]> {
        values.iter().map(|&v| v as Self).collect::<Vec<_>>().into()
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn double(self) -> f64 {
        self
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }

    fn all_of(values: &[f64]) -> Cow<'_, [Self]> {
        values.into()
    }
}
