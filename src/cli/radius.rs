//! `absint radius`.

use super::attack::PgdArgs;
use super::data_set::{self, check_labels};
use super::inputs::ImageArgs;
use super::options::EngineArgs;
use super::range::ImageRange;
use super::{CliResult, Exit, Format, Global, answer};
use crate::analyze::Options;
use crate::campaign::{self, Campaign, RadiusOptions, RadiusSearch, RadiusTally, Tolerance, Worker};
use crate::domains::num::{Rational, parse_decimal};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint radius net.onnx --data test.csv --range 0..10 --domain deeppoly
  absint radius net.onnx --data test.csv --norm l2 --hi 5 --tol 0.001 --out radii.jsonl
  absint radius net.onnx --data test.csv --domain kpoly --out radii.jsonl --resume

For each image two radii: the largest that the domain certifies, by bisection, and the smallest at which
the attack finds a counterexample, replayed exactly. The true one lies between.

--timeout is per image. A results file begins with a header that binds network, data, options and
version; then comes one line per image, as soon as it is done:
  {\"image\", \"label\", \"outcome\", \"certified\"?, \"base\"?, \"attack\"?, \"adversarial\"?, \"analyses\"?,
   \"attacks\"?, \"out_of_time\"?, \"because\"?, \"may_help\"?, \"predicted\"?, \"error\"?, \"time_s\"}")]
pub struct RadiusArgs {
    /// The network, an ONNX file
    network: PathBuf,
    /// Images: CSV `label,px…` with values 0–255, or MNIST idx
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Only images A to B−1; either end may be left out
    #[arg(long, value_name = "A..B", default_value = "..")]
    range: ImageRange,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// The smallest radius of interest
    #[arg(long, value_name = "EPS", default_value = "0", allow_negative_numbers = true, value_parser = eps)]
    lo: Rational,
    /// The largest radius of interest
    #[arg(long, value_name = "EPS", default_value = "1", allow_negative_numbers = true, value_parser = eps)]
    hi: Rational,
    /// When a radius is fine enough: an absolute difference such as 1e-4, or a percentage of what the
    /// cheap domain certifies, such as 5% [default: 1e-5; 5% for domains with linear programs]
    #[arg(long, value_name = "TOL")]
    tol: Option<Tolerance>,
    #[command(flatten)]
    pgd: PgdArgs,
    /// Images that are worked on side by side [default: one per thread]; the threads are shared out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Write one JSON line per image to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Continue the file of an interrupted run
    #[arg(long, requires = "out")]
    resume: bool,
}

fn eps(text: &str) -> Result<Rational, String> {
    let eps = parse_decimal(text).map_err(|e| e.to_string())?;
    if eps < Rational::ZERO { Err("a radius must not be negative".into()) } else { Ok(eps) }
}

pub fn run(args: &RadiusArgs, global: &Global) -> CliResult<Exit> {
    if args.hi <= args.lo {
        return Err(format!("--hi {} must be larger than --lo {}", args.hi, args.lo).into());
    }
    let ball = args.images.norm.ball();
    let ball = ball.ok_or("--norm hamming has no radii in between; the norms are linf, l1 and l2")?;
    let analysis = Options { ties: args.images.ties.into(), ..args.engine.options(global.seed) };
    let files = (&*args.network, &[][..], &*args.data);
    let (model, network_hash, images) = data_set::read(&args.images, files, analysis.arithmetic, global)?;
    let network = model.network;
    let assumed = data_set::assumption(&network, &analysis)?;
    let range = args.range.within(&images, &args.data)?;
    check_labels(&args.data, &range, &images, network.output_len())?;
    let options = RadiusOptions {
        lo: args.lo.clone(),
        hi: args.hi.clone(),
        tolerance: args.tol.clone(),
        attack: analysis.attack.then(|| args.pgd.attack(global.seed)),
        attack_tolerance: match &args.tol {
            Some(Tolerance::Absolute(tolerance)) => tolerance.clone(),
            _ => RadiusOptions::fine(),
        },
        analysis,
        ..RadiusOptions::default()
    };
    let hashes = (network_hash, images.fingerprint().to_string());
    let header = args.out.as_ref().map(|_| header(args, hashes, (&options, assumed), global));
    let (picked, around) = (args.images.clone(), args.images.pixel_range());
    let task = Arc::new(RadiusSearch {
        network,
        images: Box::new(move |index| picked.pick(&images, index)),
        ball: Box::new(move |center, eps| ball(center, eps, Some((&around.0, &around.1)))),
        options,
        timeout: global.timeout,
    });
    let campaign = Campaign::begin(range, args.out.as_deref().zip(header.as_ref()), args.resume)?;
    let lines = Mutex::new(campaign.done.clone());
    let keep = |line| lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let one = |image: usize, worker: &mut Worker| task.line(image, worker, &campaign.stop);
    let tally = data_set::run::<RadiusTally>(&campaign, args.jobs, global, one, keep)?;
    let mut lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    lines.sort_by_key(|line| line["image"].as_u64());
    answer(&match global.format {
        Format::Text => campaign::radius_text(&lines, &tally),
        Format::Json => data_set::resting_on(campaign::radius_tally_json(&tally), assumed),
    })?;
    data_set::exit(&tally)
}

/// What the results depend on, apart from the machine.
fn header(
    args: &RadiusArgs,
    hashes: (String, String),
    (options, assumed): (&RadiusOptions, Option<u32>),
    global: &Global,
) -> Value {
    let subject = args.images.subject((&args.network, &args.data), hashes, global);
    let mut header = campaign::header("radius", &subject, &options.analysis);
    header.extend(data_set::assumed(assumed));
    let ends = (&options.lo, &options.hi);
    header.extend(campaign::radius_fields(ends, options.tolerance.as_ref(), options.attack.as_ref()));
    Value::Object(header)
}
