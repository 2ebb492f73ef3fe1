//! What is known on a part: bounds of all neurons, the input box, the sides that neurons keep to, and slopes.

use super::form::Form;
use super::lanes::Lanes;
use super::line::{Pair, Range, around, image, is_affine};
use super::network::{Kind, Network, Table, Term};
use super::number::{Number, add_up, enclose};
use super::query::Case;
use dashu_ratio::RBig;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The slopes of a neuron's lower line, and of its upper one, where something was said.
pub(super) type Given = Option<(f64, Option<f64>)>;

/// How a change is undone.
enum Undo {
    Bounds { node: usize, i: usize, old: (f64, f64) },
    Box { i: usize, old: (RBig, RBig) },
    Slopes { node: usize, i: usize, old: Given },
    Open { node: usize, i: usize, below: bool, old: Option<f64> },
    Row,
    Empty,
}

/// Changes that are kept for being undone, at most.
const MOST_CHANGES: usize = 1 << 22;

/// A neuron is bounded again that is so near to another piece, relatively.
const NEARLY: f64 = 1e-6;

/// For each term of an affine node `Σ_j |W_ij| reach_j` of its rows, and `Σ_j reach_j`.
type Magnitudes = Vec<(Vec<f64>, f64)>;

type Cache = RefCell<Vec<Vec<Option<Pair<f64>>>>>;

/// Numbers in which there are lines.
pub(super) trait Lined: Number {
    /// The lines around neuron `i` of an activation node.
    fn lines(state: &State<'_>, id: usize, i: usize) -> Option<Pair<Self>>;
}

impl Lined for f64 {
    #[inline]
    fn lines(state: &State<'_>, id: usize, i: usize) -> Option<Pair<Self>> {
        state.lines(id, i)
    }
}

impl Lined for RBig {
    fn lines(state: &State<'_>, id: usize, i: usize) -> Option<Pair<Self>> {
        state.lines_in(id, i)
    }
}

pub(super) struct State<'a> {
    pub network: &'a Network,
    /// Of affine nodes, from bounds over the whole box.
    pub magnitudes: Vec<Magnitudes>,
    bounds: Vec<Vec<(f64, f64)>>,
    /// Ends that neurons do not reach: of a node's neuron the upper one, or the lower one.
    open: BTreeMap<(usize, usize, bool), f64>,
    ends: Vec<(RBig, RBig)>,
    /// Of activation nodes.
    slopes: Vec<Vec<Given>>,
    /// For each node the activations that read it.
    readers: Vec<Vec<usize>>,
    /// Forms that are at most zero.
    pub rows: Vec<Rc<Form>>,
    lines: Cache,
    undo: Vec<Undo>,
    /// Whether bounds exclude each other: no input is on the part.
    pub is_empty: bool,
}

impl<'a> State<'a> {
    /// The whole box of a case, every node bounded by interval arithmetic.
    pub fn new(network: &'a Network, case: &Case) -> Self {
        let ends: Vec<(RBig, RBig)> = case.lower.iter().cloned().zip(case.upper.iter().cloned()).collect();
        let is_empty = ends.iter().any(|(l, u)| l > u);
        let unknown = |len| vec![(f64::NEG_INFINITY, f64::INFINITY); len];
        let mut readers = vec![Vec::new(); network.nodes.len()];
        for (id, node) in network.nodes.iter().enumerate() {
            if let Kind::Activation { source, .. } = node.kind {
                readers[source].push(id);
            }
        }
        let mut state = Self {
            network,
            magnitudes: Vec::new(),
            bounds: network.nodes.iter().map(|node| unknown(node.len)).collect(),
            open: BTreeMap::new(),
            ends,
            slopes: network.nodes.iter().map(|node| vec![None; node.len]).collect(),
            readers,
            rows: Vec::new(),
            lines: RefCell::new(vec![Vec::new(); network.nodes.len()]),
            undo: Vec::new(),
            is_empty,
        };
        for i in 0..state.ends.len() {
            state.bounds[0][i] = (enclose(&state.ends[i].0).0, enclose(&state.ends[i].1).1);
        }
        for id in 0..network.nodes.len() {
            let mut magnitudes = Vec::new();
            if let Kind::Affine { terms, .. } = &network.nodes[id].kind {
                for term in terms {
                    let reach = |j: usize| state.reach(term.source, j);
                    let of_rows = term.map.magnitudes(network.nodes[id].len, &reach);
                    let of_all = (0..network.nodes[term.source].len).fold(0.0, |sum, j| add_up(sum, reach(j)));
                    magnitudes.push((of_rows, of_all));
                }
            }
            state.magnitudes.push(magnitudes);
            state.interval(id);
        }
        state.undo.clear();
        state
    }

    /// An upper bound of a neuron's magnitude.
    #[inline]
    pub fn reach(&self, node: usize, i: usize) -> f64 {
        let (l, u) = self.bounds[node][i];
        u.max(-l)
    }

    /// An end of a neuron's range; `None` where it is not known.
    #[inline]
    pub fn end<N: Number>(&self, node: usize, i: usize, lower: bool) -> Option<N> {
        let (l, u) = self.bounds[node][i];
        let rounded = if lower { l } else { u };
        let exact = || (node == 0).then(|| if lower { self.ends[i].0.clone() } else { self.ends[i].1.clone() });
        rounded.is_finite().then(|| N::end(exact, rounded))
    }

    /// The lines around neuron `i` of an activation node, in floats.
    #[inline]
    fn lines(&self, id: usize, i: usize) -> Option<Pair<f64>> {
        let mut lines = self.lines.borrow_mut();
        let of_node = &mut lines[id];
        of_node.resize(self.bounds[id].len(), None);
        if of_node[i].is_none() {
            of_node[i] = self.lines_in(id, i);
        }
        of_node[i].clone()
    }

    /// The same in any numbers.
    fn lines_in<N: Number>(&self, id: usize, i: usize) -> Option<Pair<N>> {
        let Kind::Activation { source, pieces } = &self.network.nodes[id].kind else { return None };
        around(pieces, self.range(*source, i), self.slopes[id][i])
    }

    /// Whether an activation sees more than one piece of itself on neuron `i` of a node, or would if this reached a little
    /// further: whoever wrote a proof with somewhat looser bounds may have bounded it, too.
    pub fn is_unstable(&self, node: usize, i: usize) -> bool {
        let (l, u) = self.bounds[node][i];
        let little = NEARLY * (1.0 + l.abs().max(u.abs()));
        let range = Range { bounds: (l - little, u + little), open: (false, false) };
        let sees_more = |&id: &usize| match &self.network.nodes[id].kind {
            Kind::Activation { pieces, .. } => !is_affine(pieces, range),
            _ => false,
        };
        self.readers[node].iter().any(sees_more)
    }

    /// Whether a bound of a neuron that is between two numbers, and so much as the first one surely, is on either side of
    /// another bound, or of an end of an activation's piece.
    pub fn is_undecided(&self, node: usize, i: usize, at_least: bool, (low, high): (f64, f64)) -> bool {
        let is_between = |at: f64| if at_least { low < at && at <= high } else { -low > at && at >= -high };
        let (l, u) = self.bounds[node][i];
        let meets = |&id: &usize| match &self.network.nodes[id].kind {
            Kind::Activation { pieces, .. } => pieces.iter().any(|piece| is_between(piece.from)),
            _ => false,
        };
        is_between(if at_least { u } else { l }) || self.readers[node].iter().any(meets)
    }

    /// Bounds the neurons of a node by those of the nodes that it reads.
    pub fn interval(&mut self, id: usize) {
        let network = self.network;
        match &network.nodes[id].kind {
            Kind::Input => {}
            Kind::Affine { terms, bias } => {
                let (both, ones) = ([1.0, -1.0], [RBig::ONE, RBig::NEG_ONE]);
                for i in 0..network.nodes[id].len {
                    let mut least = self.least(terms, bias, i, &both);
                    for side in 0..2 {
                        if self.is_undecided(id, i, side == 0, least[side]) {
                            least[side] = self.least(terms, bias, i, &ones[side])[0];
                        }
                    }
                    self.tighten(id, i, (least[0].0, -least[1].0));
                }
            }
            Kind::Activation { source, pieces } => {
                for i in 0..network.nodes[id].len {
                    self.tighten(id, i, image(pieces, self.range(*source, i)));
                }
            }
        }
    }

    /// What bounds the neuron `i` of an affine node, times these signs, from below, by the bounds of what it reads.
    fn least<L: Lanes>(&self, terms: &[Term], bias: &Table, i: usize, signs: &L) -> Vec<(f64, f64)> {
        let mut sum = L::sums(&[&RBig::ZERO]);
        signs.add_end(&mut sum, |lower| bias.end(i, lower));
        for Term { source, map } in terms {
            let end = |j: usize, lower: bool| self.end(*source, j, lower);
            map.add_row(i, signs, &end, &|j| self.reach(*source, j), &mut sum);
        }
        L::bounds(&sum)
    }

    /// Takes over bounds of a neuron where they are tighter, and what follows for its activations. NaN says nothing.
    pub fn tighten(&mut self, node: usize, i: usize, bounds: (f64, f64)) {
        if self.take_over(node, i, bounds) {
            self.follow(node, i);
        }
    }

    /// Whether they are.
    fn take_over(&mut self, node: usize, i: usize, (low, high): (f64, f64)) -> bool {
        let old = self.bounds[node][i];
        let new = (if low > old.0 { low } else { old.0 }, if high < old.1 { high } else { old.1 });
        if new != old {
            self.undo.push(Undo::Bounds { node, i, old });
            self.set(node, i, new);
        }
        new != old
    }

    /// What follows from the range of a neuron: for its activations, and for those of these.
    fn follow(&mut self, node: usize, i: usize) {
        let (network, mut changed) = (self.network, vec![node]);
        while let Some(node) = changed.pop() {
            let range = self.range(node, i);
            let (low, high) = range.bounds;
            self.empty_where(low > high || (low == high && (range.open.0 || range.open.1)));
            for at in 0..self.readers[node].len() {
                let id = self.readers[node][at];
                if let Kind::Activation { pieces, .. } = &network.nodes[id].kind
                    && self.take_over(id, i, image(pieces, range))
                {
                    changed.push(id);
                }
            }
        }
    }

    /// No input is on the part, nor on any part of it, where that is so.
    fn empty_where(&mut self, is_so: bool) {
        if is_so && !self.is_empty {
            self.is_empty = true;
            self.undo.push(Undo::Empty);
        }
    }

    #[inline]
    fn range(&self, node: usize, i: usize) -> Range {
        let bounds = self.bounds[node][i];
        let is_open = |upper: bool, end: f64| self.open.get(&(node, i, upper)) == Some(&end);
        Range { bounds, open: (is_open(false, bounds.0), is_open(true, bounds.1)) }
    }

    fn set(&mut self, node: usize, i: usize, new: (f64, f64)) {
        self.bounds[node][i] = new;
        let mut lines = self.lines.borrow_mut();
        for &id in &self.readers[node] {
            if let Some(pair) = lines[id].get_mut(i) {
                *pair = None;
            }
        }
    }

    /// Puts input `i` between other ends, which are inside its own.
    pub fn narrow(&mut self, i: usize, below: bool, at: &RBig) {
        let old = self.ends[i].clone();
        let end = if below { &mut self.ends[i].1 } else { &mut self.ends[i].0 };
        if (below && &*end > at) || (!below && &*end < at) {
            *end = at.clone();
        }
        let (l, u) = &self.ends[i];
        let is_empty = l > u;
        let bounds = (enclose(l).0, enclose(u).1);
        self.undo.push(Undo::Box { i, old });
        self.empty_where(is_empty);
        self.tighten(0, i, bounds);
    }

    /// Keeps a neuron to one side of a number, and forgets what was said of its lines.
    pub fn keep(&mut self, node: usize, i: usize, below: bool, at: &RBig) {
        for at in 0..self.readers[node].len() {
            self.set_slopes(self.readers[node][at], i, None);
        }
        let (low, high) = enclose(at);
        self.tighten(node, i, if below { (f64::NEG_INFINITY, high) } else { (low, f64::INFINITY) });
    }

    /// Leaves a number out of the range of a neuron that keeps to one side of it.
    pub fn leave_out(&mut self, node: usize, i: usize, below: bool, at: &RBig) {
        let ((low, high), bounds) = (enclose(at), self.bounds[node][i]);
        let (at, end) = if below { (high, bounds.1) } else { (low, bounds.0) };
        if at == end {
            let old = self.open.insert((node, i, below), at);
            self.undo.push(Undo::Open { node, i, below, old });
            self.set(node, i, bounds);
            self.follow(node, i);
        }
    }

    /// Sets the slopes of the lines around neuron `i` of an activation node.
    pub fn set_slopes(&mut self, node: usize, i: usize, new: Given) {
        let old = std::mem::replace(&mut self.slopes[node][i], new);
        if old == new {
            return;
        }
        self.undo.push(Undo::Slopes { node, i, old });
        if let Some(pair) = self.lines.borrow_mut()[node].get_mut(i) {
            *pair = None;
        }
    }

    /// Takes over a form that is at most zero.
    pub fn add_row(&mut self, row: Rc<Form>) {
        self.rows.push(row);
        self.undo.push(Undo::Row);
    }

    /// Where the present part begins, for [`undo`](Self::undo).
    pub fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Whether more changes are kept than may be.
    pub fn is_full(&self) -> bool {
        self.undo.len() > MOST_CHANGES
    }

    /// Forgets all changes since a mark.
    pub fn undo(&mut self, mark: usize) {
        for change in self.undo.split_off(mark).into_iter().rev() {
            match change {
                Undo::Bounds { node, i, old } => self.set(node, i, old),
                Undo::Box { i, old } => self.ends[i] = old,
                Undo::Open { node, i, below, old } => {
                    match old {
                        Some(old) => self.open.insert((node, i, below), old),
                        None => self.open.remove(&(node, i, below)),
                    };
                    self.set(node, i, self.bounds[node][i]);
                }
                Undo::Empty => self.is_empty = false,
                Undo::Row => {
                    self.rows.pop();
                }
                Undo::Slopes { node, i, old } => {
                    self.slopes[node][i] = old;
                    if let Some(pair) = self.lines.borrow_mut()[node].get_mut(i) {
                        *pair = None;
                    }
                }
            }
        }
    }

    /// Forgets how to undo: nothing made so far belongs to a part.
    pub fn settle(&mut self) {
        self.undo.clear();
    }

    /// Adds what a bound of neuron `i` of a node says, which is at most zero: `c (l − x_i)` for `c > 0`, `c (u − x_i)` for
    /// `c < 0`. `None` where there is no such bound.
    pub fn add_bound(&self, form: &mut Form, node: usize, i: usize, c: &RBig) -> Option<()> {
        form.add_constant(c * self.end::<RBig>(node, i, c > &RBig::ZERO)?);
        form.add(node, i, -c);
        Some(())
    }
}
