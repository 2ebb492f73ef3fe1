//! The steps that methods are made of.

mod attack;
mod domain;
mod exact;
#[cfg(feature = "highs")]
mod milp;
mod refine;
mod windows;

pub(super) use attack::{Attacks, follow};
pub(super) use domain::{Domain, LinearProgram, Rational, Recomputed};
pub(super) use exact::Decide;
#[cfg(feature = "highs")]
pub(super) use milp::Milp;
pub(super) use refine::Refine;
pub(super) use windows::Windows;
