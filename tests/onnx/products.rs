//! Operators that multiply or divide computed tensors, against values worked out by hand.

use absint::domains::network::Network;
use absint::domains::num::{Interval, Rational, exact};
use absint::format::onnx::{Attribute, OnnxWriter, parse};

fn network(writer: &OnnxWriter) -> Network {
    parse(&writer.finish(&[1]), "test").unwrap_or_else(|e| panic!("{e}")).network
}

/// The output at `x`, which exact evaluation confirms.
fn run(writer: &OnnxWriter, x: &[f64]) -> Vec<f64> {
    let network = network(writer);
    let y = network.evaluate(x).unwrap();
    let exactly = |v: &f64| exact(*v).unwrap();
    let x: Vec<Rational> = x.iter().map(exactly).collect();
    assert_eq!(network.evaluate::<Rational>(&x).unwrap(), y.iter().map(exactly).collect::<Vec<_>>());
    let rows = ndarray::Array2::from_shape_fn((1, x.len()), |(_, i)| absint::domains::num::nearest(&x[i]));
    assert_eq!(network.evaluate_rows(rows).unwrap()[network.output()].row(0).to_vec(), y);
    y
}

/// The output at `x` is enclosed tightly around these values.
fn encloses(writer: &OnnxWriter, x: &[f64], expected: &[f64]) {
    let x: Vec<Interval> = x.iter().map(|&x| Interval::point(x)).collect();
    let y = network(writer).evaluate(&x).unwrap();
    assert_eq!(y.len(), expected.len());
    for (y, expected) in y.iter().zip(expected) {
        assert!(y.width() < 1e-12 && (y.middle() - expected).abs() < 1e-12, "{y:?}, {expected}");
    }
}

fn reshaped(w: &mut OnnxWriter, x: &str, shape: &[i64]) -> String {
    let shape = w.integers(shape);
    w.node("Reshape", &[x, &shape], &[])
}

#[test]
fn products_broadcast() {
    let mut w = OnnxWriter::input(&[6]);
    let matrix = reshaped(&mut w, "input", &[2, 3]);
    let sum = w.node("ReduceSum", &[&matrix], &[]);
    w.node("Mul", &[&matrix, &sum], &[]);
    assert_eq!(run(&w, &[1.0, 2.0, 3.0, -1.0, 0.0, 4.0]), [9.0, 18.0, 27.0, -9.0, 0.0, 36.0]);
}

#[test]
fn a_number_times_itself_is_a_square_and_times_its_sigmoid_a_silu() {
    let mut w = OnnxWriter::input(&[2]);
    w.node("Mul", &["input", "input"], &[]);
    assert_eq!(network(&w).products().count(), 0);
    let y = network(&w).evaluate(&[Interval::point(3.0), Interval::point(-2.0)]).unwrap();
    assert_eq!(y, [Interval::point(9.0), Interval::point(4.0)]);
    for order in [["input", "t0"], ["t0", "input"]] {
        let mut w = OnnxWriter::input(&[1]);
        w.node("Sigmoid", &["input"], &[]);
        w.node("Mul", &order, &[]);
        assert_eq!(network(&w).products().count(), 0);
        encloses(&w, &[2.0], &[2.0 / (1.0 + (-2f64).exp())]);
    }
}

#[test]
fn quotients_are_products_with_reciprocals() {
    let mut w = OnnxWriter::input(&[2]);
    let c = w.floats(&[2], [3.0, -1.0]);
    let over = w.node("Div", &[&c, "input"], &[]);
    w.node("Div", &["input", &over], &[]);
    encloses(&w, &[2.0, 5.0], &[4.0 / 3.0, -25.0]);
    let y = network(&w).evaluate(&[Interval::new(-1.0, 1.0), Interval::point(1.0)]);
    assert!(y.is_err(), "one over zero has no value");
}

#[test]
fn stacks_of_matrices_are_multiplied() {
    let x: Vec<f64> = (1..=12).map(f64::from).collect();
    let mut w = OnnxWriter::input(&[12]);
    let a = reshaped(&mut w, "input", &[2, 2, 3]);
    let turned = w.node("Transpose", &[&a], &[("perm", Attribute::Ints(vec![0, 2, 1]))]);
    w.node("MatMul", &[&a, &turned], &[]);
    // A Aᵀ of each of two matrices.
    assert_eq!(run(&w, &x), [14.0, 32.0, 32.0, 77.0, 194.0, 266.0, 266.0, 365.0]);
    // One matrix that both are multiplied with, their sum.
    let one = w.node("ReduceSum", &[&turned], &[("keepdims", Attribute::Int(0))]);
    w.node("Mul", &[&one, &a], &[]);
    assert_eq!(run(&w, &x)[..3], [78.0, 156.0, 234.0]);
    let mut w = OnnxWriter::input(&[4]);
    let a = reshaped(&mut w, "input", &[2, 1, 2]);
    let b = reshaped(&mut w, "input", &[2, 2]);
    w.node("MatMul", &[&a, &b], &[]);
    // (1 2) B and (3 4) B.
    assert_eq!(run(&w, &x[..4]), [7.0, 10.0, 15.0, 22.0]);
}

#[test]
fn gemm_takes_two_computed_matrices() {
    for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut w = OnnxWriter::input(&[12]);
        let shape = |t: bool, m: i64, n: i64| if t { [n, m] } else { [m, n] };
        let a = {
            let index = w.integers(&(0..6).collect::<Vec<_>>());
            let some = w.node("Gather", &["input", &index], &[("axis", Attribute::Int(1))]);
            reshaped(&mut w, &some, &shape(trans_a, 2, 3))
        };
        let b = {
            let index = w.integers(&(6..12).collect::<Vec<_>>());
            let some = w.node("Gather", &["input", &index], &[("axis", Attribute::Int(1))]);
            reshaped(&mut w, &some, &shape(trans_b, 3, 2))
        };
        let c = w.floats(&[2], [1.0, -1.0]);
        let flags = [("transA", i64::from(trans_a)), ("transB", i64::from(trans_b))];
        let mut attributes: Vec<(&str, Attribute)> = flags.map(|(n, v)| (n, Attribute::Int(v))).into();
        attributes.extend([("alpha", Attribute::Float(2.0)), ("beta", Attribute::Float(3.0))]);
        w.node("Gemm", &[&a, &b, &c], &attributes);
        let x: Vec<f64> = (1..=12).map(f64::from).collect();
        let entry = |t: bool, from: usize, i: usize, j: usize, m: usize, n: usize| {
            x[from + if t { j * m + i } else { i * n + j }]
        };
        let mut expected = Vec::new();
        for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let sum: f64 = (0..3).map(|p| entry(trans_a, 0, i, p, 2, 3) * entry(trans_b, 6, p, j, 3, 2)).sum();
            expected.push(2.0 * sum + [3.0, -3.0][j]);
        }
        assert_eq!(run(&w, &x), expected);
    }
}

/// The exponentials of a group, divided by their sum.
fn softmax(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().map(|x| x.exp()).sum();
    x.iter().map(|x| x.exp() / sum).collect()
}

#[test]
fn a_softmax_that_is_read_is_computed() {
    let x = [1.0, -0.5, 2.0];
    let mut w = OnnxWriter::input(&[3]);
    w.node("Softmax", &["input"], &[]);
    w.node("Neg", &["t0"], &[]);
    encloses(&w, &x, &softmax(&x).iter().map(|y| -y).collect::<Vec<_>>());
    let mut w = OnnxWriter::input(&[3]);
    w.node("LogSoftmax", &["input"], &[]);
    w.flatten();
    w.node("Neg", &["t1"], &[]);
    encloses(&w, &x, &softmax(&x).iter().map(|y| -y.ln()).collect::<Vec<_>>());
}

#[test]
fn a_softmax_of_several_groups_is_computed() {
    let x = [1.0, -0.5, 2.0, 0.25, 3.0, -1.0];
    for (shape, axis) in [([2, 3], 2), ([3, 2], 2), ([2, 3], 1), ([3, 2], -2), ([6, 1], -1)] {
        let mut w = OnnxWriter::input(&[6]);
        let shaped = reshaped(&mut w, "input", &[1, shape[0] as i64, shape[1] as i64]);
        w.node("Softmax", &[&shaped], &[("axis", Attribute::Int(axis))]);
        let along_rows = axis == 2 || axis == -1;
        let groups: Vec<Vec<usize>> = if along_rows {
            (0..shape[0]).map(|i| (0..shape[1]).map(|j| i * shape[1] + j).collect()).collect()
        } else {
            (0..shape[1]).map(|j| (0..shape[0]).map(|i| i * shape[1] + j).collect()).collect()
        };
        let mut expected = vec![0.0; 6];
        for group in groups {
            let values = softmax(&group.iter().map(|&i| x[i]).collect::<Vec<_>>());
            group.iter().zip(values).for_each(|(&i, y)| expected[i] = y);
        }
        encloses(&w, &x, &expected);
    }
}

#[test]
fn layers_are_normalised_by_composition() {
    let x = [1.0, -0.5, 2.0, 0.25, 3.0, -1.0];
    let mut w = OnnxWriter::input(&[2, 3]);
    w.opset(17);
    let (scale, bias) = (w.floats(&[3], [2.0, -1.0, 0.5]), w.floats(&[3], [0.5, 0.0, -4.0]));
    w.node("LayerNormalization", &["input", &scale, &bias], &[("epsilon", Attribute::Float(0.25))]);
    let mut expected = Vec::new();
    for row in x.chunks(3) {
        let mean = row.iter().sum::<f64>() / 3.0;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 3.0;
        let root = (variance + 0.25).sqrt();
        expected.extend(
            row.iter().zip([2.0, -1.0, 0.5]).zip([0.5, 0.0, -4.0]).map(|((x, s), b)| s * (x - mean) / root + b),
        );
    }
    encloses(&w, &x, &expected);
}
