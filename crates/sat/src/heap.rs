//! The order in which variables are chosen.

use super::Var;

/// A binary heap of variables with the most active on top, which knows where each variable is.
#[derive(Debug, Default)]
pub(super) struct ActivityHeap {
    heap: Vec<Var>,
    position: Vec<usize>,
    activity: Vec<f64>,
    /// Variables of a smaller rank come first, whatever their activity.
    rank: Vec<u32>,
    increment: f64,
}

const ABSENT: usize = usize::MAX;
const RESCALE_AT: f64 = 1e100;

impl ActivityHeap {
    pub fn new() -> Self {
        Self { increment: 1.0, ..Self::default() }
    }

    /// A new variable, with this activity.
    pub fn grow(&mut self, activity: f64) {
        let var = Var::new(self.activity.len());
        self.activity.push(activity);
        self.rank.push(0);
        self.position.push(ABSENT);
        self.insert(var);
    }

    pub fn insert(&mut self, var: Var) {
        if self.position[var.index()] == ABSENT {
            self.position[var.index()] = self.heap.len();
            self.heap.push(var);
            self.sift_up(self.heap.len() - 1);
        }
    }

    pub fn pop(&mut self) -> Option<Var> {
        let top = *self.heap.first()?;
        let last = self.heap.pop()?;
        self.position[top.index()] = ABSENT;
        if last != top {
            self.heap[0] = last;
            self.position[last.index()] = 0;
            self.sift_down(0);
        }
        Some(top)
    }

    /// Variables of a smaller rank come first, whatever their activity; every rank is 0 at the start.
    pub fn set_rank(&mut self, var: Var, rank: u32) {
        self.rank[var.index()] = rank;
        let at = self.position[var.index()];
        if at != ABSENT {
            self.sift_up(at);
            self.sift_down(self.position[var.index()]);
        }
    }

    pub fn bump(&mut self, var: Var) {
        self.activity[var.index()] += self.increment;
        if self.activity[var.index()] > RESCALE_AT {
            self.activity.iter_mut().for_each(|a| *a /= RESCALE_AT);
            self.increment /= RESCALE_AT;
        }
        let at = self.position[var.index()];
        if at != ABSENT {
            self.sift_up(at);
        }
    }

    pub fn decay(&mut self, factor: f64) {
        self.increment /= factor;
    }

    fn is_before(&self, a: Var, b: Var) -> bool {
        let (rank, other) = (self.rank[a.index()], self.rank[b.index()]);
        rank < other || (rank == other && self.activity[a.index()] > self.activity[b.index()])
    }

    fn sift_up(&mut self, mut at: usize) {
        let var = self.heap[at];
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.is_before(var, self.heap[parent]) {
                break;
            }
            self.place(self.heap[parent], at);
            at = parent;
        }
        self.place(var, at);
    }

    fn sift_down(&mut self, mut at: usize) {
        let var = self.heap[at];
        loop {
            let left = 2 * at + 1;
            if left >= self.heap.len() {
                break;
            }
            let right = left + 1;
            let larger =
                if right < self.heap.len() && self.is_before(self.heap[right], self.heap[left]) { right } else { left };
            if !self.is_before(self.heap[larger], var) {
                break;
            }
            self.place(self.heap[larger], at);
            at = larger;
        }
        self.place(var, at);
    }

    fn place(&mut self, var: Var, at: usize) {
        self.heap[at] = var;
        self.position[var.index()] = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_rank_comes_first_and_then_the_activity() {
        let mut heap = ActivityHeap::new();
        (0..6).for_each(|_| heap.grow(0.0));
        // Variable 5 is out of the heap when it gets its rank.
        heap.bump(Var::new(5));
        assert_eq!(heap.pop(), Some(Var::new(5)));
        for (var, rank) in [(0, 2), (1, 1), (2, 0), (3, 1), (4, 2), (5, 1)] {
            heap.set_rank(Var::new(var), rank);
        }
        for (var, times) in [(0, 5), (1, 1), (3, 2), (4, 9)] {
            (0..times).for_each(|_| heap.bump(Var::new(var)));
        }
        heap.insert(Var::new(5));
        heap.set_rank(Var::new(4), 0);
        let order: Vec<usize> = std::iter::from_fn(|| heap.pop()).map(Var::index).collect();
        assert_eq!(order, [4, 2, 3, 1, 5, 0]);
    }
}
