//! A point of the iteration, and steps from it.

/// Part of the way to the boundary that a step goes at most.
pub(super) const TO_THE_BOUNDARY: f64 = 0.995;

/// A Newton step of all unknowns.
#[derive(Clone, Default)]
pub(super) struct Step {
    pub point: Vec<f64>,
    pub y: Vec<f64>,
    pub w: Vec<f64>,
    pub z_lower: Vec<f64>,
    pub z_upper: Vec<f64>,
}

/// Distances to the bounds, their duals, and the multipliers of the rows.
pub(super) struct Iterate {
    pub s_lower: Vec<f64>,
    pub s_upper: Vec<f64>,
    pub z_lower: Vec<f64>,
    pub z_upper: Vec<f64>,
    pub y: Vec<f64>,
    pub w: Vec<f64>,
}

impl Iterate {
    pub fn point(&self, lower: &[f64], upper: &[f64]) -> Vec<f64> {
        (0..self.s_lower.len())
            .map(|i| {
                if self.s_lower[i] <= self.s_upper[i] { lower[i] + self.s_lower[i] } else { upper[i] - self.s_upper[i] }
            })
            .collect()
    }

    pub fn complementarity(&self) -> f64 {
        let of = |s: &[f64], z: &[f64]| -> f64 {
            s.iter().zip(z).map(|(s, z)| if s.is_finite() { s * z } else { 0.0 }).sum()
        };
        of(&self.s_lower, &self.z_lower) + of(&self.s_upper, &self.z_upper)
    }

    pub fn complementarity_after(&self, step: &Step, primal: f64, dual: f64) -> f64 {
        let mut sum = 0.0;
        for i in 0..self.s_lower.len() {
            if self.s_lower[i].is_finite() {
                sum += (self.s_lower[i] + primal * step.point[i]) * (self.z_lower[i] + dual * step.z_lower[i]);
            }
            if self.s_upper[i].is_finite() {
                sum += (self.s_upper[i] - primal * step.point[i]) * (self.z_upper[i] + dual * step.z_upper[i]);
            }
        }
        sum
    }

    /// The longest steps, at most 1 over the fraction kept, that leave all positive.
    pub fn longest(&self, step: &Step) -> (f64, f64) {
        let (mut primal, mut dual) = (1.0 / TO_THE_BOUNDARY, 1.0 / TO_THE_BOUNDARY);
        for i in 0..self.s_lower.len() {
            let d = step.point[i];
            if d < 0.0 {
                primal = f64::min(primal, -self.s_lower[i] / d);
            } else if d > 0.0 {
                primal = f64::min(primal, self.s_upper[i] / d);
            } else if d.is_nan() {
                primal = f64::NAN;
                break;
            }
            if step.z_lower[i] < 0.0 {
                dual = f64::min(dual, -self.z_lower[i] / step.z_lower[i]);
            }
            if step.z_upper[i] < 0.0 {
                dual = f64::min(dual, -self.z_upper[i] / step.z_upper[i]);
            }
        }
        (primal, dual)
    }

    pub fn advance(&mut self, step: &Step, primal: f64, dual: f64) {
        for (i, d) in step.point.iter().enumerate() {
            self.s_lower[i] += primal * d;
            self.s_upper[i] -= primal * d;
            self.z_lower[i] += dual * step.z_lower[i];
            self.z_upper[i] += dual * step.z_upper[i];
        }
        self.y.iter_mut().zip(&step.y).for_each(|(y, d)| *y += dual * d);
        self.w.iter_mut().zip(&step.w).for_each(|(w, d)| *w += dual * d);
    }
}
