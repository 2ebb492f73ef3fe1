//! All variants of all errors that a user can meet, by name.

use absint::AnalyzeError;
use absint::analyze::UnknownMethod;
use absint::campaign::{JournalProblem, MergeError};
use absint::campaign::{RadiusError, WorkerError};
use absint::check::CheckError;
use absint::compare::CompareError;
use absint::domains::domain::DomainError;
use absint::domains::network::NetworkError;
use absint::domains::num::ParseDecimalError;
use absint::domains::query::RegionError;
use absint::exact::signum::SignumError;
use absint::format::images::ImagesProblem;
use absint::format::json_query::JsonQueryProblem;
use absint::format::onnx::OnnxError;
use absint::format::opb::OpbError;
use absint::format::vnnlib::VnnlibProblem;

/// A function from an error to its kind, and the list of these kinds, from one table.
macro_rules! kinds {
    ($($function:ident, $stage:literal: $error:ident { $($pattern:pat => $kind:literal),* $(,)? })*) => {
        $(
            #[allow(dead_code)]
            pub fn $function(error: &$error) -> &'static str {
                use $error::*;
                match error { $($pattern => concat!($stage, ".", $kind)),* }
            }
        )*

        /// Every kind.
        pub fn all() -> Vec<&'static str> {
            vec![$($(concat!($stage, ".", $kind)),*),*]
        }
    };
}

kinds! {
    onnx, "onnx": OnnxError {
        Io { .. } => "io",
        Protobuf { .. } => "protobuf",
        Model { .. } => "model",
        Node { .. } => "node",
        Network { .. } => "network",
    }
    network, "network": NetworkError {
        Shape { .. } => "shape",
        NotFinite { .. } => "not-finite",
        Geometry { .. } => "geometry",
        Graph { .. } => "graph",
    }
    vnnlib, "vnnlib": VnnlibProblem {
        Unreadable(_) => "unreadable",
        TooLong(_) => "too-long",
        NotUtf8 => "not-utf8",
        Unexpected { .. } => "unexpected",
        TooDeep(_) => "too-deep",
        UnknownCommand(_) => "unknown-command",
        UnknownFormula(_) => "unknown-formula",
        Unequal => "unequal",
        UnknownOperator(_) => "unknown-operator",
        BadName(_) => "bad-name",
        BadSort(_) => "bad-sort",
        DeclaredTwice(_) => "declared-twice",
        Undeclared(_) => "undeclared",
        Gap { .. } => "gap",
        Version(_) => "version",
        LateNetwork => "late-network",
        NoNetworks => "no-networks",
        Incomplete { .. } => "incomplete",
        UnknownNetwork(_) => "unknown-network",
        Chained(_) => "chained",
        OtherInterface(_) => "other-interface",
        HalfNamed(_) => "half-named",
        BadTensorName(_) => "bad-tensor-name",
        TensorOrder(_) => "tensor-order",
        ElementType(_) => "element-type",
        Shape => "shape",
        UndeclaredTensor(_) => "undeclared-tensor",
        Index { .. } => "index",
        NoInputs => "no-inputs",
        NoAssertions => "no-assertions",
        Number(_) => "number",
        NotLinear => "not-linear",
        Division => "division",
        Huge(_) => "huge",
        Unbounded { .. } => "unbounded",
        Empty(_) => "empty",
        TooLarge { .. } => "too-large",
        Region(_) => "region",
    }
    json, "json": JsonQueryProblem {
        Unreadable(_) => "unreadable",
        TooLong => "too-long",
        Json(_) => "json",
        Schema(_) => "schema",
        Missing { .. } => "missing",
        Superfluous { .. } => "superfluous",
        LabelOrUnsafe => "label-or-unsafe",
        Index { .. } => "index",
        NotTwoValued(_) => "not-two-valued",
        Domain => "domain",
        OutsideDomain(_) => "outside-domain",
        Region(_) => "region",
    }
    number, "number": ParseDecimalError {
        Malformed(_) => "malformed",
        Exponent(_) => "exponent",
    }
    region, "region": RegionError {
        Empty(_) => "empty",
        Length { .. } => "length",
        Radius => "radius",
    }
    images, "images": ImagesProblem {
        Unreadable(_) => "unreadable",
        TooLong => "too-long",
        NoImages => "no-images",
        Field { .. } => "field",
        Ragged { .. } => "ragged",
        NoPixels => "no-pixels",
        Magic => "magic",
        Length { .. } => "length",
        Dimensions { .. } => "dimensions",
        LabelCount { .. } => "label-count",
        NoLabelFile => "no-label-file",
    }
    opb, "opb": OpbError {
        Unreadable { .. } => "unreadable",
        Malformed { .. } => "malformed",
    }
    journal, "results": JournalProblem {
        Io(_) => "io",
        Exists => "exists",
        Locked => "locked",
        Header { .. } => "header",
        NoHeader => "no-header",
        Line(_) => "line",
        Key(_) => "key",
    }
    merge, "merge": MergeError {
        Read(_) => "read",
        Nothing => "nothing",
        Header { .. } => "header",
        Field { .. } => "field",
        Image { .. } => "image",
        Conflict { .. } => "conflict",
    }
    check, "check": CheckError {
        Malformed { .. } => "malformed",
        NotImplied(_) => "not-implied",
        NoConclusion => "no-conclusion",
    }
    analyze, "analyze": AnalyzeError {
        Domain(_) => "domain",
        Variable { .. } => "variable",
        Signum(_) => "signum",
        NoCertificate => "no-certificate",
        SignumCertificate => "signum-certificate",
        NoProof { .. } => "no-proof",
        ProofRegion => "proof-region",
        ProofNetworks => "proof-networks",
        ProofCurve(_) => "proof-curve",
        Float32Activation(_) => "float32-activation",
        Float32Certificate => "float32-certificate",
        Nothing => "nothing",
    }
    domain, "domain": DomainError {
        OutOfTime => "out-of-time",
        Contradiction { .. } => "contradiction",
        Memory { .. } => "memory",
        Float32 { .. } => "float32",
        Region { .. } => "region",
    }
    signum, "signum": SignumError {
        OutOfTime => "out-of-time",
        Disagreement => "disagreement",
        Activation { .. } => "activation",
        Irrational(_) => "irrational",
        RealInput(_) => "real-input",
        Mixed(_) => "mixed",
        TooLarge(_) => "too-large",
        Linear(_) => "linear",
        Replay => "replay",
    }
    compare, "compare": CompareError {
        Analyze(_) => "analyze",
        Contradiction { .. } => "contradiction",
    }
    radius, "radius": RadiusError {
        Analyze(_) => "analyze",
        Region(_) => "region",
    }
    worker, "worker": WorkerError {
        OutOfTime => "out-of-time",
        Panicked(_) => "panicked",
        NoThreads(_) => "no-threads",
        TakesSubnormalsForZero => "takes-subnormals-for-zero",
    }
}

/// The kinds that no case has: parts of others, or met by no input of the program; and why.
pub const NEVER: &[(&str, &str)] = &[
    ("analyze.proof-networks", "`verify` takes several networks and writes no certificates"),
    ("onnx.network", "the reader refuses the node before; the network builder checks once more"),
    ("network.shape", "only for programs that use `NetworkBuilder`"),
    ("network.not-finite", "only for programs that use `NetworkBuilder`"),
    ("network.geometry", "only for programs that use `NetworkBuilder`"),
    ("network.graph", "only for programs that use `NetworkBuilder`"),
    ("vnnlib.too-long", "takes a file of more than 1 GiB"),
    ("vnnlib.region", "an empty box is `vnnlib.empty`"),
    ("json.too-long", "takes a file of more than 256 MiB"),
    ("number.malformed", "met as `vnnlib.number`, `json.json`, `usage.eps`, `usage.box`"),
    ("number.exponent", "met as `vnnlib.number`, `json.json`, `usage.eps`, `usage.box`"),
    ("region.empty", "met as `json.region`, `usage.box`"),
    ("region.length", "met as `json.region`"),
    ("region.radius", "met as `json.region`"),
    ("images.too-long", "takes a file of more than 4 GiB"),
    ("opb.unreadable", "only for programs that use `format::opb`: `check` has its own reader"),
    ("opb.malformed", "only for programs that use `format::opb`: `check` has its own reader"),
    ("results.key", "a bug: results are written with their key"),
    ("merge.nothing", "the command line asks for a file"),
    ("analyze.variable", "the readers refuse the index before"),
    ("domain.out-of-time", "an answer, no error: unknown"),
    ("domain.contradiction", "a bug: two sound bounds exclude each other"),
    ("domain.memory", "an answer, no error: unknown, and why"),
    ("domain.float32", "an answer, no error: unknown"),
    ("domain.region", "met as `analyze.domain`"),
    ("signum.out-of-time", "an answer, no error: unknown"),
    ("signum.disagreement", "a bug: the two encoders of certificates contradict each other"),
    ("signum.activation", "the engine is only called for signum networks"),
    ("signum.irrational", "met as `analyze.signum`; without `--proof` the query stays unknown"),
    ("signum.real-input", "such regions have no certificates: `analyze.no-certificate`"),
    ("signum.mixed", "such regions have no certificates: `analyze.no-certificate`"),
    ("signum.too-large", "met as `analyze.signum`; without `--proof` the query stays unknown"),
    ("signum.linear", "met as `analyze.signum`; without `--proof` the query stays unknown"),
    ("signum.replay", "a bug: a counterexample that is none"),
    ("compare.contradiction", "a bug: a certified bound above an attained margin"),
    ("radius.analyze", "images and labels are checked before"),
    ("radius.region", "radii are checked before"),
    ("worker.out-of-time", "an answer, no error: `timed-out`"),
    ("worker.panicked", "a bug"),
    ("worker.no-threads", "the system starts no thread"),
    ("worker.takes-subnormals-for-zero", "only where a library has switched the mode on, as PyTorch can"),
];

/// Met as `usage.arguments`: the command line itself reads the name.
#[allow(dead_code)]
fn unknown_domain(error: &UnknownMethod) -> String {
    error.to_string()
}
