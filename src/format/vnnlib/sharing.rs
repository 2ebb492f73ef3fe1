//! Inputs that every disjunct asserts to be equal are one input: `X[0] == A[0]`, which two half-spaces would say too, but
//! of such a region no point is ever found by rounding, and no bound knows that two networks read the same.

use super::error::Fault;
use super::parser::{Assertion, Placed};
use std::collections::{HashMap, HashSet};

/// Which inputs are one.
pub(super) struct Shared {
    /// For each declared input the input that it is.
    pub(super) input_of: Vec<usize>,
    /// For each input the first declared one that is it.
    pub(super) declared: Vec<usize>,
}

/// Finds the equal ones among `inputs` declared inputs, and writes the literals anew where there are any.
pub(super) fn share(inputs: usize, assertions: &mut [Assertion], literals: &mut [Placed]) -> Result<Shared, Fault> {
    let mut parents: Vec<usize> = (0..inputs).collect();
    for (a, b) in equal(assertions) {
        let (a, b) = (root(&mut parents, a), root(&mut parents, b));
        parents[a.max(b)] = a.min(b);
    }
    let mut declared = Vec::with_capacity(inputs);
    let mut numbers = HashMap::new();
    let mut input_of = Vec::with_capacity(inputs);
    for i in 0..inputs {
        let first = root(&mut parents, i);
        let number = *numbers.entry(first).or_insert(declared.len());
        if number == declared.len() {
            declared.push(first);
        }
        input_of.push(number);
    }
    if declared.len() < inputs {
        let fixed = assertions.iter_mut().flat_map(|assertion| match assertion {
            Assertion::Fixed(fixed) => &mut fixed[..],
            Assertion::Choice(..) => &mut [],
        });
        for (offset, literal) in fixed.chain(literals) {
            literal.rename(&input_of).map_err(|problem| Fault { offset: *offset, problem })?;
        }
    }
    Ok(Shared { input_of, declared })
}

/// The pairs of inputs of which both `a ≤ b` and `b ≤ a` hold everywhere.
fn equal(assertions: &[Assertion]) -> Vec<(usize, usize)> {
    let fixed = assertions.iter().flat_map(|assertion| match assertion {
        Assertion::Fixed(fixed) => &fixed[..],
        Assertion::Choice(..) => &[],
    });
    let at_most: HashSet<(usize, usize)> = fixed.filter_map(|(_, literal)| literal.orders()).collect();
    let mut pairs: Vec<(usize, usize)> = at_most.iter().copied().filter(|&(a, b)| at_most.contains(&(b, a))).collect();
    pairs.sort_unstable();
    pairs
}

/// The first of those that are equal to input `i`, with shorter ways for the next time.
fn root(parents: &mut [usize], mut i: usize) -> usize {
    while parents[i] != i {
        parents[i] = parents[parents[i]];
        i = parents[i];
    }
    i
}
