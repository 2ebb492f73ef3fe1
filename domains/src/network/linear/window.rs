//! Windows: the positions of a node where a batch of forms has coefficients.

use crate::num::Spare;
use ndarray::Array2;
use std::ops::Range;

/// The positions `rows × columns`, over all channels, of a node that is `channels × height × width`:
/// the only ones where a batch of forms has coefficients.
///
/// A neuron of a convolution depends on a small window of every earlier layer, so rows of neurons at
/// one position need no more columns than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Channels, height and width of the node.
    pub shape: [usize; 3],
    /// The rows of the node that belong to the window.
    pub rows: Range<usize>,
    /// The columns of the node that belong to the window.
    pub columns: Range<usize>,
}

impl Window {
    /// All positions.
    #[must_use]
    pub fn whole(shape: [usize; 3]) -> Self {
        Self { shape, rows: 0..shape[1], columns: 0..shape[2] }
    }

    /// True when no position is left out.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::whole(self.shape)
    }

    /// How many neurons it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape[0] * self.rows.len() * self.columns.len()
    }

    /// True when it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The smallest window that holds both; `None` when they are windows of different shapes.
    #[must_use]
    pub fn join(&self, other: &Self) -> Option<Self> {
        let join = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        (self.shape == other.shape).then(|| Self {
            shape: self.shape,
            rows: join(&self.rows, &other.rows),
            columns: join(&self.columns, &other.columns),
        })
    }

    /// Where the runs of `columns.len()` neurons that follow one another begin in a vector over the
    /// positions of `outer`, which holds this window.
    fn runs<'a>(&'a self, outer: &'a Self) -> impl Iterator<Item = usize> + 'a {
        let start = move |(channel, row): (usize, usize)| {
            let line = channel * outer.rows.len() + row - outer.rows.start;
            line * outer.columns.len() + self.columns.start - outer.columns.start
        };
        (0..self.shape[0]).flat_map(|channel| self.rows.clone().map(move |row| (channel, row))).map(start)
    }

    /// Where the window's positions lie in a vector over the whole node, in the order of the window.
    pub fn indices(&self) -> impl Iterator<Item = usize> {
        let [_, height, width] = self.shape;
        let (rows, columns) = (self.rows.clone(), self.columns.clone());
        (0..self.shape[0]).flat_map(move |channel| {
            let columns = columns.clone();
            rows.clone()
                .flat_map(move |row| columns.clone().map(move |column| (channel * height + row) * width + column))
        })
    }

    /// The place in the window of a neuron of the node, if it lies there.
    #[must_use]
    pub fn place(&self, neuron: usize) -> Option<usize> {
        let [_, height, width] = self.shape;
        let (channel, row, column) = (neuron / (height * width), neuron / width % height, neuron % width);
        let lies_inside = self.rows.contains(&row) && self.columns.contains(&column);
        let line = channel * self.rows.len() + row.checked_sub(self.rows.start)?;
        lies_inside.then(|| line * self.columns.len() + column - self.columns.start)
    }

    /// The entries of a vector over the whole node that lie in the window.
    #[must_use]
    pub fn gather(&self, whole: &[f64]) -> Vec<f64> {
        self.gather_reusing(whole, &Spare::default())
    }

    /// [`Window::gather`] in spare memory.
    #[must_use]
    pub fn gather_reusing(&self, whole: &[f64], spare: &Spare) -> Vec<f64> {
        let mut part = spare.take(self.len());
        let width = self.columns.len();
        if width > 0 {
            let [_, height, columns] = self.shape;
            let mut parts = part.chunks_exact_mut(width);
            for channel in whole.chunks_exact(height * columns) {
                for (line, part) in
                    channel.chunks_exact(columns).skip(self.rows.start).zip(parts.by_ref().take(self.rows.len()))
                {
                    part.copy_from_slice(&line[self.columns.clone()]);
                }
            }
        }
        part
    }

    /// Rows over this window as rows over `outer`, which holds it, in spare memory: the other entries are zero.
    #[must_use]
    pub fn spread(&self, a: &Array2<f64>, outer: &Self, spare: &Spare) -> Array2<f64> {
        let mut out = spare.zero_matrix(a.nrows(), outer.len());
        let width = self.columns.len();
        if width == 0 {
            return out;
        }
        let runs: Vec<usize> = self.runs(outer).collect();
        for (a, mut out) in a.rows().into_iter().zip(out.rows_mut()) {
            let (a, out) = (a.as_standard_layout(), out.as_slice_mut().unwrap_or(&mut []));
            for (part, &run) in a.as_slice().unwrap_or(&[]).chunks_exact(width).zip(&runs) {
                out[run..run + width].copy_from_slice(part);
            }
        }
        out
    }

    /// Adds rows over this window to rows over `outer`, which holds it; both have the sums then.
    pub fn add_within(&self, part: &mut Array2<f64>, sum: &mut Array2<f64>, outer: &Self) {
        let width = self.columns.len();
        if width == 0 {
            return;
        }
        let runs: Vec<usize> = self.runs(outer).collect();
        for (mut part, mut sum) in part.rows_mut().into_iter().zip(sum.rows_mut()) {
            let (part, sum) = (part.as_slice_mut().unwrap_or(&mut []), sum.as_slice_mut().unwrap_or(&mut []));
            for (part, &run) in part.chunks_exact_mut(width).zip(&runs) {
                for (part, sum) in part.iter_mut().zip(&mut sum[run..run + width]) {
                    *sum += *part;
                    *part = *sum;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreading_undoes_gathering() {
        let window = Window { shape: [2, 3, 4], rows: 1..3, columns: 1..3 };
        let whole: Vec<f64> = (0..24).map(f64::from).collect();
        let part = window.gather(&whole);
        assert_eq!(part, [5.0, 6.0, 9.0, 10.0, 17.0, 18.0, 21.0, 22.0]);
        let places: Vec<usize> = (0..24).filter_map(|i| window.place(i)).collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5, 6, 7]);
        let rows = Array2::from_shape_vec((1, 8), part).unwrap();
        let back = window.spread(&rows, &Window::whole(window.shape), &Spare::default());
        assert!(back.iter().zip(&whole).all(|(b, w)| b == w || *b == 0.0));
        assert_eq!(back.sum(), rows.sum());
        let other = Window { shape: [2, 3, 4], rows: 0..2, columns: 2..4 };
        let joint = window.join(&other).unwrap();
        assert_eq!((joint.rows.clone(), joint.columns.clone()), (0..3, 1..4));
        assert_eq!(window.spread(&rows, &joint, &Spare::default()).sum(), rows.sum());
        let (mut part, mut sum) = (rows.clone(), Array2::ones((1, joint.len())));
        window.add_within(&mut part, &mut sum, &joint);
        assert_eq!(part, &rows + 1.0);
        assert_eq!(sum, window.spread(&rows, &joint, &Spare::default()) + 1.0);
        assert!(window.join(&Window::whole([1, 3, 4])).is_none());
    }
}
