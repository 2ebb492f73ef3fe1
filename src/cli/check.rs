//! `absint check`.

use super::inputs::QueryArgs;
use super::limit::Answer;
use super::{CliResult, Exit, Global};
use crate::domains::network::Arithmetic;
use crate::exact::signum;
use crate::report;
use absint_check as check;
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
pub fn run(args: &CheckArgs, _global: &Global) -> CliResult<Answer> {
    let certificates = report::read_certificates(&args.folder)?;
    if certificates.is_empty() {
        return Err(format!("{}: there is no certificate here (case-0.opb, case-0.pbp)", args.folder.display()).into());
    }
    let name = |i: usize| format!("{}, case {i}", args.folder.display());
    if args.problem.is_given() {
        let problem = args.problem.load(Arithmetic::Real)?;
        let cases = problem.query.cases.len();
        if cases != certificates.len() {
            let folder = args.folder.display();
            return Err(format!("{folder}: {} cases are certified, the query has {cases}", certificates.len()).into());
        }
        for (i, certificate) in certificates.iter().enumerate() {
            signum::check_formula(&problem.network, &problem.query, i, &certificate.opb)
                .map_err(|e| format!("{}: {e}", name(i)))?;
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
    let granted: usize = certificates.iter().map(|c| check::lemmas(&c.opb)).sum();
    let bound_to = match (args.problem.is_given(), granted) {
        (true, _) => "accepted, for this network and query".to_owned(),
        (false, 0) => "accepted".to_owned(),
        (false, n) => format!("accepted if {n} lemmas about real inputs hold: name the network and the query, too"),
    };
    Ok((format!("{text}{bound_to}"), Exit::Success))
}
