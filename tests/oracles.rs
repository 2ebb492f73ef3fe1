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
use common::double_double::Chain;
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

/// How far a bound lies below another tool's, relative to max(1, |value|).
fn shortfall(found: f64, value: f64) -> f64 {
    (value - found) / value.abs().max(1.0)
}

/// Bounds within these of the other tool's agree with it.
const BELOW: f64 = 1e-8;
const ABOVE: f64 = 1e-10;

#[test]
fn back_substitution_to_the_input_is_crown() {
    let Some(data) = data("comparing margins with other tools") else { return };
    let Some(table) = table(&data) else { return };
    let domain = DeepPoly { concretise: Concretise::Input, ..DeepPoly::default() };
    let (mut rows, mut lowest, mut highest) = (0, 0.0_f64, 0.0_f64);
    for (instance, methods) in &table {
        let Some(expected) = methods.get("crown") else { continue };
        let (network, query) = load(&data, instance);
        let found = margins(&domain, &network, &query);
        for (&index, &value) in expected {
            let below = shortfall(found[index], value);
            assert!((-ABOVE..=BELOW).contains(&below), "{instance:?} {index}: {} instead of {value}", found[index]);
            (lowest, highest, rows) = (lowest.max(below), highest.max(-below), rows + 1);
        }
    }
    println!("crown: {rows} margins, at most {lowest:.1e} below and {highest:.1e} above");
    assert!(rows > 300);
}

/// The other tool rounds outward on its own account, and loses up to 2e-9 by that on the deepest network.
/// Where ours is above it, the same algorithm in 31 digits must be above ours.
#[test]
fn every_layer_is_deeppoly() {
    let Some(data) = data("comparing margins with other tools") else { return };
    let Some(table) = table(&data) else { return };
    let (mut rows, mut lowest, mut highest, mut settled) = (0, 0.0_f64, 0.0_f64, 0);
    for (instance, methods) in &table {
        let Some(expected) = methods.get("deeppoly_every_layer") else { continue };
        let (network, query) = load(&data, instance);
        let found = margins(&DeepPoly::default(), &network, &query);
        let is_above = |(&index, &value): (&usize, &f64)| shortfall(found[index], value) < -ABOVE;
        if expected.iter().any(is_above) {
            let [case] = &query.cases[..] else { panic!("{instance:?} has several regions") };
            let reference = Chain::new(&network, &case.region).unwrap();
            for (atom, &found) in case.property.atoms().zip(&found) {
                let value = reference.margin(atom).high();
                let below = shortfall(found, value);
                assert!((0.0..=BELOW).contains(&below), "{instance:?}: {found} instead of {value}");
                settled += 1;
            }
        }
        for (&index, &value) in expected {
            let below = shortfall(found[index], value);
            assert!(below.abs() <= BELOW, "{instance:?} {index}: {} instead of {value}", found[index]);
            (lowest, highest, rows) = (lowest.max(below), highest.max(-below), rows + 1);
        }
    }
    println!(
        "every layer: {rows} margins, at most {lowest:.1e} below and {highest:.1e} above; {settled} compared with 31 digits"
    );
    assert!(rows > 250);
}

/// The linear program with triangles alone, margin by margin until the time is up: all of the smaller
/// networks' and some of a large one's. The other tool solved only the programs that its verdict needed; the
/// other margins are its bounds by back-substitution, and ours are higher there.
#[test]
fn kpoly_of_single_neurons_is_the_triangle_program() {
    let Some(data) = data("comparing margins with other tools") else { return };
    let Some(table) = table(&data) else { return };
    let domain = LpDomain::kpoly(1, backends()[0]);
    let (mut rows, mut solved, mut lowest, mut highest) = (0, 0, 0.0_f64, 0.0_f64);
    for (prefix, seconds) in [("ACASXU", 60), ("mnist-net_256x2", 20), ("mnist_relu_9_200", 8)] {
        let end = Instant::now() + Duration::from_secs(seconds);
        for (instance, methods) in table.iter().filter(|((network, _), _)| network.starts_with(prefix)) {
            let Some(expected) = methods.get("triangle_lp") else { continue };
            let (network, query) = load(&data, instance);
            let [case] = &query.cases[..] else { panic!("{instance:?} has several regions") };
            let budget = Budget::unlimited();
            let run = Run::silent(&budget);
            let trace = propagate(&domain, &network, &case.region, &Bounds::unknown(), run).unwrap();
            let forms = LinearForms::of_atoms(&network, case.property.atoms());
            for (&index, &value) in expected {
                if Instant::now() > end {
                    println!("out of time at {instance:?} {index}");
                    break;
                }
                let found = domain.minima(&forms.select(&[index]), &trace).unwrap()[0];
                let below = shortfall(found, value);
                assert!(below <= 1e-6, "{instance:?} {index}: {found} instead of {value}");
                let is_solved = shortfall(value, methods["deeppoly_every_layer"][&index]).abs() > BELOW;
                assert!(!is_solved || below >= -1e-6, "{instance:?} {index}: {found} above {value}");
                solved += usize::from(is_solved);
                (lowest, highest, rows) = (lowest.max(below), highest.max(-below), rows + 1);
            }
        }
    }
    println!(
        "triangle program: {rows} margins, {solved} of them solved there, at most {lowest:.1e} below and {highest:.1e} above"
    );
    assert!(rows >= 5);
}
