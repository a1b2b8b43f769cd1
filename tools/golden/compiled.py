"""More models of the golden cases: what a model is compiled with, and gradients at kinks; see `models.py`."""

import numpy as np
from keras import Input, Model, constraints, layers as L, losses, metrics, ops, optimizers

from models import FIT, LABELS, MODELS, model, network, numbers, whole

ONE = dict(batch_size=16, epochs=1)


def regression(compile, layers=(), fit=FIT, **more):
    made = [L.Dense(4, activation="tanh"), L.Dense(2)]
    return network(numbers(40, 5), numbers(40, 2, seed=1), list(layers) or made, dict(optimizer="sgd") | compile, fit, **more)


@model
def fit_one_loss_weight():
    return regression(dict(loss="mse", loss_weights=0.5, metrics=["mae"]))


@model
def fit_one_loss_weight_of_two_outputs():
    x = Input((4,))
    return {"model": Model(x, [L.Dense(2, name="p")(x), L.Dense(3, name="q")(x)]), "inputs": numbers(40, 4), "fit": FIT,
            "targets": [numbers(40, 2, seed=1), numbers(40, 3, seed=2)], "compile": dict(optimizer="sgd", loss="mse", loss_weights=0.25)}


@model
def fit_penalties_alone():
    """Without a loss: penalties on weights and on outputs, and metrics."""
    return regression(dict(loss=None, metrics=["mae"]), [L.Dense(3, kernel_regularizer="l2"), L.ActivityRegularization(0.02, 0.01), L.Dense(2, bias_regularizer="l1")])


@model
def fit_activity_penalty_alone():
    return regression(dict(loss=None), [L.Dense(3), L.ActivityRegularization(l2=0.05), L.Dense(2)])


@model
def fit_one_number_by_sample_weights():
    """Losses that are one number whatever the batch, with sample weights."""
    return regression(dict(loss=losses.Dice(reduction="mean_with_sample_weight")), [L.Dense(2, activation="sigmoid")],
                      sample_weight=numbers(40, seed=9, low=0, high=2))


def at(place, x, shown):
    """Numbers that are `place` whatever the weights are, with gradients for these; what the weights make is `shown`."""
    y = L.Dense(2)(x)
    shown.append(y)
    return y - ops.stop_gradient(y) + place


def beside(x, outputs, shown, targets, losses):
    """A model with outputs that no weight changes, and one without a loss that shows the weights."""
    outputs = [*outputs, L.Concatenate(name="shown")(shown)]
    targets = [*targets, np.zeros((20, outputs[-1].shape[-1]), "float32")]
    return {"model": Model(x, outputs), "inputs": numbers(20, 4), "targets": targets, "compile": dict(optimizer="sgd", loss=[*losses, None]), "fit": ONE}


@model
def fit_clip_at_its_bounds():
    x, shown = Input((4,)), []
    y = ops.concatenate([at(1.0, x, shown), at(0.5, x, shown)], axis=-1)
    return beside(x, [y], shown, [numbers(20, 4, seed=1, low=0.1, high=0.9)], ["kl_divergence"])


@model
def fit_at_kinks():
    """Activations where their slope changes, as functions, as layers and as operations."""
    x, shown = Input((4,)), []
    kinks = {"relu6": [0, 6], "hard_sigmoid": [-3, 3], "hard_silu": [-3, 3], "hard_tanh": [-1, 1], "sparse_sigmoid": [-1, 1], "relu": [0], "softsign": [0], "leaky_relu": [0]}
    ys = []
    for name, places in kinks.items():
        for place in places:
            ys += [L.Activation(name)(at(place, x, shown)), getattr(ops, name)(at(place, x, shown))]
    ys += [ops.clip(at(place, x, shown), -1.0, 2.0) for place in (-1, 2)]
    ys += [L.ReLU(max_value=top)(at(place, x, shown)) for top in (2.0, 6.0) for place in (0, top)]
    ys += [L.LeakyReLU(0.3)(at(0, x, shown)), L.ReLU(negative_slope=0.2)(at(0, x, shown)), L.ReLU(6.0, 0.2)(at(0, x, shown)), L.ReLU(negative_slope=0.2, threshold=0.3)(at(0.3, x, shown))]
    y = L.Concatenate()(ys)
    return beside(x, [y], shown, [numbers(20, y.shape[-1], seed=1)], ["mse"])


@model
def fit_sizes_of_nothing():
    """Where a size is 0 it has a slope: of errors, of penalties, of operations."""
    x, shown = Input((4,)), []
    outputs = [at(0.5, x, shown), at(0.5, x, shown), L.ActivityRegularization(l1=0.1)(at(0.0, x, shown)), ops.abs(at(0.0, x, shown))]
    targets = [np.full((20, 2), value, "float32") for value in (0.5, 0.5, 0.2, 0.3)]
    return beside(x, outputs, shown, targets, ["mae", "mape", "mse", "mse"])


@model
def fit_functions_as_metrics():
    """Functions of losses, by themselves and wrapped, of which metrics of the same names may have the other sign."""
    wrapped = [metrics.MeanMetricWrapper(losses.cosine_similarity, name="wrapped"), metrics.MeanMetricWrapper(losses.huber, name="huber", delta=0.5)]
    return regression(dict(loss="mse", metrics=[losses.cosine_similarity, losses.log_cosh, "mae", *wrapped], weighted_metrics=[losses.mean_squared_error]),
                      sample_weight=numbers(40, seed=9, low=0, high=2), fit=FIT | dict(validation_split=0.25))


def scaled(optimizer, **more):
    return regression(dict(optimizer=optimizers.LossScaleOptimizer(optimizer), loss="mse"), fit=ONE, **more)


# A scale that follows the gradients: before the first step Keras writes neither the scale nor slots, and never all of these two.
for name, case in {
    "from_the_start": lambda: scaled(optimizers.SGD(0.1, momentum=0.9)),
    "scheduled_from_the_start": lambda: scaled(optimizers.Adam(optimizers.schedules.ExponentialDecay(0.05, 2, 0.5))),
    "nadam": lambda: scaled(optimizers.Nadam(0.02), before=ONE),
    "adafactor": lambda: scaled(optimizers.Adafactor(0.02), before=ONE),
}.items():
    MODELS[f"fit_loss_scale_{name}"] = case


@model
def fit_adafactor_of_a_vector_first():
    """A vector's slots begin with two whole numbers."""
    return regression(dict(optimizer=optimizers.Adafactor(0.02), loss="mse"), [L.BatchNormalization(), L.Dense(2)], ONE, before=ONE)


@model
def fit_loss_scale_too_large():
    """No step is made, so constraints change nothing either."""
    constrained = L.Dense(4, activation="tanh", kernel_constraint=constraints.MinMaxNorm(0.2, 0.4, rate=0.5), dtype="mixed_float16")
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=2.0**30)
    return regression(dict(optimizer=optimizer, loss="mse"), [constrained, L.Dense(2)], ONE) | {"tolerance": 1e-2}


@model
def fit_functions_as_losses():
    x = Input((4,))
    targets = [numbers(40, 2, seed=1), numbers(40, 3, seed=2, low=0.1, high=0.9)]
    return {"model": Model(x, [L.Dense(2, name="p")(x), L.Dense(3, "sigmoid", name="q")(x)]), "inputs": numbers(40, 4), "targets": targets, "fit": FIT,
            "compile": dict(optimizer="sgd", loss=[losses.mean_squared_error, losses.kl_divergence], metrics=[["mae"], []])}


@model
def fit_crossentropy_by_shapes():
    """Losses and metrics that the shapes choose, by whatever name."""
    x, labels = Input((4,)), whole(40, high=3)
    outputs = [L.Dense(1, "sigmoid", name="p")(x), L.Dense(3, "softmax", name="q")(x), L.Dense(3, "softmax", name="r")(x), L.Dense(3, "softmax", name="s")(x)]
    targets = [whole(40, 1, high=2), labels, labels[:, None], np.eye(3, dtype="float32")[labels]]
    return {"model": Model(x, outputs), "inputs": numbers(40, 4), "targets": targets, "fit": FIT | dict(validation_split=0.25),
            "compile": dict(optimizer="sgd", loss=["crossentropy", "CE", "ce", "CrossEntropy"], metrics=[["Accuracy"], ["ACC"], ["accuracy"], ["acc", "Accuracy"]])}


@model
def fit_wrapped_loss_that_ignores_a_class():
    """As a metric of samples with weights: those of the class do not count."""
    ignored, weighted = (metrics.MeanMetricWrapper(losses.sparse_categorical_crossentropy, name=name, ignore_class=0) for name in ("ignored", "weighted"))
    made = [L.Dense(5, activation="relu"), L.Dense(3, activation="softmax")]
    return network(numbers(40, 5), whole(40, high=3), made, dict(optimizer="sgd", loss="crossentropy", metrics=[ignored], weighted_metrics=[weighted]),
                   sample_weight=numbers(40, seed=9, low=0, high=2))
