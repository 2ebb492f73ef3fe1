//! What the subcommands that go through a whole data set share.

use super::inputs::ImageArgs;
use super::progress::DataSetProgress;
use super::{CliResult, Exit, Global};
use crate::campaign::{Campaign, Outcomes, Worker};
use crate::domains::network::Network;
use crate::format::fingerprint::Fingerprint;
use crate::format::images::ImageSet;
use crate::report;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::path::Path;

/// Refuses images whose label the network does not have.
pub fn check_labels(file: &Path, range: &Range<usize>, images: &ImageSet, network: &Network) -> CliResult<()> {
    for i in range.clone() {
        let label = images.bytes(i).map_or(0, |(label, _)| label);
        if label >= network.output_len() {
            let (file, outputs) = (file.display(), network.output_len());
            return Err(format!("{file}: image {i} has the label {label}, the network has {outputs} outputs").into());
        }
    }
    Ok(())
}

/// The part of a header that every run over a data set has: what the results depend on, apart from the
/// machine and the analysis.
pub fn header(
    command: &str,
    (network, network_hash, data): (&Path, &str, &Path),
    args: &ImageArgs,
    images: &ImageSet,
    global: &Global,
) -> CliResult<Map<String, Value>> {
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let spelled = |value: &dyn ToString| Value::String(value.to_string());
    let fields = json!({
        "schema": report::SCHEMA,
        "command": command,
        "version": env!("CARGO_PKG_VERSION"),
        "network": name(network),
        "network_hash": network_hash,
        "data": name(data),
        "binarize": args.binarize,
        "data_hash": fingerprint(images),
        "norm": args.norm.to_possible_value().map(|v| v.get_name().to_owned()),
        "layout": args.layout.to_possible_value().map(|v| v.get_name().to_owned()),
        "mean": args.mean.iter().map(|m| spelled(m)).collect::<Vec<_>>(),
        "std": args.std.iter().map(|s| spelled(s)).collect::<Vec<_>>(),
        "timeout_s": global.timeout.map(|t| t.as_secs_f64()),
    });
    let mut fields = fields.as_object().cloned().unwrap_or_default();
    if let Some(channels) = args.channels {
        fields.insert("channels".into(), channels.to_string().into());
    }
    Ok(fields)
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
