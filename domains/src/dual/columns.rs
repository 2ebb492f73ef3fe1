//! Matrices with a column for each member of a batch.

use crate::network::{Affine, ColumnMap, NodeId};

/// The values of an affine node for `n` members, where those of its sources are in `from`, by node.
pub(super) fn apply(
    affine: &Affine,
    maps: &[(NodeId, ColumnMap<'_, f32>)],
    n: usize,
    from: &[Vec<f32>],
    to: &mut Vec<f32>,
    spare: &mut Vec<f32>,
) {
    to.clear();
    affine.bias.values().iter().for_each(|&b| to.extend(std::iter::repeat_n(b as f32, n)));
    for (source, map) in maps {
        map.forth(&from[*source], n, to, spare);
    }
}

/// Keeps the columns `kept` (in increasing order) of a matrix with `n`.
pub(super) fn keep_columns(a: &mut Vec<f32>, n: usize, kept: &[usize]) {
    let rows = a.len() / n;
    for row in 0..rows {
        for (to, &from) in kept.iter().enumerate() {
            a[row * kept.len() + to] = a[row * n + from];
        }
    }
    a.truncate(rows * kept.len());
}
