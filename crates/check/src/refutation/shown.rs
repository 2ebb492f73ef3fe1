//! What is shown on a part.

use std::collections::BTreeSet;

/// Some of the things that are to be shown, by number, or all.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    is_all: bool,
    some: BTreeSet<usize>,
}

impl Shown {
    /// One of them is shown, or `None`: all are.
    pub fn add(&mut self, what: Option<usize>) {
        self.is_all |= what.is_none();
        self.some.extend(what);
    }

    pub fn has(&self, what: usize) -> bool {
        self.is_all || self.some.contains(&what)
    }

    /// What both show.
    pub fn and(mut self, other: Self) -> Self {
        self.some.retain(|what| other.has(*what));
        if self.is_all { other } else { self }
    }

    /// What one of them shows.
    pub fn join(&mut self, mut other: Self) {
        if self.some.len() < other.some.len() {
            std::mem::swap(&mut self.some, &mut other.some);
        }
        self.is_all |= other.is_all;
        self.some.extend(other.some);
    }
}
