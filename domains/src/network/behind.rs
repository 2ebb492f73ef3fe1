//! The part of a network behind some of its nodes.

use super::{Network, Node, NodeId, NodeKind};

impl Network {
    /// The network whose inputs are the values of some nodes, all of which have the same ones, for real arithmetic only;
    /// `None` where the output depends on the network's input by another way, too, and where there is no node.
    #[must_use]
    pub fn behind(&self, fronts: &[NodeId]) -> Option<Self> {
        let &front = fronts.iter().min()?;
        let mut place = vec![None; self.nodes.len()];
        fronts.iter().for_each(|&front| place[front] = Some(0));
        let input = Node { len: self.nodes[front].len, kind: NodeKind::Input, name: self.nodes[front].name.clone() };
        let mut nodes = vec![input];
        for (id, used) in super::node::used(&self.nodes, self.output).into_iter().enumerate().skip(front + 1) {
            if used && place[id].is_none() && self.nodes[id].sources().all(|source| place[source].is_some()) {
                place[id] = Some(nodes.len());
                nodes.push(self.nodes[id].clone().moved(|source| place[source].unwrap_or(0)));
            }
        }
        let output = place[self.output]?;
        let maxima = self.maxima.iter().filter_map(|maxima| maxima.moved(|id| place[id])).collect();
        let input_shape = vec![self.nodes[front].len];
        Some(Self { input_shape, twins: Vec::new(), maxima, ..self.rebuilt(nodes, output) })
    }
}
