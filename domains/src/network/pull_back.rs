//! Pulling linear forms back through a linear map: `a ↦ a W`, with the rounding error that this makes.

use super::{Affine, Conv2d, LinearMap, NodeId};
use crate::num::error::{gamma, underflow};
use crate::num::gemm::multiply_into;
use crate::num::kernel::dot_magnitude;
use crate::num::round::{add_up, mul_up};
use ndarray::{Array2, ArrayView2, ArrayViewMut1, s};

/// What pulling a row `a` back through an affine node can lose, on a region where the node's sources
/// are bounded: at most `Σ |a_i| per_output_i + absolute`, as a change of the form's value.
#[derive(Clone, Debug, PartialEq)]
pub struct PullBackError {
    /// Factor of `|a_i|`, one per output of the node, rounded up.
    pub per_output: Vec<f64>,
    /// What underflow may lose whatever `a` is.
    pub absolute: f64,
}

impl LinearMap {
    /// `a · W` in round-to-nearest; `a` is rows × outputs, the result rows × inputs.
    #[must_use]
    pub fn pull_back(&self, a: ArrayView2<f64>) -> Array2<f64> {
        self.pull_back_reusing(a, Vec::new())
    }

    /// [`LinearMap::pull_back`] into the memory of `storage`, whatever that holds.
    #[must_use]
    pub fn pull_back_reusing(&self, a: ArrayView2<f64>, storage: Vec<f64>) -> Array2<f64> {
        let mut out = matrix_reusing(storage, a.nrows(), self.input_len());
        match self {
            Self::Identity(_) => out.assign(&a),
            Self::Dense(w) => multiply_into(a, w.view(), out.view_mut()),
            Self::Conv2d(conv) => conv.pull_back_into(a, &mut out),
            Self::Diagonal(d) => {
                for (mut out, a) in out.rows_mut().into_iter().zip(a.rows()) {
                    for ((out, a), d) in out.iter_mut().zip(a).zip(d.values()) {
                        *out = a * d;
                    }
                }
            }
            Self::Select { index, .. } => {
                out.fill(0.0);
                for (j, i) in index.iter().enumerate() {
                    if let Some(i) = i {
                        let mut column = out.column_mut(*i);
                        column += &a.column(j);
                    }
                }
            }
        }
        out
    }

    /// The rows of `sign · W` for the outputs `rows`: exactly what pulling unit forms back gives.
    #[must_use]
    pub fn rows(&self, rows: &[(usize, f64)]) -> Array2<f64> {
        let mut out = Array2::zeros((rows.len(), self.input_len()));
        for (mut target, &(row, sign)) in out.rows_mut().into_iter().zip(rows) {
            match self {
                Self::Identity(_) => target[row] = sign,
                Self::Dense(w) => target.zip_mut_with(&w.row(row), |t, w| *t = sign * w),
                Self::Conv2d(conv) => conv.row(row, sign, target),
                Self::Diagonal(d) => target[row] = sign * d.values()[row],
                Self::Select { index, .. } => {
                    if let Some(i) = index[row] {
                        target[i] = sign;
                    }
                }
            }
        }
        out
    }

    /// How many rounded terms meet in one coefficient of `a · W` (0 when nothing rounds).
    fn terms(&self) -> usize {
        match self {
            Self::Identity(_) => 0,
            Self::Dense(w) => w.nrows(),
            Self::Conv2d(conv) => conv.fan_out(),
            Self::Diagonal(d) => usize::from(!d.is_one()),
            Self::Select { input_len, index } => {
                let mut copies = vec![0usize; *input_len];
                for i in index.iter().flatten() {
                    copies[*i] += 1;
                }
                // A single copy is exact.
                copies.into_iter().max().filter(|&n| n > 1).unwrap_or(0)
            }
        }
    }

    /// `|W| m` rounded up, for magnitudes `m ≥ 0`.
    #[must_use]
    pub fn magnitudes(&self, m: &[f64]) -> Vec<f64> {
        let outputs = self.output_len();
        let (sums, terms) = match self {
            Self::Identity(_) => (m.to_vec(), 0),
            Self::Dense(w) => {
                let w = w.as_standard_layout();
                let row = |r: ndarray::ArrayView1<f64>| r.to_slice().map_or(f64::NAN, |r| dot_magnitude(r, m));
                (w.rows().into_iter().map(row).collect(), w.ncols())
            }
            Self::Conv2d(conv) => {
                let mut sums = vec![0.0; outputs];
                conv.for_each_product(|out, input, w| sums[out] += w.abs() * m[input]);
                (sums, conv.fan_in())
            }
            Self::Diagonal(d) => {
                let at = |i: usize| mul_up(d.enclosure(i).magnitude(), m[i]);
                ((0..outputs).map(at).collect(), 0)
            }
            Self::Select { index, .. } => (index.iter().map(|i| i.map_or(0.0, |i| m[i])).collect(), 0),
        };
        if terms == 0 {
            return sums;
        }
        let (relative, absolute) = (1.0 + gamma(terms), underflow(terms));
        sums.into_iter().map(|s| add_up(mul_up(s, relative), absolute)).collect()
    }
}

impl Affine {
    /// The error of pulling forms back through this node, where `magnitude(source)` bounds the
    /// absolute values of each source.
    #[must_use]
    pub fn pull_back_error(&self, magnitude: impl Fn(NodeId) -> Vec<f64>) -> PullBackError {
        // a·b is a dot product over the outputs; its error is γ |a||b|, plus the bias's own radius.
        let n = self.bias.len();
        let of_bias = |i: usize| add_up(mul_up(gamma(n), self.bias.values()[i].abs()), self.bias.radius(i));
        let mut per_output: Vec<f64> = if self.bias.is_zero() { vec![0.0; n] } else { (0..n).map(of_bias).collect() };
        let mut absolute = if self.bias.is_zero() { 0.0 } else { underflow(n) };
        for term in &self.terms {
            let m = magnitude(term.source);
            let terms = term.map.terms();
            if terms > 0 {
                let rounding = gamma(terms);
                for (sum, v) in per_output.iter_mut().zip(term.map.magnitudes(&m)) {
                    *sum = add_up(*sum, mul_up(rounding, v));
                }
                let total = m.iter().fold(0.0, |s, &m| add_up(s, m));
                absolute = add_up(absolute, mul_up(underflow(terms), total));
            }
            if let LinearMap::Diagonal(d) = &term.map
                && !d.is_exact()
            {
                for (i, sum) in per_output.iter_mut().enumerate() {
                    *sum = add_up(*sum, mul_up(d.radius(i), m[i]));
                }
            }
        }
        PullBackError { per_output, absolute }
    }
}

impl Conv2d {
    /// Row `out` of the matrix, times `sign`, into `target`.
    fn row(&self, out: usize, sign: f64, mut target: ArrayViewMut1<f64>) {
        let [_, height, width] = self.input;
        let [_, rows, columns] = self.output;
        let (co, r, c) = (out / (rows * columns), out / columns % rows, out % columns);
        let per_group = self.weight.dim().1;
        let first_channel = co / (self.output[0] / self.groups) * per_group;
        for ci in 0..per_group {
            for (kh, h) in self.taps(0, r) {
                for (kw, w) in self.taps(1, c) {
                    target[((first_channel + ci) * height + h) * width + w] = sign * self.weight[[co, ci, kh, kw]];
                }
            }
        }
    }

    /// `out = a · W`: the coefficients of an output position, over all channels, times the kernel give
    /// a patch that is added to the inputs which the position reads.
    ///
    /// Many rows go into one matrix product, but only the positions where a row has coefficients: a
    /// neuron further on sees a small window of this one's outputs. What is left out is exactly zero.
    fn pull_back_into(&self, a: ArrayView2<f64>, out: &mut Array2<f64>) {
        let [channels_out, rows, columns] = self.output;
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let out_per_group = channels_out / self.groups;
        let positions = rows * columns;
        let taps = per_group * kernel_h * kernel_w;
        let a = a.as_standard_layout();
        let weight = self.weight.to_shape((channels_out, taps)).expect("the kernel's size is its shape's product");
        let reach = [self.reach(0), self.reach(1)];
        let rows_at_once = (PATCH_NUMBERS / (positions * taps.max(out_per_group)).max(1)).max(1);
        let (mut gathered, mut patches) = (Vec::new(), Vec::new());
        let mut used = vec![false; positions];
        // Which row each run of used positions belongs to.
        let (mut at, mut ends): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        out.fill(0.0);
        if positions == 0 {
            return;
        }
        for first_row in (0..a.nrows()).step_by(rows_at_once) {
            let chunk = first_row..a.nrows().min(first_row + rows_at_once);
            for g in 0..self.groups {
                let outputs = g * out_per_group..(g + 1) * out_per_group;
                let of_row = |row: usize| {
                    let row = a.row(row).to_slice().unwrap_or(&[]);
                    row[outputs.start * positions..outputs.end * positions].chunks_exact(positions)
                };
                at.clear();
                ends.clear();
                for row in chunk.clone() {
                    used.fill(false);
                    for channel in of_row(row) {
                        used.iter_mut().zip(channel).for_each(|(used, &a)| *used |= a != 0.0);
                    }
                    at.extend((0..positions).filter(|&p| used[p]));
                    ends.push(at.len());
                }
                // One column per used position; their rows are the group's output channels.
                let mut columns_of = matrix_reusing(gathered, out_per_group, at.len());
                let mut start = 0;
                for (row, &end) in chunk.clone().zip(&ends) {
                    for (channel, mut target) in of_row(row).zip(columns_of.rows_mut()) {
                        let target = target.slice_mut(s![start..end]);
                        target.into_iter().zip(&at[start..end]).for_each(|(t, &p)| *t = channel[p]);
                    }
                    start = end;
                }
                let mut product = matrix_reusing(patches, at.len(), taps);
                multiply_into(columns_of.t(), weight.slice(s![outputs.clone(), ..]), product.view_mut());
                let mut start = 0;
                for (row, &end) in chunk.clone().zip(&ends) {
                    let mut target = out.row_mut(row);
                    let target = target.as_slice_mut().unwrap_or(&mut []);
                    for (patch, &p) in product.slice(s![start..end, ..]).rows().into_iter().zip(&at[start..end]) {
                        let reach = [&reach[0][p / columns], &reach[1][p % columns]];
                        self.scatter(patch.to_slice().unwrap_or(&[]), g * per_group, reach, target);
                    }
                    start = end;
                }
                gathered = columns_of.into_raw_vec_and_offset().0;
                patches = product.into_raw_vec_and_offset().0;
            }
        }
    }

    /// For every output position along `axis` the taps that fall inside the input.
    fn reach(&self, axis: usize) -> Vec<Reach> {
        let of_position = |o| {
            let mut taps = self.taps(axis, o);
            let (tap, at) = taps.next().unwrap_or((0, 0));
            // Taps inside the input follow one another.
            Reach { tap, at, count: self.taps(axis, o).count() }
        };
        (0..self.output[axis + 1]).map(of_position).collect()
    }

    /// Adds a position's patch (channel × kernel row × kernel column) to the inputs it covers.
    fn scatter(&self, patch: &[f64], first_channel: usize, [down, across]: [&Reach; 2], target: &mut [f64]) {
        let [_, height, width] = self.input;
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let [step_down, step] = self.dilation;
        for ci in 0..per_group {
            for i in 0..down.count {
                let at = ((first_channel + ci) * height + down.at + i * step_down) * width + across.at;
                let from = (ci * kernel_h + down.tap + i) * kernel_w + across.tap;
                let patch = &patch[from..from + across.count];
                target[at..].iter_mut().step_by(step).zip(patch).for_each(|(t, p)| *t += p);
            }
        }
    }
}

/// The taps of an output position along one axis that fall inside the input.
struct Reach {
    /// The first of them.
    tap: usize,
    /// Where it reads.
    at: usize,
    /// How many there are.
    count: usize,
}

/// How many numbers the patches of one matrix product may have: they should stay in the cache.
const PATCH_NUMBERS: usize = 1 << 16;

/// A matrix in the memory of `storage`; its entries are arbitrary.
fn matrix_reusing(mut storage: Vec<f64>, rows: usize, columns: usize) -> Array2<f64> {
    if storage.capacity() < rows * columns {
        storage.clear();
    }
    storage.resize(rows * columns, 0.0);
    Array2::from_shape_vec((rows, columns), storage).expect("the storage has that size")
}
