//! The two signs, which differ at zero.

use super::{ActivationFn, Piece, Shape};

/// The signum of the papers on binarized networks: −1 below zero and **+1 at zero** and above.
#[derive(Clone, Copy, Debug)]
pub struct Sign;

/// The `Sign` operator of ONNX: −1 below zero, **0 at zero**, +1 above.
#[derive(Clone, Copy, Debug)]
pub struct SignWithZero;

const fn constant(from: f64, to: f64, from_closed: bool, to_closed: bool, value: f64) -> Piece {
    Piece { from, to, from_closed, to_closed, slope: 0.0, intercept: value }
}

impl ActivationFn for Sign {
    fn name(&self) -> &'static str {
        "sign"
    }

    fn shape(&self) -> Shape<'_> {
        const PIECES: [Piece; 2] =
            [constant(f64::NEG_INFINITY, 0.0, false, false, -1.0), constant(0.0, f64::INFINITY, true, false, 1.0)];
        Shape::Pieces(&PIECES)
    }
}

impl ActivationFn for SignWithZero {
    fn name(&self) -> &'static str {
        "sign_with_zero"
    }

    fn shape(&self) -> Shape<'_> {
        const PIECES: [Piece; 3] = [
            constant(f64::NEG_INFINITY, 0.0, false, false, -1.0),
            constant(0.0, 0.0, true, true, 0.0),
            constant(0.0, f64::INFINITY, false, false, 1.0),
        ];
        Shape::Pieces(&PIECES)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OpenEnds, Reach};
    use super::*;
    use crate::num::Interval;

    #[test]
    fn a_sign_without_the_end_at_its_jump_is_constant() {
        let below = |upper| Reach { open: OpenEnds { lower: false, upper }, ..Interval::new(-2.0, 0.0).into() };
        assert_eq!((Sign.segments(below(false)).len(), Sign.segments(below(true)).len()), (2, 1));
        assert_eq!(Sign.image(below(true)), Interval::point(-1.0));
        let above = |lower| Reach { open: OpenEnds { lower, upper: false }, ..Interval::new(0.0, 2.0).into() };
        assert_eq!((SignWithZero.segments(above(false)).len(), SignWithZero.segments(above(true)).len()), (2, 1));
        assert_eq!(above(true).within(Interval::new(0.5, 2.0)).open, OpenEnds::default());
    }
}
