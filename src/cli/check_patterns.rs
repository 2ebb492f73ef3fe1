//! `absint check` of an activation pattern tree, and certificates written as such trees.

use super::inputs::QueryArgs;
use super::limit::Answer;
use super::{CliResult, Exit, Global};
use crate::analyze::{check_query, deadline};
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::query::Query;
use crate::exact::patterns::{Reproved, reprove};
use crate::format::patterns;
use crate::report::write_whole;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Whether a path is of an activation pattern tree, by its name.
pub fn is_tree(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("aptp"))
}

/// Proves a tree anew: that its patterns are all, and that each is refuted.
pub fn run(path: &Path, asked: &QueryArgs, global: &Global) -> CliResult<Answer> {
    let name = path.display();
    let tree = patterns::read(path)?;
    let (network, given) =
        asked.network_with_query()?.ok_or_else(|| format!("{name}: name the network that it is of"))?;
    let is_given = given.is_some();
    let own = || tree.query.of_network(&network).map_err(|e| format!("{name}: {e}"));
    let query = given.map_or_else(own, Ok)?;
    check_query(&network, &query).map_err(|e| format!("{name}: {e}"))?;
    let places = patterns::places(&network)?;
    let count = places.len();
    if let Some((neuron, _)) = tree.leaves.iter().flatten().find(|(neuron, _)| *neuron > count) {
        return Err(format!("{name}: there is no neuron `N_{neuron}`: the network has {count} ReLUs").into());
    }
    let budget = deadline(global.timeout);
    let leaves = tree.leaves.len();
    Ok(match reprove(&network, &query, &places, &tree.leaves, Run::silent(&budget))? {
        Reproved::Refuted { parts } => {
            let of = if is_given { "this network and query" } else { "this network and the query in the file" };
            let text = format!("{name}: {leaves} leaves in {parts} parts: no input is unsafe\naccepted, for {of}");
            (text, Exit::Success)
        }
        Reproved::Uncovered(pattern) => {
            let side = |(neuron, below): &(usize, bool)| format!("(N_{neuron} {} 0)", if *below { "<" } else { "≥" });
            let pattern: Vec<String> = pattern.iter().map(side).collect();
            return Err(format!("{name}: is no proof: no leaf holds the pattern {}", pattern.join(" ")).into());
        }
        Reproved::Falsified(witness) => {
            let disjunct = witness.disjunct();
            return Err(format!("{name}: is no proof: there is a counterexample to disjunct {disjunct}").into());
        }
        Reproved::Open { leaf, disjunct, bound } => {
            let text = format!(
                "unknown: leaf {leaf} (from 0) is not refuted: the margin of disjunct {disjunct} is at least {bound:.6} there"
            );
            (text, Exit::Unknown)
        }
        Reproved::OutOfTime => ("unknown: out of time".into(), Exit::Unknown),
    })
}

/// Writes the tree of a certificate, one file for each disjunct of the query: `FILE`, or `FILE-D.aptp` where there are
/// several, as far as `may` allows these; what was written.
pub fn write(
    folder: &Path,
    to: &Path,
    (network, query): (&Network, &Query),
    may: impl FnOnce(&[PathBuf]) -> CliResult<()>,
) -> CliResult<String> {
    let fail = |e: &dyn Display| format!("{}: {e}", folder.display());
    let proof = std::fs::read_to_string(folder.join("proof.txt")).map_err(|e| fail(&e))?;
    let trees = patterns::write(network, query, &proof).map_err(|e| fail(&e))?;
    let stem = to.file_stem().unwrap_or_default().to_string_lossy();
    let path = |d: usize| match trees.len() {
        1 => to.to_path_buf(),
        _ => to.with_file_name(format!("{stem}-{d}.aptp")),
    };
    let paths: Vec<PathBuf> = (0..trees.len()).map(path).collect();
    may(&paths)?;
    let mut said = String::new();
    for (d, (text, path)) in trees.iter().zip(&paths).enumerate() {
        write_whole(path, text)?;
        said.push_str(&format!("\n{}: the tree that refutes disjunct {d}", path.display()));
    }
    Ok(said)
}
