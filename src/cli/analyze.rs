//! `absint analyze`.

use super::inputs::QueryArgs;
use super::limit::{Answer, SoFar};
use super::options::EngineArgs;
use super::outputs::OutputArgs;
use super::progress::Progress;
use super::{CliResult, Exit, Format, Global};
use crate::analyze::{Analysis, Options, analyze_in_stages, deadline};
use crate::domains::domain::Run;
use crate::domains::verdict::Verdict;
use crate::report;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint analyze --domain kpoly --k 3
  absint analyze net.onnx --vnnlib property.vnnlib --timeout 60
  absint analyze net.onnx --data mnist_test.csv --image 0 --eps 0.026 --domain deeppoly --format json
  absint analyze net.onnx --query ball.json --domain zonotope
  absint analyze net.onnx --query ball.json --domain deeppoly --proof certificate/
  absint analyze signum.onnx --query ball.json --domain exact --proof certificate/")]
pub struct AnalyzeArgs {
    #[command(flatten)]
    problem: QueryArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Bound every margin as well as the domain can, even where the verdict no longer depends on it
    #[arg(long)]
    all_margins: bool,
    /// Write the certified bounds of every neuron to this file, as JSON
    #[arg(long, value_name = "FILE")]
    bounds: Option<PathBuf>,
    /// Write a certificate of *verified* into this folder, for `absint check`: with any --domain but milp, about boxes (L1 and
    /// L2 balls: interval, zonotope, deeppoly, lp-greedy, exact or auto) and piecewise affine networks; signum networks over two-valued, quantised or few real
    /// inputs with exact or auto
    #[arg(long, value_name = "DIR")]
    proof: Option<PathBuf>,
    #[command(flatten)]
    outputs: OutputArgs,
}

impl AnalyzeArgs {
    fn check_outputs(&self) -> CliResult<()> {
        let bounds = self.bounds.iter().map(|path| ("--bounds", path.clone())).collect::<Vec<_>>();
        self.outputs.check(&bounds, &self.problem.files())?;
        match &self.proof {
            Some(folder) => self.outputs.check_folder("--proof", folder, &report::certificates_in(folder)),
            None => Ok(()),
        }
    }
}

pub fn run(args: &AnalyzeArgs, global: &Global, so_far: &SoFar) -> CliResult<Answer> {
    let budget = deadline(global.timeout);
    let certify = args.proof.is_some();
    let (all_margins, all_bounds) = (args.all_margins, args.bounds.is_some());
    let options = Options { all_margins, all_bounds, certify, ..args.engine.options(global.seed) };
    args.check_outputs()?;
    let problem = args.problem.load(options.arithmetic)?;
    let context = report::Context {
        network: &problem.network_name,
        query: &problem.query_name,
        domain: options.method.to_string(),
        arithmetic: options.arithmetic,
        endings: problem.endings,
        is_example: problem.is_example,
    };
    let text = |analysis: &Analysis| match global.format {
        Format::Text => report::analysis_text(analysis, &problem.query, &context, global.is_coloured()),
        Format::Json => report::analysis_json(analysis, &context).to_string(),
    };
    let analysis = {
        let progress = Progress::new(global.quiet);
        let run = Run { budget: &budget, observer: &progress };
        // Should the next stage not stop in time.
        let after_stage = |known: &dyn Fn() -> Analysis| {
            if global.timeout.is_some() {
                so_far.say(text(&known()));
            }
        };
        analyze_in_stages(&problem.network, &problem.query, &options, run, &after_stage)?
    };
    if let Some(path) = &args.bounds {
        report::write_bounds(path, &problem.network, &analysis)?;
    }
    if let (Some(folder), Verdict::Verified(_)) = (&args.proof, &analysis.verdict) {
        match (&analysis.proof, analysis.uncertified(&problem.network, &problem.query)) {
            (_, Some(why)) if problem.network.is_signum() => return Err(format!("--proof: {why}").into()),
            (_, Some(why)) => tracing::warn!("--proof: no certificate is written: {why}"),
            (Some(proof), None) => report::write_refutation(folder, &problem.network, &problem.query, proof)?,
            (None, None) => report::write_certificates(folder, &analysis.certificates)?,
        }
    }
    let exit = match analysis.verdict {
        Verdict::Verified(_) => Exit::Success,
        Verdict::Falsified(_) => Exit::Falsified,
        Verdict::Unknown(_) => Exit::Unknown,
    };
    Ok((text(&analysis), exit))
}
