//! Input splitting: the region is cut into boxes until back-substitution decides each of them
//! (ReluVal, Wang et al. 2018). Complete up to ties for networks with few inputs.
//!
//! The forms over the input that back-substitution ends in serve two more purposes: they shrink the box
//! to where the margins can all be small, and they say which combination of its atoms may refute a conjunction.

use super::box_lines::BoxLines;
use super::forms::{self, Below, Cut};
use super::halving::{Division, InputBox, Known, Left};
use super::search::{Examined, ONE_BY_ONE, Shown, Space, each};
use super::{Problem, cells, has_jumps};
use crate::attack::{Target, try_candidates};
use crate::domains::activation::{OpenEnds, Slopes};
use crate::domains::domain::{
    Bounds, Checked, Concretise, DeepPoly, DeepPolyWithin, DomainError, Run, Wanted, allowance, reaches,
};
use crate::domains::dual::{BoxForm, Corners, Memory, Objective, Relaxed};
use crate::domains::num::{Interval, Rational, exact_or_zero};
use crate::domains::query::{LinearForms, Region};
use crate::domains::verdict::Witness;
use crate::format::certificate::{Multipliers, Script};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Input splitting of one case.
pub(super) struct Boxes<'a> {
    pub problem: &'a Problem<'a>,
    /// What a checker may lose more of every neuron's bounds, where there is one.
    losses: Option<Vec<Vec<f64>>>,
    /// Boxes deeper than this that leave few neurons unstable are decided by their affine pieces, exactly.
    pub deep: usize,
    /// The relaxation over all of the region, where many boxes can be bounded at once.
    corners: Option<Corners<'a>>,
    /// What a certificate says of neurons there.
    lines: BoxLines,
    /// The margins of all atoms.
    atoms: Vec<Objective>,
    /// Whether a disjunct has one atom only.
    has_single: bool,
    memory: Mutex<Vec<Memory>>,
}

/// The bounds around the box stand in for those that concretising on the way would give.
const BASE: DeepPoly = DeepPoly { concretise: Concretise::Input, slopes: Slopes::Area, wanted: Wanted::Unstable };

/// Where a certificate is written, cuts take away at least this share of an input's range.
const LEAST_CUT: f64 = 0.02;

/// What counts as deep, and where activations jump: no box at a jump is small enough for bounds.
const DEEP: usize = 30;
const DEEP_AT_JUMPS: usize = 3;

/// How many unstable neurons are few.
const FEW_UNSTABLE: usize = 10;

/// A box that is being examined.
struct Examining {
    part: InputBox,
    examined: Examined<InputBox>,
    /// What its atoms do not refute.
    undecided: Vec<Undecided>,
}

/// A disjunct that no atom refutes on a box.
struct Undecided {
    disjunct: usize,
    bound: f64,
    forms: Vec<BoxForm>,
    weights: Vec<f64>,
    /// Where the largest of its atoms may be small.
    point: Vec<f64>,
    /// The combination of its atoms with the weights, where there are several.
    joint: Option<LinearForms>,
}

impl<'a> Boxes<'a> {
    /// Boxes of the problem's region; `relaxed` is the relaxation over it.
    pub fn new(problem: &'a Problem<'a>, relaxed: &'a Relaxed<'a>) -> Self {
        let of_node = |id| reaches(problem.network, id, &problem.bounds).into_iter().map(allowance).collect();
        let losses = problem.certify.then(|| (0..problem.network.nodes().len()).map(of_node).collect());
        let has_order = problem.case.region.has_differences();
        let atoms = (0..problem.forms.len()).map(|row| Objective::of_form(&problem.forms, row, &problem.bounds));
        let corners = Corners::of(relaxed).filter(|_| !has_order);
        Self {
            problem,
            losses,
            deep: if has_jumps(problem.network) { DEEP_AT_JUMPS } else { DEEP },
            corners,
            lines: corners.map(|corners| BoxLines::new(corners, &problem.names)).unwrap_or_default(),
            atoms: atoms.collect(),
            has_single: problem.rows.iter().any(|rows| rows.len() == 1),
            memory: Mutex::default(),
        }
    }

    /// The whole region.
    pub fn root(&self, open: Vec<(usize, f64)>) -> InputBox {
        let (lower, upper) = self.problem.case.region.exact_box();
        let known = match self.corners {
            Some(corners) => Known::Corners(corners.ranges().into()),
            None => Known::Nodes(Arc::new(self.problem.bounds.clone())),
        };
        InputBox { lower: lower.to_vec(), upper: upper.to_vec(), open, known, depth: 0 }
    }

    /// Bounds of all nodes.
    pub fn bounds(&self, known: &Known) -> Bounds {
        match (known, self.corners) {
            (Known::Corners(ranges), Some(corners)) => corners.bounds_within(ranges),
            (Known::Nodes(bounds), _) => (**bounds).clone(),
            (Known::Corners(_), None) => self.problem.bounds.clone(),
        }
    }

    /// How many neurons are on more than one segment.
    pub fn unstable(&self, known: &Known) -> usize {
        match known {
            Known::Nodes(bounds) => cells::unstable(self.problem.network, bounds),
            Known::Corners(ranges) => ranges.iter().filter(|z| z.lo < 0.0 && z.hi > 0.0).count(),
        }
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

    fn together(&self) -> usize {
        self.corners.map_or(ONE_BY_ONE, Corners::together)
    }

    fn examine(&self, parts: Vec<InputBox>) -> Vec<Result<Examined<InputBox>, DomainError>> {
        let Some(corners) = self.corners else { return each(parts, |part| self.examine_alone(part)) };
        let size = parts.len().div_ceil(rayon::current_num_threads()).max(1);
        let mut parts = parts.into_iter().peekable();
        let mut chunks: Vec<Vec<InputBox>> = Vec::new();
        while parts.peek().is_some() {
            chunks.push(parts.by_ref().take(size).collect());
        }
        let of_chunk = |chunk: Vec<InputBox>| -> Vec<Result<Examined<InputBox>, DomainError>> {
            let count = chunk.len();
            let mut memory = self.memory.lock().ok().and_then(|mut all| all.pop()).unwrap_or_default();
            let examined = self.examine_together(corners, chunk, &mut memory);
            self.memory.lock().into_iter().for_each(|mut all| all.push(std::mem::take(&mut memory)));
            examined.unwrap_or_else(|error| (0..count).map(|_| Err(error.clone())).collect())
        };
        chunks.into_par_iter().flat_map_iter(of_chunk).collect()
    }
}

impl Boxes<'_> {
    fn begin(&self, part: InputBox) -> (Region, Examining) {
        let region = self.problem.case.region.restricted(part.lower.clone(), part.upper.clone());
        // Only regions that can be restricted are split; whatever else there was, what holds on all of it holds here.
        let region = region.unwrap_or_else(|| self.problem.case.region.clone());
        (region, Examining { part, examined: Examined::default(), undecided: Vec::new() })
    }

    /// Examines boxes in one batch.
    fn examine_together(
        &self,
        corners: Corners<'_>,
        parts: Vec<InputBox>,
        memory: &mut Memory,
    ) -> Result<Vec<Result<Examined<InputBox>, DomainError>>, DomainError> {
        let Problem { run, goal, .. } = *self.problem;
        let (regions, mut all): (Vec<Region>, Vec<Examining>) = parts.into_iter().map(|part| self.begin(part)).unzip();
        let known: Vec<Known> = all.iter().map(|one| one.part.known.clone()).collect();
        let known: Vec<&[Interval]> = known.iter().map(Known::ranges).collect();
        let mut on = corners.on_boxes(regions.iter().collect(), &known, self.losses.as_deref(), memory, run.budget)?;
        let wanted: Vec<(usize, &Objective)> = all
            .iter()
            .enumerate()
            .filter(|(b, _)| on.ranges(*b).is_some())
            .flat_map(|(b, one)| one.part.open.iter().map(move |&(d, _)| (b, d)))
            .flat_map(|(b, d)| self.atoms[self.problem.rows[d].clone()].iter().map(move |atom| (b, atom)))
            .collect();
        // Of several atoms the combination says what halving gains.
        let gains_up_to = if self.has_single { goal } else { f64::NEG_INFINITY };
        let mut found = on.minima(&wanted, gains_up_to, run.budget)?.into_iter();
        let mut joints = Vec::new();
        for (b, one) in all.iter_mut().enumerate() {
            if self.problem.certify {
                let (ranges, empty) = on.found(b);
                self.lines.say(ranges, empty, &mut one.examined.shown.head);
            }
            if on.ranges(b).is_some() {
                self.weigh(one, &regions[b], |rows| found.by_ref().take(rows).collect());
                let of_box = one.undecided.iter().filter_map(|undecided| undecided.joint.as_ref());
                joints.extend(of_box.map(|joint| (b, Objective::of_form(joint, 0, corners.relaxed().bounds()))));
            }
        }
        let wanted: Vec<(usize, &Objective)> = joints.iter().map(|(b, joint)| (*b, joint)).collect();
        let mut found = on.minima(&wanted, goal, run.budget)?.into_iter();
        let mut done = Vec::with_capacity(all.len());
        for (b, mut one) in all.into_iter().enumerate() {
            done.push(match on.ranges(b) {
                None => Ok(one.examined.without_inputs(&one.part.open)),
                Some(ranges) => {
                    let joints = one.undecided.iter().map(|u| u.joint.as_ref().and_then(|_| found.next())).collect();
                    self.finish(&mut one, &regions[b], Known::Corners(ranges.into()), joints).map(|()| one.examined)
                }
            });
        }
        Ok(done)
    }

    /// Examines a box whose neurons are not all of the kind that batches pass.
    fn examine_alone(&self, part: InputBox) -> Result<Examined<InputBox>, DomainError> {
        let Problem { network, run, certify, .. } = *self.problem;
        let (region, mut one) = self.begin(part);
        let before = self.bounds(&one.part.known);
        let checked = self.losses.as_deref().map_or(Checked::Never, Checked::Late);
        let domain = DeepPolyWithin { base: BASE, known: &before, settled: 0, checked };
        let (trace, known) = self.problem.propagate_checked(&domain, &region, &before, Run::silent(run.budget))?;
        if certify {
            one.examined.shown.head.late(network, &known, &|id, i| self.problem.names.of((id, i)));
        }
        let Some(trace) = trace else { return Ok(one.examined.without_inputs(&one.part.open)) };
        let back = BASE.back_substitution(&trace);
        let bound = |forms: &LinearForms| -> Result<Option<Vec<BoxForm>>, DomainError> {
            let (minima, below) = back.minima_and_input_forms(forms)?;
            let Some(below) = forms::rows(&below) else { return Ok(None) };
            let form = |(minimum, Below { coefficients, constant }): (f64, Below<'_>)| BoxForm {
                minimum,
                coefficients: coefficients.to_vec(),
                constant,
                gains: None,
            };
            Ok(Some(minima.into_iter().zip(below).map(form).collect()))
        };
        let disjuncts: Vec<usize> = one.part.open.iter().map(|&(d, _)| d).collect();
        let Some(found) = bound(&self.problem.forms_of(&disjuncts).0)? else {
            one.examined.stuck = one.part.open;
            return Ok(one.examined);
        };
        let mut found = found.into_iter();
        self.weigh(&mut one, &region, |rows| found.by_ref().take(rows).collect());
        let mut joints = Vec::new();
        for undecided in &one.undecided {
            let joint = undecided.joint.as_ref().map(&bound).transpose()?.flatten();
            joints.push(joint.and_then(|mut joint| joint.pop()));
        }
        self.finish(&mut one, &region, Known::Nodes(Arc::new(known)), joints)?;
        Ok(one.examined)
    }

    /// Refutes disjuncts by their atoms, of which `next` gives so many, one disjunct after the other, and weighs those of
    /// the others.
    fn weigh(&self, one: &mut Examining, region: &Region, mut next: impl FnMut(usize) -> Vec<BoxForm>) {
        let Examining { part, examined, undecided } = one;
        for &(disjunct, before) in &part.open {
            let rows = self.problem.rows[disjunct].clone();
            let forms = next(rows.len());
            let bound = forms.iter().fold(before, |bound, form| bound.max(form.minimum));
            if bound > self.problem.goal {
                examined.closed.push((disjunct, bound));
                if self.problem.certify {
                    let atom = forms.iter().position(|form| form.minimum == bound).unwrap_or(0);
                    examined.shown.head.refute_by_atom(disjunct, atom, &Multipliers::default());
                }
                continue;
            }
            let forms::Balance { weights, point } = forms::balance(&below(&forms), region.bounds());
            let atoms = || self.problem.forms.select(&rows.collect::<Vec<_>>());
            let joint = if forms.len() > 1 { forms::combined(&atoms(), &weights) } else { None };
            undecided.push(Undecided { disjunct, bound, forms, weights, point, joint });
        }
    }

    /// Refutes what combinations of atoms refute, cuts off where the others are refuted, and divides what is left.
    fn finish(
        &self,
        one: &mut Examining,
        region: &Region,
        known: Known,
        joints: Vec<Option<BoxForm>>,
    ) -> Result<(), DomainError> {
        let Problem { whole, network, case, certify, goal, .. } = *self.problem;
        let Examining { part, examined, undecided } = one;
        let ranges = region.bounds();
        let mut left = Left { open: Vec::new(), shrunk: Vec::new(), scores: vec![0.0; ranges.len()] };
        let mut candidates = VecDeque::from([ranges.iter().map(|x| x.middle()).collect::<Vec<f64>>()]);
        let mut open: Vec<Undecided> = Vec::new();
        for (mut one, joint) in undecided.drain(..).zip(joints) {
            // Below the largest atom where it is positive.
            let of_joint = joint.as_ref().map(|joint| joint.minimum).filter(|&least| least > goal);
            one.bound = of_joint.map_or(one.bound, |b| b.max(one.bound));
            one.forms.extend(joint);
            if one.bound <= goal {
                open.push(one);
                continue;
            }
            examined.closed.push((one.disjunct, one.bound));
            if certify {
                examined.shown.head.refute(one.disjunct, &exact_weights(&one.weights), &Multipliers::default());
            }
        }
        let inner = self.inner(&open, ranges, &mut examined.shown);
        for (Undecided { disjunct, bound, mut forms, point, .. }, inner) in open.into_iter().zip(inner) {
            let slopes = slopes(&below(&forms), ranges);
            let Some(inner) = inner else {
                examined.closed.push((disjunct, forms::LEFT_OUT));
                continue;
            };
            candidates.push_back(point);
            let gains = forms.pop().and_then(|form| form.gains);
            left.add((disjunct, bound), inner, &gains.unwrap_or(slopes));
        }
        let disjuncts: Vec<usize> = left.open.iter().map(|&(d, _)| d).collect();
        if self.problem.attack && !disjuncts.is_empty() {
            examined.witness = try_candidates(Target { network: whole, case, open: &disjuncts }, &candidates);
        }
        if disjuncts.is_empty() || examined.witness.is_some() {
            return Ok(());
        }
        // What shrinking leaves out is refuted there, by this much.
        examined.closed.extend(disjuncts.iter().map(|&d| (d, forms::LEFT_OUT)));
        // Without unstable neurons what stays open is a violation or a tie, and halving would not end.
        let unstable = self.unstable(&known);
        let has_few = part.depth >= self.deep && unstable <= FEW_UNSTABLE && !network.has_curves();
        let is_final =
            unstable == 0 || has_few || self.problem.is_too_near(&left.open, candidates.front().map(|x| &x[..]));
        let division = if is_final { None } else { part.divided(self.problem, ranges, &known, &left) };
        if let Some(Division { children, halved }) = division {
            examined.children = children;
            examined.shown.split = halved.map(|(side, middle)| ((0, side), middle, OpenEnds::default()));
            return Ok(());
        }
        let bounds = self.bounds(&known);
        let so_far = std::mem::take(examined);
        *examined = self.problem.cells(region, &bounds, bounds.clone(), &left.open, so_far)?;
        Ok(())
    }
}

/// The forms over the inputs.
fn below(forms: &[BoxForm]) -> Vec<Below<'_>> {
    forms.iter().map(|form| Below { coefficients: &form.coefficients, constant: form.constant }).collect()
}

/// For each input how far it moves the forms.
fn slopes(forms: &[Below], ranges: &[Interval]) -> Vec<f64> {
    let slope = |j: usize| forms.iter().map(|f| f.coefficients[j].abs()).sum::<f64>();
    ranges.iter().enumerate().map(|(j, x)| slope(j) * (x.hi - x.lo)).collect()
}

impl Boxes<'_> {
    /// The part of a box that each disjunct's forms leave, the last of them that with its weights. A script splits off what
    /// those of one disjunct leave out where nothing is left, and else what all of them leave out.
    fn inner(&self, open: &[Undecided], ranges: &[Interval], shown: &mut Shown) -> Vec<Option<Vec<Interval>>> {
        let forms: Vec<Vec<Below>> = open.iter().map(|one| below(&one.forms)).collect();
        if !self.problem.certify {
            return forms.iter().map(|forms| forms::shrunk(forms, ranges, forms::LEFT_OUT)).collect();
        }
        let left_out = forms::LEFT_OUT.max(self.problem.goal);
        let is_left = |inner: &[Interval]| !inner.iter().any(|x| x.is_empty());
        let mut rest: Vec<usize> = Vec::new();
        for (d, one) in open.iter().enumerate() {
            let (mut inner, own) = (ranges.to_vec(), &forms[d..=d]);
            let cuts = forms::cuts(own, &mut inner, left_out, 0.0);
            if is_left(&inner) {
                rest.push(d);
            } else {
                let tail = say_cuts(&[one], cuts, &mut shown.head);
                shown.head.append(&tail);
            }
        }
        let (mut inner, mut left) = (ranges.to_vec(), vec![None; open.len()]);
        let of_rest: Vec<Vec<Below>> = rest.iter().map(|&d| forms[d].clone()).collect();
        let cuts = forms::cuts(&of_rest, &mut inner, left_out, LEAST_CUT);
        let those: Vec<&Undecided> = rest.iter().map(|&d| &open[d]).collect();
        shown.tail = say_cuts(&those, cuts, &mut shown.head);
        rest.iter().filter(|_| is_left(&inner)).for_each(|&d| left[d] = Some(inner.clone()));
        left
    }
}

/// Splits off where each of the disjuncts is refuted; what is returned ends the splits.
fn say_cuts(disjuncts: &[&Undecided], cuts: Vec<Cut>, head: &mut Script) -> Script {
    let mut tails = Vec::new();
    for Cut { forms, input, is_upper, at } in cuts {
        let mut refuted = Script::default();
        for (one, form) in disjuncts.iter().zip(forms) {
            if form < one.weights.len() {
                refuted.refute_by_atom(one.disjunct, form, &Multipliers::default());
            } else {
                refuted.refute(one.disjunct, &exact_weights(&one.weights), &Multipliers::default());
            }
        }
        head.split((0, input), &exact_or_zero(at), OpenEnds::default());
        let mut tail = Script::default();
        if is_upper {
            tail.otherwise();
            tail.append(&refuted);
        } else {
            head.append(&refuted);
            head.otherwise();
        }
        tail.end();
        tails.push(tail);
    }
    let mut all = Script::default();
    tails.iter().rev().for_each(|tail| all.append(tail));
    all
}

fn exact_weights(weights: &[f64]) -> Vec<Rational> {
    weights.iter().map(|&w| exact_or_zero(w)).collect()
}

/// Whether a region can be split, and has few enough inputs that vary.
pub(super) fn applies(region: &Region, most: usize) -> bool {
    let (lower, upper) = region.exact_box();
    let varying = lower.iter().zip(upper).filter(|(l, u)| l < u).count();
    varying <= most && region.restricted(lower.to_vec(), upper.to_vec()).is_some()
}
