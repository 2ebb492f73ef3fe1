//! Networks that cannot be read.

use super::cases::Case;
use super::kinds;
use absint::format::onnx::{self, Attribute, OnnxWriter};
use ndarray::{Array4, array};
use std::path::Path;

/// y₀ = x₀ − x₁, y₁ = 0.5: two inputs, two outputs.
pub fn two_by_two() -> Vec<u8> {
    let mut writer = OnnxWriter::input(&[2]);
    writer.gemm(array![[1.0f32, -1.0], [0.0, 0.0]].view(), &[0.0, 0.5]);
    writer.finish(&[2])
}

fn kind(folder: &Path) -> &'static str {
    kinds::onnx(&onnx::read(&folder.join("net.onnx")).map(drop).unwrap_err())
}

fn case(kind_name: &'static str, bytes: impl AsRef<[u8]>, names: &[&'static str]) -> Case {
    let mut case = Case::new(kind_name, "info net.onnx", names).file("net.onnx", bytes).is(kind);
    case.names.push("net.onnx: ");
    case
}

/// A model of one input of this shape.
fn model(shape: &[usize], build: impl FnOnce(&mut OnnxWriter)) -> Vec<u8> {
    let mut writer = OnnxWriter::input(shape);
    build(&mut writer);
    writer.finish(&[1])
}

/// One operator that reads the input, and constants.
pub fn node(shape: &[usize], op: &str, constants: &[&[i64]], attributes: &[(&str, Attribute)]) -> Vec<u8> {
    model(shape, |w| {
        let constants: Vec<String> = constants.iter().map(|c| w.integers(c)).collect();
        let inputs: Vec<&str> = std::iter::once("input").chain(constants.iter().map(String::as_str)).collect();
        w.node(op, &inputs, attributes);
    })
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

fn text(value: &str) -> Attribute {
    Attribute::Text(value.into())
}

const IMAGE: &[usize] = &[2, 3, 3];

/// The model as a whole.
fn whole() -> Vec<Case> {
    let whole = two_by_two();
    let case_of = |bytes: Vec<u8>, names: &[&'static str]| case("onnx.model", bytes, names);
    vec![
        Case::new("onnx.io", "info net.onnx", &["net.onnx: "]).is(kind),
        case("onnx.protobuf", "<html>", &["not an ONNX model"]),
        case("onnx.protobuf", &whole[..whole.len() / 2], &["truncated"]),
        case_of(Vec::new(), &["no graph"]),
        case_of(model(&[1], |w| _ = w.opset(26).relu()), &["operator set 26", "convert the model"]),
        case_of(model(&[0], |w| _ = w.relu()), &["axis 1 of input `input`", "length 0"]),
        case_of(model(&[1 << 31, 1 << 31, 8], |w| _ = w.relu()), &["too large"]),
        case_of(model(&[1], |w| _ = w.read("elsewhere")), &["no node computes", "`elsewhere`"]),
        case_of(
            model(&[1], |w| {
                let c = w.floats(&[1], [1.0]);
                w.node("Neg", &[&c], &[]);
            }),
            &["does not depend on the input"],
        ),
    ]
}

/// The graph, and what is not read.
fn graphs() -> Vec<Case> {
    let case_of = |bytes: Vec<u8>, names: &[&'static str]| case("onnx.node", bytes, names);
    vec![
        case_of(
            node(&[2], "Ceil", &[], &[]),
            &["node `Ceil_0`", "`Ceil` is not supported", "Abs, Add, And, ArgMax, ArgMin, Atan, AveragePool"],
        ),
        case_of(model(&[1], |w| _ = w.node("Relu", &["nothing"], &[])), &["`Relu_0`", "`nothing`"]),
        case_of(
            model(&[1], |w| {
                w.node("Add", &["input", "t1"], &[]);
                w.node("Relu", &["t0"], &[]);
            }),
            &["`Add_0`", "`Relu_1`", "cycle"],
        ),
        case_of(node(&[2, 2], "Softmax", &[], &[("axis", Attribute::Int(5))]), &["`Softmax_0`", "axis 5"]),
        case_of(
            model(&[2, 3], |w| _ = w.node("MatMul", &["input", "input"], &[])),
            &["`MatMul_0`", "cannot be multiplied"],
        ),
        case_of(node(&[1], "Pow", &[&[-65]], &[]), &["`Pow_0`", "exponent 65"]),
        case_of(node(&[5], "Split", &[&[2, 2]], &[("axis", Attribute::Int(1))]), &["`Split_0`", "[2, 2]"]),
        case_of(node(&[1, 2], "Resize", &[], &[("mode", text("linear"))]), &["`Resize_0`", "`linear`", "nearest"]),
        case_of(
            model(&[1, 2, 2], |w| {
                let scales = w.floats(&[4], [1.0, 1.0, 1.5, 1.0]);
                w.node("Resize", &["input", "", &scales], &[]);
            }),
            &["`Resize_0`", "whole factors"],
        ),
        case_of(
            node(&[1], "Cast", &[], &[("to", Attribute::Int(7))]),
            &["`Cast_0`", "put a Clip between two numbers in front of it"],
        ),
    ]
}

/// Parameters: their numbers and shapes.
fn parameters() -> Vec<Case> {
    let case_of = |bytes: Vec<u8>, names: &[&'static str]| case("onnx.node", bytes, names);
    let kernel = |k: &[i64]| vec![("kernel_shape", ints(k))];
    let with = |k: &[i64], name: &'static str, value: Attribute| vec![("kernel_shape", ints(k)), (name, value)];
    vec![
        case_of(model(&[1], |w| _ = w.gemm(array![[f32::NAN]].view(), &[0.0])), &["`Gemm_0`", "NaN"]),
        case_of(model(&[1], |w| _ = w.sub(&[1], &[f32::INFINITY])), &["`Sub_0`", "infinity"]),
        case_of(model(&[1], |w| _ = w.div(&[1], &[0.0])), &["`Div_0`", "zero"]),
        case_of(node(&[1], "LeakyRelu", &[], &[("alpha", Attribute::Float(f32::NAN))]), &["`LeakyRelu_0`", "alpha"]),
        case_of(
            model(&[1], |w| _ = w.batch_normalization(&[1.0], &[0.0], &[0.0], &[-1.0], 0.0)),
            &["`BatchNormalization_0`", "not positive"],
        ),
        case_of(
            model(&[2], |w| _ = w.batch_normalization(&[1.0], &[0.0], &[0.0], &[1.0], 0.0)),
            &["`BatchNormalization_0`", "1 entries", "2 channels"],
        ),
        case_of(
            model(&[1], |w| {
                let (low, high) = (w.floats(&[], [1.0]), w.floats(&[], [0.0]));
                w.node("Clip", &["input", &low, &high], &[]);
            }),
            &["`Clip_0`", "min = 1 exceeds max = 0"],
        ),
        case_of(node(&[3], "Floor", &[], &[]), &["`Floor_0`", "put a Clip between two numbers in front of it"]),
        case_of(
            model(&[1], |w| {
                let (low, high) = (w.floats(&[], [0.0]), w.floats(&[], [1e6]));
                w.node("Clip", &["input", &low, &high], &[]);
                w.node("Round", &[w.current().to_owned().as_str()], &[]);
            }),
            &["`Round_1`", "from 0 to 1000000", "too many"],
        ),
        case_of(
            model(&[3], |w| {
                let (scale, zero) = (w.floats(&[], [0.5]), w.integers(&[3]));
                w.node("QuantizeLinear", &["input", &scale, &zero], &[]);
            }),
            &["`QuantizeLinear_0`", "int64"],
        ),
        case_of(
            model(&[3], |w| {
                let scale = w.floats(&[], [0.5]);
                let steps = w.node("QuantizeLinear", &["input", &scale], &[]);
                w.node("Neg", &[&steps], &[]);
            }),
            &["`Neg_1`", "wrap around", "DequantizeLinear"],
        ),
        case_of(model(&[3], |w| _ = w.gemm(array![[1.0, 2.0]].view(), &[0.0])), &["`Gemm_0`", "[1, 3]", "[1, 2]"]),
        case_of(model(&[3], |w| _ = w.sub(&[2], &[1.0, 2.0])), &["`Sub_0`", "broadcast"]),
        case_of(
            model(IMAGE, |w| _ = w.conv(Array4::<f32>::ones((1, 3, 2, 2)).view(), &[0.0], [1, 1], [0; 4])),
            &["`Conv_0`", "2 channels"],
        ),
        case_of(
            model(IMAGE, |w| _ = w.conv(Array4::<f32>::ones((1, 2, 4, 4)).view(), &[0.0], [1, 1], [0; 4])),
            &["`Conv_0`", "kernel"],
        ),
        case_of(
            model(IMAGE, |w| _ = w.conv(Array4::<f32>::ones((1, 2, 2, 2)).view(), &[0.0, 1.0], [1, 1], [0; 4])),
            &["`Conv_0`", "bias has 2 entries"],
        ),
        case_of(node(&[3], "MaxPool", &[], &kernel(&[2, 2])), &["`MaxPool_0`", "[1, channels, height, width]"]),
        case_of(node(IMAGE, "MaxPool", &[], &kernel(&[0, 1])), &["`MaxPool_0`", "positive"]),
        case_of(node(IMAGE, "AveragePool", &[], &kernel(&[2, -1])), &["`AveragePool_0`", "kernel_shape"]),
        case_of(node(IMAGE, "MaxPool", &[], &with(&[1, 1], "pads", ints(&[1, 0, 0, 0]))), &["`MaxPool_0`", "padding"]),
        case_of(
            node(IMAGE, "MaxPool", &[], &with(&[2, 2], "auto_pad", text("SAME"))),
            &["`MaxPool_0`", "auto_pad = `SAME`"],
        ),
    ]
}

/// Operators that move entries about.
fn moves() -> Vec<Case> {
    let case_of = |bytes: Vec<u8>, names: &[&'static str]| case("onnx.node", bytes, names);
    vec![
        case_of(node(&[3], "Reshape", &[&[2, 2]], &[]), &["`Reshape_0`", "[2, 2]"]),
        case_of(node(IMAGE, "Transpose", &[], &[("perm", ints(&[0, 0, 1, 2]))]), &["`Transpose_0`", "perm"]),
        case_of(node(IMAGE, "Flatten", &[], &[("axis", Attribute::Int(9))]), &["`Flatten_0`", "axis 9"]),
        case_of(node(IMAGE, "Pad", &[&[0, 1]], &[]), &["`Pad_0`", "pads"]),
        case_of(
            node(&[2], "Pad", &[&[0, 1, 0, 1]], &[("mode", text("wrap"))]),
            &["`Pad_0`", "`wrap`", "constant, edge, reflect"],
        ),
        case_of(node(&[4], "Slice", &[&[0], &[2, 3], &[1]], &[]), &["`Slice_0`", "different lengths"]),
        case_of(node(&[4], "Slice", &[&[0], &[2], &[1], &[0]], &[]), &["`Slice_0`", "step is 0"]),
        case_of(node(&[4], "Slice", &[&[3], &[1], &[1]], &[]), &["`Slice_0`", "holds no numbers"]),
        case_of(node(&[4], "Gather", &[&[7]], &[("axis", Attribute::Int(1))]), &["`Gather_0`", "position 7", "axis 1"]),
        case_of(node(&[4], "Unsqueeze", &[&[0, 0]], &[]), &["`Unsqueeze_0`", "axis 0 twice"]),
        case_of(node(&[1], "Expand", &[&[1 << 40]], &[]), &["`Expand_0`", "larger than this reader accepts"]),
        case_of(
            model(&[2], |w| {
                let c = w.floats(&[2, 1], [1.0, 2.0]);
                w.node("Concat", &["input", &c], &[("axis", Attribute::Int(1))]);
            }),
            &["`Concat_0`", "does not fit its neighbours"],
        ),
    ]
}

pub fn cases() -> Vec<Case> {
    [whole(), graphs(), parameters(), moves()].into_iter().flatten().collect()
}
