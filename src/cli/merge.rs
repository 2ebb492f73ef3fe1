//! `absint merge`.

use super::data_set::resting_on;
use super::outputs::OutputArgs;
use super::{CliResult, Exit, Format, Global, answer, limit};
use crate::campaign;
use crate::report;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = "\
Example:
  absint merge part1.jsonl part2.jsonl part3.jsonl --out results.jsonl

Exit status: 0 when every image of the run is there, 3 when some are missing.")]
pub struct MergeArgs {
    /// Results files of the shards of one run of `absint certify`
    #[arg(required = true, value_name = "RESULTS")]
    files: Vec<PathBuf>,
    /// Write the results of all images to this file, sorted by image
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    outputs: OutputArgs,
}

pub fn run(args: &MergeArgs, global: &Global) -> CliResult<Exit> {
    let inputs: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
    let out = args.out.iter().map(|path| ("--out", path.clone())).collect::<Vec<_>>();
    args.outputs.check(&out, &inputs)?;
    let files = args.files.clone();
    let merged = limit::reading(global, move || Ok(campaign::merge(&files)?))?;
    if let Some(path) = &args.out {
        report::write_whole(path, &merged.text())?;
    }
    let (tally, missing) = (merged.tally(), merged.missing.iter().map(ExactSizeIterator::len).sum::<usize>());
    let text = match global.format {
        Format::Json => {
            let assumed = merged.header["assumed_ulps"].as_u64().and_then(|ulps| u32::try_from(ulps).ok());
            resting_on(campaign::tally_json(&tally, missing), assumed)
        }
        Format::Text if missing == 0 => campaign::tally_text(&tally),
        Format::Text => {
            format!("{}\nmissing {missing} images: {}", campaign::tally_text(&tally), campaign::ranges(&merged.missing))
        }
    };
    answer(&text)?;
    Ok(if missing == 0 { Exit::Success } else { Exit::Unknown })
}
