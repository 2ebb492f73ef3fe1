//! Mixed-integer programs (feature `highs`): Tjeng et al. (2019) for ReLU and its like, Proposition 1 of Geyer
//! et al. (2024) with binary outputs for signum networks.
//!
//! For comparison with the exact engines, and never a proof: the solver works in floats, and its bound is what
//! it claims. What comes out of here that holds is a margin *attained* at a point, which was replayed.

use crate::attack::{Attained, Target, attained};
use crate::domains::domain::{Bounds, DomainError, IntegerModel, LpDomain, Run, propagate};
use crate::domains::lp::{Highs, IntegerProgram, IntegerSolution, LpBackend, Status, backends};
use crate::domains::observer::Event;
use crate::domains::query::LinearForms;
use std::ops::Range;

/// How the programs are made.
#[derive(Clone, Copy)]
pub struct MilpOptions {
    /// Whether signum neurons are cut together with their inputs at the optima of the relaxation (`hull`).
    pub hull: bool,
    /// Whether rows bound how many neurons of a signum layer change at once, layer by layer.
    pub counts: bool,
    /// One program for the smallest margin of all disjuncts instead of one program each. Conjunctions of
    /// several atoms always have their own.
    pub single: bool,
    /// A point whose margin is at most this ends a program early; −∞ for the minimum.
    pub target: f64,
    /// The solver of linear programs, for cuts and counts.
    pub lp: &'static dyn LpBackend,
}

impl Default for MilpOptions {
    fn default() -> Self {
        Self { hull: false, counts: false, single: false, target: f64::NEG_INFINITY, lp: backends()[0] }
    }
}

/// What the programs of one case gave.
#[derive(Clone, Debug)]
pub struct MilpAnswer {
    /// The solver's lower bound of the smallest margin of the disjuncts asked for, **not certified**: −∞ when a
    /// program has none, +∞ when it sees no feasible point at all.
    pub bound: f64,
    /// The same for each disjunct asked for, in that order; one number for all of a single program.
    pub bounds: Vec<f64>,
    /// The smallest margin at an optimum of a program, evaluated at a point of the region and rounded up, with
    /// the counterexample where it is one.
    pub attained: Option<Attained>,
    /// Whether every program was solved to its end.
    pub is_complete: bool,
}

/// Solves the integer programs of a target's open disjuncts, over bounds that hold for its region.
///
/// # Errors
/// [`DomainError`] when the region does not fit the network, or the time is up before it is bounded at all.
/// Running out of time later is none: what has no bound then has −∞.
pub fn optimise(
    target: Target<'_>,
    known: &Bounds,
    options: &MilpOptions,
    run: Run<'_>,
) -> Result<MilpAnswer, DomainError> {
    let Target { network, case, open } = target;
    let domain = LpDomain { hull: options.hull, counts: options.counts, ..LpDomain::kpoly(1, options.lp) };
    let trace = propagate(&domain, network, &case.region, known, Run::silent(run.budget))?;
    let mut rows: Vec<Range<usize>> = Vec::new();
    for &d in open {
        let start = rows.last().map_or(0, |r| r.end);
        rows.push(start..start + case.property.disjuncts[d].atoms.len());
    }
    let atoms = open.iter().flat_map(|&d| &case.property.disjuncts[d].atoms);
    let forms = LinearForms::of_atoms(network, atoms);
    let model = IntegerModel::new(&domain, &forms, &trace);
    let mut answer = MilpAnswer { bound: f64::INFINITY, bounds: Vec::new(), attained: None, is_complete: true };
    let mut solve = |program: Option<IntegerProgram>| {
        let nothing = IntegerSolution { point: Vec::new(), bound: f64::NEG_INFINITY, status: Status::Stopped };
        let solution = program.and_then(|p| Highs.minimise_integral(&p, options.target, run.budget).ok());
        let solution = solution.unwrap_or(nothing);
        answer.bound = answer.bound.min(solution.bound);
        answer.bounds.push(solution.bound);
        answer.is_complete &= solution.status != Status::Stopped;
        if let Some(input) = model.as_ref().and_then(|model| model.input_at(&solution.point)) {
            run.observer.event(Event::Candidate { input });
            let found = attained(network, case, input);
            answer.attained = answer.attained.take().into_iter().chain(found).reduce(Attained::better);
        }
    };
    let is_single = options.single && rows.len() > 1 && rows.iter().all(|r| r.len() == 1);
    if is_single {
        let all: Vec<usize> = (0..forms.len()).collect();
        solve(model.as_ref().and_then(|model| model.smallest(&all)));
    } else {
        rows.into_iter().for_each(|r| solve(model.as_ref().and_then(|model| model.largest(r))));
    }
    Ok(answer)
}
