//! Exact engines for networks over connected regions: input splitting where few inputs vary, neuron splitting
//! elsewhere. An answer is a proof by certified bounds, or a replayed counterexample.
//!
//! Where an activation jumps, a neuron is put on one of its pieces without the end that the piece lacks: bounds hold on
//! the closure, and whether a point belongs to the part is asked exactly, in the end.

mod assumed;
mod box_lines;
mod boxes;
mod cells;
mod forms;
mod halving;
mod leaves;
mod names;
mod neurons;
mod phases;
mod posed;
mod search;
mod sides;

use crate::domains::activation::Piece;
use crate::domains::domain::{
    AbstractDomain, Bounds, Checked, DeepPoly, DomainError, Run, Trace, Wanted, allowance, propagate, propagate_until,
    reach,
};
use crate::domains::dual::{Compiled, Relaxed, has_corners};
use crate::domains::network::{Activation, Arithmetic, Network};
use crate::domains::num::{Interval, Rational, exact_or_zero};
use crate::domains::query::{Ball, Case, Disjunct, LinearForms, Property, Region};
use crate::domains::verdict::Witness;
use crate::format::certificate::{Multipliers, Script};
pub(crate) use leaves::Lemmas;
pub use search::Found;

use crate::attack::{Attack, Target};
use boxes::Boxes;
use names::Names;
use neurons::{Neurons, PARTS_PER_COSTLY};
use phases::{Incumbent, Phase, Phases};
use rayon::prelude::*;
use search::{Examined, Part, search};
use std::ops::Range;

/// With more varying inputs than this, splitting them leads nowhere; with no more than the other number, nothing else is
/// as fast.
const MOST_INPUTS: usize = 20;
const FEW_INPUTS: usize = 4;

/// Conjunctions are the boxes' strength, which combine the atoms and leave out where one of them is positive: with up to
/// so many varying inputs they have so many parts before neurons are split.
const MANY_INPUTS: usize = 64;
const PARTS_TRIED: usize = 4000;

/// Networks with at most so many unstable neurons are split neuron by neuron, with everything bounded
/// again each time.
const FEW_NEURONS: usize = 60;

/// A network with smooth activations or products has no last affine piece that is decided exactly: a margin stays open
/// whose bound is no further below zero, and whose value somewhere no further above.
const NEARLY_ZERO: f64 = 1e-6;

/// Neurons with corners are split before curves, which take phases, with this share of the time and no more parts.
const SHARE_BEFORE_CURVES: f64 = 0.5;
const PARTS_BEFORE_CURVES: usize = 500;

/// Parts that are bounded for each restart of the attacks during a search, and for each disjunct.
const PARTS_PER_RESTART: usize = 16;

/// Tried before the search begins; the cascade's own attack is shorter.
fn long_attack() -> Attack {
    Attack { steps: 30, restarts: 3, ..Attack::short(1) }
}

/// What all engines read: one case of a query on a network.
pub(super) struct Problem<'a> {
    /// The network in question.
    pub whole: &'a Network,
    /// The same on the region, without neurons that are zero there: what is bounded.
    pub network: &'a Network,
    pub case: &'a Case,
    /// Bounds of all neurons over the region, or over the part of it that is in question.
    pub bounds: Bounds,
    /// Bounds of all neurons over the region, where those are over a part of it.
    free: Option<Bounds>,
    /// The margins of all atoms.
    pub forms: LinearForms,
    /// Which of them belong to each disjunct.
    pub rows: Vec<Range<usize>>,
    /// What the neurons of `network` are called in `whole`.
    names: Names,
    /// Whether counterexamples are looked for.
    pub attack: bool,
    /// Whether what is refuted must come with a certificate.
    pub certify: bool,
    /// After so many parts, those inside a leaf among them, nobody goes on.
    pub most: usize,
    /// A bound above this refutes: zero, or what a checker needs.
    pub goal: f64,
    pub run: Run<'a>,
}

/// A trace, where bounds do not exclude each other, and those that it found.
type Traced<'a, F> = (Option<Trace<'a, F>>, Bounds);

impl<'a> Problem<'a> {
    fn new(question: &Question<'a>, run: Run<'a>) -> Result<Self, DomainError> {
        let &Question { target: Target { network, case, .. }, known, part, attack, certify, most, .. } = question;
        let domain = DeepPoly { wanted: Wanted::Unstable, ..DeepPoly::default() };
        let over = |known: &Bounds| -> Result<Bounds, DomainError> {
            let mut bounds = propagate(&domain, network, &case.region, known, run)?.bounds();
            bounds.intersect(known);
            Ok(bounds)
        };
        // A certificate says how bounds are found, and of no others.
        let mut bounds = if certify { known.loosened(network).checked(network)? } else { over(known)? };
        let free = part.map(|_| bounds.clone());
        if let Some(part) = part {
            bounds.intersect(part);
            bounds = over(&bounds)?;
        }
        let mut rows = Vec::new();
        for disjunct in &case.property.disjuncts {
            let start = rows.last().map_or(0, |r: &Range<usize>| r.end);
            rows.push(start..start + disjunct.atoms.len());
        }
        let forms = LinearForms::of_atoms(network, case.property.atoms());
        let goal = if certify { allowance(reach(network, &forms, &bounds)) } else { 0.0 };
        let (whole, names) = (network, Names::default());
        Ok(Self { whole, network, case, bounds, free, forms, rows, names, attack, certify, most, goal, run })
    }

    /// Bounds of all neurons over the region.
    fn free(&self) -> &Bounds {
        self.free.as_ref().unwrap_or(&self.bounds)
    }

    /// How a checker finds bounds.
    fn checked(&self) -> Checked<'static> {
        if self.certify { Checked::Everywhere } else { Checked::Never }
    }

    /// Propagates over a part of the region: nothing where proven bounds exclude each other, since no input is there.
    fn propagate<'b, D: AbstractDomain>(
        &self,
        domain: &D,
        region: &'b Region,
        known: &Bounds,
        run: Run<'b>,
    ) -> Result<Option<Trace<'b, D::Fact>>, DomainError>
    where
        'a: 'b,
    {
        match propagate(domain, self.network, region, known, run) {
            Err(DomainError::Contradiction { .. }) => Ok(None),
            traced => traced.map(Some),
        }
    }

    /// The same, and the bounds of all nodes; where a certificate says how they are found, also of those before the node
    /// where they exclude each other.
    fn propagate_checked<'b, D: AbstractDomain>(
        &self,
        domain: &D,
        region: &'b Region,
        known: &Bounds,
        run: Run<'b>,
    ) -> Result<Traced<'b, D::Fact>, DomainError>
    where
        'a: 'b,
    {
        match propagate(domain, self.network, region, known, run) {
            Err(DomainError::Contradiction { node, .. }) if self.certify => {
                let before = propagate_until(domain, self.network, region, known, node, run)?;
                Ok((None, before.bounds()))
            }
            Err(DomainError::Contradiction { .. }) => Ok((None, Bounds::unknown())),
            traced => {
                let trace = traced?;
                let bounds = trace.bounds();
                Ok((Some(trace), bounds))
            }
        }
    }

    /// An attack on all of the region that takes a small share of the time that bounding `parts` of it took.
    fn attack(&self, open: &[usize], parts: usize) -> Option<Witness> {
        if !self.attack {
            return None;
        }
        let threads = rayon::current_num_threads();
        // All begin at the centre, and share what is left.
        let restarts = parts.div_ceil(PARTS_PER_RESTART * open.len().max(1));
        let restarts = 1 + restarts.saturating_sub(1).div_ceil(threads);
        let target = Target { network: self.whole, case: self.case, open };
        let of_thread = |thread| {
            let attack = Attack { restarts, ..Attack::pgd((parts + thread) as u64) };
            attack.run(target, self.run.budget).witness
        };
        (0..threads).into_par_iter().find_map_first(of_thread)
    }

    /// The forms of some disjuncts' atoms, and for each disjunct its rows among them.
    fn forms_of(&self, disjuncts: &[usize]) -> (LinearForms, Vec<Range<usize>>) {
        let mut rows = Vec::new();
        let mut of_disjunct = Vec::new();
        for &d in disjuncts {
            let start = rows.len();
            rows.extend(self.rows[d].clone());
            of_disjunct.push(start..rows.len());
        }
        (self.forms.select(&rows), of_disjunct)
    }

    /// The best bound of a disjunct by one of its atoms, which have these minima, or by a combination of them with
    /// `weights`; where that refutes it, the script says so.
    fn refuted(
        &self,
        d: usize,
        minima: &[f64],
        weights: &[f64],
        minimum: impl Fn(&LinearForms) -> Result<f64, DomainError>,
        script: &mut Script,
    ) -> Result<f64, DomainError> {
        let best = minima.iter().zip(0..).max_by(|a, b| a.0.total_cmp(b.0));
        let (bound, atom) = best.map_or((f64::NEG_INFINITY, 0), |(bound, atom)| (*bound, atom));
        if bound > self.goal {
            script.refute_by_atom(d, atom, &Multipliers::default());
            return Ok(bound);
        }
        let joint = forms::combined(&self.forms_of(&[d]).0, weights).filter(|_| minima.len() > 1);
        let joint = joint.map(|joint| minimum(&joint)).transpose()?;
        // The weights sum to no more than one: below the largest atom where it is positive.
        let bound = joint.filter(|&joint| joint > self.goal).unwrap_or(bound);
        if bound > self.goal {
            let weights: Vec<Rational> = weights.iter().map(|&w| exact_or_zero(w)).collect();
            script.refute(d, &weights, &Multipliers::default());
        }
        Ok(bound)
    }

    /// Whether what is open on a part is as good as decided, where nothing decides it exactly; `inside` is a point of the
    /// part, where one is known.
    fn is_too_near(&self, open: &[(usize, f64)], inside: Option<&[f64]>) -> bool {
        let is_near = |&(d, bound): &(usize, f64)| bound > -NEARLY_ZERO && inside.is_none_or(|x| self.is_low(d, x));
        self.network.has_curves() && open.iter().all(is_near)
    }

    /// Whether the margin of a disjunct may be next to zero at a point.
    fn is_low(&self, d: usize, x: &[f64]) -> bool {
        let x: Vec<Interval> = x.iter().map(|&x| Interval::point(x)).collect();
        let Ok(y) = self.whole.evaluate::<Interval>(&x) else { return true };
        self.case.property.disjuncts[d].atoms.iter().all(|atom| atom.margin_enclosure(&x, &y).lo <= NEARLY_ZERO)
    }

    /// Decides what is open on a part of the region by the phases of its unstable neurons, and adds that to what was
    /// found on the part. `free` holds on all of the region, `known` on the part.
    fn cells<P: Part>(
        &self,
        region: &Region,
        free: &Bounds,
        known: Bounds,
        open: &[(usize, f64)],
        mut examined: Examined<P>,
    ) -> Result<Examined<P>, DomainError> {
        if self.network.has_curves() {
            examined.stuck.extend(open);
            return Ok(examined);
        }
        let phases = Phases { problem: self, region, free: free.clone(), incumbent: None };
        let root = Phase { known, open: open.to_vec() };
        let found = search(&phases, vec![root], self.most, Run::silent(self.run.budget))?;
        examined.parts_inside += found.parts - 1;
        let (closed, stuck): (Vec<_>, Vec<_>) = found.bounds.into_iter().partition(|(_, bound)| *bound > 0.0);
        examined.closed.extend(closed);
        examined.stuck.extend(stuck);
        examined.shown.head.append(&found.script);
        examined.witness = found.witness;
        Ok(examined)
    }
}

/// Whether the engines apply: the region is connected.
pub(crate) fn applies(region: &Region) -> bool {
    !matches!(region.ball(), Ball::Hamming { .. } | Ball::Grid { .. } | Ball::GridL1 { .. })
}

/// Whether a search is likely to pay: where activations jump, relaxations are so loose that it does on small problems
/// only.
pub(crate) fn is_promising(network: &Network, region: &Region, bounds: &Bounds) -> bool {
    let is_small = || boxes::applies(region, FEW_INPUTS) || cells::unstable(network, bounds) <= FEW_NEURONS;
    !has_jumps(network) || is_small()
}

/// Whether an activation jumps: at the end of a piece that its neighbour has and it has not.
fn has_jumps(network: &Network) -> bool {
    let jumps = |pair: &[Piece]| !(pair[0].to_closed && pair[1].from_closed);
    let has_jump = |activation: &Activation| activation.function.pieces().unwrap_or_default().windows(2).any(jumps);
    network.activations().any(|(_, activation)| has_jump(activation))
}

/// What the search takes apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Splitting {
    /// Whatever suits the network and the region.
    #[default]
    Automatic,
    /// The region, into boxes.
    Inputs,
    /// The neurons' phases, everything bounded again each time.
    Phases,
    /// The neurons' phases, bounded by multipliers; for ReLU and its like. Their bounds are refined before and in between.
    Neurons,
    /// The same without refinement, to see what that gains.
    Unrefined,
    /// The same without bounds of neurons where disjuncts are assumed to hold.
    Unassumed,
    /// Bounds of neurons are refined and the margins bounded by them, without splitting for the margins.
    Refinement,
}

impl Splitting {
    /// Whether the engine of neurons is told what to do.
    fn is_of_neurons(self) -> bool {
        matches!(self, Self::Neurons | Self::Unrefined | Self::Unassumed | Self::Refinement)
    }
}

/// One case of a query, and how it is to be decided.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The network, the case and the disjuncts that are to be refuted.
    pub target: Target<'a>,
    /// Bounds that hold over the region.
    pub known: &'a Bounds,
    /// Bounds that hold on the part of the region that is in question, where it is not all: neurons are split there, and
    /// nothing is certified.
    pub part: Option<&'a Bounds>,
    /// Whether counterexamples are looked for.
    pub attack: bool,
    /// What is taken apart.
    pub splitting: Splitting,
    /// After so many parts the search ends, decided or not.
    pub most: usize,
    /// Whether what is refuted must come with statements that show it; `known` are bounds of all nodes then.
    pub certify: bool,
}

/// Bounds the disjuncts of a question until each is refuted, one has a witness, or the time is up. A network in
/// float32 stays undecided: the engines are about the real one.
///
/// # Errors
/// [`DomainError`] when the region does not fit the network, or the time is up before it is bounded at all.
pub fn decide(question: &Question<'_>, run: Run<'_>) -> Result<Found, DomainError> {
    let Question { target, attack, splitting, most, certify, part, .. } = *question;
    let (network, case) = (target.network, target.case);
    let open: Vec<(usize, f64)> = target.open.iter().map(|&d| (d, f64::NEG_INFINITY)).collect();
    if network.arithmetic() != Arithmetic::Real {
        // Affine pieces are decided by the real network.
        return Ok(Found::untouched(open, None));
    }
    let problem = Problem::new(question, run)?;
    if attack {
        let witness = long_attack().run(target, run.budget).witness;
        if witness.is_some() {
            return Ok(Found::untouched(open, witness));
        }
    }
    let reduced = problem.reduced();
    let is_curved = network.has_curves();
    let share = run.budget.share(if is_curved { SHARE_BEFORE_CURVES } else { 1.0 });
    let mut problem = problem.on(&reduced);
    let network = problem.network;
    let is_small = splitting == Splitting::Automatic
        && (has_jumps(network) || !boxes::applies(&case.region, FEW_INPUTS))
        && cells::unstable(network, &problem.bounds) <= FEW_NEURONS;
    if is_small && certify && has_corners(network) {
        // Phases lean on linear programs, which cannot be written.
        return Ok(Neurons::new(&open, most, splitting).run(&problem)?.0);
    }
    let of_boxes = |which| which == Splitting::Inputs && part.is_some();
    let is_told = |which| splitting == which || which == Splitting::Neurons && splitting.is_of_neurons();
    let may = |which| is_told(which) || splitting == Splitting::Automatic && !is_small && !of_boxes(which);
    if may(Splitting::Inputs) && boxes::applies(&case.region, MOST_INPUTS) {
        return split_inputs(&problem, open, most, run);
    }
    let is_joint = open.iter().any(|&(d, _)| problem.rows[d].len() > 1);
    if is_joint && may(Splitting::Inputs) && boxes::applies(&case.region, MANY_INPUTS) {
        let found = split_inputs(&problem, open.clone(), most.min(PARTS_TRIED), run)?;
        if found.witness.is_some() || found.bounds.values().all(|&bound| bound > 0.0) {
            return Ok(found);
        }
    }
    let mut found = Found::untouched(open, None);
    if may(Splitting::Neurons) && (is_curved || has_corners(network)) {
        problem.run.budget = &share;
        let most_here = if is_curved { most.min(PARTS_BEFORE_CURVES) } else { most };
        let refined;
        (found, refined) = Neurons::new(&found.open(), most_here, splitting).run(&problem)?;
        if !is_curved
            || splitting.is_of_neurons()
            || found.witness.is_some()
            || run.budget.is_spent()
            || found.open().is_empty()
        {
            return Ok(found);
        }
        // Curves, which it does not split, are left.
        found.is_cut_short = false;
        problem.run = run;
        problem.bounds = refined.unwrap_or(problem.bounds);
    }
    let phases = Phases { problem: &problem, region: &case.region, free: problem.free().clone(), incumbent: None };
    let most = most.saturating_sub(found.parts.div_ceil(PARTS_PER_COSTLY));
    let more = search(&phases, vec![Phase { known: problem.bounds.clone(), open: found.open() }], most, run)?;
    found.join(more);
    Ok(found)
}

fn split_inputs(
    problem: &Problem<'_>,
    open: Vec<(usize, f64)>,
    most: usize,
    run: Run<'_>,
) -> Result<Found, DomainError> {
    let compiled = Compiled::new(problem.network);
    let relaxed = Relaxed::new(&compiled, &problem.case.region, &problem.bounds);
    let boxes = Boxes::new(problem, &relaxed);
    search(&boxes, vec![boxes.root(open)], most, run)
}

/// The minimum over a region of the largest margin of a conjunction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimum {
    /// A certified lower bound.
    pub lower: f64,
    /// An upper bound of a value that is attained; +∞ when no point was tried.
    pub upper: f64,
}

/// Brackets the minimum over `region` of the largest margin of `disjunct` until the bracket is no wider
/// than `tolerance`, or the time is up. For small networks with continuous activations; others keep the
/// bounds of back-substitution, and of a network in float32 nothing is known.
///
/// # Errors
/// [`DomainError`] when the region does not fit the network.
pub fn minimum(
    network: &Network,
    region: &Region,
    disjunct: &Disjunct,
    tolerance: f64,
    run: Run<'_>,
) -> Result<Minimum, DomainError> {
    if network.arithmetic() != Arithmetic::Real {
        return Ok(Minimum { lower: f64::NEG_INFINITY, upper: f64::INFINITY });
    }
    let case = Case::new(region.clone(), Property { disjuncts: vec![disjunct.clone()] });
    let known = Bounds::unknown();
    let splitting = Splitting::Phases;
    let question = Question {
        target: Target { network, case: &case, open: &[0] },
        known: &known,
        part: None,
        attack: false,
        splitting,
        most: usize::MAX,
        certify: false,
    };
    let problem = Problem::new(&question, run)?;
    let incumbent = Incumbent::new(tolerance);
    let free = problem.bounds.clone();
    let phases = Phases { problem: &problem, region, free, incumbent: Some(&incumbent) };
    let found = search(&phases, vec![phases.root(vec![(0, f64::NEG_INFINITY)])], usize::MAX, run)?;
    let lower = found.bounds.get(&0).copied().unwrap_or(f64::NEG_INFINITY);
    Ok(Minimum { lower, upper: incumbent.best() })
}
