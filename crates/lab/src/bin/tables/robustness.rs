//! deeppoly_table3.csv, kpoly_table3.csv and sdp_cnn.csv: regions verified around images.

use crate::job::{Job, Outcome, hash, seconds};
use absint::analyze::{Method, deadline};
use absint::domains::domain::Run;
use absint::domains::network::Network;
use absint::domains::num::{Rational, nearest, parse_decimal};
use absint::domains::observer::Silent;
use absint::domains::query::{Query, Region};
use absint::exact::continuous::Splitting;
use absint::format::images::{self, ImageSet, Layout};
use absint::format::onnx;
use absint::{Options, analyze_within};
use itertools::iproduct;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// A network with its images and radius.
pub struct Robustness {
    name: String,
    network: Network,
    images: ImageSet,
    eps_text: String,
    eps: Rational,
    /// Mean and standard deviation of each channel, or of all, where the file leaves the normalisation to the caller.
    normalisation: Vec<(Rational, Rational)>,
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
    pub fn load(job: &Job, only: Option<&[String]>) -> Outcome<Vec<Self>> {
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
                normalisation: vec![(parse_decimal(normalisation.0)?, parse_decimal(normalisation.1)?)],
                published,
                hash: hash(&[model, file])?,
                name,
            });
        }
        Ok(all)
    }

    /// A network of a file, with the MNIST images.
    pub fn of_file(job: &Job, model: &Path, eps: &str) -> Outcome<Self> {
        let file = job.data.join("images").join("mnist_test_1000.csv");
        Ok(Self {
            name: model.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            network: onnx::read(model)?.network,
            images: images::read(&file)?,
            eps: parse_decimal(eps)?,
            eps_text: eps.to_owned(),
            normalisation: vec![(Rational::ZERO, Rational::ONE)],
            published: BTreeMap::new(),
            hash: hash(&[model.to_owned(), file])?,
        })
    }

    /// The networks on which complete verifiers publish their verified accuracy, with the published percentages.
    fn load_sdp(job: &Job, only: &[String]) -> Outcome<Vec<Self>> {
        let mut all = Vec::new();
        for &Sdp { name, images, eps, normalisation, published } in &SDP {
            if !only.is_empty() && !only.iter().any(|o| o == name) {
                continue;
            }
            let (model, file) = (job.data.join(format!("sdp_cnn/{name}.onnx")), job.data.join(images));
            let images = images::read(&file)?;
            let images = if normalisation.len() > 1 {
                let rearranged = images.rearranged(Layout::Hwc, Layout::Chw, [3, 32, 32]);
                rearranged.ok_or("the CIFAR images are not 32 × 32")?
            } else {
                images
            };
            let channel = |&(mean, deviation): &(&str, &str)| Ok((parse_decimal(mean)?, parse_decimal(deviation)?));
            let names = ["prima", "beta_crown", "biccos", "attack"].map(str::to_owned);
            all.push(Self {
                network: onnx::read(&model)?.network,
                images,
                eps: parse_decimal(eps)?,
                eps_text: eps.to_owned(),
                normalisation: normalisation.iter().map(channel).collect::<Outcome<_>>()?,
                published: names.into_iter().zip(published.map(str::to_owned)).collect(),
                hash: hash(&[model, file])?,
                name: name.to_owned(),
            });
        }
        Ok(all)
    }

    pub fn count(&self, images: usize) -> usize {
        images.min(self.images.len())
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The content of its files.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What is asked around one image; nothing where it is misclassified.
    pub fn query(&self, image: usize) -> Outcome<Option<Query>> {
        let image = self.images.get(image).ok_or("no such image")?;
        let per_channel = image.pixels.len().div_ceil(self.normalisation.len());
        let input = |(i, pixel): (usize, Rational)| {
            let (mean, deviation) = &self.normalisation[i / per_channel];
            (pixel - mean) / deviation
        };
        let pixels = || image.pixels.iter().cloned();
        let center: Vec<f64> = pixels().enumerate().map(|pixel| nearest(&input(pixel))).collect();
        let output = self.network.evaluate(&center)?;
        let class = (0..output.len()).fold(0, |best, i| if output[i] > output[best] { i } else { best });
        if class != image.label {
            return Ok(None);
        }
        let lower = pixels().map(|p| (p - &self.eps).max(Rational::ZERO)).enumerate().map(input).collect();
        let upper = pixels().map(|p| (p + &self.eps).min(Rational::ONE)).enumerate().map(input).collect();
        Ok(Some(Query::robustness(Region::new_box(lower, upper)?, output.len(), image.label)))
    }

    /// Runs the analysis of one image, unless it is misclassified.
    fn answer(&self, image: usize, options: &Options, timeout: Option<Duration>) -> Outcome<Answer> {
        let Some(query) = self.query(image)? else { return Ok(Answer::Misclassified) };
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

/// The images of a network that a method answered within a limit of time.
struct Answers<'a> {
    task: &'a Robustness,
    method: String,
    timeout: f64,
    results: Vec<Value>,
    tally: Tally,
}

impl Answers<'_> {
    /// The columns that the tables share, up to the count of images out of time, and further ones.
    fn row(&self, further: impl IntoIterator<Item = String>) -> Vec<String> {
        let Self { task, method, timeout, results, tally } = self;
        let counts = [results.len(), tally.correct, tally.verified, tally.falsified, tally.out_of_time];
        let about = [task.name.clone(), task.eps_text.clone(), method.clone(), timeout.to_string()];
        about.into_iter().chain(counts.map(|count| count.to_string())).chain(further).collect()
    }

    fn published(&self, of: &str) -> String {
        self.task.published[of].clone()
    }
}

/// What a method is called and runs with: as the program spells it, or `auto` without a stage of its search.
fn options_of(method: &str) -> Outcome<(String, Options)> {
    let ablated = |splitting| (method.to_string(), Options { splitting, ..Options::default() });
    Ok(match method {
        "auto(unrefined)" => ablated(Splitting::Unrefined),
        "auto(unassumed)" => ablated(Splitting::Unassumed),
        "auto(refinement)" => ablated(Splitting::Refinement),
        _ => {
            let options = Options { method: method.parse()?, ..Options::default() };
            (options.method.to_string(), options)
        }
    })
}

/// Every method within every limit of time on every network; each run is told when it has ended.
fn each_run(
    job: &Job,
    name: &str,
    tasks: &[Robustness],
    (methods, timeouts): (&[String], &[f64]),
    images: usize,
    mut tell: impl FnMut(Answers<'_>) -> Outcome<()>,
) -> Outcome<()> {
    for (task, method, &timeout) in iproduct!(tasks, methods, timeouts) {
        let (method, options) = options_of(method)?;
        let limit = Some(seconds(timeout)?);
        let name = format!("{name}_{method}_{}_{timeout}", task.name);
        let results = robustness(job, task, &name, &options, images, limit)?;
        let tally = Tally::of(&results, limit);
        println!("{} {method} {timeout} s: {} of {} images verified", task.name, tally.verified, results.len());
        tell(Answers { task, method, timeout, results, tally })?;
    }
    Ok(())
}

/// Any methods on all 200 images, beside the published percentages of them.
pub fn sdp(job: &Job, networks: &[String], methods: &[String], images: usize, timeouts: &[f64]) -> Outcome<()> {
    let mut rows = Vec::new();
    each_run(job, "sdp", &Robustness::load_sdp(job, networks)?, (methods, timeouts), images, |run| {
        let percent = 100.0 * run.tally.verified as f64 / run.results.len().max(1) as f64;
        let own = [format!("{percent:.1}"), run.tally.mean()];
        let theirs = ["prima", "beta_crown", "biccos", "attack"].map(|of| run.published(of));
        rows.push(run.row(own.into_iter().chain(theirs)));
        job.write_beside("sdp_cnn.csv", &SDP_COLUMNS, KEY, &rows)
    })
}

/// A network of the SDP-FO paper, and what others publish of it.
struct Sdp {
    name: &'static str,
    images: &'static str,
    eps: &'static str,
    normalisation: &'static [(&'static str, &'static str)],
    /// Percent of the 200 images: PRIMA, beta-CROWN (table 3 of its paper), BICCOS, and what no attack breaks (table 4 of
    /// Clip-and-Verify).
    published: [&'static str; 4],
}

const SDP: [Sdp; 2] = [
    Sdp {
        name: "mnist_cnn_a_adv",
        images: "sdp_cnn/mnist_sdp_200.csv",
        eps: "0.3",
        normalisation: &[("0", "1")],
        published: ["44.5", "71.0", "76.0", "76.5"],
    },
    Sdp {
        name: "cifar_cnn_a_mix",
        images: "images/cifar10_test_200_sdp_order.csv",
        eps: "2/255",
        normalisation: &[("1253/2550", "630/2550"), ("1230/2550", "621/2550"), ("1139/2550", "667/2550")],
        published: ["37.5", "42.0", "48.0", "53.0"],
    },
];

/// The columns of sdp_cnn.csv; the published ones are percentages.
const SDP_COLUMNS: [&str; 15] = [
    "network",
    "eps",
    "method",
    "timeout_s",
    "images",
    "correct",
    "verified",
    "falsified",
    "out_of_time",
    "percent",
    "mean_s_per_image",
    "published_prima",
    "published_beta_crown",
    "published_biccos",
    "published_attack",
];

/// Any methods beside the published counts, which are of the first thousand images.
pub fn table3(job: &Job, networks: &[String], methods: &[String], images: usize, timeouts: &[f64]) -> Outcome<()> {
    let tasks = Robustness::load(job, (!networks.is_empty()).then_some(networks))?;
    let (mut rows, mut of_images) = (Vec::new(), Vec::new());
    each_run(job, "table3", &tasks, (methods, timeouts), images, |run| {
        let theirs = ["correct_published", "deeppoly_verified", "kpoly_verified", "kpoly_s"];
        rows.push(run.row([run.tally.mean()].into_iter().chain(theirs.map(|of| run.published(of)))));
        job.write_beside("kpoly_table3.csv", &TABLE3, KEY, &rows)?;
        let answered = run.results.iter().enumerate().filter_map(|(i, r)| Some((i, r["verdict"].as_str()?, r)));
        of_images.extend(answered.map(|(i, verdict, result)| {
            let seconds = result["time_s"].as_f64().map_or_else(String::new, |s| format!("{s:.4}"));
            let about = [run.task.name.clone(), run.method.clone(), run.timeout.to_string(), i.to_string()];
            about.into_iter().chain([verdict.to_owned(), seconds]).collect::<Vec<_>>()
        }));
        job.write_beside("kpoly_table3_images.csv", &IMAGES, 4, &of_images)
    })
}

/// How many of a table's columns say what a row is about.
const KEY: usize = 5;

/// The columns of kpoly_table3_images.csv.
const IMAGES: [&str; 6] = ["network", "method", "timeout_s", "image", "verdict", "seconds"];

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
