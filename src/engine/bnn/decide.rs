use super::BnnError;
use super::encode::Encoded;
use super::load::{Preprocessing, load};
use super::steps::StepNetwork;
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::num::Rational;
use crate::domains::query::{Case, Query};
use crate::domains::verdict::{Gap, Proof, Verdict, Witness};
use crate::engine::sat::{Config, Limits, Outcome, Solver, Statistics, VeripbLog};
use std::time::{Duration, Instant};

/// How the engine works.
#[derive(Clone, Copy, Debug, Default)]
pub struct BnnOptions {
    /// What is derived before the search.
    pub preprocessing: Preprocessing,
    /// Settings of the solver.
    pub solver: Config,
    /// Whether a certificate is kept of every case that is refuted.
    pub certify: bool,
}

/// Why no input of a case is unsafe, for [`crate::engine::sat::check::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The case, before any preprocessing, as an OPB file: satisfiable iff some input is unsafe.
    pub opb: String,
    /// The proof that it is not, in VeriPB format.
    pub proof: Vec<u8>,
}

/// The verdict, and what it took.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// The solver's work, summed over the query's cases.
    pub statistics: Statistics,
    /// Time to make the constraints, preprocessing included.
    pub build: Duration,
    /// Time of the search.
    pub search: Duration,
    /// Neurons that preprocessing fixed.
    pub fixed: usize,
    /// One per case that was refuted, where asked for.
    pub certificates: Vec<Certificate>,
}

/// A network made ready for many queries.
pub struct Compiled<'a> {
    network: &'a Network,
    steps: StepNetwork,
}

/// Decides a query on a signum network.
///
/// # Errors
/// A network with other activations than step functions, a region with real inputs, numbers too large
/// for 64-bit sums. Running out of time is no error but an *unknown*.
pub fn decide(network: &Network, query: &Query, options: &BnnOptions, run: Run<'_>) -> Result<Answer, BnnError> {
    Compiled::new(network)?.decide(query, options, run)
}

/// The formulas of a query's cases in OPB format, each satisfiable iff some input of its case is unsafe:
/// what a [`Certificate`] must be about.
///
/// # Errors
/// As [`decide`].
pub fn formulas(network: &Network, query: &Query) -> Result<Vec<String>, BnnError> {
    let steps = StepNetwork::new(network)?;
    let name_of = |node| network.node(node).name.clone();
    query.cases.iter().map(|case| Ok(Encoded::new(&steps, case, name_of)?.formula.to_opb())).collect()
}

impl<'a> Compiled<'a> {
    /// Reads the network once for all queries.
    ///
    /// # Errors
    /// A network with other activations than step functions.
    pub fn new(network: &'a Network) -> Result<Self, BnnError> {
        Ok(Self { network, steps: StepNetwork::new(network)? })
    }

    /// Decides a query, as [`decide`].
    ///
    /// # Errors
    /// As [`decide`].
    pub fn decide(&self, query: &Query, options: &BnnOptions, run: Run<'_>) -> Result<Answer, BnnError> {
        let mut answer = Answer {
            verdict: Verdict::Unknown(Gap { open: Vec::new(), out_of_time: true }),
            statistics: Statistics::default(),
            build: Duration::ZERO,
            search: Duration::ZERO,
            fixed: 0,
            certificates: Vec::new(),
        };
        let (mut first, mut bounds, mut open) = (0, Vec::new(), Vec::new());
        for case in &query.cases {
            match self.case(case, options, run, &mut answer)? {
                Found::Refuted(of_case) => bounds.extend(of_case),
                Found::Point(d, input) => {
                    let is_rational = self.network.evaluate::<Rational>(&input).is_ok();
                    match Witness::replay(self.network, case, d, first + d, input) {
                        Some(witness) => {
                            answer.verdict = Verdict::Falsified(witness);
                            return Ok(answer);
                        }
                        None if is_rational => return Err(BnnError::Replay),
                        // A tie that an enclosure of the parameters cannot decide.
                        None => open.push(first + d),
                    }
                }
                Found::Open(of_case) => open.extend(of_case.into_iter().map(|d| first + d)),
            }
            first += case.property.disjuncts.len();
        }
        answer.verdict = if open.is_empty() {
            Verdict::Verified(Proof { bounds })
        } else {
            Verdict::Unknown(Gap { open, out_of_time: run.budget.is_spent() })
        };
        Ok(answer)
    }

    fn case(&self, case: &Case, options: &BnnOptions, run: Run<'_>, answer: &mut Answer) -> Result<Found, BnnError> {
        let start = Instant::now();
        let name_of = |node| self.network.node(node).name.clone();
        let encoded = Encoded::new(&self.steps, case, name_of)?;
        let mut proof = Vec::new();
        let mut log = VeripbLog::new(&mut proof, encoded.formula.inequalities());
        let found = {
            let sink = std::cell::RefCell::new(&mut log);
            let mut shared = SharedLog(&sink);
            let mut solver = Solver::new(options.solver);
            if options.certify {
                solver.log_to(&mut shared);
            }
            let mut combine = |a, b, factor| {
                if options.certify {
                    sink.borrow_mut().combine(a, b, factor);
                }
            };
            answer.fixed += load(&encoded, options.preprocessing, &mut solver, &mut combine)?;
            answer.build += start.elapsed();
            let start = Instant::now();
            let found = search(&encoded, &mut solver, run);
            answer.search += start.elapsed();
            answer.statistics.add(&solver.statistics());
            found
        };
        let is_proven = log.finish().unwrap_or(false);
        let is_complete = encoded.inputs.cells.is_none();
        if options.certify && is_complete && matches!(found, Found::Refuted(_)) && is_proven {
            answer.certificates.push(Certificate { opb: encoded.formula.to_opb(), proof });
        }
        Ok(found)
    }
}

/// The log, shared by the solver and the preprocessing.
struct SharedLog<'a, 'b, 'c>(&'a std::cell::RefCell<&'b mut VeripbLog<&'c mut Vec<u8>>>);

impl crate::engine::sat::ProofSink for SharedLog<'_, '_, '_> {
    fn conclude(&mut self, clause: &[crate::engine::sat::Lit]) -> u32 {
        self.0.borrow_mut().conclude(clause)
    }

    fn delete(&mut self, number: u32) {
        self.0.borrow_mut().delete(number);
    }
}

/// The answer to one case.
enum Found {
    /// A positive bound per disjunct.
    Refuted(Vec<f64>),
    /// A disjunct, and an input that should satisfy it.
    Point(usize, Vec<Rational>),
    /// Disjuncts for which the time was too short.
    Open(Vec<usize>),
}

/// Disjunct by disjunct: what the solver learns of the network serves all of them.
fn search(encoded: &Encoded, solver: &mut Solver<'_>, run: Run<'_>) -> Found {
    let mut open = Vec::new();
    for (d, &selector) in encoded.disjuncts.iter().enumerate() {
        loop {
            let mut interrupt = || run.budget.is_spent();
            let mut limits = Limits { conflicts: u64::MAX, interrupt: &mut interrupt };
            match solver.solve(&[selector], &mut limits) {
                // For the next ones this is known; after the last it contradicts the clause of all selectors.
                Outcome::Unsatisfiable => solver.add_clause(&[!selector]),
                Outcome::Interrupted => open.push(d),
                Outcome::Satisfiable => match encoded.inputs.point(solver, &encoded.denominator) {
                    Ok(point) => return Found::Point(d, point),
                    Err(clause) => {
                        solver.add_clause(&clause);
                        continue;
                    }
                },
            }
            break;
        }
    }
    if open.is_empty() { Found::Refuted(encoded.bounds.clone()) } else { Found::Open(open) }
}
