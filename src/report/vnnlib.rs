//! Answers by the convention of VNN-LIB tools.

use crate::analyze::Analysis;
use crate::domains::num::nearest;
use crate::domains::verdict::{Verdict, Witness};
use std::fmt::Write;

/// The answer by the convention of VNN-LIB tools: `unsat` (verified), `sat` (falsified) with the
/// assignment below it, `unknown`, or `timed-out`.
#[must_use]
pub fn vnnlib_answer(analysis: &Analysis) -> String {
    match &analysis.verdict {
        Verdict::Verified(_) => "unsat".into(),
        Verdict::Falsified(witness) => format!("sat\n{}{}", assignment(witness), order(witness)),
        Verdict::Unknown(gap) if gap.out_of_time => TIMED_OUT.into(),
        Verdict::Unknown(_) => UNKNOWN.into(),
    }
}

/// The answer when the time is up.
pub const TIMED_OUT: &str = "timed-out";

/// The answer when nothing is known.
pub const UNKNOWN: &str = "unknown";

/// A counterexample as the competition's checker reads it: one list of pairs `(X_0 value)` … `(Y_0 value)`,
/// inputs before outputs, in the order of their numbers. Values are the nearest float64 numbers, written
/// without an exponent.
fn assignment(witness: &Witness) -> String {
    let inputs = witness.input().iter().enumerate().map(|(i, x)| ('X', i, nearest(x)));
    let outputs = witness.output().iter().enumerate().map(|(i, y)| ('Y', i, y.middle()));
    let mut text = String::from("(");
    for (n, (letter, i, value)) in inputs.chain(outputs).enumerate() {
        let separator = if n == 0 { "" } else { "\n " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}({letter}_{i} {value})");
    }
    text + ")"
}

/// A comment that names the order of summation, for a counterexample in float32.
fn order(witness: &Witness) -> String {
    witness.order().map_or(String::new(), |order| format!("\n; in float32, every sum in the order {order}"))
}
