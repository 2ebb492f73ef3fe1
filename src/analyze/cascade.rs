//! The loop: the steps of a method, one after the other, until the query is decided or the time is up.

use super::analysis::{Analysis, Counters, DisjunctBound, Margin, Stage};
use super::case::{CaseState, Findings};
use super::error::AnalyzeError;
use super::method::{Context, Method, Options, Step};
use super::registry::plan;
use super::steps::follow;
use crate::attack::Candidates;
use crate::domains::activation::Slopes;
use crate::domains::budget::Budget;
use crate::domains::domain::{DomainError, Run};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::observer::{Event, Observer, Silent};
use crate::domains::query::{Ball, Query};
use crate::domains::verdict::{Gap, Proof, Verdict, Witness};
use crate::exact::signum::{self, Certificate};
use crate::format::certificate::Script;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Analyses a query without a time limit, reporting to nobody.
///
/// ```
/// use absint::domains::num::parse_decimal;
/// use absint::domains::query::{Query, Region};
///
/// let (network, image) = absint::example::network_and_image()?;
/// let eps = parse_decimal("0.01")?;
/// let region = Region::linf(&image.pixels, &eps, None)?;
/// let query = Query::robustness(region, network.output_len(), image.label);
/// let analysis = absint::analyze(&network, &query, &absint::Options::default())?;
/// println!("{}", analysis.verdict.name());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub fn analyze(network: &Network, query: &Query, options: &Options) -> Result<Analysis, AnalyzeError> {
    analyze_within(network, query, options, Run { budget: &Budget::unlimited(), observer: &Silent })
}

/// Analyses a query within a budget, reporting progress to an observer.
///
/// Running out of time is no error: the verdict is then *unknown*, with all bounds found so far.
pub fn analyze_within(
    network: &Network,
    query: &Query,
    options: &Options,
    run: Run<'_>,
) -> Result<Analysis, AnalyzeError> {
    check_query(network, query)?;
    let network = &*options.executed(network);
    if network.arithmetic() == Arithmetic::Float32 {
        check_float32(network, options)?;
    }
    if options.certify {
        check_certifiable(network, query, options)?;
    }
    let context = Context { network, options, run };
    let mut state = State::new(query);
    for step in plan(&context) {
        let is_decided = state.witness.is_some() || (state.is_verified() && !options.all_margins);
        if is_decided || run.budget.is_spent() {
            break;
        }
        run.observer.event(Event::Stage(step.name()));
        state.stage(&*step, &context)?;
    }
    let is_proof = options.certify && !network.is_signum();
    Ok(state.finish(run.budget, is_proof))
}

/// Whether what the method verifies will have a certificate.
fn check_certifiable(network: &Network, query: &Query, options: &Options) -> Result<(), AnalyzeError> {
    let method = options.method;
    if network.is_signum() {
        if method != Method::EXACT {
            return Err(AnalyzeError::SignumCertificate);
        }
        let applies = query.cases.iter().all(|case| signum::applies(network, case));
        return if applies { Ok(()) } else { Err(AnalyzeError::NoCertificate) };
    }
    if !method.proves() {
        let proving: Vec<&str> = Method::ALL.iter().filter(|m| m.proves()).map(|m| m.row().name).collect();
        return Err(AnalyzeError::NoProof { method: method.to_string(), proving: proving.join(", ") });
    }
    if options.slopes.iter().any(|slopes| *slopes != Slopes::Area) {
        return Err(AnalyzeError::ProofSlopes);
    }
    if query.cases.iter().any(|case| case.region.ball() != &Ball::Box) {
        return Err(AnalyzeError::ProofRegion);
    }
    Ok(())
}

/// Whether float32 executions of the network can be analysed as asked.
fn check_float32(network: &Network, options: &Options) -> Result<(), AnalyzeError> {
    if let Some(id) = network.rounded_activation() {
        return Err(AnalyzeError::Float32Activation(network.node(id).name.clone()));
    }
    if options.certify { Err(AnalyzeError::Float32Certificate) } else { Ok(()) }
}

/// Whether the query fits the network: its regions have as many inputs, and its atoms read only what is
/// there.
///
/// # Errors
/// The [`AnalyzeError`] that an analysis would end with.
pub fn check_query(network: &Network, query: &Query) -> Result<(), AnalyzeError> {
    if query.disjuncts() == 0 {
        return Err(AnalyzeError::Nothing);
    }
    let (inputs, outputs) = (network.input_len(), network.output_len());
    for case in &query.cases {
        if case.region.len() != inputs {
            return Err(DomainError::Region { found: case.region.len(), expected: inputs }.into());
        }
        for atom in case.property.atoms() {
            let largest = atom.largest_indices();
            for (what, index, available) in [('X', largest.0, inputs), ('Y', largest.1, outputs)] {
                if let Some(index) = index.filter(|&i| i >= available) {
                    return Err(AnalyzeError::Variable { what, index, available });
                }
            }
        }
    }
    Ok(())
}

/// What is known of a query.
struct State<'a> {
    cases: Vec<CaseState<'a>>,
    stages: Vec<Stage>,
    witness: Option<Witness>,
    certificates: Vec<Certificate>,
}

impl<'a> State<'a> {
    fn new(query: &'a Query) -> Self {
        let cases = query.cases.iter().map(CaseState::new).collect();
        Self { cases, stages: Vec::new(), witness: None, certificates: Vec::new() }
    }

    fn is_verified(&self) -> bool {
        self.cases.iter().all(|c| c.open().is_empty())
    }

    /// Runs a step on every case that it is wanted for, and looks at the inputs that it suggests.
    fn stage(&mut self, step: &dyn Step, context: &Context) -> Result<(), AnalyzeError> {
        let (start, options) = (Instant::now(), context.options);
        let programs = Programs { inner: context.run.observer, solved: 0.into(), cuts: 0.into() };
        let candidates = Candidates::new(&programs, KEPT_CANDIDATES);
        let inner = Context { run: Run { budget: context.run.budget, observer: &candidates }, ..*context };
        let mut stage = Stage::new(step.name());
        for case in &mut self.cases {
            case.begin();
            let is_wanted = !case.open().is_empty() || (options.all_margins && step.has_margins());
            if is_wanted && self.witness.is_none() && !context.run.budget.is_spent() {
                step.run(case, &inner)?;
                let suggested = candidates.take();
                if case.found.witness.is_none() && options.attack {
                    case.found.witness = follow(case, suggested, context);
                }
            }
            let Findings { margins, unstable, counters, milp_bound, witness, certificates } =
                std::mem::take(&mut case.found);
            if step.has_margins() {
                stage.margins.extend(margins.into_iter().flatten());
            }
            stage.add(&unstable, counters, milp_bound);
            self.certificates.extend(certificates);
            self.witness = self.witness.take().or(witness);
        }
        stage.add(&[], programs.counters(), None);
        stage.time = start.elapsed();
        self.stages.push(stage);
        Ok(())
    }

    fn finish(self, budget: &Budget, is_proof: bool) -> Analysis {
        let of_case = |c: &CaseState| c.open().into_iter().map(|d| c.case.first + d).collect::<Vec<_>>();
        let open: Vec<usize> = self.cases.iter().flat_map(of_case).collect();
        let bounds: Vec<f64> = self.cases.iter().flat_map(|c| c.disjuncts()).copied().collect();
        let disjuncts = bounds.iter().map(|&bound| DisjunctBound { bound }).collect();
        let verdict = match self.witness {
            Some(witness) => Verdict::Falsified(witness),
            None if open.is_empty() => Verdict::Verified(Proof { bounds }),
            None => Verdict::Unknown(Gap { open, out_of_time: budget.is_spent() }),
        };
        let of_disjunct = |(disjunct, atoms): (usize, &Vec<f64>)| {
            let of_atom = |(atom, &bound)| Margin { disjunct, atom, bound };
            atoms.iter().enumerate().map(of_atom).collect::<Vec<_>>()
        };
        let of_case = |c: &CaseState| c.case.numbers().zip(c.margins()).flat_map(of_disjunct).collect::<Vec<_>>();
        let margins = self.cases.iter().flat_map(of_case).collect();
        // A part of the cases refuted proves nothing.
        let is_verified = matches!(verdict, Verdict::Verified(_));
        let certificates = if is_verified { self.certificates } else { Vec::new() };
        let scripts: Vec<&Script> = self.cases.iter().map(|c| &c.script).collect();
        let proof = (is_verified && is_proof).then(|| Script::proof(&scripts));
        let bounds = self.cases.into_iter().map(|c| c.bounds).collect();
        Analysis { verdict, certificates, proof, stages: self.stages, margins, disjuncts, bounds }
    }
}

/// Suggested inputs that are tried after a step.
const KEPT_CANDIDATES: usize = 32;

/// Passes events on, counting linear programs and cuts.
struct Programs<'a> {
    inner: &'a dyn Observer,
    solved: AtomicU64,
    cuts: AtomicU64,
}

impl Programs<'_> {
    fn counters(&self) -> Counters {
        let counted = [("lps", &self.solved), ("cuts", &self.cuts)];
        counted.into_iter().map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect()
    }
}

impl Observer for Programs<'_> {
    fn event(&self, event: Event<'_>) {
        if let Event::Lp { new_cuts, .. } = event {
            self.solved.fetch_add(1, Ordering::Relaxed);
            self.cuts.fetch_add(new_cuts as u64, Ordering::Relaxed);
        }
        self.inner.event(event);
    }
}
