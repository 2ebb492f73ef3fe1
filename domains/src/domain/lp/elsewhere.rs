//! A layer's neuron programs as tasks that may be solved elsewhere: by other threads, processes or machines.
//!
//! A task depends on the network, the region and the bounds of the nodes up to its own, and on nothing else: where and
//! how often it is solved makes no difference, down to the last bit.

use crate::domain::Bounds;
use crate::network::NodeId;
use crate::num::Interval;

/// The programs of an affine node's neurons.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerPrograms {
    /// The node.
    pub node: NodeId,
    /// Its neurons that are to be bounded. Those of one list share a solver's session, so a list is the smallest task.
    pub sessions: Vec<Vec<usize>>,
    /// The bounds known of the nodes up to this one.
    pub bounds: Bounds,
}

/// What a layer's programs came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SolvedPrograms {
    /// Certified bounds of neurons, by their numbers.
    pub bounds: Vec<(usize, Interval)>,
    /// How many programs were solved for them.
    pub programs: usize,
}

/// Has the programs of layers solved.
pub trait NeuronSolver: Send + Sync {
    /// The bounds of the layer's neurons by [`LpDomain::solve_programs`](super::LpDomain::solve_programs), wherever it runs; of neurons without any
    /// nothing is learnt.
    fn solve(&self, layer: LayerPrograms) -> SolvedPrograms;
}
