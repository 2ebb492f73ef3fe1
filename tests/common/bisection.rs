//! Queries about the first output over a square, and its least value there by bisection with intervals.

use absint::analyze::Method;
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::domains::num::{Interval, Rational, exact_or_zero};
use absint::domains::query::{Atom, Disjunct, Property, Query, Region, Variable};
use absint::{Options, analyze_within};
use std::time::Duration;

/// All inputs from −1 to 1.
pub fn square(n: usize) -> Region {
    Region::new_box(vec![Rational::from(-1); n], vec![Rational::ONE; n]).unwrap()
}

/// Whether the first output can be at most `c`.
pub fn at_most(region: Region, c: f64) -> Query {
    let atom =
        Atom { terms: [(Variable::Output(0), Rational::ONE)].into(), constant: exact_or_zero(-c), is_strict: false };
    Query::over(region, Property { disjuncts: vec![Disjunct { atoms: vec![atom] }] })
}

/// The least value of the first output over the square in two dimensions: `[proven, attained]`.
pub fn least(network: &Network, tolerance: f64) -> [f64; 2] {
    let value = |x: &[Interval]| network.evaluate(x).unwrap()[0];
    let mut open = vec![[Interval::new(-1.0, 1.0); 2]];
    let (mut attained, mut proven) = (f64::INFINITY, f64::INFINITY);
    while let Some(x) = open.pop() {
        let centre = value(&x.map(|x| Interval::point(x.middle())));
        attained = attained.min(centre.hi);
        // The mean value form would be tighter; the boxes become small enough without it.
        let bound = value(&x).lo;
        if bound > attained - tolerance {
            proven = proven.min(bound);
            continue;
        }
        let wide = usize::from(x[1].width() > x[0].width());
        let middle = x[wide].middle();
        for half in [Interval::new(x[wide].lo, middle), Interval::new(middle, x[wide].hi)] {
            let mut child = x;
            child[wide] = half;
            open.push(child);
        }
    }
    [proven, attained]
}

/// Every method agrees with bisection on the least value over the square in two dimensions, and those that decide do so
/// for thresholds a little away from it.
pub fn verdicts_agree(what: &str, network: &Network, tolerance: f64) {
    let [proven, attained] = least(network, tolerance);
    assert!(proven <= attained && attained - proven < 1.01 * tolerance, "{what}");
    for (threshold, expected) in [(proven - 0.03, "verified"), (attained + 0.01, "falsified")] {
        let query = at_most(square(2), threshold);
        for method in Method::ALL {
            let name = method.row().name;
            let options = Options { method, ..Options::default() };
            let budget = absint::analyze::deadline(Some(Duration::from_secs(60)));
            let analysis = analyze_within(network, &query, &options, Run::silent(&budget)).unwrap();
            let verdict = analysis.verdict.name();
            assert!(verdict == expected || verdict == "unknown", "{what}, {name}: {verdict}, {expected}");
            let decides = [Method::AUTO, Method::EXACT].contains(&method);
            assert!(!decides || verdict == expected, "{what}, {name}: {verdict}, not {expected}");
        }
    }
}
