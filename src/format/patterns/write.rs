//! The tree of a certificate as an activation pattern tree.

use super::{Phase, places};
use crate::domains::network::{Network, NodeId};
use crate::domains::num::{Interval, Rational, exact};
use crate::domains::query::{Atom, Ball, Case, Query, Variable};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use thiserror::Error;

/// Why a certificate is no activation pattern tree.
#[derive(Debug, Error)]
pub enum Unwritable {
    /// What the network, the query or a split is that such a tree cannot say.
    #[error("{0}")]
    Unspeakable(String),
    /// A proof that does not show this.
    #[error("disjunct {0} is not refuted by splits of neurons alone")]
    Open(usize),
}

fn unspeakable(what: impl Into<String>) -> Unwritable {
    Unwritable::Unspeakable(what.into())
}

/// The trees of a proof, one for each disjunct of the query's only case: as texts, each with its own unsafe set. Bounds of
/// inputs that are no decimals of moderate length are rounded outward.
///
/// # Errors
/// What an activation pattern tree cannot say.
pub fn write(network: &Network, query: &Query, proof: &str) -> Result<Vec<String>, Unwritable> {
    let [case] = &query.cases[..] else {
        return Err(unspeakable("the query has several cases; an activation pattern tree has one box"));
    };
    if !matches!(case.region.ball(), Ball::Box) || !case.region.half_spaces().is_empty() {
        return Err(unspeakable("the inputs are no box; an activation pattern tree has one"));
    }
    let places = places(network).map_err(Unwritable::Unspeakable)?;
    let numbers = places.iter().enumerate().rev().map(|(k, place)| (*place, k + 1)).collect();
    let root = Tree::of(proof, &numbers);
    let disjuncts = case.property.disjuncts.iter().enumerate();
    disjuncts
        .map(|(d, disjunct)| {
            let mut leaves = root.leaves(d, Vec::new())?.ok_or(Unwritable::Open(d))?;
            if let ([leaf], true) = (&leaves[..], leaves.iter().all(Vec::is_empty)) {
                // Nothing was split; a tree has a neuron.
                let split = |below| leaf.iter().copied().chain([(1, below)]).collect();
                leaves = vec![split(true), split(false)];
            }
            text(network, case, &disjunct.atoms, places.len(), &leaves)
        })
        .collect()
}

/// What a proof says on a part: which disjuncts are refuted, and how it is split.
#[derive(Default)]
struct Tree {
    refuted: BTreeSet<usize>,
    is_empty: bool,
    splits: Vec<(Split, [Tree; 2])>,
}

/// Where a part is divided.
enum Split {
    /// A ReLU, by its number.
    Phase(usize),
    /// Something else.
    Other(String),
}

impl Tree {
    /// What the statements of the first case say; lemmas are left out.
    fn of(proof: &str, numbers: &BTreeMap<(NodeId, usize), usize>) -> Self {
        // The parts that are open, each with the split whose half it is, and its first half when it is the second one.
        let mut open: Vec<(Option<Split>, Option<Self>, Self)> = vec![(None, None, Self::default())];
        // Blocks of lemmas that are open, and of splits inside them.
        let mut inside = 0;
        for line in proof.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some((_, _, here)) = open.last_mut() else { break };
            match words[..] {
                ["lemma" | "row", ..] => inside += 1,
                ["split", ..] if inside > 0 => inside += 1,
                ["end"] if inside > 0 => inside -= 1,
                _ if inside > 0 => {}
                ["refute", d, ..] => here.refuted.extend(d.parse::<usize>()),
                ["empty", ..] => here.is_empty = true,
                ["split", node, i, at, ..] => {
                    let place = node.parse().ok().zip(i.parse().ok());
                    let number = place.and_then(|place| numbers.get(&place)).filter(|_| at == "0");
                    let other = || Split::Other(format!("neuron {i} of node {node} is split at {at}"));
                    open.push((Some(number.map_or_else(other, |&number| Split::Phase(number))), None, Self::default()));
                }
                ["else"] => {
                    let Some((split, _, first)) = open.pop() else { break };
                    open.push((split, Some(first), Self::default()));
                }
                ["end"] => {
                    let Some((split, first, second)) = open.pop() else { break };
                    match (split.zip(first), open.last_mut()) {
                        (Some((split, first)), Some((_, _, around))) => around.splits.push((split, [first, second])),
                        _ => return second,
                    }
                }
                _ => {}
            }
        }
        Self::default()
    }

    /// The patterns by which a disjunct is refuted here; `None` where it is not.
    fn leaves(&self, d: usize, path: Vec<Phase>) -> Result<Option<Vec<Vec<Phase>>>, Unwritable> {
        if self.is_empty || self.refuted.contains(&d) {
            return Ok(Some(vec![path]));
        }
        let mut unspoken = None;
        for (split, halves) in &self.splits {
            let number = match split {
                Split::Phase(number) => *number,
                Split::Other(what) => {
                    unspoken = Some(what);
                    continue;
                }
            };
            let half = |half: &Self, below| half.leaves(d, path.iter().copied().chain([(number, below)]).collect());
            if let (Some(mut below), Some(above)) = (half(&halves[0], true)?, half(&halves[1], false)?) {
                below.extend(above);
                return Ok(Some(below));
            }
        }
        unspoken.map_or(Ok(None), |what| Err(unspeakable(format!("{what}; activation pattern trees split ReLUs"))))
    }
}

/// A decimal that is the number, if that has no more than [`DIGITS`] digits behind the point.
fn decimal(x: &Rational) -> Option<String> {
    const DIGITS: u32 = 30;
    let mut power = Rational::ONE;
    for digits in 0..=DIGITS {
        let scaled = x * &power;
        if scaled.denominator().is_one() {
            let (sign, text) = (if x < &Rational::ZERO { "-" } else { "" }, scaled.numerator().to_string());
            let text = format!("{:0>width$}", text.trim_start_matches('-'), width = digits as usize + 1);
            let (whole, part) = text.split_at(text.len() - digits as usize);
            return Some(if part.is_empty() { format!("{sign}{whole}.0") } else { format!("{sign}{whole}.{part}") });
        }
        power *= Rational::from(10);
    }
    None
}

/// The same, rounded up, or down, where there is none.
fn rounded(x: &Rational, outer: Interval, is_upper: bool) -> String {
    decimal(x).unwrap_or_else(|| {
        let end = if is_upper { outer.hi.next_up() } else { outer.lo.next_down() };
        exact(end).and_then(|end| decimal(&end)).unwrap_or_else(|| format!("{end}"))
    })
}

/// `lhs ≤ rhs` for an atom's `margin ≤ 0`, of one output and a number, or of two outputs.
fn comparison(atom: &Atom) -> Result<String, Unwritable> {
    let what = || unspeakable("an unsafe output is compared in a way that activation pattern trees cannot say");
    let terms: Vec<(&Variable, &Rational)> = atom.terms.iter().collect();
    match terms[..] {
        [(Variable::Output(i), c)] => {
            let bound = decimal(&(-&atom.constant / c)).ok_or_else(what)?;
            let sign = if *c > Rational::ZERO { "<=" } else { ">=" };
            Ok(format!("({sign} Y_{i} {bound})"))
        }
        [(Variable::Output(i), a), (Variable::Output(j), b)]
            if atom.constant == Rational::ZERO && (a + b) == Rational::ZERO =>
        {
            let (low, high) = if *a > Rational::ZERO { (i, j) } else { (j, i) };
            Ok(format!("(<= Y_{low} Y_{high})"))
        }
        _ => Err(what()),
    }
}

fn text(
    network: &Network,
    case: &Case,
    atoms: &[Atom],
    neurons: usize,
    leaves: &[Vec<Phase>],
) -> Result<String, Unwritable> {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut say = |line: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{line}");
    };
    let inputs = network.input_len();
    (0..inputs).for_each(|i| say(format_args!("(declare-const X_{i} Real)")));
    (0..network.output_len()).for_each(|i| say(format_args!("(declare-const Y_{i} Real)")));
    (1..=neurons).for_each(|i| say(format_args!("(declare-pwl N_{i} ReLU)")));
    let ((lower, upper), outer) = (case.region.exact_box(), case.region.bounds());
    for i in 0..inputs {
        say(format_args!("(assert (>= X_{i} {}))", rounded(&lower[i], outer[i], false)));
        say(format_args!("(assert (<= X_{i} {}))", rounded(&upper[i], outer[i], true)));
    }
    say(format_args!("(assert (or"));
    for leaf in leaves {
        let phases: Vec<String> =
            leaf.iter().map(|(i, below)| format!("({} N_{i} 0)", if *below { "<" } else { ">=" })).collect();
        say(format_args!("  (and {})", phases.join(" ")));
    }
    say(format_args!("))"));
    for atom in atoms {
        say(format_args!("(assert {})", comparison(atom)?));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::num::parse_decimal;

    #[test]
    fn decimals_are_exact_or_none() {
        for text in ["-2.0", "0.5", "-0.125", "12.0", "0.001", "-10.05"] {
            assert_eq!(decimal(&parse_decimal(text).unwrap()).as_deref(), Some(text));
        }
        let third = parse_decimal("1/3").unwrap();
        assert_eq!(decimal(&third), None);
        let outer = crate::domains::num::enclose(&third);
        for is_upper in [false, true] {
            let end = parse_decimal(&rounded(&third, outer, is_upper)).unwrap();
            assert!(if is_upper { end > third } else { end < third });
        }
    }

    #[test]
    fn a_disjunct_has_the_leaves_that_refute_it() {
        let proof = "absint proof 2\ncase 0\nlemma 1 0 >= 0\nsplit 1 1 0\nprove\nelse\nprove\nend\nend\nsplit 1 0 0\n\
                     refute 0 1\nrefute 1 1\nelse\nrefute 1 1\nsplit 1 1 0\nempty\nelse\nrefute 0 1\nend\nend\nend\n";
        let numbers = [((1, 0), 1), ((1, 1), 2)].into();
        let tree = Tree::of(proof, &numbers);
        let leaves = |d| tree.leaves(d, Vec::new()).unwrap();
        let (below, above) = (|n| (n, true), |n| (n, false));
        assert_eq!(leaves(1), Some(vec![vec![below(1)], vec![above(1)]]));
        assert_eq!(leaves(0), Some(vec![vec![below(1)], vec![above(1), below(2)], vec![above(1), above(2)]]));
        assert_eq!(leaves(2), None);
        let elsewhere = Tree::of(&proof.replace("split 1 1 0\nempty", "split 0 1 1/2\nempty"), &numbers);
        assert!(elsewhere.leaves(0, Vec::new()).is_err());
    }
}
