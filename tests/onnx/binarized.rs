//! The binarized networks at hand: what the reader makes of them, their published accuracies and verdicts.

use super::{correct, data, images, network};
use absint::domains::network::{Network, NodeKind};
use absint::domains::num::{Interval, enclose};
use absint::domains::query::Atom;
use absint::format::vnnlib;
use std::path::Path;

/// Lines of numbers.
fn numbers(path: &Path) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |l: &str| l.split(',').map(|n| n.trim().parse::<f64>().ok()).collect::<Option<Vec<f64>>>();
    text.lines().filter_map(line).collect()
}

fn class(network: &Network, x: &[f64]) -> usize {
    let y = network.evaluate(x).unwrap();
    (0..y.len()).fold(0, |best, i| if y[i] > y[best] { i } else { best })
}

/// Every activation is a signum without zero; the affine nodes before all but the first have integral weights
/// and shifts in the middle of a gap.
fn is_plain(network: &Network) {
    for (k, (_, activation)) in network.activations().enumerate() {
        assert_eq!(activation.function.name(), "sign");
        let NodeKind::Affine(affine) = &network.node(activation.source).kind else { panic!("no threshold") };
        assert!(k == 0 || affine.bias.is_exact() && affine.bias.values().iter().all(|b| (2.0 * b).fract() == 0.0));
    }
}

#[test]
fn networks_with_known_minimum_perturbations_classify_as_published() {
    let Some(data) = data("binarized networks") else { return };
    let folder = data.join("bnn_msakai");
    for name in ["mnist", "mnist_rot"] {
        let network = network(&folder.join(format!("{name}.onnx")));
        is_plain(&network);
        assert_eq!(network.nodes().len(), 12);
        for line in numbers(&folder.join(format!("{name}_images.csv"))) {
            let x: Vec<f64> = line[3..].iter().map(|p| p / 255.0).collect();
            assert_eq!(class(&network, &x), line[2] as usize);
        }
    }
    // 9587 of all 10,000.
    let mnist = images(&data.join("images/mnist_test_1000.csv"));
    assert_eq!(correct(&network(&folder.join("mnist.onnx")), &mnist), (955, 955));
}

#[test]
fn the_quantised_network_has_its_published_accuracy() {
    let Some(data) = data("binarized networks") else { return };
    let network = network(&data.join("bnn_tfc_w1a1/TFC_1W1A.onnx"));
    is_plain(&network);
    let mnist = images(&data.join("images/mnist_test_1000.csv"));
    assert_eq!(correct(&network, &mnist), (913, 913));
}

#[test]
fn traffic_signs_are_binarized_throughout_and_their_centres_have_their_class() {
    let Some(data) = data("binarized networks") else { return };
    let folder = data.join("vnncomp2023_traffic_signs");
    for (size, widths) in [
        (30, &[12544, 23328][..]),
        (48, &[61952, 15488, 20736, 5184, 3136, 256]),
        (64, &[115_200, 28800, 43264, 10816, 6400, 1600, 1024]),
    ] {
        let path = super::models(&folder).into_iter().find(|p| p.to_string_lossy().contains(&format!("3_{size}_")));
        let network = network(&path.unwrap());
        is_plain(&network);
        let lengths: Vec<usize> = network.activations().map(|(id, _)| network.node(id).len).collect();
        assert_eq!(lengths, widths);
        let file = format!("vnnlib/model_{size}_idx_7040_eps_1.00000.vnnlib");
        let query = vnnlib::read(folder.join(file)).unwrap().query;
        for case in &query.cases {
            let x: Vec<Interval> = case.region.center().iter().map(enclose).collect();
            let y = network.evaluate(&x).unwrap();
            let is_met = |atom: &Atom| atom.margin_enclosure(&x, &y).lo <= 0.0;
            assert!(!case.property.disjuncts.iter().any(|d| d.atoms.iter().all(is_met)));
        }
    }
}
