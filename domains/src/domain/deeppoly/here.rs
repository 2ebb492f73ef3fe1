//! Bounds of forms by the concrete bounds of a node that they pass on their way back.

use super::part::Entries;
use crate::num::kernel::{box_minimum, box_minimum_then_scale, choose_slopes, finite_or_nothing};
use crate::num::round::add_down;

/// The concrete bounds of a node on the way, where forms are turned into numbers there.
pub(super) struct Here<'v> {
    pub bounds: Option<(Entries<'v>, Entries<'v>)>,
    /// What the other nodes add to each row.
    pub besides: Vec<f64>,
}

impl Here<'_> {
    /// Improves the best bound of row `r`, of coefficients `a`.
    pub fn keep_best(&self, r: usize, a: &[f64], constant: f64, best: &mut f64) {
        if let Some((lower, upper)) = &self.bounds {
            let value = add_down(box_minimum(a, lower, upper), self.besides[r]);
            *best = best.max(finite_or_nothing(add_down(value, constant)));
        }
    }

    /// The same, and each coefficient is multiplied by its slope.
    pub fn keep_best_and_scale(&self, r: usize, a: &mut [f64], slopes: &[f64], constant: f64, best: &mut f64) {
        match &self.bounds {
            Some((lower, upper)) => {
                let value = add_down(box_minimum_then_scale(a, lower, upper, slopes), self.besides[r]);
                *best = best.max(finite_or_nothing(add_down(value, constant)));
            }
            None => choose_slopes(a, slopes, slopes),
        }
    }
}
