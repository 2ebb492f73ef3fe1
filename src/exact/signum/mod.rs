//! The exact engine for signum networks: integer thresholds, bits, and a solver for them.
//!
//! [`decide`] answers every query over two-valued or quantised inputs, over real ones that the network itself
//! quantises, or over few real ones, given time: *verified* is the solver's proof that no assignment exists,
//! *falsified* is a replayed witness.

mod alias;
mod ascent;
mod cells;
mod certificate;
mod changes;
mod circuit;
mod decide;
mod encode;
mod enumerate;
mod error;
mod implied;
mod ledger;
mod load;
mod memo;
mod order;
mod original;
mod quantiser;
mod reach;
mod region;
mod reuse;
mod steps;

pub use certificate::Certificate;
pub use decide::{Answer, Compiled, SignumOptions, applies, decide, quantises};
pub use error::SignumError;
pub use load::Preprocessing;
pub use original::{FormulaError, check_formula};
