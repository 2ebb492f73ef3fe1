//! Certificates: written beside a verdict, and checked.

use crate::error::wrong;
use crate::network::Network;
use crate::query::Query;
use crate::run::run;
use absint::analyze::Analysis;
use absint::domains::budget::Budget;
use absint::domains::network;
use absint::domains::query;
use absint::report::{self, Accepted};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes the certificate of a verified query into a folder.
pub fn write(folder: &Path, network: &network::Network, query: &query::Query, analysis: &Analysis) -> PyResult<()> {
    let written = match (&analysis.proof, analysis.uncertified(network, query)) {
        (_, Some(why)) => return Err(wrong(format!("there is no certificate: {why}"))),
        (Some(proof), None) => report::write_refutation(folder, network, query, proof),
        (None, None) => report::write_certificates(folder, &analysis.certificates),
    };
    written.map_err(|e| PyOSError::new_err(e.to_string()))
}

/// Refuses a folder that has certificates, before any work is done.
#[pyfunction]
pub fn refuse_certificates(folder: PathBuf) -> PyResult<()> {
    match report::certificates_in(&folder).first() {
        Some(file) => Err(wrong(format!("{}: exists; remove it, or name another folder", file.display()))),
        None => Ok(()),
    }
}

/// Checks the certificate in a folder, and that it is about a network and a query where these are given: what was checked,
/// line by line, and on how many lemmas about real inputs it rests that nobody looked at.
#[pyfunction]
#[pyo3(signature = (folder, about=None, ties="unsafe"))]
pub fn check(
    py: Python<'_>,
    folder: PathBuf,
    about: Option<(PyRef<'_, Network>, PyRef<'_, Query>)>,
    ties: &str,
) -> PyResult<(Vec<String>, usize)> {
    let ties = crate::options::ties_of(ties)?;
    let about = about.map(|(network, query)| {
        query.fits(&network).map(|()| (Arc::clone(&network.model), (*query.query).clone().with_ties(ties)))
    });
    let about = about.transpose()?;
    let name = folder.display().to_string();
    let task = move || {
        let about = about.as_ref().map(|(model, query)| (&model.network, query));
        report::check_folder(&folder, about).map_err(|e| e.to_string())
    };
    let budget = Budget::unlimited();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(found) = run(py, (threads, None), &budget, task)? else { return Err(wrong("out of time")) };
    let Accepted { counts, lemmas } = found.map_err(|e| wrong(format!("{name}: {e}")))?;
    Ok((counts, lemmas))
}
