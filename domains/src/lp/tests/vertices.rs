//! The exact optimum of programs in two variables, by enumerating the vertices of the feasible polygon.

use super::support::{exact_bound, garbage, is_feasible, rational};
use crate::budget::Budget;
use crate::lp::{LinearProgram, backends, certified_infeasible, certified_minimum};
use crate::num::{Rational, exact, nearest};
use proptest::prelude::*;

fn program() -> impl Strategy<Value = LinearProgram> {
    let bound = || (-4..5i32, 0..5i32).prop_map(|(l, w)| (f64::from(l), f64::from(l + w)));
    let side = || prop_oneof![4 => (-6..7i32).prop_map(f64::from), 1 => Just(f64::INFINITY)];
    let row = (-3..4i32, -3..4i32, side(), side());
    (bound(), bound(), prop::collection::vec(row, 0..5), -3..4i32, -3..4i32).prop_map(|(x, y, rows, c, d)| {
        let mut program = LinearProgram::new();
        program.add_variable(x.0, x.1);
        program.add_variable(y.0, y.1);
        program.set_objective(&[f64::from(c), f64::from(d)]);
        for (a, b, lower, upper) in rows {
            // Possibly crossing or absent sides.
            program.add_row(&[(1, f64::from(b)), (0, f64::from(a))], -lower, upper);
        }
        program
    })
}

/// The optimum over the feasible polygon; `None` when it is empty.
fn optimum(program: &LinearProgram) -> Option<Rational> {
    let mut lines = Vec::new();
    let mut add = |a: f64, b: f64, sides: [f64; 2]| {
        lines.extend(sides.iter().filter_map(|&s| exact(s)).map(|s| (rational(a), rational(b), s)));
    };
    add(1.0, 0.0, [program.lower()[0], program.upper()[0]]);
    add(0.0, 1.0, [program.lower()[1], program.upper()[1]]);
    for r in 0..program.rows() {
        let row = program.row(r);
        let coefficient = |j| row.columns.iter().position(|&column| column == j).map_or(0.0, |at| row.values[at]);
        add(coefficient(0), coefficient(1), [row.lower, row.upper]);
    }
    let mut best: Option<Rational> = None;
    for (i, (a, b, s)) in lines.iter().enumerate() {
        for (c, d, t) in &lines[..i] {
            let determinant = a * d - b * c;
            if determinant == Rational::ZERO {
                continue;
            }
            let x = [(s * d - b * t) / &determinant, (a * t - s * c) / &determinant];
            if is_feasible(program, &x) {
                let value = &x[0] * rational(program.objective()[0]) + &x[1] * rational(program.objective()[1]);
                best = Some(best.map_or(value.clone(), |best| best.min(value)));
            }
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_multipliers_beat_the_exact_optimum(program in program(), multipliers in garbage(4)) {
        if let Some(optimum) = optimum(&program) {
            prop_assert!(exact(certified_minimum(&program, &multipliers)).is_none_or(|bound| bound <= optimum));
            prop_assert!(!certified_infeasible(&program, &multipliers));
        }
    }

    #[test]
    fn backends_reach_the_exact_optimum_or_prove_that_there_is_none(program in program()) {
        let optimum = optimum(&program);
        for backend in backends() {
            let solution = backend.solve(&program, &Budget::unlimited()).unwrap();
            match &optimum {
                Some(optimum) => {
                    let bound = certified_minimum(&program, &solution.multipliers);
                    prop_assert!((bound - nearest(optimum)).abs() < 1e-5, "{} {bound} {optimum}", backend.name());
                }
                None => prop_assert!(
                    certified_infeasible(&program, &solution.multipliers), "{} {solution:?}", backend.name()
                ),
            }
        }
    }

    #[test]
    fn rows_with_gaps_are_summed_like_any_other(
        present in prop::collection::vec(prop::collection::vec(any::<bool>(), 40), 1..4),
        multipliers in prop::collection::vec(-2.0..2.0f64, 4),
        values in prop::collection::vec(-2.0..2.0f64, 40)
    ) {
        let mut program = LinearProgram::new();
        (0..40).for_each(|_| { program.add_variable(-1.0, 2.0); });
        program.set_objective(&values);
        for row in present {
            // Long runs with a few gaps: a variable is absent where two draws agree to drop it.
            let entries: Vec<_> =
                (0..40).filter(|&j| row[j] || row[(7 * j + 3) % 40]).map(|j| (j, values[39 - j])).collect();
            program.add_row(&entries, -1.0, 1.0);
        }
        let lost = exact_bound(&program, &multipliers).unwrap() - rational(certified_minimum(&program, &multipliers));
        prop_assert!(lost >= Rational::ZERO && lost <= rational(1e-11));
    }
}
