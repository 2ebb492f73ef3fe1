//! Laws of the certified bound, and one suite that every backend runs.

mod backends;
mod bounds;
mod support;
mod vertices;

pub(super) use support::triangle_program;
