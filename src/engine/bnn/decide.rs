use super::BnnError;
use super::cells::Cell;
use super::encode::Encoded;
use super::load::{Preprocessing, Steps, load};
use super::region::{is_discrete, is_supported};
use super::steps::StepNetwork;
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::num::Rational;
use crate::domains::query::{Case, Query, Region};
use crate::domains::verdict::{Gap, Proof, Verdict, Witness};
use crate::engine::sat::{Config, Limits, Lit, Outcome, ProofSink, Solver, Statistics, VeripbLog};
use std::time::{Duration, Instant};

/// How the engine works.
#[derive(Clone, Copy, Debug)]
pub struct BnnOptions {
    /// What is derived before the search.
    pub preprocessing: Preprocessing,
    /// Settings of the solver.
    pub solver: Config,
    /// Whether a certificate is kept of every case that is refuted.
    pub certify: bool,
    /// After so many conflicts in one case the search ends, decided or not.
    pub conflicts: u64,
}

impl Default for BnnOptions {
    fn default() -> Self {
        Self { preprocessing: Preprocessing::default(), solver: Config::default(), certify: false, conflicts: u64::MAX }
    }
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
    /// The disjuncts that are refuted, each with a positive lower bound of the maximum of its margins.
    pub refuted: Vec<(usize, f64)>,
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

/// Whether the engine is the one for a network and a region: there are activations, all of them are step
/// functions, and the inputs are two-valued or quantised, or they are few.
#[must_use]
pub fn applies(network: &Network, region: &Region) -> bool {
    let mut activations = network.activations().peekable();
    activations.peek().is_some()
        && activations.all(|(_, a)| a.function.pieces().iter().all(|piece| piece.slope == 0.0))
        && is_supported(region)
}

/// Whether a refutation also comes with a [`Certificate`]: not over real inputs.
#[must_use]
pub fn certifies(network: &Network, region: &Region) -> bool {
    applies(network, region) && is_discrete(region)
}

/// Decides a query on a signum network.
///
/// # Errors
/// A network with other activations than step functions, a region that is neither a box nor two-valued nor
/// quantised, numbers too large for 64-bit sums. Running out of time is no error but an *unknown*.
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
            refuted: Vec::new(),
            statistics: Statistics::default(),
            build: Duration::ZERO,
            search: Duration::ZERO,
            fixed: 0,
            certificates: Vec::new(),
        };
        let (mut first, mut open) = (0, Vec::new());
        for case in &query.cases {
            match self.case(case, options, run, &mut answer)? {
                Found::Point(d, input) => {
                    match Witness::replay(self.network, case, d, first + d, input.clone()) {
                        Some(witness) => {
                            answer.verdict = Verdict::Falsified(witness);
                            return Ok(answer);
                        }
                        None if self.network.evaluate::<Rational>(&input).is_ok() => return Err(BnnError::Replay),
                        // A tie that an enclosure of the parameters cannot decide.
                        None => open.push(first + d),
                    }
                }
                Found::Searched { refuted, open: of_case } => {
                    answer.refuted.extend(refuted.into_iter().map(|(d, bound)| (first + d, bound)));
                    open.extend(of_case.into_iter().map(|d| first + d));
                }
            }
            first += case.property.disjuncts.len();
        }
        answer.verdict = if open.is_empty() {
            Verdict::Verified(Proof { bounds: answer.refuted.iter().map(|r| r.1).collect() })
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
            let shared = SharedLog(&sink);
            let mut of_solver = SharedLog(&sink);
            let mut solver = Solver::new(options.solver);
            if options.certify {
                solver.log_to(&mut of_solver);
            }
            let steps: Option<&dyn Steps> = if options.certify { Some(&shared) } else { None };
            answer.fixed += load(&encoded, options.preprocessing, &mut solver, steps)?;
            answer.build += start.elapsed();
            let start = Instant::now();
            let found = search(&encoded, &mut solver, options.conflicts, run);
            answer.search += start.elapsed();
            answer.statistics.add(&solver.statistics());
            found
        };
        let is_proven = log.finish().unwrap_or(false);
        let is_complete = encoded.inputs.cells.is_none();
        let is_refuted = matches!(&found, Found::Searched { open, .. } if open.is_empty());
        if options.certify && is_complete && is_refuted && is_proven {
            answer.certificates.push(Certificate { opb: encoded.formula.to_opb(), proof });
        }
        Ok(found)
    }
}

/// The log, shared by the solver and the preprocessing.
struct SharedLog<'a, 'b, 'c>(&'a std::cell::RefCell<&'b mut VeripbLog<&'c mut Vec<u8>>>);

impl Steps for SharedLog<'_, '_, '_> {
    fn combine(&self, first: u32, second: u32, factor: i64) -> u32 {
        self.0.borrow_mut().combine(first, second, factor)
    }

    fn polish(&self, steps: &str) -> u32 {
        self.0.borrow_mut().polish(steps)
    }

    fn clause(&self, literals: &[Lit]) -> u32 {
        self.0.borrow_mut().conclude(literals)
    }
}

impl ProofSink for SharedLog<'_, '_, '_> {
    fn conclude(&mut self, clause: &[Lit]) -> u32 {
        self.0.borrow_mut().conclude(clause)
    }

    fn delete(&mut self, number: u32) {
        self.0.borrow_mut().delete(number);
    }
}

/// The answer to one case.
enum Found {
    /// A disjunct, and an input that should satisfy it.
    Point(usize, Vec<Rational>),
    /// The refuted disjuncts with a positive bound each, and those for which the limits were too tight.
    Searched { refuted: Vec<(usize, f64)>, open: Vec<usize> },
}

/// Disjunct by disjunct: what the solver learns of the network serves all of them.
fn search(encoded: &Encoded, solver: &mut Solver<'_>, conflicts: u64, run: Run<'_>) -> Found {
    let (mut refuted, mut open) = (Vec::new(), Vec::new());
    // A pattern of sides that no input has counts as a conflict, too.
    let mut cells = 0;
    for (d, (&selector, &bound)) in encoded.disjuncts.iter().zip(&encoded.bounds).enumerate() {
        loop {
            let mut interrupt = || run.budget.is_spent();
            let left = conflicts.saturating_sub(solver.statistics().conflicts + cells);
            let mut limits = Limits { conflicts: left, interrupt: &mut interrupt };
            match solver.solve(&[selector], &mut limits) {
                Outcome::Unsatisfiable => {
                    // For the next ones this is known; after the last it contradicts the clause of all selectors.
                    solver.add_clause(&[!selector]);
                    refuted.push((d, bound));
                }
                Outcome::Interrupted => open.push(d),
                Outcome::Satisfiable => match encoded.inputs.point(solver, &encoded.denominator, run.budget) {
                    Cell::Point(point) => return Found::Point(d, point),
                    Cell::OutOfTime => open.push(d),
                    Cell::Clause(clause) => {
                        solver.add_clause(&clause);
                        cells += 1;
                        if left > 0 {
                            continue;
                        }
                        open.push(d);
                    }
                },
            }
            break;
        }
    }
    Found::Searched { refuted, open }
}
