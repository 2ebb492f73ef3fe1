//! `absint certify`.

use super::data_set::{self, check_labels};
use super::inputs::{ImageArgs, radius};
use super::options::EngineArgs;
use super::range::ImageRange;
use super::{CliResult, Exit, Format, Global, answer};
use crate::analyze::{Options, check_certifiable};
use crate::campaign::{self, Campaign, Certification, Shard, Tally, Worker};
use crate::domains::num::Rational;
use crate::report::ProofFolder;
use clap::Args;
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint certify net.onnx --data test.csv --eps 2/255 --out results.jsonl
  absint certify net.onnx --data test.csv --eps 2/255 --out results.jsonl --resume
  absint certify net.onnx --data t10k-images.idx3-ubyte --eps 0.015 --range 0..1000 --timeout 60
  absint certify net.onnx --data test.csv --eps 0.1 --shard 2/8 --out part2.jsonl
  absint certify net.onnx --data test.csv --eps 0.1 --out results.jsonl --proof certificates/

--timeout is per image. A results file begins with a header that binds network, data, options and
version; then comes one line per image, as soon as it is done:
  {\"image\", \"label\", \"verdict\", \"by\"?, \"margin\"?, \"open\"?, \"out_of_time\"?, \"because\"?, \"may_help\"?, \"predicted\"?,
   \"adversarial\"?, \"witness\"?, \"rejected\"?, \"tie\"?, \"error\"?, \"certificate\"?, \"uncertified\"?, \"time_s\"}
The lines of shards are put together by `absint merge`.")]
pub struct CertifyArgs {
    /// The network, an ONNX file
    network: PathBuf,
    /// A further network over the same input, again for each: an ensemble that rejects an input unless all
    /// agree. An image is verified if they agree on no wrong class in its neighbourhood
    #[arg(long, value_name = "FILE")]
    ensemble: Vec<PathBuf>,
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
    /// Write a certificate of each image that is verified into this folder, for `absint check`; as `analyze` does
    #[arg(long, value_name = "DIR")]
    proof: Option<PathBuf>,
}

pub fn run(args: &CertifyArgs, global: &Global) -> CliResult<Exit> {
    let (ties, certify) = (args.images.ties.into(), args.proof.is_some());
    let options = Options { ties, certify, ..args.engine.options(global.seed) };
    let files = (&*args.network, &*args.ensemble, &*args.data);
    let (ensemble, network_hash, images) = data_set::read(&args.images, files, options.arithmetic, global)?;
    let (network, members) = (ensemble.network, ensemble.members);
    let assumed = data_set::assumption(&network, &options)?;
    let range = args.range.within(&images, &args.data)?;
    check_labels(&args.data, &range, &images, members.classes)?;
    let images_hash = images.fingerprint().to_string();
    let eps = radius(&args.eps)?;
    let (picked, around) = (args.images.clone(), (args.images.clone(), eps.clone()));
    let mut header = header(args, (network_hash, images_hash), &range, (&eps, &options), global);
    header.extend(data_set::assumed(assumed));
    let header = Value::Object(header);
    if let Some(image) = picked.pick(&images, range.start).filter(|_| certify) {
        check_certifiable(&network, &picked.ball(members, &image.pixels, &eps, image.label)?, &options)?;
    }
    let of_folder = |folder: &PathBuf| ProofFolder::of(folder, &network, &identity(&header));
    let proofs = args.proof.as_ref().map(of_folder).transpose()?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let indices = range.skip(shard.index - 1).step_by(shard.of);
    let campaign = Campaign::begin(indices, args.out.as_deref().map(|out| (out, &header)), args.resume)?;
    // Only now is it known that an earlier run was the same one.
    if let Some(folder) = &proofs {
        let certified = campaign.done.iter().filter(|line| line["certificate"] == true);
        folder.begin(&network, certified.filter_map(|line| usize::try_from(line["image"].as_u64()?).ok()))?;
    }
    let task = Arc::new(Certification {
        network,
        members: members.count,
        endings: ensemble.endings,
        images: Box::new(move |index| picked.pick(&images, index)),
        neighbourhood: Box::new(move |center| around.0.region(center, &around.1)),
        options,
        timeout: global.timeout,
        witnesses: args.witnesses,
        proofs,
    });
    let start = Instant::now();
    let one = |image: usize, worker: &mut Worker| task.line(image, worker, &campaign.stop);
    let tally = data_set::run::<Tally>(&campaign, args.jobs, global, one, |_| ())?;
    tracing::info!("{} images in {:.3} s", campaign.open.len(), start.elapsed().as_secs_f64());
    let text = match global.format {
        Format::Text => campaign::tally_text(&tally),
        Format::Json => data_set::resting_on(campaign::tally_json(&tally, 0), assumed),
    };
    answer(&text)?;
    data_set::exit(&tally)
}

/// What the results depend on, apart from the machine.
fn header(
    args: &CertifyArgs,
    hashes: (String, String),
    range: &Range<usize>,
    (eps, options): (&Rational, &Options),
    global: &Global,
) -> Map<String, Value> {
    let subject = args.images.subject((&args.network, &args.data), hashes, global);
    let mut header = campaign::header("certify", &subject, options);
    header.insert("eps".into(), eps.to_string().into());
    header.insert("witnesses".into(), args.witnesses.into());
    if !args.ensemble.is_empty() {
        let names = args.ensemble.iter().filter_map(|path| path.file_name());
        header.insert("ensemble".into(), names.map(|name| name.to_string_lossy()).collect());
    }
    if args.proof.is_some() {
        header.insert("proof".into(), true.into());
    }
    header.insert("range".into(), json!([range.start, range.end]));
    header.insert("shard".into(), json!(args.shard.map(|s| [s.index, s.of])));
    header
}

/// What all runs whose certificates share a folder have in common: shards, and other images of the same file, may.
fn identity(header: &Value) -> Value {
    let mut fields = header.as_object().cloned().unwrap_or_default();
    for own in ["version", "network", "ensemble", "data", "timeout_s", "witnesses", "proof", "range", "shard"] {
        fields.remove(own);
    }
    Value::Object(fields)
}
