//! What the float32 execution of an affine node can lose, whatever the order of its sums.

use crate::activation::{ActivationFn, Computed, Piece, Shape};
use crate::network::{Coefficients, LinearMap};
use crate::num::round::{add_up, div_down, div_up, mul_down, mul_up, sub_down};
use crate::num::{Interval, Lattice};
use std::borrow::Cow;

/// The unit roundoff of `f32`, 2⁻²⁴.
const UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// The smallest positive subnormal of `f32`, 2⁻¹⁴⁹: twice what one product loses to gradual underflow.
pub(super) const ETA: f64 = 1.401_298_464_324_817e-45;

/// Parameters outside of these magnitudes are not rounded to `f32` with a small relative error, or a product with
/// them is not.
const SAFE: std::ops::RangeInclusive<f64> = 1e-30..=1e30;

/// How an affine node is computed in float32, with everything that was folded into it.
///
/// A float32 operator `z = W x + b` rounds each product and each sum, in some order, with or without fused
/// multiply-add. On its way into the result a product meets at most `operations` roundings, each a factor
/// `1 + δ`, `|δ| ≤ u = 2⁻²⁴`, so that
///
/// `|z_float32 − (W x + b)| ≤ γ_N (|W| |x| + |b|) + underflow`, `γ_N = N u / (1 − N u)`,
///
/// with the *float32* values `x` (Higham 2002, §3.1). Operators in sequence (a dot product, a bias, a batch
/// normalisation) multiply their factors: folded into one affine map they keep this form, with the sum of
/// their operations and the sum of what their constants contribute in magnitude.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rounding {
    /// Roundings on the way through the node's own sums.
    pub(crate) sum: usize,
    /// Roundings on the way through what was folded behind them.
    pub(crate) later: usize,
    /// Results of functions of the runtime on that way, each off by as many units in the last place as are
    /// [assumed](Self::assuming).
    pub(crate) calls: usize,
    /// One per output, or a single one where it is that of all; none where everything is exact and there are
    /// no constants. Read them by [`Rounding::row`].
    pub(crate) rows: Vec<RoundingRow>,
    /// How large intermediate values can become.
    pub(crate) growth: Growth,
    /// Where a threshold was moved within the gap of a lattice: the bias before, and whether a sign of 0 was
    /// excluded by it.
    pub(crate) moved: Option<(Coefficients, bool)>,
}

/// What concerns one output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RoundingRow {
    /// The magnitudes of all constants, as they reach the output.
    pub bias: f64,
    /// What underflow can lose.
    pub underflow: f64,
    /// Products `w` of the node's own sums, and its own constant, are multiples of this; 0 when unknown, ∞ when
    /// there are none.
    pub grain: f64,
}

impl RoundingRow {
    pub const NOTHING: Self = Self { bias: 0.0, underflow: 0.0, grain: f64::INFINITY };

    /// Both, and no grain.
    pub fn plus(self, other: Self) -> Self {
        let (bias, underflow) = (add_up(self.bias, other.bias), add_up(self.underflow, other.underflow));
        Self { bias, underflow: mul_up(2.0, underflow), grain: 0.0 }
    }

    /// Both, with the grain of the first.
    pub fn followed_by(self, later: Self) -> Self {
        Self { grain: self.grain, ..self.plus(later) }
    }

    /// All of it multiplied by a number in this range.
    fn scaled(self, factor: Interval) -> Self {
        let largest = factor.magnitude();
        let grain = match factor {
            Interval::ZERO => f64::INFINITY,
            factor => mul_down(self.grain, factor.lo.max(-factor.hi).max(0.0)),
        };
        Self { bias: mul_up(largest, self.bias), underflow: mul_up(largest, self.underflow), grain }
    }

    /// All of it divided by a number of at least this magnitude.
    pub fn divided(self, divisor: f64) -> Self {
        let grain = if self.grain.is_finite() { div_down(self.grain, divisor) } else { self.grain };
        Self { bias: div_up(self.bias, divisor), underflow: div_up(self.underflow, divisor), grain }
    }
}

/// Intermediate values are at most `factor · max|x| + constant`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Growth {
    pub factor: f64,
    pub constant: f64,
}

impl Default for Growth {
    fn default() -> Self {
        Self { factor: 1.0, constant: 0.0 }
    }
}

impl Growth {
    /// Of `outer` behind `inner`.
    pub fn behind(outer: Self, inner: Self) -> Self {
        Self {
            factor: inner.factor.max(mul_up(outer.factor, inner.factor.max(1.0))),
            constant: inner.constant.max(add_up(mul_up(outer.factor, inner.constant), outer.constant)),
        }
    }

    /// Of `Σ W x + b`, in any order.
    pub fn of(maps: &[&LinearMap], bias: &Coefficients) -> Self {
        let constant = (0..bias.len()).fold(0.0, |m: f64, i| m.max(bias.enclosure(i).magnitude()));
        let factor = maps.iter().fold(0.0, |sum, map| add_up(sum, norm(map)));
        Self { factor: factor.max(1.0), constant }
    }

    /// Of what both bound.
    pub fn or(self, other: Self) -> Self {
        Self { factor: self.factor.max(other.factor), constant: self.constant.max(other.constant) }
    }

    /// Of several maps whose results are added.
    fn beside(self, other: Self) -> Self {
        Self { factor: add_up(self.factor, other.factor), constant: add_up(self.constant, other.constant) }
    }
}

/// The grain of one number.
fn grain(x: f64) -> f64 {
    Lattice::point(x).grain()
}

/// True when `f32` holds the number.
fn is_float32(x: f64) -> bool {
    f64::from(x as f32) == x
}

/// Whether a parameter is one that float32 arithmetic has, exactly; `None` when rounding it may lose all of it.
fn fits(value: f64, is_exact: bool) -> Option<bool> {
    if is_exact && is_float32(value) {
        return Some(true);
    }
    SAFE.contains(&value.abs()).then_some(false)
}

/// What one map brings to each output: terms that are added, whether these are rounded products, and the grain.
struct Products {
    terms: usize,
    are_copies: bool,
    are_float32: bool,
    grain: f64,
}

/// `None` when a weight is out of range.
fn products(map: &LinearMap) -> Option<Products> {
    let factors = map.copies().and_then(|copies| copies.factors);
    let is_copy = map.copies().is_some();
    let mut finest = if is_copy && factors.is_none() { 1.0 } else { f64::INFINITY };
    let (mut are_float32, mut are_units, mut in_range) = (true, true, true);
    for (i, &value) in factors.iter().flat_map(|d| d.values().iter().enumerate()) {
        let is_exact = map.radius(i).is_none_or(|(_, radius)| radius == 0.0);
        are_float32 &= if value == 0.0 && is_exact { true } else { fits(value, is_exact)? };
        are_units &= value.abs() == 1.0 || value == 0.0;
        finest = finest.min(grain(value));
    }
    if is_copy {
        let grain = if map.is_exact() { finest } else { 0.0 };
        return Some(Products { terms: 1, are_copies: are_units && map.is_exact(), are_float32, grain });
    }
    map.for_each_weight(|w| {
        in_range &= fits(w, true).inspect(|fits| are_float32 &= fits).is_some();
        finest = finest.min(grain(w));
    });
    in_range.then_some(Products { terms: map.fan_in(), are_copies: false, are_float32, grain: finest })
}

/// How many numbers meet in each output, where every map only copies.
fn copies(maps: &[&LinearMap], bias: &Coefficients) -> usize {
    let mut count: Vec<usize> = (0..bias.len()).map(|i| usize::from(bias.enclosure(i) != Interval::ZERO)).collect();
    for copies in maps.iter().filter_map(|map| map.copies()) {
        for (i, count) in count.iter_mut().enumerate() {
            *count += usize::from(copies.source(i).is_some() && copies.factor(i) != 0.0);
        }
    }
    count.into_iter().max().unwrap_or(0)
}

impl Rounding {
    /// Of an operator about which nothing can be said.
    pub(crate) fn unknown() -> Self {
        let growth = Growth { factor: f64::INFINITY, constant: f64::INFINITY };
        Self { growth, ..Self::default() }
    }

    /// Of that many operations of IEEE 754, one behind another, none of which cancels anything.
    pub(crate) fn of_operations(operations: usize) -> Self {
        let row = RoundingRow { underflow: operations as f64 * ETA, grain: 0.0, ..RoundingRow::NOTHING };
        Self { later: operations, rows: vec![row], ..Self::default() }
    }

    /// Of a function of the runtime, whose error is counted in units in the last place of the exact value, or of
    /// `at_least` where that is larger. What it flushes to zero is allowed for.
    pub(crate) fn of_call(at_least: f64) -> Self {
        let row = RoundingRow { bias: at_least, underflow: f64::from(f32::MIN_POSITIVE), grain: 0.0 };
        Self { calls: 1, rows: vec![row], ..Self::default() }
    }

    /// Of an activation.
    pub(crate) fn of_function(function: &dyn ActivationFn) -> Self {
        let pieces = match function.shape() {
            Shape::Pieces(pieces) => pieces,
            Shape::Smooth(f) => {
                return match f.computed() {
                    Computed::Operations(operations) => Self::of_operations(operations),
                    Computed::Call { at_least } => Self::of_call(at_least),
                    Computed::Power(operations) => Self::of_call(0.0).with_more(operations),
                    Computed::Unknown => Self::unknown(),
                };
            }
        };
        let is_chosen = |p: &Piece| {
            let ends = [p.from, p.to].into_iter().filter(|end| end.is_finite());
            ends.chain([p.intercept]).all(is_float32) && (p.slope == 0.0 || (p.slope == 1.0 && p.intercept == 0.0))
        };
        let is_scaled =
            |p: &Piece| p.intercept == 0.0 && [p.from, p.to].iter().all(|end| *end == 0.0 || end.is_infinite());
        if pieces.iter().all(is_chosen) {
            Self::default()
        } else if pieces.iter().all(|p| is_scaled(p) && fits(p.slope, true) == Some(true)) {
            Self::of_operations(1)
        } else {
            Self::unknown()
        }
    }

    /// Of a number within an operator that no execution computes: what is rounded is charged to the operator's result.
    pub(crate) fn part() -> Self {
        Self { growth: Growth { factor: 0.0, constant: 0.0 }, ..Self::default() }
    }

    /// Whether it is that of such a part.
    pub(crate) fn is_part(&self) -> bool {
        self.growth.factor == 0.0
    }

    /// The same of a result with this constant in it.
    pub(super) fn with_constants(self, bias: &Coefficients) -> Self {
        if bias.is_zero() || self.rows.is_empty() {
            return self;
        }
        let mut all = self.spread(bias.len());
        let constants = (0..bias.len()).map(|i| bias.enclosure(i).magnitude());
        all.rows.iter_mut().zip(constants).for_each(|(row, constant)| row.bias = add_up(row.bias, constant));
        all
    }

    /// The same where each function of the runtime is off by at most so many units in the last place; nothing is known of
    /// any without such an assumption.
    pub(crate) fn assuming(&self, ulps: u32) -> Cow<'_, Self> {
        match (self.calls, ulps) {
            (0, _) => Cow::Borrowed(self),
            (_, 0) => Cow::Owned(Self::unknown()),
            // A unit in the last place of y is at most 2⁻²³ |y|, which is two roundings.
            (calls, ulps) => Cow::Owned(Self { later: self.later + 2 * ulps as usize * calls, ..self.clone() }),
        }
    }

    /// False of an operator about which nothing can be said.
    pub(crate) fn is_known(&self) -> bool {
        self.growth.factor.is_finite()
    }

    /// Encloses what an execution computes for output `i` where the exact value lies in `exact`.
    pub(crate) fn around(&self, i: usize, exact: Interval) -> Interval {
        if self.operations() == 1 && self.constants(i) == 0.0 {
            // Rounding to nearest is monotone.
            return Interval::new(f64::from(exact.lo as f32), f64::from(exact.hi as f32));
        }
        let error = self.bound(i, add_up(exact.magnitude(), self.constants(i)), false, 0);
        exact + Interval::new(-error, error)
    }

    /// Of an operator whose result is one of its operands, however it is written as an affine map.
    pub(crate) fn exact(bias: &Coefficients) -> Self {
        let row = |i: usize| RoundingRow { bias: bias.enclosure(i).magnitude(), underflow: 0.0, grain: 0.0 };
        Self { rows: for_each(bias, row), ..Self::default() }
    }

    /// Of `Σ W x + b` as one operator: sums in any order, the bias anywhere.
    pub(crate) fn of(maps: &[&LinearMap], bias: &Coefficients) -> Self {
        Self::of_operator(maps, bias).unwrap_or_else(Self::unknown)
    }

    fn of_operator(maps: &[&LinearMap], bias: &Coefficients) -> Option<Self> {
        let products: Vec<Products> = maps.iter().map(|map| products(map)).collect::<Option<_>>()?;
        let mut is_float32 = products.iter().all(|m| m.are_float32);
        for (i, &value) in bias.values().iter().enumerate() {
            let is_exact = bias.is_exact() || bias.radius(i) == 0.0;
            is_float32 &= if value == 0.0 && is_exact { true } else { fits(value, is_exact)? };
        }
        if is_float32 && products.iter().all(|m| m.are_copies) && copies(maps, bias) <= 1 {
            return Some(Self::exact(bias));
        }
        let fan_in: usize = products.iter().map(|m| m.terms).sum();
        // Products, sums and the bias; and a parameter that is no float32 number, which may be a reciprocal.
        let sum = fan_in + 2 + if is_float32 { 0 } else { 2 };
        let underflow = (fan_in as f64 + 2.0) * ETA;
        let of_maps = products.iter().map(|m| m.grain).fold(f64::INFINITY, f64::min);
        let row = |i: usize| {
            let grain = if is_float32 { of_maps.min(grain(bias.values()[i])) } else { 0.0 };
            RoundingRow { bias: bias.enclosure(i).magnitude(), underflow, grain }
        };
        let rows = for_each(bias, row);
        Some(Self { sum, rows, growth: Growth::of(maps, bias), ..Self::default() })
    }

    /// The same with some more roundings of everything.
    pub(crate) fn with_more(mut self, operations: usize) -> Self {
        self.later += operations;
        self
    }

    /// Roundings in all, the sums' included.
    pub(crate) fn operations(&self) -> usize {
        self.sum + self.later
    }

    /// True when nothing is rounded.
    pub(crate) fn is_exact(&self) -> bool {
        self.operations() == 0 && self.calls == 0 && self.is_known() && self.rows.iter().all(|r| r.underflow == 0.0)
    }

    /// The bias before a threshold was moved within its gap, and whether a sign of 0 was excluded by that.
    pub(crate) fn before_move(&self) -> Option<&(Coefficients, bool)> {
        self.moved.as_ref()
    }

    /// The magnitudes of all constants that reach output `i`, together.
    pub(crate) fn constants(&self, i: usize) -> f64 {
        self.row(i).bias
    }

    /// What the products and the constant of output `i` are multiples of, where the operands are integers.
    pub(crate) fn grain(&self, i: usize) -> f64 {
        self.row(i).grain
    }

    /// No intermediate value is larger, where no operand is larger than `operand`.
    pub(crate) fn largest(&self, operand: f64) -> f64 {
        let Growth { factor, constant } = self.growth;
        // Of a part no number is computed, whatever its operand.
        if factor == 0.0 { constant } else { add_up(mul_up(factor, operand), constant) }
    }

    /// What concerns output `i`.
    pub(crate) fn row(&self, i: usize) -> RoundingRow {
        at(&self.rows, i)
    }

    /// The same with a row of its own for each of `outputs`.
    pub(crate) fn spread(mut self, outputs: usize) -> Self {
        self.rows = (0..outputs).map(|i| self.row(i)).collect();
        self
    }

    /// Of the affine node `outer` with the nodes that some of its terms read folded into it: for each term its map
    /// and the rounding of such a node.
    pub(crate) fn folded(outer: &Self, parts: &[(&LinearMap, Option<&Self>)]) -> Self {
        if let [(map, Some(inner))] = parts {
            return Self::behind(outer, map, inner);
        }
        let mut all = outer.clone();
        let (mut most, mut calls) = (0, 0);
        let mut growth = Growth { factor: 0.0, constant: 0.0 };
        for (map, inner) in parts {
            let Some(inner) = inner else {
                growth = growth.beside(Growth::default());
                continue;
            };
            most = most.max(inner.operations());
            calls = calls.max(inner.calls);
            growth = growth.beside(inner.growth);
            all.rows = paired(&all.rows, &pushed(map, inner), map.output_len(), |row, more| RoundingRow {
                bias: add_up(row.bias, more.bias),
                underflow: add_up(row.underflow, more.underflow),
                // A constant that comes in from a part is no multiple of what the node's own terms are.
                grain: if more.bias == 0.0 { row.grain } else { 0.0 },
            });
        }
        all.calls += calls;
        // The sums of the parts are not told from those of the whole any more.
        if most + calls > 0 {
            (all.sum, all.later) = (0, outer.operations() + most);
            all.rows.iter_mut().for_each(|row| row.grain = 0.0);
        }
        all.growth = Growth::behind(outer.growth, growth);
        all
    }

    /// Of `outer`, with the map `map`, behind `inner`.
    fn behind(outer: &Self, map: &LinearMap, inner: &Self) -> Self {
        let is_exact = inner.is_exact();
        let rows = paired(&outer.rows, &pushed(map, inner), map.output_len(), |own, from_inner| RoundingRow {
            bias: add_up(own.bias, from_inner.bias),
            underflow: add_up(own.underflow, mul_up(2.0, from_inner.underflow)),
            grain: match (is_exact, from_inner.bias == 0.0) {
                (true, true) => own.grain,
                (true, false) => 0.0,
                (false, _) => from_inner.grain,
            },
        });
        let (sum, later) = match inner.is_exact() {
            true => (outer.sum, outer.later),
            false => (inner.sum, inner.later + outer.operations()),
        };
        let calls = inner.calls + outer.calls;
        Self { sum, later, calls, rows, growth: Growth::behind(outer.growth, inner.growth), moved: None }
    }

    /// The bound `γ_N (|W| |x| + |b|) + underflow` for one output with `magnitude = |W| |x| + |b|`; with
    /// `is_exact_sum` the node's own sums are not rounded, with `more` additional roundings.
    pub(crate) fn bound(&self, i: usize, magnitude: f64, is_exact_sum: bool, more: usize) -> f64 {
        let operations = self.later + more + if is_exact_sum { 0 } else { self.sum };
        if operations == 0 {
            return if is_exact_sum { 0.0 } else { self.row(i).underflow };
        }
        // Each additional rounding is one of the operands, which may underflow too.
        let of_operands = mul_up(more as f64 * ETA, self.growth.factor);
        let underflow = add_up(mul_up(2.0, self.row(i).underflow), of_operands);
        add_up(mul_up(gamma(operations), magnitude), underflow)
    }
}

/// `γ_N` for float32, rounded up; ∞ when there are too many operations for it to exist.
pub(crate) fn gamma(operations: usize) -> f64 {
    let product = mul_up(operations as f64, UNIT);
    let rest = sub_down(1.0, product);
    if rest > 0.0 { div_up(product, rest) } else { f64::INFINITY }
}

/// The largest `Σ|w|` of a row.
fn norm(map: &LinearMap) -> f64 {
    match map.weight_rows() {
        // The whole row meets in an output at most; the products are too many to be gone through here.
        Some((rows, outputs)) if outputs > 1 => {
            rows.rows().into_iter().map(|row| row.fold(0.0, |sum, w| add_up(sum, w.abs()))).fold(0.0, f64::max)
        }
        _ => map.magnitudes(&vec![1.0; map.input_len()]).into_iter().fold(0.0, f64::max),
    }
}

/// RoundingRow `i` of a list that may have a single one for all.
fn at(rows: &[RoundingRow], i: usize) -> RoundingRow {
    match rows {
        [row] => *row,
        _ => rows.get(i).copied().unwrap_or(RoundingRow::NOTHING),
    }
}

/// A row per output, or a single one where no output has a constant.
fn for_each(bias: &Coefficients, row: impl Fn(usize) -> RoundingRow) -> Vec<RoundingRow> {
    let count = if bias.is_zero() { bias.len().min(1) } else { bias.len() };
    (0..count).map(row).collect()
}

/// Two lists of rows made one.
fn paired(
    a: &[RoundingRow],
    b: &[RoundingRow],
    outputs: usize,
    both: impl Fn(RoundingRow, RoundingRow) -> RoundingRow,
) -> Vec<RoundingRow> {
    let count = if a.len() <= 1 && b.len() <= 1 { outputs.min(1) } else { outputs };
    (0..count).map(|i| both(at(a, i), at(b, i))).collect()
}

/// The rows of `inner`, pushed through `map`.
fn pushed(map: &LinearMap, inner: &Rounding) -> Vec<RoundingRow> {
    if inner.rows.is_empty() {
        return Vec::new();
    }
    let Some(copies) = map.copies() else {
        let norm = norm(map);
        let most = |part: fn(&RoundingRow) -> f64| mul_up(norm, inner.rows.iter().map(part).fold(0.0, f64::max));
        return vec![RoundingRow { bias: most(|r| r.bias), underflow: most(|r| r.underflow), grain: 0.0 }];
    };
    let row = |i: usize| {
        let row = copies.source(i).map_or(RoundingRow::NOTHING, |j| inner.row(j));
        copies.factors.map_or(row, |d| row.scaled(d.enclosure(i)))
    };
    // A single row stands for all.
    let rows = if copies.index.is_none() && copies.factors.is_none() { inner.rows.len() } else { map.output_len() };
    (0..rows).map(row).collect()
}
