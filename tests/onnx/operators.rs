//! Each operator in a small model against values worked out by hand.

use absint::domains::network::Order;
use absint::domains::num::{Interval, Rational, exact, parse_decimal};
use absint::format::onnx::{Attribute, Model, OnnxWriter, parse};
use ndarray::{Array4, array};

/// The model whose output has `len` entries.
fn model(writer: &OnnxWriter, len: usize) -> Model {
    parse(&writer.finish(&[len]), "test").unwrap_or_else(|e| panic!("{e}"))
}

/// The output at `x`, which exact evaluation must confirm.
fn run(writer: &OnnxWriter, x: &[f64]) -> Vec<f64> {
    let network = model(writer, 1).network;
    let y = network.evaluate(x).unwrap();
    let x: Vec<Rational> = x.iter().map(|&v| exact(v).unwrap()).collect();
    let exactly: Vec<Rational> = y.iter().map(|&v| exact(v).unwrap()).collect();
    assert_eq!(network.evaluate::<Rational>(&x).unwrap(), exactly);
    y
}

/// The exact output at `x`.
fn run_exactly(writer: &OnnxWriter, x: &[f64]) -> Vec<Rational> {
    let x: Vec<Rational> = x.iter().map(|&v| exact(v).unwrap()).collect();
    model(writer, 1).network.evaluate::<Rational>(&x).unwrap()
}

fn rationals(texts: &[&str]) -> Vec<Rational> {
    texts.iter().map(|t| parse_decimal(t).unwrap()).collect()
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// 1, 2, …, n.
fn counting(n: usize) -> Vec<f64> {
    (1..=n).map(|v| v as f64).collect()
}

#[test]
fn elementwise_arithmetic_broadcasts_constants() {
    let mut w = OnnxWriter::input(&[2, 1, 2]);
    w.sub(&[2, 1, 1], &[1.0, 2.0]).div(&[1], &[3.0]);
    let x = w.current().to_owned();
    let c = w.floats(&[2], [3.0, 6.0]);
    w.node("Mul", &[&c, &x], &[]);
    assert_eq!(run_exactly(&w, &[2.0, 3.0, 2.0, 5.0]), rationals(&["1", "4", "0", "6"]));
    let x = w.current().to_owned();
    w.node("Sub", &[&c, &x], &[]);
    let y = w.current().to_owned();
    w.node("Add", &[&y, &x], &[]);
    w.node("Neg", &[w.current().to_owned().as_str()], &[]);
    assert_eq!(run_exactly(&w, &[2.0, 3.0, 2.0, 5.0]), rationals(&["-3", "-6", "-3", "-6"]));
    let mut w = OnnxWriter::input(&[1]);
    w.div(&[1, 3], &[3.0, 7.0, 0.1]);
    let tenth = Rational::ONE / exact(f64::from(0.1f32)).unwrap();
    assert_eq!(run_exactly(&w, &[1.0]), [&rationals(&["1/3", "1/7"])[..], &[tenth]].concat());
}

#[test]
fn sums_of_two_tensors_keep_both() {
    let mut w = OnnxWriter::input(&[2]);
    w.gemm(array![[1.0, 1.0], [0.0, 2.0]].view(), &[0.5, 0.0]).relu();
    let branch = w.current().to_owned();
    let sum = w.node("Add", &["input", &branch], &[]);
    w.node("Sub", &[&sum, &sum], &[]);
    let zero = w.current().to_owned();
    w.node("Sub", &["input", &sum], &[]);
    w.node("Add", &[&zero, w.current().to_owned().as_str()], &[]);
    assert_eq!(run(&w, &[1.0, -2.0]), [0.0, 0.0]);
    assert_eq!(run(&w, &[1.0, 2.0]), [-3.5, -4.0]);
}

#[test]
fn gemm_scales_and_transposes() {
    let mut w = OnnxWriter::input(&[2]);
    let (b, c) = (w.floats(&[2, 2], [1.0, 2.0, 3.0, 4.0]), w.floats(&[2], [2.0, 4.0]));
    w.node("Gemm", &["input", &b, &c], &[("alpha", Attribute::Float(0.5)), ("beta", Attribute::Float(2.0))]);
    assert_eq!(run(&w, &[1.0, 10.0]), [19.5, 29.0]);
    // Constant on the left: the input is a column.
    let mut w = OnnxWriter::input(&[2]);
    let (a, c) = (w.floats(&[2, 2], [1.0, 2.0, 3.0, 4.0]), w.floats(&[2, 1], [1.0, 0.0]));
    w.node("Gemm", &[&a, "input", &c], &[("transA", Attribute::Int(1)), ("transB", Attribute::Int(1))]);
    assert_eq!(run(&w, &[1.0, 10.0]), [32.0, 42.0]);
}

#[test]
fn matmul_takes_the_constant_on_either_side_and_several_rows() {
    let b = |w: &mut OnnxWriter| w.floats(&[2, 3], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let mut w = OnnxWriter::input(&[2, 2]);
    let c = b(&mut w);
    w.node("MatMul", &["input", &c], &[]);
    assert_eq!(run(&w, &[1.0, 0.0, 1.0, 10.0]), [1.0, 2.0, 3.0, 41.0, 52.0, 63.0]);
    let mut w = OnnxWriter::input(&[3, 2]);
    let c = b(&mut w);
    w.node("MatMul", &[&c, "input"], &[]);
    assert_eq!(run(&w, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]), [4.0, 5.0, 10.0, 11.0]);
    let mut w = OnnxWriter::input(&[3]);
    let c = b(&mut w);
    let flat = w.integers(&[3]);
    let x = w.node("Reshape", &["input", &flat], &[]);
    w.node("MatMul", &[&c, &x], &[]);
    assert_eq!(run(&w, &[1.0, 1.0, 1.0]), [6.0, 15.0]);
}

#[test]
fn convolutions_honour_stride_padding_dilation_and_groups() {
    let ones = |o, i, h, w| Array4::<f32>::ones((o, i, h, w));
    let mut w = OnnxWriter::input(&[1, 3, 3]);
    w.conv(ones(1, 1, 2, 2).view(), &[0.5], [2, 2], [1, 0, 0, 1]);
    assert_eq!(run(&w, &counting(9)), [3.5, 3.5, 24.5, 15.5]);
    let build = |shape: &[usize], weight: Array4<f32>, attributes: &[(&str, Attribute)]| {
        let mut w = OnnxWriter::input(shape);
        let c = w.floats(weight.shape(), weight.iter().copied());
        w.node("Conv", &["input", &c], attributes);
        w
    };
    let dilated = build(&[1, 3, 3], ones(1, 1, 2, 2), &[("dilations", ints(&[2, 1]))]);
    assert_eq!(run(&dilated, &counting(9)), [1.0 + 2.0 + 7.0 + 8.0, 2.0 + 3.0 + 8.0 + 9.0]);
    let mut weight = ones(4, 1, 1, 1);
    weight[[1, 0, 0, 0]] = 2.0;
    let grouped = build(&[2, 1, 1], weight, &[("group", Attribute::Int(2))]);
    assert_eq!(run(&grouped, &[3.0, 5.0]), [3.0, 6.0, 5.0, 5.0]);
    for (mode, expected) in
        [("SAME_UPPER", [3.0, 5.0, 3.0]), ("SAME_LOWER", [1.0, 3.0, 5.0]), ("VALID", [3.0, 5.0, 0.0])]
    {
        let same = build(&[1, 1, 3], ones(1, 1, 1, 2), &[("auto_pad", Attribute::Text(mode.into()))]);
        let len = if mode == "VALID" { 2 } else { 3 };
        assert_eq!(run(&same, &counting(3)), expected[..len], "{mode}");
    }
    let mut line = OnnxWriter::input(&[2, 4]);
    let (c, b) = (line.floats(&[1, 2, 2], [1.0, 0.0, 0.0, 1.0]), line.floats(&[1], [1.0]));
    line.node("Conv", &["input", &c, &b], &[("strides", ints(&[2])), ("pads", ints(&[1, 1]))]);
    assert_eq!(run(&line, &counting(8)), [6.0, 2.0 + 7.0 + 1.0, 5.0]);
}

#[test]
fn activations_clip_and_leak() {
    let apply = |op: &str, attributes: &[(&str, Attribute)], ends: &[Option<f32>]| {
        let mut w = OnnxWriter::input(&[3]);
        let names: Vec<String> = ends.iter().map(|e| e.map_or(String::new(), |e| w.floats(&[], [e]))).collect();
        let inputs: Vec<&str> = std::iter::once("input").chain(names.iter().map(String::as_str)).collect();
        w.node(op, &inputs, attributes);
        run(&w, &[-2.0, 0.5, 3.0])
    };
    assert_eq!(apply("Relu", &[], &[]), [0.0, 0.5, 3.0]);
    assert_eq!(apply("LeakyRelu", &[("alpha", Attribute::Float(0.25))], &[]), [-0.5, 0.5, 3.0]);
    assert_eq!(apply("Clip", &[], &[Some(-1.0), Some(2.0)]), [-1.0, 0.5, 2.0]);
    assert_eq!(apply("Clip", &[], &[None, Some(2.0)]), [-2.0, 0.5, 2.0]);
    assert_eq!(apply("Clip", &[], &[Some(1.0)]), [1.0, 1.0, 3.0]);
    assert_eq!(apply("Clip", &[], &[Some(0.0), Some(f32::INFINITY)]), [0.0, 0.5, 3.0]);
    assert_eq!(apply("Clip", &[], &[]), [-2.0, 0.5, 3.0]);
    let mut old = OnnxWriter::input(&[2]);
    old.opset(8).node("Clip", &["input"], &[("max", Attribute::Float(1.0)), ("min", Attribute::Float(-1.0))]);
    assert_eq!(run(&old, &[-5.0, 0.5]), [-1.0, 0.5]);
}

#[test]
fn data_is_rounded_to_integers_between_the_ends_of_a_clip() {
    let x = [-2.5, -1.0, -0.5, 0.5, 1.5, 2.0, 9.0];
    let rounded = |op: &str, attributes: &[(&str, Attribute)]| {
        let mut w = OnnxWriter::input(&[7]);
        let (low, high) = (w.floats(&[], [-1.5]), w.floats(&[], [2.5]));
        w.node("Clip", &["input", &low, &high], &[]);
        let shape = w.integers(&[1, 7]);
        w.node("Reshape", &[w.current().to_owned().as_str(), &shape], &[]);
        w.node(op, &[w.current().to_owned().as_str()], attributes);
        // The clip becomes part of the rounding, and integers are rounded to themselves.
        w.node("Floor", &[w.current().to_owned().as_str()], &[]);
        w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(1))]);
        assert_eq!(model(&w, 7).network.activations().count(), 1);
        assert!(model(&w, 7).network.is_signum());
        run(&w, &x)
    };
    assert_eq!(rounded("Floor", &[]), [-2.0, -1.0, -1.0, 0.0, 1.0, 2.0, 2.0]);
    assert_eq!(rounded("Round", &[]), [-2.0, -1.0, 0.0, 0.0, 2.0, 2.0, 2.0]);
    assert_eq!(rounded("Cast", &[("to", Attribute::Int(7))]), [-1.0, -1.0, 0.0, 0.0, 1.0, 2.0, 2.0]);
}

#[test]
fn data_is_true_where_it_is_not_zero() {
    let mut w = OnnxWriter::input(&[3]);
    w.node("Cast", &["input"], &[("to", Attribute::Int(9))]);
    w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(1))]);
    assert_eq!(run(&w, &[-0.25, 0.0, 3.0]), [1.0, 0.0, 1.0]);
    w.node("Not", &[w.current().to_owned().as_str()], &[]);
    assert_eq!(run(&w, &[-0.25, 0.0, 3.0]), [0.0, 1.0, 0.0]);
}

#[test]
fn data_is_compared_as_zeros_and_ones() {
    let compared = |op: &str, is_first: bool| {
        let mut w = OnnxWriter::input(&[3]);
        let c = w.floats(&[], [0.5]);
        let operands = if is_first { ["input", &c] } else { [&c, "input"] };
        w.node(op, &operands, &[]);
        w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(1))]);
        let names: Vec<&str> = model(&w, 3).network.activations().map(|(_, a)| a.function.name()).collect();
        assert!(names.iter().all(|name| *name == "sign") && names.len() == if op == "Equal" { 2 } else { 1 });
        let network = model(&w, 3).network;
        for order in Order::ALL {
            let float32 = network.evaluate_float32(&[0.25, 0.5, 3.0], order).unwrap();
            assert_eq!(float32.into_iter().map(f64::from).collect::<Vec<_>>(), run(&w, &[0.25, 0.5, 3.0]));
        }
        run(&w, &[0.25, 0.5, 3.0])
    };
    assert_eq!(compared("Equal", true), [0.0, 1.0, 0.0]);
    assert_eq!(compared("Equal", false), [0.0, 1.0, 0.0]);
    assert_eq!(compared("GreaterOrEqual", true), [0.0, 1.0, 1.0]);
    assert_eq!(compared("Greater", true), [0.0, 0.0, 1.0]);
    assert_eq!(compared("LessOrEqual", true), [1.0, 1.0, 0.0]);
    assert_eq!(compared("Less", true), [1.0, 0.0, 0.0]);
    assert_eq!(compared("GreaterOrEqual", false), [1.0, 1.0, 0.0]);
    assert_eq!(compared("Less", false), [0.0, 0.0, 1.0]);
    let mut w = OnnxWriter::input(&[2]);
    w.relu();
    w.node("Greater", &["input", w.current().to_owned().as_str()], &[]);
    assert_eq!(run(&w, &[-1.0, 1.0]), [0.0, 0.0]);
    w.node("Less", &["input", w.current().to_owned().as_str()], &[]);
    assert_eq!(run(&w, &[-1.0, 1.0]), [1.0, 0.0]);
}

#[test]
fn the_sign_of_zero_is_what_the_chain_makes_it() {
    let chain = |shift: &[f32]| {
        let mut w = OnnxWriter::input(&[3]);
        let c = w.floats(&[shift.len()], shift.iter().copied());
        let s = w.node("Sign", &["input"], &[]);
        let a = w.node("Add", &[&s, &c], &[]);
        w.node("Sign", &[&a], &[]);
        let names: Vec<&str> = model(&w, 3).network.activations().map(|(_, a)| a.function.name()).collect();
        (run(&w, &[-2.0, 0.0, 3.0]), names)
    };
    assert_eq!(chain(&[0.1]), (vec![-1.0, 1.0, 1.0], vec!["sign"]));
    assert_eq!(chain(&[-0.1]), (vec![-1.0, -1.0, 1.0], vec!["sign"]));
    assert_eq!(chain(&[0.0]), (vec![-1.0, 0.0, 1.0], vec!["sign_with_zero"; 2]));
    assert_eq!(chain(&[1.0]), (vec![0.0, 1.0, 1.0], vec!["sign_with_zero"; 2]));
    assert_eq!(chain(&[-2.0]), (vec![-1.0, -1.0, -1.0], vec!["sign_with_zero"; 2]));
    // The inner sign is 0 at 0, but what the outer one reads is never 0.
    assert_eq!(chain(&[0.1, 0.1, -0.1]), (vec![-1.0, 1.0, 1.0], vec!["sign_with_zero", "sign"]));
    let mut w = OnnxWriter::input(&[1]);
    w.sign();
    assert_eq!(run(&w, &[0.0]), [1.0]);
    let mut plain = OnnxWriter::input(&[1]);
    plain.node("Sign", &["input"], &[]);
    assert_eq!(run(&plain, &[0.0]), [0.0]);
}

#[test]
fn batch_normalisation_is_exact_or_enclosed() {
    let mut w = OnnxWriter::input(&[2, 1, 1]);
    w.batch_normalization(&[1.0, -2.0], &[0.5, 0.0], &[1.0, 2.0], &[2.0, 8.75], 0.25);
    assert_eq!(run_exactly(&w, &[4.0, 5.0]), rationals(&["2.5", "-2"]));
    let mut w = OnnxWriter::input(&[1]);
    w.batch_normalization(&[3.0], &[1.0], &[1.0], &[2.0], 0.0);
    let network = model(&w, 1).network;
    let y = network.evaluate(&[Interval::point(3.0)]).unwrap()[0];
    // 3 · 2 / √2 + 1
    assert!(y.contains(1.0 + 6.0 / 2f64.sqrt()) && y.width() < 1e-14 && y.lo < y.hi);
    assert!(network.evaluate::<Rational>(&rationals(&["3"])).is_err());
}

#[test]
fn max_pooling_is_lowered_to_relus() {
    let pool = |shape: &[usize], attributes: &[(&str, Attribute)], x: &[f64]| {
        let mut w = OnnxWriter::input(shape);
        w.node("MaxPool", &["input"], attributes);
        let network = model(&w, 1).network;
        assert!(network.activations().all(|(_, a)| a.function.name() == "relu"));
        (network.output_shape().to_vec(), run(&w, x))
    };
    let x = [1.0, -5.0, 3.0, 0.0, 2.0, -1.0, -7.0, -8.0, -9.0];
    let (shape, y) = pool(&[1, 3, 3], &[("kernel_shape", ints(&[2, 2]))], &x);
    assert_eq!((shape, y), (vec![1, 2, 2], vec![2.0, 3.0, 2.0, 2.0]));
    let strided = [("kernel_shape", ints(&[2, 2])), ("strides", ints(&[2, 2])), ("pads", ints(&[0, 0, 1, 1]))];
    assert_eq!(pool(&[1, 3, 3], &strided, &x).1, [2.0, 3.0, -7.0, -9.0]);
    let ceil = [("kernel_shape", ints(&[2, 2])), ("strides", ints(&[2, 2])), ("ceil_mode", Attribute::Int(1))];
    assert_eq!(pool(&[1, 3, 3], &ceil, &x).1, [2.0, 3.0, -7.0, -9.0]);
    assert_eq!(pool(&[1, 3, 3], &[("kernel_shape", ints(&[3, 3]))], &x).1, [3.0]);
    let line = [("kernel_shape", ints(&[2])), ("dilations", ints(&[2]))];
    assert_eq!(pool(&[2, 3], &line, &counting(6)).1, [3.0, 6.0]);
}

#[test]
fn mean_pooling_divides_exactly() {
    let pool = |attributes: &[(&str, Attribute)]| {
        let mut w = OnnxWriter::input(&[1, 3, 3]);
        w.node("AveragePool", &["input"], attributes);
        run_exactly(&w, &counting(9))
    };
    assert_eq!(pool(&[("kernel_shape", ints(&[3, 3]))]), rationals(&["5"]));
    assert_eq!(pool(&[("kernel_shape", ints(&[1, 3]))]), rationals(&["2", "5", "8"]));
    assert_eq!(pool(&[("kernel_shape", ints(&[2, 2]))]), rationals(&["3", "4", "6", "7"]));
    let padded = |include| {
        let include = ("count_include_pad", Attribute::Int(include));
        pool(&[("kernel_shape", ints(&[2, 3])), ("strides", ints(&[2, 3])), ("pads", ints(&[1, 0, 0, 0])), include])
    };
    assert_eq!(padded(0), rationals(&["2", "13/2"]));
    assert_eq!(padded(1), rationals(&["1", "13/2"]));
    let mut w = OnnxWriter::input(&[2, 1, 3]);
    w.node("GlobalAveragePool", &["input"], &[]);
    assert_eq!(run_exactly(&w, &[1.0, 2.0, 4.0, 5.0, 5.0, 5.0]), rationals(&["7/3", "5"]));
    assert_eq!(model(&w, 2).network.output_shape(), [2, 1, 1]);
}

#[test]
fn padding_fills_or_repeats() {
    let pad = |pads: &[i64], mode: &str, fill: f32| {
        let mut w = OnnxWriter::input(&[3]);
        let (p, v) = (w.integers(pads), w.floats(&[], [fill]));
        w.node("Pad", &["input", &p, &v], &[("mode", Attribute::Text(mode.into()))]);
        run(&w, &counting(3))
    };
    assert_eq!(pad(&[0, 1, 0, 2], "constant", 0.0), [0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
    assert_eq!(pad(&[0, 1, 0, 0], "constant", 7.0), [7.0, 1.0, 2.0, 3.0]);
    assert_eq!(pad(&[0, -1, 0, 1], "constant", 0.0), [2.0, 3.0, 0.0]);
    assert_eq!(pad(&[0, 1, 0, 2], "edge", 0.0), [1.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
    assert_eq!(pad(&[0, 2, 0, 1], "reflect", 0.0), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
}

#[test]
fn entries_are_moved_joined_and_cut() {
    let mut w = OnnxWriter::input(&[2, 3]);
    w.node("Transpose", &["input"], &[("perm", ints(&[0, 2, 1]))]);
    assert_eq!(run(&w, &counting(6)), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let t = w.current().to_owned();
    let lists = [[0], [i64::MIN], [2], [-2]].map(|v| w.integers(&v));
    w.node("Slice", &[&t, &lists[0], &lists[1], &lists[2], &lists[3]], &[]);
    assert_eq!(run(&w, &counting(6)), [1.0, 2.0, 3.0]);
    assert_eq!(model(&w, 3).network.output_shape(), [3, 1]);
}

#[test]
fn slices_follow_numpy() {
    let slice = |start: i64, end: i64, step: i64| {
        let mut w = OnnxWriter::input(&[5]);
        let lists = [start, end, 1, step].map(|v| w.integers(&[v]));
        w.node("Slice", &["input", &lists[0], &lists[1], &lists[2], &lists[3]], &[]);
        run(&w, &counting(5))
    };
    assert_eq!(slice(1, i64::MAX, 1), [2.0, 3.0, 4.0, 5.0]);
    assert_eq!(slice(-2, 5, 1), [4.0, 5.0]);
    assert_eq!(slice(0, 4, 3), [1.0, 4.0]);
    assert_eq!(slice(-1, i64::MIN, -2), [5.0, 3.0, 1.0]);
    let mut w = OnnxWriter::input(&[4]);
    let pick = w.integers(&[3, -4]);
    let picked = w.node("Gather", &["input", &pick], &[("axis", Attribute::Int(1))]);
    let c = w.floats(&[1, 1], [9.0]);
    let joined = w.node("Concat", &[&picked, &c, "input"], &[("axis", Attribute::Int(-1))]);
    assert_eq!(run(&w, &counting(4)), [4.0, 1.0, 9.0, 1.0, 2.0, 3.0, 4.0]);
    let shape = w.integers(&[2, 7]);
    w.node("Expand", &[&joined, &shape], &[]);
    assert_eq!(run(&w, &counting(4))[7..10], [4.0, 1.0, 9.0]);
}

#[test]
fn shapes_are_computed_from_shapes() {
    // flatten(x) as exporters write it: Shape → Gather → Unsqueeze → Concat → Reshape.
    let mut w = OnnxWriter::input(&[2, 3]);
    let (zero, axes, rest) = (w.integers(&[0]), w.integers(&[0]), w.integers(&[-1]));
    let scalar = w.node("Squeeze", &[&zero], &[]);
    let shape = w.node("Shape", &["input"], &[]);
    let batch = w.node("Gather", &[&shape, &scalar], &[]);
    let batch = w.node("Unsqueeze", &[&batch, &axes], &[]);
    let batch = w.node("Cast", &[&batch], &[("to", Attribute::Int(7))]);
    let wanted = w.node("Concat", &[&batch, &rest], &[("axis", Attribute::Int(0))]);
    let flat = w.node("Reshape", &["input", &wanted], &[]);
    let same = w.node("Dropout", &[&flat], &[]);
    let same = w.node("Identity", &[&same], &[]);
    w.node("Cast", &[&same], &[("to", Attribute::Int(1))]);
    w.gemm(array![[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]].view(), &[0.0]);
    assert_eq!(run(&w, &counting(6)), [21.0]);
    let mut w = OnnxWriter::input(&[2, 1, 3]);
    let axes = w.integers(&[2]);
    let x = w.node("Squeeze", &["input", &axes], &[]);
    let keep = w.integers(&[0, -1, 2]);
    w.node("Reshape", &[&x, &keep], &[]);
    assert_eq!(model(&w, 6).network.output_shape(), [3, 2]);
}

#[test]
fn constants_are_folded_exactly() {
    let mut w = OnnxWriter::input(&[2]);
    let (a, b) = (w.floats(&[1], [1.0]), w.floats(&[2], [3.0, 7.0]));
    let quotient = w.node("Div", &[&a, &b], &[]);
    let two = w.node("Constant", &[], &[("value_float", Attribute::Float(2.0))]);
    let product = w.node("Mul", &[&quotient, &two], &[]);
    w.node("Add", &["input", &product], &[]);
    assert_eq!(run_exactly(&w, &[0.0, 1.0]), rationals(&["2/3", "9/7"]));
}

#[test]
fn a_final_softmax_is_dropped_and_reported() {
    let mut w = OnnxWriter::input(&[3]);
    w.node("Softmax", &["input"], &[]);
    w.flatten();
    let model = parse(&w.finish(&[3]), "test").unwrap();
    assert!(model.final_softmax.is_some());
    assert_eq!(model.network.evaluate(&[1.0, 2.0, 3.0]).unwrap(), [1.0, 2.0, 3.0]);
}

/// What an operator encloses at some points, and what it should.
fn encloses(operator: &str, attributes: &[(&str, Attribute)], expected: fn(f64) -> f64, points: &[f64]) {
    let mut w = OnnxWriter::input(&[points.len()]);
    w.node(operator, &["input"], attributes);
    let network = model(&w, points.len()).network;
    let x: Vec<Interval> = points.iter().map(|&x| Interval::point(x)).collect();
    for ((y, &x), guess) in network.evaluate(&x).unwrap().iter().zip(points).zip(network.evaluate(points).unwrap()) {
        let value = expected(x);
        let close = 1e-13 * (1.0 + value.abs());
        assert!(
            y.lo - close <= value && value <= y.hi + close && y.width() <= close,
            "{operator}({x}): {y:?}, {value}"
        );
        assert!((guess - value).abs() <= close, "{operator}({x}): {guess}, {value}");
    }
}

#[test]
fn smooth_operators_enclose_their_values() {
    let points = [-30.0, -2.5, -1.0, -0.125, 0.0, 0.5, 1.0, 3.0, 20.0];
    let positive = [0.125, 0.5, 1.0, 3.0, 1e6];
    encloses("Sigmoid", &[], |x| 1.0 / (1.0 + (-x).exp()), &points);
    encloses("Tanh", &[], f64::tanh, &points);
    encloses("Exp", &[], f64::exp, &points[..8]);
    encloses("Softplus", &[], |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), &points);
    encloses("Softsign", &[], |x| x / (1.0 + x.abs()), &points);
    encloses("Atan", &[], f64::atan, &points);
    encloses("Sin", &[], f64::sin, &points);
    encloses("Cos", &[], f64::cos, &points);
    encloses("Elu", &[("alpha", Attribute::Float(0.5))], |x| if x < 0.0 { 0.5 * x.exp_m1() } else { x }, &points);
    encloses("Sqrt", &[], f64::sqrt, &positive);
    encloses("Log", &[], f64::ln, &positive);
    encloses("Reciprocal", &[], |x| 1.0 / x, &positive);
    encloses("HardSigmoid", &[("alpha", Attribute::Float(0.25))], |x| (0.25 * x + 0.5).clamp(0.0, 1.0), &points);
    // erf 1, and the normal distribution up to 1.
    encloses("Erf", &[], |x| x.signum() * 0.842_700_792_949_714_9, &[-1.0, 1.0]);
    encloses("Gelu", &[], |_| 0.841_344_746_068_542_9, &[1.0]);
}

#[test]
fn powers_have_constant_exponents() {
    let of_three =
        [(0.0, 1.0), (1.0, 3.0), (2.0, 9.0), (3.0, 27.0), (-1.0, 1.0 / 3.0), (-2.0, 1.0 / 9.0), (0.5, 3f64.sqrt())];
    for (exponent, expected) in of_three.into_iter().chain([(-0.5, 1.0 / 3f64.sqrt())]) {
        let mut w = OnnxWriter::input(&[1]);
        let p = w.floats(&[], [exponent]);
        w.node("Pow", &["input", &p], &[]);
        let y = model(&w, 1).network.evaluate(&[Interval::point(3.0)]).unwrap()[0];
        assert!((y.middle() - expected).abs() < 1e-13 && y.width() < 1e-13, "{exponent}: {y:?}");
    }
    // One for each entry.
    let mut w = OnnxWriter::input(&[4]);
    let p = w.floats(&[4], [2.0, 0.0, 2.0, -1.0]);
    w.node("Pow", &["input", &p], &[]);
    let y = model(&w, 4).network.evaluate(&[3.0, 0.0, -1.0, 4.0]).unwrap();
    assert_eq!(y, [9.0, 1.0, 1.0, 0.25]);
}

/// Smooth functions of constants are constants that are known by enclosures.
#[test]
fn smooth_operators_of_constants_are_folded() {
    let mut w = OnnxWriter::input(&[2]);
    let c = w.floats(&[2], [0.0, 1.0]);
    let sigmoid = w.node("Sigmoid", &[&c], &[]);
    w.node("Add", &["input", &sigmoid], &[]);
    let network = model(&w, 2).network;
    assert_eq!(network.activations().count(), 0);
    let y = network.evaluate(&[Interval::point(0.0), Interval::point(0.0)]).unwrap();
    assert!(y[0].contains(0.5) && y[1].contains(1.0 / (1.0 + (-1f64).exp())) && y[1].width() < 1e-15);
}
