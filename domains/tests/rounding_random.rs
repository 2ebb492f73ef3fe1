//! Networks, regions and numbers made to break floating-point verifiers, against exact evaluation.

// Longer runs are asked for by FUZZ and FUZZ_FIRST.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)]

mod common;
#[path = "common/precise.rs"]
mod precise;

use absint_domains::activation::{ActivationFn, Clip, LeakyRelu, all};
use absint_domains::budget::Budget;
use absint_domains::domain::{
    AbstractDomain, Bounds, Concretise, DeepPoly, DomainError, Fact, IntervalDomain, LpDomain, RationalDeepPoly, Run,
    Tighten, Wanted, Zonotope, propagate,
};
use absint_domains::lp::backends;
use absint_domains::network::{Coefficients, Conv2d, LinearMap, Network, NetworkBuilder, NodeId, Term};
use absint_domains::num::{Interval, Rational, exact, exact_or_zero, parse_decimal};
use absint_domains::query::{LinearForms, Region};
use common::Dice;
use ndarray::{Array2, Array4};
use std::sync::Arc;

/// How nasty the numbers of one case are.
#[derive(Clone, Copy)]
struct Scale {
    low: i32,
    high: i32,
    ties: bool,
}

fn power(e: i32) -> f64 {
    if e < -1000 { 2f64.powi(-1000) * 2f64.powi(e + 1000) } else { 2f64.powi(e) }
}

fn number(d: &mut Dice, s: Scale) -> f64 {
    let m = match d.below(6) {
        0 => 0.0,
        1 | 2 if s.ties => (d.below(9) as f64 - 4.0) / 2.0,
        1 => 1.0,
        2 => -1.0,
        3 => d.unit() * 2.0 - 1.0,
        4 => f64::from((d.unit() * 2.0 - 1.0) as f32),
        _ => (d.below(65) as f64 - 32.0) / 16.0,
    };
    let e = s.low + d.below((s.high - s.low + 1) as usize) as i32;
    m * power(e)
}

fn numbers(d: &mut Dice, s: Scale, n: usize) -> Vec<f64> {
    let mut v: Vec<f64> = (0..n).map(|_| number(d, s)).collect();
    if n > 1 && d.below(4) == 0 {
        // Exact cancellation, or nearly so.
        let (i, j) = (d.below(n), d.below(n));
        if i != j {
            v[i] = -v[j];
            if d.below(2) == 0 {
                v[i] = v[i].next_up();
            }
        }
    }
    v
}

fn bias(d: &mut Dice, s: Scale, n: usize) -> Coefficients {
    match d.below(4) {
        0 => Coefficients::zeros(n),
        1 => Coefficients::rationals((0..n).map(|_| exact_or_zero(number(d, s)) / Rational::from(3)).collect()),
        _ => Coefficients::floats(numbers(d, s, n)),
    }
}

/// A random map from a node of length `n`.
fn map(d: &mut Dice, s: Scale, n: usize) -> LinearMap {
    match d.below(8) {
        0 => LinearMap::Diagonal(Coefficients::floats(numbers(d, s, n))),
        1 => LinearMap::Diagonal(Coefficients::rationals(
            (0..n).map(|_| exact_or_zero(number(d, s)) / Rational::from(7)).collect(),
        )),
        2 => {
            let m = 1 + d.below(5);
            let index = (0..m).map(|_| if d.below(5) == 0 { None } else { Some(d.below(n.min(2))) }).collect();
            LinearMap::Select { input_len: n, index }
        }
        3 => LinearMap::Identity(n),
        4 if n.is_multiple_of(2) => {
            let out = 1 + d.below(2);
            let k = 1 + d.below((n / 2).min(2));
            let weight = Array4::from_shape_vec((out, 2, 1, k), numbers(d, s, out * 2 * k)).unwrap();
            let width = n / 2 - k + 1;
            LinearMap::Conv2d(Conv2d {
                weight,
                input: [2, 1, n / 2],
                output: [out, 1, width],
                stride: [1, 1],
                padding: [0, 0],
                dilation: [1, 1],
                groups: 1,
            })
        }
        _ => {
            let m = 1 + d.below(4);
            LinearMap::Dense(Array2::from_shape_vec((m, n), numbers(d, s, m * n)).unwrap())
        }
    }
}

fn activations() -> Vec<Arc<dyn ActivationFn>> {
    let mut fs = all();
    fs.push(Arc::new(LeakyRelu::new(-0.5)));
    fs.push(Arc::new(LeakyRelu::new(3.0)));
    fs.push(Arc::new(Clip::new(0.0, 6.0)));
    fs.push(Arc::new(Clip::new(0.1, 0.1)));
    fs
}

fn network(d: &mut Dice, s: Scale) -> Network {
    let fs = activations();
    let f = fs[d.below(fs.len())].clone();
    let mixed = d.below(4) == 0;
    let mut b = NetworkBuilder::new(&[1 + d.below(4)]);
    let mut nodes: Vec<NodeId> = vec![0];
    for _ in 0..1 + d.below(5) {
        let source = if d.below(3) == 0 { nodes[d.below(nodes.len())] } else { *nodes.last().unwrap() };
        let m = map(d, s, b.len(source));
        let n = m.output_len();
        let mut terms = vec![Term { source, map: m.into() }];
        if d.below(3) == 0 {
            // A residual sum, perhaps of the same node.
            let other = nodes[d.below(nodes.len())];
            let len = b.len(other);
            let m = if len == n && d.below(2) == 0 {
                LinearMap::Identity(n)
            } else {
                LinearMap::Dense(Array2::from_shape_vec((n, len), numbers(d, s, n * len)).unwrap())
            };
            terms.push(Term { source: other, map: m.into() });
        }
        let bias = bias(d, s, n);
        let z = b.affine("z", terms, bias).unwrap();
        nodes.push(z);
        if d.below(4) != 0 {
            let g = if mixed { fs[d.below(fs.len())].clone() } else { f.clone() };
            nodes.push(b.activation("y", z, g).unwrap());
        }
    }
    let last = *nodes.last().unwrap();
    let out = 1 + d.below(2);
    let n = b.len(last);
    let w = Array2::from_shape_vec((out, n), numbers(d, s, out * n)).unwrap();
    let bias = bias(d, s, out);
    let y = b.linear("out", last, LinearMap::Dense(w), bias).unwrap();
    b.finish(y, &[out]).unwrap()
}

fn region(d: &mut Dice, s: Scale, n: usize) -> Region {
    let center: Vec<Rational> = (0..n)
        .map(|_| {
            let x = exact_or_zero(number(d, s));
            if d.below(4) == 0 { x / Rational::from(3) } else { x }
        })
        .collect();
    let radius = exact_or_zero(number(d, s).abs()) * parse_decimal(["1", "0.1", "1/3"][d.below(3)]).unwrap();
    let (low, high) = (Rational::from(-1), Rational::from(1));
    let r = match d.below(8) {
        0 => Region::l1(&center, &radius, None),
        1 => Region::l2(&center, &radius, None),
        2 => {
            let pairs = [("-1", "1"), ("0", "1"), ("0.1", "0.3"), ("0", "0.3")];
            let (low, high) = pairs[d.below(4)];
            let at_upper = (0..n).map(|_| d.below(2) == 0).collect();
            Region::hamming(&parse_decimal(low).unwrap(), &parse_decimal(high).unwrap(), at_upper, d.below(n + 1))
        }
        3 => {
            let step = if radius == Rational::ZERO { Rational::ONE } else { &radius / Rational::from(3) };
            let lower: Vec<Rational> = center.iter().map(|c| c - &radius).collect();
            let upper: Vec<Rational> = center.iter().map(|c| c + &radius).collect();
            Region::grid(&center, &step, &lower, &upper)
        }
        4 => {
            let center: Vec<Rational> = center.into_iter().map(|c| c.clamp(low.clone(), high.clone())).collect();
            Region::l2(&center, &radius, Some((&low, &high)))
        }
        5 => {
            // One-sided boxes that end exactly at zero.
            let ends: Vec<Rational> = center.iter().map(|c| if c < &Rational::ZERO { -c } else { c.clone() }).collect();
            Region::new_box(vec![Rational::ZERO; n], ends)
        }
        _ => Region::linf(&center, &radius, None),
    };
    r.unwrap()
}

fn member(d: &mut Dice, region: &Region, i: usize) -> Option<Vec<Rational>> {
    let n = region.len();
    let direct: Vec<f64> = region
        .bounds()
        .iter()
        .enumerate()
        .map(|(j, x)| {
            let (lo, hi) = (x.lo - x.magnitude() - 1.0, x.hi + x.magnitude() + 1.0);
            if i < 1 << n {
                return if i >> j & 1 == 0 { lo } else { hi };
            }
            match d.below(6) {
                0 => lo,
                1 => hi,
                2 => 0.0,
                3 => x.lo / 2.0 + x.hi / 2.0,
                _ => x.lo + d.unit() * (x.hi - x.lo),
            }
        })
        .map(|x| x.clamp(-f64::MAX, f64::MAX))
        .collect();
    region.nearest_member(&direct)
}

type Members = Vec<Vec<Vec<Rational>>>;

#[allow(clippy::too_many_arguments)]
fn check<D: AbstractDomain>(
    label: &str,
    domain: &D,
    network: &Network,
    region: &Region,
    known: &Bounds,
    forms: &Array2<f64>,
    members: &Members,
    failures: &mut Vec<String>,
) -> Option<Bounds> {
    let budget = Budget::unlimited();
    let trace = match propagate(domain, network, region, known, Run::silent(&budget)) {
        Ok(t) => t,
        Err(DomainError::Contradiction { node, .. }) => {
            failures.push(format!("{label}: contradiction at node {node}"));
            return None;
        }
        Err(e) => panic!("{e}"),
    };
    let c0 = power(-40);
    let mut batch = LinearForms::of_node(network.output(), forms.clone());
    batch.constants = vec![c0; forms.nrows()];
    let minima = domain.minima(&batch, &trace).unwrap();
    let joint = domain.minimum_of_maximum(&batch, &trace).unwrap();
    let below = |lo: f64, v: &Rational| lo == f64::NEG_INFINITY || exact(lo).is_some_and(|lo| &lo <= v);
    for values in members {
        for (id, (fact, values)) in trace.facts.iter().zip(values).enumerate() {
            for (i, v) in values.iter().enumerate() {
                let b: Interval = fact.bounds().get(i);
                if !(below(b.lo, v) && below(-b.hi, &-v.clone())) {
                    failures.push(format!("{label}: node {id}[{i}] = {:e} outside {b:?}", v.to_f64().value()));
                    return None;
                }
            }
        }
        let mut most: Option<Rational> = None;
        for (row, &minimum) in forms.rows().into_iter().zip(&minima) {
            let v = row
                .iter()
                .zip(&values[network.output()])
                .fold(exact(c0).unwrap(), |s, (&c, y)| s + exact(c).unwrap() * y);
            if !below(minimum, &v) {
                failures.push(format!("{label}: form {:e} below {minimum:e}", v.to_f64().value()));
                return None;
            }
            most = Some(most.map_or(v.clone(), |m| m.max(v)));
        }
        if !most.is_some_and(|m| below(joint, &m)) {
            failures.push(format!("{label}: joint {joint:e} exceeds the maximum"));
            return None;
        }
    }
    Some(trace.bounds())
}

fn one(seed: u64, scales: &[Scale]) -> Vec<String> {
    let mut d = Dice::new(seed);
    let s = scales[d.below(scales.len())];
    let net = network(&mut d, s);
    let region = region(&mut d, s, net.input_len());
    let members: Members =
        (0..20).filter_map(|i| member(&mut d, &region, i)).filter_map(|x| precise::values(&net, &x)).collect();
    let rows = 3;
    let forms = Array2::from_shape_vec((rows, net.output_len()), numbers(&mut d, s, rows * net.output_len())).unwrap();
    let mut failures = Vec::new();
    let unknown = Bounds::unknown();
    let mut known = Bounds::unknown();
    macro_rules! run {
        ($label:expr, $domain:expr, $known:expr) => {
            check($label, $domain, &net, &region, $known, &forms, &members, &mut failures)
        };
    }
    let found = [
        run!("interval", &IntervalDomain, &unknown),
        run!("zonotope", &Zonotope, &unknown),
        run!("deeppoly", &DeepPoly::default(), &unknown),
        run!("deeppoly-input", &DeepPoly { concretise: Concretise::Input, ..DeepPoly::default() }, &unknown),
        run!("deeppoly-act", &DeepPoly { concretise: Concretise::Activations, ..DeepPoly::default() }, &unknown),
        run!("deeppoly-unstable", &DeepPoly { wanted: Wanted::Unstable, ..DeepPoly::default() }, &unknown),
        run!("rational", &RationalDeepPoly, &unknown),
    ];
    found.iter().flatten().for_each(|b| known.intersect(b));
    if failures.is_empty() {
        for (k, tighten, shared) in
            [(1, Tighten::None, false), (2, Tighten::None, true), (3, Tighten::All, false), (4, Tighten::None, false)]
        {
            let lp = LpDomain { tighten, hull: k == 2, ..LpDomain::kpoly(k, backends()[0]) };
            let known = if shared { &known } else { &unknown };
            let label = format!("lp{k}{tighten:?}{shared}");
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run!(&label, &lp, known)));
            if caught.is_err() {
                failures.push(format!("{label}: panic"));
            }
        }
        run!("rational-known", &RationalDeepPoly, &known);
        run!("deeppoly-known", &DeepPoly::default(), &known);
        run!("zonotope-known", &Zonotope, &known);
    }
    failures
}

const MODERATE: &[Scale] = &[
    Scale { low: 0, high: 0, ties: true },
    Scale { low: -4, high: 4, ties: true },
    Scale { low: -30, high: 30, ties: false },
    Scale { low: -60, high: 60, ties: true },
    Scale { low: -100, high: -40, ties: true },
    Scale { low: 40, high: 100, ties: false },
];

const EXTREME: &[Scale] = &[
    Scale { low: -200, high: 200, ties: true },
    Scale { low: -400, high: 400, ties: false },
    Scale { low: -600, high: -200, ties: true },
    Scale { low: 150, high: 500, ties: true },
    Scale { low: -1074, high: 1000, ties: true },
    Scale { low: -1074, high: -1020, ties: true },
];

fn many(first: u64, count: u64, scales: &[Scale]) -> usize {
    let mut wrong = 0;
    for seed in first..first + count {
        let failures = one(seed, scales);
        for f in &failures {
            eprintln!("seed {seed}: {f}");
        }
        wrong += usize::from(!failures.is_empty());
    }
    wrong
}

#[test]
fn bounds_hold_at_moderate_scales() {
    let count = std::env::var("FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(250);
    let first = std::env::var("FUZZ_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    assert_eq!(many(first, count, MODERATE), 0);
}

#[test]
fn bounds_hold_at_extreme_scales() {
    let count = std::env::var("FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(250);
    let first = std::env::var("FUZZ_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    assert_eq!(many(first, count, EXTREME), 0);
}
