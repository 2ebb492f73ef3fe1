//! Gemm and MatMul: dense maps, or convolutions with a kernel of one row where a matrix of several
//! rows is multiplied; products and sums where both matrices are computed.

use super::constant::Constant;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value, finite};
use super::products;
use super::reduce::convolution;
use super::select::transposed;
use super::shape;
use crate::domains::network::{Coefficients, LinearMap};
use ndarray::Array2;

/// A constant as a matrix of this size, transposed if asked for.
fn matrix(c: &Constant, rows: usize, columns: usize, transpose: bool) -> Result<Array2<f64>, Fault> {
    let misfit = |_| Fault::from(format!("the weight of shape {:?} is no {rows} × {columns} matrix", c.shape));
    let matrix = Array2::from_shape_vec((rows, columns), c.floats()?.to_vec()).map_err(misfit)?;
    Ok(if transpose { matrix.t().as_standard_layout().into_owned() } else { matrix })
}

/// The two last lengths of a matrix, or of a stack of one.
fn size(shape: &[usize]) -> Result<(usize, usize), Fault> {
    match shape {
        [stack @ .., rows, columns] if stack.iter().all(|&n| n == 1) => Ok((*rows, *columns)),
        _ => {
            Err(format!("expected a matrix, found shape {shape:?}; stacks of several matrices are not supported")
                .into())
        }
    }
}

/// `X W + bias` for the `rows × k` matrix `X` in `x`, where `weight` is `Wᵀ`.
fn times_right(
    op: &Operator,
    net: &mut Lowering,
    x: &Tensor,
    rows: usize,
    weight: Array2<f64>,
    bias: Coefficients,
    shape: Vec<usize>,
) -> Result<Tensor, Fault> {
    if rows == 1 {
        return net.linear(op, x.node, LinearMap::Dense(weight), bias, shape);
    }
    let (n, k) = weight.dim();
    let kernel = weight.into_shape_with_order((n, 1, 1, k)).map_err(|e| Fault::from(e.to_string()))?;
    let map = convolution(kernel, [1, rows, k], [n, rows, 1]);
    let columns = net.linear(op, x.node, map, Coefficients::zeros(n * rows), vec![n, rows])?;
    let index = (0..rows * n).map(|i| Some(i % n * rows + i / n)).collect();
    let map = LinearMap::Select { input_len: rows * n, index };
    net.linear(op, columns.node, map, bias, shape)
}

/// `W X + bias` for the `k × columns` matrix `X` in `x`.
fn times_left(
    op: &Operator,
    net: &mut Lowering,
    x: &Tensor,
    columns: usize,
    weight: Array2<f64>,
    bias: Coefficients,
    shape: Vec<usize>,
) -> Result<Tensor, Fault> {
    if columns == 1 {
        return net.linear(op, x.node, LinearMap::Dense(weight), bias, shape);
    }
    let (m, k) = weight.dim();
    let kernel = weight.into_shape_with_order((m, k, 1, 1)).map_err(|e| Fault::from(e.to_string()))?;
    net.linear(op, x.node, convolution(kernel, [k, 1, columns], [m, 1, columns]), bias, shape)
}

/// What is wrong with two matrices.
fn misfit(a: &[usize], b: &[usize]) -> Fault {
    format!("matrices of shapes {a:?} and {b:?} cannot be multiplied").into()
}

/// Why a product of two constants is refused.
const TWO_CONSTANTS: &str = "one of the two matrices must depend on the network's input";

/// `A B`.
pub(super) fn matmul(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let (a, b) = (op.value(0)?.shape(), op.value(1)?.shape());
    // A vector on the left is a row, one on the right a column; the axis so added is dropped again.
    let padded = |shape: &[usize], row: bool| match (shape, row) {
        ([k], true) => vec![1, *k],
        ([k], false) => vec![*k, 1],
        _ => shape.to_vec(),
    };
    let (full_a, full_b) = (padded(a, true), padded(b, false));
    let ([stack_a @ .., m, k], [stack_b @ .., k2, n]) = (&full_a[..], &full_b[..]) else {
        return Err(misfit(a, b));
    };
    if k != k2 {
        return Err(misfit(a, b));
    }
    let mut shape = shape::broadcast(stack_a, stack_b)?;
    if a.len() > 1 {
        shape.push(*m);
    }
    if b.len() > 1 {
        shape.push(*n);
    }
    let len = net.reserve_tensor(&shape)?;
    let bias = Coefficients::zeros(len);
    Ok(match (op.value(0)?, op.value(1)?) {
        (Value::Tensor(x), Value::Constant(w)) => {
            let (k, n) = size(&full_b)?;
            let weight = matrix(finite(w, 1)?, k, n, true)?;
            times_right(op, net, x, len / n, weight, bias, shape)?.into()
        }
        (Value::Constant(w), Value::Tensor(x)) => {
            let ((m, k), (_, n)) = (size(&full_a)?, size(&full_b)?);
            let weight = matrix(finite(w, 0)?, m, k, false)?;
            times_left(op, net, x, n, weight, bias, shape)?.into()
        }
        (Value::Tensor(x), Value::Tensor(y)) => {
            let stack = shape::broadcast(stack_a, stack_b)?;
            let factors = [(x, stack_a, [*k, 1]), (y, stack_b, [*n, 1])];
            products::matrices(op, net, factors, &stack, [*m, *k, *n], shape)?.into()
        }
        (Value::Constant(_), Value::Constant(_)) => return Err(TWO_CONSTANTS.into()),
    })
}

/// `alpha · A' B' + beta · C`, with a constant `C`.
pub(super) fn gemm(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let (trans_a, trans_b) = (op.attributes.int("transA", 0) != 0, op.attributes.int("transB", 0) != 0);
    let alpha = op.attributes.float("alpha")?.unwrap_or(1.0);
    let beta = op.attributes.float("beta")?.unwrap_or(1.0);
    let oriented = |shape: &[usize], transpose: bool| match shape {
        &[rows, columns] => Ok(if transpose { (columns, rows) } else { (rows, columns) }),
        _ => Err(Fault::from(format!("expected a matrix, found shape {shape:?}"))),
    };
    let (m, k) = oriented(op.value(0)?.shape(), trans_a)?;
    let (k2, n) = oriented(op.value(1)?.shape(), trans_b)?;
    if k != k2 {
        return Err(misfit(op.value(0)?.shape(), op.value(1)?.shape()));
    }
    let shape = vec![m, n];
    let len = net.reserve_tensor(&shape)?;
    let bias = match op.optional_constant(2)? {
        None => Coefficients::zeros(len),
        Some(c) => c.broadcast_to(&shape)?.times(&Coefficients::floats(vec![beta; len])),
    };
    let first = if alpha == 1.0 { bias.clone() } else { Coefficients::zeros(len) };
    let product = match (op.value(0)?, op.value(1)?) {
        (Value::Tensor(x), Value::Constant(w)) => {
            let x = if trans_a { transposed(op, net, x, &[1, 0])? } else { x.clone() };
            // The weight is wanted as outputs × inputs, that is B'ᵀ.
            let [rows, columns] = w.shape[..] else { return Err(TWO_CONSTANTS.into()) };
            let weight = matrix(finite(w, 1)?, rows, columns, !trans_b)?;
            times_right(op, net, &x, m, weight, first, shape.clone())?
        }
        (Value::Constant(w), Value::Tensor(x)) => {
            let x = if trans_b { transposed(op, net, x, &[1, 0])? } else { x.clone() };
            let [rows, columns] = w.shape[..] else { return Err(TWO_CONSTANTS.into()) };
            let weight = matrix(finite(w, 0)?, rows, columns, trans_a)?;
            times_left(op, net, &x, n, weight, first, shape.clone())?
        }
        (Value::Tensor(x), Value::Tensor(y)) => {
            let x = if trans_a { transposed(op, net, x, &[1, 0])? } else { x.clone() };
            let y = if trans_b { transposed(op, net, y, &[1, 0])? } else { y.clone() };
            let factors = [(&x, &[][..], [k, 1]), (&y, &[][..], [n, 1])];
            let product = products::matrices(op, net, factors, &[], [m, k, n], shape.clone())?;
            net.linear(op, product.node, LinearMap::Identity(len), first, shape.clone())?
        }
        (Value::Constant(_), Value::Constant(_)) => return Err(TWO_CONSTANTS.into()),
    };
    if alpha == 1.0 {
        return Ok(product.into());
    }
    let scale = LinearMap::Diagonal(Coefficients::floats(vec![alpha; len]));
    Ok(net.linear(op, product.node, scale, bias, shape)?.into())
}
