//! Reading an activation pattern tree: what VNN-LIB does not know is taken out of the text, the rest is a query.

use super::Phase;
use crate::domains::num::{Rational, parse_decimal};
use crate::format::file;
use crate::format::vnnlib::{self, VnnlibError, VnnlibQuery};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use thiserror::Error;

/// The longest file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 30;

/// A query and the patterns that it is split into.
#[derive(Debug)]
pub struct Patterns {
    /// What is claimed to hold.
    pub query: VnnlibQuery,
    /// The patterns, each with every neuron at most once, in ascending order.
    pub leaves: Vec<Vec<Phase>>,
}

/// Why a file is refused.
#[derive(Debug, Error)]
pub enum PatternsError {
    /// The file system refused, or the file is too long.
    #[error("{0}: {1}")]
    Unreadable(String, String),
    /// The query.
    #[error(transparent)]
    Query(#[from] VnnlibError),
    /// A command about hidden neurons.
    #[error("{file}:{line}: {what}")]
    Hidden {
        /// The file.
        file: String,
        /// The line, from 1, in which the command begins.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// Reads a file.
///
/// # Errors
/// A [`PatternsError`] that names the file and the line.
pub fn read(path: &Path) -> Result<Patterns, PatternsError> {
    let name = path.display().to_string();
    let unreadable = |why: String| PatternsError::Unreadable(name.clone(), why);
    let bytes = file::read(path, LONGEST_FILE).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
    let bytes = bytes.ok_or_else(|| unreadable(format!("is longer than {LONGEST_FILE} bytes")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("is not UTF-8 text".into()))?;
    parse(&text, &name)
}

/// Reads a text; `name` stands for the file in errors.
///
/// # Errors
/// A [`PatternsError`] that names the line.
pub fn parse(text: &str, name: &str) -> Result<Patterns, PatternsError> {
    // The query's errors keep their lines: of the rest nothing but the ends of lines is left.
    let mut query = String::with_capacity(text.len());
    let (mut neurons, mut claims) = (BTreeSet::new(), Vec::new());
    for command in commands(text) {
        let words = words(command.text);
        let is_declaration = words.get(1) == Some(&"declare-pwl");
        if !is_declaration && !words.iter().any(|word| word.starts_with("N_")) {
            query.push_str(command.text);
            continue;
        }
        query.extend(command.text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        let at = |what: String| PatternsError::Hidden { file: name.to_owned(), line: command.line, what };
        if is_declaration {
            neurons.extend(declared(&words).map_err(at)?);
        } else {
            claims.push(Claim { words, neurons: &neurons }.leaves().map_err(at)?);
        }
    }
    let query = vnnlib::parse(&query, name)?;
    let [leaves] = <[_; 1]>::try_from(claims).map_err(|claims| PatternsError::Hidden {
        file: name.to_owned(),
        line: 1 + text.lines().count(),
        what: format!(
            "{} assertions are about hidden neurons; a tree has one, a disjunction of its leaves",
            claims.len()
        ),
    })?;
    Ok(Patterns { query, leaves })
}

/// A piece of the text that ends with a command, and the line in which that begins.
struct Command<'a> {
    text: &'a str,
    line: usize,
}

/// The text cut behind every command.
fn commands(text: &str) -> Vec<Command<'_>> {
    let (mut found, mut depth, mut line, mut first) = (Vec::new(), 0usize, 1, 1);
    let (mut is_comment, mut end) = (false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\n' => (is_comment, line) = (false, line + 1),
            b';' => is_comment = true,
            b'(' if !is_comment => {
                first = if depth == 0 { line } else { first };
                depth += 1;
            }
            b')' if !is_comment => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    found.push(Command { text: &text[end..=at], line: first });
                    end = at + 1;
                }
            }
            _ => {}
        }
    }
    found.push(Command { text: &text[end..], line: first });
    found
}

/// Parentheses and what stands between them and white space; no comments.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for line in text.lines() {
        let mut left = line.split(';').next().unwrap_or_default().trim_start();
        while let Some(first) = left.chars().next() {
            let is_end = |c: char| c.is_whitespace() || c == '(' || c == ')';
            let len = if is_end(first) { first.len_utf8() } else { left.find(is_end).unwrap_or(left.len()) };
            words.push(&left[..len]);
            left = left[len..].trim_start();
        }
    }
    words
}

fn number(word: &str) -> Result<usize, String> {
    let number = word.strip_prefix("N_").and_then(|digits| digits.parse().ok()).filter(|&n: &usize| n > 0);
    number.ok_or_else(|| format!("`{word}` is no hidden neuron; these are `N_1`, `N_2`, …"))
}

/// The neurons of `( declare-pwl N_1 … ReLU )`.
fn declared(words: &[&str]) -> Result<Vec<usize>, String> {
    let [_, _, names @ .., function, _] = words else { return Err("no neuron is declared".into()) };
    if !function.eq_ignore_ascii_case("relu") {
        return Err(format!("`{function}` is no activation of these trees; they are about ReLUs"));
    }
    names.iter().map(|name| number(name)).collect()
}

/// An assertion about hidden neurons.
struct Claim<'a> {
    words: Vec<&'a str>,
    neurons: &'a BTreeSet<usize>,
}

impl Claim<'_> {
    /// Its patterns; one that contradicts itself is none.
    fn leaves(&self) -> Result<Vec<Vec<Phase>>, String> {
        let mut rest = &self.words[..];
        expect(&mut rest, &["(", "assert"])?;
        let mut leaves = Vec::new();
        match rest {
            ["(", "or", ..] => {
                expect(&mut rest, &["(", "or"])?;
                while rest.first() == Some(&"(") {
                    leaves.extend(self.pattern(&mut rest)?);
                }
                expect(&mut rest, &[")"])?;
            }
            _ => leaves.extend(self.pattern(&mut rest)?),
        }
        expect(&mut rest, &[")"])?;
        Ok(leaves)
    }

    /// `(and PHASE…)` or one phase.
    fn pattern(&self, rest: &mut &[&str]) -> Result<Option<Vec<Phase>>, String> {
        let mut phases = BTreeMap::new();
        let mut is_possible = true;
        let mut keep = |(neuron, below)| is_possible &= *phases.entry(neuron).or_insert(below) == below;
        if let ["(", "and", ..] = rest {
            expect(rest, &["(", "and"])?;
            while rest.first() == Some(&"(") {
                keep(self.phase(rest)?);
            }
            expect(rest, &[")"])?;
        } else {
            keep(self.phase(rest)?);
        }
        Ok(is_possible.then(|| phases.into_iter().collect()))
    }

    fn phase(&self, rest: &mut &[&str]) -> Result<Phase, String> {
        let is_word = |word: &str| word != "(" && word != ")";
        let (comparison, name, zero, after) = match **rest {
            ["(", comparison, name, zero, ")", ref after @ ..] if [comparison, name, zero].into_iter().all(is_word) => {
                (comparison, name, zero, after)
            }
            _ => return Err(format!("expected a phase such as `(< N_1 0)`{}", found(rest))),
        };
        *rest = after;
        let neuron = number(name)?;
        if !self.neurons.contains(&neuron) {
            return Err(format!("`{name}` is not declared; add `(declare-pwl {name} ReLU)` before its use"));
        }
        if parse_decimal(zero).ok() != Some(Rational::ZERO) {
            return Err(format!("`{name}` is compared with `{zero}`; phases are separated by 0"));
        }
        match comparison {
            "<" | "<=" => Ok((neuron, true)),
            ">=" | ">" => Ok((neuron, false)),
            other => Err(format!("`{other}` says no phase; use `<` and `>=`")),
        }
    }
}

fn found(rest: &[&str]) -> String {
    rest.first().map_or_else(String::new, |word| format!(", found `{word}`"))
}

fn expect<'a>(rest: &mut &[&'a str], words: &[&'a str]) -> Result<(), String> {
    *rest = rest.strip_prefix(words).ok_or_else(|| format!("expected `{}`{}", words.join(""), found(rest)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "; a tree
(declare-const X_0 Real)
(declare-const Y_0 Real)
(declare-pwl N_1 N_2 ReLU) (declare-pwl N_3 relu)
(assert (>= X_0 -2.0)) (assert (<= X_0 2.0)) ; (assert (<= N_1 0))
(assert (or
    (and (< N_3 0.0))
    (and (>= N_3 0) (< N_1 0))
    (and (>= N_1 0) (>= N_3 0))))
(assert (<= Y_0 -1))
";

    #[test]
    fn trees_are_queries_and_patterns() {
        let patterns = parse(TREE, "t").unwrap();
        assert_eq!(patterns.leaves, [vec![(3, true)], vec![(1, true), (3, false)], vec![(1, false), (3, false)]]);
        assert_eq!((patterns.query.inputs, patterns.query.outputs), (1, 1));
        let single = TREE.replace("(or\n    (and (< N_3 0.0))", "(or (< N_3 0)");
        assert_eq!(parse(&single, "t").unwrap().leaves, patterns.leaves);
        let impossible = TREE.replace("(and (< N_3 0.0))", "(and (< N_3 0) (>= N_3 0))");
        assert_eq!(parse(&impossible, "t").unwrap().leaves, patterns.leaves[1..]);
    }

    #[test]
    fn errors_name_the_line() {
        for (from, to, message) in [
            ("N_3 0.0", "N_4 0.0", "t:6: `N_4` is not declared"),
            ("N_3 0.0", "N_3 1", "t:6: `N_3` is compared with `1`"),
            ("(< N_3 0.0)", "(= N_3 0)", "t:6: `=` says no phase"),
            ("(< N_3 0.0)", "(< N_3)", "t:6: expected a phase"),
            ("N_3 relu", "N_3 Sign", "t:4: `Sign` is no activation"),
            ("N_3 relu", "N_0 relu", "t:4: `N_0` is no hidden neuron"),
            ("(assert (<= Y_0 -1))", "(assert (<= Y_1 -1))", "t:10:"),
            ("(assert (<= Y_0 -1))", "(assert (< N_1 0))", "2 assertions are about hidden neurons"),
            ("(assert (<= Y_0 -1))", "(assert (<= Y_0 -1)", "t:"),
            ("(assert (or", "(assert (xor", "t:6: expected a phase"),
        ] {
            let said = parse(&TREE.replacen(from, to, 1), "t").unwrap_err().to_string();
            assert!(said.contains(message), "{from} -> {to}: {said}");
        }
        assert!(parse("", "t").is_err());
        let without = &TREE[..TREE.find("(assert (or").unwrap_or_default()];
        let said = parse(without, "t").unwrap_err().to_string();
        assert!(said.contains("0 assertions are about hidden neurons"), "{said}");
    }
}
