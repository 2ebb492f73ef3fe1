//! Small networks of the field's families beside those of ReLU alone, with weights that are drawn; the tests ask about them,
//! and so does a table of the results.

use absint::format::onnx::{Attribute, OnnxWriter};
use ndarray::Array2;

/// Draws so many weights.
pub type Draw<'a> = &'a mut dyn FnMut(usize) -> Vec<f32>;

/// `W x + b` of random numbers.
fn dense(w: &mut OnnxWriter, draw: Draw, x: &str, (inputs, outputs): (usize, usize)) -> String {
    let weights = draw(inputs * outputs).iter().map(|w| w / 2.0).collect();
    let bias: Vec<f32> = draw(outputs).iter().map(|b| b / 2.0).collect();
    w.read(x).gemm(Array2::from_shape_vec((outputs, inputs), weights).unwrap().view(), &bias);
    w.current().to_owned()
}

fn reshaped(w: &mut OnnxWriter, x: &str, shape: &[i64]) -> String {
    let shape = w.integers(shape);
    w.node("Reshape", &[x, &shape], &[])
}

/// Flows of power between two buses: `v₁ v₂ cos(θ₁ − θ₂)`, the voltages and angles from layers of their own.
pub fn power_flow(draw: Draw, inputs: usize) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[inputs]);
    let hidden = dense(&mut w, draw, "input", (inputs, 4));
    let hidden = w.node("Sigmoid", &[&hidden], &[]);
    let [a, b, angle] = [3, 3, 3].map(|n| dense(&mut w, draw, &hidden, (4, n)));
    let cosine = w.node("Cos", &[&angle], &[]);
    let voltages = w.node("Mul", &[&a, &b], &[]);
    let flow = w.node("Mul", &[&voltages, &cosine], &[]);
    dense(&mut w, draw, &flow, (3, 1));
    w
}

/// A query of Lyapunov's kind: a quadratic form along the motion of a pendulum under a small controller.
pub fn lyapunov(draw: Draw) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[2]);
    let hidden = dense(&mut w, draw, "input", (2, 4));
    let hidden = w.node("Relu", &[&hidden], &[]);
    let control = dense(&mut w, draw, &hidden, (4, 1));
    let (zero, one) = (w.integers(&[0]), w.integers(&[1]));
    let [angle, speed] = [zero, one].map(|index| w.node("Gather", &["input", &index], &[("axis", Attribute::Int(1))]));
    let sine = w.node("Sin", &[&angle], &[]);
    let force = w.node("Sub", &[&control, &sine], &[]);
    // (θ, ω) P (ω, u − sin θ)
    let motion = w.node("Concat", &[&speed, &force], &[("axis", Attribute::Int(1))]);
    let gradient = dense(&mut w, draw, "input", (2, 2));
    let both = w.node("Mul", &[&gradient, &motion], &[]);
    w.node("ReduceSum", &[&both], &[]);
    w
}

/// A block of a vision transformer: two tokens of two numbers, two heads of attention, a residual sum and a layer.
pub fn attention(draw: Draw, inputs: usize) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[inputs]);
    let tokens = dense(&mut w, draw, "input", (inputs, 12));
    let tokens = reshaped(&mut w, &tokens, &[1, 3, 4]);
    let mut heads = |w: &mut OnnxWriter, perm: [i64; 4]| {
        let weights = draw(16).iter().map(|w| w / 4.0).collect::<Vec<_>>();
        let weights = w.floats(&[4, 4], weights);
        let x = w.node("MatMul", &[&tokens, &weights], &[]);
        let x = reshaped(w, &x, &[1, 3, 2, 2]);
        w.node("Transpose", &[&x], &[("perm", Attribute::Ints(perm.to_vec()))])
    };
    // Head × token × number; keys are turned.
    let (q, k, v) = (heads(&mut w, [0, 2, 1, 3]), heads(&mut w, [0, 2, 3, 1]), heads(&mut w, [0, 2, 1, 3]));
    let scores = w.node("MatMul", &[&q, &k], &[]);
    let shares = w.node("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
    let mixed = w.node("MatMul", &[&shares, &v], &[]);
    let mixed = w.node("Transpose", &[&mixed], &[("perm", Attribute::Ints(vec![0, 2, 1, 3]))]);
    let mixed = reshaped(&mut w, &mixed, &[1, 3, 4]);
    let sum = w.node("Add", &[&tokens, &mixed], &[]);
    let flat = reshaped(&mut w, &sum, &[1, 12]);
    let hidden = dense(&mut w, draw, &flat, (12, 4));
    let hidden = w.node("Gelu", &[&hidden], &[]);
    dense(&mut w, draw, &hidden, (4, 1));
    w
}

/// Polynomials, and quotients by what is never zero.
pub fn rational(draw: Draw) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[2]);
    let [a, b] = [0, 0].map(|_| dense(&mut w, draw, "input", (2, 3)));
    let product = w.node("Mul", &[&a, &b], &[]);
    let square = w.node("Mul", &[&a, &a], &[]);
    let one = w.floats(&[], [1.0]);
    let divisor = w.node("Add", &[&square, &one], &[]);
    let quotient = w.node("Div", &[&product, &divisor], &[]);
    let cubic = w.node("Mul", &[&quotient, &product], &[]);
    dense(&mut w, draw, &cubic, (3, 1));
    w
}

/// What data choose, without a jump where the choice changes: the larger of two, which is squared if it is positive.
pub fn chosen(draw: Draw) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[2]);
    let [a, b] = [0, 0].map(|_| dense(&mut w, draw, "input", (2, 3)));
    let above = w.node("Greater", &[&a, &b], &[]);
    let larger = w.node("Where", &[&above, &a, &b], &[]);
    let zero = w.floats(&[], [0.0]);
    let positive = w.node("GreaterOrEqual", &[&larger, &zero], &[]);
    let square = w.node("Mul", &[&larger, &larger], &[]);
    let part = w.node("Where", &[&positive, &square, &zero], &[]);
    dense(&mut w, draw, &part, (3, 1));
    w
}

/// Three layers of sigmoids.
pub fn sigmoids(draw: Draw, inputs: usize) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[inputs]);
    let mut last = ("input".to_owned(), inputs);
    for _ in 0..3 {
        let hidden = dense(&mut w, draw, &last.0, (last.1, 10));
        last = (w.node("Sigmoid", &[&hidden], &[]), 10);
    }
    dense(&mut w, draw, &last.0, (last.1, 1));
    w
}

/// A generator: a layer, and two transposed convolutions that each make an image twice as large, with tanh between.
pub fn generator(draw: Draw, inputs: usize) -> OnnxWriter {
    let mut w = OnnxWriter::input(&[inputs]);
    let code = dense(&mut w, draw, "input", (inputs, 8));
    let mut image = w.node("Tanh", &[&code], &[]);
    image = reshaped(&mut w, &image, &[1, 2, 2, 2]);
    for (from, to) in [(2, 2), (2, 1)] {
        let kernel = w.floats(&[from, to, 2, 2], draw(from * to * 4).iter().map(|w| w / 2.0).collect::<Vec<f32>>());
        let larger = w.node("ConvTranspose", &[&image, &kernel], &[("strides", Attribute::Ints(vec![2, 2]))]);
        image = w.node("Tanh", &[&larger], &[]);
    }
    let pixels = reshaped(&mut w, &image, &[1, 64]);
    dense(&mut w, draw, &pixels, (64, 1));
    w
}
