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
mod budget;
mod choice;
mod constant;
mod conv;
mod conv_transpose;
mod error;
mod external;
mod extremum;
mod fault;
mod fold;
mod graph;
mod logic;
mod lowering;
mod matrix;
mod model;
mod normalise;
mod operators;
mod order;
mod pooling;
mod ports;
mod power;
mod products;
mod proto;
mod quantize;
mod reduce;
mod reshape;
mod resize;
mod select;
mod shape;
mod smooth;
mod softmax;
mod trail;
mod window;
mod write;

#[cfg(test)]
mod tests;

pub use error::OnnxError;
pub use model::{Endings, Model, OPSETS, Port, Ports, SOFTMAX_IS_DROPPED, Softmax};
pub use operators::operators;
pub(crate) use proto::type_name;
pub use write::{Attribute, OnnxWriter, is_held, tensor_bytes};

use super::file;
use super::fingerprint::Fingerprint;
use external::External;
use prost::Message;
use prost::bytes::Bytes;
use std::path::Path;

/// protobuf itself ends at 2 GiB.
const LARGEST: u64 = 1 << 31;

/// Reads an ONNX file, and what of it lies in other files of its folder.
pub fn read(path: &Path) -> Result<Model, OnnxError> {
    let name = path.display().to_string();
    let bytes = content(file::read(path, LARGEST), &name)?;
    model(bytes.into(), &name, &External::beside(path, Fingerprint::default()), None)
}

/// Reads a file as [`read`] does, with the inputs and outputs that are asked for: the network's output is the hidden
/// tensors and then the outputs.
pub fn read_ports(path: &Path, ports: &Ports) -> Result<Model, OnnxError> {
    let name = path.display().to_string();
    let bytes = content(file::read(path, LARGEST), &name)?;
    model(bytes.into(), &name, &External::beside(path, Fingerprint::default()), Some(ports))
}

/// As [`read`], with the fingerprint of all that was read.
pub fn read_fingerprinted(path: &Path) -> Result<(Model, Fingerprint), OnnxError> {
    let name = path.display().to_string();
    let (bytes, fingerprint) = match file::read_fingerprinted(path, LARGEST) {
        Ok((bytes, fingerprint)) => (Ok(bytes), fingerprint),
        Err(e) => (Err(e), Fingerprint::default()),
    };
    let external = External::beside(path, fingerprint);
    let model = model(content(bytes, &name)?.into(), &name, &external, None)?;
    Ok((model, external.fingerprint()))
}

/// The bytes of a file that was read.
fn content(read: std::io::Result<Option<Vec<u8>>>, name: &str) -> Result<Vec<u8>, OnnxError> {
    let file = name.to_owned();
    match read {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(OnnxError::Model { file, what: "more than the 2 GiB that an ONNX file can have".into() }),
        Err(source) => Err(OnnxError::Io { file, source }),
    }
}

/// Reads the bytes of an ONNX file; `name` stands for the file in errors.
pub fn parse(bytes: &[u8], name: &str) -> Result<Model, OnnxError> {
    model(Bytes::copy_from_slice(bytes), name, &External::none(), None)
}

fn model(bytes: Bytes, name: &str, external: &External, ports: Option<&Ports>) -> Result<Model, OnnxError> {
    let file = || name.to_owned();
    budget::weigh(&bytes).map_err(|what| OnnxError::Model { file: file(), what })?;
    let len = bytes.len();
    let model =
        proto::ModelProto::decode(bytes).map_err(|e| OnnxError::Protobuf { file: file(), what: e.to_string() })?;
    graph::lower(&model, len, external, ports).map_err(|failure| failure.in_file(name))
}
