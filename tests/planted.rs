//! Roundings that are turned to the wrong side make wrong bounds, and the checker refuses the certificates of these. Needs
//! the feature `planted`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::Options;
use absint::analyze::{Method, analyze_within, deadline};
use absint::domains::activation;
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::domains::num::Rational;
use absint::domains::num::planted::{Operation, turn};
use absint::domains::query::{Property, Query};
use absint::domains::verdict::Verdict;
use common::enumeration::{Cells, is_continuous};
use common::refutations::{checked, raised, random_case};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Less than a turned rounding errs by, and more than a right one.
fn little() -> Rational {
    Rational::from_parts(1.into(), 10_000_000u32.into())
}

/// A query whose smallest margin is a little below zero.
fn unsafe_query(network: &Network, query: &Query) -> Option<Query> {
    let case = &query.cases[0];
    let least = Cells::new(network, &case.region, 800)?.minimum_of_maximum(&case.property.disjuncts[0], 4000)?;
    Some(raised(query, &-(least + little())))
}

/// The proof of the query, if it is verified in time. What is wrong may also show itself by ends of ranges that have changed
/// places, or by a loop without end, which is left to itself.
fn proof(network: &Network, query: &Query, method: Method) -> Option<String> {
    let (network, query) = (network.clone(), query.clone());
    let options = Options { method, certify: true, attack: false, ..Options::default() };
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let limit = deadline(Some(Duration::from_millis(50)));
        let run = Run::silent(&limit);
        let analysis = catch_unwind(AssertUnwindSafe(|| analyze_within(&network, &query, &options, run)));
        // Nobody listens any more where it took too long.
        let _ = sender.send(analysis.ok().and_then(Result::ok));
    });
    let analysis = receiver.recv_timeout(Duration::from_secs(2)).ok()??;
    matches!(analysis.verdict, Verdict::Verified(_)).then_some(analysis.proof).flatten()
}

/// Certificates that are refused, of each operation, before the test ends.
const ENOUGH: usize = 30;

#[test]
fn certificates_of_wrong_bounds_are_refused() {
    let functions: Vec<_> = activation::all().into_iter().filter(|f| f.pieces().is_some() && !f.is_step()).collect();
    let operations = [Operation::Sum, Operation::Product, Operation::Quotient, Operation::Enclosure, Operation::Charge];
    let mut refused = [0; 5];
    let start = Instant::now();
    for seed in 0..600u64 {
        let (network, region, disjunct) = random_case(seed, &functions[seed as usize % functions.len()], 1);
        let query = Query::over(region, Property { disjuncts: vec![disjunct] });
        if !is_continuous(&network) {
            continue;
        }
        let Some(query) = unsafe_query(&network, &query) else { continue };
        for method in [Method::INTERVAL, Method::DEEPPOLY, Method::EXACT] {
            assert!(proof(&network, &query, method).is_none(), "{method}, seed {seed}: verified with right roundings");
            for (operation, refused) in
                operations.into_iter().zip(&mut refused).filter(|(_, refused)| **refused < ENOUGH)
            {
                turn(Some(operation));
                let found = proof(&network, &query, method);
                turn(None);
                let Some(found) = found else { continue };
                let answer = checked(&network, &query, &found);
                assert!(answer.is_err(), "{method}, seed {seed}, {operation:?} turned: {answer:?} for\n{found}");
                *refused += 1;
            }
        }
        if refused.iter().all(|&refused| refused >= ENOUGH) || start.elapsed() > Duration::from_secs(240) {
            break;
        }
    }
    for (operation, refused) in operations.into_iter().zip(refused) {
        println!("{operation:?} turned: {refused} certificates are refused");
    }
    assert!(refused.iter().all(|&refused| refused >= ENOUGH), "{refused:?}");
}
