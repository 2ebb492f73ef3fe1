use super::data_set::{self, check_labels, side_by_side};
use super::inputs::{ImageArgs, radius};
use super::options::{EngineArgs, fields};
use super::progress::DataSetProgress;
use super::range::ImageRange;
use super::{CliResult, Exit, Format, Global, answer};
use crate::analyze::{Options, analyze_within, beaten_by};
use crate::campaign::Worker;
use crate::domains::budget::Budget;
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::num::Rational;
use crate::domains::observer::Silent;
use crate::domains::query::Query;
use crate::format::images::{Image, ImageSet};
use crate::report::{self, ImageOutcome, Journal, Outcomes, Tally};
use clap::Args;
use serde_json::{Value, json};
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
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

/// Part `index` (from 1) of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shard {
    index: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err(format!("`{text}` is no shard; write `1/4`, `2/4`, `3/4` and `4/4` for four parts")),
        }
    }
}

/// What every image needs.
struct Task {
    network: Network,
    images: ImageSet,
    eps: Rational,
    options: Options,
    timeout: Option<Duration>,
}

pub fn run(args: &CertifyArgs, global: &Global) -> CliResult<Exit> {
    let options = args.engine.options(global.seed);
    let (model, network_hash) = args.images.read_hashed(&args.network, options.arithmetic)?;
    let (network, channels) = (model.network, model.channels);
    let images = args.images.read_images(&args.data, &network, channels)?;
    let range = args.range.within(&images, &args.data)?;
    check_labels(&args.data, &range, &images, &network)?;
    let task = Arc::new(Task { network, images, eps: radius(&args.eps)?, options, timeout: global.timeout });
    let journal = match &args.out {
        None => None,
        Some(path) => {
            let header = header(args, &network_hash, &range, &task, global)?;
            let open = if args.resume { Journal::resume } else { Journal::create };
            Some(open(path, &header, "image")?)
        }
    };
    let shard = args.shard.unwrap_or(Shard { index: 1, of: 1 });
    let mut tally = Tally::default();
    let mut open: Vec<usize> = Vec::new();
    for image in range.skip(shard.index - 1).step_by(shard.of) {
        match journal.as_ref().and_then(|j| j.done().get(&image.to_string())) {
            Some(line) => tally.add(line),
            None => open.push(image),
        }
    }
    let progress = DataSetProgress::new(global.quiet, tally, open.len());
    let start = Instant::now();
    let count = open.len();
    side_by_side(&open, args.jobs, global, |image, worker| {
        let line = one_image(args, &task, image, worker)?;
        journal.as_ref().map_or(Ok(()), |journal| journal.append(&line))?;
        progress.add(&line);
        Ok(())
    })?;
    let tally = progress.finish();
    tracing::info!("{count} images in {:.3} s", start.elapsed().as_secs_f64());
    let text = match global.format {
        Format::Text => report::tally_text(&tally),
        Format::Json => report::tally_json(&tally, 0).to_string(),
    };
    answer(&text)?;
    match tally.errors {
        0 => Ok(Exit::Success),
        n => {
            Err(format!("{n} images ended in an internal error, please report it; --out FILE has the messages").into())
        }
    }
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
    let outcome = data_set::one_image(index, worker, task.timeout, work, abandoned, failed)?;
    tracing::info!("image {index} took {:.3} s", start.elapsed().as_secs_f64());
    Ok(report::image_line(index, label, &outcome, start.elapsed(), args.witnesses))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_read_or_refused() {
        assert_eq!("2/3".parse::<Shard>().unwrap(), Shard { index: 2, of: 3 });
        for bad in ["", "0/3", "4/3", "1", "1/0", "a/b"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
