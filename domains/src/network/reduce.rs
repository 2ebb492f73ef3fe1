//! Networks without the neurons that are zero on all of a region, and without the products by zero.

use super::{Affine, Network, Node, NodeId, NodeKind, Rounding, Term};
use std::sync::Arc;

/// A network with fewer neurons, and which of the whole network's neurons they are.
#[derive(Clone, Debug)]
pub struct Reduced {
    /// The network, its nodes numbered as in the whole one; for real arithmetic only.
    pub network: Network,
    kept: Vec<Option<Vec<usize>>>,
}

impl Reduced {
    /// For the neurons of node `id` their indices in the whole network; `None` where all are kept.
    #[must_use]
    pub fn kept(&self, id: NodeId) -> Option<&[usize]> {
        self.kept[id].as_deref()
    }
}

impl Network {
    /// The network without those neurons of activation nodes of which `is_zero` says that their output is zero: on
    /// the inputs where it is, both compute the same in real arithmetic.
    ///
    /// Neurons are left out where dense layers surround them; a node keeps at least one. Large matrices of few products
    /// become sparse ones.
    #[must_use]
    pub fn without_zeros(&self, is_zero: impl Fn(NodeId, usize) -> bool) -> Reduced {
        let readers = self.consumers();
        let mut kept: Vec<Option<Vec<usize>>> = vec![None; self.nodes.len()];
        for (id, activation) in self.activations() {
            let z = activation.source;
            let is_surrounded = readers[z] == 1
                && z != self.output
                && id != self.output
                && matches!(&self.nodes[z].kind, NodeKind::Affine(affine) if affine.terms.iter().all(is_dense))
                && self.affine_nodes().flat_map(|affine| &affine.terms).filter(|t| t.source == id).all(is_dense)
                && self.activations().all(|(_, other)| other.source != id)
                && !self.is_ranged(id);
            let mut left: Vec<usize> = (0..self.nodes[id].len).filter(|&i| !is_zero(id, i)).collect();
            if !is_surrounded || left.len() == self.nodes[id].len {
                continue;
            }
            if left.is_empty() {
                left.push(0);
            }
            kept[z] = Some(left.clone());
            kept[id] = Some(left);
        }
        let nodes = self.nodes.iter().enumerate().map(|(id, node)| reduced(node, kept[id].as_deref(), &kept)).collect();
        let network = self.rebuilt(nodes, self.output);
        Reduced { network, kept }
    }

    fn affine_nodes(&self) -> impl Iterator<Item = &Affine> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Affine(affine) => Some(affine),
            _ => None,
        })
    }
}

fn is_dense(term: &Term) -> bool {
    term.map.is_dense()
}

/// A node with the rows `own`, which reads nodes with the neurons `kept`.
fn reduced(node: &Node, own: Option<&[usize]>, kept: &[Option<Vec<usize>>]) -> Node {
    let kind = match &node.kind {
        NodeKind::Input => NodeKind::Input,
        NodeKind::Activation(activation) => NodeKind::Activation(activation.clone()),
        NodeKind::Product(product) => NodeKind::Product(product.clone()),
        NodeKind::Affine(affine) => {
            let selected = |term: &Term| {
                let restricted = term.map.restricted(own, kept[term.source].as_deref());
                let sparse = restricted.as_ref().unwrap_or(&term.map).as_sparse();
                Term { source: term.source, map: sparse.or(restricted).map_or_else(|| Arc::clone(&term.map), Arc::new) }
            };
            let terms: Vec<Term> = affine.terms.iter().map(selected).collect();
            let bias = own.map_or_else(
                || affine.bias.clone(),
                |own| affine.bias.select(&own.iter().map(|&i| Some(i)).collect::<Vec<_>>()),
            );
            let rounding = Rounding::unknown();
            NodeKind::Affine(Affine { terms, bias, rounding })
        }
    };
    Node { len: own.map_or(node.len, <[usize]>::len), kind, name: node.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Relu;
    use crate::network::{Coefficients, LinearMap, NetworkBuilder};
    use crate::num::Rational;
    use ndarray::arr2;

    /// Two hidden layers of three, the second of which also feeds a second branch.
    fn network() -> Network {
        let mut builder = NetworkBuilder::new(&[2]);
        let dense = |w| LinearMap::Dense(w);
        let w = dense(arr2(&[[1.0, -1.0], [0.5, 0.5], [-1.0, -1.0]]));
        let z = builder.linear("a", 0, w, Coefficients::floats(vec![0.0, 0.25, -3.0])).unwrap();
        let y = builder.activation("b", z, Arc::new(Relu)).unwrap();
        let w = dense(arr2(&[[1.0, 2.0, 7.0], [-1.0, -1.0, 7.0], [2.0, -1.0, 7.0]]));
        let z = builder.linear("c", y, w, Coefficients::floats(vec![-0.5, -1.0, 0.125])).unwrap();
        let y = builder.activation("d", z, Arc::new(Relu)).unwrap();
        let terms = vec![
            Term { source: y, map: dense(arr2(&[[1.0, 5.0, -1.0]])).into() },
            Term { source: 0, map: dense(arr2(&[[1.0, 1.0]])).into() },
        ];
        let out = builder.affine("e", terms, Coefficients::floats(vec![0.75])).unwrap();
        builder.finish(out, &[1]).unwrap()
    }

    #[test]
    fn what_is_left_computes_the_same_where_the_others_are_zero() {
        let whole = network();
        // On [0, 1]² the third neuron of the first layer and the second of the second are off.
        let dead = [(2, 2), (4, 1)];
        let reduced = whole.without_zeros(|id, i| dead.contains(&(id, i)));
        let lens: Vec<usize> = reduced.network.nodes().iter().map(|node| node.len).collect();
        assert_eq!(lens, [2, 2, 2, 2, 2, 1]);
        assert_eq!(reduced.kept(4), Some(&[0, 2][..]));
        assert_eq!(reduced.kept(5), None);
        for (a, b) in [(0.0, 0.0), (1.0, 0.0), (0.25, 0.75), (1.0, 1.0), (0.5, 0.125)] {
            let x: Vec<Rational> = [a, b].iter().map(|&x| Rational::try_from(x).unwrap()).collect();
            assert_eq!(whole.evaluate(&x).unwrap(), reduced.network.evaluate(&x).unwrap());
        }
    }

    #[test]
    fn a_layer_never_vanishes_and_outputs_stay() {
        let whole = network();
        let reduced = whole.without_zeros(|_, _| true);
        let lens: Vec<usize> = reduced.network.nodes().iter().map(|node| node.len).collect();
        assert_eq!(lens, [2, 1, 1, 1, 1, 1]);
    }
}
