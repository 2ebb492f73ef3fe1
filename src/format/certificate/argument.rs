//! Arguments of linear programs as the statements of a proof.

use super::script::{Multipliers, Script};
use crate::domains::activation::OpenEnds;
use crate::domains::domain::{Argued, Argument, Claim, Cut, CutProof, corner, share};
use crate::domains::network::{Network, NodeId, NodeKind};
use crate::domains::num::{Rational, exact_or_zero};
use std::collections::{BTreeMap, BTreeSet};

/// What tells a row from others: its neurons and coefficients, and its right side.
type Key = (Vec<(NodeId, usize, u64)>, u64);

/// What was said of a network's neurons for arguments: rows, and which slopes are free.
pub struct Arguments<'a> {
    network: &'a Network,
    rows: BTreeMap<Key, usize>,
    free: BTreeMap<NodeId, Vec<usize>>,
}

impl<'a> Arguments<'a> {
    /// Nothing yet.
    #[must_use]
    pub fn new(network: &'a Network) -> Self {
        Self { network, rows: BTreeMap::new(), free: BTreeMap::new() }
    }

    /// What shows bounds of a node's neurons: a lemma each.
    pub fn lemmas<'c>(&mut self, argued: impl Iterator<Item = &'c Argued>, script: &mut Script) {
        for Argued { claim, argument } in argued {
            let Claim::Neuron { node, neuron, at_least, bound } = *claim else { continue };
            let multipliers = self.multipliers(argument, script);
            self.declare(argument, script);
            script.lemma((node, neuron), at_least, bound);
            self.slopes(argument, script);
            script.prove(&multipliers);
            script.end();
        }
    }

    /// Refutes disjuncts, each by the sum of its atoms with these weights.
    pub fn refute(&mut self, refuted: &[(usize, Vec<f64>, Argument)], script: &mut Script) {
        // Rows rest on the lines that were there before, so they come first.
        let multipliers = |(.., argument): &(usize, Vec<f64>, Argument)| self.multipliers(argument, script);
        let all: Vec<Multipliers> = refuted.iter().map(multipliers).collect();
        for ((disjunct, weights, argument), multipliers) in refuted.iter().zip(all) {
            self.declare(argument, script);
            self.slopes(argument, script);
            let weights: Vec<Rational> = weights.iter().map(|&w| exact_or_zero(w)).collect();
            script.refute(*disjunct, &weights, &multipliers);
        }
    }

    /// The multipliers of an argument, after the rows that they are of.
    fn multipliers(&mut self, argument: &Argument, script: &mut Script) -> Multipliers {
        let mut multipliers = Multipliers::default();
        argument.bounds.iter().for_each(|&(neuron, factor)| multipliers.float_bound(neuron, factor));
        argument.half_spaces.iter().for_each(|&(k, factor)| multipliers.half_space(k, &exact_or_zero(factor)));
        // Two cuts may be one row, which is multiplied once.
        let mut rows: BTreeMap<usize, f64> = BTreeMap::new();
        for (cut, factor) in &argument.cuts {
            if let Some(row) = self.cut(cut, script) {
                *rows.entry(row).or_default() += factor;
            }
        }
        rows.into_iter().for_each(|(row, factor)| multipliers.row(row, factor));
        multipliers
    }

    /// The row of a cut, with those of the octahedron that it rests on.
    fn cut(&mut self, cut: &Cut, script: &mut Script) -> Option<usize> {
        let NodeKind::Activation(activation) = &self.network.node(cut.node).kind else { return None };
        let (proof, source) = (cut.proved()?, activation.source);
        let of_node = |node: NodeId, factors: &[f64]| {
            let terms = cut.neurons.iter().zip(factors).filter(|(_, c)| **c != 0.0);
            terms.map(|(&i, &c)| (node, i, c)).collect::<Vec<_>>()
        };
        let used: BTreeSet<usize> = proof.branches.iter().flatten().map(|(row, _)| *row).collect();
        let octahedron: BTreeMap<usize, usize> = used
            .into_iter()
            .map(|at| {
                let (direction, upper) = &proof.rows[at];
                let factors: Vec<f64> = direction.iter().map(|&a| f64::from(a)).collect();
                (
                    at,
                    self.row(&of_node(source, &factors), *upper, script, |script| {
                        script.prove(&Multipliers::default())
                    }),
                )
            })
            .collect();
        let terms = [of_node(source, &cut.facet.z), of_node(cut.node, &cut.facet.y)].concat();
        let names: Vec<(NodeId, usize)> = cut.neurons.iter().map(|&i| (source, i)).collect();
        Some(self.row(&terms, proof.rhs, script, |script| branches(proof, &octahedron, &names, script)))
    }

    /// The number of the row `terms ≤ rhs`, which is said with what shows it if it was not yet.
    fn row(
        &mut self,
        terms: &[(NodeId, usize, f64)],
        rhs: f64,
        script: &mut Script,
        show: impl FnOnce(&mut Script),
    ) -> usize {
        let key = (terms.iter().map(|&(node, i, c)| (node, i, c.to_bits())).collect(), rhs.to_bits());
        *self.rows.entry(key).or_insert_with(|| {
            script.row(-rhs, terms);
            show(script);
            script.end_row()
        })
    }

    /// Says which slopes are free, where others were.
    fn declare(&mut self, argument: &Argument, script: &mut Script) {
        for (&id, slopes) in argument.slopes.iter().filter(|(_, slopes)| !slopes.is_empty()) {
            let neurons: Vec<usize> = slopes.iter().map(|(i, _)| *i).collect();
            if argument.is_coarse && self.corner(id).is_some() && self.free.get(&id) != Some(&neurons) {
                script.free(id, &neurons);
                self.free.insert(id, neurons);
            }
        }
    }

    fn corner(&self, id: NodeId) -> Option<[f64; 2]> {
        match &self.network.node(id).kind {
            NodeKind::Activation(activation) => corner(activation.function.as_ref()),
            _ => None,
        }
    }

    fn slopes(&self, argument: &Argument, script: &mut Script) {
        for (&id, slopes) in argument.slopes.iter().filter(|(_, slopes)| !slopes.is_empty()) {
            match self.corner(id).filter(|_| argument.is_coarse) {
                Some(ends) => {
                    script.slopes(id, &slopes.iter().map(|(_, [below, _])| share(*below, ends)).collect::<Vec<_>>())
                }
                None => slopes.iter().for_each(|&(i, slopes)| script.line(id, i, slopes)),
            }
        }
    }
}

/// Splits neurons where their segments meet, and shows the row on every branch.
fn branches(proof: &CutProof, rows: &BTreeMap<usize, usize>, names: &[(NodeId, usize)], script: &mut Script) {
    let mut leaves = proof.branches.iter();
    split(proof, &mut leaves, rows, names, script);
}

fn split<'p>(
    proof: &CutProof,
    leaves: &mut impl Iterator<Item = &'p Vec<(usize, f64)>>,
    rows: &BTreeMap<usize, usize>,
    names: &[(NodeId, usize)],
    script: &mut Script,
) {
    let depth = proof.ends.len() - names.len();
    let Some((&neuron, rest)) = names.split_first() else {
        let mut multipliers = Multipliers::default();
        leaves.next().into_iter().flatten().for_each(|(row, factor)| multipliers.row(rows[row], *factor));
        return script.prove(&multipliers);
    };
    for &end in &proof.ends[depth] {
        script.split(neuron, &exact_or_zero(end), OpenEnds::default());
        split(proof, leaves, rows, rest, script);
        script.otherwise();
    }
    split(proof, leaves, rows, rest, script);
    proof.ends[depth].iter().for_each(|_| script.end());
}
