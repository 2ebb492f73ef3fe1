//! Laws that no tolerance enters: soundness in rationals, vertices and facets against exact references.

mod exactness;
mod examples;
mod generate;
mod reference;
mod separation;
mod soundness;
