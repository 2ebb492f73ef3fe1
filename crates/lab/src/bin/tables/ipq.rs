//! Marabou's input queries as text: variables with bounds, linear equations, signs.
//!
//! Five counts (variables, lower bounds, upper bounds, equations, activations), the inputs and outputs as
//! `position,variable` under their numbers, bounds as `variable,value`, equations as
//! `number,relation,right side,variable,coefficient,…` (relation 0 is =, 1 is ≥, 2 is ≤), activations as
//! `number,sign,value,argument`. An equation defines its last variable.

use crate::job::Outcome;
use absint::domains::activation::Sign;
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, NodeId};
use absint::domains::num::{Rational, nearest, parse_decimal};
use absint::domains::query::{Atom, Disjunct, Property, Query, Region, Variable};
use ndarray::Array2;
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct Problem {
    pub network: Network,
    pub query: Query,
}

/// `Σ coefficient · variable + constant`.
struct Sum {
    terms: Vec<(usize, Rational)>,
    constant: Rational,
}

fn fields(line: Option<&str>) -> Outcome<Vec<&str>> {
    Ok(line.ok_or("the file ends too early")?.split(',').map(str::trim).collect())
}

fn pairs<'a, T>(
    lines: &mut impl Iterator<Item = &'a str>,
    count: usize,
    value: impl Fn(&str) -> Outcome<T>,
) -> Outcome<Vec<(usize, T)>> {
    let pair = |line: Option<&'a str>| match fields(line)?[..] {
        [key, v] => Ok((key.parse()?, value(v)?)),
        _ => Err("a line that is no pair".into()),
    };
    (0..count).map(|_| pair(lines.next())).collect()
}

pub fn parse(text: &str) -> Outcome<Problem> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let count = |lines: &mut dyn Iterator<Item = &str>| -> Outcome<usize> { Ok(fields(lines.next())?[0].parse()?) };
    let _variables = count(&mut lines)?;
    let (lowers, uppers) = (count(&mut lines)?, count(&mut lines)?);
    let (equations, activations) = (count(&mut lines)?, count(&mut lines)?);
    let index = |text: &str| -> Outcome<usize> { Ok(text.parse()?) };
    let number = |text: &str| -> Outcome<Rational> { Ok(parse_decimal(text)?) };
    let inputs = count(&mut lines)?;
    let inputs = pairs(&mut lines, inputs, index)?;
    let outputs = count(&mut lines)?;
    let outputs = pairs(&mut lines, outputs, index)?;
    let lower: BTreeMap<usize, Rational> = pairs(&mut lines, lowers, number)?.into_iter().collect();
    let upper: BTreeMap<usize, Rational> = pairs(&mut lines, uppers, number)?.into_iter().collect();
    let (mut sums, mut unsafe_atoms) = (BTreeMap::new(), Vec::new());
    let output_of: BTreeMap<usize, usize> = outputs.iter().map(|&(i, v)| (v, i)).collect();
    for _ in 0..equations {
        let line = fields(lines.next())?;
        let [_, relation, right, ref rest @ ..] = line[..] else { return Err("an equation without terms".into()) };
        let right = number(right)?;
        let terms: Vec<(usize, Rational)> =
            rest.chunks_exact(2).map(|t| Ok((index(t[0])?, number(t[1])?))).collect::<Outcome<_>>()?;
        if relation == "0" {
            let ((defined, by), terms) = terms.split_last().ok_or("an equation without terms")?;
            let scaled = |c: &Rational| -c / by;
            let terms = terms.iter().map(|(v, c)| (*v, scaled(c))).collect();
            sums.insert(*defined, Sum { terms, constant: &right / by });
        } else {
            // Σ c y ≤ right holds where the margin Σ c y − right is at most 0.
            let sign = Rational::from(if relation == "2" { 1 } else { -1 });
            let output = |v: &usize| output_of.get(v).copied().ok_or("an inequality not of outputs");
            let terms = terms.iter().map(|(v, c)| Ok((Variable::Output(output(v)?), c * &sign)));
            unsafe_atoms.push(Atom {
                terms: terms.collect::<Outcome<_>>()?,
                constant: -right * sign,
                is_strict: false,
            });
        }
    }
    let mut signs = BTreeMap::new();
    for _ in 0..activations {
        let line = fields(lines.next())?;
        let [_, "sign", value, argument] = line[..] else { return Err("an activation that is no sign".into()) };
        signs.insert(index(value)?, index(argument)?);
    }
    let mut layers = Layers::new(inputs.iter().map(|i| i.1).collect());
    let outputs: Vec<usize> = outputs.into_iter().map(|o| o.1).collect();
    let output = layers.node(&outputs, &sums, &signs)?;
    let network = layers.builder.finish(output, &[outputs.len()])?;
    let end = |ends: &BTreeMap<usize, Rational>| {
        inputs.iter().map(|(_, v)| ends.get(v).cloned().ok_or_else(|| "an input without bounds".into())).collect()
    };
    let (lower, upper): (Outcome<Vec<Rational>>, Outcome<Vec<Rational>>) = (end(&lower), end(&upper));
    let property = Property { disjuncts: vec![Disjunct { atoms: unsafe_atoms }] };
    Ok(Problem { network, query: Query::over(Region::new_box(lower?, upper?)?, property) })
}

/// Variables as nodes, layer by layer from the outputs to the inputs.
struct Layers {
    builder: NetworkBuilder,
    inputs: Vec<usize>,
}

impl Layers {
    fn new(inputs: Vec<usize>) -> Self {
        Self { builder: NetworkBuilder::new(&[inputs.len()]), inputs }
    }

    /// The node whose values are these variables.
    fn node(
        &mut self,
        variables: &[usize],
        sums: &BTreeMap<usize, Sum>,
        signs: &BTreeMap<usize, usize>,
    ) -> Outcome<NodeId> {
        if variables == self.inputs {
            return Ok(self.builder.input());
        }
        if let Some(arguments) = variables.iter().map(|v| signs.get(v).copied()).collect::<Option<Vec<usize>>>() {
            let source = self.node(&arguments, sums, signs)?;
            return Ok(self.builder.activation("sign", source, Arc::new(Sign))?);
        }
        let rows: Vec<&Sum> = variables.iter().map(|v| sums.get(v)).collect::<Option<_>>().ok_or("mixed layers")?;
        // A layer reads all inputs, or what its equations name, in their order.
        let mut read: Vec<usize> = rows.iter().flat_map(|sum| sum.terms.iter().map(|t| t.0)).collect();
        read.sort_unstable();
        read.dedup();
        if read.iter().all(|v| self.inputs.contains(v)) {
            read.clone_from(&self.inputs);
        }
        let place: BTreeMap<usize, usize> = read.iter().enumerate().map(|(i, &v)| (v, i)).collect();
        let source = self.node(&read, sums, signs)?;
        let bias = Coefficients::rationals(rows.iter().map(|sum| sum.constant.clone()).collect());
        let is_diagonal = rows.len() == read.len()
            && rows.iter().zip(&read).all(|(sum, v)| matches!(&sum.terms[..], [(of, _)] if of == v));
        let map = if is_diagonal {
            LinearMap::Diagonal(Coefficients::rationals(rows.iter().map(|sum| sum.terms[0].1.clone()).collect()))
        } else {
            let mut weights = Array2::zeros((rows.len(), read.len()));
            for (row, sum) in rows.iter().enumerate() {
                for (v, c) in &sum.terms {
                    weights[[row, place[v]]] += nearest(c);
                }
            }
            LinearMap::Dense(weights)
        };
        Ok(self.builder.linear("equations", source, map, bias)?)
    }
}
