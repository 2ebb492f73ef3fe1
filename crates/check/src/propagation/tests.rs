//! Propagation against its definition.

use super::*;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

type Sum = (Vec<(i64, Literal)>, i64);

/// Propagation as it is defined: every constraint again and again, until none forces anything.
fn is_contradicted(constraints: &[Option<Sum>], values: &mut [i8]) -> bool {
    loop {
        let mut forced = None;
        for (terms, degree) in constraints.iter().flatten() {
            let possible: i64 = terms.iter().filter(|t| values[t.1 as usize] >= 0).map(|t| t.0).sum();
            if possible < *degree {
                return true;
            }
            let is_forced = |t: &&(i64, Literal)| values[t.1 as usize] == 0 && possible - t.0 < *degree;
            forced = forced.or(terms.iter().find(is_forced).map(|t| t.1));
        }
        let Some(l) = forced else { return false };
        values[l as usize] = 1;
        values[(l ^ 1) as usize] = -1;
    }
}

/// Constraints come and go, and what they imply is asked in between.
#[test]
fn what_follows_is_what_propagation_by_definition_finds() {
    let mut random = SplitMix64::seed_from_u64(3);
    let mut below = |n: u64| random.next_u64() % n;
    let (mut refuted, mut open, mut removed, mut warm) = (0, 0, 0, 0);
    for _ in 0..4000 {
        let vars = 3 + below(8);
        let mut sum = || -> Sum {
            let kind = below(3);
            let mut terms = Vec::new();
            for v in 0..vars {
                if below(3) > 0 {
                    terms.push((if kind == 0 { 1 } else { 1 + below(4) as i64 }, (2 * v + below(2)) as Literal));
                }
            }
            let total: i64 = terms.iter().map(|t| t.0).sum();
            let degree = if kind == 1 { 1 } else { 1 + below(total.max(1) as u64) as i64 * 2 / 3 };
            terms.iter_mut().for_each(|t| t.0 = t.0.min(degree));
            (terms, degree)
        };
        let steps: Vec<Sum> = (0..30).map(|_| sum()).collect();
        let mut propagation = Propagation::default();
        propagation.grow(2 * vars as usize);
        let (mut known, mut handles) = (Vec::new(), Vec::new());
        let (mut values, mut is_contradictory) = (vec![0i8; 2 * vars as usize], false);
        for (terms, degree) in steps {
            match below(6) {
                0 if !known.is_empty() => {
                    let at = below(known.len() as u64) as usize;
                    known[at] = None;
                    if let Some(handle) = Option::take(&mut handles[at]) {
                        propagation.remove(handle);
                        removed += 1;
                    }
                }
                1 | 2 => {
                    known.push(Some((terms.clone(), degree)));
                    handles.push(propagation.add(terms, degree));
                    is_contradictory = is_contradictory || is_contradicted(&known, &mut values);
                    assert_eq!(propagation.is_contradictory(), is_contradictory);
                }
                _ => {
                    let mut tried = known.clone();
                    tried.push(Some((terms.clone(), degree)));
                    let expected = is_contradictory || is_contradicted(&tried, &mut values.clone());
                    assert_eq!(propagation.refutes(terms, degree), expected);
                    refuted += usize::from(expected && !is_contradictory);
                    open += usize::from(!expected);
                }
            }
        }
        warm += propagation.counters.iter().filter(|c| c.is_hot).count();
    }
    assert!(refuted > 500 && open > 2000 && removed > 500 && warm > 300, "{refuted} {open} {removed} {warm}");
}
