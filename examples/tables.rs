//! Writes the tables in `results/`. Needs the folder of public networks, images and answers that the
//! variable `ABSINT_DATA` (or `--data`) names.
//!
//! Every table is resumable: one JSON line per finished item is kept in `results/partial`, under a
//! header that binds networks, images, options and version; a file with another header is refused.
//! Items run side by side, each on threads of its own (one, unless told otherwise).

#![allow(clippy::print_stdout)]

use absint::domains::domain::{AbstractDomain, Bounds, LpDomain, Run, propagate};
use absint::domains::lp::backends;
use absint::domains::network::Network;
use absint::domains::num::{Rational, nearest, parse_decimal};
use absint::domains::observer::Silent;
use absint::domains::query::{LinearForms, Query, Region};
use absint::domains::verdict::Verdict;
use absint::engine::{DomainName, deadline};
use absint::format::images::{self, ImageSet, Layout};
use absint::format::{onnx, vnnlib};
use absint::{Options, analyze_within};
use clap::{Parser, Subcommand};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Writes the tables in results/.
#[derive(Parser)]
struct Cli {
    /// The folder of networks, images and answers [default: the variable ABSINT_DATA]
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    /// The folder that the tables go to
    #[arg(long, global = true, default_value = "results")]
    out: PathBuf,
    /// Items that run side by side
    #[arg(long, global = true, default_value_t = 1)]
    jobs: usize,
    /// Threads of each item
    #[arg(long, global = true, default_value_t = 1)]
    threads: usize,
    #[command(subcommand)]
    table: Table,
}

#[derive(Subcommand)]
enum Table {
    /// deeppoly_table3.csv: DeepPoly on the networks of the k-ReLU paper
    Deeppoly {
        /// How many of the first images
        #[arg(long, default_value_t = 1000)]
        images: usize,
    },
    /// kpoly_first100.csv: kpoly on the first images
    Kpoly {
        /// Which network, as its file is called without `.onnx`; several times for several
        #[arg(long = "network", default_values = ["mnist_6_100", "mnist_9_200", "mnist_conv_small"])]
        networks: Vec<String>,
        /// Neurons joined; several times for several
        #[arg(long = "k", default_values_t = [1, 2, 3])]
        ks: Vec<usize>,
        /// How many of the first images
        #[arg(long, default_value_t = 100)]
        images: usize,
        /// Seconds per image
        #[arg(long, default_value_t = 600.0)]
        timeout: f64,
    },
    /// lp_margins.csv: kpoly against the margins of other tools' linear programs
    Margins {
        /// Which network; several times for several [default: all]
        #[arg(long = "network")]
        networks: Vec<String>,
        /// Seconds per margin
        #[arg(long, default_value_t = 600.0)]
        timeout: f64,
    },
    /// exact_vnncomp.csv: the exact engines against known answers
    ExactVnncomp {
        /// Which benchmark, as its folder is called; several times for several
        #[arg(long = "benchmark", default_values = EXACT_BENCHMARKS)]
        benchmarks: Vec<String>,
        /// Seconds per query
        #[arg(long, default_value_t = 60.0)]
        timeout: f64,
    },
    /// truth.csv: `auto` against known answers
    Truth {
        /// Which benchmark, as its folder is called; several times for several
        #[arg(long = "benchmark", default_values = BENCHMARKS)]
        benchmarks: Vec<String>,
        /// Seconds per query
        #[arg(long, default_value_t = 20.0)]
        timeout: f64,
    },
}

const BENCHMARKS: [&str; 5] = [
    "vnncomp2021_eran",
    "vnncomp2021_mnistfc",
    "vnncomp_acasxu",
    "vnncomp2022_rl_benchmarks",
    "vnncomp2022_reach_prob_density",
];

/// Those for the exact engines, the hardest last.
const EXACT_BENCHMARKS: [&str; 5] = [
    "vnncomp2022_rl_benchmarks",
    "vnncomp2022_reach_prob_density",
    "vnncomp_acasxu",
    "vnncomp2021_mnistfc",
    "vnncomp2021_eran",
];

fn main() -> Outcome<()> {
    let cli = Cli::parse();
    let data = cli.data.clone().or_else(|| std::env::var_os("ABSINT_DATA").map(PathBuf::from));
    let (jobs, threads) = (cli.jobs.max(1), cli.threads.max(1));
    let job = Job { data: data.ok_or("set ABSINT_DATA or --data")?, out: cli.out, jobs, threads };
    fs::create_dir_all(job.out.join("partial"))?;
    match cli.table {
        Table::Deeppoly { images } => deeppoly(&job, images),
        Table::Kpoly { networks, ks, images, timeout } => kpoly(&job, &networks, &ks, images, seconds(timeout)?),
        Table::Margins { networks, timeout } => margins(&job, &networks, seconds(timeout)?),
        Table::ExactVnncomp { benchmarks, timeout } => answers(
            &job,
            &benchmarks,
            timeout,
            &Answers { domain: DomainName::Exact, name: "exact_vnncomp", command: "exact-vnncomp" },
        ),
        Table::Truth { benchmarks, timeout } => {
            answers(&job, &benchmarks, timeout, &Answers { domain: DomainName::Auto, name: "truth", command: "truth" })
        }
    }
}

fn seconds(timeout: f64) -> Outcome<Duration> {
    Ok(Duration::try_from_secs_f64(timeout)?)
}

/// Where things are, and how many run side by side.
struct Job {
    data: PathBuf,
    out: PathBuf,
    jobs: usize,
    threads: usize,
}

impl Job {
    /// Runs the items that the partial file does not have yet; returns the results of all, in order.
    fn run(
        &self,
        name: &str,
        header: &Value,
        keys: &[String],
        item: impl Fn(usize) -> Outcome<Value> + Sync,
    ) -> Outcome<Vec<Value>> {
        let ledger = Ledger::open(&self.out.join(format!("partial/{name}.jsonl")), header)?;
        let open: Vec<usize> = (0..keys.len()).filter(|&i| !ledger.done.contains_key(&keys[i])).collect();
        let next = AtomicUsize::new(0);
        let work = || -> Outcome<()> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build()?;
            while let Some(&i) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                ledger.add(&keys[i], pool.install(|| item(i))?)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|w| w.join().map_err(|_| "a worker panicked")?)
        })?;
        let mut done = Ledger::open(&self.out.join(format!("partial/{name}.jsonl")), header)?.done;
        keys.iter().map(|k| done.remove(k).ok_or_else(|| format!("{k} is missing").into())).collect()
    }

    /// Writes a table, with what it was measured on and how.
    fn write(&self, name: &str, command: &str, header: &[&str], rows: &[Vec<String>]) -> Outcome<()> {
        let partial = self.out.join(format!("partial/{name}.tmp"));
        let mut writer = csv::Writer::from_path(&partial)?;
        writer.write_record(header.iter().chain(&["machine", "date", "command"]))?;
        let measured = [machine(self.threads), today()?, command.to_owned()];
        for row in rows {
            writer.write_record(row.iter().chain(&measured))?;
        }
        writer.flush()?;
        fs::rename(partial, self.out.join(name))?;
        Ok(())
    }
}

/// The finished items of one table, a JSON line each.
struct Ledger {
    file: Mutex<File>,
    done: BTreeMap<String, Value>,
}

impl Ledger {
    fn open(path: &Path, header: &Value) -> Outcome<Self> {
        let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
        // A line that was cut off is done again.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut lines = whole.lines().map(serde_json::from_str::<Value>);
        match lines.next().transpose()? {
            Some(found) if &found != header => {
                let name = path.display();
                return Err(format!("{name} was made with {found}, not {header}; move it away to start again").into());
            }
            Some(_) => fs::write(path, whole)?,
            None => fs::write(path, format!("{header}\n"))?,
        }
        let mut done = BTreeMap::new();
        for line in lines {
            let line = line?;
            done.insert(line["key"].as_str().unwrap_or_default().to_owned(), line["result"].clone());
        }
        Ok(Self { file: Mutex::new(OpenOptions::new().append(true).open(path)?), done })
    }

    fn add(&self, key: &str, result: Value) -> Outcome<()> {
        let line = format!("{}\n", json!({ "key": key, "result": result }));
        let mut file = self.file.lock().map_err(|_| "another worker panicked")?;
        file.write_all(line.as_bytes())?;
        Ok(file.flush()?)
    }
}

/// FNV-1a over the contents of files: tells one input from another, no more.
fn hash(files: &[PathBuf]) -> Outcome<String> {
    let mut h = 0xCBF2_9CE4_8422_2325_u64;
    for file in files {
        for byte in fs::read(file).map_err(|e| format!("{}: {e}", file.display()))? {
            h = (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    Ok(format!("{h:016x}"))
}

fn machine(threads: usize) -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = info.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let used = if threads == 1 { "one thread".to_owned() } else { format!("{threads} threads") };
    format!("{}; {cores} cores, {used} per item", field.map_or(std::env::consts::ARCH, |(_, name)| name))
}

/// The date in UTC as `yyyy-mm-dd`.
fn today() -> Outcome<String> {
    let mut days = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400;
    let is_leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    Ok(format!("{year}-{month:02}-{:02}", days + 1))
}

fn text(row: &Map<String, Value>, field: &str) -> String {
    row.get(field).map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
}

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
        "domain": options.domain.to_string(),
        "k": options.k,
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

fn deeppoly(job: &Job, images: usize) -> Outcome<()> {
    let options = Options { domain: DomainName::DeepPoly, attack: false, ..Options::default() };
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
    job.write("deeppoly_table3.csv", &format!("tables deeppoly --images {images}"), &header, &rows)
}

fn kpoly(job: &Job, networks: &[String], ks: &[usize], images: usize, timeout: Duration) -> Outcome<()> {
    let mut rows = Vec::new();
    for task in Robustness::load(job, Some(networks))? {
        for &k in ks {
            let options = Options { domain: DomainName::KPoly, k, ..Options::default() };
            let results = robustness(job, &task, &format!("kpoly{k}_{}", task.name), &options, images, Some(timeout))?;
            let tally = Tally::of(&results, Some(timeout));
            println!("{} k = {k}: {} of {} verified", task.name, tally.verified, tally.correct);
            rows.push(vec![
                task.name.clone(),
                task.eps_text.clone(),
                k.to_string(),
                results.len().to_string(),
                tally.correct.to_string(),
                tally.verified.to_string(),
                tally.falsified.to_string(),
                tally.out_of_time.to_string(),
                timeout.as_secs_f64().to_string(),
                tally.mean(),
            ]);
        }
    }
    let header = [
        "network",
        "eps",
        "k",
        "images",
        "correct",
        "verified",
        "falsified",
        "out_of_time",
        "timeout_s",
        "mean_s_per_image",
    ];
    job.write("kpoly_first100.csv", "tables kpoly", &header, &rows)
}

/// A query with its known answer.
struct Instance {
    benchmark: String,
    row: Map<String, Value>,
}

fn instances(job: &Job, benchmark: &str) -> Outcome<Vec<Instance>> {
    let mut all = Vec::new();
    for row in csv::Reader::from_path(job.data.join(benchmark).join("truth.csv"))?.deserialize() {
        let row: BTreeMap<String, String> = row?;
        let row = row.into_iter().map(|(k, v)| (k, Value::String(v))).collect();
        all.push(Instance { benchmark: benchmark.to_owned(), row });
    }
    Ok(all)
}

impl Instance {
    fn key(&self) -> String {
        format!("{}/{}/{}", self.benchmark, text(&self.row, "net"), text(&self.row, "spec"))
    }

    fn answer(&self, job: &Job, domain: DomainName, timeout: Duration) -> Outcome<Value> {
        let folder = job.data.join(&self.benchmark);
        let network = onnx::read(&folder.join("onnx").join(text(&self.row, "net")))?.network;
        let query = vnnlib::read(folder.join("vnnlib").join(text(&self.row, "spec")))?.query;
        let start = Instant::now();
        let run = Run { budget: &deadline(Some(timeout)), observer: &Silent };
        let analysis = analyze_within(&network, &query, &Options { domain, ..Options::default() }, run)?;
        let time = start.elapsed().as_secs_f64();
        let verdict = match analysis.verdict {
            Verdict::Verified(_) => "unsat",
            Verdict::Falsified(_) => "sat",
            Verdict::Unknown(_) => "unknown",
        };
        Ok(json!({ "verdict": verdict, "by": analysis.decided_by().unwrap_or_default(), "time_s": time }))
    }
}

/// A table of answers to queries whose answers are known.
struct Answers {
    domain: DomainName,
    /// Of the table, and of its partial files.
    name: &'static str,
    command: &'static str,
}

fn answers(job: &Job, benchmarks: &[String], timeout: f64, table: &Answers) -> Outcome<()> {
    let &Answers { domain, name, command } = table;
    let limit = seconds(timeout)?;
    let (mut rows, mut summary) = (Vec::new(), Vec::new());
    for benchmark in benchmarks {
        let all = instances(job, benchmark)?;
        let keys: Vec<String> = all.iter().map(Instance::key).collect();
        let files = [job.data.join(benchmark).join("truth.csv")];
        let header = json!({ "answers": hash(&files)?, "timeout_s": timeout, "version": env!("CARGO_PKG_VERSION") });
        let results = job.run(&format!("{name}_{benchmark}"), &header, &keys, |i| all[i].answer(job, domain, limit))?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let (mut total, mut slowest, mut contradictions) = (0.0, 0.0_f64, 0);
        for (instance, result) in all.iter().zip(&results) {
            let verdict = result["verdict"].as_str().unwrap_or_default().to_owned();
            let truth = text(&instance.row, "truth");
            let contradicts = verdict != "unknown" && truth != "unknown" && verdict != truth;
            let time = result["time_s"].as_f64().unwrap_or(f64::NAN);
            *counts.entry(verdict.clone()).or_default() += 1;
            (total, slowest) = (total + time, slowest.max(time));
            contradictions += usize::from(contradicts);
            rows.push(vec![
                benchmark.clone(),
                text(&instance.row, "net"),
                text(&instance.row, "spec"),
                verdict,
                result["by"].as_str().unwrap_or_default().to_owned(),
                format!("{time:.3}"),
                truth,
                if contradicts { "yes" } else { "no" }.to_owned(),
            ]);
        }
        let count = |verdict: &str| counts.get(verdict).copied().unwrap_or(0);
        let known = |truth: &str| all.iter().filter(|i| text(&i.row, "truth") == truth).count();
        println!(
            "{benchmark}: {} of {} verified, {} of {} falsified, {} unknown, {contradictions} contradictions, \
             {total:.1} s in all, slowest {slowest:.2} s",
            count("unsat"),
            known("unsat"),
            count("sat"),
            known("sat"),
            count("unknown"),
        );
        summary.push(vec![
            benchmark.clone(),
            all.len().to_string(),
            count("unsat").to_string(),
            count("sat").to_string(),
            count("unknown").to_string(),
            known("unsat").to_string(),
            known("sat").to_string(),
            contradictions.to_string(),
            format!("{:.3}", total / all.len().max(1) as f64),
            format!("{slowest:.3}"),
        ]);
    }
    let threads = if job.threads == 1 { String::new() } else { format!(" --threads {}", job.threads) };
    let command = format!("tables {command} --timeout {timeout}{threads}");
    let header = ["benchmark", "net", "spec", "verdict", "decided_by", "time_s", "truth", "contradiction"];
    job.write(&format!("{name}.csv"), &command, &header, &rows)?;
    let header = [
        "benchmark",
        "queries",
        "verified",
        "falsified",
        "unknown",
        "known_unsat",
        "known_sat",
        "contradictions",
        "mean_s",
        "slowest_s",
    ];
    job.write(&format!("{name}_summary.csv"), &command, &header, &summary)
}

/// A margin with the bound that another tool's linear program gives.
struct ForeignMargin {
    network: String,
    instance: String,
    method: String,
    index: usize,
    bound: f64,
}

impl ForeignMargin {
    /// kpoly's bound of the margin, with triangles alone or with joint cuts of three.
    fn answer(&self, job: &Job, timeout: Duration) -> Outcome<Value> {
        let folders = BENCHMARKS.iter().map(|b| job.data.join(b));
        let file = |folder: &Path| folder.join(format!("onnx/{}.onnx", self.network));
        let folder = folders.into_iter().find(|f| file(f).exists()).ok_or("no folder has the network")?;
        let network = onnx::read(&file(&folder))?.network;
        let query = vnnlib::read(folder.join(format!("vnnlib/{}.vnnlib", self.instance)))?.query;
        let case = query.cases.first().ok_or("the query is empty")?;
        let forms = LinearForms::of_atoms(&network, case.property.atoms()).select(&[self.index]);
        let domain = LpDomain::kpoly(if self.method == "triangle_lp" { 1 } else { 3 }, backends()[0]);
        let start = Instant::now();
        let budget = deadline(Some(timeout));
        let trace = propagate(&domain, &network, &case.region, &Bounds::unknown(), Run::silent(&budget))?;
        let bound = domain.minima(&forms, &trace)?[0];
        Ok(json!({ "bound": bound, "time_s": start.elapsed().as_secs_f64(), "out_of_time": budget.is_spent() }))
    }
}

fn margins(job: &Job, networks: &[String], timeout: Duration) -> Outcome<()> {
    let file = job.data.parent().ok_or("the data folder has no parent")?.join("oracles/margin_lower_bounds.csv");
    let mut all = Vec::new();
    for row in csv::Reader::from_path(&file)?.deserialize() {
        let (network, instance, method, index, bound): (String, String, String, usize, f64) = row?;
        let is_wanted = networks.is_empty() || networks.contains(&network);
        if is_wanted && (method == "triangle_lp" || method == "prima_k3") {
            all.push(ForeignMargin { network, instance, method, index, bound });
        }
    }
    let keys: Vec<String> =
        all.iter().map(|m| format!("{}/{}/{}/{}", m.network, m.instance, m.method, m.index)).collect();
    let header = json!({
        "margins": hash(&[file])?,
        "timeout_s": timeout.as_secs_f64(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let results = job.run("lp_margins", &header, &keys, |i| all[i].answer(job, timeout))?;
    let row = |(margin, result): (&ForeignMargin, &Value)| {
        let bound = result["bound"].as_f64().unwrap_or(f64::NEG_INFINITY);
        vec![
            margin.network.clone(),
            margin.instance.clone(),
            margin.method.clone(),
            margin.index.to_string(),
            margin.bound.to_string(),
            bound.to_string(),
            format!("{:.3e}", (bound - margin.bound) / margin.bound.abs().max(1.0)),
            format!("{:.3}", result["time_s"].as_f64().unwrap_or(f64::NAN)),
            result["out_of_time"].to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().zip(&results).map(row).collect();
    let header =
        ["network", "instance", "method", "margin", "theirs", "ours", "relative_gain", "time_s", "out_of_time"];
    job.write("lp_margins.csv", "tables margins", &header, &rows)
}
