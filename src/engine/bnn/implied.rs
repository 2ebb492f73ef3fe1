//! What a Hamming ball implies for a neuron that reads the inputs directly.
//!
//! Let a neuron's sum at the centre lie on one side of its threshold, `m ≥ 1` steps of one flip away from
//! the other. A flip is *harmful* when it moves the sum towards the threshold and *helpful* when it
//! moves it away; others do not matter to the neuron. Let `h`, `g` and `o` count them in some input of the ball:
//! `h + g + o ≤ ε`. If the neuron changes, then `h − g ≥ m`. Subtracting, **`2g + o ≤ ε − m`**; and so
//! `g ≤ ⌊(ε − m)/2⌋`. The solver's counters see the two inequalities apart, and neither of them infers
//! anything before nearly all inputs are decided; their difference does after the first few flips.
//! With `m > ε` the neuron cannot change at all.

use super::encode::Reified;
use crate::engine::sat::{Direction, LinearError, Lit, Solver};
use std::collections::BTreeMap;

/// The flips that matter to a neuron.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// The literal that is true when the neuron keeps its value at the centre.
    pub kept: Lit,
    /// True when the target is true at the centre.
    pub at_center: bool,
    /// By how much each flip moves the sum away from the threshold (negative: towards it).
    pub moves: Vec<(i64, Lit)>,
    /// By how much the sum has to move for the neuron to change.
    pub distance: i64,
    /// The most that the flips of the ball can move it towards the threshold.
    pub reach: i64,
    /// Flips in the ball.
    pub most: usize,
}

impl Counts {
    /// `flips` are true where an input differs from the centre. `None` where the constraint reads other
    /// bits than those.
    pub fn of(reified: &Reified, flips: &[Lit], most: usize) -> Option<Self> {
        let mut moves: BTreeMap<Lit, i64> = flips.iter().map(|&l| (l, 0)).collect();
        let mut center = 0i64;
        for &(a, l) in &reified.terms {
            if let Some(sum) = moves.get_mut(&l) {
                *sum += a;
            } else if let Some(sum) = moves.get_mut(&!l) {
                center += a;
                *sum -= a;
            } else {
                return None;
            }
        }
        let at_center = center >= reified.bound;
        let mut moves: Vec<(i64, Lit)> = moves.into_iter().map(|(l, a)| (if at_center { a } else { -a }, l)).collect();
        let distance = if at_center { center - reified.bound + 1 } else { reified.bound - center };
        moves.sort_unstable();
        let reach = moves.iter().take(most).map(|t| -t.0).filter(|a| *a > 0).sum();
        let kept = if at_center { reified.target } else { !reified.target };
        Some(Self { kept, at_center, moves, distance, reach, most })
    }

    /// The target's value, where the ball is too small to change it.
    pub fn fixed(&self) -> Option<bool> {
        (self.reach < self.distance).then_some(self.at_center)
    }

    /// `changed → 2g + o ≤ ε − m`, in its general form: with steps of size `s`, the largest harmful one,
    /// `Σ (s + move_i) f_i ≤ s ε − distance`.
    pub fn constraint(&self) -> Option<(Vec<(i64, Lit)>, i64)> {
        let largest = self.moves.first().map_or(0, |t| -t.0).max(0);
        let most = i64::try_from(self.most).ok()?.checked_mul(largest)?;
        let terms: Vec<(i64, Lit)> = self.moves.iter().map(|&(a, l)| (-(largest + a), l)).collect();
        Some((terms, -(most.checked_sub(self.distance)?)))
    }

    /// Adds the constraint.
    pub fn add_to(&self, solver: &mut Solver) -> Result<(), LinearError> {
        if let Some((terms, bound)) = self.constraint() {
            solver.add_reified(!self.kept, Direction::TargetImplies, &terms, bound)?;
        }
        Ok(())
    }
}
