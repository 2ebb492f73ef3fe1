//! QuantizeLinear, a staircase between two affine maps, and DequantizeLinear.

use super::arithmetic::scaled;
use super::constant::{Constant, negated};
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Value};
use super::proto::{INT8, INT16, UINT8, UINT16, type_name};
use super::shape;
use crate::domains::activation::Staircase;
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator};
use std::sync::Arc;

/// One parameter per position along the axis, or one for all, for every entry of data of this shape.
fn spread(op: &Operator, c: &Constant, to: &[usize]) -> Result<Coefficients, Fault> {
    if c.len() == 1 {
        return Ok(c.values.select(&vec![Some(0); shape::product(to)?]));
    }
    let axis = shape::axis(op.attributes.int("axis", 1), to.len())?;
    if c.shape != [to[axis]] {
        let (found, length) = (&c.shape, to[axis]);
        return Err(format!("scales of shape {found:?} do not fit axis {axis} of length {length}").into());
    }
    let mut along = vec![1; to.len() - axis];
    along[0] = to[axis];
    Ok(c.values.select(&shape::broadcast_index(&along, to)))
}

fn refuse_blocks(op: &Operator) -> Result<(), Fault> {
    match op.attributes.int("block_size", 0) {
        0 => Ok(()),
        _ => Err("scales of blocks are not supported; convert the model to float32 first".into()),
    }
}

/// `min(max(round(x / scale) + zero_point, least), most)` with the limits of the type of the result; the even one of two.
pub(super) fn quantize(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let (x, scale, zero) = (op.tensor(0)?, op.constant(1)?, op.optional_constant(2)?);
    refuse_blocks(op)?;
    let of_attribute = i32::try_from(op.attributes.int("output_dtype", 0)).ok().filter(|&t| t != 0);
    let data_type = match zero {
        Some(_) => op.zero_type.ok_or("its zero point must be stored in the file, with its type")?,
        None => of_attribute.unwrap_or(UINT8),
    };
    let (least, most) = match data_type {
        UINT8 => (0, 255),
        INT8 => (-128, 127),
        UINT16 => (0, 65535),
        INT16 => (-32768, 32767),
        other => return Err(format!("a quantisation to {} is not supported", type_name(other)).into()),
    };
    // One staircase serves all entries.
    let zeros = zero.map_or_else(|| Ok(vec![0]), Constant::to_integers)?;
    let zero = match zeros[..] {
        [first, ref others @ ..] if others.iter().all(|z| *z == first) => i32::try_from(first).unwrap_or(0),
        _ => return Err("zero points that differ are not supported; quantise with one for all".into()),
    };
    let len = net.reserve_tensor(&x.shape)?;
    let divisors = spread(op, scale, &x.shape)?;
    let reciprocals = Constant { shape: vec![len], values: divisors.clone(), integer: false }.reciprocals()?.values;
    let quotient = scaled(op, net, x, reciprocals)?;
    net.computed_by(&quotient, NodeOperator::Quotient(divisors))?;
    let mut steps = net.activation(op, &quotient, Arc::new(Staircase::nearest(least - zero, most - zero)))?;
    if zero != 0 {
        let shift = Coefficients::floats(vec![f64::from(zero); len]);
        steps = net.linear(op, steps.node, LinearMap::Identity(len), shift, x.shape.clone())?;
    }
    steps.integers = true;
    Ok(steps.into())
}

/// `(x − zero_point) · scale`.
pub(super) fn dequantize(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let (x, scale, zero) = (op.value(0)?, op.constant(1)?, op.optional_constant(2)?);
    refuse_blocks(op)?;
    let len = net.reserve(x.shape())?;
    let scales = spread(op, scale, x.shape())?;
    let minus_zero = zero.map(|zero| Ok::<_, Fault>(negated(&spread(op, zero, x.shape())?))).transpose()?;
    match x {
        Value::Constant(_) => {
            let x = op.constant(0)?;
            let centred = minus_zero.map_or_else(|| x.values.clone(), |minus_zero| x.values.plus(&minus_zero));
            let values = centred.times(&scales);
            Ok(net.computed(Constant { shape: x.shape.clone(), values, integer: false }))
        }
        Value::Tensor(x) => {
            let centred = match minus_zero {
                None => x.clone(),
                Some(shift) => net.linear(op, x.node, LinearMap::Identity(len), shift, x.shape.clone())?,
            };
            Ok(scaled(op, net, &centred, scales)?.into())
        }
    }
}
