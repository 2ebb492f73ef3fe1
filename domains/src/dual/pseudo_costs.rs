//! What splits on a neuron have gained so far, next to what its relaxation lost there (pseudo-costs: Benichou et al. 1971;
//! Achterberg, Koch & Martin 2005): neurons whose losses come to more when they are split are preferred.

use super::ascent::Pick;

/// Neurons count as if so many halves, of the mean loss, had gained what halves do on average.
const PRIOR: f64 = 1.0;

/// With fewer splits than this little is known of a neuron.
const RELIABLE: usize = 4;

/// Sums over halves of splits.
#[derive(Clone, Copy, Debug, Default)]
struct Halves {
    gain: f64,
    loss: f64,
    count: usize,
}

impl Halves {
    fn add(&mut self, gain: f64, loss: f64) {
        *self = Self { gain: self.gain + gain, loss: self.loss + loss, count: self.count + 1 };
    }
}

/// What is known of the free neurons of a forest.
#[derive(Debug)]
pub(super) struct PseudoCosts {
    /// By index, the halves below and above.
    neurons: Vec<[Halves; 2]>,
    all: Halves,
    weights: Vec<f32>,
}

impl PseudoCosts {
    /// Nothing is known of `free` neurons.
    pub fn new(free: usize) -> Self {
        Self { neurons: vec![Default::default(); free], all: Halves::default(), weights: vec![1.0; free] }
    }

    /// By index, what a neuron's loss counts for.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Whether enough splits on a neuron were seen.
    pub fn is_reliable(&self, index: u32) -> bool {
        self.neurons[index as usize].iter().all(|half| half.count >= RELIABLE)
    }

    /// Notes what the halves of splits gained, where they were bounded: first those below, then those above.
    pub fn learn(&mut self, splits: impl Iterator<Item = (Pick, [Option<f32>; 2])>) {
        for (pick, gains) in splits {
            for (half, gain) in self.neurons[pick.index as usize].iter_mut().zip(gains) {
                let (gain, loss) = (f64::from(gain.unwrap_or(f32::NAN).max(0.0)), f64::from(pick.loss));
                if gain.is_finite() && loss.is_finite() && loss > 0.0 {
                    half.add(gain, loss);
                    self.all.add(gain, loss);
                }
            }
        }
        if self.all.gain > 0.0 {
            let prior = PRIOR * self.all.loss / self.all.count as f64;
            let ratio = self.all.gain / self.all.loss;
            let of_half = |half: &Halves| (half.gain / ratio + prior) / (half.loss + prior);
            for (weight, [below, above]) in self.weights.iter_mut().zip(&self.neurons) {
                *weight = (of_half(below) * of_half(above)).sqrt() as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neurons_that_gain_more_per_loss_weigh_more() {
        let mut costs = PseudoCosts::new(4);
        let pick = |index, loss| Pick { index, loss, beta: [0.0; 2] };
        let splits = [
            (pick(0, 1.0), [Some(1.0), Some(1.0)]),
            (pick(1, 2.0), [Some(1.0), Some(1.0)]),
            // Nobody knows, and what is not a number says nothing.
            (pick(2, 1.0), [None, Some(f32::NAN)]),
            (pick(3, f32::INFINITY), [Some(1.0), Some(f32::INFINITY)]),
        ];
        costs.learn(splits.into_iter());
        let weights = costs.weights();
        // Mean loss 1.5, gain per loss 2/3: (3/2 + 3/2) / (1 + 3/2) and (3/2 + 3/2) / (2 + 3/2).
        assert!((weights[0] - 1.2).abs() < 1e-6 && (weights[1] - 6.0 / 7.0).abs() < 1e-6, "{weights:?}");
        assert_eq!(weights[2..], [1.0, 1.0]);
        assert!(!costs.is_reliable(0));
        for _ in 1..RELIABLE {
            costs.learn([(pick(0, 1.0), [Some(0.0), Some(1.0)])].into_iter());
        }
        assert!(costs.is_reliable(0) && !costs.is_reliable(1));
        assert!(costs.weights().iter().all(|weight| weight.is_finite() && *weight > 0.0));
    }
}
