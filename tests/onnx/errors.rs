//! What is refused, and how the message says so.

use absint::domains::num::Interval;
use absint::format::onnx::{Attribute, OnnxWriter, parse, read};
use ndarray::array;

/// The error of a model, which must hold all of these words.
fn refused(writer: &OnnxWriter, words: &[&str]) {
    let e = parse(&writer.finish(&[1]), "broken.onnx").expect_err("should be refused").to_string();
    assert!(e.starts_with("broken.onnx: "), "{e}");
    for word in words {
        assert!(e.contains(word), "`{word}` is not in: {e}");
    }
}

fn one(op: &str, attributes: &[(&str, Attribute)]) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[2, 3, 3]);
    w.node(op, &["input"], attributes);
    w
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

#[test]
fn an_unknown_operator_is_named_with_the_known_ones() {
    refused(
        &one("Ceil", &[]),
        &[
            "node `Ceil_0`",
            "`Ceil`",
            "supported operators: Abs, Add, And, ArgMax, ArgMin, Atan, AveragePool,",
            "Unsqueeze",
        ],
    );
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let mut w = OnnxWriter::input(&[3]);
    w.gemm(array![[1.0, 2.0]].view(), &[0.0]);
    refused(&w, &["Gemm_0", "[1, 3]", "[1, 2]"]);
    let mut w = OnnxWriter::input(&[3]);
    w.sub(&[2], &[1.0, 2.0]);
    refused(&w, &["Sub_0", "broadcast"]);
    let mut w = OnnxWriter::input(&[3]);
    let to = w.integers(&[2, 2]);
    w.node("Reshape", &["input", &to], &[]);
    refused(&w, &["Reshape_0", "[2, 2]"]);
    refused(&one("MaxPool", &[("kernel_shape", ints(&[4, 4]))]), &["MaxPool_0", "kernel"]);
    refused(&one("MaxPool", &[("kernel_shape", ints(&[0, 1]))]), &["positive"]);
    refused(&one("MaxPool", &[("kernel_shape", ints(&[1, 1])), ("pads", ints(&[1, 0, 0, 0]))]), &["padding"]);
    let same = ("auto_pad", Attribute::Text("SAME_UPPER".into()));
    refused(&one("MaxPool", &[("kernel_shape", ints(&[2, 2])), ("dilations", ints(&[2, 2])), same]), &["write pads"]);
    refused(&one("AveragePool", &[]), &["kernel"]);
    refused(&one("AveragePool", &[("kernel_shape", ints(&[2, -1]))]), &["kernel_shape"]);
    refused(&one("Transpose", &[("perm", ints(&[0, 0, 1, 2]))]), &["perm"]);
    refused(&one("Flatten", &[("axis", Attribute::Int(9))]), &["axis 9"]);
}

#[test]
fn numbers_that_are_none_are_refused() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut w = OnnxWriter::input(&[1]);
        w.gemm(array![[bad]].view(), &[0.0]);
        refused(&w, &["Gemm_0", "NaN"]);
        let mut w = OnnxWriter::input(&[1]);
        w.sub(&[1], &[bad]);
        refused(&w, &["Sub_0", "NaN"]);
        refused(&one("LeakyRelu", &[("alpha", Attribute::Float(bad))]), &["alpha"]);
    }
    let mut w = OnnxWriter::input(&[1]);
    w.div(&[1], &[0.0]);
    refused(&w, &["Div_0", "zero"]);
    let mut w = OnnxWriter::input(&[1]);
    w.batch_normalization(&[1.0], &[0.0], &[0.0], &[-1.0], 0.0);
    refused(&w, &["BatchNormalization_0", "not positive"]);
}

#[test]
fn products_that_do_not_fit_are_refused() {
    let mut w = OnnxWriter::input(&[6]);
    let (two, three) = (w.integers(&[2, 3]), w.integers(&[3, 2]));
    let (a, b) = (w.node("Reshape", &["input", &two], &[]), w.node("Reshape", &["input", &three], &[]));
    let mut wrong = w.clone();
    wrong.node("Mul", &[&a, &b], &[]);
    refused(&wrong, &["Mul_2", "[2, 3]", "[3, 2]"]);
    w.node("MatMul", &[&a, &a], &[]);
    refused(&w, &["MatMul_2", "[2, 3]", "cannot be multiplied"]);
    refused(&one("Softmax", &[("axis", Attribute::Int(7))]), &["Softmax_0", "axis 7"]);
    let mut w = OnnxWriter::input(&[1 << 12]);
    w.node("Softmax", &["input"], &[]);
    w.relu();
    refused(&w, &["Relu_1", "larger than this reader accepts"]);
}

#[test]
fn a_graph_that_does_not_hang_together_is_refused() {
    let mut w = OnnxWriter::input(&[1]);
    w.node("Relu", &["nothing"], &[]);
    refused(&w, &["Relu_0", "`nothing`"]);
    let mut w = OnnxWriter::input(&[1]);
    w.node("Add", &["input", "t1"], &[]);
    w.node("Relu", &["t0"], &[]);
    refused(&w, &["Add_0", "cycle", "Relu_1"]);
    let mut w = OnnxWriter::input(&[1]);
    w.read("elsewhere");
    refused(&w, &["no node computes", "elsewhere"]);
    let mut w = OnnxWriter::input(&[1]);
    let c = w.floats(&[1], [1.0]);
    w.node("Neg", &[&c], &[]);
    refused(&w, &["does not depend on the input"]);
    let mut w = OnnxWriter::input(&[0]);
    w.relu();
    refused(&w, &["axis 1", "length 0"]);
    let mut w = OnnxWriter::input(&[1 << 31, 1 << 31, 8]);
    w.relu();
    refused(&w, &["too large"]);
    let mut w = OnnxWriter::input(&[1 << 30]);
    w.relu();
    refused(&w, &["larger"]);
    let mut w = OnnxWriter::input(&[1]);
    w.opset(7).relu();
    refused(&w, &["operator set 7", "8 to 25"]);
}

#[test]
fn small_files_cannot_ask_for_much_memory() {
    let mut w = OnnxWriter::input(&[1]);
    let shape = w.integers(&[1 << 40]);
    w.node("Expand", &["input", &shape], &[]);
    refused(&w, &["Expand_0", "larger"]);
    let mut w = OnnxWriter::input(&[1]);
    let pads = w.integers(&[0, 1 << 32, 0, 1 << 32]);
    w.node("Pad", &["input", &pads], &[]);
    refused(&w, &["Pad_0", "larger"]);
    let mut w = OnnxWriter::input(&[2]);
    for _ in 0..64 {
        let x = w.current().to_owned();
        w.node("Concat", &[&x, &x], &[]);
    }
    refused(&w, &["Concat_", "larger"]);
}

#[test]
fn files_that_are_no_models_are_refused() {
    for bytes in [&b""[..], b"\x00", b"<html>", &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff; 64]] {
        assert!(parse(bytes, "broken.onnx").unwrap_err().to_string().starts_with("broken.onnx: "));
    }
    let e = read("/nonexistent/network.onnx".as_ref()).unwrap_err();
    assert!(e.to_string().contains("network.onnx"));
}

#[test]
fn smooth_operators_name_the_attributes_that_they_take() {
    refused(
        &one("Gelu", &[("approximate", Attribute::Text("tanh".into()))]),
        &["Gelu_0", "`approximate` = tanh", "none"],
    );
    refused(&one("Elu", &[("alpha", Attribute::Float(1.5))]), &["Elu_0", "`alpha` = 1.5", "from 0 to 1"]);
    let mut w = OnnxWriter::input(&[2]);
    let p = w.floats(&[], [2.5]);
    w.node("Pow", &["input", &p], &[]);
    refused(&w, &["Pow_0", "exponent 2.5", "0.5"]);
}

#[test]
fn a_softmax_is_cast_to_what_it_is() {
    for (from, to) in [("input", 9), ("input", 7), ("input", 6), ("clipped", 7), ("integers", 7)] {
        let mut w = OnnxWriter::input(&[2]);
        let (low, high) = (w.floats(&[], [0.0]), w.floats(&[], [5.0]));
        if from != "input" {
            w.node("Clip", &["input", &low, &high], &[]);
        }
        if from == "integers" {
            w.node("Floor", &[w.current().to_owned().as_str()], &[]);
        }
        w.node("Softmax", &[w.current().to_owned().as_str()], &[]);
        let probabilities = w.clone();
        w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(to))]);
        w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(1))]);
        if to == 9 {
            let network = parse(&w.finish(&[2]), "test").unwrap().network;
            let y = network.evaluate(&[Interval::point(0.0), Interval::point(-1.0)]).unwrap();
            assert_eq!(y, [Interval::point(1.0); 2]);
        } else {
            refused(&w, &["Cast_", "put a Clip between two numbers in front of it"]);
        }
        for to in [1, 11] {
            let mut w = probabilities.clone();
            w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(to))]);
            assert!(parse(&w.finish(&[2]), "test").unwrap().final_softmax.is_some());
        }
    }
}

#[test]
fn what_rounds_on_integers_is_refused() {
    let integers = |to: i64| {
        let mut w = OnnxWriter::input(&[2]);
        let (low, high) = (w.floats(&[], [0.0]), w.floats(&[], [5.0]));
        w.node("Clip", &["input", &low, &high], &[]);
        w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(to))]);
        // The type goes through what keeps it.
        let shape = w.integers(&[2, 1]);
        w.node("Reshape", &[w.current().to_owned().as_str(), &shape], &[]);
        let three = w.integers(&[3]);
        w.node("Mul", &[w.current().to_owned().as_str(), &three], &[]);
        w
    };
    for to in [6, 7] {
        let mut w = integers(to);
        let two = w.integers(&[2]);
        w.node("Div", &[w.current().to_owned().as_str(), &two], &[]);
        refused(&w, &["Div_", "on integers", "put a Cast to float in front"]);
        let mut w = integers(to);
        w.node("ReduceMean", &[w.current().to_owned().as_str()], &[("axes", ints(&[1]))]);
        refused(&w, &["ReduceMean_", "on integers"]);
        for exponent in [0.5, -1.0] {
            let mut w = integers(to);
            let exponent = w.floats(&[], [exponent]);
            w.node("Pow", &[w.current().to_owned().as_str(), &exponent], &[]);
            refused(&w, &["Pow_", "on integers"]);
        }
        // As floats they are divided exactly.
        let mut w = integers(to);
        w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(1))]);
        w.div(&[1], &[2.0]);
        let network = parse(&w.finish(&[2]), "test").unwrap().network;
        assert_eq!(network.evaluate(&[1.5, 2.25]).unwrap(), [1.5, 3.0]);
    }
    // Constants too.
    let mut w = OnnxWriter::input(&[2]);
    let odd = w.integers(&[1, 2]);
    let mean = w.node("ReduceMean", &[&odd], &[("axes", ints(&[0]))]);
    let mean = w.node("Cast", &[&mean], &[("to", Attribute::Int(1))]);
    w.node("Add", &["input", &mean], &[]);
    refused(&w, &["ReduceMean_", "on integers"]);
}
