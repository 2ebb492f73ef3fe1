//! The inputs of a region as bits or, over the reals, as unknowns; and what limits them.

use super::formula::OpbText;
use super::sums::{integer_sum, real_side};
use super::symbol::{Symbol, Unknown};
use super::{BnnError, HalfSpace};
use crate::domains::num::{Rational, Scalar};
use crate::domains::query::{Ball, Region};
use dashu_int::IBig;

/// The inputs of a case.
#[derive(Debug, Default)]
pub(in crate::engine::bnn) struct Inputs {
    pub(super) opb: OpbText,
    /// Their values.
    pub(super) values: Vec<Symbol>,
    /// Over real inputs: what always holds, besides the box.
    pub(super) always: Vec<HalfSpace>,
    /// The box of real inputs.
    pub(super) ends: (Vec<Rational>, Vec<Rational>),
    /// True where the inputs range over the reals.
    is_real: bool,
}

impl Inputs {
    /// The inequalities.
    pub fn opb(&self) -> &OpbText {
        &self.opb
    }

    /// Encodes a region.
    ///
    /// # Errors
    /// Inputs over a continuum in another region than a box, numbers that are not rational where they must be.
    pub fn encode(region: &Region) -> Result<Self, BnnError> {
        let mut inputs = Self::default();
        let (lower, upper) = region.exact_box();
        let is_free = |i: usize| lower[i] != upper[i];
        let any_free = (0..lower.len()).any(is_free);
        inputs.is_real = any_free && matches!(region.ball(), Ball::Box);
        let mut bits_of: Vec<Vec<usize>> = Vec::with_capacity(lower.len());
        for i in 0..lower.len() {
            let width = &upper[i] - &lower[i];
            let mut value = Symbol::constant(lower[i].clone());
            let mut bits = Vec::new();
            if inputs.is_real {
                value = Symbol::constant(Rational::ZERO).plus(Unknown::Input(i), Rational::ONE);
            } else if is_free(i) {
                let step = match region.ball() {
                    Ball::Hamming { .. } => width.clone(),
                    Ball::Grid { step, .. } | Ball::GridL1 { step, .. } => step.clone(),
                    Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } => return Err(BnnError::RealInput(i)),
                };
                let mut reached = step.clone();
                while reached <= width {
                    let bit = inputs.opb.variable();
                    value = value.plus(Unknown::Bit(bit), step.clone());
                    if let Some(&before) = bits.last() {
                        inputs.opb.clause(&[(before, false), (bit, true)]);
                    }
                    bits.push(bit);
                    reached += &step;
                }
            }
            inputs.values.push(value);
            bits_of.push(bits);
        }
        inputs.ball(region, &bits_of);
        for half_space in region.half_spaces() {
            // c·x ≤ rhs.
            let start = Symbol::constant(half_space.rhs.clone());
            let add = |sum: Symbol, (i, c): &(usize, Rational)| sum.add(&inputs.values[*i].times(&-c));
            let sum = half_space.terms.iter().fold(start, add).gathered();
            if inputs.is_real {
                let side = real_side(&sum, false).ok_or_else(|| BnnError::Mixed("input".into()))?;
                inputs.always.push(side);
            } else {
                let (terms, bound) = integer_sum(sum, "input", false)?;
                let terms: Vec<_> = terms.into_iter().map(|(a, v)| (a, (v, false))).collect();
                inputs.opb.at_least(&terms, &bound);
            }
        }
        if inputs.is_real {
            inputs.ends = (lower.to_vec(), upper.to_vec());
        }
        Ok(inputs)
    }

    /// "At most so many of the steps away from the centre."
    fn ball(&mut self, region: &Region, bits: &[Vec<usize>]) {
        let (lower, _) = region.exact_box();
        let mut away: Vec<(IBig, (usize, bool))> = Vec::new();
        let most = match region.ball() {
            Ball::Hamming { at_upper, flips } => {
                for (bits, &at_upper) in bits.iter().zip(at_upper) {
                    away.extend(bits.iter().map(|&b| (-IBig::ONE, (b, at_upper))));
                }
                IBig::from(*flips)
            }
            Ball::GridL1 { origin, step, radius } => {
                let mut most = (radius / step).floor();
                for (i, bits) in bits.iter().enumerate() {
                    // A step that ends at or below the centre leads away from it when it is not taken.
                    let below = ((&origin[i] - &lower[i]) / step).floor();
                    let is_below = |k: usize| IBig::from(k) < below;
                    away.extend(bits.iter().enumerate().map(|(k, &b)| (-IBig::ONE, (b, is_below(k)))));
                    // The box may not reach the centre.
                    let count = IBig::from(bits.len());
                    if below < IBig::ZERO {
                        most += &below;
                    } else if below > count {
                        most -= below - count;
                    }
                }
                most
            }
            Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } | Ball::Grid { .. } => return,
        };
        let most = most.clamp(-IBig::ONE, IBig::from(away.len()));
        self.opb.at_least(&away, &-most);
    }
}
