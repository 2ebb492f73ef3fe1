//! Integer programs against the exact engines: up to which radius each of them settles an image, as CSV.
//!
//! `cargo run --release -p absint-lab --features highs --bin milp_table NETWORK CSV [THRESHOLD|-] RADII IMAGES SECONDS`
//!
//! With a threshold (grey values from 0 to 255) the inputs are binarised to ±1 and a radius counts flips;
//! with `-` it is that of an L∞ ball. Each way climbs the radii, separated by commas, until it leaves one open or finds a
//! counterexample; the limit holds for each question.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use absint::analyze::{Method, Options, analyze_within, beaten_by, deadline};
use absint::attack::Target;
use absint::domains::domain::{Bounds, Run};
use absint::domains::network::Network;
use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::{Query, Region, Ties};
use absint::domains::verdict::Verdict;
use absint::exact::milp::{MilpOptions, optimise};
use absint::format::images::{self, Image};
use absint::format::onnx;
use std::path::Path;
use std::time::{Duration, Instant};

/// Seconds, and `+1` safe, `-1` not, `0` open: of the integer programs by their own, uncertified word.
type Answer = (f64, i32);

fn exact(network: &Network, query: &Query, limit: Duration) -> Answer {
    let budget = deadline(Some(limit));
    let options = Options { method: Method::EXACT, ..Options::default() };
    let start = Instant::now();
    let analysis = analyze_within(network, query, &options, Run::silent(&budget)).unwrap();
    let verdict = match analysis.verdict {
        Verdict::Verified(_) => 1,
        Verdict::Falsified(_) => -1,
        Verdict::Unknown(_) => 0,
    };
    (start.elapsed().as_secs_f64(), verdict)
}

fn programs(network: &Network, query: &Query, options: &MilpOptions, limit: Duration) -> Answer {
    let budget = deadline(Some(limit));
    let case = &query.cases[0];
    let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
    let start = Instant::now();
    let answer = optimise(Target { network, case, open: &open }, &Bounds::unknown(), options, Run::silent(&budget));
    let verdict = match answer {
        Ok(answer) if answer.attained.as_ref().is_some_and(|a| a.witness.is_some()) => -1,
        Ok(answer) if answer.bound > 0.0 => 1,
        _ => 0,
    };
    (start.elapsed().as_secs_f64(), verdict)
}

/// A region around an image, binarised where there is a threshold, with this radius.
fn region(pixels: &[Rational], threshold: &str, radius: &str) -> Region {
    let (zero, one) = (Rational::ZERO, Rational::ONE);
    if threshold == "-" {
        return Region::linf(pixels, &parse_decimal(radius).unwrap(), Some((&zero, &one))).unwrap();
    }
    let at_upper = pixels.iter().map(|x| *x == one).collect();
    Region::hamming(&Rational::from(-1), &one, at_upper, radius.parse().unwrap()).unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, data, threshold, radii, count, seconds] = &arguments[..] else {
        println!("NETWORK CSV THRESHOLD|- RADII IMAGES SECONDS");
        return;
    };
    let network = onnx::read(Path::new(network)).unwrap().network;
    let images = images::read(Path::new(data)).unwrap();
    let limit = Duration::from_secs_f64(seconds.parse().unwrap());
    let base = MilpOptions { target: -1e-6, ..MilpOptions::default() };
    let settings = [
        ("exact", None),
        ("milp", Some(base)),
        ("milp counts", Some(MilpOptions { counts: true, ..base })),
        ("milp hull", Some(MilpOptions { hull: true, ..base })),
        ("milp single", Some(MilpOptions { single: true, ..base })),
        ("milp single counts", Some(MilpOptions { single: true, counts: true, ..base })),
    ];
    let least: Option<u8> = threshold.parse().ok();
    let image = |i| least.map_or_else(|| images.get(i), |least| images.get_binarized(i, least));
    let members = (0..images.len()).filter_map(|i| image(i).map(|Image { pixels, label }| (i, pixels, label)));
    let right = members.filter(|(_, pixels, label)| beaten_by(&network, pixels, *label, Ties::Unsafe).is_none());
    println!("image,method,safe_up_to,unsafe_from,open_at,seconds");
    for (i, pixels, label) in right.take(count.parse().unwrap()) {
        for (name, options) in &settings {
            let (mut safe, mut counterexample, mut open, mut took) = ("", "", "", Vec::new());
            for radius in radii.split(',') {
                let query = Query::robustness(region(&pixels, threshold, radius), network.output_len(), label);
                let (time, verdict) = match options {
                    None => exact(&network, &query, limit),
                    Some(options) => programs(&network, &query, options, limit),
                };
                took.push(format!("{time:.2}"));
                match verdict {
                    1 => safe = radius,
                    -1 => counterexample = radius,
                    _ => open = radius,
                }
                if verdict != 1 {
                    break;
                }
            }
            println!("{i},{name},{safe},{counterexample},{open},{}", took.join(" "));
        }
    }
}
