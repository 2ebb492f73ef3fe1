//! A small trainer for image classifiers: dense and convolutional ReLU networks, Adam, optionally on
//! adversarial examples, so that there is something to verify.
//!
//! The result is the same on every machine: one thread, a fixed order of operations, and no function of
//! the platform's mathematics library (the softmax has its own exponential; `sqrt` is exact by IEEE 754).
//! Training runs in `f64`; the weights are rounded to `f32` at the end, and accuracies are those of the
//! rounded network.

mod architecture;
pub mod digits;
mod layer;
mod rng;

pub use architecture::{Architecture, Hidden};

use crate::format::images::ImageSet;
use crate::format::onnx::OnnxWriter;
use layer::{Kind, Layer, Shape};
use ndarray::{ArrayView2, ArrayView4};
use rng::Rng;
use thiserror::Error;

/// What to train, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// The hidden layers.
    pub architecture: Architecture,
    /// Channels, height and width of an image.
    pub shape: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// How many images, from the first, are for training; the others are for testing.
    pub train_images: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images per step.
    pub batch: usize,
    /// Adam's step size at the start; it falls linearly to zero.
    pub learning_rate: f64,
    /// Decoupled weight decay, relative to the step size.
    pub weight_decay: f64,
    /// L∞ radius of the adversarial examples (fast gradient sign from a random start), on pixels in
    /// [0, 1]; it grows linearly over the first half of the training. 0 trains on the images themselves.
    pub adversarial_radius: f64,
    /// Seed of all random choices.
    pub seed: u64,
}

/// Why nothing was trained.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TrainError {
    /// A part of an architecture that makes no sense.
    #[error(
        "`{part}` is no layer; write a number of neurons, or `conv` with channels:kernel:stride:padding, convolutions \
         first, as in `conv4:3:2:1-32`"
    )]
    Architecture {
        /// The part.
        part: String,
    },
    /// Images of another size.
    #[error("the images have {found} pixels where the shape has {expected}")]
    Shape {
        /// Pixels of an image.
        found: usize,
        /// The product of the shape.
        expected: usize,
    },
    /// A kernel that is larger than what it reads.
    #[error("the kernel of convolution {0} is larger than its padded input")]
    Kernel(usize),
    /// A label beyond the classes.
    #[error("image {image} has label {label}, but there are {classes} classes")]
    Label {
        /// The image.
        image: usize,
        /// Its label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// No images to train on, or none left to test on.
    #[error("{train} of {all} images are for training; at least one must be, and one must be left for testing")]
    Split {
        /// Images for training.
        train: usize,
        /// All images.
        all: usize,
    },
    /// An option that makes no sense.
    #[error("{0}")]
    Option(&'static str),
    /// The weights left the range of numbers.
    #[error("the training diverged in epoch {0}; choose a smaller learning rate")]
    Diverged(usize),
}

/// A trained classifier.
#[derive(Clone, Debug)]
pub struct Trained {
    layers: Vec<Layer>,
    shape: Shape,
    /// Part of the training images that are classified as their label says.
    pub train_accuracy: f64,
    /// Part of the test images that are classified as their label says.
    pub test_accuracy: f64,
}

/// Trains a network on `images`.
///
/// # Errors
/// A [`TrainError`] when options and images do not fit, or when the training diverges.
pub fn train(options: &TrainOptions, images: &ImageSet) -> Result<Trained, TrainError> {
    check(options, images)?;
    let mut rng = Rng::new(options.seed);
    let mut network = Network { layers: layers(options, &mut rng)? };
    let examples: Vec<(Vec<f64>, usize)> = (0..images.len())
        .filter_map(|i| images.bytes(i))
        .map(|(label, bytes)| (bytes.iter().map(|&k| f64::from(k) / 255.0).collect(), label))
        .collect();
    let (training, testing) = examples.split_at(options.train_images);
    let mut order: Vec<usize> = (0..training.len()).collect();
    let mut adam: Vec<Adam> = network.layers.iter().map(|l| Adam::new(l.parameters.len())).collect();
    for epoch in 0..options.epochs {
        rng.shuffle(&mut order);
        let progress = epoch as f64 / options.epochs as f64;
        let rate = options.learning_rate * (1.0 - progress);
        let radius = options.adversarial_radius * (2.0 * progress).min(1.0);
        for batch in order.chunks(options.batch) {
            let mut gradients = network.zeros();
            for &i in batch {
                let (x, label) = &training[i];
                let x = if radius > 0.0 { network.adversarial(x, *label, radius, &mut rng) } else { x.clone() };
                network.add_gradient(&x, *label, &mut gradients);
            }
            for ((layer, gradient), adam) in network.layers.iter_mut().zip(&gradients).zip(&mut adam) {
                adam.step(&mut layer.parameters, gradient, batch.len(), rate, options.weight_decay);
            }
        }
        if network.layers.iter().flat_map(|l| &l.parameters).any(|p| !p.is_finite()) {
            return Err(TrainError::Diverged(epoch));
        }
    }
    for parameter in network.layers.iter_mut().flat_map(|l| &mut l.parameters) {
        *parameter = f64::from(*parameter as f32);
    }
    let (train_accuracy, test_accuracy) = (network.accuracy(training), network.accuracy(testing));
    Ok(Trained { layers: network.layers, shape: options.shape, train_accuracy, test_accuracy })
}

fn check(options: &TrainOptions, images: &ImageSet) -> Result<(), TrainError> {
    let expected = options.shape.iter().try_fold(1usize, |p, &s| p.checked_mul(s)).unwrap_or(usize::MAX);
    if images.pixels_per_image() != expected {
        return Err(TrainError::Shape { found: images.pixels_per_image(), expected });
    }
    if options.train_images == 0 || options.train_images >= images.len() {
        return Err(TrainError::Split { train: options.train_images, all: images.len() });
    }
    let classes = options.classes;
    for image in 0..images.len() {
        if let Some((label, _)) = images.bytes(image)
            && label >= classes
        {
            return Err(TrainError::Label { image, label, classes });
        }
    }
    let is_sensible = |x: f64| x.is_finite() && x >= 0.0;
    if options.batch == 0 {
        return Err(TrainError::Option("a batch needs at least one image"));
    }
    if ![options.learning_rate, options.weight_decay, options.adversarial_radius].into_iter().all(is_sensible) {
        return Err(TrainError::Option("learning rate, weight decay and adversarial radius must be 0 or positive"));
    }
    Ok(())
}

/// The layers with random weights, the last one with an output per class.
fn layers(options: &TrainOptions, rng: &mut Rng) -> Result<Vec<Layer>, TrainError> {
    let mut layers = Vec::new();
    let mut shape = options.shape;
    let last = Hidden::Dense { neurons: options.classes };
    for (index, hidden) in options.architecture.0.iter().chain([&last]).enumerate() {
        let kind = match *hidden {
            Hidden::Dense { neurons } => Kind::Dense { inputs: shape.iter().product(), outputs: neurons },
            Hidden::Conv { channels, kernel, stride, padding } => {
                let places = |n: usize| (n + 2 * padding).checked_sub(kernel).map(|room| room / stride.max(1) + 1);
                let (Some(rows), Some(columns)) = (places(shape[1]), places(shape[2])) else {
                    return Err(TrainError::Kernel(index));
                };
                Kind::Conv { input: shape, output: [channels, rows, columns], kernel, stride, padding }
            }
        };
        shape = match kind {
            Kind::Dense { outputs, .. } => [outputs, 1, 1],
            Kind::Conv { output, .. } => output,
        };
        layers.push(Layer::random(kind, rng));
    }
    Ok(layers)
}

struct Network {
    layers: Vec<Layer>,
}

impl Network {
    fn zeros(&self) -> Vec<Vec<f64>> {
        self.layers.iter().map(|l| vec![0.0; l.parameters.len()]).collect()
    }

    /// What each layer reads, and the outputs.
    fn forward(&self, x: &[f64]) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut read = Vec::with_capacity(self.layers.len());
        let mut current = x.to_vec();
        for (index, layer) in self.layers.iter().enumerate() {
            let mut next = layer.forward(&current);
            if index + 1 < self.layers.len() {
                next.iter_mut().for_each(|z| *z = z.max(0.0));
            }
            read.push(std::mem::replace(&mut current, next));
        }
        (read, current)
    }

    /// Adds the gradient of the cross entropy; returns that of the input.
    fn add_gradient(&self, x: &[f64], label: usize, gradients: &mut [Vec<f64>]) -> Vec<f64> {
        let (read, outputs) = self.forward(x);
        let mut d = softmax(&outputs);
        d[label] -= 1.0;
        for (index, layer) in self.layers.iter().enumerate().rev() {
            d = layer.backward(&read[index], &d, &mut gradients[index]);
            if index > 0 {
                // What a layer reads is positive exactly where its ReLU passes the gradient.
                d.iter_mut().zip(&read[index]).filter(|(_, x)| **x <= 0.0).for_each(|(d, _)| *d = 0.0);
            }
        }
        d
    }

    /// One step of the gradient's sign from a random start in the ball (Wong, Rice, Kolter: "Fast is
    /// better than free", 2020), within [0, 1].
    fn adversarial(&self, x: &[f64], label: usize, radius: f64, rng: &mut Rng) -> Vec<f64> {
        let start: Vec<f64> = x.iter().map(|x| (x + radius * rng.symmetric()).clamp(0.0, 1.0)).collect();
        let gradient = self.add_gradient(&start, label, &mut self.zeros());
        let moved = |((x, start), d): ((&f64, &f64), &f64)| {
            let step = if *d == 0.0 { 0.0 } else { (1.25 * radius).copysign(*d) };
            (start + step).clamp(x - radius, x + radius).clamp(0.0, 1.0)
        };
        x.iter().zip(&start).zip(&gradient).map(moved).collect()
    }

    fn accuracy(&self, examples: &[(Vec<f64>, usize)]) -> f64 {
        let is_right = |(x, label): &&(Vec<f64>, usize)| {
            let outputs = self.forward(x).1;
            (0..outputs.len()).all(|j| j == *label || outputs[j] < outputs[*label])
        };
        examples.iter().filter(is_right).count() as f64 / examples.len() as f64
    }
}

/// The state of Adam (Kingma, Ba 2015) for one layer.
struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
    /// `β₁^t` and `β₂^t`.
    powers: (f64, f64),
}

impl Adam {
    const BETA: (f64, f64) = (0.9, 0.999);

    fn new(parameters: usize) -> Self {
        Self { mean: vec![0.0; parameters], square: vec![0.0; parameters], powers: (1.0, 1.0) }
    }

    fn step(&mut self, parameters: &mut [f64], gradient: &[f64], batch: usize, rate: f64, decay: f64) {
        let (b1, b2) = Self::BETA;
        self.powers = (self.powers.0 * b1, self.powers.1 * b2);
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, g), (mean, square)) in parameters.iter_mut().zip(gradient).zip(moments) {
            let g = g / batch as f64;
            *mean = b1 * *mean + (1.0 - b1) * g;
            *square = b2 * *square + (1.0 - b2) * g * g;
            let (m, v) = (*mean / (1.0 - self.powers.0), *square / (1.0 - self.powers.1));
            *parameter -= rate * (m / (v.sqrt() + 1e-8) + decay * *parameter);
        }
    }
}

fn softmax(z: &[f64]) -> Vec<f64> {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = z.iter().map(|z| exp_of_negative(z - largest)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// `e^x` for `x ≤ 0`, to about 1e-15 relatively, by basic operations alone: `2^k e^r` with
/// `|r| ≤ ln(2)/2`, and Taylor's series for `e^r`.
fn exp_of_negative(x: f64) -> f64 {
    if x < -700.0 || x.is_nan() {
        return if x.is_nan() { x } else { 0.0 };
    }
    let k = (x * std::f64::consts::LOG2_E).round();
    let r = x - k * std::f64::consts::LN_2;
    let series = (1..=14).rev().fold(1.0, |sum, n| 1.0 + sum * r / f64::from(n));
    series * f64::from_bits(((1023 + k as i64) as u64) << 52)
}

impl Trained {
    /// The network as ONNX, `float32`: input `[1, pixels]` without convolutions, else `[1, C, H, W]`.
    #[must_use]
    pub fn to_onnx(&self) -> Vec<u8> {
        let starts_dense = matches!(self.layers.first().map(|l| l.kind), Some(Kind::Dense { .. }));
        let flat = [self.shape.iter().product()];
        let mut writer = OnnxWriter::input(if starts_dense { &flat } else { &self.shape });
        let mut is_image = !starts_dense;
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
                    if let Ok(matrix) = ArrayView2::from_shape((outputs, inputs), weights) {
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
                writer.relu();
            }
        }
        writer.finish(&[outputs])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_agrees_with_the_library() {
        for i in 0..7000 {
            let x = -0.1 * f64::from(i);
            assert!((exp_of_negative(x) / x.exp() - 1.0).abs() < 1e-13, "{x}");
        }
        assert_eq!((exp_of_negative(0.0), exp_of_negative(f64::NEG_INFINITY)), (1.0, 0.0));
    }
}
