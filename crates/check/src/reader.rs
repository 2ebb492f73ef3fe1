//! Literals, inequalities and sums in reverse Polish notation, as the files write them.

use super::CheckError;
use super::database::Database;
use super::inequality::{Inequality, Literal};
use std::borrow::Cow;
use std::collections::HashMap;

/// Where a file is read, and the variables of both files in the order in which they are named.
pub(super) struct Reader {
    pub file: &'static str,
    pub line: usize,
    pub names: HashMap<u32, u32>,
}

/// What is on the stack of a sum.
enum Operand<'a> {
    Inequality(Cow<'a, Inequality>),
    Number(i128),
}

impl Reader {
    pub fn error(&self, what: impl Into<String>) -> CheckError {
        CheckError::Malformed { file: self.file, line: self.line, what: what.into() }
    }

    fn literal(&mut self, token: &str) -> Result<Literal, CheckError> {
        let (name, is_negated) = token.strip_prefix('~').map_or((token, false), |rest| (rest, true));
        let number = name.strip_prefix('x').and_then(|n| n.parse().ok());
        let number = number.ok_or_else(|| self.error(format!("`{token}` is not a literal")))?;
        let next = self.names.len() as u32;
        Ok(2 * *self.names.entry(number).or_insert(next) + u32::from(is_negated))
    }

    pub fn integer(&self, token: &str) -> Result<i128, CheckError> {
        let digits = token.strip_prefix('+').unwrap_or(token);
        // Almost all numbers are small.
        let small = digits.parse::<i32>().map(i128::from);
        small.or_else(|_| digits.parse()).map_err(|_| self.error(format!("`{token}` is not an integer")))
    }

    /// `a1 l1 a2 l2 … >= b`.
    pub fn inequality(&mut self, text: &str) -> Result<Inequality, CheckError> {
        let (left, right) = text.split_once(">=").ok_or_else(|| self.error("`>=` is missing"))?;
        let degree = self.integer(right.trim())?;
        // A term has some eight characters.
        let mut terms = Vec::with_capacity(left.len() / 8 + 1);
        let mut tokens = left.split_ascii_whitespace();
        while let Some(a) = tokens.next() {
            let literal = tokens.next().ok_or_else(|| self.error("a coefficient has no literal"))?;
            terms.push((self.integer(a)?, self.literal(literal)?));
        }
        Inequality::new(terms, degree).and_then(Inequality::if_small).ok_or_else(|| self.overflow())
    }

    fn overflow(&self) -> CheckError {
        self.error("a coefficient is too large")
    }

    /// The inequality that an operand of a sum is, perhaps by its number.
    fn operand<'a>(
        &self,
        operand: Option<Operand<'a>>,
        database: &'a Database,
    ) -> Result<Cow<'a, Inequality>, CheckError> {
        match operand {
            Some(Operand::Inequality(c)) => Ok(c),
            Some(Operand::Number(n)) => {
                let found = u32::try_from(n).ok().and_then(|id| database.get(id));
                found.map(Cow::Borrowed).ok_or_else(|| self.error(format!("there is no constraint {n}")))
            }
            None => Err(self.error("an operation lacks its operands")),
        }
    }

    fn derived<'a>(&self, result: Option<Inequality>) -> Result<Operand<'a>, CheckError> {
        let result = result.ok_or_else(|| self.overflow())?;
        Ok(Operand::Inequality(Cow::Owned(result)))
    }

    /// The result of steps in reverse Polish notation.
    pub fn polish(&mut self, text: &str, database: &Database) -> Result<Inequality, CheckError> {
        let mut stack: Vec<Operand<'_>> = Vec::new();
        for token in text.split_ascii_whitespace() {
            let next = match token {
                "+" => {
                    let (b, a) = (self.operand(stack.pop(), database)?, self.operand(stack.pop(), database)?);
                    self.derived(a.plus(&b))?
                }
                "*" | "d" => {
                    let factor = match stack.pop() {
                        Some(Operand::Number(factor)) if factor > 0 => factor,
                        _ => return Err(self.error("a factor or divisor must be a positive number")),
                    };
                    let a = self.operand(stack.pop(), database)?;
                    self.derived(if token == "d" { Some(a.divided(factor)) } else { a.times(factor) })?
                }
                "s" => {
                    let a = self.operand(stack.pop(), database)?;
                    self.derived(Some(a.saturated()))?
                }
                _ if token.contains('x') => {
                    let terms = vec![(1, self.literal(token)?)];
                    self.derived(Some(Inequality { terms, degree: 0 }))?
                }
                _ => Operand::Number(self.integer(token)?),
            };
            stack.push(next);
        }
        let result = self.operand(stack.pop(), database)?;
        if !stack.is_empty() {
            return Err(self.error("operands are left over"));
        }
        result.into_owned().if_small().ok_or_else(|| self.overflow())
    }
}
