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

/// Steps of an ascent.
const MOST_STEPS: usize = 8;

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
            let (bound, factors) = self.branch(&branch, (&rows, lost), (backend, seen.run.budget))?;
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
        (rows, lost): (&[(Vec<i8>, f64)], f64),
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
        let enough = -self.facet.rhs - constant;
        let mut best = ascent(&objective, branch, rows, enough);
        // The facet is one of the octahedron without what its rows may lose here.
        let factors = best.iter().fold(1.0, |sum, m| sum - m);
        let close = enough - lost * factors - SLACK * enough.abs().max(self.facet.rhs.abs());
        if bound(&best) < close {
            let session = backend.session(&program).and_then(|mut session| session.minimise(&objective, budget));
            let solved = session.map(|solution| solution.multipliers).unwrap_or_default();
            let largest = solved.iter().fold(0.0, |most: f64, m| most.max(m.abs()));
            let clean: Vec<f64> = solved.iter().map(|&m| if m < -NOISE * largest { m } else { 0.0 }).collect();
            for factor in RAYS {
                let candidate: Vec<f64> = clean.iter().map(|m| m * factor).collect();
                if bound(&candidate) > bound(&best) {
                    best = candidate;
                }
                if bound(&best) >= enough {
                    break;
                }
            }
        }
        let used = best.iter().enumerate().filter(|(_, m)| **m < 0.0).map(|(row, m)| (row, -m)).collect();
        let found = bound(&best) + constant;
        found.is_finite().then_some((found, used))
    }
}

/// Multipliers of rows found one by one, without a program: at each step that row's is moved which gains most, to where the
/// coefficient of a variable vanishes or its own does; or so far that all is gained, where the row excludes the branch. Most
/// branches follow from a row or two.
fn ascent(objective: &[f64], branch: &[&Segment], rows: &[(Vec<i8>, f64)], enough: f64) -> Vec<f64> {
    let least = |c: f64, s: &Segment| if c == 0.0 { 0.0 } else { c * if c > 0.0 { s.from } else { s.to } };
    let (mut reduced, mut multipliers) = (objective.to_vec(), vec![0.0; rows.len()]);
    let mut value: f64 = reduced.iter().zip(branch).map(|(&c, s)| least(c, s)).sum();
    for _ in 0..MOST_STEPS {
        let (mut best, least_gain) = ((0.0, 0, 0.0f64), SLACK * value.abs());
        for (row, (direction, upper)) in rows.iter().enumerate() {
            let of_variable = || direction.iter().map(|&d| f64::from(d)).zip(reduced.iter().zip(branch));
            let ends = of_variable().filter(|(d, _)| *d != 0.0).map(|(d, (c, _))| -c / d);
            let excluded = of_variable().map(|(d, (_, s))| least(d, s)).sum::<f64>() - upper;
            let far = if excluded > 0.0 { 2.0 * (enough - value) / excluded } else { 0.0 };
            for step in ends.chain([multipliers[row], far]).filter(|step| multipliers[row] - step <= 0.0) {
                let gains = of_variable().map(|(d, (&c, s))| least(c + step * d, s) - least(c, s));
                let gain = gains.sum::<f64>() - step * upper;
                // Of steps that gain as much the shortest leaves most to other rows.
                let is_as_good = gain > best.0 - least_gain && step.abs() < best.2.abs();
                if gain > best.0 + least_gain || is_as_good {
                    best = (gain, row, step);
                }
            }
        }
        let (gain, row, step) = best;
        if value >= enough || step == 0.0 {
            break;
        }
        reduced.iter_mut().zip(&rows[row].0).for_each(|(c, &d)| *c += step * f64::from(d));
        (multipliers[row], value) = (multipliers[row] - step, value + gain);
    }
    multipliers
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

#[cfg(test)]
mod tests {
    use super::*;

    /// By a row, by two, by a row that no point of the branch satisfies, and by none; what they show is certified apart.
    #[test]
    fn an_ascent_finds_the_rows_that_a_bound_rests_on() {
        let shown = |[from, to]: [f64; 2], objective: &[f64], rows: &[(Vec<i8>, f64)], enough: f64| {
            let segment = Segment::new(from, to, 0.0, 0.0);
            let branch = vec![&segment; objective.len()];
            let multipliers = ascent(objective, &branch, rows, enough);
            assert!(multipliers.iter().all(|m| *m <= 0.0));
            let mut program = LinearProgram::new();
            for segment in branch {
                program.add_variable(segment.from, segment.to);
            }
            for (direction, upper) in rows {
                let entries: Vec<(usize, f64)> = direction.iter().map(|&a| f64::from(a)).enumerate().collect();
                program.add_row(&entries, f64::NEG_INFINITY, *upper);
            }
            certified_minimum_of(&program, objective, &multipliers)
        };
        let row = |direction: &[i8], upper: f64| (direction.to_vec(), upper);
        let rows = [row(&[1, 1, 0], 1.0), row(&[0, 1, 1], 1.0), row(&[1, 1, 1], 2.5)];
        assert!(shown([0.0, 1.0], &[-1.0, -1.0, 0.0], &rows, -1.0) > -1.0 - 1e-9);
        assert!(shown([0.0, 1.0], &[-1.0, -3.0, -2.0], &rows, -3.0) > -3.0 - 1e-9);
        assert!(shown([0.0, 1.0], &[1.0, 0.0, 0.5], &rows, 0.0) > -1e-9);
        assert!(shown([1.0, 2.0], &[-1.0, 0.0, 5.0], &rows, 1e6) > 1e5);
    }
}
