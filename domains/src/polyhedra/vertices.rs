//! Vertex enumeration in integers: double description of octahedra and their pieces.
//!
//! A vertex is `num / den` in grid units, reduced. Every row has coefficients in {−1, 0, 1}, splits
//! included, so by Cramer's rule `den` divides a determinant of such a k × k matrix: `den ≤ 16`
//! for k ≤ 4 (Hadamard). With single bounds of at most 2²¹ units and other constants of at most 2²³ + 1,
//! numerators stay below 2²⁵, slacks below 2²⁸ and the products of a combination below 2⁵⁴: `i64`
//! cannot overflow.

use super::MAX_NEURONS;
use super::grid::GridRow;

/// A vertex in homogeneous integer coordinates, and the rows that are tight at it (one bit each).
#[derive(Clone, Copy, Debug)]
pub(super) struct Vertex {
    pub(super) num: [i64; MAX_NEURONS],
    pub(super) den: i64,
    tight: u128,
}

/// The first bit that no row of an octahedron uses (3⁴ − 1 = 80); splits take two more per coordinate.
const SPLIT_BITS: u32 = 80;

/// A polytope in R^k as its vertices; empty when it has none.
#[derive(Clone, Debug)]
pub(super) struct Polytope {
    k: usize,
    pub(super) vertices: Vec<Vertex>,
}

impl Polytope {
    /// All vertices of `{ z : rows }`. The first 2k rows are the single bounds, in any order.
    pub(super) fn new(k: usize, rows: &[GridRow]) -> Self {
        let Some(mut polytope) = Self::cube(k, &rows[..2 * k]) else {
            return Self { k, vertices: Vec::new() };
        };
        for (bit, row) in rows.iter().enumerate().skip(2 * k) {
            polytope.clip(row, bit as u32);
        }
        polytope
    }

    /// The box of the single bounds; `None` when it is empty.
    fn cube(k: usize, rows: &[GridRow]) -> Option<Self> {
        let mut vertices = vec![Vertex { num: [0; MAX_NEURONS], den: 1, tight: 0 }];
        for i in 0..k {
            let find = |sign: i64| rows.iter().position(|row| row.a[i] == sign);
            let (below, above) = (find(-1)?, find(1)?);
            let (lo, hi) = (-rows[below].bound, rows[above].bound);
            if lo > hi {
                return None;
            }
            let ends = [(lo, 1u128 << below), (hi, 1u128 << above)];
            vertices = if lo == hi {
                vertices.iter().map(|v| v.with(i, lo, ends[0].1 | ends[1].1)).collect()
            } else {
                vertices.iter().flat_map(|v| ends.map(|(x, tight)| v.with(i, x, tight))).collect()
            };
        }
        Some(Self { k, vertices })
    }

    /// The part with `z_i ≥ lo`; `parity` as in [`Polytope::split`].
    pub(super) fn at_least(&self, i: usize, lo: i64, parity: u32) -> Self {
        let mut piece = self.clone();
        let mut a = [0; MAX_NEURONS];
        a[i] = -1;
        piece.clip(&GridRow { a, bound: -lo }, split_bit(i, parity));
        piece
    }

    /// Splits along `z_i = at` into the parts below and above, which share the vertices on the plane.
    ///
    /// Each coordinate has two bits for planes: `parity` selects the one that this plane takes over.
    pub(super) fn split(mut self, i: usize, at: i64, parity: u32) -> (Self, Self) {
        let mut a = [0; MAX_NEURONS];
        a[i] = 1;
        let row = GridRow { a, bound: at };
        let bit = 1u128 << split_bit(i, parity);
        for vertex in &mut self.vertices {
            vertex.tight = vertex.tight & !bit | if vertex.slack(&row) == 0 { bit } else { 0 };
        }
        let mut above: Vec<Vertex> = self.vertices.iter().filter(|v| v.slack(&row) <= 0).copied().collect();
        above.extend(self.clip(&row, split_bit(i, parity)));
        let above = Self { k: self.k, vertices: above };
        (self, above)
    }

    /// Intersects with a half-space and returns the vertices that this created.
    fn clip(&mut self, row: &GridRow, bit: u32) -> Vec<Vertex> {
        let slacks: Vec<i64> = self.vertices.iter().map(|v| v.slack(row)).collect();
        let mut created = Vec::new();
        if slacks.iter().all(|&slack| slack >= 0) {
            // A redundant row describes no edge.
            return created;
        }
        let bit = 1u128 << bit;
        let tight: Vec<u128> = self.vertices.iter().map(|v| v.tight).collect();
        let inside: Vec<usize> = (0..slacks.len()).filter(|&v| slacks[v] > 0).collect();
        for w in (0..slacks.len()).filter(|&w| slacks[w] < 0) {
            for &v in &inside {
                if adjacent(self.k, &tight, tight[v] & tight[w]) {
                    created.push(Vertex::between(&self.vertices[v], slacks[v], &self.vertices[w], slacks[w], bit));
                }
            }
        }
        let mut slacks = slacks.into_iter();
        self.vertices.retain_mut(|v| {
            let slack = slacks.next().unwrap_or(0);
            v.tight |= if slack == 0 { bit } else { 0 };
            slack >= 0
        });
        self.vertices.extend(&created);
        created
    }
}

/// Combinatorial adjacency: the smallest face that holds two vertices holds no third one. `common` are
/// the rows tight at both.
fn adjacent(k: usize, tight: &[u128], common: u128) -> bool {
    // The rows tight along an edge have rank k − 1.
    if (common.count_ones() as usize) < k - 1 {
        return false;
    }
    let mut containing = 0;
    for rows in tight {
        containing += usize::from(common & !rows == 0);
        if containing > 2 {
            return false;
        }
    }
    true
}

fn split_bit(i: usize, parity: u32) -> u32 {
    SPLIT_BITS + 2 * i as u32 + (parity & 1)
}

impl Vertex {
    fn with(&self, i: usize, x: i64, tight: u128) -> Self {
        let mut vertex = *self;
        vertex.num[i] = x;
        vertex.tight |= tight;
        vertex
    }

    /// `den · (bound − a · z)`.
    fn slack(&self, row: &GridRow) -> i64 {
        row.bound * self.den - row.a.iter().zip(&self.num).map(|(a, x)| a * x).sum::<i64>()
    }

    /// The point on the edge from `v` (slack `inside > 0`) to `w` (slack `outside < 0`) with slack 0.
    fn between(v: &Self, inside: i64, w: &Self, outside: i64, bit: u128) -> Self {
        let combine = |of_v: i64, of_w: i64| inside * of_w - outside * of_v;
        let mut num = [0; MAX_NEURONS];
        for (x, (&of_v, &of_w)) in num.iter_mut().zip(v.num.iter().zip(&w.num)) {
            *x = combine(of_v, of_w);
        }
        let mut den = combine(v.den, w.den);
        let divisor = num.iter().fold(den, |g, &x| gcd(g, x.abs()));
        num.iter_mut().for_each(|x| *x /= divisor);
        den /= divisor;
        Self { num, den, tight: v.tight & w.tight | bit }
    }
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
