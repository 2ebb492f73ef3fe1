//! A guess at an input of a box that makes a disjunct hold, for the search to try first.
//!
//! Bits become probabilities: a sum of independent ones with mean `μ` and variance `σ²` reaches its bound `b` with a
//! probability of about `s(1.7 z)`, where `z = (μ − b + ½) / √(σ² + τ)` and `s` is the logistic function, which stands for
//! the normal distribution's. The probabilities of the inputs climb to where the likeliest disjunct becomes likelier,
//! each by the sign of its slope, and are rounded after every step. Whether a guess is right, the search finds out.

use super::encode::Encoded;
use crate::domains::budget::Budget;
use absint_sat::{Constraint, Direction, Lit};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use std::collections::HashMap;

/// The `τ` of each start, its number of steps, and how far a step goes.
const STARTS: [f64; 3] = [0.25, 1.0, 4.0];
const STEPS: usize = 20;
const STEP: f64 = 0.4;

/// With more terms than this in all sums nothing is guessed: a step passes each of them some ten times.
const MOST_TERMS: usize = 1 << 19;

/// An input, and by how much its best disjunct holds there: above zero it does, as far as floats can tell.
pub(super) struct Guess {
    /// Of all variables.
    pub values: Vec<bool>,
    pub margin: f64,
}

/// `Σ a_i x_i ≥ bound`.
struct Sum {
    terms: Vec<(f64, usize)>,
    bound: f64,
}

/// A variable that is true where its sum reaches the bound, or where it does not.
struct Neuron {
    variable: usize,
    is_negated: bool,
    sum: Sum,
}

/// An open bit of an input, which may only be true where the one before is.
struct Bit {
    variable: usize,
    is_later: bool,
}

struct Ascent {
    bits: Vec<Bit>,
    neurons: Vec<Neuron>,
    /// The sums of each disjunct.
    disjuncts: Vec<Vec<Sum>>,
    /// How likely each variable is true.
    likely: Vec<f64>,
}

/// Whether there is neither a ball nor a real input.
pub(super) fn is_box(encoded: &Encoded) -> bool {
    encoded.inputs.ball.is_none() && encoded.inputs.cells.is_none()
}

/// The best input that was met in a box before the time was up, half-spaces left aside; `fixed` says what is known of a
/// literal.
pub(super) fn guess(encoded: &Encoded, fixed: impl Fn(Lit) -> Option<bool>, budget: &Budget) -> Option<Guess> {
    if encoded.constraints().map(|constraint| constraint.terms.len()).sum::<usize>() > MOST_TERMS {
        return None;
    }
    let mut ascent = Ascent::new(encoded, &fixed);
    let mut random = SplitMix64::seed_from_u64(1);
    let mut unit = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut best: Option<Guess> = None;
    for (start, tau) in STARTS.into_iter().enumerate() {
        let mut inputs: Vec<f64> = ascent.bits.iter().map(|_| if start == 0 { 0.5 } else { unit() }).collect();
        for _ in 0..STEPS {
            if budget.is_spent() {
                return best;
            }
            ascent.enter(inputs.iter().copied());
            let (disjunct, _) = ascent.forward(Some(tau))?;
            let slopes = ascent.slopes(disjunct, tau);
            for (p, bit) in inputs.iter_mut().zip(&ascent.bits) {
                let slope = slopes[bit.variable];
                *p = (*p + if slope == 0.0 { 0.0 } else { STEP * slope.signum() }).clamp(0.0, 1.0);
            }
            ascent.enter(inputs.iter().map(|&p| f64::from(p > 0.5)));
            let ((d, _), margin) = ascent.forward(None)?;
            if best.as_ref().is_none_or(|b| margin > b.margin) {
                let mut values: Vec<bool> = ascent.likely.iter().map(|&p| p > 0.5).collect();
                values[encoded.goal.disjuncts[d].var().index()] = true;
                best = Some(Guess { values, margin });
            }
            if margin > 0.0 {
                return best;
            }
        }
    }
    best
}

impl Ascent {
    fn new(encoded: &Encoded, fixed: impl Fn(Lit) -> Option<bool>) -> Self {
        let mut ascent = Self {
            bits: Vec::new(),
            neurons: Vec::new(),
            disjuncts: encoded.goal.disjuncts.iter().map(|_| Vec::new()).collect(),
            likely: vec![0.5; encoded.vars()],
        };
        for value in &encoded.inputs.values {
            let mut is_later = false;
            for &(_, l) in &value.steps {
                let variable = l.var().index();
                match fixed(l) {
                    Some(value) => ascent.likely[variable] = f64::from(value),
                    None => {
                        ascent.bits.push(Bit { variable, is_later });
                        is_later = true;
                    }
                }
            }
        }
        let places: HashMap<Lit, usize> = encoded.goal.disjuncts.iter().copied().zip(0..).collect();
        for constraint in encoded.constraints() {
            match constraint.target {
                // What is fixed of a neuron may be what its inputs have yet to bring about.
                Some((target, Direction::Both)) => ascent.neurons.push(Neuron {
                    variable: target.var().index(),
                    is_negated: target.is_negative(),
                    sum: Sum::new(constraint),
                }),
                Some((selector, Direction::TargetImplies)) if fixed(selector) != Some(false) => {
                    places.get(&selector).into_iter().for_each(|&d| ascent.disjuncts[d].push(Sum::new(constraint)));
                }
                _ => {}
            }
        }
        ascent
    }

    /// Gives the open bits of the inputs their probabilities.
    fn enter(&mut self, inputs: impl Iterator<Item = f64>) {
        let mut before = 1.0;
        for (bit, p) in self.bits.iter().zip(inputs) {
            before = if bit.is_later { p.min(before) } else { p };
            self.likely[bit.variable] = before;
        }
    }

    /// Computes all neurons, which are zero or one where `tau` is none; the likeliest disjunct's least likely sum, and its `z`.
    fn forward(&mut self, tau: Option<f64>) -> Option<((usize, usize), f64)> {
        for neuron in &self.neurons {
            let reached = match tau {
                None => f64::from(neuron.sum.mean(&self.likely) > 0.0),
                Some(tau) => neuron.sum.probability(&self.likely, tau),
            };
            self.likely[neuron.variable] = if neuron.is_negated { 1.0 - reached } else { reached };
        }
        let z = |sum: &Sum| sum.mean(&self.likely) / tau.map_or(1.0, |tau| sum.deviation(&self.likely, tau));
        let least = |(d, sums): (usize, &Vec<Sum>)| {
            let of_sums = sums.iter().map(z).enumerate().map(|(k, z)| ((d, k), z));
            of_sums.min_by(|a, b| a.1.total_cmp(&b.1))
        };
        self.disjuncts.iter().enumerate().filter_map(least).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// How the `z` of a sum moves with the probability of each variable, deviations being constant.
    fn slopes(&self, (d, k): (usize, usize), tau: f64) -> Vec<f64> {
        let mut slopes = vec![0.0; self.likely.len()];
        let goal = &self.disjuncts[d][k];
        goal.spread(1.0 / goal.deviation(&self.likely, tau), &mut slopes);
        for neuron in self.neurons.iter().rev() {
            let slope = slopes[neuron.variable];
            if slope != 0.0 {
                let by = slope * neuron.sum.slope(&self.likely, tau);
                neuron.sum.spread(if neuron.is_negated { -by } else { by }, &mut slopes);
            }
        }
        slopes
    }
}

impl Sum {
    fn new(constraint: &Constraint) -> Self {
        let mut sum = Self { terms: Vec::with_capacity(constraint.terms.len()), bound: constraint.bound as f64 };
        for &(a, l) in &constraint.terms {
            let a = a as f64;
            // a · ¬x is a − a · x.
            sum.bound -= if l.is_negative() { a } else { 0.0 };
            sum.terms.push((if l.is_negative() { -a } else { a }, l.var().index()));
        }
        sum
    }

    /// By how much the mean is above the bound; of a sum of integers above zero where it reaches the bound.
    fn mean(&self, likely: &[f64]) -> f64 {
        self.terms.iter().fold(0.5 - self.bound, |sum, &(a, v)| sum + a * likely[v])
    }

    fn deviation(&self, likely: &[f64], tau: f64) -> f64 {
        self.terms.iter().fold(tau, |sum, &(a, v)| sum + a * a * likely[v] * (1.0 - likely[v])).sqrt()
    }

    /// How likely the bound is reached: of a single term exactly.
    fn probability(&self, likely: &[f64], tau: f64) -> f64 {
        match self.terms[..] {
            [(a, v)] => self.at_zero() + likely[v] * (self.at_one(a) - self.at_zero()),
            _ => 1.0 / (1.0 + (-1.7 * self.mean(likely) / self.deviation(likely, tau)).exp()),
        }
    }

    /// The derivative of the probability by the sum.
    fn slope(&self, likely: &[f64], tau: f64) -> f64 {
        match self.terms[..] {
            [(a, _)] => (self.at_one(a) - self.at_zero()) / a,
            _ => {
                let p = self.probability(likely, tau);
                1.7 * p * (1.0 - p) / self.deviation(likely, tau)
            }
        }
    }

    fn at_zero(&self) -> f64 {
        f64::from(self.bound <= 0.0)
    }

    fn at_one(&self, a: f64) -> f64 {
        f64::from(a >= self.bound)
    }

    fn spread(&self, by: f64, slopes: &mut [f64]) {
        self.terms.iter().for_each(|&(a, v)| slopes[v] += by * a);
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

    /// On random boxes, beside the solver: a guess above zero is a counterexample, and few of those that exist are missed.
    #[test]
    fn a_guess_above_zero_makes_a_disjunct_hold() {
        let mut generator = SplitMix64::seed_from_u64(7);
        let mut below = |n: usize| generator.next_u64() as usize % n;
        let (mut satisfiable, mut hits) = (0, 0);
        for seed in 0..3000usize {
            let property = |outputs: usize| {
                let atom = |k: usize, sign: i32| Atom {
                    terms: [(Variable::Output(k % outputs), Rational::from(sign))].into(),
                    constant: Rational::from(seed % 3) / Rational::from(4) - Rational::ONE,
                    is_strict: false,
                };
                let disjunct = |k: usize| Disjunct { atoms: vec![atom(k, 1), atom(k + 1, -1)] };
                Property { disjuncts: vec![disjunct(0), disjunct(1)] }
            };
            let encoded = random(&mut below, seed % 2 == 0, property);
            let mut solver = Solver::new(Config::default());
            while solver.vars() < encoded.vars() {
                solver.new_var();
            }
            encoded.constraints().for_each(|c| c.add_to(&mut solver).unwrap());
            if !solver.is_consistent() || !is_box(&encoded) {
                continue;
            }
            let Some(guess) = guess(&encoded, |l| solver.fixed(l), &Budget::unlimited()) else { continue };
            let mut limits = Limits { conflicts: u64::MAX, interrupt: &mut || false };
            satisfiable += usize::from(solver.solve(&[], &mut limits) == Outcome::Satisfiable);
            if guess.margin > 0.0 {
                hits += 1;
                let bits = encoded.inputs.values.iter().flat_map(|v| &v.steps).map(|s| s.1.var());
                let input: Vec<Lit> = bits.map(|v| v.is(guess.values[v.index()])).collect();
                assert_eq!(solver.solve(&input, &mut limits), Outcome::Satisfiable, "{seed}");
            }
        }
        assert!(satisfiable > 300 && 10 * hits > 9 * satisfiable, "{hits} of {satisfiable}");
    }
}
