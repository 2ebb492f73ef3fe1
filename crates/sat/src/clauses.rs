//! Storage of clauses: one flat array, so that propagation walks through memory in order.

use super::Lit;

/// Where a clause begins in the array.
pub(super) type ClauseRef = u32;

const HEADER: usize = 4;
const SIZE: usize = 0;
const DISTANCE: usize = 1;
const ACTIVITY: usize = 2;
const PROOF_ID: usize = 3;
const DELETED: u32 = 1 << 31;
const LEARNT: u32 = 1 << 30;

/// All clauses of two and more literals.
#[derive(Debug, Default)]
pub(super) struct Clauses {
    words: Vec<u32>,
    wasted: usize,
}

impl Clauses {
    /// Stores a clause. `distance` is the number of decision levels it spans when it is learnt.
    pub fn push(&mut self, literals: &[Lit], learnt: Option<u32>, proof_id: u32) -> ClauseRef {
        let clause = self.words.len() as ClauseRef;
        let flag = if learnt.is_some() { LEARNT } else { 0 };
        self.words.extend([literals.len() as u32 | flag, learnt.unwrap_or(0), 0, proof_id]);
        self.words.extend(literals.iter().map(|l| l.code()));
        clause
    }

    pub fn len(&self, clause: ClauseRef) -> usize {
        (self.words[clause as usize + SIZE] & !(DELETED | LEARNT)) as usize
    }

    pub fn lit(&self, clause: ClauseRef, i: usize) -> Lit {
        Lit::from_code(self.words[clause as usize + HEADER + i])
    }

    pub fn swap(&mut self, clause: ClauseRef, i: usize, j: usize) {
        let first = clause as usize + HEADER;
        self.words.swap(first + i, first + j);
    }

    pub fn literals(&self, clause: ClauseRef) -> impl Iterator<Item = Lit> + '_ {
        let first = clause as usize + HEADER;
        self.words[first..first + self.len(clause)].iter().map(|&code| Lit::from_code(code))
    }

    pub fn is_learnt(&self, clause: ClauseRef) -> bool {
        self.words[clause as usize + SIZE] & LEARNT != 0
    }

    pub fn is_deleted(&self, clause: ClauseRef) -> bool {
        self.words[clause as usize + SIZE] & DELETED != 0
    }

    pub fn distance(&self, clause: ClauseRef) -> u32 {
        self.words[clause as usize + DISTANCE]
    }

    pub fn set_distance(&mut self, clause: ClauseRef, distance: u32) {
        self.words[clause as usize + DISTANCE] = distance;
    }

    pub fn activity(&self, clause: ClauseRef) -> f32 {
        f32::from_bits(self.words[clause as usize + ACTIVITY])
    }

    pub fn set_activity(&mut self, clause: ClauseRef, activity: f32) {
        self.words[clause as usize + ACTIVITY] = activity.to_bits();
    }

    pub fn proof_id(&self, clause: ClauseRef) -> u32 {
        self.words[clause as usize + PROOF_ID]
    }

    /// Marks a clause as gone; its memory returns with [`Clauses::compact`].
    pub fn delete(&mut self, clause: ClauseRef) {
        self.wasted += HEADER + self.len(clause);
        self.words[clause as usize + SIZE] |= DELETED;
    }

    /// True when much of the memory belongs to deleted clauses.
    pub fn should_compact(&self) -> bool {
        self.wasted * 3 > self.words.len()
    }

    /// Frees deleted clauses. The result maps the old place of each surviving clause to its new one.
    pub fn compact(&mut self) -> std::collections::HashMap<ClauseRef, ClauseRef> {
        let mut moved = std::collections::HashMap::new();
        let mut words = Vec::with_capacity(self.words.len() - self.wasted);
        let mut at = 0;
        while at < self.words.len() {
            let clause = at as ClauseRef;
            let end = at + HEADER + self.len(clause);
            if !self.is_deleted(clause) {
                moved.insert(clause, words.len() as ClauseRef);
                words.extend_from_slice(&self.words[at..end]);
            }
            at = end;
        }
        self.words = words;
        self.wasted = 0;
        moved
    }
}
