//! Maxima by the planes above them: of what a form takes from a maximum from above, a share goes over a plane of some level to
//! the entries, the rest through the lines of the ReLUs that compute it. Both numbers are improved as slopes are.

use super::relaxed::{Layer, Pass, share_of};
use super::steps::{Moments, Step};
use super::sums::Sums;
use crate::activation::Line;
use crate::domain::{Bounds, above_by_lines, peak_levels, peak_line};
use crate::network::{Maxima, Network, NodeId};
use crate::num::error::{ETA, UNIT, gamma};
use crate::num::round::{add_up, mul_up};
use crate::num::{Interval, Real, vectorised};

/// An entry that may be the largest: where its values lie, and one over the width of that.
#[derive(Clone, Copy, Debug)]
struct Contender {
    index: usize,
    lo: f64,
    hi: f64,
    inverse: f64,
}

/// A maximum of which planes may be used.
#[derive(Clone, Debug)]
struct Peak {
    neuron: usize,
    /// The parameter of the share that goes over the plane; that of its level is the next one.
    index: usize,
    contenders: Vec<Contender>,
    /// Of the level.
    range: (f64, f64),
    /// `|a| · error` bounds what rounding may lose where `a` is the coefficient.
    error: f64,
}

/// A node of maxima.
#[derive(Clone, Debug)]
pub(super) struct Peaks {
    /// The node of the entries.
    pub source: NodeId,
    peaks: Vec<Peak>,
    /// What underflow may lose whatever the coefficients are.
    pub absolute: f64,
}

/// Ranges as wide as this, or as narrow, have no planes: their slopes might not be what they are charged for.
const WIDTHS: (f64, f64) = (1e-100, 1e100);

/// Where a parameter lies, and the share of that range with which it begins.
pub(super) type Parameter = ((f64, f64), u16);

/// So many members are passed at a time.
const TOGETHER: usize = 64;

/// The nearest number between 0 and 1.
#[inline(always)]
fn unit<T: Real>(x: T) -> T {
    let x = if x > T::ZERO { x } else { T::ZERO };
    if x < T::ONE { x } else { T::ONE }
}

impl Contender {
    /// The slopes of its line in the planes of some levels.
    #[inline(always)]
    fn slope<T: Real>(&self, level: T) -> T {
        unit((T::of(self.hi) - level) * T::of(self.inverse))
    }
}

impl Peak {
    /// The planes above one maximum; `None` where one entry is the largest of all, or ranges are too wide or too narrow.
    fn new(neuron: usize, index: usize, group: &[usize], ranges: &[Interval], readers: &[usize]) -> Option<Self> {
        let levels = peak_levels(ranges);
        let (most, least) = (levels[0], *levels.last()?);
        let contenders: Vec<Contender> = group
            .iter()
            .zip(ranges)
            .filter(|(_, range)| range.hi > least)
            .map(|(&index, &Interval { lo, hi })| Contender { index, lo, hi, inverse: 1.0 / (hi - lo) })
            .collect();
        let is_usual = |c: &Contender| {
            let width = c.hi - c.lo;
            (WIDTHS.0..WIDTHS.1).contains(&width) && c.lo.abs().max(c.hi.abs()) < WIDTHS.1
        };
        if contenders.len() < 2 || !contenders.iter().all(is_usual) || least.abs() >= WIDTHS.1 {
            return None;
        }
        let magnitude = contenders.iter().fold(least.abs(), |m, c| m.max(c.lo.abs()).max(c.hi.abs()));
        let terms = contenders.len() as f64;
        // Slopes are off by four roundings, so that a contender may rise above the level, by so many of its width; the
        // intercept is a sum of so many terms; what entries get is rounded as a product and in the sum over all readers.
        let of_level = 16.0 * UNIT;
        let of_intercept = mul_up(gamma(contenders.len() + 4), terms + 1.0);
        let of_entries = contenders.iter().fold(0.0, |sum, c| add_up(sum, gamma(readers[c.index] + 3)));
        // The share that is taken off, and what it leaves.
        let of_share = 4.0 * UNIT;
        let sum = [of_level, of_intercept, of_entries, of_share].into_iter().fold(0.0, add_up);
        let error = add_up(mul_up(sum, magnitude), mul_up(8.0 * ETA, mul_up(terms, 1.0 + magnitude)));
        Some(Self { neuron, index, contenders, range: (least, most), error })
    }

    /// The values of the planes of some levels, and what they change by per unit of the level, where the entries are `z`.
    #[inline(always)]
    fn above(&self, z: &[f32], n: usize, start: usize, levels: &[f32], value: &mut [f32], rise: &mut [f32]) {
        let len = levels.len();
        value[..len].copy_from_slice(levels);
        rise[..len].fill(1.0);
        for contender in &self.contenders {
            let z = &z[contender.index * n + start..][..len];
            let (lo, inverse) = (contender.lo as f32, contender.inverse as f32);
            for r in 0..len {
                let height = z[r] - lo;
                value[r] += contender.slope(levels[r]) * height;
                rise[r] -= if levels[r] < contender.hi as f32 { inverse * height } else { 0.0 };
            }
        }
    }
}

impl Peaks {
    /// The planes above maxima where `bounds` hold, whose parameters count from `next` on; for each of these its neuron.
    /// It begins with what encloses less: the one plane that is best, or the lines of the `layers` before.
    pub fn new(
        maxima: &Maxima,
        network: &Network,
        bounds: &Bounds,
        layers: &[Option<Layer>],
        next: usize,
    ) -> Option<(Self, Vec<(usize, Parameter)>)> {
        let entries = bounds.get(maxima.source)?;
        let above = |id: NodeId, i: usize| {
            let (slope, intercept) = match layers[id].as_ref()?.passes[i] {
                Pass::Zero => (0.0, 0.0),
                Pass::Same => (1.0, 0.0),
                Pass::Fixed { upper, .. } | Pass::Free { upper, .. } => upper,
            };
            Some(Line { slope, intercept })
        };
        let [_, at_middle] = above_by_lines(maxima, network, entries, &above)?;
        let mut readers = vec![0; entries.len()];
        maxima.groups.iter().flatten().for_each(|&i| readers[i] += 1);
        let (mut peaks, mut parameters, mut absolute) = (Vec::new(), Vec::new(), 0.0);
        for (k, group) in maxima.groups.iter().enumerate() {
            let ranges: Vec<Interval> = group.iter().map(|&i| entries.get(i)).collect();
            let Some(peak) = Peak::new(k, next + parameters.len(), group, &ranges, &readers) else { continue };
            let (place, line) = peak_line(&ranges);
            let is_better = line.slope * ranges[place].middle() + line.intercept <= at_middle[k];
            let level = ranges[place].hi - line.slope * ranges[place].width();
            parameters.push((k, ((0.0, 1.0), if is_better { u16::MAX } else { 0 })));
            parameters.push((k, (peak.range, share_of(level as f32, peak.range))));
            absolute = peak.contenders.iter().fold(absolute, |sum, c| {
                add_up(sum, mul_up(8.0 * ETA, 1.0 + c.lo.abs().max(c.hi.abs())))
            });
            peaks.push(peak);
        }
        (!peaks.is_empty()).then_some((Self { source: maxima.source, peaks, absolute }, parameters))
    }

    /// Takes the shares of the coefficients `a` below zero to those of the entries, which are added to `passed`; `a` is
    /// what is left.
    pub fn back<T: Real, const PROVES: bool>(
        &self,
        a: &mut [T],
        n: usize,
        parameters: &[T],
        passed: &mut [T],
        sums: &mut Sums<T>,
    ) {
        let mut of_block = |peak: &Peak, start: usize, len: usize| {
            let [shares, levels] = [0, 1].map(|k| &parameters[(peak.index + k) * n + start..][..len]);
            let a = &mut a[peak.neuron * n + start..][..len];
            let (mut over, mut intercepts) = ([T::ZERO; TOGETHER], [T::ZERO; TOGETHER]);
            intercepts[..len].copy_from_slice(levels);
            for r in 0..len {
                let down = if a[r] < T::ZERO { a[r] } else { T::ZERO };
                over[r] = down * shares[r];
                if PROVES {
                    sums.charge[start + r] += T::of(peak.error) * down.magnitude();
                }
                a[r] -= over[r];
            }
            for contender in &peak.contenders {
                let out = &mut passed[contender.index * n + start..][..len];
                for r in 0..len {
                    let slope = contender.slope(levels[r]);
                    out[r] += over[r] * slope;
                    intercepts[r] -= slope * T::of(contender.lo);
                }
            }
            for r in 0..len {
                let term = over[r] * intercepts[r];
                sums.value[start + r] += term;
                if PROVES {
                    sums.magnitude[start + r] += term.magnitude();
                }
            }
        };
        vectorised(
            #[inline(always)]
            || {
                for peak in &self.peaks {
                    for start in (0..n).step_by(TOGETHER) {
                        of_block(peak, start, TOGETHER.min(n - start));
                    }
                }
            },
        );
    }

    /// What the maxima are by planes and lines, where the entries are `z`: by the lines they are `y`. With a step the
    /// parameters are improved on the way; `best` takes over those before it for the members marked in `improved` by 1.
    #[allow(clippy::too_many_arguments)]
    pub fn forth(
        &self,
        a: &[f32],
        z: &[f32],
        n: usize,
        parameters: &mut [f32],
        y: &mut [f32],
        step: Option<(Step, &[f32])>,
        best: &mut [f32],
        moments: &mut Moments,
    ) {
        let mut of_block = |peak: &Peak, start: usize, len: usize| {
            let at = [0, 1].map(|k| (peak.index + k) * n + start);
            let a = &a[peak.neuron * n + start..][..len];
            let y = &mut y[peak.neuron * n + start..][..len];
            let (mut above, mut rise) = ([0.0; TOGETHER], [0.0; TOGETHER]);
            peak.above(z, n, start, &parameters[at[1]..at[1] + len], &mut above, &mut rise);
            for r in 0..len {
                let down = a[r].min(0.0);
                let share = parameters[at[0] + r];
                let gradients = [down * (above[r] - y[r]), down * share * rise[r]];
                y[r] = if down < 0.0 { y[r] + share * (above[r] - y[r]) } else { y[r] };
                let Some((step, improved)) = step else { continue };
                for ((at, gradient), (low, high)) in at.into_iter().zip(gradients).zip([(0.0, 1.0), peak.range]) {
                    let (i, low, high) = (at + r, low as f32, high as f32);
                    if improved[start + r] > 0.0 {
                        best[i] = parameters[i];
                    }
                    let step = Step { rate: step.rate * (high - low), ..step };
                    let by = step.of(gradient, &mut moments.first[i], &mut moments.second[i]);
                    parameters[i] = (parameters[i] + by).max(low).min(high);
                }
            }
        };
        for peak in &self.peaks {
            for start in (0..n).step_by(TOGETHER) {
                of_block(peak, start, TOGETHER.min(n - start));
            }
        }
    }
}
