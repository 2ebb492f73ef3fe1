//! The rows of product nodes.

use super::Encoding;
use super::expression::{Expression, Value};
use crate::domain::{NodeBounds, planes};
use crate::network::{NodeId, Product};
use crate::num::Interval;

impl<'a> Encoding<'a> {
    /// A variable for every product, with the four planes of McCormick around it.
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
            for (sign, slopes) in
                [1.0, -1.0].into_iter().flat_map(|s| planes::corners(ranges, s).map(|slopes| (s, slopes)))
            {
                let band = planes::band(ranges, slopes);
                // y − q a − p b lies in the band.
                let mut row = Expression::new(Interval::ZERO);
                row.add(1.0, output);
                for (factor, slope) in product.factors.iter().zip(slopes) {
                    row.add(-slope, self.values_of(factor.source)?[factor.index[k]]);
                }
                let (lo, hi) = (f64::NEG_INFINITY, f64::INFINITY);
                self.row(&row, if sign > 0.0 { Interval { lo: band.lo, hi } } else { Interval { lo, hi: band.hi } });
            }
            values.push(output);
        }
        self.values[id] = Some(values);
        Some(())
    }
}
