//! One file per file format, lowering to a network, a query or images. Files in the gzip format are read
//! as what they hold.

pub mod certificate;
pub(crate) mod file;
pub mod fingerprint;
pub mod images;
pub mod json_query;
pub mod onnx;
pub mod opb;
pub mod patterns;
pub mod vnnlib;
