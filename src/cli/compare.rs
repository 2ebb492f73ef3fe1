//! `absint compare`.

use super::data_set::check_labels;
use super::ensemble::Members;
use super::inputs::{ImageArgs, Problem, radius, read_queries};
use super::limit::reading;
use super::model::refuse_softmax;
use super::outputs::OutputArgs;
use super::progress::Progress;
use super::range::ImageRange;
use super::{CliResult, Exit, Format, Global, answer};
use crate::analyze::{Completeness, Method, Options, UnknownMethod, beaten_by};
use crate::attack::Attack;
use crate::compare::{Setting, compare, layers};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::num::Rational;
use crate::domains::query::Query;
use crate::format::images::ImageSet;
use crate::format::onnx;
use crate::report::compare::{
    Comparison, PLOTS, QueryResult, QueryRow, comparison_html, comparison_json, comparison_text, layers_csv,
    measurements_csv, plots,
};
use crate::report::write_whole;
use clap::{Args, ValueEnum};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the attack looks for small margins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Effort {
    /// No attack, and no upper reference
    None,
    /// A few starts
    Short,
    /// Many steps from many starts
    Long,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint compare --report out.html                          the built-in example
  absint compare net.onnx --data test.csv --eps 2/255 --range 0..20 --out results.csv --report out.html
  absint compare net.onnx --data test.csv --eps 0.03 --domains deeppoly,kpoly --k 1,2,3 --timeout 60
  absint compare net.onnx --vnnlib prop_0.vnnlib prop_1.vnnlib --exact exact --timeout 60

--timeout is per query and domain. The gap to exact of a bound b is 100 (m − b) / (m − i) percent, with
the exact minimum m and the bound i of interval arithmetic; m lies between the best certified bound and
the smallest margin attained at a point, which give gap_percent_least and gap_percent.")]
pub struct CompareArgs {
    /// The network, an ONNX file; without it the built-in example runs
    network: Option<PathBuf>,
    /// Images: CSV `label,px…` with values 0–255, or MNIST idx
    #[arg(long, value_name = "FILE", group = "source", requires = "eps")]
    data: Option<PathBuf>,
    /// Only images A to B−1; either end may be left out [default: the first ten]
    #[arg(long, value_name = "A..B", requires = "data")]
    range: Option<ImageRange>,
    /// Radius of the neighbourhoods, a decimal or a fraction such as 2/255 (pixels are in [0, 1])
    #[arg(long, value_name = "EPS", allow_negative_numbers = true)]
    eps: Option<String>,
    #[command(flatten)]
    images: ImageArgs,
    /// VNN-LIB queries
    #[arg(long, value_name = "FILE", group = "source", num_args = 1..)]
    vnnlib: Vec<PathBuf>,
    /// JSON queries
    #[arg(long, value_name = "FILE", group = "source", num_args = 1..)]
    query: Vec<PathBuf>,
    /// The domains, separated by commas
    #[arg(long, value_name = "DOMAINS", default_value = "interval,zonotope,deeppoly,kpoly")]
    domains: Methods,
    /// Neurons that kpoly joins; several for several variants of it [default: 3]
    #[arg(long, value_name = "K", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=12))]
    k: Vec<u8>,
    /// Let kpoly first tighten the bounds of unstable neurons, by splitting those before them
    #[arg(long)]
    refine: bool,
    /// A complete search that the domains are measured against: exact, or with the `highs` feature milp
    #[arg(long, value_name = "DOMAIN", value_parser = complete)]
    exact: Option<Method>,
    /// How hard to look for the smallest margin that a point attains
    #[arg(long, value_enum, value_name = "EFFORT", default_value = "short", default_missing_value = "long",
        num_args = 0..=1, require_equals = true)]
    attack: Effort,
    /// Do not bound the output box (two more bounds per output)
    #[arg(long)]
    no_volume: bool,
    /// Write one line per query and domain to this CSV file, and one per layer to FILE_layers.csv
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write every plot to this folder, as SVG
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    outputs: OutputArgs,
}

/// Methods, separated by commas.
#[derive(Clone)]
struct Methods(Vec<Method>);

impl FromStr for Methods {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let mut depth = 0;
        // A comma between parentheses separates parameters.
        let is_between = |c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        };
        text.split(is_between).map(|method| method.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

/// A method that decides.
fn complete(text: &str) -> Result<Method, String> {
    let method: Method = text.parse().map_err(|e: UnknownMethod| e.to_string())?;
    if method.row().completeness == Completeness::Decides {
        return Ok(method);
    }
    let deciding = Method::ALL.into_iter().filter(|m| m.row().completeness == Completeness::Decides);
    let names: Vec<&str> = deciding.map(|m| m.row().name).collect();
    Err(format!("`{text}` only bounds; what decides is {}", names.join(", ")))
}

pub fn run(args: Box<CompareArgs>, global: &Global) -> CliResult<Exit> {
    let args: Arc<CompareArgs> = args.into();
    let setting = args.setting(global)?;
    args.check_outputs()?;
    let read = Arc::clone(&args);
    let subject = reading(global, move || read.subject())?;
    let mut comparison = Comparison {
        network: subject.name.clone(),
        question: subject.question.clone(),
        is_example: args.network.is_none(),
        contestants: setting.contestants().map(|options| options.method.to_string()).collect(),
        has_exact: setting.exact.is_some(),
        has_attack: setting.attack.is_some() || setting.exact.is_some(),
        has_volume: setting.volume,
        timeout: setting.timeout,
        layers: layers(&subject.network),
        rows: Vec::new(),
        planned: subject.asked.len(),
    };
    // A long comparison can be looked at while it runs, and what it found survives its end.
    const BETWEEN_WRITES: Duration = Duration::from_secs(20);
    let mut written = Instant::now();
    let progress = Progress::new(global.quiet);
    for index in 0..subject.asked.len() {
        progress.note(&format!("query {} of {}", index + 1, subject.asked.len()));
        comparison.rows.push(subject.row(index, &setting, &progress)?);
        if written.elapsed() > BETWEEN_WRITES {
            args.write(&comparison)?;
            written = Instant::now();
        }
    }
    drop(progress);
    args.write(&comparison)?;
    answer(&match global.format {
        Format::Text => comparison_text(&comparison),
        Format::Json => comparison_json(&comparison).to_string(),
    })?;
    Ok(Exit::Success)
}

impl CompareArgs {
    fn setting(&self, global: &Global) -> CliResult<Setting> {
        let options = |method| Options { method, seed: global.seed, ..Options::default() };
        let mut methods: Vec<Method> = Vec::new();
        for &domain in &self.domains.0 {
            let refine = self.refine || domain.refine();
            match &self.k[..] {
                ks if domain.is_named_by_k() && !ks.is_empty() => {
                    methods.extend(ks.iter().map(|&k| domain.with(k.into(), refine)));
                }
                _ => methods.push(domain.with(domain.k(), refine)),
            }
        }
        let all: Vec<Method> = methods.iter().copied().chain(self.exact).collect();
        if let Some((_, twice)) = all.iter().enumerate().find(|(i, method)| all[..*i].contains(method)) {
            return Err(format!("--domains: {twice} is named twice").into());
        }
        Ok(Setting {
            methods: methods.into_iter().map(options).collect(),
            exact: self.exact.map(options),
            attack: match self.attack {
                Effort::None => None,
                Effort::Short => Some(Attack::thorough(global.seed)),
                Effort::Long => Some(Attack { steps: 200, restarts: 25, ..Attack::pgd(global.seed) }),
            },
            timeout: global.timeout,
            volume: !self.no_volume,
        })
    }

    /// Reads the files that the arguments name.
    fn subject(&self) -> CliResult<Subject> {
        let Some(path) = &self.network else {
            return self.example();
        };
        let model = self.images.read_network(path, Arithmetic::Real)?;
        let (asked, question) = if let Some(data) = &self.data {
            self.images_of(data, &model)?
        } else {
            let queries = read_queries(&self.vnnlib, &self.query, &model.network, Members::one(&model.network))?;
            if queries.is_empty() {
                return Err("nothing is asked: add --data FILE --eps EPS, --vnnlib FILE …, or --query FILE …".into());
            }
            for (_, query) in &queries {
                refuse_softmax(&model, query, path)?;
            }
            let question = match &queries[..] {
                [(name, _)] => name.clone(),
                several => format!("{} files", several.len()),
            };
            (Asked::Queries(queries), question)
        };
        Ok(Subject { network: model.network, name: path.display().to_string(), question, asked })
    }

    fn example(&self) -> CliResult<Subject> {
        if self.data.is_some() || !self.vnnlib.is_empty() || !self.query.is_empty() {
            return Err("a query needs a network: absint compare NETWORK.onnx …".into());
        }
        let (Problem { network, query, network_name, query_name, .. }, image) =
            self.images.example(self.eps.as_deref(), None)?;
        let asked = Asked::Queries(vec![(image, query)]);
        Ok(Subject { network, name: network_name, question: query_name, asked })
    }

    fn images_of(&self, data: &Path, model: &onnx::Model) -> CliResult<(Asked, String)> {
        let set = self.images.read_images(data, &model.network, model.channels)?;
        let range = self.range.unwrap_or(ImageRange::first(set.len().min(10))).within(&set, data)?;
        check_labels(data, &range, &set, model.network.output_len())?;
        let file = data.display();
        let eps_text = self.eps.as_deref().unwrap_or("0");
        let eps = radius(eps_text)?;
        let norm = self.images.norm;
        let question =
            format!("{file}, images {} to {}, {} balls of radius {eps_text}", range.start, range.end - 1, norm.title());
        Ok((Asked::Images { set, range, eps, args: self.images.clone() }, question))
    }

    /// That the files can and may be written is known before the work begins.
    fn check_outputs(&self) -> CliResult<()> {
        let inputs = self.network.iter().chain(&self.data).chain(&self.vnnlib).chain(&self.query);
        let inputs: Vec<&Path> = inputs.map(PathBuf::as_path).collect();
        let out = self.out.iter().flat_map(|path| [("--out", path.clone()), ("--out", layers_path(path))]);
        let report = self.report.iter().map(|path| ("--report", path.clone()));
        let folder = self.svg.iter().filter(|folder| folder.exists());
        let plots = folder.flat_map(|folder| PLOTS.map(|name| ("--svg", plot_path(folder, name))));
        self.outputs.check(&out.chain(report).chain(plots).collect::<Vec<_>>(), &inputs)
    }

    /// Writes whatever was asked for, whole.
    fn write(&self, comparison: &Comparison) -> CliResult<()> {
        if let Some(path) = &self.out {
            write_whole(path, &measurements_csv(comparison))?;
            write_whole(&layers_path(path), &layers_csv(comparison))?;
        }
        if let Some(path) = &self.report {
            write_whole(path, &comparison_html(comparison))?;
        }
        if let Some(folder) = &self.svg {
            std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
            for plot in plots(comparison) {
                write_whole(&plot_path(folder, plot.name), &plot.standalone())?;
            }
        }
        Ok(())
    }
}

fn plot_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.svg"))
}

/// `results.csv` → `results_layers.csv`.
fn layers_path(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("_layers");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The network and what is asked of it.
struct Subject {
    network: Network,
    name: String,
    question: String,
    asked: Asked,
}

enum Asked {
    Queries(Vec<(String, Query)>),
    /// Queries of images are made one at a time: exact regions take room.
    Images {
        set: ImageSet,
        range: Range<usize>,
        eps: Rational,
        args: ImageArgs,
    },
}

impl Asked {
    fn len(&self) -> usize {
        match self {
            Self::Queries(queries) => queries.len(),
            Self::Images { range, .. } => range.len(),
        }
    }
}

impl Subject {
    /// Runs everybody on one query.
    fn row(&self, index: usize, setting: &Setting, progress: &Progress) -> CliResult<QueryRow> {
        let network = &self.network;
        let run = |name: &str, query: &Query| -> CliResult<QueryRow> {
            let compared = compare(network, query, setting, progress).map_err(|e| format!("{name}: {e}"))?;
            Ok(QueryRow { query: name.into(), result: QueryResult::Compared(compared) })
        };
        match &self.asked {
            Asked::Queries(queries) => run(&queries[index].0, &queries[index].1),
            Asked::Images { set, range, eps, args } => {
                let number = range.start + index;
                let image = args.pick(set, number).ok_or("an image vanished")?;
                let name = format!("image {number} (a {})", image.label);
                match beaten_by(network, &image.pixels, image.label, args.ties.into()) {
                    Some(predicted) => Ok(QueryRow {
                        query: name,
                        result: QueryResult::Misclassified { label: image.label, predicted },
                    }),
                    None => run(&name, &args.ball(Members::one(network), &image.pixels, eps, image.label)?),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_layers_stands_beside_the_other() {
        assert_eq!(layers_path(Path::new("a/b.c/results.csv")), Path::new("a/b.c/results_layers.csv"));
        assert_eq!(layers_path(Path::new("results")), Path::new("results_layers"));
    }
}
