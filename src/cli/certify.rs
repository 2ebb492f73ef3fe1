use super::inputs::{ImageArgs, radius};
use super::options::{EngineArgs, fields};
use super::progress::DataSetProgress;
use super::{CliResult, Exit, Format, Global, answer};
use crate::domains::budget::Budget;
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::num::Rational;
use crate::domains::observer::Silent;
use crate::domains::query::Query;
use crate::engine::{Options, Worker, WorkerError, analyze_within, beaten_by, deadline};
use crate::format::images::{Image, ImageSet};
use crate::report::{self, Fingerprint, ImageOutcome, Journal, Tally};
use clap::Args;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much longer than its time limit an image may take before its thread is abandoned.
const GRACE: Duration = Duration::from_millis(500);

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
    range: Images,
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

/// A range of images; the end is open where none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Images {
    start: usize,
    end: Option<usize>,
}

impl FromStr for Images {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no range of images; write `A..B` for the images A to B−1, such as `0..100`");
        let (start, end) = text.split_once("..").ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let start = if start.is_empty() { 0 } else { number(start)? };
        let end = if end.is_empty() { None } else { Some(number(end)?) };
        if end.is_some_and(|end| end <= start) {
            return Err(format!("the range `{text}` is empty; `A..B` means the images A to B−1"));
        }
        Ok(Self { start, end })
    }
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
    let network = args.images.read_network(&args.network)?.network;
    let images = args.images.read_images(&args.data, &network)?;
    let range = args.range.start..args.range.end.unwrap_or(images.len());
    check_images(args, &range, &images, &network)?;
    let task = Arc::new(Task {
        network,
        images,
        eps: radius(&args.eps)?,
        options: args.engine.options(global.seed),
        timeout: global.timeout,
    });
    let journal = match &args.out {
        None => None,
        Some(path) => {
            let header = header(args, &range, &task)?;
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
    work_through(args, global, &task, open, journal.as_ref(), &progress)?;
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

fn check_images(args: &CertifyArgs, range: &Range<usize>, images: &ImageSet, network: &Network) -> CliResult<()> {
    let file = args.data.display();
    if range.end > images.len() || range.start >= range.end {
        let (start, end, len) = (range.start, range.end, images.len());
        return Err(format!("--range {start}..{end}: {file} has {len} images, 0..{len}").into());
    }
    for i in range.clone() {
        let label = images.bytes(i).map_or(0, |(label, _)| label);
        if label >= network.output_len() {
            let outputs = network.output_len();
            return Err(format!("{file}: image {i} has the label {label}, the network has {outputs} outputs").into());
        }
    }
    Ok(())
}

/// What the results depend on, apart from the machine.
fn header(args: &CertifyArgs, range: &Range<usize>, task: &Task) -> CliResult<Value> {
    let name = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let spelled = |value: &dyn ToString| Value::String(value.to_string());
    let mut header = json!({
        "schema": report::SCHEMA,
        "command": "certify",
        "version": env!("CARGO_PKG_VERSION"),
        "network": name(&args.network),
        "network_hash": report::content_hash(&args.network)?,
        "data": name(&args.data),
        "binarize": args.images.binarize,
        "data_hash": fingerprint(&task.images),
        "eps": spelled(&task.eps),
        "norm": args.images.norm.to_possible_value().map(|v| v.get_name().to_owned()),
        "layout": args.images.layout.to_possible_value().map(|v| v.get_name().to_owned()),
        "mean": args.images.mean.iter().map(|m| spelled(m)).collect::<Vec<_>>(),
        "std": args.images.std.iter().map(|s| spelled(s)).collect::<Vec<_>>(),
        "timeout_s": task.timeout.map(|t| t.as_secs_f64()),
        "witnesses": args.witnesses,
        "range": [range.start, range.end],
        "shard": args.shard.map(|s| [s.index, s.of]),
    });
    if let Some(object) = header.as_object_mut() {
        object.extend(fields(&task.options));
    }
    Ok(header)
}

/// Of labels and pixels, however the file writes them.
fn fingerprint(images: &ImageSet) -> String {
    let mut fingerprint = Fingerprint::default();
    for (label, pixels) in (0..images.len()).filter_map(|i| images.bytes(i)) {
        fingerprint.update(&(label as u64).to_le_bytes());
        fingerprint.update(pixels);
    }
    fingerprint.to_string()
}

/// Analyses the images `open`, several side by side, and writes each result as soon as it is there.
fn work_through(
    args: &CertifyArgs,
    global: &Global,
    task: &Arc<Task>,
    open: Vec<usize>,
    journal: Option<&Journal>,
    progress: &DataSetProgress,
) -> CliResult<()> {
    let threads = global.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let jobs = args.jobs.map_or(threads, usize::from).min(open.len().max(1));
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut worker = Worker::new(threads / jobs);
                while let Some(&image) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let done = one_image(args, task, image, &mut worker).and_then(|line| {
                        journal.map_or(Ok(()), |journal| journal.append(&line))?;
                        progress.add(&line);
                        Ok(())
                    });
                    if let Err(error) = done {
                        // The others finish what they have begun.
                        next.store(open.len(), Ordering::Relaxed);
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// The line of one image.
fn one_image(args: &CertifyArgs, task: &Arc<Task>, index: usize, worker: &mut Worker) -> CliResult<Value> {
    let start = Instant::now();
    let image = args.images.pick(&task.images, index).ok_or("an image vanished")?;
    let label = image.label;
    let query = args.images.ball(&task.network, &image.pixels, &task.eps, label);
    let query = query.map_err(|e| format!("image {index}: {e}"))?;
    let budget = deadline(task.timeout);
    let shared = (Arc::clone(task), budget.clone());
    let limit = task.timeout.map(|t| t.saturating_add(GRACE));
    let outcome = worker.run(limit, move || shared.0.outcome(&image, &query, &shared.1));
    let outcome = match outcome {
        Ok(outcome) => outcome.map_err(|e| format!("image {index}: {e}"))?,
        Err(WorkerError::OutOfTime) => {
            budget.cancel();
            ImageOutcome::Abandoned
        }
        Err(WorkerError::Panicked(message)) => ImageOutcome::Failed(message),
        Err(error @ WorkerError::NoThreads(_)) => return Err(error.into()),
    };
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
    fn ranges_and_shards_are_read_or_refused() {
        let images = |text: &str| text.parse::<Images>();
        assert_eq!(images("..").unwrap(), Images { start: 0, end: None });
        assert_eq!(images("5..").unwrap(), Images { start: 5, end: None });
        assert_eq!(images("..7").unwrap(), Images { start: 0, end: Some(7) });
        assert_eq!(images("5..7").unwrap(), Images { start: 5, end: Some(7) });
        for bad in ["", "5", "7..5", "5..5", "a..b", "1...4", "-1..4", "0..99999999999999999999"] {
            assert!(images(bad).is_err(), "{bad}");
        }
        assert_eq!("2/3".parse::<Shard>().unwrap(), Shard { index: 2, of: 3 });
        for bad in ["", "0/3", "4/3", "1", "1/0", "a/b"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
