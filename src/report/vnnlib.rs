//! Answers by the convention of VNN-LIB tools.

use super::text::model_outputs;
use crate::analyze::Analysis;
use crate::domains::num::nearest;
use crate::domains::verdict::{Verdict, Witness};
use crate::format::onnx::{Endings, Softmax};
use crate::format::vnnlib::{DeclaredNetwork, DeclaredTensor, Element, TensorKind};
use std::fmt::Write;

/// The answer in a word, by the convention of VNN-LIB tools: `unsat` (verified), `sat` (falsified), `unknown`, or
/// `timed-out`.
#[must_use]
pub fn vnnlib_word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Verified(_) => "unsat",
        Verdict::Falsified(_) => "sat",
        Verdict::Unknown(gap) if gap.out_of_time => TIMED_OUT,
        Verdict::Unknown(_) => UNKNOWN,
    }
}

/// The answer to a query of version 1.0: a word, and below `sat` the assignment.
#[must_use]
pub fn vnnlib_answer(analysis: &Analysis, softmax: Option<Softmax>) -> String {
    let word = vnnlib_word(&analysis.verdict);
    match &analysis.verdict {
        Verdict::Falsified(witness) => format!("{word}\n{}{}", assignment(witness, &softmax.into()), order(witness)),
        _ => word.into(),
    }
}

/// The values that a counterexample gives the entries of one tensor of a query of version 2.0, in row-major order.
pub struct Assigned<'a> {
    /// The tensor.
    pub tensor: &'a DeclaredTensor,
    /// Its values as decimals: the inputs exactly where they have a finite expansion, other tensors as near as floats
    /// are.
    pub decimals: Vec<String>,
    /// The same as floats.
    pub floats: Vec<f64>,
}

/// What a counterexample assigns to the tensors of `networks`, in the order of their declaration. Entry `i` of all
/// inputs is input `input_of[i]` of the network that was analysed.
#[must_use]
pub fn assigned<'a>(
    witness: &Witness,
    networks: &'a [DeclaredNetwork],
    input_of: &[usize],
    endings: &Endings,
) -> Vec<Assigned<'a>> {
    let outputs = model_outputs(witness, endings);
    let of_tensor = |tensor: &'a DeclaredTensor| {
        let entries = tensor.first..tensor.first + tensor.len();
        let (decimals, floats) = if tensor.kind == TensorKind::Input {
            let inputs = || input_of[entries.clone()].iter();
            (
                inputs().map(|&i| witness.decimals()[i].clone()).collect(),
                inputs().map(|&i| nearest(&witness.input()[i])).collect(),
            )
        } else {
            let floats = outputs[entries].to_vec();
            let is_single = tensor.element == Element::named("float32").unwrap_or(Element::REAL);
            let shown = |y: &f64| if is_single { (*y as f32).to_string() } else { y.to_string() };
            (floats.iter().map(shown).collect(), floats)
        };
        Assigned { tensor, decimals, floats }
    };
    networks.iter().flat_map(|network| &network.tensors).map(of_tensor).collect()
}

/// An assignment as the standard writes it: for each tensor a line with its name, type and shape, and then a line for
/// each entry.
#[must_use]
pub fn assignment_lines(assigned: &[Assigned]) -> String {
    let mut text = String::new();
    for Assigned { tensor, decimals, .. } in assigned {
        let shape: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} [{}]", tensor.name, tensor.element.name, shape.join(","));
        for value in decimals {
            let _ = writeln!(text, "{value}");
        }
    }
    text
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
