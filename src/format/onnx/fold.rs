//! Constants of operators that are lowered for data: the exact value of a network of that one operator.

use super::constant::Constant;
use super::fault::Fault;
use super::lowering::{Lowering, Operator, Tensor, Value, finite};
use super::softmax;
use crate::domains::activation::Piece;
use crate::domains::network::{Coefficients, EvaluateError, Network, NodeKind};
use crate::domains::num::{Interval, Rational, enclose};

/// What `lower` makes of an operator all of whose operands are constants.
pub(super) fn folded(
    op: &Operator,
    net: &mut Lowering,
    lower: fn(&Operator, &mut Lowering) -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    let reads_data = op.inputs.iter().flatten().any(|v| matches!(v, Value::Tensor(_)));
    let data = match op.value(0)? {
        Value::Constant(data) if !reads_data => data,
        _ => return lower(op, net),
    };
    finite(data, 0)?;
    let mut alone = net.alone(&data.shape)?;
    let mut inputs = op.inputs.clone();
    let x = Tensor::new(alone.builder.input(), data.shape.clone());
    inputs[0] = Some(Tensor { of_integers: data.integer, ..x }.into());
    let op = op.with(inputs);
    let result = lower(&op, &mut alone);
    net.take_back(&alone);
    let result = match result? {
        Value::Tensor(result) => softmax::whole(&op, &mut alone, &result)?,
        constant => return Ok(constant),
    };
    net.take_back(&alone);
    let network = alone.builder.finish(result.node, &result.shape)?;
    let values = match data.values.is_exact() && chooses(&network) {
        true => Coefficients::floats(network.evaluate(data.values.values()).map_err(|e| Fault::from(e.to_string()))?),
        false => {
            let known =
                |i: usize| data.values.rational(i).ok_or_else(|| Fault::from("a constant is known only approximately"));
            let x: Vec<Rational> = (0..data.len()).map(known).collect::<Result<_, _>>()?;
            net.rounds_constants |= !data.integer;
            let fault = |e: EvaluateError| Fault::from(e.to_string());
            if network.has_curves() {
                let x: Vec<Interval> = x.iter().map(enclose).collect();
                Coefficients::enclosed(network.evaluate(&x).map_err(fault)?)
            } else {
                Coefficients::rationals(network.evaluate(&x).map_err(fault)?)
            }
        }
    };
    let has_curves = network.has_curves();
    net.rounds_constants |= has_curves;
    Ok(net.computed(Constant { shape: result.shape, values, integer: data.integer && !has_curves }))
}

/// Whether the network only applies functions whose pieces are constants or the identity, which is exact in floats.
fn chooses(network: &Network) -> bool {
    network.nodes().iter().all(|node| match &node.kind {
        NodeKind::Input => true,
        NodeKind::Affine(_) | NodeKind::Product(_) => false,
        NodeKind::Activation(a) => {
            let chooses = |p: &Piece| p.slope == 0.0 || p.slope == 1.0 && p.intercept == 0.0;
            a.function.pieces().is_some_and(|pieces| pieces.iter().all(chooses))
        }
    })
}
