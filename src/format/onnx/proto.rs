//! The few protobuf messages of ONNX that absint reads and writes, declared by hand.
//!
//! Field numbers are those of `onnx.proto` (proto2). Fields that are not declared here, subgraphs and
//! training information among them, are skipped when reading. prost refuses a declared length beyond
//! the remaining bytes before it allocates.

use prost::Message;
use prost::bytes::Bytes;

/// A model file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelProto {
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub producer_name: Option<String>,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
}

/// The version of one operator set.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OperatorSetIdProto {
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// The graph: nodes in topological order, constants, inputs and outputs.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// Only counted: sparse tensors are not read.
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<SparseTensorProto>,
}

/// A sparse tensor, of which no field is read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SparseTensorProto {}

/// One operator.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, optional, tag = "3")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub op_type: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    #[prost(string, optional, tag = "7")]
    pub domain: Option<String>,
}

/// The `type` of an attribute that holds one float.
pub(super) const ATTRIBUTE_FLOAT: i32 = 1;
/// The `type` of an attribute that holds one integer.
pub(super) const ATTRIBUTE_INT: i32 = 2;
/// The `type` of an attribute that holds text.
pub(super) const ATTRIBUTE_STRING: i32 = 3;
/// The `type` of an attribute that holds floats.
pub(super) const ATTRIBUTE_FLOATS: i32 = 6;
/// The `type` of an attribute that holds integers.
pub(super) const ATTRIBUTE_INTS: i32 = 7;

/// A named attribute of an operator.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AttributeProto {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(int32, optional, tag = "20")]
    pub r#type: Option<i32>,
}

/// `data_type` of `float32`.
pub(super) const FLOAT: i32 = 1;
/// `data_type` of `uint8`.
pub(super) const UINT8: i32 = 2;
/// `data_type` of `uint16`.
pub(super) const UINT16: i32 = 4;
/// `data_type` of `int16`.
pub(super) const INT16: i32 = 5;
/// `data_type` of `int8`.
pub(super) const INT8: i32 = 3;
/// `data_type` of `int32`.
pub(super) const INT32: i32 = 6;
/// `data_type` of `int64`.
pub(super) const INT64: i32 = 7;
/// `data_type` of `bool`.
pub(super) const BOOL: i32 = 9;
/// `data_type` of IEEE half precision.
pub(super) const FLOAT16: i32 = 10;
/// `data_type` of `float64`.
pub(super) const DOUBLE: i32 = 11;
/// `data_type` of the upper half of a `float32`.
pub(super) const BFLOAT16: i32 = 16;

/// The name of a `data_type`, for messages.
pub(crate) fn type_name(data_type: i32) -> String {
    let known = [
        (FLOAT, "float32"),
        (UINT8, "uint8"),
        (INT8, "int8"),
        (UINT16, "uint16"),
        (INT16, "int16"),
        (INT32, "int32"),
        (INT64, "int64"),
        (8, "string"),
        (BOOL, "bool"),
        (FLOAT16, "float16"),
        (DOUBLE, "float64"),
        (12, "uint32"),
        (13, "uint64"),
        (14, "complex64"),
        (15, "complex128"),
        (BFLOAT16, "bfloat16"),
    ];
    let name = known.iter().find(|(code, _)| *code == data_type).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("type {data_type}"))
}

/// A constant tensor.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, optional, tag = "8")]
    pub name: Option<String>,
    /// Shares the memory of the file.
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub raw_data: Option<Bytes>,
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Where in which other file the data lie.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<EntryProto>,
    /// 1 when the data lie in another file.
    #[prost(int32, optional, tag = "14")]
    pub data_location: Option<i32>,
}

/// A key with its value.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EntryProto {
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// Name and type of an input or output.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfoProto {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// A type; only tensors are read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
}

/// Element type and shape of a tensor.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorTypeProto {
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// A shape.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// One axis: a length, a symbol, or neither.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub dim_param: Option<String>,
}
