//! Operators whose float32 execution is not that of the node which they are lowered to.

use super::rounding::{ETA, Growth, Rounding};
use crate::network::node::maps;
use crate::network::{Affine, Coefficients, NodeKind};
use crate::num::round::{add_up, div_up};

/// How a node is computed in float32, where that is not by sums of products with its weights or as its function says.
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
    /// A number within an operator that no execution computes: what is rounded is charged to the operator's result.
    Part,
    /// That many operations of IEEE 754, one behind another, none of which cancels anything.
    Operations(usize),
    /// A function of the runtime, whose error is counted in units in the last place of the exact value, or that many
    /// operations of IEEE 754 in its place.
    Call(usize),
    /// A Softmax over so many classes: `exp(x_i − m) / Σ exp(x_j − m)` with the largest operand `m`, the sum in any order,
    /// the quotient by way of a reciprocal or not.
    Softmax(usize),
    /// Its logarithm, `x_i − m − ln Σ exp(x_j − m)`.
    LogSoftmax(usize),
    /// Something whose float32 execution is not modelled: nothing behind it is ever verified.
    Unknown,
}

impl Operator {
    /// How many entries it has, if it says.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Self::Quotient(divisors) => Some(divisors.len()),
            Self::Normalise { variance, .. } => Some(variance.len()),
            _ => None,
        }
    }

    /// What it can lose whatever kind of node it is declared of; `None` where that must be affine.
    ///
    /// A Softmax: `exp(x_i − m)` is off by a call and by at most `u max t e^−t < 0.4 u` for the rounding of `x_i − m = −t`,
    /// and so is each of the `n` terms of a sum `S ≥ 1`, with less than `n` roundings more. So the quotient is off by the
    /// numerator's call, twice the sum's (`1 / (1 + η)`) and two roundings, `γ_N` of itself with three calls and `N = 4 n + 2`
    /// operations, and by less than `u / 2` for the numerator's `0.4 u`. Its logarithm is off by that of the sum and by its
    /// own call and two roundings, which are relative to `|x_i − m| + ln S`.
    pub(super) fn alone(&self) -> Option<Rounding> {
        let of_sum = |later: usize, at_least: f64| Rounding { later, calls: 3, ..Rounding::of_call(at_least) };
        Some(match self {
            Self::Part => Rounding::part(),
            Self::Operations(operations) => Rounding::of_operations(*operations),
            Self::Call(operations) => Rounding::of_call(0.0).with_more(*operations),
            Self::Softmax(n) => of_sum(4 * n + 2, 0.5 / (4.0 * *n as f64 + 2.0)),
            Self::LogSoftmax(n) => of_sum(4 * n + 4, 1.0),
            Self::Unknown => Rounding::unknown(),
            Self::Choice | Self::Quotient(_) | Self::Division | Self::Mean(_) | Self::Normalise { .. } => return None,
        })
    }

    /// What computing a node of this kind that way can lose; `None` where it must be affine and is not.
    pub(crate) fn rounding(&self, kind: &NodeKind) -> Option<Rounding> {
        match kind {
            NodeKind::Affine(affine) => Some(self.of_affine(affine)),
            NodeKind::Activation(_) | NodeKind::Product(_) => self.alone(),
            NodeKind::Input => None,
        }
    }

    /// What computing `affine` that way can lose.
    fn of_affine(&self, affine: &Affine) -> Rounding {
        if let Some(rounding) = self.alone() {
            // What it computes is as large as the node's values, which its operands need not be; of a part it computes nothing.
            let growth = match self {
                Self::Part => rounding.growth,
                _ => rounding.growth.or(Growth::of(&maps(&affine.terms), &affine.bias)),
            };
            return Rounding { growth, ..rounding.with_constants(&affine.bias) };
        }
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
            _ => Rounding::unknown(),
        }
    }

    /// The operator on one entry, where it is not a sum of products.
    pub(super) fn apply(&self, i: usize, x: f32) -> Option<f32> {
        match self {
            Self::Quotient(divisors) => Some(x / divisors.float32(i)?),
            Self::Normalise { variance, epsilon, scale, bias } => {
                Some(x / (variance.get(i)? + epsilon).sqrt() * scale.get(i)? + bias.get(i)?)
            }
            _ => None,
        }
    }
}
