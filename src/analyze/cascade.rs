use super::analysis::unstable;
use super::exact_step::run_exact;
#[cfg(feature = "highs")]
use super::exact_step::run_milp;
use super::{Analysis, DisjunctBound, DomainName, Margin, Options, Stage};
use crate::attack::{Attack, Flips, try_candidates};
use crate::domains::activation::Slopes;
use crate::domains::budget::Budget;
use crate::domains::domain::{
    AbstractDomain, Bounds, DeepPoly, DomainError, Fact, IntervalDomain, LpDomain, RationalDeepPoly, Run, Tighten,
    Trace, Zonotope, margin_lattice, propagate,
};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::num::Rational;
use crate::domains::observer::{Event, Observer, Silent};
use crate::domains::query::{Case, LinearForms, Query};
use crate::domains::verdict::{Gap, Proof, Verdict, Witness};
use crate::exact::signum::{self, BnnError, Certificate};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use thiserror::Error;

/// Why a query cannot be analysed at all.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AnalyzeError {
    /// A domain refused the query or contradicted itself.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The query names an input or output that the network does not have.
    #[error("the query reads {what}_{index}, but the network has only {available}")]
    Variable {
        /// `X` or `Y`.
        what: char,
        /// The index.
        index: usize,
        /// How many there are.
        available: usize,
    },
    /// The exact engine for signum networks contradicted itself, or cannot certify the query.
    #[error(transparent)]
    Signum(#[from] BnnError),
    /// Certificates are asked for where there are none.
    #[error("only signum networks over two-valued or quantised inputs, or few real ones, have certificates")]
    NoCertificate,
    /// An activation that rounds in float32.
    #[error(
        "node `{0}`: float32 analysis takes activations whose values are exact in float32 (ReLU, Sign, Clip); \
         use --arithmetic real"
    )]
    Float32Activation(String),
    /// Certificates are about real arithmetic.
    #[error("certificates hold in real arithmetic only; leave out --arithmetic float32")]
    Float32Certificate,
    /// A query without any case says nothing.
    #[error("the query has no disjunct: nothing is unsafe")]
    Nothing,
}

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
    if options.certify && !query.cases.iter().all(|case| signum::applies(network, &case.region)) {
        return Err(AnalyzeError::NoCertificate);
    }
    let mut state = State::new(network, query);
    for step in plan(options, network) {
        let is_decided = state.witness.is_some() || (state.is_verified() && !options.all_margins);
        if is_decided || run.budget.is_spent() {
            break;
        }
        run.observer.event(Event::Stage(step.name()));
        state.stage(step, options, run)?;
    }
    Ok(state.finish(run.budget))
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

/// One step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Interval,
    Zonotope,
    DeepPoly(Slopes),
    Rational,
    Attack,
    LpGreedy,
    LpLast,
    LpAll,
    Lp {
        joint: bool,
        hull: bool,
    },
    #[cfg(feature = "highs")]
    Milp,
    Exact,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Interval => "interval",
            Self::Zonotope => "zonotope",
            Self::DeepPoly(_) => "deeppoly",
            Self::Rational => "rational",
            Self::Attack => "attack",
            Self::LpGreedy => "lp-greedy",
            Self::LpLast => "lp-last",
            Self::LpAll => "lp-all",
            Self::Lp { joint: true, hull: false } => "kpoly",
            Self::Lp { joint: false, hull: false } => "nat",
            Self::Lp { joint: false, hull: true } => "hull",
            Self::Lp { joint: true, hull: true } => "hull+kpoly",
            #[cfg(feature = "highs")]
            Self::Milp => "milp",
            Self::Exact => "exact",
        }
    }
}

/// The steps of a domain: cheap ones first, each only where something is still open.
fn plan(options: &Options, network: &Network) -> Vec<Step> {
    let first = options.slopes.first().copied().unwrap_or_default();
    let more = options.slopes.iter().skip(1).map(|&slopes| Step::DeepPoly(slopes));
    let deeppoly = || std::iter::once(Step::DeepPoly(first)).chain(more.clone());
    let lp = |joint, hull| deeppoly().chain([Step::Attack, Step::Lp { joint, hull }]).collect();
    let has_steps = network.has_steps();
    let steps = match options.domain {
        // What other domains verify has no certificate.
        _ if options.certify => vec![Step::Attack, Step::Exact],
        DomainName::Interval => vec![Step::Interval, Step::Attack],
        DomainName::Zonotope => vec![Step::Zonotope, Step::Attack],
        DomainName::DeepPoly => deeppoly().chain([Step::Attack]).collect(),
        DomainName::Rational => vec![Step::Rational, Step::Attack],
        DomainName::LpGreedy => vec![Step::LpGreedy, Step::Attack],
        DomainName::LpLast => vec![Step::LpGreedy, Step::Attack, Step::LpLast],
        DomainName::LpAll => vec![Step::LpGreedy, Step::Attack, Step::LpAll],
        DomainName::LpAllKPoly => {
            vec![Step::LpGreedy, Step::Attack, Step::LpAll, Step::Lp { joint: true, hull: false }]
        }
        DomainName::KPoly => lp(true, false),
        DomainName::Nat => lp(false, false),
        DomainName::Hull => lp(false, true),
        DomainName::HullKPoly => lp(true, true),
        DomainName::Exact => deeppoly().chain([Step::Attack, Step::Exact]).collect(),
        // The program's optimum is its own attack.
        #[cfg(feature = "highs")]
        DomainName::Milp => deeppoly().chain([Step::Milp, Step::Exact]).collect(),
        DomainName::Auto => {
            let last = Step::Lp { joint: true, hull: has_steps };
            let rest = [Step::Attack, Step::Rational, last, Step::Exact];
            std::iter::once(Step::Interval).chain(deeppoly()).chain(rest).collect()
        }
    };
    let is_wanted = |step: &Step| match step {
        Step::Attack => options.attack,
        Step::Rational => {
            let is_real = network.arithmetic() == Arithmetic::Real;
            options.domain == DomainName::Rational || (is_real && RationalDeepPoly::is_affordable(network))
        }
        _ => true,
    };
    steps.into_iter().filter(is_wanted).collect()
}

/// What is known of one case.
pub(super) struct CaseState<'a> {
    pub case: &'a Case,
    /// Number of its first disjunct in the query.
    pub first: usize,
    pub bounds: Bounds,
    /// Best lower bounds of the margins, by disjunct and atom.
    margins: Vec<Vec<f64>>,
    /// Best lower bounds of the disjuncts' maxima.
    disjuncts: Vec<f64>,
}

impl CaseState<'_> {
    /// The disjuncts that are not refuted, by index in the case.
    pub fn open(&self) -> Vec<usize> {
        (0..self.disjuncts.len()).filter(|&d| self.disjuncts[d] <= 0.0).collect()
    }

    /// Takes over a bound of a disjunct's maximum, which is also its atom's when there is just one.
    pub fn settle(&mut self, d: usize, bound: f64, found: &mut [Vec<f64>]) {
        // +∞: there is no input at all.
        let bound = bound.min(f64::MAX);
        self.disjuncts[d] = self.disjuncts[d].max(bound);
        if let [margin] = &mut found[d][..] {
            *margin = margin.max(bound);
            self.margins[d][0] = self.margins[d][0].max(bound);
        }
    }

    fn improve(&mut self, d: usize, atom: usize, bound: f64) {
        self.margins[d][atom] = self.margins[d][atom].max(bound);
        self.disjuncts[d] = self.disjuncts[d].max(bound);
    }
}

struct State<'a> {
    network: &'a Network,
    cases: Vec<CaseState<'a>>,
    stages: Vec<Stage>,
    witness: Option<Witness>,
    certificates: Vec<Certificate>,
}

impl<'a> State<'a> {
    fn new(network: &'a Network, query: &'a Query) -> Self {
        let mut first = 0;
        let mut cases = Vec::new();
        for case in &query.cases {
            let disjuncts = &case.property.disjuncts;
            cases.push(CaseState {
                case,
                first,
                bounds: Bounds::unknown(),
                margins: disjuncts.iter().map(|d| vec![f64::NEG_INFINITY; d.atoms.len()]).collect(),
                disjuncts: vec![f64::NEG_INFINITY; disjuncts.len()],
            });
            first += disjuncts.len();
        }
        Self { network, cases, stages: Vec::new(), witness: None, certificates: Vec::new() }
    }

    fn is_verified(&self) -> bool {
        self.cases.iter().all(|c| c.open().is_empty())
    }

    fn stage(&mut self, step: Step, options: &Options, run: Run<'_>) -> Result<(), AnalyzeError> {
        let start = Instant::now();
        let counter = Counter { inner: run.observer, lps: 0.into(), cuts: 0.into(), candidates: Mutex::default() };
        let counted = Run { budget: run.budget, observer: &counter };
        let mut stage = Stage {
            name: step.name().into(),
            time: start.elapsed(),
            margins: Vec::new(),
            unstable: Vec::new(),
            lps: 0,
            cuts: 0,
            milp_bound: None,
        };
        for case in &mut self.cases {
            let mut found: Vec<Vec<f64>> = case.margins.iter().map(|m| vec![f64::NEG_INFINITY; m.len()]).collect();
            let is_wanted = !case.open().is_empty() || (options.all_margins && step != Step::Attack);
            if is_wanted && self.witness.is_none() && !run.budget.is_spent() {
                let network = self.network;
                match step {
                    Step::Attack => {
                        let attack = Attack::short(options.seed);
                        self.witness = attack.run(network, case.case, &case.open(), case.first, run.budget).witness;
                        if self.witness.is_none() && network.arithmetic() == Arithmetic::Float32 {
                            self.witness = probe(network, case.case, &case.open(), case.first);
                        }
                    }
                    #[cfg(feature = "highs")]
                    Step::Milp => {
                        let (witness, bound) = run_milp(network, case, options, counted)?;
                        self.witness = witness;
                        stage.milp_bound = Some(stage.milp_bound.map_or(bound, |least| least.min(bound)));
                    }
                    Step::Exact => {
                        let certificates = &mut self.certificates;
                        self.witness = run_exact(network, case, options, counted, &mut found, certificates)?;
                    }
                    _ => match run_domain(step, network, case, options, counted, &mut found, &mut stage.unstable) {
                        Ok(()) | Err(DomainError::OutOfTime | DomainError::Float32 { .. }) => {}
                        Err(other) => return Err(other.into()),
                    },
                }
                let candidates = counter.take_candidates();
                if self.witness.is_none() && options.attack {
                    self.witness = try_candidates(network, case.case, &case.open(), case.first, &candidates);
                }
                let is_worth_flipping = step == Step::Attack || (options.attack && !candidates.is_empty());
                if self.witness.is_none() && is_worth_flipping && Flips::suits(network, &case.case.region) {
                    let (flips, suggested) = (Flips::short(options.seed), Vec::from(candidates));
                    self.witness = flips.run(network, case.case, &case.open(), case.first, &suggested, run.budget);
                }
            }
            stage.margins.extend(found.into_iter().flatten());
        }
        if step == Step::Attack {
            stage.margins.clear();
        }
        stage.time = start.elapsed();
        stage.lps = counter.lps.into_inner();
        stage.cuts = counter.cuts.into_inner();
        self.stages.push(stage);
        Ok(())
    }

    fn finish(self, budget: &Budget) -> Analysis {
        let open: Vec<usize> = self.cases.iter().flat_map(|c| c.open().into_iter().map(move |d| c.first + d)).collect();
        let disjuncts: Vec<DisjunctBound> =
            self.cases.iter().flat_map(|c| &c.disjuncts).map(|&bound| DisjunctBound { bound }).collect();
        let verdict = match self.witness {
            Some(witness) => Verdict::Falsified(witness),
            None if open.is_empty() => Verdict::Verified(Proof { bounds: disjuncts.iter().map(|d| d.bound).collect() }),
            None => Verdict::Unknown(Gap { open, out_of_time: budget.is_spent() }),
        };
        let margins = self
            .cases
            .iter()
            .flat_map(|c| c.margins.iter().enumerate().map(move |(d, atoms)| (c.first + d, atoms)))
            .flat_map(|(disjunct, atoms)| {
                atoms.iter().enumerate().map(move |(atom, &bound)| Margin { disjunct, atom, bound })
            })
            .collect();
        // A part of the cases refuted proves nothing.
        let is_verified = matches!(verdict, Verdict::Verified(_));
        let certificates = if is_verified { self.certificates } else { Vec::new() };
        Analysis {
            verdict,
            certificates,
            stages: self.stages,
            margins,
            disjuncts,
            bounds: self.cases.into_iter().map(|c| c.bounds).collect(),
        }
    }
}

/// Runs the domain of a step on one case.
fn run_domain(
    step: Step,
    network: &Network,
    case: &mut CaseState,
    options: &Options,
    run: Run<'_>,
    found: &mut [Vec<f64>],
    unstable: &mut Vec<usize>,
) -> Result<(), DomainError> {
    let first = options.slopes.first().copied().unwrap_or_default();
    let deeppoly = |slopes| DeepPoly { concretise: options.concretise, slopes };
    match step {
        Step::Interval => apply(&IntervalDomain, network, case, options, run, found, unstable),
        Step::Zonotope => apply(&Zonotope, network, case, options, run, found, unstable),
        Step::DeepPoly(slopes) => apply(&deeppoly(slopes), network, case, options, run, found, unstable),
        Step::Rational => apply(&RationalDeepPoly, network, case, options, run, found, unstable),
        Step::LpGreedy => apply(&DeepPoly::greedy(), network, case, options, run, found, unstable),
        Step::LpLast | Step::LpAll | Step::Lp { .. } => {
            let (joint, hull) = if let Step::Lp { joint, hull } = step { (joint, hull) } else { (false, false) };
            let refine = step == Step::LpAll || (options.refine && step != Step::LpLast);
            let domain = LpDomain {
                hull,
                base: if step == Step::LpLast { DeepPoly::greedy() } else { deeppoly(first) },
                tighten: if refine { Tighten::All } else { Tighten::None },
                goal: if options.all_margins { f64::INFINITY } else { 0.0 },
                fail_fast: !options.all_margins && case.case.property.disjuncts.iter().all(|d| d.atoms.len() == 1),
                ..LpDomain::kpoly(if joint { options.k } else { 1 }, options.lp)
            };
            apply(&domain, network, case, options, run, found, unstable)
        }
        #[cfg(feature = "highs")]
        Step::Milp => Ok(()),
        Step::Attack | Step::Exact => Ok(()),
    }
}

/// Propagates the case's region through the network and bounds the margins that are still open.
fn apply<D: AbstractDomain>(
    domain: &D,
    network: &Network,
    case: &mut CaseState,
    options: &Options,
    run: Run<'_>,
    found: &mut [Vec<f64>],
    unstable: &mut Vec<usize>,
) -> Result<(), DomainError> {
    let trace = propagate(domain, network, &case.case.region, &case.bounds, run)?;
    case.bounds.intersect(&trace.bounds());
    count_unstable(&trace, unstable);
    let disjuncts = &case.case.property.disjuncts;
    let open = if options.all_margins { (0..disjuncts.len()).collect() } else { case.open() };
    let atoms: Vec<(usize, usize)> =
        open.iter().flat_map(|&d| (0..disjuncts[d].atoms.len()).map(move |a| (d, a))).collect();
    let forms = LinearForms::of_atoms(network, atoms.iter().map(|&(d, a)| &disjuncts[d].atoms[a]));
    if forms.is_empty() {
        return Ok(());
    }
    let bounds = |id: usize| trace.bounds_of(id);
    for (&(d, a), bound) in atoms.iter().zip(domain.minima(&forms, &trace)?) {
        // The least value above the bound that the margin can take.
        let bound = margin_lattice(&trace.network, &disjuncts[d].atoms[a], &bounds).at_least(bound, false);
        found[d][a] = bound;
        case.improve(d, a, bound);
    }
    // A disjunct of several atoms may be refuted by a combination of them.
    for d in open {
        let members: Vec<usize> = (0..atoms.len()).filter(|&i| atoms[i].0 == d).collect();
        if members.len() > 1 && case.disjuncts[d] <= 0.0 {
            let joint = domain.minimum_of_maximum(&forms.select(&members), &trace)?;
            case.disjuncts[d] = case.disjuncts[d].max(joint);
        }
    }
    Ok(())
}

/// Adds the unstable neurons of each activation layer to the counts.
fn count_unstable<F: Fact>(trace: &Trace<F>, counts: &mut Vec<usize>) {
    let of_layer: Vec<usize> = trace
        .network
        .activations()
        .map(|(_, activation)| unstable(activation, trace.bounds_of(activation.source)))
        .collect();
    counts.resize(of_layer.len(), 0);
    for (count, more) in counts.iter_mut().zip(of_layer) {
        *count += more;
    }
}

/// Replays the centre and the ends of the region's box: in float32 an order of summation may do what the real
/// network does not, so that no attack on that one leads there.
fn probe(network: &Network, case: &Case, open: &[usize], first: usize) -> Option<Witness> {
    let (lower, upper) = case.region.exact_box();
    let two = Rational::from(2);
    let centre: Vec<Rational> = lower.iter().zip(upper).map(|(l, u)| (l + u) / &two).collect();
    let points = [centre, lower.to_vec(), upper.to_vec()];
    let pairs = points.iter().flat_map(|x| open.iter().map(move |&d| (x, d)));
    pairs.map(|(x, d)| Witness::replay(network, case, d, first + d, x.clone())).find_map(|w| w)
}

/// Suggested inputs that are tried after a stage: the last ones, whose programs were the tightest.
const KEPT_CANDIDATES: usize = 32;

/// Passes events on, counting programs and cuts and keeping suggested inputs.
struct Counter<'a> {
    inner: &'a dyn Observer,
    lps: AtomicUsize,
    cuts: AtomicUsize,
    candidates: Mutex<VecDeque<Vec<f64>>>,
}

impl Counter<'_> {
    fn take_candidates(&self) -> VecDeque<Vec<f64>> {
        self.candidates.lock().map(|mut c| std::mem::take(&mut *c)).unwrap_or_default()
    }
}

impl Observer for Counter<'_> {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Lp { new_cuts, .. } => {
                self.lps.fetch_add(1, Ordering::Relaxed);
                self.cuts.fetch_add(new_cuts, Ordering::Relaxed);
            }
            Event::Candidate { input } => {
                if let Ok(mut candidates) = self.candidates.lock() {
                    if candidates.len() == KEPT_CANDIDATES {
                        candidates.pop_front();
                    }
                    candidates.push_back(input.to_vec());
                }
            }
            _ => {}
        }
        self.inner.event(event);
    }
}
