//! A region of two-valued or quantised inputs as bits, in thermometer form.

use super::SignumError;
use super::cells::{Cell, Cells, Inequality};
use super::steps::common_denominator;
use crate::domains::budget::Budget;
use crate::domains::num::Rational;
use crate::domains::query::{Ball, HalfSpace, Region};
use absint_sat::{Formula, Lit};
use dashu_int::IBig;
use itertools::Itertools;

/// A number `(base + Σ a_i l_i) / D` over literals, with the common denominator D of its query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub base: i64,
    pub steps: Vec<(i64, Lit)>,
}

/// The inputs of a region as values, with what is known of their bits.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    pub values: Vec<Value>,
    /// The ball: of Hamming's distance, or of L1 on a grid.
    pub ball: Option<HammingBall>,
    /// The real inputs, where there are any; then no input has bits.
    pub cells: Option<Cells>,
}

/// At most `most` of the literals are true: inputs that are flipped, or grid steps away from the centre.
#[derive(Clone, Debug)]
pub(super) struct HammingBall {
    pub flips: Vec<Lit>,
    pub most: i64,
    /// Which constraint of the formula says so.
    pub constraint: usize,
}

/// No more bits than this.
const LARGEST_REGION: i64 = 1 << 24;

/// `q · denominator` as an integer; `None` where it does not fit.
pub(super) fn in_units(q: &Rational, denominator: &Rational) -> Option<i64> {
    i64::try_from((q * denominator).trunc()).ok()
}

/// True where some input ranges over the reals.
fn is_real(region: &Region) -> bool {
    let (lower, upper) = region.exact_box();
    matches!(region.ball(), Ball::Box) && lower.iter().zip(upper).any(|(l, u)| l != u)
}

/// More real inputs than this are too many for exact sign cells.
const MOST_REAL_INPUTS: usize = 20;

/// Whether every input of the region is two-valued or quantised, so that a refutation has a certificate.
pub(super) fn is_discrete(region: &Region) -> bool {
    let (lower, upper) = region.exact_box();
    matches!(region.ball(), Ball::Hamming { .. } | Ball::Grid { .. } | Ball::GridL1 { .. })
        || (matches!(region.ball(), Ball::Box) && lower == upper)
}

/// Whether the engine takes the region at all.
pub(super) fn is_supported(region: &Region) -> bool {
    is_discrete(region) || (matches!(region.ball(), Ball::Box) && region.len() <= MOST_REAL_INPUTS)
}

/// The step of input `i` from its lower to its upper end, where the region is finite there.
fn step(region: &Region, i: usize) -> Result<Rational, SignumError> {
    let (lower, upper) = region.exact_box();
    match region.ball() {
        _ if lower[i] == upper[i] => Ok(Rational::ONE),
        Ball::Hamming { .. } => Ok(&upper[i] - &lower[i]),
        Ball::Grid { step, .. } | Ball::GridL1 { step, .. } => Ok(step.clone()),
        Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } => Err(SignumError::RealInput(i)),
    }
}

/// The least common denominator of everything that an input can be.
pub(super) fn denominator(region: &Region) -> Result<IBig, SignumError> {
    if is_real(region) {
        return Ok(IBig::ONE);
    }
    let (lower, _) = region.exact_box();
    let steps = (0..lower.len()).map(|i| step(region, i)).collect::<Result<Vec<_>, _>>()?;
    Ok(common_denominator(lower.iter().chain(&steps)).into())
}

impl Inputs {
    /// Encodes a region: one bit per two-valued input, one per grid step of a quantised one
    /// (`v = lower + Σ t_k`, `t_{k+1} → t_k`; Jia & Rinard 2020 §4.1), and its ball and half-spaces.
    pub fn encode(region: &Region, denominator: &IBig, formula: &mut Formula) -> Result<Self, SignumError> {
        let too_large = || SignumError::TooLarge("the region".into());
        let (lower, upper) = region.exact_box();
        if is_real(region) {
            let row = |h: &HalfSpace| Inequality { terms: h.terms.clone(), bound: h.rhs.clone(), is_strict: false };
            let rows = region.half_spaces().iter().map(row).collect();
            let cells = Cells { lower: lower.to_vec(), upper: upper.to_vec(), rows, sides: Vec::new() };
            return Ok(Self { values: Vec::new(), ball: None, cells: Some(cells) });
        }
        let unit = Rational::from(denominator.clone());
        let mut values = Vec::with_capacity(lower.len());
        let mut bits = 0;
        // Mostly an input ranges over the same values as the one before it.
        let mut before: Option<(usize, i64, i64, i64)> = None;
        for i in 0..lower.len() {
            let is_same = |j: usize| lower[i] == lower[j] && upper[i] == upper[j];
            let (base, count, height) = match before {
                Some((j, base, count, height)) if is_same(j) => (base, count, height),
                _ => {
                    let step = step(region, i)?;
                    let base = in_units(&lower[i], &unit).ok_or_else(too_large)?;
                    let count = in_units(&((&upper[i] - &lower[i]) / &step), &Rational::ONE).ok_or_else(too_large)?;
                    (base, count, in_units(&step, &unit).ok_or_else(too_large)?)
                }
            };
            before = Some((i, base, count, height));
            bits += count;
            if bits > LARGEST_REGION {
                return Err(too_large());
            }
            let steps: Vec<(i64, Lit)> = (0..count).map(|_| (height, formula.new_var().positive())).collect();
            for (above, below) in steps.iter().tuple_windows() {
                formula.clause(&[above.1, !below.1]);
            }
            values.push(Value { base, steps });
        }
        let ball = away_from_center(region, &values).ok_or_else(too_large)?;
        let ball = ball.and_then(|(flips, most)| {
            let constraint = formula.constraints.len();
            formula.at_least(flips.iter().map(|&l| (-1, l)).collect(), -most);
            (most >= 0 && !flips.is_empty()).then_some(HammingBall { flips, most, constraint })
        });
        let inputs = Self { values, ball, cells: None };
        for half_space in region.half_spaces() {
            let terms: Vec<(&Value, Rational)> =
                half_space.terms.iter().map(|(i, c)| (&inputs.values[*i], -c)).collect();
            let (terms, bound) = at_least(&terms, &-&half_space.rhs, false, &unit).ok_or_else(too_large)?;
            formula.at_least(terms, bound);
        }
        Ok(inputs)
    }

    /// The point that the values of the bits stand for; over real inputs perhaps none, then a clause that excludes
    /// them and does hold.
    pub fn point(&self, bit: impl Fn(Lit) -> bool, denominator: &IBig, budget: &Budget) -> Cell {
        let unit = Rational::from(denominator.clone());
        if let Some(cells) = &self.cells {
            return cells.point(bit, budget);
        }
        let value = |v: &Value| v.steps.iter().filter(|s| bit(s.1)).fold(v.base, |sum, s| sum + s.0);
        Cell::Point(self.values.iter().map(|v| Rational::from(value(v)) / &unit).collect())
    }
}

/// The literals of which a ball allows only so many to be true, and how many that are (−1 for an empty ball);
/// `None` inside where there is no ball, outside where its numbers are too large.
#[allow(clippy::option_option)]
fn away_from_center(region: &Region, values: &[Value]) -> Option<Option<(Vec<Lit>, i64)>> {
    let (lower, _) = region.exact_box();
    let mut away: Vec<Lit> = Vec::new();
    let most = match region.ball() {
        Ball::Hamming { at_upper, flips } => {
            let flipped = |(v, &high): (&Value, &bool)| v.steps.first().map(|&(_, l)| if high { !l } else { l });
            away.extend(values.iter().zip(at_upper).filter_map(flipped));
            i64::try_from(*flips).unwrap_or(i64::MAX)
        }
        Ball::GridL1 { origin, step, radius } => {
            // In steps: |v − origin| counts those above the origin that are taken and those below that are not.
            let mut most = in_units(&(radius / step), &Rational::ONE)?;
            for ((value, origin), lower) in values.iter().zip(origin).zip(lower) {
                let center = in_units(&((origin - lower) / step), &Rational::ONE)?;
                let count = value.steps.len() as i64;
                most = most.checked_sub((center - count).max(-center).max(0))?;
                let literal = |(k, &(_, l)): (usize, &(i64, Lit))| if (k as i64) < center { !l } else { l };
                away.extend(value.steps.iter().enumerate().map(literal));
            }
            most
        }
        Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } | Ball::Grid { .. } => return Some(None),
    };
    let most = most.clamp(-1, away.len() as i64);
    Some(Some((away, most)))
}

/// `Σ c_i v_i ≥ bound` (`>` where strict) over values as an integer constraint over literals: its terms and its bound.
pub(super) fn at_least(
    terms: &[(&Value, Rational)],
    bound: &Rational,
    is_strict: bool,
    unit: &Rational,
) -> Option<(Vec<(i64, Lit)>, i64)> {
    let common = Rational::from(common_denominator(terms.iter().map(|t| &t.1)));
    let mut rest = bound * unit * &common;
    let mut literals = Vec::new();
    for (value, c) in terms {
        let c = in_units(c, &common)?;
        rest -= Rational::from(c) * Rational::from(value.base);
        for &(a, l) in &value.steps {
            literals.push((c.checked_mul(a)?, l));
        }
    }
    let least = if is_strict { rest.floor() + IBig::ONE } else { rest.ceil() };
    Some((literals, i64::try_from(least).ok()?))
}
