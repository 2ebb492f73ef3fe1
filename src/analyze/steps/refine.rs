//! Bounds of neurons refined by search, before programs read them.

use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use crate::domains::dual::{Compiled, Refinement};
use crate::domains::network::Arithmetic;

/// The share of the time left that it may take.
const SHARE: f64 = 0.6;

/// Slopes alone are optimised first; then each neuron side of the last layer has up to so many parts at once, since
/// nothing in between could save the costlier round.
const PARTS: usize = 256;

/// Tightens the bounds of unstable neurons layer by layer.
pub(in super::super) struct Refine;

impl Step for Refine {
    fn name(&self) -> &'static str {
        "refine"
    }

    fn wanted(&self, context: &Context) -> bool {
        context.network.arithmetic() == Arithmetic::Real
    }

    fn has_margins(&self) -> bool {
        false
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let Context { network, run, .. } = *context;
        if case.bounds.nodes().len() < network.nodes().len() {
            return Ok(());
        }
        let mut bounds = case.bounds.clone();
        let compiled = Compiled::new(network);
        let budget = run.budget.share(SHARE);
        let mut next = Some(Refinement { share: 0.9, ..Refinement::default() });
        while let Some(refinement) = next.filter(|_| !budget.is_spent()) {
            let before = budget.remaining();
            let refined = refinement.run(&compiled, &case.case.region, &mut bounds, &budget);
            case.count("parts", refined.parts as u64);
            case.count("sides_refined", refined.sides as u64);
            case.count("neurons_fixed", refined.settled as u64);
            next = refinement.next(PARTS / refinement.parts, before, budget.remaining());
        }
        case.bounds = bounds.checked(network)?;
        Ok(())
    }
}
