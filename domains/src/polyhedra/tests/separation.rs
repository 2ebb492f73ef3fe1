//! Points outside are separated, points inside are not.

use super::super::{Facet, JointHull};
use super::generate::group;
use proptest::prelude::*;

fn excess(facet: &Facet, x: &[f64]) -> f64 {
    let (z, y) = x.split_at(x.len() / 2);
    facet.violation(z, y)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_cut_is_found_exactly_when_a_facet_is_violated(
        group in group(1..=3), choice in any::<prop::sample::Index>(), weights in prop::collection::vec(0.0..1.0f64, 8),
        reach in -0.5..1.0f64
    ) {
        let Ok(hull) = JointHull::new(&group.octahedron, &group.segments) else { return Ok(()) };
        let vertices: Vec<&[f64]> = hull.vertices().collect();
        let at = choice.index(vertices.len());
        // A mixture of some vertices, moved towards or away from the mean of all.
        let n = 2 * hull.k();
        let total: f64 = weights.iter().sum::<f64>().max(1e-3);
        let mix = |i: usize| {
            let term = |(j, w): (usize, &f64)| w / total * vertices[(at + j * j) % vertices.len()][i];
            weights.iter().enumerate().map(term).sum::<f64>()
        };
        let mean = |i: usize| vertices.iter().map(|v| v[i]).sum::<f64>() / vertices.len() as f64;
        let q: Vec<f64> = (0..n).map(|i| mix(i) + reach * (mix(i) - mean(i))).collect();
        // Slack of a facet at the mean: its unit.
        let inner: Vec<f64> = (0..n).map(mean).collect();
        let relative = |facet: &Facet| {
            let slack = -excess(facet, &inner);
            let size: f64 = facet.z.iter().chain(&facet.y).zip(&q).map(|(c, x)| (c * x).abs()).sum::<f64>();
            (excess(facet, &q) / slack.max(1e-300), excess(facet, &q) > 1e-9 * size)
        };
        let violated = hull.facets().iter().any(|f| { let (r, big) = relative(f); r > 1e-5 && big });
        let cut = hull.separate(&q);
        // Of hulls that are flat, or thin against the tolerance for flatness, only soundness is claimed.
        let width = |i: usize| {
            let values = || vertices.iter().map(|v| v[i]);
            values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)
        };
        let widest = (0..n).map(width).fold(0.0, f64::max);
        let is_fat = hull.dimension() == n && (0..n).all(|i| width(i) > 1e-6 * widest);
        if violated && is_fat {
            prop_assert!(cut.is_some(), "no cut for {q:?}");
        }
        if let Some(cut) = &cut {
            prop_assert!(excess(cut, &q) > 0.0);
            prop_assert!(hull.facets().iter().any(|f| excess(f, &q) > 0.0), "a cut, but no facet: {cut:?}");
        }
    }
}

#[test]
fn the_triangle_is_cut_by_the_joint_facet() {
    let octahedron = super::super::Octahedron::new(2, vec![2.0; 8]).unwrap();
    let relu = super::super::Segment::relu(-2.0, 2.0);
    let hull = JointHull::new(&octahedron, &[relu.clone(), relu]).unwrap();
    // The triangles allow y = (1, 1) at z = 0; jointly y1 + y2 ≤ 1 there.
    let cut = hull.separate(&[0.0, 0.0, 1.0, 1.0]).unwrap();
    assert_eq!((cut.z.as_slice(), cut.y.as_slice(), cut.rhs), ([-0.5, -0.5].as_slice(), [1.0, 1.0].as_slice(), 1.0));
    assert!(hull.separate(&[0.0, 0.0, 0.5, 0.5]).is_none());
    assert!(hull.separate(&[0.0, 0.0, f64::NAN, 0.5]).is_none());
}
