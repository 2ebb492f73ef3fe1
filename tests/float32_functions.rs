//! Float32 executions with functions that no standard specifies: each result is off by some units in the last place, and
//! what is said holds whatever they are.

#![allow(clippy::unwrap_used)]

mod common;

use absint::analyze::Method;
use absint::domains::activation::Exp;
use absint::domains::budget::Budget;
use absint::domains::domain::{
    AbstractDomain, Bounds, DeepPoly, DomainError, IntervalDomain, LpDomain, Run, Zonotope, propagate,
};
use absint::domains::lp::backends;
use absint::domains::network::{Arithmetic, Network, NetworkBuilder, Order};
use absint::domains::num::{Interval, Rational, exact, nearest};
use absint::domains::query::{Atom, Disjunct, LinearForms, Property, Query, Region, Variable};
use absint::domains::verdict::Verdict;
use absint::format::onnx::{OnnxWriter, parse};
use absint::{Options, analyze};
use common::Dice;
use common::bisection::at_most;
use common::sums::random_sum;
use ndarray::{Array1, Array2};
use std::sync::Arc;

/// One operator of a file.
#[derive(Clone, Debug)]
enum Step {
    Gemm(Array2<f32>, Vec<f32>),
    /// A function of one number, by its operator.
    Function(&'static str),
    /// A power of the operand.
    Pow(f32),
    /// A constant to the power of the operand.
    Exponential(f32),
    Softmax,
    LogSoftmax,
    /// Times the operand of the step before.
    Times,
    /// Divided by 2 + |x|.
    Quotient,
    /// 1/2 + |x|.
    Positive,
    /// A constant of type double divided by the operand.
    Numerator(f64),
    /// The operand where it is positive, else −1/2.
    Where,
}

/// An operator of one operand, how it is computed, and its exact value: by operations of IEEE 754, or by a function whose error
/// is counted in units of the value or of so much.
type Function = (&'static str, Option<f64>, fn(f64) -> f64);

const FUNCTIONS: [Function; 14] = [
    ("Sigmoid", Some(1.0), |x| 1.0 / (1.0 + (-x).exp())),
    ("Tanh", Some(1.0), f64::tanh),
    ("Exp", Some(0.0), f64::exp),
    ("Softplus", Some(1.0), |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
    ("Atan", Some(1.0), f64::atan),
    ("Sin", Some(1.0), f64::sin),
    ("Elu", Some(1.0), |x| if x > 0.0 { x } else { x.exp_m1() }),
    ("Erf", Some(1.0), erf),
    ("Cos", Some(1.0), f64::cos),
    ("Softsign", None, |x| x),
    ("LeakyRelu", None, |x| x),
    // Of positive numbers.
    ("Log", Some(1.0), f64::ln),
    ("Reciprocal", None, |x| x),
    ("Sqrt", None, |x| x),
];

/// Of which so many at the end are of positive numbers.
const OF_POSITIVE: usize = 3;

/// `2 / √π e^(−x²) Σ 2ⁿ x^(2n + 1) / (2n + 1)!!`, whose terms have one sign.
fn erf(x: f64) -> f64 {
    let x = x.clamp(-6.0, 6.0);
    let terms = (1..200).scan(x, |term, n| Some(std::mem::replace(term, *term * 2.0 * x * x / f64::from(2 * n + 1))));
    terms.sum::<f64>() * (-x * x).exp() * 2.0 / std::f64::consts::PI.sqrt()
}

/// What a function of a runtime may answer that is off by at most so many units.
fn called(dice: &mut Dice, exact: f64, at_least: f64, ulps: u32) -> f32 {
    if exact.abs() > f64::from(f32::MAX) {
        return f32::INFINITY.copysign(exact as f32);
    }
    let largest = exact.abs().max(at_least).max(f64::from(f32::MIN_POSITIVE));
    let most = f64::from(ulps) * 2f64.powi(largest.log2().floor() as i32 - 23);
    let off = [-1.0, 1.0, 2.0 * dice.unit() - 1.0][dice.below(3)] * most;
    let mut y = (exact + off) as f32;
    while (f64::from(y) - exact).abs() > most {
        y = if f64::from(y) > exact { y.next_down() } else { y.next_up() };
    }
    if exact.abs() < f64::from(f32::MIN_POSITIVE) && dice.below(2) == 0 { 0.0 } else { y }
}

/// A product of `n` factors, with squares of parts or without.
fn product(dice: &mut Dice, x: f32, n: u32) -> f32 {
    match n {
        1 => x,
        n if n.is_multiple_of(2) && dice.below(4) > 0 => {
            let root = product(dice, x, n / 2);
            root * root
        }
        n => x * product(dice, x, n - 1),
    }
}

/// A power by a function of the runtime, or by products where it is a whole one.
fn power(dice: &mut Dice, x: f32, p: f32, ulps: u32) -> f32 {
    let n = if p.fract() == 0.0 { p.abs() as u32 } else { 0 };
    match dice.below(3) {
        0 if n > 0 && p > 0.0 => product(dice, x, n),
        0 if n > 0 => 1.0 / product(dice, x, n),
        1 if n > 0 && p < 0.0 => product(dice, 1.0 / x, n),
        _ => called(dice, f64::from(x).powf(f64::from(p)), 0.0, ulps),
    }
}

/// The exponentials of what the largest entry is ahead by, and their sum.
fn exponentials(dice: &mut Dice, x: &[f32], ulps: u32) -> (Vec<f32>, f32, f32) {
    let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = x.iter().map(|x| called(dice, f64::from(x - largest).exp(), 0.0, ulps)).collect();
    let sum = random_sum(dice, powers.iter().map(|&e| (1.0, e)).collect(), 0.0);
    (powers, sum, largest)
}

/// What one execution makes of `x`, with the sums of layers in one order, or in random ones.
fn execution(dice: &mut Dice, steps: &[Step], x: &[f32], ulps: u32, order: Option<Order>) -> Vec<f32> {
    let (mut x, mut before) = (x.to_vec(), x.to_vec());
    for step in steps {
        let y = match step {
            Step::Gemm(w, bias) => {
                let row = |(w, &b): (ndarray::ArrayView1<f32>, &f32)| {
                    let products: Vec<(f32, f32)> = w.iter().copied().zip(x.iter().copied()).collect();
                    order.map_or_else(|| random_sum(dice, products.clone(), b), |order| order.dot(&products, b))
                };
                w.rows().into_iter().zip(bias).map(row).collect()
            }
            Step::Function("Softsign") => x.iter().map(|x| x / (1.0 + x.abs())).collect(),
            Step::Function("Reciprocal") => x.iter().map(|x| 1.0 / x).collect(),
            Step::Function("Sqrt") => x.iter().map(|x| x.sqrt()).collect(),
            Step::Function("LeakyRelu") => x.iter().map(|&x| if x < 0.0 { 0.01 * x } else { x }).collect(),
            Step::Function(name) => {
                let (_, at_least, f) = FUNCTIONS.iter().find(|(known, ..)| known == name).unwrap();
                x.iter().map(|&x| called(dice, f(f64::from(x)), at_least.unwrap(), ulps)).collect()
            }
            Step::Pow(p) => x.iter().map(|&x| power(dice, x, *p, ulps)).collect(),
            Step::Exponential(b) => {
                x.iter().map(|&x| called(dice, f64::from(*b).powf(f64::from(x)), 0.0, ulps)).collect()
            }
            Step::Softmax => {
                let (powers, sum, _) = exponentials(dice, &x, ulps);
                let is_product = dice.below(2) == 0;
                powers.iter().map(|e| if is_product { e * (1.0 / sum) } else { e / sum }).collect()
            }
            Step::LogSoftmax => {
                let (_, sum, largest) = exponentials(dice, &x, ulps);
                let logarithm = called(dice, f64::from(sum).ln(), 1.0, ulps);
                x.iter().map(|x| x - largest - logarithm).collect()
            }
            Step::Times => x.iter().zip(&before).map(|(x, y)| x * y).collect(),
            Step::Quotient => x.iter().map(|x| x / (x.abs() + 2.0)).collect(),
            Step::Positive => x.iter().map(|x| x.abs() + 0.5).collect(),
            Step::Numerator(c) => x.iter().map(|x| *c as f32 / x).collect(),
            Step::Where => x.iter().map(|&x| if x > 0.0 { x } else { -0.5 }).collect(),
        };
        before = std::mem::replace(&mut x, y);
    }
    x
}

/// The network of some operators, a Softmax at its end included.
fn network(steps: &[Step], inputs: usize) -> Network {
    let mut w = OnnxWriter::input(&[inputs]);
    let (mut len, mut before) = (inputs, w.current().to_owned());
    for step in steps {
        let x = w.current().to_owned();
        match step {
            Step::Gemm(weight, bias) => {
                w.gemm(weight.view(), bias);
                len = bias.len();
            }
            Step::Function(name) => drop(w.node(name, &[&x], &[])),
            Step::Pow(p) => {
                let p = w.floats(&[], [*p]);
                w.node("Pow", &[&x, &p], &[]);
            }
            Step::Exponential(b) => {
                let b = w.floats(&[], [*b]);
                w.node("Pow", &[&b, &x], &[]);
            }
            Step::Softmax => drop(w.node("Softmax", &[&x], &[])),
            Step::LogSoftmax => drop(w.node("LogSoftmax", &[&x], &[])),
            Step::Times => drop(w.node("Mul", &[&x, &before], &[])),
            Step::Quotient => {
                let (abs, two) = (w.node("Abs", &[&x], &[]), w.floats(&[], [2.0]));
                let divisor = w.node("Add", &[&abs, &two], &[]);
                w.node("Div", &[&x, &divisor], &[]);
            }
            Step::Positive => {
                let (abs, half) = (w.node("Abs", &[&x], &[]), w.floats(&[], [0.5]));
                w.node("Add", &[&abs, &half], &[]);
            }
            Step::Numerator(c) => {
                let c = w.doubles(&[], [*c]);
                w.node("Div", &[&c, &x], &[]);
            }
            Step::Where => {
                let (zero, other) = (w.floats(&[], [0.0]), w.floats(&[], [-0.5]));
                let is_positive = w.node("Greater", &[&x, &zero], &[]);
                w.node("Where", &[&is_positive, &x, &other], &[]);
            }
        }
        before = x;
    }
    // A Softmax at the end that something reads is computed.
    let (x, one) = (w.current().to_owned(), w.floats(&[], [1.0]));
    w.node("Mul", &[&x, &one], &[]);
    parse(&w.finish(&[len]), "functions.onnx").unwrap().network
}

fn gemm(dice: &mut Dice, inputs: usize, outputs: usize) -> Step {
    // Weights of which few are sums of few powers of two.
    let mut number = || ((dice.unit() * 2.0 - 1.0) * 1.5) as f32;
    Step::Gemm(Array2::from_shape_simple_fn((outputs, inputs), &mut number), (0..outputs).map(|_| number()).collect())
}

/// Layers of which each has a function behind it.
fn random_steps(dice: &mut Dice, inputs: usize, widest: usize) -> Vec<Step> {
    let (mut steps, mut width) = (Vec::new(), inputs);
    for _ in 0..1 + dice.below(3) {
        let outputs = 1 + dice.below(widest);
        steps.push(gemm(dice, width, outputs));
        width = outputs;
        let of_all = FUNCTIONS.len() - OF_POSITIVE;
        match dice.below(12) {
            0 => steps.push(Step::Pow([2.0, 3.0, 8.0, 1.0, 0.0][dice.below(5)])),
            1 => steps.push(Step::Exponential([0.5, 2.0, 3.1][dice.below(3)])),
            2 => steps.push(Step::Softmax),
            3 => steps.push(Step::LogSoftmax),
            4 => steps.push(Step::Quotient),
            5 => steps.push(Step::Where),
            6 => steps.extend([Step::Positive, Step::Pow([-1.0, -2.0, -7.0, 0.5, -0.5, 16.0, 64.0][dice.below(7)])]),
            7 => {
                steps.extend([Step::Positive, Step::Numerator([1.0, -2.5, 0.1, 1.0 / 3.0, 1e38, 1e-30][dice.below(6)])])
            }
            8 => steps.extend([Step::Positive, Step::Function(FUNCTIONS[of_all + dice.below(OF_POSITIVE)].0)]),
            _ => steps.push(Step::Function(FUNCTIONS[dice.below(of_all)].0)),
        }
        if dice.below(3) == 0 {
            steps.push(Step::Times);
        }
    }
    if dice.below(2) == 0 {
        steps.push(gemm(dice, width, 2));
    }
    steps
}

fn box_around(centre: &[f32], radius: f32) -> Region {
    let end = |sign: f32| centre.iter().map(|c| exact(f64::from(c + sign * radius)).unwrap()).collect();
    Region::new_box(end(-1.0), end(1.0)).unwrap()
}

/// Bounds of the outputs; nothing where some number may overflow.
fn bounds_of<D: AbstractDomain>(domain: &D, network: &Network, region: &Region) -> Option<Vec<Interval>> {
    let budget = Budget::unlimited();
    let trace = match propagate(domain, network, region, &Bounds::unknown(), Run::silent(&budget)) {
        Ok(trace) => trace,
        Err(DomainError::Float32 { .. }) => return None,
        Err(other) => panic!("{other}"),
    };
    let n = network.output_len();
    let minima = |sign: f64| {
        let forms = LinearForms::of_node(network.output(), Array2::from_diag(&Array1::from_elem(n, sign)));
        domain.minima(&forms, &trace).unwrap()
    };
    Some(minima(1.0).into_iter().zip(minima(-1.0)).map(|(lo, hi)| Interval::new(lo, -hi)).collect())
}

/// How many executions leave the bounds, of how many that there are bounds for, and how often there are none.
fn outside(seed: u64, assumed: u32, ulps: u32, radii: &[f32]) -> [usize; 3] {
    let mut dice = Dice::new(seed);
    let inputs = 1 + dice.below(4);
    let steps = random_steps(&mut dice, inputs, 4);
    let network = network(&steps, inputs).assuming(assumed).in_arithmetic(Arithmetic::Float32).into_owned();
    assert_eq!(network.rounded_node(), None, "{steps:?}");
    let radius = radii[dice.below(radii.len())];
    let centre: Vec<f32> = (0..inputs).map(|_| dice.unit() as f32 * 2.0 - 1.0).collect();
    let region = box_around(&centre, radius);
    let lp = LpDomain::kpoly(2, backends()[0]);
    let of_domains = [
        bounds_of(&IntervalDomain, &network, &region),
        bounds_of(&Zonotope, &network, &region),
        bounds_of(&DeepPoly::default(), &network, &region),
        if seed.is_multiple_of(8) { bounds_of(&lp, &network, &region) } else { None },
    ];
    let refused = of_domains[..3].iter().filter(|bounds| bounds.is_none()).count();
    let (mut out, mut all) = (0, 0);
    for _ in 0..20 {
        let of_range = |r: &Interval| ((r.lo + dice.unit() * (r.hi - r.lo)) as f32).clamp(r.lo as f32, r.hi as f32);
        let x: Vec<f32> = region.bounds().iter().map(of_range).collect();
        let y = execution(&mut dice, &steps, &x, ulps, None);
        for bounds in of_domains.iter().flatten() {
            all += 1;
            out += usize::from(bounds.iter().zip(&y).any(|(bounds, &y)| !bounds.contains(f64::from(y))));
        }
    }
    [out, all, refused]
}

/// 400 networks with 20 executions each, under assumptions of several sizes.
#[test]
fn every_execution_lies_within_the_bounds() {
    let (mut all, mut refusals) = (0, 0);
    for seed in 0..400 {
        let ulps = [1, 4, 64, 4096][seed as usize % 4];
        let [out, executions, refused] = outside(seed, ulps, ulps, &[0.0, 1e-6, 0.1, 1.0]);
        assert_eq!(out, 0, "seed {seed}");
        all += executions;
        refusals += refused;
    }
    assert!(all > 20_000 && refusals < 200, "{all} {refusals}");
}

/// Bounds are about as wide as what is assumed: of functions that are off by more, some leave them.
#[test]
fn executions_that_break_the_assumption_are_seen() {
    let broken = (0..100).filter(|&seed| outside(seed, 1, 256, &[0.0])[0] > 0).count();
    assert!(broken > 40, "{broken}");
}

/// A counterexample is one for all executions in its order, and what one execution reaches, ties included, is never verified.
#[test]
fn verdicts_are_those_of_all_executions() {
    let (mut falsified, mut verified, mut ties) = (0, 0, 0);
    for seed in 0..150 {
        let mut dice = Dice::new(seed);
        let steps = random_steps(&mut dice, 2, 3);
        let network = network(&steps, 2);
        let x = [0; 2].map(|_| dice.unit() as f32 * 2.0 - 1.0);
        let reached = f64::from(execution(&mut dice, &steps, &x, 4, None)[0]);
        if !reached.is_finite() {
            continue;
        }
        for (above, radius) in [(-0.25, 0.0), (0.0, 0.0), (1e-7, 0.001), (0.25, 0.0)] {
            let most = reached + above * (1.0 + reached.abs());
            let options = Options { arithmetic: Arithmetic::Float32, ..Options::from(Method::AUTO) };
            match analyze(&network, &at_most(box_around(&x, radius), most), &options).unwrap().verdict {
                Verdict::Verified(_) => {
                    assert!(above < 0.0, "seed {seed}: {steps:?}");
                    verified += 1;
                }
                Verdict::Falsified(witness) => {
                    let x: Vec<f32> = witness.input().iter().map(|x| nearest(x) as f32).collect();
                    for _ in 0..50 {
                        let y = f64::from(execution(&mut dice, &steps, &x, 4, witness.order())[0]);
                        assert!(y <= most && witness.output()[0].contains(y), "seed {seed}: {steps:?}");
                    }
                    falsified += 1;
                }
                Verdict::Unknown(_) => ties += usize::from(above == 0.0),
            }
        }
    }
    assert!(verified > 100 && falsified > 150 && ties > 50, "{verified} {falsified} {ties}");
}

/// The assumption is said exactly where an answer rests on it.
#[test]
fn an_assumption_is_said_where_it_is_needed() {
    let mut b = NetworkBuilder::new(&[1]);
    let y = b.activation("exp", 0, Arc::new(Exp)).unwrap();
    let exp = b.finish(y, &[1]).unwrap();
    let assumed = |network: &Network, arithmetic, assumed_ulps| {
        let options = Options { arithmetic, assumed_ulps, ..Options::default() };
        let analysis = analyze(network, &at_most(box_around(&[0.5], 0.25), 1.0), &options).unwrap();
        assert_eq!(analysis.verdict.name(), "verified");
        analysis.assumed_ulps
    };
    assert_eq!(assumed(&exp, Arithmetic::Float32, 3), Some(3));
    assert_eq!(assumed(&exp, Arithmetic::Real, 3), None);
    // 1 / x is a quotient of IEEE 754, and so is √x.
    let mut w = OnnxWriter::input(&[1]);
    w.node("Reciprocal", &["input"], &[]);
    let quotient = parse(&w.finish(&[1]), "quotient.onnx").unwrap().network;
    assert_eq!(assumed(&quotient, Arithmetic::Float32, 0), None);
}

/// What is said of all executions with the input in such a box: whether the output can be at most so much, or at least.
fn verdict(network: &Network, input: [f64; 2], (sign, limit): (i64, f64)) -> &'static str {
    let [lower, upper] = input.map(|x| vec![exact(x).unwrap()]);
    let region = Region::new_box(lower, upper).unwrap();
    let terms = [(Variable::Output(0), Rational::from(sign))].into();
    let atom = Atom { terms, constant: exact(-sign as f64 * limit).unwrap(), is_strict: false };
    let query = Query::over(region, Property { disjuncts: vec![Disjunct { atoms: vec![atom] }] });
    let options = Options { arithmetic: Arithmetic::Float32, ..Options::from(Method::AUTO) };
    analyze(network, &query, &options).unwrap().verdict.name()
}

const AT_MOST: i64 = 1;
const AT_LEAST: i64 = -1;

/// `c / x` for one input, with more behind it.
fn numerator(c: f64, more: impl FnOnce(&mut OnnxWriter)) -> Network {
    let mut w = OnnxWriter::input(&[1]);
    let c = w.doubles(&[], [c]);
    w.node("Div", &[&c, "input"], &[]);
    more(&mut w);
    parse(&w.finish(&[1]), "numerator.onnx").unwrap().network
}

/// `1e38 / x` is no number of float32 near 0, whatever is computed of it.
#[test]
fn a_quotient_that_overflows_is_never_verified() {
    let large = f64::from(1e38f32);
    let times = |w: &mut OnnxWriter, factor: f32| {
        let (x, factor) = (w.current().to_owned(), w.floats(&[], [factor]));
        w.node("Mul", &[&x, &factor], &[]);
    };
    let scaled_back = numerator(large, |w| times(w, 1e-38));
    assert_eq!(verdict(&scaled_back, [2f64.powi(-10), 0.5], (AT_LEAST, 2000.0)), "unknown");
    assert_eq!(verdict(&scaled_back, [2.0, 4.0], (AT_LEAST, 2000.0)), "verified");
    let inverted = numerator(large, |w| {
        let x = w.current().to_owned();
        w.node("Reciprocal", &[&x], &[]);
        times(w, 1e38);
        times(w, 1024.0);
    });
    assert_eq!(verdict(&inverted, [2f64.powi(-10); 2], (AT_MOST, 0.9)), "unknown");
    let alone = numerator(large, |_| ());
    assert_eq!(verdict(&alone, [2f64.powi(-10), 0.5], (AT_LEAST, 1e42)), "unknown");
    assert_eq!(verdict(&alone, [2.0, 4.0], (AT_LEAST, 1e38)), "verified");
}

/// A numerator of type double is rounded before it is divided.
#[test]
fn a_numerator_that_is_no_float32_is_rounded() {
    let (c, x) = (1.0 + 0.98 * 2f64.powi(-24), 1.907_714_843_75);
    let reached = f64::from(c as f32 / x as f32);
    assert!(reached < f64::from((c / x) as f32), "further off than one rounding leads");
    let quotient = numerator(c, |_| ());
    assert_eq!(verdict(&quotient, [x; 2], (AT_MOST, reached)), "unknown");
    assert_eq!(verdict(&quotient, [x; 2], (AT_LEAST, 0.524_187_35)), "unknown");
    assert_eq!(verdict(&quotient, [x; 2], (AT_MOST, reached - 1e-6)), "verified");
    // Of a float32 numerator the one quotient is known.
    let quotient = numerator(1.0, |_| ());
    let reached = f64::from(1.0 / x as f32);
    assert_eq!(verdict(&quotient, [x; 2], (AT_MOST, reached)), "falsified");
    assert_eq!(verdict(&quotient, [x; 2], (AT_MOST, f64::from((reached as f32).next_down()))), "verified");
}

/// `x⁶⁴` by squaring is off by 51 units in the last place, which is no more than is said.
#[test]
fn powers_by_multiplication_lie_within_what_is_assumed() {
    let mut w = OnnxWriter::input(&[1]);
    let n = w.floats(&[], [64.0]);
    w.node("Pow", &["input", &n], &[]);
    let network = parse(&w.finish(&[1]), "power.onnx").unwrap().network;
    let mut dice = Dice::new(1);
    let mut outside_4 = 0;
    for _ in 0..100 {
        let x = 1.0 + 0.9 * dice.unit() as f32;
        let squared = f64::from((0..6).fold(x, |y, _| y * y));
        let exact = f64::from(x).powi(64);
        outside_4 += usize::from((squared / exact - 1.0).abs() > 4.0 * f64::from(f32::EPSILON));
        assert_ne!(verdict(&network, [f64::from(x); 2], (AT_MOST, squared)), "verified", "{x}");
        assert_ne!(verdict(&network, [f64::from(x); 2], (AT_LEAST, squared)), "verified", "{x}");
    }
    assert!(outside_4 > 20, "{outside_4}");
}
