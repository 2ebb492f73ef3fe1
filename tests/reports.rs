//! The cases that people reported, each with its right answer or error.

#![allow(clippy::unwrap_used)]

mod common;

use common::data::folder;
use std::path::Path;
use std::process::{Command, Output};

/// What is run in a case's folder, the exit status, and what stdout or stderr says.
type Case = (&'static str, &'static str, i32, &'static str);

const CASES: &[Case] = &[
    ("external_data", "verify q.vnnlib --network ext.onnx", 0, "sat\n"),
    ("sign_of_weights", "verify q.vnnlib --network net.onnx", 0, "(Y_0 4.00628"),
    ("unsorted_nodes", "verify q.vnnlib --network net.onnx", 0, "(Y_0 2)\n (Y_1 3)"),
    // Between the ends of the box, not the float beside it.
    ("narrow_box_witness_digits", "verify q.vnnlib --network net.onnx", 0, "(X_0 0.1000000000000000000000"),
    // Probabilities, and not logits.
    ("softmax_witness_outputs", "verify q.vnnlib --network net.onnx", 0, "(Y_0 0.2199411"),
    ("product_network", "verify q.vnnlib --network net.onnx --timeout 40", 0, "unsat\n"),
    ("product_network", "verify q.vnnlib --network net.onnx", 0, "unsat\n"),
    ("mixed_sign_relu_exact", "analyze net.onnx --vnnlib q.vnnlib --domain exact", 0, "verified"),
    (
        "nhwc_layout",
        "analyze net.onnx --data image.csv --eps 0.01 --layout hwc --mean 0.49,0.48,0.45 --std 0.2,0.21,0.22",
        1,
        "falsified",
    ),
    ("mean_count", "analyze net.onnx --data image.csv --eps 0.01 --mean 0.49,0.1 --std 0.2,0.9", 2, "--mean"),
    (
        "mean_count",
        "analyze net.onnx --data image.csv --eps 0.01 --channels first --mean 0.49,0.1 --std 0.2,0.9",
        2,
        "one per channel",
    ),
    ("hostile", "merge merge/huge_range.jsonl", 2, "`range` is missing or wrong"),
    ("hostile", "merge merge/reversed_range.jsonl", 2, "`range` is missing or wrong"),
    // What a full disk glued together is left out.
    ("hostile", "merge glued.jsonl", 3, "missing 1560 images: 218, 238–1796"),
    ("hostile", "info attrs1.onnx.gz", 2, "far more memory than the file has bytes"),
    ("hostile", "check slow_check --timeout 1", 3, "unknown: out of time"),
    (
        "hostile",
        "analyze res100k.onnx --data c.csv --eps 0.001 --domain zonotope --timeout 120 --no-attack",
        3,
        "the generators of the zonotope would take more than 1 GiB",
    ),
];

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_absint")).current_dir(folder).args(arguments).arg("-q").output().unwrap()
}

#[test]
fn every_case_has_its_right_answer() {
    let Some(reports) = folder("every reported case", "reports") else { return };
    for (case, arguments, status, said) in CASES {
        let output = run(&reports.join(case), &arguments.split(' ').collect::<Vec<_>>());
        let text = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
        assert_eq!(output.status.code(), Some(*status), "{case}: {text}");
        assert!(text.contains(said), "{case}: {text}");
    }
}

/// A point of the inputs is answered by each method as the box of the floats around it, whatever the network.
#[test]
fn a_point_has_the_answer_of_its_box() {
    let Some(reports) = folder("a point", "reports") else { return };
    let Some(networks) = folder("a point", "sdp_cnn") else { return };
    let network = networks.join("mnist_cnn_a_adv.onnx");
    for domain in ["interval", "deeppoly", "zonotope"] {
        let answer = |query: &str| {
            let arguments = ["analyze", network.to_str().unwrap(), "--vnnlib", query, "--domain", domain];
            run(&reports.join("point_query_slow"), &arguments).status.code()
        };
        assert_eq!(answer("point.vnnlib"), answer("box.vnnlib"), "{domain}");
        assert!(matches!(answer("point.vnnlib"), Some(0 | 1)), "{domain}");
    }
}
