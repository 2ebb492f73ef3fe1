//! Back-substitution: linear forms over a node are rewritten, layer by layer, into forms over the input
//! (Singh et al. 2019b; the same bound as CROWN, Zhang et al. 2018).
//!
//! A row `a` of coefficients passes an affine node as `a W`, and an activation by the line below where
//! the coefficient is positive and the line above where it is negative; at the input the region's
//! support function ends the way. Stopping earlier, at any node, and using that node's bounds gives a
//! valid bound as well. All rows go together, so the work is GEMM; every rounding is charged to the
//! row's constant (see [`crate::num::error`]).

use super::{DomainError, NodeBounds, Relaxation};
use crate::budget::Budget;
use crate::network::{Affine, LinearMap, Network, NodeId, NodeKind};
use crate::num::error::{ETA, UNIT};
use crate::num::kernel::{
    box_minimum, choose_slopes, chosen_dot_less_error, dot_less_error, finite_or_nothing, less_error,
};
use crate::num::round::{add_down, mul_up, sub_down};
use crate::query::{LinearForms, Region};
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Where a form is turned into a number on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concretise {
    /// At every node, keeping the best: the tighter and usual choice.
    Every,
    /// At the input only: CROWN's bound.
    Input,
    /// At the nearest activations, by their concrete bounds: interval arithmetic with the last affine
    /// layers merged.
    Activations,
}

/// What back-substitution reads of the nodes behind the forms.
pub trait History: Sync {
    /// Concrete bounds of node `id`.
    fn bounds(&self, id: NodeId) -> &NodeBounds;
    /// The relaxation of node `id`.
    fn relaxation(&self, id: NodeId) -> &Relaxation;
}

/// Back-substitution through the nodes of a network that have been seen.
pub struct BackSubstitution<'a, H> {
    /// The network.
    pub network: &'a Network,
    /// The region of inputs.
    pub region: &'a Region,
    /// Bounds and relaxations of the nodes.
    pub history: &'a H,
    /// Where to concretise.
    pub concretise: Concretise,
    /// Deadline.
    pub budget: &'a Budget,
}

/// A block of rows on its way back: each row's form is at least
/// `constant + Σ_nodes pending[node] · x_node`, in real arithmetic.
struct Rows {
    constant: Vec<f64>,
    best: Vec<f64>,
    pending: BTreeMap<NodeId, Array2<f64>>,
    /// Memory of matrices that are no longer needed: fresh pages cost as much as filling them.
    spare: Vec<Vec<f64>>,
}

impl Rows {
    fn new(constant: Vec<f64>) -> Self {
        let best = vec![f64::NEG_INFINITY; constant.len()];
        Self { constant, best, pending: BTreeMap::new(), spare: Vec::new() }
    }

    fn discard(&mut self, a: Array2<f64>) {
        self.spare.push(a.into_raw_vec_and_offset().0);
    }
}

/// Bytes of coefficients that one block of rows may take; blocks are the unit of parallel work.
const BLOCK_BYTES: usize = 32 << 20;

impl<H: History> BackSubstitution<'_, H> {
    /// Certified lower bounds of the forms over the region.
    pub fn minima(&self, forms: &LinearForms) -> Result<Vec<f64>, DomainError> {
        self.in_blocks(forms.len(), |range| {
            let rows: Vec<usize> = range.collect();
            let part = forms.select(&rows);
            let mut rows = Rows::new(part.constants);
            for term in part.terms {
                if let Some(radius) = &term.radius {
                    // A coefficient that is no float differs by at most its radius.
                    let magnitudes = self.history.bounds(term.node).magnitudes();
                    for (constant, radius) in rows.constant.iter_mut().zip(radius.rows()) {
                        *constant = add_down(*constant, less_error(&radius.to_vec(), &magnitudes));
                    }
                }
                self.add(&mut rows, term.node, term.coefficients);
            }
            rows
        })
    }

    /// Certified bounds of the neurons of the affine node `affine`, whose sources have been seen.
    pub fn neuron_bounds(&self, affine: &Affine) -> Result<NodeBounds, DomainError> {
        let n = affine.bias.len();
        // Row i bounds neuron i from below, row n + i its negative.
        let minima = self.in_blocks(2 * n, |range| {
            let units: Vec<(usize, f64)> = range.map(|r| if r < n { (r, 1.0) } else { (r - n, -1.0) }).collect();
            self.unit_rows(affine, &units)
        })?;
        let upper = minima[n..].iter().map(|&m| -m).collect();
        Ok(NodeBounds::new(minima[..n].to_vec(), upper))
    }

    /// The forms `sign · z_i` of an affine node, already pulled back through it without any rounding.
    fn unit_rows(&self, affine: &Affine, units: &[(usize, f64)]) -> Rows {
        let constant = units
            .iter()
            .map(|&(i, sign)| {
                let bias = affine.bias.enclosure(i).scale(sign).lo;
                affine.terms.iter().fold(bias, |sum, term| match &term.map {
                    LinearMap::Diagonal(d) if !d.is_exact() => {
                        let x = self.history.bounds(term.source).get(i);
                        sub_down(sum, mul_up(d.radius(i), x.magnitude()))
                    }
                    _ => sum,
                })
            })
            .collect();
        let mut rows = Rows::new(constant);
        for term in &affine.terms {
            self.add(&mut rows, term.source, term.map.rows(units));
        }
        rows
    }

    /// Runs blocks of rows in parallel and joins their bounds in order.
    fn in_blocks(
        &self,
        rows: usize,
        start: impl Fn(std::ops::Range<usize>) -> Rows + Sync,
    ) -> Result<Vec<f64>, DomainError> {
        let widest = self.network.nodes().iter().map(|n| n.len).max().unwrap_or(1);
        let by_memory = (BLOCK_BYTES / (8 * widest)).max(16);
        let by_threads = rows.div_ceil(rayon::current_num_threads()).max(16);
        let size = by_memory.min(by_threads);
        let blocks: Result<Vec<Vec<f64>>, DomainError> = (0..rows.div_ceil(size))
            .into_par_iter()
            .map(|b| self.walk(start(b * size..rows.min((b + 1) * size))))
            .collect();
        Ok(blocks?.concat())
    }

    /// Takes the rows back to the input.
    fn walk(&self, mut rows: Rows) -> Result<Vec<f64>, DomainError> {
        while let Some((id, a)) = rows.pending.pop_last() {
            if self.budget.is_spent() {
                return Err(DomainError::OutOfTime);
            }
            let node = self.network.node(id);
            let ends_here = match node.kind {
                NodeKind::Input => true,
                NodeKind::Activation(_) => self.concretise == Concretise::Activations,
                NodeKind::Affine(_) => false,
            };
            if ends_here {
                for (constant, value) in rows.constant.iter_mut().zip(self.concrete(id, &a)) {
                    *constant = add_down(*constant, value);
                }
                rows.discard(a);
                continue;
            }
            if self.concretise == Concretise::Every {
                self.keep_best(&mut rows, id, &a);
            }
            match (&node.kind, self.history.relaxation(id)) {
                (NodeKind::Affine(affine), Relaxation::Affine(error)) => {
                    for (constant, a) in rows.constant.iter_mut().zip(a.rows()) {
                        let a = a.to_slice().unwrap_or(&[]);
                        let bias = if affine.bias.is_zero() {
                            less_error(a, &error.per_output)
                        } else {
                            dot_less_error(a, affine.bias.values(), &error.per_output)
                        };
                        *constant = sub_down(add_down(*constant, bias), error.absolute);
                    }
                    for term in &affine.terms {
                        let storage = rows.spare.pop().unwrap_or_default();
                        self.add(&mut rows, term.source, term.map.pull_back_reusing(a.view(), storage));
                    }
                    rows.discard(a);
                }
                (NodeKind::Activation(activation), Relaxation::Activation(lines)) => {
                    let mut a = a;
                    for (constant, mut a) in rows.constant.iter_mut().zip(a.rows_mut()) {
                        let Some(a) = a.as_slice_mut() else { continue };
                        let (below, above) = (&lines.lower_intercept, &lines.upper_intercept);
                        *constant = add_down(*constant, chosen_dot_less_error(a, below, above, &lines.error));
                        choose_slopes(a, &lines.lower_slope, &lines.upper_slope);
                    }
                    self.add(&mut rows, activation.source, a);
                }
                // A history that does not fit its network proves nothing.
                _ => rows.constant.fill(f64::NEG_INFINITY),
            }
        }
        let best = rows.best.iter().zip(&rows.constant);
        Ok(best.map(|(&best, &constant)| best.max(finite_or_nothing(constant))).collect())
    }

    /// Adds coefficients of a node to those already pending, charging the rounding of the sum.
    fn add(&self, rows: &mut Rows, id: NodeId, a: Array2<f64>) {
        let Some(sum) = rows.pending.get_mut(&id) else {
            rows.pending.insert(id, a);
            return;
        };
        *sum += &a;
        let error: Vec<f64> =
            self.history.bounds(id).magnitudes().iter().map(|&m| mul_up(2.0 * UNIT, m) + ETA * m).collect();
        for (constant, sum) in rows.constant.iter_mut().zip(sum.rows()) {
            *constant = add_down(*constant, less_error(sum.to_slice().unwrap_or(&[]), &error));
        }
        rows.discard(a);
    }

    /// Improves each row's best bound by the concrete bounds of all nodes it now reads.
    fn keep_best(&self, rows: &mut Rows, id: NodeId, a: &Array2<f64>) {
        let mut values = self.concrete(id, a);
        for (&other, b) in &rows.pending {
            for (value, more) in values.iter_mut().zip(self.concrete(other, b)) {
                *value = add_down(*value, more);
            }
        }
        for ((best, value), constant) in rows.best.iter_mut().zip(values).zip(&rows.constant) {
            *best = best.max(finite_or_nothing(add_down(value, *constant)));
        }
    }

    /// Lower bounds of `a · x_id` by the concrete bounds of the node (at the input: by the region).
    fn concrete(&self, id: NodeId, a: &Array2<f64>) -> Vec<f64> {
        if id == 0 {
            return self.region.minima(a.view());
        }
        let bounds = self.history.bounds(id);
        let minimum = |row: ndarray::ArrayView1<f64>| {
            row.to_slice().map_or(f64::NEG_INFINITY, |a| box_minimum(a, bounds.lower(), bounds.upper()))
        };
        a.rows().into_iter().map(minimum).collect()
    }
}
