"""Measures by how many units in the last place onnxruntime's functions are off in float32:
python scripts/function_errors.py [SAMPLES]

Takes onnx, onnxruntime and scipy. Prints for each function the largest error in units of the exact value, and of 1 where
that is larger; `--assume-ulps` counts the first for Exp and Pow, and the second for the others (docs/float32.md).
"""

import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from scipy import special

FUNCTIONS = {
    "Exp": (np.exp, -86, 88),
    "Sigmoid": (special.expit, -90, 90),
    "Tanh": (np.tanh, -12, 12),
    "Softplus": (lambda x: np.logaddexp(0, x), -30, 90),
    "Elu": (lambda x: np.where(x > 0, x, np.expm1(x)), -20, 20),
    "Erf": (special.erf, -6, 6),
    "Sin": (np.sin, -50, 50),
    "Cos": (np.cos, -50, 50),
    "Atan": (np.arctan, -50, 50),
    "Log": (np.log, 1e-30, 100),
}


def answers(operator, x, exponent=None):
    """What the runtime makes of x."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, len(x)])]
    constants = [] if exponent is None else [helper.make_tensor("p", TensorProto.FLOAT, [], [exponent])]
    node = helper.make_node(operator, ["x"] + [c.name for c in constants], ["y"])
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, len(x)])]
    model = helper.make_model(
        helper.make_graph([node], "function", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=9,
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x[None]})[0][0].astype(np.float64)


def largest(y, exact):
    """The largest error in units in the last place of the exact value, and of 1 where that is larger."""
    unit = 2.0 ** (np.floor(np.log2(np.maximum(np.abs(exact), 2.0**-126))) - 23)
    return [(np.abs(y - exact) / of).max() for of in (unit, np.maximum(unit, 2.0**-23))]


def main():
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    dice = np.random.default_rng(0)
    print(f"onnxruntime {onnxruntime.__version__}, {samples} samples: units of the value, of 1 where larger")
    for name, (function, low, high) in FUNCTIONS.items():
        wide, near = dice.uniform(low, high, samples), dice.uniform(max(low, -1), min(high, 2), samples)
        x = np.concatenate([wide, near, near * 10.0 ** -dice.uniform(0, 12, samples)]).astype(np.float32)
        x = x[(x >= low) & (x <= high)]
        print("{:9} {:14.2f} {:6.2f}".format(name, *largest(answers(name, x), function(x.astype(np.float64)))))
    for exponent in (2, 3, 7, 0.5, -1, -2):
        x = dice.uniform(0.01, 20, samples).astype(np.float32)
        exact = x.astype(np.float64) ** exponent
        print("{:9} {:14.2f} {:6.2f}".format(f"Pow {exponent}", *largest(answers("Pow", x, exponent), exact)))


if __name__ == "__main__":
    main()
