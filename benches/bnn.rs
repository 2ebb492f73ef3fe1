//! The exact engine for signum networks: how long a query takes to become constraints, and how long the
//! search is.
//!
//! With `ABSINT_DATA` naming the folder of networks and images, the network for the first is a published
//! one (784-200-100-100-100-10). Besides criterion's estimates, which suffer when the machine is busy,
//! medians over many images are printed.
#![allow(clippy::print_stdout)]

use absint::domains::activation::Sign;
use absint::domains::budget::Budget;
use absint::domains::domain::Run;
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint::domains::num::{Rational, nearest};
use absint::domains::query::{Query, Region};
use absint::engine::bnn::{Answer, BnnOptions, Compiled};
use absint::engine::deadline;
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

fn deep(data: &Path) -> Case {
    let folder = data.join("bnn_msakai");
    let network = onnx::read(&folder.join("mnist.onnx")).expect("a readable network").network;
    // index,label,predicted,784 pixels; the network binarizes its input at thresholds of its own.
    let mut reader = csv::Reader::from_path(folder.join("mnist_images.csv")).expect("readable images");
    let mut queries = Vec::new();
    for record in reader.deserialize::<Vec<u32>>() {
        let bits = record.expect("integers")[3..].iter().map(|&k| k > 0).collect();
        queries.push(query(&network, [0, 1], bits, 3));
    }
    Case { name: "mnist 784-200-100-100-100-10, 3 flips".into(), network, queries }
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
            compiled.decide(query, &BnnOptions::default(), Run::silent(&budget)).expect("a query for this engine");
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

fn benchmark(c: &mut Criterion) {
    let mut cases = Vec::new();
    let data = std::env::var_os("ABSINT_DATA").map(PathBuf::from);
    if let Some(data) = &data {
        cases.push(deep(data));
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
        let options = BnnOptions { conflicts: 0, ..BnnOptions::default() };
        group.bench_function("build", |b| {
            b.iter(|| compiled.decide(&case.queries[0], &options, Run::silent(&budget)).expect("a query"))
        });
        group.finish();
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
