//! What makes a network's linear program exact: a choice of one segment per unstable neuron, and inputs that
//! take their own values only.
//!
//! An activation is its list of segments. With `λ_k ∈ {0, 1}` for the segment taken, `Σ λ_k = 1`, and
//! `y − c z ∈ [lo_k, hi_k]` on segment `k`,
//!
//! ```text
//! Σ lo_k λ_k ≤ y − c z ≤ Σ hi_k λ_k
//! ```
//!
//! for the slope `c` of each segment. For ReLU that is `y ≤ u λ` and `y − z ≤ −l (1 − λ)`, the encoding of
//! Tjeng et al. (2019). Where all slopes are zero the same rows for `z` itself are needed besides: for sign they
//! and `y = 2 λ − 1` are Proposition 1 of Geyer et al. (2024) with a binary `y`.
//!
//! As in the linear program, every row read as exact numbers is implied by the network.

use super::Encoding;
use super::expression::{Expression, Value};
use crate::domain::NodeBounds;
use crate::lp::IntegerProgram;
use crate::network::{NodeId, NodeKind};
use crate::num::round::{mul_up, sub_down, sub_up};
use crate::num::{Interval, enclose, nearest};
use crate::polyhedra::Segment;
use crate::query::{Ball, LinearForms, Region};
use float_ord::FloatOrd;
use std::collections::BTreeMap;

const BINARY: Interval = Interval { lo: 0.0, hi: 1.0 };

/// `coefficients · variables + constant` where each variable occurs once.
struct Collected {
    coefficients: BTreeMap<usize, f64>,
    constant: f64,
}

impl<'a> Encoding<'a> {
    /// Adds the choices of all unstable neurons and of the inputs; returns the integer variables.
    pub fn choices(&mut self, region: &Region, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> Option<Vec<usize>> {
        let mut integral = self.input_steps(region)?;
        let network = self.network;
        for (id, activation) in network.activations() {
            let z_bounds = bounds(activation.source);
            let values = (self.values_of(activation.source).cloned(), self.values_of(id).cloned());
            let (Some(zs), Some(ys)) = values else { continue };
            for (i, (z, y)) in zs.into_iter().zip(ys).enumerate() {
                let segments = activation.function.segments(z_bounds.reach(i));
                if segments.len() > 1 && z != Value::Absent {
                    integral.extend(self.choice(&segments, z, y)?);
                }
            }
        }
        Some(integral)
    }

    /// Inputs that take the values `l + j · step` only.
    fn input_steps(&mut self, region: &Region) -> Option<Vec<usize>> {
        let mut integral = Vec::new();
        let (lower, upper) = region.exact_box();
        for (i, (l, u)) in lower.iter().zip(upper).enumerate() {
            let step = match region.ball() {
                _ if l == u => continue,
                Ball::Hamming { .. } => u - l,
                Ball::Grid { step, .. } | Ball::GridL1 { step, .. } => step.clone(),
                Ball::Box | Ball::L1 { .. } | Ball::L2 { .. } => continue,
            };
            let last = nearest(&((u - l) / &step)).round();
            let j = self.variable(Interval { lo: 0.0, hi: last })?;
            let step = enclose(&step);
            let mut row = Expression::new(-enclose(l));
            row.add(1.0, self.values_of(0)?[i]);
            row.add(-step.middle(), Value::Variable(j));
            row.widen(mul_up(step.width(), last));
            self.row(&row, Interval::ZERO);
            integral.push(j);
        }
        Some(integral)
    }

    /// The choice of one of several segments; the first one is taken when no variable is 1.
    fn choice(&mut self, segments: &[Segment], z: Value, y: Value) -> Option<Vec<usize>> {
        let others = segments.get(1..)?;
        let choices: Vec<usize> = others.iter().map(|_| self.variable(BINARY)).collect::<Option<_>>()?;
        if choices.len() > 1 {
            let mut sum = Expression::new(Interval::ZERO);
            choices.iter().for_each(|&v| sum.add(1.0, Value::Variable(v)));
            self.row(&sum, Interval { lo: f64::NEG_INFINITY, hi: 1.0 });
        }
        let mut slopes: Vec<f64> = segments.iter().map(|s| s.slope).collect();
        slopes.sort_by_key(|&slope| FloatOrd(slope));
        slopes.dedup();
        // Two slopes determine z as well.
        let of_z = (slopes.len() == 1).then_some((0.0, 1.0));
        for (of_y, of_z) in slopes.into_iter().map(|c| (1.0, -c)).chain(of_z) {
            let range = |s: &Segment| {
                let z = Interval { lo: s.from, hi: s.to };
                let slope = Interval::point(s.slope).scale(of_y) + Interval::point(of_z);
                slope * z + Interval::point(s.intercept).scale(of_y)
            };
            let mut sum = Expression::new(Interval::ZERO);
            sum.add(of_y, y);
            sum.add(of_z, z);
            self.between(sum, &choices, range(segments.first()?), &others.iter().map(range).collect::<Vec<_>>());
        }
        Some(choices)
    }

    /// `sum` lies in `first`, or in the range of the choice that is 1.
    fn between(&mut self, sum: Expression, choices: &[usize], first: Interval, others: &[Interval]) {
        let (mut below, mut above) = (sum.clone(), sum);
        for (&choice, range) in choices.iter().zip(others) {
            below.add(-sub_down(range.lo, first.lo), Value::Variable(choice));
            above.add(-sub_up(range.hi, first.hi), Value::Variable(choice));
        }
        if below.entries == above.entries {
            self.row(&below, first);
            return;
        }
        let range = |e: &Expression| e.entries.iter().fold(e.constant, |sum, &(v, c)| sum + self.range(v).scale(c));
        let (is_low, is_high) = (range(&below).lo >= first.lo, range(&above).hi <= first.hi);
        if !is_low {
            self.row(&below, Interval { lo: first.lo, hi: f64::INFINITY });
        }
        if !is_high {
            self.row(&above, Interval { lo: f64::NEG_INFINITY, hi: first.hi });
        }
    }

    fn range(&self, v: usize) -> Interval {
        Interval { lo: self.program.lower()[v], hi: self.program.upper()[v] }
    }

    /// The smallest of several forms as one program, without big constants (after the aim stated by Kim
    /// and Luedtke 2025): a selector `s_d` per form, `Σ s_d = 1`, and every variable `v` that the forms read split into
    /// `v = Σ v_d` with `l s_d ≤ v_d ≤ u s_d`, so that form `d` is `c_d · v_d + b_d s_d`. Forms that read an affine
    /// node are carried to the nodes before it first.
    pub fn smallest(
        mut self,
        forms: &LinearForms,
        rows: &[usize],
        mut integral: Vec<usize>,
        bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
    ) -> Option<IntegerProgram> {
        let passed: Vec<Option<Vec<Expression>>> = forms
            .terms
            .iter()
            .map(|term| match &self.network.node(term.node).kind {
                NodeKind::Affine(affine) => Some(self.negated(term.node, affine, bounds)),
                _ => None,
            })
            .collect();
        let collected: Vec<Collected> =
            rows.iter().map(|&row| self.collected(forms, row, &passed)).collect::<Option<_>>()?;
        let selectors: Vec<usize> = rows.iter().map(|_| self.variable(BINARY)).collect::<Option<_>>()?;
        let mut one = Expression::new(Interval::ZERO);
        selectors.iter().for_each(|&s| one.add(1.0, Value::Variable(s)));
        self.row(&one, Interval::point(1.0));
        let mut objective: Vec<(usize, f64)> =
            selectors.iter().zip(&collected).map(|(&s, form)| (s, form.constant)).collect();
        let read: std::collections::BTreeSet<usize> =
            collected.iter().flat_map(|form| form.coefficients.keys().copied()).collect();
        for v in read {
            let range = self.range(v);
            let mut split = Expression::new(Interval::ZERO);
            split.add(1.0, Value::Variable(v));
            for (&selector, form) in selectors.iter().zip(&collected) {
                let part = self.variable(range.join(Interval::ZERO))?;
                split.add(-1.0, Value::Variable(part));
                objective.push((part, form.coefficients.get(&v).copied().unwrap_or(0.0)));
                for (end, side) in [
                    (range.lo, Interval { lo: 0.0, hi: f64::INFINITY }),
                    (range.hi, Interval { lo: f64::NEG_INFINITY, hi: 0.0 }),
                ] {
                    let mut row = Expression::new(Interval::ZERO);
                    row.add(1.0, Value::Variable(part));
                    row.add(-end, Value::Variable(selector));
                    self.row(&row, side);
                }
            }
            self.row(&split, Interval::ZERO);
        }
        integral.extend(selectors);
        let mut coefficients = vec![0.0; self.program.variables()];
        objective.into_iter().for_each(|(v, c)| coefficients[v] = c);
        self.program.set_objective(&coefficients);
        Some(IntegerProgram { relaxation: self.program, integral, constant: 0.0 })
    }

    /// A form over the program's variables; `passed[t]` has the negated rows of the affine node that its term
    /// `t` reads.
    fn collected(&self, forms: &LinearForms, form: usize, passed: &[Option<Vec<Expression>>]) -> Option<Collected> {
        let mut sums: BTreeMap<usize, Interval> = BTreeMap::new();
        let mut constant = Interval::point(forms.constants[form]);
        let mut add = |c: Interval, entries: &[(usize, f64)]| {
            for &(v, w) in entries {
                let sum = sums.entry(v).or_insert(Interval::ZERO);
                *sum = *sum + c.scale(w);
            }
        };
        for (term, passed) in forms.terms.iter().zip(passed) {
            for (i, &c) in term.coefficients.row(form).iter().enumerate() {
                let mut c = Interval::point(c);
                if let Some(radius) = &term.radius {
                    let r = radius[[form, i]];
                    c = c + Interval { lo: -r, hi: r };
                }
                if c == Interval::ZERO {
                    continue;
                }
                if let Some(rows) = passed {
                    add(-c, &rows[i].entries);
                    constant = constant + -c * rows[i].constant;
                } else {
                    let mut value = Expression::new(Interval::ZERO);
                    value.add(1.0, self.values_of(term.node)?[i]);
                    add(c, &value.entries);
                    constant = constant + c * value.constant;
                }
            }
        }
        let mut coefficients = BTreeMap::new();
        for (v, sum) in sums {
            coefficients.insert(v, sum.middle());
            constant = constant + self.range(v) * (sum - Interval::point(sum.middle()));
        }
        Some(Collected { coefficients, constant: constant.lo })
    }
}
