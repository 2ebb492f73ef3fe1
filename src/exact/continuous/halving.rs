//! What is left of a box, and how it is divided: into its affine pieces, a smaller box, or halves of one input.

use super::boxes::{Boxes, InputBox, Known};
use super::search::Examined;
use crate::domains::activation::OpenEnds;
use crate::domains::domain::DomainError;
use crate::domains::num::{Interval, Rational, exact_or_zero};
use crate::domains::query::Region;
use float_ord::FloatOrd;
use std::cmp::Reverse;

/// How many unstable neurons are few.
const FEW_UNSTABLE: usize = 10;

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

impl Boxes<'_> {
    /// Takes apart what is left of a box: into its affine pieces, a smaller box, or halves.
    pub fn divided(
        &self,
        part: &InputBox,
        region: &Region,
        known: &Known,
        Left { open, shrunk, mut scores }: Left,
        mut examined: Examined<InputBox>,
    ) -> Result<Examined<InputBox>, DomainError> {
        let ranges = region.bounds();
        // Without unstable neurons what stays open is a violation or a tie, and halving would not end.
        let unstable = self.unstable(known);
        let has_few = part.depth >= self.deep && unstable <= FEW_UNSTABLE && !self.problem.network.has_curves();
        let centre: Vec<f64> = ranges.iter().map(|x| x.middle()).collect();
        if unstable == 0 || has_few || self.problem.is_too_near(&open, Some(&centre)) {
            let bounds = self.bounds(known);
            return self.problem.cells(region, &bounds, bounds.clone(), &open, examined);
        }
        let (lower, upper) = inner_ends(part, ranges, &shrunk);
        let volume = |ranges: &[Interval]| -> f64 { ranges.iter().map(|x| (x.hi - x.lo).max(1e-300).ln()).sum() };
        let child =
            |lower, upper| InputBox { lower, upper, open: open.clone(), known: known.clone(), depth: part.depth + 1 };
        if (volume(&shrunk) - volume(ranges)).exp() < MUCH_SMALLER && part.depth < DEEPEST {
            examined.children.push(child(lower, upper));
            return Ok(examined);
        }
        for (score, (now, before)) in scores.iter_mut().zip(shrunk.iter().zip(ranges)) {
            let width = before.hi - before.lo;
            *score *= if width > 0.0 { (now.hi - now.lo) / width } else { 0.0 };
        }
        if self.problem.network.has_curves() {
            // A line may be flat where its distance from a curve is not: no input may stay too wide.
            let share = |(whole, now): (&Interval, &Interval)| now.width() / whole.width().max(f64::MIN_POSITIVE);
            let shares: Vec<f64> = self.problem.case.region.bounds().iter().zip(&shrunk).map(share).collect();
            let widest = shares.iter().copied().fold(0.0, f64::max);
            let too_narrow = scores.iter_mut().zip(&shares).filter(|(_, share)| **share * MOST_UNEVEN < widest);
            too_narrow.for_each(|(score, _)| *score = -1.0);
        }
        let Some((side, middle)) = middle(&scores, &shrunk, &lower, &upper).filter(|_| part.depth < DEEPEST) else {
            let bounds = self.bounds(known);
            return self.problem.cells(region, &bounds, bounds.clone(), &open, examined);
        };
        for below in [true, false] {
            let (mut lower, mut upper) = (lower.clone(), upper.clone());
            if below {
                upper[side] = middle.clone()
            } else {
                lower[side] = middle.clone()
            }
            let (open, known) = (open.clone(), known.clone());
            examined.children.push(InputBox { lower, upper, open, known, depth: part.depth + 1 });
        }
        examined.shown.split = Some(((0, side), middle, OpenEnds::default()));
        Ok(examined)
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
