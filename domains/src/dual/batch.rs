//! What the engine works on: forms to be bounded, each on a part of the region, and a batch of them on its way through
//! the network.

use super::choices::Choices;
use super::layers::FreeLines;
use super::relaxed::{Maps, Relaxed, slope_of};
use super::sums::Sums;
use crate::domain::Bounds;
use crate::network::{NodeId, NodeKind};
use crate::num::Real;
use crate::num::round::{mul_up, sub_down};
use crate::query::LinearForms;
use std::sync::Arc;

/// A linear form over a network's nodes, of which lower bounds are sought.
#[derive(Clone, Debug)]
pub struct Objective {
    /// The coefficients that are not zero, as exact floats, by node and neuron.
    pub terms: Vec<(NodeId, Vec<(usize, f64)>)>,
    /// A lower bound of the constant.
    pub constant: f64,
}

impl Objective {
    /// `sign · z_i` of a node.
    #[must_use]
    pub fn neuron(node: NodeId, i: usize, sign: f64) -> Self {
        Self { terms: vec![(node, vec![(i, sign)])], constant: 0.0 }
    }

    /// Row `row` of some forms; what its coefficients are uncertain by is charged to the constant.
    #[must_use]
    pub fn of_form(forms: &LinearForms, row: usize, bounds: &Bounds) -> Self {
        let mut constant = forms.constants[row];
        let mut terms = Vec::new();
        for term in &forms.terms {
            let entries = term.coefficients.row(row);
            terms.push((term.node, entries.iter().copied().enumerate().filter(|(_, c)| *c != 0.0).collect()));
            if let Some(radius) = &term.radius {
                for (i, &radius) in radius.row(row).iter().enumerate().filter(|(_, r)| **r > 0.0) {
                    let magnitude = bounds.get(term.node).map_or(f64::INFINITY, |z| z.get(i).magnitude());
                    constant = sub_down(constant, mul_up(radius, magnitude));
                }
            }
        }
        Self { terms, constant }
    }

    /// The last node that the form reads.
    #[must_use]
    pub fn start(&self) -> NodeId {
        self.terms.iter().map(|(node, _)| *node).max().unwrap_or(0)
    }
}

/// A free neuron on one side of its corner, or the network's last node, of one neuron, on one side of zero: what is assumed
/// of the inputs that matter ([`Network::with_sum`](crate::network::Network::with_sum)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// Index of the neuron among the free ones ([`Relaxed::free`]); the first beyond them is the last node, which no tree of a
    /// search has.
    pub index: u32,
    /// Whether its pre-activation is at least zero, and not at most.
    pub above: bool,
}

impl Side {
    pub(super) fn sign(self) -> f64 {
        if self.above { 1.0 } else { -1.0 }
    }
}

/// A form on a part of the region, with the multipliers that bound it there.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which objective.
    pub objective: usize,
    /// The parameters of the free neurons before the form, such as the slope of a corner, as shares of their ranges in
    /// units of 2⁻¹⁶.
    pub shares: Arc<[u16]>,
    /// The part: neurons that keep to one side.
    pub sides: Vec<Side>,
    /// Multipliers of the sides, none below zero.
    pub beta: Vec<f32>,
    /// The bound by the last guess.
    pub bound: f32,
}

impl Member {
    /// The form on all of the region, with DeepPoly's slopes of the free neurons before the node `start`.
    #[must_use]
    pub fn root(relaxed: &Relaxed, objective: usize, start: NodeId) -> Self {
        let shares = relaxed.first_shares(relaxed.free_up_to(start));
        Self { objective, shares: shares.into(), sides: Vec::new(), beta: Vec::new(), bound: f32::NEG_INFINITY }
    }

    /// The part of it on one side of a free neuron, with a first multiplier.
    #[must_use]
    pub fn on(&self, side: Side, beta: f32) -> Self {
        let mut half = self.clone();
        half.sides.push(side);
        half.beta.push(beta);
        half
    }
}

/// A member's neuron on one side, where the batch has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The node of the pre-activation.
    pub source: NodeId,
    /// The activation node: another one that reads the same pre-activation does not pass on the entry's piece.
    pub activation: NodeId,
    pub neuron: usize,
    /// The member's column.
    pub column: usize,
    /// Its place among the member's sides.
    pub place: usize,
    pub side: Side,
    /// The activation's slope there.
    pub slope: f64,
    pub beta: f32,
    /// What steps of the multiplier are measured in.
    pub unit: f32,
}

/// The sides of some members, by node.
pub(super) fn entries(relaxed: &Relaxed, members: &[&Member]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (column, member) in members.iter().enumerate() {
        for (place, (&side, &beta)) in member.sides.iter().zip(&member.beta).enumerate() {
            let Some(&(id, neuron)) = relaxed.free.get(side.index as usize) else {
                let (id, slope, neuron) = (relaxed.last(), 0.0, 0);
                let beta = beta.max(0.0);
                entries.push(Entry { source: id, activation: id, neuron, column, place, side, slope, beta, unit: 1.0 });
                continue;
            };
            let Some(layer) = &relaxed.layers[id] else { continue };
            let slope = if side.above { layer.corner.1 } else { layer.corner.0 };
            let beta = beta.max(0.0);
            let (source, activation, unit) = (layer.source, id, 1.0);
            entries.push(Entry { source, activation, neuron, column, place, side, slope, beta, unit });
        }
    }
    entries.sort_by_key(|entry| entry.source);
    entries
}

/// Those of the entries that belong to a node.
pub(super) fn of_source(entries: &[Entry], source: NodeId) -> std::ops::Range<usize> {
    entries.partition_point(|e| e.source < source)..entries.partition_point(|e| e.source <= source)
}

/// Those of the entries that pass on their pieces at an activation node which reads `source`.
pub(super) fn of_activation(entries: &[Entry], id: NodeId, source: NodeId) -> impl Iterator<Item = &Entry> + Clone {
    entries[of_source(entries, source)].iter().filter(move |entry| entry.activation == id)
}

/// The slopes of the members' free neurons: one row per neuron, one column per member.
pub(super) fn slopes<T: Real>(relaxed: &Relaxed, members: &[&Member]) -> Vec<T> {
    let (n, count) = (members.len(), members.first().map_or(0, |m| m.shares.len()));
    let mut slopes = vec![T::ZERO; n * count];
    for (index, row) in slopes.chunks_exact_mut(n.max(1)).enumerate() {
        let range = relaxed.range_of(index);
        for (slope, member) in row.iter_mut().zip(members) {
            *slope = T::of(slope_of(member.shares[index], range));
        }
    }
    slopes
}

/// A batch of forms on the way back through a network: coefficients by node, and sums by member.
#[derive(Debug, Default)]
pub(super) struct Walk<T> {
    /// How many members.
    pub n: usize,
    /// By node a row per neuron; those of activation nodes stay when they have been passed.
    pub coefficients: Vec<Vec<T>>,
    /// The nodes whose coefficients are in use.
    pub reached: Vec<bool>,
    pub sums: Sums<T>,
    /// By activation node, where a layer was bounded jointly: the points at which its neurons' terms are
    /// least, as rows; not a number in columns where the lines alone were as good.
    pub stars: Vec<Vec<f32>>,
    /// By second activation node of two that correspond: what was passed over their difference, a row per neuron of theirs.
    pub shared: Vec<Vec<T>>,
    pub spare: Vec<T>,
    more: Vec<T>,
    /// What a node of curves or products passes to its factors.
    passed: [Vec<T>; 2],
    saved: Vec<T>,
}

impl<T: Real> Walk<T> {
    /// Begins anew with `n` members at nothing.
    pub fn reset(&mut self, nodes: usize, n: usize) {
        self.n = n;
        self.coefficients.resize_with(nodes, Vec::new);
        self.reached.clear();
        self.reached.resize(nodes, false);
        self.sums.reset(n);
        self.stars.resize_with(nodes, Vec::new);
        self.stars.iter_mut().for_each(Vec::clear);
        self.shared.resize_with(nodes, Vec::new);
        self.shared.iter_mut().for_each(Vec::clear);
    }

    /// Puts in the forms themselves.
    pub fn begin(&mut self, relaxed: &Relaxed, forms: &[&Objective]) {
        self.reset(relaxed.compiled.network.nodes().len(), forms.len());
        for (r, form) in forms.iter().enumerate() {
            self.sums.value[r] = T::of(form.constant);
            self.sums.magnitude[r] = T::of(form.constant).magnitude();
            for (node, entries) in &form.terms {
                self.reach(*node, relaxed.compiled.network.node(*node).len);
                for &(i, c) in entries {
                    let sum = &mut self.coefficients[*node][i * forms.len() + r];
                    let is_rounded = *sum != T::ZERO;
                    *sum += T::of(c);
                    if is_rounded {
                        let once = relaxed.once.get(*node).map_or(f64::INFINITY, |once| once[i]);
                        self.sums.charge[r] += T::of(once) * sum.magnitude();
                    }
                }
            }
        }
    }

    /// Makes room for the coefficients of a node; whether it had some.
    pub fn reach(&mut self, id: NodeId, len: usize) -> bool {
        let was = std::mem::replace(&mut self.reached[id], true);
        if !was {
            self.coefficients[id].clear();
            self.coefficients[id].resize(len * self.n, T::ZERO);
        }
        was
    }

    /// Takes an affine node's coefficients to its sources.
    pub fn pass_affine<const PROVES: bool>(&mut self, relaxed: &Relaxed, maps: &Maps<'_, T>, id: NodeId) {
        let NodeKind::Affine(affine) = &relaxed.compiled.network.node(id).kind else { return };
        let Some(error) = &relaxed.errors[id] else {
            return self.sums.value.fill(T::of(f64::NEG_INFINITY));
        };
        let a = std::mem::take(&mut self.coefficients[id]);
        if PROVES || !affine.bias.is_zero() {
            self.sums.add_rows::<PROVES>(&a, self.n, affine.bias.values(), &error.per_output);
        }
        for (source, map) in &maps[id] {
            if PROVES && self.reached[*source] {
                let mut more = std::mem::take(&mut self.more);
                more.resize(map.inputs() * self.n, T::ZERO);
                map.back(&a, self.n, &mut more, false, &mut self.spare);
                self.add::<PROVES>(relaxed, *source, &more);
                self.more = more;
            } else {
                let had = std::mem::replace(&mut self.reached[*source], true);
                let out = &mut self.coefficients[*source];
                out.resize(map.inputs() * self.n, T::ZERO);
                map.back(&a, self.n, out, had, &mut self.spare);
            }
        }
        self.coefficients[id] = a;
    }

    /// Adds coefficients to those of a node.
    pub fn add<const PROVES: bool>(&mut self, relaxed: &Relaxed, id: NodeId, more: &[T]) {
        let had = self.reach(id, relaxed.network().node(id).len);
        self.coefficients[id].iter_mut().zip(more).for_each(|(sum, &more)| *sum += more);
        if PROVES && had {
            self.charge_sum(relaxed, id);
        }
    }

    /// Charges the rounding of one addition to every coefficient of a node.
    fn charge_sum(&mut self, relaxed: &Relaxed, id: NodeId) {
        let zeros = vec![0.0; relaxed.once[id].len()];
        self.sums.add_rows::<true>(&self.coefficients[id], self.n, &zeros, &relaxed.once[id]);
    }

    /// Takes an activation node's coefficients to its source. Entries pass on their piece; their coefficients are then
    /// zero, so that nobody takes them for free.
    pub fn pass_activation<const PROVES: bool>(
        &mut self,
        relaxed: &Relaxed,
        id: NodeId,
        lines: &(impl FreeLines<T> + ?Sized),
        entries: &[Entry],
    ) {
        let Some(layer) = &relaxed.layers[id] else {
            return self.sums.value.fill(T::of(f64::NEG_INFINITY));
        };
        let mut a = std::mem::take(&mut self.coefficients[id]);
        let is_joint = relaxed.compiled.spheres[layer.source].is_some() && !self.reached[layer.source];
        let before = if is_joint { self.sums.value.clone() } else { Vec::new() };
        let own = of_activation(entries, id, layer.source);
        self.saved.clear();
        for entry in own.clone() {
            let at = entry.neuron * self.n + entry.column;
            self.saved.push(a[at]);
            a[at] = T::ZERO;
        }
        let had = std::mem::replace(&mut self.reached[layer.source], true);
        let out = &mut self.coefficients[layer.source];
        out.resize(layer.passes.len() * self.n, T::ZERO);
        if had {
            layer.back::<T, PROVES, true>(&a, self.n, lines, out, &mut self.sums);
        } else {
            layer.back::<T, PROVES, false>(&a, self.n, lines, out, &mut self.sums);
        }
        for (entry, &c) in own.zip(&self.saved) {
            out[entry.neuron * self.n + entry.column] += T::of(entry.slope) * c;
            if PROVES {
                self.sums.charge[entry.column] += T::of(layer.error[entry.neuron]) * c.magnitude();
            }
        }
        if PROVES && had {
            self.charge_sum(relaxed, layer.source);
        }
        if is_joint {
            self.join::<PROVES>(relaxed, id, &a, &before, entries);
        }
        self.coefficients[id] = a;
    }

    /// Takes the coefficients of a node of curves or products to its factors.
    fn pass_choices<const PROVES: bool>(&mut self, relaxed: &Relaxed, choices: &Choices, id: NodeId, parameters: &[T]) {
        let (a, mut passed) = (std::mem::take(&mut self.coefficients[id]), std::mem::take(&mut self.passed));
        for (passed, factor) in passed.iter_mut().zip(&choices.factors) {
            passed.clear();
            passed.resize(relaxed.network().node(factor.source).len * self.n, T::ZERO);
        }
        choices.back::<T, PROVES>(&a, self.n, parameters, &mut passed, &mut self.sums);
        for (passed, factor) in passed.iter().zip(&choices.factors) {
            self.add::<PROVES>(relaxed, factor.source, passed);
        }
        (self.coefficients[id], self.passed) = (a, passed);
    }

    /// Subtracts the multipliers of sides at a node.
    pub fn subtract_multipliers<const PROVES: bool>(&mut self, relaxed: &Relaxed, id: NodeId, entries: &[Entry]) {
        let range = of_source(entries, id);
        if range.is_empty() {
            return;
        }
        self.reach(id, relaxed.compiled.network.node(id).len);
        for entry in &entries[range] {
            let a = &mut self.coefficients[id][entry.neuron * self.n + entry.column];
            *a -= T::of(entry.side.sign() * f64::from(entry.beta));
            if PROVES {
                self.sums.charge[entry.column] += T::of(relaxed.once[id][entry.neuron]) * a.magnitude();
            }
        }
    }

    /// Takes everything that is reached from `top` down to the input.
    pub fn back<const PROVES: bool>(
        &mut self,
        relaxed: &Relaxed,
        maps: &Maps<'_, T>,
        top: NodeId,
        lines: &(impl FreeLines<T> + ?Sized),
        entries: &[Entry],
    ) {
        for id in (1..=top).rev() {
            self.subtract_multipliers::<PROVES>(relaxed, id, entries);
            if !self.reached[id] {
                continue;
            }
            self.share::<PROVES>(relaxed, id, lines.parameters(), entries);
            match (&relaxed.network().node(id).kind, &relaxed.choices[id]) {
                (NodeKind::Input, _) => {}
                (NodeKind::Affine(_), _) => self.pass_affine::<PROVES>(relaxed, maps, id),
                (_, Some(choices)) => self.pass_choices::<PROVES>(relaxed, choices, id, lines.parameters()),
                _ => self.pass_activation::<PROVES>(relaxed, id, lines, entries),
            }
        }
        self.subtract_multipliers::<PROVES>(relaxed, 0, entries);
        let inputs = relaxed.compiled.network.input_len();
        self.reach(0, inputs);
    }
}
