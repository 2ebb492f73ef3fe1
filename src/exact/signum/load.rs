//! From a formula to a solver, by way of what preprocessing derives.

use super::SignumError;
use super::alias::Aliases;
use super::encode::Encoded;
use super::implied::{Flips, Implied};
use super::ledger::Ledger;
use super::order::rank;
use crate::domains::budget::Budget;
use absint_sat::{Constraint, Direction, Solver};
use itertools::Itertools;

/// What is derived before the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preprocessing {
    /// Neurons that the region's support function proves stable become constants.
    pub fix: bool,
    /// Counts of flips that follow from the ball become constraints of their own.
    pub counts: bool,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self { fix: true, counts: true }
    }
}

/// Adds the formula of a query to a solver, with what follows from the ball; returns how many neurons
/// were fixed. Every derived constraint is written into the ledger.
pub(super) fn load(
    encoded: &Encoded,
    preprocessing: Preprocessing,
    solver: &mut Solver<'_>,
    ledger: &Ledger<'_>,
    budget: &Budget,
) -> Result<usize, SignumError> {
    while solver.vars() < encoded.vars() {
        solver.new_var();
    }
    let ball = encoded.inputs.ball.as_ref();
    let flips = ball.map(Flips::of);
    let mut aliases = Aliases::new(&encoded.inputs.values, encoded.vars());
    let mut fixed = 0;
    for (index, original) in encoded.constraints().enumerate() {
        if budget.is_spent() {
            return Err(SignumError::OutOfTime);
        }
        let translated = aliases.translated(original);
        let constraint = translated.as_ref().unwrap_or(original);
        if let Some(clauses) = aliases.find(constraint) {
            if ledger.is_open() {
                aliases.tell(constraint, &clauses, ledger);
            }
            clauses.iter().for_each(|clause| solver.add_clause(clause));
            continue;
        }
        let implied = flips.as_ref().and_then(|flips| Implied::of(constraint, flips));
        if let Some(implied) = implied.filter(|i| if i.is_fixed { preprocessing.fix } else { preprocessing.counts }) {
            // The inequality of "target implies" comes first; it speaks of neurons that are off at the centre.
            if ledger.is_open() && (implied.is_fixed || implied.factor > 0) {
                let of_neuron = ledger.number((index, usize::from(implied.is_target)));
                let of_ball = ball.map_or(0, |b| ledger.number((b.constraint, 0)));
                if translated.is_none() {
                    ledger.combine(of_neuron, of_ball, implied.factor);
                } else if let Some(ball) = ball.filter(|_| aliases.are_first(original)) {
                    let over_neurons = aliases.ball(ball, of_ball, ledger);
                    ledger.combine(of_neuron, over_neurons, implied.factor);
                } else {
                    let own = aliases.derive(original, implied.is_target, of_neuron, ledger);
                    ledger.combine(own, of_ball, implied.factor);
                }
            }
            if implied.is_fixed {
                fixed += 1;
                solver.add_clause(&[implied.kept]);
                continue;
            }
            if implied.factor > 0 {
                solver.add_reified(!implied.kept, Direction::TargetImplies, &implied.terms, implied.bound)?;
            }
        }
        if let Some(translated) = translated.as_ref().filter(|t| ledger.is_open() && repeats_a_bit(t)) {
            // Unit propagation sees less in two terms than in their sum.
            for inequality in 0..translated.inequalities() {
                // One that always holds has no number.
                let number = ledger.number((index, inequality));
                if number > 0 {
                    aliases.derive(original, inequality == 1, number, ledger);
                }
            }
        }
        constraint.add_to(solver)?;
    }
    rank(encoded, solver);
    Ok(fixed)
}

/// Whether two neurons of a sum stand for the same bit.
fn repeats_a_bit(constraint: &Constraint) -> bool {
    !constraint.terms.iter().map(|t| t.1.var()).all_unique()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domains::activation::Sign;
    use crate::domains::network::{Coefficients, LinearMap, NetworkBuilder};
    use crate::domains::num::Rational;
    use crate::domains::query::{Atom, Disjunct, Property, Query, Region};
    use crate::exact::signum::reuse::Encoder;
    use crate::exact::signum::steps::StepReader;
    use absint_sat::{Config, Limits, Lit, Outcome, Var};
    use ndarray::Array2;
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
    use std::borrow::Cow;
    use std::sync::Arc;

    /// The unsafe set that is everything.
    fn everything() -> Property {
        let always = Atom { terms: std::collections::BTreeMap::new(), constant: Rational::from(-1), is_strict: false };
        Property { disjuncts: vec![Disjunct { atoms: vec![always] }] }
    }

    /// Up to four layers of integers, every kind of region over bits, and an unsafe set of so many outputs; constant
    /// neurons have bits where `has_constants` is set.
    pub fn random(
        below: &mut impl FnMut(usize) -> usize,
        has_constants: bool,
        property: impl Fn(usize) -> Property,
    ) -> Encoded {
        let n = 2 + below(5);
        let mut builder = NetworkBuilder::new(&[n]);
        let mut last = builder.input();
        let kind = below(3);
        for _ in 0..1 + below(4) {
            let width = 1 + below(5);
            let mut weight = || [2.0 * below(2) as f64 - 1.0, below(3) as f64 - 1.0, below(7) as f64 - 3.0][kind];
            let w = Array2::from_shape_simple_fn((width, builder.len(last)), &mut weight);
            let bias = Coefficients::floats((0..width).map(|_| below(7) as f64 / 2.0 - 1.5).collect());
            last = builder.linear("dense", last, LinearMap::Dense(w), bias).unwrap();
            last = builder.activation("sign", last, Arc::new(Sign)).unwrap();
        }
        let outputs = builder.len(last);
        let network = builder.finish(last, &[outputs]).unwrap();
        let region = if below(2) == 0 {
            let at_upper = (0..n).map(|_| below(2) == 0).collect();
            Region::hamming(&Rational::from(-1), &Rational::ONE, at_upper, below(n + 1)).unwrap()
        } else {
            let center: Vec<Rational> = (0..n).map(|_| Rational::from(below(5)) - Rational::from(2)).collect();
            let mut end = |sign: i32| center.iter().map(|c| c + Rational::from(sign * below(2) as i32)).collect();
            let (lower, upper): (Vec<Rational>, Vec<Rational>) = (end(-1), end(1));
            let radius = Rational::from(below(4));
            match below(2) {
                0 => Region::grid_l1(&center, &Rational::ONE, &radius, &lower, &upper).unwrap(),
                _ => Region::grid(&center, &Rational::ONE, &lower, &upper).unwrap(),
            }
        };
        let query = Query::over(region, property(outputs));
        let budget = Budget::unlimited();
        Encoder::new(Cow::Borrowed(&network), Arc::new(StepReader::default().read(&network, &budget).unwrap()))
            .encode(&query.cases[0], has_constants, &budget)
            .unwrap()
            .encoded
    }

    /// Fixed neurons, counts and aliases are tried at every input: those of the region keep the values of all
    /// neurons, and no other input appears.
    #[test]
    fn what_is_derived_holds_at_every_input_of_the_region() {
        let mut generator = SplitMix64::seed_from_u64(11);
        let mut below = |n: usize| generator.next_u64() as usize % n;
        let (mut fixed, mut inside, mut outside) = (0, 0, 0);
        for seed in 0..2000 {
            let encoded = random(&mut below, true, |_| everything());
            let preprocessing = Preprocessing { fix: below(3) > 0, counts: below(3) > 0 };
            let mut solver = Solver::new(Config { seed, ..Config::default() });
            let ledger = Ledger::closed();
            fixed += load(&encoded, preprocessing, &mut solver, &ledger, &Budget::unlimited()).unwrap();
            let bits: Vec<Lit> = encoded.inputs.values.iter().flat_map(|v| v.steps.iter().map(|s| s.1)).collect();
            for pattern in 0..1u32 << bits.len() {
                // What the encoding says of this input: every neuron in order, and whether the region has it.
                let mut values = vec![false; encoded.vars()];
                for (k, l) in bits.iter().enumerate() {
                    values[l.var().index()] = pattern >> k & 1 == 1;
                }
                let (mut is_inside, mut neurons) = (true, Vec::new());
                for constraint in encoded.constraints() {
                    let is_true = |l: Lit| values[l.var().index()] != l.is_negative();
                    let sum: i64 = constraint.terms.iter().filter(|t| is_true(t.1)).map(|t| t.0).sum();
                    match constraint.target {
                        Some((target, Direction::Both)) => {
                            let value = (sum >= constraint.bound) != target.is_negative();
                            values[target.var().index()] = value;
                            neurons.push(target.var());
                        }
                        Some(_) => {}
                        None => {
                            let is_of_disjuncts =
                                constraint.terms.iter().any(|t| encoded.goal.disjuncts.contains(&t.1));
                            is_inside &= is_of_disjuncts || sum >= constraint.bound;
                        }
                    }
                }
                let assumptions: Vec<Lit> = bits.iter().map(|l| l.var().is(values[l.var().index()])).collect();
                let mut limits = Limits { conflicts: u64::MAX, interrupt: &mut || false };
                let outcome = solver.solve(&assumptions, &mut limits);
                assert_eq!(outcome == Outcome::Satisfiable, is_inside, "{seed}: {pattern:b}");
                if is_inside {
                    let is_right = |v: &Var| solver.value(*v) == values[v.index()];
                    assert!(neurons.iter().all(is_right), "{seed}: {pattern:b}");
                }
                *if is_inside { &mut inside } else { &mut outside } += 1;
            }
        }
        assert!(fixed > 300 && inside > 10_000 && outside > 5_000, "{fixed} {inside} {outside}");
    }
}
