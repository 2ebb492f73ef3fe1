//! Nodes of which it is known that they hold maxima, as MaxPool does: pairs of ReLUs compute them, of which all together
//! less is known than of the maximum itself.

use super::NodeId;
use crate::num::Interval;
use std::sync::Arc;

/// Each entry of a node is the largest of a group of entries of another one.
#[derive(Clone, Debug)]
pub struct Maxima {
    /// The node that holds the maxima.
    pub node: NodeId,
    /// The node whose entries are compared.
    pub source: NodeId,
    /// For each maximum the entries that it is the largest of; none is empty.
    pub groups: Arc<[Vec<usize>]>,
}

impl Maxima {
    /// The same where nodes have moved; `None` where one of them is gone.
    pub(super) fn moved(&self, place: impl Fn(NodeId) -> Option<NodeId>) -> Option<Self> {
        Some(Self { node: place(self.node)?, source: place(self.source)?, groups: Arc::clone(&self.groups) })
    }

    /// The ranges of the maxima where those of the source's entries are given.
    pub fn ranges(&self, entry: impl Fn(usize) -> Interval) -> impl Iterator<Item = Interval> {
        let larger = |a: Interval, b: Interval| Interval { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) };
        let nothing = Interval { lo: f64::NEG_INFINITY, hi: f64::NEG_INFINITY };
        self.groups.iter().map(move |group| group.iter().map(|&i| entry(i)).fold(nothing, larger))
    }
}
