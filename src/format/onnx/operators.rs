//! Every supported operator.

use super::constant::Constant;
use super::fault::Fault;
use super::fold::folded;
use super::lowering::{Lowering, Operator, Tensor, Value};
use super::proto::{BFLOAT16, BOOL, DOUBLE, FLOAT, FLOAT16};
use super::{activations, arithmetic, choice, conv, conv_transpose, extremum, logic, matrix, normalise, pooling};
use super::{quantize, reduce, reshape, resize, select, smooth, softmax};

/// Lowers one operator: its result, given its operands.
type Lower = fn(&Operator, &mut Lowering) -> Result<Value, Fault>;

/// How an operator is lowered.
#[derive(Clone, Copy)]
enum Rule {
    /// Data or constants.
    Any(Lower),
    /// Data; constants are computed by the same.
    Data(Lower),
    /// To several results.
    Several(fn(&Operator, &mut Lowering) -> Result<Vec<Value>, Fault>),
}

use Rule::{Any, Data, Several};

/// Every supported operator: adding one is a function and its line here.
const OPERATORS: &[(&str, Rule)] = &[
    ("Abs", Data(extremum::abs)),
    ("Add", Any(arithmetic::add)),
    ("And", Any(logic::and)),
    ("ArgMax", Data(choice::arg_max)),
    ("ArgMin", Data(choice::arg_min)),
    ("Atan", Data(smooth::atan)),
    ("AveragePool", Data(pooling::average_pool)),
    ("BatchNormalization", Data(normalise::batch_normalization)),
    (BIPOLAR, Any(activations::bipolar)),
    ("Cast", Any(reshape::cast)),
    ("Clip", Data(activations::clip)),
    ("Concat", Any(select::concat)),
    ("Constant", Any(reshape::constant)),
    ("ConstantOfShape", Any(logic::constant_of_shape)),
    ("Conv", Data(conv::conv)),
    ("ConvTranspose", Data(conv_transpose::conv_transpose)),
    ("Cos", Data(smooth::cos)),
    ("DequantizeLinear", Any(quantize::dequantize)),
    ("Div", Any(arithmetic::div)),
    ("Dropout", Any(reshape::dropout)),
    ("Elu", Data(smooth::elu)),
    ("Equal", Any(logic::equal)),
    ("Erf", Data(smooth::erf)),
    ("Exp", Data(smooth::exp)),
    ("Expand", Any(select::expand)),
    ("Flatten", Any(reshape::flatten)),
    ("Floor", Data(activations::floor)),
    ("Gather", Any(select::gather)),
    ("Gelu", Data(smooth::gelu)),
    ("Gemm", Data(matrix::gemm)),
    ("GlobalAveragePool", Data(pooling::global_average_pool)),
    ("Greater", Any(logic::greater)),
    ("GreaterOrEqual", Any(logic::greater_or_equal)),
    ("HardSigmoid", Data(smooth::hard_sigmoid)),
    ("Identity", Any(reshape::identity)),
    ("LayerNormalization", Data(normalise::layer_normalization)),
    ("LeakyRelu", Data(activations::leaky_relu)),
    ("Less", Any(logic::less)),
    ("LessOrEqual", Any(logic::less_or_equal)),
    ("Log", Data(smooth::log)),
    ("LogSoftmax", Data(softmax::log_softmax)),
    ("MatMul", Data(matrix::matmul)),
    ("Max", Any(extremum::max)),
    ("MaxPool", Data(pooling::max_pool)),
    ("Min", Any(extremum::min)),
    ("Mul", Any(arithmetic::mul)),
    ("Neg", Any(arithmetic::neg)),
    ("Not", Any(logic::not)),
    ("Or", Any(logic::or)),
    ("PRelu", Data(extremum::prelu)),
    ("Pad", Any(select::pad)),
    ("Pow", Any(smooth::pow)),
    ("QuantizeLinear", Data(quantize::quantize)),
    ("Reciprocal", Any(smooth::reciprocal)),
    ("ReduceMean", Data(reduce::reduce_mean)),
    ("ReduceSum", Data(reduce::reduce_sum)),
    ("Relu", Data(activations::relu)),
    ("Reshape", Any(reshape::reshape)),
    ("Resize", Any(resize::resize)),
    ("Round", Data(activations::round)),
    ("Shape", Any(reshape::shape_of)),
    ("Sigmoid", Data(smooth::sigmoid)),
    ("Sign", Data(activations::sign)),
    ("Sin", Data(smooth::sin)),
    ("Slice", Any(select::slice)),
    ("Softmax", Data(softmax::softmax)),
    ("Softplus", Data(smooth::softplus)),
    ("Softsign", Data(smooth::softsign)),
    ("Split", Several(select::split)),
    ("Sqrt", Any(smooth::sqrt)),
    ("Squeeze", Any(reshape::squeeze)),
    ("Sub", Any(arithmetic::sub)),
    ("Sum", Any(extremum::sum)),
    ("Tanh", Data(smooth::tanh)),
    ("Transpose", Any(select::transpose)),
    ("Unsqueeze", Any(reshape::unsqueeze)),
    ("Upsample", Any(resize::resize)),
    ("Where", Any(logic::choose)),
];

/// The signum that QONNX adds to the standard operators, in the domains of its writers.
const BIPOLAR: &str = "BipolarQuant";
const QONNX: &[&str] = &["onnx.brevitas", "qonnx.custom_op.general"];

/// The operators whose float32 execution is not modelled, whatever their operands.
const REAL_ONLY: &[&str] = &["Gelu", "LayerNormalization"];

/// The standard operators that are supported, in alphabetical order, and whether any network of them has a float32
/// execution that is modelled.
pub fn operators() -> impl Iterator<Item = (&'static str, bool)> {
    let standard = OPERATORS.iter().map(|(name, _)| *name).filter(|name| *name != BIPOLAR);
    standard.map(|name| (name, !REAL_ONLY.contains(&name)))
}

/// The operators that keep the order of all entries, and so may follow a dropped Softmax; Cast does to floats alone.
const KEEP_ORDER: &[&str] = &["Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// The operators that read no more than the order of the entries.
const READ_ORDER: &[&str] = &["ArgMax", "ArgMin"];

/// The operators that put entries in other places and change none.
const MOVE: &[&str] =
    &["Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"];

/// The operators that give integers of 8 or 16 bits some of those that they read.
const CHOOSE: &[&str] = &["Clip", "Concat", "Dropout", "Max", "MaxPool", "Min", "Where"];

/// The other operators that may read such integers: none of them computes in the same type.
const READ_NARROW: &[&str] = &[
    "ArgMax",
    "ArgMin",
    "Cast",
    "DequantizeLinear",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Shape",
    "Sign",
];

/// What the standard operator set is called.
pub(super) fn is_standard(domain: Option<&str>) -> bool {
    matches!(domain, None | Some("" | "ai.onnx"))
}

/// Lowers an operator of this name and domain to its results.
pub(super) fn lower(name: &str, domain: Option<&str>, op: &Operator, net: &mut Lowering) -> Result<Vec<Value>, Fault> {
    let in_domain = if name == BIPOLAR { domain.is_some_and(|d| QONNX.contains(&d)) } else { is_standard(domain) };
    let Some((_, rule)) = OPERATORS.iter().find(|(known, _)| *known == name && in_domain) else {
        let domain = domain.filter(|_| !is_standard(domain)).map(|d| format!(" of domain `{d}`")).unwrap_or_default();
        let supported: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
        let supported = supported.join(", ");
        return Err(format!("operator `{name}`{domain} is not supported; supported operators: {supported}").into());
    };
    let reads_narrow = op.inputs.iter().flatten().any(|v| matches!(v, Value::Tensor(t) if t.narrow));
    let keeps_narrow = MOVE.contains(&name) || CHOOSE.contains(&name);
    if reads_narrow && !keeps_narrow && !READ_NARROW.contains(&name) {
        let what = "on integers of 8 or 16 bits it may wrap around, which is not supported; put a DequantizeLinear or a Cast \
                    to float in front of it";
        return Err(what.into());
    }
    let after_softmax = op.inputs.iter().flatten().any(|v| matches!(v, Value::Tensor(t) if t.softmax.is_some()));
    let computed;
    let keeps_order = KEEP_ORDER.contains(&name) && (name != "Cast" || !gives_integers(name, op));
    let op = if after_softmax && !keeps_order && !READ_ORDER.contains(&name) {
        computed = softmax::computed(op, net)?;
        &computed
    } else {
        op
    };
    let mut results = match rule {
        Any(lower) => vec![lower(op, net)?],
        Data(lower) => vec![folded(op, net, *lower)?],
        Several(lower) => lower(op, net)?,
    };
    let (of_integers, truths) = (gives_integers(name, op), gives_truths(name, op));
    for result in &mut results {
        match result {
            Value::Tensor(tensor) => {
                (tensor.of_integers, tensor.truths) = (of_integers, truths);
                tensor.narrow = name == "QuantizeLinear" || (reads_narrow && keeps_narrow);
            }
            Value::Constant(c) if READ_ORDER.contains(&name) || name == "QuantizeLinear" => {
                *result = Constant { integer: true, ..Constant::clone(c) }.into();
            }
            Value::Constant(_) => {}
        }
    }
    Ok(results)
}

/// Whether the results of an operator are truths.
fn gives_truths(name: &str, op: &Operator) -> bool {
    match name {
        "Cast" => op.attributes.int("to", 0) == i64::from(BOOL),
        "And" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Not" | "Or" => true,
        _ => MOVE.contains(&name) && matches!(op.optional(0), Some(Value::Tensor(Tensor { truths: true, .. }))),
    }
}

/// Whether the results of an operator are of an integer type or truths.
fn gives_integers(name: &str, op: &Operator) -> bool {
    let is_of_integers = |i: usize| op.optional(i).is_some_and(Value::is_of_integers);
    match name {
        "Cast" => ![FLOAT, FLOAT16, BFLOAT16, DOUBLE].map(i64::from).contains(&op.attributes.int("to", 0)),
        "ArgMax" | "ArgMin" | "QuantizeLinear" => true,
        "DequantizeLinear" => false,
        _ if gives_truths(name, op) => true,
        "Where" => is_of_integers(1),
        _ => is_of_integers(0),
    }
}
