//! The joint convex hull of k neurons.

use super::double_description;
use super::frame::{Equality, Frame};
use super::lift::LiftedPoints;
use super::linear::dot;
use super::separation::{centre, deepest_cut};
use super::{Octahedron, PolyhedraError, Segment};
use crate::num::Rational;
use float_ord::FloatOrd;

/// The convex hull of `{ (z, σ(z)) : z ∈ octahedron }` in R^{2k} for k neurons with activation σ
/// (Singh et al. 2019, eq. 6; any activation that is a list of segments).
///
/// Its vertices are exact, after the octahedron and the segments' ends were rounded outward to a grid
/// of about 2⁻²⁰ of the largest single bound: the hull is that of a slightly larger graph.
#[derive(Clone, Debug)]
pub struct JointHull {
    k: usize,
    points: LiftedPoints,
    frame: Frame,
}

/// `z · z' + y · y' ≤ rhs`, where the primed are the variables of the group in its order (length k each).
///
/// Holds in real arithmetic for every point of the group's graph: `rhs` is the maximum of the left side
/// over the exact vertices, rounded up. The largest coefficient is ±1.
#[derive(Clone, Debug, PartialEq)]
pub struct Facet {
    /// Coefficients of the inputs.
    pub z: Vec<f64>,
    /// Coefficients of the outputs.
    pub y: Vec<f64>,
    /// Right side.
    pub rhs: f64,
}

impl Facet {
    /// True when at most one neuron occurs: the single-neuron relaxation implies it.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.z.iter().zip(&self.y).filter(|(z, y)| **z != 0.0 || **y != 0.0).count() <= 1
    }

    /// The left side less the right side at `(z, y)`, in floats: positive when violated.
    #[must_use]
    pub fn violation(&self, z: &[f64], y: &[f64]) -> f64 {
        dot(&self.z, z) + dot(&self.y, y) - self.rhs
    }
}

impl JointHull {
    /// The hull of all pieces: products of one segment per neuron, cut with the octahedron.
    ///
    /// Neuron i has the activation `segments[i]`. Parts of the octahedron that no segment covers are
    /// taken to be unreachable.
    ///
    /// # Errors
    /// [`PolyhedraError::Empty`] when nothing is left; malformed segments; values beyond 2^1000.
    pub fn new(octahedron: &Octahedron, segments: &[Vec<Segment>]) -> Result<Self, PolyhedraError> {
        let k = octahedron.k();
        if segments.len() != k {
            return Err(PolyhedraError::SegmentLists { neurons: k, lists: segments.len() });
        }
        for (neuron, list) in segments.iter().enumerate() {
            if let Some(segment) = list.iter().position(|s| !s.is_well_formed()) {
                return Err(PolyhedraError::MalformedSegment { neuron, segment });
            }
        }
        let points = LiftedPoints::new(octahedron, segments)?;
        let frame = Frame::new(&points);
        Ok(Self { k, points, frame })
    }

    /// The number of neurons.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// The dimension of the hull, 2k unless it is flat.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.frame.dimension()
    }

    /// The number of points that span the hull: the vertices of all pieces.
    #[must_use]
    pub fn vertex_count(&self) -> usize {
        self.points.len()
    }

    /// Those points, `(z, y)` of length 2k each, rounded to floats.
    pub fn vertices(&self) -> impl Iterator<Item = &[f64]> {
        self.points.rounded()
    }

    /// Those points exactly.
    #[must_use]
    pub fn exact_vertices(&self) -> Vec<Vec<Rational>> {
        (0..self.points.len()).map(|j| self.points.exact(j)).collect()
    }

    /// The rigorous maximum of `h · (z, y)` over the hull, rounded up, for h of length 2k.
    #[must_use]
    pub fn support(&self, h: &[f64]) -> f64 {
        self.points.support(h)
    }

    /// All facets; an equation that the hull satisfies comes as two opposite inequalities.
    ///
    /// Meant for k ≤ 3 (tens, and some hundreds): for k = 4 there are thousands, see [`JointHull::separate`].
    /// Every inequality is sound; that none is missing holds up to floating-point luck.
    #[must_use]
    pub fn facets(&self) -> Vec<Facet> {
        let d = self.dimension();
        let mut facets: Vec<Facet> = Vec::new();
        for Equality { normal, .. } in &self.frame.equalities {
            let opposite: Vec<f64> = normal.iter().map(|c| -c).collect();
            facets.extend([normal.as_slice(), &opposite].into_iter().filter_map(|side| self.shifted(side)));
        }
        if d > 0 {
            for inequality in double_description::facets(d, &self.frame.projected, &self.frame.simplex) {
                let outward: Vec<f64> = inequality[..d].iter().map(|c| -c).collect();
                facets.extend(self.shifted(&self.frame.embed(&outward)));
            }
        }
        facets
    }

    /// The facet that `point = (z, y)` of length 2k violates most, if it violates one.
    ///
    /// Violation is measured along the ray from a centre of the hull: the facet returned is the one
    /// through which that ray leaves. Violations of less than 10⁻⁷ of the way are ignored, as is a point
    /// that is not finite.
    #[must_use]
    pub fn separate(&self, point: &[f64]) -> Option<Facet> {
        const WORTHWHILE: f64 = 1e-7;
        if point.len() != 2 * self.k || point.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let scaled = self.frame.scale(point);
        let off = |e: &Equality| dot(&e.normal, &scaled) - e.constant;
        let farthest = self.frame.equalities.iter().max_by_key(|e| FloatOrd(off(e).abs()));
        if let Some(equality) = farthest.filter(|e| off(e).abs() > WORTHWHILE) {
            let side = off(equality).signum();
            let normal: Vec<f64> = equality.normal.iter().map(|c| side * c).collect();
            return self.shifted(&normal).filter(|facet| self.cuts_off(facet, point));
        }
        if self.dimension() == 0 {
            return None;
        }
        let on_axes: Vec<f64> = self.frame.axes.iter().map(|&c| scaled[c]).collect();
        let cut = deepest_cut(&self.frame, &on_axes).filter(|cut| cut.depth > 1.0 + WORTHWHILE)?;
        let facet = self.shifted(&self.frame.embed(&cut.normal))?;
        // The same demand after the shift: the centre's slack is the unit of depth.
        let centre = self.frame.unproject(&centre(&self.frame));
        let slack = -facet.violation(&centre[..self.k], &centre[self.k..]);
        let violation = facet.violation(&point[..self.k], &point[self.k..]);
        (violation > WORTHWHILE * slack.max(0.0) && self.cuts_off(&facet, point)).then_some(facet)
    }

    /// True when the violation is more than rounding noise.
    fn cuts_off(&self, facet: &Facet, point: &[f64]) -> bool {
        let (z, y) = point.split_at(self.k);
        let size = |c: &[f64], x: &[f64]| c.iter().zip(x).map(|(c, x)| (c * x).abs()).sum::<f64>();
        facet.violation(z, y) > 1e-12 * (size(&facet.z, z) + size(&facet.y, y) + facet.rhs.abs())
    }

    /// The inequality with a candidate normal (in scaled coordinates) and the rigorous right side.
    fn shifted(&self, scaled_normal: &[f64]) -> Option<Facet> {
        let mut z = self.frame.unscale(scaled_normal)?;
        let rhs = self.points.support(&z);
        let y = z.split_off(self.k);
        rhs.is_finite().then_some(Facet { z, y, rhs })
    }
}
