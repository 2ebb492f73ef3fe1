//! Certificates over real inputs: what is verified has one that the checker accepts, and nothing else is accepted.
//! Exact minima by enumeration say what is safe.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::{Method, analyze_within, deadline};
use absint::attack::Target;
use absint::domains::activation::{self, ActivationFn, Piece, Shape};
use absint::domains::budget::Budget;
use absint::domains::domain::{Bounds, DeepPoly, Run, propagate};
use absint::domains::network::Network;
use absint::domains::num::{Rational, exact};
use absint::domains::query::{Property, Query, Region};
use absint::domains::verdict::Verdict;
use absint::exact::continuous::{Question, Splitting, decide, minimum};
use absint::format::certificate::Script;
use absint::{Options, analyze};
use common::Dice;
use common::enumeration::{Cells, is_continuous};
use common::refutations::{checked, raised, random_case};
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// The proof of a query that the method verifies within some seconds.
fn proof(network: &Network, query: &Query, method: Method) -> Option<String> {
    let options = Options { method, certify: true, ..Options::default() };
    let limit = deadline(Some(Duration::from_secs(15)));
    let analysis = analyze_within(network, query, &options, Run::silent(&limit)).unwrap();
    let is_verified = matches!(analysis.verdict, Verdict::Verified(_));
    assert_eq!(is_verified, analysis.proof.is_some());
    analysis.proof
}

/// Those of which there are certificates, and networks that are no signum networks.
fn functions() -> Vec<Arc<dyn ActivationFn>> {
    activation::all().into_iter().filter(|f| f.pieces().is_some() && !f.is_step()).collect()
}

/// Methods that bound and do not search, each with the part of the cases that it is tried on: one in so many.
const BOUNDING: [(Method, u64); 11] = [
    (Method::INTERVAL, 1),
    (Method::DEEPPOLY, 1),
    (Method::RATIONAL, 1),
    (Method::ZONOTOPE, 1),
    (Method::LP_GREEDY, 1),
    (Method::LP_LAST, 4),
    (Method::NAT, 8),
    (Method::LP_ALL, 8),
    (Method::KPOLY, 3),
    (Method::KPOLY.with(2, true), 5),
    (Method::LP_ALL_KPOLY, 16),
];

/// Of these every certificate is found. The others are short of what they verify in a few cases: fewer than one in fifty.
const EXACTLY: [Method; 3] = [Method::INTERVAL, Method::DEEPPOLY, Method::RATIONAL];

/// The query is set just beyond what each domain can show, and just within.
#[test]
fn what_a_domain_verifies_has_a_certificate_that_is_accepted() {
    let functions = functions();
    let outcomes: Vec<[usize; 3]> = (0..400u64)
        .into_par_iter()
        .map(|seed| {
            let (network, region, disjunct) = random_case(seed, &functions[seed as usize % functions.len()], 1);
            let query = Query::over(region, Property { disjuncts: vec![disjunct] });
            let [mut accepted, mut joint, mut short] = [0; 3];
            for (method, _) in
                BOUNDING.into_iter().filter(|(_, every)| (seed / functions.len() as u64).is_multiple_of(*every))
            {
                let options = Options { method, all_margins: true, attack: false, ..Options::default() };
                let bound = analyze(&network, &query, &options).unwrap().margins[0].bound;
                let Some(bound) = exact(bound) else { continue };
                // A margin of 10⁻³ is far above what rounding costs, and what a certificate allows for.
                let query = raised(&query, &(Rational::from_parts(1.into(), 1000u32.into()) - bound));
                let Some(proof) = proof(&network, &query, method) else {
                    assert!(!EXACTLY.contains(&method), "{method}, seed {seed}");
                    short += 1;
                    continue;
                };
                let found = checked(&network, &query, &proof);
                assert!(found.is_ok(), "{method}, seed {seed}: {found:?}\n{proof}");
                accepted += 1;
                joint += usize::from(proof.contains("row"));
            }
            [accepted, joint, short]
        })
        .collect();
    let [accepted, joint, short] = [0, 1, 2].map(|k| outcomes.iter().map(|o| o[k]).sum::<usize>());
    println!("{accepted} certificates are accepted, {joint} of them with joint inequalities; {short} not found");
    assert!(accepted > 1200 && joint > 10 && short * 50 < accepted);
}

/// The same over L1 and L2 balls in the box, for bounds and for searches: these have to show more than back-substitution does.
#[test]
fn what_is_verified_over_balls_has_a_certificate_that_is_accepted() {
    let functions = functions();
    let cheap = [Method::INTERVAL, Method::DEEPPOLY, Method::ZONOTOPE, Method::LP_GREEDY];
    let part = |p: i32| Rational::from_parts(p.into(), 1000u32.into());
    let accepted: Vec<[usize; 3]> = (0..300u64)
        .into_par_iter()
        .map(|seed| {
            let (network, region, disjunct) = random_case(seed, &functions[seed as usize % functions.len()], 1);
            let (lower, upper) = region.exact_box();
            let center: Vec<Rational> = lower.iter().zip(upper).map(|(l, u)| l * part(600) + u * part(400)).collect();
            let radius = lower.iter().zip(upper).fold(part(1), |sum, (l, u)| sum + (u - l) * part(300));
            let ball = if seed % 2 == 0 { Region::l1 } else { Region::l2 };
            let ball = ball(&center, &radius, None).unwrap();
            let Some(region) = ball.restricted(lower.to_vec(), upper.to_vec()) else { return [0; 3] };
            let query = Query::over(region, Property { disjuncts: vec![disjunct] });
            let mut accepted = [0; 3];
            let mut accept = |method: Method, more: &Rational, counted: usize| {
                let query = raised(&query, more);
                let Some(proof) = proof(&network, &query, method) else { return };
                let found = checked(&network, &query, &proof);
                assert!(found.is_ok(), "{method}, seed {seed}: {found:?}\n{proof}");
                accepted[counted] += 1;
                // Over the box alone less is shown.
                let box_query = Query::over(region_of_box(&query), query.cases[0].property.clone());
                accepted[2] += usize::from(checked(&network, &box_query, &proof).is_err());
            };
            let mut best = f64::NEG_INFINITY;
            for method in cheap {
                let options = Options { method, all_margins: true, attack: false, ..Options::default() };
                let bound = analyze(&network, &query, &options).unwrap().margins[0].bound;
                let Some(exact) = exact(bound) else { continue };
                best = best.max(bound);
                accept(method, &(part(1) - exact), 0);
            }
            if let Some(exact) = exact(best) {
                accept(Method::EXACT, &(part(-20) - exact), 1);
            }
            accepted
        })
        .collect();
    let [bounds, searches, balls] = [0, 1, 2].map(|k| accepted.iter().map(|found| found[k]).sum::<usize>());
    println!("{bounds} certificates of bounds and {searches} of searches are accepted; {balls} need the ball");
    assert!(bounds > 800 && searches > 20 && balls > 200, "{bounds} {searches} {balls}");
}

fn region_of_box(query: &Query) -> Region {
    let (lower, upper) = query.cases[0].region.exact_box();
    Region::new_box(lower.to_vec(), upper.to_vec()).unwrap()
}

/// A query whose smallest margin is exactly zero. Beyond four inputs neurons are split by a search; else boxes.
fn tie(seed: u64, f: &Arc<dyn ActivationFn>) -> Option<(Network, Query)> {
    let (network, region, disjunct) = random_case(seed, f, 1 + seed as usize % 2);
    if !is_continuous(&network) {
        return None;
    }
    let least = Cells::new(&network, &region, 800)?.minimum_of_maximum(&disjunct, 4000)?;
    let query = raised(&Query::over(region, Property { disjuncts: vec![disjunct] }), &-least);
    Some((network, query))
}

/// What a search verifies has a certificate with splits and lemmas: the query's smallest margin is set a little above
/// zero, from where back-substitution alone leaves it open.
#[test]
fn what_a_search_verifies_has_a_certificate_that_is_accepted() {
    let functions = functions();
    let outcomes: Vec<[usize; 4]> = (0..400u64)
        .into_par_iter()
        .map(|seed| {
            let f = &functions[seed as usize % functions.len()];
            let Some((network, tie)) = tie(seed, f) else { return [0; 4] };
            let query = raised(&tie, &Rational::from_parts(1.into(), 1024u32.into()));
            let mut proofs = vec![proof(&network, &query, Method::EXACT)];
            if f.name().contains("relu") {
                proofs.push(proof_by_neurons(&network, &query));
            }
            let mut outcome = [proofs.len(), 0, 0, 0];
            for proof in proofs.into_iter().flatten() {
                let found = checked(&network, &query, &proof).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{proof}"));
                let more = [0, 1, usize::from(proof.contains("split")), found.lemmas];
                outcome.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
            outcome
        })
        .collect();
    let [tried, accepted, split, lemmas] = [0, 1, 2, 3].map(|k| outcomes.iter().map(|o| o[k]).sum::<usize>());
    println!("of {tried} safe queries {accepted} have certificates, {split} with splits; {lemmas} lemmas");
    assert!(accepted * 100 > tried * 95 && split > 100 && lemmas > 100);
}

/// The proof by splitting neurons, which small networks with few inputs are not decided by otherwise.
fn proof_by_neurons(network: &Network, query: &Query) -> Option<String> {
    proof_by(network, query, Splitting::Neurons, usize::MAX)
}

/// The proof by a search that takes this apart, and so much of it.
fn proof_by(network: &Network, query: &Query, splitting: Splitting, most: usize) -> Option<String> {
    let (case, budget) = (&query.cases[0], Budget::unlimited());
    let run = Run::silent(&budget);
    let known = propagate(&DeepPoly::default(), network, &case.region, &Bounds::unknown(), run).unwrap().bounds();
    let target = Target { network, case, open: &[0] };
    let question = Question { target, known: &known, part: None, attack: true, splitting, most, certify: true };
    let found = decide(&question, run).unwrap();
    let mut script = Script::default();
    script.back_substitution(network, &known);
    script.append(&found.script);
    (found.bounds[&0] > 0.0).then(|| Script::proof(vec![script]).unwrap())
}

/// Near ties: margins that nothing but exact rationals shows to be above zero, whatever is taken apart and however soon it
/// ends.
#[test]
fn what_is_verified_next_to_a_tie_has_a_certificate_that_is_accepted() {
    let functions = functions();
    let outcomes: Vec<[usize; 3]> = (0..400u64)
        .into_par_iter()
        .map(|seed| {
            let f = &functions[seed as usize % functions.len()];
            let Some((network, tie)) = tie(seed, f) else { return [0; 3] };
            let mut outcome = [0; 3];
            for bits in [10, 34, 60] {
                let query = raised(&tie, &Rational::from_parts(1.into(), (1u64 << bits).into()));
                for splitting in [Splitting::Phases, Splitting::Inputs, Splitting::Neurons] {
                    for most in [7, 100] {
                        outcome[0] += 1;
                        let Some(proof) = proof_by(&network, &query, splitting, most) else { continue };
                        outcome[1] += 1;
                        if let Err(e) = checked(&network, &query, &proof) {
                            println!("seed {seed}, {}, 2^-{bits}, {splitting:?}, {most} parts: {e}", f.name());
                            outcome[2] += 1;
                        }
                    }
                }
            }
            outcome
        })
        .collect();
    let [tried, accepted, refused] = [0, 1, 2].map(|k| outcomes.iter().map(|o| o[k]).sum::<usize>());
    println!("of {tried} searches {accepted} verify, {refused} of them with a certificate that is refused");
    assert!(refused == 0 && accepted * 100 > tried * 30);
}

/// A function that jumps and rises.
#[derive(Debug)]
struct Leap;

impl ActivationFn for Leap {
    fn name(&self) -> &'static str {
        "leap"
    }
    fn shape(&self) -> Shape<'_> {
        const ALL: f64 = f64::INFINITY;
        const LEFT: Piece =
            Piece { from: -ALL, to: 0.0, from_closed: false, to_closed: false, slope: 0.5, intercept: -1.0 };
        const RIGHT: Piece =
            Piece { from: 0.0, to: ALL, from_closed: true, to_closed: false, slope: 1.0, intercept: 0.0 };
        Shape::Pieces(&[LEFT, RIGHT])
    }
}

/// Where activations jump, halves of splits leave out the end that belongs to the other one. A margin is safe that is above
/// what a search bounds it by; one that an input takes to zero is not, whatever a proof says.
#[test]
fn searches_across_jumps_have_certificates_and_none_where_an_input_is_unsafe() {
    let mut functions: Vec<Arc<dyn ActivationFn>> = vec![Arc::new(Leap)];
    functions.extend(activation::all().into_iter().filter(|f| f.is_step()));
    // Besides the first ones some of which a checker once refused the certificates; 173 and 185 take half a minute each.
    let seeds: Vec<u64> = (0..16).chain([23, 35, 133]).collect();
    let outcomes: Vec<[usize; 4]> = seeds
        .into_par_iter()
        .map(|seed| {
            let f = &functions[seed as usize % functions.len()];
            let (network, region, disjunct) = random_case(seed, f, 1);
            let network = network.as_checked();
            let mut dice = Dice::new(seed);
            let query = Query::over(region, Property { disjuncts: vec![disjunct] });
            let (region, disjunct) = (&query.cases[0].region, &query.cases[0].property.disjuncts[0]);
            let within = Budget::unlimited();
            let least = minimum(&network, region, disjunct, 1e-3, Run::silent(&within)).unwrap().lower;
            let Some(least) = exact(least) else { return [0; 4] };
            let little = Rational::from_parts(1.into(), 1000u32.into());
            let mut outcome = [0; 4];
            let mut proofs = Vec::new();
            for splitting in [Splitting::Phases, Splitting::Automatic] {
                let safe = raised(&query, &(&little - &least));
                let Some(proof) = proof_by(&network, &safe, splitting, 3000) else { continue };
                if let Err(e) = checked(&network, &safe, &proof) {
                    println!("seed {seed}, {}, {splitting:?}: {e}", f.name());
                    outcome[3] += 1;
                    continue;
                }
                outcome[0] += 1;
                outcome[1] += usize::from(proof.contains("< ") || proof.contains("> "));
                proofs.push(proof);
            }
            for _ in 0..3 {
                let (lower, upper) = region.exact_box();
                let share = |dice: &mut Dice| Rational::from_parts((dice.below(9) as i64).into(), 8u8.into());
                let point: Vec<Rational> =
                    lower.iter().zip(upper).map(|(l, u)| l + (u - l) * share(&mut dice)).collect();
                let y = network.evaluate::<Rational>(&point).unwrap();
                let attained = disjunct.atoms[0].margin(&point, &y);
                let wrong = raised(&query, &-attained);
                for proof in &proofs {
                    for changed in mutants(proof, &mut dice, 10).iter().chain([proof]) {
                        let found = checked(&network, &wrong, changed);
                        assert!(found.is_err(), "seed {seed}: {found:?} for\n{changed}");
                        outcome[2] += 1;
                    }
                }
            }
            outcome
        })
        .collect();
    let [accepted, open, refused, wrong] = [0, 1, 2, 3].map(|k| outcomes.iter().map(|o| o[k]).sum::<usize>());
    println!("{accepted} certificates are accepted, {open} of them with open halves; {refused} are refused");
    assert!(wrong == 0 && accepted > 30 && open > 15 && refused > 1000);
}

/// Changed proofs: one number, sign or word, one line left out, doubled or taken from elsewhere.
fn mutants(proof: &str, dice: &mut Dice, count: usize) -> Vec<String> {
    let lines: Vec<&str> = proof.lines().collect();
    let mutant = |dice: &mut Dice| {
        let at = 1 + dice.below(lines.len() - 1);
        let words: Vec<&str> = lines[at].split(' ').collect();
        let word = dice.below(words.len());
        let other = lines[1 + dice.below(lines.len() - 1)];
        let numbers = ["0", "1", "2", "-1", "1/2", "3b-4", "-5b2", "1b40", "ffff", "0000", "exact", "float", ";"];
        let mut changed: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        match dice.below(6) {
            0 => changed[word] = numbers[dice.below(numbers.len())].into(),
            1 if words[word].starts_with('-') => changed[word] = words[word][1..].into(),
            1 => changed[word] = format!("-{}", words[word]),
            2 => changed = vec![String::new()],
            3 => changed = vec![lines[at].to_owned(), "\n".into(), lines[at].to_owned()],
            4 => changed = vec![other.to_owned()],
            _ => changed[word] = other.split(' ').next_back().unwrap().into(),
        }
        let changed = changed.join(" ");
        lines.iter().enumerate().map(|(i, line)| if i == at { &changed } else { *line }).collect::<Vec<_>>().join("\n")
    };
    (0..count).map(|_| mutant(dice)).collect()
}

/// Methods with proofs of all kinds.
fn proving() -> impl Iterator<Item = Method> {
    Method::ALL.into_iter().filter(Method::proves)
}

/// A proof of a safe query, changed or not, is no proof of the same query where its smallest margin is exactly zero, or
/// just below.
#[test]
fn no_proof_is_accepted_for_a_query_that_is_unsafe() {
    let functions = functions();
    let tried: Vec<usize> = (0..300u64)
        .into_par_iter()
        .map(|seed| {
            let f = &functions[seed as usize % functions.len()];
            let (network, region, disjunct) = random_case(seed, f, 1 + seed as usize % 2);
            if !is_continuous(&network) {
                return 0;
            }
            let least = Cells::new(&network, &region, 800).and_then(|mut c| c.minimum_of_maximum(&disjunct, 4000));
            let Some(least) = least else { return 0 };
            let tie = raised(&Query::over(region, Property { disjuncts: vec![disjunct] }), &-least);
            let below = raised(&tie, &Rational::from_parts((-1).into(), 1_000_000_000u32.into()));
            let mut dice = Dice::new(seed);
            let mut tried = 0;
            // Each method takes its turn.
            for (_, method) in proving().enumerate().filter(|(at, _)| (*at as u64 + seed / 3).is_multiple_of(3)) {
                let safe = [1, 16, 1024].map(|more| raised(&tie, &Rational::from_parts(more.into(), 16u8.into())));
                let Some(proof) = safe.iter().find_map(|query| proof(&network, query, method)) else { continue };
                for changed in mutants(&proof, &mut dice, 20).iter().chain([&proof]) {
                    for query in [&tie, &below] {
                        let found = checked(&network, query, changed);
                        assert!(found.is_err(), "{method}, seed {seed}: {found:?} for\n{changed}");
                        tried += 1;
                    }
                }
            }
            tried
        })
        .collect();
    println!("{} proofs are refused", tried.iter().sum::<usize>());
    assert!(tried.iter().sum::<usize>() > 10_000);
}
