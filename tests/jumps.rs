//! The continuous exact engine on networks that mix signs with ReLU, LeakyReLU and Clip, against enumeration.
//!
//! The box is cut into open simplices of all dimensions on which every neuron keeps to the inside of one piece. On each of
//! them the network is affine, so that a margin's infimum is the least of its limits at the vertices, and it is attained
//! where all of these are alike.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::deadline;
use absint::attack::Target;
use absint::domains::activation::{Activate, Piece, all};
use absint::domains::domain::{Bounds, Run};
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, NodeKind};
use absint::domains::num::{Rational, exact, exact_or_zero};
use absint::domains::query::{Atom, Case, Disjunct, Property, Region};
use absint::exact::continuous::{Question, Splitting, decide};
use common::{Dice, random_atom};
use itertools::Itertools;
use ndarray::Array2;
use std::time::Duration;

/// Vertices of an open simplex: the input, and the limits of all nodes' values there.
type Vertex = (Vec<Rational>, Vec<Vec<Rational>>);

/// Networks on more open simplices than this are drawn again.
const LIMIT: usize = 3000;

/// Cuts open simplices where `f` changes its sign: into both sides, and what lies between them.
fn cut(open: Vec<Vec<Vertex>>, f: &dyn Fn(&Vertex) -> Rational) -> Option<Vec<Vec<Vertex>>> {
    let (mut left, mut done) = (open, Vec::new());
    while let Some(simplex) = left.pop() {
        let values: Vec<Rational> = simplex.iter().map(f).collect();
        let below = values.iter().position(|v| v < &Rational::ZERO);
        let above = values.iter().position(|v| v > &Rational::ZERO);
        let (Some(below), Some(above)) = (below, above) else {
            done.push(simplex);
            continue;
        };
        let share = &values[below] / (&values[below] - &values[above]);
        let between = |a: &[Rational], b: &[Rational]| -> Vec<Rational> {
            a.iter().zip(b).map(|(a, b)| a + (b - a) * &share).collect()
        };
        let (a, b) = (&simplex[below], &simplex[above]);
        let middle = (between(&a.0, &b.0), a.1.iter().zip(&b.1).map(|(a, b)| between(a, b)).collect());
        for gone in [&[below][..], &[above], &[below, above]] {
            let kept = simplex.iter().enumerate().filter(|(i, _)| !gone.contains(i)).map(|(_, v)| v.clone());
            left.push(kept.chain([middle.clone()]).collect());
        }
        if left.len() + done.len() > LIMIT {
            return None;
        }
    }
    Some(done)
}

/// A box as open simplices of all dimensions, some of them more than once.
fn triangulated(lower: &[Rational], upper: &[Rational]) -> Vec<Vec<Vertex>> {
    let n = lower.len();
    let corner = |order: &[usize], k: usize| -> Vertex {
        let is_up = |i: usize| order.iter().take(k).any(|&j| j == i);
        ((0..n).map(|i| if is_up(i) { upper[i].clone() } else { lower[i].clone() }).collect(), Vec::new())
    };
    let paths = (0..n).permutations(n).map(|order| (0..=n).map(|k| corner(&order, k)).collect::<Vec<_>>());
    let faces = paths.flat_map(|path| path.into_iter().powerset().filter(|face| !face.is_empty()));
    faces.unique_by(|face| face.iter().map(|(x, _)| format!("{x:?}")).join(" ")).collect()
}

/// The open simplices on which every neuron keeps to one piece.
fn cells(network: &Network, lower: &[Rational], upper: &[Rational]) -> Option<Vec<Vec<Vertex>>> {
    let mut open = triangulated(lower, upper);
    for node in network.nodes() {
        match &node.kind {
            NodeKind::Input => open.iter_mut().flatten().for_each(|(x, values)| values.push(x.clone())),
            NodeKind::Product(_) => return None,
            NodeKind::Affine(affine) => {
                for (_, values) in open.iter_mut().flatten() {
                    let mut sums: Vec<Rational> = (0..node.len).map(|i| affine.bias.get(i).unwrap()).collect();
                    for term in &affine.terms {
                        term.map.apply_to(&values[term.source], &mut sums).unwrap();
                    }
                    values.push(sums);
                }
            }
            NodeKind::Activation(activation) => {
                let pieces = activation.function.pieces()?;
                for (i, corner) in (0..node.len).cartesian_product(pieces.iter().filter_map(|p| exact(p.from))) {
                    open = cut(open, &|(_, values)| &values[activation.source][i] - &corner)?;
                }
                for simplex in &mut open {
                    let count = Rational::from(simplex.len() as i32);
                    let inside = |i: usize| -> Rational {
                        let sum = simplex.iter().fold(Rational::ZERO, |sum, v| sum + &v.1[activation.source][i]);
                        sum / &count
                    };
                    let chosen: Vec<Piece> = (0..node.len).map(|i| *piece_at(pieces, &inside(i))).collect();
                    for (_, values) in simplex {
                        let line =
                            |(z, p): (&Rational, &Piece)| exact_or_zero(p.slope) * z + exact_or_zero(p.intercept);
                        values.push(values[activation.source].iter().zip(&chosen).map(line).collect());
                    }
                }
            }
        }
    }
    Some(open)
}

/// The piece that has the point, by the function's own value there.
fn piece_at<'p>(pieces: &'p [Piece], z: &Rational) -> &'p Piece {
    let after = |p: &Piece| exact(p.from).is_none_or(|from| if p.from_closed { &from <= z } else { &from < z });
    let before = |p: &Piece| exact(p.to).is_none_or(|to| if p.to_closed { z <= &to } else { z < &to });
    let piece = pieces.iter().find(|p| after(p) && before(p)).unwrap();
    assert_eq!(z.activate(pieces), exact_or_zero(piece.slope) * z + exact_or_zero(piece.intercept));
    piece
}

/// The infimum of the largest margin, and whether it is attained.
fn infimum(network: &Network, cells: Vec<Vec<Vertex>>, disjunct: &Disjunct) -> Option<(Rational, bool)> {
    let output = network.output();
    let margin = |a: &Atom, (x, values): &Vertex| a.margin(x, &values[output]);
    let mut open = cells;
    for (a, b) in disjunct.atoms.iter().tuple_combinations() {
        open = cut(open, &|v| margin(a, v) - margin(b, v))?;
    }
    let largest = |v: &Vertex| disjunct.atoms.iter().map(|a| margin(a, v)).max().unwrap();
    let of_simplex = |simplex: &Vec<Vertex>| simplex.iter().map(&largest).minmax().into_option().unwrap();
    let ranges: Vec<(Rational, Rational)> = open.iter().map(of_simplex).collect();
    let least = ranges.iter().map(|(least, _)| least.clone()).min()?;
    let is_attained = ranges.iter().any(|(low, high)| low == &least && high == &least);
    Some((least, is_attained))
}

/// Layers of different activations; small integers as weights in half of the cases, so that neurons meet zero at
/// corners.
fn mixed(dice: &mut Dice) -> Network {
    let inputs = 1 + dice.below(2);
    let mut b = NetworkBuilder::new(&[inputs]);
    let is_coarse = dice.below(2) == 0;
    let mut last = b.input();
    let first = dice.below(5);
    for layer in 0..2 + dice.below(2) {
        let width = 1 + dice.below(3);
        let mut weight = || if is_coarse { dice.below(5) as f64 - 2.0 } else { dice.weight() };
        let columns = b.len(last);
        let map = Array2::from_shape_simple_fn((width, columns), &mut weight);
        let bias = Coefficients::floats((0..width).map(|_| weight()).collect());
        let z = b.linear("dense", last, LinearMap::Dense(map), bias).unwrap();
        // A jump in one of two neighbouring layers, and now and then two activations of the same neurons.
        let which = if layer == 0 { first } else { (first + 2 + dice.below(3)) % 5 };
        last = b.activation("act", z, all()[which].clone()).unwrap();
        if dice.below(4) == 0 {
            let other = b.activation("act", z, all()[(which + 2) % 5].clone()).unwrap();
            let identity = |source| absint::domains::network::Term { source, map: LinearMap::Identity(width).into() };
            last = b.affine("add", vec![identity(last), identity(other)], Coefficients::zeros(width)).unwrap();
        }
    }
    let outputs = 1 + dice.below(2);
    let out = common::dense(&mut b, dice, last, outputs);
    b.finish(out, &[outputs]).unwrap()
}

/// What was decided of the cases with a minimum below, at and above zero.
#[derive(Debug, Default)]
struct Counts {
    falsified: usize,
    verified: usize,
    attained_ties: usize,
    other_ties: usize,
}

fn run(splitting: Splitting, seeds: u64) -> Counts {
    let mut counts = Counts::default();
    for seed in 0..seeds {
        let mut dice = Dice::new(seed);
        let network = mixed(&mut dice);
        let inputs = network.input_len();
        let center: Vec<i32> = (0..inputs).map(|_| dice.below(3) as i32 - 1).collect();
        let end = |shift: i32| center.iter().map(|&c| Rational::from(c + shift)).collect::<Vec<_>>();
        let (lower, upper) = (end(-1), end(1));
        let region = Region::new_box(lower.clone(), upper.clone()).unwrap();
        let atoms = (0..1 + dice.below(2)).map(|_| random_atom(&mut dice, inputs, network.output_len())).collect();
        let mut disjunct = Disjunct { atoms };
        let Some(cells) = cells(&network, &lower, &upper) else { continue };
        let Some((mut least, is_attained)) = infimum(&network, cells, &disjunct) else { continue };
        // Shifted to a tie, to barely safe, to barely unsafe, or as it is.
        let shift = [Some("0"), Some("1/1000"), Some("-1/1000"), None][dice.below(4)];
        if let Some(wanted) = shift.map(|text| absint::domains::num::parse_decimal(text).unwrap()) {
            disjunct.atoms.iter_mut().for_each(|a| a.constant += &wanted - &least);
            least = wanted;
        }
        let case = Case::new(region, Property { disjuncts: vec![disjunct] });
        let (known, budget) = (Bounds::unknown(), deadline(Some(Duration::from_secs(120))));
        let target = Target { network: &network, case: &case, open: &[0] };
        let attack = dice.below(2) == 0;
        let question =
            Question { target, known: &known, part: None, attack, splitting, most: usize::MAX, certify: false };
        let found = decide(&question, Run::silent(&budget)).unwrap();
        let what = format!("{splitting:?} {seed}: infimum {least}, attained {is_attained}: {found:?}");
        let bound = found.bounds[&0];
        let holds = bound == f64::NEG_INFINITY || exact(bound).is_some_and(|bound| bound <= least);
        assert!(holds || found.witness.is_some(), "{what}");
        match least.cmp(&Rational::ZERO) {
            std::cmp::Ordering::Less => {
                assert!(found.witness.is_some(), "{what}");
                counts.falsified += 1;
            }
            std::cmp::Ordering::Greater => {
                assert!(found.witness.is_none() && bound > 0.0, "{what}");
                counts.verified += 1;
            }
            std::cmp::Ordering::Equal if is_attained => {
                assert!(found.witness.is_some(), "{what}");
                counts.attained_ties += 1;
            }
            std::cmp::Ordering::Equal => {
                assert!(found.witness.is_none(), "{what}");
                counts.other_ties += 1;
            }
        }
    }
    counts
}

#[test]
fn inputs_are_split_until_all_is_decided() {
    let counts = run(Splitting::Inputs, 600);
    println!("{counts:?}");
    let Counts { falsified, verified, attained_ties, other_ties } = counts;
    assert!(falsified > 100 && verified > 100 && attained_ties > 50 && other_ties > 0, "{counts:?}");
}

#[test]
fn neurons_are_split_until_all_is_decided() {
    let counts = run(Splitting::Phases, 600);
    println!("{counts:?}");
    let Counts { falsified, verified, attained_ties, other_ties } = counts;
    assert!(falsified > 100 && verified > 100 && attained_ties > 50 && other_ties > 0, "{counts:?}");
}

/// The engine takes two pieces that meet for one graph where both have the point, and for a jump where one lacks it.
#[test]
fn pieces_that_agree_where_they_meet_both_have_the_point() {
    for f in all() {
        for pair in f.pieces().unwrap_or_default().windows(2) {
            let at = exact(pair[1].from).unwrap();
            let value = |p: &Piece| exact_or_zero(p.slope) * &at + exact_or_zero(p.intercept);
            let both = pair[0].to_closed && pair[1].from_closed;
            assert_eq!(both, value(&pair[0]) == value(&pair[1]), "{} at {at}", f.name());
            assert!(pair[0].to == pair[1].from && (pair[0].to_closed || pair[1].from_closed), "{}", f.name());
        }
    }
}
