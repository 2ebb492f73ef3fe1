//! What is known of a network's file, as text and JSON.

use super::json::SCHEMA;
use crate::domains::network::{Affine, Network, NodeKind};
use crate::format::onnx::{Model, Port};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

/// What one node is, in a word or two.
fn kind(network: &Network, id: usize) -> String {
    let affine = |a: &Affine| a.terms.iter().map(|t| t.map.kind()).collect::<Vec<_>>().join(" + ");
    match &network.node(id).kind {
        NodeKind::Input => "input".into(),
        NodeKind::Affine(a) if a.terms.is_empty() => "constant".into(),
        NodeKind::Affine(a) => affine(a),
        NodeKind::Activation(a) => a.function.name().into(),
        NodeKind::Product(_) => "product".into(),
    }
}

fn shape(lengths: &[usize]) -> String {
    lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

fn names(ports: &[Port]) -> String {
    ports.iter().map(|port| super::name(&port.name)).collect::<Vec<_>>().join(", ")
}

/// A network's layers as a table, with what the file says around it.
#[must_use]
pub fn info_text(model: &Model) -> String {
    let network = &model.network;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["node", "kind", "neurons", "reads", "from operator"]);
    for (id, node) in network.nodes().iter().enumerate() {
        let sources: Vec<String> = node.sources().map(|s| s.to_string()).collect();
        table.add_row([
            id.to_string(),
            kind(network, id),
            node.len.to_string(),
            sources.join(", "),
            super::name(&node.name),
        ]);
    }
    let operators: Vec<String> =
        model.operators.iter().map(|(name, n)| format!("{} ×{n}", super::name(name))).collect();
    let activations: usize = network.activations().map(|(id, _)| network.node(id).len).sum();
    let softmax =
        if model.final_softmax.is_some() { "\nsoftmax     at the end, dropped: outputs are logits" } else { "" };
    format!(
        "input       {} ({})\noutput      {} ({})\nopset       {}\noperators   {}\nparameters  {}\nactivations {}{softmax}\n\n{table}",
        names(&model.inputs),
        shape(network.input_shape()),
        names(&model.outputs),
        shape(network.output_shape()),
        model.opset,
        operators.join(", "),
        network.parameters(),
        activations,
    )
}

/// The same as one object.
#[must_use]
pub fn info_json(model: &Model, file: &str) -> Value {
    let network = &model.network;
    let nodes: Vec<Value> = network
        .nodes()
        .iter()
        .enumerate()
        .map(|(id, node)| {
            let sources: Vec<usize> = node.sources().collect();
            json!({"id": id, "kind": kind(network, id), "neurons": node.len, "reads": sources, "name": node.name})
        })
        .collect();
    let operators: serde_json::Map<String, Value> =
        model.operators.iter().map(|(name, n)| (name.clone(), (*n).into())).collect();
    json!({
        "schema": SCHEMA,
        "network": file,
        "input": {"name": names(&model.inputs), "shape": network.input_shape()},
        "output": {"name": names(&model.outputs), "shape": network.output_shape()},
        "opset": model.opset,
        "operators": operators,
        "parameters": network.parameters(),
        "final_softmax": model.final_softmax.is_some(),
        "nodes": nodes,
    })
}
