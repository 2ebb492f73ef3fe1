//! Sigmoid, Tanh and the other smooth activations.

use super::fault::Fault;
use super::lowering::{Lowering, Operator, ROUNDS_INTEGERS, Tensor, Value, finite};
use super::{power, products, shape};
use crate::domains::activation::{
    ActivationFn, Arctan, Clip, Cos, Elu, Erf, Exp, Gelu, Log, Power, Reciprocal, Sigmoid, Sin, Softplus, Softsign,
    Sqrt, Tanh,
};
use crate::domains::network::{Coefficients, LinearMap, Operator as NodeOperator, Term};
use std::sync::Arc;

fn apply(op: &Operator, net: &mut Lowering, f: impl ActivationFn + 'static) -> Result<Value, Fault> {
    Ok(net.activation(op, op.tensor(0)?, Arc::new(f))?.into())
}

/// `1 / (1 + e^−x)`.
pub(super) fn sigmoid(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Sigmoid)
}

/// The hyperbolic tangent.
pub(super) fn tanh(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Tanh)
}

/// `e^x`.
pub(super) fn exp(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Exp)
}

/// `ln x`.
pub(super) fn log(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Log)
}

/// `ln (1 + e^x)`.
pub(super) fn softplus(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Softplus)
}

/// `x / (1 + |x|)`.
pub(super) fn softsign(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Softsign)
}

/// The arc tangent.
pub(super) fn atan(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Arctan)
}

/// The sine.
pub(super) fn sin(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Sin)
}

/// The cosine.
pub(super) fn cos(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Cos)
}

/// The error function.
pub(super) fn erf(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    apply(op, net, Erf)
}

/// `1 / x`.
pub(super) fn reciprocal(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    match op.value(0)? {
        Value::Tensor(_) => apply(op, net, Reciprocal),
        Value::Constant(c) => Ok(net.computed(finite(c, 0)?.reciprocals()?)),
    }
}

/// `√x`; of constants exactly where it can be.
pub(super) fn sqrt(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    match op.value(0)? {
        Value::Tensor(_) => apply(op, net, Sqrt),
        Value::Constant(_) => power::sqrt(op, net),
    }
}

/// `x^y`; where `y` is data as `e^(y ln x)`, for positive `x`.
pub(super) fn pow(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    if let Value::Tensor(exponent) = op.value(1)? {
        return exponential(op, net, exponent);
    }
    let Value::Tensor(x) = op.value(0)? else { return power::pow(op, net) };
    let exponent = op.constant(1)?;
    if exponent.shape.len() > x.shape.len() {
        return Err(format!(
            "an exponent of shape {:?} gives the result another shape; make it a scalar",
            exponent.shape
        )
        .into());
    }
    let exponents = finite(exponent, 1)?;
    if exponents.len() == 1 {
        return Ok(to_power(op, net, x, exponents.scalar()?)?.into());
    }
    let (shape, len) = (x.shape.clone(), net.reserve_tensor(&x.shape)?);
    exponents.floats()?;
    let exponents = exponents.broadcast_to(&shape)?;
    let mut all = exponents.values().to_vec();
    all.sort_by(f64::total_cmp);
    all.dedup();
    net.reserve(&[all.len(), len, 2])?;
    // Entries of one exponent go together.
    let mut terms = Vec::with_capacity(all.len());
    for p in all {
        let chosen: Vec<usize> = (0..len).filter(|&i| exponents.values()[i] == p).collect();
        let (count, nothing) = (chosen.len(), Coefficients::zeros(chosen.len()));
        let index = chosen.iter().copied().map(Some).collect();
        let part = net.linear(op, x.node, LinearMap::Select { input_len: len, index }, nothing, vec![count])?;
        let power = to_power(op, net, &Tensor { of_integers: x.of_integers, ..part }, p)?;
        let mut index = vec![None; len];
        chosen.iter().enumerate().for_each(|(k, &i)| index[i] = Some(k));
        terms.push(Term { source: power.node, map: LinearMap::Select { input_len: count, index }.into() });
    }
    Ok(net.affine(op, terms, Coefficients::zeros(len), shape)?.into())
}

/// `x^p` for a constant exponent.
fn to_power(op: &Operator, net: &mut Lowering, x: &Tensor, p: f64) -> Result<Tensor, Fault> {
    if x.of_integers && (p < 0.0 || p.fract() != 0.0) {
        return Err(ROUNDS_INTEGERS.into());
    }
    let power = raised(op, net, x, p.abs())?;
    let factors = if p.fract() == 0.0 { p.abs() as usize } else { 0 };
    if p >= 0.0 {
        net.computed_by(&power, NodeOperator::Call(factors.saturating_sub(1)))?;
        return Ok(power);
    }
    net.computed_by(&power, NodeOperator::Part)?;
    let result = products::reciprocal(op, net, &power)?;
    // A power of the reciprocal has its rounding as often as it is multiplied; the reciprocal of a power may be one of a
    // subnormal number, which counts as one rounding more.
    net.computed_by(&result, NodeOperator::Call(2 * factors))?;
    Ok(result)
}

/// Why a power with a computed exponent is refused.
const POSITIVE_BASE: &str = "the base of a power with a computed exponent must be positive: a constant above zero, or the \
                             result of Exp, Softplus, Sigmoid or another function that is never negative";

fn exponential(op: &Operator, net: &mut Lowering, exponent: &Tensor) -> Result<Value, Fault> {
    if op.inputs.iter().flatten().any(Value::is_of_integers) {
        return Err(ROUNDS_INTEGERS.into());
    }
    let base = match op.value(0)? {
        // Below zero a power is no exponential: what is known of the logarithm there says nothing of it.
        Value::Tensor(x) if net.is_at_least_zero(x) => x.clone(),
        Value::Tensor(_) => return Err(POSITIVE_BASE.into()),
        Value::Constant(c) if c.values.values().iter().any(|&base| base <= 0.0) => return Err(POSITIVE_BASE.into()),
        Value::Constant(c) => {
            let index = vec![None; net.reserve_tensor(&c.shape)?];
            let nothing = LinearMap::Select { input_len: net.builder.len(exponent.node), index };
            net.linear(op, exponent.node, nothing, finite(c, 0)?.values.clone(), c.shape.clone())?
        }
    };
    let logarithm = net.activation(op, &base, Arc::new(Log))?;
    let shape = shape::broadcast(&base.shape, &exponent.shape)?;
    net.computed_by(&logarithm, NodeOperator::Part)?;
    let power = products::entrywise(op, net, [exponent, &logarithm], shape)?;
    net.computed_by(&power, NodeOperator::Part)?;
    let result = net.activation(op, &power, Arc::new(Exp))?;
    // A computed base may be rounded to a number below zero.
    let is_known = matches!(op.value(0)?, Value::Constant(_));
    net.computed_by(&result, if is_known { NodeOperator::Call(0) } else { NodeOperator::Unknown })?;
    Ok(result.into())
}

/// `x^p` for one of the exponents `p` that are supported.
fn raised(op: &Operator, net: &mut Lowering, x: &Tensor, p: f64) -> Result<Tensor, Fault> {
    const LARGEST: f64 = 64.0;
    match p {
        0.0 => {
            let len = net.reserve_tensor(&x.shape)?;
            let nothing = LinearMap::Select { input_len: net.builder.len(x.node), index: vec![None; len] };
            net.linear(op, x.node, nothing, Coefficients::floats(vec![1.0; len]), x.shape.clone())
        }
        1.0 => {
            let len = net.reserve_tensor(&x.shape)?;
            net.linear(op, x.node, LinearMap::Identity(len), Coefficients::zeros(len), x.shape.clone())
        }
        0.5 => net.activation(op, x, Arc::new(Sqrt)),
        p if p.fract() == 0.0 && (2.0..=LARGEST).contains(&p) => {
            let power = Power::new(p as u32).ok_or("an exponent below 2")?;
            net.activation(op, x, Arc::new(power))
        }
        p => Err(format!(
            "the exponent {p} is not supported; supported exponents: 0.5, and 0, 1, … 64, or minus one of them"
        )
        .into()),
    }
}

/// `x Φ(x)`.
pub(super) fn gelu(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    match op.attributes.text("approximate", "none")? {
        "none" => apply(op, net, Gelu),
        other => Err(format!("`approximate` = {other} is not supported; export it with approximate = none").into()),
    }
}

/// `x` where it is positive, else `alpha (e^x − 1)`.
pub(super) fn elu(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let alpha = op.attributes.float("alpha")?.unwrap_or(1.0);
    let elu = Elu::new(alpha).ok_or_else(|| format!("`alpha` = {alpha} is not supported; it must be from 0 to 1"))?;
    apply(op, net, elu)
}

/// `alpha x + beta`, clipped to [0, 1].
pub(super) fn hard_sigmoid(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let alpha = op.attributes.float("alpha")?.unwrap_or(f64::from(0.2f32));
    let beta = op.attributes.float("beta")?.unwrap_or(0.5);
    let n = net.reserve_tensor(&x.shape)?;
    let map = LinearMap::Diagonal(Coefficients::floats(vec![alpha; n]));
    let z = net.linear(op, x.node, map, Coefficients::floats(vec![beta; n]), x.shape.clone())?;
    Ok(net.activation(op, &z, Arc::new(Clip::new(0.0, 1.0)))?.into())
}
