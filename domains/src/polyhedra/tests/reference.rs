//! Slow, exact references: vertices by trying all subsets of rows, facets by trying all subsets of
//! points, and double description in big integers.

use crate::num::{Rational, exact};
use crate::polyhedra::{Octahedron, Segment, directions};
use itertools::Itertools;
use std::collections::BTreeSet;

/// The unique solution of a square system, if it has one.
pub fn solve(mut rows: Vec<Vec<Rational>>) -> Option<Vec<Rational>> {
    let n = rows.len();
    for c in 0..n {
        let pivot = (c..n).find(|&r| rows[r][c] != Rational::ZERO)?;
        rows.swap(c, pivot);
        let lead = rows[c].clone();
        for (r, row) in rows.iter_mut().enumerate() {
            if r != c && row[c] != Rational::ZERO {
                let factor = &row[c] / &lead[c];
                row.iter_mut().zip(&lead).for_each(|(x, l)| *x = &*x - &factor * l);
            }
        }
    }
    Some((0..n).map(|r| &rows[r][n] / &rows[r][r]).collect())
}

fn dot(a: &[Rational], b: &[Rational]) -> Rational {
    a.iter().zip(b).fold(Rational::ZERO, |s, (a, b)| s + a * b)
}

/// The lifted vertices of all pieces: every k-subset of the rows of every piece is solved.
pub fn vertices(octahedron: &Octahedron, segments: &[Vec<Segment>]) -> BTreeSet<Vec<Rational>> {
    let k = octahedron.k();
    let mut pieces = vec![Vec::new()];
    for list in segments {
        pieces =
            pieces.iter().flat_map(|p: &Vec<Segment>| list.iter().map(move |s| [&p[..], &[*s]].concat())).collect();
    }
    let mut found = BTreeSet::new();
    for piece in pieces {
        let mut rows: Vec<Vec<Rational>> = directions(k)
            .iter()
            .zip(octahedron.upper())
            .map(|(a, &u)| a.iter().map(|&a| Rational::from(a)).chain([exact(u).unwrap()]).collect())
            .collect();
        for (i, segment) in piece.iter().enumerate() {
            for (sign, end) in [(1, segment.to), (-1, -segment.from)] {
                let unit = (0..k).map(|j| Rational::from(if i == j { sign } else { 0 }));
                rows.push(unit.chain([exact(end).unwrap()]).collect());
            }
        }
        for subset in (0..rows.len()).combinations(k) {
            let Some(z) = solve(subset.iter().map(|&r| rows[r].clone()).collect()) else { continue };
            if rows.iter().all(|row| dot(&row[..k], &z) <= row[k]) {
                let y = z.iter().zip(&piece).map(|(z, s)| exact(s.slope).unwrap() * z + exact(s.intercept).unwrap());
                found.insert(z.iter().cloned().chain(y).collect());
            }
        }
    }
    found
}

/// An inequality `h · x ≤ c` as `(h, c)`, scaled to a largest |h_i| of 1.
pub type Inequality = Vec<Rational>;

fn normalised(mut inequality: Inequality) -> Inequality {
    let magnitude = |x: &Rational| if *x < Rational::ZERO { -x } else { x.clone() };
    let n = inequality.len() - 1;
    let largest = inequality[..n].iter().map(magnitude).max().unwrap();
    inequality.iter_mut().for_each(|x| *x = &*x / &largest);
    inequality
}

/// All facets of the full-dimensional hull of `points`: every n-subset that spans a hyperplane is tried.
pub fn facets_by_subsets(points: &[Vec<Rational>]) -> BTreeSet<Inequality> {
    let n = points[0].len();
    let mean: Vec<Rational> =
        (0..n).map(|i| points.iter().fold(Rational::ZERO, |s, p| s + &p[i]) / Rational::from(points.len())).collect();
    let mut found = BTreeSet::new();
    for subset in (0..points.len()).combinations(n) {
        // Around the mean, an inner point, every facet reads h · x ≤ 1.
        let row = |&p: &usize| points[p].iter().zip(&mean).map(|(x, m)| x - m).chain([Rational::ONE]).collect();
        let Some(h) = solve(subset.iter().map(row).collect()) else { continue };
        let constant = dot(&h, &mean) + Rational::ONE;
        if points.iter().all(|p| dot(&h, p) <= constant) {
            found.insert(normalised(h.into_iter().chain([constant]).collect()));
        }
    }
    found
}

/// All facets of the full-dimensional hull of `points`, by double description in rationals.
pub fn facets_exactly(points: &[Vec<Rational>]) -> BTreeSet<Inequality> {
    let n = points[0].len() + 1;
    let homogeneous: Vec<Vec<Rational>> =
        points.iter().map(|p| p.iter().cloned().chain([Rational::ONE]).collect()).collect();
    let start = independent(&homogeneous);
    assert_eq!(start.len(), n, "the hull is flat");
    let mut rays: Vec<(Vec<Rational>, u128)> = (0..n)
        .map(|i| {
            let rows = (0..n).map(|j| {
                let right = if i == j { Rational::ONE } else { Rational::ZERO };
                homogeneous[start[j]].iter().cloned().chain([right]).collect()
            });
            let on = start.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, &p)| 1u128 << p).sum();
            (solve(rows.collect()).unwrap(), on)
        })
        .collect();
    for (j, point) in homogeneous.iter().enumerate().filter(|(j, _)| !start.contains(j)) {
        let values: Vec<Rational> = rays.iter().map(|(c, _)| dot(c, point)).collect();
        for (ray, value) in rays.iter_mut().zip(&values) {
            ray.1 |= u128::from(*value == Rational::ZERO) << j;
        }
        let mut created = Vec::new();
        for (above, (stays, on_stays)) in values.iter().zip(&rays).filter(|(v, _)| **v > Rational::ZERO) {
            for (below, (goes, on_goes)) in values.iter().zip(&rays).filter(|(v, _)| **v < Rational::ZERO) {
                let common = on_stays & on_goes;
                if rays.iter().filter(|(_, on)| on & common == common).count() == 2 {
                    let ray: Vec<Rational> = stays.iter().zip(goes).map(|(s, g)| above * g - below * s).collect();
                    created.push((scaled(ray), common | 1 << j));
                }
            }
        }
        let mut values = values.iter();
        rays.retain(|_| *values.next().unwrap() >= Rational::ZERO);
        rays.extend(created);
    }
    let outward =
        |(c, _): &(Vec<Rational>, u128)| normalised(c[..n - 1].iter().map(|x| -x).chain([c[n - 1].clone()]).collect());
    rays.iter().map(outward).collect()
}

fn scaled(ray: Vec<Rational>) -> Vec<Rational> {
    normalised(ray.into_iter().chain([Rational::ZERO]).collect()).into_iter().rev().skip(1).rev().collect()
}

/// Indices of a maximal linearly independent subset.
pub fn independent(rows: &[Vec<Rational>]) -> Vec<usize> {
    let mut reduced: Vec<(usize, Vec<Rational>)> = Vec::new();
    let mut chosen = Vec::new();
    for (j, row) in rows.iter().enumerate() {
        let mut row = row.clone();
        for (c, lead) in &reduced {
            if row[*c] != Rational::ZERO {
                let factor = &row[*c] / &lead[*c];
                row.iter_mut().zip(lead).for_each(|(x, l)| *x = &*x - &factor * l);
            }
        }
        if let Some(c) = row.iter().position(|x| *x != Rational::ZERO) {
            reduced.push((c, row));
            chosen.push(j);
        }
    }
    chosen
}
