//! The same problem with other bounds, and on networks with more or fewer neurons.

use super::Problem;
use crate::domains::domain::{Bounds, NodeBounds};
use crate::domains::network::{Network, Reduced};
use crate::domains::num::Interval;

impl<'a> Problem<'a> {
    /// The same problem with other bounds.
    pub(super) fn with(&self, bounds: Bounds) -> Problem<'a> {
        let (forms, rows, names) = (self.forms.clone(), self.rows.clone(), self.names.clone());
        Problem { bounds, free: self.free.clone(), forms, rows, names, ..*self }
    }

    /// The same problem on a network with more nodes, of which these bounds are known where the problem is posed; over the
    /// region nothing is.
    pub(super) fn behind<'b>(&self, network: &'b Network, bounds: Bounds) -> Problem<'b>
    where
        'a: 'b,
    {
        let free = self.free.as_ref().map(|free| {
            let unknown = network.nodes()[free.nodes().len()..].iter().map(|node| NodeBounds::unknown(node.len));
            Bounds::new(free.nodes().iter().cloned().chain(unknown).collect())
        });
        Problem { network, free, ..self.with(bounds) }
    }

    /// The network without the neurons that are zero on all of the region.
    pub(super) fn reduced(&self) -> Reduced {
        self.network.without_zeros(|id, i| self.free().nodes()[id].get(i) == Interval::ZERO)
    }

    /// The same problem on the reduced network.
    pub(super) fn on<'b>(&self, reduced: &'b Reduced) -> Problem<'b>
    where
        'a: 'b,
    {
        let of_node = |(id, z): (usize, &NodeBounds)| match reduced.kept(id) {
            Some(kept) => kept.iter().map(|&i| z.get(i)).collect(),
            None => z.clone(),
        };
        let kept = |bounds: &Bounds| Bounds::new(bounds.nodes().iter().enumerate().map(of_node).collect());
        let (bounds, free) = (kept(&self.bounds), self.free.as_ref().map(kept));
        let (forms, rows, names) = (self.forms.clone(), self.rows.clone(), self.names.on(reduced));
        Problem { network: &reduced.network, bounds, free, forms, rows, names, ..*self }
    }
}
