//! Sqrt and Pow of constants, which exporters leave in the graph for a normalisation's deviation.

use super::constant::Constant;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, ROUNDS_INTEGERS, Value};
use super::normalise::divide_by_root;
use crate::domains::network::{Coefficients, Parameter};
use crate::domains::num::Rational;

/// `√x` of a constant: exact for squares of rationals, else enclosed.
pub(super) fn sqrt(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    Ok(net.computed(root(op.constant(0)?)?))
}

/// `x^p` of a constant, where p is 1/2 or 2.
pub(super) fn pow(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let (base, exponent) = (op.constant(0)?, op.constant(1)?.scalar()?);
    match exponent {
        0.5 if base.integer => Err(ROUNDS_INTEGERS.into()),
        0.5 => Ok(net.computed(root(base)?)),
        2.0 => Ok(net.computed(Constant { values: base.values.times(&base.values), ..base.clone() })),
        _ => Err(format!("the exponent {exponent} is not supported; supported exponents: 0.5, 2").into()),
    }
}

/// The square roots of all entries.
fn root(c: &Constant) -> Result<Constant, Fault> {
    let of_entry = |i: usize| match c.values.rational(i) {
        Some(x) if x == Rational::ZERO => Ok(Parameter::ZERO),
        Some(x) if x > Rational::ZERO => divide_by_root(&x, &x),
        Some(_) => Err("the square root of a negative number".into()),
        None => Err("the square root of a number that is known only approximately".into()),
    };
    let values = Coefficients::parameters((0..c.len()).map(of_entry).collect::<Result<_, _>>()?);
    Ok(Constant { shape: c.shape.clone(), values, integer: false })
}
