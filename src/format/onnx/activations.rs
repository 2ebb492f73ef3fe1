//! Relu, LeakyRelu, Clip, rounding to integers and Sign.

use super::arithmetic::scaled;
use super::constant::Constant;
use super::fault::Fault;
use super::lowering::{Clipped, Lowering, Operator, ShiftedSign, Tensor, Value, finite};
use crate::domains::activation::{Clip, LeakyRelu, Relu, Sign, SignWithZero, Staircase};
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator};
use std::rc::Rc;
use std::sync::Arc;

/// `max(x, 0)`.
pub(super) fn relu(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    Ok(net.activation(op, op.tensor(0)?, Arc::new(Relu))?.into())
}

/// `x` where it is positive, else `alpha · x`.
pub(super) fn leaky_relu(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let alpha = op.attributes.float("alpha")?.unwrap_or(f64::from(0.01f32));
    Ok(net.activation(op, op.tensor(0)?, Arc::new(LeakyRelu::new(alpha)))?.into())
}

/// `min(max(x, low), high)`; a missing end is no end, and one end alone is a shifted ReLU.
pub(super) fn clip(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let end = |name: &str, i: usize| {
        if op.opset < 11 {
            return op.attributes.float(name);
        }
        match op.optional(i) {
            None => Ok(None),
            Some(Value::Constant(c)) => c.scalar().map(Some),
            Some(Value::Tensor(_)) => Err(Fault::from(format!("`{name}` must be a constant"))),
        }
    };
    let low = end("min", 1)?.filter(|&v| v != f64::NEG_INFINITY);
    let high = end("max", 2)?.filter(|&v| v != f64::INFINITY);
    match (low, high) {
        (None, None) => Ok(x.clone().into()),
        (Some(v), _) | (_, Some(v)) if !v.is_finite() => Err(format!("it clips at {v}").into()),
        (Some(low), Some(high)) if low > high => Err(format!("min = {low} exceeds max = {high}").into()),
        (Some(low), Some(high)) => {
            let clipped = Some(Clipped { source: x.node, low, high });
            Ok(Tensor { clipped, ..net.activation(op, x, Arc::new(Clip::new(low, high)))? }.into())
        }
        (Some(0.0), None) => relu(op, net),
        (Some(low), None) => clip_one_side(op, net, x, 1.0, low),
        (None, Some(high)) => clip_one_side(op, net, x, -1.0, high),
    }
}

/// `max(x, end) = end + relu(x − end)` for sign 1, `min(x, end) = end − relu(end − x)` for sign −1.
fn clip_one_side(op: &Operator, net: &mut Lowering, x: &Tensor, sign: f64, end: f64) -> Result<Value, Fault> {
    let n = net.reserve_tensor(&x.shape)?;
    let signs = || LinearMap::Diagonal(Coefficients::floats(vec![sign; n]));
    let before = Coefficients::floats(vec![-sign * end; n]);
    let distance = net.linear(op, x.node, signs(), before, x.shape.clone())?;
    let excess = net.activation(op, &distance, Arc::new(Relu))?;
    let limited = net.linear(op, excess.node, signs(), Coefficients::floats(vec![end; n]), x.shape.clone())?;
    let is_float32 = f64::from(end as f32) == end;
    for node in [&distance, &limited] {
        net.computed_by(node, if is_float32 { NodeOperator::Choice } else { NodeOperator::Unknown })?;
    }
    Ok(limited.into())
}

/// No more integers than this are told apart by a rounding.
const MOST_STEPS: f64 = 65536.0;

/// The integers to which a rounding takes the ends of a clipped range.
type Staircases = fn(i32, i32) -> Staircase;

/// The largest integer that is not above `x`.
pub(super) fn floor(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    Ok(rounded(op, net, op.tensor(0)?, f64::floor, Staircase::floor)?.into())
}

/// The nearest integer, the even one of two.
pub(super) fn round(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    Ok(rounded(op, net, op.tensor(0)?, f64::round_ties_even, Staircase::nearest)?.into())
}

/// A tensor rounded to integers, of which there are finitely many: what is rounded was clipped before. The clip becomes
/// part of the rounding, `⌊min(max(z, low), high)⌋ = min(max(⌊z⌋, ⌊low⌋), ⌊high⌋)`, so that nothing but steps is left.
pub(super) fn rounded(
    op: &Operator,
    net: &mut Lowering,
    x: &Tensor,
    rounding: fn(f64) -> f64,
    staircase: Staircases,
) -> Result<Tensor, Fault> {
    if x.integers {
        return Ok(x.clone());
    }
    let Some(Clipped { source, low, high }) = x.clipped else {
        let what = "it rounds numbers to integers without limits; put a Clip between two numbers in front of it";
        return Err(what.into());
    };
    let (first, last) = (rounding(low), rounding(high));
    if last - first > MOST_STEPS || first.abs().max(last.abs()) > f64::from(i32::MAX) {
        return Err(format!("it tells apart the integers from {first} to {last}, of which there are too many").into());
    }
    let z = Tensor::new(source, x.shape.clone());
    Ok(Tensor { integers: true, ..net.activation(op, &z, Arc::new(staircase(first as i32, last as i32)))? })
}

/// ONNX's sign, which is 0 at 0; and the pattern that gives 0 a sign.
///
/// `s = sign(z)` is −1, 0 or 1. For `0 < c < 1` the sum `s + c` is negative, positive, positive, so
/// `sign(s + c)` is the signum with sign(0) = +1. For `−1 < c < 0` it is negative, negative, positive:
/// the signum with sign(0) = −1, that is `−signum(−z)`. Any other shift is lowered as it stands.
pub(super) fn sign(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    if let Some(s) = &x.shifted_sign {
        let all =
            |inside: fn(f64, f64) -> bool| (0..s.shift.len()).map(|i| s.shift.enclosure(i)).all(|c| inside(c.lo, c.hi));
        let mut z = Tensor::new(s.source, x.shape.clone());
        if !s.is_kept_in_float32 {
            z = net.linear(
                op,
                z.node,
                LinearMap::Identity(s.shift.len()),
                Coefficients::zeros(s.shift.len()),
                z.shape,
            )?;
            net.computed_by(&z, NodeOperator::Unknown)?;
        }
        if all(|lo, hi| 0.0 < lo && hi < 1.0) {
            return Ok(net.activation(op, &z, Arc::new(Sign))?.into());
        }
        if all(|lo, hi| -1.0 < lo && hi < 0.0) {
            let minus_one = Coefficients::floats(vec![-1.0; net.reserve_tensor(&x.shape)?]);
            let opposite = scaled(op, net, &z, minus_one.clone())?;
            let signum = net.activation(op, &opposite, Arc::new(Sign))?;
            return Ok(scaled(op, net, &signum, minus_one)?.into());
        }
    }
    let y = net.activation(op, x, Arc::new(SignWithZero))?;
    let shift = Coefficients::zeros(net.builder.len(x.node));
    let shifted_sign = Some(Rc::new(ShiftedSign { source: x.node, shift, is_kept_in_float32: true }));
    Ok(Tensor { shifted_sign, ..y }.into())
}

/// QONNX's `scale · signum(x)` with sign(0) = +1, of data or of a constant (a weight).
pub(super) fn bipolar(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let shape = op.value(0)?.shape().to_vec();
    let scale = op.constant(1)?.broadcast_to(&shape)?;
    match op.value(0)? {
        Value::Tensor(x) => {
            let signum = net.activation(op, x, Arc::new(Sign))?;
            Ok(if scale.is_one() { signum } else { scaled(op, net, &signum, scale)? }.into())
        }
        Value::Constant(c) => {
            let Constant { values, .. } = finite(c, 0)?;
            let signum = |i: usize| match values.parameter(i).signum() {
                Some(sign) if sign < 0.0 => Ok(-1.0),
                Some(_) => Ok(1.0),
                None => Err(Fault::from("the sign of a constant that is known only approximately")),
            };
            let signs = (0..c.len()).map(signum).collect::<Result<_, _>>()?;
            Ok(Constant { shape, values: Coefficients::floats(signs).times(&scale), integer: false }.into())
        }
    }
}
