//! What a program that embeds the library relies on: types that cross threads, analyses that run side by
//! side, and errors instead of panics for queries that do not fit.

#![allow(clippy::unwrap_used)]

use absint::analyze::{Method, Stage};
use absint::attack::Attack;
use absint::campaign::{Journal, JournalError, MergeError};
use absint::campaign::{Radius, RadiusOptions, Worker};
use absint::domains::activation::ActivationFn;
use absint::domains::budget::Budget;
use absint::domains::domain::{Bounds, DomainError, NodeBounds, Run};
use absint::domains::lp::{LinearProgram, LpError};
use absint::domains::network::{Network, NetworkBuilder, NetworkError};
use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::{Atom, Case, Disjunct, LinearForms, Property, Query, Region, RegionError, Variable};
use absint::domains::verdict::{Verdict, Witness};
use absint::format::images::{Image, ImageSet, ImagesError};
use absint::format::json_query::JsonQueryError;
use absint::format::onnx::{Model, OnnxError, OnnxWriter};
use absint::format::opb::{Opb, OpbError};
use absint::format::vnnlib::{VnnlibError, VnnlibQuery};
use absint::{Analysis, AnalyzeError, Options, analyze, analyze_within};

/// Compiles only where every type can be sent to and shared with other threads, and lives on its own.
macro_rules! cross_threads {
    ($($name:ty),* $(,)?) => {
        const _: () = {
            const fn crosses<T: Send + Sync + 'static>() {}
            $(crosses::<$name>();)*
        };
    };
}

cross_threads! {
    Analysis, AnalyzeError, Atom, Attack, Bounds, Budget, Case, Disjunct, DomainError, Method, Image, ImageSet,
    ImagesError, Journal, JournalError, JsonQueryError, LinearForms, LinearProgram, LpError, MergeError, Model, Network,
    NetworkBuilder, NetworkError, NodeBounds, OnnxError, OnnxWriter, Opb, OpbError, Options, Property, Query, Radius,
    RadiusOptions, Rational, Region, RegionError, Stage, Variable, Verdict, VnnlibError, VnnlibQuery, Witness, Worker,
    std::sync::Arc<dyn ActivationFn>,
}

/// The example's network, and the ball of a radius around its image.
fn example(eps: &str) -> (Network, Query) {
    let (network, image) = absint::example::network_and_image().unwrap();
    let region = Region::linf(&image.pixels, &parse_decimal(eps).unwrap(), None).unwrap();
    let query = Query::robustness(region, network.output_len(), image.label);
    (network, query)
}

#[test]
fn analyses_side_by_side_answer_as_one_after_the_other() {
    let radii = ["0.005", "0.02", "0.05", "0.5"];
    let options = Options { method: Method::DEEPPOLY, ..Options::default() };
    let answer = |eps: &str| {
        let (network, query) = example(eps);
        let analysis = analyze(&network, &query, &options).unwrap();
        (analysis.verdict, analysis.margins)
    };
    let alone: Vec<_> = radii.iter().map(|eps| answer(eps)).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = radii.iter().map(|eps| scope.spawn(|| answer(eps))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
    assert_eq!([alone[0].0.name(), alone[3].0.name()], ["verified", "falsified"]);
}

/// Every domain is cancelled before it begins and soon after, and answers.
#[test]
fn a_cancelled_analysis_is_unknown_for_every_domain() {
    let (network, query) = example("0.08");
    for (domain, name) in Method::ALL.map(|method| (method, method.row().name)) {
        let options = Options { method: domain, attack: false, ..Options::default() };
        let budget = Budget::unlimited();
        budget.cancel();
        let analysis = analyze_within(&network, &query, &options, Run::silent(&budget)).unwrap();
        assert!(matches!(&analysis.verdict, Verdict::Unknown(gap) if gap.out_of_time), "{name}");
        assert_eq!(analysis.margins.len(), 9, "{name}");
    }
}

#[test]
fn queries_that_do_not_fit_are_errors_for_every_domain() {
    let (network, query) = example("0.01");
    let unit = |n: usize| Region::new_box(vec![Rational::ZERO; n], vec![Rational::ONE; n]).unwrap();
    let reads = |variable| {
        let atom = Atom { terms: [(variable, Rational::ONE)].into(), constant: Rational::ZERO, is_strict: false };
        Query::over(unit(64), Property { disjuncts: vec![Disjunct { atoms: vec![atom] }] })
    };
    for (domain, name) in Method::ALL.map(|method| (method, method.row().name)) {
        let options = Options { method: domain, ..Options::default() };
        let error = |query: &Query| analyze(&network, query, &options).map(|a| a.verdict).unwrap_err();
        assert_eq!(error(&Query::default()), AnalyzeError::Nothing, "{name}");
        let short = Query::robustness(unit(3), 10, 0);
        assert!(matches!(error(&short), AnalyzeError::Domain(DomainError::Region { .. })), "{name}");
        for variable in [Variable::Input(64), Variable::Output(10)] {
            assert!(matches!(error(&reads(variable)), AnalyzeError::Variable { .. }), "{name}");
        }
    }
    // A disjunct without atoms is unsafe everywhere in its region.
    let always = Query::over(query.cases[0].region.clone(), Property { disjuncts: vec![Disjunct::default()] });
    assert_eq!(analyze(&network, &always, &Options::default()).unwrap().verdict.name(), "falsified");
    // A network is not evaluated at a point of another size.
    assert!(network.evaluate(&[0.5; 3]).is_err());
}
