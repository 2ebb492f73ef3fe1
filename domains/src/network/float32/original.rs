//! The operators of the file, before anything was folded, evaluated in float32 in a chosen order.

use super::{Operator, Order, Rounding};
use crate::activation::{Activate, Piece};
use crate::network::node::used;
use crate::network::{Activation, Affine, Coefficients, LinearMap, Node, NodeId, NodeKind, Term};
use crate::num::{Interval, Rational, exact, nearest};
use itertools::Itertools;
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

    /// The outputs of the executions in one order, and the exact products of inputs and outputs behind them, each between
    /// two numbers; nothing where a number is none.
    pub(crate) fn outputs(&self, x: &[f32], order: Order, ulps: u32) -> Option<Vec<[Rational; 2]>> {
        let y = self.evaluate(x, order, ulps)?;
        let inputs = x.iter().map(|&x| Interval::point(f64::from(x)));
        let ends = |y: Interval| Some([exact(y.lo)?, exact(y.hi)?]);
        let mut known = inputs.chain(y).map(ends).collect::<Option<Vec<[Rational; 2]>>>()?;
        for &[a, b] in &self.products {
            let all = known[a].iter().flat_map(|x| known[b].iter().map(move |y| x * y));
            let (least, most) = all.minmax().into_option()?;
            known.push([least, most]);
        }
        Some(known.split_off(x.len()))
    }

    /// The outputs of the executions in one order: a number each, or between two `f32` where a function of the runtime may
    /// be off by so many units in the last place, since sums and operators are monotone in each operand.
    pub(crate) fn evaluate(&self, x: &[f32], order: Order, ulps: u32) -> Option<Vec<Interval>> {
        if x.len() != self.nodes[0].len {
            return None;
        }
        let needed = used(&self.nodes, self.output);
        // Parts of operators are exact numbers that need not be f32.
        let mut values: Vec<Vec<Interval>> = Vec::with_capacity(self.nodes.len());
        for (id, node) in self.nodes.iter().enumerate() {
            let value = match &node.kind {
                _ if !needed[id] => Vec::new(),
                NodeKind::Input => x.iter().map(|&x| Interval::point(f64::from(x))).collect(),
                NodeKind::Affine(affine) => self.affine(id, affine, &values, (order, ulps))?,
                NodeKind::Activation(activation) => activated(activation, &values[activation.source], ulps)?,
                // A runtime may fuse the products of matrices into their sums.
                NodeKind::Product(product) if !product.rounding.is_exact() && order.is_fused() => return None,
                NodeKind::Product(product) => {
                    let one = |(i, [a, b]): (usize, [Interval; 2])| match (point(a), point(b)) {
                        (Some(0.0), _) | (_, Some(0.0)) => Interval::ZERO,
                        (Some(1.0), _) => b,
                        (_, Some(1.0)) => a,
                        _ if product.rounding.is_exact() => a * b,
                        _ => float32s(product.rounding.around(i, a * b)),
                    };
                    product.pairs(|source, i| values[source][i]).enumerate().map(one).collect()
                }
            };
            // Of what overflows, or is no number, nothing is told behind it; parts are no numbers of an execution.
            let is_part = node.rounding().is_some_and(Rounding::is_part);
            let is_number = |y: &Interval| y.lo <= y.hi && y.magnitude() <= f64::from(f32::MAX);
            if !is_part && !value.iter().all(is_number) {
                return None;
            }
            values.push(value);
        }
        let narrow = |&y: &Interval| Some(float32s(y)).filter(|y| y.lo <= y.hi);
        values[self.output].iter().map(narrow).collect()
    }

    /// What a node divides that reads the product with a reciprocal.
    fn quotients(&self, affine: &Affine, values: &[Vec<Interval>]) -> Option<Vec<Interval>> {
        let [term] = &affine.terms[..] else { return None };
        let NodeKind::Product(product) = &self.nodes[term.source].kind else { return None };
        let [a, reciprocal] = &product.factors;
        let NodeKind::Activation(activation) = &self.nodes[reciprocal.source].kind else { return None };
        let entries = a.index.iter().zip(reciprocal.index.iter());
        let quotient = |(&i, &j): (&usize, &usize)| {
            let (a, divisor) = (values[a.source][i], values[activation.source][j]);
            match (float32(a), float32(divisor)) {
                // Whether a zero is negative is not kept.
                (_, Some(0.0)) => None,
                (Some(a), Some(divisor)) => Some(Interval::point(f64::from(a / divisor))),
                _ => Some(float32s(Rounding::of_operations(1).around(0, a / divisor))),
            }
        };
        entries.map(quotient).collect()
    }

    fn affine(
        &self,
        id: NodeId,
        affine: &Affine,
        values: &[Vec<Interval>],
        (order, ulps): (Order, u32),
    ) -> Option<Vec<Interval>> {
        let operator = self.operators.get(&id);
        match operator {
            Some(Operator::Choice) => return exactly(affine, values),
            Some(Operator::Division) => return self.quotients(affine, values),
            None if affine.rounding.is_exact() => return exactly(affine, values),
            None | Some(Operator::Mean(_)) => {}
            Some(operator) if operator.alone().is_some() => {
                let exact = affine.evaluate(values, affine.bias.len())?;
                return rounded(&affine.rounding, exact, ulps);
            }
            Some(operator) => {
                let [term] = &affine.terms[..] else { return None };
                let one = |(i, &x): (usize, &Interval)| {
                    let [a, b] = ends(x)?.map(|x| operator.apply(i, x).map(f64::from));
                    Some(Interval::point(a?).join(Interval::point(b?)))
                };
                return values[term.source].iter().enumerate().map(one).collect();
            }
        }
        let mut out = vec![Interval::ALL; affine.bias.len()];
        let mut is_known = true;
        let mean = if let Some(Operator::Mean(count)) = operator { *count as f32 } else { 1.0 };
        let mut finish = |i: usize, products: &[(f32, [f32; 2])]| {
            let Some(bias) = affine.bias.float32(i) else { return is_known = false };
            // The least sum takes the lower end where the weight is positive, and the upper one else.
            let sum = |is_upper: bool| {
                let chosen = |&(w, x): &(f32, [f32; 2])| (w * mean, x[usize::from((w < 0.0) != is_upper)]);
                let products: Vec<(f32, f32)> = products.iter().map(chosen).collect();
                f64::from(if mean == 1.0 { order.dot(&products, bias) } else { order.dot(&products, 0.0) / mean })
            };
            let is_one = products.iter().all(|(_, [a, b])| a == b);
            let least = sum(false);
            out[i] = Interval::new(least, if is_one { least } else { sum(true) });
        };
        let all_ends = |source: NodeId| values[source].iter().map(|&x| ends(x)).collect::<Option<Vec<[f32; 2]>>>();
        if let [term] = &affine.terms[..] {
            for_each_row(&term.map, &all_ends(term.source)?, finish)?;
        } else {
            let mut rows: Vec<Vec<(f32, [f32; 2])>> = vec![Vec::new(); affine.bias.len()];
            for term in &affine.terms {
                for_each_row(&term.map, &all_ends(term.source)?, |i, products| rows[i].extend(products))?;
            }
            rows.iter().enumerate().for_each(|(i, products)| finish(i, products));
        }
        is_known.then_some(out)
    }
}

/// The number, where it is just one.
fn point(x: Interval) -> Option<f64> {
    (x.lo == x.hi).then_some(x.lo)
}

/// The `f32`, where it is just one.
fn float32(x: Interval) -> Option<f32> {
    point(x).and_then(narrow)
}

/// Both ends as the `f32` that they are.
fn ends(x: Interval) -> Option<[f32; 2]> {
    Some([narrow(x.lo)?, narrow(x.hi)?])
}

/// From the least to the largest `f32` of an interval, which are others where it is none.
fn float32s(x: Interval) -> Interval {
    let (lo, hi) = (x.lo as f32, x.hi as f32);
    let lo = if f64::from(lo) < x.lo { lo.next_up() } else { lo };
    let hi = if f64::from(hi) > x.hi { hi.next_down() } else { hi };
    Interval { lo: f64::from(lo), hi: f64::from(hi) }
}

/// What executions make of exact values; of parts these themselves.
fn rounded(rounding: &Rounding, exact: Vec<Interval>, ulps: u32) -> Option<Vec<Interval>> {
    let rounding = rounding.assuming(ulps);
    if rounding.is_exact() {
        return Some(exact);
    }
    let around = |(i, y): (usize, Interval)| float32s(rounding.around(i, y));
    rounding.is_known().then(|| exact.into_iter().enumerate().map(around).collect())
}

/// The values of an activation.
fn activated(activation: &Activation, z: &[Interval], ulps: u32) -> Option<Vec<Interval>> {
    let function = &*activation.function;
    let Some(pieces) = function.pieces().filter(|_| activation.rounding.is_exact()) else {
        let exact = z.iter().map(|z| function.shape().at(z)).collect::<Option<_>>()?;
        return rounded(&activation.rounding, exact, ulps);
    };
    let one = |z: &Interval| match (point(*z), float32(*z)) {
        (_, Some(z)) => Some(Interval::point(f64::from(z.activate(pieces)))),
        // A step's value is that of its piece; of others what is no f32 is kept or lost.
        (Some(z), None) => {
            Some(z.activate(pieces)).filter(|y| function.is_step() || *y == 0.0 || *y == z).map(Interval::point)
        }
        (None, None) => Some(z.activate(pieces)),
    };
    z.iter().map(one).collect()
}

/// Calls `f(output, products (w, x))` for every output of a map, in the order of the inputs. `None` when a weight is
/// no `f32`.
fn for_each_row<T: Copy>(map: &LinearMap, x: &[T], mut f: impl FnMut(usize, &[(f32, T)])) -> Option<()> {
    if !map.is_exact() && (0..map.output_len()).any(|i| map.radius(i).is_some_and(|(_, radius)| radius != 0.0)) {
        return None;
    }
    // All products of an output follow each other; one that lies in the padding alone has none.
    let mut seen = vec![false; map.output_len()];
    let mut products: Vec<(f32, T)> = Vec::new();
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

/// An affine node whose results are exact, evaluated so; enclosed where floats do not hold them or operands are only
/// enclosed.
fn exactly(affine: &Affine, values: &[Vec<Interval>]) -> Option<Vec<Interval>> {
    let points = |term: &Term| values[term.source].iter().map(|&x| point(x)).collect::<Option<Vec<f64>>>();
    let exact = affine.terms.iter().map(points).collect::<Option<Vec<_>>>();
    let exact = exact.and_then(|operands| copied(affine, &operands).or_else(|| in_fractions(affine, &operands)));
    match exact {
        Some(exact) => Some(exact.into_iter().map(Interval::point).collect()),
        None => affine.evaluate(values, affine.bias.len()),
    }
}

fn in_fractions(affine: &Affine, operands: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut sums = (0..affine.bias.len()).map(|i| affine.bias.rational(i)).collect::<Option<Vec<Rational>>>()?;
    for (term, x) in affine.terms.iter().zip(operands) {
        let x = x.iter().map(|&x| exact(x)).collect::<Option<Vec<Rational>>>()?;
        term.map.apply_to(&x, &mut sums)?;
    }
    sums.iter().map(|sum| Some(nearest(sum)).filter(|&y| exact(y).as_ref() == Some(sum))).collect()
}

/// What at most copies numbers, halves them and adds two, in floats.
fn copied(affine: &Affine, operands: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut out = affine.bias.values().to_vec();
    if !affine.bias.is_exact() {
        return None;
    }
    for (term, x) in affine.terms.iter().zip(operands) {
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
