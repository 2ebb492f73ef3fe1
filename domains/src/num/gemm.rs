//! Matrix products.

use super::Real;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// `a · b` in round-to-nearest, on the calling thread.
///
/// Every entry differs from the exact sum of `k` products by at most `γ_k Σ|a||b|` plus underflow, in
/// whatever order the kernel sums (see [`super::error`]).
#[must_use]
pub fn multiply(a: ArrayView2<f64>, b: ArrayView2<f64>) -> Array2<f64> {
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    multiply_into(a, b, out.view_mut());
    out
}

/// Overwrites `out` with `a · b`.
#[allow(unsafe_code)]
pub fn multiply_into(a: ArrayView2<f64>, b: ArrayView2<f64>, mut out: ArrayViewMut2<f64>) {
    assert_eq!(a.ncols(), b.nrows(), "inner dimensions of a product");
    assert_eq!(out.dim(), (a.nrows(), b.ncols()), "shape of a product");
    let (m, k, n) = (a.nrows(), a.ncols(), b.ncols());
    if m == 0 || n == 0 {
        return;
    }
    let (os, als, bs) = (out.strides().to_vec(), a.strides(), b.strides());
    // SAFETY: the three views are valid for their shapes and strides, `out` is borrowed mutably and so
    // overlaps neither input, and the shapes were checked to fit.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            os[1],
            os[0],
            false,
            a.as_ptr(),
            als[1],
            als[0],
            b.as_ptr(),
            bs[1],
            bs[0],
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// A matrix within a slice: entry `(i, j)` is `values[i · row_step + j · column_step]`.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// From the first entry on.
    pub values: &'a [f64],
    /// Distance of neighbours in a column.
    pub row_step: usize,
    /// Distance of neighbours in a row.
    pub column_step: usize,
}

impl<'a> Strided<'a> {
    /// Columns that begin `column_step` apart.
    #[must_use]
    pub fn columns(values: &'a [f64], column_step: usize) -> Self {
        Self { values, row_step: 1, column_step }
    }

    /// The transpose.
    #[must_use]
    pub fn t(self) -> Self {
        Self { row_step: self.column_step, column_step: self.row_step, ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row_step + (columns - 1) * self.column_step < self.values.len()
    }
}

/// `out += factor · a · b` for `a` of `m × k` and `b` of `k × n`, into columns of `out` that begin
/// `column_step ≥ m` apart.
///
/// # Panics
/// If a slice is too short for its matrix, or the columns of `out` overlap.
#[allow(unsafe_code)]
pub fn accumulate(
    factor: f64,
    [m, k, n]: [usize; 3],
    a: Strided<'_>,
    b: Strided<'_>,
    out: &mut [f64],
    column_step: usize,
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(a.holds(m, k) && b.holds(k, n) && Strided::columns(out, column_step).holds(m, n), "shape of a product");
    assert!(column_step >= m, "columns of a product overlap");
    // SAFETY: all three matrices lie within their slices by the first assertion, and `out` is borrowed
    // mutably and so overlaps neither input; steps of slices fit in an isize.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            column_step as isize,
            1,
            true,
            a.values.as_ptr(),
            a.column_step as isize,
            a.row_step as isize,
            b.values.as_ptr(),
            b.column_step as isize,
            b.row_step as isize,
            1.0,
            factor,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// `out = a · b`, or `out += a · b`, for matrices whose rows are contiguous, rows of `out` beginning `row_step ≥ n`
/// apart. `a` is `m × k`, or `k × m` and read transposed; `b` is `k × n`. On the calling thread, in round-to-nearest.
///
/// # Panics
/// If a slice is too short for its matrix, or the rows of `out` overlap.
#[allow(unsafe_code, clippy::too_many_arguments)]
pub fn row_product<T: Real>(
    [m, k, n]: [usize; 3],
    a: &[T],
    is_transposed: bool,
    b: &[T],
    b_step: usize,
    out: &mut [T],
    row_step: usize,
    accumulates: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    let holds = |len: usize, rows: usize, step: usize| rows == 0 || (rows - 1) * step + n <= len;
    assert!(a.len() >= m * k && holds(b.len(), k, b_step) && holds(out.len(), m, row_step), "shape of a product");
    assert!(row_step >= n && b_step >= n, "rows of a product overlap");
    let (a_row, a_column) = if is_transposed { (1, m) } else { (k, 1) };
    // SAFETY: all three matrices lie within their slices by the first assertion, and `out` is borrowed mutably and so
    // overlaps neither input; steps of slices fit in an isize.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            row_step as isize,
            accumulates,
            a.as_ptr(),
            a_column as isize,
            a_row as isize,
            b.as_ptr(),
            1,
            b_step as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_accumulates_into_part_of_a_matrix() {
        let a: Vec<f64> = (0..12).map(f64::from).collect();
        let b = [1.0, -1.0, 2.0, 0.5, 3.0, -2.0];
        // a is 4 × 3 by columns, b is 3 × 2 by rows; the product goes to rows 1..5 of columns of 6.
        let mut out = [1.0; 12];
        accumulate(-2.0, [4, 3, 2], Strided::columns(&a, 4), Strided::columns(&b, 2).t(), &mut out[1..], 6);
        for i in 0..4 {
            for j in 0..2 {
                let product: f64 = (0..3).map(|k| a[k * 4 + i] * b[k * 2 + j]).sum();
                assert_eq!(out[1 + j * 6 + i], 1.0 - 2.0 * product);
            }
        }
        assert_eq!([out[0], out[5], out[6], out[11]], [1.0; 4]);
    }

    #[test]
    fn it_multiplies_views_of_any_layout() {
        let a = Array2::from_shape_fn((5, 7), |(i, j)| (i * 7 + j) as f64);
        let b = Array2::from_shape_fn((3, 7), |(i, j)| (i as f64) - (j as f64));
        assert_eq!(multiply(a.view(), b.t()), a.dot(&b.t()));
        let c = multiply(a.slice(ndarray::s![..;2, 1..4]), b.slice(ndarray::s![.., ..5]));
        assert_eq!(c, a.slice(ndarray::s![..;2, 1..4]).dot(&b.slice(ndarray::s![.., ..5])));
        assert_eq!(multiply(Array2::zeros((2, 0)).view(), Array2::zeros((0, 3)).view()), Array2::<f64>::zeros((2, 3)));
    }
}
