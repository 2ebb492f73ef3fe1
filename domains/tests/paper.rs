//! The worked examples of the papers, number for number.

#![allow(clippy::unwrap_used)]

use absint_domains::activation::Relu;
use absint_domains::budget::Budget;
use absint_domains::domain::{AbstractDomain, Bounds, DeepPoly, LpDomain, Run, Tighten, propagate};
use absint_domains::lp::backends;
use absint_domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint_domains::num::Rational;
use absint_domains::polyhedra::{JointHull, Octahedron, Segment, directions};
use absint_domains::query::{LinearForms, Region};
use ndarray::{Array2, array};
use std::sync::Arc;

/// Singh et al. 2019 (k-ReLU), Figure 2: x₃ = x₁ + x₂, x₄ = x₁ − x₂, then x₇ = x₅ + 2x₆, x₈ = x₆ + 1.5.
fn figure_2() -> Network {
    let mut b = NetworkBuilder::new(&[2]);
    let dense = |w: Array2<f64>| LinearMap::Dense(w);
    let first = b.linear("x3 x4", 0, dense(array![[1.0, 1.0], [1.0, -1.0]]), Coefficients::zeros(2)).unwrap();
    let relu = b.activation("x5 x6", first, Arc::new(Relu)).unwrap();
    let bias = Coefficients::floats(vec![0.0, 1.5]);
    let second = b.linear("x7 x8", relu, dense(array![[1.0, 2.0], [0.0, 1.0]]), bias).unwrap();
    let output = b.activation("x9 x10", second, Arc::new(Relu)).unwrap();
    b.finish(output, &[2]).unwrap()
}

/// The certified upper bound of x₉ with groups of k neurons.
fn upper_bound_of_x9(k: usize, tighten: Tighten) -> f64 {
    let network = figure_2();
    let one = Rational::ONE;
    let region = Region::linf(&[Rational::ZERO, Rational::ZERO], &one, None).unwrap();
    let domain = LpDomain { tighten, ..LpDomain::kpoly(k, backends()[0]) };
    let budget = Budget::unlimited();
    let trace = propagate(&domain, &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
    let form = LinearForms::of_node(network.output(), array![[-1.0, 0.0]]);
    -domain.minima(&form, &trace).unwrap()[0]
}

#[test]
fn one_neuron_at_a_time_bounds_x9_by_five() {
    let bound = upper_bound_of_x9(1, Tighten::None);
    assert!((bound - 5.0).abs() < 1e-6 && bound >= 5.0, "{bound}");
}

#[test]
fn two_neurons_jointly_bound_x9_by_four() {
    for tighten in [Tighten::None, Tighten::All] {
        let bound = upper_bound_of_x9(2, tighten);
        assert!((bound - 4.0).abs() < 1e-6 && bound >= 4.0, "{bound}");
    }
}

#[test]
fn deeppoly_has_the_bounds_of_the_figure() {
    let network = figure_2();
    let region = Region::linf(&[Rational::ZERO, Rational::ZERO], &Rational::ONE, None).unwrap();
    let budget = Budget::unlimited();
    let trace = propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
    let bounds = trace.bounds();
    let ends = |node: usize, i: usize| (bounds.nodes()[node].lower()[i], bounds.nodes()[node].upper()[i]);
    assert_eq!((ends(1, 0), ends(1, 1)), ((-2.0, 2.0), (-2.0, 2.0)));
    // A tie of the two areas takes slope one here and zero in the paper: x₇ ≥ −3 instead of 0.
    for (found, expected) in [(ends(3, 0).1, 5.0), (ends(3, 1).1, 3.5)] {
        assert!(found >= expected && found - expected < 1e-12, "{found}");
    }
}

#[test]
fn the_constraint_of_the_introduction_comes_out_of_the_hull_routine() {
    // |x₁ ± x₂| ≤ 2, and so |x_i| ≤ 2.
    let octahedron = Octahedron::new(2, vec![2.0; directions(2).len()]).unwrap();
    let relu = || vec![Segment::new(-2.0, 0.0, 0.0, 0.0), Segment::new(0.0, 2.0, 1.0, 0.0)];
    let hull = JointHull::new(&octahedron, &[relu(), relu()]).unwrap();
    // 2y₁ + 2y₂ − x₁ − x₂ ≤ 2, up to a positive factor.
    let found = hull.facets().into_iter().any(|f| {
        let scale = f.y[0] / 2.0;
        scale > 0.0 && f.y[1] == 2.0 * scale && f.z == [-scale, -scale] && f.rhs == 2.0 * scale
    });
    assert!(found, "{:?}", hull.facets());
}
