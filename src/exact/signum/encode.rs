//! A signum network with a region and an unsafe set as reified linear constraints over bits
//! (Jia & Rinard 2020 §4.1).

use super::SignumError;
use super::cells::{Indicator, Inequality};
use super::region::{Inputs, Value, at_least, in_units};
use super::steps::{Neuron, StepLayer, StepNetwork, Sum, Threshold};
use crate::domains::budget::Budget;
use crate::domains::num::{Rational, enclose};
use crate::domains::query::{Atom, Property, Region, Variable};
use absint_sat::{Constraint, Direction, Formula, Lit};
use dashu_int::IBig;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A query as constraints over bits: those of the region, of the network and of the unsafe set, in this order.
pub(super) struct Encoded {
    pub inputs: Inputs,
    /// The common denominator of all values.
    pub denominator: IBig,
    /// What limits the inputs.
    pub region: Formula,
    pub network: Arc<Neurons>,
    pub goal: Arc<Goal>,
}

/// The neurons of a network over inputs with certain values: the same for all balls and unsafe sets.
pub(super) struct Neurons {
    /// Only their own constraints; the variables are those of the inputs, too.
    pub formula: Formula,
    values: Values,
    /// Over real inputs the sides of hyperplanes that neurons tell apart.
    pub sides: Vec<Indicator>,
    unit: Rational,
    /// Whether constant neurons have bits, too.
    has_constants: bool,
}

/// An unsafe set over the neurons of a network.
pub(super) struct Goal {
    /// Only its own constraints; the variables are those before, too.
    pub formula: Formula,
    /// For each disjunct the literal that makes it hold.
    pub disjuncts: Vec<Lit>,
    /// For each disjunct a lower bound of the maximum of its margins, should it be refuted: positive, since
    /// margins are discrete, or 0 where all atoms are strict.
    pub bounds: Vec<f64>,
}

/// The values of all nodes that sums read.
type Values = BTreeMap<usize, Vec<Value>>;

/// The sum over literals less its constant part: terms, and the constant.
fn literals(sum: &Sum, values: &Values) -> Option<(Vec<(i64, Lit)>, i128)> {
    let mut terms = Vec::with_capacity(sum.terms.len());
    let mut constant = 0i128;
    let mut of_node: Option<(usize, &Vec<Value>)> = None;
    for &((node, i), w) in &sum.terms {
        let of_source = match of_node {
            Some((last, of_source)) if last == node => of_source,
            _ => of_node.insert((node, values.get(&node)?)).1,
        };
        let value = of_source.get(i)?;
        constant = constant.checked_add(i128::from(w) * i128::from(value.base))?;
        for &(a, l) in &value.steps {
            terms.push((w.checked_mul(a)?, l));
        }
    }
    Some((terms, constant))
}

/// The jumps of a layer and the bounds of its sums in units of a query's common denominator.
pub(super) struct UnitLayer {
    start: i64,
    jumps: Vec<i64>,
    /// For every neuron one per jump, of the whole sum; none where a neuron reads real inputs.
    bounds: Vec<Vec<IntegerBound>>,
}

/// `sum ≥ bound` where `is_reached`, else `sum < bound`.
#[derive(Clone, Copy)]
struct IntegerBound {
    is_reached: bool,
    bound: i128,
}

/// All layers of a network in units of this denominator; over real inputs (`is_real`) some neurons have no bits.
///
/// # Errors
/// Numbers that the solver cannot hold; or the time is up.
pub(super) fn in_unit_layers(
    network: &StepNetwork,
    denominator: &IBig,
    is_real: bool,
    name_of: impl Fn(usize) -> String,
    budget: &Budget,
) -> Result<Vec<UnitLayer>, SignumError> {
    let unit = Rational::from(denominator.clone());
    let layer = |layer: &StepLayer| {
        let too_large = || SignumError::TooLarge(format!("node `{}`", name_of(layer.node)));
        let number = |q: &Rational| in_units(q, &unit).ok_or_else(too_large);
        let of_neuron = |neuron: &Neuron| {
            if budget.is_spent() {
                return Err(SignumError::OutOfTime);
            }
            if is_real && neuron.reads_input() {
                return Ok(Vec::new());
            }
            let scale = Rational::from(neuron.sum.denominator.clone()) * &unit;
            let bound = |threshold: &Threshold| {
                let bound = integer_bound(threshold, &scale).map_err(|TooLarge| too_large())?;
                bound.ok_or_else(|| SignumError::Irrational(name_of(layer.node)))
            };
            neuron.thresholds.iter().map(bound).collect()
        };
        Ok(UnitLayer {
            start: number(&layer.start)?,
            jumps: layer.jumps.iter().map(number).collect::<Result<_, _>>()?,
            bounds: layer.neurons.iter().map(of_neuron).collect::<Result<_, _>>()?,
        })
    };
    network.layers.iter().map(layer).collect()
}

/// `None` where the enclosure of the threshold does not decide which integer the bound is.
fn integer_bound(threshold: &Threshold, scale: &Rational) -> Result<Option<IntegerBound>, TooLarge> {
    let end = |q: &Rational| {
        let scaled = q * scale;
        // sum ≥ q: from ceil. sum > q: from floor + 1. sum ≤ q: below floor + 1. sum < q: below ceil.
        let integer =
            if threshold.is_strict == threshold.is_reversed { scaled.ceil() } else { scaled.floor() + IBig::ONE };
        i128::try_from(integer).map_err(|_| TooLarge)
    };
    let low = end(&threshold.bound.lo)?;
    let high = if threshold.bound.point().is_some() { low } else { end(&threshold.bound.hi)? };
    Ok((low == high).then_some(IntegerBound { is_reached: !threshold.is_reversed, bound: low }))
}

/// The least and the largest value of a sum over literals.
fn ends(terms: &[(i64, Lit)]) -> (i128, i128) {
    let part =
        |(least, most): (i128, i128), &(a, _): &(i64, Lit)| (least + i128::from(a.min(0)), most + i128::from(a.max(0)));
    terms.iter().fold((0, 0), part)
}

struct TooLarge;

impl Encoded {
    /// All constraints, in order.
    pub fn constraints(&self) -> impl Iterator<Item = &Constraint> {
        let [a, b, c] = [&self.region, &self.network.formula, &self.goal.formula];
        a.constraints.iter().chain(&b.constraints).chain(&c.constraints)
    }

    /// Number of variables.
    pub fn vars(&self) -> usize {
        self.goal.formula.vars
    }
}

/// The common denominator of everything that the inputs of a region and the neurons of a network can be.
pub(super) fn denominator(network: &StepNetwork, region: &Region) -> Result<IBig, SignumError> {
    let of_region = super::region::denominator(region)?;
    let jumps = network.layers.iter().flat_map(|l| l.jumps.iter().chain([&l.start]));
    let of_values = Rational::from(super::steps::common_denominator(jumps));
    let parts = [Rational::ONE / Rational::from(of_region), Rational::ONE / of_values];
    Ok(super::steps::common_denominator(parts.iter()).into())
}

impl Neurons {
    /// Encodes a network over inputs that are encoded already, with `vars` bits: the bits of every neuron in
    /// order, or only those of neurons that are no constants, as interval arithmetic over the bits tells. Beside the
    /// network stand its layers in units of the denominator.
    ///
    /// # Errors
    /// Numbers that the solver cannot hold; or the time is up.
    pub fn new(
        (network, units): (&StepNetwork, &[UnitLayer]),
        inputs: &Inputs,
        vars: usize,
        denominator: &IBig,
        has_constants: bool,
        name_of: impl Fn(usize) -> String,
        budget: &Budget,
    ) -> Result<Self, SignumError> {
        let mut neurons = Self {
            has_constants,
            formula: Formula { vars, constraints: Vec::new() },
            values: [(0, inputs.values.clone())].into(),
            sides: Vec::new(),
            unit: Rational::from(denominator.clone()),
        };
        // Real inputs have no bits: sums over them become sides of hyperplanes.
        let is_real = inputs.cells.is_some();
        for (layer, units) in network.layers.iter().zip(units) {
            let of_layer = neurons.layer(layer, units, &name_of(layer.node), is_real, budget)?;
            neurons.values.insert(layer.node, of_layer);
        }
        Ok(neurons)
    }

    fn layer(
        &mut self,
        layer: &StepLayer,
        units: &UnitLayer,
        name: &str,
        is_real: bool,
        budget: &Budget,
    ) -> Result<Vec<Value>, SignumError> {
        let too_large = || SignumError::TooLarge(format!("node `{name}`"));
        let mut of_layer = Vec::with_capacity(layer.neurons.len());
        for (neuron, bounds) in layer.neurons.iter().zip(&units.bounds) {
            if budget.is_spent() {
                return Err(SignumError::OutOfTime);
            }
            if is_real && neuron.reads_input() {
                let steps = self.sides(neuron, &units.jumps, name)?;
                of_layer.push(Value { base: units.start, steps });
                continue;
            }
            let mut base = units.start;
            let (terms, constant) = literals(&neuron.sum, &self.values).ok_or_else(too_large)?;
            let (least, most) = ends(&terms);
            let mut steps: Vec<(i64, Lit)> = Vec::new();
            let mut terms = std::iter::repeat_n(terms, units.jumps.len());
            for (threshold, &jump) in bounds.iter().zip(&units.jumps) {
                let bound = threshold.bound.checked_sub(constant).ok_or_else(too_large)?;
                if (bound <= least || bound > most) && !self.has_constants {
                    if threshold.is_reached == (bound <= least) {
                        base = base.checked_add(jump).ok_or_else(too_large)?;
                    }
                    continue;
                }
                let bound = i64::try_from(bound).map_err(|_| too_large())?;
                let target = self.formula.new_var().positive();
                if let Some(&(_, before)) = steps.last() {
                    // A later step needs the earlier one.
                    self.formula.clause(&[before, !target]);
                }
                let literal = if threshold.is_reached { target } else { !target };
                self.formula.reified(literal, Direction::Both, terms.next().unwrap_or_default(), bound);
                steps.push((jump, target));
            }
            of_layer.push(Value { base, steps });
        }
        Ok(of_layer)
    }

    /// A neuron over real inputs: one literal per side of a hyperplane.
    fn sides(&mut self, neuron: &Neuron, jumps: &[i64], name: &str) -> Result<Vec<(i64, Lit)>, SignumError> {
        let scale = Rational::from(neuron.sum.denominator.clone());
        let mut terms = Vec::new();
        for &((node, i), w) in &neuron.sum.terms {
            if node != 0 {
                return Err(SignumError::Mixed(name.to_owned()));
            }
            terms.push((i, Rational::from(w) / &scale));
        }
        let mut steps = Vec::new();
        for (threshold, &jump) in neuron.thresholds.iter().zip(jumps) {
            let literal = self.formula.new_var().positive();
            if let Some(&(_, before)) = steps.last() {
                self.formula.clause(&[before, !literal]);
            }
            let bound = threshold.bound.point().ok_or_else(|| SignumError::Irrational(name.to_owned()))?;
            let inequality = if threshold.is_reversed {
                Inequality { terms: terms.clone(), bound: bound.clone(), is_strict: threshold.is_strict }
            } else {
                let terms = terms.iter().map(|(i, a)| (*i, -a)).collect();
                Inequality { terms, bound: -bound, is_strict: threshold.is_strict }
            };
            self.sides.push(Indicator { literal, inequality });
            steps.push((jump, literal));
        }
        Ok(steps)
    }
}

impl Goal {
    /// Encodes an unsafe set: one bit per disjunct.
    ///
    /// # Errors
    /// Numbers that the solver cannot hold.
    pub fn new(property: &Property, network: &StepNetwork, neurons: &Neurons) -> Result<Self, SignumError> {
        let formula = Formula { vars: neurons.formula.vars, constraints: Vec::new() };
        let mut goal = Self { formula, disjuncts: Vec::new(), bounds: Vec::new() };
        for disjunct in &property.disjuncts {
            let selector = goal.formula.new_var().positive();
            let mut least = f64::INFINITY;
            for atom in &disjunct.atoms {
                let bound = goal.atom((atom, disjunct.is_strict()), network, neurons, selector)?;
                least = least.min(bound);
            }
            goal.disjuncts.push(selector);
            goal.bounds.push(least);
        }
        goal.formula.clause(&goal.disjuncts);
        Ok(goal)
    }

    /// Makes `selector` imply an atom (its closure, unless all of its disjunct are strict); returns the least value
    /// that its margin can have where it does not hold.
    fn atom(
        &mut self,
        (atom, is_strict): (&Atom, bool),
        network: &StepNetwork,
        neurons: &Neurons,
        selector: Lit,
    ) -> Result<f64, SignumError> {
        let irrational = || SignumError::Irrational("output".into());
        let too_large = || SignumError::TooLarge("the property".into());
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
                    for (source, w) in &*form.terms {
                        add(*source, c * w);
                    }
                }
            }
        }
        coefficients.retain(|_, c| *c != Rational::ZERO);
        // margin ≤ 0  is  Σ −c v ≥ constant.
        let terms: Option<Vec<(&Value, Rational)>> =
            coefficients.iter().map(|((node, i), c)| Some((neurons.values.get(node)?.get(*i)?, -c))).collect();
        let terms = terms.ok_or_else(|| SignumError::Mixed("output".into()))?;
        let unit = &neurons.unit;
        let (literals, bound) = at_least(&terms, &constant, is_strict, unit).ok_or_else(too_large)?;
        self.formula.reified(selector, Direction::TargetImplies, literals, bound);
        // The sum, an integer in these units, misses the bound by at least one step.
        let common = Rational::from(super::steps::common_denominator(terms.iter().map(|t| &t.1)));
        let mut exact_bound = &constant * unit * &common;
        for (value, c) in &terms {
            exact_bound -= c * &common * Rational::from(value.base);
        }
        let least = (exact_bound - Rational::from(bound) + Rational::ONE) / (unit * &common);
        Ok(enclose(&least).lo)
    }
}
