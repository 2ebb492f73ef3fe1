//! Attacks: they find what is there, and never claim what is not.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::attack::{Aim, Attack, Schedule, Target};
use absint::domains::activation::{ActivationFn, LeakyRelu, Relu};
use absint::domains::budget::Budget;
use absint::domains::network::{Coefficients, LinearMap, NetworkBuilder};
use absint::domains::num::{Rational, exact_or_zero};
use absint::domains::query::{Atom, Disjunct, Property, Query, Region, Variable};
use absint::format::{json_query, onnx, vnnlib};
use common::data::folder;
use common::enumeration::Cells;
use common::{Dice, random_network, random_region};
use ndarray::Array2;
use serde_json::Value;
use std::process::Command;
use std::sync::Arc;

/// Unsafe where `Σ c_i y_i ≤ threshold`.
fn at_most(c: &[f64], threshold: Rational) -> Property {
    let terms = c.iter().enumerate().map(|(i, &c)| (Variable::Output(i), exact_or_zero(c))).collect();
    Property { disjuncts: vec![Disjunct { atoms: vec![Atom { terms, constant: -threshold, is_strict: false }] }] }
}

fn run(attack: &Attack, network: &absint::domains::network::Network, query: &Query) -> absint::attack::Outcome {
    let case = &query.cases[0];
    let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
    attack.run(Target { network, case, open: &open }, &Budget::unlimited())
}

#[test]
fn it_finds_nearly_every_counterexample_that_enumeration_finds_and_no_other() {
    let functions: [Arc<dyn ActivationFn>; 2] = [Arc::new(Relu), Arc::new(LeakyRelu::new(0.125))];
    let (mut unsafe_cases, mut found) = (0, 0);
    for seed in 0..80 {
        let mut dice = Dice::new(seed);
        let function = &functions[dice.below(2)];
        let network = random_network(&mut dice, function);
        if network.input_len() > 4 {
            continue;
        }
        let center: Vec<Rational> = dice.weights(network.input_len()).into_iter().map(exact_or_zero).collect();
        let region = Region::linf(&center, &exact_or_zero(0.5), None).unwrap();
        let Some(cells) = Cells::new(&network, &region, 400) else { continue };
        let c = dice.weights(network.output_len());
        let least = cells.minima(&at_most(&c, Rational::ZERO).disjuncts[0]).remove(0);
        // A hundredth above the minimum there are counterexamples, exactly below it there are none.
        let slack = exact_or_zero(0.01);
        for (threshold, is_unsafe) in [(&least + &slack, true), (&least - &slack, false)] {
            let query = Query::over(region.clone(), at_most(&c, threshold));
            let outcome = run(&Attack::pgd(seed), &network, &query);
            if is_unsafe {
                unsafe_cases += 1;
                found += usize::from(outcome.witness.is_some());
            } else {
                assert!(outcome.witness.is_none(), "a false counterexample, seed {seed}");
            }
            if let Some(witness) = outcome.witness {
                assert!(region.contains(witness.input()));
                let y = network.evaluate::<Rational>(witness.input()).unwrap();
                let margin = query.cases[0].property.disjuncts[0].atoms[0].margin(witness.input(), &y);
                assert!(margin <= Rational::ZERO, "seed {seed}");
            }
        }
    }
    println!("{found} of {unsafe_cases} found");
    assert!(unsafe_cases > 30 && found * 100 >= unsafe_cases * 95, "{found} of {unsafe_cases}");
}

#[test]
fn on_a_linear_network_it_reaches_the_minimum_in_every_norm() {
    let mut checked = [0; 5];
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let n = 1 + dice.below(12);
        let mut b = NetworkBuilder::new(&[n]);
        let w = Array2::from_shape_vec((1, n), dice.weights(n)).unwrap();
        let fc = b.linear("fc", 0, LinearMap::Dense(w.clone()), Coefficients::zeros(1)).unwrap();
        let network = b.finish(fc, &[1]).unwrap();
        let region = random_region(&mut dice, n);
        // The support function: certified from below, and nearly attained.
        let least = exact_or_zero(region.minima(w.view())[0]);
        let query = Query::over(region.clone(), at_most(&[1.0], least + exact_or_zero(1e-3)));
        for attack in [
            Attack::pgd(0),
            Attack { aim: Aim::Untargeted, ..Attack::pgd(0) },
            Attack { schedule: Schedule::Constant, step_size: 0.3, ..Attack::pgd(0) },
        ] {
            assert!(run(&attack, &network, &query).witness.is_some(), "seed {seed}, {region:?}");
        }
        use absint::domains::query::Ball;
        checked[match region.ball() {
            Ball::Box => 0,
            Ball::L1 { .. } => 1,
            Ball::L2 { .. } => 2,
            Ball::Hamming { .. } => 3,
            Ball::Grid { .. } | Ball::GridL1 { .. } => 4,
        }] += 1;
    }
    assert!(checked[..4].iter().all(|&count| count > 15), "{checked:?}");
}

#[test]
fn every_disjunct_is_attacked_and_the_report_says_how_close_it_came() {
    let (network, image) = absint::example::network_and_image().unwrap();
    let ball = |eps: f64| {
        let region = Region::linf(&image.pixels, &exact_or_zero(eps), Some((&Rational::ZERO, &Rational::ONE))).unwrap();
        Query::robustness(region, network.output_len(), image.label)
    };
    let far = run(&Attack::pgd(0), &network, &ball(0.01));
    assert!(far.witness.is_none() && far.closest.len() == 9 && far.points > 1000);
    assert!(far.closest.iter().all(|m| *m > 0.0 && m.is_finite()), "{:?}", far.closest);
    let near = run(&Attack::pgd(0), &network, &ball(0.3));
    assert!(near.witness.is_some());
    // The same seed gives the same answer.
    assert_eq!(near.witness, run(&Attack::pgd(0), &network, &ball(0.3)).witness);
    // A larger ball lets the margins fall further.
    let wider = run(&Attack::pgd(0), &network, &ball(0.02));
    assert!(wider.closest.iter().zip(&far.closest).all(|(wide, narrow)| wide < narrow));
}

#[test]
fn a_start_from_outside_is_pulled_into_the_region() {
    let (network, image) = absint::example::network_and_image().unwrap();
    let region = Region::linf(&image.pixels, &exact_or_zero(0.3), None).unwrap();
    let query = Query::robustness(region.clone(), network.output_len(), image.label);
    let attack = Attack::pgd(0);
    let far = [vec![1e6; network.input_len()], vec![f64::NAN; network.input_len()], vec![0.5]];
    let open: Vec<usize> = (0..9).collect();
    let found = attack.run_from(
        Target { network: &network, case: &query.cases[0], open: &open },
        &far[..2],
        &Budget::unlimited(),
    );
    assert!(region.contains(found.witness.unwrap().input()));
    // Of another length than the network's input: no start at all.
    let found = attack.run_from(
        Target { network: &network, case: &query.cases[0], open: &open },
        &far[2..],
        &Budget::unlimited(),
    );
    assert!(found.witness.is_some());
}

#[test]
fn it_finds_the_counterexamples_of_the_small_networks() {
    let Some(folder) = folder("attacking small networks", "micro") else { return };
    let (mut found, mut all, mut missed) = (0, 0, Vec::new());
    let mut seen = std::collections::BTreeSet::new();
    for row in csv::Reader::from_path(folder.join("truth.csv")).unwrap().records() {
        let row = row.unwrap();
        if !seen.insert(row[0].to_owned()) {
            continue;
        }
        let network = onnx::read(&folder.join(&row[2])).unwrap().network;
        let path = folder.join(&row[3]);
        let query = if row[3].ends_with(".json") {
            json_query::read(path, network.output_len()).unwrap()
        } else {
            vnnlib::read(path).unwrap().query
        };
        let witness = query.cases.iter().find_map(|case| {
            let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
            Attack::pgd(0).run(Target { network: &network, case, open: &open }, &Budget::unlimited()).witness
        });
        if &row[8] == "sat" {
            all += 1;
            found += usize::from(witness.is_some());
            if witness.is_none() {
                missed.push(row[0].to_owned());
            }
        } else {
            assert!(witness.is_none(), "{}: a false counterexample", &row[0]);
        }
    }
    println!("{found} of {all} falsifiable cases; not {missed:?}");
    assert!(found * 100 >= all * 80, "{found} of {all}, not {missed:?}");
}

/// What the signs of neurons far from their thresholds pass on hides what a small move changes: with the same slopes
/// from the first step to the last no counterexample was found.
#[test]
fn slopes_that_become_sharper_find_the_counterexample_of_a_traffic_sign_at_radius_one() {
    let Some(folder) = folder("a traffic sign", "vnncomp2023_traffic_signs") else { return };
    let name = "3_48_48_QConv_32_5_MP_2_BN_QConv_64_5_MP_2_BN_QConv_64_3_BN_Dense_256_BN_Dense_43_ep_30.onnx";
    let network = onnx::read(&folder.join("onnx").join(name)).unwrap().network;
    let query = vnnlib::read(folder.join("vnnlib/model_48_idx_7040_eps_1.00000.vnnlib")).unwrap().query;
    let found = run(&Attack::short(0), &network, &query);
    assert!(found.witness.is_some(), "{:?}", found.closest);
}

fn absint(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).arg("-q").output().unwrap();
    let text = if output.status.code() == Some(2) { output.stderr } else { output.stdout };
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_command_prints_a_counterexample_or_says_that_it_has_none() {
    let (code, text) = absint(&["attack", "--eps", "0.3"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("falsified by pgd") && text.contains("replayed exactly"), "{text}");
    let (code, text) = absint(&["attack", "--eps", "0.3", "--format", "json"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, answer["verdict"].as_str()), (Some(1), Some("falsified")));
    // The counterexample is what `analyze` would write, and it is one.
    let (network, image) = absint::example::network_and_image().unwrap();
    let x: Vec<Rational> = answer["witness"]["input"].as_array().unwrap().iter().map(rational).collect();
    let radius = absint::domains::num::parse_decimal("0.3").unwrap();
    for (x, p) in x.iter().zip(&image.pixels) {
        assert!(x - p <= radius && p - x <= radius && x >= &Rational::ZERO && x <= &Rational::ONE);
    }
    let y = network.evaluate::<Rational>(&x).unwrap();
    assert!((0..y.len()).any(|j| j != image.label && y[j] >= y[image.label]));
    let (code, text) = absint(&["attack", "--eps", "0.01"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("no counterexample found (which proves nothing)") && text.contains("closest"), "{text}");
    let (code, text) =
        absint(&["attack", "--eps", "0.01", "--disjunct", "4", "--method", "single-step", "--format", "json"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, Some(3));
    let closest = answer["closest"].as_array().unwrap();
    assert!(closest.len() == 1 && closest[0]["disjunct"] == 4 && closest[0]["margin"].as_f64().unwrap() > 0.0);
    for norm in ["l1", "l2"] {
        let wide = ["attack", "networks/digits_cnn.onnx", "--data", "networks/digits.csv", "--image", "1300"];
        let (code, text) = absint(&[&wide[..], &["--norm", norm, "--eps", "8", "--aim", "untargeted"]].concat());
        assert_eq!(code, Some(1), "{norm}: {text}");
        let (code, _) = absint(&[&wide[..], &["--norm", norm, "--eps", "0.01", "--steps", "5"]].concat());
        assert_eq!(code, Some(3), "{norm}");
    }
}

fn rational(text: &Value) -> Rational {
    absint::domains::num::parse_decimal(text.as_str().unwrap()).unwrap()
}

#[test]
fn wrong_usage_gets_one_line() {
    for (arguments, expected) in [
        (&["attack", "--disjunct", "9"][..], "from 0"),
        (&["attack", "--step-size", "-1"], "positive"),
        (&["attack", "--method", "magic"], "magic"),
        (&["attack", "missing.onnx", "--vnnlib", "x.vnnlib"], "missing.onnx"),
    ] {
        let (code, error) = absint(arguments);
        assert!(code == Some(2) && error.contains(expected), "{error}");
    }
    let (code, text) = absint(&["attack", "--eps", "0.01", "--timeout", "0"]);
    assert!(code == Some(3) && text.contains("out of time"), "{text}");
}
