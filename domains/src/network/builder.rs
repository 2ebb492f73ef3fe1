//! Building a network node by node, and folding what folds without rounding.

use super::derived::Derived;
use super::float32::Original;
use super::node::{divisors, maps, used};
use super::threshold::{is_signum, plain_thresholds};
use super::{
    Activation, Affine, Arithmetic, Coefficients, Factor, LinearMap, Maxima, Network, NetworkError, Node, NodeId,
    NodeKind, Operator, Product, Rounding, Term, Twin,
};
use crate::activation::ActivationFn;
use crate::num::Rational;
use std::collections::HashMap;
use std::sync::Arc;

/// Builds a [`Network`] node by node, checking shapes and folding what folds without rounding.
///
/// Folding: an affine node that only renames, permutes or scales another affine node that nobody else
/// reads is merged into it; everything else keeps its structure. What a signum reads becomes a plain
/// threshold: batch normalisation, scales and pooling before it turn into weights ±1 and a shift.
#[derive(Clone, Debug)]
pub struct NetworkBuilder {
    nodes: Vec<Node>,
    input_shape: Vec<usize>,
    maxima: HashMap<NodeId, Maxima>,
    operators: HashMap<NodeId, Operator>,
}

impl NetworkBuilder {
    /// A network with an input tensor of this shape (without the batch axis).
    #[must_use]
    pub fn new(input_shape: &[usize]) -> Self {
        let len = input_shape.iter().product();
        let input = Node { len, kind: NodeKind::Input, name: "input".into() };
        Self {
            nodes: vec![input],
            input_shape: input_shape.to_vec(),
            maxima: HashMap::new(),
            operators: HashMap::new(),
        }
    }

    /// The input node.
    #[must_use]
    pub fn input(&self) -> NodeId {
        0
    }

    /// Length of a node.
    #[must_use]
    pub fn len(&self, id: NodeId) -> usize {
        self.nodes[id].len
    }

    /// The activation that a node is, if it is one.
    #[must_use]
    pub fn activation_at(&self, id: NodeId) -> Option<&Activation> {
        match &self.nodes[id].kind {
            NodeKind::Activation(activation) => Some(activation),
            _ => None,
        }
    }

    /// True when there is nothing but the input.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// Adds `map · source + bias`.
    pub fn linear(
        &mut self,
        name: &str,
        source: NodeId,
        map: LinearMap,
        bias: Coefficients,
    ) -> Result<NodeId, NetworkError> {
        self.affine(name, vec![Term { source, map: map.into() }], bias)
    }

    /// Adds `Σ W x + b`.
    pub fn affine(&mut self, name: &str, terms: Vec<Term>, bias: Coefficients) -> Result<NodeId, NetworkError> {
        let len = bias.len();
        let node = || name.to_owned();
        for term in &terms {
            if term.source >= self.nodes.len() {
                return Err(NetworkError::Graph { node: node(), what: "reads a node that does not exist yet" });
            }
            if let Some(what) = term.map.geometry_error() {
                return Err(NetworkError::Geometry { node: node(), what });
            }
            let (found, expected) = (term.map.input_len(), self.nodes[term.source].len);
            if found != expected {
                return Err(NetworkError::Shape { node: node(), what: "the weight's input", found, expected });
            }
            let found = term.map.output_len();
            if found != len {
                return Err(NetworkError::Shape { node: node(), what: "the weight's output", found, expected: len });
            }
            if !term.map.is_finite() {
                return Err(NetworkError::NotFinite { node: node(), what: "the weight" });
            }
        }
        if !bias.is_finite() {
            return Err(NetworkError::NotFinite { node: node(), what: "the bias" });
        }
        let rounding = Rounding::of(&maps(&terms), &bias);
        Ok(self.push(name, len, NodeKind::Affine(Affine { terms, bias, rounding })))
    }

    /// Adds `function(source)`.
    pub fn activation(
        &mut self,
        name: &str,
        source: NodeId,
        function: Arc<dyn ActivationFn>,
    ) -> Result<NodeId, NetworkError> {
        if source >= self.nodes.len() {
            return Err(NetworkError::Graph { node: name.into(), what: "reads a node that does not exist yet" });
        }
        let len = self.nodes[source].len;
        let rounding = Rounding::of_function(function.as_ref());
        Ok(self.push(name, len, NodeKind::Activation(Activation { source, function, rounding })))
    }

    /// Adds the products of the two factors, entry by entry.
    pub fn product(&mut self, name: &str, factors: [Factor; 2]) -> Result<NodeId, NetworkError> {
        let node = || name.to_owned();
        for factor in &factors {
            let Some(source) = self.nodes.get(factor.source) else {
                return Err(NetworkError::Graph { node: node(), what: "reads a node that does not exist yet" });
            };
            if factor.index.iter().any(|&i| i >= source.len) {
                return Err(NetworkError::Graph { node: node(), what: "multiplies an entry that does not exist" });
            }
        }
        let [found, expected] = factors.each_ref().map(|factor| factor.index.len());
        if found != expected {
            return Err(NetworkError::Shape { node: node(), what: "the first factor", found, expected });
        }
        let product = Product { factors, rounding: Rounding::of_operations(1) };
        Ok(self.push(name, found, NodeKind::Product(product)))
    }

    /// Declares how the node `node` is computed in float32, where that is not by sums of products with its weights or as
    /// its function says. A reciprocal that nothing reads but products that are parts, as their second factor, is one too: they
    /// are quotients.
    pub fn declare_operator(&mut self, node: NodeId, operator: Operator) -> Result<(), NetworkError> {
        let fault = |what| NetworkError::Graph { node: "operator".into(), what };
        let rounding = self.nodes.get(node).and_then(|node| operator.rounding(&node.kind));
        let Some((Node { len, kind, .. }, declared)) = self.nodes.get_mut(node).zip(rounding) else {
            return Err(fault("is declared of a node that cannot be computed so"));
        };
        if operator.len().is_some_and(|expected| expected != *len) {
            return Err(fault("is declared with parameters of another length"));
        }
        match kind {
            NodeKind::Affine(Affine { rounding, .. })
            | NodeKind::Activation(Activation { rounding, .. })
            | NodeKind::Product(Product { rounding, .. }) => *rounding = declared,
            NodeKind::Input => {}
        }
        self.operators.insert(node, operator);
        Ok(())
    }

    /// Declares that each entry of `node` is the largest of a group of entries of `source`, so that its sign may
    /// be computed from theirs, and its bounds.
    pub fn declare_maxima(
        &mut self,
        node: NodeId,
        source: NodeId,
        groups: Vec<Vec<usize>>,
    ) -> Result<(), NetworkError> {
        let fault = |what| Err(NetworkError::Graph { node: "maximum".into(), what });
        if source >= node || node >= self.nodes.len() || groups.len() != self.nodes[node].len {
            return fault("is declared of nodes that do not fit together");
        }
        if groups.iter().any(|g| g.is_empty() || g.iter().any(|&i| i >= self.nodes[source].len)) {
            return fault("is declared of entries that do not exist");
        }
        self.maxima.insert(node, Maxima { node, source, groups: groups.into() });
        Ok(())
    }

    fn push(&mut self, name: &str, len: usize, kind: NodeKind) -> NodeId {
        self.nodes.push(Node { len, kind, name: name.into() });
        self.nodes.len() - 1
    }

    /// The finished network, whose output tensor has shape `output_shape` (without the batch axis).
    pub fn finish(mut self, output: NodeId, output_shape: &[usize]) -> Result<Network, NetworkError> {
        let graph = |node: &str, what| NetworkError::Graph { node: node.into(), what };
        let Some(node) = self.nodes.get(output) else {
            return Err(graph("output", "does not exist"));
        };
        if node.len == 0 || self.nodes[0].len == 0 {
            return Err(graph(&node.name, "input and output must not be empty"));
        }
        let found = output_shape.iter().product();
        if node.len != found {
            let (node, expected) = (node.name.clone(), node.len);
            return Err(NetworkError::Shape { node, what: "the output shape", found, expected });
        }
        for (id, is_divisor) in divisors(&self.nodes).into_iter().enumerate() {
            if let NodeKind::Activation(activation) = &mut self.nodes[id].kind
                && is_divisor
                && id != output
            {
                activation.rounding = Rounding::part();
            }
        }
        let original = Original::new(&self.nodes, output, self.operators);
        let mut maxima: Vec<Maxima> = self.maxima.values().cloned().collect();
        if self.nodes.iter().any(is_signum) {
            maxima.clear();
        }
        maxima.sort_by_key(|maxima| maxima.node);
        let (nodes, output) = plain_thresholds(self.nodes, output, &self.maxima);
        let (nodes, output) = drop_unused(nodes, output, &mut maxima);
        let (nodes, output) = drop_unused(fold(nodes, output, &maxima), output, &mut maxima);
        Ok(Network {
            nodes,
            output,
            input_shape: self.input_shape,
            output_shape: output_shape.to_vec(),
            original: Arc::new(original),
            arithmetic: Arithmetic::Real,
            ulps: Network::ULPS,
            derived: Derived::default(),
            has_lattices: true,
            twins: Vec::new(),
            maxima,
        })
    }
}

impl Network {
    /// The network after a normalisation `(x − mean_c) / std_c` of its inputs, where `c` is the `channel` of
    /// an input. `None` when there is no such mean or deviation, or a deviation is not positive.
    #[must_use]
    pub fn after_normalisation(
        &self,
        mean: &[Rational],
        std: &[Rational],
        channel: impl Fn(usize) -> usize,
    ) -> Option<Self> {
        let (n, channels) = (self.input_len(), mean.len());
        let fits = std.len() == channels && (0..n).all(|i| channel(i) < channels);
        if !fits || std.iter().any(|s| s <= &Rational::ZERO) {
            return None;
        }
        let scale = Coefficients::rationals((0..n).map(|i| Rational::ONE / &std[channel(i)]).collect());
        let bias = Coefficients::rationals((0..n).map(|i| -(&mean[channel(i)] / &std[channel(i)])).collect());
        let terms = vec![Term { source: 0, map: LinearMap::Diagonal(scale).into() }];
        // A difference and a quotient, with rounded parameters.
        let rounding = Rounding::of(&maps(&terms), &bias).with_more(3);
        let prologue = Affine { terms, bias, rounding };
        let node = Node { len: n, kind: NodeKind::Affine(prologue), name: "normalisation".into() };
        let original = Arc::new(self.original.after_normalisation(mean, std, channel));
        Some(Self { original, ..self.behind_input(node) })
    }

    /// The network with `node`, which reads the input, between the input and all others.
    pub(super) fn behind_input(&self, node: Node) -> Self {
        let mut nodes = vec![self.nodes[0].clone(), node];
        nodes.extend(self.nodes[1..].iter().map(|node| node.clone().moved(|source| source + 1)));
        let twins = self.twins.iter().map(Twin::after_one_more).collect();
        let maxima = self.maxima.iter().filter_map(|maxima| maxima.moved(|id| Some(id + 1))).collect();
        let (output, derived) = (self.output + 1, Derived::default());
        Self { nodes, output, derived, twins, maxima, ..self.clone() }
    }
}

/// Merges an affine node with one term into the affine node that it reads, if nobody else reads that
/// and the composition is exact and keeps its structure; and an identity term into a sum. Nodes of maxima stay.
fn fold(mut nodes: Vec<Node>, output: NodeId, maxima: &[Maxima]) -> Vec<Node> {
    let mut readers = vec![0usize; nodes.len()];
    for source in nodes.iter().flat_map(Node::sources) {
        readers[source] += 1;
    }
    readers[output] += 1;
    maxima.iter().for_each(|maxima| readers[maxima.node] += 1);
    for id in 0..nodes.len() {
        let NodeKind::Affine(affine) = nodes[id].kind.clone() else { continue };
        let mut terms = Vec::new();
        let mut bias = affine.bias.clone();
        let mut moved = affine.rounding.moved.clone();
        let mut parts = Vec::new();
        let mut changed = false;
        for term in &affine.terms {
            let inner = match &nodes[term.source].kind {
                NodeKind::Affine(inner) if readers[term.source] == 1 => compose(&term.map, inner),
                _ => None,
            };
            match inner {
                Some(inner) => {
                    changed = true;
                    bias = bias.plus(&inner.bias);
                    moved = moved.map(|(before, is_swapped)| (before.plus(&inner.bias), is_swapped));
                    terms.extend(inner.terms);
                    parts.push((&*term.map, Some(term.source)));
                }
                None => {
                    terms.push(term.clone());
                    parts.push((&*term.map, None));
                }
            }
        }
        if changed {
            let of_inner = |source: NodeId| match &nodes[source].kind {
                NodeKind::Affine(inner) => Some(&inner.rounding),
                _ => None,
            };
            let parts: Vec<(&LinearMap, Option<&Rounding>)> =
                parts.into_iter().map(|(map, source)| (map, source.and_then(of_inner))).collect();
            let rounding = Rounding { moved, ..Rounding::folded(&affine.rounding, &parts) };
            nodes[id].kind = NodeKind::Affine(Affine { terms, bias, rounding });
        }
    }
    nodes
}

/// The terms and the bias of `map ∘ inner` where exact and as sparse as its parts.
fn compose(map: &Arc<LinearMap>, inner: &Affine) -> Option<Composed> {
    let bias = map.of_parameters(&inner.bias)?;
    let compose_term =
        |t: &Term| LinearMap::compose(map, &t.map).map(|composed| Term { source: t.source, map: composed });
    Some(Composed { terms: inner.terms.iter().map(compose_term).collect::<Option<_>>()?, bias })
}

struct Composed {
    terms: Vec<Term>,
    bias: Coefficients,
}

/// Removes nodes that the output does not depend on, and maxima of them.
fn drop_unused(nodes: Vec<Node>, output: NodeId, maxima: &mut Vec<Maxima>) -> (Vec<Node>, NodeId) {
    let used = used(&nodes, output);
    let mut renumbered = vec![0; nodes.len()];
    let mut kept = Vec::new();
    for (id, node) in nodes.into_iter().enumerate().filter(|(id, _)| used[*id]) {
        renumbered[id] = kept.len();
        kept.push(node.moved(|source| renumbered[source]));
    }
    *maxima = maxima.iter().filter_map(|of| of.moved(|id| used[id].then(|| renumbered[id]))).collect();
    (kept, renumbered[output])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Relu;
    use crate::num::{Rational, exact, parse_decimal};
    use ndarray::array;

    #[test]
    fn a_normalisation_prologue_folds_into_one_exact_diagonal() {
        let mut b = NetworkBuilder::new(&[2]);
        let third = parse_decimal("1/3").unwrap();
        let shifted = b.linear("sub", 0, LinearMap::Identity(2), Coefficients::floats(vec![-0.5, -0.5])).unwrap();
        let scale = Coefficients::rationals(vec![third.clone(), third.clone()]);
        let scaled = b.linear("div", shifted, LinearMap::Diagonal(scale), Coefficients::zeros(2)).unwrap();
        let relu = b.activation("relu", scaled, std::sync::Arc::new(Relu)).unwrap();
        let network = b.finish(relu, &[2]).unwrap();
        assert_eq!(network.nodes().len(), 3);
        let x = [exact(2.0).unwrap(), exact(0.0).unwrap()];
        let y = network.evaluate::<Rational>(&x).unwrap();
        assert_eq!(y, vec![parse_decimal("0.5").unwrap(), Rational::ZERO]);
    }

    #[test]
    fn a_residual_sum_takes_over_the_branch_that_only_it_reads() {
        let mut b = NetworkBuilder::new(&[2]);
        let w = LinearMap::Dense(array![[1.0, 2.0], [3.0, 4.0]]);
        let branch = b.linear("fc", 0, w, Coefficients::floats(vec![1.0, 1.0])).unwrap();
        let identity = |source| Term { source, map: LinearMap::Identity(2).into() };
        let sum = b.affine("add", vec![identity(branch), identity(0)], Coefficients::zeros(2)).unwrap();
        let relu = b.activation("relu", sum, std::sync::Arc::new(Relu)).unwrap();
        let network = b.finish(relu, &[2]).unwrap();
        assert_eq!(network.nodes().len(), 3);
        assert_eq!(network.evaluate(&[1.0, -1.0]).unwrap(), vec![1.0, 0.0]);
    }

    #[test]
    fn a_normalisation_goes_before_everything_else() {
        let mut b = NetworkBuilder::new(&[2, 1, 1]);
        let w = LinearMap::Dense(array![[1.0, 1.0]]);
        let fc = b.linear("fc", 0, w, Coefficients::zeros(1)).unwrap();
        let network = b.finish(fc, &[1]).unwrap();
        let q = |t: &str| parse_decimal(t).unwrap();
        let normalised = network.after_normalisation(&[q("1"), q("2")], &[q("2"), q("0.1")], |i| i).unwrap();
        let y = normalised.evaluate::<Rational>(&[q("3"), q("2.05")]).unwrap();
        assert_eq!(y, vec![q("1.5")]);
        assert!(network.after_normalisation(&[q("1"), q("2")], &[q("2"), q("1"), q("1")], |i| i).is_none());
        assert!(network.after_normalisation(&[q("1")], &[q("1")], |i| i).is_none());
        assert!(network.after_normalisation(&[q("1")], &[q("0")], |_| 0).is_none());
        assert!(network.after_normalisation(&[q("1")], &[q("-1")], |_| 0).is_none());
    }

    #[test]
    fn shapes_that_do_not_fit_name_the_node() {
        let mut b = NetworkBuilder::new(&[3]);
        let e = b.linear("fc1", 0, LinearMap::Dense(array![[1.0, 2.0]]), Coefficients::zeros(1)).unwrap_err();
        assert!(e.to_string().contains("fc1"), "{e}");
        let nan = LinearMap::Dense(array![[1.0, f64::NAN, 0.0]]);
        assert!(matches!(b.linear("fc1", 0, nan, Coefficients::zeros(1)), Err(NetworkError::NotFinite { .. })));
    }
}
