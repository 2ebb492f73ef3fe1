//! Radii: what is certified holds, and what the attack reaches is wrong.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::Options;
use absint::domains::activation::{ActivationFn, Relu};
use absint::domains::budget::Budget;
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::domains::num::{Rational, exact_or_zero, nearest, parse_decimal};
use absint::domains::query::{Query, Region, RegionError};
use absint::engine::{DomainName, Radius, RadiusOptions, Tolerance, radius};
use common::enumeration::Cells;
use common::{Dice, random_network};
use std::sync::Arc;

type Shape = fn(&[Rational], &Rational, Option<(&Rational, &Rational)>) -> Result<Region, RegionError>;

struct Case {
    network: Network,
    center: Vec<Rational>,
    label: usize,
}

impl Case {
    /// A random network and a point that it classifies strictly.
    fn random(seed: u64) -> Option<Self> {
        let mut dice = Dice::new(seed);
        let relu: Arc<dyn ActivationFn> = Arc::new(Relu);
        let network = random_network(&mut dice, &relu);
        let center: Vec<Rational> = dice.weights(network.input_len()).into_iter().map(exact_or_zero).collect();
        let y = network.evaluate::<Rational>(&center).unwrap();
        let label = (0..y.len()).max_by(|&a, &b| y[a].cmp(&y[b]))?;
        let is_strict = y.len() > 1 && (0..y.len()).all(|j| j == label || y[j] < y[label]);
        is_strict.then_some(Self { network, center, label })
    }

    fn query(&self, shape: Shape, eps: &Rational) -> Result<Query, RegionError> {
        Ok(Query::robustness(shape(&self.center, eps, None)?, self.network.output_len(), self.label))
    }

    fn radius(&self, shape: Shape, domain: DomainName) -> Radius {
        let options = RadiusOptions {
            hi: Rational::from(4),
            analysis: Options { domain, ..Options::default() },
            ..RadiusOptions::default()
        };
        let budget = Budget::unlimited();
        radius(&self.network, &|eps| self.query(shape, eps), &options, Run::silent(&budget)).unwrap()
    }

    /// Whether the box of that radius is robust, exactly; `None` when there are too many cells.
    fn is_robust(&self, eps: &Rational) -> Option<bool> {
        if self.network.input_len() > 4 {
            return None;
        }
        let query = self.query(Region::linf, eps).unwrap();
        let cells = Cells::new(&self.network, &query.cases[0].region, 400)?;
        let all = &query.cases[0].property.disjuncts;
        Some(all.iter().all(|d| cells.minima(d).iter().all(|m| m > &Rational::ZERO)))
    }
}

#[test]
fn the_exact_radius_lies_between_the_certified_one_and_that_of_the_attack() {
    let (mut checked, mut compared, mut attained) = (0, 0, 0);
    for seed in 0..120 {
        let Some(case) = Case::random(seed) else { continue };
        let found = case.radius(Region::linf, DomainName::DeepPoly);
        let certified = found.certified.clone().unwrap_or_else(|| panic!("seed {seed}: nothing at all"));
        let Some(is_robust) = case.is_robust(&certified) else { continue };
        assert!(is_robust, "seed {seed}: {certified} is not robust");
        checked += 1;
        let Some((attacked, witness)) = found.attacked else { continue };
        assert!(certified < attacked, "seed {seed}");
        let query = case.query(Region::linf, &attacked).unwrap();
        assert!(query.cases[0].region.contains(witness.input()));
        // Just below the attack's radius nothing is wrong, unless the attack missed something.
        let below = &attacked - &parse_decimal("0.001").unwrap();
        let Some(is_robust) = (below > Rational::ZERO).then(|| case.is_robust(&below)).flatten() else { continue };
        compared += 1;
        attained += usize::from(is_robust);
    }
    println!("{checked} checked, the attack attains the exact radius in {attained} of {compared}");
    assert!(checked > 30 && compared > 15 && attained * 10 > compared * 8, "{attained} of {compared}");
}

#[test]
fn costly_domains_go_on_from_the_cheap_one() {
    let mut improved = 0;
    for seed in 0..40 {
        let Some(case) = Case::random(seed) else { continue };
        let found = case.radius(Region::linf, DomainName::KPoly);
        let (Some(base), Some(certified)) = (&found.base, &found.certified) else { continue };
        assert!(base <= certified, "seed {seed}");
        improved += usize::from(base < certified);
        if let Some(is_robust) = case.is_robust(certified) {
            assert!(is_robust, "seed {seed}");
        }
    }
    assert!(improved > 2, "{improved}");
}

#[test]
fn other_norms_are_searched_alike() {
    for seed in 0..40 {
        let Some(case) = Case::random(seed) else { continue };
        let linf = case.radius(Region::linf, DomainName::DeepPoly);
        for shape in [Region::l1 as Shape, Region::l2 as Shape] {
            let found = case.radius(shape, DomainName::DeepPoly);
            let Some(certified) = found.certified else { panic!("seed {seed}") };
            if let Some((attacked, _)) = &found.attacked {
                assert!(&certified < attacked, "seed {seed}");
                // A smaller ball within the larger one.
                let Some((wide, _)) = &linf.attacked else { panic!("seed {seed}: a ball beats its box") };
                assert!(nearest(wide) <= nearest(attacked) * 1.05 + 0.01, "seed {seed}: {wide} {attacked}");
            }
        }
    }
}

#[test]
fn the_search_stays_in_its_bounds_and_keeps_its_tolerance() {
    let (network, image) = absint::example::network_and_image().unwrap();
    let ball = |eps: &Rational| {
        let region = Region::linf(&image.pixels, eps, Some((&Rational::ZERO, &Rational::ONE)))?;
        Ok(Query::robustness(region, network.output_len(), image.label))
    };
    let q = |text: &str| parse_decimal(text).unwrap();
    let find = |options: RadiusOptions| radius(&network, &ball, &options, Run::silent(&Budget::unlimited())).unwrap();
    let analysis = Options { domain: DomainName::DeepPoly, ..Options::default() };
    let plain = RadiusOptions { attack: None, analysis, ..RadiusOptions::default() };
    let fine = find(plain.clone()).certified.unwrap();
    let coarse = find(RadiusOptions { tolerance: Some(Tolerance::Absolute(q("0.01"))), ..plain.clone() });
    assert!(coarse.analyses < 12 && coarse.certified.clone().unwrap() <= fine);
    assert!(coarse.certified.unwrap() + q("0.01") >= fine);
    // What lies outside of the range is not claimed.
    let below = find(RadiusOptions { hi: q("0.01"), ..plain.clone() });
    assert_eq!((below.certified, below.analyses), (Some(q("0.01")), 2));
    let above = find(RadiusOptions { lo: q("0.5"), ..plain.clone() });
    assert_eq!(above.certified, None);
    let known = find(RadiusOptions { unsafe_at: Some(q("0.05")), ..plain.clone() });
    assert!(known.certified.unwrap() < q("0.05"));
    let spent = Budget::unlimited();
    spent.cancel();
    let stopped = radius(&network, &ball, &plain, Run::silent(&spent)).unwrap();
    assert!(stopped.out_of_time && stopped.certified.is_none());
}
