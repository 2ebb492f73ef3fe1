//! What is read from a file.

use crate::domains::network::Network;
use crate::format::images::Channels;

/// The oldest and newest versions of the standard operator set that are read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 8..=25;

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
    /// The channels of the input, where an operator that knows channels (or a Transpose in front of one) tells
    /// them.
    pub channels: Option<Channels>,
    /// Name of the input tensor.
    pub input_name: String,
    /// Name of the output tensor.
    pub output_name: String,
}
