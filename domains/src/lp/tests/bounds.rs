//! Certified bounds hold whatever the multipliers are.

use super::support::{exact_bound, feasible_program, garbage, is_feasible, rational};
use crate::lp::{LinearProgram, certified_infeasible, certified_minimum};
use crate::num::exact;
use proptest::prelude::*;

const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// The least value over a grid of feasible points and the known one.
fn assert_below_feasible_points(program: &LinearProgram, point: &[f64], bound: f64) {
    let bound = exact(bound);
    let value = |x: &[f64]| {
        program.objective().iter().zip(x).fold(rational(0.0), |sum, (&c, &x)| sum + rational(c) * rational(x))
    };
    let mut candidates = vec![point.to_vec()];
    for j in 0..program.variables() {
        for end in [program.lower()[j], program.upper()[j]] {
            let mut moved = point.to_vec();
            moved[j] = end;
            candidates.push(moved);
        }
    }
    for x in candidates {
        let exactly: Vec<_> = x.iter().map(|&x| rational(x)).collect();
        if is_feasible(program, &exactly) {
            assert!(bound.as_ref().is_none_or(|bound| bound <= &value(&x)), "{bound:?} {x:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_multipliers_give_a_bound_below_the_exact_one(
        (program, point, multipliers) in feasible_program().prop_flat_map(|(program, point)| {
            let rows = program.rows();
            (Just(program), Just(point), garbage(rows + 1))
        })
    ) {
        let bound = certified_minimum(&program, &multipliers);
        prop_assert!(!bound.is_nan() && bound != f64::INFINITY);
        if let Some(bound) = exact(bound) {
            prop_assert!(bound <= exact_bound(&program, &multipliers).unwrap());
        }
        assert_below_feasible_points(&program, &point, bound);
        prop_assert!(!certified_infeasible(&program, &multipliers));
    }

    #[test]
    fn moderate_multipliers_lose_almost_nothing(
        (program, multipliers) in feasible_program().prop_flat_map(|(program, _)| {
            let rows = program.rows();
            (Just(program), prop::collection::vec(-3.0..3.0f64, rows))
        })
    ) {
        let bound = certified_minimum(&program, &multipliers);
        let lost = exact_bound(&program, &multipliers).unwrap() - rational(bound);
        prop_assert!(lost >= rational(0.0) && lost <= rational(1e-11));
    }

    #[test]
    fn coefficients_of_any_size_never_lift_the_bound_above_the_exact_one(
        variables in prop::collection::vec((any::<f64>(), any::<f64>(), any::<f64>()), 1..5),
        rows in prop::collection::vec((prop::collection::vec(any::<f64>(), 4), any::<f64>(), any::<f64>()), 0..5)
    ) {
        let finite = |x: f64| if x.is_finite() { x } else { 1.0 };
        let mut program = LinearProgram::new();
        for &(a, b, _) in &variables {
            program.add_variable(finite(a).min(finite(b)), finite(a).max(finite(b)));
        }
        program.set_objective(&variables.iter().map(|v| finite(v.2)).collect::<Vec<_>>());
        for (row, side, _) in &rows {
            let entries: Vec<_> = row.iter().copied().take(variables.len()).enumerate().collect();
            program.add_row(&entries, *side, *side);
        }
        let multipliers: Vec<f64> = rows.iter().map(|row| row.2).collect();
        if let Some(bound) = exact(certified_minimum(&program, &multipliers)) {
            prop_assert!(bound <= exact_bound(&program, &multipliers).unwrap());
        }
    }

    #[test]
    fn a_merged_row_is_implied_by_the_given_one(
        entries in prop::collection::vec((0..3usize, any::<f64>()), 0..8),
        x in prop::collection::vec(-1.0..1.0f64, 3)
    ) {
        let mut program = LinearProgram::new();
        (0..3).for_each(|_| { program.add_variable(-1.0, 1.0); });
        let entries: Vec<_> = entries.into_iter().map(|(j, a)| (j, (a % 1e300) * 1e-10)).collect();
        let value = entries.iter().fold(rational(0.0), |s, &(j, a)| s + rational(a) * rational(x[j]));
        let around = crate::num::enclose(&value);
        program.add_row(&entries, around.lo, around.hi);
        prop_assert!(is_feasible(&program, &x.iter().map(|&x| rational(x)).collect::<Vec<_>>()));
        prop_assert!(program.row(0).columns.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

#[test]
fn the_empty_program_has_minimum_zero() {
    assert_eq!(certified_minimum(&LinearProgram::new(), &[]), 0.0);
    assert!(!certified_infeasible(&LinearProgram::new(), &[1.0]));
}

#[test]
fn without_rows_the_bound_is_exact() {
    let mut program = LinearProgram::new();
    program.add_variable(-1.0, 2.0);
    program.add_variable(0.1, 0.1);
    program.add_row(&[], -1.0, 1.0);
    program.set_objective(&[3.0, -1.0]);
    assert_eq!(certified_minimum(&program, &[]), -3.1);
    assert!((-3.1 - 1e-15..=-3.1).contains(&certified_minimum(&program, &[f64::NAN, 7.0])));
}

#[test]
fn an_absent_side_takes_no_multiplier() {
    let mut program = LinearProgram::new();
    program.add_variable(0.0, 1.0);
    program.set_objective(&[1.0]);
    program.add_row(&[(0, 1.0)], 0.5, f64::INFINITY);
    assert_eq!(certified_minimum(&program, &[-1.0]), 0.0);
    let tight = certified_minimum(&program, &[1.0]);
    assert!(tight <= 0.5 && tight > 0.5 - 1e-14);
}

#[test]
fn what_is_no_number_proves_nothing() {
    let mut program = LinearProgram::new();
    program.add_variable(-1.0, 0.0);
    program.set_objective(&[f64::NAN]);
    assert_eq!(certified_minimum(&program, &[]), f64::NEG_INFINITY);
    program.set_objective(&[1.0]);
    program.add_row(&[(0, f64::NAN)], 5.0, f64::NAN);
    program.add_row(&[(0, f64::INFINITY)], 5.0, 6.0);
    assert_eq!(certified_minimum(&program, &[1.0, 1.0]), -1.0);
    assert!(!certified_infeasible(&program, &[1.0, 1.0]));
    let free = program.add_variable(FREE.0, FREE.1);
    program.add_row(&[(free, 1.0), (0, 1.0)], 1.0, 1.0);
    assert_eq!(certified_minimum(&program, &[0.0, 0.0, 1.0]), f64::NEG_INFINITY);
}

#[test]
fn an_infeasible_row_is_recognised_by_its_ray() {
    let mut program = LinearProgram::new();
    program.add_variable(0.0, 1.0);
    program.add_variable(0.0, 1.0);
    program.add_row(&[(0, 1.0), (1, 1.0)], 2.1, 3.0);
    assert!(certified_infeasible(&program, &[1.0]));
    assert!(!certified_infeasible(&program, &[-1.0]));
    program.tighten(0, 2.0, f64::NAN);
    assert!(certified_infeasible(&program, &[]));
}

#[test]
fn huge_coefficients_overflow_to_nothing_proved() {
    let mut program = LinearProgram::new();
    program.add_variable(-1e300, 1e300);
    program.set_objective(&[1e300]);
    program.add_row(&[(0, 1e300)], 1e300, f64::INFINITY);
    assert_eq!(certified_minimum(&program, &[1e300]), f64::NEG_INFINITY);
    assert!(certified_minimum(&program, &[1.0]) <= 1e300);
}
