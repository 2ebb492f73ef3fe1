//! One suite for every backend.

use super::support::{feasible_program, triangle_program};
use crate::budget::Budget;
use crate::lp::{LinearProgram, LpBackend, LpError, Status, backend, backends};
use crate::lp::{certified_infeasible, certified_minimum, certified_minimum_of};
use proptest::prelude::*;
use std::time::Duration;

fn solved(backend: &dyn LpBackend, program: &LinearProgram) -> (f64, Status) {
    let solution = backend.solve(program, &Budget::unlimited()).unwrap();
    assert_eq!(solution.multipliers.len(), program.rows());
    (certified_minimum(program, &solution.multipliers), solution.status)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()))
}

macro_rules! suite {
    ($($(#[$gate:meta])? $module:ident),*) => {$(
        $(#[$gate])?
        mod $module {
            use super::*;

            fn subject() -> &'static dyn LpBackend {
                backend(stringify!($module)).unwrap()
            }

            #[test]
            fn it_solves_the_empty_program() {
                super::the_empty_program(subject());
            }

            #[test]
            fn it_finds_multipliers_of_every_kind_of_row() {
                super::every_kind_of_row(subject());
            }

            #[test]
            fn its_rays_prove_infeasibility() {
                super::infeasible(subject());
            }

            #[test]
            fn it_recognises_equalities_that_contradict_each_other() {
                super::contradicting_equalities(subject());
            }

            #[test]
            fn a_session_minimises_several_objectives() {
                super::several_objectives(subject());
            }

            #[test]
            fn it_refuses_what_it_cannot_solve() {
                super::refusals(subject());
            }

            #[test]
            fn it_is_tight_on_a_small_triangle_relaxation() {
                super::triangle(subject());
            }

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(300))]

                #[test]
                fn its_bound_meets_its_point((program, point) in feasible_program()) {
                    super::random_program(subject(), &program, &point);
                }
            }
        }
    )*};
}

suite!(
    clarabel,
    interior,
    minilp,
    #[cfg(feature = "highs")]
    highs
);

fn the_empty_program(backend: &dyn LpBackend) {
    let mut program = LinearProgram::new();
    assert_eq!(solved(backend, &program).0, 0.0);
    program.add_row(&[], 0.0, 1.0);
    assert_eq!(solved(backend, &program).0, 0.0);
}

/// An equality, a ranged row, both one-sided ones, a vacuous and an empty row, and a fixed variable.
fn every_kind_of_row(backend: &dyn LpBackend) {
    let mut program = LinearProgram::new();
    (0..4).for_each(|_| {
        program.add_variable(-10.0, 10.0);
    });
    let fixed = program.add_variable(2.0, 2.0);
    program.add_row(&[(0, 1.0), (1, 1.0)], 1.0, 1.0);
    program.add_row(&[(0, 1.0), (1, -1.0)], -3.0, 5.0);
    program.add_row(&[(2, 1.0), (fixed, 1.0)], 1.5, f64::INFINITY);
    program.add_row(&[(3, 2.0)], f64::NEG_INFINITY, 3.0);
    program.add_row(&[(3, 2.0)], f64::NEG_INFINITY, f64::INFINITY);
    program.add_row(&[], -1.0, 1.0);
    program.set_objective(&[1.0, 0.0, 1.0, -1.0, 1.0]);
    // x0 = −1 (lower side of the range), x2 = −0.5, x3 = 1.5, x4 = 2.
    assert!(close(solved(backend, &program).0, -1.0), "{:?}", solved(backend, &program));
    program.set_objective(&[-1.0, 0.0, 1.0, -1.0, 1.0]);
    assert!(close(solved(backend, &program).0, -3.0), "{:?}", solved(backend, &program));
    let tiny = program.objective().iter().map(|c| c * 1e-30).collect::<Vec<_>>();
    program.set_objective(&tiny);
    assert!(close(1e30 * solved(backend, &program).0, -3.0), "an objective's size does not matter");
}

fn infeasible(backend: &dyn LpBackend) {
    let mut program = LinearProgram::new();
    (0..3).for_each(|_| {
        program.add_variable(-1.0, 1.0);
    });
    program.set_objective(&[1.0, -2.0, 0.5]);
    program.add_row(&[(0, 1.0), (1, 1.0)], 1.5, f64::INFINITY);
    program.add_row(&[(1, 1.0), (2, -1.0)], f64::NEG_INFINITY, -0.5);
    program.add_row(&[(0, 1.0), (2, 1.0)], 0.0, 0.4);
    program.add_row(&[(0, 1.0), (2, 1.0)], 1.8, 3.0);
    let solution = backend.solve(&program, &Budget::unlimited()).unwrap();
    assert_eq!(solution.status, Status::Infeasible);
    assert!(certified_infeasible(&program, &solution.multipliers), "{solution:?}");
}

/// Found by proptest: with equalities only, an interior-point method has no cone to work in.
fn contradicting_equalities(backend: &dyn LpBackend) {
    let mut program = LinearProgram::new();
    program.add_variable(-4.0, -4.0);
    program.add_variable(0.0, 0.0);
    program.add_row(&[(0, 1.0)], -4.0, -4.0);
    program.set_objective(&[-1.0, 2.0]);
    assert!(close(solved(backend, &program).0, 4.0));
    program.add_row(&[(0, 1.0)], -1.0, -1.0);
    assert_proved_infeasible(backend, &program);
    let mut program = LinearProgram::new();
    program.add_variable(4.0, 4.0);
    program.add_variable(-2.0, 0.0);
    program.add_row(&[(0, 2.0), (1, -2.0)], 2.0, 4.0);
    program.add_row(&[(0, -2.0)], 6.0, 6.0);
    program.set_objective(&[2.0, -1.0]);
    assert_proved_infeasible(backend, &program);
    // Two parallel equalities between free variables.
    let mut program = LinearProgram::new();
    (0..3).for_each(|_| {
        program.add_variable(-5.0, 5.0);
    });
    program.add_row(&[(0, 1.0), (1, 2.0), (2, 1.0)], 1.0, 1.0);
    program.add_row(&[(0, -1.5), (1, -3.0), (2, -1.5)], -1.4, -1.4);
    assert_proved_infeasible(backend, &program);
}

fn assert_proved_infeasible(backend: &dyn LpBackend, program: &LinearProgram) {
    let solution = backend.solve(program, &Budget::unlimited()).unwrap();
    assert!(certified_infeasible(program, &solution.multipliers), "{solution:?}");
}

fn several_objectives(backend: &dyn LpBackend) {
    let mut program = LinearProgram::new();
    (0..2).for_each(|_| {
        program.add_variable(0.0, 4.0);
    });
    program.add_row(&[(0, 1.0), (1, 2.0)], 2.0, 6.0);
    let mut session = backend.session(&program).unwrap();
    for (objective, optimum) in [([1.0, 1.0], 1.0), ([-1.0, -1.0], -5.0), ([0.0, 0.0], 0.0), ([1e3, -1e3], -3e3)] {
        let solution = session.minimise(&objective, &Budget::unlimited()).unwrap();
        let bound = certified_minimum_of(&program, &objective, &solution.multipliers);
        assert!(bound <= optimum && close(bound, optimum), "{objective:?} {bound}");
    }
}

fn refusals(backend: &dyn LpBackend) {
    let mut program = LinearProgram::new();
    program.add_variable(0.0, 1.0);
    let spent = Budget::new(|| Duration::ZERO);
    assert_eq!(backend.solve(&program, &spent), Err(LpError::OutOfTime));
    program.set_objective(&[f64::NAN]);
    assert_eq!(backend.solve(&program, &Budget::unlimited()), Err(LpError::Malformed));
    program.set_objective(&[1.0]);
    program.add_variable(0.0, f64::INFINITY);
    assert_eq!(backend.solve(&program, &Budget::unlimited()), Err(LpError::Malformed));
}

fn triangle(backend: &dyn LpBackend) {
    let program = triangle_program(2, 6, 4);
    let solution = backend.solve(&program, &Budget::unlimited()).unwrap();
    let bound = certified_minimum(&program, &solution.multipliers);
    let value: f64 = program.objective().iter().zip(&solution.primal).map(|(c, x)| c * x).sum();
    assert!(close(bound, value), "{bound} {value}");
}

fn random_program(backend: &dyn LpBackend, program: &LinearProgram, point: &[f64]) {
    let (bound, _) = solved(backend, program);
    let value: f64 = program.objective().iter().zip(point).map(|(c, x)| c * x).sum();
    assert!(bound <= value, "the point is feasible");
    for other in backends().iter().filter(|other| other.name() != backend.name()) {
        let (reference, _) = solved(*other, program);
        assert!(close(bound, reference), "{} {bound}, {} {reference}", backend.name(), other.name());
    }
}

#[test]
fn minilp_takes_small_programs_only() {
    let mut program = LinearProgram::new();
    (0..2001).for_each(|_| {
        program.add_variable(0.0, 1.0);
    });
    let refused = backend("minilp").unwrap().solve(&program, &Budget::unlimited());
    assert!(matches!(refused, Err(LpError::TooLarge { variables: 2001, .. })));
}

#[test]
fn backends_are_found_by_name() {
    assert_eq!(backends()[0].name(), "interior");
    assert!(backends().iter().all(|one| backend(one.name()).is_some()));
    assert!(backend("cplex").is_none());
}

#[test]
fn clarabel_stops_when_the_budget_is_cancelled() {
    let program = triangle_program(3, 20, 10);
    let left = std::sync::atomic::AtomicUsize::new(4);
    let budget = Budget::new(move || {
        use std::sync::atomic::Ordering::Relaxed;
        Duration::from_secs(left.fetch_update(Relaxed, Relaxed, |n| Some(n.saturating_sub(1))).unwrap_or(0) as u64)
    });
    let solution = backend("clarabel").unwrap().solve(&program, &budget).unwrap();
    assert_eq!(solution.status, Status::Stopped);
    assert!(certified_minimum(&program, &solution.multipliers) <= 0.0);
}
