//! Random groups: octahedra around zonotopes, also flat, tiny, huge, contradictory; and activations.

use crate::num::{Rational, enclose, exact};
use crate::polyhedra::{Octahedron, Segment, directions};
use proptest::prelude::*;

/// A zonotope `centre + Σ s_j generator_j`, `|s_j| ≤ 1`, in an octahedron that surely holds it.
#[derive(Clone, Debug)]
pub struct Group {
    pub octahedron: Octahedron,
    pub segments: Vec<Vec<Segment>>,
    pub centre: Vec<f64>,
    pub generators: Vec<Vec<f64>>,
}

#[derive(Clone, Debug)]
struct Recipe {
    k: usize,
    generators: Vec<Vec<f64>>,
    centre: Vec<f64>,
    exponents: Vec<i32>,
    loosened: Vec<f64>,
    activations: Vec<(u8, f64, f64)>,
    /// 0: straddles zero; 1: l = 0; 2: u = 0; 3: as the centre falls.
    positions: Vec<u8>,
    contradictory: Option<(usize, f64)>,
}

pub fn group(neurons: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Group> {
    (neurons, 0usize..6).prop_flat_map(|(k, count)| {
        let entry = prop_oneof![4 => -1.0..1.0f64, 1 => Just(0.0), 1 => (-2..=2i8).prop_map(f64::from)];
        let exponent = prop_oneof![8 => Just(0), 1 => -30..30i32, 1 => Just(996), 1 => Just(-997), 1 => Just(-1074)];
        let rows = 3usize.pow(k as u32) - 1;
        (
            prop::collection::vec(prop::collection::vec(entry.clone(), count), k),
            prop::collection::vec(entry, k),
            prop::collection::vec(exponent, k),
            prop_oneof![Just(vec![0.0; rows]), prop::collection::vec(0.0..0.3f64, rows)],
            prop::collection::vec((0u8..6, 0.0..1.0f64, 0.0..1.0f64), k),
            prop::collection::vec(prop_oneof![3 => Just(0u8), 1 => 1u8..4], k),
            prop_oneof![9 => Just(None), 1 => (0..rows, 0.0..3.0f64).prop_map(Some)],
        )
            .prop_map(
                move |(generators, centre, exponents, loosened, activations, positions, contradictory)| {
                    Recipe { k, generators, centre, exponents, loosened, activations, positions, contradictory }.cook()
                },
            )
    })
}

fn rational(x: f64) -> Rational {
    exact(x).unwrap()
}

impl Recipe {
    fn cook(mut self) -> Group {
        let k = self.k;
        for i in 0..k {
            let scale = if self.exponents[i] < -1022 { 5e-324 } else { 2f64.powi(self.exponents[i]) };
            self.generators[i].iter_mut().for_each(|g| *g *= scale);
            let radius: f64 = self.generators[i].iter().map(|g| g.abs()).sum();
            self.centre[i] = match self.positions[i] {
                0 => 0.9 * radius * (self.centre[i] / 2.0),
                1 => radius,
                2 => -radius,
                _ => self.centre[i] * scale,
            };
        }
        let mut upper: Vec<f64> = directions(k).iter().map(|a| self.bound(a)).collect();
        let size = upper.iter().fold(0.0, |m: f64, u| m.max(u.abs()));
        for (u, loosened) in upper.iter_mut().zip(&self.loosened) {
            *u += loosened * u.abs();
        }
        if let Some((at, share)) = self.contradictory {
            upper[at] -= share * size;
        }
        let segments = (0..k)
            .map(|i| {
                let along = |sign: i8| {
                    let single = |a: &Vec<i8>| (0..k).all(|j| a[j] == if j == i { sign } else { 0 });
                    upper[directions(k).iter().position(single).unwrap()]
                };
                activation(self.activations[i], -along(-1), along(1))
            })
            .collect();
        let octahedron = Octahedron::new(k, upper).unwrap();
        Group { octahedron, segments, centre: self.centre, generators: self.generators }
    }

    /// The zonotope's exact maximum along `a`, rounded up.
    fn bound(&self, a: &[i8]) -> f64 {
        let along = |x: &dyn Fn(usize) -> f64| {
            (0..self.k).fold(Rational::ZERO, |s, i| s + Rational::from(a[i]) * rational(x(i)))
        };
        let count = self.generators[0].len();
        let total = (0..count)
            .map(|j| along(&|i| self.generators[i][j]))
            .fold(along(&|i| self.centre[i]), |s, g| if g < Rational::ZERO { s - g } else { s + g });
        enclose(&total).hi
    }
}

/// The segments of some activation over `[l, u]`; `p` and `q` place thresholds and slopes.
pub fn activation((kind, p, q): (u8, f64, f64), l: f64, u: f64) -> Vec<Segment> {
    let (below, above) = (l.min(0.0), u.max(0.0));
    match kind {
        0 | 1 => Segment::relu(below, above),
        2 => vec![Segment::new(below, p * below, 0.0, -1.0), Segment::new(q * above, above, 0.0, 1.0)],
        3 => vec![Segment::new(below, 0.0, p, 0.0), Segment::new(0.0, above, 1.0, 0.0)],
        4 => vec![
            Segment::new(below, 0.0, 0.0, -1.0),
            Segment::new(0.0, 0.0, 0.0, 0.0),
            Segment::new(0.0, above, 0.0, 1.0),
        ],
        _ => vec![Segment::new(f64::NEG_INFINITY, f64::INFINITY, p, q)],
    }
}

impl Group {
    /// The zonotope's point with coordinates `s`, exactly.
    pub fn point(&self, s: &[f64]) -> Vec<Rational> {
        let row = |g: &Vec<f64>| g.iter().zip(s).fold(Rational::ZERO, |t, (g, s)| t + rational(*g) * rational(*s));
        self.centre.iter().zip(&self.generators).map(|(c, g)| rational(*c) + row(g)).collect()
    }

    /// True when `z` satisfies every bound of the octahedron exactly.
    pub fn contains(&self, z: &[Rational]) -> bool {
        directions(z.len()).iter().zip(self.octahedron.upper()).all(|(a, &upper)| {
            a.iter().zip(z).fold(Rational::ZERO, |s, (&a, z)| s + Rational::from(a) * z) <= rational(upper)
        })
    }

    /// All `(z, σ(z))`: one point per choice of segments that hold `z`.
    pub fn graph(&self, z: &[Rational]) -> Vec<Vec<Rational>> {
        let mut points = vec![z.to_vec()];
        for (z, list) in z.iter().zip(&self.segments) {
            let holds = |s: &&Segment| {
                (s.from == f64::NEG_INFINITY || rational(s.from) <= *z)
                    && (s.to == f64::INFINITY || *z <= rational(s.to))
            };
            let values: Vec<Rational> =
                list.iter().filter(holds).map(|s| rational(s.slope) * z + rational(s.intercept)).collect();
            points = points
                .iter()
                .flat_map(|p| values.iter().map(move |y| p.iter().cloned().chain([y.clone()]).collect()))
                .collect();
        }
        points
    }

    /// `z` moved along the line through `other` so that coordinate `i` is the end of a segment.
    pub fn onto_breakpoint(&self, z: &[Rational], other: &[Rational], i: usize) -> Option<Vec<Rational>> {
        let at = rational(self.segments[i][0].to.clamp(-f64::MAX, f64::MAX));
        let run = &other[i] - &z[i];
        if run == Rational::ZERO {
            return None;
        }
        let share = (at - &z[i]) / run;
        let inside = Rational::ZERO <= share && share <= Rational::ONE;
        inside.then(|| z.iter().zip(other).map(|(a, b)| a + &share * (b - a)).collect())
    }
}
