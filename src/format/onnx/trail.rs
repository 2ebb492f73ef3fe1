//! Where the entries of a node come from as long as nothing mixes them, and from that, at the first operator
//! that knows channels, where the channels of the network's input are.

use crate::domains::network::{LinearMap, NodeId, Term};
use crate::format::images::{Channels, Layout};
use std::collections::HashMap;
use std::rc::Rc;

/// For each entry of a node the input that it is a function of; `None` in place of the list where entry `i` is
/// one of input `i`.
pub(super) type Origin = Option<Rc<Vec<Option<usize>>>>;

/// The origins of the nodes so far, and what they have told.
#[derive(Debug)]
pub(super) struct Trail {
    inputs: usize,
    origins: HashMap<NodeId, Origin>,
    /// What an operator over channels says.
    by_channels: Option<Channels>,
    /// What a Transpose between the usual orders says, where no such operator follows.
    by_order: Option<Channels>,
}

impl Trail {
    /// Nothing but the input, node 0.
    pub fn new(inputs: usize) -> Self {
        Self { inputs, origins: HashMap::from([(0, None)]), by_channels: None, by_order: None }
    }

    /// The channels of the input, if the operators so far tell.
    pub fn channels(&self) -> Option<Channels> {
        self.by_channels.or(self.by_order)
    }

    /// The origin of `Σ W x + b`, if every entry is a function of one input.
    pub fn through(&self, terms: &[Term]) -> Option<Origin> {
        let [term] = terms else { return None };
        let origin = self.origins.get(&term.source).filter(|_| self.by_channels.is_none())?;
        match &*term.map {
            LinearMap::Identity(_) | LinearMap::Diagonal(_) => Some(origin.clone()),
            LinearMap::Select { index, .. } => {
                let of = |i: usize| origin.as_ref().map_or(Some(i), |origin| origin.get(i).copied().flatten());
                Some(Some(Rc::new(index.iter().map(|i| i.and_then(of)).collect())))
            }
            _ => None,
        }
    }

    /// The origin of a function of `source`, entry by entry.
    pub fn of(&self, source: NodeId) -> Option<Origin> {
        self.origins.get(&source).filter(|_| self.by_channels.is_none()).cloned()
    }

    /// Takes note of a node's origin.
    pub fn follow(&mut self, node: NodeId, origin: Option<Origin>) {
        self.origins.extend(origin.map(|origin| (node, origin)));
    }

    /// An operator reads `node`, of `len` entries, as `count` channels one after the other.
    pub fn reads_channels(&mut self, node: NodeId, count: usize, len: usize) {
        if self.by_channels.is_none() {
            self.by_channels = self.split(node, count, |e| e / (len / count).max(1));
        }
    }

    /// A Transpose makes channels last (`first` before it) or first out of `node`.
    pub fn reorders_channels(&mut self, node: NodeId, count: usize, len: usize, is_first: bool) {
        if self.channels().is_none() {
            let channel = |e: usize| if is_first { e / (len / count).max(1) } else { e % count };
            self.by_order = self.split(node, count, channel);
        }
    }

    /// How `count` channels of `node` lie in the input, if each is a run of it or a residue of it.
    fn split(&self, node: NodeId, count: usize, channel: impl Fn(usize) -> usize) -> Option<Channels> {
        let origin = self.origins.get(&node)?;
        if count == 0 || !self.inputs.is_multiple_of(count) {
            return None;
        }
        let entries = origin.as_ref().map_or(self.inputs, |o| o.len());
        let input_of = |e: usize| origin.as_ref().map_or(Some(e), |o| o[e]);
        let fits = |layout: Layout| {
            let channels = Channels { layout, count };
            let (mut of_group, mut of_channel) = (vec![None; count], vec![None; count]);
            (0..entries).filter_map(|e| Some((input_of(e)?, channel(e)))).all(|(input, channel)| {
                let group = channels.of(input, self.inputs);
                *of_group[group].get_or_insert(channel) == channel && *of_channel[channel].get_or_insert(group) == group
            })
        };
        match (fits(Layout::Chw), fits(Layout::Hwc)) {
            (true, false) => Some(Channels::new(Layout::Chw, count)),
            (false, true) => Some(Channels::new(Layout::Hwc, count)),
            // One channel, or one pixel: the orders are the same.
            (true, true) if count == 1 || count == self.inputs => Some(Channels::new(Layout::Chw, count)),
            _ => None,
        }
    }
}
