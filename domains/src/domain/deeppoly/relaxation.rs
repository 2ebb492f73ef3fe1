//! How back-substitution passes a node: lines around an activation, errors of an affine node.

use crate::activation::{ActivationFn, Line, Lines, Slopes};
use crate::domain::{NodeBounds, NodePlanes};
use crate::network::{Activation, Affine, NodeId, NodeKind, PullBackError};
use crate::num::Interval;
use crate::num::error::{ETA, UNIT, gamma};
use crate::num::kernel::sum_less_charge;
use crate::num::round::{add_up, mul_up};
use rayon::prelude::*;

/// What back-substitution needs to pass a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Relaxation {
    /// The input: the region's support function ends the way back.
    Input,
    /// An affine node, passed exactly up to this rounding error.
    Affine(PullBackError),
    /// An activation node, passed through a pair of lines per neuron.
    Activation(NodeLines),
    /// A product node, passed through a pair of planes per neuron.
    Product(NodePlanes),
}

/// The lines `lower_slope · z + lower_intercept ≤ y ≤ upper_slope · z + upper_intercept` of every
/// neuron of an activation node, and what using them in floats can lose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeLines {
    /// Slopes below.
    pub lower_slope: Vec<f64>,
    /// Intercepts below.
    pub lower_intercept: Vec<f64>,
    /// Slopes above.
    pub upper_slope: Vec<f64>,
    /// Intercepts above.
    pub upper_intercept: Vec<f64>,
    /// For a coefficient `a` of the neuron, `|a| · error` bounds the rounding of `a · slope` (times
    /// the largest `|z|`) and of summing `a · intercept`.
    pub error: Vec<f64>,
    /// What the underflow of the products `a · slope` may lose whatever `a` is.
    pub absolute: f64,
    /// The neurons that are not passed by one line through the origin without error, in ascending order.
    bent: Vec<usize>,
}

/// Lines of fewer neurons are not worth a task of their own.
const NEURONS_PER_TASK: usize = 128;

impl NodeLines {
    /// The lines of the given slopes over the bounds `z` of the pre-activations.
    #[must_use]
    pub fn new(function: &dyn ActivationFn, z: &NodeBounds, slopes: Slopes) -> Self {
        Self::of(z, |i| function.lines_with(z.reach(i), slopes))
    }

    /// These lines over the bounds `z` of the pre-activations.
    #[must_use]
    pub fn of(z: &NodeBounds, lines: impl Fn(usize) -> Lines + Sync) -> Self {
        let n = z.len();
        let of_neuron = |i: usize| {
            let pair = lines(i);
            let (error, lost) = loss(&pair, z.get(i), n);
            (pair, error, lost)
        };
        let all: Vec<(Lines, f64, f64)> =
            (0..n).into_par_iter().with_min_len(NEURONS_PER_TASK).map(of_neuron).collect();
        let column = |f: fn(&Lines) -> f64| all.iter().map(|(lines, ..)| f(lines)).collect();
        let is_bent = |(i, (lines, error, _)): (usize, &(Lines, f64, f64))| is_bent(lines, *error).then_some(i);
        Self {
            lower_slope: column(|lines| lines.lower.slope),
            lower_intercept: column(|lines| lines.lower.intercept),
            upper_slope: column(|lines| lines.upper.slope),
            upper_intercept: column(|lines| lines.upper.intercept),
            error: all.iter().map(|&(_, error, _)| error).collect(),
            absolute: all.iter().fold(0.0, |sum, &(.., lost)| add_up(sum, lost)),
            bent: all.iter().enumerate().filter_map(is_bent).collect(),
        }
    }

    /// Passes neuron `i`, whose pre-activation lies in `z`, through other lines.
    pub fn replace(&mut self, i: usize, pair: Lines, z: Interval) {
        let (error, lost) = loss(&pair, z, self.error.len());
        (self.lower_slope[i], self.lower_intercept[i]) = (pair.lower.slope, pair.lower.intercept);
        (self.upper_slope[i], self.upper_intercept[i]) = (pair.upper.slope, pair.upper.intercept);
        self.error[i] = error;
        self.absolute = add_up(self.absolute, lost);
        if let (Err(place), true) = (self.bent.binary_search(&i), is_bent(&pair, error)) {
            self.bent.insert(place, i);
        }
    }

    /// Passes the coefficients of the bent neurons, given with their columns, into `passed`: a certified lower bound of
    /// the intercepts less the error.
    #[must_use]
    pub fn pass(&self, bent: &[(usize, usize)], a: &[f64], passed: &mut [f64]) -> f64 {
        let (mut sum, mut charge) = (0.0, 0.0);
        for (&(column, i), passed) in bent.iter().zip(passed) {
            let a = a[column];
            let (slope, intercept) = match a > 0.0 {
                true => (self.lower_slope[i], self.lower_intercept[i]),
                false => (self.upper_slope[i], self.upper_intercept[i]),
            };
            sum += a * intercept;
            charge += (a * self.error[i]).abs();
            *passed = a * slope;
        }
        sum_less_charge(sum, charge, bent.len())
    }

    /// The lines of neuron `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> Lines {
        let line = |slope: &[f64], intercept: &[f64]| Line { slope: slope[i], intercept: intercept[i] };
        Lines {
            lower: line(&self.lower_slope, &self.lower_intercept),
            upper: line(&self.upper_slope, &self.upper_intercept),
        }
    }

    /// How many neurons the node has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lower_slope.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lower_slope.is_empty()
    }

    /// True when both lines of neuron `i` are zero, and so is it.
    #[must_use]
    pub fn are_zero(&self, i: usize) -> bool {
        [&self.lower_slope, &self.lower_intercept, &self.upper_slope, &self.upper_intercept].iter().all(|v| v[i] == 0.0)
    }

    /// The neurons for which coefficients have a choice, a constant or an error: the others are passed by their slope
    /// below alone.
    #[must_use]
    pub fn bent(&self) -> &[usize] {
        &self.bent
    }
}

/// What using the lines of one of `n` neurons in floats can lose: per unit of the coefficient, and to
/// underflow.
fn loss(pair: &Lines, z: Interval, n: usize) -> (f64, f64) {
    let slope = pair.lower.slope.abs().max(pair.upper.slope.abs());
    let intercept = pair.lower.intercept.abs().max(pair.upper.intercept.abs());
    // Products with −1, 0 and 1 are exact.
    let of_slope = if is_unit(pair.lower.slope) && is_unit(pair.upper.slope) {
        0.0
    } else {
        add_up(mul_up(mul_up(2.0 * UNIT, slope), z.magnitude()), mul_up(ETA, z.magnitude()))
    };
    let of_intercept = if intercept == 0.0 { 0.0 } else { mul_up(gamma(n), intercept) };
    let lost = if of_slope > 0.0 { mul_up(ETA, z.magnitude()) } else { 0.0 };
    (add_up(of_slope, of_intercept), lost)
}

fn is_bent(pair: &Lines, error: f64) -> bool {
    let (lower, upper) = (pair.lower, pair.upper);
    error != 0.0 || lower.slope != upper.slope || lower.intercept != 0.0 || upper.intercept != 0.0
}

fn is_unit(slope: f64) -> bool {
    slope == 0.0 || slope.abs() == 1.0
}

impl Relaxation {
    /// The relaxation of an affine node whose sources are bounded by `bounds`.
    #[must_use]
    pub fn affine<'a>(affine: &Affine, bounds: impl Fn(NodeId) -> &'a NodeBounds) -> Self {
        Self::Affine(affine.pull_back_error(|source| bounds(source).magnitudes()))
    }

    /// The relaxation of an activation node over the bounds of its source.
    #[must_use]
    pub fn activation(activation: &Activation, z: &NodeBounds, slopes: Slopes) -> Self {
        Self::Activation(NodeLines::new(activation.function.as_ref(), z, slopes))
    }

    /// The relaxation of any node, with lines of least area.
    #[must_use]
    pub fn of<'a>(kind: &NodeKind, bounds: impl Fn(NodeId) -> &'a NodeBounds) -> Self {
        match kind {
            NodeKind::Input => Self::Input,
            NodeKind::Affine(affine) => Self::affine(affine, bounds),
            NodeKind::Activation(activation) => Self::activation(activation, bounds(activation.source), Slopes::Area),
            NodeKind::Product(product) => Self::Product(NodePlanes::new(product, bounds, Slopes::Area)),
        }
    }
}
