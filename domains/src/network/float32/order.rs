//! Dot products in float32, in the orders that runtimes use.

use std::fmt;

/// In which order the products and the bias of one sum are added; the same one for every neuron.
///
/// Every operation rounds to the nearest `f32`, ties to even, with gradual underflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From left to right, the bias last.
    Sequential,
    /// From right to left, the bias last.
    Reversed,
    /// A tree of neighbours, the bias last.
    Pairwise,
    /// This many lanes, lane j taking the products j modulo their number; then a tree over the lanes, the bias
    /// last.
    Lanes(usize),
    /// From the bias on, left to right.
    BiasFirst,
    /// From the bias on, right to left.
    BiasFirstReversed,
    /// Fused multiply-add from 0, left to right, the bias last.
    Fused,
    /// Fused multiply-add from 0, right to left, the bias last.
    FusedReversed,
    /// Fused multiply-add from the bias on, left to right.
    FusedBiasFirst,
}

impl Order {
    /// The orders that are tried.
    pub const ALL: [Self; 11] = [
        Self::Sequential,
        Self::Reversed,
        Self::Pairwise,
        Self::Lanes(2),
        Self::Lanes(4),
        Self::Lanes(8),
        Self::BiasFirst,
        Self::BiasFirstReversed,
        Self::Fused,
        Self::FusedReversed,
        Self::FusedBiasFirst,
    ];

    /// Whether products are not rounded on their way into the sum.
    pub(super) fn is_fused(self) -> bool {
        matches!(self, Self::Fused | Self::FusedReversed | Self::FusedBiasFirst)
    }

    /// `Σ w x + b` over pairs `(w, x)`.
    #[must_use]
    pub fn dot(self, products: &[(f32, f32)], bias: f32) -> f32 {
        let add = |sum: f32, (w, x): &(f32, f32)| sum + w * x;
        let fuse = |sum: f32, (w, x): &(f32, f32)| w.mul_add(*x, sum);
        match self {
            Self::Sequential => products.iter().fold(0.0, add) + bias,
            Self::Reversed => products.iter().rev().fold(0.0, add) + bias,
            Self::Pairwise => tree(products.iter().map(|(w, x)| w * x).collect()) + bias,
            Self::Lanes(lanes) => {
                let lane = |j: usize| products.iter().skip(j).step_by(lanes.max(1)).fold(0.0, add);
                tree((0..lanes.max(1)).map(lane).collect()) + bias
            }
            Self::BiasFirst => products.iter().fold(bias, add),
            Self::BiasFirstReversed => products.iter().rev().fold(bias, add),
            Self::Fused => products.iter().fold(0.0, fuse) + bias,
            Self::FusedReversed => products.iter().rev().fold(0.0, fuse) + bias,
            Self::FusedBiasFirst => products.iter().fold(bias, fuse),
        }
    }
}

/// The sum by a tree of neighbours.
fn tree(mut sums: Vec<f32>) -> f32 {
    while sums.len() > 1 {
        sums = sums.chunks(2).map(|pair| if let [a, b] = pair { a + b } else { pair[0] }).collect();
    }
    sums.first().copied().unwrap_or(0.0)
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Sequential => "seq",
            Self::Reversed => "rev",
            Self::Pairwise => "pair",
            Self::Lanes(lanes) => return write!(f, "blk{lanes}"),
            Self::BiasFirst => "biasfirst",
            Self::BiasFirstReversed => "biasfirst_rev",
            Self::Fused => "fma",
            Self::FusedReversed => "fma_rev",
            Self::FusedBiasFirst => "fma_biasfirst",
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orders_round_differently_and_are_named() {
        let tiny = f32::EPSILON / 2.0;
        let products = [(1.0, 1.0), (tiny, 1.0), (tiny, 1.0), (1.0, -1.0)];
        let of = |order: Order| order.dot(&products, 0.0);
        assert_eq!(of(Order::Sequential), 0.0);
        assert_eq!(of(Order::Reversed), f32::EPSILON);
        assert_eq!(of(Order::Pairwise), tiny);
        assert_eq!(Order::BiasFirst.dot(&[(tiny, 1.0), (1.0, -1.0)], 1.0), 0.0);
        // A product that is no f32 survives only when fused.
        let square = 1.0 + f32::EPSILON;
        assert_eq!(Order::Sequential.dot(&[(square, square)], -(square * square)), 0.0);
        assert!(Order::FusedBiasFirst.dot(&[(square, square)], -(square * square)) > 0.0);
        let names: Vec<String> = Order::ALL.iter().map(ToString::to_string).collect();
        let expected = "seq rev pair blk2 blk4 blk8 biasfirst biasfirst_rev fma fma_rev fma_biasfirst";
        assert_eq!(names.join(" "), expected);
    }
}
