//! Data-set runs: what is interrupted goes on as if it had not been, and shards make one run.

#![allow(clippy::unwrap_used)]

mod common;

use absint::format::onnx::OnnxWriter;
use common::journal::{self, results};
use ndarray::Array2;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn certify(arguments: &[&str], out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["certify", "networks/digits_mlp.onnx", "--eps", "0.03", "--domain", "deeppoly", "-q"]);
    command.args(arguments).arg("--out").arg(out);
    command
}

fn merge(files: &[&Path], out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
    command.arg("merge").args(files).arg("--out").arg(out).arg("-q");
    command
}

/// The single error line of a refused command.
fn refused(command: &mut Command) -> String {
    let error = journal::refused(command);
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    error
}

fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!(status.code(), Some(0), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// A small file of images: lines of the digits.
fn few_images(folder: &Path, lines: std::ops::Range<usize>) -> PathBuf {
    let all = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("networks/digits.csv")).unwrap();
    let mut all = all.lines();
    let header = all.next().unwrap();
    let chosen: Vec<&str> = all.skip(lines.start).take(lines.len()).collect();
    let path = folder.join("few.csv");
    fs::write(&path, format!("{header}\n{}\n", chosen.join("\n"))).unwrap();
    path
}

#[test]
fn a_run_killed_at_twenty_random_instants_ends_up_with_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole.jsonl"), folder.path().join("killed.jsonl"));
    let images = ["--data", "networks/digits.csv", "--range", "1297..1497"];
    let start = Instant::now();
    succeed(&mut certify(&images, &whole));
    // How long it takes only decides where the kills fall, not what must come out.
    let total = start.elapsed();
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..20 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut run = certify(&images, &killed);
        let mut run = run.arg("--resume").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(total.mul_f64((random >> 11) as f64 / (1u64 << 53) as f64 / 8.0));
        run.kill().unwrap();
        run.wait().unwrap();
        // Where the kill came too late, the next one is of a new run.
        if fs::read_to_string(&killed).is_ok_and(|text| text.matches('\n').count() == 201) {
            assert_eq!(results(&killed), results(&whole));
            fs::remove_file(&killed).unwrap();
        }
    }
    let summary = succeed(certify(&images, &killed).arg("--resume"));
    assert_eq!(results(&killed), results(&whole));
    assert_eq!(results(&whole).1.keys().copied().collect::<Vec<_>>(), (1297..1497).collect::<Vec<_>>());
    // A finished run, resumed, says the same again.
    assert_eq!(summary, succeed(certify(&images, &killed).arg("--resume")));
}

#[test]
fn a_file_cut_off_anywhere_is_healed() {
    let folder = tempfile::tempdir().unwrap();
    let images = few_images(folder.path(), 1300..1303);
    let images = ["--data", images.to_str().unwrap()];
    let (whole, cut) = (folder.path().join("whole.jsonl"), folder.path().join("cut.jsonl"));
    succeed(&mut certify(&images, &whole));
    let text = fs::read(&whole).unwrap();
    let last_line = text[..text.len() - 1].iter().rposition(|&b| b == b'\n').unwrap();
    // Every byte of the last line, and some of the others; the unit tests of the format cut everywhere.
    for length in (0..=text.len()).filter(|l| l % 31 == 0 || *l >= last_line) {
        fs::write(&cut, &text[..length]).unwrap();
        succeed(certify(&images, &cut).arg("--resume"));
        assert_eq!(results(&cut), results(&whole), "cut at {length}");
    }
}

#[test]
fn shards_merged_equal_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let images = ["--data", "networks/digits.csv", "--range", "1297..1340", "--format", "json"];
    let summary = succeed(&mut certify(&images, &path("whole")));
    for (shard, name) in [("1/3", "1"), ("2/3", "2"), ("3/3", "3")] {
        succeed(certify(&images, &path(name)).args(["--shard", shard]));
    }
    let parts = [path("3"), path("1"), path("2")];
    let parts: Vec<&Path> = parts.iter().map(PathBuf::as_path).collect();
    let merged = succeed(merge(&parts, &path("merged")).args(["--format", "json"]));
    assert_eq!(merged, summary);
    let (header, lines) = results(&path("merged"));
    assert_eq!((&header, &lines), (&results(&path("whole")).0, &results(&path("whole")).1));
    // A shard too few: said, and told by the exit status.
    let output = merge(&parts[..2], &path("few")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text.contains("missing 14 images: 1298, 1301"), "{text}");
    // A shard of another run is refused.
    let other = ["--data", "networks/digits.csv", "--range", "1297..1300"];
    succeed(&mut certify(&other, &path("other")));
    let error = refused(&mut merge(&[parts[0], &path("other")], &path("none")));
    assert!(error.contains("other") && error.contains("range") && !error.contains("domain"), "{error}");
}

#[test]
fn another_run_is_not_continued_and_no_results_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let few = few_images(folder.path(), 1300..1302);
    let images = ["--data", few.to_str().unwrap()];
    let out = folder.path().join("results.jsonl");
    succeed(&mut certify(&images, &out));
    let before = fs::read(&out).unwrap();
    let error = refused(&mut certify(&images, &out));
    assert!(error.contains("results.jsonl") && error.contains("--resume"), "{error}");
    for (option, value, field) in [
        ("--norm", "l1", "norm"),
        ("--timeout", "7", "timeout_s"),
        ("--range", "0..1", "range"),
        ("--shard", "1/2", "shard"),
        ("--seed", "3", "seed"),
        ("--layout", "hwc", "hwc"),
    ] {
        let error = refused(certify(&images, &out).args(["--resume", option, value]));
        assert!(error.contains(field) && !error.contains("network_hash"), "{error}");
    }
    // Other images under the same name.
    let other = few_images(folder.path(), 1310..1312);
    let error = refused(certify(&["--data", other.to_str().unwrap()], &out).arg("--resume"));
    assert!(error.contains("data_hash") && !error.contains("norm"), "{error}");
    assert_eq!(fs::read(&out).unwrap(), before);
}

#[test]
fn bad_usage_gets_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("results.jsonl");
    let images = ["--data", "networks/digits.csv"];
    let error = refused(certify(&images, &out).args(["--range", "0..99999"]));
    assert!(error.contains("1797 images"), "{error}");
    let label = few_images(folder.path(), 0..1);
    fs::write(&label, format!("17{}\n", ",0".repeat(64))).unwrap();
    let error = refused(&mut certify(&["--data", label.to_str().unwrap()], &out));
    assert!(error.contains("image 0") && error.contains("17"), "{error}");
    let error = refused(certify(&images, &out).args(["--range", "0..1", "--norm", "hamming"]));
    assert!(error.contains("image 0") && error.contains("hamming"), "{error}");
}

#[test]
fn the_answers_are_those_of_analyze_however_many_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.jsonl"), folder.path().join("two.jsonl"));
    let images = ["--data", "networks/digits.csv", "--range", "1297..1317", "--witnesses"];
    let summary: Value =
        serde_json::from_str(&succeed(certify(&images, &one).args(["--jobs", "1", "--format", "json"]))).unwrap();
    succeed(certify(&images, &two).args(["--jobs", "2", "--threads", "2"]));
    assert_eq!(results(&one), results(&two));
    let lines = results(&one).1;
    let count = |verdict: &str| lines.values().filter(|l| l["verdict"] == verdict).count() as u64;
    for verdict in ["verified", "falsified", "unknown", "misclassified"] {
        assert_eq!(summary[verdict].as_u64(), Some(count(verdict)), "{verdict}");
    }
    assert!(count("verified") > 0 && count("falsified") > 0, "the images are too easy or too hard to tell anything");
    for (image, line) in lines.iter().filter(|(image, _)| *image % 3 == 0) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.args(["analyze", "networks/digits_mlp.onnx", "--eps", "0.03", "--domain", "deeppoly", "-q"]);
        command.args(["--data", "networks/digits.csv", "--format", "json", "--image", &image.to_string()]);
        let answer: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        // A misclassified centre is its own counterexample to `analyze`.
        let expected = if line["verdict"] == "misclassified" { "falsified" } else { line["verdict"].as_str().unwrap() };
        assert_eq!(answer["verdict"], expected, "image {image}");
        if expected == "falsified" && line["verdict"] == "falsified" {
            assert_eq!(answer["witness"], line["witness"], "image {image}");
        }
    }
}

#[test]
fn an_image_that_takes_too_long_is_unknown_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("results.jsonl");
    let images = ["--data", "networks/digits.csv", "--range", "1297..1300", "--timeout", "0", "--format", "json"];
    let start = Instant::now();
    let summary: Value = serde_json::from_str(&succeed(&mut certify(&images, &out))).unwrap();
    // Not a measurement: a hang would show.
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(summary["images"].as_u64(), Some(3));
    assert_eq!(summary["out_of_time"], summary["unknown"]);
    assert!(results(&out).1.values().all(|l| l["verdict"] == "misclassified" || l["out_of_time"] == true));
}

/// A limit on the size of files stands in for a disk that is full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_whole_lines_and_the_run_can_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let images = few_images(folder.path(), 1300..1340);
    let out = folder.path().join("out.jsonl");
    let arguments = ["--data", images.to_str().unwrap()];
    let limited = certify(&arguments, &out);
    let mut shell = Command::new("sh");
    shell.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-c", r#"trap "" XFSZ; ulimit -f 4; exec "$@""#, "sh"]);
    let output = shell.arg(limited.get_program()).args(limited.get_args()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.ends_with('\n') && text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    succeed(certify(&arguments, &out).arg("--resume"));
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 1 + 40);
}

#[test]
fn a_folder_of_certificates_belongs_to_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let run = |eps: &str, domain: &str, [out, proofs]: [&str; 2], more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("certify").args(["networks/digits_mlp.onnx", "-q"]);
        command.args(["--data", "networks/digits.csv", "--eps", eps, "--domain", domain]).args(more);
        command.arg("--out").arg(path(out)).arg("--proof").arg(path(proofs));
        command
    };
    let check = |proofs: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
        command.arg("check").arg(path(proofs)).arg("-q");
        command
    };
    // What cannot have certificates is refused before there is a file.
    let error = refused(&mut run("0.01", "kpoly", ["a", "proofs"], &["--range", "..4", "--norm", "l2"]));
    assert!(
        error.contains("no certificate over L1 and L2 balls") && !path("a").exists() && !path("proofs").exists(),
        "{error}"
    );
    succeed(&mut run("1", "deeppoly", ["none", "empty"], &["--range", "..2"]));
    assert!(refused(&mut check("empty")).contains("no image was verified"));
    // Other images may come to those that are there, but not with another radius.
    succeed(&mut run("0.01", "deeppoly", ["a", "proofs"], &["--range", "..4"]));
    succeed(&mut run("0.01", "deeppoly", ["b", "proofs"], &["--range", "3..6"]));
    let before = succeed(&mut check("proofs"));
    let error = refused(&mut run("0.02", "deeppoly", ["c", "proofs"], &["--range", "..4"]));
    assert!(error.contains("run.json: is of a run with another radius") && !path("c").exists(), "{error}");
    assert_eq!(succeed(&mut check("proofs")), before);
    // Who goes on must name the folder that has the certificates of what is done.
    let error = refused(&mut run("0.01", "deeppoly", ["a", "other"], &["--range", "..4", "--resume"]));
    assert!(error.contains("has no certificate of image") && !path("other").exists(), "{error}");
}

/// A certificate over a ball is about its norm, its radius and its centre. A ball that is larger breaks the proof; one that is
/// smaller, or nearly the same, does not, but it is not what was asked.
#[test]
fn certificates_over_balls_are_about_these_balls() {
    for (norm, eps, domain) in
        [("l1", "0.6", "deeppoly"), ("l2", "0.3", "deeppoly"), ("l1", "0.6", "auto"), ("l2", "0.3", "exact")]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let absint = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
            command.current_dir(env!("CARGO_MANIFEST_DIR")).args(words).args(["networks/digits_mlp.onnx", "-q"]);
            command.args(["--data", "networks/digits.csv"]);
            command
        };
        let mut run = absint(&["certify", "--norm", norm, "--eps", eps, "--domain", domain, "--range", "..4"]);
        run.arg("--out").arg(path("out")).arg("--proof").arg(path("proofs")).args(["--format", "json"]);
        let summary: Value = serde_json::from_str(&succeed(&mut run)).unwrap();
        assert!(
            summary["certificates"].as_u64() >= Some(3) && summary["certificates"] == summary["verified"],
            "{summary}"
        );
        let proofs = path("proofs");
        let check = |norm: &str, eps: &str| {
            let mut command = absint(&["check", proofs.to_str().unwrap()]);
            command.args(["--norm", norm, "--eps", eps]);
            command
        };
        assert!(succeed(&mut check(norm, eps)).contains("accepted, for this network and these images"));
        for (norm, eps) in [(norm, "0.2"), ("linf", eps), (if norm == "l1" { "l2" } else { "l1" }, eps)] {
            refused(&mut check(norm, eps));
        }
        // The ball moved, widened or said in another norm, and without a number: refused for the query, and where the proof
        // needs the ball as it is, for itself.
        let query = fs::read_to_string(proofs.join("image-0/query.txt")).unwrap();
        let ball = query.lines().find(|line| line.starts_with("ball")).unwrap();
        let words: Vec<&str> = ball.split(' ').collect();
        assert_eq!((words[1], words.len()), (&*norm.to_uppercase(), 3 + 64));
        let with = |at: usize, word: &str| {
            let mut words = words.clone();
            words[at] = word;
            query.replace(ball, &words.join(" "))
        };
        for (changed, breaks) in [
            (query.replace(&format!("{ball}\n"), ""), true),
            (with(2, "1000"), true),
            (with(2, "-1"), true),
            (with(1, "L3"), true),
            (with(66, ""), true),
            (with(3, "1b-20"), false),
            (with(2, "1/1000000"), false),
        ] {
            fs::write(proofs.join("image-0/query.txt"), changed).unwrap();
            let alone = Command::new(env!("CARGO_BIN_EXE_absint")).arg("check").arg(proofs.join("image-0")).output();
            assert!(alone.unwrap().status.success() != breaks, "{norm} {domain}");
            refused(&mut check(norm, eps));
        }
        fs::write(proofs.join("image-0/query.txt"), query).unwrap();
        succeed(&mut check(norm, eps));
    }
}

#[test]
fn certificates_of_signum_networks_are_about_their_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let absint = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).arg("-q");
        command
    };
    let images = ["--data", "networks/digits.csv", "--binarize", "96", "--norm", "hamming", "--eps", "1"];
    let run = |out: &str, more: &[&str]| {
        let mut command =
            absint(&["certify", "networks/digits_bnn1.onnx", "--domain", "exact", "--range", "1300..1306"]);
        command.args(images).args(more).arg("--out").arg(path(out)).arg("--proof").arg(path("proofs"));
        command
    };
    let summary: Value = serde_json::from_str(&succeed(&mut run("a", &["--format", "json"]))).unwrap();
    assert!(summary["certificates"].as_u64() > Some(1) && summary["certificates"] == summary["verified"], "{summary}");
    let proofs = path("proofs");
    let check = |more: &[&str]| {
        let mut command = absint(&["check"]);
        command.arg(&proofs).args(more);
        command
    };
    let of_images = [&["networks/digits_bnn1.onnx"][..], &images[..]].concat();
    assert!(succeed(&mut check(&[])).contains("certificates accepted"));
    assert!(succeed(&mut check(&of_images)).contains("accepted, for this network and these images"));
    // Another radius, another network.
    let wider = [&of_images[..of_images.len() - 1], &["2"][..]].concat();
    assert!(refused(&mut check(&wider)).contains("are refused"));
    let other = [&["networks/digits_bnn2.onnx"][..], &images[..]].concat();
    assert!(refused(&mut check(&other)).contains("network.txt is not that of this network"));
    // An image that is verified without a certificate is named, and one whose proof is cut short refused.
    let mut members: Vec<PathBuf> = fs::read_dir(&proofs).unwrap().map(|entry| entry.unwrap().path()).collect();
    members.retain(|path| path.is_dir());
    for file in fs::read_dir(&members[0]).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    fs::write(members[0].join("none.txt"), "it is too long\n").unwrap();
    assert!(succeed(&mut check(&of_images)).contains("is verified without one: it is too long"));
    fs::write(members[1].join("case-0.pbp"), "pseudo-Boolean proof version 3.0\n").unwrap();
    assert!(refused(&mut check(&of_images)).contains("1 of"));
    let object: Value = serde_json::from_slice(&check(&["--format", "json"]).output().unwrap().stdout).unwrap();
    assert_eq!(object["refused"].as_array().map(Vec::len), Some(1), "{object}");
    assert_eq!(object["without"][0]["because"], "it is too long");
}

#[test]
fn a_counterexample_that_is_no_tie_is_one_whatever_ties_count_as() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |ties: &str| {
        let out = folder.path().join(ties);
        let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.args(["certify", "networks/digits_eev_conv.onnx", "--data", "networks/digits.csv", "-q"]);
        command.args(["--range", "1297..1397", "--eps", "0.1", "--domain", "exact", "--ties", ties, "--out"]).arg(&out);
        succeed(&mut command);
        let text = fs::read_to_string(out).unwrap();
        text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let (unsafe_ties, safe_ties) = (lines("unsafe"), lines("safe"));
    let (mut strict, mut ties) = (0, 0);
    for line in &unsafe_ties {
        let other = safe_ties.iter().find(|other| other["image"] == line["image"]).unwrap();
        assert_eq!(line["tie"].is_boolean(), line["verdict"] == "falsified", "{line}");
        if line["tie"] == false {
            assert_eq!(other["verdict"], "falsified", "{line} {other}");
            strict += 1;
        }
        ties += usize::from(line["tie"] == true && other["verdict"] == "verified");
        assert!(other["tie"] != true, "{other}");
    }
    assert!(strict > 0 && ties > 0, "{strict} {ties}");
}

/// What verdicts rest on stands in the header and the tally; what nothing is known of is refused before a file begins.
#[test]
fn float32_says_what_it_rests_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let network = |name: &str, function: &str| {
        let mut w = OnnxWriter::input(&[64]);
        w.gemm(Array2::from_shape_fn((10, 64), |(i, j)| (i * j % 7) as f32 / 64.0).view(), &[0.0; 10]);
        let x = w.current().to_owned();
        w.node(function, &[&x], &[]);
        fs::write(path(name), w.finish(&[10])).unwrap();
        path(name)
    };
    let (sigmoid, relu) = (network("sigmoid.onnx", "Sigmoid"), network("relu.onnx", "Relu"));
    let data = few_images(folder.path(), 0..2);
    let run = |what: &str, network: &Path, ulps: &str, out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
        command.arg(what).arg(network).arg("--data").arg(&data).args([
            "--arithmetic",
            "float32",
            "--domain",
            "interval",
        ]);
        command.args(["--assume-ulps", ulps, "-q", "--format", "json"]).arg("--out").arg(path(out));
        if what == "certify" {
            command.args(["--eps", "0.001"]);
        }
        command
    };
    for what in ["certify", "radius"] {
        let error = refused(&mut run(what, &sigmoid, "0", "refused"));
        assert!(error.contains("Sigmoid_1") && error.contains("--assume-ulps"), "{error}");
        assert!(!path("refused").exists());
        for (network, ulps, expected) in
            [(&sigmoid, "4", Value::from(4)), (&sigmoid, "9", 9.into()), (&relu, "9", Value::Null)]
        {
            let out = format!("{what}_{ulps}_{}", expected.is_null());
            let tally: Value = serde_json::from_str(&succeed(&mut run(what, network, ulps, &out))).unwrap();
            let text = fs::read_to_string(path(&out)).unwrap();
            let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
            assert_eq!((&tally["assumed_ulps"], &header["assumed_ulps"]), (&expected, &expected));
        }
    }
    let tally = succeed(
        Command::new(env!("CARGO_BIN_EXE_absint"))
            .arg("merge")
            .arg(path("certify_9_false"))
            .args(["-q", "--format", "json"]),
    );
    assert_eq!(serde_json::from_str::<Value>(&tally).unwrap()["assumed_ulps"], 9);
}
