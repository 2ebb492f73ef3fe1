//! What a person or a program reads: one file per output.

mod attack;
mod bounds;
mod certificate;
mod checked;
pub mod compare;
mod info;
mod json;
mod proof_folder;
mod text;
mod vnnlib;
mod whole;

pub use attack::{Attacked, attack_json, attack_text};
pub use bounds::write_bounds;
pub use certificate::{certificates_in, is_about, open_network, write_certificates, write_refutation};
pub use checked::{Accepted, Refused, check_folder, check_formulas, check_refutation};
pub use info::{info_json, info_text};
pub use json::{SCHEMA, analysis_json};
pub(crate) use json::{number, reasons_json, witness_json};
pub use proof_folder::{ProofFolder, is_of_images, members, why_none};
pub use text::{analysis_text, assumption};
pub use vnnlib::{Assigned, TIMED_OUT, UNKNOWN, assigned, assignment_lines, vnnlib_answer, vnnlib_word};
pub use whole::{try_whole, write_whole};

use crate::domains::network::Arithmetic;
use crate::format::onnx::Endings;

/// A text from a file as one line for a terminal: control characters are escaped, and what is too long loses its
/// middle, so that at most so many characters of it are left.
#[must_use]
pub fn printable(text: &str, longest: usize) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    let length = text.chars().count();
    if length <= longest {
        return text.chars().map(escaped).collect();
    }
    let (head, tail) = (longest - longest / 2, longest / 2);
    let (head, tail) = (text.chars().take(head), text.chars().skip(length - tail));
    head.map(escaped).chain(["…".to_owned()]).chain(tail.map(escaped)).collect()
}

/// The longest name that is shown, in characters.
const LONGEST_NAME: usize = 200;

/// A name from a file, or of one.
fn name(text: &str) -> String {
    printable(text, LONGEST_NAME)
}

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
    /// What was dropped at the network's end.
    pub endings: Endings,
    /// True for the built-in example.
    pub is_example: bool,
}
