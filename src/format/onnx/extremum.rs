//! Max, Min, Abs and PRelu of data and constants, exactly as affine nodes and ReLUs.

use super::constant::Constant;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value, finite};
use super::shape;
use crate::domains::activation::{LeakyRelu, Relu};
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator, Term};
use crate::domains::num::Rational;
use std::sync::Arc;

/// The largest of all operands, entry by entry.
pub(super) fn max(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    extremum(op, net, 1.0)
}

/// The smallest of all operands, entry by entry.
pub(super) fn min(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    extremum(op, net, -1.0)
}

/// By rounds of pairs: the maximum for sign 1, the minimum for −1.
fn extremum(op: &Operator, net: &mut Lowering, sign: f64) -> Result<Value, Fault> {
    let mut left: Vec<Value> = (0..op.inputs.len()).map(|i| op.value(i).cloned()).collect::<Result<_, _>>()?;
    while left.len() > 1 {
        let mut next = Vec::with_capacity(left.len().div_ceil(2));
        for pair in left.chunks(2) {
            next.push(match pair {
                [a, b] => of_two(op, net, (a, b), sign)?,
                _ => pair[0].clone(),
            });
        }
        left = next;
    }
    left.pop().ok_or_else(|| "it has no inputs".into())
}

/// `max(a, b) = b + relu(a − b)`, and `min(a, b) = b − relu(b − a)`.
fn of_two(op: &Operator, net: &mut Lowering, (a, b): (&Value, &Value), sign: f64) -> Result<Value, Fault> {
    let shape = shape::broadcast(a.shape(), b.shape())?;
    let len = net.reserve(&shape)?;
    if let (Value::Constant(a), Value::Constant(b)) = (a, b) {
        return of_constants(net, (a.as_ref(), b.as_ref()), shape, sign);
    }
    net.reserve(&[len, 3])?;
    let difference = signed_sum(op, net, &[(a, sign), (b, -sign)], &shape)?;
    let excess = net.activation(op, &difference, Arc::new(Relu))?;
    let result = signed_sum(op, net, &[(b, 1.0), (&excess.into(), sign)], &shape)?;
    let is_float32 = |v: &Value| match v {
        Value::Tensor(_) => true,
        Value::Constant(c) => (0..c.len())
            .all(|i| c.values.radius(i) == 0.0 && f64::from(c.values.values()[i] as f32) == c.values.values()[i]),
    };
    let chooses = is_float32(a) && is_float32(b);
    for node in [&difference, &result] {
        net.computed_by(node, if chooses { NodeOperator::Choice } else { NodeOperator::Unknown })?;
    }
    Ok(result.into())
}

fn of_constants(
    net: &mut Lowering,
    (a, b): (&Constant, &Constant),
    shape: Vec<usize>,
    sign: f64,
) -> Result<Value, Fault> {
    let integer = a.integer && b.integer;
    let (a, b) = (finite(a, 0)?.broadcast_to(&shape)?, finite(b, 1)?.broadcast_to(&shape)?);
    let known =
        |c: &Coefficients, i: usize| c.rational(i).ok_or_else(|| Fault::from("a constant is known only approximately"));
    let values = if a.is_exact() && b.is_exact() {
        let pairs = a.values().iter().zip(b.values());
        Coefficients::floats(pairs.map(|(a, b)| if sign > 0.0 { a.max(*b) } else { a.min(*b) }).collect())
    } else {
        let choose = |i: usize| -> Result<Rational, Fault> {
            let (a, b) = (known(&a, i)?, known(&b, i)?);
            Ok(if sign > 0.0 { a.max(b) } else { a.min(b) })
        };
        Coefficients::rationals((0..a.len()).map(choose).collect::<Result<_, _>>()?)
    };
    Ok(net.computed(Constant { shape, values, integer }))
}

/// `Σ ±v`, each broadcast to the shape.
fn signed_sum(op: &Operator, net: &mut Lowering, parts: &[(&Value, f64)], shape: &[usize]) -> Result<Tensor, Fault> {
    let len = shape::product(shape)?;
    let (mut terms, mut bias) = (Vec::new(), Coefficients::zeros(len));
    for (i, &(value, sign)) in parts.iter().enumerate() {
        let signs = || Coefficients::floats(vec![sign; len]);
        match value {
            Value::Constant(c) => bias = bias.plus(&finite(c, i)?.broadcast_to(shape)?.times(&signs())),
            Value::Tensor(x) => {
                let map = if sign == 1.0 { LinearMap::Identity(len) } else { LinearMap::Diagonal(signs()) };
                terms.push(Term { source: net.expand(op, x, shape)?.node, map: map.into() });
            }
        }
    }
    net.affine(op, terms, bias, shape.to_vec())
}

/// The sum of all operands.
pub(super) fn sum(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let parts: Vec<&Value> = (0..op.inputs.len()).map(|i| op.value(i)).collect::<Result<_, _>>()?;
    let mut shape = parts.first().ok_or("it has no inputs")?.shape().to_vec();
    for part in &parts {
        shape = shape::broadcast(&shape, part.shape())?;
        net.reserve(&shape)?;
    }
    let mut constants = parts.iter().enumerate().filter_map(|(i, part)| match part {
        Value::Constant(c) => Some((i, c)),
        Value::Tensor(_) => None,
    });
    if constants.clone().count() < parts.len() {
        let signed: Vec<(&Value, f64)> = parts.iter().map(|&part| (part, 1.0)).collect();
        return Ok(signed_sum(op, net, &signed, &shape)?.into());
    }
    let zero = Coefficients::zeros(shape::product(&shape)?);
    let add = |sum: Coefficients, (i, c): (usize, &std::rc::Rc<Constant>)| {
        Ok::<_, Fault>(sum.plus(&finite(c, i)?.broadcast_to(&shape)?))
    };
    let values = constants.try_fold(zero, add)?;
    net.rounds_constants |= parts.len() > 2;
    Ok(net.computed(Constant { shape: shape.clone(), values, integer: false }))
}

/// `|x| = relu(2 x) − x`.
pub(super) fn abs(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let len = net.reserve_tensor(&x.shape)?;
    net.reserve(&[len, 2])?;
    let diagonal = |d: f64| LinearMap::Diagonal(Coefficients::floats(vec![d; len]));
    let doubled = net.linear(op, x.node, diagonal(2.0), Coefficients::zeros(len), x.shape.clone())?;
    let positive = net.activation(op, &doubled, Arc::new(Relu))?;
    let terms = vec![
        Term { source: positive.node, map: LinearMap::Identity(len).into() },
        Term { source: x.node, map: diagonal(-1.0).into() },
    ];
    let y = net.affine(op, terms, Coefficients::zeros(len), x.shape.clone())?;
    for node in [&doubled, &y] {
        net.computed_by(node, NodeOperator::Choice)?;
    }
    Ok(y.into())
}

/// `x` where it is positive, else `slope · x`; slopes of several values as `s x + (1 − s) relu(x)`.
pub(super) fn prelu(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let slope = op.constant(1)?;
    let len = net.reserve_tensor(&x.shape)?;
    if slope.len() == 1 && slope.values.is_exact() && shape::broadcast(&slope.shape, &x.shape)? == x.shape {
        return Ok(net.activation(op, x, Arc::new(LeakyRelu::new(slope.values.values()[0])))?.into());
    }
    net.reserve(&[len, 3])?;
    let slopes = slope.broadcast_to(&x.shape)?;
    let rest = Coefficients::floats(vec![1.0; len]).plus(&super::constant::negated(&slopes));
    let positive = net.activation(op, x, Arc::new(Relu))?;
    let terms = vec![
        Term { source: x.node, map: LinearMap::Diagonal(slopes).into() },
        Term { source: positive.node, map: LinearMap::Diagonal(rest).into() },
    ];
    let y = net.affine(op, terms, Coefficients::zeros(len), x.shape.clone())?;
    net.computed_by(&y, NodeOperator::Unknown)?;
    Ok(y.into())
}
