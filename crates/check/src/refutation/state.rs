//! What is known on a part: bounds of all neurons, the input box, the sides that neurons keep to, and slopes.

use super::ball::Ball;
use super::form::Form;
use super::line::{around, between, image};
use super::network::{Kind, Network, Piece, Term};
use super::number::{Caches, Given, Lines, Number, Range, add_up, enclose};
use super::query::Case;
use dashu_ratio::RBig;
use std::cell::RefMut;
use std::rc::Rc;

/// What is known of a neuron; of one of an activation node also what was said of its lines.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Neuron {
    range: Range,
    slopes: Given,
}

/// How a change is undone.
pub(super) enum Undo {
    Neuron { node: usize, i: usize, old: Neuron },
    Ends { i: usize, old: Box<(RBig, RBig)> },
}

/// Where a part begins: how many changes and rows there were, how bounds were computed, and whether it was empty.
pub(super) type Mark = (usize, usize, bool, bool);

/// Changes that are kept for being undone, at most.
pub(super) const MOST_CHANGES: usize = 1 << 22;
/// A neuron is bounded again that is so near to another piece, relatively.
const NEARLY: f64 = 1e-6;
/// For each term of an affine node `Σ_j |W_ij| reach_j` of its rows, and `Σ_j reach_j`.
type Magnitudes = Vec<(Vec<f64>, f64)>;

pub(super) struct State<'a> {
    pub network: &'a Network,
    /// Of affine nodes, from bounds over the whole box.
    pub magnitudes: Vec<Magnitudes>,
    neurons: Vec<Vec<Neuron>>,
    ends: Vec<(RBig, RBig)>,
    pub ball: Option<&'a Ball>,
    /// For each node the activations that read it, with their pieces.
    readers: Vec<Vec<(usize, &'a [Piece])>>,
    /// Forms that are at most zero.
    pub rows: Vec<Rc<Form>>,
    lines: Caches,
    /// What changed since the first part began.
    pub undo: Vec<Undo>,
    /// Whether bounds are computed in exact rationals.
    pub is_exact: bool,
    /// Whether bounds exclude each other: no input is on the part.
    pub is_empty: bool,
}

impl<'a> State<'a> {
    /// The whole box of a case, nothing but its inputs bounded.
    pub fn new(network: &'a Network, case: &'a Case) -> Self {
        let mut readers = vec![Vec::new(); network.nodes.len()];
        for (id, node) in network.nodes.iter().enumerate() {
            if let Kind::Activation { source, pieces } = &node.kind {
                readers[*source].push((id, &pieces[..]));
            }
        }
        let range = Range::closed((f64::NEG_INFINITY, f64::INFINITY));
        let mut state = Self {
            network,
            magnitudes: Vec::new(),
            neurons: network.nodes.iter().map(|node| vec![Neuron { range, slopes: None }; node.len]).collect(),
            ends: case.ends.clone(),
            ball: case.ball.as_ref(),
            readers,
            rows: Vec::new(),
            lines: (vec![Vec::new(); network.nodes.len()].into(), vec![Vec::new(); network.nodes.len()].into()),
            undo: Vec::new(),
            is_exact: false,
            is_empty: case.ends.iter().any(|(l, u)| l > u),
        };
        for (neuron, (l, u)) in state.neurons[0].iter_mut().zip(&case.ends) {
            neuron.range.bounds = (enclose(l).0, enclose(u).1);
        }
        state
    }

    /// Takes down the magnitudes of an affine node, of which the nodes before have their bounds over the whole case.
    pub fn measure(&mut self, id: usize) {
        let of_term = |Term { source, map }: &Term| {
            let reach = |j: usize| self.reach(*source, j);
            (map.magnitudes(&reach), (0..self.network.nodes[*source].len).fold(0.0, |sum, j| add_up(sum, reach(j))))
        };
        let Kind::Affine { terms, .. } = &self.network.nodes[id].kind else { return self.magnitudes.push(Vec::new()) };
        let magnitudes = terms.iter().map(of_term).collect();
        self.magnitudes.push(magnitudes);
    }

    /// An upper bound of a neuron's magnitude.
    pub fn reach(&self, node: usize, i: usize) -> f64 {
        let (l, u) = self.neurons[node][i].range.bounds;
        u.max(-l)
    }

    /// The ends of a neuron's range; `None` where they are not known.
    pub fn ends<N: Number>(&self, node: usize, i: usize) -> [Option<N>; 2] {
        let (l, u) = self.neurons[node][i].range.bounds;
        let of_input = |end: fn(&(RBig, RBig)) -> &RBig| (node == 0).then(|| end(&self.ends[i]).clone());
        let low = l.is_finite().then(|| N::end(|| of_input(|ends| &ends.0), l));
        [low, u.is_finite().then(|| N::end(|| of_input(|ends| &ends.1), u))]
    }

    /// The lines around those neurons of an activation node that are read.
    pub fn lines<N: Number>(&self, id: usize, read: impl Iterator<Item = usize>) -> RefMut<'_, Lines<N>> {
        let mut lines = RefMut::map(N::cache(&self.lines).borrow_mut(), |lines| &mut lines[id]);
        lines.resize(self.neurons[id].len(), None);
        if let Kind::Activation { source, pieces } = &self.network.nodes[id].kind {
            for i in read {
                let (line, rests_on) = (&mut lines[i], (self.neurons[*source][i].range, self.neurons[id][i].slopes));
                if line.as_ref().is_none_or(|(known, _)| known != &rests_on) {
                    *line = Some((rests_on, around(pieces, rests_on.0, rests_on.1)));
                }
            }
        }
        lines
    }

    /// Whether an activation sees more than one piece of itself on neuron `i` of a node, or would if this reached a little
    /// further: whoever wrote a proof with somewhat looser bounds may have bounded it, too.
    pub fn is_unstable(&self, node: usize, i: usize) -> bool {
        let (l, u) = self.neurons[node][i].range.bounds;
        let little = NEARLY * (1.0 + l.abs().max(u.abs()));
        let (l, u) = (l - little, u + little);
        let is_inside = |piece: &Piece| piece.from < l && u < piece.to;
        let is_one = |pieces: &[Piece]| between(pieces, Range::closed((l, u))).len() == 1;
        self.readers[node].iter().any(|(_, pieces)| !pieces.iter().any(is_inside) && !is_one(pieces))
    }

    /// Whether a neuron's bound between two numbers may be on either side of another bound, or of an end of a piece.
    pub fn is_undecided(&self, node: usize, i: usize, at_least: bool, (low, high): (f64, f64)) -> bool {
        let is_between = |at: f64| if at_least { low < at && at <= high } else { -low > at && at >= -high };
        let (l, u) = self.neurons[node][i].range.bounds;
        let mut pieces = self.readers[node].iter().flat_map(|(_, pieces)| *pieces);
        is_between(if at_least { u } else { l }) || pieces.any(|piece| is_between(piece.from))
    }

    /// Bounds the neurons of an activation node by those that it reads.
    pub fn activate(&mut self, id: usize) {
        let Kind::Activation { source, pieces } = &self.network.nodes[id].kind else { return };
        for i in 0..self.neurons[id].len() {
            self.tighten(id, i, image(pieces, self.neurons[*source][i].range));
        }
    }

    /// Takes over ends of a neuron's range that are tighter, and what follows for its activations. NaN says nothing.
    pub fn tighten(&mut self, node: usize, i: usize, range: Range) {
        if self.take_over(node, i, range) {
            self.follow(node, i);
        }
    }

    /// Whether they are.
    fn take_over(&mut self, node: usize, i: usize, Range { bounds: (low, high), open }: Range) -> bool {
        let mut new = self.neurons[node][i];
        let known = &mut new.range;
        if low > known.bounds.0 || (low == known.bounds.0 && open.0) {
            (known.bounds.0, known.open.0) = (low, open.0);
        }
        if high < known.bounds.1 || (high == known.bounds.1 && open.1) {
            (known.bounds.1, known.open.1) = (high, open.1);
        }
        self.set(node, i, new)
    }

    /// What follows from the range of a neuron: for its activations, and for those of these.
    fn follow(&mut self, node: usize, i: usize) {
        let mut changed = vec![node];
        while let Some(node) = changed.pop() {
            let range = self.neurons[node][i].range;
            let (low, high) = range.bounds;
            self.is_empty |= low > high || (low == high && (range.open.0 || range.open.1));
            for at in 0..self.readers[node].len() {
                let (id, pieces) = self.readers[node][at];
                if self.take_over(id, i, image(pieces, range)) {
                    changed.push(id);
                }
            }
        }
    }

    /// Sets what is known of a neuron; false where it was known.
    fn set(&mut self, node: usize, i: usize, new: Neuron) -> bool {
        let old = std::mem::replace(&mut self.neurons[node][i], new);
        if old != new {
            self.undo.push(Undo::Neuron { node, i, old });
        }
        old != new
    }

    /// Keeps a neuron to one side of a number, or an open one without it, and forgets what was said of its lines, if it has.
    pub fn keep(&mut self, (node, i): (usize, usize), below: bool, at: &RBig, is_open: bool) {
        let (low, high) = enclose(at);
        if node == 0 {
            let (lower, upper) = &mut self.ends[i];
            let old = Box::new((lower.clone(), upper.clone()));
            let end = if below { &mut *upper } else { &mut *lower };
            if if below { at < &*end } else { at > &*end } {
                *end = at.clone();
            }
            self.is_empty |= lower > upper;
            self.undo.push(Undo::Ends { i, old });
        } else {
            for at in 0..self.readers[node].len() {
                self.set_slopes(self.readers[node][at].0, i, None);
            }
        }
        let bounds = if below { (f64::NEG_INFINITY, high) } else { (low, f64::INFINITY) };
        self.tighten(node, i, Range { bounds, open: (is_open && !below, is_open && below) });
    }

    /// Sets the slopes of the lines around neuron `i` of an activation node.
    pub fn set_slopes(&mut self, node: usize, i: usize, slopes: Given) {
        self.set(node, i, Neuron { slopes, ..self.neurons[node][i] });
    }

    /// Forgets all changes since a mark.
    pub fn undo(&mut self, (changes, rows, is_exact, is_empty): Mark) {
        for change in self.undo.split_off(changes).into_iter().rev() {
            match change {
                Undo::Neuron { node, i, old } => self.neurons[node][i] = old,
                Undo::Ends { i, old } => self.ends[i] = *old,
            }
        }
        self.rows.truncate(rows);
        (self.is_exact, self.is_empty) = (is_exact, is_empty);
    }

    /// Adds `c (l − x_i)` for `c > 0`, `c (u − x_i)` for `c < 0`, which is at most zero. `None` where there is no such bound.
    pub fn add_bound(&self, form: &mut Form, (node, i): (usize, usize), c: &RBig) -> Option<()> {
        let [low, high] = self.ends::<RBig>(node, i);
        form.add_constant(c * if c > &RBig::ZERO { low } else { high }?);
        form.add((node, i), -c);
        Some(())
    }
}
