//! `y_i = x_{index_i}`, or 0 where there is none: permutations, slices and zero padding.

use super::Window;
use super::operator::LinearOperator;
use crate::num::{Scalar, Spare};
use ndarray::{Array2, ArrayView2, ArrayViewMut1, Axis};

/// A selection of inputs.
pub(super) struct Select<'a> {
    pub input_len: usize,
    pub index: &'a [Option<usize>],
}

impl Select<'_> {
    /// Pairs `(output, input)`.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.index.iter().enumerate().filter_map(|(output, input)| input.map(|input| (output, input)))
    }
}

impl LinearOperator for Select<'_> {
    const KIND: &'static str = "select";

    fn input_len(&self) -> usize {
        self.input_len
    }
    fn output_len(&self) -> usize {
        self.index.len()
    }
    fn for_each_weight(&self, _: impl FnMut(f64)) {}
    fn for_each_product(&self, mut f: impl FnMut(usize, usize, f64)) {
        self.pairs().for_each(|(output, input)| f(output, input, 1.0));
    }
    fn row_into(&self, output: usize, sign: f64, mut target: ArrayViewMut1<f64>, _: Option<&Window>) {
        if let Some(input) = self.index[output] {
            target[input] = sign;
        }
    }
    fn fan_in(&self) -> usize {
        1
    }
    fn fan_out(&self) -> usize {
        let mut copies = vec![0usize; self.input_len];
        self.pairs().for_each(|(_, input)| copies[input] += 1);
        // A single copy is exact.
        copies.into_iter().max().filter(|&n| n > 1).unwrap_or(0)
    }
    fn geometry_error(&self) -> Option<String> {
        let fits = self.pairs().all(|(_, input)| input < self.input_len);
        (!fits).then(|| "a selected index is out of range".into())
    }
    fn apply_to<T: Scalar>(&self, x: &[T], sums: &mut [T]) -> Option<()> {
        self.pairs().for_each(|(output, input)| sums[output] = sums[output].add(&x[input]));
        Some(())
    }
    fn apply_transposed_to<T: Scalar>(&self, a: &[T], sums: &mut [T]) -> Option<()> {
        self.pairs().for_each(|(output, input)| sums[input] = sums[input].add(&a[output]));
        Some(())
    }
    fn pull_back_into(&self, a: ArrayView2<f64>, out: &mut Array2<f64>, _: &Spare) {
        out.fill(0.0);
        for (output, input) in self.pairs() {
            let mut column = out.column_mut(input);
            column += &a.column(output);
        }
    }
    fn push_forward_into(&self, x: ArrayView2<f64>, out: &mut Array2<f64>) {
        for (mut column, input) in out.axis_iter_mut(Axis(1)).zip(self.index) {
            if let Some(input) = input {
                column.assign(&x.column(*input));
            }
        }
    }
    fn magnitude_sums(&self, m: &[f64]) -> (Vec<f64>, usize) {
        (self.index.iter().map(|i| i.map_or(0.0, |i| m[i])).collect(), 0)
    }
}
