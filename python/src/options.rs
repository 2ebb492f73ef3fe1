//! How something is analysed, as the Python half names it.

use crate::error::wrong;
use absint::analyze::{Method, Options};
use absint::domains::network::Arithmetic;
use absint::domains::num::{Rational, parse_decimal};
use absint::domains::query::Ties;
use pyo3::prelude::*;
use std::time::Duration;

/// How many threads may be asked for.
const MOST_THREADS: usize = 1024;

/// A dictionary of what a user may choose.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Choices {
    method: String,
    arithmetic: String,
    seed: u64,
    attack: bool,
    timeout: Option<f64>,
    threads: Option<usize>,
    certificate: bool,
    ties: String,
    all_margins: bool,
}

impl Choices {
    /// As the library has them.
    pub fn options(&self) -> PyResult<Options> {
        let method: Method = self.method.parse().map_err(wrong)?;
        Ok(Options {
            arithmetic: self.arithmetic()?,
            all_margins: self.all_margins,
            attack: self.attack,
            ties: self.ties()?,
            seed: self.seed,
            certify: self.certificate,
            ..Options::from(method)
        })
    }

    /// The arithmetic in which the network is executed.
    pub fn arithmetic(&self) -> PyResult<Arithmetic> {
        match self.arithmetic.as_str() {
            "real" => Ok(Arithmetic::Real),
            "float32" => Ok(Arithmetic::Float32),
            other => Err(wrong(format!("there is no arithmetic `{other}`; real or float32"))),
        }
    }

    /// What equal outputs count as.
    pub fn ties(&self) -> PyResult<Ties> {
        ties_of(&self.ties)
    }

    /// The time limit.
    pub fn timeout(&self) -> PyResult<Option<Duration>> {
        let zero_or_more = |_| wrong("the timeout must be zero or more seconds");
        self.timeout.map(|seconds| Duration::try_from_secs_f64(seconds).map_err(zero_or_more)).transpose()
    }

    /// The threads to use: as many as there are cores where nothing is said.
    pub fn threads(&self) -> PyResult<usize> {
        match self.threads {
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
            Some(n) if (1..=MOST_THREADS).contains(&n) => Ok(n),
            Some(_) => Err(wrong(format!("threads must be at least 1 and at most {MOST_THREADS}"))),
        }
    }

    /// Seed of everything random.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// What equal outputs count as.
pub fn ties_of(name: &str) -> PyResult<Ties> {
    match name {
        "unsafe" => Ok(Ties::Unsafe),
        "safe" => Ok(Ties::Safe),
        other => Err(wrong(format!("ties count as unsafe or as safe, not as `{other}`"))),
    }
}

/// A decimal or a fraction.
pub fn decimal(text: &str) -> PyResult<Rational> {
    parse_decimal(text).map_err(wrong)
}

/// A radius.
pub fn radius_of(text: &str) -> PyResult<Rational> {
    let radius = decimal(text)?;
    if radius < Rational::ZERO { Err(wrong(format!("eps {text}: a radius must not be negative"))) } else { Ok(radius) }
}
