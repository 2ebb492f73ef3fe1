//! Certified bounds from slopes and multipliers that were guessed in floats.

use super::Problem;
use super::dual::Row;
use crate::domains::activation::{Line, Lines, Slopes};
use crate::domains::domain::{
    BackSubstitution, Bounds, Concretise, DomainError, History, NodeBounds, NodeLines, Relaxation,
};
use crate::domains::network::{Network, NodeId, NodeKind};
use crate::domains::query::{FormTerm, LinearForms};
use ndarray::Array2;

/// The lines of least area of every activation node that `bounds` know the source of.
pub(super) fn node_lines(network: &Network, bounds: &Bounds) -> Vec<Option<NodeLines>> {
    let mut all: Vec<Option<NodeLines>> = vec![None; network.nodes().len()];
    for (id, activation) in network.activations() {
        all[id] = bounds.get(activation.source).map(|z| NodeLines::new(activation.function.as_ref(), z, Slopes::Area));
    }
    all
}

/// What passing the affine nodes may lose over `bounds` (of all nodes); other nodes have a placeholder.
pub(super) fn affine_relaxations(network: &Network, bounds: &Bounds) -> Vec<Relaxation> {
    let relaxation = |kind: &NodeKind| match kind {
        NodeKind::Affine(affine) => Relaxation::affine(affine, |id| &bounds.nodes()[id]),
        _ => Relaxation::Input,
    };
    network.nodes().iter().map(|node| relaxation(&node.kind)).collect()
}

/// How nodes are passed on the way back.
pub(super) struct Passing<'a> {
    /// Bounds of all nodes.
    pub bounds: &'a Bounds,
    /// Lines over them: stable neurons have a single one.
    pub lines: &'a [Option<NodeLines>],
    /// Errors of the affine nodes over bounds at least as wide.
    pub affine: &'a [Relaxation],
}

struct RowHistory<'a> {
    bounds: &'a Bounds,
    affine: &'a [Relaxation],
    activations: Vec<Option<Relaxation>>,
    nothing: NodeBounds,
}

impl History for RowHistory<'_> {
    fn bounds(&self, id: NodeId) -> &NodeBounds {
        self.bounds.get(id).unwrap_or(&self.nothing)
    }
    fn relaxation(&self, id: NodeId) -> &Relaxation {
        self.activations[id].as_ref().unwrap_or(&self.affine[id])
    }
}

/// A certified lower bound of the form `forms` (a single one), passed through the row's slopes: for every
/// input on the row's sides it is at least itself less `Σ β · |z|` of the neurons on them, whatever the
/// `β ≥ 0` are (β-CROWN; Wang et al. 2021, eq. 8).
pub(super) fn certified(
    problem: &Problem,
    passing: &Passing,
    row: &Row,
    mut forms: LinearForms,
) -> Result<f64, DomainError> {
    let Problem { network, case, run, .. } = *problem;
    let mut activations: Vec<Option<Relaxation>> = vec![None; network.nodes().len()];
    for (id, activation) in network.activations().take_while(|(id, _)| *id <= row.start) {
        let Some(base) = &passing.lines[id] else { return Ok(f64::NEG_INFINITY) };
        let z = &passing.bounds.nodes()[activation.source];
        let mut lines = base.clone();
        let s = &row.slopes[id];
        for i in 0..s.low.len() {
            if s.free[i] {
                let upper = Line { slope: lines.upper_slope[i], intercept: lines.upper_intercept[i] };
                // α lies between the slopes of the two segments, which meet at zero.
                let lower = Line { slope: s.low[i], intercept: 0.0 };
                lines.replace(i, Lines { lower, upper }, z.get(i));
            }
        }
        activations[id] = Some(Relaxation::Activation(lines));
    }
    let nothing = NodeBounds::new(Vec::new(), Vec::new());
    let history = RowHistory { bounds: passing.bounds, affine: passing.affine, activations, nothing };
    for (side, &beta) in row.sides.iter().zip(&row.beta).filter(|(_, beta)| **beta > 0.0) {
        let mut coefficients = Array2::zeros((1, network.node(side.node).len));
        coefficients[[0, side.neuron]] = -side.sign() * beta;
        forms.terms.push(FormTerm { node: side.node, coefficients, radius: None });
    }
    let walk = BackSubstitution {
        network,
        region: &case.region,
        history: &history,
        concretise: Concretise::Input,
        budget: run.budget,
    };
    Ok(walk.minima(&forms)?[0])
}
