//! Octahedra, double description and the joint convex hull of k neurons.
//!
//! The inputs `z` of a group of k neurons lie in an [`Octahedron`]; each activation is a list of
//! [`Segment`]s. [`JointHull`] is the convex hull, in `(z, y) ∈ R^{2k}`, of all points `(z, σ(z))` with
//! `z` in the octahedron (Singh et al. 2019, *Beyond the Single Neuron Convex Barrier*, eq. 6).
//!
//! Two computations, two kinds of arithmetic:
//!
//! 1. the vertices of the pieces, in integers: exact, no tolerance anywhere (`grid`, `vertices`);
//! 2. the facets or one separating facet, in floats: candidates only (`double_description`,
//!    `separation`). Whatever comes out, its right side is then set to the rigorous maximum over the
//!    exact vertices (`lift`), so rounding can cost precision but never soundness.

mod double_description;
mod frame;
mod grid;
mod hull;
mod incidence;
mod lift;
mod linear;
mod octahedron;
mod segment;
mod separation;
mod vertices;

#[cfg(test)]
mod tests;

pub use hull::{Facet, JointHull};
pub use octahedron::{MAX_NEURONS, Octahedron, directions};
pub use segment::Segment;

use thiserror::Error;

/// Why a group of neurons has no joint hull.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum PolyhedraError {
    /// The group is empty or larger than [`MAX_NEURONS`].
    #[error("a group has 1 to {MAX_NEURONS} neurons, not {0}")]
    GroupSize(usize),
    /// The number of bounds is not 3^k − 1.
    #[error("an octahedron of {k} neurons needs {expected} bounds, one per direction, but got {found}")]
    BoundCount {
        /// Neurons in the group.
        k: usize,
        /// 3^k − 1.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A bound is NaN or infinite.
    #[error("the bound of direction {0} is not finite; give the sum of the single bounds instead")]
    NonFiniteBound(usize),
    /// There is not one list of segments per neuron.
    #[error("{neurons} neurons need as many lists of segments, but got {lists}")]
    SegmentLists {
        /// Neurons in the group.
        neurons: usize,
        /// Lists given.
        lists: usize,
    },
    /// A segment has NaN ends, ends in the wrong order, or a slope or intercept that is not finite.
    #[error("segment {segment} of neuron {neuron} is malformed: its ends must be ordered and its line finite")]
    MalformedSegment {
        /// Position in the group.
        neuron: usize,
        /// Position in the neuron's list.
        segment: usize,
    },
    /// Some value is too large for the arithmetic (beyond 2^1000).
    #[error("a bound or an activation's value exceeds 2^1000")]
    OutOfRange,
    /// No point satisfies all bounds and lies on a segment: the constraints contradict each other.
    #[error("the octahedron, cut by the segments, is empty")]
    Empty,
}
