//! Closed parts of the dual engine's trees as statements of a certificate.

use super::names::Names;
use crate::domains::activation::OpenEnds;
use crate::domains::dual::{Member, NeuronBound, Record, Relaxed, Side};
use crate::domains::network::{NodeId, NodeKind};
use crate::domains::num::Rational;
use crate::format::certificate::{MOST_BYTES, Multipliers, Script};

/// A part on which something is shown.
pub(super) struct Leaf {
    /// The neurons that keep to one side, in the order in which they were split.
    pub sides: Vec<Side>,
    /// What shows it there.
    pub script: Script,
}

/// How statements speak of a relaxation's neurons.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub names: &'a Names,
    pub relaxed: &'a Relaxed<'a>,
}

impl Writer<'_> {
    /// Says which neurons up to a node have free slopes, and the lines of unstable ones that have none.
    pub fn declare(&self, end: NodeId, script: &mut Script) {
        let (relaxed, name) = (self.relaxed, |id, i| self.names.of((id, i)));
        for (id, activation) in relaxed.network().activations().take_while(|(id, _)| *id <= end) {
            if relaxed.has_corner(id) {
                let of_node = relaxed.free().iter().filter(|(node, _)| *node == id);
                let neurons: Vec<usize> = of_node.map(|&(_, i)| name(id, i).1).collect();
                if !neurons.is_empty() {
                    script.free(id, &neurons);
                }
            } else if activation.source < end {
                script.lines(relaxed.network(), id, relaxed.bounds(), &name);
            }
        }
    }

    /// The part of a member, on which its slopes and multipliers show what `conclude` says.
    pub fn leaf(&self, member: &Member, conclude: impl Fn(&mut Script, &Multipliers)) -> Leaf {
        let mut script = Script::default();
        let free = &self.relaxed.free()[..member.shares.len()];
        for of_node in free.chunk_by(|a, b| a.0 == b.0) {
            let id = of_node[0].0;
            let start = free.partition_point(|(node, _)| *node < id);
            script.slopes(id, &member.shares[start..start + of_node.len()]);
        }
        let mut multipliers = Multipliers::default();
        for (&side, &beta) in member.sides.iter().zip(&member.beta) {
            let beta = f64::from(beta.max(0.0));
            if let Some(neuron) = self.split_by(side) {
                multipliers.float_bound(neuron, if side.above { beta } else { -beta });
            }
        }
        conclude(&mut script, &multipliers);
        Leaf { sides: member.sides.clone(), script }
    }

    /// The neuron that keeps to a side, by its name.
    fn split_by(&self, side: Side) -> Option<(NodeId, usize)> {
        let (id, i) = self.relaxed.free()[side.index as usize];
        match &self.relaxed.network().node(id).kind {
            NodeKind::Activation(activation) => Some(self.names.of((activation.source, i))),
            _ => None,
        }
    }

    /// The tree whose leaves these are; gives up where they do not cover the region.
    pub fn tree(&self, leaves: &mut [Leaf], script: &mut Script) {
        self.below(0, leaves, script);
    }

    fn below(&self, depth: usize, leaves: &mut [Leaf], script: &mut Script) {
        if let [leaf] = leaves
            && leaf.sides.len() == depth
        {
            return script.append(&leaf.script);
        }
        let split = leaves.first().and_then(|leaf| leaf.sides.get(depth)).copied();
        let Some((index, neuron)) = split.and_then(|side| Some((side.index, self.split_by(side)?))) else {
            return script.give_up();
        };
        if leaves.iter().any(|leaf| leaf.sides.get(depth).is_none_or(|side| side.index != index)) {
            return script.give_up();
        }
        leaves.sort_by_key(|leaf| leaf.sides[depth].above);
        let (below, above) = leaves.split_at_mut(leaves.partition_point(|leaf| !leaf.sides[depth].above));
        script.split(neuron, &Rational::ZERO, OpenEnds::default());
        self.below(depth + 1, below, script);
        script.otherwise();
        self.below(depth + 1, above, script);
        script.end();
    }
}

/// Refined bounds of neurons as lemmas.
#[derive(Default)]
pub(crate) struct Lemmas {
    names: Names,
    pub script: Script,
    /// The free neurons that were declared last, and up to where.
    declared: (NodeId, Vec<(NodeId, usize)>),
}

impl Lemmas {
    /// None yet, of a network whose neurons are called so.
    pub(super) fn new(names: Names) -> Self {
        Self { names, ..Self::default() }
    }
}

impl Record for Lemmas {
    fn bound(&mut self, relaxed: &Relaxed<'_>, found: NeuronBound) {
        let NeuronBound { node, neuron, at_least, bound, parts } = found;
        let writer = Writer { names: &self.names, relaxed };
        if self.declared.0 != node || self.declared.1 != relaxed.free() {
            writer.declare(node, &mut self.script);
            self.declared = (node, relaxed.free().to_vec());
        }
        let mut leaves: Vec<Leaf> = parts.iter().map(|part| writer.leaf(part, Script::prove)).collect();
        self.script.lemma(self.names.of((node, neuron)), at_least, bound);
        writer.tree(&mut leaves, &mut self.script);
        self.script.end();
    }
}

/// The leaves of trees that are still growing, one tree per form.
pub(super) struct Grown<'a> {
    writer: Writer<'a>,
    /// For each tree the disjunct and which of its atoms it refutes.
    forms: Vec<(usize, usize)>,
    leaves: Vec<Vec<Leaf>>,
    bytes: usize,
    is_declared: bool,
}

impl<'a> Grown<'a> {
    /// Trees that refute disjuncts by these of their atoms.
    pub fn new(writer: Writer<'a>, forms: Vec<(usize, usize)>) -> Self {
        let leaves = forms.iter().map(|_| Vec::new()).collect();
        Self { writer, forms, leaves, bytes: 0, is_declared: false }
    }

    /// Takes over parts that were closed.
    pub fn close(&mut self, parts: Vec<Member>) {
        for part in parts {
            let (d, atom) = self.forms[part.objective];
            let leaf = self.writer.leaf(&part, |script, multipliers| script.refute_by_atom(d, atom, multipliers));
            self.push(part.objective, leaf);
        }
    }

    /// Takes over a leaf of a tree.
    pub fn push(&mut self, tree: usize, leaf: Leaf) {
        self.bytes += leaf.script.len() + size_of::<Leaf>() + size_of_val(&leaf.sides[..]);
        if self.bytes <= MOST_BYTES {
            self.leaves[tree].push(leaf);
        } else {
            self.leaves[tree].clear();
        }
    }

    /// Writes a tree that is closed; gives up where it became too large to be kept.
    pub fn write(&mut self, tree: usize, script: &mut Script) {
        if self.bytes > MOST_BYTES {
            return script.give_up();
        }
        if !std::mem::replace(&mut self.is_declared, true) {
            self.writer.declare(self.writer.relaxed.network().nodes().len(), script);
        }
        self.writer.tree(&mut std::mem::take(&mut self.leaves[tree]), script);
    }
}
