//! Checks the certificate in a folder, and that it is about a network and a query.

use super::certificate::{asks, formulas_in, is_about, open_formula, open_network, open_refutation};
use crate::domains::network::Network;
use crate::domains::query::Query;
use crate::exact::signum;
use absint_check as check;
use std::path::Path;

/// Why there is no certificate of a query in a folder, in one line.
pub type Refused = Box<dyn std::error::Error + Send + Sync>;

/// A certificate that is accepted.
pub struct Accepted {
    /// What was checked, in one line or one per case.
    pub counts: Vec<String>,
    /// Lemmas about real inputs that it rests on, where no network and no query say whether they hold.
    pub lemmas: usize,
}

/// Checks the certificate in a folder: that the proof refutes the query about the network; of a signum network that every
/// formula is refuted by its proof. Where a network and a query are given, also that it is about these.
///
/// # Errors
/// What is missing, is not understood or does not hold.
pub fn check_folder(folder: &Path, about: Option<(&Network, &Query)>) -> Result<Accepted, Refused> {
    let Some(file) = open_network(folder)? else { return check_formulas(folder, about) };
    if about.map(|(network, _)| is_about(folder, network)).transpose()? == Some(false) {
        return Err("network.txt is not that of this network and query".into());
    }
    check_refutation(folder, &check::read_network(file)?, about.map(|(_, query)| query))
}

/// Checks the query and the proof in a folder, which are about this network.
///
/// # Errors
/// What is missing, is not understood or does not hold.
pub fn check_refutation(folder: &Path, network: &check::Network, about: Option<&Query>) -> Result<Accepted, Refused> {
    let [query, proof] = open_refutation(folder)?;
    if about.map(|query| asks(folder, query)).transpose()? == Some(false) {
        return Err("query.txt is not that of this network and query".into());
    }
    let query = check::read_query(query, network)?;
    let found = check::check_refutation(network, &query, proof)?;
    let counts = format!("{} cases, {} lemmas, {} refutations", found.cases, found.lemmas, found.refutations);
    Ok(Accepted { counts: vec![counts], lemmas: 0 })
}

/// Checks the formulas and proofs in a folder.
///
/// # Errors
/// What is missing, is not understood or does not hold.
pub fn check_formulas(folder: &Path, about: Option<(&Network, &Query)>) -> Result<Accepted, Refused> {
    let certified = formulas_in(folder);
    if certified == 0 {
        return Err("there is no certificate here (proof.txt, or case-0.opb)".into());
    }
    if let Some((_, query)) = about.filter(|(_, query)| query.cases.len() != certified) {
        return Err(format!("{certified} cases are certified, the query has {}", query.cases.len()).into());
    }
    let mut accepted = Accepted { counts: Vec::new(), lemmas: 0 };
    for i in 0..certified {
        let (formula, proof) = open_formula(folder, i)?;
        match about {
            Some((network, query)) => {
                signum::check_formula(network, query, i, &formula).map_err(|e| format!("case {i}: {e}"))?;
            }
            None => accepted.lemmas += check::lemmas(&formula),
        }
        let found = check::check(formula.as_bytes(), proof).map_err(|e| format!("case {i}: {e}"))?;
        let steps = found.propagated + found.added;
        accepted.counts.push(format!("case {i}: {} constraints, {steps} steps", found.constraints));
    }
    Ok(accepted)
}
