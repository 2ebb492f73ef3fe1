//! Trees of parts, one per form, examined in common batches: the worst part of a tree is split on the neuron whose
//! relaxation costs most, until the tree's bound reaches its goal or its budget is used up.

use super::ascent::{Effort, Outcome, Pick, Workspace};
use super::batch::{Member, Objective, Side};
use super::kept::Kept;
use super::pseudo_costs::PseudoCosts;
use super::relaxed::Relaxed;
use crate::budget::Budget;
use crate::network::NodeId;
use float_ord::FloatOrd;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// How far a forest grows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A bound above this closes a part.
    pub goal: f64,
    /// Parts examined per tree, at most.
    pub parts: usize,
    /// A tree rests when its bound is this close to a value that is attained, relative to one more than its magnitude;
    /// −∞ where values are of no use.
    pub tolerance: f32,
    /// Gradient steps at the roots.
    pub root: Effort,
    /// Gradient steps at parts below.
    pub below: Effort,
    /// Whether forms are only bounded where the network's last node, of one neuron, is not positive.
    pub assumes: bool,
}

impl Limits {
    /// Until a bound exceeds `goal`, or so many `parts` were examined.
    #[must_use]
    pub fn new(goal: f64, parts: usize, root: Effort, below: Effort) -> Self {
        Self { goal, parts, tolerance: f32::NEG_INFINITY, root, below, assumes: false }
    }
}

/// The first multiplier of what is assumed, which is measured in what it seems to fall short by.
const ASSUMED: f32 = 0.25;

/// A part with the neuron on which it is to be split.
#[derive(Debug)]
pub(super) struct Part {
    pub member: Member,
    pub pick: Pick,
}

impl Part {
    /// Both sides of its neuron.
    fn halves(self) -> [Member; 2] {
        let Self { member, pick: Pick { index, beta, .. } } = self;
        [false, true].map(|above| member.on(Side { index, above }, beta[usize::from(above)]))
    }
}

/// The parts of one form.
#[derive(Debug)]
pub(super) struct Tree {
    /// Those that are open, by their guessed bounds and their numbers.
    open: BTreeMap<(FloatOrd<f32>, usize), Part>,
    /// The least certified bound of the parts that are closed.
    closed: f64,
    /// Parts without a neuron to split, or that there was no time for.
    leaves: Vec<Member>,
    /// Parts that nobody has looked at yet, or that were taken out: while there are any, nothing is known of the form.
    away: usize,
    /// The least value found.
    attained: f32,
    /// The guess of the root.
    root: f32,
    /// Parts examined.
    used: usize,
}

impl Tree {
    /// The least guess over the open parts; +∞ when there is none.
    fn guess(&self) -> f32 {
        if self.away > 0 {
            return f32::NEG_INFINITY;
        }
        let least = self.leaves.iter().map(|m| m.bound).fold(f32::INFINITY, f32::min);
        self.open.values().next().map_or(least, |part| part.member.bound.min(least))
    }

    /// Takes out all parts that are not closed.
    pub fn take_open(&mut self) -> Vec<Member> {
        let open = std::mem::take(&mut self.open).into_values().map(|part| part.member);
        open.chain(std::mem::take(&mut self.leaves)).collect()
    }
}

/// Trees over one relaxation.
#[derive(Debug)]
pub struct Forest<'a> {
    pub(super) relaxed: &'a Relaxed<'a>,
    pub(super) forms: Vec<Objective>,
    limits: Limits,
    start: NodeId,
    pub(super) trees: Vec<Tree>,
    /// Parts that are closed, where they are kept.
    pub(super) kept: Option<Kept>,
    number: usize,
    pub(super) costs: PseudoCosts,
    /// The share of parts that only tell how much splits gain.
    pub look_ahead: f64,
    /// Splits that were only tried.
    pub(super) tried: usize,
    pool: Mutex<Vec<Workspace>>,
}

/// What a round found besides bounds.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Whose value is negative there.
    pub objective: usize,
    /// The input, inside the region's box.
    pub input: Vec<f32>,
}

/// Numbers that one batch holds at a node, at most.
const NUMBERS: usize = 1 << 18;

/// Members of a batch, at most.
const MEMBERS: usize = 128;

/// Batches per thread and round.
const BATCHES: usize = 4;

/// Bytes of open parts beyond which those nearest to their end go first.
const MANY_BYTES: usize = 1 << 31;

/// A member that was examined.
pub(super) struct Examined {
    member: Member,
    /// A certified bound above the goal.
    closed: Option<f64>,
    outcome: Option<Outcome>,
}

impl Examined {
    /// Whether there was time to bound it.
    fn is_known(&self) -> bool {
        self.closed.is_some() || self.outcome.is_some()
    }
}

impl<'a> Forest<'a> {
    /// Roots for all forms, not yet examined.
    #[must_use]
    pub fn new(relaxed: &'a Relaxed<'a>, forms: Vec<Objective>, limits: Limits) -> Self {
        let last = if limits.assumes { relaxed.last() } else { 0 };
        let start = forms.iter().map(Objective::start).max().unwrap_or(0).max(last);
        let tree = || Tree {
            open: BTreeMap::new(),
            closed: f64::INFINITY,
            leaves: Vec::new(),
            away: 1,
            attained: f32::INFINITY,
            root: f32::NEG_INFINITY,
            used: 0,
        };
        let trees = forms.iter().map(|_| tree()).collect();
        let costs = PseudoCosts::new(relaxed.free_up_to(start));
        Self {
            relaxed,
            forms,
            limits,
            start,
            trees,
            kept: None,
            number: 0,
            costs,
            look_ahead: 0.0,
            tried: 0,
            pool: Mutex::default(),
        }
    }

    /// Members of one batch.
    pub(super) fn together(&self) -> usize {
        let widest = self.relaxed.network().nodes()[..=self.start].iter().map(|n| n.len).max().unwrap_or(1);
        (NUMBERS / widest.max(1)).clamp(8, MEMBERS)
    }

    /// Examines the roots; returns minimisers where a form seems not to be positive.
    pub fn plant(&mut self, budget: &Budget) -> Vec<Candidate> {
        let assumed = Side { index: self.relaxed.free().len() as u32, above: false };
        let root = |o: usize| {
            let root = Member::root(self.relaxed, o, self.start);
            if self.limits.assumes { root.on(assumed, ASSUMED) } else { root }
        };
        let members = (0..self.forms.len()).map(root).collect();
        self.trees.iter_mut().for_each(|tree| tree.away = 0);
        let examined = self.examine(members, |member| [member], self.limits.root, budget);
        let candidates = self.file(examined);
        self.trees.iter_mut().for_each(|tree| tree.root = tree.guess());
        candidates
    }

    /// Splits the worst parts of the trees that may grow, and examines the halves; `None` when none may.
    pub fn grow(&mut self, budget: &Budget) -> Option<Vec<Candidate>> {
        let growing: Vec<usize> = (0..self.trees.len()).filter(|&o| self.may_grow(o)).collect();
        let room = self.together() * rayon::current_num_threads() * BATCHES;
        let each = (room / 2 / growing.len().max(1)).max(1);
        let bytes = 2 * self.relaxed.free_up_to(self.start) + 256;
        let is_many = self.open() > MANY_BYTES / bytes;
        let mut parts = Vec::new();
        for o in growing {
            let tree = &mut self.trees[o];
            for _ in 0..each.min((self.limits.parts - tree.used).div_ceil(2)) {
                let next = if is_many { tree.open.pop_last() } else { tree.open.pop_first() };
                let Some((_, part)) = next else { break };
                tree.used += 2;
                parts.push(part);
            }
        }
        let member = parts.first()?.member.clone();
        self.try_splits(&member, budget);
        let halves = self.split(parts, budget);
        Some(self.file(halves))
    }

    /// Examines the halves of parts, and learns from what they gain.
    pub(super) fn split(&mut self, parts: Vec<Part>, budget: &Budget) -> Vec<Examined> {
        let splits: Vec<(Pick, f32)> = parts.iter().map(|part| (part.pick, part.member.bound)).collect();
        let halves = self.examine(parts, Part::halves, self.limits.below, budget);
        let goal = self.limits.goal as f32;
        let gain = |half: &Examined, bound: f32| half.is_known().then(|| half.member.bound.min(goal) - bound);
        let of_split = |(pair, (pick, bound)): (&[Examined], _)| (pick, [gain(&pair[0], bound), gain(&pair[1], bound)]);
        self.costs.learn(halves.chunks_exact(2).zip(splits).map(of_split));
        halves
    }

    /// Whether a tree is open and worth more parts.
    fn may_grow(&self, o: usize) -> bool {
        let tree = &self.trees[o];
        let is_near = tree.attained - tree.guess() <= self.limits.tolerance * (1.0 + tree.attained.abs());
        !tree.open.is_empty() && tree.used < self.limits.parts && tree.leaves.is_empty() && !is_near
    }

    /// Bounds, in batches, the members that each of some parts stands for, in order. Threads make the members: what one of
    /// them does alone, the others wait for.
    fn examine<P: Send, M: IntoIterator<Item = Member>>(
        &self,
        parts: Vec<P>,
        members: impl Fn(P) -> M + Sync,
        effort: Effort,
        budget: &Budget,
    ) -> Vec<Examined> {
        let mut batches: Vec<Vec<P>> = Vec::new();
        let size = even(parts.len(), self.together() / 2);
        let mut parts = parts.into_iter().peekable();
        while parts.peek().is_some() {
            batches.push(parts.by_ref().take(size).collect());
        }
        let of_batch = |batch: Vec<P>| self.batch(batch.into_iter().flat_map(&members).collect(), effort, budget);
        let found: Vec<Vec<Examined>> = batches.into_par_iter().map(of_batch).collect();
        found.into_iter().flatten().collect()
    }

    /// Takes in what was found of members; returns minimisers where a form seems not to be positive.
    fn file(&mut self, examined: Vec<Examined>) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for Examined { member, closed, outcome } in examined {
            let tree = &mut self.trees[member.objective];
            if let Some(bound) = closed {
                tree.closed = tree.closed.min(bound);
                self.kept.iter_mut().for_each(|kept| kept.push(&member));
                continue;
            }
            let Some(Outcome { attained, pick, input }) = outcome else {
                tree.leaves.push(member);
                continue;
            };
            tree.attained = tree.attained.min(attained);
            candidates.extend(input.map(|input| Candidate { objective: member.objective, input }));
            match pick {
                Some(pick) => {
                    tree.open.insert((FloatOrd(member.bound), self.number), Part { member, pick });
                    self.number += 1;
                }
                None => tree.leaves.push(member),
            }
        }
        candidates
    }

    pub(super) fn with_workspace<R>(&self, f: impl FnOnce(&mut Workspace) -> R) -> R {
        let kept = self.pool.lock().ok().and_then(|mut pool| pool.pop());
        let mut work = kept.unwrap_or_default();
        let result = f(&mut work);
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(work);
        }
        result
    }

    /// Improves the members of one batch; those that reach the goal are proved, and go on where the proof falls short.
    fn batch(&self, mut members: Vec<Member>, effort: Effort, budget: &Budget) -> Vec<Examined> {
        let unexamined = |member| Examined { member, closed: None, outcome: None };
        if budget.is_spent() {
            return members.into_iter().map(unexamined).collect();
        }
        self.with_workspace(|work| {
            let goal = self.limits.goal as f32;
            let goals = vec![goal + SLACK * (1.0 + goal.abs()); members.len()];
            let outcomes = self.relaxed.ascend(&self.forms, &mut members, &goals, effort, self.costs.weights(), work);
            let mut reached: Vec<usize> = (0..members.len()).filter(|&m| outcomes[m].is_none()).collect();
            let mut closed = vec![None; members.len()];
            if self.kept.is_some() {
                // Few parts need more than what is written of them.
                let own = members.iter_mut().zip(&outcomes).filter(|(_, outcome)| outcome.is_none());
                let mut own: Vec<&mut Member> = own.map(|(member, _)| member).collect();
                let bounds = self.coarsen(&mut own, &vec![self.limits.goal; reached.len()], work);
                reached.iter().zip(bounds).for_each(|(&m, bound)| closed[m] = bound);
                reached.retain(|&m| closed[m].is_none());
            }
            let own: Vec<&Member> = reached.iter().map(|&m| &members[m]).collect();
            let bounds = self.relaxed.certified(&self.forms, &own, &mut work.proof);
            for (&m, bound) in reached.iter().zip(bounds) {
                closed[m] = (bound > self.limits.goal).then_some(bound);
            }
            let mut examined: Vec<Examined> = members
                .into_iter()
                .zip(outcomes)
                .zip(closed)
                .map(|((member, outcome), closed)| Examined { member, closed, outcome })
                .collect();
            for failed in examined.iter_mut().filter(|e| e.closed.is_none() && e.outcome.is_none()) {
                let member = std::slice::from_mut(&mut failed.member);
                failed.outcome = self
                    .relaxed
                    .ascend(&self.forms, member, &[f32::INFINITY], NO_STEPS, self.costs.weights(), work)
                    .pop()
                    .flatten();
            }
            examined
        })
    }

    /// Open parts of all trees.
    #[must_use]
    pub fn open(&self) -> usize {
        self.trees.iter().map(|tree| tree.open.len() + tree.leaves.len()).sum()
    }

    /// Parts examined in all, but for those that were only tried.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.trees.iter().map(|tree| tree.used + 1).sum()
    }

    /// How many more parts the trees may need until all are closed: guesses rise like the logarithm of the parts.
    #[must_use]
    pub fn expected(&self) -> f64 {
        let of_tree = |tree: &Tree| {
            let (root, guess, parts) = (f64::from(tree.root), f64::from(tree.guess()), (tree.used + 1) as f64);
            match guess {
                guess if guess > 0.0 => 0.0,
                guess if guess > root => parts.powf(root / (root - guess)) - parts,
                _ => f64::INFINITY,
            }
        };
        self.trees.iter().map(of_tree).sum()
    }

    /// Whether every part of a tree is closed: its form has no value up to the goal.
    #[must_use]
    pub fn is_closed(&self, objective: usize) -> bool {
        let tree = &self.trees[objective];
        tree.open.is_empty() && tree.leaves.is_empty() && tree.away == 0
    }

    /// The guessed bound of a tree's open parts.
    #[must_use]
    pub fn guess(&self, objective: usize) -> f32 {
        self.trees[objective].guess()
    }

    /// A tree's least value found.
    #[must_use]
    pub fn attained(&self, objective: usize) -> f32 {
        self.trees[objective].attained
    }

    /// The certified bound of a tree's closed parts; +∞ when there is none.
    #[must_use]
    pub fn closed_bound(&self, objective: usize) -> f64 {
        self.trees[objective].closed
    }

    /// Takes out the parts that cannot be split further and are not closed: somebody else must close them, or give them
    /// back.
    #[must_use]
    pub fn take_leaves(&mut self) -> Vec<Member> {
        let take = |tree: &mut Tree| {
            tree.away += tree.leaves.len();
            std::mem::take(&mut tree.leaves)
        };
        self.trees.iter_mut().flat_map(take).collect()
    }

    /// Says that a part which was taken out has been closed, with a certified bound.
    pub fn close(&mut self, objective: usize, bound: f64) {
        let tree = &mut self.trees[objective];
        tree.closed = tree.closed.min(bound);
        tree.away = tree.away.saturating_sub(1);
    }

    /// Gives a part back that nobody can close.
    pub fn abandon(&mut self, part: Member) {
        let tree = &mut self.trees[part.objective];
        tree.away = tree.away.saturating_sub(1);
        tree.leaves.push(part);
    }

    /// Certified lower bounds of all forms: the least over a tree's parts, of which the open ones are proved now.
    #[must_use]
    pub fn bounds(&self) -> Vec<f64> {
        let known = |tree: &Tree| if tree.away > 0 { f64::NEG_INFINITY } else { tree.closed };
        let mut bounds: Vec<f64> = self.trees.iter().map(known).collect();
        let open: Vec<&Member> =
            self.trees.iter().flat_map(|t| t.open.values().map(|part| &part.member).chain(&t.leaves)).collect();
        let certify =
            |chunk: &[&Member]| self.with_workspace(|w| self.relaxed.certified(&self.forms, chunk, &mut w.proof));
        let found: Vec<Vec<f64>> = open.par_chunks(even(open.len(), self.together())).map(certify).collect();
        for (member, bound) in open.iter().zip(found.into_iter().flatten()) {
            let least = &mut bounds[member.objective];
            *least = least.min(bound);
        }
        bounds
    }
}

/// The size of batches, up to `most`, that give every thread as many of `all`.
pub(super) fn even(all: usize, most: usize) -> usize {
    let batches = all.div_ceil(most.max(1)).next_multiple_of(rayon::current_num_threads());
    all.div_ceil(batches.max(1)).max(1)
}

/// A guess must exceed the goal by this much, relative to one more than its magnitude, before a proof is tried.
const SLACK: f32 = 1e-6;

const NO_STEPS: Effort = Effort { rounds: 0, alpha: 0.0, beta: 0.0 };
