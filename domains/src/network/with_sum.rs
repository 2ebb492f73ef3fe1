//! Networks with a sum of their values as one more node.

use super::{Affine, Coefficients, LinearMap, Network, Node, NodeId, NodeKind, Rounding, Term};
use ndarray::Array2;

impl Network {
    /// The real network with a last node of one neuron more: the sum of `terms`, each of one node and with one coefficient
    /// for each neuron that it reads, and of a constant.
    #[must_use]
    pub fn with_sum(&self, terms: &[(NodeId, Vec<(usize, f64)>)], constant: f64) -> Self {
        let of_node = |(source, entries): &(NodeId, Vec<(usize, f64)>)| {
            let mut row = Array2::zeros((1, self.nodes[*source].len));
            entries.iter().for_each(|&(i, c)| row[[0, i]] = c);
            Term { source: *source, map: LinearMap::Dense(row).into() }
        };
        let terms = terms.iter().map(of_node).collect();
        let bias = Coefficients::floats(vec![constant]);
        let rounding = Rounding::exact(&bias);
        let kind = NodeKind::Affine(Affine { terms, bias, rounding });
        let mut nodes = self.nodes.clone();
        nodes.push(Node { len: 1, kind, name: "sum".into() });
        self.rebuilt(nodes, self.output)
    }
}
