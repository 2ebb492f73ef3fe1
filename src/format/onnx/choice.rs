//! What data choose: Where, And and Or with truths that are data, and the index of the largest or smallest entry.

use super::arithmetic::{add, sub};
use super::constant::negated;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value, finite};
use super::products;
use super::select::transposed;
use super::shape;
use crate::domains::activation::{Relu, Sign};
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator, Sparse, Term};
use itertools::Itertools;
use std::sync::Arc;

/// Data that are zeros and ones, which an operand must be where the standard wants truths.
fn truths(x: &Tensor, i: usize) -> Result<&Tensor, Fault> {
    let what = || format!("input {i} holds numbers where truths belong; put a Cast to bool in front of it");
    x.truths.then_some(x).ok_or_else(|| what().into())
}

/// `y + c (x − y)`: entries of `x` where the truth `c` is 1, else of `y`.
pub(super) fn choose(
    op: &Operator,
    net: &mut Lowering,
    c: &Tensor,
    [x, y]: [&Value; 2],
    to: Vec<usize>,
) -> Result<Value, Fault> {
    let len = net.reserve_tensor(&to)?;
    net.reserve(&[len, 3])?;
    let c = net.expand(op, truths(c, 0)?, &to)?;
    if let (Value::Constant(x), Value::Constant(y)) = (x, y) {
        let integers = x.integer && y.integer;
        let (x, y) = (finite(x, 1)?.broadcast_to(&to)?, finite(y, 2)?.broadcast_to(&to)?);
        let map = LinearMap::Diagonal(x.plus(&negated(&y)));
        let is_float32 = |c: &Coefficients| c.is_exact() && c.values().iter().all(|&v| f64::from(v as f32) == v);
        let known = if is_float32(&x) && is_float32(&y) { NodeOperator::Choice } else { NodeOperator::Unknown };
        let chosen = net.linear(op, c.node, map, y, to)?;
        net.computed_by(&chosen, known)?;
        return Ok(Tensor { integers, ..chosen }.into());
    }
    // Of two float32 numbers either is chosen as it is.
    let is_float32 = |value: &Value| match value {
        Value::Tensor(_) => true,
        Value::Constant(c) => c.values.is_exact() && c.values.values().iter().all(|&v| f64::from(v as f32) == v),
    };
    let known = if is_float32(x) && is_float32(y) { NodeOperator::Choice } else { NodeOperator::Unknown };
    let with = |a: Value, b: Value| op.with(vec![Some(a), Some(b)]);
    let Value::Tensor(difference) = sub(&with(x.clone(), y.clone()), net)? else {
        return Err("data differ by a constant".into());
    };
    net.computed_by(&difference, known.clone())?;
    let part = products::entrywise(op, net, [&c, &difference], to)?;
    net.computed_by(&part, NodeOperator::Part)?;
    let Value::Tensor(chosen) = add(&with(part.into(), y.clone()), net)? else {
        return Err("data are a constant".into());
    };
    net.computed_by(&chosen, known)?;
    Ok(chosen.into())
}

/// The truth that is 1 where the sum of so many truths with signs, plus a number of them, is 1, and 0 where it is less.
fn all(
    op: &Operator,
    net: &mut Lowering,
    terms: Vec<Term>,
    bias: Coefficients,
    shape: Vec<usize>,
) -> Result<Tensor, Fault> {
    let sum = net.affine(op, terms, bias, shape)?;
    net.computed_by(&sum, NodeOperator::Choice)?;
    net.activation(op, &sum, Arc::new(Relu))
}

/// `a ∧ b = relu(a + b − 1)`, or with both and the result turned round `a ∨ b`, of truths at least one of which is data.
pub(super) fn both(op: &Operator, net: &mut Lowering, is_or: bool) -> Result<Value, Fault> {
    let (a, b) = (op.value(0)?, op.value(1)?);
    let to = shape::broadcast(a.shape(), b.shape())?;
    let len = net.reserve_tensor(&to)?;
    net.reserve(&[len, 4])?;
    let factors = |c: f64| Coefficients::floats(vec![c; len]);
    let sign = if is_or { -1.0 } else { 1.0 };
    // The sum of the truths, or of what they lack to 1.
    let (mut terms, mut bias) = (Vec::new(), factors(if is_or { 1.0 } else { -1.0 }));
    for (i, value) in [a, b].into_iter().enumerate() {
        match value {
            Value::Tensor(x) => {
                let source = net.expand(op, truths(x, i)?, &to)?.node;
                terms.push(Term { source, map: LinearMap::Diagonal(factors(sign)).into() });
            }
            Value::Constant(c) => {
                let c = finite(c, i)?.broadcast_to(&to)?;
                let truths = c.values().iter().map(|&v| if v == 0.0 { 0.0 } else { sign });
                bias = bias.plus(&Coefficients::floats(truths.collect()));
            }
        }
    }
    let truth = all(op, net, terms, bias, to.clone())?;
    let truth =
        if is_or { net.linear(op, truth.node, LinearMap::Diagonal(factors(-1.0)), factors(1.0), to)? } else { truth };
    if is_or {
        net.computed_by(&truth, NodeOperator::Choice)?;
    }
    Ok(Tensor { integers: true, ..truth }.into())
}

/// The index of the largest entry along an axis.
pub(super) fn arg_max(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    arg_extremum(op, net, 1.0)
}

/// The index of the smallest entry along an axis.
pub(super) fn arg_min(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    arg_extremum(op, net, -1.0)
}

/// `Σ i [entry i beats all others]`. Each two are compared once, `(sign(±(x_i − x_j)) + 1) / 2`, whose sign of 0 lets the
/// one that is named when both are alike beat the other; an entry is chosen when it wins all its comparisons.
fn arg_extremum(op: &Operator, net: &mut Lowering, sign: f64) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let rank = x.shape.len();
    let axis = shape::axis(op.attributes.int("axis", 0), rank)?;
    let (n, keep) = (x.shape[axis], op.attributes.int("keepdims", 1) != 0);
    let perm: Vec<usize> = (0..rank).filter(|&a| a != axis).chain([axis]).collect();
    let lines = transposed(op, net, x, &perm)?;
    let rows = shape::product(&x.shape)? / n;
    let shape = (0..rank).filter(|&a| keep || a != axis).map(|a| if a == axis { 1 } else { x.shape[a] }).collect();
    // The first of each pair is the one that wins a tie.
    let mut pairs: Vec<(usize, usize)> = (0..n).tuple_combinations().collect();
    if op.attributes.int("select_last_index", 0) != 0 {
        pairs.iter_mut().for_each(|(i, j)| std::mem::swap(i, j));
    }
    net.reserve(&[rows, pairs.len(), 8])?;
    let entries = |row: usize, weights: [(usize, f64); 2]| {
        weights.map(|(i, w)| (row * n + i, w)).into_iter().sorted_by_key(|(i, _)| *i).collect()
    };
    let differences = (0..rows).cartesian_product(&pairs).map(|(row, &(i, j))| entries(row, [(i, sign), (j, -sign)]));
    let map = LinearMap::Sparse(Sparse::of_rows(rows * n, differences));
    let ahead = net.linear(op, lines.node, map, Coefficients::zeros(rows * pairs.len()), vec![rows, pairs.len()])?;
    // Probabilities have the order of their logits, but for what float32 makes of them.
    net.computed_by(&ahead, if x.softmax.is_none() { NodeOperator::Choice } else { NodeOperator::Unknown })?;
    let signs = net.activation(op, &ahead, Arc::new(Sign))?;
    let won = |i: usize| {
        let half = move |&(a, b): &(usize, usize)| if a == i { Some(0.5) } else { (b == i).then_some(-0.5) };
        pairs.iter().enumerate().filter_map(move |(k, pair)| half(pair).map(|w| (k, w)))
    };
    let comparisons = |(row, i): (usize, usize)| won(i).map(|(k, w)| (row * pairs.len() + k, w)).collect();
    let sums = Sparse::of_rows(rows * pairs.len(), (0..rows).cartesian_product(0..n).map(comparisons));
    // n − 1 comparisons won of n − 1, each worth a half and lost worth minus a half.
    let bias = Coefficients::floats(vec![1.0 - (n as f64 - 1.0) / 2.0; rows * n]);
    let terms = vec![Term { source: signs.node, map: LinearMap::Sparse(sums).into() }];
    let best = all(op, net, terms, bias, vec![rows, n])?;
    let indices = (0..rows).map(|row| (1..n).map(|i| (row * n + i, i as f64)).collect());
    let map = LinearMap::Sparse(Sparse::of_rows(rows * n, indices));
    let index = net.linear(op, best.node, map, Coefficients::zeros(rows), shape)?;
    net.computed_by(&index, NodeOperator::Choice)?;
    Ok(Tensor { integers: true, ..index }.into())
}
