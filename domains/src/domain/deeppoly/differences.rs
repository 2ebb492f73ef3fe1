//! What is known of the difference of two activations that correspond, `c (σ(z₂) − σ(z₁)) = c s (z₂ − z₁)` with `s` a slope of
//! the activation: lines over `z₂ − z₁`, whose own bounds are known.

use super::relaxation::{NodeLines, Relaxation};
use crate::activation::{ActivationFn, Line, Lines};
use crate::domain::NodeBounds;
use crate::network::{Activation, Network, NodeId, Twin};
use crate::num::Interval;
use crate::num::round::{mul_down, mul_up, sub_down, sub_up};

/// A difference is of one sign where rounding alone says otherwise.
const NEARLY: f64 = 1e-9;

/// Whether the lines say something.
fn is_finite(lines: &Lines) -> bool {
    [lines.lower, lines.upper].iter().all(|line| line.slope.is_finite() && line.intercept.is_finite())
}

/// Lines around `s · d` for all slopes `s` in `chords` and all `d` in the interval: the two that are its convex hull.
fn lines(chords: Interval, d: Interval) -> Lines {
    let Interval { lo: least, hi: most } = chords;
    if d.lo >= 0.0 || d.hi <= 0.0 {
        let (below, above) = if d.lo >= 0.0 { (least, most) } else { (most, least) };
        let line = |slope| Line { slope, intercept: 0.0 };
        return Lines { lower: line(below), upper: line(above) };
    }
    let chord = |left: f64, right: f64| {
        let slope = (right * d.hi - left * d.lo) / (d.hi - d.lo);
        if slope.is_finite() { slope } else { 0.0 }
    };
    let (above, below) = (chord(least, most), chord(most, least));
    // The greatest of `s d` is convex in `d`, and so below a line that is above it at both ends.
    let over = |s: f64, end: f64| sub_up(mul_up(s, end), mul_down(above, end));
    let under = |s: f64, end: f64| sub_down(mul_down(s, end), mul_up(below, end));
    Lines {
        lower: Line { slope: below, intercept: under(most, d.lo).min(under(least, d.hi)) },
        upper: Line { slope: above, intercept: over(least, d.lo).max(over(most, d.hi)) },
    }
}

/// The neurons of two activations that correspond whose difference is known better than the relaxations of both alone
/// tell, and lines around it over that of what they read.
#[derive(Clone, Debug)]
pub struct Differences {
    pub(super) twin: Twin,
    pub(super) neurons: Vec<usize>,
    pub(super) lines: NodeLines,
}

impl Differences {
    /// Those of the activation `second` and its like, where there are any.
    pub(super) fn new<'a>(
        second: NodeId,
        network: &Network,
        bounds: impl Fn(NodeId) -> &'a NodeBounds,
        relaxation: impl Fn(NodeId) -> &'a Relaxation,
    ) -> Option<Self> {
        let twin = *network.twins().iter().find(|twin| twin.second == second)?;
        let of = |id: NodeId| match relaxation(id) {
            Relaxation::Activation(lines) => Some(lines),
            _ => None,
        };
        let alone = [of(twin.first)?, of(twin.second)?];
        let d = bounds(twin.difference);
        let line = |i: usize| {
            let own = |_: &dyn ActivationFn, z: Interval, which: usize| alone[which].get(i).gap(z);
            let found = difference_lines(&twin, network, |source| bounds(source).get(i), own)?;
            found.tells.then_some(found.lines)
        };
        let all: Vec<Option<Lines>> = (0..d.len()).map(line).collect();
        let neurons: Vec<usize> = (0..d.len()).filter(|&i| all[i].is_some()).collect();
        let nothing = Line { slope: 0.0, intercept: 0.0 };
        let lines = NodeLines::of(d, |i| all[i].unwrap_or(Lines { lower: nothing, upper: nothing }));
        (!neurons.is_empty()).then_some(Self { twin, neurons, lines })
    }
}

/// For each neuron of node `id`, where that is the difference of what two activations read, whether these bounds leave one
/// of both on several pieces: over the others nothing goes.
#[must_use]
pub fn open_differences<'a>(
    network: &Network,
    id: NodeId,
    bounds: impl Fn(NodeId) -> &'a NodeBounds,
) -> Option<Vec<bool>> {
    let twin = network.twins().iter().find(|twin| twin.difference == id)?;
    let read = [twin.first, twin.second].map(|id| network.activation(id));
    let is_unstable = |activation: &Activation, i: usize| {
        let z = bounds(activation.source).reach(i);
        activation.function.is_unstable(z)
    };
    let is_open = |i: usize| read.iter().flatten().any(|activation| is_unstable(activation, i));
    Some((0..network.node(id).len).map(is_open).collect())
}

/// What is known of the difference of a neuron and its like.
#[derive(Clone, Copy, Debug)]
pub struct DifferenceLines {
    /// Around it, over the difference of what they read.
    pub lines: Lines,
    /// The slopes that chords have.
    pub chords: Interval,
    /// Whether that tells more than the lines of both alone.
    pub tells: bool,
}

/// What is known of the difference of a neuron of `twin` and its like, besides their own lines over what they read, whose
/// `gap` is that of the first and of the second one; nothing where these lose nothing. `bounds` are those of the neuron in
/// a node.
#[must_use]
pub fn difference_lines(
    twin: &Twin,
    network: &Network,
    bounds: impl Fn(NodeId) -> Interval,
    gap: impl Fn(&dyn ActivationFn, Interval, usize) -> f64,
) -> Option<DifferenceLines> {
    let (first, second) = (network.activation(twin.first)?, network.activation(twin.second)?);
    let (function, z1, z2) = (first.function.as_ref(), bounds(first.source), bounds(second.source));
    let alone = gap(function, z1, 0) + gap(function, z2, 1);
    // Where both are on one piece nothing is lost alone.
    if alone <= 0.0 {
        return None;
    }
    let (chords, d) = (function.chords(z1.join(z2)), bounds(twin.difference));
    // Which of two is larger is worth more than by how much.
    let is_ordered = d.lo >= -NEARLY * d.hi || d.hi <= -NEARLY * d.lo;
    let tells = is_ordered || chords.width() * d.magnitude() < alone;
    let found = DifferenceLines { lines: lines(chords, d), chords, tells };
    (d.magnitude().is_finite() && is_finite(&found.lines)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::exact;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_product_of_a_slope_and_a_difference_lies_between_the_lines(
            slopes in prop::array::uniform2(-1.5..1.5f64), ends in prop::array::uniform2(-3.0..3.0f64),
            (s, t) in (0.0..=1.0f64, 0.0..=1.0f64), size in -200..200i32,
        ) {
            let size = 2f64.powi(size);
            let range = |[a, b]: [f64; 2]| Interval { lo: a.min(b), hi: a.max(b) };
            let (chords, d) = (range(slopes), range(ends.map(|end| end * size)));
            let Lines { lower, upper } = lines(chords, d);
            let inside = |x: Interval, t: f64| (x.lo + t * (x.hi - x.lo)).clamp(x.lo, x.hi);
            for s in [chords.lo, chords.hi, inside(chords, s)] {
                for d in [d.lo, d.hi, inside(d, t), 0.0f64.clamp(d.lo, d.hi)] {
                    let product = exact(s).unwrap() * exact(d).unwrap();
                    let at = |line: Line| exact(line.slope).unwrap() * exact(d).unwrap() + exact(line.intercept).unwrap();
                    prop_assert!(at(lower) <= product && product <= at(upper), "{lower:?} {upper:?}");
                }
            }
        }
    }

    #[test]
    fn the_lines_are_the_convex_hull() {
        let relu = Interval::new(0.0, 1.0);
        let of = |lo: f64, hi: f64| lines(relu, Interval { lo, hi });
        let line = |slope: f64, intercept: f64| Line { slope, intercept };
        assert_eq!(of(0.0, 2.0), Lines { lower: line(0.0, 0.0), upper: line(1.0, 0.0) });
        assert_eq!(of(-2.0, 0.0), Lines { lower: line(1.0, 0.0), upper: line(0.0, 0.0) });
        assert_eq!(of(-1.0, 3.0), Lines { lower: line(0.25, -0.75), upper: line(0.75, 0.75) });
    }
}
