//! The Newton matrix of the variables, `H = Θ⁻¹ + Gᵀ Ω G`: one small dense block per component.

use super::form::{Form, SparseRows};
use itertools::Itertools;

/// `H`, factored: `H = L Lᵀ` block by block.
pub(super) struct Components {
    /// First variable of each component, and the end.
    starts: Vec<usize>,
    /// Where the (row-major, square) block of each component begins.
    offsets: Vec<usize>,
    of_variable: Vec<usize>,
    factors: Vec<f64>,
}

impl Components {
    pub fn new(form: &Form) -> Self {
        let starts = form.components.clone();
        let mut offsets = vec![0];
        let mut of_variable = Vec::with_capacity(form.variables());
        for (c, (from, to)) in starts.iter().tuple_windows().enumerate() {
            let size = to - from;
            offsets.push(offsets[c] + size * size);
            of_variable.extend(std::iter::repeat_n(c, size));
        }
        let factors = vec![0.0; *offsets.last().unwrap_or(&0)];
        Self { starts, offsets, of_variable, factors }
    }

    pub fn of(&self, variable: usize) -> usize {
        self.of_variable[variable]
    }

    /// The variables of component `c`.
    pub fn range(&self, c: usize) -> std::ops::Range<usize> {
        self.starts[c]..self.starts[c + 1]
    }

    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn variables(&self) -> usize {
        self.of_variable.len()
    }

    /// The factor of component `c`, row-major; only its lower triangle counts.
    pub fn factor_of(&self, c: usize) -> &[f64] {
        &self.factors[self.offsets[c]..self.offsets[c + 1]]
    }

    /// Factors `diag(theta) + Gᵀ diag(omega) G` by rotating the rows `√ω g` into the root of the diagonal.
    /// The sum itself would lose `theta` next to the large `omega` of an active row.
    pub fn factor(&mut self, theta: &[f64], inequalities: &SparseRows, omega: &[f64]) {
        self.factors.fill(0.0);
        for (j, &theta) in theta.iter().enumerate() {
            let c = self.of_variable[j];
            let (at, size) = (j - self.starts[c], self.starts[c + 1] - self.starts[c]);
            self.factors[self.offsets[c] + at * size + at] = theta.max(f64::MIN_POSITIVE).sqrt();
        }
        let mut row = Vec::new();
        for (i, &omega) in omega.iter().enumerate() {
            let range = inequalities.starts[i]..inequalities.starts[i + 1];
            let c = self.of_variable[inequalities.columns[range.start]];
            let (start, size) = (self.starts[c], self.starts[c + 1] - self.starts[c]);
            row.clear();
            row.resize(size, 0.0);
            let root = omega.sqrt();
            for (&j, &a) in inequalities.columns[range.clone()].iter().zip(&inequalities.values[range]) {
                row[j - start] = root * a;
            }
            rotate_into(&mut self.factors[self.offsets[c]..self.offsets[c + 1]], &mut row);
        }
    }

    /// Replaces `x` by `H⁻¹ x`.
    pub fn solve(&self, x: &mut [f64]) {
        for c in 0..self.len() {
            let (factor, x) = (self.factor_of(c), &mut x[self.range(c)]);
            let size = x.len();
            if size == 1 {
                x[0] /= factor[0] * factor[0];
                continue;
            }
            for p in 0..size {
                let (known, rest) = x.split_at_mut(p);
                let sum: f64 = factor[p * size..][..p].iter().zip(&*known).map(|(l, x)| l * x).sum();
                rest[0] = (rest[0] - sum) / factor[p * size + p];
            }
            for p in (0..size).rev() {
                x[p] /= factor[p * size + p];
                let value = x[p];
                factor[p * size..][..p].iter().zip(&mut x[..p]).for_each(|(l, x)| *x -= l * value);
            }
        }
    }
}

/// Makes `L Lᵀ + g gᵀ` of `L Lᵀ` by Givens rotations; `g` is used up.
fn rotate_into(factor: &mut [f64], g: &mut [f64]) {
    let size = g.len();
    for q in 0..size {
        if g[q] == 0.0 {
            continue;
        }
        let diagonal = factor[q * size + q];
        let length = (diagonal * diagonal + g[q] * g[q]).sqrt();
        let (cosine, sine) = (diagonal / length, g[q] / length);
        factor[q * size + q] = length;
        for p in q + 1..size {
            let (l, v) = (factor[p * size + q], g[p]);
            factor[p * size + q] = cosine * l + sine * v;
            g[p] = cosine * v - sine * l;
        }
    }
}
