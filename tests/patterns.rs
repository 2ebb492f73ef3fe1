//! Activation pattern trees: those of our own certificates are proven anew, and what is no proof is refused.

#![allow(clippy::unwrap_used)]

mod common;

use absint::analyze::deadline;
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::exact::patterns::{Reproved, reprove};
use absint::format::onnx::{OnnxWriter, parse};
use absint::format::patterns;
use common::Dice;
use itertools::Itertools;
use ndarray::Array2;
use std::path::Path;
use std::process::{Command, Output};

/// So many inputs that neurons are split, not boxes.
const INPUTS: usize = 6;

/// A network with two layers of ReLUs and two outputs.
fn writer(seed: u64) -> OnnxWriter {
    let mut dice = Dice::new(seed);
    let mut w = OnnxWriter::input(&[INPUTS]);
    for (inputs, outputs) in [(INPUTS, 4), (4, 4), (4, 2)] {
        if inputs < INPUTS {
            w.relu();
        }
        let weights = dice.weights(inputs * outputs).iter().map(|&w| w as f32).collect();
        let bias: Vec<f32> = dice.weights(outputs).iter().map(|&b| b as f32).collect();
        w.gemm(Array2::from_shape_vec((outputs, inputs), weights).unwrap().view(), &bias);
    }
    w
}

fn absint(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_absint")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// `Y_0 ≤ c` over a box around zero.
fn query(c: f64) -> String {
    let inputs: String =
        (0..INPUTS).map(|i| format!("(declare-const X_{i} Real)\n(assert (<= -1 X_{i} 1))\n")).collect();
    format!("{inputs}(declare-const Y_0 Real)\n(declare-const Y_1 Real)\n(assert (<= Y_0 {c:?}))\n")
}

/// The least value of the first output on a coarse grid, which is not below the minimum.
fn least(network: &Network) -> f64 {
    let points = (0..INPUTS).map(|_| [-1.0, -0.5, 0.0, 0.5, 1.0]).multi_cartesian_product();
    points.map(|x| network.evaluate(&x).unwrap()[0]).fold(f64::INFINITY, f64::min)
}

/// The tree of a certificate of a query that takes splits, as text, with the files of network and query.
fn tree(folder: &Path, seed: u64) -> Option<(String, [String; 3])> {
    let path = |name: &str| folder.join(name).display().to_string();
    let (net, question, proof, tree) = (path("net.onnx"), path("q.vnnlib"), path("proof"), path("tree.aptp"));
    let bytes = writer(seed).finish(&[2]);
    let least = least(&parse(&bytes, "net").unwrap().network);
    std::fs::write(&net, bytes).unwrap();
    std::fs::write(&question, query(least - 0.05 - 0.01 * least.abs())).unwrap();
    let analysis = ["analyze", &net, "--vnnlib", &question, "--domain", "auto", "--proof", &proof, "--force"];
    let proven = absint(&analysis);
    if proven.status.code() != Some(0) {
        return None;
    }
    let checked = absint(&["check", &proof, &net, "--vnnlib", &question, "--aptp", &tree, "--force"]);
    // A tree of boxes is none.
    checked.status.success().then(|| (std::fs::read_to_string(&tree).unwrap(), [net, question, tree]))
}

#[test]
fn trees_of_certificates_are_proven_anew_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut proven, mut split) = (0, 0);
    for seed in 0..30 {
        let Some((text, [net, question, tree])) = tree(folder.path(), seed) else { continue };
        let check = |text: &str, rest: &[&str]| {
            std::fs::write(&tree, text).unwrap();
            absint(&[&["check", &tree, &net][..], rest].concat())
        };
        for rest in [&[][..], &["--vnnlib", &question]] {
            let again = check(&text, rest);
            assert!(again.status.success() && said(&again).contains("accepted, for this network"), "{}", said(&again));
        }
        proven += 1;
        let leaves: Vec<&str> = text.lines().filter(|line| line.starts_with("  (and ")).collect();
        split += usize::from(leaves.len() > 2);
        // Without one of its leaves it covers less.
        let fewer = check(&text.replacen(&format!("{}\n", leaves[0]), "", 1), &[]);
        assert_eq!(fewer.status.code(), Some(2));
        assert!(said(&fewer).contains("no leaf holds the pattern (N_"), "{}", said(&fewer));
        // What is not so is not proven by any tree.
        let c = text.lines().find(|line| line.starts_with("(assert (<= Y_0 ")).unwrap();
        let wrong = check(&text.replace(c, "(assert (<= Y_0 100000))"), &[]);
        assert_eq!(wrong.status.code(), Some(2));
        assert!(said(&wrong).contains("there is a counterexample"), "{}", said(&wrong));
        let unknown = check(&text.replace("N_1 ", "N_99 ").replace("N_1)", "N_99)"), &[]);
        assert!(said(&unknown).contains("there is no neuron `N_99`: the network has 8 ReLUs"), "{}", said(&unknown));
    }
    assert!(proven > 8 && split > 3, "{proven} {split}");
}

/// Leaves are bounded on their own patterns: a margin that is positive on one alone is refuted there and open elsewhere.
#[test]
fn a_leaf_is_refuted_where_it_holds() {
    let mut w = OnnxWriter::input(&[1]);
    w.relu();
    let network = parse(&w.finish(&[1]), "net").unwrap().network;
    let tree = |phase: &str, c: &str| {
        format!(
            "(declare-const X_0 Real)(declare-const Y_0 Real)(declare-pwl N_1 ReLU)(assert (<= -1 X_0 1))\n\
             (assert (or {phase}))(assert {c})"
        )
    };
    let outcome = |phase: &str, c: &str| {
        let tree = patterns::parse(&tree(phase, c), "t").unwrap();
        let query = tree.query.of_network(&network).unwrap();
        let places = patterns::places(&network).unwrap();
        let budget = deadline(None);
        reprove(&network, &query, &places, &tree.leaves, Run::silent(&budget)).unwrap()
    };
    let both = "(and (< N_1 0)) (and (>= N_1 0))";
    assert!(matches!(outcome(both, "(<= Y_0 -0.01)"), Reproved::Refuted { .. }));
    assert!(matches!(outcome(both, "(>= Y_0 1.01)"), Reproved::Refuted { .. }));
    assert!(matches!(outcome(both, "(>= Y_0 0.5)"), Reproved::Falsified(_)));
    assert!(matches!(outcome("(< N_1 0)", "(<= Y_0 -0.01)"), Reproved::Uncovered(pattern) if pattern == [(1, false)]));
}
