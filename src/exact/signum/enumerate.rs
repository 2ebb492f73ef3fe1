//! All inputs of a small region, 512 at a time.
//!
//! A network whose quantiser has few thresholds leaves few inputs free, whatever the sums behind them are. Where the search
//! meets many conflicts on such a region, trying every input ends earlier, and in a time that is known beforehand.

use super::circuit::{ALL, Circuit, Enumerated, Known, Lanes, NONE, WORDS};
use super::encode::Encoded;
use crate::domains::budget::Budget;

/// 512 inputs are a block.
const LANE_BITS: usize = 9;
/// As many literals, over all inputs, take some seconds.
const MOST_LITERALS: u128 = 1 << 37;

/// The constraints of a query, and the bits that are tried.
pub(super) struct Enumeration {
    bits: Vec<usize>,
    vars: usize,
    circuit: Circuit,
}

impl Enumeration {
    /// `None` where there are real inputs, too many of them, or too large numbers.
    pub fn new(encoded: &Encoded) -> Option<Self> {
        if encoded.inputs.cells.is_some() {
            return None;
        }
        let vars = encoded.vars();
        let bits: Vec<usize> =
            encoded.inputs.values.iter().flat_map(|v| &v.steps).map(|step| step.1.var().index()).collect();
        let inputs = 1u128.checked_shl(u32::try_from(bits.len()).ok().filter(|&n| n < 64)?)?;
        let mut known = vec![Known::Nothing; vars];
        bits.iter().for_each(|&bit| known[bit] = Known::Varies);
        let circuit = Circuit::new(encoded, encoded.constraints(), known)?;
        let is_small = circuit.literals() * inputs.max(1 << LANE_BITS) <= MOST_LITERALS;
        is_small.then_some(Self { bits, vars, circuit })
    }

    /// Tries every input.
    pub fn run(&self, budget: &Budget) -> Enumerated {
        let mut values = vec![NONE; self.vars];
        let blocks = 1u64 << self.bits.len().saturating_sub(LANE_BITS);
        for block in 0..blocks {
            if budget.is_spent() {
                return Enumerated::OutOfTime;
            }
            for (k, &bit) in self.bits.iter().enumerate() {
                values[bit] = pattern(k, block);
            }
            if let Some((d, lane)) = self.circuit.unsafe_lane(&mut values) {
                let is_set = |v: &Lanes| v[lane / 64] >> (lane % 64) & 1 == 1;
                return Enumerated::Point(d, values.iter().map(is_set).collect());
            }
        }
        Enumerated::Refuted
    }
}

/// In which lanes of a block bit `k` of an input's number is set.
fn pattern(k: usize, block: u64) -> Lanes {
    const IN_WORD: [u64; 6] = [
        0xAAAA_AAAA_AAAA_AAAA,
        0xCCCC_CCCC_CCCC_CCCC,
        0xF0F0_F0F0_F0F0_F0F0,
        0xFF00_FF00_FF00_FF00,
        0xFFFF_0000_FFFF_0000,
        0xFFFF_FFFF_0000_0000,
    ];
    match k {
        0..6 => [IN_WORD[k]; WORDS],
        6..LANE_BITS => std::array::from_fn(|word| if word >> (k - 6) & 1 == 1 { u64::MAX } else { 0 }),
        _ if block >> (k - LANE_BITS) & 1 == 1 => ALL,
        _ => NONE,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::circuit::tests::is_what_the_solver_says;
    use super::*;
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

    /// Random networks, regions and unsafe sets: an input is found exactly where the solver finds one, and the solver
    /// confirms it.
    #[test]
    fn trying_every_input_is_what_the_solver_says() {
        let mut generator = SplitMix64::seed_from_u64(5);
        let mut below = |n: usize| generator.next_u64() as usize % n;
        let (mut found, mut refuted) = (0, 0);
        for seed in 0..3000 {
            let (margin, has_constants) = (below(9), below(2) == 0);
            let run = |encoded: &Encoded| Some(Enumeration::new(encoded).unwrap().run(&Budget::unlimited()));
            match is_what_the_solver_says(seed, margin, &mut below, has_constants, run) {
                Some(true) => found += 1,
                Some(false) => refuted += 1,
                None => panic!("{seed}"),
            }
        }
        assert!(found > 300 && refuted > 300, "{found} {refuted}");
    }

    /// The bits of a block's lanes are the digits of their numbers.
    #[test]
    fn blocks_number_their_lanes() {
        for block in [0, 1, 2, 5] {
            for (k, lane) in itertools::iproduct!(0..12, 0..WORDS * 64) {
                let number = (block << LANE_BITS) + lane as u64;
                assert_eq!(pattern(k, block)[lane / 64] >> (lane % 64) & 1, number >> k & 1, "{k} {number}");
            }
        }
    }
}
