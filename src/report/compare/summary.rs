//! What a comparison amounts to for each contestant.

use super::Comparison;
use crate::compare::Outcome;

/// One contestant over all queries.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Queries that it proved.
    pub verified: usize,
    /// Queries with a counterexample.
    pub falsified: usize,
    /// Queries that stay open, out of time included.
    pub unknown: usize,
    /// How many of those ran out of time.
    pub timeouts: usize,
    /// Mean seconds per query.
    pub mean_time: Option<f64>,
    /// Median seconds per query.
    pub median_time: Option<f64>,
    /// Mean certified margin.
    pub mean_margin: Option<f64>,
    /// Whether it stops where a query is decided, so that its bounds have no gap.
    pub decides: bool,
    /// Mean gap to exact in percent, at most (by the smallest attained margins).
    pub mean_gap: Option<f64>,
    /// Mean gap to exact in percent, at least (by the best certified bounds).
    pub mean_gap_least: Option<f64>,
    /// Mean of log₁₀ of the output box's volume: that of the geometric mean.
    pub mean_log10_volume: Option<f64>,
}

/// Every contestant, in order.
#[must_use]
pub fn summaries(comparison: &Comparison) -> Vec<Summary> {
    let summary = |(i, name): (usize, &String)| {
        let count = |outcome: Outcome| comparison.of(i).filter(|(_, m)| m.outcome == outcome).count();
        let times: Vec<f64> = comparison.of(i).map(|(_, m)| m.time.as_secs_f64()).collect();
        Summary {
            name: name.clone(),
            verified: count(Outcome::Verified),
            falsified: count(Outcome::Falsified),
            unknown: count(Outcome::Unknown) + count(Outcome::OutOfTime),
            timeouts: count(Outcome::OutOfTime),
            mean_time: mean(times.iter().copied()),
            median_time: quantile(times, 0.5),
            mean_margin: mean(comparison.of(i).map(|(_, m)| m.margin)),
            decides: comparison.of(i).any(|(_, m)| m.decides),
            mean_gap: mean(comparison.of(i).filter_map(|(_, m)| m.gap.most)),
            mean_gap_least: mean(comparison.of(i).filter_map(|(_, m)| m.gap.least)),
            mean_log10_volume: mean(comparison.of(i).filter_map(|(_, m)| m.log10_volume)),
        }
    };
    comparison.contestants.iter().enumerate().map(summary).collect()
}

/// The mean of the finite values; `None` without any.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.into_iter().filter(|x| x.is_finite()).fold((0u32, 0.0), |(n, s), x| (n + 1, s + x));
    let mean = sum / f64::from(count);
    mean.is_finite().then_some(mean)
}

/// A quantile of the finite values, interpolated; `None` without any.
pub(super) fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.retain(|x| x.is_finite());
    values.sort_by(f64::total_cmp);
    let place = share * values.len().checked_sub(1)? as f64;
    let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_quantiles_leave_out_what_is_not_known() {
        assert_eq!(mean([1.0, f64::NEG_INFINITY, 3.0]), Some(2.0));
        assert_eq!(mean([f64::NAN]), None);
        assert_eq!(quantile(vec![4.0, 1.0, f64::INFINITY, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(vec![1.0, 2.0], 0.25), Some(1.25));
        assert_eq!(quantile(vec![], 0.5), None);
    }
}
