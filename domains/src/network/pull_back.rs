//! Pulling linear forms back through a linear map: `a ↦ a W`, with the rounding error that this makes.

use super::{Affine, Conv2d, LinearMap, NodeId, Window};
use crate::num::error::{gamma, underflow};
use crate::num::gemm::multiply_into;
use crate::num::kernel::dot_magnitude;
use crate::num::round::{add_up, mul_up};
use ndarray::{Array2, ArrayView2, ArrayViewMut1, s};
use std::ops::Range;

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
            Self::Conv2d(conv) => {
                conv.pull_back_into(a, &Window::whole(conv.output), &mut out, &Window::whole(conv.input));
            }
            Self::Diagonal(d) => multiply_columns(a, d.values(), &mut out),
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

    /// [`LinearMap::pull_back_reusing`] for rows that have coefficients in a window of the outputs only,
    /// with the window of the inputs that the result is over; `None` when the map keeps no windows.
    #[must_use]
    pub fn pull_back_window(
        &self,
        a: ArrayView2<f64>,
        window: &Window,
        storage: Vec<f64>,
    ) -> Option<(Array2<f64>, Window)> {
        let source = self.input_window(window)?;
        let mut out = matrix_reusing(storage, a.nrows(), source.len());
        match self {
            Self::Conv2d(conv) => conv.pull_back_into(a, window, &mut out, &source),
            Self::Diagonal(d) => multiply_columns(a, &window.gather(d.values()), &mut out),
            _ => out.assign(&a),
        }
        Some((out, source))
    }

    /// The window of the inputs that the outputs in `window` read; `None` when the map knows no windows
    /// of that shape.
    #[must_use]
    pub fn input_window(&self, window: &Window) -> Option<Window> {
        match self {
            Self::Conv2d(conv) => (conv.output == window.shape).then(|| Window {
                shape: conv.input,
                rows: conv.read_by(0, &window.rows),
                columns: conv.read_by(1, &window.columns),
            }),
            Self::Identity(_) | Self::Diagonal(_) => Some(window.clone()),
            Self::Dense(_) | Self::Select { .. } => None,
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
                Self::Conv2d(conv) => conv.row(row, sign, target, &Window::whole(conv.input)),
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

    /// [`LinearMap::rows`] over the window of the inputs that those outputs read, when it is smaller
    /// than the whole and the map is a convolution.
    #[must_use]
    pub fn rows_window(&self, rows: &[(usize, f64)]) -> Option<(Array2<f64>, Window)> {
        let Self::Conv2d(conv) = self else { return None };
        let [_, height, width] = conv.output;
        let at = |&(row, _): &(usize, f64)| {
            let (r, c) = (row / width % height, row % width);
            Window { shape: conv.output, rows: r..r + 1, columns: c..c + 1 }
        };
        let window = rows.iter().map(at).reduce(|a, b| a.join(&b).unwrap_or(a))?;
        let source = self.input_window(&window).filter(|w| !w.is_whole())?;
        let mut out = Array2::zeros((rows.len(), source.len()));
        for (target, &(row, sign)) in out.rows_mut().into_iter().zip(rows) {
            conv.row(row, sign, target, &source);
        }
        Some((out, source))
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
            Self::Conv2d(conv) => (conv.magnitude_sums(m), conv.fan_in()),
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
    /// Row `out` of the matrix, times `sign`, into `target`, which is over `window`.
    fn row(&self, out: usize, sign: f64, mut target: ArrayViewMut1<f64>, window: &Window) {
        let [_, rows, columns] = self.output;
        let (co, r, c) = (out / (rows * columns), out / columns % rows, out % columns);
        let per_group = self.weight.dim().1;
        let first_channel = co / (self.output[0] / self.groups) * per_group;
        for ci in 0..per_group {
            for (kh, h) in self.taps(0, r) {
                let line = (first_channel + ci) * window.rows.len() + h - window.rows.start;
                for (kw, w) in self.taps(1, c) {
                    let at = line * window.columns.len() + w - window.columns.start;
                    target[at] = sign * self.weight[[co, ci, kh, kw]];
                }
            }
        }
    }

    /// `|W| m` in round-to-nearest, for `m ≥ 0`; each is a sum of [`Conv2d::fan_in`] products.
    fn magnitude_sums(&self, m: &[f64]) -> Vec<f64> {
        let [_, height, width] = self.input;
        let [channels, rows, columns] = self.output;
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let taps = per_group * kernel_h * kernel_w;
        let weight = self.weight.to_shape((channels, taps)).expect("the kernel's size is its shape's product");
        let mut sums = vec![0.0; self.output_len()];
        let mut patch = vec![0.0; taps];
        for (g, p) in (0..self.groups).flat_map(|g| (0..rows * columns).map(move |p| (g, p))) {
            patch.fill(0.0);
            for ci in 0..per_group {
                for (kh, h) in self.taps(0, p / columns) {
                    let line = ((g * per_group + ci) * height + h) * width;
                    for (kw, w) in self.taps(1, p % columns) {
                        patch[(ci * kernel_h + kh) * kernel_w + kw] = m[line + w];
                    }
                }
            }
            let in_group = channels / self.groups;
            for co in g * in_group..(g + 1) * in_group {
                sums[co * rows * columns + p] = dot_magnitude(weight.row(co).to_slice().unwrap_or(&[]), &patch);
            }
        }
        sums
    }

    /// The input positions along `axis` that the output positions read.
    fn read_by(&self, axis: usize, outputs: &Range<usize>) -> Range<usize> {
        let reach = outputs.clone().flat_map(|o| self.taps(axis, o)).map(|(_, at)| at..at + 1);
        reach.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
    }

    /// `out = a · W` over windows: the coefficients of an output position, over all channels, times the
    /// kernel give a patch that is added to the inputs which the position reads.
    ///
    /// Many rows go into one matrix product, but only the positions where a row has coefficients: forms
    /// may read few neurons. What is left out is exactly zero, so every entry is still a sum of at most
    /// [`Conv2d::fan_out`] products in some order.
    fn pull_back_into(&self, a: ArrayView2<f64>, window: &Window, out: &mut Array2<f64>, source: &Window) {
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let out_per_group = self.output[0] / self.groups;
        let positions = window.rows.len() * window.columns.len();
        let taps = per_group * kernel_h * kernel_w;
        out.fill(0.0);
        if positions == 0 || source.is_empty() {
            return;
        }
        let a = a.as_standard_layout();
        let weight = self.weight.to_shape((self.output[0], taps)).expect("the kernel's size is its shape's product");
        let reach =
            [self.reach(0, &window.rows, source.rows.start), self.reach(1, &window.columns, source.columns.start)];
        let rows_at_once = (PATCH_NUMBERS / (positions * taps.max(out_per_group)).max(1)).max(1);
        let (mut gathered, mut patches) = (Vec::new(), Vec::new());
        let mut used = vec![false; positions];
        // The used positions of one row after the other, and where those of each row end.
        let (mut at, mut ends): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for first_row in (0..a.nrows()).step_by(rows_at_once) {
            let chunk = first_row..a.nrows().min(first_row + rows_at_once);
            for g in 0..self.groups {
                let outputs = g * out_per_group..(g + 1) * out_per_group;
                let channels = |row: usize| {
                    let row = a.row(row).to_slice().unwrap_or(&[]);
                    row[outputs.start * positions..outputs.end * positions].chunks_exact(positions)
                };
                at.clear();
                ends.clear();
                for row in chunk.clone() {
                    used.fill(false);
                    for channel in channels(row) {
                        used.iter_mut().zip(channel).for_each(|(used, &a)| *used |= a != 0.0);
                    }
                    at.extend((0..positions).filter(|&p| used[p]));
                    ends.push(at.len());
                }
                // One column per used position; the rows are the group's output channels.
                let mut factor = matrix_reusing(gathered, out_per_group, at.len());
                let mut start = 0;
                for (row, &end) in chunk.clone().zip(&ends) {
                    for (channel, mut target) in channels(row).zip(factor.rows_mut()) {
                        let target = target.as_slice_mut().unwrap_or(&mut []);
                        target[start..end].iter_mut().zip(&at[start..end]).for_each(|(t, &p)| *t = channel[p]);
                    }
                    start = end;
                }
                let mut product = matrix_reusing(patches, at.len(), taps);
                multiply_into(factor.t(), weight.slice(s![outputs.clone(), ..]), product.view_mut());
                let mut start = 0;
                for (row, &end) in chunk.clone().zip(&ends) {
                    let mut target = out.row_mut(row);
                    let target = target.as_slice_mut().unwrap_or(&mut []);
                    for (patch, &p) in product.slice(s![start..end, ..]).rows().into_iter().zip(&at[start..end]) {
                        let reach = [&reach[0][p / window.columns.len()], &reach[1][p % window.columns.len()]];
                        self.scatter(patch.to_slice().unwrap_or(&[]), g * per_group, reach, target, source);
                    }
                    start = end;
                }
                gathered = factor.into_raw_vec_and_offset().0;
                patches = product.into_raw_vec_and_offset().0;
            }
        }
    }

    /// For the output positions along `axis` the taps that fall inside the input, counted from the
    /// input position `origin`.
    fn reach(&self, axis: usize, outputs: &Range<usize>, origin: usize) -> Vec<Reach> {
        let of_position = |o| {
            let mut taps = self.taps(axis, o);
            // Taps inside the input follow one another.
            let (tap, at) = taps.next().unwrap_or((0, origin));
            Reach { tap, at: at - origin, count: self.taps(axis, o).count() }
        };
        outputs.clone().map(of_position).collect()
    }

    /// Adds a position's patch (channel × kernel row × kernel column) to the inputs it covers, which
    /// `target` has over `source`.
    fn scatter(
        &self,
        patch: &[f64],
        first_channel: usize,
        [down, across]: [&Reach; 2],
        target: &mut [f64],
        source: &Window,
    ) {
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let [step_down, step] = self.dilation;
        for ci in 0..per_group {
            for i in 0..down.count {
                let line = (first_channel + ci) * source.rows.len() + down.at + i * step_down;
                let target = &mut target[line * source.columns.len() + across.at..];
                let patch = &patch[(ci * kernel_h + down.tap + i) * kernel_w + across.tap..][..across.count];
                if step == 1 {
                    target[..across.count].iter_mut().zip(patch).for_each(|(t, p)| *t += p);
                } else {
                    target.iter_mut().step_by(step).zip(patch).for_each(|(t, p)| *t += p);
                }
            }
        }
    }
}

/// `out = a · diag(d)`.
fn multiply_columns(a: ArrayView2<f64>, d: &[f64], out: &mut Array2<f64>) {
    for (mut out, a) in out.rows_mut().into_iter().zip(a.rows()) {
        for ((out, a), d) in out.iter_mut().zip(a).zip(d) {
            *out = a * d;
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ndarray::Array4;
    use proptest::prelude::*;

    pub(in crate::network) fn convolution() -> impl Strategy<Value = Conv2d> {
        let sizes = (1..3usize, 1..4usize, 1..4usize, 1..4usize, 1..4usize);
        let steps = ([1..4usize, 1..4usize], [0..3usize, 0..3usize], [1..3usize, 1..3usize], [4..9usize, 4..9usize]);
        (sizes, steps).prop_map(|((groups, inputs, outputs, kh, kw), (stride, padding, dilation, size))| {
            let out = |axis: usize, kernel: usize| {
                (size[axis] + 2 * padding[axis]).saturating_sub((kernel - 1) * dilation[axis] + 1) / stride[axis] + 1
            };
            let weight = Array4::from_shape_fn((groups * outputs, inputs, kh, kw), |(o, i, h, w)| {
                ((o * 31 + i * 17 + h * 7 + w * 3) % 11) as f64 - 5.0
            });
            let input = [groups * inputs, size[0], size[1]];
            let output = [groups * outputs, out(0, kh), out(1, kw)];
            Conv2d { weight, input, output, stride, padding, dilation, groups }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// With small integers every order of summation is exact.
        #[test]
        fn a_window_gives_what_the_whole_gives(
            conv in convolution(), ends in prop::array::uniform4(0.0..1.0f64), seed in 0..1000usize
        ) {
            let range = |n: usize, a: f64, b: f64| {
                let (a, b) = ((a * n as f64) as usize, (b * n as f64) as usize);
                a.min(b)..a.max(b) + 1
            };
            let [_, height, width] = conv.output;
            let window = Window {
                shape: conv.output,
                rows: range(height, ends[0], ends[1]),
                columns: range(width, ends[2], ends[3]),
            };
            let value = |(r, i): (usize, usize)| ((seed + r * 7 + i * 13) % 5) as f64 - 2.0;
            let part = Array2::from_shape_fn((3, window.len()), value);
            let whole = window.spread(&part, &Window::whole(conv.output));
            let map = LinearMap::Conv2d(conv);
            let (found, source) = map.pull_back_window(part.view(), &window, vec![f64::NAN; 5]).unwrap();
            let found = source.spread(&found, &Window::whole(source.shape));
            prop_assert_eq!(&found, &map.pull_back(whole.view()));
            for (a, found) in whole.rows().into_iter().zip(found.rows()) {
                let mut sums = vec![0.0; map.input_len()];
                map.apply_transposed_to(a.to_slice().unwrap(), &mut sums).unwrap();
                prop_assert_eq!(&sums[..], found.to_slice().unwrap());
            }
            let inputs: Vec<f64> = (0..map.input_len()).map(|i| (i % 7) as f64).collect();
            let mut sums = vec![0.0; map.output_len()];
            if let LinearMap::Conv2d(conv) = &map {
                conv.for_each_product(|out, input, w| sums[out] += w.abs() * inputs[input]);
                prop_assert_eq!(sums, conv.magnitude_sums(&inputs));
            }
            let units = [(0, 1.0), (map.output_len() - 1, -1.0)];
            for units in [&units[..1], &units[1..], &units] {
                let rows = map.rows(units);
                if let Some((part, source)) = map.rows_window(units) {
                    prop_assert_eq!(source.spread(&part, &Window::whole(source.shape)), rows);
                }
            }
        }
    }
}
