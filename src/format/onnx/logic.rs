//! Comparisons, choices by constants, and constants that are made.

use super::arithmetic::{scaled, sub};
use super::choice;
use super::constant::Constant;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value, finite};
use super::select::Selections;
use super::shape;
use crate::domains::activation::Sign;
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator, Term};
use std::cmp::Ordering;
use std::sync::Arc;

/// A constant of zeros and ones.
fn truths(shape: Vec<usize>, truths: impl Iterator<Item = bool>) -> Value {
    let values = Coefficients::floats(truths.map(|t| f64::from(u8::from(t))).collect());
    Constant { shape, values, integer: true }.into()
}

/// Two constants entry by entry, and their common shape.
fn pair(op: &Operator, net: &mut Lowering) -> Result<(Vec<usize>, Coefficients, Coefficients), Fault> {
    let (a, b) = (op.constant(0)?, op.constant(1)?);
    let shape = shape::broadcast(&a.shape, &b.shape)?;
    net.reserve(&shape)?;
    Ok((shape.clone(), a.broadcast_to(&shape)?, b.broadcast_to(&shape)?))
}

/// The difference of two operands one of which is data. That of two floats has the sign that their comparison tells.
fn difference(op: &Operator, net: &mut Lowering) -> Result<Tensor, Fault> {
    match sub(op, net)? {
        Value::Tensor(difference) => Ok(difference),
        Value::Constant(_) => Err("two constants differ by data".into()),
    }
}

/// `x = 0` of data as 0 and 1, or `x ≠ 0`: `(sign(x) + sign(−x)) / 2` is 1 where both hold, and 0 where one does.
fn is_zero(op: &Operator, net: &mut Lowering, x: &Tensor, wanted: bool) -> Result<Value, Fault> {
    let len = net.reserve_tensor(&x.shape)?;
    let factors = |c: f64| Coefficients::floats(vec![c; len]);
    let opposite = scaled(op, net, x, factors(-1.0))?;
    let half = LinearMap::Diagonal(factors(if wanted { 0.5 } else { -0.5 }));
    let mut terms = Vec::new();
    for z in [x, &opposite] {
        net.reserve(&x.shape)?;
        let source = net.activation(op, z, Arc::new(Sign))?.node;
        terms.push(Term { source, map: half.clone().into() });
    }
    let truth = net.affine(op, terms, factors(if wanted { 0.0 } else { 1.0 }), x.shape.clone())?;
    net.computed_by(&truth, NodeOperator::Choice)?;
    Ok(Tensor { integers: true, ..truth }.into())
}

/// Whether data are not 0, as 0 and 1.
pub(super) fn is_true(op: &Operator, net: &mut Lowering, x: &Tensor) -> Result<Value, Fault> {
    is_zero(op, net, x, false)
}

/// `a ≥ b` of data as 0 and 1: `(sign(a − b) + 1) / 2`, whose sign of 0 is 1. What holds exactly where that does not is 1
/// less it.
fn compare_data(op: &Operator, net: &mut Lowering, holds: fn(Ordering) -> bool) -> Result<Value, Fault> {
    let (is_above, is_at, is_below) = (holds(Ordering::Greater), holds(Ordering::Equal), holds(Ordering::Less));
    let difference = difference(op, net)?;
    if is_above == is_below {
        return is_zero(op, net, &difference, is_at);
    }
    // ≥ and its opposite < have the sign of a − b, ≤ and > that of b − a.
    let is_of_opposite = is_above != is_at;
    let len = net.reserve_tensor(&difference.shape)?;
    let factors = |c: f64| Coefficients::floats(vec![c; len]);
    let z = if is_of_opposite { scaled(op, net, &difference, factors(-1.0))? } else { difference };
    let sign = net.activation(op, &z, Arc::new(Sign))?;
    let half = if is_at { 0.5 } else { -0.5 };
    let truth = net.linear(op, sign.node, LinearMap::Diagonal(factors(half)), factors(0.5), sign.shape)?;
    net.computed_by(&truth, NodeOperator::Choice)?;
    Ok(Tensor { integers: true, ..truth }.into())
}

fn compare(op: &Operator, net: &mut Lowering, holds: fn(Ordering) -> bool) -> Result<Value, Fault> {
    if reads_data(op) {
        return compare_data(op, net, holds);
    }
    let (shape, a, b) = pair(op, net)?;
    let order = |i: usize| match (a.radius(i) == 0.0 && b.radius(i) == 0.0, a.rational(i), b.rational(i)) {
        (true, ..) => a.values()[i].partial_cmp(&b.values()[i]).ok_or_else(|| Fault::from("a constant is NaN")),
        (false, Some(a), Some(b)) => Ok(a.cmp(&b)),
        _ => Err(Fault::from("a constant is known only approximately")),
    };
    let orders: Vec<Ordering> = (0..a.len()).map(order).collect::<Result<_, _>>()?;
    Ok(truths(shape, orders.into_iter().map(holds)))
}

/// `a > b`.
pub(super) fn greater(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    compare(op, net, Ordering::is_gt)
}

/// `a ≥ b`.
pub(super) fn greater_or_equal(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    compare(op, net, Ordering::is_ge)
}

/// `a < b`.
pub(super) fn less(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    compare(op, net, Ordering::is_lt)
}

/// `a ≤ b`.
pub(super) fn less_or_equal(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    compare(op, net, Ordering::is_le)
}

/// `a = b`.
pub(super) fn equal(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    compare(op, net, Ordering::is_eq)
}

/// `¬a`.
pub(super) fn not(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    if let Value::Tensor(a) = op.value(0)? {
        return is_zero(op, net, a, true);
    }
    let a = op.constant(0)?;
    Ok(truths(a.shape.clone(), a.values.values().iter().map(|&v| v == 0.0)))
}

/// True when an operand is data.
fn reads_data(op: &Operator) -> bool {
    op.inputs.iter().flatten().any(|value| matches!(value, Value::Tensor(_)))
}

/// `a ∧ b`.
pub(super) fn and(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    if reads_data(op) {
        return choice::both(op, net, false);
    }
    let (shape, a, b) = pair(op, net)?;
    Ok(truths(shape, a.values().iter().zip(b.values()).map(|(a, b)| *a != 0.0 && *b != 0.0)))
}

/// `a ∨ b`.
pub(super) fn or(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    if reads_data(op) {
        return choice::both(op, net, true);
    }
    let (shape, a, b) = pair(op, net)?;
    Ok(truths(shape, a.values().iter().zip(b.values()).map(|(a, b)| *a != 0.0 || *b != 0.0)))
}

/// Entries of the second operand where the first holds, else of the third: where it is a constant selections, whether
/// these are data or constants.
pub(super) fn choose(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let (x, y) = (op.value(1)?, op.value(2)?);
    let shape = shape::broadcast(&shape::broadcast(op.value(0)?.shape(), x.shape())?, y.shape())?;
    if let Value::Tensor(condition) = op.value(0)? {
        return choice::choose(op, net, condition, [x, y], shape);
    }
    let condition = op.constant(0)?;
    let len = net.reserve(&shape)?;
    net.reserve(&[len, 2])?;
    let condition = condition.broadcast_to(&shape)?;
    let mut sum = Selections::of(Coefficients::zeros(len));
    for (i, value, wanted) in [(1, x, true), (2, y, false)] {
        let kept = condition.values().iter().map(|&c| (c != 0.0) == wanted);
        let index = shape::broadcast_index(value.shape(), &shape).into_iter().zip(kept);
        let index: Vec<Option<usize>> = index.map(|(i, kept)| i.filter(|_| kept)).collect();
        sum.add(net, i, value, index)?;
    }
    sum.into_value(op, net, shape)
}

/// One value (0 by default) in a constant shape.
pub(super) fn constant_of_shape(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let lengths = op.constant(0)?.to_integers()?;
    let lengths: Result<Vec<usize>, _> = lengths.iter().map(|&n| usize::try_from(n)).collect();
    let shape = lengths.map_err(|_| Fault::from("a length is negative"))?;
    let len = net.reserve(&shape)?;
    let (value, integer) = match op.attributes.tensor("value") {
        None => (0.0, false),
        Some(tensor) => {
            let one = Constant::decode(tensor, op.external)?;
            (finite(&one, 0)?.scalar()?, one.integer)
        }
    };
    Ok(Constant { shape, values: Coefficients::floats(vec![value; len]), integer }.into())
}
