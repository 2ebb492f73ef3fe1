//! The programs of neurons may be solved elsewhere, one list at a time and more than once, and nothing changes.

#![allow(clippy::unwrap_used)]

use absint::analyze::{Method, Options, analyze, solve_programs};
use absint::domains::budget::Budget;
use absint::domains::domain::{Bounds, LayerPrograms, NeuronSolver, NodeBounds, Run, SolvedPrograms};
use absint::domains::network::Network;
use absint::domains::num::parse_decimal;
use absint::domains::query::{Query, Region};
use absint::format::onnx;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Solves each list by itself, the last first, and each of them twice, from bounds that went through plain numbers.
struct Elsewhere {
    network: Network,
    region: Region,
    options: Options,
    tasks: AtomicUsize,
}

impl NeuronSolver for Elsewhere {
    fn solve(&self, layer: LayerPrograms) -> SolvedPrograms {
        let plain = |node: &NodeBounds| NodeBounds::new(node.lower().to_vec(), node.upper().to_vec());
        let bounds = Bounds::new(layer.bounds.nodes().iter().map(plain).collect());
        let mut all = SolvedPrograms::default();
        for session in layer.sessions.iter().rev() {
            let task = LayerPrograms { node: layer.node, sessions: vec![session.clone()], bounds: bounds.clone() };
            let budget = Budget::unlimited();
            let solve = || solve_programs(&self.network, &self.region, &self.options, &task, Run::silent(&budget));
            let (solved, again) = (solve().unwrap(), solve().unwrap());
            assert_eq!(solved, again);
            all.bounds.extend(solved.bounds);
            all.programs += solved.programs;
            self.tasks.fetch_add(1, Ordering::Relaxed);
        }
        all
    }
}

#[test]
fn where_programs_are_solved_makes_no_difference() {
    let (_, image) = absint::example::network_and_image().unwrap();
    for (file, least) in [("digits_mlp.onnx", 1), ("digits_cnn.onnx", 3)] {
        let network = onnx::read(format!("networks/{file}").as_ref()).unwrap().network;
        let region = Region::linf(&image.pixels, &parse_decimal("0.05").unwrap(), None).unwrap();
        let query = Query::robustness(region.clone(), network.output_len(), image.label);
        let here = Options { all_margins: true, attack: false, ..Options::from(Method::LP_ALL) };
        let options = here.clone();
        let elsewhere = Arc::new(Elsewhere { network: network.clone(), region, options, tasks: AtomicUsize::new(0) });
        let there = Options { neurons: Some(Arc::clone(&elsewhere) as Arc<dyn NeuronSolver>), ..here.clone() };
        let (a, b) = (analyze(&network, &query, &here).unwrap(), analyze(&network, &query, &there).unwrap());
        assert_eq!(a.margins, b.margins, "{file}");
        assert_eq!(a.bounds, b.bounds, "{file}");
        let counted = |analysis: &absint::Analysis| analysis.stages.last().unwrap().count("lps");
        assert_eq!(counted(&a), counted(&b), "{file}");
        assert!(elsewhere.tasks.load(Ordering::Relaxed) >= least, "{file}");
    }
}
