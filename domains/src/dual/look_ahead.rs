//! Splits that are tried before they are needed: neurons on which few splits were seen are split for once, and what that
//! gains is noted (reliability branching: Achterberg, Koch & Martin 2005).

use super::ascent::Pick;
use super::batch::Member;
use super::tree::{Forest, Part};
use crate::budget::Budget;
use float_ord::FloatOrd;

/// Neurons that are tried at once: at least, at most.
const TRIED: (usize, usize) = (32, 400);

impl Forest<'_> {
    /// Tries splits of a part, as far as their share allows.
    pub(super) fn try_splits(&mut self, member: &Member, budget: &Budget) {
        let left = (self.look_ahead * self.parts() as f64) as usize / 2;
        let room = left.saturating_sub(self.tried).min(TRIED.1);
        if room < TRIED.0 {
            return;
        }
        let mut picks = self.with_workspace(|work| self.relaxed.picks(&self.forms, member, work));
        picks.retain(|pick| !self.costs.is_reliable(pick.index));
        let promise = |pick: &Pick| FloatOrd(-pick.loss * self.costs.weights()[pick.index as usize]);
        picks.sort_by_key(promise);
        picks.truncate(room);
        self.tried += picks.len();
        let parts = picks.into_iter().map(|pick| Part { member: member.clone(), pick }).collect();
        let _ = self.split(parts, budget);
    }
}
