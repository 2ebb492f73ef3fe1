//! The operators of the file, before anything was folded, evaluated in float32 in a chosen order.

use super::{Operator, Order};
use crate::activation::{Activate, Piece};
use crate::network::node::{is_part, used};
use crate::network::{Affine, Coefficients, LinearMap, Node, NodeId, NodeKind, Term};
use crate::num::{Rational, exact, nearest};
use std::collections::HashMap;

/// The network as it was built: every operator a node of its own.
#[derive(Clone, Debug)]
pub(crate) struct Original {
    nodes: Vec<Node>,
    output: NodeId,
    operators: HashMap<NodeId, Operator>,
    /// What a query multiplies: inputs count from 0, then outputs, then the products before.
    products: Vec<[usize; 2]>,
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

impl Original {
    pub(crate) fn new(nodes: &[Node], output: NodeId, operators: HashMap<NodeId, Operator>) -> Self {
        Self { nodes: nodes.to_vec(), output, operators, products: Vec::new() }
    }

    /// The same with products of inputs, outputs and products before them as further outputs.
    pub(crate) fn with_products(&self, products: &[[usize; 2]]) -> Self {
        Self { products: products.to_vec(), ..self.clone() }
    }

    /// Whether every operator at most copies numbers or puts zero in their place, which no float type rounds.
    pub(crate) fn copies(&self) -> bool {
        let is_copied = |i: usize, affine: &Affine| {
            let sources = affine.terms.iter().map(|term| {
                let copies = term.map.copies().filter(|_| term.map.is_exact())?;
                let factor = if copies.source(i).is_some() { copies.factor(i) } else { 0.0 };
                (factor == 0.0 || factor == 1.0).then_some(factor)
            });
            sources.sum::<Option<f64>>().is_some_and(|sum| sum <= 1.0)
        };
        let used = used(&self.nodes, self.output);
        self.nodes.iter().enumerate().filter(|(id, _)| used[*id]).all(|(id, node)| match &node.kind {
            NodeKind::Input => true,
            NodeKind::Affine(affine) => {
                let is_plain = affine.bias.is_zero()
                    && affine.rounding.is_exact()
                    && matches!(self.operators.get(&id), None | Some(Operator::Choice));
                is_plain && (0..node.len).all(|i| is_copied(i, affine))
            }
            NodeKind::Activation(activation) => activation.function.pieces().is_some_and(|pieces| {
                let is_zero = |end: f64| end == 0.0 || end.is_infinite();
                let copies = |p: &Piece| [0.0, 1.0].contains(&p.slope) && p.intercept == 0.0;
                pieces.iter().all(|p| copies(p) && is_zero(p.from) && is_zero(p.to))
            }),
            NodeKind::Product(_) => false,
        })
    }

    /// The members in one graph, which `join` makes of their nodes and outputs: its nodes, its output, and how far the
    /// nodes of each member have moved.
    pub(crate) fn joined<'a>(
        members: impl Iterator<Item = &'a Self> + Clone,
        join: impl FnOnce(Vec<(&'a [Node], NodeId)>) -> (Vec<Node>, NodeId, Vec<usize>),
    ) -> Self {
        let graphs = members.clone().map(|member| (&member.nodes[..], member.output)).collect();
        let (nodes, output, moved) = join(graphs);
        let of_member = |(member, offset): (&'a Self, usize)| {
            member.operators.iter().map(move |(id, operator)| (id + offset, operator.clone()))
        };
        let operators = members.zip(moved).flat_map(of_member).collect();
        Self { nodes, output, operators, products: Vec::new() }
    }

    /// The same behind `(x − mean_c) / std_c` for the `channel` c of each input, with these rounded to `f32`.
    pub(crate) fn after_normalisation(
        &self,
        mean: &[Rational],
        std: &[Rational],
        channel: impl Fn(usize) -> usize,
    ) -> Self {
        const ADDED: usize = 2;
        let n = self.nodes[0].len;
        let rounded =
            |of: &[Rational]| (0..n).map(|i| f64::from(nearest(&of[channel(i)]) as f32)).collect::<Vec<f64>>();
        let identity = |source, bias: Vec<f64>| {
            let terms = vec![Term { source, map: LinearMap::Identity(n).into() }];
            let affine = Affine { terms, bias: Coefficients::floats(bias), rounding: Default::default() };
            Node { len: n, kind: NodeKind::Affine(affine), name: "normalisation".into() }
        };
        let minus_mean = rounded(mean).into_iter().map(|m| -m).collect();
        let mut nodes = vec![self.nodes[0].clone(), identity(0, minus_mean), identity(1, vec![0.0; n])];
        nodes.extend(self.nodes[1..].iter().map(|node| node.clone().moved(|source| source + ADDED)));
        let mut operators: HashMap<NodeId, Operator> =
            self.operators.iter().map(|(id, operator)| (id + ADDED, operator.clone())).collect();
        operators.insert(ADDED, Operator::Quotient(Coefficients::floats(rounded(std))));
        Self { nodes, output: self.output + ADDED, operators, products: self.products.clone() }
    }

    /// The outputs of an execution, and the exact products of inputs and outputs behind them; nothing where a number is
    /// none.
    pub(crate) fn outputs(&self, x: &[f32], order: Order) -> Option<Vec<Rational>> {
        let y = self.evaluate(x, order)?;
        let mut known = x.iter().chain(&y).map(|&v| exact(f64::from(v))).collect::<Option<Vec<Rational>>>()?;
        self.products.iter().for_each(|&[a, b]| known.push(&known[a] * &known[b]));
        Some(known.split_off(x.len()))
    }

    pub(crate) fn evaluate(&self, x: &[f32], order: Order) -> Option<Vec<f32>> {
        if x.len() != self.nodes[0].len {
            return None;
        }
        let needed = used(&self.nodes, self.output);
        // Parts of a maximum are exact numbers that need not be f32.
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(self.nodes.len());
        for (id, node) in self.nodes.iter().enumerate() {
            let value = match &node.kind {
                _ if !needed[id] => Vec::new(),
                NodeKind::Input => x.iter().copied().map(f64::from).collect(),
                NodeKind::Affine(affine) => self.affine(id, affine, &values, order)?,
                // A quotient divides by what the reciprocal reads.
                NodeKind::Activation(_) if is_part(&self.nodes, id) && id != self.output => vec![f64::NAN; node.len],
                NodeKind::Activation(activation) => {
                    let (pieces, is_step) = (activation.function.pieces()?, activation.function.is_step());
                    let activated = |z: &f64| match narrow(*z) {
                        Some(z) => Some(f64::from(z.activate(pieces))),
                        // A step's value is that of its piece; of others what is no f32 is kept or lost.
                        None if is_step => Some(z.activate(pieces)),
                        None => Some(z.activate(pieces)).filter(|y| *y == 0.0 || y == z),
                    };
                    values[activation.source].iter().map(activated).collect::<Option<_>>()?
                }
                NodeKind::Product(product) if !product.is_part => return None,
                NodeKind::Product(product) => {
                    let chosen = |[a, b]: [f64; 2]| match (a, b) {
                        (0.0, _) | (_, 0.0) => 0.0,
                        (1.0, x) | (x, 1.0) => x,
                        _ => f64::NAN,
                    };
                    product.pairs(|source, i| values[source][i]).map(chosen).collect()
                }
            };
            values.push(value);
        }
        values[self.output].iter().map(|&y| narrow(y)).collect()
    }

    /// What a node divides that reads the product with a reciprocal.
    fn quotients(&self, affine: &Affine, values: &[Vec<f64>]) -> Option<Vec<f64>> {
        let [term] = &affine.terms[..] else { return None };
        let NodeKind::Product(product) = &self.nodes[term.source].kind else { return None };
        let [a, reciprocal] = &product.factors;
        let NodeKind::Activation(activation) = &self.nodes[reciprocal.source].kind else { return None };
        let entries = a.index.iter().zip(reciprocal.index.iter());
        let quotient = |(&i, &j): (&usize, &usize)| {
            // Whether a zero is negative is not kept.
            let divisor = narrow(values[activation.source][j]).filter(|divisor| *divisor != 0.0)?;
            Some(f64::from(narrow(values[a.source][i])? / divisor))
        };
        entries.map(quotient).collect()
    }

    fn affine(&self, id: NodeId, affine: &Affine, values: &[Vec<f64>], order: Order) -> Option<Vec<f64>> {
        match self.operators.get(&id) {
            Some(Operator::Choice) => return exactly(affine, values),
            Some(Operator::Division) => return self.quotients(affine, values),
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
        let mut finish = |i: usize, products: &[(f32, f32)]| match affine.bias.float32(i) {
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
    if !map.is_exact() && (0..map.output_len()).any(|i| map.radius(i).is_some_and(|(_, radius)| radius != 0.0)) {
        return None;
    }
    // All products of an output follow each other; one that lies in the padding alone has none.
    let mut seen = vec![false; map.output_len()];
    let mut products: Vec<(f32, f32)> = Vec::new();
    let mut current = None;
    let mut is_known = true;
    map.for_each_product(|output, input, w| {
        if let Some(last) = current.filter(|last| *last != output) {
            f(last, &products);
            products.clear();
        }
        current = Some(output);
        seen[output] = true;
        match narrow(w) {
            Some(w) => products.push((w, x[input])),
            None => is_known = false,
        }
    });
    if let Some(last) = current {
        f(last, &products);
    }
    seen.iter().enumerate().filter(|(_, seen)| !**seen).for_each(|(i, _)| f(i, &[]));
    is_known.then_some(())
}

/// An affine node whose results are exact, evaluated so; `None` when floats do not hold them.
fn exactly(affine: &Affine, values: &[Vec<f64>]) -> Option<Vec<f64>> {
    copied(affine, values).or_else(|| in_fractions(affine, values))
}

fn in_fractions(affine: &Affine, values: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut sums = (0..affine.bias.len()).map(|i| affine.bias.rational(i)).collect::<Option<Vec<Rational>>>()?;
    for term in &affine.terms {
        let x = values[term.source].iter().map(|&x| exact(x)).collect::<Option<Vec<Rational>>>()?;
        term.map.apply_to(&x, &mut sums)?;
    }
    sums.iter().map(|sum| Some(nearest(sum)).filter(|&y| exact(y).as_ref() == Some(sum))).collect()
}

/// What at most copies numbers, halves them and adds two, in floats.
fn copied(affine: &Affine, values: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut out = affine.bias.values().to_vec();
    if !affine.bias.is_exact() {
        return None;
    }
    for term in &affine.terms {
        let x = &values[term.source];
        let copies = term.map.copies().filter(|_| term.map.is_exact())?;
        for (i, sum) in out.iter_mut().enumerate() {
            let more = match copies.factor(i) {
                // Half of a number is exact but where it is tiny.
                w @ (-1.0 | -0.5 | 0.0 | 0.5 | 1.0) => {
                    let of = |j: usize| Some(w * x[j]).filter(|more| w == 0.0 || more / w == x[j]);
                    copies.source(i).map_or(Some(0.0), of)?
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
