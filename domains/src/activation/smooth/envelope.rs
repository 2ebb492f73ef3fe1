//! What follows from a smooth function's values, slopes and parts. Slopes of lines are guessed in floats; a band of that
//! slope around the graph, proven from enclosures, sets their intercepts.

use super::super::{HalfPlane, Line, Lines, Slopes};
use super::{Bend, Part, Smooth};
use crate::num::Interval;
use crate::polyhedra::Segment;
use float_ord::FloatOrd;

/// Bounds of the slopes of all chords over `z`, by the mean value theorem those of the derivative.
pub fn chords(f: &dyn Smooth, z: Interval) -> Interval {
    let of_part = |part: &Part| {
        let (from, to) = (part.from.max(z.lo), part.to.min(z.hi));
        let is_known = matches!(part.bend, Bend::Convex | Bend::Concave) && from.is_finite() && to.is_finite();
        let slopes = || if is_known { f.slope(from).join(f.slope(to)) } else { Interval::ALL };
        (from <= to).then(slopes)
    };
    f.parts(z).iter().filter_map(of_part).reduce(Interval::join).unwrap_or(Interval::ALL)
}

/// `±(f(z) − slope · z)`, of which the least value is sought: with + for a line below the graph, with − for one above.
struct Tilted<'a> {
    f: &'a dyn Smooth,
    slope: f64,
    sign: f64,
}

impl Tilted<'_> {
    fn value(&self, z: f64) -> Interval {
        (self.f.value(z) - Interval::point(z).scale(self.slope)).scale(self.sign)
    }

    fn guess(&self, z: f64) -> f64 {
        self.sign * (self.f.guess(z)[0] - self.slope * z)
    }

    fn is_convex_on(&self, part: &Part) -> bool {
        part.bend == if self.sign > 0.0 { Bend::Convex } else { Bend::Concave }
    }

    /// A lower bound over a part.
    fn least(&self, part: &Part) -> f64 {
        let within = |values: Interval| {
            let line = Interval { lo: part.from, hi: part.to }.scale(self.slope);
            (values - line).scale(self.sign).lo
        };
        match part.bend {
            Bend::Monotone => return within(self.f.value(part.from).join(self.f.value(part.to))),
            Bend::Unknown => return within(self.f.range()),
            Bend::Convex | Bend::Concave => {}
        }
        let ends = self.value(part.from).lo.min(self.value(part.to).lo);
        if !self.is_convex_on(part) {
            return ends;
        }
        // A convex function lies above each of its tangents.
        let tangent = |p: f64| {
            let rise = (self.f.slope(p) - Interval::point(self.slope)).scale(self.sign);
            let steps = Interval { lo: part.from, hi: part.to } - Interval::point(p);
            (self.value(p) + rise * steps).lo
        };
        let (left, right) = (tangent(part.from), tangent(part.to));
        let best = left.max(right);
        if best < ends { best.max(tangent(self.lowest(part))) } else { best }
    }

    /// About where on a part that is convex the least value is.
    fn lowest(&self, part: &Part) -> f64 {
        let rise = |z: f64| self.sign * (self.f.guess(z)[1] - self.slope);
        let (mut a, mut b) = (part.from.max(-f64::MAX), part.to.min(f64::MAX));
        let (mut at_a, mut at_b) = (rise(a), rise(b));
        if at_a.is_nan() || at_b.is_nan() || at_a >= 0.0 || at_b <= 0.0 {
            return if at_a >= 0.0 { a } else { b };
        }
        // False position, with halvings in between so that no end stays for long.
        for round in 0..MOST_ROUNDS {
            let between = if round % 3 == 2 { a / 2.0 + b / 2.0 } else { a - at_a * ((b - a) / (at_b - at_a)) };
            let z = if a < between && between < b { between } else { a / 2.0 + b / 2.0 };
            let at_z = rise(z);
            if at_z.abs() <= ROUNDING * self.slope.abs() || z <= a || b <= z {
                return z;
            }
            if at_z < 0.0 {
                (a, at_a, at_b) = (z, at_z, at_b / 2.0);
            } else {
                (b, at_b, at_a) = (z, at_z, at_a / 2.0);
            }
        }
        a / 2.0 + b / 2.0
    }

    /// About where the least value is.
    fn lowest_of(&self, parts: &[Part]) -> Option<f64> {
        let ends = parts.iter().flat_map(|p| [p.from, p.to]);
        let inside = parts.iter().filter(|p| self.is_convex_on(p)).map(|p| self.lowest(p));
        ends.chain(inside).min_by_key(|&z| FloatOrd(self.guess(z)))
    }
}

/// After so many evaluations a guess is good enough, and up to this relative error.
const MOST_ROUNDS: usize = 60;
const ROUNDING: f64 = 1e-15;

/// The parts of the function, cut to `z`; none where it is not defined on all of it.
fn parts_within(f: &dyn Smooth, z: Interval) -> Vec<Part> {
    let cut = |p: Part| Part { from: p.from.max(z.lo), to: p.to.min(z.hi), ..p };
    f.parts(z).into_iter().map(cut).filter(|p| p.from <= p.to).collect()
}

/// Bounds of `f(z) − slope · z` over `z`.
pub(in super::super) fn band(f: &dyn Smooth, z: Interval, slope: f64) -> Interval {
    let parts = parts_within(f, z);
    let least = |sign: f64| {
        let tilted = Tilted { f, slope, sign };
        parts.iter().map(|part| tilted.least(part)).reduce(f64::min).unwrap_or(f64::NEG_INFINITY)
    };
    Interval::new(least(1.0), -least(-1.0))
}

/// Bounds of `f(z)` over `z`.
pub(in super::super) fn image(f: &dyn Smooth, z: Interval) -> Interval {
    let band = band(f, z, 0.0);
    // Where the function is not defined its range says nothing.
    if band == Interval::ALL && f.parts(z).is_empty() { band } else { band.intersect(f.range()) }
}

/// The slope of the line below the graph (sign 1) or above it (−1) that is nearest to it at `middle`: of a tangent
/// there, or of the chord or common tangent that bridges it.
fn nearest_slope(f: &dyn Smooth, parts: &[Part], z: Interval, middle: f64, sign: f64) -> f64 {
    let tilted = |slope: f64| Tilted { f, slope, sign };
    let tangent = f.guess(middle)[1];
    let scale = f.guess(z.lo)[0].abs().max(f.guess(z.hi)[0].abs()).max(f64::MIN_POSITIVE);
    let is_lower = |at: f64, by: f64| by < at - ROUNDING * scale;
    let here = tilted(tangent);
    if let Some(lowest) = here.lowest_of(parts)
        && !is_lower(here.guess(middle), here.guess(lowest))
    {
        return tangent;
    }
    let (mut a, mut b) = (z.lo, z.hi);
    let chord = |a: f64, b: f64| (f.guess(b)[0] - f.guess(a)[0]) / (b - a);
    // The bridge's ends move to where the graph is lowest beneath it.
    for _ in 0..MOST_ROUNDS {
        let beneath = tilted(chord(a, b));
        let Some(lowest) = beneath.lowest_of(parts) else { break };
        if !is_lower(beneath.guess(a), beneath.guess(lowest)) || lowest <= a || b <= lowest {
            break;
        }
        if lowest <= middle { a = lowest } else { b = lowest }
    }
    chord(a, b)
}

/// The line of a slope that touches the graph from below (sign 1) or from above (−1).
fn touching(f: &dyn Smooth, z: Interval, slope: f64, sign: f64) -> Line {
    let slope = if slope.is_finite() { slope } else { 0.0 };
    let band = if slope == 0.0 { image(f, z) } else { band(f, z, slope) };
    Line { slope, intercept: if sign > 0.0 { band.lo } else { band.hi } }
}

/// The line nearest to the graph at `middle` on one side of it; a flat one where `z` has no end.
fn line(f: &dyn Smooth, z: Interval, middle: f64, sign: f64) -> Line {
    let parts = parts_within(f, z);
    let is_finite = z.magnitude().is_finite() && z.lo < z.hi && !parts.is_empty();
    touching(f, z, if is_finite { nearest_slope(f, &parts, z, middle, sign) } else { 0.0 }, sign)
}

/// Contradictory bounds say nothing here: whoever made them will notice.
fn not_empty(z: Interval) -> Interval {
    if z.is_empty() { Interval::ALL } else { z }
}

/// The line below and the line above that enclose the least area with the graph: that area is linear in a line's value
/// at the middle. For parallel lines that below has the slope of that above.
pub(in super::super) fn lines(f: &dyn Smooth, z: Interval, slopes: Slopes) -> Lines {
    let z = not_empty(z);
    let upper = line(f, z, z.middle(), -1.0);
    let lower = match slopes {
        Slopes::Parallel => touching(f, z, upper.slope, 1.0),
        Slopes::Area | Slopes::Zero | Slopes::One => line(f, z, z.middle(), 1.0),
    };
    Lines { lower, upper }
}

/// A polygon around each of two halves of the graph, as the segments below and above it: any number between the two at
/// any argument is a value there. The halves meet where the function begins to bend the other way if that is near the
/// middle.
pub(in super::super) fn cover(f: &dyn Smooth, z: Interval) -> Vec<Segment> {
    let parts = parts_within(f, z);
    let (middle, reach) = (z.middle(), z.width() / 4.0);
    let from_middle = |end: f64| (end - middle).abs();
    let turns = parts.iter().skip(1).map(|part| part.from).filter(|&end| from_middle(end) < reach);
    let meeting = turns.min_by_key(|&end| FloatOrd(from_middle(end))).unwrap_or(middle);
    let halves = [Interval { lo: z.lo, hi: meeting }, Interval { lo: meeting, hi: z.hi }];
    let sides = halves.into_iter().filter(|half| half.lo < half.hi).flat_map(|half| {
        let Lines { lower, upper } = lines(f, half, Slopes::Area);
        [lower, upper].map(|line| Segment::new(half.lo, half.hi, line.slope, line.intercept))
    });
    sides.collect()
}

/// Where the lines of a polygon around the graph are nearest to it, as shares of the way through `z`.
const NEAREST: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// A polygon around the graph.
pub(in super::super) fn hull(f: &dyn Smooth, z: Interval) -> Vec<HalfPlane> {
    let (z, mut half_planes) = (not_empty(z), Vec::<HalfPlane>::new());
    for (share, sign) in NEAREST.into_iter().flat_map(|share| [(share, 1.0), (share, -1.0)]) {
        let middle = (z.lo + share * (z.hi - z.lo)).clamp(z.lo, z.hi);
        let Line { slope, intercept } = line(f, z, middle, sign);
        let found = HalfPlane { z: sign * slope, y: -sign, rhs: -sign * intercept };
        if found.rhs.is_finite() && !half_planes.contains(&found) {
            half_planes.push(found);
        }
    }
    half_planes
}
