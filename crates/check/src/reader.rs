//! Literals, inequalities and sums in reverse Polish notation, as the files write them.

use super::database::Database;
use super::inequality::{Inequality, Literal};
use super::refutation::{Refusal, Words};
use std::borrow::Cow;
use std::collections::HashMap;

/// The variables of formula and proof, in the order in which they are named.
#[derive(Default)]
pub(super) struct Names(HashMap<u32, u32>);

/// What is on the stack of a sum.
enum Operand<'a> {
    Inequality(Cow<'a, Inequality>),
    Number(i128),
}

/// Operands that wait, at most: each may be as long as a constraint that a few letters name.
const MOST_OPERANDS: usize = 64;

fn integer(words: &mut Words<'_>) -> Result<i128, Refusal> {
    words.read(|word| word.parse().ok(), "integer")
}

fn too_large(words: &Words<'_>) -> Refusal {
    words.error("a coefficient is too large")
}

impl Names {
    fn literal(&mut self, words: &mut Words<'_>) -> Result<Literal, Refusal> {
        let is_negated = words.peek().is_some_and(|word| word.starts_with('~'));
        let number = |word: &str| word.strip_prefix('~').unwrap_or(word).strip_prefix('x')?.parse().ok();
        let number = words.read(number, "literal")?;
        let next = self.0.len() as u32;
        Ok(2 * *self.0.entry(number).or_insert(next) + u32::from(is_negated))
    }

    /// `a1 l1 a2 l2 … >= b`.
    pub fn inequality(&mut self, mut words: Words<'_>) -> Result<Inequality, Refusal> {
        let mut terms = Vec::new();
        while !words.take(">=") {
            terms.push((integer(&mut words)?, self.literal(&mut words)?));
        }
        let inequality = Inequality::new(terms, integer(&mut words)?).and_then(Inequality::if_small);
        let inequality = inequality.ok_or_else(|| too_large(&words))?;
        words.end().map(|()| inequality)
    }

    /// The result of steps in reverse Polish notation.
    pub fn polish(&mut self, mut words: Words<'_>, database: &Database) -> Result<Inequality, Refusal> {
        let mut stack: Vec<Operand<'_>> = Vec::new();
        while let Some(token) = words.peek() {
            if ["+", "*", "d", "s"].contains(&token) {
                words.take(token);
            }
            let result = match token {
                "+" => {
                    let (b, a) = (operand(stack.pop(), &words, database)?, operand(stack.pop(), &words, database)?);
                    a.plus(&b)
                }
                "*" | "d" => {
                    let factor = match stack.pop() {
                        Some(Operand::Number(factor)) if factor > 0 => factor,
                        _ => return Err(words.error("a factor or divisor must be a positive number")),
                    };
                    let a = operand(stack.pop(), &words, database)?;
                    if token == "d" { Some(a.divided(factor)) } else { a.times(factor) }
                }
                "s" => Some(operand(stack.pop(), &words, database)?.saturated()),
                _ if token.contains('x') => Some(Inequality { terms: vec![(1, self.literal(&mut words)?)], degree: 0 }),
                _ => {
                    stack.push(Operand::Number(integer(&mut words)?));
                    continue;
                }
            };
            stack.push(Operand::Inequality(Cow::Owned(result.ok_or_else(|| too_large(&words))?)));
            if stack.len() > MOST_OPERANDS {
                return Err(words.error("too many operands wait"));
            }
        }
        let result = operand(stack.pop(), &words, database)?;
        if !stack.is_empty() {
            return Err(words.error("operands are left over"));
        }
        result.into_owned().if_small().ok_or_else(|| too_large(&words))
    }
}

/// The inequality that an operand of a sum is, perhaps by its number.
fn operand<'a>(
    operand: Option<Operand<'a>>,
    words: &Words<'_>,
    database: &'a Database,
) -> Result<Cow<'a, Inequality>, Refusal> {
    match operand {
        Some(Operand::Inequality(c)) => Ok(c),
        Some(Operand::Number(n)) => {
            let found = u32::try_from(n).ok().and_then(|id| database.get(id));
            found.map(Cow::Borrowed).ok_or_else(|| words.error(format!("there is no constraint {n}")))
        }
        None => Err(words.error("an operation lacks its operands")),
    }
}
