//! The time limit of a command: every method, whatever it does, and every file that is slow to read.

#![allow(clippy::unwrap_used)]

use absint::analyze::Method;
use absint::format::onnx::OnnxWriter;
use ndarray::Array2;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Far above the limit and its second of grace, and far below what the work would take: the machine may be busy.
const HANGS: Duration = Duration::from_secs(40);

/// Runs the program with a limit of one second; its exit status.
fn limited(arguments: &[&str]) -> Output {
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
    let output = command.args(arguments).args(["--timeout", "1", "-q"]).output().unwrap();
    assert!(start.elapsed() < HANGS, "{arguments:?}");
    output
}

/// A network that every method but the simplest works on for minutes: ten layers of 400 ReLUs.
fn slow_network(path: &Path) {
    let (inputs, width, mut dice) = (20, 400, 1u32);
    let mut weight = move |_| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((dice >> 16) as f32 / 32768.0 - 1.0) * 0.3
    };
    let mut writer = OnnxWriter::input(&[inputs]);
    let mut layer = |rows: usize, columns: usize| {
        Array2::from_shape_vec((rows, columns), (0..rows * columns).map(&mut weight).collect()).unwrap()
    };
    writer.gemm(layer(width, inputs).view(), &vec![0.0; width]);
    for _ in 0..9 {
        writer.relu();
        writer.gemm(layer(width, width).view(), &vec![0.0; width]);
    }
    writer.relu();
    writer.gemm(layer(2, width).view(), &[0.0; 2]);
    fs::write(path, writer.finish(&[2])).unwrap();
}

/// What is slow in a query: the region, or the number of disjuncts.
fn slow_queries() -> [(&'static str, String); 3] {
    let declared: String = (0..20).map(|i| format!("(declare-const X_{i} Real)")).collect();
    let declared = format!("{declared}(declare-const Y_0 Real)(declare-const Y_1 Real)");
    let within = |low: &str, high: &str| -> String {
        (0..20).map(|i| format!("(assert (>= X_{i} {low}))(assert (<= X_{i} {high}))")).collect()
    };
    let many = "(<= Y_0 -1000000)".repeat(1 << 17);
    [
        ("a box", format!("{declared}{}(assert (>= Y_0 1000000))", within("-1", "1"))),
        ("a point", format!("{declared}{}(assert (>= Y_0 1000000))", within("0.123456789", "0.123456789"))),
        ("many disjuncts", format!("{declared}{}(assert (or {many}))", within("-1", "1"))),
    ]
}

#[test]
fn every_method_keeps_its_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (network, file) = (folder.path().join("net.onnx"), folder.path().join("q.vnnlib"));
    slow_network(&network);
    for (what, query) in slow_queries() {
        fs::write(&file, query).unwrap();
        for method in Method::ALL {
            let name = method.to_string();
            let (network, query) = (network.to_str().unwrap(), file.to_str().unwrap());
            let output = limited(&["analyze", network, "--vnnlib", query, "--domain", &name]);
            assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{what}, {name}: {output:?}");
        }
    }
}

/// What was found before a stage that does not stop in time is part of the answer.
#[test]
fn an_abandoned_analysis_says_what_it_knows_so_far() {
    let folder = tempfile::tempdir().unwrap();
    let (network, file) = (folder.path().join("net.onnx"), folder.path().join("q.vnnlib"));
    slow_network(&network);
    fs::write(&file, &slow_queries()[0].1).unwrap();
    let (network, query) = (network.to_str().unwrap(), file.to_str().unwrap());
    let output = limited(&["analyze", network, "--vnnlib", query, "--domain", "auto", "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["verdict"], "unknown");
    assert_eq!(answer["may_help"], serde_json::json!(["a larger --timeout"]));
    assert!(answer["disjuncts"][0]["bound"].is_number(), "{answer}");
    assert_eq!(answer["stages"][0]["name"], "interval");
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("net.onnx");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    for arguments in
        [&["info", pipe][..], &["analyze", pipe, "--query", "q.json"], &["attack", pipe, "--query", "q.json"]]
    {
        assert_eq!(limited(arguments).status.code(), Some(3), "{arguments:?}");
    }
    for arguments in [
        &["certify", pipe, "--data", pipe, "--eps", "0.1"][..],
        &["radius", pipe, "--data", pipe],
        &["compare", pipe, "--data", pipe, "--eps", "0.1"],
        &["merge", pipe],
    ] {
        let output = limited(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--timeout"), "{arguments:?}");
    }
    // What never ends is refused as soon as that shows, and not read for as long as there is memory.
    let output = Command::new(env!("CARGO_BIN_EXE_absint")).args(["merge", "/dev/zero"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && error.contains("first line is no header"), "{error}");
    let output = limited(&["info", pipe, "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((answer["verdict"].as_str(), answer["out_of_time"].as_bool()), (Some("unknown"), Some(true)));
}
