//! The network that a proof is about: a graph of inputs, affine nodes and activations, number by number.

use super::lanes::{Lanes, TINY};
use super::number::{Number, add_down, add_up, enclose, gamma, mul_up, nearest, underflow};
use super::text::{Reader, Refusal, Words, float, number, shown};
use dashu_ratio::RBig;
use std::io::BufRead;

/// Neurons of all nodes together, at most: what a short file can make a checker hold.
const MOST_NEURONS: usize = 1 << 23;

/// Pieces of an activation, at most.
const MOST_PIECES: usize = 64;

/// A feed-forward network in normal form.
#[derive(Debug)]
pub struct Network {
    pub(super) nodes: Vec<Node>,
    pub(super) output: usize,
}

impl Network {
    /// Number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.nodes.first().map_or(0, |node| node.len)
    }

    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.nodes[self.output].len
    }
}

/// A vector of `len` numbers.
#[derive(Debug)]
pub(super) struct Node {
    pub len: usize,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Input,
    /// `Σ W x + b`.
    Affine {
        terms: Vec<Term>,
        bias: Table,
    },
    /// A function given by its pieces, neuron by neuron.
    Activation {
        source: usize,
        pieces: Vec<Piece>,
    },
}

/// `W x` for another node's `x`.
#[derive(Debug)]
pub(super) struct Term {
    pub source: usize,
    pub map: Map,
}

/// A matrix, outputs × inputs.
#[derive(Debug)]
pub(super) enum Map {
    Identity,
    /// Row after row, all entries.
    Dense {
        inputs: usize,
        weights: Table,
    },
    /// Row after row, some entries: row `i` has those from `starts[i]` on.
    Sparse {
        starts: Vec<usize>,
        inputs: Vec<usize>,
        weights: Table,
    },
}

/// `y = slope · z + intercept` between two ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub from: f64,
    pub to: f64,
    pub from_closed: bool,
    pub to_closed: bool,
    pub slope: f64,
    pub intercept: f64,
}

/// Numbers, most of them floats.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The numbers, or floats near to them.
    pub near: Vec<f64>,
    /// Those that are no floats, by index.
    pub others: Vec<(usize, Other)>,
}

/// A number that is no float.
#[derive(Debug)]
pub(super) struct Other {
    /// How far it is from the float at most.
    pub radius: f64,
    /// The number itself, where it is known.
    pub exact: Option<RBig>,
}

impl Table {
    /// Takes a number: `p/q` and the like, or `lo~hi` for some number between two.
    fn push(&mut self, words: &Words<'_>, word: &str) -> Result<(), Refusal> {
        let wrong = || words.error(format!("`{}` is no number", shown(word)));
        if let Some(x) = float(word) {
            self.near.push(x);
            return Ok(());
        }
        let (low, high) = word.split_once('~').unwrap_or((word, word));
        let (low, high) = (number(low).ok_or_else(wrong)?, number(high).ok_or_else(wrong)?);
        if low > high {
            return Err(words.error(format!("`{}` holds no number", shown(word))));
        }
        let around = (enclose(&low).0, enclose(&high).1);
        let near = if low == high { nearest(&low) } else { 0.5 * around.0 + 0.5 * around.1 };
        if !near.is_finite() || !around.0.is_finite() || !around.1.is_finite() {
            return Err(words.error(format!("`{}` is beyond the floats", shown(word))));
        }
        let radius = add_up(near, -around.0).max(add_up(around.1, -near));
        if radius > 0.0 {
            let exact = (low == high).then_some(low);
            self.others.push((self.near.len(), Other { radius, exact }));
        }
        self.near.push(near);
        Ok(())
    }

    /// What there is to be said of number `i`, where it is no float.
    #[inline]
    fn other(&self, i: usize) -> Option<&Other> {
        if self.others.is_empty() {
            return None;
        }
        let at = self.others.binary_search_by_key(&i, |(index, _)| *index).ok()?;
        Some(&self.others[at].1)
    }

    /// The least that number `i` may be, or the largest.
    #[inline]
    pub fn end<N: Number>(&self, i: usize, lower: bool) -> Option<N> {
        let Some(other) = self.other(i) else { return Some(N::of(self.near[i])) };
        let rounded = if lower { add_down(self.near[i], -other.radius) } else { add_up(self.near[i], other.radius) };
        rounded.is_finite().then(|| N::end(|| other.exact.clone(), rounded))
    }
}

impl Other {
    /// `out += a · (number − near)` for `|x| ≤ reach`: added exactly, or charged.
    fn correct<L: Lanes>(&self, near: f64, out: &mut L, a: &L, reach: f64, sum: &mut L::Sum) {
        match self.exact.as_ref().filter(|_| !L::ROUNDS) {
            Some(exact) => out.correct(a, &(exact - RBig::of(near)), sum),
            None => a.charge(sum, 1.0, mul_up(self.radius, reach), TINY),
        }
    }
}

impl Map {
    /// The places in the table that row `i` has.
    fn row(&self, i: usize) -> std::ops::Range<usize> {
        match self {
            Self::Identity => 0..0,
            Self::Dense { inputs, .. } => i * inputs..(i + 1) * inputs,
            Self::Sparse { starts, .. } => starts[i]..starts[i + 1],
        }
    }

    /// Row and column of an entry of the table.
    fn place(&self, entry: usize) -> (usize, usize) {
        match self {
            Self::Identity => (entry, entry),
            Self::Dense { inputs, .. } => (entry / inputs, entry % inputs),
            Self::Sparse { starts, inputs, .. } => (starts.partition_point(|&s| s <= entry) - 1, inputs[entry]),
        }
    }

    fn weights(&self) -> Option<&Table> {
        match self {
            Self::Identity => None,
            Self::Dense { weights, .. } | Self::Sparse { weights, .. } => Some(weights),
        }
    }

    /// `out += a W`, rounded to the nearest; what numbers lose that are no floats is charged, where `|x_j| ≤ reach(j)`.
    pub fn pull_back<L: Lanes>(&self, a: &[L], out: &mut [L], reach: &dyn Fn(usize) -> f64, sum: &mut L::Sum) {
        match self {
            Self::Identity => out.iter_mut().zip(a).for_each(|(out, a)| out.accumulate(a, 1.0)),
            Self::Dense { inputs, weights } => {
                let rows = a.iter().zip(weights.near.chunks_exact(*inputs)).filter(|(a, _)| !a.is_zero());
                // Two at a time, so that half as much is loaded and stored.
                for two in rows.collect::<Vec<_>>().chunks(2) {
                    let ((a, row), more) = (two[0], two.get(1));
                    match more {
                        None => out.iter_mut().zip(row).for_each(|(out, &w)| out.accumulate(a, w)),
                        Some((b, other)) => out.iter_mut().zip(row).zip(*other).for_each(|((out, &w), &v)| {
                            let mut sum = std::mem::replace(out, L::zero());
                            sum.accumulate(a, w);
                            sum.accumulate(b, v);
                            *out = sum;
                        }),
                    }
                }
            }
            Self::Sparse { inputs, weights, .. } => {
                for (i, a) in a.iter().enumerate().filter(|(_, a)| !a.is_zero()) {
                    let row = self.row(i);
                    for (&j, &w) in inputs[row.clone()].iter().zip(&weights.near[row]) {
                        out[j].accumulate(a, w);
                    }
                }
            }
        }
        let Some(table) = self.weights() else { return };
        for (entry, other) in &table.others {
            let (i, j) = self.place(*entry);
            other.correct(table.near[*entry], &mut out[j], &a[i], reach(j), sum);
        }
    }

    /// For each row an upper bound of `Σ |w_j| reach(j)`.
    pub fn magnitudes(&self, rows: usize, reach: &dyn Fn(usize) -> f64) -> Vec<f64> {
        let of_row = |i: usize| {
            let Some(table) = self.weights() else { return reach(i) };
            let entries = self.row(i);
            let n = entries.len();
            // Non-negative products: their float sum is off by γ of the sum itself.
            let sum: f64 = entries.map(|e| table.near[e].abs() * reach(self.place_in(i, e))).sum();
            add_up(mul_up(sum, 1.0 + 2.0 * gamma(2 * n)), underflow(n))
        };
        (0..rows).map(of_row).collect()
    }

    /// `sum += sign · W_i x` at least, where ends and reach of every `x_j` are known.
    pub fn add_row<L: Lanes>(
        &self,
        i: usize,
        sign: &L,
        x: &impl Fn(usize, bool) -> Option<L::Number>,
        reach: &dyn Fn(usize) -> f64,
        sum: &mut L::Sum,
    ) {
        let Some(table) = self.weights() else { return sign.add_end(sum, |lower| x(i, lower)) };
        for entry in self.row(i) {
            let (mut a, j) = (L::zero(), self.place_in(i, entry));
            a.accumulate(sign, table.near[entry]);
            if let Some(other) = table.other(entry) {
                other.correct(table.near[entry], &mut a, sign, reach(j), sum);
            }
            a.add_end(sum, |lower| x(j, lower));
        }
    }

    /// The column of an entry of row `i`.
    fn place_in(&self, i: usize, entry: usize) -> usize {
        match self {
            Self::Identity => i,
            Self::Dense { inputs, .. } => entry - i * inputs,
            Self::Sparse { inputs, .. } => inputs[entry],
        }
    }
}

/// Reads a network in the normal form of `docs/certificates.md`.
///
/// # Errors
/// The first line that is not understood.
pub fn read_network(source: impl BufRead) -> Result<Network, Refusal> {
    let mut reader = Reader::new(source, "network");
    reader.exactly("absint network 1")?;
    let mut words = reader.expect()?;
    words.exactly("input")?;
    let len = words.index(MOST_NEURONS)?;
    words.end()?;
    if len == 0 {
        return Err(reader.error("there is no input"));
    }
    let mut nodes = vec![Node { len, kind: Kind::Input }];
    let mut neurons = len;
    loop {
        let mut words = reader.expect()?;
        let node = match words.word()? {
            "affine" => {
                words.end()?;
                read_affine(&mut reader, &nodes)?
            }
            "activation" => {
                let source = words.index(nodes.len())?;
                let count = words.index(MOST_PIECES + 1)?;
                words.end()?;
                let pieces = (0..count).map(|_| read_piece(reader.expect()?)).collect::<Result<Vec<_>, _>>()?;
                let reader = &reader;
                covers_the_line(&pieces).ok_or_else(|| reader.error("the pieces do not cover every number once"))?;
                Node { len: nodes[source].len, kind: Kind::Activation { source, pieces } }
            }
            "output" => {
                let output = words.index(nodes.len())?;
                words.end()?;
                return match reader.next()? {
                    None => Ok(Network { nodes, output }),
                    Some(words) => Err(words.error("nothing may follow the output")),
                };
            }
            other => return Err(words.error(format!("`{}` is no node", shown(other)))),
        };
        neurons = neurons.saturating_add(node.len);
        if neurons > MOST_NEURONS {
            return Err(reader.error(format!("more than {MOST_NEURONS} neurons")));
        }
        nodes.push(node);
    }
}

/// The bias on one line, which says how many outputs there are; then the terms.
fn read_affine<R: BufRead>(reader: &mut Reader<R>, nodes: &[Node]) -> Result<Node, Refusal> {
    let mut words = reader.expect()?;
    words.exactly("bias")?;
    let mut bias = Table::default();
    while let Some(word) = words.next() {
        bias.push(&words, word)?;
    }
    let len = bias.near.len();
    if len == 0 {
        return Err(words.error("a node has no neuron"));
    }
    let mut terms = Vec::new();
    loop {
        let mut words = reader.expect()?;
        let kind = words.word()?;
        if kind == "end" {
            words.end()?;
            return Ok(Node { len, kind: Kind::Affine { terms, bias } });
        }
        let source = words.index(nodes.len())?;
        let inputs = nodes[source].len;
        let map = match kind {
            "identity" if inputs == len => Map::Identity,
            "dense" => read_dense(reader, inputs, len)?,
            "sparse" => read_sparse(reader, inputs, len)?,
            other => return Err(words.error(format!("`{}` is no term that fits here", shown(other)))),
        };
        terms.push(Term { source, map });
    }
}

fn read_dense<R: BufRead>(reader: &mut Reader<R>, inputs: usize, outputs: usize) -> Result<Map, Refusal> {
    let mut weights = Table::default();
    for _ in 0..outputs {
        let mut words = reader.expect()?;
        for _ in 0..inputs {
            let word = words.word()?;
            weights.push(&words, word)?;
        }
        words.end()?;
    }
    Ok(Map::Dense { inputs, weights })
}

fn read_sparse<R: BufRead>(reader: &mut Reader<R>, inputs: usize, outputs: usize) -> Result<Map, Refusal> {
    let (mut starts, mut columns, mut weights) = (vec![0], Vec::new(), Table::default());
    // For each input the last row that names it: a sum over rows is charged for one product of each.
    let mut named_by = vec![usize::MAX; inputs];
    for row in 0..outputs {
        let mut words = reader.expect()?;
        words.exactly("row")?;
        while let Some(word) = words.next() {
            let column = word.parse().ok().filter(|&j: &usize| j < inputs);
            let column = column.ok_or_else(|| words.error(format!("`{}` is no column", shown(word))))?;
            if std::mem::replace(&mut named_by[column], row) == row {
                return Err(words.error(format!("column {column} stands twice in a row")));
            }
            columns.push(column);
            let word = words.word()?;
            weights.push(&words, word)?;
        }
        starts.push(columns.len());
    }
    Ok(Map::Sparse { starts, inputs: columns, weights })
}

/// `piece FROM TO SLOPE INTERCEPT`, an end being `-inf`, `+inf`, or a number with `[` or `(` before it, `]` or `)` behind.
fn read_piece(mut words: Words<'_>) -> Result<Piece, Refusal> {
    words.exactly("piece")?;
    let (from, to) = (words.word()?, words.word()?);
    let end = |word: &str, infinite: &str, value: f64, open: char, closed: char| {
        if word == infinite {
            return Some((value, false));
        }
        let is_end = |c: char| c == open || c == closed;
        let number = if value < 0.0 { word.strip_prefix(is_end) } else { word.strip_suffix(is_end) };
        Some((float(number?)?, word.contains(closed)))
    };
    let wrong = |word: &str| words.error(format!("`{}` is no end of a piece", shown(word)));
    let (from, from_closed) = end(from, "-inf", f64::NEG_INFINITY, '(', '[').ok_or_else(|| wrong(from))?;
    let (to, to_closed) = end(to, "+inf", f64::INFINITY, ')', ']').ok_or_else(|| wrong(to))?;
    let mut value = || {
        let word = words.word()?;
        float(word).ok_or_else(|| words.error(format!("`{}` is no float", shown(word))))
    };
    let (slope, intercept) = (value()?, value()?);
    words.end()?;
    Ok(Piece { from, to, from_closed, to_closed, slope, intercept })
}

/// Whether the pieces stand from left to right and every number lies on one of them; where two meet and both are closed
/// the function has one value.
fn covers_the_line(pieces: &[Piece]) -> Option<()> {
    let (first, last) = (pieces.first()?, pieces.last()?);
    let meets = |pair: &[Piece]| {
        let (a, b) = (pair[0], pair[1]);
        let value = |p: Piece| RBig::of(p.slope) * RBig::of(p.from.max(a.to)) + RBig::of(p.intercept);
        let left = RBig::of(a.slope) * RBig::of(a.to) + RBig::of(a.intercept);
        a.to == b.from
            && (a.to_closed || b.from_closed)
            && (!(a.to_closed && b.from_closed) || left == value(Piece { from: a.to, ..b }))
    };
    let is_whole = first.from == f64::NEG_INFINITY && last.to == f64::INFINITY;
    let is_ordered = pieces.iter().all(|p| p.from < p.to || (p.from == p.to && p.from_closed && p.to_closed));
    (is_whole && is_ordered && pieces.windows(2).all(meets)).then_some(())
}
