//! Ensembles that reject inputs on which their members disagree: verdicts are those of enumeration.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze;
use absint::analyze::{Method, Options};
use absint::domains::activation::Sign;
use absint::domains::budget::Budget;
use absint::domains::domain::Run;
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::{Query, Region};
use absint::domains::verdict::Verdict;
use absint::exact::signum::{SignumOptions, decide};
use absint::format::onnx::OnnxWriter;
use common::Dice;
use common::certificates::{accepted, accepted_only_as_they_are};
use ndarray::{Array2, array};
use rayon::prelude::*;
use std::process::Command;
use std::sync::Arc;

fn member(dice: &mut Dice, inputs: usize, classes: usize) -> Network {
    let mut b = NetworkBuilder::new(&[inputs]);
    let mut last = b.input();
    let hidden = 1 + dice.below(2);
    for layer in 0..=hidden {
        let width = if layer == hidden { classes } else { 2 + dice.below(4) };
        let kind = dice.below(2);
        let w = Array2::from_shape_simple_fn((width, b.len(last)), || {
            if kind == 0 { [-1.0, 1.0][dice.below(2)] } else { dice.below(5) as f64 - 2.0 }
        });
        let texts = ["0", "1", "-1", "1/2", "-2/3"];
        let bias = (0..width).map(|_| parse_decimal(texts[dice.below(texts.len())]).unwrap()).collect();
        last = b.linear("dense", last, LinearMap::Dense(w), Coefficients::rationals(bias)).unwrap();
        if layer < hidden {
            last = b.activation("sign", last, Arc::new(Sign)).unwrap();
        }
    }
    b.finish(last, &[classes]).unwrap()
}

/// All members have `class` among their largest outputs.
fn agree_on(members: &[Network], class: usize, x: &[Rational]) -> bool {
    members.iter().all(|m| {
        let y = m.evaluate::<Rational>(x).unwrap();
        y.iter().all(|other| *other <= y[class])
    })
}

#[test]
fn verdicts_are_those_of_enumeration() {
    let counts: Vec<(usize, usize)> = (0..600u64)
        .into_par_iter()
        .map(|seed| {
            let dice = &mut Dice::new(seed);
            let (inputs, classes) = (2 + dice.below(5), 2 + dice.below(2));
            let count = 1 + dice.below(3);
            let members: Vec<Network> = (0..count).map(|_| member(dice, inputs, classes)).collect();
            let at_upper: Vec<bool> = (0..inputs).map(|_| dice.below(2) == 0).collect();
            let region = Region::hamming(&-Rational::ONE, &Rational::ONE, at_upper, dice.below(inputs + 1)).unwrap();
            let label = dice.below(classes);
            let points = (0..1u32 << inputs).map(|bits| {
                (0..inputs).map(|i| Rational::from(if bits >> i & 1 == 1 { 1 } else { -1 })).collect::<Vec<_>>()
            });
            let is_unsafe =
                |x: &Vec<Rational>| (0..classes).any(|class| class != label && agree_on(&members, class, x));
            let is_safe = !points.filter(|x| region.contains(x)).any(|x| is_unsafe(&x));
            let network = Network::side_by_side(&members).unwrap();
            let query = Query::reliable(region, count, classes, label);
            let options = SignumOptions { certify: seed % 2 == 0, ..SignumOptions::default() };
            let answer = decide(&network, &query, &options, Run::silent(&Budget::unlimited())).unwrap();
            let domain = if seed % 4 == 1 { Method::AUTO } else { Method::EXACT };
            let analysis = analyze(&network, &query, &Options { method: domain, ..Options::default() }).unwrap();
            for verdict in [&answer.verdict, &analysis.verdict] {
                match verdict {
                    Verdict::Verified(_) => assert!(is_safe, "seed {seed}: verified"),
                    Verdict::Falsified(witness) => {
                        assert!(!is_safe, "seed {seed}: falsified");
                        assert!(is_unsafe(&witness.input().to_vec()), "seed {seed}: no counterexample");
                    }
                    Verdict::Unknown(_) => panic!("seed {seed}: open"),
                }
            }
            if is_safe && options.certify {
                let holds = if seed % 8 == 0 { accepted_only_as_they_are } else { accepted };
                holds(&network, &query, &answer.certificates).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            }
            if is_safe { (1, usize::from(count > 1)) } else { (0, 0) }
        })
        .collect();
    let (safe, of_several) = counts.iter().fold((0, 0), |s, c| (s.0 + c.0, s.1 + c.1));
    println!("{safe} of {} verified, {of_several} of them with several members", counts.len());
    assert!((150..550).contains(&safe) && of_several > 100, "{safe} {of_several}");
}

/// What one member gets wrong another one may stop.
#[test]
fn an_ensemble_is_typed_and_certified() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("certificate");
    let certificate = certificate.to_str().unwrap();
    let path = |name: &str| format!("{}/networks/{name}", env!("CARGO_MANIFEST_DIR"));
    let (first, second, data) = (path("digits_bnn1.onnx"), path("digits_bnn2.onnx"), path("digits.csv"));
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_absint")).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let ball = ["--data", &data, "--image", "1300", "--binarize", "96", "--norm", "hamming", "--eps"];
    let together = ["--ensemble", &second];
    let analyze = ["analyze", "-q", &first];
    let (code, answer, error) =
        run(&[&analyze[..], &together, &ball, &["2", "--domain", "exact", "--proof", certificate]].concat());
    assert!(code == Some(0) && answer.contains("verified by exact"), "{answer} {error}");
    let (code, answer, error) = run(&[&["check", certificate, &first][..], &together, &ball, &["2"]].concat());
    assert!(code == Some(0) && answer.contains("accepted, for this network and query"), "{answer} {error}");
    // The certificate is not one of the first network alone, nor of another ensemble.
    for other in [vec![], vec!["--ensemble", &first[..]]] {
        let (code, _, error) = run(&[&["check", certificate, &first][..], &other, &ball, &["2"]].concat());
        assert!(code == Some(2) && error.contains("not that of this network and query"), "{error}");
    }
    // Half of the pixels are too many even for both.
    let (code, answer, error) = run(&[&analyze[..], &together, &ball, &["32"]].concat());
    assert!(code == Some(1) && answer.contains("replayed exactly"), "{answer} {error}");
    let mnist = path("mnist_bnn_1x32.onnx");
    let (code, _, error) = run(&[&analyze[..], &["--ensemble", &mnist], &ball, &["1"]].concat());
    assert!(code == Some(2) && error.contains("mnist_bnn_1x32.onnx: the members of an ensemble"), "{error}");
}

/// A run over images says of each what `analyze` says, which members disagree on the image itself, and that its certificates
/// hold.
#[test]
fn an_ensemble_is_certified_image_by_image() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let path = |name: &str| format!("{}/networks/{name}", env!("CARGO_MANIFEST_DIR"));
    let (first, second, data) = (path("digits_bnn1.onnx"), path("digits_bnn2.onnx"), path("digits.csv"));
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_absint")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let lines = |members: &[&str], eps: &str, out: &str, more: &[&str]| {
        let ball = ["--data", &data, "--binarize", "96", "--norm", "hamming", "--eps", eps];
        let how = ["--range", "1300..1340", "--domain", "exact", "-q", "--out", out];
        let (code, _, error) = run(&[&["certify"][..], members, &ball, &how, more].concat());
        assert_eq!(code, Some(0), "{error}");
        let text = std::fs::read_to_string(out).unwrap();
        text.lines().skip(1).map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()).collect::<Vec<_>>()
    };
    let (both, proofs) = ([&first[..], "--ensemble", &second], place("proofs"));
    let together = lines(&both, "2", &place("both"), &["--proof", &proofs]);
    let mut counts = [0; 3];
    for line in &together {
        let image = line["image"].to_string();
        let ball = ["--data", &data, "--image", &image, "--binarize", "96", "--norm", "hamming", "--eps", "2"];
        let (code, ..) = run(&[&["analyze", "-q", "--domain", "exact"][..], &both, &ball].concat());
        let is_verified = line["verdict"] == "verified";
        assert_eq!(code, Some(i32::from(!is_verified)), "{line}");
        counts[0] += usize::from(is_verified);
        counts[1] += usize::from(line["rejected"] == true);
        counts[2] += usize::from(line["certificate"] == true);
    }
    assert!(counts[0] > 20 && counts[2] == counts[0], "{counts:?}");
    let ball = ["--data", &data, "--binarize", "96", "--norm", "hamming", "--eps", "2"];
    let (code, answer, error) = run(&[&["check", &proofs][..], &both, &ball].concat());
    assert!(code == Some(0) && answer.contains("for this network and these images"), "{answer} {error}");
    // Another ensemble does not continue the run.
    let other = ["certify", &second, "--ensemble", &first, "--range", "1300..1340", "--domain", "exact"];
    let (code, _, error) = run(&[&other[..], &ball, &["--out", &place("both"), "--resume"]].concat());
    assert!(code == Some(2) && error.contains("network"), "{error}");
}

/// Each member's outputs are those of its file.
#[test]
fn outputs_of_a_member_that_ends_in_a_softmax_are_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, operator: Option<&str>| {
        let mut writer = OnnxWriter::input(&[2]);
        writer.gemm(array![[1.0f32, -1.0], [0.0, 1.0]].view(), &[0.0, 0.0]);
        let logits = writer.current().to_owned();
        if let Some(operator) = operator {
            writer.node(operator, &[&logits], &[]);
        }
        let path = folder.path().join(name);
        std::fs::write(&path, writer.finish(&[2])).unwrap();
        path
    };
    let members = [write("a.onnx", Some("Softmax")), write("b.onnx", None), write("c.onnx", Some("LogSoftmax"))];
    let region = folder.path().join("box.csv");
    std::fs::write(&region, "0.75,1\n0.125,0.25\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
    command.arg("analyze").arg(&members[0]).arg("--ensemble").arg(&members[1]).arg("--ensemble").arg(&members[2]);
    command.arg("--box").arg(&region).args(["--label", "1", "-q"]);
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(text.contains("(probabilities, logits, log-probabilities)"), "{text}");
    let text = command.args(["--format", "json"]).output().unwrap().stdout;
    let witness = serde_json::from_slice::<serde_json::Value>(&text).unwrap()["witness"].clone();
    let y: Vec<f64> = witness["model_output"].as_array().unwrap().iter().map(|y| y.as_f64().unwrap()).collect();
    let logit =
        |i: usize| (witness["output"][i][0].as_f64().unwrap() + witness["output"][i][1].as_f64().unwrap()) / 2.0;
    assert!((y[0] + y[1] - 1.0).abs() < 1e-9 && (y[4].exp() + y[5].exp() - 1.0).abs() < 1e-9, "{y:?}");
    assert!((y[2] - logit(2)).abs() < 1e-9 && (y[3] - logit(3)).abs() < 1e-9 && y[0] > y[1], "{y:?}");
}
