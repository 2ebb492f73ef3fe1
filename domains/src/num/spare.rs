//! Memory of vectors that are no longer needed: fresh pages cost as much as filling them.

use ndarray::Array2;
use std::sync::{Mutex, PoisonError};

/// Vectors to be used again, by several threads.
#[derive(Debug, Default)]
pub struct Spare(Mutex<Vec<Vec<f64>>>);

/// So many numbers more than are needed do not matter.
const FEW: usize = 4096;

/// So many numbers are kept at most (256 MiB).
const MOST: usize = 1 << 25;

impl Spare {
    /// So many numbers, whatever they are: the smallest vector at hand that has room for them, or else the largest. One
    /// with far more room stays for those who need it.
    #[must_use]
    pub fn take(&self, len: usize) -> Vec<f64> {
        let mut numbers = self.room_for(len);
        numbers.resize(len, 0.0);
        numbers
    }

    fn room_for(&self, len: usize) -> Vec<f64> {
        let found = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let fit = |room: usize| (room < len, if room < len { usize::MAX - room } else { room });
            let best = (0..all.len()).min_by_key(|&i| fit(all[i].capacity()));
            let best = best.filter(|&i| all[i].capacity() <= 4 * len + FEW);
            best.map(|i| all.swap_remove(i))
        };
        let mut numbers = found.unwrap_or_default();
        if numbers.capacity() < len {
            // Nothing of it need be copied.
            numbers = Vec::with_capacity(len);
        }
        numbers
    }

    /// So many zeros.
    #[must_use]
    pub fn zeros(&self, len: usize) -> Vec<f64> {
        let mut numbers = self.room_for(len);
        numbers.clear();
        numbers.resize(len, 0.0);
        numbers
    }

    /// A matrix, whatever its entries are.
    #[must_use]
    pub fn matrix(&self, rows: usize, columns: usize) -> Array2<f64> {
        Array2::from_shape_vec((rows, columns), self.take(rows * columns)).expect("so many numbers were asked for")
    }

    /// A matrix of zeros.
    #[must_use]
    pub fn zero_matrix(&self, rows: usize, columns: usize) -> Array2<f64> {
        Array2::from_shape_vec((rows, columns), self.zeros(rows * columns)).expect("so many numbers were asked for")
    }

    /// Keeps the memory of a matrix for later.
    pub fn give_matrix(&self, matrix: Array2<f64>) {
        self.give(matrix.into_raw_vec_and_offset().0);
    }

    /// Keeps a vector for later.
    pub fn give(&self, numbers: Vec<f64>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().map(Vec::capacity).sum::<usize>() + numbers.capacity() <= MOST {
            all.push(numbers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_where_it_fits_best() {
        let spare = Spare::default();
        [3, 100, 10].into_iter().for_each(|len| spare.give(vec![f64::NAN; len]));
        let small = spare.take(5);
        assert_eq!((small.len(), small.capacity()), (5, 10));
        assert_eq!(spare.take(11).capacity(), 100);
        spare.give(small);
        assert_eq!(spare.zeros(8), [0.0; 8]);
        assert_eq!(spare.take(2).capacity(), 3);
        assert_eq!(spare.zero_matrix(2, 0).dim(), (2, 0));
    }
}
