//! `absint info`.

use super::limit::Answer;
use super::{CliResult, Exit, Format, Global};
use crate::format::onnx;
use crate::report;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct InfoArgs {
    /// The network, an ONNX file
    network: PathBuf,
}

pub fn run(args: &InfoArgs, global: &Global) -> CliResult<Answer> {
    let model = onnx::read(&args.network)?;
    let text = match global.format {
        Format::Text => report::info_text(&model),
        Format::Json => report::info_json(&model, &args.network.display().to_string()).to_string(),
    };
    Ok((text, Exit::Success))
}
