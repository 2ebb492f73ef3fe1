//! Break points of activations and products, and the sides of them that neurons are put on.

use crate::domains::activation::{OpenEnds, Piece};
use crate::domains::domain::Bounds;
use crate::domains::network::{Network, NodeId};
use crate::domains::num::Interval;
use float_ord::FloatOrd;
use std::cmp::Reverse;

/// A neuron (of the node that an activation reads) and a point where two pieces of the activation meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct BreakPoint {
    node: NodeId,
    neuron: usize,
    at: f64,
    /// Whether the piece on the left, or that on the right, lacks the point: at a jump one of them does.
    left_open: bool,
    right_open: bool,
}

impl BreakPoint {
    /// The break points that divide what bounds leave of unstable neurons, those first where the relaxation has the
    /// largest gap; a smooth activation, and each factor of a product, has one in the middle of the bounds, as long as
    /// there is one.
    pub fn all(network: &Network, known: &Bounds) -> Vec<Self> {
        let mut found: Vec<(f64, Self)> = Vec::new();
        for (_, activation) in network.activations() {
            let function = &activation.function;
            let Some(bounds) = known.get(activation.source) else { continue };
            let between = |neuron, z: &Interval| -> Vec<Self> {
                let Some(pieces) = function.pieces() else {
                    let at = z.middle();
                    return vec![Self { node: activation.source, neuron, at, left_open: false, right_open: false }];
                };
                pieces.windows(2).map(|pair| Self::between(activation.source, neuron, [pair[0], pair[1]])).collect()
            };
            for (neuron, z) in bounds.reaches().enumerate().filter(|(_, z)| function.is_unstable(*z)) {
                let lines = function.lines(z);
                for point in between(neuron, &z.bounds) {
                    let gap = lines.upper.at(point.at).hi - lines.lower.at(point.at).lo;
                    if point.divides(z.bounds, z.open) {
                        found.push((gap, point));
                    }
                }
            }
        }
        for (_, product) in network.products() {
            let range = |node, neuron| known.get(node).map(|z| (node, neuron, z.get(neuron)));
            for factors in product.pairs(range) {
                let [Some(a), Some(b)] = factors else { continue };
                // What either plane loses in the middle of the box.
                let gap = a.2.width() * b.2.width() / 2.0;
                for (node, neuron, z) in [a, b] {
                    let point = Self { node, neuron, at: z.middle(), left_open: false, right_open: false };
                    if gap > 0.0 && point.divides(z, OpenEnds::default()) {
                        found.push((gap, point));
                    }
                }
            }
        }
        found.sort_by_key(|&(gap, _)| Reverse(FloatOrd(gap)));
        found.into_iter().map(|(_, point)| point).collect()
    }

    fn between(node: NodeId, neuron: usize, [left, right]: [Piece; 2]) -> Self {
        Self { node, neuron, at: right.from, left_open: !left.to_closed, right_open: !right.from_closed }
    }

    /// Whether both sides leave something out of the range.
    fn divides(self, z: Interval, open: OpenEnds) -> bool {
        let is_less_below = self.at < z.hi || (self.at == z.hi && self.left_open && !open.upper);
        let is_less_above = self.at > z.lo || (self.at == z.lo && self.right_open && !open.lower);
        is_less_below && is_less_above && z.contains(self.at)
    }

    /// The neuron, and where it is divided.
    pub fn place(self) -> ((NodeId, usize), f64) {
        ((self.node, self.neuron), self.at)
    }

    /// Which side lacks the point: that of which it is the upper end, or the lower one.
    pub fn open(self) -> OpenEnds {
        OpenEnds { lower: self.right_open, upper: self.left_open }
    }

    /// The bounds of the inputs on either side, which together are all.
    pub fn sides(self, known: &Bounds) -> [Bounds; 2] {
        let below = Interval { lo: f64::NEG_INFINITY, hi: self.at };
        let above = Interval { lo: self.at, hi: f64::INFINITY };
        [below, above].map(|range| {
            let mut nodes = known.nodes().to_vec();
            nodes[self.node].restrict(self.neuron, range, self.open());
            Bounds::new(nodes)
        })
    }
}
