//! What the subcommands that go through a whole data set share.

use super::ensemble::{Ensemble, REAL_ONLY};
use super::inputs::ImageArgs;
use super::limit::reading;
use super::progress::DataSetProgress;
use super::{CliResult, Exit, Global};
use crate::analyze::{Options, check_float32};
use crate::campaign::{Campaign, Outcomes, Worker};
use crate::domains::network::{Arithmetic, Network};
use crate::format::images::ImageSet;
use crate::report;
use serde_json::Value;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Reads a network, as it is executed, or an ensemble of it and others, with the hash of its files, and the images of a
/// data set.
pub fn read(
    args: &ImageArgs,
    (network, others, data): (&Path, &[PathBuf], &Path),
    arithmetic: Arithmetic,
    global: &Global,
) -> CliResult<(Ensemble, String, ImageSet)> {
    if arithmetic == Arithmetic::Float32 && !others.is_empty() {
        return Err(REAL_ONLY.into());
    }
    let (args, network, others, data) = (args.clone(), network.to_owned(), others.to_owned(), data.to_owned());
    reading(global, move || {
        let (model, mut hashes) = args.read_hashed(&network, arithmetic)?;
        let ensemble = Ensemble::read(&network, model, &others, |path| {
            let (model, hash) = args.read_hashed(path, arithmetic)?;
            hashes.push_str(&format!("+{hash}"));
            Ok(model)
        })?;
        let images = args.read_images(&data, &ensemble.network, ensemble.channels)?;
        Ok((ensemble, hashes, images))
    })
}

/// What is assumed of functions of the runtime where all verdicts rest on it, said once; an error where nothing is known of
/// how some node is computed.
pub fn assumption(network: &Network, options: &Options) -> CliResult<Option<u32>> {
    if options.arithmetic == Arithmetic::Float32 {
        check_float32(&options.executed(network), options)?;
    }
    let assumed = options.assumption(network);
    if let Some(ulps) = assumed {
        tracing::warn!("in float32 {}", report::assumption(ulps));
    }
    Ok(assumed)
}

/// The field of a header or a tally that says so.
pub fn assumed(ulps: Option<u32>) -> Option<(String, Value)> {
    ulps.map(|ulps| ("assumed_ulps".into(), ulps.into()))
}

/// A tally with what it rests on.
pub fn resting_on(mut tally: Value, ulps: Option<u32>) -> String {
    if let Some(fields) = tally.as_object_mut() {
        fields.extend(assumed(ulps));
    }
    tally.to_string()
}

/// Refuses images whose label a network of so many classes does not have.
pub fn check_labels(file: &Path, range: &Range<usize>, images: &ImageSet, classes: usize) -> CliResult<()> {
    for i in range.clone() {
        let label = images.bytes(i).map_or(0, |(label, _)| label);
        if label >= classes {
            let file = file.display();
            return Err(format!("{file}: image {i} has the label {label}, the network has {classes} outputs").into());
        }
    }
    Ok(())
}

/// Runs a campaign with a bar of its progress: the counts of all images; `keep` has every line once it is written.
pub fn run<T: Outcomes + Default + Send>(
    campaign: &Campaign,
    jobs: Option<u16>,
    global: &Global,
    one: impl Fn(usize, &mut Worker) -> CliResult<Value> + Sync,
    keep: impl Fn(Value) + Sync,
) -> CliResult<T> {
    let mut tally = T::default();
    campaign.done.iter().for_each(|line| tally.add(line));
    let progress = DataSetProgress::new(global.quiet, tally, campaign.open.len());
    campaign.run(global.threads(), jobs.map(usize::from), one, |line| {
        progress.add(&line);
        keep(line);
    })?;
    Ok(progress.finish())
}

/// How a run over a data set ends.
pub fn exit(tally: &impl Outcomes) -> CliResult<Exit> {
    match tally.errors() {
        0 => Ok(Exit::Success),
        n => {
            Err(format!("{n} images ended in an internal error, please report it; --out FILE has the messages").into())
        }
    }
}
