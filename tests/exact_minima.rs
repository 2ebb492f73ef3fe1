//! Random tiny networks whose exact minima are found by enumeration: no bound of any domain exceeds
//! them, the domains are ordered as they should be, and no verdict contradicts.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::Method;
use absint::domains::activation::{self, ActivationFn};
use absint::domains::domain::Concretise;
use absint::domains::network::Network;
use absint::domains::num::Rational;
use absint::domains::query::{Disjunct, Property, Query};
use absint::domains::verdict::Verdict;
use absint::{Analysis, Options, analyze};
use common::enumeration::{Cells, is_continuous};
use common::exact::Exact;
use common::{Dice, random_atom, random_box, random_member, random_network};
use proptest::prelude::*;
use std::sync::Arc;

/// A network on more pieces than this is drawn again.
const LIMIT: usize = 1500;

/// What rounding and the solver's tolerance may cost a domain that is tighter in exact arithmetic.
const TOLERANCE: f64 = 1e-6;

/// A case with its exact minima.
struct Solved {
    network: Network,
    query: Query,
    /// Of each disjunct's atoms.
    minima: Vec<Vec<Rational>>,
    /// Of the largest margin of each disjunct.
    joint: Vec<Rational>,
    pieces: usize,
}

fn solved(seed: u64, f: &Arc<dyn ActivationFn>) -> Option<Solved> {
    let mut dice = Dice::new(seed);
    let network = random_network(&mut dice, f);
    if !is_continuous(&network) {
        return None;
    }
    let (inputs, outputs) = (network.input_len(), network.output_len());
    let region = random_box(&mut dice, inputs);
    let mut disjunct =
        |atoms: usize| Disjunct { atoms: (0..atoms).map(|_| random_atom(&mut dice, inputs, outputs)).collect() };
    let disjuncts = vec![disjunct(1), disjunct(2)];
    let mut cells = Cells::new(&network, &region, LIMIT)?;
    let pieces = cells.len();
    let minima = disjuncts.iter().map(|d| cells.minima(d)).collect();
    let joint = disjuncts.iter().map(|d| cells.minimum_of_maximum(d, 4 * LIMIT)).collect::<Option<_>>()?;
    let query = Query::over(region, Property { disjuncts });
    Some(Solved { minima, joint, query, pieces, network })
}

fn bounds(case: &Solved, domain: Method, concretise: Concretise, k: usize) -> Analysis {
    let options =
        Options { method: domain.with(k, false), concretise, all_margins: true, attack: false, ..Options::default() };
    analyze(&case.network, &case.query, &options).unwrap()
}

/// No bound may exceed what is attained.
fn is_sound(case: &Solved, analysis: &Analysis, name: &str) {
    for margin in &analysis.margins {
        let exact = &case.minima[margin.disjunct][margin.atom];
        let holds = Exact::from(exact.clone()).is_at_least(margin.bound);
        assert!(holds, "{name}: {} exceeds the minimum {exact} of {}.{}", margin.bound, margin.disjunct, margin.atom);
    }
    for (bound, exact) in analysis.disjuncts.iter().zip(&case.joint) {
        let holds = Exact::from(exact.clone()).is_at_least(bound.bound);
        assert!(holds, "{name}: {} exceeds the joint minimum {exact}", bound.bound);
    }
}

/// Each bound of `loose` is at most that of `tight`, up to the tolerance.
fn is_ordered(loose: &Analysis, tight: &Analysis, what: &str) {
    for (loose, tight) in loose.margins.iter().zip(&tight.margins) {
        let slack = TOLERANCE * loose.bound.abs().max(1.0);
        assert!(tight.bound >= loose.bound - slack, "{what}: {} and {}", loose.bound, tight.bound);
    }
}

/// The rungs of Salman et al. 2019, from the loosest to the tightest, and kpoly on the bounds of the last.
const LADDER: [Method; 4] = [Method::LP_GREEDY, Method::LP_LAST, Method::LP_ALL, Method::LP_ALL_KPOLY];

fn ladder(case: &Solved) -> [Analysis; 4] {
    LADDER.map(|domain| {
        let analysis = bounds(case, domain, Concretise::Every, 2);
        is_sound(case, &analysis, &domain.to_string());
        analysis
    })
}

/// As [`is_ordered`], of what the last stage found by itself: an analysis keeps the best of its stages.
fn is_ordered_by_itself(loose: &Analysis, tight: &Analysis) {
    let (loose, tight) = (loose.stages.last().unwrap(), tight.stages.last().unwrap());
    assert_eq!(loose.margins.len(), tight.margins.len());
    for (a, b) in loose.margins.iter().zip(&tight.margins) {
        assert!(*b >= a - TOLERANCE * a.abs().max(1.0), "{}: {a}, {}: {b}", loose.name, tight.name);
    }
}

fn check(case: &Solved) {
    for (domain, concretise) in [
        (Method::INTERVAL, Concretise::Every),
        (Method::ZONOTOPE, Concretise::Every),
        (Method::RATIONAL, Concretise::Every),
        (Method::DEEPPOLY, Concretise::Input),
        (Method::AUTO, Concretise::Every),
    ] {
        is_sound(case, &bounds(case, domain, concretise, 3), &domain.to_string());
    }
    let deeppoly = bounds(case, Method::DEEPPOLY, Concretise::Every, 1);
    is_sound(case, &deeppoly, "deeppoly");
    let kpoly: Vec<Analysis> = (1..=3).map(|k| bounds(case, Method::KPOLY, Concretise::Every, k)).collect();
    kpoly.iter().for_each(|analysis| is_sound(case, analysis, "kpoly"));
    is_ordered(&deeppoly, &kpoly[0], "deeppoly and kpoly 1");
    is_ordered(&kpoly[0], &kpoly[1], "kpoly 1 and 2");
    is_ordered(&kpoly[0], &kpoly[2], "kpoly 1 and 3");

    let ladder = ladder(case);
    ladder.windows(2).for_each(|pair| is_ordered_by_itself(&pair[0], &pair[1]));

    let is_safe = case.joint.iter().all(|m| m > &Rational::ZERO);
    for (domain, k) in [
        (Method::INTERVAL, 1),
        (Method::ZONOTOPE, 1),
        (Method::DEEPPOLY, 1),
        (Method::RATIONAL, 1),
        (Method::KPOLY, 2),
        (Method::LP_ALL, 1),
        (Method::LP_ALL_KPOLY, 2),
        (Method::AUTO, 3),
    ] {
        let options = Options { method: domain.with(k, false), ..Options::default() };
        match analyze(&case.network, &case.query, &options).unwrap().verdict {
            Verdict::Verified(_) => assert!(is_safe, "{domain} proves what is false"),
            Verdict::Falsified(_) => assert!(!is_safe, "{domain} refutes what is true"),
            Verdict::Unknown(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_global_rejects: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bounds_lie_below_the_exact_minima(seed in any::<u64>()) {
        let case = solved(seed, &activation::all()[0]);
        prop_assume!(case.is_some());
        check(&case.unwrap());
    }

    #[test]
    fn so_do_those_of_other_activations(seed in any::<u64>(), f in common::mostly_piecewise()) {
        let case = solved(seed, &f);
        prop_assume!(case.is_some());
        check(&case.unwrap());
    }
}

/// Every rung is worth its price on some network, and neurons' bounds only get tighter.
#[test]
fn the_rungs_of_the_ladder_differ() {
    let relu: Arc<dyn ActivationFn> = Arc::new(activation::Relu);
    let mut gains = [0; 3];
    let mut tighter_neurons = 0;
    for case in (0..60).filter_map(|seed| solved(seed, &relu)) {
        let ladder = ladder(&case);
        for (gain, pair) in gains.iter_mut().zip(ladder.windows(2)) {
            let margins = pair[0].stages.last().unwrap().margins.iter().zip(&pair[1].stages.last().unwrap().margins);
            *gain += usize::from(margins.into_iter().any(|(a, b)| *b > a + 1e-3 * a.abs().max(1.0)));
        }
        let nodes = |analysis: &Analysis| -> Vec<_> {
            analysis.bounds[0].nodes().iter().flat_map(|node| node.iter().collect::<Vec<_>>()).collect()
        };
        for (greedy, all) in nodes(&ladder[0]).into_iter().zip(nodes(&ladder[2])) {
            assert!(greedy.lo <= all.lo && all.hi <= greedy.hi);
            tighter_neurons += usize::from(all.width() < 0.99 * greedy.width());
        }
    }
    println!("gains {gains:?}, tighter neurons {tighter_neurons}");
    assert!(gains.iter().all(|&gain| gain >= 3) && tighter_neurons >= 20);
}

/// The enumeration itself: no member of the region falls below its minimum, and networks have several
/// pieces.
#[test]
fn no_member_falls_below_the_enumerated_minimum() {
    let relu: Arc<dyn ActivationFn> = Arc::new(activation::Relu);
    let (mut solved_cases, mut pieces) = (0, 0);
    for seed in 0..60 {
        let Some(case) = solved(seed, &relu) else { continue };
        (solved_cases, pieces) = (solved_cases + 1, pieces + case.pieces);
        let mut dice = Dice::new(seed);
        let Query { cases } = &case.query;
        for _ in 0..30 {
            let x = random_member(&mut dice, &cases[0].region);
            let y = case.network.evaluate::<Rational>(&x).unwrap();
            for (disjunct, (minima, joint)) in
                cases[0].property.disjuncts.iter().zip(case.minima.iter().zip(&case.joint))
            {
                let margins: Vec<Rational> = disjunct.atoms.iter().map(|a| a.margin(&x, &y)).collect();
                assert!(margins.iter().zip(minima).all(|(m, least)| m >= least));
                assert!(margins.iter().max().unwrap() >= joint);
            }
        }
    }
    println!("{solved_cases} networks with {pieces} pieces");
    assert!(solved_cases >= 40 && pieces > 10 * solved_cases);
}
