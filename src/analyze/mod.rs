//! The analysis of one query: methods run step by step until it is decided or the time is up.

mod analysis;
mod cascade;
mod classify;
mod exact_step;
mod options;
mod portable;

pub(crate) use analysis::unstable;
pub use analysis::{Analysis, DisjunctBound, Margin, Stage};
pub use cascade::{AnalyzeError, analyze, analyze_within, check_query};
pub use classify::beaten_by;
pub use options::{DomainName, Options, UnknownDomain, deadline};
pub use portable::portable;
