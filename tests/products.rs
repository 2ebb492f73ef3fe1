//! Networks that multiply computed numbers, from file to verdict: against sampling, and against bisection by interval
//! arithmetic in two dimensions.

#![allow(clippy::unwrap_used)]

mod common;

use absint::analyze::Method;
use absint::domains::network::Network;
use absint::domains::num::Interval;
use absint::domains::verdict::Verdict;
use absint::format::onnx::{Attribute, OnnxWriter, parse};
use absint::{AnalyzeError, Options, analyze};
use common::Dice;
use common::bisection::{at_most, square, verdicts_agree};
use common::families::{attention, chosen, generator, lyapunov, power_flow, rational, sigmoids};

/// Weights drawn from a seed.
fn draw(seed: u64) -> impl FnMut(usize) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    move |n| dice.weights(n).iter().map(|&w| w as f32).collect()
}

fn network(writer: &OnnxWriter) -> Network {
    parse(&writer.finish(&[1]), "products.onnx").unwrap_or_else(|e| panic!("{e}")).network
}

/// The families in two dimensions.
fn families() -> Vec<(&'static str, OnnxWriter)> {
    vec![
        ("power flow", power_flow(&mut draw(1), 2)),
        ("lyapunov", lyapunov(&mut draw(2))),
        ("attention", attention(&mut draw(3), 2)),
        ("rational", rational(&mut draw(4))),
        ("chosen", chosen(&mut draw(5))),
        ("sigmoids", sigmoids(&mut draw(6), 2)),
        ("generator", generator(&mut draw(7), 2)),
    ]
}

/// Writes the families where `ABSINT_WRITE_FAMILIES` says, each with a query that no input of the square answers and one that
/// some do, for scripts/families.py.
#[test]
fn families_are_written_where_asked() {
    let Some(folder) = std::env::var_os("ABSINT_WRITE_FAMILIES").map(std::path::PathBuf::from) else { return };
    for (family, writer) in families() {
        let name = folder.join(family.replace(' ', "_"));
        std::fs::write(name.with_extension("onnx"), writer.finish(&[1])).unwrap();
        let [proven, attained] = common::bisection::least(&network(&writer), tolerance(family));
        for (expected, threshold) in [("unsat", proven - 0.03), ("sat", attained + 0.01)] {
            let query = format!(
                "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n(assert (<= -1 X_0))\n\
                 (assert (<= X_0 1))\n(assert (<= -1 X_1))\n(assert (<= X_1 1))\n(assert (<= Y_0 {threshold}))\n"
            );
            std::fs::write(name.with_extension(format!("{expected}.vnnlib")), query).unwrap();
        }
    }
}

/// Intervals lose much in an attention, and in an image that is summed up.
fn tolerance(family: &str) -> f64 {
    if ["attention", "generator"].contains(&family) { 0.3 } else { 0.1 }
}

/// Every method agrees with bisection, and the deciding ones decide all but ties.
#[test]
fn verdicts_agree_with_bisection_in_two_dimensions() {
    for (family, writer) in families() {
        verdicts_agree(family, &network(&writer), tolerance(family));
    }
}

/// Bounds hold and every claim is consistent on sampled points of networks that nobody solves.
#[test]
fn bounds_hold_at_sampled_points() {
    for seed in 0..3 {
        let (mut dice, mut weights) = (Dice::new(seed), draw(100 + seed));
        let writers = [power_flow(&mut weights, 6), attention(&mut weights, 6), generator(&mut weights, 6)];
        for writer in writers {
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
fn certificates_are_refused_by_name() {
    let mut w = OnnxWriter::input(&[2]);
    let sum = w.node("ReduceSum", &["input"], &[]);
    w.node("Mul", &["input", &sum], &[]);
    let network = network(&w);
    let refused = |options: Options| analyze(&network, &at_most(square(2), 0.0), &options).unwrap_err();
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
