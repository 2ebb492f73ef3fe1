/// A segment of an activation's closed graph: `y = slope · z + intercept` for `z ∈ [from, to]`.
///
/// `from == to` is a single point. An activation function over an interval is its list of segments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Left end in `z`.
    pub from: f64,
    /// Right end in `z`.
    pub to: f64,
    /// Slope of the segment.
    pub slope: f64,
    /// Value of the extended segment at `z = 0`.
    pub intercept: f64,
}
