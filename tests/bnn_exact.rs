//! The exact engine for signum networks against enumeration of the region, exactly.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze;
use absint::analyze::{Method, Options};
use absint::domains::activation::{ActivationFn, Sign, SignWithZero};
use absint::domains::budget::Budget;
use absint::domains::domain::Run;
use absint::domains::network::{Coefficients, Conv2d, LinearMap, Network, NetworkBuilder, NodeId, Term};
use absint::domains::num::{Interval, Rational, exact, parse_decimal};
use absint::domains::query::{Atom, Ball, Case, Disjunct, Property, Query, Region, Variable};
use absint::domains::verdict::Verdict;
use absint::exact::signum::{Compiled, Preprocessing, SignumOptions, decide};
use common::Dice;
use common::certificates::{accepted, accepted_only_as_they_are};
use ndarray::{Array2, Array4};
use rayon::prelude::*;
use std::sync::Arc;

fn weight(dice: &mut Dice, kind: usize) -> f64 {
    match kind {
        0 => [-1.0, 1.0][dice.below(2)],
        1 => [-1.0, 0.0, 1.0][dice.below(3)],
        2 => dice.below(7) as f64 - 3.0,
        _ => dice.weight(),
    }
}

fn bias(dice: &mut Dice, n: usize) -> Coefficients {
    let texts = ["0", "1", "-1", "1/2", "-0.1", "2/3", "3", "-2", "1e-30", "-1e-30"];
    Coefficients::rationals((0..n).map(|_| parse_decimal(texts[dice.below(texts.len())]).unwrap()).collect())
}

fn dense(b: &mut NetworkBuilder, dice: &mut Dice, source: NodeId, outputs: usize, kind: usize) -> NodeId {
    let w = Array2::from_shape_simple_fn((outputs, b.len(source)), || weight(dice, kind));
    let bias = bias(dice, outputs);
    b.linear("dense", source, LinearMap::Dense(w), bias).unwrap()
}

/// Batch normalisation, perhaps with a factor of which only an enclosure is known, perhaps negative.
fn normalise(b: &mut NetworkBuilder, dice: &mut Dice, source: NodeId) -> NodeId {
    let n = b.len(source);
    let scale = if dice.below(2) == 0 {
        let texts = ["1/3", "-0.3", "2", "0", "-1"];
        Coefficients::rationals((0..n).map(|_| parse_decimal(texts[dice.below(texts.len())]).unwrap()).collect())
    } else {
        let around = |x: f64| Interval { lo: x.next_down(), hi: x.next_up() };
        Coefficients::enclosed((0..n).map(|_| around([0.7171, -1.1, 3.3][dice.below(3)])).collect())
    };
    // Away from the lattice: an enclosure does not decide a tie.
    let bias = Coefficients::floats((0..n).map(|_| [0.217, -0.483, 0.0913][dice.below(3)]).collect());
    b.linear("norm", source, LinearMap::Diagonal(scale), bias).unwrap()
}

fn network(dice: &mut Dice) -> Network {
    let f: Arc<dyn ActivationFn> = if dice.below(3) == 0 { Arc::new(SignWithZero) } else { Arc::new(Sign) };
    let kind = dice.below(4);
    let mut b;
    let mut last;
    if dice.below(3) == 0 {
        let [c, h, w] = [1 + dice.below(2), 2, 2 + dice.below(2)];
        b = NetworkBuilder::new(&[c, h, w]);
        let out = 1 + dice.below(3);
        let kernel = Array4::from_shape_simple_fn((out, c, 2, 2), || weight(dice, kind));
        let padding = dice.below(2);
        let output = [out, h + 2 * padding - 1, w + 2 * padding - 1];
        let conv = Conv2d {
            weight: kernel,
            input: [c, h, w],
            output,
            stride: [1, 1],
            padding: [padding; 2],
            dilation: [1, 1],
            groups: 1,
        };
        let bias = bias(dice, conv.output.iter().product());
        last = b.linear("conv", 0, LinearMap::Conv2d(conv), bias).unwrap();
        last = b.activation("sign", last, f.clone()).unwrap();
    } else {
        b = NetworkBuilder::new(&[2 + dice.below(6)]);
        last = b.input();
    }
    for _ in 0..1 + dice.below(3) {
        let width = 2 + dice.below(5);
        let before = last;
        last = dense(&mut b, dice, last, width, kind);
        if dice.below(2) == 0 {
            last = normalise(&mut b, dice, last);
        }
        last = b.activation("sign", last, f.clone()).unwrap();
        if dice.below(4) == 0 && b.len(before) == width {
            let identity = |source| Term { source, map: LinearMap::Identity(width).into() };
            last = b.affine("add", vec![identity(before), identity(last)], Coefficients::zeros(width)).unwrap();
        }
    }
    let outputs = 2 + dice.below(2);
    let kind = dice.below(4);
    last = dense(&mut b, dice, last, outputs, kind);
    if dice.below(3) == 0 {
        // A scale of its own for every class.
        let texts = ["1/3", "0.7", "2", "5", "-1"];
        let scale = (0..outputs).map(|_| parse_decimal(texts[dice.below(texts.len())]).unwrap()).collect();
        let bias = bias(dice, outputs);
        last = b.linear("scale", last, LinearMap::Diagonal(Coefficients::rationals(scale)), bias).unwrap();
    }
    b.finish(last, &[outputs]).unwrap()
}

fn region(dice: &mut Dice, n: usize) -> Region {
    if dice.below(3) > 0 {
        let low = Rational::from([-1, 0][dice.below(2)]);
        let at_upper = (0..n).map(|_| dice.below(2) == 0).collect();
        return Region::hamming(&low, &Rational::ONE, at_upper, dice.below(n + 2)).unwrap();
    }
    let step = parse_decimal(["1/3", "0.1", "1", "1/255"][dice.below(4)]).unwrap();
    let center: Vec<Rational> = (0..n).map(|_| Rational::from(dice.below(5) as i32 - 2) * &step).collect();
    if dice.below(2) == 0 {
        // Clipped on one side or the other, now and then even at or beyond the centre.
        let radius = Rational::from(dice.below(4) as i32) * &step;
        let end = |dice: &mut Dice, c: &Rational, sign: i32| {
            let reach = if n > 6 { [0, 0, 0, 1] } else { [0, 1, 1, 2] }[dice.below(4)] - i32::from(dice.below(20) == 0);
            c + Rational::from(sign * reach) * &step
        };
        let lower: Vec<Rational> = center.iter().map(|c| end(dice, c, -1)).collect();
        let upper: Vec<Rational> = center.iter().map(|c| end(dice, c, 1)).collect();
        if let Ok(region) = Region::grid_l1(&center, &step, &radius, &lower, &upper) {
            return region;
        }
    }
    let end = |dice: &mut Dice, c: &Rational, sign: i32| c + Rational::from(sign * dice.below(2) as i32) * &step;
    let lower: Vec<Rational> = center.iter().map(|c| end(dice, c, -1)).collect();
    let upper: Vec<Rational> = center.iter().map(|c| end(dice, c, 1)).collect();
    Region::grid(&center, &step, &lower, &upper).unwrap()
}

fn property(dice: &mut Dice, inputs: usize, outputs: usize) -> Property {
    if dice.below(2) == 0 {
        return Property::robustness(outputs, dice.below(outputs));
    }
    let atom = |dice: &mut Dice| {
        let mut terms: std::collections::BTreeMap<Variable, Rational> =
            (0..outputs).map(|j| (Variable::Output(j), Rational::from(dice.below(5) as i32 - 2))).collect();
        if dice.below(3) == 0 {
            terms.insert(Variable::Input(dice.below(inputs)), parse_decimal("1/3").unwrap());
        }
        terms.retain(|_, c| *c != Rational::ZERO);
        Atom {
            terms,
            constant: parse_decimal(["0", "1", "-3", "2.5", "0.1"][dice.below(5)]).unwrap(),
            is_strict: false,
        }
    };
    let disjunct = |dice: &mut Dice| Disjunct { atoms: (0..1 + dice.below(2)).map(|_| atom(dice)).collect() };
    Property { disjuncts: (0..1 + dice.below(3)).map(|_| disjunct(dice)).collect() }
}

/// All points of the region.
fn points(region: &Region) -> Vec<Vec<Rational>> {
    let (lower, upper) = region.exact_box();
    let mut all = vec![Vec::new()];
    for (l, u) in lower.iter().zip(upper) {
        let step = match region.ball() {
            Ball::Grid { step, .. } | Ball::GridL1 { step, .. } => step.clone(),
            _ => (u - l).max(parse_decimal("1e-9").unwrap()),
        };
        let mut next = Vec::new();
        for point in all {
            let mut x = l.clone();
            while x <= *u {
                let mut longer: Vec<Rational> = point.clone();
                longer.push(x.clone());
                next.push(longer);
                x += &step;
            }
        }
        all = next;
    }
    all.retain(|x| region.contains(x));
    all
}

/// For each disjunct the exact minimum of the maximum of its margins; evaluated in enclosures where a
/// parameter is not rational.
fn minima(network: &Network, case: &Case) -> Option<Vec<Rational>> {
    let mut minima: Vec<Option<Rational>> = vec![None; case.property.disjuncts.len()];
    for x in points(&case.region) {
        let output = match network.evaluate::<Rational>(&x) {
            Ok(output) => output,
            Err(_) => {
                let x: Vec<Interval> = x.iter().map(absint::domains::num::enclose).collect();
                let output = network.evaluate_all::<Interval>(&x).unwrap();
                // Step functions of decided signs are exact; the last layer has rational weights.
                let before = output[network.output() - 1].clone();
                if before.iter().any(|v| v.lo != v.hi) {
                    return None;
                }
                let mut values: Vec<Vec<Rational>> = Vec::new();
                for node in &output[..network.output()] {
                    values.push(node.iter().map(|v| exact(v.lo).unwrap()).collect());
                }
                match &network.node(network.output()).kind {
                    absint::domains::network::NodeKind::Affine(a) => a.evaluate(&values, network.output_len()).unwrap(),
                    _ => return None,
                }
            }
        };
        for (disjunct, best) in case.property.disjuncts.iter().zip(&mut minima) {
            let margin = disjunct.atoms.iter().map(|a| a.margin(&x, &output)).max().unwrap();
            *best = Some(best.take().map_or(margin.clone(), |b| b.min(margin)));
        }
    }
    minima.into_iter().collect()
}

#[test]
fn verdicts_are_those_of_enumeration() {
    let counts: Vec<(usize, usize)> = (0..3000u64)
        .into_par_iter()
        .map(|seed| {
            let dice = &mut Dice::new(seed);
            let network = network(dice);
            let region = region(dice, network.input_len());
            let property = property(dice, network.input_len(), network.output_len());
            let query = Query::over(region, property);
            let Some(minima) = minima(&network, &query.cases[0]) else { return (0, 0) };
            let preprocessing = Preprocessing { fix: dice.below(2) == 0, counts: dice.below(2) == 0 };
            let certify = dice.below(2) == 0;
            // By search, or by trying everything at once.
            let enumerate_after = [u64::MAX, 0][dice.below(2)];
            let options = SignumOptions { preprocessing, certify, enumerate_after, ..SignumOptions::default() };
            let answer = decide(&network, &query, &options, Run::silent(&Budget::unlimited()));
            let answer = answer.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            if !answer.certificates.is_empty() {
                let holds = if seed % 8 == 0 { accepted_only_as_they_are } else { accepted };
                holds(&network, &query, &answer.certificates).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            }
            let is_safe = minima.iter().all(|m| *m > Rational::ZERO);
            if seed % 20 == 0 {
                let domain = if seed % 40 == 0 { Method::EXACT } else { Method::AUTO };
                let certify = domain == Method::EXACT && dice.below(2) == 0;
                let options = Options { method: domain, certify, ..Options::default() };
                let analysis = analyze(&network, &query, &options).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                match analysis.verdict {
                    Verdict::Verified(_) => assert!(is_safe, "seed {seed}: verified by the cascade"),
                    Verdict::Falsified(_) => assert!(!is_safe, "seed {seed}: falsified by the cascade"),
                    // Only where no replay can decide.
                    Verdict::Unknown(_) => assert!(!is_safe, "seed {seed}: left open by the cascade"),
                }
                assert_eq!(analysis.certificates.len(), usize::from(certify && is_safe), "seed {seed}");
            }
            match answer.verdict {
                Verdict::Verified(proof) => {
                    assert_eq!(answer.certificates.len(), usize::from(certify), "seed {seed}");
                    assert!(is_safe, "seed {seed}: verified, but {minima:?}");
                    for (bound, exactly) in proof.bounds.iter().zip(&minima) {
                        assert!(*bound > 0.0 && exact(*bound).unwrap() <= *exactly, "seed {seed}: {bound} {exactly}");
                    }
                    (1, 0)
                }
                Verdict::Falsified(_) => {
                    assert!(!is_safe, "seed {seed}: falsified");
                    (0, 1)
                }
                Verdict::Unknown(_) => {
                    // Only where enclosed parameters meet a tie or nearly one, which no replay can decide.
                    let center = query.cases[0].region.center();
                    assert!(network.evaluate::<Rational>(&center).is_err(), "seed {seed}: open");
                    assert!(!is_safe, "seed {seed}: open, but {minima:?}");
                    (0, 0)
                }
            }
        })
        .collect();
    let (verified, falsified) = counts.iter().fold((0, 0), |s, c| (s.0 + c.0, s.1 + c.1));
    println!("{verified} verified, {falsified} falsified");
    assert!(verified > 600 && falsified > 1500, "{verified} verified, {falsified} falsified");
}

/// A network whose first neurons read one input each; some read the same one, and some none.
fn binarizing(dice: &mut Dice) -> Network {
    let inputs = 2 + dice.below(4);
    let mut b = NetworkBuilder::new(&[inputs]);
    let first = inputs + dice.below(2);
    let mut w = Array2::<f64>::zeros((first, inputs));
    for i in 0..first {
        let of = if dice.below(4) == 0 { dice.below(inputs) } else { i % inputs };
        w[[i, of]] = [-2.0, -1.0, 0.0, 1.0, 1.0, 1.0, 3.0][dice.below(7)];
    }
    let offset = bias(dice, first);
    let mut last = b.linear("binarize", 0, LinearMap::Dense(w), offset).unwrap();
    last = b.activation("sign", last, Arc::new(Sign)).unwrap();
    for _ in 0..1 + dice.below(2) {
        let (width, kind) = (2 + dice.below(5), dice.below(3));
        last = dense(&mut b, dice, last, width, kind);
        last = b.activation("sign", last, Arc::new(Sign)).unwrap();
    }
    last = dense(&mut b, dice, last, 2, 0);
    b.finish(last, &[2]).unwrap()
}

/// What is kept from one query for the next changes nothing, and neither do neurons that are inputs.
#[test]
fn one_network_answers_query_after_query_as_if_each_were_the_first() {
    let verified: usize = (0..250u64)
        .into_par_iter()
        .map(|seed| {
            let dice = &mut Dice::new(seed);
            let network = binarizing(dice);
            let n = network.input_len();
            let compiled = Compiled::new(&network).unwrap();
            let options = SignumOptions { certify: true, ..SignumOptions::default() };
            let (mut verified, mut last) = (0, None);
            for _ in 0..6 {
                // Now and then only the ball or only the unsafe set is another.
                let region = match last.take() {
                    Some(region) if dice.below(3) == 0 => region,
                    _ => region(dice, n),
                };
                last = Some(region.clone());
                let property = match dice.below(3) {
                    0 => property(dice, n, 2),
                    label => Property::robustness(2, label - 1),
                };
                let query = Query::over(region, property);
                let first = decide(&network, &query, &options, Run::silent(&Budget::unlimited())).unwrap();
                let tried = SignumOptions { enumerate_after: 0, ..SignumOptions::default() };
                let tried = decide(&network, &query, &tried, Run::silent(&Budget::unlimited())).unwrap();
                assert_eq!(tried.verdict.name(), first.verdict.name(), "seed {seed}");
                let answer = compiled.decide(&query, &options, Run::silent(&Budget::unlimited())).unwrap();
                assert_eq!(answer.verdict.name(), first.verdict.name(), "seed {seed}");
                assert_eq!(answer.certificates, first.certificates, "seed {seed}");
                let is_safe = minima(&network, &query.cases[0]).unwrap().iter().all(|m| *m > Rational::ZERO);
                assert_eq!(matches!(answer.verdict, Verdict::Verified(_)), is_safe, "seed {seed}");
                if is_safe {
                    accepted_only_as_they_are(&network, &query, &answer.certificates)
                        .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                    verified += 1;
                }
            }
            verified
        })
        .sum();
    println!("{verified} verified");
    assert!(verified > 200, "{verified}");
}

/// The points of an interval at which the signs of a first layer can change, and one between each two.
fn cells(network: &Network, lower: &Rational, upper: &Rational) -> Vec<Rational> {
    let (_, first) = network.activations().next().unwrap();
    let before = |x: Rational| network.evaluate_all::<Rational>(&[x]).unwrap().swap_remove(first.source);
    let (at_zero, at_one) = (before(Rational::ZERO), before(Rational::ONE));
    let mut all = vec![lower.clone(), upper.clone()];
    for (b, sum) in at_zero.iter().zip(&at_one) {
        let slope = sum - b;
        if slope != Rational::ZERO {
            all.push(-b / slope);
        }
    }
    all.retain(|x| lower <= x && x <= upper);
    all.sort();
    let between: Vec<Rational> = all.windows(2).map(|pair| (&pair[0] + &pair[1]) / Rational::from(2)).collect();
    all.extend(between);
    all
}

/// Over one real input every cell of signs is an interval or a point, ties included.
#[test]
fn verdicts_over_a_real_input_are_those_of_its_cells() {
    let counts: Vec<bool> = (0..400u64)
        .into_par_iter()
        .map(|seed| {
            let dice = &mut Dice::new(seed);
            let f: Arc<dyn ActivationFn> = if dice.below(2) == 0 { Arc::new(SignWithZero) } else { Arc::new(Sign) };
            let mut b = NetworkBuilder::new(&[1]);
            let mut last = b.input();
            for _ in 0..1 + dice.below(3) {
                let (width, kind) = (2 + dice.below(4), dice.below(4));
                last = dense(&mut b, dice, last, width, kind);
                last = b.activation("sign", last, f.clone()).unwrap();
            }
            let outputs = 2 + dice.below(2);
            last = dense(&mut b, dice, last, outputs, 2);
            let network = b.finish(last, &[outputs]).unwrap();
            let ends = ["-2", "-1", "-1/3", "0", "0.1", "1/3", "1", "3/2"];
            let (i, j) = (dice.below(ends.len() - 1), dice.below(ends.len() - 1));
            let (lower, upper) = (parse_decimal(ends[i.min(j)]).unwrap(), parse_decimal(ends[i.max(j) + 1]).unwrap());
            let mut property = property(dice, 1, outputs);
            for atom in property.disjuncts.iter_mut().flat_map(|d| &mut d.atoms) {
                atom.terms.retain(|variable, _| matches!(variable, Variable::Output(_)));
            }
            let is_unsafe = |x: &Rational| {
                let (x, output) = ([x.clone()], network.evaluate::<Rational>(std::slice::from_ref(x)).unwrap());
                let holds = |a: &Atom| a.margin(&x, &output) <= Rational::ZERO;
                property.disjuncts.iter().any(|d| d.atoms.iter().all(holds))
            };
            let is_safe = !cells(&network, &lower, &upper).iter().any(is_unsafe);
            let query = Query::over(Region::new_box(vec![lower], vec![upper]).unwrap(), property.clone());
            let budget = Budget::unlimited();
            let options = SignumOptions { certify: seed % 2 == 0, ..SignumOptions::default() };
            let answer = decide(&network, &query, &options, Run::silent(&budget));
            let answer = answer.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            match answer.verdict {
                Verdict::Verified(_) => {
                    assert!(is_safe, "seed {seed}: verified");
                    if options.certify {
                        let holds = if seed % 8 == 0 { accepted_only_as_they_are } else { accepted };
                        holds(&network, &query, &answer.certificates).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                    }
                }
                Verdict::Falsified(_) => assert!(!is_safe, "seed {seed}: falsified"),
                Verdict::Unknown(_) => panic!("seed {seed}: open"),
            }
            is_safe
        })
        .collect();
    let verified = counts.iter().filter(|&&is_safe| is_safe).count();
    println!("{verified} of {} verified", counts.len());
    assert!(verified > 60 && verified < 300, "{verified}");
}

/// Where the conflicts allowed are used up, the rest stays open.
#[test]
fn without_conflicts_only_what_propagation_refutes_is_verified() {
    let (mut open, mut decided) = (0, 0);
    for seed in 0..200u64 {
        let dice = &mut Dice::new(seed);
        let network = network(dice);
        let region = region(dice, network.input_len());
        let property = property(dice, network.input_len(), network.output_len());
        let query = Query::over(region, property);
        let options = SignumOptions { conflicts: 0, ..SignumOptions::default() };
        let full = decide(&network, &query, &SignumOptions::default(), Run::silent(&Budget::unlimited())).unwrap();
        let answer = decide(&network, &query, &options, Run::silent(&Budget::unlimited())).unwrap();
        match answer.verdict {
            Verdict::Unknown(gap) => {
                assert!(!gap.open.is_empty(), "seed {seed}");
                open += 1;
            }
            other => {
                assert_eq!(other.name(), full.verdict.name(), "seed {seed}");
                decided += 1;
            }
        }
    }
    assert!(open > 10 && decided > 10, "{open} {decided}");
}

/// However early the time is up: no verdict is wrong, and the engine soon stops to ask.
#[test]
fn the_time_may_be_up_anywhere() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    let (mut early, mut complete) = (0, 0);
    for seed in 0..12u64 {
        let dice = &mut Dice::new(seed);
        let network = network(dice);
        let region = region(dice, network.input_len());
        let query = Query::over(region, property(dice, network.input_len(), network.output_len()));
        let options = SignumOptions { certify: seed % 2 == 0, ..SignumOptions::default() };
        let full = decide(&network, &query, &options, Run::silent(&Budget::unlimited())).unwrap();
        for polls in 0..120 {
            let asked = Arc::new(AtomicUsize::new(0));
            let count = asked.clone();
            let remaining = move || {
                let left = count.fetch_add(1, Ordering::Relaxed) < polls;
                if left { Duration::from_secs(1) } else { Duration::ZERO }
            };
            let answer = decide(&network, &query, &options, Run::silent(&Budget::new(remaining))).unwrap();
            match answer.verdict {
                Verdict::Unknown(gap) => {
                    assert!(!gap.open.is_empty(), "seed {seed}, {polls} polls");
                    let asked = asked.load(Ordering::Relaxed);
                    assert!(asked < polls + 10, "seed {seed}: {asked} polls instead of {polls}");
                    early += 1;
                }
                other => {
                    assert_eq!(other.name(), full.verdict.name(), "seed {seed}, {polls} polls");
                    complete += 1;
                }
            }
        }
    }
    assert!(early > 100 && complete > 100, "{early} {complete}");
}
