//! The worked example of `docs/certificates.md`, and what is refused.

use super::{check_refutation, read_network, read_query};

const NETWORK: &str = "absint network 2
input 2
affine
bias 0 0
dense 0
1 1
1 0
end
activation 1 2
piece -inf 0] 0 0
piece [0 +inf 1 0
affine
bias 0
dense 2
1 -1
end
output 3
";

/// `y = relu(x₀ + x₁) − relu(x₀)` over `[−1, 1]²` is at most 1; back-substitution alone says 2.
const QUERY: &str = "absint query 2
case
x -1 1
x -1 1
unsafe
atom 7/4 -1 Y0
";

const PROOF: &str = "absint proof 2
case 0
bound 1
split 1 1 0
refute 0 1 ; 1 1 -1/2
else
refute 0 1 ; 1 1 1/2
end
end
";

/// Whether the proof is accepted, or what is said against it.
fn outcome(network: &str, query: &str, proof: &str) -> Result<usize, String> {
    let network = read_network(network.as_bytes()).map_err(|e| e.to_string())?;
    let query = read_query(query.as_bytes(), &network).map_err(|e| e.to_string())?;
    let refuted = check_refutation(&network, &query, proof.as_bytes()).map_err(|e| e.to_string())?;
    Ok(refuted.refutations)
}

#[test]
fn the_worked_example_is_accepted_in_both_arithmetics() {
    assert_eq!(outcome(NETWORK, QUERY, PROOF), Ok(2));
    assert_eq!(outcome(NETWORK, QUERY, &PROOF.replace("case 0\n", "case 0\nexact\n")), Ok(2));
    // Half-way between its two slopes the line below the second neuron does it alone.
    let slopes = "absint proof 2\ncase 0\nfree 2 0 1\nslopes 2 ffff7fff\nrefute 0 1\nend\n";
    assert_eq!(outcome(NETWORK, QUERY, slopes), Ok(1));
    assert_eq!(outcome(NETWORK, QUERY, &slopes.replace("slopes 2 ffff7fff", "lines 2 1 1b-1 1b-1")), Ok(1));
    // One digit stands for four, and slopes are forgotten by name.
    assert_eq!(outcome(NETWORK, QUERY, &slopes.replace("ffff7fff", "f7")), Ok(1));
    assert_eq!(outcome(NETWORK, QUERY, &slopes.replace("slopes", "lines 2 1 0\nslopes")), Ok(1));
    // `steep` names the lines that rise below; the other neuron's lies at zero.
    let steep = |neurons: &str| slopes.replace("free 2 0 1\nslopes 2 ffff7fff", &format!("steep 2{neurons}"));
    let weak = QUERY.replace("7/4", "9/4");
    assert!(outcome(NETWORK, &weak, &steep(" 1")).is_ok() && outcome(NETWORK, &weak, &steep(" 0")).is_ok());
    assert!(outcome(NETWORK, QUERY, &steep(" 0")).is_err() && outcome(NETWORK, QUERY, &steep(" 2")).is_err());
    // Without splits, multipliers or the right slopes, and with one half left out, it does not hold.
    for wrong in [
        "absint proof 2\ncase 0\nbound 1\nrefute 0 1\nend\n",
        &PROOF.replace("; 1 1 -1/2", ""),
        &PROOF.replace("; 1 1 -1/2", "; 1 1 1/2"),
        &PROOF.replace("; 1 1 1/2", "; 1 0 1/2"),
        &PROOF.replace("refute 0 1 ; 1 1 -1/2\n", ""),
        &PROOF.replace("refute 0 1 ; 1 1 1/2\n", ""),
        &PROOF.replace("split 1 1 0", "split 1 1 1/2"),
        &slopes.replace("7fff", "ffff"),
        &slopes.replace("7fff", "0000"),
        &slopes.replace("refute", "area 2\nrefute"),
        &slopes.replace("ffff7fff", "ff7"),
    ] {
        assert!(outcome(NETWORK, QUERY, wrong).is_err(), "{wrong}");
    }
}

/// Lines of which both slopes are named stay on one piece as well, until the neuron is split; late bounds are those at the
/// input.
#[test]
fn named_lines_stay_and_late_bounds_are_those_at_the_input() {
    let query = QUERY.replacen("x -1 1", "x 0 1", 1).replace("7/4", "3/2");
    let proof = |said: &str| format!("absint proof 2\ncase 0\nbound 1\n{said}\nrefute 0 1\nend\n");
    assert_eq!(outcome(NETWORK, &query, &proof("")), Ok(1));
    assert_eq!(outcome(NETWORK, &query, &proof("lines 2 1 0")), Ok(1));
    assert!(outcome(NETWORK, &query, &proof("lines 2 1 0 0")).is_err());
    assert_eq!(outcome(NETWORK, &query, &proof("lines 2 1 0 0\narea 2")), Ok(1));
    assert_eq!(outcome(NETWORK, &query, &proof("lines 2 1 0 0\nsplit 1 1 2").replace("end", "else\nend\nend")), Ok(1));
    assert_eq!(outcome(NETWORK, QUERY, &PROOF.replace("bound 1", "late 1")), Ok(2));
    assert!(outcome(NETWORK, QUERY, &PROOF.replace("bound 1", "late 4")).is_err());
}

/// The first neuron is never more than one above the second one: a joint inequality on three branches.
const ROWS: &str = "absint proof 2
case 0
exact
row -1 1 0 1 1 1 -1
prove
end
row -1 2 0 1 2 1 -1
split 1 0 0
prove
else
split 1 1 0
prove row 0 1
else
prove row 0 1
end
end
end
refute 0 1 ; row 1 1
end
";

#[test]
fn rows_hold_where_they_are_shown_and_nowhere_else() {
    let query = QUERY.replace("7/4", "9/8");
    assert_eq!(outcome(NETWORK, &query, ROWS), Ok(5));
    for (from, to) in [
        ("row -1 1 0 1 1 1 -1", "row -3/4 1 0 1 1 1 -1"),
        ("row -1 2 0 1 2 1 -1", "row -7/8 2 0 1 2 1 -1"),
        ("prove row 0 1\nelse", "prove row 0 1/2\nelse"),
        ("prove row 0 1\nelse", "prove\nelse"),
        ("prove row 0 1\nelse", "prove row 0 -1\nelse"),
        ("prove row 0 1\nelse", "prove row 1 1\nelse"),
        ("split 1 0 0\nprove\n", "split 1 0 0\n"),
        ("; row 1 1", "; row 2 1"),
        ("; row 1 1", "; row 1 -1"),
        ("; row 1 1", "; limit 1 1"),
        ("; row 1 1", ""),
        ("row -1 1 0 1 1 1 -1", "row -1 1 0 1 1 1"),
        ("row -1 1 0 1 1 1 -1", "row -1 1 0 1 1 2 -1"),
    ] {
        assert!(outcome(NETWORK, &query, &ROWS.replacen(from, to, 1)).is_err(), "{from} -> {to}");
    }
    assert!(outcome(NETWORK, &QUERY.replace("7/4", "1"), ROWS).is_err());
    // What is exactly zero is decided in exact numbers, whether they are asked for or not.
    assert_eq!(outcome(NETWORK, &query, &ROWS.replace("exact\n", "")), Ok(5));
    // A row that holds on a part is forgotten behind it.
    let inside =
        "absint proof 2\ncase 0\nexact\nsplit 0 1 1/2\nrow -1/2 0 1 1\nprove\nend\nelse\nrefute 0 1 ; row 0 1\n";
    let said = outcome(NETWORK, QUERY, inside).unwrap_err();
    assert!(said.contains("no index below 0"), "{said}");
}

/// `y = sign(x)`, which is 1 at zero.
const SIGN: &str = "absint network 2
input 1
affine
bias 0
dense 0
1
end
activation 1 2
piece -inf 0) 0 -1
piece [0 +inf 0 1
output 2
";

#[test]
fn a_number_belongs_to_the_half_that_has_it() {
    // y + x / 4 is never zero: it is at most −3/4 below zero, and at least 1 from there on.
    let query = |constant: &str| {
        format!("absint query 2\ncase\nx -1 1\nunsafe\natom {constant} -1 Y0 -1/4 X0\natom {constant} 1 Y0 1/4 X0\n")
    };
    let proof =
        |split: &str| format!("absint proof 2\ncase 0\nsplit 1 0 {split}\nrefute 0 1\nelse\nrefute 0 0 1\nend\nend\n");
    assert_eq!(outcome(SIGN, &query("0"), &proof("< 0")), Ok(2));
    let at_input =
        SIGN.replace("affine\nbias 0\ndense 0\n1\nend\nactivation 1", "activation 0").replace("output 2", "output 1");
    assert_eq!(outcome(&at_input, &query("0"), &proof("< 0").replace("split 1", "split 0")), Ok(2));
    // Zero is a one: neither half may have it from below.
    for wrong in [proof("0"), proof("> 0"), proof("< 1/4"), proof("< -1/4"), proof("<= 0"), proof("<")] {
        assert!(outcome(SIGN, &query("0"), &wrong).is_err(), "{wrong}");
    }
    // The end is left out of one half only, and no longer where that is over.
    let closed =
        "absint proof 2\ncase 0\nsplit 1 0 < 0\nsplit 1 0 0\nrefute 0 1\nelse\nend\nelse\nrefute 0 0 1\nend\nend\n";
    assert_eq!(outcome(SIGN, &query("0"), closed), Ok(2));
    let behind = closed.replace("else\nrefute 0 0 1", "else\nrefute 0 1");
    assert!(outcome(SIGN, &query("0"), &behind).is_err());
}

#[test]
fn what_is_not_understood_is_refused_with_its_line() {
    let refused = |from: &str, to: &str, says: &str| {
        let network = NETWORK.replacen(from, to, 1);
        let (query, proof) = (QUERY.replacen(from, to, 1), PROOF.replacen(from, to, 1));
        let changed = [network != NETWORK, query != QUERY, proof != PROOF].iter().filter(|c| **c).count();
        assert!(changed >= 1, "{from} is nowhere");
        let said = outcome(&network, &query, &proof).unwrap_err();
        assert!(said.contains(says), "{from} -> {to}: {said}");
    };
    refused("absint network 2", "absint network 3", "network, line 1");
    refused("input 2", "input 99999999999", "line 2");
    refused("input 2", "input 0", "`0` is no number of inputs");
    refused("bias 0 0", "bias", "no neuron");
    refused("dense 0\n", "dense 1\n", "no index below 1");
    refused("1 -1\nend", "1 nan\nend", "`nan` is no number");
    refused("1 -1\nend", "1 -1 1\nend", "one word too many");
    refused("piece [0 +inf 1 0", "piece [1 +inf 1 0", "do not cover");
    refused("piece [0 +inf 1 0", "piece [0 +inf 1 1", "do not cover");
    refused("output 3", "output 3\noutput 3", "nothing may follow");
    refused("x -1 1\nx -1 1", "x -1 1", "`x` is expected");
    refused("-1 Y0", "-1 Y1", "`Y1` is no variable");
    refused("7/4", "7/0", "`7/0` is no number");
    refused("case 0", "case 1", "`0` is expected");
    refused("bound 1", "bound 9", "no index below 4");
    refused("bound 1", "believe 1", "`believe` is not understood");
    refused("bound 1", "slopes 2 ffff", "hexadecimal digits");
    refused("bound 1", "free 1 0", "no activation");
    refused("bound 1", "lines 2 1 1/3", "`1/3` is no float");
    refused("bound 1", "lines 2 2 0", "no index below 2");
    refused("split 1 1 0", "split 1 2 0", "no index below 2");
    refused("refute 0 1 ; 1 1 -1/2", "refute 0 -1", "`-1` is no weight");
    refused("refute 0 1 ; 1 1 -1/2", "refute 0 1 1", "more weights");
    refused("refute 0 1 ; 1 1 -1/2", "refute 1 1", "no index below 1");
    refused("refute 0 1 ; 1 1 -1/2", "refute 0 1 ; limit 0 1", "no index below 0");
    refused("refute 0 1 ; 1 1 -1/2", "refute 0 1 ; limit row 0 1", "`row` is no index below 0");
    refused("refute 0 1 ; 1 1 -1/2", "prove", "no lemma");
    refused("else", "else\nelse", "no first half");
    refused("else\nrefute 0 1 ; 1 1 1/2\n", "", "no second half");
    assert!(outcome(NETWORK, QUERY, &format!("{PROOF}end\n")).unwrap_err().contains("nothing may follow"));
    assert!(outcome(NETWORK, QUERY, &PROOF.replace("end\nend\n", "end\n")).is_err());
    assert!(outcome(NETWORK, "absint query 2\n", "absint proof 2\n").unwrap_err().contains("no case"));
}

/// Another version of the format says which one is known, and what is to be done.
#[test]
fn another_version_is_refused_by_name() {
    let old = |text: &str| text.replacen(" 2\n", " 1\n", 1);
    for (network, query, proof) in [
        (old(NETWORK), QUERY.into(), PROOF.into()),
        (NETWORK.into(), old(QUERY), PROOF.into()),
        (NETWORK.into(), QUERY.to_owned(), old(PROOF)),
    ] {
        let said = outcome(&network, &query, &proof).unwrap_err();
        assert!(said.contains("line 1: version 1 of certificates is not known here, but 2: write it anew"), "{said}");
    }
}

/// Each of many disjuncts is shown on many parts, within each other and one behind the other: a part costs what it shows.
#[test]
fn disjuncts_cost_what_shows_them() {
    const COUNT: usize = 20_000;
    let query = format!("absint query 2\ncase\nx -1 1\nx -1 1\n{}", "unsafe\natom 3 -1 Y0\n".repeat(COUNT));
    let all: String = (0..COUNT).map(|d| format!("refute {d} 1\n")).collect();
    let behind = format!("absint proof 2\ncase 0\n{}{all}end\n", "split 0 0 0\nelse\nend\n".repeat(COUNT));
    assert_eq!(outcome(NETWORK, &query, &behind), Ok(COUNT));
    let depth = 9000;
    // The upper halves have no input: they show everything.
    let nested =
        format!("absint proof 2\ncase 0\n{}{all}{}end\n", "split 0 0 2\n".repeat(depth), "else\nend\n".repeat(depth));
    assert_eq!(outcome(NETWORK, &query, &nested), Ok(COUNT));
    let missing = nested.replace("refute 77 1\n", "");
    assert!(outcome(NETWORK, &query, &missing).unwrap_err().contains("disjunct 77 is not refuted"));
}

/// A lemma holds on the part where it stands, and must be shown there.
#[test]
fn lemmas_are_shown_before_they_are_used() {
    let proof = "absint proof 2\ncase 0\nlemma 3 0 <= 13b-3\nsplit 1 1 0\nprove 1 1 -1/2\nelse\nprove 1 1 1/2\nend\n\
                 end\nrefute 0 1\nend\n";
    assert_eq!(outcome(NETWORK, QUERY, proof), Ok(3));
    for (from, to) in [
        ("<= 13b-3", "<= 11b-3"),
        ("<= 13b-3", ">= 13b-3"),
        ("<= 13b-3", "= 13b-3"),
        ("prove 1 1 -1/2\n", ""),
        ("prove 1 1 -1/2", "refute 0 1"),
        // What the lemma says holds nowhere before its end.
        ("prove 1 1 -1/2", "prove 3 0 -1"),
        ("end\nend\nrefute 0 1\n", "end\nrefute 0 1\nend\n"),
    ] {
        assert!(outcome(NETWORK, QUERY, &proof.replace(from, to)).is_err(), "{from} -> {to}");
    }
}

/// Multipliers of half-spaces take part with the right sign only.
#[test]
fn half_spaces_multiply_what_is_at_most_zero() {
    // With x₀ ≤ 0 the second neuron is zero.
    let query = QUERY.replace("unsafe", "limit 0 1 X0\nunsafe");
    let proof = "absint proof 2\ncase 0\nfree 2 1\nslopes 2 0000\nrefute 0 1 ; limit 0 1/2\nend\n";
    assert_eq!(outcome(NETWORK, &query, proof), Ok(1));
    for (from, to) in [("limit 0 1/2", ""), ("limit 0 1/2", "limit 0 -1/2"), ("1/2", "1/4"), ("limit 0", "limit 1")] {
        assert!(outcome(NETWORK, &query, &proof.replace(from, to)).is_err(), "{from} -> {to}");
    }
    // x₀ ≤ −2 leaves no input.
    let query = QUERY.replace("unsafe", "limit 2 1 X0\nunsafe");
    let proof = "absint proof 2\ncase 0\nempty limit 0 1\nend\n";
    assert_eq!(outcome(NETWORK, &query, proof), Ok(1));
    assert!(outcome(NETWORK, &query.replace("limit 2", "limit 1"), proof).is_err());
}

/// What overflows is no bound: the margin is truly −1, whatever a float makes of 2²⁰⁴⁸.
#[test]
fn coefficients_that_overflow_bound_nothing() {
    let network = "absint network 2\ninput 1\naffine\nbias 0\ndense 0\n1b800\nend\naffine\nbias 0\ndense 1\n1b800\nend\n\
                   affine\nbias -1\ndense 2\n1b-900\nend\naffine\nbias 0\ndense 3\n1\nend\noutput 4\n";
    let query = "absint query 2\ncase\nx 1b-1000 1b-1000\nunsafe\natom 0 1 Y0\n";
    assert!(outcome(network, query, "absint proof 2\ncase 0\nbound 1\nbound 2\nrefute 0 1\nend\n").is_err());
    let steep = network.replace("1b-900", "1").replace("-1\ndense", "-3b700\ndense");
    assert!(outcome(&steep, query, "absint proof 2\ncase 0\nrefute 0 1\nend\n").is_err());
}

/// Parameters of which only an enclosure is known take part with all that they may be.
#[test]
fn enclosures_and_fractions_hold_for_every_value() {
    let network = |w: &str| NETWORK.replace("1 -1\nend\noutput", &format!("{w} -1\nend\noutput"));
    let simple = "absint proof 2\ncase 0\nbound 1\nrefute 0 1\nend\n";
    let at_most = |bound: &str| QUERY.replace("7/4", bound);
    for arithmetic in ["", "exact\n"] {
        let proof = simple.replace("refute", &format!("{arithmetic}refute"));
        assert_eq!(outcome(&network("1/3"), &at_most("7/10"), &proof), Ok(1));
        assert!(outcome(&network("1/3"), &at_most("13/20"), &proof).is_err());
        assert_eq!(outcome(&network("0~1/3"), &at_most("7/10"), &proof), Ok(1));
        assert!(outcome(&network("0~1"), &at_most("7/10"), &proof).is_err());
    }
    // y = −relu(x₀) ≤ 0: a tie is decided by exact numbers.
    let tie = |bound: &str| outcome(&network("0"), &at_most(bound), &simple.replace("refute", "exact\nrefute"));
    assert!(tie("0").is_err() && tie("1/1000000000000000000").is_ok());
}

#[test]
fn changes_are_kept_within_blocks_only_and_not_without_end() {
    const NEURONS: usize = 2000;
    let zeros = " 0".repeat(NEURONS);
    let network = format!(
        "absint network 2\ninput 1\naffine\nbias{zeros}\ndense 0\n{}end\n{}affine\nbias 0\ndense 2\n1{}\nend\noutput 3\n",
        "1\n".repeat(NEURONS),
        "activation 1 2\npiece -inf 0] 0 0\npiece [0 +inf 1 0\n",
        " 0".repeat(NEURONS - 1)
    );
    let query = "absint query 2\ncase\nx -1 1\nunsafe\natom 7/4 -1 Y0\n";
    // Twice as many as may be kept.
    let changes = "steep 2\narea 2\n".repeat((1 << 22) / NEURONS);
    let outside = format!("absint proof 2\ncase 0\n{changes}refute 0 1\nend\n");
    assert_eq!(outcome(&network, query, &outside), Ok(1));
    let within = outside.replace("case 0\n", "case 0\nsplit 1 0 0\n").replace("end\n", "else\nrefute 0 1\nend\nend\n");
    let refusal = outcome(&network, query, &within).unwrap_err();
    assert!(refusal.contains("too much is to be undone"), "{refusal}");
    assert_eq!(outcome(&network, query, &within.replace("steep 2\narea 2\n", "")), Ok(2));
}

/// A chain of activations is followed to its end, however long it is.
#[test]
fn long_chains_of_activations_are_followed() {
    const LENGTH: usize = 200_000;
    let relu = |source: usize| format!("activation {source} 2\npiece -inf 0] 0 0\npiece [0 +inf 1 0\n");
    let network = format!("absint network 2\ninput 1\n{}output {LENGTH}\n", (0..LENGTH).map(relu).collect::<String>());
    let query = "absint query 2\ncase\nx -1 1\nunsafe\natom 1 1 Y0\n";
    assert_eq!(
        outcome(&network, query, "absint proof 2\ncase 0\nsplit 0 0 0\nrefute 0 1\nelse\nrefute 0 1\nend\nend\n"),
        Ok(2)
    );
}

/// Back-substitution looks at the nodes that it reads, however many there are.
#[test]
fn long_chains_of_affine_nodes_are_followed() {
    const LENGTH: usize = 100_000;
    let affine = |source: usize| format!("affine\nbias 0\nidentity {source}\nend\n");
    let network =
        format!("absint network 2\ninput 1\n{}output {LENGTH}\n", (0..LENGTH).map(affine).collect::<String>());
    let query = "absint query 2\ncase\nx -1 1\nunsafe\natom 3 1 Y0\n";
    assert_eq!(outcome(&network, query, "absint proof 2\ncase 0\nrefute 0 1\nend\n"), Ok(1));
}

/// Coefficients grow with every layer that multiplies them, up to a length.
#[test]
fn exact_numbers_grow_up_to_a_length() {
    let affine = |source: usize| format!("affine\nbias 0\ndense {source}\n9007199254740991\nend\n");
    let network = |length: usize| {
        format!("absint network 2\ninput 1\n{}output {length}\n", (0..length).map(affine).collect::<String>())
    };
    let query = "absint query 2\ncase\nx 1b-1000 1b-1000\nunsafe\natom 0 1 Y0\n";
    let proof = "absint proof 2\ncase 0\nexact\nrefute 0 1\nend\n";
    assert_eq!(outcome(&network(10), query, proof), Ok(1));
    assert!(outcome(&network(20_000), query, proof).is_err());
}

/// Sums of fractions that have nothing in common end in a refusal, and rows are short.
#[test]
fn long_sums_are_refused() {
    let power = |k: usize| format!("1/1{}1", "0".repeat(4000 + k));
    let many: String = (0..40).map(|k| format!(" 1 0 {}", power(k))).collect();
    let proof = format!("absint proof 2\ncase 0\nbound 1\nrefute 0 1 ;{many}\nend\n");
    let said = outcome(NETWORK, QUERY, &proof).unwrap_err();
    assert!(said.contains("fractions that are too long"), "{said}");
    let row = format!("absint proof 2\ncase 0\nrow 0{}\nend\nend\n", " 0 0 1".repeat(1000));
    assert!(outcome(NETWORK, QUERY, &row).unwrap_err().contains("not shown"));
}

/// A sum of `n` rows is charged for `n` products: a row that names a column more often is none.
#[test]
fn a_column_stands_once_in_a_row() {
    let row = |times: usize| format!("row 0 1{}", " 0 1b-54".repeat(times));
    let network = |row: &str| format!("absint network 2\ninput 1\naffine\nbias 0\nsparse 0\n{row}\nend\noutput 1\n");
    // Rounded one by one, none of the small ones counts; together they are more than what the atom leaves.
    let query = "absint query 2\ncase\nx 0 1\nunsafe\natom 2251799813685273/2251799813685248 -1 Y0\n";
    let proof = "absint proof 2\ncase 0\nrefute 0 1\nend\n";
    assert_eq!(outcome(&network(&row(0)), query, proof), Ok(1));
    let refusal = outcome(&network(&row(1000)), query, proof).unwrap_err();
    assert!(refusal.contains("column 0 stands twice"), "{refusal}");
}

/// What was left out of an atom, since its fractions had become too long, is missed wherever the atom is used.
#[test]
fn an_atom_of_long_fractions_refutes_nothing() {
    let network = "absint network 2\ninput 1\naffine\nbias 0\nidentity 0\nend\noutput 1\n";
    let power = |k: usize| format!("1{}1", "0".repeat(4000 + k));
    let many: String = (0..40).map(|k| format!(" 1/{} X0", power(k))).collect();
    let query = format!("absint query 2\ncase\nx 0 1\nunsafe\natom 1{many} -10 Y0\n");
    let proof = "absint proof 2\ncase 0\nexact\nrefute 0 1\nend\n";
    let refusal = outcome(network, &query, proof).unwrap_err();
    assert!(refusal.contains("fractions that are too long"), "{refusal}");
}

/// Numbers that are not known exactly lose nothing for forms that do not read their rows: at the tie `y = 1/2` holds.
#[test]
fn other_rows_cost_an_exact_form_nothing() {
    let network = "absint network 2
input 3
affine
bias 0 0
dense 0
1/3 1/3 -2/3
0 0 0~1
end
activation 1 2
piece -inf 0] 0 0
piece (0 +inf 0 1
affine
bias 0
dense 2
1 0
end
output 3
";
    let query = "absint query 2\ncase\nx 1 1\nx 1 1\nx 1 1\nunsafe\natom 1/2 -1 Y0\n";
    let proof = "absint proof 2\ncase 0\nrefute 0 1\nend\n";
    assert_eq!(outcome(network, query, proof), Ok(1));
    // Where the form reads it, nobody knows.
    assert!(outcome(&network.replace("dense 2\n1 0", "dense 2\n1 1"), query, proof).is_err());
}
