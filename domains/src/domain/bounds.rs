use crate::num::Interval;
use crate::num::round::{lower_or_nothing, upper_or_nothing};

/// Concrete bounds `lower ≤ x ≤ upper` of the neurons of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeBounds {
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl NodeBounds {
    /// Bounds from two vectors of the same length; NaN becomes "nothing known".
    #[must_use]
    pub fn new(lower: Vec<f64>, upper: Vec<f64>) -> Self {
        debug_assert_eq!(lower.len(), upper.len());
        let lower = lower.into_iter().map(lower_or_nothing).collect();
        let upper = upper.into_iter().map(upper_or_nothing).collect();
        Self { lower, upper }
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

    /// The bounds of all neurons.
    pub fn iter(&self) -> impl Iterator<Item = Interval> + '_ {
        (0..self.len()).map(|i| self.get(i))
    }

    /// `max(|lower|, |upper|)` of each neuron.
    #[must_use]
    pub fn magnitudes(&self) -> Vec<f64> {
        self.iter().map(Interval::magnitude).collect()
    }

    /// Keeps the tighter of both on each side; `other` must have the same length.
    pub fn intersect(&mut self, other: &Self) {
        for (a, b) in self.lower.iter_mut().zip(&other.lower) {
            *a = a.max(*b);
        }
        for (a, b) in self.upper.iter_mut().zip(&other.upper) {
            *a = a.min(*b);
        }
    }

    /// True when some lower bound exceeds its upper bound.
    #[must_use]
    pub fn is_contradictory(&self) -> bool {
        self.iter().any(Interval::is_empty)
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

    /// Keeps the tighter bounds on each side; nodes that only `other` knows are added.
    pub fn intersect(&mut self, other: &Self) {
        for (mine, theirs) in self.nodes.iter_mut().zip(&other.nodes) {
            mine.intersect(theirs);
        }
        let known = self.nodes.len();
        self.nodes.extend(other.nodes.iter().skip(known).cloned());
    }
}
