//! Neurons of a first layer bounded jointly over their windows.

use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use crate::domains::dual;
use crate::domains::network::Arithmetic;
use crate::domains::query::LinearForms;

/// With fewer neurons in groups than this the search splits them sooner; more than the other number have no groups, whose
/// multipliers take a kilobyte for every four neurons.
const MANY: usize = 256;
const MOST: usize = 1 << 18;

/// The share of the time left that it may take.
const SHARE: f64 = 0.3;

/// Bounds what is open of a network with one layer of neurons that read windows of the input.
pub(in super::super) struct Windows;

impl Step for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn wanted(&self, context: &Context) -> bool {
        let network = context.network;
        let neurons: Vec<usize> = network.activations().map(|(id, _)| network.node(id).len).collect();
        network.arithmetic() == Arithmetic::Real && matches!(neurons[..], [count] if count <= MOST)
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let bounds = case.bounds.clone();
        let Some(windows) = dual::Windows::new(context.network, &case.case.region, &bounds) else { return Ok(()) };
        if windows.joined() < MANY {
            return Ok(());
        }
        let budget = context.run.budget.share(SHARE);
        for d in case.wanted(context.options.all_margins) {
            for (a, atom) in case.case.property.disjuncts[d].atoms.iter().enumerate() {
                let forms = LinearForms::of_atoms(context.network, [atom]);
                let form = dual::Objective::of_form(&forms, 0, &bounds);
                case.improve(d, a, windows.lower_bound(&form, &budget));
            }
        }
        Ok(())
    }
}
