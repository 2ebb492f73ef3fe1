//! `absint radius`.

use super::attack::PgdArgs;
use super::data_set::{self, check_labels};
use super::inputs::{Ball, ImageArgs};
use super::options::{EngineArgs, fields};
use super::range::ImageRange;
use super::{CliResult, Exit, Format, Global, answer};
use crate::analyze::beaten_by;
use crate::campaign::{self, Campaign, RadiusOptions, RadiusOutcome, RadiusTally, Tolerance, Worker, radius};
use crate::domains::budget::Budget;
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::num::{Rational, parse_decimal};
use crate::domains::query::{Query, RegionError};
use crate::format::images::{Image, ImageSet};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
   \"attacks\"?, \"out_of_time\"?, \"predicted\"?, \"error\"?, \"time_s\"}")]
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
    #[arg(long, value_name = "TOL", value_parser = tolerance)]
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

fn tolerance(text: &str) -> Result<Tolerance, String> {
    let (number, is_share) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
    let number = parse_decimal(number.trim()).map_err(|e| e.to_string())?;
    // Finer than this, bisection would go on beyond any use.
    if number < Rational::from_parts(1.into(), 10u64.pow(15).into()) {
        return Err("the tolerance must be at least 1e-15".into());
    }
    Ok(if is_share { Tolerance::Relative(number / Rational::from(100)) } else { Tolerance::Absolute(number) })
}

/// What every image needs.
struct Task {
    network: Network,
    images: ImageSet,
    ball: Ball,
    pixel_range: (Rational, Rational),
    options: RadiusOptions,
    timeout: Option<Duration>,
}

pub fn run(args: &RadiusArgs, global: &Global) -> CliResult<Exit> {
    if args.hi <= args.lo {
        return Err(format!("--hi {} must be larger than --lo {}", args.hi, args.lo).into());
    }
    let ball = args.images.norm.ball();
    let ball = ball.ok_or("--norm hamming has no radii in between; the norms are linf, l1 and l2")?;
    let analysis = args.engine.options(global.seed);
    let (model, network_hash) = args.images.read_hashed(&args.network, analysis.arithmetic)?;
    let (network, channels) = (model.network, model.channels);
    let images = args.images.read_images(&args.data, &network, channels)?;
    let range = args.range.within(&images, &args.data)?;
    check_labels(&args.data, &range, &images, &network)?;
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
    let task = Arc::new(Task {
        network,
        images,
        ball,
        pixel_range: args.images.pixel_range(),
        options,
        timeout: global.timeout,
    });
    let header = args.out.as_ref().map(|_| header(args, &network_hash, &task, global)).transpose()?;
    let campaign = Campaign::begin(range, args.out.as_deref().zip(header.as_ref()), args.resume)?;
    let lines = Mutex::new(campaign.done.clone());
    let keep = |line| lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let one = |image: usize, worker: &mut Worker| one_image(args, &task, image, worker);
    let tally = data_set::run::<RadiusTally>(&campaign, args.jobs, global, one, keep)?;
    let mut lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    lines.sort_by_key(|line| line["image"].as_u64());
    answer(&match global.format {
        Format::Text => campaign::radius_text(&lines, &tally),
        Format::Json => campaign::radius_tally_json(&tally).to_string(),
    })?;
    data_set::exit(&tally)
}

/// What the results depend on, apart from the machine.
fn header(args: &RadiusArgs, network_hash: &str, task: &Task, global: &Global) -> CliResult<Value> {
    let files = (args.network.as_path(), network_hash, args.data.as_path());
    let mut header = data_set::header("radius", files, &args.images, &task.images, global)?;
    header.insert("lo".into(), args.lo.to_string().into());
    header.insert("hi".into(), args.hi.to_string().into());
    let tolerance = args.tol.as_ref().map(|tolerance| match tolerance {
        Tolerance::Absolute(t) => t.to_string(),
        Tolerance::Relative(share) => format!("{}%", share * Rational::from(100)),
    });
    header.insert("tol".into(), json!(tolerance));
    header.extend(fields(&task.options.analysis));
    header.insert("pgd".into(), task.options.attack.as_ref().map_or(Value::Null, |_| args.pgd.fields()));
    Ok(Value::Object(header))
}

/// The line of one image.
fn one_image(args: &RadiusArgs, task: &Arc<Task>, index: usize, worker: &mut Worker) -> CliResult<Value> {
    let start = Instant::now();
    let image = args.images.pick(&task.images, index).ok_or("an image vanished")?;
    let label = image.label;
    let shared = Arc::clone(task);
    let work = move |budget: &Budget| shared.outcome(&image, budget);
    let (abandoned, failed) = (RadiusOutcome::Abandoned, RadiusOutcome::Failed);
    let outcome = campaign::one_image(index, worker, task.timeout, work, abandoned, failed)?;
    tracing::info!("image {index} took {:.3} s", start.elapsed().as_secs_f64());
    Ok(campaign::radius_line(index, label, &outcome, start.elapsed()))
}

impl Task {
    fn outcome(&self, image: &Image, budget: &Budget) -> CliResult<RadiusOutcome> {
        if let Some(predicted) = beaten_by(&self.network, &image.pixels, image.label) {
            return Ok(RadiusOutcome::Misclassified { predicted });
        }
        let ball = |eps: &Rational| -> Result<Query, RegionError> {
            let (low, high) = &self.pixel_range;
            let region = (self.ball)(&image.pixels, eps, Some((low, high)))?;
            Ok(Query::robustness(region, self.network.output_len(), image.label))
        };
        let found = radius(&self.network, &ball, &self.options, Run::silent(budget))?;
        Ok(RadiusOutcome::Searched(Box::new(found)))
    }
}
