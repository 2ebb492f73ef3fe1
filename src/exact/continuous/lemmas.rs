//! Refined bounds of neurons as lemmas of a certificate: only those that what follows rests on.

use super::leaves::{Leaf, Writer};
use super::names::Names;
use crate::domains::dual::{NeuronBound, Record, Relaxed};
use crate::domains::network::NodeId;
use crate::format::certificate::{MOST_BYTES, Script};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What shows a refined bound.
struct Lemma {
    /// Whether it leaves the neuron on one side of its activations' corners: what they make of it is exact then, and its
    /// other bound says nothing more.
    settles: bool,
    /// In which round it was found.
    round: usize,
    /// The neurons whose slopes the leaves speak of: the same for all lemmas about a node that a round found.
    declared: Arc<Script>,
    script: Script,
}

/// Of each side of a neuron the last bound that was found, which is the best. Those of earlier layers may be better by now
/// than when it was proved, and prove it all the same.
#[derive(Default)]
pub(super) struct Lemmas {
    /// By node and neuron, and whether the bound is a lower one.
    of_side: BTreeMap<(NodeId, usize, bool), Lemma>,
    rounds: usize,
    bytes: usize,
}

impl Lemmas {
    /// They record a round of refinement on a network whose neurons have these names.
    pub fn of_round<'a>(&'a mut self, names: &'a Names) -> Round<'a> {
        self.rounds += 1;
        Round { lemmas: self, names, declared: None }
    }

    fn put(&mut self, side: (NodeId, usize, bool), lemma: Lemma) {
        self.bytes += lemma.script.len();
        if self.bytes > MOST_BYTES {
            self.of_side.clear();
        } else if let Some(old) = self.of_side.insert(side, lemma) {
            self.bytes -= old.script.len();
        }
    }

    /// All of them, layer by layer, but for bounds of neurons that their other one settles.
    pub fn script(&self) -> Script {
        let mut script = Script::default();
        if self.bytes > MOST_BYTES {
            script.give_up();
        }
        let is_needed = |(&(node, neuron, at_least), lemma): &(&(NodeId, usize, bool), &Lemma)| {
            let other = self.of_side.get(&(node, neuron, !at_least));
            (lemma.settles && at_least) || !other.is_some_and(|other| other.settles)
        };
        let mut needed: Vec<_> = self.of_side.iter().filter(is_needed).collect();
        needed.sort_by_key(|((node, ..), lemma)| (*node, lemma.round));
        let mut declared: Option<&Arc<Script>> = None;
        for (_, lemma) in needed {
            if declared.is_none_or(|last| !Arc::ptr_eq(last, &lemma.declared)) {
                script.append(&lemma.declared);
                declared = Some(&lemma.declared);
            }
            script.append(&lemma.script);
        }
        script
    }
}

/// A round of refinement as it is recorded.
pub(super) struct Round<'a> {
    lemmas: &'a mut Lemmas,
    names: &'a Names,
    /// What was declared last, for neurons of a node.
    declared: Option<(NodeId, Arc<Script>)>,
}

impl Record for Round<'_> {
    fn bound(&mut self, relaxed: &Relaxed<'_>, found: NeuronBound) {
        let NeuronBound { node, neuron, at_least, bound, parts } = found;
        let writer = Writer { names: self.names, relaxed };
        let declared = match &self.declared {
            Some((of, declared)) if *of == node => Arc::clone(declared),
            _ => {
                let mut script = Script::default();
                writer.declare(node, &mut script);
                Arc::new(script)
            }
        };
        self.declared = Some((node, Arc::clone(&declared)));
        let mut leaves: Vec<Leaf> = parts.iter().map(|part| writer.leaf(part, Script::prove)).collect();
        let (name, mut script) = (self.names.of((node, neuron)), Script::default());
        script.lemma(name, at_least, bound);
        writer.tree(&mut leaves, &mut script);
        script.end();
        let settles = (if at_least { bound >= 0.0 } else { bound <= 0.0 }) && has_corners_only(relaxed, node);
        let round = self.lemmas.rounds;
        self.lemmas.put((name.0, name.1, at_least), Lemma { settles, round, declared, script });
    }
}

/// Whether all that reads a node are activations with a corner at zero.
fn has_corners_only(relaxed: &Relaxed<'_>, node: NodeId) -> bool {
    let mut readers = relaxed.network().nodes().iter().enumerate();
    readers.all(|(id, reader)| relaxed.has_corner(id) || reader.sources().all(|source| source != node))
}
