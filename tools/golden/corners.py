"""More models of the golden cases: containers, unusual names and types, constants in graphs, compile states; see `models.py`."""

import numpy as np
from keras import Input, Model, Sequential, activations, layers as L, losses, metrics, ops, optimizers, regularizers
from keras.optimizers import schedules

from models import FIT, LABELS, MODELS, ONCE, model, network, numbers, tower, whole, words


# Containers of inputs and outputs.

@model
def tuples():
    a, b = Input((3,), name="b"), Input((2,), name="a")
    both = L.Concatenate()((b, a))
    return {"model": Model((a, b), (L.Dense(2)(both), both)), "inputs": (numbers(5, 3), numbers(5, 2, seed=1))}


@model
def nested_outputs():
    x = Input((3,))
    d = [L.Dense(i + 1, name=f"d{i}")(x) for i in range(4)]
    return {"model": Model(x, {"z": [d[0], (d[1], d[2])], "a": {"q": d[3], "b": d[0]}}), "inputs": numbers(5, 3)}


@model
def nested_inputs():
    a, b, c = Input((3,), name="one"), Input((2,), name="two"), Input((4,), name="three")
    y = L.Concatenate()([c, L.Dense(2)(a), b])
    return {"model": Model({"q": [b, c], "p": a}, [L.Dense(2)(y)]),
            "inputs": {"q": [numbers(5, 2), numbers(5, 4, seed=1)], "p": numbers(5, 3, seed=2)}, "by_place": True}


@model
def keys_that_are_no_names():
    a, b = Input((3,), name="left"), Input((2,), name="right")
    return {"model": Model({"zwei": a, "eins": b}, L.Dense(2)(L.Concatenate()([a, b]))),
            "inputs": {"zwei": numbers(5, 3), "eins": numbers(5, 2, seed=1)}, "by_place": True}


@model
def inputs_in_another_order():
    a, b, c = (Input((2 + i,), name=n) for i, n in enumerate("zyx"))
    y = L.Concatenate()([L.Dense(2)(b), a, L.Dense(3)(c), b])
    return {"model": Model([c, a, b], [L.Dense(2)(y), c, y, c]), "inputs": [numbers(4, 4), numbers(4, 2, seed=1), numbers(4, 3, seed=2)]}


@model
def an_input_that_is_not_used():
    a, b = Input((3,), name="used"), Input((2,), name="idle")
    return {"model": Model([b, a], L.Dense(2)(a)), "inputs": [numbers(4, 2), numbers(4, 3)]}


@model
def one_tensor_twice():
    x = Input((3,))
    y = L.Dense(2, name="d")(x)
    return {"model": Model(x, [y, L.Dense(3)(y), y]), "inputs": numbers(4, 3)}


@model
def nested_with_containers():
    a, b = Input((3,), name="a"), Input((2,), name="b")
    joined = L.Concatenate()([a, b])
    inner = Model({"b": b, "a": a}, {"s": L.Dense(2)(joined), "r": [L.Dense(3)(joined), a]}, name="inner")
    x, y = Input((3,), name="x"), Input((2,), name="y")
    first, second = inner({"a": x, "b": y}), inner({"b": y, "a": L.Dense(3)(x)})
    middle = Model((x, y), [first["s"], second["r"][0], second["r"][1]], name="middle")
    p, q = Input((3,)), Input((2,))
    out = middle((p, q))
    return {"model": Model([p, q], [L.Add()([out[1], out[2]]), out[0]]), "inputs": [numbers(4, 3), numbers(4, 2, seed=1)]}


@model
def two_calls_of_two_inputs():
    a, b = Input((3,)), Input((3,))
    part = Model([a, b], [L.Dense(3)(L.Subtract()([a, b])), L.Dense(3, activation="tanh")(a)], name="pair")
    x, y = Input((3,)), Input((3,))
    p, q = part([x, y])
    r, s = part([q, p])
    return {"model": Model([x, y], [s, L.Concatenate()([p, r])]), "inputs": [numbers(4, 3), numbers(4, 3, seed=1)]}


# Parts in parts.

@model
def sequentials_in_sequentials():
    inner = Sequential([L.Dense(3, activation="relu"), L.Dense(4)], name="inner")
    middle = Sequential([inner, L.BatchNormalization(), inner.layers[0].__class__(4)], name="middle")
    made = Sequential([Input((4,)), middle, L.Dense(2), Sequential([L.Dense(2), L.Softmax()])])
    return {"model": made, "inputs": numbers(5, 4)}


@model
def shared_sequential_around_shared_model():
    inner = tower(4, 4, name="inner")
    outer = Sequential([Input((4,)), inner, L.Dense(4, name="d")], name="outer")
    a, b = Input((4,)), Input((4,))
    return {"model": Model([a, b], [outer(outer(a)), L.Maximum()([inner(b), outer(b)])]), "inputs": [numbers(4, 4), numbers(4, 4, seed=1)]}


@model
def model_in_two_sequentials():
    inner = tower(4, 4, name="inner")
    left, right = (Sequential([Input((4,)), inner, L.Dense(2)], name=name) for name in ("left", "right"))
    x = Input((4,))
    return {"model": Model(x, [left(x), right(x)]), "inputs": numbers(4, 4)}


@model
def layer_in_two_sequentials():
    shared = L.Dense(4, activation="tanh", name="shared")
    left, right = (Sequential([Input((4,)), shared, L.Dense(2)], name=name) for name in ("left", "right"))
    x = Input((4,))
    return {"model": Model(x, [left(x), right(shared(x))]), "inputs": numbers(4, 4)}


def shared_between_parts():
    shared = L.Dense(4, activation="tanh", name="shared")
    left, right = (Sequential([Input((4,)), shared, L.Dense(2)], name=name) for name in ("left", "right"))
    x = Input((4,))
    return Model(x, L.Concatenate()([left(x), right(L.Dense(4)(x))]))


@model
def fit_layer_in_two_sequentials():
    return {"model": shared_between_parts(), "inputs": numbers(40, 4), "targets": numbers(40, 4, seed=1),
            "compile": dict(optimizer=optimizers.Adam(0.02), loss="mse", metrics=["mae"]), "before": ONCE, "fit": FIT}


@model
def nested_in_time():
    frame = Sequential([Input((6, 6, 1)), L.Conv2D(2, 3, activation="relu"), L.Flatten(), L.Dense(3)], name="frame")
    x = Input((4, 6, 6, 1))
    return {"model": Model(x, L.GRU(2)(L.TimeDistributed(frame)(x))), "inputs": numbers(3, 4, 6, 6, 1)}


@model
def functional_in_time():
    x = Input((5, 4))
    return {"model": Model(x, L.TimeDistributed(tower(4, 3))(x)), "inputs": numbers(3, 5, 4)}


@model
def fit_all_frozen_but_one():
    part = Sequential([Input((5,)), L.Dense(4, name="a"), L.Dense(3, name="b"), L.BatchNormalization(name="c")], name="part")
    part.trainable = False
    part.get_layer("b").trainable = True
    x = Input((5,))
    return {"model": Model(x, L.Dense(1)(part(x))), "inputs": numbers(40, 5), "targets": numbers(40, 1, seed=1),
            "compile": dict(optimizer=optimizers.Adam(0.02), loss="mse"), "before": ONCE, "fit": FIT}


@model
def fit_frozen_model_with_open_layer():
    inner = tower(4, 4, name="inner")
    part = Sequential([Input((4,)), inner, L.Dense(4, name="open")], name="part")
    inner.trainable = False
    x = Input((4,))
    made = Model(x, L.Dense(1, name="head")(part(x)))
    made.get_layer("head").trainable = False
    return {"model": made, "inputs": numbers(40, 4), "targets": numbers(40, 1, seed=1),
            "compile": dict(optimizer=optimizers.RMSprop(0.01, momentum=0.5), loss="mse"), "before": ONCE, "fit": FIT | dict(validation_split=0.3)}


@model
def fit_penalties_in_parts():
    part = Sequential([Input((4,)), L.Dense(4, kernel_regularizer=regularizers.L2(0.05), name="p"), L.Dense(4, activity_regularizer=regularizers.L1(0.02))], name="part")
    a, b = Input((4,)), Input((4,))
    return {"model": Model([a, b], L.Dense(1, bias_regularizer="l1")(L.Add()([a, part(b)]))), "inputs": [numbers(40, 4), numbers(40, 4, seed=1)],
            "targets": numbers(40, 1, seed=2), "compile": dict(optimizer="sgd", loss="mse", metrics=["mse"]), "fit": FIT | dict(validation_split=0.25)}


# Masks.

@model
def mask_of_a_part_reaches_another():
    embed = Sequential([Input((6,), dtype="int32"), L.Embedding(5, 3, mask_zero=True)], name="embed")
    between = Model(x := Input((6, 3)), L.LayerNormalization()(L.Dense(3)(x)), name="between")
    x = Input((6,), dtype="int32")
    h = between(embed(x))
    return {"model": Model(x, [L.Bidirectional(L.GRU(2))(h), L.GlobalAveragePooling1D()(h), L.LSTM(2, go_backwards=True)(h)]), "inputs": words()}


@model
def mask_given_by_name():
    x, m = Input((6, 3)), Input((6,), dtype="bool")
    given = np.arange(6)[None] < np.array([[6], [3], [1], [5]])
    return {"model": Model([x, m], [L.LSTM(3)(x, mask=m), L.GlobalAveragePooling1D()(x, mask=m), L.Softmax(axis=1)(x[:, :, 0], mask=m)]),
            "inputs": [numbers(4, 6, 3), given]}


@model
def masks_merged():
    a, b = Input((6,), dtype="int32"), Input((6,), dtype="int32")
    embed = L.Embedding(5, 3, mask_zero=True)
    p, q = embed(a), embed(b)
    outs = [L.GRU(2)(L.Add()([p, q])), L.GRU(2)(L.Concatenate()([p, q])), L.GRU(2)(L.Concatenate(axis=1)([p, q])), L.GRU(2)(p + q), L.GRU(2)(L.Multiply()([p, q]))]
    return {"model": Model([a, b], outs), "inputs": [words(), words()[::-1]]}


# Names and types.

@model
def names_of_any_letters():
    a, b = Input((3,), name="вход é"), Input((2,), name="x y.z:1")
    part = Sequential([Input((3,)), L.Dense(2, name="слой-1"), L.Dense(2, name="名前")], name="часть №1")
    return {"model": Model([a, b], [L.Concatenate(name="a b")([part(a), b]), L.Dense(2, name="out,put=1")(b)], name="модель"),
            "inputs": [numbers(4, 3), numbers(4, 2, seed=1)], "by_place": True}


@model
def fit_names_of_any_letters():
    x = Input((3,), name="вход é")
    h = L.Dense(4, name="a.b c")(x)
    return {"model": Model(x, [L.Dense(1, name="éins")(h), L.Dense(2, name="zwei drei")(h)]), "inputs": numbers(40, 3), "by_place": True,
            "targets": [numbers(40, 1, seed=1), numbers(40, 2, seed=2)],
            "compile": dict(optimizer="adam", loss={"éins": "mse", "zwei drei": "mae"}, metrics={"zwei drei": ["mse"]}), "before": ONCE, "fit": FIT}


@model
def types_of_inputs():
    kinds = ["int32", "int64", "uint8", "bool", "float64", "float16"]
    x = [Input((3,), dtype=kind, name=kind) for kind in kinds]
    outs = [ops.cast(i, "float32") + 1.0 for i in x[:4]] + [L.Dense(2)(i) for i in x[4:]] + [L.Embedding(7, 2)(x[0]), L.Rescaling(0.5)(x[2])]
    data = [whole(4, 3, high=7).astype(kind) if kind[0] in "iu" else numbers(4, 3) > 0 if kind == "bool" else numbers(4, 3).astype(kind) for kind in kinds]
    return {"model": Model(x, outs), "inputs": data, "tolerance": 1e-3}


@model
def batch_of_fixed_size():
    x = Input(batch_shape=(4, 5, 3))
    return {"model": Model(x, [L.LSTM(3)(x), L.Reshape((15,))(x), L.Conv1D(2, 2)(x)]), "inputs": numbers(4, 5, 3)}


@model
def policies():
    x = Input((3,))
    y = L.Dense(3, dtype="float64")(x)
    return {"model": Model(x, [L.Dense(2, dtype="float32")(y), y]), "inputs": numbers(4, 3)}


# Constants in graphs.

@model
def constants_in_operations():
    a, b = Input((3,)), Input((3,))
    c = np.array([0.5, -1.0, 2.0], "float32")
    outs = [a + c, b * c, ops.maximum(a, c), ops.matmul(a, np.eye(3, 2, dtype="float32")), ops.where(a > 0, b, c), ops.where(a > b, 1.0, ops.zeros_like(a)),
            ops.add(x1=a, x2=b), ops.concatenate(axis=-1, xs=[b, a, b]), ops.stack([a, ops.multiply(b, 2)], axis=-1), ops.clip(a, x_min=-0.2, x_max=0.3),
            ops.sum(ops.stack([a, b], 1), axis=(1, 2), keepdims=True), ops.one_hot(ops.argmax(a, axis=-1), num_classes=3), ops.einsum("bi,bj->bij", a, b),
            ops.take(a, [2, 0], axis=1), ops.power(2.0, a), 1 - a, 3 / (b + 2), a[:, None, ::-1], a[..., 0:1] * b, -a, (a > 0) & (b > 0), ops.logical_not(a > b)]
    return {"model": Model([a, b], outs), "inputs": [numbers(4, 3), numbers(4, 3, seed=1)]}


@model
def activations_as_functions():
    x = Input((4,))
    outs = [getattr(ops, name)(x) for name in (
        "relu", "relu6", "elu", "selu", "gelu", "silu", "softplus", "softsign", "tanh", "sigmoid", "hard_sigmoid", "hard_silu", "softmax", "log_softmax", "leaky_relu", "celu", "glu",
        "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "squareplus", "sparse_plus", "sparsemax", "log_sigmoid")]
    outs += [activations.relu(x), activations.gelu(x), activations.softmax(x, axis=-1), activations.elu(x, alpha=0.5), activations.silu(x), activations.sigmoid(x), ops.threshold(x, 0.2, -1.0), ops.gelu(x, approximate=False)]
    return {"model": Model(x, outs), "inputs": numbers(5, 4, low=-3, high=3)}


@model
def activations_in_layers():
    x = Input((4,))
    names = ["relu6", "selu", "gelu", "silu", "swish", "softplus", "softsign", "hard_sigmoid", "hard_swish", "log_softmax", "leaky_relu", "mish", "exponential", "celu", "hard_tanh", "squareplus", "sparsemax", "soft_shrink"]
    return {"model": Model(x, [L.Dense(3, activation=name)(x) for name in names] + [L.Activation(activations.gelu)(x)]),
            "inputs": numbers(5, 4, low=-2, high=2)}


@model
def operations_in_parts():
    x = Input((4, 3))
    part = Model(x, ops.mean(ops.square(x[:, 1:] - x[:, :-1]), axis=1) + 1, name="part")
    y = Input((4, 3))
    return {"model": Model(y, [part(y), ops.sqrt(part(ops.flip(y, axis=2) * 2))]), "inputs": numbers(4, 4, 3)}


@model
def arguments_of_attention():
    q, v, k = Input((4, 6), name="q"), Input((5, 6), name="v"), Input((5, 6), name="k")
    m = Input((4, 5), dtype="bool", name="m")
    heads = L.MultiHeadAttention(2, 3)
    y, scores = heads(q, v, key=k, attention_mask=m, return_attention_scores=True)
    return {"model": Model([q, v, k, m], [y, scores, heads(q, v), L.MultiHeadAttention(1, 2, use_bias=False)(q, q, use_causal_mask=True)]),
            "inputs": [numbers(3, 4, 6), numbers(3, 5, 6, seed=1), numbers(3, 5, 6, seed=2), numbers(3, 4, 5, seed=3) > -0.6]}


@model
def states_given():
    x, h, c = Input((5, 3)), Input((4,)), Input((4,))
    y, p, q = L.LSTM(4, return_state=True, return_sequences=True)(x, initial_state=[h, c])
    z = L.Bidirectional(L.GRU(4))(y, initial_state=[p, h])
    return {"model": Model([x, h, c], [y, q, z]), "inputs": [numbers(3, 5, 3), numbers(3, 4, seed=1), numbers(3, 4, seed=2)]}


@model
def pictures_prepared():
    x = Input((8, 6, 3), dtype="uint8")
    return {"model": Model(x, L.GlobalMaxPooling2D()(L.Conv2D(2, 3)(L.Normalization(mean=[10.0, 20.0, 30.0], variance=[4.0, 5.0, 6.0])(L.Rescaling(1 / 127.5, offset=-1)(x))))),
            "inputs": whole(3, 8, 6, 3, high=256).astype("uint8")}


# Compile states.

def heads(targets=3):
    a, b = Input((4,), name="a"), Input((3,), name="b")
    h = L.Dense(5, activation="tanh")(L.Concatenate()([a, b]))
    outs = {"price": L.Dense(1, name="p")(h), "kind": L.Dense(3, activation="softmax", name="k")(h), "flag": L.Dense(1, activation="sigmoid", name="f")(h)}
    y = {"price": numbers(40, 1, seed=2), "kind": whole(40, high=3, seed=3), "flag": (numbers(40, 1, seed=4) > 0).astype("float32")}
    return a, b, outs, [numbers(40, 4), numbers(40, 3, seed=1)], y


@model
def fit_dict_of_three():
    a, b, outs, x, y = heads()
    return {"model": Model([a, b], outs), "inputs": x, "targets": y, "fit": FIT | dict(validation_split=0.2), "before": ONCE,
            "compile": dict(optimizer=optimizers.Nadam(0.02), loss={"kind": losses.SparseCategoricalCrossentropy(), "price": losses.Huber(), "flag": "binary_crossentropy"},
                            loss_weights={"price": 0.3, "kind": 2.0, "flag": 0.7}, metrics={"flag": ["accuracy", "mse"], "price": "mae"},
                            weighted_metrics={"kind": ["accuracy"]})}


@model
def fit_list_of_three():
    a, b, outs, x, y = heads()
    return {"model": Model([a, b], list(outs.values())), "inputs": x, "targets": list(y.values()), "fit": FIT, "before": ONCE,
            "compile": dict(optimizer=optimizers.Adagrad(0.05), loss=["mae", LABELS, losses.BinaryCrossentropy(label_smoothing=0.1)], loss_weights=[1.0, 0.5, 0.25],
                            metrics=[["mse"], None, [metrics.BinaryAccuracy(threshold=0.4, name="right")]])}


@model
def fit_names_of_outputs():
    a, b, outs, x, y = heads()
    return {"model": Model([a, b], list(outs.values())), "inputs": x, "targets": list(y.values()), "fit": FIT,
            "compile": dict(optimizer="adamax", loss={"f": "binary_crossentropy", "p": "mse", "k": LABELS}, loss_weights={"f": 0.5, "p": 1.0, "k": 2.0},
                            metrics={"k": ["accuracy"], "f": [metrics.MeanSquaredError(name="off")]})}


@model
def fit_one_output_in_a_dict():
    x = Input((4,))
    return {"model": Model(x, {"only": L.Dense(1, name="d")(x)}), "inputs": numbers(40, 4), "targets": {"only": numbers(40, 1, seed=1)},
            "fit": FIT, "compile": dict(optimizer="sgd", loss={"only": "mse"}, metrics={"only": ["mae"]})}


@model
def fit_one_output_in_a_list():
    x = Input((4,))
    return {"model": Model([x], [L.Dense(1, name="d")(x)]), "inputs": numbers(40, 4), "targets": numbers(40, 1, seed=1),
            "fit": FIT, "compile": dict(optimizer="sgd", loss=["mse"], metrics=[["mae", "mse"]], loss_weights=[0.5])}


@model
def fit_dict_with_one_loss():
    x = Input((4,))
    return {"model": Model(x, {"b": L.Dense(2, name="p")(x), "a": L.Dense(3, name="q")(x)}), "inputs": numbers(40, 4),
            "targets": {"b": numbers(40, 2, seed=1), "a": numbers(40, 3, seed=2)}, "fit": FIT, "compile": dict(optimizer="rmsprop", loss="mse")}


def lossy(loss, units, activation, y, **more):
    return network(numbers(40, 5), y, [L.Dense(4, activation="relu"), L.Dense(units, activation=activation)],
                   dict(optimizer=optimizers.Adam(0.01), loss=loss, **more), FIT | dict(validation_split=0.2))


HOT = np.eye(3, dtype="float32")[whole(40, high=3)]
for name, case in {
    "log_cosh": lambda: lossy("log_cosh", 1, None, numbers(40, 1)),
    "poisson": lambda: lossy("poisson", 2, "softplus", whole(40, 2, high=4).astype("float32")),
    "kl": lambda: lossy(losses.KLDivergence(reduction="sum"), 3, "softmax", HOT * 0.8 + 0.2 / 3),
    "hinge": lambda: lossy("hinge", 1, "tanh", np.sign(numbers(40, 1)), metrics=["mse"]),
    "squared_hinge": lambda: lossy(losses.SquaredHinge(), 1, "tanh", (numbers(40, 1) > 0).astype("float32")),
    "categorical_hinge": lambda: lossy("categorical_hinge", 3, None, HOT),
    "cosine": lambda: lossy(losses.CosineSimilarity(axis=-1), 3, None, numbers(40, 3)),
    "mape": lambda: lossy("mean_absolute_percentage_error", 1, None, numbers(40, 1, low=1, high=2)),
    "msle": lambda: lossy("mean_squared_logarithmic_error", 1, "relu", numbers(40, 1, low=0, high=2)),
    "focal": lambda: lossy(losses.BinaryFocalCrossentropy(gamma=1.5, apply_class_balancing=True, from_logits=True), 2, None, (numbers(40, 2) > 0).astype("float32")),
    "categorical_focal": lambda: lossy(losses.CategoricalFocalCrossentropy(alpha=0.4, label_smoothing=0.1), 3, "softmax", HOT, metrics=["accuracy"]),
    "dice": lambda: lossy(losses.Dice(axis=-1), 3, "softmax", HOT),
    "tversky": lambda: lossy(losses.Tversky(alpha=0.3, beta=0.7), 3, "softmax", HOT),
    "sparse_logits": lambda: lossy(losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1), 3, None, whole(40, high=3)),
    "smooth_logits": lambda: lossy(losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2, name="named"), 3, None, HOT, metrics=["categorical_accuracy"]),
    "mean_with_sample_weight": lambda: lossy(losses.MeanSquaredError(reduction="mean_with_sample_weight"), 1, None, numbers(40, 1)) | {"sample_weight": numbers(40, seed=9, low=0, high=2)},
}.items():
    MODELS[f"fit_loss_{name}"] = case


@model
def fit_schedule_and_average():
    return network(numbers(48, 5), numbers(48, 2, seed=1), [L.Dense(4, activation="elu"), L.Dense(2)],
                   dict(optimizer=optimizers.AdamW(schedules.CosineDecay(0.02, 20, warmup_target=0.05, warmup_steps=4), weight_decay=0.02, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3, clipnorm=0.4),
                        loss="mse", run_eagerly=True))


@model
def fit_weighted_by_output():
    a, b, outs, x, y = heads()
    weights = [numbers(40, seed=8 + i, low=0, high=2) for i in range(3)]
    return {"model": Model([a, b], list(outs.values())), "inputs": x, "targets": list(y.values()), "sample_weight": weights, "fit": FIT | dict(validation_split=0.25),
            "compile": dict(optimizer="adam", loss=["mse", LABELS, "binary_crossentropy"], metrics=[["mae"], ["accuracy"], []], weighted_metrics=[[], ["accuracy"], ["mse"]])}


@model
def fit_sequence_weights():
    """Weights for each step."""
    return network(numbers(24, 5, 3), whole(24, 5, high=3), [L.GRU(4, return_sequences=True), L.Dense(3, activation="softmax")],
                   dict(optimizer="adam", loss=LABELS, weighted_metrics=["accuracy"]), sample_weight=numbers(24, 5, seed=9, low=0, high=2))


@model
def fit_all_normalizations():
    x = Input((4, 6))
    part = Sequential([Input((4, 6)), L.BatchNormalization(axis=1, momentum=0.7), L.GroupNormalization(3), L.SpatialDropout1D(0.0)], name="part")
    return {"model": Model(x, L.Dense(1)(L.Flatten()(L.BatchNormalization(scale=False, center=False)(part(part(x)))))), "inputs": numbers(40, 4, 6), "targets": numbers(40, 1, seed=1),
            "compile": dict(optimizer=optimizers.SGD(0.02), loss="mse"), "before": ONCE, "fit": FIT | dict(validation_split=0.2)}
