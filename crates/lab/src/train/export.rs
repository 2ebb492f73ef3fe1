//! Trained networks as ONNX files.

use super::layer::Kind;
use super::{Neurons, Trained};
use absint::format::onnx::OnnxWriter;
use ndarray::{Array2, ArrayView2, ArrayView4};

impl Trained {
    /// The network as ONNX, `float32`: input `[1, pixels]` without convolutions, else `[1, C, H, W]`. The
    /// dense weights of signum networks are stored as `int8`, and there is no bias where all are zero.
    #[must_use]
    pub fn to_onnx(&self) -> Vec<u8> {
        let starts_dense = matches!(self.layers.first().map(|l| l.kind), Some(Kind::Dense { .. }));
        let flat = [self.shape.iter().product()];
        let mut writer = OnnxWriter::input(if starts_dense { &flat } else { &self.shape });
        let mut is_image = !starts_dense;
        let is_signum = matches!(self.neurons, Neurons::Signum(_));
        let mut outputs = 0;
        for (index, layer) in self.layers.iter().enumerate() {
            let parameters: Vec<f32> = layer.parameters.iter().map(|&p| p as f32).collect();
            let (weights, biases) = parameters.split_at(layer.kind.weights());
            outputs = layer.kind.outputs();
            match layer.kind {
                Kind::Dense { inputs, outputs } => {
                    if std::mem::take(&mut is_image) {
                        writer.flatten();
                    }
                    let biases = if biases.iter().all(|&b| b == 0.0) && is_signum { &[] } else { biases };
                    if is_signum {
                        let sign = |(o, i): (usize, usize)| if weights[o * inputs + i] < 0.0 { -1 } else { 1 };
                        writer.gemm_int8(Array2::from_shape_fn((outputs, inputs), sign).view(), biases);
                    } else if let Ok(matrix) = ArrayView2::from_shape((outputs, inputs), weights) {
                        writer.gemm(matrix, biases);
                    }
                }
                Kind::Conv { input, output, kernel, stride, padding } => {
                    if let Ok(filters) = ArrayView4::from_shape((output[0], input[0], kernel, kernel), weights) {
                        writer.conv(filters, biases, [stride; 2], [padding; 4]);
                    }
                }
            }
            if index + 1 < self.layers.len() {
                match self.neurons {
                    Neurons::Relu => writer.relu(),
                    Neurons::Signum(_) => writer.sign(),
                };
            }
        }
        writer.finish(&[outputs])
    }
}
