//! MaxPool, AveragePool and GlobalAveragePool, lowered exactly to affine nodes and ReLUs.

use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value};
use super::window::{Window, channels_and_lengths};
use crate::domains::activation::Relu;
use crate::domains::network::{Coefficients, Conv2d, LinearMap, Operator as NodeOperator, Term};
use crate::domains::num::Rational;
use ndarray::Array4;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// The window of a pooling operator.
fn window(op: &Operator, x: &Tensor) -> Result<Window, Fault> {
    let rank = channels_and_lengths(&x.shape)?.1.len();
    let kernel = op.attributes.lengths("kernel_shape", rank, 0)?;
    let window = Window::new(op, &x.shape, &kernel, op.attributes.int("ceil_mode", 0) != 0)?;
    if window.dilation != [1, 1] && op.attributes.text("auto_pad", "NOTSET")?.starts_with("SAME") {
        // onnxruntime leaves the dilation out of account, against the specification.
        return Err("auto_pad with dilations means different things to different runtimes; write pads instead".into());
    }
    let reach = |axis: usize| (window.kernel[axis] - 1) * window.dilation[axis] + 1;
    if (0..2).any(|axis| window.before[axis] >= reach(axis) || window.after[axis] >= reach(axis)) {
        return Err("the padding is as large as the kernel, so that a window would hold no data".into());
    }
    Ok(window)
}

/// The largest entry of each window.
pub(super) fn max_pool(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let window = window(op, x)?;
    net.reads_channels(x);
    let [channels, height, width] = window.input;
    let [rows, columns] = window.output;
    net.reserve(&[channels, rows, columns, window.kernel[0], window.kernel[1]])?;
    let mut groups = Vec::with_capacity(channels * rows * columns);
    for channel in 0..channels {
        for r in 0..rows {
            for c in 0..columns {
                let row = |h| (channel * height + h) * width;
                let group = window.taps(0, r).flat_map(|h| window.taps(1, c).map(move |w| row(h) + w));
                groups.push(group.collect());
            }
        }
    }
    if groups.iter().any(Vec::is_empty) {
        return Err("a window holds no data".into());
    }
    let maxima = tournament(op, net, x, groups.clone(), window.output_shape(channels))?;
    if maxima.node != x.node {
        net.builder.declare_maxima(maxima.node, x.node, groups)?;
    }
    Ok(maxima.into())
}

/// A list without repetition, and where each of its members stands.
struct Numbered<T> {
    list: Vec<T>,
    places: HashMap<T, usize>,
}

impl<T: Copy + Eq + Hash> Numbered<T> {
    fn new() -> Self {
        Self { list: Vec::new(), places: HashMap::new() }
    }

    fn place(&mut self, item: T) -> usize {
        *self.places.entry(item).or_insert_with(|| {
            self.list.push(item);
            self.list.len() - 1
        })
    }
}

/// The maximum of each group of entries of `x`, by rounds of `max(a, b) = b + relu(a − b)`.
fn tournament(
    op: &Operator,
    net: &mut Lowering,
    x: &Tensor,
    mut groups: Vec<Vec<usize>>,
    shape: Vec<usize>,
) -> Result<Tensor, Fault> {
    let mut source = x.node;
    while groups.iter().any(|g| g.len() > 1) {
        let input_len = net.builder.len(source);
        // What plays, and what comes out: an entry, plus the ReLU of the pair that it won or lost.
        let (mut pairs, mut winners) = (Numbered::new(), Numbered::new());
        for group in &mut groups {
            let play = |pair: &[usize]| match *pair {
                [a, b] => winners.place((b, Some(pairs.place((a, b))))),
                _ => winners.place((pair[0], None)),
            };
            *group = group.chunks(2).map(play).collect();
        }
        let select = |index: Vec<Option<usize>>| LinearMap::Select { input_len, index };
        let first = select(pairs.list.iter().map(|p| Some(p.0)).collect());
        let second = select(pairs.list.iter().map(|p| Some(p.1)).collect());
        let n = net.reserve(&[pairs.list.len(), 3])? / 3;
        let b = net.linear(op, source, second, Coefficients::zeros(n), vec![n])?;
        let minus = LinearMap::Diagonal(Coefficients::floats(vec![-1.0; n]));
        let terms = vec![Term { source, map: first.into() }, Term { source: b.node, map: minus.into() }];
        let difference = net.affine(op, terms, Coefficients::zeros(n), vec![n])?;
        net.computed_by(&difference, NodeOperator::Choice)?;
        let excess = net.activation(op, &difference, Arc::new(Relu))?;
        let base = select(winners.list.iter().map(|w| Some(w.0)).collect());
        let plus = LinearMap::Select { input_len: n, index: winners.list.iter().map(|w| w.1).collect() };
        let terms = vec![Term { source, map: base.into() }, Term { source: excess.node, map: plus.into() }];
        let m = net.reserve(&[winners.list.len()])?;
        let maxima = net.affine(op, terms, Coefficients::zeros(m), vec![m])?;
        net.computed_by(&maxima, NodeOperator::Choice)?;
        source = maxima.node;
    }
    let last = Tensor::new(source, vec![net.builder.len(source)]);
    net.select(op, &last, groups.iter().map(|g| g.first().copied()).collect(), shape)
}

/// The mean of each window.
pub(super) fn average_pool(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let window = window(op, x)?;
    net.reads_channels(x);
    let include_padding = op.attributes.int("count_include_pad", 0) != 0;
    let count = |axis: usize, o: usize| match include_padding {
        true => window.padded_taps(axis, o).count(),
        false => window.taps(axis, o).count(),
    };
    // Counting costs the kernel's length per row and per column.
    net.reserve(&[window.output[0], window.kernel[0]])?;
    net.reserve(&[window.output[1], window.kernel[1]])?;
    let rows: Vec<usize> = (0..window.output[0]).map(|r| count(0, r)).collect();
    let columns: Vec<usize> = (0..window.output[1]).map(|c| count(1, c)).collect();
    let counts = rows.iter().flat_map(|r| columns.iter().map(move |c| r * c)).collect();
    mean(op, net, x, &window, counts)
}

/// The mean of each channel.
pub(super) fn global_average_pool(op: &Operator, net: &mut Lowering) -> Result<Value, Fault> {
    let x = op.tensor(0)?;
    let [1, channels, ref spatial @ ..] = x.shape[..] else {
        return Err(format!("expected data of shape [1, channels, …], found {:?}", x.shape).into());
    };
    let area: usize = spatial.iter().product();
    net.reads_channels(x);
    let mut shape = vec![1; x.shape.len()];
    shape[1] = channels;
    mean(op, net, x, &Window::of_rows([channels, 1, area]), vec![area])?.reshaped(shape)
}

/// Sums of windows divided by `counts` (one per output pixel): a convolution that keeps channels apart
/// and the exact reciprocals, in one map where all of them are the same float.
pub(super) fn mean(
    op: &Operator,
    net: &mut Lowering,
    x: &Tensor,
    window: &Window,
    counts: Vec<usize>,
) -> Result<Value, Fault> {
    let channels = window.input[0];
    let [kh, kw] = window.kernel;
    let [rows, columns] = window.output;
    net.reserve(&[channels, kh, kw])?;
    let shape = window.output_shape(channels);
    let len = net.reserve_tensor(&shape)?;
    if counts.contains(&0) {
        return Err("a window holds no data".into());
    }
    let reciprocal = |&count: &usize| Rational::ONE / Rational::from(count);
    let one_float = counts.iter().all(|c| *c == counts[0]) && counts[0].is_power_of_two();
    let weight = if one_float { 1.0 / counts[0] as f64 } else { 1.0 };
    let map = LinearMap::Conv2d(Conv2d {
        weight: Array4::from_elem((channels, 1, kh, kw), weight),
        input: window.input,
        output: [channels, rows, columns],
        stride: window.stride,
        padding: window.before,
        dilation: window.dilation,
        groups: channels,
    });
    let sums = net.linear(op, x.node, map, Coefficients::zeros(len), shape.clone())?;
    if one_float {
        net.computed_by(&sums, NodeOperator::Mean(counts[0]))?;
        return Ok(sums.into());
    }
    let pixels = Coefficients::rationals(counts.iter().map(reciprocal).collect());
    let repeated: Vec<Option<usize>> = (0..len).map(|i| Some(i % counts.len())).collect();
    let map = LinearMap::Diagonal(pixels.select(&repeated));
    let means = net.linear(op, sums.node, map, Coefficients::zeros(len), shape)?;
    let divisors = Coefficients::floats((0..len).map(|i| counts[i % counts.len()] as f64).collect());
    net.computed_by(&means, NodeOperator::Quotient(divisors))?;
    Ok(means.into())
}
