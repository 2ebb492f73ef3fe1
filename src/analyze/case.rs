//! What is known of one case of a query, and what the present step adds to it.

use super::analysis::Counters;
use super::reasons::Reason;
use crate::domains::domain::Bounds;
use crate::domains::query::Case;
use crate::domains::verdict::Witness;
use crate::exact::signum::Certificate;
use crate::format::certificate::Script;

/// What one step found of one case.
#[derive(Default)]
pub(crate) struct Findings {
    /// The lower bounds of the margins, by disjunct and atom; −∞ where it has none.
    pub margins: Vec<Vec<f64>>,
    /// Unstable neurons of each activation layer.
    pub unstable: Vec<usize>,
    /// What it counted, by name.
    pub counters: Counters,
    /// The uncertified bound of an integer program.
    pub milp_bound: Option<f64>,
    /// A counterexample.
    pub witness: Option<Witness>,
    /// Certificates of what is refuted.
    pub certificates: Vec<Certificate>,
    /// Why it left something open, as far as that is known.
    pub reasons: Vec<Reason>,
}

/// What is known of one case.
pub(crate) struct CaseState<'a> {
    pub case: &'a Case,
    /// The tightest bounds of all neurons; steps only tighten them.
    pub bounds: Bounds,
    /// Best lower bounds of the margins, by disjunct and atom.
    margins: Vec<Vec<f64>>,
    /// Best lower bounds of the disjuncts' maxima.
    disjuncts: Vec<f64>,
    /// The proof of what is refuted, where one is written.
    pub script: Script,
    /// Whether a script must show what is refuted: it shows that margins are above zero.
    is_scripted: bool,
    /// Of the present step.
    pub found: Findings,
}

impl<'a> CaseState<'a> {
    pub fn new(case: &'a Case, is_scripted: bool) -> Self {
        let disjuncts = &case.property.disjuncts;
        Self {
            case,
            bounds: Bounds::unknown(),
            margins: disjuncts.iter().map(|d| vec![f64::NEG_INFINITY; d.atoms.len()]).collect(),
            disjuncts: vec![f64::NEG_INFINITY; disjuncts.len()],
            script: Script::default(),
            is_scripted,
            found: Findings::default(),
        }
    }

    /// The same of a clone of the case.
    pub fn over<'b>(self, case: &'b Case) -> CaseState<'b> {
        let Self { bounds, margins, disjuncts, script, is_scripted, found, .. } = self;
        CaseState { case, bounds, margins, disjuncts, script, is_scripted, found }
    }

    /// Begins a step: nothing is found yet.
    pub fn begin(&mut self) {
        let margins = self.margins.iter().map(|m| vec![f64::NEG_INFINITY; m.len()]).collect();
        self.found = Findings { margins, ..Findings::default() };
    }

    /// Best lower bounds of the margins, by disjunct and atom.
    pub fn margins(&self) -> &[Vec<f64>] {
        &self.margins
    }

    /// Best lower bounds of the disjuncts' maxima.
    pub fn disjuncts(&self) -> &[f64] {
        &self.disjuncts
    }

    /// The disjuncts that are not refuted, by index in the case.
    pub fn open(&self) -> Vec<usize> {
        let is_open = |&d: &usize| {
            let bound = self.disjuncts[d];
            !(bound > 0.0 || bound == 0.0 && !self.is_scripted && self.case.property.disjuncts[d].is_strict())
        };
        (0..self.disjuncts.len()).filter(is_open).collect()
    }

    /// The disjuncts whose margins are wanted: all, or those that are open.
    pub fn wanted(&self, all: bool) -> Vec<usize> {
        if all { (0..self.disjuncts.len()).collect() } else { self.open() }
    }

    /// Takes over a bound of an atom's margin.
    pub fn improve(&mut self, d: usize, atom: usize, bound: f64) {
        self.found.margins[d][atom] = bound;
        self.margins[d][atom] = self.margins[d][atom].max(bound);
        self.raise(d, bound);
    }

    /// Takes over a bound of the maximum of a disjunct's margins.
    pub fn raise(&mut self, d: usize, bound: f64) {
        self.disjuncts[d] = self.disjuncts[d].max(bound);
    }

    /// Takes over a bound of a disjunct's maximum, which is also its atom's when there is just one.
    pub fn settle(&mut self, d: usize, bound: f64) {
        // +∞: there is no input at all. What is no number says nothing.
        let bound = if bound == f64::INFINITY { f64::MAX } else { bound };
        self.raise(d, bound);
        if let [margin] = &mut self.found.margins[d][..] {
            *margin = margin.max(bound);
            self.margins[d][0] = self.margins[d][0].max(bound);
        }
    }

    /// Says why something stays open.
    pub fn note(&mut self, reason: Reason) {
        self.found.reasons.push(reason);
    }

    /// Counts more of what has a name, such as `conflicts`.
    pub fn count(&mut self, name: &'static str, more: u64) {
        *self.found.counters.entry(name).or_default() += more;
    }
}
