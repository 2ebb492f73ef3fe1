//! The walk over the graph: finds the operands of each node and calls its lowering.

use super::attributes::Attributes;
use super::constant::Constant;
use super::fault::{Failure, Fault};
use super::lowering::{Lowering, Operator, Tensor, Value, without_batch};
use super::model::{Model, OPSETS};
use super::proto::{DOUBLE, FLOAT, FLOAT16, GraphProto, ModelProto, NodeProto, ValueInfoProto, type_name};
use super::{activations, arithmetic, conv, matrix, normalise, pooling, power, reshape, select};
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Lowers one operator: its result, given its operands.
type Lower = fn(&Operator, &mut Lowering) -> Result<Value, Fault>;

/// Every supported operator: adding one is a function and its line here.
const OPERATORS: &[(&str, Lower)] = &[
    ("Add", arithmetic::add),
    ("AveragePool", pooling::average_pool),
    ("BatchNormalization", normalise::batch_normalization),
    (BIPOLAR, activations::bipolar),
    ("Cast", reshape::cast),
    ("Clip", activations::clip),
    ("Concat", select::concat),
    ("Constant", reshape::constant),
    ("Conv", conv::conv),
    ("Div", arithmetic::div),
    ("Dropout", reshape::dropout),
    ("Expand", select::expand),
    ("Flatten", reshape::flatten),
    ("Gather", select::gather),
    ("Gemm", matrix::gemm),
    ("GlobalAveragePool", pooling::global_average_pool),
    ("Identity", reshape::identity),
    ("LeakyRelu", activations::leaky_relu),
    ("MatMul", matrix::matmul),
    ("MaxPool", pooling::max_pool),
    ("Mul", arithmetic::mul),
    ("Neg", arithmetic::neg),
    ("Pad", select::pad),
    ("Pow", power::pow),
    ("Relu", activations::relu),
    ("Reshape", reshape::reshape),
    ("Shape", reshape::shape_of),
    ("Sign", activations::sign),
    ("Slice", select::slice),
    ("Softmax", activations::softmax),
    ("Sqrt", power::sqrt),
    ("Squeeze", reshape::squeeze),
    ("Sub", arithmetic::sub),
    ("Transpose", select::transpose),
    ("Unsqueeze", reshape::unsqueeze),
];

/// The signum that QONNX adds to the standard operators, in the domains of its writers.
const BIPOLAR: &str = "BipolarQuant";
const QONNX: &[&str] = &["onnx.brevitas", "qonnx.custom_op.general"];

/// The operators that keep the order of all entries, and so may follow a dropped Softmax.
const KEEP_ORDER: &[&str] = &["Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// What the standard operator set is called.
fn is_standard(domain: Option<&str>) -> bool {
    matches!(domain, None | Some("" | "ai.onnx"))
}

/// The model as a network. `file_size` scales how much the network may hold.
pub(super) fn lower(model: &ModelProto, file_size: usize) -> Result<Model, Failure> {
    const BUDGET: usize = 1 << 26;
    let graph = model.graph.as_ref().ok_or("the file holds no graph: it is empty, truncated or not an ONNX model")?;
    let opset = opset(model)?;
    if !graph.sparse_initializer.is_empty() {
        return Err("sparse initializers are not supported; store them dense".into());
    }
    let mut values = initializers(graph)?;
    let input = the_input(graph)?;
    let input_name = name_of(input).to_owned();
    let input_shape = input_shape(input)?;
    let [output] = &graph.output[..] else {
        let names: Vec<&str> = graph.output.iter().map(name_of).collect();
        return Err(format!("expected one output, found {}: {names:?}; keep only one", names.len()).into());
    };
    let mut lowering = Lowering::new(&input_shape, BUDGET.saturating_add(file_size))?;
    let x = Tensor::new(lowering.builder.input(), input_shape);
    values.insert(&input_name, x.into());

    let labels: Vec<String> = graph.node.iter().enumerate().map(|(i, node)| label(i, node)).collect();
    check_names(graph, &values, &labels)?;
    let needed = needed(graph, name_of(output));
    for (i, node) in graph.node.iter().enumerate().filter(|(i, _)| needed[*i]) {
        let at_node = |fault| Failure { node: Some(labels[i].clone()), fault };
        let (name, value) = lower_node(graph, i, node, &labels, opset, &values, &mut lowering).map_err(at_node)?;
        values.insert(name, value);
    }
    let mut y = match values.get(name_of(output)) {
        Some(Value::Tensor(y)) => y.clone(),
        Some(Value::Constant(_)) => return Err("the output does not depend on the input".into()),
        None => return Err(format!("no node computes the output `{}`", name_of(output)).into()),
    };
    if lowering.rounds_constants {
        // Its float32 constants are others than ours.
        let n = lowering.builder.len(y.node);
        let (same, zeros) = (LinearMap::Identity(n), Coefficients::zeros(n));
        y.node = lowering.builder.linear(name_of(output), y.node, same, zeros).map_err(Fault::from)?;
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
        output_name: name_of(output).to_owned(),
    })
}

/// Lowers node `i`; the name of its result and the result.
fn lower_node<'a>(
    graph: &GraphProto,
    i: usize,
    node: &'a NodeProto,
    labels: &[String],
    opset: i64,
    values: &HashMap<&str, Value>,
    lowering: &mut Lowering,
) -> Result<(&'a str, Value), Fault> {
    let op_type = node.op_type.as_deref().unwrap_or("");
    let domain = node.domain.as_deref();
    let in_domain = if op_type == BIPOLAR { domain.is_some_and(|d| QONNX.contains(&d)) } else { is_standard(domain) };
    let lower = OPERATORS.iter().find(|(name, _)| *name == op_type && in_domain);
    let Some((_, lower)) = lower else {
        let domain = domain.filter(|_| !is_standard(domain)).map(|d| format!(" of domain `{d}`")).unwrap_or_default();
        let supported: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
        let supported = supported.join(", ");
        return Err(format!("operator `{op_type}`{domain} is not supported; supported operators: {supported}").into());
    };
    let operand = |name: &String| match (name.as_str(), values.get(name.as_str())) {
        ("", _) => Ok(None),
        (_, Some(value)) => Ok(Some(value.clone())),
        (name, None) => Err(Fault::from(why_missing(graph, i, name, labels))),
    };
    let inputs = node.input.iter().map(operand).collect::<Result<Vec<_>, _>>()?;
    let after_softmax = inputs.iter().flatten().any(|v| matches!(v, Value::Tensor(t) if t.softmax));
    if after_softmax && !KEEP_ORDER.contains(&op_type) {
        return Err("it reads the result of a Softmax, which is only supported as the last operator".into());
    }
    let name = node.output.first().filter(|name| !name.is_empty()).ok_or("the node has no output")?;
    let attributes = Attributes(&node.attribute);
    let value = lower(&Operator { label: &labels[i], inputs, attributes, opset }, lowering)?;
    Ok((name, value))
}

/// Why the tensor that node `i` reads is not there.
fn why_missing(graph: &GraphProto, i: usize, name: &str, labels: &[String]) -> String {
    let computes = |node: &NodeProto| node.output.iter().position(|o| o == name);
    match graph.node.iter().enumerate().find_map(|(k, node)| computes(node).map(|output| (k, output))) {
        Some((k, _)) if k >= i => format!(
            "it reads `{name}`, which only node `{}` computes: the graph has a cycle, or its nodes are not in \
             topological order",
            labels[k]
        ),
        Some((k, output)) => {
            format!("it reads `{name}`, output {output} of node `{}`: only output 0 is supported", labels[k])
        }
        None => format!("it reads `{name}`, which is no input, no constant and no node's output"),
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
fn initializers(graph: &GraphProto) -> Result<HashMap<&str, Value>, Fault> {
    let mut values = HashMap::new();
    for tensor in &graph.initializer {
        let name = tensor.name.as_deref().unwrap_or("");
        if values.insert(name, Constant::decode(tensor)?.into()).is_some() {
            return Err(format!("two constants are called `{name}`").into());
        }
    }
    Ok(values)
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
fn check_names(graph: &GraphProto, values: &HashMap<&str, Value>, labels: &[String]) -> Result<(), Failure> {
    let mut seen: HashSet<&str> = values.keys().copied().collect();
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

/// Which nodes the output depends on.
fn needed(graph: &GraphProto, output: &str) -> Vec<bool> {
    let mut wanted = HashSet::from([output]);
    let mut needed = vec![false; graph.node.len()];
    for (i, node) in graph.node.iter().enumerate().rev() {
        if node.output.iter().any(|o| wanted.contains(o.as_str())) {
            needed[i] = true;
            wanted.extend(node.input.iter().map(String::as_str));
        }
    }
    needed
}

/// How often each operator type occurs.
fn operator_counts(graph: &GraphProto) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    for node in &graph.node {
        *counts.entry(node.op_type.clone().unwrap_or_default()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
