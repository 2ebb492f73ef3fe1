//! Numbers as certificates write them.

use crate::domains::network::Parameter;
use crate::domains::num::Rational;
use std::fmt::{Display, Formatter, Result};

/// A finite float: a whole number, or an odd one times a power of two, `3b-2` for 3/4.
pub(super) struct Float(pub f64);

/// Whole numbers below this are written as they are.
const SHORT: f64 = 1e6;

impl Display for Float {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let x = self.0;
        if x.trunc() == x && x.abs() < SHORT {
            return write!(f, "{}", x as i64);
        }
        let bits = x.to_bits();
        let (exponent, fraction) = ((bits >> 52) & 0x7FF, bits & ((1 << 52) - 1));
        let (mantissa, power) = match exponent {
            0 => (fraction, -1074),
            _ => (fraction | 1 << 52, exponent as i64 - 1075),
        };
        let zeros = mantissa.trailing_zeros();
        let sign = if x < 0.0 { "-" } else { "" };
        write!(f, "{sign}{}b{}", mantissa >> zeros, power + i64::from(zeros))
    }
}

/// A parameter: a float, a fraction, or `lo~hi` where only an enclosure is known.
pub(super) struct Number<'a>(pub &'a Parameter);

impl Display for Number<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            Parameter::Exact(q) => write!(f, "{}", Exact(q)),
            Parameter::Enclosed(interval) => write!(f, "{}~{}", Float(interval.lo), Float(interval.hi)),
        }
    }
}

/// A rational: a float where it is one, else a fraction.
pub(super) struct Exact<'a>(pub &'a Rational);

impl Display for Exact<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let near = crate::domains::num::enclose(self.0);
        if near.lo == near.hi { write!(f, "{}", Float(near.lo)) } else { write!(f, "{}", self.0) }
    }
}
