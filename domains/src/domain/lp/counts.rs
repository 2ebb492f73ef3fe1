//! Counted changes: rows that bound how many neurons of a signum layer can leave their values at the region's centre
//! at once.
//!
//! Let `s_j` be the value of neuron `j` at the centre. Of a set `J` of neurons of one layer `Σ_J (1 − s_j y_j) / 2` have
//! another value, which is an integer. The linear program itself bounds that sum from above, and what is certified of
//! it is rounded down. At an optimum the sets are those neurons that change most there, as many as make a sum that is
//! far from an integer; layer by layer, so that each layer's counts profit from those of the layers before.
//!
//! Source: our own; the aim, valid inequalities from the recursive structure, is that of Kim and Luedtke (2025).

use super::encoding::Encoding;
use super::{LpDomain, LpFact};
use crate::activation::ActivationFn;
use crate::domain::{NodeBounds, Run, Trace};
use crate::lp::Stop;
use crate::network::NodeId;
use crate::num::nearest;
use float_ord::FloatOrd;

/// Sets of a layer at one point, at most.
const SETS: usize = 4;

/// A sum is far from an integer when it is above it by at least this, and below the next one.
const FAR: f64 = 0.05;

/// A signum layer's unstable neurons, each with its value at the centre.
pub(super) struct Counted {
    /// The activation node.
    node: NodeId,
    neurons: Vec<(usize, f64)>,
}

/// All signum layers that were seen.
pub(super) fn counted(seen: &Trace<'_, LpFact>) -> Vec<Counted> {
    let center: Vec<f64> = seen.region.center().iter().map(nearest).collect();
    let Ok(values) = seen.network.evaluate_all::<f64>(&center) else { return Vec::new() };
    let known = seen.network.activations().take_while(|&(id, _)| id < seen.facts.len());
    let layers = known.map(|(node, activation)| {
        let z = seen.bounds_of(activation.source);
        let side = |(i, &value)| Some((i, side(activation.function.as_ref(), z, i, value)?));
        Counted { node, neurons: values[node].iter().enumerate().filter_map(side).collect() }
    });
    layers.filter(|layer| layer.neurons.len() > 1).collect()
}

/// The sign of neuron `i` at the centre, where it is unstable between −1 and 1.
fn side(function: &dyn ActivationFn, z: &NodeBounds, i: usize, value: f64) -> Option<f64> {
    let [low, high] = function.segments(z.reach(i))[..] else { return None };
    let is_sign = low.slope == 0.0 && high.slope == 0.0 && (low.intercept, high.intercept) == (-1.0, 1.0);
    (is_sign && value.abs() == 1.0).then_some(value)
}

/// Adds the counts that a point of the program violates; returns how many.
pub(super) fn add_violated(
    domain: &LpDomain,
    layers: &[Counted],
    encoding: &mut Encoding,
    point: &[f64],
    run: Run<'_>,
) -> usize {
    let mut added = 0;
    for layer in layers {
        let Some(changes) = encoding.changes_at(layer.node, &layer.neurons, point) else { continue };
        for (neurons, sum) in sets(&layer.neurons, &changes) {
            if run.budget.is_spent() {
                return added;
            }
            let Some(most) = most_changes(domain, layer.node, &neurons, encoding, run) else { continue };
            if most < sum - FAR / 2.0 {
                encoding.limit_changes(layer.node, &neurons, most);
                added += 1;
            }
        }
    }
    added
}

/// Sets of neurons by what they change together at a point, where that is far from an integer.
fn sets(neurons: &[(usize, f64)], changes: &[f64]) -> Vec<(Vec<(usize, f64)>, f64)> {
    let mut order: Vec<usize> = (0..neurons.len()).filter(|&j| changes[j] > FAR).collect();
    order.sort_by_key(|&j| FloatOrd(-changes[j]));
    let mut sum = 0.0;
    let sums = order.iter().enumerate().map(|(j, &next)| {
        sum += changes[next];
        (j + 1, sum)
    });
    let mut far: Vec<(usize, f64)> = sums.filter(|&(_, sum)| sum % 1.0 > FAR && sum % 1.0 < 1.0 - FAR).collect();
    // The nearer to the integer below, the more likely it is that the next one is out of reach.
    far.sort_by_key(|&(_, sum)| FloatOrd((sum % 1.0 - 0.4).abs()));
    far.truncate(SETS);
    far.into_iter().map(|(size, sum)| (order[..size].iter().map(|&j| neurons[j]).collect(), sum)).collect()
}

/// At most so many of these neurons change at once, as far as the program knows.
fn most_changes(
    domain: &LpDomain,
    node: NodeId,
    neurons: &[(usize, f64)],
    encoding: &Encoding,
    run: Run<'_>,
) -> Option<f64> {
    let objective = encoding.fewest_unchanged(node, neurons)?;
    let mut session = domain.backend.session(encoding.program()).ok()?;
    let least = domain.solve(&mut *session, encoding, &objective, Stop::AT_OPTIMUM, run)?.bound;
    least.is_finite().then(|| (neurons.len() as f64 - least.ceil()).max(0.0))
}
