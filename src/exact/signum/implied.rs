//! What a Hamming ball implies for a neuron that reads the inputs directly.
//!
//! Let a neuron's sum at the centre lie on one side of its threshold, and let `m ≥ 1` be how far it has to
//! move for the neuron to change, in steps of one flip. A flip is *harmful* when it moves the sum towards
//! the threshold and *helpful* when it moves it away; others do not matter to the neuron. Let `h`, `g` and `o`
//! count them in some input of the ball: `h + g + o ≤ ε`. If the neuron changes, then `h − g ≥ m`.
//! Subtracting, **`2g + o ≤ ε − m`**, and so `g ≤ ⌊(ε − m)/2⌋`. The solver's counters see the two inequalities
//! apart, and neither of them infers anything before nearly all inputs are decided; their difference
//! does after the first few flips. With `m > ε` the neuron cannot change at all.
//!
//! For other weights the same with a factor `s`: the neuron's inequality plus `s` times the ball's. The best
//! `s` is the ε-th largest harmful move, the multiplier of the knapsack that is the support function.

use super::region::HammingBall;
use absint_sat::{Constraint, Direction, Lit, Var};

/// What follows for a neuron.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Implied {
    /// The literal that is true when the neuron keeps its value at the centre.
    pub kept: Lit,
    /// True when that is the constraint's target, false when it is its negation.
    pub is_target: bool,
    /// The multiplier of the ball.
    pub factor: i64,
    /// True when the neuron is certain to keep its value.
    pub is_fixed: bool,
    /// `¬kept → Σ a_i l_i ≥ bound`, over flips.
    pub terms: Vec<(i64, Lit)>,
    /// See there.
    pub bound: i64,
}

/// Where the flips of a ball are, by variable.
#[derive(Clone, Debug)]
pub(super) struct Flips<'a> {
    ball: &'a HammingBall,
    places: Vec<Option<usize>>,
}

impl<'a> Flips<'a> {
    pub fn of(ball: &'a HammingBall) -> Self {
        let vars = ball.flips.iter().map(|l| l.var().index() + 1).max().unwrap_or(0);
        let mut places = vec![None; vars];
        for (i, l) in ball.flips.iter().enumerate() {
            places[l.var().index()] = Some(i);
        }
        Self { ball, places }
    }

    fn place(&self, var: Var) -> Option<usize> {
        self.places.get(var.index()).copied().flatten()
    }
}

impl Implied {
    /// `None` where the constraint is no neuron's, reads other bits than those of the ball, or has
    /// numbers too large for this.
    pub fn of(constraint: &Constraint, flips: &Flips<'_>) -> Option<Self> {
        let ball = flips.ball;
        let Some((target, Direction::Both)) = constraint.target else { return None };
        flips.place(constraint.terms.first()?.1.var())?;
        let mut moves = vec![0i64; ball.flips.len()];
        let mut center = 0i64;
        for &(a, l) in &constraint.terms {
            let place = flips.place(l.var())?;
            // A flip makes `l` true, or it makes it false.
            if ball.flips[place] == l {
                moves[place] = moves[place].checked_add(a)?;
            } else {
                moves[place] = moves[place].checked_sub(a)?;
                center = center.checked_add(a)?;
            }
        }
        let is_target = center >= constraint.bound;
        // How far each flip moves the sum towards the threshold, and how far that is.
        let mut harm = Vec::with_capacity(moves.len());
        for (&l, a) in ball.flips.iter().zip(moves) {
            harm.push((if is_target { a.checked_neg()? } else { a }, l));
        }
        let beyond = constraint.bound.checked_sub(center)?;
        let distance = if is_target { beyond.checked_neg()?.checked_add(1)? } else { beyond };
        let mut sorted: Vec<i64> = harm.iter().map(|t| t.0.max(0)).collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let most = usize::try_from(ball.most).ok()?;
        let reach = sorted.iter().take(most).try_fold(0i64, |s, a| s.checked_add(*a))?;
        let factor = if most == 0 { sorted.first().copied() } else { sorted.get(most - 1).copied() }.unwrap_or(0);
        // Σ harm_i f_i ≥ distance and Σ −f_i ≥ −ε.
        let terms = harm.iter().map(|&(a, l)| Some((a.checked_sub(factor)?, l))).collect::<Option<_>>()?;
        let bound = distance.checked_sub(factor.checked_mul(ball.most)?)?;
        let kept = if is_target { target } else { !target };
        Some(Self { kept, is_target, factor, is_fixed: reach < distance, terms, bound })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use absint_sat::Var;
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

    /// All of it by trying every input of small balls.
    #[test]
    fn nothing_but_what_holds_in_the_ball_is_implied() {
        let mut random = SplitMix64::seed_from_u64(1);
        let mut below = |n: u64| random.next_u64() % n;
        let (mut fixed, mut missed, mut sharp) = (0, 0, 0);
        for _ in 0..4000 {
            let n = 1 + below(7) as usize;
            let kind = below(3);
            let target = Var::new(n).positive();
            let flips: Vec<Lit> = (0..n).map(|i| Var::new(i).is(below(2) == 0)).collect();
            let mut weight = |i: usize| {
                let a = [2 * below(2) as i64 - 1, below(3) as i64 - 1, below(9) as i64 - 4][kind as usize];
                (a, Var::new(i).is(below(2) == 0))
            };
            let terms: Vec<(i64, Lit)> = (0..n).map(&mut weight).collect();
            let bound = below(11) as i64 - 5;
            let constraint = Constraint { target: Some((target, Direction::Both)), terms, bound };
            let ball = HammingBall { flips: flips.clone(), most: below(n as u64 + 1) as i64, constraint: 0 };
            let implied = Implied::of(&constraint, &Flips::of(&ball)).unwrap();
            let (mut can_change, mut is_tight) = (false, false);
            for bits in 0..1u32 << n {
                let is_true = |l: Lit| (bits >> l.var().index() & 1 == 1) != l.is_negative();
                if flips.iter().filter(|&&l| is_true(l)).count() as i64 > ball.most {
                    continue;
                }
                let sum = |terms: &[(i64, Lit)]| terms.iter().filter(|t| is_true(t.1)).map(|t| t.0).sum::<i64>();
                let value = sum(&constraint.terms) >= bound;
                if value != implied.is_target {
                    can_change = true;
                    let slack = sum(&implied.terms) - implied.bound;
                    assert!(slack >= 0, "{constraint:?} {ball:?} {implied:?}");
                    is_tight |= slack == 0;
                }
            }
            assert!(!(implied.is_fixed && can_change), "{constraint:?} {ball:?}");
            fixed += usize::from(implied.is_fixed);
            missed += usize::from(!implied.is_fixed && !can_change);
            sharp += usize::from(is_tight);
        }
        // The support function is exact for one neuron.
        assert_eq!(missed, 0);
        assert!(fixed > 500 && sharp > 500, "{fixed} {sharp}");
    }
}
