//! VNN-LIB 2.0: what the reader makes of networks, tensors and assertions about their entries.

#![allow(clippy::unwrap_used)]

use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::{Atom, Variable};
use absint::format::vnnlib::{self, Element, Relation, TensorKind, VnnlibQuery};

fn read(text: &str) -> VnnlibQuery {
    vnnlib::parse(&format!("(vnnlib-version <2.0>)\n{text}"), "t").unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn q(text: &str) -> Rational {
    parse_decimal(text).unwrap()
}

const F: &str = "(declare-network f (declare-input X float32 [2,2]) (declare-input S real [])
    (declare-hidden H int64 [3] \"a/b:0\") (declare-output Y real [1, 2]))
    (assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1) (<= 0 X[1,0] 1) (<= 0 X[1,1] 2) (<= -1 S 3)))\n";

/// The margins that the assertion becomes, disjunct by disjunct, as sums of `variable × coefficient`.
fn margins(assertion: &str) -> Vec<Vec<(String, bool)>> {
    let shown = |v: &Variable| match v {
        Variable::Input(i) => format!("i{i}"),
        Variable::Output(i) => format!("o{i}"),
    };
    let sum = |a: &Atom| {
        let mut terms: Vec<String> = a.terms.iter().map(|(v, c)| format!("{c}*{}", shown(v))).collect();
        terms.push(a.constant.to_string());
        (terms.join(" + "), a.is_strict)
    };
    let query = read(&format!("{F}(assert {assertion})")).query;
    let disjuncts = query.cases.iter().flat_map(|case| &case.property.disjuncts);
    disjuncts.map(|d| d.atoms.iter().map(sum).collect()).collect()
}

#[test]
fn networks_are_what_they_declare() {
    let found = read(
        "; two networks\n(declare-network f (declare-input X float32 [2,3] \"in put\") (declare-output Y float64 [4] \"y\"))
         (declare-network g (isomorphic-to f) (declare-input A real [2, 3]) (declare-hidden H bool [5] \"h\")
             (declare-output B real [ 4 ]))
         (assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1) (<= 0 X[0,2] 1) (<= 0 X[1,0] 1) (<= 0 X[1,1] 1) (<= 0 X[1,2] 1)
              (<= 0 A[0,0] 1) (<= 0 A[0,1] 1) (<= 0 A[0,2] 1) (<= 0 A[1,0] 1) (<= 0 A[1,1] 1) (<= 0 A[1,2] 7)))
         (assert (<= B[3] H[4]))",
    );
    assert_eq!((found.inputs, found.outputs, found.networks.len()), (12, 13, 2));
    let [f, g] = &found.networks[..] else { panic!("{:?}", found.networks) };
    assert_eq!((&f.name[..], f.relation, g.relation), ("f", None, Some(Relation::IsomorphicTo(0))));
    let part = |n: &vnnlib::DeclaredNetwork, i: usize| {
        let t = &n.tensors[i];
        (t.name.clone(), t.kind, t.element.name, t.shape.clone(), t.onnx_name.clone(), t.first)
    };
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(part(f, 0), ("X".into(), TensorKind::Input, "float32", vec![2, 3], named("in put"), 0));
    assert_eq!(part(f, 1), ("Y".into(), TensorKind::Output, "float64", vec![4], named("y"), 0));
    assert_eq!(part(g, 0), ("A".into(), TensorKind::Input, "real", vec![2, 3], None, 6));
    assert_eq!(part(g, 1), ("H".into(), TensorKind::Hidden, "bool", vec![5], named("h"), 4));
    assert_eq!(part(g, 2), ("B".into(), TensorKind::Output, "real", vec![4], None, 9));
    assert_eq!(found.query.cases[0].region.exact_box().1[11], q("7"));
    let atom = &found.query.cases[0].property.disjuncts[0].atoms[0];
    assert_eq!(atom.terms.keys().copied().collect::<Vec<_>>(), [Variable::Output(8), Variable::Output(12)]);
    assert_eq!(Element::named("float32").unwrap().onnx, Some(1));
    assert!(Element::named("Float32").is_none());
}

#[test]
fn entries_are_numbered_in_row_major_order_and_comparisons_are_exact() {
    let one = |margin: &str, is_strict: bool| vec![vec![(margin.to_owned(), is_strict)]];
    assert_eq!(margins("(<= Y[0,1] 0.1)"), one("1*o4 + -1/10", false));
    assert_eq!(margins("(> H[2] X[1,0])"), one("1*i2 + -1*o2 + 0", true));
    assert_eq!(margins("(>= (+ S (* 2 Y[0,0] 3) (- H[0]) (- 1 2 3)) 0)"), one("-1*i4 + 1*o0 + -6*o3 + 4", false));
    assert_eq!(margins("(== Y[0,0] 1)"), [[("1*o3 + -1".into(), false), ("-1*o3 + 1".into(), false)]]);
    assert_eq!(margins("(= Y[0,0] 1)"), margins("(== Y[0,0] 1)"));
    assert_eq!(margins("(!= Y[0,0] 1)"), [[("-1*o3 + 1".to_owned(), true)], [("1*o3 + -1".to_owned(), true)]]);
    assert_eq!(margins("(not (!= Y[0,0] 1))"), margins("(== Y[0,0] 1)"));
    assert_eq!(margins("(not (== Y[0,0] 1))"), margins("(!= Y[0,0] 1)"));
    assert_eq!(margins("(or (<= Y[0,0] 1) (and (<= Y[0,1] 2) (<= S 0)))").len(), 2);
}

#[test]
fn hostile_texts_are_refused_quickly() {
    let started = std::time::Instant::now();
    let refused = |text: &str| vnnlib::parse(&format!("(vnnlib-version <2.0>){text}"), "t").unwrap_err().to_string();
    let many = "(declare-input X real [1])".repeat(100_000);
    assert!(refused(&format!("(declare-network f {many}")).contains("declared twice"));
    let inputs: String = (0..100_000).map(|i| format!("(declare-input X{i} real [40])")).collect();
    assert!(refused(&format!("(declare-network f {inputs}")).contains("expected"));
    let axes = format!("[{}1]", "1,".repeat(1_000_000));
    assert!(refused(&format!("(declare-network f (declare-input X real {axes}")).contains("at most 64"));
    let long = format!("[{}]", "9".repeat(1_000_000));
    assert!(refused(&format!("(declare-network f (declare-input X real {long}")).len() < 300);
    let pairs = "[4194304,4194304,4194304,4194304]";
    assert!(refused(&format!("(declare-network f (declare-input X real {pairs}")).contains("expected `)`"));
    assert!(refused(&format!("(declare-network f (declare-input X real {pairs})")).contains("variables"));
    assert!(refused(&"(declare-network f".repeat(1_000_000)).contains("expected"));
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}
