//! Runs over data sets.

mod radius;
mod worker;

pub use radius::{Radius, RadiusError, RadiusOptions, Tolerance, attacked_radius, radius};
pub use worker::{Worker, WorkerError};
