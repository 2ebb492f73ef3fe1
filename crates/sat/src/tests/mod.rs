//! The solver against enumeration and against another solver.

#![allow(clippy::unwrap_used)]

mod enumeration;
mod generate;
mod pigeonhole;
mod proofs;
