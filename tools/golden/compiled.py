"""More models of the golden cases: what a model is compiled with, and gradients at kinks; see `models.py`."""

from keras import Input, Model, activations, layers as L, losses, metrics, ops, optimizers

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
def fit_one_number_by_sample_weights():
    """Losses that are one number whatever the batch, with sample weights."""
    return regression(dict(loss=losses.Dice(reduction="mean_with_sample_weight")), [L.Dense(2, activation="sigmoid")],
                      sample_weight=numbers(40, seed=9, low=0, high=2))
