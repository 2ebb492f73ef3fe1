//! The neurons of a network and an unsafe set over them, given the inputs.

use super::SignumError;
use super::formula::OpbText;
use super::inputs::Inputs;
use super::sums::{integer_sum, real_side};
use super::symbol::{Symbol, Unknown};
use crate::domains::activation::{ActivationFn, Piece};
use crate::domains::budget::Budget;
use crate::domains::network::{Affine, Network, NodeKind};
use crate::domains::num::{Rational, Scalar, exact};
use crate::domains::query::{Atom, Property, Variable};
use absint_check::HalfSpace;
use dashu_int::IBig;
use itertools::Itertools;

/// The neurons of a network over inputs with certain values: the same for all balls and unsafe sets.
#[derive(Debug, Default)]
pub(in crate::exact::signum) struct Neurons {
    pub(super) opb: OpbText,
    outputs: Vec<Symbol>,
    /// Over real inputs: what a bit says about them.
    pub(super) sides: Vec<(usize, HalfSpace)>,
}

impl Neurons {
    /// The inequalities.
    pub fn opb(&self) -> &OpbText {
        &self.opb
    }

    /// Encodes a network.
    ///
    /// # Errors
    /// Numbers that are not rational where they must be, sums over real inputs and neurons together; or the time
    /// is up.
    pub fn encode(network: &Network, inputs: &Inputs, budget: &Budget) -> Result<Self, SignumError> {
        let mut neurons = Self { opb: inputs.opb.continued(), ..Self::default() };
        let mut values: Vec<Vec<Symbol>> = Vec::with_capacity(network.nodes().len());
        for node in network.nodes() {
            let irrational = || SignumError::Irrational(node.name.clone());
            let of_node = match &node.kind {
                NodeKind::Input => inputs.values(),
                NodeKind::Product(_) => return Err(irrational()),
                NodeKind::Affine(affine) => evaluate(affine, &values, node.len).ok_or_else(irrational)?,
                NodeKind::Activation(activation) => {
                    let function = &*activation.function;
                    let mut of_node = Vec::with_capacity(node.len);
                    for sum in &values[activation.source] {
                        if budget.is_spent() {
                            return Err(SignumError::OutOfTime);
                        }
                        of_node.push(neurons.neuron(sum.clone().gathered(), function, &node.name)?);
                    }
                    of_node
                }
            };
            values.push(of_node);
        }
        neurons.outputs = values.swap_remove(network.output());
        Ok(neurons)
    }

    /// The value of a neuron that reads `sum`.
    fn neuron(&mut self, sum: Symbol, function: &dyn ActivationFn, name: &str) -> Result<Symbol, SignumError> {
        let no_step = || SignumError::Activation { node: name.to_owned(), activation: function.name() };
        let pieces: &[Piece] = function.pieces().ok_or_else(no_step)?;
        let level = |piece: &Piece| exact(piece.intercept).filter(|_| piece.slope == 0.0).ok_or_else(no_step);
        let mut value = Symbol::constant(level(pieces.first().ok_or_else(no_step)?)?);
        let mut before = None;
        for (left, right) in pieces.iter().tuple_windows() {
            let at = exact(right.from).ok_or_else(no_step)?;
            let excess = sum.add(&Symbol::constant(-at));
            let is_strict = !right.from_closed;
            let bit = self.opb.variable();
            if let Some(before) = before {
                self.opb.clause(&[(before, false), (bit, true)]);
            }
            before = Some(bit);
            if excess.terms.iter().any(|t| matches!(t.0, Unknown::Input(_))) {
                let side = real_side(&excess, is_strict).ok_or_else(|| SignumError::Mixed(name.to_owned()))?;
                self.sides.push((bit, side));
            } else {
                let (terms, bound) = integer_sum(excess, name, is_strict)?;
                self.opb.implied((bit, false), &terms, &bound);
                let negated: Vec<(IBig, usize)> = terms.into_iter().map(|(a, v)| (-a, v)).collect();
                self.opb.implied((bit, true), &negated, &(IBig::ONE - bound));
            }
            value = value.plus(Unknown::Bit(bit), level(right)? - level(left)?);
        }
        Ok(value)
    }

    /// Encodes an unsafe set.
    ///
    /// # Errors
    /// As [`Neurons::encode`].
    pub fn goal(&self, property: &Property, inputs: &Inputs, budget: &Budget) -> Result<OpbText, SignumError> {
        let mut opb = self.opb.continued();
        let inputs = inputs.values();
        let disjuncts = &property.disjuncts;
        let selectors: Vec<(usize, bool)> = disjuncts.iter().map(|_| (opb.variable(), false)).collect();
        for (disjunct, &selector) in disjuncts.iter().zip(&selectors) {
            for atom in &disjunct.atoms {
                if budget.is_spent() {
                    return Err(SignumError::OutOfTime);
                }
                let side = unsafe_side(atom, &inputs, &self.outputs);
                let (terms, bound) = integer_sum(side, "output", disjunct.is_strict())?;
                opb.implied(selector, &terms, &bound);
            }
        }
        opb.clause(&selectors);
        Ok(opb)
    }
}

/// `Σ W x + b` in unknowns.
fn evaluate(affine: &Affine, values: &[Vec<Symbol>], len: usize) -> Option<Vec<Symbol>> {
    let mut sums = vec![Symbol::zero(); len];
    for term in &affine.terms {
        term.map.apply_to(&values[term.source], &mut sums)?;
    }
    let with_bias = |(i, mut sum): (usize, Symbol)| {
        sum.add_scaled(&Rational::ONE, &affine.bias.get::<Symbol>(i)?);
        Some(sum.gathered())
    };
    sums.into_iter().enumerate().map(with_bias).collect()
}

/// The negated margin of an atom, which is at least 0 where the atom holds.
fn unsafe_side(atom: &Atom, inputs: &[Symbol], outputs: &[Symbol]) -> Symbol {
    let start = Symbol::constant(-&atom.constant);
    let add = |sum: Symbol, (variable, c): (&Variable, &Rational)| {
        let value = match variable {
            Variable::Input(i) => &inputs[*i],
            Variable::Output(j) => &outputs[*j],
        };
        sum.add(&value.times(&-c))
    };
    atom.terms.iter().fold(start, add).gathered()
}
