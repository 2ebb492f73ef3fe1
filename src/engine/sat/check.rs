//! A checker of proofs, which shares no code with the solver that writes them.
//!
//! It reads a formula in OPB format and a proof with the steps `pol` (sums of inequalities), `rup`
//! (reverse unit propagation), `del id` and `conclusion UNSAT` of the VeriPB format, version 3.0
//! (Gocht & Nordström 2021), and believes nothing but what it recomputes.

use std::collections::{BTreeMap, HashMap};
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

/// `Σ a_l l ≥ degree` with positive coefficients, each variable at most once. A literal is twice its
/// variable, plus one when negated.
#[derive(Clone, Debug, Default)]
struct Inequality {
    terms: BTreeMap<u32, (i128, bool)>,
    degree: i128,
}

impl Inequality {
    fn add_term(&mut self, a: i128, var: u32, is_negated: bool) -> Option<()> {
        // In terms of the variable: a·¬x = a − a·x.
        let (signed, constant) = if is_negated { (a.checked_neg()?, a) } else { (a, 0) };
        self.degree = self.degree.checked_sub(constant)?;
        let before = match self.terms.get(&var) {
            None => 0,
            Some(&(b, false)) => b,
            Some(&(b, true)) => {
                self.degree = self.degree.checked_sub(b)?;
                -b
            }
        };
        let sum = before.checked_add(signed)?;
        if sum < 0 {
            self.degree = self.degree.checked_sub(sum)?;
            self.terms.insert(var, (-sum, true));
        } else if sum > 0 {
            self.terms.insert(var, (sum, false));
        } else {
            self.terms.remove(&var);
        }
        Some(())
    }

    fn plus(&self, other: &Self) -> Option<Self> {
        let mut sum = self.clone();
        sum.degree = sum.degree.checked_add(other.degree)?;
        for (&var, &(a, is_negated)) in &other.terms {
            sum.add_term(a, var, is_negated)?;
        }
        Some(sum)
    }

    fn times(&self, factor: i128) -> Option<Self> {
        let terms = self.terms.iter().map(|(&v, &(a, n))| Some((v, (a.checked_mul(factor)?, n))));
        Some(Self { terms: terms.collect::<Option<_>>()?, degree: self.degree.checked_mul(factor)? })
    }

    fn saturated(&self) -> Self {
        let cap = self.degree.max(0);
        let terms = self.terms.iter().map(|(&v, &(a, n))| (v, (a.min(cap), n))).filter(|(_, (a, _))| *a > 0);
        Self { terms: terms.collect(), degree: self.degree }
    }

    fn divided(&self, by: i128) -> Self {
        let up = |a: i128| a.div_euclid(by) + i128::from(a.rem_euclid(by) != 0);
        Self { terms: self.terms.iter().map(|(&v, &(a, n))| (v, (up(a), n))).collect(), degree: up(self.degree) }
    }

    /// What holds exactly where this does not: `Σ a ¬l ≥ Σ a − degree + 1`.
    fn negated(&self) -> Option<Self> {
        let total = self.terms.values().try_fold(0i128, |s, t| s.checked_add(t.0))?;
        let terms = self.terms.iter().map(|(&v, &(a, n))| (v, (a, !n))).collect();
        Some(Self { terms, degree: total.checked_sub(self.degree)?.checked_add(1)? })
    }
}

/// An inequality as propagation sees it.
#[derive(Debug)]
struct Active {
    terms: Vec<(i128, u32)>,
    /// Coefficients of literals that are not false, less the degree.
    slack: i128,
}

/// The inequalities that are alive, and what follows from them by unit propagation.
#[derive(Debug, Default)]
struct Database {
    active: HashMap<u32, Active>,
    stored: HashMap<u32, Inequality>,
    /// For each literal the inequalities that have it.
    occurrences: Vec<Vec<(u32, i128)>>,
    /// Per literal: true, false or open.
    values: Vec<Option<bool>>,
    trail: Vec<u32>,
    head: usize,
    contradicted: bool,
}

impl Database {
    fn reserve(&mut self, var: u32) {
        let needed = 2 * (var as usize + 1);
        if self.values.len() < needed {
            self.values.resize(needed, None);
            self.occurrences.resize(needed, Vec::new());
        }
    }

    fn assign(&mut self, literal: u32) {
        self.values[literal as usize] = Some(true);
        self.values[(literal ^ 1) as usize] = Some(false);
        self.trail.push(literal);
    }

    /// Assigns what inequality `id` forces; true on contradiction.
    fn examine(&mut self, id: u32) -> bool {
        let Some(active) = self.active.get(&id) else { return false };
        if active.slack < 0 {
            return true;
        }
        let mut forced = Vec::new();
        for &(a, l) in &active.terms {
            if a <= active.slack {
                break;
            }
            if self.values[l as usize].is_none() {
                forced.push(l);
            }
        }
        for l in forced {
            self.assign(l);
        }
        false
    }

    /// True on contradiction. All inequalities are kept up to date even then.
    fn propagate(&mut self) -> bool {
        let mut contradiction = false;
        while self.head < self.trail.len() && !contradiction {
            let falsified = self.trail[self.head] ^ 1;
            self.head += 1;
            let touched = std::mem::take(&mut self.occurrences[falsified as usize]);
            for &(id, a) in &touched {
                if let Some(active) = self.active.get_mut(&id) {
                    active.slack -= a;
                }
            }
            for &(id, _) in &touched {
                if !contradiction && self.active.get(&id).is_some_and(|c| c.terms[0].0 > c.slack) {
                    contradiction = self.examine(id);
                }
            }
            self.occurrences[falsified as usize] = touched;
        }
        contradiction
    }

    fn undo_to(&mut self, keep: usize) {
        while self.trail.len() > keep {
            let Some(literal) = self.trail.pop() else { break };
            self.values[literal as usize] = None;
            self.values[(literal ^ 1) as usize] = None;
            if self.trail.len() < self.head {
                for &(id, a) in &self.occurrences[(literal ^ 1) as usize] {
                    if let Some(active) = self.active.get_mut(&id) {
                        active.slack += a;
                    }
                }
            }
        }
        self.head = self.head.min(keep);
    }

    /// Makes an inequality take part in propagation; true on contradiction.
    fn activate(&mut self, id: u32, inequality: &Inequality) -> bool {
        let mut terms: Vec<(i128, u32)> =
            inequality.terms.iter().map(|(&v, &(a, n))| (a, 2 * v + u32::from(n))).collect();
        terms.sort_unstable_by_key(|t| std::cmp::Reverse(t.0));
        let mut slack = -inequality.degree;
        for &(a, l) in &terms {
            self.reserve(l / 2);
            self.occurrences[l as usize].push((id, a));
            // Literals that wait in the trail are subtracted when their turn comes.
            let is_counted = self.values[l as usize] == Some(false) && {
                let waiting = &self.trail[self.head..];
                !waiting.contains(&(l ^ 1))
            };
            slack += if is_counted { 0 } else { a };
        }
        if inequality.degree <= 0 {
            // It always holds, and its terms may be empty.
            terms.clear();
            terms.push((0, 0));
            self.reserve(0);
            slack = i128::MAX / 2;
        }
        if terms.is_empty() {
            return inequality.degree > 0;
        }
        self.active.insert(id, Active { terms, slack });
        self.examine(id) || self.propagate()
    }

    fn add(&mut self, id: u32, inequality: Inequality) {
        self.contradicted = self.contradicted || self.activate(id, &inequality);
        self.stored.insert(id, inequality);
    }

    fn deactivate(&mut self, id: u32) {
        if let Some(active) = self.active.remove(&id) {
            for (_, l) in active.terms {
                if let Some(list) = self.occurrences.get_mut(l as usize) {
                    list.retain(|o| o.0 != id);
                }
            }
        }
    }

    /// Whether the negation leads to a contradiction by unit propagation.
    fn implies(&mut self, inequality: &Inequality) -> bool {
        const TEMPORARY: u32 = u32::MAX;
        if self.contradicted || inequality.degree <= 0 {
            return true;
        }
        let Some(negated) = inequality.negated() else { return false };
        let keep = self.trail.len();
        let contradiction = self.activate(TEMPORARY, &negated);
        self.undo_to(keep);
        // Its own occurrences go last in every list.
        self.active.remove(&TEMPORARY);
        for (&v, &(_, n)) in &negated.terms {
            self.occurrences[(2 * v + u32::from(n)) as usize].retain(|o| o.0 != TEMPORARY);
        }
        contradiction
    }
}

struct Reader {
    file: &'static str,
    line: usize,
}

impl Reader {
    fn error(&self, what: impl Into<String>) -> CheckError {
        CheckError::Malformed { file: self.file, line: self.line, what: what.into() }
    }

    fn literal(&self, token: &str) -> Result<(u32, bool), CheckError> {
        let (name, is_negated) = token.strip_prefix('~').map_or((token, false), |rest| (rest, true));
        let number = name.strip_prefix('x').and_then(|n| n.parse::<u32>().ok());
        match number {
            Some(number) if number < 1 << 28 => Ok((number, is_negated)),
            _ => Err(self.error(format!("`{token}` is not a literal"))),
        }
    }

    fn integer(&self, token: &str) -> Result<i128, CheckError> {
        let digits = token.strip_prefix('+').unwrap_or(token);
        digits.parse().map_err(|_| self.error(format!("`{token}` is not an integer")))
    }

    /// `a1 l1 a2 l2 … >= b`.
    fn inequality(&self, text: &str) -> Result<Inequality, CheckError> {
        let (left, right) = text.split_once(">=").ok_or_else(|| self.error("`>=` is missing"))?;
        let mut inequality = Inequality { degree: self.integer(right.trim())?, ..Inequality::default() };
        let mut tokens = left.split_ascii_whitespace();
        while let Some(a) = tokens.next() {
            let literal = tokens.next().ok_or_else(|| self.error("a coefficient has no literal"))?;
            let (var, is_negated) = self.literal(literal)?;
            let a = self.integer(a)?;
            let added = if a < 0 {
                // −a·l = −a + a·¬l.
                inequality.degree = inequality.degree.checked_sub(a).ok_or_else(|| self.overflow())?;
                inequality.add_term(-a, var, !is_negated)
            } else {
                inequality.add_term(a, var, is_negated)
            };
            added.ok_or_else(|| self.overflow())?;
        }
        Ok(inequality)
    }

    fn overflow(&self) -> CheckError {
        self.error("a coefficient is too large")
    }

    fn polish(&self, text: &str, database: &Database) -> Result<Inequality, CheckError> {
        enum Operand {
            Inequality(Inequality),
            Number(i128),
        }
        let mut stack: Vec<Operand> = Vec::new();
        let short = || self.error("an operation lacks its operands");
        let by_number = |n: i128| {
            let found = u32::try_from(n).ok().and_then(|id| database.stored.get(&id));
            found.cloned().ok_or_else(|| self.error(format!("there is no constraint {n}")))
        };
        let inequality = |operand: Option<Operand>| match operand {
            Some(Operand::Inequality(c)) => Ok(c),
            Some(Operand::Number(n)) => by_number(n),
            None => Err(short()),
        };
        for token in text.split_ascii_whitespace() {
            match token {
                "+" => {
                    let (b, a) = (inequality(stack.pop())?, inequality(stack.pop())?);
                    stack.push(Operand::Inequality(a.plus(&b).ok_or_else(|| self.overflow())?));
                }
                "*" | "d" => {
                    let Some(Operand::Number(factor)) = stack.pop() else { return Err(short()) };
                    let a = inequality(stack.pop())?;
                    if factor <= 0 {
                        return Err(self.error("a factor or divisor must be positive"));
                    }
                    let result = if token == "d" { Some(a.divided(factor)) } else { a.times(factor) };
                    stack.push(Operand::Inequality(result.ok_or_else(|| self.overflow())?));
                }
                "s" => {
                    let a = inequality(stack.pop())?;
                    stack.push(Operand::Inequality(a.saturated()));
                }
                _ if token.contains('x') => {
                    let (var, is_negated) = self.literal(token)?;
                    let terms = [(var, (1, is_negated))].into();
                    stack.push(Operand::Inequality(Inequality { terms, degree: 0 }));
                }
                _ => stack.push(Operand::Number(self.integer(token)?)),
            }
        }
        let result = inequality(stack.pop())?;
        if stack.is_empty() { Ok(result) } else { Err(self.error("operands are left over")) }
    }
}

/// Checks that `proof` shows the formula `opb` to be unsatisfiable.
///
/// # Errors
/// The first line that cannot be read or does not follow.
pub fn check(opb: &str, proof: &str) -> Result<Checked, CheckError> {
    let mut checked = Checked::default();
    let mut database = Database::default();
    let mut reader = Reader { file: "formula", line: 0 };
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
        database.add(checked.constraints as u32, inequality);
    }
    let mut reader = Reader { file: "proof", line: 0 };
    let mut last = checked.constraints as u32;
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
                last += 1;
                checked.added += 1;
                database.add(last, inequality);
            }
            "rup" => {
                let inequality = reader.inequality(rest)?;
                if !database.implies(&inequality) {
                    return Err(CheckError::NotImplied(reader.line));
                }
                last += 1;
                checked.propagated += 1;
                database.add(last, inequality);
            }
            "del" => {
                let ids = rest.strip_prefix("id").ok_or_else(|| reader.error("only `del id` is known"))?;
                for id in ids.split_ascii_whitespace() {
                    let id = u32::try_from(reader.integer(id)?).map_err(|_| reader.error("no such constraint"))?;
                    if database.stored.remove(&id).is_none() {
                        return Err(reader.error(format!("there is no constraint {id}")));
                    }
                    database.deactivate(id);
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
    let is_contradiction = |c: &Inequality| c.degree > c.terms.values().map(|t| t.0).sum();
    match id.and_then(|id| database.stored.get(&id)) {
        Some(inequality) if is_contradiction(inequality) => Ok(checked),
        _ => Err(CheckError::NoConclusion),
    }
}
