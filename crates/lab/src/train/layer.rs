//! One layer: forth, and gradients back.

use super::rng::Rng;

/// Shape of an image: channels, height, width.
pub(super) type Shape = [usize; 3];

/// A linear layer `z = W x + b`; weights in ONNX's order, then the biases.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) kind: Kind,
    pub(super) parameters: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Weights as outputs × inputs.
    Dense { inputs: usize, outputs: usize },
    /// Weights as output channels × input channels × kernel × kernel.
    Conv { input: Shape, output: Shape, kernel: usize, stride: usize, padding: usize },
}

impl Kind {
    /// Number of weights, of biases, and of weights that one output reads.
    fn sizes(self) -> (usize, usize, usize) {
        match self {
            Self::Dense { inputs, outputs } => (inputs * outputs, outputs, inputs),
            Self::Conv { input, output, kernel, .. } => {
                let fan_in = input[0] * kernel * kernel;
                (output[0] * fan_in, output[0], fan_in)
            }
        }
    }

    pub(super) fn inputs(self) -> usize {
        match self {
            Self::Dense { inputs, .. } => inputs,
            Self::Conv { input, .. } => input.iter().product(),
        }
    }

    pub(super) fn outputs(self) -> usize {
        match self {
            Self::Dense { outputs, .. } => outputs,
            Self::Conv { output, .. } => output.iter().product(),
        }
    }

    pub(super) fn weights(self) -> usize {
        self.sizes().0
    }

    /// `√fan-in`: the deviation of a sum of so many random signs.
    pub(super) fn deviation(self) -> f64 {
        (self.sizes().2 as f64).sqrt()
    }

    /// Calls `visit(output, input, weight)` for every product of a convolution, in a fixed order.
    #[inline]
    fn products(self, mut visit: impl FnMut(usize, usize, usize)) {
        match self {
            Self::Dense { .. } => {}
            Self::Conv {
                input: [channels, height, width],
                output: [filters, rows, columns],
                kernel,
                stride,
                padding,
            } => {
                for (f, c) in (0..filters).flat_map(|f| (0..channels).map(move |c| (f, c))) {
                    for (u, v) in (0..kernel).flat_map(|u| (0..kernel).map(move |v| (u, v))) {
                        let weight = ((f * channels + c) * kernel + u) * kernel + v;
                        for row in 0..rows {
                            let y = (row * stride + u).wrapping_sub(padding);
                            if y >= height {
                                continue;
                            }
                            for column in 0..columns {
                                let x = (column * stride + v).wrapping_sub(padding);
                                if x < width {
                                    visit((f * rows + row) * columns + column, (c * height + y) * width + x, weight);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The bias of output `o`.
    fn bias(self, o: usize) -> usize {
        match self {
            Self::Dense { .. } => o,
            Self::Conv { output: [_, rows, columns], .. } => o / (rows * columns),
        }
    }
}

impl Layer {
    /// Weights uniform with the variance `2 / fan-in` that suits ReLU (He et al. 2015), biases zero.
    pub(super) fn random(kind: Kind, rng: &mut Rng) -> Self {
        let (weights, biases, fan_in) = kind.sizes();
        let scale = (6.0 / fan_in as f64).sqrt();
        let weights = (0..weights).map(|_| scale * rng.symmetric());
        Self { kind, parameters: weights.chain(std::iter::repeat_n(0.0, biases)).collect() }
    }

    pub(super) fn forward(&self, x: &[f64]) -> Vec<f64> {
        let (weights, biases) = self.parameters.split_at(self.kind.weights());
        let mut z: Vec<f64> = (0..self.kind.outputs()).map(|o| biases[self.kind.bias(o)]).collect();
        match self.kind {
            Kind::Dense { inputs, .. } => dense_forward(weights, inputs, x, &mut z),
            Kind::Conv { .. } => self.kind.products(|o, i, w| z[o] += weights[w] * x[i]),
        }
        z
    }

    /// Adds the gradient of the parameters to `gradient`; returns that of the input, which is left empty
    /// unless it is wanted.
    pub(super) fn backward(&self, x: &[f64], dz: &[f64], gradient: &mut [f64], of_input: bool) -> Vec<f64> {
        let (dw, db) = gradient.split_at_mut(self.kind.weights());
        for (o, &d) in dz.iter().enumerate() {
            db[self.kind.bias(o)] += d;
        }
        let mut dx = vec![0.0; if of_input { self.kind.inputs() } else { 0 }];
        match self.kind {
            Kind::Dense { inputs, .. } => {
                let rows = dw.chunks_exact_mut(inputs).zip(self.parameters.chunks_exact(inputs));
                for (&d, (dw, w)) in dz.iter().zip(rows) {
                    dw.iter_mut().zip(x).for_each(|(dw, x)| *dw += d * x);
                    dx.iter_mut().zip(w).for_each(|(dx, w)| *dx += d * w);
                }
            }
            Kind::Conv { .. } => self.kind.products(|o, i, w| {
                dw[w] += dz[o] * x[i];
                if of_input {
                    dx[i] += dz[o] * self.parameters[w];
                }
            }),
        }
        dx
    }
}

/// Adds `W x` to `z`. Every sum runs from left to right; eight of them run side by side.
fn dense_forward(weights: &[f64], inputs: usize, x: &[f64], z: &mut [f64]) {
    const SIDE_BY_SIDE: usize = 8;
    for (rows, z) in weights.chunks(SIDE_BY_SIDE * inputs).zip(z.chunks_mut(SIDE_BY_SIDE)) {
        if let Ok(z) = <&mut [f64; SIDE_BY_SIDE]>::try_from(&mut *z) {
            let mut sums = *z;
            let rows: [&[f64]; SIDE_BY_SIDE] = std::array::from_fn(|k| &rows[k * inputs..][..inputs]);
            for (i, x) in x.iter().enumerate() {
                for (sum, row) in sums.iter_mut().zip(rows) {
                    *sum += row[i] * x;
                }
            }
            *z = sums;
        } else {
            for (z, row) in z.iter_mut().zip(rows.chunks_exact(inputs)) {
                row.iter().zip(x).for_each(|(w, x)| *z += w * x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut rng = Rng::new(1);
        let conv = Kind::Conv { input: [2, 4, 3], output: [3, 2, 2], kernel: 3, stride: 2, padding: 1 };
        for kind in [Kind::Dense { inputs: 3, outputs: 11 }, conv] {
            let mut layer = Layer::random(kind, &mut rng);
            let mut x: Vec<f64> = (0..kind.inputs()).map(|_| rng.symmetric()).collect();
            let dz: Vec<f64> = (0..kind.outputs()).map(|_| rng.symmetric()).collect();
            let mut gradient = vec![0.0; layer.parameters.len()];
            let dx = layer.backward(&x, &dz, &mut gradient, true);
            let value = |layer: &Layer, x: &[f64]| layer.forward(x).iter().zip(&dz).map(|(z, d)| z * d).sum::<f64>();
            let before = value(&layer, &x);
            for i in 0..x.len() {
                x[i] += 1.0;
                assert!((value(&layer, &x) - before - dx[i]).abs() < 1e-12);
                x[i] -= 1.0;
            }
            for (p, d) in gradient.iter().enumerate() {
                layer.parameters[p] += 1.0;
                assert!((value(&layer, &x) - before - d).abs() < 1e-12);
                layer.parameters[p] -= 1.0;
            }
        }
    }
}
