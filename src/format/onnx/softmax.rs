//! Softmax and LogSoftmax: dropped at the end of a model, where they keep the order of the outputs; elsewhere
//! `softmax_i = 1 / Σ_j exp(x_j − x_i)`, in which no product occurs and no sum is below 1.

use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value};
use super::model::Softmax;
use super::reduce::sums;
use super::select::transposed;
use super::shape::{self, product};
use crate::domains::activation::{ActivationFn, Exp, Log, Reciprocal, Sigmoid};
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator, Sparse};
use std::sync::Arc;

/// The exponentials of all entries, divided by their sum along an axis.
pub(super) fn softmax(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    normalised(op, net, Softmax::Probabilities)
}

/// The logarithms of that.
pub(super) fn log_softmax(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    normalised(op, net, Softmax::Logarithms)
}

fn normalised(op: &Operator, net: &mut Lowering, kind: Softmax) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let rank = x.shape.len();
    let len = product(&x.shape)?;
    // Before operator set 13 all axes from `axis` on are one; since then it is just this axis.
    let old = op.opset < 13;
    let axis = shape::axis(op.attributes.int("axis", if old { 1 } else { -1 }), rank)?;
    let classes: usize = if old { x.shape[axis..].iter().product() } else { x.shape[axis] };
    if classes == len {
        // Nothing but the order of the logits is that of the result.
        return Ok(Tensor { softmax: Some(kind), ..Tensor::new(x.node, x.shape.clone()) }.into());
    }
    let perm: Vec<usize> =
        if old { (0..rank).collect() } else { (0..rank).filter(|&a| a != axis).chain([axis]).collect() };
    let last = transposed(op, net, x, &perm)?;
    let y = of_groups(op, net, &last, classes, kind)?;
    let mut back = vec![0; rank];
    perm.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    Ok(transposed(op, net, &y, &back)?.into())
}

/// The operands without what was dropped of them: a Softmax that something reads is computed.
pub(super) fn computed<'a>(op: &Operator<'a>, net: &mut Lowering) -> Result<Operator<'a>, Fault> {
    let mut inputs = op.inputs.clone();
    for input in inputs.iter_mut().flatten() {
        if let Value::Tensor(x) = input {
            *input = whole(op, net, x)?.into();
        }
    }
    Ok(op.with(inputs))
}

/// A tensor with the Softmax that was dropped from it, which was over all entries.
pub(super) fn whole(op: &Operator, net: &mut Lowering, x: &Tensor) -> Result<Tensor, Fault> {
    let Some(kind) = x.softmax else { return Ok(x.clone()) };
    let plain = Tensor::new(x.node, x.shape.clone());
    of_groups(op, net, &plain, product(&x.shape)?, kind)
}

/// The Softmax of groups of so many neighbours, whose execution in float32 is charged to the last node.
fn of_groups(op: &Operator, net: &mut Lowering, x: &Tensor, classes: usize, kind: Softmax) -> Result<Tensor, Fault> {
    let y = exactly(op, net, x, classes, kind)?;
    let operator = match kind {
        Softmax::Probabilities => NodeOperator::Softmax(classes),
        Softmax::Logarithms => NodeOperator::LogSoftmax(classes),
    };
    net.computed_by(&y, operator)?;
    Ok(y)
}

/// Of two classes the first is a sigmoid of their difference, and the second the rest.
fn exactly(op: &Operator, net: &mut Lowering, x: &Tensor, classes: usize, kind: Softmax) -> Result<Tensor, Fault> {
    let len = product(&x.shape)?;
    let others = classes - 1;
    let n = net.reserve(&[len, others])?;
    net.reserve(&[n, 6])?;
    let apply = |net: &mut Lowering, x: &Tensor, f: Arc<dyn ActivationFn>| {
        let y = net.activation(op, x, f)?;
        net.computed_by(&y, NodeOperator::Part)?;
        Ok::<_, Fault>(y)
    };
    // Row by row: what the others of its group exceed an entry by, or with the other sign.
    let differences = |net: &mut Lowering, sign: f64, shape: Vec<usize>| {
        let rows = (0..len).flat_map(|i| {
            let first = i - i % classes;
            let others = (first..first + classes).filter(move |&j| j != i);
            others.map(move |j| {
                vec![(j.min(i), if j < i { sign } else { -sign }), (j.max(i), if j < i { -sign } else { sign })]
            })
        });
        let map = LinearMap::Sparse(Sparse::of_rows(len, rows));
        let differences = net.linear(op, x.node, map, Coefficients::zeros(n), shape)?;
        net.computed_by(&differences, NodeOperator::Choice)?;
        Ok::<_, Fault>(differences)
    };
    if (classes, kind) == (2, Softmax::Probabilities) {
        let groups = len / 2;
        let ahead = LinearMap::Sparse(Sparse::of_rows(len, (0..groups).map(|g| vec![(2 * g, 1.0), (2 * g + 1, -1.0)])));
        let ahead = net.linear(op, x.node, ahead, Coefficients::zeros(groups), vec![groups])?;
        net.computed_by(&ahead, NodeOperator::Choice)?;
        let first = apply(net, &ahead, Arc::new(Sigmoid))?;
        let shares = |i: usize| vec![(i / 2, if i.is_multiple_of(2) { 1.0 } else { -1.0 })];
        let both = LinearMap::Sparse(Sparse::of_rows(groups, (0..len).map(shares)));
        let rest = Coefficients::floats((0..len).map(|i| (i % 2) as f64).collect());
        return net.linear(op, first.node, both, rest, x.shape.clone());
    }
    let one = Coefficients::floats(vec![1.0; len]);
    let sum = if others == 0 {
        net.linear(op, x.node, LinearMap::Select { input_len: len, index: vec![None; len] }, one, x.shape.clone())?
    } else {
        let behind = differences(net, 1.0, vec![len, others])?;
        let powers = apply(net, &behind, Arc::new(Exp))?;
        sums(op, net, &powers, others, one, x.shape.clone())?
    };
    net.computed_by(&sum, NodeOperator::Part)?;
    match kind {
        Softmax::Probabilities => apply(net, &sum, Arc::new(Reciprocal)),
        Softmax::Logarithms => {
            let logarithm = apply(net, &sum, Arc::new(Log))?;
            let minus = LinearMap::Diagonal(Coefficients::floats(vec![-1.0; len]));
            net.linear(op, logarithm.node, minus, Coefficients::zeros(len), x.shape.clone())
        }
    }
}
