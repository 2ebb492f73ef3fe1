//! The constraints of a query over 512 assignments at a time: a bit per assignment in every word, sums as counters whose
//! digits are words.

use super::encode::Encoded;
use absint_sat::{Constraint, Direction, Lit};

/// Assignments in a block: eight words of 64.
pub(super) const WORDS: usize = 8;
/// One bit for each assignment of a block.
pub(super) type Lanes = [u64; WORDS];
/// In no assignment.
pub(super) const NONE: Lanes = [0; WORDS];
/// In every assignment.
pub(super) const ALL: Lanes = [u64::MAX; WORDS];

/// A counter's digits.
const DIGITS: usize = 40;

/// What is known of a variable before a block is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet.
    Nothing,
    /// It has a value in every assignment, and not the same in all.
    Varies,
    /// Always this value.
    Is(bool),
}

/// What trying every input said.
pub(super) enum Enumerated {
    /// A disjunct that holds, and the values of all variables of the inputs.
    Point(usize, Vec<bool>),
    /// No input of the region is in the unsafe set.
    Refuted,
    /// The time is up.
    OutOfTime,
    /// There are more inputs than are tried.
    TooMany,
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

/// Constraints in the order in which one is computed from those before it.
pub(super) struct Circuit {
    disjuncts: usize,
    steps: Vec<Step>,
}

impl Sum {
    /// What is left of a constraint where some variables have a known value; `None` where a variable has none at all, or a
    /// number is too large.
    fn of(constraint: &Constraint, known: &[Known]) -> Option<Self> {
        let mut bound = i128::from(constraint.bound);
        let mut terms = Vec::with_capacity(constraint.terms.len());
        for &(a, l) in constraint.terms.iter().filter(|t| t.0 != 0) {
            match known[l.var().index()] {
                Known::Nothing => return None,
                Known::Is(value) => bound -= if value == l.is_negative() { 0 } else { i128::from(a) },
                Known::Varies => {
                    // −a · l is a · ¬l − a.
                    bound += i128::from(a.min(0).unsigned_abs());
                    terms.push((a.unsigned_abs(), if a < 0 { !l } else { l }));
                }
            }
        }
        let total = terms.iter().try_fold(0u64, |sum, t| sum.checked_add(t.0))?;
        (total >> DIGITS == 0).then_some(Self { terms, bound, total })
    }

    /// Whether the sum reaches its bound, where that is the same for all assignments.
    fn constant(&self) -> Option<bool> {
        if self.bound <= 0 {
            return Some(true);
        }
        (self.bound > i128::from(self.total)).then_some(false)
    }

    /// In which lanes the sum reaches its bound.
    fn is_reached(&self, values: &[Lanes]) -> Lanes {
        if let Some(always) = self.constant() {
            return if always { ALL } else { NONE };
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

impl Circuit {
    /// Constraints of a query, given what is known of each variable before the first of them; `None` where one reads what
    /// nothing is known of, or is of a kind that no encoding has, or has too large numbers.
    pub fn new<'a>(
        encoded: &Encoded,
        constraints: impl Iterator<Item = &'a Constraint>,
        mut known: Vec<Known>,
    ) -> Option<Self> {
        let disjunct = |l: Lit| encoded.goal.disjuncts.iter().position(|&d| d == l);
        let mut circuit = Self { disjuncts: encoded.goal.disjuncts.len(), steps: Vec::new() };
        for constraint in constraints {
            if constraint.target.is_none() && constraint.terms.iter().any(|t| disjunct(t.1).is_some()) {
                // That one of the disjuncts holds.
                continue;
            }
            let sum = Sum::of(constraint, &known)?;
            circuit.steps.push(match constraint.target {
                None => Step::Require(sum),
                Some((target, Direction::Both)) => {
                    let (var, is_negated) = (target.var().index(), target.is_negative());
                    if let Some(always) = sum.constant() {
                        known[var] = Known::Is(always != is_negated);
                        continue;
                    }
                    known[var] = Known::Varies;
                    Step::Define(var, is_negated, sum)
                }
                Some((target, Direction::TargetImplies)) => Step::Disjunct(disjunct(target)?, sum),
                Some((_, Direction::ImpliesTarget)) => return None,
            });
        }
        Some(circuit)
    }

    /// How many literals its sums have.
    pub fn literals(&self) -> u128 {
        let literals = |step: &Step| match step {
            Step::Define(_, _, sum) | Step::Require(sum) | Step::Disjunct(_, sum) => sum.terms.len() as u128,
        };
        self.steps.iter().map(literals).sum()
    }

    /// A disjunct that holds, and the first assignment in which it does; `values` has those of the variables that vary
    /// before, and gets all others.
    pub fn unsafe_lane(&self, values: &mut [Lanes]) -> Option<(usize, usize)> {
        let mut inside = ALL;
        let mut holds = vec![ALL; self.disjuncts];
        for step in &self.steps {
            let both = |lanes: &mut Lanes, sum: &Sum| {
                let reached = sum.is_reached(values);
                lanes.iter_mut().zip(reached).for_each(|(l, r)| *l &= r);
            };
            match step {
                Step::Define(var, is_negated, sum) => {
                    let reached = sum.is_reached(values);
                    values[*var] = if *is_negated { reached.map(|word| !word) } else { reached };
                }
                Step::Require(sum) => both(&mut inside, sum),
                Step::Disjunct(d, sum) => both(&mut holds[*d], sum),
            }
        }
        let hit = |(d, of_disjunct): (usize, &Lanes)| {
            let hits = |word: usize| of_disjunct[word] & inside[word];
            let word = (0..WORDS).find(|&word| hits(word) != 0)?;
            Some((d, 64 * word + hits(word).trailing_zeros() as usize))
        };
        holds.iter().enumerate().find_map(hit)
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::load::tests::random;
    use super::*;
    use crate::domains::num::Rational;
    use crate::domains::query::{Atom, Disjunct, Property, Variable};
    use absint_sat::{Config, Limits, Outcome, Solver, Var};
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

    /// Tries a random network, a region and two unsafe disjuncts of two atoms each: whether an input is found, where
    /// something is tried. The solver finds one in just these cases, and confirms it.
    pub fn is_what_the_solver_says(
        seed: usize,
        margin: usize,
        below: &mut impl FnMut(usize) -> usize,
        has_constants: bool,
        run: impl FnOnce(&Encoded) -> Option<Enumerated>,
    ) -> Option<bool> {
        let property = |outputs: usize| {
            let atom = |k: usize, sign: i32| Atom {
                terms: [(Variable::Output(k % outputs), Rational::from(sign))].into(),
                constant: Rational::from(margin) / Rational::from(4) - Rational::ONE,
                is_strict: k.is_multiple_of(2),
            };
            let disjunct = |d: usize| Disjunct { atoms: vec![atom(d, 1), atom(d + 1, -1)] };
            Property { disjuncts: vec![disjunct(0), disjunct(seed)] }
        };
        let encoded = random(below, has_constants, property);
        let enumerated = run(&encoded)?;
        let mut solver = Solver::new(Config { seed: seed as u64, ..Config::default() });
        while solver.vars() < encoded.vars() {
            solver.new_var();
        }
        encoded.constraints().for_each(|c| c.add_to(&mut solver).unwrap());
        let mut limits = Limits { conflicts: u64::MAX, interrupt: &mut || false };
        match enumerated {
            Enumerated::Point(d, values) => {
                let bits = encoded.inputs.values.iter().flat_map(|v| &v.steps);
                let mut assumptions: Vec<Lit> = bits.map(|s| s.1.var().is(values[s.1.var().index()])).collect();
                assumptions.push(encoded.goal.disjuncts[d]);
                assert_eq!(solver.solve(&assumptions, &mut limits), Outcome::Satisfiable, "{seed}");
                Some(true)
            }
            Enumerated::Refuted => {
                assert_eq!(solver.solve(&[], &mut limits), Outcome::Unsatisfiable, "{seed}");
                Some(false)
            }
            Enumerated::OutOfTime | Enumerated::TooMany => panic!("{seed}"),
        }
    }

    /// Counters against sums, with weights, negations, known values and every bound.
    #[test]
    fn counters_count() {
        let mut generator = SplitMix64::seed_from_u64(6);
        for round in 0..300 {
            let inputs = 1 + round % 12;
            let mut terms: Vec<(i64, Lit)> = Vec::new();
            let mut known = Vec::new();
            for k in 0..inputs {
                let r = generator.next_u64();
                let a = if round % 3 == 0 { 1 } else { (r % 23) as i64 - 11 };
                terms.push((a, Var::new(k).is(r >> 40 & 1 == 1)));
                known.push(if r >> 41 & 7 == 0 { Known::Is(r >> 50 & 1 == 1) } else { Known::Varies });
            }
            let bound = (generator.next_u64() % 60) as i64 - 30;
            let sum = Sum::of(&Constraint { target: None, terms: terms.clone(), bound }, &known).unwrap();
            let values: Vec<Lanes> = (0..inputs).map(|_| std::array::from_fn(|_| generator.next_u64())).collect();
            let reached = sum.is_reached(&values);
            for lane in 0..WORDS * 64 {
                let value = |k: usize| match known[k] {
                    Known::Is(value) => value,
                    _ => values[k][lane / 64] >> (lane % 64) & 1 == 1,
                };
                let is_true = |l: Lit| value(l.var().index()) != l.is_negative();
                let exact: i64 = terms.iter().filter(|t| is_true(t.1)).map(|t| t.0).sum();
                assert_eq!(reached[lane / 64] >> (lane % 64) & 1 == 1, exact >= bound, "{round} {lane}");
            }
        }
    }
}
