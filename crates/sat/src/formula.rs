//! Constraints as data: what a query is before any solver sees it.

use super::literal::write_decimal;
use super::{Direction, LinearError, Lit, Solver, Var};

/// `Σ a_i l_i ≥ bound`, or its truth tied to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The target, and which directions of the equivalence hold; `None` where the sum itself must reach
    /// the bound.
    pub target: Option<(Lit, Direction)>,
    /// The coefficients and their literals.
    pub terms: Vec<(i64, Lit)>,
    /// The bound.
    pub bound: i64,
}

impl Constraint {
    /// How many inequalities of an OPB file it becomes.
    #[must_use]
    pub fn inequalities(&self) -> usize {
        if matches!(self.target, Some((_, Direction::Both))) { 2 } else { 1 }
    }

    /// The same condition with coprime coefficients, and a bound that the sum can just miss or just surpass
    /// where it would lie farther out.
    #[must_use]
    pub fn reduced(mut self) -> Self {
        fn gcd(a: u64, b: u64) -> u64 {
            if b == 0 { a } else { gcd(b, a % b) }
        }
        self.terms.retain(|t| t.0 != 0);
        let divisor = self.terms.iter().fold(0, |g, t| if g == 1 { 1 } else { gcd(t.0.unsigned_abs(), g) }).max(1);
        let Ok(divisor) = i64::try_from(divisor) else { return self };
        if divisor > 1 {
            self.terms.iter_mut().for_each(|t| t.0 /= divisor);
            let has_rest = self.bound.rem_euclid(divisor) != 0;
            self.bound = self.bound.div_euclid(divisor) + i64::from(has_rest);
        }
        let least: i128 = self.terms.iter().map(|t| i128::from(t.0.min(0))).sum();
        let most: i128 = self.terms.iter().map(|t| i128::from(t.0.max(0))).sum();
        // Where the ends do not fit, the bound lies between them.
        if let (Ok(least), Ok(beyond)) = (i64::try_from(least), i64::try_from(most + 1)) {
            self.bound = self.bound.clamp(least, beyond);
        }
        self
    }

    /// Adds it to a solver that has its variables.
    pub fn add_to(&self, solver: &mut Solver<'_>) -> Result<(), LinearError> {
        match self.target {
            None => solver.add_at_least(&self.terms, self.bound),
            Some((target, direction)) => solver.add_reified(target, direction, &self.terms, self.bound),
        }
    }

    /// The inequalities `Σ a l ≥ bound` that it stands for (Jia & Rinard 2020 eq. 5): the one of
    /// "target implies" first.
    #[must_use]
    pub fn as_inequalities(&self) -> Vec<(Vec<(i128, Lit)>, i128)> {
        let mut all = Vec::with_capacity(2);
        let mut line = |sign: i128, big: Option<(i128, Lit)>, bound: i128| {
            let terms = self.terms.iter().map(|&(a, l)| (sign * i128::from(a), l));
            all.push((terms.chain(big.filter(|(m, _)| *m > 0)).collect(), bound));
        };
        let bound = i128::from(self.bound);
        let least: i128 = self.terms.iter().map(|t| i128::from(t.0.min(0))).sum();
        let most: i128 = self.terms.iter().map(|t| i128::from(t.0.max(0))).sum();
        match self.target {
            None => line(1, None, bound),
            Some((target, direction)) => {
                if direction != Direction::ImpliesTarget {
                    line(1, Some((bound - least, !target)), bound);
                }
                if direction != Direction::TargetImplies {
                    line(-1, Some((most - bound + 1, target)), 1 - bound);
                }
            }
        }
        all
    }

    fn write_opb(&self, text: &mut Vec<u8>) {
        for (terms, bound) in self.as_inequalities() {
            for (a, l) in terms {
                text.push(if a < 0 { b'-' } else { b'+' });
                write_decimal(a.unsigned_abs(), text);
                text.push(b' ');
                l.write_to(text);
                text.push(b' ');
            }
            text.extend_from_slice(format!(">= {bound} ;\n").as_bytes());
        }
    }
}

/// Variables and constraints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formula {
    /// How many variables there are.
    pub vars: usize,
    /// The constraints.
    pub constraints: Vec<Constraint>,
}

impl Formula {
    /// A new variable.
    pub fn new_var(&mut self) -> Var {
        self.vars += 1;
        Var::new(self.vars - 1)
    }

    /// Adds a clause.
    pub fn clause(&mut self, literals: &[Lit]) {
        self.at_least(literals.iter().map(|&l| (1, l)).collect(), 1);
    }

    /// Adds `Σ a_i l_i ≥ bound`.
    pub fn at_least(&mut self, terms: Vec<(i64, Lit)>, bound: i64) {
        self.constraints.push(Constraint { target: None, terms, bound }.reduced());
    }

    /// Adds `target ↔ Σ a_i l_i ≥ bound`, or one direction of it.
    pub fn reified(&mut self, target: Lit, direction: Direction, terms: Vec<(i64, Lit)>, bound: i64) {
        self.constraints.push(Constraint { target: Some((target, direction)), terms, bound }.reduced());
    }

    /// Number of inequalities of the OPB file.
    #[must_use]
    pub fn inequalities(&self) -> usize {
        self.constraints.iter().map(Constraint::inequalities).sum()
    }

    /// The formula in OPB format: variable `i` is `x{i+1}`.
    #[must_use]
    pub fn to_opb(&self) -> String {
        let mut text = format!("* #variable= {} #constraint= {}\n", self.vars, self.inequalities()).into_bytes();
        for constraint in &self.constraints {
            constraint.write_opb(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}
