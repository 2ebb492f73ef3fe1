//! The gap to exact in percent.
//!
//! Of a certified lower bound `b` of a margin whose exact minimum is `m`, and the bound `i` of interval
//! arithmetic,
//!
//! ```text
//! gap(b) = 100 (m − b) / (m − i)
//! ```
//!
//! 0 is exact, 100 is as loose as intervals, more is looser. It is the complement of what integer
//! programming calls *gap closed*, with interval arithmetic as the root bound. Divided by `|m|`, as
//! gaps of objectives often are, it would mean nothing: a margin changes its sign exactly where it
//! matters. The scale of the network's output cancels.
//!
//! `m` is known to lie between the best certified bound of all contestants and the smallest margin
//! attained at a point, and the gap is monotone in `m`, so that it is an interval too.

use std::time::Duration;

/// What is known of the exact minimum of a query's margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// The best certified lower bound of any contestant; −∞ when there is none.
    pub lower: f64,
    /// The smallest margin attained at a point of the region, rounded up: the attack's, or that of an input
    /// that the exact engine came upon; `None` without either.
    pub upper: Option<f64>,
    /// The bound of interval arithmetic.
    pub base: f64,
    /// Whether the attack or the exact engine found a counterexample, replayed exactly.
    pub is_falsified: bool,
    /// What the attack took.
    pub attack_time: Duration,
}

/// Between which percentages a gap lies; `None` where nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gap {
    /// At least this, by the best certified bound (for a bound looser than intervals, by the attained margin).
    pub least: Option<f64>,
    /// At most this, by the smallest attained margin (for a bound looser than intervals, by the certified one).
    pub most: Option<f64>,
}

impl Reference {
    /// The gap of the bound `b`.
    #[must_use]
    pub fn gap(&self, b: f64) -> Gap {
        let at_lower = percent(self.lower, b, self.base);
        let at_upper = self.upper.and_then(|m| percent(m, b, self.base));
        // Of a bound looser than that of intervals the share falls as m grows.
        let (least, most) = if b >= self.base { (at_lower, at_upper) } else { (at_upper, at_lower) };
        Gap { least, most }
    }
}

/// `100 (m − b) / (m − i)`; 0 where `m`, `b` and `i` coincide, `None` where it has no meaning.
fn percent(m: f64, b: f64, i: f64) -> Option<f64> {
    if !(m.is_finite() && b.is_finite() && i.is_finite()) {
        return None;
    }
    if b >= m {
        return Some(0.0);
    }
    // Where intervals are exact there is nothing to lose that could be counted in percent.
    let gap = 100.0 * ((m - b) / (m - i));
    (m > i && gap.is_finite()).then_some(gap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(lower: f64, upper: Option<f64>, base: f64) -> Reference {
        Reference { lower, upper, base, is_falsified: false, attack_time: Duration::ZERO }
    }

    #[test]
    fn it_is_a_share_of_the_way_from_intervals_to_exact_whatever_the_signs() {
        let known = reference(-1.0, Some(1.0), -9.0);
        assert_eq!(known.gap(-1.0), Gap { least: Some(0.0), most: Some(20.0) });
        assert_eq!(known.gap(-5.0), Gap { least: Some(50.0), most: Some(60.0) });
        assert_eq!(known.gap(-9.0), Gap { least: Some(100.0), most: Some(100.0) });
        assert_eq!(known.gap(-19.0), Gap { least: Some(200.0), most: Some(225.0) });
        assert_eq!(reference(0.0, Some(0.0), -1.0).gap(0.0), Gap { least: Some(0.0), most: Some(0.0) });
    }

    #[test]
    fn what_is_not_known_has_no_gap() {
        let infinite = f64::NEG_INFINITY;
        assert_eq!(reference(-1.0, None, -2.0).gap(-1.5), Gap { least: Some(50.0), most: None });
        assert_eq!(reference(-1.0, Some(0.0), -2.0).gap(infinite), Gap::default());
        assert_eq!(reference(-1.0, Some(0.0), infinite).gap(-1.5), Gap::default());
        assert_eq!(reference(-1.0, Some(-1.0), -1.0).gap(-1.0), Gap { least: Some(0.0), most: Some(0.0) });
        assert_eq!(reference(-1.0, Some(-1.0), -1.0).gap(-2.0), Gap::default());
    }

    proptest! {
        #[test]
        fn bounds_between_intervals_and_exact_have_gaps_between_0_and_100(
            mut v in proptest::collection::vec(-1e3..1e3f64, 4)
        ) {
            v.sort_by(f64::total_cmp);
            let known = reference(v[2], Some(v[3]), v[0]);
            let loose = known.gap(v[0] - 1.0);
            prop_assert!(loose.least.zip(loose.most).is_none_or(|(least, most)| least <= most + 1e-9), "{loose:?}");
            let gap = known.gap(v[1]);
            let (least, most) = (gap.least.unwrap_or(0.0), gap.most.unwrap_or(100.0));
            prop_assert!((0.0..=100.0).contains(&least) && (0.0..=100.0).contains(&most));
            prop_assert!(least <= most + 1e-9, "{least} {most}");
        }
    }
}
