//! Integer programs against the exact engines: time per query and how they end.
//!
//! `cargo run --release -p absint-lab --features highs --bin milp_table NETWORK CSV [THRESHOLD|-] RADIUS IMAGES SECONDS`
//!
//! With a threshold (grey values from 0 to 255) the inputs are binarised to ±1 and the radius counts flips;
//! with `-` it is that of an L∞ ball.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use absint::analyze::{Method, Options, analyze_within, beaten_by, deadline};
use absint::attack::Target;
use absint::domains::domain::{Bounds, Run};
use absint::domains::network::Network;
use absint::domains::num::{Rational, nearest, parse_decimal};
use absint::domains::query::{Query, Region, Ties};
use absint::domains::verdict::Verdict;
use absint::exact::milp::{MilpOptions, optimise};
use absint::format::{images, onnx};
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

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, data, threshold, radius, count, seconds] = &arguments[..] else {
        println!("NETWORK CSV THRESHOLD|- RADIUS IMAGES SECONDS");
        return;
    };
    let network = onnx::read(Path::new(network)).unwrap().network;
    let images = images::read(Path::new(data)).unwrap();
    let limit = Duration::from_secs_f64(seconds.parse().unwrap());
    let (zero, one) = (Rational::ZERO, Rational::ONE);
    let mut queries = Vec::new();
    for image in (0..images.len()).map_while(|i| images.get(i)) {
        if queries.len() == count.parse::<usize>().unwrap() {
            break;
        }
        let mut pixels = image.pixels;
        let region = if threshold == "-" {
            Region::linf(&pixels, &parse_decimal(radius).unwrap(), Some((&zero, &one))).unwrap()
        } else {
            let least: f64 = threshold.parse().unwrap();
            let at_upper: Vec<bool> = pixels.iter().map(|x| nearest(x) * 255.0 >= least - 1e-9).collect();
            pixels = at_upper.iter().map(|&high| if high { one.clone() } else { Rational::from(-1) }).collect();
            Region::hamming(&Rational::from(-1), &one, at_upper, radius.parse().unwrap()).unwrap()
        };
        if beaten_by(&network, &pixels, image.label, Ties::Unsafe).is_none() {
            queries.push(Query::robustness(region, network.output_len(), image.label));
        }
    }
    let base = MilpOptions { target: -1e-6, ..MilpOptions::default() };
    let settings = [
        ("milp", base),
        ("milp counts", MilpOptions { counts: true, ..base }),
        ("milp hull", MilpOptions { hull: true, ..base }),
        ("milp single", MilpOptions { single: true, ..base }),
        ("milp single counts", MilpOptions { single: true, counts: true, ..base }),
    ];
    let report = |name: &str, answers: &[Answer], reference: &[Answer]| {
        let count = |verdict| answers.iter().filter(|a| a.1 == verdict).count();
        let mut times: Vec<f64> = answers.iter().map(|a| a.0).collect();
        times.sort_by(f64::total_cmp);
        let contradictions = answers.iter().zip(reference).filter(|(a, r)| a.1 * r.1 < 0).count();
        println!(
            "{name:<20} safe {:>3}  unsafe {:>3}  open {:>3}  median {:>8.3} s  mean {:>8.3} s  contradictions {contradictions}",
            count(1),
            count(-1),
            count(0),
            times[times.len() / 2],
            times.iter().sum::<f64>() / times.len() as f64,
        );
    };
    let reference: Vec<Answer> = queries.iter().map(|q| exact(&network, q, limit)).collect();
    report("exact", &reference, &reference);
    for (name, options) in settings {
        let answers: Vec<Answer> = queries.iter().map(|q| programs(&network, q, &options, limit)).collect();
        report(name, &answers, &reference);
    }
}
