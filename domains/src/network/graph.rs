//! The layer graph as a whole.

use super::derived::Derived;
use super::float32::Original;
use super::{
    Activation, Affine, Arithmetic, Coefficients, LinearMap, Maxima, Node, NodeId, NodeKind, Product, Rounding, Term,
    Twin,
};
use std::borrow::Cow;
use std::sync::Arc;
use thiserror::Error;

/// A feed-forward network with one input and one output vector.
#[derive(Clone, Debug)]
pub struct Network {
    pub(super) nodes: Vec<Node>,
    pub(super) output: NodeId,
    pub(super) input_shape: Vec<usize>,
    pub(super) output_shape: Vec<usize>,
    /// The operators before any were folded.
    pub(super) original: Arc<Original>,
    pub(super) arithmetic: Arithmetic,
    /// What functions of the runtime are assumed to be off by at most in float32.
    pub(super) ulps: u32,
    pub(super) derived: Derived,
    pub(super) has_lattices: bool,
    pub(super) twins: Vec<Twin>,
    /// By node.
    pub(super) maxima: Vec<Maxima>,
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

    /// The activation at node `id`, where there is one.
    #[must_use]
    pub fn activation(&self, id: NodeId) -> Option<&Activation> {
        match &self.nodes[id].kind {
            NodeKind::Activation(activation) => Some(activation),
            _ => None,
        }
    }

    /// The product nodes with their indices.
    pub fn products(&self) -> impl Iterator<Item = (NodeId, &Product)> + '_ {
        self.nodes.iter().enumerate().filter_map(|(id, node)| match &node.kind {
            NodeKind::Product(product) => Some((id, product)),
            _ => None,
        })
    }

    /// The activations that correspond, where this is two networks in one.
    #[must_use]
    pub fn twins(&self) -> &[Twin] {
        &self.twins
    }

    /// The nodes that are known to hold maxima, in order.
    #[must_use]
    pub fn maxima(&self) -> &[Maxima] {
        &self.maxima
    }

    /// What node `id` holds the maxima of, if that is known.
    #[must_use]
    pub fn maxima_at(&self, id: NodeId) -> Option<&Maxima> {
        let at = self.maxima.binary_search_by_key(&id, |maxima| maxima.node).ok()?;
        self.maxima.get(at)
    }

    /// Whether something besides activations is relaxed over the node's bounds: a product that reads it, activations
    /// of which it is the difference, or maxima of its entries.
    #[must_use]
    pub fn is_ranged(&self, id: NodeId) -> bool {
        self.products().any(|(_, product)| product.factors.iter().any(|factor| factor.source == id))
            || self.twins.iter().any(|twin| twin.difference == id)
            || self.maxima.iter().any(|maxima| maxima.source == id)
    }

    /// True when some activation is a step function.
    #[must_use]
    pub fn has_steps(&self) -> bool {
        self.activations().any(|(_, a)| a.function.is_step())
    }

    /// The first node that is not piecewise affine in what it reads: a smooth activation or a product.
    #[must_use]
    pub fn first_curve(&self) -> Option<NodeId> {
        self.nodes.iter().position(|node| match &node.kind {
            NodeKind::Input | NodeKind::Affine(_) => false,
            NodeKind::Activation(activation) => activation.function.pieces().is_none(),
            NodeKind::Product(_) => true,
        })
    }

    /// True when some node is not piecewise affine in what it reads.
    #[must_use]
    pub fn has_curves(&self) -> bool {
        self.first_curve().is_some()
    }

    /// True for a signum network: there are activations, all of them are step functions, and nothing is multiplied.
    #[must_use]
    pub fn is_signum(&self) -> bool {
        self.has_steps() && !self.has_curves() && self.activations().all(|(_, a)| a.function.is_step())
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

    /// The arithmetic in which the network is executed.
    #[must_use]
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// The same network executed in another arithmetic. Domains then bound the values of every float32 execution:
    /// each affine node gets the interval of [`Rounding`] added to its bias, as far as the bounds of what it reads
    /// tell; behind each activation and product that rounds stands one that does nothing else. Maxima stay known where they
    /// are of the execution's own numbers and none of these is rounded.
    #[must_use]
    pub fn in_arithmetic(&self, arithmetic: Arithmetic) -> Cow<'_, Self> {
        if self.arithmetic == arithmetic {
            return Cow::Borrowed(self);
        }
        if arithmetic == Arithmetic::Real {
            return Cow::Owned(Self { arithmetic, ..self.clone() });
        }
        let is_exact = |node: &Node| match &node.kind {
            NodeKind::Affine(affine) => affine.rounding.is_exact(),
            _ => true,
        };
        let is_known =
            |maxima: &&Maxima| maxima.source > 0 && self.nodes[maxima.source + 1..=maxima.node].iter().all(is_exact);
        let maxima = self.maxima.iter().filter(is_known).cloned().collect();
        let same = Self { arithmetic, maxima, ..self.clone() }.with_rounded_nodes();
        let chooses = |node: &Node| !matches!(node.kind, NodeKind::Input | NodeKind::Affine(_));
        let reads_input = self.nodes.iter().any(|node| chooses(node) && node.sources().any(|source| source == 0));
        Cow::Owned(if reads_input { same.behind_rounded_input() } else { same })
    }

    /// Units in the last place that functions of the runtime such as `exp` are off by at most in float32, where nothing else
    /// is said: what the mathematical libraries of processors and graphics cards publish or stay within.
    pub const ULPS: u32 = 4;

    /// The same with another such assumption; with 0 nothing is known of such functions.
    #[must_use]
    pub fn assuming(self, ulps: u32) -> Self {
        Self { ulps, ..self }
    }

    /// What is assumed of functions of the runtime, in units in the last place; 0 for nothing.
    #[must_use]
    pub fn ulps(&self) -> u32 {
        self.ulps
    }

    /// What is said of the network rests on an assumption about functions of the runtime, which no standard specifies.
    #[must_use]
    pub fn rests_on_functions(&self) -> bool {
        let calls = |node: &Node| node.rounding().is_some_and(|rounding| rounding.calls > 0);
        self.arithmetic == Arithmetic::Float32 && self.nodes.iter().any(calls)
    }

    /// The real network of other nodes in the place of these, of which the same is known.
    pub(super) fn rebuilt(&self, nodes: Vec<Node>, output: NodeId) -> Self {
        Self {
            nodes,
            output,
            input_shape: self.input_shape.clone(),
            output_shape: self.output_shape.clone(),
            original: Arc::clone(&self.original),
            arithmetic: Arithmetic::Real,
            ulps: self.ulps,
            derived: Derived::default(),
            has_lattices: self.has_lattices,
            twins: self.twins.clone(),
            maxima: self.maxima.clone(),
        }
    }

    /// The network with an affine node behind the input, to which rounding the inputs can be charged.
    fn behind_rounded_input(&self) -> Self {
        let len = self.input_len();
        let (terms, bias) = (vec![Term { source: 0, map: LinearMap::Identity(len).into() }], Coefficients::zeros(len));
        let affine = Affine { terms, rounding: Rounding::exact(&bias), bias };
        self.behind_input(Node { len, kind: NodeKind::Affine(affine), name: "rounded input".into() })
    }

    /// The same, of whose values nothing is taken for known but bounds: no checker of certificates knows on what lattices they
    /// lie, or which are maxima.
    #[must_use]
    pub fn as_checked(&self) -> Cow<'_, Self> {
        let has_lattices = self.has_lattices && !self.has_steps();
        if has_lattices != self.has_lattices || !self.maxima.is_empty() {
            Cow::Owned(Self { has_lattices, maxima: Vec::new(), ..self.clone() })
        } else {
            Cow::Borrowed(self)
        }
    }

    /// Whether values are known to lie on lattices, as sums of signs do.
    #[must_use]
    pub fn has_lattices(&self) -> bool {
        self.has_lattices
    }

    /// The first activation or product of which no float32 execution is known, or none without an assumption.
    #[must_use]
    pub fn rounded_node(&self) -> Option<NodeId> {
        let is_known = |rounding: &Rounding| rounding.assuming(self.ulps).is_known();
        self.nodes.iter().position(|node| match &node.kind {
            NodeKind::Input => false,
            NodeKind::Affine(affine) => affine.rounding.calls > 0 && !is_known(&affine.rounding),
            NodeKind::Activation(Activation { rounding, .. }) | NodeKind::Product(Product { rounding, .. }) => {
                !is_known(rounding)
            }
        })
    }

    /// What `make` makes of this network, kept with it and its copies from the first call on for all that ask for the same
    /// type; whoever asks for another one later has it made anew.
    ///
    /// # Errors
    /// Those of `make`, of which nothing is kept.
    pub fn derived<T: Send + Sync + 'static, E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        self.derived.get(make)
    }

    /// Replaces the bias of an affine node, in the copy of the network that a float32 analysis widens as it goes.
    pub(crate) fn replace_bias(&mut self, id: NodeId, bias: Coefficients) {
        if let Some(NodeKind::Affine(affine)) = self.nodes.get_mut(id).map(|node| &mut node.kind) {
            affine.bias = bias;
        }
        self.derived = Derived::default();
    }
}
