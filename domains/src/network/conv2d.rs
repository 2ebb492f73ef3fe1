use ndarray::Array4;

/// A two-dimensional convolution (cross-correlation, as ONNX `Conv`) over `channels × height × width`
/// vectors in row-major order.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// Output channels × (input channels / groups) × kernel height × kernel width.
    pub weight: Array4<f64>,
    /// Input channels, height and width.
    pub input: [usize; 3],
    /// Output channels, height and width.
    pub output: [usize; 3],
    /// Step per output row and column.
    pub stride: [usize; 2],
    /// Zeros above and left of the input (what is needed below and right follows from the shapes).
    pub padding: [usize; 2],
    /// Distance between kernel taps.
    pub dilation: [usize; 2],
    /// Channel groups.
    pub groups: usize,
}

impl Conv2d {
    /// Length of the input vector.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    /// Length of the output vector.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// Kernel height and width.
    #[must_use]
    pub fn kernel(&self) -> [usize; 2] {
        let (_, _, kh, kw) = self.weight.dim();
        [kh, kw]
    }

    /// Products that one output sums.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        let (_, channels, kh, kw) = self.weight.dim();
        channels * kh * kw
    }

    /// At most this many products meet in one input coefficient when the map is transposed.
    #[must_use]
    pub fn fan_out(&self) -> usize {
        let (out, _, kh, kw) = self.weight.dim();
        out / self.groups * kh * kw
    }

    /// What is wrong with the geometry, if anything.
    #[must_use]
    pub fn geometry_error(&self) -> Option<String> {
        let (out, per_group, kh, kw) = self.weight.dim();
        let [channels, height, width] = self.input;
        if self.groups == 0 || out % self.groups != 0 || per_group * self.groups != channels {
            return Some(format!(
                "{out} output and {channels} input channels do not split into {} groups of a weight with {per_group} \
                 channels",
                self.groups
            ));
        }
        if self.output[0] != out {
            return Some(format!("the weight has {out} output channels, the output {}", self.output[0]));
        }
        if kh == 0 || kw == 0 || self.stride.contains(&0) || self.dilation.contains(&0) {
            return Some("kernel, stride and dilation must be positive".into());
        }
        let reach = |kernel: usize, axis: usize| (kernel - 1).checked_mul(self.dilation[axis]);
        for (axis, (size, kernel)) in [(height, kh), (width, kw)].into_iter().enumerate() {
            if reach(kernel, axis).is_none_or(|r| r > 1 << 20) || self.padding[axis] > 1 << 20 || size > 1 << 20 {
                return Some("kernel, padding or image larger than a million".into());
            }
        }
        None
    }

    /// For output position `o` along `axis`, the kernel taps that fall inside the input, with the
    /// input position of each.
    pub(super) fn taps(&self, axis: usize, o: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let size = self.input[axis + 1];
        (0..self.kernel()[axis]).filter_map(move |k| {
            let at = (o * self.stride[axis] + k * self.dilation[axis]).checked_sub(self.padding[axis])?;
            (at < size).then_some((k, at))
        })
    }

    /// The convolution that computes just the outputs `index`, where these are the first rows and columns of
    /// every channel, in order.
    pub(super) fn cropped(&self, index: &[Option<usize>]) -> Option<Self> {
        let [channels, _, width] = self.output;
        let columns = index.iter().enumerate().take(width).take_while(|(k, i)| **i == Some(*k)).count();
        let rows = index.len().checked_div(channels * columns)?;
        let cropped = Self { output: [channels, rows, columns], ..self.clone() };
        let place = |k: usize| {
            let (channel, row, column) = (k / columns / rows, k / columns % rows, k % columns);
            (channel * self.output[1] + row) * width + column
        };
        let fits = cropped.output_len() == index.len() && rows > 0 && rows <= self.output[1];
        (fits && index.iter().enumerate().all(|(k, i)| *i == Some(place(k)))).then_some(cropped)
    }

    /// Calls `f(output index, input index, weight)` for every product of the convolution.
    pub fn for_each_product(&self, mut f: impl FnMut(usize, usize, f64)) {
        let [_, height, width] = self.input;
        let [channels_out, rows, columns] = self.output;
        let per_group = self.weight.dim().1;
        let out_per_group = channels_out / self.groups;
        for co in 0..channels_out {
            let first_channel = co / out_per_group * per_group;
            for r in 0..rows {
                for c in 0..columns {
                    let out = (co * rows + r) * columns + c;
                    for ci in 0..per_group {
                        for (kh, h) in self.taps(0, r) {
                            let row = ((first_channel + ci) * height + h) * width;
                            for (kw, w) in self.taps(1, c) {
                                f(out, row + w, self.weight[[co, ci, kh, kw]]);
                            }
                        }
                    }
                }
            }
        }
    }
}
