//! Products of two tensors that are both computed: entry by entry, and of matrices.

use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor};
use super::reduce::sums;
use super::shape::{self, product};
use crate::domains::activation::{Power, Reciprocal, Silu};
use crate::domains::network::{Coefficients, Factor, NodeId, Operator as NodeOperator};
use std::sync::Arc;

/// `a · b`, entry by entry with broadcasting. A number times itself, or times its sigmoid, is a function of one number,
/// of which more is known than of a product.
pub(super) fn entrywise(
    op: &Operator,
    net: &mut Lowering,
    [a, b]: [&Tensor; 2],
    shape: Vec<usize>,
) -> Result<Tensor, Fault> {
    if a.shape == b.shape {
        let is_sigmoid_of = |y: &Tensor, x: NodeId| {
            net.builder.activation_at(y.node).is_some_and(|f| f.source == x && f.function.name() == "sigmoid")
        };
        let silu = [(a, b), (b, a)].into_iter().find(|(x, y)| is_sigmoid_of(y, x.node)).map(|(x, _)| x);
        if let (Some(square), true) = (Power::new(2), a.node == b.node) {
            let square = net.activation(op, a, Arc::new(square))?;
            net.computed_by(&square, NodeOperator::Operations(1))?;
            return Ok(square);
        }
        if let Some(x) = silu {
            return net.activation(op, x, Arc::new(Silu));
        }
    }
    let index = |x: &Tensor| shape::broadcast_index(&x.shape, &shape).into_iter().flatten().collect();
    net.reserve(&[product(&shape)?, 4])?;
    net.product(op, [a, b].map(|x| Factor { source: x.node, index: index(x) }), shape)
}

/// `1 / x`.
pub(super) fn reciprocal(op: &Operator, net: &mut Lowering, x: &Tensor) -> Result<Tensor, Fault> {
    net.activation(op, x, Arc::new(Reciprocal))
}

/// `A B` for stacks of `m × k` and `k × n` matrices, where `places` gives entry (row, column) of a matrix of either
/// stack its place in its own; the stacks broadcast to `stack`.
pub(super) fn matrices(
    op: &Operator,
    net: &mut Lowering,
    factors: [(&Tensor, &[usize], [usize; 2]); 2],
    stack: &[usize],
    [m, k, n]: [usize; 3],
    shape: Vec<usize>,
) -> Result<Tensor, Fault> {
    let count = net.reserve_tensor(stack)?;
    net.reserve(&[count, m, n, k, 6])?;
    let rows = product(&[count, m, n])?;
    let [a, b] = factors;
    let index = |(_, own, strides): (&Tensor, &[usize], [usize; 2]), is_left: bool| -> Vec<usize> {
        let matrices = shape::broadcast_index(own, stack).into_iter().flatten();
        let size = if is_left { m * k } else { k * n };
        let place = |matrix: usize, i: usize, j: usize, p: usize| {
            let (row, column) = if is_left { (i, p) } else { (p, j) };
            matrix * size + row * strides[0] + column * strides[1]
        };
        let entries = move |matrix| (0..m * n * k).map(move |e| place(matrix, e / (n * k), e / k % n, e % k));
        matrices.flat_map(entries).collect()
    };
    let factors =
        [(a, true), (b, false)].map(|(f, is_left)| Factor { source: f.0.node, index: index(f, is_left).into() });
    let terms = net.product(op, factors, vec![rows, k])?;
    sums(op, net, &terms, k, Coefficients::zeros(rows), shape)
}
