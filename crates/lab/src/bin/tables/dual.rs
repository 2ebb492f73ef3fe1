//! dual_lp.csv: optimised slopes against the linear program of the same relaxation.

use crate::job::{Job, Outcome};
use crate::robustness::Robustness;
use absint::analyze::deadline;
use absint::domains::domain::{AbstractDomain, Bounds, DeepPoly, LpDomain, Run, propagate};
use absint::domains::dual::{Compiled, Effort, Forest, Limits, Objective, Refinement, Relaxed};
use absint::domains::lp::backends;
use absint::domains::network::Network;
use absint::domains::query::{Case, LinearForms};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The certified lower bound of a form over bounds of all nodes, after so many gradient steps.
fn optimised(
    compiled: &Compiled<'_>,
    case: &Case,
    bounds: &Bounds,
    forms: &LinearForms,
    row: usize,
    rounds: usize,
) -> f64 {
    let relaxed = Relaxed::new(compiled, &case.region, bounds);
    let effort = Effort { rounds, alpha: 0.2, beta: 0.1 };
    let limits = Limits::new(f64::MAX, 0, effort, effort);
    let mut forest = Forest::new(&relaxed, vec![Objective::of_form(forms, row, bounds)], limits);
    let budget = deadline(None);
    forest.plant(&budget);
    forest.bounds()[0]
}

/// A margin by slopes that are optimised for so many steps, those of the neurons' bounds before.
pub fn by_slopes(network: &Network, case: &Case, row: usize, rounds: usize, timeout: Duration) -> Outcome<f64> {
    let budget = deadline(Some(timeout));
    let trace = propagate(&DeepPoly::default(), network, &case.region, &Bounds::unknown(), Run::silent(&budget))?;
    let mut bounds = trace.bounds();
    let compiled = Compiled::new(network);
    Refinement::default().run(&compiled, &case.region, &mut bounds, &budget);
    let forms = LinearForms::of_atoms(network, case.property.atoms());
    Ok(optimised(&compiled, case, &bounds, &forms, row, rounds))
}

/// The worst margin of an image by back-substitution, optimised slopes and the linear program, on equal neuron bounds.
fn answer(task: &Robustness, image: usize, steps: usize, timeout: Duration) -> Outcome<Value> {
    let Some(query) = task.query(image)? else { return Ok(json!({ "verdict": "misclassified" })) };
    let case = query.cases.first().ok_or("the query is empty")?;
    let network = task.network();
    let forms = LinearForms::of_atoms(network, case.property.atoms());
    let budget = deadline(Some(timeout));
    let lp = LpDomain::kpoly(1, backends()[0]);
    let trace = propagate(&lp, network, &case.region, &Bounds::unknown(), Run::silent(&budget))?;
    let base = propagate(&DeepPoly::default(), network, &case.region, &Bounds::unknown(), Run::silent(&budget))?;
    let margins = DeepPoly::default().minima(&forms, &base)?;
    let row = (0..margins.len()).min_by(|&i, &j| margins[i].total_cmp(&margins[j])).ok_or("no margins")?;
    let bounds = trace.bounds();
    let compiled = Compiled::new(network);
    let start = Instant::now();
    let dual = optimised(&compiled, case, &bounds, &forms, row, steps);
    let dual_s = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let program = lp.minima(&forms.select(&[row]), &trace)?[0];
    let lp_s = start.elapsed().as_secs_f64();
    Ok(json!({
        "deeppoly": margins[row], "dual": dual, "dual_s": dual_s, "lp": program, "lp_s": lp_s,
        "out_of_time": budget.is_spent(),
    }))
}

/// The first images of some networks.
pub fn dual_lp(job: &Job, tasks: &[Robustness], images: usize, steps: usize, timeout: Duration) -> Outcome<()> {
    let mut rows = Vec::new();
    for task in tasks {
        let keys: Vec<String> = (0..task.count(images)).map(|i| i.to_string()).collect();
        let header = json!({
            "network_and_images": task.hash(), "steps": steps, "timeout_s": timeout.as_secs_f64(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        let name = format!("dual_lp_{}", task.name());
        let results = job.run(&name, &header, &keys, |i| answer(task, i, steps, timeout))?;
        for (image, result) in results.iter().enumerate() {
            let number = |field: &str| result[field].as_f64();
            let (Some(base), Some(dual), Some(lp)) = (number("deeppoly"), number("dual"), number("lp")) else {
                continue;
            };
            let seconds = |field: &str| format!("{:.4}", number(field).unwrap_or(f64::NAN));
            rows.push(vec![
                task.name().to_owned(),
                image.to_string(),
                base.to_string(),
                dual.to_string(),
                seconds("dual_s"),
                lp.to_string(),
                seconds("lp_s"),
                format!("{:.4}", (dual - base) / (lp - base)),
            ]);
        }
        job.write_beside("dual_lp.csv", &COLUMNS, 2, &rows)?;
    }
    Ok(())
}

/// The columns of dual_lp.csv.
const COLUMNS: [&str; 8] = ["network", "image", "deeppoly", "dual", "dual_s", "lp", "lp_s", "share_of_gain"];
