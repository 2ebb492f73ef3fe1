//! What the tables of the exact engine for signum networks share: centres, queries, answers.

use crate::job::Outcome;
use absint::analyze::deadline;
use absint::attack::{Attack, Flips, Target};
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::domains::num::{Rational, nearest};
use absint::domains::query::{Query, Region, RegionError};
use absint::domains::verdict::{Verdict, Witness};
use absint::exact::signum::{Compiled, SignumOptions};
use absint::format::opb::{Opb, OpbTerm, Relation};
use absint_sat::{Config, Limits, Lit, Outcome as Found, Solver, Var};
use float_ord::FloatOrd;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// A question that is not decided after so many conflicts, with everything tried that the engine tries besides, is open.
pub const MOST_CONFLICTS: u64 = 20_000;
/// Proofs of searches with more conflicts than this are not checked.
pub const MOST_CHECKED: u64 = 1_000_000;
/// And searches for them end after so long.
const PROVED_WITHIN: Duration = Duration::from_secs(10);
/// How long attacks are tried where the engine leaves a question open.
const ATTACKED_FOR: Duration = Duration::from_secs(30);

/// An image of the CSV files with known minima: `index,label,predicted,784 pixels`.
pub struct Sample {
    pub index: u32,
    pub pixels: Vec<u32>,
}

pub fn samples(file: &Path) -> Outcome<Vec<Sample>> {
    let mut all = Vec::new();
    for record in csv::Reader::from_path(file)?.deserialize() {
        let record: Vec<u32> = record?;
        let [index, _, _, ref pixels @ ..] = record[..] else { return Err("a line without pixels".into()) };
        all.push(Sample { index, pixels: pixels.to_vec() });
    }
    Ok(all)
}

/// The class of a network at a point; its floats are sums of small integers.
pub fn class(network: &Network, point: &[Rational]) -> Outcome<usize> {
    let logits = network.evaluate(&point.iter().map(nearest).collect::<Vec<f64>>())?;
    (0..logits.len()).max_by_key(|&i| FloatOrd(logits[i])).ok_or_else(|| "no class".into())
}

/// What is known of the distance to the nearest counterexample.
#[derive(Default)]
pub struct Minimum {
    /// The largest radius that was verified.
    pub verified: Option<usize>,
    /// The smallest one at which there is a counterexample.
    pub falsified: Option<usize>,
    /// Time of all queries, the last of which are repeated for the proof.
    pub time: Duration,
    pub conflicts: u64,
    /// Build time of one query.
    pub build: Duration,
    /// Time of the verified queries that have a proof, without and with it; the proof's formula and text included.
    pub plain: Duration,
    pub logged: Duration,
    /// Proofs of verified queries: accepted, and those that the time did not suffice for or that are too long to check.
    pub accepted: usize,
    pub unchecked: usize,
    pub check: Duration,
}

impl Minimum {
    pub fn to_json(&self) -> Value {
        json!({
            "verified": self.verified,
            "falsified": self.falsified,
            "time_s": self.time.as_secs_f64(),
            "conflicts": self.conflicts,
            "build_ms": self.build.as_secs_f64() * 1e3,
            "plain_s": self.plain.as_secs_f64(),
            "logged_s": self.logged.as_secs_f64(),
            "accepted": self.accepted,
            "unchecked": self.unchecked,
            "check_s": self.check.as_secs_f64(),
        })
    }
}

/// The radius of the ball around the centre that a witness needs.
pub type Distance<'a> = &'a dyn Fn(&Witness) -> usize;

/// The smallest radius at which there is a counterexample, one by one from the first; every query has this long.
/// Where one is too hard, the attack looks for a counterexample at that radius and larger ones, and the distance
/// of what it finds counts.
pub fn minimum(
    (network, compiled): (&Network, &Compiled<'_>),
    ball: &dyn Fn(usize) -> Result<Query, RegionError>,
    distance: Distance<'_>,
    radii: std::ops::RangeInclusive<usize>,
    limit: Duration,
) -> Outcome<Minimum> {
    let mut found = Minimum::default();
    for radius in radii.clone() {
        let query = ball(radius)?;
        let start = Instant::now();
        let options = SignumOptions { conflicts: MOST_CONFLICTS, ..SignumOptions::default() };
        let answer = compiled.decide(&query, &options, Run::silent(&deadline(Some(limit))))?;
        let time = start.elapsed();
        found.time += time;
        found.conflicts += answer.statistics.conflicts;
        found.build = answer.build;
        match answer.verdict {
            Verdict::Verified(_) => {
                found.verified = Some(radius);
                prove(compiled, &query, time, &mut found)?;
            }
            Verdict::Falsified(witness) => {
                found.falsified = Some(distance(&witness));
                break;
            }
            Verdict::Unknown(_) => {
                found.falsified = attacked(network, ball, distance, radius..=*radii.end(), ATTACKED_FOR.min(limit))?;
                break;
            }
        }
    }
    Ok(found)
}

/// The distance of what the attack finds at the first of ever larger radii.
fn attacked(
    network: &Network,
    ball: &dyn Fn(usize) -> Result<Query, RegionError>,
    distance: Distance<'_>,
    radii: std::ops::RangeInclusive<usize>,
    limit: Duration,
) -> Outcome<Option<usize>> {
    let budget = deadline(Some(limit));
    let mut radius = *radii.start();
    while radius <= *radii.end() && !budget.is_spent() {
        let query = ball(radius)?;
        for case in &query.cases {
            let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
            let target = Target { network, case, open: &open };
            // Some seconds of single flips after the gradients.
            let flips = Flips { restarts: 100, work: 1 << 33, ..Flips::short(0) };
            let found = Attack::pgd(0).run(target, &budget).witness;
            if let Some(witness) = found.or_else(|| flips.run(target, &[], &budget)) {
                return Ok(Some(distance(&witness)));
            }
        }
        radius += 1 + radius / 4;
    }
    Ok(None)
}

/// The same query with a certificate, which is checked.
fn prove(network: &Compiled<'_>, query: &Query, plain: Duration, found: &mut Minimum) -> Outcome<()> {
    let start = Instant::now();
    let certifying = SignumOptions { certify: true, ..SignumOptions::default() };
    let budget = deadline(Some(PROVED_WITHIN));
    let answer = network.decide(query, &certifying, Run::silent(&budget))?;
    let is_late = matches!(&answer.verdict, Verdict::Unknown(gap) if gap.out_of_time);
    if is_late || answer.statistics.conflicts > MOST_CHECKED {
        found.unchecked += 1;
        return Ok(());
    }
    found.plain += plain;
    found.logged += start.elapsed();
    let start = Instant::now();
    if answer.certificates.len() != query.cases.len() {
        return Err("a verified query without its certificate".into());
    }
    for certificate in &answer.certificates {
        certificate.check()?;
    }
    found.accepted += 1;
    found.check += start.elapsed();
    Ok(())
}

/// At most so many of the two-valued inputs flip.
pub fn flipped(
    network: &Network,
    [low, high]: [i32; 2],
    at_upper: &[bool],
    label: usize,
    flips: usize,
) -> Result<Query, RegionError> {
    let region = Region::hamming(&low.into(), &high.into(), at_upper.to_vec(), flips)?;
    Ok(Query::robustness(region, network.output_len(), label))
}

/// How many inputs of a witness are not at the centre.
pub fn flips_of(witness: &Witness, high: i32, at_upper: &[bool]) -> usize {
    let high = Rational::from(high);
    witness.input().iter().zip(at_upper).filter(|(x, is_high)| (**x == high) != **is_high).count()
}

/// The least value of an OPB file's objective, a number of flips, one by one as in [`minimum`].
pub fn least_objective(opb: &Opb, limit: Duration) -> Outcome<Value> {
    let literal = |t: &OpbTerm| Var::new(t.variable - 1).is(!t.is_negated);
    let negated =
        |terms: &[OpbTerm]| -> Vec<(i64, Lit)> { terms.iter().map(|t| (-t.coefficient, literal(t))).collect() };
    let objective = opb.objective.as_ref().ok_or("no objective")?;
    let (mut verified, mut conflicts) = (None, 0);
    let (start, mut falsified) = (Instant::now(), None);
    for flips in 1i64.. {
        let mut solver = Solver::new(Config::default());
        while solver.vars() < opb.variables {
            solver.new_var();
        }
        for constraint in &opb.constraints {
            if constraint.relation != Relation::AtMost {
                let terms: Vec<(i64, Lit)> = constraint.terms.iter().map(|t| (t.coefficient, literal(t))).collect();
                solver.add_at_least(&terms, constraint.bound)?;
            }
            if constraint.relation != Relation::AtLeast {
                solver.add_at_least(&negated(&constraint.terms), -constraint.bound)?;
            }
        }
        solver.add_at_least(&negated(objective), -flips)?;
        let budget = deadline(Some(limit));
        let mut interrupt = || budget.is_spent();
        let found = solver.solve(&[], &mut Limits { conflicts: u64::MAX, interrupt: &mut interrupt });
        conflicts += solver.statistics().conflicts;
        match found {
            Found::Unsatisfiable => verified = Some(flips),
            Found::Satisfiable => {
                falsified = Some(flips);
                break;
            }
            Found::Interrupted => break,
        }
    }
    Ok(json!({
        "verified": verified,
        "falsified": falsified,
        "time_s": start.elapsed().as_secs_f64(),
        "conflicts": conflicts,
        "by": "sat",
    }))
}
