//! VNN-LIB 2.0: what the reader makes of networks, tensors and assertions about their entries, and the convention of
//! its solvers.

#![allow(clippy::unwrap_used)]

#[path = "common/folder.rs"]
mod folder;

use absint::domains::network::Network;
use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::{Atom, Variable};
use absint::format::onnx::{self, OnnxWriter};
use absint::format::vnnlib::{self, Element, Relation, TensorKind, VnnlibQuery};
use folder::Folder;
use ndarray::Array2;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use std::fs;

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
    // Two operands, whatever they are.
    for three in ["1 1 Y[0,0]", "1 2 Y[0,0]", "Y[0,0] 1 1", "1 2 3", "Y[0,0] Y[0,1] 1"] {
        for assertion in [format!("(!= {three})"), format!("(not (!= {three}))")] {
            let text = format!("(vnnlib-version <2.0>)\n{F}(assert {assertion})");
            let message = vnnlib::parse(&text, "t").unwrap_err().to_string();
            assert!(message.contains("`!=` compares two terms"), "{assertion}: {message}");
        }
    }
    assert_eq!(margins("(!= 1 2)").iter().filter(|atoms| atoms.is_empty()).count(), 1);
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
    let f = "(declare-network f (declare-input X real [200]) (declare-output Y real [1]))";
    let sum = |n: usize| format!("(+ {})", (0..n).map(|i| format!("X[{i}] ")).collect::<String>());
    assert!(refused(&format!("{f}(assert (<= (* {} {}) 1))", sum(200), sum(200))).contains("4096 products"));
    assert!(refused(&format!("{f}(assert (<= (* {}) 1))", "X[0] ".repeat(100_000))).contains("4096 products"));
    let same = format!("(+ {})", "X[0] ".repeat(100_000));
    assert!(refused(&format!("{f}(assert (<= (* {same} {same}) 1))")).contains("no lower bound"));
    assert!(refused(&"(declare-network f".repeat(1_000_000)).contains("expected"));
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn inputs_that_are_asserted_to_be_equal_are_one() {
    let text = |assertions: &str| {
        format!(
            "(declare-network f (declare-input X real [2]) (declare-output Y real [1]))
             (declare-network g (equal-to f) (declare-input A real [2]) (declare-output B real [1]))
             (assert (and (<= 0 X[0] 1) (<= 0 X[1] 2) (<= -1 A[0] 3) (<= 0 A[1] 1))){assertions}"
        )
    };
    let found = read(&text("(assert (== X[1] A[1]))(assert (== A[0] X[1]))(assert (< (+ Y[0] X[1] (- A[0])) B[0]))"));
    assert_eq!((found.inputs, &found.input_of[..]), (2, &[0, 1, 1, 1][..]));
    let (lower, upper) = found.query.cases[0].region.exact_box();
    assert_eq!((lower, upper), (&[q("0"), q("0")][..], &[q("1"), q("1")][..]));
    assert!(found.query.cases[0].region.half_spaces().is_empty());
    let atom = &found.query.cases[0].property.disjuncts[0].atoms[0];
    assert_eq!(atom.terms.keys().copied().collect::<Vec<_>>(), [Variable::Output(0), Variable::Output(1)]);
    // One order, a choice, or another factor is no equality.
    for other in
        ["(<= X[1] A[1])", "(or (== X[1] A[1]) (== X[0] A[0]))", "(== X[1] (* 2 A[1]))", "(== X[1] (+ A[1] 1))"]
    {
        assert_eq!(read(&text(&format!("(assert {other})(assert (<= Y[0] B[0]))"))).inputs, 4, "{other}");
    }
    // What the equality contradicts stays contradicted.
    let found = read(&text("(assert (== X[1] A[1]))(assert (or (< X[1] A[1]) (<= (+ X[1] 1) A[1])))"));
    let disjuncts = &found.query.cases[0].property.disjuncts;
    assert!(disjuncts.iter().all(|d| d.atoms.iter().any(|a| a.terms.is_empty() && a.constant > Rational::ZERO)));
}

/// `u − v` and `relu(u − v)` of two inputs with one entry each.
fn two_ports() -> Vec<u8> {
    let mut writer = OnnxWriter::input(&[1]);
    writer.another_input("v", &[1]);
    writer.node("Sub", &["input", "v"], &[]);
    writer.output(&[1]).relu();
    writer.finish(&[1])
}

const TWO_PORTS: &str = "(declare-network f (declare-input U real [1,1]) (declare-input V real [1,1])
    (declare-output D real [1,1]) (declare-output R real [1,1]))
    (assert (and (<= 0 U[0,0] 1) (<= 2 V[0,0] 3)))";

#[test]
fn several_inputs_and_outputs_are_found_by_place_or_by_name() {
    let answer = |query: &str| Folder::new(query).with("f.onnx", two_ports()).answer("--network f=f.onnx");
    assert_eq!(answer(&format!("{TWO_PORTS}(assert (>= D[0,0] -0.5))")), ["unsat"]);
    assert_eq!(answer(&format!("{TWO_PORTS}(assert (> R[0,0] 0))")), ["unsat"]);
    let found = answer(&format!("{TWO_PORTS}(assert (<= D[0,0] -3))"));
    let expected = ["sat", "U real [1,1]", "0", "V real [1,1]", "3", "D real [1,1]", "-3", "R real [1,1]", "0"];
    assert_eq!(found, expected);
    // By name, the other way round.
    let named = "(declare-network f (declare-input V real [1,1] \"v\") (declare-input U real [1,1] \"input\")
        (declare-output R real [1,1] \"t1\") (declare-output D real [1,1] \"t0\"))
        (assert (and (<= 0 U[0,0] 1) (<= 2 V[0,0] 3)))";
    assert_eq!(answer(&format!("{named}(assert (>= D[0,0] -0.5))")), ["unsat"]);
    assert_eq!(answer(&format!("{named}(assert (< D[0,0] -2.5))"))[0], "sat");
}

#[test]
fn hidden_tensors_are_variables() {
    let query = |assertion: &str| {
        format!(
            "(declare-network f (declare-input U real [1,1]) (declare-input V real [1,1])
             (declare-hidden H real [1,1] \"t0\") (declare-output D real [1,1]) (declare-output R real [1,1]))
             (assert (and (<= 0 U[0,0] 1) (<= 0 V[0,0] 1) {assertion}))"
        )
    };
    let answer = |assertion: &str| {
        Folder::new(&query(assertion)).with("f.onnx", two_ports()).answer("--network f=f.onnx")[0].clone()
    };
    assert_eq!(answer("(!= H[0,0] D[0,0])"), "unsat");
    assert_eq!(answer("(> H[0,0] R[0,0])"), "unsat");
    assert_eq!(answer("(< H[0,0] R[0,0])"), "sat");
    // Beside the input: H ≤ U.
    assert_eq!(answer("(> H[0,0] U[0,0])"), "unsat");
}

/// A random network 2 → 3 → 1 with ReLU.
fn random_network(random: &mut SplitMix64) -> Vec<u8> {
    let mut weights =
        |rows, columns| Array2::from_shape_fn((rows, columns), |_| (random.next_u64() % 17) as f32 / 4.0 - 2.0);
    let (first, second) = (weights(3, 2), weights(1, 3));
    let mut writer = OnnxWriter::input(&[2]);
    writer.gemm(first.view(), &[0.25, -0.5, 0.0]).relu().gemm(second.view(), &[0.5]);
    writer.finish(&[1])
}

#[test]
fn queries_about_several_networks_are_answered_as_sampling_says() {
    let mut random = SplitMix64::seed_from_u64(17);
    for round in 0..24 {
        let models = [random_network(&mut random), random_network(&mut random)];
        // Equal networks read their own inputs, others the same.
        let is_equal = round % 2 == 0;
        let (relation, same) = if is_equal {
            ("(equal-to f)", "(== X[0,1] A[0,1])")
        } else {
            ("", "(== X[0,0] A[0,0]) (== X[0,1] A[0,1])")
        };
        let threshold = (random.next_u64() % 37) as f32 / 4.0 - 3.0;
        let query = format!(
            "(declare-network f (declare-input X real [1,2]) (declare-output Y real [1,1]))
             (declare-network g {relation} (declare-input A real [1,2]) (declare-output B real [1,1]))
             (assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1) (<= 0 A[0,0] 1) (<= 0 A[0,1] 1) {same}))
             (assert (>= (- Y[0,0] B[0,0]) {threshold}))"
        );
        let networks: Vec<Network> = models.iter().map(|m| onnx::parse(m, "m").unwrap().network).collect();
        let g = if is_equal { &networks[0] } else { &networks[1] };
        let folder = Folder::new(&query).with("f.onnx", models[0].clone()).with("g.onnx", models[1].clone());
        let files = if is_equal { "--network f=f.onnx" } else { "--network f=f.onnx --network g=g.onnx" };
        let answer = folder.answer(files);
        let difference = |x: &[Rational], a: &[Rational]| {
            &networks[0].evaluate::<Rational>(x).unwrap()[0] - &g.evaluate::<Rational>(a).unwrap()[0]
        };
        match &answer[0][..] {
            "sat" => {
                let number = |line: usize| q(&answer[line]);
                let (x, a) = ([number(2), number(3)], [number(7), number(8)]);
                assert!(x[1] == a[1] && (is_equal || x[0] == a[0]));
                assert!(difference(&x, &a) >= q(&threshold.to_string()), "{query}\n{answer:?}");
            }
            "unsat" => {
                let at = |i: i32| q(&format!("{}", f64::from(i) / 8.0));
                for (i, j, k) in (0..729).map(|n| (n % 9, n / 9 % 9, n / 81)) {
                    let first = if is_equal { k } else { i };
                    let found = difference(&[at(i), at(j)], &[at(first), at(j)]);
                    assert!(found < q(&threshold.to_string()), "{query}\n{i} {j} {k}");
                }
            }
            _ => panic!("{query}\n{answer:?}"),
        }
    }
}

#[test]
fn products_are_decided_as_sampling_says() {
    let mut random = SplitMix64::seed_from_u64(5);
    for round in 0..16 {
        let model = random_network(&mut random);
        let threshold = (random.next_u64() % 33) as f32 / 8.0 - 2.0;
        let query = format!(
            "(declare-network f (declare-input X real [1,2]) (declare-output Y real [1,1]))
             (assert (and (<= 0 X[0,0] 1) (<= -1 X[0,1] 1)))
             (assert (>= (- (* X[0,0] X[0,1] Y[0,0]) (* (- Y[0,0] 1) (+ Y[0,0] X[0,1]))) {threshold}))"
        );
        let network = onnx::parse(&model, "m").unwrap().network;
        let value = |x: [Rational; 2]| {
            let y: Rational = network.evaluate(&x).unwrap().remove(0);
            &x[0] * &x[1] * &y - (&y - Rational::ONE) * (&y + &x[1])
        };
        let answer = Folder::new(&query).with("f.onnx", model.clone()).answer("--network f=f.onnx --timeout 60");
        match &answer[0][..] {
            "sat" => assert!(value([q(&answer[2]), q(&answer[3])]) >= q(&threshold.to_string()), "{round}: {answer:?}"),
            "unsat" => {
                let at = |i: i32| q(&format!("{}", f64::from(i) / 8.0));
                for (i, j) in (0..=8).flat_map(|i| (-8..=8).map(move |j| (i, j))) {
                    assert!(value([at(i), at(j)]) < q(&threshold.to_string()), "{round}: {i} {j}");
                }
            }
            _ => panic!("{query}\n{answer:?}"),
        }
    }
    // Equal inputs, and a factor that is the same in another order.
    let found = read(
        "(declare-network f (declare-input X real [3]) (declare-output Y real [1]))
         (assert (and (<= 0 X[0] 1) (<= 0 X[1] 1) (== X[1] X[2]) (<= (* X[0] X[2] Y[0]) (* Y[0] X[0] X[1]) (* X[2] X[2]))))",
    );
    let (input, output) = (Variable::Input, Variable::Output);
    let expected = [
        [input(0), input(1)],
        [output(1), output(0)],
        // On the way to the second one.
        [input(0), output(0)],
        [input(0), input(1)],
        [output(4), output(0)],
        [input(1), input(1)],
    ];
    assert_eq!(found.products, expected);
    let float32 = F.replace("int64", "float32").replace("real", "float32");
    let folder = Folder::new(&format!("{float32}(assert (<= (* S S) 1))")).with("f.onnx", two_ports());
    assert!(!folder.run("verify q.vnnlib --network f=f.onnx").status.success());
}

#[test]
fn types_decide_the_arithmetic_and_must_be_those_of_the_file() {
    let query = |element: &str| {
        format!(
            "(declare-network f (declare-input X {element} [1,2]) (declare-output Y {element} [1,1]))
             (assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1) (>= Y[0,0] 1.5)))"
        )
    };
    let mut writer = OnnxWriter::input(&[2]);
    writer.gemm(ndarray::array![[0.5f32, 1.0]].view(), &[0.0]);
    let model = writer.finish(&[1]);
    let folder = |element: &str| Folder::new(&query(element)).with("f.onnx", model.clone());
    for element in ["real", "float32"] {
        let expected = ["sat", &format!("X {element} [1,2]"), "1", "1", &format!("Y {element} [1,1]"), "1.5"];
        assert_eq!(folder(element).answer("--network f=f.onnx"), expected);
    }
    assert!(folder("float16").refused("--network f=f.onnx").contains("`X` is of type float16"));
    assert!(folder("int32").refused("--network f=f.onnx").contains("the file's `input` of float32"));
    assert_eq!(folder("float16").answer("--network f=f.onnx --arithmetic real")[0], "sat");
    // Not constrained, a float32 number is finite; a real one has no bounds.
    let free = query("float32").replace("(<= 0 X[0,1] 1)", "");
    assert_eq!(Folder::new(&free).with("f.onnx", model.clone()).answer("--network f=f.onnx")[0], "sat");
}

#[test]
fn other_commands_refuse_types_and_shapes_that_they_do_not_heed() {
    let query = |x: &str, y: &str| {
        format!(
            "(declare-network f (declare-input X {x}) (declare-output Y {y}))
             (assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1) (>= (+ X[0,0] X[0,1]) 3)))"
        )
    };
    let mut writer = OnnxWriter::input(&[2]);
    writer.gemm(ndarray::array![[0.5f32, 1.0]].view(), &[0.0]);
    let asked = |x: &str, y: &str, arguments: &str| {
        let folder = Folder::new(&query(x, y)).with("f.onnx", writer.finish(&[1]));
        let output = folder.run(&format!("analyze f.onnx --vnnlib q.vnnlib {arguments}"));
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(asked("real [1,2]", "real [1,1]", "").0, Some(0));
    assert_eq!(asked("float32 [1,2]", "float32 [1,1]", "--arithmetic float32").0, Some(0));
    for (x, y, arguments, part) in [
        ("float32 [1,2]", "float32 [1,1]", "", "`X` is of type float32"),
        ("real [1,2]", "float64 [1,1]", "", "`Y` is of type float64"),
        ("real [1,2]", "int8 [1,1]", "--arithmetic float32", "`Y` is of type int8"),
        ("real [1,2]", "real [1,1,1]", "", "`Y` has shape [1, 1, 1], the network's [1]"),
    ] {
        let (code, message) = asked(x, y, arguments);
        assert!(code == Some(2) && message.contains(part), "{x} {y}: {message}");
    }
}

#[test]
fn wrong_files_are_refused_by_name() {
    let folder = Folder::new(&format!("{TWO_PORTS}(assert (> R[0,0] 0))")).with("f.onnx", two_ports());
    for (arguments, part) in [
        ("--network f.onnx", "expected NAME=FILE; the query declares f"),
        ("--network g=f.onnx", "the query declares no network `g`"),
        ("--network f=f.onnx --network f=f.onnx", "has a file already"),
        ("--network f=g.onnx", "g.onnx: "),
    ] {
        let message = folder.refused(arguments);
        assert!(message.contains(part), "{arguments}: {message}");
    }
    let one = "(declare-network f (declare-input U real [1,1]) (declare-output D real [1,1]))
        (declare-network g (equal-to f) (declare-input V real [1,1]) (declare-output E real [1,1]))
        (assert (and (<= 0 U[0,0] 1) (<= 0 V[0,0] 1) (> E[0,0] 0)))";
    let folder = Folder::new(one).with("f.onnx", two_ports());
    assert!(folder.refused("--network g=f.onnx").contains("equal to another one"));
    let message = folder.refused("--network f=f.onnx");
    assert!(message.contains("f.onnx: the query's network `f` has 1 inputs, the file 2"), "{message}");
    let names = [("U", "v"), ("V", "v"), ("D", "t0"), ("R", "t1")];
    let twice = names.iter().fold(TWO_PORTS.to_owned(), |query, (tensor, name)| {
        query.replace(&format!("{tensor} real [1,1])"), &format!("{tensor} real [1,1] \"{name}\")"))
    });
    let message = Folder::new(&format!("{twice}(assert (> D[0,0] 0))")).with("f.onnx", two_ports());
    assert!(message.refused("--network f=f.onnx").contains("the query has two inputs `v`"));
    let mut writer = OnnxWriter::input(&[1]);
    writer.another_input("input", &[1]).relu().output(&[1]).relu();
    let message = Folder::new(&format!("{TWO_PORTS}(assert (> R[0,0] 0))")).with("f.onnx", writer.finish(&[1]));
    assert!(message.refused("--network f=f.onnx").contains("the graph has two inputs `input`"));
    let other = TWO_PORTS.replace("V real [1,1]", "V real [2]").replace("V[0,0] 3", "V[0] 3) (<= 0 V[1] 1");
    let message = Folder::new(&format!("{other}(assert (<= 0 U[0,0]))")).with("f.onnx", two_ports());
    assert!(message.refused("--network f=f.onnx").contains("`V` has shape [2], the file's `v` [1, 1]"));
}

#[test]
fn assignments_are_written_as_tensors() {
    let folder = Folder::new(&format!("{TWO_PORTS}(assert (<= D[0,0] -3))")).with("f.onnx", two_ports());
    assert_eq!(folder.answer("--network f=f.onnx --serialise-assignments out/put"), ["sat"]);
    let v = fs::read(folder.0.path().join("out/put/V.pb")).unwrap();
    // dims 1, 1; float64; the name; 3.0 in eight bytes.
    assert_eq!(v, [&[8, 1, 8, 1, 16, 11, 66, 1, b'V', 74, 8][..], &3f64.to_le_bytes()].concat());
    let names = fs::read_dir(folder.0.path().join("out/put")).unwrap().count();
    assert_eq!(names, 4);
}

#[test]
fn assignments_are_not_rounded_to_another_input() {
    let mut writer = OnnxWriter::input(&[1]);
    writer.relu();
    let asked = |element: &str, value: &str| {
        let query = format!(
            "(declare-network f (declare-input X {element} [1,1]) (declare-output Y {element} [1,1]))
             (assert (and (<= {value} X[0,0] {value}) (>= Y[0,0] 0)))"
        );
        Folder::new(&query).with("f.onnx", writer.finish(&[1]))
    };
    let arguments = "--network f=f.onnx --arithmetic real --serialise-assignments out";
    for (element, value) in [
        ("float32", "0.1"),
        ("float32", "16777217"),
        ("float32", "1.00000000000000000000000000001"),
        ("int8", "128"),
        ("int8", "0.5"),
        ("uint8", "256"),
        ("int64", "0.5"),
        ("bool", "2"),
    ] {
        let message = asked(element, value).refused(arguments);
        assert!(message.contains(&format!("`X` is of type {element}, which does not hold")), "{value}: {message}");
    }
    for (element, value) in
        [("float32", "0.5"), ("int8", "127"), ("uint8", "255"), ("int64", "4294967297"), ("bool", "1"), ("real", "0.1")]
    {
        assert_eq!(asked(element, value).answer(arguments), ["sat"], "{element} {value}");
    }
}

#[test]
fn capabilities_are_told_in_the_words_of_the_standard() {
    let folder = Folder::new("");
    let told = |arguments: &str| {
        let output = folder.run(arguments);
        assert!(output.status.success(), "{arguments}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(told("--name"), "absint\n");
    assert_eq!(told("supports --vnnlib-versions"), "1.0\n2.0\n");
    assert_eq!(told("supports --onnx-opset-versions"), "8\n25\n");
    assert_eq!(told("supports --onnx-element-types"), "float32\nreal\n");
    assert_eq!(told("supports --onnx-element-types --arithmetic real"), "real\n");
    assert_eq!(told("supports --multiple-network-theories"), "SNET\nMENET\nMINET\nMNET\n");
    assert_eq!(told("supports --optimised-disjunctive-reasoning"), "false\n");
    let operators = told("supports --onnx-operators");
    let is_listed = |line: &str| operators.lines().any(|listed| listed == line);
    assert!(is_listed("Gemm") && is_listed("Sigmoid") && is_listed("Gelu real"));
    assert!(!told("supports --onnx-operators --arithmetic float32").contains("Gelu"));
    assert_eq!(folder.run("supports").status.code(), Some(2));
    assert_eq!(folder.run("supports --vnnlib-versions --hidden-node-theories").status.code(), Some(2));
    assert_eq!(folder.run("").status.code(), Some(2));
}
