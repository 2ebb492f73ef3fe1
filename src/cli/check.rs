//! `absint check`.

use super::inputs::QueryArgs;
use super::limit::Answer;
use super::outputs::OutputArgs;
use super::{CliResult, Exit, Global};
use super::{check_images, check_patterns};
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
  absint check certificates/ net.onnx --data test.csv --eps 2/255     also that they are about these images
  absint check tree.aptp net.onnx                         an activation pattern tree: each leaf is proven anew
  absint check certificate/ net.onnx --query ball.json --aptp tree.aptp    writes its splits as such a tree")]
pub struct CheckArgs {
    /// The folder that --proof wrote, or a file of an activation pattern tree, `.aptp`
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    problem: QueryArgs,
    /// Write the accepted certificate's splits of neurons as an activation pattern tree; with several disjuncts as
    /// FILE-0.aptp, FILE-1.aptp, …
    #[arg(long, value_name = "FILE", requires = "network")]
    aptp: Option<PathBuf>,
    #[command(flatten)]
    outputs: OutputArgs,
}

/// Checks a certificate, or those of a data set; that they are about the network and the query of the command line where
/// these are given.
pub fn run(args: &CheckArgs, global: &Global) -> CliResult<Answer> {
    if check_patterns::is_tree(&args.folder) {
        return match &args.aptp {
            None => check_patterns::run(&args.folder, &args.problem, global),
            Some(_) => Err("--aptp writes the tree of a certificate; name the folder that --proof wrote".into()),
        };
    }
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
    let mut text = lines.collect::<String>() + &bound_to;
    if let (Some(to), Some(about)) = (&args.aptp, about) {
        text.push_str(&check_patterns::write(&args.folder, to, about, |paths| {
            let named: Vec<_> = paths.iter().map(|path| ("--aptp", path.clone())).collect();
            args.outputs.check(&named, &args.problem.files())
        })?);
    }
    Ok((text, Exit::Success))
}
