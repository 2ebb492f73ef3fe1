//! signum_table1.csv: networks of signs under flipped pixels, as in table 1 of the paper on the convex
//! hull of the signum function.

#[path = "signum_exact.rs"]
mod exact;

use crate::job::{Job, Outcome, hash};
use absint::analyze::deadline;
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::domains::num::{Rational, nearest};
use absint::domains::query::{Atom, Disjunct, HalfSpace, Property, Query, Region, Variable};
use absint::format::images::{self, Image, ImageSet};
use absint::format::onnx;
use absint::{Options, analyze_within};
use absint_lab::train::mnist;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pairs of image and target for each network.
pub const PAIRS: usize = 5;

/// An image that its network classifies correctly, and another class.
#[derive(Clone)]
pub struct Pair {
    pub image: usize,
    pub label: usize,
    pub target: usize,
}

/// How a method is measured: every margin, without attacks.
fn options(method: &str) -> Outcome<Options> {
    Ok(Options { method: method.parse()?, all_margins: true, attack: false, ..Options::default() })
}

/// The first pairs that a fixed sequence of random numbers gives among the test images.
pub fn pairs(network: &Network, images: &ImageSet, seed: u64) -> Outcome<Vec<Pair>> {
    let mut state = seed;
    let mut below = |n: usize| {
        // Knuth's linear congruential generator, its upper half.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let mut found = Vec::new();
    while found.len() < PAIRS {
        let image = mnist::TRAIN_IMAGES + below(images.len() - mnist::TRAIN_IMAGES);
        let another = 1 + below(9);
        let Image { label, pixels } = images.get_binarized(image, mnist::THRESHOLD).ok_or("no such image")?;
        let outputs = network.evaluate(&pixels.iter().map(nearest).collect::<Vec<f64>>())?;
        if (0..outputs.len()).all(|j| j == label || outputs[j] < outputs[label]) {
            found.push(Pair { image, label, target: (label + another) % 10 });
        }
    }
    Ok(found)
}

/// The ball as the paper has it: neurons are bounded over all ±1 vectors (its big-M constants are the numbers of
/// inputs), and only the linear program counts the flips.
fn counted_in_the_program_only(pixels: &[Rational], flips: usize) -> Outcome<Region> {
    let (n, one) = (pixels.len(), Rational::ONE);
    let (low, high) = (vec![-one.clone(); n], vec![one; n]);
    let terms = pixels.iter().enumerate().map(|(i, pixel)| (i, -pixel)).collect();
    let rhs = Rational::from(2 * flips as i64 - n as i64);
    let region = Region::grid(pixels, &Rational::from(2), &low, &high)?;
    Ok(region.with_half_spaces(vec![HalfSpace { terms, rhs }]))
}

/// The upper bound of `Y_target − Y_label` over at most `flips` flipped pixels.
fn bound(
    network: &Network,
    images: &ImageSet,
    pair: &Pair,
    flips: usize,
    method: &str,
    limit: Duration,
) -> Outcome<Value> {
    let pixels = images.get_binarized(pair.image, mnist::THRESHOLD).ok_or("no such image")?.pixels;
    if method == "exact" {
        let start = Instant::now();
        let bound = exact::maximum(network, &pixels, (pair.label, pair.target), flips)?;
        return Ok(json!({ "bound": bound, "time_s": start.elapsed().as_secs_f64(), "out_of_time": false }));
    }
    let (method, region) = match method.strip_suffix("@box") {
        None => {
            let at_upper = pixels.iter().map(|p| p == &Rational::ONE).collect();
            (method, Region::hamming(&-Rational::ONE, &Rational::ONE, at_upper, flips)?)
        }
        Some(method) => (method, counted_in_the_program_only(&pixels, flips)?),
    };
    let terms = [(Variable::Output(pair.label), Rational::ONE), (Variable::Output(pair.target), -Rational::ONE)];
    let atom = Atom { terms: terms.into(), constant: Rational::ZERO, is_strict: false };
    let query = Query::over(region, Property { disjuncts: vec![Disjunct { atoms: vec![atom] }] });
    let budget = deadline(Some(limit));
    let start = Instant::now();
    let analysis = analyze_within(network, &query, &options(method)?, Run::silent(&budget))?;
    let time = start.elapsed().as_secs_f64();
    Ok(json!({ "bound": -analysis.margins[0].bound, "time_s": time, "out_of_time": budget.is_spent() }))
}

pub fn table1(job: &Job, methods: &[String], most_flips: usize, limit: Duration) -> Outcome<()> {
    let file = job.data.join("images/t10k-images.idx3-ubyte");
    let images = images::read(&file)?;
    let names: Vec<String> = mnist::all().into_iter().map(|(name, _)| name).collect();
    let path = |name: &String| Path::new("networks").join(name).with_extension("onnx");
    let networks: Vec<Network> =
        names.iter().map(|name| Ok(onnx::read(&path(name))?.network)).collect::<Outcome<_>>()?;
    let pairs: Vec<Vec<Pair>> = networks.iter().map(|network| pairs(network, &images, 1)).collect::<Outcome<_>>()?;
    let mut items = Vec::new();
    for flips in 1..=most_flips {
        for n in 0..networks.len() {
            items.extend(methods.iter().flat_map(|method| (0..PAIRS).map(move |p| (n, flips, method, p))));
        }
    }
    for method in methods.iter().filter(|method| *method != "exact") {
        options(method.trim_end_matches("@box"))?;
    }
    // Enumeration is affordable up to two flips.
    items.retain(|&(_, flips, method, _)| method != "exact" || flips <= exact::MOST_FLIPS);
    let key = |&(n, flips, method, p): &(usize, usize, &String, usize)| {
        let Pair { image, target, .. } = pairs[n][p];
        format!("{}/{flips}/{method}/{image}-{target}", names[n])
    };
    let keys: Vec<String> = items.iter().map(key).collect();
    let files: Vec<PathBuf> = names.iter().map(path).chain([file]).collect();
    let header =
        json!({ "inputs": hash(&files)?, "timeout_s": limit.as_secs_f64(), "version": env!("CARGO_PKG_VERSION") });
    let results = job.run("signum_table1", &header, &keys, |i| {
        let (n, flips, method, p) = items[i];
        bound(&networks[n], &images, &pairs[n][p], flips, method, limit)
    })?;
    let mut rows = Vec::new();
    for (items, results) in items.chunks(PAIRS).zip(results.chunks(PAIRS)) {
        let (n, flips, method, _) = items[0];
        let all = |field: &'static str| results.iter().map(move |r| r[field].as_f64().unwrap_or(f64::INFINITY));
        let mean = |field| all(field).sum::<f64>() / PAIRS as f64;
        rows.push(vec![
            names[n].clone(),
            flips.to_string(),
            method.clone(),
            format!("{:.4}", mean("bound")),
            all("bound").filter(|&b| b < 0.0).count().to_string(),
            results.iter().filter(|r| r["out_of_time"] == true).count().to_string(),
            format!("{:.3}", mean("time_s")),
        ]);
    }
    let header = ["network", "flips", "method", "mean_upper_bound", "certified_of_5", "out_of_time", "mean_time_s"];
    job.write("signum_table1.csv", &header, &rows)
}
