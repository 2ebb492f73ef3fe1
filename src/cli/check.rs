//! `absint check`.

use super::inputs::QueryArgs;
use super::limit::Answer;
use super::{CliResult, Exit, Global};
use crate::domains::network::Arithmetic;
use crate::exact::signum;
use crate::report;
use absint_check as check;
use clap::Args;
use rayon::prelude::*;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint check certificate/
  absint check certificate/ net.onnx --query ball.json     also that it is about this network and query
  absint check certificates/                               those of all images that `certify --proof` wrote")]
pub struct CheckArgs {
    /// The folder that --proof wrote
    folder: PathBuf,
    #[command(flatten)]
    problem: QueryArgs,
}

/// Checks a certificate: that the proof refutes the query about the network, which are those of the command line where
/// these are given; of a signum network that every formula is refuted by its proof, and, where a network is given, that
/// the formulas are those of its query.
pub fn run(args: &CheckArgs, _global: &Global) -> CliResult<Answer> {
    let members = report::members(&args.folder);
    if !members.is_empty() {
        return check_members(args, &members);
    }
    if report::is_of_images(&args.folder) {
        return Err(format!("{}: no image was verified: there is no certificate here", args.folder.display()).into());
    }
    if let Some(files) = report::open_refutation(&args.folder)? {
        return check_refutation(args, files);
    }
    let certificates = report::read_certificates(&args.folder)?;
    if certificates.is_empty() {
        return Err(
            format!("{}: there is no certificate here (proof.txt, or case-0.opb)", args.folder.display()).into()
        );
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

/// Checks the certificates of a data set's images, which share a network: all of them, then says which are refused.
fn check_members(args: &CheckArgs, members: &[(usize, PathBuf)]) -> CliResult<Answer> {
    let folder = args.folder.display();
    if args.problem.is_given() {
        return Err(format!("{folder}: holds many images; name the folder of one, such as {folder}/image-0").into());
    }
    let (mut accepted, mut refused) = (0, Vec::new());
    let file = args.folder.join("network.txt");
    let file = File::open(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let network = check::read_network(BufReader::new(file)).map_err(|e| format!("{folder}: {e}"))?;
    let checked: Vec<Result<(), String>> = members
        .par_iter()
        .map(|(image, folder)| {
            let name = folder.display();
            let open = |file: &str| {
                File::open(folder.join(file)).map(BufReader::new).map_err(|e| format!("{name}/{file}: {e}"))
            };
            let query = check::read_query(open("query.txt")?, network.inputs(), network.outputs());
            let query = query.map_err(|e| format!("{name}: {e}"))?;
            let found = check::check_refutation(&network, &query, open("proof.txt")?);
            tracing::info!("image {image} is {}", if found.is_ok() { "accepted" } else { "refused" });
            found.map(|_| ()).map_err(|e| format!("{name}: {e}"))
        })
        .collect();
    for result in checked {
        match result {
            Ok(()) => accepted += 1,
            Err(why) => refused.push(why),
        }
    }
    if let Some(first) = refused.first() {
        return Err(format!("{} of {} certificates are refused; {first}", refused.len(), members.len()).into());
    }
    Ok((
        format!("{folder}: {accepted} certificates accepted, for the network and the queries in the folder"),
        Exit::Success,
    ))
}

/// Checks a certificate over real inputs.
fn check_refutation(args: &CheckArgs, [network, query, proof]: [BufReader<File>; 3]) -> CliResult<Answer> {
    let folder = args.folder.display();
    let network = check::read_network(network).map_err(|e| format!("{folder}: {e}"))?;
    let query = check::read_query(query, network.inputs(), network.outputs()).map_err(|e| format!("{folder}: {e}"))?;
    let bound_to = if args.problem.is_given() {
        let problem = args.problem.load(Arithmetic::Real)?;
        if let Some(file) = report::other_than(&args.folder, &problem.network, &problem.query)? {
            return Err(format!("{folder}: {file} is not that of this network and query").into());
        }
        "accepted, for this network and query"
    } else {
        "accepted, for the network and the query in the folder"
    };
    let checked = check::check_refutation(&network, &query, proof).map_err(|e| format!("{folder}: {e}"))?;
    let counts = format!("{} cases, {} lemmas, {} refutations", checked.cases, checked.lemmas, checked.refutations);
    Ok((format!("{folder}: {counts}: no input is unsafe\n{bound_to}"), Exit::Success))
}
