//! bnn_exact.csv: the exact engine for signum networks on published networks and queries, and
//! bnn_exact_digits.csv: the exact robust accuracy of the shipped networks.

use crate::bnn::{
    Distance, MOST_CHECKED, MOST_CONFLICTS, Sample, class, flipped, flips_of, least_objective, minimum, samples,
};
use crate::ipq;
use crate::job::{Job, Outcome, hash};
use absint::analyze::deadline;
use absint::attack::{Attack, Target};
use absint::domains::domain;
use absint::domains::network::Network;
use absint::domains::num::Rational;
use absint::domains::query::{Query, Region};
use absint::domains::verdict::Verdict;
use absint::exact::signum::Compiled;
use absint::format::{images, onnx, opb, vnnlib};
use absint::{Options, analyze_within};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What distances are measured in.
pub const NORMS: [&str; 3] = ["L0", "L1", "Linf"];
/// Radii beyond these are not tried.
const LARGEST: usize = 64;
/// The test images of digits.csv, and the threshold that makes them two-valued.
const DIGITS: std::ops::Range<usize> = 1297..1797;
const THRESHOLD: u8 = 96;
const MOST_FLIPS: usize = 5;

const HEADER: [&str; 15] = [
    "set",
    "network",
    "item",
    "norm",
    "verified_to",
    "falsified_at",
    "known",
    "agrees",
    "by",
    "build_ms",
    "time_s",
    "conflicts",
    "plain_s",
    "logged_s",
    "proofs_accepted",
];

/// What the tables consist of.
pub const PARTS: [&str; 6] = ["mnist", "mnist_rot", "opb", "marabou", "traffic_signs", "digits"];

/// Which parts are run now, and for which norms; of the others, what there is stays in the tables.
struct Run<'a> {
    job: &'a Job,
    parts: &'a [String],
    norms: &'a [String],
    limit: Duration,
}

pub fn bnn_exact(job: &Job, parts: &[String], norms: &[String], limit: Duration) -> Outcome<()> {
    let unknown = |given: &[String], known: &[&str]| given.iter().find(|name| !known.contains(&name.as_str())).cloned();
    if let Some(part) = unknown(parts, &PARTS) {
        return Err(format!("`{part}` is no part; {}", PARTS.join(", ")).into());
    }
    if let Some(norm) = unknown(norms, &NORMS) {
        return Err(format!("`{norm}` is no norm here; {}", NORMS.join(", ")).into());
    }
    let run = Run { job, parts, norms, limit };
    let mut rows = Vec::new();
    for name in ["mnist", "mnist_rot"] {
        run.minima(name, &mut rows)?;
    }
    run.opb_files(&mut rows)?;
    run.marabou(&mut rows)?;
    run.traffic_signs(&mut rows)?;
    job.write_beside("bnn_exact.csv", &HEADER, 4, &rows)?;
    run.digits()
}

impl Run<'_> {
    /// The results that there are, by key.
    fn results(
        &self,
        (part, name): (&str, &str),
        files: &[PathBuf],
        keys: &[String],
        item: impl Fn(usize) -> Outcome<Value> + Sync,
    ) -> Outcome<Vec<Option<Value>>> {
        let header = json!({
            "inputs": hash(files)?,
            "timeout_s": self.limit.as_secs_f64(),
            "most_conflicts": MOST_CONFLICTS,
            "most_checked": MOST_CHECKED,
            "version": env!("CARGO_PKG_VERSION"),
        });
        if self.parts.iter().any(|p| p == part) {
            self.job.run(name, &header, keys, item)?;
        }
        let mut done = self.job.load(name, &header)?;
        Ok(keys.iter().map(|key| done.remove(key)).collect())
    }
}

/// A field of a result as a cell.
fn cell(result: &Value, field: &str) -> String {
    match &result[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => format!("{:.4}", n.as_f64().unwrap_or(f64::NAN)),
        other => other.to_string(),
    }
}

impl Run<'_> {
    /// The least perturbations of the published networks' images. Each pixel enters through a sign, so that the
    /// least number of pixels to change (L0) is that of flips between 0 and 255.
    fn minima(&self, name: &str, rows: &mut Vec<Vec<String>>) -> Outcome<()> {
        let folder = self.job.data.join("bnn_msakai");
        let files = [folder.join(format!("{name}.onnx")), folder.join(format!("{name}_images.csv"))];
        let network = onnx::read(&files[0])?.network;
        let compiled = Compiled::new(&network)?;
        let samples = samples(&files[1])?;
        let mut known: BTreeMap<(String, String), usize> = BTreeMap::new();
        for row in csv::Reader::from_path(folder.join(format!("{name}_minimum_perturbation.csv")))?.deserialize() {
            let (instance, norm, optimum): (String, String, usize) = row?;
            known.insert((instance, norm), optimum);
        }
        let items: Vec<(&str, &Sample)> =
            self.norms.iter().flat_map(|norm| samples.iter().map(move |s| (norm.as_str(), s))).collect();
        let keys: Vec<String> = items.iter().map(|(norm, sample)| format!("{norm}/{}", sample.index)).collect();
        let results = self.results((name, &format!("bnn_exact_{name}")), &files, &keys, |i| {
            let (norm, sample) = items[i];
            least(&compiled, &network, sample, norm, self.limit)
        })?;
        for ((norm, sample), result) in items.iter().zip(&results) {
            let Some(result) = result else { continue };
            let instance = |label: &str| format!("{name}_{}_label{label}", sample.index);
            let known = known.get(&(instance(&cell(result, "label")), (*norm).to_owned()));
            let agrees = known.map(|&k| agreement(result, k));
            rows.push(row(&["bnn_msakai", name, &sample.index.to_string(), norm], known, agrees, result));
        }
        Ok(())
    }
}

/// Whether the published minimum is ours: it may also lie between what we have.
fn agreement(result: &Value, known: usize) -> &'static str {
    let (verified, falsified) = (result["verified"].as_u64().unwrap_or(0), result["falsified"].as_u64());
    let known = known as u64;
    if verified >= known || falsified.is_some_and(|f| f < known) {
        "no"
    } else if verified + 1 == known && falsified == Some(known) {
        "yes"
    } else {
        "not contradicted"
    }
}

fn row(first: &[&str; 4], known: Option<&usize>, agrees: Option<&str>, result: &Value) -> Vec<String> {
    let mut row: Vec<String> = first.iter().map(|&s| s.to_owned()).collect();
    row.extend([cell(result, "verified"), cell(result, "falsified")]);
    row.push(known.map_or_else(|| cell(result, "known"), ToString::to_string));
    row.push(agrees.map_or_else(|| cell(result, "agrees"), str::to_owned));
    row.extend(["by", "build_ms", "time_s", "conflicts", "plain_s", "logged_s", "accepted"].map(|f| cell(result, f)));
    row
}

fn least(compiled: &Compiled<'_>, network: &Network, sample: &Sample, norm: &str, limit: Duration) -> Outcome<Value> {
    let level = |k: u32| Rational::from(k) / Rational::from(255);
    let pixels: Vec<Rational> = sample.pixels.iter().map(|&k| level(k)).collect();
    let label = class(network, &pixels)?;
    let found = if norm == "L0" {
        let at_upper = ends(network, &pixels)?;
        let ball = |flips| flipped(network, [0, 1], &at_upper, label, flips);
        let distance: Distance<'_> = &|witness| flips_of(witness, 1, &at_upper);
        minimum((network, compiled), &ball, distance, 1..=LARGEST, limit)?
    } else {
        let n = pixels.len();
        let (dark, bright, step) = (vec![Rational::ZERO; n], vec![Rational::ONE; n], level(1));
        let ball = |levels: usize| {
            let radius = level(levels as u32);
            let region = if norm == "L1" {
                Region::grid_l1(&pixels, &step, &radius, &dark, &bright)?
            } else {
                let lower: Vec<Rational> = pixels.iter().map(|p| (p - &radius).max(Rational::ZERO)).collect();
                let upper: Vec<Rational> = pixels.iter().map(|p| (p + &radius).min(Rational::ONE)).collect();
                Region::grid(&pixels, &step, &lower, &upper)?
            };
            Ok(Query::robustness(region, network.output_len(), label))
        };
        let distance: Distance<'_> = &|witness| {
            let moves = witness.input().iter().zip(&pixels).map(|(x, p)| if x > p { x - p } else { p - x });
            let levels = moves.map(|m| usize::try_from((m * Rational::from(255)).trunc()).unwrap_or(usize::MAX));
            if norm == "L1" { levels.sum() } else { levels.max().unwrap_or(0) }
        };
        minimum((network, compiled), &ball, distance, 1..=LARGEST, limit)?
    };
    let mut result = found.to_json();
    result["label"] = label.to_string().into();
    result["by"] = "exact".into();
    Ok(result)
}

/// For each pixel the end, 0 or 1, that has its sign in the first layer; for one that has the same sign at
/// both ends, the nearer one.
fn ends(network: &Network, pixels: &[Rational]) -> Outcome<Vec<bool>> {
    let (_, first) = network.activations().next().ok_or("a network without activations")?;
    let signs = |x: &[f64]| -> Outcome<Vec<bool>> {
        let values = network.evaluate_all(x)?;
        Ok(values[first.source].iter().map(|&z| z >= 0.0).collect())
    };
    let floats: Vec<f64> = pixels.iter().map(absint::domains::num::nearest).collect();
    let (here, bright) = (signs(&floats)?, signs(&vec![1.0; pixels.len()])?);
    let dark = signs(&vec![0.0; pixels.len()])?;
    if here.len() != pixels.len() {
        return Err("the first layer does not binarize the pixels".into());
    }
    let half = Rational::ONE / Rational::from(2);
    let end = |i: usize| if dark[i] == bright[i] { pixels[i] > half } else { here[i] == bright[i] };
    Ok((0..pixels.len()).map(end).collect())
}

impl Run<'_> {
    /// The same minima from the published pseudo-Boolean files, which the solver gets as they are.
    fn opb_files(&self, rows: &mut Vec<Vec<String>>) -> Outcome<()> {
        let folder = self.job.data.join("bnn_msakai");
        let items = [("mnist_7_label9", 4), ("mnist_rot_8_label1", 3), ("mnist_rot_16_label5", 2)];
        let files: Vec<PathBuf> = items.iter().map(|i| folder.join(format!("bnn_{}_norm_0.opb.gz", i.0))).collect();
        let keys: Vec<String> = items.iter().map(|i| i.0.to_owned()).collect();
        let results = self.results(("opb", "bnn_exact_opb"), &files, &keys, |i| {
            let mut text = String::new();
            flate2::read::GzDecoder::new(fs::File::open(&files[i])?).read_to_string(&mut text)?;
            let opb = opb::parse(&text, &files[i].display().to_string())?;
            least_objective(&opb, self.limit)
        })?;
        for ((name, known), result) in items.iter().zip(&results) {
            let Some(result) = result else { continue };
            let agrees = agreement(result, *known);
            rows.push(row(&["bnn_msakai as OPB", name, name, "L0"], Some(known), Some(agrees), result));
        }
        Ok(())
    }
}

/// What `auto` makes of a query within the time; `known` is the published answer.
fn by_auto(network: &Network, query: &Query, radius: &str, known: &str, limit: Duration) -> Outcome<Value> {
    let start = Instant::now();
    let analysis = analyze_within(network, query, &Options::default(), domain::Run::silent(&deadline(Some(limit))))?;
    let mut result = json!({ "time_s": start.elapsed().as_secs_f64(), "by": analysis.decided_by(), "known": known });
    let verdict = match analysis.verdict {
        Verdict::Verified(_) => "unsat",
        Verdict::Falsified(_) => "sat",
        Verdict::Unknown(_) => "unknown",
    };
    match verdict {
        "unsat" => result["verified"] = radius.into(),
        "sat" => result["falsified"] = radius.into(),
        _ => {}
    }
    let agrees = if verdict == "unknown" { "not contradicted" } else { ["no", "yes"][usize::from(verdict == known)] };
    result["agrees"] = agrees.into();
    Ok(result)
}

impl Run<'_> {
    /// The targeted queries of Marabou's suite; the answer is in the file's name.
    fn marabou(&self, rows: &mut Vec<Vec<String>>) -> Outcome<()> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.job.data.join("bnn_marabou"))?.map(|entry| Ok(entry?.path())).collect::<Outcome<_>>()?;
        files.retain(|file| file.extension().is_some_and(|e| e == "ipq"));
        files.sort();
        let name = |file: &Path| file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let keys: Vec<String> = files.iter().map(|file| name(file)).collect();
        let results = self.results(("marabou", "bnn_exact_marabou"), &files, &keys, |i| {
            let problem = ipq::parse(&fs::read_to_string(&files[i])?)?;
            let known = if keys[i].ends_with("_unsat") { "unsat" } else { "sat" };
            let eps = keys[i].split('_').find_map(|part| part.strip_prefix("eps")).unwrap_or_default();
            by_auto(&problem.network, &problem.query, eps, known, self.limit)
        })?;
        for (key, result) in keys.iter().zip(&results) {
            let Some(result) = result else { continue };
            rows.push(row(&["bnn_marabou", "smallBNN", key, "Linf"], None, None, result));
        }
        Ok(())
    }
}

/// What attacks from ever new starting points find within the time.
fn by_attack(network: &Network, query: &Query, radius: &str, known: &str, limit: Duration) -> Outcome<Value> {
    let (start, budget) = (Instant::now(), deadline(Some(limit)));
    let [case] = &query.cases[..] else { return Err("a query of several cases".into()) };
    let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
    let mut seed = 0;
    let witness = loop {
        let attack = if seed == 0 { Attack::short(0) } else { Attack { targets: 8, ..Attack::pgd(seed) } };
        let witness = attack.run(Target { network, case, open: &open }, &budget).witness;
        if witness.is_some() || budget.is_spent() {
            break witness;
        }
        seed += 1;
    };
    let time = start.elapsed().as_secs_f64();
    Ok(match witness {
        Some(_) => json!({
            "falsified": radius, "known": known, "agrees": if known == "sat" { "yes" } else { "no" },
            "by": "attack", "time_s": time,
        }),
        None => json!({ "known": known, "agrees": "not contradicted", "time_s": time }),
    })
}

impl Run<'_> {
    /// The queries on traffic signs, all of which have counterexamples.
    fn traffic_signs(&self, rows: &mut Vec<Vec<String>>) -> Outcome<()> {
        let folder = self.job.data.join("vnncomp2023_traffic_signs");
        let truth = folder.join("truth.csv");
        let mut items = Vec::new();
        for row in csv::Reader::from_path(&truth)?.deserialize() {
            let mut row: BTreeMap<String, String> = row?;
            let mut field = |name: &str| row.remove(name).unwrap_or_default();
            items.push((field("net"), field("spec"), field("truth")));
        }
        let keys: Vec<String> = items.iter().map(|(_, spec, _)| spec.clone()).collect();
        let results = self.results(("traffic_signs", "bnn_exact_traffic_signs"), &[truth], &keys, |i| {
            let (net, spec, truth) = &items[i];
            let network = onnx::read(&folder.join("onnx").join(net))?.network;
            let query = vnnlib::read(folder.join("vnnlib").join(spec))?.query;
            let eps = spec.trim_end_matches(".vnnlib").rsplit('_').next().unwrap_or_default();
            by_attack(&network, &query, eps, truth, self.limit)
        })?;
        for ((net, spec, _), result) in items.iter().zip(&results) {
            let Some(result) = result else { continue };
            rows.push(row(&["traffic_signs", net, spec, "Linf"], None, None, result));
        }
        Ok(())
    }
}

impl Run<'_> {
    /// The exact robust accuracy of the digit networks.
    fn digits(&self) -> Outcome<()> {
        let csv = Path::new("networks/digits.csv").to_path_buf();
        let images = images::read(&csv)?;
        let mut rows = Vec::new();
        for name in ["digits_bnn1", "digits_bnn2"] {
            let file = Path::new("networks").join(name).with_extension("onnx");
            let network = onnx::read(&file)?.network;
            let compiled = Compiled::new(&network)?;
            let keys: Vec<String> = DIGITS.map(|i| i.to_string()).collect();
            let files = [file, csv.clone()];
            let results = self.results(("digits", &format!("bnn_exact_{name}")), &files, &keys, |i| {
                let image = images.get_binarized(DIGITS.start + i, THRESHOLD).ok_or("no such image")?;
                let label = image.label;
                let outputs = network.evaluate::<Rational>(&image.pixels)?;
                if (0..outputs.len()).any(|j| j != label && outputs[j] >= outputs[label]) {
                    return Ok(json!({ "falsified": 0 }));
                }
                let at_upper: Vec<bool> = image.pixels.iter().map(|p| p == &Rational::ONE).collect();
                let ball = |flips| flipped(&network, [-1, 1], &at_upper, label, flips);
                let distance: Distance<'_> = &|witness| flips_of(witness, 1, &at_upper);
                Ok(minimum((&network, &compiled), &ball, distance, 1..=MOST_FLIPS, self.limit)?.to_json())
            })?;
            let Some(results) = results.into_iter().collect::<Option<Vec<Value>>>() else { continue };
            for flips in 0..=MOST_FLIPS as u64 {
                let falsified = |r: &&Value| r["falsified"].as_u64().is_some_and(|f| f <= flips);
                let robust = |r: &&Value| !falsified(r) && (flips == 0 || r["verified"].as_u64() >= Some(flips));
                let (falsified, robust) =
                    (results.iter().filter(falsified).count(), results.iter().filter(robust).count());
                let sum = |field: &str| results.iter().filter_map(|r| r[field].as_f64()).sum::<f64>();
                rows.push(vec![
                    name.to_owned(),
                    flips.to_string(),
                    keys.len().to_string(),
                    robust.to_string(),
                    falsified.to_string(),
                    (keys.len() - robust - falsified).to_string(),
                    format!("{:.2}", 100.0 * robust as f64 / keys.len() as f64),
                    format!("{:.4}", sum("time_s") / keys.len() as f64),
                    format!("{}", sum("accepted")),
                    format!("{}", sum("unchecked")),
                    format!("{:.3}", sum("logged_s") / sum("plain_s")),
                ]);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let header = [
            "network",
            "flips",
            "images",
            "robust",
            "falsified",
            "open",
            "robust_percent",
            "mean_s_all_radii",
            "proofs_accepted",
            "proofs_unchecked",
            "logging_ratio",
        ];
        self.job.write("bnn_exact_digits.csv", &header, &rows)
    }
}
