//! Signum neurons as plain thresholds.
//!
//! A signum depends only on the sign of what it reads, so every row before it may be divided by a
//! positive number. Batch normalisation becomes a threshold that way, `sign(γ (z − μ)/√(v+ε) + β)`
//! `= sign(±z + τ)`; weights `±α` become ±1; and where the neuron's inputs are signs themselves, its sum
//! lives on a lattice `o + gℤ`, so that τ moves to the middle of the gap that it lies in. A permutation
//! goes behind the signum, and the sign of a maximum becomes the maximum of signs, which is again a
//! threshold: `max y_i = sign(Σ y_i + n − 1)` for n values ±1.
//!
//! Nothing of this changes the function that the network computes, in real arithmetic.

mod lattice;
mod rows;

use super::float32::{Growth, RoundingRow};
use super::linear::Copies;
use super::{Activation, Affine, Coefficients, LinearMap, Maxima, Node, NodeId, NodeKind, Parameter, Rounding, Term};
use crate::activation::{ActivationFn, Sign};
use lattice::IntegerLattice;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Whether a node is a signum.
pub(super) fn is_signum(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Activation(activation) if activation.function.is_sign())
}

/// The same network with plain thresholds; nodes that the output does not need may be left out.
pub(super) fn plain_thresholds(
    nodes: Vec<Node>,
    output: NodeId,
    maxima: &HashMap<NodeId, Maxima>,
) -> (Vec<Node>, NodeId) {
    if !nodes.iter().any(is_signum) {
        return (nodes, output);
    }
    let mut rebuild = Rebuild { old: &nodes, maxima, new: Vec::new(), place: Vec::new(), lattices: Vec::new() };
    for (id, needed) in super::node::used(&nodes, output).into_iter().enumerate() {
        let place = if needed { rebuild.node(id) } else { NodeId::MAX };
        rebuild.place.push(place);
    }
    let output = rebuild.place[output];
    (rebuild.new, output)
}

/// Pre-activations `z_i = s_i · x_{index i} + τ_i` of signum neurons, up to positive factors; x is `base`.
#[derive(Debug)]
struct Thresholds {
    base: NodeId,
    index: Vec<usize>,
    /// −1, 0 or 1.
    sign: Vec<f64>,
    shift: Vec<Parameter>,
    /// What computing z from x in float32 can lose.
    rounding: Rounding,
}

impl Thresholds {
    /// `z = x`.
    fn of(base: NodeId, len: usize) -> Self {
        let rounding = Rounding { rows: vec![RoundingRow::NOTHING; len], ..Rounding::default() };
        Self { base, index: (0..len).collect(), sign: vec![1.0; len], shift: vec![Parameter::ZERO; len], rounding }
    }

    /// Through the affine node that `base` is, if that only shifts, scales or rearranges its entries.
    /// `None`, with nothing changed, otherwise.
    fn step(&mut self, nodes: &[Node]) -> Option<()> {
        let NodeKind::Affine(Affine { terms, bias, rounding: own }) = &nodes[self.base].kind else { return None };
        let [Term { source, map }] = &terms[..] else { return None };
        let copies = map.copies()?;
        let index = self.index.iter().map(|&i| copies.source(i)).collect::<Option<_>>()?;
        let (mut sign, mut shift) = (self.sign.clone(), self.shift.clone());
        let mut rounding = self.rounding.clone();
        rounding.later += own.operations();
        rounding.calls += own.calls;
        rounding.growth = Growth::behind(rounding.growth, own.growth);
        for (k, &i) in self.index.iter().enumerate().filter(|(k, _)| self.sign[*k] != 0.0) {
            let moved = match bias.parameter(i) {
                zero if zero == Parameter::ZERO => shift[k].clone(),
                b => shift[k].plus(&Parameter::float(sign[k]).times(&b)),
            };
            let factor = copies.factors.map(|d| d.parameter(i));
            let moved_magnitude = least_magnitude(&moved);
            let s = factor.as_ref().map_or(Some(1.0), Parameter::signum)?;
            shift[k] = match &factor {
                None => moved,
                Some(_) if s == 0.0 => Parameter::float(moved.signum()?),
                Some(d) => moved.over_magnitude(d)?,
            };
            // All of it is divided by the same positive number.
            let divisor = factor.map_or(1.0, |d| if s == 0.0 { moved_magnitude } else { least_magnitude(&d) });
            rounding.rows[k] = rounding.rows[k].plus(own.row(i)).divided(divisor);
            sign[k] *= s;
        }
        *self = Self { base: *source, index, sign, shift, rounding };
        Some(())
    }
}

/// A lower bound of the magnitude of a parameter.
fn least_magnitude(parameter: &Parameter) -> f64 {
    let range = parameter.enclosure();
    range.lo.max(-range.hi).max(0.0)
}

/// The inverse of a permutation.
fn inverse(index: &[usize]) -> Option<Vec<usize>> {
    let mut inverse = vec![usize::MAX; index.len()];
    for (k, &i) in index.iter().enumerate() {
        let slot = inverse.get_mut(i)?;
        if *slot != usize::MAX {
            return None;
        }
        *slot = k;
    }
    Some(inverse)
}

/// True when entry k is k for every k.
fn in_order(index: &[usize]) -> bool {
    index.iter().enumerate().all(|(k, i)| k == *i)
}

/// The network under reconstruction.
struct Rebuild<'a> {
    old: &'a [Node],
    maxima: &'a HashMap<NodeId, Maxima>,
    new: Vec<Node>,
    /// Where each old node is now.
    place: Vec<NodeId>,
    /// For each new node the lattices that its entries lie on, if they are known to.
    lattices: Vec<Option<Vec<IntegerLattice>>>,
}

impl Rebuild<'_> {
    /// The new place of old node `id`, all earlier ones being in place.
    fn node(&mut self, id: NodeId) -> NodeId {
        let node = &self.old[id];
        if let NodeKind::Activation(activation) = &node.kind
            && activation.function.is_sign()
        {
            return self.signum(&node.name, Thresholds::of(activation.source, node.len), &activation.function);
        }
        if let Some(maximum) = self.maxima.get(&id) {
            let source = self.place[maximum.source];
            if self.is_two_valued(source) {
                return self.maximum_of_signs(&node.name, source, &maximum.groups, &vec![true; node.len]);
            }
        }
        let kind = node.clone().moved(|source| self.place[source]).kind;
        self.push(&node.name, node.len, kind)
    }

    /// True when the entries of a new node are those of a signum without zero, perhaps rearranged.
    fn is_two_valued(&self, id: NodeId) -> bool {
        match &self.new[id].kind {
            NodeKind::Activation(activation) => activation.function.is_two_valued_sign(),
            NodeKind::Affine(Affine { terms, bias, .. }) if bias.is_zero() => match &terms[..] {
                [Term { source, map }] => {
                    let only_copies = |c: Copies| c.factors.is_none() && (0..bias.len()).all(|i| c.source(i).is_some());
                    map.copies().is_some_and(only_copies) && self.is_two_valued(*source)
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn push(&mut self, name: &str, len: usize, kind: NodeKind) -> NodeId {
        let lattice = lattice::of_node(&kind, len, &self.lattices);
        self.lattices.push(lattice);
        self.new.push(Node { len, kind, name: name.into() });
        self.new.len() - 1
    }

    fn linear(&mut self, name: &str, source: NodeId, map: LinearMap, bias: Coefficients) -> NodeId {
        let rounding = Rounding::exact(&bias);
        self.push(
            name,
            bias.len(),
            NodeKind::Affine(Affine { terms: vec![Term { source, map: map.into() }], bias, rounding }),
        )
    }

    /// The entries `index` of a new node.
    fn select(&mut self, name: &str, source: NodeId, index: &[usize]) -> NodeId {
        let input_len = self.new[source].len;
        if input_len == index.len() && in_order(index) {
            return source;
        }
        let index: Vec<Option<usize>> = index.iter().map(|&i| Some(i)).collect();
        let len = index.len();
        self.linear(name, source, LinearMap::Select { input_len, index }, Coefficients::zeros(len))
    }

    /// Adds the signum of these pre-activations.
    fn signum(&mut self, name: &str, mut z: Thresholds, function: &Arc<dyn ActivationFn>) -> NodeId {
        loop {
            if let Some(maximum) = self.maxima.get(&z.base)
                && function.is_two_valued_sign()
                && let Some(id) = self.sign_of_maximum(name, &z, maximum, function)
            {
                return id;
            }
            if z.step(self.old).is_none() {
                break;
            }
        }
        let order = z.index.clone();
        let permutation = if order.len() == self.old[z.base].len { inverse(&order) } else { None };
        if let Some(at) = &permutation {
            z.index = (0..order.len()).collect();
            z.sign = at.iter().map(|&k| z.sign[k]).collect();
            z.shift = at.iter().map(|&k| z.shift[k].clone()).collect();
            z.rounding.rows = at.iter().map(|&k| z.rounding.rows[k]).collect();
        }
        let (affine, function) = self.pre_activation(&z, function);
        let unchanged = match &affine.terms[..] {
            [Term { source, map }] if map.is_identity() && affine.bias.is_zero() && affine.rounding.is_exact() => {
                Some(*source)
            }
            _ => None,
        };
        let len = z.sign.len();
        let source = unchanged.unwrap_or_else(|| {
            let name = if matches!(self.old[z.base].kind, NodeKind::Affine(_)) { &self.old[z.base].name } else { name };
            self.push(name, len, NodeKind::Affine(affine))
        });
        let y =
            self.push(name, len, NodeKind::Activation(Activation { source, function, rounding: Rounding::default() }));
        if permutation.is_some() { self.select(name, y, &order) } else { y }
    }

    /// The affine node before signum neurons, and the simplest signum that does it.
    fn pre_activation(&mut self, z: &Thresholds, function: &Arc<dyn ActivationFn>) -> (Affine, Arc<dyn ActivationFn>) {
        let mut affine = self.merged(z).unwrap_or_else(|| self.beside(z));
        rows::divide_by_common_measure(&mut affine);
        let Some(sums) = lattice::of_sum(&affine.terms, z.sign.len(), &self.lattices) else {
            return (affine, Arc::clone(function));
        };
        let two_valued = function.is_two_valued_sign();
        let mut never_zero = true;
        let shift = |(i, sum): (usize, &IntegerLattice)| {
            let shift = affine.bias.parameter(i);
            let moved = sum.middle_of_gap(&shift, two_valued);
            never_zero &= moved.as_ref().is_some_and(|m| m.never_zero);
            moved.map_or(shift, |m| m.shift)
        };
        let moved = Coefficients::parameters(sums.iter().enumerate().map(shift).collect());
        let before = std::mem::replace(&mut affine.bias, moved);
        affine.rounding.moved = Some((before, never_zero && !two_valued));
        (affine, if never_zero { Arc::new(Sign) } else { Arc::clone(function) })
    }

    /// `s · x + τ` as one affine node with what computes x, where that keeps its structure.
    fn merged(&self, z: &Thresholds) -> Option<Affine> {
        let NodeKind::Affine(inner) = &self.old[z.base].kind else { return None };
        let index: Vec<Option<usize>> = z.index.iter().map(|&i| Some(i)).collect();
        let whole = z.index.len() == self.old[z.base].len && in_order(&z.index);
        let select = Arc::new(LinearMap::Select { input_len: self.old[z.base].len, index });
        let term = |t: &Term| {
            let rows = if whole { Arc::clone(&t.map) } else { LinearMap::compose(&select, &t.map)? };
            Some(Term { source: self.place[t.source], map: rows.signed(&z.sign)? })
        };
        let terms = inner.terms.iter().map(term).collect::<Option<_>>()?;
        let bias =
            |(k, &i): (usize, &usize)| z.shift[k].plus(&Parameter::float(z.sign[k]).times(&inner.bias.parameter(i)));
        let own = &inner.rounding;
        let rounding = Rounding {
            sum: own.sum,
            later: own.later + z.rounding.later,
            calls: own.calls + z.rounding.calls,
            rows: z.index.iter().zip(&z.rounding.rows).map(|(&i, row)| own.row(i).followed_by(*row)).collect(),
            growth: Growth::behind(z.rounding.growth, own.growth),
            moved: None,
        };
        Some(Affine { terms, bias: Coefficients::parameters(z.index.iter().enumerate().map(bias).collect()), rounding })
    }

    /// `s · x + τ` as an affine node that reads x.
    fn beside(&mut self, z: &Thresholds) -> Affine {
        let source = self.select(&self.old[z.base].name, self.place[z.base], &z.index);
        let map = match z.sign.iter().all(|s| *s == 1.0) {
            true => LinearMap::Identity(z.sign.len()),
            false => LinearMap::Diagonal(Coefficients::floats(z.sign.clone())),
        };
        let rounding = z.rounding.clone();
        Affine {
            terms: vec![Term { source, map: map.into() }],
            bias: Coefficients::parameters(z.shift.clone()),
            rounding,
        }
    }

    /// `sign(s · max x + τ)`: the maximum of the signs of `x + τ` for s = 1, the minimum of those of `−x + τ`
    /// for s = −1. `None` when an entry stands in two maxima with different thresholds.
    fn sign_of_maximum(
        &mut self,
        name: &str,
        z: &Thresholds,
        maximum: &Maxima,
        function: &Arc<dyn ActivationFn>,
    ) -> Option<NodeId> {
        let groups: Vec<&Vec<usize>> = z.index.iter().map(|&i| &maximum.groups[i]).collect();
        let mut threshold_of = BTreeMap::new();
        for (k, group) in groups.iter().enumerate() {
            for &entry in *group {
                let first = *threshold_of.entry(entry).or_insert(k);
                if (z.sign[first], &z.shift[first]) != (z.sign[k], &z.shift[k]) {
                    return None;
                }
            }
        }
        let signs = Thresholds {
            base: maximum.source,
            index: threshold_of.keys().copied().collect(),
            sign: threshold_of.values().map(|&k| z.sign[k]).collect(),
            shift: threshold_of.values().map(|&k| z.shift[k].clone()).collect(),
            rounding: Rounding {
                rows: threshold_of.values().map(|&k| z.rounding.rows[k]).collect(),
                ..z.rounding.clone()
            },
        };
        let rank: HashMap<usize, usize> = signs.index.iter().enumerate().map(|(rank, &entry)| (entry, rank)).collect();
        let groups: Vec<Vec<usize>> = groups.iter().map(|g| g.iter().map(|entry| rank[entry]).collect()).collect();
        let largest: Vec<bool> = z.sign.iter().map(|s| *s >= 0.0).collect();
        let y = self.signum(name, signs, function);
        Some(self.maximum_of_signs(name, y, &groups, &largest))
    }

    /// The largest of each group of entries, all of them ±1, or the smallest where `largest` is false:
    /// `sign(Σ y ± (n − 1))`.
    fn maximum_of_signs(&mut self, name: &str, source: NodeId, groups: &[Vec<usize>], largest: &[bool]) -> NodeId {
        let input_len = self.new[source].len;
        let widest = groups.iter().map(Vec::len).max().unwrap_or(0);
        let taken = |k: usize| groups.iter().map(|g| g.get(k).copied()).collect();
        let term = |k: usize| Term { source, map: LinearMap::Select { input_len, index: taken(k) }.into() };
        let shift = |(g, &largest): (&Vec<usize>, &bool)| {
            let others = g.len() as f64 - 1.0;
            if largest { others } else { -others }
        };
        let bias = Coefficients::floats(groups.iter().zip(largest).map(shift).collect());
        let len = groups.len();
        let rounding = Rounding::exact(&bias);
        let terms = (0..widest).map(term).collect();
        let sum = self.push(name, len, NodeKind::Affine(Affine { terms, bias, rounding }));
        let sign = Activation { source: sum, function: Arc::new(Sign), rounding: Rounding::default() };
        self.push(name, len, NodeKind::Activation(sign))
    }
}
