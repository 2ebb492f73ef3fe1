//! Mixed-integer programs against enumeration: their optima are the exact minima, for every kind of program and
//! activation, and the verdicts that rest on them are right.

#![cfg(feature = "highs")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze;
use absint::analyze::{Method, Options};
use absint::attack::Target;
use absint::compare::{Outcome, Setting, compare};
use absint::domains::activation::{ActivationFn, Clip, LeakyRelu, Relu, Sign, SignWithZero};
use absint::domains::budget::Budget;
use absint::domains::domain::{Bounds, DeepPoly, Run, propagate};
use absint::domains::network::Network;
use absint::domains::num::{Lattice, Rational, exact_or_zero, nearest, parse_decimal};
use absint::domains::observer::Silent;
use absint::domains::query::{Atom, Ball, Case, Disjunct, Property, Query, Region, Variable};
use absint::domains::verdict::Verdict;
use absint::exact::milp::{MilpAnswer, MilpOptions, optimise};
use absint::format::{images, onnx};
use common::enumeration::Cells;
use common::{Dice, random_network};
use std::path::Path;
use std::sync::Arc;

fn solve(network: &Network, case: &Case, options: &MilpOptions) -> MilpAnswer {
    let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
    let budget = Budget::unlimited();
    optimise(Target { network, case, open: &open }, &Bounds::unknown(), options, Run::silent(&budget)).unwrap()
}

fn atom(dice: &mut Dice, network: &Network) -> Atom {
    let mut terms: Vec<(Variable, f64)> =
        (0..network.output_len()).map(|i| (Variable::Output(i), dice.weight())).collect();
    if dice.below(3) == 0 {
        terms.push((Variable::Input(dice.below(network.input_len())), dice.weight()));
    }
    let terms = terms.into_iter().filter(|t| t.1 != 0.0).map(|(v, w)| (v, exact_or_zero(w))).collect();
    Atom { terms, constant: exact_or_zero(dice.weight() * 4.0), is_strict: false }
}

/// Three disjuncts, the second perhaps of two atoms.
fn property(dice: &mut Dice, network: &Network) -> Property {
    let atoms = [1, 1 + dice.below(2), 1];
    let disjunct = |&n: &usize| Disjunct { atoms: (0..n).map(|_| atom(dice, network)).collect() };
    Property { disjuncts: atoms.iter().map(disjunct).collect() }
}

/// The exact minima as floats, and the solver's bounds, attained margins and verdict held against them.
fn check(what: &str, network: &Network, case: &Case, minima: &[Rational], options: &MilpOptions) {
    let answer = solve(network, case, options);
    let exact: Vec<f64> = minima.iter().map(nearest).collect();
    let least = exact.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(answer.is_complete, "{what}");
    let close = |a: f64, b: f64| (a - b).abs() < 1e-6 * (1.0 + b.abs());
    assert!(close(answer.bound, least), "{what}: {} for {least}", answer.bound);
    if answer.bounds.len() > 1 {
        let pairs = answer.bounds.iter().zip(&exact);
        assert!(pairs.clone().all(|(&a, &b)| close(a, b)), "{what}: {:?} for {exact:?}", answer.bounds);
    }
    let attained = answer.attained.unwrap();
    assert!(attained.margin >= least - 1e-12 * (1.0 + least.abs()), "{what}: {} below {least}", attained.margin);
    assert!(close(attained.margin, least), "{what}: {} attained, the minimum is {least}", attained.margin);
    let is_safe = minima.iter().all(|m| *m > Rational::ZERO);
    assert!(attained.witness.is_none() || !is_safe, "{what}");
}

/// The whole way to a verdict. Ties included, it is never wrong, and never open.
fn check_verdict(what: &str, network: &Network, case: &Case, minima: &[Rational]) -> bool {
    let query = Query { cases: vec![case.clone()] };
    let options = Options { method: Method::MILP, ..Options::default() };
    let analysis = analyze(network, &query, &options).unwrap();
    let is_safe = minima.iter().all(|m| *m > Rational::ZERO);
    match analysis.verdict {
        Verdict::Verified(_) => assert!(is_safe, "{what}: verified"),
        Verdict::Falsified(_) => assert!(!is_safe, "{what}: falsified"),
        Verdict::Unknown(_) => panic!("{what}: open"),
    }
    let milp = analysis.stages.iter().find(|s| s.name == "milp");
    // A solver's bound decides nothing: without a counterexample there is a stage that proves.
    assert!(milp.is_none_or(|s| s.milp_bound.is_some()), "{what}");
    assert!(milp.is_none() || !is_safe || analysis.decided_by() == Some("exact"), "{what}");
    milp.is_some()
}

#[test]
fn continuous_networks_over_boxes() {
    let activations: [Arc<dyn ActivationFn>; 3] =
        [Arc::new(Relu), Arc::new(LeakyRelu::new(0.125)), Arc::new(Clip::new(-1.0, 1.0))];
    let (mut checked, mut solved) = (0, 0);
    for seed in 0..120u64 {
        let dice = &mut Dice::new(seed);
        let network = random_network(dice, &activations[seed as usize % 3]);
        let n = network.input_len();
        let mut lower: Vec<Rational> = dice.weights(n).into_iter().map(exact_or_zero).collect();
        let mut upper = lower.clone();
        for _ in 0..if n > 4 { 2 } else { 3 } {
            let (i, radius) = (dice.below(n), parse_decimal(["1/3", "0.5", "1"][dice.below(3)]).unwrap());
            lower[i] -= &radius;
            upper[i] += &radius;
        }
        let region = Region::new_box(lower, upper).unwrap();
        let mut property = property(dice, &network);
        let Some(mut cells) = Cells::new(&network, &region, 300) else { continue };
        let minima: Option<Vec<Rational>> =
            property.disjuncts.iter().map(|d| cells.minimum_of_maximum(d, 1200)).collect();
        let Some(mut minima) = minima else { continue };
        if seed % 3 == 0 {
            // Barely safe, or a tie.
            let little = parse_decimal(["1e-3", "0"][dice.below(2)]).unwrap();
            for (disjunct, minimum) in property.disjuncts.iter_mut().zip(&mut minima) {
                disjunct.atoms.iter_mut().for_each(|a| a.constant += &little - &*minimum);
                *minimum = little.clone();
            }
        }
        let case = Case::new(region, property);
        let single = dice.below(2) == 0;
        check(&format!("seed {seed}"), &network, &case, &minima, &MilpOptions { single, ..MilpOptions::default() });
        solved += usize::from(check_verdict(&format!("seed {seed}"), &network, &case, &minima));
        checked += 1;
    }
    println!("{checked} checked, {solved} verdicts by a program");
    assert!(checked > 70 && solved > 40, "{checked} {solved}");
}

/// All points of a Hamming ball or a grid.
fn points(region: &Region) -> Vec<Vec<Rational>> {
    let (lower, upper) = region.exact_box();
    let mut all: Vec<Vec<Rational>> = vec![Vec::new()];
    for (l, u) in lower.iter().zip(upper) {
        let step = match region.ball() {
            Ball::Grid { step, .. } | Ball::GridL1 { step, .. } => step.clone(),
            _ => (u - l).max(Rational::ONE),
        };
        let steps = (0..).map(|j| l + Rational::from(j) * &step).take_while(|x| x <= u).collect::<Vec<_>>();
        all = all.iter().flat_map(|p| steps.iter().map(move |x| [&p[..], &[x.clone()]].concat())).collect();
    }
    all.retain(|x| region.contains(x));
    all
}

/// Whether every pre-activation lies on a known lattice. Elsewhere the closed graph of a sign has both values at
/// zero, and the program is a relaxation.
fn are_ties_told_apart(network: &Network, region: &Region) -> bool {
    let budget = Budget::unlimited();
    let trace =
        propagate(&DeepPoly::default(), network, region, &Bounds::unknown(), Run::silent(&budget)).unwrap().bounds();
    network.activations().all(|(_, a)| {
        let z = trace.get(a.source).unwrap();
        (0..z.len()).all(|i| z.lattice(i) != Lattice::Any)
    })
}

#[test]
fn signum_networks_over_hamming_balls_and_grids() {
    let (mut checked, mut solved) = (0, 0);
    for seed in 0..160u64 {
        let dice = &mut Dice::new(seed);
        let f: Arc<dyn ActivationFn> = if seed % 4 == 0 { Arc::new(SignWithZero) } else { Arc::new(Sign) };
        let network = random_network(dice, &f);
        let n = network.input_len();
        let region = if seed % 3 == 0 {
            let step = parse_decimal(["0.25", "1"][dice.below(2)]).unwrap();
            let center: Vec<Rational> = (0..n).map(|_| Rational::from(dice.below(5) as i32 - 2) * &step).collect();
            let end =
                |sign: i32| -> Vec<Rational> { center.iter().map(|c| c + Rational::from(sign) * &step).collect() };
            let radius = &step * Rational::from(2);
            if n > 5 || dice.below(2) == 0 {
                Region::grid_l1(&center, &step, &radius, &end(-1), &end(1)).unwrap()
            } else {
                Region::grid(&center, &step, &end(-1), &end(1)).unwrap()
            }
        } else {
            let at_upper = (0..n).map(|_| dice.below(2) == 0).collect();
            let low = Rational::from([-1, 0][dice.below(2)]);
            Region::hamming(&low, &Rational::ONE, at_upper, 1 + dice.below(n)).unwrap()
        };
        if n > 9 {
            continue;
        }
        let case = Case::new(region, property(dice, &network));
        let all = points(&case.region);
        let output: Vec<Vec<Rational>> = all.iter().map(|x| network.evaluate(x).unwrap()).collect();
        let minimum = |d: &Disjunct| {
            let margin = |(x, y): (&Vec<Rational>, &Vec<Rational>)| d.atoms.iter().map(|a| a.margin(x, y)).max();
            all.iter().zip(&output).filter_map(margin).min().unwrap()
        };
        let minima: Vec<Rational> = case.property.disjuncts.iter().map(minimum).collect();
        let options = MilpOptions {
            hull: dice.below(2) == 0,
            counts: dice.below(2) == 0,
            single: dice.below(2) == 0,
            ..MilpOptions::default()
        };
        if are_ties_told_apart(&network, &case.region) {
            check(&format!("seed {seed}"), &network, &case, &minima, &options);
            checked += 1;
        } else {
            let least = minima.iter().map(nearest).fold(f64::INFINITY, f64::min);
            let answer = solve(&network, &case, &options);
            assert!(answer.bound <= least + 1e-6 * (1.0 + least.abs()), "seed {seed}: {} for {least}", answer.bound);
        }
        solved += usize::from(check_verdict(&format!("seed {seed}"), &network, &case, &minima));
    }
    println!("{checked} checked, {solved} verdicts by a program");
    assert!(checked > 60 && solved > 40, "{checked} {solved}");
}

fn digit(name: &str, number: usize) -> (Network, Vec<Rational>, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("networks");
    let network = onnx::read(&folder.join(name)).unwrap().network;
    let image = images::read(folder.join("digits.csv")).unwrap().get(number).unwrap();
    (network, image.pixels, image.label)
}

#[test]
fn one_program_for_all_classes_ends_where_the_best_of_many_does() {
    let (network, pixels, label) = digit("digits_bnn1.onnx", 3);
    let at_upper = pixels.iter().map(|x| nearest(x) * 255.0 >= 96.0).collect();
    let region = Region::hamming(&Rational::from(-1), &Rational::ONE, at_upper, 2).unwrap();
    let case = &Query::robustness(region, network.output_len(), label).cases[0];
    let plain = MilpOptions::default();
    let each = solve(&network, case, &plain);
    let least = each.bounds.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(each.bounds.len() == 9 && each.bound == least && each.is_complete);
    for (single, hull, counts) in [(true, false, false), (true, false, true), (true, true, true), (false, true, true)] {
        let other = solve(&network, case, &MilpOptions { single, hull, counts, ..plain });
        assert!((other.bound - least).abs() < 1e-6, "{} for {least}", other.bound);
        assert!((other.attained.unwrap().margin - least).abs() < 1e-6);
    }
}

#[test]
fn compare_has_the_optimum_apart_from_what_is_certified() {
    let method = |name: &str| Options::from(name.parse::<Method>().unwrap());
    let setting = Setting {
        methods: vec![method("deeppoly")],
        exact: Some(method("milp")),
        attack: None,
        timeout: None,
        volume: false,
    };
    let mut checked = 0;
    for seed in 0..30u64 {
        let dice = &mut Dice::new(seed);
        let network = random_network(dice, &(Arc::new(Relu) as Arc<dyn ActivationFn>));
        let n = network.input_len();
        let ends = |x: i32| vec![Rational::from(x); n];
        let region = Region::new_box(ends(-1), ends(1)).unwrap();
        let mut disjunct = Disjunct { atoms: vec![atom(dice, &network)] };
        if n > 4 {
            continue;
        }
        let Some(mut cells) = Cells::new(&network, &region, 300) else { continue };
        let minimum = cells.minimum_of_maximum(&disjunct, 300).unwrap();
        let (is_safe, shift) = if seed % 2 == 0 { (true, "0.25") } else { (false, "-0.25") };
        let exact = parse_decimal(shift).unwrap();
        disjunct.atoms[0].constant += &exact - &minimum;
        let query = Query::over(region, Property { disjuncts: vec![disjunct] });
        let compared = compare(&network, &query, &setting, &Silent).unwrap();
        let [deeppoly, milp] = &compared.measurements[..] else { panic!() };
        let (bound, _) = milp.milp.unwrap();
        let close = |a: f64| (a - nearest(&exact)).abs() < 1e-6;
        assert!(close(bound) && deeppoly.milp.is_none(), "seed {seed}: {bound}");
        // The optimum is attained at a point, which closes the gap without any attack.
        assert!(close(compared.reference.upper.unwrap()), "seed {seed}: {:?}", compared.reference);
        let expected = if is_safe { Outcome::Verified } else { Outcome::Falsified };
        assert_eq!(milp.outcome, expected, "seed {seed}");
        assert!(milp.margin <= nearest(&exact), "seed {seed}");
        checked += 1;
    }
    assert!(checked > 10, "{checked}");
}
