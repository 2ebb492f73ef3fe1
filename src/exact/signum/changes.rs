//! What the changes of single inputs do to the first layer in a small ball.
//!
//! The neurons of the first layer read two inputs or more, directly or by way of neurons that read one: pixels that a network
//! binarizes itself. Most of them cannot change in the ball at all, as its support function tells.

use super::encode::Encoded;
use super::region::HammingBall;
use absint_sat::{Constraint, Direction, Lit, Var};

/// In larger balls far too much can change.
const MOST_STEPS: i64 = 16;
/// A bit of a word for each open neuron.
const MOST_OPEN: usize = 64;

/// Another value of an input.
pub(super) struct Change {
    pub input: usize,
    /// How many steps of the ball it takes.
    pub cost: usize,
    /// The bits of the input with that value, those that are true.
    pub bits: Vec<Lit>,
    /// By how much it moves the sums of open neurons.
    pub moves: Vec<(usize, i64)>,
}

/// The neurons of the first layer in a ball, and what changes them.
pub(super) struct Changes {
    /// Steps from the centre that the ball allows.
    pub most: usize,
    /// The value of each variable at the centre, as far as it follows from a single input.
    pub center: Vec<bool>,
    /// Neurons that can change, each with how far its sum is above its threshold at the centre, negative below: it is on
    /// where that is not negative.
    pub open: Vec<(Lit, i64)>,
    /// All others, with their value.
    pub closed: Vec<(Lit, bool)>,
    /// In the order of the inputs; those that change nothing are left out.
    pub all: Vec<Change>,
    /// What a step of the ball moves a sum by, at most.
    rate: i64,
    /// Which constraints of the network are behind the first layer.
    is_deeper: Vec<bool>,
}

/// The constraints of a network up to its first layer.
struct Front<'a> {
    /// For each input those of the neurons that read nothing else.
    own: Vec<Vec<&'a Constraint>>,
    /// Those of the first layer.
    first: Vec<&'a Constraint>,
    is_deeper: Vec<bool>,
}

/// Changes of one neuron's sum: by which input, for how many steps, and by how much.
type Moves = Vec<(usize, usize, i64)>;

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What the ball moves a neuron's sum by at most, in the direction of `sign`.
fn reach(moves: &Moves, most: usize, sign: i64) -> i64 {
    let mut best = vec![0i64; most + 1];
    for of_input in moves.chunk_by(|a, b| a.0 == b.0) {
        for used in (1..=most).rev() {
            let with = |&(_, cost, by): &(usize, usize, i64)| {
                best.get(used.checked_sub(cost)?).map(|before| before.saturating_add(sign.saturating_mul(by)))
            };
            best[used] = of_input.iter().filter_map(with).fold(best[used], i64::max);
        }
    }
    best[most]
}

fn sum(constraint: &Constraint, values: &[bool]) -> Option<i64> {
    let is_true = |l: Lit| values[l.var().index()] != l.is_negative();
    constraint.terms.iter().filter(|t| is_true(t.1)).try_fold(0i64, |sum, t| sum.checked_add(t.0))
}

impl<'a> Front<'a> {
    /// `None` where there are half-spaces, or constraints of another kind.
    fn of(encoded: &'a Encoded) -> Option<Self> {
        let inputs = &encoded.inputs.values;
        // Beside the ball only the thermometers of inputs limit the region.
        let thermometers: usize = inputs.iter().map(|v| v.steps.len().saturating_sub(1)).sum();
        if encoded.region.constraints.len() != thermometers + 1 {
            return None;
        }
        let mut owner: Vec<Option<usize>> = vec![None; encoded.vars()];
        for (i, value) in inputs.iter().enumerate() {
            value.steps.iter().for_each(|step| owner[step.1.var().index()] = Some(i));
        }
        let mut front = Self { own: vec![Vec::new(); inputs.len()], first: Vec::new(), is_deeper: Vec::new() };
        for constraint in &encoded.network.formula.constraints {
            let owners: Option<Vec<usize>> = constraint.terms.iter().map(|t| owner[t.1.var().index()]).collect();
            front.is_deeper.push(owners.is_none());
            let Some(owners) = owners else { continue };
            let one = owners.first().filter(|&&one| owners.iter().all(|&other| other == one));
            match (constraint.target, one) {
                (Some((target, Direction::Both)), Some(&input)) => {
                    owner[target.var().index()] = Some(input);
                    front.own[input].push(constraint);
                }
                (Some((_, Direction::Both)), None) => front.first.push(constraint),
                // That one step of a neuron needs the one before.
                (None, Some(_)) => {}
                _ => return None,
            }
        }
        Some(front)
    }

    /// The values of neurons of one input.
    fn settle(&self, input: usize, values: &mut [bool]) -> Option<()> {
        for constraint in &self.own[input] {
            let (target, _) = constraint.target?;
            values[target.var().index()] = (sum(constraint, values)? >= constraint.bound) != target.is_negative();
        }
        Some(())
    }

    /// The values of all variables at the centre of a ball, as far as they follow from single inputs.
    fn center(&self, ball: &HammingBall, vars: usize) -> Option<Vec<bool>> {
        let mut center = vec![false; vars];
        ball.flips.iter().for_each(|flip| center[flip.var().index()] = flip.is_negative());
        (0..self.own.len()).try_for_each(|input| self.settle(input, &mut center))?;
        Some(center)
    }

    /// All changes that the ball allows, by input and cost, with what they do to the sums of the first layer.
    fn changes(&self, encoded: &Encoded, center: &[bool], most: usize) -> Option<Vec<Change>> {
        let mut readers: Vec<Vec<(usize, i64)>> = vec![Vec::new(); encoded.vars()];
        for (j, constraint) in self.first.iter().enumerate() {
            for &(a, l) in &constraint.terms {
                readers[l.var().index()].push((j, if l.is_negative() { a.checked_neg()? } else { a }));
            }
        }
        let (mut all, mut values, mut by) = (Vec::new(), center.to_vec(), vec![0i64; self.first.len()]);
        for (input, value) in encoded.inputs.values.iter().enumerate() {
            let bits = || value.steps.iter().map(|step| step.1);
            let targets = self.own[input].iter().filter_map(|c| Some(c.target?.0.var()));
            let vars: Vec<Var> = bits().map(Lit::var).chain(targets).collect();
            let mut of_input: Vec<Change> = Vec::new();
            for count in 0..=value.steps.len() {
                bits().enumerate().for_each(|(k, l)| values[l.var().index()] = (k < count) != l.is_negative());
                let cost = bits().filter(|l| values[l.var().index()] != center[l.var().index()]).count();
                if cost == 0 || cost > most {
                    continue;
                }
                self.settle(input, &mut values)?;
                let mut moves: Vec<(usize, i64)> = Vec::new();
                for var in vars.iter().map(|v| v.index()).filter(|&v| values[v] != center[v]) {
                    for &(j, a) in &readers[var] {
                        by[j] = by[j].checked_add(if values[var] { a } else { a.checked_neg()? })?;
                        moves.push((j, 0));
                    }
                }
                moves.sort_unstable();
                moves.dedup();
                moves.iter_mut().for_each(|(j, total)| *total = std::mem::take(&mut by[*j]));
                moves.retain(|m| m.1 != 0);
                of_input.push(Change {
                    input,
                    cost,
                    bits: bits().map(|l| l.var().is(values[l.var().index()])).collect(),
                    moves,
                });
            }
            vars.iter().map(|v| v.index()).for_each(|v| values[v] = center[v]);
            of_input.sort_by_key(|change| change.cost);
            all.extend(of_input);
        }
        Some(all)
    }
}

impl Changes {
    /// `None` where there is no ball or a large one, where more than the first layer reads inputs, or where too many of
    /// its neurons can change.
    pub fn new(encoded: &Encoded) -> Option<Self> {
        let ball = encoded.inputs.ball.as_ref().filter(|ball| ball.most <= MOST_STEPS)?;
        let most = usize::try_from(ball.most).ok()?;
        let front = Front::of(encoded)?;
        let center = front.center(ball, encoded.vars())?;
        let mut all = front.changes(encoded, &center, most)?;
        let mut of_neuron: Vec<Moves> = vec![Vec::new(); front.first.len()];
        for change in &all {
            change.moves.iter().for_each(|&(j, by)| of_neuron[j].push((change.input, change.cost, by)));
        }
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        // The number of each open neuron, and what all its changes are multiples of.
        let mut numbers: Vec<Option<(usize, i64)>> = vec![None; front.first.len()];
        for (j, (constraint, moves)) in front.first.iter().zip(&of_neuron).enumerate() {
            let (target, _) = constraint.target?;
            let above = sum(constraint, &center)?.checked_sub(constraint.bound)?;
            let farthest = reach(moves, most, if above < 0 { 1 } else { -1 });
            let can_change =
                if above < 0 { above.checked_add(farthest)? >= 0 } else { above.checked_sub(farthest)? < 0 };
            if !can_change {
                closed.push((target, above >= 0));
                continue;
            }
            let unit = i64::try_from(moves.iter().fold(0, |g, m| gcd(m.2.unsigned_abs(), g))).ok()?;
            numbers[j] = Some((open.len(), unit));
            open.push((target, above.div_euclid(unit)));
        }
        if open.len() > MOST_OPEN {
            return None;
        }
        for change in &mut all {
            let moved = |&(j, by): &(usize, i64)| numbers[j].map(|(number, unit)| (number, by / unit));
            change.moves = change.moves.iter().filter_map(moved).collect();
        }
        all.retain(|change| !change.moves.is_empty());
        // Of the changes of an input that do the same the cheapest is enough.
        all.dedup_by(|next, kept| next.input == kept.input && next.moves == kept.moves);
        let rate = |c: &Change| c.moves.iter().map(|m| m.1.unsigned_abs()).max().unwrap_or(0).div_ceil(c.cost as u64);
        let rate = i64::try_from(all.iter().map(rate).max().unwrap_or(0)).ok()?;
        Some(Self { most, center, open, closed, all, rate, is_deeper: front.is_deeper })
    }

    /// What so many steps move a sum by, at most.
    pub fn most_moved(&self, steps: usize) -> i64 {
        self.rate.saturating_mul(i64::try_from(steps).unwrap_or(i64::MAX))
    }

    /// The constraints behind the first layer, in order.
    pub fn deeper<'a>(&'a self, encoded: &'a Encoded) -> impl Iterator<Item = &'a Constraint> {
        let of_network = encoded.network.formula.constraints.iter().zip(&self.is_deeper).filter(|(_, deeper)| **deeper);
        of_network.map(|(constraint, _)| constraint).chain(&encoded.goal.formula.constraints)
    }
}
