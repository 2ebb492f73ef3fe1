//! The Newton matrix of the variables, `H = Θ⁻¹ + Gᵀ Ω G`: one small dense block per component.

use super::form::{Form, SparseRows};

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
        for (c, pair) in starts.windows(2).enumerate() {
            let size = pair[1] - pair[0];
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

    /// Factors `diag(theta) + Gᵀ diag(omega) G`.
    pub fn factor(&mut self, theta: &[f64], inequalities: &SparseRows, omega: &[f64]) {
        self.factors.fill(0.0);
        for (j, &theta) in theta.iter().enumerate() {
            let c = self.of_variable[j];
            let (at, size) = (j - self.starts[c], self.starts[c + 1] - self.starts[c]);
            self.factors[self.offsets[c] + at * size + at] = theta;
        }
        for (i, &omega) in omega.iter().enumerate() {
            let range = inequalities.starts[i]..inequalities.starts[i + 1];
            let (columns, values) = (&inequalities.columns[range.clone()], &inequalities.values[range]);
            let c = self.of_variable[columns[0]];
            let (start, size) = (self.starts[c], self.starts[c + 1] - self.starts[c]);
            let block = &mut self.factors[self.offsets[c]..self.offsets[c + 1]];
            for (p, (&j, &a)) in columns.iter().zip(values).enumerate() {
                let row = &mut block[(j - start) * size..][..size];
                for (&k, &b) in columns[..=p].iter().zip(&values[..=p]) {
                    row[k - start] += omega * a * b;
                }
            }
        }
        for c in 0..self.len() {
            let size = self.starts[c + 1] - self.starts[c];
            cholesky(&mut self.factors[self.offsets[c]..self.offsets[c + 1]], size);
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

/// Lower Cholesky factor in place; pivots lost to rounding are replaced by rounding errors' size.
fn cholesky(block: &mut [f64], size: usize) {
    for p in 0..size {
        let diagonal = block[p * size + p];
        for q in 0..p {
            let (above, row) = block.split_at_mut(p * size);
            let (factor, row) = (&above[q * size..][..size], &mut row[..size]);
            let sum: f64 = factor[..q].iter().zip(&row[..q]).map(|(a, b)| a * b).sum();
            row[q] = (row[q] - sum) / factor[q];
        }
        let row = &mut block[p * size..][..=p];
        let square: f64 = row[..p].iter().map(|l| l * l).sum();
        row[p] = (diagonal - square).max(1e-16 * diagonal).max(f64::MIN_POSITIVE).sqrt();
    }
}
