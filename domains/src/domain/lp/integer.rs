//! The mixed-integer program of a network over a region: the linear program of [`LpDomain`], exact by a choice
//! of one segment per unstable neuron.
//!
//! Its rows hold in real arithmetic, as those of the linear program do; what a solver says of it is a claim.

use super::cone::Cone;
use super::encoding::Encoding;
use super::{LpDomain, LpFact};
use crate::domain::Trace;
use crate::lp::{IntegerProgram, Stop};
use crate::network::NodeId;
use crate::query::LinearForms;
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
    /// strengthened by the cuts and counts that `domain` adds at its optima.
    ///
    /// `None` when a bound is infinite, or an activation is smooth.
    #[must_use]
    pub fn new(domain: &LpDomain, forms: &'s LinearForms, seen: &'s Trace<'s, LpFact>) -> Option<Self> {
        if seen.network.has_curves() {
            return None;
        }
        let targets: Vec<NodeId> = forms.terms.iter().map(|term| term.node).collect();
        let bounds = |id: NodeId| seen.bounds_of(id);
        let mut encoding = Encoding::new(&seen.network, seen.region, &bounds, &targets, &WHOLE)?;
        let mut root = vec![f64::NEG_INFINITY; forms.len()];
        if domain.hull || domain.counts || domain.k > 1 {
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
