//! Vectors of parameters.

use super::Parameter;
use crate::num::{Interval, Rational, Scalar, exact_or_zero};

/// A vector of parameters, some of which may be no floats: a decimal, a quotient, a batch-norm scale.
///
/// Each entry has a float `value`; where that is not the parameter itself, an enclosure is kept, and
/// the exact rational when there is one. Weights of dense and convolution maps are always exact
/// floats, so this is only needed for biases and diagonals.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficients {
    values: Vec<f64>,
    inexact: Option<Vec<Inexact>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Inexact {
    enclosure: Interval,
    rational: Option<Rational>,
}

impl Coefficients {
    /// Parameters that are the floats they are.
    #[must_use]
    pub fn floats(values: Vec<f64>) -> Self {
        Self { values, inexact: None }
    }

    /// `n` zeros.
    #[must_use]
    pub fn zeros(n: usize) -> Self {
        Self::floats(vec![0.0; n])
    }

    /// Exact rational parameters.
    #[must_use]
    pub fn rationals(exact: Vec<Rational>) -> Self {
        Self::parameters(exact.into_iter().map(Parameter::Exact).collect())
    }

    /// Parameters of which only an enclosure is known, such as `1/√v`.
    #[must_use]
    pub fn enclosed(enclosures: Vec<Interval>) -> Self {
        Self::parameters(enclosures.into_iter().map(Parameter::within).collect())
    }

    /// Parameters of either kind.
    #[must_use]
    pub fn parameters(parameters: Vec<Parameter>) -> Self {
        let values = parameters.iter().map(Parameter::value).collect();
        let inexact: Vec<Inexact> = parameters
            .into_iter()
            .map(|parameter| {
                let enclosure = parameter.enclosure();
                let rational = if let Parameter::Exact(q) = parameter { Some(q) } else { None };
                Inexact { enclosure, rational }
            })
            .collect();
        let all_floats = inexact.iter().all(|e| e.enclosure.lo == e.enclosure.hi);
        Self { values, inexact: (!all_floats).then_some(inexact) }
    }

    /// Number of parameters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// True when every parameter is exactly zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.inexact.is_none() && self.values.iter().all(|&v| v == 0.0)
    }

    /// True when every parameter is exactly one.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.inexact.is_none() && self.values.iter().all(|&v| v == 1.0)
    }

    /// The floats nearest to the parameters.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// True when the floats are the parameters.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.inexact.is_none()
    }

    /// Bounds of parameter `i`.
    #[must_use]
    pub fn enclosure(&self, i: usize) -> Interval {
        self.inexact.as_ref().map_or_else(|| Interval::point(self.values[i]), |all| all[i].enclosure)
    }

    /// An upper bound of `|parameter i − values[i]|`.
    #[must_use]
    pub fn radius(&self, i: usize) -> f64 {
        match &self.inexact {
            None => 0.0,
            Some(_) => (self.enclosure(i) - Interval::point(self.values[i])).magnitude(),
        }
    }

    /// Parameter `i` as the `f32` that it is.
    #[must_use]
    pub fn float32(&self, i: usize) -> Option<f32> {
        let value = *self.values.get(i)?;
        (self.radius(i) == 0.0 && f64::from(value as f32) == value).then_some(value as f32)
    }

    /// Parameter `i` exactly, when it is a known rational.
    #[must_use]
    pub fn rational(&self, i: usize) -> Option<Rational> {
        match &self.inexact {
            None => Some(exact_or_zero(self.values[i])),
            Some(all) => all[i].rational.clone(),
        }
    }

    /// Parameter `i` in the arithmetic `T`; `None` where `T` is exact and the parameter is not known.
    #[must_use]
    pub fn get<T: Scalar>(&self, i: usize) -> Option<T> {
        match &self.inexact {
            None => Some(T::from_f64(self.values[i])),
            Some(all) => T::from_parameter(self.values[i], all[i].rational.as_ref(), all[i].enclosure),
        }
    }

    /// True when no parameter is NaN or infinite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|v| v.is_finite())
            && self.inexact.iter().flatten().all(|e| e.enclosure.magnitude().is_finite())
    }

    /// The parameters at `indices` (zero where `None`), in that order.
    #[must_use]
    pub fn select(&self, indices: &[Option<usize>]) -> Self {
        let values = indices.iter().map(|i| i.map_or(0.0, |i| self.values[i])).collect();
        let nothing = || Inexact { enclosure: Interval::ZERO, rational: Some(Rational::ZERO) };
        let of_all = |all: &Vec<Inexact>| indices.iter().map(|i| i.map_or_else(nothing, |i| all[i].clone())).collect();
        let inexact = self.inexact.as_ref().map(of_all);
        let inexact = inexact.filter(|all: &Vec<Inexact>| all.iter().any(|e| e.enclosure.lo != e.enclosure.hi));
        Self { values, inexact }
    }

    /// Parameter `i`.
    #[must_use]
    pub fn parameter(&self, i: usize) -> Parameter {
        match self.rational(i) {
            Some(q) => Parameter::Exact(q),
            None => Parameter::Enclosed(self.enclosure(i)),
        }
    }

    /// Entry by entry `f(a, b)`.
    fn combine(&self, other: &Self, f: impl Fn(&Parameter, &Parameter) -> Parameter) -> Self {
        Self::parameters((0..self.len()).map(|i| f(&self.parameter(i), &other.parameter(i))).collect())
    }

    /// The sums, entry by entry; both of the same length.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        if self.is_zero() {
            return other.clone();
        }
        if other.is_zero() {
            return self.clone();
        }
        self.combine(other, Parameter::plus)
    }

    /// The products, entry by entry; both of the same length.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        if self.is_one() {
            return other.clone();
        }
        if other.is_one() {
            return self.clone();
        }
        self.combine(other, Parameter::times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_decimal;

    #[test]
    fn a_parameter_that_is_no_float_keeps_its_exact_value_and_a_radius() {
        let c = Coefficients::rationals(vec![parse_decimal("0.1").unwrap(), parse_decimal("0.5").unwrap()]);
        assert!(!c.is_exact() && c.radius(0) > 0.0 && c.radius(1) == 0.0);
        let ten = Coefficients::floats(vec![10.0, 2.0]);
        assert!(c.times(&ten).is_one());
        assert_eq!(c.plus(&c).rational(0), Some(parse_decimal("0.2").unwrap()));
        let unknown = Coefficients::enclosed(vec![Interval::new(1.0, 1.5), Interval::point(2.0)]);
        assert_eq!(unknown.rational(0), None);
        assert_eq!(unknown.times(&ten).enclosure(0), Interval::new(10.0, 15.0));
        assert_eq!(unknown.get::<Rational>(0), None);
    }
}
