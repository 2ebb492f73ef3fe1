//! The formula that a certificate is about, from a second encoder that shares no code with the one the
//! search uses: every neuron, nothing fixed, nothing derived.
//!
//! The network is evaluated by the code that also replays witnesses, on numbers with unknowns, so that each
//! pre-activation becomes a sum over bits with rational coefficients. Variables are numbered in this order:
//! the inputs' bits, input by input from the lowest grid step to the highest; one bit per jump of every
//! activation, node by node and neuron by neuron; one bit per disjunct. Sums are cleared of denominators
//! and divided by the greatest common divisor of their coefficients, which makes them unique.
//!
//! Real inputs have no bits: then a neuron that reads them is only a bit, and what the inputs allow of
//! those bits comes as [lemmas](Lemma).

mod formula;
mod lemma;
mod symbol;

pub(super) use lemma::Lemma;
pub use lemma::LemmaError;

use super::BnnError;
use crate::domains::activation::{ActivationFn, Piece};
use crate::domains::budget::Budget;
use crate::domains::network::{Affine, Network, NodeKind};
use crate::domains::num::{Rational, Scalar, exact};
use crate::domains::query::{Atom, Ball, Case, Query, Region, Variable};
use crate::engine::sat::Constraint;
use dashu_base::Gcd;
use dashu_int::IBig;
use formula::{OpbText, key};
use symbol::{Symbol, Unknown};
use thiserror::Error;

/// `Σ a_i x_i ≥ bound` over real inputs, or `>` where strict. The first coefficient is ±1.
#[derive(Clone, Debug)]
struct HalfSpace {
    terms: Vec<(usize, Rational)>,
    bound: Rational,
    is_strict: bool,
}

/// The formula of a case: satisfiable iff some input is unsafe.
#[derive(Debug, Default)]
pub(super) struct Original {
    opb: OpbText,
    /// Over real inputs: what a bit says about them.
    sides: Vec<(usize, HalfSpace)>,
    /// Over real inputs: what always holds, besides the box.
    always: Vec<HalfSpace>,
    /// The box of real inputs.
    ends: (Vec<Rational>, Vec<Rational>),
    /// True where the inputs range over the reals.
    is_real: bool,
}

/// Why an OPB file is not about a query.
#[derive(Debug, Error)]
pub enum FormulaError {
    /// The query has no such formula.
    #[error(transparent)]
    Query(#[from] BnnError),
    /// Another formula.
    #[error("line {0} of the formula is not that of this network and query")]
    Different(usize),
    /// A lemma that does not hold.
    #[error("line {line} of the formula: {what}")]
    Lemma {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: LemmaError,
    },
}

/// Checks that `opb` is the formula of case number `case` of a query on a network, with lemmas about real
/// inputs that do hold: then a proof that it is unsatisfiable is one that no input of the case is unsafe.
///
/// # Errors
/// The first line that is not the query's.
pub fn check_formula(network: &Network, query: &Query, case: usize, opb: &str) -> Result<(), FormulaError> {
    let missing = FormulaError::Different(1);
    let original = Original::encode(network, query.cases.get(case).ok_or(missing)?, &Budget::unlimited())?;
    original.check(opb)
}

/// How many lemmas about real inputs a formula takes for granted.
#[must_use]
pub fn lemmas(opb: &str) -> usize {
    opb.lines().filter(|line| line.starts_with(lemma::MARK)).count()
}

impl Original {
    /// Encodes a case.
    ///
    /// # Errors
    /// Numbers that are not rational where they must be, inputs over a continuum in another region than a
    /// box, sums over real inputs and neurons together; or the time is up.
    pub fn encode(network: &Network, case: &Case, budget: &Budget) -> Result<Self, BnnError> {
        let mut original = Self::default();
        let inputs = original.inputs(&case.region)?;
        let mut values: Vec<Vec<Symbol>> = Vec::with_capacity(network.nodes().len());
        for node in network.nodes() {
            let irrational = || BnnError::Irrational(node.name.clone());
            let of_node = match &node.kind {
                NodeKind::Input => inputs.clone(),
                NodeKind::Affine(affine) => evaluate(affine, &values, node.len).ok_or_else(irrational)?,
                NodeKind::Activation(activation) => {
                    let function = &*activation.function;
                    let mut neurons = Vec::with_capacity(node.len);
                    for sum in &values[activation.source] {
                        if budget.is_spent() {
                            return Err(BnnError::OutOfTime);
                        }
                        neurons.push(original.neuron(sum.clone().gathered(), function, &node.name)?);
                    }
                    neurons
                }
            };
            values.push(of_node);
        }
        let outputs = &values[network.output()];
        let disjuncts = &case.property.disjuncts;
        let selectors: Vec<(usize, bool)> = disjuncts.iter().map(|_| (original.opb.variable(), false)).collect();
        for (disjunct, &selector) in disjuncts.iter().zip(&selectors) {
            for atom in &disjunct.atoms {
                if budget.is_spent() {
                    return Err(BnnError::OutOfTime);
                }
                let (terms, bound) = original.sum(unsafe_side(atom, &inputs, outputs), "output", false)?;
                original.opb.implied(selector, &terms, bound);
            }
        }
        original.opb.clause(&selectors);
        Ok(original)
    }

    /// Number of inequalities, lemmas apart.
    pub fn inequalities(&self) -> usize {
        self.opb.count
    }

    /// The number of bits, which the encoder of the search numbers alike.
    pub fn variables(&self) -> usize {
        self.opb.variables
    }

    /// The OPB file with lemmas.
    pub fn to_opb(&self, lemmas: &[Lemma]) -> String {
        let count = self.opb.count + lemmas.len();
        let mut text = format!("* #variable= {} #constraint= {count}\n{}", self.opb.variables, self.opb.text);
        for lemma in lemmas {
            text.push_str(&lemma.to_string());
        }
        text
    }

    /// The numbers of the inequalities that a constraint of the search's formula stands for, 0 where one
    /// always holds; `None` where they are not there.
    pub fn numbers(&self, constraint: &Constraint) -> Option<Vec<u32>> {
        let number = |(terms, bound): (Vec<(i128, crate::engine::sat::Lit)>, i128)| {
            let least: i128 = terms.iter().map(|t| t.0.min(0)).sum();
            let terms = terms.into_iter().map(|(a, l)| (IBig::from(a), (l.var().index() + 1, l.is_negative())));
            let found = self.opb.numbers.get(&key(terms, bound.into())).copied();
            found.or((bound <= least).then_some(0))
        };
        constraint.as_inequalities().into_iter().map(number).collect()
    }

    /// Checks that a file is this formula with lemmas that hold.
    fn check(&self, opb: &str) -> Result<(), FormulaError> {
        let given: Vec<&str> = opb.lines().collect();
        let expected: Vec<&str> = self.opb.text.lines().collect();
        let number = |n: usize| FormulaError::Different(n + 1);
        // The first line is a comment with two counts.
        let different = (0..expected.len()).find(|&i| given.get(i + 1) != Some(&expected[i]));
        if let Some(i) = different {
            return Err(number(i + 1));
        }
        if !given[0].starts_with('*') {
            return Err(number(0));
        }
        let rest = given.get(expected.len() + 1..).unwrap_or(&[]);
        for (i, lines) in rest.chunks(2).enumerate() {
            let line = expected.len() + 2 + 2 * i;
            let lemma = Lemma::parse(lines).map_err(|what| FormulaError::Lemma { line, what })?;
            self.check_lemma(&lemma).map_err(|what| FormulaError::Lemma { line, what })?;
        }
        Ok(())
    }

    /// The values of the inputs, and what limits them.
    fn inputs(&mut self, region: &Region) -> Result<Vec<Symbol>, BnnError> {
        let (lower, upper) = region.exact_box();
        let is_free = |i: usize| lower[i] != upper[i];
        let any_free = (0..lower.len()).any(is_free);
        self.is_real = any_free && matches!(region.ball(), Ball::Box);
        let mut values = Vec::with_capacity(lower.len());
        let mut bits_of: Vec<Vec<usize>> = Vec::with_capacity(lower.len());
        for i in 0..lower.len() {
            let width = &upper[i] - &lower[i];
            let mut value = Symbol::constant(lower[i].clone());
            let mut bits = Vec::new();
            if self.is_real {
                value = Symbol::constant(Rational::ZERO).plus(Unknown::Input(i), Rational::ONE);
            } else if is_free(i) {
                let step = match region.ball() {
                    Ball::Hamming { .. } => width.clone(),
                    Ball::Grid { step, .. } | Ball::GridL1 { step, .. } => step.clone(),
                    Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } => return Err(BnnError::RealInput(i)),
                };
                let mut reached = step.clone();
                while reached <= width {
                    let bit = self.opb.variable();
                    value = value.plus(Unknown::Bit(bit), step.clone());
                    if let Some(&before) = bits.last() {
                        self.opb.clause(&[(before, false), (bit, true)]);
                    }
                    bits.push(bit);
                    reached += &step;
                }
            }
            values.push(value);
            bits_of.push(bits);
        }
        self.ball(region, &bits_of);
        for half_space in region.half_spaces() {
            // c·x ≤ rhs.
            let start = Symbol::constant(half_space.rhs.clone());
            let add = |sum: Symbol, (i, c): &(usize, Rational)| sum.add(&values[*i].times(&-c));
            let sum = half_space.terms.iter().fold(start, add).gathered();
            if self.is_real {
                let side = real_side(&sum, false).ok_or_else(|| BnnError::Mixed("input".into()))?;
                self.always.push(side);
            } else {
                let (terms, bound) = self.sum(sum, "input", false)?;
                self.opb.at_least(terms.into_iter().map(|(a, v)| (a, (v, false))).collect(), bound);
            }
        }
        if self.is_real {
            self.ends = (lower.to_vec(), upper.to_vec());
        }
        Ok(values)
    }

    /// "At most so many of the steps away from the centre."
    fn ball(&mut self, region: &Region, bits: &[Vec<usize>]) {
        let (lower, _) = region.exact_box();
        let mut away: Vec<(IBig, (usize, bool))> = Vec::new();
        let most = match region.ball() {
            Ball::Hamming { at_upper, flips } => {
                for (bits, &at_upper) in bits.iter().zip(at_upper) {
                    away.extend(bits.iter().map(|&b| (-IBig::ONE, (b, at_upper))));
                }
                IBig::from(*flips)
            }
            Ball::GridL1 { origin, step, radius } => {
                let mut most = (radius / step).floor();
                for (i, bits) in bits.iter().enumerate() {
                    // A step that ends at or below the centre leads away from it when it is not taken.
                    let below = ((&origin[i] - &lower[i]) / step).floor();
                    let is_below = |k: usize| IBig::from(k) < below;
                    away.extend(bits.iter().enumerate().map(|(k, &b)| (-IBig::ONE, (b, is_below(k)))));
                    // The box may not reach the centre.
                    let count = IBig::from(bits.len());
                    if below < IBig::ZERO {
                        most += &below;
                    } else if below > count {
                        most -= below - count;
                    }
                }
                most
            }
            Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } | Ball::Grid { .. } => return,
        };
        let most = most.clamp(-IBig::ONE, IBig::from(away.len()));
        self.opb.at_least(away, -most);
    }

    /// The value of a neuron that reads `sum`.
    fn neuron(&mut self, sum: Symbol, function: &dyn ActivationFn, name: &str) -> Result<Symbol, BnnError> {
        let pieces: &[Piece] = function.pieces();
        let no_step = || BnnError::Activation { node: name.to_owned(), activation: function.name() };
        let level = |piece: &Piece| exact(piece.intercept).filter(|_| piece.slope == 0.0).ok_or_else(no_step);
        let mut value = Symbol::constant(level(pieces.first().ok_or_else(no_step)?)?);
        let mut before = None;
        for pair in pieces.windows(2) {
            let at = exact(pair[1].from).ok_or_else(no_step)?;
            let excess = sum.add(&Symbol::constant(-at));
            let is_strict = !pair[1].from_closed;
            let bit = self.opb.variable();
            if let Some(before) = before {
                self.opb.clause(&[(before, false), (bit, true)]);
            }
            before = Some(bit);
            if excess.terms.iter().any(|t| matches!(t.0, Unknown::Input(_))) {
                let side = real_side(&excess, is_strict).ok_or_else(|| BnnError::Mixed(name.to_owned()))?;
                self.sides.push((bit, side));
            } else {
                let (terms, bound) = self.sum(excess, name, is_strict)?;
                self.opb.implied((bit, false), &terms, bound.clone());
                let negated: Vec<(IBig, usize)> = terms.into_iter().map(|(a, v)| (-a, v)).collect();
                self.opb.implied((bit, true), &negated, IBig::ONE - bound);
            }
            value = value.plus(Unknown::Bit(bit), level(&pair[1])? - level(&pair[0])?);
        }
        Ok(value)
    }

    /// `sum ≥ 0` (`> 0` where strict) over bits with coprime integer coefficients, and a bound that the sum
    /// just misses or just surpasses where it would lie farther out.
    fn sum(&self, sum: Symbol, name: &str, is_strict: bool) -> Result<(Vec<(IBig, usize)>, IBig), BnnError> {
        if !sum.is_linear {
            return Err(BnnError::Irrational(name.to_owned()));
        }
        let mut scale = IBig::ONE;
        for (_, a) in &sum.terms {
            let d = IBig::from(a.denominator().clone());
            scale = &scale * &d / IBig::from((&scale).gcd(&d));
        }
        let mut terms = Vec::with_capacity(sum.terms.len());
        let mut divisor = IBig::ZERO;
        for (unknown, a) in &sum.terms {
            let Unknown::Bit(bit) = unknown else { return Err(BnnError::Mixed(name.to_owned())) };
            let integer = (a * Rational::from(scale.clone())).trunc();
            divisor = IBig::from((&divisor).gcd(&integer));
            terms.push((integer, *bit));
        }
        if divisor == IBig::ZERO {
            divisor = IBig::ONE;
        }
        terms.iter_mut().for_each(|t| t.0 = &t.0 / &divisor);
        let factor = Rational::from(scale) / Rational::from(divisor);
        // Σ a x ≥ −c.
        let bound = |c: &Rational| {
            let exactly = -(c * &factor);
            if is_strict { exactly.floor() + IBig::ONE } else { exactly.ceil() }
        };
        let (bound, other) = (bound(&sum.low), bound(&sum.high));
        if bound != other {
            return Err(BnnError::Irrational(name.to_owned()));
        }
        let least: IBig = terms.iter().filter(|t| t.0 < IBig::ZERO).map(|t| t.0.clone()).sum();
        let most: IBig = terms.iter().filter(|t| t.0 > IBig::ZERO).map(|t| t.0.clone()).sum();
        Ok((terms, bound.clamp(least, most + IBig::ONE)))
    }
}

/// `Σ W x + b` in unknowns.
fn evaluate(affine: &Affine, values: &[Vec<Symbol>], len: usize) -> Option<Vec<Symbol>> {
    let mut sums = vec![Symbol::zero(); len];
    for term in &affine.terms {
        term.map.apply_to(&values[term.source], &mut sums)?;
    }
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = sum.add(&affine.bias.get::<Symbol>(i)?).gathered();
    }
    Some(sums)
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

/// `sum ≥ 0` (`> 0` where strict) over real inputs alone, divided so that its first coefficient is ±1.
fn real_side(sum: &Symbol, is_strict: bool) -> Option<HalfSpace> {
    let first = sum.terms.first().map_or(Rational::ONE, |t| t.1.clone());
    let scale = if first < Rational::ZERO { -first } else { first };
    let term = |(unknown, a): &(Unknown, Rational)| match unknown {
        Unknown::Input(i) => Some((*i, a / &scale)),
        Unknown::Bit(_) => None,
    };
    let terms = sum.terms.iter().map(term).collect::<Option<_>>()?;
    (sum.is_linear && sum.low == sum.high).then(|| HalfSpace { terms, bound: -&sum.low / &scale, is_strict })
}
