//! The dual engine against the matrix products that its row steps need, on one thread: roots of 256 rows, improved by
//! gradient steps in single precision and proved in doubles.
//!
//! Besides criterion's estimates, the ratio is printed from the quietest of many interleaved runs.
#![allow(clippy::print_stdout)]

use absint::domains::activation::Relu;
use absint::domains::budget::Budget;
use absint::domains::domain::{Bounds, DeepPoly, Run, propagate};
use absint::domains::dual::{Compiled, Effort, Forest, Limits, Objective, Relaxed};
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint::domains::num::{exact_or_zero, gemm};
use absint::domains::query::Region;
use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows of the batch, and gradient steps of each.
const ROWS: usize = 256;
const STEPS: usize = 15;

/// The widths of 6x100.
const WIDTHS: [usize; 7] = [784, 100, 100, 100, 100, 100, 10];

const EFFORT: Effort = Effort { rounds: STEPS, alpha: 0.2, beta: 0.1 };

fn number(random: &mut SplitMix64) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn network() -> Network {
    let mut random = SplitMix64::seed_from_u64(1);
    let mut builder = NetworkBuilder::new(&[WIDTHS[0]]);
    let mut last = builder.input();
    for (k, pair) in WIDTHS.windows(2).enumerate() {
        let (inputs, outputs) = (pair[0], pair[1]);
        let scale = (6.0 / inputs as f64).sqrt();
        let w = Array2::from_shape_simple_fn((outputs, inputs), || scale * number(&mut random));
        let zeros = Coefficients::zeros(outputs);
        last = builder.linear("affine", last, LinearMap::Dense(w), zeros).expect("shapes fit");
        if k + 2 < WIDTHS.len() {
            last = builder.activation("relu", last, Arc::new(Relu)).expect("shapes fit");
        }
    }
    builder.finish(last, &[10]).expect("a whole network")
}

/// Rows over the last layer, bounded once.
fn engine(relaxed: &Relaxed, rows: &[Objective]) -> Vec<f64> {
    let limits = Limits::new(f64::MAX, 0, EFFORT, EFFORT);
    let mut forest = Forest::new(relaxed, rows.to_vec(), limits);
    forest.plant(&Budget::unlimited());
    forest.bounds()
}

/// One product back and one forth per layer and pass.
fn products(weights: &[Vec<f32>], buffers: &mut [Vec<f32>; 2]) {
    let [from, to] = buffers;
    for _ in 0..=STEPS {
        for (w, pair) in weights.iter().zip(WIDTHS.windows(2)).rev() {
            gemm::row_product([pair[0], pair[1], ROWS], w, true, from, ROWS, to, ROWS, false);
            std::mem::swap(from, to);
        }
        for (w, pair) in weights.iter().zip(WIDTHS.windows(2)) {
            gemm::row_product([pair[1], pair[0], ROWS], w, false, from, ROWS, to, ROWS, false);
            std::mem::swap(from, to);
        }
    }
    black_box(from);
}

fn search(c: &mut Criterion) {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("nobody has used threads before");
    let network = network();
    let ends = |at: f64| vec![exact_or_zero(at); WIDTHS[0]];
    let region = Region::new_box(ends(0.45), ends(0.55)).expect("a box");
    let budget = Budget::unlimited();
    let trace = propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), Run::silent(&budget));
    let bounds = trace.expect("there is no deadline").bounds();
    let compiled = Compiled::new(&network);
    let relaxed = Relaxed::new(&compiled, &region, &bounds);
    let side = |r: usize| Objective::neuron(network.output(), r % 10, if r % 20 < 10 { 1.0 } else { -1.0 });
    let rows: Vec<Objective> = (0..ROWS).map(side).collect();
    let weights: Vec<Vec<f32>> =
        WIDTHS.windows(2).map(|pair| (0..pair[0] * pair[1]).map(|i| (i % 17) as f32 - 8.0).collect()).collect();
    let mut buffers = [vec![0.5f32; WIDTHS[0] * ROWS], vec![0.5f32; WIDTHS[0] * ROWS]];
    let (mut least, mut bare) = (Duration::MAX, Duration::MAX);
    for _ in 0..30 {
        let start = Instant::now();
        black_box(engine(&relaxed, &rows));
        least = least.min(start.elapsed());
        let start = Instant::now();
        products(&weights, &mut buffers);
        bare = bare.min(start.elapsed());
    }
    let steps = (ROWS * (STEPS + 1)) as f64;
    println!(
        "dual engine, 6x100, {ROWS} rows: {:.0} row steps a second, {:.2} times the bare products",
        steps / least.as_secs_f64(),
        least.as_secs_f64() / bare.as_secs_f64()
    );
    c.bench_function("dual/engine", |b| b.iter(|| black_box(engine(&relaxed, &rows))));
    c.bench_function("dual/products", |b| b.iter(|| products(&weights, &mut buffers)));
}

criterion_group!(benches, search);
criterion_main!(benches);
