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

impl Affine {
    /// Channels, height and width of the node, where a term reads windows of its source.
    #[must_use]
    pub fn shape(&self) -> Option<[usize; 3]> {
        self.terms.iter().find_map(|term| term.map.output_shape())
    }
}

/// `y = σ(z)`, neuron by neuron.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The node that `z` is.
    pub source: NodeId,
    /// `σ`.
    pub function: Arc<dyn ActivationFn>,
    /// What computing it in float32 can lose.
    pub rounding: Rounding,
}

/// A factor of a product: `x_{index_k}` for its neuron `k`.
#[derive(Clone, Debug)]
pub struct Factor {
    /// The node that `x` is.
    pub source: NodeId,
    /// For each neuron of the product the entry of `x`.
    pub index: Arc<[usize]>,
}

/// `y_k = a_k · b_k`, where both factors depend on the network's input.
#[derive(Clone, Debug)]
pub struct Product {
    /// `a` and `b`.
    pub factors: [Factor; 2],
    /// What computing it in float32 can lose; nothing where it is a part of an operator, or of a query, of which no execution
    /// makes a number of its own.
    pub rounding: Rounding,
}

impl Product {
    /// For each neuron what `of` says of its two factors.
    pub fn pairs<'v, T>(&'v self, of: impl Fn(NodeId, usize) -> T + 'v) -> impl Iterator<Item = [T; 2]> + 'v {
        let [a, b] = &self.factors;
        a.index.iter().zip(b.index.iter()).map(move |(&i, &j)| [of(a.source, i), of(b.source, j)])
    }

    /// Whether neuron `k` is the square of one entry.
    #[must_use]
    pub fn is_square(&self, k: usize) -> bool {
        let [a, b] = &self.factors;
        (a.source, a.index[k]) == (b.source, b.index[k])
    }
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
    /// Products of two numbers that are computed.
    Product(Product),
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
        let (terms, others) = match &self.kind {
            NodeKind::Input => (&[][..], [None; 2]),
            NodeKind::Affine(affine) => (&affine.terms[..], [None; 2]),
            NodeKind::Activation(activation) => (&[][..], [Some(activation.source), None]),
            NodeKind::Product(product) => (&[][..], product.factors.each_ref().map(|factor| Some(factor.source))),
        };
        terms.iter().map(|t| t.source).chain(others.into_iter().flatten())
    }

    /// What computing it in float32 can lose; the input is no computation.
    pub(super) fn rounding(&self) -> Option<&Rounding> {
        match &self.kind {
            NodeKind::Input => None,
            NodeKind::Affine(Affine { rounding, .. })
            | NodeKind::Activation(Activation { rounding, .. })
            | NodeKind::Product(Product { rounding, .. }) => Some(rounding),
        }
    }

    /// The node where those that it reads are at other places.
    pub(super) fn moved(mut self, place: impl Fn(NodeId) -> NodeId) -> Self {
        match &mut self.kind {
            NodeKind::Input => {}
            NodeKind::Affine(affine) => affine.terms.iter_mut().for_each(|t| t.source = place(t.source)),
            NodeKind::Activation(activation) => activation.source = place(activation.source),
            NodeKind::Product(product) => product.factors.iter_mut().for_each(|f| f.source = place(f.source)),
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

/// Which nodes are the reciprocal in a quotient and nothing else: products that are parts of operators read them as their
/// second factor, and nothing else does.
pub(super) fn divisors(nodes: &[Node]) -> Vec<bool> {
    let divides = |node: &Node, source: NodeId| match &node.kind {
        NodeKind::Product(Product { factors: [a, b], rounding }) => {
            rounding.is_exact() && a.source != source && b.source == source
        }
        _ => false,
    };
    // One pass over all readers: whether there are any, and whether all divide.
    let mut readers = vec![(false, true); nodes.len()];
    for node in nodes {
        for source in node.sources() {
            readers[source] = (true, readers[source].1 && divides(node, source));
        }
    }
    let is_reciprocal = |node: &Node| matches!(&node.kind, NodeKind::Activation(activation) if activation.function.name() == "reciprocal");
    nodes.iter().zip(readers).map(|(node, of)| of == (true, true) && is_reciprocal(node)).collect()
}

/// The maps of an affine node.
pub(super) fn maps(terms: &[Term]) -> Vec<&LinearMap> {
    terms.iter().map(|term| &*term.map).collect()
}
