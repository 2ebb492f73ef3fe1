//! A dense matrix, outputs × inputs, of exact floats.

use super::Window;
use super::operator::LinearOperator;
use crate::num::gemm::multiply_into;
use crate::num::kernel::dot_magnitude;
use crate::num::{Scalar, Spare};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1};

impl LinearOperator for Array2<f64> {
    const KIND: &'static str = "dense";

    fn input_len(&self) -> usize {
        self.ncols()
    }
    fn output_len(&self) -> usize {
        self.nrows()
    }
    fn for_each_weight(&self, f: impl FnMut(f64)) {
        self.iter().copied().for_each(f);
    }
    fn for_each_product(&self, mut f: impl FnMut(usize, usize, f64)) {
        self.indexed_iter().for_each(|((output, input), &w)| f(output, input, w));
    }
    fn row_into(&self, output: usize, sign: f64, mut target: ArrayViewMut1<f64>, _: Option<&Window>) {
        target.zip_mut_with(&self.row(output), |t, w| *t = sign * w);
    }
    fn fan_in(&self) -> usize {
        self.ncols()
    }
    fn fan_out(&self) -> usize {
        self.nrows()
    }
    fn apply_to<T: Scalar>(&self, x: &[T], sums: &mut [T]) -> Option<()> {
        for (sum, row) in sums.iter_mut().zip(self.rows()) {
            match row.to_slice() {
                Some(row) => sum.accumulate_all(row, x),
                None => row.iter().zip(x).for_each(|(&w, x)| sum.accumulate(w, x)),
            }
        }
        Some(())
    }
    fn apply_transposed_to<T: Scalar>(&self, a: &[T], sums: &mut [T]) -> Option<()> {
        for (a, row) in a.iter().zip(self.rows()) {
            sums.iter_mut().zip(row).for_each(|(sum, &w)| sum.accumulate(w, a));
        }
        Some(())
    }
    fn pull_back_into(&self, a: ArrayView2<f64>, out: &mut Array2<f64>, _: &Spare) {
        multiply_into(a, self.view(), out.view_mut());
    }
    fn push_forward_into(&self, x: ArrayView2<f64>, out: &mut Array2<f64>) {
        multiply_into(x, self.t(), out.view_mut());
    }
    fn magnitude_sums(&self, m: &[f64]) -> (Vec<f64>, usize) {
        let w = self.as_standard_layout();
        let row = |row: ArrayView1<f64>| row.to_slice().map_or(f64::NAN, |row| dot_magnitude(row, m));
        (w.rows().into_iter().map(row).collect(), self.ncols())
    }
}
