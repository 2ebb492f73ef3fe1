//! What is wrong with one operator or with the model, before the file has a name.

use super::error::OnnxError;
use crate::domains::network::NetworkError;

/// What is wrong with one operator; the walk over the graph adds its name.
#[derive(Debug)]
pub(super) enum Fault {
    /// In words.
    What(String),
    /// As the network builder puts it, which names the node itself.
    Network(NetworkError),
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Self::What(what)
    }
}

impl From<&str> for Fault {
    fn from(what: &str) -> Self {
        Self::What(what.into())
    }
}

impl From<NetworkError> for Fault {
    fn from(source: NetworkError) -> Self {
        Self::Network(source)
    }
}

/// A fault and the node where it was met, if it was met at one.
#[derive(Debug)]
pub(super) struct Failure {
    /// The node's label.
    pub node: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

impl<F: Into<Fault>> From<F> for Failure {
    fn from(fault: F) -> Self {
        Self { node: None, fault: fault.into() }
    }
}

impl Failure {
    /// The public error.
    pub fn in_file(self, file: &str) -> OnnxError {
        let file = file.to_owned();
        match (self.fault, self.node) {
            (Fault::Network(source), _) => OnnxError::Network { file, source },
            (Fault::What(what), Some(node)) => OnnxError::Node { file, node, what },
            (Fault::What(what), None) => OnnxError::Model { file, what },
        }
    }
}
