//! Bounds and verdicts where floating point is at its worst: underflow, overflow, cancellation, ties.

#![allow(clippy::unwrap_used)]

use absint::analyze::Method;
use absint::domains::activation::Relu;
use absint::domains::budget::Budget;
use absint::domains::domain::{AbstractDomain, Bounds, DeepPoly, Run, propagate};
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, Term};
use absint::domains::num::kernel::{box_minimum, chosen_dot_less_error, less_error};
use absint::domains::num::{Interval, Rational, enclose, exact, parse_decimal};
use absint::domains::query::{Atom, Disjunct, LinearForms, Property, Query, Region, Variable};
use absint::domains::verdict::{Verdict, Witness};
use absint::{Options, analyze};
use ndarray::{Array2, ShapeBuilder, array};
use std::sync::Arc;

fn q(text: &str) -> Rational {
    parse_decimal(text).unwrap()
}

fn two(e: i32) -> f64 {
    // powi underflows early for subnormal results.
    if e < -1000 { 2f64.powi(-1000) * 2f64.powi(e + 1000) } else { 2f64.powi(e) }
}

fn floats(v: &[f64]) -> Vec<Rational> {
    v.iter().map(|&x| exact(x).unwrap()).collect()
}

fn boxed(ends: &[(f64, f64)]) -> Region {
    let (l, u): (Vec<f64>, Vec<f64>) = ends.iter().copied().unzip();
    Region::new_box(floats(&l), floats(&u)).unwrap()
}

/// `Σ c_v v + constant ≤ 0`.
fn atom(terms: &[(Variable, Rational)], constant: Rational) -> Atom {
    Atom { terms: terms.iter().cloned().collect(), constant, is_strict: false }
}

fn one_atom(region: Region, a: Atom) -> Query {
    Query::over(region, Property { disjuncts: vec![Disjunct { atoms: vec![a] }] })
}

/// Every domain on the query: none may verify it, since `witness` replays.
fn never_verified(network: &Network, query: &Query, witness: &[Rational]) {
    let case = &query.cases[0];
    assert!(Witness::replay(network, case, 0, witness.to_vec()).is_some(), "the test's witness does not replay");
    let mut wrong = Vec::new();
    for (domain, name) in Method::ALL.map(|method| (method, method.row().name)) {
        let options = Options { method: domain, attack: false, ..Options::default() };
        let analysis = analyze(network, query, &options);
        if let Ok(a) = analysis
            && matches!(a.verdict, Verdict::Verified(_))
        {
            wrong.push((name, a.margins[0].bound));
        }
    }
    assert!(wrong.is_empty(), "verified although a witness replays: {wrong:?}");
}

fn chain(input: usize, layers: &[(Array2<f64>, bool)]) -> Network {
    let mut b = NetworkBuilder::new(&[input]);
    let mut last = 0;
    for (w, relu) in layers {
        let n = w.nrows();
        last = b.linear("fc", last, LinearMap::Dense(w.clone()), Coefficients::zeros(n)).unwrap();
        if *relu {
            last = b.activation("relu", last, Arc::new(Relu)).unwrap();
        }
    }
    let n = b.len(last);
    b.finish(last, &[n]).unwrap()
}

// (C) products of a charge that underflow
#[test]
fn c_a_charge_survives_underflow() {
    let (a, e) = (vec![two(-540); 8], vec![two(-536); 8]);
    let truth = -(exact(two(-540)).unwrap() * exact(two(-536)).unwrap() * Rational::from(8));
    assert!(exact(less_error(&a, &e)).unwrap() <= truth);
}

// (B) products of coefficient and intercept that underflow
#[test]
fn b_an_intercept_survives_underflow() {
    let (a, below, above) = (vec![-two(-540); 8], vec![0.0; 8], vec![two(-536); 8]);
    let error = vec![1e-14 * two(-536); 8];
    let truth = -(exact(two(-540)).unwrap() * exact(two(-536)).unwrap() * Rational::from(8));
    assert!(exact(chosen_dot_less_error(&a, &below, &above, &error)).unwrap() <= truth);
}

// (B) in a verdict: constant neurons under subnormal weights
#[test]
fn b_the_verdict_survives_underflow_of_intercepts() {
    let mut b = NetworkBuilder::new(&[8]);
    let z = b.linear("z", 0, LinearMap::Identity(8), Coefficients::zeros(8)).unwrap();
    let y = b.activation("clip", z, Arc::new(absint::domains::activation::Clip::new(-0.3, 0.3))).unwrap();
    let w = LinearMap::Dense(Array2::from_elem((1, 8), -5e-324));
    let out = b.linear("fc", y, w, Coefficients::zeros(1)).unwrap();
    let network = b.finish(out, &[1]).unwrap();
    let query =
        one_atom(boxed(&[(1.0, 2.0); 8]), atom(&[(Variable::Output(0), Rational::ONE)], exact(5e-324).unwrap()));
    never_verified(&network, &query, &floats(&[1.0; 8]));
}

// (C) in a verdict: coefficients of a property below half the smallest float
#[test]
fn c_the_verdict_survives_underflow_of_charges() {
    let network = chain(8, &[(Array2::eye(8), false)]);
    let terms: Vec<(Variable, Rational)> = (0..8).map(|i| (Variable::Output(i), q("-2.4e-324"))).collect();
    let query = one_atom(boxed(&[(0.0, 0.49); 8]), atom(&terms, exact(5e-324).unwrap()));
    never_verified(&network, &query, &floats(&[0.49; 8]));
}

// (A) a slope times a subnormal coefficient
#[test]
fn a_a_slope_survives_underflow() {
    let big = two(500);
    let network = chain(1, &[(array![[1.0]], true), (array![[-5e-324]], false)]);
    // Y = −η relu(x) reaches −2⁻⁵⁷⁴.
    let c = exact(0.75 * two(-574)).unwrap();
    let query = one_atom(boxed(&[(-big, big)]), atom(&[(Variable::Output(0), Rational::ONE)], c));
    never_verified(&network, &query, &floats(&[big]));
}

// (D) the norm of tiny coefficients underflows
#[test]
fn d_the_support_of_an_l2_ball_survives_underflow() {
    let region = Region::l2(&floats(&[0.0, 0.0]), &Rational::ONE, None).unwrap();
    let bound = region.minima(array![[1e-200, 0.0]].view())[0];
    assert!(bound <= -1e-200, "{bound}");
}

#[test]
fn d_the_verdict_over_an_l2_ball_survives_underflow() {
    let network = chain(2, &[(array![[1e-200, 0.0]], false)]);
    let region = Region::l2(&floats(&[0.0, 0.0]), &Rational::ONE, None).unwrap();
    let query = one_atom(region, atom(&[(Variable::Output(0), Rational::ONE)], q("0.5e-200")));
    never_verified(&network, &query, &floats(&[-1.0, 0.0]));
}

// (E) an overflowed coefficient meets a bound that is zero
#[test]
fn e_an_infinite_coefficient_is_no_coefficient() {
    assert_eq!(box_minimum(&[f64::INFINITY], &[0.0], &[1.0]), f64::NEG_INFINITY);
    assert_eq!(box_minimum(&[f64::NAN], &[-1.0], &[0.0]), f64::NEG_INFINITY);
    let region = boxed(&[(0.0, 1e-10)]);
    assert_eq!(region.minima(array![[f64::INFINITY]].view())[0], f64::NEG_INFINITY);
}

#[test]
fn e_the_verdict_survives_overflow() {
    // Y = c 1e308 x with c = Σ w = −0.05 (or 0.05): the sum overflows on its way, whatever its order.
    let orders = [[0, 1, 2, 3], [2, 3, 0, 1], [0, 2, 1, 3], [3, 1, 2, 0], [0, 2, 3, 1]];
    for (w, ends, worst) in
        [([1.9, 1.9, -1.9, -1.95], (0.0, 1e-10), 1e-10), ([1.95, 1.9, -1.9, -1.9], (-1e-10, 0.0), -1e-10)]
    {
        for order in orders {
            let first = array![[1e308], [1e308], [1e308], [1e308]];
            let second = Array2::from_shape_fn((1, 4), |(_, j)| w[order[j]]);
            let network = chain(1, &[(first, false), (second, false)]);
            let query = one_atom(boxed(&[ends]), atom(&[(Variable::Output(0), Rational::ONE)], q("1e290")));
            never_verified(&network, &query, &floats(&[worst]));
        }
    }
}

// (F) the zonotope's coefficients underflow
#[test]
fn f_the_zonotope_survives_underflow() {
    let network = chain(1, &[(array![[1e-200]], false), (array![[1e-200]], false)]);
    let region = boxed(&[(-1e300, 1e300)]);
    let query = one_atom(region, atom(&[(Variable::Output(0), Rational::ONE)], q("0.5e-100")));
    never_verified(&network, &query, &floats(&[-1e300]));
}

// (G) an input coefficient of a property that rounds to zero
#[test]
fn g_a_tiny_input_coefficient_counts() {
    let network = chain(1, &[(array![[0.0]], false)]);
    let terms = [(Variable::Output(0), Rational::ONE), (Variable::Input(0), q("-1e-400"))];
    let query = one_atom(boxed(&[(0.0, 1e300)]), atom(&terms, q("1e-200")));
    never_verified(&network, &query, &floats(&[1e300]));
}

// (H) refinement where a branch reads a node before the last activation seen
#[test]
fn h_refinement_goes_through_parallel_branches() {
    let w = || LinearMap::Dense(array![[1.0, 1.0], [1.0, -1.0]]);
    let zeros = || Coefficients::zeros(2);
    let mut b = NetworkBuilder::new(&[2]);
    let layer = |b: &mut NetworkBuilder, source| {
        let z = b.linear("z", source, w(), Coefficients::floats(vec![-0.5, -0.25])).unwrap();
        b.activation("relu", z, Arc::new(Relu)).unwrap()
    };
    let stem = layer(&mut b, 0);
    let (left, right) = (layer(&mut b, stem), layer(&mut b, stem));
    let terms = [left, right].map(|source| Term { source, map: w().into() });
    let sum = b.affine("sum", terms.to_vec(), zeros()).unwrap();
    let network = b.finish(sum, &[2]).unwrap();
    let query = one_atom(boxed(&[(-1.0, 1.0); 2]), atom(&[(Variable::Output(0), Rational::ONE)], q("-0.1")));
    let options = Options { method: Method::KPOLY.with(2, true), attack: false, ..Options::default() };
    analyze(&network, &query, &options).unwrap();
}

// Layout of user-made forms
#[test]
fn forms_in_column_order_mean_the_same() {
    let network = chain(2, &[(array![[1.0, 2.0], [3.0, -4.0]], true), (array![[1.0, -1.0], [2.0, 1.0]], false)]);
    let region = boxed(&[(-1.0, 1.0), (-1.0, 1.0)]);
    let budget = Budget::unlimited();
    let trace = propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
    let rows = array![[1.0, -2.0], [0.5, 3.0], [-1.0, -1.0]];
    let columns = Array2::from_shape_fn((3, 2).f(), |(i, j)| rows[[i, j]]);
    let of = |c: Array2<f64>| DeepPoly::default().minima(&LinearForms::of_node(network.output(), c), &trace).unwrap();
    assert_eq!(of(rows), of(columns));
}

#[test]
fn rationals_are_enclosed_tightly_at_every_magnitude() {
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        seed >> 11
    };
    for i in 0..20_000 {
        let bits = match i % 4 {
            0 => next() & ((1 << 52) - 1),
            1 => (0x7fe << 52) | (next() & ((1 << 52) - 1)),
            2 => next() & 0xffff,
            _ => next() << 10 >> 1,
        };
        let x = f64::from_bits(bits);
        if !x.is_finite() {
            continue;
        }
        let e = exact(x).unwrap();
        assert_eq!(enclose(&e), Interval::point(x), "{x:e}");
        // A point between two neighbours.
        let up = x.next_up();
        if up.is_finite() {
            let t = Rational::from(1 + next() % 997) / Rational::from(998);
            let between = &e + (exact(up).unwrap() - &e) * t;
            let found = enclose(&between);
            assert!(found.lo == x && found.hi == up, "{x:e}: {found:?}");
            let found = enclose(&-between);
            assert!(found.lo == -up && found.hi == -x, "{x:e}: {found:?}");
        }
    }
}
