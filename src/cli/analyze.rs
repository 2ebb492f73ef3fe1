use super::inputs::QueryArgs;
use super::progress::Progress;
use super::{CliResult, Color, Exit, Format, Global, answer};
use crate::domains::activation::Slopes;
use crate::domains::domain::{Concretise, Run};
use crate::domains::lp::{LpBackend, backend, backends};
use crate::domains::verdict::Verdict;
use crate::engine::{DomainName, Options, analyze_within, deadline};
use crate::report;
use clap::{Args, ValueEnum};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Where back-substitution turns forms into numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ConcretiseName {
    /// At every layer, keeping the best bound
    Every,
    /// At the input only (CROWN)
    Input,
}

/// The line that back-substitution keeps below an unstable neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SlopesName {
    /// Least area (DeepPoly, CROWN)
    Area,
    /// Parallel to the line above (Fast-Lin, Wong and Kolter)
    Parallel,
    /// Slope 0
    Zero,
    /// Slope 1
    One,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint analyze --domain kpoly --k 3
  absint analyze net.onnx --vnnlib property.vnnlib --timeout 60
  absint analyze net.onnx --data mnist_test.csv --image 0 --eps 0.026 --domain deeppoly --format json
  absint analyze net.onnx --query ball.json --domain zonotope

Domains:
  interval      interval arithmetic: microseconds, loose
  zonotope      affine forms with one noise symbol per unstable neuron
  deeppoly      two lines per neuron and back-substitution: milliseconds
  rational      deeppoly in exact rationals, for small networks
  lp-greedy     back-substitution with parallel lines: the greedy solution of the linear program's dual
  lp-last       the greedy bounds for neurons, a linear program (triangles) for the property
  lp-all        linear programs for every unstable neuron, layer by layer, and for the property
  kpoly         deeppoly, then a linear program with joint constraints of k neurons: seconds
  lp-all+kpoly  kpoly on the bounds of lp-all
  auto          the cascade of these, stopping as soon as the query is decided")]
pub struct AnalyzeArgs {
    #[command(flatten)]
    problem: QueryArgs,
    /// Which domain: see the list below
    #[arg(long, default_value = "auto")]
    domain: DomainName,
    /// Neurons that kpoly joins (1 is the triangle relaxation alone)
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=12))]
    k: u8,
    /// Let kpoly re-compute the bounds of unstable neurons by linear programs, layer by layer (slow)
    #[arg(long)]
    refine: bool,
    /// Where back-substitution turns forms into numbers
    #[arg(long, value_enum, default_value = "every")]
    concretise: ConcretiseName,
    /// Which line back-substitution keeps below an unstable neuron
    #[arg(long, value_enum, default_value = "area")]
    slopes: SlopesName,
    /// Solver of linear programs
    #[arg(long, default_value = "interior", value_parser = lp_backend)]
    lp: Lp,
    /// Bound every margin as well as the domain can, even where the verdict no longer depends on it
    #[arg(long)]
    all_margins: bool,
    /// Do not look for a counterexample
    #[arg(long)]
    no_attack: bool,
    /// Write the certified bounds of every neuron to this file, as JSON
    #[arg(long, value_name = "FILE")]
    bounds: Option<PathBuf>,
}

#[derive(Clone, Copy)]
struct Lp(&'static dyn LpBackend);

fn lp_backend(name: &str) -> Result<Lp, String> {
    let names: Vec<&str> = backends().iter().map(|b| b.name()).collect();
    backend(name).map(Lp).ok_or_else(|| format!("this build has the solvers {}", names.join(", ")))
}

pub fn run(args: &AnalyzeArgs, global: &Global) -> CliResult<Exit> {
    let budget = deadline(global.timeout);
    let problem = args.problem.load()?;
    let options = Options {
        domain: args.domain,
        k: usize::from(args.k),
        refine: args.refine,
        concretise: match args.concretise {
            ConcretiseName::Every => Concretise::Every,
            ConcretiseName::Input => Concretise::Input,
        },
        slopes: match args.slopes {
            SlopesName::Area => Slopes::Area,
            SlopesName::Parallel => Slopes::Parallel,
            SlopesName::Zero => Slopes::Zero,
            SlopesName::One => Slopes::One,
        },
        lp: args.lp.0,
        all_margins: args.all_margins,
        attack: !args.no_attack,
        seed: global.seed,
    };
    let analysis = {
        let progress = Progress::new(global.quiet);
        analyze_within(&problem.network, &problem.query, &options, Run { budget: &budget, observer: &progress })?
    };
    let context = report::Context {
        network: &problem.network_name,
        query: &problem.query_name,
        domain: args.domain.to_string(),
        is_example: problem.is_example,
    };
    if let Some(path) = &args.bounds {
        report::write_bounds(path, &problem.network, &analysis)?;
    }
    let colour = match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => std::io::stdout().is_terminal(),
    };
    let text = match global.format {
        Format::Text => report::analysis_text(&analysis, &problem.query, &context, colour),
        Format::Json => report::analysis_json(&analysis, &context).to_string(),
    };
    answer(&text)?;
    Ok(match analysis.verdict {
        Verdict::Verified(_) => Exit::Success,
        Verdict::Falsified(_) => Exit::Falsified,
        Verdict::Unknown(_) => Exit::Unknown,
    })
}
