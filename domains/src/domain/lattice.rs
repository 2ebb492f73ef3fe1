//! On which lattice the values of each neuron lie: the network evaluated in [`Lattice`] arithmetic, beside
//! every domain.

use super::NodeBounds;
use crate::activation::ActivationFn;
use crate::network::{Affine, NodeId, NodeKind};
use crate::num::{Lattice, Scalar};
use crate::query::Region;

/// The lattices of a node's neurons, given the bounds (with lattices) of the nodes before it; `None` when
/// no neuron has one.
pub(super) fn of_node<'a>(
    kind: &NodeKind,
    region: &Region,
    bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
) -> Option<Vec<Lattice>> {
    let lattices = match kind {
        NodeKind::Input => region.lattices(),
        NodeKind::Affine(affine) => of_affine(affine, bounds)?,
        NodeKind::Activation(activation) => of_activation(activation.function.as_ref(), bounds(activation.source))?,
    };
    lattices.iter().any(|lattice| lattice != &Lattice::Any).then_some(lattices)
}

fn of_affine<'a>(affine: &Affine, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> Option<Vec<Lattice>> {
    let mut sums = vec![Lattice::zero(); affine.bias.len()];
    for term in &affine.terms {
        let x: Vec<Lattice> = (0..bounds(term.source).len()).map(|i| bounds(term.source).lattice(i)).collect();
        if x.iter().all(|lattice| lattice == &Lattice::Any) {
            return None;
        }
        term.map.apply_to(&x, &mut sums)?;
    }
    let bias = |i: usize| affine.bias.get::<Lattice>(i).unwrap_or(Lattice::Any);
    Some(sums.iter().enumerate().map(|(i, sum)| sum.add(&bias(i))).collect())
}

fn of_activation(function: &dyn ActivationFn, z: &NodeBounds) -> Option<Vec<Lattice>> {
    let pieces = function.pieces();
    if !z.has_lattices() && pieces.iter().any(|piece| piece.slope != 0.0) {
        return None;
    }
    Some(z.reaches().map(|z| function.image_lattice(z)).collect())
}
