//! Neurons that read a single input: such as the pixels that a network binarizes itself.
//!
//! On bits such a neuron *is* a literal: that of its two-valued input, or the one of a quantised input's
//! thermometer at which its threshold lies. With the literal in its place the neurons behind it read the
//! inputs directly, and what a ball implies for a first layer holds for them ([`super::implied`]).

use super::load::Steps;
use super::region::Value;
use crate::engine::sat::{Constraint, Direction, Lit, Var};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;

/// Where a bit is: its input, and its place in the thermometer.
type Place = (usize, usize);

/// Literals that stand for neurons.
pub(super) struct Aliases<'a> {
    inputs: &'a [Value],
    places: Vec<Option<Place>>,
    of: Vec<Option<Lit>>,
    /// The numbers that "the neuron's literal implies its alias" has in the proof, by that literal.
    proven: RefCell<HashMap<Lit, u32>>,
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
        Self { inputs, places, of: vec![None; vars], proven: RefCell::default() }
    }

    fn of(&self, literal: Lit) -> Option<Lit> {
        let alias = self.of[literal.var().index()]?;
        Some(if literal.is_negative() { !alias } else { alias })
    }

    /// The constraint with literals of inputs in place of neurons; `None` where it reads no such neuron.
    pub fn translated(&self, constraint: &Constraint) -> Option<Constraint> {
        let is_alias = |&(_, l): &(i64, Lit)| self.of(l).is_some();
        constraint.terms.iter().any(is_alias).then(|| Constraint {
            terms: constraint.terms.iter().map(|&(a, l)| (a, self.of(l).unwrap_or(l))).collect(),
            ..constraint.clone()
        })
    }

    /// Derives the translated inequality of a neuron from its own, which has this number: the one of "target
    /// implies", or the `other`.
    pub fn derive(&self, constraint: &Constraint, other: bool, number: u32, proof: &dyn Steps) -> u32 {
        let mut steps = number.to_string();
        for &(a, l) in &constraint.terms {
            // a · y becomes a · x by y → x; −a · y, that is a · ¬y, by ¬y → ¬x.
            let neuron = if (a > 0) == other { !l } else { l };
            if let (Some(alias), true) = (self.of(neuron), a != 0) {
                let mut proven = self.proven.borrow_mut();
                let implication = proven.entry(neuron).or_insert_with(|| proof.clause(&[!neuron, alias]));
                let _ = write!(steps, " {implication} {} * +", a.unsigned_abs());
            }
        }
        proof.polish(&steps)
    }

    /// The target and the literal that it equals, where a constraint says just that; remembered from now on.
    pub fn find(&mut self, constraint: &Constraint) -> Option<(Lit, Lit)> {
        let (target, Direction::Both) = constraint.target? else { return None };
        let literal = self.literal(constraint)?;
        self.of[target.var().index()] = Some(if target.is_negative() { !literal } else { literal });
        Some((target, literal))
    }

    /// The literal that is true exactly where a sum over the bits of one input reaches its bound.
    fn literal(&self, constraint: &Constraint) -> Option<Lit> {
        let &(a, first) = constraint.terms.first()?;
        let place = |l: Lit| self.place(l.var()).filter(|_| !l.is_negative());
        let (input, 0) = place(first)? else { return self.single(constraint) };
        let steps = &self.inputs[input].steps;
        let is_thermometer = constraint.terms.len() == steps.len()
            && constraint.terms.iter().zip(steps).all(|(&(b, l), step)| a == b && l == step.1);
        if !is_thermometer {
            return self.single(constraint);
        }
        let bound = constraint.bound;
        if a > 0 {
            // At least ⌈bound / a⌉ of the bits.
            let least = bound.div_euclid(a) + i64::from(bound.rem_euclid(a) != 0);
            steps.get(usize::try_from(least.checked_sub(1)?).ok()?).map(|s| s.1)
        } else {
            // At most ⌊bound / a⌋ of them.
            let most = bound.checked_neg()?.div_euclid(a.checked_neg()?);
            steps.get(usize::try_from(most).ok()?).map(|s| !s.1)
        }
    }

    /// A sum of one bit.
    fn single(&self, constraint: &Constraint) -> Option<Lit> {
        let [(a, l)] = constraint.terms[..] else { return None };
        self.place(l.var())?;
        match (a.min(0), a.max(0)) {
            // False and true miss the bound, or neither does.
            (least, most) if most < constraint.bound || least >= constraint.bound => None,
            _ => Some(if a > 0 { l } else { !l }),
        }
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
                let Some((of, literal)) = aliases.find(&constraint) else {
                    assert!((0..=bits).all(reaches) || !(0..=bits).any(reaches), "{constraint:?}");
                    continue;
                };
                found += 1;
                assert_eq!(of, target);
                for count in 0..=bits {
                    let is_true = (literal.var().index() < count) != literal.is_negative();
                    assert_eq!(is_true, reaches(count), "{constraint:?} {literal} {count}");
                }
                let reader = Constraint { target: None, terms: vec![(2, target), (1, steps[0].1)], bound: 1 };
                assert_eq!(aliases.translated(&reader).unwrap().terms, [(2, literal), (1, steps[0].1)]);
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
        assert_eq!(aliases.find(&Constraint { target, terms: terms.clone(), bound: 1 }), None);
        assert_eq!(aliases.translated(&Constraint { target, terms, bound: 1 }), None);
    }
}
