//! Segments of the graph of an activation.

/// A segment of an activation's closed graph: `y = slope · z + intercept` for `z ∈ [from, to]`.
///
/// An activation is its list of segments over the neuron's bounds `[l, u]`:
///
/// * ReLU: `[l, 0]` with slope 0, `[0, u]` with slope 1;
/// * sign with the gaps `δ⁻, δ⁺`: `[l, −δ⁻]` at −1, `[δ⁺, u]` at +1;
/// * ONNX's sign has the point `[0, 0]` at 0 between those two.
///
/// `from == to` is a point. An infinite end means "as far as the bounds reach".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Left end of the interval of inputs.
    pub from: f64,
    /// Right end of the interval of inputs.
    pub to: f64,
    /// Slope of the graph.
    pub slope: f64,
    /// Value of the segment's line at `z = 0`.
    pub intercept: f64,
}

impl Segment {
    /// `y = slope · z + intercept` for `z ∈ [from, to]`.
    #[must_use]
    pub fn new(from: f64, to: f64, slope: f64, intercept: f64) -> Self {
        Self { from, to, slope, intercept }
    }

    /// The two segments of ReLU over `[l, u]`, `l ≤ 0 ≤ u`.
    #[must_use]
    pub fn relu(l: f64, u: f64) -> Vec<Self> {
        vec![Self::new(l, 0.0, 0.0, 0.0), Self::new(0.0, u, 1.0, 0.0)]
    }

    /// True when the ends are ordered and the line is finite.
    pub(super) fn is_well_formed(&self) -> bool {
        self.from <= self.to && self.slope.is_finite() && self.intercept.is_finite()
    }
}
