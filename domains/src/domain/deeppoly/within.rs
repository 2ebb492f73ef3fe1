//! DeepPoly on a part of a region, from the bounds that are known of the whole.

use super::differences::open_differences;
use crate::domain::{AbstractDomain, Bounds, DeepPoly, DeepPolyFact, DomainError, Relaxation, Trace};
use crate::network::{Activation, Affine, NodeId, Product};
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
    /// Whether a checker of certificates must find the bounds, too.
    pub checked: Checked<'a>,
}

/// How a checker of certificates finds bounds that are told to it.
#[derive(Clone, Copy, Debug)]
pub enum Checked<'a> {
    /// It does not.
    Never,
    /// All neurons are bounded by interval arithmetic first, as it does, and what is found is taken for worse by what it may
    /// lose.
    Everywhere,
    /// As there is no checker, but what is found is taken for worse by this, neuron by neuron of each node.
    Late(&'a [Vec<f64>]),
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
        let mut bounds = known.clone();
        let sources = |source| seen.bounds_of(source);
        let checked = |found| match self.checked {
            Checked::Never => found,
            Checked::Everywhere => crate::domain::loosened(found, node, &sources),
            Checked::Late(losses) => crate::domain::less(&found, &losses[id]),
        };
        if matches!(self.checked, Checked::Everywhere) {
            bounds.intersect(&checked(crate::domain::quick_bounds(node, &sources)));
        }
        let differences = open_differences(&seen.network, id, |source| seen.bounds_of(source));
        let is_unstable = |i: usize| {
            differences.as_ref().is_none_or(|open| open[i]) && super::is_unstable(&seen.network, id, &bounds, i)
        };
        let wanted: Vec<bool> = (0..known.len()).map(|i| id > self.settled && is_unstable(i)).collect();
        if wanted.contains(&true) {
            let found = self.base.back_substitution(seen).neuron_bounds_of(node, |i| [wanted[i]; 2])?;
            bounds.intersect(&checked(found));
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

    fn product(&self, _: NodeId, node: &Product, seen: &Trace<DeepPolyFact>) -> Result<DeepPolyFact, DomainError> {
        Ok(self.base.product_fact(node, seen))
    }

    fn minima(&self, forms: &LinearForms, seen: &Trace<DeepPolyFact>) -> Result<Vec<f64>, DomainError> {
        self.base.back_substitution(seen).minima(forms)
    }
}
