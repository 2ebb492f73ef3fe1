//! Queries built so that a verifier careless about floating point answers wrongly. In real arithmetic
//! every answer given must be right.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::Method;
use absint::domains::network::Arithmetic;
use absint::domains::verdict::Verdict;
use absint::format::{onnx, vnnlib};
use absint::{Options, analyze};
use common::data::folder;
use rayon::prelude::*;
use std::path::Path;

struct Trap {
    id: String,
    onnx: String,
    vnnlib: String,
    is_sat: bool,
    /// In float32, where it is known.
    is_sat_in_float32: Option<bool>,
}

fn traps(folder: &Path) -> Vec<Trap> {
    let trap = |row: csv::StringRecord| Trap {
        id: row[0].into(),
        onnx: row[2].into(),
        vnnlib: row[3].into(),
        is_sat: &row[4] == "sat",
        is_sat_in_float32: match &row[5] {
            "sat" => Some(true),
            "unsat" => Some(false),
            _ => None,
        },
    };
    csv::Reader::from_path(folder.join("cases.csv")).unwrap().records().map(|row| trap(row.unwrap())).collect()
}

/// The answer: `Some(true)` for falsified. A file that is refused (a strict comparison) has none.
fn answer(folder: &Path, trap: &Trap, domain: Method, arithmetic: Arithmetic) -> Option<bool> {
    let network = onnx::read(&folder.join(&trap.onnx)).unwrap().network;
    let query = match vnnlib::read(folder.join(&trap.vnnlib)) {
        Ok(read) => read.query,
        Err(e) => {
            assert!(trap.id.contains("strict"), "{e}");
            return None;
        }
    };
    match analyze(&network, &query, &Options { method: domain, arithmetic, ..Options::default() }).unwrap().verdict {
        Verdict::Verified(_) => Some(false),
        Verdict::Falsified(witness) => {
            assert_eq!(witness.order().is_some(), arithmetic == Arithmetic::Float32, "{}", trap.id);
            Some(true)
        }
        Verdict::Unknown(_) => None,
    }
}

#[test]
fn no_answer_is_wrong_in_real_arithmetic() {
    let Some(folder) = folder("answering float traps", "float_traps") else { return };
    let traps = traps(&folder);
    let (sat, unsat) = (traps.iter().filter(|t| t.is_sat).count(), traps.iter().filter(|t| !t.is_sat).count());
    let mut wrong = Vec::new();
    for domain in [
        Method::INTERVAL,
        Method::ZONOTOPE,
        Method::DEEPPOLY,
        Method::KPOLY,
        Method::HULL,
        Method::HULL_KPOLY,
        Method::RATIONAL,
        Method::AUTO,
    ] {
        let answers: Vec<Option<bool>> =
            traps.par_iter().map(|t| answer(&folder, t, domain, Arithmetic::Real)).collect();
        let given = |is_sat: bool| answers.iter().filter(|&&a| a == Some(is_sat)).count();
        let (proven, falsified) = (given(false), given(true));
        println!("{domain}: {proven} of {unsat} proven, {falsified} of {sat} falsified");
        for (trap, answer) in traps.iter().zip(&answers) {
            if answer.is_some_and(|a| a != trap.is_sat) {
                wrong.push(format!("{domain} on {}", trap.id));
            }
        }
        if domain == Method::AUTO {
            let open: Vec<&str> =
                traps.iter().zip(&answers).filter(|(_, a)| a.is_none()).map(|(t, _)| t.id.as_str()).collect();
            println!("open under auto: {}", open.join(" "));
            assert!(2 * (proven + falsified) >= traps.len(), "{proven} + {falsified} of {} decided", traps.len());
            assert!(proven >= 25, "{proven} of {unsat} proven");
        }
    }
    assert!(wrong.is_empty(), "wrong: {wrong:?}");
}

#[test]
fn no_answer_is_wrong_in_float32() {
    let Some(folder) = folder("answering float traps", "float_traps") else { return };
    let traps = traps(&folder);
    let mut wrong = Vec::new();
    for domain in [Method::INTERVAL, Method::ZONOTOPE, Method::DEEPPOLY, Method::KPOLY, Method::HULL, Method::AUTO] {
        let answers: Vec<Option<bool>> =
            traps.par_iter().map(|t| answer(&folder, t, domain, Arithmetic::Float32)).collect();
        let (mut right, mut open) = ([0, 0], Vec::new());
        for (trap, answer) in traps.iter().zip(&answers) {
            match (answer, trap.is_sat_in_float32) {
                (Some(answer), Some(truth)) if *answer != truth => wrong.push(format!("{domain} on {}", trap.id)),
                (Some(answer), Some(_)) => right[usize::from(*answer)] += 1,
                (None, Some(_)) => open.push(trap.id.as_str()),
                (_, None) => {}
            }
        }
        println!("{domain}: {} proven, {} falsified; open: {}", right[0], right[1], open.join(" "));
        if domain == Method::AUTO {
            assert!(right[0] >= 7, "{} proven", right[0]);
            assert!(right[1] >= 40, "{} falsified", right[1]);
        }
    }
    assert!(wrong.is_empty(), "wrong: {wrong:?}");
}
