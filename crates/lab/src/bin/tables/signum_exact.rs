//! The exact maximum over few flipped pixels, by trying them all.

use crate::job::Outcome;
use absint::domains::network::{Network, NodeKind};
use absint::domains::num::{Rational, nearest};

/// Sets of more flips than this are too many to try.
pub const MOST_FLIPS: usize = 2;

/// The largest `Y_target − Y_label` over all ±1 vectors that differ from `pixels` in at most `flips`
/// places, of a network of dense layers of signs (all numbers in it are small integers, so floats are exact).
pub fn maximum(network: &Network, pixels: &[Rational], (label, target): (usize, usize), flips: usize) -> Outcome<f64> {
    let mut layers = Vec::new();
    for node in network.nodes() {
        if let NodeKind::Affine(affine) = &node.kind {
            let [term] = &affine.terms[..] else { return Err("a layer with several sources".into()) };
            let units: Vec<(usize, f64)> = (0..node.len).map(|i| (i, 1.0)).collect();
            layers.push((term.map.rows(&units), affine.bias.values()));
        }
    }
    let (first, rest) = layers.split_first().ok_or("no layer")?;
    let x: Vec<f64> = pixels.iter().map(nearest).collect();
    let mut z: Vec<f64> = first.1.iter().zip(first.0.rows()).map(|(b, row)| b + dot(row.iter(), &x)).collect();
    let columns: Vec<Vec<f64>> =
        (0..x.len()).map(|j| first.0.column(j).iter().map(|w| -2.0 * w * x[j]).collect()).collect();
    let margin = |z: &[f64]| {
        let mut values = z.to_vec();
        for (weights, bias) in rest {
            let signs: Vec<f64> = values.iter().map(|&v| if v >= 0.0 { 1.0 } else { -1.0 }).collect();
            values = bias.iter().zip(weights.rows()).map(|(b, row)| b + dot(row.iter(), &signs)).collect();
        }
        values[target] - values[label]
    };
    Ok(search(&mut z, &columns, flips, &margin))
}

fn dot<'a>(row: impl Iterator<Item = &'a f64>, x: &[f64]) -> f64 {
    row.zip(x).map(|(w, x)| w * x).sum()
}

/// The largest margin over at most `flips` of the changes `columns` to `z`.
fn search(z: &mut [f64], columns: &[Vec<f64>], flips: usize, margin: &impl Fn(&[f64]) -> f64) -> f64 {
    let mut best = margin(z);
    if flips > 0 {
        for (j, column) in columns.iter().enumerate() {
            z.iter_mut().zip(column).for_each(|(z, c)| *z += c);
            best = best.max(search(z, &columns[j + 1..], flips - 1, margin));
            z.iter_mut().zip(column).for_each(|(z, c)| *z -= c);
        }
    }
    best
}
