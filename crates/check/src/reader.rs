//! Literals, inequalities and sums in reverse Polish notation, as the files write them.

use super::CheckError;
use super::database::Database;
use super::inequality::{Inequality, Literal};
use std::borrow::Cow;

pub(super) struct Reader {
    pub file: &'static str,
    pub line: usize,
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

    fn literal(&self, token: &str) -> Result<Literal, CheckError> {
        let (name, is_negated) = token.strip_prefix('~').map_or((token, false), |rest| (rest, true));
        let number = name.strip_prefix('x').and_then(|n| n.parse::<u32>().ok());
        match number {
            Some(number) if number < 1 << 28 => Ok(2 * number + u32::from(is_negated)),
            _ => Err(self.error(format!("`{token}` is not a literal"))),
        }
    }

    pub fn integer(&self, token: &str) -> Result<i128, CheckError> {
        let digits = token.strip_prefix('+').unwrap_or(token);
        // Almost all numbers are small.
        let small = digits.parse::<i32>().map(i128::from);
        small.or_else(|_| digits.parse()).map_err(|_| self.error(format!("`{token}` is not an integer")))
    }

    /// `a1 l1 a2 l2 … >= b`.
    pub fn inequality(&self, text: &str) -> Result<Inequality, CheckError> {
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

    /// The result of steps in reverse Polish notation.
    pub fn polish(&self, text: &str, database: &Database) -> Result<Inequality, CheckError> {
        let mut stack: Vec<Operand<'_>> = Vec::new();
        let short = || self.error("an operation lacks its operands");
        let derived = |result: Option<Inequality>| {
            let result = result.ok_or_else(|| self.overflow())?;
            Ok(Operand::Inequality(Cow::Owned(result)))
        };
        for token in text.split_ascii_whitespace() {
            match token {
                "+" => {
                    let (b, a) = (self.operand(stack.pop(), database)?, self.operand(stack.pop(), database)?);
                    stack.push(derived(a.plus(&b))?);
                }
                "*" | "d" => {
                    let Some(Operand::Number(factor)) = stack.pop() else { return Err(short()) };
                    let a = self.operand(stack.pop(), database)?;
                    if factor <= 0 {
                        return Err(self.error("a factor or divisor must be positive"));
                    }
                    let result = if token == "d" { Some(a.divided(factor)) } else { a.times(factor) };
                    stack.push(derived(result)?);
                }
                "s" => {
                    let a = self.operand(stack.pop(), database)?;
                    stack.push(derived(Some(a.saturated()))?);
                }
                _ if token.contains('x') => {
                    let terms = vec![(1, self.literal(token)?)];
                    stack.push(derived(Some(Inequality { terms, degree: 0 }))?);
                }
                _ => stack.push(Operand::Number(self.integer(token)?)),
            }
        }
        let result = self.operand(stack.pop(), database)?;
        if !stack.is_empty() {
            return Err(self.error("operands are left over"));
        }
        result.into_owned().if_small().ok_or_else(|| self.overflow())
    }
}
