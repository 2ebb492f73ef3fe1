//! The layer graph: `Input | Affine(Σ W·x + b) | Activation(σ)` in topological order.
//!
//! Every network is lowered to these three kinds of node. Linear operators differ only in their
//! [`LinearMap`]; a residual sum is an affine node with two terms.

mod builder;
mod coefficients;
mod columns;
mod conv2d;
mod ensemble;
mod evaluate;
mod float32;
mod linear_map;
mod parameter;
mod pull_back;
mod push_forward;
mod reduce;
mod threshold;
mod window;

pub use builder::NetworkBuilder;
pub use coefficients::Coefficients;
pub use columns::ColumnMap;
pub use conv2d::Conv2d;
pub use evaluate::EvaluateError;
use float32::Original;
pub use float32::{Arithmetic, Operator, Order, Rounding};
pub use linear_map::LinearMap;
pub use parameter::Parameter;
pub use pull_back::PullBackError;
pub use reduce::Reduced;
pub use window::Window;

use crate::activation::ActivationFn;
use std::sync::Arc;
use thiserror::Error;

/// Index of a node in its network; sources always have smaller indices.
pub type NodeId = usize;

/// One summand `W x` of an affine node.
#[derive(Clone, Debug)]
pub struct Term {
    /// The node that `x` is.
    pub source: NodeId,
    /// `W`.
    pub map: LinearMap,
}

/// `z = Σ W_t x_t + b`.
#[derive(Clone, Debug)]
pub struct Affine {
    /// The summands; two may read the same node.
    pub terms: Vec<Term>,
    /// `b`, of the node's length.
    pub bias: Coefficients,
    /// What computing it in float32 can lose.
    pub rounding: Rounding,
}

/// `y = σ(z)`, neuron by neuron.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The node that `z` is.
    pub source: NodeId,
    /// `σ`.
    pub function: Arc<dyn ActivationFn>,
}

/// What a node computes.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// The network's input; node 0 and no other.
    Input,
    /// A weighted sum.
    Affine(Affine),
    /// An activation.
    Activation(Activation),
}

/// A node: a vector of `len` numbers.
#[derive(Clone, Debug)]
pub struct Node {
    /// How many neurons it has.
    pub len: usize,
    /// What it computes.
    pub kind: NodeKind,
    /// The name of the operator in the file that it came from (empty when built in memory).
    pub name: String,
}

impl Node {
    /// The nodes that this one reads.
    pub fn sources(&self) -> impl Iterator<Item = NodeId> + '_ {
        let (terms, activation) = match &self.kind {
            NodeKind::Input => (&[][..], None),
            NodeKind::Affine(affine) => (&affine.terms[..], None),
            NodeKind::Activation(activation) => (&[][..], Some(activation.source)),
        };
        terms.iter().map(|t| t.source).chain(activation)
    }
}

/// A feed-forward network with one input and one output vector.
#[derive(Clone, Debug)]
pub struct Network {
    nodes: Vec<Node>,
    output: NodeId,
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
    /// The operators before any were folded.
    original: Arc<Original>,
    arithmetic: Arithmetic,
}

/// Why nodes do not make a network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetworkError {
    /// Lengths do not fit together.
    #[error("node `{node}`: {what} has length {found}, expected {expected}")]
    Shape {
        /// The node's name.
        node: String,
        /// Which part is at fault.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// A parameter is NaN or infinite.
    #[error("node `{node}`: {what} holds a NaN or infinite number")]
    NotFinite {
        /// The node's name.
        node: String,
        /// Which part is at fault.
        what: &'static str,
    },
    /// A convolution or selection whose geometry is impossible.
    #[error("node `{node}`: {what}")]
    Geometry {
        /// The node's name.
        node: String,
        /// What is impossible about it.
        what: String,
    },
    /// The network has no input or no output, or a node reads one that comes later.
    #[error("node `{node}`: {what}")]
    Graph {
        /// The node's name.
        node: String,
        /// What is wrong.
        what: &'static str,
    },
}

impl Network {
    /// All nodes in topological order; node 0 is the input.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node with index `id`.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Index of the output node.
    #[must_use]
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// Number of input values.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.nodes[0].len
    }

    /// Number of output values.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.nodes[self.output].len
    }

    /// Shape of the input tensor as the file states it, without the batch axis.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// Shape of the output tensor as the file states it, without the batch axis.
    #[must_use]
    pub fn output_shape(&self) -> &[usize] {
        &self.output_shape
    }

    /// The activation nodes with their indices.
    pub fn activations(&self) -> impl Iterator<Item = (NodeId, &Activation)> + '_ {
        self.nodes.iter().enumerate().filter_map(|(id, node)| match &node.kind {
            NodeKind::Activation(activation) => Some((id, activation)),
            _ => None,
        })
    }

    /// How many nodes read each node.
    #[must_use]
    pub fn consumers(&self) -> Vec<usize> {
        let mut counts = vec![0; self.nodes.len()];
        for source in self.nodes.iter().flat_map(Node::sources) {
            counts[source] += 1;
        }
        counts
    }

    /// Number of parameters that the network stores.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let of_node = |node: &Node| match &node.kind {
            NodeKind::Affine(affine) => {
                let weights: usize = affine.terms.iter().map(|t| t.map.parameters()).sum();
                weights + if affine.bias.is_zero() { 0 } else { affine.bias.len() }
            }
            _ => 0,
        };
        self.nodes.iter().map(of_node).sum()
    }
}
