//! Neurons of a first layer bounded jointly over their windows.

use super::super::analysis::unstable;
use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use crate::domains::dual;
use crate::domains::network::{Activation, Arithmetic};
use crate::domains::query::LinearForms;

/// With fewer unstable neurons, or fewer in groups, the search splits them sooner.
const MANY: usize = 256;

/// The share of the time left that it may take.
const SHARE: f64 = 0.2;

/// Bounds what is open of a network with one layer of neurons that read windows of the input.
pub(in super::super) struct Windows;

impl Step for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn wanted(&self, context: &Context) -> bool {
        context.network.arithmetic() == Arithmetic::Real && context.network.activations().count() == 1
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let bounds = case.bounds.clone();
        let of_layer = |activation: &Activation| bounds.get(activation.source).map_or(0, |z| unstable(activation, z));
        if context.network.activations().map(|(_, activation)| of_layer(activation)).sum::<usize>() < MANY {
            return Ok(());
        }
        let Some(windows) = dual::Windows::new(context.network, &case.case.region, &bounds) else { return Ok(()) };
        if windows.joined() < MANY {
            return Ok(());
        }
        let budget = context.run.budget.share(SHARE);
        for d in case.wanted(context.options.all_margins) {
            for (a, atom) in case.case.property.disjuncts[d].atoms.iter().enumerate() {
                if budget.is_spent() {
                    return Ok(());
                }
                let forms = LinearForms::of_atoms(context.network, [atom]);
                let form = dual::Objective::of_form(&forms, 0, &bounds);
                case.improve(d, a, windows.lower_bound(&form, &budget));
            }
        }
        Ok(())
    }
}
