//! Operators by which data choose, against values worked out by hand.

use absint::domains::network::{Network, Order};
use absint::domains::num::{Interval, Rational, exact};
use absint::format::onnx::{Attribute, OnnxWriter, parse};

fn read(writer: &OnnxWriter, len: usize) -> Result<Network, String> {
    parse(&writer.finish(&[len]), "test").map(|model| model.network).map_err(|e| e.to_string())
}

/// The output at `x`, which exact evaluation confirms.
fn run(writer: &OnnxWriter, len: usize, x: &[f64]) -> Vec<f64> {
    let network = read(writer, len).unwrap_or_else(|e| panic!("{e}"));
    let y = network.evaluate(x).unwrap();
    let exactly = |v: &[f64]| v.iter().map(|v| exact(*v).unwrap()).collect::<Vec<Rational>>();
    assert_eq!(network.evaluate::<Rational>(&exactly(x)).unwrap(), exactly(&y));
    y
}

/// What float32 arithmetic makes of `x`, in every order.
fn is_same_in_float32(writer: &OnnxWriter, len: usize, x: &[f64]) {
    let network = read(writer, len).unwrap();
    let single: Vec<f32> = x.iter().map(|&v| v as f32).collect();
    for order in Order::ALL {
        let y = network.evaluate_float32(&single, order).unwrap();
        assert_eq!(y.into_iter().map(f64::from).collect::<Vec<_>>(), run(writer, len, x));
    }
}

/// `input > 0.5`.
fn above_half(w: &mut OnnxWriter) -> String {
    let half = w.floats(&[], [0.5]);
    w.node("Greater", &["input", &half], &[])
}

#[test]
fn a_truth_chooses_among_constants_and_data() {
    let x = [0.25, 0.5, 0.75];
    let mut w = OnnxWriter::input(&[3]);
    let c = above_half(&mut w);
    let (a, b) = (w.floats(&[3], [1.0, 2.0, 3.0]), w.floats(&[], [-7.0]));
    w.node("Where", &[&c, &a, &b], &[]);
    assert_eq!(run(&w, 3, &x), [-7.0, -7.0, 3.0]);
    is_same_in_float32(&w, 3, &x);

    let mut w = OnnxWriter::input(&[3]);
    let c = above_half(&mut w);
    let opposite = w.node("Neg", &["input"], &[]);
    let ten = w.floats(&[], [10.0]);
    let chosen = w.node("Where", &[&c, "input", &opposite], &[]);
    assert_eq!(run(&w, 3, &x), [-0.25, -0.5, 0.75]);
    w.node("Where", &[&c, &ten, &chosen], &[]);
    assert_eq!(run(&w, 3, &x), [-0.25, -0.5, 10.0]);
    w.node("Where", &[&c, &chosen, &ten], &[]);
    assert_eq!(run(&w, 3, &x), [10.0, 10.0, 0.75]);

    // A row of truths, moved and broadcast, over a matrix.
    let mut w = OnnxWriter::input(&[2]);
    let c = above_half(&mut w);
    let (column, matrix) = (w.integers(&[2, 1]), w.floats(&[2, 2], [1.0, 2.0, 3.0, 4.0]));
    let c = w.node("Reshape", &[&c, &column], &[]);
    let zero = w.floats(&[], [0.0]);
    w.node("Where", &[&c, &matrix, &zero], &[]);
    assert_eq!(run(&w, 4, &[0.0, 1.0]), [0.0, 0.0, 3.0, 4.0]);
}

#[test]
fn numbers_are_no_truths() {
    for operator in ["Where", "And", "Or"] {
        let mut w = OnnxWriter::input(&[2]);
        let c = w.node("Cast", &["input"], &[("to", Attribute::Int(9))]);
        let sum = w.node("Add", &[&c, &c], &[]);
        let operands = [sum.as_str(), &c, &c];
        w.node(operator, if operator == "Where" { &operands } else { &operands[..2] }, &[]);
        let message = read(&w, 2).unwrap_err();
        assert!(message.contains("input 0 holds numbers where truths belong"), "{message}");
    }
}

#[test]
fn truths_are_joined() {
    let x = [0.0, 0.25, 0.75, 1.0];
    for (operator, expected, with_constant) in
        [("And", [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]), ("Or", [0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0])]
    {
        let mut w = OnnxWriter::input(&[4]);
        let (above, one) = (above_half(&mut w), w.floats(&[], [1.0]));
        let truth = w.node("Cast", &["input"], &[("to", Attribute::Int(9))]);
        let below = w.node("Less", &["input", &one], &[]);
        // Not zero, and below one or above a half.
        let other = if operator == "And" { &below } else { &truth };
        w.node(operator, &[&above, other], &[]);
        w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(1))]);
        assert_eq!(run(&w, 4, &x), expected, "{operator}");
        is_same_in_float32(&w, 4, &x);
        let numbers = w.floats(&[4], if operator == "And" { [0.0, 1.0, 1.0, 0.0] } else { [1.0, 0.0, 0.0, 1.0] });
        let half = w.floats(&[], [0.5]);
        let constant = w.node("Greater", &[&numbers, &half], &[]);
        w.node(operator, &[&constant, &above], &[]);
        w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(1))]);
        assert_eq!(run(&w, 4, &x), with_constant, "{operator}");
    }
}

/// The index of the largest or smallest entry, the first or the last where several are alike.
#[test]
fn indices_are_those_of_the_standard() {
    let values = [-1.0, 0.0, 0.5];
    for n in 1..=4 {
        for (operator, last) in [("ArgMax", 0), ("ArgMax", 1), ("ArgMin", 0), ("ArgMin", 1)] {
            let mut w = OnnxWriter::input(&[n]);
            w.node(operator, &["input"], &[("axis", Attribute::Int(1)), ("select_last_index", Attribute::Int(last))]);
            w.node("Cast", &[w.current().to_owned().as_str()], &[("to", Attribute::Int(1))]);
            for code in 0..values.len().pow(n as u32) {
                let x: Vec<f64> = (0..n).map(|i| values[code / values.len().pow(i as u32) % values.len()]).collect();
                let is_better = |a: f64, b: f64| match (operator, last) {
                    ("ArgMax", 0) => a > b,
                    ("ArgMax", _) => a >= b,
                    (_, 0) => a < b,
                    _ => a <= b,
                };
                let expected = (1..n).fold(0, |best, i| if is_better(x[i], x[best]) { i } else { best });
                assert_eq!(run(&w, 1, &x), [expected as f64], "{operator} {last} {x:?}");
                is_same_in_float32(&w, 1, &x);
            }
        }
    }
    // Along the rows and the columns of a matrix; along the first axis, which is kept, by default.
    let x = [1.0, 5.0, 3.0, 4.0, 2.0, 6.0];
    for (attributes, len, expected) in [
        (vec![("axis", Attribute::Int(-1)), ("keepdims", Attribute::Int(0))], 2, vec![1.0, 2.0]),
        (vec![], 3, vec![1.0, 0.0, 1.0]),
    ] {
        let mut w = OnnxWriter::input(&[6]);
        let shape = w.integers(&[2, 3]);
        let matrix = w.node("Reshape", &["input", &shape], &[]);
        w.node("ArgMax", &[&matrix], &attributes);
        assert_eq!(run(&w, len, &x), expected);
    }
}

/// Behind a Softmax the logits are compared, which in float32 is another thing.
#[test]
fn an_index_needs_no_probabilities() {
    let mut w = OnnxWriter::input(&[3]);
    w.node("Softmax", &["input"], &[]);
    w.node("ArgMax", &[w.current().to_owned().as_str()], &[("axis", Attribute::Int(1))]);
    assert_eq!(run(&w, 1, &[1.0, 3.0, 2.0]), [1.0]);
    assert!(!read(&w, 1).unwrap().has_curves());
}

#[test]
fn an_index_of_constants_is_an_integer() {
    let mut w = OnnxWriter::input(&[3]);
    let c = w.floats(&[1, 3], [0.5, 2.0, 2.0]);
    let index = w.node("ArgMax", &[&c], &[("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))]);
    w.node("Gather", &["input", &index], &[("axis", Attribute::Int(1))]);
    assert_eq!(run(&w, 1, &[4.0, 5.0, 6.0]), [5.0]);
}

#[test]
fn data_are_exponents() {
    let encloses = |w: &OnnxWriter, x: &[f64], expected: &[f64]| {
        let x: Vec<Interval> = x.iter().map(|&x| Interval::point(x)).collect();
        let y = read(w, expected.len()).unwrap().evaluate(&x).unwrap();
        for (y, expected) in y.iter().zip(expected) {
            assert!(y.width() < 1e-12 && (y.middle() - expected).abs() < 1e-12, "{y:?}, {expected}");
        }
    };
    let mut w = OnnxWriter::input(&[2]);
    let bases = w.floats(&[2], [2.0, 0.25]);
    w.node("Pow", &[&bases, "input"], &[]);
    encloses(&w, &[3.0, -0.5], &[8.0, 2.0]);
    let mut w = OnnxWriter::input(&[2]);
    w.node("Exp", &["input"], &[]);
    w.node("Pow", &[w.current().to_owned().as_str(), "input"], &[]);
    encloses(&w, &[0.5, 2.0], &[0.25f64.exp(), 4f64.exp()]);
}
