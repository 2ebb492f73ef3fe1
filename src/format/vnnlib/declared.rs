//! What a query of version 2.0 declares: networks, and the tensors that they read and compute.

use super::error::spelled;
use crate::domains::query::Variable;

/// A network by its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredNetwork {
    /// Its name.
    pub name: String,
    /// What it shares with a network before it.
    pub relation: Option<Relation>,
    /// Its inputs, then its hidden tensors, then its outputs, each in the order of the text.
    pub tensors: Vec<DeclaredTensor>,
}

/// What two networks have in common. It is the number of the other, which has no relation itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `equal-to`: one file is both.
    EqualTo(usize),
    /// `isomorphic-to`: the same graph with other parameters.
    IsomorphicTo(usize),
}

/// A tensor whose entries are variables of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredTensor {
    /// Its name.
    pub name: String,
    /// Its part in the network.
    pub kind: TensorKind,
    /// The type of its entries.
    pub element: Element,
    /// Its lengths, none of them 0; no lengths for a single number.
    pub shape: Vec<usize>,
    /// The name of the tensor in the ONNX file, where the query tells; hidden tensors have one.
    pub onnx_name: Option<String>,
    /// The number of its first entry: among all declared inputs for an input, else among all hidden tensors and
    /// outputs. The others follow in row-major order.
    pub first: usize,
}

/// The part of a tensor in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TensorKind {
    /// The network reads it.
    Input,
    /// The network computes it on the way.
    Hidden,
    /// The network computes it.
    Output,
}

/// A type of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its name in queries.
    pub name: &'static str,
    /// Its number in ONNX files; `None` for `real`, which leaves the type of the file open.
    pub onnx: Option<i32>,
}

/// The types by name, with the numbers of ONNX.
const ELEMENTS: [(&str, i32); 20] = [
    ("float32", 1),
    ("uint8", 2),
    ("int8", 3),
    ("uint16", 4),
    ("int16", 5),
    ("int32", 6),
    ("int64", 7),
    ("bool", 9),
    ("float16", 10),
    ("float64", 11),
    ("uint32", 12),
    ("uint64", 13),
    ("complex64", 14),
    ("complex128", 15),
    ("bfloat16", 16),
    ("float8e4m3fn", 17),
    ("float8e4m3fnuz", 18),
    ("float8e5m2", 19),
    ("float8e5m2fnuz", 20),
    ("float4e2m1", 23),
];

impl Element {
    /// Real numbers, whatever the file says.
    pub const REAL: Self = Self { name: "real", onnx: None };

    /// The type of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let known = ELEMENTS.iter().find(|(known, _)| *known == name);
        let onnx = known.map(|&(name, onnx)| Self { name, onnx: Some(onnx) });
        onnx.or((name == Self::REAL.name).then_some(Self::REAL))
    }

    /// True for whole numbers, and for true and false.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.name.starts_with("int") || self.name.starts_with("uint") || self.name == "bool"
    }
}

impl DeclaredTensor {
    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never: a tensor without lengths is one number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its entry `i` in row-major order as the query writes it.
    fn entry(&self, mut i: usize) -> String {
        let mut indices = vec![String::new(); self.shape.len()];
        for (index, length) in indices.iter_mut().zip(&self.shape).rev() {
            *index = (i % length).to_string();
            i /= length;
        }
        if indices.is_empty() { self.name.clone() } else { format!("{}[{}]", self.name, indices.join(",")) }
    }
}

/// A variable as the query writes it; in version 1.0 there are no networks.
pub(super) fn written(networks: &[DeclaredNetwork], variable: Variable) -> String {
    let (is_input, number) = match variable {
        Variable::Input(i) => (true, i),
        Variable::Output(i) => (false, i),
    };
    let mut tensors = networks.iter().flat_map(|network| &network.tensors);
    let holds = |t: &&DeclaredTensor| {
        (t.kind == TensorKind::Input) == is_input && (t.first..t.first + t.len()).contains(&number)
    };
    tensors.find(holds).map_or_else(|| spelled(variable), |tensor| tensor.entry(number - tensor.first))
}
