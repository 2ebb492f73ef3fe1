//! Rows of coefficients back through a convolution: `a ↦ a W`, over windows.

use super::Conv2d;
use crate::network::Window;
use crate::network::linear::operator::matrix_reusing;
use crate::num::gemm::multiply_into;
use ndarray::{Array2, ArrayView2, s};
use std::ops::Range;

impl Conv2d {
    /// `out = a · W` over windows: the coefficients of an output position, over all channels, times the
    /// kernel give a patch that is added to the inputs which the position reads.
    ///
    /// Many rows go into one matrix product, but only the positions where a row has coefficients: forms
    /// may read few neurons. What is left out is exactly zero, so every entry is still a sum of at most
    /// `fan_out` products in some order.
    pub(super) fn scatter_patches(&self, a: ArrayView2<f64>, window: &Window, out: &mut Array2<f64>, source: &Window) {
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let out_per_group = self.output[0] / self.groups;
        let positions = window.rows.len() * window.columns.len();
        let taps = per_group * kernel_h * kernel_w;
        out.fill(0.0);
        if positions == 0 || source.is_empty() {
            return;
        }
        let a = a.as_standard_layout();
        let weight = self.kernels();
        let reach =
            [self.reach(0, &window.rows, source.rows.start), self.reach(1, &window.columns, source.columns.start)];
        let rows_at_once = (PATCH_NUMBERS / (positions * taps.max(out_per_group)).max(1)).max(1);
        let (mut gathered, mut patches) = (Vec::new(), Vec::new());
        let mut used = vec![false; positions];
        // The used positions of one row after the other, and where those of each row end.
        let (mut at, mut ends): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for first_row in (0..a.nrows()).step_by(rows_at_once) {
            let chunk = first_row..a.nrows().min(first_row + rows_at_once);
            for g in 0..self.groups {
                let outputs = g * out_per_group..(g + 1) * out_per_group;
                let channels = |row: usize| {
                    let row = a.row(row).to_slice().unwrap_or(&[]);
                    row[outputs.start * positions..outputs.end * positions].chunks_exact(positions)
                };
                at.clear();
                ends.clear();
                for row in chunk.clone() {
                    used.fill(false);
                    for channel in channels(row) {
                        used.iter_mut().zip(channel).for_each(|(used, &a)| *used |= a != 0.0);
                    }
                    at.extend((0..positions).filter(|&p| used[p]));
                    ends.push(at.len());
                }
                // One column per used position; the rows are the group's output channels.
                let mut factor = matrix_reusing(gathered, out_per_group, at.len());
                let mut start = 0;
                for (row, &end) in chunk.clone().zip(&ends) {
                    for (channel, mut target) in channels(row).zip(factor.rows_mut()) {
                        let target = target.as_slice_mut().unwrap_or(&mut []);
                        target[start..end].iter_mut().zip(&at[start..end]).for_each(|(t, &p)| *t = channel[p]);
                    }
                    start = end;
                }
                let mut product = matrix_reusing(patches, at.len(), taps);
                multiply_into(factor.t(), weight.slice(s![outputs.clone(), ..]), product.view_mut());
                let mut start = 0;
                for (row, &end) in chunk.clone().zip(&ends) {
                    let mut target = out.row_mut(row);
                    let target = target.as_slice_mut().unwrap_or(&mut []);
                    for (patch, &p) in product.slice(s![start..end, ..]).rows().into_iter().zip(&at[start..end]) {
                        let reach = [&reach[0][p / window.columns.len()], &reach[1][p % window.columns.len()]];
                        self.scatter(patch.to_slice().unwrap_or(&[]), g * per_group, reach, target, source);
                    }
                    start = end;
                }
                gathered = factor.into_raw_vec_and_offset().0;
                patches = product.into_raw_vec_and_offset().0;
            }
        }
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
