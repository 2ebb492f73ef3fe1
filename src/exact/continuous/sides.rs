//! Break points of activations, and the sides of them that neurons are put on.

use crate::domains::domain::{Bounds, NodeBounds};
use crate::domains::network::{Network, NodeId};
use crate::domains::num::Interval;

/// A neuron (of the node that an activation reads) and a break point of the activation.
#[derive(Clone, Copy, Debug)]
pub(super) struct BreakPoint {
    pub node: NodeId,
    pub neuron: usize,
    pub at: f64,
}

/// One side of a break point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub of: BreakPoint,
    /// Whether the neuron is at most at the break point, and not at least.
    pub is_below: bool,
}

impl BreakPoint {
    /// The break points that bounds leave inside, those first where the relaxation has the largest gap; a smooth
    /// activation has one in the middle of the bounds, as long as there is a gap. `None` when a neuron is unstable
    /// without such a point: at an activation that jumps.
    pub fn all(network: &Network, known: &Bounds) -> Option<Vec<Self>> {
        let mut found: Vec<(f64, Self)> = Vec::new();
        let mut any = false;
        for (_, activation) in network.activations() {
            let z = known.get(activation.source)?;
            for (neuron, z) in z.iter().enumerate() {
                if !activation.function.is_unstable(z.into()) {
                    continue;
                }
                any = true;
                let lines = activation.function.lines(z.into());
                let segments = activation.function.segments(z.into());
                let corners = segments.iter().take(segments.len().saturating_sub(1)).map(|segment| segment.to);
                let middle = activation.function.pieces().is_none().then(|| z.middle());
                for at in corners.chain(middle) {
                    let gap = lines.upper.at(at).hi - lines.lower.at(at).lo;
                    if z.lo < at && at < z.hi {
                        found.push((gap, Self { node: activation.source, neuron, at }));
                    }
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        (!any || !found.is_empty()).then(|| found.into_iter().map(|(_, point)| point).collect())
    }

    /// Both sides.
    pub fn sides(self) -> [Side; 2] {
        [true, false].map(|is_below| Side { of: self, is_below })
    }
}

impl Side {
    /// The bounds of the inputs on this side.
    pub fn within(&self, known: &Bounds) -> Bounds {
        let BreakPoint { node, neuron, at } = self.of;
        let range = if self.is_below {
            Interval { lo: f64::NEG_INFINITY, hi: at }
        } else {
            Interval { lo: at, hi: f64::INFINITY }
        };
        let mut nodes = known.nodes().to_vec();
        let side: NodeBounds =
            (0..nodes[node].len()).map(|j| if j == neuron { range } else { Interval::ALL }).collect();
        nodes[node].intersect(&side);
        Bounds::new(nodes)
    }
}
