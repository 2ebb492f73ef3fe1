//! A checker of proofs, which shares no code with what writes them: it depends on nothing that proves, only on exact
//! rationals, and on `pulp`, which compiles its loops for AVX2.
//!
//! * [`check`] reads a formula in OPB format and a proof with the steps `pol` (sums), `rup` (reverse unit propagation),
//!   `del id` and `conclusion UNSAT` of VeriPB 3.0 (Gocht & Nordström 2021), and believes what it recomputes.
//! * [`check_formula`] compares a formula line by line with the one that a query has, and adds up the half-spaces of its
//!   [lemmas](Lemma) about real inputs. Those lines are to be trusted: the crate `absint` writes them by the code that replays
//!   counterexamples, on sums over unknown bits (`src/exact/signum/original`), not by the encoder of the search.
//! * [`check_refutation`] checks what `docs/certificates.md` describes.
//!
//! ```
//! let formula = "+1 x1 +1 x2 >= 1 ;\n+1 ~x1 +1 x2 >= 1 ;\n+1 ~x2 >= 1 ;\n";
//! let proof = "pseudo-Boolean proof version 3.0\nf 3;\nrup 1 x2 >= 1;\nrup >= 1;\noutput NONE;
//! conclusion UNSAT : 5;\nend pseudo-Boolean proof;\n";
//! assert_eq!(absint_check::check(formula.as_bytes(), proof.as_bytes()).map(|checked| checked.propagated), Ok(2));
//! // Another formula has a solution.
//! assert!(absint_check::check(formula.replace("~x2", "x2").as_bytes(), proof.as_bytes()).is_err());
//! ```

#![forbid(unsafe_code)]

mod database;
mod formula;
mod inequality;
mod lemma;
mod reader;
mod refutation;

pub use formula::{check_formula, lemmas};
pub use lemma::{HalfSpace, Lemma, Literal, RealInputs};
pub use refutation::{Network, Query, Refusal, Refuted, check_refutation, read_network, read_query};

use database::Database;
use inequality::Inequality;
use reader::Names;
use refutation::{Reader, shown};
use std::io::BufRead;
use thiserror::Error;

/// Why a proof is rejected.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CheckError {
    /// A line that cannot be read.
    #[error(transparent)]
    Malformed(#[from] Refusal),
    /// A step that does not follow.
    #[error("proof, line {0}: the constraint does not follow by unit propagation")]
    NotImplied(usize),
    /// The proof ends without a contradiction.
    #[error("the proof does not conclude unsatisfiability")]
    NoConclusion,
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

/// Checks that `proof` shows the formula `opb` to be unsatisfiable. What is held is the formula, the inequalities that the
/// proof has not deleted, and a line.
/// The first line that cannot be read or does not follow is an error.
pub fn check(opb: impl BufRead, proof: impl BufRead) -> Result<Checked, CheckError> {
    let (mut checked, mut database, mut names) = (Checked::default(), Database::default(), Names::default());
    let mut reader = Reader::new(opb, "formula", '*');
    while let Some(mut words) = reader.next()? {
        words.statement()?;
        checked.constraints += 1;
        database.add(names.inequality(words)?);
    }
    let mut reader = Reader::new(proof, "proof", '%');
    let mut words = reader.expect()?;
    ["pseudo-Boolean", "proof", "version", "3.0"].iter().try_for_each(|word| words.exactly(word))?;
    words.end()?;
    let mut contradiction = None;
    loop {
        let mut words = reader.expect()?;
        words.statement()?;
        match words.word()? {
            "f" => words.exactly(&checked.constraints.to_string()).and_then(|()| words.end())?,
            "pol" => {
                checked.added += 1;
                database.add(names.polish(words, &database)?);
            }
            "rup" => {
                let line = words.line;
                let inequality = names.inequality(words)?;
                if !database.implies(&inequality) {
                    return Err(CheckError::NotImplied(line));
                }
                checked.propagated += 1;
                database.add(inequality);
            }
            "del" => {
                words.exactly("id")?;
                while words.peek().is_some() {
                    let id = words.index(u32::MAX as usize)? as u32;
                    if !database.delete(id) {
                        return Err(words.error(format!("there is no constraint {id}")).into());
                    }
                }
            }
            "output" => {}
            "conclusion" => {
                let is_unsat = words.take("UNSAT") && words.take(":");
                contradiction = words.index(u32::MAX as usize).ok().filter(|_| is_unsat);
            }
            "end" if words.take("pseudo-Boolean") && words.take("proof") => break words.end()?,
            rule => return Err(words.error(format!("the rule `{}` is not known", shown(rule))).into()),
        }
    }
    reader.finish("nothing may follow the end")?;
    let concluded = contradiction.and_then(|id| database.get(id as u32));
    if concluded.is_some_and(Inequality::is_contradiction) { Ok(checked) } else { Err(CheckError::NoConclusion) }
}
