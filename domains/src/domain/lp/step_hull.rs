//! A signum neuron together with its inputs: the cuts of the ideal convex hull (Geyer et al. 2024,
//! Theorem 1 and Corollary 2), for any weights, threshold, gap and box.
//!
//! The neuron is at `low` or at `high`; `λ` is 0 or 1 there. With `v_j = w_j x_j ∈ [a_j, b_j]`,
//! `Σ v ≥ β` when it is high and `Σ v ≤ γ` when it is low, the hull of both branches is the box and
//!
//! * `Σ min{λ b_j, v_j − (1−λ) a_j} ≥ λ β`,
//! * `Σ max{(1−λ) a_j, v_j − λ b_j} ≤ (1−λ) γ`.
//!
//! Each choice of the smaller (larger) term for every `j` is one linear cut, so the deepest cut at a
//! point is found term by term.

use crate::domain::NodeBounds;
use crate::network::{Activation, Network, NodeId, NodeKind};
use crate::num::round::{add_down, add_up, mul_down, mul_up, sub_down, sub_up};
use crate::num::{Interval, Spare};
use rayon::prelude::*;

/// One summand `w x` of a pre-activation, with bounds of the product.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    /// The node and neuron that `x` is.
    pub source: (NodeId, usize),
    /// The weight.
    pub weight: f64,
    /// Bounds `[a, b]` of `w x`.
    pub range: Interval,
}

/// An unstable neuron whose activation has two constant segments, with its inputs.
#[derive(Clone, Debug)]
pub(super) struct StepNeuron {
    /// The activation node.
    pub node: NodeId,
    /// The neuron in it.
    pub neuron: usize,
    /// Its two values.
    pub values: (f64, f64),
    /// `γ`: the sum of the products is at most this where the neuron has its first value.
    at_low: f64,
    /// `β`: the sum is at least this where it has the second.
    at_high: f64,
    products: Vec<Product>,
}

/// `lower ≤ Σ w x − slope · y ≤ upper`, valid in real arithmetic wherever `y` is one of the two values.
#[derive(Clone, Debug)]
pub(super) struct StepCut {
    /// The products that take part.
    pub products: Vec<Product>,
    /// Coefficient of `−y`.
    pub slope: f64,
    /// The side that is limited.
    pub range: Interval,
}

/// Cuts that a point violates by less (as a distance) are not worth a row.
const SHALLOWEST: f64 = 1e-6;

/// The step neurons of an activation node.
pub(super) fn step_neurons<'a>(
    network: &Network,
    id: NodeId,
    activation: &Activation,
    bounds: &(dyn Fn(NodeId) -> &'a NodeBounds + Sync),
) -> Vec<StepNeuron> {
    let NodeKind::Affine(affine) = &network.node(activation.source).kind else { return Vec::new() };
    // A weight that is no float is left to the single-neuron relaxation.
    if affine.terms.iter().any(|term| !term.map.is_exact()) {
        return Vec::new();
    }
    let (z, shape) = (bounds(activation.source), affine.shape());
    let step = |neuron: usize| {
        let [low, high] = activation.function.segments(z.reach(neuron))[..] else { return None };
        if low.slope != 0.0 || high.slope != 0.0 {
            return None;
        }
        let bias = affine.bias.enclosure(neuron);
        let mut products = Vec::new();
        for term in &affine.terms {
            let x = bounds(term.source);
            let mut push = |j: usize, weight: f64| {
                if weight != 0.0 {
                    let range = x.get(j).scale(weight);
                    products.push(Product { source: (term.source, j), weight, range });
                }
            };
            match shape.and_then(|shape| term.map.rows_window(&[(neuron, 1.0)], shape, &Spare::default())) {
                Some((row, window)) => {
                    let indices: Vec<usize> = window.indices().collect();
                    row.row(0).iter().zip(indices).for_each(|(&w, j)| push(j, w));
                }
                None => term.map.rows(&[(neuron, 1.0)]).row(0).iter().enumerate().for_each(|(j, &w)| push(j, w)),
            }
        }
        let is_bounded = products.iter().all(|p| p.range.magnitude().is_finite());
        is_bounded.then_some(StepNeuron {
            node: id,
            neuron,
            values: (low.intercept, high.intercept),
            at_low: sub_up(low.to, bias.lo),
            at_high: sub_down(high.from, bias.hi),
            products,
        })
    };
    (0..z.len()).into_par_iter().filter_map(step).collect()
}

impl StepNeuron {
    /// The products, in the order in which [`StepNeuron::separate`] takes the values of their inputs.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// The cuts of the hull that the point violates: inputs `x`, output `y`. Two at most, in time linear
    /// in the number of inputs.
    pub fn separate(&self, x: &[f64], y: f64) -> Vec<StepCut> {
        let (c0, c1) = self.values;
        let lambda = ((y - c0) / (c1 - c0)).clamp(0.0, 1.0);
        let mut cuts = Vec::new();
        for is_lower in [true, false] {
            let takes_part = |p: &Product, x: f64| {
                let (part, rest) = (p.weight * x, (p.range.lo * (1.0 - lambda), p.range.hi * lambda));
                // The smaller (larger) one of `λ b` and `v − (1−λ) a`; of `(1−λ) a` and `v − λ b`.
                if is_lower { part - rest.0 < rest.1 } else { part - rest.1 > rest.0 }
            };
            let chosen: Vec<bool> = self.products.iter().zip(x).map(|(p, &x)| takes_part(p, x)).collect();
            let cut = if is_lower { self.lower_cut(&chosen) } else { self.upper_cut(&chosen) };
            let taken = self.products.iter().zip(x).zip(&chosen).filter(|(_, is_chosen)| **is_chosen);
            let sum: f64 = taken.map(|((p, x), _)| p.weight * x).sum();
            let value = sum - cut.slope * y;
            let norm = cut.products.iter().map(|p| p.weight * p.weight).sum::<f64>() + cut.slope * cut.slope;
            let outside = (cut.range.lo - value).max(value - cut.range.hi);
            if outside > SHALLOWEST * norm.sqrt() {
                cuts.push(cut);
            }
        }
        cuts
    }

    /// `Σ_{chosen} v ≥ Σ_{chosen} a` at `λ = 0` and `≥ β − Σ_{others} b` at `λ = 1`.
    fn lower_cut(&self, chosen: &[bool]) -> StepCut {
        let (mut low, mut high) = (0.0, self.at_high);
        for (p, &is_chosen) in self.products.iter().zip(chosen) {
            if is_chosen {
                low = add_down(low, p.range.lo);
            } else {
                high = sub_down(high, p.range.hi);
            }
        }
        let slope = self.slope(low, high);
        let at = |end: f64, value: f64| sub_down(end, mul_up(slope, value));
        let lower = at(low, self.values.0).min(at(high, self.values.1));
        self.cut(chosen, slope, Interval::new(lower, f64::INFINITY))
    }

    /// `Σ_{chosen} v ≤ γ − Σ_{others} a` at `λ = 0` and `≤ Σ_{chosen} b` at `λ = 1`.
    fn upper_cut(&self, chosen: &[bool]) -> StepCut {
        let (mut low, mut high) = (self.at_low, 0.0);
        for (p, &is_chosen) in self.products.iter().zip(chosen) {
            if is_chosen {
                high = add_up(high, p.range.hi);
            } else {
                low = sub_up(low, p.range.lo);
            }
        }
        let slope = self.slope(low, high);
        let at = |end: f64, value: f64| sub_up(end, mul_down(slope, value));
        let upper = at(low, self.values.0).max(at(high, self.values.1));
        self.cut(chosen, slope, Interval::new(f64::NEG_INFINITY, upper))
    }

    /// The slope in `y` of the line through `low` and `high` at the two values; any float would be valid.
    fn slope(&self, low: f64, high: f64) -> f64 {
        let slope = (high - low) / (self.values.1 - self.values.0);
        if slope.is_finite() { slope } else { 0.0 }
    }

    fn cut(&self, chosen: &[bool], slope: f64, range: Interval) -> StepCut {
        let products = self.products.iter().zip(chosen).filter(|(_, c)| **c).map(|(p, _)| *p).collect();
        StepCut { products, slope, range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A neuron `t = 1 iff Σ w x ≥ β, else Σ w x ≤ β − g`.
    fn neuron(weights: &[f64], boxes: &[(f64, f64)], beta: f64, gap: f64) -> StepNeuron {
        let product = |(j, (&w, &(l, u))): (usize, (&f64, &(f64, f64)))| Product {
            source: (0, j),
            weight: w,
            range: Interval::new(l, u).scale(w),
        };
        let products = weights.iter().zip(boxes).enumerate().map(product).collect();
        StepNeuron { node: 2, neuron: 0, values: (-1.0, 1.0), at_low: beta - gap, at_high: beta, products }
    }

    fn violates(cut: &StepCut, x: &[f64], y: f64) -> bool {
        let value: f64 = cut.products.iter().map(|p| p.weight * x[p.source.1]).sum::<f64>() - cut.slope * y;
        value < cut.range.lo - 1e-9 || value > cut.range.hi + 1e-9
    }

    /// All corners of a box.
    fn corners(boxes: &[(f64, f64)]) -> Vec<Vec<f64>> {
        boxes.iter().fold(vec![vec![]], |all, &(l, u)| {
            all.iter().flat_map(|x| [l, u].map(|end| [x.as_slice(), &[end]].concat())).collect()
        })
    }

    /// The vertices of the two branches of a neuron: of the box cut by a half-space.
    fn branch_vertices(n: &StepNeuron, boxes: &[(f64, f64)]) -> Vec<(Vec<f64>, f64)> {
        let dot = |x: &[f64]| -> f64 { n.products.iter().map(|p| p.weight * x[p.source.1]).sum() };
        let mut all = Vec::new();
        for (y, limit, sign) in [(1.0, n.at_high, 1.0), (-1.0, n.at_low, -1.0)] {
            for x in corners(boxes) {
                if sign * (dot(&x) - limit) >= -1e-12 {
                    all.push((x.clone(), y));
                }
                // Points of edges on the hyperplane.
                for p in &n.products {
                    let mut z = x.clone();
                    let j = p.source.1;
                    z[j] += (limit - dot(&x)) / p.weight;
                    if z[j] >= boxes[j].0 - 1e-12 && z[j] <= boxes[j].1 + 1e-12 {
                        all.push((z, y));
                    }
                }
            }
        }
        all
    }

    /// True when `point` is a convex combination of `vertices`, by a linear program over the weights.
    fn in_hull(vertices: &[Vec<f64>], point: &[f64]) -> bool {
        use crate::lp::{LinearProgram, backend, certified_minimum};
        // min Σ |slack| is zero iff the point is in the hull.
        let mut program = LinearProgram::new();
        for _ in vertices {
            program.add_variable(0.0, 1.0);
        }
        let ones: Vec<(usize, f64)> = (0..vertices.len()).map(|v| (v, 1.0)).collect();
        program.add_row(&ones, 1.0, 1.0);
        let mut objective = vec![0.0; vertices.len()];
        for (j, &value) in point.iter().enumerate() {
            let (up, down) = (program.add_variable(0.0, 100.0), program.add_variable(0.0, 100.0));
            let mut row: Vec<(usize, f64)> = vertices.iter().enumerate().map(|(v, x)| (v, x[j])).collect();
            row.extend([(up, 1.0), (down, -1.0)]);
            program.add_row(&row, value, value);
            objective.extend([1.0, 1.0]);
        }
        program.set_objective(&objective);
        let solution = backend("minilp").unwrap().solve(&program, &crate::budget::Budget::unlimited()).unwrap();
        certified_minimum(&program, &solution.multipliers) < 1e-7
    }

    fn boxes(n: usize) -> impl Strategy<Value = Vec<(f64, f64)>> {
        let one = prop_oneof![
            Just((-1.0, 1.0)),
            (-8..8i32, 1..8i32).prop_map(|(l, w)| (f64::from(l) / 4.0, f64::from(l + w) / 4.0)),
        ];
        proptest::collection::vec(one, n)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// For one neuron the separated cuts are the convex hull of its branches: a point of the box is
        /// cut off exactly when it is no convex combination of branch points (Theorem 1, general form).
        #[test]
        fn the_cuts_of_a_neuron_are_its_convex_hull(
            (weights, boxes) in (1..=5usize).prop_flat_map(|n| (
                proptest::collection::vec(prop_oneof![Just(1.0), Just(-1.0), (1..8i32).prop_map(|w| f64::from(w) / 4.0)], n),
                boxes(n),
            )),
            (at, gap) in (0.05..0.95f64, prop_oneof![Just(0.0), Just(0.5), Just(2.0)]),
            t in proptest::collection::vec(0.0..=1.0f64, 5),
            y in -1.0..=1.0f64,
        ) {
            let range: Interval = weights.iter().zip(&boxes).fold(Interval::ZERO, |sum, (&w, b)| sum + Interval::new(b.0, b.1).scale(w));
            let beta = range.lo + at * (range.hi - range.lo);
            prop_assume!(beta - gap > range.lo);
            let n = neuron(&weights, &boxes, beta, gap);
            let x: Vec<f64> = boxes.iter().zip(&t).map(|(b, t)| b.0 + t * (b.1 - b.0)).collect();
            let vertices: Vec<Vec<f64>> =
                branch_vertices(&n, &boxes).into_iter().map(|(x, y)| [x.as_slice(), &[y]].concat()).collect();
            let cuts = n.separate(&x, y);
            for cut in &cuts {
                for vertex in &vertices {
                    let (y, x) = vertex.split_last().unwrap();
                    prop_assert!(!violates(cut, x, *y), "cuts off a reachable point");
                }
                prop_assert!(violates(cut, &x, y));
            }
            let point = [x.as_slice(), &[y]].concat();
            if cuts.is_empty() {
                prop_assert!(in_hull(&vertices, &point), "a point outside the hull is not cut off");
            } else {
                prop_assert!(!in_hull(&vertices, &point) || cuts.iter().all(|c| !violates(c, &x, y)));
            }
        }

        /// On ±1 inputs with weights ±1, the cuts of every threshold of n's parity are the convex hull of the
        /// reachable points themselves (Theorem 1 for n even, Corollary 2 for n odd).
        #[test]
        fn the_cuts_of_a_binary_neuron_are_the_hull_of_its_points(
            weights in (1..=6usize).prop_flat_map(|n| proptest::collection::vec(prop_oneof![Just(1.0), Just(-1.0)], n)),
            which in 0..6usize,
            t in proptest::collection::vec(prop_oneof![-1.0..=1.0f64, Just(1.0), Just(-1.0), Just(0.0)], 6),
            y in prop_oneof![-1.0..=1.0f64, Just(0.0)],
            toward in 0.0..1.2f64,
        ) {
            let n = weights.len();
            // −n + 2, −n + 4, …, n.
            let beta = 2.0 * (1 + which % n) as f64 - n as f64;
            let boxes = vec![(-1.0, 1.0); n];
            let neuron = neuron(&weights, &boxes, beta, 2.0);
            let points: Vec<Vec<f64>> = corners(&boxes)
                .into_iter()
                .map(|x| {
                    let sum: f64 = x.iter().zip(&weights).map(|(x, w)| x * w).sum();
                    [x.as_slice(), &[if sum >= beta { 1.0 } else { -1.0 }]].concat()
                })
                .collect();
            // Points on both sides of the boundary: between the mean of all points and a random one.
            let mean: Vec<f64> =
                (0..=n).map(|j| points.iter().map(|p| p[j]).sum::<f64>() / points.len() as f64).collect();
            let far: Vec<f64> = t[..n].iter().copied().chain([y]).collect();
            let point: Vec<f64> = mean.iter().zip(&far).map(|(m, f)| (m + toward * (f - m)).clamp(-1.0, 1.0)).collect();
            let (out, x) = point.split_last().unwrap();
            let cuts = neuron.separate(x, *out);
            for (cut, p) in cuts.iter().flat_map(|c| points.iter().map(move |p| (c, p))) {
                let (y, x) = p.split_last().unwrap();
                prop_assert!(!violates(cut, x, *y), "cuts off a reachable point");
            }
            prop_assert_eq!(cuts.is_empty(), in_hull(&points, &point));
        }
    }

    /// Largest and smallest output that no cut removes at the inputs `y`.
    fn envelopes(n: &StepNeuron, y: &[f64]) -> (f64, f64) {
        let bisect = |from: f64, to: f64| {
            // `from` is not cut off, `to` may be.
            if n.separate(y, to).is_empty() {
                return to;
            }
            let (mut inside, mut outside) = (from, to);
            for _ in 0..60 {
                let middle = (inside + outside) / 2.0;
                if n.separate(y, middle).is_empty() { inside = middle } else { outside = middle }
            }
            inside
        };
        // Some output is always possible: scan for one.
        let some = (0..=4000).map(|i| -1.0 + f64::from(i) / 2000.0).find(|&t| n.separate(y, t).is_empty()).unwrap();
        (bisect(some, 1.0), bisect(some, -1.0))
    }

    /// Corollary 1 of Geyer et al.: the concave and the convex envelope of `sign(Σ y_i)`, n even.
    fn corollary_1(y: &[f64]) -> (f64, f64) {
        let n = y.len();
        let half = n as f64 / 2.0;
        let mut sorted = y.to_vec();
        sorted.sort_by(f64::total_cmp);
        let sum = |part: &[f64]| part.iter().sum::<f64>();
        let concave = (n / 2 + 1..=n).map(|k| (sum(&sorted[..k]) + half) / (k as f64 - half)).fold(1.0, f64::min);
        let convex =
            (n / 2..=n).map(|k| (sum(&sorted[n - k..]) - half + 1.0) / (k as f64 - half + 1.0)).fold(-1.0, f64::max);
        (concave, convex)
    }

    #[test]
    fn the_envelopes_are_those_of_corollary_1() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1u32 << 23) - 1.0
        };
        for n in [2usize, 4, 6, 8] {
            let neuron = neuron(&vec![1.0; n], &vec![(-1.0, 1.0); n], 0.0, 2.0);
            for _ in 0..20 {
                let y: Vec<f64> = (0..n).map(|_| random()).collect();
                let ((above, below), (concave, convex)) = (envelopes(&neuron, &y), corollary_1(&y));
                assert!(
                    (above - concave).abs() < 2e-5 && (below - convex).abs() < 2e-5,
                    "{y:?}: {above} {concave}, {below} {convex}"
                );
            }
            // Example 1: half of the inputs −1, half +1. Both envelopes are 1 …
            let y: Vec<f64> = (0..n).map(|i| if i < n / 2 { -1.0 } else { 1.0 }).collect();
            assert_eq!(corollary_1(&y), (1.0, 1.0));
            let (above, below) = envelopes(&neuron, &y);
            assert!(above == 1.0 && below > 1.0 - 1e-4, "{above} {below}");
            // … where Proposition 1 (gap δ⁻ = 1) only knows σ_L = −(U − 1)/(U + 1), U = n.
            use crate::activation::{ActivationFn, Reach, Sign};
            use crate::num::Lattice;
            let bound = n as f64;
            let least = |lattice: &Lattice| {
                let z = Reach { lattice: Some(lattice), ..Interval::new(-bound, bound).into() };
                let at_zero = |h: &crate::activation::HalfPlane| if h.y < 0.0 { h.rhs / h.y } else { -1.0 };
                Sign.hull(z).iter().map(at_zero).fold(-1.0, f64::max)
            };
            let sigma = -(bound - 1.0) / (bound + 1.0);
            assert!((least(&Lattice::Floats { offset: 0.0, step: 1.0 }) - sigma).abs() < 1e-12);
            // With the parity of n even (δ⁻ = 2), as in the big-M formulation of §3, it is 0 for n = 2 (Figure 2).
            let with_parity = least(&Lattice::Floats { offset: 0.0, step: 2.0 });
            assert!((with_parity - (1.0 - 2.0 * bound / (bound + 2.0))).abs() < 1e-12 && with_parity < 1.0);
        }
    }

    /// Figure 2 of Geyer et al.: with two inputs the hull has the four points of the graph as its only vertices;
    /// the big-M polytope has (1, −1) and (−1, 1) at t = 0 besides.
    #[test]
    fn the_fractional_vertices_of_big_m_are_cut_off() {
        let neuron = neuron(&[1.0, 1.0], &[(-1.0, 1.0); 2], 0.0, 2.0);
        for x in [[1.0, -1.0], [-1.0, 1.0]] {
            assert!(!neuron.separate(&x, 0.0).is_empty() && neuron.separate(&x, 1.0).is_empty());
        }
        assert!(neuron.separate(&[-1.0, -1.0], -1.0).is_empty() && neuron.separate(&[1.0, 1.0], 1.0).is_empty());
        let (above, below) = envelopes(&neuron, &[0.0, 0.0]);
        assert!((above - 1.0).abs() < 1e-5 && below.abs() < 1e-5, "{above} {below}");
    }
}
