//! A network under training.

use super::adam::Adam;
use super::elementary::softmax;
use super::layer::Layer;
use super::rng::Rng;
use super::signum::{Neurons, Signum, sign};
use float_ord::FloatOrd;
use std::cmp::Reverse;

/// An image as the network reads it, with its label.
pub(super) type Example = (Vec<f64>, usize);

/// The network under training.
pub(super) struct Network {
    pub(super) layers: Vec<Layer>,
    neurons: Neurons,
    /// The real parameters that those of signum layers stand for.
    latent: Vec<Vec<f64>>,
}

impl Network {
    /// A network that starts with these layers.
    pub(super) fn new(mut layers: Vec<Layer>, neurons: Neurons) -> Self {
        let mut latent = Vec::new();
        if let Neurons::Signum(signum) = neurons {
            latent = layers.iter().map(|l| l.parameters.clone()).collect();
            layers.iter_mut().zip(&mut latent).for_each(|(layer, latent)| signum.quantise(latent, layer));
        }
        Self { layers, neurons, latent }
    }

    pub(super) fn zeros(&self) -> Vec<Vec<f64>> {
        self.layers.iter().map(|l| vec![0.0; l.parameters.len()]).collect()
    }

    pub(super) fn optimisers(&self) -> Vec<Adam> {
        self.layers.iter().map(|l| Adam::new(l.parameters.len())).collect()
    }

    /// One step of the optimiser along the gradients of a batch.
    pub(super) fn step(&mut self, adam: &mut [Adam], gradients: &[Vec<f64>], batch: usize, rate: f64, decay: f64) {
        for (index, ((layer, gradient), adam)) in self.layers.iter_mut().zip(gradients).zip(adam).enumerate() {
            match self.neurons {
                Neurons::Relu => adam.step(&mut layer.parameters, gradient, batch, rate, decay),
                Neurons::Signum(signum) => {
                    let latent = &mut self.latent[index];
                    adam.step(latent, gradient, batch, rate, decay);
                    signum.quantise(latent, layer);
                }
            }
        }
    }

    /// True while no parameter has left the range of numbers.
    pub(super) fn is_finite(&self) -> bool {
        let all = self.layers.iter().map(|l| &l.parameters).chain(&self.latent);
        all.flatten().all(|p| p.is_finite())
    }

    /// What each layer reads and its pre-activations; the last ones are the outputs.
    fn forward(&self, x: &[f64]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let (mut read, mut pre_activations) = (vec![x.to_vec()], Vec::<Vec<f64>>::new());
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(z) = pre_activations.last() {
                read.push(match self.neurons {
                    Neurons::Relu => z.iter().map(|z| z.max(0.0)).collect(),
                    Neurons::Signum(_) => z.iter().map(|&z| sign(z)).collect(),
                });
            }
            pre_activations.push(layer.forward(&read[index]));
        }
        (read, pre_activations)
    }

    fn outputs(&self, x: &[f64]) -> Vec<f64> {
        self.forward(x).1.pop().unwrap_or_default()
    }

    /// Adds the gradient of the cross entropy.
    pub(super) fn add_gradient(&self, x: &[f64], label: usize, gradients: &mut [Vec<f64>]) {
        self.back_propagate(x, label, gradients, false);
    }

    /// The gradient of the cross entropy with respect to the input.
    fn input_gradient(&self, x: &[f64], label: usize) -> Vec<f64> {
        self.back_propagate(x, label, &mut self.zeros(), true)
    }

    /// Adds the gradient of the cross entropy; returns that of the input where it is wanted.
    ///
    /// The outputs of a signum network are divided by the deviation of a sum of so many signs first.
    fn back_propagate(&self, x: &[f64], label: usize, gradients: &mut [Vec<f64>], of_input: bool) -> Vec<f64> {
        let (read, pre_activations) = self.forward(x);
        let unit = |index: usize| match self.neurons {
            Neurons::Relu => 1.0,
            Neurons::Signum(_) => self.layers[index].kind.deviation(),
        };
        let last = self.layers.len() - 1;
        let logits: Vec<f64> = pre_activations[last].iter().map(|z| z / unit(last)).collect();
        let mut d = softmax(&logits);
        d[label] -= 1.0;
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let per_unit = unit(index);
            d.iter_mut().for_each(|d| *d /= per_unit);
            d = layer.backward(&read[index], &d, &mut gradients[index], of_input || index > 0);
            if index > 0 {
                let (z, below) = (&pre_activations[index - 1], unit(index - 1));
                match self.neurons {
                    Neurons::Relu => d.iter_mut().zip(z).filter(|(_, z)| **z <= 0.0).for_each(|(d, _)| *d = 0.0),
                    Neurons::Signum(Signum { cancelling, .. }) => {
                        d.iter_mut().zip(z).for_each(|(d, z)| *d *= cancelling.slope(z / below));
                    }
                }
            }
        }
        d
    }

    /// One step of the gradient's sign from a random start in the ball (Wong, Rice, Kolter: "Fast is
    /// better than free", 2020), within [0, 1].
    pub(super) fn adversarial(&self, x: &[f64], label: usize, radius: f64, rng: &mut Rng) -> Vec<f64> {
        let start: Vec<f64> = x.iter().map(|x| (x + radius * rng.symmetric()).clamp(0.0, 1.0)).collect();
        let gradient = self.input_gradient(&start, label);
        let moved = |((x, start), d): ((&f64, &f64), &f64)| {
            let step = if *d == 0.0 { 0.0 } else { (1.25 * radius).copysign(*d) };
            (start + step).clamp(x - radius, x + radius).clamp(0.0, 1.0)
        };
        x.iter().zip(&start).zip(&gradient).map(moved).collect()
    }

    /// The image of ±1 with those `flips` pixels flipped whose gradients promise the largest loss.
    pub(super) fn flipped(&self, x: &[f64], label: usize, flips: usize) -> Vec<f64> {
        let gradient = self.input_gradient(x, label);
        let gain = |i: usize| -gradient[i] * x[i];
        let mut order: Vec<usize> = (0..x.len()).filter(|&i| gain(i) > 0.0).collect();
        order.sort_by_key(|&i| Reverse(FloatOrd(gain(i))));
        let mut flipped = x.to_vec();
        order.into_iter().take(flips).for_each(|i| flipped[i] = -x[i]);
        flipped
    }

    /// The part of the examples whose label has the one largest output.
    pub(super) fn accuracy(&self, examples: &[Example]) -> f64 {
        let is_right = |(x, label): &&Example| {
            let outputs = self.outputs(x);
            (0..outputs.len()).all(|j| j == *label || outputs[j] < outputs[*label])
        };
        examples.iter().filter(is_right).count() as f64 / examples.len() as f64
    }
}
