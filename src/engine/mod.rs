//! Engines: they run domains and attacks on a query until it is decided or the time is up.

mod analysis;
mod attack;
mod cascade;
mod options;
mod radius;

pub use analysis::{Analysis, DisjunctBound, Margin, Stage};
pub use attack::{Aim, Attack, Flips, Outcome, Schedule, gradient};
pub use cascade::{AnalyzeError, analyze, analyze_within, check_query};
pub use options::{DomainName, Options, UnknownDomain, deadline};
pub use radius::{Radius, RadiusError, RadiusOptions, Tolerance, attacked_radius, radius};
