//! Neurons bounded where a counterexample would be: a disjunct's margin is assumed not to be positive, which is one more
//! multiplier for every form (Kotha et al. 2023). What that gains tightens what is assumed, until the bounds exclude each
//! other or trees close: no input has such a margin.

use super::neurons::{Neurons, Round, compile, limits};
use super::{Problem, Splitting};
use crate::domains::domain::{Bounds, DomainError, IntervalDomain, NodeBounds};
use crate::domains::dual::{Forest, Objective, Refinement, Relaxed, power_of_two};
use crate::domains::num::Interval;
use crate::domains::num::round::{mul_down, sub_down};
use float_ord::FloatOrd;

/// A pass has this share of the parts per neuron side that the round of refinement before had, and at least so many.
const SHARE: usize = 8;
const LEAST_PARTS: usize = 8;

/// A pass that leaves more than this of the root is followed by one with `MORE` times the parts; one that leaves more than
/// `STUCK` by none.
const PAYS: f32 = 0.9;
const STUCK: f32 = 0.98;
const MORE: usize = 4;

/// What is shown of margins: that they are more than this share of the bound known before.
const NEAR: f64 = 1e-6;

/// A disjunct whose margin is assumed to be at most `near`.
struct Assumed {
    disjunct: usize,
    near: f64,
    /// Parts beyond which nobody goes on.
    most: usize,
    /// With fewer parts per neuron side a pass may gain nothing over the round of refinement before.
    fair: usize,
}

impl Neurons {
    /// Whether that is tried after a round of refinement with so many parts per neuron side: where margins are not too far
    /// from zero, and no checker is to be told, which knows nothing of it.
    pub fn may_assume(&self, problem: &Problem, per_side: usize) -> bool {
        self.splitting != Splitting::Unassumed && !problem.certify && per_side >= LEAST_PARTS
    }

    /// Bounds neurons where an open disjunct holds, one after the other, with up to so many parts in all, after a round of
    /// refinement with so many `per_side`. Stops at the first that it does not come near to: the next round is needed then.
    pub fn assume(&mut self, problem: &Problem, per_side: usize, parts: usize) -> Result<(), DomainError> {
        let mut open: Vec<(usize, f64)> = self.open.iter().map(|(&d, &bound)| (d, bound)).collect();
        open.sort_by(|a, b| a.1.total_cmp(&b.1));
        let most = self.parts.saturating_add(parts);
        for (disjunct, bound) in open {
            if !bound.is_finite() || bound >= 0.0 {
                continue;
            }
            let assumed = Assumed { disjunct, near: -NEAR * bound, most, fair: per_side / 4 };
            let refinement = Refinement { parts: (per_side / SHARE).max(LEAST_PARTS), share: 0.5, assumes: true };
            if self.is_over(problem) || !self.assume_one(problem, &assumed, bound, refinement)? {
                break;
            }
        }
        Ok(())
    }

    /// The same for one disjunct, whose margin is at least `bound`. Returns whether it is refuted.
    fn assume_one(
        &mut self,
        problem: &Problem,
        assumed: &Assumed,
        bound: f64,
        refinement: Refinement,
    ) -> Result<bool, DomainError> {
        let (margin, root) = best_atom(problem, assumed.disjunct);
        let unit = power_of_two(-bound);
        let scaled = |c: f64| Some(c * unit).filter(|scaled| scaled / unit == c);
        let of_node = |(node, entries): &(usize, Vec<(usize, f64)>)| {
            let entries = entries.iter().map(|&(i, c)| Some((i, scaled(c)?))).collect::<Option<_>>()?;
            Some((*node, entries))
        };
        let Some(terms) = margin.terms.iter().map(of_node).collect::<Option<Vec<_>>>() else { return Ok(false) };
        let constant = mul_down(sub_down(margin.constant, assumed.near), unit);
        if !constant.is_finite() {
            return Ok(false);
        }
        let network = problem.network.with_sum(&terms, constant);
        let problem = problem.behind(&network, problem.bounds.clone());
        let trace = match problem.propagate(&IntervalDomain, &problem.case.region, &problem.bounds, problem.run) {
            // What was found before is kept.
            Err(DomainError::OutOfTime) => return Ok(false),
            traced => traced?,
        };
        let Some(trace) = trace else { return Ok(self.refute(assumed)) };
        // The bound may be another atom's, so that nothing is known from below.
        let mut nodes = trace.bounds().nodes().to_vec();
        nodes[network.nodes().len() - 1]
            .intersect(&NodeBounds::from_iter([Interval { lo: f64::NEG_INFINITY, hi: 0.0 }]));
        self.pass(&problem.with(Bounds::new(nodes)), assumed, refinement, root)
    }

    /// One pass through the layers, and those that follow it, on a network whose last node is what is assumed.
    fn pass(
        &mut self,
        problem: &Problem,
        assumed: &Assumed,
        refinement: Refinement,
        root: f32,
    ) -> Result<bool, DomainError> {
        let mut bounds = problem.bounds.clone();
        let refined = refinement.run(&compile(problem), &problem.case.region, &mut bounds, problem.run.budget);
        self.parts += refined.parts;
        self.count("sides_refined", refined.sides);
        let Ok(bounds) = bounds.checked(problem.network) else { return Ok(self.refute(assumed)) };
        let problem = problem.with(bounds);
        let reduced = problem.reduced();
        let problem = problem.on(&reduced);
        let round = Round { refined: refined.parts, next: refined.parts, root: f32::NEG_INFINITY };
        let now = self.grow(&problem, &compile(&problem), &[assumed.disjunct], Some(round))?;
        if self.closed.contains_key(&assumed.disjunct) {
            return Ok(self.refute(assumed));
        }
        // What trees prove of smaller margins alone.
        self.open.entry(assumed.disjunct).and_modify(|bound| *bound = bound.min(assumed.near));
        if self.is_over(&problem) {
            return Ok(false);
        }
        let left = now.map_or(1.0, |now| now / root);
        tracing::debug!(disjunct = assumed.disjunct, parts = refinement.parts, root, ?now, "assumed");
        let more = match left {
            left if left <= PAYS => 1,
            left if left <= STUCK || refinement.parts < assumed.fair => MORE,
            _ => return Ok(false),
        };
        if self.parts + more * refined.parts > assumed.most {
            return Ok(false);
        }
        let parts = more * refinement.parts;
        self.pass(&problem, assumed, Refinement { parts, ..refinement }, now.unwrap_or(root))
    }

    /// Notes that no input has such a margin, or none below what trees proved of those that have.
    fn refute(&mut self, assumed: &Assumed) -> bool {
        self.open.remove(&assumed.disjunct);
        let bound = self.closed.get(&assumed.disjunct).map_or(assumed.near, |bound| bound.min(assumed.near));
        self.closed.insert(assumed.disjunct, bound);
        self.count("refuted_by_assuming", 1);
        true
    }
}

/// The atom of a disjunct that has the best bound by slopes alone, and that bound.
fn best_atom(problem: &Problem, disjunct: usize) -> (Objective, f32) {
    let compiled = compile(problem);
    let relaxed = Relaxed::new(&compiled, &problem.case.region, &problem.bounds);
    let form = |row| Objective::of_form(&problem.forms, row, &problem.bounds);
    let mut forms: Vec<Objective> = problem.rows[disjunct].clone().map(form).collect();
    let mut forest = Forest::new(&relaxed, forms.clone(), limits(problem.goal));
    forest.plant(problem.run.budget);
    let best = (0..forms.len()).max_by_key(|&o| FloatOrd(forest.guess(o))).unwrap_or_default();
    (forms.swap_remove(best), forest.guess(best))
}
