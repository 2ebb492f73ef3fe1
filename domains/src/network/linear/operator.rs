//! What every linear map says of itself.

use super::Window;
use crate::num::{Scalar, Spare};
use ndarray::{Array2, ArrayView2, ArrayViewMut1};

/// A linear operator `x ↦ W x`. Lengths, products and rows are enough; what a map does faster by its structure it says
/// itself.
pub(in crate::network) trait LinearOperator {
    /// A short name for `info` and errors.
    const KIND: &'static str;
    /// Length of `x`.
    fn input_len(&self) -> usize;
    /// Length of `W x`.
    fn output_len(&self) -> usize;
    /// Calls `f(weight)` for every float that the map stores.
    fn for_each_weight(&self, f: impl FnMut(f64));
    /// Calls `f(output, input, weight)` for every product, output by output; weights are the nearest floats.
    fn for_each_product(&self, f: impl FnMut(usize, usize, f64));
    /// Writes row `output` of `sign · W` into `target`, which is zero. A map with an [`input_window`](Self::input_window)
    /// may be asked for a window of the inputs that holds all that the row reads.
    fn row_into(&self, output: usize, sign: f64, target: ArrayViewMut1<f64>, window: Option<&Window>);
    /// At most this many products meet in one output.
    fn fan_in(&self) -> usize;
    /// At most this many rounded terms meet in one coefficient of `a W`; 0 when nothing rounds.
    fn fan_out(&self) -> usize;

    /// What is wrong with the geometry, if anything.
    fn geometry_error(&self) -> Option<String> {
        None
    }
    /// Channels, height and width of the outputs, where each depends on a window of the inputs.
    fn output_shape(&self) -> Option<[usize; 3]> {
        None
    }
    /// True when every output sums a product for each weight of its row: no padding.
    fn has_full_rows(&self) -> bool {
        true
    }
    /// Adds `W x` to `sums`; `None` when `T` is exact and a parameter is not known exactly.
    fn apply_to<T: Scalar>(&self, x: &[T], sums: &mut [T]) -> Option<()> {
        self.for_each_product(|output, input, w| sums[output].accumulate(w, &x[input]));
        Some(())
    }
    /// Adds `a W` to `sums`; `None` as in [`apply_to`](Self::apply_to).
    fn apply_transposed_to<T: Scalar>(&self, a: &[T], sums: &mut [T]) -> Option<()> {
        self.for_each_product(|output, input, w| sums[input].accumulate(w, &a[output]));
        Some(())
    }
    /// `out = a W` in round-to-nearest, whatever `out` held; `spare` is memory to work in.
    fn pull_back_into(&self, a: ArrayView2<f64>, out: &mut Array2<f64>, _: &Spare) {
        out.fill(0.0);
        for (a, mut out) in a.rows().into_iter().zip(out.rows_mut()) {
            self.for_each_product(|output, input, w| out[input] += w * a[output]);
        }
    }
    /// Adds `x Wᵀ` in round-to-nearest to `out`, which is zero.
    fn push_forward_into(&self, x: ArrayView2<f64>, out: &mut Array2<f64>) {
        for (x, mut out) in x.rows().into_iter().zip(out.rows_mut()) {
            self.for_each_product(|output, input, w| out[output] += w * x[input]);
        }
    }
    /// The window of the inputs that the outputs in `window` read, for a map that keeps windows of that shape.
    fn input_window(&self, _: &Window) -> Option<Window> {
        None
    }
    /// [`pull_back_into`](Self::pull_back_into) between such windows.
    fn pull_back_window_into(&self, _: ArrayView2<f64>, _: [&Window; 2], out: &mut Array2<f64>, _: &Spare) {
        out.fill(f64::NAN);
    }
    /// `|W| m` in round-to-nearest, for `m ≥ 0`, and how many rounded terms each is a sum of; 0 when it is rounded up
    /// already.
    fn magnitude_sums(&self, m: &[f64]) -> (Vec<f64>, usize) {
        let mut sums = vec![0.0; self.output_len()];
        self.for_each_product(|output, input, w| sums[output] += w.abs() * m[input]);
        (sums, self.fan_in())
    }
}
