//! Every operator of the standard that is not read is named, with its node.

use absint::format::onnx::{OnnxWriter, parse};

/// The operators of the standard domain, up to operator set 21 (23 to 25 add operators that are not read).
const STANDARD: &str = "\
Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Bernoulli \
BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike Ceil Celu CenterCropPad Clip Col2Im \
Compress Concat ConcatFromSequence Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DFT \
DeformConv DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand \
EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool \
Greater GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity \
If ImageDecoder InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log \
LogSoftmax Loop LpNormalization LpPool MatMul MatMulInteger Max MaxPool MaxRoiPool MaxUnpool Mean \
MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul Multinomial Neg NegativeLogLikelihoodLoss \
NonMaxSuppression NonZero Not OneHot Optional OptionalGetElement OptionalHasElement Or PRelu Pad Pow QLinearConv \
QLinearMatMul QuantizeLinear RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal \
ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare \
RegexFullMatch Relu Reshape Resize ReverseSequence RoiAlign Round STFT Scan Scatter ScatterElements ScatterND Selu \
SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap Shape Shrink \
Sigmoid Sign Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split SplitToSequence \
Sqrt Squeeze StringConcat StringNormalizer StringSplit Sub Sum Tan Tanh TfIdfVectorizer ThresholdedRelu Tile TopK \
Transpose Trilu Unique Unsqueeze Upsample Where Xor";

/// The operators that a message says are supported.
fn supported(message: &str) -> Vec<&str> {
    message.rsplit_once("supported operators: ").map(|(_, list)| list.split(", ").collect()).unwrap()
}

fn complaint(operator: &str, node: usize) -> Option<String> {
    let mut writer = OnnxWriter::input(&[2]);
    for _ in 0..node {
        writer.relu();
    }
    let x = writer.current().to_owned();
    writer.node(operator, &[&x], &[]);
    parse(&writer.finish(&[2]), "net.onnx").err().map(|e| e.to_string())
}

#[test]
fn every_operator_outside_of_the_list_is_named_with_its_node() {
    let list = complaint("Ceil", 0).unwrap();
    let (mut refused, mut read) = (0, 0);
    for (i, operator) in STANDARD.split(' ').enumerate() {
        let message = complaint(operator, i % 4).unwrap_or_default();
        if supported(&list).contains(&operator) {
            assert!(!message.contains("is not supported; supported operators"), "{operator}: {message}");
            read += 1;
        } else {
            let start = format!("net.onnx: node `{operator}_{}`: operator `{operator}` is not supported; ", i % 4);
            assert!(message.starts_with(&start), "{operator}: {message}");
            refused += 1;
        }
    }
    // The signum of QONNX is the one supported operator outside of the standard.
    assert_eq!((read, read + refused), (supported(&list).len() - 1, STANDARD.split(' ').count()));
}
