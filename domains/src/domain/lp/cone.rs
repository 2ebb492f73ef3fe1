//! Dependence: which neurons of the nodes before some neurons depend on.

use crate::network::{Affine, Network, NodeId, NodeKind};
use std::collections::BTreeMap;

/// Neurons of a map whose rows are looked at together.
const AT_ONCE: usize = 256;

/// For each node the neurons that matter; nodes beyond the last one named matter as a whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Cone {
    of_node: Vec<Vec<bool>>,
}

impl Cone {
    /// Everything matters.
    pub const fn whole() -> Self {
        Self { of_node: Vec::new() }
    }

    /// What the rows `neurons` of an affine node read, directly or not.
    pub fn of(network: &Network, affine: &Affine, neurons: &[usize]) -> Self {
        let last = affine.terms.iter().map(|term| term.source).max().unwrap_or(0);
        let mut of_node: Vec<Vec<bool>> = network.nodes()[..=last].iter().map(|node| vec![false; node.len]).collect();
        mark(affine, neurons, &mut of_node);
        for id in (1..=last).rev() {
            let needed: Vec<usize> = (0..of_node[id].len()).filter(|&i| of_node[id][i]).collect();
            match &network.node(id).kind {
                NodeKind::Input => {}
                NodeKind::Affine(affine) => mark(affine, &needed, &mut of_node),
                NodeKind::Activation(activation) => needed.iter().for_each(|&i| of_node[activation.source][i] = true),
                NodeKind::Product(product) => product.factors.iter().for_each(|factor| {
                    needed.iter().for_each(|&k| of_node[factor.source][factor.index[k]] = true);
                }),
            }
        }
        Self { of_node }
    }

    /// Whether neuron `i` of node `id` matters.
    pub fn contains(&self, id: NodeId, i: usize) -> bool {
        self.of_node.get(id).is_none_or(|node| node[i])
    }
}

/// Splits neurons of an affine node into sets that read the same neurons of its sources.
pub(super) fn of_same_cone(affine: &Affine, neurons: &[usize]) -> Vec<Vec<usize>> {
    if affine.terms.iter().any(|term| term.map.is_dense()) {
        return vec![neurons.to_vec()];
    }
    let mut sets: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
    for &i in neurons {
        let reads = affine.terms.iter().flat_map(|term| {
            let (row, _) = term.map.rows(&[(i, 1.0)]).into_raw_vec_and_offset();
            row.into_iter().map(|w| w != 0.0)
        });
        sets.entry(reads.collect()).or_default().push(i);
    }
    sets.into_values().collect()
}

/// Marks the neurons that the rows `neurons` of an affine node read.
fn mark(affine: &Affine, neurons: &[usize], of_node: &mut [Vec<bool>]) {
    for term in &affine.terms {
        let read = &mut of_node[term.source];
        if term.map.is_dense() {
            if !neurons.is_empty() {
                read.fill(true);
            }
            continue;
        }
        for some in neurons.chunks(AT_ONCE) {
            let units: Vec<(usize, f64)> = some.iter().map(|&i| (i, 1.0)).collect();
            for row in term.map.rows(&units).rows() {
                row.iter().zip(read.iter_mut()).for_each(|(&w, read)| *read |= w != 0.0);
            }
        }
    }
}
