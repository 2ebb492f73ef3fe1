//! Two networks in one, node beside node: activations that correspond, and the differences of what they read.
//!
//! What a form takes from one of them it may give back at the other, `c (σ(z₂) − σ(z₁))`. Of that a chord of the
//! activation knows more than the relaxations of both alone: it is `c s (z₂ − z₁)`, with `s` one of the activation's
//! slopes (Paulsen, Wang and Wang 2020; Wang et al. 2022). So the difference of what they read is a node of its own,
//! which every domain bounds as it bounds others; back-substitution goes over it.

use super::{Affine, Coefficients, LinearMap, Node, NodeId, NodeKind, Rounding, Term};
use std::ops::Range;

/// Activation nodes of two networks that correspond: one function, as many neurons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The node of the first network.
    pub first: NodeId,
    /// The node of the second one, which follows it: whoever reads either comes later.
    pub second: NodeId,
    /// The affine node of what the second one reads less what the first one reads; nobody else reads it.
    pub difference: NodeId,
}

impl Twin {
    /// The same behind a node that was put in front of the network.
    pub(super) fn after_one_more(&self) -> Self {
        Self { first: self.first + 1, second: self.second + 1, difference: self.difference + 1 }
    }
}

/// The nodes of two networks, of which the second begins at node `middle`, in an order in which activations that
/// correspond are neighbours behind their differences; where the output is then, and the twins.
///
/// Activations correspond by their place, up to the first two that differ.
pub(super) fn interleaved(nodes: Vec<Node>, middle: NodeId, output: NodeId) -> (Vec<Node>, NodeId, Vec<Twin>) {
    let (end, mut next) = (nodes.len(), (1, middle));
    let is_activation = |id: &NodeId| matches!(nodes[*id].kind, NodeKind::Activation(_));
    let pairs = (1..middle).filter(is_activation).zip((middle..end).filter(is_activation));
    let pairs: Vec<(NodeId, NodeId)> = pairs.take_while(|&(a, b)| correspond(&nodes[a], &nodes[b])).collect();
    let mut order = Order { places: vec![0; end], old: nodes, new: Vec::new() };
    order.take(0..1);
    let mut twins = Vec::with_capacity(pairs.len());
    for (a, b) in pairs {
        order.take(next.0..a);
        order.take(next.1..b);
        let difference = order.difference(a, b);
        order.take(a..a + 1);
        order.take(b..b + 1);
        twins.push(Twin { first: order.places[a], second: order.places[b], difference });
        next = (a + 1, b + 1);
    }
    order.take(next.0..middle);
    order.take(next.1..end);
    let output = order.places[output];
    (order.new, output, twins)
}

fn correspond(a: &Node, b: &Node) -> bool {
    let (NodeKind::Activation(of_a), NodeKind::Activation(of_b)) = (&a.kind, &b.kind) else { return false };
    // A function shows its parameters.
    a.len == b.len
        && !of_a.function.is_step()
        && of_a.source != of_b.source
        && format!("{:?}", of_a.function) == format!("{:?}", of_b.function)
}

/// Nodes on their way into another order.
struct Order {
    old: Vec<Node>,
    new: Vec<Node>,
    /// For each old node its place among the new ones.
    places: Vec<NodeId>,
}

impl Order {
    fn take(&mut self, ids: Range<NodeId>) {
        for id in ids {
            self.places[id] = self.new.len();
            let node = self.old[id].clone();
            self.new.push(node.moved(|source| self.places[source]));
        }
    }

    /// The node of what `b` reads less what `a` reads.
    fn difference(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let (len, source) = (self.old[a].len, |id: NodeId| self.old[id].sources().next().map(|z| self.places[z]));
        let minus = LinearMap::Diagonal(Coefficients::floats(vec![-1.0; len]));
        let of = |id, map: LinearMap| source(id).map(|source| Term { source, map: map.into() });
        let terms = [of(b, LinearMap::Identity(len)), of(a, minus)].into_iter().flatten().collect();
        let bias = Coefficients::zeros(len);
        // No execution computes it.
        let rounding = Rounding::exact(&bias);
        let name = format!("{} less {}", self.old[b].name, self.old[a].name);
        self.new.push(Node { len, kind: NodeKind::Affine(Affine { terms, bias, rounding }), name });
        self.new.len() - 1
    }
}
