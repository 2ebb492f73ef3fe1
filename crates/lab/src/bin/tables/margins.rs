//! lp_margins.csv: kpoly against the margins of other tools' linear programs, and optimised slopes against theirs.

use crate::dual::by_slopes;
use crate::job::{Job, Outcome, hash};
use crate::truth::BENCHMARKS;
use absint::analyze::deadline;
use absint::domains::domain::{AbstractDomain, Bounds, LpDomain, Run, propagate};
use absint::domains::lp::backends;
use absint::domains::query::LinearForms;
use absint::format::{onnx, vnnlib};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// The methods of other tools that have a counterpart here.
pub const METHODS: [&str; 3] = ["triangle_lp", "prima_k3", "alpha_crown_20"];

/// A margin with the bound that another tool gives.
struct ForeignMargin {
    network: String,
    instance: String,
    method: String,
    index: usize,
    bound: f64,
}

impl ForeignMargin {
    /// Our bound of the margin: kpoly with triangles alone or with joint cuts of three, or slopes optimised by 20 steps.
    fn answer(&self, job: &Job, timeout: Duration) -> Outcome<Value> {
        let folders = BENCHMARKS.iter().map(|b| job.data.join(b));
        let file = |folder: &Path| folder.join(format!("onnx/{}.onnx", self.network));
        let folder = folders.into_iter().find(|f| file(f).exists()).ok_or("no folder has the network")?;
        let network = onnx::read(&file(&folder))?.network;
        let query = vnnlib::read(folder.join(format!("vnnlib/{}.vnnlib", self.instance)))?.query;
        let case = query.cases.first().ok_or("the query is empty")?;
        let forms = LinearForms::of_atoms(&network, case.property.atoms()).select(&[self.index]);
        let domain = LpDomain::kpoly(if self.method == "triangle_lp" { 1 } else { 3 }, backends()[0]);
        let start = Instant::now();
        let budget = deadline(Some(timeout));
        if self.method == "alpha_crown_20" {
            let bound = by_slopes(&network, case, self.index, 20, timeout)?;
            return Ok(json!({ "bound": bound, "time_s": start.elapsed().as_secs_f64(), "out_of_time": false }));
        }
        let trace = propagate(&domain, &network, &case.region, &Bounds::unknown(), Run::silent(&budget))?;
        let bound = domain.minima(&forms, &trace)?[0];
        Ok(json!({ "bound": bound, "time_s": start.elapsed().as_secs_f64(), "out_of_time": budget.is_spent() }))
    }
}

pub fn margins(job: &Job, networks: &[String], methods: &[String], timeout: Duration) -> Outcome<()> {
    let file = job.data.parent().ok_or("the data folder has no parent")?.join("oracles/margin_lower_bounds.csv");
    let mut all = Vec::new();
    for row in csv::Reader::from_path(&file)?.deserialize() {
        let (network, instance, method, index, bound): (String, String, String, usize, f64) = row?;
        let is_wanted = networks.is_empty() || networks.contains(&network);
        if is_wanted && methods.contains(&method) {
            all.push(ForeignMargin { network, instance, method, index, bound });
        }
    }
    let keys: Vec<String> =
        all.iter().map(|m| format!("{}/{}/{}/{}", m.network, m.instance, m.method, m.index)).collect();
    let header = json!({
        "margins": hash(&[file])?,
        "timeout_s": timeout.as_secs_f64(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let results = job.run("lp_margins", &header, &keys, |i| all[i].answer(job, timeout))?;
    let row = |(margin, result): (&ForeignMargin, &Value)| {
        let bound = result["bound"].as_f64().unwrap_or(f64::NEG_INFINITY);
        vec![
            margin.network.clone(),
            margin.instance.clone(),
            margin.method.clone(),
            margin.index.to_string(),
            margin.bound.to_string(),
            bound.to_string(),
            format!("{:.3e}", (bound - margin.bound) / margin.bound.abs().max(1.0)),
            format!("{:.3}", result["time_s"].as_f64().unwrap_or(f64::NAN)),
            result["out_of_time"].to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().zip(&results).map(row).collect();
    let header =
        ["network", "instance", "method", "margin", "theirs", "ours", "relative_gain", "time_s", "out_of_time"];
    job.write_beside("lp_margins.csv", &header, 4, &rows)
}
