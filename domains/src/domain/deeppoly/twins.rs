//! Activations of two networks that correspond, passed together: what a form takes from one of them and gives back at the
//! other goes over the [difference](super::differences) of what they read. The rest goes through the lines of each alone.

use super::back_substitution::{BackSubstitution, History, Rows};
use super::differences::Differences;
use super::part::Part;
use crate::network::NodeId;
use crate::num::error::UNIT;
use crate::num::kernel::{choose_slopes, chosen_dot_less_error, less_error};
use crate::num::round::{add_down, mul_up, sub_down};

impl<H: History> BackSubstitution<'_, H> {
    /// Where `id` is the second of two activations that correspond, takes what the coefficients of the first have in common
    /// with its own, `a`, over their difference; the coefficients that are left.
    pub(super) fn pass_difference(&self, rows: &mut Rows, id: NodeId, a: Part) -> Part {
        let Some(Differences { twin, neurons, lines }) = self.history.differences(id) else { return a };
        let Some(first) = rows.pending.remove(&twin.first) else { return a };
        let [mut first, mut second] = first.aligned(a, self.spare);
        let (places, mut common) = (second.places(neurons), second.zeros(self.spare));
        let mut are_shared = false;
        let magnitudes = [twin.first, twin.second].map(|id| self.history.bounds(id).magnitudes());
        let magnitudes = magnitudes.each_ref().map(|of_node| self.entries(&second, of_node));
        let [low, high] = [&lines.lower_slope, &lines.upper_slope].map(|slopes| self.entries(&second, slopes));
        let [below, above] = [&lines.lower_intercept, &lines.upper_intercept].map(|of| self.entries(&second, of));
        let error = self.entries(&second, &lines.error);
        let coefficients = first.rows_mut().zip(second.rows_mut()).zip(common.rows_mut());
        for (((first, second), common), constant) in coefficients.zip(&mut rows.constant) {
            let mut is_shared = false;
            for &(at, _) in &places {
                let (a, b) = (first[at], second[at]);
                if !(a < 0.0 && b > 0.0 || a > 0.0 && b < 0.0) {
                    continue;
                }
                let shared = if a.abs() < b.abs() { -a } else { b };
                // One of them is zero then, and the other one a sum that is rounded.
                (first[at], second[at], common[at]) = (a + shared, b - shared, shared);
                is_shared = true;
            }
            are_shared |= is_shared;
            if is_shared {
                let left = less_error(first, &magnitudes[0]) + less_error(second, &magnitudes[1]);
                *constant = sub_down(*constant, mul_up(4.0 * UNIT, -left));
                let intercepts = chosen_dot_less_error(common, &below, &above, &error);
                *constant = sub_down(add_down(*constant, intercepts), lines.absolute);
                choose_slopes(common, &low, &high);
            }
        }
        match are_shared {
            true => self.add(rows, twin.difference, common),
            false => common.discard(self.spare),
        }
        rows.pending.insert(twin.first, first);
        second
    }
}
