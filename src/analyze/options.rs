use crate::domains::activation::Slopes;
use crate::domains::budget::Budget;
use crate::domains::domain::Concretise;
use crate::domains::lp::{LpBackend, backends};
use crate::domains::network::{Arithmetic, Network};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};
use thiserror::Error;

/// A domain, or the cascade of them, by the name that users type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainName {
    /// Interval arithmetic.
    Interval,
    /// Zonotopes.
    Zonotope,
    /// DeepPoly by back-substitution.
    DeepPoly,
    /// DeepPoly in exact rationals, for small networks.
    Rational,
    /// Back-substitution with the greedy dual solution's slopes.
    LpGreedy,
    /// The greedy bounds for neurons, the LP for the property.
    LpLast,
    /// Every unstable neuron's bounds by the LP, layer by layer; then the property.
    LpAll,
    /// DeepPoly, then the LP with joint cuts of k neurons.
    KPoly,
    /// DeepPoly, then the LP with Proposition 1 for signum neurons.
    Nat,
    /// DeepPoly, then the LP with the ideal hull of every signum neuron.
    Hull,
    /// The ideal hulls together with joint cuts of k neurons.
    HullKPoly,
    /// DeepPoly, then splitting of inputs or neurons until the query is decided; for signum networks
    /// conflict-driven search.
    Exact,
    /// DeepPoly, then a mixed-integer program; since its bound is no proof, what it holds to be safe is proven
    /// as by `Exact`.
    #[cfg(feature = "highs")]
    Milp,
    /// The bounds of `LpAll`, then the LP with joint cuts of k neurons.
    LpAllKPoly,
    /// The cascade: each stage only where the one before left something open.
    Auto,
}

impl DomainName {
    /// Every name, with what it does.
    pub const ALL: [(Self, &'static str, &'static str); 14 + cfg!(feature = "highs") as usize] = [
        (Self::Interval, "interval", "interval arithmetic: microseconds, loose"),
        (Self::Zonotope, "zonotope", "affine forms with one noise symbol per unstable neuron"),
        (Self::DeepPoly, "deeppoly", "two lines per neuron and back-substitution: milliseconds"),
        (Self::Rational, "rational", "deeppoly in exact rationals: small networks, no rounding at all"),
        (Self::LpGreedy, "lp-greedy", "back-substitution with parallel lines: the greedy solution of the LP's dual"),
        (Self::LpLast, "lp-last", "the greedy bounds for neurons, a linear program (triangles) for the property"),
        (Self::LpAll, "lp-all", "linear programs for every unstable neuron, layer by layer, and for the property"),
        (Self::KPoly, "kpoly", "deeppoly, then a linear program with joint constraints of k neurons: seconds"),
        (Self::Nat, "nat", "signum networks: a linear program with each neuron's own relaxation"),
        (Self::Hull, "hull", "signum networks: the ideal convex hull of each neuron with its inputs"),
        (Self::HullKPoly, "hull+kpoly", "signum networks: both kinds of joint constraints"),
        (Self::LpAllKPoly, "lp-all+kpoly", "kpoly on the bounds of lp-all: slow, and the tightest"),
        (
            Self::Exact,
            "exact",
            "splits inputs or neurons, or solves signum networks, until the query is decided: as long as it takes",
        ),
        #[cfg(feature = "highs")]
        (Self::Milp, "milp", "a mixed-integer program (HiGHS) for the margin, which is no proof; then as exact"),
        (Self::Auto, "auto", "the cascade of these, stopping as soon as the query is decided"),
    ];
}

impl DomainName {
    /// All names, for messages.
    fn names() -> String {
        Self::ALL.map(|(_, name, _)| name).join(", ")
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(domain, ..)| domain == self).map_or("", |(_, name, _)| name);
        f.write_str(name)
    }
}

/// A name that is no domain's, or not in this build.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UnknownDomain {
    /// There is none of that name.
    #[error("there is no domain `{0}`; the domains are {names}", names = DomainName::names())]
    Name(String),
    /// It needs a feature.
    #[error(
        "`{0}` is not in this program: it was built without the `highs` feature; \
         to have it: cargo build --release --features highs"
    )]
    Feature(String),
}

impl FromStr for DomainName {
    type Err = UnknownDomain;
    fn from_str(text: &str) -> Result<Self, UnknownDomain> {
        let found = Self::ALL.iter().find(|(_, name, _)| *name == text);
        found.map(|(domain, ..)| *domain).ok_or_else(|| match text {
            "milp" => UnknownDomain::Feature(text.into()),
            _ => UnknownDomain::Name(text.into()),
        })
    }
}

/// How a query is analysed.
#[derive(Clone)]
pub struct Options {
    /// Which domain.
    pub domain: DomainName,
    /// Neurons joined by kpoly.
    pub k: usize,
    /// Whether kpoly re-computes the bounds of unstable neurons by linear programs.
    pub refine: bool,
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
    /// Whether a counterexample is looked for.
    pub attack: bool,
    /// The arithmetic in which the network is executed.
    pub arithmetic: Arithmetic,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether a verified query must come with certificates, which only the exact engine for signum
    /// networks over two-valued or quantised inputs has; then no other domain runs.
    pub certify: bool,
}

impl Options {
    /// The network in the arithmetic that is asked for; one that is in float32 already stays so.
    #[must_use]
    pub fn executed<'a>(&self, network: &'a Network) -> Cow<'a, Network> {
        match self.arithmetic {
            Arithmetic::Real => Cow::Borrowed(network),
            Arithmetic::Float32 => network.in_arithmetic(Arithmetic::Float32),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            domain: DomainName::Auto,
            k: 3,
            refine: false,
            concretise: Concretise::Every,
            slopes: vec![Slopes::Area],
            lp: backends()[0],
            all_margins: false,
            attack: true,
            arithmetic: Arithmetic::Real,
            seed: 0,
            certify: false,
        }
    }
}

/// A budget that ends `limit` from now; without a limit it never ends.
#[must_use]
pub fn deadline(limit: Option<Duration>) -> Budget {
    match limit.and_then(|limit| Instant::now().checked_add(limit)) {
        Some(end) => Budget::new(move || end.saturating_duration_since(Instant::now())),
        None => Budget::unlimited(),
    }
}
