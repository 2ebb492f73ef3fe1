//! A pre-filter for exact verification: how many queries never reach the exact engine, because domains or a
//! short attack decide them, and what the exact engine takes for the others with and without the bounds
//! that the domains leave behind.
//!
//! ```text
//! cargo run --release --example prefilter
//! ```
//!
//! The exact engine can be any other: what it needs is a query's open disjuncts (`Gap::open`) and the
//! certified bounds of every neuron (`Analysis::bounds`), which an encoding as integer program or as
//! satisfiability problem uses in place of its own.

#![allow(clippy::print_stdout)]

use absint::analyze::{Method, beaten_by, deadline};
use absint::attack::Target;
use absint::domains::domain::{Bounds, Run};
use absint::domains::network::Network;
use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::{Case, Property, Query, Region, Ties};
use absint::domains::verdict::Verdict;
use absint::exact::continuous::{Question, Splitting, decide};
use absint::exact::signum::{self, SignumOptions};
use absint::format::images;
use absint::format::onnx;
use absint::{Options, analyze};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

/// The exact engine gives up after so long.
const LIMIT: Duration = Duration::from_secs(5);

/// The first test image of `networks/digits.csv`.
const FIRST: usize = 1297;

/// What is asked of one of the networks.
struct Experiment {
    network: &'static str,
    /// Radius in L∞, or flipped pixels of a signum network.
    eps: &'static str,
    images: usize,
    options: Options,
}

/// What came out.
#[derive(Default)]
struct Tally {
    /// Queries by the stage that decided them.
    decided: BTreeMap<String, usize>,
    /// Queries that reached the exact engine.
    reached: usize,
    /// Time of the domains and the attack on all queries.
    filter: Duration,
    /// Time of the exact engine on what is left open, with the bounds.
    with: Duration,
    /// The same queries, the engine starting from nothing.
    without: Duration,
    /// All queries, the engine starting from nothing.
    alone: Duration,
    /// Queries that the engine gave up, with and without.
    open: [usize; 2],
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let domain = |method| Options { method, ..Options::default() };
    let experiments = [
        Experiment { network: "digits_mlp", eps: "0.08", images: 100, options: domain(Method::KPOLY.with(3, true)) },
        Experiment { network: "digits_cnn", eps: "0.05", images: 100, options: domain(Method::KPOLY.with(3, true)) },
        Experiment { network: "digits_bnn1", eps: "3", images: 100, options: domain(Method::HULL) },
        Experiment { network: "digits_bnn2", eps: "1", images: 100, options: domain(Method::HULL) },
    ];
    println!("seconds; the exact engine gives up after {} s per query\n", LIMIT.as_secs());
    println!(
        "{:<12} {:>5} {:>8} | {:<34} {:>7} | {:>7} {:>7} {:>7} {:>9}",
        "network", "eps", "queries", "decided by", "exact", "filter", "with", "without", "all exact"
    );
    for experiment in &experiments {
        let tally = run(experiment)?;
        let decided: usize = tally.decided.values().sum();
        let stages: Vec<String> = tally.decided.iter().map(|(stage, n)| format!("{stage} {n}")).collect();
        println!(
            "{:<12} {:>5} {:>8} | {:<34} {:>7} | {:>7.2} {:>7.2} {:>7.2} {:>9.2}",
            experiment.network,
            experiment.eps,
            decided + tally.reached,
            stages.join(", "),
            tally.reached,
            tally.filter.as_secs_f64(),
            tally.with.as_secs_f64(),
            tally.without.as_secs_f64(),
            tally.alone.as_secs_f64(),
        );
        if tally.open != [0, 0] {
            println!("{:<28} given up: {} with the bounds, {} without", "", tally.open[0], tally.open[1]);
        }
    }
    println!(
        "\nexact: queries that reach the exact engine; filter: domains and attack, all queries; with, without: the\n\
         exact engine on those that reach it, with the bounds of the domains and without; all exact: every query."
    );
    Ok(())
}

fn run(experiment: &Experiment) -> Result<Tally, Box<dyn Error + Send + Sync>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/networks");
    let network = onnx::read(format!("{folder}/{}.onnx", experiment.network).as_ref())?.network;
    let images = images::read(format!("{folder}/digits.csv"))?;
    let eps = parse_decimal(experiment.eps)?;
    let is_signum = experiment.network.contains("bnn");
    let mut tally = Tally::default();
    let mut asked = 0;
    for index in FIRST.. {
        let image = if is_signum { images.get_binarized(index, 96) } else { images.get(index) };
        let Some(image) = image.filter(|_| asked < experiment.images) else { break };
        if beaten_by(&network, &image.pixels, image.label, Ties::Unsafe).is_some() {
            continue;
        }
        asked += 1;
        let region = if is_signum {
            let at_upper = image.pixels.iter().map(|p| p == &Rational::ONE).collect();
            Region::hamming(&-Rational::ONE, &Rational::ONE, at_upper, usize::try_from(eps.trunc())?)?
        } else {
            Region::linf(&image.pixels, &eps, Some((&Rational::ZERO, &Rational::ONE)))?
        };
        let query = Query::robustness(region, network.output_len(), image.label);

        let start = Instant::now();
        let filtered = analyze(&network, &query, &experiment.options)?;
        tally.filter += start.elapsed();

        let all: Vec<usize> = (0..query.disjuncts()).collect();
        let (answer, alone) = exact(&network, &query.cases[0], &all, &Bounds::unknown())?;
        tally.alone += alone;
        match filtered.verdict {
            Verdict::Unknown(gap) => {
                tally.reached += 1;
                let (better, time) = exact(&network, &query.cases[0], &gap.open, &filtered.bounds[0])?;
                tally.with += time;
                tally.without += alone;
                tally.open[0] += usize::from(better.is_none());
                tally.open[1] += usize::from(answer.is_none());
                agree(better, answer);
            }
            verdict => {
                let stage = filtered.stages.last().map_or("", |s| s.name.as_str());
                *tally.decided.entry(stage.to_owned()).or_default() += 1;
                agree(Some(matches!(verdict, Verdict::Verified(_))), answer);
            }
        }
    }
    Ok(tally)
}

/// Two answers to the same query are the same, where both are there.
fn agree(a: Option<bool>, b: Option<bool>) {
    assert!(a.is_none() || b.is_none() || a == b, "two engines contradict each other: please report it");
}

/// Whether the disjuncts `open` are refuted, by the exact engine that suits the network; `None` when it
/// gives up. And how long that took.
fn exact(
    network: &Network,
    case: &Case,
    open: &[usize],
    known: &Bounds,
) -> Result<(Option<bool>, Duration), Box<dyn Error + Send + Sync>> {
    let start = Instant::now();
    let budget = deadline(Some(LIMIT));
    let run = Run::silent(&budget);
    let is_refuted = if signum::applies(network, case) {
        let disjuncts = open.iter().map(|&d| case.property.disjuncts[d].clone()).collect();
        let query = Query::over(case.region.clone(), Property { disjuncts });
        match signum::decide(network, &query, &SignumOptions::default(), run)?.verdict {
            Verdict::Verified(_) => Some(true),
            Verdict::Falsified(_) => Some(false),
            Verdict::Unknown(_) => None,
        }
    } else {
        let question = Question {
            target: Target { network, case, open },
            known,
            part: None,
            attack: true,
            splitting: Splitting::Automatic,
            most: usize::MAX,
            certify: false,
        };
        let found = decide(&question, run)?;
        let refuted = open.iter().all(|d| found.bounds.get(d).is_some_and(|&bound| bound > 0.0));
        if found.witness.is_some() { Some(false) } else { refuted.then_some(true) }
    };
    Ok((is_refuted, start.elapsed()))
}
