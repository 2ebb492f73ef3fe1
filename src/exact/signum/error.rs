//! Why a query is none for the exact engine of signum networks.

use absint_sat::LinearError;
use thiserror::Error;

/// Why a query is not one for the exact engine of signum networks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SignumError {
    /// An activation that is no step function.
    #[error("node `{node}`: `{activation}` is no step function; this engine decides signum networks only")]
    Activation {
        /// The node's name.
        node: String,
        /// The activation's.
        activation: &'static str,
    },
    /// A parameter of which only an enclosure is known, where it does not decide the threshold.
    #[error("node `{0}` has a parameter that is no rational number, and its enclosure does not decide a threshold")]
    Irrational(String),
    /// Inputs that range over the reals in another region than a box.
    #[error("input {0} ranges over the reals; outside of boxes this engine needs two-valued or quantised inputs")]
    RealInput(usize),
    /// A sum that reads real inputs and neurons together.
    #[error("node `{0}` reads real inputs together with neurons, or the property compares them; not supported")]
    Mixed(String),
    /// Numbers whose common denominator is too large.
    #[error("{0}: the common denominator of its numbers is too large for 64-bit integer sums")]
    TooLarge(String),
    /// A linear constraint that the solver cannot hold.
    #[error(transparent)]
    Linear(#[from] LinearError),
    /// The time was up before the constraints were made.
    #[error("the time was up before the constraints were made")]
    OutOfTime,
    /// The formula that is searched is not the one of the certificate: a fault of this program.
    #[error("the two encoders of a query disagree: this is a bug, please report it")]
    Disagreement,
    /// A model of the constraints that the network does not confirm: a fault of this program.
    #[error("the assignment found is no counterexample when replayed: this is a bug, please report it")]
    Replay,
}
