//! Resize and Upsample to the nearest entry, by whole factors: an index map.

use super::fault::Fault;
use super::lowering::{Lowering, Operator, Value};
use super::shape::{self, gather, strides};

/// How a position in the result is one in the data.
#[derive(Clone, Copy)]
enum Positions {
    /// `(x + 1/2) / s − 1/2`.
    HalfPixel,
    /// The same, without the last half.
    HalfPixelFloor,
    /// `x / s`.
    Asymmetric,
    /// The first and the last entries stay at the ends.
    AlignCorners,
}

/// The copy of the nearest entry.
pub(super) fn resize(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let mode = op.attributes.text("mode", "nearest")?;
    if mode != "nearest" {
        return Err(format!("mode `{mode}` is not supported; supported: nearest").into());
    }
    let from = op.value(0)?.shape().to_vec();
    let axes = match op.attributes.ints("axes").filter(|_| op.opset >= 18) {
        None => (0..from.len()).collect(),
        Some(axes) => axes.iter().map(|&a| shape::axis(a, from.len())).collect::<Result<Vec<_>, _>>()?,
    };
    let factors = factors(op, &from, &axes)?;
    let (positions, rounding) = if op.opset < 11 {
        (Positions::Asymmetric, "floor")
    } else {
        let positions = match op.attributes.text("coordinate_transformation_mode", "half_pixel")? {
            "half_pixel" | "pytorch_half_pixel" => Positions::HalfPixel,
            "tf_half_pixel_for_nn" => Positions::HalfPixelFloor,
            "asymmetric" => Positions::Asymmetric,
            "align_corners" => Positions::AlignCorners,
            other => return Err(format!("coordinate_transformation_mode `{other}` is not supported").into()),
        };
        (positions, op.attributes.text("nearest_mode", "round_prefer_floor")?)
    };
    if !["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].contains(&rounding) {
        return Err(format!("nearest_mode `{rounding}` is not known").into());
    }
    let lengths: Option<Vec<usize>> = from.iter().zip(&factors).map(|(n, s)| n.checked_mul(*s)).collect();
    let to = lengths.ok_or("the result is too large")?;
    net.reserve(&to)?;
    let stride = strides(&from);
    let index = gather(&to, |axis, at| Some(source(at, from[axis], factors[axis], positions, rounding) * stride[axis]));
    net.rearrange(op, op.value(0)?, index, to)
}

/// The whole factor of each axis.
fn factors(op: &Operator, from: &[usize], axes: &[usize]) -> Result<Vec<usize>, Fault> {
    let whole = |what: &str| Fault::from(format!("{what}; only whole factors are supported"));
    let mut factors = vec![1; from.len()];
    let attribute = op.attributes.floats("scales").map(|s| s.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let operand = |i: usize| Ok::<_, Fault>(op.optional_constant(i)?.filter(|c| c.len() > 0));
    let scales = match (attribute, op.opset < 11) {
        (Some(scales), _) => Some(scales),
        (None, true) => operand(1)?.map(|c| c.values.values().to_vec()),
        (None, false) => operand(2)?.map(|c| c.values.values().to_vec()),
    };
    if let Some(scales) = scales {
        if scales.len() != axes.len() {
            return Err(format!("{} scales for {} axes", scales.len(), axes.len()).into());
        }
        for (&axis, &scale) in axes.iter().zip(&scales) {
            if !(1.0..=65536.0).contains(&scale) || scale.fract() != 0.0 {
                return Err(whole(&format!("axis {axis} is scaled by {scale}")));
            }
            factors[axis] = scale as usize;
        }
        return Ok(factors);
    }
    let sizes = operand(3)?.ok_or("it has neither scales nor sizes")?.to_integers()?;
    if sizes.len() != axes.len() || op.attributes.text("keep_aspect_ratio_policy", "stretch")? != "stretch" {
        return Err(format!("{} sizes for {} axes, or not stretched", sizes.len(), axes.len()).into());
    }
    for (&axis, &size) in axes.iter().zip(&sizes) {
        let size = usize::try_from(size).ok().filter(|&n| n > 0 && from[axis] > 0 && n.is_multiple_of(from[axis]));
        factors[axis] =
            size.ok_or_else(|| whole(&format!("axis {axis} of length {} gets another size", from[axis])))? / from[axis];
    }
    Ok(factors)
}

/// The entry of `n` that position `x` of `n · s` copies, by exact fractions.
fn source(x: usize, n: usize, s: usize, positions: Positions, rounding: &str) -> usize {
    let (x, n, s) = (x as i128, n as i128, s as i128);
    // The position as a fraction.
    let (p, q) = match positions {
        _ if n * s == 1 => (0, 1),
        Positions::HalfPixel => (2 * x + 1 - s, 2 * s),
        Positions::HalfPixelFloor => (2 * x + 1, 2 * s),
        Positions::Asymmetric => (x, s),
        Positions::AlignCorners => (x * (n - 1), n * s - 1),
    };
    let nearest = match rounding {
        "floor" => p.div_euclid(q),
        "ceil" => -(-p).div_euclid(q),
        "round_prefer_ceil" => (2 * p + q).div_euclid(2 * q),
        _ => -(q - 2 * p).div_euclid(2 * q),
    };
    nearest.clamp(0, n - 1) as usize
}
