//! An attack on a whole query, case by case.

use super::{Attack, Target};
use crate::domains::budget::Budget;
use crate::domains::network::Network;
use crate::domains::query::Query;
use crate::domains::verdict::Witness;

/// What an attack on a query found.
#[derive(Clone, Debug, Default)]
pub struct QueryOutcome {
    /// The counterexample, replayed exactly.
    pub witness: Option<Witness>,
    /// For each disjunct that was attacked, by its number in the query, the smallest margin of all points tried, in
    /// floats: an estimate, not a bound.
    pub closest: Vec<(usize, f64)>,
    /// Points evaluated.
    pub points: usize,
}

impl Attack {
    /// Looks for an input that satisfies one of a query's disjuncts, or of those that are `wanted`.
    #[must_use]
    pub fn run_query(
        &self,
        network: &Network,
        query: &Query,
        wanted: Option<&[usize]>,
        budget: &Budget,
    ) -> QueryOutcome {
        let mut outcome = QueryOutcome::default();
        let is_wanted = |number: usize| wanted.is_none_or(|wanted| wanted.contains(&number));
        for case in query.one_by_one() {
            let open: Vec<usize> = (0..case.property.disjuncts.len()).filter(|d| is_wanted(case.first + d)).collect();
            let found = self.run(Target { network, case: &case, open: &open }, budget);
            outcome.closest.extend(open.iter().map(|d| case.first + d).zip(found.closest));
            outcome.points += found.points;
            outcome.witness = found.witness;
            if outcome.witness.is_some() {
                break;
            }
        }
        outcome
    }
}
