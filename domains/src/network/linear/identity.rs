//! `W = I`.

use super::Window;
use super::operator::LinearOperator;
use crate::num::{Scalar, Spare};
use ndarray::{Array2, ArrayView2, ArrayViewMut1};

/// The identity on vectors of this length.
pub(super) struct Identity(pub usize);

impl LinearOperator for Identity {
    const KIND: &'static str = "identity";

    fn input_len(&self) -> usize {
        self.0
    }
    fn output_len(&self) -> usize {
        self.0
    }
    fn for_each_weight(&self, _: impl FnMut(f64)) {}
    fn for_each_product(&self, mut f: impl FnMut(usize, usize, f64)) {
        (0..self.0).for_each(|i| f(i, i, 1.0));
    }
    fn row_into(&self, output: usize, sign: f64, mut target: ArrayViewMut1<f64>, window: Option<&Window>) {
        if let Some(at) = window.map_or(Some(output), |window| window.place(output)) {
            target[at] = sign;
        }
    }
    fn fan_in(&self) -> usize {
        1
    }
    fn fan_out(&self) -> usize {
        0
    }
    fn apply_to<T: Scalar>(&self, x: &[T], sums: &mut [T]) -> Option<()> {
        sums.iter_mut().zip(x).for_each(|(sum, x)| *sum = sum.add(x));
        Some(())
    }
    fn apply_transposed_to<T: Scalar>(&self, a: &[T], sums: &mut [T]) -> Option<()> {
        self.apply_to(a, sums)
    }
    fn pull_back_into(&self, a: ArrayView2<f64>, out: &mut Array2<f64>, _: &Spare) {
        out.assign(&a);
    }
    fn push_forward_into(&self, x: ArrayView2<f64>, out: &mut Array2<f64>) {
        out.assign(&x);
    }
    fn input_window(&self, window: &Window) -> Option<Window> {
        Some(window.clone())
    }
    fn pull_back_window_into(&self, a: ArrayView2<f64>, _: [&Window; 2], out: &mut Array2<f64>, _: &Spare) {
        out.assign(&a);
    }
    fn magnitude_sums(&self, m: &[f64]) -> (Vec<f64>, usize) {
        (m.to_vec(), 0)
    }
}
