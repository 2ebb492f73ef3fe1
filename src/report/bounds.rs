//! Files with the bounds of every neuron; files that are written whole or not at all.

use super::json::{SCHEMA, number};
use crate::analyze::Analysis;
use crate::domains::network::Network;
use serde_json::{Value, json};
use std::io::Write;
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

/// Writes a file that appears whole or not at all; errors name it.
pub fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let named = |e: std::io::Error| std::io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(named)
}
