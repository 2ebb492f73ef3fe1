//! Neurons of a first layer bounded jointly over their windows.

use super::super::analysis::unstable;
use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use super::domain::beyond;
use crate::domains::domain::{allowance, reach};
use crate::domains::dual;
use crate::domains::network::{Activation, Arithmetic};
use crate::domains::query::LinearForms;

/// With fewer unstable neurons, or fewer in groups, the search splits them sooner.
const MANY: usize = 256;

/// The share of the time left that it may take.
const SHARE: f64 = 0.2;

/// Terms that a checker accepts in a certificate's row.
const LONGEST_ROW: usize = 256;

/// Bounds what is open of a network with one layer of neurons that read windows of the input.
pub(in super::super) struct Windows;

impl Step for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn wanted(&self, context: &Context) -> bool {
        context.network.arithmetic() == Arithmetic::Real && context.network.activations().count() == 1
    }

    fn proves(&self) -> bool {
        true
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let bounds = case.bounds.clone();
        let of_layer = |activation: &Activation| bounds.get(activation.source).map_or(0, |z| unstable(activation, z));
        if context.network.activations().map(|(_, activation)| of_layer(activation)).sum::<usize>() < MANY {
            return Ok(());
        }
        let Some(windows) = dual::Windows::new(context.network, &case.case.region, &bounds) else { return Ok(()) };
        let is_too_wide = context.options.certify && windows.widest() > LONGEST_ROW;
        if windows.joined() < MANY || is_too_wide {
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
                let certify = context.options.certify;
                let lost = if certify { allowance(reach(context.network, &forms, &bounds)) } else { 0.0 };
                let (bound, rows) = windows.lower_bound(&form, lost, certify, &budget);
                let bound = beyond(bound, lost);
                if certify && bound > 0.0 && case.disjuncts()[d] <= 0.0 {
                    case.script.refute_together(d, a, windows.nodes(), &rows);
                }
                case.improve(d, a, bound);
            }
        }
        Ok(())
    }
}
