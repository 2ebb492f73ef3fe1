//! What shows that a signum network's query is safe.

use absint_check::{CheckError, Checked, check};

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
        check(self.opb.as_bytes(), &self.proof[..])
    }
}
