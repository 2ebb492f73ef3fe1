//! Coefficients of forms that go back through the network side by side, and the sums that they end in.

use super::form::is_long;
use super::number::{Number, UNIT, add_up, enclose, gamma, mul_up, nearest};
use dashu_ratio::RBig;

/// One coefficient of each of some forms.
pub(super) trait Lanes: Clone {
    /// Whether operations round, so that they are charged.
    const ROUNDS: bool;
    /// How many forms.
    const LANES: usize;
    /// What ends of ranges are.
    type Number: Number;
    /// The constants of the forms, and what rounding may have added to them.
    type Sum: Clone;
    /// Sums of these constants.
    fn sums(constants: &[&RBig]) -> Self::Sum;
    /// Of each form the float that is given.
    fn of(value: impl Fn(usize) -> f64) -> Self;
    /// A float near to the coefficient of a form.
    fn near(&self, lane: usize) -> f64;
    /// Whether none of the forms has one.
    fn is_zero(&self) -> bool;
    /// Sets that of one form, of a neuron that is no larger than `reach`.
    fn set(&mut self, lane: usize, q: &RBig, reach: f64, sum: &mut Self::Sum);
    /// `self += a · w`, each operation rounded to the nearest.
    fn accumulate(&mut self, a: &Self, w: f64);
    /// The same for any number, where nothing rounds.
    fn correct(&mut self, _: &Self, _: &RBig) {}
    /// `self += more`, of a neuron that is no larger than `reach`.
    fn add(&mut self, more: &Self, reach: f64, sum: &mut Self::Sum);
    /// The products with the slope of the line below where the coefficient is positive, or else above, for that `reach`.
    fn along(&self, below: f64, above: f64, reach: f64, sum: &mut Self::Sum) -> Self;
    /// `sum += self · end`, where that is the lower end for a positive coefficient, or else the upper one.
    fn add_end(&self, sum: &mut Self::Sum, ends: [Option<Self::Number>; 2]);
    /// Charges `rate · |self| · reach + loss` for a coefficient, at a rate of at most 1; `loss` is at least [`TINY`].
    fn charge(&self, sum: &mut Self::Sum, rate: f64, reach: f64, loss: f64);
    /// For each form a lower bound of its sum, and what the sum might be at most.
    fn bounds(sum: &Self::Sum) -> Vec<(f64, f64)>;
}

/// No bound, with whatever arithmetic.
pub(super) const UNKNOWN: (f64, f64) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
/// More than what a product loses when it underflows. Smaller ones would do, but processors are slow with these.
pub(super) const TINY: f64 = f64::MIN_POSITIVE;

/// Sums that round to the nearest, one for each of `K` forms.
#[derive(Clone)]
pub(super) struct Floats<const K: usize> {
    value: [f64; K],
    /// The sums of the magnitudes of what was added.
    magnitude: [f64; K],
    /// What coefficients have lost, times what they multiply.
    lost: [f64; K],
    /// Terms of each sum, at most.
    terms: usize,
}

/// One of two numbers, both computed: lanes have no branches.
#[inline(always)]
fn choose(is_first: bool, first: f64, second: f64) -> f64 {
    if is_first { first } else { second }
}

impl<const K: usize> Lanes for [f64; K] {
    const ROUNDS: bool = true;
    const LANES: usize = K;
    type Number = f64;
    type Sum = Floats<K>;
    fn sums(constants: &[&RBig]) -> Floats<K> {
        let value = std::array::from_fn(|k| constants.get(k).map_or(0.0, |c| enclose(c).0));
        Floats { value, magnitude: value.map(f64::abs), lost: [0.0; K], terms: 1 }
    }
    #[inline(always)]
    fn of(value: impl Fn(usize) -> f64) -> Self {
        std::array::from_fn(value)
    }
    fn near(&self, lane: usize) -> f64 {
        self[lane]
    }
    #[inline(always)]
    fn is_zero(&self) -> bool {
        // No branch between the lanes; but for its sign a zero has no bits.
        self.iter().fold(0, |bits, a| bits | a.to_bits() << 1) == 0
    }
    fn set(&mut self, lane: usize, q: &RBig, reach: f64, sum: &mut Floats<K>) {
        let (low, high) = enclose(q);
        self[lane] = if low == high { low } else { nearest(q) };
        sum.lost[lane] += mul_up(add_up(high, -low), reach);
        sum.terms += usize::from(low < high);
    }
    #[inline(always)]
    fn accumulate(&mut self, a: &Self, w: f64) {
        for k in 0..K {
            self[k] += a[k] * w;
        }
    }
    #[inline(always)]
    fn add(&mut self, more: &Self, reach: f64, sum: &mut Floats<K>) {
        if !more.is_zero() {
            self.accumulate(more, 1.0);
            self.charge(sum, UNIT, reach, TINY);
        }
    }
    #[inline(always)]
    fn along(&self, below: f64, above: f64, reach: f64, sum: &mut Floats<K>) -> Self {
        sum.terms += 1;
        let product: Self = std::array::from_fn(|k| self[k] * choose(self[k] > 0.0, below, above));
        // How large the neuron is where the product rounds, and what underflow loses. Nothing but the product itself says how
        // much it rounds: others of slope, coefficient, unit and neuron may underflow where it is large.
        let rounds = |slope: f64| slope != 0.0 && slope.abs() != 1.0;
        let losses = |slope: f64| if rounds(slope) { (reach, TINY * reach.max(1.0)) } else { (0.0, 0.0) };
        let ((reach_below, tiny_below), (reach_above, tiny_above)) = (losses(below), losses(above));
        if rounds(below) || rounds(above) {
            for k in 0..K {
                let reach = choose(self[k] > 0.0, reach_below, reach_above);
                let tiny = choose(self[k] > 0.0, tiny_below, tiny_above);
                sum.lost[k] += choose(self[k] == 0.0, 0.0, UNIT * (product[k].abs() * reach) + tiny);
            }
        }
        product
    }
    #[inline(always)]
    fn add_end(&self, sum: &mut Floats<K>, [low, high]: [Option<f64>; 2]) {
        let (low, high) = (low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY));
        sum.terms += 1;
        for (k, &a) in self.iter().enumerate() {
            let end = choose(a > 0.0, low, high);
            // Where nothing is read an end may be infinite; a coefficient that is no number must not be passed over.
            let product = choose(a == 0.0, 0.0, a * end);
            sum.value[k] += product;
            sum.magnitude[k] += product.abs() + choose((a == 0.0) | (end == 0.0), 0.0, TINY);
        }
    }
    #[inline(always)]
    fn charge(&self, sum: &mut Floats<K>, rate: f64, reach: f64, loss: f64) {
        sum.terms += usize::from(!self.is_zero());
        for (k, &a) in self.iter().enumerate() {
            sum.lost[k] += choose(a == 0.0, 0.0, rate * (a.abs() * reach) + loss);
        }
    }
    /// Of `n` terms each, with magnitudes `M` and losses `L` as they were summed, the value is off by `γₙ M / (1 − γₙ)` at
    /// most, and `L` by the share `γₙ₊₄` of itself (Higham 2002, section 3.1; underflow is within `M` and `L` already):
    /// `γ` of twice as many leaves enough for the operations here. What overflowed or was no number is so in `M` or `L`.
    fn bounds(sum: &Floats<K>) -> Vec<(f64, f64)> {
        let gamma = gamma(2 * sum.terms + 16);
        let bound = |k: usize| {
            let (value, magnitude, lost) = (sum.value[k], sum.magnitude[k], sum.lost[k]);
            if magnitude == 0.0 && lost == 0.0 {
                return (value, value);
            }
            let charge = (gamma * magnitude + lost) * (1.0 + gamma) + TINY;
            let (low, high) = ((value - charge).next_down(), value + 4.0 * charge);
            let is_known = magnitude.is_finite() && lost.is_finite() && low.is_finite() && high.is_finite();
            if is_known { (low, high) } else { UNKNOWN }
        };
        (0..K).map(bound).collect()
    }
}

/// One form, exactly. None is a number that is not known, or whose fraction became too long to go on with.
pub(super) type Exact = Option<RBig>;

/// The sum, unless it is too long.
fn sum(a: Exact, b: Exact) -> Exact {
    a.zip(b).map(|(a, b)| a + b).filter(|sum| !is_long(sum))
}

impl Lanes for Exact {
    const ROUNDS: bool = false;
    const LANES: usize = 1;
    type Number = RBig;
    type Sum = Self;
    fn sums(constants: &[&RBig]) -> Self {
        constants.first().map(|&c| c.clone())
    }
    fn of(value: impl Fn(usize) -> f64) -> Self {
        RBig::try_from(value(0)).ok()
    }
    fn near(&self, _: usize) -> f64 {
        self.as_ref().map_or(0.0, nearest)
    }
    fn is_zero(&self) -> bool {
        self.as_ref() == Some(&RBig::ZERO)
    }
    fn set(&mut self, _: usize, q: &RBig, _: f64, _: &mut Self) {
        *self = Some(q.clone());
    }
    fn accumulate(&mut self, a: &Self, w: f64) {
        if w != 0.0 {
            self.correct(a, &RBig::of(w));
        }
    }
    fn correct(&mut self, a: &Self, w: &RBig) {
        *self = sum(self.take(), a.as_ref().map(|a| a * w));
    }
    fn add(&mut self, more: &Self, _: f64, _: &mut Self) {
        if !more.is_zero() {
            *self = sum(self.take(), more.clone());
        }
    }
    fn along(&self, below: f64, above: f64, _: f64, _: &mut Self) -> Self {
        let product = self.as_ref().map(|a| a * RBig::of(if a > &RBig::ZERO { below } else { above }));
        product.filter(|product| !is_long(product))
    }
    fn add_end(&self, total: &mut Self, [low, high]: [Exact; 2]) {
        if !self.is_zero() {
            *total = sum(total.take(), self.as_ref().and_then(|a| Some(a * if a > &RBig::ZERO { low } else { high }?)));
        }
    }
    fn charge(&self, total: &mut Self, rate: f64, reach: f64, loss: f64) {
        let (low, high) = self.as_ref().map_or((f64::NEG_INFINITY, f64::INFINITY), enclose);
        let charge = add_up(mul_up(rate, mul_up(high.max(-low), reach)), loss);
        *total = sum(total.take(), charge.is_finite().then(|| RBig::of(-charge)));
    }
    fn bounds(total: &Self) -> Vec<(f64, f64)> {
        vec![total.as_ref().map_or(UNKNOWN, enclose)]
    }
}

#[cfg(test)]
pub(super) mod tests;
