//! Operators that leave the entries where they are: only the tracked shape changes.

use super::activations::rounded;
use super::constant::Constant;
use super::fault::Fault;
use super::logic::is_true;
use super::lowering::{Lowering, Operator, Value, finite};
use super::proto::{BFLOAT16, BOOL, DOUBLE, FLOAT, FLOAT16, INT32, INT64, type_name};
use super::shape;
use crate::domains::activation::Staircase;
use crate::domains::network::Coefficients;

/// A constant of the graph.
pub(super) fn constant(op: &Operator, _: &mut Lowering) -> Result<Value, Fault> {
    if let Some(tensor) = op.attributes.tensor("value") {
        return Ok(Constant::decode(tensor, op.external)?.into());
    }
    let floats = |shape: Vec<usize>, values: Vec<f64>| {
        Constant { shape, values: Coefficients::floats(values), integer: false }.into()
    };
    if let Some(values) = op.attributes.floats("value_floats") {
        return Ok(floats(vec![values.len()], values.iter().map(|&v| f64::from(v)).collect()));
    }
    if let Some(value) = op.attributes.float("value_float")? {
        return Ok(floats(vec![], vec![value]));
    }
    if let Some(values) = op.attributes.ints("value_ints") {
        return Ok(Constant::integers(values).into());
    }
    const NONE: i64 = i64::MIN;
    match op.attributes.int("value_int", NONE) {
        NONE => Err("it has no value that is a tensor of numbers".into()),
        value => Ok(Constant { shape: vec![], ..Constant::integers(&[value]) }.into()),
    }
}

/// The same tensor.
pub(super) fn identity(op: &Operator, _: &mut Lowering) -> Result<Value, Fault> {
    Ok(op.value(0)?.clone())
}

/// The same tensor: at inference nothing is dropped.
pub(super) fn dropout(op: &Operator, _: &mut Lowering) -> Result<Value, Fault> {
    let training = op.optional_constant(2)?.map(Constant::scalar).transpose()?;
    if training.is_some_and(|t| t != 0.0) {
        return Err("training_mode is set; export the model for inference".into());
    }
    Ok(op.value(0)?.clone())
}

/// The same tensor, where the new type holds its numbers.
pub(super) fn cast(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let to = i32::try_from(op.attributes.int("to", 0)).unwrap_or(0);
    let refuse = || Err(Fault::from(format!("a conversion to {} is not supported here", type_name(to))));
    let c = match op.value(0)? {
        Value::Tensor(x) if [FLOAT, DOUBLE].contains(&to) => return Ok(x.clone().into()),
        Value::Tensor(x) if [INT32, INT64].contains(&to) => {
            return Ok(rounded(op, net, x, f64::trunc, Staircase::truncation)?.into());
        }
        Value::Tensor(x) if to == BOOL => return is_true(op, net, x),
        Value::Tensor(_) => return refuse(),
        Value::Constant(c) => finite(c, 0)?,
    };
    match to {
        DOUBLE => Ok(Constant { integer: false, ..c.clone() }.into()),
        FLOAT if c.values.is_exact() => {
            let rounded = c.values.values().iter().map(|&v| f64::from(v as f32)).collect();
            Ok(Constant { values: Coefficients::floats(rounded), shape: c.shape.clone(), integer: false }.into())
        }
        INT64 | INT32 => match c.to_integers() {
            Ok(_) => Ok(Constant { integer: true, ..c.clone() }.into()),
            Err(_) => refuse(),
        },
        FLOAT | FLOAT16 | BFLOAT16 | BOOL => refuse(),
        _ => refuse(),
    }
}

/// All axes before `axis` as one, and all others as one.
pub(super) fn flatten(op: &Operator, _: &mut Lowering) -> Result<Value, Fault> {
    let x = op.value(0)?;
    let rank = x.shape().len();
    let axis = match op.attributes.int("axis", 1) {
        last if last == rank as i64 => rank,
        axis => shape::axis(axis, rank)?,
    };
    let (outer, inner) = x.shape().split_at(axis);
    x.reshaped(vec![shape::product(outer)?, shape::product(inner)?])
}

/// Another shape: 0 keeps an axis, −1 stands for what is left.
pub(super) fn reshape(op: &Operator, _: &mut Lowering) -> Result<Value, Fault> {
    let x = op.value(0)?;
    let wanted = op.constant(1)?.to_integers()?;
    let keep_zeros = op.attributes.int("allowzero", 0) != 0;
    let misfit = || Fault::from(format!("a tensor of shape {:?} cannot be given the shape {wanted:?}", x.shape()));
    let mut to = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (axis, &length) in wanted.iter().enumerate() {
        to.push(match length {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 if !keep_zeros => *x.shape().get(axis).ok_or_else(misfit)?,
            length => usize::try_from(length).map_err(|_| misfit())?,
        });
    }
    if let Some(axis) = open {
        let (total, rest) = (shape::product(x.shape())?, shape::product(&to)?);
        to[axis] = total.checked_div(rest).ok_or_else(misfit)?;
    }
    x.reshaped(to)
}

/// The axes that Squeeze and Unsqueeze name, as an attribute or since operator set 13 as an input.
fn axes(op: &Operator) -> Result<Option<Vec<i64>>, Fault> {
    if op.opset < 13 {
        return Ok(op.attributes.ints("axes").map(<[i64]>::to_vec));
    }
    op.optional_constant(1)?.map(Constant::to_integers).transpose()
}

/// Without these axes of length 1, or without all such.
pub(super) fn squeeze(op: &Operator, _: &mut Lowering) -> Result<Value, Fault> {
    let x = op.value(0)?;
    let shape = x.shape();
    let drop = match axes(op)? {
        None => shape.iter().map(|&n| n == 1).collect(),
        Some(axes) => {
            let mut drop = vec![false; shape.len()];
            for axis in axes {
                drop[shape::axis(axis, shape.len())?] = true;
            }
            drop
        }
    };
    let kept = shape.iter().zip(&drop).filter(|(_, drop)| !**drop).map(|(n, _)| *n).collect();
    x.reshaped(kept)
}

/// With additional axes of length 1.
pub(super) fn unsqueeze(op: &Operator, _: &mut Lowering) -> Result<Value, Fault> {
    let x = op.value(0)?;
    let axes = axes(op)?.ok_or("it names no axes")?;
    let rank = x.shape().len() + axes.len();
    let mut added = vec![false; rank];
    for &axis in &axes {
        let axis = shape::axis(axis, rank)?;
        if std::mem::replace(&mut added[axis], true) {
            return Err(format!("it adds axis {axis} twice").into());
        }
    }
    let mut lengths = x.shape().iter().copied();
    let shape = added.iter().map(|&added| if added { 1 } else { lengths.next().unwrap_or(1) }).collect();
    x.reshaped(shape)
}

/// The shape, as a constant.
pub(super) fn shape_of(op: &Operator, _: &mut Lowering) -> Result<Value, Fault> {
    let shape = op.value(0)?.shape();
    let rank = shape.len() as i64;
    let end = |name: &str, default: i64| {
        let at = op.attributes.int(name, default);
        usize::try_from(if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank)).unwrap_or(0)
    };
    let (start, end) = (end("start", 0), end("end", rank));
    let lengths: Vec<i64> = shape.iter().take(end).skip(start).map(|&n| n as i64).collect();
    Ok(Constant::integers(&lengths).into())
}
