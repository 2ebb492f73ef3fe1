//! Groups of unstable neurons of one layer, and the octahedra around their pre-activations.

use crate::activation::{ActivationFn, Reach};
use crate::domain::{BackSubstitution, DomainError, History, NodeBounds};
use crate::network::{Activation, NodeId};
use crate::polyhedra::{JointHull, Octahedron, directions};
use crate::query::LinearForms;
use float_ord::FloatOrd;
use itertools::Itertools;
use ndarray::Array2;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::sync::Arc;

/// Neurons of one activation node with the joint hull of their graphs.
pub struct Group {
    /// The activation node.
    pub node: NodeId,
    /// The neurons, by index in the node.
    pub neurons: Vec<usize>,
    /// What bounds sums of them.
    pub octahedron: Arc<Octahedron>,
    /// The hull of their joint graph over the octahedron of their pre-activations; of curves that of polygons around them.
    pub hull: JointHull,
}

/// The largest group that is joined exactly; beyond it, all subsets of [`SUBSET`] neurons are.
const LARGEST_EXACT: usize = 4;

/// Size of the subsets that stand for a larger group (Singh et al. 2019, eq. 7, with l = 3).
const SUBSET: usize = 3;

/// Twice the area between the lines above and below the graph: what the single relaxation gives away.
fn area(function: &dyn ActivationFn, z: Reach<'_>) -> f64 {
    let slope = function.lines(z).upper.slope;
    function.band(z, slope).width() * z.bounds.width()
}

/// Splits the unstable neurons into groups of `k`, widest relaxations together; the groups are returned
/// as the sets of neurons to join (several per group when `k` exceeds [`LARGEST_EXACT`]).
fn partition(function: &dyn ActivationFn, z: &NodeBounds, k: usize) -> Vec<Vec<usize>> {
    let mut unstable: Vec<(f64, usize)> =
        (0..z.len()).filter(|&i| function.is_unstable(z.reach(i))).map(|i| (area(function, z.reach(i)), i)).collect();
    unstable.sort_by_key(|&(area, i)| (Reverse(FloatOrd(area)), i));
    let order: Vec<usize> = unstable.into_iter().map(|(_, i)| i).collect();
    let mut sets = Vec::new();
    for block in order.chunks(k).filter(|block| block.len() > 1) {
        if block.len() <= LARGEST_EXACT {
            sets.push(block.to_vec());
        } else {
            sets.extend(block.iter().copied().combinations(SUBSET));
        }
    }
    sets
}

/// The joint hulls of groups of `k` unstable neurons of the activation node `id`, whose octahedra are
/// bounded by `back`.
///
/// A group whose hull cannot be computed (a bound is infinite) is left out: the single-neuron
/// relaxation stands for it.
pub fn joint_groups<H: History>(
    id: NodeId,
    activation: &Activation,
    k: usize,
    back: &BackSubstitution<H>,
) -> Result<Vec<Group>, DomainError> {
    let z = back.history.bounds(activation.source);
    let function = activation.function.as_ref();
    let sets = partition(function, z, k);
    // All directions with at least two neurons of all groups go back together.
    let pending: Vec<(usize, Vec<i8>)> = sets
        .iter()
        .enumerate()
        .flat_map(|(g, set)| directions(set.len()).into_iter().map(move |d| (g, d)))
        .filter(|(_, d)| d.iter().filter(|&&a| a != 0).count() > 1)
        .collect();
    let mut coefficients = Array2::zeros((pending.len(), z.len()));
    for ((g, direction), mut row) in pending.iter().zip(coefficients.rows_mut()) {
        for (&a, &i) in direction.iter().zip(&sets[*g]) {
            // The upper bound of a·z is minus the minimum of −a·z.
            row[i] = -f64::from(a);
        }
    }
    let minima = back.minima(&LinearForms::of_node(activation.source, coefficients))?;
    let mut uppers: Vec<Vec<f64>> = vec![Vec::new(); sets.len()];
    for ((g, _), minimum) in pending.iter().zip(&minima) {
        uppers[*g].push(-minimum);
    }
    Ok(sets
        .into_par_iter()
        .zip(uppers)
        .filter_map(|(neurons, joint)| {
            let bounds: Vec<_> = neurons.iter().map(|&i| z.get(i)).collect();
            let mut joint = joint.into_iter();
            let upper = directions(neurons.len())
                .iter()
                .map(|direction| {
                    // A sum of the single bounds is always valid, and sometimes tighter.
                    let single = direction
                        .iter()
                        .zip(&bounds)
                        .fold(0.0, |sum, (&a, z)| crate::num::round::add_up(sum, z.scale(f64::from(a)).hi));
                    let is_single = direction.iter().filter(|&&a| a != 0).count() == 1;
                    if is_single { single } else { joint.next().map_or(single, |u| u.min(single)) }
                })
                .collect();
            let octahedron = Octahedron::new(neurons.len(), upper).ok()?;
            let segments: Vec<_> = neurons.iter().map(|&i| function.cover(z.reach(i))).collect();
            let hull = JointHull::new(&octahedron, &segments).ok()?;
            Some(Group { node: id, neurons, octahedron: Arc::new(octahedron), hull })
        })
        .collect())
}
