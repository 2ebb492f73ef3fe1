//! Octahedra: bounds of all sums and differences of k variables.

use super::PolyhedraError;

/// The largest group whose arithmetic is proven free of overflow (see `vertices`).
pub const MAX_NEURONS: usize = 4;

/// The directions `a ∈ {−1, 0, 1}^k \ {0}` in lexicographic order (−1 < 0 < 1): `3^k − 1` rows of length k.
///
/// The order is symmetric: direction `j` is the negative of direction `3^k − 2 − j`. For k = 2:
/// `(−,−) (−,0) (−,+) (0,−) (0,+) (+,−) (+,0) (+,+)`.
#[must_use]
pub fn directions(k: usize) -> Vec<Vec<i8>> {
    (0..direction_count(k)).map(|j| (0..k).map(|i| entry(k, j, i)).collect()).collect()
}

/// `3^k − 1`.
pub(super) fn direction_count(k: usize) -> usize {
    3usize.pow(k as u32) - 1
}

/// Coordinate `i` of direction `j`: a digit of `j` in base 3, less one; the zero direction is skipped.
pub(super) fn entry(k: usize, j: usize, i: usize) -> i8 {
    let j = if j >= direction_count(k) / 2 { j + 1 } else { j };
    (j / 3usize.pow((k - 1 - i) as u32) % 3) as i8 - 1
}

/// The inputs of k neurons bounded in every octahedral direction: `a · z ≤ upper_a` for all
/// `a ∈ {−1, 0, 1}^k \ {0}` (Singh et al. 2019, §4.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Octahedron {
    k: usize,
    upper: Vec<f64>,
}

impl Octahedron {
    /// The octahedron `{ z : directions(k)[j] · z ≤ upper[j] }`.
    ///
    /// # Errors
    /// When k is not in `1..=MAX_NEURONS`, the number of bounds is not `3^k − 1`, or one is not finite.
    pub fn new(k: usize, upper: Vec<f64>) -> Result<Self, PolyhedraError> {
        if !(1..=MAX_NEURONS).contains(&k) {
            return Err(PolyhedraError::GroupSize(k));
        }
        if upper.len() != direction_count(k) {
            return Err(PolyhedraError::BoundCount { k, expected: direction_count(k), found: upper.len() });
        }
        if let Some(at) = upper.iter().position(|u| !u.is_finite()) {
            return Err(PolyhedraError::NonFiniteBound(at));
        }
        Ok(Self { k, upper })
    }

    /// The number of neurons.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// The bounds, one per direction in the order of [`directions`].
    #[must_use]
    pub fn upper(&self) -> &[f64] {
        &self.upper
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_ordered_and_symmetric() {
        assert_eq!(directions(1), vec![vec![-1], vec![1]]);
        for k in 1..=4 {
            let all = directions(k);
            assert_eq!(all.len(), direction_count(k));
            assert!(all.is_sorted());
            for (a, b) in all.iter().zip(all.iter().rev()) {
                assert!(a.iter().zip(b).all(|(x, y)| x + y == 0) && a.iter().any(|&x| x != 0));
            }
        }
    }

    #[test]
    fn malformed_bounds_are_refused() {
        assert_eq!(Octahedron::new(0, vec![]), Err(PolyhedraError::GroupSize(0)));
        assert_eq!(Octahedron::new(5, vec![0.0; 242]), Err(PolyhedraError::GroupSize(5)));
        assert!(matches!(Octahedron::new(2, vec![1.0; 7]), Err(PolyhedraError::BoundCount { .. })));
        assert_eq!(Octahedron::new(1, vec![1.0, f64::NAN]), Err(PolyhedraError::NonFiniteBound(1)));
    }
}
