//! Engines: they run domains and attacks on a query until it is decided or the time is up.

mod analysis;
mod attack;
pub mod bnn;
mod cascade;
mod options;
pub mod sat;

pub use analysis::{Analysis, DisjunctBound, Margin, Stage};
pub use attack::{Attack, gradient};
pub use cascade::{AnalyzeError, analyze, analyze_within};
pub use options::{DomainName, Options, UnknownDomain, deadline};
