//! How wide the bounds of each layer are, and how large the output box.

use crate::analyze::unstable;
use crate::analyze::{AnalyzeError, Options, bounds};
use crate::domains::domain::{Bounds, NodeBounds, Run};
use crate::domains::network::{Activation, Network, NodeId};
use crate::domains::num::Interval;
use crate::domains::query::Region;

/// A layer whose bounds are compared: the pre-activations of an activation, or the network's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedLayer {
    /// Index of the node that is bounded.
    pub node: NodeId,
    /// Its name in the file.
    pub name: String,
    /// What follows it: `relu`, `sign`, … or `output`.
    pub kind: &'static str,
    /// How many neurons it has.
    pub neurons: usize,
}

/// How wide the bounds of one layer are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerWidths {
    /// Neurons that more than one segment of the activation passes through, summed over the query's
    /// cases; `None` for the output.
    pub unstable: Option<usize>,
    /// Mean over the neurons (and cases) of upper minus lower bound; infinite where a bound is.
    pub mean: f64,
    /// The largest of them.
    pub max: f64,
}

/// The bounded nodes, each with the activation that reads it.
fn bounded(network: &Network) -> Vec<(NodeId, Option<&Activation>)> {
    let activations = network.activations().map(|(_, activation)| (activation.source, Some(activation)));
    activations.chain([(network.output(), None)]).collect()
}

/// The layers of a network: one per activation, then the output.
#[must_use]
pub fn layers(network: &Network) -> Vec<BoundedLayer> {
    let layer = |(node, activation): (NodeId, Option<&Activation>)| BoundedLayer {
        node,
        name: network.node(node).name.clone(),
        kind: activation.map_or("output", |a| a.function.name()),
        neurons: network.node(node).len,
    };
    bounded(network).into_iter().map(layer).collect()
}

/// The widths of every layer, given the bounds of each case; `None` for layers that some case's bounds
/// do not reach.
pub(super) fn widths(network: &Network, cases: &[Bounds]) -> Vec<Option<LayerWidths>> {
    let of_layer = |(node, activation): (NodeId, Option<&Activation>)| {
        let bounds: Vec<&NodeBounds> = cases.iter().map(|case| case.get(node)).collect::<Option<_>>()?;
        let widths: Vec<f64> = bounds.iter().flat_map(|b| b.iter().map(Interval::width)).collect();
        Some(LayerWidths {
            unstable: activation.map(|a| bounds.iter().map(|z| unstable(a, z)).sum()),
            mean: widths.iter().sum::<f64>() / widths.len().max(1) as f64,
            max: widths.iter().copied().fold(0.0, f64::max),
        })
    };
    bounded(network).into_iter().map(of_layer).collect()
}

/// log₁₀ of the volume of the box that a domain certifies for the outputs (as in *Beyond the Single
/// Neuron Convex Barrier for Neural Network Certification*, Table 1): every output is minimised and
/// maximised, and the better of that and of the `known` neuron bounds counts. `None` when the box is
/// flat or not bounded.
///
/// # Errors
/// Those of [`analyze_within`].
pub fn output_volume(
    network: &Network,
    region: &Region,
    known: &Bounds,
    options: &Options,
    run: Run<'_>,
) -> Result<Option<f64>, AnalyzeError> {
    let mut found = bounds(network, region, options, run)?;
    found.intersect(known);
    let Some(sides) = found.get(network.output()) else { return Ok(None) };
    let volume: f64 = sides.iter().map(|side| side.width().log10()).sum();
    Ok(volume.is_finite().then_some(volume))
}
