//! A strict inequality is refuted only by a point that keeps it strictly, whatever the method.

#![allow(clippy::unwrap_used)]

use absint::analyze::Method;
use absint::domains::verdict::Verdict;
use absint::format::onnx::{OnnxWriter, parse};
use absint::format::vnnlib;
use absint::{Options, analyze};
use ndarray::array;

/// `relu(x)`, or 1 + sign(x), which is 0 or 2: both attain 0, and nothing below.
fn networks() -> [(&'static str, Vec<u8>); 2] {
    let mut relu = OnnxWriter::input(&[1]);
    relu.gemm(array![[1.0]].view(), &[0.0]).relu().gemm(array![[1.0]].view(), &[0.0]);
    let mut signum = OnnxWriter::input(&[1]);
    signum.gemm(array![[1.0]].view(), &[0.0]).sign().gemm(array![[1.0]].view(), &[1.0]);
    [("relu", relu.finish(&[1])), ("signum", signum.finish(&[1]))]
}

#[test]
fn a_tie_is_no_counterexample_of_a_strict_inequality() {
    for (name, bytes) in networks() {
        let network = parse(&bytes, name).unwrap().network;
        // What is asserted, and whether there is such a point.
        for (asserted, is_sat) in [
            ("(< Y_0 0)", false),
            ("(not (>= Y_0 0))", false),
            ("(<= Y_0 0)", true),
            ("(< Y_0 0.5)", true),
            ("(and (> X_0 0.5) (< X_0 0.5))", false),
            ("(and (> X_0 0.25) (< X_0 0.75) (>= Y_0 0))", true),
            ("(or (< Y_0 0) (and))", true),
            ("(and (<= Y_0 0) (or))", false),
        ] {
            let text =
                format!("(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= -1 X_0 1))(assert {asserted})");
            let query = vnnlib::parse(&text, asserted).unwrap().query;
            for method in Method::ALL {
                let options = Options { method, ..Options::default() };
                match analyze(&network, &query, &options).map(|a| a.verdict) {
                    Ok(Verdict::Falsified(_)) => assert!(is_sat, "{name}, {method}: {asserted} is falsified"),
                    Ok(Verdict::Verified(_)) => assert!(!is_sat, "{name}, {method}: {asserted} is verified"),
                    Ok(Verdict::Unknown(_)) => {}
                    // Not every method is defined on both networks, but none contradicts itself.
                    Err(e) => assert!(!e.to_string().contains("bug"), "{name}, {method}: {asserted}: {e}"),
                }
            }
        }
    }
}
