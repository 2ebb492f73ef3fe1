//! Pulling linear forms back through a linear map: `a ↦ a W`, with the rounding error that this makes.

use super::{Affine, Conv2d, LinearMap, NodeId};
use crate::num::error::{gamma, underflow};
use crate::num::gemm::{multiply, multiply_into};
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
        match self {
            Self::Identity(_) => a.to_owned(),
            Self::Dense(w) => multiply(a, w.view()),
            Self::Conv2d(conv) => conv.pull_back(a),
            Self::Diagonal(d) => &a * &ndarray::ArrayView1::from(d.values()),
            Self::Select { input_len, index } => {
                let mut out = Array2::zeros((a.nrows(), *input_len));
                for (j, i) in index.iter().enumerate() {
                    if let Some(i) = i {
                        let mut column = out.column_mut(*i);
                        column += &a.column(j);
                    }
                }
                out
            }
        }
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
                let row = |r: ndarray::ArrayView1<f64>| r.iter().zip(m).map(|(w, m)| w.abs() * m).sum::<f64>();
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

    /// `a · W`: for every output position a small product with the kernel, scattered to the inputs.
    fn pull_back(&self, a: ArrayView2<f64>) -> Array2<f64> {
        let [channels, height, width] = self.input;
        let [channels_out, rows, columns] = self.output;
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let out_per_group = channels_out / self.groups;
        let positions = rows * columns;
        let taps = per_group * kernel_h * kernel_w;
        let mut result = Array2::zeros((a.nrows(), channels * height * width));
        let a = a.as_standard_layout();
        let weight = self.weight.to_shape((channels_out, taps)).expect("the kernel's size is its shape's product");
        let mut patches = Array2::zeros((positions, taps));
        for (row, mut target) in a.rows().into_iter().zip(result.rows_mut()) {
            let target = target.as_slice_mut().expect("a fresh array is contiguous");
            for g in 0..self.groups {
                let outputs = g * out_per_group..(g + 1) * out_per_group;
                let block = row.slice(s![outputs.start * positions..outputs.end * positions]);
                let block = block.to_shape((out_per_group, positions)).expect("a group's outputs are contiguous");
                multiply_into(block.t(), weight.slice(s![outputs, ..]), patches.view_mut());
                self.scatter(&patches, g * per_group, target);
            }
        }
        result
    }

    /// Adds each position's patch (channel × kernel row × kernel column) to the inputs it covers.
    fn scatter(&self, patches: &Array2<f64>, first_channel: usize, target: &mut [f64]) {
        let [_, height, width] = self.input;
        let [_, rows, columns] = self.output;
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        for r in 0..rows {
            for c in 0..columns {
                let patch = patches.row(r * columns + c);
                for ci in 0..per_group {
                    for (kh, h) in self.taps(0, r) {
                        let at = ((first_channel + ci) * height + h) * width;
                        let from = (ci * kernel_h + kh) * kernel_w;
                        for (kw, w) in self.taps(1, c) {
                            target[at + w] += patch[from + kw];
                        }
                    }
                }
            }
        }
    }
}
