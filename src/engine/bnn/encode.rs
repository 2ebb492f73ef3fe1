//! A signum network with a region and an unsafe set as reified linear constraints over bits
//! (Jia & Rinard 2020 §4.1).

use super::BnnError;
use super::region::{Inputs, Value, at_least, in_units};
use super::steps::{Layer, StepNetwork, Sum, Threshold};
use crate::domains::num::{Rational, enclose};
use crate::domains::query::{Atom, Case, Variable};
use crate::engine::sat::{Direction, Lit, Solver};
use dashu_int::IBig;
use std::collections::BTreeMap;

/// What the preprocessing does.
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

/// A query as constraints in a solver.
pub(super) struct Encoded {
    pub inputs: Inputs,
    /// The common denominator of all values.
    pub denominator: IBig,
    /// For each disjunct the literal that makes it hold.
    pub disjuncts: Vec<Lit>,
    /// For each disjunct a positive lower bound of the maximum of its margins, should it be refuted:
    /// margins are discrete.
    pub bounds: Vec<f64>,
    /// How many neurons preprocessing fixed.
    pub fixed: usize,
}

/// `target ↔ Σ a_i l_i ≥ bound`.
pub(super) struct Reified {
    pub target: Lit,
    pub terms: Vec<(i64, Lit)>,
    pub bound: i64,
}

/// The values of all nodes that sums read.
type Values = BTreeMap<usize, Vec<Value>>;

/// The sum over literals less its constant part: terms, and the constant.
fn literals(sum: &Sum, values: &Values) -> Option<(Vec<(i64, Lit)>, i128)> {
    let mut terms = Vec::with_capacity(sum.terms.len());
    let mut constant = 0i128;
    for &((node, i), w) in &sum.terms {
        let value = &values.get(&node)?[i];
        constant = constant.checked_add(i128::from(w) * i128::from(value.base))?;
        for &(a, l) in &value.steps {
            terms.push((w.checked_mul(a)?, l));
        }
    }
    Some((terms, constant))
}

/// The threshold as `target ↔ Σ ≥ bound` over integers: the enclosure of its bound must hold one
/// integer step only.
fn reify(
    threshold: &Threshold,
    terms: &[(i64, Lit)],
    constant: i128,
    scale: &Rational,
    target: Lit,
) -> Result<Option<Reified>, &'static str> {
    let end = |q: &Rational| {
        let scaled = q * scale - Rational::from(constant);
        // sum ≥ ceil, sum > floor; reversed: sum ≤ floor, sum < ceil.
        let integer = if threshold.is_strict == threshold.is_reversed { scaled.ceil() } else { scaled.floor() };
        i64::try_from(integer).map_err(|_| "range")
    };
    let (low, high) = (end(&threshold.bound.lo)?, end(&threshold.bound.hi)?);
    if low != high {
        return Ok(None);
    }
    let reified = match (threshold.is_reversed, threshold.is_strict) {
        (false, false) => Reified { target, terms: terms.to_vec(), bound: low },
        (false, true) => Reified { target, terms: terms.to_vec(), bound: low.checked_add(1).ok_or("range")? },
        // target ↔ sum ≤ floor  is  ¬target ↔ sum ≥ floor + 1.
        (true, false) => Reified { target: !target, terms: terms.to_vec(), bound: low.checked_add(1).ok_or("range")? },
        (true, true) => Reified { target: !target, terms: terms.to_vec(), bound: low },
    };
    Ok(Some(reified))
}

impl Encoded {
    /// Adds the constraints of a query to an empty solver.
    pub fn new(
        network: &StepNetwork,
        case: &Case,
        name_of: impl Fn(usize) -> String,
        preprocessing: Preprocessing,
        solver: &mut Solver,
    ) -> Result<Self, BnnError> {
        let mut denominator = super::region::denominator(&case.region)?;
        let jumps = network.layers.iter().flat_map(|l| l.jumps.iter().chain([&l.start]));
        let of_values = Rational::from(super::steps::common_denominator(jumps));
        denominator = super::steps::common_denominator(
            [Rational::ONE / Rational::from(denominator), Rational::ONE / of_values].iter(),
        );
        let inputs = Inputs::encode(&case.region, &denominator, solver)?;
        let mut values: Values = [(0, inputs.values.clone())].into();
        let mut encoded = Self { inputs, denominator, disjuncts: Vec::new(), bounds: Vec::new(), fixed: 0 };
        for layer in &network.layers {
            let name = name_of(layer.node);
            let of_layer = encoded.layer(layer, &name, &values, preprocessing, solver)?;
            values.insert(layer.node, of_layer);
        }
        for disjunct in &case.property.disjuncts {
            let selector = solver.new_var().positive();
            let mut least = f64::INFINITY;
            for atom in &disjunct.atoms {
                let bound = encoded.atom(atom, network, &values, selector, solver)?;
                least = least.min(bound);
            }
            encoded.disjuncts.push(selector);
            encoded.bounds.push(least);
        }
        Ok(encoded)
    }

    fn layer(
        &mut self,
        layer: &Layer,
        name: &str,
        values: &Values,
        preprocessing: Preprocessing,
        solver: &mut Solver,
    ) -> Result<Vec<Value>, BnnError> {
        let too_large = || BnnError::TooLarge(format!("node `{name}`"));
        let unit = Rational::from(self.denominator.clone());
        let base = in_units(&layer.start, &unit).ok_or_else(too_large)?;
        let jumps: Vec<i64> =
            layer.jumps.iter().map(|j| in_units(j, &unit)).collect::<Option<_>>().ok_or_else(too_large)?;
        let mut of_layer = Vec::with_capacity(layer.neurons.len());
        for neuron in &layer.neurons {
            let (terms, constant) = literals(&neuron.sum, values).ok_or_else(too_large)?;
            let scale = Rational::from(neuron.sum.denominator.clone()) * &unit;
            let mut steps: Vec<(i64, Lit)> = Vec::with_capacity(jumps.len());
            for (threshold, &jump) in neuron.thresholds.iter().zip(&jumps) {
                let target = solver.new_var().positive();
                let reified = reify(threshold, &terms, constant, &scale, target)
                    .map_err(|_| too_large())?
                    .ok_or_else(|| BnnError::Irrational(name.to_owned()))?;
                if let Some(&(_, before)) = steps.last() {
                    // A later step needs the earlier one.
                    solver.add_clause(&[before, !target]);
                }
                self.constrain(&reified, preprocessing, solver)?;
                steps.push((jump, target));
            }
            of_layer.push(Value { base, steps });
        }
        Ok(of_layer)
    }

    fn constrain(
        &mut self,
        reified: &Reified,
        preprocessing: Preprocessing,
        solver: &mut Solver,
    ) -> Result<(), BnnError> {
        if let Some((flips, most)) = &self.inputs.ball {
            let counts = super::implied::Counts::of(reified, flips, *most);
            if let Some(value) = counts.as_ref().and_then(|c| c.fixed()).filter(|_| preprocessing.fix) {
                self.fixed += 1;
                solver.add_clause(&[if value { reified.target } else { !reified.target }]);
                return Ok(());
            }
            if let Some(counts) = counts.filter(|_| preprocessing.counts) {
                counts.add_to(solver)?;
            }
        }
        solver.add_reified(reified.target, Direction::Both, &reified.terms, reified.bound)?;
        Ok(())
    }

    /// Makes `selector` imply an atom; returns the least positive value that its margin can have.
    fn atom(
        &self,
        atom: &Atom,
        network: &StepNetwork,
        values: &Values,
        selector: Lit,
        solver: &mut Solver,
    ) -> Result<f64, BnnError> {
        let irrational = || BnnError::Irrational("output".into());
        let too_large = || BnnError::TooLarge("the property".into());
        let mut coefficients: BTreeMap<(usize, usize), Rational> = BTreeMap::new();
        let mut constant = atom.constant.clone();
        let mut add = |source, c: Rational| {
            let entry = coefficients.entry(source).or_insert(Rational::ZERO);
            *entry = &*entry + c;
        };
        for (variable, c) in &atom.terms {
            match variable {
                Variable::Input(i) => add((0, *i), c.clone()),
                Variable::Output(j) => {
                    let form = network.outputs[*j].unscaled().ok_or_else(irrational)?;
                    constant += c * form.constant.point().ok_or_else(irrational)?;
                    for (source, w) in &form.terms {
                        add(*source, c * w);
                    }
                }
            }
        }
        coefficients.retain(|_, c| *c != Rational::ZERO);
        // margin ≤ 0  is  Σ −c v ≥ constant.
        let terms: Option<Vec<(&Value, Rational)>> =
            coefficients.iter().map(|((node, i), c)| Some((values.get(node)?.get(*i)?, -c))).collect();
        let terms = terms.ok_or_else(too_large)?;
        let unit = Rational::from(self.denominator.clone());
        let (literals, bound) = at_least(&terms, &constant, &unit).ok_or_else(too_large)?;
        solver.add_reified(selector, Direction::TargetImplies, &literals, bound)?;
        // The sum, an integer in these units, misses the bound by at least one step.
        let common = Rational::from(super::steps::common_denominator(terms.iter().map(|t| &t.1)));
        let mut exact_bound = &constant * &unit * &common;
        for (value, c) in &terms {
            exact_bound -= c * &common * Rational::from(value.base);
        }
        let least = (exact_bound - Rational::from(bound) + Rational::ONE) / (unit * common);
        Ok(enclose(&least).lo)
    }
}
