//! How the line of one image comes about, for whoever makes lines: a run over a data set here, or a part of it elsewhere.

use super::radii::{RadiusOutcome, radius_line};
use super::radius::{RadiusOptions, radius};
use super::run::{Failure, one_image};
use super::verdicts::{ImageOutcome, image_line};
use super::worker::Worker;
use crate::analyze::{Agreement, Options, agreement, analyze_within, beaten_by};
use crate::domains::budget::Budget;
use crate::domains::domain::Run;
use crate::domains::network::Network;
use crate::domains::num::{Interval, Rational, enclose};
use crate::domains::query::{Atom, Case, Query, Region, RegionError};
use crate::domains::verdict::{Verdict, Witness};
use crate::format::images::Image;
use crate::format::onnx::Endings;
use crate::report::ProofFolder;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Gives an image by its number, as the network reads it.
pub type Images = Box<dyn Fn(usize) -> Option<Image> + Send + Sync>;

/// Gives the neighbourhood of an image.
pub type Neighbourhood = Box<dyn Fn(&[Rational]) -> Result<Region, Failure> + Send + Sync>;

/// Gives the neighbourhood of an image with a radius.
pub type Ball = Box<dyn Fn(&[Rational], &Rational) -> Result<Region, RegionError> + Send + Sync>;

/// Which neighbourhoods are to be verified, and how.
pub struct Certification {
    /// The network, or several side by side that reject inputs on which they disagree.
    pub network: Network,
    /// How many.
    pub members: usize,
    /// What was dropped at the end of each.
    pub endings: Endings,
    /// The images.
    pub images: Images,
    /// Their neighbourhoods.
    pub neighbourhood: Neighbourhood,
    /// How each is analysed.
    pub options: Options,
    /// The time for each.
    pub timeout: Option<Duration>,
    /// Whether counterexamples are written, too.
    pub witnesses: bool,
    /// Where the certificates of what is verified go.
    pub proofs: Option<ProofFolder>,
}

impl Certification {
    /// The line of one image. Cancelling `stop` ends the work; the line then says nothing.
    ///
    /// # Errors
    /// One line that names the image.
    pub fn line(self: &Arc<Self>, index: usize, worker: &mut Worker, stop: &Budget) -> Result<Value, Failure> {
        let start = Instant::now();
        let image = (self.images)(index).ok_or("an image vanished")?;
        let label = image.label;
        let region = (self.neighbourhood)(&image.pixels).map_err(|e| format!("image {index}: {e}"))?;
        let classes = self.network.output_len() / self.members;
        let query = Query::reliable(region, self.members, classes, label).with_ties(self.options.ties);
        let (shared, asked) = (Arc::clone(self), query.clone());
        let work = move |budget: &Budget| shared.outcome(&image, &asked, budget);
        let (abandoned, failed) = ((ImageOutcome::Abandoned, false), |why| (ImageOutcome::Failed(why), false));
        let (outcome, is_rejected) = one_image(index, (worker, stop), self.timeout, work, abandoned, failed)?;
        let time = start.elapsed();
        tracing::info!("image {index} took {:.3} s", time.as_secs_f64());
        let mut line = image_line(index, label, &outcome, time, self.witnesses.then_some(&self.endings));
        if is_rejected {
            line["rejected"] = true.into();
        }
        if let ImageOutcome::Analysed(analysis) = &outcome
            && let Verdict::Falsified(witness) = &analysis.verdict
        {
            line["tie"] = may_be_tie(&query, witness).into();
        }
        if let (Some(folder), ImageOutcome::Analysed(analysis)) = (&self.proofs, &outcome)
            && matches!(analysis.verdict, Verdict::Verified(_))
        {
            let missing = folder.write(index, (&self.network, &query), analysis)?;
            line["certificate"] = missing.is_none().into();
            if let Some(why) = missing {
                line["uncertified"] = why.into();
            }
        }
        Ok(line)
    }

    /// What becomes of an image, and whether an ensemble rejects the image itself.
    fn outcome(&self, image: &Image, query: &Query, budget: &Budget) -> Result<(ImageOutcome, bool), Failure> {
        let (x, label, ties) = (&image.pixels, image.label, self.options.ties);
        let given = match self.members {
            1 => beaten_by(&self.network, x, label, ties).map_or(Agreement::Right, Agreement::Wrong),
            members => agreement(&self.network, members, x, label, ties),
        };
        if let Agreement::Wrong(predicted) = given {
            return Ok((ImageOutcome::Misclassified { predicted }, false));
        }
        let analysis = analyze_within(&self.network, query, &self.options, Run::silent(budget))?;
        Ok((ImageOutcome::Analysed(Box::new(analysis)), given == Agreement::Rejected))
    }
}

/// Whether a counterexample is perhaps none where ties are safe, for an atom that it meets with equality as far as enclosures
/// tell.
fn may_be_tie(query: &Query, witness: &Witness) -> bool {
    let input: Vec<Interval> = witness.input().iter().map(enclose).collect();
    let of_case = |case: &Case| case.property.disjuncts.get(witness.disjunct().checked_sub(case.first)?).cloned();
    let is_strict = |atom: &Atom| atom.margin_enclosure(&input, witness.output()).hi < 0.0;
    query.cases.iter().rev().find_map(of_case).is_none_or(|disjunct| !disjunct.atoms.iter().all(is_strict))
}

/// Which radii are searched for, and how.
pub struct RadiusSearch {
    /// The network.
    pub network: Network,
    /// The images.
    pub images: Images,
    /// Their neighbourhoods; larger radii hold smaller ones.
    pub ball: Ball,
    /// How each is searched.
    pub options: RadiusOptions,
    /// The time for each image.
    pub timeout: Option<Duration>,
}

impl RadiusSearch {
    /// The line of one image. Cancelling `stop` ends the work; the line then says nothing.
    ///
    /// # Errors
    /// One line that names the image.
    pub fn line(self: &Arc<Self>, index: usize, worker: &mut Worker, stop: &Budget) -> Result<Value, Failure> {
        let start = Instant::now();
        let image = (self.images)(index).ok_or("an image vanished")?;
        let label = image.label;
        let shared = Arc::clone(self);
        let work = move |budget: &Budget| shared.outcome(&image, budget);
        let (abandoned, failed) = (RadiusOutcome::Abandoned, RadiusOutcome::Failed);
        let outcome = one_image(index, (worker, stop), self.timeout, work, abandoned, failed)?;
        tracing::info!("image {index} took {:.3} s", start.elapsed().as_secs_f64());
        Ok(radius_line(index, label, &outcome, start.elapsed()))
    }

    fn outcome(&self, image: &Image, budget: &Budget) -> Result<RadiusOutcome, Failure> {
        let ties = self.options.analysis.ties;
        if let Some(predicted) = beaten_by(&self.network, &image.pixels, image.label, ties) {
            return Ok(RadiusOutcome::Misclassified { predicted });
        }
        let ball = |eps: &Rational| -> Result<Query, RegionError> {
            let region = (self.ball)(&image.pixels, eps)?;
            Ok(Query::robustness(region, self.network.output_len(), image.label).with_ties(ties))
        };
        let found = radius(&self.network, &ball, &self.options, Run::silent(budget))?;
        Ok(RadiusOutcome::Searched(Box::new(found)))
    }
}
