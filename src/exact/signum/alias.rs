//! Neurons that read a single input: such as the pixels that a network binarizes itself.
//!
//! On bits such a neuron is a constant or *is* a literal: that of its two-valued input, or the one of a quantised input's
//! thermometer at which its threshold lies. With the literal in its place the neurons behind it read the
//! inputs directly, and what a ball implies for a first layer holds for them ([`super::implied`]).

use super::ledger::Ledger;
use super::region::{HammingBall, Value};
use absint_sat::{Constraint, Direction, Lit, Var};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Write;

/// Where a bit is: its input, and its place in the thermometer.
type Place = (usize, usize);

/// What a neuron is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alias {
    Literal(Lit),
    /// The same for all inputs.
    Constant(bool),
}

/// Literals and constants that stand for neurons.
pub(super) struct Aliases<'a> {
    inputs: &'a [Value],
    places: Vec<Option<Place>>,
    of: Vec<Option<Alias>>,
    /// The numbers that "the neuron's literal implies its alias" has in the proof, by that literal.
    proven: RefCell<HashMap<Lit, u32>>,
    /// The first neuron that is a literal, by the literal.
    first: Vec<Option<Lit>>,
    /// The number that the ball over neurons has in the proof.
    ball: Cell<Option<u32>>,
}

impl<'a> Aliases<'a> {
    /// None yet; `vars` is the number of variables of the formula.
    pub fn new(inputs: &'a [Value], vars: usize) -> Self {
        let mut places = vec![None; vars];
        for (i, value) in inputs.iter().enumerate() {
            for (k, (_, l)) in value.steps.iter().enumerate() {
                places[l.var().index()] = Some((i, k));
            }
        }
        let of = vec![None; vars];
        Self { inputs, places, of, proven: RefCell::default(), first: vec![None; 2 * vars], ball: Cell::new(None) }
    }

    fn of(&self, literal: Lit) -> Option<Alias> {
        let is_negative = literal.is_negative();
        Some(match self.of[literal.var().index()]? {
            Alias::Literal(l) => Alias::Literal(if is_negative { !l } else { l }),
            Alias::Constant(value) => Alias::Constant(value != is_negative),
        })
    }

    /// The constraint with literals of inputs in place of neurons; `None` where it reads no such neuron, or
    /// has too large numbers.
    pub fn translated(&self, constraint: &Constraint) -> Option<Constraint> {
        constraint.terms.iter().find(|t| self.of(t.1).is_some())?;
        let mut bound = constraint.bound;
        let mut terms = Vec::with_capacity(constraint.terms.len());
        for &(a, l) in &constraint.terms {
            match self.of(l) {
                None => terms.push((a, l)),
                Some(Alias::Literal(alias)) => terms.push((a, alias)),
                Some(Alias::Constant(true)) => bound = bound.checked_sub(a)?,
                Some(Alias::Constant(false)) => {}
            }
        }
        Some(Constraint { target: constraint.target, terms, bound })
    }

    /// Derives the translated inequality of a neuron from its own, which has this number: the one of "target
    /// implies", or the `other`.
    pub fn derive(&self, constraint: &Constraint, other: bool, number: u32, proof: &Ledger<'_>) -> u32 {
        let mut steps = number.to_string();
        for &(a, l) in &constraint.terms {
            // −a · y is a · ¬y, less a constant; so each term has a literal that counts positively.
            let neuron = if (a > 0) == other { !l } else { l };
            let by = a.unsigned_abs();
            let implied = match self.of(neuron).filter(|_| a != 0) {
                None => continue,
                // What is true leaves the sum by its axiom ¬n ≥ 0.
                Some(Alias::Constant(true)) => {
                    let _ = write!(steps, " {} {by} * +", !neuron);
                    continue;
                }
                // a · n becomes a · x by n → x, and vanishes by ¬n.
                Some(Alias::Literal(alias)) => Some(alias),
                Some(Alias::Constant(false)) => None,
            };
            let _ = write!(steps, " {} {by} * +", self.proven(neuron, implied, proof));
        }
        proof.polish(&steps)
    }

    /// The clauses that a neuron of one input amounts to, where a constraint is one's; what it is will be
    /// remembered.
    pub fn find(&mut self, constraint: &Constraint) -> Option<Vec<Vec<Lit>>> {
        let (target, Direction::Both) = constraint.target? else { return None };
        let alias = self.alias(constraint)?;
        let (of_var, clauses) = match (alias, target.is_negative()) {
            (Alias::Constant(value), is_negative) => {
                let literal = if value { target } else { !target };
                (Alias::Constant(value != is_negative), vec![vec![literal]])
            }
            (Alias::Literal(l), is_negative) => {
                let of_var = Alias::Literal(if is_negative { !l } else { l });
                (of_var, vec![vec![!target, l], vec![target, !l]])
            }
        };
        self.of[target.var().index()] = Some(of_var);
        if let Alias::Literal(l) = of_var {
            let neuron = target.var().positive();
            if self.first[l.index()].is_none() {
                self.first[l.index()] = Some(neuron);
                self.first[(!l).index()] = Some(!neuron);
                self.ball.set(None);
            }
        }
        Some(clauses)
    }

    /// Puts the clauses of a neuron into the proof, where unit propagation would not infer the same from a sum over
    /// several bits.
    pub fn tell(&self, constraint: &Constraint, clauses: &[Vec<Lit>], proof: &Ledger<'_>) {
        if constraint.terms.len() < 2 {
            return;
        }
        for clause in clauses {
            let number = proof.clause(clause);
            if let [not_neuron, _] = clause[..] {
                self.proven.borrow_mut().insert(!not_neuron, number);
            }
        }
    }

    /// The number of "the neuron's literal implies its alias".
    fn proven(&self, neuron: Lit, alias: Option<Lit>, proof: &Ledger<'_>) -> u32 {
        let clause: Vec<Lit> = [!neuron].into_iter().chain(alias).collect();
        *self.proven.borrow_mut().entry(neuron).or_insert_with(|| proof.clause(&clause))
    }

    /// True where every neuron that a constraint reads is the first that is its literal, and no literal is read
    /// besides its neuron.
    pub fn are_first(&self, constraint: &Constraint) -> bool {
        constraint.terms.iter().all(|&(_, l)| match self.of(l) {
            Some(Alias::Literal(alias)) => self.first[alias.index()] == Some(l),
            Some(Alias::Constant(_)) => true,
            None => self.first[l.index()].is_none(),
        })
    }

    /// Derives the ball, an inequality with number `of_ball`, with the first neurons in place of their literals:
    /// then the sum with a neuron's own inequality needs no translation.
    pub fn ball(&self, ball: &HammingBall, of_ball: u32, proof: &Ledger<'_>) -> u32 {
        if let Some(number) = self.ball.get() {
            return number;
        }
        let mut steps = of_ball.to_string();
        for &flip in &ball.flips {
            if let Some(neuron) = self.first[flip.index()] {
                // −f becomes −n by n → f.
                let _ = write!(steps, " {} +", self.proven(neuron, Some(flip), proof));
            }
        }
        let number = proof.polish(&steps);
        self.ball.set(Some(number));
        number
    }

    /// What is true exactly where a sum over the bits of one input reaches its bound.
    fn alias(&self, constraint: &Constraint) -> Option<Alias> {
        let bound = constraint.bound;
        let Some(&(a, first)) = constraint.terms.first() else { return Some(Alias::Constant(bound <= 0)) };
        let (input, _) = self.place(first.var())?;
        let steps = &self.inputs[input].steps;
        let is_thermometer = constraint.terms.len() == steps.len()
            && constraint.terms.iter().zip(steps).all(|(&(b, l), step)| a == b && l == step.1);
        let literal = if is_thermometer {
            // The bits are taken in order, so that a · k is the sum of k of them.
            let count = i64::try_from(steps.len()).ok()?;
            let last = a.checked_mul(count)?;
            if last.min(0) >= bound {
                return Some(Alias::Constant(true));
            }
            if last.max(0) < bound {
                return Some(Alias::Constant(false));
            }
            if a > 0 {
                // At least ⌈bound / a⌉ of the bits.
                let least = bound.div_euclid(a) + i64::from(bound.rem_euclid(a) != 0);
                steps.get(usize::try_from(least - 1).ok()?)?.1
            } else {
                // At most ⌊bound / a⌋ of them.
                let most = bound.checked_neg()?.div_euclid(a.checked_neg()?);
                !steps.get(usize::try_from(most).ok()?)?.1
            }
        } else {
            let [(a, l)] = constraint.terms[..] else { return None };
            if a.min(0) >= bound || a.max(0) < bound {
                return Some(Alias::Constant(a.min(0) >= bound));
            }
            if a > 0 { l } else { !l }
        };
        Some(Alias::Literal(literal))
    }

    fn place(&self, var: Var) -> Option<Place> {
        self.places.get(var.index()).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Every sum over one input, by trying all its values.
    #[test]
    fn an_alias_is_true_where_its_sum_reaches_the_bound() {
        let mut found = 0;
        for bits in 1..5usize {
            let steps: Vec<(i64, Lit)> = (0..bits).map(|k| (1, Var::new(k).positive())).collect();
            let inputs = [Value { base: 0, steps: steps.clone() }];
            let target = Var::new(bits).negative();
            for (a, bound) in [-3i64, -2, -1, 1, 2, 3].into_iter().flat_map(|a| (-14..15).map(move |b| (a, b))) {
                let terms = steps.iter().map(|s| (a, s.1)).collect();
                let constraint = Constraint { target: Some((target, Direction::Both)), terms, bound };
                let mut aliases = Aliases::new(&inputs, bits + 1);
                let reaches = |count: usize| a * count as i64 >= bound;
                let clauses = aliases.find(&constraint).unwrap();
                let reader = Constraint { target: None, terms: vec![(2, target), (1, steps[0].1)], bound: 1 };
                let translated = aliases.translated(&reader).unwrap();
                found += usize::from(clauses.len() == 2);
                for count in 0..=bits {
                    let is_true = |l: Lit| {
                        if l == target { reaches(count) } else { (l.var().index() < count) != l.is_negative() }
                    };
                    let holds = |l: Lit| if l == !target { !reaches(count) } else { is_true(l) };
                    assert!(
                        clauses.iter().all(|clause| clause.iter().any(|&l| holds(l))),
                        "{constraint:?} {clauses:?}"
                    );
                    let sum =
                        |c: &Constraint| c.terms.iter().filter(|t| holds(t.1)).map(|t| t.0).sum::<i64>() - c.bound;
                    assert_eq!(sum(&translated), sum(&reader), "{constraint:?} {translated:?} {count}");
                }
            }
        }
        assert!(found > 100, "{found}");
    }

    #[test]
    fn a_sum_of_two_inputs_has_none() {
        let value = |k: usize| Value { base: 0, steps: vec![(1, Var::new(k).positive())] };
        let inputs = [value(0), value(1)];
        let terms = vec![(1, Var::new(0).positive()), (1, Var::new(1).positive())];
        let target = Some((Var::new(2).positive(), Direction::Both));
        let mut aliases = Aliases::new(&inputs, 3);
        assert!(aliases.find(&Constraint { target, terms: terms.clone(), bound: 1 }).is_none());
        assert_eq!(aliases.translated(&Constraint { target, terms, bound: 1 }), None);
    }
}
