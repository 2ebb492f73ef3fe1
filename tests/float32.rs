//! What is verified in float32 holds for every order of summation.

#![allow(clippy::unwrap_used)]

mod common;

use absint::analyze::Method;
use absint::domains::activation::{ActivationFn, Reciprocal, Relu, Sign, Staircase};
use absint::domains::budget::Budget;
use absint::domains::domain::{
    AbstractDomain, Bounds, DeepPoly, DomainError, Fact, IntervalDomain, LpDomain, NodeBounds, Run, Zonotope, propagate,
};
use absint::domains::lp::backends;
use absint::domains::network::{
    Arithmetic, Coefficients, Factor, LinearMap, Network, NetworkBuilder, Operator, Order, Term,
};
use absint::domains::num::{Rational, exact, nearest, parse_decimal};
use absint::domains::query::{Atom, Disjunct, LinearForms, Property, Query, Region, Variable};
use absint::domains::verdict::Verdict;
use absint::exact::continuous::minimum;
use absint::exact::signum::{self, SignumOptions};
use absint::{Options, analyze};
use common::Dice;
use common::sums::random_sum;
use ndarray::{Array2, array};
use proptest::prelude::*;
use std::sync::Arc;

/// One operator of a file.
enum Layer {
    Dense(Vec<Vec<f32>>, Vec<f32>),
    Shift(Vec<f32>),
    Scale(Vec<f32>),
    Divide(Vec<f32>),
    Relu,
    Sign,
}

fn wide(values: &[f32]) -> Coefficients {
    Coefficients::floats(values.iter().map(|&v| f64::from(v)).collect())
}

/// The network of some operators in float32.
fn build(inputs: usize, layers: &[Layer]) -> Network {
    let mut b = NetworkBuilder::new(&[inputs]);
    let mut last = 0;
    for layer in layers {
        let n = b.len(last);
        last = match layer {
            Layer::Dense(w, bias) => {
                let w = Array2::from_shape_fn((w.len(), n), |(i, j)| f64::from(w[i][j]));
                b.linear("dense", last, LinearMap::Dense(w), wide(bias)).unwrap()
            }
            Layer::Shift(bias) => b.linear("add", last, LinearMap::Identity(n), wide(bias)).unwrap(),
            Layer::Scale(d) => b.linear("mul", last, LinearMap::Diagonal(wide(d)), Coefficients::zeros(n)).unwrap(),
            Layer::Divide(d) => {
                let inverse = d.iter().map(|&d| Rational::ONE / exact(f64::from(d)).unwrap()).collect();
                let map = LinearMap::Diagonal(Coefficients::rationals(inverse));
                let id = b.linear("div", last, map, Coefficients::zeros(n)).unwrap();
                b.declare_operator(id, Operator::Quotient(wide(d))).unwrap();
                id
            }
            Layer::Relu => b.activation("relu", last, Arc::new(Relu)).unwrap(),
            Layer::Sign => b.activation("sign", last, Arc::new(Sign)).unwrap(),
        };
    }
    let n = b.len(last);
    b.finish(last, &[n]).unwrap().in_arithmetic(Arithmetic::Float32).into_owned()
}

/// The values behind each activation and at the end, in a random order for every neuron.
fn random_execution(dice: &mut Dice, layers: &[Layer], x: &[f32]) -> Vec<Vec<f32>> {
    let mut seen = Vec::new();
    let mut x = x.to_vec();
    for layer in layers {
        x = match layer {
            Layer::Dense(w, bias) => {
                let row = |(w, b): (&Vec<f32>, &f32)| {
                    let products = w.iter().copied().zip(x.iter().copied()).collect();
                    random_sum(dice, products, *b)
                };
                w.iter().zip(bias).map(row).collect()
            }
            Layer::Shift(bias) => x.iter().zip(bias).map(|(x, b)| x + b).collect(),
            Layer::Scale(d) => x.iter().zip(d).map(|(x, d)| x * d).collect(),
            Layer::Divide(d) => x.iter().zip(d).map(|(x, d)| x / d).collect(),
            Layer::Relu => x.iter().map(|x| x.max(0.0)).collect(),
            Layer::Sign => x.iter().map(|x| if *x >= 0.0 { 1.0 } else { -1.0 }).collect(),
        };
        if matches!(layer, Layer::Relu | Layer::Sign) {
            seen.push(x.clone());
        }
    }
    seen.push(x);
    seen
}

/// A random network whose sums cancel, so that its orders differ.
fn random_layers(dice: &mut Dice, inputs: usize, signs: bool) -> Vec<Layer> {
    let number = |dice: &mut Dice| {
        let scale = [1.0f32, 1.0, 1e-3, 4096.0, 3e7][dice.below(5)];
        (dice.unit() as f32 - 0.5) * scale
    };
    let mut layers = Vec::new();
    let mut width = inputs;
    let depth = 1 + dice.below(3);
    for layer in 0..=depth {
        let outputs = 1 + dice.below(6);
        let is_binary = signs && dice.below(2) == 0;
        let weight = |dice: &mut Dice| if is_binary { [0.3f32, -0.3][dice.below(2)] } else { number(dice) };
        let w = (0..outputs).map(|_| (0..width).map(|_| weight(dice)).collect()).collect();
        let bias = |dice: &mut Dice| (0..outputs).map(|_| number(dice)).collect::<Vec<f32>>();
        let own = if dice.below(2) == 0 { bias(dice) } else { vec![0.0; outputs] };
        layers.push(Layer::Dense(w, own));
        width = outputs;
        for _ in 0..dice.below(3) {
            layers.push(match dice.below(3) {
                0 => Layer::Shift(bias(dice)),
                1 => Layer::Scale((0..outputs).map(|_| 0.1 + dice.unit() as f32).collect()),
                _ => Layer::Divide((0..outputs).map(|_| 0.1 + dice.unit() as f32).collect()),
            });
        }
        if layer < depth {
            layers.push(if signs { Layer::Sign } else { Layer::Relu });
        }
    }
    layers
}

fn bounds_of<D: AbstractDomain>(domain: &D, network: &Network, region: &Region) -> Option<Vec<NodeBounds>> {
    let budget = Budget::unlimited();
    let trace = match propagate(domain, network, region, &Bounds::unknown(), Run::silent(&budget)) {
        Ok(trace) => trace,
        Err(DomainError::Float32 { .. }) => return None,
        Err(other) => panic!("{other}"),
    };
    let mut seen: Vec<NodeBounds> = network.activations().map(|(id, _)| trace.facts[id].bounds().clone()).collect();
    let n = network.output_len();
    let minima = |sign: f64| {
        let forms = LinearForms::of_node(network.output(), Array2::from_diag(&ndarray::Array1::from_elem(n, sign)));
        domain.minima(&forms, &trace).unwrap()
    };
    let upper = minima(-1.0).into_iter().map(|m| -m).collect();
    seen.push(NodeBounds::new(minima(1.0), upper));
    Some(seen)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_execution_lies_within_the_bounds(seed in any::<u64>(), signs in any::<bool>()) {
        let mut dice = Dice::new(seed);
        let inputs = 1 + dice.below(6);
        let layers = random_layers(&mut dice, inputs, signs);
        let network = build(inputs, &layers);
        let radius = [0.0f32, 1e-6, 0.1, 2.0][dice.below(4)];
        let center: Vec<f32> = (0..inputs).map(|_| dice.unit() as f32 * 2.0 - 1.0).collect();
        let end = |sign: f32| center.iter().map(|c| exact(f64::from(c + sign * radius)).unwrap()).collect();
        let region = Region::new_box(end(-1.0), end(1.0)).unwrap();
        let lp = LpDomain::kpoly(2, backends()[0]);
        let of_domains = [
            ("interval", bounds_of(&IntervalDomain, &network, &region)),
            ("zonotope", bounds_of(&Zonotope, &network, &region)),
            ("deeppoly", bounds_of(&DeepPoly::default(), &network, &region)),
            ("kpoly", if seed.is_multiple_of(8) { bounds_of(&lp, &network, &region) } else { None }),
        ];
        for _ in 0..20 {
            let x: Vec<f32> = region.bounds().iter().map(|r| {
                let x = (r.lo + dice.unit() * (r.hi - r.lo)) as f32;
                x.clamp(r.lo as f32, r.hi as f32)
            }).collect();
            let seen = random_execution(&mut dice, &layers, &x);
            for (name, bounds) in &of_domains {
                for (values, bounds) in seen.iter().zip(bounds.iter().flatten()) {
                    for (i, &y) in values.iter().enumerate() {
                        prop_assert!(bounds.get(i).contains(f64::from(y)), "{name}: {y} not in {:?}", bounds.get(i));
                    }
                }
            }
        }
    }
}

/// Quotients of two inputs, or one of two inputs that a third one chooses, before a layer.
fn random_choices(dice: &mut Dice) -> Network {
    let n = 1 + dice.below(3);
    let mut b = NetworkBuilder::new(&[3 * n]);
    let zeros = |len: usize| Coefficients::floats(vec![0.0; len]);
    let part = |b: &mut NetworkBuilder, which: usize, factor: f64| {
        let weights = Array2::from_shape_fn((n, 3 * n), |(i, j)| if j == which * n + i { factor } else { 0.0 });
        b.linear("part", 0, LinearMap::Dense(weights), zeros(n)).unwrap()
    };
    let factor = |source| Factor { source, index: (0..n).collect() };
    let identity =
        |source, sign: f64| Term { source, map: LinearMap::Diagonal(Coefficients::floats(vec![sign; n])).into() };
    let (x, y, z) = (part(&mut b, 0, 1.0), part(&mut b, 1, 1.0), part(&mut b, 2, 1.0));
    let chosen = if dice.below(2) == 0 {
        let reciprocal = b.activation("reciprocal", y, Arc::new(Reciprocal)).unwrap();
        let product = b.product("product", [factor(x), factor(reciprocal)]).unwrap();
        b.declare_operator(product, Operator::Part).unwrap();
        let quotient = b.linear("quotient", product, LinearMap::Identity(n), zeros(n)).unwrap();
        b.declare_operator(quotient, Operator::Division).unwrap();
        quotient
    } else {
        let difference = b.affine("difference", vec![identity(x, 1.0), identity(y, -1.0)], zeros(n)).unwrap();
        let sign = b.activation("sign", z, Arc::new(Sign)).unwrap();
        let half = LinearMap::Diagonal(Coefficients::floats(vec![0.5; n]));
        let truth = b.linear("truth", sign, half, Coefficients::floats(vec![0.5; n])).unwrap();
        let product = b.product("product", [factor(truth), factor(difference)]).unwrap();
        b.declare_operator(product, Operator::Part).unwrap();
        let chosen = b.affine("chosen", vec![identity(product, 1.0), identity(y, 1.0)], zeros(n)).unwrap();
        for node in [difference, truth, chosen] {
            b.declare_operator(node, Operator::Choice).unwrap();
        }
        chosen
    };
    let out = common::dense(&mut b, dice, chosen, 2);
    b.finish(out, &[2]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Convolutions, residual sums, maxima, quotients, choices and all kinds of regions; the operators themselves, in the orders with a name.
    #[test]
    fn every_replay_lies_within_the_bounds(seed in any::<u64>(), f in common::mostly_piecewise()) {
        let mut dice = Dice::new(seed);
        let network = match dice.below(3) {
            0 => common::maxima::random_maxima_network(&mut dice, &f),
            1 => random_choices(&mut dice),
            _ => common::random_network(&mut dice, &f),
        };
        let network = network.in_arithmetic(Arithmetic::Float32);
        let region = common::random_region(&mut dice, network.input_len());
        prop_assume!(network.rounded_node().is_none());
        let of_domains = [
            ("interval", bounds_of(&IntervalDomain, &network, &region)),
            ("deeppoly", bounds_of(&DeepPoly::default(), &network, &region)),
        ];
        for _ in 0..4 {
            let member = common::random_member(&mut dice, &region);
            let x: Vec<f32> = member.iter().map(|x| nearest(x) as f32).collect();
            for y in Order::ALL.into_iter().filter_map(|order| network.evaluate_float32(&x, order)) {
                for (name, bounds) in &of_domains {
                    let Some(bounds) = bounds.as_ref().and_then(|all| all.last()) else { continue };
                    for (i, &y) in y.iter().enumerate() {
                        prop_assert!(bounds.get(i).contains(f64::from(y)), "{name}: {y} not in {:?}", bounds.get(i));
                    }
                }
            }
        }
    }
}

/// `y ≤ threshold` is unsafe.
fn at_most(region: Region, threshold: &str) -> Query {
    let constant = -parse_decimal(threshold).unwrap();
    let atom = Atom { terms: [(Variable::Output(0), Rational::ONE)].into(), constant, is_strict: false };
    Query::over(region, Property { disjuncts: vec![Disjunct { atoms: vec![atom] }] })
}

fn answer(network: &Network, query: &Query, domain: Method, arithmetic: Arithmetic) -> Verdict {
    let network = network.in_arithmetic(Arithmetic::Real);
    analyze(&network, query, &Options { method: domain, arithmetic, ..Options::default() }).unwrap().verdict
}

fn point(x: &[f64]) -> Region {
    let x: Vec<Rational> = x.iter().map(|&x| exact(x).unwrap()).collect();
    Region::new_box(x.clone(), x).unwrap()
}

const DOMAINS: [Method; 6] =
    [Method::INTERVAL, Method::ZONOTOPE, Method::DEEPPOLY, Method::KPOLY, Method::EXACT, Method::AUTO];

#[test]
fn an_order_that_loses_the_small_terms_is_found_and_named() {
    let tiny = f32::EPSILON / 2.0;
    let sum = Layer::Dense(vec![vec![1.0, tiny, tiny, -1.0]], vec![0.0]);
    let network = build(4, &[sum, Layer::Relu, Layer::Scale(vec![1024.0])]);
    let query = at_most(point(&[1.0; 4]), "0.00000001");
    for domain in DOMAINS {
        assert!(matches!(answer(&network, &query, domain, Arithmetic::Real), Verdict::Verified(_)), "{domain}");
        let Verdict::Falsified(witness) = answer(&network, &query, domain, Arithmetic::Float32) else {
            panic!("{domain} does not falsify");
        };
        assert_eq!(witness.order(), Some(Order::Sequential));
        assert_eq!(witness.output()[0].hi, 0.0);
    }
    // Far from the threshold every order is safe.
    let query = at_most(point(&[1.0; 4]), "-1");
    for domain in DOMAINS {
        assert!(matches!(answer(&network, &query, domain, Arithmetic::Float32), Verdict::Verified(_)), "{domain}");
    }
}

#[test]
fn a_sign_that_depends_on_the_order_is_not_trusted() {
    let tiny = f32::EPSILON / 2.0;
    // 1 + tiny + tiny − 1 − tiny is positive, and −tiny from left to right.
    let sum = Layer::Dense(vec![vec![1.0, tiny, tiny, -1.0, -tiny]], vec![0.0]);
    let network = build(5, &[sum, Layer::Sign, Layer::Dense(vec![vec![1.0]], vec![0.0])]);
    let query = at_most(point(&[1.0; 5]), "0");
    for domain in DOMAINS {
        assert!(matches!(answer(&network, &query, domain, Arithmetic::Real), Verdict::Verified(_)), "{domain}");
        let Verdict::Falsified(witness) = answer(&network, &query, domain, Arithmetic::Float32) else {
            panic!("{domain} does not falsify");
        };
        assert_eq!(witness.order(), Some(Order::Sequential));
    }
}

/// A staircase jumps where sums have no sign to keep: 1 − 2⁻²⁵ is 1 in float32, and its floor another.
#[test]
fn a_step_elsewhere_than_at_zero_is_not_taken_for_a_sign() {
    let mut b = NetworkBuilder::new(&[1]);
    let dense = |w: f64| LinearMap::Dense(Array2::from_elem((1, 1), w));
    let z = b.linear("z", 0, dense(1.0), Coefficients::zeros(1)).unwrap();
    let sign = b.activation("sign", z, Arc::new(Sign)).unwrap();
    let almost = 0.5 - 0.5 * f64::from(f32::EPSILON) * 0.5;
    let sum = b.linear("sum", sign, dense(0.5), Coefficients::floats(vec![almost])).unwrap();
    let floor = b.activation("floor", sum, Arc::new(Staircase::floor(-2, 3))).unwrap();
    let minus = b.linear("minus", floor, dense(-1.0), Coefficients::zeros(1)).unwrap();
    let network = b.finish(minus, &[1]).unwrap().in_arithmetic(Arithmetic::Float32).into_owned();
    let query = at_most(point(&[1.0]), "-0.5");
    for domain in DOMAINS {
        assert!(matches!(answer(&network, &query, domain, Arithmetic::Real), Verdict::Verified(_)), "{domain}");
        let float32 = answer(&network, &query, domain, Arithmetic::Float32);
        assert!(!matches!(float32, Verdict::Verified(_)), "{domain}");
    }
}

#[test]
fn sums_of_signs_are_exact_and_their_thresholds_robust() {
    // Many ±0.1 before a threshold with a margin: float32 sums of them are off, and their signs are not.
    let n = 300;
    let row = |k: usize| (0..n).map(|i| if (i * k).is_multiple_of(3) { -0.1 } else { 0.1 }).collect::<Vec<f32>>();
    let eye = (0..n).map(|i| (0..n).map(|j| f32::from(u8::from(i == j))).collect()).collect();
    let layers = [
        Layer::Dense(eye, vec![0.0; n]),
        Layer::Sign,
        Layer::Dense(vec![row(1), row(2)], vec![0.0; 2]),
        Layer::Shift(vec![0.25; 2]),
        Layer::Divide(vec![3.0; 2]),
        Layer::Sign,
        Layer::Dense(vec![vec![1.0, 1.0]], vec![0.0]),
    ];
    let network = build(n, &layers);
    let low = Rational::from(-1);
    let flips = Region::hamming(&low, &Rational::ONE, vec![true; n], 4).unwrap();
    let ball = Region::linf(&vec![Rational::ONE; n], &parse_decimal("0.5").unwrap(), None).unwrap();
    for (domain, region) in [(Method::INTERVAL, &ball), (Method::DEEPPOLY, &ball), (Method::EXACT, &flips)] {
        let query = at_most(region.clone(), "1");
        let real = answer(&network, &query, domain, Arithmetic::Real);
        assert!(matches!(real, Verdict::Verified(_)), "{domain}");
        let float32 = answer(&network, &query, domain, Arithmetic::Float32);
        assert!(matches!(float32, Verdict::Verified(_)), "{domain}");
    }
}

#[test]
fn what_may_overflow_is_never_verified() {
    let up = |f: f32| Layer::Scale(vec![f]);
    let relu = || Layer::Relu;
    let network = build(1, &[up(1e30), relu(), up(1e20), relu(), up(0.0)]);
    let query = at_most(point(&[1.0]), "-1");
    for domain in DOMAINS {
        assert!(matches!(answer(&network, &query, domain, Arithmetic::Real), Verdict::Verified(_)), "{domain}");
        assert!(matches!(answer(&network, &query, domain, Arithmetic::Float32), Verdict::Unknown(_)), "{domain}");
    }
}

#[test]
fn a_padded_constant_takes_part_in_the_rounding_of_a_sum() {
    // Either way round 0.1 + 1 in float32 is 1.10000002…, though all else in that sum is an integer.
    let mut b = NetworkBuilder::new(&[1]);
    let pick = |index: Vec<Option<usize>>| LinearMap::Select { input_len: 1, index };
    let sign = b.activation("sign", 0, Arc::new(Sign)).unwrap();
    let padded = b.linear("pad", sign, pick(vec![Some(0), None]), wide(&[0.0, 0.1])).unwrap();
    let twice = b.linear("twice", sign, pick(vec![Some(0), Some(0)]), wide(&[0.0, 0.0])).unwrap();
    let term = |source| Term { source, map: LinearMap::Identity(2).into() };
    let sum = b.affine("add", vec![term(padded), term(twice)], Coefficients::zeros(2)).unwrap();
    let network = b.finish(sum, &[2]).unwrap().in_arithmetic(Arithmetic::Float32).into_owned();
    let region = Region::new_box(vec![-Rational::ONE], vec![Rational::ONE]).unwrap();
    let bounds = bounds_of(&IntervalDomain, &network, &region).unwrap();
    for x in [-1.0, 1.0] {
        let y = network.evaluate_float32(&[x], Order::Sequential).unwrap();
        for (i, &y) in y.iter().enumerate() {
            let (low, up) = (bounds[1].lower()[i], bounds[1].upper()[i]);
            assert!((low..=up).contains(&f64::from(y)), "{y} is outside [{low}, {up}]");
        }
    }
}

#[test]
fn exact_engines_are_not_about_float32() {
    // In real arithmetic both are proven: sgn(x − 0.1) = 1 at x = 0.1, which is no float32 number.
    let network = build(1, &[Layer::Shift(vec![-0.1]), Layer::Sign]).in_arithmetic(Arithmetic::Float32).into_owned();
    let query = at_most(point(&[0.1]), "1");
    let budget = Budget::unlimited();
    let answer = signum::decide(&network, &query, &SignumOptions::default(), Run::silent(&budget)).unwrap();
    assert!(matches!(answer.verdict, Verdict::Unknown(_)));
    let network = build(1, &[Layer::Shift(vec![1.0]), Layer::Relu]).in_arithmetic(Arithmetic::Float32).into_owned();
    let case = &at_most(point(&[0.1]), "2").cases[0];
    let found = minimum(&network, &case.region, &case.property.disjuncts[0], 1e-6, Run::silent(&budget)).unwrap();
    assert_eq!((found.lower, found.upper), (f64::NEG_INFINITY, f64::INFINITY));
}

#[test]
fn inputs_are_rounded_too() {
    // 0.1 is no float32: rounded, it exceeds 0.1.
    let network = build(1, &[Layer::Dense(vec![vec![-1.0]], vec![0.0])]);
    let tenth = parse_decimal("0.1").unwrap();
    let region = Region::new_box(vec![tenth.clone()], vec![tenth]).unwrap();
    for (threshold, is_safe) in [("-0.1000000001", false), ("-0.1001", true)] {
        let query = at_most(region.clone(), threshold);
        let float32 = answer(&network, &query, Method::DEEPPOLY, Arithmetic::Float32);
        assert_eq!(matches!(float32, Verdict::Verified(_)), is_safe, "{threshold}");
    }
}

#[test]
fn activations_that_round_are_refused() {
    let mut b = NetworkBuilder::new(&[1]);
    let z = b.linear("fc", 0, LinearMap::Dense(array![[1.0]]), Coefficients::zeros(1)).unwrap();
    let leaky: Arc<dyn ActivationFn> = Arc::new(absint::domains::activation::LeakyRelu::new(0.1));
    let y = b.activation("leaky", z, leaky).unwrap();
    let network = b.finish(y, &[1]).unwrap();
    let query = at_most(point(&[1.0]), "-1");
    let options = Options { arithmetic: Arithmetic::Float32, ..Options::default() };
    let error = analyze(&network, &query, &options).unwrap_err();
    assert!(error.to_string().contains("`leaky`"), "{error}");
}
