//! From tokens to assertions in disjunctive normal form.

use super::cursor::{Cursor, fault, unexpected};
use super::declared::DeclaredNetwork;
use super::error::{Fault, VnnlibProblem};
use super::lexer::{Token, shortened};
use super::linear::{Linear, Literal};
use super::numbered::Numbered;
use super::products::Products;
use super::tensors::Tensors;
use crate::domains::num::{Rational, parse_decimal};
use crate::domains::query::Variable;
use std::collections::HashSet;
use std::sync::Arc;

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
    /// What version 2.0 declares; empty in version 1.0.
    pub(super) networks: Vec<DeclaredNetwork>,
    pub(super) outputs: usize,
    /// Products of variables, which are outputs behind these.
    pub(super) products: Vec<[Variable; 2]>,
    pub(super) assertions: Vec<Assertion>,
    pub(super) literals: Vec<Placed>,
    /// Where each input is declared.
    pub(super) declared: Vec<usize>,
    /// How long the file is.
    pub(super) bytes: usize,
}

pub(super) struct Parser<'a> {
    tokens: Cursor<'a>,
    numbered: Numbered,
    /// In version 2.0, which has no numbered variables.
    tensors: Option<Tensors>,
    /// Once there are any.
    products: Option<Products>,
    assertions: Vec<Assertion>,
    literals: Vec<Placed>,
    /// The bounds so far, each once.
    bounds: HashSet<Arc<Rational>>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let (tokens, numbered) = (Cursor::new(text), Numbered::default());
        let (assertions, literals, bounds) = (Vec::new(), Vec::new(), HashSet::new());
        Self { tokens, numbered, tensors: None, products: None, assertions, literals, bounds }
    }

    pub(super) fn run(mut self) -> Result<Parsed, Fault> {
        let mut is_first = true;
        loop {
            match self.tokens.next() {
                (_, Token::End) => break,
                (_, Token::Open) => self.command(std::mem::take(&mut is_first))?,
                (offset, found) => return unexpected(offset, "`(` of a command", found),
            }
        }
        let end = self.tokens.ahead().0;
        let (networks, declared, outputs) = match self.tensors {
            Some(tensors) => tensors.finish(end)?,
            None => {
                let (inputs, outputs) = self.numbered.finish(end)?;
                (Vec::new(), inputs, outputs)
            }
        };
        if self.assertions.is_empty() {
            return fault(end, VnnlibProblem::NoAssertions);
        }
        let (assertions, literals) = (self.assertions, self.literals);
        let products = self.products.map_or_else(Vec::new, Products::finish);
        Ok(Parsed { networks, outputs, products, assertions, literals, declared, bytes: end })
    }

    /// A command after its opening parenthesis.
    fn command(&mut self, is_first: bool) -> Result<(), Fault> {
        let (offset, name) = self.tokens.word("the name of a command")?;
        match (name, &mut self.tensors) {
            ("vnnlib-version", _) => {
                let (offset, version) = self.tokens.word("the version, `<2.0>`")?;
                match version {
                    "<1.0>" if is_first => {}
                    "<2.0>" if is_first => self.tensors = Some(Tensors::default()),
                    _ => return fault(offset, VnnlibProblem::Version(shortened(version))),
                }
                self.tokens.close()
            }
            ("declare-network", None) => fault(offset, VnnlibProblem::Version(name.to_owned())),
            ("declare-network", Some(_)) if !self.assertions.is_empty() => fault(offset, VnnlibProblem::LateNetwork),
            ("declare-network", Some(tensors)) => tensors.declare_network(&mut self.tokens),
            ("declare-const", None) => self.numbered.declare_const(&mut self.tokens),
            ("declare-fun", None) => self.numbered.declare_fun(&mut self.tokens),
            ("assert", _) => self.assertion(offset),
            ("set-logic" | "set-info" | "set-option" | "check-sat" | "get-model" | "exit", None) => self.tokens.skip(),
            _ => fault(offset, VnnlibProblem::UnknownCommand(shortened(name))),
        }
    }

    /// `assert` after its name.
    fn assertion(&mut self, offset: usize) -> Result<(), Fault> {
        let known = self.literals.len();
        let rows = self.formula(false)?;
        // The row of a plain conjunction lists the literals just read, in their order.
        let is_plain = |row: &Vec<u32>| row.iter().map(|&id| id as usize).eq(known..self.literals.len());
        self.assertions.push(if rows.len() == 1 && is_plain(&rows[0]) {
            Assertion::Fixed(self.literals.split_off(known))
        } else {
            Assertion::Choice(offset, rows)
        });
        self.tokens.close()
    }

    /// A formula or, where it is denied, its negation, in disjunctive normal form from the start: its size is
    /// checked while it grows.
    fn formula(&mut self, is_denied: bool) -> Result<Dnf, Fault> {
        match self.tokens.next() {
            (offset, Token::Open) => self.tokens.descend(offset)?,
            (offset, Token::Word(word @ ("true" | "false"))) => {
                return self.truth(offset, (word == "true") != is_denied);
            }
            (offset, found) => return unexpected(offset, "a formula such as `(<= X_0 1.0)`", found),
        }
        let (offset, name) = self.tokens.word("`and`, `or`, `not`, `=>`, `<=`, `>=`, `<`, `>`, `==` or `!=`")?;
        let rows = match name {
            "and" | "or" => self.operands(offset, (name == "and") != is_denied, |_| Ok(is_denied))?,
            "not" => {
                let rows = self.formula(!is_denied)?;
                self.tokens.close()?;
                rows
            }
            // `a ⇒ b ⇒ c` is `¬a ∨ ¬b ∨ c`.
            "=>" => self.operands(offset, is_denied, |parser| Ok(parser.tokens.is_last() == is_denied))?,
            "<=" | ">=" | "=" | "==" | "<" | ">" => self.comparison(offset, name, is_denied)?,
            "!=" => self.comparison(offset, name, !is_denied)?,
            _ => return fault(offset, VnnlibProblem::UnknownFormula(shortened(name))),
        };
        self.tokens.ascend();
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
        while self.tokens.ahead().1 != Token::Close {
            let offset = self.tokens.ahead().0;
            let is_denied = is_denied(self)?;
            let next = self.formula(is_denied)?;
            let combine = if by_and { Self::conjunction } else { Self::disjunction };
            if !combine(&mut rows, next) {
                return fault(offset, VnnlibProblem::TooLarge { limit: MOST_DISJUNCTS, what: "disjuncts" });
            }
        }
        self.tokens.next();
        if rows.is_empty() { self.truth(start, false) } else { Ok(rows) }
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
        next.iter_mut().for_each(Vec::shrink_to_fit);
        rows.append(&mut next);
        rows.len() <= MOST_DISJUNCTS
    }

    /// The operands of a comparison up to the closing parenthesis; a chain compares neighbours. Where it is
    /// denied, each comparison is turned round and becomes a row of its own. That of `!=`, which has two operands, is
    /// that of `==`.
    fn comparison(&mut self, offset: usize, name: &str, is_denied: bool) -> Result<Dnf, Fault> {
        let mut rows: Dnf = if is_denied { Vec::new() } else { vec![Vec::new()] };
        let mut left = self.term()?;
        loop {
            let right = self.term()?;
            let is_last = self.tokens.ahead().1 == Token::Close;
            if name == "!=" && !is_last {
                return fault(offset, VnnlibProblem::Unequal);
            }
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
                self.tokens.next();
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
        for mut literal in found.or_else(|problem| fault(offset, problem))? {
            match u32::try_from(self.literals.len()) {
                Ok(id) => literals.push(id),
                Err(_) => return fault(offset, VnnlibProblem::TooLarge { limit: MOST_LITERALS, what: "literals" }),
            }
            if let Literal::Bound { value, .. } = &mut literal {
                match self.bounds.get(value) {
                    Some(known) => *value = known.clone(),
                    None => drop(self.bounds.insert(value.clone())),
                }
            }
            self.literals.push((offset, literal));
        }
        Ok(())
    }

    fn term(&mut self) -> Result<Linear, Fault> {
        match self.tokens.next() {
            (offset, Token::Word(word)) => self.leaf(offset, word),
            (offset, Token::Open) => {
                self.tokens.descend(offset)?;
                let term = self.operation()?;
                self.tokens.ascend();
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
        let variable = match &self.tensors {
            Some(tensors) => tensors.resolve(&mut self.tokens, offset, word)?,
            None => self.numbered.resolve(offset, word)?,
        };
        Ok(Linear::variable(variable))
    }

    /// The product of two terms, one of which is a constant in version 1.0.
    fn product(&mut self, a: Linear, b: Linear) -> Result<Linear, VnnlibProblem> {
        match &self.tensors {
            Some(tensors) => self.products.get_or_insert_with(|| Products::behind(tensors.outputs())).of(a, b),
            None => a.times(b),
        }
    }

    /// An operator with its operands, after the opening parenthesis.
    fn operation(&mut self) -> Result<Linear, Fault> {
        let (offset, operator) = self.tokens.word("`+`, `-` or `*`")?;
        let apply: fn(&mut Self, Linear, Linear) -> Result<Linear, VnnlibProblem> = match operator {
            "+" => |_, a, b| a.plus(b),
            "-" => |_, a, b| a.plus(b.negated()),
            "*" => Self::product,
            "/" => |_, a, b| a.divided_by(&b),
            _ => return fault(offset, VnnlibProblem::UnknownOperator(shortened(operator))),
        };
        let mut value = self.term()?;
        if self.tokens.ahead().1 == Token::Close && operator == "-" {
            value = value.negated();
        }
        while self.tokens.ahead().1 != Token::Close {
            let place = self.tokens.ahead().0;
            let next = self.term()?;
            value = apply(self, value, next).or_else(|problem| fault(place, problem))?;
        }
        self.tokens.next();
        Ok(value)
    }
}
