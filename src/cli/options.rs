//! The options of an analysis, on the command line of every subcommand that runs one.

use crate::analyze::{Method, Options};
use crate::domains::activation::Slopes;
use crate::domains::domain::Concretise;
use crate::domains::lp::{LpBackend, backend, backends};
use crate::domains::network::{Arithmetic, Network};
use clap::{Args, ValueEnum};
use std::sync::LazyLock;

/// Where back-substitution turns forms into numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ConcretiseName {
    /// At every layer, keeping the best bound
    Every,
    /// At the input only (CROWN)
    Input,
}

/// The lines that back-substitution keeps of an unstable neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SlopesName {
    /// Least area (DeepPoly, CROWN)
    Area,
    /// Parallel to the line above (Fast-Lin, Wong and Kolter)
    Parallel,
    /// Slope 0 below; the flat lines of a sign
    Zero,
    /// Slope 1 below; the sloped lines of a sign
    One,
}

impl SlopesName {
    fn slopes(self) -> Slopes {
        match self {
            Self::Area => Slopes::Area,
            Self::Parallel => Slopes::Parallel,
            Self::Zero => Slopes::Zero,
            Self::One => Slopes::One,
        }
    }
}

/// The arithmetic in which the network is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArithmeticName {
    /// Real numbers
    Real,
    /// IEEE float32, for every order of summation
    Float32,
}

impl ArithmeticName {
    pub fn arithmetic(self) -> Arithmetic {
        match self {
            Self::Real => Arithmetic::Real,
            Self::Float32 => Arithmetic::Float32,
        }
    }
}

/// What `--help` says of `--domain`: every name, with what it does.
static DOMAINS: LazyLock<String> = LazyLock::new(|| {
    let lines = Method::ALL.map(|method| format!("- {}: {}", method.row().name, method.row().help));
    format!("Which domain:\n{}", lines.join("\n"))
});

/// How a query is analysed.
#[derive(Args)]
pub struct EngineArgs {
    /// Which domain
    #[arg(long, default_value = "auto", long_help = DOMAINS.as_str())]
    domain: Method,
    /// Neurons that kpoly joins (1 is the triangle relaxation alone) [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=12))]
    k: Option<u8>,
    /// Let kpoly first tighten the bounds of unstable neurons, by splitting those before them (where no neuron has a
    /// corner to split: by linear programs, layer by layer)
    #[arg(long)]
    refine: bool,
    /// Where back-substitution turns forms into numbers
    #[arg(long, value_enum, default_value = "every")]
    concretise: ConcretiseName,
    /// Which lines back-substitution keeps of an unstable neuron; with several, as in area,zero,one, the best
    /// bounds of all
    #[arg(long, value_enum, default_value = "area", value_delimiter = ',')]
    slopes: Vec<SlopesName>,
    /// The arithmetic in which the network is executed [default: real; for a query of VNN-LIB 2.0 the one that its
    /// types ask for]
    #[arg(long, value_enum)]
    arithmetic: Option<ArithmeticName>,
    /// In float32, by how many units in the last place the runtime's functions that no standard specifies (Exp, Log, Pow,
    /// Sigmoid, Tanh and others) are assumed to be off at most; 0 assumes nothing and refuses them
    #[arg(long, value_name = "ULPS", default_value_t = Network::ULPS, value_parser = clap::value_parser!(u32).range(..=65536))]
    assume_ulps: u32,
    /// Solver of linear programs
    #[arg(long, default_value = "interior", value_parser = lp_backend)]
    lp: Lp,
    /// Do not look for a counterexample
    #[arg(long)]
    no_attack: bool,
}

impl EngineArgs {
    /// The method that was named, with what `--k` and `--refine` add to it.
    fn method(&self) -> Method {
        self.domain.with(self.k.map_or(self.domain.k(), usize::from), self.refine || self.domain.refine())
    }

    /// The arithmetic that was named.
    pub fn arithmetic(&self) -> Option<Arithmetic> {
        self.arithmetic.map(ArithmeticName::arithmetic)
    }

    pub fn options(&self, seed: u64) -> Options {
        Options {
            method: self.method(),
            concretise: match self.concretise {
                ConcretiseName::Every => Concretise::Every,
                ConcretiseName::Input => Concretise::Input,
            },
            slopes: self.slopes.iter().map(|name| name.slopes()).collect(),
            lp: self.lp.0,
            attack: !self.no_attack,
            arithmetic: self.arithmetic().unwrap_or(Arithmetic::Real),
            assumed_ulps: self.assume_ulps,
            seed,
            ..Options::default()
        }
    }
}

#[derive(Clone, Copy)]
struct Lp(&'static dyn LpBackend);

fn lp_backend(name: &str) -> Result<Lp, String> {
    let names: Vec<&str> = backends().iter().map(|b| b.name()).collect();
    backend(name).map(Lp).ok_or_else(|| format!("this build has the solvers {}", names.join(", ")))
}
