"""Golden cases of operations and layers at the edges of what they take: infinities, bytes, whole numbers, missing bounds."""

import numpy as np
from keras import Input, Model, Sequential, layers as L, ops, optimizers

from models import FIT, model, numbers, whole

INF = np.inf


def pairs(*rows):
    """Two inputs: of each pair, the first and the second numbers."""
    return [np.array([[row[at] for row in rows]], "float32") for at in (0, 1)]


@model
def operations_of_extremes():
    """Sums of powers, hypotenuses, remainders, complements of the error function."""
    a, b = Input((15,)), Input((15,))
    rows = [(-1e9, 0.3), (0.3, -1e9), (-INF, 0.5), (-INF, -INF), (INF, INF), (INF, -INF), (0, 0), (2, 2), (1e20, 1e20), (1e-30, 1e-30), (0, -3), (5.5, INF), (-5.5, -INF), (120, 119), (-1, INF)]
    made = [ops.logaddexp(a, b), ops.logaddexp2(a, b), ops.hypot(a, b), ops.erfc(a), ops.erfc(b), ops.erfc(a / 30), ops.erfc(-b)]
    return {"model": Model([a, b], made), "inputs": pairs(*rows)}


@model
def operations_of_small_complements():
    x = Input((40,))
    return {"model": Model(x, [ops.erfc(x), ops.log(ops.erfc(x))]), "inputs": np.linspace(-4, 9, 80, dtype="float32").reshape(2, 40)}


@model
def operations_of_remainders():
    a, b = Input((16,)), Input((16,))
    rows = [(1, 0.1), (-1, 0.1), (1, -0.1), (-1, -0.1), (1, INF), (-1, INF), (1, -INF), (-1, -INF), (1e10, 3), (-1e10, 7), (5.5, 2.5), (-5.5, 2.5), (7.25, -2), (0, 3), (6, 3), (1e-3, 1e-4)]
    return {"model": Model([a, b], [ops.fmod(a, b), ops.floor_divide(a, b), ops.fmod(a, 0.3), ops.floor_divide(a, 0.1)]), "inputs": pairs(*rows)}


@model
def operations_of_whole_remainders():
    a, b = Input((6,), dtype="int32"), Input((6,), dtype="int32")
    x = np.array([[7, -7, 7, -7, 0, 2**24 + 1]], "int32"), np.array([[3, 3, -3, -3, 2, 2**12]], "int32")
    return {"model": Model([a, b], [ops.fmod(a, b), ops.floor_divide(a, b), ops.fmod(a, 3), ops.floor_divide(a, 0.3)]), "inputs": list(x)}


@model
def operations_of_bytes():
    """Sums and products of bytes and truth values have room."""
    x = Input((3, 3), dtype="uint8")
    is_large, some = x > 100, x[:, 0]
    made = [ops.sum(x, axis=1), ops.sum(x, axis=(1, 2), keepdims=True), ops.prod(some, axis=1), ops.prod(some, axis=1, dtype="float32"), ops.nansum(x, axis=2), ops.nanprod(some, axis=1), ops.nanmax(x, axis=1), ops.nanmin(x, axis=1),
            ops.trace(x, axis1=1, axis2=2), ops.cumsum(is_large, axis=1), ops.sum(is_large, axis=1), ops.prod(is_large, axis=2), ops.nansum(is_large, axis=2), ops.trace(is_large, axis1=1, axis2=2)]
    return {"model": Model(x, made), "inputs": np.random.default_rng(1).integers(0, 256, (4, 3, 3)).astype("uint8")}


@model
def operations_without_bounds():
    x, n = Input((6,)), Input((6,), dtype="int32")
    made = [ops.clip(x, None, 0.4), ops.clip(x, -0.3, None), ops.clip(x, None, None), ops.clip(n, 1, None), ops.clip(n, None, 2), ops.clip(n > 0, None, 5), ops.clip(n, -1.5, 2), ops.max(n, axis=1, initial=2)]
    return {"model": Model([x, n], made), "inputs": [numbers(5, 6), whole(5, 6, high=9, seed=2) - 4]}


@model
def operations_of_two_numbers():
    x, y = Input((3, 1)), Input((4,))
    inside = ops.logical_and(x > 0, ops.expand_dims(y, 1) > 0)
    made = [ops.where(inside, 1.0, 0.0), ops.where(inside, 3, -2), ops.where(x > 0.1, 1, 0.5), ops.where(x > 0, True, False), ops.where(x > 0, True, 2), ops.where(x > 0, -INF, 0.0), ops.where(x > 0, 1, 0) * x]
    return {"model": Model([x, y], made), "inputs": [numbers(5, 3, 1), numbers(5, 4, seed=2)]}


@model
def operations_of_order():
    """Quantiles beside infinities and of what is no number; the order of all numbers."""
    x = Input((5,))
    made = [ops.median(x, axis=1), ops.quantile(x, 0.5, axis=(1,)), ops.quantile(x, 0.3, axis=(1,), keepdims=True), ops.percentile(x, 60.0, axis=(1,)), ops.quantile(x, 0.7, axis=(1,))]
    made += [ops.expand_dims(ops.sort(x, axis=None), 0), ops.expand_dims(ops.argsort(x, axis=None), 0)]
    rows = [[1, 2, 3, INF, INF], [-INF, -INF, 1, 2, 3], [5, INF, 4, -INF, 3], [0.5, 0.1, 0.2, 0.4, 0.3]]
    return {"model": Model(x, made), "inputs": np.array(rows, "float32")}


@model
def operations_of_no_number():
    x, y = Input((3,)), Input((3,))
    made = [ops.median(x, axis=1), ops.quantile(x, 0.3, axis=(1,)), ops.logaddexp(x, y), ops.logaddexp2(x, y), ops.erfc(x), ops.hypot(x, y), ops.fmod(x, y), ops.floor_divide(x, y), ops.clip(x, 0.0, None)]
    given = np.array([[1, np.nan, 2], [1, 2, 3], [np.nan, np.nan, 0], [INF, -INF, 1]], "float32")
    return {"model": Model([x, y], [ops.isnan(one) for one in made]), "inputs": [given, np.full_like(given, 2)]}


@model
def operations_by_default():
    x, y = Input((4, 3)), Input((4, 3))
    made = [ops.concatenate([x, y]), ops.gelu(x), ops.gelu(x, approximate=False), ops.concatenate([x, y], axis=-1), ops.glu(y[:, :, :2]), ops.normalize(x), ops.squareplus(x)]
    return {"model": Model([x, y], made), "inputs": [numbers(2, 4, 3), numbers(2, 4, 3, seed=1)]}


@model
def fit_extremes():
    """Gradients of sums of powers, hypotenuses, complements and remainders, with equal numbers among them."""
    x = Input((6,))
    y, z = L.Dense(5)(x), L.Dense(5)(x)
    made = [ops.logaddexp(y, z), ops.logaddexp(y, y), ops.logaddexp2(z, y - 1e9), ops.hypot(y, z), ops.hypot(y, 0 * z), ops.erfc(z), ops.fmod(y, ops.ones_like(z)), ops.clip(z, None, 0.1), ops.where(y > 0, 1, 0) * z, ops.quantile(y, 0.5, axis=(1,), keepdims=True)]
    settings = dict(optimizer=optimizers.SGD(0.05), loss="mse")
    return {"model": Model(x, L.Dense(2)(ops.concatenate(made, axis=1))), "inputs": numbers(30, 6), "targets": numbers(30, 2, seed=3), "compile": settings, "fit": FIT}


@model
def normalizations_of_whole_numbers():
    """What is normalized becomes whole again."""
    x, n = Input((6,), dtype="int32"), Input((6,), dtype="bool")
    made = [layer(x) for layer in (L.LayerNormalization(), L.GroupNormalization(2), L.RMSNormalization(), L.LayerNormalization(dtype="mixed_float16"), L.RMSNormalization(dtype="mixed_float16"))]
    made += [L.LayerNormalization()(n), L.GroupNormalization(3)(n), L.RMSNormalization()(n), ops.layer_normalization(x), ops.rms_normalization(x), L.Dense(2)(L.RMSNormalization()(x))]
    return {"model": Model([x, n], made), "inputs": [whole(5, 6, high=90, seed=1) - 20, whole(5, 6, high=2, seed=2).astype(bool)]}


@model
def fit_normalizations_of_whole_numbers():
    x = Input((6,), dtype="int32")
    y = L.Concatenate()([L.LayerNormalization()(x), L.GroupNormalization(2)(x), L.Rescaling(0.1)(x)])
    settings = dict(optimizer=optimizers.SGD(0.05), loss="mse")
    return {"model": Model(x, L.Dense(2)(y)), "inputs": whole(30, 6, high=90, seed=1) - 20, "targets": numbers(30, 2, seed=3), "compile": settings, "fit": FIT}


@model
def rms_normalization_of_other_axes():
    """The gain is along the last axes, whichever are normalized."""
    x, y = Input((3, 3)), Input((3, 3, 3))
    made = [L.RMSNormalization(axis=1)(x), L.RMSNormalization(axis=-2)(x), L.RMSNormalization(axis=[1, 2])(x), L.RMSNormalization(axis=[-2, 3])(y), L.RMSNormalization(axis=[1, 3])(y)]
    made += [L.RMSNormalization(axis=2)(y), L.RMSNormalization(axis=[1, 2])(y), L.RMSNormalization(axis=[-1, 2])(y), ops.rms_normalization(y, scale=x[0, 0], axis=1)]
    return {"model": Model([x, y], made), "inputs": [numbers(4, 3, 3), numbers(4, 3, 3, 3, seed=1)]}


@model
def masks_of_fractions():
    """A number that becomes 0 is no 0."""
    ids = np.array([[0.5, 1, 0, 2], [0, 0, 0.25, 4], [3.75, 0, 0, 0]], "float32")
    return {"model": Sequential([Input((4,)), L.Embedding(5, 3, mask_zero=True), L.LSTM(2)]), "inputs": ids}


@model
def fit_contrast_and_brightness():
    """Two numbers, of which one is negative: the factor of each image is known."""
    x = Input((4, 4, 2))
    y = L.RandomContrast((-0.4, 0.4), value_range=(-9, 9))(x)
    y = L.RandomBrightness((0.1, 0.1), value_range=(-9, 9))(L.RandomContrast((-0.2, 0.2), value_range=(-9, 9))(y))
    settings = dict(optimizer=optimizers.SGD(0.05), loss="mse")
    return {"model": Model(x, L.Dense(2)(L.Flatten()(y))), "inputs": numbers(20, 4, 4, 2), "targets": numbers(20, 2, seed=3), "compile": settings, "fit": FIT}


@model
def fit_masks_of_trained_numbers():
    """What a mask is computed from gets no gradient through it, wherever the mask goes: to layers, losses, operations."""
    x = Input((4, 3))
    y = L.Masking()(L.Concatenate(axis=1)([L.Dense(2, activation="relu")(x), x[:, :1, :2]]))
    side = L.Concatenate()([y, L.Dense(2)(y)])
    made = [L.GRU(2)(y), L.GlobalAveragePooling1D()(y), L.GlobalAveragePooling1D()(L.Attention()([y, y])), L.Flatten()(L.MultiHeadAttention(1, 2)(y, y)), L.Flatten()(L.BatchNormalization()(y)), L.LSTM(2)(side), L.Bidirectional(L.SimpleRNN(2))(y)]
    ids = ops.cast(L.Dense(4)(x)[:, :, 0] * 2, "int32") % 3
    made.append(L.LSTM(2)(L.Embedding(3, 2, mask_zero=True)(ids)))
    settings = dict(optimizer=optimizers.SGD(0.05), loss=["mse", "mse"])
    outputs = [L.Dense(2)(L.Concatenate()(made)), L.GRU(2, return_sequences=True)(y)]
    return {"model": Model(x, outputs), "inputs": numbers(20, 4, 3), "targets": [numbers(20, 2, seed=3), numbers(20, 5, 2, seed=4)], "compile": settings, "fit": FIT}


@model
def fit_operations_in_steps():
    """What changes in steps only is a constant to gradients: rounding, signs, comparisons, places, whole numbers."""
    x = Input((6,))
    y, z = L.Dense(5)(x), L.Dense(5)(x)
    made = [ops.round(y), ops.round(y, 1), ops.sign(y), ops.floor(y), ops.ceil(y), ops.trunc(y), ops.floor_divide(y, 0.3), ops.floor_divide(y, z), ops.heaviside(y, z), ops.cbrt(y), ops.fmod(y, 0.7)]
    made += [ops.cast(part, "float32") for part in (y > z, ops.argsort(y, axis=-1), ops.isfinite(y), ops.logical_and(y > 0, z > 0), 3 * y, ops.top_k(y, 2)[1], ops.any(y > 0.1, axis=-1, keepdims=True), ops.not_equal(y, 0.0))]
    made += [ops.one_hot(ops.argmax(y, axis=-1), 5), ops.multi_hot(ops.argsort(z, axis=-1), 5), ops.mean(y > 0, axis=-1, keepdims=True), ops.expand_dims(ops.nanmean(y, axis=-1), 1)]
    made.append(L.Identity(dtype="int32")(3 * y))
    made = [part * (y > z) if part.shape[1] == 5 else part * y[:, :1] for part in made] + [L.Dense(2)(y > 0)]
    settings = dict(optimizer=optimizers.SGD(0.01), loss="mse")
    return {"model": Model(x, L.Dense(2)(ops.concatenate(made, axis=1))), "inputs": numbers(30, 6), "targets": numbers(30, 2, seed=3), "compile": settings, "fit": FIT}


@model
def images_of_other_kinds():
    """Whole numbers between pixels, masks that are numbers, truth values that are joined and get margins."""
    x, steps, mask, kept = Input((3, 2, 1), dtype="int32"), Input((3, 4)), Input((3, 1), dtype="int32"), Input((3, 2), dtype="bool")
    made = [L.UpSampling2D(2, interpolation=kind)(x) for kind in ("nearest", "bilinear", "bicubic", "lanczos3")]
    made += [L.Softmax(axis=[1, 2])(steps, mask=mask), L.Softmax()(steps, mask=steps), L.Dropout(0.3, noise_shape=(1, 4))(steps), L.Cropping1D((1, 1))(steps)]
    made += [L.ZeroPadding1D((1, 0))(kept), L.GlobalMaxPooling1D()(kept), L.Add()([kept, kept[:, ::-1]]), L.Multiply()([kept, kept[:, ::-1]])]
    inputs = [whole(5, 3, 2, 1, high=90, seed=1) - 30, numbers(5, 3, 4), whole(5, 3, 1, high=3, seed=2), whole(5, 3, 2, high=2, seed=3).astype(bool)]
    return {"model": Model([x, steps, mask, kept], made), "inputs": inputs}
