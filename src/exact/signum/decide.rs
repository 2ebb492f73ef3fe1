//! From a query to constraints, from constraints to an answer with its certificates.

use super::SignumError;
use super::ascent::{guess, is_box};
use super::cells::{Cell, Infeasible};
use super::certificate::Certificate;
use super::circuit::Enumerated;
use super::encode::Encoded;
use super::enumerate::Enumeration;
use super::ledger::Ledger;
use super::load::{Preprocessing, load};
use super::memo::Memo;
use super::original::Original;
use super::quantiser::Quantiser;
use super::reach::Reach;
use super::region::is_supported;
use super::reuse::Encoder;
use super::steps::{StepNetwork, StepReader};
use crate::domains::budget::Budget;
use crate::domains::domain::Run;
use crate::domains::network::{Arithmetic, Network};
use crate::domains::num::Rational;
use crate::domains::query::{Case, Query};
use crate::domains::verdict::{Gap, Proof, Verdict, Witness};
use absint_check::Lemma;
use absint_sat::{Config, Limits, Lit, Outcome, ProofSink, Solver, Statistics, VeripbLog};
use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so many conflicts an input is guessed for the search to try.
const GUESS_AFTER: u64 = 50;

/// How the engine works.
#[derive(Clone, Copy, Debug)]
pub struct SignumOptions {
    /// What is derived before the search.
    pub preprocessing: Preprocessing,
    /// Settings of the solver.
    pub solver: Config,
    /// Whether a certificate is kept of every case that is refuted.
    pub certify: bool,
    /// After so many conflicts in one case the search ends, decided or not.
    pub conflicts: u64,
    /// Where there may be more than so many, and no certificate is wanted, every input of a small region is tried before the
    /// search goes on, or every pattern that the inputs of a small ball make of the first layer.
    pub enumerate_after: u64,
}

impl Default for SignumOptions {
    fn default() -> Self {
        Self {
            preprocessing: Preprocessing::default(),
            solver: Config::default(),
            certify: false,
            conflicts: u64::MAX,
            enumerate_after: 1000,
        }
    }
}

/// The verdict, and what it took.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// The disjuncts that are refuted, each with a lower bound of the maximum of its margins: positive, or 0 where all atoms
    /// are strict.
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

impl Answer {
    /// Nothing is known.
    fn unknown(query: &Query) -> Self {
        Self {
            verdict: Verdict::Unknown(Gap { open: (0..query.disjuncts()).collect(), out_of_time: true }),
            refuted: Vec::new(),
            statistics: Statistics::default(),
            build: Duration::ZERO,
            search: Duration::ZERO,
            fixed: 0,
            certificates: Vec::new(),
        }
    }
}

/// A network made ready for many queries. What they have in common is kept, so that the first query over certain
/// values of the inputs takes longer than those after it.
pub struct Compiled<'a> {
    network: &'a Network,
    ready: Arc<Ready>,
    encoder: Memo<(), Encoder<'a>, 1>,
}

/// What is made of a network once, and kept in it.
struct Ready {
    /// The quantiser in front, and the encoder of what is behind it.
    quantised: Option<(Quantiser, StepReader, Memo<(), Encoder<'static>, 1>)>,
    /// The sums of the whole network.
    steps: (StepReader, Memo<(), StepNetwork, 1>),
}

impl Ready {
    fn of(network: &Network) -> Arc<Self> {
        let quantised = || Quantiser::of(network).map(|quantiser| (quantiser, StepReader::default(), Memo::default()));
        let Ok(ready) =
            network.derived(|| Ok::<_, Infallible>(Self { quantised: quantised(), steps: Default::default() }));
        ready
    }
}

/// Whether the engine is the one for a network and a case: there are activations, all of them are step
/// functions, and the inputs are two-valued or quantised, or the network quantises them, or they are few.
#[must_use]
pub fn applies(network: &Network, case: &Case) -> bool {
    network.is_signum()
        && (is_supported(&case.region) || (Quantiser::takes(case) && Ready::of(network).quantised.is_some()))
}

/// Whether a signum network begins with a quantiser, over whose steps the engine decides boxes of real inputs.
#[must_use]
pub fn quantises(network: &Network) -> bool {
    network.is_signum() && Ready::of(network).quantised.is_some()
}

/// Decides a query on a signum network; of a network in float32 it decides nothing.
///
/// # Errors
/// A network with other activations than step functions, a region that is neither a box nor two-valued nor
/// quantised, numbers too large for 64-bit sums. Running out of time is no error but an *unknown*.
pub fn decide(network: &Network, query: &Query, options: &SignumOptions, run: Run<'_>) -> Result<Answer, SignumError> {
    match Compiled::within(network, run.budget) {
        Err(SignumError::OutOfTime) => Ok(Answer::unknown(query)),
        compiled => compiled?.decide(query, options, run),
    }
}

impl<'a> Compiled<'a> {
    /// Reads the network once for all queries.
    ///
    /// # Errors
    /// A network with other activations than step functions.
    pub fn new(network: &'a Network) -> Result<Self, SignumError> {
        Self::within(network, &Budget::unlimited())
    }

    /// The same within a budget.
    ///
    /// # Errors
    /// As [`Compiled::new`], and [`SignumError::OutOfTime`].
    pub fn within(network: &'a Network, budget: &Budget) -> Result<Self, SignumError> {
        let compiled = Self { network, ready: Ready::of(network), encoder: Memo::default() };
        if compiled.ready.quantised.is_none() {
            compiled.encoder(budget)?;
        }
        Ok(compiled)
    }

    /// The encoder of the whole network, which is made when it is needed.
    fn encoder(&self, budget: &Budget) -> Result<Arc<Encoder<'a>>, SignumError> {
        self.encoder.get(&(), || {
            let (reader, steps) = &self.ready.steps;
            let steps = steps.get(&(), || reader.read(self.network, budget))?;
            Ok(Encoder::new(Cow::Borrowed(self.network), steps))
        })
    }

    /// Decides a query, as [`decide`].
    ///
    /// # Errors
    /// As [`decide`].
    pub fn decide(&self, query: &Query, options: &SignumOptions, run: Run<'_>) -> Result<Answer, SignumError> {
        let mut answer = Answer::unknown(query);
        if self.network.arithmetic() != Arithmetic::Real {
            let open = (0..query.disjuncts()).collect();
            answer.verdict = Verdict::Unknown(Gap { open, out_of_time: false });
            return Ok(answer);
        }
        let mut open = Vec::new();
        for case in &query.cases {
            let first = case.first;
            let found = match self.case(case, options, run, &mut answer) {
                // Then nothing is known of this case.
                Err(SignumError::OutOfTime) => {
                    let open = (0..case.property.disjuncts.len()).collect();
                    Found::Searched { refuted: Vec::new(), open }
                }
                other => other?,
            };
            match found {
                Found::Point(d, input) => {
                    // Where only some atoms are strict the formula is about the closure.
                    let is_closure = |d: usize| {
                        let disjunct = &case.property.disjuncts[d];
                        !disjunct.is_strict() && disjunct.atoms.iter().any(|a| a.is_strict)
                    };
                    match Witness::replay(self.network, case, d, input.clone()) {
                        Some(witness) => {
                            answer.verdict = Verdict::Falsified(witness);
                            return Ok(answer);
                        }
                        None if !is_closure(d) && self.network.evaluate::<Rational>(&input).is_ok() => {
                            return Err(SignumError::Replay);
                        }
                        // A tie that is none of a strict inequality, or that an enclosure of the parameters cannot
                        // decide; the others were not looked at.
                        None => open.extend(case.numbers()),
                    }
                }
                Found::Searched { refuted, open: of_case } => {
                    answer.refuted.extend(refuted.into_iter().map(|(d, bound)| (first + d, bound)));
                    open.extend(of_case.into_iter().map(|d| first + d));
                }
            }
        }
        answer.verdict = if open.is_empty() {
            Verdict::Verified(Proof { bounds: answer.refuted.iter().map(|r| r.1).collect() })
        } else {
            Verdict::Unknown(Gap { open, out_of_time: run.budget.is_spent() })
        };
        Ok(answer)
    }

    /// One case, over what the network's quantiser makes of its inputs where it takes them.
    fn case(
        &self,
        case: &Case,
        options: &SignumOptions,
        run: Run<'_>,
        answer: &mut Answer,
    ) -> Result<Found, SignumError> {
        if let Some((quantiser, reader, behind)) = self.ready.quantised.as_ref().filter(|_| Quantiser::takes(case))
            && let Some(quantised) = quantiser.case(case)
        {
            let behind = behind.get(&(), || {
                let steps = reader.read(quantiser.rest(), run.budget)?;
                Ok(Encoder::new(Cow::Owned(quantiser.rest().clone()), Arc::new(steps)))
            })?;
            return Ok(match self.encoded(&behind, &quantised, options, run, answer)? {
                Found::Point(d, values) => Found::Point(d, quantiser.point(&case.region, &values)),
                searched => searched,
            });
        }
        self.encoded(&*self.encoder(run.budget)?, case, options, run, answer)
    }

    fn encoded(
        &self,
        encoder: &Encoder<'_>,
        case: &Case,
        options: &SignumOptions,
        run: Run<'_>,
        answer: &mut Answer,
    ) -> Result<Found, SignumError> {
        let start = Instant::now();
        let prepared = encoder.encode(case, options.certify, run.budget)?;
        let encoded = &prepared.encoded;
        answer.build += start.elapsed();
        let mut lemmas = Vec::new();
        if !options.certify {
            return Ok(self.attempt(encoded, options, run, answer, &mut lemmas, None)?.0);
        }
        let (original, numbers) = encoder.original(case, &prepared, run.budget)?;
        loop {
            // What is known of real inputs belongs to the formula, so that the proof is made when all of it is
            // known.
            let known = lemmas.len();
            let certified = Some((&original, &numbers[..]));
            let (found, proof) = self.attempt(encoded, options, run, answer, &mut lemmas, certified)?;
            let is_refuted = matches!(&found, Found::Searched { .. }) && !found.is_open();
            if is_refuted && lemmas.len() > known {
                continue;
            }
            if let Some(proof) = proof.filter(|_| is_refuted) {
                let lemmas: Vec<Lemma> = lemmas.iter().map(lemma).collect();
                answer.certificates.push(Certificate { opb: original.to_opb(&lemmas), proof });
            }
            return Ok(found);
        }
    }

    /// One search, which adds to the lemmas; and its proof, where a certificate is wanted.
    fn attempt(
        &self,
        encoded: &Encoded,
        options: &SignumOptions,
        run: Run<'_>,
        answer: &mut Answer,
        lemmas: &mut Vec<Infeasible>,
        certified: Option<(&Original, &[[u32; 2]])>,
    ) -> Result<(Found, Option<Vec<u8>>), SignumError> {
        let start = Instant::now();
        let mut proof = Vec::new();
        let mut log = VeripbLog::new(&mut proof, certified.map_or(0, |c| c.0.inequalities() + lemmas.len()));
        let found = {
            let sink = std::cell::RefCell::new(&mut log);
            let mut shared = SharedLog(&sink);
            let mut solver = Solver::new(options.solver);
            if certified.is_some() {
                solver.log_to(&mut shared);
            }
            let ledger = match certified {
                Some((_, numbers)) => Ledger::new(numbers, &sink),
                None => Ledger::closed(),
            };
            answer.fixed += load(encoded, options.preprocessing, &mut solver, &ledger, run.budget)?;
            for lemma in lemmas.iter() {
                solver.add_clause(&lemma.clause());
            }
            answer.build += start.elapsed();
            let start = Instant::now();
            // Who asks for fewer conflicts asks for less work than that.
            let before = if certified.is_none() { options.enumerate_after } else { u64::MAX };
            let mut found = search(encoded, &mut solver, options.conflicts.min(before), run, lemmas);
            if found.is_open() && options.conflicts > before && !run.budget.is_spent() {
                found = match enumerated(encoded, run) {
                    Some(found) => found,
                    None => search(encoded, &mut solver, options.conflicts, run, lemmas),
                };
            }
            answer.search += start.elapsed();
            answer.statistics.add(&solver.statistics());
            found
        };
        let is_proven = log.finish().unwrap_or(false);
        Ok((found, is_proven.then_some(proof)))
    }
}

/// A lemma in the certificate's terms.
fn lemma(infeasible: &Infeasible) -> Lemma {
    let side = |(l, by): &(Lit, Rational)| ((l.var().index() + 1, l.is_negative()), by.clone());
    Lemma { sides: infeasible.sides.iter().map(side).collect(), always: infeasible.always.clone() }
}

/// The log, shared by the solver and the preprocessing.
struct SharedLog<'a, 'b, 'c>(&'a std::cell::RefCell<&'b mut VeripbLog<&'c mut Vec<u8>>>);

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

fn is_true(solver: &Solver<'_>, literal: Lit) -> bool {
    solver.value(literal.var()) != literal.is_negative()
}

impl Found {
    fn is_open(&self) -> bool {
        matches!(self, Self::Searched { open, .. } if !open.is_empty())
    }
}

/// What trying every pattern of the first layer says, or every input; `None` where there are too many, or the time is up.
fn enumerated(encoded: &Encoded, run: Run<'_>) -> Option<Found> {
    let result = match Reach::new(encoded).map(|patterns| patterns.run(run.budget)) {
        None | Some(Enumerated::TooMany) => Enumeration::new(encoded)?.run(run.budget),
        Some(tried) => tried,
    };
    match result {
        Enumerated::Point(d, values) => {
            let bit = |l: Lit| values[l.var().index()] != l.is_negative();
            match encoded.inputs.point(bit, &encoded.denominator, run.budget) {
                Cell::Point(point) => Some(Found::Point(d, point)),
                Cell::Empty(_) | Cell::OutOfTime => None,
            }
        }
        Enumerated::Refuted => {
            let refuted = encoded.goal.bounds.iter().copied().enumerate().collect();
            Some(Found::Searched { refuted, open: Vec::new() })
        }
        Enumerated::OutOfTime | Enumerated::TooMany => None,
    }
}

/// One search for all disjuncts: an input that makes one of them hold, whichever it is.
fn search(
    encoded: &Encoded,
    solver: &mut Solver<'_>,
    conflicts: u64,
    run: Run<'_>,
    lemmas: &mut Vec<Infeasible>,
) -> Found {
    // A pattern of sides that no input has counts as a conflict, too.
    let mut cells = 0;
    let mut may_guess = is_box(encoded) && solver.statistics().conflicts < GUESS_AFTER;
    loop {
        let mut interrupt = || run.budget.is_spent();
        let most = if may_guess { conflicts.min(GUESS_AFTER) } else { conflicts };
        let left = most.saturating_sub(solver.statistics().conflicts + cells);
        let mut limits = Limits { conflicts: left, interrupt: &mut interrupt };
        match solver.solve(&[], &mut limits) {
            Outcome::Satisfiable => {
                match encoded.inputs.point(|l| is_true(solver, l), &encoded.denominator, run.budget) {
                    Cell::Point(point) => {
                        let holds = |l: &Lit| is_true(solver, *l);
                        return Found::Point(encoded.goal.disjuncts.iter().position(holds).unwrap_or(0), point);
                    }
                    Cell::Empty(infeasible) => {
                        solver.add_clause(&infeasible.clause());
                        lemmas.push(infeasible);
                        cells += 1;
                        if left > 0 {
                            continue;
                        }
                    }
                    Cell::OutOfTime => {}
                }
            }
            Outcome::Interrupted if may_guess && most < conflicts && !run.budget.is_spent() => {
                may_guess = false;
                if let Some(guess) = guess(encoded, |l| solver.fixed(l), run.budget) {
                    solver.prefer(&guess.values);
                }
                continue;
            }
            Outcome::Unsatisfiable | Outcome::Interrupted => {}
        }
        // What is left open may have lost some disjuncts already.
        let is_refuted = |l: Lit| !solver.is_consistent() || solver.fixed(l) == Some(false);
        let (mut refuted, mut open) = (Vec::new(), Vec::new());
        for (d, (&selector, &bound)) in encoded.goal.disjuncts.iter().zip(&encoded.goal.bounds).enumerate() {
            if is_refuted(selector) { refuted.push((d, bound)) } else { open.push(d) }
        }
        return Found::Searched { refuted, open };
    }
}
