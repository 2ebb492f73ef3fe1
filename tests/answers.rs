//! What an answer says fits together: witnesses with bounds, and open queries with reasons.

#![allow(clippy::unwrap_used)]

mod common;

use absint::analyze::{Completeness, Method, Reason, analyze_within, deadline};
use absint::domains::activation::all;
use absint::domains::domain::Run;
use absint::domains::network::Arithmetic;
use absint::domains::observer::Silent;
use absint::domains::query::{Disjunct, Property, Query};
use absint::domains::verdict::Verdict;
use absint::report::{Context, analysis_json};
use absint::{Options, analyze};
use common::{Dice, random_atom, random_network, random_region};
use serde_json::Value;
use std::time::Duration;

fn context(options: &Options) -> Context<'static> {
    let (domain, arithmetic, endings) = (options.method.to_string(), Arithmetic::Real, Default::default());
    Context { network: "network", query: "query", domain, arithmetic, endings, is_example: false }
}

/// What is reached has no proven bound above zero, and what is open says why.
#[test]
fn no_answer_contradicts_itself() {
    let (mut falsified, mut open) = (0, 0);
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let which = dice.below(5);
        let network = random_network(&mut dice, &all()[which]);
        let (inputs, outputs) = (network.input_len(), network.output_len());
        let region = random_region(&mut dice, inputs);
        let mut disjunct = || {
            let atoms = 1 + dice.below(2);
            Disjunct { atoms: (0..atoms).map(|_| random_atom(&mut dice, inputs, outputs)).collect() }
        };
        let disjuncts = vec![disjunct(), disjunct(), disjunct()];
        let query = Query::over(region, Property { disjuncts });
        for method in Method::ALL {
            for all_margins in [false, true] {
                let options = Options { method, all_margins, attack: seed % 4 != 3, ..Options::default() };
                let Ok(analysis) = analyze(&network, &query, &options) else { continue };
                let json = analysis_json(&analysis, &context(&options));
                let what = || format!("{seed}, {method}: {json}");
                match &analysis.verdict {
                    Verdict::Falsified(witness) => {
                        let d = witness.disjunct();
                        let is_positive = |bound: &Value| bound.as_f64().is_some_and(|bound| bound > 0.0);
                        assert!(!is_positive(&json["disjuncts"][d]["bound"]), "{}", what());
                        let margins = json["margins"].as_array().unwrap();
                        for (i, margin) in margins.iter().enumerate().filter(|(_, m)| m["disjunct"] == d) {
                            assert!(!is_positive(&margin["bound"]), "{}", what());
                            for stage in json["stages"].as_array().unwrap() {
                                assert!(!is_positive(&stage["margins"][i]), "{}", what());
                            }
                        }
                        falsified += 1;
                    }
                    Verdict::Unknown(_) => {
                        assert!(!json["because"].as_array().unwrap().is_empty(), "{}", what());
                        let only_bounds = analysis.reasons.contains(&Reason::OnlyBounds(method.row().name));
                        assert_eq!(only_bounds, method.row().completeness == Completeness::Incomplete, "{}", what());
                        open += 1;
                    }
                    Verdict::Verified(proof) => {
                        assert!(analysis.reasons.is_empty() && proof.bounds.iter().all(|&b| b > 0.0), "{}", what());
                    }
                }
            }
        }
    }
    assert!(falsified > 200 && open > 50, "{falsified} {open}");
}

#[test]
fn what_is_out_of_time_says_so_and_nothing_else() {
    let (network, image) = absint::example::network_and_image().unwrap();
    let query = Query::robustness(
        absint::domains::query::Region::linf(&image.pixels, &"1/100".parse().unwrap(), None).unwrap(),
        network.output_len(),
        image.label,
    );
    for method in Method::ALL {
        let budget = deadline(Some(Duration::ZERO));
        let run = Run { budget: &budget, observer: &Silent };
        let analysis = analyze_within(&network, &query, &Options::from(method), run).unwrap();
        assert_eq!(analysis.reasons, [Reason::OutOfTime], "{method}");
        let help = analysis_json(&analysis, &context(&Options::from(method)))["may_help"].clone();
        assert_eq!(help, serde_json::json!(["a larger --timeout"]));
    }
}
