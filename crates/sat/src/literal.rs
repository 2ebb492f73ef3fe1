//! Variables and literals, and how they are written.

use std::fmt;
use std::ops::Not;

/// A Boolean variable, numbered from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Var(u32);

impl Var {
    /// The variable with this number.
    #[must_use]
    pub fn new(index: usize) -> Self {
        debug_assert!(index < (u32::MAX >> 1) as usize);
        Self(index as u32)
    }

    /// Its number.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The literal that is true when the variable is.
    #[must_use]
    pub fn positive(self) -> Lit {
        Lit(self.0 << 1)
    }

    /// The literal that is true when the variable is false.
    #[must_use]
    pub fn negative(self) -> Lit {
        Lit(self.0 << 1 | 1)
    }

    /// The literal that is true when the variable has this value.
    #[must_use]
    pub fn is(self, value: bool) -> Lit {
        if value { self.positive() } else { self.negative() }
    }
}

impl fmt::Debug for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x{}", self.0 + 1)
    }
}

/// A variable or its negation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lit(u32);

impl Lit {
    /// Its variable.
    #[must_use]
    pub fn var(self) -> Var {
        Var(self.0 >> 1)
    }

    /// True for a negated variable.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }

    /// A dense index: twice the variable's, plus one when negated.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn code(self) -> u32 {
        self.0
    }

    pub(super) fn from_code(code: u32) -> Self {
        Self(code)
    }
}

/// Appends a number in decimal: formulas and proofs consist of little else, and the standard library's
/// formatting would take longer than many a search.
pub(super) fn write_decimal(mut n: u128, text: &mut Vec<u8>) {
    let mut digits = [0; 39];
    let mut at = digits.len();
    while at == digits.len() || n > 0 {
        at -= 1;
        // Almost all numbers are small.
        let digit = if let Ok(small) = u64::try_from(n) {
            n = u128::from(small / 10);
            small % 10
        } else {
            let digit = n % 10;
            n /= 10;
            digit as u64
        };
        digits[at] = b'0' + digit as u8;
    }
    text.extend_from_slice(&digits[at..]);
}

impl Lit {
    /// Appends what [`fmt::Display`] shows.
    pub(super) fn write_to(self, text: &mut Vec<u8>) {
        text.extend_from_slice(if self.is_negative() { b"~x" } else { b"x" });
        write_decimal(u128::from(self.var().0) + 1, text);
    }
}

impl Not for Lit {
    type Output = Self;

    fn not(self) -> Self {
        Self(self.0 ^ 1)
    }
}

impl fmt::Debug for Lit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As in OPB files: `x1` is the variable with number 0, `~x1` its negation.
impl fmt::Display for Lit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", if self.is_negative() { "~" } else { "" }, self.var().0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_standard_library_does() {
        let mut n = 1u128;
        for _ in 0..130 {
            for m in [0, n - 1, n, n + 1] {
                let mut text = Vec::new();
                write_decimal(m, &mut text);
                assert_eq!(text, m.to_string().into_bytes());
            }
            n = n.wrapping_mul(2).max(1);
            let literal = Var::new((n % 1000) as usize).is(n.is_multiple_of(3));
            let mut text = Vec::new();
            literal.write_to(&mut text);
            assert_eq!(text, literal.to_string().into_bytes());
        }
    }
}
