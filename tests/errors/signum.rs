//! Certificates that are refused, and signum networks that the exact engine does not take.

use super::cases::Case;
use super::kinds;
use super::onnx::{node, two_by_two};
use absint::check::check;
use absint::format::onnx::OnnxWriter;
use ndarray::array;
use std::path::Path;

const PROOF: &str = "pseudo-Boolean proof version 3.0\n";

fn kind(folder: &Path) -> &'static str {
    let text = |name: &str| std::fs::read_to_string(folder.join("cert").join(name)).unwrap();
    kinds::check(&check(text("case-0.opb").as_bytes(), text("case-0.pbp").as_bytes()).unwrap_err())
}

fn case(kind_name: &'static str, formula: &str, steps: &str, names: &[&'static str]) -> Case {
    let case = Case::new(kind_name, "check cert", names).file("cert/case-0.opb", formula).is(kind);
    case.file("cert/case-0.pbp", format!("{PROOF}{steps}"))
}

/// A signum network with weights that have no small common denominator; the first class wins everywhere.
fn spread() -> Vec<u8> {
    let mut writer = OnnxWriter::input(&[2]);
    writer.gemm(array![[1.0f32, 1e-30]].view(), &[0.25]).sign();
    writer.gemm(array![[1e-30f32], [-1.0]].view(), &[3.0, 0.0]);
    writer.finish(&[2])
}

pub fn cases() -> Vec<Case> {
    let flips = "analyze net.onnx --data i.csv --binarize 9 --norm hamming --eps 1 --domain exact --proof cert";
    let spread_out = Case::new("analyze.signum", flips, &["node `", "denominator"]);
    let two = "1 x1 1 x2 >= 1 ;\n1 ~x1 >= 1 ;\n";
    let l2 = "analyze net.onnx --data i.csv --norm l2 --eps 0.1 --domain exact --proof cert";
    let l2 = Case::new("analyze.no-certificate", l2, &["signum networks"]);
    let ball = "analyze net.onnx --data i.csv --binarize 1 --norm hamming --eps 1 --domain deeppoly --proof cert";
    let ball = Case::new("analyze.proof-region", ball, &["boxes"]);
    let tangents = "analyze net.onnx --data i.csv --norm l2 --eps 0.1 --domain lp-last --proof cert";
    let tangents = Case::new("analyze.no-proof", tangents, &["lp-last", "balls", "deeppoly"]);
    let curve = "analyze net.onnx --data i.csv --eps 0.1 --domain deeppoly --proof cert";
    let curve = Case::new("analyze.proof-curve", curve, &["`Tanh_0`", "--proof"]);
    let signum = "analyze net.onnx --data i.csv --eps 0.1 --domain deeppoly --proof cert";
    let signum = Case::new("analyze.signum-certificate", signum, &["--domain exact or auto"]);
    let refused = Case::new("usage.refused-certificate", "check cert", &["cert: ", "query, line 2: ", "`box`"]);
    let float32 = "analyze net.onnx --data i.csv --eps 0.1 --domain exact --proof cert --arithmetic float32";
    let float32 = Case::new("analyze.float32-certificate", float32, &["--arithmetic float32"]);
    let gelu = "analyze net.onnx --data i.csv --eps 0.1 --arithmetic float32";
    let gelu = Case::new("analyze.float32-activation", gelu, &["`Gelu_0`", "--arithmetic real"]);
    vec![
        case("check.malformed", "1 x1 1 x2 >= 1\n", "", &["cert: case 0: ", "formula, line 1: ", "`;`"]),
        case("check.malformed", two, "sum 1 2 ;\n", &["cert: case 0: ", "proof, line 2: ", "`sum`"]),
        case("check.not-implied", two, "rup 1 ~x2 >= 1 ;\n", &["cert: case 0: ", "proof, line 2: "]),
        case("check.no-conclusion", two, "rup 1 x2 >= 1 ;\nend pseudo-Boolean proof ;\n", &["cert: case 0: "]),
        spread_out.file("net.onnx", spread()).file("i.csv", "0,1,2\n"),
        l2.file("net.onnx", spread()).file("i.csv", "0,1,2\n"),
        signum.file("net.onnx", spread()).file("i.csv", "0,1,2\n"),
        ball.file("net.onnx", two_by_two()).file("i.csv", "0,1,2\n"),
        tangents.file("net.onnx", two_by_two()).file("i.csv", "0,1,2\n"),
        curve.file("net.onnx", node(&[2], "Tanh", &[], &[])).file("i.csv", "0,1,2\n"),
        float32.file("net.onnx", two_by_two()).file("i.csv", "0,1,2\n"),
        gelu.file("net.onnx", node(&[2], "Gelu", &[], &[])).file("i.csv", "0,1,2\n"),
        refused
            .file("cert/network.txt", "absint network 2\ninput 2\noutput 0\n")
            .file("cert/query.txt", "absint query 2\nbox\n")
            .file("cert/proof.txt", "absint proof 2\n"),
        Case::new("usage.no-certificate", "check cert", &["cert: ", "proof.txt", "case-0.opb"]),
    ]
}
