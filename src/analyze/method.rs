//! What a user chooses, a method with its parameters and options, and what a method is made of: steps.

use super::case::CaseState;
use super::error::AnalyzeError;
use crate::domains::activation::Slopes;
use crate::domains::domain::{Concretise, DeepPoly, NeuronSolver, Run, Wanted};
use crate::domains::lp::{LpBackend, backends};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::query::Ties;
use crate::exact::continuous::Splitting;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use thiserror::Error;

/// One step of a method: it bounds, attacks or decides what is open of one case.
pub(crate) trait Step {
    /// Its name, as stages have it.
    fn name(&self) -> &'static str;

    /// Whether there is anything for it to do.
    fn wanted(&self, _: &Context) -> bool {
        true
    }

    /// Whether it finds margins, so that it runs for these where the verdict does not depend on it any more.
    fn has_margins(&self) -> bool {
        true
    }

    /// Whether what it refutes goes into the case's script, where certificates are asked for.
    fn proves(&self) -> bool {
        false
    }

    /// Works on a case: tightens its bounds, settles disjuncts, finds a witness.
    ///
    /// # Errors
    /// [`AnalyzeError`] where the query is unfit or something contradicts itself; running out of time is none.
    fn run(&self, case: &mut CaseState, context: &Context) -> Result<(), AnalyzeError>;
}

/// What every step reads.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub network: &'a Network,
    pub options: &'a Options,
    pub run: Run<'a>,
}

/// What a method costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Milliseconds: a search for a radius bisects with it from the start.
    Cheap,
    /// Linear programs, or a search: it goes on from where a cheap method ends.
    Costly,
}

/// What a method answers in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Bounds of the margins; a query may stay open however long it takes.
    Incomplete,
    /// It refutes as well as proves, given the time, and does not minimise: its bounds stop where the query is
    /// decided.
    Decides,
}

/// The networks that a method is made for; on others it does no more than its relatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeFor {
    /// Every network.
    All,
    /// Those with signs.
    Signum,
}

/// Whether a method joins k neurons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joins {
    /// It does not.
    Nothing,
    /// k is part of its name.
    ByName,
    /// One of its steps does; k is named where it is not 3.
    Within,
}

/// A row of the registry.
pub struct MethodRow {
    /// Its name, as users type it.
    pub name: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// What it costs.
    pub cost: Cost,
    /// What it answers. Every method is sound.
    pub completeness: Completeness,
    /// The networks that it is made for.
    pub made_for: MadeFor,
    /// Whether it joins k neurons.
    pub(crate) joins: Joins,
    /// Whether its linear programs may re-compute the bounds of neurons.
    pub(crate) refines: bool,
    /// Whether what it verifies of a network over real inputs can have a certificate.
    pub(crate) proves: bool,
    /// Its steps: cheap ones first, each only where something is still open.
    pub(crate) plan: fn(&Context) -> Vec<Box<dyn Step>>,
}

/// A method with its parameters, such as `deeppoly` or `kpoly(k=3,refine)`.
#[derive(Clone, Copy)]
pub struct Method {
    row: &'static MethodRow,
    k: usize,
    refine: bool,
}

/// Neurons that are joined where nothing is said.
const DEFAULT_K: usize = 3;

/// The largest k.
pub const MOST_JOINED: usize = 12;

impl Method {
    /// The method of a row, with the parameters that it has by default.
    pub(crate) const fn of(row: &'static MethodRow) -> Self {
        Self { row, k: DEFAULT_K, refine: false }
    }

    /// The same with other parameters, where it takes them.
    #[must_use]
    pub const fn with(self, k: usize, refine: bool) -> Self {
        let k = if self.takes_k() { k } else { DEFAULT_K };
        Self { row: self.row, k, refine: refine && self.row.refines }
    }

    /// Its row in the registry.
    #[must_use]
    pub const fn row(&self) -> &'static MethodRow {
        self.row
    }

    /// Whether it joins k neurons in some step.
    #[must_use]
    pub const fn takes_k(&self) -> bool {
        !matches!(self.row.joins, Joins::Nothing)
    }

    /// Whether k is part of its name, so that it is another method for every k.
    #[must_use]
    pub const fn is_named_by_k(&self) -> bool {
        matches!(self.row.joins, Joins::ByName)
    }

    /// Neurons that it joins.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.k
    }

    /// Whether what it verifies of a network over real inputs can have a certificate.
    #[must_use]
    pub const fn proves(&self) -> bool {
        self.row.proves
    }

    /// The same over L1 and L2 balls, whose tangents in linear programs no certificate names; exact rationals know of the box
    /// alone.
    #[must_use]
    pub fn proves_over_balls(&self) -> bool {
        self.proves()
            && *self != Self::RATIONAL
            && (self.row.cost == Cost::Cheap || self.row.completeness == Completeness::Decides)
    }

    /// Whether its linear programs re-compute the bounds of unstable neurons.
    #[must_use]
    pub const fn refine(&self) -> bool {
        self.refine
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        (self.row.name, self.k, self.refine) == (other.row.name, other.k, other.refine)
    }
}

impl Eq for Method {}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shows_k = self.is_named_by_k() || (self.takes_k() && self.k != DEFAULT_K);
        let k = shows_k.then(|| format!("k={}", self.k));
        let parameters: Vec<String> = k.into_iter().chain(self.refine.then(|| "refine".into())).collect();
        match &parameters[..] {
            [] => f.write_str(self.row.name),
            _ => write!(f, "{}({})", self.row.name, parameters.join(",")),
        }
    }
}

/// What names no method, or none of this build.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UnknownMethod {
    /// There is none of that name.
    #[error("there is no domain `{0}`; the domains are {names}", names = Method::ALL.map(|m| m.row.name).join(", "))]
    Name(String),
    /// It needs a feature.
    #[error(
        "`{0}` is not in this program: it was built without the `highs` feature; \
         to have it: cargo build --release --features highs"
    )]
    Feature(String),
    /// A parameter that it does not take.
    #[error(
        "`{method}` takes no parameter `{parameter}`; write for instance `kpoly(k=3,refine)`, with k from 1 to {MOST_JOINED}"
    )]
    Parameter {
        /// The name.
        method: &'static str,
        /// The parameter.
        parameter: String,
    },
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let (name, parameters) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, parameters)) => (name, Some(parameters)),
            None => (text, None),
        };
        let found = Self::ALL.into_iter().find(|method| method.row.name == name);
        let mut method = found.ok_or_else(|| match name {
            "milp" => UnknownMethod::Feature(name.into()),
            _ => UnknownMethod::Name(text.into()),
        })?;
        for parameter in parameters.into_iter().flat_map(|all| all.split(',')).map(str::trim) {
            let k = parameter.strip_prefix("k=").and_then(|k| k.parse().ok());
            match k {
                Some(k) if method.takes_k() && (1..=MOST_JOINED).contains(&k) => method.k = k,
                None if parameter == "refine" && method.row.refines => method.refine = true,
                _ => {
                    return Err(UnknownMethod::Parameter { method: method.row.name, parameter: parameter.into() });
                }
            }
        }
        Ok(method)
    }
}

/// How a query is analysed.
#[derive(Clone)]
pub struct Options {
    /// The method, with its parameters.
    pub method: Method,
    /// Where back-substitution concretises.
    pub concretise: Concretise,
    /// Which lines back-substitution keeps of an unstable neuron. With several, deeppoly runs with each in
    /// turn and the best bounds stand; linear programs are based on the first.
    pub slopes: Vec<Slopes>,
    /// The solver of linear programs.
    pub lp: &'static dyn LpBackend,
    /// Whether every margin is bounded as well as the domain can, even when the verdict no longer
    /// depends on it.
    pub all_margins: bool,
    /// Whether all neurons are bounded as well as the domain can, also those that interval arithmetic settles.
    pub all_bounds: bool,
    /// Whether a counterexample is looked for.
    pub attack: bool,
    /// The arithmetic in which the network is executed.
    pub arithmetic: Arithmetic,
    /// By how many units in the last place functions of the runtime are [assumed](Network::assuming) to be off at most in
    /// float32.
    pub assumed_ulps: u32,
    /// What equal outputs count as in runs over data sets; a query says it itself.
    pub ties: Ties,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether a verified query must come with a certificate; then only steps run that write one.
    pub certify: bool,
    /// What exact engines take apart.
    pub splitting: Splitting,
    /// Who solves the programs of neurons of `lp-all`, where that is not this process alone.
    pub neurons: Option<Arc<dyn NeuronSolver>>,
}

impl Options {
    /// The network in the arithmetic that is asked for; one that is in float32 already stays so.
    #[must_use]
    pub fn executed<'a>(&self, network: &'a Network) -> Cow<'a, Network> {
        match self.arithmetic {
            Arithmetic::Real => Cow::Borrowed(network),
            Arithmetic::Float32 if network.ulps() == self.assumed_ulps => network.in_arithmetic(Arithmetic::Float32),
            Arithmetic::Float32 => {
                let assuming = network.clone().assuming(self.assumed_ulps);
                Cow::Owned(assuming.in_arithmetic(Arithmetic::Float32).into_owned())
            }
        }
    }

    /// What is assumed of functions of the runtime, where what is said of the network rests on it.
    #[must_use]
    pub fn assumption(&self, network: &Network) -> Option<u32> {
        self.executed(network).rests_on_functions().then_some(self.assumed_ulps)
    }

    /// Back-substitution as the base of linear programs.
    pub(crate) fn base(&self) -> DeepPoly {
        self.back_substitution(self.first_slopes())
    }

    /// Back-substitution with these lines.
    pub(crate) fn back_substitution(&self, slopes: Slopes) -> DeepPoly {
        // Bounds at the input only owe nothing to interval arithmetic, nor do those that a checker recomputes.
        let is_all = self.all_bounds || self.certify || self.concretise != Concretise::Every;
        let wanted = if is_all { Wanted::All } else { Wanted::Unstable };
        DeepPoly { concretise: self.concretise, slopes, wanted }
    }

    /// The lines that back-substitution keeps first.
    pub(crate) fn first_slopes(&self) -> Slopes {
        self.slopes.first().copied().unwrap_or_default()
    }
}

impl From<Method> for Options {
    fn from(method: Method) -> Self {
        Self {
            method,
            concretise: Concretise::Every,
            slopes: vec![Slopes::Area],
            lp: backends()[0],
            all_margins: false,
            all_bounds: false,
            attack: true,
            arithmetic: Arithmetic::Real,
            assumed_ulps: Network::ULPS,
            ties: Ties::Unsafe,
            seed: 0,
            certify: false,
            splitting: Splitting::Automatic,
            neurons: None,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::from(Method::AUTO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_one_spelling() {
        for method in Method::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
            let other = method.with(2, true);
            assert_eq!(other.to_string().parse(), Ok(other));
        }
        let spelled = |text: &str| text.parse::<Method>().map(|m| m.to_string());
        assert_eq!(spelled("kpoly"), Ok("kpoly(k=3)".into()));
        assert_eq!(spelled("kpoly(refine, k=2)"), Ok("kpoly(k=2,refine)".into()));
        assert_eq!(spelled("auto(k=3)"), Ok("auto".into()));
        for wrong in
            ["kpoly(k=0)", "kpoly(k=13)", "kpoly(k)", "deeppoly(k=2)", "interval(refine)", "kpoly()", "kpoly(k=2"]
        {
            assert!(spelled(wrong).is_err(), "{wrong}");
        }
    }
}
