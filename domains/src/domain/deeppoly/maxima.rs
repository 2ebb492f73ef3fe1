//! Maxima as a whole: where a form reads one of them from above, a plane above the maximum may tell more than the lines above
//! the ReLUs that compute it.

use super::back_substitution::{BackSubstitution, History, Rows};
use super::part::Part;
use super::peaks::Peaks;
use crate::network::NodeId;
use crate::num::kernel::{choose_slopes, chosen_dot_less_error, less_error};
use crate::num::round::{add_down, sub_down};

impl<H: History> BackSubstitution<'_, H> {
    /// Takes coefficients below zero of maxima that have planes to the entries; the coefficients that are left.
    pub(super) fn pass_maxima(&self, rows: &mut Rows, id: NodeId, mut a: Part) -> Part {
        let Some(Peaks { neurons, lines, term, error }) = self.history.peaks(id) else { return a };
        let columns = a.places(neurons);
        let mut above = a.clone();
        let mut are_some = false;
        for (a, above) in a.rows_mut().zip(above.rows_mut()) {
            above.fill(0.0);
            for &(column, _) in &columns {
                if a[column] < 0.0 {
                    (above[column], a[column], are_some) = (a[column], 0.0, true);
                }
            }
        }
        if are_some {
            let [low, high] = [&lines.lower_slope, &lines.upper_slope].map(|of| self.entries(&above, of));
            let [below, over] = [&lines.lower_intercept, &lines.upper_intercept].map(|of| self.entries(&above, of));
            let [charge, per_output] = [&lines.error, &error.per_output].map(|of| self.entries(&above, of));
            for (constant, above) in rows.constant.iter_mut().zip(above.rows_mut()) {
                let intercepts = chosen_dot_less_error(above, &below, &over, &charge);
                choose_slopes(above, &low, &high);
                let sum = add_down(add_down(*constant, intercepts), less_error(above, &per_output));
                *constant = sub_down(sub_down(sum, lines.absolute), error.absolute);
            }
            drop((low, high, below, over, charge, per_output));
            let part = above.pull_back(term, self.history.kept(term.source), || None, self.spare);
            self.add(rows, term.source, part);
        }
        above.discard(self.spare);
        a
    }
}
