//! Results files that cannot be continued, merged or written.

use super::cases::{Case, Held};
use super::kinds;
use super::onnx::two_by_two;
use absint::campaign::{self, Journal, Results};
use serde_json::json;
use std::path::Path;

const RUN: &str = "certify net.onnx --data i.csv --eps 0.1 --out r.jsonl --resume";

fn resumed(kind: &'static str, results: &str, names: &[&'static str]) -> Case {
    let case = Case::new(kind, RUN, names).file("net.onnx", two_by_two()).file("i.csv", "1,1,2\n");
    case.file("r.jsonl", results)
}

fn journal_kind(folder: &Path) -> &'static str {
    let header = json!({"schema": 1});
    kinds::journal(&Journal::resume(&folder.join("r.jsonl"), &header, "image").map(drop).unwrap_err().problem)
}

/// Another run that has the file open.
fn held(folder: &Path) -> Held {
    Box::new(Journal::resume(&folder.join("r.jsonl"), &json!({}), "image").unwrap())
}

/// `eps` and results of images 0 to 3.
fn shard(eps: &str, lines: &[(usize, &str)]) -> String {
    let header = json!({"schema": 1, "command": "certify", "range": [0, 4], "shard": null, "eps": eps});
    let line =
        |&(image, verdict): &(usize, &str)| json!({"image": image, "label": 0, "verdict": verdict, "time_s": 0.1});
    let lines = std::iter::once(header).chain(lines.iter().map(line));
    lines.map(|line| format!("{line}\n")).collect()
}

fn merge_kind(folder: &Path) -> &'static str {
    kinds::merge(&campaign::merge(&[folder.join("a.jsonl"), folder.join("b.jsonl")]).map(drop).unwrap_err())
}

fn merged(kind: &'static str, a: &str, b: &str, names: &[&'static str]) -> Case {
    Case::new(kind, "merge a.jsonl b.jsonl", names).file("a.jsonl", a).file("b.jsonl", b).is(merge_kind)
}

fn line_kind(folder: &Path) -> &'static str {
    kinds::journal(&Results::read(&folder.join("a.jsonl"), "image").map(drop).unwrap_err().problem)
}

pub fn cases() -> Vec<Case> {
    let good = shard("1/10", &[(0, "verified")]);
    let nowhere =
        Case::new("results.io", "certify net.onnx --data i.csv --eps 0.1 --out no/r.jsonl", &["no/r.jsonl: "]);
    let exists = Case::new("results.exists", "certify net.onnx --data i.csv --eps 0.1 --out r.jsonl", &["r.jsonl: "]);
    let mut locked = resumed("results.locked", "", &["r.jsonl: another run"]);
    locked.hold = Some(held);
    let missing = Case::new("merge.read", "merge a.jsonl b.jsonl", &["a.jsonl: "]).is(merge_kind);
    let torn = Case::new("results.line", "merge a.jsonl", &["a.jsonl:2: ", "remove the line"]).is(line_kind);
    vec![
        nowhere.file("net.onnx", two_by_two()).file("i.csv", "1,1,2\n"),
        exists.file("net.onnx", two_by_two()).file("i.csv", "1,1,2\n").file("r.jsonl", &good),
        locked,
        resumed("results.header", "", &["r.jsonl:1: ", "eps = \"1/5\"", "eps = \"1/10\""])
            .after("certify net.onnx --data i.csv --eps 0.2 --out r.jsonl --resume")
            .is(journal_kind),
        resumed("results.no-header", "dear diary\n", &["r.jsonl:1: ", "name another file"]).is(journal_kind),
        torn.file("a.jsonl", good.replace("\"image\"", "\"picture\"")),
        missing,
        merged("merge.header", &good, &shard("1/5", &[]), &["b.jsonl: ", "a.jsonl", "eps"]),
        merged("merge.field", &good.replace("certify", "radius"), &good, &["a.jsonl:1: ", "`command`"]),
        merged("merge.image", &good, &shard("1/10", &[(9, "verified")]), &["b.jsonl:2: "]),
        merged("merge.conflict", &good, &shard("1/10", &[(0, "unknown")]), &["image 0", "b.jsonl:2 ", "a.jsonl"]),
    ]
}
