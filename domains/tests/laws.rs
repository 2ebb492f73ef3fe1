//! Laws that every domain obeys on every kind of network, activation and region.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/precise.rs"]
mod precise;

use absint_domains::activation::ActivationFn;
use absint_domains::budget::Budget;
use absint_domains::domain::{
    AbstractDomain, AnyDomain, BackSubstitution, Bounds, Concretise, DeepPoly, DeepPolyFact, Fact, History,
    IntervalDomain, NodeBounds, Relaxation, Run, Trace, Wanted, all, propagate,
};
use absint_domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, NodeId, NodeKind, Sparse, Term};
use absint_domains::num::{Interval, Rational, Spare, exact};
use absint_domains::query::{LinearForms, Region};
use common::maxima::random_maxima_network;
use common::{
    Dice, mostly_piecewise, random_member, random_network, random_ordered_member, random_ordered_region,
    random_product_network, random_region, random_twins,
};
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
        let input = match region.half_spaces() {
            [] => random_member(dice, region),
            _ => random_ordered_member(dice, region),
        };
        let Some(values) = precise::values(network, &input) else { continue };
        // Beside curves the values have some ninety digits, and an exact domain may have more.
        let noise = if network.has_curves() { exact(1e-60).unwrap() } else { Rational::ZERO };
        for ((bounds, values), node) in bounds.nodes().iter().zip(&values).zip(network.nodes()) {
            for (i, value) in values.iter().enumerate() {
                let b = bounds.get(i);
                let above = b.lo == f64::NEG_INFINITY || exact(b.lo).is_some_and(|lo| &lo - &noise <= *value);
                let below = b.hi == f64::INFINITY || exact(b.hi).is_some_and(|hi| *value <= hi + &noise);
                assert!(above && below, "{}: {value} of node {i} ({}) is outside {b:?}", domain.name, node.name);
            }
        }
        let output = &values[network.output()];
        for (row, minimum) in forms.rows().into_iter().zip(&minima) {
            let value = row.iter().zip(output).fold(exact(1.5).unwrap(), |s, (&c, y)| s + exact(c).unwrap() * y);
            let holds = *minimum == f64::NEG_INFINITY || exact(*minimum).unwrap() - &noise <= value;
            assert!(holds, "{}: {minimum} exceeds {value}", domain.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Each time all domains but those that solve programs, and one of these every tenth time; every sixth network
    /// has products, every sixth is two in one, and every sixth has maxima. Every fifth region has ordered inputs.
    #[test]
    fn concrete_values_lie_inside_the_bounds_of_every_domain(
        seed in any::<u64>(), f in mostly_piecewise(), turn in 0..10usize, kind in 0..6usize,
    ) {
        let mut dice = Dice::new(seed);
        let network = match kind {
            0 => random_product_network(&mut dice, &f),
            1 => random_twins(&mut dice, &f),
            2 => random_maxima_network(&mut dice, &f),
            _ => random_network(&mut dice, &f),
        };
        let region = match dice.below(5) {
            0 => random_ordered_region(&mut dice, network.input_len()),
            _ => random_region(&mut dice, network.input_len()),
        };
        let domains = all();
        let (costly, cheap): (Vec<_>, Vec<_>) = domains.iter().partition(|domain| domain.solves_programs);
        let one = costly.get(turn).copied();
        for domain in cheap.into_iter().chain(one) {
            contains_all_executions(domain, &network, &region, &mut dice);
        }
    }
}

/// What two networks differ by is bounded by much less than by what each of them can be, and in the joint hulls of their
/// neurons by less still.
#[test]
fn twins_are_bounded_by_their_differences() {
    let relu: Arc<dyn ActivationFn> = Arc::new(absint_domains::activation::Relu);
    let budget = Budget::unlimited();
    let (mut better, mut joint, mut all_of_them) = (0, 0, 0);
    for seed in 0..60 {
        let network = random_twins(&mut Dice::new(seed), &relu);
        let n = network.output_len() / 2;
        let (zero, one) = (Rational::ZERO, Rational::ONE);
        let region = Region::new_box(vec![zero; network.input_len()], vec![one; network.input_len()]).unwrap();
        let run = Run::silent(&budget);
        let minima = |less: &dyn Fn(&mut Array2<f64>), domain: &AnyDomain| {
            let mut forms = Array2::zeros((1, 2 * n));
            less(&mut forms);
            let forms = LinearForms::of_node(network.output(), forms);
            (domain.bounds_and_minima)(&network, &region, &forms, run).unwrap().1[0]
        };
        let domains = all();
        let deeppoly = domains.iter().find(|domain| domain.name == "deeppoly").unwrap();
        let of_first = |forms: &mut Array2<f64>| forms[[0, 0]] = 1.0;
        let of_second = |forms: &mut Array2<f64>| forms[[0, n]] = -1.0;
        let of_both = |forms: &mut Array2<f64>| {
            of_first(forms);
            of_second(forms);
        };
        let [substituted, programmed] = [deeppoly, domains.last().unwrap()].map(|domain| minima(&of_both, domain));
        let alone = minima(&of_first, deeppoly) + minima(&of_second, deeppoly);
        better += usize::from(substituted > alone + 1e-9);
        joint += usize::from(programmed > substituted + 1e-9);
        all_of_them += usize::from(substituted < -1e-9);
    }
    assert!(better > 40 && joint > 20 && all_of_them > 20, "{better}, {joint}, {all_of_them}");
}

/// Planes above maxima tell more than the ReLUs that compute them, to every domain that knows them.
#[test]
fn maxima_are_bounded_as_such() {
    let relu: Arc<dyn ActivationFn> = Arc::new(absint_domains::activation::Relu);
    let budget = Budget::unlimited();
    let domains = all();
    for domain in [&domains[0], &domains[3], domains.last().unwrap()] {
        let (mut better, mut worse) = (0, 0);
        for seed in 0..200 {
            let mut dice = Dice::new(seed);
            let network = random_maxima_network(&mut dice, &relu);
            let (low, high) = (vec![-Rational::ONE; network.input_len()], vec![Rational::ONE; network.input_len()]);
            let region = Region::new_box(low, high).unwrap();
            let (forms, run) =
                (LinearForms::of_node(network.output(), Array2::eye(network.output_len())), Run::silent(&budget));
            let minima = |network: &Network| (domain.bounds_and_minima)(network, &region, &forms, run).unwrap().1;
            for (with, without) in minima(&network).into_iter().zip(minima(&network.as_checked())) {
                let tiny = 1e-6 * (1.0 + without.abs());
                better += usize::from(with > without + tiny);
                worse += usize::from(with < without - tiny);
            }
        }
        assert!(better > 60 && 10 * worse < better, "{}: better {better}, worse {worse}", domain.name);
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

/// A trace without the columns that are left out: what back-substitution gives over whole nodes.
struct Whole<'a, 't>(&'a Trace<'t, DeepPolyFact>);

impl History for Whole<'_, '_> {
    fn bounds(&self, id: NodeId) -> &NodeBounds {
        self.0.bounds_of(id)
    }
    fn relaxation(&self, id: NodeId) -> &Relaxation {
        self.0.facts[id].relaxation()
    }
}

/// Dense, sparse and diagonal layers in a row, some with a sum around them, with biases that turn many neurons off.
fn mixed_network(dice: &mut Dice) -> Network {
    let relu: Arc<dyn ActivationFn> = Arc::new(absint_domains::activation::Relu);
    let mut builder = NetworkBuilder::new(&[2 + dice.below(3)]);
    let mut last = builder.input();
    for _ in 0..2 + dice.below(3) {
        let (inputs, outputs) = (builder.len(last), 3 + dice.below(8));
        let weights = Array2::from_shape_vec((outputs, inputs), dice.weights(outputs * inputs)).unwrap();
        let bias = |dice: &mut Dice, n| Coefficients::floats((0..n).map(|_| 2.0 * dice.weight() - 1.5).collect());
        let kind = dice.below(5);
        let z = match kind {
            0 => builder.linear("sparse", last, LinearMap::Sparse(Sparse::new(&weights)), bias(dice, outputs)),
            1 => {
                let factors = Coefficients::floats(dice.weights(inputs));
                builder.linear("diagonal", last, LinearMap::Diagonal(factors), bias(dice, inputs))
            }
            2 => {
                let square = Array2::from_shape_vec((inputs, inputs), dice.weights(inputs * inputs)).unwrap();
                let terms = [LinearMap::Dense(square), LinearMap::Identity(inputs)];
                let terms = terms.into_iter().map(|map| Term { source: last, map: map.into() }).collect();
                builder.affine("sum", terms, bias(dice, inputs))
            }
            _ => builder.linear("dense", last, LinearMap::Dense(weights), bias(dice, outputs)),
        };
        last = builder.activation("relu", z.unwrap(), relu.clone()).unwrap();
    }
    let out = common::dense(&mut builder, dice, last, 2);
    builder.finish(out, &[2]).unwrap()
}

/// Neurons that are zero on all of the region have no column, and change nothing but the order of sums.
#[test]
fn columns_that_are_left_out_were_zero() {
    let relu: Arc<dyn ActivationFn> = Arc::new(absint_domains::activation::Relu);
    let budget = Budget::unlimited();
    let mut narrowed = 0;
    for seed in 0..600 {
        let mut dice = Dice::new(seed);
        let network = if seed % 3 == 0 { random_network(&mut dice, &relu) } else { mixed_network(&mut dice) };
        let region = random_region(&mut dice, network.input_len());
        let concretise = [Concretise::Every, Concretise::Input][dice.below(2)];
        let domain = DeepPoly { concretise, ..DeepPoly::default() };
        let trace = propagate(&domain, &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        narrowed += (0..network.nodes().len()).filter(|&id| trace.kept(id).is_some()).count();
        let few = domain.back_substitution(&trace);
        let (history, spare) = (Whole(&trace), Spare::default());
        let all = BackSubstitution {
            network: &network,
            region: &region,
            history: &history,
            concretise,
            budget: &budget,
            spare: &spare,
        };
        let close = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()));
        let compare = |few: &[f64], all: &[f64]| {
            assert!(few.iter().zip(all).all(|(&a, &b)| close(a, b)), "seed {seed}: {few:?} and {all:?}");
        };
        for (id, node) in network.nodes().iter().enumerate() {
            let forms =
                LinearForms::of_node(id, Array2::from_shape_vec((3, node.len), dice.weights(3 * node.len)).unwrap());
            compare(&few.minima(&forms).unwrap(), &all.minima(&forms).unwrap());
            let (a, b) = (few.minima_and_input_forms(&forms).unwrap(), all.minima_and_input_forms(&forms).unwrap());
            compare(&a.0, &b.0);
            compare(&a.1.constants, &b.1.constants);
            for (a, b) in a.1.terms.iter().zip(&b.1.terms) {
                compare(a.coefficients.as_slice().unwrap(), b.coefficients.as_slice().unwrap());
            }
            if let NodeKind::Affine(affine) = &node.kind {
                let (a, b) = (few.neuron_bounds(affine).unwrap(), all.neuron_bounds(affine).unwrap());
                compare(a.lower(), b.lower());
                compare(a.upper(), b.upper());
            }
        }
    }
    assert!(narrowed > 300, "only {narrowed} nodes were narrowed");
}

/// Where only unstable neurons go back, no other neuron is held to be stable, and hardly one less.
#[test]
fn neurons_that_stay_behind_are_stable() {
    let budget = Budget::unlimited();
    let functions = absint_domains::activation::all();
    let (mut at_first, mut at_all) = (0, 0);
    for seed in 0..600 {
        let mut dice = Dice::new(seed);
        let function = &functions[dice.below(functions.len())];
        let network = if seed % 2 == 0 { random_network(&mut dice, function) } else { mixed_network(&mut dice) };
        let region = random_region(&mut dice, network.input_len());
        let run = Run::silent(&budget);
        let unstable = DeepPoly { wanted: Wanted::Unstable, ..DeepPoly::default() };
        let few = propagate(&unstable, &network, &region, &Bounds::unknown(), run).unwrap();
        let all = propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), run).unwrap();
        for (_, activation) in network.activations() {
            let is_unstable = |z: Interval| activation.function.is_unstable(z.into());
            let (few, all) = (few.bounds_of(activation.source), all.bounds_of(activation.source));
            for (few, all) in few.iter().zip(all.iter()) {
                // A bound at the kink may fall on either side of it.
                let tiny = 1e-9 * (1.0 + all.magnitude());
                let inner = Interval { lo: all.lo + tiny, hi: all.hi - tiny };
                assert!(!is_unstable(inner) || is_unstable(few), "seed {seed}: {few:?} and {all:?}");
                at_first += usize::from(is_unstable(few));
                at_all += usize::from(is_unstable(all));
            }
        }
    }
    assert!(at_all > 1000 && at_first * 50 < at_all * 51, "{at_first} unstable neurons instead of {at_all}");
}
