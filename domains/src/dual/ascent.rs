//! Gradient steps on slopes and multipliers of a batch, in single precision: what comes out is a guess.

use super::ball::minimise;
use super::batch::{Entry, Member, Objective, Walk, entries, of_activation, of_source, slopes};
use super::columns::{apply, keep_columns};
use super::joint::from_stars;
use super::relaxed::{Relaxed, share_of};
use super::shares::Moving;
use super::steps::{Moments, Step};
use crate::network::{NodeId, NodeKind};
use std::borrow::Cow;
use std::sync::Arc;

/// How a batch is improved.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Multipliers that are tried at most, and at least once: those given, and what gradient steps make of them.
    pub rounds: usize,
    /// The first step of slopes, as a share of their range.
    pub alpha: f32,
    /// The first step of multipliers, times the largest coefficient of the form.
    pub beta: f32,
}

/// Steps shrink by this factor per round.
const DECAY: f32 = 0.97;

/// Members are taken out of a batch when no more than this share of it is under way.
const SPARSE: f32 = 0.75;

/// A free neuron to be split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pick {
    /// Its index.
    pub index: u32,
    /// What its relaxation loses.
    pub loss: f32,
    /// First multipliers of the sides below and above.
    pub beta: [f32; 2],
}

/// What the engine found of a member.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The form's value at the minimiser, as far as single precision knows it.
    pub attained: f32,
    /// The free neuron to be split, if there is one left.
    pub pick: Option<Pick>,
    /// The minimiser over the region's box, where the form is not positive.
    pub input: Option<Vec<f32>>,
}

/// Memory of one thread.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub guess: Walk<f32>,
    pub proof: Walk<f64>,
    values: Vec<Vec<f32>>,
    truth: Vec<Vec<f32>>,
}

/// A batch under way.
struct Ascent<'a, 'b> {
    relaxed: &'a Relaxed<'a>,
    work: &'b mut Workspace,
    /// The members still under way, as indices of the callers'.
    active: Vec<usize>,
    /// The forms taken back to the first activations, where nothing is free yet.
    start: Walk<f32>,
    /// The last node that the forms or sides read.
    top: NodeId,
    slopes: Vec<f32>,
    best_slopes: Vec<f32>,
    moments: Moments,
    entries: Vec<Entry>,
    /// Of each entry the running means of its gradients, and the best multiplier.
    of_entries: Vec<(f32, f32, f32)>,
    best: Vec<f32>,
    goals: Vec<f32>,
    /// Which columns have reached their goals.
    done: Vec<bool>,
}

impl Relaxed<'_> {
    /// Improves the members until their guessed bounds exceed `goals` or the rounds are over. Returns nothing for those
    /// that reached their goal, whose guess is still to be proved; of the others what a split needs to know, where a free
    /// neuron's loss counts for as much as `weights` say.
    pub(super) fn ascend(
        &self,
        forms: &[Objective],
        members: &mut [Member],
        goals: &[f32],
        effort: Effort,
        weights: &[f32],
        work: &mut Workspace,
    ) -> Vec<Option<Outcome>> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        outcomes.resize_with(members.len(), || None);
        if members.is_empty() {
            return outcomes;
        }
        let mut ascent = Ascent::new(self, forms, members, goals, work);
        for round in 0.. {
            ascent.back();
            ascent.retire(members);
            if ascent.active.is_empty() {
                return outcomes;
            }
            let improved = ascent.note_best();
            if round + 1 >= effort.rounds {
                ascent.accept(&improved);
                break;
            }
            let rate = DECAY.powi(round as i32);
            let steps = [Step::new(effort.alpha * rate, round), Step::new(effort.beta * rate, round)];
            ascent.forth(Some((steps, &improved)));
        }
        ascent.drop_done();
        // What a split needs to know is taken from the last multipliers, be they the best or next to them.
        ascent.forth(None);
        ascent.finish(members, weights, &mut outcomes);
        outcomes
    }

    /// All free neurons on which a member can be split.
    pub(super) fn picks(&self, forms: &[Objective], member: &Member, work: &mut Workspace) -> Vec<Pick> {
        let mut ascent = Ascent::new(self, forms, std::slice::from_ref(member), &[f32::INFINITY], work);
        ascent.back();
        ascent.forth(None);
        let mut picks = Vec::new();
        for id in 1..=ascent.top {
            let (Some(layer), true) = (&self.layers[id], ascent.work.guess.reached[id]) else { continue };
            ascent.leave_out_split(id, layer.source);
            let Workspace { guess, values, .. } = &*ascent.work;
            let neurons = guess.coefficients[id].iter().zip(&values[layer.source]).zip(&values[id]).enumerate();
            let losses = neurons.filter_map(|(neuron, ((&a, &z), &y))| layer.loss(neuron, a, z, y));
            picks.extend(losses.map(|(index, loss)| ascent.pick(index, loss, 0)));
        }
        picks
    }
}

impl<'a, 'b> Ascent<'a, 'b> {
    fn new(
        relaxed: &'a Relaxed<'a>,
        forms: &[Objective],
        members: &[Member],
        goals: &[f32],
        work: &'b mut Workspace,
    ) -> Self {
        let all: Vec<&Member> = members.iter().collect();
        let own: Vec<&Objective> = members.iter().map(|m| &forms[m.objective]).collect();
        let slopes = slopes::<f32>(relaxed, &all);
        let mut entries = entries(relaxed, &all);
        let mut start = Walk::default();
        start.begin(relaxed, &own);
        let top = own.iter().map(|form| form.start()).max().unwrap_or(0);
        let top = entries.last().map_or(top, |entry| entry.source.max(top));
        let is_split = |id: NodeId| relaxed.layers[..=top].iter().flatten().any(|layer| layer.source == id);
        for id in (1..=top).rev().filter(|&id| start.reached[id] || is_split(id)).collect::<Vec<_>>() {
            if !start.reached[id] {
                break;
            }
            match relaxed.compiled.network.node(id).kind {
                NodeKind::Affine(_) if !is_split(id) => {
                    start.pass_affine::<false>(relaxed, &relaxed.compiled.guess, id);
                    start.reached[id] = false;
                }
                _ => break,
            }
        }
        // Of each form the largest coefficient.
        let mut scales = vec![0.0f32; members.len()];
        for a in start.coefficients.iter().zip(&start.reached).filter(|(_, reached)| **reached).map(|(a, _)| a) {
            for row in a.chunks_exact(members.len()) {
                scales.iter_mut().zip(row).for_each(|(scale, a)| *scale = scale.max(a.abs()));
            }
        }
        let of_neurons = entries.iter_mut().filter(|entry| entry.activation != entry.source);
        of_neurons.for_each(|entry| entry.unit = scales[entry.column]);
        let begins = start.reached.iter().rposition(|&reached| reached).unwrap_or(0);
        let top = entries.last().map_or(begins, |entry| entry.source.max(begins));
        let moments = Moments { first: vec![0.0; slopes.len()], second: vec![0.0; slopes.len()] };
        Self {
            relaxed,
            work,
            active: (0..members.len()).collect(),
            start,
            top,
            best_slopes: slopes.clone(),
            slopes,
            moments,
            of_entries: entries.iter().map(|entry| (0.0, 0.0, entry.beta)).collect(),
            entries,
            best: vec![f32::NEG_INFINITY; members.len()],
            goals: goals.to_vec(),
            done: vec![false; members.len()],
        }
    }

    /// Values of the members' forms under the present slopes and multipliers, and the minimisers.
    fn back(&mut self) {
        let (relaxed, top, n) = (self.relaxed, self.top, self.active.len());
        let walk = &mut self.work.guess;
        walk.reset(relaxed.compiled.network.nodes().len(), n);
        walk.sums.value.copy_from_slice(&self.start.sums.value);
        for (id, a) in self.start.coefficients.iter().enumerate().filter(|(id, _)| self.start.reached[*id]) {
            walk.reached[id] = true;
            walk.coefficients[id].clear();
            walk.coefficients[id].extend_from_slice(a);
        }
        walk.back::<false>(relaxed, &relaxed.compiled.guess, top, &self.slopes[..], &self.entries);
        self.work.values.resize_with(relaxed.compiled.network.nodes().len(), Vec::new);
        minimise(relaxed.region, &walk.coefficients[0], n, &mut self.work.values[0], &mut walk.sums.value);
    }

    /// Which members' values are their best so far (1 for yes).
    fn note_best(&mut self) -> Vec<f32> {
        let values = &self.work.guess.sums.value;
        let improve = |(best, &value): (&mut f32, &f32)| {
            let is_better = value > *best;
            *best = best.max(value);
            f32::from(is_better)
        };
        self.best.iter_mut().zip(values).map(improve).collect()
    }

    /// Takes over the present slopes and multipliers of the members that are marked by 1.
    fn accept(&mut self, improved: &[f32]) {
        let n = self.active.len();
        for (best, slopes) in self.best_slopes.chunks_exact_mut(n).zip(self.slopes.chunks_exact(n)) {
            for r in 0..n {
                best[r] = if improved[r] > 0.0 { slopes[r] } else { best[r] };
            }
        }
        for (entry, (.., best)) in self.entries.iter().zip(&mut self.of_entries) {
            if improved[entry.column] > 0.0 {
                *best = entry.beta;
            }
        }
    }

    /// Notes the members that have reached their goals, and takes them out once that saves work.
    fn retire(&mut self, members: &mut [Member]) {
        let n = self.active.len();
        let values = &self.work.guess.sums.value;
        let reached: Vec<usize> = (0..n).filter(|&r| !self.done[r] && values[r] > self.goals[r]).collect();
        for (&r, shares) in reached.iter().zip(self.shares(&self.slopes, &reached)) {
            let member = &mut members[self.active[r]];
            (member.bound, member.shares) = (values[r], shares);
        }
        reached.iter().for_each(|&r| self.done[r] = true);
        for entry in self.entries.iter().filter(|entry| reached.contains(&entry.column)) {
            members[self.active[entry.column]].beta[entry.place] = entry.beta;
        }
        let left = self.done.iter().filter(|done| !**done).count();
        if left as f32 <= SPARSE * n as f32 {
            self.drop_done();
        }
    }

    /// Takes out the members that have reached their goals.
    fn drop_done(&mut self) {
        let kept: Vec<usize> = (0..self.active.len()).filter(|&r| !self.done[r]).collect();
        if kept.len() < self.active.len() {
            self.keep(&kept);
        }
    }

    /// The shares of some columns of slopes.
    fn shares(&self, slopes: &[f32], columns: &[usize]) -> Vec<Arc<[u16]>> {
        let n = self.active.len();
        let rows = slopes.len() / n.max(1);
        let mut shares: Vec<Vec<u16>> = columns.iter().map(|_| Vec::with_capacity(rows)).collect();
        for (index, row) in slopes.chunks_exact(n.max(1)).enumerate() {
            let corner = self.relaxed.range_of(index);
            for (shares, &r) in shares.iter_mut().zip(columns) {
                shares.push(share_of(row[r], corner));
            }
        }
        shares.into_iter().map(Arc::from).collect()
    }

    /// Keeps the members in the columns `kept` only.
    fn keep(&mut self, kept: &[usize]) {
        let n = self.active.len();
        let walk = &mut self.work.guess;
        for a in [&mut self.slopes, &mut self.best_slopes, &mut self.moments.first, &mut self.moments.second] {
            keep_columns(a, n, kept);
        }
        for a in [&mut self.best, &mut self.goals, &mut self.start.sums.value, &mut walk.sums.value] {
            keep_columns(a, n, kept);
        }
        keep_columns(&mut self.work.values[0], n, kept);
        for (a, _) in self.start.coefficients.iter_mut().zip(&self.start.reached).filter(|(_, reached)| **reached) {
            keep_columns(a, n, kept);
        }
        for stars in walk.stars.iter_mut().filter(|stars| !stars.is_empty()) {
            keep_columns(stars, n, kept);
        }
        for shared in walk.shared.iter_mut().filter(|shared| !shared.is_empty()) {
            keep_columns(shared, n, kept);
        }
        // On the way forth only those of relaxed nodes are read.
        for (id, a) in walk.coefficients.iter_mut().enumerate() {
            if walk.reached[id] && (self.relaxed.layers[id].is_some() || self.relaxed.choices[id].is_some()) {
                keep_columns(a, n, kept);
            }
        }
        (self.start.n, walk.n) = (kept.len(), kept.len());
        self.active = kept.iter().map(|&r| self.active[r]).collect();
        self.done = vec![false; kept.len()];
        let mut place = vec![None; n];
        kept.iter().enumerate().for_each(|(to, &from)| place[from] = Some(to));
        let pairs = self.entries.drain(..).zip(self.of_entries.drain(..));
        let moved = |(mut entry, of): (Entry, _)| {
            entry.column = place[entry.column]?;
            Some((entry, of))
        };
        (self.entries, self.of_entries) = pairs.filter_map(moved).collect::<Vec<_>>().into_iter().unzip();
    }

    /// Members take over the best multipliers found, and their bounds.
    fn keep_best(&self, members: &mut [Member]) {
        let all: Vec<usize> = (0..self.active.len()).collect();
        let found = self.shares(&self.best_slopes, &all).into_iter().zip(&self.best);
        for (&m, (shares, &bound)) in self.active.iter().zip(found) {
            (members[m].shares, members[m].bound) = (shares, bound);
        }
        for (entry, &(.., best)) in self.entries.iter().zip(&self.of_entries) {
            members[self.active[entry.column]].beta[entry.place] = best;
        }
    }

    /// Pushes the minimisers through the lines in use. With steps: improves slopes and multipliers on the way, those of
    /// improved members being noted before. Without: also through the network itself.
    fn forth(&mut self, steps: Option<([Step; 2], &[f32])>) {
        let Self { relaxed, work, active, slopes, entries, top, .. } = self;
        let (network, n) = (relaxed.compiled.network, active.len());
        let is_affine = |kind: &NodeKind| matches!(kind, NodeKind::Input | NodeKind::Affine(_));
        // Before it nothing is relaxed.
        let first = network.nodes().iter().position(|node| !is_affine(&node.kind)).unwrap_or(usize::MAX);
        let Workspace { guess: walk, values, truth, .. } = &mut **work;
        truth.resize_with(network.nodes().len(), Vec::new);
        if steps.is_none() {
            truth[0].clone_from(&values[0]);
        }
        for id in 1..=*top {
            let len = network.node(id).len;
            let (before, rest) = values.split_at_mut(id);
            let (truth_before, truth_rest) = truth.split_at_mut(id);
            if let NodeKind::Affine(affine) = &network.node(id).kind {
                let maps = &relaxed.compiled.guess[id];
                apply(affine, maps, n, before, &mut rest[0], &mut walk.spare);
                if steps.is_none() && id < first {
                    truth_rest[0].clone_from(&rest[0]);
                } else if steps.is_none() {
                    apply(affine, maps, n, truth_before, &mut truth_rest[0], &mut walk.spare);
                }
                if let Some(([_, step], improved)) = steps {
                    let range = of_source(entries, id);
                    let own = entries[range.clone()].iter_mut().zip(&mut self.of_entries[range]);
                    improve_multipliers(own, &rest[0], n, improved, step);
                }
                continue;
            }
            let (a, y) = (&mut walk.coefficients[id], &mut rest[0]);
            if !walk.reached[id] {
                a.clear();
                a.resize(len * n, 0.0);
            }
            y.resize(len * n, 0.0);
            truth_rest[0].resize(len * n, 0.0);
            let (best, moments) = (&mut self.best_slopes, &mut self.moments);
            if let Some(choices) = &relaxed.choices[id] {
                choices.forth(a, before, n, slopes, y);
                match steps {
                    Some(([step, _], improved)) => {
                        choices.improve(a, before, n, slopes, best, moments, improved, step);
                    }
                    None => choices.apply(truth_before, n, &mut truth_rest[0]),
                }
            }
            if let Some(layer) = &relaxed.layers[id] {
                let z = &before[layer.source];
                layer.forth(a, z, n, slopes, y);
                let stars = &walk.stars[id];
                if !stars.is_empty() {
                    layer.forth_jointly(stars, a, z, n, slopes, y);
                }
                for entry in of_activation(entries, id, layer.source) {
                    let at = entry.neuron * n + entry.column;
                    y[at] = entry.slope as f32 * z[at];
                }
                match steps {
                    Some(([step, _], improved)) => {
                        let z = if stars.is_empty() { Cow::Borrowed(z) } else { Cow::Owned(from_stars(stars, z)) };
                        layer.improve(a, &z, n, slopes, best, moments, improved, step);
                    }
                    None => layer.apply(&truth_before[layer.source], n, &mut truth_rest[0]),
                }
            }
            if let Some(pair) = &relaxed.pairs[id] {
                let step = steps.map(|([step, _], improved)| (step, improved));
                pair.forth(relaxed, walk, entries, values, Moving { parameters: slopes, best, moments }, step);
            }
        }
    }

    /// A split of column `r`. Where its form reads the line below a free neuron, there are multipliers with which both
    /// pieces are that line: the halves begin with the bound of the whole.
    fn pick(&self, index: u32, loss: f32, r: usize) -> Pick {
        let n = self.active.len();
        let (id, neuron) = self.relaxed.free[index as usize];
        let (left, right) = self.relaxed.range_of(index as usize);
        let a = self.work.guess.coefficients[id][neuron * n + r].max(0.0);
        let slope = self.slopes[index as usize * n + r];
        Pick { index, loss, beta: [a * (slope - left as f32), a * (right as f32 - slope)] }
    }

    /// Neurons of an activation node that are split already are no choice.
    fn leave_out_split(&mut self, id: NodeId, source: NodeId) {
        let n = self.active.len();
        for entry in of_activation(&self.entries, id, source) {
            self.work.values[id][entry.neuron * n + entry.column] = f32::NAN;
        }
    }

    /// What the last passes say of the members.
    fn finish(mut self, members: &mut [Member], weights: &[f32], outcomes: &mut [Option<Outcome>]) {
        self.keep_best(members);
        let (top, n) = (self.top, self.active.len());
        let (relaxed, start, work) = (self.relaxed, &self.start, &*self.work);
        let (mut most, mut pick) = (vec![-1.0f32; n], vec![u32::MAX; n]);
        let mut attained = start.sums.value.clone();
        for id in (0..=top).filter(|&id| start.reached[id]) {
            for (a, y) in start.coefficients[id].chunks_exact(n).zip(work.truth[id].chunks_exact(n)) {
                attained.iter_mut().zip(a.iter().zip(y)).for_each(|(sum, (a, y))| *sum += a * y);
            }
        }
        for id in 1..=top {
            let (Some(layer), true) = (&relaxed.layers[id], self.work.guess.reached[id]) else { continue };
            self.leave_out_split(id, layer.source);
            let Self { work, entries, .. } = &self;
            let (a, z, y) = (&work.guess.coefficients[id], &work.values[layer.source], &work.values[id]);
            layer.losses(a, z, y, n, weights, &mut most, &mut pick);
            if let Some(pair) = &relaxed.pairs[id] {
                pair.losses(relaxed, &work.guess, entries, &work.values, weights, &mut most, &mut pick);
            }
        }
        for (r, &m) in self.active.iter().enumerate() {
            let column = || self.work.values[0].iter().skip(r).step_by(n).copied().collect();
            let input = (attained[r] <= 0.0).then(column);
            let loss = |index: u32| most[r] / weights[index as usize];
            let pick = (pick[r] != u32::MAX).then(|| self.pick(pick[r], loss(pick[r]), r));
            outcomes[m] = Some(Outcome { attained: attained[r], pick, input });
        }
    }
}

/// One gradient step of the multipliers of a node's sides at its values `z`.
fn improve_multipliers<'e>(
    own: impl Iterator<Item = (&'e mut Entry, &'e mut (f32, f32, f32))>,
    z: &[f32],
    n: usize,
    improved: &[f32],
    step: Step,
) {
    for (entry, (first, second, best)) in own {
        if improved[entry.column] > 0.0 {
            *best = entry.beta;
        }
        let gradient = -entry.side.sign() as f32 * z[entry.neuron * n + entry.column];
        let by = Step { rate: step.rate * entry.unit, ..step }.of(gradient, first, second);
        entry.beta = (entry.beta + by).max(0.0);
    }
}
