//! What a checker of certificates may lose more by rounding than the proof here: where a certificate is written, bounds
//! are taken for worse by this, so that the checker finds them too.

use super::{Bounds, NodeBounds};
use crate::network::{Affine, Network, NodeId, NodeKind};
use crate::num::Interval;
use crate::num::round::{add_up, sub_down};
use crate::query::LinearForms;

/// What may be lost of sums of magnitudes up to `reach`.
#[must_use]
pub fn allowance(reach: f64) -> f64 {
    if reach.is_finite() { 1e-9 * reach } else { 0.0 }
}

/// The magnitudes that the sums of an affine node's neurons go through.
fn magnitudes<'a>(affine: &Affine, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> Vec<f64> {
    let mut sums: Vec<f64> = (0..affine.bias.len()).map(|i| affine.bias.enclosure(i).magnitude()).collect();
    for term in &affine.terms {
        let of_term = term.map.magnitudes(&bounds(term.source).magnitudes());
        sums.iter_mut().zip(of_term).for_each(|(sum, more)| *sum += more);
    }
    sums
}

/// How large what is summed up to a node's neurons is, at most.
#[must_use]
pub fn reaches(network: &Network, id: NodeId, bounds: &Bounds) -> Vec<f64> {
    match &network.node(id).kind {
        NodeKind::Affine(affine) => magnitudes(affine, &|source| &bounds.nodes()[source]),
        _ => bounds.nodes()[id].magnitudes(),
    }
}

/// The same of some forms, whichever reaches furthest.
#[must_use]
pub fn reach(network: &Network, forms: &LinearForms, bounds: &Bounds) -> f64 {
    let mut sums: Vec<f64> = forms.constants.iter().map(|c| c.abs()).collect();
    for term in &forms.terms {
        let of_node = reaches(network, term.node, bounds);
        for (sum, row) in sums.iter_mut().zip(term.coefficients.rows()) {
            let terms = row.into_iter().zip(&of_node).filter(|(c, _)| **c != 0.0);
            *sum += terms.map(|(c, reach)| c.abs() * reach).sum::<f64>();
        }
    }
    sums.into_iter().fold(0.0, f64::max)
}

/// Bounds of an affine node as a checker will find them that finds those of its sources.
pub(super) fn loosened<'a>(
    found: NodeBounds,
    affine: &Affine,
    sources: &dyn Fn(NodeId) -> &'a NodeBounds,
) -> NodeBounds {
    less(&found, &magnitudes(affine, sources).into_iter().map(allowance).collect::<Vec<f64>>())
}

/// Bounds that say less by so much, neuron by neuron.
pub(super) fn less(found: &NodeBounds, losses: &[f64]) -> NodeBounds {
    let less = |(z, loss): (Interval, &f64)| (sub_down(z.lo, *loss), add_up(z.hi, *loss));
    let (lower, upper): (Vec<f64>, Vec<f64>) = found.iter().zip(losses).map(less).unzip();
    NodeBounds::new(lower, upper)
}

impl Bounds {
    /// Bounds of all nodes over a whole region as a checker will find them.
    #[must_use]
    pub fn loosened(&self, network: &Network) -> Self {
        let mut nodes: Vec<NodeBounds> = Vec::with_capacity(self.nodes().len());
        for (found, node) in self.nodes().iter().zip(network.nodes()) {
            nodes.push(match &node.kind {
                NodeKind::Affine(affine) => loosened(found.clone(), affine, &|source| &nodes[source]),
                NodeKind::Activation(a) => nodes[a.source].reaches().map(|z| a.function.image(z)).collect(),
                NodeKind::Input | NodeKind::Product(_) => found.clone(),
            });
        }
        Self::new(nodes)
    }
}
