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

#[cfg(test)]
mod tests {
    use super::*;

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
