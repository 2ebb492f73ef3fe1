//! `W = diag(d)`: the one map whose parameters need not be floats.

use super::Window;
use super::operator::LinearOperator;
use crate::network::Coefficients;
use crate::num::round::mul_up;
use crate::num::{Scalar, Spare};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1};

impl LinearOperator for Coefficients {
    const KIND: &'static str = "diagonal";

    fn input_len(&self) -> usize {
        self.len()
    }
    fn output_len(&self) -> usize {
        self.len()
    }
    fn for_each_weight(&self, f: impl FnMut(f64)) {
        self.values().iter().copied().for_each(f);
    }
    fn for_each_product(&self, mut f: impl FnMut(usize, usize, f64)) {
        self.values().iter().enumerate().for_each(|(i, &d)| f(i, i, d));
    }
    fn row_into(&self, output: usize, sign: f64, mut target: ArrayViewMut1<f64>, window: Option<&Window>) {
        if let Some(at) = window.map_or(Some(output), |window| window.place(output)) {
            target[at] = sign * self.values()[output];
        }
    }
    fn fan_in(&self) -> usize {
        1
    }
    fn fan_out(&self) -> usize {
        usize::from(!self.is_one())
    }
    fn apply_to<T: Scalar>(&self, x: &[T], sums: &mut [T]) -> Option<()> {
        for (i, (sum, x)) in sums.iter_mut().zip(x).enumerate() {
            *sum = sum.add(&x.mul(&self.get::<T>(i)?));
        }
        Some(())
    }
    fn apply_transposed_to<T: Scalar>(&self, a: &[T], sums: &mut [T]) -> Option<()> {
        self.apply_to(a, sums)
    }
    fn pull_back_into(&self, a: ArrayView2<f64>, out: &mut Array2<f64>, _: &Spare) {
        multiply_columns(a, self.values(), out);
    }
    fn push_forward_into(&self, x: ArrayView2<f64>, out: &mut Array2<f64>) {
        out.assign(&x);
        *out *= &ArrayView1::from(self.values());
    }
    fn input_window(&self, window: &Window) -> Option<Window> {
        Some(window.clone())
    }
    fn pull_back_window_into(&self, a: ArrayView2<f64>, [window, _]: [&Window; 2], out: &mut Array2<f64>, _: &Spare) {
        multiply_columns(a, &window.gather(self.values()), out);
    }
    fn magnitude_sums(&self, m: &[f64]) -> (Vec<f64>, usize) {
        (m.iter().enumerate().map(|(i, m)| mul_up(self.enclosure(i).magnitude(), *m)).collect(), 0)
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
