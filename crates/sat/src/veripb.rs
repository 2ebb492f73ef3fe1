//! Proofs in the VeriPB format (version 3.0): steps that follow by unit propagation or by adding
//! inequalities.

use super::literal::write_decimal;
use super::{Lit, ProofSink};
use std::io::{self, Write};

/// Writes a proof of unsatisfiability for a formula with a known number of inequalities.
pub struct VeripbLog<W: Write> {
    out: W,
    last: u32,
    contradiction: Option<u32>,
    /// The lines that have not gone to `out` yet.
    buffer: Vec<u8>,
    error: Option<io::Error>,
}

/// Bytes that are collected before they go on.
const BUFFERED: usize = 1 << 16;

impl<W: Write> VeripbLog<W> {
    /// Begins a proof for a formula of `inequalities` constraints.
    pub fn new(out: W, inequalities: usize) -> Self {
        let start = format!("pseudo-Boolean proof version 3.0\nf {inequalities};\n");
        Self { out, last: inequalities as u32, contradiction: None, buffer: start.into_bytes(), error: None }
    }

    fn send(&mut self) {
        if self.error.is_none() {
            self.error = self.out.write_all(&self.buffer).err();
        }
        self.buffer.clear();
    }

    fn number(&mut self, n: u64) {
        write_decimal(n.into(), &mut self.buffer);
    }

    fn end_line(&mut self) {
        self.buffer.extend_from_slice(b";\n");
        if self.buffer.len() >= BUFFERED {
            self.send();
        }
    }

    /// Derives `first + factor · second`, constraints by number; returns the number of the sum.
    pub fn combine(&mut self, first: u32, second: u32, factor: i64) -> u32 {
        self.buffer.extend_from_slice(b"pol ");
        self.number(first.into());
        if factor > 0 {
            self.buffer.push(b' ');
            self.number(second.into());
            self.buffer.push(b' ');
            self.number(factor.unsigned_abs());
            self.buffer.extend_from_slice(b" * +");
        }
        self.end_line();
        self.last += 1;
        self.last
    }

    /// Derives the result of steps in reverse Polish notation; returns its number.
    pub fn polish(&mut self, steps: &str) -> u32 {
        self.buffer.extend_from_slice(b"pol ");
        self.buffer.extend_from_slice(steps.as_bytes());
        self.end_line();
        self.last += 1;
        self.last
    }

    /// Ends the proof. True when it proves unsatisfiability.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(mut self) -> io::Result<bool> {
        let conclusion = self.contradiction.map_or_else(|| "NONE".to_owned(), |id| format!("UNSAT : {id}"));
        let end = format!("output NONE;\nconclusion {conclusion};\nend pseudo-Boolean proof;\n");
        self.buffer.extend_from_slice(end.as_bytes());
        self.send();
        match self.error {
            Some(error) => Err(error),
            None => self.out.flush().map(|()| self.contradiction.is_some()),
        }
    }
}

impl<W: Write> ProofSink for VeripbLog<W> {
    fn conclude(&mut self, clause: &[Lit]) -> u32 {
        self.buffer.extend_from_slice(b"rup");
        for literal in clause {
            self.buffer.extend_from_slice(b" 1 ");
            literal.write_to(&mut self.buffer);
        }
        self.buffer.extend_from_slice(b" >= 1");
        self.end_line();
        self.last += 1;
        if clause.is_empty() && self.contradiction.is_none() {
            self.contradiction = Some(self.last);
        }
        self.last
    }

    fn delete(&mut self, number: u32) {
        self.buffer.extend_from_slice(b"del id ");
        self.number(number.into());
        self.end_line();
    }
}
