//! Balls around the values of nodes, for regions that are balls themselves: what a layer's norm makes of the radius.

use crate::activation::Piece;
use crate::network::{LinearMap, Network, NodeKind};
use crate::num::error::{ETA, gamma};
use crate::num::gemm::multiply;
use crate::num::round::{add_up, mul_up, sqrt_up};
use crate::num::{Interval, enclose};
use crate::query::{Ball, Region};
use ndarray::Array2;

/// `‖z − center‖₂ ≤ radius` for the values `z` of a node on all of the region.
#[derive(Clone, Debug)]
pub(super) struct Sphere {
    pub center: Vec<f64>,
    pub radius: f64,
}

/// Matrices with more entries, or a shorter side beyond this, are not looked at: their squares would take seconds.
const MOST_ENTRIES: usize = 1 << 22;
const MOST_SHORT: usize = 1024;

/// A matrix is squared so often: the norm is overestimated by a factor of no more than `k^(1 / 2⁷)` for a shorter side
/// `k`.
const SQUARINGS: usize = 5;

/// The balls of all nodes of a network over a ball of inputs, where there are any; `corner` tells the slopes of activations
/// that are not steeper anywhere.
pub(super) fn spheres(
    network: &Network,
    region: &Region,
    corner: impl Fn(&[Piece]) -> Option<(f64, f64)>,
) -> Vec<Option<Sphere>> {
    let none = || vec![None; network.nodes().len()];
    let Ball::L2 { center, radius } = region.ball() else { return none() };
    let center: Vec<Interval> = center.iter().map(enclose).collect();
    let Ok(centers) = network.evaluate_all::<Interval>(&center) else { return none() };
    let mut radii: Vec<Option<f64>> = Vec::new();
    for node in network.nodes() {
        let of_term = |of: f64, map: &LinearMap| Some(mul_up(of, norm(map)?)).filter(|r| r.is_finite());
        radii.push(match &node.kind {
            NodeKind::Input => Some(enclose(radius).hi),
            NodeKind::Affine(affine) => affine.terms.iter().try_fold(0.0, |sum, term| {
                let of_source = radii[term.source]?;
                Some(add_up(sum, of_term(of_source, &term.map)?))
            }),
            NodeKind::Activation(activation) => {
                let steepest =
                    activation.function.pieces().and_then(&corner).map(|(left, right)| left.abs().max(right.abs()));
                radii[activation.source].zip(steepest).map(|(radius, steepest)| mul_up(radius, steepest))
            }
            NodeKind::Product(_) => None,
        });
    }
    let sphere = |(values, radius): (Vec<Interval>, Option<f64>)| {
        // The true centre is near the middle of its enclosure.
        let lost = length(values.iter().map(|z| z.width()));
        Some(Sphere { center: values.iter().map(|z| z.middle()).collect(), radius: add_up(radius?, lost) })
    };
    centers.into_iter().zip(radii).map(sphere).collect()
}

/// An upper bound of the Euclidean length of a vector.
fn length(x: impl Iterator<Item = f64>) -> f64 {
    sqrt_up(x.fold(0.0, |sum, x| add_up(sum, mul_up(x, x))))
}

/// An upper bound of the largest singular value of a map's matrix; `None` for those that are too large.
///
/// `‖M‖² = ‖MᵀM‖`, taken several times over, and `‖M‖ ≤ ‖M‖_F` in the end. What a product in floats misses is at most
/// `γ_k ‖M‖_F²` in the Frobenius norm.
fn norm(map: &LinearMap) -> Option<f64> {
    let (outputs, inputs) = (map.output_len(), map.input_len());
    if outputs * inputs > MOST_ENTRIES || outputs.min(inputs) > MOST_SHORT {
        return None;
    }
    let (mut matrix, mut is_summed) = (Array2::<f64>::zeros((outputs, inputs)), false);
    map.for_each_product(|output, input, weight| {
        is_summed |= matrix[(output, input)] != 0.0;
        matrix[(output, input)] = weight;
    });
    if is_summed {
        return None;
    }
    // How far the exact weights may be from these floats, which enclosures may be wide.
    let inexact = length((0..outputs).filter_map(|i| map.radius(i)).map(|(_, radius)| radius));
    if outputs < inputs {
        matrix = matrix.t().to_owned();
    }
    largest(matrix, SQUARINGS + 1).map(|norm| add_up(norm, inexact))
}

/// An upper bound of the norm of a matrix with no fewer rows than columns.
fn largest(matrix: Array2<f64>, squarings: usize) -> Option<f64> {
    let frobenius = length(matrix.iter().copied());
    if squarings == 0 || frobenius == 0.0 {
        return Some(frobenius).filter(|norm| norm.is_finite());
    }
    // By a power of two, exactly, so that nothing overflows.
    let scale = frobenius.log2().round().exp2();
    if !(1e-100..1e100).contains(&scale) {
        return None;
    }
    let scaled = matrix / scale;
    let frobenius = frobenius / scale;
    let square = multiply(scaled.t(), scaled.view());
    let missed = add_up(mul_up(gamma(scaled.nrows()), mul_up(frobenius, frobenius)), ETA * (scaled.len() * 4) as f64);
    let of_square = add_up(largest(square, squarings - 1)?, missed);
    let underflow = ETA * scaled.len() as f64;
    Some(mul_up(add_up(sqrt_up(of_square), underflow), scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Coefficients;
    use ndarray::arr2;

    #[test]
    fn a_norm_is_bounded_from_above_and_nearly_met() {
        // Singular values 3 and 1; and a rotation, stretched by 5.
        let known = [(arr2(&[[2.0, 1.0], [1.0, 2.0]]), 3.0), (arr2(&[[3.0, -4.0], [4.0, 3.0]]), 5.0)];
        let wide = (arr2(&[[1.0, 2.0, 2.0]]), 3.0);
        for (matrix, truth) in known.into_iter().chain([wide]) {
            let found = norm(&LinearMap::Dense(matrix)).unwrap();
            assert!(truth <= found && found <= 1.02 * truth, "{found} {truth}");
        }
        assert!(norm(&LinearMap::Dense(Array2::zeros((2, 3)))).unwrap() < 1e-300);
    }

    /// A diagonal that is known as [0, 1] stretches by up to 1, whatever float stands for it.
    #[test]
    fn weights_that_are_enclosed_stretch_as_far_as_they_may() {
        let wide = Coefficients::enclosed(vec![Interval::new(0.0, 1.0), Interval::new(-0.25, 0.25)]);
        let found = norm(&LinearMap::Diagonal(wide)).unwrap();
        assert!((1.0..1.2).contains(&found), "{found}");
    }

    #[test]
    fn no_vector_is_stretched_by_more_than_the_norm() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
        };
        for _ in 0..20 {
            let matrix = Array2::from_shape_fn((17, 11), |_| next());
            let most = norm(&LinearMap::Dense(matrix.clone())).unwrap();
            let mut x = ndarray::Array1::from_shape_fn(11, |_| next());
            // The power method comes near the truth from below.
            for _ in 0..200 {
                x = matrix.t().dot(&matrix.dot(&x));
                x /= x.dot(&x).sqrt();
            }
            let met = matrix.dot(&x).dot(&matrix.dot(&x)).sqrt();
            assert!(met <= most && most <= 1.05 * met, "{met} {most}");
        }
    }
}
