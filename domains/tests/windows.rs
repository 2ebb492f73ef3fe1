//! Neurons bounded jointly over their windows: below the exact value at every member of the region, and a single group as
//! far as the truth.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/precise.rs"]
mod precise;

use absint_domains::activation::{ActivationFn, LeakyRelu, Relu};
use absint_domains::budget::Budget;
use absint_domains::domain::{Bounds, DeepPoly, Run, propagate};
use absint_domains::dual::{Objective, Windows};
use absint_domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, Sparse};
use absint_domains::num::{Rational, exact};
use absint_domains::query::{LinearForms, Region};
use common::{Dice, random_box, random_member};
use ndarray::Array2;
use proptest::prelude::*;
use std::sync::Arc;

/// `channels` neurons at each place of a row of inputs, which read `width` neighbours, and one output.
fn network(dice: &mut Dice, [inputs, width, channels]: [usize; 3], f: Arc<dyn ActivationFn>) -> Network {
    let mut b = NetworkBuilder::new(&[inputs]);
    let kernels: Vec<Vec<f64>> = (0..channels).map(|_| dice.weights(width)).collect();
    let places = 0..=inputs - width;
    let row = |place: usize, k: &Vec<f64>| k.iter().enumerate().map(|(i, &w)| (place + i, w)).collect::<Vec<_>>();
    let rows: Vec<_> = places.flat_map(|place| kernels.iter().map(move |k| row(place, k))).collect();
    let count = rows.len();
    let map = LinearMap::Sparse(Sparse::of_rows(inputs, rows));
    let z = b.linear("z", 0, map, Coefficients::floats(dice.weights(count))).unwrap();
    let y = b.activation("y", z, f).unwrap();
    let w = Array2::from_shape_vec((1, count), dice.weights(count)).unwrap();
    let sum = b.linear("sum", y, LinearMap::Dense(w), Coefficients::floats(dice.weights(1))).unwrap();
    b.finish(sum, &[1]).unwrap()
}

fn function(dice: &mut Dice, slopes: &[f64]) -> Arc<dyn ActivationFn> {
    match slopes.get(dice.below(2 * slopes.len())) {
        Some(&slope) => Arc::new(LeakyRelu::new(slope)),
        None => Arc::new(Relu),
    }
}

/// Halfway between some of these and 1 lies no float, nor is the way there one.
const SLOPES: [f64; 5] = [0.125, -0.5, 0.3, -3.0 / (1_u64 << 55) as f64, -((1_u64 << 60) as f64)];

/// The output and an input.
fn form(network: &Network, dice: &mut Dice) -> LinearForms {
    let mut form = LinearForms::of_node(network.output(), Array2::ones((1, 1)));
    let mut of_input = Array2::zeros((1, network.input_len()));
    of_input[[0, dice.below(network.input_len())]] = dice.weight();
    form.terms.extend(LinearForms::of_node(0, of_input).terms);
    form
}

/// The bound by windows.
fn bounds(network: &Network, region: &Region, form: &LinearForms) -> Option<f64> {
    let budget = Budget::unlimited();
    let trace = propagate(&DeepPoly::default(), network, region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
    let bounds = trace.bounds();
    let windows = Windows::new(network, region, &bounds);
    windows.map(|windows| windows.lower_bound(&Objective::of_form(form, 0, &bounds), 0.0, false, &budget).0)
}

fn value(form: &LinearForms, values: &[Vec<Rational>]) -> Rational {
    let mut sum = exact(form.constants[0]).unwrap();
    for term in &form.terms {
        for (&c, x) in term.coefficients.row(0).iter().zip(&values[term.node]) {
            sum += exact(c).unwrap() * x;
        }
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn windows_give_bounds(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let f = function(&mut dice, &SLOPES);
        let shape = [3 + dice.below(5), 1 + dice.below(3), 1 + dice.below(6)];
        let network = network(&mut dice, shape, f);
        let region = random_box(&mut dice, network.input_len());
        let form = form(&network, &mut dice);
        let found = bounds(&network, &region, &form).unwrap();
        prop_assert!(found.is_finite());
        for _ in 0..40 {
            let values = precise::values(&network, &random_member(&mut dice, &region)).unwrap();
            prop_assert!(exact(found).unwrap() <= value(&form, &values));
        }
    }

    /// The least value over a box of two inputs is where two of the lines cross on which neurons or inputs turn.
    #[test]
    fn a_group_alone_is_bounded_by_the_truth(seed in any::<u64>(), channels in 1..5_usize) {
        let mut dice = Dice::new(seed);
        let f = function(&mut dice, &[0.125]);
        let network = network(&mut dice, [2, 2, channels], f);
        let region = random_box(&mut dice, 2);
        // Steps end above zero.
        let form = LinearForms { constants: vec![-64.0], ..form(&network, &mut dice) };
        let found = bounds(&network, &region, &form);
        let mut lines: Vec<[Rational; 3]> = Vec::new();
        let zero = [Rational::ZERO, Rational::ZERO];
        let at = |x: &[Rational; 2]| precise::values(&network, x).unwrap();
        let one = |i: usize| { let mut x = zero.clone(); x[i] = Rational::ONE; x };
        for i in 0..channels {
            let b = at(&zero)[1][i].clone();
            lines.push([&at(&one(0))[1][i] - &b, &at(&one(1))[1][i] - &b, b]);
        }
        for (i, range) in region.bounds().iter().enumerate() {
            for end in [range.lo, range.hi] {
                let [x, y] = one(i);
                lines.push([x, y, -exact(end).unwrap()]);
            }
        }
        let is_inside = |x: &Rational, i: usize| {
            let range = region.bounds()[i];
            &exact(range.lo).unwrap() <= x && x <= &exact(range.hi).unwrap()
        };
        let mut least: Option<Rational> = None;
        for (i, [a, b, c]) in lines.iter().enumerate() {
            for [d, e, f] in &lines[..i] {
                let determinant = a * e - b * d;
                if determinant == Rational::ZERO {
                    continue;
                }
                let x = [(b * f - c * e) / &determinant, (c * d - a * f) / &determinant];
                if is_inside(&x[0], 0) && is_inside(&x[1], 1) {
                    let value = value(&form, &at(&x));
                    least = Some(least.map_or(value.clone(), |least| least.min(value)));
                }
            }
        }
        let (least, found) = (least.unwrap(), found.unwrap());
        prop_assert!(exact(found).unwrap() <= least);
        let gap = &least - exact(found).unwrap();
        let scale: f64 = region.bounds().iter().map(|range| range.hi - range.lo).sum::<f64>() + 1e-6;
        prop_assert!(gap <= exact(0.1 * scale).unwrap(), "{gap} {scale}");
    }
}

#[test]
fn other_networks_are_left_alone() {
    let mut dice = Dice::new(1);
    let mut b = NetworkBuilder::new(&[2]);
    let z = common::dense(&mut b, &mut dice, 0, 3);
    let y = b.activation("y", z, Arc::new(Relu)).unwrap();
    let z = common::dense(&mut b, &mut dice, y, 3);
    let y = b.activation("y", z, Arc::new(Relu)).unwrap();
    let network = b.finish(y, &[3]).unwrap();
    let region = random_box(&mut dice, 2);
    let form = LinearForms::of_node(network.output(), Array2::ones((1, 3)));
    assert!(bounds(&network, &region, &form).is_none());
}

/// A concave neuron lies above no line between its pieces: with 256 of them `−LeakyReLU(x)` is −1 at 1.
#[test]
fn pieces_of_concave_neurons_are_exact() {
    let slope = -((1_u64 << 60) as f64);
    let mut b = NetworkBuilder::new(&[1]);
    let z = b.linear("z", 0, LinearMap::Dense(Array2::ones((256, 1))), Coefficients::zeros(256)).unwrap();
    let y = b.activation("y", z, Arc::new(LeakyRelu::new(slope))).unwrap();
    let mean = LinearMap::Dense(Array2::from_elem((1, 256), -1.0 / 256.0));
    let mean = b.linear("mean", y, mean, Coefficients::zeros(1)).unwrap();
    let network = b.finish(mean, &[1]).unwrap();
    let region = Region::new_box(vec![exact(-4e-19).unwrap()], vec![Rational::ONE]).unwrap();
    let form = LinearForms::of_node(network.output(), Array2::ones((1, 1)));
    assert!(bounds(&network, &region, &form).unwrap() <= -1.0);
}
