//! Balls of inputs, and what they say of forms.

use super::number::{add_up, enclose, mul_up, nearest};
use super::text::{Refusal, Words};
use dashu_ratio::RBig;

/// Inputs at most `radius` from the centre, by the sum of distances (L1) or the root of the sum of their squares (L2).
#[derive(Debug)]
pub(super) struct Ball {
    is_round: bool,
    pub radius: RBig,
    /// With the floats around each number.
    pub center: Vec<(RBig, (f64, f64))>,
}

impl Ball {
    /// `L1 RADIUS CENTER…` or `L2 RADIUS CENTER…`, a number of the centre for each input.
    pub fn read(mut words: Words<'_>, inputs: usize) -> Result<Self, Refusal> {
        let norm = |word: &str| ["L1", "L2"].contains(&word).then(|| word == "L2");
        let (is_round, radius) = (words.read(norm, "norm")?, words.weight()?);
        let center = (0..inputs).map(|_| words.number().map(|x| (x.clone(), enclose(&x)))).collect::<Result<_, _>>()?;
        words.end().map(|()| Self { is_round, radius, center })
    }

    /// At least the norm: the largest magnitude, or the root of the sum of the squares.
    pub fn dual_norm(&self, b: &[f64]) -> f64 {
        let squares = || b.iter().fold(0.0, |sum, &b| add_up(sum, mul_up(b, b)));
        let largest = b.iter().fold(0.0, |most: f64, b| most.max(b.abs()));
        if self.is_round && largest > 0.0 { squares().sqrt().next_up() } else { largest }
    }

    /// A guess of what the ball is to bound of coefficients: each up to a multiplier, in L2 times the way from the centre to
    /// the end of the box, where there is one. There the least point has come to the radius; in L1 it is a coefficient, or 0.
    pub fn share(&self, a: &[f64], ends: impl Fn(usize) -> [Option<f64>; 2]) -> Vec<f64> {
        let with_way = |(i, &a): (usize, &f64)| {
            let [low, high] = ends(i).map(|end| end.unwrap_or(0.0) - self.center[i].1.0);
            (a, if a > 0.0 { -low } else { high * f64::from(a < 0.0) }.max(0.0))
        };
        let all: Vec<(f64, f64)> = a.iter().enumerate().map(with_way).collect();
        let (radius, length) = (nearest(&self.radius), a.iter().map(|a| a * a).sum::<f64>().sqrt());
        let (most, largest) = if self.is_round { (radius * radius, length / radius) } else { (radius, length) };
        let is_beyond = |multiplier: f64| {
            let of_sphere = |(a, way): &(f64, f64)| way.min(a.abs() / multiplier).powi(2);
            let of_l1 = |&(a, way): &(f64, f64)| if a.abs() > multiplier { way } else { 0.0 };
            most < if self.is_round { all.iter().map(of_sphere).sum::<f64>() } else { all.iter().map(of_l1).sum() }
        };
        let (mut low, mut high) = (0.0, if is_beyond(0.0) { largest } else { 0.0 });
        for _ in 0..if high > 0.0 { 50 } else { 0 } {
            let middle = 0.5 * (low + high);
            *if is_beyond(middle) { &mut low } else { &mut high } = middle;
        }
        let next = |most: f64, a: &f64| if a.abs() <= high { most.max(a.abs()) } else { most };
        let high = if self.is_round { high } else { a.iter().fold(0.0, next) };
        let cut = |(a, way): (f64, f64)| {
            let most = if self.is_round || way == 0.0 { high * way } else { high };
            if a.abs() > most { most.copysign(a) } else { a }
        };
        all.into_iter().map(cut).collect()
    }
}

#[cfg(test)]
mod tests;
