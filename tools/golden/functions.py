#!/usr/bin/env python3
"""Writes crates/nn/tests/functions.json: Keras's activations, regularizers, constraints and plain initializers.

KERAS_BACKEND=jax functions.py FILE
"""

import json
import sys

import numpy as np
from keras import activations, constraints, initializers, ops, regularizers

RANDOM = np.random.default_rng(5)
X = np.concatenate([RANDOM.uniform(-4, 4, 20), [0.0, -0.5, 0.5, 1.0, -1.0, 3.0, -3.0, 6.0, 7.5, -30.0, 30.0, -2.0]]).reshape(4, 8).astype("float32")
W = RANDOM.uniform(-2, 2, (3, 4)).astype("float32")
KERNEL = RANDOM.uniform(-2, 2, (2, 2, 3, 2)).astype("float32")

PLAIN = """celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
log_softmax mish relu relu6 selu sigmoid silu swish soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax
squareplus tanh tanh_shrink""".split()
WITH = [
    ("relu", {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.5}), ("relu", {"max_value": 1.0}), ("relu", {"threshold": 1.0}),
    ("leaky_relu", {"negative_slope": 0.05}), ("leaky_relu", {"negative_slope": 0.6}), ("elu", {"alpha": 0.3}), ("elu", {"alpha": 2.0}),
    ("celu", {"alpha": 0.3}), ("celu", {"alpha": 2.0}), ("gelu", {"approximate": True}), ("hard_shrink", {"threshold": 1.5}),
    ("soft_shrink", {"threshold": 1.5}), ("squareplus", {"b": 0.5}), ("glu", {"axis": 0}), ("softmax", {"axis": 0}),
    ("log_softmax", {"axis": 0}), ("sparsemax", {"axis": 0}), ("log_softmax", {"axis": -2}), ("sparsemax", {"axis": -2}),
    ("softmax", {"axis": -2}), ("glu", {"axis": -2}), ("hard_shrink", {"threshold": 0.2}), ("soft_shrink", {"threshold": 0.1}), ("squareplus", {"b": 9.0}), ("threshold", {"threshold": 0.5, "default_value": -2.0}),
    ("threshold", {"threshold": -1.0, "default_value": 9.0}),
]
REGULARIZERS = [
    ("L1", {}), ("L1", {"l1": 0.3}), ("L2", {}), ("L2", {"l2": 0.7}), ("L1L2", {}), ("L1L2", {"l1": 0.1, "l2": 0.2}),
    ("OrthogonalRegularizer", {}), ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}), ("OrthogonalRegularizer", {"factor": 2.0}),
]
CONSTRAINTS = [
    ("MaxNorm", {}), ("MaxNorm", {"max_value": 1.0, "axis": 1}), ("NonNeg", {}), ("UnitNorm", {}), ("UnitNorm", {"axis": 1}),
    ("MinMaxNorm", {}), ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.5, "rate": 0.3, "axis": 1}), ("MinMaxNorm", {"min_value": 3.0, "max_value": 4.0}),
]
INITIALIZERS = [("Zeros", {}, [2, 3]), ("Ones", {}, [3]), ("Constant", {"value": 0.5}, [2, 2]), ("Constant", {}, [2]), ("Identity", {}, [2, 3]), ("Identity", {"gain": 0.5}, [3, 3]), ("Identity", {"gain": -2.0}, [3, 2])]


def numbers(array):
    array = np.asarray(array)
    return {"shape": list(array.shape), "values": array.astype("float64").ravel().tolist()}


def main():
    found = {"x": numbers(X), "weights": [numbers(W), numbers(KERNEL)], "activations": [], "regularizers": [], "constraints": [], "initializers": []}
    for name, config in [(name, {}) for name in PLAIN] + WITH:
        found["activations"].append({"name": name, "config": config, "y": numbers(getattr(activations, name)(X, **config))})
    for name, config in REGULARIZERS:
        regularizer = getattr(regularizers, name)(**config)
        values = [float(regularizer(ops.convert_to_tensor(w))) for w in ([W] if name.startswith("Orth") else [W, KERNEL])]
        found["regularizers"].append({"keras": {"module": "keras.regularizers", "class_name": name, "config": regularizer.get_config(), "registered_name": None}, "bare": not config, "values": values})
    for name, config in CONSTRAINTS:
        constraint = getattr(constraints, name)(**config)
        found["constraints"].append({"keras": {"module": "keras.constraints", "class_name": name, "config": constraint.get_config(), "registered_name": None}, "bare": not config, "values": [numbers(constraint(ops.convert_to_tensor(w))) for w in (W, KERNEL)]})
    for name, config, shape in INITIALIZERS:
        initializer = getattr(initializers, name)(**config)
        found["initializers"].append({"keras": {"module": "keras.initializers", "class_name": name, "config": initializer.get_config() | config, "registered_name": None}, "y": numbers(initializer(shape))})
    with open(sys.argv[1], "w") as file:
        json.dump(found, file)
        file.write("\n")


main()
