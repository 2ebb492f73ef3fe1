//! Octahedra, double description and the joint convex hull of k neurons.

mod segment;

pub use segment::Segment;
