//! Neuron splitting for larger networks (β-CROWN, Wang et al. 2021): the bounds of the neurons are
//! mostly kept, and each part of the search is bounded by slopes and multipliers that were improved by
//! gradient steps, then certified.

use super::certify::{Passing, affine_relaxations, certified, node_lines};
use super::dual::{self, Ascent, Row, Slopes};
use super::search::{Examined, Part, Space};
use super::{Problem, cells};
use crate::domains::domain::{
    Bounds, DeepPoly, DeepPolyWithin, DomainError, NodeBounds, NodeLines, Relaxation, Run, propagate,
};
use crate::domains::network::{Network, NodeId, NodeKind};
use crate::domains::num::Interval;
use crate::domains::verdict::Witness;
use crate::engine::attack::try_candidates;
use std::collections::VecDeque;
use std::sync::Arc;

/// The side of zero on which the pre-activation of a neuron is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    /// The node of the pre-activation.
    pub node: NodeId,
    pub neuron: usize,
    /// At least zero; otherwise at most.
    pub above: bool,
}

impl Side {
    pub fn sign(&self) -> f64 {
        if self.above { 1.0 } else { -1.0 }
    }

    fn range(&self) -> Interval {
        if self.above { Interval { lo: 0.0, hi: f64::INFINITY } } else { Interval { lo: f64::NEG_INFINITY, hi: 0.0 } }
    }
}

/// One disjunct where some neurons keep to one side.
pub(super) struct Sides {
    /// The disjunct.
    open: [(usize, f64); 1],
    /// The atom that is to be refuted, as a row of the problem's forms.
    form: usize,
    bounds: Arc<Bounds>,
    /// Lines over bounds at least as wide.
    lines: Arc<Vec<Option<NodeLines>>>,
    sides: Vec<Side>,
    beta: Vec<f64>,
    /// Lower slopes of each activation node's neurons.
    alpha: Arc<Vec<Vec<f64>>>,
    /// Sides taken since the neurons were last bounded.
    since: usize,
}

impl Part for Sides {
    fn open(&self) -> &[(usize, f64)] {
        &self.open
    }
}

/// Neuron splitting of one case.
pub(super) struct Splits<'a> {
    pub problem: &'a Problem<'a>,
    /// Errors of passing the affine nodes, over the whole region.
    affine: Vec<Relaxation>,
    /// Sides after which the neurons behind them are bounded again.
    refresh: usize,
}

const AT_ROOT: Ascent = Ascent { rounds: 40, alpha: 0.25, beta: 0.1 };
const BELOW: Ascent = Ascent { rounds: 12, alpha: 0.1, beta: 0.1 };

/// Rows whose guess exceeds this are left alone.
const GOAL: f64 = 1e-6;

/// How many unstable neurons are few.
const FEW_UNSTABLE: usize = 400;

/// Neurons of each kind of score that are tried for the next split.
const TRIED: usize = 4;

/// Whether every activation is one that can be split this way.
pub(super) fn applies(network: &Network) -> bool {
    network.activations().all(|(_, a)| dual::corner(a.function.pieces()).is_some())
}

impl<'a> Splits<'a> {
    pub fn new(problem: &'a Problem<'a>) -> Option<Self> {
        let network = problem.network;
        if problem.bounds.nodes().len() != network.nodes().len() {
            return None;
        }
        let affine = affine_relaxations(network, &problem.bounds);
        // Bounding few neurons again costs little next to the gradient steps.
        let is_cheap = network.activations().count() <= 2 || cells::unstable(network, &problem.bounds) <= FEW_UNSTABLE;
        Some(Self { problem, affine, refresh: if is_cheap { 1 } else { 3 } })
    }

    /// A part per disjunct: the atom with the best bound stands for it.
    pub fn roots(&self, open: &[(usize, f64)]) -> Result<Vec<Sides>, DomainError> {
        let Problem { network, case, run, .. } = *self.problem;
        let bounds = Arc::new(self.problem.bounds.clone());
        let lines = Arc::new(node_lines(network, &bounds));
        let slopes = dual::slopes(network, &bounds).unwrap_or_default();
        let alpha: Arc<Vec<Vec<f64>>> = Arc::new(slopes.into_iter().map(|s| s.low).collect());
        let base = DeepPoly::default();
        let domain = DeepPolyWithin { base, known: &bounds };
        let trace = propagate(&domain, network, &case.region, &bounds, Run::silent(run.budget))?;
        let minima = base.back_substitution(&trace).minima(&self.problem.forms)?;
        let root = |&(d, bound): &(usize, f64)| {
            let form = self.problem.rows[d].clone().max_by(|&a, &b| minima[a].total_cmp(&minima[b]))?;
            Some(Sides {
                open: [(d, bound.max(minima[form]))],
                form,
                bounds: Arc::clone(&bounds),
                lines: Arc::clone(&lines),
                sides: Vec::new(),
                beta: Vec::new(),
                alpha: Arc::clone(&alpha),
                since: 0,
            })
        };
        Ok(open.iter().filter_map(root).collect())
    }

    /// Bounds the neurons again, where enough sides were taken. `Some(false)` when no input is left.
    fn refresh(&self, part: &mut Sides) -> Result<bool, DomainError> {
        if part.since < self.refresh {
            return Ok(true);
        }
        let Problem { network, case, run, .. } = *self.problem;
        let domain = DeepPolyWithin { base: DeepPoly::default(), known: &part.bounds };
        match propagate(&domain, network, &case.region, &part.bounds, Run::silent(run.budget)) {
            Ok(trace) => {
                part.bounds = Arc::new(trace.bounds());
                part.lines = Arc::new(node_lines(network, &part.bounds));
                part.since = 0;
                Ok(true)
            }
            Err(DomainError::Contradiction { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// The part as a row of the dual problem.
    fn row(&self, part: &Sides) -> Row {
        let Problem { network, forms, .. } = self.problem;
        let mut slopes: Vec<Slopes> = dual::slopes(network, &part.bounds).unwrap_or_default();
        for (s, alpha) in slopes.iter_mut().zip(part.alpha.iter()) {
            for (i, &alpha) in alpha.iter().enumerate() {
                if s.free[i] {
                    s.low[i] = alpha;
                }
            }
        }
        let mut row = Row {
            start: network.output(),
            output: vec![0.0; network.output_len()],
            input: vec![0.0; network.input_len()],
            constant: forms.constants[part.form],
            slopes,
            sides: part.sides.clone(),
            beta: part.beta.clone(),
        };
        for term in &forms.terms {
            let to = if term.node == 0 { &mut row.input } else { &mut row.output };
            to.iter_mut().zip(term.coefficients.row(part.form)).for_each(|(to, c)| *to += c);
        }
        row
    }

    /// A certified bound of the part's atom from the row's slopes and multipliers.
    fn certify(&self, part: &Sides, row: &Row) -> Result<f64, DomainError> {
        let forms = self.problem.forms.select(&[part.form]);
        certified(self.problem, &Passing { bounds: &part.bounds, lines: &part.lines, affine: &self.affine }, row, forms)
    }

    /// Of the candidates the neuron whose two sides both raise the bound most.
    fn choose(&self, row: &Row, candidates: &[(NodeId, usize)], ranges: &[Interval]) -> Option<(NodeId, usize)> {
        let network = self.problem.network;
        let mut halves = Vec::new();
        for &(id, i) in candidates {
            let NodeKind::Activation(activation) = &network.node(id).kind else { return None };
            let (left, right) = dual::corner(activation.function.pieces())?;
            for slope in [left, right] {
                let mut half = row.clone();
                half.slopes[id].fix(i, slope);
                halves.push(half);
            }
        }
        let values = dual::pass(network, ranges, &halves.iter().collect::<Vec<_>>(), false).values;
        let gain = |pair: &[f64]| pair[0].min(pair[1]) + 0.05 * pair[0].max(pair[1]);
        let best = values.chunks(2).enumerate().max_by(|a, b| gain(a.1).total_cmp(&gain(b.1)))?;
        candidates.get(best.0).copied()
    }
}

fn with_side(bounds: &Bounds, side: Side) -> Bounds {
    let mut nodes = bounds.nodes().to_vec();
    let only: NodeBounds =
        (0..nodes[side.node].len()).map(|j| if j == side.neuron { side.range() } else { Interval::ALL }).collect();
    nodes[side.node].intersect(&only);
    Bounds::new(nodes)
}

impl Space for Splits<'_> {
    type Part = Sides;
    const TOGETHER: usize = 16;
    const MANY: usize = 3_000;

    fn attack(&self, open: &[usize], parts: usize) -> Option<Witness> {
        self.problem.attack(open, parts)
    }

    fn examine(&self, part: Sides) -> Result<Examined<Sides>, DomainError> {
        self.examine_all(vec![part]).pop().unwrap_or(Err(DomainError::OutOfTime))
    }

    fn examine_all(&self, mut parts: Vec<Sides>) -> Vec<Result<Examined<Sides>, DomainError>> {
        let Problem { network, case, first, attack, run, .. } = *self.problem;
        let ranges = case.region.bounds();
        let mut results: Vec<Option<Result<Examined<Sides>, DomainError>>> = Vec::new();
        let mut live = Vec::new();
        for (k, part) in parts.iter_mut().enumerate() {
            let (d, _) = part.open[0];
            results.push(match self.refresh(part) {
                Ok(true) => {
                    live.push(k);
                    None
                }
                Ok(false) => Some(Ok(Examined { closed: vec![(d, f64::INFINITY)], ..Examined::default() })),
                Err(error) => Some(Err(error)),
            });
        }
        let mut rows: Vec<Row> = live.iter().map(|&k| self.row(&parts[k])).collect();
        let is_root = live.iter().any(|&k| parts[k].sides.is_empty());
        let how = if is_root { AT_ROOT } else { BELOW };
        let is_spent = || run.budget.is_spent();
        let (_, found) = dual::ascend(network, ranges, &mut rows, how, GOAL, is_spent);
        for (r, &k) in live.iter().enumerate() {
            let (part, row) = (&parts[k], &rows[r]);
            let bound = match self.certify(part, row) {
                Ok(bound) => bound,
                Err(error) => {
                    results[k] = Some(Err(error));
                    continue;
                }
            };
            let (d, before) = part.open[0];
            let bound = bound.max(before);
            let mut examined = Examined::default();
            if bound > 0.0 {
                examined.closed.push((d, bound));
                results[k] = Some(Ok(examined));
                continue;
            }
            if attack {
                let x = VecDeque::from([found.inputs.row(r).to_vec()]);
                examined.witness = try_candidates(network, case, &[d], first, &x);
            }
            let candidates = dual::candidates(network, row, &found, r, TRIED);
            match self.choose(row, &candidates, ranges) {
                None => examined.stuck.push((d, bound)),
                Some((id, neuron)) => {
                    let alpha: Arc<Vec<Vec<f64>>> = Arc::new(row.slopes.iter().map(|s| s.low.clone()).collect());
                    let NodeKind::Activation(activation) = &network.node(id).kind else { continue };
                    for above in [false, true] {
                        let side = Side { node: activation.source, neuron, above };
                        examined.children.push(Sides {
                            open: [(d, bound)],
                            form: part.form,
                            bounds: Arc::new(with_side(&part.bounds, side)),
                            lines: Arc::clone(&part.lines),
                            sides: row.sides.iter().copied().chain([side]).collect(),
                            beta: row.beta.iter().copied().chain([0.0]).collect(),
                            alpha: Arc::clone(&alpha),
                            since: part.since + 1,
                        });
                    }
                }
            }
            results[k] = Some(Ok(examined));
        }
        results.into_iter().map(|r| r.unwrap_or(Err(DomainError::OutOfTime))).collect()
    }
}
