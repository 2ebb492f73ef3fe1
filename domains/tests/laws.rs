//! Laws that every domain obeys on every kind of network, activation and region.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/precise.rs"]
mod precise;

use absint_domains::activation::ActivationFn;
use absint_domains::budget::Budget;
use absint_domains::domain::{AbstractDomain, AnyDomain, Bounds, DeepPoly, Fact, IntervalDomain, Run, all, propagate};
use absint_domains::network::Network;
use absint_domains::num::exact;
use absint_domains::query::{LinearForms, Region};
use common::{Dice, any_activation, random_member, random_network, random_region};
use ndarray::Array2;
use proptest::prelude::*;
use std::sync::Arc;

/// Every reachable value lies inside every bound, and no form falls below its certified minimum.
fn contains_all_executions(domain: &AnyDomain, network: &Network, region: &Region, dice: &mut Dice) {
    let budget = Budget::unlimited();
    let outputs = network.output_len();
    let forms = Array2::from_shape_vec((3, outputs), dice.weights(3 * outputs)).unwrap();
    let mut batch = LinearForms::of_node(network.output(), forms.clone());
    batch.constants = vec![1.5; 3];
    let (bounds, minima) = (domain.bounds_and_minima)(network, region, &batch, Run::silent(&budget)).unwrap();
    for _ in 0..12 {
        let input = random_member(dice, region);
        let Some(values) = precise::values(network, &input) else { continue };
        for ((bounds, values), node) in bounds.nodes().iter().zip(&values).zip(network.nodes()) {
            for (i, value) in values.iter().enumerate() {
                let b = bounds.get(i);
                let above = b.lo == f64::NEG_INFINITY || exact(b.lo).is_some_and(|lo| &lo <= value);
                let below = b.hi == f64::INFINITY || exact(b.hi).is_some_and(|hi| value <= &hi);
                assert!(above && below, "{}: {value} of node {i} ({}) is outside {b:?}", domain.name, node.name);
            }
        }
        let output = &values[network.output()];
        for (row, minimum) in forms.rows().into_iter().zip(&minima) {
            let value = row.iter().zip(output).fold(exact(1.5).unwrap(), |s, (&c, y)| s + exact(c).unwrap() * y);
            let holds = *minimum == f64::NEG_INFINITY || exact(*minimum).unwrap() <= value;
            assert!(holds, "{}: {minimum} exceeds {value}", domain.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Each time all domains but those that solve programs, and one of these every tenth time.
    #[test]
    fn concrete_values_lie_inside_the_bounds_of_every_domain(seed in any::<u64>(), f in any_activation(), turn in 0..10usize) {
        let mut dice = Dice::new(seed);
        let network = random_network(&mut dice, &f);
        let region = random_region(&mut dice, network.input_len());
        let domains = all();
        let (costly, cheap): (Vec<_>, Vec<_>) = domains.iter().partition(|domain| domain.solves_programs);
        let one = costly.get(turn).copied();
        for domain in cheap.into_iter().chain(one) {
            contains_all_executions(domain, &network, &region, &mut dice);
        }
    }
}

/// On one hidden layer of an L∞ ball, back-substitution is never looser than interval arithmetic by
/// more than rounding.
#[test]
fn deeppoly_is_at_least_as_tight_as_interval_on_the_same_bounds() {
    let relu: Arc<dyn ActivationFn> = Arc::new(absint_domains::activation::Relu);
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let network = random_network(&mut dice, &relu);
        let region = random_region(&mut dice, network.input_len());
        let budget = Budget::unlimited();
        let run = Run::silent(&budget);
        let interval = propagate(&IntervalDomain, &network, &region, &Bounds::unknown(), run).unwrap();
        let deeppoly = propagate(&DeepPoly::default(), &network, &region, &interval.bounds(), run).unwrap();
        for (a, b) in interval.facts.iter().zip(&deeppoly.facts) {
            for (a, b) in a.bounds().iter().zip(b.bounds().iter()) {
                assert!(a.lo <= b.lo && b.hi <= a.hi);
            }
        }
        let forms = LinearForms::of_node(network.output(), Array2::eye(network.output_len()));
        let loose = IntervalDomain.minima(&forms, &interval).unwrap();
        let tight = DeepPoly::default().minima(&forms, &deeppoly).unwrap();
        for (loose, tight) in loose.iter().zip(tight) {
            assert!(tight >= loose - 1e-9 * loose.abs().max(1.0), "seed {seed}: {tight} < {loose}");
        }
    }
}
