//! Linear forms that lie below margins over a box: what they prove together, and how far they shrink
//! the box in which the margins can all be small.

use crate::domains::num::Interval;
use crate::domains::num::error::{gamma, underflow};
use crate::domains::num::round::{add_down, add_up, div_down, div_up, mul_up, sub_down};
use crate::domains::query::{FormTerm, LinearForms};
use ndarray::Array2;

/// A form `coefficients · x + constant` over the inputs that is nowhere above a margin.
#[derive(Clone, Copy)]
pub(super) struct Below<'a> {
    pub coefficients: &'a [f64],
    pub constant: f64,
}

/// The forms over the input, one per row; `None` when they are not of that kind.
pub(super) fn rows(forms: &LinearForms) -> Option<Vec<Below<'_>>> {
    let [term] = &forms.terms[..] else { return None };
    let rows = term.coefficients.rows().into_iter().zip(&forms.constants);
    rows.map(|(row, &constant)| Some(Below { coefficients: row.to_slice()?, constant })).collect()
}

/// The corner of the box where the form is least.
pub(super) fn minimiser(coefficients: &[f64], ranges: &[Interval]) -> Vec<f64> {
    coefficients.iter().zip(ranges).map(|(&a, x)| if a > 0.0 { x.lo } else { x.hi }).collect()
}

/// Rounds of the search for weights.
const ROUNDS: usize = 40;

/// What multiplicative updates find for the minimum over the box of the largest form.
pub(super) struct Balance {
    /// Weights (nonnegative, of a sum just below 1) of a combination of the forms whose minimum is large.
    pub weights: Vec<f64>,
    /// The mean of the points where the combinations on the way were least: near the minimiser.
    pub point: Vec<f64>,
}

/// Multiplicative updates towards the forms that are large where their combination is least.
pub(super) fn balance(forms: &[Below], ranges: &[Interval]) -> Balance {
    let k = forms.len();
    let mut weights = vec![1.0 / k as f64; k];
    let (mut best, mut best_value) = (weights.clone(), f64::NEG_INFINITY);
    let (mut point, mut visits) = (vec![0.0; ranges.len()], 0.0);
    for round in 0..ROUNDS {
        let sum: Vec<f64> =
            (0..ranges.len()).map(|j| forms.iter().zip(&weights).map(|(f, w)| w * f.coefficients[j]).sum()).collect();
        let x = minimiser(&sum, ranges);
        let at = |f: &Below| f.constant + f.coefficients.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>();
        let values: Vec<f64> = forms.iter().map(at).collect();
        let value: f64 = values.iter().zip(&weights).map(|(v, w)| v * w).sum();
        if value > best_value {
            (best_value, best) = (value, weights.clone());
        }
        let rate = 2.0 / (1.0 + round as f64).sqrt();
        point.iter_mut().zip(&x).for_each(|(p, x)| *p += rate * x);
        visits += rate;
        let scale = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if scale == 0.0 || !scale.is_finite() || k == 1 {
            break;
        }
        for (w, v) in weights.iter_mut().zip(&values) {
            *w *= (rate * v / scale).exp();
        }
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= total);
    }
    point.iter_mut().zip(ranges).for_each(|(p, x)| *p = (*p / visits).clamp(x.lo, x.hi));
    best.iter_mut().for_each(|w| *w *= 1.0 - 1e-12);
    Balance { weights: best, point }
}

/// A certified lower bound of the minimum over the box of the largest form, by one combination of them;
/// −∞ unless it is positive.
pub(super) fn positive_combination(forms: &[Below], weights: &[f64], ranges: &[Interval]) -> f64 {
    if weights.iter().any(|w| !w.is_finite() || *w < 0.0) {
        return f64::NEG_INFINITY;
    }
    let constant = forms.iter().zip(weights).map(|(f, &w)| Interval::point(f.constant).scale(w));
    let start = constant.fold(Interval::ZERO, |sum, c| sum + c).lo;
    let bound = ranges.iter().enumerate().fold(start, |bound, (j, &x)| {
        let coefficient = forms
            .iter()
            .zip(weights)
            .fold(Interval::ZERO, |sum, (f, &w)| sum + Interval::point(f.coefficients[j]).scale(w));
        add_down(bound, (coefficient * x).lo)
    });
    let total = weights.iter().fold(0.0, |sum, &w| add_up(sum, w));
    if bound > 0.0 && bound.is_finite() { div_down(bound, total) } else { f64::NEG_INFINITY }
}

/// The combination of forms with `weights` as a single one, which is nowhere above the largest of them where that
/// is positive. `None` unless the weights are at least 0 and their sum is at most 1.
///
/// Back-substituted as one, coefficients that cancel meet the same line of a neuron: that is tighter than the
/// combination of what the forms end in.
pub(super) fn combined(forms: &LinearForms, weights: &[f64]) -> Option<LinearForms> {
    let sum = weights.iter().fold(0.0, |sum, &w| add_up(sum, w));
    if weights.iter().any(|w| w.is_nan() || *w < 0.0) || sum > 1.0 {
        return None;
    }
    let products = weights.len();
    let combine = |m: &Array2<f64>, size: fn(f64) -> f64| {
        let column = |j| m.column(j).iter().zip(weights).map(|(c, w)| size(c * w)).sum::<f64>();
        Array2::from_shape_fn((1, m.ncols()), |(_, j)| column(j))
    };
    let rounding = |magnitude: f64| add_up(mul_up(gamma(products), magnitude), underflow(products));
    let terms = forms.terms.iter().map(|term| {
        let mut radius = combine(&term.coefficients, f64::abs);
        radius.mapv_inplace(rounding);
        if let Some(known) = &term.radius {
            let known = combine(known, f64::abs);
            radius.zip_mut_with(&known, |radius, &known| *radius = add_up(*radius, add_up(known, rounding(known))));
        }
        FormTerm { node: term.node, coefficients: combine(&term.coefficients, |x| x), radius: Some(radius) }
    });
    let constant = forms.constants.iter().zip(weights).map(|(&c, &w)| Interval::point(c).scale(w));
    let constants = vec![constant.fold(Interval::ZERO, |sum, c| sum + c).lo];
    Some(LinearForms { terms: terms.collect(), constants })
}

/// What a point that shrinking leaves out may have, at least, as its largest form.
pub(super) const LEFT_OUT: f64 = 1e-7;

/// Where a form is more than `left_out` in the box: beyond this end of input `j`, an upper one or not.
fn end(form: &Below, ranges: &[Interval], j: usize, left_out: f64) -> Option<(f64, bool)> {
    let a = form.coefficients[j];
    let others = form.coefficients.iter().zip(ranges).enumerate().filter(|(k, _)| *k != j);
    let rest = others.fold(form.constant, |sum, (_, (&a, &x))| add_down(sum, x.scale(a).lo));
    // Only where a · x ≤ room is the form at most that.
    let room = -sub_down(rest, left_out);
    let is_known = a != 0.0 && a.is_finite() && room.is_finite();
    let end = is_known.then(|| if a > 0.0 { (div_up(room, a), true) } else { (div_down(room, a), false) });
    end.filter(|(at, _)| at.is_finite())
}

/// The part of the box outside of which some form exceeds `left_out`; `None` when that is everywhere.
pub(super) fn shrunk(forms: &[Below], ranges: &[Interval], left_out: f64) -> Option<Vec<Interval>> {
    let (inputs, mut ranges) = (ranges.len(), ranges.to_vec());
    for _ in 0..2 {
        for (form, j) in forms.iter().flat_map(|form| (0..inputs).map(move |j| (form, j))) {
            let Some((at, is_upper)) = end(form, &ranges, j, left_out) else { continue };
            let x = &mut ranges[j];
            if is_upper {
                x.hi = x.hi.min(at);
            } else {
                x.lo = x.lo.max(at);
            }
            if x.is_empty() {
                return None;
            }
        }
    }
    Some(ranges)
}

/// Where a form of every disjunct exceeds what is left out: beyond an end of an input, in the box that earlier cuts left.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Which form of each disjunct.
    pub forms: Vec<usize>,
    pub input: usize,
    pub is_upper: bool,
    pub at: f64,
}

/// Cuts off where each of the disjuncts has a form that exceeds `left_out`, up to where the box is empty. Only cuts that
/// take away more than the share `least` of an input's range are made.
pub(super) fn cuts(disjuncts: &[Vec<Below>], ranges: &mut [Interval], left_out: f64, least: f64) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let sides = (0..ranges.len()).flat_map(|j| [(j, false), (j, true)]);
    for (input, is_upper) in sides.clone().chain(sides) {
        let outward = if is_upper { 1.0 } else { -1.0 };
        // The form of a disjunct that leaves least, and where it ends.
        let best = |forms: &Vec<Below>| {
            let ends = forms.iter().enumerate().filter_map(|(number, form)| {
                let (at, is_so) = end(form, ranges, input, left_out)?;
                (is_so == is_upper).then_some((number, at))
            });
            ends.min_by(|(_, a), (_, b)| (a * outward).total_cmp(&(b * outward)))
        };
        let Some(best) = disjuncts.iter().map(best).collect::<Option<Vec<(usize, f64)>>>() else { continue };
        let most = best.iter().map(|&(_, at)| at).max_by(|a, b| (a * outward).total_cmp(&(b * outward)));
        let (x, Some(at)) = (&mut ranges[input], most) else { break };
        let lost = if is_upper { x.hi - at } else { at - x.lo };
        if lost > least * (x.hi - x.lo) {
            *(if is_upper { &mut x.hi } else { &mut x.lo }) = at;
            cuts.push(Cut { forms: best.into_iter().map(|(number, _)| number).collect(), input, is_upper, at });
        }
        if x.is_empty() {
            break;
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::num::{Rational, exact};
    use proptest::prelude::*;

    proptest! {
        /// At every point of the box: the largest form is at least the combination's bound, and it exceeds
        /// `LEFT_OUT` where the shrunk box leaves the point out.
        #[test]
        fn combinations_and_shrunk_boxes_hold(
            a in prop::collection::vec(-3.0..3.0f64, 6), b in prop::collection::vec(-2.0..3.0f64, 2),
            points in prop::collection::vec(prop::collection::vec(0.0..=1.0f64, 3), 30),
        ) {
            let ranges = vec![Interval::new(-1.0, 1.0), Interval::new(0.0, 2.0), Interval::new(0.5, 0.5)];
            let forms: Vec<Below> =
                (0..2).map(|i| Below { coefficients: &a[3 * i..3 * i + 3], constant: b[i] }).collect();
            let bound = positive_combination(&forms, &balance(&forms, &ranges).weights, &ranges);
            let inner = shrunk(&forms, &ranges, LEFT_OUT);
            for t in points {
                let x: Vec<f64> = ranges.iter().zip(&t).map(|(r, t)| r.lo + t * (r.hi - r.lo)).collect();
                let value = |f: &Below| f.constant + f.coefficients.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>();
                let largest = forms.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!(largest >= bound - 1e-12);
                let is_inside = inner.as_ref().is_some_and(|r| r.iter().zip(&x).all(|(r, &x)| r.contains(x)));
                prop_assert!(is_inside || largest > LEFT_OUT - 1e-12);
            }
        }
    }

    proptest! {
        /// At every point the combination is at most the weighted sum of the forms, whatever is rounded.
        #[test]
        fn a_combination_is_below_the_weighted_sum(
            c in prop::collection::vec(-1e3..1e3f64, 8), r in prop::collection::vec(0.0..1e-3f64, 6),
            w in prop::collection::vec(0.0..1.0f64, 2), x in prop::collection::vec(-2.0..2.0f64, 3),
        ) {
            let total = 1.0000001 * (w[0] + w[1]) + 1e-300;
            let weights = [w[0] / total, w[1] / total];
            let matrix = |v: &[f64]| Array2::from_shape_vec((2, 3), v.to_vec()).unwrap();
            let term = FormTerm { node: 0, coefficients: matrix(&c[..6]), radius: Some(matrix(&r)) };
            let forms = LinearForms { terms: vec![term], constants: c[6..].to_vec() };
            let one = combined(&forms, &weights).unwrap();
            let e = |x: f64| exact(x).unwrap();
            let sum = |m: &Array2<f64>, row: usize, at: &dyn Fn(usize) -> Rational| {
                (0..3).fold(Rational::ZERO, |sum, j| sum + e(m[[row, j]]) * at(j))
            };
            let size = |j: usize| e(x[j].abs());
            // The least that each form may be at x, and the least that the combination claims.
            let least = |forms: &LinearForms, row: usize| {
                let term = &forms.terms[0];
                let radius = sum(term.radius.as_ref().unwrap(), row, &size);
                e(forms.constants[row]) + sum(&term.coefficients, row, &|j| e(x[j])) - radius
            };
            let weighted = e(weights[0]) * least(&forms, 0) + e(weights[1]) * least(&forms, 1);
            prop_assert!(least(&one, 0) <= weighted);
            prop_assert!(combined(&forms, &[0.5, 0.6]).is_none());
        }
    }

    proptest! {
        /// At every point that a cut takes away each disjunct has a form, the one that it names, above what is left out;
        /// what no cut takes away is left.
        #[test]
        fn cuts_take_away_what_all_disjuncts_exclude(
            a in prop::collection::vec(-3.0..3.0f64, 12), b in prop::collection::vec(-2.0..4.0f64, 4),
            least in prop::sample::select(vec![0.0, 0.02, 0.3]), together in 1..=4_usize,
            points in prop::collection::vec(prop::collection::vec(0.0..=1.0f64, 3), 30),
        ) {
            let ranges = vec![Interval::new(-1.0, 1.0), Interval::new(0.0, 2.0), Interval::new(0.5, 0.5)];
            let forms: Vec<Below> =
                (0..4).map(|i| Below { coefficients: &a[3 * i..3 * i + 3], constant: b[i] }).collect();
            let disjuncts: Vec<Vec<Below>> = forms.chunks(together).map(<[Below]>::to_vec).collect();
            let mut inner = ranges.clone();
            let cuts = cuts(&disjuncts, &mut inner, LEFT_OUT, least);
            for t in points {
                let x: Vec<f64> = ranges.iter().zip(&t).map(|(r, t)| r.lo + t * (r.hi - r.lo)).collect();
                let value = |f: &Below| f.constant + f.coefficients.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>();
                let is_beyond = |cut: &&Cut| if cut.is_upper { x[cut.input] > cut.at } else { x[cut.input] < cut.at };
                if let Some(cut) = cuts.iter().find(is_beyond) {
                    prop_assert_eq!(cut.forms.len(), disjuncts.len());
                    for (disjunct, &form) in disjuncts.iter().zip(&cut.forms) {
                        prop_assert!(value(&disjunct[form]) > LEFT_OUT - 1e-12, "{:?}", cut);
                    }
                } else {
                    prop_assert!(inner.iter().zip(&x).all(|(r, &x)| r.contains(x)));
                }
            }
        }
    }

    /// No disjunct is left: there is nothing to cut.
    #[test]
    fn nothing_is_cut_for_no_disjunct() {
        let mut ranges = [Interval::new(-1.0, 1.0)];
        assert!(cuts(&[], &mut ranges, LEFT_OUT, 0.0).is_empty());
        assert_eq!(ranges[0], Interval::new(-1.0, 1.0));
    }

    #[test]
    fn two_forms_refute_together_what_neither_does() {
        let ranges = [Interval::new(-1.0, 1.0)];
        let up = Below { coefficients: &[1.0], constant: 0.5 };
        let down = Below { coefficients: &[-1.0], constant: 0.5 };
        let forms = [up, down];
        let both = positive_combination(&forms, &balance(&forms, &ranges).weights, &ranges);
        assert!(both > 0.4 && both <= 0.5, "{both}");
    }
}
