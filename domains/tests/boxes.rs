//! Many boxes at once: what is found on each holds, exactly, at its members, and is what back-substitution on that box
//! alone finds.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/precise.rs"]
mod precise;

use absint_domains::activation::{ActivationFn, LeakyRelu, Relu};
use absint_domains::budget::Budget;
use absint_domains::domain::{AbstractDomain, Bounds, Concretise, DeepPoly, DeepPolyWithin, Run, propagate};
use absint_domains::domain::{Checked, Wanted};
use absint_domains::dual::{Compiled, Corners, Memory, Objective, Relaxed};
use absint_domains::network::Network;
use absint_domains::num::{Interval, Rational, exact};
use absint_domains::query::{LinearForms, Region};
use common::{Dice, random_member, random_network, random_region};
use ndarray::Array2;
use proptest::prelude::*;
use std::sync::Arc;

/// Halfway between some of these and 1 lies no float, nor is the way there one.
const SLOPES: [f64; 5] = [0.125, -0.5, 0.3, -3.0 / (1_u64 << 55) as f64, -((1_u64 << 60) as f64)];

fn function(dice: &mut Dice) -> Arc<dyn ActivationFn> {
    match SLOPES.get(dice.below(3 * SLOPES.len())) {
        Some(&slope) => Arc::new(LeakyRelu::new(slope)),
        None => Arc::new(Relu),
    }
}

/// A box inside a region's box: each input keeps all of its range, or one of its parts, or a point of it.
fn inside(dice: &mut Dice, region: &Region) -> Region {
    let (lower, upper) = region.exact_box();
    let ends = lower.iter().zip(upper).map(|(l, u)| {
        let at = |thirds: i32| l + (u - l) * Rational::from(thirds) / Rational::from(3);
        let (from, to) = [(0, 3), (0, 1), (1, 3), (2, 3), (1, 1)][dice.below(5)];
        (at(from), at(to))
    });
    let (lower, upper) = ends.unzip();
    region.restricted(lower, upper).unwrap()
}

fn forms(network: &Network, dice: &mut Dice) -> LinearForms {
    let rows = 2;
    let mut of = |node: usize| {
        let len = network.node(node).len;
        LinearForms::of_node(node, Array2::from_shape_vec((rows, len), dice.weights(rows * len)).unwrap()).terms
    };
    let terms = [of(network.output()), of(0)].concat();
    LinearForms { terms, constants: dice.weights(rows) }
}

fn sum(coefficients: impl Iterator<Item = f64>, x: &[Rational]) -> Rational {
    coefficients.zip(x).fold(Rational::ZERO, |sum, (c, x)| sum + exact(c).unwrap() * x)
}

fn value(forms: &LinearForms, row: usize, values: &[Vec<Rational>]) -> Rational {
    let of_term =
        |term: &absint_domains::query::FormTerm| sum(term.coefficients.row(row).iter().copied(), &values[term.node]);
    forms.terms.iter().fold(exact(forms.constants[row]).unwrap(), |all, term| all + of_term(term))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_is_found_on_boxes_holds_on_each(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let f = function(&mut dice);
        let steep = f.eval(-1.0).abs() > 1e3;
        let network = random_network(&mut dice, &f);
        let region = random_region(&mut dice, network.input_len());
        let (lower, upper) = region.exact_box();
        if region.restricted(lower.to_vec(), upper.to_vec()).is_none() {
            return Ok(());
        }
        let budget = Budget::unlimited();
        let trace = propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        let bounds = trace.bounds();
        let compiled = Compiled::new(&network);
        let relaxed = Relaxed::new(&compiled, &region, &bounds);
        let corners = Corners::of(&relaxed).unwrap();
        let forms = forms(&network, &mut dice);
        let objectives: Vec<Objective> = (0..2).map(|row| Objective::of_form(&forms, row, &bounds)).collect();
        let mut memory = Memory::default();
        let mut known: Vec<Vec<Interval>> = vec![corners.ranges(); 3];
        let mut regions = vec![region.clone(); 3];
        // Boxes, and boxes within them.
        for _ in 0..2 {
            regions = regions.iter().map(|region| inside(&mut dice, region)).collect();
            let known_of: Vec<&[Interval]> = known.iter().map(|known| &known[..]).collect();
            let before: Vec<Bounds> = known.iter().map(|known| corners.bounds_within(known)).collect();
            let mut on = corners.on_boxes(regions.iter().collect(), &known_of, None, &mut memory, &budget).unwrap();
            let wanted: Vec<(usize, &Objective)> =
                (0..3).flat_map(|b| objectives.iter().map(move |objective| (b, objective))).collect();
            let found = on.minima(&wanted, f64::INFINITY, &budget).unwrap();
            let own: Vec<Option<Bounds>> =
                (0..3).map(|b| on.ranges(b).map(|ranges| corners.bounds_within(ranges))).collect();
            for (b, region) in regions.iter().enumerate() {
                // Of a ball's part the corners are not in it.
                let (lower, upper) = region.exact_box();
                let around = Region::new_box(lower.to_vec(), upper.to_vec()).unwrap();
                let members = (0..8).map(|_| random_member(&mut dice, &around));
                for values in members.filter(|x| region.contains(x)).filter_map(|x| precise::values(&network, &x)) {
                    prop_assert!(own[b].is_some(), "an input is where none is said to be");
                    for (z, values) in own[b].iter().flat_map(Bounds::nodes).zip(&values) {
                        for (z, x) in z.iter().zip(values) {
                            prop_assert!(exact(z.lo).is_none_or(|lo| &lo <= x) && exact(z.hi).is_none_or(|hi| x <= &hi));
                        }
                    }
                    for (row, form) in found[2 * b..2 * b + 2].iter().enumerate() {
                        let value = value(&forms, row, &values);
                        let below = exact(form.constant).map(|c| c + sum(form.coefficients.iter().copied(), &values[0]));
                        prop_assert!(exact(form.minimum).is_none_or(|least| least <= value));
                        prop_assert!(below.is_none_or(|below| below <= value));
                    }
                }
                prop_assert!(found[2 * b..2 * b + 2].iter().all(|form| form.gains.iter().flatten().all(|gain| *gain >= 0.0)));
                // The same one by one, where rounding neither chooses the line below a neuron nor is charged by steep slopes.
                let is_tied = |z: &Interval| (z.hi + z.lo).abs() <= 1e-6 * (z.hi - z.lo);
                if steep || on.ranges(b).is_none_or(|ranges| ranges.iter().any(is_tied)) {
                    continue;
                }
                let base = DeepPoly { concretise: Concretise::Input, wanted: Wanted::Unstable, ..DeepPoly::default() };
                let alone = DeepPolyWithin { base, known: &before[b], settled: 0, checked: Checked::Never };
                let Ok(trace) = propagate(&alone, &network, region, &before[b], Run::silent(&budget)) else { continue };
                for (form, least) in found[2 * b..2 * b + 2].iter().zip(alone.minima(&forms, &trace).unwrap()) {
                    let reach = bounds.nodes().iter().flat_map(|z| z.magnitudes()).fold(1.0, f64::max);
                    prop_assert!((form.minimum - least).abs() <= 1e-9 * reach, "{} {least}", form.minimum);
                }
            }
            // Corners of a ball's box hold none of its members.
            let Some(found) = (0..3).map(|b| on.ranges(b).map(<[Interval]>::to_vec)).collect() else { break };
            known = found;
        }
    }
}
