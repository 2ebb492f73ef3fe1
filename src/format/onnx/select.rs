//! Operators that copy entries: transposes, padding, slices, joins. All are index maps.

use super::constant::Constant;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value, finite};
use super::shape::{self, gather as indices, strides};
use crate::domains::network::{Coefficients, LinearMap, Term};

/// `x` with its axes in the order `perm`.
pub(super) fn transposed(op: &Operator, net: &mut Lowering, x: &Tensor, perm: &[usize]) -> Result<Tensor, Fault> {
    net.reserve(&x.shape)?;
    let (index, shape) = permutation(&x.shape, perm);
    net.select(op, x, index, shape)
}

/// The index map and the shape of a tensor whose axes are put in the order `perm`.
fn permutation(shape: &[usize], perm: &[usize]) -> (Vec<Option<usize>>, Vec<usize>) {
    let steps = strides(shape);
    let to: Vec<usize> = perm.iter().map(|&axis| shape[axis]).collect();
    (indices(&to, |axis, at| Some(at * steps[perm[axis]])), to)
}

/// The axes in another order (reversed by default).
pub(super) fn transpose(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.value(0)?;
    let rank = x.shape().len();
    let perm: Vec<usize> = match op.attributes.ints("perm") {
        None => (0..rank).rev().collect(),
        Some(axes) => axes.iter().map(|&axis| shape::axis(axis, rank)).collect::<Result<_, _>>()?,
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return Err(format!("perm {perm:?} is no order of {rank} axes").into());
    }
    if let Value::Tensor(x) = x {
        net.reorders_channels(x, &perm);
    }
    net.reserve(x.shape())?;
    let (index, shape) = permutation(x.shape(), &perm);
    net.rearrange(op, x, index, shape)
}

/// A sum of constants and of entries of tensors.
pub(super) struct Selections {
    terms: Vec<Term>,
    constant: Coefficients,
    integer: bool,
}

impl Selections {
    /// A constant alone.
    pub fn of(constant: Coefficients) -> Self {
        Self { terms: Vec::new(), constant, integer: true }
    }

    /// Adds the entries of input `i` of the operator at `index` (zero where `None`).
    pub fn add(&mut self, net: &Lowering, i: usize, x: &Value, index: Vec<Option<usize>>) -> Result<(), Fault> {
        match x {
            Value::Constant(c) => {
                // What is not chosen may be infinite.
                if index.iter().flatten().any(|&k| !c.values.enclosure(k).magnitude().is_finite()) {
                    finite(c, i)?;
                }
                self.constant = self.constant.plus(&c.values.select(&index));
                self.integer &= c.integer;
            }
            Value::Tensor(x) => {
                let input_len = net.builder.len(x.node);
                self.terms.push(Term { source: x.node, map: LinearMap::Select { input_len, index }.into() });
            }
        }
        Ok(())
    }

    /// The sum in this shape: a constant where it reads no tensor.
    pub fn into_value(self, op: &Operator, net: &mut Lowering, shape: Vec<usize>) -> Result<Value, Fault> {
        if self.terms.is_empty() {
            return Ok(Constant { shape, values: self.constant, integer: self.integer }.into());
        }
        Ok(net.affine(op, self.terms, self.constant, shape)?.into())
    }
}

/// More entries around (or, with negative counts, fewer): constant, edge or reflected.
pub(super) fn pad(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.value(0)?;
    let from = x.shape().to_vec();
    let rank = from.len();
    let (pads, value) = if op.opset < 11 {
        let pads = op.attributes.ints("pads").ok_or("it has no pads")?.to_vec();
        (pads, op.attributes.float("value")?.unwrap_or(0.0))
    } else {
        let value = op.optional_constant(2)?.map_or(Ok(0.0), Constant::scalar)?;
        (op.constant(1)?.to_integers()?, value)
    };
    let axes: Vec<usize> = match op.optional_constant(3)? {
        None => (0..rank).collect(),
        Some(axes) => axes.to_integers()?.iter().map(|&a| shape::axis(a, rank)).collect::<Result<_, _>>()?,
    };
    const LARGEST: u64 = 1 << 32;
    if from.contains(&0) || pads.iter().any(|p| p.unsigned_abs() > LARGEST) {
        return Err(format!("pads {pads:?} of a tensor of shape {from:?}").into());
    }
    if pads.len() != 2 * axes.len() {
        return Err(format!("{} pads for {} axes", pads.len(), axes.len()).into());
    }
    let (mut before, mut to) = (vec![0i64; rank], from.clone());
    for (i, &axis) in axes.iter().enumerate() {
        let (low, high) = (pads[i], pads[axes.len() + i]);
        let length = (from[axis] as i64).checked_add(low).and_then(|n| n.checked_add(high));
        let length = length.and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
        to[axis] = length.ok_or_else(|| Fault::from(format!("pads {pads:?} leave nothing of axis {axis}")))?;
        before[axis] = low;
    }
    let mode = op.attributes.text("mode", "constant")?;
    if !["constant", "edge", "reflect"].contains(&mode) {
        return Err(format!("mode `{mode}` is not supported; supported: constant, edge, reflect").into());
    }
    net.reserve(&to)?;
    let steps = strides(&from);
    let index = indices(&to, |axis, at| {
        let (at, last) = (at as i64 - before[axis], from[axis] as i64 - 1);
        let inside = match mode {
            "edge" => at.clamp(0, last),
            "reflect" if at < 0 => -at,
            "reflect" if at > last => 2 * last - at,
            _ => at,
        };
        usize::try_from(inside).ok().filter(|&at| at < from[axis]).map(|at| at * steps[axis])
    });
    if mode == "reflect" && index.contains(&None) {
        return Err("a reflected border is wider than the tensor".into());
    }
    if value == 0.0 {
        return net.rearrange(op, x, index, to);
    }
    let fill = index.iter().map(|i| if i.is_none() { value } else { 0.0 }).collect();
    let mut sum = Selections::of(Coefficients::floats(fill));
    sum.add(net, 0, x, index)?;
    sum.into_value(op, net, to)
}

/// Ranges along some axes.
pub(super) fn slice(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.value(0)?;
    let from = x.shape().to_vec();
    let list = |name: &str, input: usize| {
        if op.opset < 10 {
            return Ok(op.attributes.ints(name).map(<[i64]>::to_vec));
        }
        op.optional_constant(input)?.map(Constant::to_integers).transpose()
    };
    let starts = list("starts", 1)?.ok_or("it has no starts")?;
    let ends = list("ends", 2)?.ok_or("it has no ends")?;
    let axes = list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps have different lengths".into());
    }
    let (mut first, mut step, mut to) = (vec![0i64; from.len()], vec![1i64; from.len()], from.clone());
    for i in 0..starts.len() {
        let axis = shape::axis(axes[i], from.len())?;
        let n = from[axis] as i64;
        let wrap = |at: i64| if at < 0 { at.saturating_add(n) } else { at };
        // The extreme positions depend on the direction (numpy's rule).
        let (start, end) = match steps[i] {
            0 => return Err("a step is 0".into()),
            s if s > 0 => (wrap(starts[i]).clamp(0, n), wrap(ends[i]).clamp(0, n)),
            _ => (wrap(starts[i]).min(n - 1).max(0), wrap(ends[i]).min(n - 1).max(-1)),
        };
        let distance = if steps[i] > 0 { end - start } else { start - end };
        let count = if distance <= 0 || n == 0 { 0 } else { (distance as u64).div_ceil(steps[i].unsigned_abs()) };
        to[axis] = usize::try_from(count).map_err(|_| Fault::from("a range is too long"))?;
        (first[axis], step[axis]) = (start, steps[i]);
    }
    match x {
        Value::Tensor(_) => net.reserve_tensor(&to)?,
        Value::Constant(_) => net.reserve(&to)?,
    };
    let stride = strides(&from);
    let index = indices(&to, |axis, at| {
        let at = first[axis].checked_add((at as i64).checked_mul(step[axis])?)?;
        Some(usize::try_from(at).ok()? * stride[axis])
    });
    net.rearrange(op, x, index, to)
}

/// The entries at constant positions along one axis.
pub(super) fn gather(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let (x, positions) = (op.value(0)?, op.constant(1)?);
    let from = x.shape().to_vec();
    let axis = shape::axis(op.attributes.int("axis", 0), from.len())?;
    let place = |&i: &i64| {
        shape::axis(i, from[axis])
            .map_err(|_| Fault::from(format!("position {i} is outside of axis {axis} of {from:?}")))
    };
    let chosen: Vec<usize> = positions.to_integers()?.iter().map(place).collect::<Result<_, _>>()?;
    let shape = [&from[..axis], &positions.shape, &from[axis + 1..]].concat();
    match x {
        Value::Tensor(_) => net.reserve_tensor(&shape)?,
        Value::Constant(_) => net.reserve(&shape)?,
    };
    let mut to = from.clone();
    to[axis] = chosen.len();
    let stride = strides(&from);
    let index = indices(&to, |a, at| Some(if a == axis { chosen[at] } else { at } * stride[a]));
    net.rearrange(op, x, index, shape)
}

/// Tensors one after the other along an axis: a sum of selections, and a bias for the constants.
pub(super) fn concat(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let parts: Vec<&Value> = (0..op.inputs.len()).map(|i| op.value(i)).collect::<Result<_, _>>()?;
    let mut shape = parts.first().ok_or("it has no inputs")?.shape().to_vec();
    let axis = shape::axis(op.attributes.int("axis", 1), shape.len())?;
    let mut starts = Vec::with_capacity(parts.len());
    shape[axis] = 0;
    for part in &parts {
        let lengths = part.shape();
        let fits = lengths.len() == shape.len() && (0..shape.len()).all(|a| a == axis || lengths[a] == shape[a]);
        if !fits {
            return Err(format!("a tensor of shape {lengths:?} does not fit its neighbours along axis {axis}").into());
        }
        starts.push(shape[axis]);
        shape[axis] = shape[axis].checked_add(lengths[axis]).ok_or("the result is too large")?;
    }
    let len = net.reserve(&shape)?;
    let mut sum = Selections::of(Coefficients::zeros(len));
    for (i, (part, &start)) in parts.iter().zip(&starts).enumerate() {
        let (stride, lengths) = (strides(part.shape()), part.shape());
        // Each part costs an index map over the whole result.
        net.reserve(&shape)?;
        let index = indices(&shape, |a, at| {
            let at = if a == axis { at.checked_sub(start).filter(|&at| at < lengths[a])? } else { at };
            Some(at * stride[a])
        });
        sum.add(net, i, part, index)?;
    }
    sum.into_value(op, net, shape)
}

/// Broadcast to a constant shape.
pub(super) fn expand(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.value(0)?;
    let wanted = op.constant(1)?.to_integers()?;
    let wanted: Result<Vec<usize>, _> = wanted.iter().map(|&n| usize::try_from(n)).collect();
    let wanted = wanted.map_err(|_| Fault::from("a length is negative"))?;
    let shape = shape::broadcast(x.shape(), &wanted)?;
    match x {
        Value::Tensor(x) => Ok(net.expand(op, x, &shape)?.into()),
        Value::Constant(c) => {
            net.reserve(&shape)?;
            let values = finite(c, 0)?.broadcast_to(&shape)?;
            Ok(Constant { shape, values, integer: c.integer }.into())
        }
    }
}

/// The parts along an axis: of given lengths, or of equal ones.
pub(super) fn split(op: &Operator, net: &mut Lowering) -> Result<Vec<Value>, Fault> {
    let x = op.value(0)?;
    let from = x.shape().to_vec();
    let axis = shape::axis(op.attributes.int("axis", 0), from.len())?;
    let given = if op.opset < 13 {
        op.attributes.ints("split").map(<[i64]>::to_vec)
    } else {
        op.optional_constant(1)?.map(Constant::to_integers).transpose()?
    };
    let lengths: Vec<usize> = match given {
        Some(lengths) => {
            let lengths: Result<Vec<usize>, _> = lengths.iter().map(|&n| usize::try_from(n)).collect();
            lengths.map_err(|_| Fault::from("a part has a negative length"))?
        }
        None => {
            let parts = op.outputs.max(1);
            let stated = op.attributes.int("num_outputs", parts as i64);
            let each = from[axis].div_ceil(parts);
            if stated != parts as i64 || op.opset < 18 && each * parts != from[axis] {
                return Err(format!("axis {axis} of length {} is not split into {parts} parts", from[axis]).into());
            }
            (0..parts).map(|i| each.min(from[axis].saturating_sub(i * each))).collect()
        }
    };
    let total = lengths.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    if total != Some(from[axis]) || lengths.len() != op.outputs {
        return Err(format!("parts of lengths {lengths:?} do not fill axis {axis} of {from:?}").into());
    }
    let stride = strides(&from);
    let mut start = 0;
    let part = |length: usize| {
        let mut to = from.clone();
        to[axis] = length;
        let first = start;
        start += length;
        match x {
            Value::Tensor(_) => net.reserve_tensor(&to)?,
            Value::Constant(_) => net.reserve(&to)?,
        };
        let index = indices(&to, |a, at| Some(if a == axis { first + at } else { at } * stride[a]));
        net.rearrange(op, x, index, to)
    };
    lengths.into_iter().map(part).collect()
}
