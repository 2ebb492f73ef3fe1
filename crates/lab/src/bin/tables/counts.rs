//! signum_counts.csv: what counts of changing neurons are worth in the linear program of a signum network, over the
//! same pairs of image and target as signum_table1.csv.

use crate::job::{Job, Outcome, hash};
use crate::signum::{PAIRS, pairs};
use absint::analyze::{Method, deadline};
use absint::domains::domain::{AbstractDomain, Bounds, LpDomain, Run, propagate};
use absint::domains::lp::backends;
use absint::domains::network::Network;
use absint::domains::num::{Rational, nearest};
use absint::domains::query::{Atom, Disjunct, LinearForms, Property, Query, Region, Variable};
use absint::domains::verdict::Verdict;
use absint::format::{images, onnx};
use absint::{Options, analyze_within};
use absint_lab::train::mnist;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Relaxations without counts, as the table names them.
const RELAXATIONS: [(&str, bool, usize); 3] = [("nat", false, 1), ("hull", true, 1), ("hull+kpoly3", true, 3)];

/// `Y_label − Y_target − than ≤ 0`.
fn at_most(label: usize, target: usize, than: i64) -> Atom {
    let terms = [(Variable::Output(label), Rational::ONE), (Variable::Output(target), -Rational::ONE)];
    Atom { terms: terms.into(), constant: Rational::from(-than), is_strict: false }
}

/// The certified lower bound of `Y_label − Y_target` by the linear program, and its time.
fn root(
    network: &Network,
    region: &Region,
    atom: &Atom,
    (hull, k): (bool, usize),
    counts: bool,
    limit: Duration,
) -> Outcome<Value> {
    let budget = deadline(Some(limit));
    let domain = LpDomain { hull, counts, ..LpDomain::kpoly(k, backends()[0]) };
    let start = Instant::now();
    let trace = propagate(&domain, network, region, &Bounds::unknown(), Run::silent(&budget))?;
    let forms = LinearForms::of_atoms(network, std::slice::from_ref(atom));
    let bound = domain.minima(&forms, &trace)?[0];
    Ok(json!({ "bound": bound, "time_s": start.elapsed().as_secs_f64(), "out_of_time": budget.is_spent() }))
}

/// The least `Y_label − Y_target`, an integer, between two ends: the second holds, the first is proven. One question
/// to the exact engine halves what is between them.
fn least(
    network: &Network,
    region: &Region,
    (label, target): (usize, usize),
    (mut low, mut high): (i64, i64),
    limit: Duration,
) -> Outcome<Value> {
    let start = Instant::now();
    while low < high {
        let budget = deadline(Some(limit));
        let than = low + (high - low - 1) / 2;
        let property = Property { disjuncts: vec![Disjunct { atoms: vec![at_most(label, target, than)] }] };
        let query = Query::over(region.clone(), property);
        let options = Options { method: Method::EXACT, ..Options::default() };
        match analyze_within(network, &query, &options, Run::silent(&budget))?.verdict {
            Verdict::Verified(_) => low = than + 1,
            Verdict::Falsified(_) => high = than,
            Verdict::Unknown(_) => break,
        }
    }
    Ok(json!({ "low": low, "high": high, "time_s": start.elapsed().as_secs_f64() }))
}

/// All of one pair: the bounds of every relaxation without and with counts, and the least margin.
fn measured(network: &Network, region: &Region, (label, target): (usize, usize), limit: Duration) -> Outcome<Value> {
    let atom = at_most(label, target, 0);
    let mut found = json!({});
    let mut best = f64::NEG_INFINITY;
    for (name, hull, k) in RELAXATIONS {
        let both = [false, true].map(|counts| root(network, region, &atom, (hull, k), counts, limit));
        let [without, with] = both;
        let (without, with) = (without?, with?);
        best = [&without, &with].iter().filter_map(|r| r["bound"].as_f64()).fold(best, f64::max);
        found[name] = json!({ "without": without, "with": with });
    }
    let center: Vec<f64> = region.center().iter().map(nearest).collect();
    // Sums of ±1, exact in floats.
    let y = network.evaluate(&center)?;
    let high = (y[label] - y[target]) as i64;
    // A bound that is certified in real arithmetic, of an integer.
    found["exact"] = least(network, region, (label, target), (best.ceil() as i64, high), limit)?;
    Ok(found)
}

/// The table; `flips` are the radii.
pub fn signum_counts(job: &Job, networks: &[String], flips: &[usize], limit: Duration) -> Outcome<()> {
    let file = job.data.join("images/t10k-images.idx3-ubyte");
    let images = images::read(&file)?;
    let path = |name: &String| Path::new("networks").join(name).with_extension("onnx");
    let mut items = Vec::new();
    for name in networks {
        let network = onnx::read(&path(name))?.network;
        let pairs = pairs(&network, &images, 1)?;
        for &flips in flips {
            items.extend(pairs.iter().map(|pair| (name, network.clone(), flips, pair.clone())));
        }
    }
    let keys: Vec<String> =
        items.iter().map(|(name, _, flips, pair)| format!("{name}/{flips}/{}-{}", pair.image, pair.target)).collect();
    let files: Vec<PathBuf> = networks.iter().map(path).chain([file]).collect();
    let header =
        json!({ "inputs": hash(&files)?, "timeout_s": limit.as_secs_f64(), "version": env!("CARGO_PKG_VERSION") });
    let results = job.run("signum_counts", &header, &keys, |i| {
        let (_, network, flips, pair) = &items[i];
        let pixels = images.get_binarized(pair.image, mnist::THRESHOLD).ok_or("no such image")?.pixels;
        let at_upper = pixels.iter().map(|p| p == &Rational::ONE).collect();
        let region = Region::hamming(&-Rational::ONE, &Rational::ONE, at_upper, *flips)?;
        measured(network, &region, (pair.label, pair.target), limit)
    })?;
    let mut rows = Vec::new();
    for (items, results) in items.chunks(PAIRS).zip(results.chunks(PAIRS)) {
        for (name, ..) in RELAXATIONS {
            rows.push(row(items[0].0, items[0].2, name, results));
        }
    }
    let header = [
        "network",
        "flips",
        "relaxation",
        "mean_bound",
        "with_counts",
        "least_proven",
        "least_attained",
        "gap_closed_percent",
        "mean_time_s",
        "with_counts_s",
        "out_of_time",
    ];
    job.write("signum_counts.csv", &header, &rows)
}

/// Means over the pairs; the gap is that to the least margin attained.
fn row(network: &str, flips: usize, relaxation: &str, results: &[Value]) -> Vec<String> {
    let mean = |of: &dyn Fn(&Value) -> Option<f64>| {
        results.iter().map(|r| of(r).unwrap_or(f64::NEG_INFINITY)).sum::<f64>() / results.len() as f64
    };
    let bound = |side: &'static str| mean(&move |r| r[relaxation][side]["bound"].as_f64());
    let time = |side: &'static str| mean(&move |r| r[relaxation][side]["time_s"].as_f64());
    let (without, with) = (bound("without"), bound("with"));
    let (low, high) = (mean(&|r| r["exact"]["low"].as_f64()), mean(&|r| r["exact"]["high"].as_f64()));
    let is_late = |r: &&Value| ["without", "with"].iter().any(|side| r[relaxation][side]["out_of_time"] == true);
    let gap = high - without;
    vec![
        network.into(),
        flips.to_string(),
        relaxation.into(),
        format!("{without:.3}"),
        format!("{with:.3}"),
        format!("{low:.1}"),
        format!("{high:.1}"),
        if gap > 1e-6 { format!("{:.1}", 100.0 * (with - without) / gap) } else { String::new() },
        format!("{:.3}", time("without")),
        format!("{:.3}", time("with")),
        results.iter().filter(is_late).count().to_string(),
    ]
}
