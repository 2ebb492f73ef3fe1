//! From tokens to assertions in disjunctive normal form.

use super::error::{Fault, VnnlibProblem, spelled};
use super::lexer::{Lexer, Token, shortened};
use super::linear::{Linear, Literal};
use crate::domains::num::{Rational, parse_decimal};
use crate::domains::query::Variable;

/// How deep parentheses may be nested: enough for any file written by hand or by a tool, and far from
/// the end of the stack.
const DEEPEST: usize = 200;
/// How many inputs or outputs may be declared.
const MOST_VARIABLES: usize = 1 << 22;
/// How many rows, and how many literals in all rows, a disjunctive normal form may have.
pub(super) const MOST_DISJUNCTS: usize = 1 << 20;
pub(super) const MOST_LITERALS: usize = 1 << 24;

/// A literal and the byte at which its comparison starts.
pub(super) type Placed = (usize, Literal);
/// A disjunction of conjunctions of literals, by index.
pub(super) type Dnf = Vec<Vec<u32>>;

/// One assertion, or the fixed part of one.
pub(super) enum Assertion {
    /// A conjunction: it holds in every disjunct.
    Fixed(Vec<Placed>),
    /// A choice between conjunctions; the literals are in [`Parsed::literals`].
    Choice(usize, Dnf),
}

/// What a file says, before the assertions are multiplied out.
pub(super) struct Parsed {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) assertions: Vec<Assertion>,
    pub(super) literals: Vec<Placed>,
    /// Where each input is declared.
    pub(super) declared: Vec<usize>,
    /// How long the file is.
    pub(super) bytes: usize,
}

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    /// One token of look-ahead.
    ahead: (usize, Token<'a>),
    /// Offsets of the declarations of inputs and of outputs.
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
    literals: Vec<Placed>,
    depth: usize,
}

fn fault<T>(offset: usize, problem: impl Into<VnnlibProblem>) -> Result<T, Fault> {
    Err(Fault { offset, problem: problem.into() })
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut lexer = Lexer::new(text);
        let ahead = lexer.next();
        Self { lexer, ahead, inputs: Vec::new(), outputs: Vec::new(), literals: Vec::new(), depth: 0 }
    }

    pub(super) fn run(mut self) -> Result<Parsed, Fault> {
        let mut assertions = Vec::new();
        loop {
            match self.next() {
                (_, Token::End) => break,
                (_, Token::Open) => self.command(&mut assertions)?,
                (offset, found) => return unexpected(offset, "`(` of a command", found),
            }
        }
        let end = self.ahead.0;
        let inputs = without_gaps(&self.inputs, Variable::Input)?;
        let outputs = without_gaps(&self.outputs, Variable::Output)?.len();
        if inputs.is_empty() {
            return fault(end, VnnlibProblem::NoInputs);
        }
        if assertions.is_empty() {
            return fault(end, VnnlibProblem::NoAssertions);
        }
        let literals = self.literals;
        Ok(Parsed { inputs: inputs.len(), outputs, assertions, literals, declared: inputs, bytes: end })
    }

    fn next(&mut self) -> (usize, Token<'a>) {
        let next = self.lexer.next();
        std::mem::replace(&mut self.ahead, next)
    }

    fn close(&mut self) -> Result<(), Fault> {
        match self.next() {
            (_, Token::Close) => Ok(()),
            (offset, found) => unexpected(offset, "`)`", found),
        }
    }

    fn word(&mut self, expected: &'static str) -> Result<(usize, &'a str), Fault> {
        match self.next() {
            (offset, Token::Word(word)) => Ok((offset, word)),
            (offset, found) => unexpected(offset, expected, found),
        }
    }

    /// A command after its opening parenthesis.
    fn command(&mut self, assertions: &mut Vec<Assertion>) -> Result<(), Fault> {
        let (offset, name) = self.word("the name of a command")?;
        match name {
            "declare-const" => {
                let variable = self.declared_name()?;
                self.sort(variable)
            }
            "declare-fun" => {
                let variable = self.declared_name()?;
                match self.next() {
                    (_, Token::Open) => self.close()?,
                    (offset, found) => return unexpected(offset, "`()`, as variables take no arguments", found),
                }
                self.sort(variable)
            }
            "assert" => {
                let known = self.literals.len();
                let rows = self.formula(false)?;
                // The row of a plain conjunction lists the literals just read, in their order.
                let is_plain = |row: &Vec<u32>| row.iter().map(|&id| id as usize).eq(known..self.literals.len());
                assertions.push(if rows.len() == 1 && is_plain(&rows[0]) {
                    Assertion::Fixed(self.literals.split_off(known))
                } else {
                    Assertion::Choice(offset, rows)
                });
                self.close()
            }
            "set-logic" | "set-info" | "set-option" | "check-sat" | "get-model" | "exit" => self.skip(),
            _ => fault(offset, VnnlibProblem::UnknownCommand(shortened(name))),
        }
    }

    /// Words up to the closing parenthesis.
    fn skip(&mut self) -> Result<(), Fault> {
        loop {
            match self.next() {
                (_, Token::Word(_)) => {}
                (_, Token::Close) => return Ok(()),
                (offset, found) => return unexpected(offset, "`)`", found),
            }
        }
    }

    fn declared_name(&mut self) -> Result<Variable, Fault> {
        let (offset, name) = self.word("the name of a variable")?;
        let Some(variable) = variable(name) else { return fault(offset, VnnlibProblem::BadName(shortened(name))) };
        let (list, index) = match variable {
            Variable::Input(i) => (&mut self.inputs, i),
            Variable::Output(i) => (&mut self.outputs, i),
        };
        if index >= MOST_VARIABLES {
            return fault(offset, VnnlibProblem::TooLarge { limit: MOST_VARIABLES, what: "variables" });
        }
        if list.len() <= index {
            list.resize(index + 1, None);
        }
        match list[index].replace(offset) {
            None => Ok(variable),
            Some(_) => fault(offset, VnnlibProblem::DeclaredTwice(spelled(variable))),
        }
    }

    /// `Real)`.
    fn sort(&mut self, variable: Variable) -> Result<(), Fault> {
        let (offset, sort) = self.word("`Real`")?;
        if sort != "Real" {
            return fault(offset, VnnlibProblem::BadSort(spelled(variable)));
        }
        self.close()
    }

    fn deeper(&mut self, offset: usize) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEEPEST { fault(offset, VnnlibProblem::TooDeep(DEEPEST)) } else { Ok(()) }
    }

    /// A formula or, where it is denied, its negation, in disjunctive normal form from the start: its size is
    /// checked while it grows.
    fn formula(&mut self, is_denied: bool) -> Result<Dnf, Fault> {
        match self.next() {
            (offset, Token::Open) => self.deeper(offset)?,
            (offset, Token::Word(word @ ("true" | "false"))) => {
                return self.truth(offset, (word == "true") != is_denied);
            }
            (offset, found) => return unexpected(offset, "a formula such as `(<= X_0 1.0)`", found),
        }
        let (offset, name) = self.word("`and`, `or`, `not`, `=>`, `<=`, `>=`, `<` or `>`")?;
        let rows = match name {
            "and" | "or" => self.operands(offset, (name == "and") != is_denied, |_| Ok(is_denied))?,
            "not" => {
                let rows = self.formula(!is_denied)?;
                self.close()?;
                rows
            }
            // `a ⇒ b ⇒ c` is `¬a ∨ ¬b ∨ c`.
            "=>" => self.operands(offset, is_denied, |parser| Ok(parser.is_last()? == is_denied))?,
            "<=" | ">=" | "=" | "==" | "<" | ">" => self.comparison(offset, name, is_denied)?,
            _ => return fault(offset, VnnlibProblem::UnknownFormula(shortened(name))),
        };
        self.depth -= 1;
        Ok(rows)
    }

    /// What always or never holds.
    fn truth(&mut self, offset: usize, holds: bool) -> Result<Dnf, Fault> {
        let mut row = Vec::new();
        if !holds {
            self.at_most_zero(offset, Ok(Linear::constant(Rational::ONE)), false, &mut row)?;
        }
        Ok(vec![row])
    }

    /// The formulas up to the closing parenthesis, combined by and or by or; each is denied or not.
    fn operands(
        &mut self,
        start: usize,
        by_and: bool,
        is_denied: impl Fn(&Self) -> Result<bool, Fault>,
    ) -> Result<Dnf, Fault> {
        let mut rows: Dnf = if by_and { vec![Vec::new()] } else { Vec::new() };
        while self.ahead.1 != Token::Close {
            let offset = self.ahead.0;
            let is_denied = is_denied(self)?;
            let next = self.formula(is_denied)?;
            let combine = if by_and { Self::conjunction } else { Self::disjunction };
            if !combine(&mut rows, next) {
                return fault(offset, VnnlibProblem::TooLarge { limit: MOST_DISJUNCTS, what: "disjuncts" });
            }
        }
        self.next();
        if rows.is_empty() { self.truth(start, false) } else { Ok(rows) }
    }

    /// Whether the formula ahead is the last before a closing parenthesis.
    fn is_last(&self) -> Result<bool, Fault> {
        let (mut lexer, mut token, mut depth) = (self.lexer.clone(), self.ahead.1, 0usize);
        loop {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::Word(_) => {}
                Token::End => return Ok(true),
            }
            token = lexer.next().1;
            if depth == 0 {
                return Ok(token == Token::Close);
            }
        }
    }

    /// `rows ∧ next`, the rows of `next` varying fastest; false when that is too large.
    fn conjunction(rows: &mut Dnf, mut next: Dnf) -> bool {
        if let ([row], [only]) = (&mut rows[..], &mut next[..]) {
            row.append(only);
            return true;
        }
        let size = |rows: &Dnf| rows.iter().map(Vec::len).sum::<usize>();
        let literals = size(rows).saturating_mul(next.len()).saturating_add(size(&next).saturating_mul(rows.len()));
        if rows.len().saturating_mul(next.len()) > MOST_DISJUNCTS || literals > MOST_LITERALS {
            return false;
        }
        let product = |a: &Vec<u32>| next.iter().map(|b| [&a[..], &b[..]].concat()).collect::<Vec<_>>();
        *rows = rows.iter().flat_map(product).collect();
        true
    }

    /// `rows ∨ next`; false when that is too large.
    fn disjunction(rows: &mut Dnf, mut next: Dnf) -> bool {
        rows.append(&mut next);
        rows.len() <= MOST_DISJUNCTS
    }

    /// The operands of a comparison up to the closing parenthesis; a chain compares neighbours. Where it is
    /// denied, each comparison is turned round and becomes a row of its own.
    fn comparison(&mut self, offset: usize, name: &str, is_denied: bool) -> Result<Dnf, Fault> {
        let mut rows: Dnf = if is_denied { Vec::new() } else { vec![Vec::new()] };
        let mut left = self.term()?;
        loop {
            let right = self.term()?;
            let is_last = self.ahead.1 == Token::Close;
            let next = if is_last { Linear::default() } else { right.clone() };
            let at_most = |a: Linear, b: Linear| a.plus(b.negated());
            let margins = match name {
                "<=" | "<" => vec![at_most(left, right)],
                ">=" | ">" => vec![at_most(right, left)],
                _ => vec![at_most(left.clone(), right.clone()), at_most(right, left)],
            };
            let is_strict = matches!(name, "<" | ">");
            for margin in margins {
                let mut row = Vec::new();
                if is_denied {
                    self.at_most_zero(offset, margin.map(Linear::negated), !is_strict, &mut row)?;
                    rows.push(row);
                } else {
                    self.at_most_zero(offset, margin, is_strict, &mut rows[0])?;
                }
            }
            if is_last {
                self.next();
                return Ok(rows);
            }
            left = next;
        }
    }

    /// The literals of `margin ≤ 0`, or of `margin < 0`.
    fn at_most_zero(
        &mut self,
        offset: usize,
        margin: Result<Linear, VnnlibProblem>,
        is_strict: bool,
        literals: &mut Vec<u32>,
    ) -> Result<(), Fault> {
        let found = margin.and_then(|margin| match is_strict {
            true => margin.below_zero(),
            false => Ok(margin.at_most_zero()?.into_iter().collect()),
        });
        for literal in found.or_else(|problem| fault(offset, problem))? {
            match u32::try_from(self.literals.len()) {
                Ok(id) => literals.push(id),
                Err(_) => return fault(offset, VnnlibProblem::TooLarge { limit: MOST_LITERALS, what: "literals" }),
            }
            self.literals.push((offset, literal));
        }
        Ok(())
    }

    fn term(&mut self) -> Result<Linear, Fault> {
        match self.next() {
            (offset, Token::Word(word)) => self.leaf(offset, word),
            (offset, Token::Open) => {
                self.deeper(offset)?;
                let term = self.operation()?;
                self.depth -= 1;
                Ok(term)
            }
            (offset, found) => unexpected(offset, "a linear term", found),
        }
    }

    fn leaf(&mut self, offset: usize, word: &str) -> Result<Linear, Fault> {
        if word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) && !word.contains('/') {
            return match parse_decimal(word) {
                Ok(value) => Ok(Linear::constant(value)),
                Err(e) => fault(offset, e),
            };
        }
        let Some(variable) = variable(word) else { return fault(offset, VnnlibProblem::BadName(shortened(word))) };
        let known = match variable {
            Variable::Input(i) => self.inputs.get(i),
            Variable::Output(i) => self.outputs.get(i),
        };
        match known {
            Some(Some(_)) => Ok(Linear::variable(variable)),
            _ => fault(offset, VnnlibProblem::Undeclared(spelled(variable))),
        }
    }

    /// An operator with its operands, after the opening parenthesis.
    fn operation(&mut self) -> Result<Linear, Fault> {
        let (offset, operator) = self.word("`+`, `-` or `*`")?;
        let apply: fn(Linear, Linear) -> Result<Linear, VnnlibProblem> = match operator {
            "+" => Linear::plus,
            "-" => |a, b| a.plus(b.negated()),
            "*" => Linear::times,
            "/" => |a, b| a.divided_by(&b),
            _ => return fault(offset, VnnlibProblem::UnknownOperator(shortened(operator))),
        };
        let mut value = self.term()?;
        if self.ahead.1 == Token::Close && operator == "-" {
            value = value.negated();
        }
        while self.ahead.1 != Token::Close {
            let place = self.ahead.0;
            let next = self.term()?;
            value = apply(value, next).or_else(|problem| fault(place, problem))?;
        }
        self.next();
        Ok(value)
    }
}

fn unexpected<T>(offset: usize, expected: &'static str, found: Token<'_>) -> Result<T, Fault> {
    fault(offset, VnnlibProblem::Unexpected { expected, found: found.shown() })
}

/// `X_i` or `Y_i`, `i` without leading zeros.
fn variable(name: &str) -> Option<Variable> {
    let (kind, digits) = name.split_once('_')?;
    let is_canonical = digits == "0" || !digits.starts_with('0');
    if !is_canonical || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let index = digits.parse().ok()?;
    match kind {
        "X" => Some(Variable::Input(index)),
        "Y" => Some(Variable::Output(index)),
        _ => None,
    }
}

/// The offsets of the declarations, when every index up to the largest is declared.
fn without_gaps(list: &[Option<usize>], variable: fn(usize) -> Variable) -> Result<Vec<usize>, Fault> {
    let known: Vec<usize> = list.iter().flatten().copied().collect();
    match (list.iter().position(Option::is_none), list.last()) {
        (Some(missing), Some(Some(offset))) => {
            let declared = spelled(variable(list.len() - 1));
            fault(*offset, VnnlibProblem::Gap { declared, missing: spelled(variable(missing)) })
        }
        _ => Ok(known),
    }
}
