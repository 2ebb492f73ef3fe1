//! Back-substitution: linear forms over a node are rewritten, layer by layer, into forms over the input
//! (Singh et al. 2019b; the same bound as CROWN, Zhang et al. 2018).
//!
//! A row `a` of coefficients passes an affine node as `a W`, and an activation by the line below where
//! the coefficient is positive and the line above where it is negative; at the input the region's
//! support function ends the way. Stopping earlier, at any node, and using that node's bounds gives a
//! valid bound as well. All rows go together, so the work is GEMM; every rounding is charged to the
//! row's constant (see [`crate::num::error`]). Rows of neurons at one position of a convolution keep
//! columns only for the window that they depend on.

use crate::budget::Budget;
use crate::domain::{DomainError, NodeBounds, Relaxation};
use crate::network::{Affine, LinearMap, Network, NodeId, NodeKind, Term, Window};
use crate::num::error::{ETA, UNIT};
use crate::num::kernel::{
    box_minimum, choose_slopes, chosen_dot_less_error, dot_less_error, finite_or_nothing, less_error,
};
use crate::num::round::{add_down, mul_up, sub_down};
use crate::query::{Ball, LinearForms, Region};
use ndarray::Array2;
use rayon::prelude::*;
use std::borrow::Cow;
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
    pending: BTreeMap<NodeId, Part>,
    /// Memory of matrices that are no longer needed: fresh pages cost as much as filling them.
    spare: Vec<Vec<f64>>,
    /// The coefficients at the input and the constants there, once reached.
    at_input: Option<(Part, Vec<f64>)>,
}

impl Rows {
    fn new(constant: Vec<f64>) -> Self {
        let best = vec![f64::NEG_INFINITY; constant.len()];
        Self { constant, best, pending: BTreeMap::new(), spare: Vec::new(), at_input: None }
    }

    fn discard(&mut self, a: Part) {
        self.spare.push(a.values.into_raw_vec_and_offset().0);
    }
}

/// The coefficients that a block of rows has for one node: one column per neuron, or per neuron in the
/// window outside of which they are zero.
struct Part {
    values: Array2<f64>,
    window: Option<Window>,
}

impl Part {
    fn new((values, window): (Array2<f64>, Window)) -> Self {
        Self { values, window: (!window.is_whole()).then_some(window) }
    }

    fn whole(values: Array2<f64>) -> Self {
        Self { values, window: None }
    }

    /// The rows, each contiguous.
    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.rows().into_iter().map(|row| row.to_slice().unwrap_or(&[]))
    }

    /// The entries of a vector over the node that belong to the columns.
    fn columns_of<'v>(&self, vector: &'v [f64]) -> Cow<'v, [f64]> {
        self.window.as_ref().map_or(Cow::Borrowed(vector), |window| Cow::Owned(window.gather(vector)))
    }

    /// The same coefficients over the window `outer`, or over the whole node.
    fn spread(self, outer: Option<&Window>) -> Self {
        match &self.window {
            None => self,
            Some(window) if Some(window) == outer => self,
            Some(window) => {
                let outer = outer.cloned().unwrap_or_else(|| Window::whole(window.shape));
                Self::new((window.spread(&self.values, &outer), outer))
            }
        }
    }

    /// The coefficients over the source of an affine term.
    fn pull_back(&self, term: &Term, storage: Vec<f64>) -> Self {
        let Some(window) = &self.window else {
            return Self::whole(term.map.pull_back_reusing(self.values.view(), storage));
        };
        if let Some(part) = term.map.pull_back_window(self.values.view(), window, storage) {
            return Self::new(part);
        }
        let whole = window.spread(&self.values, &Window::whole(window.shape));
        Self::whole(term.map.pull_back(whole.view()))
    }
}

/// Bytes of coefficients that one block of rows may take; blocks are the unit of parallel work.
const BLOCK_BYTES: usize = 4 << 20;

/// A block of fewer rows is not worth its overhead.
const BLOCK_ROWS: usize = 16;

impl<H: History> BackSubstitution<'_, H> {
    /// Certified lower bounds of the forms over the region.
    pub fn minima(&self, forms: &LinearForms) -> Result<Vec<f64>, DomainError> {
        self.in_blocks(forms.len(), self.block_rows(forms.len()), |range| {
            let rows: Vec<usize> = range.collect();
            self.form_rows(forms.select(&rows))
        })
    }

    /// The bounds of [`minima`](Self::minima), and forms over the input that lie below the given ones
    /// everywhere in the region. For few forms: all of them are one block.
    pub fn minima_and_input_forms(&self, forms: &LinearForms) -> Result<(Vec<f64>, LinearForms), DomainError> {
        let mut rows = self.form_rows(forms.clone());
        let minima = self.walk(&mut rows)?;
        let below = match rows.at_input {
            Some((part, constants)) => {
                let part = part.spread(None);
                LinearForms { constants, ..LinearForms::of_node(0, part.values) }
            }
            // No form reads the input.
            None => LinearForms {
                constants: rows.constant,
                ..LinearForms::of_node(0, Array2::zeros((forms.len(), self.network.input_len())))
            },
        };
        Ok((minima, below))
    }

    fn form_rows(&self, forms: LinearForms) -> Rows {
        let mut rows = Rows::new(forms.constants);
        for term in forms.terms {
            if let Some(radius) = &term.radius {
                // A coefficient that is no float differs by at most its radius.
                let magnitudes = self.history.bounds(term.node).magnitudes();
                for (constant, radius) in rows.constant.iter_mut().zip(radius.rows()) {
                    *constant = add_down(*constant, less_error(&radius.to_vec(), &magnitudes));
                }
            }
            self.add(&mut rows, term.node, Part::whole(term.coefficients));
        }
        rows
    }

    /// Certified bounds of the neurons of the affine node `affine`, whose sources have been seen.
    pub fn neuron_bounds(&self, affine: &Affine) -> Result<NodeBounds, DomainError> {
        self.neuron_bounds_of(affine, |_| true)
    }

    /// [`neuron_bounds`](Self::neuron_bounds) of the neurons that are `wanted`; the others stay unknown.
    pub fn neuron_bounds_of(&self, affine: &Affine, wanted: impl Fn(usize) -> bool) -> Result<NodeBounds, DomainError> {
        let n = affine.bias.len();
        // One row bounds a neuron from below, another one its negative.
        let by_position = affine.terms.iter().find_map(|term| self.position_units(&term.map));
        let (units, size) = by_position.map_or_else(
            || ([1.0, -1.0].into_iter().flat_map(|sign| (0..n).map(move |i| (i, sign))).collect(), None),
            |(units, size)| (units, Some(size)),
        );
        let units: Vec<(usize, f64)> = units.into_iter().filter(|(i, _)| wanted(*i)).collect();
        let size = size.unwrap_or_else(|| self.block_rows(units.len()));
        let minima = self.in_blocks(units.len(), size, |range| self.unit_rows(affine, &units[range]))?;
        let (mut lower, mut upper) = (vec![f64::NEG_INFINITY; n], vec![f64::INFINITY; n]);
        for ((i, sign), minimum) in units.into_iter().zip(minima) {
            if sign > 0.0 { lower[i] = minimum } else { upper[i] = -minimum }
        }
        Ok(NodeBounds::new(lower, upper))
    }

    /// The unit forms of outputs that have positions, position by position, and how many should go together:
    /// those of one position, or of a few when there are few channels.
    fn position_units(&self, map: &LinearMap) -> Option<(Vec<(usize, f64)>, usize)> {
        let [channels, height, width] = map.output_shape()?;
        let positions = height * width;
        let of_position = |p| (0..channels).flat_map(move |c| [1.0, -1.0].map(|sign| (c * positions + p, sign)));
        let units = (0..positions).flat_map(of_position).collect();
        Some((units, (2 * channels).max(1) * (BLOCK_ROWS / (2 * channels).max(1)).max(1)))
    }

    /// The forms `sign · z_i` of an affine node, already pulled back through it without any rounding.
    fn unit_rows(&self, affine: &Affine, units: &[(usize, f64)]) -> Rows {
        let constant = units
            .iter()
            .map(|&(i, sign)| {
                let bias = affine.bias.enclosure(i).scale(sign).lo;
                let inexact = affine.terms.iter().filter_map(|term| Some((term.source, term.map.radius(i)?)));
                inexact.fold(bias, |sum, (source, (j, radius))| {
                    sub_down(sum, mul_up(radius, self.history.bounds(source).get(j).magnitude()))
                })
            })
            .collect();
        let mut rows = Rows::new(constant);
        for term in &affine.terms {
            let part = term.map.rows_window(units).map_or_else(|| Part::whole(term.map.rows(units)), Part::new);
            self.add(&mut rows, term.source, part);
        }
        rows
    }

    /// How many rows over whole nodes should go together.
    fn block_rows(&self, rows: usize) -> usize {
        let widest = self.network.nodes().iter().map(|n| n.len).max().unwrap_or(1);
        let by_memory = BLOCK_BYTES / (8 * widest).max(1);
        let by_threads = rows.div_ceil(rayon::current_num_threads());
        by_memory.min(by_threads).max(BLOCK_ROWS)
    }

    /// Runs blocks of `size` rows in parallel and joins their bounds in order.
    fn in_blocks(
        &self,
        rows: usize,
        size: usize,
        start: impl Fn(std::ops::Range<usize>) -> Rows + Sync,
    ) -> Result<Vec<f64>, DomainError> {
        let blocks: Result<Vec<Vec<f64>>, DomainError> = (0..rows.div_ceil(size))
            .into_par_iter()
            .map(|b| self.walk(&mut start(b * size..rows.min((b + 1) * size))))
            .collect();
        Ok(blocks?.concat())
    }

    /// Takes the rows back to the input.
    fn walk(&self, rows: &mut Rows) -> Result<Vec<f64>, DomainError> {
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
                let values = self.concrete(id, &a);
                if id == 0 {
                    rows.at_input = Some((a, rows.constant.clone()));
                } else {
                    rows.discard(a);
                }
                for (constant, value) in rows.constant.iter_mut().zip(values) {
                    *constant = add_down(*constant, value);
                }
                continue;
            }
            if self.concretise == Concretise::Every {
                self.keep_best(rows, id, &a);
            }
            match (&node.kind, self.history.relaxation(id)) {
                (NodeKind::Affine(affine), Relaxation::Affine(error)) => {
                    let (no_bias, bias) = (affine.bias.is_zero(), a.columns_of(affine.bias.values()));
                    let per_output = a.columns_of(&error.per_output);
                    for (constant, a) in rows.constant.iter_mut().zip(a.rows()) {
                        let bias =
                            if no_bias { less_error(a, &per_output) } else { dot_less_error(a, &bias, &per_output) };
                        *constant = sub_down(add_down(*constant, bias), error.absolute);
                    }
                    for term in &affine.terms {
                        let storage = rows.spare.pop().unwrap_or_default();
                        let part = a.pull_back(term, storage);
                        self.add(rows, term.source, part);
                    }
                    rows.discard(a);
                }
                (NodeKind::Activation(activation), Relaxation::Activation(lines)) => {
                    let mut a = a;
                    let (below, above) = (a.columns_of(&lines.lower_intercept), a.columns_of(&lines.upper_intercept));
                    let slopes = (a.columns_of(&lines.lower_slope), a.columns_of(&lines.upper_slope));
                    let error = a.columns_of(&lines.error);
                    for (constant, mut a) in rows.constant.iter_mut().zip(a.values.rows_mut()) {
                        let Some(a) = a.as_slice_mut() else {
                            *constant = f64::NEG_INFINITY;
                            continue;
                        };
                        let intercepts = chosen_dot_less_error(a, &below, &above, &error);
                        *constant = sub_down(add_down(*constant, intercepts), lines.absolute);
                        choose_slopes(a, &slopes.0, &slopes.1);
                    }
                    self.add(rows, activation.source, a);
                }
                // A history that does not fit its network proves nothing.
                _ => rows.constant.fill(f64::NEG_INFINITY),
            }
        }
        let best = rows.best.iter().zip(&rows.constant);
        Ok(best.map(|(&best, &constant)| best.max(finite_or_nothing(constant))).collect())
    }

    /// Adds coefficients of a node to those already pending, charging the rounding of the sum.
    fn add(&self, rows: &mut Rows, id: NodeId, a: Part) {
        let Some(sum) = rows.pending.remove(&id) else {
            rows.pending.insert(id, a);
            return;
        };
        let joint = sum.window.as_ref().zip(a.window.as_ref()).and_then(|(sum, a)| sum.join(a));
        let (mut sum, a) = (sum.spread(joint.as_ref()), a.spread(joint.as_ref()));
        sum.values += &a.values;
        let magnitudes = self.history.bounds(id).magnitudes();
        let error: Vec<f64> = sum.columns_of(&magnitudes).iter().map(|&m| mul_up(2.0 * UNIT, m) + ETA * m).collect();
        for (constant, sum) in rows.constant.iter_mut().zip(sum.rows()) {
            *constant = add_down(*constant, less_error(sum, &error));
        }
        rows.discard(a);
        rows.pending.insert(id, sum);
    }

    /// Improves each row's best bound by the concrete bounds of all nodes it now reads.
    fn keep_best(&self, rows: &mut Rows, id: NodeId, a: &Part) {
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
    fn concrete(&self, id: NodeId, a: &Part) -> Vec<f64> {
        if id == 0 {
            match &a.window {
                None => return self.region.minima(a.values.view()),
                // Over a box the columns that are zero play no part.
                Some(_) if matches!(self.region.ball(), Ball::Box | Ball::Grid { .. }) => {}
                Some(window) => {
                    let whole = window.spread(&a.values, &Window::whole(window.shape));
                    return self.region.minima(whole.view());
                }
            }
        }
        let bounds = self.history.bounds(id);
        let (lower, upper) = (a.columns_of(bounds.lower()), a.columns_of(bounds.upper()));
        a.rows().map(|a| box_minimum(a, &lower, &upper)).collect()
    }
}
