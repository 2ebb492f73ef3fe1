//! The walk over the graph: finds the operands of each node and calls its lowering.

use super::attributes::Attributes;
use super::constant::Constant;
use super::external::External;
use super::fault::{Failure, Fault};
use super::lowering::{Lowering, Operator, Tensor, Value, without_batch};
use super::model::{Model, OPSETS};
use super::operators::{self, is_standard};
use super::order::order;
use super::proto::{DOUBLE, FLOAT, FLOAT16, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_name};
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Entries of tensors that a network may have beyond one for each byte of its file: small files may have large layers, and
/// an entry takes some 50 bytes while it is made.
const BUDGET: usize = 1 << 23;

/// The model as a network. `file_size` scales how much the network may hold.
pub(super) fn lower(model: &ModelProto, file_size: usize, external: &External) -> Result<Model, Failure> {
    let graph = model.graph.as_ref().ok_or("the file holds no graph: it is empty, truncated or not an ONNX model")?;
    let opset = opset(model)?;
    if !graph.sparse_initializer.is_empty() {
        return Err("sparse initializers are not supported; store them dense".into());
    }
    let tensors = initializers(graph)?;
    let input = the_input(graph)?;
    let input_name = name_of(input).to_owned();
    let input_shape = input_shape(input)?;
    let [output] = &graph.output[..] else {
        let names: Vec<&str> = graph.output.iter().map(name_of).collect();
        return Err(format!("expected one output, found {}: {names:?}; keep only one", names.len()).into());
    };
    let output_name = name_of(output);
    let mut lowering = Lowering::new(&input_shape, BUDGET.saturating_add(file_size))?;
    let x = Tensor::new(lowering.builder.input(), input_shape);
    let labels: Vec<String> = graph.node.iter().enumerate().map(|(i, node)| label(i, node)).collect();
    check_names(graph, tensors.keys().copied().chain([name_of(input)]), &labels)?;
    let order = order(graph, output_name, &labels)?;
    let mut readers = HashMap::from([(output_name, 1)]);
    for name in order.iter().flat_map(|&i| &graph.node[i].input) {
        *readers.entry(name.as_str()).or_insert(0) += 1;
    }
    let values = HashMap::from([(name_of(input), x.into())]);
    let mut walk = Walk { graph, labels: &labels, opset, external, tensors, values, readers };
    for i in order {
        walk.lower(i, &mut lowering)?;
    }
    let mut y = match walk.values.remove(output_name) {
        Some(Value::Tensor(y)) => y,
        Some(Value::Constant(_)) => return Err("the output does not depend on the input".into()),
        None if walk.tensors.contains_key(output_name) => {
            return Err("the output does not depend on the input".into());
        }
        None => return Err(format!("no node computes the output `{output_name}`").into()),
    };
    if lowering.rounds_constants {
        // Its float32 constants are others than ours.
        let n = lowering.builder.len(y.node);
        let (same, zeros) = (LinearMap::Identity(n), Coefficients::zeros(n));
        y.node = lowering.builder.linear(output_name, y.node, same, zeros).map_err(Fault::from)?;
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
        input_name,
        output_name: output_name.to_owned(),
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
        let op = Operator { label, inputs, attributes, opset: self.opset, outputs, external: self.external };
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

    /// The operand `name` of node `i`.
    fn operand(&mut self, i: usize, name: &'a str) -> Result<Value, Failure> {
        if let Some(tensor) = self.tensors.remove(name) {
            self.values.insert(name, Constant::decode(tensor, self.external)?.into());
        }
        self.values
            .get(name)
            .cloned()
            .ok_or_else(|| Failure { node: Some(self.labels[i].clone()), fault: self.why_missing(name).into() })
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

/// The name of an input or output.
fn name_of(info: &ValueInfoProto) -> &str {
    info.name.as_deref().unwrap_or("")
}

/// The one input that is no initializer (old files list these as inputs too).
fn the_input(graph: &GraphProto) -> Result<&ValueInfoProto, Fault> {
    let constants: HashSet<&str> = graph.initializer.iter().filter_map(|t| t.name.as_deref()).collect();
    let inputs: Vec<&ValueInfoProto> = graph.input.iter().filter(|i| !constants.contains(name_of(i))).collect();
    match inputs[..] {
        [input] => Ok(input),
        [] => Err("the graph has no input".into()),
        _ => {
            let names: Vec<&str> = inputs.iter().map(|i| name_of(i)).collect();
            Err(format!("expected one input, found {}: {names:?}; join them into one tensor", names.len()).into())
        }
    }
}

/// The shape of the input, where a leading symbolic or missing length (the batch) counts as 1.
fn input_shape(input: &ValueInfoProto) -> Result<Vec<usize>, Fault> {
    let name = name_of(input);
    let no_shape = || Fault::from(format!("input `{name}` has no tensor shape; export the model with a fixed shape"));
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).ok_or_else(no_shape)?;
    let element = tensor.elem_type.unwrap_or(FLOAT);
    if ![FLOAT, FLOAT16, DOUBLE].contains(&element) {
        let element = type_name(element);
        return Err(format!("input `{name}` holds {element} numbers; only floats are supported").into());
    }
    let dims = &tensor.shape.as_ref().ok_or_else(no_shape)?.dim;
    let length = |(axis, dim): (usize, &super::proto::DimensionProto)| match dim.dim_value {
        Some(n) if n > 0 => usize::try_from(n).map_err(|_| Fault::from("an axis is too long")),
        None | Some(-1) if axis == 0 => Ok(1),
        Some(n) => Err(format!("axis {axis} of input `{name}` has length {n}, expected a positive number").into()),
        None => {
            let symbol = dim.dim_param.as_deref().unwrap_or("?");
            Err(format!("axis {axis} of input `{name}` has the symbolic length `{symbol}`; export it fixed").into())
        }
    };
    let shape: Vec<usize> = dims.iter().enumerate().map(length).collect::<Result<_, _>>()?;
    if shape.is_empty() { Err(no_shape()) } else { Ok(shape) }
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
