//! A signum network as sums with integer weights between step functions, decided exactly and once per
//! network.
//!
//! Affine nodes in a row are composed until every pre-activation reads inputs and activations only.
//! A factor that is known by an enclosure only (batch normalisation divides by a square root) stays
//! apart: it moves the threshold of the sum, where an enclosure is enough.

use super::SignumError;
use crate::domains::activation::ActivationFn;
use crate::domains::budget::Budget;
use crate::domains::network::{Affine, LinearMap, Network, NodeId, NodeKind, Parameter};
use crate::domains::num::{Rational, exact_or_zero};
use dashu_int::IBig;
use itertools::Itertools;
use std::collections::BTreeMap;

/// A rational that is known up to an enclosure, which is a point where it is known exactly.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Enclosed {
    pub lo: Rational,
    pub hi: Rational,
}

impl Enclosed {
    pub fn exact(q: Rational) -> Self {
        Self { lo: q.clone(), hi: q }
    }

    /// `None` for an enclosure without ends, which says nothing.
    fn of(parameter: Parameter) -> Option<Self> {
        match parameter {
            Parameter::Exact(q) => Some(Self::exact(q)),
            Parameter::Enclosed(around) => around
                .magnitude()
                .is_finite()
                .then(|| Self { lo: exact_or_zero(around.lo), hi: exact_or_zero(around.hi) }),
        }
    }

    pub fn point(&self) -> Option<&Rational> {
        (self.lo == self.hi).then_some(&self.lo)
    }

    fn hull(corners: [Rational; 4]) -> Self {
        let [a, b, c, d] = corners;
        let lo = a.clone().min(b.clone()).min(c.clone()).min(d.clone());
        Self { lo, hi: a.max(b).max(c).max(d) }
    }

    fn plus(&self, other: &Self) -> Self {
        Self { lo: &self.lo + &other.lo, hi: &self.hi + &other.hi }
    }

    pub fn minus(&self, other: &Self) -> Self {
        Self { lo: &self.lo - &other.hi, hi: &self.hi - &other.lo }
    }

    fn times(&self, other: &Self) -> Self {
        Self::hull([&self.lo * &other.lo, &self.lo * &other.hi, &self.hi * &other.lo, &self.hi * &other.hi])
    }

    /// `None` where the divisor may be zero.
    pub fn over(&self, other: &Self) -> Option<Self> {
        (other.sign() != 0).then(|| {
            Self::hull([&self.lo / &other.lo, &self.lo / &other.hi, &self.hi / &other.lo, &self.hi / &other.hi])
        })
    }

    /// 1 or −1 where the sign is certain, else 0.
    pub fn sign(&self) -> i32 {
        if self.lo > Rational::ZERO {
            1
        } else if self.hi < Rational::ZERO {
            -1
        } else {
            0
        }
    }
}

/// A neuron that a sum reads: a node, input or activation, and the index in it.
pub(super) type Source = (NodeId, usize);

/// `factor · (Σ w_s x_s + constant)`.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub terms: BTreeMap<Source, Rational>,
    pub factor: Enclosed,
    pub constant: Enclosed,
}

impl Form {
    fn of_source(source: Source) -> Self {
        Self {
            terms: [(source, Rational::ONE)].into(),
            factor: Enclosed::exact(Rational::ONE),
            constant: Enclosed::exact(Rational::ZERO),
        }
    }

    /// The same with factor 1; `None` where the factor is not exactly known.
    pub fn unscaled(&self) -> Option<Self> {
        let factor = self.factor.point()?;
        let terms = self.terms.iter().map(|(s, w)| (*s, w * factor)).collect();
        Some(Self { terms, factor: Enclosed::exact(Rational::ONE), constant: self.constant.times(&self.factor) })
    }
}

/// `Σ w_s x_s` with integers: the true sum times `denominator`.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    pub terms: Vec<(Source, i64)>,
    pub denominator: IBig,
}

impl Sum {
    /// Clears the denominators; `None` where the integers become too large.
    pub fn new(terms: &BTreeMap<Source, Rational>) -> Option<Self> {
        let denominator = common_denominator(terms.values());
        let scale = Rational::from(denominator.clone());
        let integer = |w: &Rational| i64::try_from((w * &scale).trunc()).ok();
        let terms = terms.iter().map(|(s, w)| Some((*s, integer(w)?))).collect::<Option<_>>()?;
        Some(Self { terms, denominator })
    }
}

/// The least common multiple of the denominators.
pub(super) fn common_denominator<'a>(numbers: impl Iterator<Item = &'a Rational>) -> IBig {
    use dashu_base::Gcd;
    let mut common = IBig::ONE;
    for q in numbers {
        let d = IBig::from(q.denominator().clone());
        if d == IBig::ONE {
            continue;
        }
        let divisor = IBig::from((&common).gcd(&d));
        common = common / divisor * d;
    }
    common
}

/// A condition `sum ≥ bound` (`sum > bound` where strict), negated where the factor is negative, with
/// which an activation's value jumps.
#[derive(Clone, Debug)]
pub(super) struct Threshold {
    /// The bound on the sum over real values.
    pub bound: Enclosed,
    /// True where equality does not count.
    pub is_strict: bool,
    /// True where the jump happens at and *below* the bound.
    pub is_reversed: bool,
}

/// An activation neuron.
#[derive(Clone, Debug)]
pub(super) struct Neuron {
    pub sum: Sum,
    pub thresholds: Vec<Threshold>,
}

impl Neuron {
    /// Whether it reads the network's input itself.
    pub fn reads_input(&self) -> bool {
        self.sum.terms.iter().any(|t| t.0.0 == 0)
    }
}

/// An activation node: its value is `start`, plus each jump whose threshold is passed.
#[derive(Clone, Debug)]
pub(super) struct StepLayer {
    pub node: NodeId,
    pub start: Rational,
    pub jumps: Vec<Rational>,
    pub neurons: Vec<Neuron>,
}

/// A network of step functions.
#[derive(Clone, Debug)]
pub(super) struct StepNetwork {
    pub layers: Vec<StepLayer>,
    pub outputs: Vec<Form>,
}

/// A step of an activation.
struct Step {
    at: Rational,
    is_strict: bool,
}

fn steps(function: &dyn ActivationFn) -> Option<(Rational, Vec<Rational>, Vec<Step>)> {
    let pieces = function.pieces()?;
    if !function.is_step() {
        return None;
    }
    let (mut jumps, mut steps) = (Vec::new(), Vec::new());
    for (left, right) in pieces.iter().tuple_windows() {
        jumps.push(exact_or_zero(right.intercept) - exact_or_zero(left.intercept));
        steps.push(Step { at: exact_or_zero(right.from), is_strict: !right.from_closed });
    }
    Some((exact_or_zero(pieces.first()?.intercept), jumps, steps))
}

/// The rows of a map, without zeros; `None` where a parameter has no bounds.
fn rows(map: &LinearMap) -> Option<Vec<Vec<(usize, Enclosed)>>> {
    let mut rows = vec![Vec::new(); map.output_len()];
    let mut are_bounded = true;
    map.for_each_parameter(|output, input, w| match Enclosed::of(w) {
        Some(w) => rows[output].push((input, w)),
        None => are_bounded = false,
    });
    are_bounded.then_some(rows)
}

/// The forms of an affine node, given those of the nodes before it; `None` too when the time is up.
fn compose(affine: &Affine, len: usize, forms: &[Vec<Form>], budget: &Budget) -> Option<Vec<Form>> {
    let maps: Vec<_> = affine.terms.iter().map(|t| Some((t.source, rows(&t.map)?))).collect::<Option<_>>()?;
    (0..len)
        .map(|i| {
            if budget.is_spent() {
                return None;
            }
            let entries =
                || maps.iter().flat_map(|(source, rows)| rows[i].iter().map(|(j, w)| (&forms[*source][*j], w)));
            let bias = Enclosed::of(affine.bias.parameter(i))?;
            let mut all = entries();
            if let (Some((form, w)), None) = (all.next(), all.next()) {
                let factor = form.factor.times(w);
                let constant = form.constant.plus(&bias.over(&factor)?);
                return Some(Form { terms: form.terms.clone(), factor, constant });
            }
            let mut sum = Form { terms: BTreeMap::new(), factor: Enclosed::exact(Rational::ONE), constant: bias };
            for (form, w) in entries() {
                let scale = form.factor.point()? * w.point()?;
                for (source, v) in &form.terms {
                    let entry = sum.terms.entry(*source).or_insert(Rational::ZERO);
                    *entry = &*entry + v * &scale;
                }
                if form.constant != Enclosed::exact(Rational::ZERO) {
                    sum.constant = sum.constant.plus(&form.constant.times(&Enclosed::exact(scale)));
                }
            }
            sum.terms.retain(|_, w| *w != Rational::ZERO);
            Some(sum)
        })
        .collect()
}

impl StepNetwork {
    /// Reads a network.
    ///
    /// # Errors
    /// Activations that are no step functions, and parameters that are no rationals where they would
    /// have to be; or the time is up.
    pub fn new(network: &Network, budget: &Budget) -> Result<Self, SignumError> {
        let mut forms: Vec<Vec<Form>> = Vec::with_capacity(network.nodes().len());
        let mut layers = Vec::new();
        for (id, node) in network.nodes().iter().enumerate() {
            let sources = || (0..node.len).map(|i| Form::of_source((id, i))).collect();
            forms.push(match &node.kind {
                NodeKind::Input => sources(),
                NodeKind::Product(_) => {
                    return Err(SignumError::Activation { node: node.name.clone(), activation: "product" });
                }
                NodeKind::Affine(affine) => {
                    let irrational = || SignumError::Irrational(node.name.clone());
                    let failure = || if budget.is_spent() { SignumError::OutOfTime } else { irrational() };
                    compose(affine, node.len, &forms, budget).ok_or_else(failure)?
                }
                NodeKind::Activation(activation) => {
                    let function = &*activation.function;
                    let (start, jumps, steps) = steps(function).ok_or_else(|| SignumError::Activation {
                        node: node.name.clone(),
                        activation: function.name(),
                    })?;
                    let neuron = |form: &Form| {
                        if budget.is_spent() { Err(SignumError::OutOfTime) } else { neuron(form, &steps, &node.name) }
                    };
                    let neurons = forms[activation.source].iter().map(neuron).collect::<Result<_, _>>()?;
                    layers.push(StepLayer { node: id, start, jumps, neurons });
                    sources()
                }
            });
        }
        Ok(Self { layers, outputs: forms.swap_remove(network.output()) })
    }
}

fn neuron(form: &Form, steps: &[Step], name: &str) -> Result<Neuron, SignumError> {
    let sum = Sum::new(&form.terms).ok_or_else(|| SignumError::TooLarge(format!("node `{name}`")))?;
    let thresholds = steps
        .iter()
        .map(|step| {
            let at = Enclosed::exact(step.at.clone()).over(&form.factor)?;
            Some(Threshold {
                bound: at.minus(&form.constant),
                is_strict: step.is_strict,
                is_reversed: form.factor.sign() < 0,
            })
        })
        .collect::<Option<_>>()
        .ok_or_else(|| SignumError::Irrational(name.to_owned()))?;
    Ok(Neuron { sum, thresholds })
}
