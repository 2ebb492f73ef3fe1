//! What tests of certificates over real inputs share.

use super::{Dice, random_atom, random_box, random_network};
use absint::check::{Refuted, check_refutation, read_network, read_query};
use absint::domains::activation::ActivationFn;
use absint::domains::network::Network;
use absint::domains::num::Rational;
use absint::domains::query::{Disjunct, Query, Region};
use absint::format::certificate::{write_network, write_query};
use std::sync::Arc;

/// What the checker says of a proof.
pub fn checked(network: &Network, query: &Query, proof: &str) -> Result<Refuted, String> {
    let (mut network_text, mut query_text) = (Vec::new(), Vec::new());
    write_network(network, &mut network_text).unwrap();
    write_query(query, &mut query_text).unwrap();
    let network = read_network(&network_text[..]).map_err(|e| e.to_string())?;
    let query = read_query(&query_text[..], &network).map_err(|e| e.to_string())?;
    check_refutation(&network, &query, proof.as_bytes()).map_err(|e| e.to_string())
}

/// The query whose atoms' margins are all greater by `more`.
pub fn raised(query: &Query, more: &Rational) -> Query {
    let mut query = query.clone();
    for atom in query.cases.iter_mut().flat_map(|c| &mut c.property.disjuncts).flat_map(|d| &mut d.atoms) {
        atom.constant += more;
    }
    query
}

/// A random network, a box and a conjunction of so many atoms.
pub fn random_case(seed: u64, f: &Arc<dyn ActivationFn>, atoms: usize) -> (Network, Region, Disjunct) {
    let mut dice = Dice::new(seed);
    let network = random_network(&mut dice, f);
    let (inputs, outputs) = (network.input_len(), network.output_len());
    let region = random_box(&mut dice, inputs);
    let atoms = (0..atoms).map(|_| random_atom(&mut dice, inputs, outputs)).collect();
    (network, region, Disjunct { atoms })
}
