//! The small networks with exact minima: at each stored minimiser, exact evaluation gives that minimum
//! digit by digit. Whatever an operator's lowering lost or rounded would show here.

use super::{data, network};
use absint::domains::num::{Rational, parse_decimal};
use std::path::Path;

/// An S-expression of a VNN-LIB file.
#[derive(Clone, Debug)]
enum Term {
    Word(String),
    List(Vec<Term>),
}

/// The top-level terms of a text.
fn terms(text: &str) -> Vec<Term> {
    let spaced: String = text.lines().map(|l| l.split(';').next().unwrap_or("")).collect::<Vec<_>>().join(" ");
    let mut open = vec![Vec::new()];
    for word in spaced.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
        match word {
            "(" => open.push(Vec::new()),
            ")" => {
                let list = Term::List(open.pop().unwrap());
                open.last_mut().unwrap().push(list);
            }
            word => open.last_mut().unwrap().push(Term::Word(word.into())),
        }
    }
    open.pop().unwrap()
}

impl Term {
    fn parts(&self) -> (&str, &[Term]) {
        match self {
            Self::List(list) => match list.split_first() {
                Some((Self::Word(head), rest)) => (head, rest),
                _ => panic!("no operator: {self:?}"),
            },
            Self::Word(word) => (word, &[]),
        }
    }

    fn mentions_output(&self) -> bool {
        match self {
            Self::Word(word) => word.starts_with("Y_"),
            Self::List(list) => list.iter().any(Self::mentions_output),
        }
    }

    fn value(&self, x: &[Rational], y: &[Rational]) -> Rational {
        let (head, rest) = self.parts();
        let values: Vec<Rational> = rest.iter().map(|t| t.value(x, y)).collect();
        let index = |name: &str| name[2..].parse::<usize>().unwrap();
        match (head, &values[..]) {
            ("+", _) => values.iter().fold(Rational::ZERO, |s, v| s + v),
            ("*", _) => values.iter().fold(Rational::ONE, |s, v| s * v),
            ("-", [v]) => -v.clone(),
            ("-", [first, rest @ ..]) => rest.iter().fold(first.clone(), |s, v| s - v),
            (name, []) if name.starts_with("X_") => x[index(name)].clone(),
            (name, []) if name.starts_with("Y_") => y[index(name)].clone(),
            (number, _) => parse_decimal(number).unwrap(),
        }
    }

    /// How far the atom is from holding: positive when it does not.
    fn margin(&self, x: &[Rational], y: &[Rational]) -> Rational {
        match self.parts() {
            ("<=", [a, b]) => a.value(x, y) - b.value(x, y),
            (">=", [a, b]) => b.value(x, y) - a.value(x, y),
            _ => panic!("no atom: {self:?}"),
        }
    }
}

/// The atoms about outputs of each disjunct of a VNN-LIB file.
fn vnnlib(path: &Path) -> Vec<Vec<Term>> {
    let (mut common, mut disjuncts) = (Vec::new(), Vec::new());
    for term in terms(&std::fs::read_to_string(path).unwrap()) {
        let ("assert", [body]) = term.parts() else { continue };
        match body.parts() {
            ("or", list) => disjuncts = list.iter().map(|d| vec![d.clone()]).collect(),
            _ => common.push(body.clone()),
        }
    }
    if disjuncts.is_empty() {
        disjuncts.push(Vec::new());
    }
    let atoms = |term: &Term| match term.parts() {
        ("and", list) => list.to_vec(),
        _ => vec![term.clone()],
    };
    let all = |d: Vec<Term>| common.iter().chain(&d).flat_map(atoms).filter(Term::mentions_output).collect();
    disjuncts.into_iter().map(all).collect()
}

/// The margin of row `index` of a JSON query.
fn json_margin(path: &Path, index: usize, y: &[Rational]) -> Rational {
    let query: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    if let Some(label) = query["label"].as_u64() {
        let label = label as usize;
        let other = (0..y.len()).filter(|&j| j != label).nth(index).unwrap();
        return &y[label] - &y[other];
    }
    let atoms = query["unsafe"][index].as_array().unwrap();
    let decimal = |v: &serde_json::Value| parse_decimal(v.as_str().unwrap()).unwrap();
    let margin = |atom: &serde_json::Value| {
        let weights = atom["y"].as_object().unwrap();
        let sum = |s, (j, w): (&String, &serde_json::Value)| s + decimal(w) * &y[j.parse::<usize>().unwrap()];
        weights.iter().fold(Rational::ZERO, sum) - decimal(&atom["le"])
    };
    atoms.iter().map(margin).max().unwrap()
}

#[test]
fn exact_evaluation_reproduces_every_rational_minimum() {
    let Some(data) = data("reproducing exact minima") else { return };
    let folder = data.join("micro");
    let mut reader = csv::Reader::from_path(folder.join("truth.csv")).unwrap();
    let (mut checked, mut irrational) = (0, 0);
    for row in reader.records() {
        let row = row.unwrap();
        let (id, file, query, index, expected, at) = (&row[0], &row[2], &row[3], &row[4], &row[5], &row[7]);
        if expected.contains("sqrt") {
            irrational += 1;
            continue;
        }
        let x: Vec<Rational> = at.split(';').map(|v| parse_decimal(v).unwrap()).collect();
        let network = network(&folder.join(file));
        let y = network.evaluate::<Rational>(&x).unwrap();
        let (disjunct, atom) = match index.split_once('.') {
            Some((k, i)) => (k.parse::<usize>().unwrap(), Some(i.parse::<usize>().unwrap())),
            None => (index.parse().unwrap(), None),
        };
        let found = if query.ends_with(".json") {
            json_margin(&folder.join(query), disjunct, &y)
        } else {
            let atoms = &vnnlib(&folder.join(query))[disjunct];
            let margins: Vec<Rational> = atoms.iter().map(|a| a.margin(&x, &y)).collect();
            atom.map_or_else(|| margins.iter().max().unwrap().clone(), |i| margins[i].clone())
        };
        assert_eq!(found, parse_decimal(expected).unwrap(), "{id} row {index}");
        checked += 1;
    }
    assert!(checked > 200 && irrational < 10, "{checked} checked, {irrational} irrational");
}
