//! Networks with smooth activations from file to verdict: against sampling, and against bisection by interval arithmetic
//! in two dimensions.

#![allow(clippy::unwrap_used)]

mod common;

use absint::analyze::Method;
use absint::attack::Attack;
use absint::domains::budget::Budget;
use absint::domains::network::{Arithmetic, Network};
use absint::domains::num::{Interval, Rational, nearest};
use absint::domains::query::Region;
use absint::domains::verdict::Verdict;
use absint::format::onnx::{OnnxWriter, parse};
use absint::{AnalyzeError, Options, analyze};
use common::Dice;
use common::bisection::{at_most, square, verdicts_agree};
use ndarray::Array2;

/// Dense layers with an activation after each but the last, from a file.
fn network(dice: &mut Dice, sizes: &[usize], operators: &[&str]) -> Network {
    let mut writer = OnnxWriter::input(&sizes[..1]);
    for (k, pair) in sizes.windows(2).enumerate() {
        let weights = dice.weights(pair[0] * pair[1]).iter().map(|&w| w as f32).collect();
        let bias: Vec<f32> = dice.weights(pair[1]).iter().map(|&b| b as f32).collect();
        writer.gemm(Array2::from_shape_vec((pair[1], pair[0]), weights).unwrap().view(), &bias);
        if k + 2 < sizes.len() {
            let x = writer.current().to_owned();
            writer.node(operators[k % operators.len()], &[&x], &[]);
        }
    }
    parse(&writer.finish(&sizes[sizes.len() - 1..]), "smooth.onnx").unwrap().network
}

const OPERATORS: [&[&str]; 8] = [
    &["Sigmoid"],
    &["Tanh"],
    &["Sigmoid", "Tanh"],
    &["Softplus", "Atan"],
    &["Relu", "Sigmoid"],
    &["Sin", "Cos"],
    &["Gelu"],
    &["Elu", "Softsign"],
];

/// Every method agrees with bisection, and the deciding ones decide all but ties.
#[test]
fn verdicts_agree_with_bisection_in_two_dimensions() {
    for (seed, operators) in OPERATORS.iter().enumerate() {
        let network = network(&mut Dice::new(seed as u64), &[2, 5, 4, 1], operators);
        verdicts_agree(&format!("{operators:?}"), &network, 0.1);
    }
}

/// Bounds hold and every claim is consistent on sampled points of networks that nobody solves.
#[test]
fn bounds_hold_at_sampled_points() {
    for (seed, operators) in OPERATORS.iter().enumerate() {
        let mut dice = Dice::new(100 + seed as u64);
        let network = network(&mut dice, &[6, 12, 10, 8, 2], operators);
        let query = at_most(square(6), -1e3);
        for method in [Method::INTERVAL, Method::ZONOTOPE, Method::DEEPPOLY, Method::LP_LAST, Method::KPOLY] {
            let options = Options { method, all_margins: true, ..Options::default() };
            let analysis = analyze(&network, &query, &options).unwrap();
            let bounds = &analysis.bounds[0];
            for _ in 0..200 {
                let x: Vec<f64> = (0..6).map(|_| 2.0 * dice.unit() - 1.0).collect();
                let values = network.evaluate_all(&x.iter().map(|&x| Interval::point(x)).collect::<Vec<_>>()).unwrap();
                for (values, bounds) in values.iter().zip(bounds.nodes()) {
                    for (value, bound) in values.iter().zip(bounds.iter()) {
                        assert!(bound.lo <= value.hi && value.lo <= bound.hi, "{operators:?}, {}", method.row().name);
                    }
                }
                let margin = values[network.output()][0].hi + 1e3;
                assert!(analysis.margins[0].bound <= margin);
            }
        }
    }
}

/// A counterexample counts only where the enclosure of the outputs shows it.
#[test]
fn ties_within_the_enclosure_are_no_counterexamples() {
    let mut writer = OnnxWriter::input(&[1]);
    writer.node("Sigmoid", &["input"], &[]);
    let network = parse(&writer.finish(&[1]), "smooth.onnx").unwrap().network;
    let region = Region::new_box(vec![Rational::ONE], vec![Rational::ONE]).unwrap();
    let y = network.evaluate(&[Interval::point(1.0)]).unwrap()[0];
    assert!(y.lo < y.hi && y.width() < 1e-15);
    let verdict = |c: f64| analyze(&network, &at_most(region.clone(), c), &Options::default()).unwrap().verdict;
    assert_eq!(verdict(y.lo - 1e-9).name(), "verified");
    assert_eq!(verdict(y.lo).name(), "unknown", "the margin may be zero");
    assert_eq!(verdict(y.hi).name(), "falsified");
    let Verdict::Falsified(witness) = verdict(y.hi) else { panic!("a witness") };
    assert_eq!(nearest(&witness.input()[0]), 1.0);
    assert!(witness.output()[0].hi <= y.hi);
}

#[test]
fn float32_is_refused_by_name() {
    let refused = |operator: &str, assumed_ulps| {
        let network = network(&mut Dice::new(3), &[2, 3, 1], &[operator]);
        let options = Options { arithmetic: Arithmetic::Float32, assumed_ulps, ..Options::default() };
        analyze(&network, &at_most(square(2), 0.0), &options).err()
    };
    let named = |name: &str| Some(AnalyzeError::Float32Activation(name.into()));
    assert_eq!(refused("Gelu", Network::ULPS), named("Gelu_1"));
    assert_eq!(refused("Sigmoid", 0), named("Sigmoid_1"));
    assert_eq!(refused("Sigmoid", 1), None);
    // What IEEE 754 specifies needs no assumption.
    assert_eq!(refused("Softsign", 0), None);
}

/// Gradients lead the attack through curves.
#[test]
fn the_attack_finds_counterexamples() {
    let mut found = 0;
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let network = network(&mut dice, &[8, 16, 16, 1], &["Sigmoid", "Tanh"]);
        let y = |x: &[f64]| network.evaluate(x).unwrap()[0];
        let sampled = (0..2000).map(|_| y(&(0..8).map(|_| 2.0 * dice.unit() - 1.0).collect::<Vec<_>>()));
        let query = at_most(square(8), sampled.fold(f64::INFINITY, f64::min) - 0.05);
        let target = absint::attack::Target { network: &network, case: &query.cases[0], open: &[0] };
        found += usize::from(Attack::pgd(1).run(target, &Budget::unlimited()).witness.is_some());
    }
    assert!(found > 5, "{found}");
}
