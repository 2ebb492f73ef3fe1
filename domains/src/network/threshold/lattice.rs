//! On which lattice the values of a neuron lie, as far as thresholds need it.

use crate::network::{Affine, NodeKind, Parameter, Term};
use crate::num::{Rational, exact};

/// Every value is `offset + k · step` for an integer k; a step of 0 stands for a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IntegerLattice {
    pub offset: i64,
    pub step: i64,
}

/// The shift of a threshold, moved within the gap that it lies in.
#[derive(Debug, PartialEq)]
pub(super) struct Moved {
    pub shift: Parameter,
    /// True when no value of the lattice lies on the threshold.
    pub never_zero: bool,
}

/// Beyond this nothing is claimed, so that all sums below are exact floats.
const LARGEST: i64 = 1 << 48;

impl IntegerLattice {
    /// The shift τ' for which `sign(x + τ')` is `sign(x + τ)` for every x of the lattice and no x lies
    /// nearer to the threshold than half a step; τ itself where a sign of 0 that is 0 is met. `None` when
    /// that cannot be told, or there is only one x.
    pub fn middle_of_gap(self, shift: &Parameter, zero_is_positive: bool) -> Option<Moved> {
        if self.step == 0 {
            return None;
        }
        let (offset, step) = (Rational::from(self.offset), Rational::from(self.step));
        // The smallest x with x + τ ≥ 0.
        let first = |tau: &Rational| &offset + Rational::from(((-tau - &offset) / &step).ceil()) * &step;
        let (first, meets_zero) = match shift {
            Parameter::Exact(tau) => {
                let first = first(tau);
                let meets_zero = &first + tau == Rational::ZERO;
                (first, meets_zero)
            }
            Parameter::Enclosed(around) => {
                let (lo, hi) = (exact(around.lo)?, exact(around.hi)?);
                let x = first(&lo);
                if x != first(&hi) || (&x + &lo == Rational::ZERO && !zero_is_positive) {
                    return None;
                }
                (x, false)
            }
        };
        if first > Rational::from(LARGEST) || first < Rational::from(-LARGEST) {
            return None;
        }
        let exactly = meets_zero && !zero_is_positive;
        let middle = if exactly { Rational::ZERO } else { step / Rational::from(2) };
        Some(Moved { shift: Parameter::Exact(middle - first), never_zero: !exactly })
    }

    /// `self + w · other`.
    fn plus(self, w: i64, other: Self) -> Option<Self> {
        let offset = self.offset.checked_add(w.checked_mul(other.offset)?)?;
        let step = w.checked_mul(other.step)?.checked_abs()?;
        (offset.checked_abs()? <= LARGEST && step <= LARGEST).then_some(Self { offset, step: gcd(self.step, step) })
    }
}

/// The greatest common divisor, the second number being often a multiple of the first.
fn gcd(mut a: i64, mut b: i64) -> i64 {
    if a == 1 || a == b {
        return a;
    }
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}

/// A float that is a small integer.
fn integer(w: f64) -> Option<i64> {
    const LARGEST: f64 = (1u64 << 40) as f64;
    (w.abs() <= LARGEST && w.fract() == 0.0).then_some(w as i64)
}

/// The lattices of a node's values, given those of the nodes before it.
pub(super) fn of_node(
    kind: &NodeKind,
    len: usize,
    known: &[Option<Vec<IntegerLattice>>],
) -> Option<Vec<IntegerLattice>> {
    match kind {
        NodeKind::Input | NodeKind::Product(_) => None,
        NodeKind::Activation(a) if a.function.is_two_valued_sign() => {
            Some(vec![IntegerLattice { offset: 1, step: 2 }; len])
        }
        NodeKind::Activation(a) if a.function.takes_integers() => {
            Some(vec![IntegerLattice { offset: 0, step: 1 }; len])
        }
        NodeKind::Activation(_) => None,
        NodeKind::Affine(Affine { terms, bias, .. }) => {
            if !bias.is_exact() || terms.iter().any(|t| known[t.source].is_none()) {
                return None;
            }
            let shifts: Vec<i64> = bias.values().iter().map(|&b| integer(b)).collect::<Option<_>>()?;
            let sums = of_sum(terms, len, known)?;
            let one = |(sum, shift): (IntegerLattice, i64)| sum.plus(shift, IntegerLattice { offset: 1, step: 0 });
            sums.into_iter().zip(shifts).map(one).collect()
        }
    }
}

/// The lattices of `Σ W x`, when those of every x are known and the weights are integers.
pub(super) fn of_sum(terms: &[Term], len: usize, known: &[Option<Vec<IntegerLattice>>]) -> Option<Vec<IntegerLattice>> {
    let mut sums = vec![IntegerLattice { offset: 0, step: 0 }; len];
    for term in terms {
        let x = known[term.source].as_ref()?;
        if !term.map.is_exact() {
            return None;
        }
        match term.map.weight_rows().zip(the_same(x)).filter(|_| term.map.has_full_rows()) {
            Some(((rows, outputs), all)) => {
                for (sums, row) in sums.chunks_mut(outputs.max(1)).zip(rows.rows()) {
                    let mut total = IntegerLattice { offset: 0, step: 0 };
                    for &w in row {
                        total = total.plus(integer(w)?, all)?;
                    }
                    for sum in sums {
                        *sum = sum.plus(1, total)?;
                    }
                }
            }
            None => {
                let mut known = Some(());
                term.map.for_each_product(|out, input, w| match integer(w).and_then(|w| sums[out].plus(w, x[input])) {
                    Some(sum) => sums[out] = sum,
                    None => known = None,
                });
                known?;
            }
        }
    }
    Some(sums)
}

/// The lattice that all of these are.
fn the_same(lattices: &[IntegerLattice]) -> Option<IntegerLattice> {
    lattices.first().copied().filter(|first| lattices.iter().all(|l| l == first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Interval;

    /// The sign with sign(0) = +1 or 0.
    fn sign(z: &Rational, zero_is_positive: bool) -> i32 {
        match z.cmp(&Rational::ZERO) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => i32::from(zero_is_positive),
            std::cmp::Ordering::Greater => 1,
        }
    }

    #[test]
    fn a_moved_threshold_decides_every_point_of_the_lattice_alike() {
        for (offset, step) in [(0, 1), (1, 2), (0, 2), (-4, 3), (7, 6)] {
            let lattice = IntegerLattice { offset, step };
            for quarter in -40..=40 {
                let tau = Rational::from_parts(quarter.into(), 4u8.into());
                for zero_is_positive in [false, true] {
                    let moved = lattice.middle_of_gap(&Parameter::Exact(tau.clone()), zero_is_positive).unwrap();
                    let Parameter::Exact(shift) = &moved.shift else { panic!("not exact") };
                    for k in -20..=20 {
                        let x = Rational::from(offset + k * step);
                        let z = &x + shift;
                        assert_eq!(sign(&(&x + &tau), zero_is_positive), sign(&z, zero_is_positive));
                        assert!(
                            !moved.never_zero || z >= Rational::from_parts(1.into(), 2u8.into()) || z < Rational::ZERO
                        );
                        assert!(!moved.never_zero || z != Rational::ZERO);
                    }
                }
            }
        }
    }

    #[test]
    fn an_enclosed_threshold_moves_only_when_the_gap_is_certain() {
        let odd = IntegerLattice { offset: 1, step: 2 };
        let of = |lo, hi| odd.middle_of_gap(&Parameter::Enclosed(Interval::new(lo, hi)), true);
        // x ≥ 0.5 and x ≥ 0.7 both mean x ≥ 1.
        assert_eq!(of(-0.7, -0.5).unwrap().shift, Parameter::ZERO);
        assert_eq!(of(-1.1, -0.9), None);
        assert_eq!(of(-1.0, -0.9).unwrap().shift, Parameter::ZERO);
        assert_eq!(odd.middle_of_gap(&Parameter::Enclosed(Interval::new(-1.0, -0.9)), false), None);
        assert_eq!(IntegerLattice { offset: 3, step: 0 }.middle_of_gap(&Parameter::ZERO, true), None);
        assert_eq!(odd.middle_of_gap(&Parameter::float(1e300), true), None);
    }
}
