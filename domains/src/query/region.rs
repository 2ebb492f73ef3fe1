//! Regions of inputs, each with an exact description and a certified support function.

mod decimals;
mod differences;
mod ends;
mod members;
mod minima;

use crate::num::{Interval, Lattice, Rational};
use differences::Difference;
use ends::Ends;
use std::sync::Arc;
use thiserror::Error;

/// `Σ c_i x_i ≤ rhs` over the inputs, exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfSpace {
    /// The coefficients that are not zero, by input index.
    pub terms: Vec<(usize, Rational)>,
    /// The right side.
    pub rhs: Rational,
}

/// What, besides the box, limits a region.
#[derive(Clone, Debug, PartialEq)]
pub enum Ball {
    /// Nothing: boxes and L∞ balls.
    Box,
    /// `Σ |x_i − center_i| ≤ radius`.
    L1 {
        /// Centre.
        center: Vec<Rational>,
        /// Radius.
        radius: Rational,
    },
    /// `Σ (x_i − center_i)² ≤ radius²`.
    L2 {
        /// Centre.
        center: Vec<Rational>,
        /// Radius.
        radius: Rational,
    },
    /// Two-valued inputs, each at an end of its box; at most `flips` of them differ from the centre.
    Hamming {
        /// For each input, true when its centre is the upper end.
        at_upper: Vec<bool>,
        /// How many inputs may flip.
        flips: usize,
    },
    /// Quantised inputs as in [`Ball::Grid`], with `Σ |x_i − origin_i| ≤ radius` besides.
    GridL1 {
        /// The centre, a grid point.
        origin: Vec<Rational>,
        /// The grid's step, positive.
        step: Rational,
        /// The radius, a multiple of the step.
        radius: Rational,
    },
    /// Quantised inputs `origin_i + j · step`, `j` an integer, inside the box.
    Grid {
        /// A grid point.
        origin: Vec<Rational>,
        /// The grid's step, positive.
        step: Rational,
    },
}

/// A bounded set of inputs: a box with exact ends, cut by a ball and by half-spaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    ends: Ends,
    ball: Ball,
    half_spaces: Vec<HalfSpace>,
    differences: Vec<Difference>,
}

/// Why a region makes no sense.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RegionError {
    /// A lower end exceeds its upper end.
    #[error("the region is empty: the lower bound of X_{0} exceeds its upper bound")]
    Empty(usize),
    /// Vectors of different lengths.
    #[error("the region has {found} coordinates where {expected} are needed")]
    Length {
        /// Length found.
        found: usize,
        /// Length needed.
        expected: usize,
    },
    /// A radius or step that is negative (or zero, for a step).
    #[error("the radius or step of the region must be positive")]
    Radius,
}

impl Region {
    /// The box `[lower, upper]`.
    pub fn new_box(lower: Vec<Rational>, upper: Vec<Rational>) -> Result<Self, RegionError> {
        if lower.len() != upper.len() {
            return Err(RegionError::Length { found: upper.len(), expected: lower.len() });
        }
        if let Some(i) = (0..lower.len()).find(|&i| lower[i] > upper[i]) {
            return Err(RegionError::Empty(i));
        }
        Ok(Self { ends: Ends::new(lower, upper), ball: Ball::Box, half_spaces: Vec::new(), differences: Vec::new() })
    }

    /// A box whose ends, lower and upper for each input, are shared with other boxes: it takes little room until it is
    /// looked at, and so does a clone of it.
    pub fn shared_box(ends: Vec<[Arc<Rational>; 2]>) -> Result<Self, RegionError> {
        match ends.iter().position(|[lower, upper]| lower > upper) {
            Some(i) => Err(RegionError::Empty(i)),
            None => {
                Ok(Self { ends: Ends::shared(ends), ball: Ball::Box, half_spaces: Vec::new(), differences: Vec::new() })
            }
        }
    }

    /// The box around `center` with this radius, clipped to `domain` (lower and upper end of every
    /// input) where given.
    pub fn linf(
        center: &[Rational],
        radius: &Rational,
        domain: Option<(&Rational, &Rational)>,
    ) -> Result<Self, RegionError> {
        if radius < &Rational::ZERO {
            return Err(RegionError::Radius);
        }
        let lower = |c: &Rational| domain.map_or(c - radius, |(l, _)| (c - radius).max(l.clone()));
        let upper = |c: &Rational| domain.map_or(c + radius, |(_, u)| (c + radius).min(u.clone()));
        Self::new_box(center.iter().map(lower).collect(), center.iter().map(upper).collect())
    }

    /// The L1 ball, clipped to `domain` where given.
    pub fn l1(
        center: &[Rational],
        radius: &Rational,
        domain: Option<(&Rational, &Rational)>,
    ) -> Result<Self, RegionError> {
        let ball = Ball::L1 { center: center.to_vec(), radius: radius.clone() };
        Ok(Self { ball, ..Self::linf(center, radius, domain)? })
    }

    /// The L2 ball, clipped to `domain` where given.
    pub fn l2(
        center: &[Rational],
        radius: &Rational,
        domain: Option<(&Rational, &Rational)>,
    ) -> Result<Self, RegionError> {
        let ball = Ball::L2 { center: center.to_vec(), radius: radius.clone() };
        Ok(Self { ball, ..Self::linf(center, radius, domain)? })
    }

    /// Inputs of two values `low < high`: at most `flips` differ from the centre, which is `high`
    /// where `at_upper`.
    pub fn hamming(low: &Rational, high: &Rational, at_upper: Vec<bool>, flips: usize) -> Result<Self, RegionError> {
        let n = at_upper.len();
        let (lower, upper) = if flips == 0 {
            let center: Vec<Rational> = at_upper.iter().map(|&h| if h { high.clone() } else { low.clone() }).collect();
            (center.clone(), center)
        } else {
            (vec![low.clone(); n], vec![high.clone(); n])
        };
        Ok(Self { ball: Ball::Hamming { at_upper, flips }, ..Self::new_box(lower, upper)? })
    }

    /// The grid points `center + j · step` in the box `[lower, upper]`; the box shrinks to its
    /// outermost grid points.
    pub fn grid(
        center: &[Rational],
        step: &Rational,
        lower: &[Rational],
        upper: &[Rational],
    ) -> Result<Self, RegionError> {
        if step <= &Rational::ZERO {
            return Err(RegionError::Radius);
        }
        for other in [lower.len(), upper.len()] {
            if other != center.len() {
                return Err(RegionError::Length { found: other, expected: center.len() });
            }
        }
        let at = |c: &Rational, j: Rational| c + j * step;
        let low = |(c, l): (&Rational, &Rational)| at(c, Rational::from(((l - c) / step).ceil()));
        let high = |(c, u): (&Rational, &Rational)| at(c, Rational::from(((u - c) / step).floor()));
        let lower = center.iter().zip(lower).map(low).collect();
        let upper = center.iter().zip(upper).map(high).collect();
        let ball = Ball::Grid { origin: center.to_vec(), step: step.clone() };
        Ok(Self { ball, ..Self::new_box(lower, upper)? })
    }

    /// The grid points `center + j · step` of the L1 ball, in the box `[lower, upper]`. The radius is rounded
    /// down to a multiple of the step.
    pub fn grid_l1(
        center: &[Rational],
        step: &Rational,
        radius: &Rational,
        lower: &[Rational],
        upper: &[Rational],
    ) -> Result<Self, RegionError> {
        if radius < &Rational::ZERO {
            return Err(RegionError::Radius);
        }
        let end = |i: usize, sign: Rational| center.get(i).map_or(Rational::ZERO, |c| c + sign * radius);
        let low: Vec<Rational> = lower.iter().enumerate().map(|(i, l)| end(i, -Rational::ONE).max(l.clone())).collect();
        let high: Vec<Rational> = upper.iter().enumerate().map(|(i, u)| end(i, Rational::ONE).min(u.clone())).collect();
        let grid = Self::grid(center, step, &low, &high)?;
        let radius = Rational::from((radius / step).floor()) * step;
        Ok(Self { ball: Ball::GridL1 { origin: center.to_vec(), step: step.clone(), radius }, ..grid })
    }

    /// The same region cut by further half-spaces.
    #[must_use]
    pub fn with_half_spaces(mut self, half_spaces: Vec<HalfSpace>) -> Self {
        self.half_spaces.extend(half_spaces);
        self
    }

    /// Number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True for a region without coordinates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bounding box, rounded outward.
    #[must_use]
    pub fn bounds(&self) -> &[Interval] {
        &self.ends.open().outer
    }

    /// Exact lower and upper ends of the bounding box.
    #[must_use]
    pub fn exact_box(&self) -> (&[Rational], &[Rational]) {
        let open = self.ends.open();
        (&open.lower, &open.upper)
    }

    /// The lattice on which each input's values lie: two-valued and quantised inputs, and inputs with one
    /// value only.
    #[must_use]
    pub fn lattices(&self) -> Vec<Lattice> {
        let (lower, upper) = self.exact_box();
        let ends = lower.iter().zip(upper);
        let of_input = |(i, (l, u)): (usize, (&Rational, &Rational))| match &self.ball {
            _ if l == u => Lattice::new(l, &Rational::ZERO),
            Ball::Hamming { .. } => Lattice::new(l, &(u - l)),
            Ball::Grid { origin, step } | Ball::GridL1 { origin, step, .. } => Lattice::new(&origin[i], step),
            Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } => Lattice::Any,
        };
        ends.enumerate().map(of_input).collect()
    }

    /// What limits the region besides the box.
    #[must_use]
    pub fn ball(&self) -> &Ball {
        &self.ball
    }

    /// The half-spaces that cut the region.
    #[must_use]
    pub fn half_spaces(&self) -> &[HalfSpace] {
        &self.half_spaces
    }

    /// The part of the region in the box `[lower, upper]`; `None` when that box is empty, and for Hamming
    /// balls, whose two values are the ends of their box.
    #[must_use]
    pub fn restricted(&self, lower: Vec<Rational>, upper: Vec<Rational>) -> Option<Self> {
        if matches!(self.ball, Ball::Hamming { .. }) || lower.len() != self.len() {
            return None;
        }
        let (low, high) = self.exact_box();
        let inside = Self::new_box(
            lower.into_iter().zip(low).map(|(a, b)| a.max(b.clone())).collect(),
            upper.into_iter().zip(high).map(|(a, b)| a.min(b.clone())).collect(),
        );
        let (half_spaces, differences) = (self.half_spaces.clone(), self.differences.clone());
        Some(Self { ball: self.ball.clone(), half_spaces, differences, ..inside.ok()? })
    }
}
