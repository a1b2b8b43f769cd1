#!/usr/bin/env python3
"""Writes crates/nn/tests/losses.json: values and gradients of Keras's losses.

KERAS_BACKEND=jax losses.py FILE [SEED COUNT]

Besides the cases that are written out, COUNT of each class (4) have settings, shapes, weights and masks from chance.
"""

import json
import sys

import jax
import numpy as np
from keras import losses, ops
from keras.src.losses.loss import reduce_weighted_values, squeeze_or_expand_to_same_rank

SEED, COUNT = [int(given) for given in sys.argv[2:4]] or [3, 4]
RANDOM = np.random.default_rng(SEED)


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
    # JAX takes labels only where they have the shape of the first axes, whatever the axis of the classes.
    "SparseCategoricalCrossentropy": [({"axis": 1, "reduction": "sum"}, labels(4, 2, 4), shares(2, 4, 4))],
    "CategoricalHinge": [({"reduction": "mean_with_sample_weight"}, one_hot(4, 2, 3), numbers(2, 3, 4))],
    "Tversky": [({"reduction": "sum"}, bits(5, 3), shares(5, 3))],
}


REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight"]
MARGINS = dict(label_smoothing=[0.0, 0.1, 0.4])
LOGITS = dict(from_logits=[False, True])
FOCAL = MARGINS | LOGITS | dict(gamma=[0.0, 1.0, 2.0, 2.5], alpha=[0.25, 0.1, 0.8])


def regression(low=-1.5):
    return lambda shape, axis: (numbers(*shape, low=low), numbers(*shape, low=low))


def binary(shape, axis):
    return bits(*shape), numbers(*shape, low=0.02, high=0.98)


def hot(shape, axis):
    """Classes along an axis."""
    y_true, y_pred = one_hot(shape[-1], *shape[:-1]), shares(*shape)
    return np.moveaxis(y_true, -1, axis), np.moveaxis(y_pred, -1, axis)


def sparse(shape, axis):
    y_pred = shares(*shape)
    shape = list(shape[:-1]) + [1] * int(RANDOM.random() < 0.3 and axis == -1)
    return labels(y_pred.shape[axis], *shape), y_pred


# Of each class: what makes targets and predictions, and what its settings may be besides the reduction.
SPECS = {
    "MeanSquaredError": (regression(), {}), "MeanAbsoluteError": (regression(), {}), "MeanAbsolutePercentageError": (regression(), {}),
    "MeanSquaredLogarithmicError": (regression(0.1), {}), "LogCosh": (regression(), {}), "Huber": (regression(), dict(delta=[0.2, 0.7, 1.0, 3.0])),
    "CosineSimilarity": (regression(), dict(axis=[-1, 1])),
    "Hinge": (lambda shape, axis: (bits(*shape), numbers(*shape)), {}), "SquaredHinge": (lambda shape, axis: (bits(*shape) * 2 - 1, numbers(*shape)), {}),
    "CategoricalHinge": (lambda shape, axis: (one_hot(shape[-1], *shape[:-1]), numbers(*shape)), {}),
    "KLDivergence": (lambda shape, axis: (shares(*shape), shares(*shape)), {}), "Poisson": (regression(0.1), {}),
    "BinaryCrossentropy": (binary, MARGINS | LOGITS | dict(axis=[-1, 1])),
    "BinaryFocalCrossentropy": (binary, FOCAL | dict(axis=[-1, 1], apply_class_balancing=[False, True])),
    "CategoricalCrossentropy": (hot, MARGINS | LOGITS | dict(axis=[-1, 1])), "CategoricalFocalCrossentropy": (hot, FOCAL | dict(axis=[-1, 1])),
    "SparseCategoricalCrossentropy": (sparse, LOGITS | dict(ignore_class=[None, 0, 1, -1], axis=[-1, 1])),
    "CategoricalGeneralizedCrossEntropy": (lambda shape, axis: (labels(shape[-1], shape[0]), shares(shape[0], shape[-1])), dict(q=[0.1, 0.5, 0.9])),
    "Dice": (binary, dict(axis=[None, -1, 1, (0, 1)])), "Tversky": (binary, dict(axis=[None, -1, 1, (0, 1)], alpha=[0.5, 0.1], beta=[0.5, 0.7])),
    "Circle": (lambda shape, axis: (labels(3, 8), unit(8, 4)), dict(gamma=[80.0, 10.0], margin=[0.4, 0.1], remove_diagonal=[True, True, False])),
    "CTC": (lambda shape, axis: (padded(), numbers(3, int(RANDOM.integers(4, 8)), 4)), {}),
}
SHAPES = [(4, 3), (2, 3, 4), (2, 4, 4), (3, 2, 4, 3), (5, 1), (1, 4), (6,)]


def chance(name):
    """Settings, shapes, weights and a mask that chance draws."""
    make, spec = SPECS[name]
    while True:
        config = {key: choices[RANDOM.integers(len(choices))] for key, choices in spec.items() if RANDOM.random() < 0.7}
        config["reduction"] = REDUCTIONS[RANDOM.integers(4)]
        shape = SHAPES[RANDOM.integers(len(SHAPES))]
        try:
            y_true, y_pred = make(shape, config.get("axis", -1))
            values = getattr(losses, name)(**config | {"reduction": "none"})(y_true, y_pred)
            ways = [None] + [values.shape[:rank] for rank in range(1, len(values.shape) + 1)] + [(*values.shape, 1)]
            way = ways[RANDOM.integers(len(ways))]
            weights = None if way is None else numbers(*way, low=0.0, high=2.0)
            way = ways[RANDOM.integers(len(ways) - 1)]
            mask = None if way is None else RANDOM.random(way) < 0.6
            return case(name, config, y_true, y_pred.astype("float32"), weights, mask)
        except (ValueError, TypeError, IndexError):
            continue  # what does not fit together


def case(name, config, y_true, y_pred, weights=None, mask=None):
    if weights is True:
        weights = numbers(*y_true.shape[:1], low=0.2, high=2.0)
    elif weights is False:
        weights = None
    loss = getattr(losses, name)(**config)

    def compute(p):
        if mask is None:
            return loss(y_true, p, weights)
        # A mask comes with a prediction, which cannot hold one while it is traced.
        values = loss.call(*squeeze_or_expand_to_same_rank(ops.convert_to_tensor(y_true), p))
        counted = getattr(values, "_keras_mask", None)
        both = mask if counted is None else np.logical_and(mask, counted)
        return reduce_weighted_values(values, sample_weight=weights, mask=both, reduction=loss.reduction, dtype="float32")

    value, gradient = jax.value_and_grad(compute)(ops.convert_to_tensor(y_pred))
    kind = "int64" if y_true.dtype.kind == "i" else "float32"
    found = {
        "class": name, "config": loss.get_config() | config, "true_dtype": kind,
        "true_shape": list(y_true.shape), "true": np.asarray(y_true, float).ravel().tolist(),
        "pred_shape": list(y_pred.shape), "pred": y_pred.astype("float32").ravel().tolist(),
        "value": float(value), "gradient": np.asarray(gradient).ravel().tolist(),
    }
    if weights is not None:
        found |= {"weights": weights.ravel().tolist(), "weights_shape": list(weights.shape)}
    if mask is not None:
        found |= {"mask": mask.ravel().astype(int).tolist(), "mask_shape": list(mask.shape)}
    return found


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
    cases += [chance(name) for name in SPECS for _ in range(COUNT)]
    with open(sys.argv[1], "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(one) for one in cases) + "\n]\n")


main()
