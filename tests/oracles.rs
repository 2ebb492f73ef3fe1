//! Margins that other verifiers certify on public benchmarks: the same algorithm must give the same
//! number, and in floats never more than it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::domains::budget::Budget;
use absint::domains::domain::{AbstractDomain, Bounds, Concretise, DeepPoly, LpDomain, Run, propagate};
use absint::domains::lp::backends;
use absint::domains::network::Network;
use absint::domains::query::{LinearForms, Query};
use absint::format::{onnx, vnnlib};
use common::data::data;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// A network and a query of the table, by name.
type Instance = (String, String);
/// For each method the lower bounds of the margins that the table gives, by index of the atom.
type Methods = BTreeMap<String, BTreeMap<usize, f64>>;

/// The folders that hold the networks and queries of the table.
const FOLDERS: [&str; 3] = ["vnncomp2021_eran", "vnncomp2021_mnistfc", "vnncomp_acasxu"];

fn table(data: &Path) -> Option<BTreeMap<Instance, Methods>> {
    let file = data.parent()?.join("oracles/margin_lower_bounds.csv");
    if !file.exists() {
        println!("skipped: there is no file oracles/margin_lower_bounds.csv beside the data folder");
        return None;
    }
    let mut all: BTreeMap<Instance, Methods> = BTreeMap::new();
    for row in csv::Reader::from_path(file).unwrap().records() {
        let row = row.unwrap();
        let methods = all.entry((row[0].to_owned(), row[1].to_owned())).or_default();
        methods.entry(row[2].to_owned()).or_default().insert(row[3].parse().unwrap(), row[4].parse().unwrap());
    }
    Some(all)
}

fn load(data: &Path, (network, instance): &Instance) -> (Network, Query) {
    let folder = FOLDERS.iter().map(|f| data.join(f)).find(|f| f.join(format!("onnx/{network}.onnx")).exists());
    let folder = folder.unwrap_or_else(|| panic!("no folder has the network {network}"));
    let model = onnx::read(&folder.join(format!("onnx/{network}.onnx"))).unwrap();
    (model.network, vnnlib::read(folder.join(format!("vnnlib/{instance}.vnnlib"))).unwrap().query)
}

/// The domain's bounds of all margins, in file order.
fn margins<D: AbstractDomain>(domain: &D, network: &Network, query: &Query) -> Vec<f64> {
    let budget = Budget::unlimited();
    let of_case = |case: &absint::domains::query::Case| {
        let trace = propagate(domain, network, &case.region, &Bounds::unknown(), Run::silent(&budget)).unwrap();
        domain.minima(&LinearForms::of_atoms(network, case.property.atoms()), &trace).unwrap()
    };
    query.cases.iter().flat_map(of_case).collect()
}

/// How far a bound lies below (positive) and above another tool's.
fn compare(
    what: &str,
    instance: &Instance,
    found: &[f64],
    expected: &BTreeMap<usize, f64>,
    misses: &mut Vec<String>,
) -> f64 {
    let mut worst: f64 = 0.0;
    for (&index, &value) in expected {
        let scale = value.abs().max(1.0);
        let below = (value - found[index]) / scale;
        worst = worst.max(below);
        if !(-1e-10..=1e-8).contains(&below) {
            misses.push(format!(
                "{what} of {}/{} margin {index}: {} instead of {value} ({below:e})",
                instance.0, instance.1, found[index]
            ));
        }
    }
    worst
}

#[test]
fn deeppoly_reproduces_the_other_tools() {
    let Some(data) = data("comparing margins with other tools") else { return };
    let Some(table) = table(&data) else { return };
    for (method, concretise) in [("crown", Concretise::Input), ("deeppoly_every_layer", Concretise::Every)] {
        let (mut misses, mut rows, mut worst) = (Vec::new(), 0, 0.0_f64);
        for (instance, methods) in &table {
            let Some(expected) = methods.get(method) else { continue };
            let (network, query) = load(&data, instance);
            let found = margins(&DeepPoly { concretise }, &network, &query);
            worst = worst.max(compare(method, instance, &found, expected, &mut misses));
            rows += expected.len();
        }
        println!("{method}: {rows} margins, at most {worst:e} below, {} misses", misses.len());
        for miss in misses.iter() {
            println!("{miss}");
        }
        assert!(misses.is_empty(), "{} of {rows} margins differ, such as {}", misses.len(), misses[0]);
    }
}
