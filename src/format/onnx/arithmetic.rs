//! Add, Sub, Mul, Div and Neg, element by element with broadcasting.

use super::constant::{Constant, negated};
use super::fault::Fault;
use super::lowering::{Lowering, Operator, ROUNDS_INTEGERS, ShiftedSign, Tensor, Value, finite};
use super::products;
use super::shape;
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator, Term};
use std::rc::Rc;

/// `a + b`.
pub(super) fn add(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    sum(op, net, false)
}

/// `a − b`.
pub(super) fn sub(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    sum(op, net, true)
}

/// `−a`.
pub(super) fn neg(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    match op.value(0)? {
        Value::Tensor(x) => {
            let minus_one = Coefficients::floats(vec![-1.0; net.reserve_tensor(&x.shape)?]);
            Ok(scaled(op, net, x, minus_one)?.into())
        }
        Value::Constant(c) => Ok(Constant { values: negated(&finite(c, 0)?.values), ..Constant::clone(c) }.into()),
    }
}

/// `a ± b`.
fn sum(op: &Operator, net: &mut Lowering, minus: bool) -> Result<Value, Fault> {
    let shape = shape::broadcast(op.value(0)?.shape(), op.value(1)?.shape())?;
    let len = net.reserve(&shape)?;
    let signed = |c: Coefficients| if minus { negated(&c) } else { c };
    match (op.value(0)?, op.value(1)?) {
        (Value::Constant(a), Value::Constant(b)) => {
            let right = signed(finite(b, 1)?.broadcast_to(&shape)?);
            let values = finite(a, 0)?.broadcast_to(&shape)?.plus(&right);
            Ok(net.computed(Constant { shape, values, integer: a.integer && b.integer }))
        }
        (Value::Tensor(x), Value::Constant(c)) => {
            shifted(op, net, x, signed(finite(c, 1)?.broadcast_to(&shape)?), shape)
        }
        (Value::Constant(c), Value::Tensor(x)) => {
            let bias = finite(c, 0)?.broadcast_to(&shape)?;
            if !minus {
                return shifted(op, net, x, bias, shape);
            }
            let x = net.expand(op, x, &shape)?;
            let map = LinearMap::Diagonal(Coefficients::floats(vec![-1.0; len]));
            Ok(net.linear(op, x.node, map, bias, shape)?.into())
        }
        (Value::Tensor(x), Value::Tensor(y)) => {
            let (x, y) = (net.expand(op, x, &shape)?, net.expand(op, y, &shape)?);
            let sign = Coefficients::floats(vec![-1.0; len]);
            let map = if minus { LinearMap::Diagonal(sign) } else { LinearMap::Identity(len) };
            let terms = vec![
                Term { source: x.node, map: LinearMap::Identity(len).into() },
                Term { source: y.node, map: map.into() },
            ];
            Ok(net.affine(op, terms, Coefficients::zeros(len), shape)?.into())
        }
    }
}

/// `x + bias`; remembers that the result is a shifted sign where `x` is one.
fn shifted(
    op: &Operator,
    net: &mut Lowering,
    x: &Tensor,
    bias: Coefficients,
    shape: Vec<usize>,
) -> Result<Value, Fault> {
    let x = net.expand(op, x, &shape)?;
    let is_float32 = |i: usize| bias.radius(i) == 0.0 && f64::from(bias.values()[i] as f32) == bias.values()[i];
    let shifted_sign = x.shifted_sign.as_deref().map(|s| ShiftedSign {
        source: s.source,
        shift: s.shift.plus(&bias),
        // −1, 0 or 1 plus one such number never rounds to 0.
        is_kept_in_float32: s.shift.is_zero() && (0..bias.len()).all(is_float32),
    });
    let sum = net.linear(op, x.node, LinearMap::Identity(bias.len()), bias, shape)?;
    Ok(Tensor { shifted_sign: shifted_sign.map(Rc::new), ..sum }.into())
}

/// `diag(d) x`.
pub(super) fn scaled(op: &Operator, net: &mut Lowering, x: &Tensor, d: Coefficients) -> Result<Tensor, Fault> {
    let bias = Coefficients::zeros(d.len());
    net.linear(op, x.node, LinearMap::Diagonal(d), bias, x.shape.clone())
}

/// `a · b`.
pub(super) fn mul(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let shape = shape::broadcast(op.value(0)?.shape(), op.value(1)?.shape())?;
    net.reserve(&shape)?;
    match (op.value(0)?, op.value(1)?) {
        (Value::Constant(a), Value::Constant(b)) => {
            let values = finite(a, 0)?.broadcast_to(&shape)?.times(&finite(b, 1)?.broadcast_to(&shape)?);
            Ok(net.computed(Constant { shape, values, integer: a.integer && b.integer }))
        }
        (Value::Tensor(x), Value::Constant(c)) | (Value::Constant(c), Value::Tensor(x)) => {
            let factors = finite(c, 1)?.broadcast_to(&shape)?;
            let x = net.expand(op, x, &shape)?;
            Ok(scaled(op, net, &x, factors)?.into())
        }
        (Value::Tensor(x), Value::Tensor(y)) => Ok(products::entrywise(op, net, [x, y], shape)?.into()),
    }
}

/// `a / b`: with a constant `b` the diagonal of the exact reciprocals, else the product with the reciprocal.
pub(super) fn div(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let shape = shape::broadcast(op.value(0)?.shape(), op.value(1)?.shape())?;
    net.reserve(&shape)?;
    let reads_data = op.inputs.iter().flatten().any(|v| matches!(v, Value::Tensor(_)));
    if reads_data && op.inputs.iter().flatten().any(Value::is_of_integers) {
        return Err(ROUNDS_INTEGERS.into());
    }
    let divisor = match op.value(1)? {
        Value::Constant(divisor) => divisor,
        Value::Tensor(y) => return quotient(op, net, y, shape),
    };
    let factors = finite(divisor, 1)?.reciprocals()?;
    match op.value(0)? {
        Value::Constant(a) if a.integer && divisor.integer => {
            let integers = |c: &Constant| {
                Constant { shape: shape.clone(), values: c.broadcast_to(&shape)?, integer: true }.to_integers()
            };
            let (a, b) = (integers(finite(a, 0)?)?, integers(divisor)?);
            let quotient = |(a, b): (&i64, &i64)| a.checked_div(*b).ok_or("an integer division overflows");
            let quotients: Vec<i64> = a.iter().zip(&b).map(quotient).collect::<Result<_, _>>()?;
            Ok(Constant { shape, ..Constant::integers(&quotients) }.into())
        }
        Value::Constant(a) => {
            let values = finite(a, 0)?.broadcast_to(&shape)?.times(&factors.broadcast_to(&shape)?);
            Ok(net.computed(Constant { shape, values, integer: false }))
        }
        Value::Tensor(x) => {
            let factors = factors.broadcast_to(&shape)?;
            let x = net.expand(op, x, &shape)?;
            let quotient = scaled(op, net, &x, factors)?;
            net.computed_by(&quotient, NodeOperator::Quotient(divisor.broadcast_to(&shape)?))?;
            Ok(quotient.into())
        }
    }
}

/// `a / y` of a tensor or a constant `a`.
fn quotient(op: &Operator, net: &mut Lowering, y: &Tensor, shape: Vec<usize>) -> Result<Value, Fault> {
    let reciprocal = products::reciprocal(op, net, y)?;
    match op.value(0)? {
        Value::Tensor(x) => {
            let product = products::entrywise(op, net, [x, &reciprocal], shape)?;
            net.computed_by(&product, NodeOperator::Part)?;
            let (len, shape) = (net.builder.len(product.node), product.shape);
            let quotient = net.linear(op, product.node, LinearMap::Identity(len), Coefficients::zeros(len), shape)?;
            net.computed_by(&quotient, NodeOperator::Division)?;
            Ok(quotient.into())
        }
        Value::Constant(c) => {
            let factors = finite(c, 0)?.broadcast_to(&shape)?;
            let are_float32 = (0..factors.len()).all(|i| factors.float32(i).is_some());
            net.computed_by(&reciprocal, NodeOperator::Part)?;
            let reciprocal = net.expand(op, &reciprocal, &shape)?;
            let quotient = scaled(op, net, &reciprocal, factors)?;
            // Other numerators are rounded, too, for which the node's own sums of products count enough.
            if are_float32 {
                net.computed_by(&quotient, NodeOperator::Operations(1))?;
            }
            Ok(quotient.into())
        }
    }
}
