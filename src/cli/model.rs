//! Reading a network as it is executed.

use super::CliResult;
use crate::domains::network::Arithmetic;
use crate::domains::query::Query;
use crate::format::onnx::{self, Ports};
use std::path::Path;

/// Reads a network that is executed in this arithmetic.
pub fn read_model(path: &Path, arithmetic: Arithmetic) -> CliResult<onnx::Model> {
    in_arithmetic(onnx::read(path)?, path, arithmetic)
}

/// In float32 a Softmax at the end is computed and not dropped: it may make different logits equal.
pub fn in_arithmetic(mut model: onnx::Model, path: &Path, arithmetic: Arithmetic) -> CliResult<onnx::Model> {
    if arithmetic == Arithmetic::Float32 && model.final_softmax.is_some() {
        model = onnx::read_ports(path, &Ports { computes_softmax: true, ..Ports::default() })?;
    }
    model.in_arithmetic(arithmetic).map_err(|e| named(path, &e))
}

/// A problem with a file.
pub fn named(path: &Path, problem: &str) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{}: {problem}", path.display()).into()
}

/// A Softmax at the end was dropped, which only properties that compare outputs allow.
pub fn refuse_softmax(model: &onnx::Model, query: &Query, path: &Path) -> CliResult<()> {
    model.check_softmax(query).map_err(|e| named(path, e))
}
