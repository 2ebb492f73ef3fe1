//! Small networks of every kind with the exact minimum of every margin: certified bounds never exceed
//! it, and where the exact value of a relaxation is known, they are that value up to rounding.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::{Method, deadline};
use absint::domains::domain::{Concretise, Run};
use absint::domains::network::Network;
use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::{Disjunct, Query};
use absint::domains::verdict::Verdict;
use absint::exact::continuous::minimum;
use absint::format::{json_query, onnx, vnnlib};
use absint::{Analysis, Options, analyze};
use common::certificates::accepted_only_as_they_are;
use common::data::folder;
use common::exact::Exact;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A margin with its exact minimum: of one atom, or of the maximum of a disjunct's.
struct Row {
    disjunct: usize,
    atom: Option<usize>,
    exact: Exact,
    interval: Option<Exact>,
    deeppoly: Option<Exact>,
    /// A point that attains the minimum, where it is rational.
    minimiser: Option<Vec<Rational>>,
}

impl Row {
    /// The bound that an analysis has for it. The only atom of a disjunct stands for the disjunct.
    fn bound(&self, analysis: &Analysis) -> f64 {
        let atom = |a| analysis.margins.iter().find(|m| m.disjunct == self.disjunct && m.atom == a).unwrap().bound;
        self.atom.map_or(analysis.disjuncts[self.disjunct].bound, atom)
    }
}

struct Case {
    id: String,
    family: char,
    network: Network,
    query: Query,
    is_sat: bool,
    rows: Vec<Row>,
}

fn read(folder: &Path, row: &csv::StringRecord) -> (Network, Query) {
    let network = onnx::read(&folder.join(&row[2])).unwrap().network;
    let path = folder.join(&row[3]);
    let query = if row[3].ends_with(".json") {
        json_query::read(path, network.output_len()).unwrap()
    } else {
        vnnlib::read(path).unwrap().query
    };
    (network, query)
}

fn cases(of: &str, families: &str) -> Option<Vec<Case>> {
    let folder = folder(of, "micro")?;
    let mut cases: Vec<Case> = Vec::new();
    for row in csv::Reader::from_path(folder.join("truth.csv")).unwrap().records() {
        let row = row.unwrap();
        let family = row[1].chars().next().unwrap();
        if !families.contains(family) {
            continue;
        }
        if cases.last().is_none_or(|c| c.id != row[0]) {
            let (network, query) = read(&folder, &row);
            cases.push(Case { id: row[0].into(), family, network, query, is_sat: &row[8] == "sat", rows: Vec::new() });
        }
        let (disjunct, atom) = match row[4].split_once('.') {
            Some((k, i)) => (k.parse().unwrap(), Some(i.parse().unwrap())),
            None => (row[4].parse().unwrap(), None),
        };
        let given = |i: usize| (!row[i].is_empty()).then(|| Exact::parse(&row[i]));
        let exact = Exact::parse(&row[5]);
        let minimiser = exact.rational().map(|_| row[7].split(';').map(|x| parse_decimal(x).unwrap()).collect());
        let row = Row { disjunct, atom, exact, interval: given(9), deeppoly: given(10), minimiser };
        cases.last_mut().unwrap().rows.push(row);
    }
    Some(cases)
}

/// All bounds that a domain has, without looking for counterexamples.
fn bounds(case: &Case, domain: Method, concretise: Concretise, k: usize) -> Analysis {
    let options =
        Options { method: domain.with(k, false), concretise, all_margins: true, attack: false, ..Options::default() };
    analyze(&case.network, &case.query, &options).unwrap_or_else(|e| panic!("{}: {e}", case.id))
}

/// Collects what went wrong over all cases, then fails once with all of it.
fn check(cases: &[Case], of_case: impl Fn(&Case, &mut Vec<String>) + Sync) {
    let wrong: Vec<String> = cases
        .par_iter()
        .flat_map(|case| {
            let mut wrong = Vec::new();
            of_case(case, &mut wrong);
            wrong.into_iter().map(|w| format!("{}: {w}", case.id)).collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The bound must be at most `exact`, without tolerance, and at most 1e-9 below it.
fn compare(what: &str, row: &Row, bound: f64, exact: &Exact, wrong: &mut Vec<String>) {
    let short = exact.shortfall(bound);
    if !exact.is_at_least(bound) || short > 1e-9 {
        let (disjunct, atom) = (row.disjunct, row.atom);
        wrong.push(format!("{what} {disjunct}.{atom:?} is {bound}, exactly {} ({short:e} below)", exact.value()));
    }
}

/// The disjunct of that number, and its region's case.
fn disjunct(query: &Query, number: usize) -> (&absint::domains::query::Case, &Disjunct) {
    let all = query.cases.iter().flat_map(|c| c.property.disjuncts.iter().map(move |d| (c, d)));
    all.into_iter().nth(number).unwrap()
}

#[test]
fn each_minimum_is_attained_exactly_by_what_was_read() {
    let Some(cases) = cases("reproducing exact minima", "ABCDEF") else { return };
    let mut checked = 0;
    for case in &cases {
        for row in &case.rows {
            let Some(x) = &row.minimiser else { continue };
            let (region, disjunct) = disjunct(&case.query, row.disjunct);
            assert!(region.region.contains(x), "{}: the minimiser is outside of the region", case.id);
            let y = case.network.evaluate::<Rational>(x).unwrap();
            let margins: Vec<Rational> = disjunct.atoms.iter().map(|a| a.margin(x, &y)).collect();
            let found = row.atom.map_or_else(|| margins.iter().max().unwrap(), |a| &margins[a]);
            assert_eq!(Some(found), row.exact.rational(), "{} {}.{:?}", case.id, row.disjunct, row.atom);
            checked += 1;
        }
    }
    println!("{checked} minima are attained");
    assert!(checked > 200);
}

#[test]
fn interval_and_deeppoly_have_their_exact_values() {
    let Some(cases) = cases("comparing relaxations with their exact values", "ABCF") else { return };
    check(&cases, |case, wrong| {
        let interval = bounds(case, Method::INTERVAL, Concretise::Every, 1);
        let deeppoly = bounds(case, Method::DEEPPOLY, Concretise::Input, 1);
        for row in &case.rows {
            if let Some(exact) = &row.interval {
                compare("interval", row, row.bound(&interval), exact, wrong);
            }
            if let Some(exact) = &row.deeppoly {
                compare("deeppoly", row, row.bound(&deeppoly), exact, wrong);
            }
        }
    });
    let count = |pick: fn(&Row) -> bool| cases.iter().flat_map(|c| &c.rows).filter(|r| pick(r)).count();
    let counts = (count(|r| r.interval.is_some()), count(|r| r.deeppoly.is_some()));
    println!("{} interval and {} deeppoly margins have their exact values", counts.0, counts.1);
    assert!(counts.0 >= 80 && counts.1 >= 130, "{counts:?}");
}

#[test]
fn concretising_at_every_layer_lies_between_crown_and_the_exact_minimum() {
    let Some(cases) = cases("comparing deeppoly with exact minima", "ABCF") else { return };
    check(&cases, |case, wrong| {
        for domain in [Method::DEEPPOLY, Method::RATIONAL] {
            let analysis = bounds(case, domain, Concretise::Every, 1);
            for row in &case.rows {
                let bound = row.bound(&analysis);
                if !row.exact.is_at_least(bound) {
                    wrong.push(format!("{domain} {bound} exceeds the minimum {}", row.exact.value()));
                }
                if let Some(crown) = &row.deeppoly
                    && crown.shortfall(bound) > 1e-9
                {
                    wrong.push(format!("{domain} {bound} is below {}", crown.value()));
                }
            }
        }
    });
}

#[test]
fn no_bound_of_any_domain_exceeds_the_exact_minimum() {
    let Some(cases) = cases("comparing bounds with exact minima", "ABCDEF") else { return };
    check(&cases, |case, wrong| {
        for (domain, k) in domains() {
            let analysis = bounds(case, domain, Concretise::Every, k);
            for row in &case.rows {
                let bound = row.bound(&analysis);
                if !row.exact.is_at_least(bound) {
                    let (disjunct, atom) = (row.disjunct, row.atom);
                    let minimum = row.exact.value();
                    wrong.push(format!("{domain} k={k} {disjunct}.{atom:?} {bound} exceeds the minimum {minimum}"));
                }
            }
        }
    });
}

/// Every domain, kpoly for several k.
fn domains() -> Vec<(Method, usize)> {
    let cheap = [
        (Method::INTERVAL, 1),
        (Method::ZONOTOPE, 1),
        (Method::DEEPPOLY, 1),
        (Method::RATIONAL, 1),
        (Method::KPOLY, 1),
        (Method::KPOLY, 2),
        (Method::KPOLY, 3),
    ];
    let signum = [(Method::NAT, 1), (Method::HULL, 1), (Method::HULL_KPOLY, 3), (Method::AUTO, 3)];
    cheap.into_iter().chain(signum).collect()
}

#[test]
fn no_verdict_contradicts() {
    let Some(cases) = cases("deciding small queries", "ABCDEF") else { return };
    let mut wrong = Vec::new();
    println!("{:<10} {:>8} {:>9}  decided by family", "domain", "verified", "falsified");
    for (domain, k) in domains() {
        let options = Options { method: domain.with(k, false), ..Options::default() };
        let verdicts: Vec<Verdict> =
            cases.par_iter().map(|c| analyze(&c.network, &c.query, &options).unwrap().verdict).collect();
        let (mut verified, mut falsified, mut open) = (0, 0, Vec::new());
        let mut by_family: BTreeMap<char, (usize, usize)> = BTreeMap::new();
        for (case, verdict) in cases.iter().zip(verdicts) {
            let family = by_family.entry(case.family).or_default();
            family.1 += 1;
            let contradicts = match verdict {
                Verdict::Verified(_) => {
                    verified += 1;
                    case.is_sat
                }
                Verdict::Falsified(_) => {
                    falsified += 1;
                    !case.is_sat
                }
                Verdict::Unknown(_) => {
                    open.push(format!("{} ({})", case.id, if case.is_sat { "sat" } else { "unsat" }));
                    continue;
                }
            };
            family.0 += 1;
            if contradicts {
                wrong.push(format!("{domain} on {}", case.id));
            }
        }
        if domain == Method::AUTO {
            println!("open under auto: {}", open.join(" "));
        }
        let shown: Vec<String> = by_family.iter().map(|(f, (d, n))| format!("{f} {d}/{n}")).collect();
        let name = if domain == Method::KPOLY { format!("kpoly {k}") } else { domain.to_string() };
        println!("{name:<10} {verified:>8} {falsified:>9}  {}", shown.join("  "));
    }
    assert!(wrong.is_empty(), "wrong verdicts: {wrong:?}");
}

/// How much of the gap between deeppoly and the exact minimum each k closes, over all single margins.
#[test]
fn joint_cuts_close_part_of_the_gap() {
    let Some(cases) = cases("measuring the gap to the exact minimum", "ABCF") else { return };
    let gaps: Vec<[f64; 4]> = cases
        .par_iter()
        .map(|case| {
            let deeppoly = bounds(case, Method::DEEPPOLY, Concretise::Every, 1);
            let of_k: Vec<Analysis> = (1..=3).map(|k| bounds(case, Method::KPOLY, Concretise::Every, k)).collect();
            let mut gaps = [0.0; 4];
            for row in &case.rows {
                for (gap, analysis) in gaps.iter_mut().zip(std::iter::once(&deeppoly).chain(&of_k)) {
                    *gap += row.exact.shortfall(row.bound(analysis)).max(0.0);
                }
            }
            gaps
        })
        .collect();
    let total = gaps.iter().fold([0.0; 4], |sum, g| std::array::from_fn(|i| sum[i] + g[i]));
    println!(
        "sum of relative gaps: deeppoly {:.3}, kpoly 1 {:.3}, 2 {:.3}, 3 {:.3}",
        total[0], total[1], total[2], total[3]
    );
    assert!(total[1] < total[0] && total[2] < total[1] && total[3] < total[1], "{total:?}");
}

/// The exact engine for signum networks decides every case of the signum families, rightly; what it
/// verifies comes with a certificate that is accepted, for this network and query only.
#[test]
fn signum_networks_are_decided_exactly() {
    use absint::domains::budget::Budget;
    use absint::domains::domain::Run;
    use absint::exact::signum::{SignumOptions, check_formula, decide};
    let Some(cases) = cases("deciding signum networks", "DE") else { return };
    let certified = AtomicUsize::new(0);
    check(&cases, |case, wrong| {
        let options = SignumOptions { certify: true, ..SignumOptions::default() };
        match decide(&case.network, &case.query, &options, Run::silent(&Budget::unlimited())) {
            Err(e) => wrong.push(e.to_string()),
            Ok(answer) => {
                let is_sat = match &answer.verdict {
                    Verdict::Verified(proof) => {
                        for row in case.rows.iter().filter(|r| r.atom.is_none()) {
                            let bound = proof.bounds[row.disjunct];
                            if !row.exact.is_at_least(bound) {
                                wrong.push(format!("disjunct {} is not above {bound}", row.disjunct));
                            }
                        }
                        false
                    }
                    Verdict::Falsified(_) => true,
                    Verdict::Unknown(_) => return wrong.push("open".into()),
                };
                if is_sat != case.is_sat {
                    wrong.push(format!("the answer is {}", answer.verdict.name()));
                }
                if is_sat {
                    return;
                }
                if let Err(e) = accepted_only_as_they_are(&case.network, &case.query, &answer.certificates) {
                    wrong.push(e);
                }
                for other in cases.iter().filter(|other| other.id != case.id) {
                    let (network, query) = (&other.network, &case.query);
                    let fits = network.input_len() == case.network.input_len()
                        && network.output_len() == case.network.output_len();
                    if fits && check_formula(network, query, 0, &answer.certificates[0].opb).is_ok() {
                        wrong.push(format!("its certificate is accepted for the network of {}", other.id));
                    }
                }
                certified.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    println!("{} signum cases decided, {} of them certified", cases.len(), certified.into_inner());
}

#[test]
fn the_exact_engine_decides_every_query() {
    let Some(cases) = cases("deciding small queries exactly", "ABCDEF") else { return };
    let options = Options { method: Method::EXACT, ..Options::default() };
    check(&cases, |case, wrong| match analyze(&case.network, &case.query, &options).unwrap().verdict {
        Verdict::Verified(_) if !case.is_sat => {}
        Verdict::Falsified(_) if case.is_sat => {}
        other => wrong.push(format!("{} instead of {}", other.name(), if case.is_sat { "sat" } else { "unsat" })),
    });
    println!("{} queries are decided", cases.len());
}

#[test]
fn the_exact_engine_finds_every_minimum() {
    let Some(cases) = cases("finding exact minima", "ABCF") else { return };
    let finished = AtomicUsize::new(0);
    check(&cases, |case, wrong| {
        for row in &case.rows {
            let (region, disjunct) = disjunct(&case.query, row.disjunct);
            let atoms = row.atom.map_or_else(|| disjunct.atoms.clone(), |a| vec![disjunct.atoms[a].clone()]);
            let budget = deadline(Some(Duration::from_secs(30)));
            let run = Run::silent(&budget);
            let found = minimum(&case.network, &region.region, &Disjunct { atoms }, 9e-7, run).unwrap();
            let short = row.exact.shortfall(found.lower);
            let in_time = !budget.is_spent();
            finished.fetch_add(usize::from(in_time), Ordering::Relaxed);
            if !row.exact.is_at_least(found.lower)
                || (in_time && short > 1e-6)
                || found.upper < row.exact.value() - 1e-9
            {
                let exact = row.exact.value();
                wrong.push(format!("{}.{:?} is {found:?}, exactly {exact} ({short:e} below)", row.disjunct, row.atom));
            }
        }
    });
    let all: usize = cases.iter().map(|c| c.rows.len()).sum();
    println!("{} of {all} minima are bracketed within 30 seconds each", finished.into_inner());
}

/// The optimum of the integer program is the exact minimum wherever the region is polyhedral and values lie on
/// lattices; elsewhere it is a relaxation. The verdict that it leads to is right everywhere.
#[cfg(feature = "highs")]
#[test]
fn integer_programs_end_at_the_minimum() {
    use absint::attack::Target;
    use absint::domains::domain::Bounds;
    use absint::domains::query::{Ball, Case as QueryCase, Property};
    use absint::exact::milp::{MilpOptions, optimise};
    let Some(cases) = cases("solving small queries by integer programs", "ABCDEF") else { return };
    let options = Options { method: Method::MILP, ..Options::default() };
    let exactly = AtomicUsize::new(0);
    check(&cases, |case, wrong| {
        match analyze(&case.network, &case.query, &options).unwrap().verdict {
            Verdict::Verified(_) if !case.is_sat => {}
            Verdict::Falsified(_) if case.is_sat => {}
            other => wrong.push(format!("{} instead of {}", other.name(), if case.is_sat { "sat" } else { "unsat" })),
        }
        for row in &case.rows {
            let (region, disjunct) = disjunct(&case.query, row.disjunct);
            let atoms = row.atom.map_or_else(|| disjunct.atoms.clone(), |a| vec![disjunct.atoms[a].clone()]);
            let property = Property { disjuncts: vec![Disjunct { atoms }] };
            let alone = QueryCase::new(region.region.clone(), property);
            let budget = deadline(Some(Duration::from_secs(20)));
            let (options, run) = (MilpOptions::default(), Run::silent(&budget));
            let known = Bounds::unknown();
            let target = Target { network: &case.network, case: &alone, open: &[0] };
            let found = optimise(target, &known, &options, run).unwrap();
            let (exact, what) = (row.exact.value(), format!("{}.{:?}", row.disjunct, row.atom));
            let close = 1e-6 * (1.0 + exact.abs());
            let is_relaxed = case.family == 'D' || matches!(region.region.ball(), Ball::L2 { .. });
            if found.bound > exact + close || (!is_relaxed && found.bound < exact - close) {
                wrong.push(format!("{what} ends at {}, exactly {exact}", found.bound));
            }
            exactly.fetch_add(usize::from((found.bound - exact).abs() <= close), Ordering::Relaxed);
        }
    });
    let all: usize = cases.iter().map(|c| c.rows.len()).sum();
    println!("{} of {all} optima are the exact minimum", exactly.into_inner());
}
