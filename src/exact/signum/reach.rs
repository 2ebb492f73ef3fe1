//! All inputs of a small ball, as what they make of the first layer.
//!
//! Few neurons of the first layer can change in a small ball, and far fewer patterns of them occur than there are inputs.
//! They are found change by change: a *state* is how far the sum of each open neuron is from its threshold after some
//! changes, cut off beyond what the changes that are left can move. Many inputs share a state, and of these the one whose
//! last change comes first goes on, with every change that comes later: no input is left out, and each state is that of an
//! input of the ball. Behind the first layer every pattern is computed once, 512 at a time.
//!
//! Bit `j` of a word is the open neuron `j`, and a state is a number per neuron in two's complement: one word for the last
//! digits of all, one for those before, and so on, the signs at the end.

use super::changes::{Change, Changes};
use super::circuit::{Circuit, Enumerated, Known, Lanes, NONE, WORDS};
use super::encode::Encoded;
use crate::domains::budget::Budget;
use absint_sat::Lit;

/// States that take more bytes are not kept.
const MOST_BYTES: usize = 1 << 30;
/// More blocks of patterns are not computed: these take some ten seconds on networks of a few hundred neurons.
const MOST_BLOCKS: usize = 1 << 16;
/// Entries of the cache of patterns are a power of two, at most this one.
const CACHE_BITS: usize = 22;
/// Patterns in a block.
const BLOCK: usize = 64 * WORDS;
/// No numbers with more digits.
const MOST_DIGITS: usize = 24;

type Planes = [u64; MOST_DIGITS];

/// Where a state comes from: a state with fewer changes, and the change.
type Origin = (u32, u32);

/// States that took the same number of steps from the centre.
struct Level {
    /// Digits of a state, its sign included.
    width: usize,
    planes: Vec<u64>,
    origins: Vec<Origin>,
    /// Which states begin at each hash, by open addressing; `u32::MAX` is nobody.
    table: Vec<u32>,
}

/// What changes the open neurons of the first layer in a ball, and what is behind them.
pub(super) struct Reach {
    changes: Changes,
    circuit: Circuit,
    vars: usize,
    /// For each change its numbers, one after the other.
    planes: Vec<u64>,
    /// Where the changes of an input begin that comes after that of each change.
    next: Vec<usize>,
    digits: usize,
}

fn mixed(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ product >> 29
}

/// `digits` words that hold numbers, one per bit.
fn to_planes(numbers: impl Iterator<Item = (usize, i64)>, digits: usize) -> Planes {
    let mut planes = [0; MOST_DIGITS];
    for (j, number) in numbers {
        for (k, plane) in planes[..digits].iter_mut().enumerate() {
            *plane |= ((number >> k & 1) as u64) << j;
        }
    }
    planes
}

/// Digits by which `number` and everything closer to 0 is told, the sign included.
fn digits_of(number: i64) -> usize {
    65 - number.unsigned_abs().leading_zeros() as usize
}

/// Sums of numbers of equally many digits.
fn add(first: &[u64], second: &[u64], sum: &mut [u64]) {
    let mut carry = 0;
    for ((sum, &a), &b) in sum.iter_mut().zip(first).zip(second) {
        let odd = a ^ b;
        *sum = odd ^ carry;
        carry = (a & b) | (carry & odd);
    }
}

/// Cuts numbers off at what `width` digits can tell.
fn cut(planes: &mut [u64], width: usize) {
    let sign = planes[planes.len() - 1];
    let beyond = planes[width - 1..].iter().fold(0, |beyond, plane| beyond | (plane ^ sign));
    planes[..width - 1].iter_mut().for_each(|plane| *plane = (*plane & !beyond) | (!sign & beyond));
    planes[width - 1] = sign;
}

impl Level {
    fn new(width: usize) -> Self {
        Self { width, planes: Vec::new(), origins: Vec::new(), table: vec![u32::MAX; 1 << 10] }
    }

    fn len(&self) -> usize {
        self.origins.len()
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.planes) + size_of_val(&*self.origins) + size_of_val(&*self.table)
    }

    fn state(&self, i: usize) -> &[u64] {
        &self.planes[i * self.width..(i + 1) * self.width]
    }

    /// The place of a state in the table, or a free one.
    fn place(&self, state: &[u64]) -> usize {
        let last = self.table.len() - 1;
        let mut place = (state.iter().fold(0, |hash, &word| mixed(hash, word)) >> 20) as usize & last;
        while self.table[place] != u32::MAX && self.state(self.table[place] as usize) != state {
            place = (place + 1) & last;
        }
        place
    }

    /// Adds a state; one that there is keeps the origin with the earlier change.
    fn insert(&mut self, state: &[u64], origin: Origin) {
        let place = self.place(state);
        if let Some(there) = self.origins.get_mut(self.table[place] as usize) {
            if origin.1 < there.1 {
                *there = origin;
            }
            return;
        }
        self.table[place] = self.len() as u32;
        self.planes.extend_from_slice(state);
        self.origins.push(origin);
        if 2 * self.len() > self.table.len() {
            self.table = vec![u32::MAX; 4 * self.table.len()];
            for i in 0..self.len() {
                let place = self.place(&self.planes[i * self.width..(i + 1) * self.width]);
                self.table[place] = i as u32;
            }
        }
    }
}

/// Patterns that wait to be computed, and those that were.
struct Patterns {
    /// The pattern that was seen last of those with the same hash.
    cache: Vec<u64>,
    waiting: Vec<(u64, usize, Origin)>,
    /// Those of one state, each with its last change.
    of_state: Vec<(u64, u32)>,
    values: Vec<Lanes>,
    /// Blocks that were computed.
    blocks: usize,
}

impl Reach {
    /// `None` where there is no ball, too many neurons can change, or something else than the first layer reads inputs.
    pub fn new(encoded: &Encoded) -> Option<Self> {
        let changes = Changes::new(encoded)?;
        let vars = encoded.vars();
        let mut known = vec![Known::Nothing; vars];
        for &(target, is_reached) in &changes.closed {
            known[target.var().index()] = Known::Is(is_reached != target.is_negative());
        }
        changes.open.iter().for_each(|(target, _)| known[target.var().index()] = Known::Varies);
        let circuit = Circuit::new(encoded, changes.deeper(encoded), known)?;
        let largest = changes.open.iter().map(|(_, distance)| distance.saturating_abs()).max().unwrap_or(0);
        let moved = changes.most_moved(changes.most);
        let digits = digits_of(largest.checked_add(moved)?);
        if digits > MOST_DIGITS {
            return None;
        }
        let of_change = |c: &Change| to_planes(c.moves.iter().copied(), digits).into_iter().take(digits);
        let planes = changes.all.iter().flat_map(of_change).collect();
        let after = |c: &Change| changes.all.partition_point(|other| other.input <= c.input);
        let next = changes.all.iter().map(after).collect();
        Some(Self { circuit, vars, planes, next, digits, changes })
    }

    /// Tries every pattern.
    pub fn run(&self, budget: &Budget) -> Enumerated {
        let most = self.changes.most;
        // What is beyond the moves that are left is cut off.
        let width = |used: usize| self.digits.min(digits_of(self.changes.most_moved(most - used)));
        let mut levels: Vec<Level> = (0..=most).map(|used| Level::new(width(used))).collect();
        let mut center = to_planes(self.changes.open.iter().map(|o| o.1).enumerate(), self.digits);
        // Every entry of the cache begins as the pattern of the centre.
        let pattern = self.pattern(&center);
        let mut patterns = Patterns {
            cache: vec![pattern; 1 << self.changes.open.len().min(CACHE_BITS)],
            waiting: vec![(pattern, 0, (u32::MAX, u32::MAX))],
            of_state: Vec::new(),
            values: vec![NONE; self.vars],
            blocks: 0,
        };
        cut(&mut center[..self.digits], width(0));
        levels[0].insert(&center[..width(0)], (u32::MAX, u32::MAX));
        for used in 0..most {
            let (before, after) = levels.split_at_mut(used + 1);
            let level = &before[used];
            for i in 0..level.len() {
                if budget.is_spent() {
                    return Enumerated::OutOfTime;
                }
                let bytes = before.iter().chain(&*after).map(Level::bytes).sum::<usize>();
                if patterns.blocks > MOST_BLOCKS || bytes > MOST_BYTES {
                    return Enumerated::TooMany;
                }
                if let Some((d, origin, used)) = self.expand(level, i, used, after, &mut patterns) {
                    return Enumerated::Point(d, self.point(&levels, origin, used));
                }
            }
            // Only where they come from is asked again.
            (levels[used].planes, levels[used].table) = Default::default();
        }
        match self.compute(&mut patterns) {
            Some((d, origin, used)) => Enumerated::Point(d, self.point(&levels, origin, used)),
            None => Enumerated::Refuted,
        }
    }

    /// All changes that may come after those of a state; a disjunct that holds, the origin of the pattern, and the steps
    /// before it.
    fn expand(
        &self,
        level: &Level,
        i: usize,
        used: usize,
        after: &mut [Level],
        patterns: &mut Patterns,
    ) -> Option<(usize, Origin, usize)> {
        patterns.of_state.clear();
        let mut state = [level.state(i)[level.width - 1]; MOST_DIGITS];
        state[..level.width].copy_from_slice(level.state(i));
        let mut sum: Planes = [0; MOST_DIGITS];
        let first = self.next.get(level.origins[i].1 as usize).copied().unwrap_or(0);
        let left = after.len();
        let all = self.changes.all.iter().zip(self.planes.chunks_exact(self.digits)).enumerate();
        for (k, (change, planes)) in all.skip(first).filter(|(_, (change, _))| change.cost <= left) {
            let is_last = change.cost == left;
            // Where nothing follows only signs count, and the sums have no more digits than this.
            let digits = if is_last { self.digits.min(level.width + 1) } else { self.digits };
            let sum = &mut sum[..digits];
            add(&state[..digits], &planes[..digits], sum);
            patterns.of_state.push((!sum[digits - 1] & self.mask(), k as u32));
            if !is_last {
                let next = &mut after[change.cost - 1];
                cut(sum, next.width);
                next.insert(&sum[..next.width], (i as u32, k as u32));
            }
        }
        // In a loop of its own, which waits for many places of the cache at once.
        for n in 0..patterns.of_state.len() {
            let (pattern, k) = patterns.of_state[n];
            let place = (mixed(0, pattern) >> 20) as usize & (patterns.cache.len() - 1);
            if patterns.cache[place] != pattern {
                patterns.cache[place] = pattern;
                patterns.waiting.push((pattern, used, (i as u32, k)));
                if patterns.waiting.len() == BLOCK
                    && let Some(found) = self.compute(patterns)
                {
                    return Some(found);
                }
            }
        }
        None
    }

    fn mask(&self) -> u64 {
        u64::MAX.checked_shr(64 - self.changes.open.len() as u32).unwrap_or(0)
    }

    fn pattern(&self, planes: &Planes) -> u64 {
        !planes[self.digits - 1] & self.mask()
    }

    /// Computes what waits: a disjunct that holds, and where its pattern comes from.
    fn compute(&self, patterns: &mut Patterns) -> Option<(usize, Origin, usize)> {
        let Patterns { waiting, values, .. } = patterns;
        let &(first, ..) = waiting.first()?;
        for (j, (target, _)) in self.changes.open.iter().enumerate() {
            // Lanes without a pattern are as the first one.
            let lane =
                |lane: usize| waiting.get(lane).map_or(first, |w| w.0) >> j & 1 != u64::from(target.is_negative());
            values[target.var().index()] =
                std::array::from_fn(|word| (0..64).fold(0, |bits, bit| bits | u64::from(lane(64 * word + bit)) << bit));
        }
        let found = self.circuit.unsafe_lane(values).map(|(d, lane)| (d, waiting[lane].2, waiting[lane].1));
        waiting.clear();
        patterns.blocks += 1;
        found
    }

    /// The values of all variables of the inputs after the changes by which a pattern was found.
    fn point(&self, levels: &[Level], (mut state, mut change): Origin, mut used: usize) -> Vec<bool> {
        let mut values = self.changes.center.clone();
        values.resize(self.vars, false);
        while let Some(made) = self.changes.all.get(change as usize) {
            made.bits.iter().for_each(|l: &Lit| values[l.var().index()] = !l.is_negative());
            (state, change) = levels[used].origins[state as usize];
            used -= self.changes.all.get(change as usize).map_or(0, |before| before.cost);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::circuit::tests::is_what_the_solver_says;
    use super::*;
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

    /// Random networks, balls and unsafe sets: an input is found exactly where the solver finds one, and the solver
    /// confirms it.
    #[test]
    fn trying_every_pattern_is_what_the_solver_says() {
        let mut generator = SplitMix64::seed_from_u64(7);
        let mut below = |n: usize| generator.next_u64() as usize % n;
        let (mut found, mut refuted, mut several) = (0, 0, 0);
        for seed in 0..8000 {
            let (margin, mut has_several) = (below(9), false);
            let run = |encoded: &Encoded| {
                let reach = Reach::new(encoded)?;
                has_several = reach.changes.most > 1 && reach.changes.open.len() > 2;
                Some(reach.run(&Budget::unlimited()))
            };
            match is_what_the_solver_says(seed, margin, &mut below, false, run) {
                Some(true) => found += 1,
                Some(false) => {
                    refuted += 1;
                    several += usize::from(has_several);
                }
                None => {}
            }
        }
        assert!(found > 500 && refuted > 500 && several > 100, "{found} {refuted} {several}");
    }

    /// Sums digit by digit against sums; a number that is cut off keeps its value or, beyond the digits, its side.
    #[test]
    fn planes_are_numbers() {
        let mut generator = SplitMix64::seed_from_u64(8);
        let value = |planes: &[u64], j: usize| {
            let bit = |(k, plane): (usize, &u64)| ((plane >> j & 1) as i64) << k;
            let sign = (planes[planes.len() - 1] >> j & 1) as i64;
            planes.iter().enumerate().map(bit).sum::<i64>() - (sign << planes.len())
        };
        for round in 0..2000 {
            let mut number = |n: i64| generator.next_u64().cast_signed().rem_euclid(2 * n + 1) - n;
            let (width, digits) = (3 + round % 5, 12);
            let (a, b): (Vec<i64>, Vec<i64>) = (0..64).map(|_| (number(900), number(900))).unzip();
            let state = to_planes(a.iter().copied().enumerate(), digits);
            let change = to_planes(b.iter().copied().enumerate(), digits);
            let mut sum = [0; 12];
            add(&state[..digits], &change[..digits], &mut sum);
            let mut short = sum;
            cut(&mut short, width);
            for j in 0..64 {
                let exact = a[j] + b[j];
                assert_eq!(value(&sum, j), exact, "{} {}", a[j], b[j]);
                let end = 1 << (width - 1);
                assert_eq!(value(&short[..width], j), exact.clamp(-end, end - 1), "{exact} in {width}");
            }
        }
    }
}
