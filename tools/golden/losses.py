#!/usr/bin/env python3
"""Writes crates/nn/tests/losses.json: values and gradients of Keras's losses.

KERAS_BACKEND=jax losses.py FILE
"""

import json
import sys

import jax
import numpy as np
from keras import losses, ops

RANDOM = np.random.default_rng(3)


def numbers(*shape, low=-1.5, high=1.5):
    return RANDOM.uniform(low, high, shape).astype("float32")


def shares(*shape):
    values = RANDOM.uniform(0.05, 1, shape).astype("float32")
    return values / values.sum(-1, keepdims=True)


def one_hot(classes, *shape):
    return np.eye(classes, dtype="float32")[RANDOM.integers(0, classes, shape)]


def bits(*shape):
    return RANDOM.integers(0, 2, shape).astype("float32")


def labels(classes, *shape):
    return RANDOM.integers(0, classes, shape)


def unit(*shape):
    values = numbers(*shape)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def padded():
    return np.array([[1, 2, 2, 0], [3, 0, 0, 0], [1, 1, 3, 2]])


PAIRS = {
    "MeanSquaredError": [({}, numbers(5, 3), numbers(5, 3)), ({"reduction": "sum"}, numbers(4), numbers(4, 1))],
    "MeanAbsoluteError": [({}, numbers(5, 3), numbers(5, 3)), ({"reduction": "mean_with_sample_weight"}, numbers(2, 3, 4), numbers(2, 3, 4))],
    "MeanAbsolutePercentageError": [({}, numbers(5, 3), numbers(5, 3)), ({"reduction": "sum"}, np.array([[0, 2], [-1, 0]]), numbers(2, 2))],
    "MeanSquaredLogarithmicError": [({}, numbers(5, 3), numbers(5, 3, low=0.1)), ({"reduction": "sum"}, numbers(3, 1), numbers(3, 1))],
    "LogCosh": [({}, numbers(5, 3), numbers(5, 3)), ({"reduction": "sum"}, numbers(3, 2), 100 * numbers(3, 2))],
    "Huber": [({}, numbers(5, 3), numbers(5, 3)), ({"delta": 0.3}, numbers(5, 3), numbers(5, 3)), ({"delta": 4.0, "reduction": "sum"}, numbers(5, 3), 5 * numbers(5, 3))],
    "CosineSimilarity": [({}, numbers(5, 3), numbers(5, 3)), ({"axis": 1}, numbers(2, 3, 4), numbers(2, 3, 4)), ({"reduction": "sum"}, np.zeros((2, 3)), numbers(2, 3))],
    "Hinge": [({}, bits(5, 3), numbers(5, 3)), ({"reduction": "sum"}, 2 * bits(5, 3) - 1, numbers(5, 3)), ({}, np.array([[0.0, 1.0], [2.0, 1.0]]), numbers(2, 2))],
    "SquaredHinge": [({}, bits(5, 3), numbers(5, 3)), ({"reduction": "sum"}, 2 * bits(5, 3) - 1, numbers(5, 3))],
    "CategoricalHinge": [({}, one_hot(4, 5), numbers(5, 4)), ({"reduction": "sum"}, one_hot(4, 2, 3), numbers(2, 3, 4))],
    "KLDivergence": [({}, shares(5, 3), shares(5, 3)), ({"reduction": "sum"}, one_hot(3, 5), shares(5, 3))],
    "Poisson": [({}, labels(4, 5, 3), numbers(5, 3, low=0.1)), ({"reduction": "sum"}, numbers(5, 3, low=0.1), numbers(5, 3, low=0.1))],
    "BinaryCrossentropy": [({"label_smoothing": 0.2}, bits(5, 3), numbers(5, 3, low=0.1, high=0.9)), ({"from_logits": True, "axis": 1}, bits(2, 3, 4), numbers(2, 3, 4))],
    "BinaryFocalCrossentropy": [
        ({}, bits(5, 3), numbers(5, 3, low=0.1, high=0.9)),
        ({"apply_class_balancing": True, "alpha": 0.4, "gamma": 1.5, "label_smoothing": 0.1}, bits(5, 3), numbers(5, 3, low=0.1, high=0.9)),
        ({"from_logits": True, "gamma": 3.0, "axis": 1}, bits(2, 3, 4), numbers(2, 3, 4)),
    ],
    "CategoricalCrossentropy": [({"label_smoothing": 0.2}, one_hot(4, 5), shares(5, 4)), ({"from_logits": True}, one_hot(4, 2, 3), numbers(2, 3, 4))],
    "CategoricalFocalCrossentropy": [
        ({}, one_hot(4, 5), shares(5, 4)),
        ({"alpha": 0.7, "gamma": 1.0, "label_smoothing": 0.2}, one_hot(4, 5), 2 * shares(5, 4)),
        ({"from_logits": True, "axis": 1}, one_hot(4, 2, 3), numbers(2, 3, 4)),
    ],
    "SparseCategoricalCrossentropy": [({}, labels(4, 5), shares(5, 4)), ({"from_logits": True, "ignore_class": 2}, labels(4, 2, 3), numbers(2, 3, 4))],
    "CategoricalGeneralizedCrossEntropy": [({}, labels(4, 5), shares(5, 4)), ({"q": 0.8, "reduction": "sum"}, labels(4, 5), shares(5, 4))],
    "Dice": [({}, bits(5, 3), shares(5, 3)), ({"axis": [1, 2]}, bits(2, 3, 4), shares(2, 3, 4)), ({"axis": -1, "reduction": "sum"}, bits(5, 3), shares(5, 3))],
    "Tversky": [({}, bits(5, 3), shares(5, 3)), ({"alpha": 0.2, "beta": 0.9, "axis": [1, 2]}, bits(2, 3, 4), shares(2, 3, 4))],
    "Circle": [({}, labels(3, 8), unit(8, 4)), ({"gamma": 8.0, "margin": 0.2, "remove_diagonal": False}, labels(3, 8), unit(8, 4)), ({"reduction": "sum"}, np.arange(4), unit(4, 3))],
    "CTC": [({}, padded(), numbers(3, 9, 4)), ({"reduction": "sum"}, padded(), numbers(3, 5, 4)), ({}, np.zeros((2, 2), int), numbers(2, 3, 4))],
}

# Settings that the pairs above do not have.
MORE = {
    "BinaryCrossentropy": [({"reduction": "sum"}, bits(5, 3), numbers(5, 3, low=0.1, high=0.9))],
    "BinaryFocalCrossentropy": [({"reduction": "sum"}, bits(5, 3), numbers(5, 3, low=0.1, high=0.9))],
    "CategoricalCrossentropy": [
        ({"axis": 1, "reduction": "sum"}, np.moveaxis(one_hot(4, 2, 3), -1, 1), np.moveaxis(shares(2, 3, 4), -1, 1))],
    "CategoricalFocalCrossentropy": [({"reduction": "sum"}, one_hot(4, 5), shares(5, 4))],
    "SparseCategoricalCrossentropy": [({"axis": 1, "reduction": "sum"}, labels(4, 2, 3), np.moveaxis(shares(2, 3, 4), -1, 1))],
    "Tversky": [({"reduction": "sum"}, bits(5, 3), shares(5, 3))],
}


def case(name, config, y_true, y_pred, weighted):
    loss = getattr(losses, name)(**config)
    weights = None
    if weighted:
        ranks = y_true.shape[:1]
        weights = numbers(*ranks, low=0.2, high=2.0)
    value, gradient = jax.value_and_grad(lambda p: loss(y_true, p, weights))(ops.convert_to_tensor(y_pred))
    kind = "int64" if y_true.dtype.kind == "i" else "float32"
    found = {
        "class": name, "config": loss.get_config() | config, "true_dtype": kind,
        "true_shape": list(y_true.shape), "true": np.asarray(y_true, float).ravel().tolist(),
        "pred_shape": list(y_pred.shape), "pred": y_pred.astype("float32").ravel().tolist(),
        "value": float(value), "gradient": np.asarray(gradient).ravel().tolist(),
    }
    return found | ({"weights": weights.tolist()} if weighted else {})


def main():
    cases = []
    for name, pairs in PAIRS.items():
        for i, (config, y_true, y_pred) in enumerate(pairs):
            if y_true.dtype == np.float64:
                y_true = y_true.astype("float32")
            cases.append(case(name, config, y_true, y_pred.astype("float32"), False))
            if i == 0:
                cases.append(case(name, config, y_true, y_pred.astype("float32"), True))
    for name, pairs in MORE.items():
        cases += [case(name, config, y_true, y_pred.astype("float32"), False) for config, y_true, y_pred in pairs]
    with open(sys.argv[1], "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(one) for one in cases) + "\n]\n")


main()
