//! Linear forms over neurons.

use dashu_ratio::RBig;
use std::collections::BTreeMap;

/// A linear form over neurons, exactly: a coefficient per node and neuron, and a constant.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    pub terms: BTreeMap<(usize, usize), RBig>,
    pub constant: RBig,
}

impl Form {
    /// `self += factor · x_i` of a node.
    pub fn add(&mut self, node: usize, i: usize, factor: RBig) {
        *self.terms.entry((node, i)).or_default() += factor;
    }

    /// `self += factor · other`.
    pub fn add_multiple(&mut self, other: &Self, factor: &RBig) {
        self.constant += factor * &other.constant;
        other.terms.iter().for_each(|(&(node, i), c)| self.add(node, i, factor * c));
    }
}
