//! Boxes of inputs, and how what is left of one is divided: shrunk, or into halves of one input.

use super::Problem;
use super::search::Part;
use crate::domains::domain::Bounds;
use crate::domains::num::{Interval, Rational, exact_or_zero};
use float_ord::FloatOrd;
use std::cmp::Reverse;
use std::sync::Arc;

/// A box of inputs with exact ends.
pub(super) struct InputBox {
    pub lower: Vec<Rational>,
    pub upper: Vec<Rational>,
    pub open: Vec<(usize, f64)>,
    /// What is known of the neurons on a box around this one.
    pub known: Known,
    pub depth: usize,
}

/// What is known of the neurons on a box.
#[derive(Clone)]
pub(super) enum Known {
    /// Bounds of all nodes.
    Nodes(Arc<Bounds>),
    /// The ranges of the free neurons of a relaxation, by index.
    Corners(Arc<[Interval]>),
}

impl Known {
    /// Those ranges; none where all nodes are known.
    pub fn ranges(&self) -> &[Interval] {
        match self {
            Self::Corners(ranges) => ranges,
            Self::Nodes(_) => &[],
        }
    }
}

impl Part for InputBox {
    fn open(&self) -> &[(usize, f64)] {
        &self.open
    }
}

/// A box that shrank to less than this share of its volume is bounded again before it is halved.
const MUCH_SMALLER: f64 = 0.5;

/// With curves only inputs are halved that are left at least this part as wide, compared with the region, as the widest.
const MOST_UNEVEN: f64 = 8.0;

/// Beyond this depth floats are used up.
const DEEPEST: usize = 400;

/// What a box leaves open.
pub(super) struct Left {
    pub open: Vec<(usize, f64)>,
    /// Where in the box it is.
    pub shrunk: Vec<Interval>,
    /// For each input what halving it promises.
    pub scores: Vec<f64>,
}

impl Left {
    /// One disjunct more, with its bound, where it is and what halving each input promises for it.
    pub fn add(&mut self, disjunct: (usize, f64), inner: Vec<Interval>, gains: &[f64]) {
        self.shrunk = match self.open.is_empty() {
            true => inner,
            false => self.shrunk.iter().zip(inner).map(|(a, b)| a.join(b)).collect(),
        };
        self.scores.iter_mut().zip(gains).for_each(|(score, gain)| *score = score.max(*gain));
        self.open.push(disjunct);
    }
}

/// The parts of what is left of a box, and where it is halved if it is.
pub(super) struct Division {
    pub children: Vec<InputBox>,
    pub halved: Option<(usize, Rational)>,
}

impl InputBox {
    /// A smaller box, or halves of the input that promises most; nothing where floats are used up.
    pub fn divided(&self, problem: &Problem, ranges: &[Interval], known: &Known, left: &Left) -> Option<Division> {
        let Left { open, shrunk, .. } = left;
        let (lower, upper) = inner_ends(self, ranges, shrunk);
        let volume = |ranges: &[Interval]| -> f64 { ranges.iter().map(|x| (x.hi - x.lo).max(1e-300).ln()).sum() };
        let child =
            |lower, upper| Self { lower, upper, open: open.clone(), known: known.clone(), depth: self.depth + 1 };
        if self.depth >= DEEPEST {
            return None;
        }
        if (volume(shrunk) - volume(ranges)).exp() < MUCH_SMALLER {
            return Some(Division { children: vec![child(lower, upper)], halved: None });
        }
        let mut scores = left.scores.clone();
        for (score, (now, before)) in scores.iter_mut().zip(shrunk.iter().zip(ranges)) {
            let width = before.hi - before.lo;
            *score *= if width > 0.0 { (now.hi - now.lo) / width } else { 0.0 };
        }
        if problem.network.has_curves() {
            // A line may be flat where its distance from a curve is not: no input may stay too wide.
            let share = |(whole, now): (&Interval, &Interval)| now.width() / whole.width().max(f64::MIN_POSITIVE);
            let shares: Vec<f64> = problem.case.region.bounds().iter().zip(shrunk).map(share).collect();
            let widest = shares.iter().copied().fold(0.0, f64::max);
            let too_narrow = scores.iter_mut().zip(&shares).filter(|(_, share)| **share * MOST_UNEVEN < widest);
            too_narrow.for_each(|(score, _)| *score = -1.0);
        }
        let (side, middle) = middle(&scores, shrunk, &lower, &upper)?;
        let (mut below, mut above) = (child(lower.clone(), upper.clone()), child(lower, upper));
        below.upper[side].clone_from(&middle);
        above.lower[side].clone_from(&middle);
        Some(Division { children: vec![below, above], halved: Some((side, middle)) })
    }
}

/// The exact ends of the shrunk box: its floats where they lie inside, the box's own ends elsewhere.
fn inner_ends(part: &InputBox, ranges: &[Interval], shrunk: &[Interval]) -> (Vec<Rational>, Vec<Rational>) {
    let moved = |new: f64, old: f64, end: &Rational| if new == old { end.clone() } else { exact_or_zero(new) };
    let ends = ranges.iter().zip(shrunk).enumerate().map(|(j, (before, now))| {
        let lower = moved(now.lo, before.lo, &part.lower[j]).max(part.lower[j].clone());
        let upper = moved(now.hi, before.hi, &part.upper[j]).min(part.upper[j].clone());
        // Outward rounding can only leave ends that cross when the box is a point there.
        if lower <= upper { (lower, upper) } else { (part.lower[j].clone(), part.upper[j].clone()) }
    });
    ends.unzip()
}

/// The input with the largest score that can be halved, and a float strictly between its ends.
fn middle(scores: &[f64], ranges: &[Interval], lower: &[Rational], upper: &[Rational]) -> Option<(usize, Rational)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let width = |j: usize| ranges[j].hi - ranges[j].lo;
    order.sort_by_key(|&j| Reverse((FloatOrd(scores[j]), FloatOrd(width(j)))));
    order.into_iter().find_map(|j| {
        let middle = exact_or_zero(ranges[j].middle());
        (lower[j] < middle && middle < upper[j]).then_some((j, middle))
    })
}
