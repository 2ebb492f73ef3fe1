//! Random formulas mean what they say at every point.

use absint::domains::num::Rational;
use absint::domains::query::Case;
use absint::format::vnnlib;
use proptest::prelude::*;

/// A formula with its truth at a point `(X_0, Y_0, Y_1)`.
#[derive(Clone, Debug)]
enum Formula {
    Truth(bool),
    /// The comparison, of `a · point` with a number.
    Compare(&'static str, [i64; 3], i64),
    /// `and`, `or` or `=>`.
    Join(&'static str, Vec<Formula>),
    Not(Box<Formula>),
}

impl Formula {
    fn text(&self) -> String {
        match self {
            Self::Truth(truth) => truth.to_string(),
            Self::Compare(op, [x, y, z], c) => format!("({op} (+ (* {x} X_0) (* {y} Y_0) (* {z} Y_1)) {c})"),
            Self::Join(op, parts) => format!("({op} {})", parts.iter().map(Self::text).collect::<Vec<_>>().join(" ")),
            Self::Not(inner) => format!("(not {})", inner.text()),
        }
    }

    fn holds(&self, point: [i64; 3]) -> bool {
        match self {
            Self::Truth(truth) => *truth,
            Self::Compare(op, a, c) => {
                let left: i64 = a.iter().zip(point).map(|(a, p)| a * p).sum();
                match *op {
                    "<=" => left <= *c,
                    "<" => left < *c,
                    ">=" => left >= *c,
                    ">" => left > *c,
                    _ => left == *c,
                }
            }
            Self::Join("and", parts) => parts.iter().all(|p| p.holds(point)),
            Self::Join("or", parts) => parts.iter().any(|p| p.holds(point)),
            Self::Join(_, parts) => {
                parts.split_last().is_some_and(|(last, all)| last.holds(point) || all.iter().any(|p| !p.holds(point)))
            }
            Self::Not(inner) => !inner.holds(point),
        }
    }
}

fn formula() -> impl Strategy<Value = Formula> {
    let comparison =
        (prop::sample::select(vec!["<=", "<", ">=", ">", "=", "=="]), [-1..2i64, -1..2i64, -1..2i64], -2..3i64);
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Formula::Truth),
        6 => comparison.prop_map(|(op, a, c)| Formula::Compare(op, a, c)),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let some = prop::collection::vec(inner.clone(), 0..4);
        let chain = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            (prop::sample::select(vec!["and", "or"]), some).prop_map(|(op, parts)| Formula::Join(op, parts)),
            chain.prop_map(|parts| Formula::Join("=>", parts)),
            inner.prop_map(|f| Formula::Not(Box::new(f))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is read holds at a point where, and only where, the formula does; and the closure, of which proofs
    /// are, wherever it does.
    #[test]
    fn a_formula_means_what_it_says_at_every_point(formula in formula()) {
        let text = format!(
            "(declare-const X_0 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)(assert (<= -2 X_0 2))(assert {})",
            formula.text()
        );
        let cases = match vnnlib::parse(&text, "t") {
            Ok(read) => read.query.cases,
            Err(e) if e.to_string().contains("empty region") => Vec::new(),
            Err(e) => return Err(TestCaseError::fail(format!("{e}: {text}"))),
        };
        for (x, y, z) in (-2..3).flat_map(|x| (-2..3).flat_map(move |y| (-2..3).map(move |z| (x, y, z)))) {
            let (input, output) = ([Rational::from(x)], [Rational::from(y), Rational::from(z)]);
            let inside = |case: &&Case| case.region.contains(&input);
            let disjuncts = || cases.iter().filter(inside).flat_map(|c| &c.property.disjuncts);
            let found = disjuncts().any(|d| d.atoms.iter().all(|a| a.holds(&input, &output)));
            prop_assert_eq!(found, formula.holds([x, y, z]), "at {:?}: {}", (x, y, z), &text);
            let closed = disjuncts().any(|d| d.atoms.iter().all(|a| a.margin(&input, &output) <= Rational::ZERO));
            prop_assert!(closed || !found);
        }
    }
}
