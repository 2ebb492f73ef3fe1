//! The walk over the graph: finds the operands of each node and calls its lowering.

use super::attributes::Attributes;
use super::constant::Constant;
use super::external::External;
use super::fault::{Failure, Fault};
use super::lowering::{Clipped, Lowering, Operator, Value, without_batch};
use super::model::{Model, OPSETS, Port, Ports};
use super::operators::{self, is_standard};
use super::order::order;
use super::ports::{self, input_port, join, split};
use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Entries of tensors that a network may have beyond one for each byte of its file: small files may have large layers, and
/// an entry takes some 50 bytes while it is made.
const BUDGET: usize = 1 << 23;

/// The model as a network with these inputs and outputs: where none are asked for, with the only ones that it has.
/// `file_size` scales how much the network may hold.
pub(super) fn lower(
    model: &ModelProto,
    file_size: usize,
    external: &External,
    ports: Option<&Ports>,
) -> Result<Model, Failure> {
    let graph = model.graph.as_ref().ok_or("the file holds no graph: it is empty, truncated or not an ONNX model")?;
    let opset = opset(model)?;
    if !graph.sparse_initializer.is_empty() {
        return Err("sparse initializers are not supported; store them dense".into());
    }
    let tensors = initializers(graph)?;
    let types = tensors.iter().map(|(name, tensor)| (*name, tensor.data_type.unwrap_or(0))).collect();
    let inputs: Vec<Port> = ports::inputs(graph, ports)?.into_iter().map(input_port).collect::<Result<_, _>>()?;
    let outputs = ports::outputs(graph, ports)?;
    let labels: Vec<String> = graph.node.iter().enumerate().map(|(i, node)| label(i, node)).collect();
    check_names(graph, tensors.keys().copied().chain(inputs.iter().map(|input| &input.name[..])), &labels)?;
    let order = order(graph, outputs.iter().map(|(name, _)| *name), &labels)?;
    let (mut lowering, mut entries) = split(&inputs, BUDGET.saturating_add(file_size))?;
    if let Some([low, high]) = ports.and_then(|ports| ports.range) {
        entries.iter_mut().for_each(|x| x.clipped = Some(Clipped { source: x.node, low, high }));
    }
    let mut readers = HashMap::new();
    let read = order.iter().flat_map(|&i| &graph.node[i].input).map(String::as_str);
    for name in read.chain(outputs.iter().map(|(name, _)| *name)) {
        *readers.entry(name).or_insert(0) += 1;
    }
    let values = inputs.iter().zip(entries).map(|(input, x)| (&input.name[..], x.into())).collect();
    let mut walk = Walk { graph, labels: &labels, opset, external, tensors, types, values, readers };
    for i in order {
        walk.lower(i, &mut lowering)?;
    }
    let results: Vec<(&str, Value)> =
        outputs.iter().map(|(name, _)| Ok((*name, walk.output(name)?))).collect::<Result<_, Failure>>()?;
    if ports.is_none() && matches!(results[..], [(_, Value::Constant(_))]) {
        return Err("the output does not depend on the input".into());
    }
    let port = |((name, element), (_, y)): (&(&str, Option<i32>), &(&str, Value))| Port {
        name: (*name).to_owned(),
        element: *element,
        shape: y.shape().to_vec(),
    };
    let outputs: Vec<Port> = outputs.iter().zip(&results).map(port).collect();
    let mut y = join(&results, ports, &mut lowering, external)?;
    if lowering.rounds_constants {
        // Its float32 constants are others than ours.
        let n = lowering.builder.len(y.node);
        let (same, zeros) = (LinearMap::Identity(n), Coefficients::zeros(n));
        y.node = lowering.builder.linear(results[0].0, y.node, same, zeros).map_err(Fault::from)?;
        lowering.builder.declare_operator(y.node, NodeOperator::Unknown).map_err(Fault::from)?;
    }
    let channels = lowering.trail.channels();
    let network = lowering.builder.finish(y.node, without_batch(&y.shape)).map_err(Fault::from)?;
    Ok(Model {
        network,
        operators: operator_counts(graph),
        opset,
        producer: model.producer_name.clone().unwrap_or_default(),
        final_softmax: y.softmax,
        channels,
        inputs,
        outputs,
    })
}

/// The walk: what has a value so far, and what is still to be read.
struct Walk<'a> {
    graph: &'a GraphProto,
    labels: &'a [String],
    opset: i64,
    external: &'a External,
    /// Constants that nothing has read yet.
    tensors: HashMap<&'a str, &'a TensorProto>,
    /// The element type of every stored constant.
    types: HashMap<&'a str, i32>,
    values: HashMap<&'a str, Value>,
    /// How often each name is still read.
    readers: HashMap<&'a str, usize>,
}

impl<'a> Walk<'a> {
    /// Lowers node `i`. Constants are decoded when they are read first, and forgotten with their last reader.
    fn lower(&mut self, i: usize, lowering: &mut Lowering) -> Result<(), Failure> {
        let (node, labels): (&'a NodeProto, _) = (&self.graph.node[i], self.labels);
        let at_node = |fault| Failure { node: Some(labels[i].clone()), fault };
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            inputs.push(if name.is_empty() { None } else { Some(self.operand(i, name)?) });
        }
        let (label, attributes) = (&labels[i][..], Attributes(&node.attribute));
        let named = || node.output.iter().take_while(|name| !name.is_empty());
        if named().next().is_none() {
            return Err(at_node("the node has no output".into()));
        }
        let outputs = node.output.len();
        let zero_type = node.input.get(2).and_then(|name| self.types.get(&name[..])).copied();
        let op = Operator { label, inputs, attributes, opset: self.opset, outputs, external: self.external, zero_type };
        let op_type = node.op_type.as_deref().unwrap_or("");
        let results = operators::lower(op_type, node.domain.as_deref(), &op, lowering).map_err(at_node)?;
        self.values.extend(node.output.iter().map(String::as_str).zip(results).filter(|(name, _)| !name.is_empty()));
        for name in &node.input {
            if let Some(left) = self.readers.get_mut(name.as_str()) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.values.remove(name.as_str());
                }
            }
        }
        Ok(())
    }

    /// The tensor `name`, if it has a value; a constant is decoded when it is read first.
    fn value(&mut self, name: &'a str) -> Result<Option<Value>, Fault> {
        if let Some(tensor) = self.tensors.remove(name) {
            self.values.insert(name, Constant::decode(tensor, self.external)?.into());
        }
        Ok(self.values.get(name).cloned())
    }

    /// The operand `name` of node `i`.
    fn operand(&mut self, i: usize, name: &'a str) -> Result<Value, Failure> {
        let missing =
            |walk: &Self| Failure { node: Some(walk.labels[i].clone()), fault: walk.why_missing(name).into() };
        self.value(name)?.ok_or_else(|| missing(self))
    }

    /// The network's output `name`.
    fn output(&mut self, name: &'a str) -> Result<Value, Fault> {
        self.value(name)?.ok_or_else(|| format!("no node computes the output `{name}`").into())
    }

    /// Why the tensor that a node reads is not there.
    fn why_missing(&self, name: &str) -> String {
        let computes = |node: &NodeProto| node.output.iter().position(|o| o == name);
        let place = self.graph.node.iter().enumerate().find_map(|(k, node)| computes(node).map(|output| (k, output)));
        match place {
            Some((k, output)) => {
                format!("it reads `{name}`, output {output} of node `{}`: only output 0 is supported", self.labels[k])
            }
            None => format!("it reads `{name}`, which is no input, no constant and no node's output"),
        }
    }
}

/// The version of the standard operator set, if it is one that is supported.
fn opset(model: &ModelProto) -> Result<i64, Fault> {
    let standard = model.opset_import.iter().find(|o| is_standard(o.domain.as_deref()));
    let (oldest, newest) = OPSETS.into_inner();
    match standard.and_then(|o| o.version) {
        Some(version) if OPSETS.contains(&version) => Ok(version),
        Some(version) => Err(format!(
            "operator set {version} is not supported; convert the model to one from {oldest} to {newest} \
             (onnx.version_converter)"
        )
        .into()),
        None => Err("the model names no version of the standard operator set".into()),
    }
}

/// The constants of the graph by name.
fn initializers(graph: &GraphProto) -> Result<HashMap<&str, &TensorProto>, Fault> {
    let mut tensors = HashMap::new();
    for tensor in &graph.initializer {
        let name = tensor.name.as_deref().unwrap_or("");
        if tensors.insert(name, tensor).is_some() {
            return Err(format!("two constants are called `{name}`").into());
        }
    }
    Ok(tensors)
}

/// The node's name, or `#index operator`.
fn label(i: usize, node: &NodeProto) -> String {
    match node.name.as_deref() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("#{i} {}", node.op_type.as_deref().unwrap_or("?")),
    }
}

/// Refuses a graph in which two things compute the tensor of one name.
fn check_names<'a>(
    graph: &'a GraphProto,
    taken: impl Iterator<Item = &'a str>,
    labels: &[String],
) -> Result<(), Failure> {
    let mut seen: HashSet<&str> = taken.collect();
    for (node, label) in graph.node.iter().zip(labels) {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if !seen.insert(name) {
                let fault = format!("its output `{name}` has the name of another tensor").into();
                return Err(Failure { node: Some(label.clone()), fault });
            }
        }
    }
    Ok(())
}

/// How often each operator type occurs.
fn operator_counts(graph: &GraphProto) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    for node in &graph.node {
        *counts.entry(node.op_type.clone().unwrap_or_default()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
