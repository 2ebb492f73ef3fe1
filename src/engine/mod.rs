//! Engines: they run domains and attacks on a query until it is decided or the time is up.

mod analysis;
mod attack;
pub mod bnn;
mod cascade;
mod classify;
pub mod compare;
mod exact;
mod exact_step;
#[cfg(feature = "highs")]
pub mod milp;
mod options;
mod portable;
mod radius;
pub mod sat;
mod worker;

pub use analysis::{Analysis, DisjunctBound, Margin, Stage};
pub use attack::{Aim, Attack, Attained, Flips, Outcome, Schedule, gradient};
pub use cascade::{AnalyzeError, analyze, analyze_within, check_query};
pub use classify::beaten_by;
pub use exact::{Found, Minimum, Question, Splitting, decide, minimum};
pub use options::{DomainName, Options, UnknownDomain, deadline};
pub use portable::portable;
pub use radius::{Radius, RadiusError, RadiusOptions, Tolerance, attacked_radius, radius};
pub use worker::{Worker, WorkerError};
