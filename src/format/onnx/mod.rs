//! ONNX models: reading them as a [`Network`], and writing simple ones.
//!
//! Every operator is lowered to the normal form of [`crate::domains::network`], exactly: parameters
//! are the rational numbers that the file's floats are, and where the operator's meaning leaves the
//! floats (a division, a batch-norm scale) the coefficient is an exact rational or a certified
//! enclosure. Reshapes only change the shape that the reader tracks; transposes, slices and zero
//! padding are [`LinearMap::Select`](crate::domains::network::LinearMap::Select).

mod activations;
mod arithmetic;
mod attributes;
mod constant;
mod conv;
mod graph;
mod lowering;
mod matrix;
mod normalise;
mod pooling;
mod power;
mod proto;
mod reshape;
mod select;
mod shape;
mod window;
mod write;

#[cfg(test)]
mod tests;

pub use write::{Attribute, OnnxWriter};

use super::file;
use crate::domains::network::{Network, NetworkError};
use prost::Message;
use std::path::Path;
use thiserror::Error;

/// The oldest and newest versions of the standard operator set that are read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 8..=21;

/// A network and what its file says about it.
#[derive(Clone, Debug)]
pub struct Model {
    /// The network; its input and output vectors are the ONNX tensors in row-major order.
    pub network: Network,
    /// How often each operator type occurs, in alphabetical order.
    pub operators: Vec<(String, usize)>,
    /// Version of the standard operator set.
    pub opset: i64,
    /// The program that wrote the file, as it names itself.
    pub producer: String,
    /// True when a Softmax over the classes ends the model. It is **not** part of [`Self::network`],
    /// whose outputs are then the logits: they have the same order as the probabilities, so a property
    /// that only compares outputs keeps its verdict in real arithmetic, and any other does not.
    pub final_softmax: bool,
    /// Name of the input tensor.
    pub input_name: String,
    /// Name of the output tensor.
    pub output_name: String,
}

/// Why a file is not read as a network.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// The file cannot be opened or read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The bytes are no ONNX protobuf.
    #[error("{file}: not an ONNX model, or a truncated one: {what}")]
    Protobuf {
        /// The file.
        file: String,
        /// What the decoder met.
        what: String,
    },
    /// Something about the model as a whole.
    #[error("{file}: {what}")]
    Model {
        /// The file.
        file: String,
        /// What is wrong and what to do about it.
        what: String,
    },
    /// An operator, or one of its parameters.
    #[error("{file}: node `{node}`: {what}")]
    Node {
        /// The file.
        file: String,
        /// The node's name, or `#index operator` when it has none.
        node: String,
        /// What is wrong and what to do about it.
        what: String,
    },
    /// The lowered nodes do not fit together.
    #[error("{file}: {source}")]
    Network {
        /// The file.
        file: String,
        /// What the network builder says; it names the node.
        source: NetworkError,
    },
}

/// Reads an ONNX file.
pub fn read(path: &Path) -> Result<Model, OnnxError> {
    // protobuf itself ends at 2 GiB.
    const LARGEST: u64 = 1 << 31;
    let name = path.display().to_string();
    match file::read(path, LARGEST) {
        Ok(Some(bytes)) => parse(&bytes, &name),
        Ok(None) => Err(OnnxError::Model { file: name, what: "more than the 2 GiB that an ONNX file can have".into() }),
        Err(source) => Err(OnnxError::Io { file: name, source }),
    }
}

/// Reads the bytes of an ONNX file; `name` stands for the file in errors.
pub fn parse(bytes: &[u8], name: &str) -> Result<Model, OnnxError> {
    let model =
        proto::ModelProto::decode(bytes).map_err(|e| OnnxError::Protobuf { file: name.into(), what: e.to_string() })?;
    graph::lower(&model, bytes.len()).map_err(|failure| failure.in_file(name))
}
