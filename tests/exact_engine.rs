//! The exact engines on random tiny networks whose minima are found by enumeration: every engine, on
//! every kind of region that it takes.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::deadline;
use absint::attack::Target;
use absint::domains::activation::{ActivationFn, Clip, LeakyRelu, Relu, all};
use absint::domains::budget::Budget;
use absint::domains::domain::{
    AbstractDomain, Bounds, Checked, DeepPoly, DeepPolyWithin, DomainError, NodeBounds, Run, propagate,
};
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint::domains::num::{Interval, Rational, exact_or_zero, parse_decimal};
use absint::domains::query::{Atom, Case, Disjunct, LinearForms, Property, Region, Variable};
use absint::exact::continuous::{Found, Question, Splitting, decide, minimum};
use absint::format::{onnx, vnnlib};
use common::enumeration::Cells;
use common::exact::Exact;
use common::{Dice, dense, random_atom, random_box, random_member, random_network, random_region};
use ndarray::Array2;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A network on more pieces than this is drawn again.
const LIMIT: usize = 300;

/// A case with the exact minimum of the largest margin of each disjunct.
struct Solved {
    network: Network,
    case: Case,
    minima: Vec<Rational>,
}

/// A tie is as likely as a gap: every third case is shifted so that a minimum becomes exactly zero.
fn solved(seed: u64, f: &Arc<dyn ActivationFn>) -> Option<Solved> {
    let mut dice = Dice::new(seed);
    let network = random_network(&mut dice, f);
    let (inputs, outputs) = (network.input_len(), network.output_len());
    let region = random_box(&mut dice, inputs);
    let mut disjunct =
        |atoms: usize| Disjunct { atoms: (0..atoms).map(|_| random_atom(&mut dice, inputs, outputs)).collect() };
    let mut disjuncts = vec![disjunct(1), disjunct(2)];
    let mut cells = Cells::new(&network, &region, LIMIT)?;
    let mut minima: Vec<Rational> =
        disjuncts.iter().map(|d| cells.minimum_of_maximum(d, 4 * LIMIT)).collect::<Option<_>>()?;
    if seed.is_multiple_of(3) {
        for (disjunct, minimum) in disjuncts.iter_mut().zip(&mut minima) {
            disjunct.atoms.iter_mut().for_each(|a| a.constant -= &*minimum);
            *minimum = Rational::ZERO;
        }
    } else if seed.is_multiple_of(2) {
        // Barely safe.
        let little = parse_decimal("1e-3").unwrap();
        for (disjunct, minimum) in disjuncts.iter_mut().zip(&mut minima) {
            disjunct.atoms.iter_mut().for_each(|a| a.constant += &little - &*minimum);
            *minimum = little.clone();
        }
    }
    Some(Solved { network, case: Case::new(region, Property { disjuncts }), minima })
}

/// Decides a case by one engine; every bound must hold. `None` when the engine leaves it open.
fn verdict(solved: &Solved, splitting: Splitting, what: &str) -> Option<bool> {
    let Solved { network, case, minima } = solved;
    let budget = deadline(Some(Duration::from_secs(60)));
    let open: Vec<usize> = (0..minima.len()).collect();
    let known = Bounds::unknown();
    let question = Question {
        target: Target { network, case, open: &open },
        known: &known,
        part: None,
        attack: true,
        splitting,
        most: usize::MAX,
        certify: false,
    };
    let found = decide(&question, Run::silent(&budget)).unwrap();
    let is_safe = minima.iter().all(|m| m > &Rational::ZERO);
    if found.witness.is_some() {
        assert!(!is_safe, "{what}: a witness of what is safe");
        return Some(false);
    }
    for (d, &bound) in &found.bounds {
        let holds = bound == f64::INFINITY || Exact::from(minima[*d].clone()).is_at_least(bound);
        assert!(holds, "{what}: {bound} exceeds the minimum {} of {d}", minima[*d]);
    }
    let verified = open.iter().all(|d| found.bounds.get(d).is_some_and(|&bound| bound > 0.0));
    assert!(!verified || is_safe, "{what}: proves what is false");
    verified.then_some(true)
}

fn decided(splitting: Splitting, f: Arc<dyn ActivationFn>, seeds: u64) -> (usize, usize) {
    let (mut total, mut decided) = (0, 0);
    for seed in 0..seeds {
        let Some(case) = solved(seed, &f) else { continue };
        total += 1;
        match verdict(&case, splitting, &format!("{splitting:?} on {} {seed}", f.name())) {
            Some(_) => decided += 1,
            None => println!("{splitting:?} leaves {} {seed} open", f.name()),
        }
    }
    println!("{splitting:?} decides {decided} of {total} with {}", f.name());
    (decided, total)
}

/// Wherever the time runs out, a bound that is reported holds.
#[test]
fn no_moment_is_wrong_to_run_out_of_time() {
    let relu: Arc<dyn ActivationFn> = Arc::new(Relu);
    let (mut stopped, mut cases) = (0, 0);
    for seed in (0..60).map(|seed| 6 * seed + 1) {
        let Some(Solved { network, case, minima }) = solved(seed, &relu) else { continue };
        cases += 1;
        let open: Vec<usize> = (0..minima.len()).collect();
        let known = Bounds::unknown();
        for splitting in [Splitting::Neurons, Splitting::Phases, Splitting::Inputs] {
            for polls in 0..40 {
                let left = AtomicUsize::new(polls);
                let remaining = move || match left.load(Ordering::Relaxed) {
                    0 => Duration::ZERO,
                    n => {
                        left.store(n - 1, Ordering::Relaxed);
                        Duration::from_secs(9)
                    }
                };
                let budget = Budget::new(remaining);
                let target = Target { network: &network, case: &case, open: &open };
                let question = Question {
                    target,
                    known: &known,
                    part: None,
                    attack: false,
                    splitting,
                    most: usize::MAX,
                    certify: false,
                };
                let Ok(found) = decide(&question, Run::silent(&budget)) else { continue };
                stopped += usize::from(budget.is_spent());
                for (&d, &bound) in &found.bounds {
                    let exact = Exact::from(minima[d].clone());
                    let is_vacuous = bound == f64::NEG_INFINITY;
                    assert!(is_vacuous || exact.is_at_least(bound), "{splitting:?} {seed}, {polls} polls: {bound}");
                }
            }
        }
    }
    assert!(cases > 20 && stopped > 200, "{cases} {stopped}");
}

#[test]
fn phases_decide_every_case_ties_included() {
    let activations: [Arc<dyn ActivationFn>; 3] =
        [Arc::new(Relu), Arc::new(LeakyRelu::new(0.125)), Arc::new(Clip::new(-1.0, 1.0))];
    for f in activations {
        let (decided, total) = decided(Splitting::Phases, f, 60);
        assert_eq!(decided, total);
    }
}

#[test]
fn boxes_decide_every_case_ties_included() {
    let (decided, total) = decided(Splitting::Inputs, Arc::new(Relu), 60);
    assert_eq!(decided, total);
}

#[test]
fn multipliers_never_prove_too_much() {
    for f in [Arc::new(Relu) as Arc<dyn ActivationFn>, Arc::new(LeakyRelu::new(0.125))] {
        let (decided, total) = decided(Splitting::Neurons, f, 90);
        // What the multipliers leave open is decided piece by piece at the end.
        assert_eq!(decided, total);
    }
}

/// What the engine of neurons finds, without looking for counterexamples.
fn by_neurons(network: &Network, case: Case, most: usize) -> Found {
    let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
    let question = Question {
        target: Target { network, case: &case, open: &open },
        known: &Bounds::unknown(),
        part: None,
        attack: false,
        splitting: Splitting::Neurons,
        most,
        certify: false,
    };
    decide(&question, Run::silent(&Budget::unlimited())).unwrap()
}

/// Where many neurons are unstable, disjuncts are refuted by bounds of neurons where they hold; of what holds at a random
/// member nothing is refuted, be it one atom or two.
#[test]
fn what_is_assumed_refutes_what_is_false_alone() {
    let relu: Arc<dyn ActivationFn> = Arc::new(Relu);
    let (mut refuted, mut by_assuming) = (0, 0);
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let mut b = NetworkBuilder::new(&[6]);
        let mut last = b.input();
        for _ in 0..3 {
            let z = dense(&mut b, &mut dice, last, 14);
            last = b.activation("relu", z, relu.clone()).unwrap();
        }
        let output = dense(&mut b, &mut dice, last, 3);
        let network = b.finish(output, &[3]).unwrap();
        let [low, high] = ["-1/2", "1/2"].map(|x| vec![parse_decimal(x).unwrap(); 6]);
        let region = Region::new_box(low, high).unwrap();
        let atoms = 1 + dice.below(2);
        let disjunct = Disjunct { atoms: (0..atoms).map(|_| random_atom(&mut dice, 6, 3)).collect() };
        let margin = |dice: &mut Dice| {
            let x = random_member(dice, &region);
            let y: Vec<Rational> = network.evaluate(&x).unwrap();
            disjunct.atoms.iter().map(|atom| atom.margin(&x, &y)).max().unwrap()
        };
        let mut margins: Vec<Rational> = (0..300).map(|_| margin(&mut dice)).collect();
        margins.sort();
        let (least, spread) = (margins[0].clone(), &margins[150] - &margins[0]);
        for share in ["-1/1000", "1/10", "1/4", "1/2", "1"] {
            let shift = &spread * parse_decimal(share).unwrap() - &least;
            let mut disjunct = disjunct.clone();
            disjunct.atoms.iter_mut().for_each(|a| a.constant += &shift);
            let found = by_neurons(&network, Case::new(region.clone(), Property { disjuncts: vec![disjunct] }), 300);
            let bound = found.bounds[&0];
            assert!(
                Exact::from(&least + &shift).is_at_least(bound),
                "{seed}: {bound} exceeds {least} by more than {shift}"
            );
            refuted += usize::from(bound > 0.0);
            by_assuming += found.figures.get("refuted_by_assuming").copied().unwrap_or(0);
        }
        // Which of two atoms has the better bound changes from round to round.
        for (near, far) in [(0, 2), (0, 10), (10, 40), (40, 0), (2, 0)] {
            let x = random_member(&mut dice, &region);
            let y: Vec<Rational> = network.evaluate(&x).unwrap();
            let mut atoms = [random_atom(&mut dice, 6, 3), random_atom(&mut dice, 6, 3)];
            for (atom, tenths) in atoms.iter_mut().zip([near, far]) {
                let below = &spread * parse_decimal("1/10").unwrap() * Rational::from(tenths);
                atom.constant -= atom.margin(&x, &y) + below;
            }
            let disjunct = Disjunct { atoms: atoms.to_vec() };
            let found = by_neurons(&network, Case::new(region.clone(), Property { disjuncts: vec![disjunct] }), 300);
            assert!(found.bounds[&0] <= 0.0, "{seed}: refutes what a member shows");
        }
    }
    println!("{refuted} refuted, {by_assuming} of them where they are assumed");
    assert!(refuted > 10 && by_assuming > 5, "{refuted} {by_assuming}");
}

/// Of two atoms one has the better bound before neurons are refined, the other afterwards: what is known of the first says
/// nothing of the second. A random member of the region is a counterexample by a wide margin; it was once refuted.
#[test]
fn a_bound_of_one_atom_is_none_of_another() {
    let network = onnx::parse(include_bytes!("faults/two_atoms.onnx"), "two_atoms").unwrap().network;
    let query = vnnlib::parse(include_str!("faults/two_atoms.vnnlib"), "two_atoms").unwrap().query;
    let found = by_neurons(&network, query.cases[0].clone(), 1_000);
    assert!(found.bounds[&0] <= 0.0, "{}", found.bounds[&0]);
}

/// A formula of clauses as a network over [0, 1]ⁿ: its first output is the sum of the clauses that fail, the second one
/// is zero where every variable is 0 or 1. Unsafe where neither is positive.
fn formula(clauses: &[Vec<(usize, bool)>], variables: usize) -> (Network, Case) {
    let hidden = clauses.len() + 2 * variables;
    let (mut w, mut bias) = (Array2::zeros((hidden, variables)), vec![0.0; hidden]);
    let mut sums = Array2::zeros((2, hidden));
    for (c, clause) in clauses.iter().enumerate() {
        // One less the literals that hold.
        bias[c] = 1.0 - clause.iter().filter(|(_, positive)| !positive).count() as f64;
        clause.iter().for_each(|&(v, positive)| w[[c, v]] = if positive { -1.0 } else { 1.0 });
        sums[[0, c]] = 1.0;
    }
    for v in 0..variables {
        let (own, twice) = (clauses.len() + v, clauses.len() + variables + v);
        (w[[own, v]], sums[[1, own]]) = (1.0, 1.0);
        (w[[twice, v]], bias[twice], sums[[1, twice]]) = (2.0, -1.0, -1.0);
    }
    let mut b = NetworkBuilder::new(&[variables]);
    let z = b.linear("literals", b.input(), LinearMap::Dense(w), Coefficients::floats(bias)).unwrap();
    let y = b.activation("relu", z, Arc::new(Relu)).unwrap();
    let output = b.linear("sums", y, LinearMap::Dense(sums), Coefficients::zeros(2)).unwrap();
    let region = Region::new_box(vec![Rational::ZERO; variables], vec![Rational::ONE; variables]).unwrap();
    let atom =
        |i| Atom { terms: [(Variable::Output(i), Rational::ONE)].into(), constant: Rational::ZERO, is_strict: false };
    let property = Property { disjuncts: vec![Disjunct { atoms: vec![atom(0), atom(1)] }] };
    (b.finish(output, &[2]).unwrap(), Case::new(region, property))
}

/// Whether some assignment that begins with `assigned` satisfies all clauses.
fn is_satisfiable(clauses: &[Vec<(usize, bool)>], assigned: &mut Vec<bool>, variables: usize) -> bool {
    let fails =
        |c: &&Vec<(usize, bool)>| c.iter().all(|&(v, positive)| assigned.get(v).is_some_and(|&x| x != positive));
    if clauses.iter().find(fails).is_some() {
        return false;
    }
    assigned.len() == variables
        || [false, true].into_iter().any(|value| {
            assigned.push(value);
            let found = is_satisfiable(clauses, assigned, variables);
            assigned.pop();
            found
        })
}

/// More inputs than are split otherwise, and a conjunction of which no atom alone says anything.
#[test]
fn unsatisfiable_formulas_are_refuted() {
    const VARIABLES: usize = 24;
    let (mut refuted, mut satisfiable) = (0, 0);
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let count = if seed < 4 { 150 } else { 60 };
        let mut literal = || (dice.below(VARIABLES), dice.below(2) == 0);
        let mut clauses: Vec<Vec<(usize, bool)>> = (0..count).map(|_| (0..3).map(|_| literal()).collect()).collect();
        // A variable stands at most once in a clause.
        clauses.iter_mut().for_each(|clause| {
            clause.sort_unstable();
            clause.dedup_by_key(|(v, _)| *v);
        });
        let (network, case) = formula(&clauses, VARIABLES);
        let budget = deadline(Some(Duration::from_secs(60)));
        let known = Bounds::unknown();
        let target = Target { network: &network, case: &case, open: &[0] };
        let question = Question {
            target,
            known: &known,
            part: None,
            attack: true,
            splitting: Splitting::default(),
            most: usize::MAX,
            certify: false,
        };
        if is_satisfiable(&clauses, &mut Vec::new(), VARIABLES) {
            satisfiable += 1;
            // Finding the assignment may take longer than a test should.
            let found = decide(&Question { most: 300, ..question }, Run::silent(&budget)).unwrap();
            assert!(found.bounds[&0] <= 0.0, "{seed}: a satisfiable formula is refuted");
        } else {
            refuted += 1;
            let found = decide(&question, Run::silent(&budget)).unwrap();
            assert!(found.witness.is_none() && found.bounds[&0] > 0.0, "{seed} stays open");
        }
    }
    assert!(refuted > 0 && satisfiable > 0, "{refuted} and {satisfiable}");
}

/// Networks that end in an activation were once read past their last node.
#[test]
fn a_final_activation_is_split_as_well() {
    let relu: Arc<dyn ActivationFn> = Arc::new(Relu);
    let (mut decisions, mut total) = (0, 0);
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let mut b = NetworkBuilder::new(&[3]);
        let mut last = b.input();
        for width in [4, 3, 2] {
            last = dense(&mut b, &mut dice, last, width);
            last = b.activation("act", last, relu.clone()).unwrap();
        }
        let network = b.finish(last, &[2]).unwrap();
        let region = random_box(&mut dice, 3);
        let disjuncts = vec![Disjunct { atoms: vec![random_atom(&mut dice, 3, 2)] }];
        let Some(mut cells) = Cells::new(&network, &region, LIMIT) else { continue };
        let Some(minimum) = cells.minimum_of_maximum(&disjuncts[0], 4 * LIMIT) else { continue };
        let case = Case::new(region, Property { disjuncts });
        let solved = Solved { network, case, minima: vec![minimum] };
        total += 1;
        for splitting in [Splitting::Neurons, Splitting::Inputs, Splitting::Phases] {
            decisions += usize::from(verdict(&solved, splitting, &format!("{splitting:?} {seed}")).is_some());
        }
    }
    assert!(total > 20 && decisions > 2 * total, "{decisions} on {total}");
}

#[test]
fn the_minimum_is_bracketed() {
    let mut checked = 0;
    for seed in 0..50 {
        let Some(case) = solved(seed, &(Arc::new(Relu) as Arc<dyn ActivationFn>)) else { continue };
        for (disjunct, exact) in case.case.property.disjuncts.iter().zip(&case.minima) {
            let budget = Budget::unlimited();
            let found = minimum(&case.network, &case.case.region, disjunct, 1e-7, Run::silent(&budget)).unwrap();
            let exact = Exact::from(exact.clone());
            assert!(exact.is_at_least(found.lower) && exact.shortfall(found.lower) < 1e-6, "{seed}: {found:?}");
            assert!(found.upper >= exact.value() - 1e-9, "{seed}: {found:?}");
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked}");
}

/// Balls and half-spaces have no enumeration: no member may fall below the bound, and the bracket closes.
#[test]
fn over_balls_the_bracket_holds_every_member() {
    let relu: Arc<dyn ActivationFn> = Arc::new(Relu);
    for seed in 0..40u64 {
        let mut dice = Dice::new(seed);
        let network = random_network(&mut dice, &relu);
        if network.input_len() > 4 {
            continue;
        }
        let center: Vec<Rational> = dice.weights(network.input_len()).into_iter().map(exact_or_zero).collect();
        let radius = parse_decimal("0.5").unwrap();
        let region = if seed % 2 == 0 {
            Region::l1(&center, &radius, None).unwrap()
        } else {
            Region::l2(&center, &radius, None).unwrap()
        };
        let atom = random_atom(&mut dice, network.input_len(), network.output_len());
        let disjunct = Disjunct { atoms: vec![atom.clone()] };
        let budget = deadline(Some(Duration::from_secs(20)));
        let found = minimum(&network, &region, &disjunct, 1e-6, Run::silent(&budget)).unwrap();
        assert!(found.lower <= found.upper && found.upper - found.lower < 2e-6, "{seed}: {found:?}");
        for _ in 0..40 {
            let x = random_member(&mut dice, &region);
            let y = network.evaluate::<Rational>(&x).unwrap();
            assert!(Exact::from(atom.margin(&x, &y)).is_at_least(found.lower), "{seed}");
        }
    }
}

/// Forms over the input that back-substitution ends in lie below the margins, exactly, at every member.
#[test]
fn forms_at_the_input_lie_below_the_margins() {
    for seed in 0..80 {
        let mut dice = Dice::new(seed);
        let f = &all()[dice.below(5)];
        let network = random_network(&mut dice, f);
        let region = random_region(&mut dice, network.input_len());
        let atoms: Vec<Atom> =
            (0..3).map(|_| random_atom(&mut dice, network.input_len(), network.output_len())).collect();
        let budget = Budget::unlimited();
        let domain = DeepPoly::default();
        let trace = propagate(&domain, &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        let forms = LinearForms::of_atoms(&network, &atoms);
        let (minima, below) = domain.back_substitution(&trace).minima_and_input_forms(&forms).unwrap();
        assert_eq!(minima, domain.minima(&forms, &trace).unwrap());
        for _ in 0..20 {
            let x = random_member(&mut dice, &region);
            let y = network.evaluate::<Rational>(&x).unwrap();
            for (k, atom) in atoms.iter().enumerate() {
                let start = exact_or_zero(below.constants[k]);
                let row = below.terms[0].coefficients.row(k);
                let value = row.iter().zip(&x).fold(start, |sum, (&c, x)| sum + exact_or_zero(c) * x);
                assert!(value <= atom.margin(&x, &y), "{seed}");
            }
        }
    }
}

/// Bounds within a box, and on one side of a neuron, hold for every member that is there.
#[test]
fn bounds_within_known_ones_hold() {
    for seed in 0..80 {
        let mut dice = Dice::new(seed);
        let f = &all()[dice.below(3)];
        let network = random_network(&mut dice, f);
        let region = random_box(&mut dice, network.input_len());
        let budget = Budget::unlimited();
        let run = Run::silent(&budget);
        let base = DeepPoly::default();
        let known = propagate(&base, &network, &region, &Bounds::unknown(), run).unwrap().bounds();
        // Half of the box, and the first unstable neuron at least zero.
        let (lower, upper) = region.exact_box();
        let half: Vec<Rational> = lower.iter().zip(upper).map(|(l, u)| (l + u) / Rational::from(2)).collect();
        let inside = region.restricted(lower.to_vec(), half).unwrap();
        let source = network.activations().next().unwrap().1.source;
        let mut nodes = known.nodes().to_vec();
        let unstable =
            (0..nodes[source].len()).find(|&i| nodes[source].get(i).lo < 0.0 && nodes[source].get(i).hi > 0.0);
        if let Some(i) = unstable {
            let side = |j| if i == j { Interval::new(0.0, f64::INFINITY) } else { Interval::ALL };
            let side: NodeBounds = (0..nodes[source].len()).map(side).collect();
            nodes[source].intersect(&side);
        }
        let known = Bounds::new(nodes);
        let domain = DeepPolyWithin { base, known: &known, settled: 0, checked: Checked::Never };
        let bounds = match propagate(&domain, &network, &inside, &known, run) {
            Ok(trace) => Some(trace.bounds()),
            Err(DomainError::Contradiction { .. }) => None,
            Err(other) => panic!("{other}"),
        };
        for _ in 0..20 {
            let x = random_member(&mut dice, &inside);
            let values = network.evaluate_all::<Rational>(&x).unwrap();
            if unstable.is_some_and(|i| values[source][i] < Rational::ZERO) {
                continue;
            }
            let bounds = bounds.as_ref().expect("a member shows that the part is not empty");
            for (value, z) in values.iter().zip(bounds.nodes()).flat_map(|(v, b)| v.iter().zip(b.iter())) {
                assert!(&exact_or_zero(z.lo) <= value && value <= &exact_or_zero(z.hi), "{seed}");
            }
        }
    }
}
