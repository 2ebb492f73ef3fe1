//! Two-dimensional convolutions: their geometry and their products.

mod backwards;
mod forwards;
mod gathered;

use super::Window;
use super::operator::LinearOperator;
use crate::num::Spare;
use crate::num::kernel::dot_magnitude;
use ndarray::{Array2, Array4, ArrayView2, ArrayViewMut1, CowArray, Ix2};
use std::ops::Range;

/// A two-dimensional convolution (cross-correlation, as ONNX `Conv`) over `channels × height × width`
/// vectors in row-major order.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// Output channels × (input channels / groups) × kernel height × kernel width.
    pub weight: Array4<f64>,
    /// Input channels, height and width.
    pub input: [usize; 3],
    /// Output channels, height and width.
    pub output: [usize; 3],
    /// Step per output row and column.
    pub stride: [usize; 2],
    /// Zeros above and left of the input (what is needed below and right follows from the shapes).
    pub padding: [usize; 2],
    /// Distance between kernel taps.
    pub dilation: [usize; 2],
    /// Channel groups.
    pub groups: usize,
}

impl Conv2d {
    /// Kernel height and width.
    #[must_use]
    pub fn kernel(&self) -> [usize; 2] {
        let (_, _, kh, kw) = self.weight.dim();
        [kh, kw]
    }

    /// The weights as a matrix with a row per output channel.
    pub(super) fn kernels(&self) -> CowArray<'_, f64, Ix2> {
        self.weight.to_shape((self.weight.dim().0, self.fan_in())).expect("the kernel's size is its shape's product")
    }

    /// For output position `o` along `axis`, the kernel taps that fall inside the input, with the
    /// input position of each.
    pub(super) fn taps(&self, axis: usize, o: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let size = self.input[axis + 1];
        (0..self.kernel()[axis]).filter_map(move |k| {
            let at = (o * self.stride[axis] + k * self.dilation[axis]).checked_sub(self.padding[axis])?;
            (at < size).then_some((k, at))
        })
    }

    /// The convolution that computes just the outputs `index`, where these are the first rows and columns of
    /// every channel, in order.
    pub(super) fn cropped(&self, index: &[Option<usize>]) -> Option<Self> {
        let [channels, _, width] = self.output;
        let columns = index.iter().enumerate().take(width).take_while(|(k, i)| **i == Some(*k)).count();
        let rows = index.len().checked_div(channels * columns)?;
        let cropped = Self { output: [channels, rows, columns], ..self.clone() };
        let place = |k: usize| {
            let (channel, row, column) = (k / columns / rows, k / columns % rows, k % columns);
            (channel * self.output[1] + row) * width + column
        };
        let fits = cropped.output_len() == index.len() && rows > 0 && rows <= self.output[1];
        (fits && index.iter().enumerate().all(|(k, i)| *i == Some(place(k)))).then_some(cropped)
    }

    /// The input positions along `axis` that the output positions read.
    fn read_by(&self, axis: usize, outputs: &Range<usize>) -> Range<usize> {
        let reach = outputs.clone().flat_map(|o| self.taps(axis, o)).map(|(_, at)| at..at + 1);
        reach.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
    }
}

impl LinearOperator for Conv2d {
    const KIND: &'static str = "conv2d";

    fn input_len(&self) -> usize {
        self.input.iter().product()
    }
    fn output_len(&self) -> usize {
        self.output.iter().product()
    }
    fn for_each_weight(&self, f: impl FnMut(f64)) {
        self.weight.iter().copied().for_each(f);
    }
    fn for_each_product(&self, mut f: impl FnMut(usize, usize, f64)) {
        let [_, height, width] = self.input;
        let [channels_out, rows, columns] = self.output;
        let per_group = self.weight.dim().1;
        let out_per_group = channels_out / self.groups;
        for co in 0..channels_out {
            let first_channel = co / out_per_group * per_group;
            for r in 0..rows {
                for c in 0..columns {
                    let out = (co * rows + r) * columns + c;
                    for ci in 0..per_group {
                        for (kh, h) in self.taps(0, r) {
                            let row = ((first_channel + ci) * height + h) * width;
                            for (kw, w) in self.taps(1, c) {
                                f(out, row + w, self.weight[[co, ci, kh, kw]]);
                            }
                        }
                    }
                }
            }
        }
    }
    fn row_into(&self, output: usize, sign: f64, mut target: ArrayViewMut1<f64>, window: Option<&Window>) {
        let whole = Window::whole(self.input);
        let window = window.unwrap_or(&whole);
        let [_, rows, columns] = self.output;
        let (co, r, c) = (output / (rows * columns), output / columns % rows, output % columns);
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
    fn fan_in(&self) -> usize {
        let (_, channels, kh, kw) = self.weight.dim();
        channels * kh * kw
    }
    fn fan_out(&self) -> usize {
        let (out, _, kh, kw) = self.weight.dim();
        out / self.groups * kh * kw
    }
    fn geometry_error(&self) -> Option<String> {
        let (out, per_group, kh, kw) = self.weight.dim();
        let [channels, height, width] = self.input;
        if self.groups == 0 || out % self.groups != 0 || per_group * self.groups != channels {
            return Some(format!(
                "{out} output and {channels} input channels do not split into {} groups of a weight with {per_group} \
                 channels",
                self.groups
            ));
        }
        if self.output[0] != out {
            return Some(format!("the weight has {out} output channels, the output {}", self.output[0]));
        }
        if kh == 0 || kw == 0 || self.stride.contains(&0) || self.dilation.contains(&0) {
            return Some("kernel, stride and dilation must be positive".into());
        }
        let reach = |kernel: usize, axis: usize| (kernel - 1).checked_mul(self.dilation[axis]);
        for (axis, (size, kernel)) in [(height, kh), (width, kw)].into_iter().enumerate() {
            if reach(kernel, axis).is_none_or(|r| r > 1 << 20) || self.padding[axis] > 1 << 20 || size > 1 << 20 {
                return Some("kernel, padding or image larger than a million".into());
            }
        }
        None
    }
    fn output_shape(&self) -> Option<[usize; 3]> {
        Some(self.output)
    }
    fn has_full_rows(&self) -> bool {
        (0..2).all(|axis| {
            let reach = (self.kernel()[axis] - 1) * self.dilation[axis];
            let last = self.output[axis + 1].saturating_sub(1) * self.stride[axis] + reach;
            self.padding[axis] == 0 && last < self.input[axis + 1]
        })
    }
    fn pull_back_into(&self, a: ArrayView2<f64>, out: &mut Array2<f64>, spare: &Spare) {
        self.pull_back_patches(a, [&Window::whole(self.output), &Window::whole(self.input)], out, spare);
    }
    fn push_forward_into(&self, x: ArrayView2<f64>, out: &mut Array2<f64>) {
        self.push_patches(x, out);
    }
    fn input_window(&self, window: &Window) -> Option<Window> {
        (self.output == window.shape).then(|| Window {
            shape: self.input,
            rows: self.read_by(0, &window.rows),
            columns: self.read_by(1, &window.columns),
        })
    }
    fn pull_back_window_into(&self, a: ArrayView2<f64>, windows: [&Window; 2], out: &mut Array2<f64>, spare: &Spare) {
        self.pull_back_patches(a, windows, out, spare);
    }
    fn magnitude_sums(&self, m: &[f64]) -> (Vec<f64>, usize) {
        let [_, height, width] = self.input;
        let [channels, rows, columns] = self.output;
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let weight = self.kernels();
        let mut sums = vec![0.0; self.output_len()];
        let mut patch = vec![0.0; self.fan_in()];
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
        (sums, self.fan_in())
    }
}
