//! All inputs of a small region, 512 at a time: a bit per input in every word, sums as counters whose digits are words.
//!
//! A network whose quantiser has few thresholds leaves few inputs free, whatever the sums behind them are. Where the search
//! meets many conflicts on such a region, trying every input ends earlier, and in a time that is known beforehand.

use super::encode::Encoded;
use crate::domains::budget::Budget;
use absint_sat::{Constraint, Direction, Lit};

/// Inputs in a block: eight words of 64.
const WORDS: usize = 8;
const LANE_BITS: usize = 9;
type Lanes = [u64; WORDS];
const NONE: Lanes = [0; WORDS];
const ALL: Lanes = [u64::MAX; WORDS];

/// As many literals, over all inputs, take some seconds.
const MOST_LITERALS: u128 = 1 << 37;
/// A counter's digits.
const DIGITS: usize = 40;

/// What trying every input said.
pub(super) enum Enumerated {
    /// A disjunct that holds, and the values of all variables of the inputs.
    Point(usize, Vec<bool>),
    /// No input of the region is in the unsafe set.
    Refuted,
    OutOfTime,
}

/// `Σ a_i l_i ≥ bound` with positive coefficients.
struct Sum {
    terms: Vec<(u64, Lit)>,
    bound: i128,
    total: u64,
}

/// What is computed, one after the other.
enum Step {
    /// A variable is what a sum says, negated where the flag is set.
    Define(usize, bool, Sum),
    /// An input outside of the region misses a sum.
    Require(Sum),
    /// A disjunct needs a sum.
    Disjunct(usize, Sum),
}

/// The constraints of a query as steps.
pub(super) struct Enumeration {
    bits: Vec<usize>,
    vars: usize,
    disjuncts: usize,
    steps: Vec<Step>,
}

impl Sum {
    /// `None` where a number is too large.
    fn of(constraint: &Constraint) -> Option<Self> {
        let mut bound = i128::from(constraint.bound);
        let mut terms = Vec::with_capacity(constraint.terms.len());
        for &(a, l) in constraint.terms.iter().filter(|t| t.0 != 0) {
            // −a · l is a · ¬l − a.
            bound += i128::from(a.min(0).unsigned_abs());
            terms.push((a.unsigned_abs(), if a < 0 { !l } else { l }));
        }
        let total = terms.iter().try_fold(0u64, |sum, t| sum.checked_add(t.0))?;
        (total >> DIGITS == 0).then_some(Self { terms, bound, total })
    }

    /// In which lanes the sum reaches its bound.
    fn is_reached(&self, values: &[Lanes]) -> Lanes {
        if self.bound <= 0 {
            return ALL;
        }
        if self.bound > i128::from(self.total) {
            return NONE;
        }
        let digits = (u64::BITS - self.total.leading_zeros()) as usize;
        let mut counter = Counter { digits: [NONE; DIGITS], waiting: [None; DIGITS] };
        for &(a, l) in &self.terms {
            let mut value = values[l.var().index()];
            if l.is_negative() {
                value.iter_mut().for_each(|word| *word = !*word);
            }
            (0..digits).filter(|k| a >> k & 1 == 1).for_each(|k| counter.add(k, value));
        }
        // From the last digit to the first: at least as large as the bound's digits so far.
        let mut reached = ALL;
        for (k, digit) in counter.finish(digits).iter().enumerate() {
            let is_one = self.bound >> k & 1 == 1;
            for (r, d) in reached.iter_mut().zip(digit) {
                *r = if is_one { *r & d } else { *r | d };
            }
        }
        reached
    }
}

/// Sums of bits, lane by lane. Of two bits of the same place one waits for the other, so that a full adder takes both.
struct Counter {
    digits: [Lanes; DIGITS],
    waiting: [Option<Lanes>; DIGITS],
}

impl Counter {
    /// Adds bits of the value `2^place`; the sum must fit into the digits.
    fn add(&mut self, mut place: usize, mut value: Lanes) {
        while let Some(other) = self.waiting[place].take() {
            let digit = &mut self.digits[place];
            for ((d, v), o) in digit.iter_mut().zip(&mut value).zip(other) {
                let odd = *v ^ o;
                let carry = (*v & o) | (*d & odd);
                *d ^= odd;
                *v = carry;
            }
            place += 1;
            if place == DIGITS {
                return;
            }
        }
        self.waiting[place] = Some(value);
    }

    /// The digits, nothing waiting any more.
    fn finish(mut self, digits: usize) -> Vec<Lanes> {
        for place in 0..digits {
            if self.waiting[place].is_some() {
                self.add(place, NONE);
            }
        }
        self.digits[..digits].to_vec()
    }
}

impl Enumeration {
    /// `None` where there are real inputs, too many of them, or too large numbers.
    pub fn new(encoded: &Encoded) -> Option<Self> {
        if encoded.inputs.cells.is_some() {
            return None;
        }
        let vars = encoded.vars();
        let bits: Vec<usize> =
            encoded.inputs.values.iter().flat_map(|v| &v.steps).map(|step| step.1.var().index()).collect();
        let mut is_known = vec![false; vars];
        bits.iter().for_each(|&bit| is_known[bit] = true);
        let mut steps = Vec::new();
        let mut literals = 0u128;
        for constraint in encoded.constraints() {
            let disjunct = |l: Lit| encoded.goal.disjuncts.iter().position(|&d| d == l);
            if constraint.target.is_none() && constraint.terms.iter().any(|t| disjunct(t.1).is_some()) {
                // That one of the disjuncts holds.
                continue;
            }
            if constraint.terms.iter().any(|t| !is_known[t.1.var().index()]) {
                return None;
            }
            literals += constraint.terms.len() as u128;
            let sum = Sum::of(constraint)?;
            steps.push(match constraint.target {
                None => Step::Require(sum),
                Some((target, Direction::Both)) => {
                    is_known[target.var().index()] = true;
                    Step::Define(target.var().index(), target.is_negative(), sum)
                }
                Some((target, Direction::TargetImplies)) => Step::Disjunct(disjunct(target)?, sum),
                Some((_, Direction::ImpliesTarget)) => return None,
            });
        }
        let inputs = 1u128.checked_shl(u32::try_from(bits.len()).ok().filter(|&n| n < 64)?)?;
        let is_small = literals * inputs.max(1 << LANE_BITS) <= MOST_LITERALS;
        is_small.then(|| Self { bits, vars, disjuncts: encoded.goal.disjuncts.len(), steps })
    }

    /// Tries every input.
    pub fn run(&self, budget: &Budget) -> Enumerated {
        let mut values = vec![NONE; self.vars];
        let blocks = 1u64 << self.bits.len().saturating_sub(LANE_BITS);
        for block in 0..blocks {
            if budget.is_spent() {
                return Enumerated::OutOfTime;
            }
            for (k, &bit) in self.bits.iter().enumerate() {
                values[bit] = pattern(k, block);
            }
            let mut inside = ALL;
            let mut holds = vec![ALL; self.disjuncts];
            for step in &self.steps {
                let both = |lanes: &mut Lanes, sum: &Sum| {
                    let reached = sum.is_reached(&values);
                    lanes.iter_mut().zip(reached).for_each(|(l, r)| *l &= r);
                };
                match step {
                    Step::Define(var, is_negated, sum) => {
                        let reached = sum.is_reached(&values);
                        values[*var] = if *is_negated { reached.map(|word| !word) } else { reached };
                    }
                    Step::Require(sum) => both(&mut inside, sum),
                    Step::Disjunct(d, sum) => both(&mut holds[*d], sum),
                }
            }
            for (d, of_disjunct) in holds.iter().enumerate() {
                for (word, (h, i)) in of_disjunct.iter().zip(inside).enumerate() {
                    let hits = h & i;
                    if hits != 0 {
                        let lane = hits.trailing_zeros();
                        return Enumerated::Point(d, values.iter().map(|v| v[word] >> lane & 1 == 1).collect());
                    }
                }
            }
        }
        Enumerated::Refuted
    }
}

/// In which lanes of a block bit `k` of an input's number is set.
fn pattern(k: usize, block: u64) -> Lanes {
    const IN_WORD: [u64; 6] = [
        0xAAAA_AAAA_AAAA_AAAA,
        0xCCCC_CCCC_CCCC_CCCC,
        0xF0F0_F0F0_F0F0_F0F0,
        0xFF00_FF00_FF00_FF00,
        0xFFFF_0000_FFFF_0000,
        0xFFFF_FFFF_0000_0000,
    ];
    match k {
        0..6 => [IN_WORD[k]; WORDS],
        6..LANE_BITS => std::array::from_fn(|word| if word >> (k - 6) & 1 == 1 { u64::MAX } else { 0 }),
        _ if block >> (k - LANE_BITS) & 1 == 1 => ALL,
        _ => NONE,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::load::tests::random;
    use super::*;
    use crate::domains::num::Rational;
    use crate::domains::query::{Atom, Disjunct, Property, Variable};
    use absint_sat::{Config, Limits, Outcome, Solver};
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

    /// Random networks, regions and unsafe sets: an input is found exactly where the solver finds one, and the solver
    /// confirms it.
    #[test]
    fn trying_every_input_is_what_the_solver_says() {
        let mut generator = SplitMix64::seed_from_u64(5);
        let mut below = |n: usize| generator.next_u64() as usize % n;
        let (mut found, mut refuted) = (0, 0);
        for seed in 0..3000 {
            let (margin, has_constants) = (below(9), below(2) == 0);
            // Two disjuncts of two atoms each.
            let property = |outputs: usize| {
                let atom = |k: usize, sign: i32| Atom {
                    terms: [(Variable::Output(k % outputs), Rational::from(sign))].into(),
                    constant: Rational::from(margin) / Rational::from(4) - Rational::ONE,
                    is_strict: k.is_multiple_of(2),
                };
                let disjunct = |d: usize| Disjunct { atoms: vec![atom(d, 1), atom(d + 1, -1)] };
                Property { disjuncts: vec![disjunct(0), disjunct(seed)] }
            };
            let encoded = random(&mut below, has_constants, property);
            let mut solver = Solver::new(Config { seed: seed as u64, ..Config::default() });
            while solver.vars() < encoded.vars() {
                solver.new_var();
            }
            encoded.constraints().for_each(|c| c.add_to(&mut solver).unwrap());
            let mut limits = Limits { conflicts: u64::MAX, interrupt: &mut || false };
            match Enumeration::new(&encoded).unwrap().run(&Budget::unlimited()) {
                Enumerated::Point(d, values) => {
                    let bits = encoded.inputs.values.iter().flat_map(|v| &v.steps);
                    let mut assumptions: Vec<Lit> = bits.map(|s| s.1.var().is(values[s.1.var().index()])).collect();
                    assumptions.push(encoded.goal.disjuncts[d]);
                    assert_eq!(solver.solve(&assumptions, &mut limits), Outcome::Satisfiable, "{seed}");
                    found += 1;
                }
                Enumerated::Refuted => {
                    assert_eq!(solver.solve(&[], &mut limits), Outcome::Unsatisfiable, "{seed}");
                    refuted += 1;
                }
                Enumerated::OutOfTime => panic!("{seed}"),
            }
        }
        assert!(found > 300 && refuted > 300, "{found} {refuted}");
    }

    /// Counters against sums, with weights, negations and every bound; blocks against the digits of a number.
    #[test]
    fn counters_count() {
        let mut generator = SplitMix64::seed_from_u64(6);
        for round in 0..300 {
            let inputs = 1 + round % 12;
            let mut terms: Vec<(i64, Lit)> = Vec::new();
            for k in 0..inputs {
                let r = generator.next_u64();
                let a = if round % 3 == 0 { 1 } else { (r % 23) as i64 - 11 };
                terms.push((a, absint_sat::Var::new(k).is(r >> 40 & 1 == 1)));
            }
            let bound = (generator.next_u64() % 60) as i64 - 30;
            let sum = Sum::of(&Constraint { target: None, terms: terms.clone(), bound }).unwrap();
            for block in 0..1u64 << inputs.saturating_sub(LANE_BITS) {
                let values: Vec<Lanes> = (0..inputs).map(|k| pattern(k, block)).collect();
                let reached = sum.is_reached(&values);
                for lane in 0..WORDS * 64 {
                    let number = (block << LANE_BITS) + lane as u64;
                    let is_true = |l: Lit| (number >> l.var().index() & 1 == 1) != l.is_negative();
                    let exact: i64 = terms.iter().filter(|t| is_true(t.1)).map(|t| t.0).sum();
                    assert_eq!(reached[lane / 64] >> (lane % 64) & 1 == 1, exact >= bound, "{round} {number}");
                }
            }
        }
    }
}
