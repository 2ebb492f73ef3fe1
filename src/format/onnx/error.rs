//! Why a file is not read as a network.

use crate::domains::network::NetworkError;
use thiserror::Error;

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
