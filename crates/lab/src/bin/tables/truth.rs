//! Known answers of benchmarks: truth.csv by `auto` in short time, exact_vnncomp.csv by the exact engines
//! in long time.

use crate::job::{Job, Outcome, hash, seconds, text};
use absint::analyze::{Method, deadline};
use absint::domains::domain::Run;
use absint::domains::observer::Silent;
use absint::domains::verdict::Verdict;
use absint::format::{onnx, vnnlib};
use absint::{Options, analyze_within};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The benchmarks, those that exact engines decide first.
pub const BENCHMARKS: [&str; 6] = [
    "vnncomp2022_rl_benchmarks",
    "vnncomp2022_reach_prob_density",
    "vnncomp_acasxu",
    "vnncomp2021_mnistfc",
    "vnncomp2021_eran",
    "vnncomp2025_open",
];

/// Which answers are compared with the known ones.
pub struct Subject {
    /// The table's name, without `.csv`.
    pub name: &'static str,
    /// What answers.
    pub domain: Method,
}

/// The cascade.
pub const TRUTH: Subject = Subject { name: "truth", domain: Method::AUTO };

/// The exact engines.
pub const EXACT: Subject = Subject { name: "exact_vnncomp", domain: Method::EXACT };

/// A query with its known answer.
struct Instance {
    benchmark: String,
    row: Map<String, Value>,
}

fn instances(job: &Job, benchmark: &str) -> Outcome<Vec<Instance>> {
    let mut all = Vec::new();
    for row in csv::Reader::from_path(job.data.join(benchmark).join("truth.csv"))?.deserialize() {
        let mut row: BTreeMap<String, String> = row?;
        // Some lists have the paths in their folder, under other names.
        for (column, path, folder) in [("net", "network", "onnx/"), ("spec", "query", "vnnlib/")] {
            if let Some(path) = row.remove(path) {
                row.insert(column.to_owned(), path.strip_prefix(folder).unwrap_or(&path).to_owned());
            }
        }
        let row = row.into_iter().map(|(k, v)| (k, Value::String(v))).collect();
        all.push(Instance { benchmark: benchmark.to_owned(), row });
    }
    Ok(all)
}

impl Instance {
    fn key(&self) -> String {
        format!("{}/{}/{}", self.benchmark, text(&self.row, "net"), text(&self.row, "spec"))
    }

    fn answer(&self, job: &Job, domain: Method, timeout: Duration) -> Outcome<Value> {
        let folder = job.data.join(&self.benchmark);
        let network = onnx::read(&folder.join("onnx").join(text(&self.row, "net")))?.network;
        let query = vnnlib::read(folder.join("vnnlib").join(text(&self.row, "spec")))?.query;
        let start = Instant::now();
        let run = Run { budget: &deadline(Some(timeout)), observer: &Silent };
        let analysis = analyze_within(&network, &query, &Options { method: domain, ..Options::default() }, run)?;
        let time = start.elapsed().as_secs_f64();
        let verdict = match analysis.verdict {
            Verdict::Verified(_) => "unsat",
            Verdict::Falsified(_) => "sat",
            Verdict::Unknown(_) => "unknown",
        };
        Ok(json!({ "verdict": verdict, "by": analysis.decided_by().unwrap_or_default(), "time_s": time }))
    }
}

/// Writes the table of a subject, and its summary by benchmark.
pub fn truth(job: &Job, subject: &Subject, benchmarks: &[String], timeout: f64) -> Outcome<()> {
    let limit = seconds(timeout)?;
    let (mut rows, mut summary) = (Vec::new(), Vec::new());
    for benchmark in benchmarks {
        let all = instances(job, benchmark)?;
        let keys: Vec<String> = all.iter().map(Instance::key).collect();
        let files = [job.data.join(benchmark).join("truth.csv")];
        let header = json!({ "answers": hash(&files)?, "timeout_s": timeout, "version": env!("CARGO_PKG_VERSION") });
        let results = job.run(&format!("{}_{benchmark}", subject.name), &header, &keys, |i| {
            all[i].answer(job, subject.domain, limit)
        })?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let (mut total, mut slowest, mut contradictions) = (0.0, 0.0_f64, 0);
        for (instance, result) in all.iter().zip(&results) {
            let verdict = result["verdict"].as_str().unwrap_or_default().to_owned();
            let truth = text(&instance.row, "truth");
            let contradicts = verdict != "unknown" && truth != "unknown" && verdict != truth;
            let time = result["time_s"].as_f64().unwrap_or(f64::NAN);
            *counts.entry(verdict.clone()).or_default() += 1;
            (total, slowest) = (total + time, slowest.max(time));
            contradictions += usize::from(contradicts);
            rows.push(vec![
                benchmark.clone(),
                text(&instance.row, "net"),
                text(&instance.row, "spec"),
                verdict,
                result["by"].as_str().unwrap_or_default().to_owned(),
                format!("{time:.3}"),
                truth,
                if contradicts { "yes" } else { "no" }.to_owned(),
            ]);
        }
        let count = |verdict: &str| counts.get(verdict).copied().unwrap_or(0);
        let known = |truth: &str| all.iter().filter(|i| text(&i.row, "truth") == truth).count();
        println!(
            "{benchmark}: {} of {} verified, {} of {} falsified, {} unknown, {contradictions} contradictions, \
             {total:.1} s in all, slowest {slowest:.2} s",
            count("unsat"),
            known("unsat"),
            count("sat"),
            known("sat"),
            count("unknown"),
        );
        summary.push(vec![
            benchmark.clone(),
            all.len().to_string(),
            count("unsat").to_string(),
            count("sat").to_string(),
            count("unknown").to_string(),
            known("unsat").to_string(),
            known("sat").to_string(),
            contradictions.to_string(),
            format!("{:.3}", total / all.len().max(1) as f64),
            format!("{slowest:.3}"),
        ]);
    }
    let header = ["benchmark", "net", "spec", "verdict", "decided_by", "time_s", "truth", "contradiction"];
    job.write(&format!("{}.csv", subject.name), &header, &rows)?;
    let header = [
        "benchmark",
        "queries",
        "verified",
        "falsified",
        "unknown",
        "known_unsat",
        "known_sat",
        "contradictions",
        "mean_s",
        "slowest_s",
    ];
    job.write(&format!("{}_summary.csv", subject.name), &header, &summary)
}
