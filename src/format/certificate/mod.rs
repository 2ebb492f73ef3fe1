//! Certificates over real inputs, as `docs/certificates.md` states them: a network and a query number by number, and the
//! statements of a proof. `absint-check` reads what is written here.

mod argument;
mod numbers;
mod problem;
mod script;
mod together;

pub use argument::Arguments;
pub use problem::{write_network, write_query};
pub use script::{MOST_BYTES, Multipliers, Name, Script, is_nearly_unstable};
