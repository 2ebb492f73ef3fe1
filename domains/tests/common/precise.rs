//! Smooth activations in arbitrary precision: what enclosures are compared with, and networks evaluated as if exactly.

#![allow(dead_code, clippy::unwrap_used)]

use absint_domains::activation::{Activate, Piece, Smooth};
use absint_domains::network::Network;
use absint_domains::num::{Interval, Rational, Scalar};
use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;

pub type Big = FBig<HalfEven, 2>;

/// Bits.
const PRECISION: usize = 320;

pub fn big(x: f64) -> Big {
    Big::try_from(x).unwrap().with_precision(PRECISION).value()
}

fn number(x: i32) -> Big {
    big(f64::from(x))
}

/// `e^z`, where exponents beyond any float stand for those of their ends.
fn exp(z: &Big) -> Big {
    if z < &number(-4000) {
        return number(-4000).exp();
    }
    if z > &number(4000) { number(4000).exp() } else { z.exp() }
}

fn erf(x: &Big) -> Big {
    if x < &number(0) {
        return -erf(&-x.clone());
    }
    if x > &number(40) {
        return number(1) - exp(&number(-1600));
    }
    let two = number(2);
    let square = x * x;
    let (mut term, mut sum, mut odd) = (x.clone(), x.clone(), 1);
    let little = big(1e-95);
    while term > &little * &sum || number(odd) < &square * &two {
        odd += 2;
        term = term * &square * &two / number(odd);
        sum += &term;
    }
    let pi = number(1).atan() * number(4);
    two / pi.sqrt() * exp(&-square) * sum
}

/// Value and derivative of a function, told by how it prints itself; `None` where it is not defined.
pub fn reference(f: &dyn Smooth, z: &Big) -> Option<[Big; 2]> {
    let (zero, one, two) = (number(0), number(1), number(2));
    let sigmoid = |z: &Big| &one / (&one + exp(&-z.clone()));
    let name = format!("{f:?}");
    let size = if z < &zero { -z.clone() } else { z.clone() };
    Some(match name.as_str() {
        "Sigmoid" => [sigmoid(z), sigmoid(z) * sigmoid(&-z.clone())],
        "Tanh" => {
            let twice = z * &two;
            let y = (exp(&twice) - &one) / (exp(&twice) + &one);
            // Its small values cancel above.
            let y = if size < big(1e-20) { z.clone() } else { y };
            [y, number(4) * sigmoid(&twice) * sigmoid(&-twice.clone())]
        }
        "Exp" => [exp(z), exp(z)],
        // At the ends the sum or the exponent is beyond all digits.
        "Softplus" if z > &number(1000) => [z.clone(), sigmoid(z)],
        "Softplus" if z < &number(-100) => {
            let y = exp(z);
            [&y - &y * &y / &two + &y * &y * &y / number(3), sigmoid(z)]
        }
        "Softplus" => [(&one + exp(z)).ln(), sigmoid(z)],
        "Arctan" => [z.atan(), &one / (&one + z * z)],
        "Softsign" => [z / (&one + &size), &one / ((&one + &size) * (&one + &size))],
        "Silu" => [z * sigmoid(z), sigmoid(z) + z * sigmoid(z) * sigmoid(&-z.clone())],
        "Gelu" => {
            let below = (&one + erf(&(z / two.sqrt()))) / &two;
            let tau = one.atan() * number(8);
            let density = exp(&(-(z * z) / &two)) / tau.sqrt();
            [z * &below, below + z * density]
        }
        "Erf" => {
            let pi = one.atan() * number(4);
            [erf(z), &two / pi.sqrt() * exp(&-(z * z))]
        }
        "Sin" => [z.sin(), z.cos()],
        "Cos" => [z.cos(), -z.sin()],
        "Reciprocal" if *z != zero => [&one / z, -(&one / (z * z))],
        "Sqrt" if *z > zero => [z.sqrt(), &one / (&two * z.sqrt())],
        "Log" if *z > zero => [z.ln(), &one / z],
        "Elu { alpha: 0.5 }" | "Elu { alpha: 1.0 }" if z < &zero => {
            let alpha = if name.contains("0.5") { &one / &two } else { one.clone() };
            let y = if size < big(1e-20) { z.clone() } else { exp(z) - &one };
            [&alpha * y, alpha * exp(z)]
        }
        "Elu { alpha: 0.5 }" | "Elu { alpha: 1.0 }" => [z.clone(), one],
        "Power { exponent: 2 }" => [z * z, two * z],
        "Power { exponent: 3 }" => [z * z * z, number(3) * z * z],
        _ => return None,
    })
}

/// A rational that smooth functions are applied to in arbitrary precision.
#[derive(Clone)]
struct Precise(Rational);

impl Scalar for Precise {
    fn zero() -> Self {
        Self(Rational::ZERO)
    }
    fn from_f64(x: f64) -> Self {
        Self(Rational::from_f64(x))
    }
    fn from_parameter(value: f64, rational: Option<&Rational>, enclosure: Interval) -> Option<Self> {
        Rational::from_parameter(value, rational, enclosure).map(Self)
    }
    fn add(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0)
    }
    fn mul(&self, other: &Self) -> Self {
        Self(&self.0 * &other.0)
    }
    fn accumulate(&mut self, w: f64, x: &Self) {
        self.0.accumulate(w, &x.0);
    }
}

impl Activate for Precise {
    fn activate(&self, pieces: &[Piece]) -> Self {
        Self(self.0.activate(pieces))
    }
    fn activate_smooth(&self, f: &dyn Smooth) -> Option<Self> {
        let z: Big = self.0.to_float(PRECISION).value();
        let [value, _] = reference(f, &z)?;
        Rational::try_from(value).ok().map(Self)
    }
}

/// The values of all nodes, exactly where the activations are piecewise affine and to many digits elsewhere; `None`
/// where a function is not defined.
pub fn values(network: &Network, x: &[Rational]) -> Option<Vec<Vec<Rational>>> {
    let x: Vec<Precise> = x.iter().cloned().map(Precise).collect();
    let values = network.evaluate_all(&x).ok()?;
    Some(values.into_iter().map(|node| node.into_iter().map(|v| v.0).collect()).collect())
}
