use super::inputs::QueryArgs;
use super::{CliResult, Exit, Global, answer};
use crate::domains::network::Arithmetic;
use crate::engine::bnn;
use crate::engine::sat::check;
use crate::report;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint check certificate/
  absint check certificate/ net.onnx --query ball.json     also that it is about this network and query")]
pub struct CheckArgs {
    /// The folder that --proof wrote
    folder: PathBuf,
    #[command(flatten)]
    problem: QueryArgs,
}

/// Checks a certificate: that every formula is refuted by its proof, and, where a network is given, that
/// the formulas are those of its query.
pub fn run(args: &CheckArgs, _global: &Global) -> CliResult<Exit> {
    let certificates = report::read_certificates(&args.folder)?;
    if certificates.is_empty() {
        return Err(format!("{}: there is no certificate here (case-0.opb, case-0.pbp)", args.folder.display()).into());
    }
    let name = |i: usize| format!("{}, case {i}", args.folder.display());
    if args.problem.is_given() {
        let problem = args.problem.load(Arithmetic::Real)?;
        let formulas = bnn::formulas(&problem.network, &problem.query)?;
        if formulas.len() != certificates.len() {
            return Err(format!(
                "{}: {} cases are certified, the query has {}",
                args.folder.display(),
                certificates.len(),
                formulas.len()
            )
            .into());
        }
        if let Some(i) = (0..formulas.len()).find(|&i| formulas[i] != certificates[i].opb) {
            return Err(format!("{}: the formula is not that of this network and query", name(i)).into());
        }
    }
    let mut text = String::new();
    for (i, certificate) in certificates.iter().enumerate() {
        let proof = std::str::from_utf8(&certificate.proof).map_err(|e| format!("{}: {e}", name(i)))?;
        let checked = check::check(&certificate.opb, proof).map_err(|e| format!("{}: {e}", name(i)))?;
        text.push_str(&format!(
            "{}: {} constraints, {} steps: no input is unsafe\n",
            name(i),
            checked.constraints,
            checked.propagated + checked.added
        ));
    }
    let bound_to = if args.problem.is_given() { "accepted, for this network and query" } else { "accepted" };
    answer(&format!("{text}{bound_to}"))?;
    Ok(Exit::Success)
}
