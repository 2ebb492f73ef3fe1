//! The recipes of the networks in `networks/`: 8×8 handwritten digits.

use super::{Architecture, Cancelling, Hidden, Neurons, Signum, TrainOptions};

/// Of the 1,797 images of `networks/digits.csv`, the first 1,297 are for training, the last 500 for
/// testing.
pub const TRAIN_IMAGES: usize = 1297;

/// Every network's name and recipe.
#[must_use]
pub fn all() -> [(&'static str, TrainOptions); 4] {
    [("digits_mlp", mlp()), ("digits_cnn", cnn()), ("digits_bnn1", bnn1()), ("digits_bnn2", bnn2())]
}

fn options(layers: Vec<Hidden>) -> TrainOptions {
    TrainOptions {
        architecture: Architecture(layers),
        neurons: Neurons::Relu,
        shape: [1, 8, 8],
        classes: 10,
        train_images: TRAIN_IMAGES,
        epochs: 60,
        batch: 32,
        learning_rate: 3e-3,
        weight_decay: 1e-2,
        adversarial_radius: 0.05,
        seed: 1,
    }
}

/// `networks/digits_mlp.onnx`: 64–32–32–10.
#[must_use]
pub fn mlp() -> TrainOptions {
    options(vec![Hidden::Dense { neurons: 32 }, Hidden::Dense { neurons: 32 }])
}

/// `networks/digits_cnn.onnx`: two convolutions (4 and 8 channels, 3×3, the second with stride 2), then
/// a dense layer.
#[must_use]
pub fn cnn() -> TrainOptions {
    let conv = |channels, stride| Hidden::Conv { channels, kernel: 3, stride, padding: 1 };
    options(vec![conv(4, 1), conv(8, 2)])
}

/// `networks/digits_bnn1.onnx`: 64–64–10 with weights ±1 and no bias.
#[must_use]
pub fn bnn1() -> TrainOptions {
    bnn(vec![Hidden::Dense { neurons: 64 }])
}

/// `networks/digits_bnn2.onnx`: 64–64–64–10 with weights ±1 and no bias.
#[must_use]
pub fn bnn2() -> TrainOptions {
    bnn(vec![Hidden::Dense { neurons: 64 }; 2])
}

/// A pixel from this byte on is +1 for the binarized networks, below −1.
pub const THRESHOLD: u8 = 96;

fn bnn(layers: Vec<Hidden>) -> TrainOptions {
    let signum = Signum { threshold: THRESHOLD, bias: false, cancelling: Cancelling::Tanh(1.0), flips: 1 };
    TrainOptions { neurons: Neurons::Signum(signum), weight_decay: 0.0, adversarial_radius: 0.0, ..options(layers) }
}
