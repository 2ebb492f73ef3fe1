//! `absint verify` and the competition's scripts: one of four words first, and counterexamples that hold.

#![allow(clippy::unwrap_used)]

use absint::domains::num::{Rational, parse_decimal};
use absint::domains::verdict::Witness;
use absint::format::onnx::OnnxWriter;
use absint::format::{onnx, vnnlib};
use flate2::{Compression, write::GzEncoder};
use ndarray::array;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// y₀ = relu(x₀ − x₁), y₁ = relu(x₁) and a query about it.
struct Fixture {
    folder: tempfile::TempDir,
    network: PathBuf,
    query: PathBuf,
}

const DECLARED: &str =
    "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)\n";
const BOX: &str = "(assert (>= X_0 0))(assert (<= X_0 1))(assert (>= X_1 0))(assert (<= X_1 0.3))\n";

impl Fixture {
    fn new(assertions: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = OnnxWriter::input(&[2]);
        writer.gemm(array![[1.0f32, -1.0], [0.0, 1.0]].view(), &[0.0, 0.0]);
        writer.relu();
        let network = folder.path().join("net.onnx");
        fs::write(&network, writer.finish(&[2])).unwrap();
        let query = folder.path().join("query.vnnlib");
        fs::write(&query, format!("{DECLARED}{assertions}")).unwrap();
        Self { folder, network, query }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
        command.arg("verify").arg(&self.query).arg("--network").arg(&self.network).arg("-q");
        command
    }

    fn answer(&self) -> String {
        let output = self.command().output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Replays the assignment that an answer states; its inputs.
    fn replay(&self, answer: &str) -> Vec<Rational> {
        let (word, assignment) = answer.split_once('\n').unwrap();
        assert_eq!(word, "sat");
        let (inputs, outputs) = parse(assignment);
        let network = onnx::read(&self.network).unwrap().network;
        let query = vnnlib::read(&self.query).unwrap().query;
        assert!(query.cases.iter().any(|case| {
            (0..case.property.disjuncts.len()).any(|d| Witness::replay(&network, case, d, inputs.clone()).is_some())
        }));
        let exact = network.evaluate(&inputs).unwrap();
        let tolerance = parse_decimal("1e-9").unwrap();
        assert_eq!(exact.len(), outputs.len());
        assert!(exact.iter().zip(&outputs).all(|(a, b)| a - b <= tolerance && b - a <= tolerance));
        inputs
    }
}

/// Reads `((X_0 v) … (Y_0 v) …)` as the competition's checker does: pairs in order, inputs first.
fn parse(assignment: &str) -> (Vec<Rational>, Vec<Rational>) {
    let inner = assignment.trim().strip_prefix('(').unwrap().strip_suffix(')').unwrap();
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for pair in inner.split(')').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) = pair.strip_prefix('(').unwrap().split_once(' ').unwrap();
        let (letter, number) = name.split_once('_').unwrap();
        let list = match letter {
            "X" if outputs.is_empty() => &mut inputs,
            "Y" => &mut outputs,
            _ => panic!("{name} out of order"),
        };
        assert_eq!(number.parse(), Ok(list.len()));
        list.push(parse_decimal(value).unwrap());
    }
    (inputs, outputs)
}

#[test]
fn every_kind_of_query_is_answered() {
    for (assertions, expected) in [
        (format!("{BOX}(assert (>= Y_0 1.5))"), "unsat"),
        (format!("{BOX}(assert (>= Y_0 0.5))"), "sat"),
        // The maximum itself, at one corner.
        (format!("{BOX}(assert (>= Y_0 1))"), "sat"),
        (format!("{BOX}(assert (or (and (>= Y_0 1.5)) (and (<= Y_0 0.1) (>= Y_1 0.25))))"), "sat"),
        (format!("{BOX}(assert (or (and (>= Y_0 1.5)) (and (>= Y_0 0.9) (>= Y_1 0.2))))"), "unsat"),
        (format!("{BOX}(assert (<= Y_0 0.2))(assert (>= Y_1 0.1))"), "sat"),
        (format!("{BOX}(assert (>= (+ Y_0 Y_1) 1.2))"), "unsat"),
        // Several boxes, and boxes mixed with outputs.
        (
            "(assert (or (and (>= X_0 0) (<= X_0 0.1) (>= X_1 0) (<= X_1 1)) \
                (and (>= X_0 0.8) (<= X_0 0.9) (>= X_1 0) (<= X_1 1))))(assert (>= Y_0 0.85))"
                .into(),
            "sat",
        ),
        (
            "(assert (or (and (>= X_0 0) (<= X_0 0.1) (>= X_1 0) (<= X_1 1) (>= Y_0 0.2)) \
                (and (>= X_0 0.8) (<= X_0 0.9) (>= X_1 0) (<= X_1 1) (>= Y_0 0.95))))"
                .into(),
            "unsat",
        ),
    ] {
        let fixture = Fixture::new(&assertions);
        let answer = fixture.answer();
        assert_eq!(answer.lines().next(), Some(expected), "{assertions}");
        match expected {
            "sat" => {
                fixture.replay(&answer);
            }
            _ => assert_eq!(answer, "unsat\n"),
        }
    }
}

#[test]
fn a_counterexample_is_one_that_float32_holds_where_there_is_one() {
    // 0.3 is no float32, and the nearest one lies outside of the box.
    let fixture = Fixture::new(&format!("{BOX}(assert (>= Y_1 0.2999))"));
    let inputs = fixture.replay(&fixture.answer());
    for x in inputs {
        let nearest = absint::domains::num::nearest(&x);
        assert_eq!(f64::from(nearest as f32), nearest);
    }
}

#[test]
fn a_tie_out_of_reach_of_floats_is_no_wrong_answer() {
    // Only x₁ = 0.3 exactly shows it, and no float is 0.3.
    let fixture = Fixture::new(&format!("{BOX}(assert (>= Y_1 0.3))"));
    assert_eq!(fixture.answer().lines().next(), Some("sat"));
}

#[test]
fn the_decimals_of_a_counterexample_lie_in_a_box_narrower_than_floats() {
    let (low, high) = ("0.10000000000000000000001", "0.10000000000000000000002");
    let narrow = format!("(assert (>= X_0 {low}))(assert (<= X_0 {high}))(assert (>= X_1 0))(assert (<= X_1 0))");
    let fixture = Fixture::new(&format!("{narrow}(assert (>= Y_0 0.05))"));
    let x = fixture.replay(&fixture.answer());
    assert!(parse_decimal(low).unwrap() <= x[0] && x[0] <= parse_decimal(high).unwrap(), "{x:?}");
    let mut analyze = Command::new(env!("CARGO_BIN_EXE_absint"));
    analyze.arg("analyze").arg(&fixture.network).arg("--vnnlib").arg(&fixture.query).arg("-q");
    let text = String::from_utf8(analyze.output().unwrap().stdout).unwrap();
    assert!(text.contains("x = 0.1000000000000000000000"), "{text}");
    let text = String::from_utf8(analyze.args(["--format", "json"]).output().unwrap().stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let x = parse_decimal(json["witness"]["input_decimal"][0].as_str().unwrap()).unwrap();
    assert!(parse_decimal(low).unwrap() <= x && x <= parse_decimal(high).unwrap());
}

#[test]
fn outputs_of_a_counterexample_are_those_of_the_file_with_its_softmax() {
    for (operator, of) in [("Softmax", (|y| y) as fn(f64) -> f64), ("LogSoftmax", f64::exp)] {
        let fixture = Fixture::new(&format!("{BOX}(assert (>= Y_0 Y_1))"));
        let mut writer = OnnxWriter::input(&[2]);
        writer.gemm(array![[1.0f32, -1.0], [0.0, 1.0]].view(), &[0.0, 0.0]);
        let logits = writer.current().to_owned();
        writer.node(operator, &[&logits], &[]);
        fs::write(&fixture.network, writer.finish(&[2])).unwrap();
        let answer = fixture.answer();
        let (inputs, outputs) = parse(answer.strip_prefix("sat\n").unwrap());
        let float = |q: &Rational| absint::domains::num::nearest(q);
        let (x, y): (Vec<f64>, Vec<f64>) = (inputs.iter().map(float).collect(), outputs.iter().map(float).collect());
        let expected = 1.0 / (1.0 + (x[1] - (x[0] - x[1])).exp());
        assert!((of(y[0]) - expected).abs() < 1e-9 && (of(y[0]) + of(y[1]) - 1.0).abs() < 1e-9, "{answer}");
        let mut analyze = Command::new(env!("CARGO_BIN_EXE_absint"));
        analyze.arg("analyze").arg(&fixture.network).arg("--vnnlib").arg(&fixture.query).arg("-q");
        let text = String::from_utf8(analyze.output().unwrap().stdout).unwrap();
        assert!(text.contains("probabilities)") && text.contains("(logits)"), "{text}");
        let text = String::from_utf8(analyze.args(["--format", "json"]).output().unwrap().stdout).unwrap();
        let witness = &serde_json::from_str::<serde_json::Value>(&text).unwrap()["witness"];
        assert_eq!(witness["output_is"], "logits");
        let sum: f64 = (0..2).map(|i| of(witness["model_output"][i].as_f64().unwrap())).sum();
        assert!((sum - 1.0).abs() < 1e-9 && witness["model_output_is"].as_str().unwrap().ends_with("probabilities"));
    }
}

/// As many boxes as the largest public queries have, one after the other.
#[test]
fn every_one_of_very_many_boxes_counts() {
    let boxes = |last: &str| {
        let one = |i: usize| {
            let (low, threshold) = (i as f64 / 11_000.0, if i == 10_999 { last } else { "2" });
            format!("(and (<= {low} X_0 1) (<= 0 X_1 0.5) (>= Y_0 {threshold}))")
        };
        format!("(assert (or {}))", (0..11_000).map(one).collect::<String>())
    };
    assert_eq!(Fixture::new(&boxes("2")).answer().trim(), "unsat");
    let fixture = Fixture::new(&boxes("0.9995"));
    fixture.replay(&fixture.answer());
}

#[test]
fn out_of_time_is_said_in_time() {
    let fixture = Fixture::new(&format!("{BOX}(assert (>= Y_0 1.5))"));
    let start = Instant::now();
    let output = fixture.command().args(["--timeout", "0"]).output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"timed-out\n"[..], Some(0)));
    // Not a measurement: a hang would show.
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn unreadable_input_is_unknown_with_status_two() {
    let fixture = Fixture::new("(assert (<= X_0");
    for command in [fixture.command(), {
        let mut command = Fixture::new(BOX).command();
        command.args(["--timeout", "10"]);
        command
    }] {
        let mut command = command;
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"unknown\n"[..], Some(2)), "{error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    }
}

fn gzip(path: &Path) -> PathBuf {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&fs::read(path).unwrap()).unwrap();
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    fs::write(&name, encoder.finish().unwrap()).unwrap();
    PathBuf::from(name)
}

#[test]
fn compressed_files_are_read_by_every_command() {
    let fixture = Fixture::new(&format!("{BOX}(assert (>= Y_0 1.5))"));
    let (network, query) = (gzip(&fixture.network), gzip(&fixture.query));
    let images = fixture.folder.path().join("images.csv");
    fs::write(&images, "0,255,0\n").unwrap();
    let images = gzip(&images);
    let run = |arguments: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
        command.args(arguments).arg("-q");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let [verify, analyze, certify, info] = ["verify", "analyze", "certify", "info"].map(Path::new);
    assert_eq!(run(&[verify, &query, "--network".as_ref(), &network]), "unsat\n");
    assert!(run(&[analyze, &network, "--vnnlib".as_ref(), &query]).contains("verified"));
    let ball = ["--data".as_ref(), images.as_path(), "--eps".as_ref(), "0.1".as_ref()];
    assert!(run(&[&[analyze, &network], &ball[..]].concat()).contains("verified"));
    assert!(run(&[&[certify, &network], &ball[..]].concat()).contains("100.0 %"));
    assert!(run(&[info, &network]).contains("relu"));
    // MNIST's own files are a pair, compressed each.
    let folder = fixture.folder.path();
    fs::write(folder.join("t10k-images-idx3-ubyte"), [0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 255, 0]).unwrap();
    fs::write(folder.join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 1, 0]).unwrap();
    gzip(&folder.join("t10k-labels-idx1-ubyte"));
    let pair = gzip(&folder.join("t10k-images-idx3-ubyte"));
    let ball = ["--data".as_ref(), pair.as_path(), "--eps".as_ref(), "0.1".as_ref()];
    assert!(run(&[&[analyze, &network], &ball[..]].concat()).contains("verified"));
}

#[cfg(unix)]
#[test]
fn the_scripts_of_the_competition_write_its_words() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let script = |name: &str, fixture: &Fixture, more: &[&str]| {
        let mut command = Command::new(scripts.join(name));
        command.args(["v1", "test"]).arg(&fixture.network).arg(&fixture.query).args(more);
        command.env("ABSINT", env!("CARGO_BIN_EXE_absint")).output().unwrap().status.success()
    };
    for (assertions, timeout, expected) in [
        ("(assert (>= Y_0 1.5))", "10", "unsat"),
        ("(assert (>= Y_0 0.5))", "10", "sat"),
        ("(assert (>= Y_0 1.5))", "0", "timeout"),
        ("(assert (", "10", "error"),
    ] {
        let fixture = Fixture::new(&format!("{BOX}{assertions}"));
        assert!(script("prepare_instance.sh", &fixture, &[]));
        let results = fixture.folder.path().join("results.txt");
        assert!(script("run_instance.sh", &fixture, &[results.to_str().unwrap(), timeout]));
        let text = fs::read_to_string(results).unwrap();
        assert_eq!(text.lines().next(), Some(expected));
        match expected {
            "sat" => {
                fixture.replay(&text);
            }
            _ => assert_eq!(text.lines().count(), 1),
        }
    }
    let fixture = Fixture::new(BOX);
    let old = Command::new(scripts.join("run_instance.sh")).arg("v0").output().unwrap();
    assert!(!old.status.success() && String::from_utf8(old.stderr).unwrap().contains("v1"));
    fs::remove_file(&fixture.query).unwrap();
    assert!(!script("prepare_instance.sh", &fixture, &[]));
}
