//! Certificates that were made to cost much: they are refused, or cost what they are long. None of these tests would end
//! otherwise.

use absint_check::{Refusal, Refuted, check, check_refutation, read_network, read_query};
use std::io::{BufReader, repeat};

fn outcome(network: &str, query: &str, proof: &str) -> Result<Refuted, Refusal> {
    let network = read_network(network.as_bytes())?;
    let query = read_query(query.as_bytes(), &network)?;
    check_refutation(&network, &query, proof.as_bytes())
}

/// A long fraction; those of different numbers have no common denominator.
fn fraction(k: usize) -> String {
    format!("1/1{}{}", "0".repeat(8000), 2 * k + 1)
}

/// Each of many coefficients has a fraction of its own, and a layer adds them up.
#[test]
fn fractions_do_not_grow_with_the_rows_that_are_added_up() {
    const ROWS: usize = 300;
    let (bias, rows) = (" 0".repeat(ROWS), "1\n".repeat(ROWS));
    let network = format!("absint network 2\ninput 1\naffine\nbias{bias}\ndense 0\n{rows}end\noutput 1\n");
    let query = "absint query 2\ncase\nx 0 1\nunsafe\natom 1 1 Y0\n";
    let many: String = (0..ROWS).map(|i| format!(" 1 {i} {}", fraction(i))).collect();
    let proof = |exact: &str| format!("absint proof 2\ncase 0\n{exact}refute 0 1 ;{many}\nend\n");
    assert!(outcome(&network, query, &proof("exact\n")).is_err());
    // As atoms, and behind weights that are no floats.
    let many: String = (0..ROWS).map(|i| format!(" {} Y{i}", fraction(i))).collect();
    let query = format!("absint query 2\ncase\nx 0 1\nunsafe\natom -1{many}\n");
    let proof = "absint proof 2\ncase 0\nexact\nrefute 0 1\nend\n";
    assert!(outcome(&network, &query, proof).is_err());
    assert!(outcome(&network.replace("\n1\n", "\n1/3\n"), &query, proof).is_err());
}

/// A short word may stand for a bound that has to be added to a long sum, again and again.
#[test]
fn short_terms_of_long_sums_are_added_up() {
    let network = "absint network 2\ninput 1\naffine\nbias 0\ndense 0\n1\nend\noutput 1\n";
    let query = "absint query 2\ncase\nx 0 1\nunsafe\natom 1 1 Y0\n";
    let proof = format!("absint proof 2\ncase 0\nrefute 0 1 ; 1 0 {}{}\nend\n", fraction(0), " 1 0 1/3".repeat(2000));
    assert!(outcome(network, query, &proof).is_err());
}

/// A half-space with many terms is multiplied once in a line, so that the line costs no more than the half-spaces and itself.
#[test]
fn half_spaces_are_multiplied_once() {
    const INPUTS: usize = 1000;
    let network = format!("absint network 2\ninput {INPUTS}\naffine\nbias 0\nsparse 0\nrow 0 1\nend\noutput 1\n");
    let terms: String = (0..INPUTS).map(|i| format!(" 1 X{i}")).collect();
    let query = format!("absint query 2\ncase\n{}limit -1{terms}\nunsafe\natom 2 -1 Y0\n", "x 0 2\n".repeat(INPUTS));
    let proof = |times: usize| format!("absint proof 2\ncase 0\nrefute 0 1 ;{}\nend\n", " limit 0 1".repeat(times));
    assert!(outcome(&network, &query, &proof(1)).is_ok());
    assert!(outcome(&network, &query, &proof(1_000_000)).unwrap_err().what.contains("multiplied twice"));
}

/// A form that reads many nodes at once is not bounded by all of them behind each of them.
#[test]
fn nodes_that_read_many_are_passed() {
    const NODES: usize = 40_000;
    let nodes = "affine\nbias 0\nidentity 0\nend\n".repeat(NODES);
    let terms: String = (1..=NODES).map(|node| format!("identity {node}\n")).collect();
    let output = NODES + 1;
    let network = format!("absint network 2\ninput 1\n{nodes}affine\nbias 0\n{terms}end\noutput {output}\n");
    let query = "absint query 2\ncase\nx 0 1\nunsafe\natom 1 1 Y0\n";
    assert!(outcome(&network, query, "absint proof 2\ncase 0\nexact\nrefute 0 1\nend\n").is_ok());
    let tie = query.replace("atom 1", "atom 0");
    assert!(outcome(&network, &tie, "absint proof 2\ncase 0\nrefute 0 1\nend\n").is_err());
}

/// Nor by all neurons of a few that are wide, where those that are passed are narrow.
#[test]
fn wide_nodes_are_read_while_narrow_ones_are_passed() {
    const WIDTH: usize = 2000;
    const WIDE: usize = 60;
    const NARROW: usize = 20_000;
    let (zeros, rows) = (" 0".repeat(WIDTH), "row 0 1\n".repeat(WIDTH));
    let wide = format!("affine\nbias{zeros}\nsparse 0\n{rows}end\n");
    let wide = wide + &"activation 1 1\npiece -inf +inf 1 0\n".repeat(WIDE);
    let first = 2 + WIDE;
    let source = |k: usize| if k == 0 { 0 } else { first + k - 1 };
    let narrow: String = (0..NARROW).map(|k| format!("affine\nbias 0\nidentity {}\nend\n", source(k))).collect();
    let terms: String = (2..first).map(|node| format!("sparse {node}\nrow 0 1\n")).collect();
    let last = first + NARROW - 1;
    let output = format!("affine\nbias 0\nidentity {last}\n{terms}end\noutput {}\n", last + 1);
    let network = format!("absint network 2\ninput 1\n{wide}{narrow}{output}");
    let query = "absint query 2\ncase\nx 0 1\nunsafe\natom 1 1 Y0\n";
    let proof = format!("absint proof 2\ncase 0\n{}end\n", "refute 0 1\n".repeat(30));
    assert!(outcome(&network, query, &proof.replacen("refute 0 1\n", "bound 1\n", 1)).is_ok());
    assert!(outcome(&network, &query.replace("atom 1", "atom -1"), &proof).is_err());
}

/// A few letters make a copy of a wide node, of a constraint, or of a neuron's name.
#[test]
fn what_a_few_letters_copy_has_an_end() {
    const WIDTH: usize = 3000;
    let copies = "identity 0\n".repeat(10_000);
    let network =
        format!("absint network 2\ninput {WIDTH}\naffine\nbias{}\n{copies}end\noutput 1\n", " 0".repeat(WIDTH));
    assert!(read_network(network.as_bytes()).unwrap_err().what.contains("neurons"));
    let network = "absint network 2\ninput 1\nactivation 0 1\npiece -inf +inf 1 0\noutput 1\n";
    let query = "absint query 2\ncase\nx 0 1\nunsafe\natom 1 1 Y0\n";
    let proof = |times: usize| format!("absint proof 2\ncase 0\nfree 1{}\nrefute 0 1\nend\n", " 0".repeat(times));
    assert!(outcome(network, query, &proof(1)).is_ok());
    assert!(outcome(network, query, &proof(2)).is_err());
    let formula: String = (1..=2000).map(|i| format!("+1 x{i} ")).collect();
    let proof = format!("pseudo-Boolean proof version 3.0\npol{};\n", " 1 s".repeat(65));
    let refusal = check(format!("{formula}>= 1 ;\n").as_bytes(), proof.as_bytes()).unwrap_err();
    assert!(refusal.to_string().contains("too many operands"), "{refusal}");
}

#[test]
fn a_line_without_an_end_is_refused() {
    let refusal = read_network(BufReader::new(repeat(b'1'))).unwrap_err();
    assert!(refusal.what.contains("the line is too long"), "{refusal}");
}
