//! What is read from a file.

use crate::domains::network::{Arithmetic, Network};
use crate::domains::num::Interval;
use crate::domains::query::Query;
use crate::format::images::Channels;

/// The oldest and newest versions of the standard operator set that are read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 8..=25;

/// What is dropped at the end of a model, because it keeps the order of the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Softmax {
    /// Outputs are probabilities.
    Probabilities,
    /// Outputs are their logarithms.
    Logarithms,
}

impl Softmax {
    /// What the model's outputs are, in a word.
    #[must_use]
    pub fn outputs(self) -> &'static str {
        match self {
            Self::Probabilities => "probabilities",
            Self::Logarithms => "log-probabilities",
        }
    }

    /// What the model puts out for these logits, in floats: to be shown, not to prove anything.
    #[must_use]
    pub fn of(self, logits: &[Interval]) -> Vec<f64> {
        let largest = logits.iter().map(|y| y.middle()).fold(f64::NEG_INFINITY, f64::max);
        let shifted = || logits.iter().map(|y| y.middle() - largest);
        let sum: f64 = shifted().map(f64::exp).sum();
        match self {
            Self::Probabilities => shifted().map(|y| y.exp() / sum).collect(),
            Self::Logarithms => shifted().map(|y| y - sum.ln()).collect(),
        }
    }
}

/// What was dropped at the end of one model, or of the members of an ensemble, whose outputs follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endings(pub Vec<Option<Softmax>>);

impl From<Option<Softmax>> for Endings {
    fn from(softmax: Option<Softmax>) -> Self {
        Self(vec![softmax])
    }
}

impl Endings {
    /// What the models put out for these logits; `None` where that is the logits.
    #[must_use]
    pub fn of(&self, logits: &[Interval]) -> Option<Vec<f64>> {
        self.0.iter().flatten().next()?;
        let members = logits.chunks(logits.len().div_ceil(self.0.len()).max(1)).zip(&self.0);
        let of_member = |(logits, softmax): (&[Interval], &Option<Softmax>)| match softmax {
            Some(softmax) => softmax.of(logits),
            None => logits.iter().map(|y| y.middle()).collect(),
        };
        Some(members.flat_map(of_member).collect())
    }

    /// What the outputs are, in a word or one for each member.
    #[must_use]
    pub fn outputs(&self) -> String {
        let mut words: Vec<&str> = self.0.iter().map(|softmax| softmax.map_or("logits", Softmax::outputs)).collect();
        words.dedup();
        words.join(", ")
    }
}

/// The tensors that a reader of the model asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ports {
    /// The names of all inputs; `None` for those of the file in its order.
    pub inputs: Option<Vec<String>>,
    /// The names of tensors that are computed on the way.
    pub hidden: Vec<String>,
    /// The names of all outputs; `None` for those of the file in its order.
    pub outputs: Option<Vec<String>>,
    /// Whether a Softmax at the end is computed and not dropped; among several outputs it always is.
    pub computes_softmax: bool,
    /// Two numbers between which all inputs lie, where that is known: what is rounded to integers needs an end on both
    /// sides. The network is the file's between them.
    pub range: Option<[f64; 2]>,
}

/// A tensor of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The number that ONNX has for the type of its entries, where the file tells.
    pub element: Option<i32>,
    /// Its shape, the batch axis included.
    pub shape: Vec<usize>,
}

/// A network and what its file says about it.
#[derive(Clone, Debug)]
pub struct Model {
    /// The network; its input and output vectors are the ONNX tensors in row-major order.
    pub network: Network,
    /// How often each operator type occurs, in alphabetical order.
    pub operators: Vec<(String, usize)>,
    /// Version of the standard operator set.
    pub opset: i64,
    /// The program that wrote the file, as it names itself.
    pub producer: String,
    /// The Softmax over the classes that ends the model, where one does. It is **not** part of [`Self::network`],
    /// whose outputs are then the logits: they have the same order as the probabilities, so a property
    /// that only compares outputs keeps its verdict in real arithmetic, and any other does not.
    pub final_softmax: Option<Softmax>,
    /// The channels of the input, where an operator that knows channels (or a Transpose in front of one) tells
    /// them.
    pub channels: Option<Channels>,
    /// The tensors that the network's input is made of, one after the other.
    pub inputs: Vec<Port>,
    /// The tensors that the network's output is made of, one after the other.
    pub outputs: Vec<Port>,
}

/// Why a property that does more than compare two outputs cannot be asked of a model whose Softmax was dropped.
pub const SOFTMAX_IS_DROPPED: &str = "the network ends in a Softmax, which is only dropped for properties that \
     compare two outputs; state the property over the logits and remove the Softmax";

impl Model {
    /// The same model, executed in this arithmetic.
    ///
    /// # Errors
    /// Where it ends in a Softmax, which cannot be dropped in float32.
    pub fn in_arithmetic(mut self, arithmetic: Arithmetic) -> Result<Self, String> {
        if arithmetic == Arithmetic::Float32 {
            if self.final_softmax.is_some() {
                return Err("the network ends in a Softmax, which in float32 may turn different logits into equal \
                            probabilities, so that it cannot be dropped; remove it, or use --arithmetic real"
                    .into());
            }
            self.network = self.network.in_arithmetic(arithmetic).into_owned();
        }
        Ok(self)
    }

    /// Whether the query may be asked of the network: where a Softmax at its end was dropped, only properties that
    /// compare outputs may.
    ///
    /// # Errors
    /// [`SOFTMAX_IS_DROPPED`].
    pub fn check_softmax(&self, query: &Query) -> Result<(), &'static str> {
        if self.final_softmax.is_none() || query.cases.iter().all(|c| c.property.only_compares_outputs()) {
            return Ok(());
        }
        Err(SOFTMAX_IS_DROPPED)
    }
}
