//! DeepPoly against the matrix products that its back-substitution needs, on one thread and on two.
//!
//! With `ABSINT_DATA` naming the folder of networks and images, the networks are the published ones;
//! without it a random one of the shape of 9x200 stands in. Besides criterion's estimates, which suffer
//! when the machine is busy, the ratios are printed from the quietest of many interleaved runs.
#![allow(clippy::print_stdout)]

use absint::domains::activation::Relu;
use absint::domains::budget::Budget;
use absint::domains::domain::{AbstractDomain, Bounds, DeepPoly, Fact, Run, propagate};
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, NodeId, NodeKind};
use absint::domains::num::{Rational, exact_or_zero, gemm, parse_decimal};
use absint::domains::query::{LinearForms, Region};
use absint::format::images::{self, Layout};
use absint::format::onnx;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::{Array1, Array2};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Numbers in [−1, 1).
struct Random(SplitMix64);

impl Random {
    fn next(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A network, a region and the class that should win there.
struct Case {
    name: &'static str,
    network: Network,
    region: Region,
    label: usize,
}

/// The bounds of all neurons and of the margins, as a query needs them.
fn deeppoly(case: &Case) -> Vec<f64> {
    let (budget, domain) = (Budget::unlimited(), DeepPoly::default());
    let trace = propagate(&domain, &case.network, &case.region, &Bounds::unknown(), Run::silent(&budget))
        .expect("there is no deadline");
    let outputs = case.network.output_len();
    let others: Vec<usize> = (0..outputs).filter(|&i| i != case.label).collect();
    let margin = |(row, output): (usize, usize)| f64::from(output == case.label) - f64::from(output == others[row]);
    let forms = Array2::from_shape_fn((others.len(), outputs), margin);
    domain.minima(&LinearForms::of_node(case.network.output(), forms), &trace).expect("there is no deadline")
}

/// The products that back-substitution of every layer of a dense network cannot do without: for each
/// layer the rows of its neurons and their negatives, times the matrices of the layers before it.
fn products(network: &Network) -> Vec<(Array2<f64>, &Array2<f64>)> {
    let dense = |id: NodeId| match &network.node(id).kind {
        NodeKind::Affine(affine) => match &affine.terms[..] {
            [term] => match &*term.map {
                LinearMap::Dense(w) => Some(w),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let layers: Vec<&Array2<f64>> = (0..network.nodes().len()).filter_map(dense).collect();
    let mut random = Random(SplitMix64::seed_from_u64(1));
    let mut all = Vec::new();
    for (last, layer) in layers.iter().enumerate() {
        for before in layers[..last].iter().rev() {
            let rows = Array2::from_shape_simple_fn((2 * layer.nrows(), before.nrows()), || random.next());
            all.push((rows, *before));
        }
    }
    all
}

fn multiply_all(products: &[(Array2<f64>, &Array2<f64>)]) {
    for (a, w) in products {
        black_box(gemm::multiply(a.view(), w.view()));
    }
}

/// The published network `file` around the first image of `csv`.
fn published(data: &Path, name: &'static str, file: &str, csv: &str, layout: Layout, eps: Rational) -> Case {
    let model = onnx::read(&data.join("kpoly_nets").join(file)).expect("a readable network");
    let mut set = images::read(data.join("images").join(csv)).expect("readable images");
    if let &[channels, height, width] = model.network.input_shape() {
        set = set.rearranged(layout, Layout::Chw, [channels, height, width]).expect("images of the network's size");
    }
    let image = set.get(0).expect("an image");
    let ends = (&Rational::ZERO, &Rational::ONE);
    let region = Region::linf(&image.pixels, &eps, Some(ends)).expect("a ball");
    Case { name, network: model.network, region, label: image.label }
}

/// A ReLU network 784-200×8-10 with random weights; each bias moves its neuron's bounds so far that
/// about 40 % of the neurons are unstable.
fn random_9x200() -> Case {
    let mut random = Random(SplitMix64::seed_from_u64(9200));
    let pixels: Vec<Rational> = (0..784).map(|_| exact_or_zero(0.5 + 0.5 * random.next())).collect();
    let eps = parse_decimal("0.015").expect("a decimal");
    let region = Region::linf(&pixels, &eps, Some((&Rational::ZERO, &Rational::ONE))).expect("a ball");
    let mut layers: Vec<(Array2<f64>, Array1<f64>)> = Vec::new();
    let build = |layers: &[(Array2<f64>, Array1<f64>)]| {
        let mut builder = NetworkBuilder::new(&[784]);
        let mut last = builder.input();
        for (i, (w, b)) in layers.iter().enumerate() {
            let bias = Coefficients::floats(b.to_vec());
            last = builder.linear("dense", last, LinearMap::Dense(w.clone()), bias).expect("shapes that fit");
            if i < 8 {
                last = builder.activation("relu", last, Arc::new(Relu)).expect("shapes that fit");
            }
        }
        let outputs = builder.len(last);
        builder.finish(last, &[outputs]).expect("a network")
    };
    for layer in 0..9 {
        let (inputs, outputs) = (if layer == 0 { 784 } else { 200 }, if layer == 8 { 10 } else { 200 });
        let scale = (6.0 / inputs as f64).sqrt();
        let w = Array2::from_shape_simple_fn((outputs, inputs), || scale * random.next());
        layers.push((w, Array1::zeros(outputs)));
        let (network, budget) = (build(&layers), Budget::unlimited());
        let trace = propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), Run::silent(&budget));
        let trace = trace.expect("there is no deadline");
        let bounds = trace.facts[if layer < 8 { network.output() - 1 } else { network.output() }].bounds();
        for (bias, z) in layers[layer].1.iter_mut().zip(bounds.iter()) {
            *bias = random.next() * z.width() / 2.0 / 0.4 - z.middle();
        }
    }
    Case { name: "random 784-200x8-10", network: build(&layers), region, label: 0 }
}

fn cases() -> Vec<Case> {
    let Some(data) = std::env::var_os("ABSINT_DATA").map(PathBuf::from) else {
        println!("ABSINT_DATA names no data folder: a random network stands in, convolutions are skipped");
        return vec![random_9x200()];
    };
    let decimal = |text| parse_decimal(text).expect("a decimal");
    let of_255 = |k: u8| Rational::from_parts(k.into(), 255u8.into());
    let mnist = "mnist_test_100_eran.csv";
    vec![
        published(&data, "mnist 9x200", "mnist_9_200.onnx", mnist, Layout::Chw, decimal("0.015")),
        published(&data, "mnist ConvSmall", "mnist_conv_small.onnx", mnist, Layout::Chw, decimal("0.12")),
        published(
            &data,
            "cifar ConvSmall",
            "cifar_conv_small_pgd.onnx",
            "cifar10_test_100.csv",
            Layout::Hwc,
            of_255(2),
        ),
    ]
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool")
}

fn time(f: impl FnOnce()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

/// The quietest of interleaved runs: what each costs when nothing disturbs it.
fn print_ratios(case: &Case, pools: &[rayon::ThreadPool; 2]) {
    let products = products(&case.network);
    let [mut gemms, mut one, mut two] = [Duration::MAX; 3];
    for _ in 0..40 {
        gemms = gemms.min(time(|| pools[0].install(|| multiply_all(&products))));
        one = one.min(time(|| {
            black_box(pools[0].install(|| deeppoly(case)));
        }));
        two = two.min(time(|| {
            black_box(pools[1].install(|| deeppoly(case)));
        }));
    }
    let [gemms, one, two] = [gemms, one, two].map(|t| t.as_secs_f64() * 1e3);
    println!("{}: DeepPoly {one:.2} ms on one thread, {two:.2} ms on two: {:.2} times faster", case.name, one / two);
    if products.len() > 1 {
        println!("{}: bare products {gemms:.2} ms; DeepPoly on one thread {:.2} times that", case.name, one / gemms);
    }
}

fn benchmark(c: &mut Criterion) {
    let pools = [pool(1), pool(2)];
    for case in &cases() {
        print_ratios(case, &pools);
        let mut group = c.benchmark_group(case.name);
        group.sample_size(20);
        let products = products(&case.network);
        if products.len() > 1 {
            group.bench_function("bare products", |b| b.iter(|| pools[0].install(|| multiply_all(&products))));
        }
        for (pool, threads) in pools.iter().zip(1..) {
            let id = BenchmarkId::new("deeppoly", threads);
            group.bench_function(id, |b| b.iter(|| black_box(pool.install(|| deeppoly(case)))));
        }
        group.finish();
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
