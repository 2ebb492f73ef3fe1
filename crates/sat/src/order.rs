//! Decisions: which variable comes next, and with which value.

use super::heap::ActivityHeap;
use super::{Config, Lit, Polarity, Var};

/// The open variables by rank and activity, and the values that they had last.
#[derive(Debug)]
pub(super) struct Order {
    heap: ActivityHeap,
    phase: Vec<bool>,
    polarity: Polarity,
    decay: f64,
    random: u64,
}

impl Order {
    pub fn new(config: &Config) -> Self {
        Self {
            heap: ActivityHeap::new(),
            phase: Vec::new(),
            polarity: config.polarity,
            decay: config.decay,
            random: config.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    /// A new variable.
    pub fn grow(&mut self) {
        self.heap.grow(0.0);
        self.phase.push(false);
    }

    /// Variables of a smaller rank come first, whatever their activity; every rank is 0 at the start.
    pub fn set_rank(&mut self, var: Var, rank: u32) {
        self.heap.set_rank(var, rank);
    }

    /// From now on a variable gets the value that it had last.
    pub fn save_phases(&mut self) {
        self.polarity = Polarity::Saved;
    }

    /// Says what values variables had last.
    pub fn prefer(&mut self, values: &[bool]) {
        self.phase.iter_mut().zip(values).for_each(|(phase, &value)| *phase = value);
    }

    /// A conflict depended on the variable.
    pub fn bump(&mut self, var: Var) {
        self.heap.bump(var);
    }

    /// Older conflicts count for less from now on.
    pub fn decay(&mut self) {
        self.heap.decay(self.decay);
    }

    /// A literal that was true is open again.
    pub fn put_back(&mut self, literal: Lit) {
        self.phase[literal.var().index()] = !literal.is_negative();
        self.heap.insert(literal.var());
    }

    /// The literal to decide next; `None` where no variable is open.
    pub fn next(&mut self, is_open: impl Fn(Var) -> bool) -> Option<Lit> {
        while let Some(var) = self.heap.pop() {
            if is_open(var) {
                let value = match self.polarity {
                    Polarity::Random => self.next_random() >> 63 == 1,
                    Polarity::Saved => self.phase[var.index()],
                };
                return Some(var.is(value));
            }
        }
        None
    }

    /// Xorshift*, on which every published count of conflicts depends.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
