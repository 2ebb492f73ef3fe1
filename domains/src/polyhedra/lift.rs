//! The pieces of the activation's graph over an octahedron, as exact points of R^{2k}.

use super::grid::Grid;
use super::octahedron::Octahedron;
use super::segment::Segment;
use super::vertices::{Polytope, Vertex};
use super::{MAX_NEURONS, PolyhedraError};
use crate::num::error::{gamma, underflow};
use crate::num::round::{add_up, mul_up};
use crate::num::{Interval, Rational, exact_or_zero};

/// A vertex of a piece and, per neuron, the segment that lifts it.
#[derive(Clone, Copy, Debug)]
struct Origin {
    num: [i64; MAX_NEURONS],
    den: i64,
    segment: [u32; MAX_NEURONS],
}

/// The vertices of all pieces lifted to `(z, y)`, each coordinate enclosed by floats.
#[derive(Clone, Debug)]
pub(super) struct LiftedPoints {
    k: usize,
    unit: f64,
    segments: Vec<Vec<Segment>>,
    origins: Vec<Origin>,
    /// `len × 2k`: enclosures of the exact coordinates, mostly of width zero.
    enclosures: Vec<Interval>,
    /// `len × 2k`: one float of each enclosure.
    values: Vec<f64>,
    /// The same by coordinate: `2k × len`.
    columns: Vec<f64>,
    /// Per coordinate: the largest magnitude, and the largest width of an enclosure.
    magnitude: Vec<f64>,
    width: Vec<f64>,
}

/// A segment's ends on the grid, grown outward.
#[derive(Clone, Copy, Debug)]
struct Span {
    lo: i64,
    hi: i64,
    /// The segment starts where the one before ends, and with the same value.
    continues: bool,
}

impl LiftedPoints {
    /// Lifts the vertices of all pieces (products of segments ∩ octahedron), piece by piece.
    pub(super) fn new(octahedron: &Octahedron, segments: &[Vec<Segment>]) -> Result<Self, PolyhedraError> {
        let k = octahedron.k();
        let grid = Grid::of(octahedron)?;
        let spans: Vec<Vec<Span>> = segments.iter().map(|list| spans(grid, list)).collect();
        let polytope = Polytope::new(k, &grid.rows(octahedron));
        let mut points = Self {
            k,
            unit: grid.unit(),
            segments: segments.to_vec(),
            origins: Vec::new(),
            enclosures: Vec::new(),
            values: Vec::new(),
            columns: Vec::new(),
            magnitude: vec![0.0; 2 * k],
            width: vec![0.0; 2 * k],
        };
        points.descend(&spans, polytope, 0, [0; MAX_NEURONS])?;
        if points.is_empty() {
            return Err(PolyhedraError::Empty);
        }
        points.columns = (0..2 * k).flat_map(|c| points.values[c..].iter().step_by(2 * k)).copied().collect();
        Ok(points)
    }

    /// Splits `polytope` along coordinate `i` and the later ones; `chosen` holds the segments before.
    fn descend(
        &mut self,
        spans: &[Vec<Span>],
        polytope: Polytope,
        i: usize,
        mut chosen: [u32; MAX_NEURONS],
    ) -> Result<(), PolyhedraError> {
        if polytope.vertices.is_empty() {
            return Ok(());
        }
        if i == self.k {
            return polytope.vertices.iter().try_for_each(|vertex| self.lift(spans, vertex, chosen));
        }
        let mut rest: Option<(i64, Polytope)> = None;
        for (s, span) in spans[i].iter().enumerate() {
            let parity = s as u32;
            let start = match rest.take() {
                Some((at, above)) if at == span.lo => above,
                _ => polytope.at_least(i, span.lo, parity + 1),
            };
            let (piece, above) = start.split(i, span.hi, parity);
            rest = Some((span.hi, above));
            chosen[i] = s as u32;
            self.descend(spans, piece, i + 1, chosen)?;
        }
        Ok(())
    }

    fn lift(
        &mut self,
        spans: &[Vec<Span>],
        vertex: &Vertex,
        segment: [u32; MAX_NEURONS],
    ) -> Result<(), PolyhedraError> {
        // A vertex on a plane where the activation is continuous was lifted with the piece before.
        let repeated = |i: usize| {
            let span = spans[i][segment[i] as usize];
            span.continues && vertex.num[i] == span.lo * vertex.den
        };
        if (0..self.k).any(repeated) {
            return Ok(());
        }
        let start = self.enclosures.len();
        for &num in &vertex.num[..self.k] {
            let (num, den) = (num as f64, vertex.den as f64);
            let quotient = Interval::new(crate::num::round::div_down(num, den), crate::num::round::div_up(num, den));
            self.enclosures.push(quotient.scale(self.unit));
        }
        for (i, (list, &s)) in self.segments.iter().zip(&segment).enumerate() {
            let value = evaluate(&list[s as usize], self.enclosures[start + i]);
            self.enclosures.push(value);
        }
        for (c, enclosure) in self.enclosures[start..].iter().enumerate() {
            if enclosure.magnitude() >= f64::MAX {
                return Err(PolyhedraError::OutOfRange);
            }
            self.magnitude[c] = self.magnitude[c].max(enclosure.magnitude());
            self.width[c] = self.width[c].max(enclosure.width());
            self.values.push(enclosure.lo);
        }
        self.origins.push(Origin { num: vertex.num, den: vertex.den, segment });
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.origins.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// 2k.
    pub(super) fn dimension(&self) -> usize {
        2 * self.k
    }

    /// The points rounded to floats.
    pub(super) fn rounded(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(2 * self.k)
    }

    /// Point `j` exactly.
    pub(super) fn exact(&self, j: usize) -> Vec<Rational> {
        let origin = &self.origins[j];
        let z = |i: usize| Rational::from(origin.num[i]) / Rational::from(origin.den) * exact_or_zero(self.unit);
        let y = |i: usize| {
            let segment = &self.segments[i][origin.segment[i] as usize];
            exact_or_zero(segment.slope) * z(i) + exact_or_zero(segment.intercept)
        };
        (0..self.k).map(z).chain((0..self.k).map(y)).collect()
    }

    /// The maximum of `h · w` over the exact points `w`, rounded up; +∞ when it overflows.
    ///
    /// A float pass leaves only the points that the rounding error cannot rule out; those are
    /// evaluated with directed rounding.
    pub(super) fn support(&self, h: &[f64]) -> f64 {
        let n = self.dimension();
        let (mut size, mut spread) = (0.0, 0.0);
        for ((h, magnitude), width) in h.iter().zip(&self.magnitude).zip(&self.width) {
            size += h.abs() * magnitude;
            spread += h.abs() * width;
        }
        // Twice what one float value can be off by, with room for rounding in this very expression.
        let error = 2.1 * (gamma(n + 2) * size + spread + underflow(2 * n));
        let mut products = vec![0.0; self.len()];
        for (&h, column) in h.iter().zip(self.columns.chunks_exact(self.len())) {
            if h != 0.0 {
                products.iter_mut().zip(column).for_each(|(p, x)| *p += h * x);
            }
        }
        let largest = products.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let threshold = largest - error - gamma(2) * largest.abs();
        let mut support = f64::NEG_INFINITY;
        for (&product, enclosure) in products.iter().zip(self.enclosures.chunks_exact(n)) {
            // NaN, after an overflow, rules nothing out.
            if product < threshold {
                continue;
            }
            let largest = |(&h, x): (&f64, &Interval)| mul_up(h, if h >= 0.0 { x.hi } else { x.lo });
            let value = h.iter().zip(enclosure).map(largest).fold(0.0, add_up);
            if value.is_nan() {
                return f64::INFINITY;
            }
            support = support.max(value);
        }
        support
    }
}

fn evaluate(segment: &Segment, z: Interval) -> Interval {
    z.scale(segment.slope) + Interval::point(segment.intercept)
}

fn spans(grid: Grid, segments: &[Segment]) -> Vec<Span> {
    // Beyond every single bound of the octahedron.
    const LIMIT: i64 = 1 << 22;
    let mut spans: Vec<Span> = Vec::with_capacity(segments.len());
    for (s, segment) in segments.iter().enumerate() {
        let (lo, hi) = (grid.floor(segment.from, LIMIT), grid.ceil(segment.to, LIMIT));
        let at = Interval::point(lo as f64).scale(grid.unit());
        let continues = s > 0 && spans[s - 1].hi == lo && {
            let (before, after) = (evaluate(&segments[s - 1], at), evaluate(segment, at));
            before == after && after.lo == after.hi
        };
        spans.push(Span { lo, hi, continues });
    }
    spans
}
