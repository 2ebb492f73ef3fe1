//! salman_table2.csv: certified radii on ten images for the networks of the convex-barrier paper.
//!
//! The published radii are those of balls that leave the range of pixels, around each image for the class that
//! the network gives it: with both, the greedy column is met to all digits. So it is here.

use crate::job::{Job, Outcome};
use crate::salman::{Method, PublishedNetwork, predicted, published};
use absint::analyze::deadline;
use absint::attack::Attack;
use absint::campaign::{RadiusOptions, Tolerance, radius};
use absint::domains::domain::Run;
use absint::domains::num::{Rational, nearest, parse_decimal};
use absint::domains::query::{Query, Region, RegionError};
use absint::format::images::{self, ImageSet};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Method, our column, the published one, and the method from whose radius it goes on.
const COLUMNS: [(&str, &str, &str, &str); 6] = [
    ("lp-greedy", "lp_greedy_e-3", "published_lp_greedy_e-3", ""),
    ("lp-last", "lp_last_e-3", "published_lp_last_e-3", "lp-greedy"),
    ("lp-all", "lp_all_e-3", "published_lp_all_e-3", "lp-greedy"),
    ("kpoly(k=2,refine)", "kpoly2_e-3", "", "lp-all"),
    ("kpoly(k=3,refine)", "kpoly3_e-3", "", "lp-all"),
    ("pgd", "pgd_e-3", "published_pgd_e-3", ""),
];

/// The radii of one method, by image, with the seconds that they took.
type Radii = BTreeMap<String, (Rational, f64)>;

pub fn table2(job: &Job, networks: &[String], methods: &[String], timeout: f64) -> Outcome<()> {
    let limit = Duration::try_from_secs_f64(timeout)?;
    let file = job.data.join("images/salman_ten_test_images.csv");
    let images = images::read(&file)?;
    let rows = published(job, "published_table2.csv", &file)?;
    let keys: Vec<String> = (0..images.len()).map(|i| i.to_string()).collect();
    // In the table's order each finds what it goes on from; the attack's radius ends every search.
    let mut order: Vec<&String> = methods.iter().collect();
    order.sort_by_key(|m| COLUMNS.iter().position(|(method, ..)| method == m));
    order.sort_by_key(|m| m.as_str() != "pgd");
    for row in rows.iter().filter(|row| networks.is_empty() || networks.contains(&row.name)) {
        for name in &order {
            let known = |method: &str| radii(job, row, method, timeout);
            let from = COLUMNS.iter().find(|(method, ..)| method == name).map_or("", |(.., from)| from);
            let (safe, attacked, greedy) = (known(from)?, known("pgd")?, known("lp-greedy")?);
            job.run(&partial(row, name), &header(row, name, timeout), &keys, |i| {
                let of = |radii: &Radii| radii.get(&keys[i]).map(|(eps, _)| eps.clone());
                answer(row, &images, i, name, limit, of(&safe), of(&attacked), of(&greedy))
            })?;
            println!("{}: {name} done", row.name);
        }
    }
    let mut out = Vec::new();
    for row in &rows {
        out.push(line(job, row, &keys, timeout)?);
    }
    let header: Vec<&str> = ["network", "images"]
        .into_iter()
        .chain(COLUMNS.iter().flat_map(|(_, ours, published, _)| [*ours, *published]).filter(|c| !c.is_empty()))
        .chain(["mean_s"])
        .collect();
    job.write("salman_table2.csv", &header, &out)
}

#[allow(clippy::too_many_arguments)]
fn answer(
    row: &PublishedNetwork,
    images: &ImageSet,
    i: usize,
    name: &str,
    limit: Duration,
    safe: Option<Rational>,
    attacked: Option<Rational>,
    greedy: Option<Rational>,
) -> Outcome<Value> {
    let image = images.get(i).ok_or("no such image")?;
    let class = predicted(&row.network, &image.pixels)?;
    let ball = |eps: &Rational| -> Result<Query, RegionError> {
        let region = Region::linf(&image.pixels, eps, None)?;
        Ok(Query::robustness(region, row.network.output_len(), class))
    };
    let start = Instant::now();
    let budget = deadline(Some(limit));
    let run = Run::silent(&budget);
    let eps = match Method::named(name)? {
        Method::Attack(attack) => {
            let attack = Attack { steps: 200, restarts: 20, ..attack };
            let options = RadiusOptions { attack: Some(attack), ..RadiusOptions::default() };
            let found = absint::campaign::attacked_radius(&row.network, &ball, &options, run)?;
            found.attacked.map(|(eps, _)| eps)
        }
        Method::Domain(analysis) => {
            let tolerance = greedy.filter(|_| name != "lp-greedy").map(|greedy| greedy * RadiusOptions::coarse());
            let options = RadiusOptions {
                analysis: *analysis,
                attack: None,
                tolerance: tolerance.map(Tolerance::Absolute),
                safe,
                unsafe_at: attacked,
                ..RadiusOptions::default()
            };
            radius(&row.network, &ball, &options, run)?.certified
        }
    };
    let eps = eps.map_or(Value::Null, |eps| eps.to_string().into());
    Ok(json!({ "eps": eps, "time_s": start.elapsed().as_secs_f64(), "out_of_time": budget.is_spent() }))
}

fn partial(row: &PublishedNetwork, method: &str) -> String {
    format!("salman2_{}_{method}", row.name)
}

fn header(row: &PublishedNetwork, method: &str, timeout: f64) -> Value {
    json!({
        "network_and_images": row.hash,
        "method": method,
        "pixels": "any",
        "class": "predicted",
        "timeout_s": timeout,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn radii(job: &Job, row: &PublishedNetwork, method: &str, timeout: f64) -> Outcome<Radii> {
    let mut radii = Radii::new();
    for (key, result) in job.load(&partial(row, method), &header(row, method, timeout))? {
        if let Some(eps) = result["eps"].as_str() {
            radii.insert(key, (parse_decimal(eps)?, result["time_s"].as_f64().unwrap_or(f64::NAN)));
        }
    }
    Ok(radii)
}

fn line(job: &Job, row: &PublishedNetwork, keys: &[String], timeout: f64) -> Outcome<Vec<String>> {
    let mut cells = vec![row.name.clone(), keys.len().to_string()];
    let mut times = Vec::new();
    for (method, _, column, _) in COLUMNS {
        let radii = radii(job, row, method, timeout)?;
        let is_complete = keys.iter().all(|key| radii.contains_key(key));
        let count = keys.len() as f64;
        let mean = radii.values().map(|(eps, _)| nearest(eps)).sum::<f64>() / count;
        cells.push(if is_complete { format!("{:.2}", 1000.0 * mean) } else { String::new() });
        if is_complete {
            times.push(format!("{method} {:.3}", radii.values().map(|(_, time)| time).sum::<f64>() / count));
        }
        if !column.is_empty() {
            let field = match method {
                "lp-greedy" => "lp_greedy_mean_eps_e-3",
                "lp-last" => "lp_last",
                "lp-all" => "lp_all",
                _ => "pgd_upper",
            };
            cells.push(row.published.get(field).cloned().unwrap_or_default());
        }
    }
    cells.push(times.join("; "));
    Ok(cells)
}
