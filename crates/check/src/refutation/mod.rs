//! Refutations of queries about networks whose activations are piecewise affine, over real inputs: what a proof may
//! say, and the recomputation of it. `docs/certificates.md` states grammar and meaning.

mod ball;
mod form;
mod lanes;
mod line;
mod network;
mod number;
mod proof;
mod query;
mod row;
mod shown;
mod slopes;
mod state;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use form::Form;
pub use network::{Network, read_network};
pub use proof::{Refuted, check_refutation};
pub use query::{Query, read_query};
pub use text::Refusal;
pub(crate) use text::{Reader, Words, number, shown};
