//! `absint verify`.

use super::declared;
use super::model::{read_model, refuse_softmax};
use super::options::EngineArgs;
use super::{CliResult, Exit, Global, answer};
use crate::analyze::{Options, analyze_within, deadline, portable};
use crate::domains::budget::Budget;
use crate::domains::domain::Run;
use crate::domains::network::{Arithmetic, Network};
use crate::domains::num::{exact, parse_decimal};
use crate::domains::observer::Silent;
use crate::domains::query::Query;
use crate::domains::verdict::Verdict;
use crate::format::onnx::{is_held, tensor_bytes};
use crate::format::vnnlib::{self, DeclaredTensor, Element, TensorKind, VnnlibQuery};
use crate::report;
use crate::{analyze::Analysis, campaign::Worker, campaign::WorkerError};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much longer than the time limit the work may take before its thread is abandoned.
const GRACE: Duration = Duration::from_millis(400);

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint verify property.vnnlib --network net.onnx --timeout 60
  absint verify equivalence.vnnlib --network f=a.onnx --network g=b.onnx

The first line of the answer is `unsat` (the unsafe set cannot be reached), `sat` (it can; the next
lines are an assignment of inputs and outputs that shows it), `unknown` or `timed-out`. It comes at most
a second after the time limit. Exit status: 0 when it ran, 2 for bad usage or unreadable input (the
first line is `unknown` then). Files may be compressed with gzip.")]
pub struct VerifyArgs {
    /// The VNN-LIB query, of version 1.0 or 2.0: its assertions describe the unsafe set
    #[arg(value_name = "QUERY")]
    query: PathBuf,
    /// The network, an ONNX file; for version 2.0 once for each network that the query declares, but for those that
    /// are equal to another, with its name: NAME=FILE
    #[arg(long, value_name = "[NAME=]FILE", required = true)]
    network: Vec<PathBuf>,
    /// For version 2.0, write the assignment below `sat` into this folder instead: for each tensor a file NAME.pb
    #[arg(long, value_name = "FOLDER", visible_alias = "assignments")]
    serialise_assignments: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
}

pub fn run(args: &VerifyArgs, global: &Global) -> CliResult<Exit> {
    let budget = deadline(global.timeout);
    let limit = global.timeout.map(|t| t.saturating_add(GRACE));
    let question = Question {
        query: args.query.clone(),
        networks: args.network.clone(),
        folder: args.serialise_assignments.clone(),
        arithmetic: args.engine.arithmetic(),
        options: args.engine.options(global.seed),
    };
    let outcome = Worker::new(global.threads()).run(limit, move || question.answer(&budget));
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

/// What was asked.
struct Question {
    query: PathBuf,
    networks: Vec<PathBuf>,
    folder: Option<PathBuf>,
    /// The arithmetic, where it was named.
    arithmetic: Option<Arithmetic>,
    options: Options,
}

impl Question {
    /// Reads the files and answers; what it reads counts towards the time.
    fn answer(self, budget: &Budget) -> CliResult<String> {
        let query = vnnlib::read(&self.query)?;
        if query.networks.is_empty() { self.answer_1(query, budget) } else { self.answer_2(&query, budget) }
    }

    /// The answer to a query of version 1.0.
    fn answer_1(&self, query: VnnlibQuery, budget: &Budget) -> CliResult<String> {
        if self.folder.is_some() {
            return Err("--serialise-assignments is for queries of VNN-LIB 2.0; leave it out".into());
        }
        let [path] = &self.networks[..] else {
            return Err("a query of VNN-LIB 1.0 is about one network; name one file by --network".into());
        };
        let model = read_model(path, self.options.arithmetic)?;
        let query = query.of_network(&model.network).map_err(|e| format!("{}: {e}", self.query.display()))?;
        refuse_softmax(&model, &query, path)?;
        let analysis = self.analysis(&model.network, &query, self.options.arithmetic, budget)?;
        Ok(report::vnnlib_answer(&analysis, model.final_softmax))
    }

    /// The answer to a query of version 2.0.
    fn answer_2(&self, asked: &VnnlibQuery, budget: &Budget) -> CliResult<String> {
        let joint = declared::load(asked, &self.networks, self.arithmetic)?;
        let analysis = self.analysis(&joint.network, &asked.query, joint.arithmetic, budget)?;
        let word = report::vnnlib_word(&analysis.verdict);
        let Verdict::Falsified(witness) = &analysis.verdict else { return Ok(word.into()) };
        let assigned = report::assigned(witness, &asked.networks, &asked.input_of, &joint.endings);
        if joint.is_typed && assigned.iter().any(|one| not_held(one).is_some()) {
            return Ok("unknown".into());
        }
        match &self.folder {
            None => Ok(format!("{word}\n{}", report::assignment_lines(&assigned))),
            Some(folder) => {
                serialise(&assigned, folder)?;
                Ok(word.into())
            }
        }
    }

    /// The analysis, with a counterexample at a point that other programs can be given.
    fn analysis(
        &self,
        network: &Network,
        query: &Query,
        arithmetic: Arithmetic,
        budget: &Budget,
    ) -> CliResult<Analysis> {
        let run = Run { budget, observer: &Silent };
        let options = Options { arithmetic, ..self.options.clone() };
        let mut analysis = analyze_within(network, query, &options, run)?;
        if let Some(ulps) = analysis.assumed_ulps {
            tracing::warn!("in float32 {}", report::assumption(ulps));
        }
        if let Verdict::Falsified(witness) = analysis.verdict {
            analysis.verdict = Verdict::Falsified(portable(network, query, witness));
        }
        Ok(analysis)
    }
}

/// The first value that the type of its tensor should hold and does not: an input that is rounded is another one, and
/// integers are meant; other outputs are near those of the model.
fn not_held<'a>(one: &'a report::Assigned) -> Option<&'a str> {
    let DeclaredTensor { element, kind, .. } = one.tensor;
    let is_strict = element.is_whole() || *kind == TensorKind::Input && *element != Element::REAL;
    let is_exact = |x: f64, decimal: &str| {
        is_held(element.onnx, x) && parse_decimal(decimal).is_ok_and(|value| exact(x) == Some(value))
    };
    let mut both = one.floats.iter().zip(&one.decimals).filter(|_| is_strict);
    both.find(|(x, decimal)| !is_exact(**x, decimal)).map(|(_, decimal)| &decimal[..])
}

/// Writes each tensor into a file of its own.
fn serialise(assigned: &[report::Assigned], folder: &Path) -> CliResult<()> {
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for one in assigned {
        let report::Assigned { tensor, floats, .. } = one;
        let DeclaredTensor { name, element, .. } = tensor;
        if let Some(x) = not_held(one) {
            return Err(format!(
                "`{name}` is of type {}, which does not hold the value {x} of the counterexample; leave out \
                 --serialise-assignments, or --arithmetic real",
                element.name
            )
            .into());
        }
        let bytes = tensor_bytes(name, element.onnx, &tensor.shape, floats).ok_or_else(|| {
            format!("`{name}` is of type {}, which is not written; leave --serialise-assignments out", element.name)
        })?;
        report::write_whole(&folder.join(format!("{}.pb", tensor.name)), &bytes)?;
    }
    Ok(())
}
