//! The largest radius that a domain certifies, by bisection, and the smallest at which an attack succeeds
//! (Salman et al. 2019, appendix L).

use crate::analyze::{AnalyzeError, Completeness, Cost, Method, Options, Reason, analyze_within};
use crate::attack::{Attack, Target};
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::num::{Rational, nearest, parse_decimal};
use crate::domains::query::{Query, RegionError};
use crate::domains::verdict::{Verdict, Witness};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// When a search by bisection is fine enough.
#[derive(Clone, Debug, PartialEq)]
pub enum Tolerance {
    /// The two ends are this close.
    Absolute(Rational),
    /// The two ends are this close as a multiple of the radius that the cheap domain certifies; cheap
    /// domains themselves then search as finely as by default.
    Relative(Rational),
}

impl FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, is_share) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
        let number = parse_decimal(number.trim()).map_err(|e| e.to_string())?;
        // Finer than this, bisection would go on beyond any use.
        if number < Rational::from_parts(1.into(), 10u64.pow(15).into()) {
            return Err("the tolerance must be at least 1e-15".into());
        }
        Ok(if is_share { Self::Relative(number / Rational::from(100)) } else { Self::Absolute(number) })
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(tolerance) => write!(f, "{tolerance}"),
            Self::Relative(share) => write!(f, "{}%", share * Rational::from(100)),
        }
    }
}

/// How a radius is searched for.
#[derive(Clone)]
pub struct RadiusOptions {
    /// Where the search begins; 0 or more.
    pub lo: Rational,
    /// Where it ends.
    pub hi: Rational,
    /// A radius that is known to be certified: the search of a costly domain goes on from there.
    pub safe: Option<Rational>,
    /// A radius at which a counterexample is known.
    pub unsafe_at: Option<Rational>,
    /// When the certified radius is fine enough; `None` for the paper's choice, 10⁻⁵ for domains without
    /// linear programs, and for those with them 5 % of what the cheap domain certifies.
    pub tolerance: Option<Tolerance>,
    /// When the attack's radius is fine enough.
    pub attack_tolerance: Rational,
    /// How the upper bound is looked for; `None` for not at all.
    pub attack: Option<Attack>,
    /// Which domain certifies, and how.
    pub analysis: Options,
}

impl RadiusOptions {
    /// The tolerance of the paper where computing is cheap: 10⁻⁵.
    #[must_use]
    pub fn fine() -> Rational {
        Rational::from_parts(1.into(), 100_000u32.into())
    }

    /// The tolerance of the paper where computing is expensive: 5 % of the cheap domain's radius.
    #[must_use]
    pub fn coarse() -> Rational {
        Rational::from_parts(1.into(), 20u32.into())
    }
}

impl Default for RadiusOptions {
    fn default() -> Self {
        Self {
            lo: Rational::ZERO,
            hi: Rational::ONE,
            safe: None,
            unsafe_at: None,
            tolerance: None,
            attack_tolerance: Self::fine(),
            attack: Some(Attack::pgd(0)),
            analysis: Options::default(),
        }
    }
}

/// What is known of the distance to the nearest counterexample.
#[derive(Clone, Debug, Default)]
pub struct Radius {
    /// The largest radius that was certified; `None` when not even the smallest one was.
    pub certified: Option<Rational>,
    /// What the cheap domain certified, where a costly one went on from there.
    pub base: Option<Rational>,
    /// The smallest radius at which a counterexample was found, and that one.
    pub attacked: Option<(Rational, Witness)>,
    /// Analyses that were run.
    pub analyses: usize,
    /// Attacks that were run.
    pub attacks: usize,
    /// True when the time was up before the search was over.
    pub out_of_time: bool,
    /// Why nothing is known of the next radius that was tried; nothing where a counterexample said that it is too large.
    pub reasons: Vec<Reason>,
}

impl Radius {
    /// Nothing is known, since the search did not stop in time and was abandoned.
    #[must_use]
    pub fn out_of_time() -> Self {
        Self { out_of_time: true, reasons: vec![Reason::OutOfTime], ..Self::default() }
    }
}

/// Why no radius can be searched for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RadiusError {
    /// The query cannot be analysed.
    #[error(transparent)]
    Analyze(#[from] AnalyzeError),
    /// No neighbourhood of that radius exists.
    #[error(transparent)]
    Region(#[from] RegionError),
}

/// Searches for both radii; `ball` makes the query of a radius, and larger radii must hold smaller ones.
///
/// Every radius that is tried has a short decimal expansion, so that what is printed is what was proved.
///
/// # Errors
/// A [`RadiusError`]; running out of time is none.
pub fn radius(
    network: &Network,
    ball: &dyn Fn(&Rational) -> Result<Query, RegionError>,
    options: &RadiusOptions,
    run: Run<'_>,
) -> Result<Radius, RadiusError> {
    let network = &*options.analysis.executed(network);
    let found = attacked_radius(network, ball, options, run)?;
    let mut search = Search { network, ball, options, run, found };
    let domain = &options.analysis;
    // The attack has had its turn; only a search for the exact answer goes on with both.
    let row = domain.method.row();
    let decides = row.completeness == Completeness::Decides;
    let exhaustive = Options { attack: domain.attack && decides, all_margins: false, ..domain.clone() };
    match row.cost {
        Cost::Cheap => {
            let tolerance = match &options.tolerance {
                Some(Tolerance::Absolute(tolerance)) => tolerance.clone(),
                None | Some(Tolerance::Relative(_)) => RadiusOptions::fine(),
            };
            search.bisect_from_below(&exhaustive, &tolerance)?;
        }
        Cost::Costly => {
            match &options.safe {
                Some(safe) => search.found.certified = Some(safe.clone()),
                None => {
                    let cheap = Options { method: Method::DEEPPOLY, ..exhaustive.clone() };
                    search.bisect_from_below(&cheap, &RadiusOptions::fine())?;
                }
            }
            search.found.base = search.found.certified.clone();
            search.found.reasons.clear();
            let share = |share: &Rational| share * search.found.base.as_ref().unwrap_or(&Rational::ZERO);
            let tolerance = match &options.tolerance {
                None => share(&RadiusOptions::coarse()),
                Some(Tolerance::Absolute(tolerance)) => tolerance.clone(),
                Some(Tolerance::Relative(of_base)) => share(of_base),
            };
            search.gallop(&exhaustive, &tolerance.max(RadiusOptions::fine()))?;
        }
    }
    Ok(search.ended())
}

/// The smallest radius at which the attack finds a counterexample, alone.
///
/// # Errors
/// A [`RadiusError`]; running out of time is none.
pub fn attacked_radius(
    network: &Network,
    ball: &dyn Fn(&Rational) -> Result<Query, RegionError>,
    options: &RadiusOptions,
    run: Run<'_>,
) -> Result<Radius, RadiusError> {
    let network = &*options.analysis.executed(network);
    let mut search = Search { network, ball, options, run, found: Radius::default() };
    if let Some(attack) = &options.attack {
        search.attack(attack)?;
    }
    Ok(search.ended())
}

struct Search<'a> {
    network: &'a Network,
    ball: &'a dyn Fn(&Rational) -> Result<Query, RegionError>,
    options: &'a RadiusOptions,
    run: Run<'a>,
    found: Radius,
}

impl Search<'_> {
    /// What was found, and whether the time ended it.
    fn ended(self) -> Radius {
        let mut found = self.found;
        found.out_of_time = self.run.budget.is_spent();
        if found.out_of_time {
            found.reasons = vec![Reason::OutOfTime];
        }
        found
    }

    /// The smallest radius at which the attack succeeds, by bisection; each success is the next one's
    /// starting point.
    fn attack(&mut self, attack: &Attack) -> Result<(), RadiusError> {
        let options = self.options;
        let mut starts: Vec<Vec<f64>> = Vec::new();
        let mut withstands = |search: &mut Self, eps: &Rational| {
            let query = (search.ball)(eps)?;
            search.found.attacks += 1;
            let witness = query.cases.iter().find_map(|case| {
                let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
                let target = Target { network: search.network, case, open: &open };
                attack.run_from(target, &starts, search.run.budget).witness
            });
            let Some(witness) = witness else { return Ok(true) };
            starts = vec![witness.input().iter().map(nearest).collect()];
            search.found.attacked = Some((eps.clone(), witness));
            Ok(false)
        };
        let hi = options.unsafe_at.as_ref().unwrap_or(&options.hi);
        if self.run.budget.is_spent() || withstands(self, hi)? {
            return Ok(());
        }
        self.bisect(options.lo.clone(), hi.clone(), &options.attack_tolerance, withstands)
    }

    /// The end of the search, and whether it is known to be unsafe.
    fn ceiling(&self) -> (Rational, bool) {
        let attacked = self.found.attacked.as_ref().map(|(eps, _)| eps);
        match attacked.into_iter().chain(&self.options.unsafe_at).min() {
            Some(eps) => (eps.clone(), true),
            None => (self.options.hi.clone(), false),
        }
    }

    fn certify(&mut self, eps: &Rational, options: &Options) -> Result<bool, RadiusError> {
        self.found.analyses += 1;
        let analysis = analyze_within(self.network, &(self.ball)(eps)?, options, self.run)?;
        match analysis.verdict {
            Verdict::Verified(_) => {
                self.found.certified = Some(eps.clone());
                Ok(true)
            }
            // Complete domains refute as well.
            Verdict::Falsified(witness) => {
                if self.found.attacked.as_ref().is_none_or(|(attacked, _)| eps < attacked) {
                    self.found.attacked = Some((eps.clone(), witness));
                }
                self.found.reasons.clear();
                Ok(false)
            }
            Verdict::Unknown(_) => {
                self.found.reasons = analysis.reasons;
                // The attack has had its turn.
                if self.options.attack.is_some() {
                    self.found.reasons.retain(|reason| *reason != Reason::NoAttack);
                }
                Ok(false)
            }
        }
    }

    fn bisect_from_below(&mut self, options: &Options, tolerance: &Rational) -> Result<(), RadiusError> {
        let (ceiling, is_unsafe) = self.ceiling();
        let floor = self.options.lo.clone();
        if floor >= ceiling && is_unsafe || !self.certify(&floor, options)? {
            return Ok(());
        }
        if !is_unsafe && self.certify(&ceiling, options)? {
            return Ok(());
        }
        self.bisect(floor, ceiling, tolerance, |search, eps| search.certify(eps, options))
    }

    /// Halves the range between a radius that `holds` and one that does not.
    fn bisect(
        &mut self,
        mut lo: Rational,
        mut hi: Rational,
        tolerance: &Rational,
        mut holds: impl FnMut(&mut Self, &Rational) -> Result<bool, RadiusError>,
    ) -> Result<(), RadiusError> {
        while &hi - &lo > *tolerance && !self.run.budget.is_spent() {
            let next = middle(&lo, &hi, tolerance);
            if holds(self, &next)? { lo = next } else { hi = next }
        }
        Ok(())
    }

    /// Upwards from what is certified, in steps that double, then bisection: a costly domain rarely gets
    /// far beyond the cheap one.
    fn gallop(&mut self, options: &Options, tolerance: &Rational) -> Result<(), RadiusError> {
        let (ceiling, is_unsafe) = self.ceiling();
        let mut lo = match self.found.certified.clone() {
            Some(eps) => eps,
            None if self.certify(&self.options.lo.clone(), options)? => self.options.lo.clone(),
            None => return Ok(()),
        };
        let two = Rational::from(2);
        let mut step = tolerance * &two;
        while !self.run.budget.is_spent() && &ceiling - &lo > *tolerance {
            let next = rounded(&(&lo + &step), tolerance);
            let hi = if next < ceiling {
                next
            } else if is_unsafe {
                return self.bisect(lo, ceiling, tolerance, |search, eps| search.certify(eps, options));
            } else {
                ceiling.clone()
            };
            if !self.certify(&hi, options)? {
                return self.bisect(lo, hi, tolerance, |search, eps| search.certify(eps, options));
            }
            lo = hi;
            step = &step * &two;
        }
        Ok(())
    }
}

/// The middle, on a decimal grid finer than a tenth of the tolerance.
fn middle(lo: &Rational, hi: &Rational, tolerance: &Rational) -> Rational {
    let exact = (lo + hi) / Rational::from(2);
    let near = rounded(&exact, tolerance);
    if &near > lo && &near < hi { near } else { exact }
}

/// `x` rounded down to a multiple of a power of ten that is at most a tenth of the tolerance.
fn rounded(x: &Rational, tolerance: &Rational) -> Rational {
    let digits = (1.0 - nearest(tolerance).log10()).ceil().clamp(0.0, 300.0);
    let scale = Rational::from(10).pow(digits as isize);
    Rational::from((x * &scale).floor()) / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::num::parse_decimal;

    #[test]
    fn radii_have_few_digits() {
        let q = |t: &str| parse_decimal(t).unwrap();
        assert_eq!(rounded(&q("0.123456789"), &q("1e-5")), q("0.123456"));
        assert_eq!(rounded(&q("0.123456789"), &q("0.003")), q("0.1234"));
        assert_eq!(rounded(&q("3.7"), &q("100")), q("3"));
        assert_eq!(middle(&q("0"), &q("1"), &q("1e-5")), q("0.5"));
        // Where the grid is too coarse, the exact middle.
        assert_eq!(middle(&q("0.12"), &q("0.13"), &q("1")), q("0.125"));
    }
}
