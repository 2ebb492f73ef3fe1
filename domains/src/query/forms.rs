//! Batches of linear forms over the nodes of a network.

use crate::network::NodeId;
use ndarray::Array2;

/// The part of a batch of linear forms that reads one node.
#[derive(Clone, Debug)]
pub struct FormTerm {
    /// The node.
    pub node: NodeId,
    /// Forms × length of the node.
    pub coefficients: Array2<f64>,
    /// Upper bounds of how far each coefficient may be from the true one; `None` when exact.
    pub radius: Option<Array2<f64>>,
}

/// A batch of linear forms `Σ_nodes C · x_node + constant` over the nodes of a network.
#[derive(Clone, Debug)]
pub struct LinearForms {
    /// The parts; two may read the same node.
    pub terms: Vec<FormTerm>,
    /// Lower bounds of the constants, one per form.
    pub constants: Vec<f64>,
}

impl LinearForms {
    /// Forms `C · x_node` with exact coefficients.
    #[must_use]
    pub fn of_node(node: NodeId, coefficients: Array2<f64>) -> Self {
        let constants = vec![0.0; coefficients.nrows()];
        Self { terms: vec![FormTerm { node, coefficients, radius: None }], constants }
    }

    /// Number of forms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.constants.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.constants.is_empty()
    }

    /// The forms with indices `rows`, in that order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let pick = |m: &Array2<f64>| m.select(ndarray::Axis(0), rows);
        let terms = self
            .terms
            .iter()
            .map(|t| FormTerm {
                node: t.node,
                coefficients: pick(&t.coefficients),
                radius: t.radius.as_ref().map(pick),
            })
            .collect();
        Self { terms, constants: rows.iter().map(|&r| self.constants[r]).collect() }
    }

    /// The sum of all forms with these weights, up to rounding.
    #[must_use]
    pub fn weighted(&self, weights: &[f64]) -> Self {
        let sum = |column: ndarray::ArrayView1<f64>| column.iter().zip(weights).map(|(c, w)| c * w).sum::<f64>();
        let of_term = |t: &FormTerm| {
            let coefficients = t.coefficients.map_axis(ndarray::Axis(0), sum).insert_axis(ndarray::Axis(0));
            FormTerm { node: t.node, coefficients, radius: None }
        };
        let constant = self.constants.iter().zip(weights).map(|(c, w)| c * w).sum();
        Self { terms: self.terms.iter().map(of_term).collect(), constants: vec![constant] }
    }
}
