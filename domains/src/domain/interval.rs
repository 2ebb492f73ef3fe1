//! Interval arithmetic: a box around the values of every node.
//!
//! *Requires* nothing. *Returns* bounds of every neuron and certified lower bounds of forms: sound, not complete; the
//! cheapest domain. *Source*: Moore 1966; for networks Gehr et al. 2018 (AI²).

use super::{AbstractDomain, BackSubstitution, Concretise, DomainError, Fact, History, NodeBounds, Relaxation, Trace};
use crate::network::{Activation, Affine, NodeId, NodeKind, Product};
use crate::num::Interval;
use crate::num::error::{gamma, underflow};
use crate::num::round::{add_up, mul_up, sub_down, sub_up};
use crate::query::{Ball, LinearForms, Region};
use ndarray::{Array1, Axis};

/// Interval arithmetic, each operation rounded outward; forms are merged with the affine layers before
/// the last activation.
#[derive(Clone, Copy, Debug, Default)]
pub struct IntervalDomain;

impl Fact for NodeBounds {
    fn bounds(&self) -> &NodeBounds {
        self
    }
    fn tighten(&mut self, known: &NodeBounds) {
        self.intersect(known);
    }
}

/// Interval bounds of an affine node from those of its sources.
fn affine_bounds<'a>(affine: &Affine, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> NodeBounds {
    let mut sums: Vec<Interval> = (0..affine.bias.len()).map(|i| affine.bias.enclosure(i)).collect();
    for term in &affine.terms {
        let x: Vec<Interval> = bounds(term.source).iter().collect();
        // Enclosures exist for every parameter, so this never gives up.
        if term.map.apply_to(&x, &mut sums).is_none() {
            sums.fill(Interval::ALL);
        }
    }
    sums.into_iter().collect()
}

/// What [`affine_bounds`] says, up to rounding, by products of floats whose errors are charged afterwards.
pub(super) fn quick_bounds<'a>(affine: &Affine, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> NodeBounds {
    if affine.terms.iter().any(|term| bounds(term.source).iter().any(|x| !x.magnitude().is_finite())) {
        return affine_bounds(affine, bounds);
    }
    let mut sums: Vec<Interval> = (0..affine.bias.len()).map(|i| affine.bias.enclosure(i)).collect();
    for term in &affine.terms {
        let (x, terms) = (bounds(term.source), term.map.fan_in());
        let middle: Array1<f64> = x.iter().map(Interval::middle).collect();
        // How far an input may be from its middle, and what the product with the middle rounds.
        let around =
            |(x, &m): (Interval, &f64)| add_up(sub_up(x.hi, m).max(sub_up(m, x.lo)), mul_up(gamma(terms), m.abs()));
        let around: Vec<f64> = x.iter().zip(&middle).map(around).collect();
        let centres = term.map.push_forward(middle.view().insert_axis(Axis(0)));
        let radii = term.map.magnitudes(&around);
        for (i, (sum, (&centre, radius))) in sums.iter_mut().zip(centres.iter().zip(radii)).enumerate() {
            let inexact = term.map.radius(i).map_or(0.0, |(j, radius)| mul_up(radius, x.get(j).magnitude()));
            let radius = add_up(add_up(radius, inexact), underflow(terms));
            // A middle that overflowed says nothing.
            let range = Interval::new(sub_down(centre, radius), add_up(centre, radius));
            *sum = *sum + if centre.is_finite() { range } else { Interval::ALL };
        }
    }
    sums.into_iter().collect()
}

/// Relaxations of the affine nodes, built only for the nodes that the forms read.
struct IntervalHistory<'a> {
    facts: &'a [NodeBounds],
    relaxations: Vec<Relaxation>,
}

impl<'a> IntervalHistory<'a> {
    /// Relaxations of the affine nodes between `nodes` and the nearest activations before them.
    fn up_to(seen: &'a Trace<NodeBounds>, nodes: impl Iterator<Item = NodeId>) -> Self {
        let mut passed = vec![false; seen.facts.len()];
        nodes.for_each(|id| passed[id] = true);
        for id in (0..seen.facts.len()).rev() {
            if passed[id] && matches!(seen.network.node(id).kind, NodeKind::Affine(_)) {
                seen.network.node(id).sources().for_each(|source| passed[source] = true);
            }
        }
        let relaxation = |id: NodeId| match &seen.network.node(id).kind {
            NodeKind::Affine(affine) if passed[id] => Relaxation::affine(affine, |source| &seen.facts[source]),
            _ => Relaxation::Input,
        };
        Self { facts: &seen.facts, relaxations: (0..seen.facts.len()).map(relaxation).collect() }
    }
}

impl History for IntervalHistory<'_> {
    fn bounds(&self, id: NodeId) -> &NodeBounds {
        &self.facts[id]
    }
    fn relaxation(&self, id: NodeId) -> &Relaxation {
        &self.relaxations[id]
    }
}

impl AbstractDomain for IntervalDomain {
    type Fact = NodeBounds;

    fn name(&self) -> &'static str {
        "interval"
    }

    fn input(&self, region: &Region) -> NodeBounds {
        region.bounds().iter().copied().collect()
    }

    fn affine(&self, _: NodeId, node: &Affine, seen: &Trace<NodeBounds>) -> Result<NodeBounds, DomainError> {
        let mut bounds = affine_bounds(node, &|source| &seen.facts[source]);
        let reads_input = node.terms.iter().any(|t| t.source == 0);
        if reads_input && !matches!(seen.region.ball(), Ball::Box | Ball::Grid { .. }) {
            // The region is smaller than its bounding box: its support function knows.
            let history = IntervalHistory::up_to(seen, node.terms.iter().map(|t| t.source));
            bounds.intersect(&walk(seen, &history).neuron_bounds(node)?);
        }
        Ok(bounds)
    }

    fn activation(&self, _: NodeId, node: &Activation, seen: &Trace<NodeBounds>) -> Result<NodeBounds, DomainError> {
        Ok(seen.facts[node.source].reaches().map(|z| node.function.image(z)).collect())
    }

    fn product(&self, _: NodeId, node: &Product, seen: &Trace<NodeBounds>) -> Result<NodeBounds, DomainError> {
        Ok(seen.product_bounds(node))
    }

    fn minima(&self, forms: &LinearForms, seen: &Trace<NodeBounds>) -> Result<Vec<f64>, DomainError> {
        let history = IntervalHistory::up_to(seen, forms.terms.iter().map(|t| t.node));
        walk(seen, &history).minima(forms)
    }
}

fn walk<'a>(
    seen: &'a Trace<NodeBounds>,
    history: &'a IntervalHistory<'a>,
) -> BackSubstitution<'a, IntervalHistory<'a>> {
    BackSubstitution {
        network: &seen.network,
        region: seen.region,
        history,
        concretise: Concretise::Activations,
        budget: seen.run.budget,
        spare: &seen.spare,
    }
}
