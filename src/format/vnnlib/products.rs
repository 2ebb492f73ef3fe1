//! Products of variables in version 2.0: each becomes a further output of the query.

use super::error::VnnlibProblem;
use super::linear::Linear;
use crate::domains::num::Rational;
use crate::domains::query::Variable;
use std::collections::HashMap;

/// How many different products of variables a query may have.
const MOST_PRODUCTS: usize = 1 << 12;

/// How many variables a product may have.
const MOST_FACTORS: usize = 64;

/// The products so far, behind `outputs` other outputs.
pub(super) struct Products {
    outputs: usize,
    /// For each product its two factors, which may be products before it.
    factors: Vec<[Variable; 2]>,
    /// The product of variables that are none themselves, in ascending order.
    known: HashMap<Vec<Variable>, Variable>,
}

impl Products {
    pub(super) fn behind(outputs: usize) -> Self {
        Self { outputs, factors: Vec::new(), known: HashMap::new() }
    }

    pub(super) fn finish(self) -> Vec<[Variable; 2]> {
        self.factors
    }

    /// The product of two terms.
    pub(super) fn of(&mut self, a: Linear, b: Linear) -> Result<Linear, VnnlibProblem> {
        if a.as_constant().is_some() || b.as_constant().is_some() {
            return a.times(b);
        }
        // Without repetitions there are hardly more pairs than products.
        let (a, b) = (a.merged()?, b.merged()?);
        let mut sum = Linear::default();
        for (v, c) in a.parts() {
            for (w, d) in b.parts() {
                let variables: Vec<Variable> = v.into_iter().chain(w).collect();
                let product = match self.variable(&variables)? {
                    Some(variable) => Linear::variable(variable),
                    None => Linear::constant(Rational::ONE),
                };
                sum = sum.plus(product.times(Linear::constant(c.clone() * d))?)?;
            }
        }
        sum.merged()
    }

    /// The variable that is the product of these; `None` for none at all.
    fn variable(&mut self, variables: &[Variable]) -> Result<Option<Variable>, VnnlibProblem> {
        let mut simple = Vec::new();
        for &variable in variables {
            self.take_apart(variable, &mut simple);
        }
        simple.sort_unstable();
        let Some(&first) = simple.first() else { return Ok(None) };
        let mut product = first;
        for n in 2..=simple.len() {
            product = match self.known.get(&simple[..n]) {
                Some(&known) => known,
                None if self.factors.len() == MOST_PRODUCTS || n > MOST_FACTORS => {
                    let what = "products of variables";
                    return Err(VnnlibProblem::TooLarge { limit: MOST_PRODUCTS, what });
                }
                None => {
                    self.factors.push([product, simple[n - 1]]);
                    let made = Variable::Output(self.outputs + self.factors.len() - 1);
                    self.known.insert(simple[..n].to_vec(), made);
                    made
                }
            };
        }
        Ok(Some(product))
    }

    /// Adds the variables of which this one is the product.
    fn take_apart(&self, variable: Variable, simple: &mut Vec<Variable>) {
        let factors = match variable {
            Variable::Output(i) => i.checked_sub(self.outputs).map(|k| self.factors[k]),
            Variable::Input(_) => None,
        };
        match factors {
            // The second factor is none; the first may be.
            Some([rest, last]) => {
                self.take_apart(rest, simple);
                simple.push(last);
            }
            None => simple.push(variable),
        }
    }
}
