//! Programs for the tests.

use crate::lp::LinearProgram;
use crate::num::{Rational, exact};
use proptest::prelude::*;

pub(super) fn rational(x: f64) -> Rational {
    exact(x).unwrap()
}

/// The Lagrangian bound in exact arithmetic; `None` when it is −∞.
pub(super) fn exact_bound(program: &LinearProgram, multipliers: &[f64]) -> Option<Rational> {
    let mut reduced: Vec<Rational> = program.objective().iter().map(|&c| rational(c)).collect();
    let mut bound = Rational::ZERO;
    for (r, &multiplier) in multipliers.iter().enumerate().take(program.rows()) {
        let row = program.row(r);
        let side = if multiplier > 0.0 { row.lower } else { row.upper };
        if multiplier == 0.0 || !multiplier.is_finite() || !side.is_finite() {
            continue;
        }
        bound += rational(multiplier) * rational(side);
        for (&j, &a) in row.columns.iter().zip(row.values) {
            reduced[j] -= rational(multiplier) * rational(a);
        }
    }
    for (j, d) in reduced.iter().enumerate() {
        let at = if d > &Rational::ZERO { program.lower()[j] } else { program.upper()[j] };
        bound += d * rational(at);
    }
    Some(bound)
}

/// Whether `x` satisfies every row and bound exactly.
pub(super) fn is_feasible(program: &LinearProgram, x: &[Rational]) -> bool {
    let inside = |value: &Rational, lower: f64, upper: f64| {
        exact(lower).is_none_or(|l| &l <= value) && exact(upper).is_none_or(|u| value <= &u)
    };
    let in_box = x.iter().enumerate().all(|(j, x)| inside(x, program.lower()[j], program.upper()[j]));
    in_box
        && (0..program.rows()).all(|r| {
            let row = program.row(r);
            inside(&dot(row.columns.iter().map(|&j| &x[j]), row.values), row.lower, row.upper)
        })
}

pub(super) fn dot<'a>(x: impl Iterator<Item = &'a Rational>, a: &[f64]) -> Rational {
    x.zip(a).fold(Rational::ZERO, |sum, (x, &a)| sum + x * rational(a))
}

/// A program together with a point that satisfies it exactly (small integers and halves throughout, so
/// that row values are exact in floats too).
pub(super) fn feasible_program() -> impl Strategy<Value = (LinearProgram, Vec<f64>)> {
    (1..7usize, 0..7usize).prop_flat_map(|(n, m)| {
        let half = |range: std::ops::Range<i32>| range.prop_map(|i| f64::from(i) / 2.0);
        let variables = prop::collection::vec((half(-8..9), half(0..9), half(0..9), half(-9..10)), n);
        let entry = prop_oneof![1 => Just(0.0), 2 => half(-9..10)];
        // Slack below and above the point's row value; a large one stands for an absent side.
        let side = || prop_oneof![2 => half(0..6), 1 => Just(f64::INFINITY), 1 => Just(0.0)];
        let rows = prop::collection::vec((prop::collection::vec(entry, n), side(), side()), m);
        (variables, rows).prop_map(|(variables, rows)| {
            let mut program = LinearProgram::new();
            for &(x, below, above, _) in &variables {
                program.add_variable(x - below, x + above);
            }
            let point: Vec<f64> = variables.iter().map(|v| v.0).collect();
            program.set_objective(&variables.iter().map(|v| v.3).collect::<Vec<_>>());
            for (row, below, above) in rows {
                let value: f64 = row.iter().zip(&point).map(|(a, x)| a * x).sum();
                let entries: Vec<(usize, f64)> = row.into_iter().enumerate().collect();
                program.add_row(&entries, value - below, value + above);
            }
            (program, point)
        })
    })
}

/// Multipliers as a broken solver might return them.
pub(super) fn garbage(length: usize) -> impl Strategy<Value = Vec<f64>> {
    let one = prop_oneof![
        4 => -3.0..3.0f64,
        1 => any::<f64>(),
        1 => (-1.0..1.0f64, -1070..1020i32).prop_map(|(m, e)| m * 2f64.powi(e)),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), Just(-0.0)],
    ];
    prop::collection::vec(one, length)
}

/// A triangle relaxation of a random ReLU network in slack form, `layers × width` unstable neurons over
/// `inputs` inputs, minimising the sum of the last layer: the shape of the programs met in practice.
///
/// Bounds are those of interval propagation, in floats: it is a program, not a claim about a network.
pub(in crate::lp) fn triangle_program(layers: usize, width: usize, inputs: usize) -> LinearProgram {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let mut program = LinearProgram::new();
    let mut previous: Vec<usize> = (0..inputs).map(|_| program.add_variable(-0.1, 0.1)).collect();
    for _ in 0..layers {
        let rows: Vec<(Vec<f64>, f64)> =
            (0..width).map(|_| (previous.iter().map(|_| random()).collect(), 0.1 * random())).collect();
        let magnitude =
            |w: &[f64]| -> f64 { w.iter().zip(&previous).map(|(w, &j)| w.abs() * program.upper()[j].abs()).sum() };
        let reach: Vec<f64> = rows.iter().map(|(w, b)| magnitude(w) + b.abs()).collect();
        program.begin_layer();
        let active: Vec<usize> = reach.iter().map(|&u| program.add_variable(0.0, u)).collect();
        for ((w, b), (&y, &u)) in rows.iter().zip(active.iter().zip(&reach)) {
            let slack = program.add_variable(0.0, u);
            let mut entries: Vec<(usize, f64)> = previous.iter().zip(w).map(|(&j, &w)| (j, -w)).collect();
            entries.extend([(y, 1.0), (slack, -1.0)]);
            program.add_row(&entries, *b, *b);
            program.add_row(&[(y, u), (slack, u)], f64::NEG_INFINITY, u * u);
        }
        previous = active;
    }
    let mut objective = vec![0.0; program.variables()];
    previous.iter().for_each(|&j| objective[j] = random());
    program.set_objective(&objective);
    program
}
