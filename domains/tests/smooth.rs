//! Laws of smooth activations: enclosures hold the values that arbitrary precision has, parts bend as they say, and
//! images, lines, hulls and bands hold the graph; lines are as near to it as can be.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/precise.rs"]
mod precise;

use absint_domains::activation::{ActivationFn, Bend, Line, Shape, Slopes, Smooth, all};
use absint_domains::num::{Interval, Rational, exact};
use absint_domains::polyhedra::{JointHull, Octahedron, Segment, directions};
use common::Dice;
use precise::{Big, big, reference};
use std::sync::Arc;

fn smooth() -> Vec<Arc<dyn ActivationFn>> {
    all().into_iter().filter(|f| f.pieces().is_none()).collect()
}

fn curve(f: &Arc<dyn ActivationFn>) -> &dyn Smooth {
    match f.shape() {
        Shape::Smooth(curve) => curve,
        Shape::Pieces(_) => panic!("{} is made of pieces", f.name()),
    }
}

/// A float of any size that a test can meet: near zero and 1, tiny, denormal, large.
fn any_float(dice: &mut Dice) -> f64 {
    let sign = if dice.below(2) == 0 { 1.0 } else { -1.0 };
    let unit = dice.unit();
    sign * match dice.below(8) {
        0 => 0.0,
        1 => dice.below(40) as f64 / 8.0,
        2 => unit,
        3 | 4 => unit * 8.0,
        5 => unit * 800.0,
        6 => unit * 2f64.powi(-(dice.below(1074) as i32)),
        _ => f64::from_bits(dice.next() % (1 << 52)),
    }
}

/// The reference is rounded too, some digits further on.
const NOISE: f64 = 1e-80;

fn contains(enclosure: Interval, value: &Big) -> bool {
    let noise = &big(NOISE) * (big(1.0) + value * value);
    let is_above = enclosure.lo == f64::NEG_INFINITY || big(enclosure.lo) <= value + &noise;
    is_above && (enclosure.hi == f64::INFINITY || value - &noise <= big(enclosure.hi))
}

#[test]
fn enclosures_hold_values_and_slopes() {
    for f in smooth() {
        let (curve, mut dice) = (curve(&f), Dice::new(1));
        let (mut checked, mut loose) = (0, 0);
        for _ in 0..4000 {
            let z = any_float(&mut dice);
            let Some([value, slope]) = reference(curve, &big(z)) else { continue };
            let (found, rise) = (curve.value(z), curve.slope(z));
            assert!(contains(found, &value), "{}({z:e}) = {value} is not in {found:?}", f.name());
            assert!(contains(rise, &slope), "{}'({z:e}) = {slope} is not in {rise:?}", f.name());
            assert!(contains(curve.range(), &value), "{}({z:e}) = {value} is beyond the range", f.name());
            let guess = curve.guess(z);
            for (enclosure, guess) in [(found, guess[0]), (rise, guess[1])] {
                let scale = 1.0 + enclosure.magnitude();
                if scale.is_finite() {
                    assert!((guess - enclosure.middle()).abs() <= 1e-9 * scale, "{}({z:e}): {guess:e}", f.name());
                    loose += usize::from(enclosure.width() > 1e-13 * scale);
                }
            }
            checked += 1;
        }
        // Beyond some magnitude sine and cosine are not computed.
        assert!(checked > 1000 && loose <= 20, "{}: {checked}, {loose}", f.name());
    }
}

#[test]
fn parts_cover_the_line_and_bend_as_they_say() {
    for f in smooth() {
        let (curve, mut dice) = (curve(&f), Dice::new(2));
        for _ in 0..150 {
            let (a, b) = (any_float(&mut dice), any_float(&mut dice));
            let z = Interval::new(a.min(b), a.max(b));
            let parts = curve.parts(z);
            if parts.is_empty() {
                let holes = [z.lo, z.hi, 0.0f64.clamp(z.lo, z.hi)];
                assert!(holes.iter().any(|&z| reference(curve, &big(z)).is_none()), "{}: {z:?}", f.name());
                continue;
            }
            assert!(parts[0].from <= z.lo && z.hi <= parts[parts.len() - 1].to, "{}: {z:?}", f.name());
            assert!(parts.windows(2).all(|pair| pair[0].to == pair[1].from));
            for part in &parts {
                let (from, to) = (part.from.max(z.lo), part.to.min(z.hi));
                if from >= to {
                    continue;
                }
                let (s, t) = (dice.unit(), dice.unit());
                let ends = [from, from.next_up(), to.next_down(), to];
                let inside = [s.min(t), s.max(t)].map(|s| (from + s * (to - from)).clamp(from, to));
                let points = [ends[0], ends[1], inside[0], inside[1], ends[2], ends[3]];
                let mut points: Vec<f64> = points.into_iter().filter(|&z| from <= z && z <= to).collect();
                points.sort_by(f64::total_cmp);
                points.dedup();
                // Beyond this the slopes are as good as zero, and the reference caps exponents.
                points.retain(|z| z.abs() < 700.0 && z.abs() > 1e-70);
                let found: Vec<[Big; 2]> = points.iter().filter_map(|&z| reference(curve, &big(z))).collect();
                let noise = big(NOISE);
                for pair in found.windows(2) {
                    let rise = &pair[1][1] - &pair[0][1];
                    match part.bend {
                        Bend::Convex => assert!(rise >= -noise.clone(), "{}: {part:?} {points:?}", f.name()),
                        Bend::Concave => assert!(rise <= noise.clone(), "{}: {part:?} {points:?}", f.name()),
                        Bend::Monotone => assert!((&pair[0][1] * &pair[1][1]) > big(0.0), "{}: {part:?}", f.name()),
                        Bend::Unknown => {}
                    }
                }
            }
        }
    }
}

/// Bounds as they occur: of any size, touching zero, as narrow as floats allow, denormal, with inflections at an end.
fn any_bounds(dice: &mut Dice) -> Interval {
    let (a, b) = (any_float(dice), any_float(dice));
    let (lo, hi) = match dice.below(8) {
        0 => (a, a.next_up()),
        1 => (a, a + 1e-9 * a.abs()),
        2 => (a.min(0.0), a.max(0.0)),
        3 => (-2.399_357_280_515_468, a.abs()),
        4 => (a.min(std::f64::consts::SQRT_2), a.max(std::f64::consts::SQRT_2)),
        5 => (-a.abs() - 30.0, b.abs() + 30.0),
        6 => (a.abs() + 1e-3, a.abs() + b.abs() + 1e-3),
        _ => (a.min(b), a.max(b)),
    };
    Interval::new(lo, hi)
}

fn at(line: Line, z: &Rational) -> Rational {
    exact(line.slope).unwrap() * z + exact(line.intercept).unwrap()
}

/// Random bounds of each function; ten times as many were tried once.
const ROUNDS: usize = 120;

#[test]
fn images_lines_hulls_and_bands_hold_the_graph() {
    for f in smooth() {
        let (curve, mut dice) = (curve(&f), Dice::new(3));
        for round in 0..ROUNDS {
            let z = any_bounds(&mut dice);
            let slope = any_float(&mut dice);
            let (image, band) = (f.image(z.into()), f.band(z.into(), slope));
            let all = [Slopes::Area, Slopes::Parallel].map(|slopes| f.lines_with(z.into(), slopes));
            let (hull, cover, chords) = (f.hull(z.into()), f.cover(z.into()), f.chords(z));
            for i in 0..1000 {
                let x = match i {
                    0 => z.lo,
                    1 => z.hi,
                    2 => z.lo.next_up().min(z.hi),
                    3 => z.hi.next_down().max(z.lo),
                    4 => 0.0f64.clamp(z.lo, z.hi),
                    _ => (z.lo + dice.unit() * (z.hi - z.lo)).clamp(z.lo, z.hi),
                };
                let y = curve.value(x);
                let what = || format!("{} over {z:?} at {x:e}: {y:?}", f.name());
                // What cannot be told apart from the enclosure of the value is no fault.
                assert!(image.lo <= y.hi && y.lo <= image.hi, "{}: {image:?}", what());
                let (rise, step) = (y - curve.value(z.lo), Interval::point(x) - Interval::point(z.lo));
                let risen = if chords.magnitude().is_finite() { chords * step } else { Interval::ALL };
                assert!(risen.lo <= rise.hi && rise.lo <= risen.hi, "{}: chords {chords:?}", what());
                let gap = y - Interval::point(x).scale(slope);
                assert!(band.lo <= gap.hi && gap.lo <= band.hi, "{}: {band:?} of slope {slope:e}", what());
                for lines in all {
                    assert!(lines.lower.at(x).lo <= y.hi && y.lo <= lines.upper.at(x).hi, "{}: {lines:?}", what());
                }
                for h in hull.iter().filter(|_| i < 50) {
                    let value = Interval::point(x).scale(h.z) + y.scale(h.y);
                    assert!(value.lo <= h.rhs, "{}: {h:?}", what());
                }
                // On a segment or between two; where one is infinite nothing is joined.
                let is_known = cover.iter().all(|s| s.intercept.is_finite());
                let here = cover.iter().filter(|s| is_known && s.from <= x && x <= s.to);
                let values = here.map(|s| Interval::point(x).scale(s.slope) + Interval::point(s.intercept));
                if let Some(span) = values.reduce(Interval::join) {
                    assert!(span.lo <= y.hi && y.lo <= span.hi, "{}: {cover:?}", what());
                }
                // To the last bit at some of the points.
                if round % 50 == 0 && i < 8 {
                    let Some([value, _]) = reference(curve, &big(x)) else { continue };
                    let (x, value) = (exact(x).unwrap(), Rational::try_from(value).unwrap());
                    let noise = exact(NOISE).unwrap() * (Rational::ONE + &value * &value);
                    for lines in all.iter().filter(|l| l.lower.intercept.is_finite() && l.upper.intercept.is_finite()) {
                        let (below, above) = (at(lines.lower, &x), at(lines.upper, &x));
                        assert!(below <= &value + &noise && &value - &noise <= above, "{}: {lines:?}", what());
                    }
                }
            }
        }
    }
}

/// The lower hull of sampled points at the middle: what a linear program over them finds.
fn sampled(curve: &dyn Smooth, z: Interval, sign: f64) -> f64 {
    const POINTS: usize = 4000;
    let x = |i: usize| z.lo + (z.hi - z.lo) * i as f64 / POINTS as f64;
    let mut chain: Vec<(f64, f64)> = Vec::new();
    for p in (0..=POINTS).map(|i| (x(i), sign * curve.guess(x(i))[0])) {
        while let [.., a, b] = chain[..] {
            if (b.1 - a.1) * (p.0 - a.0) < (p.1 - a.1) * (b.0 - a.0) {
                break;
            }
            chain.pop();
        }
        chain.push(p);
    }
    let middle = z.middle();
    let right = chain.iter().position(|p| p.0 >= middle).unwrap().max(1);
    let (a, b) = (chain[right - 1], chain[right]);
    sign * (a.1 + (b.1 - a.1) * (middle - a.0) / (b.0 - a.0))
}

#[test]
fn lines_of_least_area_are_on_the_envelope() {
    for f in smooth() {
        let (curve, mut dice) = (curve(&f), Dice::new(4));
        for _ in 0..60 {
            let (a, b) = (12.0 * dice.unit() - 6.0, 12.0 * dice.unit() - 6.0);
            let z = Interval::new(a.min(b), a.max(b));
            if f.image(z.into()).magnitude() > 1e3 {
                continue;
            }
            let lines = f.lines(z.into());
            let scale = 1e-5 * (1.0 + f.image(z.into()).magnitude());
            let (below, above) = (lines.lower.at(z.middle()).lo, lines.upper.at(z.middle()).hi);
            let (least, most) = (sampled(curve, z, 1.0), sampled(curve, z, -1.0));
            assert!((below - least).abs() < scale, "{} over {z:?}: {below} below, {least}", f.name());
            assert!((above - most).abs() < scale, "{} over {z:?}: {above} above, {most}", f.name());
        }
    }
}

#[test]
fn bounds_without_ends_still_have_an_image() {
    let of = |name: &str, z: Interval| smooth().iter().find(|f| f.name() == name).unwrap().image(z.into());
    assert_eq!(of("sigmoid", Interval::ALL), Interval { lo: 0.0, hi: 1.0 });
    assert_eq!(of("tanh", Interval::ALL), Interval { lo: -1.0, hi: 1.0 });
    assert_eq!(of("exp", Interval::ALL), Interval { lo: 0.0, hi: f64::INFINITY });
    assert_eq!(of("sin", Interval::ALL), Interval { lo: -1.0, hi: 1.0 });
    assert_eq!(of("log", Interval::new(-1.0, 1.0)), Interval::ALL);
    assert_eq!(of("reciprocal", Interval::new(-1.0, 1.0)), Interval::ALL);
    let half = of("sigmoid", Interval::new(0.0, f64::INFINITY));
    assert_eq!(half, Interval { lo: 0.5, hi: 1.0 });
    for f in smooth() {
        for z in [Interval::ALL, Interval::new(f64::NEG_INFINITY, 1.0), Interval::new(1.0, f64::INFINITY)] {
            let (image, lines) = (f.image(z.into()), f.lines(z.into()));
            assert!(!image.is_empty() && lines.lower.slope == 0.0 && lines.upper.slope == 0.0, "{}", f.name());
            assert!(lines.lower.intercept <= image.lo && image.hi <= lines.upper.intercept, "{}", f.name());
        }
    }
}

/// Points of the joint graph of two or three curves whose arguments are near each other lie in the joint hull.
#[test]
fn joint_hulls_hold_the_joint_graph() {
    let (mut dice, mut joined) = (Dice::new(6), 0);
    for f in smooth() {
        for round in 0..6 {
            let k = 2 + round % 2;
            let centre = 3.0 * dice.unit() - 1.0;
            let bounds: Vec<Interval> =
                (0..k).map(|_| Interval::new(centre - dice.unit(), centre + 0.1 + dice.unit())).collect();
            let largest_sum = |d: &[i8]| {
                let terms = d.iter().zip(&bounds).map(|(&a, z)| z.scale(f64::from(a)).hi);
                // Sums and differences reach half as far as the bounds let them.
                if d.iter().filter(|a| **a != 0).count() == 1 { terms.sum::<f64>() } else { terms.sum::<f64>() - 0.2 }
            };
            let upper = directions(k).iter().map(|d| largest_sum(d)).collect::<Vec<f64>>();
            let Ok(octahedron) = Octahedron::new(k, upper) else { continue };
            let segments: Vec<Vec<Segment>> = bounds.iter().map(|z| f.cover((*z).into())).collect();
            let Ok(hull) = JointHull::new(&octahedron, &segments) else { continue };
            let facets = hull.facets();
            joined += usize::from(facets.iter().any(|facet| !facet.is_single()));
            for _ in 0..300 {
                let z: Vec<f64> = bounds.iter().map(|z| (z.lo + dice.unit() * z.width()).clamp(z.lo, z.hi)).collect();
                let reach = |d: &Vec<i8>| d.iter().zip(&z).map(|(&a, z)| f64::from(a) * z).sum::<f64>();
                if directions(k).iter().zip(octahedron.upper()).any(|(d, &upper)| reach(d) > upper) {
                    continue;
                }
                let y: Vec<Interval> = z.iter().map(|&z| curve(&f).value(z)).collect();
                for facet in &facets {
                    let of_z = facet.z.iter().zip(&z).map(|(&c, &z)| Interval::point(z).scale(c));
                    let sum =
                        of_z.chain(facet.y.iter().zip(&y).map(|(&c, y)| y.scale(c))).reduce(|a, b| a + b).unwrap();
                    assert!(sum.lo <= facet.rhs, "{} at {z:?}: {facet:?}", f.name());
                }
            }
        }
    }
    assert!(joined > 80, "{joined}");
}
