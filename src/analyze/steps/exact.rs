//! The exact engine that suits the network, on what is open of one case.

use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use super::super::reasons::Reason;
use crate::attack::Target;
use crate::domains::domain::{DomainError, IntervalDomain, Run, propagate};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::query::{Property, Query};
use crate::domains::verdict::{Verdict, Witness};
use crate::exact::continuous::{self, Question};
use crate::exact::signum::{self, SignumError, SignumOptions};
use std::time::Duration;

/// Parts that the exact engines examine at the end of `auto` when there is no limit of time: so many on networks with so
/// many neurons or more, and on smaller ones, whose parts cost less, as many neurons all in all.
const AUTO_PARTS: usize = 1000;
const AUTO_NEURONS: usize = 100;

/// Conflicts that the exact engine for signum networks meets there, in each case.
const AUTO_CONFLICTS: u64 = 20_000;

/// Decides what is open by the exact engine that applies, if any; its certificates are collected.
pub(in super::super) enum Decide {
    /// As long as it takes.
    Fully,
    /// It ends early where there is no limit of time: nobody who sets none waits for ever for `auto`.
    Limited,
    /// Before anything else, with few conflicts, and only signum networks that quantise their inputs: to make their
    /// constraints takes a fraction of the time that back-substitution does.
    First,
}

impl Step for Decide {
    fn name(&self) -> &'static str {
        "exact"
    }

    fn proves(&self) -> bool {
        true
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let &Context { network, .. } = context;
        let is_signum = signum::applies(network, case.case);
        if matches!(self, Self::First) {
            if is_signum && network.arithmetic() == Arithmetic::Real && signum::quantises(network) {
                self.run_signum(network, case, context)?;
            }
            return Ok(());
        }
        if network.arithmetic() == Arithmetic::Float32 {
            if !is_signum || !is_real(case, context)? {
                case.note(Reason::NoEngine);
                return Ok(());
            }
            // Where every float32 execution is the real one, what the engine proves holds for all of them.
            let real = network.in_arithmetic(Arithmetic::Real);
            self.run_signum(&real, case, context)?;
            let replay =
                |w: Witness| Witness::replay(network, case.case, w.disjunct() - case.case.first, w.input().to_vec());
            case.found.witness = case.found.witness.take().and_then(replay);
            return Ok(());
        }
        if is_signum && self.run_signum(network, case, context)? {
            return Ok(());
        }
        if !continuous::applies(&case.case.region) {
            case.note(Reason::NoEngine);
            return Ok(());
        }
        if matches!(self, Self::Limited) && !continuous::is_promising(network, &case.case.region, &case.bounds) {
            case.note(Reason::NotSearched);
            return Ok(());
        }
        match self.run_continuous(case, context) {
            Err(DomainError::OutOfTime) => Ok(()),
            other => Ok(other?),
        }
    }
}

impl Decide {
    /// The limit of an engine's work: none where somebody set a limit of time or asked for an answer.
    fn limit<T>(&self, context: &Context, unlimited: T, limited: T) -> T {
        match self {
            Self::First => limited,
            Self::Limited if context.run.budget.remaining().is_none() => limited,
            Self::Limited | Self::Fully => unlimited,
        }
    }

    /// Whether the engine takes the numbers of the query.
    fn run_signum(&self, network: &Network, case: &mut CaseState, context: &Context) -> Result<bool, AnalyzeError> {
        let open = case.open();
        if open.is_empty() {
            return Ok(true);
        }
        let disjuncts = open.iter().map(|&d| case.case.property.disjuncts[d].clone()).collect();
        let query = Query::over(case.case.region.clone(), Property { disjuncts });
        let certify = context.options.certify;
        let conflicts = self.limit(context, u64::MAX, AUTO_CONFLICTS);
        let settings = SignumOptions { certify, conflicts, ..SignumOptions::default() };
        let answer = match signum::decide(network, &query, &settings, context.run) {
            Ok(answer) => answer,
            Err(error @ SignumError::Replay) => return Err(error.into()),
            Err(error) if certify => return Err(error.into()),
            Err(error) => {
                case.note(Reason::Signum(error));
                return Ok(false);
            }
        };
        for (i, bound) in answer.refuted {
            case.settle(open[i], bound);
        }
        case.count("conflicts", answer.statistics.conflicts);
        case.count("neurons_fixed", answer.fixed as u64);
        case.count("build_us", micros(answer.build));
        case.count("search_us", micros(answer.search));
        case.found.certificates = answer.certificates;
        match answer.verdict {
            // The witness once more, by the number that its disjunct has in the case.
            Verdict::Falsified(witness) => {
                let input = witness.input().to_vec();
                case.found.witness = Witness::replay(network, case.case, open[witness.disjunct()], input);
            }
            Verdict::Unknown(_) if conflicts < u64::MAX => case.note(Reason::EndedEarly),
            Verdict::Unknown(gap) if !gap.out_of_time => case.note(Reason::AllTakenApart),
            Verdict::Unknown(_) | Verdict::Verified(_) => {}
        }
        Ok(true)
    }

    fn run_continuous(&self, case: &mut CaseState, context: &Context) -> Result<(), DomainError> {
        let question = Question {
            target: Target { network: context.network, case: case.case, open: &case.open() },
            known: &case.bounds,
            part: None,
            attack: context.options.attack,
            splitting: context.options.splitting,
            most: self.limit(context, usize::MAX, auto_parts(context.network)),
            certify: context.options.certify,
        };
        let decided = continuous::decide(&question, context.run)?;
        // The lines that other steps spoke of are none of the search's.
        context.network.activations().for_each(|(id, _)| case.script.area(id));
        case.script.append(&decided.script);
        for (d, bound) in decided.bounds {
            case.settle(d, bound);
        }
        let parts = (decided.parts > 0).then_some(("parts", decided.parts as u64));
        for (name, count) in parts.into_iter().chain(decided.figures) {
            case.count(name, count);
        }
        case.found.witness = decided.witness;
        if decided.is_cut_short {
            case.note(Reason::EndedEarly);
        } else if case.found.witness.is_none() && !case.open().is_empty() && !context.run.budget.is_spent() {
            case.note(Reason::AllTakenApart);
        }
        Ok(())
    }
}

fn auto_parts(network: &Network) -> usize {
    let neurons: usize = network.activations().map(|(id, _)| network.node(id).len).sum();
    AUTO_PARTS * AUTO_NEURONS / neurons.clamp(1, AUTO_NEURONS)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Whether no float32 execution differs from the real one over the case's region.
fn is_real(case: &CaseState, context: &Context) -> Result<bool, AnalyzeError> {
    let run = Run::silent(context.run.budget);
    match propagate(&IntervalDomain, context.network, &case.case.region, &case.bounds, run) {
        Ok(trace) => Ok(trace.is_real),
        Err(DomainError::OutOfTime | DomainError::Float32 { .. }) => Ok(false),
        Err(other) => Err(other.into()),
    }
}
