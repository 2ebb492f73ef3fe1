//! Real numbers or IEEE 754.

use std::fmt;

/// The arithmetic in which a network is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Real numbers.
    #[default]
    Real,
    /// IEEE 754 single precision, round to nearest, gradual underflow; the sums of every operator in any order, with
    /// or without fused multiply-add.
    Float32,
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Float32 => "float32",
        })
    }
}
