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
use dashu_int::{IBig, UBig};
use itertools::Itertools;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// By source, no source twice, no weight 0.
    pub terms: Arc<[(Source, Rational)]>,
    pub factor: Enclosed,
    pub constant: Enclosed,
}

impl Form {
    fn of_source(source: Source) -> Self {
        Self {
            terms: Arc::new([(source, Rational::ONE)]),
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
    pub fn new(terms: &[(Source, Rational)]) -> Option<Self> {
        let denominator = common_denominator(terms.iter().map(|t| &t.1));
        let scale = Rational::from(denominator.clone());
        let integer = |w: &Rational| match *w.denominator() == denominator {
            true => i64::try_from(w.numerator()).ok(),
            false => i64::try_from((w * &scale).trunc()).ok(),
        };
        let terms = terms.iter().map(|(s, w)| Some((*s, integer(w)?))).collect::<Option<_>>()?;
        Some(Self { terms, denominator: denominator.into() })
    }
}

/// The least common multiple of the denominators.
pub(super) fn common_denominator<'a>(numbers: impl Iterator<Item = &'a Rational>) -> UBig {
    use dashu_base::Gcd;
    let mut common = UBig::ONE;
    for d in numbers.map(Rational::denominator) {
        if !d.is_one() && *d != common {
            common = &common / (&common).gcd(d) * d;
        }
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

/// What the entries of a node are.
enum Entries {
    /// Something that sums read.
    Sources,
    Forms(Vec<Form>),
}

/// The rows of a map, without zeros.
fn rows(map: &LinearMap) -> Vec<Vec<(usize, Parameter)>> {
    let mut rows = vec![Vec::new(); map.output_len()];
    map.for_each_parameter(|output, input, w| rows[output].push((input, w)));
    rows
}

/// The forms of an affine node, given what the nodes before it are; `None` where a parameter has no bounds, and when the time
/// is up.
fn compose(affine: &Affine, len: usize, before: &[Entries], budget: &Budget) -> Option<Vec<Form>> {
    let maps: Vec<_> = affine.terms.iter().map(|t| (t.source, rows(&t.map))).collect();
    (0..len)
        .map(|i| {
            if budget.is_spent() {
                return None;
            }
            let entries = || maps.iter().flat_map(|(source, rows)| rows[i].iter().map(|(j, w)| ((*source, *j), w)));
            let bias = Enclosed::of(affine.bias.parameter(i))?;
            entries().exactly_one().map_or_else(
                |_| sum(entries(), before, bias.clone()),
                |(entry, w)| {
                    let form = match &before[entry.0] {
                        Entries::Sources => Form::of_source(entry),
                        Entries::Forms(forms) => forms[entry.1].clone(),
                    };
                    let factor = form.factor.times(&Enclosed::of(w.clone())?);
                    let constant = form.constant.plus(&bias.over(&factor)?);
                    Some(Form { factor, constant, ..form })
                },
            )
        })
        .collect()
}

/// The sum of so much of each entry, and a bias.
fn sum<'a>(
    entries: impl Iterator<Item = (Source, &'a Parameter)>,
    before: &[Entries],
    mut constant: Enclosed,
) -> Option<Form> {
    let (mut terms, mut shift): (Vec<(Source, Rational)>, _) = (Vec::new(), Rational::ZERO);
    for ((node, i), w) in entries {
        let Parameter::Exact(w) = w else { return None };
        let form = match &before[node] {
            Entries::Sources => {
                terms.push(((node, i), w.clone()));
                continue;
            }
            Entries::Forms(forms) => &forms[i],
        };
        let scale = form.factor.point()? * w;
        let scaled = |v: &Rational| if v.is_one() { scale.clone() } else { v * &scale };
        terms.extend(form.terms.iter().map(|(source, v)| (*source, scaled(v))));
        match form.constant.point() {
            Some(c) => shift += c * &scale,
            None => constant = constant.plus(&form.constant.times(&Enclosed::exact(scale))),
        }
    }
    if !terms.is_sorted_by(|s, t| s.0 < t.0) {
        terms.sort_by_key(|t| t.0);
        terms.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1 = &kept.1 + &next.1;
            }
            is_same
        });
        terms.retain(|t| t.1 != Rational::ZERO);
    }
    constant = constant.plus(&Enclosed::exact(shift));
    Some(Form { terms: terms.into(), factor: Enclosed::exact(Rational::ONE), constant })
}

/// The nodes of a network that are read so far.
#[derive(Default)]
struct Reading {
    entries: Vec<Entries>,
    layers: Vec<StepLayer>,
}

impl Reading {
    /// Reads the next node.
    fn read(&mut self, network: &Network, budget: &Budget) -> Result<(), SignumError> {
        let id = self.entries.len();
        let node = network.node(id);
        let entries = match &node.kind {
            NodeKind::Input => Entries::Sources,
            NodeKind::Product(_) => {
                return Err(SignumError::Activation { node: node.name.clone(), activation: "product" });
            }
            NodeKind::Affine(affine) => {
                let irrational = || SignumError::Irrational(node.name.clone());
                let failure = || if budget.is_spent() { SignumError::OutOfTime } else { irrational() };
                Entries::Forms(compose(affine, node.len, &self.entries, budget).ok_or_else(failure)?)
            }
            NodeKind::Activation(activation) => {
                let function = &*activation.function;
                let (start, jumps, steps) = steps(function)
                    .ok_or_else(|| SignumError::Activation { node: node.name.clone(), activation: function.name() })?;
                let forms = self.forms(activation.source, network);
                let neuron = |form: &Form| {
                    if budget.is_spent() { Err(SignumError::OutOfTime) } else { neuron(form, &steps, &node.name) }
                };
                let neurons = forms.iter().map(neuron).collect::<Result<_, _>>()?;
                self.layers.push(StepLayer { node: id, start, jumps, neurons });
                Entries::Sources
            }
        };
        self.entries.push(entries);
        Ok(())
    }

    /// The entries of a node that was read.
    fn forms(&self, id: NodeId, network: &Network) -> Cow<'_, [Form]> {
        match &self.entries[id] {
            Entries::Sources => (0..network.node(id).len).map(|i| Form::of_source((id, i))).collect(),
            Entries::Forms(forms) => forms.into(),
        }
    }
}

/// Reads a network of step functions; what was read when the time was up stays for the next attempt.
#[derive(Default)]
pub(super) struct StepReader(Mutex<Reading>);

impl StepReader {
    fn kept(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the network, always the same; threads that do so at the same time may read the same nodes.
    ///
    /// # Errors
    /// Activations that are no step functions, and parameters that are no rationals where they would
    /// have to be; or the time is up.
    pub fn read(&self, network: &Network, budget: &Budget) -> Result<StepNetwork, SignumError> {
        let mut reading = std::mem::take(&mut *self.kept());
        while reading.entries.len() < network.nodes().len() {
            if let Err(error) = reading.read(network, budget) {
                let mut kept = self.kept();
                if kept.entries.len() < reading.entries.len() {
                    *kept = reading;
                }
                return Err(error);
            }
        }
        let outputs = reading.forms(network.output(), network).into_owned();
        Ok(StepNetwork { layers: reading.layers, outputs })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domains::activation::Sign;
    use crate::domains::network::{Coefficients, NetworkBuilder};
    use ndarray::array;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Two layers of signs; each sum is of two nodes that read the same neurons, in which one of them cancels.
    fn network() -> Network {
        let mut b = NetworkBuilder::new(&[2]);
        let mut last = b.input();
        for _ in 0..2 {
            let w = array![[1.0, 0.5], [-1.0, 0.5], [2.0, 0.0]];
            let first =
                b.linear("first", last, LinearMap::Dense(w), Coefficients::floats(vec![1.0, 2.0, 3.0])).unwrap();
            let w = array![[1.0, 1.0, 0.0], [0.0, 0.0, -0.25]];
            let second = b.linear("second", first, LinearMap::Dense(w), Coefficients::floats(vec![0.0, 1.0])).unwrap();
            last = b.activation("sign", second, Arc::new(Sign)).unwrap();
        }
        b.finish(last, &[2]).unwrap()
    }

    #[test]
    fn sums_are_gathered_and_thresholds_scaled() {
        let network = network();
        let read = StepReader::default().read(&network, &Budget::unlimited()).unwrap();
        let source = |layer: usize, i| (if layer == 0 { 0 } else { read.layers[0].node }, i);
        for (layer, of_layer) in read.layers.iter().enumerate() {
            // (x + y/2 + 1) + (−x + y/2 + 2) = y + 3, and −(2 x + 3)/4 + 1 with the factor apart.
            let [a, b] = &of_layer.neurons[..] else { panic!("two neurons") };
            assert_eq!(
                (&a.sum.terms[..], &b.sum.terms[..]),
                (&[(source(layer, 1), 1)][..], &[(source(layer, 0), 1)][..])
            );
            assert_eq!(a.thresholds[0].bound, Enclosed::exact(Rational::from(-3)));
            assert_eq!(b.thresholds[0].bound, Enclosed::exact(Rational::from(1) / Rational::from(2)));
            assert_eq!((a.thresholds[0].is_reversed, b.thresholds[0].is_reversed), (false, true));
        }
        assert_eq!(read.outputs.len(), 2);
    }

    /// Whenever the time is up, the next attempts end with the same network, and each reads what the one before did not.
    #[test]
    fn what_was_read_before_the_time_was_up_is_not_read_again() {
        let network = network();
        let show = |steps: &StepNetwork| format!("{steps:?}");
        let whole = show(&StepReader::default().read(&network, &Budget::unlimited()).unwrap());
        for checks in 3..20 {
            let (reader, mut attempts) = (StepReader::default(), 1);
            loop {
                let left = AtomicUsize::new(checks);
                let remaining = move || {
                    let is_left = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
                    if is_left { Duration::MAX } else { Duration::ZERO }
                };
                match reader.read(&network, &Budget::new(remaining)) {
                    Ok(read) => break assert_eq!(show(&read), whole),
                    Err(error) => assert!(matches!(error, SignumError::OutOfTime), "{error}"),
                }
                attempts += 1;
                assert!(attempts < 10, "{checks}");
            }
            assert!(attempts > 1 || checks > 3, "{checks}");
        }
    }
}
