//! What a certificate says of the neurons' lines on boxes of inputs.

use super::names::Names;
use crate::domains::dual::Corners;
use crate::domains::network::NodeId;
use crate::domains::num::Interval;
use crate::format::certificate::{Script, is_nearly_unstable};
use std::ops::Range;

/// The activations of a network, of which neurons are bounded on boxes.
#[derive(Default)]
pub(super) struct BoxLines(Vec<Layer>);

struct Layer {
    node: NodeId,
    source: NodeId,
    /// The neurons that are unstable on some box, by index in the relaxation, and what they are called.
    free: Range<usize>,
    names: Vec<usize>,
    /// The names of others whose lines rise below, if a checker finds them unstable.
    nearly: Vec<usize>,
}

impl BoxLines {
    /// The lines around what `corners` relaxes.
    pub fn new(corners: Corners<'_>, names: &Names) -> Self {
        let relaxed = corners.relaxed();
        let of_node = |(node, source): (NodeId, NodeId)| {
            let name = |i: usize| names.of((node, i)).1;
            let (from, to) = (relaxed.free_up_to(node - 1), relaxed.free_up_to(node));
            let nearly = relaxed.bounds().nodes()[source].iter().enumerate();
            Layer {
                node,
                source,
                free: from..to,
                names: relaxed.free()[from..to].iter().map(|&(_, i)| name(i)).collect(),
                nearly: nearly.filter(|(_, z)| is_nearly_unstable(*z)).map(|(i, _)| name(i)).collect(),
            }
        };
        Self(relaxed.network().activations().map(|(node, activation)| (node, activation.source)).map(of_node).collect())
    }

    /// Says that neurons are bounded on a box, where free ones are found in these ranges, with the lines of least area; what
    /// is found behind the node whose bounds exclude each other, if there is one, has no lines to say.
    pub fn say(&self, ranges: &[Interval], empty: Option<NodeId>, script: &mut Script) {
        for Layer { node, source, free, names, nearly } in &self.0 {
            script.late_node(*source);
            let is_steep = |z: &Interval| if z.lo < 0.0 { z.hi > 0.0 && z.hi >= -z.lo } else { is_nearly_unstable(*z) };
            if empty.is_none_or(|empty| *source < empty) {
                let steep = names.iter().zip(&ranges[free.clone()]).filter(|(_, z)| is_steep(z)).map(|(name, _)| *name);
                script.steep(*node, steep.chain(nearly.iter().copied()));
            }
        }
    }
}
