//! Coordinates for the float computations: every coordinate scaled to [0, 1], and of those only as
//! many as the affine hull of the points has dimensions.

use super::lift::LiftedPoints;
use super::linear::{dot, invert};

/// Below this distance (of points scaled to [0, 1]) the points count as lying in one hyperplane.
const FLAT: f64 = 1e-9;

/// `normal · x = constant` on all points, in scaled coordinates.
#[derive(Clone, Debug)]
pub(super) struct Equality {
    pub(super) normal: Vec<f64>,
    pub(super) constant: f64,
}

/// An affine frame of a point set in R^n whose affine hull has dimension d.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Scaled coordinate `i` is `(w_i − origin_i) / range_i`.
    origin: Vec<f64>,
    range: Vec<f64>,
    /// The d scaled coordinates that determine the others on the affine hull.
    pub(super) axes: Vec<usize>,
    /// The n − d equations of the affine hull.
    pub(super) equalities: Vec<Equality>,
    /// d + 1 affinely independent points.
    pub(super) simplex: Vec<usize>,
    /// `len × d`: the points in those coordinates.
    pub(super) projected: Vec<f64>,
}

impl Frame {
    pub(super) fn new(points: &LiftedPoints) -> Self {
        let n = points.dimension();
        let (origin, range) = scaling(points);
        let scaled: Vec<f64> =
            points.rounded().flat_map(|w| w.iter().zip(&origin).zip(&range).map(|((w, o), r)| (w - o) / r)).collect();
        let (axes, simplex) = independent(n, &scaled);
        let equalities = equalities(n, &scaled, &axes, &simplex);
        let projected = scaled.chunks_exact(n).flat_map(|x| axes.iter().map(|&c| x[c])).collect();
        Self { origin, range, axes, equalities, simplex, projected }
    }

    /// The dimension of the affine hull.
    pub(super) fn dimension(&self) -> usize {
        self.axes.len()
    }

    /// A point of R^n in scaled coordinates.
    pub(super) fn scale(&self, w: &[f64]) -> Vec<f64> {
        w.iter().zip(&self.origin).zip(&self.range).map(|((w, o), r)| (w - o) / r).collect()
    }

    /// The point of the affine hull with the given coordinates on the axes, in R^n.
    pub(super) fn unproject(&self, on_axes: &[f64]) -> Vec<f64> {
        let mut scaled = self.embed(on_axes);
        for equality in &self.equalities {
            // Each equation has coefficient 1 on one coordinate that is no axis, and 0 on the others.
            let value = equality.constant - dot(&equality.normal, &self.embed(on_axes));
            if let Some(other) = (0..scaled.len()).find(|c| !self.axes.contains(c) && equality.normal[*c] != 0.0) {
                scaled[other] = value;
            }
        }
        scaled.iter().zip(&self.origin).zip(&self.range).map(|((x, o), r)| o + x * r).collect()
    }

    /// A normal on the axes as one in all scaled coordinates.
    pub(super) fn embed(&self, on_axes: &[f64]) -> Vec<f64> {
        let mut normal = vec![0.0; self.range.len()];
        for (&axis, &c) in self.axes.iter().zip(on_axes) {
            normal[axis] = c;
        }
        normal
    }

    /// The normal in original coordinates, scaled to a largest coefficient of 1; rounding noise becomes 0.
    ///
    /// `None` when nothing finite is left. Noise is judged in scaled coordinates, where coefficients
    /// compare: what is dropped here only moves the right side that is computed afterwards.
    pub(super) fn unscale(&self, scaled: &[f64]) -> Option<Vec<f64>> {
        const NOISE: f64 = 1e-9;
        let largest = scaled.iter().fold(0.0, |m: f64, c| m.max(c.abs()));
        let keep = |c: f64| c.abs() >= NOISE * largest && c != 0.0;
        let unit = scaled.iter().zip(&self.range).filter(|(c, _)| keep(**c)).fold(f64::INFINITY, |m, (_, &r)| m.min(r));
        let mut normal: Vec<f64> =
            scaled.iter().zip(&self.range).map(|(&c, r)| if keep(c) { c * (unit / r) } else { 0.0 }).collect();
        let largest = normal.iter().fold(0.0, |m: f64, c| m.max(c.abs()));
        normal.iter_mut().for_each(|c| *c /= largest);
        (largest > 0.0 && normal.iter().all(|c| c.is_finite())).then_some(normal)
    }
}

/// Per coordinate its minimum and its range, or its magnitude where the range is zero.
fn scaling(points: &LiftedPoints) -> (Vec<f64>, Vec<f64>) {
    let n = points.dimension();
    let mut lo = vec![f64::INFINITY; n];
    let mut hi = vec![f64::NEG_INFINITY; n];
    for w in points.rounded() {
        for i in 0..n {
            lo[i] = lo[i].min(w[i]);
            hi[i] = hi[i].max(w[i]);
        }
    }
    let range = (0..n).map(|i| {
        let width = hi[i] - lo[i];
        if width > 0.0 {
            width
        } else if lo[i] != 0.0 {
            lo[i].abs()
        } else {
            1.0
        }
    });
    let range = range.collect();
    (lo, range)
}

/// Gaussian elimination with full pivoting: axes and points such that the points, in those axes, are
/// affinely independent. There is one more point than axes.
fn independent(n: usize, scaled: &[f64]) -> (Vec<usize>, Vec<usize>) {
    let first = &scaled[..n];
    let mut residual: Vec<f64> = scaled.chunks_exact(n).flat_map(|x| x.iter().zip(first).map(|(x, o)| x - o)).collect();
    let (mut axes, mut simplex) = (Vec::new(), vec![0]);
    while axes.len() < n {
        let mut best = (0, 0.0);
        for (at, value) in residual.iter().enumerate() {
            if value.abs() > best.1 {
                best = (at, value.abs());
            }
        }
        if best.1 <= FLAT {
            break;
        }
        let (point, axis) = (best.0 / n, best.0 % n);
        let direction = residual[point * n..(point + 1) * n].to_vec();
        for row in residual.chunks_exact_mut(n) {
            let factor = row[axis] / direction[axis];
            if factor != 0.0 {
                row.iter_mut().zip(&direction).for_each(|(r, d)| *r -= factor * d);
            }
            row[axis] = 0.0;
        }
        axes.push(axis);
        simplex.push(point);
    }
    (axes, simplex)
}

/// Every other coordinate as an affine function of the axes.
fn equalities(n: usize, scaled: &[f64], axes: &[usize], simplex: &[usize]) -> Vec<Equality> {
    let d = axes.len();
    if d == n {
        return Vec::new();
    }
    let edge = |p: usize, c: usize| scaled[p * n + c] - scaled[simplex[0] * n + c];
    let edges: Vec<f64> = simplex[1..].iter().flat_map(|&p| axes.iter().map(move |&c| edge(p, c))).collect();
    let Some(inverse) = invert(d, &edges) else { return Vec::new() };
    let others = (0..n).filter(|c| !axes.contains(c));
    others
        .map(|other| {
            let mut normal = vec![0.0; n];
            normal[other] = 1.0;
            for (row, &axis) in inverse.chunks_exact(d.max(1)).zip(axes) {
                normal[axis] = -row.iter().zip(&simplex[1..]).map(|(i, &p)| i * edge(p, other)).sum::<f64>();
            }
            let base = &scaled[simplex[0] * n..(simplex[0] + 1) * n];
            let constant = dot(&normal, base);
            Equality { normal, constant }
        })
        .collect()
}
