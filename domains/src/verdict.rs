//! The answers: *verified* with what proved it, *falsified* with a replayed witness, or *unknown*.

use crate::network::{EvaluateError, Network};
use crate::num::{Interval, Rational, enclose};
use crate::query::{Case, Disjunct};

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every disjunct of the unsafe set is refuted by a strict certified bound.
    Verified(Proof),
    /// A point of the region reaches the unsafe set.
    Falsified(Witness),
    /// Neither was shown.
    Unknown(Gap),
}

impl Verdict {
    /// The word for it: `verified`, `falsified` or `unknown`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verified(_) => "verified",
            Self::Falsified(_) => "falsified",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// What proved a query: for each disjunct the certified positive lower bound of the maximum of its
/// margins.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// One positive bound per disjunct.
    pub bounds: Vec<f64>,
}

/// Why a query is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// The disjuncts that are not refuted.
    pub open: Vec<usize>,
    /// True when the time was up.
    pub out_of_time: bool,
}

/// An input that was replayed: it lies exactly in the region and satisfies every atom of a disjunct.
///
/// It can only be made by [`Witness::replay`].
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    input: Vec<Rational>,
    output: Vec<Interval>,
    disjunct: usize,
}

impl Witness {
    /// Replays `input` for a disjunct of `case`: exactly where the network's parameters are rational,
    /// by a rigorous enclosure where they are not. `None` when it does not show the violation.
    ///
    /// `disjunct` indexes the case's property; `number` is its index in the query.
    #[must_use]
    pub fn replay(
        network: &Network,
        case: &Case,
        disjunct: usize,
        number: usize,
        input: Vec<Rational>,
    ) -> Option<Self> {
        let unsafe_set = case.property.disjuncts.get(disjunct)?;
        if !case.region.contains(&input) {
            return None;
        }
        let enclosed: Vec<Interval> = input.iter().map(enclose).collect();
        let output = network.evaluate::<Interval>(&enclosed).ok()?;
        if output.iter().all(|y| y.magnitude().is_finite()) {
            // The enclosure decides nearly always; exact arithmetic is for ties.
            match Self::decided_by_enclosure(unsafe_set, &enclosed, &output) {
                Some(true) => return Some(Self { input, output, disjunct: number }),
                Some(false) => return None,
                None => {}
            }
        }
        match network.evaluate::<Rational>(&input) {
            Ok(exact) => {
                let holds = unsafe_set.atoms.iter().all(|a| a.margin(&input, &exact) <= Rational::ZERO);
                let output = exact.iter().map(enclose).collect();
                holds.then_some(Self { input, output, disjunct: number })
            }
            Err(EvaluateError::Length { .. } | EvaluateError::Irrational(_)) => None,
        }
    }

    /// Whether all atoms hold, where the enclosures of their margins tell.
    fn decided_by_enclosure(disjunct: &Disjunct, input: &[Interval], output: &[Interval]) -> Option<bool> {
        let margins: Vec<Interval> = disjunct.atoms.iter().map(|a| a.margin_enclosure(input, output)).collect();
        if margins.iter().all(|m| m.hi <= 0.0) {
            Some(true)
        } else if margins.iter().any(|m| m.lo > 0.0) {
            Some(false)
        } else {
            None
        }
    }

    /// The input, exactly.
    #[must_use]
    pub fn input(&self) -> &[Rational] {
        &self.input
    }

    /// The output, enclosed.
    #[must_use]
    pub fn output(&self) -> &[Interval] {
        &self.output
    }

    /// The disjunct that it satisfies, numbered through the query.
    #[must_use]
    pub fn disjunct(&self) -> usize {
        self.disjunct
    }
}
