//! The next token of a text, and what every part of the reader asks of it.

use super::error::{Fault, VnnlibProblem};
use super::lexer::{Lexer, Token};

/// How deep parentheses may be nested: enough for any file written by hand or by a tool, and far from
/// the end of the stack.
const DEEPEST: usize = 200;

/// A text that is read token by token, with one token of look-ahead.
pub(super) struct Cursor<'a> {
    lexer: Lexer<'a>,
    ahead: (usize, Token<'a>),
    depth: usize,
}

pub(super) fn fault<T>(offset: usize, problem: impl Into<VnnlibProblem>) -> Result<T, Fault> {
    Err(Fault { offset, problem: problem.into() })
}

pub(super) fn unexpected<T>(offset: usize, expected: &'static str, found: Token<'_>) -> Result<T, Fault> {
    fault(offset, VnnlibProblem::Unexpected { expected, found: found.shown() })
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut lexer = Lexer::new(text);
        let ahead = lexer.next();
        Self { lexer, ahead, depth: 0 }
    }

    /// The token ahead and its offset; it stays ahead.
    pub(super) fn ahead(&self) -> (usize, Token<'a>) {
        self.ahead
    }

    /// The token ahead and its offset, which is passed.
    pub(super) fn next(&mut self) -> (usize, Token<'a>) {
        let next = self.lexer.next();
        std::mem::replace(&mut self.ahead, next)
    }

    /// Passes the token ahead if it is this one.
    pub(super) fn passes(&mut self, token: Token<'_>) -> bool {
        let is_next = self.ahead.1 == token;
        if is_next {
            self.next();
        }
        is_next
    }

    /// Passes this token, which must come next.
    pub(super) fn expect(&mut self, token: Token<'_>, expected: &'static str) -> Result<(), Fault> {
        match self.next() {
            (_, found) if found == token => Ok(()),
            (offset, found) => unexpected(offset, expected, found),
        }
    }

    pub(super) fn close(&mut self) -> Result<(), Fault> {
        self.expect(Token::Close, "`)`")
    }

    pub(super) fn word(&mut self, expected: &'static str) -> Result<(usize, &'a str), Fault> {
        match self.next() {
            (offset, Token::Word(word)) => Ok((offset, word)),
            (offset, found) => unexpected(offset, expected, found),
        }
    }

    /// Words up to the closing parenthesis.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        loop {
            match self.next() {
                (_, Token::Word(_)) => {}
                (_, Token::Close) => return Ok(()),
                (offset, found) => return unexpected(offset, "`)`", found),
            }
        }
    }

    /// Goes into a parenthesis that was opened at `offset`.
    pub(super) fn descend(&mut self, offset: usize) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEEPEST { fault(offset, VnnlibProblem::TooDeep(DEEPEST)) } else { Ok(()) }
    }

    /// Comes out of a parenthesis.
    pub(super) fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// Whether the formula ahead is the last before a closing parenthesis.
    pub(super) fn is_last(&self) -> bool {
        let (mut lexer, mut token, mut depth) = (self.lexer.clone(), self.ahead.1, 0usize);
        loop {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::End => return true,
                Token::OpenIndex | Token::CloseIndex | Token::Comma | Token::Word(_) => {}
            }
            token = lexer.next().1;
            if depth == 0 {
                return token == Token::Close;
            }
        }
    }
}
