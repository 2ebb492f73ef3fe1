//! BatchNormalization at inference, `γ (x − μ) / √(v + ε) + β`, and LayerNormalization, where mean and variance are
//! those of the data.

use super::conv::per_channel;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value};
use super::pooling::mean;
use super::shape;
use super::window::Window;
use crate::domains::activation::{Power, Reciprocal, Sqrt};
use crate::domains::network::{Coefficients, Factor, LinearMap, Operator as NodeOperator, Parameter, Sparse, Term};
use crate::domains::num::{Interval, Rational, enclose, exact_or_zero, round};
use dashu_int::UBig;
use dashu_int::ops::SquareRoot;
use std::sync::Arc;

/// Subtracts the means, then multiplies by the scales: two nodes, which fold where that is exact.
pub(super) fn batch_normalization(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let channels = match x.shape[..] {
        [_, channels, ..] => channels,
        _ => return Err(format!("expected data of shape [1, channels, …], found {:?}", x.shape).into()),
    };
    if x.shape[0] != 1 {
        return Err(format!("the batch axis of its data of shape {:?} is not 1", x.shape).into());
    }
    if op.attributes.int("training_mode", 0) != 0 || op.attributes.int("spatial", 1) != 1 {
        return Err("training_mode and spatial = 0 are not supported; export the model for inference".into());
    }
    net.reads_channels(x);
    let epsilon = exact_or_zero(op.attributes.float("epsilon")?.unwrap_or(f64::from(1e-5f32)));
    let parameter = |i: usize, what: &str| {
        let constant = op.constant(i)?;
        match constant.len() {
            n if n == channels => Ok(&constant.values),
            n => Err(Fault::from(format!("its {what} has {n} entries, the data have {channels} channels"))),
        }
    };
    let (scale, bias) = (parameter(1, "scale")?, parameter(2, "bias")?);
    let (mean, variance) = (parameter(3, "mean")?, parameter(4, "variance")?);
    let known = |c: &Coefficients, i: usize| {
        c.rational(i).ok_or_else(|| Fault::from("a parameter is known only approximately"))
    };
    let factor = |i: usize| divide_by_root(&known(scale, i)?, &(known(variance, i)? + &epsilon));
    let factors = Coefficients::parameters((0..channels).map(factor).collect::<Result<_, _>>()?);
    let len = net.reserve_tensor(&x.shape)?;
    let area = len / channels;
    let minus_mean = super::constant::negated(&per_channel(mean, channels, area));
    let centred = net.linear(op, x.node, LinearMap::Identity(len), minus_mean, x.shape.clone())?;
    let map = LinearMap::Diagonal(per_channel(&factors, channels, area));
    let y = net.linear(op, centred.node, map, per_channel(bias, channels, area), x.shape.clone())?;
    let float32 = |c: &Coefficients| -> Option<Vec<f32>> {
        let one =
            |i: usize| Some(c.values()[i] as f32).filter(|&v| c.radius(i) == 0.0 && f64::from(v) == c.values()[i]);
        let all: Vec<f32> = (0..channels).map(one).collect::<Option<_>>()?;
        Some((0..len).map(|i| all[i / area]).collect())
    };
    let operator = match (float32(variance), float32(scale), float32(bias), float32(mean)) {
        (Some(variance), Some(scale), Some(bias), Some(_)) => {
            let epsilon = op.attributes.float("epsilon")?.unwrap_or(f64::from(1e-5f32)) as f32;
            NodeOperator::Normalise { variance, epsilon, scale, bias }
        }
        _ => NodeOperator::Unknown,
    };
    net.computed_by(&y, operator)?;
    Ok(y.into())
}

/// `γ (x − μ) / √(v + ε) + β` with the mean and the variance of the axes from `axis` on, by composition.
pub(super) fn layer_normalization(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let axis = shape::axis(op.attributes.int("axis", -1), x.shape.len())?;
    let epsilon = op.attributes.float("epsilon")?.unwrap_or(f64::from(1e-5f32));
    let len = net.reserve_tensor(&x.shape)?;
    net.reserve(&[len, 8])?;
    let length: usize = x.shape[axis..].iter().product();
    let rows = len / length;
    let of_row: Vec<usize> = (0..len).map(|e| e / length).collect();
    let means = |net: &mut Lowering, x: &Tensor| match mean(
        op,
        net,
        x,
        &Window::of_rows([1, rows, length]),
        vec![length; rows],
    )? {
        Value::Tensor(means) => Ok(means),
        Value::Constant(_) => Err(Fault::from("the mean of data is a constant")),
    };
    let mu = means(net, x)?;
    let minus = Sparse::selection(rows, &of_row, &vec![-1.0; len]);
    let terms = vec![
        Term { source: x.node, map: LinearMap::Identity(len).into() },
        Term { source: mu.node, map: LinearMap::Sparse(minus).into() },
    ];
    let centred = net.affine(op, terms, Coefficients::zeros(len), x.shape.clone())?;
    let square = Power::new(2).ok_or("an exponent below 2")?;
    let squares = net.activation(op, &centred, Arc::new(square))?;
    let variance = means(net, &squares)?;
    let shift = Coefficients::floats(vec![epsilon; rows]);
    let variance = net.linear(op, variance.node, LinearMap::Identity(rows), shift, vec![rows])?;
    let deviation = net.activation(op, &variance, Arc::new(Sqrt))?;
    let scale = net.activation(op, &deviation, Arc::new(Reciprocal))?;
    let factors = [
        Factor { source: centred.node, index: (0..len).collect() },
        Factor { source: scale.node, index: of_row.into() },
    ];
    let y = net.product(op, factors, x.shape.clone())?;
    let gamma = LinearMap::Diagonal(op.constant(1)?.broadcast_to(&x.shape)?);
    let beta = op.optional_constant(2)?.map_or_else(|| Ok(Coefficients::zeros(len)), |b| b.broadcast_to(&x.shape))?;
    let result = net.linear(op, y.node, gamma, beta, x.shape.clone())?;
    // Runtimes compute the variance in ways of which some cancel.
    net.computed_by(&result, NodeOperator::Unknown)?;
    Ok(result.into())
}

/// `γ / √d`: exact when `d` is the square of a rational, else the square root of the exact `γ² / d`
/// rounded to both sides.
pub(super) fn divide_by_root(gamma: &Rational, d: &Rational) -> Result<Parameter, Fault> {
    if d <= &Rational::ZERO {
        return Err("variance + epsilon is not positive".into());
    }
    let (numerator, denominator) = (d.numerator().clone().into_parts().1, d.denominator().clone());
    let exact = match (root(&numerator), root(&denominator)) {
        _ if gamma == &Rational::ZERO => Some(Rational::ZERO),
        (Some(p), Some(q)) => Some(gamma * Rational::from(q) / Rational::from(p)),
        _ => None,
    };
    if let Some(exact) = exact {
        return Ok(Parameter::Exact(exact));
    }
    let square = enclose(&(gamma * gamma / d));
    let root = Interval::new(round::sqrt_down(square.lo.max(0.0)), round::sqrt_up(square.hi));
    Ok(Parameter::within(if gamma < &Rational::ZERO { -root } else { root }))
}

/// The square root of a perfect square.
fn root(n: &UBig) -> Option<UBig> {
    let root = n.sqrt();
    (&root * &root == *n).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::num::exact;

    #[test]
    fn scales_are_exact_where_they_are_rational_and_tight_elsewhere() {
        let of = |x: f64| exact(x).unwrap();
        let third = divide_by_root(&of(-0.5), &of(2.25)).unwrap();
        assert_eq!(third, Parameter::Exact(Rational::from_parts((-1).into(), 3u8.into())));
        for (gamma, d) in [(1.5, 2.0), (-3.0, 0.1), (1e-30, 7.0), (1e30, 1e-40)] {
            let q = divide_by_root(&of(gamma), &of(d)).unwrap();
            let Parameter::Enclosed(enclosure) = q else { panic!("not irrational") };
            let (lo, hi) = (of(enclosure.lo), of(enclosure.hi));
            let square = of(gamma) * of(gamma) / of(d);
            let (small, large) = if gamma > 0.0 { (&lo * &lo, &hi * &hi) } else { (&hi * &hi, &lo * &lo) };
            assert!(small < square && square < large);
            assert!(enclosure.hi <= enclosure.lo.next_up().next_up().next_up());
        }
        assert!(divide_by_root(&of(1.0), &Rational::ZERO).is_err());
    }
}
