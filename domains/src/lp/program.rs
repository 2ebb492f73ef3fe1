//! Linear programs with rows that have two sides and variables that have bounds.

use crate::num::round::{add_up, lower_or_nothing, mul_up, sub_down, upper_or_nothing};

/// A linear program over bounded variables:
/// minimise `c·x` subject to `lo_r ≤ a_r·x ≤ hi_r` for every row `r`, and `l ≤ x ≤ u`.
///
/// The floats are read as exact numbers. Rows are stored sparsely, one after the other (CSR), with
/// strictly increasing columns. Kernels treat a run of neighbouring columns as a vector, so number the
/// variables of one layer contiguously.
#[derive(Clone, Debug)]
pub struct LinearProgram {
    starts: Vec<usize>,
    columns: Vec<usize>,
    values: Vec<f64>,
    row_lower: Vec<f64>,
    row_upper: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    objective: Vec<f64>,
    entries_of_column: Vec<usize>,
    layers: Vec<usize>,
}

impl Default for LinearProgram {
    fn default() -> Self {
        Self::new()
    }
}

/// One row `lower ≤ Σ values[i] · x[columns[i]] ≤ upper` of a [`LinearProgram`].
#[derive(Clone, Copy, Debug)]
pub struct ProgramRow<'a> {
    /// Variable of each entry, strictly increasing.
    pub columns: &'a [usize],
    /// Coefficient of each entry, finite and not zero.
    pub values: &'a [f64],
    /// Lower side, −∞ when absent.
    pub lower: f64,
    /// Upper side, +∞ when absent.
    pub upper: f64,
}

impl LinearProgram {
    /// The program without variables or rows.
    #[must_use]
    pub fn new() -> Self {
        Self {
            starts: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
            row_lower: Vec::new(),
            row_upper: Vec::new(),
            lower: Vec::new(),
            upper: Vec::new(),
            objective: Vec::new(),
            entries_of_column: Vec::new(),
            layers: Vec::new(),
        }
    }

    /// Says that the variables added from now on belong to a new layer: a hint for solvers that use the
    /// structure of a network. Rows belong to the latest layer that they touch.
    pub fn begin_layer(&mut self) {
        self.layers.push(self.variables());
    }

    /// First variable of each layer but the first, as [`begin_layer`](Self::begin_layer) was told.
    #[must_use]
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// Adds a variable in `[lower, upper]` with objective coefficient 0, and returns its index.
    ///
    /// Both bounds should be finite: a variable without one of them makes [`certified_minimum`] −∞
    /// unless its reduced cost is exactly zero, and backends refuse it.
    ///
    /// [`certified_minimum`]: super::certified_minimum
    pub fn add_variable(&mut self, lower: f64, upper: f64) -> usize {
        self.lower.push(lower_or_nothing(lower));
        self.upper.push(upper_or_nothing(upper));
        self.objective.push(0.0);
        self.entries_of_column.push(0);
        self.lower.len() - 1
    }

    /// Intersects the bounds of `variable` with `[lower, upper]` (NaN: that side stays).
    ///
    /// # Panics
    /// If there is no such variable.
    pub fn tighten(&mut self, variable: usize, lower: f64, upper: f64) {
        self.lower[variable] = self.lower[variable].max(lower);
        self.upper[variable] = self.upper[variable].min(upper);
    }

    /// Adds the row `lower ≤ Σ a_i · x_i ≤ upper` for `entries = [(i, a_i), …]` in any order, and
    /// returns its index. Use `lower = −∞` or `upper = +∞` for an absent side (NaN counts as absent).
    ///
    /// Entries of the same variable are merged. Where their sum is no float, the row is relaxed by the
    /// rounding error times the variable's magnitude, so that the stored row is implied by the given one
    /// within the variable's bounds (which can only shrink later). A row with a coefficient that is not
    /// finite says nothing: both its sides become infinite.
    ///
    /// # Panics
    /// If an entry names a variable that does not exist.
    pub fn add_row(&mut self, entries: &[(usize, f64)], lower: f64, upper: f64) -> usize {
        let (mut lower, mut upper) = (lower_or_nothing(lower), upper_or_nothing(upper));
        let start = self.columns.len();
        if entries.is_sorted_by(|a, b| a.0 < b.0) {
            self.columns.extend(entries.iter().map(|entry| entry.0));
            self.values.extend(entries.iter().map(|entry| entry.1));
        } else {
            let slack = self.push_merged(entries, start);
            (lower, upper) = (sub_down(lower, slack), add_up(upper, slack));
        }
        if !self.values[start..].iter().all(|a| a.is_finite()) {
            (lower, upper) = (f64::NEG_INFINITY, f64::INFINITY);
            self.columns.truncate(start);
            self.values.truncate(start);
        }
        self.drop_zeros(start);
        for &column in &self.columns[start..] {
            self.entries_of_column[column] += 1;
        }
        self.starts.push(self.columns.len());
        self.row_lower.push(lower_or_nothing(lower));
        self.row_upper.push(upper_or_nothing(upper));
        self.row_lower.len() - 1
    }

    /// Stores `entries` sorted and merged; returns how much the merged row can differ from the given one.
    fn push_merged(&mut self, entries: &[(usize, f64)], start: usize) -> f64 {
        let mut sorted = entries.to_vec();
        sorted.sort_by_key(|entry| entry.0);
        let mut slack = 0.0;
        for (column, value) in sorted {
            if self.columns.len() > start && self.columns.last() == Some(&column) {
                let at = self.values.len() - 1;
                let (a, s) = (self.values[at], self.values[at] + value);
                self.values[at] = s;
                // Knuth's two-sum: the exact rounding error of a + value.
                let error = (a - (s - (s - a))) + (value - (s - a));
                let magnitude = self.lower[column].abs().max(self.upper[column].abs());
                slack = add_up(slack, mul_up(error.abs(), magnitude));
            } else {
                self.columns.push(column);
                self.values.push(value);
            }
        }
        slack
    }

    fn drop_zeros(&mut self, start: usize) {
        if self.values[start..].iter().all(|&a| a != 0.0) {
            return;
        }
        let mut kept = start;
        for i in start..self.values.len() {
            if self.values[i] != 0.0 {
                (self.columns[kept], self.values[kept]) = (self.columns[i], self.values[i]);
                kept += 1;
            }
        }
        self.columns.truncate(kept);
        self.values.truncate(kept);
    }

    /// Sets the objective: `coefficients[i]` belongs to variable `i`; missing ones are 0.
    ///
    /// # Panics
    /// If there are more coefficients than variables.
    pub fn set_objective(&mut self, coefficients: &[f64]) {
        self.objective.fill(0.0);
        self.objective[..coefficients.len()].copy_from_slice(coefficients);
    }

    /// Number of variables.
    #[must_use]
    pub fn variables(&self) -> usize {
        self.lower.len()
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.row_lower.len()
    }

    /// Number of stored coefficients of all rows.
    #[must_use]
    pub fn nonzeros(&self) -> usize {
        self.values.len()
    }

    /// ProgramRow `index`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, index: usize) -> ProgramRow<'_> {
        let entries = self.starts[index]..self.starts[index + 1];
        ProgramRow {
            columns: &self.columns[entries.clone()],
            values: &self.values[entries],
            lower: self.row_lower[index],
            upper: self.row_upper[index],
        }
    }

    /// Lower bounds of the variables.
    #[must_use]
    pub fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// Upper bounds of the variables.
    #[must_use]
    pub fn upper(&self) -> &[f64] {
        &self.upper
    }

    /// Objective coefficients, one per variable.
    #[must_use]
    pub fn objective(&self) -> &[f64] {
        &self.objective
    }

    /// How many rows contain each variable.
    #[must_use]
    pub fn entries_of_column(&self) -> &[usize] {
        &self.entries_of_column
    }

    /// True when every variable has two finite bounds that do not cross.
    #[must_use]
    pub fn is_boxed(&self) -> bool {
        self.lower.iter().zip(&self.upper).all(|(&l, &u)| l.is_finite() && u.is_finite() && l <= u)
    }
}
