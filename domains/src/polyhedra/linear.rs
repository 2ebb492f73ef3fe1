//! Small dense linear algebra in floats (at most 9 × 9): candidates only, never proofs.

use float_ord::FloatOrd;

/// The inverse of a row-major n × n matrix by Gauss–Jordan with partial pivoting; `None` when singular.
pub(super) fn invert(n: usize, matrix: &[f64]) -> Option<Vec<f64>> {
    let width = 2 * n;
    let mut work = vec![0.0; n * width];
    for r in 0..n {
        work[r * width..r * width + n].copy_from_slice(&matrix[r * n..(r + 1) * n]);
        work[r * width + n + r] = 1.0;
    }
    for c in 0..n {
        let size = |r: usize| work[r * width + c].abs();
        let best = (c..n).max_by_key(|&r| FloatOrd(size(r)))?;
        let pivot = work[best * width + c];
        if pivot == 0.0 || !pivot.is_finite() {
            return None;
        }
        for j in 0..width {
            work.swap(c * width + j, best * width + j);
            work[c * width + j] /= pivot;
        }
        for r in 0..n {
            let factor = work[r * width + c];
            if r != c && factor != 0.0 {
                for j in 0..width {
                    work[r * width + j] -= factor * work[c * width + j];
                }
            }
        }
    }
    Some((0..n).flat_map(|r| work[r * width + n..(r + 1) * width].iter().copied()).collect())
}

/// `a · b`.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Two sums: twice the speed of one chain of dependent additions.
    let (a2, b2) = (a.chunks_exact(2), b.chunks_exact(2));
    let last: f64 = a2.remainder().iter().zip(b2.remainder()).map(|(a, b)| a * b).sum();
    let (even, odd) = a2.zip(b2).fold((last, 0.0_f64), |(e, o), (a, b)| (e + a[0] * b[0], o + a[1] * b[1]));
    even + odd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_undoes_its_matrix() {
        let m = [0.0, 2.0, 1.0, 1.0, 0.0, 0.0, 3.0, 1.0, 5.0];
        let inverse = invert(3, &m).unwrap();
        for r in 0..3 {
            for c in 0..3 {
                let column: Vec<f64> = (0..3).map(|i| inverse[i * 3 + c]).collect();
                approx::assert_abs_diff_eq!(dot(&m[r * 3..r * 3 + 3], &column), f64::from(r == c), epsilon = 1e-12);
            }
        }
        assert!(invert(2, &[1.0, 2.0, 2.0, 4.0]).is_none());
    }
}
