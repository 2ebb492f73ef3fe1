//! The attack, and what becomes of the inputs that other steps suggest.

use super::super::case::CaseState;
use super::super::error::AnalyzeError;
use super::super::method::{Context, Step};
use crate::attack::{Attack, Flips, Target, try_candidates};
use crate::domains::network::Arithmetic;
use crate::domains::num::Rational;
use crate::domains::verdict::Witness;
use std::collections::VecDeque;

/// A short attack on what is open: gradients, then flips where these suit the problem.
pub(in super::super) struct Attacks;

impl Step for Attacks {
    fn name(&self) -> &'static str {
        "attack"
    }

    fn proves(&self) -> bool {
        true
    }

    fn wanted(&self, context: &Context) -> bool {
        context.options.attack
    }

    fn has_margins(&self) -> bool {
        false
    }

    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError> {
        let open = case.open();
        let target = Target { network: context.network, case: case.case, open: &open };
        let found = Attack::short(context.options.seed).run(target, context.run.budget).witness;
        case.found.witness = found.or_else(|| probe(target)).or_else(|| flip(target, &[], context));
        Ok(())
    }
}

/// Tries the inputs that a step suggested, and looks around them.
pub(in super::super) fn follow(case: &CaseState, suggested: VecDeque<Vec<f64>>, context: &Context) -> Option<Witness> {
    let open = case.open();
    let target = Target { network: context.network, case: case.case, open: &open };
    let found = try_candidates(target, &suggested);
    let is_worth_flipping = found.is_none() && !suggested.is_empty();
    if is_worth_flipping { flip(target, &Vec::from(suggested), context) } else { found }
}

fn flip(target: Target<'_>, suggested: &[Vec<f64>], context: &Context) -> Option<Witness> {
    let suits = Flips::suits(target.network, &target.case.region);
    suits.then(|| Flips::short(context.options.seed).run(target, suggested, context.run.budget)).flatten()
}

/// Replays the centre and the ends of the region's box: in float32 an order of summation may do what the real
/// network does not, so that no attack on that one leads there.
fn probe(target: Target<'_>) -> Option<Witness> {
    if target.network.arithmetic() != Arithmetic::Float32 {
        return None;
    }
    let (lower, upper) = target.case.region.exact_box();
    let two = Rational::from(2);
    let centre: Vec<Rational> = lower.iter().zip(upper).map(|(l, u)| (l + u) / &two).collect();
    let points = [centre, lower.to_vec(), upper.to_vec()];
    points.iter().find_map(|x| target.open.iter().find_map(|&d| target.replay(d, x.clone())))
}
