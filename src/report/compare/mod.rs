//! What a comparison of domains found, as a table for people, as CSV, as JSON and as a page with plots.

mod axis;
mod csv;
mod html;
mod plots;
mod summary;
mod svg;
mod text;

pub use csv::{layers_csv, measurements_csv};
pub use html::comparison_html;
pub use plots::{PLOTS, Plot, plots};
pub use summary::{Summary, summaries};
pub use text::{comparison_json, comparison_text};

use crate::compare::{BoundedLayer, Compared, Measurement};
use std::time::Duration;

/// All queries of a comparison, as far as it came.
pub struct Comparison {
    /// The network's file, or the name of the built-in example.
    pub network: String,
    /// What is asked, in a few words.
    pub question: String,
    /// True for the built-in example.
    pub is_example: bool,
    /// The contestants' names, in the order of the measurements.
    pub contestants: Vec<String>,
    /// Whether the last of them is the exact engine.
    pub has_exact: bool,
    /// Whether points with small margins were looked for, by an attack or by the exact engine.
    pub has_attack: bool,
    /// Whether output boxes were bounded.
    pub has_volume: bool,
    /// The time for each contestant on each query.
    pub timeout: Option<Duration>,
    /// The network's bounded layers.
    pub layers: Vec<BoundedLayer>,
    /// What was found.
    pub rows: Vec<QueryRow>,
    /// How many queries there are in all; more than rows while the comparison runs.
    pub planned: usize,
}

/// One query.
pub struct QueryRow {
    /// Its file, or which image.
    pub query: String,
    /// What became of it.
    pub result: QueryResult,
}

/// What became of a query.
pub enum QueryResult {
    /// The network gets the image itself wrong: nothing to compare.
    Misclassified {
        /// The class of the file.
        label: usize,
        /// A class whose output reaches that of the label.
        predicted: usize,
    },
    /// Every contestant ran.
    Compared(Compared),
}

impl QueryRow {
    fn compared(&self) -> Option<&Compared> {
        match &self.result {
            QueryResult::Compared(compared) => Some(compared),
            QueryResult::Misclassified { .. } => None,
        }
    }
}

impl Comparison {
    /// The queries that were compared, with their names.
    fn compared(&self) -> impl Iterator<Item = (&str, &Compared)> {
        self.rows.iter().filter_map(|row| Some((row.query.as_str(), row.compared()?)))
    }

    /// The measurements of one contestant, with the names of their queries.
    fn of(&self, contestant: usize) -> impl Iterator<Item = (&str, &Measurement)> {
        self.compared().filter_map(move |(name, compared)| Some((name, compared.measurements.get(contestant)?)))
    }

    fn misclassified(&self) -> usize {
        self.rows.iter().filter(|row| row.compared().is_none()).count()
    }
}
