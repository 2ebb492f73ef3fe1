//! signum_milp.csv: up to how many flipped pixels integer programs of binarized networks answer in time, with and
//! without counts of changing neurons, beside the exact engine; the pairs of image and target are those of
//! signum_counts.csv.

use crate::job::{Job, Outcome, hash};
use crate::signum::pairs;
use absint::analyze::{Method, deadline};
use absint::attack::Target;
use absint::domains::domain::{Bounds, Run};
use absint::domains::network::Network;
use absint::domains::num::Rational;
use absint::domains::query::{Atom, Disjunct, Property, Query, Region, Variable};
use absint::domains::verdict::Verdict;
use absint::exact::milp::{MilpOptions, optimise};
use absint::format::{images, onnx};
use absint::{Options, analyze_within};
use absint_lab::train::mnist;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const METHODS: [&str; 3] = ["exact", "milp", "milp+counts"];
const MOST_FLIPS: usize = 10;

/// Margins are integers: a point whose margin is below this is a counterexample.
const INTEGRAL: f64 = 0.5;

/// Whether the pair holds, in words; none where that stays open. Of an integer program it is its own, uncertified word,
/// but for counterexamples, which were replayed.
fn answer(network: &Network, query: &Query, method: &str, limit: Duration) -> Outcome<Option<&'static str>> {
    let budget = deadline(Some(limit));
    let run = Run::silent(&budget);
    if method == "exact" {
        let options = Options { method: Method::EXACT, ..Options::default() };
        return Ok(match analyze_within(network, query, &options, run)?.verdict {
            Verdict::Verified(_) => Some("safe"),
            Verdict::Falsified(_) => Some("unsafe"),
            Verdict::Unknown(_) => None,
        });
    }
    let options = MilpOptions { counts: method == "milp+counts", target: INTEGRAL, ..MilpOptions::default() };
    let target = Target { network, case: &query.cases[0], open: &[0] };
    // What is not even bounded in time is open as well.
    let Ok(found) = optimise(target, &Bounds::unknown(), &options, run) else { return Ok(None) };
    let is_unsafe = found.attained.is_some_and(|a| a.witness.is_some());
    let is_safe = !is_unsafe && found.bound > INTEGRAL;
    Ok(if is_unsafe { Some("unsafe") } else { is_safe.then_some("safe") })
}

/// The answers to one flip, two, and so on, to the first that stays open.
fn ascent(network: &Network, pixels: &[Rational], margin: &Atom, method: &str, limit: Duration) -> Outcome<Value> {
    let at_upper: Vec<bool> = pixels.iter().map(|p| p == &Rational::ONE).collect();
    let mut answers = Vec::new();
    for flips in 1..=MOST_FLIPS {
        let region = Region::hamming(&-Rational::ONE, &Rational::ONE, at_upper.clone(), flips)?;
        let query = Query::over(region, Property { disjuncts: vec![Disjunct { atoms: vec![margin.clone()] }] });
        let start = Instant::now();
        let Some(word) = answer(network, &query, method, limit)? else { break };
        answers.push(json!({ "answer": word, "time_s": start.elapsed().as_secs_f64() }));
    }
    Ok(answers.into())
}

/// The table; of each network so many pairs.
pub fn signum_milp(job: &Job, networks: &[String], count: usize, limit: Duration) -> Outcome<()> {
    let file = job.data.join("images/t10k-images.idx3-ubyte");
    let images = images::read(&file)?;
    let path = |name: &String| Path::new("networks").join(name).with_extension("onnx");
    let all: Vec<PathBuf> = mnist::all().iter().map(|(name, _)| path(name)).chain([file]).collect();
    let header =
        json!({ "inputs": hash(&all)?, "timeout_s": limit.as_secs_f64(), "version": env!("CARGO_PKG_VERSION") });
    let mut rows = Vec::new();
    for name in networks {
        let network = onnx::read(&path(name))?.network;
        let mut pairs = pairs(&network, &images, 1)?;
        pairs.truncate(count);
        let items: Vec<_> = METHODS.iter().flat_map(|method| pairs.iter().map(move |pair| (*method, pair))).collect();
        let keys: Vec<String> =
            items.iter().map(|(method, pair)| format!("{name}/{}-{}/{method}", pair.image, pair.target)).collect();
        let results = job.run("signum_milp", &header, &keys, |i| {
            let (method, pair) = items[i];
            let pixels = images.get_binarized(pair.image, mnist::THRESHOLD).ok_or("no such image")?.pixels;
            let terms =
                [(Variable::Output(pair.label), Rational::ONE), (Variable::Output(pair.target), -Rational::ONE)];
            let margin = Atom { terms: terms.into(), constant: Rational::ZERO, is_strict: false };
            ascent(&network, &pixels, &margin, method, limit)
        })?;
        let ascents: Vec<&[Value]> = results.iter().map(|r| r.as_array().map_or(&[][..], Vec::as_slice)).collect();
        let by_method: Vec<&[&[Value]]> = ascents.chunks(pairs.len()).collect();
        rows.extend(METHODS.iter().zip(&by_method).map(|(method, of)| row(name, method, of, &by_method)));
    }
    let header = ["network", "method", "largest", "safe", "unsafe", "contradictions", "common", "time_s"];
    job.write_beside("signum_milp.csv", &header, 2, &rows)
}

/// One method on one network. Times are sums over the common questions, which all methods answer.
fn row(network: &str, method: &str, ascents: &[&[Value]], all: &[&[&[Value]]]) -> Vec<String> {
    let largest: Vec<String> = ascents.iter().map(|a| a.len().to_string()).collect();
    let answers =
        |word: &str| ascents.iter().flat_map(|a| a.iter()).filter(|q| q["answer"] == word).count().to_string();
    let contradictions = |(a, exact): (&&[Value], &&[Value])| {
        a.iter().zip(exact.iter()).filter(|(q, truth)| q["answer"] != truth["answer"]).count()
    };
    let common: Vec<usize> = (0..ascents.len()).map(|p| all.iter().map(|of| of[p].len()).min().unwrap_or(0)).collect();
    let total = |field: &str| -> f64 {
        let answered = ascents.iter().zip(&common).flat_map(|(a, &common)| &a[..common]);
        answered.filter_map(|q| q[field].as_f64()).sum()
    };
    vec![
        network.into(),
        method.into(),
        largest.join(" "),
        answers("safe"),
        answers("unsafe"),
        ascents.iter().zip(all[0]).map(contradictions).sum::<usize>().to_string(),
        common.iter().sum::<usize>().to_string(),
        format!("{:.2}", total("time_s")),
    ]
}
