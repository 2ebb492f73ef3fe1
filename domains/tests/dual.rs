//! The dual engine: bounds from any slopes and multipliers hold, exactly, at every member of the part they are about;
//! refined neuron bounds hold at every member of the region; what a forest closes has no counterexample.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/precise.rs"]
mod precise;

use absint_domains::activation::{ActivationFn, Clip, LeakyRelu, Relu, Sigmoid, Silu};
use absint_domains::budget::Budget;
use absint_domains::domain::{AbstractDomain, Bounds, Concretise, DeepPoly, LpDomain, Run, propagate};
use absint_domains::dual::{Compiled, Effort, Forest, Limits, Member, Objective, Refinement, Relaxed, Side};
use absint_domains::lp::backends;
use absint_domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, NodeKind, Term};
use absint_domains::num::{Interval, Rational, exact};
use absint_domains::query::{LinearForms, Region};
use common::maxima::random_maxima_network;
use common::{
    Dice, dense, mostly_piecewise, random_member, random_network, random_product_network, random_region, random_twins,
};
use ndarray::Array2;
use proptest::prelude::*;
use std::sync::Arc;

const OUTPUTS: usize = 3;

/// A random network; now and then one with products or maxima, two in one, or where two activations read the same node.
fn network_of(dice: &mut Dice, f: &Arc<dyn ActivationFn>) -> Network {
    match dice.below(6) {
        5 => return random_twins(dice, f),
        0 => return random_product_network(dice, f),
        4 => return random_maxima_network(dice, f),
        1 | 2 => return random_network(dice, f),
        _ => {}
    }
    let mut b = NetworkBuilder::new(&[2]);
    let width = 1 + dice.below(3);
    let mut last = b.input();
    for _ in 0..1 + dice.below(2) {
        let z = dense(&mut b, dice, last, width);
        let others: [Arc<dyn ActivationFn>; 3] =
            [Arc::new(Relu), Arc::new(Clip::new(-1.0, 1.0)), Arc::new(LeakyRelu::new(0.125))];
        let both = [f.clone(), others[dice.below(3)].clone()].map(|f| b.activation("act", z, f).unwrap());
        let mut term = |source| {
            let w = Array2::from_shape_vec((width, width), dice.weights(width * width)).unwrap();
            Term { source, map: LinearMap::Dense(w).into() }
        };
        let terms = both.map(&mut term).into();
        last = b.affine("sum", terms, Coefficients::zeros(width)).unwrap();
    }
    b.finish(last, &[width]).unwrap()
}

/// Forms over the outputs, and over the inputs besides.
fn forms(network: &Network, dice: &mut Dice) -> LinearForms {
    let (inputs, outputs) = (network.input_len(), network.output_len());
    let of = |node, len: usize, dice: &mut Dice| {
        LinearForms::of_node(node, Array2::from_shape_vec((OUTPUTS, len), dice.weights(OUTPUTS * len)).unwrap()).terms
    };
    let mut terms = of(network.output(), outputs, dice);
    terms.extend(of(0, inputs, dice));
    LinearForms { terms, constants: dice.weights(OUTPUTS) }
}

/// The value of a form at the exact values of all nodes.
fn value(forms: &LinearForms, row: usize, values: &[Vec<Rational>]) -> Rational {
    let mut sum = exact(forms.constants[row]).unwrap();
    for term in &forms.terms {
        for (&c, x) in term.coefficients.row(row).iter().zip(&values[term.node]) {
            sum += exact(c).unwrap() * x;
        }
    }
    sum
}

fn members_of(region: &Region, network: &Network, dice: &mut Dice, count: usize) -> Vec<Vec<Vec<Rational>>> {
    (0..count).filter_map(|_| precise::values(network, &random_member(dice, region))).collect()
}

/// The network with a further node: a random sum of its outputs and inputs that is zero at a random member of the region,
/// or next to it.
fn with_assumption(network: &Network, region: &Region, dice: &mut Dice) -> Option<Network> {
    let entries = |len: usize, dice: &mut Dice| dice.weights(len).into_iter().enumerate().collect::<Vec<_>>();
    let mut terms = vec![(network.output(), entries(network.output_len(), dice))];
    if dice.below(2) == 0 {
        terms.push((0, entries(network.input_len(), dice)));
    }
    let values = members_of(region, network, dice, 1).pop()?;
    let sum = |sum: Rational, (node, entries): &(usize, Vec<(usize, f64)>)| {
        entries.iter().fold(sum, |sum, &(i, c)| sum + exact(c).unwrap() * &values[*node][i])
    };
    let at = terms.iter().fold(Rational::ZERO, sum).to_f64().value();
    Some(network.with_sum(&terms, -at + if dice.below(2) == 0 { 0.0 } else { 3.0 * dice.unit() - 0.5 }))
}

/// Whether a point lies on a part.
fn is_on(relaxed: &Relaxed, part: &Member, values: &[Vec<Rational>]) -> bool {
    part.sides.iter().all(|side| {
        let Some(&(id, neuron)) = relaxed.free().get(side.index as usize) else {
            let assumed = &values[values.len() - 1][0];
            return if side.above { assumed >= &Rational::ZERO } else { assumed <= &Rational::ZERO };
        };
        let NodeKind::Activation(activation) = &relaxed.network().node(id).kind else { return false };
        let z = &values[activation.source][neuron];
        if side.above { z >= &Rational::ZERO } else { z <= &Rational::ZERO }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn any_slopes_and_multipliers_give_a_bound(seed in any::<u64>(), f in mostly_piecewise()) {
        let mut dice = Dice::new(seed);
        let network = network_of(&mut dice, &f);
        let region = random_region(&mut dice, network.input_len());
        let assumed = (dice.below(3) == 0).then(|| with_assumption(&network, &region, &mut dice)).flatten();
        let network = assumed.as_ref().unwrap_or(&network);
        let budget = Budget::unlimited();
        let trace = propagate(&DeepPoly::default(), network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        let bounds = trace.bounds();
        let compiled = Compiled::around(network, &region);
        let relaxed = Relaxed::new(&compiled, &region, &bounds);
        let forms = forms(network, &mut dice);
        let objectives: Vec<Objective> = (0..OUTPUTS).map(|r| Objective::of_form(&forms, r, &bounds)).collect();
        let mut parts = Vec::new();
        for objective in 0..OUTPUTS {
            let root = Member::root(&relaxed, objective, network.output());
            let shares = root.shares.iter().map(|_| dice.next() as u16).collect();
            let mut part = Member { shares, ..root };
            for index in 0..relaxed.free().len().min(part.shares.len()) {
                let (id, _) = relaxed.free()[index];
                if relaxed.has_corner(id) && dice.below(3) == 0 {
                    let side = Side { index: index as u32, above: dice.below(2) == 0 };
                    part = part.on(side, dice.unit() as f32 * 0.3);
                }
            }
            if assumed.is_some() {
                let index = relaxed.free().len() as u32;
                part = part.on(Side { index, above: dice.below(2) == 0 }, dice.unit() as f32);
            }
            parts.push(part);
        }
        let found = relaxed.lower_bounds(&objectives, &parts.iter().collect::<Vec<_>>());
        for values in members_of(&region, network, &mut dice, 20) {
            for (part, &bound) in parts.iter().zip(&found) {
                if is_on(&relaxed, part, &values) && bound.is_finite() {
                    prop_assert!(exact(bound).unwrap() <= value(&forms, part.objective, &values));
                }
            }
        }
    }

    #[test]
    fn refined_bounds_hold_and_what_is_closed_has_no_counterexample(
        seed in any::<u64>(), f in mostly_piecewise(), parts in 0..40usize
    ) {
        let mut dice = Dice::new(seed);
        let network = network_of(&mut dice, &f);
        let region = random_region(&mut dice, network.input_len());
        let budget = Budget::unlimited();
        let trace = propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        let before = trace.bounds();
        let mut bounds = before.clone();
        let compiled = Compiled::around(&network, &region);
        Refinement { parts, share: 1.0, assumes: false }.run(&compiled, &region, &mut bounds, &budget);
        let relaxed = Relaxed::new(&compiled, &region, &bounds);
        let forms = forms(&network, &mut dice);
        let objectives: Vec<Objective> = (0..OUTPUTS).map(|r| Objective::of_form(&forms, r, &bounds)).collect();
        let effort = Effort { rounds: 10, alpha: 0.2, beta: 0.1 };
        let limits = Limits { tolerance: 1e-4, ..Limits::new(0.0, parts, effort, effort) };
        let mut forest = Forest::new(&relaxed, objectives, limits);
        forest.plant(&budget);
        while forest.grow(&budget).is_some() {}
        let found = forest.bounds();
        for values in members_of(&region, &network, &mut dice, 20) {
            for (id, values) in values.iter().enumerate() {
                for (i, x) in values.iter().enumerate() {
                    let (was, now) = (before.nodes()[id].get(i), bounds.nodes()[id].get(i));
                    prop_assert!(was.lo <= now.lo && now.hi <= was.hi);
                    let (lo, hi) = (exact(now.lo), exact(now.hi));
                    // Beside curves the values have some ninety digits.
                    let noise = if network.has_curves() { exact(1e-60).unwrap() } else { Rational::ZERO };
                    let is_inside = lo.is_none_or(|lo| lo <= x + &noise) && hi.is_none_or(|hi| x - &noise <= hi);
                    prop_assert!(is_inside, "{x} of node {id} is outside {now:?}, within {was:?}");
                }
            }
            for (row, &bound) in found.iter().enumerate() {
                let value = value(&forms, row, &values);
                prop_assert!(exact(bound).is_none_or(|bound| bound <= value));
                prop_assert!(!forest.is_closed(row) || value > Rational::ZERO);
            }
        }
    }
}

/// Neurons bounded where the last node is not positive: their bounds hold at every such member, and where they exclude
/// each other there is none. Rounds that follow each other know what the ones before found, and where the assumption
/// leaves out members they are tighter than without it.
#[test]
fn bounds_under_an_assumption_hold_where_it_does() {
    let all: [Arc<dyn ActivationFn>; 4] =
        [Arc::new(Relu), Arc::new(LeakyRelu::new(0.125)), Arc::new(Clip::new(-1.0, 1.0)), Arc::new(Sigmoid)];
    let (mut inside, mut outside, mut refuted, mut gained) = (0, 0, 0, 0);
    for seed in 0..600 {
        let mut dice = Dice::new(seed);
        let f = all[dice.below(8).saturating_sub(4)].clone();
        let network = network_of(&mut dice, &f);
        let region = random_region(&mut dice, network.input_len());
        let Some(network) = with_assumption(&network, &region, &mut dice) else { continue };
        let budget = Budget::unlimited();
        let trace =
            propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        let compiled = Compiled::around(&network, &region);
        let refined = |assumes: bool, rounds: usize| {
            let mut bounds = trace.bounds();
            for _ in 0..rounds {
                Refinement { parts: 1 + seed as usize % 20, share: 1.0, assumes }.run(
                    &compiled,
                    &region,
                    &mut bounds,
                    &budget,
                );
            }
            bounds
        };
        let (free, bounds) = (refined(false, 2), refined(true, 2));
        let is_empty = bounds.clone().checked(&network).is_err();
        refuted += usize::from(is_empty);
        let width = |bounds: &Bounds| bounds.nodes().iter().flat_map(|z| z.iter()).map(|z| z.hi - z.lo).sum::<f64>();
        gained += usize::from(!is_empty && width(&bounds) < 0.9 * width(&free));
        for values in members_of(&region, &network, &mut dice, 60) {
            if values[values.len() - 1][0] > Rational::ZERO {
                outside += 1;
                continue;
            }
            inside += 1;
            assert!(!is_empty, "{seed}");
            let noise = if network.has_curves() { exact(1e-60).unwrap() } else { Rational::ZERO };
            for (z, values) in bounds.nodes().iter().zip(&values) {
                for (z, x) in z.iter().zip(values) {
                    let (lo, hi) = (exact(z.lo), exact(z.hi));
                    assert!(
                        lo.is_none_or(|lo| lo <= x + &noise) && hi.is_none_or(|hi| x - &noise <= hi),
                        "{seed}: {x} {z:?}"
                    );
                }
            }
        }
    }
    assert!(inside > 1000 && outside > 1000 && refuted > 20 && gained > 10, "{inside} {outside} {refuted} {gained}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The linear program over triangles and polygons is the most that slopes and tangents can reach: its dual is what
    /// they are.
    #[test]
    fn slopes_never_pass_the_linear_program(seed in any::<u64>(), which in 0..4usize, multiplies in any::<bool>()) {
        let mut dice = Dice::new(seed);
        let all: [Arc<dyn ActivationFn>; 4] =
            [Arc::new(LeakyRelu::new(0.125)), Arc::new(Relu), Arc::new(Sigmoid), Arc::new(Silu)];
        let f = &all[which];
        let network = if multiplies { random_product_network(&mut dice, f) } else { random_network(&mut dice, f) };
        // Programs know a ball by its bounding box only.
        let box_of = |z: &Interval| (exact(z.lo).unwrap(), exact(z.hi).unwrap());
        let (lower, upper) = random_region(&mut dice, network.input_len()).bounds().iter().map(box_of).unzip();
        let region = Region::new_box(lower, upper).unwrap();
        let budget = Budget::unlimited();
        let domain = LpDomain::kpoly(1, backends()[0]);
        let trace = propagate(&domain, &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        let forms = LinearForms { terms: forms(&network, &mut dice).terms, constants: vec![0.0; OUTPUTS] };
        let programs = domain.minima(&forms, &trace).unwrap();
        let bounds = trace.bounds();
        let compiled = Compiled::new(&network);
        let relaxed = Relaxed::new(&compiled, &region, &bounds);
        let objectives = (0..OUTPUTS).map(|r| Objective::of_form(&forms, r, &bounds)).collect();
        let effort = Effort { rounds: 200, alpha: 0.2, beta: 0.1 };
        let limits = Limits::new(f64::MAX, 0, effort, effort);
        let mut forest = Forest::new(&relaxed, objectives, limits);
        forest.plant(&budget);
        for (found, program) in forest.bounds().into_iter().zip(programs) {
            prop_assert!(found <= program + 1e-6 * (1.0 + program.abs()), "{found} {program}");
        }
    }
}

/// Two networks in one: the roots begin with what back-substitution knows of differences, and steps on slopes and shares
/// find more; a search closes what that leaves open.
#[test]
fn roots_of_twins_begin_at_back_substitution_and_rise() {
    let relu: Arc<dyn ActivationFn> = Arc::new(Relu);
    let (mut rises, mut ends, mut shared) = (0, 0, 0);
    for seed in 0..150 {
        let network = random_twins(&mut Dice::new(seed), &relu);
        let (zero, one) = (Rational::ZERO, Rational::ONE);
        let region = Region::new_box(vec![zero; network.input_len()], vec![one; network.input_len()]).unwrap();
        let budget = Budget::unlimited();
        let domain = DeepPoly { concretise: Concretise::Input, ..DeepPoly::default() };
        let trace = propagate(&domain, &network, &region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        let bounds = trace.bounds();
        let n = network.output_len() / 2;
        let mut forms = Array2::zeros((2, 2 * n));
        [(0, 0, 1.0), (0, n, -1.0), (1, 0, -1.0), (1, n, 1.0)].into_iter().for_each(|(r, j, c)| forms[[r, j]] = c);
        let forms = LinearForms::of_node(network.output(), forms);
        let known = domain.minima(&forms, &trace).unwrap();
        let compiled = Compiled::new(&network);
        let relaxed = Relaxed::new(&compiled, &region, &bounds);
        shared += relaxed.free().iter().filter(|(id, _)| network.twins().iter().any(|t| t.difference == *id)).count();
        let objectives: Vec<Objective> = (0..2).map(|r| Objective::of_form(&forms, r, &bounds)).collect();
        let roots: Vec<Member> = (0..2).map(|o| Member::root(&relaxed, o, network.output())).collect();
        let found = relaxed.lower_bounds(&objectives, &roots.iter().collect::<Vec<_>>());
        let effort = Effort { rounds: 20, alpha: 0.2, beta: 0.1 };
        let limits = Limits { tolerance: 1e-4, ..Limits::new(f64::MAX, 200, effort, effort) };
        let mut forest = Forest::new(&relaxed, objectives, limits);
        forest.plant(&budget);
        let risen = forest.bounds();
        while forest.grow(&budget).is_some() {}
        for (o, bound) in forest.bounds().into_iter().enumerate() {
            let tiny = 1e-9 * (1.0 + known[o].abs());
            assert!(found[o] >= known[o] - tiny, "{seed}: {} {}", found[o], known[o]);
            assert!(risen[o] >= found[o] - 1e-6 * (1.0 + found[o].abs()), "{seed}: {} {}", risen[o], found[o]);
            rises += usize::from(risen[o] > found[o] + 1e-6);
            ends += usize::from(f64::from(forest.attained(o)) - bound < 1e-3);
        }
    }
    assert!(rises > 100 && ends > 100 && shared > 500, "{rises} {ends} {shared}");
}

/// Over balls the neurons of a layer are bounded jointly: with the same slopes that gives no less than lines alone, often
/// more, and never more than a member's value.
#[test]
fn joint_bounds_hold_and_are_at_least_those_of_lines() {
    let (mut gains, mut bounded) = (0, 0);
    for seed in 0..400 {
        let mut dice = Dice::new(seed);
        let f: Arc<dyn ActivationFn> =
            if dice.below(3) == 0 { Arc::new(LeakyRelu::new(0.125)) } else { Arc::new(Relu) };
        let mut b = NetworkBuilder::new(&[4]);
        let mut last = b.input();
        for _ in 0..1 + dice.below(2) {
            let z = dense(&mut b, &mut dice, last, 8);
            last = b.activation("act", z, f.clone()).unwrap();
        }
        let out = dense(&mut b, &mut dice, last, OUTPUTS);
        let network = b.finish(out, &[OUTPUTS]).unwrap();
        let center = dice.weights(network.input_len()).into_iter().map(|c| exact(c.clamp(-1.0, 1.0)).unwrap());
        let center: Vec<Rational> = center.collect();
        let (low, high) = (Rational::from(-1), Rational::from(1));
        let domain = (dice.below(2) == 0).then_some((&low, &high));
        let Ok(region) = Region::l2(&center, &exact([0.125, 0.5, 1.5][dice.below(3)]).unwrap(), domain) else {
            continue;
        };
        let budget = Budget::unlimited();
        let Ok(trace) = propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), Run::silent(&budget))
        else {
            continue;
        };
        let bounds = trace.bounds();
        let forms = forms(&network, &mut dice);
        let objectives: Vec<Objective> = (0..OUTPUTS).map(|r| Objective::of_form(&forms, r, &bounds)).collect();
        let (lines, joint) = (Compiled::new(&network), Compiled::around(&network, &region));
        let (lines, joint) = (Relaxed::new(&lines, &region, &bounds), Relaxed::new(&joint, &region, &bounds));
        let members: Vec<Member> = (0..OUTPUTS)
            .map(|o| {
                let root = Member::root(&lines, o, network.output());
                Member { shares: root.shares.iter().map(|_| dice.next() as u16).collect(), ..root }
            })
            .collect();
        let members: Vec<&Member> = members.iter().collect();
        let (by_lines, jointly) =
            (lines.lower_bounds(&objectives, &members), joint.lower_bounds(&objectives, &members));
        let effort = Effort { rounds: 20, alpha: 0.2, beta: 0.1 };
        let limits = Limits::new(f64::MAX, 0, effort, effort);
        let mut forest = Forest::new(&joint, objectives.clone(), limits);
        forest.plant(&budget);
        let optimised = forest.bounds();
        let values = members_of(&region, &network, &mut dice, 60);
        for o in 0..OUTPUTS {
            assert!(
                jointly[o] >= by_lines[o] - 1e-9 * (1.0 + by_lines[o].abs()),
                "{seed}: {} {}",
                jointly[o],
                by_lines[o]
            );
            gains += usize::from(jointly[o] > by_lines[o] + 1e-3);
            bounded += 1;
            for values in &values {
                let truth = value(&forms, o, values);
                assert!(
                    [jointly[o], optimised[o]].iter().all(|&bound| exact(bound).is_none_or(|b| b <= truth)),
                    "{seed}"
                );
            }
        }
    }
    assert!(gains * 10 > bounded, "{gains} of {bounded}");
}
