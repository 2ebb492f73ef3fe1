//! Which neuron to split: the one whose relaxation, were it exact, would raise the bounds most, to first order.
//!
//! What a relaxation loses reaches the bounds of forms on two ways: it is weighted by the form's coefficient, and it
//! widens the ranges of the unstable neurons behind it, whose own relaxations lose more then. In deep networks the
//! second way is the wider one (the indirect effect of Henriksen and Lomuscio 2021). A ReLU of range [l, u] loses up to
//! `−l u / (u − l)` above and `min(−l, u)` below, the first of which falls by `(l² + u²) / (u − l)²` per unit that the
//! two ends draw nearer, by the sum of both.

use super::dual::{self, Pass, Slopes};
use crate::domains::domain::Bounds;
use crate::domains::network::{Network, NodeId, NodeKind};
use crate::domains::num::gemm::multiply;
use ndarray::{Array1, Array2, Axis, concatenate};
use std::collections::BTreeSet;

/// Of what a neuron may lose below, the share that the line chosen there loses on the mean.
const SHARE_BELOW: f64 = 0.5;

/// Of what the relaxation behind a neuron loses, the share that one end of the neuron's range stands for.
const SHARE_OF_END: f64 = 0.5;

/// What the range of a neuron loses below per unit, on the mean.
const FALL_BELOW: f64 = 0.3;

/// Coefficients of some rows over the outputs of each activation node before them.
type Coefficients = Vec<Option<Array2<f64>>>;

/// An activation node, with what its unstable neurons lose.
struct Layer {
    id: NodeId,
    /// Lost above and below per unit of a coefficient; zero for stable neurons.
    above: Array1<f64>,
    below: Array1<f64>,
    /// How much less is lost per unit that an end of the range draws nearer.
    fall_above: Array1<f64>,
    fall_below: Array1<f64>,
    /// The unstable neurons, and the coefficients of their own bounds, first those of the lower ones.
    unstable: Vec<usize>,
    rows: Coefficients,
}

impl Layer {
    /// What each of the rows loses at each neuron.
    fn lost(rows: &Array2<f64>, above: &Array1<f64>, below: &Array1<f64>) -> Array2<f64> {
        let mut lost = rows.clone();
        for mut row in lost.rows_mut() {
            for (i, a) in row.iter_mut().enumerate() {
                *a = if *a < 0.0 { -*a * above[i] } else { *a * below[i] };
            }
        }
        lost
    }
}

/// What exact relaxations of an activation node's neurons would raise the bounds of some rows by; rows × neurons.
struct Gains {
    id: NodeId,
    unstable: Vec<usize>,
    /// On the first way.
    direct: Array2<f64>,
    /// On the second.
    indirect: Array2<f64>,
}

/// A neuron (of an activation node) that may be split.
pub(super) struct Candidate {
    pub id: NodeId,
    pub neuron: usize,
    /// For each row what its split gains through the ranges of the neurons behind it.
    pub indirect: Vec<f64>,
}

/// For each row the `few` neurons that promise most, and the `few` whose relaxation is farthest from the network where
/// the row's bound is attained; none when no neuron is unstable. `found` is of the rows alone, all on the same
/// relaxation but for the slopes below.
pub(super) fn candidates(
    network: &Network,
    bounds: &Bounds,
    slopes: &[Slopes],
    found: &Pass,
    few: usize,
) -> Vec<Candidate> {
    let count = found.values.len();
    let gains = gains(network, bounds, slopes, &found.coefficients, count);
    let all: Vec<(&Gains, usize)> = gains.iter().flat_map(|of| of.unstable.iter().map(move |&i| (of, i))).collect();
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    for r in 0..count {
        let promised = |(of, i): (&Gains, usize)| of.direct[[r, i]] + of.indirect[[r, i]];
        let missed = |(of, i): (&Gains, usize)| dual::missed(network, found, of.id, r, i);
        for score in [&promised as &dyn Fn((&Gains, usize)) -> f64, &missed] {
            let mut scored: Vec<(f64, usize)> = all.iter().enumerate().map(|(at, &of)| (score(of), at)).collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0));
            chosen.extend(scored.into_iter().take(few).map(|(_, at)| at));
        }
    }
    let candidate = |at: usize| {
        let (of, neuron) = all[at];
        Candidate { id: of.id, neuron, indirect: of.indirect.column(neuron).to_vec() }
    };
    chosen.into_iter().map(candidate).collect()
}

/// A row goes along with a choice that scores this share of its own best one.
const NEARLY: f64 = 0.7;

/// Chooses candidates by the scores (rows × candidates), each with the rows that it is for: rows that score nearly as
/// much with it as with their own best one share it. Earlier rows choose first.
pub(super) fn shared(scores: &Array2<f64>) -> Vec<(usize, Vec<usize>)> {
    let best = |r: usize| {
        let row = scores.row(r);
        (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]))
    };
    let mut left: Vec<(usize, usize)> = (0..scores.nrows()).filter_map(|r| Some((r, best(r)?))).collect();
    let mut choices = Vec::new();
    while let Some(&(first, choice)) = left.first() {
        let agrees = |&(r, own): &(usize, usize)| {
            let best: f64 = scores[[r, own]];
            r == first || scores[[r, choice]] >= best - (1.0 - NEARLY) * best.abs()
        };
        let (with, without): (Vec<_>, Vec<_>) = left.into_iter().partition(agrees);
        choices.push((choice, with.into_iter().map(|(r, _)| r).collect()));
        left = without;
    }
    choices
}

/// The gains of each activation node for rows whose coefficients over activation nodes are given.
fn gains(
    network: &Network,
    bounds: &Bounds,
    slopes: &[Slopes],
    rows: &[Option<Array2<f64>>],
    count: usize,
) -> Vec<Gains> {
    let layers: Vec<Layer> = network
        .activations()
        .map(|(id, activation)| {
            let z = &bounds.nodes()[activation.source];
            let free = &slopes[id].free;
            let of = |f: fn(f64, f64) -> f64| {
                Array1::from_iter(z.iter().zip(free).map(|(z, &free)| if free { f(z.lo, z.hi) } else { 0.0 }))
            };
            let unstable: Vec<usize> = (0..free.len()).filter(|&i| free[i]).collect();
            Layer {
                id,
                above: of(|l, u| -l * u / (u - l)),
                below: of(|l, u| SHARE_BELOW * u.min(-l)),
                fall_above: of(|l, u| (l * l + u * u) / ((u - l) * (u - l))),
                fall_below: of(|_, _| FALL_BELOW),
                rows: ranges(network, slopes, activation.source, &unstable),
                unstable,
            }
        })
        .collect();
    // From the last layer on: what a unit of each neuron's range is worth to each row.
    let mut worth: Vec<Array2<f64>> = layers.iter().map(|layer| Array2::zeros((count, layer.above.len()))).collect();
    let mut found = Vec::new();
    for (k, layer) in layers.iter().enumerate().rev() {
        let Layer { id, above, below, fall_above, fall_below, .. } = layer;
        let mut direct = Array2::zeros((count, above.len()));
        let mut indirect = direct.clone();
        let mut fall = direct.clone();
        if let Some(rows) = &rows[*id] {
            direct += &Layer::lost(rows, above, below);
            fall += &Layer::lost(rows, fall_above, fall_below);
        }
        for (later, worth) in layers.iter().zip(&worth).skip(k + 1) {
            let Some(rows) = &later.rows[*id] else { continue };
            let weights = worth.select(Axis(1), &later.unstable);
            let weights = concatenate![Axis(1), weights, weights];
            indirect += &multiply(weights.view(), Layer::lost(rows, above, below).view());
            fall += &multiply(weights.view(), Layer::lost(rows, fall_above, fall_below).view());
        }
        worth[k] = fall * SHARE_OF_END;
        found.push(Gains { id: *id, direct, indirect, unstable: layer.unstable.clone() });
    }
    found
}

/// Coefficients of one layer's ranges, at most: what a split does for the ranges of larger layers is not counted.
const MOST_ENTRIES: usize = 1 << 22;

/// The coefficients of the lower bounds of neurons of the affine node `source`, and then of their negatives, by
/// the relaxation of least area; nothing where no activation comes before.
fn ranges(network: &Network, slopes: &[Slopes], source: NodeId, neurons: &[usize]) -> Coefficients {
    let mut coefficients: Coefficients = vec![None; network.nodes().len()];
    let mut pending = coefficients.clone();
    let widest = network.nodes().iter().take(source + 1).skip(1).map(|node| node.len).max().unwrap_or(0);
    let is_first = network.activations().all(|(id, _)| id > source);
    if is_first || neurons.is_empty() || 2 * neurons.len() * widest > MOST_ENTRIES {
        return coefficients;
    }
    let mut units = Array2::zeros((2 * neurons.len(), network.node(source).len));
    for (row, &i) in neurons.iter().enumerate() {
        units[[row, i]] = 1.0;
        units[[row + neurons.len(), i]] = -1.0;
    }
    pending[source] = Some(units);
    for id in (1..=source).rev() {
        let Some(mut a) = pending[id].take() else { continue };
        match &network.node(id).kind {
            NodeKind::Input => {}
            NodeKind::Affine(affine) => {
                for term in affine.terms.iter().filter(|term| term.source > 0) {
                    dual::add(&mut pending[term.source], term.map.pull_back(a.view()));
                }
            }
            NodeKind::Activation(activation) => {
                coefficients[id] = Some(a.clone());
                let Slopes { low, up, .. } = &slopes[id];
                for mut row in a.rows_mut() {
                    for (i, a) in row.iter_mut().enumerate() {
                        *a *= if *a > 0.0 { low[i] } else { up[i] };
                    }
                }
                dual::add(&mut pending[activation.source], a);
            }
        }
    }
    coefficients
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn rows_that_agree_share_a_choice() {
        let scores = arr2(&[[1.0, 5.0, 2.0], [0.0, 4.0, 5.0], [9.0, 1.0, 0.0], [-1.0, -1.0, -2.0]]);
        // The second row loses a fifth by the first one's choice, the third nearly all; the last gains nothing anyway.
        assert_eq!(shared(&scores), [(1, vec![0, 1, 3]), (0, vec![2])]);
        assert!(shared(&Array2::zeros((2, 0))).is_empty());
    }
}
