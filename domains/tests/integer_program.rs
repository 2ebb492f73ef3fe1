//! The rows of a network's mixed-integer program hold: whatever it is strengthened by, its relaxation has no
//! certified bound above a margin that some input of the region attains. (What a solver makes of it is tested
//! with the `highs` feature, in `milp`.)

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;
#[path = "common/precise.rs"]
mod precise;

use absint_domains::activation::{Sign, all};
use absint_domains::budget::Budget;
use absint_domains::domain::{AbstractDomain, Bounds, IntegerModel, LpDomain, Run, propagate};
use absint_domains::lp::{IntegerProgram, LpBackend, backends, certified_minimum};
use absint_domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint_domains::num::{Rational, exact_or_zero, parse_decimal};
use absint_domains::query::{Atom, LinearForms, Region, Variable};
use common::exact::Exact;
use common::{Dice, random_member, random_network, random_region};
use ndarray::Array2;
use std::sync::Arc;

fn grid(dice: &mut Dice, n: usize) -> Region {
    let step = parse_decimal(["1/3", "0.1", "1"][dice.below(3)]).unwrap();
    let center: Vec<Rational> = (0..n).map(|_| Rational::from(dice.below(5) as i32 - 2) * &step).collect();
    let ends = |sign: i32| -> Vec<Rational> { center.iter().map(|c| c + Rational::from(sign) * &step).collect() };
    let (lower, upper) = (ends(-1), ends(1));
    if dice.below(2) == 0 {
        let radius = &step * Rational::from(2);
        return Region::grid_l1(&center, &step, &radius, &lower, &upper).unwrap();
    }
    Region::grid(&center, &step, &lower, &upper).unwrap()
}

/// A certified bound of the program without integrality.
fn bound(program: &IntegerProgram, backend: &dyn LpBackend) -> f64 {
    let solution = backend.solve(&program.relaxation, &Budget::unlimited()).unwrap();
    certified_minimum(&program.relaxation, &solution.multipliers) + program.constant
}

#[test]
fn no_row_excludes_an_input_of_the_region() {
    let mut finite = 0;
    for seed in 0..400u64 {
        let dice = &mut Dice::new(seed);
        let f = &all()[dice.below(5)];
        let network = random_network(dice, f);
        let n = network.input_len();
        let region = if dice.below(3) == 0 { grid(dice, n) } else { random_region(dice, n) };
        let mut atom = || {
            let mut terms: Vec<(Variable, f64)> =
                (0..network.output_len()).map(|i| (Variable::Output(i), dice.weight())).collect();
            terms.push((Variable::Input(dice.below(n)), dice.weight()));
            let terms = terms.into_iter().filter(|t| t.1 != 0.0).map(|(v, w)| (v, exact_or_zero(w))).collect();
            Atom { terms, constant: exact_or_zero(dice.weight()), is_strict: false }
        };
        let atoms = [atom(), atom(), atom()];
        let budget = Budget::unlimited();
        let hull = dice.below(2) == 0;
        let counts = dice.below(2) == 0;
        let domain = LpDomain { hull, counts, ..LpDomain::kpoly(1 + dice.below(2), backends()[0]) };
        let trace = propagate(&domain, &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        let forms = LinearForms::of_atoms(&network, &atoms);
        let Some(model) = IntegerModel::new(&domain, &forms, &trace) else { continue };
        let solver = backends()[seed as usize % backends().len()];
        let own: Vec<f64> = (0..3).map(|a| bound(&model.largest(a..a + 1).unwrap(), solver)).collect();
        let minima = domain.minima(&forms, &trace).unwrap();
        let largest = bound(&model.largest(0..3).unwrap(), solver);
        let smallest = bound(&model.smallest(&[0, 1, 2]).unwrap(), solver);
        finite += usize::from(own.iter().chain([&largest, &smallest]).all(|b| b.is_finite()));
        for _ in 0..20 {
            let x = random_member(dice, &region);
            let y = precise::values(&network, &x).unwrap().swap_remove(network.output());
            let margins: Vec<Rational> = atoms.iter().map(|a| a.margin(&x, &y)).collect();
            // The constant of the program is added in floats here.
            let holds = |margin: &Rational, bound: f64| {
                let slack = 1e-12 * (1.0 + bound.abs());
                assert!(Exact::from(margin.clone()).is_at_least(bound - slack), "{seed}: {bound} {margin}");
            };
            margins.iter().zip(own.iter().zip(&model.root)).for_each(|(m, (&bound, &root))| {
                holds(m, bound);
                holds(m, root);
            });
            margins.iter().zip(&minima).for_each(|(m, &bound)| holds(m, bound));
            holds(margins.iter().max().unwrap(), largest);
            holds(margins.iter().min().unwrap(), smallest);
        }
    }
    assert!(finite > 300, "{finite}");
}

/// Layers of ±1 weights with signs between them, on inputs of ±1.
fn signum_network(dice: &mut Dice, widths: &[usize]) -> Network {
    let mut b = NetworkBuilder::new(&widths[..1]);
    let mut last = b.input();
    for (layer, size) in widths.windows(2).enumerate() {
        let weights = Array2::from_shape_simple_fn((size[1], size[0]), || [-1.0, 1.0][dice.below(2)]);
        last = b.linear("dense", last, LinearMap::Dense(weights), Coefficients::zeros(size[1])).unwrap();
        if layer + 2 < widths.len() {
            last = b.activation("sign", last, Arc::new(Sign)).unwrap();
        }
    }
    b.finish(last, &widths[widths.len() - 1..]).unwrap()
}

/// On every input of a ball of flips the margin is at least what the program with counts says, which is never less
/// than without, and often more.
#[test]
fn counts_of_changes_hold_on_all_inputs_and_tighten_the_program() {
    let (n, mut tighter) = (11, 0);
    for seed in 0..150u64 {
        let dice = &mut Dice::new(seed);
        let widths = [n, 12 + dice.below(5), 9, 2];
        let network = signum_network(dice, &widths);
        let at_upper: Vec<bool> = (0..n).map(|_| dice.below(2) == 0).collect();
        let flips = 1 + dice.below(3);
        let (one, minus) = (Rational::ONE, -Rational::ONE);
        let region = Region::hamming(&minus, &one, at_upper.clone(), flips).unwrap();
        let terms = [(Variable::Output(0), one.clone()), (Variable::Output(1), minus.clone())].into();
        let forms = LinearForms::of_atoms(&network, &[Atom { terms, constant: Rational::ZERO, is_strict: false }]);
        let budget = Budget::unlimited();
        let [without, with] = [false, true].map(|counts| {
            let domain = LpDomain { counts, ..LpDomain::kpoly(1, backends()[0]) };
            let trace = propagate(&domain, &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
            domain.minima(&forms, &trace).unwrap()[0]
        });
        assert!(with > without - 1e-6, "{seed}: {with} {without}");
        tighter += usize::from(with > without + 1e-3);
        for bits in 0..1u32 << n {
            let is_upper = |i: usize| bits >> i & 1 == 1;
            if (0..n).filter(|&i| is_upper(i) != at_upper[i]).count() > flips {
                continue;
            }
            let x: Vec<f64> = (0..n).map(|i| if is_upper(i) { 1.0 } else { -1.0 }).collect();
            let y = network.evaluate(&x).unwrap();
            assert!(y[0] - y[1] >= with - 1e-9, "{seed}: {x:?} {with}");
        }
    }
    println!("{tighter} of 150 are tighter");
    assert!(tighter > 10, "{tighter}");
}
