//! One dual engine for rows of every kind: margins, neuron bounds and the parts of a search, improved together.
//!
//! Carrying a form back to the input with one line per neuron is a Lagrangian: free lower slopes `α`, and multipliers
//! `β ≥ 0` for neurons that a part keeps on one side of zero, give a valid lower bound whatever they are (α-CROWN, Xu et
//! al. 2021; β-CROWN, Wang et al. 2021, eq. 8). So they are guessed, by gradient steps on many rows at once in single
//! precision, and one pass in doubles with every rounding charged turns the guess into a bound.
//!
//! * requires: bounds of all nodes before the form's; activations with one convex corner at zero have free slopes and can
//!   be split, curves and products choose among lines and planes, other activations keep their lines of least area;
//! * returns: certified lower bounds of forms over a region, or over the part of it where neurons keep to their sides;
//! * sound; complete together with splitting, up to what floats resolve.

mod ascent;
mod ball;
mod batch;
mod boxes;
mod certify;
mod choices;
mod columns;
mod joint;
mod kept;
mod layers;
mod look_ahead;
mod pairs;
mod pseudo_costs;
mod record;
mod refine;
mod relaxed;
mod shares;
mod sphere;
mod steps;
mod sums;
mod tree;
mod windows;

pub use ascent::Effort;
pub use batch::{Member, Objective, Side};
pub use boxes::{BoxForm, Corners, Memory, OnBoxes};
pub use record::{NeuronBound, Record};
pub use refine::{Refined, Refinement, power_of_two};
pub use relaxed::{Compiled, Relaxed, has_corners};
pub use tree::{Candidate, Forest, Limits};
pub use windows::{Together, Windows};
