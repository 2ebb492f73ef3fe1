//! What the lowering of every operator works with: its operands, and the network under construction.

use super::attributes::Attributes;
use super::constant::Constant;
use super::external::External;
use super::fault::Fault;
use super::model::Softmax;
use super::shape;
use super::trail::Trail;
use crate::domains::activation::ActivationFn;
use crate::domains::network::{
    Coefficients, Factor, LinearMap, NetworkBuilder, NodeId, Operator as NodeOperator, Term,
};
use crate::domains::num::Interval;
use std::rc::Rc;
use std::sync::Arc;

/// Why an operator is refused that on integers gives integers, which its exact results are not.
pub(super) const ROUNDS_INTEGERS: &str =
    "on integers it rounds its result to an integer, which is not supported; put a Cast to float in front of it";

/// A tensor that depends on the network's input.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// The node that holds its entries in row-major order.
    pub node: NodeId,
    /// Its shape, batch axis included; no zeros.
    pub shape: Vec<usize>,
    /// That it is `sign(z) + shift` with ONNX's sign, when that is known.
    pub shifted_sign: Option<Rc<ShiftedSign>>,
    /// That it is another node clipped, when that is known.
    pub clipped: Option<Clipped>,
    /// True where all its values are integers, by what they are the results of.
    pub integers: bool,
    /// True for integer types and for truths, on which some operators round their results.
    pub of_integers: bool,
    /// True for truths, all of which are 0 or 1.
    pub truths: bool,
    /// True for integers of 8 or 16 bits, on which arithmetic wraps around.
    pub narrow: bool,
    /// The Softmax that was dropped here, over all entries: whatever reads it but a change of shape has it computed.
    pub softmax: Option<Softmax>,
}

/// `min(max(z, low), high)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clipped {
    /// The node that `z` is, entry by entry.
    pub source: NodeId,
    pub low: f64,
    pub high: f64,
}

/// `sign(z) + shift`, where the sign of 0 is 0.
#[derive(Debug)]
pub(super) struct ShiftedSign {
    /// The node that `z` is.
    pub source: NodeId,
    /// The shift, of the same length.
    pub shift: Coefficients,
    /// True when float32 arithmetic does not change the sign of the sum, for shifts between −1 and 1.
    pub is_kept_in_float32: bool,
}

impl Tensor {
    /// The entries of `node` in this shape.
    pub fn new(node: NodeId, shape: Vec<usize>) -> Self {
        let [integers, of_integers, truths, narrow] = [false; 4];
        Self { node, shape, shifted_sign: None, clipped: None, integers, of_integers, truths, narrow, softmax: None }
    }

    /// The same entries in another shape of the same size.
    pub fn reshaped(&self, shape: Vec<usize>) -> Self {
        Self { shape, ..self.clone() }
    }
}

/// What flows along an edge of the graph.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A constant.
    Constant(Rc<Constant>),
    /// A tensor that depends on the input.
    Tensor(Tensor),
}

impl Value {
    /// The shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Constant(c) => &c.shape,
            Self::Tensor(t) => &t.shape,
        }
    }

    /// True for integer types and for truths.
    pub fn is_of_integers(&self) -> bool {
        match self {
            Self::Constant(c) => c.integer,
            Self::Tensor(t) => t.of_integers,
        }
    }

    /// The same entries in another shape of the same size.
    pub fn reshaped(&self, to: Vec<usize>) -> Result<Self, Fault> {
        if shape::product(&to)? != shape::product(self.shape())? {
            return Err(format!("a tensor of shape {:?} cannot be given the shape {to:?}", self.shape()).into());
        }
        Ok(match self {
            Self::Constant(c) => Constant { shape: to, ..Constant::clone(c) }.into(),
            Self::Tensor(t) => t.reshaped(to).into(),
        })
    }
}

impl From<Constant> for Value {
    fn from(constant: Constant) -> Self {
        Self::Constant(Rc::new(constant))
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

/// One operator with its operands.
pub(super) struct Operator<'a> {
    /// The node's name, or `#index operator`.
    pub label: &'a str,
    /// Operands; `None` where an optional one is left out.
    pub inputs: Vec<Option<Value>>,
    /// Attributes.
    pub attributes: Attributes<'a>,
    /// Version of the operator set.
    pub opset: i64,
    /// How many results the node names.
    pub outputs: usize,
    /// What lies beside the model.
    pub external: &'a External,
    /// The element type of operand 2 where the file stores it: of a zero point.
    pub zero_type: Option<i32>,
}

impl<'a> Operator<'a> {
    /// The same operator with other operands.
    pub fn with(&self, inputs: Vec<Option<Value>>) -> Self {
        let Operator { label, attributes, opset, outputs, external, zero_type, .. } = *self;
        Operator { label, inputs, attributes, opset, outputs, external, zero_type }
    }

    /// Operand `i`, if it is given.
    pub fn optional(&self, i: usize) -> Option<&Value> {
        self.inputs.get(i).and_then(Option::as_ref)
    }

    /// Operand `i`.
    pub fn value(&self, i: usize) -> Result<&Value, Fault> {
        self.optional(i).ok_or_else(|| format!("input {i} is missing").into())
    }

    /// Operand `i`, which depends on the network's input.
    pub fn tensor(&self, i: usize) -> Result<&Tensor, Fault> {
        match self.value(i)? {
            Value::Tensor(tensor) => Ok(tensor),
            Value::Constant(_) => {
                Err(format!("input {i} is a constant; this operator is only supported on the network's data").into())
            }
        }
    }

    /// Operand `i`, a constant with finite entries.
    pub fn constant(&self, i: usize) -> Result<&Constant, Fault> {
        self.optional_constant(i)?.ok_or_else(|| format!("input {i} is missing").into())
    }

    /// Operand `i`, a constant with finite entries, if it is given.
    pub fn optional_constant(&self, i: usize) -> Result<Option<&Constant>, Fault> {
        match self.optional(i) {
            None => Ok(None),
            Some(Value::Tensor(_)) => Err(format!("input {i} must be a constant").into()),
            Some(Value::Constant(c)) => finite(c, i).map(Some),
        }
    }
}

/// The constant operand `i`, checked to be finite.
pub(super) fn finite(constant: &Constant, i: usize) -> Result<&Constant, Fault> {
    if constant.values.is_finite() {
        return Ok(constant);
    }
    Err(format!("input {i} is a constant that holds NaN or infinity").into())
}

/// The network under construction, and how much it may still grow.
pub(super) struct Lowering {
    /// The network so far.
    pub builder: NetworkBuilder,
    /// True when the graph computes a constant that float32 arithmetic rounds.
    pub rounds_constants: bool,
    /// Where the entries come from.
    pub trail: Trail,
    budget: usize,
}

impl Lowering {
    /// Nothing but an input of this shape (batch axis included). `budget` bounds the number of entries
    /// of everything that is created, so that a small file cannot ask for a large amount of memory.
    pub fn new(input: &[usize], budget: usize) -> Result<Self, Fault> {
        let mut nothing =
            Self { builder: NetworkBuilder::new(&[]), rounds_constants: false, trail: Trail::new(0), budget };
        let trail = Trail::new(nothing.reserve_tensor(input)?);
        Ok(Self { builder: NetworkBuilder::new(without_batch(input)), trail, ..nothing })
    }

    /// A network of its own, with this input and what is left of the budget.
    pub fn alone(&self, input: &[usize]) -> Result<Self, Fault> {
        Self::new(input, self.budget)
    }

    /// Leaves of the budget what another left.
    pub fn take_back(&mut self, other: &Self) {
        self.budget = other.budget;
    }

    /// Takes a tensor of this shape out of the budget; its number of elements.
    pub fn reserve(&mut self, shape: &[usize]) -> Result<usize, Fault> {
        let count = shape::product(shape)?;
        let Some(left) = self.budget.checked_sub(count) else {
            return Err(format!("a tensor of shape {shape:?} makes the network larger than this reader accepts").into());
        };
        self.budget = left;
        Ok(count)
    }

    /// As [`Self::reserve`], for a tensor that depends on the input, which has no empty axis.
    pub fn reserve_tensor(&mut self, shape: &[usize]) -> Result<usize, Fault> {
        match self.reserve(shape)? {
            0 => Err(format!("the result has shape {shape:?}, which holds no numbers").into()),
            count => Ok(count),
        }
    }

    /// `Σ W x + b` as a tensor of this shape.
    pub fn affine(
        &mut self,
        op: &Operator,
        terms: Vec<Term>,
        bias: Coefficients,
        shape: Vec<usize>,
    ) -> Result<Tensor, Fault> {
        let origin = self.trail.through(&terms);
        let node = self.builder.affine(op.label, terms, bias)?;
        self.trail.follow(node, origin);
        Ok(Tensor::new(node, shape))
    }

    /// `W x + b` as a tensor of this shape.
    pub fn linear(
        &mut self,
        op: &Operator,
        source: NodeId,
        map: LinearMap,
        bias: Coefficients,
        shape: Vec<usize>,
    ) -> Result<Tensor, Fault> {
        self.affine(op, vec![Term { source, map: map.into() }], bias, shape)
    }

    /// Takes note of a constant that the graph computes.
    pub fn computed(&mut self, constant: Constant) -> Value {
        let c = &constant.values;
        let is_float32 = |i: usize| c.radius(i) == 0.0 && f64::from(c.values()[i] as f32) == c.values()[i];
        self.rounds_constants |= !constant.integer && !(0..c.len()).all(is_float32);
        constant.into()
    }

    /// Says how the tensor's affine node is computed in float32.
    pub fn computed_by(&mut self, x: &Tensor, operator: NodeOperator) -> Result<(), Fault> {
        Ok(self.builder.declare_operator(x.node, operator)?)
    }

    /// `σ(x)`, of the same shape.
    pub fn activation(&mut self, op: &Operator, x: &Tensor, f: Arc<dyn ActivationFn>) -> Result<Tensor, Fault> {
        self.reserve(&x.shape)?;
        let node = self.builder.activation(op.label, x.node, f)?;
        self.trail.follow(node, self.trail.of(x.node));
        Ok(Tensor::new(node, x.shape.clone()))
    }

    /// True where a tensor is the result of a function that is never negative.
    pub fn is_at_least_zero(&self, x: &Tensor) -> bool {
        let is_so = |function: &dyn ActivationFn| function.image(Interval::ALL.into()).lo >= 0.0;
        self.builder.activation_at(x.node).is_some_and(|activation| is_so(activation.function.as_ref()))
    }

    /// The products of two factors, as a tensor of this shape.
    pub fn product(&mut self, op: &Operator, factors: [Factor; 2], shape: Vec<usize>) -> Result<Tensor, Fault> {
        Ok(Tensor::new(self.builder.product(op.label, factors)?, shape))
    }

    /// Takes note that an operator reads `[1, channels, lengths…]`.
    pub fn reads_channels(&mut self, x: &Tensor) {
        if let [1, channels, _, ..] = x.shape[..] {
            self.trail.reads_channels(x.node, channels, x.shape.iter().product());
        }
    }

    /// Takes note of a Transpose that puts the channels of images first or last.
    pub fn reorders_channels(&mut self, x: &Tensor, perm: &[usize]) {
        let len = x.shape.iter().product();
        match (&x.shape[..], perm) {
            (&[1, _, _, channels], [0, 3, 1, 2]) => self.trail.reorders_channels(x.node, channels, len, false),
            (&[1, channels, _, _], [0, 2, 3, 1]) => self.trail.reorders_channels(x.node, channels, len, true),
            _ => {}
        }
    }

    /// The tensor of this shape whose entry `k` is entry `index[k]` of `x`, or 0.
    pub fn select(
        &mut self,
        op: &Operator,
        x: &Tensor,
        index: Vec<Option<usize>>,
        shape: Vec<usize>,
    ) -> Result<Tensor, Fault> {
        let input_len = self.builder.len(x.node);
        if input_len == index.len() && index.iter().enumerate().all(|(k, i)| *i == Some(k)) {
            return Ok(x.reshaped(shape));
        }
        let bias = Coefficients::zeros(index.len());
        self.linear(op, x.node, LinearMap::Select { input_len, index }, bias, shape)
    }

    /// As [`Self::select`], for constants too.
    pub fn rearrange(
        &mut self,
        op: &Operator,
        x: &Value,
        index: Vec<Option<usize>>,
        shape: Vec<usize>,
    ) -> Result<Value, Fault> {
        Ok(match x {
            Value::Tensor(tensor) => self.select(op, tensor, index, shape)?.into(),
            Value::Constant(c) => {
                finite(c, 0)?;
                Constant { shape, values: c.values.select(&index), integer: c.integer }.into()
            }
        })
    }

    /// `x` broadcast to `shape`, which is one that it broadcasts to.
    pub fn expand(&mut self, op: &Operator, x: &Tensor, to: &[usize]) -> Result<Tensor, Fault> {
        if self.builder.len(x.node) == shape::product(to)? {
            return Ok(x.reshaped(to.to_vec()));
        }
        self.reserve_tensor(to)?;
        self.select(op, x, shape::broadcast_index(&x.shape, to), to.to_vec())
    }
}

/// A shape without its leading batch axis of length 1.
pub(super) fn without_batch(shape: &[usize]) -> &[usize] {
    match shape {
        [1, rest @ ..] if !rest.is_empty() => rest,
        _ => shape,
    }
}
