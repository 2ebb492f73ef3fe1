//! Which tensors of a model are the inputs and outputs of its network.

use super::external::External;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value};
use super::model::{Port, Ports};
use super::proto::{DOUBLE, FLOAT, FLOAT16, GraphProto, ValueInfoProto, type_name};
use super::select::Selections;
use super::softmax::whole;
use super::{attributes::Attributes, shape};
use crate::domains::network::{Coefficients, LinearMap};
use std::collections::HashSet;

/// The name of an input or output.
pub(super) fn name_of(info: &ValueInfoProto) -> &str {
    info.name.as_deref().unwrap_or("")
}

fn element_of(info: &ValueInfoProto) -> Option<i32> {
    info.r#type.as_ref()?.tensor_type.as_ref()?.elem_type
}

/// Refuses to tell apart what has one name; `whose` are the tensors.
fn check_distinct<'a>(mut names: impl Iterator<Item = &'a str>, whose: &str, what: &str) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    let twice = names.find(|name| !seen.insert(*name));
    twice.map_or(Ok(()), |name| Err(format!("{whose} has two {what}s `{name}`; give each a name of its own").into()))
}

/// Those of `all` that have these names, in the order of the names, which must be all of them.
fn named<'a>(all: Vec<&'a ValueInfoProto>, names: &[String], what: &str) -> Result<Vec<&'a ValueInfoProto>, Fault> {
    check_distinct(names.iter().map(String::as_str), "the query", what)?;
    let find = |name: &String| {
        let found = all.iter().copied().find(|info| name_of(info) == name);
        found.ok_or_else(|| Fault::from(format!("the graph has no {what} `{name}`; it has {:?}", names_of(&all))))
    };
    let chosen: Vec<&ValueInfoProto> = names.iter().map(find).collect::<Result<_, _>>()?;
    if chosen.len() != all.len() {
        return Err(format!("the graph has other {what}s than {names:?}: {:?}", names_of(&all)).into());
    }
    Ok(chosen)
}

fn names_of<'a>(infos: &[&'a ValueInfoProto]) -> Vec<&'a str> {
    infos.iter().map(|info| name_of(info)).collect()
}

/// The inputs that are no initializers (old files list these as inputs too): those that are asked for, or the only one.
pub(super) fn inputs<'a>(graph: &'a GraphProto, ports: Option<&Ports>) -> Result<Vec<&'a ValueInfoProto>, Fault> {
    let constants: HashSet<&str> = graph.initializer.iter().filter_map(|t| t.name.as_deref()).collect();
    let all: Vec<&ValueInfoProto> = graph.input.iter().filter(|i| !constants.contains(name_of(i))).collect();
    let names = names_of(&all);
    check_distinct(names.iter().copied(), "the graph", "input")?;
    match ports {
        _ if all.is_empty() => Err("the graph has no input".into()),
        None if all.len() > 1 => {
            Err(format!("expected one input, found {}: {names:?}; join them into one tensor", names.len()).into())
        }
        Some(Ports { inputs: Some(names), .. }) => named(all, names, "input"),
        _ => Ok(all),
    }
}

/// The tensors that are the network's outputs, hidden ones first, each with the type that the file tells.
pub(super) fn outputs<'a>(
    graph: &'a GraphProto,
    ports: Option<&'a Ports>,
) -> Result<Vec<(&'a str, Option<i32>)>, Fault> {
    let all: Vec<&ValueInfoProto> = graph.output.iter().collect();
    let names = names_of(&all);
    check_distinct(names.iter().copied(), "the graph", "output")?;
    let chosen = match ports {
        None if all.len() != 1 => {
            return Err(format!("expected one output, found {}: {names:?}; keep only one", names.len()).into());
        }
        Some(Ports { outputs: Some(names), .. }) => named(all, names, "output")?,
        _ => all,
    };
    let hidden = ports.map_or(&[][..], |ports| &ports.hidden);
    let hidden = hidden.iter().map(|name| (name.as_str(), None));
    Ok(hidden.chain(chosen.into_iter().map(|info| (name_of(info), element_of(info)))).collect())
}

/// An input's name, type and shape, where a leading symbolic or missing length (the batch) counts as 1.
pub(super) fn input_port(input: &ValueInfoProto) -> Result<Port, Fault> {
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
    if shape.is_empty() { Err(no_shape()) } else { Ok(Port { name: name.to_owned(), element: Some(element), shape }) }
}

/// The network's one input as the tensors that it is made of, one after the other.
pub(super) fn split(inputs: &[Port], budget: usize) -> Result<(Lowering, Vec<Tensor>), Fault> {
    if let [input] = inputs {
        let lowering = Lowering::new(&input.shape, budget)?;
        let x = Tensor::new(lowering.builder.input(), input.shape.clone());
        return Ok((lowering, vec![x]));
    }
    let lengths: Vec<usize> = inputs.iter().map(|input| shape::product(&input.shape)).collect::<Result<_, _>>()?;
    let total = lengths.iter().try_fold(0usize, |sum, n| sum.checked_add(*n)).ok_or("the inputs are too long")?;
    let mut lowering = Lowering::new(&[total], budget)?;
    let mut tensors = Vec::with_capacity(inputs.len());
    let mut start = 0;
    for (input, len) in inputs.iter().zip(lengths) {
        lowering.reserve(&[len])?;
        let index = (start..start + len).map(Some).collect();
        let map = LinearMap::Select { input_len: total, index };
        let node = lowering.builder.linear(&input.name, 0, map, Coefficients::zeros(len))?;
        tensors.push(Tensor::new(node, input.shape.clone()));
        start += len;
    }
    Ok((lowering, tensors))
}

/// The tensors one after the other as one; where there are several, or that is asked for, with each Softmax that was
/// dropped at their ends.
pub(super) fn join(
    outputs: &[(&str, Value)],
    ports: Option<&Ports>,
    net: &mut Lowering,
    external: &External,
) -> Result<Tensor, Fault> {
    let attributes = Attributes(&[]);
    let op =
        Operator { label: "outputs", inputs: Vec::new(), attributes, opset: 0, outputs: 1, external, zero_type: None };
    if let [(_, Value::Tensor(y))] = outputs {
        let is_computed = ports.is_some_and(|ports| ports.computes_softmax);
        return if is_computed { whole(&op, net, y) } else { Ok(y.clone()) };
    }
    let lengths: Vec<usize> = outputs.iter().map(|(_, y)| shape::product(y.shape())).collect::<Result<_, _>>()?;
    let len = lengths.iter().try_fold(0usize, |sum, n| sum.checked_add(*n)).ok_or("the outputs are too long")?;
    net.reserve_tensor(&[len])?;
    let mut sum = Selections::of(Coefficients::zeros(len));
    let mut start = 0;
    for (i, ((_, y), n)) in outputs.iter().zip(lengths).enumerate() {
        let y = match y {
            Value::Tensor(y) => whole(&op, net, y)?.into(),
            Value::Constant(_) => y.clone(),
        };
        // Each costs an index map over the whole.
        net.reserve(&[len])?;
        let index = (0..len).map(|k: usize| k.checked_sub(start).filter(|&k| k < n)).collect();
        sum.add(net, i, &y, index)?;
        start += n;
    }
    match sum.into_value(&op, net, vec![len])? {
        Value::Tensor(y) => Ok(y),
        // Nothing depends on the input.
        Value::Constant(c) => {
            let index = vec![None; len];
            let map = LinearMap::Select { input_len: net.builder.len(net.builder.input()), index };
            net.linear(&op, net.builder.input(), map, c.values.clone(), vec![len])
        }
    }
}
