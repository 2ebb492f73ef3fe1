//! What a person or a program reads: one file per output.

mod attack;
mod bounds;
mod certificate;
pub mod compare;
mod info;
mod json;
mod text;
mod vnnlib;

pub use attack::{Attacked, attack_json, attack_text};
pub use bounds::{write_bounds, write_whole};
pub use certificate::{read_certificates, write_certificates};
pub use info::{info_json, info_text};
pub use json::{SCHEMA, analysis_json};
pub(crate) use json::{number, witness_json};
pub use text::analysis_text;
pub use vnnlib::{TIMED_OUT, UNKNOWN, vnnlib_answer};

use crate::domains::network::Arithmetic;

/// What an analysis was about.
pub struct Context<'a> {
    /// The network's file, or the name of the built-in example.
    pub network: &'a str,
    /// The query's file, or what the region is.
    pub query: &'a str,
    /// The domain that was asked for.
    pub domain: String,
    /// The arithmetic that the answer is about.
    pub arithmetic: Arithmetic,
    /// True for the built-in example.
    pub is_example: bool,
}
