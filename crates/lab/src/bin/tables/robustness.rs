//! deeppoly_table3.csv and kpoly_table3.csv: regions verified around images.

use crate::job::{Job, Outcome, hash, seconds};
use absint::analyze::{Method, deadline};
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::domains::num::{Rational, nearest, parse_decimal};
use absint::domains::observer::Silent;
use absint::domains::query::{Query, Region};
use absint::format::images::{self, ImageSet, Layout};
use absint::format::onnx;
use absint::{Options, analyze_within};
use itertools::iproduct;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A network of the k-ReLU paper with its images and radius.
struct Robustness {
    name: String,
    network: Network,
    images: ImageSet,
    eps_text: String,
    eps: Rational,
    /// Mean and standard deviation, where the file leaves the normalisation of pixels to the caller.
    normalisation: (Rational, Rational),
    published: BTreeMap<String, String>,
    hash: String,
}

/// What became of one image.
enum Answer {
    Misclassified,
    Analysed { verdict: &'static str, decided_by: String, time: f64 },
}

impl Robustness {
    /// The network of that name; `None` in the table's order for all.
    fn load(job: &Job, only: Option<&[String]>) -> Outcome<Vec<Self>> {
        let folder = job.data.join("kpoly_nets");
        let mut all = Vec::new();
        for row in csv::Reader::from_path(folder.join("published_kpoly_table3.csv"))?.deserialize() {
            let published: BTreeMap<String, String> = row?;
            let name = published["net"].trim_end_matches(".onnx").to_owned();
            if only.is_some_and(|only| !only.contains(&name)) {
                continue;
            }
            let model = folder.join(&published["net"]);
            let network = onnx::read(&model)?.network;
            let is_mnist = published["dataset"] == "mnist";
            let file = if is_mnist { "mnist_test_1000.csv" } else { "cifar10_test_100.csv" };
            let file = job.data.join("images").join(file);
            let images = images::read(&file)?;
            let images = if is_mnist {
                images
            } else {
                let rearranged = images.rearranged(Layout::Hwc, Layout::Chw, [3, 32, 32]);
                rearranged.ok_or("the CIFAR images are not 32 × 32")?
            };
            // The converted file of this network lacks the normalisation that the published one has.
            let normalisation = if name == "mnist_conv_small" { ("0.1307", "0.3081") } else { ("0", "1") };
            all.push(Self {
                network,
                images,
                eps: parse_decimal(&published["epsilon"])?,
                eps_text: published["epsilon"].clone(),
                normalisation: (parse_decimal(normalisation.0)?, parse_decimal(normalisation.1)?),
                published,
                hash: hash(&[model, file])?,
                name,
            });
        }
        Ok(all)
    }

    fn count(&self, images: usize) -> usize {
        images.min(self.images.len())
    }

    /// Runs the analysis of one image, unless it is misclassified.
    fn answer(&self, image: usize, options: &Options, timeout: Option<Duration>) -> Outcome<Answer> {
        let image = self.images.get(image).ok_or("no such image")?;
        let (mean, deviation) = &self.normalisation;
        let input = |pixel: Rational| (pixel - mean) / deviation;
        let center: Vec<f64> = image.pixels.iter().map(|p| nearest(&input(p.clone()))).collect();
        let output = self.network.evaluate(&center)?;
        let class = (0..output.len()).fold(0, |best, i| if output[i] > output[best] { i } else { best });
        if class != image.label {
            return Ok(Answer::Misclassified);
        }
        let lower = image.pixels.iter().map(|p| input((p - &self.eps).max(Rational::ZERO))).collect();
        let upper = image.pixels.iter().map(|p| input((p + &self.eps).min(Rational::ONE))).collect();
        let query = Query::robustness(Region::new_box(lower, upper)?, output.len(), image.label);
        let start = Instant::now();
        let run = Run { budget: &deadline(timeout), observer: &Silent };
        let analysis = analyze_within(&self.network, &query, options, run)?;
        let time = start.elapsed().as_secs_f64();
        let decided_by = analysis.decided_by().unwrap_or_default().to_owned();
        Ok(Answer::Analysed { verdict: analysis.verdict.name(), decided_by, time })
    }
}

/// Counts of the answers to many images.
#[derive(Default)]
struct Tally {
    correct: usize,
    verified: usize,
    falsified: usize,
    out_of_time: usize,
    time: f64,
}

impl Tally {
    fn of(results: &[Value], timeout: Option<Duration>) -> Self {
        let mut tally = Self::default();
        for result in results {
            let Some(time) = result["time_s"].as_f64() else { continue };
            tally.correct += 1;
            tally.time += time;
            match result["verdict"].as_str() {
                Some("verified") => tally.verified += 1,
                Some("falsified") => tally.falsified += 1,
                _ => tally.out_of_time += usize::from(timeout.is_some_and(|t| time >= t.as_secs_f64())),
            }
        }
        tally
    }

    fn mean(&self) -> String {
        format!("{:.4}", self.time / self.correct.max(1) as f64)
    }
}

/// One image after another, resumably.
fn robustness(
    job: &Job,
    task: &Robustness,
    name: &str,
    options: &Options,
    images: usize,
    timeout: Option<Duration>,
) -> Outcome<Vec<Value>> {
    let header = json!({
        "network_and_images": task.hash,
        "domain": options.method.to_string(),
        "eps": task.eps_text,
        "attack": options.attack,
        "timeout_s": timeout.map(|t| t.as_secs_f64()),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let keys: Vec<String> = (0..task.count(images)).map(|i| i.to_string()).collect();
    job.run(name, &header, &keys, |i| {
        Ok(match task.answer(i, options, timeout)? {
            Answer::Misclassified => json!({ "verdict": "misclassified" }),
            Answer::Analysed { verdict, decided_by, time } => {
                json!({ "verdict": verdict, "by": decided_by, "time_s": time })
            }
        })
    })
}

pub fn deeppoly(job: &Job, images: usize) -> Outcome<()> {
    let options = Options { method: Method::DEEPPOLY, attack: false, ..Options::default() };
    let mut rows = Vec::new();
    for task in Robustness::load(job, None)? {
        let results = robustness(job, &task, &format!("deeppoly_{}", task.name), &options, images, None)?;
        let tally = Tally::of(&results, None);
        let published = if results.len() == 1000 { task.published["deeppoly_verified"].as_str() } else { "" };
        println!("{}: {} of {} verified (published: {published})", task.name, tally.verified, tally.correct);
        rows.push(vec![
            task.name,
            task.eps_text,
            results.len().to_string(),
            tally.correct.to_string(),
            tally.verified.to_string(),
            published.to_owned(),
            tally.mean(),
        ]);
    }
    let header = ["network", "eps", "images", "correct", "verified", "published_verified", "mean_s_per_image"];
    job.write("deeppoly_table3.csv", &header, &rows)
}

/// Any methods beside the published counts, which are of the first thousand images.
pub fn table3(job: &Job, networks: &[String], methods: &[String], images: usize, timeouts: &[f64]) -> Outcome<()> {
    let only = (!networks.is_empty()).then_some(networks);
    let mut rows = Vec::new();
    for task in Robustness::load(job, only)? {
        for (method, &timeout) in iproduct!(methods, timeouts) {
            let options = Options { method: method.parse()?, ..Options::default() };
            let limit = seconds(timeout)?;
            let name = format!("table3_{}_{}_{timeout}", options.method, task.name);
            let results = robustness(job, &task, &name, &options, images, Some(limit))?;
            let tally = Tally::of(&results, Some(limit));
            println!("{} {method} {timeout} s: {} of {} verified", task.name, tally.verified, tally.correct);
            let published = |of: &str| task.published[of].clone();
            rows.push(vec![
                task.name.clone(),
                task.eps_text.clone(),
                options.method.to_string(),
                timeout.to_string(),
                results.len().to_string(),
                tally.correct.to_string(),
                tally.verified.to_string(),
                tally.falsified.to_string(),
                tally.out_of_time.to_string(),
                tally.mean(),
                published("correct_published"),
                published("deeppoly_verified"),
                published("kpoly_verified"),
                published("kpoly_s"),
            ]);
            job.write_beside("kpoly_table3.csv", &TABLE3, TABLE3_KEY, &rows)?;
        }
    }
    Ok(())
}

/// How many of its columns say what a row is about.
const TABLE3_KEY: usize = 5;

/// The columns of kpoly_table3.csv.
const TABLE3: [&str; 14] = [
    "network",
    "eps",
    "method",
    "timeout_s",
    "images",
    "correct",
    "verified",
    "falsified",
    "out_of_time",
    "mean_s_per_image",
    "published_correct_of_1000",
    "published_deeppoly_of_1000",
    "published_kpoly_of_1000",
    "published_kpoly_s",
];
