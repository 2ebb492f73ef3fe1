//! Products of linear maps with batches whose members are columns: row `i` of a batch holds the numbers that its
//! members have at neuron `i`, side by side. In either float, for guesses and for proofs.

use super::operator::LinearOperator;
use super::{Conv2d, LinearMap};
use crate::num::Real;
use crate::num::gemm::row_product;
use crate::num::vectorised;
use std::borrow::Cow;

/// A linear map with its weights in the float `T`.
#[derive(Clone, Debug)]
pub struct ColumnMap<'a, T: Real> {
    kind: Kind<'a, T>,
    inputs: usize,
    outputs: usize,
}

#[derive(Clone, Debug)]
enum Kind<'a, T: Real> {
    Dense(Cow<'a, [T]>),
    Conv2d(Patches<'a, T>),
    /// Few products: output, input, weight.
    Products(Vec<(usize, usize, T)>),
}

/// A convolution as one product per group and output row.
#[derive(Clone, Debug)]
struct Patches<'a, T: Real> {
    conv: &'a Conv2d,
    weight: Cow<'a, [T]>,
    /// For each output row, and each output column, what the kernel's taps read, where that is inside the input.
    taps: [Vec<Vec<Option<usize>>>; 2],
}

impl LinearMap {
    /// The map for batches of columns.
    #[must_use]
    pub fn columns<T: Real>(&self) -> ColumnMap<'_, T> {
        let kind = match self {
            Self::Dense(w) => Kind::Dense(contiguous(w.as_slice(), || w.iter().copied().collect())),
            Self::Conv2d(conv) => {
                let weight = contiguous(conv.weight.as_slice(), || conv.weight.iter().copied().collect());
                let reads = |axis: usize, o: usize| {
                    let mut reads = vec![None; conv.kernel()[axis]];
                    conv.taps(axis, o).for_each(|(tap, at)| reads[tap] = Some(at));
                    reads
                };
                let along = |axis: usize| (0..conv.output[axis + 1]).map(|o| reads(axis, o)).collect();
                Kind::Conv2d(Patches { conv, weight, taps: [along(0), along(1)] })
            }
            sparse => {
                let mut products = Vec::new();
                sparse.for_each_product(|output, input, w| products.push((output, input, T::of(w))));
                Kind::Products(products)
            }
        };
        ColumnMap { kind, inputs: self.input_len(), outputs: self.output_len() }
    }
}

/// Numbers in row-major order, borrowed where they lie so.
fn contiguous<'a, T: Real>(slice: Option<&'a [f64]>, otherwise: impl Fn() -> Vec<f64>) -> Cow<'a, [T]> {
    slice.map_or_else(|| Cow::Owned(T::all_of(&otherwise()).into_owned()), T::all_of)
}

impl<T: Real> ColumnMap<'_, T> {
    /// Length of a member of the input batch.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// `out += W x` for a batch of `n` columns, in round-to-nearest; `spare` is memory to work in.
    pub fn forth(&self, x: &[T], n: usize, out: &mut [T], spare: &mut Vec<T>) {
        match &self.kind {
            Kind::Dense(w) => row_product([self.outputs, self.inputs, n], w, false, x, n, out, n, true),
            Kind::Conv2d(patches) => patches.forth(x, n, out, spare),
            Kind::Products(products) => {
                for &(output, input, w) in products {
                    add_scaled(&mut out[output * n..(output + 1) * n], w, &x[input * n..(input + 1) * n]);
                }
            }
        }
    }

    /// `out = Wᵀ a` for a batch of `n` columns, or `out += Wᵀ a`, in round-to-nearest; each entry of `Wᵀ a` is a sum of as
    /// many products as [`LinearMap::pull_back`] has there, in some order. `spare` is memory to work in.
    pub fn back(&self, a: &[T], n: usize, out: &mut [T], accumulates: bool, spare: &mut Vec<T>) {
        if !accumulates && !matches!(self.kind, Kind::Dense(_)) {
            out.fill(T::ZERO);
        }
        match &self.kind {
            Kind::Dense(w) => row_product([self.inputs, self.outputs, n], w, true, a, n, out, n, accumulates),
            Kind::Conv2d(patches) => patches.back(a, n, out, spare),
            Kind::Products(products) => {
                for &(output, input, w) in products {
                    add_scaled(&mut out[input * n..(input + 1) * n], w, &a[output * n..(output + 1) * n]);
                }
            }
        }
    }
}

#[inline(always)]
fn add<T: Real>(out: &mut [T], more: &[T]) {
    out.iter_mut().zip(more).for_each(|(out, &more)| *out += more);
}

#[inline(always)]
fn add_scaled<T: Real>(out: &mut [T], w: T, more: &[T]) {
    out.iter_mut().zip(more).for_each(|(out, &more)| *out += w * more);
}

impl<T: Real> Patches<'_, T> {
    /// Calls `f(row of the patch matrix, output column, input neuron)` for what the outputs of one row in one group read;
    /// there is no neuron beside the input.
    #[inline(always)]
    fn for_each_tap(&self, group: usize, row: usize, mut f: impl FnMut(usize, usize, Option<usize>)) {
        let [_, height, width] = self.conv.input;
        let (_, per_group, kernel_h, kernel_w) = self.conv.weight.dim();
        for channel in 0..per_group {
            for (kh, h) in self.taps[0][row].iter().enumerate() {
                let line = h.map(|h| ((group * per_group + channel) * height + h) * width);
                for (column, taps) in self.taps[1].iter().enumerate() {
                    for (kw, w) in taps.iter().enumerate() {
                        let neuron = line.zip(*w).map(|(line, w)| line + w);
                        f((channel * kernel_h + kh) * kernel_w + kw, column, neuron);
                    }
                }
            }
        }
    }

    /// Output channels of a group, taps of one output, and output columns.
    fn dimensions(&self) -> [usize; 3] {
        [self.conv.output[0] / self.conv.groups, self.conv.fan_in(), self.conv.output[2]]
    }

    fn group_weight(&self, group: usize) -> &[T] {
        let [channels, taps, _] = self.dimensions();
        &self.weight[group * channels * taps..(group + 1) * channels * taps]
    }

    /// Where a group's outputs of one output row begin, and how far apart those of its channels are.
    fn place(&self, group: usize, row: usize, n: usize) -> (usize, usize) {
        let [channels, _, columns] = self.dimensions();
        let step = self.conv.output[1] * columns * n;
        (group * channels * step + row * columns * n, step)
    }

    fn forth(&self, x: &[T], n: usize, out: &mut [T], spare: &mut Vec<T>) {
        let [channels, taps, columns] = self.dimensions();
        spare.resize(spare.len().max(taps * columns * n), T::ZERO);
        for (group, row) in each_row(self.conv.groups, self.conv.output[1]) {
            self.for_each_tap(group, row, |tap, column, input| {
                let at = (tap * columns + column) * n;
                match input {
                    Some(input) => spare[at..at + n].copy_from_slice(&x[input * n..(input + 1) * n]),
                    None => spare[at..at + n].fill(T::ZERO),
                }
            });
            let (at, step) = self.place(group, row, n);
            let dimensions = [channels, taps, columns * n];
            let w = self.group_weight(group);
            row_product(dimensions, w, false, spare, columns * n, &mut out[at..], step, true);
        }
    }

    fn back(&self, a: &[T], n: usize, out: &mut [T], spare: &mut Vec<T>) {
        let [channels, taps, columns] = self.dimensions();
        spare.resize(spare.len().max(taps * columns * n), T::ZERO);
        for (group, row) in each_row(self.conv.groups, self.conv.output[1]) {
            let (at, step) = self.place(group, row, n);
            let dimensions = [taps, channels, columns * n];
            let w = self.group_weight(group);
            row_product(dimensions, w, true, &a[at..], step, spare, columns * n, false);
            vectorised(
                #[inline(always)]
                || {
                    self.for_each_tap(
                        group,
                        row,
                        #[inline(always)]
                        |tap, column, input| {
                            let (Some(input), at) = (input, (tap * columns + column) * n) else { return };
                            add(&mut out[input * n..(input + 1) * n], &spare[at..at + n]);
                        },
                    );
                },
            );
        }
    }
}

fn each_row(groups: usize, rows: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..groups).flat_map(move |group| (0..rows).map(move |row| (group, row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Coefficients;
    use ndarray::{Array2, Array4};

    fn maps() -> Vec<LinearMap> {
        let value = |i: usize| ((i * 7 + 3) % 11) as f64 - 5.0;
        let conv = |groups: usize, stride: usize, padding: usize, dilation: usize| Conv2d {
            weight: Array4::from_shape_fn((4, 4 / groups, 3, 2), |(o, i, h, w)| value(o * 31 + i * 17 + h * 7 + w * 3)),
            input: [4, 7, 6],
            output: [
                4,
                (7 + 2 * padding - 2 * dilation - 1) / stride + 1,
                (6 + 2 * padding - dilation - 1) / stride + 1,
            ],
            stride: [stride; 2],
            padding: [padding; 2],
            dilation: [dilation; 2],
            groups,
        };
        vec![
            LinearMap::Identity(5),
            LinearMap::Dense(Array2::from_shape_fn((3, 5), |(i, j)| value(5 * i + j))),
            LinearMap::Diagonal(Coefficients::floats((0..5).map(value).collect())),
            LinearMap::Select { input_len: 5, index: vec![Some(4), None, Some(0), Some(4)] },
            LinearMap::Conv2d(conv(1, 1, 0, 1)),
            LinearMap::Conv2d(conv(2, 2, 1, 1)),
            LinearMap::Conv2d(conv(4, 1, 2, 2)),
        ]
    }

    /// With small integers every order of summation is exact.
    fn agrees<T: Real + std::fmt::Debug>() {
        for map in maps() {
            for n in [1, 3, 8] {
                let columns = map.columns::<T>();
                let number = |i: usize, r: usize| ((i * 5 + r * 3) % 7) as f64 - 3.0;
                let batch = |len: usize| -> Vec<T> {
                    (0..len).flat_map(|i| (0..n).map(move |r| T::of(number(i, r)))).collect()
                };
                let (mut forth, mut back) = (batch(map.output_len()), batch(map.input_len()));
                let mut spare = vec![T::ONE; 3];
                columns.forth(&batch(map.input_len()), n, &mut forth, &mut spare);
                columns.back(&batch(map.output_len()), n, &mut back, true, &mut spare);
                let mut anew = vec![T::ONE; map.input_len() * n];
                columns.back(&batch(map.output_len()), n, &mut anew, false, &mut spare);
                let sums: Vec<T> = anew.iter().zip(batch(map.input_len())).map(|(&a, b)| a + b).collect();
                assert!(sums == back, "{} back anew", map.kind());
                for r in 0..n {
                    let member = |len: usize| -> Vec<f64> { (0..len).map(|i| number(i, r)).collect() };
                    let (mut y, mut a) = (member(map.output_len()), member(map.input_len()));
                    map.apply_to(&member(map.input_len()), &mut y).unwrap();
                    map.apply_transposed_to(&member(map.output_len()), &mut a).unwrap();
                    let column =
                        |all: &[T]| -> Vec<f64> { all.iter().skip(r).step_by(n).map(|v| v.double()).collect() };
                    assert_eq!(column(&forth), y, "{} forth", map.kind());
                    assert_eq!(column(&back), a, "{} back", map.kind());
                }
            }
        }
    }

    #[test]
    fn columns_give_what_single_vectors_give() {
        agrees::<f32>();
        agrees::<f64>();
    }
}
