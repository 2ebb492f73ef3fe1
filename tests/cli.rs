//! The program as a user meets it: answers, exit statuses, and one clear line for every bad input.

#![allow(clippy::unwrap_used)]

use absint::format::onnx::OnnxWriter;
use assert_cmd::Command;
use ndarray::array;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn absint() -> Command {
    let mut command = Command::cargo_bin("absint").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn digits(name: &str) -> String {
    format!("networks/{name}")
}

/// A folder for one test's files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// y₀ = x₀ − x₁, y₁ = 0.5: two inputs, two outputs.
fn small_network(folder: &Folder) -> PathBuf {
    let mut writer = OnnxWriter::input(&[2]);
    writer.gemm(array![[1.0f32, -1.0], [0.0, 0.0]].view(), &[0.0, 0.5]);
    folder.write("small.onnx", writer.finish(&[2]))
}

const BOX: &str = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)\n\
    (assert (>= X_0 0))(assert (<= X_0 1))(assert (>= X_1 0))(assert (<= X_1 1))\n";

fn json(command: &mut Command) -> (Option<i32>, Value) {
    let output = command.args(["--format", "json", "-q"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
}

#[test]
fn the_first_command_of_the_readme_proves_the_built_in_example() {
    let output = absint().args(["analyze", "--domain", "kpoly", "--k", "3"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("built-in example") && text.contains("verified by kpoly") && text.contains("margins"),
        "{text}"
    );
    // One neuron at a time is not enough.
    absint().args(["analyze", "--domain", "kpoly", "--k", "1"]).assert().code(3);
}

#[test]
fn each_verdict_has_its_exit_status_and_its_json() {
    let folder = Folder::new();
    let network = small_network(&folder);
    let ask = |unsafe_set: &str| {
        let query = folder.write("query.vnnlib", format!("{BOX}(assert {unsafe_set})"));
        json(absint().arg("analyze").arg(&network).arg("--vnnlib").arg(query))
    };
    let (code, verified) = ask("(>= Y_0 1.5)");
    assert_eq!((code, verified["verdict"].as_str()), (Some(0), Some("verified")));
    for bound in [&verified["margins"][0]["bound"], &verified["disjuncts"][0]["bound"]] {
        let bound = bound.as_f64().unwrap();
        assert!(bound <= 0.5 && bound > 0.5 - 1e-9, "{bound}");
    }
    // A tie is a violation: the maximum of y₀ is exactly 1.
    let (code, falsified) = ask("(>= Y_0 1)");
    assert_eq!((code, falsified["verdict"].as_str()), (Some(1), Some("falsified")));
    assert_eq!(falsified["witness"]["input"], serde_json::json!(["1", "0"]));
    assert_eq!(falsified["witness"]["output"][0], serde_json::json!([1.0, 1.0]));
    for field in ["schema", "network", "query", "domain", "stages"] {
        assert!(!falsified[field].is_null(), "{field}");
    }
    let query = folder.write("query.vnnlib", format!("{BOX}(assert (>= Y_0 1))"));
    let mut command = absint();
    command.arg("analyze").arg(&network).arg("--vnnlib").arg(query).args(["--domain", "interval", "--no-attack"]);
    let (code, unknown) = json(&mut command);
    assert_eq!((code, unknown["verdict"].as_str()), (Some(3), Some("unknown")));
    assert_eq!(unknown["open"], serde_json::json!([0]));
}

#[test]
fn a_conjunction_is_refuted_by_a_combination_of_its_atoms() {
    let folder = Folder::new();
    let network = small_network(&folder);
    // y₀ ≥ 0.6 and y₀ ≤ 0.4: each can hold, both cannot.
    let query = folder.write("query.vnnlib", format!("{BOX}(assert (>= Y_0 0.6))(assert (<= Y_0 0.4))"));
    let mut command = absint();
    command.arg("analyze").arg(&network).arg("--vnnlib").arg(query);
    let (code, answer) = json(&mut command);
    assert_eq!(code, Some(0), "{answer}");
    assert!(answer["disjuncts"][0]["bound"].as_f64().unwrap() > 0.0);
    assert!(answer["margins"][0]["bound"].as_f64().unwrap() < 0.0);
}

#[test]
fn a_misclassified_centre_is_its_own_counterexample() {
    let mut command = absint();
    command.args(["analyze", &digits("digits_mlp.onnx"), "--data", &digits("digits.csv"), "--image", "1400"]);
    command.args(["--eps", "0", "--label", "0"]);
    let (code, answer) = json(&mut command);
    assert_eq!((code, answer["verdict"].as_str()), (Some(1), Some("falsified")));
}

#[test]
fn every_domain_and_norm_answers_on_the_digits() {
    for domain in ["interval", "zonotope", "deeppoly", "kpoly", "auto"] {
        for norm in ["linf", "l1", "l2"] {
            let mut command = absint();
            command.args(["analyze", &digits("digits_cnn.onnx"), "--data", &digits("digits.csv"), "--image", "1300"]);
            command.args(["--eps", "1/100", "--norm", norm, "--domain", domain]);
            let (code, answer) = json(&mut command);
            assert!(matches!(code, Some(0 | 1 | 3)), "{domain} {norm}");
            assert_eq!(answer["margins"].as_array().unwrap().len(), 9);
        }
    }
}

#[test]
fn info_describes_a_network() {
    let output = absint().args(["info", &digits("digits_cnn.onnx")]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("conv2d") && text.contains("relu"), "{text}");
    let (code, answer) = json(absint().args(["info", &digits("digits_mlp.onnx")]));
    assert_eq!(code, Some(0));
    assert_eq!(answer["input"]["shape"], serde_json::json!([64]));
}

#[test]
fn bounds_are_written_whole() {
    let folder = Folder::new();
    let path = folder.0.path().join("bounds.json");
    absint().args(["analyze", "--bounds"]).arg(&path).assert().code(0);
    let bounds: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let nodes = bounds["cases"][0]["nodes"].as_array().unwrap();
    assert!(nodes.len() > 4 && nodes[1]["lower"].as_array().unwrap().len() == 32);
    let nowhere = Path::new("/nonexistent/folder/bounds.json");
    absint().args(["analyze", "--bounds"]).arg(nowhere).assert().code(2);
}

#[test]
fn out_of_time_is_an_answer_that_comes_in_time() {
    let start = Instant::now();
    let mut command = absint();
    command.args(["analyze", &digits("digits_cnn.onnx"), "--data", &digits("digits.csv"), "--image", "1297"]);
    command.args(["--eps", "0.2", "--domain", "kpoly", "--k", "3", "--refine", "--no-attack", "--timeout", "1"]);
    let (code, answer) = json(&mut command);
    assert_eq!(code, Some(3));
    assert_eq!(answer["verdict"].as_str(), Some("unknown"));
    // Not a measurement: a hang would show.
    assert!(start.elapsed() < Duration::from_secs(60));
}

/// Runs the program on bad input: status 2, nothing on stdout, one line that holds `expected`.
fn refuses(command: &mut Command, expected: &str) {
    let output = command.arg("-q").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(error.contains(expected), "expected `{expected}` in: {error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn bad_input_gets_one_line_that_names_the_place() {
    let folder = Folder::new();
    let network = small_network(&folder);
    let with_query = |text: &str| {
        let query = folder.write("bad.vnnlib", text);
        let mut command = absint();
        command.arg("analyze").arg(&network).arg("--vnnlib").arg(query);
        command
    };
    refuses(absint().args(["analyze", "missing.onnx", "--vnnlib", "x.vnnlib"]), "missing.onnx");
    refuses(absint().args(["info", "networks/digits.csv"]), "networks/digits.csv");
    let whole = std::fs::read(&network).unwrap();
    let torn = folder.write("torn.onnx", &whole[..whole.len() / 2]);
    refuses(absint().arg("info").arg(&torn), "torn.onnx");
    refuses(&mut with_query("(assert (<= X_0"), "bad.vnnlib:1:");
    refuses(&mut with_query(&format!("{BOX}(assert (xor (<= Y_0 1)))")), "bad.vnnlib:3:");
    refuses(&mut with_query(&BOX.replace("(>= X_0 0)", "(>= X_0 2)")), "X_0");
    refuses(&mut with_query(&BOX.replace("(assert (>= X_1 0))", "")), "X_1");
    refuses(
        &mut with_query(
            "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert (<= X_0 1))(assert (<= Y_0 0))",
        ),
        "inputs",
    );
    refuses(absint().arg("analyze").arg(&network), "--vnnlib");
    refuses(absint().args(["analyze", "--vnnlib", "x.vnnlib"]), "needs a network");
    let csv = |name: &str, eps: &str, image: &str| {
        let mut command = absint();
        command.args(["analyze", &digits("digits_mlp.onnx"), "--data", name, "--eps", eps, "--image", image]);
        command
    };
    refuses(&mut csv(&digits("digits.csv"), "0.01", "99999"), "99999");
    refuses(&mut csv(&digits("digits.csv"), "tiny", "0"), "tiny");
    refuses(&mut csv(&digits("digits.csv"), "-1", "0"), "radius");
    let short = folder.write("short.csv", "3,1,2,3\n");
    refuses(&mut csv(short.to_str().unwrap(), "0.01", "0"), "short.csv");
    let odd = folder.write("odd.csv", format!("3,{}\n4,300\n", vec!["1"; 64].join(",")));
    refuses(&mut csv(odd.to_str().unwrap(), "0.01", "0"), "odd.csv:2");
}

#[test]
fn the_hostile_corpus_is_refused_file_by_file() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let whole = corpus.join("whole.onnx");
    absint().arg("info").arg(&whole).assert().code(0);
    let mut refused = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.extension().and_then(|e| e.to_str()) {
            Some("onnx") if path != whole => refuses(absint().arg("info").arg(&path), &name),
            Some("vnnlib") => refuses(absint().arg("analyze").arg(&whole).arg("--vnnlib").arg(&path), &name),
            _ => continue,
        }
        refused += 1;
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn what_packagers_install_is_printed() {
    let print = |arguments: &[&str]| {
        let output = absint().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(print(&["completions", shell]).contains("certify"), "{shell}");
    }
    let page = print(&["man"]);
    assert!(page.contains(".TH absint 1") && page.contains("certify"), "{page}");
    let page = print(&["man", "certify"]);
    assert!(page.contains(".TH absint-certify 1") && page.contains("resume"), "{page}");
    refuses(absint().args(["man", "prove"]), "prove");
    let first = format!("absint {}\n", env!("CARGO_PKG_VERSION"));
    assert!(print(&["--version"]).starts_with(&format!("{first}features: ")));
    assert_eq!(print(&["-V"]).trim(), format!("absint {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_usage_exits_with_two() {
    for arguments in [
        &["analyze", "--domain", "magic"][..],
        &["analyze", "--k", "0"],
        &["analyze", "--lp", "gurobi"],
        &["analyze", "--timeout", "-1"],
        &["analyze", "--threads", "0"],
        &["certify", "net.onnx", "--data", "x.csv", "--eps", "1", "--resume"],
        &["certify", "net.onnx", "--data", "x.csv", "--eps", "1", "--shard", "3/2"],
        &["certify", "net.onnx", "--data", "x.csv", "--eps", "1", "--jobs", "0"],
        &["merge"],
        &["completions", "tcsh"],
        &["prove"],
        &[],
    ] {
        absint().args(arguments).assert().code(2);
    }
    absint().arg("--help").assert().code(0);
    absint().arg("--version").assert().code(0);
}

#[test]
fn a_binarized_network_is_asked_about_flipped_pixels() {
    let query =
        |network: &str, flips: &str| {
            json(
                absint()
                    .args(["analyze", &digits(network), "--data", &digits("digits.csv"), "--image", "1300"])
                    .args(["--binarize", "96", "--norm", "hamming", "--eps", flips]),
            )
        };
    for network in ["digits_bnn1.onnx", "digits_bnn2.onnx"] {
        let (code, answer) = query(network, "0");
        assert_eq!((code, answer["verdict"].as_str()), (Some(0), Some("verified")), "{network}");
        // With half of the pixels free, a greedy search finds another class.
        let (code, answer) = query(network, "32");
        assert_eq!((code, answer["verdict"].as_str()), (Some(1), Some("falsified")), "{network}");
        let input = answer["witness"]["input"].as_array().unwrap();
        assert!(input.iter().all(|x| x == "1" || x == "-1"), "{answer}");
    }
    let (code, _, error) = failure(&["--norm", "hamming", "--eps", "1"]);
    assert!(code == Some(2) && error.contains("--binarize"), "{error}");
}

fn failure(arguments: &[&str]) -> (Option<i32>, String, String) {
    let data = ["analyze", "networks/digits_bnn1.onnx", "--data", "networks/digits.csv", "-q"];
    let output = absint().args(data).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_certificate_over_real_inputs_is_written_and_checked() {
    let folder = Folder::new();
    let certificate = folder.0.path().join("certificate");
    let certificate = certificate.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = absint().args(arguments).arg("-q").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let problem = |eps| ["networks/digits_mlp.onnx", "--data", "networks/digits.csv", "--eps", eps];
    let prove = [&["analyze"][..], &problem("0.01"), &["--domain", "deeppoly", "--proof", certificate]].concat();
    let (code, answer, error) = run(&prove);
    assert!(code == Some(0) && answer.contains("verified by deeppoly"), "{answer} {error}");
    let check = |arguments: &[&str]| run(&[&["check", certificate], arguments].concat());
    assert!(check(&[]).1.contains("accepted, for the network and the query in the folder"));
    assert!(check(&problem("0.01")).1.contains("accepted, for this network and query"));
    let (code, _, error) = check(&problem("0.011"));
    assert!(code == Some(2) && error.contains("query.txt is not that of this network and query"), "{error}");
    let others = ["networks/digits_cnn.onnx", "--data", "networks/digits.csv", "--eps", "0.01"];
    let (code, _, error) = check(&others);
    assert!(code == Some(2) && error.contains("network.txt is not that of this network and query"), "{error}");
    let (code, _, error) = run(&prove);
    assert!(code == Some(2) && error.contains("--force"), "{error}");
    let path = Path::new(certificate).join("proof.txt");
    let proof = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, proof.replacen("refute 0 1\n", "", 1)).unwrap();
    let (code, _, error) = check(&[]);
    assert!(code == Some(2) && error.contains("disjunct 0 is not refuted"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(check(&[]).0, Some(2));
}

#[test]
fn certificates_of_a_data_set_are_written_checked_and_continued() {
    let folder = Folder::new();
    let path = |name: &str| folder.0.path().join(name).to_str().unwrap().to_owned();
    let (certificates, out) = (path("certificates"), path("results.jsonl"));
    let run = |arguments: &[&str]| {
        let output = absint().args(arguments).arg("-q").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let certify = |net: &str, more: &[&str]| {
        let fixed = ["--data", "networks/digits.csv", "--eps", "0.03", "--range", "..12", "--out", &out];
        run(&[&["certify", net, "--proof", &certificates], &fixed[..], more].concat())
    };
    let (code, answer, error) = certify("networks/digits_mlp.onnx", &[]);
    assert_eq!(code, Some(0), "{answer} {error}");
    let lines = std::fs::read_to_string(&out).unwrap();
    let count = lines.matches("\"certificate\":true").count();
    assert!(count > 5 && count == lines.matches("\"verified\"").count(), "{lines}");
    let (code, answer, error) = run(&["check", &certificates]);
    assert!(code == Some(0) && answer.contains(&format!("{count} certificates accepted")), "{answer} {error}");
    // A run that is refused leaves everything as it is.
    let network = std::fs::read(Path::new(&certificates).join("network.txt")).unwrap();
    let (code, _, error) = certify("networks/digits_cnn.onnx", &["--resume"]);
    assert!(code == Some(2) && error.contains("network.txt: is of another network"), "{error}");
    let other = ["certify", "networks/digits_cnn.onnx", "--data", "networks/digits.csv", "--eps", "0.03"];
    let (code, _, error) = run(&[&other[..], &["--proof", &certificates]].concat());
    assert!(code == Some(2) && error.contains("network.txt: is of another network"), "{error}");
    assert_eq!(std::fs::read(Path::new(&certificates).join("network.txt")).unwrap(), network);
    assert_eq!(certify("networks/digits_mlp.onnx", &["--resume"]).0, Some(0));
    // One of them by itself, also for another radius, and with a line left out.
    let image = lines.lines().find(|l| l.contains("\"certificate\":true")).unwrap();
    let number: usize = serde_json::from_str::<serde_json::Value>(image).unwrap()["image"].as_u64().unwrap() as usize;
    let member = format!("{certificates}/image-{number}");
    let of = |eps| {
        let number = number.to_string();
        run(&[
            "check",
            &member,
            "networks/digits_mlp.onnx",
            "--data",
            "networks/digits.csv",
            "--image",
            &number,
            "--eps",
            eps,
        ])
    };
    assert!(of("0.03").1.contains("accepted, for this network and query") && of("0.031").0 == Some(2));
    let proof = Path::new(&member).join("proof.txt");
    let text = std::fs::read_to_string(&proof).unwrap();
    std::fs::write(&proof, text.replacen("refute 0 1\n", "", 1)).unwrap();
    let (code, _, error) = run(&["check", &certificates]);
    assert!(code == Some(2) && error.contains(&format!("1 of {count} certificates are refused")), "{error}");
}

#[test]
fn a_certificate_is_written_and_checked() {
    let folder = Folder::new();
    let certificate = folder.0.path().join("certificate");
    let certificate = certificate.to_str().unwrap();
    let ball = |flips: &'static str| ["--image", "1300", "--binarize", "96", "--norm", "hamming", "--eps", flips];
    let prove = |arguments: &[&str]| failure(&[&ball("1")[..], &["--proof", certificate], arguments].concat());
    let (code, answer, error) = prove(&["--domain", "exact"]);
    assert!(code == Some(0) && answer.contains("verified by exact"), "{answer} {error}");
    let check = |arguments: &[&str]| {
        let output = absint().args(["check", certificate]).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let problem = ["networks/digits_bnn1.onnx", "--data", "networks/digits.csv"];
    assert_eq!(check(&[]).0, Some(0));
    let (code, answer, error) = check(&[&problem[..], &ball("1")].concat());
    assert!(code == Some(0) && answer.contains("accepted, for this network and query"), "{answer} {error}");
    let (code, _, error) = check(&[&problem[..], &ball("2")].concat());
    assert!(code == Some(2) && error.contains("not that of this network and query"), "{error}");
    // A proof without its last steps proves nothing.
    let path = Path::new(certificate).join("case-0.pbp");
    let proof = std::fs::read_to_string(&path).unwrap();
    let short: Vec<&str> = proof.lines().filter(|line| !line.ends_with("rup >= 1;")).collect();
    std::fs::write(&path, short.join("\n")).unwrap();
    assert_eq!(check(&[]).0, Some(2));
    // Where there are no certificates, that is said before anything is done.
    let (code, _, error) = prove(&["--domain", "deeppoly", "--force"]);
    assert!(code == Some(2) && error.contains("--domain exact"), "{error}");
    // Older certificates are not mixed with new ones, and only removed when that is asked for.
    std::fs::write(Path::new(certificate).join("case-1.opb"), "of another query").unwrap();
    let (code, _, error) = prove(&["--domain", "exact"]);
    assert!(code == Some(2) && error.contains("case-0.opb") && error.contains("--force"), "{error}");
    assert_eq!(prove(&["--domain", "exact", "--force"]).0, Some(0));
    assert!(!Path::new(certificate).join("case-1.opb").exists());
    assert_eq!(check(&[]).0, Some(0));
}

#[test]
fn files_that_are_there_are_only_replaced_with_force() {
    let folder = Folder::new();
    let network = small_network(&folder);
    let query = folder.write("query.vnnlib", format!("{BOX}(assert (>= Y_0 1.5))"));
    let bounds = folder.write("bounds.json", "dear diary");
    let run = |out: &Path, more: &[&str]| {
        let mut command = absint();
        command.arg("analyze").arg(&network).arg("--vnnlib").arg(&query).arg("--bounds").arg(out).args(more).arg("-q");
        command.output().unwrap().status.code()
    };
    assert_eq!(run(&bounds, &[]), Some(2));
    assert_eq!(std::fs::read_to_string(&bounds).unwrap(), "dear diary");
    assert_eq!(run(&bounds, &["--force"]), Some(0));
    assert!(std::fs::read_to_string(&bounds).unwrap().starts_with('{'));
    // An input, a folder and a device never are.
    let before = std::fs::read(&network).unwrap();
    for out in [&network, &query, folder.0.path()] as [&Path; 3] {
        assert_eq!(run(out, &["--force"]), Some(2));
    }
    assert_eq!(std::fs::read(&network).unwrap(), before);
    if cfg!(unix) {
        assert_eq!(run(Path::new("/dev/null"), &["--force"]), Some(2));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stderr_changes_no_exit_status() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (arguments, code) in [
        (&["analyze", "none.onnx", "--vnnlib", "none.vnnlib"][..], 2),
        (&["analyze", "--domain", "magic"], 2),
        (&["analyze", "--domain", "kpoly", "-vv"], 0),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_absint"));
        let status = command.args(arguments).stderr(full()).stdout(std::process::Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn names_cannot_write_to_the_terminal() {
    let output = absint().args(["info", "a\u{1b}[31mred\nnext.onnx"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("\\u{1b}[31mred\\nnext.onnx") && error.trim_end().lines().count() == 1, "{error}");
    let output = absint().args(["info", &"n".repeat(100_000)]).output().unwrap();
    assert!(output.stderr.len() < 10_000 && output.status.code() == Some(2));
}
