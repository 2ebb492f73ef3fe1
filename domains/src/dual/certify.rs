//! Guesses turned into bounds: one pass back in doubles, in which every rounding is charged.

use super::ball::is_box;
use super::batch::{Member, Objective, Walk, entries, slopes};
use super::pairs::Pair;
use super::relaxed::Relaxed;
use crate::network::NodeId;
use crate::num::error::{gamma, underflow};
use crate::num::kernel::finite_or_nothing;
use crate::num::round::{add_up, mul_up, sub_down};
use crate::num::vectorised;
use ndarray::Array2;

impl Relaxed<'_> {
    /// For each member (all of the same start) a certified lower bound of its form over its part of the region, by its
    /// slopes and multipliers, whatever these are; −∞ where floats do not suffice.
    #[must_use]
    pub fn lower_bounds(&self, forms: &[Objective], members: &[&Member]) -> Vec<f64> {
        self.certified(forms, members, &mut Walk::default())
    }

    /// [`lower_bounds`](Self::lower_bounds) in the memory of `walk`.
    pub(super) fn certified(&self, forms: &[Objective], members: &[&Member], walk: &mut Walk<f64>) -> Vec<f64> {
        if members.is_empty() {
            return Vec::new();
        }
        let own: Vec<&Objective> = members.iter().map(|m| &forms[m.objective]).collect();
        let (slopes, entries) = (slopes::<f64>(self, members), entries(self, members));
        let start = own.iter().map(|form| form.start()).max().unwrap_or(0);
        let top = entries.last().map_or(start, |entry| entry.source.max(start));
        walk.begin(self, &own);
        walk.back::<true>(self, &self.compiled.proof, top, &slopes[..], &entries);
        self.concretise_proof(walk);
        let sides = members.iter().map(|m| m.sides.len()).max().unwrap_or(0);
        self.less_rounding(walk, top, sides)
    }

    /// The members' sums on the way back from `top`, less what rounding may have added to them; none has more `sides`.
    pub(super) fn less_rounding(&self, walk: &Walk<f64>, top: NodeId, sides: usize) -> Vec<f64> {
        // Every sum has at most a term per neuron passed, of either of its lines, one for each node that reads it, and one
        // per side and form.
        let network = self.compiled.network;
        let passed = network.nodes()[..=top].iter().zip(network.consumers());
        let neurons: usize = passed.map(|(node, readers)| node.len * (1 + readers)).sum();
        // Sharing a neuron charges three roundings, and another one where its difference is read.
        let neurons = neurons + 4 * self.pairs.iter().flatten().map(Pair::len).sum::<usize>();
        let terms = 2 * (neurons + sides + 4);
        let absolute = (1..=top).fold(underflow(4 * terms), |sum, id| {
            let lost = if walk.reached[id] { self.lost(id) } else { 0.0 };
            add_up(sum, lost)
        });
        let sums = &walk.sums;
        let bound = |r: usize| {
            let charge = mul_up(sums.charge[r], 1.0 + gamma(terms));
            let rounding = add_up(mul_up(gamma(terms), sums.magnitude[r]), charge);
            finite_or_nothing(sub_down(sums.value[r], add_up(rounding, absolute)))
        };
        (0..walk.n).map(bound).collect()
    }

    /// What passing a node may lose to underflow.
    fn lost(&self, id: usize) -> f64 {
        let of_affine = self.errors[id].as_ref().map_or(0.0, |error| error.absolute);
        let of_choices = self.choices[id].as_ref().map_or(of_affine, |choices| choices.absolute);
        let of_node = self.layers[id].as_ref().map_or(of_choices, |layer| layer.absolute);
        self.pairs[id].as_ref().map_or(of_node, |pair| add_up(of_node, pair.absolute))
    }

    /// Adds certified least values over the region.
    fn concretise_proof(&self, walk: &mut Walk<f64>) {
        let n = walk.n;
        if is_box(self.region.ball()) && !self.region.has_differences() {
            let (a, sums) = (&walk.coefficients[0], &mut walk.sums);
            return vectorised(
                #[inline(always)]
                || {
                    let (value, magnitude) = (&mut sums.value[..n], &mut sums.magnitude[..n]);
                    for (a, range) in a.chunks_exact(n).zip(self.region.bounds()) {
                        for r in 0..n {
                            let term = a[r] * if a[r] > 0.0 { range.lo } else { range.hi };
                            value[r] += term;
                            magnitude[r] += term.abs();
                        }
                    }
                },
            );
        }
        let a = Array2::from_shape_fn((n, self.region.len()), |(r, i)| walk.coefficients[0][i * n + r]);
        for (r, least) in self.region.minima(a.view()).into_iter().enumerate() {
            walk.sums.value[r] += least;
            walk.sums.magnitude[r] += least.abs();
        }
    }
}
