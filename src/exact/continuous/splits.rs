//! Neuron splitting for larger networks (β-CROWN, Wang et al. 2021): on each part of the search the neurons are
//! bounded again, and the margins by slopes and multipliers that were improved by gradient steps, then certified.
//! Disjuncts stay together as long as they want the same neurons split.

use super::Problem;
use super::branching::{self, Candidate};
use super::certify::{Passing, affine_relaxations, certified, node_lines};
use super::dual::{self, Ascent, Pass, Row, Slopes};
use super::search::{Examined, Part, Space};
use crate::attack::try_candidates;
use crate::domains::domain::{Bounds, DeepPoly, DeepPolyWithin, DomainError, NodeBounds, Relaxation, Run, propagate};
use crate::domains::network::{Network, NodeId, NodeKind};
use crate::domains::num::Interval;
use crate::domains::verdict::Witness;
use ndarray::Array2;
use std::ops::Range;
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

/// An atom that is to be refuted where some neurons keep to one side, and how that was tried before.
#[derive(Clone)]
struct Aim {
    /// The atom as a row of the problem's forms.
    form: usize,
    /// Multipliers of the sides.
    beta: Vec<f64>,
    /// Lower slopes of each activation node's neurons.
    alpha: Arc<Vec<Vec<f64>>>,
}

/// What is open where some neurons keep to one side.
pub(super) struct Sides {
    open: Vec<(usize, f64)>,
    /// One per open disjunct.
    aims: Vec<Aim>,
    bounds: Arc<Bounds>,
    sides: Vec<Side>,
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
}

const AT_ROOT: Ascent = Ascent { rounds: 40, alpha: 0.25, beta: 0.1, gives_up: false };
const BELOW: Ascent = Ascent { rounds: 12, alpha: 0.1, beta: 0.1, gives_up: true };

/// Rows whose guess exceeds this are left alone.
const GOAL: f64 = 1e-6;

/// Neurons of each kind of score that are tried for each aim before one is chosen.
const TRIED: usize = 4;

/// Fewer are tried where the aims together would try more than this.
const MOST_TRIED: usize = 80;

/// What the bound on the better side counts for, next to the one on the worse side.
const SHARE_OF_THE_BETTER: f64 = 0.05;

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
        Some(Self { problem, affine: affine_relaxations(network, &problem.bounds) })
    }

    /// All of the region. For each disjunct the atom with the best bound stands for it.
    pub fn root(&self, open: &[(usize, f64)]) -> Result<Sides, DomainError> {
        let Problem { network, case, bounds, forms, rows, run, .. } = self.problem;
        let slopes = dual::slopes(network, bounds).unwrap_or_default();
        let alpha: Arc<Vec<Vec<f64>>> = Arc::new(slopes.into_iter().map(|s| s.low).collect());
        let base = DeepPoly::default();
        let domain = DeepPolyWithin { base, known: bounds, settled: network.output() };
        let trace = propagate(&domain, network, &case.region, bounds, Run::silent(run.budget))?;
        let minima = base.back_substitution(&trace).minima(forms)?;
        let aim = |&(d, bound): &(usize, f64)| {
            let form = rows[d].clone().max_by(|&a, &b| minima[a].total_cmp(&minima[b]))?;
            Some(((d, bound.max(minima[form])), Aim { form, beta: Vec::new(), alpha: Arc::clone(&alpha) }))
        };
        let (open, aims) = open.iter().filter_map(aim).unzip();
        Ok(Sides { open, aims, bounds: Arc::new(bounds.clone()), sides: Vec::new() })
    }

    /// Bounds the neurons on the sides, and the forms by them; what that refutes is closed.
    fn bound(&self, part: &mut Sides, examined: &mut Examined<Sides>) -> Result<(), DomainError> {
        let Problem { network, case, forms, run, .. } = self.problem;
        let base = DeepPoly::default();
        // A side only tells of the nodes behind it.
        let settled = part.sides.last().map_or(network.output(), |side| side.node);
        let domain = DeepPolyWithin { base, known: &part.bounds, settled };
        let trace = match propagate(&domain, network, &case.region, &part.bounds, Run::silent(run.budget)) {
            Ok(trace) => trace,
            // No input is on these sides.
            Err(DomainError::Contradiction { .. }) => {
                examined.closed.extend(part.open.drain(..).map(|(d, _)| (d, f64::INFINITY)));
                part.aims.clear();
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        let of_aims: Vec<usize> = part.aims.iter().map(|aim| aim.form).collect();
        let minima = base.back_substitution(&trace).minima(&forms.select(&of_aims))?;
        part.bounds = Arc::new(trace.bounds());
        part.raise(&minima, examined);
        Ok(())
    }

    /// An aim on its part as a row of the dual problem.
    fn row(&self, part: &Sides, slopes: &[Slopes], aim: &Aim) -> Row {
        let Problem { network, forms, .. } = self.problem;
        let mut slopes = slopes.to_vec();
        for (s, alpha) in slopes.iter_mut().zip(aim.alpha.iter()) {
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
            constant: forms.constants[aim.form],
            slopes,
            sides: part.sides.clone(),
            beta: aim.beta.clone(),
        };
        for term in &forms.terms {
            let to = if term.node == 0 { &mut row.input } else { &mut row.output };
            to.iter_mut().zip(term.coefficients.row(aim.form)).for_each(|(to, c)| *to += c);
        }
        row
    }

    /// Certified bounds of the part's atoms from the slopes and multipliers of their rows.
    fn certify(&self, part: &Sides, rows: &[Row]) -> Result<Vec<f64>, DomainError> {
        let lines = node_lines(self.problem.network, &part.bounds);
        let passing = Passing { bounds: &part.bounds, lines: &lines, affine: &self.affine };
        let bound =
            |(aim, row): (&Aim, &Row)| certified(self.problem, &passing, row, self.problem.forms.select(&[aim.form]));
        part.aims.iter().zip(rows).map(bound).collect()
    }
}

impl Sides {
    /// Raises the bounds to those found; what they refute is closed and leaves the part. Returns what stays open, in
    /// the order before.
    fn raise(&mut self, found: &[f64], examined: &mut Examined<Sides>) -> Vec<bool> {
        for ((_, bound), found) in self.open.iter_mut().zip(found) {
            *bound = bound.max(*found);
        }
        let is_open: Vec<bool> = self.open.iter().map(|(_, bound)| *bound <= 0.0).collect();
        examined.closed.extend(self.open.iter().filter(|(_, bound)| *bound > 0.0));
        let both = self.open.drain(..).zip(self.aims.drain(..));
        (self.open, self.aims) = both.filter(|((_, bound), _)| *bound <= 0.0).collect::<Vec<_>>().into_iter().unzip();
        is_open
    }

    /// Some aims of the part with a neuron of an activation node on either side.
    fn halves(&self, network: &Network, &Candidate { id, neuron, .. }: &Candidate, aims: &[usize]) -> Vec<Self> {
        let NodeKind::Activation(activation) = &network.node(id).kind else { return Vec::new() };
        let longer = |aim: &Aim| Aim { beta: aim.beta.iter().copied().chain([0.0]).collect(), ..aim.clone() };
        let half = |above: bool| {
            let side = Side { node: activation.source, neuron, above };
            Self {
                open: aims.iter().map(|&aim| self.open[aim]).collect(),
                aims: aims.iter().map(|&aim| longer(&self.aims[aim])).collect(),
                bounds: Arc::new(with_side(&self.bounds, side)),
                sides: self.sides.iter().copied().chain([side]).collect(),
            }
        };
        vec![half(false), half(true)]
    }
}

fn with_side(bounds: &Bounds, side: Side) -> Bounds {
    let mut nodes = bounds.nodes().to_vec();
    let only: NodeBounds =
        (0..nodes[side.node].len()).map(|j| if j == side.neuron { side.range() } else { Interval::ALL }).collect();
    nodes[side.node].intersect(&only);
    Bounds::new(nodes)
}

/// A part whose neurons have been bounded again, and where its rows are in the batch.
struct Bounded {
    part: Sides,
    examined: Examined<Sides>,
    slopes: Vec<Slopes>,
    rows: Range<usize>,
}

impl Splits<'_> {
    /// Bounds a part, and adds what is open to the batch.
    fn begin(&self, mut part: Sides, batch: &mut Vec<Row>) -> Result<Bounded, DomainError> {
        let mut examined = Examined::default();
        self.bound(&mut part, &mut examined)?;
        let slopes = dual::slopes(self.problem.network, &part.bounds).unwrap_or_default();
        let start = batch.len();
        batch.extend(part.aims.iter().map(|aim| self.row(&part, &slopes, aim)));
        Ok(Bounded { part, examined, slopes, rows: start..batch.len() })
    }

    /// For each row (of an aim that is open) what the split of each candidate gains: on its worse side, the neurons'
    /// ranges kept, and by what it does for these.
    fn scores(&self, rows: &[&Row], found: &Pass, candidates: &[Candidate]) -> Option<Array2<f64>> {
        let Problem { network, case, .. } = *self.problem;
        let mut scores = Array2::zeros((rows.len(), candidates.len()));
        for (r, row) in rows.iter().enumerate() {
            let mut halves: Vec<Row> = Vec::new();
            for &Candidate { id, neuron, .. } in candidates {
                let NodeKind::Activation(activation) = &network.node(id).kind else { return None };
                let (left, right) = dual::corner(activation.function.pieces())?;
                for slope in [left, right] {
                    let mut half = (*row).clone();
                    half.slopes[id].fix(neuron, slope);
                    halves.push(half);
                }
            }
            let values = dual::pass(network, case.region.bounds(), &halves.iter().collect::<Vec<_>>(), false).values;
            for ((score, candidate), pair) in scores.row_mut(r).iter_mut().zip(candidates).zip(values.chunks(2)) {
                let (a, b) = (pair[0] - found.values[r], pair[1] - found.values[r]);
                *score = a.min(b) + SHARE_OF_THE_BETTER * a.max(b) + candidate.indirect[r];
            }
        }
        Some(scores)
    }

    /// Certifies what the batch found for a part, and splits the part where something stays open.
    fn end(&self, bounded: Bounded, batch: &[Row], found: &Pass) -> Result<Examined<Sides>, DomainError> {
        let Problem { whole, network, case, first, attack, .. } = *self.problem;
        let Bounded { mut part, mut examined, slopes, rows } = bounded;
        if part.open.is_empty() {
            return Ok(examined);
        }
        for (aim, row) in part.aims.iter_mut().zip(&batch[rows.clone()]) {
            aim.beta.clone_from(&row.beta);
            aim.alpha = Arc::new(row.slopes.iter().map(|s| s.low.clone()).collect());
        }
        let bounds = self.certify(&part, &batch[rows.clone()])?;
        let is_open = part.raise(&bounds, &mut examined);
        let left: Vec<usize> = rows.zip(is_open).filter_map(|(row, is_open)| is_open.then_some(row)).collect();
        if left.is_empty() {
            return Ok(examined);
        }
        let (rows, found): (Vec<&Row>, Pass) = (left.iter().map(|&row| &batch[row]).collect(), found.select(&left));
        if attack {
            let own = part.open.iter().zip(found.inputs.rows());
            let mut attempts = own.map(|(&(d, _), x)| try_candidates(whole, case, &[d], first, &[x.to_vec()].into()));
            examined.witness = attempts.find_map(|witness| witness);
            if examined.witness.is_some() {
                return Ok(examined);
            }
        }
        let few = (MOST_TRIED / (2 * rows.len())).clamp(1, TRIED);
        let candidates = branching::candidates(network, &part.bounds, &slopes, &found, few);
        let scores = self.scores(&rows, &found, &candidates).filter(|_| !candidates.is_empty());
        let Some(scores) = scores else {
            let known = (*part.bounds).clone();
            return self.problem.cells(&case.region, &self.problem.bounds, known, &part.open, examined);
        };
        for (choice, aims) in branching::shared(&scores) {
            examined.children.extend(part.halves(network, &candidates[choice], &aims));
        }
        Ok(examined)
    }
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

    fn examine_all(&self, parts: Vec<Sides>) -> Vec<Result<Examined<Sides>, DomainError>> {
        let Problem { network, case, run, .. } = *self.problem;
        let how = if parts.iter().any(|part| part.sides.is_empty()) { AT_ROOT } else { BELOW };
        let mut batch: Vec<Row> = Vec::new();
        let bounded: Vec<Result<Bounded, DomainError>> =
            parts.into_iter().map(|part| self.begin(part, &mut batch)).collect();
        let found = dual::ascend(network, case.region.bounds(), &mut batch, how, GOAL, || run.budget.is_spent());
        bounded.into_iter().map(|bounded| self.end(bounded?, &batch, &found)).collect()
    }
}
