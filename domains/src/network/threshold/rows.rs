//! Rows of affine nodes, divided by what all their weights are multiples of.

use crate::network::{Affine, Coefficients, Parameter};
use ndarray::ArrayView1;
use std::sync::Arc;

/// Divides every row of weights of a lone map, and its bias, by the largest number of which all its
/// weights are small multiples, if there is one.
pub(super) fn divide_by_common_measure(affine: &mut Affine) {
    let [term] = &mut affine.terms[..] else { return };
    let Some((weights, outputs)) = term.map.weight_rows() else { return };
    let measure = |row: ArrayView1<f64>| common_measure(row.iter().copied()).filter(|measure| *measure != 1.0);
    let measures: Vec<Option<f64>> = weights.rows().into_iter().map(measure).collect();
    if measures.iter().all(Option::is_none) {
        return;
    }
    for (mut row, g) in Arc::make_mut(&mut term.map).weight_rows_mut().into_iter().flat_map(|m| m.0).zip(&measures) {
        row.mapv_inplace(|w| w / g.unwrap_or(1.0));
    }
    let measures: Vec<Option<f64>> = measures.into_iter().flat_map(|g| std::iter::repeat_n(g, outputs)).collect();
    let divided = |(i, g): (usize, &Option<f64>)| {
        let b = affine.bias.parameter(i);
        g.and_then(|g| b.over_magnitude(&Parameter::float(g))).unwrap_or(b)
    };
    affine.bias = Coefficients::parameters(measures.iter().enumerate().map(divided).collect());
    for (row, measure) in affine.rounding.rows.iter_mut().zip(&measures) {
        *row = row.divided(measure.unwrap_or(1.0));
    }
}

/// The largest float of which all weights are integral multiples, if these multiples are small: then
/// dividing by it is exact.
fn common_measure(weights: impl Iterator<Item = f64>) -> Option<f64> {
    const LARGEST_MULTIPLE: f64 = 1024.0;
    let mut measure: f64 = 0.0;
    let mut largest: f64 = 0.0;
    for w in weights.map(f64::abs).filter(|w| *w != 0.0) {
        if !(1e-100..=1e100).contains(&w) {
            return None;
        }
        // Euclid's algorithm; the remainder of two floats is a float.
        let (mut a, mut b) = (measure, w);
        while a != 0.0 {
            (a, b) = (b % a, a);
        }
        measure = b;
        largest = largest.max(w);
        if measure * LARGEST_MULTIPLE < largest {
            return None;
        }
    }
    (measure != 0.0).then_some(measure)
}

#[cfg(test)]
mod tests {
    use super::common_measure;

    #[test]
    fn the_common_measure_is_found_exactly_or_not_at_all() {
        let of = |weights: &[f64]| common_measure(weights.iter().copied());
        assert_eq!(of(&[1.0, -1.0, 0.0]), Some(1.0));
        assert_eq!(of(&[0.1, -0.1]), Some(0.1));
        assert_eq!(of(&[6.0, 0.0, -10.0, 4.5]), Some(0.5));
        assert_eq!(of(&[0.1, 0.3]), None);
        assert_eq!(of(&[0.0]), None);
        assert_eq!(of(&[1.0, 2000.0]), None);
        assert_eq!(of(&[f64::MIN_POSITIVE, -f64::MIN_POSITIVE]), None);
    }
}
