//! The greedy attack on networks of signs, against enumeration: what it returns is a witness, and where
//! there is one it mostly finds one.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::attack::{Flips, Target};
use absint::domains::activation::Sign;
use absint::domains::budget::Budget;
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint::domains::num::{Rational, exact, nearest, parse_decimal};
use absint::domains::query::{Query, Region};
use absint::domains::verdict::Witness;
use common::Dice;
use ndarray::Array2;
use std::sync::Arc;

/// Weights ±1 and integer biases; one or two hidden layers.
fn binarized(dice: &mut Dice, inputs: usize) -> Network {
    let mut b = NetworkBuilder::new(&[inputs]);
    let mut last = 0;
    let hidden = 1 + dice.below(2);
    for layer in 0..=hidden {
        let (fan_in, outputs) = (b.len(last), if layer == hidden { 3 } else { 4 + dice.below(16) });
        let weight = Array2::from_shape_fn((outputs, fan_in), |_| [-1.0, 1.0][dice.below(2)]);
        let bias = (0..outputs).map(|_| dice.below(3) as f64 - 1.0).collect();
        last = b.linear("fc", last, LinearMap::Dense(weight), Coefficients::floats(bias)).unwrap();
        if layer < hidden {
            last = b.activation("sign", last, Arc::new(Sign)).unwrap();
        }
    }
    b.finish(last, &[3]).unwrap()
}

/// The class of a point, where one output is the largest.
fn class(network: &Network, x: &[Rational]) -> Option<usize> {
    let y = network.evaluate::<Rational>(x).unwrap();
    (0..y.len()).find(|&i| (0..y.len()).all(|j| j == i || y[j] < y[i]))
}

/// Every point whose coordinates are among `values`.
fn points(values: &[Vec<Rational>]) -> Vec<Vec<Rational>> {
    values.iter().fold(vec![Vec::new()], |points, values| {
        let longer = |p: &Vec<Rational>| {
            let p = p.clone();
            values.iter().map(move |v| p.iter().cloned().chain([v.clone()]).collect()).collect::<Vec<_>>()
        };
        points.iter().flat_map(longer).collect()
    })
}

fn attack(network: &Network, query: &Query, suggested: &[Vec<f64>]) -> Option<Witness> {
    let open: Vec<usize> = (0..query.cases[0].property.disjuncts.len()).collect();
    Flips::short(7).run(Target { network, case: &query.cases[0], open: &open }, suggested, &Budget::unlimited())
}

/// Counts the falsifiable among the cases of a generator, and those of them that the attack solves.
/// A case is a network, a region and points, of which those in the region count.
fn success(name: &str, make: impl Fn(&mut Dice) -> (Network, Region, Vec<Vec<Rational>>)) -> f64 {
    let (mut falsifiable, mut found) = (0, 0);
    for seed in 0..60 {
        let (network, region, members) = make(&mut Dice::new(seed));
        let Some(label) = class(&network, &region.center()) else { continue };
        let query = Query::robustness(region, 3, label);
        let members = members.iter().filter(|x| query.cases[0].region.contains(x));
        // Floats are quick and tell which points deserve exact arithmetic.
        let is_suspect = |x: &&Vec<Rational>| {
            let y = network.evaluate(&x.iter().map(nearest).collect::<Vec<f64>>()).unwrap();
            (0..y.len()).any(|j| j != label && y[j] >= y[label])
        };
        let is_falsifiable = members.clone().filter(is_suspect).any(|x| class(&network, x) != Some(label));
        let witness = attack(&network, &query, &[]);
        if let Some(witness) = &witness {
            assert!(query.cases[0].region.contains(witness.input()), "{name} {seed}");
            assert_ne!(class(&network, witness.input()), Some(label), "{name} {seed}");
        }
        falsifiable += usize::from(is_falsifiable);
        found += usize::from(is_falsifiable && witness.is_some());
    }
    assert!(falsifiable >= 15, "{name}: {falsifiable} falsifiable cases say little");
    println!("{name}: {found} of {falsifiable}");
    found as f64 / falsifiable as f64
}

fn signs(dice: &mut Dice, n: usize) -> Vec<bool> {
    (0..n).map(|_| dice.below(2) == 0).collect()
}

fn hamming(dice: &mut Dice) -> (Network, Region, Vec<Vec<Rational>>) {
    let n = 6 + dice.below(4);
    let network = binarized(dice, n);
    let (one, flips) = (Rational::ONE, 1 + dice.below(2));
    let region = Region::hamming(&-one.clone(), &one, signs(dice, n), flips).unwrap();
    (network, region, points(&vec![vec![-one.clone(), one]; n]))
}

#[test]
fn most_falsifiable_hamming_balls_are_falsified() {
    let rate = success("hamming", hamming);
    assert!(rate >= 0.95, "{rate}");
}

#[test]
fn most_falsifiable_quantised_boxes_are_falsified() {
    let rate = success("grid", |dice| {
        let n = 3 + dice.below(3);
        let network = binarized(dice, n);
        let step = parse_decimal("0.1").unwrap();
        let center: Vec<Rational> = (0..n).map(|_| Rational::from(dice.below(11) as u64) * &step).collect();
        let reach = Rational::from(1 + dice.below(2) as u64) * &step;
        let ends = |sign: i32| center.iter().map(|c| c + &reach * Rational::from(sign)).collect::<Vec<_>>();
        let values: Vec<Vec<Rational>> =
            center.iter().map(|c| (-2..=2).map(|j| c + Rational::from(j) * &step).collect()).collect();
        (network, Region::grid(&center, &step, &ends(-1), &ends(1)).unwrap(), points(&values))
    });
    assert!(rate >= 0.95, "{rate}");
}

/// Random members stand in for enumeration: where one of them is a witness, the case is falsifiable.
fn sampled(dice: &mut Dice, ball: impl Fn(&[Rational], &Rational) -> Region) -> (Network, Region, Vec<Vec<Rational>>) {
    let n = 4 + dice.below(8);
    let network = binarized(dice, n);
    let center: Vec<Rational> = (0..n).map(|_| exact(dice.weight()).unwrap()).collect();
    let region = ball(&center, &exact(0.0625 * (1 + dice.below(3)) as f64).unwrap());
    let point = |_| {
        let x: Vec<f64> = region.bounds().iter().map(|r| r.lo + dice.unit() * (r.hi - r.lo)).collect();
        region.nearest_member(&x).unwrap()
    };
    let members = (0..300).map(point).collect();
    (network, region, members)
}

#[test]
fn most_falsifiable_real_balls_are_falsified() {
    type Ball = fn(&[Rational], &Rational) -> Region;
    let balls: [(&str, Ball); 3] = [
        ("linf", |c, r| Region::linf(c, r, None).unwrap()),
        ("l1", |c, r| Region::l1(c, &(r * Rational::from(4)), None).unwrap()),
        ("l2", |c, r| Region::l2(c, &(r * Rational::from(2)), None).unwrap()),
    ];
    for (name, ball) in balls {
        let rate = success(name, |dice| sampled(dice, ball));
        assert!(rate >= 0.95, "{name}: {rate}");
    }
}

#[test]
fn fractional_suggestions_are_rounded_to_the_flips_that_they_favour() {
    let mut tried = 0;
    for seed in 0..60 {
        let (network, region, members) = hamming(&mut Dice::new(1000 + seed));
        let center = region.center();
        let Some(label) = class(&network, &center) else { continue };
        let query = Query::robustness(region, 3, label);
        let witness = members.iter().find(|x| query.cases[0].region.contains(x) && class(&network, x) != Some(label));
        let Some(witness) = witness else { continue };
        // A tenth of the way to a witness: the nearest member is the centre.
        let suggestion: Vec<f64> =
            center.iter().zip(witness).map(|(c, w)| 0.9 * nearest(c) + 0.1 * nearest(w)).collect();
        assert_eq!(query.cases[0].region.nearest_member(&suggestion).unwrap(), center);
        let found = attack(&network, &query, &[suggestion]).unwrap();
        assert_ne!(class(&network, found.input()), Some(label));
        tried += 1;
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn the_search_is_the_same_in_every_run() {
    for seed in 0..10 {
        let (network, region, _) = hamming(&mut Dice::new(seed));
        let query = Query::robustness(region, 3, 0);
        assert_eq!(attack(&network, &query, &[]), attack(&network, &query, &[]));
    }
}
