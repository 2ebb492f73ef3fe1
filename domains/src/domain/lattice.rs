//! On which lattice the values of each neuron lie: the network evaluated in [`Lattice`] arithmetic, beside
//! every domain.

use super::NodeBounds;
use crate::activation::ActivationFn;
use crate::network::{Affine, Network, NodeId, NodeKind};
use crate::num::{Lattice, Rational, Scalar, enclose};
use crate::query::{Atom, Region, Variable};

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
        NodeKind::Product(_) => return None,
    };
    lattices.iter().any(|lattice| lattice != &Lattice::Any).then_some(lattices)
}

fn of_affine<'a>(affine: &Affine, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> Option<Vec<Lattice>> {
    let sums = of_sum(affine, bounds)?;
    let bias = |i: usize| affine.bias.get::<Lattice>(i).unwrap_or(Lattice::Any);
    Some(sums.iter().enumerate().map(|(i, sum)| sum.add(&bias(i))).collect())
}

/// The lattices of `Σ W x`, without the bias.
pub(super) fn of_sum<'a>(affine: &Affine, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> Option<Vec<Lattice>> {
    let mut sums = vec![Lattice::zero(); affine.bias.len()];
    for term in &affine.terms {
        let x: Vec<Lattice> = (0..bounds(term.source).len()).map(|i| bounds(term.source).lattice(i)).collect();
        if x.iter().all(|lattice| lattice == &Lattice::Any) {
            return None;
        }
        term.map.apply_to(&x, &mut sums)?;
    }
    Some(sums)
}

fn of_activation(function: &dyn ActivationFn, z: &NodeBounds) -> Option<Vec<Lattice>> {
    if !z.has_lattices() && !function.is_step() {
        return None;
    }
    Some(z.reaches().map(|z| function.image_lattice(z)).collect())
}

/// The lattice of an atom's margin. The last affine layer is merged with the atom first: two sums of the
/// same ±1 values differ by a multiple of four.
#[must_use]
pub fn of_margin<'a>(network: &Network, atom: &Atom, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> Lattice {
    let mut sum = Lattice::new(&atom.constant, &Rational::ZERO);
    let mut outputs = Vec::new();
    for (variable, c) in &atom.terms {
        match variable {
            Variable::Input(i) => sum = sum.add(&Lattice::new(c, &Rational::ZERO).mul(&bounds(0).lattice(*i))),
            Variable::Output(i) => outputs.push((*i, c)),
        }
    }
    let of_outputs = outputs.iter().fold(Lattice::zero(), |sum, (i, c)| {
        sum.add(&Lattice::new(c, &Rational::ZERO).mul(&bounds(network.output()).lattice(*i)))
    });
    let merged = match &network.node(network.output()).kind {
        NodeKind::Affine(affine) => merged_with(affine, &outputs, bounds),
        _ => None,
    };
    sum.add(&merged.unwrap_or(of_outputs))
}

/// The lattice of `Σ c_i z_i` over outputs `z` of an affine node; `None` where a coefficient is no float.
fn merged_with<'a>(
    affine: &Affine,
    outputs: &[(usize, &Rational)],
    bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
) -> Option<Lattice> {
    let coefficients: Option<Vec<(usize, f64)>> = outputs
        .iter()
        .map(|(i, c)| {
            let c = enclose(c);
            (c.lo == c.hi).then_some((*i, c.lo))
        })
        .collect();
    let coefficients = coefficients?;
    let mut sum = Lattice::zero();
    for (i, c) in &coefficients {
        sum = sum.add(&Lattice::point(*c).mul(&affine.bias.get::<Lattice>(*i)?));
    }
    for term in &affine.terms {
        if !term.map.is_exact() {
            return None;
        }
        // Unit rows are exact; scaled and added, they must stay so.
        let rows = term.map.rows(&coefficients.iter().map(|&(i, _)| (i, 1.0)).collect::<Vec<_>>());
        let x = bounds(term.source);
        for (j, column) in rows.columns().into_iter().enumerate() {
            let mut weight = Lattice::zero();
            for (&w, &(_, c)) in column.iter().zip(&coefficients) {
                weight.accumulate(c, &Lattice::point(w));
            }
            if weight != Lattice::zero() {
                sum = sum.add(&weight.mul(&x.lattice(j)));
            }
        }
        if sum == Lattice::Any {
            return None;
        }
    }
    Some(sum)
}
