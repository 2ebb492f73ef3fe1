//! A network over bounds as the dual engine sees it: every activation neuron with its lines, every affine node with its
//! weights in both floats and with what passing it may lose.

use super::choices::Choices;
use super::pairs::Pair;
use super::sphere::{Sphere, spheres};
use crate::activation::{ActivationFn, Piece, Slopes};
use crate::domain::{Bounds, NodeBounds, NodeLines};
use crate::network::{Activation, Affine, ColumnMap, Network, NodeId, NodeKind, PullBackError};
use crate::num::Real;
use crate::num::error::{ETA, UNIT};
use crate::num::round::{add_up, mul_up};
use crate::query::Region;
use std::sync::Arc;

/// How one neuron of an activation node is passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pass {
    /// The neuron is zero.
    Zero,
    /// The neuron is its pre-activation.
    Same,
    /// `lower.0 · z + lower.1 ≤ y ≤ upper.0 · z + upper.1`, both lines fixed.
    Fixed { lower: (f64, f64), upper: (f64, f64) },
    /// `slope · z ≤ y ≤ upper.0 · z + upper.1` with any slope between those of the activation's two pieces; `index`
    /// numbers such neurons through the network.
    Free { index: usize, upper: (f64, f64) },
}

/// How an activation node is passed.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// The node of the pre-activations.
    pub source: NodeId,
    /// What it applies.
    pub function: Arc<dyn ActivationFn>,
    /// Slopes of the two pieces, where the activation is convex with one corner at zero.
    pub corner: (f64, f64),
    /// One per neuron.
    pub passes: Vec<Pass>,
    /// `|a| · error` bounds what rounding `a · slope` may lose.
    pub error: Vec<f64>,
    /// What underflow may lose whatever `a` is.
    pub absolute: f64,
}

/// For each affine node its terms' sources and weights; nothing for other nodes.
pub(super) type Maps<'a, T> = Vec<Vec<(NodeId, ColumnMap<'a, T>)>>;

/// A network's weights for batches of columns, in both floats.
#[derive(Debug)]
pub struct Compiled<'a> {
    pub(super) network: &'a Network,
    pub(super) guess: Maps<'a, f32>,
    pub(super) proof: Maps<'a, f64>,
    /// Balls around the values of nodes, where there are any.
    pub(super) spheres: Vec<Option<Sphere>>,
}

fn maps<T: Real>(network: &Network) -> Maps<'_, T> {
    let of_node = |kind| match kind {
        &NodeKind::Affine(Affine { ref terms, .. }) => terms.iter().map(|t| (t.source, t.map.columns())).collect(),
        _ => Vec::new(),
    };
    network.nodes().iter().map(|node| of_node(&node.kind)).collect()
}

impl<'a> Compiled<'a> {
    /// The weights of every affine node.
    #[must_use]
    pub fn new(network: &'a Network) -> Self {
        Self { network, guess: maps(network), proof: maps(network), spheres: vec![None; network.nodes().len()] }
    }

    /// The same for [relaxations](Relaxed) over a ball or what lies within: over an L2 ball the neurons of a layer are
    /// bounded jointly. What shows bounds to a checker knows nothing of that.
    #[must_use]
    pub fn around(network: &'a Network, region: &Region) -> Self {
        Self { spheres: spheres(network, region, corner), ..Self::new(network) }
    }
}

/// Whether some activation of the network has neurons that the engine can split.
#[must_use]
pub fn has_corners(network: &Network) -> bool {
    network.activations().any(|(_, a)| a.function.pieces().and_then(corner).is_some())
}

/// The network over bounds of all its nodes up to some node.
#[derive(Debug)]
pub struct Relaxed<'a> {
    pub(super) compiled: &'a Compiled<'a>,
    pub(super) region: &'a Region,
    pub(super) bounds: &'a Bounds,
    /// One per activation node within the bounds.
    pub(super) layers: Vec<Option<Layer>>,
    /// One per node of curves or products within the bounds.
    pub(super) choices: Vec<Option<Choices>>,
    /// One per activation node within the bounds that is the second of two that correspond.
    pub(super) pairs: Vec<Option<Pair>>,
    /// One per affine node within the bounds.
    pub(super) errors: Vec<Option<PullBackError>>,
    /// For each bounded node `|a| · error` bounds what rounding a coefficient `a` once may lose.
    pub(super) once: Vec<Vec<f64>>,
    /// The free neurons as (node, neuron), by index; those of curves and products have two, and differences one.
    pub(super) free: Vec<(NodeId, usize)>,
    /// By index where the neuron's parameter lies, and the share of that range where it begins.
    parameters: Vec<((f64, f64), u16)>,
}

/// What rounding a coefficient of each neuron once may lose, per unit of the coefficient.
fn once(z: &NodeBounds) -> Vec<f64> {
    let error = |m: f64| add_up(mul_up(2.0 * UNIT, m), mul_up(2.0 * ETA, m));
    z.iter().map(|z| error(z.magnitude())).collect()
}

/// The slopes of an activation with one convex corner at zero, such as ReLU.
pub(super) fn corner(pieces: &[Piece]) -> Option<(f64, f64)> {
    let [left, right] = pieces else { return None };
    let is_corner = right.from == 0.0 && left.intercept == 0.0 && right.intercept == 0.0 && left.slope < right.slope;
    is_corner.then_some((left.slope, right.slope))
}

impl<'a> Relaxed<'a> {
    /// The relaxation over `region`, where `bounds` hold; nodes beyond those that are bounded cannot be passed.
    #[must_use]
    pub fn new(compiled: &'a Compiled<'a>, region: &'a Region, bounds: &'a Bounds) -> Self {
        let nodes = compiled.network.nodes();
        let mut relaxed = Self {
            compiled,
            region,
            bounds,
            layers: vec![None; nodes.len()],
            choices: vec![None; nodes.len()],
            pairs: vec![None; nodes.len()],
            errors: vec![None; nodes.len()],
            once: bounds.nodes().iter().map(once).collect(),
            free: Vec::new(),
            parameters: Vec::new(),
        };
        for (id, node) in nodes.iter().enumerate() {
            if node.sources().any(|source| bounds.get(source).is_none()) {
                break;
            }
            match &node.kind {
                NodeKind::Input => {}
                NodeKind::Product(product) => {
                    relaxed.choose(id, Choices::of_product(product, |source| &bounds.nodes()[source]));
                }
                NodeKind::Activation(activation) if activation.function.pieces().is_none() => {
                    relaxed.choose(id, Choices::of_activation(activation, &bounds.nodes()[activation.source]));
                }
                NodeKind::Affine(affine) => {
                    let magnitudes = |source: NodeId| bounds.nodes()[source].magnitudes();
                    relaxed.errors[id] = Some(affine.pull_back_error(magnitudes));
                    relaxed.pair(id);
                }
                NodeKind::Activation(activation) => {
                    let z = &bounds.nodes()[activation.source];
                    relaxed.layers[id] = Some(relaxed.layer(id, activation, z));
                }
            }
        }
        relaxed
    }

    /// Where node `id` is the difference of what two activations read.
    fn pair(&mut self, id: NodeId) {
        let network = self.compiled.network;
        let Some(twin) = network.twins().iter().find(|twin| twin.difference == id) else { return };
        let (pair, parameters) = Pair::new(*twin, network, self.bounds, self.free.len());
        for (neuron, first) in parameters {
            self.free.push((id, neuron));
            self.parameters.push(((0.0, 1.0), first));
        }
        self.pairs[twin.second] = Some(pair);
    }

    fn choose(&mut self, id: NodeId, mut choices: Choices) {
        for (neuron, last, first) in choices.number(self.free.len()) {
            self.free.push((id, neuron));
            self.parameters.push(((0.0, last), share_of(first as f32, (0.0, 1.0))));
        }
        self.choices[id] = Some(choices);
    }

    fn layer(&mut self, id: NodeId, activation: &Activation, z: &NodeBounds) -> Layer {
        let &Activation { source, ref function, .. } = activation;
        let lines = NodeLines::new(function.as_ref(), z, Slopes::Area);
        let corner = function.pieces().and_then(corner);
        let mut absolute = lines.absolute;
        let (mut passes, mut error) = (Vec::with_capacity(z.len()), Vec::with_capacity(z.len()));
        for i in 0..z.len() {
            let lower = (lines.lower_slope[i], lines.lower_intercept[i]);
            let upper = (lines.upper_slope[i], lines.upper_intercept[i]);
            let range = z.get(i);
            let (pass, error_of_neuron) = match corner {
                Some((left, right)) if range.lo < 0.0 && range.hi > 0.0 => {
                    self.free.push((id, i));
                    // DeepPoly's slope.
                    self.parameters.push(((left, right), if range.hi >= -range.lo { u16::MAX } else { 0 }));
                    let steepest = left.abs().max(right.abs());
                    let m = range.magnitude();
                    absolute = add_up(absolute, mul_up(ETA, m));
                    let of_slope = mul_up(mul_up(2.0 * UNIT, steepest), m);
                    (Pass::Free { index: self.free.len() - 1, upper }, add_up(of_slope, mul_up(2.0 * ETA, m)))
                }
                _ if (lower, upper) == ((0.0, 0.0), (0.0, 0.0)) => (Pass::Zero, 0.0),
                _ if (lower, upper) == ((1.0, 0.0), (1.0, 0.0)) => (Pass::Same, 0.0),
                _ => (Pass::Fixed { lower, upper }, lines.error[i]),
            };
            passes.push(pass);
            error.push(error_of_neuron);
        }
        let function = function.clone();
        Layer { source, function, corner: corner.unwrap_or_default(), passes, error, absolute }
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &'a Network {
        self.compiled.network
    }

    /// The last node.
    pub(super) fn last(&self) -> NodeId {
        self.network().nodes().len() - 1
    }

    /// The bounds of the nodes over the region.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        self.bounds
    }

    /// Whether the unstable neurons of an activation node have free slopes.
    #[must_use]
    pub fn has_corner(&self, id: NodeId) -> bool {
        self.layers[id].as_ref().is_some_and(|layer| layer.corner.0 < layer.corner.1)
    }

    /// How many neurons have a free slope, of the activation nodes up to `node`.
    #[must_use]
    pub fn free_up_to(&self, node: NodeId) -> usize {
        self.free.partition_point(|&(id, _)| id <= node)
    }

    /// The free neurons as (node, neuron), in order.
    #[must_use]
    pub fn free(&self) -> &[(NodeId, usize)] {
        &self.free
    }

    /// The shares with which the first `count` free neurons begin.
    pub(super) fn first_shares(&self, count: usize) -> Vec<u16> {
        self.parameters[..count].iter().map(|&(_, first)| first).collect()
    }

    /// Where the parameter of free neuron `index` lies: between the slopes of its corner, from its first to its last
    /// plane, or from no share to all.
    pub(super) fn range_of(&self, index: usize) -> (f64, f64) {
        self.parameters[index].0
    }
}

/// A slope between those of a corner, or another parameter of such a range, from its share in units of 2⁻¹⁶: the same number in both floats' passes as far as
/// they can hold it.
pub(super) fn slope_of(share: u16, (left, right): (f64, f64)) -> f64 {
    (left + (right - left) * (f64::from(share) / f64::from(u16::MAX))).clamp(left, right)
}

/// The share that gives the slope nearest to `slope`.
pub(super) fn share_of(slope: f32, (left, right): (f64, f64)) -> u16 {
    let share = (slope - left as f32) / (right - left) as f32;
    // A cast keeps to the range.
    (share * f32::from(u16::MAX) + 0.5) as u16
}
