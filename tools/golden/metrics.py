#!/usr/bin/env python3
"""Writes crates/train/tests/metrics.json: what Keras's metrics say after each of several batches.

KERAS_BACKEND=numpy metrics.py FILE

NaN among thresholds in equal steps and the largest of equal predictions are left out: they depend on the backend.
"""

import json
import sys

import keras
import numpy as np
from keras import losses, metrics

RANDOM = np.random.default_rng(11)
NAN = float("nan")


def numbers(*shape, low=-1.5, high=1.5):
    return RANDOM.uniform(low, high, shape).astype("float32")


def rates(*shape):
    return RANDOM.uniform(0, 1, shape).astype("float32")


def steps(*shape, of=4):
    """Predictions that often are exactly at a threshold."""
    return (RANDOM.integers(0, of + 1, shape) / of).astype("float32")


def shares(*shape):
    values = RANDOM.uniform(0.05, 1, shape).astype("float32")
    return values / values.sum(-1, keepdims=True)


def one_hot(classes, *shape):
    return np.eye(classes, dtype="float32")[RANDOM.integers(0, classes, shape)]


def bits(*shape):
    return RANDOM.integers(0, 2, shape).astype("float32")


def labels(classes, *shape):
    return RANDOM.integers(0, classes, shape)


def batches(true, pred, *sizes, weights=None):
    """Batches of these sizes, with weights for each example, or of what `weights` makes."""
    made = []
    for size in sizes:
        made.append((true(size), pred(size), weights(size) if weights else None))
    return made


def weighed(size):
    return RANDOM.uniform(0.2, 2, (size,)).astype("float32")


BINARY = [(lambda n: bits(n), rates), (lambda n: bits(n, 3), lambda n: rates(n, 3)), (lambda n: bits(n, 1), lambda n: steps(n, 1)), (lambda n: bits(n, 2), lambda n: steps(n, 2))]
NUMBERS = [(lambda n: numbers(n), numbers), (lambda n: numbers(n, 3), lambda n: numbers(n, 3)), (lambda n: numbers(n, 1), lambda n: numbers(n, 1)), (lambda n: numbers(n), lambda n: numbers(n, 1)), (lambda n: numbers(n, 2, 4), lambda n: numbers(n, 2, 4))]
POSITIVE = [(lambda n: numbers(n, 3, low=0.1), lambda n: numbers(n, 3, low=0.1)), (lambda n: numbers(n, 2, 4, low=0), lambda n: numbers(n, 2, 4, low=0.2))]
CLASSES = [(lambda n: one_hot(7, n), lambda n: shares(n, 7)), (lambda n: one_hot(6, n, 3), lambda n: shares(n, 3, 6)), (lambda n: one_hot(8, n), lambda n: steps(n, 8, of=3))]
SPARSE = [(lambda n: labels(7, n), lambda n: shares(n, 7)), (lambda n: labels(6, n, 3), lambda n: shares(n, 3, 6)), (lambda n: labels(8, n, 1), lambda n: steps(n, 8, of=3))]
SHARES = [(lambda n: shares(n, 4), lambda n: shares(n, 4)), (lambda n: one_hot(4, n, 3), lambda n: shares(n, 3, 4))]
LOGITS = [(lambda n: bits(n, 3), lambda n: numbers(n, 3))]
ALL_ONE = [(lambda n: np.ones((n,), "float32"), rates)]
ALL_ZERO = [(lambda n: np.zeros((n,), "float32"), rates)]
BEYOND = [(lambda n: bits(n), lambda n: numbers(n, low=-0.5, high=1.5))]


def with_nan(n):
    values = rates(n)
    values[:: max(1, n // 3)] = NAN
    return values


HOLES = [(lambda n: bits(n), with_nan)]
PIXELS = [(lambda n: labels(4, n, 2, 3), lambda n: labels(4, n, 2, 3)), (lambda n: labels(4, n), lambda n: labels(4, n).astype("float32"))]
SCORED = [(lambda n: labels(4, n, 5), lambda n: shares(n, 5, 4))]
HOT = [(lambda n: one_hot(4, n, 5), lambda n: shares(n, 5, 4)), (lambda n: one_hot(4, n), lambda n: shares(n, 4))]
HOT_FIRST = [(lambda n: np.moveaxis(one_hot(4, n, 5), -1, 1), lambda n: np.moveaxis(shares(n, 5, 4), -1, 1))]

FOUR = ["TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"]
POINTS = {"SensitivityAtSpecificity": "specificity", "SpecificityAtSensitivity": "sensitivity", "PrecisionAtRecall": "recall", "RecallAtPrecision": "precision"}

# Class, configurations, kinds of batches.
CASES = [
    ("Accuracy", [{}, {"name": "same"}], [(lambda n: labels(3, n), lambda n: labels(3, n).astype("float32")), (lambda n: labels(3, n, 4), lambda n: labels(3, n, 4).astype("float32"))]),
    ("BinaryAccuracy", [{}, {"threshold": 0.25}, {"threshold": 0.75, "name": "high"}], BINARY + HOLES),
    ("CategoricalAccuracy", [{}, {"name": "acc"}], CLASSES),
    ("SparseCategoricalAccuracy", [{}, {"name": "acc"}], SPARSE),
    ("TopKCategoricalAccuracy", [{}, {"k": 1}, {"k": 3, "name": "top3"}], CLASSES),
    ("SparseTopKCategoricalAccuracy", [{}, {"k": 1}, {"k": 3, "name": "top3"}], SPARSE),
    ("SparseTopKCategoricalAccuracy", [{"k": 2, "from_sorted_ids": True}, {"from_sorted_ids": True}], [(lambda n: labels(7, n), lambda n: np.argsort(rates(n, 7))[:, :6].astype("float32"))]),
    ("SensitivityAtSpecificity", [{"specificity": 0.5, "num_thresholds": 1}], BINARY[:1]),
    *[(name, [{}, {"thresholds": 0.25}, {"thresholds": [0.25, 0.5, 1.0]}, {"thresholds": [0.0, 0.5, 1.0]}], BINARY + BEYOND) for name in FOUR],
    *[(name, [{}, {"thresholds": [0.2, 0.6]}], HOLES + ALL_ONE + ALL_ZERO) for name in FOUR],
    *[(name, [{}, {"thresholds": 0.25}, {"thresholds": [0.25, 0.5, 1.0]}, {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}], BINARY + BEYOND) for name in ("Precision", "Recall")],
    *[(name, [{}, {"thresholds": [0.25, 0.5, 1.0]}], HOLES) for name in ("Precision", "Recall")],
    *[(name, [{"top_k": 2}, {"top_k": 3, "thresholds": [0.1, 0.2]}, {"class_id": 2}, {"class_id": 0, "thresholds": 0.1, "name": "first"}, {"class_id": 1, "top_k": 2}], CLASSES[:2]) for name in ("Precision", "Recall")],
    *[(name, [{}], ALL_ONE + ALL_ZERO) for name in ("Precision", "Recall")],
    *[(name, [{of: 0.5}, {of: 0.8, "num_thresholds": 5}, {of: 0.3, "num_thresholds": 2}, {of: 0.95, "num_thresholds": 30}], BINARY + ALL_ONE + ALL_ZERO) for name, of in POINTS.items()],
    *[(name, [{of: 0.4, "class_id": 1, "num_thresholds": 11}], CLASSES[:1]) for name, of in POINTS.items()],
    ("AUC", [{}, {"num_thresholds": 5}, {"curve": "PR"}, {"curve": "PR", "num_thresholds": 9, "summation_method": "minoring"}, {"summation_method": "majoring", "num_thresholds": 4}, {"curve": "PRGAIN", "num_thresholds": 20}], BINARY + BEYOND),
    ("AUC", [{}, {"curve": "PR", "summation_method": "majoring"}, {"thresholds": [0.3, 0.7]}], ALL_ONE + ALL_ZERO),
    ("AUC", [{"thresholds": [0.9, 0.2, 0.5]}, {"thresholds": [0.25, 0.5, 0.75], "curve": "PR"}, {"thresholds": [0.5], "summation_method": "minoring"}], BINARY),
    ("AUC", [{"from_logits": True}, {"from_logits": True, "curve": "PR", "num_thresholds": 50}], LOGITS),
    ("AUC", [{"multi_label": True}, {"multi_label": True, "num_labels": 3, "label_weights": [0.5, 0.0, 2.0]}, {"multi_label": True, "curve": "PR", "label_weights": [1.0, 2.0, 3.0], "num_thresholds": 7}, {"label_weights": [0.5, 1.0, 2.0]}, {"multi_label": True, "thresholds": [0.2, 0.6]}, {"label_weights": [0.5, 1.0, 2.0], "thresholds": [0.2, 0.6]}], BINARY[1:2]),
    ("F1Score", [{}, {"average": "micro"}, {"average": "macro", "threshold": 0.25}, {"average": "weighted", "threshold": 0.2}], CLASSES[:1] + [(lambda n: bits(n, 3), lambda n: steps(n, 3))]),
    ("FBetaScore", [{}, {"average": "micro", "beta": 2.0}, {"average": "macro", "beta": 0.5}, {"average": "weighted", "beta": 3.0, "threshold": 0.5}, {"beta": 2.0, "threshold": 1.0}], CLASSES[:1] + [(lambda n: bits(n, 3), lambda n: steps(n, 3)), (lambda n: np.zeros((n, 2), "float32"), lambda n: np.zeros((n, 2), "float32"))]),
    ("IoU", [{"num_classes": 4, "target_class_ids": [0]}, {"num_classes": 4, "target_class_ids": [1, 3], "ignore_class": 2}, {"num_classes": 3, "target_class_ids": [0, 2], "ignore_class": -1}, {"num_classes": 5, "target_class_ids": [4, 1], "dtype": "float32"}], PIXELS),
    ("IoU", [{"num_classes": 4, "target_class_ids": [0, 2], "sparse_y_pred": False}], SCORED),
    ("IoU", [{"num_classes": 4, "target_class_ids": [0, 2], "sparse_y_pred": False, "sparse_y_true": False}], HOT),
    ("MeanIoU", [{"num_classes": 4}, {"num_classes": 4, "ignore_class": 0}, {"num_classes": 6}], PIXELS),
    ("MeanIoU", [{"num_classes": 4, "sparse_y_pred": False, "dtype": "float32"}], SCORED),
    ("OneHotIoU", [{"num_classes": 4, "target_class_ids": [0, 2]}, {"num_classes": 4, "target_class_ids": [1], "ignore_class": 3, "name": "one"}], HOT),
    ("OneHotIoU", [{"num_classes": 4, "target_class_ids": [0, 2], "sparse_y_pred": True}], [(lambda n: one_hot(4, n, 5), lambda n: labels(4, n, 5))]),
    ("OneHotMeanIoU", [{"num_classes": 4}, {"num_classes": 4, "ignore_class": 1}], HOT),
    ("OneHotMeanIoU", [{"num_classes": 4, "sparse_y_pred": True}], [(lambda n: one_hot(4, n, 5), lambda n: labels(4, n, 5))]),
    ("BinaryIoU", [{}, {"threshold": 0.25}, {"target_class_ids": [1], "threshold": 0.75}, {"target_class_ids": [0], "dtype": "float32"}], [(lambda n: labels(2, n), lambda n: steps(n)), (lambda n: labels(2, n, 3), lambda n: rates(n, 3))]),
    *[(name, [{}, {"name": "other"}], NUMBERS) for name in ("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "RootMeanSquaredError", "LogCoshError")],
    ("MeanSquaredLogarithmicError", [{}, {"name": "msle"}], POSITIVE),
    ("CosineSimilarity", [{}, {"name": "angle"}], NUMBERS[1:2] + NUMBERS[4:]),
    ("CosineSimilarity", [{"axis": 1}], NUMBERS[4:]),
    ("R2Score", [{}, {"class_aggregation": None}, {"class_aggregation": "variance_weighted_average"}, {"num_regressors": 2}, {"num_regressors": 1, "class_aggregation": None}, {"num_regressors": 400}], NUMBERS[1:4]),
    ("R2Score", [{}], [(lambda n: np.ones((n, 2), "float32"), lambda n: rates(n, 2))]),
    ("PearsonCorrelation", [{}, {"axis": 1}], NUMBERS[1:2] + NUMBERS[4:]),
    ("ConcordanceCorrelation", [{}, {"axis": 1}], NUMBERS[1:2] + NUMBERS[4:]),
    ("PearsonCorrelation", [{"axis": 0}], NUMBERS[:1]),
    ("ConcordanceCorrelation", [{"axis": 0}], NUMBERS[:1]),
    *[(name, [{}, {"name": "margin"}], [(lambda n: bits(n, 3), lambda n: numbers(n, 3)), (lambda n: 2 * bits(n, 2, 3) - 1, lambda n: numbers(n, 2, 3))]) for name in ("Hinge", "SquaredHinge")],
    ("CategoricalHinge", [{}, {"name": "margin"}], [(lambda n: one_hot(4, n), lambda n: numbers(n, 4)), (lambda n: one_hot(4, n, 3), lambda n: numbers(n, 3, 4))]),
    ("KLDivergence", [{}, {"name": "kl"}], SHARES),
    ("Poisson", [{}, {"name": "counts"}], [(lambda n: labels(4, n, 3).astype("float32"), lambda n: numbers(n, 3, low=0.1)), (lambda n: labels(4, n, 2, 3).astype("float32"), lambda n: numbers(n, 2, 3, low=0.1))]),
    ("BinaryCrossentropy", [{}, {"label_smoothing": 0.2}], BINARY[1:2]),
    ("BinaryCrossentropy", [{"from_logits": True}, {"from_logits": True, "label_smoothing": 0.1}], LOGITS),
    ("CategoricalCrossentropy", [{}, {"label_smoothing": 0.2}], CLASSES[:2]),
    ("CategoricalCrossentropy", [{"from_logits": True, "axis": 1}, {"axis": 1, "label_smoothing": 0.1}], HOT_FIRST),
    ("SparseCategoricalCrossentropy", [{}, {"ignore_class": 2}], SPARSE[:2]),
    ("SparseCategoricalCrossentropy", [{"from_logits": True}, {"from_logits": True, "ignore_class": -1}], [(lambda n: labels(4, n), lambda n: numbers(n, 4))]),
]
# After the others, so that these draw the numbers that they always drew. (The classes' axis of an IoU has to be the last: Keras sums the
# values of the classes over it too.)
LATER = [
    ("CosineSimilarity", [{"axis": -2}], NUMBERS[4:]),
    ("SparseCategoricalCrossentropy", [{"axis": 1}, {"axis": 1, "from_logits": True, "ignore_class": 2}], [(lambda n: labels(4, n, 4), lambda n: shares(n, 4, 4))]),
    ("MeanMetricWrapper", [{"fn": losses.huber, "name": "wide", "delta": 2.0}, {"fn": losses.mean_squared_error, "name": "squares"}], NUMBERS[1:2]),
]


def plain(value):
    value = np.asarray(value, "float64")
    return [None if np.isnan(one) else float(one) for one in value.ravel()], list(value.shape)


def tensor(array):
    kind = "int64" if array.dtype.kind == "i" else "float32"
    # As few digits as tell a number of 32 bits.
    values = [None if np.isnan(one) else float(str(one)) for one in array.ravel()]
    return {"dtype": kind, "shape": list(array.shape), "values": values}


def case(name, config, made):
    metric = getattr(metrics, name)(**config)
    written, results = [], []
    for y_true, y_pred, weights in made:
        if weights is None:
            metric.update_state(y_true, y_pred)
        else:
            metric.update_state(y_true, y_pred, weights)
        values, shape = plain(metric.result())
        results.append({"values": values, "shape": shape})
        written.append([tensor(y_true), tensor(y_pred), None if weights is None else tensor(weights)])
    config = config | metric.get_config()  # Keras writes no `axis` of CosineSimilarity.
    config = json.loads(json.dumps(config, default=lambda value: np.asarray(value).tolist()))
    direction = getattr(metric, "_direction", None)
    return {"class": name, "config": config, "direction": direction, "batches": written, "results": results}


def reductions():
    for name in ("Mean", "Sum"):
        for shape in ((), (3,), (2, 3)):
            for weights in (None, weighed):
                made = []
                metric = getattr(metrics, name)()
                results = []
                for size in (4, 3):
                    values = numbers(size, *shape)
                    w = weights(size) if weights else None
                    metric.update_state(values, w)
                    found, found_shape = plain(metric.result())
                    results.append({"values": found, "shape": found_shape})
                    made.append([tensor(values), tensor(values), None if w is None else tensor(w)])
                yield {"class": name, "config": metric.get_config(), "direction": None, "batches": made, "results": results}


def weights_for(name, config, true):
    """What makes weights of the shape that Keras wants of this metric."""
    shape = np.shape(true(1))[1:]
    if "IoU" in name:
        # Of every pixel, as whole numbers.
        hot = name.startswith("OneHot") or config.get("sparse_y_true") is False
        return lambda n: RANDOM.integers(0, 4, (n, *(shape[:-1] if hot else shape))).astype("float32") + (0.5 if "dtype" in config else 0.0)
    if len(shape) > 1 and any(part in name for part in ("Positives", "Negatives", "Precision", "Recall", "At")):
        return lambda n: RANDOM.uniform(0.2, 2, (n, *shape[:-1])).astype("float32")
    return weighed


def measured(name, config, true, pred):
    """The cases of one configuration and kind of batches: without weights, and with them where Keras takes them."""
    keras.utils.clear_session()
    yield case(name, config, batches(true, pred, 5, 3))
    keras.utils.clear_session()
    try:
        yield case(name, config, batches(true, pred, 4, 1, weights=weights_for(name, config, true)))
    except (TypeError, ValueError):
        print("no weights:", name, config)


def all_of(kinds):
    for name, configs, batches_of in kinds:
        for config in configs:
            for true, pred in batches_of:
                yield from measured(name, config, true, pred)


def main():
    keras.utils.clear_session()
    cases = [*all_of(CASES), *reductions(), *all_of(LATER)]
    print(len(cases), "cases of", len({one["class"] for one in cases}), "classes")
    with open(sys.argv[1], "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(one) for one in cases) + "\n]\n")


main()
