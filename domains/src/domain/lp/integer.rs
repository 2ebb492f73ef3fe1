//! The mixed-integer program of a network over a region: the linear program of [`LpDomain`], exact by a choice
//! of one segment per unstable neuron.
//!
//! Its rows hold in real arithmetic, as those of the linear program do; what a solver says of it is a claim.

use super::cone::Cone;
use super::encoding::Encoding;
use super::{LpDomain, LpFact};
use crate::activation::ActivationFn;
use crate::domain::{NodeBounds, Trace};
use crate::lp::{IntegerProgram, Stop};
use crate::network::NodeId;
use crate::query::LinearForms;
use ndarray::Array2;
use std::cell::OnceCell;
use std::ops::Range;

/// Everything matters.
static WHOLE: Cone = Cone::whole();

/// A network's mixed-integer program, from which the margins of several forms are minimised.
pub struct IntegerModel<'s> {
    encoding: Encoding<'s>,
    integral: Vec<usize>,
    forms: &'s LinearForms,
    seen: &'s Trace<'s, LpFact>,
    /// For each form a certified lower bound by the linear program, with the cuts that it was given; −∞ where
    /// none was solved.
    pub root: Vec<f64>,
}

impl<'s> IntegerModel<'s> {
    /// The program of the nodes that `forms` read, over the bounds in `seen`. The linear program is first
    /// strengthened by the cuts that `domain` separates at its optima; before that, where `counts` has an input
    /// as reference, by implied counts: of the neurons of a layer of signs, how many can leave their values at
    /// the reference at the same time. Each count is the certified bound of a linear program that has the
    /// counts of the layers before, rounded down to an integer.
    ///
    /// `None` when a bound is infinite, or an activation is smooth.
    #[must_use]
    pub fn new(
        domain: &LpDomain,
        forms: &'s LinearForms,
        counts: Option<&[f64]>,
        seen: &'s Trace<'s, LpFact>,
    ) -> Option<Self> {
        if seen.network.has_curves() {
            return None;
        }
        let targets: Vec<NodeId> = forms.terms.iter().map(|term| term.node).collect();
        let bounds = |id: NodeId| seen.bounds_of(id);
        let mut encoding = Encoding::new(&seen.network, seen.region, &bounds, &targets, &WHOLE)?;
        if let Some(reference) = counts {
            add_counts(domain, &mut encoding, reference, seen);
        }
        let mut root = vec![f64::NEG_INFINITY; forms.len()];
        if domain.hull || domain.k > 1 {
            let cell = OnceCell::new();
            let cuts = || domain.cuts_once(&cell, seen);
            for (form, root) in root.iter_mut().enumerate() {
                if let Some(objective) = encoding.objective(forms, form, &bounds) {
                    *root = domain.minimum(&mut encoding, &cuts, &objective, Stop::AT_OPTIMUM, form, seen.run).bound;
                }
            }
        }
        let integral = encoding.choices(seen.region, &bounds)?;
        Some(Self { encoding, integral, forms, seen, root })
    }

    /// Minimises the largest of some forms.
    #[must_use]
    pub fn largest(&self, forms: Range<usize>) -> Option<IntegerProgram> {
        let seen = self.seen;
        let bounds = |id: NodeId| seen.bounds_of(id);
        let mut encoding = self.encoding.clone();
        let objective = if forms.len() == 1 {
            encoding.objective(self.forms, forms.start, &bounds)?
        } else {
            let rows: Vec<usize> = forms.collect();
            encoding.maximum(&self.forms.select(&rows), &bounds)?
        };
        let mut relaxation = encoding.into_program();
        relaxation.set_objective(&objective.coefficients);
        Some(IntegerProgram { relaxation, integral: self.integral.clone(), constant: objective.constant })
    }

    /// Minimises the smallest of some forms, by one program with a selector per form.
    #[must_use]
    pub fn smallest(&self, forms: &[usize]) -> Option<IntegerProgram> {
        let seen = self.seen;
        let bounds = |id: NodeId| seen.bounds_of(id);
        self.encoding.clone().smallest(self.forms, forms, self.integral.clone(), &bounds)
    }

    /// The network's input at a point of one of the programs.
    #[must_use]
    pub fn input_at<'p>(&self, point: &'p [f64]) -> Option<&'p [f64]> {
        self.encoding.input_at(point)
    }
}

/// Bounds, layer by layer, how many unstable step neurons can leave their value at `reference` at once.
fn add_counts<'s>(domain: &LpDomain, encoding: &mut Encoding<'s>, reference: &[f64], seen: &'s Trace<'_, LpFact>) {
    let Ok(values) = seen.network.evaluate_all::<f64>(reference) else { return };
    for (id, activation) in seen.network.activations() {
        if id >= seen.facts.len() || seen.run.budget.is_spent() {
            return;
        }
        let z = seen.bounds_of(activation.source);
        let mut coefficients = Array2::zeros((1, z.len()));
        let (mut constant, mut changing) = (0.0, 0.0);
        for (i, &value) in values[id].iter().enumerate() {
            if let Some(sign) = side(activation.function.as_ref(), z, i, value) {
                // Of −(1 − sign · y) / 2: −1 where the neuron changes, otherwise 0.
                coefficients[[0, i]] = sign / 2.0;
                constant -= 0.5;
                changing += 1.0;
            }
        }
        if changing < 2.0 {
            continue;
        }
        let mut forms = LinearForms::of_node(id, coefficients);
        forms.constants[0] = constant;
        let bounds = |id: NodeId| seen.bounds_of(id);
        let Some(objective) = encoding.objective(&forms, 0, &bounds) else { continue };
        let Ok(mut session) = domain.backend.session(encoding.program()) else { continue };
        let answer = domain.solve(&mut *session, encoding, &objective, Stop::AT_OPTIMUM, seen.run);
        drop(session);
        let least = answer.map_or(f64::NEG_INFINITY, |answer| answer.bound.ceil());
        if least > -changing && least.is_finite() {
            encoding.require(&forms, 0, least, &bounds);
        }
    }
}

/// The sign of neuron `i` at the reference, where it is unstable between −1 and 1.
fn side(function: &dyn ActivationFn, z: &NodeBounds, i: usize, value: f64) -> Option<f64> {
    let [low, high] = function.segments(z.reach(i))[..] else { return None };
    let is_sign = low.slope == 0.0 && high.slope == 0.0 && (low.intercept, high.intercept) == (-1.0, 1.0);
    (is_sign && value.abs() == 1.0).then_some(value)
}
