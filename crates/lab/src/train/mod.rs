//! A small trainer for image classifiers: dense and convolutional networks of ReLUs, or of signs with
//! weights ±1; Adam, optionally on adversarial examples, so that there is something to verify.
//!
//! The result is the same on every machine: one thread, a fixed order of operations, and no function of
//! the platform's mathematics library (the softmax has its own exponential; `sqrt` is exact by IEEE 754).
//! Training runs in `f64`; the weights are rounded to `f32` at the end, and accuracies are those of the
//! rounded network.

mod adam;
mod architecture;
pub mod digits;
mod elementary;
mod export;
mod layer;
pub mod mnist;
mod network;
mod rng;
mod signum;

pub use architecture::{Architecture, Hidden};
pub use signum::{Cancelling, Neurons, Signum};

use absint::format::images::ImageSet;
use layer::{Kind, Layer, Shape};
use network::{Example, Network};
use rng::Rng;
use thiserror::Error;

/// What to train, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// The hidden layers.
    pub architecture: Architecture,
    /// What follows each of them, and which numbers the weights may be.
    pub neurons: Neurons,
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
    /// [0, 1]; it grows linearly over the first half of the training. 0 trains on the images themselves,
    /// and signum networks do: they have [`Signum::flips`].
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
    neurons: Neurons,
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
    let mut network = Network::new(layers(options, &mut rng)?, options.neurons);
    let value = |&byte: &u8| match options.neurons {
        Neurons::Relu => f64::from(byte) / 255.0,
        Neurons::Signum(signum) => signum.pixel(byte),
    };
    let examples: Vec<Example> = (0..images.len())
        .filter_map(|i| images.bytes(i))
        .map(|(label, bytes)| (bytes.iter().map(value).collect(), label))
        .collect();
    let (training, testing) = examples.split_at(options.train_images);
    let mut order: Vec<usize> = (0..training.len()).collect();
    let mut adam = network.optimisers();
    for epoch in 0..options.epochs {
        rng.shuffle(&mut order);
        let progress = epoch as f64 / options.epochs as f64;
        let rate = options.learning_rate * (1.0 - progress);
        let strength = (2.0 * progress).min(1.0);
        for batch in order.chunks(options.batch) {
            let mut gradients = network.zeros();
            for &i in batch {
                let (x, label) = &training[i];
                let hard = hardened(options, &network, x, *label, strength, &mut rng);
                network.add_gradient(hard.as_ref().unwrap_or(x), *label, &mut gradients);
            }
            network.step(&mut adam, &gradients, batch.len(), rate, options.weight_decay);
        }
        if !network.is_finite() {
            return Err(TrainError::Diverged(epoch));
        }
    }
    for parameter in network.layers.iter_mut().flat_map(|l| &mut l.parameters) {
        *parameter = f64::from(*parameter as f32);
    }
    let (train_accuracy, test_accuracy) = (network.accuracy(training), network.accuracy(testing));
    let Network { layers, .. } = network;
    Ok(Trained { layers, neurons: options.neurons, shape: options.shape, train_accuracy, test_accuracy })
}

/// The adversarial example to train on instead of `x`, where the options want one.
fn hardened(
    options: &TrainOptions,
    network: &Network,
    x: &[f64],
    label: usize,
    strength: f64,
    rng: &mut Rng,
) -> Option<Vec<f64>> {
    match options.neurons {
        Neurons::Relu => {
            let radius = options.adversarial_radius * strength;
            (radius > 0.0).then(|| network.adversarial(x, label, radius, rng))
        }
        Neurons::Signum(signum) => {
            let flips = (signum.flips as f64 * strength).round() as usize;
            (flips > 0).then(|| network.flipped(x, label, flips))
        }
    }
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
    if matches!(options.neurons, Neurons::Signum(Signum { cancelling: Cancelling::Tanh(alpha), .. }) if !is_sensible(alpha))
    {
        return Err(TrainError::Option("the strength of gradient cancelling must be 0 or positive"));
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
