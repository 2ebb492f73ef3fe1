//! The statements of a proof.

use super::numbers::{Exact, Float};
use crate::domains::activation::{ActivationFn, Lines, OpenEnds, Reach};
use crate::domains::domain::Bounds;
use crate::domains::network::{Network, NodeId, NodeKind};
use crate::domains::num::{Interval, Rational};
use std::fmt::Write;

/// What a neuron of a node is called in the whole network.
pub type Name<'a> = &'a dyn Fn(NodeId, usize) -> (NodeId, usize);

/// Statements that show something of one case, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    text: String,
    /// Whether it became too long, so that there is none.
    is_given_up: bool,
    /// How many rows were shown.
    rows: usize,
}

/// The lines around an activation between bounds of its argument.
pub type LinesOf<'a> = &'a dyn Fn(&dyn ActivationFn, Reach<'_>) -> Lines;

/// A neuron that is above zero by less than this share of its range might be unstable for somebody else.
const NEARLY: f64 = 1e-6;

/// Whether a checker may find a neuron unstable by a little, whose corner is at zero and which is above it.
#[must_use]
pub fn is_nearly_unstable(z: Interval) -> bool {
    z.lo >= 0.0 && z.lo <= NEARLY * z.hi
}

/// Bytes of a case's statements, at most.
pub const MOST_BYTES: usize = 1 << 30;

impl Script {
    /// The whole proof: the statements of every case, which take no more memory for it; `None` where those of one became too
    /// long.
    #[must_use]
    pub fn proof(cases: Vec<Self>) -> Option<String> {
        let mut text = String::new();
        for (c, case) in cases.into_iter().enumerate() {
            if case.is_given_up {
                return None;
            }
            let (begin, mut statements) = (if c == 0 { "absint proof 2\n" } else { "" }, case.text);
            statements.insert_str(0, &format!("{begin}case {c}\n"));
            statements.push_str("end\n");
            if c == 0 {
                text = statements;
            } else {
                text.push_str(&statements);
            }
        }
        Some(text)
    }

    /// How many bytes the statements take.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// There will be no proof: it is too long.
    pub fn give_up(&mut self) {
        *self = Self { text: String::new(), is_given_up: true, ..Self::default() };
    }

    /// Whether there will be no proof.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    fn say(&mut self, statement: std::fmt::Arguments<'_>) {
        if self.is_given_up {
            return;
        }
        // Writing to a string does not fail.
        let _ = self.text.write_fmt(statement);
        self.text.push('\n');
        if self.text.len() > MOST_BYTES {
            self.give_up();
        }
    }

    /// Bounds of all neurons that activations read, and of the outputs, by back-substitution, and the lines of least area
    /// that were kept with `bounds`.
    pub fn back_substitution(&mut self, network: &Network, bounds: &Bounds) {
        self.back_substitution_with(network, bounds, None, &mut |_, _| ());
    }

    /// The same with other lines, if they are given; `more` says what else bounds a node's neurons.
    pub fn back_substitution_with(
        &mut self,
        network: &Network,
        bounds: &Bounds,
        lines: Option<LinesOf<'_>>,
        more: &mut dyn FnMut(&mut Self, NodeId),
    ) {
        let name: Name<'_> = &|node, i| (node, i);
        self.bound("bound", network, &mut |script, node, activations| {
            more(script, node);
            for &id in activations {
                match lines {
                    None => script.lines(network, id, bounds, name),
                    Some(lines) => script.other_lines(network, id, bounds, (lines, name)),
                }
            }
        });
    }

    /// The same for neurons that interval arithmetic does not settle; the network's may have other names.
    pub fn tighten(&mut self, network: &Network, bounds: &Bounds, name: Name<'_>) {
        self.bound("tighten", network, &mut |script, _, activations| {
            activations.iter().for_each(|&id| script.lines(network, id, bounds, name));
        });
    }

    /// The same by back-substitution up to the input alone.
    pub fn late(&mut self, network: &Network, bounds: &Bounds, name: Name<'_>) {
        self.bound("late", network, &mut |script, _, activations| {
            activations.iter().for_each(|&id| script.lines(network, id, bounds, name));
        });
    }

    fn bound(&mut self, statement: &str, network: &Network, then: &mut dyn FnMut(&mut Self, NodeId, &[NodeId])) {
        for node in 0..network.nodes().len() {
            let reads = |id: &NodeId| matches!(&network.node(*id).kind, NodeKind::Activation(a) if a.source == node);
            let activations: Vec<NodeId> = (0..network.nodes().len()).filter(reads).collect();
            let is_affine = matches!(network.node(node).kind, NodeKind::Affine(_));
            // Back-substitution bounds the outputs, too; interval arithmetic goes through all nodes.
            let is_wanted = is_affine && (statement == "tighten" || (statement == "bound" && node == network.output()));
            if !activations.is_empty() || is_wanted {
                self.say(format_args!("{statement} {node}"));
            }
            then(self, node, &activations);
        }
    }

    /// The slopes of the lines of least area around unstable neurons: a checker with slightly other bounds might choose
    /// others, which are not worse for a neuron, but may be for a form.
    pub fn lines(&mut self, network: &Network, id: NodeId, bounds: &Bounds, name: Name<'_>) {
        let NodeKind::Activation(activation) = &network.node(id).kind else { return };
        let (function, Some(z)) = (&activation.function, bounds.get(activation.source)) else { return };
        let pieces = function.pieces().unwrap_or_default();
        if let [left, right] = pieces
            && right.from == 0.0
            && left.intercept == right.intercept
            && left.slope < right.slope
        {
            let is_steep = |z: Interval| match function.is_unstable(z.into()) {
                true => function.lines(z.into()).lower.slope == right.slope,
                false => is_nearly_unstable(z),
            };
            let steep = z.iter().enumerate().filter(|(_, z)| is_steep(*z));
            return self.steep(id, steep.map(|(i, _)| name(id, i).1));
        }
        self.other_lines(network, id, bounds, (&|function, z| function.lines(z), name));
    }

    /// Those neurons of a node whose activation sees several pieces are bounded by back-substitution up to the input alone.
    pub fn late_node(&mut self, node: NodeId) {
        self.say(format_args!("late {node}"));
    }

    /// The lines below these neurons of an activation node rise like its last piece, those below the others like its first.
    pub fn steep(&mut self, node: NodeId, neurons: impl Iterator<Item = usize>) {
        if self.is_given_up {
            return;
        }
        let _ = write!(self.text, "steep {node}");
        for i in neurons {
            let _ = write!(self.text, " {i}");
        }
        self.say(format_args!(""));
    }

    /// The slopes of other lines around unstable neurons.
    fn other_lines(&mut self, network: &Network, id: NodeId, bounds: &Bounds, (lines, name): (LinesOf<'_>, Name<'_>)) {
        let NodeKind::Activation(activation) = &network.node(id).kind else { return };
        let (function, Some(z)) = (&activation.function, bounds.get(activation.source)) else { return };
        self.area(id);
        for (i, z) in z.reaches().enumerate().filter(|(_, z)| function.is_unstable(*z)) {
            let (Lines { lower, upper }, (id, i)) = (lines(function.as_ref(), z), name(id, i));
            self.line(id, i, [lower.slope, upper.slope]);
        }
    }

    /// The slopes of a neuron's lines below and above.
    pub fn line(&mut self, id: NodeId, i: usize, [below, above]: [f64; 2]) {
        self.say(format_args!("lines {id} {i} {} {}", Float(below), Float(above)));
    }

    /// From here on bounds are computed in exact rationals.
    pub fn exact(&mut self) {
        self.say(format_args!("exact"));
    }

    /// From here on bounds are computed in floats, as they are at first.
    pub fn float(&mut self) {
        self.say(format_args!("float"));
    }

    /// One atom of a disjunct is above zero.
    pub fn refute_by_atom(&mut self, disjunct: usize, atom: usize, multipliers: &Multipliers) {
        self.refute(disjunct, &[vec![Rational::ZERO; atom], vec![Rational::ONE]].concat(), multipliers);
    }

    /// A combination of a disjunct's atoms is above zero.
    pub fn refute(&mut self, disjunct: usize, weights: &[Rational], multipliers: &Multipliers) {
        let weights: String = weights.iter().map(|w| format!(" {}", Exact(w))).collect();
        let separator = if multipliers.text.is_empty() { "" } else { " ;" };
        self.say(format_args!("refute {disjunct}{weights}{separator}{}", multipliers.text));
    }

    /// No input is on the part.
    pub fn empty(&mut self, multipliers: &Multipliers) {
        self.say(format_args!("empty{}", multipliers.text));
    }

    /// The bound of the lemma around holds.
    pub fn prove(&mut self, multipliers: &Multipliers) {
        self.say(format_args!("prove{}", multipliers.text));
    }

    /// What other statements say, after these.
    pub fn append(&mut self, other: &Self) {
        if other.is_given_up || self.text.len() + other.text.len() > MOST_BYTES {
            self.give_up();
        }
        if !self.is_given_up {
            self.text.push_str(&other.text);
        }
    }

    /// From here on the lines of an activation node are those of least area, whatever was said of their slopes.
    pub fn area(&mut self, node: NodeId) {
        self.say(format_args!("area {node}"));
    }

    /// Begins the part where a neuron (or input) is at most so large; [`otherwise`](Self::otherwise) begins the other one,
    /// and [`end`](Self::end) ends both. One of the parts may lack the number itself: that which has it as its upper end, or
    /// as its lower one.
    pub fn split(&mut self, (node, i): (NodeId, usize), at: &Rational, open: OpenEnds) {
        let side = if open.upper {
            "< "
        } else if open.lower {
            "> "
        } else {
            ""
        };
        self.say(format_args!("split {node} {i} {side}{}", Exact(at)));
    }

    /// Begins the part where the neuron is at least so large.
    pub fn otherwise(&mut self) {
        self.say(format_args!("else"));
    }

    /// Ends a split or a lemma.
    pub fn end(&mut self) {
        self.say(format_args!("end"));
    }

    /// Begins what shows a bound of a neuron, up to [`end`](Self::end).
    pub fn lemma(&mut self, (node, i): (NodeId, usize), at_least: bool, bound: f64) {
        let comparison = if at_least { ">=" } else { "<=" };
        self.say(format_args!("lemma {node} {i} {comparison} {}", Float(bound)));
    }

    /// Begins what shows that a form over neurons is at most zero, up to [`end_row`](Self::end_row).
    pub fn row(&mut self, constant: f64, terms: &[(NodeId, usize, f64)]) {
        let terms: String = terms.iter().map(|(node, i, c)| format!(" {node} {i} {}", Float(*c))).collect();
        self.say(format_args!("row {}{terms}", Float(constant)));
    }

    /// Ends a row; returns its number.
    pub fn end_row(&mut self) -> usize {
        self.end();
        self.rows += 1;
        self.rows - 1
    }

    /// The neurons of an activation node of which [`slopes`](Self::slopes) speaks.
    pub fn free(&mut self, node: NodeId, neurons: &[usize]) {
        let neurons: String = neurons.iter().map(|i| format!(" {i}")).collect();
        self.say(format_args!("free {node}{neurons}"));
    }

    /// The slopes below the free neurons of an activation node; coarse ones have one digit.
    pub fn slopes(&mut self, node: NodeId, shares: &[u16]) {
        let is_coarse = shares.iter().all(|share| share % 0x1111 == 0);
        let digit = |share: u16, place: u32| char::from_digit(u32::from(share) >> (4 * place) & 15, 16);
        let places = if is_coarse { 0..1 } else { 0..4 };
        let digits = |&share: &u16| places.clone().rev().filter_map(move |place| digit(share, place));
        let shares: String = shares.iter().flat_map(digits).collect();
        self.say(format_args!("slopes {node} {shares}"));
    }
}

/// What bounds and half-spaces are multiplied with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multipliers {
    text: String,
}

impl Multipliers {
    /// The lower bound of a neuron, for a factor above zero, or its upper bound, for one below.
    pub fn bound(&mut self, (node, i): (NodeId, usize), factor: &Rational) {
        if factor != &Rational::ZERO {
            let _ = write!(self.text, " {node} {i} {}", Exact(factor));
        }
    }

    /// [`bound`](Self::bound) with a float as the factor.
    pub fn float_bound(&mut self, (node, i): (NodeId, usize), factor: f64) {
        if factor != 0.0 {
            let _ = write!(self.text, " {node} {i} {}", Float(factor));
        }
    }

    /// A row that was shown; the factor is not below zero.
    pub fn row(&mut self, index: usize, factor: f64) {
        if factor != 0.0 {
            let _ = write!(self.text, " row {index} {}", Float(factor));
        }
    }

    /// A half-space of the region; the factor is not below zero.
    pub fn half_space(&mut self, index: usize, factor: &Rational) {
        if factor != &Rational::ZERO {
            let _ = write!(self.text, " limit {index} {}", Exact(factor));
        }
    }
}
