//! Float32 executions as a domain sees them: affine nodes whose bias is an interval.
//!
//! Before an affine node is passed, everything that it reads is bounded, and these bounds hold for the values of every
//! float32 execution. Hence `|W| |x| + |b|` is bounded, and with it what the node's own execution can lose
//! ([`Rounding`](crate::network::Rounding)): its bias is widened by that. Whatever a domain then says of the real
//! network `z ∈ W x + [b − e, b + e]` it says of every float32 execution.
//!
//! Two things are exact. A sum whose terms and partial sums are multiples of one power of two, and less than 2²⁴
//! times it, is not rounded: sums of ±1. And where such a sum decides a sign, an error smaller than the distance of
//! its values from the threshold changes nothing.

use super::{DomainError, NodeBounds, lattice};
use crate::network::{Activation, Affine, Coefficients, Network, NodeId, NodeKind, Parameter, Product, Rounding};
use crate::num::round::{add_up, mul_up};
use crate::num::{Interval, Lattice, Rational, Scalar, exact};
use crate::query::{Ball, Region};

/// Integers up to here are `f32`.
const LARGEST_COUNT: f64 = (1u64 << 24) as f64;

/// What is known of a region's inputs in float32.
pub(super) struct Inputs {
    /// That every input of the region is an `f32`, or is rounded to another input of the region.
    are_kept: bool,
}

impl Inputs {
    pub fn of(region: &Region) -> Self {
        let is_float32 = |q: &Rational| {
            let near = crate::num::nearest(q);
            f64::from(near as f32) == near && exact(near).as_ref() == Some(q)
        };
        let (lower, upper) = region.exact_box();
        let are_float32 = lower.iter().chain(upper).all(is_float32);
        // Rounding is monotone: it does not lead out of a box whose ends are floats.
        let is_box = matches!(region.ball(), Ball::Box | Ball::Hamming { .. }) && region.half_spaces().is_empty();
        let on_grid = |(lattice, x): (Lattice, &Interval)| x.magnitude() <= mul_up(LARGEST_COUNT, lattice.grain());
        let is_grid = || region.lattices().into_iter().zip(region.bounds()).all(on_grid);
        Self { are_kept: are_float32 && (is_box || is_grid()) }
    }
}

/// The bias of an affine node that stands for its float32 executions.
pub(super) struct Widened {
    /// An interval, or the bias itself where that makes no difference.
    pub bias: Coefficients,
    /// True when no execution differs from the real one in any way that matters.
    pub is_real: bool,
}

/// The bias of the affine node `id` of a network in float32; `None` when it stays as it is.
pub(super) fn widened<'a>(
    network: &Network,
    id: NodeId,
    inputs: &Inputs,
    bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
) -> Result<Option<Widened>, DomainError> {
    let refuse = || DomainError::Float32 { node: id, name: network.node(id).name.clone() };
    let affine = match &network.node(id).kind {
        NodeKind::Affine(affine) => affine,
        // Nothing stands between the input and the activation that its rounding could be charged to.
        _ if network.node(id).sources().any(|source| source == 0) && !inputs.are_kept => return Err(refuse()),
        // What others round is charged to what reads them.
        NodeKind::Activation(Activation { rounding, .. }) | NodeKind::Product(Product { rounding, .. }) => {
            return if rounding.is_exact() { Ok(None) } else { Err(refuse()) };
        }
        NodeKind::Input => return Ok(None),
    };
    let rounding = &*affine.rounding.assuming(network.ulps());
    let largest = affine.terms.iter().flat_map(|t| bounds(t.source).iter()).fold(0.0, |m: f64, x| m.max(x.magnitude()));
    let is_in_range = rounding.largest(largest) < f64::from(f32::MAX) / 2.0;
    if !is_in_range {
        return Err(refuse());
    }
    let more = usize::from(!inputs.are_kept && affine.terms.iter().any(|t| t.source == 0));
    let errors = errors(affine, rounding, more, bounds);
    if errors.iter().all(|e| *e == 0.0) {
        return Ok(None);
    }
    if errors.iter().any(|e| !e.is_finite()) {
        return Err(refuse());
    }
    let sums = if decides_signs(network, id) { lattice::of_sum(affine, bounds) } else { None };
    let (before, needs_signs) = rounding.before_move().map_or((&affine.bias, false), |(b, swapped)| (b, *swapped));
    let mut is_real = true;
    let one = |(i, &error): (usize, &f64)| {
        let shift = before.enclosure(i);
        let around = Interval::new(-error, error);
        if error == 0.0 {
            return affine.bias.parameter(i);
        }
        match sums.as_deref().and_then(|sums| undisturbed(&sums[i], shift + around)) {
            // The threshold itself, or wherever in the gap it was moved to.
            Some(threshold) if rounding.before_move().is_none() => Parameter::float(threshold),
            Some(_) => affine.bias.parameter(i),
            None => {
                is_real = false;
                Parameter::within(shift + around)
            }
        }
    };
    let bias = Coefficients::parameters(errors.iter().enumerate().map(one).collect());
    if needs_signs && !is_real {
        return Err(refuse());
    }
    Ok(Some(Widened { bias, is_real }))
}

/// For each output what its float32 execution can lose.
fn errors<'a>(
    affine: &Affine,
    rounding: &Rounding,
    more: usize,
    bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
) -> Vec<f64> {
    if rounding.is_exact() && more == 0 {
        return vec![0.0; affine.bias.len()];
    }
    let mut magnitudes: Vec<f64> = (0..affine.bias.len()).map(|i| rounding.constants(i)).collect();
    // Sums are exact where every operand is a multiple of this.
    let mut grain: f64 = 1.0;
    for term in &affine.terms {
        let x = bounds(term.source);
        for (sum, v) in magnitudes.iter_mut().zip(term.map.magnitudes(&x.magnitudes())) {
            *sum = add_up(*sum, v);
        }
        if grain > 0.0 {
            grain = (0..x.len()).fold(grain, |g, j| if g > 0.0 { g.min(x.lattice(j).grain()) } else { g });
        }
    }
    let error = |(i, magnitude): (usize, f64)| {
        let unit = grain * rounding.grain(i);
        let is_exact_sum = more == 0 && unit >= f64::from(f32::MIN_POSITIVE) && magnitude <= LARGEST_COUNT * unit;
        rounding.bound(i, magnitude, is_exact_sum, more)
    };
    magnitudes.into_iter().enumerate().map(error).collect()
}

/// True when nothing but signs is made of the node's values.
fn decides_signs(network: &Network, id: NodeId) -> bool {
    id != network.output()
        && network.nodes().iter().all(|node| match &node.kind {
            NodeKind::Activation(a) => a.source != id || a.function.reads_signs(),
            NodeKind::Affine(affine) => affine.terms.iter().all(|t| t.source != id),
            NodeKind::Product(product) => product.factors.iter().all(|factor| factor.source != id),
            NodeKind::Input => true,
        })
}

/// A shift for which every sum on the lattice has the strict sign that it has with all the shifts.
fn undisturbed(sum: &Lattice, shifts: Interval) -> Option<f64> {
    let middle = shifts.middle();
    let values = sum.add(&Lattice::point(middle));
    let (above, below) = (values.at_least(0.0, false), values.at_most(0.0, false));
    let radius = (shifts - Interval::point(middle)).magnitude();
    (values != Lattice::Any && radius < above && -below > radius).then_some(middle)
}
