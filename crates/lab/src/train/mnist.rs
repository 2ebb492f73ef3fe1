//! The recipes of the binarized networks in `networks/` for MNIST: weights ±1 without bias, one and two
//! hidden layers of 32, 64 and 128 neurons, as in Table 1 of Li, Gómez and others on the convex hull of the
//! signum.

use super::{Architecture, Cancelling, Hidden, Neurons, Signum, TrainOptions};

/// Of the 10,000 images of MNIST's test set, the first 8,000 are for training, the last 2,000 for testing.
pub const TRAIN_IMAGES: usize = 8000;

/// A pixel from this byte on is +1, below −1.
pub const THRESHOLD: u8 = 128;

/// Every network's name and recipe.
#[must_use]
pub fn all() -> Vec<(String, TrainOptions)> {
    let sizes = [32, 64, 128].into_iter().flat_map(|neurons| [(neurons, 1), (neurons, 2)]);
    sizes.map(|(neurons, layers)| (format!("mnist_bnn_{layers}x{neurons}"), bnn(neurons, layers))).collect()
}

fn bnn(neurons: usize, layers: usize) -> TrainOptions {
    let signum = Signum { threshold: THRESHOLD, bias: false, cancelling: Cancelling::Tanh(1.0), flips: 0 };
    TrainOptions {
        architecture: Architecture(vec![Hidden::Dense { neurons }; layers]),
        neurons: Neurons::Signum(signum),
        shape: [1, 28, 28],
        classes: 10,
        train_images: TRAIN_IMAGES,
        epochs: 20,
        batch: 32,
        learning_rate: 3e-3,
        weight_decay: 0.0,
        adversarial_radius: 0.0,
        seed: 1,
    }
}
