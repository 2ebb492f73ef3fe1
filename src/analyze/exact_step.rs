//! The last steps of a plan, on what is open of one case: integer programs, and the exact engine that suits the
//! network.

use super::cascade::{AnalyzeError, CaseState};
use super::{DomainName, Options};
use crate::domains::budget::Budget;
use crate::domains::domain::{DomainError, IntervalDomain, Run, propagate};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::query::{Property, Query};
use crate::domains::verdict::{Verdict, Witness};
use crate::exact::continuous as exact;
use crate::exact::signum::{self, BnnError, BnnOptions, Certificate};

/// Parts that the exact engines examine at the end of `auto` when there is no limit of time.
const AUTO_PARTS: usize = 1000;

/// Conflicts that the exact engine for signum networks meets there, in each case.
const AUTO_CONFLICTS: u64 = 20_000;

/// Whether an exact engine runs to its end: nobody who sets no limit waits for ever for `auto`.
fn is_patient(options: &Options, budget: &Budget) -> bool {
    options.domain != DomainName::Auto || budget.remaining().is_some()
}

/// Runs the exact engine that applies, if any; what it refutes is settled, its certificates are collected.
///
/// # Errors
/// [`AnalyzeError`] when an engine contradicts itself, or a certificate is wanted that it cannot give.
pub(super) fn run_exact(
    network: &Network,
    case: &mut CaseState,
    options: &Options,
    run: Run<'_>,
    found: &mut [Vec<f64>],
    certificates: &mut Vec<Certificate>,
) -> Result<Option<Witness>, AnalyzeError> {
    let in_float32 = network.arithmetic() == Arithmetic::Float32;
    // Where every float32 execution is the real one, what the engines prove holds for all of them.
    let real = in_float32.then(|| network.in_arithmetic(Arithmetic::Real));
    if in_float32 && (!signum::applies(network, &case.case.region) || !is_real(network, case, run)?) {
        return Ok(None);
    }
    if let Some(real) = real.as_deref() {
        let witness = run_signum(real, case, options, run, found, certificates)?;
        return Ok(witness.and_then(|w| {
            Witness::replay(network, case.case, w.disjunct() - case.first, w.disjunct(), w.input().to_vec())
        }));
    }
    if exact::applies(network, &case.case.region) {
        match run_continuous(network, case, options, run, found) {
            Err(DomainError::OutOfTime) => Ok(None),
            other => Ok(other?),
        }
    } else if signum::applies(network, &case.case.region) {
        run_signum(network, case, options, run, found, certificates)
    } else {
        Ok(None)
    }
}

/// Solves the integer programs of one case, a single one where it can be: of all its disjuncts where every margin
/// is wanted, of the open ones otherwise. Returns the counterexample at an optimum, and the solver's uncertified
/// bound, which settles nothing: that is left to [`run_exact`], for which half of the time is kept.
///
/// # Errors
/// [`AnalyzeError`] when the region does not fit the network.
#[cfg(feature = "highs")]
pub(super) fn run_milp(
    network: &Network,
    case: &CaseState,
    options: &Options,
    run: Run<'_>,
) -> Result<(Option<Witness>, f64), AnalyzeError> {
    let asked = if options.all_margins { (0..case.case.property.disjuncts.len()).collect() } else { case.open() };
    /// Below zero by more than the solver's tolerance, a point is a violation and no tie.
    const VIOLATION: f64 = -1e-6;
    let target = if options.all_margins { f64::NEG_INFINITY } else { VIOLATION };
    let settings = crate::exact::milp::MilpOptions { target, single: true, lp: options.lp, ..Default::default() };
    let half = super::deadline(run.budget.remaining().map(|left| left / 2));
    let run = Run { budget: &half, observer: run.observer };
    match crate::exact::milp::optimise(network, (case.case, case.first), &asked, &case.bounds, &settings, run) {
        Ok(answer) => Ok((answer.attained.and_then(|a| a.witness), answer.bound)),
        Err(DomainError::OutOfTime) => Ok((None, f64::NEG_INFINITY)),
        Err(other) => Err(other.into()),
    }
}

/// Whether no float32 execution differs from the real one over the case's region.
fn is_real(network: &Network, case: &CaseState, run: Run<'_>) -> Result<bool, AnalyzeError> {
    match propagate(&IntervalDomain, network, &case.case.region, &case.bounds, Run::silent(run.budget)) {
        Ok(trace) => Ok(trace.is_real),
        Err(DomainError::OutOfTime | DomainError::Float32 { .. }) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

/// Runs the exact engine for signum networks on what is open of one case.
fn run_signum(
    network: &Network,
    case: &mut CaseState,
    options: &Options,
    run: Run<'_>,
    found: &mut [Vec<f64>],
    certificates: &mut Vec<Certificate>,
) -> Result<Option<Witness>, AnalyzeError> {
    let open = case.open();
    if open.is_empty() {
        return Ok(None);
    }
    let disjuncts = open.iter().map(|&d| case.case.property.disjuncts[d].clone()).collect();
    let query = Query::over(case.case.region.clone(), Property { disjuncts });
    let settings = BnnOptions {
        certify: options.certify,
        conflicts: if is_patient(options, run.budget) { u64::MAX } else { AUTO_CONFLICTS },
        ..BnnOptions::default()
    };
    let answer = match signum::decide(network, &query, &settings, run) {
        Ok(answer) => answer,
        Err(error @ BnnError::Replay) => return Err(error.into()),
        Err(error) if options.certify => return Err(error.into()),
        // Numbers that it does not take: the query stays open.
        Err(_) => return Ok(None),
    };
    for (i, bound) in answer.refuted {
        case.settle(open[i], bound, found);
    }
    certificates.extend(answer.certificates);
    // The witness once more, by the numbers that its disjunct has in the whole query.
    let Verdict::Falsified(witness) = answer.verdict else { return Ok(None) };
    let d = open[witness.disjunct()];
    Ok(Witness::replay(network, case.case, d, case.first + d, witness.input().to_vec()))
}

/// Runs the exact engines for continuous activations on one case.
fn run_continuous(
    network: &Network,
    case: &mut CaseState,
    options: &Options,
    run: Run<'_>,
    found: &mut [Vec<f64>],
) -> Result<Option<Witness>, DomainError> {
    let question = exact::Question {
        network,
        case: case.case,
        first: case.first,
        open: &case.open(),
        known: &case.bounds,
        attack: options.attack,
        splitting: exact::Splitting::Automatic,
        most: if is_patient(options, run.budget) { usize::MAX } else { AUTO_PARTS },
    };
    let decided = exact::decide(&question, run)?;
    for (d, bound) in decided.bounds {
        case.settle(d, bound, found);
    }
    Ok(decided.witness)
}
