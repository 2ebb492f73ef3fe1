//! Files with the bounds of every neuron.

use super::json::{SCHEMA, number};
use super::whole::write_whole;
use crate::analyze::Analysis;
use crate::domains::network::Network;
use serde_json::{Value, json};
use std::path::Path;

/// Writes the certified bounds of every neuron as JSON; the file appears whole or not at all.
pub fn write_bounds(path: &Path, network: &Network, analysis: &Analysis) -> std::io::Result<()> {
    let cases: Vec<Value> = analysis
        .bounds
        .iter()
        .map(|bounds| {
            let nodes = bounds.nodes().iter().zip(network.nodes()).map(|(b, node)| {
                let ends = |values: &[f64]| values.iter().map(|&x| number(x)).collect::<Value>();
                json!({"node": node.name, "lower": ends(b.lower()), "upper": ends(b.upper())})
            });
            json!({ "nodes": nodes.collect::<Vec<_>>() })
        })
        .collect();
    let text = json!({ "schema": SCHEMA, "cases": cases }).to_string();
    write_whole(path, &text)
}
