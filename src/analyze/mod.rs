//! The analysis of one query: the steps of a method until it is decided or the time is up.

mod analysis;
mod bounds;
mod cascade;
mod case;
mod classify;
mod deadline;
mod error;
mod method;
mod portable;
mod programs;
mod reasons;
mod registry;
mod state;
mod steps;

pub(crate) use analysis::unstable;
pub use analysis::{Analysis, Counters, DisjunctBound, Margin, Stage};
pub use bounds::bounds;
pub(crate) use cascade::analyze_in_stages;
pub use cascade::{analyze, analyze_within, check_certifiable, check_float32, check_query};
pub use classify::{Agreement, agreement, beaten_by};
pub use deadline::{deadline, deadline_within};
pub use error::AnalyzeError;
pub use method::{Completeness, Cost, MOST_JOINED, MadeFor, Method, MethodRow, Options, UnknownMethod};
pub use portable::portable;
pub use programs::solve_programs;
pub use reasons::Reason;
