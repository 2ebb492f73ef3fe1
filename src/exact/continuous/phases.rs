//! Neuron splitting for small networks: an unstable neuron is put on either side of a break point and
//! everything is bounded again; when no neuron is unstable, exact rationals decide. Complete, but for margins that
//! come as close to zero as one likes at a jump and never reach it.

use super::cells::{Cell, CellMinimum, Dual};
use super::search::{Examined, Part, Space, each};
use super::sides::BreakPoint;
use super::{Problem, forms};
use crate::attack::{Target, try_candidates};
use crate::domains::domain::{
    AbstractDomain, Bounds, DeepPoly, DeepPolyWithin, DomainError, LpDomain, Run, allowance, reach, reaches,
};
use crate::domains::lp::backends;
use crate::domains::num::{Interval, Rational, enclose, exact_or_zero, nearest};
use crate::domains::observer::{Event, Observer};
use crate::domains::query::{Ball, LinearForms, Region};
use crate::domains::verdict::Witness;
use crate::format::certificate::{Multipliers, Script};
use float_ord::FloatOrd;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

/// Inputs for which some neurons keep to one side.
pub(super) struct Phase {
    pub known: Bounds,
    pub open: Vec<(usize, f64)>,
}

impl Part for Phase {
    fn open(&self) -> &[(usize, f64)] {
        &self.open
    }
}

/// The least value attained so far, when the minimum itself is sought.
pub(super) struct Incumbent {
    /// A bound this far below what is attained is good enough.
    pub tolerance: f64,
    best: Mutex<f64>,
}

impl Incumbent {
    pub fn new(tolerance: f64) -> Self {
        Self { tolerance, best: Mutex::new(f64::INFINITY) }
    }

    /// An upper bound of a value that is attained.
    pub fn best(&self) -> f64 {
        self.best.lock().map_or(f64::INFINITY, |best| *best)
    }

    fn offer(&self, value: f64) {
        if let Ok(mut best) = self.best.lock() {
            *best = best.min(value);
        }
    }
}

/// Inputs that linear programs ended in.
#[derive(Default)]
struct Suggestions(Mutex<VecDeque<Vec<f64>>>);

impl Observer for Suggestions {
    fn event(&self, event: Event<'_>) {
        if let (Event::Candidate { input }, Ok(mut inputs)) = (event, self.0.lock()) {
            inputs.push_back(input.to_vec());
        }
    }
}

/// Neuron splitting over one region.
pub(super) struct Phases<'a> {
    pub problem: &'a Problem<'a>,
    pub region: &'a Region,
    /// Bounds that hold on all of the region.
    pub free: Bounds,
    /// Given when the minimum is sought and not only its sign.
    pub incumbent: Option<&'a Incumbent>,
}

impl Phases<'_> {
    /// All phases.
    pub fn root(&self, open: Vec<(usize, f64)>) -> Phase {
        Phase { known: self.free.clone(), open }
    }

    /// A bound above this closes a part.
    fn target(&self) -> f64 {
        self.incumbent.map_or(self.problem.goal, |i| i.best() - i.tolerance)
    }

    /// Tries points of the input: for a witness, or for a smaller value.
    fn try_points(&self, open: &[usize], points: &VecDeque<Vec<f64>>) -> Option<Witness> {
        let Problem { whole, case, attack, .. } = *self.problem;
        match self.incumbent {
            None if attack => try_candidates(Target { network: whole, case, open }, points),
            None => None,
            Some(_) => {
                for x in points.iter().filter_map(|x| self.region.nearest_member(x)) {
                    open.iter().for_each(|&d| self.offer(d, &x));
                }
                None
            }
        }
    }

    /// Offers the value at a member of the region.
    fn offer(&self, d: usize, x: &[Rational]) {
        let Problem { whole, case, .. } = *self.problem;
        let enclosed: Vec<Interval> = x.iter().map(enclose).collect();
        let (Some(incumbent), Ok(y)) = (self.incumbent, whole.evaluate::<Interval>(&enclosed)) else { return };
        let margins = case.property.disjuncts[d].atoms.iter().map(|a| a.margin_enclosure(&enclosed, &y).hi);
        incumbent.offer(margins.fold(f64::NEG_INFINITY, f64::max));
    }

    /// Bounds what is open by the linear program of the relaxation, in which the sides that were chosen
    /// are constraints: what it leaves open, unless no input is on these sides.
    fn relaxed(
        &self,
        known: &Bounds,
        open: &[(usize, f64)],
        examined: &mut Examined<Phase>,
    ) -> Result<Option<Vec<(usize, f64)>>, DomainError> {
        let target = self.target();
        let lp = LpDomain { goal: target, rounds: 0, ..LpDomain::kpoly(1, backends()[0]) };
        let suggestions = Suggestions::default();
        let observed = Run { observer: &suggestions, ..self.problem.run };
        let Some(trace) = self.problem.propagate(&lp, self.region, known, observed)? else { return Ok(None) };
        let mut left = Vec::new();
        for &(d, before) in open {
            let (forms, _) = self.problem.forms_of(&[d]);
            let bound = match forms.len() {
                1 => lp.minima(&forms, &trace)?[0],
                _ => lp.minimum_of_maximum(&forms, &trace)?,
            };
            let bound = bound.max(before);
            if bound > target { examined.closed.push((d, bound)) } else { left.push((d, bound)) }
        }
        let disjuncts: Vec<usize> = left.iter().map(|&(d, _)| d).collect();
        examined.witness = self.try_points(&disjuncts, &suggestions.0.into_inner().unwrap_or_default());
        Ok(Some(left))
    }

    /// Decides a disjunct where every neuron has one segment.
    fn settle(&self, known: &Bounds, (d, before): (usize, f64), examined: &mut Examined<Phase>) {
        let Problem { whole, network, case, run, certify, .. } = *self.problem;
        let atoms = &case.property.disjuncts[d].atoms;
        let mut witness = None;
        let cell = Cell::new(network, self.region, known, &self.free);
        let minimum = cell.as_ref().and_then(|cell| {
            cell.minimum(atoms, run.budget, |value, x| {
                let inside = if self.region.contains(x) {
                    Some(x.to_vec())
                } else {
                    self.region.nearest_member(&x.iter().map(nearest).collect::<Vec<f64>>())
                };
                if self.incumbent.is_some() {
                    inside.iter().for_each(|x| self.offer(d, x));
                    return enclose(value).lo > self.target();
                }
                // An irrational minimum of zero would be approached for ever.
                const AS_GOOD_AS_ZERO: f64 = 1e-12;
                if value <= &Rational::ZERO {
                    witness = inside.and_then(|x| Witness::replay(whole, case, d, x));
                }
                value > &Rational::ZERO || witness.is_some() || nearest(value) > -AS_GOOD_AS_ZERO
            })
        });
        // The tangents of a ball cannot be written; what its programs find may be a counterexample all the same.
        let is_written = !certify || case.region.ball() == &Ball::Box;
        match minimum.filter(|_| is_written) {
            Some(CellMinimum { bound: None, dual }) => {
                examined.closed.push((d, f64::INFINITY));
                self.write(known, &dual, None, &mut examined.shown.head);
            }
            Some(CellMinimum { bound: Some(value), dual }) => {
                let least = enclose(&value).lo;
                let mut bound = least.max(before);
                if self.problem.certify && bound > 0.0 {
                    self.write(known, &dual, Some((d, least)), &mut examined.shown.head);
                    return examined.closed.push((d, bound));
                }
                // What is left out of a closure cannot be written.
                let is_sought = bound <= 0.0 && witness.is_none() && self.incumbent.is_none() && !self.problem.certify;
                if let Some(cell) = cell.filter(|cell| is_sought && !cell.is_closed()) {
                    match self.at_jump(&cell, d) {
                        None => bound = f64::INFINITY,
                        Some(found) => witness = found,
                    }
                }
                if bound > self.target() { examined.closed.push((d, bound)) } else { examined.stuck.push((d, bound)) }
            }
            None => examined.stuck.push((d, before)),
        }
        examined.witness = examined.witness.take().or(witness);
    }

    /// Writes what shows that a disjunct is refuted on a cell, by how much, or that this is empty.
    fn write(&self, known: &Bounds, dual: &Dual, disjunct: Option<(usize, f64)>, script: &mut Script) {
        if !self.problem.certify {
            return;
        }
        self.write_points(known, script);
        let mut multipliers = Multipliers::default();
        // What exceeds zero by more than rounding loses is shown by floats, too.
        let is_ample = disjunct.is_some_and(|(d, bound)| bound > self.lost(known, dual, d));
        for (node, neuron, is_upper, factor) in &dual.ends {
            let factor = if *is_upper { -factor } else { factor.clone() };
            let name = self.problem.names.of((*node, *neuron));
            if is_ample { multipliers.float_bound(name, nearest(&factor)) } else { multipliers.bound(name, &factor) }
        }
        dual.half_spaces.iter().for_each(|(k, factor)| multipliers.half_space(*k, factor));
        if !is_ample {
            script.exact();
        }
        match disjunct {
            Some((d, _)) => script.refute(d, &dual.weights, &multipliers),
            None => script.empty(&multipliers),
        }
        if !is_ample {
            script.float();
        }
    }

    /// What somebody else may lose of a bound, with multipliers that are floats near to these: infinity where that is
    /// beyond floats.
    fn lost(&self, known: &Bounds, dual: &Dual, d: usize) -> f64 {
        let mut sum = reach(self.problem.network, &self.problem.forms_of(&[d]).0, known);
        let mut of_nodes = BTreeMap::new();
        for (node, _, _, factor) in &dual.ends {
            let of_node = || reaches(self.problem.network, *node, known).into_iter().fold(0.0, f64::max);
            sum += nearest(factor) * *of_nodes.entry(*node).or_insert_with(of_node);
        }
        for (k, factor) in &dual.half_spaces {
            let half_space = &self.region.half_spaces()[*k];
            let ends = |i: usize| self.region.bounds()[i].magnitude();
            let terms = half_space.terms.iter().map(|(i, c)| nearest(c).abs() * ends(*i));
            sum += nearest(factor) * (terms.sum::<f64>() + nearest(&half_space.rhs).abs());
        }
        if sum.is_finite() { allowance(sum) } else { f64::INFINITY }
    }

    /// The slopes of the pieces of neurons whose range ends where a piece does: where a checker finds no more of it than that
    /// point, it sees two pieces.
    fn write_points(&self, known: &Bounds, script: &mut Script) {
        const NEARLY: f64 = 1e-6;
        for (id, activation) in self.problem.network.activations() {
            let (function, Some(z)) = (&activation.function, known.get(activation.source)) else { continue };
            let ends: Vec<f64> = function.pieces().unwrap_or_default().iter().skip(1).map(|piece| piece.from).collect();
            for (i, z) in z.reaches().enumerate() {
                let Interval { lo, hi } = z.bounds;
                let is_near = |end: &f64| (lo - end).abs().min((hi - end).abs()) <= NEARLY * (1.0 + end.abs());
                if let [segment] = function.segments(z)[..]
                    && ends.iter().any(is_near)
                {
                    let (id, i) = self.problem.names.of((id, i));
                    script.line(id, i, [segment.slope; 2]);
                }
            }
        }
    }

    /// A witness to a disjunct on a cell without all of its closure, where the minimum over that is not positive;
    /// `None` when the cell is empty.
    fn at_jump(&self, cell: &Cell, d: usize) -> Option<Option<Witness>> {
        let Problem { whole, case, run, .. } = *self.problem;
        let mut witness = None;
        let found = cell.miss(&case.property.disjuncts[d].atoms, run.budget, |miss, x| {
            if miss < &Rational::ZERO && self.region.contains(x) {
                witness = Witness::replay(whole, case, d, x.to_vec());
            }
            miss >= &Rational::ZERO || witness.is_some()
        });
        let misses = |found: Option<CellMinimum>| {
            found.is_some_and(|found| found.bound.is_none_or(|miss| miss >= Rational::ZERO))
        };
        let is_empty = || misses(cell.miss(&[], run.budget, |_, _| false));
        if witness.is_none() && misses(found) && is_empty() { None } else { Some(witness) }
    }

    /// The bounds on both sides of the neuron whose split raises the bound of disjunct `d` the most, as
    /// back-substitution sees it: every candidate is tried (strong branching).
    fn split(&self, known: &Bounds, d: usize, candidates: &[BreakPoint]) -> Result<Divided, DomainError> {
        let mut best: Option<(f64, Divided)> = None;
        for &point in candidates.iter().take(MOST_TRIED) {
            let halves = point.sides(known);
            let bounds = [self.bound(&halves[0], d)?, self.bound(&halves[1], d)?];
            let (least, most) = (bounds[0].min(bounds[1]), bounds[0].max(bounds[1]));
            let score = least + SHARE_OF_THE_BETTER * (most - least).min(least.abs());
            if best.as_ref().is_none_or(|(top, _)| score > *top) {
                best = Some((score, (Some(point), halves)));
            }
        }
        Ok(best.map_or_else(|| (None, [known.clone(), known.clone()]), |(_, divided)| divided))
    }

    /// A lower bound of the largest margin of a disjunct within known bounds: +∞ where no input is.
    fn bound(&self, known: &Bounds, d: usize) -> Result<f64, DomainError> {
        let (base, run) = (DeepPoly::default(), Run::silent(self.problem.run.budget));
        let domain = DeepPolyWithin { base, known, settled: 0, checked: self.problem.checked() };
        let Some(trace) = self.problem.propagate(&domain, self.region, known, run)? else { return Ok(f64::INFINITY) };
        let minima = base.back_substitution(&trace).minima(&self.problem.forms_of(&[d]).0)?;
        Ok(minima.into_iter().fold(f64::NEG_INFINITY, f64::max))
    }
}

/// Where a part was divided, and the bounds below and above.
type Divided = (Option<BreakPoint>, [Bounds; 2]);

/// Neurons whose split is tried before one is chosen.
const MOST_TRIED: usize = 12;

/// What the bound on the better side counts for, next to the one on the worse side.
const SHARE_OF_THE_BETTER: f64 = 0.1;

impl Space for Phases<'_> {
    type Part = Phase;

    fn certifies(&self) -> bool {
        self.problem.certify
    }

    fn examine(&self, parts: Vec<Phase>) -> Vec<Result<Examined<Phase>, DomainError>> {
        each(parts, |part| self.examine_phase(part))
    }
}

impl Phases<'_> {
    fn examine_phase(&self, part: Phase) -> Result<Examined<Phase>, DomainError> {
        let Problem { network, run, .. } = *self.problem;
        let mut examined = Examined::default();
        let base = DeepPoly::default();
        let domain = DeepPolyWithin { base, known: &part.known, settled: 0, checked: self.problem.checked() };
        let run_here = Run::silent(run.budget);
        let (trace, known) = self.problem.propagate_checked(&domain, self.region, &part.known, run_here)?;
        if self.problem.certify {
            examined.shown.head.tighten(network, &known, &|id, i| self.problem.names.of((id, i)));
        }
        let Some(trace) = trace else { return Ok(examined.without_inputs(&part.open)) };
        let disjuncts: Vec<usize> = part.open.iter().map(|&(d, _)| d).collect();
        let (all, rows) = self.problem.forms_of(&disjuncts);
        let (minima, below) = base.back_substitution(&trace).minima_and_input_forms(&all)?;
        let below = forms::rows(&below).unwrap_or_default();
        let ranges = self.region.bounds();
        let target = self.target();
        let mut open: Vec<(usize, f64)> = Vec::new();
        let mut candidates = VecDeque::new();
        for (&(d, before), rows) in part.open.iter().zip(rows) {
            if run.budget.is_spent() {
                return Err(DomainError::OutOfTime);
            }
            let mut bound = minima[rows.clone()].iter().copied().fold(before, f64::max);
            let of_disjunct = below.get(rows.clone()).unwrap_or(&[]);
            let balance = forms::balance(of_disjunct, ranges);
            if self.problem.certify {
                let minimum = |form: &LinearForms| Ok(base.back_substitution(&trace).minima(form)?[0]);
                bound = self.problem.refuted(d, &minima[rows], &balance.weights, minimum, &mut examined.shown.head)?;
            } else if bound <= target && of_disjunct.len() > 1 {
                bound = bound.max(forms::positive_combination(of_disjunct, &balance.weights, ranges));
            }
            if bound > target {
                examined.closed.push((d, bound));
                continue;
            }
            candidates.push_back(balance.point);
            open.push((d, bound));
        }
        if open.is_empty() {
            return Ok(examined);
        }
        let disjuncts: Vec<usize> = open.iter().map(|&(d, _)| d).collect();
        examined.witness = self.try_points(&disjuncts, &candidates);
        if examined.witness.is_some() {
            return Ok(examined);
        }
        // What a linear program shows cannot be written.
        let left = match self.problem.certify {
            true => Some(open.clone()),
            false => self.relaxed(&known, &open, &mut examined)?,
        };
        let Some(open) = left else { return Ok(examined.without_inputs(&open)) };
        if open.is_empty() || examined.witness.is_some() {
            return Ok(examined);
        }
        if self.incumbent.is_none() && self.problem.is_too_near(&open, None) {
            examined.stuck = open;
            return Ok(examined);
        }
        let points = BreakPoint::all(network, &known);
        if points.is_empty() {
            open.into_iter().for_each(|d| self.settle(&known, d, &mut examined));
            return Ok(examined);
        }
        let worst = open.iter().min_by_key(|(_, bound)| FloatOrd(*bound)).map_or(0, |(d, _)| *d);
        let (point, halves) = self.split(&known, worst, &points)?;
        examined.shown.split = point.map(|point| {
            let (neuron, at) = point.place();
            (self.problem.names.of(neuron), exact_or_zero(at), point.open())
        });
        for known in halves {
            examined.children.push(Phase { known, open: open.clone() });
        }
        Ok(examined)
    }
}
