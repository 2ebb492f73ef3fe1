//! Integer programs on one case (feature `highs`).

use super::super::case::CaseState;
use super::super::deadline::deadline;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use crate::attack::Target;
use crate::domains::domain::{DomainError, Run};
use crate::exact::milp::{MilpOptions, optimise};

/// Solves the integer programs of one case, a single one where it can be: of all its disjuncts where every margin
/// is wanted, of the open ones otherwise. It finds the counterexample at an optimum; the solver's uncertified
/// bound settles nothing: that is left to the exact engines, for which half of the time is kept.
pub(in super::super) struct Milp;

/// Below zero by more than the solver's tolerance, a point is a violation and no tie.
const VIOLATION: f64 = -1e-6;

impl Step for Milp {
    fn name(&self) -> &'static str {
        "milp"
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let options = context.options;
        let target = if options.all_margins { f64::NEG_INFINITY } else { VIOLATION };
        let settings = MilpOptions { target, single: true, lp: options.lp, ..MilpOptions::default() };
        let half = deadline(context.run.budget.remaining().map(|left| left / 2));
        let run = Run { budget: &half, observer: context.run.observer };
        let asked = case.wanted(options.all_margins);
        let target = Target { network: context.network, case: case.case, open: &asked };
        let (witness, bound) = match optimise(target, &case.bounds, &settings, run) {
            Ok(answer) => (answer.attained.and_then(|a| a.witness), answer.bound),
            Err(DomainError::OutOfTime) => (None, f64::NEG_INFINITY),
            Err(other) => return Err(other.into()),
        };
        case.found.witness = witness;
        case.found.milp_bound = Some(bound);
        Ok(())
    }
}
