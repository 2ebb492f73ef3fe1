//! absint proves or refutes properties of ReLU and binarized neural networks by abstract interpretation.
//!
//! Data flows one way: file → network → region and property → domains → bounds → verdict → report.

pub use absint_domains as domains;

pub mod format;
pub mod train;
