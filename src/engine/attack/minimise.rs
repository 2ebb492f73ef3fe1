//! The smallest margin that some point of the region is seen to have: an upper bound of the exact
//! minimum, as a domain's margin is a lower bound of it.

use super::{Attack, Random, Search};
use crate::domains::budget::Budget;
use crate::domains::network::Network;
use crate::domains::num::{Interval, enclose, nearest};
use crate::domains::query::Case;
use crate::domains::verdict::Witness;

/// A point of the region with a small margin.
#[derive(Clone, Debug, PartialEq)]
pub struct Attained {
    /// The smallest over the case's disjuncts of the largest margin of their atoms, at one point that
    /// lies exactly in the region; rounded up, so that the exact minimum over the region is at most this.
    pub margin: f64,
    /// The same point as a counterexample, where it is one.
    pub witness: Option<Witness>,
}

impl Attained {
    /// The one with the smaller margin; a witness is never lost.
    #[must_use]
    pub fn better(self, other: Self) -> Self {
        let (mut best, rest) = if other.margin < self.margin { (other, self) } else { (self, other) };
        best.witness = best.witness.or(rest.witness);
        best
    }
}

/// Points whose margins are small in floats: the best of each descent.
struct Found(Vec<(f64, Vec<f64>)>);

impl Found {
    fn add(&mut self, margin: f64, x: &[f64]) {
        if !margin.is_nan() {
            self.0.push((margin, x.to_vec()));
        }
    }

    /// Smallest margin first.
    fn best(mut self, count: usize) -> Vec<Vec<f64>> {
        self.0.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.0.into_iter().take(count).map(|(_, x)| x).collect()
    }
}

impl Attack {
    /// Descends on the margin of each disjunct of `case` from the centre, from random points and from
    /// `starts` (inputs that a relaxation suggested), and returns the smallest margin attained. It does
    /// not stop at a violation. `first` is the number of the case's first disjunct in the query; `None`
    /// when no point could be evaluated.
    #[must_use]
    pub fn least_margin(
        &self,
        network: &Network,
        case: &Case,
        first: usize,
        starts: &[Vec<f64>],
        budget: &Budget,
    ) -> Option<Attained> {
        /// Points that are evaluated rigorously, and suggested inputs that are followed.
        const KEPT: usize = 4;
        let search = Search { network, case, first };
        let center: Vec<f64> = case.region.center().iter().map(nearest).collect();
        let disjuncts = 0..case.property.disjuncts.len();
        let mut found = Found(Vec::new());
        let mut reached: Vec<(f64, usize)> = Vec::new();
        for d in disjuncts.clone() {
            if budget.is_spent() {
                break;
            }
            let mut x = center.clone();
            found.add(search.worst_margin(d, &x)?, &x);
            search.step(d, &mut x, 2.0)?;
            let margin = search.worst_margin(d, &x)?;
            found.add(margin, &x);
            reached.push((margin, d));
        }
        reached.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut random = Random(self.seed ^ 0x2545_F491_4F6C_DD1D);
        for &(_, d) in reached.iter().take(self.disjuncts) {
            let mut suggested = Found(Vec::new());
            for x in starts {
                suggested.add(search.worst_margin(d, x)?, x);
            }
            let random_starts = (0..self.restarts).map(|i| match i {
                0 => center.clone(),
                _ => search.random_start(&mut random),
            });
            for start in suggested.best(KEPT).into_iter().chain(random_starts) {
                self.follow(&search, d, start, &mut found, budget);
            }
        }
        let rigorous = |x: &Vec<f64>| search.attained(x);
        found.best(KEPT).iter().filter_map(rigorous).reduce(Attained::better)
    }

    /// Projected signed-gradient steps of falling length; the best point goes to `found`.
    fn follow(&self, search: &Search, d: usize, mut x: Vec<f64>, found: &mut Found, budget: &Budget) {
        let mut best = (f64::INFINITY, x.clone());
        for step in 0..=self.steps {
            let Some(margin) = search.worst_margin(d, &x) else { return };
            if margin < best.0 {
                best = (margin, x.clone());
            }
            let length = 0.5 * (1.0 - step as f64 / (self.steps + 1) as f64);
            if budget.is_spent() || search.step(d, &mut x, length).is_none() {
                break;
            }
        }
        found.add(best.0, &best.1);
    }
}

impl Search<'_> {
    /// The margin at the point of the region nearest to `x`, rounded up.
    fn attained(&self, x: &[f64]) -> Option<Attained> {
        let member = self.case.region.nearest_member(x)?;
        let enclosed: Vec<Interval> = member.iter().map(enclose).collect();
        let output = self.network.evaluate::<Interval>(&enclosed).ok()?;
        let largest = |d: usize| {
            let margins = self.disjunct(d).atoms.iter().map(|a| a.margin_enclosure(&enclosed, &output).hi);
            margins.fold(f64::NEG_INFINITY, f64::max)
        };
        let disjuncts = 0..self.case.property.disjuncts.len();
        let (margin, d) = disjuncts.map(|d| (largest(d), d)).min_by(|a, b| a.0.total_cmp(&b.0))?;
        let witness = self.hit_at(d, margin, member);
        // What is replayed is a violation even where the enclosure was too wide to tell.
        let margin = if witness.is_some() { margin.min(0.0) } else { margin };
        margin.is_finite().then_some(Attained { margin, witness })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::num::parse_decimal;
    use crate::domains::query::{Query, Region};

    fn example(eps: &str) -> (Network, Query) {
        let (network, image) = crate::example::network_and_image().unwrap();
        let (zero, one) = ("0".parse().unwrap(), "1".parse().unwrap());
        let region = Region::linf(&image.pixels, &parse_decimal(eps).unwrap(), Some((&zero, &one))).unwrap();
        let query = Query::robustness(region, network.output_len(), image.label);
        (network, query)
    }

    fn least(eps: &str) -> Attained {
        let (network, query) = example(eps);
        Attack::thorough(7).least_margin(&network, &query.cases[0], 0, &[], &Budget::unlimited()).unwrap()
    }

    #[test]
    fn the_margin_falls_as_the_region_grows_and_a_violation_comes_with_its_witness() {
        let (none, small, large) = (least("0"), least("0.05"), least("0.3"));
        assert!(none.margin > small.margin && small.margin > 0.0 && small.witness.is_none());
        assert!(large.margin < 0.0 && large.witness.is_some(), "{}", large.margin);
    }

    #[test]
    fn without_time_the_centre_still_counts_or_nothing_does() {
        let (network, query) = example("0.05");
        let spent = Budget::new(|| std::time::Duration::ZERO);
        assert_eq!(Attack::thorough(0).least_margin(&network, &query.cases[0], 0, &[], &spent), None);
    }

    #[test]
    fn the_better_of_two_keeps_the_smaller_margin_and_any_witness() {
        let witness = least("0.3").witness;
        let a = Attained { margin: -0.5, witness: None };
        let b = Attained { margin: 0.0, witness };
        let best = a.better(b.clone());
        assert_eq!((best.margin, best.witness), (-0.5, b.witness));
    }
}
