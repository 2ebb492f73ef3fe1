//! `absint supports`: what a tool that calls `absint verify` may ask for, in the words of the VNN-LIB standard.

use super::options::ArithmeticName;
use super::{CliResult, Exit, answer};
use crate::domains::network::{Arithmetic, Network};
use crate::format::onnx::{self, OPSETS};
use crate::report;
use clap::Args;

#[derive(Args)]
#[command(after_help = "\
Example:
  absint supports --vnnlib-versions")]
pub struct SupportsArgs {
    #[command(flatten)]
    capability: Capability,
    /// Answer for `verify` with this --arithmetic, instead of for `verify` without it
    #[arg(long, value_enum)]
    arithmetic: Option<ArithmeticName>,
}

/// The capabilities, of which one is asked.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Capability {
    /// The oldest and the newest version of the standard operator set
    #[arg(long)]
    onnx_opset_versions: bool,
    /// The types of entries that a query may declare
    #[arg(long)]
    onnx_element_types: bool,
    /// The operators, each with its types where these are not all of them
    #[arg(long)]
    onnx_operators: bool,
    /// The oldest and the newest version of VNN-LIB
    #[arg(long)]
    vnnlib_versions: bool,
    /// Hidden tensors: NH without, H with
    #[arg(long)]
    hidden_node_theories: bool,
    /// Inputs and outputs of a network: SIO one of each, MIO several
    #[arg(long, alias = "multiple-inputs-output-theories")]
    multiple_input_output_theories: bool,
    /// Networks: SNET one, MENET several equal ones, MINET isomorphic ones, MNET any
    #[arg(long)]
    multiple_network_theories: bool,
    /// Tensors of one network in a comparison: SNC one, MNC several
    #[arg(long)]
    multiple_node_comparison_theories: bool,
    /// Terms: BND bounds of variables, OUTC comparisons of outputs, LIN linear ones, POLY polynomials
    #[arg(long)]
    arithmetic_complexity_theories: bool,
    /// Whether disjunctions are more than multiplied out
    #[arg(long)]
    optimised_disjunctive_reasoning: bool,
    /// Whether `verify --serialise-assignments` is understood
    #[arg(long)]
    serialise_assignments: bool,
}

pub fn run(args: &SupportsArgs) -> CliResult<Exit> {
    answer(&args.answer())?;
    if args.capability.onnx_operators && args.types().contains(&"float32") {
        tracing::warn!("in float32 {}", report::assumption(Network::ULPS));
    }
    Ok(Exit::Success)
}

impl SupportsArgs {
    fn answer(&self) -> String {
        let asked = &self.capability;
        let lists: [(bool, &[&str]); 8] = [
            (asked.vnnlib_versions, &["1.0", "2.0"]),
            (asked.hidden_node_theories, &["NH", "H"]),
            (asked.multiple_input_output_theories, &["SIO", "MIO"]),
            (asked.multiple_network_theories, &["SNET", "MENET", "MINET", "MNET"]),
            (asked.multiple_node_comparison_theories, &["SNC", "MNC"]),
            (asked.arithmetic_complexity_theories, &["BND", "OUTC", "LIN", "POLY"]),
            // Assertions are brought to disjunctive normal form.
            (asked.optimised_disjunctive_reasoning, &["false"]),
            (asked.serialise_assignments, &["true"]),
        ];
        if let Some((_, lines)) = lists.iter().find(|(is_asked, _)| *is_asked) {
            lines.join("\n")
        } else if asked.onnx_opset_versions {
            format!("{}\n{}", OPSETS.start(), OPSETS.end())
        } else if asked.onnx_operators {
            self.operators().join("\n")
        } else {
            self.types().join("\n")
        }
    }

    /// In real arithmetic nothing is claimed of float32.
    fn types(&self) -> &'static [&'static str] {
        match self.arithmetic.map(ArithmeticName::arithmetic) {
            None => &["float32", "real"],
            Some(Arithmetic::Float32) => &["float32"],
            Some(Arithmetic::Real) => &["real"],
        }
    }

    fn operators(&self) -> Vec<String> {
        let lines = onnx::operators().filter_map(|(name, is_sound_in_float32)| match self.types() {
            ["float32"] => is_sound_in_float32.then(|| name.to_owned()),
            ["float32", ..] if !is_sound_in_float32 => Some(format!("{name} real")),
            _ => Some(name.to_owned()),
        });
        lines.collect()
    }
}
