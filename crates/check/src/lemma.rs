//! Literals that no input of the box makes true together, with the multipliers that show it (Farkas' lemma).
//!
//! In the OPB file a lemma is a comment and the clause that follows from it:
//! ```text
//! * lemma x5 3/4 ~x7 1/2 h0 2
//! +1 ~x5 +1 x7 >= 1 ;
//! ```
//! The half-spaces on which the literals lie (and those of the region, `h0`, `h1`, …), each `Σ a x ≥ b` with a
//! first coefficient of ±1, are added with the multipliers; the sum does not hold anywhere in the box.

use crate::refutation::{Form, number};
use dashu_ratio::RBig;
use std::fmt;

/// How the comment begins.
pub(crate) const MARK: &str = "* lemma ";
/// A literal of the file: variable `x{n}`, and whether it is negated.
pub type Literal = (usize, bool);

/// `Σ a_i x_i ≥ bound` over real inputs, or `>` where strict. The first coefficient is ±1.
#[derive(Clone, Debug)]
pub struct HalfSpace {
    /// Inputs, each less than the number of inputs, with their coefficients.
    pub terms: Vec<(usize, RBig)>,
    /// The right side.
    pub bound: RBig,
    /// True for `>`.
    pub is_strict: bool,
}

/// What a formula's bits say about real inputs.
#[derive(Clone, Debug, Default)]
pub struct RealInputs {
    /// The smallest value of each input.
    pub lower: Vec<RBig>,
    /// The largest value of each input.
    pub upper: Vec<RBig>,
    /// What always holds, besides the box: `h0`, `h1`, …
    pub always: Vec<HalfSpace>,
    /// Bits with the half-spaces on which the inputs lie where they are true.
    pub sides: Vec<(usize, HalfSpace)>,
}

/// Literals that no input makes true together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lemma {
    /// The literals with their multipliers.
    pub sides: Vec<(Literal, RBig)>,
    /// Half-spaces of the region with their multipliers.
    pub always: Vec<(usize, RBig)>,
}

/// Why something is no lemma.
const MALFORMED: &str = "this is no lemma about real inputs (`* lemma x5 3/4 …` and the clause of it)";
/// Why a lemma is not accepted.
const UNKNOWN: &str = "the lemma names a variable or a half-space that says nothing about real inputs";
const MULTIPLIER: &str = "a multiplier of the lemma is not positive";
const TOO_LONG: &str = "the lemma's sums have fractions that are too long";
const NO_CONTRADICTION: &str = "the lemma does not hold: the sum of its half-spaces is satisfied in the box";

fn spelled((variable, is_negated): Literal) -> String {
    format!("{}x{variable}", if is_negated { "~" } else { "" })
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
    pub fn parse(lines: &[&str]) -> Result<Self, &'static str> {
        let &[comment, clause] = lines else { return Err(MALFORMED) };
        let rest = comment.strip_prefix(MARK).ok_or(MALFORMED)?;
        let mut lemma = Self { sides: Vec::new(), always: Vec::new() };
        let mut tokens = rest.split_ascii_whitespace();
        while let Some(name) = tokens.next() {
            let by = tokens.next().and_then(number).ok_or(MALFORMED)?;
            let (name, is_negated) = name.strip_prefix('~').map_or((name, false), |rest| (rest, true));
            let number = |initial: char| name.strip_prefix(initial)?.parse().ok();
            match number('h').filter(|_| !is_negated) {
                Some(i) => lemma.always.push((i, by)),
                None => lemma.sides.push(((number('x').ok_or(MALFORMED)?, is_negated), by)),
            }
        }
        let is_of_it = lemma.to_string().lines().nth(1) == Some(clause);
        if is_of_it { Ok(lemma) } else { Err(MALFORMED) }
    }
}

impl RealInputs {
    /// Adds the half-spaces of a lemma up: `Σ c x ≥ b` must fail at every point of the box.
    /// The error is why the lemma shows nothing.
    pub fn check(&self, lemma: &Lemma) -> Result<(), &'static str> {
        let mut sum = Form::default();
        let mut is_strict = false;
        let sides = lemma.sides.iter().map(|((variable, is_negated), by)| {
            let (_, side) = self.sides.iter().find(|side| side.0 == *variable)?;
            Some((side, *is_negated, by))
        });
        let always = lemma.always.iter().map(|(i, by)| Some((self.always.get(*i)?, false, by)));
        for added in sides.chain(always) {
            let (half_space, is_negated, by) = added.ok_or(UNKNOWN)?;
            if by <= &RBig::ZERO {
                return Err(MULTIPLIER);
            }
            let by = if is_negated { -by } else { by.clone() };
            half_space.terms.iter().for_each(|(i, a)| sum.add((0, *i), a * &by));
            sum.add_constant(-(&half_space.bound * &by));
            is_strict |= half_space.is_strict != is_negated;
        }
        // The most that is left of the sum in the box.
        for ((_, i), c) in std::mem::take(&mut sum.terms) {
            let end = if c > RBig::ZERO { self.upper.get(i) } else { self.lower.get(i) };
            sum.add_constant(c * end.ok_or(UNKNOWN)?);
        }
        if sum.is_too_long {
            return Err(TOO_LONG);
        }
        let fails = sum.constant < RBig::ZERO || (sum.constant == RBig::ZERO && is_strict);
        if fails { Ok(()) } else { Err(NO_CONTRADICTION) }
    }
}

#[cfg(test)]
mod tests;
