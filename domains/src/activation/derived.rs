//! What follows from an activation's list of pieces.

use super::{HalfPlane, Line, Lines, Piece, Reach, Slopes, Smooth};
use crate::num::round::{add_up, mul_down, mul_up, sub_down, sub_up};
use crate::num::{Interval, Lattice, Rational, Scalar, exact_or_zero};
use crate::polyhedra::Segment;
use dashu_base::BitTest;
use float_ord::FloatOrd;
use itertools::Itertools;
use std::cmp::Reverse;

/// Numbers to which an activation can be applied.
pub trait Activate: Scalar {
    /// The function given by `pieces`, at `self`.
    fn activate(&self, pieces: &[Piece]) -> Self;

    /// A smooth function at `self`; `None` where this arithmetic cannot hold its values.
    fn activate_smooth(&self, f: &dyn Smooth) -> Option<Self>;

    /// The product with another number; `None` where this arithmetic does not hold it.
    fn product(&self, other: &Self) -> Option<Self> {
        Some(self.mul(other))
    }
}

/// A product of fractions with more bits than this is not computed: where products feed products, bits double from layer
/// to layer.
const LONGEST: usize = 1 << 16;

/// The piece whose domain holds the point, told by how the point compares with a float.
fn piece_at(pieces: &[Piece], compare: impl Fn(f64) -> std::cmp::Ordering) -> Option<&Piece> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    pieces.iter().find(|piece| {
        let after = match compare(piece.from) {
            Greater => true,
            Equal => piece.from_closed,
            Less => false,
        };
        let before = match compare(piece.to) {
            Less => true,
            Equal => piece.to_closed,
            Greater => false,
        };
        after && before
    })
}

impl Activate for f64 {
    fn activate(&self, pieces: &[Piece]) -> Self {
        if self.is_infinite() {
            let end = if *self > 0.0 { pieces.last() } else { pieces.first() };
            return end.map_or(Self::NAN, |p| if p.slope == 0.0 { p.intercept } else { p.slope * self + p.intercept });
        }
        if self.is_nan() {
            return Self::NAN;
        }
        piece_at(pieces, |end| if *self == end { std::cmp::Ordering::Equal } else { self.total_cmp(&end) })
            .map_or(Self::NAN, |p| p.slope * self + p.intercept)
    }

    fn activate_smooth(&self, f: &dyn Smooth) -> Option<Self> {
        Some(f.guess(*self)[0])
    }
}

impl Activate for f32 {
    fn activate(&self, pieces: &[Piece]) -> Self {
        f64::from(*self).activate(pieces) as Self
    }

    fn activate_smooth(&self, f: &dyn Smooth) -> Option<Self> {
        Some(f.guess(f64::from(*self))[0] as Self)
    }
}

impl Activate for Rational {
    fn activate(&self, pieces: &[Piece]) -> Self {
        let found = piece_at(pieces, |end| match end {
            f64::INFINITY => std::cmp::Ordering::Less,
            f64::NEG_INFINITY => std::cmp::Ordering::Greater,
            _ => self.cmp(&exact_or_zero(end)),
        });
        found.map_or(Self::ZERO, |p| exact_or_zero(p.slope) * self + exact_or_zero(p.intercept))
    }

    fn activate_smooth(&self, _: &dyn Smooth) -> Option<Self> {
        None
    }

    fn product(&self, other: &Self) -> Option<Self> {
        let bits = |q: &Self| q.numerator().bit_len() + q.denominator().bit_len();
        (bits(self) + bits(other) <= LONGEST).then(|| self * other)
    }
}

impl Activate for Interval {
    fn activate(&self, pieces: &[Piece]) -> Self {
        image(pieces, Reach::from(*self))
    }

    fn activate_smooth(&self, f: &dyn Smooth) -> Option<Self> {
        // Where it is not defined there is no value, whatever is made of it afterwards.
        (!f.parts(*self).is_empty()).then(|| super::smooth::image(f, *self))
    }
}

/// The lattice of the function's values over `z`.
pub(super) fn image_lattice(pieces: &[Piece], z: Reach<'_>) -> Lattice {
    let of_piece = |(piece, part): (&Piece, Interval)| {
        let argument = match z.lattice {
            _ if part.lo == part.hi => Lattice::point(part.lo),
            known => known.cloned().unwrap_or(Lattice::Any),
        };
        match piece.slope {
            0.0 => Lattice::point(piece.intercept),
            slope => Lattice::point(slope).mul(&argument).add(&Lattice::point(piece.intercept)),
        }
    };
    overlapping(pieces, z).map(of_piece).reduce(|a, b| a.join(&b)).unwrap_or(Lattice::Any)
}

pub(super) fn image(pieces: &[Piece], z: Reach<'_>) -> Interval {
    let image = overlapping(pieces, z)
        .map(|(piece, part)| part.scale(piece.slope) + Interval::point(piece.intercept))
        .reduce(Interval::join);
    image.unwrap_or(Interval::ALL)
}

/// The pieces that a value of `z` can lie on, each with the part of the bounds that it covers (closed;
/// on a lattice up to the last values there).
fn overlapping<'p>(pieces: &'p [Piece], z: Reach<'p>) -> impl Iterator<Item = (&'p Piece, Interval)> {
    let Reach { bounds: z, lattice, open } = z;
    let is_left_out =
        |at: f64, end: f64, closed: bool, bound: f64, open: bool| (at == end && !closed) || (at == bound && open);
    pieces.iter().filter_map(move |piece| {
        let mut part = z.intersect(Interval { lo: piece.from, hi: piece.to });
        // An open end that only touches the bounds cannot be reached.
        let misses_left = z.hi == piece.from && (open.upper || !piece.from_closed);
        let misses_right = z.lo == piece.to && (open.lower || !piece.to_closed);
        if let Some(lattice) = lattice {
            part = Interval {
                lo: lattice.at_least(part.lo, is_left_out(part.lo, piece.from, piece.from_closed, z.lo, open.lower)),
                hi: lattice.at_most(part.hi, is_left_out(part.hi, piece.to, piece.to_closed, z.hi, open.upper)),
            };
        }
        let infinite_point = part.lo == part.hi && part.lo.is_infinite();
        (!part.is_empty() && !misses_left && !misses_right && !infinite_point).then_some((piece, part))
    })
}

/// Bounds of the slopes of chords: a chord's slope is a mean of those of the pieces that it passes.
pub(super) fn chords(pieces: &[Piece], z: Interval) -> Interval {
    let passed: Vec<&Piece> = overlapping(pieces, z.into()).map(|(piece, _)| piece).collect();
    let joins = |pair: &[&Piece]| pair[0].to_closed && pair[1].from_closed;
    if !passed.windows(2).all(joins) {
        return Interval::ALL;
    }
    // A piece that only touches the bounds has no part in a chord.
    let is_long = |piece: &&&Piece| z.lo < piece.to && piece.from < z.hi;
    let slopes = passed.iter().filter(is_long).map(|piece| Interval::point(piece.slope));
    slopes.reduce(Interval::join).unwrap_or(Interval::ALL)
}

pub(super) fn segments(pieces: &[Piece], z: Reach<'_>) -> Vec<Segment> {
    let all: Vec<Segment> = overlapping(pieces, z)
        .map(|(p, part)| Segment { from: part.lo, to: part.hi, slope: p.slope, intercept: p.intercept })
        .collect();
    // A point where two pieces join continuously adds nothing to its longer neighbour.
    let is_repeated = |i: usize, s: &Segment| {
        s.from == s.to
            && all.iter().enumerate().any(|(j, other)| {
                j != i
                    && other.from <= s.from
                    && s.from <= other.to
                    && (other.from < other.to || j < i)
                    && value_at(s, s.from) == value_at(other, s.from)
                    && value_at(s, s.from).width() == 0.0
            })
    };
    all.iter().enumerate().filter(|(i, s)| !is_repeated(*i, s)).map(|(_, s)| *s).collect()
}

/// The segment's value at `z`, enclosed.
fn value_at(segment: &Segment, z: f64) -> Interval {
    Interval::point(z).scale(segment.slope) + Interval::point(segment.intercept)
}

/// The end points of all segments, `y` enclosed.
fn end_points(segments: &[Segment]) -> Vec<(f64, Interval)> {
    segments.iter().flat_map(|s| [(s.from, value_at(s, s.from)), (s.to, value_at(s, s.to))]).collect()
}

pub(super) fn hull(segments: &[Segment]) -> Vec<HalfPlane> {
    let points = end_points(segments);
    if points.iter().any(|(z, y)| !z.is_finite() || !y.lo.is_finite() || !y.hi.is_finite()) {
        return Vec::new();
    }
    let mut half_planes = Vec::new();
    for sign in [1.0, -1.0] {
        // sign = 1: the edges above the graph; −1: those below it, by mirroring y.
        for ((z1, y1), (z2, y2)) in upper_chain(&points, sign) {
            let (z, y) = (-sign * (y2 - y1), sign * (z2 - z1));
            if let Some(rhs) = support(&points, z, y) {
                half_planes.push(HalfPlane { z, y, rhs });
            }
        }
    }
    half_planes
}

/// A finite upper bound of `max (a z + b y)` over the points; `None` when there is none.
fn support(points: &[(f64, Interval)], a: f64, b: f64) -> Option<f64> {
    if !(a.is_finite() && b.is_finite()) {
        return None;
    }
    let value = |&(z, y): &(f64, Interval)| add_up(mul_up(a, z), y.scale(b).hi);
    let rhs = points.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
    rhs.is_finite().then_some(rhs)
}

type Point = (f64, f64);

/// The edges of the upper convex hull of the points (of `sign · y`), from left to right, in floats:
/// callers shift each edge against the exact points afterwards. `y` is returned without the sign.
fn upper_chain(points: &[(f64, Interval)], sign: f64) -> Vec<(Point, Point)> {
    let mut sorted: Vec<Point> = points.iter().map(|&(z, y)| (z, sign * y.middle())).collect();
    sorted.sort_by_key(|p| (FloatOrd(p.0), Reverse(FloatOrd(p.1))));
    sorted.dedup_by(|b, a| a.0 == b.0);
    let mut chain: Vec<Point> = Vec::new();
    for p in sorted {
        while let [.., a, b] = chain[..] {
            // Keep b only if it lies strictly above the line from a to p.
            let above = (b.1 - a.1) * (p.0 - a.0) > (p.1 - a.1) * (b.0 - a.0);
            if above {
                break;
            }
            chain.pop();
        }
        chain.push(p);
    }
    chain.into_iter().map(|(z, y)| (z, sign * y)).tuple_windows().collect()
}

pub(super) fn lines(segments: &[Segment], z: Interval, slopes: Slopes) -> Lines {
    if let [only] = segments {
        let line = Line { slope: only.slope, intercept: only.intercept };
        return Lines { lower: line, upper: line };
    }
    if let ([low, high], Slopes::Zero | Slopes::One) = (segments, slopes)
        && (low.slope, high.slope) == (0.0, 0.0)
    {
        return step_lines(segments, slopes == Slopes::One);
    }
    let upper = supporting_line(segments, z, 1.0);
    let lower = match (slopes, kink(segments)) {
        (Slopes::Area, _) | (_, None) => supporting_line(segments, z, -1.0),
        (Slopes::Parallel, Some(_)) => below(segments, upper.slope),
        (Slopes::Zero, Some((left, _))) => below(segments, left),
        (Slopes::One, Some((_, right))) => below(segments, right),
    };
    Lines { lower, upper }
}

/// The flat or the sloped lines of a step: two of the sides of the quadrilateral around it.
fn step_lines(segments: &[Segment], is_sloped: bool) -> Lines {
    let line = |sign: f64| {
        let edges = upper_chain(&end_points(segments), sign);
        // The sloped edge lies at the far end of the lower chain, at the near end of the upper one.
        let edge = if sign > 0.0 { edges.first() } else { edges.last() }.filter(|_| is_sloped);
        let slope = edge.map_or(0.0, |((z1, y1), (z2, y2))| (y2 - y1) / (z2 - z1));
        let slope = if slope.is_finite() { slope } else { 0.0 };
        let band = band(segments, slope);
        Line { slope, intercept: if sign > 0.0 { band.hi } else { band.lo } }
    };
    Lines { lower: line(-1.0), upper: line(1.0) }
}

/// The two slopes of a convex continuous graph with one kink.
fn kink(segments: &[Segment]) -> Option<(f64, f64)> {
    let [left, right] = segments else { return None };
    let joins = left.to == right.from && value_at(left, left.to) == value_at(right, right.from);
    (joins && left.slope < right.slope).then_some((left.slope, right.slope))
}

/// The highest line of a slope below the graph.
fn below(segments: &[Segment], slope: f64) -> Line {
    Line { slope, intercept: band(segments, slope).lo }
}

/// Among the lines on one side of the graph, the one that encloses the least area with it over
/// `[l, u]`: that area is linear in the line's value at the middle, so it is the edge of the hull
/// there. At a tie the right edge is taken (for ReLU: slope 1 iff `u ≥ −l`).
fn supporting_line(segments: &[Segment], z: Interval, sign: f64) -> Line {
    let middle = z.lo / 2.0 + z.hi / 2.0;
    let edge = upper_chain(&end_points(segments), sign).into_iter().rfind(|edge| edge.0.0 <= middle);
    let slope = edge.map_or(0.0, |((z1, y1), (z2, y2))| (y2 - y1) / (z2 - z1));
    let slope = if slope.is_finite() { slope } else { 0.0 };
    // The intercept is the worst of y − slope · z over the exact end points.
    let band = band(segments, slope);
    let intercept = if sign > 0.0 { band.hi } else { band.lo };
    Line { slope, intercept }
}

/// Bounds of `y − slope · z` over the graph: the narrowest band of that slope that contains it.
pub(super) fn band(segments: &[Segment], slope: f64) -> Interval {
    let gap =
        |(z, y): (f64, Interval)| Interval::new(sub_down(y.lo, mul_up(slope, z)), sub_up(y.hi, mul_down(slope, z)));
    end_points(segments).into_iter().map(gap).reduce(Interval::join).unwrap_or(Interval::ALL)
}

#[cfg(test)]
mod tests {
    use super::super::{ActivationFn, OpenEnds, Relu, Sign, SignWithZero, all};
    use super::*;
    use crate::num::exact;
    use proptest::prelude::*;

    /// So many of all activations are made of pieces, and come first.
    const PIECEWISE: usize = 8;

    fn bounds() -> impl Strategy<Value = Interval> {
        prop_oneof![
            (-4.0..4.0f64, -4.0..4.0f64),
            (-3..3i32, -3..3i32).prop_map(|(a, b)| (f64::from(a), f64::from(b))),
            (-1e-300..1.0f64, -1.0..1e300f64),
        ]
        .prop_map(|(a, b)| Interval::new(a.min(b), a.max(b)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The law behind every relaxation: the graph lies inside, in exact arithmetic.
        #[test]
        fn every_relaxation_contains_the_graph(
            z in bounds(), t in 0.0..=1.0f64, which in 0..PIECEWISE, lower in any::<bool>(), upper in any::<bool>(),
        ) {
            let f = &all()[which];
            let x = (z.lo + t * (z.hi - z.lo)).clamp(z.lo, z.hi);
            let reach = Reach { open: OpenEnds { lower, upper }, ..z.into() };
            let belongs = |x: &f64| !(lower && *x == z.lo || upper && *x == z.hi);
            for x in [x, z.lo, z.hi, 0.0f64.clamp(z.lo, z.hi)].into_iter().filter(belongs) {
                let (rx, ry) = (exact(x).unwrap(), exact(x).unwrap().activate(f.pieces().unwrap()));
                prop_assert_eq!(exact(f.eval(x)).unwrap(), ry.clone());
                let image = f.image(reach);
                prop_assert!(exact(image.lo).unwrap() <= ry && ry <= exact(image.hi).unwrap());
                let (step, rise) = (&rx - exact(z.lo).unwrap(), ry.clone() - exact(z.lo).unwrap().activate(f.pieces().unwrap()));
                let chords = f.chords(z);
                prop_assert!(exact(chords.lo).is_none_or(|least| least * &step <= rise), "{:?}", chords);
                prop_assert!(exact(chords.hi).is_none_or(|most| rise <= most * &step), "{:?}", chords);
                for h in f.hull(reach) {
                    let value = exact(h.z).unwrap() * &rx + exact(h.y).unwrap() * &ry;
                    prop_assert!(value <= exact(h.rhs).unwrap(), "{:?}", h);
                }
                for slopes in [Slopes::Area, Slopes::Parallel, Slopes::Zero, Slopes::One] {
                    let lines = f.lines_with(reach, slopes);
                    let line = |l: Line| exact(l.slope).unwrap() * &rx + exact(l.intercept).unwrap();
                    prop_assert!(line(lines.lower) <= ry && ry <= line(lines.upper), "{:?}", slopes);
                }
                let on_a_segment = f.segments(reach).iter().any(|s| {
                    s.from <= x && x <= s.to
                        && exact(s.slope).unwrap() * &rx + exact(s.intercept).unwrap() == ry
                });
                prop_assert!(on_a_segment);
            }
        }
    }

    #[test]
    fn the_relu_triangle_and_its_least_area_lines() {
        let lines = Relu.lines(Interval::new(-2.0, 2.0).into());
        assert_eq!(lines.lower, Line { slope: 1.0, intercept: 0.0 }, "a tie takes slope one");
        assert_eq!(lines.upper, Line { slope: 0.5, intercept: 1.0 });
        assert_eq!(Relu.lines(Interval::new(-3.0, 1.0).into()).lower, Line { slope: 0.0, intercept: 0.0 });
        assert_eq!(Relu.hull(Interval::new(-2.0, 2.0).into()).len(), 3);
        assert_eq!(Relu.segments(Interval::new(-1.0, 0.0).into()).len(), 1);
        assert_eq!(Relu.segments(Interval::new(0.0, 1.0).into()).len(), 1);
        assert_eq!(Relu.segments(Interval::new(0.0, 0.0).into()).len(), 1);
    }

    #[test]
    fn the_slopes_asked_for_are_taken_where_they_make_sense() {
        let z = Interval::new(-1.0, 3.0);
        let lower = |f: &dyn ActivationFn, slopes| f.lines_with(z.into(), slopes).lower;
        assert_eq!(lower(&Relu, Slopes::Area).slope, 1.0);
        assert_eq!(lower(&Relu, Slopes::One).slope, 1.0);
        assert_eq!(lower(&Relu, Slopes::Zero), Line { slope: 0.0, intercept: 0.0 });
        assert_eq!(lower(&Relu, Slopes::Parallel), Line { slope: 0.75, intercept: 0.0 });
        assert_eq!(lower(&crate::activation::LeakyRelu::new(0.125), Slopes::Zero).slope, 0.125);
        for f in &all()[..PIECEWISE] {
            let area = f.lines_with(z.into(), Slopes::Area);
            for slopes in [Slopes::Parallel, Slopes::Zero, Slopes::One] {
                let lines = f.lines_with(z.into(), slopes);
                let is_step = f.name() == "sign" && slopes != Slopes::Parallel;
                assert!(is_step || lines.upper == area.upper, "{}: {slopes:?}", f.name());
                assert!(is_step || f.name().contains("relu") || lines == area, "{}: {slopes:?}", f.name());
                let stable = Interval::new(1.5, 2.0);
                if !f.is_unstable(stable.into()) {
                    assert_eq!(f.lines_with(stable.into(), slopes), f.lines(stable.into()));
                }
            }
        }
    }

    #[test]
    fn a_step_has_flat_and_sloped_lines() {
        let odd = Lattice::Floats { offset: 1.0, step: 2.0 };
        let z = on_lattice(Interval::new(-3.0, 5.0), &odd);
        let flat = Sign.lines_with(z, Slopes::Zero);
        assert_eq!(
            (flat.lower, flat.upper),
            (Line { slope: 0.0, intercept: -1.0 }, Line { slope: 0.0, intercept: 1.0 })
        );
        let sloped = Sign.lines_with(z, Slopes::One);
        // (−1, −1) to (5, 1) below, (−3, −1) to (1, 1) above.
        assert!((sloped.lower.slope - 1.0 / 3.0).abs() < 1e-15 && (sloped.upper.slope - 0.5).abs() < 1e-15);
        assert!(sloped.lower.at(5.0).contains(1.0) && sloped.upper.at(-3.0).contains(-1.0));
    }

    #[test]
    fn the_two_signs_differ_at_zero() {
        assert_eq!(Sign.eval(0.0), 1.0);
        assert_eq!(Sign.eval(-0.0), 1.0);
        assert_eq!(SignWithZero.eval(0.0), 0.0);
        assert_eq!(Sign.segments(Interval::new(0.0, 2.0).into()).len(), 1, "zero is on the upper branch");
        assert_eq!(Sign.segments(Interval::new(-2.0, 0.0).into()).len(), 2);
        assert_eq!(SignWithZero.segments(Interval::new(-2.0, 0.0).into()).len(), 2);
        assert_eq!(SignWithZero.segments(Interval::new(-2.0, 2.0).into()).len(), 3);
        assert_eq!(Sign.image(Interval::new(-2.0, -1.0).into()), Interval::point(-1.0));
    }

    #[test]
    fn unbounded_pre_activations_still_have_an_image() {
        assert_eq!(Relu.image(Interval::ALL.into()), Interval { lo: 0.0, hi: f64::INFINITY });
        assert_eq!(Sign.image(Interval::ALL.into()), Interval { lo: -1.0, hi: 1.0 });
        assert!(Relu.hull(Interval::ALL.into()).is_empty());
        let lines = Sign.lines(Interval::ALL.into());
        assert_eq!((lines.lower.slope, lines.upper.slope), (0.0, 0.0));
        assert_eq!((lines.lower.intercept, lines.upper.intercept), (-1.0, 1.0));
    }

    fn on_lattice(bounds: Interval, lattice: &Lattice) -> Reach<'_> {
        Reach { lattice: Some(lattice), ..bounds.into() }
    }

    fn even() -> Lattice {
        Lattice::Floats { offset: 0.0, step: 2.0 }
    }

    #[test]
    fn a_lattice_leaves_gaps_around_zero() {
        let (z, even, odd) = (Interval::new(-4.0, 4.0), even(), Lattice::Floats { offset: 1.0, step: 2.0 });
        let ends = |f: &dyn ActivationFn, z: Interval, lattice: &Lattice| -> Vec<(f64, f64)> {
            f.segments(on_lattice(z, lattice)).iter().map(|s| (s.from, s.to)).collect()
        };
        assert_eq!(ends(&Sign, z, &even), [(-4.0, -2.0), (0.0, 4.0)]);
        assert_eq!(ends(&Sign, z, &odd), [(-3.0, -1.0), (1.0, 3.0)]);
        assert_eq!(ends(&SignWithZero, z, &even), [(-4.0, -2.0), (0.0, 0.0), (2.0, 4.0)]);
        assert_eq!(ends(&SignWithZero, z, &odd).len(), 2, "zero is no odd number");
        assert_eq!(ends(&Sign, Interval::new(-1.0, 4.0), &even), [(0.0, 4.0)], "no even number in [-1, 0)");
        // Proposition 1 of Geyer et al.: the quadrilateral (l, −1), (−2, −1), (0, 1), (u, 1).
        let hull = Sign.hull(on_lattice(z, &even));
        assert!(hull.iter().any(|h| h.z / h.y == -1.0 / 2.0 * 1.0 && h.y > 0.0), "{hull:?}");
        let signs = Sign.image_lattice(on_lattice(z, &even));
        assert_eq!(signs, Lattice::Floats { offset: -1.0, step: 2.0 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_relaxation_contains_the_graph_on_a_lattice(
            (offset, step) in (-8..8i32, 1..8i32), k in -20..20i32, (a, b) in (0..40i32, 0.0..9.0f64), which in 0..PIECEWISE
        ) {
            let (offset, step) = (f64::from(offset) / 4.0, f64::from(step) / 4.0);
            let lattice = Lattice::Floats { offset, step };
            let x = offset + f64::from(k) * step;
            let z = Interval::new(x - f64::from(a) / 8.0, x + b);
            let reach = on_lattice(z, &lattice);
            let f = &all()[which];
            let (rx, ry) = (exact(x).unwrap(), exact(x).unwrap().activate(f.pieces().unwrap()));
            let image = f.image(reach);
            prop_assert!(exact(image.lo).unwrap() <= ry && ry <= exact(image.hi).unwrap());
            prop_assert!(f.image_lattice(reach).contains(&ry));
            for h in f.hull(reach) {
                prop_assert!(exact(h.z).unwrap() * &rx + exact(h.y).unwrap() * &ry <= exact(h.rhs).unwrap(), "{:?}", h);
            }
            let lines = f.lines(reach);
            let line = |l: Line| exact(l.slope).unwrap() * &rx + exact(l.intercept).unwrap();
            prop_assert!(line(lines.lower) <= ry && ry <= line(lines.upper));
            prop_assert!(f.segments(reach).iter().any(|s| s.from <= x && x <= s.to));
        }
    }
}
