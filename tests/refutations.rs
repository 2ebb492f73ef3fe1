//! Certificates over real inputs: what is verified has one that the checker accepts, and nothing else is accepted.
//! Exact minima by enumeration say what is safe.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::{Method, analyze_within, deadline};
use absint::attack::Target;
use absint::check::{Refuted, check_refutation, read_network, read_query};
use absint::domains::activation::{self, ActivationFn};
use absint::domains::budget::Budget;
use absint::domains::domain::{Bounds, DeepPoly, Run, propagate};
use absint::domains::network::Network;
use absint::domains::num::{Rational, exact};
use absint::domains::query::{Disjunct, Property, Query, Region};
use absint::domains::verdict::Verdict;
use absint::exact::continuous::{Question, Splitting, decide};
use absint::format::certificate::{Script, write_network, write_query};
use absint::{Options, analyze};
use common::enumeration::{Cells, is_continuous};
use common::{Dice, random_atom, random_box, random_network};
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// What the checker says of a proof.
fn checked(network: &Network, query: &Query, proof: &str) -> Result<Refuted, String> {
    let (mut network_text, mut query_text) = (Vec::new(), Vec::new());
    write_network(network, &mut network_text).unwrap();
    write_query(query, &mut query_text).unwrap();
    let network = read_network(&network_text[..]).map_err(|e| e.to_string())?;
    let query = read_query(&query_text[..], network.inputs(), network.outputs()).map_err(|e| e.to_string())?;
    check_refutation(&network, &query, proof.as_bytes()).map_err(|e| e.to_string())
}

/// The proof of a query that the method verifies within some seconds.
fn proof(network: &Network, query: &Query, method: Method) -> Option<String> {
    let options = Options { method, certify: true, ..Options::default() };
    let limit = deadline(Some(Duration::from_secs(5)));
    let analysis = analyze_within(network, query, &options, Run::silent(&limit)).unwrap();
    let is_verified = matches!(analysis.verdict, Verdict::Verified(_));
    assert_eq!(is_verified, analysis.proof.is_some());
    analysis.proof
}

/// The query whose atoms' margins are all greater by `more`.
fn raised(query: &Query, more: &Rational) -> Query {
    let mut query = query.clone();
    for atom in query.cases.iter_mut().flat_map(|c| &mut c.property.disjuncts).flat_map(|d| &mut d.atoms) {
        atom.constant += more;
    }
    query
}

fn random_case(seed: u64, f: &Arc<dyn ActivationFn>, atoms: usize) -> (Network, Region, Disjunct) {
    let mut dice = Dice::new(seed);
    let network = random_network(&mut dice, f);
    let (inputs, outputs) = (network.input_len(), network.output_len());
    let region = random_box(&mut dice, inputs);
    let atoms = (0..atoms).map(|_| random_atom(&mut dice, inputs, outputs)).collect();
    (network, region, Disjunct { atoms })
}

/// Those of which there are certificates, and networks that are no signum networks.
fn functions() -> Vec<Arc<dyn ActivationFn>> {
    activation::all().into_iter().filter(|f| f.pieces().is_some() && !f.is_step()).collect()
}

/// Methods that bound all neurons anew.
const BOUNDING: [Method; 3] = [Method::INTERVAL, Method::DEEPPOLY, Method::RATIONAL];

/// The query is set just beyond what each domain can show, and just within.
#[test]
fn what_a_domain_verifies_has_a_certificate_that_is_accepted() {
    let functions = functions();
    let outcomes: Vec<usize> = (0..400u64)
        .into_par_iter()
        .map(|seed| {
            let (network, region, disjunct) = random_case(seed, &functions[seed as usize % functions.len()], 1);
            let query = Query::over(region, Property { disjuncts: vec![disjunct] });
            let mut accepted = 0;
            for method in BOUNDING {
                let options = Options { method, all_margins: true, attack: false, ..Options::default() };
                let bound = analyze(&network, &query, &options).unwrap().margins[0].bound;
                let Some(bound) = exact(bound) else { continue };
                // A margin of 10⁻⁶ is far above what rounding costs.
                let query = raised(&query, &(Rational::from_parts(1.into(), 1_000_000u32.into()) - bound));
                let proof = proof(&network, &query, method).unwrap_or_else(|| panic!("{method}, seed {seed}"));
                checked(&network, &query, &proof).unwrap_or_else(|e| panic!("{method}, seed {seed}: {e}\n{proof}"));
                accepted += 1;
            }
            accepted
        })
        .collect();
    println!("{} certificates are accepted", outcomes.iter().sum::<usize>());
    assert!(outcomes.iter().sum::<usize>() > 600);
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
            let (network, region, disjunct) = random_case(seed, f, 1 + seed as usize % 2);
            if !is_continuous(&network) {
                return [0; 4];
            }
            // Beyond four inputs, or with a second disjunct, neurons are split; else boxes.
            let least = Cells::new(&network, &region, 800).and_then(|mut c| c.minimum_of_maximum(&disjunct, 4000));
            let Some(least) = least else { return [0; 4] };
            let query = Query::over(region, Property { disjuncts: vec![disjunct] });
            let query = raised(&query, &(Rational::from_parts(1.into(), 1024u32.into()) - least));
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
    let (case, budget) = (&query.cases[0], Budget::unlimited());
    let run = Run::silent(&budget);
    let known = propagate(&DeepPoly::default(), network, &case.region, &Bounds::unknown(), run).unwrap().bounds();
    let target = Target { network, case, open: &[0] };
    let splitting = Splitting::Neurons;
    let question = Question { target, known: &known, attack: true, splitting, most: usize::MAX, certify: true };
    let found = decide(&question, run).unwrap();
    let mut script = Script::default();
    script.back_substitution(network, &known);
    script.append(&found.script);
    (found.bounds[&0] > 0.0).then(|| Script::proof(&[&script]).unwrap())
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
            for method in proving() {
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
    assert!(tried.iter().sum::<usize>() > 15_000);
}
