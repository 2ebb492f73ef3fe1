//! Every answer on small instances is that of trying all assignments.

use super::super::{Config, Limits, Lit, Outcome, Polarity, Solver, Var};
use super::generate::{Constraint, Dice, constraints};

fn solve(solver: &mut Solver, assumptions: &[Lit]) -> Outcome {
    solver.solve(assumptions, &mut Limits { conflicts: u64::MAX, interrupt: &mut || false })
}

fn is_satisfiable(vars: usize, constraints: &[Constraint], assumptions: &[Lit]) -> bool {
    (0..1u32 << vars).any(|bits| {
        let is_true = |l: Lit| (bits >> l.var().index() & 1 == 1) != l.is_negative();
        assumptions.iter().all(|&l| is_true(l)) && constraints.iter().all(|c| c.holds(is_true))
    })
}

#[test]
fn answers_agree_with_enumeration() {
    let (mut satisfiable, mut unsatisfiable) = (0, 0);
    for seed in 0..6000 {
        let dice = &mut Dice::new(seed);
        let vars = 2 + dice.below(8) as usize;
        let constraints = constraints(dice, vars);
        let polarity = if seed % 2 == 0 { Polarity::Random } else { Polarity::Saved };
        // Restarting and forgetting all the time must not change an answer.
        let config = Config { seed, polarity, restart: 1 + seed % 5, learnt: 3, ..Config::default() };
        let mut solver = Solver::new(config);
        let all: Vec<Var> = (0..vars).map(|_| solver.new_var()).collect();
        if seed % 3 == 0 {
            all.iter().for_each(|&var| solver.set_rank(var, dice.below(3) as u32));
        }
        if seed % 7 == 0 {
            let values: Vec<bool> = all.iter().map(|_| dice.below(2) == 0).collect();
            solver.prefer(&values);
        }
        let split = dice.below(constraints.len() as u64 + 1) as usize;
        // The rest comes between two calls.
        for (round, known) in [split, constraints.len()].into_iter().enumerate() {
            let from = if round == 0 { 0 } else { split };
            constraints[from..known].iter().for_each(|c| c.add_to(&mut solver));
            let known = &constraints[..known];
            let assumptions: Vec<Lit> = (0..dice.below(4)).map(|_| dice.literal(vars)).collect();
            for assumptions in [&assumptions[..], &[]] {
                let expected = is_satisfiable(vars, known, assumptions);
                match solve(&mut solver, assumptions) {
                    Outcome::Satisfiable => {
                        assert!(expected, "seed {seed}");
                        let is_true = |l: Lit| solver.value(l.var()) != l.is_negative();
                        assert!(known.iter().all(|c| c.holds(is_true)), "seed {seed}");
                        assert!(assumptions.iter().all(|&l| is_true(l)), "seed {seed}");
                        satisfiable += 1;
                    }
                    Outcome::Unsatisfiable => {
                        assert!(!expected, "seed {seed}");
                        let core = solver.core().to_vec();
                        assert!(core.iter().all(|l| assumptions.contains(l)), "seed {seed}");
                        assert!(!is_satisfiable(vars, known, &core), "seed {seed}: {core:?} is no core");
                        unsatisfiable += 1;
                    }
                    Outcome::Interrupted => unreachable!("no limit was set"),
                }
            }
            for var in &all {
                if let Some(value) = solver.fixed(var.positive()) {
                    assert!(!is_satisfiable(vars, known, &[var.is(!value)]), "seed {seed}");
                }
            }
        }
    }
    assert!(satisfiable > 3000 && unsatisfiable > 3000, "{satisfiable} and {unsatisfiable}");
}

#[test]
fn a_seed_decides_the_whole_search() {
    let run = |seed| {
        let dice = &mut Dice::new(77);
        let mut solver = Solver::new(Config { seed, ..Config::default() });
        (0..60).for_each(|_| _ = solver.new_var());
        for _ in 0..258 {
            let clause: Vec<Lit> = (0..3).map(|_| dice.literal(60)).collect();
            solver.add_clause(&clause);
        }
        (solve(&mut solver, &[]), solver.statistics())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).1, run(6).1);
}

#[test]
fn limits_stop_the_search() {
    let dice = &mut Dice::new(3);
    let mut solver = Solver::new(Config::default());
    (0..200).for_each(|_| _ = solver.new_var());
    for _ in 0..860 {
        let clause: Vec<Lit> = (0..3).map(|_| dice.literal(200)).collect();
        solver.add_clause(&clause);
    }
    let outcome = solver.solve(&[], &mut Limits { conflicts: 3, interrupt: &mut || false });
    assert_eq!(outcome, Outcome::Interrupted);
    assert!((3..100).contains(&solver.statistics().conflicts));
    let outcome = solver.solve(&[], &mut Limits { conflicts: u64::MAX, interrupt: &mut || true });
    assert_eq!(outcome, Outcome::Interrupted);
}

#[test]
fn coefficients_beyond_64_bit_sums_are_refused() {
    let mut solver = Solver::new(Config::default());
    let (x, y) = (solver.new_var().positive(), solver.new_var().positive());
    assert!(solver.add_at_least(&[(i64::MAX, x), (i64::MAX - 1, y)], 2).is_err());
    assert!(solver.add_at_least(&[(1, x), (1, y)], i64::MIN).is_err());
    assert!(solver.add_at_least(&[(i64::MAX, x), (i64::MAX, y)], i64::MAX).is_ok());
}
