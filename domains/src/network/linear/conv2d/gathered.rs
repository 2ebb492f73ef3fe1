//! Rows of coefficients back through a convolution of stride one: each input takes what the outputs that read it have.
//!
//! The outputs stand in planes with zeros around them, as wide for every tap, so that what a tap reads is a plane from
//! some place on; one product of many terms gives the result. Adding patches instead ([`super::backwards`]) makes products
//! of few terms, which are written, read and added.

use super::Conv2d;
use crate::network::Window;
use crate::num::Spare;
use crate::num::gemm::row_product;
use ndarray::{ArrayView2, ArrayViewMut2};
use std::ops::Range;

/// How the coefficients of a window of outputs get to those of a window of inputs.
pub(super) struct Gathering<'a> {
    conv: &'a Conv2d,
    window: &'a Window,
    source: &'a Window,
    /// How far the taps reach along both axes.
    reach: [usize; 2],
    /// For each group a row per input channel: the weights of all that read one input, by output channel and tap.
    weights: Vec<Vec<f64>>,
}

impl<'a> Gathering<'a> {
    /// `None` where patches are cheaper: with strides most taps of an input read nothing, and few input channels make
    /// narrow products.
    pub(super) fn new(conv: &'a Conv2d, window: &'a Window, source: &'a Window) -> Option<Self> {
        let (channels, per_group, kernel_h, kernel_w) = conv.weight.dim();
        let (readers, taps) = (channels / conv.groups, kernel_h * kernel_w);
        let reach = [0, 1].map(|axis| (conv.kernel()[axis] - 1) * conv.dilation[axis]);
        // Taps far apart would leave planes of nothing but zeros.
        let is_far = reach[0] > source.rows.len() || reach[1] > source.columns.len();
        if conv.stride != [1, 1] || readers > MOST_PER_INPUT * per_group || is_far {
            return None;
        }
        let kernels = conv.kernels();
        let kernels = kernels.as_slice()?;
        let of_group = |group: usize| {
            let mut weights = Vec::with_capacity(per_group * readers * taps);
            for channel in 0..per_group {
                for kernel in kernels.chunks_exact(per_group * taps).skip(group * readers).take(readers) {
                    weights.extend_from_slice(&kernel[channel * taps..(channel + 1) * taps]);
                }
            }
            weights
        };
        Some(Self { conv, window, source, reach, weights: (0..conv.groups).map(of_group).collect() })
    }

    /// `out = a · W` for the coefficients `a` of a group's output channels, into those of its input channels.
    pub(super) fn pull_back(&self, a: ArrayView2<f64>, group: usize, out: &mut ArrayViewMut2<f64>, spare: &Spare) {
        let (channels, per_group, kernel_h, kernel_w) = self.conv.weight.dim();
        let (channels, terms) = (channels / self.conv.groups, channels / self.conv.groups * kernel_h * kernel_w);
        let (height, width) = (self.source.rows.len(), self.source.columns.len());
        let pitch = width + self.reach[1];
        let most = (GATHERED_NUMBERS / (terms * pitch)).clamp(1, height);
        let sizes = [channels * (most + self.reach[0]) * pitch, terms * most * pitch, per_group * most * pitch];
        let mut memory = spare.take(sizes.iter().sum());
        let (planes, memory_behind) = memory.split_at_mut(sizes[0]);
        let (gathered, product) = memory_behind.split_at_mut(sizes[1]);
        for (a, mut out) in a.rows().into_iter().zip(out.rows_mut()) {
            let (a, out) = (a.to_slice().unwrap_or(&[]), out.as_slice_mut().unwrap_or(&mut []));
            let out = &mut out[group * per_group * height * width..][..per_group * height * width];
            for first in (0..height).step_by(most) {
                let lines = most.min(height - first);
                let planes = &mut planes[..channels * (lines + self.reach[0]) * pitch];
                self.surround(a, first, lines, planes);
                let n = (lines - 1) * pitch + width;
                self.gather(planes, channels, &mut gathered[..terms * n]);
                let shape = [per_group, terms, n];
                row_product(shape, &self.weights[group], false, gathered, n, product, n, false);
                for (out, product) in out.chunks_exact_mut(height * width).zip(product.chunks_exact(n)) {
                    let out = &mut out[first * width..(first + lines) * width];
                    for (out, product) in out.chunks_exact_mut(width).zip(product.chunks(pitch)) {
                        out.copy_from_slice(&product[..width]);
                    }
                }
            }
        }
        spare.give(memory);
    }

    /// For each channel a plane of the outputs that so many lines of inputs read, from line `first` of the window on, with
    /// zeros where there is none.
    fn surround(&self, a: &[f64], first: usize, lines: usize, planes: &mut [f64]) {
        planes.fill(0.0);
        let pitch = self.source.columns.len() + self.reach[1];
        let down = self.read(0, self.source.rows.start + first, lines);
        let across = self.read(1, self.source.columns.start, self.source.columns.len());
        let (Some((top, rows)), Some((left, columns))) = (down, across) else { return };
        let line_len = self.window.columns.len();
        let channels = a.chunks_exact(self.window.rows.len() * line_len);
        for (channel, plane) in channels.zip(planes.chunks_exact_mut((lines + self.reach[0]) * pitch)) {
            let from = channel.chunks_exact(line_len).skip(rows.start).take(rows.len());
            for (from, to) in from.zip(plane.chunks_exact_mut(pitch).skip(top)) {
                to[left..left + columns.len()].copy_from_slice(&from[columns.clone()]);
            }
        }
    }

    /// Which outputs of the window along an axis read `count` inputs from `first` on, and how far behind the first place that
    /// any output could have they begin.
    fn read(&self, axis: usize, first: usize, count: usize) -> Option<(usize, Range<usize>)> {
        let outputs = [&self.window.rows, &self.window.columns][axis];
        let (origin, reach) = (first + self.conv.padding[axis], self.reach[axis]);
        let start = outputs.start.max(origin.saturating_sub(reach));
        let end = outputs.end.min(origin + count);
        (start < end).then(|| (start + reach - origin, start - outputs.start..end - outputs.start))
    }

    /// For each channel and tap a row: what the output that reads each input by that tap has there.
    fn gather(&self, planes: &[f64], channels: usize, gathered: &mut [f64]) {
        let [kernel_h, kernel_w] = self.conv.kernel();
        let pitch = self.source.columns.len() + self.reach[1];
        let n = gathered.len() / (channels * kernel_h * kernel_w);
        let mut rows = gathered.chunks_exact_mut(n);
        for plane in planes.chunks_exact(planes.len() / channels) {
            for i in 0..kernel_h {
                for (j, row) in (0..kernel_w).zip(&mut rows) {
                    let down = self.reach[0] - i * self.conv.dilation[0];
                    let start = down * pitch + self.reach[1] - j * self.conv.dilation[1];
                    row.copy_from_slice(&plane[start..start + n]);
                }
            }
        }
    }
}

/// Up to so many output channels per input channel.
const MOST_PER_INPUT: usize = 2;

/// So many gathered numbers stay in the cache.
const GATHERED_NUMBERS: usize = 1 << 15;
