//! Elastic programs: what tells an empty program from a hard one.

use super::LinearProgram;

/// The elastic program min `Σ e⁺ + e⁻`, `lo ≤ A x + e⁺ − e⁻ ≤ hi`, over the box of `program`: always
/// feasible, and its optimal multipliers are a ray of `program` when that has no feasible point.
///
/// They are at most 1 in magnitude, and their Lagrangian with objective 0 over `program` is the elastic
/// optimum, which is positive exactly when no `x` is feasible.
pub(super) fn elastic(program: &LinearProgram) -> LinearProgram {
    let mut relaxed = LinearProgram::new();
    let bounds = || program.lower().iter().zip(program.upper());
    for (&l, &u) in bounds() {
        relaxed.add_variable(l, u);
    }
    let magnitude: Vec<f64> = bounds().map(|(l, u)| l.abs().max(u.abs())).collect();
    let mut objective = vec![0.0; program.variables()];
    for r in 0..program.rows() {
        let row = program.row(r);
        let side = [row.lower, row.upper].into_iter().filter(|side| side.is_finite()).fold(0.0, |m, s| s.abs().max(m));
        let reach: f64 = row.columns.iter().zip(row.values).map(|(&j, a)| a.abs() * magnitude[j]).sum();
        let mut entries: Vec<(usize, f64)> = row.columns.iter().copied().zip(row.values.iter().copied()).collect();
        for (sign, present) in [(1.0, row.lower.is_finite()), (-1.0, row.upper.is_finite())] {
            if present {
                entries.push((relaxed.add_variable(0.0, 2.0 * (reach + side) + 1.0), sign));
                objective.push(1.0);
            }
        }
        relaxed.add_row(&entries, row.lower, row.upper);
    }
    relaxed.set_objective(&objective);
    relaxed
}
