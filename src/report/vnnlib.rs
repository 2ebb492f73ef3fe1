//! Answers by the convention of VNN-LIB tools.

use super::text::model_outputs;
use crate::analyze::Analysis;
use crate::domains::verdict::{Verdict, Witness};
use crate::format::onnx::{Endings, Softmax};
use std::fmt::Write;

/// The answer by the convention of VNN-LIB tools: `unsat` (verified), `sat` (falsified) with the
/// assignment below it, `unknown`, or `timed-out`.
#[must_use]
pub fn vnnlib_answer(analysis: &Analysis, softmax: Option<Softmax>) -> String {
    match &analysis.verdict {
        Verdict::Verified(_) => "unsat".into(),
        Verdict::Falsified(witness) => format!("sat\n{}{}", assignment(witness, &softmax.into()), order(witness)),
        Verdict::Unknown(gap) if gap.out_of_time => TIMED_OUT.into(),
        Verdict::Unknown(_) => UNKNOWN.into(),
    }
}

/// The answer when the time is up.
pub const TIMED_OUT: &str = "timed-out";

/// The answer when nothing is known.
pub const UNKNOWN: &str = "unknown";

/// A counterexample as the competition's checker reads it: one list of pairs `(X_0 value)` … `(Y_0 value)`,
/// inputs before outputs, in the order of their numbers. Inputs are decimals that lie in the region, outputs float64
/// numbers near those of the model, a Softmax at its end included; both without an exponent.
fn assignment(witness: &Witness, endings: &Endings) -> String {
    let inputs = witness.decimals().iter().enumerate().map(|(i, x)| ('X', i, x.clone()));
    let outputs = model_outputs(witness, endings).into_iter().enumerate().map(|(i, y)| ('Y', i, y.to_string()));
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
