//! Pseudo-Boolean problems in OPB format (linear constraints, at most one objective).

use std::io::Read;
use std::path::Path;
use thiserror::Error;

/// Why an OPB file is refused.
#[derive(Debug, Error)]
pub enum OpbError {
    /// The file system refused.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line that is not of the format.
    #[error("{file}, line {line}: {what}")]
    Malformed {
        /// The file, or the name given for a text.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// How a sum is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `≥`.
    AtLeast,
    /// `≤`.
    AtMost,
    /// `=`.
    Equal,
}

/// A coefficient with a variable, numbered from 1, and whether that is negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpbTerm {
    /// The coefficient.
    pub coefficient: i64,
    /// The variable: `x1` is 1.
    pub variable: usize,
    /// True for `~x1`.
    pub is_negated: bool,
}

/// `Σ terms (≥ | ≤ | =) bound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpbConstraint {
    /// The sum.
    pub terms: Vec<OpbTerm>,
    /// The comparison.
    pub relation: Relation,
    /// The right side.
    pub bound: i64,
}

/// A problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opb {
    /// The largest number of a variable that occurs.
    pub variables: usize,
    /// What is to be minimised, if anything.
    pub objective: Option<Vec<OpbTerm>>,
    /// The constraints.
    pub constraints: Vec<OpbConstraint>,
}

/// The longest file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 30;
/// Variables beyond this number would not fit in memory.
const LARGEST_VARIABLE: usize = 1 << 28;

/// Reads a file.
///
/// # Errors
/// An [`OpbError`] that names the file and the line.
pub fn read(path: impl AsRef<Path>) -> Result<Opb, OpbError> {
    let path = path.as_ref();
    let file = path.display().to_string();
    let mut text = String::new();
    let load = |text: &mut String| std::fs::File::open(path)?.take(LONGEST_FILE).read_to_string(text);
    match load(&mut text) {
        Ok(_) => parse(&text, &file),
        Err(source) => Err(OpbError::Unreadable { file, source }),
    }
}

/// Reads a text; `file` is its name in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, file: &str) -> Result<Opb, OpbError> {
    let mut opb = Opb::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('*') {
            continue;
        }
        opb.line(line).map_err(|what| OpbError::Malformed { file: file.to_owned(), line: number + 1, what })?;
    }
    Ok(opb)
}

impl Opb {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let body = line.strip_suffix(';').ok_or("the constraint does not end with `;`")?.trim();
        if let Some(objective) = body.strip_prefix("min:") {
            if self.objective.is_some() || !self.constraints.is_empty() {
                return Err("an objective must come first, and once".into());
            }
            self.objective = Some(self.terms(objective)?);
            return Ok(());
        }
        let relations = [(">=", Relation::AtLeast), ("<=", Relation::AtMost), ("=", Relation::Equal)];
        let found = relations.into_iter().find_map(|(sign, relation)| Some((body.split_once(sign)?, relation)));
        let ((left, right), relation) = found.ok_or("there is no `>=`, `<=` or `=`")?;
        let terms = self.terms(left)?;
        let bound = integer(right.trim())?;
        self.constraints.push(OpbConstraint { terms, relation, bound });
        Ok(())
    }

    fn terms(&mut self, text: &str) -> Result<Vec<OpbTerm>, String> {
        let mut terms = Vec::new();
        let mut tokens = text.split_ascii_whitespace();
        while let Some(token) = tokens.next() {
            let coefficient = integer(token)?;
            let literal = tokens.next().ok_or_else(|| format!("no variable follows the coefficient {coefficient}"))?;
            let (name, is_negated) = literal.strip_prefix('~').map_or((literal, false), |rest| (rest, true));
            let variable = name.strip_prefix('x').and_then(|n| n.parse().ok());
            let variable = variable
                .filter(|v| (1..=LARGEST_VARIABLE).contains(v))
                .ok_or_else(|| format!("`{literal}` is no variable (x1, x2, …; products are not read)"))?;
            self.variables = self.variables.max(variable);
            terms.push(OpbTerm { coefficient, variable, is_negated });
        }
        Ok(terms)
    }
}

fn integer(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits.parse().map_err(|_| format!("`{text}` is not an integer of 64 bits"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn constraints_and_objectives_are_read() {
        let text = "* #variable= 3 #constraint= 2\nmin: +1 x1 -2 x3 ;\n+1 x1 +2 ~x2 >= 2 ;\n-3 x3 = -3;\n";
        let opb = parse(text, "text").unwrap();
        assert_eq!((opb.variables, opb.constraints.len()), (3, 2));
        let term = |coefficient, variable, is_negated| OpbTerm { coefficient, variable, is_negated };
        assert_eq!(opb.objective, Some(vec![term(1, 1, false), term(-2, 3, false)]));
        assert_eq!(opb.constraints[0].terms, [term(1, 1, false), term(2, 2, true)]);
        assert_eq!((opb.constraints[1].relation, opb.constraints[1].bound), (Relation::Equal, -3));
    }

    #[test]
    fn errors_name_the_line() {
        for bad in
            ["+1 x1 >= 1", "+1 x1 1 ;", "+1 >= 1 ;", "+1 x0 >= 1 ;", "+1 y1 >= 1 ;", "+1 x1 x2 >= 1 ;", "z x1 >= 1 ;"]
        {
            let error = parse(&format!("* comment\n{bad}\n"), "text").unwrap_err();
            assert!(error.to_string().starts_with("text, line 2: "), "{error}");
        }
        assert!(read("/nonexistent").unwrap_err().to_string().starts_with("/nonexistent: cannot be read"));
    }
}
