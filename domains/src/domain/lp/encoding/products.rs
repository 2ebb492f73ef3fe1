//! The rows of product nodes.

use super::Encoding;
use super::expression::{Expression, Value};
use crate::activation::{ActivationFn, Power};
use crate::domain::{NodeBounds, planes};
use crate::network::{NodeId, Product};
use crate::num::Interval;

/// Half-spaces around a product, as the coefficients of its factors and its own, and their right sides.
fn around(ranges: [Interval; 2], is_square: bool) -> Vec<[f64; 4]> {
    if let Some(square) = Power::new(2).filter(|_| is_square) {
        return square.hull(ranges[0].into()).into_iter().map(|half| [half.z, 0.0, half.y, half.rhs]).collect();
    }
    let sides = [1.0, -1.0].into_iter().flat_map(|sign| planes::corners(ranges, sign).map(|slopes| (sign, slopes)));
    let half_space = |(sign, [a, b]): (f64, [f64; 2])| {
        // y − q a − p b lies in the band.
        let band = planes::band(ranges, [a, b]);
        [sign * a, sign * b, -sign, if sign > 0.0 { -band.lo } else { band.hi }]
    };
    sides.map(half_space).collect()
}

impl<'a> Encoding<'a> {
    /// A variable for every product, with the four planes of McCormick around it, or the polygon around a square.
    pub(super) fn product(
        &mut self,
        id: NodeId,
        product: &Product,
        bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
    ) -> Option<()> {
        let ranges: Vec<[Interval; 2]> = product.pairs(|source, i| bounds(source).get(i)).collect();
        let mut values = Vec::with_capacity(ranges.len());
        for (k, ranges) in ranges.into_iter().enumerate() {
            if !self.cone.contains(id, k) {
                values.push(Value::Absent);
                continue;
            }
            let output = Value::Variable(self.variable(bounds(id).get(k))?);
            for [a, b, y, rhs] in around(ranges, product.is_square(k)) {
                let mut row = Expression::new(Interval::ZERO);
                row.add(y, output);
                for (factor, slope) in product.factors.iter().zip([a, b]) {
                    row.add(slope, self.values_of(factor.source)?[factor.index[k]]);
                }
                self.row(&row, Interval { lo: f64::NEG_INFINITY, hi: rhs });
            }
            values.push(output);
        }
        self.values[id] = Some(values);
        Some(())
    }
}
