//! The header of a file of results: what they depend on, apart from the machine.

use super::radius::Tolerance;
use crate::analyze::Options;
use crate::attack::{Aim, Attack, Schedule};
use crate::domains::domain::Concretise;
use crate::domains::num::Rational;
use crate::domains::query::Ties;
use crate::format::images::StatedChannels;
use crate::report::SCHEMA;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How the values of a file become inputs of the network.
#[derive(Clone, Debug)]
pub struct Preparation {
    /// Pixels of ±1: +1 from this byte on.
    pub binarize: Option<u8>,
    /// The order of values in the file: `network`, `chw` or `hwc`.
    pub layout: String,
    /// The means that are subtracted.
    pub mean: Vec<Rational>,
    /// The deviations that are divided by.
    pub std: Vec<Rational>,
    /// The channels of the network's input, where they were stated.
    pub channels: Option<StatedChannels>,
}

/// Values as they are.
impl Default for Preparation {
    fn default() -> Self {
        Self { binarize: None, layout: "network".into(), mean: Vec::new(), std: Vec::new(), channels: None }
    }
}

/// What every run over a data set is about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The network's file without its folder, and the fingerprint of its bytes.
    pub network: (Option<String>, String),
    /// The images' file without its folder, and the fingerprint of labels and pixels.
    pub data: (Option<String>, String),
    /// How these become inputs.
    pub preparation: Preparation,
    /// The norm of the neighbourhoods.
    pub norm: String,
    /// The time for each image.
    pub timeout: Option<Duration>,
}

/// The header of a run by `command`, to which each adds fields of its own.
#[must_use]
pub fn header(command: &str, subject: &Subject, options: &Options) -> Map<String, Value> {
    let (network, network_hash) = &subject.network;
    let (data, data_hash) = &subject.data;
    let preparation = &subject.preparation;
    let spelled = |values: &[Rational]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let fields = json!({
        "schema": SCHEMA,
        "command": command,
        "version": env!("CARGO_PKG_VERSION"),
        "network": network,
        "network_hash": network_hash,
        "data": data,
        "binarize": preparation.binarize,
        "data_hash": data_hash,
        "norm": subject.norm,
        "layout": preparation.layout,
        "mean": spelled(&preparation.mean),
        "std": spelled(&preparation.std),
        "timeout_s": subject.timeout.map(|t| t.as_secs_f64()),
    });
    let mut fields = fields.as_object().cloned().unwrap_or_default();
    if let Some(channels) = preparation.channels {
        fields.insert("channels".into(), channels.to_string().into());
    }
    fields.extend(of_options(options));
    fields
}

fn of_options(options: &Options) -> Map<String, Value> {
    let every = json!({
        "domain": options.method.to_string(),
        "concretise": match options.concretise {
            Concretise::Every => "every",
            Concretise::Input => "input",
            Concretise::Activations => "activations",
        },
        "slopes": options.slopes.iter().map(|slopes| format!("{slopes:?}").to_lowercase()).collect::<Vec<_>>(),
        "lp": options.lp.name(),
        "attack": options.attack,
        "arithmetic": options.arithmetic.to_string(),
        "seed": options.seed,
    });
    let mut every = every.as_object().cloned().unwrap_or_default();
    if options.ties == Ties::Safe {
        every.insert("ties".into(), "safe".into());
    }
    every
}

/// The fields of a search for radii.
#[must_use]
pub fn radius_fields(
    (lo, hi): (&Rational, &Rational),
    tolerance: Option<&Tolerance>,
    attack: Option<&Attack>,
) -> Map<String, Value> {
    let pgd = attack.map(|attack| {
        json!({
            "restarts": attack.restarts,
            "steps": attack.steps,
            "step_size": attack.step_size,
            "schedule": match attack.schedule {
                Schedule::Constant => "constant",
                Schedule::Linear => "linear",
            },
            "aim": match attack.aim {
                Aim::Targeted => "targeted",
                Aim::Untargeted => "untargeted",
            },
            "targets": (attack.targets < usize::MAX).then_some(attack.targets),
        })
    });
    let fields = json!({
        "lo": lo.to_string(),
        "hi": hi.to_string(),
        "tol": tolerance.map(ToString::to_string),
        "pgd": pgd,
    });
    fields.as_object().cloned().unwrap_or_default()
}
