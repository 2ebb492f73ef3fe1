//! Cholesky factorisation of a sparse matrix of dense blocks: rows come in panels, and a block of two
//! panels is either absent or dense.

use crate::num::gemm::{Strided, accumulate};

/// Pivots below this fraction of the original diagonal mean that the row depends on those before it.
const DEPENDENT: f64 = 1e-14;
/// What such a pivot is replaced by: the row then gets the solution 0.
const HUGE: f64 = 1e100;
/// Narrower columns are factored one by one.
const NARROW: usize = 8;

/// A symmetric positive semidefinite matrix, or its factor.
///
/// Panel `j` owns one column-major matrix: its diagonal block on top, then the blocks below it.
#[derive(Debug)]
pub(super) struct BlockMatrix {
    /// First row of each panel, and the end.
    starts: Vec<usize>,
    /// The panels of each panel's matrix, itself first, increasing.
    panels: Vec<Vec<usize>>,
    /// Where block `(i, j)` begins in the rows of panel `j`'s matrix, at `j · panels + i`.
    offsets: Vec<usize>,
    heights: Vec<usize>,
    values: Vec<Vec<f64>>,
}

impl BlockMatrix {
    /// The zero matrix with panels of the given sizes, and room for the factor of a matrix whose blocks
    /// `(i, j)`, `i > j`, are those in `coupled[j]`.
    pub fn new(sizes: &[usize], coupled: &[Vec<usize>]) -> Self {
        let count = sizes.len();
        let mut starts = vec![0];
        sizes.iter().for_each(|size| starts.push(starts.last().unwrap_or(&0) + size));
        let panels = filled(coupled);
        let mut offsets = vec![usize::MAX; count * count];
        let mut heights = Vec::with_capacity(count);
        for (j, panels) in panels.iter().enumerate() {
            let mut height = 0;
            for &i in panels {
                offsets[j * count + i] = height;
                height += sizes[i];
            }
            heights.push(height);
        }
        let values = heights.iter().zip(sizes).map(|(h, w)| vec![0.0; h * w]).collect();
        Self { starts, panels, offsets, heights, values }
    }

    /// Entries that [`new`](Self::new) would store, and multiplications of a factorisation.
    pub fn estimate(sizes: &[usize], coupled: &[Vec<usize>]) -> (usize, f64) {
        let heights = filled(coupled).into_iter().map(|panels| panels.iter().map(|&i| sizes[i]).sum::<usize>());
        heights.zip(sizes).fold((0, 0.0), |(entries, work), (height, width)| {
            (entries + height * width, work + (height * height * width) as f64 / 2.0)
        })
    }

    /// Panels in an order that keeps the factor small: always the one with the smallest matrix next.
    pub fn order(sizes: &[usize], coupled: &[Vec<bool>]) -> Vec<usize> {
        let count = sizes.len();
        let mut coupled = coupled.to_vec();
        let mut is_left = vec![true; count];
        let mut order = Vec::with_capacity(count);
        for _ in 0..count {
            let degree = |j: usize| -> usize {
                coupled[j].iter().zip(&is_left).zip(sizes).filter(|((c, l), _)| **c && **l).map(|(_, s)| s).sum()
            };
            let Some(next) = (0..count).filter(|&j| is_left[j]).min_by_key(|&j| degree(j)) else { break };
            is_left[next] = false;
            order.push(next);
            let around: Vec<usize> = (0..count).filter(|&i| is_left[i] && coupled[next][i]).collect();
            for &i in &around {
                around.iter().for_each(|&k| coupled[i][k] = true);
            }
        }
        order
    }

    fn count(&self) -> usize {
        self.panels.len()
    }

    fn width(&self, panel: usize) -> usize {
        self.starts[panel + 1] - self.starts[panel]
    }

    pub fn clear(&mut self) {
        self.values.iter_mut().for_each(|values| values.fill(0.0));
    }

    /// Block `(i, j)`, `i ≥ j`: its values from its first entry on, and the distance of its columns.
    pub fn block_mut(&mut self, i: usize, j: usize) -> (&mut [f64], usize) {
        let offset = self.offsets[j * self.count() + i];
        (&mut self.values[j][offset..], self.heights[j])
    }

    /// Factors the matrix in place; only blocks on and below the diagonal count.
    pub fn factor(&mut self) {
        let diagonal: Vec<Vec<f64>> = (0..self.count())
            .map(|j| (0..self.width(j)).map(|c| self.values[j][c * self.heights[j] + c]).collect())
            .collect();
        for (j, diagonal) in diagonal.iter().enumerate() {
            let mut done = std::mem::take(&mut self.values[j]);
            factor_columns(&mut done, self.heights[j], 0, diagonal);
            self.update_from(j, &done);
            self.values[j] = done;
        }
    }

    /// Subtracts what eliminating panel `j`, whose factor is `done`, takes off the panels below.
    fn update_from(&mut self, j: usize, done: &[f64]) {
        let (width, height, count) = (self.width(j), self.heights[j], self.count());
        let panels = &self.panels[j];
        for (at, &k) in panels.iter().enumerate().skip(1) {
            let top = self.offsets[j * count + k];
            let right = Strided::columns(&done[top..], height);
            let right_rows = self.width(k);
            let mut first = at;
            while first < panels.len() {
                // A run of panels that are neighbours in both matrices.
                let (source, target) =
                    (self.offsets[j * count + panels[first]], self.offsets[k * count + panels[first]]);
                let mut end = first;
                let mut rows = 0;
                while end < panels.len() && self.offsets[k * count + panels[end]] == target + rows {
                    rows += self.width(panels[end]);
                    end += 1;
                }
                let left = Strided::columns(&done[source..], height);
                let out = &mut self.values[k][target..];
                accumulate(-1.0, [rows, width, right_rows], left, right.t(), out, self.heights[k]);
                first = end;
            }
        }
    }

    /// Replaces `x` by the solution of `L Lᵀ x = x`.
    pub fn solve(&self, x: &mut [f64]) {
        let mut buffer = Vec::new();
        for j in 0..self.count() {
            let height = self.heights[j];
            self.gather(j, x, &mut buffer);
            for c in 0..self.width(j) {
                let column = &self.values[j][c * height..][..height];
                let value = buffer[c] / column[c];
                buffer[c] = value;
                buffer[c + 1..].iter_mut().zip(&column[c + 1..]).for_each(|(x, l)| *x -= l * value);
            }
            let mut at = 0;
            for &i in &self.panels[j] {
                let rows = self.starts[i]..self.starts[i + 1];
                let size = rows.len();
                x[rows].copy_from_slice(&buffer[at..at + size]);
                at += size;
            }
        }
        for j in (0..self.count()).rev() {
            let height = self.heights[j];
            self.gather(j, x, &mut buffer);
            for c in (0..self.width(j)).rev() {
                let column = &self.values[j][c * height..][..height];
                buffer[c] = (buffer[c] - dot(&column[c + 1..], &buffer[c + 1..])) / column[c];
            }
            x[self.starts[j]..self.starts[j + 1]].copy_from_slice(&buffer[..self.width(j)]);
        }
    }

    fn gather(&self, j: usize, x: &[f64], buffer: &mut Vec<f64>) {
        buffer.clear();
        self.panels[j].iter().for_each(|&i| buffer.extend_from_slice(&x[self.starts[i]..self.starts[i + 1]]));
    }
}

/// The panels of each panel's matrix, once elimination has coupled more of them.
fn filled(coupled: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let count = coupled.len();
    let mut filled: Vec<Vec<bool>> = vec![vec![false; count]; count];
    for (j, coupled) in coupled.iter().enumerate() {
        coupled.iter().for_each(|&i| filled[j][i] = true);
    }
    let mut panels = Vec::with_capacity(count);
    for j in 0..count {
        let below: Vec<usize> = (j + 1..count).filter(|&i| filled[j][i]).collect();
        // Eliminating j couples all panels below it; enough to tell the first of them.
        if let Some((&first, others)) = below.split_first() {
            others.iter().for_each(|&i| filled[first][i] = true);
        }
        panels.push(std::iter::once(j).chain(below).collect());
    }
    panels
}

/// `Σ a b` in eight interleaved sums, which the compiler turns into vectors.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 8];
    for (a, b) in a8.zip(b8) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    rest + sums.iter().sum::<f64>()
}

/// Factors the columns in `values` (each `height` long; the first pivot is row `first` of column 0),
/// all updates from columns further left already applied.
fn factor_columns(values: &mut [f64], height: usize, first: usize, diagonal: &[f64]) {
    let width = diagonal.len();
    if width <= NARROW {
        for c in 0..width {
            let (before, column) = values.split_at_mut(c * height);
            let column = &mut column[..height];
            for p in 0..c {
                let left = &before[p * height..][..height];
                let factor = left[first + c];
                column[first + c..].iter_mut().zip(&left[first + c..]).for_each(|(x, l)| *x -= factor * l);
            }
            let pivot = column[first + c];
            let root = if pivot > DEPENDENT * diagonal[c] { pivot.sqrt() } else { HUGE };
            let inverse = root.recip();
            column[first + c] = root;
            column[first + c + 1..].iter_mut().for_each(|x| *x *= inverse);
        }
        return;
    }
    // Halves that keep the narrow parts full.
    let half = (width / 2).next_multiple_of(NARROW);
    let (left, right) = values.split_at_mut(half * height);
    factor_columns(left, height, first, &diagonal[..half]);
    let top = first + half;
    let rows = height - top;
    let below = Strided::columns(&left[top..], height);
    accumulate(-1.0, [rows, half, width - half], below, below.t(), &mut right[top..], height);
    factor_columns(right, height, top, &diagonal[half..]);
}
