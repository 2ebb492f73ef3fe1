//! Bounds over balls against exact values.

use super::super::form::Form;
use super::super::lanes::Exact;
use super::super::lanes::tests::floats;
use super::super::number::Number;
use super::super::row::{minima, whole};
use super::super::{read_network, read_query};
use super::*;
use proptest::prelude::*;
use std::fmt::Write;

fn fraction(p: i64, q: i64) -> RBig {
    RBig::from(p) / RBig::from(q)
}

/// For each form a lower bound by floats, others being beside it, and one by rationals.
fn bounds(norm: &str, radius: &RBig, center: &[RBig], ends: &[(RBig, RBig)], forms: &[Vec<RBig>]) -> Vec<[f64; 2]> {
    let network = read_network(&b"absint network 2\ninput 4\noutput 0\n"[..]).unwrap();
    let mut query = "absint query 2\ncase\n".to_owned();
    ends.iter().for_each(|(l, u)| writeln!(query, "x {l} {u}").unwrap());
    write!(query, "ball {norm} {radius}").unwrap();
    center.iter().for_each(|c| write!(query, " {c}").unwrap());
    let query = read_query(query.as_bytes(), &network).unwrap();
    let state = whole(&network, &query.cases[0]);
    let form = |a: &Vec<RBig>| {
        let mut form = Form::default();
        a.iter().enumerate().for_each(|(i, a)| form.add((0, i), a.clone()));
        form
    };
    let forms: Vec<Form> = forms.iter().map(form).collect();
    let by_floats = minima::<[f64; 3]>(&state, &forms, false, &|_| false);
    let by_rationals = |form| minima::<Exact>(&state, std::slice::from_ref(form), false, &|_| false)[0].0;
    by_floats.iter().zip(&forms).map(|(low, form)| [low.0, by_rationals(form)]).collect()
}

fn dot(a: &[RBig], x: &[RBig]) -> RBig {
    a.iter().zip(x).fold(RBig::ZERO, |sum, (a, x)| sum + a * x)
}

fn magnitude(x: &RBig) -> RBig {
    if x < &RBig::ZERO { -x } else { x.clone() }
}

/// How far the inputs may go from the centre against the form.
fn ways(a: &[RBig], center: &[RBig], ends: &[(RBig, RBig)]) -> Vec<RBig> {
    let way = |((a, c), (l, u)): ((&RBig, &RBig), &(RBig, RBig))| if a > &RBig::ZERO { c - l } else { u - c };
    a.iter().zip(center).zip(ends).map(way).collect()
}

/// The least value over an L1 ball whose centre is in the box: the largest coefficients go first.
fn least(a: &[RBig], radius: &RBig, center: &[RBig], ends: &[(RBig, RBig)]) -> RBig {
    let mut all: Vec<(RBig, RBig)> = a.iter().map(magnitude).zip(ways(a, center, ends)).collect();
    all.sort_by(|p, q| q.cmp(p));
    let (mut left, mut value) = (radius.clone(), dot(a, center));
    for (a, way) in all {
        let gone = if way < left { way } else { left.clone() };
        value -= a * &gone;
        left -= gone;
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Over L1 the bounds are the least value, up to rounding; over L2 no point of the ball is below them, and one is next
    /// to them.
    #[test]
    fn bounds_are_the_least_values(
        numbers in prop::collection::vec((-9..10i64, 1..5i64), 12),
        center in prop::collection::vec(-6..7i64, 4),
        ends in prop::collection::vec((0..12i64, 0..12i64), 4),
        radius in 0..16i64,
    ) {
        let radius = fraction(radius, 3);
        let ends: Vec<(RBig, RBig)> =
            ends.iter().zip(&center).map(|((l, u), c)| (fraction(3 * c - 2 * l, 9), fraction(3 * c + 2 * u, 9))).collect();
        let center: Vec<RBig> = center.iter().map(|&c| fraction(c, 3)).collect();
        let numbers: Vec<RBig> = numbers.iter().map(|&(p, q)| fraction(p, q)).collect();
        let forms: Vec<Vec<RBig>> = numbers.chunks(4).map(<[RBig]>::to_vec).collect();
        let near = RBig::of(1e-12);
        // Wherever the centre is, no less than over the box.
        let far: Vec<RBig> = center.iter().map(|c| c + &radius).collect();
        for norm in ["L1", "L2"] {
            for (found, a) in bounds(norm, &radius, &far, &ends, &forms).iter().zip(&forms) {
                let end = |(a, (l, u)): (&RBig, &(RBig, RBig))| a * if a > &RBig::ZERO { l } else { u };
                let least = a.iter().zip(&ends).map(end).fold(RBig::ZERO, |sum, term| sum + term);
                prop_assert!(found.iter().all(|&bound| &least - &near <= RBig::of(bound)), "{norm}");
            }
        }
        for (found, a) in bounds("L1", &radius, &center, &ends, &forms).iter().zip(&forms) {
            let least = least(a, &radius, &center, &ends);
            for bound in found.map(RBig::of) {
                prop_assert!(bound <= least && &least - &near <= bound, "{} {}", nearest(&bound), nearest(&least));
            }
        }
        for (found, a) in bounds("L2", &radius, &center, &ends, &forms).iter().zip(&forms) {
            // The point of the multiplier at which the way from the centre is as long as the radius, or the corner of the box.
            let ways = ways(a, &center, &ends);
            let moves = |multiplier: f64| -> Vec<RBig> {
                let by = |a: &RBig, way: &RBig| {
                    let gone = magnitude(a) / RBig::of(multiplier);
                    let gone = if &gone < way { gone } else { way.clone() };
                    if a > &RBig::ZERO { -gone } else { gone }
                };
                a.iter().zip(&ways).map(|(a, way)| by(a, way)).collect()
            };
            let is_outside = |moves: &[RBig]| dot(moves, moves) > &radius * &radius;
            let (mut low, mut high) = (1e-9, 1e9);
            while radius > RBig::ZERO && is_outside(&moves(low)) && high > low * (1.0 + 1e-9) {
                let middle = f64::sqrt(low * high);
                if is_outside(&moves(middle)) { low = middle } else { high = middle }
            }
            let multiplier = if is_outside(&moves(low)) { high } else { low };
            let x: Vec<RBig> = moves(multiplier).iter().zip(&center).map(|(moved, c)| c + moved).collect();
            let value = if radius > RBig::ZERO { dot(a, &x) } else { dot(a, &center) };
            for bound in found.map(RBig::of) {
                let close = RBig::of(1e-7);
                prop_assert!(bound <= value && &value - &close <= bound, "{} {}", nearest(&bound), nearest(&value));
            }
        }
    }

    /// Numbers of every size, the centre anywhere: no point of ball and box is below a bound.
    #[test]
    fn no_point_is_below_a_bound(
        form in prop::collection::vec(floats(), 4),
        center in prop::collection::vec(floats(), 4),
        ends in prop::collection::vec((floats(), floats()), 4),
        shares in prop::collection::vec(0..5i64, 4),
        radius in floats(),
    ) {
        let of = |all: &[f64]| all.iter().map(|&x| RBig::of(x)).collect::<Vec<RBig>>();
        let (form, center, radius) = (vec![of(&form)], of(&center), magnitude(&RBig::of(radius)));
        let ends: Vec<(RBig, RBig)> =
            ends.iter().map(|&(p, q)| (RBig::of(p.min(q)), RBig::of(p.max(q)))).collect();
        // Some point of the box.
        let at = |((l, u), share): (&(RBig, RBig), &i64)| l + (u - l) * fraction(*share, 4);
        let x: Vec<RBig> = ends.iter().zip(&shares).map(at).collect();
        let away: Vec<RBig> = x.iter().zip(&center).map(|(x, c)| x - c).collect();
        let value = dot(&form[0], &x);
        let is_in = [
            ("L1", away.iter().map(magnitude).fold(RBig::ZERO, |sum, way| sum + way) <= radius),
            ("L2", dot(&away, &away) <= &radius * &radius),
        ];
        for (norm, _) in is_in.iter().filter(|(_, is_in)| *is_in) {
            for bound in bounds(norm, &radius, &center, &ends, &form)[0] {
                prop_assert!(bound == f64::NEG_INFINITY || RBig::of(bound) <= value, "{norm} {bound}");
            }
        }
        // The ball that just reaches the point.
        let reached = away.iter().map(magnitude).fold(RBig::ZERO, |sum, way| sum + way);
        for norm in ["L1", "L2"] {
            for bound in bounds(norm, &reached, &center, &ends, &form)[0] {
                prop_assert!(bound == f64::NEG_INFINITY || RBig::of(bound) <= value, "{norm} {bound}");
            }
        }
    }
}

/// Where the ball leaves the way to the corner, bounds are the box's; what holds by the last bit holds.
#[test]
fn ties_are_bounded_exactly() {
    let (half, one) = (fraction(1, 2), RBig::ONE);
    let form = vec![vec![one.clone(), -&one, RBig::ZERO, fraction(2, 1)]];
    let ends = vec![(RBig::ZERO, one); 4];
    for (norm, radius, least) in
        [("L1", 1_000_000_000_000_000, -1.0), ("L1", 2, -1.0), ("L1", 1, -0.5), ("L2", 1 << 50, -1.0), ("L2", 2, -1.0)]
    {
        let found = bounds(norm, &fraction(radius, 1), &vec![half.clone(); 4], &ends, &form)[0];
        assert!(found[0] <= least && found[0] >= least - 1e-12, "{norm} {radius}: {found:?}");
        assert_eq!(found[1], least, "{norm} {radius}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Not less than the norm by the last bit.
    #[test]
    fn norms_are_rounded_up(b in prop::collection::vec(floats(), 0..5), small in any::<bool>(), seed in any::<u64>()) {
        let near_one = |k: usize| 1.0 + ((seed >> (8 * k)) & 255) as f64 / 256.0;
        let b: Vec<f64> = b.iter().enumerate().map(|(k, &b)| if small { near_one(k) } else { b }).collect();
        let exact: Vec<RBig> = b.iter().map(|&b| RBig::of(b)).collect();
        for is_round in [false, true] {
            let ball = Ball { is_round, radius: RBig::ONE, center: Vec::new() };
            let norm = ball.dual_norm(&b);
            if norm.is_finite() {
                let norm = RBig::of(norm);
                prop_assert!(!is_round || &norm * &norm >= dot(&exact, &exact));
                prop_assert!(is_round || exact.iter().all(|b| magnitude(b) <= norm));
            }
        }
    }
}

/// What a query may say of a ball.
#[test]
fn balls_that_are_none_are_refused() {
    let network = read_network(&b"absint network 2\ninput 2\noutput 0\n"[..]).unwrap();
    let read =
        |ball: &str| read_query(format!("absint query 2\ncase\nx 0 1\nx 0 1\n{ball}\nunsafe\n").as_bytes(), &network);
    assert!(read("ball L1 1 0 1/3").is_ok() && read("ball L2 0 0 1").is_ok());
    for wrong in [
        "ball L1 -1 0 0",
        "ball L3 1 0 0",
        "ball 1 0 0",
        "ball L1 1 0",
        "ball L1 1 0 0 0",
        "ball L1 1 0 x",
        "ball L1 1 0 0\nball L1 1 0 0",
        "ball L1 1 0 0\nball L2 2 0 0",
        "unsafe\nball L1 1 0 0",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
