//! Bounds of all neurons over a region, whatever is asked of the outputs.

use super::cascade::analyze_within;
use super::error::AnalyzeError;
use super::method::Options;
use crate::domains::domain::{Bounds, NodeBounds, Run};
use crate::domains::network::Network;
use crate::domains::num::{Interval, Rational};
use crate::domains::query::{Atom, Disjunct, Property, Query, Region, Variable};

/// Certified bounds of every neuron over a region, those of the outputs by the method's own minima: two more per output.
/// Out of time, fewer nodes have bounds.
///
/// # Errors
/// Those of [`analyze_within`].
pub fn bounds(network: &Network, region: &Region, options: &Options, run: Run<'_>) -> Result<Bounds, AnalyzeError> {
    let one_sided = |(output, sign): (usize, &Rational)| Disjunct {
        atoms: vec![Atom {
            terms: [(Variable::Output(output), sign.clone())].into(),
            constant: Rational::ZERO,
            is_strict: false,
        }],
    };
    let signs = [Rational::ONE, Rational::NEG_ONE];
    let outputs = 0..network.output_len();
    let disjuncts = outputs.flat_map(|i| signs.iter().map(move |s| (i, s))).map(one_sided).collect();
    let query = Query::over(region.clone(), Property { disjuncts });
    let options = Options { all_margins: true, all_bounds: true, attack: false, ..options.clone() };
    let analysis = analyze_within(network, &query, &options, run)?;
    let sides: NodeBounds =
        analysis.margins.chunks_exact(2).map(|pair| Interval::new(pair[0].bound, -pair[1].bound)).collect();
    let found = analysis.bounds.into_iter().next().unwrap_or_default();
    let mut nodes = found.nodes().to_vec();
    if let Some(output) = nodes.get_mut(network.output()) {
        output.intersect(&sides);
    }
    Ok(Bounds::new(nodes))
}
