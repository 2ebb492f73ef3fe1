//! Several networks over one input as one network.

use super::derived::Derived;
use super::float32::{Operator, Original};
use super::{Affine, Arithmetic, Coefficients, LinearMap, Network, NetworkError, Node, NodeKind, Rounding, Term};
use std::collections::HashMap;
use std::sync::Arc;

impl Network {
    /// The networks side by side: one input, which all of them read, and their outputs one after another
    /// (output `j` of network `m` is number `m · len + j` where all have `len` outputs). Names of nodes are
    /// preceded by the number of their network, from 1.
    ///
    /// # Errors
    /// No network at all, or inputs of different shapes.
    pub fn side_by_side(members: &[Self]) -> Result<Self, NetworkError> {
        let graph = |what| NetworkError::Graph { node: "ensemble".into(), what };
        let first = members.first().ok_or_else(|| graph("has no network"))?;
        if members.iter().any(|m| m.input_shape != first.input_shape) {
            return Err(graph("has networks with inputs of different shapes"));
        }
        let len = members.iter().map(Self::output_len).sum();
        let mut nodes = vec![first.nodes[0].clone()];
        let mut terms = Vec::with_capacity(members.len());
        let mut before = 0;
        for (m, member) in members.iter().enumerate() {
            // Node 0 is the input of all; the others follow those of the networks before.
            let offset = nodes.len() - 1;
            let place = |id: usize| if id == 0 { 0 } else { id + offset };
            for node in &member.nodes[1..] {
                nodes.push(Node { name: format!("{}:{}", m + 1, node.name), ..node.clone().moved(place) });
            }
            let outputs = member.output_len();
            let index = (0..len).map(|i: usize| i.checked_sub(before).filter(|&j| j < outputs)).collect();
            terms.push(Term {
                source: place(member.output),
                map: LinearMap::Select { input_len: outputs, index }.into(),
            });
            before += outputs;
        }
        let bias = Coefficients::zeros(len);
        let rounding = Rounding::exact(&bias);
        let kind = NodeKind::Affine(Affine { terms, bias, rounding });
        nodes.push(Node { len, kind, name: "ensemble".into() });
        let output = nodes.len() - 1;
        // The members' own operators are not kept, so no float32 execution is ever replayed.
        let original = Arc::new(Original::new(&nodes, output, HashMap::from([(output, Operator::Unknown)])));
        let input_shape = first.input_shape.clone();
        Ok(Self {
            nodes,
            output,
            input_shape,
            output_shape: vec![len],
            original,
            arithmetic: Arithmetic::Real,
            derived: Derived::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::NetworkBuilder;
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
    fn inputs_must_fit_together() {
        let mut b = NetworkBuilder::new(&[3]);
        let fc = b.linear("fc", 0, LinearMap::Identity(3), Coefficients::zeros(3)).unwrap();
        let other = b.finish(fc, &[3]).unwrap();
        let e = Network::side_by_side(&[network(array![[1.0, 2.0]], None), other]).unwrap_err();
        assert!(e.to_string().contains("different shapes"), "{e}");
        assert!(Network::side_by_side(&[]).is_err());
    }
}
