//! Runs over data sets: a task that makes the line of any image, and the file that keeps the lines.

use crate::attack::search;
use crate::compare::{Contest, OnImages};
use crate::error::{internal, wrong};
use crate::network::Network;
use crate::options::{Choices, radius_of};
use crate::region::{ball, ends, hamming};
use crate::result::executed;
use crate::run::run;
use absint::campaign::{
    self, Certification, Images, Outcomes, Preparation, RadiusOptions, RadiusSearch, RadiusTally, Subject, Tally,
    Worker,
};
use absint::domains::budget::Budget;
use absint::domains::num::{Rational, exact_or_zero};
use absint::format::fingerprint::Fingerprint;
use absint::format::images::{self, Image, ImageSet};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the interpreter is asked for signals.
const TICK: Duration = Duration::from_millis(100);

/// The images of a file: labels, and bytes row by row.
#[pyfunction]
#[expect(clippy::type_complexity, reason = "a pair of arrays")]
pub fn read_images(py: Python<'_>, path: PathBuf) -> PyResult<(Bound<'_, PyArray2<u8>>, Bound<'_, PyArray1<u32>>)> {
    let set = py.detach(|| images::read(&path)).map_err(wrong)?;
    let mut pixels = Vec::with_capacity(set.len() * set.pixels_per_image());
    let mut labels = Vec::with_capacity(set.len());
    for (label, bytes) in (0..set.len()).filter_map(|i| set.bytes(i)) {
        labels.push(u32::try_from(label).unwrap_or(u32::MAX));
        pixels.extend_from_slice(bytes);
    }
    let pixels = pixels.into_pyarray(py).reshape([set.len(), set.pixels_per_image()])?;
    Ok((pixels, labels.into_pyarray(py)))
}

/// Rows of images: bytes stand for the pixels k/255, floats for themselves.
#[derive(FromPyObject)]
pub enum Rows<'py> {
    Bytes(PyReadonlyArray2<'py, u8>),
    Floats(PyReadonlyArray2<'py, f64>),
}

impl Rows<'_> {
    /// How many, each of how many values.
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Bytes(rows) => rows.as_array().dim(),
            Self::Floats(rows) => rows.as_array().dim(),
        }
    }

    /// The images with their labels, and what tells them from others.
    fn images(&self, labels: &[u32]) -> PyResult<(Images, String)> {
        match self {
            Self::Bytes(rows) => {
                let rows = rows.as_array();
                let set = ImageSet::new(labels.to_vec(), rows.iter().copied().collect(), rows.ncols());
                let set = set.ok_or_else(|| wrong("there must be one label for each image"))?;
                let hash = set.fingerprint().to_string();
                Ok((Box::new(move |i| set.get(i)), hash))
            }
            Self::Floats(rows) => {
                let rows = rows.as_array().to_owned();
                if let Some(((image, value), x)) = rows.indexed_iter().find(|(_, x)| !x.is_finite()) {
                    return Err(wrong(format!("image {image}: value {value} is {x}: no number")));
                }
                let mut hash = Fingerprint::default();
                for (label, row) in labels.iter().zip(rows.rows()) {
                    hash.update(&u64::from(*label).to_le_bytes());
                    row.iter().for_each(|x| hash.update(&x.to_le_bytes()));
                }
                let labels = labels.to_vec();
                let image = move |i: usize| {
                    let label = *labels.get(i)? as usize;
                    Some(Image { label, pixels: rows.row(i).iter().map(|&x| exact_or_zero(x)).collect() })
                };
                Ok((Box::new(image), format!("floats-{hash}")))
            }
        }
    }
}

/// What makes a line.
enum Work {
    Certify(Arc<Certification>),
    Radius(Arc<RadiusSearch>),
    Compare(Arc<OnImages>),
}

impl Work {
    fn line(&self, index: usize, worker: &mut Worker, stop: &Budget) -> Result<Value, campaign::Failure> {
        match self {
            Self::Certify(work) => work.line(index, worker, stop),
            Self::Radius(work) => work.line(index, worker, stop),
            Self::Compare(work) => work.line(index, worker),
        }
    }
}

/// A run over a data set, as far as it is the same wherever it runs.
#[pyclass(frozen, module = "absint._absint")]
pub struct Task {
    work: Arc<Work>,
    header: Value,
    images: usize,
    /// What it was made from, so that it can be sent to another process.
    arguments: Py<PyTuple>,
}

#[pymethods]
impl Task {
    /// `what` is certify, with `eps`, of so many `members` side by side; radius, with `search`, both ends and the
    /// tolerance; or compare, with `eps` and `contest`.
    #[new]
    #[pyo3(signature = (what, network, rows, labels, norm, clip, choices, eps=None, search=None, contest=None, data=None, witnesses=false, members=1))]
    #[expect(clippy::too_many_arguments, reason = "the Python half has them by name")]
    fn new(
        what: &str,
        network: &Bound<'_, Network>,
        rows: &Bound<'_, PyAny>,
        labels: &Bound<'_, PyAny>,
        norm: String,
        clip: Option<(String, String)>,
        choices: &Bound<'_, PyAny>,
        eps: Option<String>,
        search: Option<(String, String, Option<String>)>,
        contest: Option<Bound<'_, PyAny>>,
        data: Option<String>,
        witnesses: bool,
        members: usize,
    ) -> PyResult<Self> {
        let given = (network, rows, labels, &norm, &clip, choices);
        let arguments = arguments(what, given, (&eps, &search, &contest, &data, witnesses, members))?;
        let (network, choices): (_, Choices) = (network.get(), choices.extract()?);
        let rows: Rows<'_> = rows.extract()?;
        let labels: Vec<u32> = labels.extract::<PyReadonlyArray1<'_, u32>>()?.as_array().to_vec();
        check(network, members, &rows, &labels)?;
        let (images, data_hash) = rows.images(&labels)?;
        let subject = Subject {
            network: (network.file_name(), network.hash.clone()),
            data: (data, data_hash),
            preparation: Preparation::default(),
            norm: norm.clone(),
            timeout: choices.timeout()?,
        };
        let limits = ends(clip.as_ref())?;
        let options = choices.options()?;
        let assumed = options.assumption(&executed(network, &options)?.network);
        let (work, mut header) = match (eps, search, contest) {
            (Some(eps), None, None) => {
                let around = (eps.as_str(), neighbourhood(norm, eps.clone(), limits.clone())?);
                certification((network, members), images, around, &choices, witnesses, &subject)?
            }
            (Some(eps), None, Some(contest)) => {
                let contest: Contest = contest.extract()?;
                let setting = contest.setting(&choices)?;
                let mut header = campaign::header(what, &subject, &choices.options()?);
                header.insert("eps".into(), radius_of(&eps)?.to_string().into());
                header.insert("domain".into(), json!(contest.methods));
                header.insert("exact".into(), json!(contest.exact));
                header.insert("effort".into(), json!([contest.effort, contest.volume]));
                let neighbourhood = neighbourhood(norm, eps, limits.clone())?;
                let work = OnImages { model: Arc::clone(&network.model), images, neighbourhood, setting };
                (Work::Compare(Arc::new(work)), header)
            }
            (None, Some((lo, hi, tolerance)), None) => {
                let options = self::search(&choices, &(lo, hi), tolerance.as_deref())?;
                radius_search(network, images, (norm, limits.clone()), options, &subject)?
            }
            _ => return Err(wrong("give eps=, eps= and contest=, or search=")),
        };
        header.extend(assumed.map(|ulps| ("assumed_ulps".into(), ulps.into())));
        // On the command line pixels are always in [0, 1].
        if limits != Some((Rational::ZERO, Rational::ONE)) {
            let clip = limits.map(|(low, high)| [low.to_string(), high.to_string()]);
            header.insert("clip".into(), json!(clip));
        }
        Ok(Self { work: Arc::new(work), header: Value::Object(header), images: labels.len(), arguments })
    }

    fn __len__(&self) -> usize {
        self.images
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, Py<PyTuple>) {
        (py.get_type::<Self>().into_any(), self.arguments.clone_ref(py))
    }

    /// The line of one image, for whoever keeps it.
    fn line(&self, py: Python<'_>, index: usize, threads: usize) -> PyResult<String> {
        let stop = Budget::unlimited();
        let (work, shared) = (Arc::clone(&self.work), stop.clone());
        // The worker inside keeps the deadline.
        let task = move || work.line(index, &mut Worker::new(threads), &shared);
        match run(py, (1, None), &stop, task)? {
            Some(line) => Ok(line.map_err(wrong)?.to_string()),
            None => Err(internal("a task without a limit ran out of time")),
        }
    }

    /// Begins the run over some images, or continues it.
    #[pyo3(signature = (images, out=None, resume=false, header=None))]
    fn begin(
        &self,
        images: Vec<usize>,
        out: Option<PathBuf>,
        resume: bool,
        header: Option<Ranges>,
    ) -> PyResult<Campaign> {
        if let Some(image) = images.iter().find(|&&i| i >= self.images) {
            return Err(wrong(format!("there is no image {image}; there are {} (from 0)", self.images)));
        }
        let mut fields = self.header.clone();
        for (name, value) in header.into_iter().flatten() {
            fields[name] = value.map_or(Value::Null, |(a, b)| json!([a, b]));
        }
        let images = images.into_iter();
        let campaign = campaign::Campaign::begin(images, out.as_deref().map(|out| (out, &fields)), resume);
        let campaign = Arc::new(campaign.map_err(wrong)?);
        let stop = campaign.stop.clone();
        Ok(Campaign { work: Arc::clone(&self.work), campaign, stop, lines: Mutex::new(None) })
    }
}

/// What a task is made from.
#[expect(clippy::type_complexity, reason = "a tuple of arguments, taken apart nowhere")]
fn arguments(
    what: &str,
    (network, rows, labels, norm, clip, choices): (
        &Bound<'_, Network>,
        &Bound<'_, PyAny>,
        &Bound<'_, PyAny>,
        &String,
        &Option<(String, String)>,
        &Bound<'_, PyAny>,
    ),
    (eps, search, contest, data, witnesses, members): (
        &Option<String>,
        &Option<(String, String, Option<String>)>,
        &Option<Bound<'_, PyAny>>,
        &Option<String>,
        bool,
        usize,
    ),
) -> PyResult<Py<PyTuple>> {
    let py = network.py();
    let list: Vec<Bound<'_, PyAny>> = vec![
        what.into_bound_py_any(py)?,
        network.clone().into_any(),
        rows.clone(),
        labels.clone(),
        norm.into_bound_py_any(py)?,
        clip.into_bound_py_any(py)?,
        choices.clone(),
        eps.into_bound_py_any(py)?,
        search.into_bound_py_any(py)?,
        contest.into_bound_py_any(py)?,
        data.into_bound_py_any(py)?,
        witnesses.into_bound_py_any(py)?,
        members.into_bound_py_any(py)?,
    ];
    Ok(PyTuple::new(py, list)?.unbind())
}

/// Further fields of a header: each a pair of numbers, or nothing.
type Ranges = Vec<(String, Option<(usize, usize)>)>;

/// The fields of a header.
type Header = serde_json::Map<String, Value>;

/// As `absint certify` has it.
fn certification(
    (network, members): (&Network, usize),
    images: Images,
    (eps, neighbourhood): (&str, campaign::Neighbourhood),
    choices: &Choices,
    witnesses: bool,
    subject: &Subject,
) -> PyResult<(Work, Header)> {
    let options = choices.options()?;
    let mut header = campaign::header("certify", subject, &options);
    header.insert("eps".into(), radius_of(eps)?.to_string().into());
    header.insert("witnesses".into(), witnesses.into());
    if members > 1 {
        header.insert("members".into(), members.into());
    }
    let model = executed(network, &options)?;
    let work = Certification {
        network: model.network.clone(),
        members,
        endings: model.final_softmax.into(),
        images,
        neighbourhood,
        options,
        timeout: subject.timeout,
        witnesses,
        proofs: None,
    };
    Ok((Work::Certify(Arc::new(work)), header))
}

/// As `absint radius` has it.
fn radius_search(
    network: &Network,
    images: Images,
    (norm, clip): (String, Option<(Rational, Rational)>),
    options: RadiusOptions,
    subject: &Subject,
) -> PyResult<(Work, Header)> {
    let mut header = campaign::header("radius", subject, &options.analysis);
    let both = (&options.lo, &options.hi);
    header.extend(campaign::radius_fields(both, options.tolerance.as_ref(), options.attack.as_ref()));
    let network = executed(network, &options.analysis)?.network.clone();
    let ball = move |center: &[Rational], eps: &Rational| {
        ball(&norm, center, eps, clip.as_ref().map(|(low, high)| (low, high)))
    };
    let work = RadiusSearch { network, images, ball: Box::new(ball), options, timeout: subject.timeout };
    Ok((Work::Radius(Arc::new(work)), header))
}

/// Refuses images that the network does not take, and members that it does not have.
fn check(network: &Network, members: usize, rows: &Rows<'_>, labels: &[u32]) -> PyResult<()> {
    let model = &network.model.network;
    let ((images, values), expected) = (rows.size(), model.input_len());
    if images != labels.len() {
        return Err(wrong(format!("there are {images} images and {} labels", labels.len())));
    }
    if values != expected {
        return Err(wrong(format!("the images have {values} values, the network expects {expected}")));
    }
    let outputs = model.output_len();
    let classes = outputs.checked_div(members).filter(|classes| classes * members == outputs);
    let classes =
        classes.ok_or_else(|| wrong(format!("the network's {outputs} outputs are not those of {members} members")))?;
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(i) => Err(wrong(format!("image {i} has the label {}, the network has {classes} outputs", labels[i]))),
        None => Ok(()),
    }
}

/// The ball around every image.
fn neighbourhood(norm: String, eps: String, clip: Option<(Rational, Rational)>) -> PyResult<campaign::Neighbourhood> {
    if norm == "hamming" {
        return Ok(Box::new(move |center| hamming(center, &eps, clip.as_ref()).map_err(|e| e.to_string().into())));
    }
    let radius = radius_of(&eps)?;
    Ok(Box::new(move |center| Ok(ball(&norm, center, &radius, clip.as_ref().map(|(low, high)| (low, high)))?)))
}

/// What a run in the background sends.
type Sent = Result<Value, String>;

/// A run over some images, as far as it came.
#[pyclass(frozen, module = "absint._absint")]
pub struct Campaign {
    work: Arc<Work>,
    campaign: Arc<campaign::Campaign>,
    stop: Budget,
    lines: Mutex<Option<Receiver<Sent>>>,
}

#[pymethods]
impl Campaign {
    /// The images that are still to be done.
    #[getter]
    fn open(&self) -> Vec<usize> {
        self.campaign.open.clone()
    }

    /// The lines that were there.
    #[getter]
    fn done(&self) -> Vec<String> {
        self.campaign.done.iter().map(ToString::to_string).collect()
    }

    /// Keeps a line that was made elsewhere.
    fn append(&self, py: Python<'_>, line: &str) -> PyResult<()> {
        let line: Value = serde_json::from_str(line).map_err(wrong)?;
        py.detach(|| self.campaign.append(&line)).map_err(wrong)
    }

    /// Goes through the open images in the background, so many side by side.
    #[pyo3(signature = (threads, jobs=None))]
    fn start(&self, threads: usize, jobs: Option<usize>) {
        let (sender, receiver) = channel();
        let (work, campaign) = (Arc::clone(&self.work), Arc::clone(&self.campaign));
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
        std::thread::spawn(move || {
            let one = |image: usize, worker: &mut Worker| work.line(image, worker, &campaign.stop);
            // Whoever stopped listening has stopped the run, too.
            let told = |line: Value| drop(sender.send(Ok(line)));
            if let Err(error) = campaign.run(threads, jobs, one, told) {
                let _ = sender.send(Err(error.to_string()));
            }
        });
    }

    /// The next line that is there; `None` when there are no more.
    fn next(&self, py: Python<'_>) -> PyResult<Option<String>> {
        loop {
            let wait = || {
                let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.as_ref().map_or(Err(RecvTimeoutError::Disconnected), |lines| lines.recv_timeout(TICK))
            };
            match py.detach(wait) {
                Ok(Ok(line)) => return Ok(Some(line.to_string())),
                Ok(Err(error)) => return Err(wrong(error)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| self.stop.cancel())?,
            }
        }
    }

    /// Ends the run; what is not done stays open.
    fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Campaign {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What lines amount to, as text and as JSON.
#[pyfunction]
pub fn tally(command: &str, lines: Vec<String>) -> PyResult<(String, String)> {
    let lines: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>().map_err(wrong)?;
    if command == "radius" {
        let mut tally = RadiusTally::default();
        lines.iter().for_each(|line| tally.add(line));
        return Ok((campaign::radius_text(&lines, &tally), campaign::radius_tally_json(&tally).to_string()));
    }
    let mut tally = Tally::default();
    lines.iter().for_each(|line| tally.add(line));
    Ok((campaign::tally_text(&tally), campaign::tally_json(&tally, 0).to_string()))
}
