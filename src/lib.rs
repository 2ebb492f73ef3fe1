//! absint proves or refutes properties of ReLU and binarized (signum) neural networks by abstract
//! interpretation: as a program, and as this library.
//!
//! Data flows one way: file → network → region and property → domains → bounds → verdict → report.
//!
//! * [`format`] reads networks (ONNX), queries (VNN-LIB, JSON) and images;
//! * [`domains`] is the mathematics: networks, regions, abstract domains, certified arithmetic, linear
//!   programs, hulls;
//! * [`mod@analyze`] runs domains, attacks ([`attack`]) and exact engines ([`exact`]) on a query: [`analyze()`] and
//!   [`analyze_within`]; [`compare`] does so with several methods, [`campaign`] with all images of a data set;
//! * [`sat`] is the solver under the exact engine of signum networks, [`check`] checks what it proves;
//! * [`report`] writes answers, [`cli`] is the program.
//!
//! A module imports only what stands to its left:
//! `format | attack | exact | analyze, example | compare | report | campaign | cli`.
//!
//! # What a verdict means
//!
//! A query is a region of inputs and an unsafe set of outputs: a disjunction of conjunctions of linear
//! inequalities. In terms of exact real arithmetic, with the parameters as stored in the file:
//!
//! * [`Verified`](domains::verdict::Verdict::Verified): no input of the closed region reaches the unsafe
//!   set. Every disjunct is refuted by a strictly positive, certified lower bound of the largest of its
//!   margins (of `lhs ≤ rhs` the margin is `lhs − rhs`).
//! * [`Falsified`](domains::verdict::Verdict::Falsified): an input that lies in the region and in the unsafe
//!   set, replayed exactly.
//! * [`Unknown`](domains::verdict::Verdict::Unknown): neither was shown. That is an answer, not an error.
//!
//! Floats only guess: a number in a verdict is either exact or rounded to the safe side.
//!
//! # A network and an image
//!
//! ```
//! use absint::domains::num::parse_decimal;
//! use absint::domains::query::{Query, Region};
//! use absint::domains::verdict::Verdict;
//! use absint::analyze::Method;
//! use absint::format::images;
//! use absint::format::onnx;
//! use absint::{Options, analyze};
//!
//! let model = onnx::read("networks/digits_mlp.onnx".as_ref())?;
//! let image = images::read("networks/digits.csv")?.get(1300).ok_or("no such image")?;
//!
//! // Decimals are exact: 0.01 is 1/100, and pixel k is k/255.
//! let region = Region::linf(&image.pixels, &parse_decimal("0.01")?, None)?;
//! let query = Query::robustness(region, model.network.output_len(), image.label);
//!
//! let options = Options { method: Method::DEEPPOLY, ..Options::default() };
//! let analysis = analyze(&model.network, &query, &options)?;
//! match &analysis.verdict {
//!     Verdict::Verified(proof) => assert!(proof.bounds.iter().all(|&bound| bound > 0.0)),
//!     Verdict::Falsified(witness) => println!("class changes at {:?}", witness.input()),
//!     Verdict::Unknown(gap) => println!("open against {} classes", gap.open.len()),
//! }
//! assert_eq!(analysis.verdict.name(), "verified");
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! # Bounds of every neuron
//!
//! [`Analysis::bounds`] has certified bounds of all neurons, one [`Bounds`](domains::domain::Bounds) per case
//! of the query, for instance as the starting point of an exact verifier of your own
//! (`examples/prefilter.rs` measures what that gains). Those of stable neurons may be no better than interval arithmetic
//! over the layer before, unless [`Options::all_bounds`] asks for more.
//!
//! ```
//! # use absint::domains::num::parse_decimal;
//! # use absint::domains::query::{Query, Region};
//! let (network, image) = absint::example::network_and_image()?;
//! let region = Region::linf(&image.pixels, &parse_decimal("0.02")?, None)?;
//! let query = Query::robustness(region, network.output_len(), image.label);
//! let analysis = absint::analyze(&network, &query, &absint::Options::default())?;
//!
//! let mut unstable = 0;
//! for (_, activation) in network.activations() {
//!     let z = analysis.bounds[0].get(activation.source).ok_or("a node without bounds")?;
//!     unstable += z.reaches().filter(|&z| activation.function.is_unstable(z)).count();
//! }
//! println!("{unstable} neurons may be on more than one piece");
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! # Time limits, cancellation and progress
//!
//! [`analyze_within`] takes a [`Budget`](domains::budget::Budget), which ends by itself or is cancelled from
//! any thread, and an [`Observer`](domains::observer::Observer), which is told what happens. Running out
//! of time is no error: what is known by then is the answer.
//!
//! ```
//! # use absint::domains::num::parse_decimal;
//! # use absint::domains::query::{Query, Region};
//! use absint::domains::domain::Run;
//! use absint::domains::observer::{Event, Observer};
//! use absint::domains::verdict::Verdict;
//! use absint::analyze::deadline;
//! use std::sync::Mutex;
//! use std::time::Duration;
//!
//! /// Keeps the names of the stages.
//! #[derive(Default)]
//! struct Stages(Mutex<Vec<String>>);
//!
//! impl Observer for Stages {
//!     fn event(&self, event: Event<'_>) {
//!         if let (Event::Stage(name), Ok(mut names)) = (event, self.0.lock()) {
//!             names.push(name.to_owned());
//!         }
//!     }
//! }
//!
//! # let (network, image) = absint::example::network_and_image()?;
//! # let region = Region::linf(&image.pixels, &parse_decimal("0.02")?, None)?;
//! # let query = Query::robustness(region, network.output_len(), image.label);
//! let stages = Stages::default();
//! let budget = deadline(Some(Duration::from_secs(60)));
//! let run = Run { budget: &budget, observer: &stages };
//! let options = absint::Options::default();
//! absint::analyze_within(&network, &query, &options, run)?;
//! assert_eq!(stages.0.lock().map_err(|e| e.to_string())?[0], "interval");
//!
//! // From another thread, through a clone of the budget; here before anything has begun.
//! let shared = budget.clone();
//! std::thread::spawn(move || shared.cancel()).join().map_err(|_| "panicked")?;
//! let analysis = absint::analyze_within(&network, &query, &options, run)?;
//! assert!(matches!(analysis.verdict, Verdict::Unknown(gap) if gap.out_of_time));
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! # Threads, state and panics
//!
//! There is no global state; networks, queries, options, budgets and answers are `Send + Sync`. Work is
//! parallel on the rayon pool it is called in: `ThreadPool::install` chooses another. No input makes the
//! functions of [`format`] and [`mod@analyze`] panic; a panic is a bug, and [`campaign::Worker`] turns one into an
//! error and keeps deadlines even where a computation does not poll its budget.

pub use absint_check as check;
pub use absint_domains as domains;
pub use absint_sat as sat;

pub mod analyze;
pub mod attack;
pub mod campaign;
pub mod cli;
pub mod compare;
pub mod exact;
pub mod example;
pub mod format;
pub mod report;

pub use analyze::{Analysis, AnalyzeError, Options, analyze, analyze_within};
