//! The operators of the file, before anything was folded, evaluated in float32 in a chosen order.

use super::{Operator, Order};
use crate::activation::Activate;
use crate::network::{Affine, Coefficients, LinearMap, Network, Node, NodeId, NodeKind, Term};
use crate::num::{Rational, nearest};
use std::collections::HashMap;

/// The network as it was built: every operator a node of its own.
#[derive(Clone, Debug)]
pub(crate) struct Original {
    nodes: Vec<Node>,
    output: NodeId,
    operators: HashMap<NodeId, Operator>,
}

/// A parameter as the `f32` that it is.
pub(super) fn float32(c: &Coefficients, i: usize) -> Option<f32> {
    let value = *c.values().get(i)?;
    (c.radius(i) == 0.0 && f64::from(value as f32) == value).then_some(value as f32)
}

/// A number as the `f32` that it is.
fn narrow(x: f64) -> Option<f32> {
    (f64::from(x as f32) == x || x.is_nan()).then_some(x as f32)
}

/// `a + b` where no rounding happens.
fn exact_sum(a: f64, b: f64) -> Option<f64> {
    let sum = a + b;
    (sum.is_finite() && sum - a == b && sum - b == a).then_some(sum)
}

impl Network {
    /// The output of the original operators at `x` in float32 arithmetic, the terms of every sum taken in this
    /// order. `None` where the execution is not known: for parameters that are no `f32`, and operators that are
    /// not modelled.
    #[must_use]
    pub fn evaluate_float32(&self, x: &[f32], order: Order) -> Option<Vec<f32>> {
        self.original.evaluate(x, order)
    }
}

impl Original {
    pub(crate) fn new(nodes: &[Node], output: NodeId, operators: HashMap<NodeId, Operator>) -> Self {
        Self { nodes: nodes.to_vec(), output, operators }
    }

    /// The same behind `(x − mean_c) / std_c`, with these rounded to `f32`, for channels of `area` inputs.
    pub(crate) fn after_normalisation(&self, mean: &[Rational], std: &[Rational], area: usize) -> Self {
        const ADDED: usize = 2;
        let n = self.nodes[0].len;
        let rounded = |of: &[Rational]| (0..n).map(|i| f64::from(nearest(&of[i / area]) as f32)).collect::<Vec<f64>>();
        let identity = |source, bias: Vec<f64>| {
            let terms = vec![Term { source, map: LinearMap::Identity(n) }];
            let affine = Affine { terms, bias: Coefficients::floats(bias), rounding: Default::default() };
            Node { len: n, kind: NodeKind::Affine(affine), name: "normalisation".into() }
        };
        let minus_mean = rounded(mean).into_iter().map(|m| -m).collect();
        let mut nodes = vec![self.nodes[0].clone(), identity(0, minus_mean), identity(1, vec![0.0; n])];
        for node in &self.nodes[1..] {
            let mut node = node.clone();
            match &mut node.kind {
                NodeKind::Input => {}
                NodeKind::Affine(affine) => affine.terms.iter_mut().for_each(|t| t.source += ADDED),
                NodeKind::Activation(activation) => activation.source += ADDED,
            }
            nodes.push(node);
        }
        let mut operators: HashMap<NodeId, Operator> =
            self.operators.iter().map(|(id, operator)| (id + ADDED, operator.clone())).collect();
        operators.insert(ADDED, Operator::Quotient(Coefficients::floats(rounded(std))));
        Self { nodes, output: self.output + ADDED, operators }
    }

    fn evaluate(&self, x: &[f32], order: Order) -> Option<Vec<f32>> {
        if x.len() != self.nodes[0].len {
            return None;
        }
        let needed = crate::network::builder::used(&self.nodes, self.output);
        // Parts of a maximum are exact numbers that need not be f32.
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(self.nodes.len());
        for (id, node) in self.nodes.iter().enumerate() {
            let value = match &node.kind {
                _ if !needed[id] => Vec::new(),
                NodeKind::Input => x.iter().copied().map(f64::from).collect(),
                NodeKind::Affine(affine) => self.affine(id, affine, &values, order)?,
                NodeKind::Activation(activation) => {
                    let pieces = activation.function.pieces();
                    let activated = |z: &f64| match narrow(*z) {
                        Some(z) => Some(f64::from(z.activate(pieces))),
                        None => Some(z.activate(pieces)).filter(|y| *y == 0.0 || y == z),
                    };
                    values[activation.source].iter().map(activated).collect::<Option<_>>()?
                }
            };
            values.push(value);
        }
        values[self.output].iter().map(|&y| narrow(y)).collect()
    }

    fn affine(&self, id: NodeId, affine: &Affine, values: &[Vec<f64>], order: Order) -> Option<Vec<f64>> {
        match self.operators.get(&id) {
            Some(Operator::Choice) => return exactly(affine, values),
            None if affine.rounding.is_exact() => return exactly(affine, values),
            None | Some(Operator::Mean(_)) => {}
            Some(operator) => {
                let [term] = &affine.terms[..] else { return None };
                let one = |(i, x): (usize, &f64)| operator.apply(i, narrow(*x)?).map(f64::from);
                return values[term.source].iter().enumerate().map(one).collect();
            }
        }
        let mut out = vec![f64::NAN; affine.bias.len()];
        let mut is_known = true;
        let mean = if let Some(Operator::Mean(count)) = self.operators.get(&id) { *count as f32 } else { 1.0 };
        let mut finish = |i: usize, products: &[(f32, f32)]| match float32(&affine.bias, i) {
            Some(_) if mean != 1.0 => {
                let ones: Vec<(f32, f32)> = products.iter().map(|(w, x)| (w * mean, *x)).collect();
                out[i] = f64::from(order.dot(&ones, 0.0) / mean);
            }
            Some(b) => out[i] = f64::from(order.dot(products, b)),
            None => is_known = false,
        };
        let narrow_all = |source: NodeId| values[source].iter().map(|&x| narrow(x)).collect::<Option<Vec<f32>>>();
        if let [term] = &affine.terms[..] {
            for_each_row(&term.map, &narrow_all(term.source)?, finish)?;
        } else {
            let mut rows: Vec<Vec<(f32, f32)>> = vec![Vec::new(); affine.bias.len()];
            for term in &affine.terms {
                for_each_row(&term.map, &narrow_all(term.source)?, |i, products| rows[i].extend(products))?;
            }
            rows.iter().enumerate().for_each(|(i, products)| finish(i, products));
        }
        is_known.then_some(out)
    }
}

/// Calls `f(output, products (w, x))` for every output of a map, in the order of the inputs. `None` when a weight is
/// no `f32`.
fn for_each_row(map: &LinearMap, x: &[f32], mut f: impl FnMut(usize, &[(f32, f32)])) -> Option<()> {
    match map {
        LinearMap::Identity(n) => (0..*n).for_each(|i| f(i, &[(1.0, x[i])])),
        LinearMap::Dense(w) => {
            let mut products = Vec::with_capacity(x.len());
            for (i, row) in w.rows().into_iter().enumerate() {
                products.clear();
                for (&w, &x) in row.iter().zip(x) {
                    products.push((narrow(w)?, x));
                }
                f(i, &products);
            }
        }
        LinearMap::Conv2d(conv) => {
            // All products of an output follow each other; one that lies in the padding alone has none.
            let mut rows = vec![false; conv.output_len()];
            let mut products: Vec<(f32, f32)> = Vec::new();
            let mut current = None;
            let mut is_known = true;
            conv.for_each_product(|out, input, w| {
                if let Some(last) = current.filter(|last| *last != out) {
                    f(last, &products);
                    products.clear();
                }
                current = Some(out);
                rows[out] = true;
                match narrow(w) {
                    Some(w) => products.push((w, x[input])),
                    None => is_known = false,
                }
            });
            if let Some(last) = current {
                f(last, &products);
            }
            rows.iter().enumerate().filter(|(_, seen)| !**seen).for_each(|(i, _)| f(i, &[]));
            return is_known.then_some(());
        }
        LinearMap::Diagonal(d) => {
            for (i, &x) in x.iter().enumerate() {
                f(i, &[(float32(d, i)?, x)]);
            }
        }
        LinearMap::Select { index, .. } => {
            for (i, j) in index.iter().enumerate() {
                match j {
                    Some(j) => f(i, &[(1.0, x[*j])]),
                    None => f(i, &[]),
                }
            }
        }
    }
    Some(())
}

/// An affine node whose results are exact, evaluated so; `None` when floats do not hold them.
fn exactly(affine: &Affine, values: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut out = affine.bias.values().to_vec();
    if !affine.bias.is_exact() {
        return None;
    }
    for term in &affine.terms {
        let x = &values[term.source];
        for (i, sum) in out.iter_mut().enumerate() {
            let more = match &term.map {
                LinearMap::Identity(_) => x[i],
                LinearMap::Select { index, .. } => index[i].map_or(0.0, |j| x[j]),
                LinearMap::Diagonal(d) if d.is_exact() && matches!(d.values()[i], -1.0 | 0.0 | 1.0) => {
                    d.values()[i] * x[i]
                }
                _ => return None,
            };
            *sum = if *sum == 0.0 {
                more
            } else if more == 0.0 {
                *sum
            } else {
                exact_sum(*sum, more)?
            };
        }
    }
    Some(out)
}
