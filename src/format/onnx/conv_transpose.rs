//! ConvTranspose, of one or two dimensions: the data with zeros between them, and a convolution with the
//! kernel turned round.

use super::conv::per_channel;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Value};
use super::shape::gather;
use super::window::{channels_and_lengths, two};
use crate::domains::network::{Coefficients, Conv2d, LinearMap};
use ndarray::Array4;

/// `Wᵀ ∗ x + b`.
pub(super) fn conv_transpose(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let (x, weight) = (op.tensor(0)?, op.constant(1)?);
    let (channels, spatial) = channels_and_lengths(&x.shape)?;
    let rank = spatial.len();
    let [first, per_group, ref kernel @ ..] = weight.shape[..] else {
        return Err(format!("the weight has shape {:?}, expected [in, out, height, width]", weight.shape).into());
    };
    if op.attributes.ints("output_shape").is_some() || op.attributes.text("auto_pad", "NOTSET")?.starts_with("SAME") {
        return Err("output_shape and auto_pad mean different things to different runtimes; write pads instead".into());
    }
    let groups = usize::try_from(op.attributes.int("group", 1)).unwrap_or(0);
    if kernel.len() != rank || first != channels || groups == 0 || !channels.is_multiple_of(groups) || per_group == 0 {
        let (shape, data) = (&weight.shape, &x.shape);
        return Err(
            format!("a weight of shape {shape:?} with {groups} groups does not fit data of shape {data:?}").into()
        );
    }
    let lengths = |name: &str, default: usize| op.attributes.lengths(name, rank, default);
    let (stride, dilation, added) = (lengths("strides", 1)?, lengths("dilations", 1)?, lengths("output_padding", 0)?);
    let pads = match op.attributes.text("auto_pad", "NOTSET")? {
        "VALID" => vec![0; 2 * rank],
        _ => op.attributes.lengths("pads", 2 * rank, 0)?,
    };
    const LARGEST: usize = 1 << 20;
    let small = |n: &usize| (1..=LARGEST).contains(n);
    if ![kernel, spatial, &stride[..], &dilation[..]].iter().all(|lengths| lengths.iter().all(small)) {
        return Err(format!("kernel, strides, dilations and data must be from 1 to {LARGEST} long").into());
    }
    // Lengths of the result, and of the widened data that the turned kernel moves over.
    let reach: Vec<usize> = (0..rank).map(|i| (kernel[i] - 1) * dilation[i]).collect();
    let mut output = Vec::with_capacity(rank);
    for i in 0..rank {
        let whole = stride[i] * (spatial[i] - 1) + added[i] + reach[i] + 1;
        let left = whole.checked_sub(pads[i] + pads[rank + i]).filter(|&n| n > 0);
        output.push(left.ok_or_else(|| Fault::from(format!("pads {pads:?} leave nothing of an axis")))?);
    }
    let wide: Vec<usize> = (0..rank).map(|i| output[i] + reach[i]).collect();
    let widened = widened(op, net, &wide, &stride, &(0..rank).map(|i| (pads[i], reach[i])).collect::<Vec<_>>())?;
    let (out, [kh, kw]) = (per_group * groups, two(kernel, 1));
    net.reserve(&[out, channels / groups, kh, kw])?;
    let given = Array4::from_shape_vec((channels, per_group, kh, kw), weight.floats()?.to_vec());
    let given = given.map_err(|e| Fault::from(e.to_string()))?;
    let turned = Array4::from_shape_fn((out, channels / groups, kh, kw), |(o, i, r, c)| {
        given[[o / per_group * (channels / groups) + i, o % per_group, kh - 1 - r, kw - 1 - c]]
    });
    let ([height, width], [rows, columns]) = (two(&wide, 1), two(&output, 1));
    let mut shape = vec![1, out];
    shape.extend(&output);
    let len = net.reserve_tensor(&shape)?;
    let bias = match op.optional_constant(2)? {
        None => Coefficients::zeros(len),
        Some(b) if b.len() == out => per_channel(&b.values, out, len / out),
        Some(b) => return Err(format!("the bias has {} entries, expected {out}", b.len()).into()),
    };
    let map = LinearMap::Conv2d(Conv2d {
        weight: turned,
        input: [channels, height, width],
        output: [out, rows, columns],
        stride: [1; 2],
        padding: [0; 2],
        dilation: two(&dilation, 1),
        groups,
    });
    Ok(net.linear(op, widened.node, map, bias, shape)?.into())
}

/// The data with `stride − 1` zeros between neighbours, moved by padding and reach (a pair per axis).
fn widened(
    op: &Operator,
    net: &mut Lowering,
    wide: &[usize],
    stride: &[usize],
    moved: &[(usize, usize)],
) -> Result<super::lowering::Tensor, Fault> {
    let x = op.tensor(0)?;
    net.reads_channels(x);
    let steps = super::shape::strides(&x.shape);
    let mut shape = x.shape[..2].to_vec();
    shape.extend(wide);
    net.reserve_tensor(&shape)?;
    let index = gather(&shape, |axis, at| {
        let Some(i) = axis.checked_sub(2) else { return Some(at * steps[axis]) };
        let (padding, reach) = moved[i];
        let place = (at + padding).checked_sub(reach)?;
        let entry = place / stride[i];
        (place % stride[i] == 0 && entry < x.shape[axis]).then(|| entry * steps[axis])
    });
    net.select(op, x, index, shape)
}
