//! Neuron splitting for larger networks (β-CROWN, Wang et al. 2021) on bounds of the neurons that are refined by the same
//! search first: rounds of refinement and of trees for what is open, each round with several times the parts of the one
//! before, on a network without the neurons that have turned out to be zero.

use super::leaves::{Grown, Leaf, Lemmas, Writer};
use super::search::{Examined, Found};
use super::{Problem, Splitting, phases::Phase};
use crate::attack::{Target, try_candidates};
use crate::domains::domain::{Bounds, DomainError};
use crate::domains::dual::{
    Candidate, Compiled, Effort, Forest, Limits, Member, Objective, Record, Refinement, Relaxed,
};
use crate::domains::network::NodeKind;
use crate::domains::num::Interval;
use crate::domains::observer::Event;
use crate::domains::verdict::Witness;
use crate::format::certificate::Script;
use std::collections::BTreeMap;

/// From one round of refinement to the next the parts per neuron side grow by this factor, as far as the time allows: the
/// trees in between may save the costlier rounds.
const GROWTH: usize = 8;

/// Bounds are refined further unless a round leaves more than this of the worst root.
const LEAST_GAIN: f32 = 0.9;

/// A round's trees have at least this share of the parts that its refinement had.
const LEAST_SHARE: f64 = 1.0 / 32.0;

/// Gradient steps of a disjunct at its root, and at parts.
const AT_ROOT: Effort = Effort { rounds: 30, alpha: 0.2, beta: 0.1 };
const BELOW: Effort = Effort { rounds: 4, alpha: 0.05, beta: 0.1 };

/// The share of parts that only tell how much splits gain.
const LOOK_AHEAD: f64 = 1.0 / 8.0;

/// With more open parts than this their bounds are not proved when the search ends undecided.
const MOST_PROVED: usize = 10_000;

/// The search for one case.
pub(super) struct Neurons {
    /// Certified lower bounds of the disjuncts that are open.
    pub open: BTreeMap<usize, f64>,
    /// Those of the others.
    pub closed: BTreeMap<usize, f64>,
    witness: Option<Witness>,
    /// Parts examined, and how many there may be.
    pub parts: usize,
    most: usize,
    next_attack: usize,
    figures: BTreeMap<&'static str, u64>,
    /// Bounds of the neurons after the first round of refinement.
    refined: Option<Bounds>,
    /// What shows the refined bounds and that disjuncts are refuted, where a certificate is asked for.
    script: Script,
    /// Whether a stage is left out.
    pub splitting: Splitting,
}

/// A round of refinement, before its trees grow.
#[derive(Clone, Copy)]
pub(super) struct Round {
    /// Parts that it had, and that the one after it will have.
    pub refined: usize,
    pub next: usize,
    /// The worst root of the trees before.
    pub root: f32,
}

impl Round {
    /// Whether trees with so many `parts` give way to the next round, being `expected` to need so many more: if that is
    /// more than the round will have, the sooner the less it is. Expectations are wrong by orders of magnitude at first.
    fn is_enough(self, parts: usize, expected: f64) -> bool {
        let share = parts as f64 / self.refined as f64;
        share > LEAST_SHARE && expected * share * share > self.next as f64
    }
}

/// After so many parts the region is attacked again, and whenever there are twice as many.
const FIRST_ATTACK: usize = 2_000;

impl Neurons {
    /// Nothing examined yet.
    pub fn new(open: &[(usize, f64)], most: usize, splitting: Splitting) -> Self {
        let open = open.iter().copied().collect();
        let most = most.saturating_mul(PARTS_PER_COSTLY);
        let (closed, witness, figures, script) = (BTreeMap::new(), None, BTreeMap::new(), Script::default());
        let next_attack = FIRST_ATTACK;
        Self { open, closed, witness, parts: 0, most, next_attack, figures, refined: None, script, splitting }
    }

    /// Decides what is open on the problem's region; also bounds of its neurons, where they were refined.
    pub fn run(mut self, problem: &Problem) -> Result<(Found, Option<Bounds>), DomainError> {
        let compiled = compile(problem);
        let round = Round { refined: 0, next: 0, root: f32::NEG_INFINITY };
        let round = Some(round).filter(|_| self.splitting != Splitting::Unrefined);
        if let Some(root) = self.grow(problem, &compiled, &self.still_open(), round)? {
            self.round(problem, &compiled, Refinement::default(), root)?;
        }
        let mut bounds = self.closed;
        bounds.extend(self.open);
        let is_cut_short = self.parts > self.most;
        let (parts, figures, script) = (self.parts, self.figures, self.script);
        Ok((Found { bounds, witness: self.witness, is_cut_short, parts, figures, script }, self.refined))
    }

    /// The disjuncts that are open.
    pub fn still_open(&self) -> Vec<usize> {
        self.open.keys().copied().collect()
    }

    pub fn count(&mut self, name: &'static str, more: usize) {
        *self.figures.entry(name).or_default() += more as u64;
    }

    pub fn is_over(&self, problem: &Problem) -> bool {
        self.open.is_empty() || self.witness.is_some() || self.parts > self.most || problem.run.budget.is_spent()
    }

    /// Refines the neurons' bounds, then grows trees on a network without the neurons that have turned out to be zero;
    /// further rounds follow.
    fn round(
        &mut self,
        problem: &Problem,
        compiled: &Compiled<'_>,
        refinement: Refinement,
        root: f32,
    ) -> Result<(), DomainError> {
        if self.is_over(problem) {
            return Ok(());
        }
        let Problem { network, case, run, .. } = *problem;
        let mut bounds = problem.bounds.clone();
        let before = run.budget.remaining();
        let mut lemmas = Lemmas::new(problem.names.clone());
        let record = problem.certify.then_some(&mut lemmas as &mut dyn Record);
        let refined = refinement.recorded(compiled, &case.region, &mut bounds, run.budget, record);
        self.script.append(&lemmas.script);
        self.parts += refined.parts;
        self.count("sides_refined", refined.sides);
        self.count("neurons_fixed", refined.settled);
        let next = refinement.next(GROWTH, before, run.budget.remaining());
        let bounds = bounds.checked(network)?;
        self.refined.get_or_insert_with(|| bounds.clone());
        if self.is_over(problem) {
            return Ok(());
        }
        let problem = problem.with(bounds);
        let reduced = problem.reduced();
        let problem = problem.on(&reduced);
        let compiled = compile(&problem);
        // With the time for no other round there is as much for what is assumed as for this one.
        let parts = next.map_or(refined.parts, |next| refined.parts * next.parts / refinement.parts);
        let round = Round { refined: refined.parts, next: 0, root };
        if self.may_assume(&problem, refinement.parts) {
            // What is nearly refuted is refuted sooner by short trees and where it is assumed than by long trees.
            if self.grow(&problem, &compiled, &self.still_open(), Some(round))?.is_none() {
                return Ok(());
            }
            self.assume(&problem, refinement.parts, parts)?;
        }
        let round = next.map(|_| Round { next: parts, ..round });
        let root = self.grow(&problem, &compiled, &self.still_open(), round)?;
        next.zip(root).map_or(Ok(()), |(next, root)| self.round(&problem, &compiled, next, root))
    }

    /// Trees for some open disjuncts, after a round that another may follow or none, until they are
    /// [enough](Round::is_enough). Returns the worst root where refinement is to go on: not where the last one gained little.
    pub(super) fn grow(
        &mut self,
        problem: &Problem,
        compiled: &Compiled<'_>,
        disjuncts: &[usize],
        round: Option<Round>,
    ) -> Result<Option<f32>, DomainError> {
        let (budget, bounds) = (problem.run.budget, &problem.bounds);
        let relaxed = &Relaxed::new(compiled, &problem.case.region, bounds);
        // The atom with the best bound stands for its disjunct.
        let atoms: Vec<(usize, usize)> =
            disjuncts.iter().flat_map(|&d| problem.rows[d].clone().map(move |row| (d, row))).collect();
        let form = |row: usize| Objective::of_form(&problem.forms, row, bounds);
        let forms = |chosen: &[(usize, usize)]| chosen.iter().map(|&(_, row)| form(row)).collect::<Vec<_>>();
        let limits = limits(problem.goal);
        let mut trees = Trees::new(problem, relaxed, atoms, forms, limits);
        let mut candidates = trees.forest.plant(budget);
        if trees.rows.len() > disjuncts.len() {
            let mut chosen: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
            let forest = &trees.forest;
            let value = |o: usize| if forest.is_closed(o) { f32::INFINITY } else { forest.guess(o) };
            for (o, &(d, row)) in trees.rows.iter().enumerate() {
                let best = chosen.entry(d).or_insert((o, row));
                if value(o) > value(best.0) {
                    *best = (o, row);
                }
            }
            let atoms = chosen.into_iter().map(|(d, (_, row))| (d, row)).collect();
            trees = Trees::new(problem, relaxed, atoms, forms, limits);
            candidates = trees.forest.plant(budget);
        }
        self.note(&mut trees, true);
        let root = (0..trees.rows.len()).map(|o| trees.forest.guess(o)).fold(f32::INFINITY, f32::min);
        let round = round.filter(|round| root >= LEAST_GAIN * round.root);
        loop {
            self.try_inputs(problem, &trees, candidates);
            if !budget.is_spent() {
                self.settle(problem, relaxed, &mut trees)?;
            }
            self.note(&mut trees, false);
            let forest = &mut trees.forest;
            let parts = self.parts + forest.parts();
            let is_enough = |round: Round| round.is_enough(forest.parts(), forest.expected());
            let is_over = self.is_over(problem)
                || parts > self.most
                || self.splitting == Splitting::Refinement
                || round.is_some_and(is_enough);
            let bound = (0..trees.rows.len()).map(|o| forest.guess(o)).fold(f32::INFINITY, f32::min);
            let (open, closed) = (forest.open(), forest.parts() / 2 - forest.open().min(forest.parts() / 2));
            problem.run.observer.event(Event::Search { open, closed, bound: f64::from(bound) });
            if is_over {
                break;
            }
            if parts >= self.next_attack {
                self.next_attack = 2 * parts;
                let open: Vec<usize> = self.open.keys().copied().collect();
                self.witness = problem.attack(&open, self.next_attack / PARTS_PER_COSTLY);
                if self.witness.is_some() {
                    break;
                }
            }
            match forest.grow(budget) {
                Some(found) => candidates = found,
                None => break,
            }
        }
        self.parts += trees.forest.parts();
        self.note(&mut trees, true);
        Ok(round.map(|_| root))
    }

    /// Takes over what is closed, and, if asked, the bounds of what is not.
    fn note(&mut self, trees: &mut Trees, proves: bool) {
        let Trees { forest, rows, grown } = trees;
        if let Some(grown) = grown {
            grown.close(forest.take_kept());
        }
        let proves = proves && forest.open() <= MOST_PROVED;
        let all = proves.then(|| forest.bounds());
        for (o, &(d, _)) in rows.iter().enumerate() {
            let Some(known) = self.open.get_mut(&d) else { continue };
            if forest.is_closed(o) {
                let bound = forest.closed_bound(o).min(f64::MAX);
                self.open.remove(&d);
                self.closed.insert(d, bound);
                if let Some(grown) = grown {
                    grown.write(o, &mut self.script);
                }
            } else if let Some(all) = &all {
                // What is above zero by less than a certificate needs is not refuted.
                let most = if grown.is_some() { 0.0 } else { f64::INFINITY };
                *known = known.max(all[o].min(most));
            }
        }
    }

    fn try_inputs(&mut self, problem: &Problem, trees: &Trees, candidates: Vec<Candidate>) {
        let Problem { whole, case, attack, .. } = *problem;
        if !attack || self.witness.is_some() {
            return;
        }
        self.witness = candidates.into_iter().take(MOST_TRIED).find_map(|candidate| {
            let input: Vec<f64> = candidate.input.iter().map(|&x| f64::from(x)).collect();
            try_candidates(Target { network: whole, case, open: &[trees.rows[candidate.objective].0] }, &[input].into())
        });
    }

    /// Decides parts whose neurons are all on one side by their affine pieces.
    fn settle(&mut self, problem: &Problem, relaxed: &Relaxed, trees: &mut Trees) -> Result<(), DomainError> {
        for leaf in trees.forest.take_leaves() {
            if self.witness.is_some() {
                trees.forest.abandon(leaf);
                continue;
            }
            let (d, _) = trees.rows[leaf.objective];
            let known = on_sides(relaxed, &problem.bounds, &leaf);
            let open = [(d, f64::NEG_INFINITY)];
            let found: Examined<Phase> =
                problem.cells(&problem.case.region, problem.free(), known, &open, Examined::default())?;
            self.parts += PARTS_PER_COSTLY * found.parts_inside;
            self.witness = found.witness;
            match found.closed.first() {
                Some(&(_, bound)) if self.witness.is_none() => {
                    trees.forest.close(leaf.objective, bound);
                    if let Some(grown) = &mut trees.grown {
                        grown.push(leaf.objective, Leaf { sides: leaf.sides, script: found.shown.head });
                    }
                }
                _ => trees.forest.abandon(leaf),
            }
        }
        Ok(())
    }
}

/// How far trees of disjuncts grow.
pub(super) fn limits(goal: f64) -> Limits {
    Limits::new(goal, usize::MAX, AT_ROOT, BELOW)
}

/// The network for trees: a checker knows nothing of neurons bounded jointly.
pub(super) fn compile<'a>(problem: &'a Problem) -> Compiled<'a> {
    match problem.certify {
        true => Compiled::new(problem.network),
        false => Compiled::around(problem.network, &problem.case.region),
    }
}

/// A tree for each of some forms.
struct Trees<'a> {
    forest: Forest<'a>,
    /// For each tree its disjunct, and its form among the problem's.
    rows: Vec<(usize, usize)>,
    /// Their leaves, where a certificate is asked for.
    grown: Option<Grown<'a>>,
}

impl<'a> Trees<'a> {
    fn new(
        problem: &'a Problem,
        relaxed: &'a Relaxed<'a>,
        rows: Vec<(usize, usize)>,
        forms: impl Fn(&[(usize, usize)]) -> Vec<Objective>,
        limits: Limits,
    ) -> Self {
        let mut forest = Forest::new(relaxed, forms(&rows), limits);
        forest.look_ahead = LOOK_AHEAD;
        let writer = Writer { names: &problem.names, relaxed };
        let atoms = rows.iter().map(|&(d, row)| (d, row - problem.rows[d].start)).collect();
        let grown = problem.certify.then(|| Grown::new(writer, atoms));
        if grown.is_some() {
            forest.keep();
        }
        Self { forest, rows, grown }
    }
}

/// The bounds on a part.
fn on_sides(relaxed: &Relaxed, bounds: &Bounds, part: &Member) -> Bounds {
    let mut nodes = bounds.nodes().to_vec();
    for side in &part.sides {
        let (id, neuron) = relaxed.free()[side.index as usize];
        let NodeKind::Activation(activation) = &relaxed.network().node(id).kind else { continue };
        let z = &mut nodes[activation.source];
        let range = if side.above {
            Interval { lo: 0.0, hi: f64::INFINITY }
        } else {
            Interval { lo: f64::NEG_INFINITY, hi: 0.0 }
        };
        z.intersect(&(0..z.len()).map(|j| if j == neuron { range } else { Interval::ALL }).collect());
    }
    Bounds::new(nodes)
}

/// Inputs of one round that are replayed.
const MOST_TRIED: usize = 16;

/// Parts that stand for one of the other engines' costlier parts, where limits and the attack's restarts are counted.
pub(super) const PARTS_PER_COSTLY: usize = 100;
