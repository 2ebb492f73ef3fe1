//! From several networks on the command line to one.

use super::CliResult;
use crate::domains::network::Network;
use crate::domains::query::{Query, Region, Variable};
use crate::format::images::Channels;
use crate::format::onnx::{self, Endings};
use std::path::{Path, PathBuf};

/// Why members are not executed in float32.
pub const REAL_ONLY: &str = "ensembles are analysed in real arithmetic; leave out --arithmetic float32";

/// How many networks are asked, and how many classes each tells apart.
#[derive(Clone, Copy)]
pub struct Members {
    pub count: usize,
    pub classes: usize,
}

impl Members {
    /// A network by itself.
    pub fn one(network: &Network) -> Self {
        Self { count: 1, classes: network.output_len() }
    }

    /// A class that there is.
    pub fn checked(self, label: usize) -> CliResult<usize> {
        if label >= self.classes {
            return Err(format!("class {label} does not exist: the network has {} outputs", self.classes).into());
        }
        Ok(label)
    }

    /// What *robust* means for them.
    pub fn robustness(self, region: Region, label: usize) -> Query {
        Query::reliable(region, self.count, self.classes, label)
    }

    /// Whether a query only compares outputs of one member with each other: only then may a Softmax at a
    /// member's end be dropped.
    pub fn are_compared_within(self, query: &Query) -> bool {
        let member = |v: &Variable| if let Variable::Output(i) = v { Some(i / self.classes) } else { None };
        query.cases.iter().all(|case| {
            let mut atoms = case.property.atoms();
            case.property.only_compares_outputs()
                && atoms.all(|a| {
                    let mut members = a.terms.keys().map(member);
                    members.next() == members.next()
                })
        })
    }
}

/// A network, or several side by side.
pub struct Ensemble {
    pub network: Network,
    pub members: Members,
    pub name: String,
    /// The channels of their input, where they read the same.
    pub channels: Option<Channels>,
    /// What was dropped at the end of each member.
    pub endings: Endings,
}

impl Ensemble {
    /// Reads the others by `read`; they must fit to the first.
    pub fn read(
        path: &Path,
        first: onnx::Model,
        others: &[PathBuf],
        mut read: impl FnMut(&Path) -> CliResult<onnx::Model>,
    ) -> CliResult<Self> {
        let classes = first.network.output_len();
        let shape = first.network.input_shape().to_vec();
        let mut name = path.display().to_string();
        let mut endings = vec![first.final_softmax];
        let mut channels = first.channels;
        let mut networks = vec![first.network];
        for path in others {
            let model = read(path)?;
            let file = path.display();
            let (found, outputs) = (model.network.input_shape(), model.network.output_len());
            if outputs != classes || found != shape {
                return Err(format!(
                    "{file}: the members of an ensemble need inputs of one shape and as many outputs: this one maps \
                     {found:?} to {outputs}, the first {shape:?} to {classes}"
                )
                .into());
            }
            endings.push(model.final_softmax);
            channels = channels.filter(|_| channels == model.channels);
            name.push_str(&format!(" + {file}"));
            networks.push(model.network);
        }
        let members = Members { count: networks.len(), classes };
        let network = match others {
            [] => networks.swap_remove(0),
            _ => Network::side_by_side(&networks)?,
        };
        Ok(Self { network, members, name, channels, endings: Endings(endings) })
    }
}
