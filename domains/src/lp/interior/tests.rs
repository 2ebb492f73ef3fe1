//! The interior-point method on programs whose optimum is known.

use super::super::tests::triangle_program;
use super::cholesky::BlockMatrix;
use super::{Interior, Session};
use crate::budget::Budget;
use crate::lp::{Clarabel, LinearProgram, LpBackend, LpSession, Status, Stop, certified_minimum, certified_minimum_of};
use proptest::prelude::*;

fn both(program: &LinearProgram) -> (f64, f64, Status) {
    let solution = Interior::DEFAULT.solve(program, &Budget::unlimited()).unwrap();
    let reference = Clarabel::DEFAULT.solve(program, &Budget::unlimited()).unwrap();
    let bound = |multipliers: &[f64]| certified_minimum(program, multipliers);
    (bound(&solution.multipliers), bound(&reference.multipliers), solution.status)
}

fn assert_agree(program: &LinearProgram) {
    let (bound, reference, status) = both(program);
    assert_eq!(status, Status::Optimal);
    let size = 1.0 + bound.abs().max(reference.abs());
    assert!((bound - reference).abs() <= 1e-6 * size, "{bound} {reference}");
}

fn boxed(variables: usize) -> LinearProgram {
    let mut program = LinearProgram::new();
    (0..variables).for_each(|_| {
        program.add_variable(-1.0, 2.0);
    });
    let objective: Vec<f64> = (0..variables).map(|j| (j as f64 - 1.5) * 0.75).collect();
    program.set_objective(&objective);
    program
}

#[test]
fn programs_without_some_kind_of_row_are_solved() {
    let mut program = boxed(1);
    assert_agree(&program);
    program.add_row(&[(0, 2.0)], f64::NEG_INFINITY, 1.0);
    assert_agree(&program);
    let mut program = boxed(5);
    assert_agree(&program);
    program.add_row(&[(0, 1.0), (1, 1.0), (4, -1.0)], -0.5, 0.5);
    assert_agree(&program);
    let mut program = boxed(5);
    program.add_row(&[(0, 1.0), (1, 1.0), (4, -1.0)], 0.5, 0.5);
    assert_agree(&program);
}

#[test]
fn duplicate_and_dependent_equalities_do_no_harm() {
    let mut program = boxed(6);
    let first = [(0, 1.0), (1, 1.0), (2, -1.0)];
    let second = [(2, 1.0), (3, -2.0), (5, 1.0)];
    program.add_row(&first, 0.25, 0.25);
    program.add_row(&first, 0.25, 0.25);
    program.add_row(&second, 0.5, 0.5);
    program.add_row(&[(0, 3.0), (1, 3.0), (2, -2.0), (3, -2.0), (5, 1.0)], 1.25, 1.25);
    program.add_row(&[], 0.0, 0.0);
    assert_agree(&program);
}

#[test]
fn fixed_variables_are_eliminated() {
    let mut program = boxed(5);
    program.tighten(1, 0.5, 0.5);
    program.tighten(4, -1.0, -1.0);
    program.add_row(&[(0, 1.0), (1, 1.0), (2, -1.0)], 0.25, 0.25);
    program.add_row(&[(1, 1.0), (4, 1.0)], -0.5, -0.5);
    program.add_row(&[(2, 1.0), (3, 1.0), (4, 1.0)], f64::NEG_INFINITY, 0.5);
    assert_agree(&program);
}

#[test]
fn long_inequalities_become_equalities() {
    let mut program = boxed(60);
    let all: Vec<(usize, f64)> = (0..60).map(|j| (j, 1.0 + (j % 3) as f64)).collect();
    program.add_row(&all, f64::NEG_INFINITY, -3.0);
    program.add_row(&all[20..], -40.0, f64::INFINITY);
    program.add_row(&all[..30], -7.0, 11.0);
    // A chain of short rows joins more variables than a component may have.
    (0..59).for_each(|j| {
        program.add_row(&[(j, 1.0), (j + 1, -1.0)], -0.5, 0.75);
    });
    assert_agree(&program);
}

#[test]
fn it_stops_once_the_goal_is_certified() {
    let program = triangle_program(3, 20, 10);
    let optimum = both(&program).1;
    let goal = optimum - 0.2 * optimum.abs();
    let mut session = Interior::DEFAULT.session(&program).unwrap();
    let solution = session.minimise_until(program.objective(), Stop::above(goal), &Budget::unlimited()).unwrap();
    assert_eq!(solution.status, Status::Stopped);
    assert!(certified_minimum(&program, &solution.multipliers) > goal);
    let solution =
        session.minimise_until(program.objective(), Stop::above(optimum + 1.0), &Budget::unlimited()).unwrap();
    assert_eq!(solution.status, Status::Optimal);
}

/// Rows that leave a variable no room: with `x = 0` from an equality, the rows that have 0 as a side push
/// against it with multipliers that nothing bounds. Found by proptest, and shrunk.
#[test]
fn rows_without_interior_do_not_spoil_the_multipliers() {
    type Rows<'a> = &'a [(usize, f64, f64, f64)];
    let solve = |bounds: &[(f64, f64)], objective: &[f64], rows: Rows, optimum: f64| {
        let mut program = LinearProgram::new();
        bounds.iter().for_each(|&(l, u)| {
            program.add_variable(l, u);
        });
        rows.iter().for_each(|&(j, a, low, high)| {
            program.add_row(&[(j, a)], low, high);
        });
        let mut session = Session::new(Interior::DEFAULT, &program);
        let solution = session.minimise(objective, &Budget::unlimited()).unwrap();
        assert!(session.general.is_none(), "the general solver is not needed");
        assert_eq!(solution.status, Status::Optimal);
        let bound = certified_minimum_of(&program, objective, &solution.multipliers);
        assert!((bound - optimum).abs() < 1e-6, "{bound} is not {optimum}");
    };
    let first: Rows = &[(0, 1.5, -0.5, 0.0), (0, -1.5, 0.0, 0.0), (0, 3.0, -1.5, 2.0), (0, -0.5, 0.0, 0.0)];
    solve(&[(-3.5, 1.0)], &[-0.5], first, 0.0);
    let second: Rows = &[(0, -1.5, 0.0, 0.0), (0, 4.5, 0.0, 0.5), (0, 0.5, 0.0, 0.0)];
    solve(&[(-3.0, 0.5)], &[1.0], second, 0.0);
    let third: Rows =
        &[(0, 0.5, -0.5, 0.0), (1, -2.5, 0.0, 0.0), (1, -0.5, 0.0, 0.0), (1, 2.0, 0.0, 0.5), (1, 2.5, -1.0, 0.0)];
    solve(&[(-0.5, 2.0), (-0.5, 1.5)], &[0.5, -1.0], third, -0.25);
}

/// What a session keeps of one objective must not spoil the next ones.
#[test]
fn many_objectives_over_one_program_agree_with_the_general_solver() {
    let program = triangle_program(3, 16, 8);
    let mut session = Interior::DEFAULT.session(&program).unwrap();
    for j in 0..12 {
        for sign in [1.0, -1.0] {
            let mut objective = vec![0.0; program.variables()];
            objective[program.variables() - 1 - j] = sign;
            objective[8 + j] = 0.25 * sign;
            let bound = |multipliers: &[f64]| certified_minimum_of(&program, &objective, multipliers);
            let found = session.minimise(&objective, &Budget::unlimited()).unwrap();
            let mut reference = Clarabel::DEFAULT.session(&program).unwrap();
            let reference = bound(&reference.minimise(&objective, &Budget::unlimited()).unwrap().multipliers);
            let first = bound(&found.multipliers);
            assert!((first - reference).abs() <= 1e-6 * (1.0 + reference.abs()), "{j}: {first} {reference}");
            // Up to a gap: not further below than that.
            let gap = 0.01 * (1.0 + reference.abs());
            let stop = Stop { gap, ..Stop::AT_OPTIMUM };
            let rough = bound(&session.minimise_until(&objective, stop, &Budget::unlimited()).unwrap().multipliers);
            assert!(rough >= reference - 1.01 * gap && rough <= reference + 1e-6 * (1.0 + reference.abs()));
        }
    }
}

/// Deep enough for several panels, with layers told and not told.
#[test]
fn layered_programs_agree_with_the_general_solver() {
    for (layers, width, inputs) in [(1, 3, 2), (3, 20, 10), (4, 30, 12), (2, 130, 40)] {
        assert_agree(&triangle_program(layers, width, inputs));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn cuts_over_groups_of_neurons_are_handled(
        cuts in prop::collection::vec((0..3usize, 0..7usize, prop::collection::vec(-1.0..1.0f64, 6), 0.05..1.0f64), 0..30),
    ) {
        let mut program = triangle_program(3, 8, 4);
        for (layer, first, coefficients, part) in cuts {
            // Over (y, s) of up to three neighbours; through the box, so that 0 stays feasible.
            let neurons = (first..8.min(first + 3)).map(|i| 4 + layer * 16 + i);
            let variables: Vec<usize> = neurons.flat_map(|y| [y, y + 8]).collect();
            let entries: Vec<(usize, f64)> = variables.into_iter().zip(coefficients).collect();
            let most: f64 = entries.iter().map(|&(j, a)| (a * program.lower()[j]).max(a * program.upper()[j])).sum();
            program.add_row(&entries, f64::NEG_INFINITY, 0.5 * most * (1.0 + part));
        }
        let (bound, reference, status) = both(&program);
        if status != Status::Infeasible {
            let size = 1.0 + bound.abs().max(reference.abs());
            prop_assert!((bound - reference).abs() <= 1e-6 * size, "{} {}", bound, reference);
        }
    }

    /// Random blocks of random panels, against the definition.
    #[test]
    fn the_block_factor_solves_what_the_dense_matrix_says(
        sizes in prop::collection::vec(1..23usize, 1..6),
        present in prop::collection::vec(any::<bool>(), 36),
        seed in any::<u32>(),
    ) {
        let count = sizes.len();
        let coupled: Vec<Vec<usize>> =
            (0..count).map(|j| (j + 1..count).filter(|&i| present[i * 6 + j]).collect()).collect();
        let mut matrix = BlockMatrix::new(&sizes, &coupled);
        let n: usize = sizes.iter().sum();
        let mut state = u64::from(seed) + 1;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        let starts: Vec<usize> = (0..=count).map(|p| sizes[..p].iter().sum()).collect();
        let mut dense = vec![vec![0.0; n]; n];
        for j in 0..count {
            for i in std::iter::once(j).chain(coupled[j].iter().copied()) {
                let (block, distance) = matrix.block_mut(i, j);
                for c in 0..sizes[j] {
                    for r in if i == j { c } else { 0 }..sizes[i] {
                        // Dominated by the diagonal, so positive definite.
                        let value = if i == j && r == c { n as f64 } else { random() };
                        block[c * distance + r] = value;
                        dense[starts[i] + r][starts[j] + c] = value;
                        dense[starts[j] + c][starts[i] + r] = value;
                    }
                }
            }
        }
        let x: Vec<f64> = (0..n).map(|_| random()).collect();
        let mut right: Vec<f64> = dense.iter().map(|row| row.iter().zip(&x).map(|(a, x)| a * x).sum()).collect();
        matrix.factor(0.0);
        matrix.solve(&mut right);
        for (found, wanted) in right.iter().zip(&x) {
            prop_assert!((found - wanted).abs() < 1e-9, "{} {}", found, wanted);
        }
    }
}
