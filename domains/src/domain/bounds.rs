//! Concrete bounds of neurons and nodes: the currency between all steps.

use super::DomainError;
use crate::activation::{OpenEnds, Reach};
use crate::network::Network;
use crate::num::round::{lower_or_nothing, upper_or_nothing};
use crate::num::{Interval, Lattice};
use std::sync::Arc;

/// Concrete bounds `lower ≤ x ≤ upper` of the neurons of one node, and the lattice on which each
/// neuron's values lie where one is known (sums of ±1, quantised inputs). Where a search puts a neuron on one side of
/// a jump, the bound there may be left out.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeBounds {
    lower: Vec<f64>,
    upper: Vec<f64>,
    lattices: Option<Arc<[Lattice]>>,
    open: Option<Arc<[OpenEnds]>>,
}

impl NodeBounds {
    /// Bounds from two vectors of the same length; NaN becomes "nothing known".
    #[must_use]
    pub fn new(lower: Vec<f64>, upper: Vec<f64>) -> Self {
        debug_assert_eq!(lower.len(), upper.len());
        let lower = lower.into_iter().map(lower_or_nothing).collect();
        let upper = upper.into_iter().map(upper_or_nothing).collect();
        Self { lower, upper, lattices: None, open: None }
    }

    /// Nothing of so many neurons.
    #[must_use]
    pub fn unknown(len: usize) -> Self {
        Self { lower: vec![f64::NEG_INFINITY; len], upper: vec![f64::INFINITY; len], lattices: None, open: None }
    }

    /// Nothing but the lattices of the neurons.
    #[must_use]
    pub fn on_lattices(lattices: Vec<Lattice>) -> Self {
        let unknown = Self::unknown(lattices.len());
        Self { lattices: Some(lattices.into()), ..unknown }
    }

    /// Lower bounds.
    #[must_use]
    pub fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// Upper bounds.
    #[must_use]
    pub fn upper(&self) -> &[f64] {
        &self.upper
    }

    /// Number of neurons.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lower.len()
    }

    /// True when there are no neurons.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lower.is_empty()
    }

    /// The bounds of neuron `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> Interval {
        Interval { lo: self.lower[i], hi: self.upper[i] }
    }

    /// The values that neuron `i` can take: bounds and lattice.
    #[must_use]
    pub fn reach(&self, i: usize) -> Reach<'_> {
        let lattice = self.lattices.as_deref().map(|all| &all[i]);
        Reach { bounds: self.get(i), lattice, open: self.open(i) }
    }

    /// Which bounds of neuron `i` are left out.
    fn open(&self, i: usize) -> OpenEnds {
        self.open.as_deref().map_or_else(OpenEnds::default, |all| all[i])
    }

    /// Keeps neuron `i` to a range without its open ends.
    pub fn restrict(&mut self, i: usize, range: Interval, open: OpenEnds) {
        let mut other = Self::new(vec![f64::NEG_INFINITY; self.len()], vec![f64::INFINITY; self.len()]);
        (other.lower[i], other.upper[i]) = (range.lo, range.hi);
        if open != OpenEnds::default() {
            other.open = Some((0..self.len()).map(|j| if i == j { open } else { OpenEnds::default() }).collect());
        }
        self.intersect(&other);
    }

    /// The values that each neuron can take.
    pub fn reaches(&self) -> impl Iterator<Item = Reach<'_>> {
        (0..self.len()).map(|i| self.reach(i))
    }

    /// The lattice of neuron `i`; a neuron whose bounds meet has one value only.
    #[must_use]
    pub fn lattice(&self, i: usize) -> Lattice {
        if self.lower[i] == self.upper[i] {
            return Lattice::point(self.lower[i]);
        }
        self.lattices.as_deref().map_or(Lattice::Any, |all| all[i].clone())
    }

    /// True when some lattice is known, beyond what the bounds say.
    #[must_use]
    pub fn has_lattices(&self) -> bool {
        self.lattices.is_some()
    }

    /// The bounds of all neurons.
    pub fn iter(&self) -> impl Iterator<Item = Interval> + '_ {
        (0..self.len()).map(|i| self.get(i))
    }

    /// `max(|lower|, |upper|)` of each neuron.
    #[must_use]
    pub fn magnitudes(&self) -> Vec<f64> {
        self.iter().map(Interval::magnitude).collect()
    }

    /// Keeps the tighter of both on each side, rounded inward to the lattices known; `other` must have
    /// the same length.
    pub fn intersect(&mut self, other: &Self) {
        if self.open.is_some() || other.open.is_some() {
            self.open = Some((0..self.len()).map(|i| self.open_with(other, i)).collect());
        }
        for (a, b) in self.lower.iter_mut().zip(&other.lower) {
            *a = a.max(*b);
        }
        for (a, b) in self.upper.iter_mut().zip(&other.upper) {
            *a = a.min(*b);
        }
        if self.lattices.is_none() {
            self.lattices.clone_from(&other.lattices);
        }
        for (i, lattice) in self.lattices.iter().flat_map(|all| all.iter()).enumerate() {
            let before = Interval { lo: self.lower[i], hi: self.upper[i] };
            let z = lattice.tighten(before);
            if let Some(open) = &mut self.open {
                let open = &mut Arc::make_mut(open)[i];
                *open = Reach { open: *open, ..before.into() }.within(z).open;
            }
            (self.lower[i], self.upper[i]) = (z.lo, z.hi);
        }
    }

    /// Which of the tighter bounds of neuron `i` are left out: those that one of both leaves out, unless the other's
    /// is tighter.
    fn open_with(&self, other: &Self, i: usize) -> OpenEnds {
        let (a, b) = (self.open(i), other.open(i));
        let (lower, upper) = (self.lower[i].max(other.lower[i]), self.upper[i].min(other.upper[i]));
        OpenEnds {
            lower: (a.lower && self.lower[i] == lower) || (b.lower && other.lower[i] == lower),
            upper: (a.upper && self.upper[i] == upper) || (b.upper && other.upper[i] == upper),
        }
    }

    /// True when some lower bound exceeds its upper bound, or no value is left between them.
    #[must_use]
    pub fn is_contradictory(&self) -> bool {
        let is_empty = |i: usize| {
            let (z, open) = (self.get(i), self.open(i));
            z.is_empty() || (z.lo == z.hi && (open.lower || open.upper))
        };
        (0..self.len()).any(is_empty)
    }
}

impl FromIterator<Interval> for NodeBounds {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        let (lower, upper) = intervals.into_iter().map(|i| (i.lo, i.hi)).unzip();
        Self::new(lower, upper)
    }
}

/// Concrete bounds of every node of a network: the currency between the stages of a cascade.
///
/// A stage takes `Bounds` and may only tighten them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    nodes: Vec<NodeBounds>,
}

impl Bounds {
    /// Bounds of the first nodes of a network, in topological order.
    #[must_use]
    pub fn new(nodes: Vec<NodeBounds>) -> Self {
        Self { nodes }
    }

    /// Nothing known.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// The bounds of node `id`, if anything is known.
    #[must_use]
    pub fn get(&self, id: usize) -> Option<&NodeBounds> {
        self.nodes.get(id)
    }

    /// The bounds of all nodes known.
    #[must_use]
    pub fn nodes(&self) -> &[NodeBounds] {
        &self.nodes
    }

    /// Refuses bounds of which some exclude each other.
    ///
    /// # Errors
    /// [`DomainError::Contradiction`].
    pub fn checked(self, network: &Network) -> Result<Self, DomainError> {
        match self.nodes.iter().position(NodeBounds::is_contradictory) {
            Some(node) => Err(DomainError::Contradiction { node, name: network.node(node).name.clone() }),
            None => Ok(self),
        }
    }

    /// Keeps the tighter bounds on each side; nodes that only `other` knows are added.
    pub fn intersect(&mut self, other: &Self) {
        for (mine, theirs) in self.nodes.iter_mut().zip(&other.nodes) {
            mine.intersect(theirs);
        }
        let known = self.nodes.len();
        self.nodes.extend(other.nodes.iter().skip(known).cloned());
    }
}
