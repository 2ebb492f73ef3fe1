use super::encode::Encoded;
use super::steps::StepNetwork;
use super::{BnnError, Preprocessing};
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::query::{Case, Query};
use crate::domains::verdict::{Gap, Proof, Verdict, Witness};
use crate::engine::sat::{Config, Limits, Outcome, Solver, Statistics};
use std::time::{Duration, Instant};

/// How the engine works.
#[derive(Clone, Copy, Debug, Default)]
pub struct BnnOptions {
    /// What is derived before the search.
    pub preprocessing: Preprocessing,
    /// Settings of the solver.
    pub solver: Config,
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
}

/// A network made ready for many queries.
pub struct Compiled<'a> {
    network: &'a Network,
    steps: StepNetwork,
}

/// The answer to one case.
enum Found {
    Refuted(Vec<f64>),
    Witness(Box<Witness>),
    Open(Vec<usize>),
}

/// Decides a query on a signum network.
///
/// # Errors
/// A network with other activations than step functions, a region with real inputs, numbers too large
/// for 64-bit sums. Running out of time is no error but an *unknown*.
pub fn decide(network: &Network, query: &Query, options: &BnnOptions, run: Run<'_>) -> Result<Answer, BnnError> {
    Compiled::new(network)?.decide(query, options, run)
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
        };
        let (mut first, mut bounds, mut open) = (0, Vec::new(), Vec::new());
        for case in &query.cases {
            match self.case(case, first, options, run, &mut answer)? {
                Found::Refuted(of_case) => bounds.extend(of_case),
                Found::Witness(witness) => {
                    answer.verdict = Verdict::Falsified(*witness);
                    return Ok(answer);
                }
                Found::Open(of_case) => open.extend(of_case),
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

    fn case(
        &self,
        case: &Case,
        first: usize,
        options: &BnnOptions,
        run: Run<'_>,
        answer: &mut Answer,
    ) -> Result<Found, BnnError> {
        let start = Instant::now();
        let mut solver = Solver::new(options.solver);
        let name_of = |node| self.network.node(node).name.clone();
        let encoded = Encoded::new(&self.steps, case, name_of, options.preprocessing, &mut solver)?;
        answer.build += start.elapsed();
        answer.fixed += encoded.fixed;
        let start = Instant::now();
        let mut open = Vec::new();
        let mut witness = None;
        // Disjunct by disjunct: what the solver learns of the network serves all of them.
        for (d, &selector) in encoded.disjuncts.iter().enumerate() {
            let mut interrupt = || run.budget.is_spent();
            let mut limits = Limits { conflicts: u64::MAX, interrupt: &mut interrupt };
            match solver.solve(&[selector], &mut limits) {
                Outcome::Unsatisfiable => {}
                Outcome::Interrupted => open.push(first + d),
                Outcome::Satisfiable => {
                    let input = encoded.inputs.point(&solver, &encoded.denominator);
                    witness = Some((d, input));
                    break;
                }
            }
        }
        answer.search += start.elapsed();
        let (total, of_case) = (&mut answer.statistics, solver.statistics());
        total.conflicts += of_case.conflicts;
        total.decisions += of_case.decisions;
        total.propagations += of_case.propagations;
        total.restarts += of_case.restarts;
        total.deleted += of_case.deleted;
        total.literals += of_case.literals;
        total.minimised += of_case.minimised;
        Ok(match witness {
            Some((d, input)) => {
                let witness = Witness::replay(self.network, case, d, first + d, input);
                Found::Witness(Box::new(witness.ok_or(BnnError::Replay)?))
            }
            None if open.is_empty() => Found::Refuted(encoded.bounds),
            None => Found::Open(open),
        })
    }
}
