//! DeepPoly: a line below and a line above every neuron, and back-substitution.
//!
//! *Requires* activations of either kind and any region. *Returns* bounds of every neuron and certified lower bounds
//! of forms: sound, not complete (but exact on networks without unstable neurons). *Source*: Singh et al. 2019b (An
//! abstract domain for certifying neural networks); CROWN (Zhang et al. 2018) is the same bound concretised at the
//! input only, LP-GREEDY (Wong and Kolter 2018; Salman et al. 2019, App. G) that with parallel lines.
//! [`DeepPolyWithin`] starts from bounds that are known, [`RationalDeepPoly`] computes without rounding.

mod back_substitution;
mod blocks;
mod differences;
mod here;
mod maxima;
mod part;
mod peaks;
mod rational;
mod relaxation;
mod twins;
mod within;

pub use back_substitution::{BackSubstitution, Concretise, History};
pub use differences::{DifferenceLines, Differences, difference_lines, open_differences};
pub use part::{Kept, Narrowed};
pub use peaks::Peaks;
pub use rational::{RationalDeepPoly, RationalFact};
pub use relaxation::{NodeLines, Relaxation};
pub use within::{Checked, DeepPolyWithin};

use super::{AbstractDomain, DomainError, Fact, NodeBounds, NodePlanes, Trace};
use crate::activation::{ActivationFn, Slopes};
use crate::network::{Activation, Affine, Network, NodeId, NodeKind, Product};
use crate::num::Interval;
use crate::query::{LinearForms, Region};
use std::sync::OnceLock;

/// DeepPoly (Singh et al. 2019b): every neuron keeps one line below and one above, and bounds come from
/// batched back-substitution.
#[derive(Clone, Copy, Debug)]
pub struct DeepPoly {
    /// Where forms are concretised on the way back.
    pub concretise: Concretise,
    /// Which line below an unstable neuron is kept.
    pub slopes: Slopes,
    /// Which neurons are bounded so.
    pub wanted: Wanted,
}

/// Which neurons' bounds back-substitution computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All that an activation reads, and the outputs.
    All,
    /// Of these the neurons that interval arithmetic over the layer before leaves unstable: the others are passed
    /// exactly, whatever their bounds are, and keep those of interval arithmetic, as the outputs do, since forms over them
    /// go back themselves. Nor does a neuron go back further than to where it is found stable, or with both sides when
    /// one has told so.
    Unstable,
}

impl Default for DeepPoly {
    fn default() -> Self {
        Self { concretise: Concretise::Every, slopes: Slopes::Area, wanted: Wanted::All }
    }
}

/// Concrete bounds of a node and the relaxation that back-substitution uses to pass it.
#[derive(Clone, Debug)]
pub struct DeepPolyFact {
    bounds: NodeBounds,
    relaxation: Relaxation,
    kept: OnceLock<Option<Kept>>,
    peaks: OnceLock<Option<Peaks>>,
    differences: OnceLock<Option<Differences>>,
    narrowed: OnceLock<Vec<Narrowed>>,
}

impl DeepPolyFact {
    /// The fact of a node with these bounds and this relaxation.
    #[must_use]
    pub fn new(bounds: NodeBounds, relaxation: Relaxation) -> Self {
        Self {
            bounds,
            relaxation,
            kept: OnceLock::new(),
            peaks: OnceLock::new(),
            differences: OnceLock::new(),
            narrowed: OnceLock::new(),
        }
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
    fn kept(&self, id: NodeId) -> Option<&Kept> {
        self.facts[id].as_ref().kept.get_or_init(|| kept(&self.network, id, self.relaxation(id))).as_ref()
    }
    fn peaks(&self, id: NodeId) -> Option<&Peaks> {
        let maxima = self.network.maxima_at(id)?;
        let relaxation = |id| self.relaxation(id);
        let new = || Peaks::new(maxima, &self.network, self.bounds_of(maxima.source), &relaxation);
        self.facts[id].as_ref().peaks.get_or_init(new).as_ref()
    }
    fn differences(&self, id: NodeId) -> Option<&Differences> {
        let new = || Differences::new(id, &self.network, |id| self.bounds_of(id), |id| self.relaxation(id));
        self.facts[id].as_ref().differences.get_or_init(new).as_ref()
    }
    fn narrowed(&self, id: NodeId) -> &[Narrowed] {
        self.facts[id].as_ref().narrowed.get_or_init(|| {
            let mut readers = self.network.activations().filter(|(_, activation)| activation.source == id);
            let rows = readers.next().and_then(|(reader, _)| self.kept(reader));
            let (NodeKind::Affine(affine), Some(rows)) = (&self.network.node(id).kind, rows) else { return Vec::new() };
            let narrowed = |term| Narrowed::new(term, rows, self.kept(term.source));
            affine.terms.iter().map(narrowed).collect::<Option<_>>().unwrap_or_default()
        })
    }
}

/// A node of which more than this share stays is not narrowed.
const MOST_KEPT: f64 = 0.9;

/// The neurons of an activation node within dense layers that are not known to be zero on all of the region.
fn kept(network: &Network, id: NodeId, relaxation: &Relaxation) -> Option<Kept> {
    let (NodeKind::Activation(activation), Relaxation::Activation(lines)) = (&network.node(id).kind, relaxation) else {
        return None;
    };
    let mut around = network.nodes().iter().enumerate().filter_map(|(other, node)| match &node.kind {
        NodeKind::Affine(affine) => {
            Some(affine.terms.iter().filter(move |t| other == activation.source || t.source == id))
        }
        _ => None,
    });
    if !around.all(|mut terms| terms.all(|term| term.map.is_dense())) {
        return None;
    }
    let (len, kept) = (lines.len(), (0..lines.len()).filter(|&i| !lines.are_zero(i)).collect::<Kept>());
    (kept.len() as f64 <= MOST_KEPT * len as f64).then_some(kept)
}

impl DeepPoly {
    /// The greedy solution of the linear relaxation's dual program (Wong and Kolter 2018; LP-GREEDY of Salman
    /// et al. 2019, App. G): parallel lines, and bounds at the input only.
    #[must_use]
    pub fn greedy() -> Self {
        Self { concretise: Concretise::Input, slopes: Slopes::Parallel, wanted: Wanted::All }
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
            spare: &seen.spare,
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
        let is_output = id == seen.network.output();
        let is_ranged = seen.network.is_ranged(id);
        if self.wanted == Wanted::All && (is_output || is_ranged || readers(&seen.network, id).next().is_some()) {
            return Ok(DeepPolyFact::new(self.back_substitution(seen).neuron_bounds(affine)?, relaxation));
        }
        let mut bounds = super::quick_bounds(affine, &|source| seen.bounds_of(source));
        if self.wanted == Wanted::Unstable {
            if let Some(known) = seen.known.get(id) {
                bounds.intersect(known);
            }
            let readers: Vec<&dyn ActivationFn> = readers(&seen.network, id).collect();
            let differences = open_differences(&seen.network, id, |source| seen.bounds_of(source));
            let is_open = |i: usize, z: Interval| {
                let reach = bounds.reach(i).within(z);
                let is_ranged = differences.as_ref().map_or(is_ranged, |open| open[i]);
                is_ranged || readers.iter().any(|function| function.is_unstable(reach))
            };
            let enough = |i: usize, z: Interval| !is_open(i, z);
            let tight = self.back_substitution(seen).tighten_until(affine, bounds.clone(), enough)?;
            bounds.intersect(&tight);
        }
        Ok(DeepPolyFact::new(bounds, relaxation))
    }

    /// The fact of an activation node over any trace that carries DeepPoly facts.
    #[must_use]
    pub fn activation_fact<F: Fact>(&self, activation: &Activation, seen: &Trace<F>) -> DeepPolyFact {
        let z = seen.bounds_of(activation.source);
        let bounds = z.reaches().map(|z| activation.function.image(z)).collect();
        DeepPolyFact::new(bounds, Relaxation::activation(activation, z, self.slopes))
    }

    /// The fact of a product node over any trace that carries DeepPoly facts.
    #[must_use]
    pub fn product_fact<F: Fact>(&self, product: &Product, seen: &Trace<F>) -> DeepPolyFact {
        let planes = NodePlanes::new(product, |source| seen.bounds_of(source), self.slopes);
        DeepPolyFact::new(seen.product_bounds(product), Relaxation::Product(planes))
    }
}

/// Whether the neuron's bounds matter to what reads it: an activation on whose pieces it may be, or a product.
fn is_unstable(network: &Network, id: NodeId, bounds: &NodeBounds, i: usize) -> bool {
    readers(network, id).any(|function| function.is_unstable(bounds.reach(i)))
        || (bounds.get(i).lo < bounds.get(i).hi && network.is_ranged(id))
}

/// The functions that read the node.
fn readers(network: &Network, id: NodeId) -> impl Iterator<Item = &dyn ActivationFn> {
    network.activations().filter(move |(_, a)| a.source == id).map(|(_, a)| a.function.as_ref())
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

    fn product(&self, _: NodeId, node: &Product, seen: &Trace<DeepPolyFact>) -> Result<DeepPolyFact, DomainError> {
        Ok(self.product_fact(node, seen))
    }

    fn minima(&self, forms: &LinearForms, seen: &Trace<DeepPolyFact>) -> Result<Vec<f64>, DomainError> {
        self.back_substitution(seen).minima(forms)
    }
}
