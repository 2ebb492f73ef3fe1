//! Many inputs at once through a convolution: `x ↦ W x` as matrix products.

use super::Conv2d;
use crate::num::gemm::multiply_into;
use ndarray::{Array2, ArrayView2, s};

impl Conv2d {
    /// Per input and group the patches of all positions as columns, times the kernel.
    pub(super) fn push_patches(&self, x: ArrayView2<f64>, out: &mut Array2<f64>) {
        let [_, height, width] = self.input;
        let [channels, rows, columns] = self.output;
        let (_, per_group, kernel_h, kernel_w) = self.weight.dim();
        let (taps, positions, in_group) =
            (per_group * kernel_h * kernel_w, rows * columns, channels / self.groups.max(1));
        let weight = self.kernels();
        let mut patches = Array2::zeros((taps, positions));
        for (x, mut out) in x.rows().into_iter().zip(out.rows_mut()) {
            let mut out = out.view_mut().into_shape_with_order((channels, positions)).expect("channels × positions");
            for group in 0..self.groups {
                patches.fill(0.0);
                for (r, c) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                    for ci in 0..per_group {
                        for (kh, h) in self.taps(0, r) {
                            let line = ((group * per_group + ci) * height + h) * width;
                            for (kw, w) in self.taps(1, c) {
                                patches[[(ci * kernel_h + kh) * kernel_w + kw, r * columns + c]] = x[line + w];
                            }
                        }
                    }
                }
                let members = group * in_group..(group + 1) * in_group;
                let target = out.slice_mut(s![members.clone(), ..]);
                multiply_into(weight.slice(s![members, ..]), patches.view(), target);
            }
        }
    }
}
