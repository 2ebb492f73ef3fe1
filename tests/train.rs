//! The trainer: deterministic on every machine, and the shipped networks are what it makes.

#![allow(clippy::unwrap_used)]

use absint::domains::num::nearest;
use absint::format::images::{self, ImageSet};
use absint::format::onnx;
use absint::train::{Architecture, TrainError, TrainOptions, digits, train};
use std::path::{Path, PathBuf};

fn networks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("networks")
}

fn digit_images() -> ImageSet {
    images::read(networks().join("digits.csv")).unwrap()
}

/// How many of the images `range` the ONNX file classifies correctly.
fn right(model: &[u8], images: &ImageSet, range: std::ops::Range<usize>) -> usize {
    let network = onnx::parse(model, "trained").unwrap().network;
    let is_right = |i: &usize| {
        let image = images.get(*i).unwrap();
        let outputs = network.evaluate(&image.pixels.iter().map(nearest).collect::<Vec<f64>>()).unwrap();
        (0..10).all(|j| j == image.label || outputs[j] < outputs[image.label])
    };
    range.filter(is_right).count()
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

fn short(options: TrainOptions) -> TrainOptions {
    TrainOptions { epochs: 2, train_images: 400, ..options }
}

#[test]
fn short_trainings_give_the_same_weights_on_every_machine() {
    let images = digit_images();
    for (options, expected) in [(digits::mlp(), 9_511_441_852_894_886_040), (digits::cnn(), 15262450639986582239)] {
        let options = short(options);
        let trained = train(&options, &images).unwrap();
        let model = trained.to_onnx();
        assert_eq!(checksum(&model), expected, "the weights have changed, or the way ONNX files are written");
        // The accuracies are those of the file.
        assert_eq!(trained.train_accuracy, right(&model, &images, 0..400) as f64 / 400.0);
        assert_eq!(trained.test_accuracy, right(&model, &images, 400..1797) as f64 / 1397.0);
        assert_ne!(train(&TrainOptions { seed: 2, ..options }, &images).unwrap().to_onnx(), model);
    }
}

#[test]
fn the_shipped_networks_have_the_accuracies_that_their_readme_states() {
    let images = digit_images();
    let readme = std::fs::read_to_string(networks().join("README.md")).unwrap();
    for name in ["digits_mlp.onnx", "digits_cnn.onnx"] {
        let model = std::fs::read(networks().join(name)).unwrap();
        let stated = format!("({} of 500)", right(&model, &images, digits::TRAIN_IMAGES..1797));
        assert!(readme.lines().any(|l| l.contains(name) && l.contains(&stated)), "{name}: {stated}");
    }
}

#[test]
#[ignore = "takes ten seconds in release, longer without"]
fn the_shipped_networks_are_reproduced_bit_by_bit() {
    let images = digit_images();
    for (name, options) in [("digits_mlp.onnx", digits::mlp()), ("digits_cnn.onnx", digits::cnn())] {
        let model = train(&options, &images).unwrap().to_onnx();
        assert!(model == std::fs::read(networks().join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_dense_layer_may_follow_convolutions_and_plain_training_works() {
    let images = digit_images();
    let architecture: Architecture = "conv2:5:3:0-12".parse().unwrap();
    let options = TrainOptions { architecture, adversarial_radius: 0.0, epochs: 20, ..digits::cnn() };
    let trained = train(&options, &images).unwrap();
    assert!(trained.test_accuracy > 0.5, "{}", trained.test_accuracy);
    assert_eq!(trained.test_accuracy, right(&trained.to_onnx(), &images, digits::TRAIN_IMAGES..1797) as f64 / 500.0);
}

#[test]
fn options_that_do_not_fit_the_images_are_refused() {
    let images = digit_images();
    let error = |options: TrainOptions| train(&options, &images).unwrap_err();
    let mlp = || short(digits::mlp());
    let split = TrainError::Split { train: 1797, all: 1797 };
    assert_eq!(error(TrainOptions { train_images: 1797, ..mlp() }), split);
    assert_eq!(error(TrainOptions { shape: [1, 8, 9], ..mlp() }), TrainError::Shape { found: 64, expected: 72 });
    assert_eq!(error(TrainOptions { classes: 9, ..mlp() }), TrainError::Label { image: 9, label: 9, classes: 9 });
    let architecture = "conv2:11:1:1".parse().unwrap();
    assert_eq!(error(TrainOptions { architecture, ..mlp() }), TrainError::Kernel(0));
    assert!(matches!(error(TrainOptions { batch: 0, ..mlp() }), TrainError::Option(_)));
    assert!(matches!(error(TrainOptions { weight_decay: f64::NAN, ..mlp() }), TrainError::Option(_)));
    assert!(matches!(error(TrainOptions { learning_rate: 1e200, ..mlp() }), TrainError::Diverged(_)));
}
