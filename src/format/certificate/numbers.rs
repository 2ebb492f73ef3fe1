//! Numbers as certificates write them.

use crate::domains::network::Parameter;
use crate::domains::num::Rational;
use std::fmt::{Display, Formatter, Result};

/// A finite float: a whole number, or an odd one times a power of two, `3b-2` for 3/4.
pub(super) struct Float(pub f64);

/// Whole numbers below this are written as they are.
const SHORT: f64 = 1e6;

/// What is written of one number. Networks and proofs consist of these, so that the general way is too slow.
#[derive(Default)]
pub(super) struct Digits {
    bytes: [u8; 32],
    len: usize,
}

impl Digits {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// A number of at most 20 digits, behind its sign.
    fn whole(&mut self, is_negative: bool, mut n: u64) {
        if is_negative {
            self.push(b'-');
        }
        let start = self.len;
        self.len += n.checked_ilog10().unwrap_or(0) as usize + 1;
        for byte in self.bytes[start..self.len].iter_mut().rev() {
            *byte = b'0' + (n % 10) as u8;
            n /= 10;
        }
    }

    /// An index.
    pub fn of_index(i: usize) -> Self {
        let mut digits = Self::default();
        digits.whole(false, i as u64);
        digits
    }

    /// A finite float.
    pub fn of_float(x: f64) -> Self {
        let mut digits = Self::default();
        if x.trunc() == x && x.abs() < SHORT {
            digits.whole(x < 0.0, x.abs() as u64);
            return digits;
        }
        let bits = x.to_bits();
        let (exponent, fraction) = ((bits >> 52) & 0x7FF, bits & ((1 << 52) - 1));
        let (mantissa, power) = match exponent {
            0 => (fraction, -1074),
            _ => (fraction | 1 << 52, exponent as i64 - 1075),
        };
        let zeros = mantissa.trailing_zeros();
        digits.whole(x < 0.0, mantissa >> zeros);
        digits.push(b'b');
        let power = power + i64::from(zeros);
        digits.whole(power < 0, power.unsigned_abs());
        digits
    }

    /// Digits, signs and a `b`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Display for Float {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(std::str::from_utf8(Digits::of_float(self.0).bytes()).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_whole_or_odd_numbers_times_powers_of_two() {
        let written = |x: f64| Float(x).to_string();
        let all = [0.0, -0.0, -7.0, 999_999.0, 1e6, 0.75, -0.1, 5e-324, -f64::MAX, f64::MIN_POSITIVE];
        let expected = [
            "0",
            "0",
            "-7",
            "999999",
            "15625b6",
            "3b-2",
            "-3602879701896397b-55",
            "1b-1074",
            "-9007199254740991b971",
            "1b-1022",
        ];
        assert_eq!(all.map(written), expected.map(str::to_owned));
        assert_eq!(Digits::of_index(usize::MAX).bytes(), usize::MAX.to_string().as_bytes());
    }
}
