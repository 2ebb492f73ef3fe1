//! Facets of the convex hull of points by dual double description, in floats.
//!
//! The facets `c · (x, 1) ≥ 0` are the extreme rays of the cone that is polar to the points. Points are
//! inserted one by one: facets that see the new point negatively go, and every adjacent pair of a
//! staying and a going facet spans a new one through the point (Motzkin et al. 1953; Fukuda & Prodon
//! 1996). Two facets are adjacent when no third one contains all the points that they share.
//!
//! Results are candidates: a facet that rounding hides costs precision, never soundness.

use super::incidence::{Incidence, intersect, set};
use super::linear::invert;

/// A point this near to a facet (points in [0, 1], largest coefficient 1) lies on it.
const ON_FACET: f64 = 1e-10;

/// Inequalities `c · (x, 1) ≥ 0`, each of length d + 1.
pub(super) type Inequalities = Vec<Vec<f64>>;

/// The facets of the hull of `points` (`len × d`), given d + 1 affinely independent ones, d ≥ 1.
///
/// Points are inserted in the given order. Beyond 1024 points the result is empty.
pub(super) fn facets(d: usize, points: &[f64], simplex: &[usize]) -> Inequalities {
    let result = match (points.len() / d, d) {
        (1025.., _) | (_, 9..) => None,
        (_, 8) => Description::<16, 9>::run(d, points, simplex),
        (0..=64, _) => Description::<1, 8>::run(d, points, simplex),
        (65..=128, _) => Description::<2, 8>::run(d, points, simplex),
        (129..=256, _) => Description::<4, 8>::run(d, points, simplex),
        _ => Description::<16, 8>::run(d, points, simplex),
    };
    result.unwrap_or_default()
}

/// The facets so far: N ≥ d + 1 coefficients each (zero beyond d), and the inserted points on each one
/// as a set of W words.
struct Description<const W: usize, const N: usize> {
    d: usize,
    coefficients: Vec<[f64; N]>,
    on: Vec<[u64; W]>,
}

impl<const W: usize, const N: usize> Description<W, N> {
    fn run(d: usize, points: &[f64], simplex: &[usize]) -> Option<Inequalities> {
        let mut description = Self::of_simplex(d, points, simplex)?;
        for (j, point) in points.chunks_exact(d).enumerate() {
            if !simplex.contains(&j) {
                let mut homogeneous = [0.0; N];
                homogeneous[..d].copy_from_slice(point);
                homogeneous[d] = 1.0;
                description.insert(j, &homogeneous);
            }
        }
        Some(description.coefficients.iter().map(|c| c[..=d].to_vec()).collect())
    }

    /// The d + 1 facets of a simplex: the columns of the inverse of its homogeneous points.
    fn of_simplex(d: usize, points: &[f64], simplex: &[usize]) -> Option<Self> {
        let n = d + 1;
        let matrix: Vec<f64> = simplex
            .iter()
            .flat_map(|&p| points[p * d..(p + 1) * d].iter().copied().chain(std::iter::once(1.0)))
            .collect();
        let inverse = invert(n, &matrix)?;
        let mut description = Self { d, coefficients: Vec::new(), on: Vec::new() };
        for opposite in 0..n {
            let mut coefficients = [0.0; N];
            for r in 0..n {
                coefficients[r] = inverse[r * n + opposite];
            }
            let mut on = [0; W];
            for (i, &p) in simplex.iter().enumerate() {
                if i != opposite {
                    set(&mut on, p);
                }
            }
            description.coefficients.push(normalised(coefficients));
            description.on.push(on);
        }
        Some(description)
    }

    fn insert(&mut self, j: usize, point: &[f64; N]) {
        let mut values: Vec<f64> = self.coefficients.iter().map(|c| product(c, point)).collect();
        let mut staying = vec![0u64; values.len().div_ceil(64)];
        let mut going = Vec::new();
        for (r, value) in values.iter_mut().enumerate() {
            if value.abs() <= ON_FACET {
                *value = 0.0;
                set(&mut self.on[r], j);
            } else if *value > 0.0 {
                set(&mut staying, r);
            } else {
                going.push(r);
            }
        }
        if going.is_empty() {
            return;
        }
        let incidence = Incidence::new(&self.on);
        for &g in &going {
            let on_going = self.on[g];
            incidence.sharing(&on_going, self.d - 1, &staying, |s| {
                let mut common = intersect(&self.on[s], &on_going);
                if incidence.only_two_contain(&common) {
                    let (stays, goes) = (&self.coefficients[s], &self.coefficients[g]);
                    let new = std::array::from_fn(|i| values[s] * goes[i] - values[g] * stays[i]);
                    set(&mut common, j);
                    self.coefficients.push(normalised(new));
                    self.on.push(common);
                }
            });
        }
        for &g in going.iter().rev() {
            self.coefficients.swap_remove(g);
            self.on.swap_remove(g);
        }
    }
}

fn product<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    let mut sums = [0.0; 4];
    for i in 0..N {
        sums[i % 4] += a[i] * b[i];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

fn normalised<const N: usize>(coefficients: [f64; N]) -> [f64; N] {
    let largest = coefficients.iter().fold(0.0, |m: f64, c| if c.abs() > m { c.abs() } else { m });
    coefficients.map(|c| c / largest)
}
