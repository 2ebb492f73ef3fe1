//! Conv, of one or two dimensions.

use super::fault::Fault;
use super::lowering::{Lowering, Operator, Value};
use super::window::Window;
use crate::domains::network::{Coefficients, Conv2d, LinearMap};
use ndarray::Array4;

/// `W ∗ x + b`.
pub(super) fn conv(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let (x, weight) = (op.tensor(0)?, op.constant(1)?);
    let [out, per_group, ref kernel @ ..] = weight.shape[..] else {
        return Err(format!("the weight has shape {:?}, expected [out, in, height, width]", weight.shape).into());
    };
    let stated = op.attributes.lengths("kernel_shape", kernel.len(), 0)?;
    if op.attributes.ints("kernel_shape").is_some() && stated != kernel {
        return Err(format!("kernel_shape {stated:?} differs from the weight's {kernel:?}").into());
    }
    let window = Window::new(op, &x.shape, kernel, false)?;
    net.reads_channels(x);
    let groups = op.attributes.int("group", 1);
    let groups = usize::try_from(groups).map_err(|_| Fault::from(format!("group = {groups} is negative")))?;
    if per_group.checked_mul(groups) != Some(window.input[0]) {
        let (found, shape) = (window.input[0], &weight.shape);
        return Err(
            format!("data with {found} channels do not fit a weight of shape {shape:?} and {groups} groups").into()
        );
    }
    let [kh, kw] = window.kernel;
    let weight = Array4::from_shape_vec((out, per_group, kh, kw), weight.floats()?.to_vec())
        .map_err(|e| Fault::from(e.to_string()))?;
    let shape = window.output_shape(out);
    let len = net.reserve_tensor(&shape)?;
    let bias = match op.optional_constant(2)? {
        None => Coefficients::zeros(len),
        Some(b) if b.len() == out => per_channel(&b.values, out, len / out),
        Some(b) => return Err(format!("the bias has {} entries, expected {out}", b.len()).into()),
    };
    let [rows, columns] = window.output;
    let map = LinearMap::Conv2d(Conv2d {
        weight,
        input: window.input,
        output: [out, rows, columns],
        stride: window.stride,
        padding: window.before,
        dilation: window.dilation,
        groups,
    });
    Ok(net.linear(op, x.node, map, bias, shape)?.into())
}

/// One parameter per channel, repeated over its `area` pixels.
pub(super) fn per_channel(values: &Coefficients, channels: usize, area: usize) -> Coefficients {
    let index: Vec<Option<usize>> = (0..channels).flat_map(|c| std::iter::repeat_n(Some(c), area)).collect();
    values.select(&index)
}
