//! salman_table1.csv: robust error of the networks of the convex-barrier paper, by ever tighter methods.

use crate::job::{Job, Outcome, hash};
use absint::analyze::deadline;
use absint::attack::{Attack, Target};
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::domains::num::{Rational, nearest, parse_decimal};
use absint::domains::observer::Silent;
use absint::domains::query::{Query, Region};
use absint::domains::verdict::Verdict;
use absint::format::images::{self, ImageSet};
use absint::format::onnx;
use absint::{Options, analyze_within};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// The methods of the table in the order of the bounds that they give: each counts at most the errors that
/// the next one counts, on the same images.
pub const METHODS: [&str; 6] = ["pgd", "exact", "kpoly(k=3,refine)", "lp-all", "lp-last", "lp-greedy"];

/// What an image is asked.
pub enum Method {
    Attack(Attack),
    Domain(Box<Options>),
}

impl Method {
    /// A method by its name: `pgd`, or as the program spells it.
    pub fn named(name: &str) -> Outcome<Self> {
        let certify = |method| Options { method, attack: false, ..Options::default() };
        Ok(match name {
            "pgd" => Self::Attack(Attack::pgd(0)),
            domain => Self::Domain(Box::new(certify(domain.parse()?))),
        })
    }
}

/// A network with what was published of it.
pub struct PublishedNetwork {
    pub name: String,
    pub network: Network,
    pub published: BTreeMap<String, String>,
    /// Of the network and the images.
    pub hash: String,
}

/// The rows of a published table.
pub fn published(job: &Job, table: &str, images: &Path) -> Outcome<Vec<PublishedNetwork>> {
    let folder = job.data.join("salman2019");
    let images = hash(&[images.to_owned()])?;
    let mut rows = Vec::new();
    for row in csv::Reader::from_path(folder.join(table))?.deserialize() {
        let published: BTreeMap<String, String> = row?;
        let name = published["net"].clone();
        let model = folder.join(format!("{name}.onnx"));
        let network = onnx::read(&model)?.network;
        rows.push(PublishedNetwork { network, published, hash: format!("{}+{images}", hash(&[model])?), name });
    }
    Ok(rows)
}

/// The class that a network gives an image.
pub fn predicted(network: &Network, pixels: &[Rational]) -> Outcome<usize> {
    let center: Vec<f64> = pixels.iter().map(nearest).collect();
    let output = network.evaluate(&center)?;
    Ok((0..output.len()).fold(0, |best, j| if output[j] > output[best] { j } else { best }))
}

/// What one method says of one image.
fn answer(row: &PublishedNetwork, images: &ImageSet, i: usize, method: &Method, limit: Duration) -> Outcome<Value> {
    let image = images.get(i).ok_or("no such image")?;
    if predicted(&row.network, &image.pixels)? != image.label {
        return Ok(json!({ "verdict": "misclassified" }));
    }
    let range = (Rational::ZERO, Rational::ONE);
    let eps = parse_decimal(&row.published["epsilon"])?;
    let region = Region::linf(&image.pixels, &eps, Some((&range.0, &range.1)))?;
    let query = Query::robustness(region, row.network.output_len(), image.label);
    let start = Instant::now();
    let budget = deadline(Some(limit));
    let verdict = match method {
        Method::Attack(attack) => {
            let open: Vec<usize> = (0..query.disjuncts()).collect();
            let found = attack.run(Target { network: &row.network, case: &query.cases[0], open: &open }, &budget);
            if found.witness.is_some() { "falsified" } else { "unknown" }
        }
        Method::Domain(options) => {
            let run = Run { budget: &budget, observer: &Silent };
            match analyze_within(&row.network, &query, options, run)?.verdict {
                Verdict::Unknown(gap) if gap.out_of_time => "out of time",
                verdict => verdict.name(),
            }
        }
    };
    Ok(json!({ "verdict": verdict, "time_s": start.elapsed().as_secs_f64() }))
}

/// The results of one method on one network, by image.
type Verdicts = BTreeMap<usize, (String, Option<f64>)>;

fn parse(results: impl Iterator<Item = (usize, Value)>) -> Verdicts {
    results.map(|(i, r)| (i, (r["verdict"].as_str().unwrap_or_default().to_owned(), r["time_s"].as_f64()))).collect()
}

/// Whether an image counts as an error: found wrong (by the attack), or not proved right (by the others).
fn is_error(method: &str, verdict: &str) -> bool {
    if method == "pgd" { verdict != "unknown" } else { verdict != "verified" }
}

/// What cheaper methods settle, the costly ones inherit: none proves what the attack falsified, each proves
/// what the looser ones proved, and no attack succeeds there.
fn inherited(method: &str, done: &BTreeMap<&str, Verdicts>, image: usize) -> Option<Value> {
    let place = METHODS.iter().position(|m| *m == method)?;
    let verdict = |m: &str| done.get(m)?.get(&image).map(|(verdict, _)| verdict.clone());
    if method != "pgd"
        && method != "lp-greedy"
        && let Some(known) = verdict("pgd").filter(|v| v != "unknown")
    {
        return Some(json!({ "verdict": known, "by": "pgd" }));
    }
    let looser = METHODS.iter().skip(place + 1).find(|m| verdict(m).is_some_and(|v| v == "verified"))?;
    Some(json!({ "verdict": if method == "pgd" { "unknown" } else { "verified" }, "by": looser }))
}

pub fn table1(job: &Job, networks: &[String], methods: &[String], count: usize, timeout: f64) -> Outcome<()> {
    let limit = Duration::try_from_secs_f64(timeout)?;
    let file = job.data.join("images/t10k-images.idx3-ubyte");
    let images = images::read(&file)?;
    let rows = published(job, "published_table1.csv", &file)?;
    let keys: Vec<String> = (0..count.min(images.len())).map(|i| i.to_string()).collect();
    // The looser methods first, and the attack before the costly ones: these inherit from both.
    let mut order: Vec<&String> = methods.iter().collect();
    order.sort_by_key(|m| METHODS.iter().rev().position(|known| known == m));
    order.sort_by_key(|m| m.as_str() != "lp-greedy" && m.as_str() != "pgd");
    for row in rows.iter().filter(|row| networks.is_empty() || networks.contains(&row.name)) {
        for name in &order {
            let method = Method::named(name)?;
            let done = known(job, row, timeout)?;
            let header = header(row, name, timeout);
            job.run(&partial(row, name), &header, &keys, |i| match inherited(name, &done, i) {
                Some(result) => Ok(result),
                None => answer(row, &images, i, &method, limit),
            })?;
            println!("{} {}: {name} done on {} images", row.name, row.published["epsilon"], keys.len());
        }
    }
    // The table holds everything that was ever run, whatever this call was for.
    let mut out = Vec::new();
    for row in &rows {
        let done = known(job, row, timeout)?;
        for images in [100, images.len()] {
            out.push(line(row, &done, images));
        }
    }
    let header: Vec<&str> = ["network", "eps", "images", "test_error_pct", "published_test_error_pct"]
        .into_iter()
        .chain(COLUMNS.iter().flat_map(|(_, ours, published)| [*ours, *published]).filter(|c| !c.is_empty()))
        .chain(["ordered", "mean_s"])
        .collect();
    job.write("salman_table1.csv", &header, &out)
}

/// Method, our column and the published one.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("pgd", "pgd_pct", "published_pgd_pct"),
    ("exact", "exact_pct", "published_milp_upper_pct"),
    ("kpoly(k=3,refine)", "kpoly3_pct", ""),
    ("lp-all", "lp_all_pct", "published_lp_all_pct"),
    ("lp-last", "lp_last_pct", ""),
    ("lp-greedy", "lp_greedy_pct", "published_lp_greedy_pct"),
];

fn line(row: &PublishedNetwork, done: &BTreeMap<&str, Verdicts>, images: usize) -> Vec<String> {
    let published = |field: &str| row.published.get(field).cloned().unwrap_or_default();
    let complete = |method: &str| done.get(method).filter(|v| (0..images).all(|i| v.contains_key(&i)));
    let percent = |errors: usize| format!("{:.2}", 100.0 * errors as f64 / images as f64);
    let errors = |method: &str| {
        let verdicts = complete(method)?;
        Some((0..images).filter(|i| is_error(method, &verdicts[i].0)).count())
    };
    let misclassified = done
        .keys()
        .find_map(|m| complete(m))
        .map(|verdicts| (0..images).filter(|i| verdicts[i].0 == "misclassified").count());
    let is_whole = images > 100;
    let mut cells = vec![
        row.name.clone(),
        row.published["epsilon"].clone(),
        images.to_string(),
        misclassified.map_or_else(String::new, percent),
        if is_whole { published("test_error") } else { String::new() },
    ];
    let mut times = Vec::new();
    for (method, _, column) in COLUMNS {
        cells.push(errors(method).map_or_else(String::new, percent));
        if !column.is_empty() {
            let field = match method {
                "pgd" => "pgd_lower",
                "exact" => "milp_upper",
                "lp-all" => "lp_all_upper",
                _ => "lp_greedy_upper",
            };
            cells.push(if is_whole { published(field) } else { String::new() });
        }
        if let Some(verdicts) = complete(method) {
            let own: Vec<f64> = (0..images).filter_map(|i| verdicts[&i].1).collect();
            let mean = own.iter().sum::<f64>() / own.len().max(1) as f64;
            times.push(format!("{method} {mean:.4}"));
        }
    }
    let found: Vec<usize> = METHODS.iter().filter_map(|m| errors(m)).collect();
    cells.push(if found.is_sorted() { "yes" } else { "no" }.into());
    cells.push(times.join("; "));
    cells
}

fn partial(row: &PublishedNetwork, method: &str) -> String {
    format!("salman1_{}_{}_{method}", row.name, row.published["epsilon"])
}

fn header(row: &PublishedNetwork, method: &str, timeout: f64) -> Value {
    json!({
        "network_and_images": row.hash,
        "method": method,
        "eps": row.published["epsilon"],
        "timeout_s": timeout,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// Everything that is there for a network and radius.
fn known<'a>(job: &Job, row: &PublishedNetwork, timeout: f64) -> Outcome<BTreeMap<&'a str, Verdicts>> {
    let mut done = BTreeMap::new();
    for (method, ..) in COLUMNS {
        let found = job.load(&partial(row, method), &header(row, method, timeout))?;
        let by_image = found.into_iter().filter_map(|(key, result)| Some((key.parse().ok()?, result)));
        let verdicts = parse(by_image);
        if !verdicts.is_empty() {
            done.insert(method, verdicts);
        }
    }
    Ok(done)
}
