//! absint proves or refutes properties of ReLU and binarized neural networks by abstract interpretation.
//!
//! Data flows one way: file → network → region and property → domains → bounds → verdict → report.

pub use absint_domains as domains;

pub mod cli;
pub mod engine;
pub mod example;
pub mod format;
pub mod report;
pub mod train;

pub use engine::{Analysis, AnalyzeError, Options, analyze, analyze_within};
