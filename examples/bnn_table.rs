//! What preprocessing is worth on dense ±1 networks 784-64-10: median time and conflicts per query.
//!
//! `cargo run --release --example bnn_table [IMAGES] [SECONDS]`

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use absint::domains::activation::Sign;
use absint::domains::domain::Run;
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder};
use absint::domains::num::Rational;
use absint::domains::query::{Query, Region};
use absint::domains::verdict::Verdict;
use absint::engine::bnn::{BnnOptions, Compiled, Preprocessing};
use absint::engine::deadline;
use ndarray::Array2;
use std::sync::Arc;
use std::time::Duration;

struct Dice(u64);

impl Dice {
    fn bit(&mut self) -> bool {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        self.0 >> 63 == 1
    }
}

fn network(dice: &mut Dice) -> Network {
    let mut b = NetworkBuilder::new(&[784]);
    let mut last = 0;
    for width in [64, 10] {
        let w = Array2::from_shape_simple_fn((width, b.len(last)), || if dice.bit() { 1.0 } else { -1.0 });
        last = b.linear("fc", last, LinearMap::Dense(w), Coefficients::zeros(width)).unwrap();
        if width != 10 {
            last = b.activation("sign", last, Arc::new(Sign)).unwrap();
        }
    }
    b.finish(last, &[10]).unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let images: usize = arguments.next().map_or(10, |a| a.parse().unwrap());
    let limit = Duration::from_secs_f64(arguments.next().map_or(5.0, |a| a.parse().unwrap()));
    println!("flips  preprocessing  verified falsified open  build ms  search ms  median  max  conflicts  fixed");
    for flips in [2, 5, 10, 12] {
        for (name, fix, counts, deeper) in [
            ("none", false, false, false),
            ("fix", true, false, false),
            ("counts", false, true, false),
            ("both", true, true, false),
            ("deeper", true, true, true),
        ] {
            let dice = &mut Dice(7);
            let (mut build, mut search, mut conflicts, mut fixed) = (Vec::new(), Vec::new(), Vec::new(), 0);
            let (mut verified, mut falsified, mut open) = (0, 0, 0);
            for seed in 0..images {
                let network = network(dice);
                let at_upper: Vec<bool> = (0..784).map(|_| dice.bit()).collect();
                let center: Vec<f64> = at_upper.iter().map(|&h| if h { 1.0 } else { -1.0 }).collect();
                let logits = network.evaluate::<f64>(&center).unwrap();
                let label = (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
                let region = Region::hamming(&Rational::from(-1), &Rational::ONE, at_upper, flips).unwrap();
                let query = Query::robustness(region, 10, label);
                let preprocessing = Preprocessing { fix, counts, deeper };
                let mut options = BnnOptions { preprocessing, ..BnnOptions::default() };
                options.solver.seed = seed as u64;
                let compiled = Compiled::new(&network).unwrap();
                let answer = compiled.decide(&query, &options, Run::silent(&deadline(Some(limit)))).unwrap();
                match answer.verdict {
                    Verdict::Verified(_) => verified += 1,
                    Verdict::Falsified(_) => falsified += 1,
                    Verdict::Unknown(_) => open += 1,
                }
                build.push(answer.build.as_secs_f64() * 1e3);
                search.push(answer.search.as_secs_f64() * 1e3);
                conflicts.push(answer.statistics.conflicts as f64);
                fixed += answer.fixed;
            }
            let total: Vec<f64> = build.iter().zip(&search).map(|(a, b)| a + b).collect();
            println!(
                "{flips:>5}  {name:<13} {verified:>9} {falsified:>9} {open:>4} {:>9.1} {:>10.1} {:>8.1} {:>8.1} {:>9.0} {:>6.1}",
                median(build),
                median(search),
                median(total.clone()),
                total.iter().copied().fold(0.0, f64::max),
                median(conflicts),
                fixed as f64 / images as f64,
            );
        }
    }
}
