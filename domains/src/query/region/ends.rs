//! The ends of a region's box. Queries have thousands of boxes that share most of their ends, and one is looked at after
//! the other: until then such a box is a pointer per end, a thirteenth of what it takes with all that is made of them.

use crate::num::{Interval, Rational, bounds_of};
use std::sync::{Arc, OnceLock};

/// The ends, and what is made of them once.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub lower: Vec<Rational>,
    pub upper: Vec<Rational>,
    pub outer: Vec<Interval>,
    pub outer_ends: (Vec<f64>, Vec<f64>),
}

impl Open {
    fn new(lower: Vec<Rational>, upper: Vec<Rational>) -> Self {
        let outer: Vec<Interval> = lower.iter().zip(&upper).map(|(l, u)| bounds_of(l, u)).collect();
        let outer_ends = outer.iter().map(|x| (x.lo, x.hi)).unzip();
        Self { lower, upper, outer, outer_ends }
    }
}

/// The ends of a box, each lower one at most the upper one.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Where they are shared with other boxes.
    shared: Option<Box<[[Arc<Rational>; 2]]>>,
    open: OnceLock<Open>,
}

impl Ends {
    pub fn new(lower: Vec<Rational>, upper: Vec<Rational>) -> Self {
        Self { shared: None, open: Open::new(lower, upper).into() }
    }

    pub fn shared(ends: Vec<[Arc<Rational>; 2]>) -> Self {
        Self { shared: Some(ends.into()), open: OnceLock::new() }
    }

    pub fn len(&self) -> usize {
        self.shared.as_ref().map_or_else(|| self.open().lower.len(), |ends| ends.len())
    }

    pub fn open(&self) -> &Open {
        self.open.get_or_init(|| {
            let side = |side: usize| self.shared.iter().flatten().map(|ends| (*ends[side]).clone()).collect();
            Open::new(side(0), side(1))
        })
    }
}

impl PartialEq for Ends {
    fn eq(&self, other: &Self) -> bool {
        match (&self.shared, &other.shared) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => (&self.open().lower, &self.open().upper) == (&other.open().lower, &other.open().upper),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Region, RegionError};
    use super::*;
    use crate::num::parse_decimal;

    #[test]
    fn a_box_is_the_same_whoever_shares_its_ends() {
        let q = |text: &str| parse_decimal(text).unwrap();
        let (lower, upper) = (vec![q("0"), q("-1/3")], vec![q("1"), q("1/3")]);
        let ends: Vec<[Arc<Rational>; 2]> =
            lower.iter().zip(&upper).map(|(l, u)| [Arc::new(l.clone()), Arc::new(u.clone())]).collect();
        let shared = Region::shared_box(ends.clone()).unwrap();
        assert_eq!(shared.len(), 2);
        assert_eq!(shared, Region::shared_box(ends.clone()).unwrap());
        let plain = Region::new_box(lower.clone(), upper.clone()).unwrap();
        assert_eq!(shared.clone(), plain);
        assert_eq!(shared.exact_box(), (&lower[..], &upper[..]));
        assert_eq!(shared.bounds(), plain.bounds());
        let [first, [l, u]] = [ends[0].clone(), ends[1].clone()];
        assert_eq!(Region::shared_box(vec![first.clone(), [u, l]]), Err(RegionError::Empty(1)));
        assert_ne!(Region::shared_box(vec![first]).unwrap(), shared);
    }
}
