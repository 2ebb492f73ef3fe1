//! The rows of maxima: of the smallest concave function above each, over the ranges of the entries.

use super::Encoding;
use super::expression::{Expression, Value};
use crate::domain::{NodeBounds, peak_levels, peak_plane};
use crate::network::{Maxima, NodeId};
use crate::num::Interval;

impl<'a> Encoding<'a> {
    /// Adds the rows of the maxima of which both nodes have got their values with node `id`.
    pub(super) fn maxima(&mut self, id: NodeId, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) {
        let network = self.network;
        let sources: Vec<NodeId> = std::iter::once(id).chain(network.node(id).sources()).collect();
        for maxima in network.maxima().iter().filter(|maxima| sources.contains(&maxima.node)) {
            if self.has_rows.insert(maxima.node) {
                self.rows_of(maxima, bounds(maxima.source));
            }
        }
    }

    fn rows_of(&mut self, maxima: &Maxima, entries: &NodeBounds) {
        let (Some(values), Some(of_entries)) = (&self.values[maxima.node], &self.values[maxima.source]) else { return };
        let mut rows = Vec::new();
        for (group, &value) in maxima.groups.iter().zip(values) {
            let ranges: Vec<Interval> = group.iter().map(|&i| entries.get(i)).collect();
            // The first plane is what the variable's bounds say.
            for level in peak_levels(&ranges).into_iter().skip(1) {
                let (slopes, rhs) = peak_plane(&ranges, level);
                let mut row = Expression::new(Interval::ZERO);
                row.add(1.0, value);
                group.iter().zip(slopes).for_each(|(&i, slope)| row.add(-slope, of_entries[i]));
                let is_known = value != Value::Absent && row.constant != Interval::ALL;
                rows.extend((is_known && rhs.is_finite()).then_some((row, rhs)));
            }
        }
        for (row, rhs) in rows {
            self.row(&row, Interval { lo: f64::NEG_INFINITY, hi: rhs });
        }
    }
}
