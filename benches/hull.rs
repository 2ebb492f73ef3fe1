//! The joint hull of k neurons over random groups: octahedra of zonotopes that straddle 0 everywhere.

use absint_domains::polyhedra::{JointHull, Octahedron, Segment, directions};
use criterion::{Criterion, criterion_group, criterion_main};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use std::hint::black_box;

/// Numbers in [−1, 1).
struct Random(SplitMix64);

impl Random {
    fn next(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A group of k ReLU neurons: the octahedron of a zonotope with 12 generators, loosened by a few percent.
fn group(k: usize, seed: u64) -> (Octahedron, Vec<Vec<Segment>>) {
    let mut random = Random(SplitMix64::seed_from_u64(seed));
    let generators: Vec<Vec<f64>> = (0..k).map(|_| (0..12).map(|_| random.next()).collect()).collect();
    let centre: Vec<f64> =
        generators.iter().map(|g| 0.7 * random.next() * g.iter().map(|x| x.abs()).sum::<f64>()).collect();
    let upper: Vec<f64> = directions(k)
        .iter()
        .map(|a| {
            let along = |x: &dyn Fn(usize) -> f64| (0..k).map(|i| f64::from(a[i]) * x(i)).sum::<f64>();
            let radius: f64 = (0..12).map(|j| along(&|i| generators[i][j]).abs()).sum();
            along(&|i| centre[i]) + radius * (1.02 + 0.02 * random.next())
        })
        .collect();
    let bound = |i: usize, sign: i8| {
        let single = |a: &Vec<i8>| a.iter().enumerate().all(|(j, &x)| x == if j == i { sign } else { 0 });
        directions(k).iter().position(single).map_or(0.0, |j| upper[j])
    };
    let segments = (0..k).map(|i| Segment::relu(-bound(i, -1), bound(i, 1))).collect();
    let octahedron = Octahedron::new(k, upper);
    (octahedron.expect("finite bounds"), segments)
}

/// A point outside: the octahedron's centre, with every output on its triangle's upper line.
fn point(segments: &[Vec<Segment>], hull: &JointHull) -> Vec<f64> {
    let k = segments.len();
    let mut mean = vec![0.0; 2 * k];
    for vertex in hull.vertices() {
        mean.iter_mut().zip(vertex).for_each(|(m, v)| *m += v / hull.vertex_count() as f64);
    }
    for (i, list) in segments.iter().enumerate() {
        let (l, u) = (list[0].from, list[1].to);
        mean[k + i] = u * (mean[i] - l) / (u - l);
    }
    mean
}

/// One call handles the next of 40 groups, so that an average over many calls is one over the groups.
fn benchmark(c: &mut Criterion) {
    const GROUPS: u64 = 40;
    for k in 1..=4 {
        let groups: Vec<_> = (0..GROUPS).map(|seed| group(k, seed + 1)).collect();
        let mut turn = 0;
        let mut next = || {
            turn = (turn + 1) % groups.len();
            &groups[turn]
        };
        if k <= 3 {
            c.bench_function(&format!("facets/{k}"), |b| {
                b.iter(|| {
                    let (octahedron, segments) = next();
                    black_box(JointHull::new(octahedron, segments).map(|hull| hull.facets().len()))
                });
            });
        }
        c.bench_function(&format!("vertices/{k}"), |b| {
            b.iter(|| {
                let (octahedron, segments) = next();
                black_box(JointHull::new(octahedron, segments).map(|hull| hull.vertex_count()))
            });
        });
        let hulls: Vec<_> = groups
            .iter()
            .filter_map(|(octahedron, segments)| {
                let hull = JointHull::new(octahedron, segments).ok()?;
                let point = point(segments, &hull);
                Some((hull, point))
            })
            .collect();
        let mut turn = 0;
        c.bench_function(&format!("separate/{k}"), |b| {
            b.iter(|| {
                turn = (turn + 1) % hulls.len();
                black_box(hulls[turn].0.separate(&hulls[turn].1))
            });
        });
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
