//! Rows of affine nodes, divided by what all their weights are multiples of.

use crate::network::{Affine, Coefficients, Parameter};
use ndarray::ArrayViewMutD;

/// Divides every row of weights of a lone map, and its bias, by the largest number of which all its
/// weights are small multiples, if there is one.
pub(super) fn divide_by_common_measure(affine: &mut Affine) {
    let [term] = &mut affine.terms[..] else { return };
    let Some((rows, outputs)) = term.map.weight_rows_mut() else { return };
    let measures: Vec<Option<f64>> =
        rows.into_iter().map(divide).flat_map(|measure| std::iter::repeat_n(measure, outputs)).collect();
    if measures.iter().any(Option::is_some) {
        let divided = |(i, g): (usize, &Option<f64>)| {
            let b = affine.bias.parameter(i);
            g.and_then(|g| b.over_magnitude(&Parameter::float(g))).unwrap_or(b)
        };
        affine.bias = Coefficients::parameters(measures.iter().enumerate().map(divided).collect());
        for (row, measure) in affine.rounding.rows.iter_mut().zip(&measures) {
            *row = row.divided(measure.unwrap_or(1.0));
        }
    }
}

/// Divides the weights by their common measure; returns it unless it is 1 or there is none.
fn divide(mut weights: ArrayViewMutD<f64>) -> Option<f64> {
    let measure = common_measure(weights.iter().copied())?;
    weights.mapv_inplace(|w| w / measure);
    (measure != 1.0).then_some(measure)
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
