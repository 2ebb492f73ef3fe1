//! The equality rows, in panels, and the normal matrix `N = A H⁻¹ Aᵀ`.
//!
//! With `H = L Lᵀ`, `N = V Vᵀ` for `V = A L⁻ᵀ`, whose row has entries where the row of `A` has some, and
//! further on in the same components. What a panel has of one layer's variables is a dense matrix where
//! it is dense enough, so that most of the work is matrix products.

use super::cholesky::{BlockMatrix, dot};
use super::components::Components;
use super::form::{Form, SparseRows};
use crate::num::gemm::{Strided, accumulate};
use float_ord::FloatOrd;
use itertools::Itertools;

/// Rows of a panel, at most.
const PANEL: usize = 96;
/// Part of the entries present from which on a piece is stored densely.
const DENSE: f64 = 0.1;
/// Entries of the factor, and multiplications of a factorisation, beyond which this is no method.
const LIMITS: (usize, f64) = (60_000_000, 3e11);

/// One panel over columns of one layer; all columns of a component from its first one on.
struct Dense {
    panel: usize,
    layer: usize,
    columns: Vec<usize>,
    /// Row by row of the transpose: the coefficients of one column, for all rows of the panel.
    values: Vec<f64>,
    /// The same of `V`.
    transformed: Vec<f64>,
}

/// Two dense pieces of one layer with columns in common, the first one's panel not before the other's.
struct Pair {
    first: usize,
    second: usize,
    common: Common,
}

enum Common {
    /// Neighbouring columns in both, from these on.
    Run { first: usize, second: usize, count: usize },
    /// These columns of both.
    Scattered(Vec<(usize, usize)>),
}

/// `A` and what it takes to form `N`.
pub(super) struct Equalities {
    /// The form's row at each place.
    order: Vec<usize>,
    /// First row of each panel, and the end.
    starts: Vec<usize>,
    panel_of_row: Vec<usize>,
    dense: Vec<Dense>,
    pairs: Vec<Pair>,
    /// What is in no dense piece.
    sparse: SparseRows,
    /// `V` in the pattern of `sparse`.
    transformed: Vec<f64>,
    /// Per variable, the rows of `sparse` that have it and where.
    sparse_starts: Vec<usize>,
    sparse_rows: Vec<(usize, usize)>,
    /// Per variable, the dense pieces that have it and where.
    dense_starts: Vec<usize>,
    dense_columns: Vec<(usize, usize)>,
}

impl Equalities {
    /// The rows of `form` and a matrix for `N`; `None` when that would be too large.
    pub fn new(form: &Form, components: &Components) -> Option<(Self, BlockMatrix)> {
        let panels = panels(form);
        let coupled = coupled(form, components, &panels);
        let sizes: Vec<usize> = panels.iter().map(Vec::len).collect();
        let elimination = BlockMatrix::order(&sizes, &coupled);
        let sizes: Vec<usize> = elimination.iter().map(|&p| sizes[p]).collect();
        let below: Vec<Vec<usize>> = (0..sizes.len())
            .map(|j| (j + 1..sizes.len()).filter(|&i| coupled[elimination[i]][elimination[j]]).collect())
            .collect();
        let cost = BlockMatrix::estimate(&sizes, &below);
        if cost.0 > LIMITS.0 || cost.1 > LIMITS.1 {
            return None;
        }
        let matrix = BlockMatrix::new(&sizes, &below);
        let order: Vec<usize> = elimination.iter().flat_map(|&p| panels[p].iter().copied()).collect();
        let mut starts = vec![0];
        sizes.iter().for_each(|size| starts.push(starts.last().unwrap_or(&0) + size));
        let panel_of_row = sizes.iter().enumerate().flat_map(|(p, &size)| std::iter::repeat_n(p, size)).collect();
        let (dense, sparse) = pieces(form, components, &order, &starts);
        let pairs = pairs(&dense);
        let n = form.variables();
        let (sparse_starts, sparse_rows) = by_variable(
            n,
            (0..sparse.len())
                .flat_map(|i| (sparse.starts[i]..sparse.starts[i + 1]).map(move |at| (i, at)))
                .map(|(i, at)| (sparse.columns[at], (i, at))),
        );
        let (dense_starts, dense_columns) = by_variable(
            n,
            dense
                .iter()
                .enumerate()
                .flat_map(|(d, piece)| piece.columns.iter().enumerate().map(move |(at, &j)| (j, (d, at)))),
        );
        let transformed = vec![0.0; sparse.values.len()];
        let equalities = Self {
            order,
            starts,
            panel_of_row,
            dense,
            pairs,
            sparse,
            transformed,
            sparse_starts,
            sparse_rows,
            dense_starts,
            dense_columns,
        };
        Some((equalities, matrix))
    }

    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// The form's row at each place.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// `out += A x`.
    pub fn add_product(&self, x: &[f64], out: &mut [f64]) {
        self.sparse.add_product(x, out);
        for piece in &self.dense {
            let rows = self.starts[piece.panel]..self.starts[piece.panel + 1];
            let out = &mut out[rows];
            for (&j, column) in piece.columns.iter().zip(piece.values.chunks_exact(out.len())) {
                let x = x[j];
                out.iter_mut().zip(column).for_each(|(out, a)| *out += a * x);
            }
        }
    }

    /// `out += factor · Aᵀ y`.
    pub fn add_transposed(&self, factor: f64, y: &[f64], out: &mut [f64]) {
        self.sparse.add_transposed(factor, y, out);
        for piece in &self.dense {
            let y = &y[self.starts[piece.panel]..self.starts[piece.panel + 1]];
            for (&j, column) in piece.columns.iter().zip(piece.values.chunks_exact(y.len())) {
                out[j] += factor * dot(column, y);
            }
        }
    }

    /// Overwrites `matrix` with `A H⁻¹ Aᵀ` (on and below the diagonal).
    pub fn form(&mut self, components: &Components, matrix: &mut BlockMatrix) {
        matrix.clear();
        for piece in &mut self.dense {
            let rows = self.starts[piece.panel + 1] - self.starts[piece.panel];
            transform(piece, rows, components);
        }
        self.transform_sparse(components);
        self.add_dense_products(matrix);
        for j in 0..components.variables() {
            let entries = &self.sparse_rows[self.sparse_starts[j]..self.sparse_starts[j + 1]];
            if entries.is_empty() {
                continue;
            }
            self.add_sparse_products(entries, matrix);
            for &(d, at) in &self.dense_columns[self.dense_starts[j]..self.dense_starts[j + 1]] {
                self.add_mixed_products(entries, &self.dense[d], at, matrix);
            }
        }
    }

    fn transform_sparse(&mut self, components: &Components) {
        for i in 0..self.sparse.len() {
            let (mut at, end) = (self.sparse.starts[i], self.sparse.starts[i + 1]);
            while at < end {
                let first = self.sparse.columns[at];
                let c = components.of(first);
                let range = components.range(c);
                let (factor, size, skipped) = (components.factor_of(c), range.len(), first - range.start);
                let length = size - skipped;
                let (values, out) = (&self.sparse.values[at..at + length], &mut self.transformed[at..at + length]);
                for p in 0..length {
                    let row = &factor[(p + skipped) * size + skipped..][..=p];
                    let known: f64 = row[..p].iter().zip(&out[..p]).map(|(l, v)| l * v).sum();
                    out[p] = (values[p] - known) / row[p];
                }
                at += length;
            }
        }
    }

    fn add_dense_products(&self, matrix: &mut BlockMatrix) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for pair in &self.pairs {
            let (first, second) = (&self.dense[pair.first], &self.dense[pair.second]);
            let rows = |piece: &Dense| self.starts[piece.panel + 1] - self.starts[piece.panel];
            let (m, n) = (rows(first), rows(second));
            let (a, b, k) = match &pair.common {
                Common::Run { first: i, second: j, count } => {
                    (&first.transformed[i * m..], &second.transformed[j * n..], *count)
                }
                Common::Scattered(columns) => {
                    left.clear();
                    right.clear();
                    for &(i, j) in columns {
                        left.extend_from_slice(&first.transformed[i * m..][..m]);
                        right.extend_from_slice(&second.transformed[j * n..][..n]);
                    }
                    (&left[..], &right[..], columns.len())
                }
            };
            let (out, distance) = matrix.block_mut(first.panel, second.panel);
            accumulate(1.0, [m, k, n], Strided::columns(a, m), Strided::columns(b, n).t(), out, distance);
        }
    }

    /// Products of sparse entries of one column.
    fn add_sparse_products(&self, entries: &[(usize, usize)], matrix: &mut BlockMatrix) {
        for (p, &(i, at)) in entries.iter().enumerate() {
            let value = self.transformed[at];
            let panel = self.panel_of_row[i];
            let row = i - self.starts[panel];
            for &(k, other) in &entries[..=p] {
                let second = self.panel_of_row[k];
                let (out, distance) = matrix.block_mut(panel, second);
                out[(k - self.starts[second]) * distance + row] += value * self.transformed[other];
            }
        }
    }

    /// Products of sparse entries of one column with the dense piece that has it at `at`.
    fn add_mixed_products(&self, entries: &[(usize, usize)], piece: &Dense, at: usize, matrix: &mut BlockMatrix) {
        let rows = self.starts[piece.panel + 1] - self.starts[piece.panel];
        let column = &piece.transformed[at * rows..][..rows];
        for &(i, entry) in entries {
            let value = self.transformed[entry];
            let panel = self.panel_of_row[i];
            let row = i - self.starts[panel];
            if piece.panel > panel {
                let (out, distance) = matrix.block_mut(piece.panel, panel);
                let out = &mut out[row * distance..][..rows];
                out.iter_mut().zip(column).for_each(|(out, a)| *out += value * a);
            } else {
                let (out, distance) = matrix.block_mut(panel, piece.panel);
                out[row..].iter_mut().step_by(distance).zip(column).for_each(|(out, a)| *out += value * a);
            }
        }
    }
}

/// `V` of a dense piece: `L` applied backwards to whole columns.
fn transform(piece: &mut Dense, rows: usize, components: &Components) {
    piece.transformed.copy_from_slice(&piece.values);
    let mut at = 0;
    while at < piece.columns.len() {
        let c = components.of(piece.columns[at]);
        let range = components.range(c);
        let (factor, size, skipped) = (components.factor_of(c), range.len(), piece.columns[at] - range.start);
        let block = &mut piece.transformed[at * rows..(at + size - skipped) * rows];
        for p in skipped..size {
            let (known, rest) = block.split_at_mut((p - skipped) * rows);
            let out = &mut rest[..rows];
            for (q, column) in (skipped..p).zip(known.chunks_exact(rows)) {
                let l = factor[p * size + q];
                if l != 0.0 {
                    out.iter_mut().zip(column).for_each(|(out, v)| *out -= l * v);
                }
            }
            let inverse = factor[p * size + p].recip();
            out.iter_mut().for_each(|out| *out *= inverse);
        }
        at += size - skipped;
    }
}

/// Rows that are likely to share columns: by the latest layer they touch, then by where in the earlier
/// layers they look, so that the neurons of one place in an image stay together.
fn panels(form: &Form) -> Vec<Vec<usize>> {
    let rows = form.equalities.len();
    let mut layer_of = vec![0; form.variables()];
    for (layer, (&from, &to)) in form.layers.iter().tuple_windows().enumerate() {
        layer_of[from..to].fill(layer);
    }
    let columns = |i: usize| &form.equalities.columns[form.equalities.starts[i]..form.equalities.starts[i + 1]];
    // Columns increase with layers, so the last one is in the latest layer.
    let layer = |i: usize| columns(i).last().map_or(0, |&j| layer_of[j]);
    let mut by_layer: Vec<Vec<usize>> = vec![Vec::new(); form.layers.len()];
    (0..rows).for_each(|i| by_layer[layer(i)].push(i));
    let mut place: Vec<f64> = (0..form.variables()).map(|j| j as f64).collect();
    let mut panels = Vec::new();
    for (layer, members) in by_layer.iter().enumerate() {
        let mut keyed: Vec<(f64, usize)> = members
            .iter()
            .map(|&i| {
                let own = columns(i).partition_point(|&j| layer_of[j] < layer);
                let looked_at = if own == 0 { columns(i) } else { &columns(i)[..own] };
                let sum: f64 = looked_at.iter().map(|&j| place[j]).sum();
                (sum / looked_at.len().max(1) as f64, i)
            })
            .collect();
        for &(key, i) in &keyed {
            columns(i).iter().filter(|&&j| layer_of[j] == layer).for_each(|&j| place[j] = key);
        }
        keyed.sort_by_key(|&(key, i)| (FloatOrd(key), i));
        let count = keyed.len().div_ceil(PANEL);
        for p in 0..count {
            let range = p * keyed.len() / count..(p + 1) * keyed.len() / count;
            panels.push(keyed[range].iter().map(|k| k.1).collect());
        }
    }
    panels
}

/// Which panels have rows that share a component.
fn coupled(form: &Form, components: &Components, panels: &[Vec<usize>]) -> Vec<Vec<bool>> {
    let mut touching: Vec<Vec<usize>> = vec![Vec::new(); components.len()];
    for (p, rows) in panels.iter().enumerate() {
        for &i in rows {
            for (j, _) in form.equalities.row(i) {
                let touching = &mut touching[components.of(j)];
                if touching.last() != Some(&p) {
                    touching.push(p);
                }
            }
        }
    }
    // Neurons of one layer mostly touch the same panels.
    touching.sort_unstable();
    touching.dedup();
    let mut coupled = vec![vec![false; panels.len()]; panels.len()];
    for panels in &touching {
        for &p in panels {
            panels.iter().for_each(|&q| coupled[p][q] = true);
        }
    }
    coupled
}

/// Splits the rows into dense pieces and a sparse rest.
fn pieces(form: &Form, components: &Components, order: &[usize], starts: &[usize]) -> (Vec<Dense>, SparseRows) {
    let mut dense = Vec::new();
    let mut sparse = SparseRows::new();
    let mut place = vec![usize::MAX; form.variables()];
    for panel in 0..starts.len() - 1 {
        let rows = &order[starts[panel]..starts[panel + 1]];
        let mut rest: Vec<Vec<(usize, f64)>> = vec![Vec::new(); rows.len()];
        let mut next: Vec<usize> = rows.iter().map(|&i| form.equalities.starts[i]).collect();
        for (layer, bounds) in form.layers.windows(2).enumerate() {
            // Each row's entries in this layer, completed to the ends of their components.
            let mut filled: Vec<Vec<(usize, f64)>> = Vec::with_capacity(rows.len());
            let mut total = 0;
            for (&i, next) in rows.iter().zip(&mut next) {
                let end = form.equalities.starts[i + 1];
                let first = *next;
                while *next < end && form.equalities.columns[*next] < bounds[1] {
                    *next += 1;
                }
                let (columns, values) = (&form.equalities.columns[first..*next], &form.equalities.values[first..*next]);
                let entries = completed(columns, values, components);
                total += entries.len();
                filled.push(entries);
            }
            if total == 0 {
                continue;
            }
            let mut columns: Vec<usize> = Vec::new();
            for &(j, _) in filled.iter().flatten() {
                if place[j] == usize::MAX {
                    place[j] = 0;
                    columns.push(j);
                }
            }
            columns.sort_unstable();
            columns.iter().enumerate().for_each(|(at, &j)| place[j] = at);
            if (total as f64) < DENSE * (columns.len() * rows.len()) as f64 || rows.len() < 4 {
                rest.iter_mut().zip(&mut filled).for_each(|(rest, filled)| rest.append(filled));
                columns.iter().for_each(|&j| place[j] = usize::MAX);
                continue;
            }
            let mut values = vec![0.0; columns.len() * rows.len()];
            for (i, entries) in filled.iter().enumerate() {
                entries.iter().for_each(|&(j, a)| values[place[j] * rows.len() + i] = a);
            }
            columns.iter().for_each(|&j| place[j] = usize::MAX);
            let transformed = vec![0.0; values.len()];
            dense.push(Dense { panel, layer, columns, values, transformed });
        }
        rest.into_iter().for_each(|entries| sparse.push(entries));
    }
    (dense, sparse)
}

fn completed(columns: &[usize], values: &[f64], components: &Components) -> Vec<(usize, f64)> {
    let mut entries = Vec::with_capacity(columns.len() + columns.len() / 2);
    let mut at = 0;
    while at < columns.len() {
        let end = components.range(components.of(columns[at])).end;
        for j in columns[at]..end {
            let is_entry = columns.get(at) == Some(&j);
            entries.push((j, if is_entry { values[at] } else { 0.0 }));
            at += usize::from(is_entry);
        }
    }
    entries
}

fn pairs(dense: &[Dense]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (first, a) in dense.iter().enumerate() {
        for (second, b) in dense.iter().enumerate() {
            if a.layer != b.layer || a.panel < b.panel {
                continue;
            }
            if let Some(common) = common(&a.columns, &b.columns) {
                pairs.push(Pair { first, second, common });
            }
        }
    }
    pairs
}

fn common(a: &[usize], b: &[usize]) -> Option<Common> {
    if a == b {
        return Some(Common::Run { first: 0, second: 0, count: a.len() });
    }
    let mut both = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                both.push((i, j));
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    let (&(first, second), &last) = (both.first()?, both.last()?);
    let count = both.len();
    let is_run = last == (first + count - 1, second + count - 1);
    Some(if is_run { Common::Run { first, second, count } } else { Common::Scattered(both) })
}

/// Sorts `(variable, what)` by variable: where each variable's part begins, and the parts.
fn by_variable(
    variables: usize,
    entries: impl Iterator<Item = (usize, (usize, usize))> + Clone,
) -> (Vec<usize>, Vec<(usize, usize)>) {
    let mut starts = vec![0; variables + 1];
    entries.clone().for_each(|(j, _)| starts[j + 1] += 1);
    for j in 0..variables {
        starts[j + 1] += starts[j];
    }
    let mut next = starts.clone();
    let mut sorted = vec![(0, 0); starts[variables]];
    for (j, what) in entries {
        sorted[next[j]] = what;
        next[j] += 1;
    }
    (starts, sorted)
}
