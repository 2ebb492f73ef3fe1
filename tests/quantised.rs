//! Networks that quantise their own inputs: boxes of real inputs against enumeration, exactly; ties as they are to count.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::{Method, beaten_by};
use absint::domains::activation::{ActivationFn, Sign, SignWithZero, Staircase};
use absint::domains::budget::Budget;
use absint::domains::domain::Run;
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, NodeId};
use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::{Property, Query, Region, Ties};
use absint::domains::verdict::Verdict;
use absint::exact::signum::{Compiled, SignumOptions, applies, decide};
use absint::format::{images, onnx};
use absint::{Options, analyze};
use common::Dice;
use common::certificates::{accepted, accepted_only_as_they_are};
use itertools::Itertools;
use ndarray::Array2;
use rayon::prelude::*;
use std::sync::Arc;

fn q(text: &str) -> Rational {
    parse_decimal(text).unwrap()
}

fn any_of(dice: &mut Dice, texts: &[&str]) -> Rational {
    q(texts[dice.below(texts.len())])
}

fn dense(b: &mut NetworkBuilder, dice: &mut Dice, source: NodeId, outputs: usize) -> NodeId {
    let w = Array2::from_shape_simple_fn((outputs, b.len(source)), || dice.below(3) as f64 - 1.0);
    let bias = Coefficients::rationals((0..outputs).map(|_| any_of(dice, &["0", "1", "-1/2", "3/2", "-2"])).collect());
    b.linear("dense", source, LinearMap::Dense(w), bias).unwrap()
}

/// Inputs in steps, perhaps in another order or turned round; a layer of signs; integers that may well be equal.
fn network(dice: &mut Dice) -> Network {
    let n = 1 + dice.below(4);
    let mut b = NetworkBuilder::new(&[n]);
    let mut last = b.input();
    if dice.below(4) == 0 {
        let index = (0..n).rev().map(Some).collect();
        last = b.linear("order", last, LinearMap::Select { input_len: n, index }, Coefficients::zeros(n)).unwrap();
    }
    if dice.below(5) > 0 {
        let slopes = (0..n).map(|_| any_of(dice, &["5", "3", "-2", "1", "10/3"])).collect();
        let shifts = (0..n).map(|_| any_of(dice, &["0", "1/3", "-1", "0.001"])).collect();
        let map = LinearMap::Diagonal(Coefficients::rationals(slopes));
        last = b.linear("scale", last, map, Coefficients::rationals(shifts)).unwrap();
    }
    let quantiser: Arc<dyn ActivationFn> = match dice.below(5) {
        0 => Arc::new(Sign),
        1 => Arc::new(SignWithZero),
        2 => Arc::new(Staircase::nearest(-1, 3)),
        3 => Arc::new(Staircase::truncation(-2, 2)),
        _ => Arc::new(Staircase::floor(0, 4)),
    };
    last = b.activation("quantiser", last, quantiser).unwrap();
    for _ in 0..1 + dice.below(2) {
        let width = 2 + dice.below(4);
        last = dense(&mut b, dice, last, width);
        last = b.activation("sign", last, Arc::new(Sign)).unwrap();
    }
    let outputs = 2 + dice.below(2);
    last = dense(&mut b, dice, last, outputs);
    b.finish(last, &[outputs]).unwrap()
}

fn region(dice: &mut Dice, n: usize) -> Region {
    let ends = ["-1", "-1/5", "0", "0.1", "1/3", "2/5", "0.6", "1", "3/2"];
    let (lower, upper) = (0..n)
        .map(|_| {
            let (i, j) = (dice.below(ends.len()), dice.below(ends.len()));
            (q(ends[i.min(j)]), q(ends[i.max(j)]))
        })
        .unzip();
    Region::new_box(lower, upper).unwrap()
}

/// Values of one input between which nothing changes: the ends, all places of steps, and a point between each two.
fn cells(lower: &Rational, upper: &Rational) -> Vec<Rational> {
    let mut all = vec![lower.clone(), upper.clone()];
    for slope in ["5", "3", "-2", "1", "10/3"].map(q) {
        for shift in ["0", "1/3", "-1", "0.001"].map(q) {
            for half_steps in -7..9 {
                all.push((Rational::from(half_steps) / Rational::from(2) - &shift) / &slope);
            }
        }
    }
    all.retain(|x| lower <= x && x <= upper);
    all.sort();
    all.dedup();
    let between: Vec<Rational> = all.iter().tuple_windows().map(|(a, b)| (a + b) / Rational::from(2)).collect();
    all.extend(between);
    all
}

/// For each input one value of each quantised value that it takes over the region.
fn representatives(network: &Network, region: &Region) -> Vec<Vec<Rational>> {
    let (lower, upper) = region.exact_box();
    let (node, _) = network.activations().next().unwrap();
    (0..region.len())
        .map(|i| {
            let quantised = |x: &Rational| {
                let mut point = lower.to_vec();
                point[i] = x.clone();
                network.evaluate_all::<Rational>(&point).unwrap().swap_remove(node)
            };
            cells(&lower[i], &upper[i]).into_iter().unique_by(quantised).collect()
        })
        .collect()
}

#[test]
fn verdicts_over_boxes_are_those_of_all_quantised_inputs() {
    let found: Vec<(bool, bool)> = (0..500u64)
        .into_par_iter()
        .map(|seed| {
            let dice = &mut Dice::new(seed);
            let network = network(dice);
            let region = region(dice, network.input_len());
            let (outputs, ties) = (network.output_len(), [Ties::Unsafe, Ties::Safe][dice.below(2)]);
            let label = dice.below(outputs);
            let query = Query::over(region.clone(), Property::robustness(outputs, label)).with_ties(ties);
            assert!(applies(&network, &query.cases[0]), "seed {seed}");
            let is_unsafe = |x: Vec<&Rational>| {
                let y = network.evaluate::<Rational>(&x.into_iter().cloned().collect_vec()).unwrap();
                (0..outputs).any(|j| j != label && (y[j] > y[label] || ties == Ties::Unsafe && y[j] == y[label]))
            };
            let points = representatives(&network, &region);
            let is_safe = !points.iter().map(|of_input| of_input.iter()).multi_cartesian_product().any(is_unsafe);
            let options = SignumOptions { certify: seed % 2 == 0, ..SignumOptions::default() };
            let answer = decide(&network, &query, &options, Run::silent(&Budget::unlimited()));
            let answer = answer.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            match &answer.verdict {
                Verdict::Verified(_) => {
                    assert!(is_safe, "seed {seed}: verified");
                    if options.certify {
                        let holds = if seed % 16 == 0 { accepted_only_as_they_are } else { accepted };
                        holds(&network, &query, &answer.certificates).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                    }
                }
                // A witness was replayed: it is a real input of the box.
                Verdict::Falsified(witness) => {
                    assert!(!is_safe, "seed {seed}: falsified");
                    assert!(region.contains(witness.input()), "seed {seed}");
                }
                Verdict::Unknown(_) => panic!("seed {seed}: open"),
            }
            let again = Compiled::new(&network).unwrap();
            let again = again.decide(&query, &SignumOptions::default(), Run::silent(&Budget::unlimited())).unwrap();
            assert_eq!(again.verdict.name(), answer.verdict.name(), "seed {seed}");
            // What the network keeps for boxes is not taken for grids of its inputs, nor the other way round.
            let (lower, upper) = region.exact_box();
            let grid = Region::grid(lower, &q("1/2"), lower, upper).unwrap();
            let grid = Query::over(grid, query.cases[0].property.clone());
            let fresh = self::network(&mut Dice::new(seed));
            let ask = |network: &Network, query: &Query| {
                let budget = Budget::unlimited();
                decide(network, query, &SignumOptions::default(), Run::silent(&budget)).unwrap().verdict.name()
            };
            assert_eq!(ask(&network, &grid), ask(&fresh, &grid), "seed {seed}: grid");
            assert_eq!(ask(&fresh, &query), answer.verdict.name(), "seed {seed}: box after grid");
            let all = analyze(&network, &query, &Options::default()).unwrap();
            assert_eq!(all.verdict.name(), answer.verdict.name(), "seed {seed}: auto");
            (is_safe, ties == Ties::Safe)
        })
        .collect();
    let count = |safe: bool, ties: bool| found.iter().filter(|f| **f == (safe, ties)).count();
    let counts = [count(true, false), count(false, false), count(true, true), count(false, true)];
    println!("{counts:?}");
    assert!(counts.iter().all(|&c| c > 40), "{counts:?}");
}

/// Without the step functions in front many real inputs are too many, and so they are where one input is read twice.
#[test]
fn only_what_is_quantised_by_itself_is_taken() {
    let many = 30;
    let net = |quantised: bool, twice: bool| {
        let mut b = NetworkBuilder::new(&[many]);
        let mut last = b.input();
        if twice {
            let index = (0..many).map(|i| Some(i / 2)).collect();
            let map = LinearMap::Select { input_len: many, index };
            last = b.linear("twice", last, map, Coefficients::zeros(many)).unwrap();
        }
        if quantised {
            last = b.activation("floor", last, Arc::new(Staircase::floor(0, 3))).unwrap();
        }
        last = b.linear("sum", last, LinearMap::Dense(Array2::ones((2, many))), Coefficients::zeros(2)).unwrap();
        last = b.activation("sign", last, Arc::new(Sign)).unwrap();
        b.finish(last, &[2]).unwrap()
    };
    let query = Query::robustness(Region::new_box(vec![q("0"); many], vec![q("1"); many]).unwrap(), 2, 0);
    assert!(applies(&net(true, false), &query.cases[0]));
    assert!(!applies(&net(false, false), &query.cases[0]));
    assert!(!applies(&net(true, true), &query.cases[0]));
}

/// The networks that ship: every image is decided, with a certificate or with pixels that another class wins, ties apart.
#[test]
fn the_networks_that_ship_are_decided() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("networks");
    let images = images::read(folder.join("digits.csv")).unwrap();
    for name in ["digits_eev_conv.onnx", "digits_eev_mlp.onnx"] {
        let network = onnx::read(&folder.join(name)).unwrap().network;
        let (mut verified, mut falsified) = (0, 0);
        for image in (1297..1797).step_by(10).filter_map(|i| images.get(i)) {
            if beaten_by(&network, &image.pixels, image.label, Ties::Safe).is_some() {
                continue;
            }
            let eps = q("0.1");
            let region = Region::linf(&image.pixels, &eps, Some((&q("0"), &q("1")))).unwrap();
            let query = Query::robustness(region, 10, image.label).with_ties(Ties::Safe);
            let options = Options { certify: true, attack: false, ..Options::from(Method::EXACT) };
            let answer = analyze(&network, &query, &options).unwrap();
            // Without a certificate nothing but the search is needed either.
            let plain = analyze(&network, &query, &Options { certify: false, ..options.clone() }).unwrap();
            assert_eq!((plain.verdict.name(), plain.stages.len()), (answer.verdict.name(), 1), "{name}");
            match &answer.verdict {
                Verdict::Verified(_) => {
                    accepted(&network, &query, &answer.certificates).unwrap();
                    verified += 1;
                }
                Verdict::Falsified(witness) => {
                    let y = network.evaluate::<Rational>(witness.input()).unwrap();
                    assert!(y.iter().any(|other| *other > y[image.label]), "{name}");
                    let is_near = |(x, c): (&Rational, &Rational)| x - c <= eps && c - x <= eps;
                    assert!(witness.input().iter().zip(&image.pixels).all(is_near), "{name}");
                    falsified += 1;
                }
                Verdict::Unknown(_) => panic!("{name}: open"),
            }
        }
        println!("{name}: {verified} verified, {falsified} falsified");
        assert!(verified > 10 && falsified > 2, "{name}: {verified} {falsified}");
    }
}

/// Two members with a quantiser of their own each: what one of them is verified for the ensemble is, and what an attack
/// reaches both agree on.
#[test]
fn members_that_quantise_alike_are_decided_together() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("networks");
    let images = images::read(folder.join("digits.csv")).unwrap();
    let members = ["digits_eev_conv.onnx", "digits_eev_mlp.onnx"].map(|m| onnx::read(&folder.join(m)).unwrap().network);
    let both = Network::side_by_side(&members).unwrap();
    let options = Options { certify: true, attack: false, ..Options::from(Method::EXACT) };
    let (mut gained, mut falsified) = (0, 0);
    for image in (1297..1797).step_by(10).filter_map(|i| images.get(i)) {
        let region = Region::linf(&image.pixels, &q("0.1"), Some((&q("0"), &q("1")))).unwrap();
        let query = Query::reliable(region.clone(), 2, 10, image.label).with_ties(Ties::Safe);
        let answer = analyze(&both, &query, &options).unwrap();
        let is_safe = |member: &Network| {
            let alone = Query::robustness(region.clone(), 10, image.label).with_ties(Ties::Safe);
            matches!(analyze(member, &alone, &options).unwrap().verdict, Verdict::Verified(_))
        };
        let any_is_safe = members.iter().any(is_safe);
        match &answer.verdict {
            Verdict::Verified(_) => {
                accepted(&both, &query, &answer.certificates).unwrap();
                gained += usize::from(!any_is_safe);
            }
            Verdict::Falsified(witness) => {
                let wrong = members.each_ref().map(|m| beaten_by(m, witness.input(), image.label, Ties::Safe));
                assert!(!any_is_safe && wrong[0].is_some() && wrong[0] == wrong[1], "{wrong:?}");
                falsified += 1;
            }
            Verdict::Unknown(_) => panic!("open"),
        }
    }
    println!("{falsified} attacks reach both, {gained} reach each of them alone");
    assert!(falsified > 0 && gained > 0, "{falsified} {gained}");
}
