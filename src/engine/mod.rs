//! The solver of clauses and sums.

pub mod sat;
