//! What the subcommands that go through a whole data set share.

use super::inputs::ImageArgs;
use super::{CliResult, Global};
use crate::analyze::deadline;
use crate::campaign::{Worker, WorkerError};
use crate::domains::budget::Budget;
use crate::domains::network::Network;
use crate::format::fingerprint::Fingerprint;
use crate::format::images::ImageSet;
use crate::report;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much longer than its time limit an image may take before its thread is abandoned.
const GRACE: Duration = Duration::from_millis(500);

/// What becomes of one image within the time limit: the outcome of `work`, or that it did not stop, or how it
/// failed.
pub fn one_image<T: Send + 'static>(
    index: usize,
    worker: &mut Worker,
    timeout: Option<Duration>,
    work: impl FnOnce(&Budget) -> CliResult<T> + Send + 'static,
    abandoned: T,
    failed: fn(String) -> T,
) -> CliResult<T> {
    let budget = deadline(timeout);
    let shared = budget.clone();
    match worker.run(timeout.map(|t| t.saturating_add(GRACE)), move || work(&shared)) {
        Ok(outcome) => outcome.map_err(|e| format!("image {index}: {e}").into()),
        Err(WorkerError::OutOfTime) => {
            budget.cancel();
            Ok(abandoned)
        }
        Err(WorkerError::Panicked(message)) => Ok(failed(message)),
        Err(error @ WorkerError::NoThreads(_)) => Err(error.into()),
    }
}

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

/// Calls `one` for each of the images `open`, so many of them side by side as `jobs` says (one per thread
/// without), each with its own worker. After an error the others finish what they have begun.
pub fn side_by_side(
    open: &[usize],
    jobs: Option<u16>,
    global: &Global,
    one: impl Fn(usize, &mut Worker) -> CliResult<()> + Sync,
) -> CliResult<()> {
    let threads = global.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let jobs = jobs.map_or(threads, usize::from).min(open.len().max(1));
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut worker = Worker::new(threads / jobs);
                while let Some(&image) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = one(image, &mut worker) {
                        next.store(open.len(), Ordering::Relaxed);
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
