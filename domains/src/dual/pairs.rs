//! Activations of two networks that correspond, passed together: of what a form takes from one of them and gives back at
//! the other, a share that is free goes over the difference of what they read, the rest over the lines of each alone.
//!
//! For any `t` is `a σ(z₁) + b σ(z₂) = (a + t) σ(z₁) + (b − t) σ(z₂) + t (σ(z₂) − σ(z₁))`, and the last one lies between lines
//! over `z₂ − z₁` ([`difference_lines`]). Where `a` and `b` are of opposite signs, `t` is a share of the smaller one.

use crate::activation::{ActivationFn, Lines};
use crate::domain::{Bounds, DifferenceLines, difference_lines};
use crate::network::{Network, NodeId, Twin};
use crate::num::Interval;
use crate::num::error::{ETA, UNIT};
use crate::num::round::{add_up, mul_up};

/// The neurons of two activation nodes that lines around their differences may serve.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub twin: Twin,
    pub neurons: Vec<Neuron>,
    /// What underflow may lose whatever the coefficients are.
    pub absolute: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Neuron {
    /// Its number in both nodes.
    pub i: usize,
    /// Which parameter is its share.
    pub index: usize,
    /// Around the difference of both over that of what they read.
    pub lines: Lines,
    /// `|t| · error` bounds what rounding the product with a slope may lose.
    pub error: f64,
}

/// A share to begin with, from nothing to all.
pub(super) type First = u16;

impl Pair {
    /// Those of `twin` over bounds of what they read and of its difference, where there are any, whose parameters are
    /// numbered from `next` on; for each of them, in order, its neuron and where it begins: with all where lines around the
    /// difference lose less than those of both alone.
    pub fn new(twin: Twin, network: &Network, bounds: &Bounds, next: usize) -> (Self, Vec<(usize, First)>) {
        let (mut pair, mut parameters) = (Self { twin, neurons: Vec::new(), absolute: 0.0 }, Vec::new());
        let Some(d) = bounds.get(twin.difference) else { return (pair, parameters) };
        let steepest = |lines: &Lines| lines.lower.slope.abs().max(lines.upper.slope.abs());
        for i in 0..d.len() {
            let known = |source: NodeId| bounds.nodes()[source].get(i);
            let gap = |function: &dyn ActivationFn, z: Interval, _| function.lines(z.into()).gap(z);
            let found = difference_lines(&twin, network, known, gap);
            let Some(DifferenceLines { lines, chords, tells }) = found else { continue };
            // One of both is free, so that the chords have the slopes of both pieces, which sides may put in place of lines.
            let slope = steepest(&lines).max(chords.magnitude());
            let m = d.get(i).magnitude();
            pair.absolute = add_up(pair.absolute, mul_up(ETA, m));
            let error = add_up(mul_up(mul_up(2.0 * UNIT, slope), m), mul_up(2.0 * ETA, m));
            pair.neurons.push(Neuron { i, index: next + parameters.len(), lines, error });
            parameters.push((i, if tells { First::MAX } else { 0 }));
        }
        (pair, parameters)
    }

    /// How many neurons there are.
    pub fn len(&self) -> usize {
        self.neurons.len()
    }
}
