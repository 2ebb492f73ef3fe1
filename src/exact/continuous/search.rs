//! The search that all exact engines share: cases are examined in parallel, worst bound first, until
//! every disjunct is refuted on each of them, one has a witness, or the time is up.

use crate::domains::activation::OpenEnds;
use crate::domains::domain::{DomainError, Run};
use crate::domains::network::NodeId;
use crate::domains::num::Rational;
use crate::domains::observer::Event;
use crate::domains::verdict::Witness;
use crate::format::certificate::{MOST_BYTES, Script};
use float_ord::FloatOrd;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A part of the query: a box of inputs, or the phases of some neurons.
pub(in crate::exact) trait Part: Send {
    /// The disjuncts that are not refuted on it, each with the best certified lower bound of its maximum.
    fn open(&self) -> &[(usize, f64)];
}

/// What examining a part gave.
pub(in crate::exact) struct Examined<P> {
    /// Disjuncts refuted on it (or as good as decided), with their certified lower bounds.
    pub closed: Vec<(usize, f64)>,
    /// What is left to examine; together they cover the part.
    pub children: Vec<P>,
    /// A replayed counterexample.
    pub witness: Option<Witness>,
    /// Disjuncts that the engine cannot decide here, with their bounds.
    pub stuck: Vec<(usize, f64)>,
    /// Further parts, of a search inside the part.
    pub parts_inside: usize,
    /// What a certificate says of it, where one is asked for.
    pub shown: Shown,
}

/// What a certificate says on a part.
#[derive(Default)]
pub(in crate::exact) struct Shown {
    /// Before what is said of its children.
    pub head: Script,
    /// The neuron (or input) and the number at which two children are divided, below first.
    pub split: Option<((NodeId, usize), Rational, OpenEnds)>,
    /// After that.
    pub tail: Script,
}

/// What is said on the parts of a search, by number, each with its children's.
#[derive(Default)]
struct Tree {
    parts: Vec<(Shown, Vec<usize>)>,
    bytes: usize,
}

impl Tree {
    fn add(&mut self, number: usize, shown: Shown, children: Vec<usize>) {
        // Numbers leave out those of parts inside of others.
        let len = self.parts.len().max(number + 1);
        let new = (len - self.parts.len()) * size_of::<(Shown, Vec<usize>)>();
        self.bytes += shown.head.len() + shown.tail.len() + new;
        if self.bytes > MOST_BYTES {
            self.parts = Vec::new();
            return;
        }
        self.parts.resize_with(len, Default::default);
        self.parts[number] = (shown, children);
    }

    /// Everything in order, from the parts that the search began with. Parts go as they are written.
    fn script(mut self, roots: usize) -> Script {
        let mut script = Script::default();
        if self.bytes > MOST_BYTES {
            script.give_up();
        }
        (0..roots.min(self.parts.len())).for_each(|root| self.write(root, &mut script));
        script
    }

    fn write(&mut self, number: usize, script: &mut Script) {
        let Some((shown, children)) = self.parts.get_mut(number).map(std::mem::take) else { return };
        script.append(&shown.head);
        match (&shown.split, &children[..]) {
            (Some((neuron, at, open)), &[below, above]) => {
                script.split(*neuron, at, *open);
                self.write(below, script);
                script.otherwise();
                self.write(above, script);
                script.end();
            }
            (_, children) => children.iter().for_each(|&child| self.write(child, script)),
        }
        script.append(&shown.tail);
    }
}

impl<P> Default for Examined<P> {
    fn default() -> Self {
        Self {
            closed: Vec::new(),
            children: Vec::new(),
            witness: None,
            stuck: Vec::new(),
            parts_inside: 0,
            shown: Shown::default(),
        }
    }
}

impl<P: Part> Examined<P> {
    /// As it is where no input is on the part after all: what was open is refuted.
    pub fn without_inputs(mut self, open: &[(usize, f64)]) -> Self {
        self.closed.extend(open.iter().map(|&(d, _)| (d, f64::INFINITY)));
        self
    }

    /// The disjuncts of which something is said: one that is passed over must not count as refuted.
    fn accounted_for(&self) -> BTreeSet<usize> {
        let said = self.children.iter().flat_map(Part::open).chain(&self.closed).chain(&self.stuck);
        said.map(|&(d, _)| d).collect()
    }
}

/// Parts per thread between two looks at the clock, where each is examined on its own.
pub(in crate::exact) const ONE_BY_ONE: usize = 16;

/// How an engine takes a part apart.
pub(in crate::exact) trait Space: Sync {
    /// Its parts.
    type Part: Part;
    /// Looks for a counterexample to one of the open disjuncts on all of the region, the harder the more parts
    /// were examined.
    fn attack(&self, _open: &[usize], _parts: usize) -> Option<Witness> {
        None
    }
    /// Whether a certificate is asked for.
    fn certifies(&self) -> bool {
        false
    }
    /// Parts per thread between two looks at the clock.
    fn together(&self) -> usize {
        ONE_BY_ONE
    }
    /// Bounds what is open on each of some parts, and splits it where something stays open.
    fn examine(&self, parts: Vec<Self::Part>) -> Vec<Result<Examined<Self::Part>, DomainError>>;
}

/// Examines parts one by one, on all threads.
pub(in crate::exact) fn each<P: Send>(
    parts: Vec<P>,
    examine: impl Fn(P) -> Result<Examined<P>, DomainError> + Send + Sync,
) -> Vec<Result<Examined<P>, DomainError>> {
    parts.into_par_iter().map(examine).collect()
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// A certified lower bound per disjunct (by index in the case): positive when it is refuted.
    pub bounds: BTreeMap<usize, f64>,
    /// A replayed counterexample.
    pub witness: Option<Witness>,
    /// Whether it ended because it had as many parts as it might.
    pub is_cut_short: bool,
    /// Parts examined.
    pub parts: usize,
    /// What else the search did, by name: where neurons were refined `sides_refined` and `neurons_fixed`, and
    /// `refuted_by_assuming` disjuncts by bounds where they hold.
    pub figures: BTreeMap<&'static str, u64>,
    /// What shows that disjuncts are refuted, where that was asked for.
    pub script: Script,
}

impl Found {
    /// Nothing was taken apart.
    pub(super) fn untouched(open: Vec<(usize, f64)>, witness: Option<Witness>) -> Self {
        Self {
            bounds: open.into_iter().collect(),
            witness,
            is_cut_short: false,
            parts: 0,
            figures: BTreeMap::new(),
            script: Script::default(),
        }
    }

    /// The disjuncts that are not refuted, with their bounds.
    pub(super) fn open(&self) -> Vec<(usize, f64)> {
        let is_refuted = |bound: f64| bound > 0.0;
        self.bounds.iter().map(|(&d, &bound)| (d, bound)).filter(|&(_, bound)| !is_refuted(bound)).collect()
    }

    /// Adds what another search found of those that were open.
    pub(super) fn join(&mut self, more: Self) {
        for (d, bound) in more.bounds {
            let known = self.bounds.entry(d).or_insert(bound);
            *known = known.max(bound);
        }
        self.witness = self.witness.take().or(more.witness);
        self.is_cut_short |= more.is_cut_short;
        self.parts += more.parts;
        self.figures.extend(more.figures);
        self.script.append(&more.script);
    }
}

/// With more open parts than this the ones nearest to their end go first, so that memory stays bounded.
const MANY: usize = 20_000;

/// After so many parts the region is attacked again, and whenever there are twice as many.
const FIRST_ATTACK: usize = 256;

fn worst(part: &impl Part) -> f64 {
    part.open().iter().fold(f64::INFINITY, |least, &(_, bound)| least.min(bound))
}

/// Examines parts until none is open, or there were more than `most`.
pub(in crate::exact) fn search<S: Space>(
    space: &S,
    roots: Vec<S::Part>,
    most: usize,
    run: Run<'_>,
) -> Result<Found, DomainError> {
    let mut bounds: BTreeMap<usize, f64> =
        roots.iter().flat_map(Part::open).map(|&(d, _)| (d, f64::INFINITY)).collect();
    let mut lower = |d: usize, bound: f64| {
        bounds.entry(d).and_modify(|b| *b = b.min(bound)).or_insert(bound);
    };
    let mut open: BTreeMap<(FloatOrd<f64>, usize), S::Part> = BTreeMap::new();
    // What no statement refutes is not refuted, though its bound be above zero by less than a certificate needs.
    let unsaid = |bound: f64| if space.certifies() { bound.min(0.0) } else { bound };
    let (mut number, mut closed) = (0, 0);
    let mut tree = space.certifies().then(Tree::default);
    let count = roots.len();
    for root in roots {
        open.insert((FloatOrd(worst(&root)), number), root);
        number += 1;
    }
    let mut witness = None;
    let mut next_attack = FIRST_ATTACK;
    while !open.is_empty() && witness.is_none() && number <= most && !run.budget.is_spent() {
        let many = open.len() > MANY;
        let size = space.together() * rayon::current_num_threads();
        let take = || if many { open.pop_last() } else { open.pop_first() };
        let taken = std::iter::from_fn(take).take(size).map(|((_, number), part)| (number, part));
        let (numbers, batch): (Vec<usize>, Vec<S::Part>) = taken.unzip();
        let before: Vec<Vec<(usize, f64)>> = batch.iter().map(|part| part.open().to_vec()).collect();
        let mut examined = space.examine(batch).into_iter();
        for (part, before) in numbers.into_iter().zip(before) {
            // What was not examined to the end keeps the bounds that it had.
            let result = match examined.next() {
                Some(Ok(result)) => result,
                Some(Err(DomainError::OutOfTime)) | None => Examined::default(),
                Some(Err(other)) => return Err(other),
            };
            let said = result.accounted_for();
            for &(d, bound) in before.iter().filter(|(d, _)| !said.contains(d)) {
                lower(d, unsaid(bound));
            }
            closed += usize::from(result.children.is_empty());
            result.closed.iter().for_each(|&(d, bound)| lower(d, bound));
            result.stuck.iter().for_each(|&(d, bound)| lower(d, unsaid(bound)));
            if let Some(tree) = &mut tree {
                tree.add(part, result.shown, (number..number + result.children.len()).collect());
            }
            for child in result.children {
                open.insert((FloatOrd(worst(&child)), number), child);
                number += 1;
            }
            number += result.parts_inside;
            witness = witness.or(result.witness);
        }
        if number >= next_attack && witness.is_none() {
            next_attack = 2 * number;
            let disjuncts: BTreeSet<usize> = open.values().flat_map(Part::open).map(|&(d, _)| d).collect();
            witness = space.attack(&Vec::from_iter(disjuncts), number);
        }
        let bound = open.values().next().map_or(f64::INFINITY, worst);
        run.observer.event(Event::Search { open: open.len(), closed, bound });
    }
    for part in open.values() {
        part.open().iter().for_each(|&(d, bound)| lower(d, unsaid(bound)));
    }
    let script = tree.map(|tree| tree.script(count)).unwrap_or_default();
    // A search inside a part, too, may have ended early and left it undecided.
    let is_open = !open.is_empty() || bounds.values().any(|&bound| bound <= 0.0);
    let is_cut_short = is_open && witness.is_none() && number > most;
    Ok(Found { bounds, witness, is_cut_short, parts: number, figures: BTreeMap::new(), script })
}
