//! A matrix most of whose entries are zero, row by row.

use super::Window;
use super::operator::LinearOperator;
use crate::num::Spare;
use ndarray::{Array2, ArrayView2, ArrayViewMut1};

/// The entries of an outputs × inputs matrix that are not zero: exact floats.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    inputs: usize,
    /// Where each row begins among the entries; at last, how many entries there are.
    starts: Vec<usize>,
    /// Inputs and weights.
    entries: Vec<(usize, f64)>,
}

impl Sparse {
    /// The entries of a matrix.
    #[must_use]
    pub fn new(matrix: &Array2<f64>) -> Self {
        let (mut starts, mut entries) = (vec![0], Vec::new());
        for row in matrix.rows() {
            entries.extend(row.iter().copied().enumerate().filter(|(_, w)| *w != 0.0));
            starts.push(entries.len());
        }
        Self { inputs: matrix.ncols(), starts, entries }
    }

    /// Rows of inputs, in ascending order, and their weights, for `inputs` entries of `x`.
    #[must_use]
    pub fn of_rows(inputs: usize, rows: impl IntoIterator<Item = Vec<(usize, f64)>>) -> Self {
        let (mut starts, mut entries) = (vec![0], Vec::new());
        for row in rows {
            entries.extend(row);
            starts.push(entries.len());
        }
        Self { inputs, starts, entries }
    }

    /// `y_k = weights[k] · x_{index[k]}` for `inputs` entries of `x`.
    #[must_use]
    pub fn selection(inputs: usize, index: &[usize], weights: &[f64]) -> Self {
        Self::of_rows(inputs, index.iter().zip(weights).map(|(&i, &w)| vec![(i, w)]))
    }

    fn row(&self, output: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[output]..self.starts[output + 1]]
    }
}

impl LinearOperator for Sparse {
    const KIND: &'static str = "sparse";

    fn input_len(&self) -> usize {
        self.inputs
    }
    fn output_len(&self) -> usize {
        self.starts.len() - 1
    }
    fn geometry_error(&self) -> Option<String> {
        // What copies a row keeps one of the weights of an input.
        let mut last = vec![usize::MAX; self.inputs];
        for output in 0..self.output_len() {
            for &(input, _) in self.row(output) {
                if input >= self.inputs || std::mem::replace(&mut last[input], output) == output {
                    return Some(format!("row {output} names column {input} twice, or has no such column"));
                }
            }
        }
        None
    }
    fn for_each_weight(&self, f: impl FnMut(f64)) {
        self.entries.iter().map(|(_, w)| *w).for_each(f);
    }
    fn for_each_product(&self, mut f: impl FnMut(usize, usize, f64)) {
        for output in 0..self.output_len() {
            self.row(output).iter().for_each(|&(input, w)| f(output, input, w));
        }
    }
    fn row_into(&self, output: usize, sign: f64, mut target: ArrayViewMut1<f64>, _: Option<&Window>) {
        self.row(output).iter().for_each(|&(input, w)| target[input] = sign * w);
    }
    fn fan_in(&self) -> usize {
        (0..self.output_len()).map(|output| self.row(output).len()).max().unwrap_or(0)
    }
    fn fan_out(&self) -> usize {
        let mut readers = vec![0; self.inputs];
        self.entries.iter().for_each(|(input, _)| readers[*input] += 1);
        readers.into_iter().max().unwrap_or(0)
    }
    fn pull_back_into(&self, a: ArrayView2<f64>, out: &mut Array2<f64>, _: &Spare) {
        out.fill(0.0);
        for (a, mut out) in a.rows().into_iter().zip(out.rows_mut()) {
            // What is sparse is often followed by more of it: most coefficients are zero.
            for (output, &a) in a.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                self.row(output).iter().for_each(|&(input, w)| out[input] += w * a);
            }
        }
    }
}
