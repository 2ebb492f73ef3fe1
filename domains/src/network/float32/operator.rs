//! Operators whose float32 execution is not that of the affine node which they are lowered to.

use super::rounding::{ETA, Rounding};
use crate::network::node::maps;
use crate::network::{Affine, Coefficients};
use crate::num::round::{add_up, div_up};

/// How an affine node is computed in float32, where it is not by sums of products with its weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// Each result is one of the operands, however the node writes it: a part of a maximum, a limit.
    Choice,
    /// The operand divided by these numbers.
    Quotient(Coefficients),
    /// One computed number over another one, where the node reads the product with the reciprocal.
    Division,
    /// The sum of the products with ones, divided by this power of two, which is also what the weights are divided by.
    Mean(usize),
    /// `x / √(variance + ε) · scale + bias`, for the operand `x` from which the mean is already subtracted.
    Normalise {
        /// `variance`, one per entry.
        variance: Vec<f32>,
        /// `ε`.
        epsilon: f32,
        /// `scale`, one per entry.
        scale: Vec<f32>,
        /// `bias`, one per entry.
        bias: Vec<f32>,
    },
    /// Something whose float32 execution is not modelled: nothing behind it is ever verified.
    Unknown,
}

impl Operator {
    /// How many entries it has, if it says.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Self::Choice | Self::Division | Self::Mean(_) | Self::Unknown => None,
            Self::Quotient(divisors) => Some(divisors.len()),
            Self::Normalise { variance, .. } => Some(variance.len()),
        }
    }

    /// What computing `affine` that way can lose.
    pub(crate) fn rounding(&self, affine: &Affine) -> Rounding {
        match self {
            Self::Choice => Rounding::exact(&affine.bias),
            Self::Division => {
                let mut rounding = Rounding::exact(&affine.bias).with_more(1);
                rounding.rows.iter_mut().for_each(|row| row.underflow = ETA);
                rounding
            }
            Self::Quotient(_) => Rounding::of(&maps(&affine.terms), &affine.bias),
            Self::Mean(count) => {
                let mut rounding = Rounding::of(&maps(&affine.terms), &affine.bias).with_more(1);
                rounding.growth.factor *= *count as f64;
                rounding
            }
            Self::Normalise { variance, epsilon, scale, bias } => {
                // The variance's sum, its root, a quotient, a product and the bias, in whatever order; and the same
                // with the scale divided first and the mean multiplied by it.
                let mut rounding =
                    Rounding::of(&maps(&affine.terms), &affine.bias).with_more(6).spread(affine.bias.len());
                if variance.len() != scale.len() || variance.len() != bias.len() {
                    return Rounding::unknown();
                }
                let mut largest: f64 = 1.0;
                for ((row, v), scale) in rounding.rows.iter_mut().zip(variance).zip(scale) {
                    let deviation = (v + epsilon).sqrt();
                    if !(1e-15..=1e15).contains(&deviation) {
                        return Rounding::unknown();
                    }
                    let reciprocal = div_up(1.0 + 1e-6, f64::from(deviation));
                    largest = largest.max(reciprocal);
                    row.underflow = add_up(row.underflow, 4.0 * ETA * (1.0 + f64::from(scale.abs()) + reciprocal));
                }
                rounding.growth.factor = rounding.growth.factor.max(2.0 * largest);
                rounding
            }
            Self::Unknown => Rounding::unknown(),
        }
    }

    /// The operator on one entry, where it is not a sum of products.
    pub(super) fn apply(&self, i: usize, x: f32) -> Option<f32> {
        match self {
            Self::Choice | Self::Division | Self::Mean(_) | Self::Unknown => None,
            Self::Quotient(divisors) => Some(x / divisors.float32(i)?),
            Self::Normalise { variance, epsilon, scale, bias } => {
                Some(x / (variance.get(i)? + epsilon).sqrt() * scale.get(i)? + bias.get(i)?)
            }
        }
    }
}
