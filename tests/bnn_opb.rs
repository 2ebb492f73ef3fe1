//! Published pseudo-Boolean files of signum networks, read as they are, against the networks themselves.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::domains::network::Network;
use absint::format::onnx;
use absint::format::opb::{self, Opb, OpbTerm, Relation};
use absint::sat::{Config, Limits, Lit, Outcome, Solver, Var};
use common::Dice;
use common::data::folder;
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::Path;

fn unpacked(path: &Path) -> Opb {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    opb::parse(&text, &path.display().to_string()).unwrap()
}

fn literal(term: &OpbTerm) -> Lit {
    Var::new(term.variable - 1).is(!term.is_negated)
}

fn solver(opb: &Opb) -> Solver<'static> {
    let mut solver = Solver::new(Config::default());
    while solver.vars() < opb.variables {
        solver.new_var();
    }
    for constraint in &opb.constraints {
        let terms: Vec<(i64, Lit)> = constraint.terms.iter().map(|t| (t.coefficient, literal(t))).collect();
        if constraint.relation != Relation::AtMost {
            solver.add_at_least(&terms, constraint.bound).unwrap();
        }
        if constraint.relation != Relation::AtLeast {
            let negated: Vec<(i64, Lit)> = terms.iter().map(|&(a, l)| (-a, l)).collect();
            solver.add_at_least(&negated, -constraint.bound).unwrap();
        }
    }
    solver
}

fn solve(solver: &mut Solver<'_>, assumptions: &[Lit], conflicts: u64) -> Outcome {
    solver.solve(assumptions, &mut Limits { conflicts, interrupt: &mut || false })
}

/// The pixels (0 or 1) of image `index`, and the class that the file gives it.
fn image(path: &Path, index: u32) -> (Vec<f64>, usize) {
    let mut lines = csv::Reader::from_path(path).unwrap();
    let line = lines.deserialize::<Vec<u32>>().map(Result::unwrap).find(|line| line[0] == index).unwrap();
    (line[3..].iter().map(|&k| f64::from(k) / 255.0).collect(), line[1] as usize)
}

/// The signs of the first layer.
fn signs(network: &Network, x: &[f64]) -> Vec<bool> {
    let (_, first) = network.activations().next().unwrap();
    network.evaluate_all(x).unwrap()[first.source].iter().map(|&z| z >= 0.0).collect()
}

/// In `norm_0` files variable i is the sign of pixel i, and the objective counts those that differ from the
/// image's. With all of them assumed, the rest is satisfiable exactly where the network errs.
#[test]
fn the_files_err_where_the_network_errs() {
    let Some(folder) = folder("published pseudo-Boolean files", "bnn_msakai") else { return };
    for (name, index, label) in [("mnist", 7, 9), ("mnist_rot", 8, 1)] {
        let network = onnx::read(&folder.join(format!("{name}.onnx"))).unwrap().network;
        let (pixels, class) = image(&folder.join(format!("{name}_images.csv")), index);
        assert_eq!(class, label);
        let opb = unpacked(&folder.join(format!("bnn_{name}_{index}_label{label}_norm_0.opb.gz")));
        let mut solver = solver(&opb);
        let here = signs(&network, &pixels);
        let (dark, bright) = (signs(&network, &[0.0; 784]), signs(&network, &[1.0; 784]));
        let flippable: Vec<usize> = (0..784).filter(|&i| dark[i] != bright[i]).collect();
        // The objective is about exactly those pixels, and says which sign each has; its constant comes last,
        // with a pixel whose sign is fixed.
        let (constant, objective) = opb.objective.as_ref().unwrap().split_last().unwrap();
        assert_eq!(objective.iter().map(|t| t.variable - 1).collect::<Vec<_>>(), flippable);
        assert!(objective.iter().all(|t| (t.coefficient < 0) == here[t.variable - 1]));
        assert_eq!(constant.coefficient, objective.iter().filter(|t| t.coefficient < 0).count() as i64);
        assert_eq!(solver.fixed(literal(constant)), Some(true));
        let dice = &mut Dice::new(u64::from(index));
        let (mut right, mut wrong) = (0, 0);
        for round in 0..60 {
            let mut flipped = here.clone();
            for _ in 0..round * 2 {
                let i = flippable[dice.below(flippable.len())];
                flipped[i] = !flipped[i];
            }
            let x: Vec<f64> = (0..784).map(|i| f64::from(u8::from(flipped[i] == bright[i]))).collect();
            let logits = network.evaluate(&x).unwrap();
            let errs = (0..10).any(|j| j != label && logits[j] >= logits[label]);
            let assumptions: Vec<Lit> = (0..784).map(|i| Var::new(i).is(flipped[i])).collect();
            let expected = if errs { Outcome::Satisfiable } else { Outcome::Unsatisfiable };
            assert_eq!(solve(&mut solver, &assumptions, u64::MAX), expected, "{name} {round}");
            *(if errs { &mut wrong } else { &mut right }) += 1;
        }
        println!("{name}: {right} inputs classified rightly, {wrong} wrongly");
        assert!(right > 5 && wrong > 5, "{right} {wrong}");
        // Without flips nothing errs; without a limit something does, and the network agrees.
        let unflipped: Vec<Lit> = flippable.iter().map(|&i| Var::new(i).is(here[i])).collect();
        assert_eq!(solve(&mut solver, &unflipped, u64::MAX), Outcome::Unsatisfiable);
        if solve(&mut solver, &[], 200) == Outcome::Satisfiable {
            let x: Vec<f64> = (0..784).map(|i| f64::from(u8::from(solver.value(Var::new(i)) == bright[i]))).collect();
            let logits = network.evaluate(&x).unwrap();
            assert!((0..10).any(|j| j != label && logits[j] >= logits[label]), "{name}");
        }
    }
}
