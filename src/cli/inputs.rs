//! From the command line to a network and a query.

mod of_images;
mod unasked;

use super::ensemble::{Ensemble, Members, REAL_ONLY};
use super::model::{in_arithmetic, named, read_model, refuse_softmax};
use super::{CliResult, Global};
use crate::analyze::check_query;
use crate::campaign::{Preparation, Subject};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::num::{Rational, parse_decimal};
use crate::domains::query::{Query, Region, RegionError, Ties};
use crate::format::images::{self, Channels, Image, ImageSet, Layout, StatedChannels};
use crate::format::onnx::Endings;
use crate::format::{file, json_query, onnx, vnnlib};
use clap::{Args, ValueEnum, builder::PossibleValue};
use std::path::{Path, PathBuf};

/// The shape of the neighbourhood of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Norm {
    /// Every pixel moves by at most eps
    Linf,
    /// The pixels together move by at most eps
    L1,
    /// The Euclidean distance is at most eps
    L2,
    /// At most eps pixels of a two-valued image (0 or 1; −1 or 1 with --binarize) flip
    Hamming,
}

/// Order of the values of one image in a CSV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LayoutName {
    /// As the network reads them
    Network,
    /// Channel by channel
    Chw,
    /// Pixel by pixel
    Hwc,
}

/// What equal outputs count as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TiesName {
    /// A counterexample
    Unsafe,
    /// None: the other class must win strictly (with --ensemble over every class in every member)
    Safe,
}

impl From<TiesName> for Ties {
    fn from(name: TiesName) -> Self {
        match name {
            TiesName::Unsafe => Self::Unsafe,
            TiesName::Safe => Self::Safe,
        }
    }
}

/// The network and what is asked of it.
#[derive(Args)]
pub struct QueryArgs {
    /// The network, an ONNX file; without it the built-in example runs
    network: Option<PathBuf>,
    /// A further network over the same input, again for each: an ensemble that rejects an input unless all
    /// agree. It is unsafe where they agree on a wrong class. In queries over outputs, those of the networks
    /// follow each other
    #[arg(long, value_name = "FILE", requires = "network")]
    ensemble: Vec<PathBuf>,
    /// A VNN-LIB query
    #[arg(long, value_name = "FILE", group = "source")]
    vnnlib: Option<PathBuf>,
    /// A JSON query
    #[arg(long, value_name = "FILE", group = "source")]
    query: Option<PathBuf>,
    /// Images: CSV `label,px…` with values 0–255, or MNIST idx
    #[arg(long, alias = "input", value_name = "FILE", group = "source", requires = "eps")]
    data: Option<PathBuf>,
    /// A box: CSV with a line `lower,upper` per input
    #[arg(long = "box", value_name = "FILE", group = "source", requires = "label")]
    box_file: Option<PathBuf>,
    /// Which image of the file, from 0
    #[arg(long, value_name = "I", default_value_t = 0, requires = "data")]
    image: usize,
    /// Radius of the neighbourhood, a decimal or a fraction such as 2/255 (pixels are in [0, 1])
    #[arg(long, value_name = "EPS", allow_negative_numbers = true)]
    eps: Option<String>,
    /// The class that must win [default: the label in the file]
    #[arg(long, value_name = "CLASS")]
    label: Option<usize>,
    #[command(flatten)]
    images: ImageArgs,
}

/// How images become inputs of a network, and what surrounds them.
#[derive(Args, Clone)]
pub struct ImageArgs {
    /// Shape of the neighbourhood
    #[arg(long, value_enum, default_value = "linf")]
    pub norm: Norm,
    /// Order of the values in the file
    #[arg(long, value_enum, default_value = "network")]
    pub layout: LayoutName,
    /// Where the channels of the network's input are, `first` or `last` (with their number, such as `first,3`,
    /// where the input has one axis); needed for --layout and several means where the network does not tell
    #[arg(long, value_name = "AXIS")]
    pub channels: Option<StatedChannels>,
    /// The network expects pixels of ±1: +1 from this value (0–255) on, −1 below; eps is in their units
    #[arg(long, value_name = "T", requires = "data", conflicts_with = "mean")]
    pub binarize: Option<u8>,
    /// The network expects (x − mean) / std: one mean, or one of each channel, for pixels in [0, 1]
    #[arg(long, value_name = "MEAN", value_delimiter = ',', requires = "std", value_parser = rational)]
    pub mean: Vec<Rational>,
    /// The deviation, or that of each channel
    #[arg(long, value_name = "STD", value_delimiter = ',', requires = "mean", value_parser = rational)]
    pub std: Vec<Rational>,
    /// What it counts as where another class only equals the label; a VNN-LIB query says it itself
    #[arg(long, value_enum, default_value = "unsafe")]
    pub ties: TiesName,
}

impl ImageArgs {
    /// Reads a network that is executed in this arithmetic, with the normalisation of pixels in front of it.
    pub fn read_network(&self, path: &Path, arithmetic: Arithmetic) -> CliResult<onnx::Model> {
        self.prepared(read_model(path, arithmetic)?, path)
    }

    /// As [`ImageArgs::read_network`], with the hash of the file.
    pub fn read_hashed(&self, path: &Path, arithmetic: Arithmetic) -> CliResult<(onnx::Model, String)> {
        let (model, hash) = onnx::read_fingerprinted(path)?;
        Ok((self.prepared(in_arithmetic(model, path, arithmetic)?, path)?, hash.to_string()))
    }

    fn prepared(&self, mut model: onnx::Model, path: &Path) -> CliResult<onnx::Model> {
        model.channels = self.channels_of(&model).map_err(|e| format!("{}: {e}", path.display()))?;
        if !self.mean.is_empty() {
            model.network = self.normalised(&model).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        Ok(model)
    }

    /// The channels of the network's input: what its operators, its shape or the arguments tell.
    fn channels_of(&self, model: &onnx::Model) -> Result<Option<Channels>, String> {
        let shape = model.network.input_shape();
        let Some(stated) = self.channels else {
            return Ok(model.channels.or_else(|| Channels::of_shape(shape)));
        };
        let stated = stated.within(shape).map_err(|e| format!("--channels: {e}"))?;
        match model.channels {
            Some(known) if known != stated => {
                Err(format!("--channels: the network's operators read {known}, not {stated}, from its input"))
            }
            _ => Ok(Some(stated)),
        }
    }

    /// The network behind (x − mean) / std.
    fn normalised(&self, model: &onnx::Model) -> Result<Network, String> {
        if self.std.iter().any(|s| s <= &Rational::ZERO) {
            return Err("--std: a deviation must be positive".into());
        }
        let n = model.network.input_len();
        let most = self.mean.len().max(self.std.len());
        let channels = match model.channels {
            _ if most == 1 => Channels::new(Layout::Chw, 1),
            Some(channels) => channels,
            None => return Err(unknown_channels("several values of --mean and --std", model.network.input_shape())),
        };
        let per_channel = |values: &[Rational], name: &str| match values {
            [value] => Ok(vec![value.clone(); channels.count]),
            values if values.len() == channels.count => Ok(values.to_vec()),
            values => Err(format!(
                "--{name} has {} values and the network's input {channels}: give one value, or one per channel",
                values.len()
            )),
        };
        let (mean, std) = (per_channel(&self.mean, "mean")?, per_channel(&self.std, "std")?);
        let normalised = model.network.after_normalisation(&mean, &std, |i| channels.of(i, n));
        normalised.ok_or_else(|| "--mean and --std do not fit the network's input".into())
    }

    /// Reads images of the network's input size, in its order of values.
    pub fn read_images(&self, path: &Path, network: &Network, channels: Option<Channels>) -> CliResult<ImageSet> {
        let set = images::read(path)?;
        if set.pixels_per_image() != network.input_len() {
            return Err(format!(
                "{}: the images have {} values, the network expects {}",
                path.display(),
                set.pixels_per_image(),
                network.input_len()
            )
            .into());
        }
        let (from, name) = match self.layout {
            LayoutName::Network => return Ok(set),
            LayoutName::Chw => (Layout::Chw, "chw"),
            LayoutName::Hwc => (Layout::Hwc, "hwc"),
        };
        let unknown = || unknown_channels(&format!("images in --layout {name}"), network.input_shape());
        let channels = channels.ok_or_else(unknown)?;
        let size = [channels.count, 1, network.input_len() / channels.count];
        let set = set.rearranged(from, channels.layout, size);
        set.ok_or_else(|| format!("--layout {name}: {} values are not {channels}", network.input_len()).into())
    }

    /// Image number `index`, as the network reads it.
    pub fn pick(&self, set: &ImageSet, index: usize) -> Option<Image> {
        match self.binarize {
            Some(threshold) => set.get_binarized(index, threshold),
            None => set.get(index),
        }
    }

    /// The robustness query of the ball around an image that [`ImageArgs::pick`] gave.
    pub fn ball(&self, members: Members, center: &[Rational], eps: &Rational, label: usize) -> CliResult<Query> {
        Ok(members.robustness(self.region(center, eps)?, label).with_ties(self.ties.into()))
    }

    /// The ball around an image.
    pub fn region(&self, center: &[Rational], eps: &Rational) -> CliResult<Region> {
        let (low, high) = self.pixel_range();
        ball_between((&low, &high), center, eps, self.norm)
    }

    /// What a run over the images of a file is about; `hashes` are those of the network and of the images.
    pub fn subject(&self, files: (&Path, &Path), hashes: (String, String), global: &Global) -> Subject {
        let file_name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = |value: Option<PossibleValue>| value.map_or(String::new(), |v| v.get_name().to_owned());
        Subject {
            network: (file_name(files.0), hashes.0),
            data: (file_name(files.1), hashes.1),
            preparation: Preparation {
                binarize: self.binarize,
                layout: name(self.layout.to_possible_value()),
                mean: self.mean.clone(),
                std: self.std.clone(),
                channels: self.channels,
            },
            norm: name(self.norm.to_possible_value()),
            timeout: global.timeout,
        }
    }

    /// The built-in example, and what its image is called.
    pub fn example(&self, eps: Option<&str>, label: Option<usize>) -> CliResult<(Problem, String)> {
        let (network, image) = crate::example::network_and_image()?;
        let (eps, label) = (eps.unwrap_or(crate::example::EPS), label.unwrap_or(image.label));
        let query = self.ball(Members::one(&network), &image.pixels, &radius(eps)?, label)?;
        let image = format!("image {} (a {label})", crate::example::IMAGE);
        let query_name = format!("{image}, {} ball of radius {eps}", self.norm.title());
        let network_name = crate::example::NAME.into();
        Ok((Problem { network, query, network_name, query_name, endings: Endings::default(), is_example: true }, image))
    }

    /// The smallest and the largest value of a pixel, as the network reads it.
    pub fn pixel_range(&self) -> (Rational, Rational) {
        (if self.binarize.is_some() { -Rational::ONE } else { Rational::ZERO }, Rational::ONE)
    }
}

/// Why `what` cannot be understood.
fn unknown_channels(what: &str, shape: &[usize]) -> String {
    format!(
        "{what} need the channels of the network's input of shape {shape:?}, which it does not tell: say where they \
         are by --channels"
    )
}

/// Makes the ball of a norm around a centre, with a radius and perhaps the range of its values.
pub type Ball = fn(&[Rational], &Rational, Option<(&Rational, &Rational)>) -> Result<Region, RegionError>;

impl Norm {
    /// The name that people read.
    pub fn title(self) -> &'static str {
        match self {
            Self::Linf => "L∞",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::Hamming => "Hamming",
        }
    }

    /// The balls of the norm, if it has one for every radius: Hamming balls count flips.
    pub fn ball(self) -> Option<Ball> {
        match self {
            Self::Linf => Some(Region::linf),
            Self::L1 => Some(Region::l1),
            Self::L2 => Some(Region::l2),
            Self::Hamming => None,
        }
    }
}

/// A radius as it is typed.
pub fn radius(text: &str) -> CliResult<Rational> {
    let radius = parse_decimal(text).map_err(|e| format!("--eps: {e}"))?;
    if radius < Rational::ZERO {
        Err(format!("--eps {text}: a radius must not be negative").into())
    } else {
        Ok(radius)
    }
}

fn rational(text: &str) -> Result<Rational, String> {
    parse_decimal(text).map_err(|e| e.to_string())
}

/// What is to be analysed, and how to call it.
pub struct Problem {
    pub network: Network,
    pub query: Query,
    pub network_name: String,
    pub query_name: String,
    /// What was dropped at the end of the network, or of each of them.
    pub endings: Endings,
    /// True when the built-in example stands in for missing arguments.
    pub is_example: bool,
}

impl QueryArgs {
    /// True when the command line names a network.
    pub fn is_given(&self) -> bool {
        self.network.is_some()
    }

    /// The files that the arguments name.
    pub fn files(&self) -> Vec<&Path> {
        let others = [&self.vnnlib, &self.query, &self.data, &self.box_file];
        let named = self.network.iter().chain(&self.ensemble).chain(others.into_iter().flatten());
        named.map(PathBuf::as_path).collect()
    }

    /// Reads the files that the arguments name; the network is executed in this arithmetic.
    pub fn load(&self, arithmetic: Arithmetic) -> CliResult<Problem> {
        let Some(path) = &self.network else {
            return self.example();
        };
        let model = self.images.read_network(path, arithmetic)?;
        if !self.ensemble.is_empty() {
            if arithmetic == Arithmetic::Float32 {
                return Err(REAL_ONLY.into());
            }
            return self.load_ensemble(path, model);
        }
        let (query, query_name) = self.asked((&model.network, model.channels), Members::one(&model.network))?;
        refuse_softmax(&model, &query, path)?;
        check_query(&model.network, &query).map_err(|e| format!("{query_name}: {e}"))?;
        let network_name = path.display().to_string();
        let endings = model.final_softmax.into();
        Ok(Problem { network: model.network, query, network_name, query_name, endings, is_example: false })
    }

    /// Reads the other members of an ensemble and puts all of them side by side.
    fn load_ensemble(&self, path: &Path, first: onnx::Model) -> CliResult<Problem> {
        let ensemble =
            Ensemble::read(path, first, &self.ensemble, |path| self.images.read_network(path, Arithmetic::Real))?;
        let (query, query_name) = self.asked((&ensemble.network, ensemble.channels), ensemble.members)?;
        let (network, network_name, endings) = (ensemble.network, ensemble.name, ensemble.endings);
        let mut files = std::iter::once(path).chain(self.ensemble.iter().map(PathBuf::as_path)).zip(&endings.0);
        if let Some((path, _)) = files.find(|(_, softmax)| softmax.is_some())
            && !ensemble.members.are_compared_within(&query)
        {
            return Err(named(path, onnx::SOFTMAX_IS_DROPPED));
        }
        Ok(Problem { network, query, network_name, query_name, endings, is_example: false })
    }

    fn example(&self) -> CliResult<Problem> {
        if self.vnnlib.is_some() || self.query.is_some() || self.data.is_some() || self.box_file.is_some() {
            return Err("a query needs a network: absint analyze NETWORK.onnx …".into());
        }
        Ok(self.images.example(self.eps.as_deref(), self.label)?.0)
    }

    /// What is asked, with ties as they are to count.
    fn asked(&self, network: (&Network, Option<Channels>), members: Members) -> CliResult<(Query, String)> {
        let (query, name) = self.read_query(network, members)?;
        let ties = if self.vnnlib.is_some() { Ties::Unsafe } else { self.images.ties.into() };
        Ok((query.with_ties(ties), name))
    }

    fn read_query(
        &self,
        (network, channels): (&Network, Option<Channels>),
        members: Members,
    ) -> CliResult<(Query, String)> {
        if let Some((name, query)) = read_queries(&self.vnnlib, &self.query, network, members)?.pop() {
            return Ok((query, name));
        }
        if let Some(path) = &self.box_file {
            let region = read_box(path, network.input_len())?;
            let label = members.checked(self.label.unwrap_or(0))?;
            return Ok((members.robustness(region, label), path.display().to_string()));
        }
        if let Some(path) = &self.data {
            let image = self.read_image(path, network, channels)?;
            let label = members.checked(self.label.unwrap_or(image.label))?;
            let eps_text = self.eps.as_deref().unwrap_or("0");
            let eps = radius(eps_text)?;
            let query = members.robustness(self.images.region(&image.pixels, &eps)?, label);
            let name = format!(
                "{} image {} (a {label}), {} ball of radius {eps_text}",
                path.display(),
                self.image,
                self.images.norm.title()
            );
            return Ok((query, name));
        }
        Err("nothing is asked: add --vnnlib FILE, --query FILE.json, or --data FILE --image I --eps EPS".into())
    }

    fn read_image(&self, path: &Path, network: &Network, channels: Option<Channels>) -> CliResult<Image> {
        let set = self.images.read_images(path, network, channels)?;
        let (len, image) = (set.len(), self.images.pick(&set, self.image));
        image.ok_or_else(|| {
            format!("{}: there is no image {}; the file has {len} (from 0)", path.display(), self.image).into()
        })
    }
}

/// Reads queries from VNN-LIB files and from JSON files, each with the name of its file.
pub fn read_queries<'a>(
    vnnlib: impl IntoIterator<Item = &'a PathBuf>,
    json: impl IntoIterator<Item = &'a PathBuf>,
    network: &Network,
    members: Members,
) -> CliResult<Vec<(String, Query)>> {
    let of_json = |path| Ok(json_query::read_ensemble(path, members.count, members.classes)?);
    let vnnlib = vnnlib.into_iter().map(|path| (path, read_vnnlib(path, network)));
    let json = json.into_iter().map(|path| (path, of_json(path)));
    vnnlib.chain(json).map(|(path, query)| Ok((path.display().to_string(), query?))).collect()
}

/// Reads a VNN-LIB query about the network.
pub fn read_vnnlib(path: &Path, network: &Network) -> CliResult<Query> {
    vnnlib::read(path)?.of_network(network).map_err(|e| named(path, &e))
}

/// The ball around an image with pixels from `low` to `high`, clipped to these.
fn ball_between(
    (low, high): (&Rational, &Rational),
    center: &[Rational],
    eps: &Rational,
    norm: Norm,
) -> CliResult<Region> {
    Ok(match norm.ball() {
        Some(ball) => ball(center, eps, Some((low, high)))?,
        None => {
            let is_two_valued = center.iter().all(|p| p == low || p == high);
            if !is_two_valued {
                return Err("--norm hamming needs an image of zeros and 255s, or --binarize T".into());
            }
            let flips = usize::try_from(eps.trunc()).ok().filter(|_| eps.is_int());
            let flips = flips.ok_or("--norm hamming needs a whole number of flips as --eps")?;
            Region::hamming(low, high, center.iter().map(|p| p == high).collect(), flips)?
        }
    })
}

/// The longest box that is read, in bytes.
const LONGEST_BOX: u64 = 1 << 28;

/// Reads a box: a line `lower,upper` per input.
fn read_box(path: &Path, inputs: usize) -> CliResult<Region> {
    let name = path.display();
    let bytes = file::read(path, LONGEST_BOX).map_err(|e| format!("{name}: {e}"))?;
    let bytes = bytes.ok_or_else(|| format!("{name}: is longer than {LONGEST_BOX} bytes"))?;
    let text = String::from_utf8(bytes).map_err(|e| format!("{name}: {e}"))?;
    let (mut lower, mut upper) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let place = |what: String| format!("{name}:{}: {what}", number + 1);
        let (l, u) = line.split_once(',').ok_or_else(|| place("expected `lower,upper`".into()))?;
        lower.push(parse_decimal(l.trim()).map_err(|e| place(e.to_string()))?);
        upper.push(parse_decimal(u.trim()).map_err(|e| place(e.to_string()))?);
    }
    if lower.len() != inputs {
        return Err(format!("{name}: {} lines for a network with {inputs} inputs", lower.len()).into());
    }
    Region::new_box(lower, upper).map_err(|e| format!("{name}: {e}").into())
}
