//! bnn_preprocessing.csv: what the solver has to do with and without what is derived before the search.

use crate::bnn::{class, flipped, samples};
use crate::job::{Job, Outcome, hash};
use absint::analyze::deadline;
use absint::domains::activation::Sign;
use absint::domains::domain::Run;
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint::domains::num::Rational;
use absint::exact::signum::{Compiled, Preprocessing, SignumOptions};
use absint::format::{images, onnx};
use absint_lab::train::mnist;
use ndarray::Array2;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const VARIANTS: [(&str, bool, bool); 4] =
    [("none", false, false), ("fix", true, false), ("counts", false, true), ("both", true, true)];

/// Knuth's linear congruential generator, its upper bit: the table's networks are drawn by it.
struct Dice(u64);

impl Dice {
    fn bit(&mut self) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 63 == 1
    }
}

/// A ±1 network 784-64-…-64-10 with random weights.
fn random(dice: &mut Dice, hidden: usize) -> Outcome<Network> {
    let mut builder = NetworkBuilder::new(&[784]);
    let mut last = builder.input();
    for width in std::iter::repeat_n(64, hidden).chain([10]) {
        let one = || if dice.bit() { 1.0 } else { -1.0 };
        let w = Array2::from_shape_simple_fn((width, builder.len(last)), one);
        last = builder.linear("dense", last, LinearMap::Dense(w), Coefficients::zeros(width))?;
        if width == 64 {
            last = builder.activation("sign", last, Arc::new(Sign))?;
        }
    }
    Ok(builder.finish(last, &[10])?)
}

/// An input of a network: which of its two values each coordinate has.
struct Point {
    network: usize,
    at_upper: Vec<bool>,
}

/// Networks of one kind, and the points at which they are asked.
struct Family {
    name: &'static str,
    ends: [i32; 2],
    flips: &'static [usize],
    networks: Vec<Network>,
    points: Vec<Point>,
    files: Vec<PathBuf>,
}

fn families(job: &Job, count: usize) -> Outcome<Vec<Family>> {
    let dice = &mut Dice(7);
    let mut all = Vec::new();
    let kinds: [(_, _, &[usize]); 2] =
        [("random 784-64-10", 1, &[2, 5, 10, 12]), ("random 784-64-64-10", 2, &[1, 2, 3, 5])];
    for (name, hidden, flips) in kinds {
        let networks: Vec<Network> = (0..count).map(|_| random(dice, hidden)).collect::<Outcome<_>>()?;
        let points = (0..count).map(|network| Point { network, at_upper: (0..784).map(|_| dice.bit()).collect() });
        let points = points.collect();
        all.push(Family { name, ends: [-1, 1], flips, networks, points, files: Vec::new() });
    }
    let digits = job.data.join("images/t10k-images.idx3-ubyte");
    let set = images::read(&digits)?;
    for (name, file) in [("mnist 784-64-10", "mnist_bnn_1x64"), ("mnist 784-64-64-10", "mnist_bnn_2x64")] {
        let file = Path::new("networks").join(file).with_extension("onnx");
        let networks = vec![onnx::read(&file)?.network];
        let mut points = Vec::new();
        for i in mnist::TRAIN_IMAGES..mnist::TRAIN_IMAGES + count {
            let image = set.get_binarized(i, mnist::THRESHOLD).ok_or("no such image")?;
            let at_upper = image.pixels.iter().map(|p| p == &Rational::ONE).collect();
            points.push(Point { network: 0, at_upper });
        }
        let files = vec![file, digits.clone()];
        all.push(Family { name, ends: [-1, 1], flips: &[2, 5, 10], networks, points, files });
    }
    let folder = job.data.join("bnn_msakai");
    for (name, file) in [("mnist 784-200-100-100-100-10", "mnist"), ("mnist_rot 784-200-100-100-100-10", "mnist_rot")] {
        let files = vec![folder.join(format!("{file}.onnx")), folder.join(format!("{file}_images.csv"))];
        let networks = vec![onnx::read(&files[0])?.network];
        let points = samples(&files[1])?
            .into_iter()
            .map(|sample| Point { network: 0, at_upper: sample.pixels.iter().map(|&k| k > 0).collect() })
            .collect();
        all.push(Family { name, ends: [0, 1], flips: &[1, 2, 3], networks, points, files });
    }
    Ok(all)
}

pub fn bnn_preprocessing(job: &Job, count: usize, limit: Duration) -> Outcome<()> {
    let mut rows = Vec::new();
    for family in families(job, count)? {
        let compiled: Vec<Compiled<'_>> = family.networks.iter().map(Compiled::new).collect::<Result<_, _>>()?;
        let mut items = Vec::new();
        for &flips in family.flips {
            for variant in VARIANTS {
                items.extend((0..family.points.len()).map(|p| (flips, variant, p)));
            }
        }
        let keys: Vec<String> =
            items.iter().map(|(flips, (variant, ..), p)| format!("{flips}/{variant}/{p}")).collect();
        let header = json!({
            "inputs": hash(&family.files)?,
            "points": count,
            "timeout_s": limit.as_secs_f64(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        let partial = format!("bnn_preprocessing_{}", family.name.replace(' ', "_"));
        let results = job.run(&partial, &header, &keys, |i| {
            let (flips, (_, fix, counts), p) = items[i];
            let Point { network, at_upper } = &family.points[p];
            let [low, high] = family.ends.map(Rational::from);
            let center: Vec<Rational> =
                at_upper.iter().map(|&upper| if upper { high.clone() } else { low.clone() }).collect();
            let label = class(&family.networks[*network], &center)?;
            let query = flipped(&family.networks[*network], family.ends, at_upper, label, flips)?;
            let options = SignumOptions { preprocessing: Preprocessing { fix, counts }, ..SignumOptions::default() };
            let answer = compiled[*network].decide(&query, &options, Run::silent(&deadline(Some(limit))))?;
            Ok(json!({
                "verdict": answer.verdict.name(),
                "build_ms": answer.build.as_secs_f64() * 1e3,
                "search_ms": answer.search.as_secs_f64() * 1e3,
                "conflicts": answer.statistics.conflicts,
                "fixed": answer.fixed,
            }))
        })?;
        for (items, results) in items.chunks(family.points.len()).zip(results.chunks(family.points.len())) {
            let (flips, (variant, ..), _) = items[0];
            let all = |field: &'static str| results.iter().map(move |r| r[field].as_f64().unwrap_or(f64::NAN));
            let sorted = |field: &'static str| {
                let mut values: Vec<f64> = all(field).collect();
                values.sort_by(f64::total_cmp);
                values
            };
            let median = |field| sorted(field)[results.len() / 2];
            let count = |verdict: &str| results.iter().filter(|r| r["verdict"] == verdict).count();
            rows.push(vec![
                family.name.to_owned(),
                flips.to_string(),
                variant.to_owned(),
                results.len().to_string(),
                count("verified").to_string(),
                count("falsified").to_string(),
                count("unknown").to_string(),
                format!("{:.1}", all("fixed").sum::<f64>() / results.len() as f64),
                format!("{:.2}", median("build_ms")),
                format!("{:.2}", median("search_ms")),
                format!("{:.2}", sorted("search_ms").last().copied().unwrap_or(f64::NAN)),
                format!("{}", median("conflicts")),
                format!("{}", all("conflicts").sum::<f64>()),
            ]);
        }
    }
    job.write("bnn_preprocessing.csv", &COLUMNS, &rows)
}

/// The columns of the table.
const COLUMNS: [&str; 13] = [
    "network",
    "flips",
    "preprocessing",
    "queries",
    "verified",
    "falsified",
    "open",
    "mean_fixed",
    "median_build_ms",
    "median_search_ms",
    "slowest_search_ms",
    "median_conflicts",
    "all_conflicts",
];
