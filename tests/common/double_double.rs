//! DeepPoly in double-double arithmetic (some 31 digits), with every rounding ignored: what the
//! algorithm gives in real arithmetic, to compare floats with. For chains of dense layers and ReLUs.

use absint::domains::network::{LinearMap, Network, NodeKind};
use absint::domains::num::{Rational, exact, nearest};
use absint::domains::query::{Atom, Region, Variable};
use rayon::prelude::*;

/// The unevaluated sum of two floats, the second below the last place of the first.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Double(f64, f64);

impl Double {
    const ZERO: Self = Self(0.0, 0.0);

    fn of(q: &Rational) -> Self {
        let high = nearest(q);
        Self(high, nearest(&(q - exact(high).unwrap())))
    }

    /// The float nearest to it.
    pub fn high(self) -> f64 {
        self.0
    }

    fn normal(a: f64, b: f64) -> Self {
        let sum = a + b;
        Self(sum, b - (sum - a))
    }

    fn two_sum(a: f64, b: f64) -> Self {
        let sum = a + b;
        let b_part = sum - a;
        Self(sum, (a - (sum - b_part)) + (b - b_part))
    }

    fn plus(self, other: Self) -> Self {
        let (high, low) = (Self::two_sum(self.0, other.0), Self::two_sum(self.1, other.1));
        let sum = Self::normal(high.0, high.1 + low.0);
        Self::normal(sum.0, sum.1 + low.1)
    }

    fn times(self, other: Self) -> Self {
        let product = self.0 * other.0;
        let error = self.0.mul_add(other.0, -product);
        Self::normal(product, error + (self.0 * other.1 + self.1 * other.0))
    }

    fn over(self, other: Self) -> Self {
        let first = self.0 / other.0;
        let rest = self.plus(other.times(Self(-first, 0.0)));
        let second = rest.0 / other.0;
        let rest = rest.plus(other.times(Self(-second, 0.0)));
        Self::normal(first, second).plus(Self(rest.0 / other.0, 0.0))
    }

    fn negated(self) -> Self {
        Self(-self.0, -self.1)
    }

    fn positive_part(self) -> Self {
        if self > Self::ZERO { self } else { Self::ZERO }
    }

    fn max(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
}

type Range = (Double, Double);

struct Layer {
    weights: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

/// The bound of a form by ranges of the values that it reads.
fn concrete(form: &[Double], constant: Double, ranges: impl Iterator<Item = Range>) -> Double {
    form.iter().zip(ranges).fold(constant, |sum, (&a, (l, u))| {
        if a == Double::ZERO { sum } else { sum.plus(a.times(if a > Double::ZERO { l } else { u })) }
    })
}

impl Layer {
    /// The form over the layer's outputs as one over its inputs.
    fn pull_back(&self, form: &[Double], constant: &mut Double) -> Vec<Double> {
        let mut sums = vec![Double::ZERO; self.weights[0].len()];
        for ((&a, row), &bias) in form.iter().zip(&self.weights).zip(&self.bias) {
            if a != Double::ZERO {
                *constant = constant.plus(a.times(Double(bias, 0.0)));
                for (sum, &w) in sums.iter_mut().zip(row) {
                    *sum = sum.plus(a.times(Double(w, 0.0)));
                }
            }
        }
        sums
    }
}

/// A chain of dense layers with a ReLU after each, and perhaps after the last.
pub struct Chain {
    layers: Vec<Layer>,
    ends_in_relu: bool,
    input: Vec<Range>,
    /// Bounds of the pre-activations of each layer.
    before: Vec<Vec<Range>>,
}

impl Chain {
    /// Bounds all neurons of the network, concretising at every layer. `None` for another kind of
    /// network; a layer `x ↦ x / 1` is passed over.
    pub fn new(network: &Network, region: &Region) -> Option<Self> {
        let mut layers: Vec<Layer> = Vec::new();
        for node in network.nodes() {
            let NodeKind::Affine(affine) = &node.kind else { continue };
            let [term] = &affine.terms[..] else { return None };
            match &*term.map {
                LinearMap::Dense(w) => {
                    let weights = w.rows().into_iter().map(|row| row.to_vec()).collect();
                    layers.push(Layer { weights, bias: affine.bias.values().to_vec() });
                }
                LinearMap::Diagonal(d) if d.is_one() && affine.bias.is_zero() => {}
                _ => return None,
            }
        }
        let (lower, upper) = region.exact_box();
        let input = lower.iter().zip(upper).map(|(l, u)| (Double::of(l), Double::of(u))).collect();
        let ends_in_relu = matches!(network.node(network.output()).kind, NodeKind::Activation(_));
        let mut chain = Self { layers, ends_in_relu, input, before: Vec::new() };
        for k in 0..chain.layers.len() {
            let neuron = |i: usize, sign: f64| {
                let row = chain.layers[k].weights[i].iter().map(|&w| Double(sign * w, 0.0)).collect();
                chain.minimum(row, Double(sign * chain.layers[k].bias[i], 0.0), k)
            };
            let range = |i: usize| (neuron(i, 1.0), neuron(i, -1.0).negated());
            let ranges = (0..chain.layers[k].bias.len()).into_par_iter().map(range).collect();
            chain.before.push(ranges);
        }
        Some(chain)
    }

    /// The lower bound of a form over the outputs of the ReLU after layer `layers − 1`: the best over all
    /// places on the way back.
    fn minimum(&self, mut form: Vec<Double>, mut constant: Double, layers: usize) -> Double {
        let mut best = Double(f64::NEG_INFINITY, 0.0);
        for (layer, ranges) in self.layers[..layers].iter().zip(&self.before).rev() {
            let after = ranges.iter().map(|(l, u)| (l.positive_part(), u.positive_part()));
            best = best.max(concrete(&form, constant, after));
            for (a, &(l, u)) in form.iter_mut().zip(ranges) {
                if l >= Double::ZERO {
                    continue;
                }
                if u <= Double::ZERO || (*a > Double::ZERO && u < l.negated()) {
                    *a = Double::ZERO;
                } else if *a < Double::ZERO {
                    *a = a.times(u.over(u.plus(l.negated())));
                    constant = constant.plus(a.times(l.negated()));
                }
            }
            best = best.max(concrete(&form, constant, ranges.iter().copied()));
            form = layer.pull_back(&form, &mut constant);
        }
        best.max(concrete(&form, constant, self.input.iter().copied()))
    }

    /// The lower bound of an atom's margin over the outputs.
    pub fn margin(&self, atom: &Atom) -> Double {
        let last = &self.layers[self.layers.len() - 1];
        let mut form = vec![Double::ZERO; last.bias.len()];
        for (variable, coefficient) in &atom.terms {
            if let Variable::Output(i) = variable {
                form[*i] = Double::of(coefficient);
            }
        }
        let mut constant = Double::of(&atom.constant);
        if self.ends_in_relu {
            return self.minimum(form, constant, self.layers.len());
        }
        let form = last.pull_back(&form, &mut constant);
        self.minimum(form, constant, self.layers.len() - 1)
    }
}
