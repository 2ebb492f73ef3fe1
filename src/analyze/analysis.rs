//! What an analysis answers.

use super::reasons::Reason;
use crate::domains::domain::{Bounds, NodeBounds};
use crate::domains::network::{Activation, Network};
use crate::domains::query::{Disjunct, Query};
use crate::domains::verdict::{Gap, Verdict};
use crate::exact::signum::Certificate;
use std::collections::BTreeMap;
use std::time::Duration;

/// The best certified lower bound of one atom's margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// Index of the disjunct in the query.
    pub disjunct: usize,
    /// Index of the atom in the disjunct.
    pub atom: usize,
    /// The bound; −∞ when there is none.
    pub bound: f64,
}

/// The best certified lower bound of the maximum of a disjunct's margins: positive when it is refuted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DisjunctBound {
    /// The bound; −∞ when there is none.
    pub bound: f64,
}

/// Numbers by what they count.
pub type Counters = BTreeMap<&'static str, u64>;

/// What one stage did.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub time: Duration,
    /// The lower bounds that it found, one per margin in file order (−∞ where it had none).
    pub margins: Vec<f64>,
    /// Unstable neurons of each activation layer, summed over the query's cases.
    pub unstable: Vec<usize>,
    /// What it counted: `lps` are linear programs solved and `cuts` joint cuts added to them.
    pub counters: Counters,
    /// The least of the disjuncts' maxima of margins, as the solver of integer programs has it: **not
    /// certified**, and not used in any verdict. Only that stage has one.
    pub milp_bound: Option<f64>,
}

impl Stage {
    /// Nothing is done yet.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            time: Duration::ZERO,
            margins: Vec::new(),
            unstable: Vec::new(),
            counters: Counters::new(),
            milp_bound: None,
        }
    }

    /// How many of what has a name were counted.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// Adds what was found of one case.
    pub(super) fn add(&mut self, unstable: &[usize], counters: Counters, milp_bound: Option<f64>) {
        self.unstable.resize(self.unstable.len().max(unstable.len()), 0);
        for (sum, more) in self.unstable.iter_mut().zip(unstable) {
            *sum += more;
        }
        for (name, more) in counters {
            *self.counters.entry(name).or_default() += more;
        }
        self.milp_bound = self.milp_bound.into_iter().chain(milp_bound).reduce(f64::min);
    }
}

/// The answer to a query, and how it came about.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The answer.
    pub verdict: Verdict,
    /// Why the query stayed open, where it did.
    pub reasons: Vec<Reason>,
    /// By how many units in the last place functions of the runtime are assumed to be off at most, where the answer rests on
    /// that: float32 executions of what no standard specifies.
    pub assumed_ulps: Option<u32>,
    /// The stages that ran, in order.
    pub stages: Vec<Stage>,
    /// One per atom, in file order.
    pub margins: Vec<Margin>,
    /// One per disjunct, in file order.
    pub disjuncts: Vec<DisjunctBound>,
    /// For each case of the query the tightest bounds of every neuron.
    pub bounds: Vec<Bounds>,
    /// One per case of the query when it is verified and [`super::Options::certify`] asked for them, of signum networks.
    pub certificates: Vec<Certificate>,
    /// The proof of a verified query where [`super::Options::certify`] asked for it, of other networks.
    pub proof: Option<String>,
}

/// Why there is no certificate over real inputs of what is verified.
const TOO_LONG: &str = "its statements would take more than 1 GiB";

/// Why there is none of a signum network.
const INCOMPLETE: &str = "a case has no certificate: this is a bug, please report it";

impl Analysis {
    /// Why there is no certificate of the query, which is verified, where one was asked for; `None` where there is one.
    #[must_use]
    pub fn uncertified(&self, network: &Network, query: &Query) -> Option<&'static str> {
        let (has_all, why) = match network.is_signum() {
            true => (self.certificates.len() == query.cases.len(), INCOMPLETE),
            false => (self.proof.is_some(), TOO_LONG),
        };
        (!has_all).then_some(why)
    }

    /// Nothing is known of a query: its time was up before anything was.
    #[must_use]
    pub fn out_of_time(query: &Query) -> Self {
        let open: Vec<usize> = (0..query.disjuncts()).collect();
        let disjuncts = vec![DisjunctBound { bound: f64::NEG_INFINITY }; open.len()];
        let of_disjunct = |(disjunct, d): (usize, &Disjunct)| {
            let unknown = |atom| Margin { disjunct, atom, bound: f64::NEG_INFINITY };
            (0..d.atoms.len()).map(unknown).collect::<Vec<_>>()
        };
        let all = query.cases.iter().flat_map(|case| &case.property.disjuncts).enumerate();
        Self {
            verdict: Verdict::Unknown(Gap { open, out_of_time: true }),
            reasons: vec![Reason::OutOfTime],
            assumed_ulps: None,
            stages: Vec::new(),
            margins: all.flat_map(of_disjunct).collect(),
            disjuncts,
            bounds: Vec::new(),
            certificates: Vec::new(),
            proof: None,
        }
    }

    /// The stage that decided the query; `None` when it is open.
    #[must_use]
    pub fn decided_by(&self) -> Option<&str> {
        match self.verdict {
            Verdict::Unknown(_) => None,
            _ => self.stages.last().map(|s| s.name.as_str()),
        }
    }
}

/// Neurons of an activation layer that more than one segment of the activation passes through, given
/// the bounds of its pre-activations.
pub(crate) fn unstable(activation: &Activation, z: &NodeBounds) -> usize {
    z.reaches().filter(|&z| activation.function.is_unstable(z)).count()
}
