//! Radii: what is certified holds, what the attack reaches is wrong, and an interrupted run goes on as if
//! it had not been.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::Options;
use absint::analyze::{Method, Reason};
use absint::campaign::{Radius, RadiusOptions, Tolerance, radius};
use absint::domains::activation::{ActivationFn, Relu};
use absint::domains::budget::Budget;
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::domains::num::{Rational, exact_or_zero, nearest, parse_decimal};
use absint::domains::query::{Query, Region, RegionError};
use common::enumeration::Cells;
use common::journal::{refused, results};
use common::{Dice, random_network};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
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

    fn radius(&self, shape: Shape, domain: Method) -> Radius {
        let options = RadiusOptions {
            hi: Rational::from(4),
            analysis: Options { method: domain, ..Options::default() },
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
        let found = case.radius(Region::linf, Method::DEEPPOLY);
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
        let found = case.radius(Region::linf, Method::KPOLY);
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
        let linf = case.radius(Region::linf, Method::DEEPPOLY);
        for shape in [Region::l1 as Shape, Region::l2 as Shape] {
            let found = case.radius(shape, Method::DEEPPOLY);
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
    let analysis = Options { method: Method::DEEPPOLY, ..Options::default() };
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
    assert_eq!(stopped.reasons, [Reason::OutOfTime]);
}

#[test]
fn a_radius_says_why_it_goes_no_further() {
    let (mut open, mut open_to_exact) = (0, 0);
    for (seed, case) in (0..40).filter_map(|seed| Some((seed, Case::random(seed)?))) {
        let found = case.radius(Region::linf, Method::DEEPPOLY);
        // Neither the end of the search nor a counterexample leaves a question.
        let certified = found.certified.as_ref().unwrap();
        let least = found.attacked.as_ref().map_or(Rational::from(4), |(attacked, _)| attacked.clone());
        let is_answered = &least - certified <= RadiusOptions::fine();
        assert!(is_answered || found.reasons == [Reason::OnlyBounds("deeppoly")], "seed {seed}: {found:?}");
        assert!(certified != &Rational::from(4) || found.reasons.is_empty(), "seed {seed}: {found:?}");
        let is_open = |found: &Radius| !found.reasons.is_empty();
        open += usize::from(is_open(&found));
        open_to_exact += usize::from(is_open(&case.radius(Region::linf, Method::EXACT)));
    }
    assert!(open > 5 && open_to_exact == 0, "{open} {open_to_exact}");
}

fn command(arguments: &[&str], out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["radius", "networks/digits_mlp.onnx", "--data", "networks/digits.csv", "--domain", "deeppoly"]);
    if !arguments.contains(&"--tol") {
        command.args(["--tol", "0.001"]);
    }
    command.args(["--restarts", "2", "--steps", "10", "-q"]).args(arguments).arg("--out").arg(out);
    command
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_run_that_was_cut_off_anywhere_ends_up_with_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole.jsonl"), folder.path().join("cut.jsonl"));
    let range = ["--range", "1297..1301", "--threads", "1"];
    let said = succeed(&mut command(&range, &whole));
    assert!(said.contains("mean certified radius") && said.contains("(4 images)"), "{said}");
    let expected = results(&whole);
    let bytes = fs::read(&whole).unwrap();
    let last = bytes[..bytes.len() - 1].iter().rposition(|&b| b == b'\n').unwrap() + 1;
    // Every byte of the last line is tested where the file is written; the program itself at a few.
    for length in [0, 1, last - 1, last, last + 1, (last + bytes.len()) / 2, bytes.len() - 1, bytes.len()] {
        fs::write(&cut, &bytes[..length]).unwrap();
        let again = succeed(command(&range, &cut).arg("--resume"));
        assert_eq!(results(&cut), expected, "cut at {length}");
        assert_eq!(again, said, "cut at {length}");
    }
    for line in expected.1.values() {
        let (certified, attack) = (line["certified"].as_f64().unwrap(), line["attack"].as_f64().unwrap());
        assert!(0.0 < certified && certified < attack && attack < 1.0, "{line}");
    }
    // Another run's file is left alone.
    for (arguments, field) in [
        (&["--range", "1297..1301", "--lo", "0.001"][..], "lo"),
        (&["--range", "1297..1301", "--norm", "l2"], "norm"),
        (&["--range", "1297..1301", "--targets", "2"], "targets"),
    ] {
        let error = refused(command(arguments, &cut).arg("--resume"));
        assert!(error.contains(field) && error.contains("cut.jsonl:1"), "{error}");
    }
    let error = refused(&mut command(&range, &cut));
    assert!(error.contains("--resume"), "{error}");
    assert_eq!(results(&cut), expected);
    // A longer range continues the same file.
    succeed(command(&["--range", "1297..1302"], &cut).arg("--resume"));
    assert_eq!(results(&cut).1.len(), 5);
}

#[test]
fn the_answer_is_a_table_or_an_object_and_wrong_usage_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("radii.jsonl");
    let said = succeed(&mut command(&["--range", "1297..1299", "--no-attack", "--format", "json"], &out));
    let tally: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((tally["images"].as_u64(), tally["attacked"].as_u64()), (Some(2), Some(0)));
    assert!(tally["mean_certified"].as_f64().unwrap() > 0.001 && tally["mean_attack"].is_null());
    let nowhere = folder.path().join("unused.jsonl");
    for (arguments, expected) in [
        (&["--range", "5..99999"][..], "99999"),
        (&["--lo", "0.5", "--hi", "0.5"], "larger"),
        (&["--lo", "-1"], "negative"),
        (&["--tol", "0"], "at least"),
        (&["--norm", "hamming"], "linf"),
    ] {
        let error = refused(&mut command(arguments, &nowhere));
        assert!(error.contains(expected), "{error}");
        assert!(!nowhere.exists());
    }
}

#[test]
fn binarized_images_have_radii_in_units_of_their_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("signs.jsonl");
    let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["radius", "networks/digits_bnn1.onnx", "--data", "networks/digits.csv", "--range", "1300..1303"]);
    command.args(["--binarize", "96", "--norm", "l1", "--hi", "20", "--tol", "0.01", "--domain", "deeppoly", "-q"]);
    succeed(command.arg("--out").arg(&out));
    let (header, lines) = results(&out);
    assert_eq!((header["binarize"].as_u64(), header["hi"].as_str()), (Some(96), Some("20")));
    let network = absint::format::onnx::read(Path::new("networks/digits_bnn1.onnx")).unwrap().network;
    let images = absint::format::images::read(Path::new("networks/digits.csv")).unwrap();
    let mut held = 0;
    for (number, line) in lines {
        let image = images.get_binarized(usize::try_from(number).unwrap(), 96).unwrap();
        let (certified, attack) = (line["certified"].as_f64().unwrap(), line["attack"].as_f64().unwrap());
        assert!(0.0 < certified && certified < attack, "{line}");
        // A flip moves a pixel by 2: where that is certified, no single flip does harm.
        if certified >= 2.0 {
            held += 1;
            for i in 0..image.pixels.len() {
                let mut x = image.pixels.clone();
                x[i] = -x[i].clone();
                let y = network.evaluate::<Rational>(&x).unwrap();
                assert!((0..y.len()).all(|j| j == image.label || y[j] < y[image.label]), "{line}");
            }
        }
    }
    assert!(held > 0);
}
