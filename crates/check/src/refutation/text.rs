//! Reader of words and numbers, read one at a time.

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;
use std::fmt::Display;
use std::io::{BufRead, Read};
use thiserror::Error;

/// Why a certificate is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}, line {line}: {what}")]
pub struct Refusal {
    /// `network`, `query` or `proof`.
    pub file: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// The version of the format.
const VERSION: &str = "2";
/// Bytes of a number, at most.
const LONGEST: usize = 10_000;
/// Exponents of two are at most so large: a little beyond those of floats.
const LARGEST_EXPONENT: usize = 1100;
/// Bytes of a line, at most: what a reader holds.
const LONGEST_LINE: u64 = 1 << 28;

/// A reader of lines; empty ones and comments say nothing.
pub(crate) struct Reader<R> {
    source: R,
    file: &'static str,
    comment: char,
    number: usize,
    line: String,
}

impl<R: BufRead> Reader<R> {
    pub fn new(source: R, file: &'static str, comment: char) -> Self {
        Self { source, file, comment, number: 0, line: String::new() }
    }

    pub fn error(&self, what: impl Into<String>) -> Refusal {
        Refusal { file: self.file, line: self.number, what: what.into() }
    }

    /// The words of the next line that says something; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Words<'_>>, Refusal> {
        loop {
            self.line.clear();
            self.number += 1;
            let read = (&mut self.source).take(LONGEST_LINE).read_line(&mut self.line);
            match read.map_err(|e| self.error(e.to_string()))? as u64 {
                0 => return Ok(None),
                LONGEST_LINE => return Err(self.error("the line is too long")),
                _ if self.line.trim().is_empty() || self.line.starts_with(self.comment) => {}
                _ => break,
            }
        }
        Ok(Some(Words { rest: &self.line, file: self.file, line: self.number }))
    }

    /// As [`next`](Self::next), where there must be a line.
    pub fn expect(&mut self) -> Result<Words<'_>, Refusal> {
        let (file, line) = (self.file, self.number + 1);
        self.next()?.ok_or_else(|| Refusal { file, line, what: "the file ends too early".to_owned() })
    }

    /// Takes the first line, which names the file and the version of the format.
    pub fn begin(&mut self) -> Result<(), Refusal> {
        let file = self.file;
        let mut words = self.expect()?;
        words.exactly("absint")?;
        words.exactly(file)?;
        let version = words.word()?;
        if version != VERSION {
            let found = format!("version {} of certificates is not known here, but {VERSION}", shown(version));
            return Err(words.error(format!("{found}: write it anew (absint analyze … --proof DIR)")));
        }
        words.end()
    }

    /// There must be no more lines.
    pub fn finish(&mut self, otherwise: &str) -> Result<(), Refusal> {
        match self.next()? {
            None => Ok(()),
            Some(words) => Err(words.error(otherwise)),
        }
    }
}

/// The words of a line.
pub(crate) struct Words<'a> {
    rest: &'a str,
    file: &'static str,
    pub line: usize,
}

impl<'a> Words<'a> {
    pub fn error(&self, what: impl Into<String>) -> Refusal {
        Refusal { file: self.file, line: self.line, what: what.into() }
    }

    /// The words without a `;` that ends the line.
    pub fn statement(&mut self) -> Result<(), Refusal> {
        let ended = self.rest.trim_ascii_end().strip_suffix(';');
        self.rest = ended.ok_or_else(|| self.error("`;` is missing"))?;
        Ok(())
    }

    /// The next word, which is not taken.
    pub fn peek(&self) -> Option<&'a str> {
        self.rest.split_ascii_whitespace().next()
    }

    /// Whether the next word reads so; then it is taken.
    pub fn take(&mut self, text: &str) -> bool {
        self.peek() == Some(text) && self.word().is_ok()
    }

    /// The next word.
    pub fn word(&mut self) -> Result<&'a str, Refusal> {
        let word = self.peek().ok_or_else(|| self.error("the line ends too early"))?;
        self.rest = &self.rest.trim_ascii_start()[word.len()..];
        Ok(word)
    }

    /// Takes a word that must read so.
    pub fn exactly(&mut self, text: &str) -> Result<(), Refusal> {
        if self.take(text) { Ok(()) } else { Err(self.error(format!("`{text}` is expected"))) }
    }

    /// The next word, as what it is read as.
    pub fn read<T>(&mut self, as_what: impl FnOnce(&str) -> Option<T>, what: impl Display) -> Result<T, Refusal> {
        let word = self.word()?;
        as_what(word).ok_or_else(|| self.error(format!("`{}` is no {what}", shown(word))))
    }

    /// An index below `end`.
    pub fn index(&mut self, end: usize) -> Result<usize, Refusal> {
        self.read(|word| word.parse().ok().filter(|&index| index < end), format_args!("index below {end}"))
    }

    /// A number.
    pub fn number(&mut self) -> Result<RBig, Refusal> {
        self.read(number, "number")
    }

    /// A number that is not below zero.
    pub fn weight(&mut self) -> Result<RBig, Refusal> {
        self.read(|word| number(word).filter(|weight| weight >= &RBig::ZERO), "weight")
    }

    /// A float.
    pub fn float(&mut self) -> Result<f64, Refusal> {
        self.read(float, "float")
    }

    /// There must be no more words.
    pub fn end(mut self) -> Result<(), Refusal> {
        match self.word() {
            Err(_) => Ok(()),
            Ok(word) => Err(self.error(format!("`{}` is one word too many", shown(word)))),
        }
    }
}

/// The beginning of a word, for messages.
pub(crate) fn shown(word: &str) -> String {
    word.chars().take(40).collect()
}

/// `p`, `p/q`, or `p` times a power of two, `pbe` for `p · 2ᵉ`.
pub(crate) fn number(word: &str) -> Option<RBig> {
    if word.len() > LONGEST {
        return None;
    }
    if let Some((p, e)) = word.split_once('b') {
        let exponent = e.parse().ok().filter(|e: &isize| e.unsigned_abs() <= LARGEST_EXPONENT)?;
        let (p, power) = (integer(p)?, UBig::ONE << exponent.unsigned_abs());
        return Some(if exponent < 0 { RBig::from_parts(p, power) } else { RBig::from(p * IBig::from(power)) });
    }
    let (p, q) = word.split_once('/').unwrap_or((word, "1"));
    let q = UBig::try_from(integer(q)?).ok().filter(|q| q != &UBig::ZERO)?;
    Some(RBig::from_parts(integer(p)?, q))
}

/// The same where it is a float, without the detour: at most 53 bits times a power of two that is not extreme.
pub(super) fn float(word: &str) -> Option<f64> {
    let (p, e) = word.split_once('b').unwrap_or((word, "0"));
    let (p, e): (i64, i32) = (p.parse().ok()?, e.parse().ok()?);
    // Both factors are floats, and their product is one: nothing rounds.
    let power = |e: i32| f64::from_bits(((1023 + e) as u64) << 52);
    (p.unsigned_abs() < 1 << 53 && (-900..=900).contains(&e)).then(|| p as f64 * power(e))
}

fn integer(text: &str) -> Option<IBig> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number { IBig::from_str_radix(text, 10).ok() } else { None }
}

#[cfg(test)]
mod tests;
