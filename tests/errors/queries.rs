//! Queries that cannot be read, or do not fit the network.

use super::cases::Case;
use super::kinds;
use super::onnx::two_by_two;
use absint::format::onnx::OnnxWriter;
use absint::format::{json_query, vnnlib};
use std::path::Path;

const X: &str = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n";
const Y: &str = "(declare-const Y_0 Real)\n(declare-const Y_1 Real)\n";
const BOX: &str = "(assert (and (<= 0 X_0 1) (<= 0 X_1 1)))\n";

fn vnnlib_kind(folder: &Path) -> &'static str {
    kinds::vnnlib(&vnnlib::read(folder.join("q.vnnlib")).map(drop).unwrap_err().problem)
}

fn asks(kind: &'static str, text: impl AsRef<[u8]>, names: &[&'static str]) -> Case {
    let case = Case::new(kind, "analyze net.onnx --vnnlib q.vnnlib", names);
    case.file("net.onnx", two_by_two()).file("q.vnnlib", text)
}

pub fn vnnlib() -> Vec<Case> {
    let case = |kind, text: String, names: &[&'static str]| asks(kind, text, names).is(vnnlib_kind);
    let declared = |text: &str| format!("{X}{Y}{text}");
    let boxed = |text: &str| format!("{X}{Y}{BOX}(assert {text})");
    let choices = "(assert (or (<= Y_0 1) (<= Y_0 2)))\n".repeat(30);
    let huge = format!("(<= (* {}) Y_0)", "1e4000 ".repeat(40));
    let deep = format!("{}(<= Y_0 1){}", "(and ".repeat(3000), ")".repeat(3000));
    let missing = Case::new("vnnlib.unreadable", "analyze net.onnx --vnnlib q.vnnlib", &["q.vnnlib: cannot be read"]);
    vec![
        missing.file("net.onnx", two_by_two()).is(vnnlib_kind),
        asks("vnnlib.not-utf8", b"(assert \xFF", &["q.vnnlib:1:9: "]).is(vnnlib_kind),
        case("vnnlib.unexpected", boxed("(<= Y_0 1"), &["q.vnnlib:6:"]),
        case("vnnlib.unexpected", declared("assert"), &["q.vnnlib:5:1: "]),
        case("vnnlib.too-deep", boxed(&deep), &["q.vnnlib:6:", "flatten"]),
        case("vnnlib.unknown-command", declared("(minimize Y_0)"), &["q.vnnlib:5:2: ", "`minimize`", "`assert`"]),
        case("vnnlib.unknown-formula", boxed("(xor (<= Y_0 1))"), &["q.vnnlib:6:10: ", "`xor`", "`and`, `or`"]),
        case("vnnlib.unknown-operator", boxed("(<= (max Y_0 Y_1) 1)"), &["q.vnnlib:6:", "`max`"]),
        case("vnnlib.bad-name", declared("(declare-const Z_0 Real)"), &["q.vnnlib:5:16: ", "`Z_0`"]),
        case("vnnlib.bad-sort", declared("(declare-const Y_2 Int)"), &["q.vnnlib:5:", "`Real`"]),
        case("vnnlib.declared-twice", declared("(declare-const Y_1 Real)"), &["q.vnnlib:5:16: ", "`Y_1`"]),
        case("vnnlib.undeclared", boxed("(<= Y_2 0)"), &["q.vnnlib:6:13: ", "`(declare-const Y_2 Real)`"]),
        case("vnnlib.gap", declared("(declare-const Y_3 Real)(assert (<= Y_0 0))"), &["q.vnnlib:5:16", "`Y_2`"]),
        case("vnnlib.no-inputs", Y.to_owned(), &["q.vnnlib:", "`(declare-const X_0 Real)`"]),
        case("vnnlib.no-assertions", declared(""), &["q.vnnlib:", "add the bounds"]),
        case("vnnlib.number", boxed("(<= Y_0 1.2.3)"), &["q.vnnlib:6:17: ", "`1.2.3`"]),
        case("vnnlib.number", boxed("(<= Y_0 1e99999)"), &["q.vnnlib:6:17: ", "±4000"]),
        case("vnnlib.not-linear", boxed("(<= (* Y_0 Y_1) 0)"), &["q.vnnlib:6:", "not linear"]),
        case("vnnlib.division", boxed("(<= (/ Y_0 0) 1)"), &["q.vnnlib:6:", "other than 0"]),
        case("vnnlib.huge", boxed(&huge), &["q.vnnlib:6:", "simplify"]),
        case(
            "vnnlib.unbounded",
            declared("(assert (<= 0 X_0 1))(assert (<= X_1 1))(assert (<= Y_0 0))"),
            &["q.vnnlib:", "`X_1`", "lower bound", "`(>= X_1 …)`"],
        ),
        case("vnnlib.empty", boxed("(>= X_0 2)"), &["q.vnnlib:6:", "X_0"]),
        case("vnnlib.too-large", format!("{X}{Y}{BOX}{choices}"), &["q.vnnlib:", "split it"]),
    ]
}

const F: &str = "(declare-network f\n(declare-input X real [1,2])\n(declare-output Y real [2]))\n";

const MANY: &str = "(declare-network g (equal-to f)\n(declare-input A real [1,2])\n(declare-output B real [2]))
(assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1) (<= 0 A[0,0] 1) (<= 0 A[0,1] 1) (<= Y[0] B[0])))";

/// Version 2.0; all but the first few lines of [`F`] are about what comes behind them.
pub fn vnnlib_2() -> Vec<Case> {
    let case = |kind, text: String, names: &[&'static str]| {
        asks(kind, format!("(vnnlib-version <2.0>)\n{text}"), names).is(vnnlib_kind)
    };
    let after = |kind, text: &str, names: &[&'static str]| case(kind, format!("{F}{text}"), names);
    let related = |relation: &str, shape: &str| {
        format!("(declare-network g ({relation})\n(declare-input A real [1,2])\n(declare-output B real {shape}))")
    };
    let in_f = |tensors: &str| format!("(declare-network f\n{tensors})");
    let chained = format!("{}{}", related("equal-to f", "[2]"), "(declare-network h (equal-to g))");
    vec![
        after("vnnlib.version", "(vnnlib-version <2.0>)", &["q.vnnlib:5:17: ", "begins with"]),
        asks("vnnlib.version", "(vnnlib-version <3.0>)", &["q.vnnlib:1:17: ", "`<3.0>`"]).is(vnnlib_kind),
        asks("vnnlib.version", F, &["q.vnnlib:1:2: ", "`(vnnlib-version <2.0>)`"]).is(vnnlib_kind),
        after("vnnlib.late-network", "(assert (<= Y[0] 1))(declare-network g)", &["q.vnnlib:5:22: ", "move"]),
        case("vnnlib.no-networks", "(assert (<= 0 1))".into(), &["q.vnnlib:2:", "declare-network"]),
        case("vnnlib.incomplete", in_f("(declare-input X real [2])"), &["q.vnnlib:2:18: ", "`f`", "declare-output"]),
        after("vnnlib.unknown-network", &related("equal-to k", "[2]"), &["q.vnnlib:5:30: ", "`k`"]),
        after("vnnlib.chained", &chained, &["q.vnnlib:7:", "`g`"]),
        after("vnnlib.other-interface", &related("isomorphic-to f", "[3]"), &["q.vnnlib:5:35: ", "`f`"]),
        case("vnnlib.half-named", in_f("(declare-input X real [2] \"x\")(declare-output Y real [2])"), &["`Y`"]),
        case("vnnlib.bad-tensor-name", in_f("(declare-input X-1 real [2])"), &["q.vnnlib:3:16: ", "`X-1`"]),
        case(
            "vnnlib.tensor-order",
            in_f("(declare-output Y real [2])(declare-input X real [2])"),
            &["q.vnnlib:3:43: ", "`X`", "inputs first"],
        ),
        case("vnnlib.element-type", in_f("(declare-input X Real [2])"), &["q.vnnlib:3:18: ", "`Real`", "`real`"]),
        case("vnnlib.shape", in_f("(declare-input X real [2,0])"), &["q.vnnlib:3:23: ", "positive"]),
        case("vnnlib.too-large", in_f("(declare-input X real [4096,4096])"), &["q.vnnlib:3:16: ", "variables"]),
        after("vnnlib.undeclared-tensor", "(assert (<= Z[0] 1))", &["q.vnnlib:5:13: ", "`Z`"]),
        after("vnnlib.index", "(assert (<= X[0,2] 1))", &["q.vnnlib:5:13: ", "`X`", "[1, 2]"]),
        after("vnnlib.unequal", "(assert (!= Y[0] Y[1] 1))", &["q.vnnlib:5:10: ", "two terms"]),
        after("vnnlib.unbounded", "(assert (<= Y[0] 1))", &["`X[0,0]`", "`(>= X[0,0] …)`"]),
        after("vnnlib.unknown-command", "(check-sat)", &["q.vnnlib:5:2: ", "`check-sat`"]),
        asks("usage.sizes", format!("(vnnlib-version <2.0>)\n{F}{MANY}"), &["q.vnnlib: ", "`absint verify`"]),
    ]
}

fn json_kind(folder: &Path) -> &'static str {
    kinds::json(&json_query::read(folder.join("q.json"), 2).map(drop).unwrap_err().problem)
}

fn json_case(kind: &'static str, text: &str, names: &[&'static str]) -> Case {
    let case = Case::new(kind, "analyze net.onnx --query q.json", names);
    case.file("net.onnx", two_by_two()).file("q.json", text)
}

pub fn json() -> Vec<Case> {
    let case = |kind, text: &str, names: &[&'static str]| {
        let mut case = json_case(kind, text, names).is(json_kind);
        case.names.push("q.json: ");
        case
    };
    let missing = Case::new("json.unreadable", "analyze net.onnx --query q.json", &["q.json: cannot be read"]);
    vec![
        missing.file("net.onnx", two_by_two()).is(json_kind),
        case("json.json", "{\"type\": \"box\",\n \"lower\": [0", &["line 2 column 12"]),
        case("json.json", "{\"type\": \"cube\"}", &["`cube`", "line 1 column 15"]),
        case("json.json", r#"{"type": "box", "lower": [true], "upper": [1], "label": 0}"#, &["line 1 column 31"]),
        case("json.json", r#"{"type": "box", "color": 3}"#, &["unknown field `color`", "line 1 column 23"]),
        case("json.json", r#"{"type": "box", "lower": ["1/x"]}"#, &["is not a decimal number"]),
        case("json.schema", r#"{"schema": 2, "type": "box"}"#, &["schema 2", "schema 1"]),
        case("json.missing", r#"{"type": "box", "lower": [0, 0], "label": 0}"#, &["`box`", "`upper`"]),
        case("json.superfluous", r#"{"type": "box", "lower": [], "flips": 1}"#, &["`flips`", "remove it"]),
        case("json.label-or-unsafe", r#"{"type": "box", "lower": [0, 0], "upper": [1, 1]}"#, &["`label`", "`unsafe`"]),
        case("json.index", r#"{"type": "box", "lower": [0, 0], "upper": [1, 1], "label": 2}"#, &["label 2", "has 2"]),
        case(
            "json.index",
            r#"{"type": "box", "lower": [0, 0], "upper": [1, 1], "unsafe": [[{"y": {"5": 1}, "le": 0}]]}"#,
            &["output 5"],
        ),
        case("json.not-two-valued", r#"{"type": "hamming", "center": [1, 0.5], "flips": 1, "label": 0}"#, &["input 1"]),
        case(
            "json.domain",
            r#"{"type": "linf", "center": [0, 0], "radius": 1, "domain": [1, 0], "label": 0}"#,
            &["low < high"],
        ),
        case(
            "json.outside-domain",
            r#"{"type": "l2", "center": [0, 2], "radius": 1, "domain": [0, 1], "label": 0}"#,
            &["input 1", "`domain`"],
        ),
        case("json.region", r#"{"type": "box", "lower": [0, 2], "upper": [1, 1], "label": 0}"#, &["X_1"]),
        case("json.region", r#"{"type": "l1", "center": [0, 0], "radius": -1, "label": 0}"#, &["radius"]),
    ]
}

/// Queries that are well formed, and not about this network.
pub fn misfits() -> Vec<Case> {
    let one_input = "(declare-const X_0 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)";
    let one_input = format!("{one_input}(assert (<= 0 X_0 1))(assert (<= Y_0 0))");
    let short = r#"{"type": "box", "lower": [0], "upper": [1], "label": 0}"#;
    let nothing = r#"{"type": "box", "lower": [0, 0], "upper": [1, 1], "unsafe": []}"#;
    let compared = "compare net.onnx --query q.json --domains interval";
    let compared = Case::new("compare.analyze", compared, &["q.json: ", "1 inputs"]);
    let mut soft = OnnxWriter::input(&[2]);
    soft.node("Softmax", &["input"], &[]);
    let soft = soft.finish(&[2]);
    let above = format!("{X}{Y}{BOX}(assert (>= Y_0 0.5))");
    let softmax =
        Case::new("usage.softmax", "analyze net.onnx --vnnlib q.vnnlib", &["net.onnx: ", "remove the Softmax"]);
    vec![
        asks("usage.sizes", one_input, &["q.vnnlib: ", "1 inputs", "the network has 2"]),
        json_case("analyze.domain", short, &["q.json: ", "1 inputs", "the network 2"]),
        json_case("analyze.nothing", nothing, &["q.json: ", "no disjunct"]),
        compared.file("net.onnx", two_by_two()).file("q.json", short),
        softmax.file("net.onnx", soft).file("q.vnnlib", above),
    ]
}
