//! Back-substitution on many boxes of inputs at once, for searches that halve inputs: a column is a form on one of the
//! boxes, whose free neurons have lines of their own there, those of least area.
//!
//! What passing a node loses is charged by the bounds over all of the region, which hold on every box.

use super::ball::is_box;
use super::batch::{Objective, Walk};
use super::layers::{FreeLines, back_row};
use super::relaxed::{Pass, Relaxed};
use crate::budget::Budget;
use crate::domain::{Bounds, DomainError, NodeBounds};
use crate::network::{Node, NodeId, NodeKind};
use crate::num::round::{add_up, sub_down};
use crate::num::{Interval, vectorised};
use crate::query::Region;
use ndarray::Array2;
use std::ops::Range;

/// Numbers that one batch of columns holds at a node, at most.
const NUMBERS: usize = 1 << 15;

/// Numbers that say how far the neurons of all boxes move, at most, unless there is one box alone.
const MOVES: usize = 1 << 22;

/// Boxes that are bounded at once, at most.
const MOST_BOXES: usize = 64;

/// What is found of a form on a box.
#[derive(Clone, Debug)]
pub struct BoxForm {
    /// A certified lower bound.
    pub minimum: f64,
    /// With `constant` a form over the inputs that is nowhere on the box above the one in question.
    pub coefficients: Vec<f64>,
    /// Its constant.
    pub constant: f64,
    /// For each input what halving it gains, nearly, to first order, where that is known.
    pub gains: Option<Vec<f64>>,
}

/// Lines around the free neurons on each of some boxes: a row per neuron, a column per box.
#[derive(Debug, Default)]
struct Lines {
    boxes: usize,
    below: Vec<f64>,
    above: Vec<f64>,
    intercept: Vec<f64>,
    /// The columns of a walk that belong to one box, and which.
    runs: Vec<(usize, Range<usize>)>,
}

impl FreeLines<f64> for Lines {
    fn parameters(&self) -> &[f64] {
        &[]
    }

    #[inline(always)]
    fn back<const PROVES: bool, const ADDS: bool>(
        &self,
        index: usize,
        _: (f64, f64),
        a: &[f64],
        error: f64,
        out: &mut [f64],
        value: &mut [f64],
        magnitude: &mut [f64],
        charge: &mut [f64],
    ) {
        for (b, run) in &self.runs {
            let (at, run) = (index * self.boxes + b, run.clone());
            let (below, lines) = (self.below[at], [0.0, self.above[at], self.intercept[at]]);
            back_row::<f64, PROVES, ADDS>(
                &a[run.clone()],
                |_| below,
                lines,
                error,
                &mut out[run.clone()],
                &mut value[run.clone()],
                &mut magnitude[run.clone()],
                &mut charge[run],
            );
        }
    }
}

impl Lines {
    /// The lines of a neuron whose slopes are `left` and `right` of zero, where its pre-activation is in `z`.
    fn set(&mut self, at: usize, (left, right): (f64, f64), z: Interval) {
        let (below, above, intercept) = match z {
            z if z.lo >= 0.0 => (right, right, 0.0),
            z if z.hi <= 0.0 => (left, left, 0.0),
            Interval { lo, hi } => {
                let below = if hi >= -lo { right } else { left };
                let slope = ((right * hi - left * lo) / (hi - lo)).max(left).min(right);
                // Whatever the slope is, a line that is above both ends is above the convex neuron. Neither is negative.
                let most = ((left - slope) * lo).max((right - slope) * hi);
                (below, slope, add_up(most * (1.0 + 8.0 * f64::EPSILON), f64::MIN_POSITIVE))
            }
        };
        (self.below[at], self.above[at], self.intercept[at]) = (below, above, intercept);
    }
}

/// Memory for batches of boxes, one after the other.
#[derive(Debug, Default)]
pub struct Memory {
    walk: Walk<f64>,
    lines: Lines,
    moves: Vec<Vec<f32>>,
    spare: Vec<f32>,
}

/// Boxes of inputs inside the relaxation's region, on which its free neurons have been bounded.
#[derive(Debug)]
pub struct OnBoxes<'b> {
    corners: Corners<'b>,
    /// The inputs that vary.
    varying: Vec<usize>,
    regions: Vec<&'b Region>,
    /// What is known of the free neurons' pre-activations on each box, by index.
    ranges: Vec<Vec<Interval>>,
    /// The node whose bounds exclude each other on a box: no input is there.
    empty: Vec<Option<NodeId>>,
    /// Whether it is known how far neurons move.
    is_moved: bool,
    memory: &'b mut Memory,
}

/// A relaxation of neurons with one convex corner at zero, in finite ranges, of one network, and of nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Corners<'a>(&'a Relaxed<'a>);

impl<'a> Corners<'a> {
    /// Nothing where something else is relaxed.
    #[must_use]
    pub fn of(relaxed: &'a Relaxed<'a>) -> Option<Self> {
        let of_node = |(id, node): (NodeId, &Node)| match &node.kind {
            NodeKind::Product(_) => false,
            NodeKind::Activation(_) => relaxed.has_corner(id),
            NodeKind::Input | NodeKind::Affine(_) => true,
        };
        let this = Self(relaxed);
        let has_corners = relaxed.network().nodes().iter().enumerate().all(of_node);
        let has_corners = has_corners && relaxed.network().twins().is_empty();
        (has_corners && this.ranges().iter().all(|z| z.magnitude().is_finite())).then_some(this)
    }

    /// The relaxation.
    #[must_use]
    pub fn relaxed(self) -> &'a Relaxed<'a> {
        self.0
    }

    /// The pre-activations of all free neurons over the region, by index.
    #[must_use]
    pub fn ranges(self) -> Vec<Interval> {
        let range = |&(id, neuron): &(NodeId, usize)| {
            let layer = self.0.layers[id].as_ref();
            layer.map_or(Interval::ALL, |layer| self.0.bounds.nodes()[layer.source].get(neuron))
        };
        self.0.free.iter().map(range).collect()
    }

    /// Bounds of all nodes where the free neurons are in these ranges.
    #[must_use]
    pub fn bounds_within(self, ranges: &[Interval]) -> Bounds {
        let Relaxed { bounds, layers, free, .. } = self.0;
        let mut nodes: Vec<NodeBounds> = bounds.nodes().to_vec();
        for id in 0..nodes.len() {
            let Some(layer) = &layers[id] else { continue };
            let mut own: Vec<Interval> = nodes[layer.source].iter().collect();
            let first = free.partition_point(|&(node, _)| node < id);
            let of_layer = free[first..].iter().take_while(|(node, _)| *node == id);
            of_layer.zip(&ranges[first..]).for_each(|(&(_, i), z)| own[i] = own[i].intersect(*z));
            nodes[layer.source].intersect(&own.into_iter().collect());
            let images: NodeBounds = nodes[layer.source].reaches().map(|z| layer.function.image(z)).collect();
            nodes[id].intersect(&images);
        }
        Bounds::new(nodes)
    }

    /// The inputs that vary.
    fn varying(self) -> Vec<usize> {
        let ranges = self.0.region.bounds().iter().enumerate();
        ranges.filter(|(_, x)| x.lo < x.hi).map(|(j, _)| j).collect()
    }

    /// How many boxes are worth memory at once.
    #[must_use]
    pub fn together(self) -> usize {
        let neurons: usize = self.0.network().nodes().iter().map(|node| node.len).sum();
        (MOVES / (neurons * self.varying().len()).max(1)).clamp(1, MOST_BOXES)
    }

    /// Bounds the free neurons on boxes inside the region. Those are bounded that are unstable as far as is `known` of
    /// each box, by index, layer by layer; what is found is taken for worse by `losses`, neuron by neuron of each node.
    ///
    /// # Errors
    /// [`DomainError::OutOfTime`].
    pub fn on_boxes<'b>(
        self,
        regions: Vec<&'b Region>,
        known: &[&[Interval]],
        losses: Option<&[Vec<f64>]>,
        memory: &'b mut Memory,
        budget: &Budget,
    ) -> Result<OnBoxes<'b>, DomainError>
    where
        'a: 'b,
    {
        let ranges = known.iter().map(|known| known.to_vec()).collect();
        let numbers = self.0.free.len() * regions.len();
        let lines = &mut memory.lines;
        lines.boxes = regions.len();
        for row in [&mut lines.below, &mut lines.above, &mut lines.intercept] {
            row.resize(numbers, 0.0);
        }
        let (varying, empty) = (self.varying(), vec![None; regions.len()]);
        let mut boxes = OnBoxes { corners: self, varying, empty, regions, ranges, is_moved: false, memory };
        boxes.bound_neurons(losses, budget)?;
        Ok(boxes)
    }
}

/// Where a column is, box and free neuron, and whether its bound is that of `−z`.
type Column = (usize, usize, bool);

impl OnBoxes<'_> {
    /// What [`Corners::on_boxes`] says.
    fn bound_neurons(&mut self, losses: Option<&[Vec<f64>]>, budget: &Budget) -> Result<(), DomainError> {
        let relaxed = self.corners.0;
        let mut rest = 0..relaxed.free.len();
        while let Some(&(id, _)) = relaxed.free.get(rest.start) {
            if budget.is_spent() {
                return Err(DomainError::OutOfTime);
            }
            let own = rest.start..relaxed.free.partition_point(|&(node, _)| node <= id);
            rest.start = own.end;
            let Some(layer) = &relaxed.layers[id] else { continue };
            let is_open = |z: Interval| z.lo < 0.0 && z.hi > 0.0;
            let columns: Vec<Column> = (0..self.regions.len())
                .filter(|&b| self.empty[b].is_none())
                .flat_map(|b| own.clone().map(move |index| (b, index)))
                .filter(|&(b, index)| is_open(self.ranges[b][index]))
                .flat_map(|(b, index)| [(b, index, false), (b, index, true)])
                .collect();
            for some in columns.chunks(self.columns(layer.source)) {
                let bounds = self.neuron_bounds(layer.source, some);
                for (&(b, index, is_negated), bound) in some.iter().zip(bounds) {
                    let loss = losses.map_or(0.0, |losses| losses[layer.source][relaxed.free[index].1]);
                    let bound = sub_down(bound, loss);
                    let z = &mut self.ranges[b][index];
                    if is_negated {
                        z.hi = z.hi.min(-bound);
                    } else {
                        z.lo = z.lo.max(bound);
                    }
                    if z.is_empty() {
                        self.empty[b].get_or_insert(layer.source);
                    }
                }
            }
            for index in own {
                for (b, ranges) in self.ranges.iter().enumerate() {
                    let lines = &mut self.memory.lines;
                    lines.set(index * lines.boxes + b, layer.corner, ranges[index]);
                }
            }
        }
        Ok(())
    }

    /// How many columns are passed at once from a node on.
    fn columns(&self, top: NodeId) -> usize {
        let widest = self.corners.0.network().nodes()[..=top].iter().map(|node| node.len).max().unwrap_or(1);
        (NUMBERS / widest.max(1)).max(8)
    }

    /// Lower bounds of the columns' pre-activations, which are those of `source`, or of their negatives.
    fn neuron_bounds(&mut self, source: NodeId, columns: &[Column]) -> Vec<f64> {
        let relaxed = self.corners.0;
        let walk = &mut self.memory.walk;
        walk.reset(relaxed.network().nodes().len(), columns.len());
        walk.reach(source, relaxed.network().node(source).len);
        for (r, &(_, index, is_negated)) in columns.iter().enumerate() {
            let neuron = relaxed.free[index].1;
            walk.coefficients[source][neuron * columns.len() + r] = if is_negated { -1.0 } else { 1.0 };
        }
        self.walk(source, columns.iter().map(|&(b, ..)| b));
        self.concretise();
        relaxed.less_rounding(&self.memory.walk, source, 0)
    }

    /// Takes what the walk begins with to the input, where `boxes` are those of the columns.
    fn walk(&mut self, top: NodeId, boxes: impl Iterator<Item = usize>) {
        let Memory { walk, lines, .. } = &mut *self.memory;
        lines.runs.clear();
        for (column, b) in boxes.enumerate() {
            match lines.runs.last_mut() {
                Some((last, run)) if *last == b => run.end = column + 1,
                _ => lines.runs.push((b, column..column + 1)),
            }
        }
        walk.back::<true>(self.corners.0, &self.corners.0.compiled.proof, top, lines, &[]);
    }

    /// Adds the least values over each column's box.
    fn concretise(&mut self) {
        let Memory { walk, lines, .. } = &mut *self.memory;
        let (n, a, sums) = (walk.n, &walk.coefficients[0], &mut walk.sums);
        let is_plain = |region: &Region| is_box(region.ball()) && !region.has_differences();
        for (b, run) in &lines.runs {
            let region = self.regions[*b];
            if !is_plain(region) {
                let own = Array2::from_shape_fn((run.len(), region.len()), |(r, i)| a[i * n + run.start + r]);
                for (r, least) in run.clone().zip(region.minima(own.view())) {
                    sums.value[r] += least;
                    sums.magnitude[r] += least.abs();
                }
                continue;
            }
            vectorised(
                #[inline(always)]
                || {
                    let (value, magnitude) = (&mut sums.value[run.clone()], &mut sums.magnitude[run.clone()]);
                    for (a, x) in a.chunks_exact(n).zip(region.bounds()) {
                        let a = &a[run.clone()];
                        for r in 0..a.len() {
                            let term = a[r] * if a[r] > 0.0 { x.lo } else { x.hi };
                            value[r] += term;
                            magnitude[r] += term.abs();
                        }
                    }
                },
            );
        }
    }

    /// What is found of some forms, each on one of the boxes (in ascending order); what halving gains for those whose
    /// minima are no more than `gains_up_to`.
    ///
    /// # Errors
    /// [`DomainError::OutOfTime`].
    pub fn minima(
        &mut self,
        forms: &[(usize, &Objective)],
        gains_up_to: f64,
        budget: &Budget,
    ) -> Result<Vec<BoxForm>, DomainError> {
        let top = forms.iter().map(|(_, form)| form.start()).max().unwrap_or(0);
        let mut found = Vec::with_capacity(forms.len());
        for some in forms.chunks(self.columns(top)) {
            if budget.is_spent() {
                return Err(DomainError::OutOfTime);
            }
            let own: Vec<&Objective> = some.iter().map(|(_, form)| *form).collect();
            self.memory.walk.begin(self.corners.0, &own);
            self.walk(top, some.iter().map(|(b, _)| *b));
            let constants = self.corners.0.less_rounding(&self.memory.walk, top, 0);
            self.concretise();
            let minima = self.corners.0.less_rounding(&self.memory.walk, top, 0);
            for (r, (minimum, constant)) in minima.into_iter().zip(constants).enumerate() {
                let coefficients =
                    self.memory.walk.coefficients[0].iter().skip(r).step_by(some.len()).copied().collect();
                let wants_gains = gains_up_to > f64::NEG_INFINITY && minimum <= gains_up_to;
                let gains = wants_gains.then(|| self.gains(some[r].0, r));
                found.push(BoxForm { minimum, coefficients, constant, gains });
            }
        }
        Ok(found)
    }

    /// What was found of the free neurons of box `b`, by index; nothing where bounds exclude each other, so that no input
    /// is there.
    #[must_use]
    pub fn ranges(&self, b: usize) -> Option<&[Interval]> {
        self.empty[b].is_none().then_some(&self.ranges[b])
    }

    /// What was found of them whether or not an input is there, and the node whose bounds exclude each other: nothing was
    /// found from there on.
    #[must_use]
    pub fn found(&self, b: usize) -> (&[Interval], Option<NodeId>) {
        (&self.ranges[b], self.empty[b])
    }
}

/// No neuron can gain more than it loses, in units of an eighth like the gains.
const MOST: f64 = 8.0;

impl OnBoxes<'_> {
    /// How far the neurons move, to first order, when an input of a box goes from end to end: for each node a row per
    /// neuron and, for each box, a column per input that varies.
    fn move_forth(&mut self) {
        let (relaxed, inputs) = (self.corners.0, self.varying.len());
        let Memory { lines, moves, spare, .. } = &mut *self.memory;
        let n = inputs * self.regions.len();
        moves.resize_with(relaxed.network().nodes().len(), Vec::new);
        for (id, node) in relaxed.network().nodes().iter().enumerate() {
            let (before, rest) = moves.split_at_mut(id);
            let out = &mut rest[0];
            out.clear();
            out.resize(node.len * n, 0.0);
            match &node.kind {
                NodeKind::Input => {
                    for (b, region) in self.regions.iter().enumerate() {
                        for (at, &j) in self.varying.iter().enumerate() {
                            let x = region.bounds()[j];
                            out[j * n + b * inputs + at] = (x.hi - x.lo) as f32;
                        }
                    }
                }
                NodeKind::Affine(_) => {
                    relaxed.compiled.guess[id]
                        .iter()
                        .for_each(|(source, map)| map.forth(&before[*source], n, out, spare));
                }
                NodeKind::Activation(activation) => {
                    let Some(layer) = &relaxed.layers[id] else { continue };
                    let rows = before[activation.source].chunks_exact(n.max(1)).zip(out.chunks_exact_mut(n.max(1)));
                    for ((z, y), pass) in rows.zip(&layer.passes) {
                        match *pass {
                            Pass::Zero => {}
                            Pass::Same => y.copy_from_slice(z),
                            Pass::Fixed { lower, .. } => {
                                y.iter_mut().zip(z).for_each(|(y, z)| *y = lower.0 as f32 * z);
                            }
                            Pass::Free { index, .. } => {
                                let slopes = &lines.above[index * lines.boxes..(index + 1) * lines.boxes];
                                let of_boxes = y.chunks_exact_mut(inputs.max(1)).zip(z.chunks_exact(inputs.max(1)));
                                for ((y, z), &slope) in of_boxes.zip(slopes) {
                                    y.iter_mut().zip(z).for_each(|(y, z)| *y = slope as f32 * z);
                                }
                            }
                        }
                    }
                }
                NodeKind::Product(_) => {}
            }
        }
    }

    /// For each input of box `b` what halving it gains for the form in column `r` of the last walk, to first order.
    ///
    /// A box is bounded exactly where nothing is relaxed, so that halving an input helps only by what it takes from the
    /// ranges of unstable neurons. A neuron of range [l, u] whose output has the coefficient `a` loses up to
    /// `|a| · −l u / (u − l)`, which falls by `|a| (l² + u²) / (u − l)² / 4` for each unit that halving takes from the
    /// range, on the mean of the two halves.
    fn gains(&mut self, b: usize, r: usize) -> Vec<f64> {
        if !std::mem::replace(&mut self.is_moved, true) {
            self.move_forth();
        }
        let (relaxed, inputs) = (self.corners.0, self.varying.len());
        let Memory { walk, moves, .. } = &*self.memory;
        let n = inputs * self.regions.len();
        let mut gains = vec![0.0; relaxed.network().input_len()];
        for (&(id, neuron), &Interval { lo: l, hi: u }) in relaxed.free.iter().zip(&self.ranges[b]) {
            let Some(layer) = relaxed.layers[id].as_ref().filter(|_| walk.reached[id] && l < 0.0 && u > 0.0) else {
                continue;
            };
            let a = walk.coefficients[id][neuron * walk.n + r].abs();
            let loss = a * (l * l + u * u) / ((u - l) * (u - l));
            let most = MOST * a * (-l * u) / (u - l);
            let moved = &moves[layer.source][neuron * n + b * inputs..][..inputs];
            for (&j, z) in self.varying.iter().zip(moved) {
                gains[j] += (loss * f64::from(z.abs())).min(most);
            }
        }
        gains
    }
}
