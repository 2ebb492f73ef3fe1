//! The command line, one file per subcommand: arguments → problem → run → report.

mod analyze;
mod attack;
mod certify;
mod check;
mod check_images;
mod check_patterns;
mod compare;
mod data_set;
mod declared;
mod ensemble;
mod info;
mod inputs;
mod limit;
mod merge;
mod model;
mod options;
mod outputs;
mod progress;
mod radius;
mod range;
mod shell;
mod supports;
mod verify;

use crate::domains::lp::backends;
use crate::report::printable;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

/// What the program tells the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The property holds; or the command did what it was asked.
    Success = 0,
    /// A counterexample was found.
    Falsified = 1,
    /// Bad usage or unreadable input.
    Error = 2,
    /// Neither proved nor refuted, or out of time.
    Unknown = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

const EXAMPLES: &str = "\
Examples:
  absint analyze --domain kpoly --k 3                       the built-in example
  absint analyze net.onnx --vnnlib property.vnnlib          a network and a VNN-LIB query
  absint analyze net.onnx --data test.csv --image 7 --eps 0.03 --domain deeppoly
  absint attack net.onnx --data test.csv --image 7 --eps 0.1
  absint certify net.onnx --data test.csv --eps 2/255 --out results.jsonl
  absint radius net.onnx --data test.csv --range 0..10 --domain deeppoly
  absint verify property.vnnlib --network net.onnx --timeout 60
  absint compare net.onnx --data test.csv --eps 2/255 --report out.html
  absint info net.onnx                                      layers, shapes, operators

Exit status of analyze: 0 verified, 1 falsified, 2 bad usage or unreadable input, 3 unknown or out of
time. The others exit with 0 when they ran, and with 2 as well.";

/// What `--version` says; `-V` has the first line only.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let features: Vec<&str> = FEATURES.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
    let features = if features.is_empty() { "none".into() } else { features.join(", ") };
    let solvers: Vec<&str> = backends().iter().map(|b| b.name()).collect();
    format!("{}\nfeatures: {features}\nsolvers of linear programs: {}", env!("CARGO_PKG_VERSION"), solvers.join(", "))
});

/// What the program is called.
const NAME: &str = "absint";

/// How many threads may be asked for.
const THREADS: RangeInclusive<usize> = 1..=1024;

/// The longest error message in characters: names in files are as long as whoever wrote them likes.
const LONGEST_MESSAGE: usize = 2000;

/// The optional parts of the program, and whether this build has them.
const FEATURES: [(&str, bool); 1] = [("highs", cfg!(feature = "highs"))];

#[derive(Parser)]
#[command(name = NAME, version, long_version = VERSION.as_str(), about, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    global: Global,
    /// Print the name of this program
    #[arg(long, exclusive = true)]
    name: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Prove or refute a property of a network over a region of inputs
    Analyze(Box<analyze::AnalyzeArgs>),
    /// Look for a counterexample by gradient descent
    Attack(Box<attack::AttackArgs>),
    /// Analyse the neighbourhoods of all images of a data set
    Certify(Box<certify::CertifyArgs>),
    /// Find the largest certified radius of each image, and the attack's upper bound
    Radius(Box<radius::RadiusArgs>),
    /// Put the results of the shards of one data-set run together
    Merge(merge::MergeArgs),
    /// Answer a VNN-LIB query by the convention of its tools: sat, unsat, unknown or timed-out
    Verify(Box<verify::VerifyArgs>),
    /// Say what `verify` supports, in the words of the VNN-LIB standard
    Supports(supports::SupportsArgs),
    /// Compare domains on the same queries: margins, gap to exact, time, bound widths
    Compare(Box<compare::CompareArgs>),
    /// Check the certificates that --proof wrote
    Check(Box<check::CheckArgs>),
    /// Show a network's layers, shapes, parameters, operators and activations
    Info(info::InfoArgs),
    /// Print the completions of a shell
    Completions(shell::CompletionsArgs),
    /// Print the manual page of the program or of a subcommand
    Man(shell::ManArgs),
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A few lines for people
    Text,
    /// One JSON object
    Json,
}

/// When the answer is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Options of every subcommand.
#[derive(Args, Clone)]
struct Global {
    /// How the answer is written
    #[arg(long, global = true, value_enum, default_value = "text")]
    format: Format,
    /// Stop after this many seconds; what is known by then is the answer
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,
    /// Threads to use [default: one per core]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// Seed of everything random
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Log more; repeat for details
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// No progress, no log
    #[arg(short, long, global = true)]
    quiet: bool,
    /// When the answer is coloured
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: Color,
}

impl Global {
    /// Whether the answer on stdout is coloured.
    fn is_coloured(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal(),
        }
    }

    /// Threads to use.
    fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "the timeout must be zero or more seconds".into())
}

/// An error for the user: one line that names the place and the mend.
type CliResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Runs the program on the command line `args`, whose first entry is the program's name.
pub fn run<I, T>(args: I) -> Exit
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let parsed = Cli::try_parse_from(args).and_then(|cli| match (&cli.command, cli.name) {
        (None, false) => {
            Err(Cli::command().error(ErrorKind::MissingSubcommand, "say what to do: absint help lists it"))
        }
        _ => Ok(cli),
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to stdout.
            let exit = if error.use_stderr() { Exit::Error } else { Exit::Success };
            let _ = error.print();
            return exit;
        }
    };
    let global = cli.global;
    start_log(&global);
    let Some(command) = cli.command else {
        return answer(NAME).map_or(Exit::Error, |()| Exit::Success);
    };
    let in_time = |answered: CliResult<limit::Answer>| {
        let (text, exit) = answered?;
        answer(&text)?;
        Ok(exit)
    };
    let outcome = match command {
        _ if global.threads.is_some_and(|n| !THREADS.contains(&n)) => {
            Err(format!("--threads must be at least {} and at most {}", THREADS.start(), THREADS.end()).into())
        }
        // These share the threads out themselves.
        Command::Certify(args) => certify::run(&args, &global),
        Command::Radius(args) => radius::run(&args, &global),
        Command::Verify(args) => verify::run(&args, &global),
        Command::Supports(args) => supports::run(&args),
        Command::Merge(args) => merge::run(&args, &global),
        Command::Check(args) => in_time(limit::within(&global, move |global, _| check::run(&args, global))),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Analyze(args) => {
            in_time(limit::within(&global, move |global, so_far| analyze::run(&args, global, so_far)))
        }
        Command::Attack(args) => in_time(limit::within(&global, move |global, _| attack::run(&args, global))),
        Command::Compare(args) => with_threads(&global, || compare::run(args, &global)),
        Command::Info(args) => in_time(limit::within(&global, move |global, _| info::run(&args, global))),
    };
    outcome.unwrap_or_else(|error| {
        complain(&*error);
        Exit::Error
    })
}

/// Says on stderr what went wrong; where nobody can read that, the exit status tells all the same.
fn complain(error: &(dyn std::error::Error + Send + Sync)) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "error: {}", printable(&error.to_string(), LONGEST_MESSAGE));
}

/// Writes the answer to stdout; a reader that went away is no reason to complain.
fn answer(text: &str) -> CliResult<()> {
    use std::io::Write;
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn start_log(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => tracing::Level::ERROR,
        (_, 0) => tracing::Level::WARN,
        (_, 1) => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    // A program that embeds this one may have a subscriber already.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .without_time()
        .log_internal_errors(false)
        .try_init();
}

/// Runs `work` on a pool of the size asked for.
fn with_threads<T: Send>(global: &Global, work: impl FnOnce() -> CliResult<T> + Send) -> CliResult<T> {
    match global.threads {
        None => work(),
        Some(n) => rayon::ThreadPoolBuilder::new().num_threads(n).build()?.install(work),
    }
}
