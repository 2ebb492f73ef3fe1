//! Every *unsatisfiable* comes with a proof that the checker accepts, and no corrupted one passes.

use super::super::{Config, Constraint, Formula, Limits, Outcome, Solver, VeripbLog};
use super::generate::{Dice, constraints};
use absint_check::{CheckError, Checked, Refusal};

fn formula(dice: &mut Dice, vars: usize) -> Formula {
    let constraints = constraints(dice, vars);
    let is_own_operand =
        |c: &super::generate::Constraint| c.target.is_some_and(|(y, _)| c.terms.iter().any(|t| t.1.var() == y.var()));
    let constraints = constraints
        .into_iter()
        .filter(|c| !is_own_operand(c))
        .map(|c| Constraint { target: c.target, terms: c.terms, bound: c.bound })
        .collect();
    Formula { vars, constraints }
}

/// The answer and the proof.
fn solve(formula: &Formula, seed: u64) -> (Outcome, String) {
    let mut proof = Vec::new();
    let mut log = VeripbLog::new(&mut proof, formula.inequalities());
    let mut solver = Solver::new(Config { seed, restart: 2, learnt: 3, ..Config::default() });
    solver.log_to(&mut log);
    (0..formula.vars).for_each(|_| _ = solver.new_var());
    for constraint in &formula.constraints {
        constraint.add_to(&mut solver).unwrap();
    }
    let outcome = solver.solve(&[], &mut Limits { conflicts: u64::MAX, interrupt: &mut || false });
    drop(solver);
    log.finish().unwrap();
    (outcome, String::from_utf8(proof).unwrap())
}

fn check(formula: &str, proof: &str) -> Result<Checked, CheckError> {
    absint_check::check(formula.as_bytes(), proof.as_bytes())
}

#[test]
fn unsatisfiable_formulas_have_proofs_that_the_checker_accepts() {
    let (mut accepted, mut steps) = (0, 0);
    for seed in 0..4000 {
        let dice = &mut Dice::new(seed);
        let vars = 3 + dice.below(9) as usize;
        let formula = formula(dice, vars);
        let (outcome, proof) = solve(&formula, seed);
        let checked = check(&formula.to_opb(), &proof);
        if outcome == Outcome::Unsatisfiable {
            steps += checked.unwrap_or_else(|e| panic!("seed {seed}: {e}\n{}\n{proof}", formula.to_opb())).propagated;
            accepted += 1;
        } else {
            assert_eq!(checked, Err(CheckError::NoConclusion), "seed {seed}");
        }
    }
    assert!(accepted > 1000 && steps > 3000, "{accepted} proofs with {steps} steps");
}

/// A checker that believes too much would, sooner or later, believe one of these.
#[test]
fn no_proof_is_accepted_for_a_satisfiable_formula() {
    let mut rejected = 0;
    for seed in 0..3000 {
        let dice = &mut Dice::new(seed);
        let vars = 3 + dice.below(5) as usize;
        let (unsatisfiable, satisfiable) = (formula(dice, vars), formula(dice, vars));
        let (outcome, _) = solve(&satisfiable, seed);
        if outcome == Outcome::Unsatisfiable {
            continue;
        }
        // The proof of another formula, cut to the right number of constraints and shuffled with sums.
        let (_, proof) = solve(&unsatisfiable, seed);
        let count = satisfiable.inequalities();
        let mut text = format!("pseudo-Boolean proof version 3.0\nf {count};\n");
        let mut last = count as u64;
        let mut body: Vec<String> = proof.lines().filter(|l| l.starts_with("rup")).map(str::to_owned).collect();
        for _ in 0..dice.below(4) {
            let (a, b) = (1 + dice.below(count.max(1) as u64), 1 + dice.below(count.max(1) as u64));
            let operation = ["+", "+ 2 d", "+ s", "2 * + 3 d s"][dice.below(4) as usize];
            body.insert(dice.below(body.len() as u64 + 1) as usize, format!("pol {a} {b} {operation};"));
        }
        for line in body {
            // Lines that do not follow are left out, as a forger would.
            let longer = format!("{text}{line}\n");
            match check(&satisfiable.to_opb(), &longer) {
                Err(CheckError::NoConclusion) => {
                    text = longer;
                    last += 1;
                }
                Err(_) => rejected += 1,
                Ok(_) => unreachable!("nothing is concluded yet"),
            }
        }
        let forged = format!("{text}output NONE;\nconclusion UNSAT : {last};\nend pseudo-Boolean proof;\n");
        assert!(check(&satisfiable.to_opb(), &forged).is_err(), "seed {seed}");
    }
    assert!(rejected > 500, "{rejected}");
}

#[test]
fn a_corrupted_line_is_found() {
    let opb = "* #variable= 2 #constraint= 3\n+1 x1 +1 x2 >= 1 ;\n+1 ~x1 +1 x2 >= 1 ;\n+2 ~x2 >= 1 ;\n";
    let head = "pseudo-Boolean proof version 3.0\nf 3;\n";
    let tail = "output NONE;\nconclusion UNSAT : 5;\nend pseudo-Boolean proof;\n";
    let proof = |steps: &str| check(opb, &format!("{head}{steps}{tail}"));
    assert!(proof("pol 1 2 + 2 d;\nrup >= 1;\n").is_ok());
    assert!(proof("rup 1 x2 >= 1;\nrup >= 1;\n").is_ok());
    // A formula that is not contradictory does not become so.
    let weaker = opb.replace("+2 ~x2 >= 1 ;", "+2 ~x2 >= 0 ;");
    let steps = format!("{head}rup 1 x2 >= 1;\nrup >= 1;\n{tail}");
    assert_eq!(check(&weaker, &steps), Err(CheckError::NotImplied(4)));
    for (steps, is_malformed) in [
        ("rup 1 x2 >= 1;\n", false),
        ("del id 3;\nrup 1 x2 >= 1;\n", false),
        ("rup 1 x2 >= 1\nrup >= 1;\n", true),
        ("pol 1 7 +;\nrup >= 1;\n", true),
        ("pol 1 +;\nrup >= 1;\n", true),
        ("pol 1 2 + 0 d;\nrup >= 1;\n", true),
        ("red 1 x2 >= 1;\nrup >= 1;\n", true),
        ("rup 1 y2 >= 1;\nrup >= 1;\n", true),
        ("rup 99999999999999999999999999999999999999999 x2 >= 1;\nrup >= 1;\n", true),
    ] {
        let error = proof(steps).unwrap_err();
        assert_eq!(matches!(error, CheckError::Malformed { .. }), is_malformed, "{steps}: {error}");
    }
    assert!(check(opb, "").is_err() && check("x1", "").is_err());
    // What is cut off before its end, or goes on behind it.
    let whole = format!("pseudo-Boolean proof version 3.0\nf 3;\nrup 1 x2 >= 1;\nrup >= 1;\n{tail}");
    assert!(check(opb, &whole).is_ok());
    assert!(matches!(
        check(opb, whole.trim_end_matches("end pseudo-Boolean proof;\n")),
        Err(CheckError::Malformed { .. })
    ));
    assert!(matches!(check(opb, &format!("{whole}rup >= 1;\n")), Err(CheckError::Malformed { .. })));
}

/// Sums that wrap around would make a satisfiable formula look refuted.
#[test]
fn coefficients_that_overflow_are_refused() {
    let (most, least) = (i128::MAX, i128::MIN);
    let proof = "pseudo-Boolean proof version 3.0\nconclusion UNSAT : 1 ;\n";
    for formula in [
        format!("{most} x1 {most} x2 >= {most} ;"),
        format!("1 x1 >= {least} ;"),
        format!("{least} x1 >= 0 ;"),
        format!("{least} ~x1 >= 1 ;"),
        format!("{most} x1 {most} ~x1 >= 1 ;"),
        format!("{} x1 {} x1 >= {least} ;", least + 1, least + 1),
    ] {
        assert!(matches!(check(&formula, proof), Err(CheckError::Malformed(Refusal { line: 1, .. }))), "{formula}");
    }
    let steps = format!("pol 1 {most} * ;\npol 1 {} * 1 {} * + ;\n", most / 2, most / 2);
    let proof = format!("pseudo-Boolean proof version 3.0\n{steps}conclusion UNSAT : 2 ;\n");
    assert!(matches!(check("2 x1 3 x2 >= 4 ;", &proof), Err(CheckError::Malformed(Refusal { line: 2, .. }))));
}

#[test]
fn a_variable_with_a_large_number_costs_no_memory() {
    let formula = "1 x268435455 >= 1 ;\n1 ~x268435455 >= 1 ;\n";
    let proof = "pseudo-Boolean proof version 3.0\nrup >= 1 ;\nconclusion UNSAT : 3 ;\nend pseudo-Boolean proof ;\n";
    assert_eq!(check(formula, proof).map(|c| c.propagated), Ok(1));
}
