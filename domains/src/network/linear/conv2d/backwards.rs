//! Rows of coefficients back through a convolution: `a ↦ a W`, over windows.

use super::Conv2d;
use super::gathered::Gathering;
use crate::network::Window;
use crate::network::linear::operator::LinearOperator as _;
use crate::num::Spare;
use crate::num::gemm::multiply_into;
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, s};
use std::ops::Range;

impl Conv2d {
    /// `out = a · W` over windows, in matrix products over many rows. What they leave out is exactly zero, so every entry
    /// is a sum of at most `fan_out` products in some order.
    pub(super) fn pull_back_patches(
        &self,
        a: ArrayView2<f64>,
        [window, source]: [&Window; 2],
        out: &mut Array2<f64>,
        spare: &Spare,
    ) {
        if window.is_empty() || source.is_empty() {
            out.fill(0.0);
            return;
        }
        let gathering = Gathering::new(self, window, source);
        let geometry = Geometry {
            reach: [
                self.reach(0, &window.rows, source.rows.start),
                self.reach(1, &window.columns, source.columns.start),
            ],
            positions: window.rows.len() * window.columns.len(),
            source,
        };
        let taps = self.fan_in();
        let out_per_group = self.output[0] / self.groups;
        let rows_at_once = (PATCH_NUMBERS / (geometry.positions * taps.max(out_per_group)).max(1)).max(1);
        let a = a.as_standard_layout();
        for first in (0..a.nrows()).step_by(rows_at_once) {
            let rows = first..a.nrows().min(first + rows_at_once);
            for group in 0..self.groups {
                let outputs = group * out_per_group..(group + 1) * out_per_group;
                let a = a.slice(s![rows.clone(), outputs.start * geometry.positions..outputs.end * geometry.positions]);
                let mut out = out.slice_mut(s![rows.clone(), ..]);
                // Forms over the whole node may read few neurons.
                let used = if window.is_whole() { used_positions(a, out_per_group) } else { None };
                match (used, &gathering) {
                    (Some(used), _) => self.scatter_patches(a, group, &used, &geometry, &mut out, spare),
                    (None, Some(gathering)) => gathering.pull_back(a, group, &mut out, spare),
                    (None, None) => self.shift_patches(a, group, &geometry, &mut out, spare),
                }
            }
        }
    }

    /// Each tap of the kernel, times the coefficients of all output positions, is added to the inputs that it reads at
    /// these positions: runs as long as the window is wide.
    fn shift_patches(
        &self,
        a: ArrayView2<f64>,
        group: usize,
        Geometry { reach: [down, across], positions, source }: &Geometry,
        out: &mut ArrayViewMut2<f64>,
        spare: &Spare,
    ) {
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let out_per_group = self.output[0] / self.groups;
        self.channels_of(group, source, out).fill(0.0);
        // Memory of one size, so that it fits again whatever the window.
        let (taps, count) = (self.fan_in(), a.nrows() * positions);
        let mut memory = spare.take(((taps + out_per_group) * count).next_power_of_two());
        let (factor, memory_of_product) = memory.split_at_mut(out_per_group * count);
        for (k, row) in a.rows().into_iter().enumerate() {
            let channels = row.to_slice().unwrap_or(&[]).chunks_exact(*positions);
            for (target, channel) in factor.chunks_exact_mut(count).zip(channels) {
                target[k * positions..(k + 1) * positions].copy_from_slice(channel);
            }
        }
        let weight = self.kernels();
        let weight = weight.slice(s![group * out_per_group..(group + 1) * out_per_group, ..]);
        let product = &mut memory_of_product[..taps * count];
        multiply_into(weight.t(), matrix(factor, count), matrix_mut(product, count));
        let (width, columns) = (across.len(), source.columns.len());
        let runs: Vec<Option<Run>> = (0..kernel_w).map(|tap| self.run(tap, across)).collect();
        for (k, mut target) in out.rows_mut().into_iter().enumerate() {
            let target = target.as_slice_mut().unwrap_or(&mut []);
            for (tap, patch) in product.chunks_exact(count).enumerate() {
                let patch = &patch[k * positions..(k + 1) * positions];
                let (channel, i, j) = (tap / (kernel_h * kernel_w), tap / kernel_w % kernel_h, tap % kernel_w);
                let Some(run) = &runs[j] else { continue };
                for (reach, patch) in down.iter().zip(patch.chunks_exact(width)) {
                    let Some(step) = i.checked_sub(reach.tap).filter(|step| *step < reach.count) else { continue };
                    let line = (group * per_group + channel) * source.rows.len() + reach.at + step * self.dilation[0];
                    run.add(&patch[run.columns.clone()], &mut target[line * columns..(line + 1) * columns]);
                }
            }
        }
        spare.give(memory);
    }

    /// The coefficients of a group's input channels.
    fn channels_of<'o>(
        &self,
        group: usize,
        source: &Window,
        out: &'o mut ArrayViewMut2<f64>,
    ) -> ArrayViewMut2<'o, f64> {
        let len = source.len() / self.groups;
        out.slice_mut(s![.., group * len..(group + 1) * len])
    }

    /// The output positions at which a tap falls inside the input, along an axis, and where.
    fn run(&self, tap: usize, across: &[Reach]) -> Option<Run> {
        let reads = |reach: &Reach| (reach.tap..reach.tap + reach.count).contains(&tap);
        // They follow one another.
        let first = across.iter().position(reads)?;
        let count = across[first..].iter().take_while(|reach| reads(reach)).count();
        let start = across[first].at + (tap - across[first].tap) * self.dilation[1];
        Some(Run { columns: first..first + count, start, step: self.stride[1] })
    }

    /// The coefficients of a used output position, over all channels, times the kernel give a patch that is added to the
    /// inputs which the position reads.
    fn scatter_patches(
        &self,
        a: ArrayView2<f64>,
        group: usize,
        used: &[Vec<usize>],
        Geometry { reach, positions, source }: &Geometry,
        out: &mut ArrayViewMut2<f64>,
        spare: &Spare,
    ) {
        let (_, per_group, ..) = self.weight.dim();
        let out_per_group = self.output[0] / self.groups;
        self.channels_of(group, source, out).fill(0.0);
        // One column per used position; the rows are the group's output channels.
        let mut factor = spare.matrix(out_per_group, used.iter().map(Vec::len).sum());
        let mut start = 0;
        for (row, used) in a.rows().into_iter().zip(used) {
            let channels = row.to_slice().unwrap_or(&[]).chunks_exact(*positions);
            for (channel, mut target) in channels.zip(factor.rows_mut()) {
                let target = target.as_slice_mut().unwrap_or(&mut []);
                target[start..].iter_mut().zip(used).for_each(|(t, &p)| *t = channel[p]);
            }
            start += used.len();
        }
        let weight = self.kernels();
        let weight = weight.slice(s![group * out_per_group..(group + 1) * out_per_group, ..]);
        let mut product = spare.matrix(factor.ncols(), self.fan_in());
        multiply_into(factor.t(), weight, product.view_mut());
        let mut patches = product.rows().into_iter();
        let width = reach[1].len();
        for (mut target, used) in out.rows_mut().into_iter().zip(used) {
            let target = target.as_slice_mut().unwrap_or(&mut []);
            for (&p, patch) in used.iter().zip(&mut patches) {
                let reach = [&reach[0][p / width], &reach[1][p % width]];
                self.scatter(patch.to_slice().unwrap_or(&[]), group * per_group, reach, target, source);
            }
        }
        spare.give_matrix(factor);
        spare.give_matrix(product);
    }

    /// For the output positions along `axis` the taps that fall inside the input, counted from the
    /// input position `origin`.
    fn reach(&self, axis: usize, outputs: &Range<usize>, origin: usize) -> Vec<Reach> {
        let of_position = |o| {
            let mut taps = self.taps(axis, o);
            // Taps inside the input follow one another.
            let (tap, at) = taps.next().unwrap_or((0, origin));
            Reach { tap, at: at - origin, count: self.taps(axis, o).count() }
        };
        outputs.clone().map(of_position).collect()
    }

    /// Adds a position's patch (channel × kernel row × kernel column) to the inputs it covers, which
    /// `target` has over `source`.
    fn scatter(
        &self,
        patch: &[f64],
        first_channel: usize,
        [down, across]: [&Reach; 2],
        target: &mut [f64],
        source: &Window,
    ) {
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let [step_down, step] = self.dilation;
        for ci in 0..per_group {
            for i in 0..down.count {
                let line = (first_channel + ci) * source.rows.len() + down.at + i * step_down;
                let target = &mut target[line * source.columns.len() + across.at..];
                let patch = &patch[(ci * kernel_h + down.tap + i) * kernel_w + across.tap..][..across.count];
                if step == 1 {
                    target[..across.count].iter_mut().zip(patch).for_each(|(t, p)| *t += p);
                } else {
                    target.iter_mut().step_by(step).zip(patch).for_each(|(t, p)| *t += p);
                }
            }
        }
    }
}

fn matrix(numbers: &[f64], columns: usize) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape((numbers.len() / columns, columns), numbers).expect("whole rows")
}

fn matrix_mut(numbers: &mut [f64], columns: usize) -> ArrayViewMut2<'_, f64> {
    ArrayViewMut2::from_shape((numbers.len() / columns, columns), numbers).expect("whole rows")
}

/// How the windows of a product lie to each other.
struct Geometry<'a> {
    /// For the rows and the columns of the window of outputs what they read in that of inputs.
    reach: [Vec<Reach>; 2],
    /// How many positions the window of outputs has.
    positions: usize,
    /// The window of inputs.
    source: &'a Window,
}

/// The positions at which each row has coefficients in one of its channels, when these are few.
fn used_positions(a: ArrayView2<f64>, channels: usize) -> Option<Vec<Vec<usize>>> {
    let positions = a.ncols() / channels.max(1);
    let mut used = vec![false; positions];
    let of_row = |row: ArrayView1<f64>| -> Vec<usize> {
        used.fill(false);
        for channel in row.to_slice().unwrap_or(&[]).chunks_exact(positions.max(1)) {
            used.iter_mut().zip(channel).for_each(|(used, &a)| *used |= a != 0.0);
        }
        (0..positions).filter(|&p| used[p]).collect()
    };
    let all: Vec<Vec<usize>> = a.rows().into_iter().map(of_row).collect();
    (all.iter().map(Vec::len).sum::<usize>() * FEW < positions * a.nrows()).then_some(all)
}

/// Positions are few when they are one in so many.
const FEW: usize = 3;

/// Outputs in a row at which a tap falls inside the input.
struct Run {
    columns: Range<usize>,
    /// The input that the first of them reads.
    start: usize,
    /// From one input to the next.
    step: usize,
}

impl Run {
    fn add(&self, patch: &[f64], line: &mut [f64]) {
        let line = &mut line[self.start..];
        if self.step == 1 {
            line.iter_mut().zip(patch).for_each(|(t, p)| *t += p);
        } else {
            line.iter_mut().step_by(self.step).zip(patch).for_each(|(t, p)| *t += p);
        }
    }
}

/// The taps of an output position along one axis that fall inside the input.
struct Reach {
    /// The first of them.
    tap: usize,
    /// Where it reads.
    at: usize,
    /// How many there are.
    count: usize,
}

/// How many numbers the patches of one matrix product may have: they should stay in the cache.
const PATCH_NUMBERS: usize = 1 << 16;
