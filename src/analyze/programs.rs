//! The programs of neurons that an analysis by `lp-all` has solved elsewhere.

use super::error::AnalyzeError;
use super::method::Options;
use crate::domains::domain::{DomainError, LayerPrograms, LpDomain, Run, SolvedPrograms};
use crate::domains::network::Network;
use crate::domains::observer::{Event, Observer};
use crate::domains::query::Region;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Solves programs that an analysis with the same network, region and options asks its [`Options::neurons`] for.
///
/// # Errors
/// [`AnalyzeError`] where these do not fit together; running out of time is none.
pub fn solve_programs(
    network: &Network,
    region: &Region,
    options: &Options,
    layer: &LayerPrograms,
    run: Run<'_>,
) -> Result<SolvedPrograms, AnalyzeError> {
    let network = &*options.executed(network);
    let domain = LpDomain { base: options.base(), ..LpDomain::kpoly(1, options.lp) };
    let solved = Solved(AtomicUsize::new(0));
    match domain.solve_programs(network, region, layer, Run { budget: run.budget, observer: &solved }) {
        Ok(bounds) => Ok(SolvedPrograms { bounds, programs: solved.0.into_inner() }),
        Err(DomainError::OutOfTime) => Ok(SolvedPrograms::default()),
        Err(other) => Err(other.into()),
    }
}

/// Counts programs.
struct Solved(AtomicUsize);

impl Observer for Solved {
    fn event(&self, event: Event<'_>) {
        if let Event::Lp { .. } = event {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
