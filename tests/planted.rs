//! Roundings that are turned to the wrong side make wrong bounds, and the checker refuses the certificates of these. Needs
//! the feature `planted`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::Method;
use absint::domains::activation;
use absint::domains::network::Network;
use absint::domains::num::planted::{Operation, turn};
use absint::domains::num::{Rational, exact};
use absint::domains::query::{Property, Query};
use absint::domains::verdict::Verdict;
use absint::{Options, analyze};
use common::enumeration::{Cells, is_continuous};
use common::refutations::{checked, raised, random_case};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Less than a turned rounding errs by, and more than a right one.
fn little() -> Rational {
    Rational::from_parts(1.into(), 10_000_000u32.into())
}

/// A query whose smallest margin is a little below what the method can show.
fn just_beyond(network: &Network, query: &Query, method: Method) -> Option<Query> {
    let least = if method == Method::EXACT {
        let case = &query.cases[0];
        let disjunct = &case.property.disjuncts[0];
        Cells::new(network, &case.region, 800)?.minimum_of_maximum(disjunct, 4000)?
    } else {
        let options = Options { method, all_margins: true, attack: false, ..Options::default() };
        exact(analyze(network, query, &options).ok()?.margins[0].bound)?
    };
    Some(raised(query, &-(least + little())))
}

/// The proof of the query, if it is verified.
fn proof(network: &Network, query: &Query, method: Method) -> Option<String> {
    let options = Options { method, certify: true, attack: false, ..Options::default() };
    // What is wrong may also show itself: ends of ranges that have changed places end an analysis.
    let analysis = catch_unwind(AssertUnwindSafe(|| analyze(network, query, &options))).ok()?.ok()?;
    matches!(analysis.verdict, Verdict::Verified(_)).then_some(analysis.proof).flatten()
}

#[test]
fn certificates_of_wrong_bounds_are_refused() {
    let functions: Vec<_> = activation::all().into_iter().filter(|f| f.pieces().is_some() && !f.is_step()).collect();
    let operations = [Operation::Sum, Operation::Product, Operation::Quotient, Operation::Enclosure, Operation::Charge];
    let mut refused = [0; 5];
    for seed in 0..200u64 {
        let (network, region, disjunct) = random_case(seed, &functions[seed as usize % functions.len()], 1);
        let query = Query::over(region, Property { disjuncts: vec![disjunct] });
        for method in [Method::INTERVAL, Method::DEEPPOLY, Method::EXACT] {
            if method == Method::EXACT && !is_continuous(&network) {
                continue;
            }
            turn(None);
            let Some(query) = just_beyond(&network, &query, method) else { continue };
            assert!(proof(&network, &query, method).is_none(), "{method}, seed {seed}: verified with right roundings");
            for (operation, refused) in operations.into_iter().zip(&mut refused) {
                turn(Some(operation));
                let found = proof(&network, &query, method);
                turn(None);
                let Some(found) = found else { continue };
                // A checker may show by itself what a domain falls short of, but nothing of an unsafe query.
                match checked(&network, &query, &found) {
                    Err(_) => *refused += 1,
                    Ok(answer) => {
                        assert!(method != Method::EXACT, "seed {seed}, {operation:?} turned: {answer:?} for\n{found}");
                    }
                }
            }
        }
    }
    for (operation, refused) in operations.into_iter().zip(refused) {
        println!("{operation:?} turned: {refused} certificates are refused");
        assert!(refused > 10 || operation == Operation::Quotient);
    }
}
