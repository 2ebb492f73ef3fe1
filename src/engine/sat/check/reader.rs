//! Literals, inequalities and sums in reverse Polish notation, as the files write them.

use super::CheckError;
use super::database::Database;
use super::inequality::Inequality;

pub(super) struct Reader {
    pub file: &'static str,
    pub line: usize,
}

impl Reader {
    pub fn error(&self, what: impl Into<String>) -> CheckError {
        CheckError::Malformed { file: self.file, line: self.line, what: what.into() }
    }

    fn literal(&self, token: &str) -> Result<(u32, bool), CheckError> {
        let (name, is_negated) = token.strip_prefix('~').map_or((token, false), |rest| (rest, true));
        let number = name.strip_prefix('x').and_then(|n| n.parse::<u32>().ok());
        match number {
            Some(number) if number < 1 << 28 => Ok((number, is_negated)),
            _ => Err(self.error(format!("`{token}` is not a literal"))),
        }
    }

    pub fn integer(&self, token: &str) -> Result<i128, CheckError> {
        let digits = token.strip_prefix('+').unwrap_or(token);
        digits.parse().map_err(|_| self.error(format!("`{token}` is not an integer")))
    }

    /// `a1 l1 a2 l2 … >= b`.
    pub fn inequality(&self, text: &str) -> Result<Inequality, CheckError> {
        let (left, right) = text.split_once(">=").ok_or_else(|| self.error("`>=` is missing"))?;
        let mut inequality = Inequality { degree: self.integer(right.trim())?, ..Inequality::default() };
        let mut tokens = left.split_ascii_whitespace();
        while let Some(a) = tokens.next() {
            let literal = tokens.next().ok_or_else(|| self.error("a coefficient has no literal"))?;
            let (var, is_negated) = self.literal(literal)?;
            let a = self.integer(a)?;
            let added = if a < 0 {
                // −a·l = −a + a·¬l.
                inequality.degree = inequality.degree.checked_sub(a).ok_or_else(|| self.overflow())?;
                a.checked_neg().and_then(|a| inequality.add_term(a, var, !is_negated))
            } else {
                inequality.add_term(a, var, is_negated)
            };
            added.ok_or_else(|| self.overflow())?;
        }
        inequality.if_small().ok_or_else(|| self.overflow())
    }

    fn overflow(&self) -> CheckError {
        self.error("a coefficient is too large")
    }

    pub fn polish(&self, text: &str, database: &Database) -> Result<Inequality, CheckError> {
        enum Operand {
            Inequality(Inequality),
            Number(i128),
        }
        let mut stack: Vec<Operand> = Vec::new();
        let short = || self.error("an operation lacks its operands");
        let by_number = |n: i128| {
            let found = u32::try_from(n).ok().and_then(|id| database.stored.get(&id));
            found.cloned().ok_or_else(|| self.error(format!("there is no constraint {n}")))
        };
        let inequality = |operand: Option<Operand>| match operand {
            Some(Operand::Inequality(c)) => Ok(c),
            Some(Operand::Number(n)) => by_number(n),
            None => Err(short()),
        };
        for token in text.split_ascii_whitespace() {
            match token {
                "+" => {
                    let (b, a) = (inequality(stack.pop())?, inequality(stack.pop())?);
                    stack.push(Operand::Inequality(a.plus(&b).ok_or_else(|| self.overflow())?));
                }
                "*" | "d" => {
                    let Some(Operand::Number(factor)) = stack.pop() else { return Err(short()) };
                    let a = inequality(stack.pop())?;
                    if factor <= 0 {
                        return Err(self.error("a factor or divisor must be positive"));
                    }
                    let result = if token == "d" { Some(a.divided(factor)) } else { a.times(factor) };
                    stack.push(Operand::Inequality(result.ok_or_else(|| self.overflow())?));
                }
                "s" => {
                    let a = inequality(stack.pop())?;
                    stack.push(Operand::Inequality(a.saturated()));
                }
                _ if token.contains('x') => {
                    let (var, is_negated) = self.literal(token)?;
                    let terms = [(var, (1, is_negated))].into();
                    stack.push(Operand::Inequality(Inequality { terms, degree: 0 }));
                }
                _ => stack.push(Operand::Number(self.integer(token)?)),
            }
        }
        let result = inequality(stack.pop())?;
        if !stack.is_empty() {
            return Err(self.error("operands are left over"));
        }
        result.if_small().ok_or_else(|| self.overflow())
    }
}
