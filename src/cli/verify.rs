//! `absint verify`.

use super::inputs::{read_model, read_vnnlib, refuse_softmax};
use super::options::EngineArgs;
use super::{CliResult, Exit, Global, answer};
use crate::analyze::{Options, analyze_within, deadline, portable};
use crate::campaign::{Worker, WorkerError};
use crate::domains::budget::Budget;
use crate::domains::domain::Run;
use crate::domains::observer::Silent;
use crate::domains::verdict::Verdict;
use crate::report;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much longer than the time limit the work may take before its thread is abandoned.
const GRACE: Duration = Duration::from_millis(400);

#[derive(Args)]
#[command(after_help = "\
Example:
  absint verify property.vnnlib --network net.onnx --timeout 60

The first line of the answer is `unsat` (the unsafe set cannot be reached), `sat` (it can; the next
lines are an assignment of inputs and outputs that shows it), `unknown` or `timed-out`. It comes at most
a second after the time limit. Exit status: 0 when it ran, 2 for bad usage or unreadable input (the
first line is `unknown` then). Files may be compressed with gzip.")]
pub struct VerifyArgs {
    /// The VNN-LIB query: its assertions describe the unsafe set
    #[arg(value_name = "QUERY")]
    query: PathBuf,
    /// The network, an ONNX file
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
}

pub fn run(args: &VerifyArgs, global: &Global) -> CliResult<Exit> {
    let budget = deadline(global.timeout);
    let limit = global.timeout.map(|t| t.saturating_add(GRACE));
    let (query, network, options) = (args.query.clone(), args.network.clone(), args.engine.options(global.seed));
    let outcome = Worker::new(global.threads()).run(limit, move || decide(&query, &network, &options, &budget));
    match outcome {
        Ok(Ok(text)) => answer(&text)?,
        Err(WorkerError::OutOfTime) => answer(report::TIMED_OUT)?,
        Ok(Err(error)) => {
            answer(report::UNKNOWN)?;
            return Err(error);
        }
        Err(error) => {
            answer(report::UNKNOWN)?;
            return Err(error.into());
        }
    }
    Ok(Exit::Success)
}

/// Reads the files and answers; what it reads counts towards the time.
fn decide(query: &Path, network: &Path, options: &Options, budget: &Budget) -> CliResult<String> {
    let model = read_model(network, options.arithmetic)?;
    let query = read_vnnlib(query, &model.network)?;
    refuse_softmax(&model, &query, network)?;
    let run = Run { budget, observer: &Silent };
    let mut analysis = analyze_within(&model.network, &query, options, run)?;
    if let Verdict::Falsified(witness) = analysis.verdict {
        analysis.verdict = Verdict::Falsified(portable(&model.network, &query, witness));
    }
    Ok(report::vnnlib_answer(&analysis, model.final_softmax))
}
