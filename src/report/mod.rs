//! What a person or a program reads: one file per output.

mod bounds;
mod certificate;
mod info;
mod json;
mod text;

pub use bounds::write_bounds;
pub use certificate::{read_certificates, write_certificates};
pub use info::{info_json, info_text};
pub use json::{SCHEMA, analysis_json};
pub use text::analysis_text;

/// What an analysis was about.
pub struct Context<'a> {
    /// The network's file, or the name of the built-in example.
    pub network: &'a str,
    /// The query's file, or what the region is.
    pub query: &'a str,
    /// The domain that was asked for.
    pub domain: String,
    /// True for the built-in example.
    pub is_example: bool,
}
