//! Writing simple networks as ONNX.

use super::proto::{self, AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};
use super::proto::{DimensionProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto};
use ndarray::{ArrayView2, ArrayView4};
use prost::Message;

/// The operator set that [`OnnxWriter`] writes unless told otherwise.
const OPSET: i64 = 13;

/// The value of an operator's attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// One integer.
    Int(i64),
    /// A list of integers.
    Ints(Vec<i64>),
    /// One float.
    Float(f32),
    /// A list of floats.
    Floats(Vec<f32>),
    /// A text.
    Text(String),
}

impl Attribute {
    fn named(&self, name: &str) -> AttributeProto {
        let empty = AttributeProto { name: Some(name.into()), ..AttributeProto::default() };
        match self {
            Self::Int(i) => AttributeProto { i: Some(*i), r#type: Some(proto::ATTRIBUTE_INT), ..empty },
            Self::Ints(ints) => AttributeProto { ints: ints.clone(), r#type: Some(proto::ATTRIBUTE_INTS), ..empty },
            Self::Float(f) => AttributeProto { f: Some(*f), r#type: Some(proto::ATTRIBUTE_FLOAT), ..empty },
            Self::Floats(fs) => AttributeProto { floats: fs.clone(), r#type: Some(proto::ATTRIBUTE_FLOATS), ..empty },
            Self::Text(s) => {
                AttributeProto { s: Some(s.clone().into_bytes()), r#type: Some(proto::ATTRIBUTE_STRING), ..empty }
            }
        }
    }
}

/// Builds an ONNX model operator by operator. Each method appends one operator (or a short chain) that
/// reads the result of the one before; [`OnnxWriter::node`] takes any operator and any operands.
///
/// Parameters are stored as `float32` initializers, the batch axis has length 1.
///
/// ```
/// use absint::format::onnx::{OnnxWriter, parse};
/// use ndarray::array;
/// let mut writer = OnnxWriter::input(&[2]);
/// writer.gemm(array![[1.0, -1.0]].view(), &[0.5]).relu();
/// let model = parse(&writer.finish(&[1]), "difference.onnx")?;
/// assert_eq!(model.network.evaluate(&[3.0, 1.0]), Ok(vec![2.5]));
/// # Ok::<(), absint::format::onnx::OnnxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OnnxWriter {
    graph: GraphProto,
    current: String,
    opset: i64,
}

impl OnnxWriter {
    /// A model with one input `input` of this shape (without the batch axis).
    #[must_use]
    pub fn input(shape: &[usize]) -> Self {
        let input = value_info("input", shape);
        let graph = GraphProto { name: Some("absint".into()), input: vec![input], ..GraphProto::default() };
        Self { graph, current: "input".into(), opset: OPSET }
    }

    /// Adds an input of this name and shape (without the batch axis).
    pub fn another_input(&mut self, name: &str, shape: &[usize]) -> &mut Self {
        self.graph.input.push(value_info(name, shape));
        self
    }

    /// Makes the current tensor, of this shape (without the batch axis), an output before those that follow.
    pub fn output(&mut self, shape: &[usize]) -> &mut Self {
        self.graph.output.push(value_info(&self.current, shape));
        self
    }

    /// Declares another version of the operator set (13 by default). The methods that append an
    /// operator write it as in versions 13 to 21.
    pub fn opset(&mut self, version: i64) -> &mut Self {
        self.opset = version;
        self
    }

    /// Name of the tensor that the next operator reads.
    #[must_use]
    pub fn current(&self) -> &str {
        &self.current
    }

    /// Lets the next operator read this tensor.
    pub fn read(&mut self, name: &str) -> &mut Self {
        self.current = name.into();
        self
    }

    /// Adds a `float32` constant; returns its name.
    pub fn floats(&mut self, shape: &[usize], values: impl IntoIterator<Item = f32>) -> String {
        let raw = values.into_iter().flat_map(f32::to_le_bytes).collect();
        self.constant(shape, proto::FLOAT, raw)
    }

    /// Adds a `float64` constant; returns its name.
    pub fn doubles(&mut self, shape: &[usize], values: impl IntoIterator<Item = f64>) -> String {
        let raw = values.into_iter().flat_map(f64::to_le_bytes).collect();
        self.constant(shape, proto::DOUBLE, raw)
    }

    /// Adds an `int64` constant with one axis; returns its name.
    pub fn integers(&mut self, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(&[values.len()], proto::INT64, raw)
    }

    fn constant(&mut self, shape: &[usize], data_type: i32, raw: Vec<u8>) -> String {
        let name = format!("c{}", self.graph.initializer.len());
        self.graph.initializer.push(TensorProto {
            dims: shape.iter().map(|&n| n as i64).collect(),
            data_type: Some(data_type),
            name: Some(name.clone()),
            raw_data: Some(raw.into()),
            ..TensorProto::default()
        });
        name
    }

    /// Appends any operator; returns the name of its result, which the next operator reads.
    pub fn node(&mut self, op_type: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let index = self.graph.node.len();
        let output = format!("t{index}");
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&name| name.into()).collect(),
            output: vec![output.clone()],
            name: Some(format!("{op_type}_{index}")),
            op_type: Some(op_type.into()),
            attribute: attributes.iter().map(|(name, value)| value.named(name)).collect(),
            domain: None,
        });
        self.current.clone_from(&output);
        output
    }

    /// Appends an operator that reads the current tensor, then `constants`.
    fn append(&mut self, op_type: &str, constants: &[&str], attributes: &[(&str, Attribute)]) -> &mut Self {
        let current = self.current.clone();
        let inputs: Vec<&str> = std::iter::once(current.as_str()).chain(constants.iter().copied()).collect();
        self.node(op_type, &inputs, attributes);
        self
    }

    /// `W x + b`, with `W` as outputs × inputs, on data of shape `[1, inputs]`; `b` may be empty.
    pub fn gemm(&mut self, weight: ArrayView2<f32>, bias: &[f32]) -> &mut Self {
        let w = self.floats(weight.shape(), weight.iter().copied());
        self.gemm_by_name(&w, bias)
    }

    /// [`OnnxWriter::gemm`] with small integers as weights, which are stored as `int8` and cast to
    /// `float32`: a quarter of the file.
    pub fn gemm_int8(&mut self, weight: ArrayView2<i8>, bias: &[f32]) -> &mut Self {
        let raw = weight.iter().map(|w| w.to_le_bytes()[0]).collect();
        let bytes = self.constant(weight.shape(), proto::INT8, raw);
        let x = self.current.clone();
        let w = self.node("Cast", &[&bytes], &[("to", Attribute::Int(i64::from(proto::FLOAT)))]);
        self.read(&x).gemm_by_name(&w, bias)
    }

    fn gemm_by_name(&mut self, weight: &str, bias: &[f32]) -> &mut Self {
        let transposed = [("transB", Attribute::Int(1))];
        if bias.is_empty() {
            return self.append("Gemm", &[weight], &transposed);
        }
        let b = self.floats(&[bias.len()], bias.iter().copied());
        self.append("Gemm", &[weight, &b], &transposed)
    }

    /// A convolution; `weight` as outputs × inputs × height × width, `pads` as top, left, bottom, right.
    pub fn conv(&mut self, weight: ArrayView4<f32>, bias: &[f32], stride: [usize; 2], pads: [usize; 4]) -> &mut Self {
        let w = self.floats(weight.shape(), weight.iter().copied());
        let b = self.floats(&[bias.len()], bias.iter().copied());
        let ints = |values: &[usize]| Attribute::Ints(values.iter().map(|&v| v as i64).collect());
        let attributes =
            [("kernel_shape", ints(&weight.shape()[2..])), ("pads", ints(&pads)), ("strides", ints(&stride))];
        self.append("Conv", &[&w, &b], &attributes)
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self) -> &mut Self {
        self.append("Relu", &[], &[])
    }

    /// The signum with sign(0) = +1, as the chain `Sign`, `Add 0.1`, `Sign`.
    pub fn sign(&mut self) -> &mut Self {
        let shift = self.floats(&[], [0.1]);
        self.append("Sign", &[], &[]).append("Add", &[&shift], &[]).append("Sign", &[], &[])
    }

    /// All axes but the batch as one.
    pub fn flatten(&mut self) -> &mut Self {
        self.append("Flatten", &[], &[("axis", Attribute::Int(1))])
    }

    /// `x − c`, where a `c` of this shape is broadcast.
    pub fn sub(&mut self, shape: &[usize], values: &[f32]) -> &mut Self {
        let c = self.floats(shape, values.iter().copied());
        self.append("Sub", &[&c], &[])
    }

    /// `x / c`, where a `c` of this shape is broadcast.
    pub fn div(&mut self, shape: &[usize], values: &[f32]) -> &mut Self {
        let c = self.floats(shape, values.iter().copied());
        self.append("Div", &[&c], &[])
    }

    /// `scale · (x − mean) / √(variance + epsilon) + bias`, per channel.
    pub fn batch_normalization(
        &mut self,
        scale: &[f32],
        bias: &[f32],
        mean: &[f32],
        variance: &[f32],
        epsilon: f32,
    ) -> &mut Self {
        let names = [scale, bias, mean, variance].map(|values| self.floats(&[values.len()], values.iter().copied()));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.append("BatchNormalization", &names, &[("epsilon", Attribute::Float(epsilon))])
    }

    /// The bytes of the model, whose output is the current tensor, of this shape (without batch axis).
    #[must_use]
    pub fn finish(&self, output_shape: &[usize]) -> Vec<u8> {
        self.to_model(output_shape).encode_to_vec()
    }

    /// The model as messages.
    pub(super) fn to_model(&self, output_shape: &[usize]) -> ModelProto {
        let mut graph = self.graph.clone();
        graph.output.push(value_info(&self.current, output_shape));
        ModelProto {
            ir_version: Some(7),
            producer_name: Some("absint".into()),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(self.opset) }],
        }
    }
}

/// The bytes of a tensor whose entries have the type that ONNX gives this number, or are `float64` for `None`; the
/// values are rounded to that type. `None` for types that are not written.
#[must_use]
pub fn tensor_bytes(name: &str, element: Option<i32>, shape: &[usize], values: &[f64]) -> Option<Vec<u8>> {
    let element = element.unwrap_or(proto::DOUBLE);
    let bytes = |of: &dyn Fn(f64) -> Vec<u8>| values.iter().flat_map(|&x| of(x)).collect::<Vec<u8>>();
    let raw = match element {
        proto::FLOAT => bytes(&|x| (x as f32).to_le_bytes().to_vec()),
        proto::DOUBLE => bytes(&|x| x.to_le_bytes().to_vec()),
        proto::INT8 => bytes(&|x| (x as i8).to_le_bytes().to_vec()),
        proto::INT16 => bytes(&|x| (x as i16).to_le_bytes().to_vec()),
        proto::INT32 => bytes(&|x| (x as i32).to_le_bytes().to_vec()),
        proto::INT64 => bytes(&|x| (x as i64).to_le_bytes().to_vec()),
        proto::UINT8 => bytes(&|x| vec![x as u8]),
        proto::UINT16 => bytes(&|x| (x as u16).to_le_bytes().to_vec()),
        proto::BOOL => bytes(&|x| vec![u8::from(x != 0.0)]),
        _ => return None,
    };
    let dims = shape.iter().map(|&n| n as i64).collect();
    let (name, data_type, raw_data) = (Some(name.into()), Some(element), Some(raw.into()));
    Some(TensorProto { name, dims, data_type, raw_data, ..TensorProto::default() }.encode_to_vec())
}

/// Whether the type that ONNX gives this number, or `float64` for `None`, holds this value.
#[must_use]
pub fn is_held(element: Option<i32>, x: f64) -> bool {
    // Beyond it floats are no longer the integers next to each other.
    const LARGEST: f64 = (1i64 << 53) as f64;
    match element.unwrap_or(proto::DOUBLE) {
        proto::FLOAT => f64::from(x as f32) == x,
        proto::FLOAT16 => has_bits(x, 11, -24) && x.abs() <= 65504.0,
        proto::BFLOAT16 => f64::from(x as f32) == x && has_bits(x, 8, -133),
        proto::INT8 => f64::from(x as i8) == x,
        proto::INT16 => f64::from(x as i16) == x,
        proto::INT32 => f64::from(x as i32) == x,
        proto::INT64 => x.fract() == 0.0 && x.abs() <= LARGEST,
        proto::UINT8 => f64::from(x as u8) == x,
        proto::UINT16 => f64::from(x as u16) == x,
        proto::BOOL => x == 0.0 || x == 1.0,
        _ => true,
    }
}

/// Whether a number has no more than so many binary digits, and none below that of the exponent `least`.
fn has_bits(x: f64, digits: i32, least: i32) -> bool {
    let exponent = x.abs().log2().floor() as i32;
    x == 0.0 || x.is_finite() && (x / f64::from((exponent - digits + 1).max(least)).exp2()).fract() == 0.0
}

/// A `float32` tensor of this name and shape, with a batch axis of length 1.
fn value_info(name: &str, shape: &[usize]) -> ValueInfoProto {
    let length = |n: i64| DimensionProto { dim_value: Some(n), dim_param: None };
    let dim = std::iter::once(1).chain(shape.iter().map(|&n| n as i64)).map(length).collect();
    let tensor = TensorTypeProto { elem_type: Some(proto::FLOAT), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: Some(name.into()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use ndarray::array;

    #[test]
    fn half_precision_holds_eleven_digits() {
        let held = [1.0, -0.5, 2049.0 - 1.0, 65504.0, 2f64.powi(-24), 1.0 + 2f64.powi(-10), 0.0];
        assert!(held.iter().all(|&x| is_held(Some(proto::FLOAT16), x)));
        let lost = [0.1, 2049.0, 65536.0, 2f64.powi(-25), 1.0 + 2f64.powi(-11), f64::INFINITY, f64::NAN];
        assert!(lost.iter().all(|&x| !is_held(Some(proto::FLOAT16), x)));
        assert!(is_held(Some(proto::BFLOAT16), 1.0 + 2f64.powi(-7)) && !is_held(Some(proto::BFLOAT16), 257.0));
    }

    #[test]
    fn small_integers_take_a_byte_each_and_are_read_back() {
        let weight = array![[1i8, -1, 127], [-128, 0, 5]];
        let mut writer = OnnxWriter::input(&[3]);
        writer.gemm_int8(weight.view(), &[]).sign().gemm_int8(array![[3i8, -2]].view(), &[0.5]);
        let model = parse(&writer.finish(&[1]), "bytes.onnx").unwrap();
        // z = (1 − 2 + 254, −128 + 10) = (253, −118).
        assert_eq!(model.network.evaluate(&[1.0, 2.0, 2.0]), Ok(vec![3.0 + 2.0 + 0.5]));
        let long = |n: usize| {
            let mut writer = OnnxWriter::input(&[n]);
            writer.gemm_int8(ndarray::Array2::ones((4, n)).view(), &[]).finish(&[4]).len()
        };
        assert!(long(1000) - long(500) < 2100);
    }
}
