//! Small models of the corpus against what ONNX Runtime computes for them (without its approximate fusions):
//! `reference.csv` has a line
//! `model;input;output` for each. All numbers are small multiples of powers of two, so that nothing rounds.

use absint::domains::num::{Rational, exact};
use absint::format::onnx::read;
use std::path::Path;

fn numbers(text: &str) -> Vec<Rational> {
    text.split(',').map(|n| exact(n.parse().unwrap()).unwrap()).collect()
}

#[test]
fn every_operator_computes_what_the_runtime_computes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let table = std::fs::read_to_string(root.join("onnx/reference.csv")).unwrap();
    let mut failures = Vec::new();
    for line in table.lines() {
        let [name, x, y] = line.split(';').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let model = read(&root.join(format!("fuzz_corpus/onnx/{name}.onnx")));
        match model.map(|m| m.network.evaluate::<Rational>(&numbers(x))) {
            Ok(Ok(found)) if found == numbers(y) => {}
            Ok(found) => failures.push(format!("{name}: {found:?}, expected {y}")),
            Err(e) => failures.push(format!("{name}: {e}")),
        }
    }
    assert!(table.lines().count() > 40);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
