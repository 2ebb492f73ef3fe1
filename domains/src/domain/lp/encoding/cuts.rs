//! Cuts of a network's linear program, and what a point of the program says of the neurons that they are about.

use super::super::groups::Group;
use super::super::joint::Cut;
use super::expression::{Expression, Value, two_sum};
use super::{Encoding, Objective};
use crate::domain::lp::step_hull::{Product, StepCut, StepNeuron};
use crate::network::{NodeId, NodeKind};
use crate::num::Interval;
use crate::num::round::mul_up;
use crate::polyhedra::Facet;
use std::sync::Arc;

impl Encoding<'_> {
    /// Adds the cut `facet` of a group.
    pub fn add_cut(&mut self, group: &Group, facet: Facet) {
        let Some(row) = self.cut(group, &facet) else { return };
        let row = self.row(&row, Interval { lo: f64::NEG_INFINITY, hi: facet.rhs });
        self.rows.cuts.extend(Cut::new(group, facet).map(|cut| (row, Arc::new(cut))));
    }

    /// Adds a cut of the neuron `i` of the activation node `id` with its inputs.
    pub fn add_step_cut(&mut self, id: NodeId, i: usize, cut: &StepCut) {
        let Some(output) = self.values_of(id).map(|ys| ys[i]) else { return };
        let mut row = Expression::new(Interval::ZERO);
        for product in &cut.products {
            let (node, j) = product.source;
            let Some(x) = self.values_of(node).map(|xs| xs[j]) else { return };
            row.add(product.weight, x);
        }
        row.add(-cut.slope, output);
        self.row(&row, cut.range);
    }

    /// The inputs and the output of a neuron with its inputs, at a point of the program.
    pub fn step_at(&self, neuron: &StepNeuron, point: &[f64]) -> Option<(Vec<f64>, f64)> {
        let x = |product: &Product| {
            let (node, j) = product.source;
            self.values_of(node)?[j].at(point)
        };
        let inputs: Option<Vec<f64>> = neuron.products().iter().map(x).collect();
        Some((inputs?, self.values_of(neuron.node)?[neuron.neuron].at(point)?))
    }

    /// The left side of a cut. Both coefficients of one neuron meet in its `y`; the rounding of their
    /// sum widens the constant.
    fn cut(&self, group: &Group, facet: &Facet) -> Option<Expression> {
        let mut row = Expression::new(Interval::ZERO);
        for (j, &neuron) in group.neurons.iter().enumerate() {
            match self.graph_at(neuron)? {
                (Value::Difference { y, s, radius }, Value::Variable(output)) if y == output => {
                    row.widen(mul_up(facet.z[j].abs(), radius));
                    let (sum, error) = two_sum(facet.z[j], facet.y[j]);
                    let range = Interval { lo: self.program.lower()[y], hi: self.program.upper()[y] };
                    row.widen(mul_up(error, range.magnitude()));
                    row.entries.extend([(y, sum), (s, -facet.z[j])]);
                }
                (z, y) => {
                    row.add(facet.z[j], z);
                    row.add(facet.y[j], y);
                }
            }
        }
        Some(row)
    }

    /// Pre-activation and output of a neuron of an activation node.
    fn graph_at(&self, (id, i): (NodeId, usize)) -> Option<(Value, Value)> {
        let NodeKind::Activation(activation) = &self.network.node(id).kind else { return None };
        Some((self.values_of(activation.source)?[i], self.values_of(id)?[i]))
    }

    /// The values of a group's neurons at a point of the program: pre-activations, then outputs.
    pub fn group_at(&self, group: &Group, point: &[f64]) -> Option<Vec<f64>> {
        let values: Option<Vec<(Value, Value)>> = group.neurons.iter().map(|&neuron| self.graph_at(neuron)).collect();
        let (z, y): (Vec<Value>, Vec<Value>) = values?.into_iter().unzip();
        z.iter().chain(&y).map(|value| value.at(point)).collect()
    }

    /// How many of these neurons of a signum layer have the value that is beside them: `Σ (1 + s_j y_j) / 2`.
    fn unchanged(&self, id: NodeId, neurons: &[(usize, f64)]) -> Option<Expression> {
        let ys = self.values_of(id)?;
        let mut sum = Expression::new(Interval::point(neurons.len() as f64 / 2.0));
        neurons.iter().for_each(|&(i, sign)| sum.add(sign / 2.0, ys[i]));
        Some(sum)
    }

    /// That number as an objective.
    pub fn fewest_unchanged(&self, id: NodeId, neurons: &[(usize, f64)]) -> Option<Objective> {
        self.unchanged(id, neurons).map(|sum| self.objective_of(sum))
    }

    /// Adds that at most so many of these neurons change, which must hold over the region.
    pub fn limit_changes(&mut self, id: NodeId, neurons: &[(usize, f64)], most: f64) {
        let Some(sum) = self.unchanged(id, neurons) else { return };
        self.row(&sum, Interval { lo: neurons.len() as f64 - most, hi: f64::INFINITY });
    }

    /// By how much each of these neurons changes at a point of the program: from 0 to 1.
    pub fn changes_at(&self, id: NodeId, neurons: &[(usize, f64)], point: &[f64]) -> Option<Vec<f64>> {
        let ys = self.values_of(id)?;
        neurons.iter().map(|&(i, sign)| Some((1.0 - sign * ys[i].at(point)?) / 2.0)).collect()
    }
}
