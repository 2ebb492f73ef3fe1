//! Linear maps made of others, where that keeps their structure.

use super::LinearMap;
use crate::network::Coefficients;
use ndarray::{Array2, ArrayViewMutD, Axis};
use std::borrow::Cow;
use std::sync::Arc;

impl LinearMap {
    /// `outer ∘ inner` as one map, where that neither makes anything dense nor rounds.
    #[must_use]
    pub fn compose(outer: &Arc<Self>, inner: &Arc<Self>) -> Option<Arc<Self>> {
        let composed = match (&**outer, &**inner) {
            (Self::Identity(_), _) => return Some(Arc::clone(inner)),
            (_, Self::Identity(_)) => return Some(Arc::clone(outer)),
            (Self::Select { index, .. }, Self::Select { input_len, index: first }) => {
                let index: Vec<Option<usize>> = index.iter().map(|i| i.and_then(|i| first[i])).collect();
                let all_in_order = index.len() == *input_len && index.iter().enumerate().all(|(k, i)| *i == Some(k));
                let input_len = *input_len;
                if all_in_order { Self::Identity(input_len) } else { Self::Select { input_len, index } }
            }
            (Self::Select { index, .. }, Self::Conv2d(conv)) => Self::Conv2d(conv.cropped(index)?),
            (Self::Diagonal(a), Self::Diagonal(b)) => Self::Diagonal(a.times(b)),
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
                Self::Dense(columns)
            }
            (Self::Select { index, .. }, Self::Dense(w)) => {
                let mut rows = Array2::zeros((index.len(), w.ncols()));
                for (r, i) in index.iter().enumerate() {
                    if let Some(i) = i {
                        rows.row_mut(r).assign(&w.row(*i));
                    }
                }
                Self::Dense(rows)
            }
            _ => return None,
        };
        Some(composed.into())
    }

    /// `W b`, where that neither sums nor rounds.
    #[must_use]
    pub fn of_parameters(&self, b: &Coefficients) -> Option<Coefficients> {
        let Some(copies) = self.copies() else {
            return b.is_zero().then(|| Coefficients::zeros(self.output_len()));
        };
        let copied = copies.index.map_or_else(|| b.clone(), |index| b.select(index));
        Some(copies.factors.map_or(copied.clone(), |d| d.times(&copied)))
    }

    /// `diag(sign) · W`; every sign is −1, 0 or 1.
    #[must_use]
    pub fn signed(self: Arc<Self>, sign: &[f64]) -> Option<Arc<Self>> {
        if sign.iter().all(|s| *s == 1.0) {
            return Some(self);
        }
        let signs = || Coefficients::floats(sign.to_vec());
        match &*self {
            Self::Identity(_) => return Some(Self::Diagonal(signs()).into()),
            Self::Diagonal(d) => return Some(Self::Diagonal(d.times(&signs())).into()),
            _ => {}
        }
        let mut signed = Self::clone(&self);
        let (rows, outputs) = signed.weight_rows_mut()?;
        let of_row: Vec<&[f64]> = sign.chunks(outputs.max(1)).collect();
        if of_row.iter().any(|signs| signs.iter().any(|s| *s != signs[0])) {
            return None;
        }
        rows.into_iter().zip(of_row).for_each(|(row, signs)| multiply(row, signs[0]));
        Some(signed.into())
    }

    /// The rows and columns of these indices of a dense map; all of them where there are none, but not all of both.
    #[must_use]
    pub fn restricted(&self, rows: Option<&[usize]>, columns: Option<&[usize]>) -> Option<Self> {
        let Self::Dense(w) = self else { return None };
        rows.or(columns)?;
        let w = rows.map_or(Cow::Borrowed(w), |rows| Cow::Owned(w.select(Axis(0), rows)));
        Some(Self::Dense(match columns {
            // Row by row, as all weights are.
            Some(columns) => w.select(Axis(1), columns).as_standard_layout().into_owned(),
            None => w.into_owned(),
        }))
    }
}

/// Multiplies by −1, 0 or 1, without negative zeros.
fn multiply(mut weights: ArrayViewMutD<f64>, sign: f64) {
    weights.mapv_inplace(|w| match sign {
        1.0 => w,
        -1.0 => 0.0 - w,
        _ => 0.0,
    });
}
