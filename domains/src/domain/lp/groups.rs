//! Groups of unstable neurons of one layer, or of two that correspond, and the octahedra around their pre-activations.

use super::LpFact;
use crate::activation::{ActivationFn, Reach};
use crate::domain::{BackSubstitution, DomainError, History, NodeBounds, Trace};
use crate::network::{Activation, NodeId, NodeKind, Twin};
use crate::num::round::add_up;
use crate::polyhedra::{JointHull, Octahedron, directions};
use crate::query::LinearForms;
use float_ord::FloatOrd;
use itertools::Itertools;
use ndarray::Array2;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::sync::Arc;

/// Neurons with the joint hull of their graphs.
pub struct Group {
    /// The neurons, by activation node and index in the node.
    pub neurons: Vec<(NodeId, usize)>,
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
                    let single =
                        direction.iter().zip(&bounds).fold(0.0, |sum, (&a, z)| add_up(sum, z.scale(f64::from(a)).hi));
                    let is_single = direction.iter().filter(|&&a| a != 0).count() == 1;
                    if is_single { single } else { joint.next().map_or(single, |u| u.min(single)) }
                })
                .collect();
            let octahedron = Octahedron::new(neurons.len(), upper).ok()?;
            let segments: Vec<_> = neurons.iter().map(|&i| function.cover(z.reach(i))).collect();
            let hull = JointHull::new(&octahedron, &segments).ok()?;
            let neurons = neurons.into_iter().map(|i| (id, i)).collect();
            Some(Group { neurons, octahedron: Arc::new(octahedron), hull })
        })
        .collect())
}

/// The joint hulls of the neurons of two activation nodes that correspond, each over the bounds of its pair of
/// pre-activations and of their difference; pairs of stable neurons are left out.
pub fn twin_groups(twin: &Twin, activation: &Activation, seen: &Trace<LpFact>) -> Vec<Group> {
    let function = activation.function.as_ref();
    let NodeKind::Activation(first) = &seen.network.node(twin.first).kind else { return Vec::new() };
    let (z1, z2) = (seen.bounds_of(first.source), seen.bounds_of(activation.source));
    let difference = seen.bounds_of(twin.difference);
    let of_pair = |i: usize| {
        let (reach1, reach2, d) = (z1.reach(i), z2.reach(i), difference.get(i));
        if !(function.is_unstable(reach1) || function.is_unstable(reach2)) {
            return None;
        }
        let upper = |direction: &Vec<i8>| {
            let [a, b] = [0, 1].map(|j| f64::from(direction[j]));
            let single = add_up(z1.get(i).scale(a).hi, z2.get(i).scale(b).hi);
            if a == -b { single.min(d.scale(b).hi) } else { single }
        };
        let octahedron = Octahedron::new(2, directions(2).iter().map(upper).collect()).ok()?;
        let hull = JointHull::new(&octahedron, &[function.cover(reach1), function.cover(reach2)]).ok()?;
        Some(Group { neurons: vec![(twin.first, i), (twin.second, i)], octahedron: Arc::new(octahedron), hull })
    };
    (0..difference.len()).into_par_iter().filter_map(of_pair).collect()
}
