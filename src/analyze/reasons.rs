//! Why a query stayed open, and what may help: no more than is known.

use crate::domains::domain::DomainError;
use crate::exact::signum::SignumError;
use itertools::Itertools;

/// Why a query stayed open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The time was up.
    OutOfTime,
    /// The method has no search: its bounds do not refute what is open.
    OnlyBounds(&'static str),
    /// Without a limit of time the search of `auto` ends early.
    EndedEarly,
    /// The network is one that `auto` does not search.
    NotSearched,
    /// The search has nothing left to take apart.
    AllTakenApart,
    /// No exact engine takes the network with this region.
    NoEngine,
    /// The engine for signum networks does not take the query.
    Signum(SignumError),
    /// A step gave up.
    Refused {
        /// The step.
        step: &'static str,
        /// Why.
        error: DomainError,
    },
    /// Nobody looked for counterexamples.
    NoAttack,
}

impl Reason {
    /// What is known of it, as the answer has it under `because`.
    #[must_use]
    pub fn because(&self) -> String {
        match self {
            Self::OutOfTime => "the time was up".into(),
            Self::OnlyBounds(method) => format!("{method} only bounds margins, and its bounds do not refute what is open"),
            Self::EndedEarly => "without a limit of time, auto searches only briefly".into(),
            Self::NotSearched => "auto does not search networks of this size whose activations jump".into(),
            Self::AllTakenApart => {
                "the search took everything apart, and is left with parts that it can neither refute nor reach, as where \
                 a margin is exactly zero"
                    .into()
            }
            Self::NoEngine => "no exact engine takes this network with this region".into(),
            Self::Signum(error) => format!("the exact engine for signum networks gave up: {error}"),
            Self::Refused { step, error } => format!("{step} gave up: {error}"),
            Self::NoAttack => "counterexamples were not looked for".into(),
        }
    }

    /// What may help, as the answer has it under `may_help`.
    #[must_use]
    pub fn may_help(&self) -> Option<&'static str> {
        match self {
            Self::OutOfTime => Some("a larger --timeout"),
            Self::OnlyBounds(_) => Some("--domain auto, or exact, which search"),
            Self::EndedEarly => Some("a --timeout, which auto uses up, or --domain exact"),
            Self::NotSearched => Some("--domain exact, which does, given the time"),
            Self::NoAttack => Some("leaving out --no-attack"),
            Self::Refused { error: DomainError::Memory { .. }, .. } => Some("--domain deeppoly, or auto"),
            Self::Refused { error: DomainError::Float32 { .. }, .. } => {
                Some("--arithmetic real, where a statement about real numbers is enough")
            }
            Self::AllTakenApart | Self::NoEngine | Self::Signum(_) | Self::Refused { .. } => None,
        }
    }

    /// What may help against some of several reasons, each once.
    pub fn helps(reasons: &[Self]) -> impl Iterator<Item = &'static str> {
        reasons.iter().filter_map(Self::may_help).unique()
    }
}
