//! The loop: the steps of a method, one after the other, until the query is decided or the time is up.

use super::analysis::Analysis;
use super::error::AnalyzeError;
use super::method::{Context, Method, Options};
use super::registry::plan;
use super::state::State;
use crate::domains::budget::Budget;
use crate::domains::domain::{DomainError, Run};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::observer::{Event, Silent};
use crate::domains::query::{Ball, Query};
use crate::exact::signum;

/// Analyses a query without a time limit, reporting to nobody.
///
/// ```
/// use absint::domains::num::parse_decimal;
/// use absint::domains::query::{Query, Region};
///
/// let (network, image) = absint::example::network_and_image()?;
/// let eps = parse_decimal("0.01")?;
/// let region = Region::linf(&image.pixels, &eps, None)?;
/// let query = Query::robustness(region, network.output_len(), image.label);
/// let analysis = absint::analyze(&network, &query, &absint::Options::default())?;
/// println!("{}", analysis.verdict.name());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub fn analyze(network: &Network, query: &Query, options: &Options) -> Result<Analysis, AnalyzeError> {
    analyze_within(network, query, options, Run { budget: &Budget::unlimited(), observer: &Silent })
}

/// Analyses a query within a budget, reporting progress to an observer.
///
/// Running out of time is no error: the verdict is then *unknown*, with all bounds found so far.
pub fn analyze_within(
    network: &Network,
    query: &Query,
    options: &Options,
    run: Run<'_>,
) -> Result<Analysis, AnalyzeError> {
    analyze_in_stages(network, query, options, run, &|_| {})
}

/// The same; `after_stage` is called whenever a stage left the query open, and may ask for what would be the answer
/// if the next one did not stop in time.
pub(crate) fn analyze_in_stages(
    network: &Network,
    query: &Query,
    options: &Options,
    run: Run<'_>,
    after_stage: &dyn Fn(&dyn Fn() -> Analysis),
) -> Result<Analysis, AnalyzeError> {
    check_query(network, query)?;
    let network = &*options.executed(network);
    if network.arithmetic() == Arithmetic::Float32 {
        check_float32(network, options)?;
    }
    if options.certify {
        check_certifiable(network, query, options)?;
    }
    let is_scripted = options.certify && !network.is_signum();
    let bounded = is_scripted.then(|| network.as_checked());
    let network = bounded.as_deref().unwrap_or(network);
    let context = Context { network, options, run };
    // Certificates of signum networks know strict atoms; scripts show margins above zero only.
    let mut state = State::new(query, is_scripted);
    for step in plan(&context) {
        if state.is_decided(options) || run.budget.is_spent() {
            break;
        }
        run.observer.event(Event::Stage(step.name()));
        state.stage(&*step, &context)?;
        if state.is_open() {
            after_stage(&|| state.answer(&context, true));
        }
    }
    Ok(state.finish(&context))
}

/// Whether what the method verifies will have a certificate.
///
/// # Errors
/// The [`AnalyzeError`] that an analysis would end with.
pub fn check_certifiable(network: &Network, query: &Query, options: &Options) -> Result<(), AnalyzeError> {
    let method = options.method;
    if [network.arithmetic(), options.arithmetic].contains(&Arithmetic::Float32) {
        return Err(AnalyzeError::Float32Certificate);
    }
    if network.is_signum() {
        if ![Method::EXACT, Method::AUTO].contains(&method) {
            return Err(AnalyzeError::SignumCertificate);
        }
        let applies = query.cases.iter().all(|case| signum::applies(network, case));
        return if applies { Ok(()) } else { Err(AnalyzeError::NoCertificate) };
    }
    let balls = || query.cases.iter().map(|case| case.region.ball());
    let is_round = |ball: &Ball| matches!(ball, Ball::L1 { .. } | Ball::L2 { .. });
    let (over, may): (_, fn(&Method) -> bool) = match balls().any(is_round) {
        true => (" over L1 and L2 balls", Method::proves_over_balls),
        false => ("", Method::proves),
    };
    if !may(&method) {
        let proving: Vec<&str> = Method::ALL.iter().filter(|m| may(m)).map(|m| m.row().name).collect();
        return Err(AnalyzeError::NoProof { method: method.to_string(), over, proving: proving.join(", ") });
    }
    if let Some(id) = network.first_curve() {
        return Err(AnalyzeError::ProofCurve(network.node(id).name.clone()));
    }
    if balls().any(|ball| ball != &Ball::Box && !is_round(ball)) {
        return Err(AnalyzeError::ProofRegion);
    }
    if !network.twins().is_empty() || query.cases.iter().any(|case| case.region.has_differences()) {
        return Err(AnalyzeError::ProofNetworks);
    }
    Ok(())
}

/// Whether float32 executions of the network, which is in that arithmetic, can be analysed as asked.
///
/// # Errors
/// The [`AnalyzeError`] that an analysis would end with.
pub fn check_float32(network: &Network, options: &Options) -> Result<(), AnalyzeError> {
    if let Some(id) = network.rounded_node() {
        return Err(AnalyzeError::Float32Activation(network.node(id).name.clone()));
    }
    if options.certify { Err(AnalyzeError::Float32Certificate) } else { Ok(()) }
}

/// Whether the query fits the network: its regions have as many inputs, and its atoms read only what is
/// there.
///
/// # Errors
/// The [`AnalyzeError`] that an analysis would end with.
pub fn check_query(network: &Network, query: &Query) -> Result<(), AnalyzeError> {
    if query.disjuncts() == 0 {
        return Err(AnalyzeError::Nothing);
    }
    let (inputs, outputs) = (network.input_len(), network.output_len());
    for case in &query.cases {
        if case.region.len() != inputs {
            return Err(DomainError::Region { found: case.region.len(), expected: inputs }.into());
        }
        for atom in case.property.atoms() {
            let largest = atom.largest_indices();
            for (what, index, available) in [('X', largest.0, inputs), ('Y', largest.1, outputs)] {
                if let Some(index) = index.filter(|&i| i >= available) {
                    return Err(AnalyzeError::Variable { what, index, available });
                }
            }
        }
    }
    Ok(())
}
