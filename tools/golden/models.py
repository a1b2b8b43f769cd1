"""The models of the golden cases: for each a function that gives model and data, see `write_cases.py`."""

import numpy as np
from keras import Input, Model, Sequential, layers as L, losses, metrics, ops, optimizers, regularizers
from keras.optimizers import schedules

MODELS = {}


def model(build):
    """Takes the function into the list, under its name with spaces for double underscores."""
    MODELS[build.__name__.replace("__", " ")] = build
    return build


def numbers(*shape, seed=0, low=-1.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype("float32")


def whole(*shape, high, seed=0, low=0):
    return np.random.default_rng(seed).integers(low, high, shape).astype("int32")


def tower(features, units, name=None):
    """A small functional model."""
    x = Input((features,))
    return Model(x, L.Dense(units, activation="tanh")(L.Dense(4, activation="relu")(x)), name=name)


# Graphs of layers.

@model
def two__towers():
    left, right = Input((4,), name="left"), Input((3,), name="right")
    both = L.Concatenate()([L.Dense(3, activation="relu")(left), L.Dense(2, activation="tanh")(right)])
    return {"model": Model([left, right], [L.Dense(2)(both), L.Dense(1, activation="sigmoid")(both)]),
            "inputs": [numbers(5, 4), numbers(5, 3, seed=1)]}


@model
def nested_functional():
    x = Input((4,))
    return {"model": Model(x, L.Dense(2)(tower(4, 3)(x))), "inputs": numbers(5, 4)}


@model
def nested_sequential():
    x = Input((6,))
    part = Sequential([Input((6,)), L.Dense(4, activation="relu"), L.BatchNormalization(), L.Dense(3)], name="part")
    return {"model": Model(x, L.Activation("softmax")(part(x))), "inputs": numbers(5, 6)}


@model
def nested_unbuilt_sequential():
    x = Input((6,))
    part = Sequential([L.Dense(4, activation="relu"), L.Dense(3)])
    return {"model": Model(x, part(x)), "inputs": numbers(5, 6)}


@model
def nested_shared():
    a, b = Input((4,)), Input((4,))
    part = tower(4, 3, name="part")
    return {"model": Model([a, b], L.Subtract()([part(a), part(b)])), "inputs": [numbers(5, 4), numbers(5, 4, seed=1)]}


@model
def nested_three_deep():
    inner = Sequential([Input((3,)), L.Dense(3, activation="tanh")], name="inner")
    x = Input((3,))
    middle = Model(x, L.Add()([x, inner(x)]), name="middle")
    return {"model": Sequential([Input((3,)), L.Dense(3), middle, L.Dense(2)]), "inputs": numbers(5, 3)}


@model
def nested_two_in_two_out():
    a, b = Input((3,), name="a"), Input((2,), name="b")
    joined = L.Concatenate()([a, b])
    part = Model([a, b], [L.Dense(2, name="p")(joined), L.Dense(3, name="q")(joined)], name="part")
    x, y = Input((3,), name="x"), Input((2,), name="y")
    p, q = part([x, y])
    return {"model": Model([x, y], [L.Dense(2)(q), L.Dense(1)(p)]), "inputs": [numbers(5, 3), numbers(5, 2, seed=1)]}


@model
def nested_dict():
    a, b = Input((3,), name="a"), Input((2,), name="b")
    part = Model({"a": a, "b": b}, {"sum": L.Dense(2)(L.Concatenate()([a, b]))}, name="part")
    x, y = Input((3,), name="x"), Input((2,), name="y")
    return {"model": Model([x, y], L.Dense(1)(part({"a": x, "b": y})["sum"])),
            "inputs": [numbers(5, 3), numbers(5, 2, seed=1)]}


@model
def inner_layer_outside():
    part = tower(4, 3)
    return {"model": Model(part.input, [part.layers[1].output, L.Dense(2)(part.layers[1].output)]),
            "inputs": numbers(5, 4)}


@model
def shared_convolution():
    a, b = Input((6, 6, 2)), Input((6, 6, 2))
    conv, pool, flat = L.Conv2D(3, 3, activation="relu"), L.GlobalAveragePooling2D(), L.Dense(4)
    return {"model": Model([a, b], L.Dot(1, normalize=True)([flat(pool(conv(a))), flat(pool(conv(b)))])),
            "inputs": [numbers(3, 6, 6, 2), numbers(3, 6, 6, 2, seed=1)]}


@model
def same_layer_twice_in_a_row():
    x, layer = Input((4,)), L.Dense(4, activation="tanh")
    return {"model": Model(x, layer(layer(layer(x)))), "inputs": numbers(5, 4)}


@model
def input_is_output():
    a, b = Input((4,), name="a"), Input((2,), name="b")
    return {"model": Model([a, b], [a, L.Dense(3)(a), b]), "inputs": [numbers(5, 4), numbers(5, 2, seed=1)]}


@model
def dict_inputs():
    a, b = Input((3,), name="zebra"), Input((2,), name="ape")
    return {"model": Model({"zebra": a, "ape": b}, L.Dense(2)(L.Concatenate()([a, b]))),
            "inputs": {"zebra": numbers(5, 3), "ape": numbers(5, 2, seed=1)}}


@model
def dict_outputs():
    x = Input((3,))
    return {"model": Model(x, {"wide": L.Dense(4, name="n")(x), "deep": L.Dense(2, name="m")(x)}),
            "inputs": numbers(5, 3)}


@model
def list_of_one():
    x = Input((3,))
    return {"model": Model([x], [L.Dense(4)(x)]), "inputs": numbers(5, 3)}


@model
def merging_many():
    a, b, c = Input((4,)), Input((4,)), Input((4,))
    outs = [L.Add()([a, b, c]), L.Average()([a, b, c]), L.Multiply()([a, b, c]), L.Concatenate(axis=1)([a, b, c])]
    return {"model": Model([a, b, c], outs), "inputs": [numbers(3, 4, seed=i) for i in range(3)]}


@model
def unknown_time_axis():
    x = Input((None, 3))
    return {"model": Model(x, L.Dense(2)(L.GRU(3)(L.Conv1D(4, 2, activation="relu")(x)))), "inputs": numbers(4, 7, 3)}


@model
def bytes_rescaled():
    x = Input((5, 5, 1), dtype="uint8")
    return {"model": Model(x, L.Dense(2)(L.Flatten()(L.Rescaling(1 / 255)(x)))),
            "inputs": whole(3, 5, 5, 1, high=256).astype("uint8")}


# Functions of keras.ops as layers.

@model
def ops_operators():
    a, b = Input((4,)), Input((4,))
    return {"model": Model([a, b], [a + b, 2 * a - 1, a * b, a / (b * b + 1), -a, a ** 2, abs(a), 1 - a, 1 / (a + 3)]),
            "inputs": [numbers(5, 4), numbers(5, 4, seed=1)]}


@model
def ops_elementwise():
    x = Input((4,))
    y = ops.abs(x) + 0.5
    outs = [ops.exp(x), ops.log(y), ops.sqrt(y), ops.square(x), ops.sin(x), ops.cos(x), ops.tanh(x), ops.sigmoid(x),
            ops.relu(x), ops.maximum(x, 0.1), ops.minimum(x, y), ops.clip(x, -0.5, 0.5), ops.power(y, 1.5),
            ops.softmax(x), ops.gelu(x), ops.where(x > 0, x, y)]
    return {"model": Model(x, outs), "inputs": numbers(5, 4)}


@model
def ops_reductions():
    x = Input((3, 4))
    outs = [ops.sum(x, axis=1), ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=1), ops.min(x, axis=-1),
            ops.prod(x, axis=-1), ops.var(x, axis=1), ops.std(x, axis=-1), ops.argmax(x, axis=-1)]
    return {"model": Model(x, outs), "inputs": numbers(5, 3, 4)}


@model
def ops_shapes():
    x = Input((3, 4))
    outs = [ops.reshape(x, (-1, 12)), ops.transpose(x, (0, 2, 1)), ops.expand_dims(x, 1), ops.concatenate([x, x * 2], axis=1),
            ops.stack([x, -x], axis=1), ops.squeeze(x[:, :1], axis=1), ops.repeat(x, 2, axis=1), ops.flip(x, axis=1),
            ops.matmul(x, ops.transpose(x, (0, 2, 1))), ops.cast(x > 0, "float32")]
    return {"model": Model(x, outs), "inputs": numbers(5, 3, 4)}


@model
def ops_slices():
    x = Input((5, 4))
    return {"model": Model(x, [x[:, 0], x[:, 1:3], x[:, ::2, -1], x[..., 1:], x[:, None], x[:, -2]]),
            "inputs": numbers(5, 5, 4)}


@model
def ops_residual_attention():
    x = Input((4, 3))
    q, k, v = (L.Dense(3)(x) for _ in range(3))
    scores = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) / 3 ** 0.5, axis=-1)
    return {"model": Model(x, L.LayerNormalization()(x + ops.matmul(scores, v))), "inputs": numbers(3, 4, 3)}


# Masks and recurrent layers.

def words(batch=5, time=6, high=4):
    ids = whole(batch, time, high=high, low=1)
    for row, length in enumerate(whole(batch, high=time + 1, low=1, seed=2)):
        ids[row, length:] = 0
    return ids


@model
def mask_reaches_pooling():
    x = Input((6,), dtype="int32")
    return {"model": Model(x, L.GlobalAveragePooling1D()(L.Embedding(5, 3, mask_zero=True)(x))), "inputs": words()}


@model
def mask_through_layers():
    x = Input((6,), dtype="int32")
    h = L.Activation("tanh")(L.Dropout(0.5)(L.Dense(4)(L.Embedding(5, 3, mask_zero=True)(x))))
    return {"model": Model(x, L.LSTM(3)(L.GRU(4, return_sequences=True)(h))), "inputs": words()}


@model
def mask_through_nested():
    x = Input((6,), dtype="int32")
    embed = Sequential([Input((6,), dtype="int32"), L.Embedding(5, 3, mask_zero=True), L.Dense(4)])
    return {"model": Model(x, L.SimpleRNN(3)(embed(x))), "inputs": words()}


@model
def masking_layer():
    x = numbers(4, 6, 3)
    x[1, 4:], x[2, 2:4] = 0, 0
    return {"model": Sequential([Input((6, 3)), L.Masking(), L.LSTM(4, return_sequences=True)]), "inputs": x}


@model
def encoder_decoder():
    source, target = Input((5,), dtype="int32", name="source"), Input((4,), dtype="int32", name="target")
    _, h, c = L.LSTM(3, return_state=True)(L.Embedding(5, 4, mask_zero=True)(source))
    y = L.LSTM(3, return_sequences=True)(L.Embedding(5, 4)(target), initial_state=[h, c])
    return {"model": Model([source, target], L.Dense(5, activation="softmax")(y)),
            "inputs": [words(4, 5), whole(4, 4, high=5, seed=1)]}


# Training. Losses, weights and metrics.

def classify(batch=48, features=6, classes=3):
    x = numbers(batch, features)
    return x, np.argmax(x[:, :classes] + 0.3 * x[:, classes:classes * 2], axis=1).astype("int32")


def two_headed(dicts=False):
    a, b = Input((4,), name="left"), Input((3,), name="right")
    h = L.Dense(5, activation="relu")(L.Concatenate()([a, b]))
    score, kind = L.Dense(1, name="score")(h), L.Dense(3, activation="softmax", name="kind")(h)
    x = [numbers(40, 4), numbers(40, 3, seed=1)]
    y = [numbers(40, 1, seed=2), whole(40, high=3, seed=3)]
    if dicts:
        return {"model": Model({"left": a, "right": b}, {"score": score, "kind": kind}),
                "inputs": {"left": x[0], "right": x[1]}, "targets": {"score": y[0], "kind": y[1]}}
    return {"model": Model([a, b], [score, kind]), "inputs": x, "targets": y}


FIT = dict(batch_size=16, epochs=3)
LABELS = "sparse_categorical_crossentropy"


@model
def fit_several_losses():
    return two_headed() | {
        "compile": dict(optimizer="adam", loss=["mse", LABELS], loss_weights=[0.5, 2.0], metrics=[["mae", "mse"], ["accuracy"]]),
        "fit": FIT}


@model
def fit_losses_by_name():
    return two_headed() | {
        "compile": dict(optimizer="rmsprop", loss={"kind": LABELS, "score": "mae"}, loss_weights={"kind": 0.3, "score": 1.0},
                        metrics={"kind": "accuracy"}), "fit": FIT | dict(validation_split=0.2)}


@model
def fit_one_loss_for_all():
    x = Input((4,))
    return {"model": Model(x, [L.Dense(2, name="p")(x), L.Dense(2, name="q")(x)]), "inputs": numbers(40, 4),
            "targets": [numbers(40, 2, seed=1), numbers(40, 2, seed=2)], "compile": dict(optimizer="sgd", loss="mse"), "fit": FIT}


@model
def fit_one_loss_of_two():
    return two_headed() | {"compile": dict(optimizer="sgd", loss=[None, LABELS], metrics=[None, ["accuracy"]]), "fit": FIT}


@model
def fit_dicts():
    return two_headed(dicts=True) | {
        "compile": dict(optimizer="adam", loss={"score": "mse", "kind": LABELS}, metrics={"score": ["mae"], "kind": ["accuracy"]}),
        "fit": FIT}


def network(x, y, layers, compile, fit=FIT, **more):
    return {"model": Sequential([Input(x.shape[1:], dtype=str(x.dtype)), *layers]), "inputs": x, "targets": y,
            "compile": compile, "fit": fit, **more}


def classifier(**more):
    x, y = classify()
    return network(x, y, [L.Dense(5, activation="relu"), L.Dense(3, activation="softmax")], **more)


@model
def fit_class_weight():
    return classifier(compile=dict(optimizer="adam", loss=LABELS, metrics=["accuracy"]),
                      fit=FIT | dict(class_weight={0: 0.5, 2: 3.0}, validation_split=0.25))


@model
def fit_class_weight_one_hot():
    x, y = classify()
    return network(x, np.eye(3, dtype="float32")[y], [L.Dense(3, activation="softmax")],
                   dict(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"]),
                   FIT | dict(class_weight={0: 2.0, 1: 0.25, 2: 1.5}))


@model
def fit_class_weight_binary():
    x = numbers(50, 4)
    return network(x, (x.sum(1, keepdims=True) > 0).astype("float32"), [L.Dense(1, activation="sigmoid")],
                   dict(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"]),
                   FIT | dict(class_weight={0: 1.0, 1: 5.0}))


@model
def fit_sample_weight():
    return classifier(compile=dict(optimizer="adam", loss=LABELS, metrics=["accuracy"]),
                      fit=FIT | dict(validation_split=0.25), sample_weight=numbers(48, seed=9, low=0, high=2))


@model
def fit_sample_weights_of_outputs():
    return two_headed() | {
        "compile": dict(optimizer="adam", loss=["mse", LABELS], loss_weights=[0.5, 2.0], metrics=[["mae"], ["accuracy"]]),
        "sample_weight": [numbers(40, seed=8, low=0, high=2), numbers(40, seed=9, low=0, high=2)],
        "fit": FIT | dict(validation_split=0.25)}


@model
def fit_later_epochs():
    return classifier(compile=dict(optimizer="adam", loss=LABELS, metrics=["accuracy"]),
                      fit=dict(batch_size=16, epochs=4, initial_epoch=2, validation_split=0.3, validation_batch_size=5))


@model
def fit_weighted_metrics():
    return classifier(compile=dict(optimizer="adam", loss=LABELS, weighted_metrics=["accuracy"]), fit=FIT,
                      sample_weight=numbers(48, seed=9, low=0, high=2))


@model
def fit_loss_settings():
    x, y = classify()
    return network(x, np.eye(3, dtype="float32")[y], [L.Dense(5, activation="tanh"), L.Dense(3)],
                   dict(optimizer="adam", loss=losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
                        metrics=[metrics.CategoricalAccuracy(name="hits"), "mse"]))


@model
def fit_binary_logits():
    x = numbers(50, 4)
    return network(x, (x[:, :2] > 0).astype("float32"), [L.Dense(2)],
                   dict(optimizer="sgd", loss=losses.BinaryCrossentropy(from_logits=True),
                        metrics=[metrics.BinaryAccuracy(threshold=0.0)]))


@model
def fit_loss_sum():
    x = numbers(40, 3)
    return network(x, numbers(40, 2, seed=1), [L.Dense(2)],
                   dict(optimizer=optimizers.SGD(0.01), loss=losses.MeanSquaredError(reduction="sum"), metrics=["mse"]))


@model
def fit_masked_labels():
    x = words(24, 6)
    return network(x, (x % 3).astype("int32"), [L.Embedding(5, 4, mask_zero=True), L.LSTM(4, return_sequences=True),
                                               L.Dense(3, activation="softmax")],
                   # No metric: on JAX, Keras takes the mask into account for validation but not for training.
                   dict(optimizer="adam", loss=LABELS))


@model
def fit_masked_lstm():
    x = words(24, 6)
    return network(x, (x > 0).sum(1, keepdims=True).astype("float32"), [L.Embedding(5, 4, mask_zero=True), L.LSTM(3), L.Dense(1)],
                   dict(optimizer="rmsprop", loss="mse"))


# Training. Graphs, frozen parts, penalties.

@model
def fit_nested():
    x = Input((6,))
    part = Sequential([Input((6,)), L.Dense(4, activation="relu"), L.BatchNormalization()], name="part")
    data, y = classify()
    return {"model": Model(x, L.Dense(3, activation="softmax")(part(x))), "inputs": data, "targets": y,
            "compile": dict(optimizer="adam", loss=LABELS, metrics=["accuracy"]), "fit": FIT}


@model
def fit_nested_shared():
    a, b = Input((4,)), Input((4,))
    part = tower(4, 3)
    return {"model": Model([a, b], L.Dense(1)(L.Concatenate()([part(a), part(b)]))),
            "inputs": [numbers(40, 4), numbers(40, 4, seed=1)], "targets": numbers(40, 1, seed=2),
            "compile": dict(optimizer="rmsprop", loss="mse", metrics=["mae"]), "fit": FIT}


@model
def fit_shared_normalization():
    a, b = Input((4,)), Input((4,))
    normalize = L.BatchNormalization(momentum=0.8)
    return {"model": Model([a, b], L.Dense(1)(L.Add()([normalize(a), normalize(b)]))),
            "inputs": [numbers(40, 4), numbers(40, 4, seed=1, low=1, high=3)], "targets": numbers(40, 1, seed=2),
            "compile": dict(optimizer="sgd", loss="mse"), "fit": FIT}


def frozen(pick):
    x = Input((6,))
    part = Sequential([Input((6,)), L.Dense(4, activation="relu", name="inside"), L.BatchNormalization(name="norm")], name="part")
    y = L.Dense(3, activation="softmax", name="head")(L.Dense(4, name="between")(part(x)))
    data, labels = classify()
    whole_model = Model(x, y)
    pick(whole_model).trainable = False
    return {"model": whole_model, "inputs": data, "targets": labels,
            "compile": dict(optimizer="adam", loss=LABELS, metrics=["accuracy"]), "fit": FIT}


@model
def fit_frozen_layer():
    return frozen(lambda m: m.get_layer("between"))


@model
def fit_frozen_nested():
    return frozen(lambda m: m.get_layer("part"))


@model
def fit_frozen_layer_of_nested():
    return frozen(lambda m: m.get_layer("part").get_layer("inside"))


@model
def fit_frozen_normalization():
    return frozen(lambda m: m.get_layer("part").get_layer("norm"))


@model
def fit_penalties():
    x = numbers(40, 5)
    return network(x, numbers(40, 1, seed=1),
                   [L.Dense(4, activation="tanh", kernel_regularizer=regularizers.L1L2(0.01, 0.02), bias_regularizer=regularizers.L1(0.01)),
                    L.Dense(1, activity_regularizer=regularizers.L2(0.01))],
                   dict(optimizer="sgd", loss="mse"), FIT | dict(validation_split=0.25))


@model
def fit_ops():
    x = Input((4,))
    y = L.Dense(3, activation="relu")(x)
    y = ops.concatenate([y * 2.0, ops.square(y)], axis=-1) + 0.1
    return {"model": Model(x, L.Dense(1)(y)), "inputs": numbers(40, 4), "targets": numbers(40, 1, seed=1),
            "compile": dict(optimizer="adam", loss="mse"), "fit": FIT}


@model
def fit_convnet():
    return network(numbers(32, 8, 8, 1), whole(32, high=3), [
        L.Conv2D(3, 3, activation="relu", padding="same"), L.MaxPooling2D(2), L.BatchNormalization(), L.Conv2D(4, 3, strides=2),
        L.Flatten(), L.Dense(3, activation="softmax")], dict(optimizer="adam", loss=LABELS, metrics=["accuracy"]))


@model
def fit_gru_and_average():
    return network(numbers(30, 7, 3), numbers(30, 1, seed=5),
                   [L.GRU(4, return_sequences=True), L.GlobalAveragePooling1D(), L.Dense(1)],
                   dict(optimizer="adam", loss="mae"))


# Training. Optimizers with other settings than the defaults; each begins after an epoch.

def optimized(optimizer, **more):
    return classifier(compile=dict(optimizer=optimizer, loss=LABELS, metrics=["accuracy"]), **more)


ONCE = dict(batch_size=16, epochs=1)

for name, make in [
    ("sgd", lambda: optimizers.SGD(0.1)),
    ("sgd_momentum", lambda: optimizers.SGD(0.05, momentum=0.8)),
    ("sgd_nesterov", lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("rmsprop", lambda: optimizers.RMSprop(0.01, rho=0.8, momentum=0.5, epsilon=1e-5, centered=True)),
    ("adam", lambda: optimizers.Adam(0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-4)),
    ("adam_amsgrad", lambda: optimizers.Adam(0.02, amsgrad=True, clipnorm=0.1)),
    ("adamw", lambda: optimizers.AdamW(0.02, weight_decay=0.1, clipvalue=0.02)),
    ("adagrad", lambda: optimizers.Adagrad(0.1, initial_accumulator_value=0.2, global_clipnorm=0.2)),
    ("adadelta", lambda: optimizers.Adadelta(0.5, rho=0.9)),
    ("adamax", lambda: optimizers.Adamax(0.02, beta_1=0.8)),
    ("nadam", lambda: optimizers.Nadam(0.02, beta_2=0.99)),
    ("ftrl", lambda: optimizers.Ftrl(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.02)),
    ("lion", lambda: optimizers.Lion(0.01, beta_1=0.8)),
    ("lamb", lambda: optimizers.Lamb(0.02)),
    ("adafactor", lambda: optimizers.Adafactor(0.02)),
    ("adadelta_decayed", lambda: optimizers.Adadelta(0.9, rho=0.5, epsilon=1e-4, weight_decay=0.01)),
    ("adamax_clipped", lambda: optimizers.Adamax(0.01, beta_2=0.9, epsilon=1e-3, clipnorm=0.1)),
    ("nadam_accumulated", lambda: optimizers.Nadam(0.02, beta_1=0.8, epsilon=1e-3, gradient_accumulation_steps=2)),
    ("ftrl_power", lambda: optimizers.Ftrl(
        0.2, learning_rate_power=-0.7, initial_accumulator_value=0.3, l2_shrinkage_regularization_strength=0.05, beta=0.2)),
    ("lion_decayed", lambda: optimizers.Lion(0.01, beta_2=0.8, weight_decay=0.1)),
    ("lamb_clipped", lambda: optimizers.Lamb(0.01, beta_1=0.7, beta_2=0.9, epsilon=1e-3, global_clipnorm=0.1)),
    ("adafactor_settings", lambda: optimizers.Adafactor(
        0.05, beta_2_decay=-0.5, epsilon_2=0.05, clip_threshold=0.5, relative_step=False, weight_decay=0.01)),
    ("muon", lambda: optimizers.Muon(0.02)),
    ("muon_settings", lambda: optimizers.Muon(
        0.01, momentum=0.8, nesterov=False, ns_steps=3, rms_rate=None, adam_lr_ratio=0.5, adam_weight_decay=None)),
    ("schedule_free", lambda: optimizers.ScheduleFreeAdamW(0.02)),
    ("schedule_free_warmup", lambda: optimizers.ScheduleFreeAdamW(0.05, beta_1=0.8, warmup_steps=5, weight_decay=0.01)),
    ("loss_scale", lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.02), dynamic_growth_steps=2)),
    ("loss_scale_clipped", lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.1, clipnorm=0.1), initial_scale=4.0)),
    ("accumulated", lambda: optimizers.Adam(0.02, gradient_accumulation_steps=2)),
    ("exponential_decay", lambda: optimizers.Adam(schedules.ExponentialDecay(0.05, 4, 0.5, staircase=True))),
    ("cosine_decay", lambda: optimizers.RMSprop(schedules.CosineDecay(0.001, 9, 0.1, warmup_target=0.02, warmup_steps=3))),
    ("polynomial_decay", lambda: optimizers.SGD(schedules.PolynomialDecay(0.1, 5, 0.01, power=2.0), momentum=0.5)),
    ("piecewise_decay", lambda: optimizers.SGD(schedules.PiecewiseConstantDecay([2, 5], [0.2, 0.1, 0.01]))),
    ("inverse_time_decay", lambda: optimizers.Adagrad(schedules.InverseTimeDecay(0.1, 2, 0.5))),
    ("cosine_restarts", lambda: optimizers.Adam(schedules.CosineDecayRestarts(0.02, 3))),
]:
    MODELS[f"fit_{name}"] = lambda make=make: optimized(make(), before=ONCE)


# Compiled steps give away the memory of weights, which those of the average share after a training.

@model
def fit_ema():
    return classifier(compile=dict(optimizer=optimizers.Adam(0.02, use_ema=True, ema_momentum=0.7), loss=LABELS, run_eagerly=True))


@model
def fit_ema_overwritten():
    average = dict(use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=2)
    return classifier(compile=dict(optimizer=optimizers.SGD(0.1, **average), loss=LABELS, run_eagerly=True))


@model
def fit_continued_with_frozen():
    case = frozen(lambda m: m.get_layer("between"))
    return case | {"before": ONCE}
