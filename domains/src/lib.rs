//! Abstract domains for ReLU and binarized neural networks, with bounds that hold in real arithmetic.
//!
//! A module imports only what stands to its left:
//! `num, budget, observer | lp | polyhedra | activation | network | query | verdict | domain`.

pub mod activation;
pub mod budget;
pub mod domain;
pub mod dual;
pub mod lp;
pub mod network;
pub mod num;
pub mod observer;
pub mod polyhedra;
pub mod query;
pub mod verdict;
