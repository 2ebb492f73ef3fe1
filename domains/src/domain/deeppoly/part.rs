//! The coefficients that a block of rows has for one node, and which of its neurons they belong to.

use crate::network::{LinearMap, Term, Window};
use crate::num::Spare;
use ndarray::{Array2, ArrayViewMut1};
use std::ops::Deref;
use std::sync::Arc;

/// Which neurons of a node have a column in a block of rows: the coefficients of the others are zero.
#[derive(Clone, Debug, PartialEq)]
enum Columns {
    /// All.
    All,
    /// Those in a window.
    Window(Window),
    /// Those that are kept of so many.
    Kept(Kept, usize),
}

/// Neurons of a node, in ascending order.
pub type Kept = Arc<[usize]>;

/// The coefficients that a block of rows has for one node.
#[derive(Clone)]
pub(super) struct Part {
    values: Array2<f64>,
    columns: Columns,
    /// What the rows are at least, once somebody asked.
    minima: Option<Vec<f64>>,
    /// Whether the concrete bounds of the node have nothing to add: those of the activation behind it were looked at.
    pub is_seen: bool,
}

impl Part {
    fn new(values: Array2<f64>, columns: Columns) -> Self {
        // Whoever passes over rows wants them in one piece.
        let values = if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() };
        Self { values, columns, minima: None, is_seen: false }
    }

    /// A column for every neuron.
    pub fn whole(values: Array2<f64>) -> Self {
        Self::new(values, Columns::All)
    }

    fn windowed((values, window): (Array2<f64>, Window)) -> Self {
        let columns = if window.is_whole() { Columns::All } else { Columns::Window(window) };
        Self::new(values, columns)
    }

    /// The rows `sign · z_i` of an affine term, without the columns of neurons that are not `kept`.
    /// The node has this `shape`, if a term of it reads windows.
    pub fn units(
        term: &Term,
        units: &[(usize, f64)],
        shape: Option<[usize; 3]>,
        kept: Option<&Kept>,
        spare: &Spare,
    ) -> Self {
        match shape.and_then(|shape| term.map.rows_window(units, shape, spare)) {
            Some(windowed) => Self::windowed(windowed),
            None => Self::whole(term.map.rows_reusing(units, spare)).only(kept, spare),
        }
    }

    /// The same coefficients without the columns of neurons that are not `kept`, which are zero on all of the region.
    fn only(self, kept: Option<&Kept>, spare: &Spare) -> Self {
        let (Columns::All, Some(kept)) = (&self.columns, kept) else { return self };
        let mut values = spare.matrix(self.values.nrows(), kept.len());
        for (row, mut few) in self.values.rows().into_iter().zip(values.rows_mut()) {
            few.iter_mut().zip(kept.iter()).for_each(|(few, &i)| *few = row[i]);
        }
        let columns = Columns::Kept(Arc::clone(kept), self.values.ncols());
        self.discard(spare);
        Self::new(values, columns)
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.rows().into_iter().map(|row| row.to_slice().unwrap_or(&[]))
    }

    /// The rows, for changing them; whoever does so changes what they are at least.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.minima = None;
        self.values.rows_mut().into_iter().map(|row: ArrayViewMut1<f64>| row.into_slice().unwrap_or(&mut []))
    }

    /// What the rows are at least, which `compute` finds out once.
    pub fn minima(&mut self, compute: impl FnOnce(&Self) -> Vec<f64>) -> &[f64] {
        let found = self.minima.take().unwrap_or_else(|| compute(self));
        self.minima.insert(found)
    }

    /// The entries of a vector over the node that belong to the columns.
    pub fn entries<'v>(&self, vector: &'v [f64], spare: &'v Spare) -> Entries<'v> {
        match &self.columns {
            Columns::All => Entries::All(vector),
            Columns::Window(window) => Entries::Some(window.gather_reusing(vector, spare), spare),
            Columns::Kept(kept, _) => {
                let mut some = spare.take(kept.len());
                some.iter_mut().zip(kept.iter()).for_each(|(some, &i)| *some = vector[i]);
                Entries::Some(some, spare)
            }
        }
    }

    /// Those of these neurons that have a column, and which.
    pub fn places(&self, neurons: &[usize]) -> Vec<(usize, usize)> {
        let place = |&i: &usize| match &self.columns {
            Columns::All => Some((i, i)),
            Columns::Window(window) => Some((window.place(i)?, i)),
            Columns::Kept(kept, _) => Some((kept.binary_search(&i).ok()?, i)),
        };
        neurons.iter().filter_map(place).collect()
    }

    /// True when every neuron has a column.
    pub fn is_whole(&self) -> bool {
        self.columns == Columns::All
    }

    /// The same coefficients with a column for every neuron.
    pub fn spread(self, spare: &Spare) -> Self {
        let whole = match &self.columns {
            Columns::All => return self,
            Columns::Window(window) => window.spread(&self.values, &Window::whole(window.shape), spare),
            Columns::Kept(kept, len) => {
                let mut whole = spare.zero_matrix(self.values.nrows(), *len);
                for (row, mut whole) in self.values.rows().into_iter().zip(whole.rows_mut()) {
                    row.iter().zip(kept.iter()).for_each(|(&a, &i)| whole[i] = a);
                }
                whole
            }
        };
        self.discard(spare);
        Self::whole(whole)
    }

    /// Both over the columns of both.
    pub fn aligned(self, other: Self, spare: &Spare) -> [Self; 2] {
        if self.columns == other.columns {
            return [self, other];
        }
        match self.joint(&other) {
            Some((joint, [a, b])) => [self.over(&a, &joint, spare), other.over(&b, &joint, spare)],
            None => [self.spread(spare), other.spread(spare)],
        }
    }

    /// Zeros over the same columns.
    pub fn zeros(&self, spare: &Spare) -> Self {
        Self::new(spare.zero_matrix(self.values.nrows(), self.values.ncols()), self.columns.clone())
    }

    /// The sum of both, over the columns of both; and, where they are fewer, the columns of it at which anything was added.
    pub fn plus(self, other: Self, spare: &Spare) -> (Self, Option<Self>) {
        let joint = self.joint(&other).filter(|_| self.columns != other.columns);
        let Some((joint, [a, b])) = joint else {
            let [sum, more] = self.aligned(other, spare);
            return (sum.plus_aligned(more, spare), None);
        };
        let (sum, mut part, [outer, inner]) = if joint == b { (other, self, [b, a]) } else { (self, other, [a, b]) };
        let mut sum = sum.over(&outer, &joint, spare);
        inner.add_within(&mut part.values, &mut sum.values, &joint);
        (sum.minima, sum.is_seen) = (None, false);
        (sum, Some(part))
    }

    /// The smallest window that holds the columns of both, and those of each, if either has a window.
    fn joint(&self, other: &Self) -> Option<(Window, [Window; 2])> {
        let shape = [self, other].into_iter().find_map(|part| match &part.columns {
            Columns::Window(window) => Some(window.shape),
            _ => None,
        })?;
        let of = |part: &Self| match &part.columns {
            Columns::All => Some(Window::whole(shape)),
            Columns::Window(window) => Some(window.clone()),
            Columns::Kept(..) => None,
        };
        let both = [of(self)?, of(other)?];
        Some((both[0].join(&both[1])?, both))
    }

    /// The same coefficients over a window that holds this one.
    fn over(self, window: &Window, outer: &Window, spare: &Spare) -> Self {
        if window == outer {
            return self;
        }
        let wide = Self::windowed((window.spread(&self.values, outer, spare), outer.clone()));
        self.discard(spare);
        wide
    }

    fn plus_aligned(mut self, other: Self, spare: &Spare) -> Self {
        self.values += &other.values;
        (self.minima, self.is_seen) = (None, false);
        other.discard(spare);
        self
    }

    /// The coefficients over the source of an affine term, of whose neurons those that are not `kept` are zero on all of
    /// the region; `narrowed` is the term between kept neurons, where there is that.
    pub fn pull_back<'n>(
        &self,
        term: &Term,
        kept: Option<&Kept>,
        narrowed: impl FnOnce() -> Option<&'n Narrowed>,
        spare: &Spare,
    ) -> Self {
        match &self.columns {
            Columns::All => Self::whole(term.map.pull_back_reusing(self.values.view(), spare)).only(kept, spare),
            Columns::Window(window) => match term.map.pull_back_window(self.values.view(), window, spare) {
                Some(part) => Self::windowed(part),
                None => self.pull_back_spread(term, kept, spare),
            },
            Columns::Kept(rows, _) => match narrowed().filter(|narrowed| Arc::ptr_eq(&narrowed.rows, rows)) {
                Some(Narrowed { columns, map, .. }) => {
                    Self::new(map.pull_back_reusing(self.values.view(), spare), columns.clone())
                }
                None => self.pull_back_spread(term, kept, spare),
            },
        }
    }

    fn pull_back_spread(&self, term: &Term, kept: Option<&Kept>, spare: &Spare) -> Self {
        let whole = self.clone().spread(spare);
        let part = whole.pull_back(term, kept, || None, spare);
        whole.discard(spare);
        part
    }

    /// The rows of these indices, in ascending order.
    pub fn keep_rows(self, kept: &[usize]) -> Self {
        let columns = self.values.ncols();
        let mut values = self.values.into_raw_vec_and_offset().0;
        for (to, &from) in kept.iter().enumerate() {
            values.copy_within(from * columns..(from + 1) * columns, to * columns);
        }
        values.truncate(kept.len() * columns);
        let values = Array2::from_shape_vec((kept.len(), columns), values).expect("so many rows were kept");
        Self::new(values, self.columns)
    }

    /// The coefficients alone.
    pub fn into_values(self) -> Array2<f64> {
        self.values
    }

    /// The coefficients of all rows, for reading.
    pub fn values(&self) -> &Array2<f64> {
        &self.values
    }

    /// Gives the memory back.
    pub fn discard(self, spare: &Spare) {
        spare.give_matrix(self.values);
    }
}

/// An affine term from the kept neurons of its source to those of the activation that reads its node.
#[derive(Clone, Debug)]
pub struct Narrowed {
    rows: Kept,
    columns: Columns,
    map: LinearMap,
}

impl Narrowed {
    /// The term between these neurons; all those of its source where there are none. `None` for a map that keeps its
    /// structure by staying whole.
    pub fn new(term: &Term, rows: &Kept, source: Option<&Kept>) -> Option<Self> {
        let map = term.map.restricted(Some(rows), source.map(|kept| &**kept))?;
        let columns = source.map_or(Columns::All, |kept| Columns::Kept(Arc::clone(kept), term.map.input_len()));
        Some(Self { rows: Arc::clone(rows), columns, map })
    }
}

/// Entries of a vector over a node: all, or some in spare memory.
pub(super) enum Entries<'v> {
    All(&'v [f64]),
    Some(Vec<f64>, &'v Spare),
}

impl Deref for Entries<'_> {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        match self {
            Self::All(all) => all,
            Self::Some(some, _) => some,
        }
    }
}

impl Drop for Entries<'_> {
    fn drop(&mut self) {
        if let Self::Some(some, spare) = self {
            spare.give(std::mem::take(some));
        }
    }
}
