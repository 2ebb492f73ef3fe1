//! Binarized networks: what the reader folds before a signum, against exact evaluation of the graph as the
//! file has it, stage by stage.

use absint::domains::network::{LinearMap, Network, NodeKind};
use absint::domains::num::{Interval, Rational, exact};
use absint::format::onnx::{Attribute, OnnxWriter, parse};
use ndarray::{Array2, Array4};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// Which signum a stage ends with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Signum {
    /// `Sign → Add 0.1 → Sign`: sign(0) = +1.
    Chain,
    /// ONNX's `Sign` alone: 0 at 0.
    Plain,
}

/// Batch normalisation per channel.
#[derive(Clone, Debug)]
struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

#[derive(Clone, Debug)]
enum Step {
    Gemm(Array2<f32>, Vec<f32>),
    Conv(Array4<f32>, Vec<f32>),
    MaxPool([i64; 2]),
    Transpose([i64; 4]),
    Flatten,
    Norm(Norm),
    Sign(Signum),
}

impl Step {
    fn write(&self, w: &mut OnnxWriter) {
        let ints = |v: &[i64]| Attribute::Ints(v.to_vec());
        let current = w.current().to_owned();
        match self {
            Self::Gemm(weight, bias) => {
                w.gemm(weight.view(), bias);
            }
            Self::Conv(weight, bias) => {
                w.conv(weight.view(), bias, [1, 1], [0, 1, 0, 0]);
            }
            Self::MaxPool(stride) => {
                let attributes = [("kernel_shape", ints(&[2, 2])), ("strides", ints(stride))];
                w.node("MaxPool", &[&current], &attributes);
            }
            Self::Transpose(permutation) => {
                w.node("Transpose", &[&current], &[("perm", ints(permutation))]);
            }
            Self::Flatten => {
                w.flatten();
            }
            Self::Norm(n) => {
                w.batch_normalization(&n.gamma, &n.beta, &n.mean, &n.variance, 0.0);
            }
            Self::Sign(Signum::Chain) => {
                w.sign();
            }
            Self::Sign(Signum::Plain) => {
                w.node("Sign", &[&current], &[]);
            }
        }
    }
}

/// A number `p / √d + q`, d positive.
#[derive(Clone, Debug)]
struct Surd {
    p: Rational,
    q: Rational,
    d: Rational,
}

impl Surd {
    fn of(p: Rational) -> Self {
        Self { p, q: Rational::ZERO, d: Rational::ONE }
    }

    fn value(&self) -> &Rational {
        assert!(self.q == Rational::ZERO && self.d == Rational::ONE);
        &self.p
    }

    /// The sign of `p + q √d`, by comparing squares.
    fn sign(&self, of: Signum) -> Rational {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let (p, q) = (self.p.cmp(&Rational::ZERO), self.q.cmp(&Rational::ZERO));
        let larger = (&self.p * &self.p).cmp(&(&self.q * &self.q * &self.d));
        let sign = match (p, q, larger) {
            (_, Equal, _) => p,
            (Equal, _, _) => q,
            _ if p == q => p,
            (_, _, Greater) => p,
            (_, _, Less) => q,
            (_, _, Equal) => Equal,
        };
        match (sign, of) {
            (Less, _) => -Rational::ONE,
            (Equal, Signum::Plain) => Rational::ZERO,
            (Equal, Signum::Chain) | (Greater, _) => Rational::ONE,
        }
    }
}

/// The shape (without batch axis) and the values after a step, nothing being folded.
fn after(step: &Step, shape: &[usize], x: &[Surd]) -> (Vec<usize>, Vec<Surd>) {
    let q = |v: f32| exact(f64::from(v)).unwrap();
    match step {
        Step::Norm(n) => {
            let area = x.len() / n.gamma.len();
            let one = |(i, x): (usize, &Surd)| {
                let c = i / area;
                Surd { p: q(n.gamma[c]) * (x.value() - q(n.mean[c])), q: q(n.beta[c]), d: q(n.variance[c]) }
            };
            (shape.to_vec(), x.iter().enumerate().map(one).collect())
        }
        Step::Sign(signum) => (shape.to_vec(), x.iter().map(|x| Surd::of(x.sign(*signum))).collect()),
        Step::Transpose(_) | Step::Flatten => {
            let network = alone(step, shape);
            let order: Vec<f64> = (0..x.len()).map(|i| i as f64).collect();
            let moved = network.evaluate(&order).unwrap().iter().map(|&i| x[i as usize].clone()).collect();
            (network.output_shape().to_vec(), moved)
        }
        Step::Gemm(..) | Step::Conv(..) | Step::MaxPool(_) => {
            let network = alone(step, shape);
            let x: Vec<Rational> = x.iter().map(|x| x.value().clone()).collect();
            let y = network.evaluate::<Rational>(&x).unwrap();
            (network.output_shape().to_vec(), y.into_iter().map(Surd::of).collect())
        }
    }
}

/// The network of one step.
fn alone(step: &Step, shape: &[usize]) -> Network {
    let mut w = OnnxWriter::input(shape);
    step.write(&mut w);
    parse(&w.finish(&[1]), "step").unwrap().network
}

/// The network of all steps.
fn whole(steps: &[Step], shape: &[usize]) -> Network {
    let mut w = OnnxWriter::input(shape);
    steps.iter().for_each(|s| s.write(&mut w));
    parse(&w.finish(&[1]), "whole").unwrap().network
}

/// The network computes at `x` what its steps do one by one.
fn agree(network: &Network, steps: &[Step], shape: &[usize], x: &[f64]) {
    let mut values: Vec<Surd> = x.iter().map(|&x| Surd::of(exact(x).unwrap())).collect();
    let mut shape = shape.to_vec();
    for step in steps {
        (shape, values) = after(step, &shape, &values);
    }
    let expected: Vec<Rational> = values.iter().map(|v| v.value().clone()).collect();
    let points: Vec<Interval> = x.iter().map(|&x| Interval::point(x)).collect();
    let enclosed = network.evaluate(&points).unwrap();
    for (y, expected) in enclosed.iter().zip(&expected) {
        assert_eq!(y.lo, y.hi, "{x:?} {steps:?}");
        assert_eq!(&exact(y.lo).unwrap(), expected, "{x:?} {steps:?}");
    }
    if let Ok(y) = network.evaluate::<Rational>(&x.iter().map(|&x| exact(x).unwrap()).collect::<Vec<_>>()) {
        assert_eq!(y, expected, "{x:?}");
    }
}

struct Draw(SplitMix64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0.next_u64() as usize % n
    }

    fn of(&mut self, choices: &[f32]) -> f32 {
        choices[self.below(choices.len())]
    }

    fn many(&mut self, n: usize, choices: &[f32]) -> Vec<f32> {
        (0..n).map(|_| self.of(choices)).collect()
    }

    /// Scales of either sign and 0, thresholds on and off the lattice, rational and irrational deviations.
    fn norm(&mut self, channels: usize) -> Norm {
        Norm {
            gamma: self.many(channels, &[1.0, -1.0, 0.5, -0.25, 0.1, -3.0, 0.0]),
            beta: self.many(channels, &[0.0, 0.5, -0.5, 1.0, -1.0, 0.3, -2.0]),
            mean: self.many(channels, &[0.0, 1.0, -1.0, 2.0, 0.5, -0.7]),
            variance: self.many(channels, &[1.0, 4.0, 2.25, 9.0, 2.0, 3.7]),
        }
    }

    fn gemm(&mut self, outputs: usize, inputs: usize) -> Step {
        // Rows of ±1 and 0, scaled rows, and rows of other multiples.
        let mut weight = Array2::zeros((outputs, inputs));
        for mut row in weight.rows_mut() {
            let scale = self.of(&[1.0, 1.0, 0.1, 2.5]);
            let choices = if self.below(4) == 0 { [1.0, -3.0, 2.0] } else { [1.0, -1.0, 0.0] };
            row.mapv_inplace(|_: f32| scale * self.of(&choices));
        }
        let bias = self.many(outputs, &[0.0, 0.0, 1.0, -0.01, 0.5]);
        Step::Gemm(weight, bias)
    }
}

/// All points of {−1, 1}ⁿ.
fn corners(n: usize) -> impl Iterator<Item = Vec<f64>> {
    (0..1usize << n).map(move |bits| (0..n).map(|i| if bits >> i & 1 == 1 { 1.0 } else { -1.0 }).collect())
}

fn activations(network: &Network) -> Vec<&'static str> {
    network.activations().map(|(_, a)| a.function.name()).collect()
}

/// The dense or convolution weights and the biases, node by node.
fn affine(network: &Network) -> Vec<(Vec<f64>, Vec<f64>)> {
    let of_node = |kind: &NodeKind| {
        let NodeKind::Affine(a) = kind else { return None };
        let mut weights = Vec::new();
        a.terms[0].map.for_each_weight(|w| weights.push(w));
        Some((weights, a.bias.values().to_vec()))
    };
    network.nodes().iter().filter_map(|n| of_node(&n.kind)).collect()
}

#[test]
fn random_dense_networks_fold_without_changing() {
    let mut draw = Draw(SplitMix64::seed_from_u64(1));
    for _ in 0..150 {
        let signum = if draw.below(3) == 0 { Signum::Plain } else { Signum::Chain };
        let mut steps = Vec::new();
        if draw.below(2) == 0 {
            steps.extend([Step::Norm(draw.norm(4)), Step::Sign(signum)]);
        }
        for (outputs, inputs) in [(4, 4), (3, 4), (3, 3)] {
            steps.push(draw.gemm(outputs, inputs));
            if draw.below(4) != 0 {
                steps.push(Step::Norm(draw.norm(outputs)));
            }
            steps.push(Step::Sign(signum));
        }
        steps.push(draw.gemm(2, 3));
        let network = whole(&steps, &[4]);
        let choices = [-1.0, 1.0, 0.0, 0.5, 0.3, -2.0];
        let others = (0..16).map(|_| draw.many(4, &choices).iter().map(|&x| f64::from(x)).collect());
        corners(4).chain(others.collect::<Vec<_>>()).for_each(|x| agree(&network, &steps, &[4], &x));
    }
}

#[test]
fn random_convolutions_with_pooling_and_transposes_fold_without_changing() {
    let mut draw = Draw(SplitMix64::seed_from_u64(2));
    for round in 0..40 {
        let signum = if round % 4 == 0 { Signum::Plain } else { Signum::Chain };
        let stride = if round % 2 == 0 { [1, 1] } else { [2, 2] };
        let weights = |draw: &mut Draw, shape: (usize, usize, usize, usize)| {
            let choices = if draw.below(2) == 0 { [1.0, -1.0, 1.0] } else { [0.2, -0.2, 0.0] };
            Array4::from_shape_simple_fn(shape, || draw.of(&choices))
        };
        let (first, second) = (weights(&mut draw, (2, 1, 2, 2)), weights(&mut draw, (2, 2, 2, 2)));
        let mut steps = vec![Step::Conv(first, draw.many(2, &[0.0, 0.5]))];
        if round % 3 == 0 {
            steps.extend([Step::Norm(draw.norm(2)), Step::Sign(signum), Step::MaxPool(stride)]);
        } else {
            steps.extend([Step::MaxPool(stride), Step::Norm(draw.norm(2))]);
            steps.extend([Step::Transpose([0, 2, 3, 1]), Step::Sign(signum), Step::Transpose([0, 3, 1, 2])]);
        }
        steps.extend([Step::Conv(second, vec![0.0, 0.1]), Step::Transpose([0, 2, 3, 1]), Step::Flatten]);
        let len = steps.iter().fold((vec![1, 5, 5], vec![Surd::of(Rational::ZERO); 25]), |(shape, x), step| {
            let zeros: Vec<Surd> = x.iter().map(|_| Surd::of(Rational::ZERO)).collect();
            after(step, &shape, &zeros)
        });
        steps.extend([Step::Sign(signum), draw.gemm(2, len.1.len())]);
        let network = whole(&steps, &[1, 5, 5]);
        // A sign that may be 0 is not taken through a maximum, which then is one of ReLUs.
        let names = activations(&network);
        assert!(signum == Signum::Plain || names.iter().all(|name| *name == "sign"), "{names:?}");
        for _ in 0..20 {
            let x: Vec<f64> = draw.many(25, &[-1.0, 1.0, 0.5]).iter().map(|&x| f64::from(x)).collect();
            agree(&network, &steps, &[1, 5, 5], &x);
        }
    }
}

/// `sign(Gemm(sign(x)))` with a batch normalisation between the two.
fn two_layers(norm: Norm, signum: Signum) -> Vec<Step> {
    let row = |weights: &[f32]| Array2::from_shape_fn((norm.gamma.len(), weights.len()), |(_, j)| weights[j]);
    vec![
        Step::Sign(Signum::Chain),
        Step::Gemm(row(&[1.0, 1.0, -1.0]), vec![0.0; norm.gamma.len()]),
        Step::Norm(norm),
        Step::Sign(signum),
    ]
}

#[test]
fn a_batch_normalisation_becomes_an_integral_threshold() {
    // z ∈ {−3, −1, 1, 3}. γ/√v = 1/2: z ≥ 1 by a tie. γ < 0: z ≤ −1 by a tie. γ = 0: the sign of β.
    // √2: z ≥ 1/√2, z ≤ 3/√2.
    let norm = Norm {
        gamma: vec![1.0, -1.0, 0.0, 0.0, 1.0, -1.0],
        beta: vec![-0.5, -0.5, -0.25, 0.0, -0.5, 1.5],
        mean: vec![0.0; 6],
        variance: vec![4.0, 4.0, 1.0, 1.0, 2.0, 2.0],
    };
    let chain = two_layers(norm.clone(), Signum::Chain);
    let network = whole(&chain, &[3]);
    corners(3).for_each(|x| agree(&network, &chain, &[3], &x));
    let (p, m, o) = ([1.0, 1.0, -1.0], [-1.0, -1.0, 1.0], [0.0; 3]);
    assert_eq!(affine(&network), [([p, m, o, o, p, m].concat(), vec![0.0, 0.0, -1.0, 0.0, 0.0, 2.0])]);
    // With ONNX's own sign the ties stay where they are: the integers 1 and −1.
    let plain = two_layers(norm, Signum::Plain);
    let network = whole(&plain, &[3]);
    corners(3).for_each(|x| agree(&network, &plain, &[3], &x));
    assert_eq!(affine(&network)[0].1, [-1.0, -1.0, -1.0, 0.0, 0.0, 2.0]);
    assert_eq!(activations(&network), ["sign", "sign_with_zero"]);
}

#[test]
fn a_sign_that_meets_no_zero_is_the_signum_without() {
    let norm = Norm { gamma: vec![-0.3], beta: vec![0.1], mean: vec![0.0], variance: vec![5.0] };
    let steps = two_layers(norm, Signum::Plain);
    let network = whole(&steps, &[3]);
    assert_eq!(activations(&network), ["sign", "sign"]);
    corners(3).for_each(|x| agree(&network, &steps, &[3], &x));
}

#[test]
fn thresholds_on_real_inputs_stay_where_they_are() {
    // x ≥ −0.1 · √2 / 0.3 is on no grid.
    let norm = Norm { gamma: vec![0.25], beta: vec![0.5], mean: vec![0.0], variance: vec![2.0] };
    let network = whole(&[Step::Norm(norm), Step::Sign(Signum::Chain)], &[1]);
    let NodeKind::Affine(affine) = &network.node(1).kind else { panic!("no affine node") };
    assert!(matches!(*affine.terms[0].map, LinearMap::Identity(1)));
    let tau = affine.bias.enclosure(0);
    assert!(tau.lo < tau.hi && tau.contains(8f64.sqrt()) && tau.width() < 4e-15);
    let norm = Norm { gamma: vec![0.25], beta: vec![0.5], mean: vec![0.125], variance: vec![4.0] };
    let steps = [Step::Norm(norm), Step::Sign(Signum::Plain)];
    let network = whole(&steps, &[1]);
    for x in [-3.875, -3.876, -3.874] {
        agree(&network, &steps, &[1], &[x]);
    }
}

#[test]
fn the_sign_of_a_maximum_is_a_maximum_of_signs() {
    for gamma in [2.0, -2.0, 0.0] {
        let norm = Norm { gamma: vec![gamma], beta: vec![1.0], mean: vec![0.5], variance: vec![4.0] };
        let steps = [Step::MaxPool([2, 2]), Step::Norm(norm), Step::Sign(Signum::Chain)];
        let network = whole(&steps, &[1, 2, 2]);
        assert_eq!(activations(&network), ["sign", "sign"]);
        // Both ties, max = −1/2 and max = 3/2, and their neighbours.
        for bits in 0..256 {
            let x: Vec<f64> = (0..4).map(|i| [-0.5, 1.5, -0.75, 2.0][bits >> (2 * i) & 3]).collect();
            agree(&network, &steps, &[1, 2, 2], &x);
        }
    }
}

#[test]
fn an_intermediate_sign_that_others_read_is_kept() {
    let mut w = OnnxWriter::input(&[1]);
    let c = w.floats(&[1], [0.25]);
    let s = w.node("Sign", &["input"], &[]);
    let a = w.node("Add", &[&s, &c], &[]);
    let y = w.node("Sign", &[&a], &[]);
    w.node("Add", &[&a, &y], &[]);
    let network = parse(&w.finish(&[1]), "test").unwrap().network;
    for (x, y) in [(-2.0, -1.75), (0.0, 1.25), (3.0, 2.25)] {
        assert_eq!(network.evaluate(&[x]).unwrap(), [y]);
    }
}

#[test]
fn a_pre_activation_that_others_read_keeps_its_values() {
    // y = z + sign(z) for z = W x + b under a scale.
    let mut w = OnnxWriter::input(&[2]);
    w.gemm(ndarray::array![[0.5, -0.5]].view(), &[0.25]);
    let z = w.current().to_owned();
    w.sign();
    let s = w.current().to_owned();
    w.node("Add", &[&z, &s], &[]);
    let network = parse(&w.finish(&[1]), "test").unwrap().network;
    for (x, y) in [([1.0, 0.0], 1.75), ([0.0, 0.5], 1.0), ([0.0, 1.0], -1.25)] {
        assert_eq!(network.evaluate(&x).unwrap(), [y]);
    }
}
