//! Cuts of several neurons with what proves them: on every branch, where each neuron keeps to a segment of its activation,
//! multiples of rows of the octahedron (Farkas).

use super::LpFact;
use super::groups::Group;
use crate::budget::Budget;
use crate::domain::{Trace, allowance};
use crate::lp::{LinearProgram, LpBackend, certified_minimum_of};
use crate::network::{Affine, NodeId, NodeKind};
use crate::num::round::add_up;
use crate::polyhedra::{Facet, Octahedron, Segment, directions};
use itertools::Itertools;
use std::sync::{Arc, OnceLock};

/// A facet of a group's hull, `z · z' + y · y' ≤ rhs`.
pub struct Cut {
    /// The activation node.
    pub node: NodeId,
    /// The group, by index in the node.
    pub neurons: Vec<usize>,
    /// The facet.
    pub facet: Facet,
    octahedron: Arc<Octahedron>,
    proof: OnceLock<Option<CutProof>>,
}

/// Why `z · z' + y · y' ≤ rhs` holds.
#[derive(Clone, Debug)]
pub struct CutProof {
    /// The right side, which is about that of the facet.
    pub rhs: f64,
    /// Rows `direction · z' ≤ upper` of the octahedron, which back-substitution shows.
    pub rows: Vec<(Vec<i8>, f64)>,
    /// For each neuron where its segments meet, ascending.
    pub ends: Vec<Vec<f64>>,
    /// For each branch (the last neuron's segments alternate fastest) factors `≥ 0` of rows.
    pub branches: Vec<Vec<(usize, f64)>>,
}

/// What rounding may add to a right side, relative to the magnitudes of its terms.
const SLACK: f64 = 1e-10;

/// Factors by which a ray is tried where a branch holds no point.
const RAYS: [f64; 4] = [1.0, 1e2, 1e4, 1e6];

/// Multipliers below this share of the largest are solver's noise.
const NOISE: f64 = 1e-9;

impl Cut {
    /// A cut that is not proved yet; of neurons of several nodes none ever is.
    pub(super) fn new(group: &Group, facet: Facet) -> Option<Self> {
        let (node, _) = *group.neurons.first()?;
        let own = |&(id, i): &(NodeId, usize)| (id == node).then_some(i);
        let neurons = group.neurons.iter().map(own).collect::<Option<_>>()?;
        Some(Self { node, neurons, facet, octahedron: group.octahedron.clone(), proof: OnceLock::new() })
    }

    /// What proves it over what was seen; `None` where nothing was found.
    pub(super) fn proof(&self, seen: &Trace<LpFact>, backend: &dyn LpBackend) -> Option<&CutProof> {
        self.proof.get_or_init(|| self.prove(seen, backend)).as_ref()
    }

    /// What was found to prove it.
    #[must_use]
    pub fn proved(&self) -> Option<&CutProof> {
        self.proof.get().and_then(Option::as_ref)
    }

    fn prove(&self, seen: &Trace<LpFact>, backend: &dyn LpBackend) -> Option<CutProof> {
        let NodeKind::Activation(activation) = &seen.network.node(self.node).kind else { return None };
        let NodeKind::Affine(affine) = &seen.network.node(activation.source).kind else { return None };
        let z = seen.bounds_of(activation.source);
        let of_neuron = |&i: &usize| {
            let mut segments = activation.function.segments(z.reach(i));
            segments.sort_by(|a, b| a.from.total_cmp(&b.from));
            segments
        };
        let segments: Vec<Vec<Segment>> = self.neurons.iter().map(of_neuron).collect();
        // A jump lies on both sides of a split.
        let meets = |pair: &[Segment]| pair[0].to == pair[1].from && pair[0].from < pair[0].to;
        if !segments.iter().all(|s| !s.is_empty() && s.windows(2).all(meets)) {
            return None;
        }
        let lost = self.neurons.iter().map(|&i| allowance(reach(affine, i, seen))).fold(0.0, add_up);
        let is_joint = |direction: &[i8]| direction.iter().filter(|a| **a != 0).count() > 1;
        let all = directions(self.neurons.len()).into_iter().zip(self.octahedron.upper());
        let rows: Vec<(Vec<i8>, f64)> =
            all.filter(|(d, _)| is_joint(d)).map(|(d, &upper)| (d, add_up(upper, lost))).collect();
        let (mut branches, mut least) = (Vec::new(), f64::INFINITY);
        for branch in segments.iter().map(|list| list.iter()).multi_cartesian_product() {
            let (bound, factors) = self.branch(&branch, &rows, (backend, seen.run.budget))?;
            least = least.min(bound);
            branches.push(factors);
        }
        let magnitudes = self.neurons.iter().zip(self.facet.z.iter().zip(&self.facet.y)).map(|(&i, (z_of, y_of))| {
            z_of.abs() * z.get(i).magnitude() + y_of.abs() * seen.bounds_of(self.node).get(i).magnitude()
        });
        let slack = SLACK * magnitudes.fold(least.abs(), |sum, more| sum + more) + lost;
        let ends = segments.iter().map(|list| list.iter().skip(1).map(|segment| segment.from).collect()).collect();
        least.is_finite().then(|| CutProof { rhs: add_up(-least, slack), rows, ends, branches })
    }

    /// A certified least value of minus the left side on a branch, and the multipliers of rows that show it.
    fn branch(
        &self,
        branch: &[&Segment],
        rows: &[(Vec<i8>, f64)],
        (backend, budget): (&dyn LpBackend, &Budget),
    ) -> Option<(f64, Vec<(usize, f64)>)> {
        let mut program = LinearProgram::new();
        let (mut objective, mut constant) = (Vec::new(), 0.0);
        for (j, segment) in branch.iter().enumerate() {
            program.add_variable(segment.from, segment.to);
            objective.push(-(self.facet.z[j] + self.facet.y[j] * segment.slope));
            constant -= self.facet.y[j] * segment.intercept;
        }
        for (direction, upper) in rows {
            let entries: Vec<(usize, f64)> = direction.iter().map(|&a| f64::from(a)).enumerate().collect();
            program.add_row(&entries, f64::NEG_INFINITY, *upper);
        }
        let bound = |multipliers: &[f64]| certified_minimum_of(&program, &objective, multipliers);
        let session = backend.session(&program).and_then(|mut session| session.minimise(&objective, budget));
        let solved = session.map(|solution| solution.multipliers).unwrap_or_default();
        let largest = solved.iter().fold(0.0, |most: f64, m| most.max(m.abs()));
        let clean: Vec<f64> = solved.iter().map(|&m| if m < -NOISE * largest { m } else { 0.0 }).collect();
        let scaled = |factor: &f64| clean.iter().map(|m| m * factor).collect::<Vec<f64>>();
        let enough = -self.facet.rhs - constant;
        let mut best = vec![0.0; rows.len()];
        for candidate in RAYS.iter().map(scaled) {
            if bound(&candidate) > bound(&best) {
                best = candidate;
            }
            if bound(&best) >= enough {
                break;
            }
        }
        let used = best.iter().enumerate().filter(|(_, m)| **m < 0.0).map(|(row, m)| (row, -m)).collect();
        let found = bound(&best) + constant;
        found.is_finite().then_some((found, used))
    }
}

/// The magnitudes that are summed up to neuron `i` of an affine node.
fn reach(affine: &Affine, i: usize, seen: &Trace<LpFact>) -> f64 {
    let of_term = |term: &crate::network::Term| {
        let row = term.map.rows(&[(i, 1.0)]);
        let magnitudes = seen.bounds_of(term.source).magnitudes();
        row.iter().zip(magnitudes).map(|(w, x)| w.abs() * x).sum::<f64>()
    };
    affine.bias.enclosure(i).magnitude() + affine.terms.iter().map(of_term).sum::<f64>()
}
