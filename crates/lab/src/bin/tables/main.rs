//! Writes the tables in `results/`. Needs the folder of public networks, images and answers that the
//! variable `ABSINT_DATA` (or `--data`) names.
//!
//! Every table is resumable: one JSON line per finished item is kept in `results/partial`, under a
//! header that binds networks, images, options and version; a file with another header is refused.
//! Items run side by side, each on one thread of its own unless more are asked for, so that times are those of one
//! thread.

#![allow(clippy::print_stdout)]

mod bnn;
mod bnn_exact;
mod bnn_preprocessing;
mod counts;
mod dual;
mod dual_l2;
mod ipq;
mod job;
mod margins;
mod robustness;
mod salman;
mod salman_radius;
mod signum;
#[cfg(feature = "highs")]
mod signum_milp;
mod truth;
mod volume;

use clap::{Parser, Subcommand};
use job::{Job, Outcome, seconds};
use robustness::Robustness;
use std::fs;
use std::path::PathBuf;

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
    /// kpoly_table3.csv: any methods on the networks of the k-ReLU paper, beside the published counts
    #[command(name = "kpoly-table3")]
    KpolyTable3 {
        /// Which network, as its file is called without `.onnx`; several times for several [default: all]
        #[arg(long = "network")]
        networks: Vec<String>,
        /// A method as the program spells it, such as auto or kpoly(k=2,refine), or auto(unrefined), auto(unassumed) and
        /// auto(refinement), which search without refined neuron bounds, without those under an assumption and by refined
        /// ones alone; several times for several
        #[arg(long = "method", default_values = ["auto"])]
        methods: Vec<String>,
        /// How many of the first images
        #[arg(long, default_value_t = 100)]
        images: usize,
        /// Seconds per image; several times for several
        #[arg(long = "timeout", default_values_t = [10.0])]
        timeouts: Vec<f64>,
    },
    /// sdp_cnn.csv: any methods on two convolutional networks of the SDP-FO paper
    #[command(name = "sdp-cnn")]
    SdpCnn {
        /// Which network, as its file is called without `.onnx`; several times for several [default: all]
        #[arg(long = "network")]
        networks: Vec<String>,
        /// A method as the program spells it; several times for several
        #[arg(long = "method", default_values = ["auto"])]
        methods: Vec<String>,
        /// How many of the first images
        #[arg(long, default_value_t = 200)]
        images: usize,
        /// Seconds per image; several times for several
        #[arg(long = "timeout", default_values_t = [10.0])]
        timeouts: Vec<f64>,
    },
    /// lp_margins.csv: kpoly against the margins of other tools' linear programs, and slopes optimised by 20 steps against
    /// theirs
    Margins {
        /// Which network; several times for several [default: all]
        #[arg(long = "network")]
        networks: Vec<String>,
        /// Which method of the other tools; several times for several
        #[arg(long = "method", default_values = margins::METHODS)]
        methods: Vec<String>,
        /// Seconds per margin
        #[arg(long, default_value_t = 600.0)]
        timeout: f64,
    },
    /// dual_lp.csv: optimised slopes against the linear program of the same relaxation
    #[command(name = "dual-lp")]
    DualLp {
        /// Which network of the k-ReLU paper; several times for several [default: all]
        #[arg(long = "network")]
        networks: Vec<String>,
        /// A network of one's own over MNIST images instead, an ONNX file
        #[arg(long, requires = "eps", conflicts_with = "networks")]
        file: Option<PathBuf>,
        /// The radius for that one
        #[arg(long)]
        eps: Option<String>,
        /// Gradient steps that stand against a linear program
        #[arg(long, default_value_t = 30)]
        steps: usize,
        /// How many of the first images
        #[arg(long, default_value_t = 20)]
        images: usize,
        /// Seconds per image
        #[arg(long, default_value_t = 60.0)]
        timeout: f64,
    },
    /// dual_l2.csv: over L2 balls, margins by lines of single neurons and by layers bounded jointly
    #[command(name = "dual-l2")]
    DualL2 {
        /// How many of the first images
        #[arg(long, default_value_t = 20)]
        images: usize,
    },
    /// truth.csv: `auto` against known answers
    Truth {
        /// Which benchmark, as its folder is called; several times for several
        #[arg(long = "benchmark", default_values = truth::BENCHMARKS)]
        benchmarks: Vec<String>,
        /// Seconds per query
        #[arg(long, default_value_t = 20.0)]
        timeout: f64,
    },
    /// exact_vnncomp.csv: the exact engines against known answers
    #[command(name = "exact-vnncomp")]
    ExactVnncomp {
        /// Which benchmark, as its folder is called; several times for several
        #[arg(long = "benchmark", default_values = truth::BENCHMARKS)]
        benchmarks: Vec<String>,
        /// Seconds per query
        #[arg(long, default_value_t = 60.0)]
        timeout: f64,
    },
    /// signum_table1.csv: binarized networks under flipped pixels, as in table 1 of the signum paper
    #[command(name = "signum-table1")]
    SignumTable1 {
        /// A method as the program spells it, such as kpoly(k=3) or hull(refine); several times
        /// for several. The table has those that are named; what was run before is not run again
        #[arg(long = "method", default_values = ["deeppoly", "kpoly(k=2)", "kpoly(k=3)"])]
        methods: Vec<String>,
        /// The most pixels that flip
        #[arg(long, default_value_t = 5)]
        flips: usize,
        /// Seconds per bound
        #[arg(long, default_value_t = 600.0)]
        timeout: f64,
    },
    /// signum_counts.csv: linear programs of binarized networks with and without counts of changing neurons
    #[command(name = "signum-counts")]
    SignumCounts {
        /// A network of networks/ without its ending; several times for several
        #[arg(long = "network", default_values = ["mnist_bnn_1x64", "mnist_bnn_2x64"])]
        networks: Vec<String>,
        /// Pixels that flip; several times for several
        #[arg(long = "flips", default_values = ["1", "2", "3", "5", "7", "10"])]
        flips: Vec<usize>,
        /// Seconds per bound, and per question to the exact engine
        #[arg(long, default_value_t = 60.0)]
        timeout: f64,
    },
    /// signum_milp.csv: integer programs of binarized networks with and without counts of changing neurons, from one
    /// flipped pixel to ten
    #[cfg(feature = "highs")]
    #[command(name = "signum-milp")]
    SignumMilp {
        /// A network of networks/ without its ending; several times for several. The table keeps its others
        #[arg(long = "network", default_values_t = absint_lab::train::mnist::all().into_iter().map(|(name, _)| name))]
        networks: Vec<String>,
        /// How many of the pairs of image and target
        #[arg(long, default_value_t = signum::PAIRS)]
        pairs: usize,
        /// Seconds per question
        #[arg(long, default_value_t = 60.0)]
        timeout: f64,
    },
    /// bnn_exact.csv, bnn_exact_digits.csv: the exact engine for signum networks
    #[command(name = "bnn-exact")]
    BnnExact {
        /// Which part is run; several times for several. The tables have whatever was ever run
        #[arg(long = "part", default_values = bnn_exact::PARTS)]
        parts: Vec<String>,
        /// What the least perturbations are measured in; several times for several
        #[arg(long = "norm", default_values = bnn_exact::NORMS)]
        norms: Vec<String>,
        /// Seconds per query
        #[arg(long, default_value_t = 60.0)]
        timeout: f64,
    },
    /// bnn_preprocessing.csv: the solver's work with and without preprocessing
    #[command(name = "bnn-preprocessing")]
    BnnPreprocessing {
        /// How many queries of each kind
        #[arg(long, default_value_t = 50)]
        images: usize,
        /// Seconds per query
        #[arg(long, default_value_t = 5.0)]
        timeout: f64,
    },
    /// salman_table1.csv: robust error of the convex-barrier paper's networks, by attack and domains
    #[command(name = "salman-table1")]
    SalmanTable1 {
        /// Which network, as its file is called without `.onnx`; several times for several [default: all]
        #[arg(long = "network")]
        networks: Vec<String>,
        /// pgd, or a method such as exact, lp-greedy or kpoly(k=3,refine); several times for several. The table has
        /// whatever was ever run
        #[arg(long = "method")]
        methods: Vec<String>,
        /// How many of the first images
        #[arg(long, default_value_t = 100)]
        images: usize,
        /// Seconds per image
        #[arg(long, default_value_t = 60.0)]
        timeout: f64,
    },
    /// salman_table2.csv: certified radii on ten images for the convex-barrier paper's networks
    #[command(name = "salman-table2")]
    SalmanTable2 {
        /// Which network; several times for several [default: all]
        #[arg(long = "network")]
        networks: Vec<String>,
        /// pgd, or a method such as lp-greedy or kpoly(k=2,refine); several times for several. The table has
        /// whatever was ever run
        #[arg(long = "method")]
        methods: Vec<String>,
        /// Seconds per image
        #[arg(long, default_value_t = 3600.0)]
        timeout: f64,
    },
    /// volume_table1.csv: volume of the output box, as in table 1 of the k-ReLU paper
    #[command(name = "volume-table1")]
    VolumeTable1 {
        /// Neurons joined; several times for several
        #[arg(long = "k", default_values_t = [1, 2, 3])]
        ks: Vec<usize>,
        /// How many of the first images
        #[arg(long, default_value_t = 1)]
        images: usize,
        /// Re-compute the bounds of neurons by linear programs
        #[arg(long)]
        refine: bool,
        /// Seconds per image
        #[arg(long, default_value_t = 3600.0)]
        timeout: f64,
    },
}

fn main() -> Outcome<()> {
    let cli = Cli::parse();
    let data = cli.data.clone().or_else(|| std::env::var_os("ABSINT_DATA").map(PathBuf::from));
    let job = Job {
        data: data.ok_or("set ABSINT_DATA or --data")?,
        out: cli.out,
        jobs: cli.jobs.max(1),
        threads: cli.threads.max(1),
        arguments: job::arguments(std::env::args().skip(1)),
        work: job::Work::default(),
    };
    fs::create_dir_all(job.out.join("partial"))?;
    match cli.table {
        Table::Deeppoly { images } => robustness::deeppoly(&job, images),
        Table::KpolyTable3 { networks, methods, images, timeouts } => {
            robustness::table3(&job, &networks, &methods, images, &timeouts)
        }
        Table::SdpCnn { networks, methods, images, timeouts } => {
            robustness::sdp(&job, &networks, &methods, images, &timeouts)
        }
        Table::Margins { networks, methods, timeout } => margins::margins(&job, &networks, &methods, seconds(timeout)?),
        Table::DualLp { networks, file, eps, steps, images, timeout } => {
            let tasks = match file.zip(eps) {
                Some((file, eps)) => vec![Robustness::of_file(&job, &file, &eps)?],
                None => Robustness::load(&job, (!networks.is_empty()).then_some(&networks))?,
            };
            dual::dual_lp(&job, &tasks, images, steps, seconds(timeout)?)
        }
        Table::DualL2 { images } => dual_l2::dual_l2(&job, images),
        Table::SignumTable1 { methods, flips, timeout } => signum::table1(&job, &methods, flips, seconds(timeout)?),
        Table::SignumCounts { networks, flips, timeout } => {
            counts::signum_counts(&job, &networks, &flips, seconds(timeout)?)
        }
        #[cfg(feature = "highs")]
        Table::SignumMilp { networks, pairs, timeout } => {
            signum_milp::signum_milp(&job, &networks, pairs, seconds(timeout)?)
        }
        Table::BnnExact { parts, norms, timeout } => bnn_exact::bnn_exact(&job, &parts, &norms, seconds(timeout)?),
        Table::BnnPreprocessing { images, timeout } => {
            bnn_preprocessing::bnn_preprocessing(&job, images, seconds(timeout)?)
        }
        Table::SalmanTable1 { networks, methods, images, timeout } => {
            salman::table1(&job, &networks, &methods, images, timeout)
        }
        Table::SalmanTable2 { networks, methods, timeout } => salman_radius::table2(&job, &networks, &methods, timeout),
        Table::VolumeTable1 { ks, images, refine, timeout } => {
            volume::table1(&job, &ks, images, refine, seconds(timeout)?)
        }
        Table::Truth { benchmarks, timeout } => truth::truth(&job, &truth::TRUTH, &benchmarks, timeout),
        Table::ExactVnncomp { benchmarks, timeout } => truth::truth(&job, &truth::EXACT, &benchmarks, timeout),
    }
}
