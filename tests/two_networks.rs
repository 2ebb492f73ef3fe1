//! Two networks over one region, and networks with a Softmax at their ends, by the convention of VNN-LIB 2.0.

#![allow(clippy::unwrap_used)]

#[path = "common/folder.rs"]
mod folder;

use absint::analyze::{AnalyzeError, check_certifiable};
use absint::domains::num::Rational;
use absint::domains::query::{HalfSpace, Query, Region};
use absint::format::onnx::{Attribute, OnnxWriter};
use folder::Folder;
use ndarray::Array2;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// Three layers; the last bias is `last`.
fn deeper_network(seed: u64, last: f32) -> Vec<u8> {
    let mut random = SplitMix64::seed_from_u64(seed);
    let mut weights =
        |rows, columns| Array2::from_shape_fn((rows, columns), |_| (random.next_u64() % 17) as f32 / 8.0 - 1.0);
    let (first, second, third) = (weights(6, 2), weights(6, 6), weights(1, 6));
    let mut writer = OnnxWriter::input(&[2]);
    writer.gemm(first.view(), &[0.25, -0.5, 0.0, -1.0, 0.5, 0.25]).relu();
    writer.gemm(second.view(), &[-1.0, 0.5, -0.25, 0.0, -2.0, 1.0]).relu().gemm(third.view(), &[last]);
    writer.finish(&[1])
}

/// Lines of each network alone do not show it: what is known of one would have to be known of the other.
#[test]
fn back_substitution_goes_over_the_differences_of_two_networks() {
    let query = "(declare-network f (declare-input X real [1,2]) (declare-output Y real [1,1]))
         (declare-network g (declare-input A real [1,2]) (declare-output B real [1,1]))
         (assert (and (<= -1 X[0,0] 1) (<= -1 X[0,1] 1) (<= -1 A[0,0] 1) (<= -1 A[0,1] 1)))
         (assert (and (== X[0,0] A[0,0]) (== X[0,1] A[0,1])))
         (assert (or (>= (- B[0,0] Y[0,0]) 0.03125) (>= Y[0,0] B[0,0])))";
    for seed in 0..8 {
        // They differ by 1/64.
        let [f, g] = [0.25, 0.25 + 1.0 / 64.0].map(|last| deeper_network(seed, last));
        let folder = Folder::new(query).with("f.onnx", f).with("g.onnx", g);
        assert_eq!(folder.answer("--network f=f.onnx --network g=g.onnx --domain deeppoly"), ["unsat"], "{seed}");
    }
}

/// No input is there, whatever the networks are.
#[test]
fn ordered_inputs_that_exclude_each_other_are_no_inputs() {
    let model = deeper_network(3, 0.25);
    let answer = |order: &str| {
        let query = format!(
            "(declare-network f (declare-input X real [1,2]) (declare-output Y real [1,1]))
             (declare-network g (isomorphic-to f) (declare-input A real [1,2]) (declare-output B real [1,1]))
             (assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1) (<= 0 A[0,0] 1) (<= 0 A[0,1] 1)))
             (assert (or (and (<= Y[0,0] 1000) {order}) (and (>= B[0,0] -1000) {order})))"
        );
        let folder = Folder::new(&query).with("f.onnx", model.clone()).with("g.onnx", model.clone());
        folder.answer("--network f=f.onnx --network g=g.onnx --domain interval")[0].clone()
    };
    assert_eq!(answer("(>= (- A[0,0] X[0,0]) 1.5)"), "unsat");
    assert_eq!(answer("(>= (- A[0,0] X[0,0]) 0.5) (<= (- A[0,0] X[0,0]) 0.25)"), "unsat");
    assert_ne!(answer("(>= (- A[0,0] X[0,0]) 0.5) (<= (- A[0,0] X[0,0]) 0.75)"), "unsat");
}

#[test]
fn a_softmax_at_the_end_is_computed_where_more_than_its_order_is_asked() {
    let mut writer = OnnxWriter::input(&[2]);
    writer.node("Softmax", &["input"], &[]);
    let model = writer.finish(&[2]);
    let answer = |assertion: &str| {
        let query = format!(
            "(declare-network f (declare-input X real [1,2]) (declare-output Y real [1,2]))
             (assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1)))(assert {assertion})"
        );
        Folder::new(&query).with("f.onnx", model.clone()).answer("--network f=f.onnx")[0].clone()
    };
    // From 1 / (1 + e) to e / (1 + e), and one in all.
    assert_eq!(answer("(>= Y[0,0] 0.75)"), "unsat");
    assert_eq!(answer("(>= Y[0,0] 0.7)"), "sat");
    assert_eq!(answer("(>= (+ Y[0,0] Y[0,1]) 1.0001)"), "unsat");
    assert_eq!(answer("(<= (* Y[0,0] Y[0,1]) 0.19)"), "unsat");
}

/// The numbers that are multiplied are those of the execution, and nobody rounds their product.
#[test]
fn what_float32_networks_compute_is_multiplied_exactly() {
    let mut writer = OnnxWriter::input(&[2]);
    writer.gemm(Array2::from_shape_vec((2, 2), vec![0.1, 0.7, 0.3, -0.2]).unwrap().view(), &[0.1, 0.0]);
    let model = writer.finish(&[2]);
    let answer = |assertion: &str| {
        let query = format!(
            "(declare-network f (declare-input X float32 [1,2]) (declare-output Y float32 [1,2]))
             (assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1)))(assert {assertion})"
        );
        Folder::new(&query).with("f.onnx", model.clone()).answer("--network f=f.onnx")[0].clone()
    };
    // Y₀ is at most 0.9, up to rounding, and Y₁ at most 0.3.
    assert_eq!(answer("(>= (* Y[0,0] Y[0,0]) 0.8)"), "sat");
    assert_eq!(answer("(>= (* Y[0,0] Y[0,0]) 0.811)"), "unsat");
    assert_eq!(answer("(>= (* X[0,0] Y[0,1]) 0.31)"), "unsat");
    assert_eq!(answer("(>= (* X[0,0] X[0,1]) 1)"), "sat");
}

/// A ReLU rounds in no type; a product with a weight does.
#[test]
fn types_beside_others_are_read_where_nothing_is_rounded() {
    let folder = |model: &[u8], bound: &str| {
        let query = format!(
            "(declare-network f (declare-input X float32 [1,2]) (declare-output Y float32 [1,2]))
             (declare-network g (isomorphic-to f) (declare-input A float16 [1,2]) (declare-output B float16 [1,2]))
             (assert (and (<= 0 X[0,0] 1) (<= 0 X[0,1] 1) (<= -1 A[0,0] 2) (<= 0 A[0,1] {bound})))
             (assert (>= (- B[0,1] Y[0,1]) 0.1))"
        );
        Folder::new(&query).with("f.onnx", model.to_vec()).with("g.onnx", model.to_vec())
    };
    const NETWORKS: &str = "--network f=f.onnx --network g=g.onnx";
    let mut writer = OnnxWriter::input(&[2]);
    writer.relu();
    let copies = writer.finish(&[2]);
    assert_eq!(folder(&copies, "0.09").answer(NETWORKS), ["unsat"]);
    // Only 0.1 is high enough, and it is no float16.
    assert_eq!(folder(&copies, "0.1").answer(NETWORKS), ["unknown"]);
    // What is wider than the file, or than another tensor of the network, is rounded on its way.
    for types in [["float64", "float32"], ["float64", "float64"], ["float16", "bfloat16"], ["float16", "float32"]] {
        let query = format!(
            "(declare-network f (declare-input X {} [1,2]) (declare-output Y {} [1,2]))
             (assert (and (<= 0 X[0,0] 0.1) (<= 0 X[0,1] 0.1) (> Y[0,0] 0.1)))",
            types[0], types[1]
        );
        let refused = Folder::new(&query).with("f.onnx", copies.clone()).refused("--network f=f.onnx");
        assert!(refused.contains(&format!("of type {}", types[0])), "{refused}");
    }
    let mut writer = OnnxWriter::input(&[2]);
    writer.gemm(Array2::eye(2).mapv(|w: f32| 0.3 * w).view(), &[0.0, 0.0]);
    assert!(folder(&writer.finish(&[2]), "0.09").refused(NETWORKS).contains("of type float16"));
}

/// What bounds know of ordered inputs a checker does not.
#[test]
fn no_certificate_is_promised_over_ordered_inputs() {
    let (network, image) = absint::example::network_and_image().unwrap();
    let ordered = HalfSpace { terms: vec![(0, Rational::ONE), (1, -Rational::ONE)], rhs: Rational::ONE };
    let region = Region::linf(&image.pixels, &Rational::ONE, None).unwrap().with_half_spaces(vec![ordered]);
    let asked = |region: Region| {
        let query = Query::robustness(region, network.output_len(), image.label);
        check_certifiable(&network, &query, &absint::Options::default())
    };
    assert_eq!(asked(region.clone()), Ok(()));
    assert_eq!(asked(region.with_differences()), Err(AnalyzeError::ProofNetworks));
}

/// Between the ends of the query's box there are finitely many integers.
#[test]
fn inputs_are_rounded_where_the_query_bounds_them() {
    let rounded = |operator: &str, attributes: &[(&str, Attribute)]| {
        let mut writer = OnnxWriter::input(&[2]);
        writer.node(operator, &["input"], attributes);
        writer.finish(&[2])
    };
    let answer = |model: &[u8], box_and_more: &str| {
        let query = format!(
            "(declare-network f (declare-input X real [1,2]) (declare-output Y real [1,2])) (assert {box_and_more})"
        );
        Folder::new(&query).with("f.onnx", model.to_vec()).answer("--network f=f.onnx --arithmetic real")[0].clone()
    };
    let ranges = "(<= -1.75 X[0,0] 2.5) (<= 0 X[0,1] 100)";
    for (model, least) in [(rounded("Floor", &[]), -2), (rounded("Cast", &[("to", Attribute::Int(7))]), -1)] {
        assert_eq!(answer(&model, &format!("(and {ranges} (<= Y[0,0] {least}))")), "sat");
        assert_eq!(answer(&model, &format!("(and {ranges} (<= Y[0,0] {least}.0625))")), "unsat");
        assert_eq!(answer(&model, &format!("(and {ranges} (>= Y[0,0] 2.25))")), "unsat");
        assert_eq!(answer(&model, &format!("(and {ranges} (>= (+ Y[0,0] Y[0,1]) 102))")), "sat");
        assert_eq!(answer(&model, &format!("(and {ranges} (>= (+ Y[0,0] Y[0,1]) 102.5))")), "unsat");
        assert_eq!(
            answer(
                &model,
                &format!("(or (and {ranges} (>= Y[0,0] 2.25)) (and (<= 5 X[0,0] 7) (<= 0 X[0,1] 1) (>= Y[0,0] 7)))")
            ),
            "sat"
        );
    }
}
