//! `absint certify`.

use super::data_set::{self, check_labels};
use super::inputs::{ImageArgs, radius};
use super::options::{EngineArgs, fields};
use super::range::ImageRange;
use super::{CliResult, Exit, Format, Global, answer};
use crate::analyze::{Options, analyze_within, beaten_by};
use crate::campaign::{self, Campaign, ImageOutcome, Shard, Tally, Worker};
use crate::domains::budget::Budget;
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::num::Rational;
use crate::domains::observer::Silent;
use crate::domains::query::Query;
use crate::format::images::{Image, ImageSet};
use crate::format::onnx::Softmax;
use clap::Args;
use serde_json::{Value, json};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint certify net.onnx --data test.csv --eps 2/255 --out results.jsonl
  absint certify net.onnx --data test.csv --eps 2/255 --out results.jsonl --resume
  absint certify net.onnx --data t10k-images.idx3-ubyte --eps 0.015 --range 0..1000 --timeout 60
  absint certify net.onnx --data test.csv --eps 0.1 --shard 2/8 --out part2.jsonl

--timeout is per image. A results file begins with a header that binds network, data, options and
version; then comes one line per image, as soon as it is done:
  {\"image\", \"label\", \"verdict\", \"by\"?, \"margin\"?, \"open\"?, \"out_of_time\"?, \"predicted\"?,
   \"adversarial\"?, \"witness\"?, \"error\"?, \"time_s\"}
The lines of shards are put together by `absint merge`.")]
pub struct CertifyArgs {
    /// The network, an ONNX file
    network: PathBuf,
    /// Images: CSV `label,px…` with values 0–255, or MNIST idx
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Radius of the neighbourhoods, a decimal or a fraction such as 2/255 (pixels are in [0, 1])
    #[arg(long, value_name = "EPS", allow_negative_numbers = true)]
    eps: String,
    /// Only images A to B−1; either end may be left out
    #[arg(long, value_name = "A..B", default_value = "..")]
    range: ImageRange,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Images that are analysed side by side [default: one per thread]; the threads are shared out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Only every n-th image, starting with the i-th: part i of n (from 1) of a run on several machines
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Write one JSON line per image to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Continue the file of an interrupted run
    #[arg(long, requires = "out")]
    resume: bool,
    /// Write the counterexamples, too
    #[arg(long, requires = "out")]
    witnesses: bool,
}

/// What every image needs.
struct Task {
    network: Network,
    softmax: Option<Softmax>,
    images: ImageSet,
    eps: Rational,
    options: Options,
    timeout: Option<Duration>,
}

pub fn run(args: &CertifyArgs, global: &Global) -> CliResult<Exit> {
    let options = args.engine.options(global.seed);
    let (model, network_hash) = args.images.read_hashed(&args.network, options.arithmetic)?;
    let (network, channels, softmax) = (model.network, model.channels, model.final_softmax);
    let images = args.images.read_images(&args.data, &network, channels)?;
    let range = args.range.within(&images, &args.data)?;
    check_labels(&args.data, &range, &images, &network)?;
    let task = Arc::new(Task { network, softmax, images, eps: radius(&args.eps)?, options, timeout: global.timeout });
    let header = args.out.as_ref().map(|_| header(args, &network_hash, &range, &task, global)).transpose()?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let images = range.skip(shard.index - 1).step_by(shard.of);
    let campaign = Campaign::begin(images, args.out.as_deref().zip(header.as_ref()), args.resume)?;
    let start = Instant::now();
    let one = |image: usize, worker: &mut Worker| one_image(args, &task, image, worker);
    let tally = data_set::run::<Tally>(&campaign, args.jobs, global, one, |_| ())?;
    tracing::info!("{} images in {:.3} s", campaign.open.len(), start.elapsed().as_secs_f64());
    let text = match global.format {
        Format::Text => campaign::tally_text(&tally),
        Format::Json => campaign::tally_json(&tally, 0).to_string(),
    };
    answer(&text)?;
    data_set::exit(&tally)
}

/// What the results depend on, apart from the machine.
fn header(
    args: &CertifyArgs,
    network_hash: &str,
    range: &Range<usize>,
    task: &Task,
    global: &Global,
) -> CliResult<Value> {
    let files = (args.network.as_path(), network_hash, args.data.as_path());
    let mut header = data_set::header("certify", files, &args.images, &task.images, global)?;
    header.insert("eps".into(), task.eps.to_string().into());
    header.insert("witnesses".into(), args.witnesses.into());
    header.insert("range".into(), json!([range.start, range.end]));
    header.insert("shard".into(), json!(args.shard.map(|s| [s.index, s.of])));
    header.extend(fields(&task.options));
    Ok(Value::Object(header))
}

/// The line of one image.
fn one_image(args: &CertifyArgs, task: &Arc<Task>, index: usize, worker: &mut Worker) -> CliResult<Value> {
    let start = Instant::now();
    let image = args.images.pick(&task.images, index).ok_or("an image vanished")?;
    let label = image.label;
    let query = args.images.ball(&task.network, &image.pixels, &task.eps, label);
    let query = query.map_err(|e| format!("image {index}: {e}"))?;
    let shared = Arc::clone(task);
    let work = move |budget: &Budget| shared.outcome(&image, &query, budget);
    let (abandoned, failed) = (ImageOutcome::Abandoned, ImageOutcome::Failed);
    let outcome = campaign::one_image(index, worker, task.timeout, work, abandoned, failed)?;
    tracing::info!("image {index} took {:.3} s", start.elapsed().as_secs_f64());
    Ok(campaign::image_line(index, label, &outcome, start.elapsed(), args.witnesses.then_some(task.softmax)))
}

impl Task {
    fn outcome(&self, image: &Image, query: &Query, budget: &Budget) -> CliResult<ImageOutcome> {
        if let Some(predicted) = beaten_by(&self.network, &image.pixels, image.label) {
            return Ok(ImageOutcome::Misclassified { predicted });
        }
        let run = Run { budget, observer: &Silent };
        Ok(ImageOutcome::Analysed(Box::new(analyze_within(&self.network, query, &self.options, run)?)))
    }
}
