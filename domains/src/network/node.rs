//! The nodes of the layer graph.

use super::{Coefficients, LinearMap, Rounding};
use crate::activation::ActivationFn;
use std::sync::Arc;

/// Index of a node in its network; sources always have smaller indices.
pub type NodeId = usize;

/// One summand `W x` of an affine node.
#[derive(Clone, Debug)]
pub struct Term {
    /// The node that `x` is.
    pub source: NodeId,
    /// `W`, of which the network's other forms have no copies.
    pub map: Arc<LinearMap>,
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

    /// The node where those that it reads are at other places.
    pub(super) fn moved(mut self, place: impl Fn(NodeId) -> NodeId) -> Self {
        match &mut self.kind {
            NodeKind::Input => {}
            NodeKind::Affine(affine) => affine.terms.iter_mut().for_each(|t| t.source = place(t.source)),
            NodeKind::Activation(activation) => activation.source = place(activation.source),
        }
        self
    }
}

/// Which nodes the output depends on; the input always counts.
pub(super) fn used(nodes: &[Node], output: NodeId) -> Vec<bool> {
    let mut used = vec![false; nodes.len()];
    used[0] = true;
    used[output] = true;
    for id in (0..nodes.len()).rev().filter(|&id| id <= output) {
        if used[id] {
            for source in nodes[id].sources().collect::<Vec<_>>() {
                used[source] = true;
            }
        }
    }
    used
}

/// The maps of an affine node.
pub(super) fn maps(terms: &[Term]) -> Vec<&LinearMap> {
    terms.iter().map(|term| &*term.map).collect()
}
