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

#[test]
fn every_method_keeps_its_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (network, query) = (folder.path().join("net.onnx"), folder.path().join("q.vnnlib"));
    slow_network(&network);
    let declared: String = (0..20).map(|i| format!("(declare-const X_{i} Real)")).collect();
    let boxed: String = (0..20).map(|i| format!("(assert (>= X_{i} -1))(assert (<= X_{i} 1))")).collect();
    let text = format!("{declared}(declare-const Y_0 Real)(declare-const Y_1 Real){boxed}(assert (>= Y_0 1000000))");
    fs::write(&query, text).unwrap();
    let (network, query) = (network.to_str().unwrap(), query.to_str().unwrap());
    for method in Method::ALL {
        let name = method.to_string();
        let output = limited(&["analyze", network, "--vnnlib", query, "--domain", &name]);
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{name}: {output:?}");
    }
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
    let output = limited(&["info", pipe, "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((answer["verdict"].as_str(), answer["out_of_time"].as_bool()), (Some("unknown"), Some(true)));
}
