//! Propagation against its definition.

use super::*;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

type Sum = (Vec<(i128, Literal)>, i128);

/// Propagation as it is defined: every constraint again and again, until none forces anything.
fn is_contradicted(constraints: &[Option<Sum>], values: &mut [i8]) -> bool {
    loop {
        let mut forced = None;
        for (terms, degree) in constraints.iter().flatten() {
            let possible: i128 = terms.iter().filter(|t| values[t.1 as usize] >= 0).map(|t| t.0).sum();
            if possible < *degree {
                return true;
            }
            let is_forced = |t: &&(i128, Literal)| values[t.1 as usize] == 0 && possible - t.0 < *degree;
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
    let (mut refuted, mut open, mut removed) = (0, 0, 0);
    for _ in 0..4000 {
        let vars = 3 + below(8);
        let mut sum = || -> Sum {
            let kind = below(3);
            let mut terms = Vec::new();
            for v in 0..vars {
                if below(3) > 0 {
                    terms.push((if kind == 0 { 1 } else { 1 + below(4) as i128 }, (2 * v + below(2)) as Literal));
                }
            }
            let total: i128 = terms.iter().map(|t| t.0).sum();
            let degree = if kind == 1 { 1 } else { 1 + below(total.max(1) as u64) as i128 * 2 / 3 };
            terms.iter_mut().for_each(|t| t.0 = t.0.min(degree));
            (terms, degree)
        };
        let steps: Vec<Sum> = (0..30).map(|_| sum()).collect();
        let mut database = Database::default();
        let mut known = Vec::new();
        let (mut values, mut is_contradictory) = (vec![0i8; 2 * vars as usize], false);
        for (terms, degree) in steps {
            match below(6) {
                0 if !known.is_empty() => {
                    let at = below(known.len() as u64) as usize;
                    let was_known = Option::take(&mut known[at]).is_some();
                    assert_eq!(database.delete(at as u32 + 1), was_known);
                    removed += usize::from(was_known);
                }
                1 | 2 => {
                    known.push(Some((terms.clone(), degree)));
                    database.add(Inequality { terms, degree });
                    is_contradictory = is_contradictory || is_contradicted(&known, &mut values);
                    assert_eq!(database.is_contradictory, is_contradictory);
                }
                _ => {
                    let step = Inequality { terms, degree };
                    let negated = step.negated().unwrap();
                    // As propagation takes them, coefficients are no larger than the degree.
                    let capped = negated.terms.iter().map(|t| (t.0.min(negated.degree), t.1)).collect();
                    let mut tried = known.clone();
                    tried.push(Some((capped, negated.degree)));
                    let is_implied = is_contradicted(&tried, &mut values.clone());
                    let expected = is_contradictory || degree <= 0 || (negated.degree > 0 && is_implied);
                    assert_eq!(database.implies(&step), expected);
                    refuted += usize::from(expected && !is_contradictory);
                    open += usize::from(!expected);
                }
            }
        }
    }
    assert!(refuted > 500 && open > 2000 && removed > 500, "{refuted} {open} {removed}");
}

/// A literal may follow itself in a sum, and no operand is passed over.
#[test]
fn literals_are_read_one_by_one() {
    let formula = "+1 x1 +1 x2 >= 2 ;\n+1 ~x1 >= 1 ;\n";
    let proof = |step: &str| {
        format!(
            "pseudo-Boolean proof version 3.0\nf 2;\n{step}\nrup >= 1;\noutput NONE;\nconclusion UNSAT : 4;\n\
             end pseudo-Boolean proof;\n"
        )
    };
    assert!(crate::check(formula.as_bytes(), proof("pol 1 x1 x1 + +;").as_bytes()).is_ok());
    assert!(crate::check(formula.as_bytes(), proof("pol x1 x1;").as_bytes()).is_err());
}
