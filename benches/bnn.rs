//! The exact engine for signum networks: how long a query takes to become constraints, and how long the
//! search is.
//!
//! With `ABSINT_DATA` naming the folder of networks and images, the network for the first is a published
//! one (784-200-100-100-100-10). Besides criterion's estimates, which suffer when the machine is busy,
//! medians over many images are printed, and what proofs cost: to write, as a ratio in one run, and to check.
//! `BNN_PROOFS=1` prints the latter only.
#![allow(clippy::print_stdout)]

use absint::analyze::deadline;
use absint::check::check;
use absint::domains::activation::Sign;
use absint::domains::budget::Budget;
use absint::domains::domain::Run;
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint::domains::num::{Rational, nearest};
use absint::domains::query::{Query, Region};
use absint::exact::signum::{Answer, Compiled, SignumOptions};
use absint::format::images::{self, ImageSet};
use absint::format::onnx;
use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so long a search is given up.
const LIMIT: Duration = Duration::from_secs(20);

/// Knuth's linear congruential generator, its upper bit.
struct Dice(u64);

impl Dice {
    fn bit(&mut self) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 63 == 1
    }
}

/// A ±1 network 784-64-10 with random weights.
fn random(dice: &mut Dice) -> Network {
    let mut builder = NetworkBuilder::new(&[784]);
    let mut last = builder.input();
    for width in [64, 10] {
        let one = || if dice.bit() { 1.0 } else { -1.0 };
        let w = Array2::from_shape_simple_fn((width, builder.len(last)), one);
        last = builder.linear("dense", last, LinearMap::Dense(w), Coefficients::zeros(width)).expect("shapes that fit");
        if width == 64 {
            last = builder.activation("sign", last, Arc::new(Sign)).expect("shapes that fit");
        }
    }
    builder.finish(last, &[10]).expect("a network")
}

fn class(network: &Network, center: &[Rational]) -> usize {
    let center: Vec<f64> = center.iter().map(nearest).collect();
    let logits = network.evaluate::<f64>(&center).expect("an input of the network's size");
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).expect("a class")
}

/// That no `flips` of the inputs' two values change the network's class.
fn query(network: &Network, ends: [i32; 2], at_upper: Vec<bool>, flips: usize) -> Query {
    let [low, high] = ends.map(Rational::from);
    let region = Region::hamming(&low, &high, at_upper, flips).expect("a ball");
    let label = class(network, &region.center());
    Query::robustness(region, network.output_len(), label)
}

fn bits(set: &ImageSet, i: usize, threshold: u8) -> Vec<bool> {
    set.bytes(i).expect("an image").1.iter().map(|&k| k >= threshold).collect()
}

/// A network, and one query per image.
struct Case {
    name: String,
    network: Network,
    queries: Vec<Query>,
}

fn deep(data: &Path, flips: usize) -> Case {
    let folder = data.join("bnn_msakai");
    let network = onnx::read(&folder.join("mnist.onnx")).expect("a readable network").network;
    // index,label,predicted,784 pixels; the network binarizes its input at thresholds of its own.
    let mut reader = csv::Reader::from_path(folder.join("mnist_images.csv")).expect("readable images");
    let mut queries = Vec::new();
    for record in reader.deserialize::<Vec<u32>>() {
        let bits = record.expect("integers")[3..].iter().map(|&k| k > 0).collect();
        queries.push(query(&network, [0, 1], bits, flips));
    }
    Case { name: format!("mnist 784-200-100-100-100-10, {flips} flips"), network, queries }
}

/// A shipped network of digits, on the images that it was not trained on.
fn digits(flips: usize) -> Case {
    let network = onnx::read(Path::new("networks/digits_bnn1.onnx")).expect("a readable network").network;
    let images = images::read(Path::new("networks/digits.csv")).expect("readable images");
    let queries = (1297..1797).map(|i| query(&network, [-1, 1], bits(&images, i, 96), flips)).collect();
    Case { name: format!("digits_bnn1, {flips} flips"), network, queries }
}

/// The shipped network, on the test images that it was not trained on.
fn trained(data: &Path, flips: usize) -> Case {
    let network = onnx::read(Path::new("networks/mnist_bnn_1x64.onnx")).expect("a readable network").network;
    let images = images::read(data.join("images/t10k-images.idx3-ubyte")).expect("readable images");
    let mut queries = Vec::new();
    for i in 8000..8050 {
        queries.push(query(&network, [-1, 1], bits(&images, i, 128), flips));
    }
    Case { name: format!("trained 784-64-10, {flips} flips"), network, queries }
}

/// What the solver and the preprocessing do, and the median time of both, over all queries of a case.
fn print_medians<'a>(name: &str, cases: impl Iterator<Item = (&'a Compiled<'a>, &'a Query)>) {
    let (mut build, mut total, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
    let mut verdicts = std::collections::BTreeMap::<&str, usize>::new();
    for (compiled, query) in cases {
        let budget = deadline(Some(LIMIT));
        let start = Instant::now();
        let Answer { verdict, statistics, build: of_build, .. } =
            compiled.decide(query, &SignumOptions::default(), Run::silent(&budget)).expect("a query for this engine");
        total.push(start.elapsed().as_secs_f64() * 1e3);
        build.push(of_build.as_secs_f64() * 1e3);
        conflicts.push(statistics.conflicts as f64);
        *verdicts.entry(verdict.name()).or_default() += 1;
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[values.len() - 1])
    };
    let ((build, _), (total, slowest), (conflicts, _)) =
        (median(&mut build), median(&mut total), median(&mut conflicts));
    println!(
        "{name}: build {build:.2} ms, build and search {total:.2} ms (slowest {slowest:.0}), {conflicts} conflicts; {verdicts:?}"
    );
}

/// The fastest of some runs, in milliseconds, and what they return.
fn fastest<T>(mut run: impl FnMut() -> T) -> (f64, T) {
    const RUNS: usize = 5;
    let mut timed = || {
        let start = Instant::now();
        let result = run();
        (start.elapsed().as_secs_f64() * 1e3, result)
    };
    (1..RUNS).fold(timed(), |best, _| {
        let next = timed();
        if next.0 < best.0 { next } else { best }
    })
}

/// The verified queries of a case with and without a proof, after the first, which also makes what all of
/// them share.
fn print_proofs(case: &Case) {
    let compiled = Compiled::new(&case.network).expect("a signum network");
    let certifying = SignumOptions { certify: true, ..SignumOptions::default() };
    let decide = |query: &Query, options: &SignumOptions| {
        compiled.decide(query, options, Run::silent(&deadline(Some(LIMIT)))).expect("a query for this engine")
    };
    let (mut verified, mut plain, mut logged, mut checked) = (0, 0.0, 0.0, 0.0);
    let (mut search, mut search_logged, mut once) = (0.0, 0.0, None);
    for query in &case.queries {
        let short = SignumOptions { conflicts: 5000, ..SignumOptions::default() };
        if decide(query, &short).verdict.name() != "verified" {
            continue;
        }
        if once.is_none() {
            let start = Instant::now();
            decide(query, &certifying);
            once = Some(start.elapsed().as_secs_f64() * 1e3);
        }
        let (time, answer) = fastest(|| decide(query, &SignumOptions::default()));
        let (time_logged, certified) = fastest(|| decide(query, &certifying));
        verified += 1;
        plain += time;
        logged += time_logged;
        search += answer.search.as_secs_f64() * 1e3;
        search_logged += certified.search.as_secs_f64() * 1e3;
        for certificate in &certified.certificates {
            let proof = std::str::from_utf8(&certificate.proof).expect("a proof in ASCII");
            checked += fastest(|| check(certificate.opb.as_bytes(), proof.as_bytes()).expect("an accepted proof")).0;
        }
    }
    println!(
        "{}: {verified} verified in {plain:.1} ms, with proofs {logged:.1} ms ({:.2}×), search alone {search:.1} and {search_logged:.1} ms, first proof {:.0} ms; checked in {checked:.1} ms",
        case.name,
        logged / plain,
        once.unwrap_or(f64::NAN),
    );
}

/// Median and slowest build over the queries of a case.
fn print_builds(case: &Case) {
    let compiled = Compiled::new(&case.network).expect("a signum network");
    let options = SignumOptions { conflicts: 0, ..SignumOptions::default() };
    let build = |query: &Query| {
        let run = || compiled.decide(query, &options, Run::silent(&Budget::unlimited())).expect("a query").build;
        (0..5).map(|_| run()).min().unwrap_or_default().as_secs_f64() * 1e3
    };
    let mut builds: Vec<f64> = case.queries.iter().map(build).collect();
    builds.sort_by(f64::total_cmp);
    let slowest = builds.last().copied().unwrap_or(f64::NAN);
    println!("{}: build {:.2} ms (slowest {slowest:.2})", case.name, builds[builds.len() / 2]);
}

fn benchmark(c: &mut Criterion) {
    let data = std::env::var_os("ABSINT_DATA").map(PathBuf::from);
    (1..=5).for_each(|flips| print_proofs(&digits(flips)));
    if let Some(data) = &data {
        [2, 5, 10].into_iter().for_each(|flips| print_proofs(&trained(data, flips)));
        [1, 2].into_iter().for_each(|flips| print_proofs(&deep(data, flips)));
        [1, 2, 3, 5, 10].into_iter().for_each(|flips| print_builds(&deep(data, flips)));
    }
    if std::env::var_os("BNN_PROOFS").is_some() {
        return;
    }
    let mut cases = Vec::new();
    if let Some(data) = &data {
        cases.push(deep(data, 3));
        cases.extend([2, 5, 10].map(|flips| trained(data, flips)));
    } else {
        println!("ABSINT_DATA names no data folder: published networks and images are skipped");
    }
    for case in &cases {
        let compiled = Compiled::new(&case.network).expect("a signum network");
        print_medians(&case.name, case.queries.iter().map(|q| (&compiled, q)));
    }
    for flips in [2, 5, 10, 12] {
        let dice = &mut Dice(7);
        let problems: Vec<(Network, Vec<bool>)> =
            (0..50).map(|_| (random(dice), (0..784).map(|_| dice.bit()).collect())).collect();
        let queries: Vec<Query> = problems.iter().map(|(n, bits)| query(n, [-1, 1], bits.clone(), flips)).collect();
        let compiled: Vec<Compiled<'_>> =
            problems.iter().map(|(n, _)| Compiled::new(n).expect("a signum network")).collect();
        print_medians(&format!("random 784-64-10, {flips} flips"), compiled.iter().zip(&queries));
    }
    for case in &cases {
        let compiled = Compiled::new(&case.network).expect("a signum network");
        let mut group = c.benchmark_group(case.name.as_str());
        group.sample_size(20);
        let budget = Budget::unlimited();
        let options = SignumOptions { conflicts: 0, ..SignumOptions::default() };
        group.bench_function("build", |b| {
            b.iter(|| compiled.decide(&case.queries[0], &options, Run::silent(&budget)).expect("a query"))
        });
        group.finish();
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
