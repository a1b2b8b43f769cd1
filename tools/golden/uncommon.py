"""Golden cases of what random comparisons with Keras found: masks, statistics and penalties within layers of layers, element types."""

import numpy as np
from keras import Input, Model, Sequential, config, initializers, layers as L, losses, ops, optimizers, regularizers as R

from models import FIT, model, numbers, whole


def masked(*shape, seed=0):
    """Numbers whose last steps, along the second axis, are zeros in some examples."""
    x = numbers(*shape, seed=seed)
    left = np.random.default_rng(seed + 1).integers(1, shape[1] + 1, shape[0])
    return x * (np.arange(shape[1]) < left[:, None]).reshape(shape[:2] + (1,) * (len(shape) - 2)).astype("float32")


def trained(inputs, outputs, x, targets, **settings):
    settings = dict(optimizer=optimizers.SGD(0.1), loss="mse") | settings
    return {"model": Model(inputs, outputs), "inputs": x, "targets": targets, "compile": settings, "fit": FIT}


@model
def fit_statistics_in_time():
    """Statistics of each step by itself, of a layer and of a model; frozen ones, and masked ones."""
    x = Input((4, 3))
    y = L.TimeDistributed(L.BatchNormalization(momentum=0.8))(L.Masking()(x))
    y = L.TimeDistributed(Sequential([L.Dense(4), L.BatchNormalization(momentum=0.7), L.Activation("tanh")]))(y)
    y = L.TimeDistributed(L.BatchNormalization(trainable=False))(y)
    return trained(x, L.TimeDistributed(L.Dense(2))(y), masked(21, 4, 3), numbers(21, 4, 2, seed=3))


@model
def fit_statistics_in_unknown_time():
    x = Input((None, 3))
    y = L.TimeDistributed(L.LayerNormalization())(x)
    return trained(x, L.TimeDistributed(L.Dense(2))(y), numbers(18, 4, 3), numbers(18, 4, 2, seed=3))


@model
def fit_masks_in_time():
    """Each step has its part of a mask along two axes."""
    x = Input((3, 4, 2))
    kept = L.Masking()(x)
    y = L.Concatenate()([L.TimeDistributed(L.LSTM(3))(kept), L.TimeDistributed(L.GlobalAveragePooling1D())(kept)])
    steps = masked(20 * 3, 4, 2).reshape(20, 3, 4, 2)
    return trained(x, L.Dense(2)(L.Flatten()(y)), steps, numbers(20, 2, seed=3))


@model
def fit_penalties_in_time():
    """A layer's own penalty on its output counts for nothing there; those of a model's layers do."""
    x = Input((4, 3))
    y = L.TimeDistributed(L.Dense(3, activity_regularizer=R.L2(0.1)))(x)
    y = L.TimeDistributed(Sequential([L.Dense(3, activity_regularizer=R.L2(0.05)), L.ActivityRegularization(l1=0.02)]))(y)
    y = L.TimeDistributed(Sequential([L.Dense(3, activity_regularizer=R.OrthogonalRegularizer(0.1))]))(y)
    y = L.TimeDistributed(L.ActivityRegularization(l1=0.3))(y)
    y = L.TimeDistributed(L.Flatten(activity_regularizer=R.L2(0.2)))(y)
    return trained(x, L.TimeDistributed(L.Dense(2))(y), numbers(21, 4, 3), numbers(21, 4, 2, seed=3))


@model
def query_masks_given():
    x, mask = Input((4, 6)), Input((4,), dtype="bool")
    own = L.Masking()(x)
    many, grouped = L.MultiHeadAttention(2, 3), L.GroupQueryAttention(3, 4, 2)
    outputs = [many(x, x, query_mask=mask), many(own, x, query_mask=mask), grouped(x, x, query_mask=mask), grouped(own, x, query_mask=mask)]
    outputs += [L.GlobalAveragePooling1D()(y) for y in outputs[:2]]
    given = np.random.default_rng(5).integers(0, 2, (6, 4)).astype(bool)
    given[:, 0] = True
    return {"model": Model([x, mask], outputs), "inputs": [masked(6, 4, 6), given]}


@model
def spectral_normalization_masked():
    x = Input((4, 3))
    y = L.SpectralNormalization(L.Dense(3))(L.Masking()(x))
    return {"model": Model(x, [L.GlobalAveragePooling1D()(y), L.LSTM(2)(y)]), "inputs": masked(7, 4, 3)}


@model
def fit_spectral_normalizations_penalized():
    """Penalties are those of divided kernels; one layer is called twice."""
    x = Input((4, 2))
    y = L.SpectralNormalization(L.Conv1D(3, 2, kernel_regularizer=R.L1(0.1)))(x)
    twice = L.SpectralNormalization(L.Dense(3, kernel_regularizer="l2"), power_iterations=2)
    return trained(x, L.Dense(2)(L.Flatten()(twice(twice(y)))), numbers(20, 4, 2), numbers(20, 2, seed=3))


@model
def spectral_normalization_of_whole_numbers():
    """What comes out is cast to the input's element type."""
    x = Input((4,), dtype="int32")
    y = L.SpectralNormalization(L.Embedding(9, 3))(x)
    return {"model": Model(x, [y, L.SpectralNormalization(L.Dense(3))(x), L.LSTM(2)(y)]), "inputs": whole(7, 4, high=9)}


@model
def discretization_element_types():
    """Numbers fall into the same bins, whatever the layer's element type."""
    x = Input((3,))
    layers = [L.Discretization([-0.5, 0.0, 0.4], dtype=dtype, output_mode=mode) for dtype in ("int64", "int32", "float16", "float64") for mode in ("int", "count")]
    return {"model": Model(x, [layer(x) for layer in layers]), "inputs": numbers(7, 3)}


@model
def fit_outputs_of_one_layer():
    """Losses of outputs that have one name: the last one is reported."""
    x = Input((5,))
    dense = L.Dense(2, name="shared")
    outputs = [dense(x), dense(L.Activation("tanh")(x)), L.Dense(1, name="other")(x)]
    return trained(x, outputs, numbers(20, 5), [numbers(20, 2, seed=1), numbers(20, 2, seed=2), numbers(20, 1, seed=3)], loss=["mse", "mae", "mse"])


@model
def layer_normalization_axes_of_both_signs():
    x = Input((3, 4, 2))
    return {"model": Model(x, [L.LayerNormalization(axis=[-1, 1])(x), L.LayerNormalization(axis=[1, 2, -1])(x), L.LayerNormalization(axis=[2, -3])(x)]), "inputs": numbers(5, 3, 4, 2)}


@model
def element_types_mixed():
    a, b = Input((4,), dtype="int32"), Input((4,))
    joined = [layer([a, b]) for layer in (L.Add(), L.Subtract(), L.Multiply(), L.Average(), L.Maximum(), L.Minimum(), L.Concatenate(), L.Dot(1))]
    return {"model": Model([a, b], joined), "inputs": [whole(5, 4, high=7) - 3, numbers(5, 4)]}


@model
def whole_numbers_in():
    x = Input((4, 3), dtype="int32")
    made = [layer(x) for layer in (L.Masking(), L.Masking(1), L.AveragePooling1D(2), L.Softmax(), L.ELU(), L.LeakyReLU(), L.Activation("tanh"), L.Activation("gelu"), L.ReLU(), L.Activation("relu"))]
    made.append(L.GRU(2)(L.Masking(2)(x)))
    mean, zeros = L.Average()([x, made[-2]]), L.Masking(2)(x)
    made += [mean, L.Multiply()([zeros, L.Masking(1)(x)]), L.Concatenate(axis=1)([zeros, x]), L.Add()([x, x])]
    return {"model": Model(x, made), "inputs": whole(5, 4, 3, high=5) - 2}


@model
def convolutional_lstm_along_an_axis():
    x = Input((3, 2, 4, 5))
    layer = L.ConvLSTM2D(3, 2, data_format="channels_first", activation="softmax", recurrent_activation="sigmoid", return_sequences=True)
    other = L.ConvLSTM2D(2, 2, data_format="channels_first", recurrent_activation="softmax")
    return {"model": Model(x, [layer(x), other(x)]), "inputs": numbers(4, 3, 2, 4, 5)}


@model
def recurrent_masks_of_features():
    """A step is left out if all of its features are."""
    x, mask = Input((4, 3)), Input((4, 3), dtype="bool")
    outputs = [L.LSTM(2)(x, mask=mask), L.GRU(2, go_backwards=True)(x, mask=mask), L.RNN(L.SimpleRNNCell(2))(x, mask=mask), L.Bidirectional(L.GRU(2))(x, mask=mask)]
    given = np.random.default_rng(5).integers(0, 3, (6, 4, 3)) > 1
    return {"model": Model([x, mask], outputs), "inputs": [numbers(6, 4, 3), given]}


@model
def fit_focal_weights_of_classes():
    x = Input((5,))
    y = L.Dense(3, activation="softmax")(x)
    focal = losses.CategoricalFocalCrossentropy(alpha=[0.1, 0.3, 0.6], label_smoothing=0.1)
    return trained(x, y, numbers(20, 5), np.eye(3, dtype="float32")[whole(20, high=3)], loss=focal)


@model
def fit_sample_weights_of_whole_numbers():
    x = Input((5,))
    return trained(x, L.Dense(2)(x), numbers(20, 5), numbers(20, 2, seed=1)) | {"sample_weight": whole(20, high=3, seed=2)}


@model
def infinite_settings():
    x = Input((4,))
    left = ops.where(x > 0.2, x, -np.inf)
    return {"model": Model(x, [L.Softmax()(left), L.ReLU(max_value=np.inf, negative_slope=0.1)(x)]), "inputs": numbers(5, 4)}


@model
def images_of_unknown_size():
    x = Input((None, None, 2))
    made = [L.Resizing(3, 7, interpolation=how, antialias=antialias)(x) for how in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5") for antialias in (False, True)]
    made += [L.Resizing(4, 3, crop_to_aspect_ratio=True)(x), L.Resizing(5, 9, pad_to_aspect_ratio=True, fill_value=0.5, interpolation="bicubic")(x)]
    made += [L.UpSampling2D((2, 3), interpolation=how)(x) for how in ("bilinear", "bicubic", "lanczos3")]
    return {"model": Model(x, made), "inputs": numbers(3, 5, 6, 2)}


@model
def windows_of_unknown_axes():
    """The lengths are no multiples of the numbers of windows."""
    x, steps = Input((None, 5, 2)), Input((None, 3))
    made = [layer(x) for layer in (L.AdaptiveAveragePooling2D((3, 2)), L.AdaptiveMaxPooling2D((2, 3)))]
    made += [layer(steps) for layer in (L.AdaptiveAveragePooling1D(4), L.AdaptiveMaxPooling1D(3))]
    return {"model": Model([x, steps], made), "inputs": [numbers(3, 7, 5, 2), numbers(3, 7, 3)]}


@model
def fit_images_of_unknown_size():
    x = Input((None, None, 3))
    y = L.Conv2D(4, 3, activation="relu")(L.Resizing(6, 5, interpolation="bicubic")(L.Conv2D(3, 1)(x)))
    y = L.UpSampling2D(2, interpolation="bilinear")(y)
    return trained(x, L.Dense(2)(L.Flatten()(L.Resizing(2, 3)(y))), numbers(20, 7, 4, 3), numbers(20, 2, seed=3))


MIXED = {"tolerance": 4e-3}
"""Sums of sixteen bits in another order."""


def mixed_layers(x, policy):
    """Layers of each kind that computes in sixteen bits, with weights of 32."""
    y = L.BatchNormalization(dtype=policy)(L.Conv1D(4, 2, activation="relu", padding="same", dtype=policy)(x))
    if policy == "mixed_bfloat16":  # JAX has no attention of float16 on a CPU
        y = L.Add(dtype=policy)([y, L.MultiHeadAttention(2, 3, dtype=policy)(y, y)])
    y = L.LayerNormalization(dtype=policy)(y)
    y = L.Bidirectional(L.LSTM(3, return_sequences=True, dtype=policy), dtype=policy)(y)
    y = L.TimeDistributed(L.Dense(4, activation="tanh", kernel_regularizer=R.L2(0.01), dtype=policy), dtype=policy)(y)
    return L.GRU(3, dtype=policy)(y)


@model
def mixed_float16():
    x, ids = Input((5, 3)), Input((5,), dtype="int32")
    policy = "mixed_float16"
    y = L.Concatenate(dtype=policy)([mixed_layers(x, policy), mixed_layers(L.Embedding(6, 3, dtype=policy)(ids), policy)])
    return {"model": Model([x, ids], [y, L.Dense(2)(y)]), "inputs": [numbers(6, 5, 3), whole(6, 5, high=6)]} | MIXED


@model
def fit_mixed_float16():
    x = Input((5, 3))
    y = L.Dense(2, dtype="mixed_float16")(mixed_layers(x, "mixed_float16"))
    return trained(x, L.Activation("linear", dtype="float32")(y), numbers(20, 5, 3), numbers(20, 2, seed=3)) | MIXED


@model
def fit_mixed_bfloat16():
    x = Input((5, 3))
    y = L.Dense(2, dtype="float32")(mixed_layers(x, "mixed_bfloat16"))
    return trained(x, y, numbers(20, 5, 3), numbers(20, 2, seed=3)) | {"tolerance": 1e-2}


@model
def fit_mixed_images():
    policy = "mixed_float16"
    x = Input((6, 6, 2))
    y = L.SeparableConv2D(4, 3, dtype=policy)(L.DepthwiseConv2D(2, dtype=policy)(x))
    y = L.SpectralNormalization(L.Conv2D(3, 2, dtype=policy), dtype=policy)(L.GroupNormalization(2, dtype=policy)(y))
    y = L.PReLU(dtype=policy)(L.Conv2DTranspose(3, 2, strides=2, dtype=policy)(y))
    y = L.Dense(2, activation="softmax", dtype="float32")(L.GlobalAveragePooling2D(dtype=policy)(y))
    return trained(x, y, numbers(20, 6, 6, 2), whole(20, high=2), loss="sparse_categorical_crossentropy", metrics=["accuracy"]) | MIXED


@model
def fit_mixed_outputs():
    """Losses and metrics are of 32 bits, whatever the outputs are."""
    policy = "mixed_float16"
    x = Input((5,))
    y = L.Dense(8, activation="tanh", activity_regularizer=R.L2(0.1), dtype=policy)(x)
    outputs = [L.Dense(3, activation="softmax", name="p", dtype=policy)(y), L.Dense(2, name="q", dtype=policy)(y)]
    settings = dict(loss=["sparse_categorical_crossentropy", "mse"], metrics=[["accuracy"], ["mae", "cosine_similarity"]])
    targets = [whole(300, high=3), 40 * numbers(300, 2, seed=3)]
    return trained(x, outputs, numbers(300, 5), targets, **settings) | MIXED | {"fit": {"epochs": 2, "batch_size": 128}}


def mixed_globally(optimizer):
    """The policy of the whole model: Keras scales the loss by itself, of which only the optimizer's state tells."""
    config.set_dtype_policy("mixed_float16")
    x = Input((5,))
    y = L.LayerNormalization(gamma_initializer=initializers.Constant(1.001))(L.Dense(8, activation="tanh")(x))
    net = Model(x, L.Dense(2, dtype="float32")(y))
    config.set_dtype_policy("float32")
    settings = dict(optimizer=optimizer, loss="mse")
    return {"model": net, "inputs": numbers(30, 5), "targets": numbers(30, 2, seed=3), "compile": settings, "fit": {"epochs": 2, "batch_size": 8}} | MIXED


@model
def fit_mixed_globally():
    return mixed_globally(optimizers.Adam(0.01)) | {"before": {"epochs": 1, "batch_size": 8}}


@model
def fit_mixed_globally_scheduled():
    schedule = optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)
    return mixed_globally(optimizers.SGD(schedule, momentum=0.9)) | {"before": {"epochs": 1, "batch_size": 8}}


@model
def fit_mixed_globally_from_the_start():
    return mixed_globally("rmsprop")


@model
def layer_normalization_of_large_numbers():
    """What is normalized does not become sixteen bits before."""
    x = Input((6,))
    made = [L.LayerNormalization(dtype="mixed_float16")(x), L.GroupNormalization(2, dtype="mixed_float16")(x)]
    return {"model": Model(x, made), "inputs": 1e6 * numbers(4, 6)} | MIXED


@model
def fit_fixed_batches():
    """A batch of a number of examples says nothing of how many there are."""
    x = Input((3,), batch_size=4)
    return trained(x, L.Dense(2)(x), numbers(11, 3), numbers(11, 2, seed=3)) | {"fit": {"epochs": 2, "batch_size": 4}}


@model
def fit_whole_numbers_out():
    x = Input((3,), dtype="int32")
    outputs = [L.Flatten()(x), L.Dense(2)(L.Rescaling(0.5)(x))]
    settings = dict(loss=["mse", "mse"], metrics=[["mae", "accuracy"], ["mae"]])
    return trained(x, outputs, whole(20, 3, high=5), [whole(20, 3, high=5, seed=2), numbers(20, 2, seed=3)], **settings)


@model
def fit_penalties_of_several_types():
    x = Input((3,))
    y = L.Dense(4, kernel_regularizer=R.L2(0.1), activation="tanh", dtype="float16")(x)
    y = L.Dense(4, kernel_regularizer=R.L2(0.1), activation="tanh", dtype="bfloat16")(y)
    return trained(x, L.Dense(2, kernel_regularizer=R.L1(0.1))(y), numbers(20, 3), numbers(20, 2, seed=3)) | {"tolerance": 1e-2}


@model
def fit_masking_of_what_is_trained():
    """Steps that a layer with weights makes zeros of."""
    x = Input((5, 3))
    kept = L.Masking()(L.Dense(2, activation="relu", bias_regularizer="l1")(x))
    y = L.Concatenate()([L.GlobalAveragePooling1D()(kept), L.LSTM(3)(kept)])
    steps = L.Dense(2, name="steps")(kept)
    return trained(x, [L.Dense(2)(y), steps], masked(21, 5, 3), [numbers(21, 2, seed=3), numbers(21, 5, 2, seed=4)], loss=["mse", "mse"])
