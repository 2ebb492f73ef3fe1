//! DeepPoly: a line below and a line above every neuron, and back-substitution.
//!
//! *Requires* activations of either kind and any region. *Returns* bounds of every neuron and certified lower bounds
//! of forms: sound, not complete (but exact on networks without unstable neurons). *Source*: Singh et al. 2019b (An
//! abstract domain for certifying neural networks); CROWN (Zhang et al. 2018) is the same bound concretised at the
//! input only, LP-GREEDY (Wong and Kolter 2018; Salman et al. 2019, App. G) that with parallel lines.
//! [`DeepPolyWithin`] starts from bounds that are known, [`RationalDeepPoly`] computes without rounding.

mod back_substitution;
mod rational;
mod relaxation;
mod within;

pub use back_substitution::{BackSubstitution, Concretise, History};
pub use rational::{RationalDeepPoly, RationalFact};
pub use relaxation::{NodeLines, Relaxation};
pub use within::DeepPolyWithin;

use super::{AbstractDomain, DomainError, Fact, NodeBounds, Trace};
use crate::activation::Slopes;
use crate::network::{Activation, Affine, Network, NodeId, NodeKind};
use crate::query::{LinearForms, Region};

/// DeepPoly (Singh et al. 2019b): every neuron keeps one line below and one above, and bounds come from
/// batched back-substitution.
#[derive(Clone, Copy, Debug)]
pub struct DeepPoly {
    /// Where forms are concretised on the way back.
    pub concretise: Concretise,
    /// Which line below an unstable neuron is kept.
    pub slopes: Slopes,
}

impl Default for DeepPoly {
    fn default() -> Self {
        Self { concretise: Concretise::Every, slopes: Slopes::Area }
    }
}

/// Concrete bounds of a node and the relaxation that back-substitution uses to pass it.
#[derive(Clone, Debug)]
pub struct DeepPolyFact {
    bounds: NodeBounds,
    relaxation: Relaxation,
}

impl DeepPolyFact {
    /// The fact of a node with these bounds and this relaxation.
    #[must_use]
    pub fn new(bounds: NodeBounds, relaxation: Relaxation) -> Self {
        Self { bounds, relaxation }
    }

    /// How back-substitution passes the node.
    #[must_use]
    pub fn relaxation(&self) -> &Relaxation {
        &self.relaxation
    }
}

impl Fact for DeepPolyFact {
    fn bounds(&self) -> &NodeBounds {
        &self.bounds
    }
    fn tighten(&mut self, known: &NodeBounds) {
        self.bounds.intersect(known);
    }
}

impl AsRef<DeepPolyFact> for DeepPolyFact {
    fn as_ref(&self) -> &DeepPolyFact {
        self
    }
}

impl<F: Fact + AsRef<DeepPolyFact>> History for Trace<'_, F> {
    fn bounds(&self, id: NodeId) -> &NodeBounds {
        self.bounds_of(id)
    }
    fn relaxation(&self, id: NodeId) -> &Relaxation {
        self.facts[id].as_ref().relaxation()
    }
}

impl DeepPoly {
    /// The greedy solution of the linear relaxation's dual program (Wong and Kolter 2018; LP-GREEDY of Salman
    /// et al. 2019, App. G): parallel lines, and bounds at the input only.
    #[must_use]
    pub fn greedy() -> Self {
        Self { concretise: Concretise::Input, slopes: Slopes::Parallel }
    }

    /// Back-substitution over any trace that carries DeepPoly facts.
    #[must_use]
    pub fn back_substitution<'a, F: Fact + AsRef<DeepPolyFact>>(
        &self,
        seen: &'a Trace<'a, F>,
    ) -> BackSubstitution<'a, Trace<'a, F>> {
        BackSubstitution {
            network: &seen.network,
            region: seen.region,
            history: seen,
            concretise: self.concretise,
            budget: seen.run.budget,
        }
    }

    /// The fact of the input.
    #[must_use]
    pub fn input_fact(region: &Region) -> DeepPolyFact {
        DeepPolyFact::new(region.bounds().iter().copied().collect(), Relaxation::Input)
    }

    /// The fact of an affine node over any trace that carries DeepPoly facts.
    ///
    /// Nodes that no activation reads (and that are not the output) only pass forms on: interval
    /// bounds are enough for their rounding errors.
    pub fn affine_fact<F: Fact + AsRef<DeepPolyFact>>(
        &self,
        id: NodeId,
        affine: &Affine,
        seen: &Trace<F>,
    ) -> Result<DeepPolyFact, DomainError> {
        let relaxation = Relaxation::affine(affine, |source| seen.bounds_of(source));
        let bounds = if needs_bounds(&seen.network, id) {
            self.back_substitution(seen).neuron_bounds(affine)?
        } else {
            super::affine_bounds(affine, &|source| seen.bounds_of(source))
        };
        Ok(DeepPolyFact::new(bounds, relaxation))
    }

    /// The fact of an activation node over any trace that carries DeepPoly facts.
    #[must_use]
    pub fn activation_fact<F: Fact>(&self, activation: &Activation, seen: &Trace<F>) -> DeepPolyFact {
        let z = seen.bounds_of(activation.source);
        let bounds = z.reaches().map(|z| activation.function.image(z)).collect();
        DeepPolyFact::new(bounds, Relaxation::activation(activation, z, self.slopes))
    }
}

/// True when an activation reads the node, or it is the output.
fn needs_bounds(network: &Network, id: NodeId) -> bool {
    let reads = |kind: &NodeKind| matches!(kind, NodeKind::Activation(a) if a.source == id);
    id == network.output() || network.nodes().iter().any(|n| reads(&n.kind))
}

impl AbstractDomain for DeepPoly {
    type Fact = DeepPolyFact;

    fn name(&self) -> &'static str {
        "deeppoly"
    }

    fn input(&self, region: &Region) -> DeepPolyFact {
        Self::input_fact(region)
    }

    fn affine(&self, id: NodeId, node: &Affine, seen: &Trace<DeepPolyFact>) -> Result<DeepPolyFact, DomainError> {
        self.affine_fact(id, node, seen)
    }

    fn activation(
        &self,
        _: NodeId,
        node: &Activation,
        seen: &Trace<DeepPolyFact>,
    ) -> Result<DeepPolyFact, DomainError> {
        Ok(self.activation_fact(node, seen))
    }

    fn minima(&self, forms: &LinearForms, seen: &Trace<DeepPolyFact>) -> Result<Vec<f64>, DomainError> {
        self.back_substitution(seen).minima(forms)
    }
}
