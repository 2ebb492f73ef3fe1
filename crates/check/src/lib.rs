//! A checker of proofs, which shares no code with the solver that writes them: it depends on nothing that
//! proves, only on exact rationals.
//!
//! * [`check`] reads a formula in OPB format and a proof with the steps `pol` (sums of inequalities), `rup`
//!   (reverse unit propagation), `del id` and `conclusion UNSAT` of the VeriPB format, version 3.0
//!   (Gocht & Nordström 2021), and believes nothing but what it recomputes.
//! * [`check_formula`] compares a formula line by line with the one that a query has, and adds up the
//!   half-spaces of its [lemmas](Lemma) about real inputs.
//!
//! # What is trusted
//!
//! That a formula has no solution rests on this crate alone. That it is *about a network and a query* rests
//! also on whoever writes the expected lines: the crate `absint` reads the network file and the query, and
//! evaluates the network, by the code that replays counterexamples, on sums over unknown bits
//! (`src/exact/signum/original`). It stays there because it needs the network's graph; it shares no code with
//! the encoder that the search uses.
//!
//! ```
//! let formula = "+1 x1 +1 x2 >= 1 ;\n+1 ~x1 +1 x2 >= 1 ;\n+1 ~x2 >= 1 ;\n";
//! let proof = "pseudo-Boolean proof version 3.0\nf 3;\nrup 1 x2 >= 1;\nrup >= 1;\noutput NONE;
//! conclusion UNSAT : 5;\nend pseudo-Boolean proof;\n";
//! assert_eq!(absint_check::check(formula, proof).map(|checked| checked.propagated), Ok(2));
//! // Another formula has a solution.
//! assert!(absint_check::check(&formula.replace("~x2", "x2"), proof).is_err());
//! ```

#![forbid(unsafe_code)]

mod database;
mod formula;
mod inequality;
mod lemma;
mod reader;
mod refutation;

pub use formula::{FormulaError, check_formula, lemmas};
pub use lemma::{HalfSpace, Lemma, LemmaError, Literal, RealInputs};
pub use refutation::{Network, Query, Refusal, Refuted, check_refutation, read_network, read_query};

use database::Database;
use inequality::Inequality;
use reader::Reader;
use std::collections::HashMap;
use thiserror::Error;

/// Why a proof is rejected.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CheckError {
    /// A line that cannot be read.
    #[error("{file}, line {line}: {what}")]
    Malformed {
        /// `formula` or `proof`.
        file: &'static str,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A step that does not follow.
    #[error("proof, line {0}: the constraint does not follow by unit propagation")]
    NotImplied(usize),
    /// The proof ends without a contradiction.
    #[error("the proof does not conclude unsatisfiability")]
    NoConclusion,
}

/// Why no input of a case is unsafe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The case as an OPB file: satisfiable iff some input is unsafe. Over real inputs with lemmas.
    pub opb: String,
    /// The proof that it is not, in VeriPB format.
    pub proof: Vec<u8>,
}

impl Certificate {
    /// [`check`]s the proof.
    ///
    /// # Errors
    /// Those of [`check`].
    pub fn check(&self) -> Result<Checked, CheckError> {
        let text = std::str::from_utf8(&self.proof);
        let proof = text.map_err(|e| CheckError::Malformed { file: "proof", line: 1, what: e.to_string() })?;
        check(&self.opb, proof)
    }
}

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Inequalities of the formula.
    pub constraints: usize,
    /// Steps by unit propagation.
    pub propagated: usize,
    /// Steps by arithmetic.
    pub added: usize,
}

/// Checks that `proof` shows the formula `opb` to be unsatisfiable.
///
/// # Errors
/// The first line that cannot be read or does not follow.
pub fn check(opb: &str, proof: &str) -> Result<Checked, CheckError> {
    let mut checked = Checked::default();
    let mut database = Database::default();
    let mut reader = Reader { file: "formula", line: 0, names: HashMap::new() };
    for line in opb.lines() {
        reader.line += 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('*') {
            continue;
        }
        let body = line.strip_suffix(';').ok_or_else(|| reader.error("`;` is missing"))?;
        if body.starts_with("min:") || body.starts_with("max:") {
            return Err(reader.error("an objective has no place in a decision"));
        }
        checked.constraints += 1;
        let inequality = reader.inequality(body)?;
        database.add(inequality);
    }
    (reader.file, reader.line) = ("proof", 0);
    let mut conclusion = None;
    for line in proof.lines() {
        reader.line += 1;
        let line = line.trim();
        if reader.line == 1 {
            if line != "pseudo-Boolean proof version 3.0" {
                return Err(reader.error("this is no VeriPB proof of version 3.0"));
            }
            continue;
        }
        if line.is_empty() || line.starts_with('%') {
            continue;
        }
        let body = line.strip_suffix(';').ok_or_else(|| reader.error("`;` is missing"))?.trim();
        let (rule, rest) = body.split_once(' ').unwrap_or((body, ""));
        match rule {
            "f" => {
                if reader.integer(rest.trim())? != checked.constraints as i128 {
                    return Err(reader.error("the formula has another number of constraints"));
                }
            }
            "pol" => {
                let inequality = reader.polish(rest, &database)?;
                checked.added += 1;
                database.add(inequality);
            }
            "rup" => {
                let inequality = reader.inequality(rest)?;
                if !database.implies(&inequality) {
                    return Err(CheckError::NotImplied(reader.line));
                }
                checked.propagated += 1;
                database.add(inequality);
            }
            "del" => {
                let ids = rest.strip_prefix("id").ok_or_else(|| reader.error("only `del id` is known"))?;
                for id in ids.split_ascii_whitespace() {
                    let id = u32::try_from(reader.integer(id)?).map_err(|_| reader.error("no such constraint"))?;
                    if !database.delete(id) {
                        return Err(reader.error(format!("there is no constraint {id}")));
                    }
                }
            }
            "output" => {}
            "conclusion" => conclusion = Some(rest.to_owned()),
            "end" => break,
            _ => return Err(reader.error(format!("the rule `{rule}` is not known"))),
        }
    }
    let id = conclusion
        .as_deref()
        .and_then(|c| c.strip_prefix("UNSAT"))
        .and_then(|rest| rest.trim().strip_prefix(':'))
        .and_then(|id| id.trim().parse::<u32>().ok());
    let concluded = id.and_then(|id| database.get(id));
    if concluded.is_some_and(Inequality::is_contradiction) { Ok(checked) } else { Err(CheckError::NoConclusion) }
}
