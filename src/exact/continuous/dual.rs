//! Lower bounds of forms from below-lines with free slopes α and multipliers β of split neurons, made large
//! by gradient steps in plain floats (α-CROWN, Xu et al. 2021; β-CROWN, Wang et al. 2021). What comes out
//! is a guess at good α and β: certified back-substitution turns them into a bound.

use super::splits::Side;
use crate::domains::activation::Piece;
use crate::domains::domain::Bounds;
use crate::domains::network::{Affine, LinearMap, Network, NodeId, NodeKind};
use crate::domains::num::Interval;
use crate::domains::num::gemm::multiply_into;
use ndarray::{Array2, Axis, aview1};

/// The relaxation of one activation node that one row uses.
#[derive(Clone, Default)]
pub(super) struct Slopes {
    /// Lower slopes: α where the neuron is free, else that of its only segment.
    pub low: Vec<f64>,
    /// Slopes of the upper lines.
    pub up: Vec<f64>,
    /// Their intercepts.
    pub intercept: Vec<f64>,
    /// Whether the neuron is unstable and not split.
    pub free: Vec<bool>,
}

impl Slopes {
    /// Puts a neuron on its left or right segment.
    pub fn fix(&mut self, i: usize, slope: f64) {
        (self.low[i], self.up[i], self.intercept[i], self.free[i]) = (slope, slope, 0.0, false);
    }
}

/// One form with its relaxation and multipliers.
#[derive(Clone)]
pub(super) struct Row {
    /// The node that the form reads, besides the input; the same for all rows of a batch.
    pub start: NodeId,
    /// Coefficients over it.
    pub output: Vec<f64>,
    /// Coefficients over the input.
    pub input: Vec<f64>,
    pub constant: f64,
    /// One per node; empty for nodes that are no activations.
    pub slopes: Vec<Slopes>,
    pub sides: Vec<Side>,
    /// Multipliers, one per side.
    pub beta: Vec<f64>,
}

/// The two slopes of an activation with one convex corner at zero, such as ReLU.
pub(super) fn corner(pieces: &[Piece]) -> Option<(f64, f64)> {
    let [left, right] = pieces else { return None };
    let is_corner = right.from == 0.0 && left.intercept == 0.0 && right.intercept == 0.0 && left.slope <= right.slope;
    is_corner.then_some((left.slope, right.slope))
}

/// The relaxation over `bounds`, with DeepPoly's lower slopes at first; `None` for other activations.
pub(super) fn slopes(network: &Network, bounds: &Bounds) -> Option<Vec<Slopes>> {
    let mut all = vec![Slopes::default(); network.nodes().len()];
    for (id, activation) in network.activations() {
        let (left, right) = corner(activation.function.pieces())?;
        for Interval { lo: l, hi: u } in bounds.get(activation.source)?.iter() {
            let to = &mut all[id];
            let (low, up, intercept, free) = if l >= 0.0 {
                (right, right, 0.0, false)
            } else if u <= 0.0 {
                (left, left, 0.0, false)
            } else {
                let chord = (right * u - left * l) / (u - l);
                (if u >= -l { right } else { left }, chord, (right - chord) * u, true)
            };
            to.low.push(low);
            to.up.push(up);
            to.intercept.push(intercept);
            to.free.push(free);
        }
    }
    Some(all)
}

/// What a pass back and forth found of a batch of rows.
pub(super) struct Pass {
    /// The rows' bounds.
    pub values: Vec<f64>,
    /// Where over the box they are attained, one row each.
    pub inputs: Array2<f64>,
    /// For each activation node the coefficients of its outputs.
    pub coefficients: Vec<Option<Array2<f64>>>,
    /// The relaxed network's values at `inputs`, by node; empty when not asked for.
    pub nodes: Vec<Array2<f64>>,
}

impl Pass {
    /// What was found of some of the rows.
    pub fn select(&self, rows: &[usize]) -> Self {
        let of = |a: &Array2<f64>| a.select(Axis(0), rows);
        Self {
            values: rows.iter().map(|&r| self.values[r]).collect(),
            inputs: of(&self.inputs),
            coefficients: self.coefficients.iter().map(|a| a.as_ref().map(of)).collect(),
            nodes: self.nodes.iter().map(of).collect(),
        }
    }
}

/// How far the relaxation of neuron `i` of the activation node `id` is from the network at the minimiser of row `r`,
/// times the row's coefficient.
pub(super) fn missed(network: &Network, found: &Pass, id: NodeId, r: usize, i: usize) -> f64 {
    let (Some(a), NodeKind::Activation(activation)) = (&found.coefficients[id], &network.node(id).kind) else {
        return 0.0;
    };
    let Some((left, right)) = corner(activation.function.pieces()) else { return 0.0 };
    let (z, y) = (found.nodes[activation.source][[r, i]], found.nodes[id][[r, i]]);
    a[[r, i]].abs() * (y - (z * left).max(z * right)).abs()
}

pub(super) fn add(sum: &mut Option<Array2<f64>>, more: Array2<f64>) {
    match sum {
        Some(sum) => *sum += &more,
        None => *sum = Some(more),
    }
}

/// `x Wᵀ` added to `sums`, row by row.
fn push(map: &LinearMap, x: &Array2<f64>, sums: &mut Array2<f64>) {
    if let LinearMap::Dense(w) = map {
        let mut product = Array2::zeros(sums.dim());
        multiply_into(x.view(), w.t(), product.view_mut());
        *sums += &product;
        return;
    }
    for (x, mut sum) in x.rows().into_iter().zip(sums.rows_mut()) {
        if let (Some(x), Some(sum)) = (x.to_slice(), sum.as_slice_mut()) {
            // Floats exist for every parameter.
            let _ = map.apply_to(x, sum);
        }
    }
}

/// What the terms of an affine node make of the values of the nodes before it, row by row, added to `sums`.
pub(super) fn affine_forward(affine: &Affine, values: &[Array2<f64>], mut sums: Array2<f64>) -> Array2<f64> {
    for term in &affine.terms {
        push(&term.map, &values[term.source], &mut sums);
    }
    sums
}

/// Goes from the forms to the input and, if `forth`, from the minimisers through the lines that were used.
pub(super) fn pass(network: &Network, ranges: &[Interval], rows: &[&Row], forth: bool) -> Pass {
    let count = rows.len();
    let start = rows.first().map_or(0, |r| r.start);
    let mut values: Vec<f64> = rows.iter().map(|r| r.constant).collect();
    let mut adjoints: Vec<Option<Array2<f64>>> = vec![None; network.nodes().len()];
    let mut coefficients: Vec<Option<Array2<f64>>> = vec![None; network.nodes().len()];
    let matrix = |of: fn(&Row) -> &Vec<f64>, n: usize| {
        let mut matrix = Array2::zeros((count, n));
        matrix.rows_mut().into_iter().zip(rows).for_each(|(mut to, row)| to.assign(&aview1(of(row))));
        matrix
    };
    adjoints[0] = Some(matrix(|r| &r.input, network.input_len()));
    add(&mut adjoints[start], matrix(|r| &r.output, network.node(start).len));
    for id in (1..=start).rev() {
        let Some(mut a) = adjoints[id].take() else { continue };
        match &network.node(id).kind {
            NodeKind::Input => {}
            NodeKind::Affine(affine) => {
                for (r, row) in rows.iter().enumerate() {
                    for (side, beta) in row.sides.iter().zip(&row.beta).filter(|(side, _)| side.node == id) {
                        a[[r, side.neuron]] -= side.sign() * beta;
                    }
                }
                if !affine.bias.is_zero() {
                    let bias = aview1(affine.bias.values());
                    values.iter_mut().zip(a.rows()).for_each(|(value, a)| *value += a.dot(&bias));
                }
                for term in &affine.terms {
                    add(&mut adjoints[term.source], term.map.pull_back(a.view()));
                }
            }
            NodeKind::Activation(activation) => {
                coefficients[id] = Some(a.clone());
                for ((row, value), mut a) in rows.iter().zip(&mut values).zip(a.rows_mut()) {
                    let s = &row.slopes[id];
                    for (i, a) in a.iter_mut().enumerate() {
                        if *a > 0.0 {
                            *a *= s.low[i];
                        } else {
                            *value += *a * s.intercept[i];
                            *a *= s.up[i];
                        }
                    }
                }
                add(&mut adjoints[activation.source], a);
            }
        }
    }
    let at_input = adjoints.swap_remove(0).unwrap_or_default();
    let mut inputs = at_input.clone();
    for mut x in inputs.rows_mut() {
        x.iter_mut().zip(ranges).for_each(|(x, range)| *x = if *x > 0.0 { range.lo } else { range.hi });
    }
    for (value, (a, x)) in values.iter_mut().zip(at_input.rows().into_iter().zip(inputs.rows())) {
        *value += a.dot(&x);
    }
    let mut nodes = Vec::new();
    if forth {
        nodes.push(inputs.clone());
        for (id, node) in network.nodes().iter().enumerate().take(start + 1).skip(1) {
            let next = match &node.kind {
                NodeKind::Input => inputs.clone(),
                NodeKind::Affine(affine) => {
                    let bias = affine.bias.values();
                    let sums = aview1(bias).broadcast((count, bias.len())).map(|sums| sums.to_owned());
                    affine_forward(affine, &nodes, sums.unwrap_or_default())
                }
                NodeKind::Activation(activation) => {
                    let mut y = nodes[activation.source].clone();
                    for (r, (row, mut y)) in rows.iter().zip(y.rows_mut()).enumerate() {
                        let s = &row.slopes[id];
                        let a = coefficients[id].as_ref().map(|a| a.row(r));
                        for (i, y) in y.iter_mut().enumerate() {
                            let below = a.as_ref().is_some_and(|a| a[i] > 0.0);
                            *y = if below { *y * s.low[i] } else { *y * s.up[i] + s.intercept[i] };
                        }
                    }
                    y
                }
            };
            nodes.push(next);
        }
    }
    Pass { values, inputs, coefficients, nodes }
}

/// First and second moments of a gradient (Kingma & Ba 2015).
#[derive(Clone, Default)]
struct Moments(Vec<(f64, f64)>);

impl Moments {
    /// The step of entry `i` for gradient `g`, of length about 1.
    fn step(&mut self, i: usize, g: f64, round: usize) -> f64 {
        if self.0.len() <= i {
            self.0.resize(i + 1, (0.0, 0.0));
        }
        let (m, v) = &mut self.0[i];
        *m = 0.9 * *m + 0.1 * g;
        *v = 0.99 * *v + 0.01 * g * g;
        let t = round as i32 + 1;
        let (m, v) = (*m / (1.0 - 0.9f64.powi(t)), *v / (1.0 - 0.99f64.powi(t)));
        m / (v.sqrt() + 1e-12)
    }
}

/// How a batch of rows is improved.
#[derive(Clone, Copy)]
pub(super) struct Ascent {
    /// Rounds at most.
    pub rounds: usize,
    /// First step of slopes, as a share of their range.
    pub alpha: f64,
    /// First step of multipliers, times the scale of the form's coefficients at the neuron.
    pub beta: f64,
    /// Whether rows that do not seem to reach the goal are left early.
    pub gives_up: bool,
}

/// Steps shrink by this factor per round.
const DECAY: f64 = 0.95;

/// After so many rounds each it is asked whether a row can still reach its goal.
const STAGE: usize = 4;

/// Improves α and β of the rows in place until their bounds exceed `goal` or the rounds are over; returns
/// the pass over the final rows.
pub(super) fn ascend(
    network: &Network,
    ranges: &[Interval],
    rows: &mut [Row],
    how: Ascent,
    goal: f64,
    is_spent: impl Fn() -> bool,
) -> Pass {
    let mut best: Vec<(f64, Row)> = rows.iter().map(|r| (f64::NEG_INFINITY, r.clone())).collect();
    let mut moments: Vec<(Vec<Moments>, Moments)> =
        rows.iter().map(|r| (vec![Moments::default(); r.slopes.len()], Moments::default())).collect();
    let mut at_stage = vec![f64::NEG_INFINITY; rows.len()];
    let mut is_hopeless = vec![false; rows.len()];
    for round in 0..=how.rounds {
        if round % STAGE == 1 {
            // Gains dwindle: who would miss the goal at the pace of the last rounds, misses it.
            let stages = (how.rounds - round) as f64 / STAGE as f64;
            for (r, (value, _)) in best.iter().enumerate() {
                is_hopeless[r] = how.gives_up && value + stages * (value - at_stage[r]) <= goal;
                at_stage[r] = *value;
            }
        }
        // Rows at their goal rest.
        let active: Vec<usize> = (0..rows.len()).filter(|&r| best[r].0 <= goal && !is_hopeless[r]).collect();
        if active.is_empty() || is_spent() {
            break;
        }
        let is_last = round == how.rounds;
        let found = pass(network, ranges, &active.iter().map(|&r| &rows[r]).collect::<Vec<_>>(), !is_last);
        let rate = DECAY.powi(round as i32);
        for (k, &r) in active.iter().enumerate() {
            if found.values[k] > best[r].0 {
                best[r] = (found.values[k], rows[r].clone());
            }
            if is_last {
                continue;
            }
            let (of_slopes, of_beta) = &mut moments[r];
            for (id, activation) in network.activations() {
                let Some(a) = &found.coefficients[id] else { continue };
                let Some((left, right)) = corner(activation.function.pieces()) else { continue };
                let (a, z) = (a.row(k), found.nodes[activation.source].row(k));
                let s = &mut rows[r].slopes[id];
                for i in (0..s.low.len()).filter(|&i| s.free[i]) {
                    let gradient = if a[i] > 0.0 { a[i] * z[i] } else { 0.0 };
                    let step = of_slopes[id].step(i, gradient, round);
                    s.low[i] = (s.low[i] + how.alpha * rate * (right - left) * step).clamp(left, right);
                }
            }
            let scale = rows[r].output.iter().fold(0.0f64, |m, c| m.max(c.abs()));
            for j in 0..rows[r].sides.len() {
                let side = rows[r].sides[j];
                let z = found.nodes[side.node][[k, side.neuron]];
                let step = of_beta.step(j, -side.sign() * z, round);
                rows[r].beta[j] = (rows[r].beta[j] + how.beta * rate * scale * step).max(0.0);
            }
        }
    }
    for (row, (_, found)) in rows.iter_mut().zip(best) {
        *row = found;
    }
    pass(network, ranges, &rows.iter().collect::<Vec<_>>(), true)
}
