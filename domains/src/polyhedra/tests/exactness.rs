//! Hulls against the hull of all vertices.

use super::generate::activation;
use super::reference::{Inequality, facets_by_subsets, facets_exactly, independent, vertices};
use crate::num::{Rational, nearest};
use crate::polyhedra::{Facet, JointHull, Octahedron, Segment, directions};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;

/// An octahedron with integer constants (so that the grid is exact) around a random zonotope.
fn integer_octahedron(k: usize, size: f64) -> impl Strategy<Value = Octahedron> {
    let entries = prop::collection::vec(prop::collection::vec(-1.0..1.0f64, 12), k);
    (entries, prop::collection::vec(-0.7..0.7f64, k), prop::collection::vec(1.0..1.06f64, 3usize.pow(k as u32)))
        .prop_map(move |(generators, centre, loosened)| {
            let radius = |g: &Vec<f64>| g.iter().map(|x| x.abs()).sum::<f64>();
            let upper = directions(k).into_iter().enumerate().map(|(j, a)| {
                let along = |x: &dyn Fn(usize) -> f64| (0..k).map(|i| f64::from(a[i]) * x(i)).sum::<f64>();
                let reach: f64 = (0..12).map(|g| along(&|i| generators[i][g]).abs()).sum();
                (size * (along(&|i| centre[i] * radius(&generators[i])) + reach * loosened[j])).ceil()
            });
            Octahedron::new(k, upper.collect()).unwrap()
        })
}

fn relus(octahedron: &Octahedron) -> Vec<Vec<Segment>> {
    singles(octahedron).into_iter().map(|(l, u)| Segment::relu(l, u)).collect()
}

fn singles(octahedron: &Octahedron) -> Vec<(f64, f64)> {
    let k = octahedron.k();
    let along = |i: usize, sign: i8| {
        let single = |a: &Vec<i8>| (0..k).all(|j| a[j] == if j == i { sign } else { 0 });
        octahedron.upper()[directions(k).iter().position(single).unwrap()]
    };
    (0..k).map(|i| (-along(i, -1), along(i, 1))).collect()
}

fn unique_vertices(hull: &JointHull) -> Vec<Vec<Rational>> {
    hull.exact_vertices().into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Every exact facet has a float one within `1e-6` of each coefficient, and there are equally many.
fn same_facets(found: &[Facet], exact: &BTreeSet<Inequality>, scale: f64) -> Result<(), TestCaseError> {
    for facet in exact {
        let want: Vec<f64> = facet.iter().map(nearest).collect();
        let n = want.len() - 1;
        let near = |f: &&Facet| {
            let have = f.z.iter().chain(&f.y);
            have.zip(&want[..n]).all(|(a, b)| (a - b).abs() < 1e-6) && (f.rhs - want[n]).abs() < 1e-6 * scale
        };
        prop_assert!(found.iter().any(|f| near(&f)), "missed {want:?}");
    }
    prop_assert_eq!(found.len(), exact.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn vertices_are_those_of_trying_all_rows(
        octahedron in (1usize..=3).prop_flat_map(|k| integer_octahedron(k, 40.0)),
        kinds in prop::collection::vec(prop_oneof![Just(0u8), Just(2), Just(4)], 3)
    ) {
        let segments: Vec<Vec<Segment>> = singles(&octahedron)
            .into_iter()
            .zip(&kinds)
            .map(|((l, u), &kind)| {
                let mut list = activation((kind, 0.3, 0.2), l, u);
                list.iter_mut().for_each(|s| (s.from, s.to) = (s.from.floor(), s.to.ceil()));
                list
            })
            .collect();
        let hull = JointHull::new(&octahedron, &segments).unwrap();
        let found: BTreeSet<Vec<Rational>> = hull.exact_vertices().into_iter().collect();
        prop_assert_eq!(hull.vertex_count(), found.len(), "a point came twice");
        prop_assert_eq!(found, vertices(&octahedron, &segments));
    }

    #[test]
    fn no_facet_of_two_neurons_is_missed(
        octahedron in prop_oneof![integer_octahedron(2, 3.0), integer_octahedron(2, 1e5)]
    ) {
        let hull = JointHull::new(&octahedron, &relus(&octahedron)).unwrap();
        let points = unique_vertices(&hull);
        let exact = facets_exactly(&points);
        if points.len() <= 14 {
            prop_assert_eq!(&exact, &facets_by_subsets(&points));
        }
        same_facets(&hull.facets(), &exact, octahedron.upper().iter().fold(0.0, |m: f64, u| m.max(u.abs())))?;
    }
}

#[test]
fn no_facet_of_random_groups_is_missed() {
    let mut runner = TestRunner::deterministic();
    let (mut groups, mut facets, mut wrong) = (0, 0, Vec::new());
    for (k, size, count) in [(2, 1e5, 200), (3, 1e5, 24), (3, 5.0, 8)] {
        for _ in 0..count {
            let octahedron = integer_octahedron(k, size).new_tree(&mut runner).unwrap().current();
            let hull = JointHull::new(&octahedron, &relus(&octahedron)).unwrap();
            let exact = facets_exactly(&unique_vertices(&hull));
            let scale = octahedron.upper().iter().fold(0.0, |m: f64, u| m.max(u.abs()));
            groups += 1;
            facets += exact.len();
            if let Err(error) = same_facets(&hull.facets(), &exact, scale) {
                wrong.push((k, size, error.to_string()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {groups} groups with {facets} facets: {wrong:#?}", wrong.len());
}

#[test]
fn every_facet_of_three_neurons_is_spanned_by_its_vertices() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..20 {
        let octahedron = integer_octahedron(3, 1e5).new_tree(&mut runner).unwrap().current();
        let hull = JointHull::new(&octahedron, &relus(&octahedron)).unwrap();
        let exact = hull.exact_vertices();
        for facet in hull.facets() {
            let tight: Vec<Vec<Rational>> = hull
                .vertices()
                .zip(&exact)
                .filter(|(w, _)| facet.violation(&w[..3], &w[3..]) > -1e-3)
                .map(|(_, exact)| exact.iter().cloned().chain([Rational::ONE]).collect())
                .collect();
            assert!(independent(&tight).len() >= 6, "{facet:?}");
        }
    }
}
