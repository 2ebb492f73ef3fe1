//! Networks with a node of their own for what an activation or a product rounds.

use super::Rounding;
use crate::activation::{ActivationFn, Sigmoid};
use crate::network::derived::Derived;
use crate::network::{
    Activation, Affine, Coefficients, Factor, LinearMap, Network, Node, NodeId, NodeKind, Product, Term,
};
use std::sync::Arc;

impl Network {
    /// Behind each activation and product that rounds an affine node that rounds in its place. Where nothing is known of
    /// what is rounded, the node stays as it is.
    pub(in crate::network) fn with_rounded_nodes(self) -> Self {
        let mut graph = Graph { nodes: Vec::with_capacity(self.nodes.len()), ulps: self.ulps };
        // The node of each one's rounded values.
        let mut rounded: Vec<NodeId> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let node = node.clone().moved(|source| rounded[source]);
            rounded.push(graph.rounded(node));
        }
        let nodes = graph.nodes;
        if nodes.len() == self.nodes.len() {
            return self;
        }
        // Twins must stand next to each other, which they do no more.
        let maxima = self.maxima.iter().filter_map(|maxima| maxima.moved(|id| Some(rounded[id]))).collect();
        Self { nodes, output: rounded[self.output], derived: Derived::default(), twins: Vec::new(), maxima, ..self }
    }
}

struct Graph {
    nodes: Vec<Node>,
    ulps: u32,
}

impl Graph {
    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The node of the rounded values of `node`, which it follows.
    fn rounded(&mut self, mut node: Node) -> NodeId {
        let (len, name) = (node.len, node.name.clone());
        let rounding = match &mut node.kind {
            NodeKind::Activation(Activation { source, function, .. }) if function.name() == "silu" => {
                let source = *source;
                return self.silu(source, len, name);
            }
            NodeKind::Activation(Activation { rounding, .. }) | NodeKind::Product(Product { rounding, .. })
                if !rounding.is_exact() && rounding.assuming(self.ulps).is_known() =>
            {
                std::mem::take(rounding)
            }
            _ => return self.push(node),
        };
        let terms = vec![Term { source: self.push(node), map: LinearMap::Identity(len).into() }];
        let affine = Affine { terms, bias: Coefficients::zeros(len), rounding };
        self.push(Node { len, kind: NodeKind::Affine(affine), name })
    }

    /// `x · σ(x)` as executions compute it, by a product: where that is small, the error of the sigmoid is not.
    fn silu(&mut self, source: NodeId, len: usize, name: String) -> NodeId {
        let function: Arc<dyn ActivationFn> = Arc::new(Sigmoid);
        let rounding = Rounding::of_function(function.as_ref());
        let kind = NodeKind::Activation(Activation { source, function, rounding });
        let sigmoid = self.rounded(Node { len, kind, name: name.clone() });
        let factors = [source, sigmoid].map(|source| Factor { source, index: (0..len).collect() });
        let kind = NodeKind::Product(Product { factors, rounding: Rounding::of_operations(1) });
        self.rounded(Node { len, kind, name })
    }
}
