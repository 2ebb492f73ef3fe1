//! Query files: what they lower to, and that bad ones are refused with a place and a mend.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod formulas;

use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::{Ball, Case, Query, Variable};
use absint::format::{json_query, vnnlib};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

/// The folder with measured networks and queries, or a note that the test is skipped.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("ABSINT_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: ABSINT_DATA names no data folder");
    }
    folder
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn q(text: &str) -> Rational {
    parse_decimal(text).unwrap()
}

const X0: &str = "(declare-const X_0 Real)\n(declare-const Y_0 Real)\n(assert (<= X_0 1))\n(assert (>= X_0 -1))\n";
const X2Y2: &str = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)
(assert (and (<= -1 X_0 1) (<= -1 X_1 1)))\n";

fn query(text: &str) -> Query {
    vnnlib::parse(text, "t").unwrap_or_else(|e| panic!("{e}\n{text}")).query
}

fn error(text: &str) -> String {
    vnnlib::parse(text, "t").map(|q| format!("accepted: {q:?}")).unwrap_err().to_string()
}

/// `(coefficients by name, constant)` of every atom of every disjunct.
fn atoms(query: &Query) -> Vec<Vec<String>> {
    let name = |v: &Variable| match v {
        Variable::Input(i) => format!("X{i}"),
        Variable::Output(i) => format!("Y{i}"),
    };
    let disjuncts = query.cases.iter().flat_map(|c| &c.property.disjuncts);
    let shown = |a: &absint::domains::query::Atom| {
        let terms: Vec<String> = a.terms.iter().map(|(v, c)| format!("{c}*{}", name(v))).collect();
        format!("{} + {}", terms.join(" + "), a.constant)
    };
    disjuncts.map(|d| d.atoms.iter().map(shown).collect()).collect()
}

fn box_of(case: &Case) -> Vec<(String, String)> {
    let (lower, upper) = case.region.exact_box();
    lower.iter().zip(upper).map(|(l, u)| (l.to_string(), u.to_string())).collect()
}

fn ends(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(l, u)| (l.to_string(), u.to_string())).collect()
}

#[test]
fn margins_are_left_minus_right_of_at_most_and_right_minus_left_of_at_least() {
    let found = query(&format!("{X2Y2}(assert (<= Y_0 Y_1))(assert (>= Y_0 0.5))(assert (<= 2e-1 Y_1))"));
    assert_eq!(atoms(&found), [["1*Y0 + -1*Y1 + 0", "-1*Y0 + 1/2", "-1*Y1 + 1/5"]]);
    assert_eq!(box_of(&found.cases[0]), ends(&[("-1", "1"), ("-1", "1")]));
}

#[test]
fn linear_terms_are_read_exactly() {
    let term = "(+ (* 2 Y_0) (* Y_1 -0.1) (- Y_0) (- Y_1 1 X_0) (* 2 (+ 1 Y_1)) (/ Y_1 3) (* 2 3 1.5E1))";
    assert_eq!(atoms(&query(&format!("{X2Y2}(assert (<= {term} 0))"))), [["-1*X0 + 1*Y0 + 97/30*Y1 + 91"]]);
    // Cancelled variables do not occur.
    let cancelled = query(&format!("{X2Y2}(assert (<= (+ Y_0 Y_1 (- Y_0)) Y_0))(assert (<= Y_0 (+ Y_0 1)))"));
    assert_eq!(atoms(&cancelled), [["-1*Y0 + 1*Y1 + 0"]]);
}

#[test]
fn the_tightest_of_several_bounds_is_kept_in_whatever_form_it_is_written() {
    let text = "(assert (<= X_0 0.75))(assert (<= X_0 2))(assert (<= 1 (* -4 X_1)))(assert (>= (+ X_0 X_0) -1e-1))";
    let found = query(&format!("{X2Y2}{text}(assert (<= Y_0 0))"));
    assert_eq!(box_of(&found.cases[0]), ends(&[("-1/20", "3/4"), ("-1", "-1/4")]));
    let point = query(&format!("{X2Y2}(assert (= X_0 0.5))(assert (== Y_0 Y_1))"));
    assert_eq!(box_of(&point.cases[0])[0], ("1/2".into(), "1/2".into()));
    assert_eq!(atoms(&point), [["1*Y0 + -1*Y1 + 0", "-1*Y0 + 1*Y1 + 0"]]);
}

#[test]
fn constraints_on_inputs_alone_are_half_spaces_and_mixed_ones_atoms() {
    let text = "(assert (>= (+ X_0 (* 2 X_1)) 0.5))(assert (<= (+ X_0 Y_0) 0))";
    let found = query(&format!("{X2Y2}{text}"));
    let [half_space] = found.cases[0].region.half_spaces() else { panic!("one half-space") };
    assert_eq!((&half_space.terms[..], &half_space.rhs), (&[(0, q("-1")), (1, q("-2"))][..], &q("-0.5")));
    assert_eq!(atoms(&found), [["1*X0 + 1*Y0 + 0"]]);
}

#[test]
fn the_first_choice_varies_slowest_and_equal_regions_share_a_case() {
    let text =
        "(assert (or (<= X_0 0) (>= X_0 0)))(assert (<= Y_0 1))(assert (or (<= Y_1 1) (and (<= Y_1 2) (<= Y_1 3))))";
    let found = query(&format!("{X2Y2}{text}"));
    let first: &[&str] = &["1*Y0 + -1", "1*Y1 + -1"];
    let second: &[&str] = &["1*Y0 + -1", "1*Y1 + -2", "1*Y1 + -3"];
    assert_eq!(atoms(&found), [first, second, first, second]);
    assert_eq!(found.cases.len(), 2);
    assert_eq!(box_of(&found.cases[0])[0], ("-1".into(), "0".into()));
    assert_eq!(box_of(&found.cases[1])[0], ("0".into(), "1".into()));
    // The same box written twice is one region.
    let twice = "(assert (or (and (<= X_0 0.5) (<= Y_0 0)) (and (<= Y_1 0) (<= (* 2 X_0) 1)) (<= Y_0 3)))";
    assert_eq!(
        query(&format!("{X2Y2}{twice}")).cases.iter().map(|c| c.property.disjuncts.len()).collect::<Vec<_>>(),
        [2, 1]
    );
}

#[test]
fn nested_choices_multiply_out_in_file_order() {
    let text = "(assert (and (or (<= Y_0 1) (<= Y_0 2)) (<= Y_1 5) (or (<= Y_1 1) (or (<= Y_1 2) (<= Y_1 3)))))";
    let constants: Vec<String> = atoms(&query(&format!("{X2Y2}{text}")))
        .iter()
        .map(|d| d.iter().map(|a| a.rsplit("-").next().unwrap().to_owned()).collect())
        .collect();
    assert_eq!(constants, ["151", "152", "153", "251", "252", "253"]);
}

#[test]
fn an_unreachable_disjunct_keeps_its_number() {
    let text =
        "(assert (or (and (>= X_0 2) (<= Y_0 1)) (<= Y_0 2) (and (<= X_1 -3) (<= Y_0 3)) (and (<= 2 1) (<= Y_0 4))))";
    let found = query(&format!("{X2Y2}{text}"));
    let expected: [&[&str]; 4] = [&[" + 1"], &["1*Y0 + -2"], &[" + 2"], &[" + 1", "1*Y0 + -4"]];
    assert_eq!(atoms(&found), expected);
    assert_eq!(found.cases.len(), 1);
}

#[test]
fn a_disjunct_on_inputs_alone_has_no_atoms() {
    let found = query(&format!("{X0}(assert (or (<= X_0 0) (<= Y_0 0)))"));
    assert_eq!(atoms(&found), [vec![], vec!["1*Y0 + 0".to_owned()]]);
    assert_eq!(found.cases.len(), 2);
}

#[test]
fn comments_other_commands_and_declare_fun_are_understood() {
    let text = "\u{FEFF}; comment (assert\n(set-logic QF_LRA)(set-info :source |a ( quoted ; text|)(declare-fun X_0 () Real)\r\n\
        (declare-const Y_0 Real);(\n(assert(and(<= X_0 1.0)(>= X_0 .5)(<= Y_0 -0.0)))(check-sat)(exit)";
    let found = vnnlib::parse(text, "t").unwrap();
    assert_eq!((found.inputs, found.outputs), (1, 1));
    assert_eq!(box_of(&found.query.cases[0]), ends(&[("1/2", "1")]));
}

#[test]
fn errors_name_line_column_and_mend() {
    let cases = [
        ("(assert (<= Y_0 1)", "t:5:19: expected `)`, found the end of the file", ""),
        ("(assert (<= Y_0 1)))", "t:5:20: expected `(` of a command, found `)`", ""),
        ("(assert (<= Y_0))", "t:5:16: expected a linear term, found `)`", ""),
        ("(assert (xor (<= Y_0 1)))", "t:5:10: `xor` is not a formula", "use `and`"),
        ("(assert (not))", "t:5:13: expected a formula", ""),
        ("(assert maybe)", "t:5:9: expected a formula", "found `maybe`"),
        ("(assert (<= (max Y_0 1) 1))", "t:5:14: `max` is not an operator", "use `+`"),
        ("(assert (<= (* X_0 Y_0) 1))", "t:5:20: a product of variables", "one factor"),
        ("(assert (<= (/ 1 X_0) 1))", "t:5:18: division", "constant"),
        ("(assert (<= (/ 1 0.0) 1))", "t:5:18: division", "constant"),
        ("(assert (<= Y_1 1))", "t:5:13: `Y_1` is not declared", "(declare-const Y_1 Real)"),
        ("(assert (<= Z 1))", "t:5:13: `Z` is no variable", "`X_0`"),
        ("(assert (<= Y_00 1))", "t:5:13: `Y_00` is no variable", ""),
        ("(assert (<= Y_0 1.2.3))", "t:5:17: `1.2.3` is not a decimal number", ""),
        ("(assert (<= Y_0 1/3))", "t:5:17: `1/3` is no variable", ""),
        ("(assert (<= Y_0 1e99999))", "t:5:17: the exponent", "4000"),
        ("(assert (<= Y_0 é²é))", "t:5:17: `é²é` is no variable", ""),
        ("(declare-const X_0 Real)", "t:5:16: `X_0` is declared twice", "remove"),
        ("(declare-const X_1 Int)", "t:5:20: `X_1` must be of sort `Real`", ""),
        ("(declare-const X_2 Real)", "t:5:16: `X_2` is declared but `X_1` is not", "without gaps"),
        ("(declare-const X_999999999 Real)", "t:5:16: the query expands to more than", "variables"),
        ("(declare-const W Real)", "t:5:16: `W` is no variable", ""),
        ("(declare-fun Y_1 (Real) Real)", "t:5:19: expected `)`", ""),
        ("(define-fun f () Real 1)", "t:5:2: unknown command `define-fun`", "`declare-const`"),
        (
            "(declare-const X_1 Real)\n(assert (>= X_1 0))",
            "t:5:16: `X_1` has no upper bound in disjunct 0",
            "(<= X_1 …)",
        ),
        (
            "(declare-const X_1 Real)\n(assert (<= X_1 0))",
            "t:5:16: `X_1` has no lower bound in disjunct 0",
            "(>= X_1 …)",
        ),
        ("(assert (<= Y_0 0))\n(assert (>= X_0 1.5))", "t:6:10: empty region", "lower bound of `X_0`"),
        ("(assert (or (>= X_0 1.5) (>= X_0 1.6)))", "t:5:14: empty region", "`X_0`"),
    ];
    for (text, start, part) in cases {
        let message = error(&format!("{X0}{text}"));
        assert!(message.starts_with(start) && message.contains(part), "{text}\n{message}");
    }
    assert!(error("").contains("t:1:1: no input is declared"));
    assert!(error("(declare-const X_0 Real)").contains("nothing is asserted"));
    let missing = vnnlib::read("no/such/file.vnnlib").unwrap_err().to_string();
    assert!(missing.starts_with("no/such/file.vnnlib: cannot be read"), "{missing}");
}

#[test]
fn hostile_texts_are_refused_quickly() {
    let started = std::time::Instant::now();
    let deep = "(".repeat(1_000_000);
    assert!(error(&format!("{X0}{deep}")).contains("expected the name of a command"));
    assert!(error(&format!("{X0}(assert {}", "(and ".repeat(1_000_000))).contains("nested more than 200"));
    assert!(error(&format!("{X0}(assert (<= {}", "(- ".repeat(1_000_000))).contains("nested more than 200"));
    let digits = "9".repeat(100_000);
    let long = error(&format!("{X0}(assert (<= Y_0 {digits}))"));
    assert!(long.contains("t:5:17") && long.len() < 200, "{long}");
    let product = format!("(* {})", "1e4000 ".repeat(1000));
    assert!(error(&format!("{X0}(assert (<= Y_0 {product}))")).contains("grow beyond"));
    let fractions: String = (1..5000).map(|i| format!("(/ 1 {}) ", 2 * i + 1)).collect();
    assert_eq!(query(&format!("{X0}(assert (<= Y_0 (+ {fractions})))")).disjuncts(), 1);
    let choice = "(assert (or (<= Y_0 1) (<= Y_0 2) (<= X_0 0.5)))";
    assert!(error(&format!("{X0}{}", choice.repeat(20))).contains("more than 1048576 disjuncts"));
    let nested = format!("(assert (and {}))", "(or (<= Y_0 1) (<= Y_0 2)) ".repeat(60));
    assert!(error(&format!("{X0}{nested}")).contains("more than 1048576 disjuncts"));
    let wide = format!("{X0}(assert (and {}))", "(<= Y_0 1) ".repeat(10_000));
    assert!(error(&format!("{wide}{}", "(assert (or (<= Y_0 1) (<= Y_0 2)))".repeat(15))).contains("numbers"));
    // What is multiplied out may be the half-spaces.
    let inputs: String = (0..200).map(|i| format!("(declare-const X_{i} Real)(assert (<= 0 X_{i} 1))")).collect();
    let sum: String = (0..200).map(|i| format!("X_{i} ")).collect();
    let half_space = format!("{inputs}(declare-const Y_0 Real)(assert (<= (+ {sum}) 1))");
    let choice = format!("(assert (or {}))", "true ".repeat(1024));
    assert!(error(&format!("{half_space}{choice}{choice}")).contains("numbers"));
    let choice = format!("(assert (or {}))", "(<= X_0 1) (<= X_0 0.5) ".repeat(512));
    assert!(error(&format!("{half_space}{choice}{choice}(assert (<= Y_0 0))")).contains("numbers"));
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

/// Disjuncts of the files whose names are known, from their READMEs.
fn expected_disjuncts(path: &str) -> Option<usize> {
    let known = [
        ("acasxu/vnnlib/prop_1.", 1),
        ("acasxu/vnnlib/prop_5.", 4),
        ("acasxu/vnnlib/prop_6.", 8),
        ("acasxu/vnnlib/prop_7.", 2),
        ("acasxu/vnnlib/prop_8.", 3),
        ("mnistfc", 9),
        ("2021_eran", 9),
        ("marabou_cifar10", 1),
        ("traffic_signs", 42),
    ];
    known.iter().find(|(part, _)| path.contains(part)).map(|(_, n)| *n)
}

#[test]
fn every_query_of_the_data_is_read() {
    let Some(data) = data() else { return };
    let mut read = 0;
    for path in files(&data, "vnnlib") {
        let name = path.display().to_string();
        let result = vnnlib::read(&path);
        let found = result.unwrap_or_else(|e| panic!("{e}"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(found.inputs, text.matches("declare-const X_").count(), "{name}");
        assert_eq!(found.outputs, text.matches("declare-const Y_").count(), "{name}");
        assert!(found.query.cases.iter().all(|c| c.region.len() == found.inputs), "{name}");
        if let Some(expected) = expected_disjuncts(&name) {
            assert_eq!(found.query.disjuncts(), expected, "{name}");
        }
        read += 1;
    }
    assert!(read > 300, "{read}");
}

/// Numbering as in `micro/truth.csv`: rows `k` and, for several atoms, `k.i`.
#[test]
fn disjuncts_and_atoms_are_numbered_like_the_exact_answers() {
    let Some(data) = data() else { return };
    let truth = std::fs::read_to_string(data.join("micro/truth.csv")).unwrap();
    let mut expected = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for row in truth.lines().skip(1) {
        let mut fields = row.split(',').skip(3);
        let (file, index) = (fields.next().unwrap(), fields.next().unwrap());
        expected.entry(file).or_default().push(index);
    }
    for (file, rows) in expected.iter().filter(|(file, _)| file.ends_with("vnnlib")) {
        let query = vnnlib::read(data.join("micro").join(file)).unwrap().query;
        let mut found = Vec::new();
        for (k, disjunct) in query.cases.iter().flat_map(|c| &c.property.disjuncts).enumerate() {
            found.push(k.to_string());
            if disjunct.atoms.len() > 1 {
                found.extend((0..disjunct.atoms.len()).map(|i| format!("{k}.{i}")));
            }
        }
        let (mut rows, mut found) = (rows.iter().map(ToString::to_string).collect::<Vec<_>>(), found);
        rows.sort();
        found.sort();
        assert_eq!(found, rows, "{file}");
    }
}

const SAMPLE: &str = "(declare-const X_0 Real) ; input\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n(declare-const Y_1 Real)
(assert (or (and (<= X_0 0.875) (>= X_0 0.375) (<= X_1 -5e-1) (>= X_1 -1)) (and (<= -1 X_0 1) (= X_1 0))))
(assert (<= (+ (* 2.0 X_0) (- X_1)) 3))\n(assert (or (<= (+ (- Y_0) Y_1) -2.75) (and (>= Y_0 Y_1) (<= Y_1 (* 3 X_0)))))\n";

/// `text` with some characters replaced, inserted or left out.
fn mutated(text: &str, edits: &[(prop::sample::Index, usize, String)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, length, replacement) in edits {
        let at = at.index(text.len().max(1)).min(text.len());
        let end = (at + length).min(text.len());
        text.splice(at..end, replacement.chars());
    }
    text.into_iter().collect()
}

fn edits(characters: &'static str) -> impl Strategy<Value = Vec<(prop::sample::Index, usize, String)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..4usize, characters), 1..6)
}

const JSON_SAMPLES: [&str; 3] = [
    r#"{"schema": 1, "type": "l2", "center": ["0.1", 0.2, 3e-1], "radius": 1e-1, "domain": [0, "1"], "label": 1}"#,
    r#"{"type": "hamming", "center": [1, -1, 1], "flips": 2, "unsafe": [[{"y": {"0": "1.5"}, "x": {"2": 1}, "le": "-1/3"}]]}"#,
    r#"{"type": "linf_grid", "center": [0.5, 0.25], "eps": 0.4, "step": 0.25, "lo": 0, "hi": 1, "label": 2}"#,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_mutated_query_never_panics(edits in edits("[-+*/()<>=XY_0-9.e ;andor\n|\"é]{0,6}")) {
        if let Err(e) = vnnlib::parse(&mutated(SAMPLE, &edits), "t") {
            prop_assert!(e.place.is_some() && e.to_string().starts_with("t:"));
        }
    }

    #[test]
    fn a_mutated_json_query_never_panics(which in 0..3usize, edits in edits("[-0-9.e/\\[\\]{}\":, xya-zé]{0,4}")) {
        if let Err(e) = json_query::parse(&mutated(JSON_SAMPLES[which], &edits), "t", 3) {
            prop_assert!(e.to_string().starts_with("t: "));
        }
    }

    #[test]
    fn decimals_survive_in_every_notation(digits in -100_000i64..100_000, exponent in -20i32..20) {
        let text = format!("{X0}(assert (<= Y_0 {digits}e{exponent}))(assert (<= Y_0 {digits}.0E{exponent}))");
        let found = query(&text);
        let constant = -parse_decimal(&format!("{digits}e{exponent}")).unwrap();
        prop_assert!(found.cases[0].property.atoms().all(|a| a.constant == constant));
    }
}

fn json(text: &str) -> Query {
    json_query::parse(text, "t", 3).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[test]
fn every_kind_of_json_region_is_read_exactly() {
    let linf = json(
        r#"{"schema": 1, "type": "linf", "center": ["0.1", 0.2], "radius": 1e-1, "domain": [0, "1"], "label": 1}"#,
    );
    assert_eq!(box_of(&linf.cases[0]), ends(&[("0", "1/5"), ("1/10", "3/10")]));
    assert_eq!(atoms(&linf), [["-1*Y0 + 1*Y1 + 0"], ["1*Y1 + -1*Y2 + 0"]]);
    let plain = json(r#"{"type": "box", "lower": [-1, "1/3"], "upper": [0.30000000000000004, 2], "unsafe": []}"#);
    assert_eq!(box_of(&plain.cases[0]), ends(&[("-1", "7500000000000001/25000000000000000"), ("1/3", "2")]));
    assert_eq!(plain.disjuncts(), 0);
    let text = r#"{"type": "l1", "center": [0], "radius": 2, "unsafe": [[{"y": {"0": 1, "2": -1.5}, "x": {"0": "0.5"}, "le": "-1"},
        {"x": {"0": 1}, "le": 0}], [{"y": {"1": "0"}, "le": 3}]]}"#;
    assert_eq!(atoms(&json(text)), [vec!["1/2*X0 + 1*Y0 + -3/2*Y2 + 1", "1*X0 + 0"], vec![" + -3"]]);
    assert!(matches!(json(text).cases[0].region.ball(), Ball::L1 { radius, .. } if radius == &q("2")));
    let l2 = json(r#"{"type": "l2", "center": [0.5], "radius": 0.25, "domain": [0, 1], "label": 0}"#);
    assert!(matches!(l2.cases[0].region.ball(), Ball::L2 { radius, .. } if radius == &q("0.25")));
    let hamming = |rest: &str| json(&format!(r#"{{"type": "hamming", "flips": 1, "label": 0, {rest}}}"#));
    let signs = hamming(r#""center": [1, -1]"#);
    assert_eq!(box_of(&signs.cases[0]), ends(&[("-1", "1"), ("-1", "1")]));
    assert!(matches!(signs.cases[0].region.ball(), Ball::Hamming { at_upper, flips: 1 } if at_upper == &[true, false]));
    assert_eq!(box_of(&hamming(r#""center": [1, 0]"#).cases[0])[0], ("0".into(), "1".into()));
    assert_eq!(box_of(&hamming(r#""center": [1, 1], "domain": [0, 1]"#).cases[0])[0], ("0".into(), "1".into()));
    let grid = r#"{"type": "linf_grid", "center": [0.5], "eps": 0.4, "step": 0.25, "lo": 0, "hi": 1, "label": 2}"#;
    assert_eq!(box_of(&json(grid).cases[0]), ends(&[("1/4", "3/4")]));
    // Every input has integers of its own.
    let ranges = json(r#"{"type": "box", "lower": [0, -2, 3], "upper": [2, 5, "7/2"], "step": 1, "label": 2}"#);
    assert_eq!(box_of(&ranges.cases[0]), ends(&[("0", "2"), ("-2", "5"), ("3", "3")]));
    assert!(matches!(ranges.cases[0].region.ball(), Ball::Grid { .. }));
}

#[test]
fn json_errors_name_the_field_and_the_mend() {
    let rest = r#""center": [0.5], "radius": 1"#;
    let cases = [
        (format!(r#"{{"type": "l1", {rest}}}"#), "exactly one of `label` and `unsafe`"),
        (format!(r#"{{"type": "l1", {rest}, "label": 0, "unsafe": []}}"#), "exactly one of"),
        (format!(r#"{{"type": "l1", {rest}, "label": 3}}"#), "label 3 is out of range: the network has 3"),
        (format!(r#"{{"type": "l1", {rest}, "label": -1}}"#), "line 1 column"),
        (format!(r#"{{"type": "l9", {rest}, "label": 0}}"#), "unknown variant `l9`"),
        (format!(r#"{{"type": "l1", {rest}, "lable": 0}}"#), "unknown field `lable`"),
        (format!(r#"{{"type": "l1", {rest}, "flips": 2, "label": 0}}"#), "type `l1` has no field `flips`"),
        (format!(r#"{{"schema": 2, "type": "l1", {rest}, "label": 0}}"#), "schema 2 is not known"),
        (r#"{"type": "l1", "center": [0], "label": 0}"#.into(), "type `l1` needs the field `radius`"),
        (r#"{"type": "box", "lower": [0], "upper": [1, 2], "label": 0}"#.into(), "coordinates"),
        (r#"{"type": "box", "lower": [3], "upper": [2], "label": 0}"#.into(), "empty: the lower bound of X_0"),
        (r#"{"type": "l2", "center": [0], "radius": -1, "label": 0}"#.into(), "must be positive"),
        (r#"{"type": "l2", "center": [2], "radius": 1, "domain": [0, 1], "label": 0}"#.into(), "input 0 of `center`"),
        (r#"{"type": "l2", "center": [0], "radius": 1, "domain": [1, 1], "label": 0}"#.into(), "`domain` must be"),
        (r#"{"type": "l2", "center": [0], "radius": "ten", "label": 0}"#.into(), "`ten` is not a decimal number"),
        (r#"{"type": "l2", "center": [[0]], "radius": 1, "label": 0}"#.into(), "expected a number"),
        (r#"{"type": "l2", "center": [null], "radius": 1, "label": 0}"#.into(), "expected a number"),
        (r#"{"type": "hamming", "center": [1, 0.5], "flips": 1, "label": 0}"#.into(), "input 1 of `center` is neither"),
        (r#"{"type": "hamming", "center": [0, -1], "flips": 1, "label": 0}"#.into(), "input 1 of `center` is neither"),
        (
            format!(r#"{{"type": "l1", {rest}, "unsafe": [[{{"y": {{"3": 1}}, "le": 0}}]]}}"#),
            "output 3 is out of range",
        ),
        (format!(r#"{{"type": "l1", {rest}, "unsafe": [[{{"x": {{"1": 1}}, "le": 0}}]]}}"#), "input 1 is out of range"),
        (format!(r#"{{"type": "l1", {rest}, "unsafe": [[{{"y": {{"+1": 1}}, "le": 0}}]]}}"#), "`+1` is no index"),
        (format!(r#"{{"type": "l1", {rest}, "unsafe": [[{{"y": {{"1": 1, "1": 2}}, "le": 0}}]]}}"#), "occurs twice"),
        (format!(r#"{{"type": "l1", {rest}, "unsafe": [[{{"y": {{"1": 1}}}}]]}}"#), "missing field `le`"),
        (format!(r#"{{"type": "l1", {rest}, "label": 0}}x"#), "trailing characters at line 1"),
        ("{".repeat(100_000), "line 1 column"),
        (format!(r#"{{"type": "l1", "center": {}"#, "[".repeat(100_000)), "line 1 column"),
    ];
    for (text, part) in cases {
        let message = json_query::parse(&text, "t", 3).map(|_| "accepted").unwrap_err().to_string();
        assert!(message.starts_with("t: ") && message.contains(part), "{text:.200}\n{message}");
    }
    assert!(json_query::read("no/such.json", 3).unwrap_err().to_string().starts_with("no/such.json: cannot be read"));
}

#[test]
fn every_json_query_of_the_micro_suite_is_read_and_numbered() {
    let Some(data) = data() else { return };
    let truth = std::fs::read_to_string(data.join("micro/truth.csv")).unwrap();
    let mut read = 0;
    for path in files(&data.join("micro/query"), "json") {
        let name = format!("query/{}", path.file_name().unwrap().to_string_lossy());
        let rows: Vec<&str> = truth.lines().filter(|l| l.split(',').nth(3) == Some(&name)).collect();
        let whole = rows.iter().filter(|r| !r.split(',').nth(4).unwrap().contains('.')).count();
        // A label leaves one disjunct fewer than outputs, so that the number of outputs follows.
        let has_label = std::fs::read_to_string(&path).unwrap().contains("\"label\"");
        let query = json_query::read(&path, if has_label { whole + 1 } else { 10 }).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(query.disjuncts(), whole, "{name}");
        read += 1;
    }
    assert_eq!(read, 27);
}

/// Measured, not asserted: machines differ. Run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn a_megabyte_of_vnnlib_takes_milliseconds() {
    let Some(data) = data() else { return };
    for path in files(&data, "vnnlib").into_iter().filter(|p| p.metadata().unwrap().len() > 400_000) {
        let started = std::time::Instant::now();
        vnnlib::read(&path).unwrap();
        let size = path.metadata().unwrap().len() as f64 / 1e6;
        eprintln!("{:?} for {size:.2} MB: {}", started.elapsed(), path.display());
    }
    let row = |i: usize| format!("(and (>= X_0 0.{i}) (<= X_0 0.{i}5) (>= X_1 -1) (<= X_1 1) (<= Y_0 0.{i}))\n");
    let rows: String = (100_000..200_000).map(row).collect();
    let text = format!("{X2Y2}(assert (or {rows}))");
    let started = std::time::Instant::now();
    assert_eq!(query(&text).cases.len(), 100_000);
    eprintln!("{:?} for {:.2} MB of boxes", started.elapsed(), text.len() as f64 / 1e6);
}
