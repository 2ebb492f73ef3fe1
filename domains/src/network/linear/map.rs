//! The vocabulary of linear maps, and what anybody may ask of one.

use super::identity::Identity;
use super::operator::LinearOperator;
use super::select::Select;
use super::{Conv2d, Sparse, Window};
use crate::network::{Coefficients, Parameter};
use crate::num::error::{gamma, underflow};
use crate::num::round::{add_up, mul_up};
use crate::num::{Scalar, Spare};
use ndarray::{Array2, ArrayView2, ArrayViewMut1, ArrayViewMutD, Axis, CowArray, Ix2};

/// A linear operator `x ↦ W x` that keeps its structure.
#[derive(Clone, Debug)]
pub enum LinearMap {
    /// `W = I` on vectors of this length.
    Identity(usize),
    /// A dense matrix, outputs × inputs, of exact floats.
    Dense(Array2<f64>),
    /// A matrix of exact floats of which few are not zero.
    Sparse(Sparse),
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

/// A matrix with so many entries is large, and has few products when one entry in so many is not zero.
const LARGE: usize = 1 << 12;
const SPARSE: usize = 16;

/// Evaluates an expression with the operator that a map is.
macro_rules! with {
    ($map:expr, $operator:ident => $value:expr) => {
        match $map {
            LinearMap::Identity(n) => {
                let $operator = &Identity(*n);
                $value
            }
            LinearMap::Dense($operator) => $value,
            LinearMap::Sparse($operator) => $value,
            LinearMap::Conv2d($operator) => $value,
            LinearMap::Diagonal($operator) => $value,
            LinearMap::Select { input_len, index } => {
                let $operator = &Select { input_len: *input_len, index };
                $value
            }
        }
    };
}

impl LinearMap {
    /// Length of `x`.
    #[must_use]
    pub fn input_len(&self) -> usize {
        with!(self, w => w.input_len())
    }

    /// Length of `W x`.
    #[must_use]
    pub fn output_len(&self) -> usize {
        with!(self, w => w.output_len())
    }

    /// A short name for `info` and errors.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        fn kind<W: LinearOperator>(_: &W) -> &'static str {
            W::KIND
        }
        with!(self, w => kind(w))
    }

    /// What is wrong with the geometry, if anything.
    #[must_use]
    pub fn geometry_error(&self) -> Option<String> {
        with!(self, w => w.geometry_error())
    }

    /// Number of stored parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let mut count = 0;
        self.for_each_weight(|_| count += 1);
        count
    }

    /// True when every parameter is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let mut is_finite = self.factors().is_none_or(Coefficients::is_finite);
        self.for_each_weight(|w| is_finite &= w.is_finite());
        is_finite
    }

    /// True when the float weights are the parameters.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.factors().is_none_or(Coefficients::is_exact)
    }

    /// The parameter of row `i` that may be no float: its column, and an upper bound of its distance from the weight.
    #[must_use]
    pub fn radius(&self, i: usize) -> Option<(usize, f64)> {
        self.factors().filter(|d| !d.is_exact()).map(|d| (i, d.radius(i)))
    }

    /// True for a matrix that is stored as a whole.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        matches!(self, Self::Dense(_))
    }

    /// The same as a sparse map, if it is a large matrix of few products.
    #[must_use]
    pub fn as_sparse(&self) -> Option<Self> {
        let Self::Dense(w) = self else { return None };
        let count = w.iter().filter(|w| **w != 0.0).count();
        (w.len() >= LARGE && count * SPARSE <= w.len()).then(|| Self::Sparse(Sparse::new(w)))
    }

    /// True for the map that changes nothing.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        matches!(self, Self::Identity(_))
    }

    /// At most this many products meet in one output.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        with!(self, w => w.fan_in())
    }

    /// Channels, height and width of the outputs, where each depends on a window of the inputs.
    #[must_use]
    pub fn output_shape(&self) -> Option<[usize; 3]> {
        with!(self, w => w.output_shape())
    }

    /// Calls `f(weight)` for every float that the map stores.
    pub fn for_each_weight(&self, f: impl FnMut(f64)) {
        with!(self, w => w.for_each_weight(f));
    }

    /// Calls `f(output, input, weight)` for every product, output by output; weights are the nearest floats.
    pub fn for_each_product(&self, f: impl FnMut(usize, usize, f64)) {
        with!(self, w => w.for_each_product(f));
    }

    /// Calls `f(output, input, parameter)` for every product whose weight is not known to be zero, output by output.
    pub fn for_each_parameter(&self, mut f: impl FnMut(usize, usize, Parameter)) {
        let factors = self.factors().filter(|d| !d.is_exact());
        self.for_each_product(|output, input, w| match factors {
            Some(d) if d.parameter(output) != Parameter::ZERO => f(output, input, d.parameter(output)),
            None if w != 0.0 => f(output, input, Parameter::float(w)),
            _ => {}
        });
    }

    /// The columns of `W`, input by input, for adding them to outputs.
    #[must_use]
    pub fn by_input(&self) -> Columns<'_> {
        if let Self::Dense(w) = self {
            return Columns::Dense(w.view());
        }
        let mut columns = vec![Vec::new(); self.input_len()];
        self.for_each_product(|output, input, w| columns[input].push((output, w)));
        Columns::Sparse(columns)
    }

    /// Adds `W x` to `sums` in the arithmetic `T`. `None` when `T` is exact and a parameter is not
    /// known exactly.
    pub fn apply_to<T: Scalar>(&self, x: &[T], sums: &mut [T]) -> Option<()> {
        with!(self, w => w.apply_to(x, sums))
    }

    /// Adds `a W` to `sums` (one per input) in the arithmetic `T`; [`LinearMap::pull_back`] does the same
    /// for batches of floats. `None` as in [`LinearMap::apply_to`].
    pub fn apply_transposed_to<T: Scalar>(&self, a: &[T], sums: &mut [T]) -> Option<()> {
        with!(self, w => w.apply_transposed_to(a, sums))
    }

    /// `a · W` in round-to-nearest; `a` is rows × outputs, the result rows × inputs.
    #[must_use]
    pub fn pull_back(&self, a: ArrayView2<f64>) -> Array2<f64> {
        self.pull_back_reusing(a, &Spare::default())
    }

    /// [`LinearMap::pull_back`] into spare memory.
    #[must_use]
    pub fn pull_back_reusing(&self, a: ArrayView2<f64>, spare: &Spare) -> Array2<f64> {
        let mut out = spare.matrix(a.nrows(), self.input_len());
        with!(self, w => w.pull_back_into(a, &mut out, spare));
        out
    }

    /// [`LinearMap::pull_back_reusing`] for rows that have coefficients in a window of the outputs only,
    /// with the window of the inputs that the result is over; `None` when the map keeps no windows.
    #[must_use]
    pub fn pull_back_window(
        &self,
        a: ArrayView2<f64>,
        window: &Window,
        spare: &Spare,
    ) -> Option<(Array2<f64>, Window)> {
        let source = with!(self, w => w.input_window(window))?;
        let mut out = spare.matrix(a.nrows(), source.len());
        with!(self, w => w.pull_back_window_into(a, [window, &source], &mut out, spare));
        Some((out, source))
    }

    /// `x · Wᵀ` in round-to-nearest; `x` is rows × inputs, the result rows × outputs.
    #[must_use]
    pub fn push_forward(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros((x.nrows(), self.output_len()));
        with!(self, w => w.push_forward_into(x, &mut out));
        out
    }

    /// The rows of `sign · W` for the outputs `rows`: exactly what pulling unit forms back gives.
    #[must_use]
    pub fn rows(&self, rows: &[(usize, f64)]) -> Array2<f64> {
        self.rows_reusing(rows, &Spare::default())
    }

    /// [`LinearMap::rows`] in spare memory.
    #[must_use]
    pub fn rows_reusing(&self, rows: &[(usize, f64)], spare: &Spare) -> Array2<f64> {
        let mut out = spare.zero_matrix(rows.len(), self.input_len());
        let targets = out.rows_mut().into_iter().zip(rows);
        with!(self, w => targets.for_each(|(target, &(row, sign))| w.row_into(row, sign, target, None)));
        out
    }

    /// [`LinearMap::rows`] over the window of the inputs that those outputs, of a node of this `shape`, read, when it is
    /// smaller than the whole and the map keeps windows; in spare memory.
    #[must_use]
    pub fn rows_window(
        &self,
        rows: &[(usize, f64)],
        shape: [usize; 3],
        spare: &Spare,
    ) -> Option<(Array2<f64>, Window)> {
        let [_, height, width] = shape;
        let at = |&(row, _): &(usize, f64)| {
            let (r, c) = (row / width % height, row % width);
            Window { shape, rows: r..r + 1, columns: c..c + 1 }
        };
        let window = rows.iter().map(at).reduce(|a, b| a.join(&b).unwrap_or(a))?;
        let source = with!(self, w => w.input_window(&window)).filter(|w| !w.is_whole())?;
        let mut out = spare.zero_matrix(rows.len(), source.len());
        let targets = out.rows_mut().into_iter().zip(rows);
        with!(self, w => targets.for_each(|(target, &(row, sign))| w.row_into(row, sign, target, Some(&source))));
        Some((out, source))
    }

    /// `|W| m` rounded up, for magnitudes `m ≥ 0`.
    #[must_use]
    pub fn magnitudes(&self, m: &[f64]) -> Vec<f64> {
        let (sums, terms) = with!(self, w => w.magnitude_sums(m));
        if terms == 0 {
            return sums;
        }
        let (relative, absolute) = (1.0 + gamma(terms), underflow(terms));
        sums.into_iter().map(|s| add_up(mul_up(s, relative), absolute)).collect()
    }

    /// At most this many rounded terms meet in one coefficient of `a · W`; 0 when nothing rounds.
    pub(in crate::network) fn fan_out(&self) -> usize {
        with!(self, w => w.fan_out())
    }

    /// The outputs as inputs that are copied and scaled, for a map that does no more.
    pub(in crate::network) fn copies(&self) -> Option<Copies<'_>> {
        match self {
            Self::Identity(_) => Some(Copies { index: None, factors: None }),
            Self::Diagonal(d) => Some(Copies { index: None, factors: Some(d) }),
            Self::Select { index, .. } => Some(Copies { index: Some(index), factors: None }),
            _ => None,
        }
    }

    fn factors(&self) -> Option<&Coefficients> {
        self.copies()?.factors
    }

    /// The weights as a matrix with a row per output, or per so many outputs that follow one another.
    pub(in crate::network) fn weight_rows(&self) -> Option<(CowArray<'_, f64, Ix2>, usize)> {
        match self {
            Self::Dense(w) => Some((CowArray::from(w), 1)),
            Self::Conv2d(conv) => Some((conv.kernels(), conv.output[1] * conv.output[2])),
            _ => None,
        }
    }

    /// The rows of [`weight_rows`](Self::weight_rows), for changing them.
    pub(in crate::network) fn weight_rows_mut(&mut self) -> Option<(Vec<ArrayViewMutD<'_, f64>>, usize)> {
        match self {
            Self::Dense(w) => Some((w.axis_iter_mut(Axis(0)).map(|row| row.into_dyn()).collect(), 1)),
            Self::Conv2d(conv) => {
                let area = conv.output[1] * conv.output[2];
                Some((conv.weight.axis_iter_mut(Axis(0)).map(|kernel| kernel.into_dyn()).collect(), area))
            }
            _ => None,
        }
    }

    /// True when every output sums a product for each weight of its row: no padding.
    pub(in crate::network) fn has_full_rows(&self) -> bool {
        with!(self, w => w.has_full_rows())
    }
}

/// The columns of a map.
pub enum Columns<'a> {
    /// Those of a matrix.
    Dense(ArrayView2<'a, f64>),
    /// For each input the outputs that read it, with their weights.
    Sparse(Vec<Vec<(usize, f64)>>),
}

impl Columns<'_> {
    /// Adds `factor` times column `i` to `sums`, in round-to-nearest.
    pub fn add_to(&self, i: usize, factor: f64, mut sums: ArrayViewMut1<f64>) {
        match self {
            Self::Dense(w) => sums.scaled_add(factor, &w.column(i)),
            Self::Sparse(columns) => columns[i].iter().for_each(|&(output, w)| sums[output] += w * factor),
        }
    }
}

/// Outputs that are each an input, perhaps scaled, or 0.
#[derive(Clone, Copy)]
pub(in crate::network) struct Copies<'a> {
    /// The input of each output; all in their order when there is none.
    pub index: Option<&'a [Option<usize>]>,
    /// What each output is multiplied by; nothing when there is none.
    pub factors: Option<&'a Coefficients>,
}

impl Copies<'_> {
    /// The input of output `i`.
    pub fn source(&self, i: usize) -> Option<usize> {
        self.index.map_or(Some(i), |index| index[i])
    }

    /// The float nearest to the factor of output `i`.
    pub fn factor(&self, i: usize) -> f64 {
        self.factors.map_or(1.0, |d| d.values()[i])
    }
}
