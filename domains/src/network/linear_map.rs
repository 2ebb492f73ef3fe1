use super::{Coefficients, Conv2d};
use crate::num::Scalar;
use ndarray::Array2;

/// A linear operator `x ↦ W x` that keeps its structure.
#[derive(Clone, Debug)]
pub enum LinearMap {
    /// `W = I` on vectors of this length.
    Identity(usize),
    /// A dense matrix, outputs × inputs, of exact floats.
    Dense(Array2<f64>),
    /// A two-dimensional convolution with exact floats.
    Conv2d(Conv2d),
    /// `W = diag(d)`.
    Diagonal(Coefficients),
    /// `y_i = x_{index_i}`, or 0 where there is none: permutations, slices and zero padding.
    Select {
        /// Length of `x`.
        input_len: usize,
        /// For each output the input that it copies.
        index: Vec<Option<usize>>,
    },
}

impl LinearMap {
    /// Length of `x`.
    #[must_use]
    pub fn input_len(&self) -> usize {
        match self {
            Self::Identity(n) => *n,
            Self::Dense(w) => w.ncols(),
            Self::Conv2d(conv) => conv.input_len(),
            Self::Diagonal(d) => d.len(),
            Self::Select { input_len, .. } => *input_len,
        }
    }

    /// Length of `W x`.
    #[must_use]
    pub fn output_len(&self) -> usize {
        match self {
            Self::Identity(n) => *n,
            Self::Dense(w) => w.nrows(),
            Self::Conv2d(conv) => conv.output_len(),
            Self::Diagonal(d) => d.len(),
            Self::Select { index, .. } => index.len(),
        }
    }

    /// Number of stored parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        match self {
            Self::Identity(_) | Self::Select { .. } => 0,
            Self::Dense(w) => w.len(),
            Self::Conv2d(conv) => conv.weight.len(),
            Self::Diagonal(d) => d.len(),
        }
    }

    /// A short name for `info` and errors.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Identity(_) => "identity",
            Self::Dense(_) => "dense",
            Self::Conv2d(_) => "conv2d",
            Self::Diagonal(_) => "diagonal",
            Self::Select { .. } => "select",
        }
    }

    /// True when every parameter is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        match self {
            Self::Identity(_) | Self::Select { .. } => true,
            Self::Dense(w) => w.iter().all(|v| v.is_finite()),
            Self::Conv2d(conv) => conv.weight.iter().all(|v| v.is_finite()),
            Self::Diagonal(d) => d.is_finite(),
        }
    }

    /// Adds `W x` to `sums` in the arithmetic `T`. `None` when `T` is exact and a parameter is not
    /// known exactly.
    pub fn apply_to<T: Scalar>(&self, x: &[T], sums: &mut [T]) -> Option<()> {
        match self {
            Self::Identity(_) => {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum = sum.add(x);
                }
            }
            Self::Dense(w) => {
                for (sum, row) in sums.iter_mut().zip(w.rows()) {
                    match row.to_slice() {
                        Some(row) => sum.accumulate_all(row, x),
                        None => row.iter().zip(x).for_each(|(&w, x)| sum.accumulate(w, x)),
                    }
                }
            }
            Self::Conv2d(conv) => conv.for_each_product(|out, input, w| sums[out].accumulate(w, &x[input])),
            Self::Diagonal(d) => {
                for (i, (sum, x)) in sums.iter_mut().zip(x).enumerate() {
                    *sum = sum.add(&x.mul(&d.get::<T>(i)?));
                }
            }
            Self::Select { index, .. } => {
                for (sum, i) in sums.iter_mut().zip(index) {
                    if let Some(i) = i {
                        *sum = sum.add(&x[*i]);
                    }
                }
            }
        }
        Some(())
    }

    /// Adds `a W` to `sums` (one per input) in the arithmetic `T`; [`LinearMap::pull_back`] does the same
    /// for batches of floats. `None` as in [`LinearMap::apply_to`].
    pub fn apply_transposed_to<T: Scalar>(&self, a: &[T], sums: &mut [T]) -> Option<()> {
        match self {
            Self::Identity(_) => {
                for (sum, a) in sums.iter_mut().zip(a) {
                    *sum = sum.add(a);
                }
            }
            Self::Dense(w) => {
                for (a, row) in a.iter().zip(w.rows()) {
                    for (sum, &w) in sums.iter_mut().zip(row) {
                        sum.accumulate(w, a);
                    }
                }
            }
            Self::Conv2d(conv) => conv.for_each_product(|out, input, w| sums[input].accumulate(w, &a[out])),
            Self::Diagonal(d) => {
                for (i, (sum, a)) in sums.iter_mut().zip(a).enumerate() {
                    *sum = sum.add(&a.mul(&d.get::<T>(i)?));
                }
            }
            Self::Select { index, .. } => {
                for (a, i) in a.iter().zip(index) {
                    if let Some(i) = i {
                        sums[*i] = sums[*i].add(a);
                    }
                }
            }
        }
        Some(())
    }

    /// `outer ∘ inner` as one map, where that neither makes anything dense nor rounds.
    #[must_use]
    pub fn compose(outer: &Self, inner: &Self) -> Option<Self> {
        match (outer, inner) {
            (Self::Identity(_), any) | (any, Self::Identity(_)) => Some(any.clone()),
            (Self::Select { index, .. }, Self::Select { input_len, index: first }) => {
                let index: Vec<Option<usize>> = index.iter().map(|i| i.and_then(|i| first[i])).collect();
                let all_in_order = index.len() == *input_len && index.iter().enumerate().all(|(k, i)| *i == Some(k));
                let input_len = *input_len;
                Some(if all_in_order { Self::Identity(input_len) } else { Self::Select { input_len, index } })
            }
            (Self::Select { index, .. }, Self::Conv2d(conv)) => conv.cropped(index).map(Self::Conv2d),
            (Self::Diagonal(a), Self::Diagonal(b)) => Some(Self::Diagonal(a.times(b))),
            (Self::Dense(w), Self::Select { input_len, index }) => {
                let mut columns = Array2::zeros((w.nrows(), *input_len));
                for (j, i) in index.iter().enumerate() {
                    if let Some(i) = i {
                        // Two outputs may copy one input; their columns then add, exactly or not at all.
                        let mut column = columns.column_mut(*i);
                        if column.iter().any(|&v: &f64| v != 0.0) {
                            return None;
                        }
                        column.assign(&w.column(j));
                    }
                }
                Some(Self::Dense(columns))
            }
            (Self::Select { index, .. }, Self::Dense(w)) => {
                let mut rows = Array2::zeros((index.len(), w.ncols()));
                for (r, i) in index.iter().enumerate() {
                    if let Some(i) = i {
                        rows.row_mut(r).assign(&w.row(*i));
                    }
                }
                Some(Self::Dense(rows))
            }
            _ => None,
        }
    }
}
