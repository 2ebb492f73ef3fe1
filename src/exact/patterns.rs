//! Activation pattern trees: whether their patterns are all there are, and whether each is refuted by the engines.

use super::continuous::{Found, Question, Splitting, applies, decide};
use crate::attack::{Attack, Target};
use crate::domains::activation::OpenEnds;
use crate::domains::domain::{Bounds, DeepPoly, DomainError, NodeBounds, Run, propagate};
use crate::domains::network::{Network, NodeId};
use crate::domains::num::Interval;
use crate::domains::query::{Case, Query};
use crate::domains::verdict::Witness;
use crate::format::patterns::Phase;
use std::collections::BTreeMap;

/// A leaf that takes more parts than these is left open: a tree is to save the search, not to begin it.
const MOST_PARTS: usize = 20_000;

/// What became of a tree.
#[derive(Debug)]
pub enum Reproved {
    /// Every leaf of every case is refuted, which took so many parts.
    Refuted {
        /// Parts of all leaves.
        parts: usize,
    },
    /// Inputs of this pattern belong to no leaf.
    Uncovered(Vec<Phase>),
    /// There is an unsafe input.
    Falsified(Box<Witness>),
    /// A disjunct is not refuted on a leaf; this is a lower bound of its margin there.
    Open {
        /// The leaf, from 0.
        leaf: usize,
        /// The disjunct, by its number in the query.
        disjunct: usize,
        /// The bound.
        bound: f64,
    },
    /// The time was up.
    OutOfTime,
}

/// A pattern that no leaf holds, where there is one; `None` once the time is up.
///
/// The neuron that most leaves speak of is split first: in a tree that is its root.
fn uncovered(leaves: &[Vec<Phase>], run: Run<'_>) -> Option<Option<Vec<Phase>>> {
    let mut open: Vec<(Vec<Phase>, Vec<Vec<Phase>>)> = vec![(Vec::new(), leaves.to_vec())];
    while let Some((pattern, leaves)) = open.pop() {
        if run.budget.is_spent() {
            return None;
        }
        if leaves.iter().any(Vec::is_empty) {
            continue;
        }
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        leaves.iter().flatten().for_each(|(neuron, _)| *counts.entry(*neuron).or_default() += 1);
        let Some((&neuron, _)) = counts.iter().max_by_key(|(_, count)| **count) else { return Some(Some(pattern)) };
        for below in [true, false] {
            let agrees = |leaf: &&Vec<Phase>| !leaf.contains(&(neuron, !below));
            let without = |leaf: &Vec<Phase>| leaf.iter().copied().filter(|(of, _)| *of != neuron).collect();
            let left: Vec<Vec<Phase>> = leaves.iter().filter(agrees).map(without).collect();
            let pattern = pattern.iter().copied().chain([(neuron, below)]).collect();
            if left.is_empty() {
                return Some(Some(pattern));
            }
            open.push((pattern, left));
        }
    }
    Some(None)
}

/// Whether the leaves are all patterns, and no input of any of them is unsafe. Neuron `n` of a leaf is that at
/// `places[n − 1]`. Every leaf is bounded anew and, where bounds do not suffice, split further.
///
/// # Errors
/// [`DomainError`] when the region does not fit the network.
pub fn reprove(
    network: &Network,
    query: &Query,
    places: &[(NodeId, usize)],
    leaves: &[Vec<Phase>],
    run: Run<'_>,
) -> Result<Reproved, DomainError> {
    match uncovered(leaves, run) {
        None => return Ok(Reproved::OutOfTime),
        Some(Some(pattern)) => return Ok(Reproved::Uncovered(pattern)),
        Some(None) => {}
    }
    let mut parts = 0;
    for case in &query.cases {
        if !applies(&case.region) {
            return Ok(Reproved::Open { leaf: 0, disjunct: case.first, bound: f64::NEG_INFINITY });
        }
        let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
        let target = Target { network, case, open: &open };
        if let Some(witness) = Attack::short(0).run(target, run.budget).witness {
            return Ok(Reproved::Falsified(Box::new(witness)));
        }
        let known = match propagate(&DeepPoly::default(), network, &case.region, &Bounds::unknown(), run) {
            Err(DomainError::OutOfTime) => return Ok(Reproved::OutOfTime),
            traced => traced?.bounds(),
        };
        for (number, leaf) in leaves.iter().enumerate() {
            match on_leaf((network, case, &open), &known, &phases(network, leaf, places), run) {
                Err(DomainError::Contradiction { .. }) => {}
                Err(DomainError::OutOfTime) => return Ok(Reproved::OutOfTime),
                found => {
                    let found = found?;
                    parts += found.parts;
                    let bound = |d: &usize| found.bounds.get(d).copied().unwrap_or(f64::NEG_INFINITY);
                    let is_refuted = |d: &usize| bound(d) > 0.0;
                    if let Some(d) = open.iter().find(|d| !is_refuted(d)) {
                        return Ok(Reproved::Open { leaf: number, disjunct: case.first + d, bound: bound(d) });
                    }
                }
            }
            if (number + 1) % 100 == 0 {
                tracing::info!("{} of {} leaves are refuted", number + 1, leaves.len());
            }
        }
    }
    Ok(Reproved::Refuted { parts })
}

/// The sides on which a pattern's neurons are.
fn phases(network: &Network, leaf: &[Phase], places: &[(NodeId, usize)]) -> Bounds {
    let mut nodes: Vec<NodeBounds> = network.nodes().iter().map(|node| NodeBounds::unknown(node.len)).collect();
    for &(neuron, below) in leaf {
        let (node, i) = places[neuron - 1];
        let (lo, hi) = if below { (f64::NEG_INFINITY, 0.0) } else { (0.0, f64::INFINITY) };
        nodes[node].restrict(i, Interval { lo, hi }, OpenEnds::default());
    }
    Bounds::new(nodes)
}

fn on_leaf(
    (network, case, open): (&Network, &Case, &[usize]),
    known: &Bounds,
    part: &Bounds,
    run: Run<'_>,
) -> Result<Found, DomainError> {
    let target = Target { network, case, open };
    let (splitting, part) = (Splitting::Automatic, Some(part));
    decide(&Question { target, known, part, attack: false, splitting, most: MOST_PARTS, certify: false }, run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::deadline;

    fn patterns(leaves: &[&[Phase]]) -> Option<Vec<Phase>> {
        let leaves: Vec<Vec<Phase>> = leaves.iter().map(|leaf| leaf.to_vec()).collect();
        uncovered(&leaves, Run::silent(&deadline(None))).unwrap()
    }

    #[test]
    fn what_no_leaf_holds_is_found() {
        let (b, a) = (|n| (n, true), |n| (n, false));
        assert_eq!(patterns(&[&[]]), None);
        assert_eq!(patterns(&[]), Some(vec![]));
        assert_eq!(patterns(&[&[b(1)], &[a(1)]]), None);
        assert_eq!(patterns(&[&[b(1)], &[a(1), b(2)], &[a(1), a(2)]]), None);
        assert_eq!(patterns(&[&[b(1)], &[a(1), b(2)]]), Some(vec![a(1), a(2)]));
        // Leaves may overlap and need not be a tree.
        assert_eq!(
            patterns(&[
                &[b(1), b(2)],
                &[a(1), b(3)],
                &[a(2), a(3)],
                &[b(2), b(3)],
                &[b(1), a(3)],
                &[a(1), b(2)],
                &[b(1), b(3)]
            ]),
            None
        );
    }

    /// Against enumeration.
    #[test]
    fn random_leaves_cover_what_enumeration_says() {
        let mut state = 1u64;
        let mut dice = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let mut covered = 0;
        for _ in 0..2000 {
            let leaf = |dice: &mut dyn FnMut(u64) -> u64| -> Vec<Phase> {
                (1..=4).filter(|_| dice(3) == 0).collect::<Vec<_>>().into_iter().map(|n| (n, dice(2) == 0)).collect()
            };
            let leaves: Vec<Vec<Phase>> = (0..2 + dice(6)).map(|_| leaf(&mut dice)).collect();
            let holds = |code: usize, leaf: &Vec<Phase>| leaf.iter().all(|&(n, below)| (code >> n & 1 == 1) == below);
            let all = (0..32).all(|code| leaves.iter().any(|leaf| holds(code, leaf)));
            let found = uncovered(&leaves, Run::silent(&deadline(None))).unwrap();
            assert_eq!(found.is_none(), all, "{leaves:?}");
            if let Some(pattern) = found {
                let code = pattern.iter().filter(|(_, below)| *below).map(|(n, _)| 1 << n).sum();
                assert!(!leaves.iter().any(|leaf| holds(code, leaf)) || pattern.len() < 4, "{leaves:?} {pattern:?}");
            }
            covered += usize::from(all);
        }
        assert!(covered > 100, "{covered}");
    }
}
