//! What is known of a query while its steps run, and the answer that this makes.

use super::analysis::{Analysis, Counters, DisjunctBound, Margin, Stage};
use super::case::{CaseState, Findings};
use super::error::AnalyzeError;
use super::method::{Completeness, Context, Options, Step};
use super::reasons::Reason;
use super::steps::follow;
use crate::attack::Candidates;
use crate::domains::domain::{Bounds, Run};
use crate::domains::observer::{Event, Observer};
use crate::domains::query::Query;
use crate::domains::verdict::{Gap, Proof, Verdict, Witness};
use crate::exact::signum::Certificate;
use crate::format::certificate::Script;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What is known of a query.
pub(super) struct State<'a> {
    cases: Vec<CaseState<'a>>,
    stages: Vec<Stage>,
    witness: Option<Witness>,
    certificates: Vec<Certificate>,
    reasons: Vec<Reason>,
}

impl<'a> State<'a> {
    /// Nothing is known yet.
    pub fn new(query: &'a Query, is_scripted: bool) -> Self {
        let cases = query.cases.iter().map(|case| CaseState::new(case, is_scripted)).collect();
        Self { cases, stages: Vec::new(), witness: None, certificates: Vec::new(), reasons: Vec::new() }
    }

    /// Whether there is neither a proof nor a witness.
    pub fn is_open(&self) -> bool {
        self.witness.is_none() && self.cases.iter().any(|c| !c.open().is_empty())
    }

    /// Whether nothing is left to do.
    pub fn is_decided(&self, options: &Options) -> bool {
        self.witness.is_some() || !(options.all_margins || self.is_open())
    }

    /// Runs a step on every case that it is wanted for, and looks at the inputs that it suggests.
    pub fn stage(&mut self, step: &dyn Step, context: &Context) -> Result<(), AnalyzeError> {
        let (start, options) = (Instant::now(), context.options);
        let programs = Programs { inner: context.run.observer, solved: 0.into(), cuts: 0.into() };
        let candidates = Candidates::new(&programs, KEPT_CANDIDATES);
        let inner = Context { run: Run { budget: context.run.budget, observer: &candidates }, ..*context };
        let mut stage = Stage::new(step.name());
        let neurons: usize = context.network.nodes().iter().map(|node| node.len).sum();
        let are_many = self.cases.len() > 1;
        for index in 0..self.cases.len() {
            let original = self.cases[index].case;
            // Where a step fails the case stays as if nothing were known.
            let known = std::mem::replace(&mut self.cases[index], CaseState::new(original, false));
            // What is made of a region goes with the clone: there may be thousands.
            let clone = are_many.then(|| original.clone());
            let mut case = known.over(clone.as_ref().unwrap_or(original));
            case.begin();
            let is_wanted = !case.open().is_empty() || (options.all_margins && step.has_margins());
            if is_wanted && self.witness.is_none() && !context.run.budget.is_spent() {
                step.run(&mut case, &inner)?;
                let suggested = candidates.take();
                if case.found.witness.is_none() && options.attack {
                    case.found.witness = follow(&case, suggested, context);
                }
            }
            // What a proof refers to is kept.
            if index.saturating_mul(neurons) > MOST_KEPT && !options.certify {
                case.bounds = Bounds::unknown();
            }
            let Findings { margins, unstable, counters, milp_bound, witness, certificates, reasons } =
                std::mem::take(&mut case.found);
            for reason in reasons {
                if !self.reasons.contains(&reason) {
                    self.reasons.push(reason);
                }
            }
            if step.has_margins() {
                stage.margins.extend(margins.into_iter().flatten());
            }
            stage.add(&unstable, counters, milp_bound);
            self.certificates.extend(certificates);
            self.witness = self.witness.take().or(witness);
            self.cases[index] = case.over(original);
        }
        stage.add(&[], programs.counters(), None);
        stage.time = start.elapsed();
        self.stages.push(stage);
        Ok(())
    }

    /// Why something is open: what the steps said, and what the method does not do.
    fn why(&self, context: &Context, out_of_time: bool) -> Vec<Reason> {
        let row = context.options.method.row();
        let only_bounds = row.completeness == Completeness::Incomplete;
        let first = match out_of_time {
            true => Some(Reason::OutOfTime),
            false => only_bounds.then_some(Reason::OnlyBounds(row.name)),
        };
        let last = (!context.options.attack).then_some(Reason::NoAttack);
        first.into_iter().chain(self.reasons.iter().cloned()).chain(last).collect()
    }

    /// What is known, without the bounds of neurons.
    pub fn answer(&self, context: &Context, out_of_time: bool) -> Analysis {
        let of_case = |c: &CaseState| c.open().into_iter().map(|d| c.case.first + d).collect::<Vec<_>>();
        let open: Vec<usize> = self.cases.iter().flat_map(of_case).collect();
        let bounds: Vec<f64> = self.cases.iter().flat_map(|c| c.disjuncts()).copied().collect();
        let disjuncts = bounds.iter().map(|&bound| DisjunctBound { bound }).collect();
        let verdict = match &self.witness {
            Some(witness) => Verdict::Falsified(witness.clone()),
            None if open.is_empty() => Verdict::Verified(Proof { bounds }),
            None => Verdict::Unknown(Gap { open, out_of_time }),
        };
        let is_open = matches!(verdict, Verdict::Unknown(_));
        let reasons = if is_open { self.why(context, out_of_time) } else { Vec::new() };
        let of_disjunct = |(disjunct, atoms): (usize, &Vec<f64>)| {
            let of_atom = |(atom, &bound)| Margin { disjunct, atom, bound };
            atoms.iter().enumerate().map(of_atom).collect::<Vec<_>>()
        };
        let of_case = |c: &CaseState| c.case.numbers().zip(c.margins()).flat_map(of_disjunct).collect::<Vec<_>>();
        let margins = self.cases.iter().flat_map(of_case).collect();
        let (stages, bounds, certificates) = (self.stages.clone(), Vec::new(), Vec::new());
        let assumed_ulps = context.network.rests_on_functions().then(|| context.network.ulps());
        Analysis { verdict, reasons, assumed_ulps, certificates, proof: None, stages, margins, disjuncts, bounds }
    }

    /// The answer in the end.
    pub fn finish(mut self, context: &Context) -> Analysis {
        let mut analysis = self.answer(context, context.run.budget.is_spent());
        // A part of the cases refuted proves nothing.
        if matches!(analysis.verdict, Verdict::Verified(_)) {
            analysis.certificates = self.certificates;
            let scripts = self.cases.iter_mut().map(|c| std::mem::take(&mut c.script)).collect();
            let is_script = context.options.certify && !context.network.is_signum();
            analysis.proof = is_script.then(|| Script::proof(scripts)).flatten();
        }
        analysis.bounds = self.cases.into_iter().map(|c| c.bounds).collect();
        analysis
    }
}

/// Bounds of no more neurons than this, of all cases together, are kept from one step to the next: 256 MiB.
const MOST_KEPT: usize = 1 << 24;

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
