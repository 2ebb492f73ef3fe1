//! Runs over data sets: how the line of an image comes about, their files of results, parts on several machines, tallies, and the search for radii.

mod header;
mod journal;
mod lines;
mod merge;
mod outcomes;
mod radii;
mod radius;
mod run;
mod verdicts;
mod worker;

pub use header::{Preparation, Subject, header, radius_fields};
pub use journal::{Journal, JournalError, JournalProblem, Results};
pub use lines::{Ball, Certification, Images, Neighbourhood, RadiusSearch};
pub use merge::{MergeError, Merged, merge};
pub use outcomes::Outcomes;
pub use radii::{RadiusOutcome, RadiusTally, radius_line, radius_tally_json, radius_text};
pub use radius::{Radius, RadiusError, RadiusOptions, Tolerance, attacked_radius, radius};
pub use run::{Campaign, Failure, Shard, one_image};
pub use verdicts::{ImageOutcome, Tally, image_line, ranges, tally_json, tally_text};
pub use worker::{Started, Worker, WorkerError};
