//! What a program's multipliers say, put as back-substitution says it: a slope below and above each unstable neuron, and
//! multiples of what is at most zero. A checker repeats that without a program.
//!
//! The multiplier of a row that ties a neuron to what it is computed from is the coefficient with which a form arrives
//! there. Read from the outputs to the inputs these coefficients give the slope of each line, and what no line explains is a
//! multiple of a bound (one dual for lines, splits and cuts). All of it is a guess, which [`LpDomain::argued`] evaluates.

use super::encoding::Rows;
use super::joint::Cut;
use super::{LpDomain, LpFact};
use crate::activation::{ActivationFn, Line, Lines, Reach};
use crate::domain::{BackSubstitution, Concretise, History, NodeBounds, Relaxation, Trace};
use crate::network::{Activation, Affine, NodeId, NodeKind};
use crate::num::round::{add_down, mul_down};
use crate::query::{FormTerm, LinearForms};
use ndarray::{Array2, ArrayView2};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a form is at least its bound.
#[derive(Clone, Default)]
pub struct Argument {
    /// Of activation nodes the unstable neurons with the slopes of their lines below and above.
    pub slopes: BTreeMap<NodeId, Vec<(usize, [f64; 2])>>,
    /// Whether slopes below are shares of 65535ths of the way between those of two pieces, where there are just two.
    pub is_coarse: bool,
    /// Factors of neurons' lower bounds where they are above zero, of upper ones where they are below.
    pub bounds: Vec<((NodeId, usize), f64)>,
    /// Factors of the region's half-spaces.
    pub half_spaces: Vec<(usize, f64)>,
    /// Factors of cuts.
    pub cuts: Vec<(Arc<Cut>, f64)>,
}

/// What is argued for.
pub enum Claim {
    /// The lower bound of a form, by its number.
    Form(usize),
    /// That of the sum of all forms with these weights.
    Sum(Vec<f64>),
    /// A bound of a neuron.
    Neuron {
        /// The node.
        node: NodeId,
        /// Its neuron.
        neuron: usize,
        /// Whether it is a lower bound.
        at_least: bool,
        /// The bound.
        bound: f64,
    },
}

/// A claim with its argument.
pub struct Argued {
    /// What holds.
    pub claim: Claim,
    /// Why.
    pub argument: Argument,
}

/// The two slopes that a free line below lies between, where a function has just two pieces and is convex.
#[must_use]
pub fn corner(function: &dyn ActivationFn) -> Option<[f64; 2]> {
    match function.pieces() {
        Some([left, right]) if left.slope < right.slope && left.to == 0.0 && left.intercept == right.intercept => {
            Some([left.slope, right.slope])
        }
        _ => None,
    }
}

/// A slope as a share of the way between two.
#[must_use]
pub fn share(slope: f64, [first, last]: [f64; 2]) -> u16 {
    ((slope - first) / (last - first) * f64::from(u16::MAX)).round() as u16
}

/// Multiples of a bound that move the form by less than this share of its reach are left out of coarse arguments.
const NEGLIGIBLE: f64 = 1e-8;

/// A form on its way back, with the argument so far.
struct Reading<'s, 'a> {
    seen: &'s Trace<'a, LpFact>,
    /// Coefficients by node; none where nothing reads it.
    at: Vec<Vec<f64>>,
    /// For each activation what cuts add to its arguments.
    beside: BTreeMap<NodeId, Vec<f64>>,
    /// For each activation, or affine node with variables of its own, the coefficients with which a form arrives.
    ties: BTreeMap<(NodeId, Option<NodeId>), Vec<Option<f64>>>,
    least: f64,
    argument: Argument,
}

impl Reading<'_, '_> {
    fn add(&mut self, node: NodeId, more: impl Iterator<Item = (usize, f64)>) {
        let a = &mut self.at[node];
        a.resize(self.seen.bounds_of(node).len(), 0.0);
        more.for_each(|(i, c)| a[i] += c);
    }

    /// Makes up for a coefficient that is so much too small, by a bound of the neuron.
    fn explain(&mut self, node: NodeId, i: usize, missing: f64) -> bool {
        let z = self.seen.bounds_of(node).get(i);
        let matters = missing.is_finite() && (missing * z.width()).abs() > self.least;
        if matters {
            self.argument.bounds.push(((node, i), -missing));
        }
        matters
    }

    fn affine(&mut self, id: NodeId, affine: &Affine, mut a: Vec<f64>) {
        if let Some(ties) = self.ties.remove(&(id, None)) {
            for (i, tie) in ties.into_iter().enumerate() {
                let missing = tie.map_or(0.0, |tie| tie - a[i]);
                if self.explain(id, i, missing) {
                    a[i] += missing;
                }
            }
        }
        let Ok(row) = ArrayView2::from_shape((1, a.len()), &a) else { return };
        for term in &affine.terms {
            let passed = term.map.pull_back(row);
            self.add(term.source, passed.iter().copied().enumerate());
        }
    }

    fn activation(&mut self, id: NodeId, activation: &Activation, a: &[f64]) {
        let (function, source) = (activation.function.as_ref(), activation.source);
        let Relaxation::Activation(lines) = self.seen.facts[id].as_ref().relaxation() else { return };
        let ties = self.ties.remove(&(source, Some(id))).unwrap_or_default();
        let beside = self.beside.remove(&id).unwrap_or_default();
        let z = self.seen.bounds_of(source);
        let (mut chosen, mut passed) = (Vec::new(), Vec::new());
        for (i, &a) in a.iter().enumerate() {
            let of_cuts = beside.get(i).copied().unwrap_or(0.0);
            let tie = ties.get(i).copied().flatten();
            let mut slopes = [lines.lower_slope[i], lines.upper_slope[i]];
            if function.is_unstable(z.reach(i)) {
                let wanted = tie.filter(|_| a != 0.0).map(|tie| (tie - of_cuts) / a);
                let side = usize::from(a < 0.0);
                if let Some(slope) = wanted.and_then(|slope| near(function, z.reach(i), slope, a < 0.0)) {
                    slopes[side] = slope;
                }
                if let Some(ends) = corner(function).filter(|_| self.argument.is_coarse) {
                    slopes[0] =
                        ends[0] + (ends[1] - ends[0]) * (f64::from(share(slopes[0], ends)) / f64::from(u16::MAX));
                }
                chosen.push((i, slopes));
            }
            let mut arrives = a * slopes[usize::from(a < 0.0)] + of_cuts;
            let missing = tie.map_or(0.0, |tie| tie - arrives);
            if self.explain(source, i, missing) {
                arrives += missing;
            }
            passed.push((i, arrives));
        }
        self.argument.slopes.insert(id, chosen);
        self.add(source, passed.into_iter());
    }
}

/// The slope of a line on one side of the graph that comes nearest to one that is wanted.
fn near(function: &dyn ActivationFn, z: Reach<'_>, wanted: f64, above: bool) -> Option<f64> {
    let hull = function.hull(z);
    let slopes = hull.iter().filter(|h| if above { h.y > 0.0 } else { h.y < 0.0 }).map(|h| -h.z / h.y);
    let ends = slopes.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s), high.max(s)));
    (wanted.is_finite() && ends.0 <= ends.1).then(|| wanted.clamp(ends.0, ends.1))
}

/// Bounds and lines of a trace, some of the lines replaced.
struct Chosen<'s, 'a> {
    seen: &'s Trace<'a, LpFact>,
    replaced: BTreeMap<NodeId, Relaxation>,
}

impl History for Chosen<'_, '_> {
    fn bounds(&self, id: NodeId) -> &NodeBounds {
        self.seen.bounds_of(id)
    }
    fn relaxation(&self, id: NodeId) -> &Relaxation {
        self.replaced.get(&id).unwrap_or_else(|| self.seen.facts[id].as_ref().relaxation())
    }
}

impl LpDomain {
    /// The argument that multipliers make for a form, coarse if that shows a bound above `goal` or above what is lost;
    /// with the certified bound that it shows.
    pub(super) fn argued(
        &self,
        rows: &Rows,
        form: &LinearForms,
        multipliers: &[f64],
        (goal, reach): (f64, f64),
        seen: &Trace<LpFact>,
    ) -> Option<(f64, Argument)> {
        let of = |is_coarse: bool| {
            let argument = self.read(rows, form, multipliers, is_coarse, NEGLIGIBLE * reach, seen)?;
            Some((evaluated(form, &argument, seen)?, argument))
        };
        let coarse = of(true);
        if coarse.as_ref().is_some_and(|(bound, _)| *bound > goal) {
            return coarse;
        }
        let precise = of(false);
        let value = |found: &Option<(f64, Argument)>| found.as_ref().map_or(f64::NEG_INFINITY, |found| found.0);
        if value(&coarse) >= value(&precise) { coarse } else { precise }
    }

    /// The argument of multipliers, as they are read from the outputs to the inputs.
    fn read(
        &self,
        rows: &Rows,
        form: &LinearForms,
        multipliers: &[f64],
        is_coarse: bool,
        least: f64,
        seen: &Trace<LpFact>,
    ) -> Option<Argument> {
        let multiplier = |row: usize| multipliers.get(row).copied().filter(|m| m.is_finite()).unwrap_or(0.0);
        let least = if is_coarse { least } else { 0.0 };
        let argument = Argument { is_coarse, ..Argument::default() };
        let at = vec![Vec::new(); seen.facts.len()];
        let mut reading = Reading { seen, at, beside: BTreeMap::new(), ties: BTreeMap::new(), least, argument };
        for term in &form.terms {
            reading.add(term.node, term.coefficients.row(0).iter().copied().enumerate());
        }
        for tie in &rows.ties {
            let len = seen.bounds_of(tie.node).len();
            let of_node = reading.ties.entry((tie.node, tie.reader)).or_insert_with(|| vec![None; len]);
            of_node[tie.neuron] = Some(multiplier(tie.row));
        }
        let largest = rows.cuts.iter().map(|(row, _)| -multiplier(*row)).fold(0.0, f64::max);
        for (row, cut) in &rows.cuts {
            let factor = -multiplier(*row);
            if factor <= NEGLIGIBLE * largest || cut.proof(seen, self.backend).is_none() {
                continue;
            }
            reading.argument.cuts.push((cut.clone(), factor));
            let of_group = |c: &[f64]| cut.neurons.iter().zip(c).map(|(&i, c)| (i, factor * c)).collect::<Vec<_>>();
            reading.add(cut.node, of_group(&cut.facet.y).into_iter());
            let beside = reading.beside.entry(cut.node).or_default();
            beside.resize(seen.bounds_of(cut.node).len(), 0.0);
            of_group(&cut.facet.z).into_iter().for_each(|(i, c)| beside[i] += c);
        }
        let half_spaces = rows.half_spaces.iter().map(|&row| -multiplier(row)).enumerate();
        reading.argument.half_spaces = half_spaces.filter(|(_, factor)| *factor > 0.0).collect();
        for id in (1..reading.at.len()).rev() {
            let a = std::mem::take(&mut reading.at[id]);
            match &seen.network.node(id).kind {
                _ if a.is_empty() => {}
                NodeKind::Input => {}
                NodeKind::Affine(affine) => reading.affine(id, affine, a),
                NodeKind::Activation(activation) => reading.activation(id, activation, &a),
                NodeKind::Product(_) => return None,
            }
        }
        Some(reading.argument)
    }
}

/// A lower bound of a form by an argument; the sums of coefficients are rounded without charge, so that only what a linear
/// program certifies besides may be believed, which is what every caller takes the minimum with.
fn evaluated(form: &LinearForms, argument: &Argument, seen: &Trace<LpFact>) -> Option<f64> {
    let mut terms: BTreeMap<NodeId, Array2<f64>> = BTreeMap::new();
    let mut constant = form.constants[0];
    let mut add = |node: NodeId, i: usize, c: f64| {
        let len = seen.bounds_of(node).len();
        terms.entry(node).or_insert_with(|| Array2::zeros((1, len)))[[0, i]] += c;
    };
    for &((node, i), factor) in &argument.bounds {
        let z = seen.bounds_of(node).get(i);
        constant = add_down(constant, mul_down(factor, if factor > 0.0 { z.lo } else { z.hi }));
        add(node, i, -factor);
    }
    for (k, factor) in &argument.half_spaces {
        let half_space = &seen.region.half_spaces()[*k];
        half_space.terms.iter().for_each(|(i, c)| add(0, *i, factor * crate::num::nearest(c)));
        constant = add_down(constant, mul_down(-*factor, crate::num::enclose(&half_space.rhs).hi));
    }
    for (cut, factor) in &argument.cuts {
        let NodeKind::Activation(activation) = &seen.network.node(cut.node).kind else { return None };
        for (j, &i) in cut.neurons.iter().enumerate() {
            add(activation.source, i, factor * cut.facet.z[j]);
            add(cut.node, i, factor * cut.facet.y[j]);
        }
        constant = add_down(constant, mul_down(-*factor, cut.proved()?.rhs));
    }
    let more = terms.into_iter().map(|(node, coefficients)| FormTerm { node, coefficients, radius: None });
    let whole = LinearForms { terms: form.terms.iter().cloned().chain(more).collect(), constants: vec![constant] };
    let history = Chosen { seen, replaced: replaced(argument, seen) };
    let back = BackSubstitution {
        network: &seen.network,
        region: seen.region,
        history: &history,
        concretise: Concretise::Every,
        budget: seen.run.budget,
        spare: &seen.spare,
    };
    back.minima(&whole).ok().map(|minima| minima[0])
}

/// The lines of the slopes that an argument names.
fn replaced(argument: &Argument, seen: &Trace<LpFact>) -> BTreeMap<NodeId, Relaxation> {
    let of_node = |(&id, slopes): (&NodeId, &Vec<(usize, [f64; 2])>)| {
        let NodeKind::Activation(activation) = &seen.network.node(id).kind else { return None };
        let mut relaxation = seen.facts[id].as_ref().relaxation().clone();
        let Relaxation::Activation(lines) = &mut relaxation else { return None };
        let z = seen.bounds_of(activation.source);
        for &(i, [below, above]) in slopes {
            let band = |slope| activation.function.band(z.reach(i), slope);
            let lower = Line { slope: below, intercept: band(below).lo };
            let upper = Line { slope: above, intercept: band(above).hi };
            lines.replace(i, Lines { lower, upper }, z.get(i));
        }
        Some((id, relaxation))
    };
    argument.slopes.iter().filter_map(of_node).collect()
}
