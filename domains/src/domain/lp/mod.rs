//! The linear-programming domain: DeepPoly's bounds, the LP over the whole network, and joint cuts for
//! groups of k neurons (kPoly; Singh et al. 2019, §4).
//!
//! *Requires* activations of either kind and finite bounds; a backend that solves linear programs, which is never
//! believed. *Returns* bounds of every neuron and certified lower bounds of forms, by weak duality: sound, not complete;
//! [`IntegerModel`] is the complete program. *Source*: Salman et al. 2019 (LP-ALL); Singh et al. 2019; Tjeng et al. 2019.

mod argument;
mod cone;
mod counts;
mod elsewhere;
mod encoding;
mod groups;
mod integer;
mod joint;
mod refinement;
mod step_hull;

pub use argument::{Argued, Argument, Claim, corner, share};
pub use elsewhere::{LayerPrograms, NeuronSolver, SolvedPrograms};
pub use integer::IntegerModel;
pub use joint::{Cut, CutProof};

use cone::Cone;
use counts::Counted;
use encoding::{Encoding, Objective};
use float_ord::FloatOrd;
use groups::{Group, joint_groups, twin_groups};
use step_hull::{StepNeuron, step_neurons};

use super::{AbstractDomain, DeepPoly, DeepPolyFact, DomainError, Fact, NodeBounds, Run, Trace, allowance, reach};
use crate::lp::{LpBackend, LpSession, Stop, certified_minimum_of};
use crate::network::{Activation, Affine, NodeId, NodeKind, Product};
use crate::num::round::{add_down, add_up, sub_up};
use crate::observer::Event;
use crate::query::{LinearForms, Region};
use rayon::prelude::*;
use std::cell::OnceCell;
use std::sync::{Arc, Mutex, OnceLock};

/// Which neurons' bounds the linear program re-computes on the way through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tighten {
    /// None: the base's bounds stand (LP-LAST of Salman et al. 2019 when the base is [`DeepPoly::greedy`]).
    None,
    /// Every unstable neuron, layer by layer (LP-ALL; Salman et al. 2019; the refinement of Singh et
    /// al. 2019, §4.3).
    All,
}

/// kPoly and its relatives: one linear program over the whole network. With neither joint cuts nor hulls it
/// is the triangle relaxation of ReLU networks and `nat` of signum networks (Geyer et al. 2024,
/// Proposition 1).
#[derive(Clone)]
pub struct LpDomain {
    /// The domain that bounds neurons and octahedra.
    pub base: DeepPoly,
    /// Neurons joined: 1 is the triangle alone.
    pub k: usize,
    /// Whether signum neurons are cut together with their inputs (`hull`; Geyer et al. 2024, Theorem 1).
    pub hull: bool,
    /// Whether rows bound how many signum neurons change at once, layer by layer.
    pub counts: bool,
    /// Which bounds are re-computed.
    pub tighten: Tighten,
    /// The solver.
    pub backend: &'static dyn LpBackend,
    /// A form is no further improved once its bound exceeds this (0 for a verdict, ∞ for the optimum).
    pub goal: f64,
    /// Rounds of cuts per form, at most.
    pub rounds: usize,
    /// Whether the forms after one that misses the goal are left at DeepPoly's bounds: for a verdict
    /// that needs them all.
    pub fail_fast: bool,
    /// Who solves the programs of neurons, where that is not this process alone.
    pub elsewhere: Option<Arc<dyn NeuronSolver>>,
    /// Where what programs show is kept with its arguments, in the order in which later ones rest on earlier ones; nothing
    /// else is shown then.
    pub argued: Option<Arc<Mutex<Vec<Argued>>>>,
}

/// What the domain knows of a node: DeepPoly's fact, and what an activation node can be cut with, once
/// it is asked for.
pub struct LpFact {
    base: DeepPolyFact,
    groups: OnceLock<Vec<Group>>,
    steps: OnceLock<Vec<StepNeuron>>,
}

/// What the points of a program are separated from.
#[derive(Default)]
struct Cuts<'t> {
    groups: Vec<&'t Group>,
    steps: Vec<&'t StepNeuron>,
    counted: Vec<Counted>,
}

impl Fact for LpFact {
    fn bounds(&self) -> &NodeBounds {
        self.base.bounds()
    }
    fn tighten(&mut self, known: &NodeBounds) {
        self.base.tighten(known);
    }
}

impl AsRef<DeepPolyFact> for LpFact {
    fn as_ref(&self) -> &DeepPolyFact {
        &self.base
    }
}

impl From<DeepPolyFact> for LpFact {
    fn from(base: DeepPolyFact) -> Self {
        Self { base, groups: OnceLock::new(), steps: OnceLock::new() }
    }
}

/// Forms that one session solves, where they need not wait for each other.
const FORMS_PER_SESSION: usize = 4;

/// Gains below this fraction of the bound's size end the rounds of cuts.
const WORTHWHILE_GAIN: f64 = 1e-4;

/// A round gains less than the one before: with a goal, the rounds end when this many times the last
/// gain would not reach it.
const REMAINING_GAINS: f64 = 4.0;

impl LpDomain {
    /// kPoly with groups of `k` neurons on every-layer DeepPoly.
    #[must_use]
    pub fn kpoly(k: usize, backend: &'static dyn LpBackend) -> Self {
        Self {
            base: DeepPoly::default(),
            k,
            hull: false,
            counts: false,
            tighten: Tighten::None,
            backend,
            goal: f64::INFINITY,
            rounds: 12,
            fail_fast: false,
            elsewhere: None,
            argued: None,
        }
    }

    /// The groups and the step neurons of all activation nodes seen.
    fn cuts<'t>(&self, seen: &'t Trace<LpFact>) -> Result<Cuts<'t>, DomainError> {
        let mut cuts = Cuts::default();
        if self.counts {
            cuts.counted = counts::counted(seen);
        }
        for (id, node) in seen.network.nodes().iter().enumerate().take(seen.facts.len()) {
            let NodeKind::Activation(activation) = &node.kind else { continue };
            if self.hull {
                let bounds = |id: NodeId| seen.bounds_of(id);
                let steps = seen.facts[id].steps.get_or_init(|| step_neurons(&seen.network, id, activation, &bounds));
                cuts.steps.extend(steps);
            }
            if self.k < 2 {
                continue;
            }
            let slot = &seen.facts[id].groups;
            if slot.get().is_none() {
                let mut groups = joint_groups(id, activation, self.k, &self.base.back_substitution(seen))?;
                let twin = seen.network.twins().iter().find(|twin| twin.second == id);
                groups.extend(twin.into_iter().flat_map(|twin| twin_groups(twin, activation, seen)));
                // Another thread may have been first; both computed the same.
                let _ = slot.set(groups);
            }
            cuts.groups.extend(slot.get().into_iter().flatten());
        }
        Ok(cuts)
    }

    /// The cuts, prepared at the first call; none when the time is up before they are.
    fn cuts_once<'g>(&self, cell: &'g OnceCell<Cuts<'g>>, seen: &'g Trace<LpFact>) -> &'g Cuts<'g> {
        cell.get_or_init(|| self.cuts(seen).unwrap_or_default())
    }

    /// Certified minimum of an objective, with cuts where its optimum violates them. `encoding` keeps the
    /// cuts for the objectives that follow; `cuts` is only called when the single relaxations alone do not
    /// reach the bound at which to `stop`; `form` is told to the observer.
    fn minimum<'g>(
        &self,
        encoding: &mut Encoding,
        cuts: &dyn Fn() -> &'g Cuts<'g>,
        objective: &Objective,
        stop: Stop,
        form: usize,
        run: Run<'_>,
    ) -> Answer {
        let goal = stop.above;
        let mut best = Answer::nothing();
        let mut previous = f64::NEG_INFINITY;
        let mut new_cuts = 0;
        for round in 0..=self.rounds {
            let Ok(mut session) = self.backend.session(encoding.program()) else { break };
            let Some(answer) = self.solve(&mut *session, encoding, objective, stop, run) else { break };
            drop(session);
            let (bound, point) = (answer.bound, answer.point.clone());
            answer.report(form, best.bound.max(bound), encoding, new_cuts, run);
            if bound > best.bound {
                best = answer;
            }
            let stalls = round > 0 && bound - previous < WORTHWHILE_GAIN * (1.0 + bound.abs());
            let hopeless = round > 0 && bound + REMAINING_GAINS * (bound - previous) <= goal && goal.is_finite();
            let is_last = round == self.rounds || run.budget.is_spent() || point.is_empty();
            if best.bound > goal || stalls || hopeless || is_last {
                break;
            }
            previous = bound;
            new_cuts = cuts().add_violated(encoding, &point);
            // Of counts nothing is argued.
            if self.argued.is_none() {
                new_cuts += counts::add_violated(self, &cuts().counted, encoding, &point, run);
            }
            if new_cuts == 0 {
                break;
            }
        }
        best
    }

    /// One solve, in a session of the encoding's program. `None` when the solver has nothing.
    fn solve(
        &self,
        session: &mut dyn LpSession,
        encoding: &Encoding,
        objective: &Objective,
        stop: Stop,
        run: Run<'_>,
    ) -> Option<Answer> {
        let Objective { coefficients, constant } = objective;
        // The constant is only rounded here, so ask for a little more.
        let above = add_up(sub_up(stop.above, *constant), 1e-12 * (stop.above.abs() + constant.abs()));
        let stop = Stop { above, known: stop.known - constant, ..stop };
        let solution = session.minimise_until(coefficients, stop, run.budget).ok()?;
        let bound = certified_minimum_of(encoding.program(), coefficients, &solution.multipliers);
        Some(Answer { bound: add_down(bound, *constant), point: solution.primal, multipliers: solution.multipliers })
    }

    /// Bounds of forms without joint cuts: each is a program of its own, a few of them share a session.
    fn separate_minima(
        &self,
        encoding: &Encoding,
        forms: &LinearForms,
        open: &[usize],
        goal: f64,
        seen: &Trace<LpFact>,
    ) -> Vec<(usize, Answer)> {
        let bounds = |id: NodeId| seen.bounds_of(id);
        let several = |some: &[usize]| -> Vec<(usize, Answer)> {
            let mut found = Vec::new();
            let Ok(mut session) = self.backend.session(encoding.program()) else { return found };
            for &form in some {
                if seen.run.budget.is_spent() {
                    break;
                }
                let Some(objective) = encoding.objective(forms, form, &bounds) else { continue };
                let answer = self.solve(&mut *session, encoding, &objective, Stop::above(goal), seen.run);
                let is_enough = answer.as_ref().is_some_and(|answer| answer.bound > goal);
                if let Some(answer) = answer {
                    answer.report(form, answer.bound, encoding, 0, seen.run);
                    found.push((form, answer));
                }
                if self.fail_fast && !is_enough {
                    break;
                }
            }
            found
        };
        let size = if self.fail_fast { open.len() } else { FORMS_PER_SESSION };
        open.par_chunks(size.max(1)).flat_map_iter(several).collect()
    }

    /// The bound of a form (one row) by an answer; where arguments are kept, what its argument shows, if it is above the
    /// goal.
    fn shown(
        &self,
        claim: Claim,
        form: &LinearForms,
        answer: &Answer,
        (goal, reach): (f64, f64),
        (encoding, seen): (&Encoding, &Trace<LpFact>),
    ) -> f64 {
        let Some(kept) = &self.argued else { return answer.bound };
        let aims = (goal, reach);
        let argued = Some(answer).filter(|answer| answer.bound > goal);
        let argued = argued.and_then(|a| self.argued(&encoding.rows, form, &a.multipliers, aims, seen));
        let Some((bound, argument)) = argued.filter(|(bound, _)| *bound > goal) else { return f64::NEG_INFINITY };
        if let Ok(mut kept) = kept.lock() {
            kept.push(Argued { claim, argument });
        }
        bound.min(answer.bound)
    }

    /// The bound at which a form is enough, and the magnitudes that it sums up: a checker may lose something of these.
    fn aims(&self, forms: &LinearForms, seen: &Trace<LpFact>) -> (f64, f64) {
        if self.argued.is_none() {
            return (self.goal, 0.0);
        }
        let reach = reach(&seen.network, forms, &seen.bounds());
        (self.goal.max(allowance(reach)), reach)
    }
}

/// What a solve found.
struct Answer {
    /// The certified bound.
    pub bound: f64,
    /// The solver's point; empty when it has none.
    pub point: Vec<f64>,
    /// The multipliers that show the bound.
    pub multipliers: Vec<f64>,
}

impl Answer {
    /// No bound.
    pub const fn nothing() -> Self {
        Self { bound: f64::NEG_INFINITY, point: Vec::new(), multipliers: Vec::new() }
    }

    /// Tells the observer, with the best bound so far.
    pub fn report(&self, form: usize, best: f64, encoding: &Encoding, new_cuts: usize, run: Run<'_>) {
        run.observer.event(Event::Lp { form, bound: best, rows: encoding.program().rows(), new_cuts });
        if let Some(input) = encoding.input_at(&self.point) {
            run.observer.event(Event::Candidate { input });
        }
    }
}

impl Cuts<'_> {
    /// True when there is nothing to separate from.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.steps.is_empty() && self.counted.is_empty()
    }

    /// Adds the deepest cuts of every group and step neuron that the point violates; returns how many.
    fn add_violated(&self, encoding: &mut Encoding, point: &[f64]) -> usize {
        let of_group = |group: &&Group| {
            let at = encoding.group_at(group, point)?;
            group.hull.separate(&at)
        };
        let of_step = |step: &&StepNeuron| {
            let (x, y) = encoding.step_at(step, point)?;
            Some(step.separate(&x, y))
        };
        let joint: Vec<_> = self.groups.par_iter().map(of_group).collect();
        let ideal: Vec<_> = self.steps.par_iter().map(of_step).collect();
        let mut added = 0;
        for (group, cut) in self.groups.iter().zip(joint) {
            if let Some(cut) = cut {
                encoding.add_cut(group, cut);
                added += 1;
            }
        }
        for (step, cuts) in self.steps.iter().zip(ideal) {
            for cut in cuts.into_iter().flatten() {
                encoding.add_step_cut(step.node, step.neuron, &cut);
                added += 1;
            }
        }
        added
    }
}

impl AbstractDomain for LpDomain {
    type Fact = LpFact;
    const SOLVES_PROGRAMS: bool = true;

    fn name(&self) -> &'static str {
        match (self.hull, self.k > 1) {
            (true, true) => "hull+kpoly",
            (true, false) => "hull",
            (false, _) => "kpoly",
        }
    }

    fn input(&self, region: &Region) -> LpFact {
        DeepPoly::input_fact(region).into()
    }

    fn affine(&self, id: NodeId, node: &Affine, seen: &Trace<LpFact>) -> Result<LpFact, DomainError> {
        let base = self.base.affine_fact(id, node, seen)?;
        match self.tighten {
            Tighten::None => Ok(base.into()),
            Tighten::All => self.tightened(id, base, node, seen),
        }
    }

    fn activation(&self, _: NodeId, node: &Activation, seen: &Trace<LpFact>) -> Result<LpFact, DomainError> {
        Ok(self.base.activation_fact(node, seen).into())
    }

    fn product(&self, _: NodeId, node: &Product, seen: &Trace<LpFact>) -> Result<LpFact, DomainError> {
        Ok(self.base.product_fact(node, seen).into())
    }

    /// DeepPoly's bounds first; where they do not reach the goal, the linear program, hardest form first
    /// so that the others profit from its cuts. Out of time, the bounds found so far stand.
    fn minima(&self, forms: &LinearForms, seen: &Trace<LpFact>) -> Result<Vec<f64>, DomainError> {
        let mut minima = self.base.back_substitution(seen).minima(forms)?;
        let aims @ (goal, _) = self.aims(forms, seen);
        let mut open: Vec<usize> = (0..forms.len()).filter(|&f| minima[f] <= goal).collect();
        open.sort_by_key(|&form| FloatOrd(minima[form]));
        if open.is_empty() {
            return Ok(minima);
        }
        let targets: Vec<NodeId> = forms.terms.iter().map(|t| t.node).collect();
        let bounds = |id: NodeId| seen.bounds_of(id);
        let cone = Cone::whole();
        let Some(mut encoding) = Encoding::new(&seen.network, seen.region, &bounds, &targets, &cone) else {
            return Ok(minima);
        };
        let shown = |encoding: &Encoding, form: usize, answer: &Answer| {
            self.shown(Claim::Form(form), &forms.select(&[form]), answer, aims, (encoding, seen))
        };
        if self.k < 2 && !self.hull && !self.counts {
            let found = self.separate_minima(&encoding, forms, &open, goal, seen);
            found.iter().for_each(|(form, answer)| minima[*form] = minima[*form].max(shown(&encoding, *form, answer)));
            return Ok(minima);
        }
        let cell = OnceCell::new();
        let cuts = || self.cuts_once(&cell, seen);
        for form in open {
            if seen.run.budget.is_spent() {
                break;
            }
            let Some(objective) = encoding.objective(forms, form, &bounds) else { continue };
            let answer = self.minimum(&mut encoding, &cuts, &objective, Stop::above(goal), form, seen.run);
            minima[form] = minima[form].max(shown(&encoding, form, &answer));
            if self.fail_fast && minima[form] <= goal {
                break;
            }
        }
        Ok(minima)
    }

    /// The program minimises a variable `t` that is at least each form: its multipliers are the weights
    /// of the combination that refutes the conjunction.
    fn minimum_of_maximum(&self, forms: &LinearForms, seen: &Trace<LpFact>) -> Result<f64, DomainError> {
        let targets: Vec<NodeId> = forms.terms.iter().map(|t| t.node).collect();
        let bounds = |id: NodeId| seen.bounds_of(id);
        let cone = Cone::whole();
        let Some(mut encoding) = Encoding::new(&seen.network, seen.region, &bounds, &targets, &cone) else {
            return Ok(f64::NEG_INFINITY);
        };
        let Some(objective) = encoding.maximum(forms, &bounds) else { return Ok(f64::NEG_INFINITY) };
        let cell = OnceCell::new();
        let cuts = || self.cuts_once(&cell, seen);
        let aims @ (goal, _) = self.aims(forms, seen);
        let answer = self.minimum(&mut encoding, &cuts, &objective, Stop::above(goal), 0, seen.run);
        let weights = |&row: &usize| answer.multipliers.get(row).map_or(0.0, |m| (-m).max(0.0));
        let weights: Vec<f64> = encoding.rows.forms.iter().map(weights).collect();
        Ok(self.shown(Claim::Sum(weights.clone()), &forms.weighted(&weights), &answer, aims, (&encoding, seen)))
    }
}
