//! Back-substitution: linear forms over a node are rewritten, layer by layer, into forms over the input
//! (Singh et al. 2019b; the same bound as CROWN, Zhang et al. 2018).
//!
//! A row `a` of coefficients passes an affine node as `a W`, and an activation (a product) by the line (the plane) below
//! where the coefficient is positive and that above where it is negative; at the input the region's
//! support function ends the way. Stopping earlier, at any node, and using that node's bounds gives a
//! valid bound as well. All rows go together, so the work is GEMM; every rounding is charged to the
//! row's constant (see [`crate::num::error`]). Rows of neurons at one position of a convolution keep
//! columns only for the window that they depend on.

use super::blocks::{BLOCK_ROWS, even_blocks, position_units};
use super::differences::Differences;
use super::here::Here;
use super::part::{Entries, Kept, Narrowed, Part};
use super::peaks::Peaks;
use crate::budget::Budget;
use crate::domain::{DomainError, NodeBounds, NodeLines, NodePlanes, Relaxation};
use crate::network::{Activation, Affine, Network, NodeId, NodeKind, Product, PullBackError};
use crate::num::error::UNIT;
use crate::num::kernel::{
    box_minimum, choose_slopes, chosen_dot_less_error, dot_less_error, finite_or_nothing, less_error,
};
use crate::num::round::{add_down, mul_up, sub_down};
use crate::num::{Interval, Spare};
use crate::query::{Ball, LinearForms, Region};
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

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
    /// The neurons of node `id` that are not zero on all of the region, where it pays to go on with these only.
    fn kept(&self, _: NodeId) -> Option<&Kept> {
        None
    }
    /// The planes above the maxima that node `id` holds, where some tell more than the lines of what computes them.
    fn peaks(&self, _: NodeId) -> Option<&Peaks> {
        None
    }
    /// What is known of the differences of the activation `id` and the one before it that it corresponds to.
    fn differences(&self, _: NodeId) -> Option<&Differences> {
        None
    }
    /// The terms of the affine node `id` between the neurons kept of their sources and those kept of the activation that
    /// reads it.
    fn narrowed(&self, _: NodeId) -> &[Narrowed] {
        &[]
    }
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
    /// Memory to work in.
    pub spare: &'a Spare,
}

/// A block of rows on its way back: each row's form is at least
/// `constant + Σ_nodes pending[node] · x_node`, in real arithmetic.
pub(super) struct Rows {
    pub constant: Vec<f64>,
    best: Vec<f64>,
    /// Which row of the block each is; those that are missing need no more than they have in `found`.
    places: Vec<usize>,
    found: Vec<f64>,
    pub pending: BTreeMap<NodeId, Part>,
    /// The coefficients at the input and the constants there, once reached.
    at_input: Option<(Part, Vec<f64>)>,
}

impl Rows {
    fn new(constant: Vec<f64>) -> Self {
        let best = vec![f64::NEG_INFINITY; constant.len()];
        let (places, found) = ((0..constant.len()).collect(), best.clone());
        Self { constant, best, places, found, pending: BTreeMap::new(), at_input: None }
    }

    /// Goes on with the rows of these indices only.
    fn keep(&mut self, kept: &[usize]) {
        self.places.iter().zip(&self.best).for_each(|(&place, &best)| self.found[place] = best);
        let of = |all: &[f64]| kept.iter().map(|&r| all[r]).collect();
        (self.constant, self.best) = (of(&self.constant), of(&self.best));
        self.places = kept.iter().map(|&r| self.places[r]).collect();
        let pending = std::mem::take(&mut self.pending);
        self.pending = pending.into_iter().map(|(id, part)| (id, part.keep_rows(kept))).collect();
    }

    /// For each row its constant and the best bound so far.
    fn bounds_mut(&mut self) -> impl Iterator<Item = (&mut f64, &mut f64)> {
        self.constant.iter_mut().zip(&mut self.best)
    }
}

/// Bytes of coefficients that one block of rows may take; blocks are the unit of parallel work.
const BLOCK_BYTES: usize = 1 << 20;

/// Neurons with a choice of lines are looked at one by one where there is at most one in so many.
const MANY_STRAIGHT: usize = 8;

impl<H: History> BackSubstitution<'_, H> {
    /// Certified lower bounds of the forms over the region.
    pub fn minima(&self, forms: &LinearForms) -> Result<Vec<f64>, DomainError> {
        self.in_blocks(
            even_blocks(forms.len(), self.block_rows(forms.len())),
            |range| {
                let rows: Vec<usize> = range.collect();
                self.form_rows(forms.select(&rows))
            },
            |_, _| false,
        )
    }

    /// The bounds of [`minima`](Self::minima), and forms over the input that lie below the given ones
    /// everywhere in the region. For few forms: all of them are one block.
    pub fn minima_and_input_forms(&self, forms: &LinearForms) -> Result<(Vec<f64>, LinearForms), DomainError> {
        let mut rows = self.form_rows(forms.clone());
        let minima = self.walk(&mut rows, &|_, _| false)?;
        let below = match rows.at_input {
            Some((part, constants)) => {
                LinearForms { constants, ..LinearForms::of_node(0, part.spread(self.spare).into_values()) }
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
        self.neuron_bounds_of(affine, |_| [true; 2])
    }

    /// [`neuron_bounds`](Self::neuron_bounds) of the neurons that are `wanted`, from below and from above; the others
    /// stay unknown.
    pub fn neuron_bounds_of(
        &self,
        affine: &Affine,
        wanted: impl Fn(usize) -> [bool; 2],
    ) -> Result<NodeBounds, DomainError> {
        let nothing = NodeBounds::unknown(affine.bias.len());
        self.sides(affine, wanted, nothing, &|_, _| false)
    }

    /// Tightens `known` bounds of an affine node until those of each neuron are `enough`, or as far as it goes.
    pub fn tighten_until(
        &self,
        affine: &Affine,
        known: NodeBounds,
        enough: impl Fn(usize, Interval) -> bool + Sync,
    ) -> Result<NodeBounds, DomainError> {
        // The nearer side first: it is the one that may make the other superfluous.
        let is_open = |known: &NodeBounds, i: usize| !enough(i, known.get(i));
        let is_lower_near = |z: Interval| z.lo + z.hi > 0.0;
        let near: Vec<bool> = known.iter().map(is_lower_near).collect();
        let first = |i: usize| if is_open(&known, i) { [near[i], !near[i]] } else { [false; 2] };
        let once = self.sides(affine, first, known.clone(), &enough)?;
        let second = |i: usize| if is_open(&once, i) { [!near[i], near[i]] } else { [false; 2] };
        self.sides(affine, second, once.clone(), &enough)
    }

    /// Tightens the sides that are `wanted` of `known` bounds, each until the neuron's bounds are `enough`.
    fn sides(
        &self,
        affine: &Affine,
        wanted: impl Fn(usize) -> [bool; 2],
        known: NodeBounds,
        enough: &(dyn Fn(usize, Interval) -> bool + Sync),
    ) -> Result<NodeBounds, DomainError> {
        let n = affine.bias.len();
        // One form bounds a neuron from below, another one its negative.
        let of_neuron = |i: usize| {
            let [below, above] = wanted(i);
            [below.then_some((i, 1.0)), above.then_some((i, -1.0))].into_iter().flatten()
        };
        let (units, blocks) = match affine.shape() {
            Some(shape) => position_units(shape, of_neuron, self.block_rows(usize::MAX)),
            None => {
                let units: Vec<(usize, f64)> = (0..n).flat_map(of_neuron).collect();
                let blocks = even_blocks(units.len(), self.block_rows(units.len()));
                (units, blocks)
            }
        };
        let with = |(i, sign): (usize, f64), minimum: f64| {
            let z = known.get(i);
            if sign > 0.0 {
                Interval { lo: minimum.max(z.lo), ..z }
            } else {
                Interval { hi: (-minimum).min(z.hi), ..z }
            }
        };
        let is_enough = |row: usize, minimum: f64| enough(units[row].0, with(units[row], minimum));
        let minima = self.in_blocks(blocks, |range| self.unit_rows(affine, &units[range]), is_enough)?;
        let mut bounds: Vec<Interval> = known.iter().collect();
        for (&(i, sign), minimum) in units.iter().zip(minima) {
            bounds[i] = bounds[i].intersect(if sign > 0.0 {
                Interval { lo: minimum, hi: f64::INFINITY }
            } else {
                Interval { lo: f64::NEG_INFINITY, hi: -minimum }
            });
        }
        Ok(bounds.into_iter().collect())
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
            let part = Part::units(term, units, affine.shape(), self.history.kept(term.source), self.spare);
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

    /// Runs blocks of rows in parallel and joins their bounds in order; `enough` says which bound of a row needs no more.
    fn in_blocks(
        &self,
        blocks: Vec<Range<usize>>,
        start: impl Fn(Range<usize>) -> Rows + Sync,
        enough: impl Fn(usize, f64) -> bool + Sync,
    ) -> Result<Vec<f64>, DomainError> {
        let block = |range: Range<usize>| {
            let first = range.start;
            let mut rows = start(range);
            let minima = self.walk(&mut rows, &|row, minimum| enough(first + row, minimum));
            rows.at_input.into_iter().for_each(|(part, _)| part.discard(self.spare));
            minima
        };
        let minima: Result<Vec<Vec<f64>>, DomainError> = blocks.into_par_iter().map(block).collect();
        Ok(minima?.concat())
    }

    /// Takes the rows back to the input.
    fn walk(&self, rows: &mut Rows, enough: &dyn Fn(usize, f64) -> bool) -> Result<Vec<f64>, DomainError> {
        while let Some((id, a)) = rows.pending.pop_last() {
            if self.budget.is_spent() {
                return Err(DomainError::OutOfTime);
            }
            match (&self.network.node(id).kind, self.history.relaxation(id)) {
                (NodeKind::Input, _) => self.end(rows, id, a),
                (NodeKind::Activation(_) | NodeKind::Product(_), _) if self.concretise == Concretise::Activations => {
                    self.end(rows, id, a);
                }
                (NodeKind::Affine(affine), Relaxation::Affine(error)) => {
                    let a = self.pass_maxima(rows, id, a);
                    self.pass_affine(rows, id, a, (affine, error), enough)
                }
                (NodeKind::Activation(activation), Relaxation::Activation(lines)) => {
                    let a = self.pass_difference(rows, id, a);
                    self.pass_activation(rows, id, a, activation, lines);
                }
                (NodeKind::Product(product), Relaxation::Product(planes)) => {
                    self.pass_product(rows, id, a, product, planes);
                }
                // A history that does not fit its network proves nothing.
                _ => rows.constant.fill(f64::NEG_INFINITY),
            }
        }
        let Rows { places, best, constant, found, .. } = rows;
        for (&place, (best, &constant)) in places.iter().zip(best.iter().zip(constant.iter())) {
            found[place] = best.max(finite_or_nothing(constant));
        }
        Ok(std::mem::take(found))
    }

    /// Turns the coefficients of a node into numbers.
    fn end(&self, rows: &mut Rows, id: NodeId, mut a: Part) {
        let constants_there = (id == 0).then(|| rows.constant.clone());
        for (constant, value) in rows.constant.iter_mut().zip(a.minima(|a| self.concrete(id, a))) {
            *constant = add_down(*constant, *value);
        }
        match constants_there {
            Some(constants) => rows.at_input = Some((a, constants)),
            None => a.discard(self.spare),
        }
    }

    fn pass_affine(
        &self,
        rows: &mut Rows,
        id: NodeId,
        mut a: Part,
        (affine, error): (&Affine, &PullBackError),
        enough: &dyn Fn(usize, f64) -> bool,
    ) {
        let here = self.here(rows, id, &a);
        let (bias, per_output) = (self.entries(&a, affine.bias.values()), self.entries(&a, &error.per_output));
        let no_bias = affine.bias.is_zero();
        for (r, ((constant, best), a)) in rows.bounds_mut().zip(a.rows()).enumerate() {
            here.keep_best(r, a, *constant, best);
            let bias = if no_bias { less_error(a, &per_output) } else { dot_less_error(a, &bias, &per_output) };
            *constant = sub_down(add_down(*constant, bias), error.absolute);
        }
        drop((bias, per_output, here));
        if let Some(kept) = self.still_wanted(rows, enough) {
            a = a.keep_rows(&kept);
            rows.keep(&kept);
        }
        if rows.places.is_empty() {
            std::mem::take(&mut rows.pending).into_values().for_each(|part| part.discard(self.spare));
        } else {
            for (t, term) in affine.terms.iter().enumerate() {
                let narrowed = || self.history.narrowed(id).get(t);
                let part = a.pull_back(term, self.history.kept(term.source), narrowed, self.spare);
                self.add(rows, term.source, part);
            }
        }
        a.discard(self.spare);
    }

    fn pass_activation(&self, rows: &mut Rows, id: NodeId, mut a: Part, activation: &Activation, lines: &NodeLines) {
        let here = self.here(rows, id, &a);
        let low = self.entries(&a, &lines.lower_slope);
        let bent = a.places(lines.bent());
        if bent.len() * MANY_STRAIGHT <= low.len() {
            let mut passed = vec![0.0; bent.len()];
            for (r, ((constant, best), a)) in rows.bounds_mut().zip(a.rows_mut()).enumerate() {
                let intercepts = lines.pass(&bent, a, &mut passed);
                here.keep_best_and_scale(r, a, &low, *constant, best);
                *constant = sub_down(add_down(*constant, intercepts), lines.absolute);
                bent.iter().zip(&passed).for_each(|(&(column, _), &passed)| a[column] = passed);
            }
        } else {
            let (below, above) = (self.entries(&a, &lines.lower_intercept), self.entries(&a, &lines.upper_intercept));
            let (high, error) = (self.entries(&a, &lines.upper_slope), self.entries(&a, &lines.error));
            for (r, ((constant, best), a)) in rows.bounds_mut().zip(a.rows_mut()).enumerate() {
                here.keep_best(r, a, *constant, best);
                let intercepts = chosen_dot_less_error(a, &below, &above, &error);
                *constant = sub_down(add_down(*constant, intercepts), lines.absolute);
                choose_slopes(a, &low, &high);
            }
        }
        drop((here, low));
        // Lines lie outside the graph: over the activation's source they say nothing that its image did not.
        a.is_seen = rows.pending.keys().all(|&other| other < activation.source);
        self.add(rows, activation.source, a);
    }

    fn pass_product(&self, rows: &mut Rows, id: NodeId, a: Part, product: &Product, planes: &NodePlanes) {
        let here = self.here(rows, id, &a);
        let (below, above) = (self.entries(&a, &planes.lower_intercept), self.entries(&a, &planes.upper_intercept));
        let error = self.entries(&a, &planes.error);
        for (r, ((constant, best), a)) in rows.bounds_mut().zip(a.rows()).enumerate() {
            here.keep_best(r, a, *constant, best);
            let intercepts = chosen_dot_less_error(a, &below, &above, &error);
            *constant = sub_down(add_down(*constant, intercepts), planes.absolute);
        }
        drop((here, below, above, error));
        let a = a.spread(self.spare);
        let slopes = planes.lower_slopes.iter().zip(&planes.upper_slopes);
        for (factor, (low, high)) in product.factors.iter().zip(slopes) {
            let mut passed = self.spare.zero_matrix(rows.constant.len(), self.network.node(factor.source).len);
            for (a, mut passed) in a.rows().zip(passed.rows_mut()) {
                for (k, &a) in a.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                    passed[factor.index[k]] += a * if a > 0.0 { low[k] } else { high[k] };
                }
            }
            self.add(rows, factor.source, Part::whole(passed));
        }
        a.discard(self.spare);
    }

    /// The rows whose bounds are not yet `enough`, when that is so for an eighth of them.
    fn still_wanted(&self, rows: &Rows, enough: &dyn Fn(usize, f64) -> bool) -> Option<Vec<usize>> {
        if self.concretise != Concretise::Every {
            return None;
        }
        let is_open = |r: &usize| !enough(rows.places[*r], rows.best[*r]);
        let kept: Vec<usize> = (0..rows.places.len()).filter(is_open).collect();
        (kept.len() + kept.len() / 8 < rows.places.len()).then_some(kept)
    }

    /// The entries of a vector over a node that a part has columns for.
    pub(super) fn entries<'v>(&'v self, a: &Part, vector: &'v [f64]) -> Entries<'v> {
        a.entries(vector, self.spare)
    }

    /// Adds coefficients of a node to those already pending, charging the rounding of the sum.
    pub(super) fn add(&self, rows: &mut Rows, id: NodeId, a: Part) {
        let Some(sum) = rows.pending.remove(&id) else {
            rows.pending.insert(id, a);
            return;
        };
        let (sum, added) = sum.plus(a, self.spare);
        let bounds = self.history.bounds(id);
        let rounded = added.as_ref().unwrap_or(&sum);
        let (lower, upper) = (self.entries(rounded, bounds.lower()), self.entries(rounded, bounds.upper()));
        let magnitude = |(&lower, &upper): (&f64, &f64)| lower.abs().max(upper.abs());
        let magnitudes: Vec<f64> = lower.iter().zip(upper.iter()).map(magnitude).collect();
        for (constant, rounded) in rows.constant.iter_mut().zip(rounded.rows()) {
            // Each sum differs from the exact one by at most half a unit in its last place.
            *constant = sub_down(*constant, mul_up(2.0 * UNIT, -less_error(rounded, &magnitudes)));
        }
        drop((lower, upper));
        added.into_iter().for_each(|part| part.discard(self.spare));
        rows.pending.insert(id, sum);
    }

    /// What improves each row's best bound where coefficients `a` of node `id` are all that it reads besides the
    /// pending ones.
    fn here<'v>(&'v self, rows: &mut Rows, id: NodeId, a: &Part) -> Here<'v> {
        if self.concretise != Concretise::Every || a.is_seen {
            return Here { bounds: None, besides: Vec::new() };
        }
        let bounds = self.history.bounds(id);
        let mut besides = vec![0.0; rows.constant.len()];
        for (&other, part) in &mut rows.pending {
            for (sum, more) in besides.iter_mut().zip(part.minima(|part| self.concrete(other, part))) {
                *sum = add_down(*sum, *more);
            }
        }
        Here { bounds: Some((self.entries(a, bounds.lower()), self.entries(a, bounds.upper()))), besides }
    }

    /// Lower bounds of `a · x_id` by the concrete bounds of the node (at the input: by the region).
    fn concrete(&self, id: NodeId, a: &Part) -> Vec<f64> {
        if id == 0 {
            if a.is_whole() {
                return self.region.minima(a.values().view());
            }
            // Over a box the columns that are zero play no part.
            if !matches!(self.region.ball(), Ball::Box | Ball::Grid { .. }) || self.region.has_differences() {
                let whole = a.clone().spread(self.spare);
                let minima = self.region.minima(whole.values().view());
                whole.discard(self.spare);
                return minima;
            }
        }
        let bounds = self.history.bounds(id);
        let (lower, upper) = (self.entries(a, bounds.lower()), self.entries(a, bounds.upper()));
        a.rows().map(|a| box_minimum(a, &lower, &upper)).collect()
    }
}
