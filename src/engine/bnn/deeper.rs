//! Implied counts of the layers behind the first: how many neurons, weighted, can change together.
//!
//! Let `c_i` say that neuron i of a layer differs from its value at the centre of the ball. That takes
//! harmful changes `f_j` in the layer before (flips of inputs, for the first): `c_i → Σ h_ij f_j ≥ d_i`, from
//! the neuron's own inequality without its helpful terms. Adding such rows with multipliers `λ_i ≥ 0`,
//! `λ_i d_i ≤ v_i`, bounds every sum with weights `v ≥ 0` by one over the layer before:
//!
//! `Σ v_i c_i ≤ Σ (v_i − λ_i d_i) + U(q)`, `q_j = Σ λ_i h_ij`, where `Σ q_j f_j ≤ U(q)`,
//!
//! and `U` is the same again one layer earlier, down to the ball, where it is the sum of the largest weights.
//! The result is rounded down to an integer. In the spirit of the recursive valid inequalities of Kim & Luedtke
//! 2025 (each layer uses those of the one before), but this form is our own. A neuron whose harmful
//! changes cannot reach its threshold keeps its value, and else at most `B − d` of weight is left for the helpful
//! ones, as in [`super::implied`]. A disjunct that does not hold at the centre is treated alike.

use super::ledger::Ledger;
use super::region::HammingBall;
use crate::engine::sat::{Constraint, Direction, Lit, Var};
use std::collections::HashMap;
use std::fmt::Write;

/// Multipliers are multiples of one in this many parts.
const PARTS: i64 = 60;
/// How often the choice of rows is revised.
const ROUNDS: usize = 4;

/// A literal that is false at the centre.
#[derive(Clone, Debug)]
struct Change {
    literal: Lit,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// An input.
    Flip,
    /// A neuron that keeps its value.
    Never,
    /// A neuron that changes only if `Σ h_j f_j ≥ distance` over changes of the layer before.
    Row { terms: Vec<(i64, usize)>, distance: i64, source: (usize, usize) },
}

/// Why `Σ v_i c_i ≤ bound`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    /// The ball, times a factor, and literals.
    Ball { factor: i64 },
    /// Rows times λ, on top of a bound with weights `q` of the layer before; all divided by [`PARTS`].
    Rows { lambda: Vec<(usize, i64)>, weights: Vec<i64>, before: Box<Why> },
    /// Nothing but `c_i ≤ 1`.
    Each,
}

/// What is known of the changes, layer by layer.
pub(super) struct Changes {
    layers: Vec<Vec<Change>>,
    place: HashMap<Var, (usize, usize)>,
    most: i64,
    ball: usize,
}

/// What follows for a neuron behind the first layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deeper {
    /// The literal that is true when the neuron keeps its value at the centre.
    pub kept: Lit,
    /// True when it is certain to.
    pub is_fixed: bool,
    /// True when the constraint alone says so, without a count.
    pub is_plain: bool,
    /// `¬kept → Σ a l ≥ bound`, where the count is sharper than nothing.
    pub terms: Vec<(i64, Lit)>,
    /// See there.
    pub bound: i64,
    why: Why,
    weights: Vec<i64>,
    layer: usize,
    source: (usize, usize),
}

impl Deeper {
    /// Whether the search does not know it anyway.
    pub fn says_something(&self) -> bool {
        !self.is_plain && self.why != Why::Each && (self.is_fixed || !self.terms.is_empty())
    }
}

/// A neuron's sum relative to the centre.
struct Moves {
    layer: usize,
    kept: Lit,
    is_target: bool,
    /// How far each change of the layer before moves the sum towards the threshold.
    harm: Vec<i64>,
    distance: i64,
}

impl Changes {
    pub fn of(ball: &HammingBall) -> Self {
        let flips: Vec<Change> = ball.flips.iter().map(|&literal| Change { literal, state: State::Flip }).collect();
        let place = flips.iter().enumerate().map(|(i, c)| (c.literal.var(), (0, i))).collect();
        Self { layers: vec![flips], place, most: ball.most, ball: ball.constraint }
    }

    /// `None` where the constraint is neither a neuron's nor a disjunct's, reads several layers or unknown bits,
    /// or is too large.
    fn moves(&self, constraint: &Constraint) -> Option<Moves> {
        let (target, direction) = constraint.target?;
        let layer = self.place.get(&constraint.terms.first()?.1.var())?.0;
        let changes = &self.layers[layer];
        let mut moves = vec![0i64; changes.len()];
        let mut center = 0i64;
        for &(a, l) in &constraint.terms {
            let &(of, i) = self.place.get(&l.var())?;
            if of != layer {
                return None;
            }
            if changes[i].literal == l {
                moves[i] = moves[i].checked_add(a)?;
            } else {
                moves[i] = moves[i].checked_sub(a)?;
                center = center.checked_add(a)?;
            }
        }
        let is_target = center >= constraint.bound;
        // A disjunct of the unsafe set says something where it holds only.
        let says_enough = direction == Direction::Both || (direction == Direction::TargetImplies && !is_target);
        if !says_enough {
            return None;
        }
        let beyond = constraint.bound.checked_sub(center)?;
        let distance = if is_target { beyond.checked_neg()?.checked_add(1)? } else { beyond };
        let harm = if is_target { moves.iter().map(|a| a.checked_neg()).collect::<Option<_>>()? } else { moves };
        Some(Moves { layer, kept: if is_target { target } else { !target }, is_target, harm, distance })
    }

    /// Remembers a neuron, so that later layers can be bounded by it.
    fn remember(&mut self, moves: &Moves, is_fixed: bool, source: (usize, usize)) {
        let layer = moves.layer + 1;
        if self.layers.len() <= layer {
            self.layers.push(Vec::new());
        }
        let before = &self.layers[layer - 1];
        let is_open = |i: &usize| !matches!(before[*i].state, State::Never);
        let harmful = (0..moves.harm.len()).filter(is_open).filter(|&i| moves.harm[i] > 0);
        let state = if is_fixed {
            State::Never
        } else {
            let terms = harmful.map(|i| (moves.harm[i].min(moves.distance), i)).collect();
            State::Row { terms, distance: moves.distance, source }
        };
        self.place.insert(moves.kept.var(), (layer, self.layers[layer].len()));
        self.layers[layer].push(Change { literal: !moves.kept, state });
    }

    /// Remembers a neuron of the first layer, of which [`super::implied`] says whether it is fixed.
    pub fn remember_first(&mut self, index: usize, constraint: &Constraint, is_fixed: bool) {
        if let Some(moves) = self.moves(constraint).filter(|m| m.layer == 0) {
            self.remember(&moves, is_fixed, (index, usize::from(moves.is_target)));
        }
    }

    /// What follows for constraint number `index`, if it is that of a neuron behind the first layer, or a
    /// disjunct's over such: to hold, it has to change from the centre as a neuron has to.
    pub fn deeper(&mut self, index: usize, constraint: &Constraint) -> Option<Deeper> {
        let moves = self.moves(constraint).filter(|m| m.layer > 0)?;
        let changes = &self.layers[moves.layer];
        let is_open = |i: usize| !matches!(changes[i].state, State::Never);
        let weights: Vec<i64> = moves.harm.iter().map(|&a| a.max(0)).collect();
        let total = (0..weights.len()).filter(|&i| is_open(i)).try_fold(0i64, |s, i| s.checked_add(weights[i]))?;
        let source = (index, usize::from(moves.is_target));
        let is_plain = total < moves.distance;
        let (bound, why) = if is_plain { (total, Why::Each) } else { self.bound(moves.layer, &weights)? };
        let is_fixed = bound < moves.distance;
        let helpful = (0..weights.len()).filter(|&i| is_open(i) && moves.harm[i] < 0);
        let terms = helpful.map(|i| (moves.harm[i], changes[i].literal)).collect();
        let found = Deeper {
            kept: moves.kept,
            is_fixed,
            is_plain,
            terms,
            bound: moves.distance - bound,
            why,
            weights,
            layer: moves.layer,
            source,
        };
        self.remember(&moves, is_fixed, source);
        Some(found)
    }

    /// An upper bound of `Σ v_i c_i` over a layer's changes.
    fn bound(&self, layer: usize, v: &[i64]) -> Option<(i64, Why)> {
        let changes = &self.layers[layer];
        if layer == 0 {
            let mut sorted = v.to_vec();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let most = usize::try_from(self.most).ok()?;
            let factor = if most == 0 { sorted.first() } else { sorted.get(most - 1) }.copied().unwrap_or(0);
            let sum = sorted.iter().take(most).try_fold(0i64, |s, a| s.checked_add(*a))?;
            return Some((sum, Why::Ball { factor }));
        }
        let open: Vec<usize> =
            (0..v.len()).filter(|&i| v[i] > 0 && !matches!(changes[i].state, State::Never)).collect();
        let total = open.iter().try_fold(0i64, |s, &i| s.checked_add(v[i]))?;
        let mut best = (total, Why::Each);
        let mut is_on = vec![true; v.len()];
        for _ in 0..ROUNDS {
            let mut weights = vec![0i64; self.layers[layer - 1].len()];
            let mut lambda = Vec::new();
            let mut rest = total.checked_mul(PARTS)?;
            for &i in open.iter().filter(|&&i| is_on[i]) {
                let State::Row { terms, distance, .. } = &changes[i].state else { continue };
                let by = PARTS.checked_mul(v[i])? / distance;
                for &(h, j) in terms {
                    weights[j] = weights[j].checked_add(by.checked_mul(h)?)?;
                }
                rest -= by.checked_mul(*distance)?;
                lambda.push((i, by));
            }
            let (below, why) = self.bound(layer - 1, &weights)?;
            let sum = rest.checked_add(below)?.div_euclid(PARTS);
            let before = best.0;
            if layer == 1 {
                // Rows that the worst flips satisfy cost more than they gain.
                let mut order: Vec<usize> = (0..weights.len()).collect();
                order.sort_by_key(|&j| std::cmp::Reverse(weights[j]));
                let mut is_flipped = vec![false; weights.len()];
                order.iter().take(usize::try_from(self.most).ok()?).for_each(|&j| is_flipped[j] = true);
                for &i in &open {
                    if let State::Row { terms, distance, .. } = &changes[i].state {
                        is_on[i] = terms.iter().filter(|t| is_flipped[t.1]).map(|t| t.0).sum::<i64>() < *distance;
                    }
                }
            }
            if sum < best.0 {
                best = (sum, Why::Rows { lambda, weights, before: Box::new(why) });
            }
            if best.0 == before || layer > 1 {
                break;
            }
        }
        Some(best)
    }

    /// Writes down why a neuron keeps its value, or why its count holds.
    pub fn justify(&self, found: &Deeper, ledger: &Ledger<'_>) {
        if !ledger.is_open() {
            return;
        }
        let own = ledger.number(found.source).to_string();
        let count = self.steps(found.layer, &found.weights, &found.why, ledger);
        ledger.polish(&sum([Some(own), count].into_iter().flatten()).unwrap_or_default());
    }

    /// Steps that derive `Σ v_i ¬c_i ≥ Σ v_i − bound`; `None` where all weights are 0.
    fn steps(&self, layer: usize, v: &[i64], why: &Why, ledger: &Ledger<'_>) -> Option<String> {
        let changes = &self.layers[layer];
        let unit = |change: &Change, by: i64| times(ledger.unit(!change.literal), by);
        let mut operands: Vec<Option<String>> = Vec::new();
        match why {
            Why::Ball { factor } => {
                operands.push((*factor > 0).then(|| format!("{} {factor} *", ledger.number((self.ball, 0)))));
                for (change, &v) in changes.iter().zip(v) {
                    operands.push(times(!change.literal, v - factor));
                    operands.push(times(change.literal, factor - v));
                }
                sum(operands.into_iter().flatten())
            }
            Why::Each => {
                for (change, &v) in changes.iter().zip(v).filter(|t| *t.1 > 0) {
                    let is_never = matches!(change.state, State::Never);
                    operands.push(if is_never { unit(change, v) } else { times(!change.literal, v) });
                }
                sum(operands.into_iter().flatten())
            }
            Why::Rows { lambda, weights, before } => {
                operands.push(self.steps(layer - 1, weights, before, ledger));
                let mut done = vec![0i64; v.len()];
                for &(i, by) in lambda {
                    if let (State::Row { distance, source, .. }, true) = (&changes[i].state, by > 0) {
                        operands.push(times(self.row(layer - 1, *source, ledger), by));
                        done[i] = by * distance;
                    }
                }
                for ((change, &v), done) in changes.iter().zip(v).zip(done).filter(|t| *t.0.1 > 0) {
                    let is_never = matches!(change.state, State::Never);
                    let (all, rest) = (v * PARTS, v * PARTS - done);
                    operands.push(if is_never { unit(change, all) } else { times(!change.literal, rest) });
                }
                sum(operands.into_iter().flatten()).map(|steps| format!("{steps} {PARTS} d"))
            }
        }
    }

    /// Steps to a neuron's row: its inequality without helpful changes and those that never happen.
    fn row(&self, layer: usize, source: (usize, usize), ledger: &Ledger<'_>) -> String {
        let mut steps = ledger.number(source).to_string();
        for &(a, l) in ledger.terms(source.0).iter() {
            let Some(&(_, i)) = self.place.get(&l.var()) else { continue };
            let change = &self.layers[layer][i];
            // In "target implies" the sum appears as it is, in the other direction negated.
            let toward = if (change.literal == l) == (source.1 == 0) { a } else { -a };
            if toward < 0 {
                let _ = write!(steps, " {} {} * +", change.literal, -toward);
            } else if matches!(change.state, State::Never) {
                let _ = write!(steps, " {} {toward} * +", ledger.unit(!change.literal));
            }
        }
        steps + " s"
    }
}

/// An operand that counts `by` times; nothing where that is not positive.
fn times(operand: impl std::fmt::Display, by: i64) -> Option<String> {
    (by > 0).then(|| format!("{operand} {by} *"))
}

/// The sum in reverse Polish notation.
fn sum(operands: impl Iterator<Item = String>) -> Option<String> {
    operands.reduce(|steps, next| steps + " " + &next + " +")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::engine::bnn::implied::{Flips, Implied};

    /// All of it by trying every input of small balls, through three layers.
    #[test]
    fn nothing_but_what_holds_in_the_ball_is_implied() {
        let mut state = 3u64;
        let mut below = |n: u64| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (state >> 33) % n
        };
        let (mut fixed, mut beyond_plain, mut counts, mut sharp, mut stable) = (0, 0, 0, 0, 0);
        for _ in 0..1500 {
            let n = 3 + below(6) as usize;
            let mut vars = n;
            let flips: Vec<Lit> = (0..n).map(|i| Var::new(i).is(below(2) == 0)).collect();
            let ball = HammingBall { flips: flips.clone(), most: below(4).min(n as u64) as i64, constraint: 0 };
            let wide = below(2) == 0;
            let mut before: Vec<Lit> = flips.clone();
            let mut layers: Vec<Vec<Constraint>> = Vec::new();
            for _ in 0..3 {
                let mut layer = Vec::new();
                for _ in 0..2 + below(5) {
                    let target = Var::new(vars).positive();
                    vars += 1;
                    let mut a = || if wide { below(7) as i64 - 3 } else { 2 * below(2) as i64 - 1 };
                    let terms: Vec<(i64, Lit)> = before.iter().map(|l| (a(), l.var().positive())).collect();
                    let bound = below(7) as i64 - 3;
                    layer.push(Constraint { target: Some((target, Direction::Both)), terms, bound });
                }
                before = layer.iter().map(|c| c.target.unwrap().0).collect();
                layers.push(layer);
            }
            // The values of all variables at every point of the ball.
            let points: Vec<Vec<bool>> = (0..1u32 << n)
                .map(|bits| {
                    let mut x: Vec<bool> = (0..n).map(|i| bits >> i & 1 == 1).collect();
                    for c in layers.iter().flatten() {
                        let sum: i64 = c.terms.iter().filter(|t| x[t.1.var().index()]).map(|t| t.0).sum();
                        x.push(sum >= c.bound);
                    }
                    x
                })
                .filter(|x| flips.iter().filter(|l| x[l.var().index()] != l.is_negative()).count() as i64 <= ball.most)
                .collect();
            let mut changes = Changes::of(&ball);
            for (index, c) in layers[0].iter().enumerate() {
                changes.remember_first(index, c, Implied::of(c, &Flips::of(&ball)).unwrap().is_fixed);
            }
            // The last layer as disjuncts, now and then.
            let is_one_way = below(2) == 0;
            if is_one_way {
                for c in &mut layers[2] {
                    c.target = c.target.map(|t| (t.0, Direction::TargetImplies));
                }
            }
            for c in layers[1..].iter().flatten() {
                let Some(found) = changes.deeper(0, c) else {
                    assert!(is_one_way);
                    continue;
                };
                let is_true = |x: &Vec<bool>, l: Lit| x[l.var().index()] != l.is_negative();
                let changed: Vec<&Vec<bool>> = points.iter().filter(|x| !is_true(x, found.kept)).collect();
                assert!(!found.is_fixed || changed.is_empty(), "{found:?}");
                let slack = |x: &&Vec<bool>| {
                    let sum: i64 = found.terms.iter().filter(|t| is_true(x, t.1)).map(|t| t.0).sum();
                    sum - found.bound
                };
                let least = changed.iter().map(slack).min();
                assert!(least.is_none_or(|s| s >= 0), "{found:?}");
                fixed += usize::from(found.is_fixed);
                beyond_plain += usize::from(found.is_fixed && !found.is_plain);
                counts += usize::from(!found.is_fixed && found.why != Why::Each);
                sharp += usize::from(!found.is_fixed && found.why != Why::Each && least == Some(0));
                stable += usize::from(changed.is_empty());
            }
        }
        assert!(beyond_plain > 100 && counts > 100 && sharp > 20, "{beyond_plain} {counts} {sharp}");
        assert!(fixed <= stable && 3 * fixed > stable, "{fixed} of {stable}");
    }
}
