//! Products of a network's inputs and outputs as further outputs.

use super::{
    Affine, Coefficients, Factor, LinearMap, Network, NetworkError, Node, NodeId, NodeKind, Product, Rounding, Term,
};
use std::sync::Arc;

impl Network {
    /// The network with products as further outputs. The factors of a product are numbers: inputs count from 0, then
    /// outputs, then the products before it. In float32, too, they are those of real numbers: no execution computes them.
    ///
    /// # Errors
    /// Factors that there are not.
    pub fn with_products(&self, products: &[[usize; 2]]) -> Result<Self, NetworkError> {
        let (inputs, outputs) = (self.input_len(), self.output_len());
        let known = inputs + outputs;
        let fault = |what| NetworkError::Graph { node: NAME.into(), what };
        if products.iter().enumerate().any(|(k, factors)| factors.iter().any(|&f| f >= known + k)) {
            return Err(fault("has a factor that comes later"));
        }
        let (nodes, output) = multiplied(self.nodes.clone(), self.output, inputs, products);
        let original = Arc::new(self.original.with_products(products));
        let output_shape = vec![nodes[output].len];
        Ok(Self { original, output_shape, arithmetic: self.arithmetic, ..self.rebuilt(nodes, output) })
    }
}

/// A graph over so many inputs and its output, with products behind the outputs.
fn multiplied(nodes: Vec<Node>, output: NodeId, inputs: usize, products: &[[usize; 2]]) -> (Vec<Node>, NodeId) {
    let (outputs, mut graph) = (nodes[output].len, Graph { nodes });
    let known = inputs + outputs;
    let part = |from: usize, len: usize| (0..known).map(move |i: usize| i.checked_sub(from).filter(|&i| i < len));
    let mut all = graph.select(vec![(0, part(0, inputs).collect()), (output, part(inputs, outputs).collect())]);
    // Those whose factors are known already are made together.
    let mut levels = vec![0usize; known];
    for [a, b] in products {
        levels.push(1 + levels[*a].max(levels[*b]));
    }
    let mut places: Vec<Option<usize>> = (0..known).map(Some).chain(products.iter().map(|_| None)).collect();
    for level in 1..=levels.iter().copied().max().unwrap_or(0) {
        let made: Vec<usize> = (known..levels.len()).filter(|&k| levels[k] == level).collect();
        let place = |k: usize| places[k].unwrap_or_default();
        let factors: Vec<[usize; 2]> = made.iter().map(|&k| products[k - known].map(place)).collect();
        let (before, more) = (graph.nodes[all].len, graph.multiply(all, &factors));
        let len = before + factors.len();
        let old = (0..len).map(|i| Some(i).filter(|&i| i < before)).collect();
        all = graph.select(vec![(all, old), (more, (0..len).map(|i| i.checked_sub(before)).collect())]);
        made.iter().enumerate().for_each(|(i, &k)| places[k] = Some(before + i));
    }
    let output = graph.select(vec![(all, places.split_off(inputs))]);
    (graph.nodes, output)
}

/// What the added nodes are called.
const NAME: &str = "products";

struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    fn push(&mut self, len: usize, kind: NodeKind) -> NodeId {
        self.nodes.push(Node { len, kind, name: NAME.into() });
        self.nodes.len() - 1
    }

    fn affine(&mut self, terms: Vec<(NodeId, LinearMap)>) -> NodeId {
        let len = terms[0].1.output_len();
        let terms = terms.into_iter().map(|(source, map)| Term { source, map: map.into() }).collect();
        let bias = Coefficients::zeros(len);
        let rounding = Rounding::exact(&bias);
        self.push(len, NodeKind::Affine(Affine { terms, bias, rounding }))
    }

    /// The sum of entries of nodes.
    fn select(&mut self, terms: Vec<(NodeId, Vec<Option<usize>>)>) -> NodeId {
        let map =
            |(source, index): (NodeId, _)| (source, LinearMap::Select { input_len: self.nodes[source].len, index });
        let terms = terms.into_iter().map(map).collect();
        self.affine(terms)
    }

    /// The products of pairs of entries of `source`.
    fn multiply(&mut self, source: NodeId, pairs: &[[usize; 2]]) -> NodeId {
        let factor = |k: usize| Factor { source, index: pairs.iter().map(|pair| pair[k]).collect() };
        self.push(
            pairs.len(),
            NodeKind::Product(Product { factors: [factor(0), factor(1)], rounding: Rounding::part() }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arithmetic, NetworkBuilder, Order};
    use super::*;
    use crate::num::{Rational, exact, parse_decimal};
    use ndarray::array;

    #[test]
    fn products_are_those_of_the_numbers_before_them() {
        let mut b = NetworkBuilder::new(&[2]);
        let fc = b.linear("fc", 0, LinearMap::Dense(array![[1.0, 2.0], [3.0, -1.0]]), Coefficients::zeros(2)).unwrap();
        let network = b.finish(fc, &[2]).unwrap();
        // x₀y₁, y₀², x₀y₁·y₀², (x₀y₁)², y₁x₁
        let products = [[0, 3], [2, 2], [4, 5], [4, 4], [3, 1]];
        let more = network.with_products(&products).unwrap();
        for x in [["1", "0.25"], ["-2", "0.5"], ["0", "0"], ["7", "-3"]] {
            let x = x.map(|t| parse_decimal(t).unwrap());
            let y: Vec<Rational> = network.evaluate(&x).unwrap();
            let (xy, yy) = (&x[0] * &y[1], &y[0] * &y[0]);
            let expected = [y.clone(), vec![xy.clone(), yy.clone(), &xy * &yy, &xy * &xy, &y[1] * &x[1]]].concat();
            assert_eq!(more.evaluate(&x).unwrap(), expected);
        }
        // In float32 the outputs are rounded, and what is multiplied are they.
        let float32 = network.in_arithmetic(Arithmetic::Float32).with_products(&products).unwrap();
        assert_eq!((float32.arithmetic(), float32.rounded_node()), (Arithmetic::Float32, None));
        let x = [0.1f32, 0.7];
        for order in Order::ALL {
            let y = network.evaluate_float32(&x, order).unwrap();
            let [x0, x1, y0, y1] = [x[0], x[1], y[0], y[1]].map(|v| exact(f64::from(v)).unwrap());
            let (xy, yy) = (&x0 * &y1, &y0 * &y0);
            let expected = [y0, y1.clone(), xy.clone(), yy.clone(), &xy * &yy, &xy * &xy, y1 * x1];
            let expected: Vec<_> = expected.iter().map(|y| [y.clone(), y.clone()]).collect();
            assert_eq!(float32.outputs_float32(&x, order).unwrap(), expected);
        }
        assert!(network.with_products(&[[0, 4]]).is_err());
        assert_eq!(network.with_products(&[]).unwrap().evaluate(&[1.0, 2.0]).unwrap(), vec![5.0, 1.0]);
    }
}
