//! Arithmetic progressions that values are known to lie on.

use super::{Interval, Rational, Scalar, enclose, exact, exact_or_zero};
use dashu_base::{Abs, BitTest, Gcd};

/// What is known of the set of values that a number can take: an arithmetic progression
/// `offset + step · ℤ` that holds them all (Granger's congruences, over the rationals).
///
/// Sums of ±1 have a known parity; a threshold on such a sum has gaps around it that no value reaches,
/// and bounds may be rounded to the next member. It is a [`Scalar`], so that a network can be evaluated
/// in it; operations lose knowledge ([`Lattice::Any`]) rather than round.
#[derive(Clone, Debug, PartialEq)]
pub enum Lattice {
    /// Any real number.
    Any,
    /// A progression of floats, small enough that its members are exact; `step ≥ 0`, and 0 stands for
    /// the single value `offset`.
    Floats {
        /// A member.
        offset: f64,
        /// Distance of neighbours.
        step: f64,
    },
    /// A progression of rationals `(offset, step)`, `step ≥ 0`.
    Rationals(Box<(Rational, Rational)>),
}

/// Steps that are finer than this fraction of the offset tell nothing worth the work.
const FINEST: f64 = 1e-12;

/// Fractions of more bits tell nothing worth the work: they grow with every layer.
const LONGEST: usize = 128;

/// Beyond this many units (the step, or the last bit of the offset) float arithmetic may round.
const LARGEST_COUNT: f64 = (1u64 << 50) as f64;

impl Lattice {
    /// The single value `x`.
    #[must_use]
    pub fn point(x: f64) -> Self {
        if x.is_finite() { Self::Floats { offset: x, step: 0.0 } } else { Self::Any }
    }

    /// `offset + step · ℤ`.
    #[must_use]
    pub fn new(offset: &Rational, step: &Rational) -> Self {
        let (o, s) = (enclose(offset), enclose(step));
        let is_long = |q: &Rational| q.numerator().bit_len() + q.denominator().bit_len() > LONGEST;
        if o.lo == o.hi && s.lo == s.hi {
            Self::floats(o.lo, s.lo)
        } else if is_long(offset) || is_long(step) {
            Self::Any
        } else {
            Self::Rationals(Box::new((offset.clone(), step.clone().abs())))
        }
    }

    fn floats(offset: f64, step: f64) -> Self {
        let step = step.abs();
        let too_fine = step > 0.0 && step < FINEST * offset.abs();
        if !(offset.is_finite() && step.is_finite()) || too_fine {
            return Self::Any;
        }
        Self::Floats { offset, step }
    }

    /// Offset and step as rationals.
    fn rationals(&self) -> Option<(Rational, Rational)> {
        match self {
            Self::Any => None,
            Self::Floats { offset, step } => Some((exact_or_zero(*offset), exact_or_zero(*step))),
            Self::Rationals(pair) => Some((pair.0.clone(), pair.1.clone())),
        }
    }

    /// The smallest progression that holds both.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Floats { offset: a, step: s }, Self::Floats { offset: b, step: t })
                if exact_sum(*a, -b).is_some() =>
            {
                Self::floats(*a, gcd(gcd(*s, *t), a - b))
            }
            _ => match (self.rationals(), other.rationals()) {
                (Some((a, s)), Some((b, t))) => Self::new(&a, &rational_gcd(&rational_gcd(&s, &t), &(&a - &b))),
                _ => Self::Any,
            },
        }
    }

    /// The largest float that is not above any member `≥ a` (`> a` when `is_open`); +∞ when there is no
    /// such member.
    #[must_use]
    pub fn at_least(&self, a: f64, is_open: bool) -> f64 {
        let beyond = |x: f64| if is_open { x > a } else { x >= a };
        match self {
            // A bound that says nothing must not pass for one beyond the only member.
            _ if a.is_nan() => f64::NEG_INFINITY,
            Self::Any => a,
            Self::Floats { offset, step } if *step == 0.0 => {
                if beyond(*offset) {
                    *offset
                } else {
                    f64::INFINITY
                }
            }
            _ if a.is_infinite() => a,
            Self::Floats { offset, step } if is_countable(*offset, *step, a) => {
                let mut x = offset + step * ((a - offset) / step).round();
                while beyond(x - step) {
                    x -= step;
                }
                while !beyond(x) {
                    x += step;
                }
                x
            }
            _ => match (self.rationals(), exact(a)) {
                (Some((offset, step)), Some(a)) if step == Rational::ZERO => {
                    let is_member = if is_open { offset > a } else { offset >= a };
                    if is_member { enclose(&offset).lo } else { f64::INFINITY }
                }
                (Some((offset, step)), Some(exact_a)) => {
                    let count = ((&exact_a - &offset) / &step).ceil();
                    let mut x = offset + &step * Rational::from(count);
                    if is_open && x == exact_a {
                        x += step;
                    }
                    enclose(&x).lo.max(a)
                }
                _ => a,
            },
        }
    }

    /// The smallest float that is not below any member `≤ b` (`< b` when `is_open`); −∞ when there is no
    /// such member.
    #[must_use]
    pub fn at_most(&self, b: f64, is_open: bool) -> f64 {
        match self {
            Self::Any if !b.is_nan() => b,
            _ => -self.mul(&Self::point(-1.0)).at_least(-b, is_open),
        }
    }

    /// The largest power of two of which every member is a multiple: ∞ for 0 alone, 0 when there is none that is
    /// known.
    #[must_use]
    pub fn grain(&self) -> f64 {
        match self {
            Self::Floats { offset, step } => grain(*offset).min(grain(*step)),
            Self::Any | Self::Rationals(_) => 0.0,
        }
    }

    /// `z` with both ends rounded inward to members.
    #[must_use]
    pub fn tighten(&self, z: Interval) -> Interval {
        Interval { lo: self.at_least(z.lo, false), hi: self.at_most(z.hi, false) }
    }

    /// True when `x` is not known to be impossible.
    #[must_use]
    pub fn contains(&self, x: &Rational) -> bool {
        match self.rationals() {
            None => true,
            Some((offset, step)) if step == Rational::ZERO => &offset == x,
            Some((offset, step)) => ((x - offset) / step).is_int(),
        }
    }
}

/// True when all members near `a` are exact floats and counting steps does not round.
fn is_countable(offset: f64, step: f64, a: f64) -> bool {
    let limit = LARGEST_COUNT * last_bit(step).min(last_bit(offset));
    a.abs() < limit && offset.abs() < limit && step < limit
}

/// The largest power of two that divides `x` (∞ for 0).
fn last_bit(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY;
    }
    let (mantissa, exponent) = decompose(x);
    2.0f64.powi(mantissa.trailing_zeros() as i32 + exponent)
}

/// `|x| = mantissa · 2^exponent` for a finite float.
fn decompose(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let biased = ((bits >> 52) & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    if biased == 0 { (fraction, -1074) } else { (fraction | (1 << 52), biased - 1075) }
}

/// `a + b` where no bit is lost.
fn exact_sum(a: f64, b: f64) -> Option<f64> {
    let s = a + b;
    let b_seen = s - a;
    let error = (a - (s - b_seen)) + (b - b_seen);
    (s.is_finite() && error == 0.0).then_some(s)
}

/// `a · b` where no bit is lost.
fn exact_product(a: f64, b: f64) -> Option<f64> {
    let p = a * b;
    if a == 0.0 || b == 0.0 {
        return Some(0.0);
    }
    // Far from underflow the error of the product is itself a float.
    (p.is_finite() && p.abs() > 1e-200 && a.mul_add(b, -p) == 0.0).then_some(p)
}

/// The greatest common divisor of two floats as multiples of a power of two: `%` does not round.
fn gcd(a: f64, b: f64) -> f64 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0.0 {
        (a, b) = (b, a % b);
    }
    a
}

fn rational_gcd(a: &Rational, b: &Rational) -> Rational {
    if a == &Rational::ZERO {
        return b.clone().abs();
    }
    if b == &Rational::ZERO {
        return a.clone().abs();
    }
    // p/q and r/s are multiples of gcd(p s, r q) / (q s).
    let (p, q) = (a.numerator(), a.denominator());
    let (r, s) = (b.numerator(), b.denominator());
    let top = (p * s).gcd(&(r * q));
    Rational::from_parts(top.into(), q * s)
}

/// The largest power of two of which `x` is a multiple; ∞ for 0.
fn grain(x: f64) -> f64 {
    let bits = x.abs().to_bits();
    match bits & ((1 << 52) - 1) {
        0 if bits == 0 => f64::INFINITY,
        0 => x.abs(),
        // What is lost, exactly, with the last bit that is set.
        _ => x.abs() - f64::from_bits(bits & (bits - 1)),
    }
}

impl Scalar for Lattice {
    fn zero() -> Self {
        Self::point(0.0)
    }

    fn from_f64(x: f64) -> Self {
        Self::point(x)
    }

    fn from_parameter(_: f64, rational: Option<&Rational>, _: Interval) -> Option<Self> {
        Some(rational.map_or(Self::Any, |q| Self::new(q, &Rational::ZERO)))
    }

    fn add(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Floats { offset: a, step: s }, Self::Floats { offset: b, step: t }) => match exact_sum(*a, *b) {
                Some(offset) => Self::floats(offset, gcd(*s, *t)),
                None => Self::Any,
            },
            _ => match (self.rationals(), other.rationals()) {
                (Some((a, s)), Some((b, t))) => Self::new(&(a + b), &rational_gcd(&s, &t)),
                _ => Self::Any,
            },
        }
    }

    fn mul(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Floats { offset: w, step }, x) | (x, Self::Floats { offset: w, step }) if *step == 0.0 => {
                let mut product = Self::zero();
                product.accumulate(*w, x);
                product
            }
            _ => match (self.rationals(), other.rationals()) {
                (Some((a, s)), Some((b, t))) => {
                    let step = rational_gcd(&rational_gcd(&(&a * &t), &(&b * &s)), &(s * t));
                    Self::new(&(a * b), &step)
                }
                _ => Self::Any,
            },
        }
    }

    fn accumulate(&mut self, w: f64, x: &Self) {
        if w == 0.0 {
            return;
        }
        match (&mut *self, x) {
            (Self::Any, _) => {}
            (_, Self::Any) => *self = Self::Any,
            (Self::Floats { offset, step }, Self::Floats { offset: o, step: s }) => {
                let moved = exact_product(w, *o).and_then(|product| exact_sum(*offset, product));
                match (moved, exact_product(w, *s)) {
                    (Some(sum), Some(more)) => {
                        let more = more.abs();
                        if more == *step || more == 0.0 {
                            *offset = sum;
                        } else {
                            *self = Self::floats(sum, gcd(more, *step));
                        }
                    }
                    _ => *self = Self::Any,
                }
            }
            _ => {
                if let (Some((o, s)), Some(w)) = (x.rationals(), exact(w)) {
                    *self = self.add(&Self::new(&(&w * &o), &(&w * &s)));
                } else {
                    *self = Self::Any;
                }
            }
        }
    }

    fn accumulate_all(&mut self, w: &[f64], x: &[Self]) {
        // Known before any fraction is added.
        if w.iter().zip(x).any(|(&w, x)| w != 0.0 && matches!(x, Self::Any)) {
            *self = Self::Any;
            return;
        }
        for (&w, x) in w.iter().zip(x) {
            self.accumulate(w, x);
            if matches!(self, Self::Any) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_decimal;
    use proptest::prelude::*;

    fn q(text: &str) -> Rational {
        parse_decimal(text).unwrap()
    }

    fn lattice() -> impl Strategy<Value = Lattice> {
        let number = prop_oneof![
            (-40..40i32).prop_map(|n| Rational::from(n) / Rational::from(4)),
            (-40..40i32).prop_map(|n| Rational::from(n) / Rational::from(3)),
        ];
        (number.clone(), number).prop_map(|(offset, step)| Lattice::new(&offset, &step))
    }

    /// The member with index `k`.
    fn member(lattice: &Lattice, k: i32) -> Rational {
        let (offset, step) = lattice.rationals().unwrap();
        offset + step * Rational::from(k)
    }

    #[test]
    fn a_grain_is_the_largest_power_of_two_that_divides() {
        let least = f64::from_bits(1);
        let cases = [(1.0, 1.0), (0.75, 0.25), (-6.0, 2.0), (0.1, 2f64.powi(-55)), (f64::MAX, 2f64.powi(971))];
        let small = [(least, least), (3.0 * least, least), (f64::MIN_POSITIVE * 1.5, f64::MIN_POSITIVE / 2.0)];
        for (x, expected) in cases.into_iter().chain(small).chain([(f64::MIN_POSITIVE, f64::MIN_POSITIVE)]) {
            assert_eq!(Lattice::point(x).grain(), expected, "{x:e}");
        }
        assert_eq!(Lattice::point(0.0).grain(), f64::INFINITY);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn operations_contain_what_they_are_applied_to(
            a in lattice(), b in lattice(), w in -5..5i32, (i, j) in (-5..5i32, -5..5i32)
        ) {
            let (x, y) = (member(&a, i), member(&b, j));
            prop_assert!(a.add(&b).contains(&(&x + &y)));
            prop_assert!(a.mul(&b).contains(&(&x * &y)));
            prop_assert!(a.join(&b).contains(&x) && a.join(&b).contains(&y));
            let mut sum = a.clone();
            sum.accumulate(f64::from(w) / 2.0, &b);
            prop_assert!(sum.contains(&(&x + &y * Rational::from(w) / Rational::from(2))));
        }

        #[test]
        fn rounding_finds_the_next_member(a in lattice(), end in -80..80i32, is_open in any::<bool>()) {
            let end = f64::from(end) / 8.0;
            let (low, high) = (a.at_least(end, is_open), a.at_most(end, is_open));
            for k in -200..200 {
                let x = member(&a, k);
                let end = exact(end).unwrap();
                if x > end || (x == end && !is_open) {
                    prop_assert!(exact(low).unwrap() <= x);
                }
                if x < end || (x == end && !is_open) {
                    prop_assert!(exact(high).unwrap() >= x);
                }
            }
            // And not further than one step away.
            let (_, step) = a.rationals().unwrap();
            if step > Rational::ZERO {
                prop_assert!(low >= end && high <= end);
                let reach = Rational::from(1) / Rational::from(1_000_000) + &step;
                prop_assert!(exact(low).unwrap() - exact(end).unwrap() <= reach);
                let near = (-400..400).map(|k| member(&a, k)).find(|x| !(x < &exact(end).unwrap() || (is_open && x == &exact(end).unwrap())));
                if let Some(near) = near.filter(|_| member(&a, -400) < exact(end).unwrap()) {
                    prop_assert_eq!(enclose(&near).lo.max(end), low);
                }
            }
        }
    }

    #[test]
    fn a_sum_of_signs_has_the_parity_of_their_number() {
        let sign = Lattice::Floats { offset: -1.0, step: 2.0 };
        for n in 1..6 {
            let mut sum = Lattice::zero();
            sum.accumulate_all(&vec![-1.0; n], &vec![sign.clone(); n]);
            assert_eq!(sum.at_least(0.0, false), f64::from(n as u32 % 2));
            assert_eq!(sum.at_most(0.0, true), -f64::from(2 - n as u32 % 2));
        }
    }

    #[test]
    fn thresholds_that_are_no_floats_are_kept_exactly() {
        let third = Lattice::new(&q("1/3"), &q("1"));
        assert_eq!(third.at_least(0.0, false), enclose(&q("1/3")).lo);
        assert_eq!(third.at_most(0.0, true), enclose(&q("-2/3")).hi);
        assert!(!third.contains(&q("0")) && third.contains(&q("-5/3")));
        // Junk from float weights tells nothing and costs nothing.
        let mut sum = Lattice::zero();
        sum.accumulate(0.1, &Lattice::Floats { offset: -1.0, step: 2.0 });
        sum.accumulate(1.0 / 3.0, &Lattice::Floats { offset: -1.0, step: 2.0 });
        assert!(matches!(sum, Lattice::Any) || sum.at_least(0.0, true) < 1e-9);
    }

    #[test]
    fn a_single_value_leaves_nothing_beside_it() {
        let point = Lattice::point(3.0);
        assert_eq!(point.tighten(Interval { lo: f64::NEG_INFINITY, hi: 10.0 }), Interval::point(3.0));
        assert_eq!(point.at_least(3.0, true), f64::INFINITY);
        assert_eq!(point.at_most(2.0, false), f64::NEG_INFINITY);
        for lattice in [point, Lattice::Any, Lattice::new(&q("1/3"), &Rational::ZERO), Lattice::new(&q("1/3"), &q("1"))]
        {
            assert_eq!(lattice.at_least(f64::NAN, false), f64::NEG_INFINITY);
            assert_eq!(lattice.at_most(f64::NAN, true), f64::INFINITY);
        }
    }
}
