//! Counting constraints that a clause encoding would make large.

use super::super::{Config, Limits, Lit, Outcome, Solver};

/// `pigeons` pigeons, each in a hole, at most `room` per hole.
fn pigeonhole(pigeons: usize, holes: usize, room: i64) -> Outcome {
    let mut solver = Solver::new(Config::default());
    let grid: Vec<Vec<Lit>> = (0..pigeons).map(|_| (0..holes).map(|_| solver.new_var().positive()).collect()).collect();
    for pigeon in &grid {
        solver.add_clause(pigeon);
    }
    for hole in 0..holes {
        let inside: Vec<(i64, Lit)> = grid.iter().map(|pigeon| (-1, pigeon[hole])).collect();
        solver.add_at_least(&inside, -room).unwrap();
    }
    solver.solve(&[], &mut Limits { conflicts: 50_000, interrupt: &mut || false })
}

#[test]
fn small_pigeonholes_are_refuted() {
    for holes in 1..=6 {
        assert_eq!(pigeonhole(holes + 1, holes, 1), Outcome::Unsatisfiable, "{holes} holes");
    }
    assert_eq!(pigeonhole(9, 4, 2), Outcome::Unsatisfiable);
}

#[test]
fn pigeonholes_with_enough_room_are_filled() {
    assert_eq!(pigeonhole(8, 9, 1), Outcome::Satisfiable);
    assert_eq!(pigeonhole(20, 8, 4), Outcome::Satisfiable);
}

/// One sum that is decided by counting alone, without a single decision.
#[test]
fn a_sum_that_is_decided_needs_no_search() {
    let mut solver = Solver::new(Config::default());
    let pigeons: Vec<(i64, Lit)> = (0..1000).map(|_| (1, solver.new_var().positive())).collect();
    let target = solver.new_var().positive();
    solver.add_reified(target, super::super::Direction::Both, &pigeons, 500).unwrap();
    for (_, l) in &pigeons[..500] {
        assert_eq!(solver.fixed(target), None);
        solver.add_clause(&[*l]);
    }
    assert_eq!(solver.fixed(target), Some(true));
    assert_eq!(solver.statistics().decisions, 0);
}
