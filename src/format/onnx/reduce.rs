//! ReduceSum and ReduceMean: sums along axes, as a convolution over the entries that are put side by side.

use super::constant::Constant;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, ROUNDS_INTEGERS, Tensor, Value};
use super::pooling::mean;
use super::select::transposed;
use super::shape;
use super::window::Window;
use crate::domains::network::{Coefficients, Conv2d, LinearMap};
use ndarray::Array4;

/// The sum along axes.
pub(super) fn reduce_sum(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let Some(Lines { data, rows, length, shape }) = lines(op, net, 13)? else { return Ok(op.value(0)?.clone()) };
    net.reserve(&[rows, length])?;
    Ok(sums(op, net, &data, length, Coefficients::zeros(rows), shape)?.into())
}

/// The mean along axes.
pub(super) fn reduce_mean(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    if op.tensor(0)?.of_integers {
        return Err(ROUNDS_INTEGERS.into());
    }
    let Some(Lines { data, rows, length, shape }) = lines(op, net, 18)? else { return Ok(op.value(0)?.clone()) };
    net.reserve(&[rows, length])?;
    mean(op, net, &data, &Window::of_rows([1, rows, length]), vec![length; rows])?.reshaped(shape)
}

/// Data with the reduced axes last: `rows` lines of `length`, and the shape of the result.
struct Lines {
    data: Tensor,
    rows: usize,
    length: usize,
    shape: Vec<usize>,
}

/// The lines to reduce, or nothing where nothing is reduced; the axes are an operand since `opset`.
fn lines(op: &Operator, net: &mut Lowering, opset: i64) -> Result<Option<Lines>, Fault> {
    let x = op.tensor(0)?;
    let rank = x.shape.len();
    let axes = if op.opset < opset {
        op.attributes.ints("axes").map(<[i64]>::to_vec)
    } else {
        op.optional_constant(1)?.map(Constant::to_integers).transpose()?
    };
    let mut reduced = vec![false; rank];
    match axes.filter(|axes| !axes.is_empty()) {
        Some(axes) => axes.iter().try_for_each(|&a| shape::axis(a, rank).map(|a| reduced[a] = true))?,
        None if op.attributes.int("noop_with_empty_axes", 0) != 0 => return Ok(None),
        None => reduced.fill(true),
    }
    let keep = op.attributes.int("keepdims", 1) != 0;
    let perm: Vec<usize> = (0..rank).filter(|&a| !reduced[a]).chain((0..rank).filter(|&a| reduced[a])).collect();
    let length = (0..rank).filter(|&a| reduced[a]).map(|a| x.shape[a]).product();
    let rows = (0..rank).filter(|&a| !reduced[a]).map(|a| x.shape[a]).product();
    let kept = (0..rank).filter(|&a| keep || !reduced[a]);
    let shape = kept.map(|a| if reduced[a] { 1 } else { x.shape[a] }).collect();
    let data = transposed(op, net, x, &perm)?;
    Ok(Some(Lines { data, rows, length, shape }))
}

/// Sums of so many neighbours, plus a bias: a tensor of this shape.
pub(super) fn sums(
    op: &Operator,
    net: &mut Lowering,
    x: &Tensor,
    length: usize,
    bias: Coefficients,
    shape: Vec<usize>,
) -> Result<Tensor, Fault> {
    let rows = bias.len();
    let map = convolution(Array4::ones((1, 1, 1, length)), [1, rows, length], [1, rows, 1]);
    net.linear(op, x.node, map, bias, shape)
}

/// A convolution without stride, padding, dilation or groups.
pub(super) fn convolution(weight: Array4<f64>, input: [usize; 3], output: [usize; 3]) -> LinearMap {
    LinearMap::Conv2d(Conv2d { weight, input, output, stride: [1; 2], padding: [0; 2], dilation: [1; 2], groups: 1 })
}
