//! Exact engines: complete where they apply, given time.

pub mod continuous;
#[cfg(feature = "highs")]
pub mod milp;
pub mod patterns;
pub mod signum;
