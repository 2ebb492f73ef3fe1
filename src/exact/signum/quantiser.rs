//! The quantiser that a network begins with: step functions of one input each, of which everything else is a function. The
//! members of an ensemble may have the same one each.
//!
//! A box of real inputs then is a range of steps for every input, exactly: `⌊x/s⌋` takes over `[l, u]` the integers
//! from `⌊l/s⌋` to `⌊u/s⌋`, all inputs independently. The engine decides the network behind the quantiser over these
//! quantised inputs, and every quantised input that it finds is the image of real ones.

use crate::domains::activation::Piece;
use crate::domains::network::{Activation, Network, NodeId, NodeKind, Parameter};
use crate::domains::num::{Rational, exact_or_zero};
use crate::domains::query::{Ball, Case, Region, Variable};
use std::cmp::Ordering;

/// The front of a network.
pub(super) struct Quantiser {
    /// The network behind it.
    rest: Network,
    pieces: Vec<Piece>,
    /// What the value changes by from one piece to the next.
    step: Rational,
    cells: Vec<Reading>,
}

/// `f(slope · x + shift)` of input x, a quantised input.
#[derive(PartialEq)]
struct Reading {
    input: usize,
    slope: Rational,
    shift: Rational,
}

impl Reading {
    /// The affine part at a value of the input.
    fn at(&self, x: &Rational) -> Rational {
        &self.slope * x + &self.shift
    }
}

impl Quantiser {
    /// The quantiser of a network that begins with one.
    pub fn of(network: &Network) -> Option<Self> {
        let (_, activation) = network.activations().next()?;
        let pieces = activation.function.pieces()?;
        if !activation.function.is_step() {
            return None;
        }
        let cells = readings(network, activation.source)?;
        let mut is_read = vec![false; network.input_len()];
        if cells.iter().any(|cell| std::mem::replace(&mut is_read[cell.input], true)) {
            return None;
        }
        let rises: Vec<Rational> =
            pieces.windows(2).map(|pair| exact_or_zero(pair[1].intercept) - exact_or_zero(pair[0].intercept)).collect();
        let step = rises.first()?.clone();
        let is_even = step > Rational::ZERO && rises.iter().all(|rise| *rise == step);
        if !is_even {
            return None;
        }
        let is_same = |other: &Activation| {
            other.function.pieces() == Some(pieces) && readings(network, other.source).as_ref() == Some(&cells)
        };
        let fronts: Vec<NodeId> =
            network.activations().filter(|(_, other)| is_same(other)).map(|(node, _)| node).collect();
        Some(Self { rest: network.behind(&fronts)?, pieces: pieces.to_vec(), step, cells })
    }

    /// The network behind it.
    pub fn rest(&self) -> &Network {
        &self.rest
    }

    /// Whether it takes a case: a box, and a property of the outputs.
    pub fn takes(case: &Case) -> bool {
        let atoms = case.property.disjuncts.iter().flat_map(|d| &d.atoms);
        let reads_input = atoms.flat_map(|a| &a.terms).any(|t| matches!(t.0, Variable::Input(_)));
        matches!(case.region.ball(), Ball::Box) && case.region.half_spaces().is_empty() && !reads_input
    }

    /// The case over quantised inputs, for the network behind.
    pub fn case(&self, case: &Case) -> Option<Case> {
        let (lower, upper) = case.region.exact_box();
        let ends = |cell: &Reading| {
            let (a, b) = (cell.at(&lower[cell.input]), cell.at(&upper[cell.input]));
            Some((self.value(&a.clone().min(b.clone()))?, self.value(&a.max(b))?))
        };
        let (low, high): (Vec<Rational>, Vec<Rational>) = self.cells.iter().map(ends).collect::<Option<_>>()?;
        let region = Region::grid(&low, &self.step, &low, &high).ok()?;
        Some(Case { first: case.first, region, property: case.property.clone() })
    }

    /// An input of the region with these quantised values, for values that it has; where the region's centre has the
    /// value already it stays, and else the point lies in the middle of those that have it.
    pub fn point(&self, region: &Region, values: &[Rational]) -> Vec<Rational> {
        let mut point = region.center();
        let (lower, upper) = region.exact_box();
        for (cell, value) in self.cells.iter().zip(values) {
            let x = &mut point[cell.input];
            if self.value(&cell.at(x)).as_ref() == Some(value) || cell.slope == Rational::ZERO {
                continue;
            }
            let Some(piece) = self.pieces.iter().find(|piece| exact_or_zero(piece.intercept) == *value) else {
                continue;
            };
            let inverse = |end: f64| end.is_finite().then(|| (exact_or_zero(end) - &cell.shift) / &cell.slope);
            let (mut from, mut to) = (inverse(piece.from), inverse(piece.to));
            if cell.slope < Rational::ZERO {
                std::mem::swap(&mut from, &mut to);
            }
            let low = from.map_or(lower[cell.input].clone(), |from| from.max(lower[cell.input].clone()));
            let high = to.map_or(upper[cell.input].clone(), |to| to.min(upper[cell.input].clone()));
            *x = (low + high) / Rational::from(2);
        }
        point
    }

    /// The step function at an exact number.
    fn value(&self, z: &Rational) -> Option<Rational> {
        let compare = |end: f64| match end {
            f64::INFINITY => Ordering::Less,
            f64::NEG_INFINITY => Ordering::Greater,
            _ => z.cmp(&exact_or_zero(end)),
        };
        // The first piece that does not end before the number.
        let ends_before = |piece: &Piece| match compare(piece.to) {
            Ordering::Greater => true,
            Ordering::Equal => !piece.to_closed,
            Ordering::Less => false,
        };
        let at = self.pieces.partition_point(ends_before);
        self.pieces.get(at).map(|piece| exact_or_zero(piece.intercept))
    }
}

/// What the entries of a node are of one input each.
fn readings(network: &Network, node: NodeId) -> Option<Vec<Reading>> {
    let of_input = |input| Reading { input, slope: Rational::ONE, shift: Rational::ZERO };
    let affine = match &network.node(node).kind {
        NodeKind::Input => return Some((0..network.input_len()).map(of_input).collect()),
        NodeKind::Affine(affine) => affine,
        NodeKind::Activation(_) | NodeKind::Product(_) => return None,
    };
    let [term] = &affine.terms[..] else { return None };
    let before = readings(network, term.source)?;
    let mut weights: Vec<Option<(usize, Rational)>> = vec![None; affine.bias.len()];
    let mut is_plain = true;
    term.map.for_each_parameter(|output, input, w| match w {
        Parameter::Exact(w) if weights[output].is_none() => weights[output] = Some((input, w)),
        _ => is_plain = false,
    });
    let reading = |(i, weight): (usize, Option<(usize, Rational)>)| {
        let ((input, w), Parameter::Exact(bias)) = (weight?, affine.bias.parameter(i)) else { return None };
        let inner = &before[input];
        Some(Reading { input: inner.input, slope: &inner.slope * &w, shift: &inner.shift * &w + bias })
    };
    is_plain.then(|| weights.into_iter().enumerate().map(reading).collect())?
}
