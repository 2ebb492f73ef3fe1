//! What is asked of every certificate.

use absint::check::check;
use absint::domains::network::Network;
use absint::domains::query::Query;
use absint::exact::signum::{Certificate, check_formula};

/// Certificates of all cases of a query are about it and accepted.
pub fn accepted(network: &Network, query: &Query, certificates: &[Certificate]) -> Result<(), String> {
    if certificates.len() != query.cases.len() {
        return Err(format!("{} certificates of {} cases", certificates.len(), query.cases.len()));
    }
    for (case, certificate) in certificates.iter().enumerate() {
        check_formula(network, query, case, &certificate.opb).map_err(|e| e.to_string())?;
        certificate.check().map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// The same, and with one line corrupted they are not.
pub fn accepted_only_as_they_are(network: &Network, query: &Query, certificates: &[Certificate]) -> Result<(), String> {
    accepted(network, query, certificates)?;
    for (case, certificate) in certificates.iter().enumerate() {
        let proof = std::str::from_utf8(&certificate.proof).map_err(|e| e.to_string())?;
        for bad in corrupted(proof) {
            if check(certificate.opb.as_bytes(), bad.as_bytes()).is_ok() {
                return Err(format!("a corrupted proof was accepted:\n{bad}"));
            }
        }
        for bad in corrupted_formulas(&certificate.opb) {
            if check_formula(network, query, case, &bad).is_ok() {
                return Err(format!("a corrupted formula was accepted:\n{bad}"));
            }
        }
    }
    Ok(())
}

/// The text with line `at` replaced.
fn replaced(text: &str, at: usize, by: &str) -> String {
    let lines: Vec<&str> = text.lines().enumerate().map(|(i, line)| if i == at { by } else { line }).collect();
    lines.join("\n")
}

/// The proof with one line changed so that it cannot be right, whatever it is about.
fn corrupted(proof: &str) -> Vec<String> {
    let lines: Vec<&str> = proof.lines().collect();
    let at = |start: &str| lines.iter().position(|l| l.starts_with(start));
    let mut all = vec![replaced(proof, 0, "pseudo-Boolean proof version 9.0")];
    all.extend(at("f ").map(|i| replaced(proof, i, "f 123456;")));
    all.extend(at("conclusion").map(|i| replaced(proof, i, "conclusion UNSAT : 1234567;")));
    all.extend(at("conclusion").map(|i| replaced(proof, i, "conclusion NONE;")));
    // The contradiction itself: weakened to something that always holds, and left out.
    all.extend(at("rup >= 1").map(|i| replaced(proof, i, "rup >= 0;")));
    all.extend(at("rup >= 1").map(|i| replaced(proof, i, "")));
    all.extend(at("pol").map(|i| replaced(proof, i, "pol 7654321;")));
    all.extend(at("rup").map(|i| replaced(proof, i, "rup 1 y1 >= 1;")));
    all
}

/// The formula with one constraint strengthened, one left out, one too many, and with a lemma that does not hold.
fn corrupted_formulas(opb: &str) -> Vec<String> {
    let lines: Vec<&str> = opb.lines().collect();
    let mut all = vec![replaced(opb, 1, "+1 x1 >= 1 ;"), replaced(opb, lines.len() - 1, "")];
    all.push(format!("{opb}+1 x1 >= 1 ;\n"));
    all.push(format!("{opb}* lemma x1 1\n+1 ~x1 >= 1 ;\n* lemma ~x1 1\n+1 x1 >= 1 ;\n"));
    let lemma = lines.iter().position(|line| line.starts_with("* lemma"));
    if let Some(i) = lemma {
        all.push(replaced(opb, i + 1, ">= 1 ;"));
        // All multipliers negated.
        let is_number = |t: &str| t.starts_with(|c: char| c.is_ascii_digit());
        let signs: Vec<String> =
            lines[i].split(' ').map(|t| if is_number(t) { format!("-{t}") } else { t.to_owned() }).collect();
        all.push(replaced(opb, i, &signs.join(" ")));
    }
    all
}
