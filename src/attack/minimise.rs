//! The smallest margin that some point of the region is seen to have: an upper bound of the exact
//! minimum, as a domain's margin is a lower bound of it.

use super::Attack;
use super::search::{Goal, Search, WORTH_A_REPLAY};
use super::target::Target;
use crate::domains::budget::Budget;
use crate::domains::network::Network;
use crate::domains::num::{Interval, Rational, enclose};
use crate::domains::query::{Case, Disjunct};
use crate::domains::verdict::Witness;
use float_ord::FloatOrd;

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

impl Attack {
    /// Descends on the margins of all disjuncts of `case` from the centre, from random points and from
    /// `starts` (inputs that a relaxation suggested), and returns the smallest margin attained. It does
    /// not stop at a violation. `None` when no point could be evaluated.
    #[must_use]
    pub fn least_margin(
        &self,
        network: &Network,
        case: &Case,
        starts: &[Vec<f64>],
        budget: &Budget,
    ) -> Option<Attained> {
        /// Points that are evaluated rigorously.
        const KEPT: usize = 4;
        if budget.is_spent() {
            return None;
        }
        let all: Vec<usize> = (0..case.property.disjuncts.len()).collect();
        let mut search = Search::new(Target { network, case, open: &all }, Goal::LeastMargin);
        // With this goal there is nothing that ends the search early but the time.
        let _ = self.search(&mut search, starts, budget);
        let center = search.geometry.center().to_vec();
        let rigorous = |x: &Vec<f64>| attained(network, case, x);
        search.closest_points().take(KEPT).chain([&center]).filter_map(rigorous).reduce(Attained::better)
    }
}

/// Relative width of an output's enclosure from which on it is evaluated exactly.
const TOO_WIDE: f64 = 1e-6;

/// The margin at the point of the region nearest to `x`, rounded up.
pub(crate) fn attained(network: &Network, case: &Case, x: &[f64]) -> Option<Attained> {
    attained_at(network, case, case.region.nearest_member(x)?)
}

/// The margin at a point of the region, rounded up.
pub(crate) fn attained_at(network: &Network, case: &Case, member: Vec<Rational>) -> Option<Attained> {
    let enclosed: Vec<Interval> = member.iter().map(enclose).collect();
    let output = network.evaluate::<Interval>(&enclosed).ok()?;
    // Where a sign meets zero behind a parameter that is no float, the enclosure holds both its values.
    let is_wide = |y: &Interval| y.width() > TOO_WIDE * (1.0 + y.magnitude());
    let exact = output.iter().any(is_wide).then(|| network.evaluate::<Rational>(&member).ok()).flatten();
    let output = exact.map_or(output, |exact| exact.iter().map(enclose).collect());
    let largest = |disjunct: &Disjunct| {
        let margins = disjunct.atoms.iter().map(|a| a.margin_enclosure(&enclosed, &output).hi);
        margins.fold(f64::NEG_INFINITY, f64::max)
    };
    let margins = case.property.disjuncts.iter().map(largest).enumerate();
    let (d, margin) = margins.min_by_key(|m| FloatOrd(m.1))?;
    let replay = || Witness::replay(network, case, d, member);
    let witness = (margin <= WORTH_A_REPLAY || margin.is_nan()).then(replay).flatten();
    // What is replayed is a violation even where the enclosure was too wide to tell.
    let margin = if witness.is_some() { margin.min(0.0) } else { margin };
    margin.is_finite().then_some(Attained { margin, witness })
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
        Attack::thorough(7).least_margin(&network, &query.cases[0], &[], &Budget::unlimited()).unwrap()
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
        assert_eq!(Attack::thorough(0).least_margin(&network, &query.cases[0], &[], &spent), None);
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
