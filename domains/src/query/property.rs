//! Unsafe sets: disjunctions of conjunctions of linear inequalities.

use super::{FormTerm, LinearForms};
use crate::network::Network;
use crate::num::{Interval, Rational, enclose, nearest};
use ndarray::Array2;
use std::collections::BTreeMap;

/// A variable of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `X_i`: input `i`, in row-major order of the input tensor.
    Input(usize),
    /// `Y_i`: output `i`, in row-major order of the output tensor.
    Output(usize),
}

/// A linear inequality `margin ≤ 0` or `margin < 0` with `margin = Σ c_v v + constant`: of `lhs ≤ rhs` the
/// margin is `lhs − rhs`. The coefficients are exact. Proofs are about the closure, where a strict inequality
/// is not; only a counterexample must keep it.
#[derive(Clone, Debug, PartialEq)]
pub struct Atom {
    /// The coefficients that are not zero.
    pub terms: BTreeMap<Variable, Rational>,
    /// The constant.
    pub constant: Rational,
    /// True for `margin < 0`.
    pub is_strict: bool,
}

impl Atom {
    /// The margin at an exact point.
    #[must_use]
    pub fn margin(&self, input: &[Rational], output: &[Rational]) -> Rational {
        self.terms.iter().fold(self.constant.clone(), |sum, (variable, c)| {
            sum + c * match variable {
                Variable::Input(i) => &input[*i],
                Variable::Output(i) => &output[*i],
            }
        })
    }

    /// Whether it holds at an exact point.
    #[must_use]
    pub fn holds(&self, input: &[Rational], output: &[Rational]) -> bool {
        let margin = self.margin(input, output);
        margin < Rational::ZERO || !self.is_strict && margin == Rational::ZERO
    }

    /// Bounds of the margin at an enclosed point.
    #[must_use]
    pub fn margin_enclosure(&self, input: &[Interval], output: &[Interval]) -> Interval {
        self.terms.iter().fold(enclose(&self.constant), |sum, (variable, c)| {
            sum + enclose(c)
                * match variable {
                    Variable::Input(i) => input[*i],
                    Variable::Output(i) => output[*i],
                }
        })
    }

    /// The largest index of an input and of an output that occurs.
    #[must_use]
    pub fn largest_indices(&self) -> (Option<usize>, Option<usize>) {
        let mut largest = (None, None);
        for variable in self.terms.keys() {
            match variable {
                Variable::Input(i) => largest.0 = largest.0.max(Some(*i)),
                Variable::Output(i) => largest.1 = largest.1.max(Some(*i)),
            }
        }
        largest
    }
}

/// A conjunction of atoms: unsafe where all hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disjunct {
    /// The atoms, in file order.
    pub atoms: Vec<Atom>,
}

impl Disjunct {
    /// True where all its atoms are strict: then it is refuted by a maximum of its margins that is 0 already.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.atoms.iter().all(|atom| atom.is_strict)
    }
}

/// What it counts as where outputs are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    /// Unsafe: a class must win strictly.
    #[default]
    Unsafe,
    /// Safe, as in Jia & Rinard 2020: another class must win strictly.
    Safe,
}

/// The unsafe set: a disjunction of conjunctions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Property {
    /// The disjuncts, in file order.
    pub disjuncts: Vec<Disjunct>,
}

impl Property {
    /// Robustness: unsafe where another output reaches output `label` (disjuncts by increasing class,
    /// a tie is unsafe).
    #[must_use]
    pub fn robustness(classes: usize, label: usize) -> Self {
        let against = |other: usize| {
            let terms = [(Variable::Output(label), Rational::ONE), (Variable::Output(other), -Rational::ONE)];
            Disjunct { atoms: vec![Atom { terms: terms.into(), constant: Rational::ZERO, is_strict: false }] }
        };
        Self { disjuncts: (0..classes).filter(|&j| j != label).map(against).collect() }
    }

    /// Robustness of an ensemble that rejects inputs on which its members disagree, with their outputs side
    /// by side ([`Network::side_by_side`](crate::network::Network::side_by_side)): unsafe where all members
    /// agree on another class than `label` (Jia & Rinard 2020 §7). One disjunct per such class, in
    /// increasing order, with the atoms `Y_j − Y_i ≤ 0` of member after member; a tie counts for the class, as
    /// in [`Property::robustness`]. Where ties are safe the class must beat every other, as in the paper: a member whose
    /// two wrong classes tie says nothing then.
    #[must_use]
    pub fn agreement(members: usize, classes: usize, label: usize) -> Self {
        let atom = |winner: usize, loser: usize| {
            let terms = [(Variable::Output(winner), -Rational::ONE), (Variable::Output(loser), Rational::ONE)];
            Atom { terms: terms.into(), constant: Rational::ZERO, is_strict: false }
        };
        let of_member = |m: usize, class: usize| {
            let others = (0..classes).filter(move |&j| j != class);
            others.map(move |j| atom(m * classes + class, m * classes + j))
        };
        let on = |class: usize| Disjunct { atoms: (0..members).flat_map(|m| of_member(m, class)).collect() };
        Self { disjuncts: (0..classes).filter(|&class| class != label).map(on).collect() }
    }

    /// All atoms in file order.
    pub fn atoms(&self) -> impl Iterator<Item = &Atom> + '_ {
        self.disjuncts.iter().flat_map(|d| &d.atoms)
    }

    /// True when every atom compares exactly two outputs, `Y_i − Y_j` without a constant: only then may
    /// a monotone last operator such as Softmax be dropped.
    #[must_use]
    pub fn only_compares_outputs(&self) -> bool {
        self.atoms().all(|atom| {
            let values: Vec<&Rational> = atom.terms.values().collect();
            atom.constant == Rational::ZERO
                && atom.terms.keys().all(|v| matches!(v, Variable::Output(_)))
                && values.len() == 2
                && values[0] + values[1] == Rational::ZERO
        })
    }
}

impl LinearForms {
    /// The margins of `atoms` as linear forms over the network's input and output nodes.
    #[must_use]
    pub fn of_atoms<'a>(network: &Network, atoms: impl IntoIterator<Item = &'a Atom>) -> Self {
        let atoms: Vec<&Atom> = atoms.into_iter().collect();
        let part = |node, len, pick: &dyn Fn(Variable) -> Option<usize>| {
            let mut coefficients = Array2::zeros((atoms.len(), len));
            let mut radius = Array2::zeros((atoms.len(), len));
            for (r, atom) in atoms.iter().enumerate() {
                for (variable, c) in &atom.terms {
                    if let Some(i) = pick(*variable) {
                        coefficients[[r, i]] = nearest(c);
                        radius[[r, i]] = (enclose(c) - Interval::point(nearest(c))).magnitude();
                    }
                }
            }
            let is_exact = radius.iter().all(|&r: &f64| r == 0.0);
            FormTerm { node, coefficients, radius: (!is_exact).then_some(radius) }
        };
        let inputs = part(0, network.input_len(), &|v| if let Variable::Input(i) = v { Some(i) } else { None });
        let outputs = part(network.output(), network.output_len(), &|v| {
            if let Variable::Output(i) = v { Some(i) } else { None }
        });
        let mut terms = vec![outputs];
        // A coefficient too small for a float still has a radius.
        if inputs.radius.is_some() || inputs.coefficients.iter().any(|&c| c != 0.0) {
            terms.push(inputs);
        }
        let constants = atoms.iter().map(|a| enclose(&a.constant).lo).collect();
        Self { terms, constants }
    }
}
