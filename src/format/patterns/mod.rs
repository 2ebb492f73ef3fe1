//! Activation pattern trees (APTP): the splits of others' proofs, and of our own in that form.
//!
//! A file is a VNN-LIB 1.0 query with two more commands: `(declare-pwl N_1 N_2 … ReLU)` declares hidden neurons, and an
//! assertion about these is a disjunction of patterns, `(assert (or (and (< N_1 0) (>= N_2 0)) …))`. It claims that the
//! patterns are all there are, and that no input of any of them is unsafe. The neurons of all ReLUs are numbered one
//! after the other from 1, in the order of the network.

mod read;
mod write;

pub use read::{Patterns, PatternsError, parse, read};
pub use write::{Unwritable, write};

use crate::domains::network::{Network, NodeId};

/// One side of a hidden neuron: its number, and whether it is below zero.
pub type Phase = (usize, bool);

/// The places of the neurons 1, 2, …: of the nodes that ReLUs read, those in the order of the network.
///
/// # Errors
/// The name of an activation that is no ReLU.
pub fn places(network: &Network) -> Result<Vec<(NodeId, usize)>, String> {
    let mut places = Vec::new();
    for (id, activation) in network.activations() {
        if activation.function.name() != "relu" {
            return Err(format!(
                "node {id} (`{}`) is {}; activation pattern trees are about networks of ReLUs",
                network.node(id).name,
                activation.function.name()
            ));
        }
        places.extend((0..network.node(id).len).map(|i| (activation.source, i)));
    }
    Ok(places)
}
