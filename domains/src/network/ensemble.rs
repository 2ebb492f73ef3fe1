//! Several networks as one network.

use super::derived::Derived;
use super::float32::Original;
use super::twins::interleaved;
use super::{
    Affine, Arithmetic, Coefficients, LinearMap, Network, NetworkError, Node, NodeId, NodeKind, Rounding, Term,
};
use std::sync::Arc;

impl Network {
    /// The networks side by side: one input, which all of them read, and their outputs one after another
    /// (output `j` of network `m` is number `m · len + j` where all have `len` outputs). Names of nodes are
    /// preceded by the number of their network, from 1.
    ///
    /// # Errors
    /// No network at all, or inputs of different shapes.
    pub fn side_by_side(members: &[Self]) -> Result<Self, NetworkError> {
        let graph = |what| NetworkError::Graph { node: JOINT.into(), what };
        let first = members.first().ok_or_else(|| graph("has no network"))?;
        if members.iter().any(|m| m.input_shape != first.input_shape) {
            return Err(graph("has networks with inputs of different shapes"));
        }
        let all = |m: &Self| (0..m.input_len()).collect();
        Ok(Self::beside(&first.input_shape, members.iter().map(|m| (m, all(m))).collect())?.0)
    }

    /// One network out of several: input `i` of a member is input `inputs[i]` of the whole, and two members may read
    /// the same. The outputs follow each other, and names of nodes are preceded as in [`Self::side_by_side`]. Of two
    /// members those activations that correspond are [twins](Self::twins).
    ///
    /// # Errors
    /// No network at all, or inputs that do not fit.
    pub fn joined(input_shape: &[usize], members: Vec<(&Self, Vec<usize>)>) -> Result<Self, NetworkError> {
        let lengths: Vec<usize> = members.iter().map(|(member, _)| member.nodes.len()).collect();
        let (mut network, moved) = Self::beside(input_shape, members)?;
        if let ([length, _], Some(first)) = (&lengths[..], moved.first()) {
            (network.nodes, network.output, network.twins) = interleaved(network.nodes, first + length, network.output);
        }
        Ok(network)
    }

    /// The network of [`Self::joined`] with its members behind each other, and how far the nodes of each have moved.
    fn beside(input_shape: &[usize], members: Vec<(&Self, Vec<usize>)>) -> Result<(Self, Vec<usize>), NetworkError> {
        let graph = |what| NetworkError::Graph { node: JOINT.into(), what };
        let n = input_shape.iter().product();
        if members.is_empty() || n == 0 {
            return Err(graph("has no network"));
        }
        if members.iter().any(|(m, inputs)| inputs.len() != m.input_len() || inputs.iter().any(|&i| i >= n)) {
            return Err(graph("has a network that reads inputs that there are not"));
        }
        let part = |nodes: &[Node], output, inputs: &Vec<usize>| Part {
            nodes: nodes.to_vec(),
            output,
            inputs: inputs.clone(),
        };
        let parts = members.iter().map(|(m, inputs)| part(&m.nodes, m.output, inputs));
        let (nodes, output, moved) = side_by_side(n, parts);
        let original = Original::joined(members.iter().map(|(m, _)| &*m.original), |graphs| {
            let with_inputs = graphs.into_iter().zip(&members);
            side_by_side(n, with_inputs.map(|((nodes, output), (_, inputs))| part(nodes, output, inputs)))
        });
        let output_shape = vec![nodes[output].len];
        let network = Self {
            nodes,
            output,
            input_shape: input_shape.to_vec(),
            output_shape,
            original: Arc::new(original),
            arithmetic: Arithmetic::Real,
            // Nothing is assumed of all where nothing is of one.
            ulps: members
                .iter()
                .map(|(m, _)| m.ulps)
                .reduce(|a, b| if a.min(b) == 0 { 0 } else { a.max(b) })
                .unwrap_or(0),
            derived: Derived::default(),
            has_lattices: true,
            twins: Vec::new(),
            maxima: Vec::new(),
        };
        Ok((network, moved))
    }
}

/// What the nodes that join are called.
const JOINT: &str = "ensemble";

/// A graph that becomes part of a larger one, and which inputs of that it reads.
struct Part {
    nodes: Vec<Node>,
    output: NodeId,
    inputs: Vec<usize>,
}

/// The nodes of graphs over `n` inputs side by side, the node that holds their outputs one after another, and how
/// far the nodes of each, but for its input, have moved.
fn side_by_side(n: usize, parts: impl Iterator<Item = Part>) -> (Vec<Node>, NodeId, Vec<usize>) {
    let mut nodes = vec![Node { len: n, kind: NodeKind::Input, name: "input".into() }];
    let (mut outputs, mut moved) = (Vec::new(), Vec::new());
    for (m, part) in parts.enumerate() {
        let is_all = part.inputs.iter().copied().eq(0..n);
        if !is_all {
            let index = part.inputs.into_iter().map(Some).collect();
            nodes.push(chosen(vec![(0, LinearMap::Select { input_len: n, index })], format!("{}:input", m + 1)));
        }
        // A part's node 0 is the input of all, or what was chosen of it; the others follow.
        let (input, offset) = (if is_all { 0 } else { nodes.len() - 1 }, nodes.len() - 1);
        let place = |id: usize| if id == 0 { input } else { id + offset };
        for node in part.nodes.into_iter().skip(1) {
            let name = format!("{}:{}", m + 1, node.name);
            nodes.push(Node { name, ..node.moved(place) });
        }
        let output = place(part.output);
        outputs.push((output, nodes[output].len));
        moved.push(offset);
    }
    let len = outputs.iter().map(|(_, outputs)| outputs).sum();
    let mut before = 0;
    let mut terms = Vec::with_capacity(outputs.len());
    for (source, outputs) in outputs {
        let index = (0..len).map(|i: usize| i.checked_sub(before).filter(|&j| j < outputs)).collect();
        terms.push((source, LinearMap::Select { input_len: outputs, index }));
        before += outputs;
    }
    nodes.push(chosen(terms, JOINT.into()));
    let output = nodes.len() - 1;
    (nodes, output, moved)
}

/// A node whose entries are each one of others, without rounding.
fn chosen(terms: Vec<(NodeId, LinearMap)>, name: String) -> Node {
    let len = terms[0].1.output_len();
    let bias = Coefficients::zeros(len);
    let rounding = Rounding::exact(&bias);
    let terms = terms.into_iter().map(|(source, map)| Term { source, map: map.into() }).collect();
    Node { len, kind: NodeKind::Affine(Affine { terms, bias, rounding }), name }
}

#[cfg(test)]
mod tests {
    use super::super::{NetworkBuilder, Order};
    use super::*;
    use crate::activation::{Relu, Sign};
    use crate::num::{Rational, parse_decimal};
    use ndarray::{Array2, array};

    fn network(w: Array2<f64>, f: Option<Arc<dyn crate::activation::ActivationFn>>) -> Network {
        let mut b = NetworkBuilder::new(&[2]);
        let n = w.nrows();
        let mut last = b.linear("fc", 0, LinearMap::Dense(w), Coefficients::zeros(n)).unwrap();
        if let Some(f) = f {
            last = b.activation("f", last, f).unwrap();
        }
        b.finish(last, &[n]).unwrap()
    }

    #[test]
    fn every_network_computes_what_it_did_alone() {
        let members = [
            network(array![[1.0, 2.0], [3.0, -4.0]], Some(Arc::new(Relu))),
            network(array![[0.5, -1.0]], None),
            network(array![[1.0, 1.0], [-1.0, 1.0], [0.0, 1.0]], Some(Arc::new(Sign))),
        ];
        let all = Network::side_by_side(&members).unwrap();
        assert_eq!((all.input_len(), all.output_len(), all.output_shape()), (2, 6, &[6][..]));
        for x in [["1", "1/3"], ["-2", "0.5"], ["0", "0"]] {
            let x = x.map(|t| parse_decimal(t).unwrap());
            let apart: Vec<Rational> = members.iter().flat_map(|m| m.evaluate(&x).unwrap()).collect();
            assert_eq!(all.evaluate(&x).unwrap(), apart);
        }
    }

    #[test]
    fn members_read_the_inputs_that_they_are_given() {
        let f = network(array![[1.0, 2.0], [3.0, -4.0]], Some(Arc::new(Relu)));
        let g = network(array![[0.5, -1.0]], None);
        let all = Network::joined(&[3], vec![(&f, vec![2, 0]), (&g, vec![0, 1]), (&f, vec![1, 1])]).unwrap();
        let x = ["1", "1/3", "-2"].map(|t| parse_decimal(t).unwrap());
        let of = |network: &Network, i: usize, j: usize| {
            network.evaluate(&[x[i].clone(), x[j].clone()]).unwrap() as Vec<Rational>
        };
        assert_eq!(all.evaluate(&x).unwrap(), [of(&f, 2, 0), of(&g, 0, 1), of(&f, 1, 1)].concat());
        assert!(Network::joined(&[3], vec![(&f, vec![2, 3])]).is_err());
        assert!(Network::joined(&[3], vec![(&f, vec![2])]).is_err());
    }

    #[test]
    fn two_members_stand_node_beside_node_and_compute_what_they_did_alone() {
        let deep = |w: Array2<f64>, v: Array2<f64>| {
            let mut b = NetworkBuilder::new(&[2]);
            let mut last = b.linear("one", 0, LinearMap::Dense(w), Coefficients::floats(vec![0.5, -1.0])).unwrap();
            last = b.activation("f", last, Arc::new(Relu)).unwrap();
            last = b.linear("two", last, LinearMap::Dense(v), Coefficients::floats(vec![0.25, 1.0])).unwrap();
            last = b.activation("g", last, Arc::new(Relu)).unwrap();
            last = b.linear("three", last, LinearMap::Dense(array![[1.0, -2.0]]), Coefficients::zeros(1)).unwrap();
            b.finish(last, &[1]).unwrap()
        };
        let f = deep(array![[1.0, 2.0], [3.0, -4.0]], array![[1.0, -1.0], [2.0, 0.5]]);
        let g = deep(array![[-1.0, 0.5], [2.0, 1.0]], array![[0.5, 1.5], [-1.0, 3.0]]);
        let all = Network::joined(&[3], vec![(&f, vec![2, 0]), (&g, vec![0, 1])]).unwrap();
        assert_eq!(all.twins().len(), 2);
        for x in [["1", "1/3", "-2"], ["-3", "2", "0.5"], ["0", "-1", "4"]] {
            let x = x.map(|t| parse_decimal(t).unwrap());
            let of = |network: &Network, i: usize, j: usize| {
                network.evaluate(&[x[i].clone(), x[j].clone()]).unwrap() as Vec<Rational>
            };
            assert_eq!(all.evaluate(&x).unwrap(), [of(&f, 2, 0), of(&g, 0, 1)].concat());
            let values = all.evaluate_all::<Rational>(&x).unwrap();
            for twin in all.twins() {
                let source = |id: NodeId| all.node(id).sources().next().unwrap();
                let [a, b] = [twin.first, twin.second].map(|id| &values[source(id)]);
                let less: Vec<Rational> = a.iter().zip(b).map(|(a, b)| b - a).collect();
                assert_eq!(values[twin.difference], less);
            }
        }
    }

    #[test]
    fn float32_executions_are_those_of_the_members() {
        let f = network(array![[0.1f32, 0.7], [3.0, -0.3]].mapv(f64::from), Some(Arc::new(Relu)));
        let all = Network::joined(&[3], vec![(&f, vec![2, 0]), (&f, vec![0, 1])]).unwrap();
        let x = [0.3f32, 0.9, -1.7];
        for order in Order::ALL {
            let alone = |i: usize, j: usize| f.evaluate_float32(&[x[i], x[j]], order).unwrap();
            assert_eq!(all.evaluate_float32(&x, order).unwrap(), [alone(2, 0), alone(0, 1)].concat());
        }
    }

    #[test]
    fn inputs_must_fit_together() {
        let mut b = NetworkBuilder::new(&[3]);
        let fc = b.linear("fc", 0, LinearMap::Identity(3), Coefficients::zeros(3)).unwrap();
        let other = b.finish(fc, &[3]).unwrap();
        let e = Network::side_by_side(&[network(array![[1.0, 2.0]], None), other]).unwrap_err();
        assert!(e.to_string().contains("different shapes"), "{e}");
        assert!(Network::side_by_side(&[]).is_err());
    }
}
