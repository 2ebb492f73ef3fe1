//! What real inputs do not allow: literals that no input of the box makes true together, with the
//! multipliers that show it (Farkas' lemma).
//!
//! In the OPB file a lemma is a comment and the clause that follows from it:
//! ```text
//! * lemma x5 3/4 ~x7 1/2 h0 2
//! +1 ~x5 +1 x7 >= 1 ;
//! ```
//! The half-spaces on which the literals lie (and those of the region, `h0`, `h1`, …), each `Σ a x ≥ b` with a
//! first coefficient of ±1, are added with the multipliers; the sum does not hold anywhere in the box.

use super::formula::{Literal, spelled};
use super::{HalfSpace, Original};
use crate::domains::num::{Rational, parse_decimal};
use std::fmt;
use thiserror::Error;

/// How the comment begins.
pub(super) const MARK: &str = "* lemma ";

/// Literals that no input makes true together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::exact::signum) struct Lemma {
    /// The literals, each a variable of the OPB file and whether it is negated, with their multipliers.
    pub sides: Vec<(Literal, Rational)>,
    /// Half-spaces of the region with their multipliers.
    pub always: Vec<(usize, Rational)>,
}

/// Why a lemma is not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LemmaError {
    /// It is not of the form.
    #[error("this is no lemma about real inputs (`* lemma x5 3/4 …` and the clause of it)")]
    Malformed,
    /// It names a variable or half-space that says nothing about real inputs.
    #[error("the lemma names a variable or a half-space that says nothing about real inputs")]
    Unknown,
    /// A multiplier that is not positive.
    #[error("a multiplier of the lemma is not positive")]
    Multiplier,
    /// The sum of its half-spaces meets the box.
    #[error("the lemma does not hold: the sum of its half-spaces is satisfied in the box")]
    NoContradiction,
}

impl fmt::Display for Lemma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "* lemma")?;
        for (literal, by) in &self.sides {
            write!(f, " {} {by}", spelled(*literal))?;
        }
        for (i, by) in &self.always {
            write!(f, " h{i} {by}")?;
        }
        writeln!(f)?;
        for &((variable, is_negated), _) in &self.sides {
            write!(f, "+1 {} ", spelled((variable, !is_negated)))?;
        }
        writeln!(f, ">= 1 ;")
    }
}

impl Lemma {
    /// Reads the two lines that [`Lemma`] displays as, and accepts no others.
    pub fn parse(lines: &[&str]) -> Result<Self, LemmaError> {
        let &[comment, clause] = lines else { return Err(LemmaError::Malformed) };
        let rest = comment.strip_prefix(MARK).ok_or(LemmaError::Malformed)?;
        let mut lemma = Self { sides: Vec::new(), always: Vec::new() };
        let mut tokens = rest.split_ascii_whitespace();
        while let Some(name) = tokens.next() {
            let by = tokens.next().and_then(|t| parse_decimal(t).ok()).ok_or(LemmaError::Malformed)?;
            let number = |text: &str| text.parse::<usize>().map_err(|_| LemmaError::Malformed);
            if let Some(i) = name.strip_prefix('h') {
                lemma.always.push((number(i)?, by));
            } else if let Some(v) = name.strip_prefix("~x") {
                lemma.sides.push(((number(v)?, true), by));
            } else {
                lemma.sides.push(((number(name.strip_prefix('x').ok_or(LemmaError::Malformed)?)?, false), by));
            }
        }
        let is_of_it = lemma.to_string().lines().nth(1) == Some(clause);
        if is_of_it { Ok(lemma) } else { Err(LemmaError::Malformed) }
    }
}

impl HalfSpace {
    /// What holds where this does not.
    fn negated(&self) -> Self {
        let terms = self.terms.iter().map(|(i, a)| (*i, -a)).collect();
        Self { terms, bound: -&self.bound, is_strict: !self.is_strict }
    }
}

impl Original {
    /// Adds the half-spaces up: `Σ c x ≥ b` must fail at every point of the box.
    pub(super) fn check_lemma(&self, lemma: &Lemma) -> Result<(), LemmaError> {
        let mut sum = vec![Rational::ZERO; self.inputs.ends.0.len()];
        let mut bound = Rational::ZERO;
        let mut is_strict = false;
        let mut add = |half_space: &HalfSpace, by: &Rational| {
            if by <= &Rational::ZERO {
                return Err(LemmaError::Multiplier);
            }
            for (i, a) in &half_space.terms {
                sum[*i] += a * by;
            }
            bound += &half_space.bound * by;
            is_strict |= half_space.is_strict;
            Ok(())
        };
        for ((variable, is_negated), by) in &lemma.sides {
            let (_, side) = self.neurons.sides.iter().find(|s| s.0 == *variable).ok_or(LemmaError::Unknown)?;
            if *is_negated { add(&side.negated(), by)? } else { add(side, by)? }
        }
        for (i, by) in &lemma.always {
            add(self.inputs.always.get(*i).ok_or(LemmaError::Unknown)?, by)?;
        }
        let (lower, upper) = &self.inputs.ends;
        let most = (0..sum.len()).fold(Rational::ZERO, |most, i| {
            most + &sum[i] * if sum[i] > Rational::ZERO { &upper[i] } else { &lower[i] }
        });
        let fails = most < bound || (most == bound && is_strict);
        if fails { Ok(()) } else { Err(LemmaError::NoContradiction) }
    }
}
