//! Linear terms, and what one comparison of them says.

use super::error::VnnlibProblem;
use crate::domains::num::Rational;
use crate::domains::query::{Atom, HalfSpace, Variable};
use dashu_int::ops::BitTest;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Constants may not grow beyond this many bits (`1e4000` has 13,288).
const MOST_BITS: usize = 1 << 14;

/// A linear term `Σ c_v v + constant`; variables may repeat.
#[derive(Clone, Debug, Default)]
pub(super) struct Linear {
    terms: Vec<(Variable, Rational)>,
    constant: Rational,
}

/// What one comparison says of a disjunct. Files hold millions of bounds: they take 16 bytes each, and equal numbers
/// are one in memory.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    /// `X_input ≤ value` when `is_upper`, else `X_input ≥ value`.
    Bound { input: u32, is_upper: bool, value: Arc<Rational> },
    /// Several inputs and no output.
    HalfSpace(Box<HalfSpace>),
    /// Outputs, or nothing at all and false.
    Atom(Box<Atom>),
}

impl Literal {
    /// `(a, b)` where it says `X_a ≤ X_b`.
    pub(super) fn orders(&self) -> Option<(usize, usize)> {
        let Self::HalfSpace(half_space) = self else { return None };
        let HalfSpace { terms, rhs } = &**half_space;
        let [(i, c), (j, d)] = &terms[..] else { return None };
        let is_difference = rhs == &Rational::ZERO && c + d == Rational::ZERO;
        is_difference.then_some(if c > &Rational::ZERO { (*i, *j) } else { (*j, *i) })
    }

    /// The same with other numbers of inputs, some of which may become one.
    pub(super) fn rename(&mut self, input_of: &[usize]) -> Result<(), VnnlibProblem> {
        let renamed = |v: &Variable| match v {
            Variable::Input(i) => Variable::Input(input_of[*i]),
            Variable::Output(_) => *v,
        };
        let (linear, is_strict) = match self {
            Self::Bound { input, .. } => {
                *input = numbered(input_of[*input as usize])?;
                return Ok(());
            }
            Self::HalfSpace(half_space) => {
                let HalfSpace { terms, rhs } = &**half_space;
                let terms = terms.iter().map(|(i, c)| (Variable::Input(input_of[*i]), c.clone())).collect();
                (Linear { terms, constant: -rhs.clone() }, false)
            }
            Self::Atom(atom) => {
                let Atom { terms, constant, is_strict } = &**atom;
                let terms = terms.iter().map(|(v, c)| (renamed(v), c.clone())).collect();
                (Linear { terms, constant: constant.clone() }, *is_strict)
            }
        };
        // The atom of a strict comparison stands behind its closure.
        let literal = if is_strict { linear.below_zero()?.pop() } else { linear.at_most_zero()? };
        let holds =
            || Self::Atom(Box::new(Atom { terms: BTreeMap::new(), constant: -Rational::ONE, is_strict: false }));
        *self = literal.unwrap_or_else(holds);
        Ok(())
    }
}

/// The number of an input as literals keep it.
fn numbered(input: usize) -> Result<u32, VnnlibProblem> {
    u32::try_from(input).map_err(|_| VnnlibProblem::TooLarge { limit: u32::MAX as usize, what: "inputs" })
}

fn checked(value: Rational) -> Result<Rational, VnnlibProblem> {
    let bits = value.numerator().bit_len().max(value.denominator().bit_len());
    if bits > MOST_BITS { Err(VnnlibProblem::Huge(MOST_BITS)) } else { Ok(value) }
}

impl Linear {
    pub(super) fn constant(value: Rational) -> Self {
        Self { terms: Vec::new(), constant: value }
    }

    pub(super) fn variable(variable: Variable) -> Self {
        Self { terms: vec![(variable, Rational::ONE)], constant: Rational::ZERO }
    }

    /// The value, when no variable occurs.
    pub(super) fn as_constant(&self) -> Option<&Rational> {
        self.terms.is_empty().then_some(&self.constant)
    }

    /// The variables with their coefficients, and the constant.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Option<Variable>, &Rational)> {
        let constant = Some((None, &self.constant)).filter(|(_, c)| **c != Rational::ZERO);
        self.terms.iter().map(|(v, c)| (Some(*v), c)).chain(constant)
    }

    pub(super) fn negated(mut self) -> Self {
        for (_, c) in &mut self.terms {
            *c = -std::mem::take(c);
        }
        self.constant = -self.constant;
        self
    }

    pub(super) fn plus(mut self, other: Self) -> Result<Self, VnnlibProblem> {
        self.terms.extend(other.terms);
        if other.constant != Rational::ZERO {
            self.constant = checked(self.constant + other.constant)?;
        }
        Ok(self)
    }

    pub(super) fn times(self, other: Self) -> Result<Self, VnnlibProblem> {
        let (mut linear, factor) = match (self.as_constant(), other.as_constant()) {
            (_, Some(factor)) => (self.clone(), factor.clone()),
            (Some(factor), _) => (other.clone(), factor.clone()),
            _ => return Err(VnnlibProblem::NotLinear),
        };
        for (_, c) in &mut linear.terms {
            *c = checked(std::mem::take(c) * &factor)?;
        }
        linear.constant = checked(linear.constant * factor)?;
        Ok(linear)
    }

    pub(super) fn divided_by(self, other: &Self) -> Result<Self, VnnlibProblem> {
        match other.as_constant() {
            Some(divisor) if divisor != &Rational::ZERO => self.times(Self::constant(Rational::ONE / divisor)),
            _ => Err(VnnlibProblem::Division),
        }
    }

    /// Adds up repeated variables, leaves out zeros, sorts.
    pub(super) fn merged(mut self) -> Result<Self, VnnlibProblem> {
        self.terms.sort_by_key(|(variable, _)| *variable);
        let mut merged: Vec<(Variable, Rational)> = Vec::with_capacity(self.terms.len());
        for (variable, c) in self.terms {
            match merged.last_mut() {
                Some((last, sum)) if *last == variable => *sum = checked(std::mem::take(sum) + c)?,
                _ => merged.push((variable, c)),
            }
        }
        merged.retain(|(_, c)| c != &Rational::ZERO);
        Ok(Self { terms: merged, constant: self.constant })
    }

    /// What `self < 0` says: of inputs alone its closure as well, which the region is made of; nothing when it
    /// always holds.
    pub(super) fn below_zero(self) -> Result<Vec<Literal>, VnnlibProblem> {
        let Self { terms, constant } = self.merged()?;
        if terms.is_empty() {
            // Where 0 < 0 is asserted, a margin of 0 would not do.
            let margin = if constant == Rational::ZERO { Rational::ONE } else { constant };
            return Ok(Self::constant(margin).at_most_zero()?.into_iter().collect());
        }
        let reads_inputs_only = terms.iter().all(|(v, _)| matches!(v, Variable::Input(_)));
        let closure = reads_inputs_only.then(|| Self { terms: terms.clone(), constant: constant.clone() });
        let atom = Literal::Atom(Box::new(Atom { terms: terms.into_iter().collect(), constant, is_strict: true }));
        Ok(closure.map_or(Ok(None), Self::at_most_zero)?.into_iter().chain([atom]).collect())
    }

    /// What `self ≤ 0` says; `None` when it always holds.
    pub(super) fn at_most_zero(self) -> Result<Option<Literal>, VnnlibProblem> {
        let Self { mut terms, constant } = self.merged()?;
        let is_input = |v: &Variable| matches!(v, Variable::Input(_));
        if terms.is_empty() && constant <= Rational::ZERO {
            return Ok(None);
        }
        if let [(Variable::Input(input), c)] = &mut terms[..] {
            let (input, c) = (*input, std::mem::take(c));
            let is_upper = c > Rational::ZERO;
            let value = if c == Rational::ONE { -constant } else { checked(-constant / c)? };
            return Ok(Some(Literal::Bound { input: numbered(input)?, is_upper, value: Arc::new(value) }));
        }
        if !terms.is_empty() && terms.iter().all(|(v, _)| is_input(v)) {
            let indexed = terms.into_iter().filter_map(|(v, c)| match v {
                Variable::Input(i) => Some((i, c)),
                Variable::Output(_) => None,
            });
            return Ok(Some(Literal::HalfSpace(Box::new(HalfSpace { terms: indexed.collect(), rhs: -constant }))));
        }
        let terms = terms.into_iter().collect();
        Ok(Some(Literal::Atom(Box::new(Atom { terms, constant, is_strict: false }))))
    }
}
