//! The inputs of a region as bits or, over the reals, as unknowns; and what limits them.

use super::SignumError;
use super::formula::OpbText;
use super::sums::{integer_sum, real_side};
use super::symbol::{Symbol, Unknown};
use crate::domains::num::{Rational, Scalar};
use crate::domains::query::{Ball, Region};
use absint_check::HalfSpace;
use dashu_int::IBig;
use std::ops::Range;

/// What an input can be: `lower`, and a step more for each of its bits, or anything where it is real.
#[derive(Clone, Debug)]
struct Input {
    lower: Rational,
    step: Rational,
    bits: Range<usize>,
}

/// The inputs of a case.
#[derive(Debug, Default)]
pub(in crate::exact::signum) struct Inputs {
    pub(super) opb: OpbText,
    inputs: Vec<Input>,
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
    pub fn encode(region: &Region) -> Result<Self, SignumError> {
        let mut inputs = Self::default();
        let (lower, upper) = region.exact_box();
        let is_free = |i: usize| lower[i] != upper[i];
        let any_free = (0..lower.len()).any(is_free);
        inputs.is_real = any_free && matches!(region.ball(), Ball::Box);
        for i in 0..lower.len() {
            // Mostly an input ranges over the same values as the one before it.
            let before = i.checked_sub(1).filter(|&j| lower[i] == lower[j] && upper[i] == upper[j]);
            let (step, count) = match before {
                Some(j) => (inputs.inputs[j].step.clone(), inputs.inputs[j].bits.len()),
                None if inputs.is_real || !is_free(i) => (Rational::ZERO, 0),
                None => {
                    let width = &upper[i] - &lower[i];
                    let step = match region.ball() {
                        Ball::Hamming { .. } => width.clone(),
                        Ball::Grid { step, .. } | Ball::GridL1 { step, .. } => step.clone(),
                        Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } => return Err(SignumError::RealInput(i)),
                    };
                    let (mut reached, mut count) = (step.clone(), 0);
                    while reached <= width {
                        reached += &step;
                        count += 1;
                    }
                    (step, count)
                }
            };
            let first = inputs.opb.variables + 1;
            for k in 0..count {
                let bit = inputs.opb.variable();
                if k > 0 {
                    inputs.opb.clause(&[(bit - 1, false), (bit, true)]);
                }
            }
            inputs.inputs.push(Input { lower: lower[i].clone(), step, bits: first..first + count });
        }
        inputs.ball(region);
        let values = if region.half_spaces().is_empty() { Vec::new() } else { inputs.values() };
        for half_space in region.half_spaces() {
            // c·x ≤ rhs.
            let start = Symbol::constant(half_space.rhs.clone());
            let add = |sum: Symbol, (i, c): &(usize, Rational)| sum.add(&values[*i].times(&-c));
            let sum = half_space.terms.iter().fold(start, add).gathered();
            if inputs.is_real {
                let side = real_side(&sum, false).ok_or_else(|| SignumError::Mixed("input".into()))?;
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

    /// The inputs' values.
    pub(super) fn values(&self) -> Vec<Symbol> {
        let value = |(i, input): (usize, &Input)| {
            if self.is_real {
                return Symbol::constant(Rational::ZERO).plus(Unknown::Input(i), Rational::ONE);
            }
            let start = Symbol::constant(input.lower.clone());
            input.bits.clone().fold(start, |value, bit| value.plus(Unknown::Bit(bit), input.step.clone()))
        };
        self.inputs.iter().enumerate().map(value).collect()
    }

    /// "At most so many of the steps away from the centre."
    fn ball(&mut self, region: &Region) {
        let (lower, _) = region.exact_box();
        let mut away: Vec<(IBig, (usize, bool))> = Vec::new();
        let most = match region.ball() {
            Ball::Hamming { at_upper, flips } => {
                for (input, &at_upper) in self.inputs.iter().zip(at_upper) {
                    away.extend(input.bits.clone().map(|b| (-IBig::ONE, (b, at_upper))));
                }
                IBig::from(*flips)
            }
            Ball::GridL1 { origin, step, radius } => {
                let mut most = (radius / step).floor();
                for (i, input) in self.inputs.iter().enumerate() {
                    // A step that ends at or below the centre leads away from it when it is not taken.
                    let below = ((&origin[i] - &lower[i]) / step).floor();
                    let is_below = |k: usize| IBig::from(k) < below;
                    away.extend(input.bits.clone().enumerate().map(|(k, b)| (-IBig::ONE, (b, is_below(k)))));
                    // The box may not reach the centre.
                    let count = IBig::from(input.bits.len());
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
