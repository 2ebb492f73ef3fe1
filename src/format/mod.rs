//! One file per file format, lowering to a network, a query or images.

pub mod images;
pub mod json_query;
pub mod onnx;
pub mod opb;
pub mod vnnlib;
