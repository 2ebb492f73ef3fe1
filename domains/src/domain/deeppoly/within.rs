//! DeepPoly on a part of a region, from the bounds that are known of the whole.

use crate::domain::{AbstractDomain, Bounds, DeepPoly, DeepPolyFact, DomainError, NodeBounds, Relaxation, Trace};
use crate::network::{Activation, Affine, NodeId};
use crate::query::{LinearForms, Region};

/// DeepPoly where bounds of a larger region (or of fewer constraints) are known: only the neurons that
/// these leave unstable are bounded again.
///
/// A stable neuron is passed exactly whatever its bounds are, so little is lost. Propagate with the same
/// `known`.
#[derive(Clone, Copy, Debug)]
pub struct DeepPolyWithin<'a> {
    /// How forms are substituted back.
    pub base: DeepPoly,
    /// Bounds that hold for every input at hand.
    pub known: &'a Bounds,
    /// Nodes up to this one keep what is known: 0 when that was bounded on a larger region or from less.
    pub settled: NodeId,
}

/// The neurons of an affine node that some activation sees on more than one segment.
fn unstable(network: &crate::network::Network, id: NodeId, known: &NodeBounds) -> Vec<bool> {
    let mut unstable = vec![false; known.len()];
    for (_, activation) in network.activations().filter(|(_, a)| a.source == id) {
        for (unstable, z) in unstable.iter_mut().zip(known.reaches()) {
            *unstable |= activation.function.is_unstable(z);
        }
    }
    unstable
}

impl AbstractDomain for DeepPolyWithin<'_> {
    type Fact = DeepPolyFact;

    fn name(&self) -> &'static str {
        "deeppoly"
    }

    fn input(&self, region: &Region) -> DeepPolyFact {
        DeepPoly::input_fact(region)
    }

    fn affine(&self, id: NodeId, node: &Affine, seen: &Trace<DeepPolyFact>) -> Result<DeepPolyFact, DomainError> {
        let Some(known) = self.known.get(id) else { return self.base.affine_fact(id, node, seen) };
        let wanted = if id > self.settled { unstable(&seen.network, id, known) } else { Vec::new() };
        let mut bounds = known.clone();
        if wanted.contains(&true) {
            bounds.intersect(&self.base.back_substitution(seen).neuron_bounds_of(node, |i| wanted[i])?);
        }
        Ok(DeepPolyFact::new(bounds, Relaxation::affine(node, |source| super::Fact::bounds(&seen.facts[source]))))
    }

    fn activation(
        &self,
        _: NodeId,
        node: &Activation,
        seen: &Trace<DeepPolyFact>,
    ) -> Result<DeepPolyFact, DomainError> {
        Ok(self.base.activation_fact(node, seen))
    }

    fn minima(&self, forms: &LinearForms, seen: &Trace<DeepPolyFact>) -> Result<Vec<f64>, DomainError> {
        self.base.back_substitution(seen).minima(forms)
    }
}
