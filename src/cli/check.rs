//! `absint check`.

use super::check_images;
use super::inputs::QueryArgs;
use super::limit::Answer;
use super::{CliResult, Exit, Global};
use crate::domains::network::Arithmetic;
use crate::report;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint check certificate/
  absint check certificate/ net.onnx --query ball.json     also that it is about this network and query
  absint check certificates/                               those of all images that `certify --proof` wrote
  absint check certificates/ net.onnx --data test.csv --eps 2/255     also that they are about these images")]
pub struct CheckArgs {
    /// The folder that --proof wrote
    folder: PathBuf,
    #[command(flatten)]
    problem: QueryArgs,
}

/// Checks a certificate, or those of a data set; that they are about the network and the query of the command line where
/// these are given.
pub fn run(args: &CheckArgs, global: &Global) -> CliResult<Answer> {
    let (members, folder) = (report::members(&args.folder), args.folder.display());
    if !members.is_empty() {
        return check_images::run(&args.folder, &args.problem, &members, global);
    }
    if report::is_of_images(&args.folder) {
        return Err(format!("{folder}: no image was verified: there is no certificate here").into());
    }
    let problem = args.problem.is_given().then(|| args.problem.load(Arithmetic::Real)).transpose()?;
    let about = problem.as_ref().map(|problem| (&problem.network, &problem.query));
    let accepted = report::check_folder(&args.folder, about).map_err(|e| format!("{folder}: {e}"))?;
    let is_formula = report::open_network(&args.folder)?.is_none();
    let bound_to = match (about.is_some(), accepted.lemmas) {
        (true, _) => "accepted, for this network and query".to_owned(),
        (false, 0) if is_formula => "accepted".to_owned(),
        (false, 0) => "accepted, for the network and the query in the folder".to_owned(),
        (false, n) => format!("accepted if {n} lemmas about real inputs hold: name the network and the query, too"),
    };
    let lines = accepted.counts.iter().map(|counts| format!("{folder}: {counts}: no input is unsafe\n"));
    Ok((lines.collect::<String>() + &bound_to, Exit::Success))
}
