//! No facet cuts off a point of the graph.

use super::generate::{Group, group};
use crate::num::{Rational, exact};
use crate::polyhedra::{Facet, JointHull, Octahedron, PolyhedraError, Segment};
use proptest::prelude::*;

/// `h · point ≤ rhs`, exactly.
pub fn satisfied(facet: &Facet, point: &[Rational]) -> bool {
    let left = facet.z.iter().chain(&facet.y).zip(point).fold(Rational::ZERO, |s, (&h, x)| s + exact(h).unwrap() * x);
    left <= exact(facet.rhs).unwrap()
}

/// Points of the group's graph: corners and inner points of the zonotope, and points on breakpoints.
fn graph_points(group: &Group, samples: &[Vec<f64>]) -> Vec<Vec<Rational>> {
    let k = group.centre.len();
    let mut inputs: Vec<Vec<Rational>> = Vec::new();
    for s in samples {
        inputs.push(group.point(s));
        inputs.push(group.point(&s.iter().map(|s| s.signum()).collect::<Vec<_>>()));
    }
    for pair in 1..inputs.len() {
        for i in 0..k {
            inputs.extend(group.onto_breakpoint(&inputs[pair - 1], &inputs[pair], i));
        }
    }
    inputs.iter().filter(|z| group.contains(z)).flat_map(|z| group.graph(z)).collect()
}

fn check(group: &Group, samples: &[Vec<f64>], q: &[f64], all: bool) -> Result<(), TestCaseError> {
    let points = graph_points(group, samples);
    let hull = match JointHull::new(&group.octahedron, &group.segments) {
        Ok(hull) => hull,
        Err(PolyhedraError::Empty) => {
            prop_assert!(points.is_empty(), "called empty, but it has points");
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let mut facets = if all { hull.facets() } else { Vec::new() };
    // Queries: around some vertex, away from the mean, at the scale of each coordinate.
    let vertices: Vec<&[f64]> = hull.vertices().collect();
    for (j, vertex) in vertices.iter().enumerate().step_by(vertices.len().div_ceil(4)) {
        let other = vertices[(j * 7 + 3) % vertices.len()];
        let query: Vec<f64> = vertex.iter().zip(other).zip(q).map(|((v, o), q)| v + q * (v - o)).collect();
        facets.extend(hull.separate(&query));
    }
    let exact_vertices = hull.exact_vertices();
    for facet in &facets {
        for point in points.iter().chain(&exact_vertices) {
            prop_assert!(satisfied(facet, point), "{facet:?} cuts off {point:?}");
        }
    }
    Ok(())
}

fn samples() -> impl Strategy<Value = Vec<Vec<f64>>> {
    prop::collection::vec(prop::collection::vec(-1.0..=1.0f64, 6), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_facet_and_cut_holds_on_the_graph(
        group in group(1..=3), samples in samples(), q in prop::collection::vec(-0.5..1.0f64, 8)
    ) {
        check(&group, &samples, &q, true)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_cut_of_four_neurons_holds_on_the_graph(
        group in group(4..=4), samples in samples(), q in prop::collection::vec(-0.5..1.0f64, 8)
    ) {
        check(&group, &samples, &q, false)?;
    }
}

#[test]
fn contradictory_bounds_are_empty() {
    // z1 + z2 ≤ −3 within [−1, 1]².
    let mut upper = vec![2.0; 8];
    for single in [1, 3, 4, 6] {
        upper[single] = 1.0;
    }
    upper[7] = -3.0;
    let octahedron = Octahedron::new(2, upper).unwrap();
    let relu = vec![Segment::relu(-1.0, 1.0); 2];
    assert_eq!(JointHull::new(&octahedron, &relu).unwrap_err(), PolyhedraError::Empty);
    let crossed = Octahedron::new(1, vec![-2.0, 1.0]).unwrap();
    assert_eq!(JointHull::new(&crossed, &relu[..1]).unwrap_err(), PolyhedraError::Empty);
    let uncovered = Octahedron::new(1, vec![1.0, 1.0]).unwrap();
    let far = vec![vec![Segment::new(5.0, 6.0, 0.0, 1.0)]];
    assert_eq!(JointHull::new(&uncovered, &far).unwrap_err(), PolyhedraError::Empty);
}

#[test]
fn extreme_constants_do_not_overflow() {
    for size in [1e300, 1e-300, 5e-324] {
        for k in 1..=3 {
            let count = 3usize.pow(k as u32) - 1;
            for spoiled in 0..=count {
                // One bound is replaced by an extreme of the other sign, or of another magnitude.
                for other in [1.7e308, -1.7e308, 5e-324, 0.0] {
                    let mut upper = vec![size; count];
                    if spoiled < count {
                        upper[spoiled] = other;
                    }
                    let octahedron = Octahedron::new(k, upper).unwrap();
                    match JointHull::new(&octahedron, &vec![Segment::relu(-size, size); k]) {
                        Ok(hull) => {
                            for facet in hull.facets() {
                                assert!(hull.exact_vertices().iter().all(|w| satisfied(&facet, w)));
                            }
                        }
                        Err(error) => {
                            assert!(matches!(error, PolyhedraError::Empty | PolyhedraError::OutOfRange), "{error}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn malformed_input_is_refused() {
    let octahedron = Octahedron::new(1, vec![1.0, 1.0]).unwrap();
    let refused = |segment| JointHull::new(&octahedron, &[vec![segment]]).unwrap_err();
    let malformed = PolyhedraError::MalformedSegment { neuron: 0, segment: 0 };
    assert_eq!(refused(Segment::new(1.0, 0.0, 0.0, 0.0)), malformed);
    assert_eq!(refused(Segment::new(f64::NAN, 0.0, 0.0, 0.0)), malformed);
    assert_eq!(refused(Segment::new(0.0, 1.0, f64::INFINITY, 0.0)), malformed);
    assert!(matches!(JointHull::new(&octahedron, &[]), Err(PolyhedraError::SegmentLists { .. })));
}
