//! What the neurons of a reduced network are called in the whole one.

use crate::domains::network::{NodeId, Reduced};

/// For each node the indices of its neurons in the whole network; `None` where all are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Vec<Option<Vec<usize>>>);

impl Names {
    /// The name of a neuron in the whole network.
    pub fn of(&self, (id, i): (NodeId, usize)) -> (NodeId, usize) {
        (id, self.0.get(id).and_then(Option::as_ref).map_or(i, |kept| kept[i]))
    }

    /// Those of a network that was reduced once more.
    pub fn on(&self, reduced: &Reduced) -> Self {
        let of_node = |id| match (self.0.get(id).and_then(Option::as_ref), reduced.kept(id)) {
            (Some(outer), Some(kept)) => Some(kept.iter().map(|&i| outer[i]).collect()),
            (None, Some(kept)) => Some(kept.to_vec()),
            (outer, None) => outer.cloned(),
        };
        Self((0..reduced.network.nodes().len()).map(of_node).collect())
    }
}
