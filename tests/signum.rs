//! Signum networks: every relaxation contains all reachable points, on every kind of region, and the
//! stronger ones are stronger.

#![allow(clippy::unwrap_used)]

mod common;

use absint::analyze;
use absint::analyze::{Method, Options};
use absint::domains::activation::{ActivationFn, Sign, SignWithZero};
use absint::domains::budget::Budget;
use absint::domains::domain::{
    AbstractDomain, Bounds, DeepPoly, Fact, IntervalDomain, LpDomain, Run, Tighten, propagate,
};
use absint::domains::lp::backends;
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint::domains::num::{Rational, exact, exact_or_zero, nearest, parse_decimal};
use absint::domains::query::{LinearForms, Region};
use common::{Dice, random_member};
use ndarray::Array2;
use std::sync::Arc;

/// Dense layers of signs with weights in {−1, 0, 1} (sometimes small halves), integer or odd biases.
fn random_signum_network(dice: &mut Dice, function: &Arc<dyn ActivationFn>) -> Network {
    let inputs = 2 + dice.below(4);
    let mut b = NetworkBuilder::new(&[inputs]);
    let mut last = b.input();
    for _ in 0..1 + dice.below(3) {
        let (n, width) = (b.len(last), 2 + dice.below(4));
        let halves = dice.below(5) == 0;
        let weight = |dice: &mut Dice| match dice.below(7) {
            0 => 0.0,
            1 if halves => 0.5,
            i if i % 2 == 0 => 1.0,
            _ => -1.0,
        };
        let w = Array2::from_shape_fn((width, n), |_| weight(dice));
        let bias = (0..width).map(|_| match dice.below(4) {
            0 => parse_decimal("1/3").unwrap(),
            1 => exact_or_zero(0.5),
            i => Rational::from(i as i64 - 2),
        });
        let bias = Coefficients::rationals(bias.collect());
        last = b.linear("dense", last, LinearMap::Dense(w), bias).unwrap();
        last = b.activation("sign", last, function.clone()).unwrap();
    }
    let n = b.len(last);
    let w = Array2::from_shape_fn((2, n), |_| [1.0, -1.0][dice.below(2)]);
    last = b.linear("out", last, LinearMap::Dense(w), Coefficients::zeros(2)).unwrap();
    b.finish(last, &[2]).unwrap()
}

/// A region of each kind, and all its members where it has finitely many.
fn region(dice: &mut Dice, kind: usize, n: usize) -> (Region, Vec<Vec<Rational>>) {
    let (low, high) = (Rational::from(-1), Rational::from(1));
    let center: Vec<Rational> = (0..n).map(|_| Rational::from(dice.below(5) as i64 - 2)).collect();
    let radius = parse_decimal(["0", "0.3", "1", "1.5"][dice.below(4)]).unwrap();
    let region = match kind {
        0 => {
            let at_upper = (0..n).map(|_| dice.below(2) == 0).collect();
            Region::hamming(&low, &high, at_upper, dice.below(n + 1)).unwrap()
        }
        1 => {
            let step = parse_decimal(["1/2", "1", "1/3"][dice.below(3)]).unwrap();
            let ends =
                |sign: i64| -> Vec<Rational> { center.iter().map(|c| c + &radius * Rational::from(sign)).collect() };
            Region::grid(&center, &step, &ends(-1), &ends(1)).unwrap()
        }
        5 => {
            let step = parse_decimal(["1/2", "1", "1/3"][dice.below(3)]).unwrap();
            let end = |sign: i64| -> Vec<Rational> { center.iter().map(|c| c + Rational::from(sign)).collect() };
            Region::grid_l1(&center, &step, &radius, &end(-1), &end(1)).unwrap()
        }
        2 => Region::l1(&center, &radius, None).unwrap(),
        3 => Region::l2(&center, &radius, None).unwrap(),
        _ => Region::linf(&center, &radius, None).unwrap(),
    };
    let candidates = |i: usize| -> Vec<Rational> {
        let (l, u) = (&region.exact_box().0[i], &region.exact_box().1[i]);
        match kind {
            0 => vec![l.clone(), u.clone()],
            // Every multiple of a sixth holds all the grids.
            _ => {
                let sixth = parse_decimal("1/6").unwrap();
                (0..40).map(|k| l + &sixth * Rational::from(k)).filter(|x| x <= u).collect()
            }
        }
    };
    let mut members = Vec::new();
    if kind < 2 || kind == 5 {
        members = (0..n).fold(vec![vec![]], |all: Vec<Vec<Rational>>, i| {
            let next = candidates(i);
            all.iter()
                .flat_map(|x| next.iter().map(move |v| [x.as_slice(), std::slice::from_ref(v)].concat()))
                .collect()
        });
        members.retain(|x| region.contains(x));
    }
    members.extend((0..20).map(|_| random_member(dice, &region)));
    (region, members)
}

fn contains<D: AbstractDomain>(domain: &D, what: &str, case: &Case) -> Vec<f64> {
    let budget = Budget::unlimited();
    let trace = propagate(domain, &case.network, &case.region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
    for values in &case.executions {
        for ((fact, values), node) in trace.facts.iter().zip(values).zip(case.network.nodes()) {
            for (i, value) in values.iter().enumerate() {
                let b = fact.bounds().get(i);
                let is_inside =
                    exact(b.lo).is_some_and(|lo| &lo <= value) && exact(b.hi).is_some_and(|hi| value <= &hi);
                assert!(is_inside, "seed {}: {what}: {value} of {i} in `{}` is outside {b:?}", case.seed, node.name);
                assert!(
                    fact.bounds().lattice(i).contains(value),
                    "seed {}: {what}: {value} is off its lattice",
                    case.seed
                );
            }
        }
    }
    let minima = domain.minima(&case.forms, &trace).unwrap();
    for (minimum, least) in minima.iter().zip(&case.least) {
        assert!(&exact(*minimum).unwrap() <= least, "seed {}: {what}: {minimum} exceeds {least}", case.seed);
    }
    minima
}

struct Case {
    seed: u64,
    network: Network,
    region: Region,
    forms: LinearForms,
    /// The values of all nodes at the members of the region.
    executions: Vec<Vec<Vec<Rational>>>,
    /// The least value of each form there.
    least: Vec<Rational>,
    /// Whether neurons can be 0.
    has_zero: bool,
}

fn case(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let has_zero = dice.below(4) == 0;
    let function: Arc<dyn ActivationFn> = if has_zero { Arc::new(SignWithZero) } else { Arc::new(Sign) };
    let network = random_signum_network(&mut dice, &function);
    let (region, members) = region(&mut dice, seed as usize % 6, network.input_len());
    let coefficients = ndarray::array![[1.0, 0.0], [-1.0, 0.0], [1.0, -1.0]];
    let forms = LinearForms::of_node(network.output(), coefficients.clone());
    let executions: Vec<_> = members.iter().map(|x| network.evaluate_all::<Rational>(x).unwrap()).collect();
    let least = coefficients
        .rows()
        .into_iter()
        .map(|row| {
            let value = |run: &Vec<Vec<Rational>>| {
                let y = &run[network.output()];
                row.iter().zip(y).fold(Rational::ZERO, |s, (&c, y)| s + exact_or_zero(c) * y)
            };
            executions.iter().map(value).min().unwrap()
        })
        .collect();
    Case { seed, network, region, forms, executions, least, has_zero }
}

#[test]
fn relaxations_contain_all_reachable_points() {
    let (mut hull_gains, mut joint_gains, mut refine_gains) = (0, 0, 0);
    for seed in 0..250 {
        let case = case(seed);
        contains(&IntervalDomain, "interval", &case);
        contains(&DeepPoly::default(), "deeppoly", &case);
        let lp = |k, hull, tighten| LpDomain { hull, tighten, ..LpDomain::kpoly(k, backends()[0]) };
        let nat = contains(&lp(1, false, Tighten::None), "nat", &case);
        let hull = contains(&lp(1, true, Tighten::None), "hull", &case);
        let both = contains(&lp(3, true, Tighten::None), "hull+kpoly", &case);
        let refined = contains(&lp(1, true, Tighten::All), "hull+refine", &case);
        let joint: Vec<Vec<f64>> = (2..=3).map(|k| contains(&lp(k, false, Tighten::None), "kpoly", &case)).collect();
        for form in 0..case.forms.len() {
            let slack = 1e-6 * (1.0 + nat[form].abs());
            // Margins are compared as analyses report them: rounded up to the next value that is possible.
            let least = nearest(&case.least[form]);
            let step = if case.has_zero { 1.0 } else { 2.0 };
            let rounded = |bound: f64| least - step * ((least - bound) / step).floor();
            let at_least = |tight: f64, loose: f64, what: &str| {
                let (tight, loose) = (rounded(tight - slack), rounded(loose - slack));
                assert!(tight >= loose - slack, "seed {seed}: {what}: {tight} below {loose}");
                usize::from(tight > loose + 0.01)
            };
            joint.iter().for_each(|k| {
                at_least(k[form], nat[form], "kpoly and nat");
            });
            hull_gains += at_least(hull[form], nat[form], "hull and nat");
            joint_gains += at_least(both[form], hull[form], "hull+kpoly and hull");
            refine_gains += at_least(refined[form], hull[form], "hull+refine and hull");
        }
    }
    println!(
        "hull gains on nat in {hull_gains} forms, hull+kpoly on hull in {joint_gains}, refinement in {refine_gains}"
    );
    assert!(hull_gains > 4 && joint_gains > 10 && refine_gains > 4);
}

/// The verdicts of whole analyses agree with enumeration wherever the region is finite.
#[test]
fn verdicts_agree_with_enumeration() {
    use absint::domains::query::Query;
    use absint::domains::verdict::Verdict;
    let (mut verified, mut falsified) = (0, 0);
    for seed in 0..200 {
        let case = case(6 * (seed / 3) + [0, 1, 5][(seed % 3) as usize]);
        let query = Query::robustness(case.region.clone(), 2, 0);
        let is_safe = case.least[2] > Rational::ZERO;
        for domain in [Method::DEEPPOLY, Method::NAT, Method::HULL, Method::HULL_KPOLY, Method::AUTO] {
            let analysis = analyze(&case.network, &query, &Options { method: domain, ..Options::default() }).unwrap();
            match analysis.verdict {
                Verdict::Verified(_) => {
                    assert!(is_safe, "seed {}: {domain} proves what is false", case.seed);
                    verified += 1;
                }
                Verdict::Falsified(_) => {
                    assert!(!is_safe, "seed {}: {domain} refutes what is true", case.seed);
                    falsified += 1;
                }
                Verdict::Unknown(_) => {}
            }
        }
    }
    println!("{verified} verified, {falsified} falsified");
    assert!(verified > 50 && falsified > 50);
}

/// Published minimum perturbations of trained networks (pixel levels of 1/255): at the minimum nothing is
/// verified, below it nothing is falsified.
#[test]
fn published_minimum_perturbations_are_not_contradicted() {
    use absint::analyze::{analyze_within, deadline};
    use absint::domains::query::Query;
    use absint::domains::verdict::Verdict;
    let Some(folder) = common::data::folder("published minimum perturbations", "bnn_msakai") else { return };
    let step = parse_decimal("1/255").unwrap();
    let (mut decided, mut asked) = (0, 0);
    for name in ["mnist", "mnist_rot"] {
        let network = absint::format::onnx::read(&folder.join(name).with_extension("onnx")).unwrap().network;
        let images = std::fs::read_to_string(folder.join(format!("{name}_images.csv"))).unwrap();
        let minima = std::fs::read_to_string(folder.join(format!("{name}_minimum_perturbation.csv"))).unwrap();
        for line in minima.lines().skip(1) {
            let [instance, norm, optimum] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let optimum: i64 = optimum.parse().unwrap();
            let index = instance.trim_start_matches(name).trim_start_matches('_').split('_').next().unwrap();
            let row = images.lines().find(|row| row.split(',').next() == Some(index)).unwrap();
            let numbers: Vec<i64> = row.split(',').map(|field| field.parse().unwrap_or(-1)).collect();
            let label = usize::try_from(numbers[1]).unwrap();
            let center: Vec<Rational> = numbers[3..].iter().map(|&p| Rational::from(p) * &step).collect();
            let levels = match norm {
                "L1" => vec![optimum - 1, optimum],
                "Linf" => vec![optimum],
                _ => continue,
            };
            for level in levels {
                let radius = Rational::from(level) * &step;
                let end = |low: bool| -> Vec<Rational> {
                    let clip = |c: &Rational| {
                        if low { (c - &radius).max(Rational::ZERO) } else { (c + &radius).min(Rational::ONE) }
                    };
                    center.iter().map(clip).collect()
                };
                let region = match norm {
                    "L1" => Region::grid_l1(&center, &step, &radius, &end(true), &end(false)).unwrap(),
                    _ => Region::grid(&center, &step, &end(true), &end(false)).unwrap(),
                };
                let query = Query::robustness(region, 10, label);
                for domain in [Method::DEEPPOLY, Method::HULL] {
                    let (options, budget) = (
                        Options { method: domain, ..Options::default() },
                        deadline(Some(std::time::Duration::from_secs(3))),
                    );
                    let verdict = analyze_within(&network, &query, &options, Run::silent(&budget)).unwrap().verdict;
                    println!("{instance} {norm} {level} (minimum {optimum}), {domain}: {}", verdict.name());
                    asked += 1;
                    match verdict {
                        Verdict::Verified(_) => {
                            assert!(level < optimum, "{instance} {norm} {level}: {domain} verifies")
                        }
                        Verdict::Falsified(_) => {
                            assert!(level >= optimum, "{instance} {norm} {level}: {domain} falsifies")
                        }
                        Verdict::Unknown(_) => continue,
                    }
                    decided += 1;
                }
            }
        }
    }
    println!("{decided} of {asked} decided");
}
