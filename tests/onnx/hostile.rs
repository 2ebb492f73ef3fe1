//! No bytes make the reader panic or take much memory.

use absint::format::onnx::{Attribute, OnnxWriter, parse};
use ndarray::{Array4, array};
use proptest::prelude::*;

/// A model with as many kinds of field and operator as fit.
fn rich_model() -> Vec<u8> {
    let mut w = OnnxWriter::input(&[1, 4, 4]);
    let ints = |values: &[i64]| Attribute::Ints(values.to_vec());
    w.sub(&[1, 1], &[0.5]).div(&[1], &[3.0]);
    w.conv(Array4::<f32>::ones((2, 1, 2, 2)).view(), &[0.0, 1.0], [1, 1], [0, 1, 1, 0]);
    w.batch_normalization(&[1.0, 2.0], &[0.0, 1.0], &[0.5, 0.5], &[1.0, 2.0], 1e-5).relu();
    let x = w.current().to_owned();
    let x = w.node("MaxPool", &[&x], &[("kernel_shape", ints(&[2, 2])), ("strides", ints(&[2, 2]))]);
    let pads = w.integers(&[0, 0, 1, 0, 0, 0, 0, 1]);
    let x = w.node("Pad", &[&x, &pads], &[("mode", Attribute::Text("constant".into()))]);
    let x = w.node("Transpose", &[&x], &[("perm", ints(&[0, 2, 3, 1]))]);
    let lists = [[0i64], [2], [1], [1]].map(|v| w.integers(&v));
    let x = w.node("Slice", &[&x, &lists[0], &lists[1], &lists[2], &lists[3]], &[]);
    let x = w.node("AveragePool", &[&x], &[("kernel_shape", ints(&[3, 1])), ("ceil_mode", Attribute::Int(1))]);
    let shape = w.integers(&[0, -1]);
    w.node("Reshape", &[&x, &shape], &[]);
    w.sign();
    let x = w.current().to_owned();
    let pick = w.integers(&[0, 1]);
    w.node("Gather", &[&x, &pick], &[("axis", Attribute::Int(1))]);
    w.gemm(array![[1.0, 2.0], [3.0, 4.0]].view(), &[0.0, 1.0]);
    let x = w.current().to_owned();
    w.node("Concat", &[&x, &x], &[("axis", Attribute::Int(1))]);
    let x = w.current().to_owned();
    w.node("Softmax", &[&x], &[]);
    w.finish(&[4])
}

#[test]
fn the_model_to_break_is_whole() {
    let model = parse(&rich_model(), "rich").unwrap_or_else(|e| panic!("{e}"));
    assert!(model.final_softmax.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn broken_models_are_errors(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = rich_model();
        for (at, value, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = value,
                1 => bytes[at] ^= 1 << (value % 8),
                2 => bytes.insert(at, value),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(model) = parse(&bytes, "broken") {
            let x = vec![0.5; model.network.input_len()];
            prop_assert!(model.network.evaluate(&x).is_ok());
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, "noise");
    }
}
