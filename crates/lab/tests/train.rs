//! The trainer: deterministic on every machine, and the shipped networks are what it makes.

#![allow(clippy::unwrap_used)]

use absint::domains::network::{LinearMap, Network, NodeKind};
use absint::domains::num::nearest;
use absint::format::images::{self, ImageSet};
use absint::format::onnx;
use absint_lab::train::{Architecture, Cancelling, Neurons, Signum, TrainError, TrainOptions, digits, mnist, train};
use std::path::{Path, PathBuf};

fn networks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../networks")
}

fn digit_images() -> ImageSet {
    images::read(networks().join("digits.csv")).unwrap()
}

/// How many of the images `range` the ONNX file classifies correctly, with pixels of ±1 where it is a
/// network of signs.
fn right(model: &[u8], images: &ImageSet, range: std::ops::Range<usize>) -> usize {
    let network = onnx::parse(model, "trained").unwrap().network;
    let is_binarized = network.activations().all(|(_, a)| a.function.name() == "sign");
    let is_right = |i: &usize| {
        let image = if is_binarized { images.get_binarized(*i, digits::THRESHOLD) } else { images.get(*i) }.unwrap();
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
    let expected =
        [9_511_441_852_894_886_040, 15_262_450_639_986_582_239, 455_802_687_567_318_939, 15_186_406_967_859_827_813];
    for ((_, options), expected) in digits::all().into_iter().zip(expected) {
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
    for (name, _) in digits::all() {
        let name = format!("{name}.onnx");
        let model = std::fs::read(networks().join(&name)).unwrap();
        let stated = format!("({} of 500)", right(&model, &images, digits::TRAIN_IMAGES..1797));
        assert!(readme.lines().any(|l| l.contains(&name) && l.contains(&stated)), "{name}: {stated}");
    }
}

#[test]
#[ignore = "takes ten seconds in release, longer without"]
fn the_shipped_networks_are_reproduced_bit_by_bit() {
    let images = digit_images();
    for (name, options) in digits::all() {
        let model = train(&options, &images).unwrap().to_onnx();
        assert!(model == std::fs::read(networks().join(name).with_extension("onnx")).unwrap(), "{name}");
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

/// Whether all weights of the network are ±1; and its biases.
fn binarized_parameters(network: &Network) -> (bool, Vec<f64>) {
    let (mut all_signs, mut biases) = (true, Vec::new());
    for node in network.nodes() {
        let NodeKind::Affine(affine) = &node.kind else { continue };
        for term in &affine.terms {
            let LinearMap::Dense(w) = &*term.map else { panic!("`{}` is not dense", node.name) };
            all_signs &= w.iter().all(|w| w.abs() == 1.0);
        }
        biases.extend(affine.bias.values());
    }
    (all_signs, biases)
}

#[test]
fn the_shipped_networks_of_signs_have_weights_of_plus_minus_one_and_no_bias() {
    let sizes = mnist::all()
        .into_iter()
        .map(|(name, _)| (name, 784))
        .chain([("digits_bnn1".to_owned(), 64), ("digits_bnn2".to_owned(), 64)]);
    for (name, inputs) in sizes {
        let network = onnx::read(&networks().join(&name).with_extension("onnx")).unwrap().network;
        let layers = if name.contains("2x") || name == "digits_bnn2" { 2 } else { 1 };
        assert_eq!((network.input_len(), network.output_len()), (inputs, 10), "{name}");
        assert_eq!(network.activations().count(), layers, "{name}");
        assert!(network.activations().all(|(_, a)| a.function.name() == "sign"), "{name}");
        let (all_signs, biases) = binarized_parameters(&network);
        // The reader moves a threshold to the middle of its gap: by one at most.
        assert!(all_signs && biases.iter().all(|&b| b.abs() <= 1.0), "{name}");
    }
}

#[test]
fn biases_of_binarized_networks_are_integers_and_cancelling_may_clip() {
    let images = digit_images();
    let Neurons::Signum(signum) = digits::bnn1().neurons else { panic!("no signs") };
    let neurons = Neurons::Signum(Signum { bias: true, cancelling: Cancelling::Clip, ..signum });
    let options = TrainOptions { neurons, epochs: 10, ..digits::bnn1() };
    let trained = train(&options, &images).unwrap();
    let model = trained.to_onnx();
    let (all_signs, biases) = binarized_parameters(&onnx::parse(&model, "trained").unwrap().network);
    assert!(all_signs && biases.iter().all(|b| b.fract() == 0.0) && biases.iter().any(|&b| b != 0.0));
    assert!(trained.test_accuracy > 0.6, "{}", trained.test_accuracy);
    assert_eq!(trained.test_accuracy, right(&model, &images, digits::TRAIN_IMAGES..1797) as f64 / 500.0);
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
    let cancelling = Cancelling::Tanh(f64::NAN);
    let signum = Signum { threshold: 128, bias: false, cancelling, flips: 0 };
    assert!(matches!(error(TrainOptions { neurons: Neurons::Signum(signum), ..mlp() }), TrainError::Option(_)));
    assert!(matches!(error(TrainOptions { learning_rate: 1e200, ..mlp() }), TrainError::Diverged(_)));
}
