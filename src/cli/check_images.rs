//! `absint check` of the certificates of a data set.

use super::inputs::QueryArgs;
use super::limit::Answer;
use super::{CliResult, Exit, Format, Global};
use crate::domains::network::Network;
use crate::domains::query::Query;
use crate::report::{self, SCHEMA};
use absint_check as check;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// What became of the certificate of an image that was verified.
enum Outcome {
    /// It is accepted, if so many lemmas about real inputs hold.
    Accepted(usize),
    Refused(String),
    /// There is none.
    Without(String),
}

/// Checks all of them, then says which are refused, and which images have none.
pub fn run(folder: &Path, asked: &QueryArgs, members: &[(usize, PathBuf)], global: &Global) -> CliResult<Answer> {
    let name = folder.display();
    let given = asked.of_images()?;
    if given.is_none() && asked.is_given() {
        return Err(format!(
            "{name}: holds many images; name their --data, or the folder of one, such as {name}/image-0"
        )
        .into());
    }
    if let Some((network, _)) = &given
        && !report::is_about(folder, network)?
    {
        return Err(format!("{name}: network.txt is not that of this network").into());
    }
    let file = folder.join("network.txt");
    let file = File::open(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    // Of a signum network formulas speak.
    let network = check::read_network(BufReader::new(file)).map_err(|e| format!("{name}: {e}"));
    let outcome = |(image, folder): &(usize, PathBuf)| {
        let about = given.as_ref().map(|(network, query)| query(*image).map(|query| (network, query))).transpose();
        let found = about.and_then(|about| of_image(&network, folder, about));
        let found = found.unwrap_or_else(|why| Outcome::Refused(why.to_string()));
        tracing::info!("image {image} is {}", if matches!(found, Outcome::Accepted(_)) { "accepted" } else { "not" });
        (*image, found)
    };
    let found: BTreeMap<usize, Outcome> = members.par_iter().map(outcome).collect();
    answer(folder, &found, given.is_some(), global)
}

/// Checks the certificate of an image, and that it is about this network and query, where they are given.
fn of_image(
    network: &Result<check::Network, String>,
    folder: &Path,
    about: Option<(&Network, Query)>,
) -> CliResult<Outcome> {
    if let Some(why) = report::why_none(folder) {
        return Ok(Outcome::Without(why));
    }
    let about = about.as_ref().map(|(network, query)| (*network, query));
    let accepted = if report::certificates_in(folder).iter().any(|file| file.ends_with("proof.txt")) {
        report::check_refutation(folder, network.as_ref().map_err(Clone::clone)?, about.map(|(_, query)| query))
    } else {
        report::check_formulas(folder, about)
    };
    Ok(Outcome::Accepted(accepted?.lemmas))
}

/// What is found, in a few lines or as an object; an error where a certificate is refused.
fn answer(folder: &Path, found: &BTreeMap<usize, Outcome>, is_bound: bool, global: &Global) -> CliResult<Answer> {
    let name = folder.display();
    let (mut accepted, mut granted, mut refused, mut without) = (0, 0, Vec::new(), Vec::new());
    for (image, outcome) in found {
        match outcome {
            Outcome::Accepted(lemmas) => {
                accepted += 1;
                granted += lemmas;
            }
            Outcome::Refused(why) => refused.push((image, why)),
            Outcome::Without(why) => without.push((image, why)),
        }
    }
    let exit = if refused.is_empty() { Exit::Success } else { Exit::Error };
    if global.format == Format::Json {
        let list = |some: &[(&usize, &String)]| -> Value {
            some.iter().map(|(image, why)| json!({ "image": image, "because": why })).collect()
        };
        let (refused, without) = (list(&refused), list(&without));
        let object = json!({ "schema": SCHEMA, "accepted": accepted, "refused": refused, "without": without,
                             "for_given": is_bound, "lemmas_granted": granted });
        return Ok((object.to_string(), exit));
    }
    if let Some((image, why)) = refused.first() {
        let (count, all) = (refused.len(), found.len() - without.len());
        return Err(format!("{count} of {all} certificates are refused; {name}/image-{image}: {why}").into());
    }
    let of = match (is_bound, granted) {
        (true, _) => "for this network and these images".to_owned(),
        (false, 0) => "for the network and the queries in the folder".to_owned(),
        (false, n) => format!("if {n} lemmas about real inputs hold: name the network and the images, too"),
    };
    let mut text = format!("{name}: {accepted} certificates accepted, {of}");
    for (image, why) in &without {
        text.push_str(&format!("\nimage {image} is verified without one: {why}"));
    }
    Ok((text, exit))
}
