//! The solver against another one on random clauses.
#![allow(clippy::unwrap_used)]
use absint_sat::{Config, Limits, Outcome, Polarity, Solver, Var};
use batsat::{BasicSolver, SolverInterface, lbool};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

#[test]
fn answers_on_random_clauses_are_another_solvers() {
    let mut random = SplitMix64::seed_from_u64(1);
    let mut below = |n: u64| random.next_u64() % n;
    let mut counts = [0; 2];
    for seed in 0..300 {
        let vars = 30 + below(120) as usize;
        let clauses = (vars as f64 * (3.8 + below(100) as f64 / 100.0)) as usize;
        let polarity = if seed % 2 == 0 { Polarity::Random } else { Polarity::Saved };
        let mut ours = Solver::new(Config { seed, polarity, learnt: 50, ..Config::default() });
        let mut theirs = BasicSolver::default();
        let x: Vec<Var> = (0..vars).map(|_| ours.new_var()).collect();
        let y: Vec<batsat::Var> = (0..vars).map(|_| theirs.new_var_default()).collect();
        for _ in 0..clauses {
            let clause: Vec<(usize, bool)> = (0..3).map(|_| (below(vars as u64) as usize, below(2) == 0)).collect();
            let of_ours: Vec<_> = clause.iter().map(|&(v, value)| x[v].is(value)).collect();
            ours.add_clause(&of_ours);
            let mut of_theirs: Vec<_> = clause.iter().map(|&(v, value)| batsat::Lit::new(y[v], value)).collect();
            theirs.add_clause_reuse(&mut of_theirs);
        }
        let outcome = ours.solve(&[], &mut Limits { conflicts: u64::MAX, interrupt: &mut || false });
        let expected = theirs.solve_limited(&[]);
        assert_eq!(outcome == Outcome::Satisfiable, expected == lbool::TRUE, "instance {seed}");
        counts[usize::from(outcome == Outcome::Satisfiable)] += 1;
    }
    assert!(counts[0] > 50 && counts[1] > 50, "{counts:?}");
}
