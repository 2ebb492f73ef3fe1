//! Proofs in the VeriPB format (version 3.0): steps that follow by unit propagation or by adding
//! inequalities.

use super::{Lit, ProofSink};
use std::io::{self, Write};

/// Writes a proof of unsatisfiability for a formula with a known number of inequalities.
pub struct VeripbLog<W: Write> {
    out: W,
    last: u32,
    contradiction: Option<u32>,
    error: Option<io::Error>,
}

impl<W: Write> VeripbLog<W> {
    /// Begins a proof for a formula of `inequalities` constraints.
    pub fn new(out: W, inequalities: usize) -> Self {
        let mut log = Self { out, last: inequalities as u32, contradiction: None, error: None };
        log.line(&format!("pseudo-Boolean proof version 3.0\nf {inequalities};"));
        log
    }

    fn line(&mut self, text: &str) {
        if self.error.is_none() {
            self.error = writeln!(self.out, "{text}").err();
        }
    }

    /// Derives `first + factor · second`, constraints by number; returns the number of the sum.
    pub fn combine(&mut self, first: u32, second: u32, factor: i64) -> u32 {
        self.last += 1;
        self.line(&if factor == 0 { format!("pol {first};") } else { format!("pol {first} {second} {factor} * +;") });
        self.last
    }

    /// Derives the result of steps in reverse Polish notation over numbers of constraints and literals; returns
    /// its number.
    pub fn polish(&mut self, steps: &str) -> u32 {
        self.last += 1;
        self.line(&format!("pol {steps};"));
        self.last
    }

    /// Ends the proof. True when it proves unsatisfiability.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(mut self) -> io::Result<bool> {
        let conclusion = self.contradiction.map_or_else(|| "NONE".to_owned(), |id| format!("UNSAT : {id}"));
        self.line(&format!("output NONE;\nconclusion {conclusion};\nend pseudo-Boolean proof;"));
        match self.error {
            Some(error) => Err(error),
            None => self.out.flush().map(|()| self.contradiction.is_some()),
        }
    }
}

impl<W: Write> ProofSink for VeripbLog<W> {
    fn conclude(&mut self, clause: &[Lit]) -> u32 {
        self.last += 1;
        let mut text = String::from("rup ");
        for literal in clause {
            text.push_str(&format!("1 {literal} "));
        }
        text.push_str(">= 1;");
        self.line(&text);
        if clause.is_empty() && self.contradiction.is_none() {
            self.contradiction = Some(self.last);
        }
        self.last
    }

    fn delete(&mut self, number: u32) {
        self.line(&format!("del id {number};"));
    }
}
