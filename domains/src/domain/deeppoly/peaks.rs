//! Planes above maxima for back-substitution: each goes over the largest entry alone, the plane of least volume that attains the
//! best bound.

use super::relaxation::{NodeLines, Relaxation};
use crate::activation::{Line, Lines};
use crate::domain::{NodeBounds, peak_line};
use crate::network::{
    Affine, Coefficients, LinearMap, Maxima, Network, NodeId, NodeKind, PullBackError, Rounding, Term,
};
use crate::num::Interval;

/// Planes above the maxima of a node.
#[derive(Clone, Debug)]
pub struct Peaks {
    /// The maxima that have one.
    pub(super) neurons: Vec<usize>,
    /// Each as a line over one of the entries; nothing where there is none.
    pub(super) lines: NodeLines,
    /// Which entry that is, and what passing it loses.
    pub(super) term: Term,
    pub(super) error: PullBackError,
}

/// The largest and the middle value of what the lines above say of the maxima, over the ranges of the entries: coefficients
/// of maxima are not below zero on their way through the lines. `None` where other nodes are between.
fn by_lines<'a>(
    maxima: &Maxima,
    network: &Network,
    entries: &NodeBounds,
    relaxation: &dyn Fn(NodeId) -> &'a Relaxation,
) -> Option<[Vec<f64>; 2]> {
    let middle = (0..entries.len()).map(|i| entries.get(i).middle()).collect();
    let of = |entries: Vec<f64>| -> Option<Vec<f64>> {
        let mut values = vec![Vec::new(); maxima.node + 1];
        values[maxima.source] = entries;
        for id in maxima.source + 1..=maxima.node {
            let node = network.node(id);
            if node.sources().any(|source| values[source].is_empty()) {
                continue;
            }
            values[id] = match (&node.kind, relaxation(id)) {
                (NodeKind::Affine(affine), _) => affine.evaluate::<f64>(&values, node.len)?,
                (NodeKind::Activation(activation), Relaxation::Activation(lines)) => {
                    let above = |(i, &z): (usize, &f64)| lines.get(i).upper.slope * z + lines.get(i).upper.intercept;
                    values[activation.source].iter().enumerate().map(above).collect()
                }
                _ => return None,
            };
        }
        Some(values.swap_remove(maxima.node)).filter(|values| !values.is_empty())
    };
    Some([of(entries.upper().to_vec())?, of(middle)?])
}

impl Peaks {
    /// The planes that enclose less with the ranges of the entries than what the lines say together.
    pub(super) fn new<'a>(
        maxima: &Maxima,
        network: &Network,
        entries: &NodeBounds,
        relaxation: &dyn Fn(NodeId) -> &'a Relaxation,
    ) -> Option<Self> {
        let [at_largest, at_middle] = by_lines(maxima, network, entries, relaxation)?;
        let nothing = Line { slope: 0.0, intercept: 0.0 };
        let mut neurons = Vec::new();
        let mut index = vec![None; maxima.groups.len()];
        let mut lines = Vec::with_capacity(maxima.groups.len());
        for (k, group) in maxima.groups.iter().enumerate() {
            let ranges: Vec<Interval> = group.iter().map(|&i| entries.get(i)).collect();
            let (place, line) = peak_line(&ranges);
            let [largest, middle] = [ranges[place].hi, ranges[place].middle()].map(|z| line.slope * z + line.intercept);
            let is_better = middle < at_middle[k] || middle == at_middle[k] && largest < at_largest[k];
            let is_taken = is_better && line.intercept.is_finite();
            if is_taken {
                neurons.push(k);
                index[k] = Some(group[place]);
            }
            lines.push(if is_taken { line } else { nothing });
        }
        if neurons.is_empty() {
            return None;
        }
        let z: NodeBounds = index.iter().map(|i| i.map_or(Interval::ZERO, |i| entries.get(i))).collect();
        let lines = NodeLines::of(&z, |k| Lines { lower: nothing, upper: lines[k] });
        let map = LinearMap::Select { input_len: entries.len(), index };
        let term = Term { source: maxima.source, map: map.into() };
        let bias = Coefficients::zeros(maxima.groups.len());
        let affine = Affine { rounding: Rounding::exact(&bias), terms: vec![term.clone()], bias };
        let error = affine.pull_back_error(|_| entries.magnitudes());
        Some(Self { neurons, lines, term, error })
    }
}
