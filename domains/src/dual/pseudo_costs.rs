//! What splits on a neuron have gained so far, next to what its relaxation lost there (pseudo-costs: Benichou et al. 1971;
//! Achterberg, Koch & Martin 2005, eq. 2): neurons whose losses come to more when they are split are preferred.

use super::ascent::Pick;

/// Neurons count as if so many splits on them, of the mean loss, had gained what splits do on average.
const PRIOR: f64 = 4.0;

/// Sums over halves.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    gain: f64,
    loss: f64,
}

impl Sum {
    fn add(&mut self, gain: f64, loss: f64) {
        (self.gain, self.loss) = (self.gain + gain, self.loss + loss);
    }
}

/// Of the free neurons of one forest.
#[derive(Debug)]
pub(super) struct PseudoCosts {
    /// By index, the halves below and above.
    of_neurons: Vec<[Sum; 2]>,
    all: Sum,
    halves: usize,
    /// By index, what the loss of a neuron counts for: 1 for those that are not better known than others.
    weights: Vec<f32>,
}

impl PseudoCosts {
    /// Of `free` neurons about which nothing is known.
    pub fn new(free: usize) -> Self {
        Self { of_neurons: vec![[Sum::default(); 2]; free], all: Sum::default(), halves: 0, weights: vec![1.0; free] }
    }

    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Notes that the half `above` or below of a split has gained so much.
    pub fn note(&mut self, pick: Pick, above: bool, gain: f32) {
        let (gain, loss) = (f64::from(gain.max(0.0)), f64::from(pick.loss));
        if gain.is_finite() && loss.is_finite() && loss > 0.0 {
            self.of_neurons[pick.index as usize][usize::from(above)].add(gain, loss);
            self.all.add(gain, loss);
            self.halves += 1;
        }
    }

    /// Takes what was noted over into the weights: the geometric means of both halves' gains per loss.
    pub fn learn(&mut self) {
        if self.all.gain <= 0.0 {
            return;
        }
        let prior = PRIOR * self.all.loss / self.halves as f64;
        let ratio = self.all.gain / self.all.loss;
        let of_half = |half: &Sum| (half.gain / ratio + prior) / (half.loss + prior);
        for (weight, [below, above]) in self.weights.iter_mut().zip(&self.of_neurons) {
            *weight = (of_half(below) * of_half(above)).sqrt() as f32;
        }
    }
}
