//! DeepPoly in exact rational arithmetic, one form at a time: slow, without any rounding, for small
//! networks and as the reference for the floating-point domain.

use super::differences::{DifferenceLines, difference_lines};
use crate::activation::{ActivationFn, Piece, Slopes};
use crate::domain::{AbstractDomain, DomainError, Fact, NodeBounds, NodePlanes, Trace};
use crate::network::{Activation, Affine, LinearMap, Network, NodeId, NodeKind, Product, Term};
use crate::num::{Interval, Rational, bounds_of, enclose, exact, exact_or_zero};
use crate::query::{LinearForms, Region};
use rayon::prelude::*;

/// The every-layer DeepPoly of [`super::DeepPoly`], with rational bounds, lines and coefficients.
///
/// At the input it concretises over the bounding box and differences of inputs. A network with a parameter that is no rational
/// gets no bounds beyond that node.
#[derive(Clone, Copy, Debug, Default)]
pub struct RationalDeepPoly;

/// Exact lower and upper bound; `None` where nothing is known.
type Range = Option<(Rational, Rational)>;

/// `slope · z + intercept`.
#[derive(Clone, Debug)]
struct Line {
    slope: Rational,
    intercept: Rational,
}

/// What is known of one node: exact ranges, the lines of an activation or the planes of a product, and the ranges
/// rounded outward.
pub struct RationalFact {
    ranges: Vec<Range>,
    lines: Vec<Option<(Line, Line)>>,
    planes: Option<NodePlanes>,
    bounds: NodeBounds,
}

impl RationalFact {
    fn new(ranges: Vec<Range>, lines: Vec<Option<(Line, Line)>>) -> Self {
        let outward = |r: &Range| r.as_ref().map_or(Interval::ALL, |(l, u)| bounds_of(l, u));
        let bounds = ranges.iter().map(outward).collect();
        Self { ranges, lines, planes: None, bounds }
    }
}

impl Fact for RationalFact {
    fn bounds(&self) -> &NodeBounds {
        &self.bounds
    }

    fn tighten(&mut self, known: &NodeBounds) {
        self.bounds.intersect(known);
        for (range, known) in self.ranges.iter_mut().zip(known.iter()) {
            match (range.as_mut(), exact(known.lo), exact(known.hi)) {
                (Some((l, u)), lo, hi) => {
                    if let Some(lo) = lo.filter(|lo| lo > l) {
                        *l = lo;
                    }
                    if let Some(hi) = hi.filter(|hi| hi < u) {
                        *u = hi;
                    }
                }
                (None, Some(lo), Some(hi)) => *range = Some((lo, hi)),
                _ => {}
            }
        }
    }
}

impl RationalDeepPoly {
    /// True for a network small enough to be analysed in well under a second.
    #[must_use]
    pub fn is_affordable(network: &Network) -> bool {
        const PARAMETERS: usize = 1500;
        const NEURONS: usize = 120;
        network.parameters() <= PARAMETERS && network.nodes().iter().map(|n| n.len).sum::<usize>() <= NEURONS
    }

    /// The best lower bound of `constant + Σ coefficients · x_node` over all nodes on the way back.
    /// `None` when a node on the way has no bounds.
    fn minimum(
        mut pending: Vec<Option<Vec<Rational>>>,
        mut constant: Rational,
        seen: &Trace<RationalFact>,
    ) -> Option<Rational> {
        let mut best: Option<Rational> = None;
        while let Some(id) = pending.iter().rposition(Option::is_some) {
            if let Some(value) = concrete(&pending, &constant, seen)
                && best.as_ref().is_none_or(|b| &value > b)
            {
                best = Some(value);
            }
            if seen.run.budget.is_spent() {
                return best;
            }
            let mut a = pending[id].take()?;
            match &seen.network.node(id).kind {
                NodeKind::Input => return best,
                NodeKind::Affine(affine) => {
                    for (i, a) in a.iter().enumerate().filter(|(_, a)| **a != Rational::ZERO) {
                        let Some(b) = affine.bias.rational(i) else { return best };
                        constant += a * b;
                    }
                    for term in &affine.terms {
                        let sum =
                            pending[term.source].get_or_insert_with(|| vec![Rational::ZERO; term.map.input_len()]);
                        if apply_transposed(&term.map, &a, sum, seen).is_none() {
                            return best;
                        }
                    }
                }
                NodeKind::Activation(activation) => {
                    let Some(passed) = pass_difference(id, &mut a, &mut pending, seen) else { return best };
                    constant += passed;
                    let lines = &seen.facts[id].lines;
                    let sum = pending[activation.source].get_or_insert_with(|| vec![Rational::ZERO; a.len()]);
                    for ((sum, a), lines) in sum.iter_mut().zip(&a).zip(lines) {
                        if a == &Rational::ZERO {
                            continue;
                        }
                        let Some((lower, upper)) = lines else { return best };
                        let line = if a > &Rational::ZERO { lower } else { upper };
                        *sum += a * &line.slope;
                        constant += a * &line.intercept;
                    }
                }
                NodeKind::Product(product) => {
                    let passed = pass_product(&a, product, seen.facts[id].planes.as_ref(), &mut pending, seen);
                    let Some(passed) = passed else { return best };
                    constant += passed;
                }
            }
        }
        best
    }
}

/// What back-substitution in floats does with activations that correspond, `a` being the coefficients of the second one;
/// what the lines around their difference, which are floats, add to the constant.
fn pass_difference(
    id: NodeId,
    a: &mut [Rational],
    pending: &mut [Option<Vec<Rational>>],
    seen: &Trace<RationalFact>,
) -> Option<Rational> {
    let mut constant = Rational::ZERO;
    let Some(twin) = seen.network.twins().iter().find(|twin| twin.second == id) else { return Some(constant) };
    let Some(mut first) = pending[twin.first].take() else { return Some(constant) };
    let mut passed = vec![Rational::ZERO; a.len()];
    for (i, (a, b)) in first.iter_mut().zip(a).enumerate() {
        let is_positive = *b > Rational::ZERO;
        if *a == Rational::ZERO || *b == Rational::ZERO || (*a > Rational::ZERO) == is_positive {
            continue;
        }
        let bounds = |source| seen.bounds_of(source).get(i);
        let gap = |function: &dyn ActivationFn, z: Interval, _| function.lines(z.into()).gap(z);
        let found = difference_lines(twin, &seen.network, bounds, gap).filter(|found| found.tells);
        let Some(DifferenceLines { lines, .. }) = found else { continue };
        let shared = if (&*a + &*b > Rational::ZERO) == is_positive { -a.clone() } else { b.clone() };
        *a += shared.clone();
        *b -= shared.clone();
        let line = if is_positive { lines.lower } else { lines.upper };
        constant += &shared * exact(line.intercept)?;
        passed[i] = shared * exact(line.slope)?;
    }
    pending[twin.first] = Some(first);
    let sum = pending[twin.difference].get_or_insert_with(|| vec![Rational::ZERO; passed.len()]);
    sum.iter_mut().zip(passed).for_each(|(sum, more)| *sum += more);
    Some(constant)
}

/// Carries coefficients of a product node to its factors; what its planes, which are floats, add to the constant.
fn pass_product(
    a: &[Rational],
    product: &Product,
    planes: Option<&NodePlanes>,
    pending: &mut [Option<Vec<Rational>>],
    seen: &Trace<RationalFact>,
) -> Option<Rational> {
    let (planes, mut constant) = (planes?, Rational::ZERO);
    for (k, a) in a.iter().enumerate().filter(|(_, a)| **a != Rational::ZERO) {
        let is_below = a > &Rational::ZERO;
        let (slopes, intercept) = match is_below {
            true => (&planes.lower_slopes, planes.lower_intercept[k]),
            false => (&planes.upper_slopes, planes.upper_intercept[k]),
        };
        constant += a * exact(intercept)?;
        for (factor, slopes) in product.factors.iter().zip(slopes) {
            let len = seen.network.node(factor.source).len;
            let sum = pending[factor.source].get_or_insert_with(|| vec![Rational::ZERO; len]);
            sum[factor.index[k]] += a * exact(slopes[k])?;
        }
    }
    Some(constant)
}

/// Adds `Wᵀ a` to `sum`, a few coefficients at a time: fractions grow with every layer, and the time may be up.
fn apply_transposed(map: &LinearMap, a: &[Rational], sum: &mut [Rational], seen: &Trace<RationalFact>) -> Option<()> {
    const AT_ONCE: usize = 16;
    let rows: Vec<usize> = (0..a.len()).filter(|&i| a[i] != Rational::ZERO).collect();
    for some in rows.chunks(AT_ONCE) {
        if seen.run.budget.is_spent() {
            return None;
        }
        let mut part = vec![Rational::ZERO; a.len()];
        some.iter().for_each(|&i| part[i] = a[i].clone());
        map.apply_transposed_to(&part, sum)?;
    }
    Some(())
}

/// A lower bound of the pending forms by the ranges of the nodes that they read.
fn concrete(pending: &[Option<Vec<Rational>>], constant: &Rational, seen: &Trace<RationalFact>) -> Option<Rational> {
    let mut sum = constant.clone();
    for (id, (a, fact)) in pending.iter().zip(&seen.facts).enumerate() {
        let Some(a) = a else { continue };
        for (a, range) in a.iter().zip(&fact.ranges).filter(|(a, _)| **a != Rational::ZERO) {
            sum += least(a, range)?;
        }
        if id == 0 {
            sum += more_by_differences(a, &fact.ranges, seen.region)?;
        }
    }
    Some(sum)
}

/// The least value of a multiple of a number in a range.
fn least(a: &Rational, range: &Range) -> Option<Rational> {
    let (lower, upper) = range.as_ref()?;
    Some(a * if a > &Rational::ZERO { lower } else { upper })
}

/// How much more a form over the inputs is at least where differences of them are known.
fn more_by_differences(a: &[Rational], ranges: &[Range], region: &Region) -> Option<Rational> {
    let mut more = Rational::ZERO;
    for (i, j, between) in region.differences() {
        let between = exact(between.lo).zip(exact(between.hi));
        let both = &a[i] + &a[j];
        let alone = least(&a[i], &ranges[i])? + least(&a[j], &ranges[j])?;
        let from_i = least(&both, &ranges[i])? + least(&a[j], &between)?;
        let from_j = least(&both, &ranges[j])? + least(&-a[i].clone(), &between)?;
        more += from_i.max(from_j).max(alone.clone()) - alone;
    }
    Some(more)
}

/// The end points of the function's graph over `[l, u]`, and whether one affine piece covers it.
fn end_points(pieces: &[Piece], l: &Rational, u: &Rational) -> (Vec<(Rational, Rational)>, Option<Line>) {
    let mut points = Vec::new();
    let mut only = None;
    for piece in pieces {
        let from = exact(piece.from);
        let to = exact(piece.to);
        let starts_after = from.as_ref().is_some_and(|f| if piece.from_closed { u < f } else { u <= f });
        let ends_before = to.as_ref().is_some_and(|t| if piece.to_closed { l > t } else { l >= t });
        if starts_after || ends_before {
            continue;
        }
        let line = Line { slope: exact_or_zero(piece.slope), intercept: exact_or_zero(piece.intercept) };
        let a = from.map_or_else(|| l.clone(), |f| f.max(l.clone()));
        let b = to.map_or_else(|| u.clone(), |t| t.min(u.clone()));
        only = if points.is_empty() && &a == l && &b == u { Some(line.clone()) } else { only };
        for z in [a, b] {
            let y = &line.slope * &z + &line.intercept;
            points.push((z, y));
        }
    }
    let is_covered =
        only.as_ref().is_some_and(|line| points.iter().all(|(z, y)| &line.slope * z + &line.intercept == *y));
    (points, only.filter(|_| is_covered))
}

/// The line through two of the points that has all of them on one side (above it for `side = 1`, below
/// for −1) and lies closest to them at the middle; at a tie the one further right.
fn supporting_line(points: &[(Rational, Rational)], l: &Rational, u: &Rational, side: i8) -> Option<Line> {
    let side = Rational::from(side);
    let middle = (l + u) / Rational::from(2);
    let mut best: Option<(Rational, Line)> = None;
    for (i, (z1, y1)) in points.iter().enumerate() {
        for (z2, y2) in &points[i + 1..] {
            if z1 == z2 {
                continue;
            }
            let slope = (y2 - y1) / (z2 - z1);
            let intercept = y1 - &slope * z1;
            let holds = points.iter().all(|(z, y)| (y - (&slope * z + &intercept)) * &side >= Rational::ZERO);
            let value = (&slope * &middle + &intercept) * &side;
            let better = best
                .as_ref()
                .is_none_or(|(v, line)| &value > v || (&value == v && &slope * &side > &line.slope * &side));
            if holds && better {
                best = Some((value, Line { slope, intercept }));
            }
        }
    }
    best.map(|(_, line)| line)
}

/// The least-area lines of one neuron over its exact range; those of a smooth function are floats.
fn lines(function: &dyn ActivationFn, range: &Range) -> Option<(Line, Line)> {
    let (l, u) = range.as_ref()?;
    let Some(pieces) = function.pieces() else {
        let lines = function.lines(bounds_of(l, u).into());
        let line = |l: crate::activation::Line| Some(Line { slope: exact(l.slope)?, intercept: exact(l.intercept)? });
        return Some((line(lines.lower)?, line(lines.upper)?));
    };
    let (points, only) = end_points(pieces, l, u);
    if let Some(line) = only {
        return Some((line.clone(), line));
    }
    let flat = |y: &Rational| Line { slope: Rational::ZERO, intercept: y.clone() };
    let least = flat(points.iter().map(|p| &p.1).min()?);
    let greatest = flat(points.iter().map(|p| &p.1).max()?);
    let lower = supporting_line(&points, l, u, 1).unwrap_or(least);
    let upper = supporting_line(&points, l, u, -1).unwrap_or(greatest);
    Some((lower, upper))
}

/// The rows of a batch of forms, exactly (their coefficients are floats).
fn exact_rows(terms: &[(NodeId, Vec<Rational>)], nodes: usize) -> Vec<Option<Vec<Rational>>> {
    let mut pending: Vec<Option<Vec<Rational>>> = vec![None; nodes];
    for (node, row) in terms {
        match &mut pending[*node] {
            Some(sum) => sum.iter_mut().zip(row).for_each(|(s, r)| *s += r),
            empty => *empty = Some(row.clone()),
        }
    }
    pending
}

impl AbstractDomain for RationalDeepPoly {
    type Fact = RationalFact;

    fn name(&self) -> &'static str {
        "rational"
    }

    fn input(&self, region: &Region) -> RationalFact {
        let (lower, upper) = region.exact_box();
        let ranges = lower.iter().zip(upper).map(|(l, u)| Some((l.clone(), u.clone()))).collect();
        RationalFact::new(ranges, Vec::new())
    }

    fn affine(&self, _: NodeId, node: &Affine, seen: &Trace<RationalFact>) -> Result<RationalFact, DomainError> {
        let unit = |(i, sign): (usize, Rational)| {
            let mut row = vec![Rational::ZERO; node.bias.len()];
            row[i] = sign.clone();
            let mut pending = vec![None; seen.facts.len()];
            for Term { source, map } in &node.terms {
                let sum = pending[*source].get_or_insert_with(|| vec![Rational::ZERO; map.input_len()]);
                apply_transposed(map, &row, sum, seen)?;
            }
            Self::minimum(pending, sign * node.bias.rational(i)?, seen)
        };
        let range = |i: usize| Some((unit((i, Rational::ONE))?, -unit((i, -Rational::ONE))?));
        Ok(RationalFact::new((0..node.bias.len()).into_par_iter().map(range).collect(), Vec::new()))
    }

    fn activation(
        &self,
        _: NodeId,
        node: &Activation,
        seen: &Trace<RationalFact>,
    ) -> Result<RationalFact, DomainError> {
        let function = node.function.as_ref();
        let z = &seen.facts[node.source].ranges;
        let image = |range: &Range| {
            let (l, u) = range.as_ref()?;
            let Some(pieces) = function.pieces() else {
                let image = function.image(bounds_of(l, u).into());
                return Some((exact(image.lo)?, exact(image.hi)?));
            };
            let (points, _) = end_points(pieces, l, u);
            let values = || points.iter().map(|p| p.1.clone());
            Some((values().min()?, values().max()?))
        };
        let lines = z.iter().map(|range| lines(function, range)).collect();
        Ok(RationalFact::new(z.iter().map(image).collect(), lines))
    }

    fn product(&self, _: NodeId, node: &Product, seen: &Trace<RationalFact>) -> Result<RationalFact, DomainError> {
        let exactly = |range: Interval| Some((exact(range.lo)?, exact(range.hi)?));
        let ranges = seen.product_bounds(node).iter().map(exactly).collect();
        let planes = NodePlanes::new(node, |source| seen.bounds_of(source), Slopes::Area);
        Ok(RationalFact { planes: Some(planes), ..RationalFact::new(ranges, Vec::new()) })
    }

    fn minima(&self, forms: &LinearForms, seen: &Trace<RationalFact>) -> Result<Vec<f64>, DomainError> {
        let minimum = |f: usize| {
            let is_exact =
                forms.terms.iter().all(|t| t.radius.as_ref().is_none_or(|r| r.row(f).iter().all(|&r| r == 0.0)));
            if !is_exact {
                return None;
            }
            let row = |t: &crate::query::FormTerm| {
                (t.node, t.coefficients.row(f).iter().map(|&c| exact_or_zero(c)).collect::<Vec<_>>())
            };
            let rows: Vec<_> = forms.terms.iter().map(row).collect();
            Self::minimum(exact_rows(&rows, seen.facts.len()), exact(forms.constants[f])?, seen)
        };
        let below = |m: Option<Rational>| m.map_or(f64::NEG_INFINITY, |m| enclose(&m).lo);
        Ok((0..forms.len()).into_par_iter().map(|f| below(minimum(f))).collect())
    }
}
