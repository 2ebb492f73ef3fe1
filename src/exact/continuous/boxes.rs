//! Input splitting: the region is cut into boxes until back-substitution decides each of them
//! (ReluVal, Wang et al. 2018). Complete up to ties for networks with few inputs.
//!
//! The forms over the input that back-substitution ends in serve two more purposes: they shrink the box
//! to where the margins can all be small, and they say which combination of its atoms may refute a conjunction.

use super::forms::{self, Below, Cut};
use super::halving::Halving;
use super::search::{Examined, Part, Shown, Space};
use super::{Problem, cells, has_jumps};
use crate::attack::{Target, try_candidates};
use crate::domains::activation::{OpenEnds, Slopes};
use crate::domains::domain::{
    Bounds, Checked, Concretise, DeepPoly, DeepPolyWithin, DomainError, Run, Wanted, allowance, reaches,
};
use crate::domains::num::{Interval, Rational, exact_or_zero};
use crate::domains::query::Region;
use crate::domains::verdict::Witness;
use crate::format::certificate::{Multipliers, Script};
use float_ord::FloatOrd;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

/// A box of inputs with exact ends.
pub(super) struct InputBox {
    lower: Vec<Rational>,
    upper: Vec<Rational>,
    open: Vec<(usize, f64)>,
    /// Bounds of all neurons on a box around this one.
    known: Arc<Bounds>,
    depth: usize,
}

impl Part for InputBox {
    fn open(&self) -> &[(usize, f64)] {
        &self.open
    }
}

/// Input splitting of one case.
pub(super) struct Boxes<'a> {
    problem: &'a Problem<'a>,
    /// What a checker may lose more of every neuron's bounds, where there is one.
    losses: Option<Vec<Vec<f64>>>,
    /// Boxes deeper than this that leave few neurons unstable are decided by their affine pieces, exactly.
    deep: usize,
}

/// The bounds around the box stand in for those that concretising on the way would give.
const BASE: DeepPoly = DeepPoly { concretise: Concretise::Input, slopes: Slopes::Area, wanted: Wanted::Unstable };

/// A box that shrank to less than this share of its volume is bounded again before it is halved.
const MUCH_SMALLER: f64 = 0.5;

/// Where a certificate is written, cuts take away at least this share of an input's range.
const LEAST_CUT: f64 = 0.02;

/// What counts as deep, and where activations jump: no box at a jump is small enough for bounds.
const DEEP: usize = 30;
const DEEP_AT_JUMPS: usize = 3;

/// How many unstable neurons are few.
const FEW_UNSTABLE: usize = 10;

/// With curves only inputs are halved that are left at least this part as wide, compared with the region, as the widest.
const MOST_UNEVEN: f64 = 8.0;

/// Beyond this depth floats are used up.
const DEEPEST: usize = 400;

impl<'a> Boxes<'a> {
    /// Boxes of the problem's region.
    pub fn new(problem: &'a Problem<'a>) -> Self {
        let of_node = |id| reaches(problem.network, id, &problem.bounds).into_iter().map(allowance).collect();
        let losses = problem.certify.then(|| (0..problem.network.nodes().len()).map(of_node).collect());
        Self { problem, losses, deep: if has_jumps(problem.network) { DEEP_AT_JUMPS } else { DEEP } }
    }

    /// The whole region.
    pub fn root(&self, open: Vec<(usize, f64)>) -> InputBox {
        let (lower, upper) = self.problem.case.region.exact_box();
        let known = Arc::new(self.problem.bounds.clone());
        InputBox { lower: lower.to_vec(), upper: upper.to_vec(), open, known, depth: 0 }
    }
}

impl Space for Boxes<'_> {
    type Part = InputBox;

    fn certifies(&self) -> bool {
        self.problem.certify
    }

    fn attack(&self, open: &[usize], parts: usize) -> Option<Witness> {
        self.problem.attack(open, parts)
    }

    fn examine(&self, part: InputBox) -> Result<Examined<InputBox>, DomainError> {
        let Problem { whole, network, case, run, certify, goal, .. } = *self.problem;
        let mut examined = Examined::default();
        let Some(region) = case.region.restricted(part.lower.clone(), part.upper.clone()) else {
            examined.stuck = part.open;
            return Ok(examined);
        };
        let checked = self.losses.as_deref().map_or(Checked::Never, Checked::Late);
        let domain = DeepPolyWithin { base: BASE, known: &part.known, settled: 0, checked };
        let (trace, known) = self.problem.propagate_checked(&domain, &region, &part.known, Run::silent(run.budget))?;
        if certify {
            examined.shown.head.late(network, &known, &|id, i| self.problem.names.of((id, i)));
        }
        let Some(trace) = trace else { return Ok(examined.without_inputs(&part.open)) };
        let disjuncts: Vec<usize> = part.open.iter().map(|&(d, _)| d).collect();
        let (forms, rows) = self.problem.forms_of(&disjuncts);
        let (minima, below) = BASE.back_substitution(&trace).minima_and_input_forms(&forms)?;
        let Some(below) = forms::rows(&below) else {
            examined.stuck = part.open;
            return Ok(examined);
        };
        let ranges = region.bounds();
        let mut halving: Option<Option<Halving<'_>>> = None;
        let mut left = Left { open: Vec::new(), shrunk: Vec::new(), scores: vec![0.0; ranges.len()] };
        let mut candidates = VecDeque::from([ranges.iter().map(|x| x.middle()).collect::<Vec<f64>>()]);
        for (&(d, before), rows) in part.open.iter().zip(rows) {
            if run.budget.is_spent() {
                return Err(DomainError::OutOfTime);
            }
            let of_atoms = &minima[rows.clone()];
            let mut bound = of_atoms.iter().copied().fold(before, f64::max);
            if bound > goal {
                examined.closed.push((d, bound));
                if certify {
                    let atom = of_atoms.iter().position(|&least| least == bound).unwrap_or(0);
                    examined.shown.head.refute_by_atom(d, atom, &Multipliers::default());
                }
                continue;
            }
            let mut of_disjunct: Vec<Below> = below[rows.clone()].to_vec();
            let balance = forms::balance(&of_disjunct, ranges);
            let atoms = forms.select(&rows.collect::<Vec<_>>());
            let joint = forms::combined(&atoms, &balance.weights).filter(|_| of_disjunct.len() > 1);
            let together = |joint| BASE.back_substitution(&trace).minima_and_input_forms(&joint);
            let joint = joint.map(together).transpose()?;
            if let Some((minimum, form)) = &joint {
                // Below the largest atom where it is positive.
                bound = if minimum[0] > goal { bound.max(minimum[0]) } else { bound };
                of_disjunct.extend(forms::rows(form).into_iter().flatten());
            }
            if bound > goal {
                examined.closed.push((d, bound));
                if certify {
                    examined.shown.head.refute(d, &exact_weights(&balance.weights), &Multipliers::default());
                }
                continue;
            }
            let is_alone = part.open.len() == 1;
            let inner = self.cut(d, is_alone, &of_disjunct, &balance.weights, ranges, &mut examined.shown);
            let Some(inner) = inner else {
                examined.closed.push((d, forms::LEFT_OUT));
                continue;
            };
            let halving = halving.get_or_insert_with(|| Halving::new(network, ranges, &known));
            let gains = halving.as_ref().map(|halving| halving.gains(&atoms, &balance.weights));
            let gains = gains.unwrap_or_else(|| slopes(&of_disjunct, ranges));
            candidates.push_back(balance.point);
            left.add((d, bound), inner, &gains);
        }
        let disjuncts: Vec<usize> = left.open.iter().map(|&(d, _)| d).collect();
        if self.problem.attack && !disjuncts.is_empty() {
            examined.witness = try_candidates(Target { network: whole, case, open: &disjuncts }, &candidates);
        }
        if disjuncts.is_empty() || examined.witness.is_some() {
            return Ok(examined);
        }
        // What shrinking leaves out is refuted there, by this much.
        examined.closed.extend(disjuncts.iter().map(|&d| (d, forms::LEFT_OUT)));
        self.divided(&part, &region, known, left, examined)
    }
}

/// For each input how far it moves the forms.
fn slopes(forms: &[Below], ranges: &[Interval]) -> Vec<f64> {
    let slope = |j: usize| forms.iter().map(|f| f.coefficients[j].abs()).sum::<f64>();
    ranges.iter().enumerate().map(|(j, x)| slope(j) * (x.hi - x.lo)).collect()
}

/// What a box leaves open.
struct Left {
    open: Vec<(usize, f64)>,
    /// Where in the box it is.
    shrunk: Vec<Interval>,
    /// For each input what halving it promises.
    scores: Vec<f64>,
}

impl Left {
    /// One disjunct more, with its bound, where it is and what halving each input promises for it.
    fn add(&mut self, disjunct: (usize, f64), inner: Vec<Interval>, gains: &[f64]) {
        self.shrunk = match self.open.is_empty() {
            true => inner,
            false => self.shrunk.iter().zip(inner).map(|(a, b)| a.join(b)).collect(),
        };
        self.scores.iter_mut().zip(gains).for_each(|(score, gain)| *score = score.max(*gain));
        self.open.push(disjunct);
    }
}

impl Boxes<'_> {
    /// The part of a box that a disjunct's forms leave, the last of them that with `weights`. A script splits off what they
    /// leave out, and then all is left where other disjuncts are open, too, which may reach what this one does not.
    fn cut(
        &self,
        d: usize,
        is_alone: bool,
        forms: &[Below],
        weights: &[f64],
        ranges: &[Interval],
        shown: &mut Shown,
    ) -> Option<Vec<Interval>> {
        if !self.problem.certify {
            return forms::shrunk(forms, ranges, forms::LEFT_OUT, 0.0, &mut Vec::new());
        }
        if !is_alone {
            return Some(ranges.to_vec());
        }
        let mut cuts = Vec::new();
        let inner = forms::shrunk(forms, ranges, forms::LEFT_OUT.max(self.problem.goal), LEAST_CUT, &mut cuts);
        let atoms = weights.len();
        let mut tails = Vec::new();
        for Cut { form, input, is_upper, at } in cuts {
            let mut refuted = Script::default();
            if form < atoms {
                refuted.refute_by_atom(d, form, &Multipliers::default());
            } else {
                refuted.refute(d, &exact_weights(weights), &Multipliers::default());
            }
            shown.head.split((0, input), &exact_or_zero(at), OpenEnds::default());
            let mut tail = Script::default();
            if is_upper {
                tail.otherwise();
                tail.append(&refuted);
            } else {
                shown.head.append(&refuted);
                shown.head.otherwise();
            }
            tail.end();
            tails.push(tail);
        }
        tails.iter().rev().for_each(|tail| shown.tail.append(tail));
        inner
    }

    /// Takes apart what is left of a box: into its affine pieces, a smaller box, or halves.
    fn divided(
        &self,
        part: &InputBox,
        region: &Region,
        known: Bounds,
        Left { open, shrunk, mut scores }: Left,
        mut examined: Examined<InputBox>,
    ) -> Result<Examined<InputBox>, DomainError> {
        let ranges = region.bounds();
        // Without unstable neurons what stays open is a violation or a tie, and halving would not end.
        let unstable = cells::unstable(self.problem.network, &known);
        let has_few = part.depth >= self.deep && unstable <= FEW_UNSTABLE && !self.problem.network.has_curves();
        let centre: Vec<f64> = ranges.iter().map(|x| x.middle()).collect();
        if unstable == 0 || has_few || self.problem.is_too_near(&open, Some(&centre)) {
            return self.problem.cells(region, &known, known.clone(), &open, examined);
        }
        let (lower, upper) = inner_ends(part, ranges, &shrunk);
        let volume = |ranges: &[Interval]| -> f64 { ranges.iter().map(|x| (x.hi - x.lo).max(1e-300).ln()).sum() };
        let child = |lower, upper| InputBox {
            lower,
            upper,
            open: open.clone(),
            known: Arc::new(known.clone()),
            depth: part.depth + 1,
        };
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
        let Some((side, middle)) = cut(&scores, &shrunk, &lower, &upper).filter(|_| part.depth < DEEPEST) else {
            return self.problem.cells(region, &known, known.clone(), &open, examined);
        };
        let known = Arc::new(known);
        for below in [true, false] {
            let (mut lower, mut upper) = (lower.clone(), upper.clone());
            if below {
                upper[side] = middle.clone()
            } else {
                lower[side] = middle.clone()
            }
            let (open, known) = (open.clone(), Arc::clone(&known));
            examined.children.push(InputBox { lower, upper, open, known, depth: part.depth + 1 });
        }
        examined.shown.split = Some(((0, side), middle, OpenEnds::default()));
        Ok(examined)
    }
}

fn exact_weights(weights: &[f64]) -> Vec<Rational> {
    weights.iter().map(|&w| exact_or_zero(w)).collect()
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
fn cut(scores: &[f64], ranges: &[Interval], lower: &[Rational], upper: &[Rational]) -> Option<(usize, Rational)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let width = |j: usize| ranges[j].hi - ranges[j].lo;
    order.sort_by_key(|&j| Reverse((FloatOrd(scores[j]), FloatOrd(width(j)))));
    order.into_iter().find_map(|j| {
        let middle = exact_or_zero(ranges[j].middle());
        (lower[j] < middle && middle < upper[j]).then_some((j, middle))
    })
}

/// Whether a region can be split, and has few enough inputs that vary.
pub(super) fn applies(region: &Region, most: usize) -> bool {
    let (lower, upper) = region.exact_box();
    let varying = lower.iter().zip(upper).filter(|(l, u)| l < u).count();
    varying <= most && region.restricted(lower.to_vec(), upper.to_vec()).is_some()
}
