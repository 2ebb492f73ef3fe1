//! Facets of the convex hull of points by dual double description, in floats.
//!
//! The facets `c · (x, 1) ≥ 0` are the extreme rays of the cone that is polar to the points. Points are
//! inserted one by one: facets that see the new point negatively go, and every adjacent pair of a
//! staying and a going facet spans a new one through the point (Motzkin et al. 1953; Fukuda & Prodon
//! 1996). Two facets are adjacent when no third one contains all the points that they share.
//!
//! Results are candidates: a facet that rounding hides costs precision, never soundness.

use super::linear::{dot, invert};

/// A point this near to a facet (points in [0, 1], largest coefficient 1) lies on it.
const ON_FACET: f64 = 1e-10;

/// Inequalities `c · (x, 1) ≥ 0`, each of length d + 1.
pub(super) type Inequalities = Vec<Vec<f64>>;

/// The facets of the hull of `points` (`len × d`), given d + 1 affinely independent ones, d ≥ 1.
///
/// Points are inserted in the given order. Beyond 1024 points the result is empty.
pub(super) fn facets(d: usize, points: &[f64], simplex: &[usize]) -> Inequalities {
    let result = match points.len() / d {
        0..=64 => Description::<1>::run(d, points, simplex),
        65..=128 => Description::<2>::run(d, points, simplex),
        129..=256 => Description::<4>::run(d, points, simplex),
        257..=1024 => Description::<16>::run(d, points, simplex),
        _ => None,
    };
    result.unwrap_or_default()
}

/// Coefficients of an inequality; those beyond d are zero.
type Coefficients = [f64; 2 * super::MAX_NEURONS + 1];

/// One facet, with the set of inserted points that lie on it.
#[derive(Clone, Copy)]
struct Ray<const W: usize> {
    coefficients: Coefficients,
    on: [u64; W],
}

struct Description<const W: usize> {
    d: usize,
    rays: Vec<Ray<W>>,
}

impl<const W: usize> Description<W> {
    fn run(d: usize, points: &[f64], simplex: &[usize]) -> Option<Inequalities> {
        let mut description = Self::of_simplex(d, points, simplex)?;
        let mut values = Vec::new();
        for (j, point) in points.chunks_exact(d).enumerate() {
            if !simplex.contains(&j) {
                description.insert(j, point, &mut values);
            }
        }
        Some(description.rays.iter().map(|ray| ray.coefficients[..=d].to_vec()).collect())
    }

    /// The d + 1 facets of a simplex: the columns of the inverse of its homogeneous points.
    fn of_simplex(d: usize, points: &[f64], simplex: &[usize]) -> Option<Self> {
        let n = d + 1;
        let matrix: Vec<f64> = simplex
            .iter()
            .flat_map(|&p| points[p * d..(p + 1) * d].iter().copied().chain(std::iter::once(1.0)))
            .collect();
        let inverse = invert(n, &matrix)?;
        let facet = |opposite: usize| {
            let mut ray = Ray { coefficients: [0.0; 2 * super::MAX_NEURONS + 1], on: [0; W] };
            for r in 0..n {
                ray.coefficients[r] = inverse[r * n + opposite];
            }
            for (i, &p) in simplex.iter().enumerate() {
                if i != opposite {
                    set(&mut ray.on, p);
                }
            }
            ray.normalised(n)
        };
        Some(Self { d, rays: (0..n).map(facet).collect() })
    }

    fn insert(&mut self, j: usize, point: &[f64], values: &mut Vec<f64>) {
        let d = self.d;
        values.clear();
        values.extend(self.rays.iter().map(|ray| dot(&ray.coefficients[..d], point) + ray.coefficients[d]));
        for (ray, value) in self.rays.iter_mut().zip(values.iter_mut()) {
            if value.abs() <= ON_FACET {
                *value = 0.0;
                set(&mut ray.on, j);
            }
        }
        if values.iter().all(|&v| v >= 0.0) {
            return;
        }
        let mut created = Vec::new();
        for (stays, &above) in self.rays.iter().zip(values.iter()).filter(|(_, v)| **v > 0.0) {
            for (goes, &below) in self.rays.iter().zip(values.iter()).filter(|(_, v)| **v < 0.0) {
                let mut common = intersect(&stays.on, &goes.on);
                if at_least(&common, d - 1) && self.no_third(&common) {
                    set(&mut common, j);
                    let mut ray = Ray { coefficients: stays.coefficients, on: common };
                    for (c, g) in ray.coefficients[..=d].iter_mut().zip(&goes.coefficients) {
                        *c = above * g - below * *c;
                    }
                    created.push(ray.normalised(d + 1));
                }
            }
        }
        let mut value = values.iter();
        self.rays.retain(|_| value.next().is_some_and(|&v| v >= 0.0));
        self.rays.append(&mut created);
    }

    /// True when only the two facets that share `common` contain all of it.
    fn no_third(&self, common: &[u64; W]) -> bool {
        self.rays.iter().filter(|ray| contains(&ray.on, common)).take(3).count() == 2
    }
}

impl<const W: usize> Ray<W> {
    fn normalised(mut self, n: usize) -> Self {
        let largest = self.coefficients[..n].iter().fold(0.0, |m: f64, c| m.max(c.abs()));
        self.coefficients[..n].iter_mut().for_each(|c| *c /= largest);
        self
    }
}

fn set<const W: usize>(bits: &mut [u64; W], j: usize) {
    bits[j / 64] |= 1 << (j % 64);
}

fn intersect<const W: usize>(a: &[u64; W], b: &[u64; W]) -> [u64; W] {
    std::array::from_fn(|w| a[w] & b[w])
}

fn contains<const W: usize>(all: &[u64; W], part: &[u64; W]) -> bool {
    all.iter().zip(part).all(|(a, p)| a & p == *p)
}

fn at_least<const W: usize>(bits: &[u64; W], count: usize) -> bool {
    bits.iter().map(|w| w.count_ones() as usize).sum::<usize>() >= count
}
