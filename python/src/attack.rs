//! Attacks, and the search for radii of one input.

use crate::error::wrong;
use crate::network::Network;
use crate::options::{Choices, decimal};
use crate::query::Query;
use crate::region::{Values, ball, ends};
use crate::result::{executed, witness_array};
use crate::run::run;
use absint::analyze::{Reason, deadline, portable};
use absint::attack::Attack;
use absint::campaign::{Radius, RadiusOptions, Tolerance};
use absint::domains::domain::Run;
use absint::domains::num::Rational;
use absint::domains::query as asked;
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use std::sync::Arc;

/// A counterexample by projected gradient descent, if it finds one, with the smallest margin of each disjunct and the
/// number of points.
type Attacked<'py> = (Option<Bound<'py, PyUntypedArray>>, Vec<(usize, f64)>, usize);

/// Looks for a counterexample.
#[pyfunction]
#[pyo3(signature = (network, query, choices, restarts=None, steps=None))]
pub fn attack<'py>(
    py: Python<'py>,
    network: &Network,
    query: &Query,
    choices: Choices,
    restarts: Option<usize>,
    steps: Option<usize>,
) -> PyResult<Attacked<'py>> {
    query.fits(network)?;
    let limit = choices.timeout()?;
    let budget = deadline(limit);
    let pgd = Attack::pgd(choices.seed());
    let attack = Attack { restarts: restarts.unwrap_or(pgd.restarts), steps: steps.unwrap_or(pgd.steps), ..pgd };
    let (model, asked, shared) = (Arc::clone(&network.model), Arc::clone(&query.query), budget.clone());
    let task = move || {
        let mut found = attack.run_query(&model.network, &asked, None, &shared);
        found.witness = found.witness.map(|witness| portable(&model.network, &asked, witness));
        found
    };
    let found = run(py, (choices.threads()?, limit), &budget, task)?.unwrap_or_default();
    let witness = found.witness.map(|witness| witness_array(py, &witness, &query.shape)).transpose()?;
    Ok((witness, found.closest, found.points))
}

/// What is known of the distance to the nearest counterexample: the certified radius, the attack's with its
/// counterexample, how many analyses and attacks it took, whether the time was up, and why no larger one is
/// certified and what may help.
type Radii<'py> = (
    Option<String>,
    Option<String>,
    Option<Bound<'py, PyUntypedArray>>,
    usize,
    usize,
    bool,
    Vec<String>,
    Vec<&'static str>,
);

/// Searches for the radii of one input.
#[pyfunction]
#[pyo3(signature = (network, values, label, norm, ends_of_search, choices, tolerance=None, clip=None))]
#[expect(clippy::too_many_arguments, reason = "the Python half has them by name")]
pub fn radius<'py>(
    py: Python<'py>,
    network: &Network,
    values: Values<'py>,
    label: usize,
    norm: String,
    ends_of_search: (String, String),
    choices: Choices,
    tolerance: Option<String>,
    clip: Option<(String, String)>,
) -> PyResult<Radii<'py>> {
    let (limit, threads) = (choices.timeout()?, choices.threads()?);
    let budget = deadline(limit);
    let options = search(&choices, &ends_of_search, tolerance.as_deref())?;
    let model = executed(network, &options.analysis)?;
    let classes = model.network.output_len();
    if label >= classes {
        return Err(wrong(format!("class {label} does not exist: the network has {classes} outputs")));
    }
    let (center, shape, clip) = (values.rationals()?, values.shape(), ends(clip.as_ref())?);
    let shared = budget.clone();
    let task = move || {
        let query = |eps: &Rational| {
            let region = ball(&norm, &center, eps, clip.as_ref().map(|(low, high)| (low, high)))?;
            Ok(asked::Query::robustness(region, classes, label))
        };
        absint::campaign::radius(&model.network, &query, &options, Run::silent(&shared))
    };
    let found = run(py, (threads, limit), &budget, task)?.transpose().map_err(wrong)?;
    let found = found.unwrap_or_else(Radius::out_of_time);
    let certified = found.certified.as_ref().map(ToString::to_string);
    let (attacked, witness) = match &found.attacked {
        Some((eps, witness)) => (Some(eps.to_string()), Some(witness_array(py, witness, &shape)?)),
        None => (None, None),
    };
    let because = found.reasons.iter().map(Reason::because).collect();
    let may_help = Reason::helps(&found.reasons).collect();
    Ok((certified, attacked, witness, found.analyses, found.attacks, found.out_of_time, because, may_help))
}

/// How radii are searched for, as `absint radius` does by default.
pub fn search(choices: &Choices, (lo, hi): &(String, String), tolerance: Option<&str>) -> PyResult<RadiusOptions> {
    let (lo, hi) = (decimal(lo)?, decimal(hi)?);
    if lo < Rational::ZERO {
        return Err(wrong("a radius must not be negative"));
    }
    if hi <= lo {
        return Err(wrong(format!("hi {hi} must be larger than lo {lo}")));
    }
    let tolerance: Option<Tolerance> = tolerance.map(str::parse).transpose().map_err(wrong)?;
    let analysis = choices.options()?;
    Ok(RadiusOptions {
        lo,
        hi,
        attack: analysis.attack.then(|| Attack::pgd(choices.seed())),
        attack_tolerance: match &tolerance {
            Some(Tolerance::Absolute(tolerance)) => tolerance.clone(),
            _ => RadiusOptions::fine(),
        },
        tolerance,
        analysis,
        ..RadiusOptions::default()
    })
}
