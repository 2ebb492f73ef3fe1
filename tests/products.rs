//! Networks that multiply computed numbers, from file to verdict: against sampling, and against bisection by interval
//! arithmetic in two dimensions.

#![allow(clippy::unwrap_used)]

mod common;

use absint::analyze::Method;
use absint::domains::network::{Arithmetic, Network};
use absint::domains::num::Interval;
use absint::domains::verdict::Verdict;
use absint::format::onnx::{Attribute, OnnxWriter, parse};
use absint::{AnalyzeError, Options, analyze};
use common::Dice;
use common::bisection::{at_most, square, verdicts_agree};
use ndarray::Array2;

fn network(writer: &OnnxWriter) -> Network {
    parse(&writer.finish(&[1]), "products.onnx").unwrap_or_else(|e| panic!("{e}")).network
}

/// `W x + b` of random numbers.
fn dense(w: &mut OnnxWriter, dice: &mut Dice, x: &str, (inputs, outputs): (usize, usize)) -> String {
    let weights = dice.weights(inputs * outputs).iter().map(|&w| w as f32 / 2.0).collect();
    let bias: Vec<f32> = dice.weights(outputs).iter().map(|&b| b as f32 / 2.0).collect();
    w.read(x).gemm(Array2::from_shape_vec((outputs, inputs), weights).unwrap().view(), &bias);
    w.current().to_owned()
}

fn reshaped(w: &mut OnnxWriter, x: &str, shape: &[i64]) -> String {
    let shape = w.integers(shape);
    w.node("Reshape", &[x, &shape], &[])
}

/// Flows of power between two buses: `v₁ v₂ cos(θ₁ − θ₂)`, the voltages and angles from layers of their own.
fn power_flow(dice: &mut Dice, inputs: usize) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[inputs]);
    let hidden = dense(&mut w, dice, "input", (inputs, 4));
    let hidden = w.node("Sigmoid", &[&hidden], &[]);
    let [a, b, angle] = [3, 3, 3].map(|n| dense(&mut w, dice, &hidden, (4, n)));
    let cosine = w.node("Cos", &[&angle], &[]);
    let voltages = w.node("Mul", &[&a, &b], &[]);
    let flow = w.node("Mul", &[&voltages, &cosine], &[]);
    dense(&mut w, dice, &flow, (3, 1));
    w
}

/// A query of Lyapunov's kind: a quadratic form along the motion of a pendulum under a small controller.
fn lyapunov(dice: &mut Dice) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[2]);
    let hidden = dense(&mut w, dice, "input", (2, 4));
    let hidden = w.node("Relu", &[&hidden], &[]);
    let control = dense(&mut w, dice, &hidden, (4, 1));
    let (zero, one) = (w.integers(&[0]), w.integers(&[1]));
    let [angle, speed] = [zero, one].map(|index| w.node("Gather", &["input", &index], &[("axis", Attribute::Int(1))]));
    let sine = w.node("Sin", &[&angle], &[]);
    let force = w.node("Sub", &[&control, &sine], &[]);
    // (θ, ω) P (ω, u − sin θ)
    let motion = w.node("Concat", &[&speed, &force], &[("axis", Attribute::Int(1))]);
    let gradient = dense(&mut w, dice, "input", (2, 2));
    let both = w.node("Mul", &[&gradient, &motion], &[]);
    w.node("ReduceSum", &[&both], &[]);
    w
}

/// A block of a vision transformer: two tokens of two numbers, two heads of attention, a residual sum and a layer.
fn attention(dice: &mut Dice, inputs: usize) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[inputs]);
    let tokens = dense(&mut w, dice, "input", (inputs, 12));
    let tokens = reshaped(&mut w, &tokens, &[1, 3, 4]);
    let mut heads = |w: &mut OnnxWriter, perm: [i64; 4]| {
        let weights = dice.weights(16).iter().map(|&w| w as f32 / 4.0).collect::<Vec<_>>();
        let weights = w.floats(&[4, 4], weights);
        let x = w.node("MatMul", &[&tokens, &weights], &[]);
        let x = reshaped(w, &x, &[1, 3, 2, 2]);
        w.node("Transpose", &[&x], &[("perm", Attribute::Ints(perm.to_vec()))])
    };
    // Head × token × number; keys are turned.
    let (q, k, v) = (heads(&mut w, [0, 2, 1, 3]), heads(&mut w, [0, 2, 3, 1]), heads(&mut w, [0, 2, 1, 3]));
    let scores = w.node("MatMul", &[&q, &k], &[]);
    let shares = w.node("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
    let mixed = w.node("MatMul", &[&shares, &v], &[]);
    let mixed = w.node("Transpose", &[&mixed], &[("perm", Attribute::Ints(vec![0, 2, 1, 3]))]);
    let mixed = reshaped(&mut w, &mixed, &[1, 3, 4]);
    let sum = w.node("Add", &[&tokens, &mixed], &[]);
    let flat = reshaped(&mut w, &sum, &[1, 12]);
    let hidden = dense(&mut w, dice, &flat, (12, 4));
    let hidden = w.node("Gelu", &[&hidden], &[]);
    dense(&mut w, dice, &hidden, (4, 1));
    w
}

/// Polynomials, and quotients by what is never zero.
fn rational(dice: &mut Dice) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[2]);
    let [a, b] = [0, 0].map(|_| dense(&mut w, dice, "input", (2, 3)));
    let product = w.node("Mul", &[&a, &b], &[]);
    let square = w.node("Mul", &[&a, &a], &[]);
    let one = w.floats(&[], [1.0]);
    let divisor = w.node("Add", &[&square, &one], &[]);
    let quotient = w.node("Div", &[&product, &divisor], &[]);
    let cubic = w.node("Mul", &[&quotient, &product], &[]);
    dense(&mut w, dice, &cubic, (3, 1));
    w
}

/// What data choose, without a jump where the choice changes: the larger of two, which is squared if it is positive.
fn chosen(dice: &mut Dice) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[2]);
    let [a, b] = [0, 0].map(|_| dense(&mut w, dice, "input", (2, 3)));
    let above = w.node("Greater", &[&a, &b], &[]);
    let larger = w.node("Where", &[&above, &a, &b], &[]);
    let zero = w.floats(&[], [0.0]);
    let positive = w.node("GreaterOrEqual", &[&larger, &zero], &[]);
    let square = w.node("Mul", &[&larger, &larger], &[]);
    let part = w.node("Where", &[&positive, &square, &zero], &[]);
    dense(&mut w, dice, &part, (3, 1));
    w
}

/// The families in two dimensions.
fn families() -> Vec<(&'static str, OnnxWriter)> {
    let dice = |seed| Dice::new(seed);
    vec![
        ("power flow", power_flow(&mut dice(1), 2)),
        ("lyapunov", lyapunov(&mut dice(2))),
        ("attention", attention(&mut dice(3), 2)),
        ("rational", rational(&mut dice(4))),
        ("chosen", chosen(&mut dice(5))),
    ]
}

/// Every method agrees with bisection, and the deciding ones decide all but ties.
#[test]
fn verdicts_agree_with_bisection_in_two_dimensions() {
    for (family, writer) in families() {
        // Intervals lose much in an attention.
        let tolerance = if family == "attention" { 0.3 } else { 0.1 };
        verdicts_agree(family, &network(&writer), tolerance);
    }
}

/// Bounds hold and every claim is consistent on sampled points of networks that nobody solves.
#[test]
fn bounds_hold_at_sampled_points() {
    for seed in 0..3 {
        let mut dice = Dice::new(100 + seed);
        for writer in [power_flow(&mut dice, 6), attention(&mut dice, 6)] {
            let network = network(&writer);
            let query = at_most(square(6), -1e3);
            for method in [Method::INTERVAL, Method::ZONOTOPE, Method::DEEPPOLY, Method::LP_LAST, Method::KPOLY] {
                let options = Options { method, all_margins: true, all_bounds: true, ..Options::default() };
                let analysis = analyze(&network, &query, &options).unwrap();
                let bounds = &analysis.bounds[0];
                for _ in 0..100 {
                    let x: Vec<Interval> = (0..6).map(|_| Interval::point(2.0 * dice.unit() - 1.0)).collect();
                    let values = network.evaluate_all(&x).unwrap();
                    for (values, bounds) in values.iter().zip(bounds.nodes()) {
                        let inside =
                            |(value, bound): (&Interval, Interval)| bound.lo <= value.hi && value.lo <= bound.hi;
                        assert!(values.iter().zip(bounds.iter()).all(inside), "{}", method.row().name);
                    }
                    assert!(analysis.margins[0].bound <= values[network.output()][0].hi + 1e3);
                }
            }
        }
    }
}

/// A network of products alone is evaluated in rationals, and its witnesses are exact.
#[test]
fn witnesses_of_polynomials_are_rational() {
    let mut w = OnnxWriter::input(&[2]);
    let third = w.floats(&[2], [1.0, 3.0]);
    let x = w.node("Div", &["input", &third], &[]);
    let sum = w.node("ReduceSum", &["input"], &[]);
    let product = w.node("Mul", &[&x, &sum], &[]);
    w.node("ReduceSum", &[&product], &[]);
    // (x + y/3)(x + y) is least at x = 2/3, y = −1, where it is −1/9.
    let network = network(&w);
    let verdict = |c: f64| analyze(&network, &at_most(square(2), c), &Options::default()).unwrap().verdict;
    assert_eq!(verdict(-0.1112).name(), "verified");
    let Verdict::Falsified(witness) = verdict(-0.11) else { panic!("a witness") };
    assert!(witness.output()[0].hi <= -0.11 && witness.output()[0].width() < 1e-15);
}

#[test]
fn float32_and_certificates_are_refused_by_name() {
    let mut w = OnnxWriter::input(&[2]);
    let sum = w.node("ReduceSum", &["input"], &[]);
    w.node("Mul", &["input", &sum], &[]);
    let network = network(&w);
    let refused = |options: Options| analyze(&network, &at_most(square(2), 0.0), &options).unwrap_err();
    let error = refused(Options { arithmetic: Arithmetic::Float32, ..Options::default() });
    assert_eq!(error, AnalyzeError::Float32Activation("Mul_1".into()));
    assert_eq!(refused(Options { certify: true, ..Options::default() }), AnalyzeError::ProofCurve("Mul_1".into()));
}

/// The class of a network as its output: proven where no other can win, refuted where another does at a tie.
#[test]
fn indices_are_decided() {
    for (ahead, largest, expected) in [(2.5, 0.5, "verified"), (2.0, 0.5, "falsified"), (-3.0, -0.5, "verified")] {
        let mut w = OnnxWriter::input(&[2]);
        // At most 2 apart: the second entry wins everywhere when it is further ahead, the first one a tie.
        let shift = w.floats(&[2], [0.0, ahead]);
        let logits = w.node("Add", &["input", &shift], &[]);
        w.node("ArgMax", &[&logits], &[("axis", Attribute::Int(1))]);
        let network = network(&w);
        for method in [Method::AUTO, Method::EXACT] {
            let options = Options { method, ..Options::default() };
            let verdict = analyze(&network, &at_most(square(2), largest), &options).unwrap().verdict;
            assert_eq!(verdict.name(), expected, "{ahead}");
        }
    }
}
