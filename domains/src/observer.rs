//! Events that the mathematics reports while it works; the tool decides what to show.

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// A named stage begins.
    Stage(&'a str),
    /// `done` of `total` nodes of the network are bounded.
    Nodes {
        /// Nodes done.
        done: usize,
        /// Nodes in all.
        total: usize,
    },
    /// A linear program was solved; the best certified bound so far for this form.
    Lp {
        /// Which form.
        form: usize,
        /// The certified lower bound.
        bound: f64,
        /// Rows of the program, cuts included.
        rows: usize,
        /// Cuts added since the solve before.
        new_cuts: usize,
    },
    /// A search by cases goes on.
    Search {
        /// Cases that are still open.
        open: usize,
        /// Cases that were closed.
        closed: usize,
        /// The certified lower bound of what is sought over the open ones.
        bound: f64,
    },
    /// An input that a relaxation suggests as a counterexample, to be replayed.
    Candidate {
        /// One value per input.
        input: &'a [f64],
    },
}

/// Receives events. Implementations must be cheap and must not block.
pub trait Observer: Sync {
    /// Called for every event, from any thread.
    fn event(&self, event: Event<'_>);
}

/// Ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event<'_>) {}
}
