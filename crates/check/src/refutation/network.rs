//! The network that a proof is about: a graph of inputs, affine nodes and activations, number by number.

use super::lanes::{Lanes, TINY};
use super::number::{Number, add_down, add_up, enclose, gamma, mul_up, nearest};
use super::text::{Reader, Refusal, Words, float, number, shown};
use dashu_ratio::RBig;
use std::io::BufRead;

/// Neurons of all nodes together, at most: what a short file can make a checker hold.
const MOST_NEURONS: usize = 1 << 22;
const TOO_MANY: &str = "more than 4194304 neurons";
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

    /// A neuron: the node, and its index there.
    pub(super) fn neuron(&self, words: &mut Words<'_>) -> Result<(usize, usize), Refusal> {
        let node = words.index(self.nodes.len())?;
        Ok((node, words.index(self.nodes[node].len)?))
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

/// How large a neuron is at most.
type Reach<'a> = dyn Fn(usize) -> f64 + 'a;

/// `W x` for another node's `x`.
#[derive(Debug)]
pub(super) struct Term {
    pub source: usize,
    pub map: Map,
}

/// A matrix, outputs × inputs: row `i` has the entries from `starts[i]` to `starts[i + 1]`.
#[derive(Debug)]
pub(super) struct Map {
    starts: Vec<usize>,
    /// The columns of the entries; `None` where every row has all of them.
    columns: Option<Vec<usize>>,
    weights: Table,
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

impl Piece {
    /// The value at a finite number.
    pub fn value(&self, z: f64) -> RBig {
        RBig::of(self.slope) * RBig::of(z) + RBig::of(self.intercept)
    }
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
    fn push(&mut self, words: &mut Words<'_>) -> Result<(), Refusal> {
        let word = words.word()?;
        if let Some(x) = float(word) {
            self.near.push(x);
            return Ok(());
        }
        let (low, high) = word.split_once('~').unwrap_or((word, word));
        let ends = number(low).zip(number(high)).filter(|(low, high)| low <= high);
        let (low, high) = ends.ok_or_else(|| words.error(format!("`{}` is no number", shown(word))))?;
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

    /// The least that number `i` may be, and the largest.
    pub fn ends<N: Number>(&self, i: usize) -> [Option<N>; 2] {
        let Ok(at) = self.others.binary_search_by_key(&i, |(index, _)| *index) else {
            return [Some(N::of(self.near[i])), Some(N::of(self.near[i]))];
        };
        let other = &self.others[at].1;
        let rounded = [add_down(self.near[i], -other.radius), add_up(self.near[i], other.radius)];
        rounded.map(|end| end.is_finite().then(|| N::end(|| other.exact.clone(), end)))
    }
}

impl Other {
    /// `out += a · (number − near)` for `|x| ≤ reach`: added exactly, or charged.
    fn correct<L: Lanes>(&self, near: f64, out: &mut L, a: &L, reach: f64, sum: &mut L::Sum) {
        match self.exact.as_ref().filter(|_| !L::ROUNDS) {
            Some(exact) => out.correct(a, &(exact - RBig::of(near))),
            None => a.charge(sum, 1.0, mul_up(self.radius, reach), TINY),
        }
    }
}

/// `out += a W` for four rows at once, so that less is loaded and stored.
#[inline(always)]
fn accumulate_four<L: Lanes>(out: &mut [L], a: [&L; 4], [w, x, y, z]: [&[f64]; 4]) {
    for (out, (((&w, &x), &y), &z)) in out.iter_mut().zip(w.iter().zip(x).zip(y).zip(z)) {
        let mut sum = std::mem::replace(out, L::of(|_| 0.0));
        a.iter().zip([w, x, y, z]).for_each(|(a, w)| sum.accumulate(a, w));
        *out = sum;
    }
}

impl Map {
    fn identity(len: usize) -> Self {
        let weights = Table { near: vec![1.0; len], others: Vec::new() };
        Self { starts: (0..=len).collect(), columns: Some((0..len).collect()), weights }
    }

    /// The entries of row `i`, and their columns.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, usize)> {
        let start = self.starts[i];
        (start..self.starts[i + 1]).map(move |entry| (entry, self.column(start, entry)))
    }

    /// The column of an entry of the row that begins with the entry `start`.
    fn column(&self, start: usize, entry: usize) -> usize {
        self.columns.as_ref().map_or(entry - start, |columns| columns[entry])
    }

    /// `out += a W` for the coefficients that are not zero, rounded to the nearest; what numbers lose that are no floats is
    /// charged, where `|x_j| ≤ reach(j)`.
    #[inline(always)]
    pub fn pull_back<L: Lanes>(&self, a: &[(usize, &L)], out: &mut [L], reach: &Reach<'_>, sum: &mut L::Sum) {
        let entries = |i: usize| self.starts[i]..self.starts[i + 1];
        if let Some(columns) = &self.columns {
            for &(i, a) in a {
                for (&j, &w) in columns[entries(i)].iter().zip(&self.weights.near[entries(i)]) {
                    out[j].accumulate(a, w);
                }
            }
        } else {
            let (fours, rest) = a.as_chunks::<4>();
            for four in fours {
                let (a, weights) = (four.map(|(_, a)| a), four.map(|(i, _)| &self.weights.near[entries(i)]));
                // One float of each row stays in a register; many, which would not, are read where they are.
                if size_of::<L>() == size_of::<f64>() {
                    accumulate_four(out, a.map(L::clone).each_ref(), weights);
                } else {
                    accumulate_four(out, a, weights);
                }
            }
            for &(i, a) in rest {
                let row = &self.weights.near[entries(i)];
                out.iter_mut().zip(row).for_each(|(out, &w)| out.accumulate(a, w));
            }
        }
        let others = &self.weights.others;
        let first = |entry: usize| others.partition_point(|(at, _)| *at < entry);
        for &(i, a) in a.iter().filter(|_| !others.is_empty()) {
            for (entry, other) in &others[first(self.starts[i])..first(self.starts[i + 1])] {
                let j = self.column(self.starts[i], *entry);
                other.correct(self.weights.near[*entry], &mut out[j], a, reach(j), sum);
            }
        }
    }

    /// `a · w` for the weight of an entry, whose neuron is no larger than `reach`.
    pub fn product<L: Lanes>(&self, entry: usize, a: &L, reach: f64, sum: &mut L::Sum) -> L {
        let (mut out, Table { near, others }) = (L::of(|_| 0.0), &self.weights);
        out.accumulate(a, near[entry]);
        if let Ok(at) = others.binary_search_by_key(&entry, |(at, _)| *at) {
            others[at].1.correct(near[entry], &mut out, a, reach, sum);
        }
        out
    }

    /// For each row an upper bound of `Σ |w_j| reach(j)`.
    pub fn magnitudes(&self, reach: &Reach<'_>) -> Vec<f64> {
        let of_row = |i: usize| {
            let n = self.starts[i + 1] - self.starts[i];
            // Non-negative products: their float sum is off by γ of the sum itself.
            let sum: f64 = self.row(i).map(|(entry, j)| self.weights.near[entry].abs() * reach(j)).sum();
            add_up(mul_up(sum, 1.0 + 2.0 * gamma(2 * n)), mul_up(TINY, n as f64))
        };
        (0..self.starts.len() - 1).map(of_row).collect()
    }
}

/// Reads a network in the normal form of `docs/certificates.md`.
/// The first line that is not understood is an error.
pub fn read_network(source: impl BufRead) -> Result<Network, Refusal> {
    let mut reader = Reader::new(source, "network", '#');
    reader.begin()?;
    let mut words = reader.expect()?;
    words.exactly("input")?;
    let count = |word: &str| word.parse().ok().filter(|len| (1..MOST_NEURONS).contains(len));
    let len = words.read(count, "number of inputs")?;
    words.end()?;
    let mut nodes = vec![Node { len, kind: Kind::Input }];
    let mut room = MOST_NEURONS - len;
    loop {
        let mut words = reader.expect()?;
        let node = match words.word()? {
            "affine" => {
                words.end()?;
                read_affine(&mut reader, &nodes, &mut room)?
            }
            "activation" => {
                let source = words.index(nodes.len())?;
                let count = words.index(MOST_PIECES + 1)?;
                words.end()?;
                let pieces = (0..count).map(|_| read_piece(reader.expect()?)).collect::<Result<Vec<_>, _>>()?;
                if !covers_the_line(&pieces) {
                    return Err(reader.error("the pieces do not cover every number once"));
                }
                Node { len: nodes[source].len, kind: Kind::Activation { source, pieces } }
            }
            "output" => {
                let output = words.index(nodes.len())?;
                words.end()?;
                reader.finish("nothing may follow the output")?;
                return Ok(Network { nodes, output });
            }
            other => return Err(words.error(format!("`{}` is no node", shown(other)))),
        };
        room = room.checked_sub(node.len).ok_or_else(|| reader.error(TOO_MANY))?;
        nodes.push(node);
    }
}

/// The bias on one line, which says how many outputs there are; then the terms, of which copies take room as neurons do.
fn read_affine<R: BufRead>(reader: &mut Reader<R>, nodes: &[Node], room: &mut usize) -> Result<Node, Refusal> {
    let mut words = reader.expect()?;
    words.exactly("bias")?;
    let mut bias = Table::default();
    while words.peek().is_some() {
        bias.push(&mut words)?;
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
            "identity" if inputs == len => {
                *room = room.checked_sub(len).ok_or_else(|| reader.error(TOO_MANY))?;
                Map::identity(len)
            }
            "dense" | "sparse" => {
                let columns = (kind == "sparse").then(Vec::new);
                read_map(reader, inputs, len, columns)?
            }
            other => return Err(words.error(format!("`{}` is no term that fits here", shown(other)))),
        };
        terms.push(Term { source, map });
    }
}

/// The rows of a matrix: all entries of each, or where `columns` are to be taken down some, each behind its column.
fn read_map<R: BufRead>(
    reader: &mut Reader<R>,
    inputs: usize,
    outputs: usize,
    columns: Option<Vec<usize>>,
) -> Result<Map, Refusal> {
    let mut map = Map { starts: vec![0], columns, weights: Table::default() };
    for _ in 0..outputs {
        let mut words = reader.expect()?;
        if let Some(columns) = &mut map.columns {
            let start = columns.len();
            words.exactly("row")?;
            while words.peek().is_some() {
                columns.push(words.index(inputs)?);
                map.weights.push(&mut words)?;
            }
            // A sum over rows is charged for one product of each.
            let mut sorted = columns[start..].to_vec();
            sorted.sort_unstable();
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(words.error(format!("column {} stands twice in a row", pair[0])));
            }
        } else {
            for _ in 0..inputs {
                map.weights.push(&mut words)?;
            }
        }
        words.end()?;
        map.starts.push(map.weights.near.len());
    }
    Ok(map)
}

/// `piece FROM TO SLOPE INTERCEPT`, an end being `-inf`, `+inf`, or a number with `[` or `(` before it, `]` or `)` behind.
fn read_piece(mut words: Words<'_>) -> Result<Piece, Refusal> {
    words.exactly("piece")?;
    let end = |word: &str, infinite: &str, value: f64, open: char, closed: char| {
        if word == infinite {
            return Some((value, false));
        }
        let is_end = |c: char| c == open || c == closed;
        let number = if value < 0.0 { word.strip_prefix(is_end) } else { word.strip_suffix(is_end) };
        Some((float(number?)?, word.contains(closed)))
    };
    let (from, from_closed) = words.read(|word| end(word, "-inf", f64::NEG_INFINITY, '(', '['), "end of a piece")?;
    let (to, to_closed) = words.read(|word| end(word, "+inf", f64::INFINITY, ')', ']'), "end of a piece")?;
    let (slope, intercept) = (words.float()?, words.float()?);
    words.end()?;
    Ok(Piece { from, to, from_closed, to_closed, slope, intercept })
}

/// Whether the pieces stand from left to right, each number on one, or on two closed ones where they meet with one value.
fn covers_the_line(pieces: &[Piece]) -> bool {
    let meets = |pair: &[Piece]| {
        let [a, b] = [&pair[0], &pair[1]];
        let is_once = a.to_closed != b.from_closed || (a.to_closed && a.value(a.to) == b.value(a.to));
        a.to == b.from && is_once
    };
    let is_some = |p: &Piece| p.from < p.to || (p.from == p.to && p.from_closed && p.to_closed);
    let is_whole = pieces
        .first()
        .zip(pieces.last())
        .is_some_and(|(first, last)| first.from == f64::NEG_INFINITY && last.to == f64::INFINITY);
    is_whole && pieces.iter().all(is_some) && pieces.windows(2).all(meets)
}
