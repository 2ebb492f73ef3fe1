//! Random small networks, regions and queries for the laws.
#![allow(dead_code, clippy::unwrap_used)]

pub mod exact;
pub mod maxima;

use absint_domains::activation::{self, ActivationFn};
use absint_domains::network::{Coefficients, Conv2d, Factor, LinearMap, Network, NetworkBuilder, NodeId, Term};
use absint_domains::num::{Rational, exact_or_zero, parse_decimal};
use absint_domains::query::{Atom, HalfSpace, Region, Variable};
use ndarray::{Array2, Array4};
use proptest::prelude::*;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::SeedableRng as _;
use std::sync::Arc;

/// A small pseudo-random generator for building cases from one seed that proptest shrinks.
pub struct Dice(SplitMix64, Option<SplitMix64>);

fn generator(seed: u64) -> SplitMix64 {
    SplitMix64::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(generator(seed), None)
    }

    /// The same as another one, but that by this other seed some weights are a little larger.
    pub fn with_other_weights(seed: u64, other: u64) -> Self {
        Self(generator(seed), Some(generator(other)))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A multiple of 1/16 in [−2, 2].
    pub fn weight(&mut self) -> f64 {
        let weight = (self.below(65) as f64 - 32.0) / 16.0;
        let is_other = self.1.as_mut().is_some_and(|other| other.next_u64().is_multiple_of(2));
        if is_other { weight + 0.01 } else { weight }
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn weights(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.weight()).collect()
    }
}

pub fn dense(b: &mut NetworkBuilder, dice: &mut Dice, source: NodeId, outputs: usize) -> NodeId {
    let inputs = b.len(source);
    let w = Array2::from_shape_vec((outputs, inputs), dice.weights(outputs * inputs)).unwrap();
    let bias = Coefficients::floats(dice.weights(outputs));
    b.linear("dense", source, LinearMap::Dense(w), bias).unwrap()
}

fn convolution(b: &mut NetworkBuilder, dice: &mut Dice, source: NodeId, input: [usize; 3]) -> (NodeId, [usize; 3]) {
    let groups = if input[0].is_multiple_of(2) && dice.below(2) == 0 { 2 } else { 1 };
    let out = groups * (1 + dice.below(2));
    let (kh, kw) = (1 + dice.below(input[1].min(3)), 1 + dice.below(input[2].min(3)));
    let stride = [1 + dice.below(2), 1 + dice.below(2)];
    let padding = [dice.below(kh), dice.below(kw)];
    let size = |axis: usize, k: usize| (input[axis + 1] + 2 * padding[axis] - k) / stride[axis] + 1;
    let output = [out, size(0, kh), size(1, kw)];
    let shape = (out, input[0] / groups, kh, kw);
    let weight = Array4::from_shape_vec(shape, dice.weights(shape.0 * shape.1 * kh * kw)).unwrap();
    let conv = Conv2d { weight, input, output, stride, padding, dilation: [1, 1], groups };
    let bias = Coefficients::floats(dice.weights(output.iter().product()));
    (b.linear("conv", source, LinearMap::Conv2d(conv), bias).unwrap(), output)
}

/// A random network with a few inputs and outputs: dense, convolutional or residual.
pub fn random_network(dice: &mut Dice, f: &Arc<dyn ActivationFn>) -> Network {
    let kind = dice.below(3);
    let mut b;
    let mut last;
    match kind {
        0 => {
            b = NetworkBuilder::new(&[1 + dice.below(4)]);
            last = b.input();
            if dice.below(2) == 0 {
                // A normalisation prologue whose scale is no float.
                let n = b.len(last);
                let scale = Coefficients::rationals(vec![parse_decimal("1/3").unwrap(); n]);
                last = b.linear("scale", last, LinearMap::Diagonal(scale), Coefficients::zeros(n)).unwrap();
            }
            for _ in 0..1 + dice.below(3) {
                let width = 1 + dice.below(5);
                last = dense(&mut b, dice, last, width);
                last = b.activation("act", last, f.clone()).unwrap();
            }
        }
        1 => {
            let shape = [1 + dice.below(2), 2 + dice.below(2), 2 + dice.below(2)];
            b = NetworkBuilder::new(&shape);
            let (conv, shape) = convolution(&mut b, dice, 0, shape);
            last = b.activation("act", conv, f.clone()).unwrap();
            if dice.below(2) == 0 {
                let (conv, _) = convolution(&mut b, dice, last, shape);
                last = b.activation("act", conv, f.clone()).unwrap();
            }
        }
        _ => {
            b = NetworkBuilder::new(&[2 + dice.below(2)]);
            let width = 2 + dice.below(3);
            last = dense(&mut b, dice, 0, width);
            last = b.activation("act", last, f.clone()).unwrap();
            for _ in 0..1 + dice.below(2) {
                let branch = dense(&mut b, dice, last, width);
                let branch = b.activation("act", branch, f.clone()).unwrap();
                let branch = dense(&mut b, dice, branch, width);
                let identity = |source| Term { source, map: LinearMap::Identity(width).into() };
                let sum = b.affine("add", vec![identity(branch), identity(last)], Coefficients::zeros(width)).unwrap();
                last = b.activation("act", sum, f.clone()).unwrap();
            }
        }
    }
    let outputs = 1 + dice.below(3);
    let out = dense(&mut b, dice, last, outputs);
    b.finish(out, &[outputs]).unwrap()
}

/// Two networks in one that differ in their weights; most inputs are the same.
pub fn random_twins(dice: &mut Dice, f: &Arc<dyn ActivationFn>) -> Network {
    let seed = dice.next();
    let first = random_network(&mut Dice::new(seed), f);
    let second = random_network(&mut Dice::with_other_weights(seed, dice.next()), f);
    let n = first.input_len();
    let mut inputs = n;
    let mut of_second = |i: usize| {
        let is_own = dice.below(4) == 0;
        inputs += usize::from(is_own);
        if is_own { inputs - 1 } else { i }
    };
    let read: Vec<usize> = (0..n).map(&mut of_second).collect();
    Network::joined(&[inputs], vec![(&first, (0..n).collect()), (&second, read)]).unwrap()
}

/// Products of entries of a node and of a node before it, some of them squares.
fn products(b: &mut NetworkBuilder, dice: &mut Dice, source: NodeId) -> NodeId {
    let other = [source, dice.below(source + 1)][dice.below(2)];
    let n = 1 + dice.below(4);
    let mut factor = |source: NodeId| Factor { source, index: (0..n).map(|_| dice.below(b.len(source))).collect() };
    let factors = [factor(source), factor(other)];
    b.product("product", factors).unwrap()
}

/// A random network with products of inputs, of sums, of activations and of products.
pub fn random_product_network(dice: &mut Dice, f: &Arc<dyn ActivationFn>) -> Network {
    let mut b = NetworkBuilder::new(&[2 + dice.below(3)]);
    let mut last = b.input();
    for _ in 0..1 + dice.below(3) {
        if dice.below(3) > 0 {
            let width = 1 + dice.below(4);
            last = dense(&mut b, dice, last, width);
        }
        if dice.below(2) == 0 {
            last = b.activation("act", last, f.clone()).unwrap();
        }
        last = products(&mut b, dice, last);
    }
    if dice.below(4) > 0 {
        let outputs = 1 + dice.below(3);
        last = dense(&mut b, dice, last, outputs);
    }
    let outputs = b.len(last);
    b.finish(last, &[outputs]).unwrap()
}

/// A random region of one of the kinds, around a random centre.
pub fn random_region(dice: &mut Dice, n: usize) -> Region {
    let center: Vec<Rational> = dice.weights(n).into_iter().map(exact_or_zero).collect();
    let radius = parse_decimal(["0", "0.1", "0.5", "1", "2"][dice.below(5)]).unwrap();
    let (low, high) = (Rational::from(-1), Rational::from(1));
    match dice.below(5) {
        0 => Region::l1(&center, &radius, None),
        1 => Region::l2(&center, &radius, None),
        2 => {
            let at_upper = (0..n).map(|_| dice.below(2) == 0).collect();
            Region::hamming(&low, &high, at_upper, dice.below(n + 1))
        }
        _ => Region::linf(&center, &radius, None),
    }
    .unwrap()
}

/// A box of which one input or two are at most another one, where it has such members.
pub fn random_ordered_region(dice: &mut Dice, n: usize) -> Region {
    let mut region = random_box(dice, n);
    for (a, b) in (0..n / 2).map(|k| (2 * k, 2 * k + 1)).take(2) {
        let (a, b) = if dice.below(2) == 0 { (a, b) } else { (b, a) };
        if region.exact_box().0[a] <= region.exact_box().1[b] {
            let terms = vec![(a, Rational::ONE), (b, -Rational::ONE)];
            region = region.with_half_spaces(vec![HalfSpace { terms, rhs: Rational::ZERO }]);
        }
    }
    region.with_differences()
}

/// A random exact member of an ordered region.
pub fn random_ordered_member(dice: &mut Dice, region: &Region) -> Vec<Rational> {
    let (lower, upper) = region.exact_box();
    let mut x = random_member(dice, &Region::new_box(lower.to_vec(), upper.to_vec()).unwrap());
    for half_space in region.half_spaces() {
        let (a, b) = (half_space.terms[0].0, half_space.terms[1].0);
        let least = x[a].clone().min(x[b].clone()).max(lower[a].clone());
        x[b] = x[b].clone().max(least.clone());
        x[a] = least;
    }
    x
}

/// A random exact member of the region, often at its border.
pub fn random_member(dice: &mut Dice, region: &Region) -> Vec<Rational> {
    let direct: Vec<f64> = region
        .bounds()
        .iter()
        .map(|x| match dice.below(4) {
            0 => x.lo - 1.0,
            1 => x.hi + 1.0,
            _ => x.lo + dice.unit() * (x.hi - x.lo),
        })
        .collect();
    region.nearest_member(&direct).expect("a region without half-spaces has a member near every point")
}

/// Any activation, piecewise affine ones nine times in ten: those are quick to evaluate exactly, curves in many digits are not.
pub fn mostly_piecewise() -> impl Strategy<Value = Arc<dyn ActivationFn>> {
    let (pieces, curves): (Vec<_>, Vec<_>) = activation::all().into_iter().partition(|f| f.pieces().is_some());
    prop_oneof![9 => prop::sample::select(pieces), 1 => prop::sample::select(curves)]
}

/// A box in which at most three inputs vary.
pub fn random_box(dice: &mut Dice, inputs: usize) -> Region {
    let mut lower: Vec<Rational> = dice.weights(inputs).into_iter().map(exact_or_zero).collect();
    let mut upper = lower.clone();
    for _ in 0..if inputs > 4 { 2 } else { 3 } {
        let i = dice.below(inputs);
        let radius = parse_decimal(["1/3", "0.5", "1", "2"][dice.below(4)]).unwrap();
        lower[i] -= &radius;
        upper[i] += &radius;
    }
    Region::new_box(lower, upper).unwrap()
}

/// An atom over the outputs, and in one of three cases an input.
pub fn random_atom(dice: &mut Dice, inputs: usize, outputs: usize) -> Atom {
    let mut weights: Vec<(Variable, f64)> = (0..outputs).map(|i| (Variable::Output(i), dice.weight())).collect();
    if dice.below(3) == 0 {
        weights.push((Variable::Input(dice.below(inputs)), dice.weight()));
    }
    let terms = weights.into_iter().filter(|(_, w)| *w != 0.0).map(|(v, w)| (v, exact_or_zero(w))).collect();
    // Far enough from the values at hand that both answers are common.
    Atom { terms, constant: exact_or_zero(dice.weight() * 4.0), is_strict: false }
}
