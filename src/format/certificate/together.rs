//! Neurons that are bounded jointly, as the statements of a proof.

use super::script::{Multipliers, Script};
use crate::domains::activation::OpenEnds;
use crate::domains::dual::Together;
use crate::domains::network::NodeId;
use crate::domains::num::Rational;

impl Script {
    /// An atom of a disjunct is above zero by what groups of an activation's neurons show, each a row; the activation reads
    /// the first of these nodes.
    pub fn refute_together(&mut self, disjunct: usize, atom: usize, nodes: (NodeId, NodeId), groups: &[Together]) {
        let mut multipliers = Multipliers::default();
        groups.iter().for_each(|group| multipliers.row(self.together(nodes, group), 1.0));
        self.refute_by_atom(disjunct, atom, &multipliers);
    }

    /// The row that says `least − Σ a_i σ(z_i) + Σ g_j x_j ≤ 0`, shown for each choice of the pieces of neurons with `a_i < 0`.
    fn together(&mut self, (source, activation): (NodeId, NodeId), group: &Together) -> usize {
        let of_neurons = group.neurons.iter().map(|&(i, a)| (activation, i, -a));
        let terms = of_neurons.chain(group.inputs.iter().map(|&(j, g)| (0, j, g))).filter(|(.., c)| *c != 0.0);
        self.row(group.least, &terms.collect::<Vec<_>>());
        let concave: Vec<usize> = group.neurons.iter().filter(|(_, a)| *a < 0.0).map(|(i, _)| *i).collect();
        self.choices((source, activation), group, &concave, 0);
        self.end_row()
    }

    /// Splits these neurons at zero, the last one first; on every branch the other ones have the lines of that choice.
    fn choices(&mut self, (source, activation): (NodeId, NodeId), group: &Together, concave: &[usize], choice: usize) {
        let Some((&neuron, rest)) = concave.split_last() else {
            let of_choice = group.neurons.iter().zip(&group.lines[choice]);
            // Both slopes: a checker that knows the neuron's side would else take its piece.
            of_choice.filter(|((_, a), _)| *a > 0.0).for_each(|(&(i, _), &line)| self.line(activation, i, [line; 2]));
            return self.prove(&Multipliers::default());
        };
        self.split((source, neuron), &Rational::ZERO, OpenEnds::default());
        self.choices((source, activation), group, rest, choice);
        self.otherwise();
        self.choices((source, activation), group, rest, choice | 1 << rest.len());
        self.end();
    }
}
