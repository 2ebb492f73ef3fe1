//! Several domains on the same query: how tight each is, against the exact minimum as far as that is
//! known, and what it costs.

mod gap;
mod layers;

pub use gap::{Gap, Reference};
pub use layers::{BoundedLayer, LayerWidths, layers, output_volume};

use crate::analyze::{AnalyzeError, Completeness, Method, Options, analyze_within, deadline};
use crate::attack::{Attack, Attained, Candidates, attained, attained_at};
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::observer::{Event, Observer};
use crate::domains::query::{Case, Query};
use crate::domains::verdict::Verdict;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Suggested inputs that are kept of each query.
const KEPT_CANDIDATES: usize = 64;

/// What is compared, and how.
#[derive(Clone)]
pub struct Setting {
    /// The methods, each another one; that every margin is wanted, and that only the exact engine may attack, is
    /// seen to here.
    pub methods: Vec<Options>,
    /// The exact engine, one more contestant whose bound is the reference where it finishes, as are the
    /// margins at the inputs that it comes upon.
    pub exact: Option<Options>,
    /// The attack that finds the smallest attained margin; without one there is no upper reference.
    pub attack: Option<Attack>,
    /// The time for each method on each query.
    pub timeout: Option<Duration>,
    /// Whether the output box is bounded too (two more bounds per output).
    pub volume: bool,
}

impl Setting {
    /// The contestants in the order of the measurements: the domains, then the exact engine.
    pub fn contestants(&self) -> impl Iterator<Item = &Options> {
        self.methods.iter().chain(&self.exact)
    }
}

/// How a contestant answered a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It proved the property.
    Verified,
    /// There is a counterexample: the attack's (which all share) or its own.
    Falsified,
    /// Neither.
    Unknown,
    /// Neither, and its time was up.
    OutOfTime,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Falsified => "falsified",
            Self::Unknown => "unknown",
            Self::OutOfTime => "timeout",
        }
    }
}

/// What one contestant found about one query.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The answer.
    pub outcome: Outcome,
    /// Certified lower bound of the query's margin: the smallest over its disjuncts of the largest
    /// margin of their atoms, over the whole region. −∞ when there is none.
    pub margin: f64,
    /// Time to bound the neurons and every margin (the output box not included).
    pub time: Duration,
    /// Linear programs solved.
    pub lps: u64,
    /// Joint cuts added to them.
    pub cuts: u64,
    /// Per layer (see [`layers`]) the bounds of the pre-activations; `None` where it did not get there.
    pub layers: Vec<Option<LayerWidths>>,
    /// log₁₀ of the volume of the certified output box; `None` when not asked for, not finite or zero.
    pub log10_volume: Option<f64>,
    /// Whether it stops where the query is decided, so that its bound has no gap.
    pub decides: bool,
    /// How far its bound is from the exact minimum.
    pub gap: Gap,
    /// The minimum of the query's margin as a solver of integer programs has it, with the time that it took:
    /// **not certified**, and part of neither `margin` nor `outcome`. Only such a contestant has one.
    pub milp: Option<(f64, Duration)>,
}

/// All contestants on one query.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// What is known of the exact minimum of the margin.
    pub reference: Reference,
    /// One per contestant.
    pub measurements: Vec<Measurement>,
}

/// Why a comparison stopped.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum CompareError {
    /// A query could not be analysed.
    #[error(transparent)]
    Analyze(#[from] AnalyzeError),
    /// A certified bound exceeds a margin that a point of the region has: one of the two is wrong.
    #[error(
        "{method} certifies the margin {bound}, but a point of the region attains {attained}: \
         this is a bug, please report it with the network and the query"
    )]
    Contradiction {
        /// Who certified the bound.
        method: String,
        /// The certified lower bound.
        bound: f64,
        /// The attained margin, rounded up.
        attained: f64,
    },
}

/// Runs every contestant and the attack on one query.
///
/// # Errors
/// [`CompareError::Contradiction`] when bounds and attained margins exclude each other, and whatever
/// makes the query unfit for analysis. Running out of time is no error.
pub fn compare(
    network: &Network,
    query: &Query,
    setting: &Setting,
    observer: &dyn Observer,
) -> Result<Compared, CompareError> {
    let suggestions = Candidates::new(observer, KEPT_CANDIDATES);
    let (mut measurements, mut found) = (Vec::new(), None);
    for method in setting.contestants() {
        observer.event(Event::Stage(&method.method.to_string()));
        let (measurement, of_method) = measure(network, query, method, setting, &suggestions)?;
        measurements.push(measurement);
        found = of_method.into_iter().chain(found).reduce(Attained::better);
    }
    observer.event(Event::Stage("attack"));
    let start = Instant::now();
    let attained = setting.attack.and_then(|attack| {
        let budget = deadline(setting.timeout);
        let starts = Vec::from(suggestions.take());
        let of_case = |case: &Case| attack.least_margin(network, case, &starts, &budget);
        query.cases.iter().filter_map(of_case).reduce(Attained::better)
    });
    let attained = attained.into_iter().chain(found).reduce(Attained::better);
    let attack_time = start.elapsed();
    let lower = measurements.iter().map(|m| m.margin).fold(f64::NEG_INFINITY, f64::max);
    let reference = Reference {
        lower,
        upper: attained.as_ref().map(|a| a.margin),
        base: interval_margin(network, query, setting)?,
        is_falsified: attained.is_some_and(|a| a.witness.is_some()),
        attack_time,
    };
    for (measurement, method) in measurements.iter_mut().zip(setting.contestants()) {
        if let Some(attained) = reference.upper.filter(|&attained| measurement.margin > attained) {
            return Err(CompareError::Contradiction {
                method: method.method.to_string(),
                bound: measurement.margin,
                attained,
            });
        }
        if !measurement.decides {
            measurement.gap = reference.gap(measurement.margin);
        }
        if reference.is_falsified {
            measurement.outcome = Outcome::Falsified;
        }
    }
    Ok(Compared { reference, measurements })
}

/// One contestant on one query; for the exact engine with the smallest margin at the inputs that it came upon.
fn measure(
    network: &Network,
    query: &Query,
    method: &Options,
    setting: &Setting,
    observer: &dyn Observer,
) -> Result<(Measurement, Option<Attained>), CompareError> {
    // Without counterexamples of its own a search would never end where there is one.
    let is_search = setting.exact.as_ref().is_some_and(|exact| exact.method == method.method);
    let options = Options { all_margins: true, all_bounds: true, attack: is_search, ..method.clone() };
    let budget = deadline(setting.timeout);
    let suggestions = Candidates::new(observer, KEPT_CANDIDATES);
    let start = Instant::now();
    let analysis = analyze_within(network, query, &options, Run { budget: &budget, observer: &suggestions })?;
    let time = start.elapsed();
    let found = if is_search { came_upon(network, query, &analysis.verdict, &suggestions.take()) } else { None };
    let outcome = match &analysis.verdict {
        Verdict::Verified(_) => Outcome::Verified,
        Verdict::Falsified(_) => Outcome::Falsified,
        Verdict::Unknown(gap) if gap.out_of_time => Outcome::OutOfTime,
        Verdict::Unknown(_) => Outcome::Unknown,
    };
    // Two more bounds per output are cheap for a domain and not for a search.
    let log10_volume = match (&query.cases[..], &analysis.bounds[..]) {
        ([case], [bounds]) if setting.volume && !is_search => {
            let budget = deadline(setting.timeout);
            output_volume(network, &case.region, bounds, &options, Run { budget: &budget, observer })?
        }
        _ => None,
    };
    let milp = analysis.stages.iter().filter_map(|s| Some((s.milp_bound?, s.time))).next();
    let measurement = Measurement {
        outcome,
        margin: analysis.disjuncts.iter().map(|d| d.bound).fold(f64::INFINITY, f64::min),
        time,
        lps: analysis.stages.iter().map(|s| s.count("lps")).sum(),
        cuts: analysis.stages.iter().map(|s| s.count("cuts")).sum(),
        layers: layers::widths(network, &analysis.bounds),
        log10_volume,
        decides: method.method.row().completeness == Completeness::Decides,
        gap: Gap::default(),
        milp,
    };
    Ok((measurement, found))
}

/// The smallest margin at the inputs that a search came upon: its counterexample, and what it suggested.
fn came_upon(network: &Network, query: &Query, verdict: &Verdict, suggested: &VecDeque<Vec<f64>>) -> Option<Attained> {
    let of_case = |case: &Case| {
        let witness = match verdict {
            Verdict::Falsified(w) if case.numbers().contains(&w.disjunct()) => {
                attained_at(network, case, w.input().to_vec())
            }
            _ => None,
        };
        let suggested = suggested.iter().filter_map(|x| attained(network, case, x));
        suggested.chain(witness).reduce(Attained::better)
    };
    query.cases.iter().filter_map(of_case).reduce(Attained::better)
}

/// The margin by interval arithmetic, which gaps are measured from. It takes microseconds.
fn interval_margin(network: &Network, query: &Query, setting: &Setting) -> Result<f64, CompareError> {
    let options = Options { method: Method::INTERVAL, all_margins: true, attack: false, ..Options::default() };
    let budget = deadline(setting.timeout);
    let analysis = analyze_within(network, query, &options, Run::silent(&budget))?;
    Ok(analysis.disjuncts.iter().map(|d| d.bound).fold(f64::INFINITY, f64::min))
}
