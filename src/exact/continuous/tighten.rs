//! Bounds of the neurons themselves by slopes of their own (α-CROWN; Xu et al. 2021): worth its time in
//! networks of many layers, where every part of the search reads them.

use super::Problem;
use super::certify::{Passing, affine_relaxations, certified, node_lines};
use super::dual::{self, Ascent, Row};
use crate::domains::domain::{Bounds, DeepPoly, DeepPolyWithin, DomainError, NodeBounds, Run, propagate};
use crate::domains::network::{NodeId, NodeKind};
use crate::domains::num::Interval;
use crate::domains::query::LinearForms;
use ndarray::Array2;
use rayon::prelude::*;
use std::time::Duration;

const ROUNDS: Ascent = Ascent { rounds: 8, alpha: 0.4, beta: 0.0, gives_up: false };

/// Rows improved together.
const TOGETHER: usize = 32;

/// The share of the remaining time that this may take.
const SHARE: u32 = 4;

/// Bounds at least as tight as the problem's, layer by layer; those found so far when a quarter of the
/// time is gone.
pub(super) fn tightened(problem: &Problem) -> Result<Bounds, DomainError> {
    let Problem { network, case, run, .. } = *problem;
    let at_start = run.budget.remaining();
    let is_over = || match (at_start, run.budget.remaining()) {
        (Some(before), Some(now)) => before.saturating_sub(now) > before / SHARE,
        _ => false,
    };
    let mut bounds = problem.bounds.clone();
    let affine = affine_relaxations(network, &bounds);
    for (id, node) in network.nodes().iter().enumerate() {
        let NodeKind::Affine(own) = &node.kind else { continue };
        let is_read = network.activations().any(|(_, a)| a.source == id);
        let is_first = own.terms.iter().all(|t| t.source == 0);
        if !is_read || is_first || is_over() {
            continue;
        }
        let domain = DeepPolyWithin { base: DeepPoly::default(), known: &bounds, settled: 0 };
        bounds = propagate(&domain, network, &case.region, &bounds, Run::silent(run.budget))?.bounds();
        let z = &bounds.nodes()[id];
        let unstable: Vec<(usize, f64)> = (0..node.len)
            .filter(|&i| z.get(i).lo < 0.0 && z.get(i).hi > 0.0)
            .flat_map(|i| [(i, 1.0), (i, -1.0)])
            .collect();
        let lines = node_lines(network, &bounds);
        let Some(slopes) = dual::slopes(network, &bounds) else { return Ok(bounds) };
        let row = |&(i, sign): &(usize, f64)| {
            let mut output = vec![0.0; node.len];
            output[i] = sign;
            let (input, sides, beta) = (vec![0.0; network.input_len()], Vec::new(), Vec::new());
            Row { start: id, output, input, constant: 0.0, slopes: slopes.clone(), sides, beta }
        };
        let passing = Passing { bounds: &bounds, lines: &lines, affine: &affine };
        let found: Vec<Vec<f64>> = unstable
            .par_chunks(TOGETHER)
            .map(|units| {
                if is_over() {
                    return vec![f64::NEG_INFINITY; units.len()];
                }
                let mut rows: Vec<Row> = units.iter().map(&row).collect();
                dual::ascend(network, case.region.bounds(), &mut rows, ROUNDS, 0.0, is_over);
                let certify = |row: &Row| {
                    let forms = LinearForms::of_node(id, Array2::from_shape_fn((1, node.len), |(_, i)| row.output[i]));
                    certified(problem, &passing, row, forms).unwrap_or(f64::NEG_INFINITY)
                };
                rows.iter().map(certify).collect()
            })
            .collect();
        let found: Vec<f64> = found.concat();
        bounds = with_bounds(&bounds, id, &unstable, &found);
    }
    let domain = DeepPolyWithin { base: DeepPoly::default(), known: &bounds, settled: 0 };
    Ok(propagate(&domain, network, &case.region, &bounds, Run::silent(run.budget))?.bounds())
}

/// Puts the lower bounds `found` of `sign · z_i` into the bounds of node `id`.
fn with_bounds(bounds: &Bounds, id: NodeId, units: &[(usize, f64)], found: &[f64]) -> Bounds {
    let mut nodes = bounds.nodes().to_vec();
    let mut known = vec![Interval::ALL; nodes[id].len()];
    for (&(i, sign), &bound) in units.iter().zip(found) {
        if sign > 0.0 { known[i].lo = bound } else { known[i].hi = -bound }
    }
    nodes[id].intersect(&known.into_iter().collect::<NodeBounds>());
    Bounds::new(nodes)
}

/// Whether the neurons are worth bounds of their own: back-substitution is exact enough before the second
/// hidden layer, and when hardly any time is left the search had better begin.
pub(super) fn is_worthwhile(problem: &Problem) -> bool {
    let enough = problem.run.budget.remaining().is_none_or(|left| left > Duration::from_secs(2));
    enough && problem.network.activations().count() > 2
}
