//! Bounds of neurons refined by search, before programs read them.

use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use crate::domains::dual::{Compiled, Refinement};
use crate::domains::network::Arithmetic;

/// Parts per neuron side of the last layer.
const PARTS: usize = 32;

/// The share of the time left that it may take.
const SHARE: f64 = 0.5;

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
        let time = run.budget.remaining().map(|left| left.mul_f64(SHARE));
        let refinement = Refinement { parts: PARTS, time };
        let refined = refinement.run(&Compiled::new(network), &case.case.region, &mut bounds, run.budget);
        case.bounds = bounds.checked(network)?;
        case.count("parts", refined.parts as u64);
        case.count("sides_refined", refined.sides as u64);
        case.count("neurons_fixed", refined.settled as u64);
        Ok(())
    }
}
