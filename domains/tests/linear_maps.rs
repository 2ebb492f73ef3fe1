//! Laws of linear maps: whatever a map does by its structure is what its products say.

#![allow(clippy::unwrap_used)]

use absint_domains::network::{Coefficients, Conv2d, LinearMap, Sparse, Window};
use absint_domains::num::Spare;
use ndarray::{Array2, Array4};
use proptest::prelude::*;

fn convolution() -> impl Strategy<Value = Conv2d> {
    let sizes = (1..3usize, 1..4usize, 1..4usize, 1..4usize, 1..4usize);
    let stride = prop_oneof![Just([1, 1]), [1..4usize, 1..4usize]];
    let steps = (stride, [0..3usize, 0..3usize], [1..3usize, 1..3usize], [4..9usize, 4..9usize]);
    (sizes, steps).prop_map(|((groups, inputs, outputs, kh, kw), (stride, padding, dilation, size))| {
        let out = |axis: usize, kernel: usize| {
            (size[axis] + 2 * padding[axis]).saturating_sub((kernel - 1) * dilation[axis] + 1) / stride[axis] + 1
        };
        let weight = Array4::from_shape_fn((groups * outputs, inputs, kh, kw), |(o, i, h, w)| {
            ((o * 31 + i * 17 + h * 7 + w * 3) % 11) as f64 - 5.0
        });
        let input = [groups * inputs, size[0], size[1]];
        let output = [groups * outputs, out(0, kh), out(1, kw)];
        Conv2d { weight, input, output, stride, padding, dilation, groups }
    })
}

/// Every kind of map, with small integers, so that every order of summation is exact.
fn map() -> impl Strategy<Value = LinearMap> {
    let integer = || (-5..6i32).prop_map(f64::from);
    let dense = (1..7usize, 1..7usize).prop_flat_map(move |(m, n)| {
        prop::collection::vec(integer(), m * n)
            .prop_map(move |w| LinearMap::Dense(Array2::from_shape_vec((m, n), w).unwrap()))
    });
    let select = (1..7usize).prop_flat_map(|n| {
        prop::collection::vec(prop::option::of(0..n), 1..9)
            .prop_map(move |index| LinearMap::Select { input_len: n, index })
    });
    let diagonal = prop::collection::vec(integer(), 1..7).prop_map(|d| LinearMap::Diagonal(Coefficients::floats(d)));
    let identity = (1..7usize).prop_map(LinearMap::Identity);
    let sparse = (1..7usize, 1..7usize).prop_flat_map(move |(m, n)| {
        let entry = prop_oneof![2 => Just(0.0), 1 => integer()];
        prop::collection::vec(entry, m * n)
            .prop_map(move |w| LinearMap::Sparse(Sparse::new(&Array2::from_shape_vec((m, n), w).unwrap())))
    });
    prop_oneof![4 => convolution().prop_map(LinearMap::Conv2d), 1 => dense, 1 => sparse, 1 => select, 1 => diagonal, 1 => identity]
}

/// The matrix that the products make.
fn matrix(map: &LinearMap) -> Array2<f64> {
    let mut w = Array2::zeros((map.output_len(), map.input_len()));
    map.for_each_product(|output, input, weight| w[[output, input]] += weight);
    w
}

/// Memory that holds something.
fn spare() -> Spare {
    let spare = Spare::default();
    [5, 50, 500].into_iter().for_each(|len| spare.give(vec![f64::NAN; len]));
    spare
}

fn numbers(rows: usize, columns: usize, seed: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(r, i)| ((seed + r * 7 + i * 13) % 5) as f64 - 2.0)
}

#[test]
fn lines_that_do_not_fit_the_cache_go_one_after_the_other() {
    let weight = Array4::from_shape_fn((16, 16, 3, 3), |(o, i, h, w)| ((o * 5 + i * 3 + h * 2 + w) % 7) as f64 - 3.0);
    let shape = [16, 40, 37];
    let (stride, padding, dilation) = ([1, 1], [1, 1], [1, 1]);
    let conv = Conv2d { weight, input: shape, output: shape, stride, padding, dilation, groups: 1 };
    let a = numbers(2, shape.iter().product(), 1);
    let mut exact: Array2<f64> = Array2::zeros(a.dim());
    LinearMap::Conv2d(conv.clone()).for_each_product(|output, input, weight| {
        for row in 0..2 {
            exact[[row, input]] += a[[row, output]] * weight;
        }
    });
    assert_eq!(LinearMap::Conv2d(conv).pull_back_reusing(a.view(), &spare()), exact);
}

#[test]
fn taps_that_lie_far_apart_take_no_room() {
    let (weight, shape) = (Array4::from_elem((1, 1, 2, 2), 3.0), [1, 4, 5]);
    let (stride, padding, dilation) = ([1, 1], [0, 0], [1 << 20, 1 << 20]);
    let conv = LinearMap::Conv2d(Conv2d { weight, input: shape, output: shape, stride, padding, dilation, groups: 1 });
    let a = numbers(2, 20, 1);
    assert_eq!(conv.pull_back(a.view()), &a * 3.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_product_is_that_of_the_matrix(map in map(), seed in 0..1000usize) {
        let w = matrix(&map);
        let (a, x) = (numbers(3, map.output_len(), seed), numbers(3, map.input_len(), seed));
        prop_assert_eq!(map.pull_back(a.view()), a.dot(&w));
        prop_assert_eq!(map.pull_back_reusing(a.view(), &spare()), a.dot(&w));
        prop_assert_eq!(map.push_forward(x.view()), x.dot(&w.t()));
        for (a, x) in a.rows().into_iter().zip(x.rows()) {
            let mut sums = vec![0.0; map.output_len()];
            map.apply_to(x.to_slice().unwrap(), &mut sums).unwrap();
            prop_assert_eq!(sums, w.dot(&x).to_vec());
            let mut sums = vec![0.0; map.input_len()];
            map.apply_transposed_to(a.to_slice().unwrap(), &mut sums).unwrap();
            prop_assert_eq!(sums, a.dot(&w).to_vec());
        }
        let magnitudes = w.mapv(f64::abs).dot(&x.row(0).mapv(f64::abs));
        let found = map.magnitudes(&x.row(0).mapv(f64::abs).to_vec());
        prop_assert!(found.iter().zip(&magnitudes).all(|(found, m)| found >= m && *found <= m * 1.001 + 0.001));
        let columns = map.by_input();
        for i in 0..map.input_len() {
            let mut sums = ndarray::Array1::zeros(map.output_len());
            columns.add_to(i, 1.0, sums.view_mut());
            prop_assert_eq!(sums, w.column(i).to_owned());
        }
        let mut count = 0;
        map.for_each_weight(|_| count += 1);
        prop_assert_eq!(count, map.parameters());
    }

    #[test]
    fn rows_are_those_of_the_matrix(map in map()) {
        let w = matrix(&map);
        let units = [(0, 1.0), (map.output_len() - 1, -1.0)];
        for units in [&units[..1], &units[1..], &units] {
            let rows = map.rows(units);
            for (row, &(i, sign)) in rows.rows().into_iter().zip(units) {
                prop_assert_eq!(row.to_owned(), w.row(i).mapv(|w| sign * w));
            }
            let shape = map.output_shape().unwrap_or([1, 1, map.output_len()]);
            if let Some((part, source)) = map.rows_window(units, shape, &spare()) {
                prop_assert_eq!(source.spread(&part, &Window::whole(source.shape), &spare()), rows);
            }
        }
    }

    #[test]
    fn a_window_gives_what_the_whole_gives(
        conv in convolution(), ends in prop::array::uniform4(0.0..1.0f64), seed in 0..1000usize
    ) {
        let range = |n: usize, a: f64, b: f64| {
            let (a, b) = ((a * n as f64) as usize, (b * n as f64) as usize);
            a.min(b)..a.max(b) + 1
        };
        let [_, height, width] = conv.output;
        let window = Window {
            shape: conv.output,
            rows: range(height, ends[0], ends[1]),
            columns: range(width, ends[2], ends[3]),
        };
        let part = numbers(3, window.len(), seed);
        let whole = window.spread(&part, &Window::whole(conv.output), &spare());
        let map = LinearMap::Conv2d(conv);
        let (found, source) = map.pull_back_window(part.view(), &window, &spare()).unwrap();
        prop_assert_eq!(source.spread(&found, &Window::whole(source.shape), &spare()), map.pull_back(whole.view()));
    }
}
