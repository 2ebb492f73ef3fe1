//! The class that a network, or an ensemble that rejects, gives to an exact input.

use crate::domains::network::Network;
use crate::domains::num::{Interval, Rational, enclose};
use crate::domains::query::Ties;

/// The class whose output reaches that of `label` at the exact input `x`: the largest such output, the
/// first of several. `None` where `label` wins, strictly where ties are unsafe.
///
/// The answer holds in real arithmetic. Where an output cannot be told from that of `label`, since a parameter or a
/// value of an activation is irrational, `label` has lost.
#[must_use]
pub fn beaten_by(network: &Network, x: &[Rational], label: usize, ties: Ties) -> Option<usize> {
    let enclosed: Vec<Interval> = x.iter().map(enclose).collect();
    let y = network.evaluate::<Interval>(&enclosed).ok()?;
    let own = *y.get(label)?;
    let rivals = || (0..y.len()).filter(|&j| j != label);
    if rivals().all(|j| y[j].hi < own.lo) {
        return None;
    }
    let first_largest = |of: &dyn Fn(usize, usize) -> bool, among: Vec<usize>| {
        among.into_iter().reduce(|best, j| if of(j, best) { j } else { best })
    };
    // Exact arithmetic is for what enclosures leave open.
    let is_safe = ties == Ties::Safe;
    let surely: Vec<usize> = rivals().filter(|&j| y[j].lo > own.hi || !is_safe && y[j].lo == own.hi).collect();
    if !surely.is_empty() {
        return first_largest(&|j, best| y[j].middle() > y[best].middle(), surely);
    }
    let Ok(exact) = network.evaluate::<Rational>(x) else {
        return first_largest(&|j, best| y[j].hi > y[best].hi, rivals().filter(|&j| y[j].hi >= own.lo).collect());
    };
    let wins = |j: usize| if is_safe { exact[j] > exact[label] } else { exact[j] >= exact[label] };
    first_largest(&|j, best| exact[j] > exact[best], rivals().filter(|&j| wins(j)).collect())
}

/// What an ensemble that rejects inputs on which its members disagree makes of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// All members give it the label, strictly where ties are unsafe.
    Right,
    /// All members give it this other class, strictly where ties are safe: the first such.
    Wrong(usize),
    /// Neither, or an output is irrational.
    Rejected,
}

/// What `members` networks side by side make of the exact input `x`. As in [`beaten_by`] ties count against the label where
/// they are unsafe, and for it where they are safe.
#[must_use]
pub fn agreement(network: &Network, members: usize, x: &[Rational], label: usize, ties: Ties) -> Agreement {
    let classes = (network.output_len() / members.max(1)).max(1);
    let enclosed: Vec<Interval> = x.iter().map(enclose).collect();
    if let Ok(y) = network.evaluate::<Interval>(&enclosed) {
        // Exact arithmetic is for what enclosures leave open.
        let first = |y: &[Interval]| (0..classes).find(|&c| (0..classes).all(|j| j == c || y[j].hi < y[c].lo));
        if let Some(winners) = y.chunks(classes).map(first).collect::<Option<Vec<usize>>>() {
            return match winners[0] {
                class if winners.iter().any(|&c| c != class) => Agreement::Rejected,
                class if class == label => Agreement::Right,
                class => Agreement::Wrong(class),
            };
        }
    }
    let Ok(y) = network.evaluate::<Rational>(x) else { return Agreement::Rejected };
    // Ties speak for whom the property gives them to.
    let wins = |class: usize| {
        let is_strict = (class == label) == (ties == Ties::Unsafe);
        y.chunks(classes).all(|y| {
            let mut rivals = (0..classes).filter(|&j| j != class);
            rivals.all(|j| if is_strict { y[class] > y[j] } else { y[class] >= y[j] })
        })
    };
    match (0..classes).filter(|&class| class != label).find(|&class| wins(class)) {
        Some(class) => Agreement::Wrong(class),
        None if wins(label) => Agreement::Right,
        None => Agreement::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::onnx::{OnnxWriter, parse};
    use ndarray::array;

    /// y = (x₀, x₁, 1/3·x₀ + 2/3·x₁ in floats): ties are exact where x₀ = x₁ for the first two.
    fn network() -> Network {
        let mut writer = OnnxWriter::input(&[2]);
        writer.gemm(array![[1.0f32, 0.0], [0.0, 1.0], [0.25, 0.25]].view(), &[0.0, 0.0, 0.0]);
        parse(&writer.finish(&[3]), "test").unwrap().network
    }

    #[test]
    fn a_tie_is_a_loss_and_the_least_excess_is_seen() {
        let network = network();
        let q = |p: i64| Rational::from(p) / Rational::from(3);
        assert_eq!(beaten_by(&network, &[q(2), q(1)], 0, Ties::Unsafe), None);
        assert_eq!(beaten_by(&network, &[q(2), q(1)], 1, Ties::Unsafe), Some(0));
        assert_eq!(beaten_by(&network, &[q(1), q(1)], 0, Ties::Unsafe), Some(1));
        let tiny = Rational::ONE / Rational::from(10u64.pow(18)) / Rational::from(10u64.pow(18));
        assert_eq!(beaten_by(&network, &[q(1) + &tiny, q(1)], 0, Ties::Unsafe), None);
        assert_eq!(beaten_by(&network, &[q(1) - &tiny, q(1)], 0, Ties::Unsafe), Some(1));
        assert_eq!(beaten_by(&network, &[q(-1), q(-2)], 1, Ties::Unsafe), Some(2));
        assert_eq!(beaten_by(&network, &[q(0), q(0)], 2, Ties::Unsafe), Some(0));
        assert_eq!(beaten_by(&network, &[q(1), q(1)], 0, Ties::Safe), None);
        assert_eq!(beaten_by(&network, &[q(1) - &tiny, q(1)], 0, Ties::Safe), Some(1));
    }

    /// Two members of two classes that read one input each: all four agreements, and ties.
    #[test]
    fn members_agree_or_reject() {
        let mut writer = OnnxWriter::input(&[2]);
        writer.gemm(array![[1.0f32, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]].view(), &[0.0; 4]);
        let network = parse(&writer.finish(&[4]), "test").unwrap().network;
        let of = |a: i64, b: i64, ties| agreement(&network, 2, &[a.into(), b.into()], 0, ties);
        for ties in [Ties::Unsafe, Ties::Safe] {
            assert_eq!(of(1, 1, ties), Agreement::Right);
            assert_eq!(of(-1, -2, ties), Agreement::Wrong(1));
            assert_eq!(of(1, -1, ties), Agreement::Rejected);
        }
        assert_eq!((of(0, 1, Ties::Unsafe), of(0, 1, Ties::Safe)), (Agreement::Rejected, Agreement::Right));
        assert_eq!((of(0, -1, Ties::Unsafe), of(0, -1, Ties::Safe)), (Agreement::Wrong(1), Agreement::Rejected));
        assert_eq!((of(0, 0, Ties::Unsafe), of(0, 0, Ties::Safe)), (Agreement::Wrong(1), Agreement::Right));
    }
}
