"""Layers with settings drawn at random: what every argument of every layer may be.

    python settings.py FOLDER SEED [CLASS ...]     # cases with random settings, to be run by check.sh

`SPECS` says of each class what its inputs look like and what each of its arguments may be. From that come random
cases (above), and the committed ones (`COVER`, below): for each class as many layers as it takes until every
argument has had a value that is not the default.
"""

import inspect
import json
import pathlib
import sys
import zlib

import write_cases  # first: it chooses the backend

import numpy as np
from keras import Input, Model, tree, constraints as C, initializers as I, layers as L, losses, regularizers as R

from models import MODELS, numbers, whole

ACTIVATIONS = ["relu", "tanh", "elu", "softplus", "selu", "silu", "gelu", "mish", "hard_sigmoid", "leaky_relu", "celu",
               "log_sigmoid", "softsign", "relu6", "linear", None]
GATES = ["hard_sigmoid", "tanh", "softsign", "sigmoid"]
INITIALIZERS = [lambda: "he_normal", lambda: I.Constant(0.2), lambda: I.RandomNormal(0.1, 0.2, seed=3), lambda: "lecun_uniform",
                lambda: I.VarianceScaling(2.0, "fan_out", "uniform"), lambda: I.TruncatedNormal(stddev=0.3), lambda: "ones"]
REGULARIZERS = [lambda: R.L1(0.01), lambda: R.L2(0.02), lambda: R.L1L2(0.01, 0.03), lambda: "l2", None]
CONSTRAINTS = [lambda: C.MaxNorm(0.9), lambda: C.NonNeg(), lambda: C.UnitNorm(), lambda: C.MinMaxNorm(0.2, 0.8, rate=0.5), None]
FORMATS = ["channels_last", "channels_first"]
YES_NO = [True, False]
RATES = [0.0, 0.2, 0.5]
SEEDS = [None, 7]


def weight(*names):
    """Initializer, regularizer and constraint of weights of these names."""
    made = {}
    for name in names:
        made |= {f"{name}_initializer": INITIALIZERS, f"{name}_regularizer": REGULARIZERS, f"{name}_constraint": CONSTRAINTS}
    return made


def size(rank, *choices):
    """One number, or one for each axis."""
    def draw(random):
        if random.random() < 0.4:
            return int(random.choice(choices))
        return tuple(int(random.choice(choices)) for _ in range(rank))
    return draw


def pairs(rank, *choices):
    """Of margins: a number, one for each axis, or two for each."""
    def draw(random):
        kind = random.integers(3)
        number = lambda: int(random.choice(choices))  # noqa: E731
        if kind == 0:
            return number()
        if rank == 1:
            return (number(), number())
        return tuple(number() for _ in range(rank)) if kind == 1 else tuple((number(), number()) for _ in range(rank))
    return draw


def spatial(rank, low=3, high=7, channels=(2, 4)):
    """An input with that many spatial axes; all its axes may be channels."""
    def draw(random):
        return [tuple(int(random.choice(channels)) if at in (0, rank) else int(random.integers(low, high)) for at in range(rank + 1))]
    return draw


def shapes(*fixed):
    return lambda random: [fixed[random.integers(len(fixed))]]


def several(*sets):
    return lambda random: list(sets[random.integers(len(sets))])


def convolution(rank):
    return dict(filters=[2, 4, 6], kernel_size=size(rank, 1, 2, 3), strides=size(rank, 1, 1, 2, 3), padding=["valid", "same"],
                data_format=FORMATS, dilation_rate=size(rank, 1, 1, 2), activation=ACTIVATIONS, use_bias=YES_NO,
                activity_regularizer=REGULARIZERS, **weight("kernel", "bias"))


def by_channel(rank, **others):
    made = convolution(rank) | dict(depth_multiplier=[1, 2, 3]) | weight("depthwise") | others
    return {name: choices for name, choices in made.items() if not name.startswith("kernel_") or name == "kernel_size"}


def recurrent(**others):
    return dict(units=[1, 2, 3], activation=["relu", "tanh", "softsign", "elu", "linear"], use_bias=YES_NO, dropout=RATES,
                recurrent_dropout=RATES, seed=SEEDS, return_sequences=YES_NO, return_state=YES_NO, go_backwards=YES_NO,
                stateful=[False, False, True], unroll=YES_NO, activity_regularizer=REGULARIZERS,
                **weight("kernel", "recurrent", "bias"), **others)


def cell(**others):
    left_out = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "activity_regularizer")
    return {name: choices for name, choices in recurrent(**others).items() if name not in left_out}


GRU = dict(recurrent_activation=GATES, reset_after=YES_NO)
LSTM = dict(recurrent_activation=GATES, unit_forget_bias=YES_NO)


def conv_lstm(rank):
    made = convolution(rank) | cell(**LSTM) | dict(return_sequences=YES_NO, return_state=YES_NO, go_backwards=YES_NO, stateful=[False, True])
    del made["units"]
    return made | dict(activation=["relu", "tanh", "softsign"], strides=size(rank, 1, 1, 2))


def film(rank):
    return lambda random: [(2, *spatial(rank, 3, 5, (2, 3))(random)[0])]


def draw(random, spec):
    return {name: one(random, choices) for name, choices in spec.items()}


def one(random, choices):
    value = choices(random) if callable(choices) else choices[random.integers(len(choices))]
    return value() if callable(value) and not isinstance(value, type) else value


def any_cell(random):
    kind = random.integers(4)
    if kind == 3:
        return lambda: L.StackedRNNCells([any_cell_of(random, random.integers(3)), any_cell_of(random, random.integers(3))])
    return lambda: any_cell_of(random, kind)


# Whether layers in other layers leave out nothing, as training has to be repeated.
STILL = [False]
NO_DROPOUT = dict(dropout=0.0, recurrent_dropout=0.0)


def any_cell_of(random, kind):
    cls, spec = [(L.SimpleRNNCell, cell()), (L.GRUCell, cell(**GRU)), (L.LSTMCell, cell(**LSTM))][kind]
    return cls(**draw(random, spec) | (NO_DROPOUT if STILL[0] else {}))


def cells_in_turn(random):
    return lambda: [any_cell_of(random, random.integers(3)) for _ in range(random.integers(1, 4))]


def layer_of(random):
    """A recurrent layer to be run in both directions."""
    cls, spec = [(L.SimpleRNN, recurrent()), (L.GRU, recurrent(**GRU)), (L.LSTM, recurrent(**LSTM))][random.integers(3)]
    given = draw(random, spec) | dict(stateful=False, activity_regularizer=None) | (NO_DROPOUT if STILL[0] else {})
    return lambda: cls(**given)


def inner(random):
    """A layer to be run on every step of (3, 5, 4) or (3, 4)."""
    made = [lambda: L.Dense(3, activation="tanh"), lambda: L.LayerNormalization(), lambda: L.Dense(2, use_bias=False)]
    return made[random.integers(len(made))]


NORMAL = dict(epsilon=[1e-3, 0.1], center=YES_NO, scale=YES_NO) | weight("beta", "gamma")
HEADS = dict(dropout=[0.0, 0.3], use_bias=YES_NO, sliding_window=[None, 2], flash_attention=[None, False], use_gate=YES_NO, seed=SEEDS,
             activity_regularizer=REGULARIZERS) | weight("kernel", "bias")
POOLS = {rank: dict(pool_size=size(rank, 1, 2, 3), strides=[None, 1, 2, 3], padding=["valid", "same"], data_format=FORMATS)
         for rank in (1, 2, 3)}
SAME = several([(3, 4), (3, 4)], [(3, 4), (3, 4), (3, 4)], [(4,), (4,)], [(1, 4), (3, 1)])

# Of each class: inputs, arguments.
SPECS = {
    "Dense": (shapes((4,), (3, 4), (2, 3, 4)), dict(
        units=[1, 3], activation=ACTIVATIONS, use_bias=YES_NO, activity_regularizer=REGULARIZERS, **weight("kernel", "bias"))),
    "EinsumDense": (shapes((4, 3)), dict(
        equation=["abc,cd->abd"], output_shape=[(None, 5), (4, 2)], bias_axes=[None, "d", "bd"], activation=ACTIVATIONS,
        **weight("kernel", "bias"))),
    "Embedding": (lambda random: [("whole", (5,))], dict(
        input_dim=[7], output_dim=[2, 3], mask_zero=YES_NO, **weight("embeddings"))),
    "Identity": (shapes((4,), (3, 4)), {}),
    "Masking": (shapes((3, 4)), dict(mask_value=[0.0, 0.5, -1.0])),
    "Conv1D": (spatial(1), convolution(1) | dict(padding=["valid", "same", "causal"], groups=[1, 1, 2])),
    "Conv2D": (spatial(2), convolution(2) | dict(groups=[1, 1, 2])),
    "Conv3D": (spatial(3, 3, 5), convolution(3) | dict(groups=[1, 1, 2])),
    "Conv1DTranspose": (spatial(1), convolution(1) | dict(output_padding=[None, None, 1, 2])),
    "Conv2DTranspose": (spatial(2, 3, 5), convolution(2) | dict(output_padding=lambda r: None if r.random() < 0.5 else size(2, 0, 1, 2)(r))),
    "Conv3DTranspose": (spatial(3, 2, 4), convolution(3) | dict(output_padding=[None, None, 1])),
    "DepthwiseConv1D": (spatial(1), by_channel(1)),
    "DepthwiseConv2D": (spatial(2), by_channel(2)),
    "SeparableConv1D": (spatial(1), by_channel(1, **weight("pointwise"))),
    "SeparableConv2D": (spatial(2), by_channel(2, **weight("pointwise"))),
    "SimpleRNN": (shapes((4, 3), (1, 2)), recurrent()),
    "GRU": (shapes((4, 3), (1, 2)), recurrent(**GRU)),
    "LSTM": (shapes((4, 3), (1, 2)), recurrent(**LSTM)),
    "RNN": (shapes((4, 3)), dict(
        cell=lambda r: any_cell(r) if r.random() < 0.7 else cells_in_turn(r), return_sequences=YES_NO, return_state=YES_NO,
        go_backwards=YES_NO, stateful=[False, False, True], unroll=YES_NO, zero_output_for_mask=YES_NO)),
    "Bidirectional": (shapes((4, 3)), dict(
        layer=layer_of, merge_mode=["concat", "sum", "mul", "ave", None])),
    "TimeDistributed": (shapes((3, 5, 4), (3, 4)), dict(layer=inner)),
    "ConvLSTM1D": (film(1), conv_lstm(1)),
    "ConvLSTM2D": (film(2), conv_lstm(2)),
    "ConvLSTM3D": (film(3), conv_lstm(3)),
    "MultiHeadAttention": (several([(3, 4), (3, 4)], [(3, 4), (5, 6), (5, 3)], [(3, 4), (5, 6)]), dict(
        num_heads=[1, 2, 3], key_dim=[1, 2, 4], value_dim=[None, 1, 3], output_shape=[None, 5, (2, 3)], attention_axes=[None, 1, (1,)],
        **HEADS)),
    "GroupQueryAttention": (several([(3, 4), (3, 4)], [(3, 4), (5, 4), (5, 3)], [(3, 4), (5, 4)]), dict(
        head_dim=[1, 2, 4], num_query_heads=[2, 4], num_key_value_heads=[1, 2], **HEADS)),
    "Attention": (several([(3, 4), (3, 4)], [(3, 4), (5, 6), (5, 4)], [(3, 4), (5, 4)]), dict(
        use_scale=YES_NO, score_mode=["dot", "concat"], dropout=[0.0, 0.3], seed=SEEDS)),
    "AdditiveAttention": (several([(3, 4), (3, 4)], [(3, 4), (5, 6), (5, 4)]), dict(use_scale=YES_NO, dropout=[0.0, 0.3])),
    "BatchNormalization": (shapes((4,), (3, 4), (2, 3, 4)), NORMAL | dict(
        axis=[-1, 1], momentum=[0.99, 0.5], moving_mean_initializer=INITIALIZERS, moving_variance_initializer=INITIALIZERS,
        renorm=YES_NO, renorm_clipping=[None, {"rmax": 1.5, "rmin": 0.5, "dmax": 0.3}], renorm_momentum=[0.99, 0.8],
        synchronized=[False])),
    "GroupNormalization": (shapes((4,), (4, 4), (4, 3, 4)), NORMAL | dict(groups=[1, 2, 4, -1], axis=[-1, 1])),
    "LayerNormalization": (shapes((3, 4), (2, 3, 4)), NORMAL | dict(axis=[-1, 1, [1, 2], [-1, -2]])),
    "RMSNormalization": (shapes((3, 4), (2, 3, 4)), dict(axis=[-1, [-1]], epsilon=[1e-6, 0.1])),
    "SpectralNormalization": (shapes((5, 4)), dict(
        layer=lambda r: [lambda: L.Dense(3), lambda: L.Conv1D(3, 2, activation="relu")][r.integers(2)], power_iterations=[1, 3])),
    "UnitNormalization": (shapes((3, 4), (2, 3, 4)), dict(axis=[-1, 1, [1, 2]])),
    **{f"{kind}Pooling{rank}D": (spatial(rank, 3, 6), POOLS[rank]) for kind in ("Average", "Max") for rank in (1, 2, 3)},
    **{f"Global{kind}Pooling{rank}D": (spatial(rank, 2, 5), dict(data_format=FORMATS, keepdims=YES_NO))
       for kind in ("Average", "Max") for rank in (1, 2, 3)},
    **{f"Adaptive{kind}Pooling{rank}D": (spatial(rank, 3, 6, (3, 4)), dict(output_size=size(rank, 1, 2, 3), data_format=FORMATS))
       for kind in ("Average", "Max") for rank in (1, 2, 3)},
    "ActivityRegularization": (shapes((3, 4)), dict(l1=[0.0, 0.1], l2=[0.0, 0.2])),
    "AlphaDropout": (shapes((3, 4)), dict(rate=RATES, noise_shape=[None, (None, 1, 4)], seed=SEEDS)),
    "Dropout": (shapes((3, 4)), dict(rate=RATES, noise_shape=[None, (None, 1, 4)], seed=SEEDS)),
    "GaussianDropout": (shapes((3, 4)), dict(rate=RATES, seed=SEEDS)),
    "GaussianNoise": (shapes((3, 4)), dict(stddev=RATES, seed=SEEDS)),
    "SpatialDropout1D": (shapes((3, 4)), dict(rate=RATES, seed=SEEDS)),
    "SpatialDropout2D": (shapes((3, 4, 2)), dict(rate=RATES, seed=SEEDS, data_format=FORMATS)),
    "SpatialDropout3D": (shapes((3, 4, 2, 2)), dict(rate=RATES, seed=SEEDS, data_format=FORMATS)),
    "Cropping1D": (shapes((6, 3)), dict(cropping=pairs(1, 0, 1, 2))),
    "Cropping2D": (shapes((6, 7, 5)), dict(cropping=pairs(2, 0, 1, 2), data_format=FORMATS)),
    "Cropping3D": (shapes((5, 6, 5, 7)), dict(cropping=pairs(3, 0, 1, 2), data_format=FORMATS)),
    "ZeroPadding1D": (shapes((3, 2)), dict(padding=pairs(1, 0, 1, 2), data_format=FORMATS)),
    "ZeroPadding2D": (shapes((3, 2, 4)), dict(padding=pairs(2, 0, 1, 2), data_format=FORMATS)),
    "ZeroPadding3D": (shapes((2, 3, 1, 2)), dict(padding=pairs(3, 0, 1, 2), data_format=FORMATS)),
    "UpSampling1D": (shapes((3, 2)), dict(size=[1, 2, 3])),
    "UpSampling2D": (shapes((3, 4, 2)), dict(
        size=size(2, 1, 2, 3), data_format=FORMATS, interpolation=["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])),
    "UpSampling3D": (shapes((2, 3, 2, 2)), dict(size=size(3, 1, 2, 3), data_format=FORMATS)),
    "Flatten": (shapes((4,), (3, 4), (2, 3, 4)), dict(data_format=FORMATS)),
    "Permute": (shapes((2, 3, 4)), dict(dims=[(2, 1, 3), (3, 1, 2), (1, 3, 2)])),
    "RepeatVector": (shapes((4,)), dict(n=[1, 3])),
    "Reshape": (shapes((3, 4)), dict(target_shape=[(12,), (2, -1), (4, 1, 3), (-1,)])),
    "Add": (SAME, {}), "Average": (SAME, {}), "Maximum": (SAME, {}), "Minimum": (SAME, {}), "Multiply": (SAME, {}),
    "Subtract": (several([(3, 4), (3, 4)], [(4,), (4,)], [(1, 4), (3, 1)]), {}),
    "Concatenate": (several([(3, 4), (3, 4)], [(3, 2), (3, 4), (3, 1)]), dict(axis=[-1, 1, 2])),
    "Dot": (several([(3, 4), (3, 4)], [(4,), (4,)], [(3, 4), (4, 3)]), dict(axes=[1, -1, (1, 2), (2, 1), 2], normalize=YES_NO)),
    "Activation": (shapes((3, 4)), dict(activation=ACTIVATIONS + ["softmax", "log_softmax", "exponential", "hard_silu", "glu", "squareplus"])),
    "ELU": (shapes((3, 4)), dict(alpha=[1.0, 0.3])),
    "LeakyReLU": (shapes((3, 4)), dict(negative_slope=[0.3, 0.05])),
    "PReLU": (shapes((3, 4)), dict(shared_axes=[None, [1], [1, 2]], **weight("alpha"))),
    "ReLU": (shapes((3, 4)), dict(max_value=[None, 0.6], negative_slope=[0.0, 0.2], threshold=[0.0, 0.3])),
    "Softmax": (shapes((3, 4)), dict(axis=[-1, 1, [1, 2]])),
    "Normalization": (shapes((3, 4)), dict(axis=[-1, None], mean=[0.3], variance=[2.0, 0.5], invert=YES_NO)),
    "CategoryEncoding": (lambda random: [("whole", (5,))], dict(num_tokens=[7, 4, 9], output_mode=["multi_hot", "one_hot", "count"])),
    "Discretization": (shapes((3, 4), (4, 1)), dict(
        bin_boundaries=[[-0.5, 0.1], [0.0], [-1.0, -0.2, 0.3, 0.9]], output_mode=["int", "one_hot", "multi_hot", "count"],
        epsilon=[0.01, 0.05])),
    "ReversibleEmbedding": (lambda random: [("whole", (5,))], dict(
        input_dim=[7], output_dim=[2, 3], mask_zero=YES_NO, tie_weights=YES_NO, reverse_dtype=[None, "float32"],
        logit_soft_cap=[None, 0.3], **weight("embeddings"))),
    "Resizing": (spatial(2, 3, 7, (2, 3)), dict(
        height=[1, 4, 7], width=[2, 5, 6], interpolation=["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"],
        crop_to_aspect_ratio=[False, False, True], pad_to_aspect_ratio=[False, False, True], fill_value=[0.0, 0.5], antialias=YES_NO,
        data_format=FORMATS)),
    "CenterCrop": (spatial(2, 3, 7, (2, 3)), dict(height=[1, 3, 6], width=[2, 4, 7], data_format=FORMATS)),
    "RandomFlip": (shapes((3, 4, 2)), dict(mode=["horizontal", "vertical", "horizontal_and_vertical"], seed=SEEDS, data_format=FORMATS)),
    "RandomBrightness": (shapes((3, 4, 3)), dict(factor=[0.2, (-0.3, 0.1)], value_range=[(0, 255), (0, 1)], seed=SEEDS)),
    "RandomContrast": (shapes((3, 4, 3)), dict(factor=[0.2, (0.1, 0.3)], value_range=[(0, 255), (0, 1)], seed=SEEDS)),
    "Rescaling": (shapes((3, 4), (2, 3, 4)), dict(scale=[0.5, 2.0, [1.0, 2.0, 0.5, 3.0]], offset=[0.0, -1.0, [1.0, 2.0, 0.5, 3.0]])),
}
# In a cell's place stands an RNN of it, as a model cannot hold one.
CELLS = {"SimpleRNNCell": cell(), "GRUCell": cell(**GRU), "LSTMCell": cell(**LSTM)}

RECURRENT = ("SimpleRNN", "GRU", "LSTM", "RNN", "Bidirectional")
LISTS = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract", "Concatenate", "Dot", "Attention", "AdditiveAttention")


def apply(name, layer, xs, random):
    """The outputs of a layer, called in one of the ways that there are."""
    if name in LISTS:
        if name == "Attention" and random.random() < 0.3:
            return layer(xs, use_causal_mask=True)
        return layer(xs)
    if name in ("MultiHeadAttention", "GroupQueryAttention"):
        # Keras on JAX computes values of another length than the keys' only where it returns scores.
        flags = {"return_attention_scores": True} if getattr(layer, "_value_dim", None) != getattr(layer, "_key_dim", None) else {flag: True for flag in ("use_causal_mask", "return_attention_scores") if random.random() < 0.3}
        return layer(xs[0], xs[1], **({"key": xs[2]} if len(xs) > 2 else {}), **flags)
    if name == "ReversibleEmbedding":
        return [layer(xs[0]), layer(layer(xs[0]), reverse=True)]
    if name in RECURRENT and random.random() < 0.4:
        return layer(L.Masking(mask_value=0.5)(xs[0]))
    if len(xs) == 1 and len(xs[0].shape) == 3 and name not in ("Masking", "Softmax") and random.random() < 0.2:
        # Whether the mask is used, and whether it comes out.
        y = layer(L.Masking(mask_value=0.5)(xs[0]))
        return [y, L.GlobalAveragePooling1D()(y)] if getattr(y, "shape", None) is not None and len(y.shape) == 3 else y
    return layer(*xs)


def of_class(name, random, count, changed=None, still=False):
    """Inputs, outputs and layers of a class; `changed` counts what was not the default, `still` drops nothing."""
    STILL[0] = still
    while True:
        try:
            make, spec = SPECS[name]
            given = make(random)
            batch = 2
            stateful = any(key == "stateful" for key in spec)
            xs, arrays = [], []
            for shape in given:
                is_whole = shape[0] == "whole"
                shape = shape[1] if is_whole else shape
                whose = dict(batch_shape=(batch, *shape)) if stateful else dict(shape=shape)
                xs.append(Input(**whose, dtype="int32" if is_whole else "float32"))
                array = whole(batch, *shape, high=7, seed=len(arrays)) if is_whole else numbers(batch, *shape, seed=len(arrays))
                if len(shape) == 2 and shape[0] > 1 and not is_whole:
                    array[0, -1] = array[1, 0] = 0.5
                arrays.append(array)
            break
        except (ValueError, TypeError) as error:
            print("again", name, error)
    outputs, made = [], []
    attempts = 0
    while len(made) < count and attempts < (60 if changed is None else 300):
        attempts += 1
        settings = draw(random, spec)
        settings = thin(name, settings, random)
        if still:
            settings |= {key: 0.0 for key in ("dropout", "recurrent_dropout", "rate", "stddev") if key in settings}
            settings |= {"stateful": False} if "stateful" in settings else {}
        fresh = news(name, settings, changed)
        if changed is not None and not fresh and len(made) >= 2:
            continue
        try:
            layer = getattr(L, name)(**settings)
            ys = tree.flatten(apply(name, layer, xs, random))
            # What Keras says of a shape, or of what it can compute, is not always so.
            computed = tree.flatten(Model(xs, ys)(arrays if len(arrays) > 1 else arrays[0]))
            if any(y.shape[1:] != tuple(one.shape[1:]) for y, one in zip(ys, computed) if None not in y.shape[1:]):
                continue
        except Exception:
            continue
        outputs += ys
        made.append(layer)
        if changed is not None:
            changed |= fresh
    return xs, arrays, outputs, made


def thin(name, settings, random):
    """Leaves out some of the settings that have defaults, so that they do not always come all together."""
    defaults = {key: parameter.default for key, parameter in inspect.signature(getattr(L, name).__init__).parameters.items()}
    share = random.choice([0.3, 0.7, 1.0])
    return {key: value for key, value in settings.items()
            if defaults.get(key, None) is inspect.Parameter.empty or random.random() < share or key in ("pool_size", "renorm")}


def news(name, settings, changed):
    parameters = inspect.signature(getattr(L, name).__init__).parameters
    found = set()
    for key, value in settings.items():
        default = parameters[key].default if key in parameters else None
        if repr(value) != repr(default) and value is not None:
            found.add(key)
    return found - (changed or set())


def random_case(name, seed, fit):
    random = np.random.default_rng([seed, zlib.crc32(name.encode()), fit])
    xs, arrays, outputs, made = of_class(name, random, 2 if fit else 5, still=bool(fit))
    if not outputs:
        raise ValueError("no settings were accepted")
    arrays = arrays if len(arrays) > 1 else arrays[0]
    if not fit:
        return {"model": Model(xs, outputs), "inputs": arrays}
    flat = [L.Flatten()(y) if len(y.shape) > 2 else y for y in outputs if None not in y.shape[1:]]
    flat = [y if len(y.shape) > 1 else L.Reshape((1,))(y) for y in flat]
    y = L.Dense(1, activation="tanh")(L.Concatenate()(flat) if len(flat) > 1 else flat[0])
    return {"model": Model(xs, y), "inputs": arrays, "targets": numbers(2, 1, seed=1),
            "compile": dict(optimizer="sgd", loss="mse"), "fit": dict(batch_size=2, epochs=2)}


# The committed cases: classes that share a model.
COVER = {
    "dense": ["Dense", "EinsumDense", "Embedding", "ReversibleEmbedding", "Identity", "Masking", "Activation"],
    "convolutions": ["Conv1D", "Conv2D", "Conv3D"],
    "convolutions_transposed": ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"],
    "convolutions_by_channel": ["DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"],
    "recurrent": ["SimpleRNN", "GRU", "LSTM"],
    "recurrent_wrappers": ["RNN", "Bidirectional", "TimeDistributed"],
    "recurrent_convolutions": ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"],
    "attention": ["MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention"],
    "normalizations": ["BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization", "SpectralNormalization",
                       "UnitNormalization", "Normalization"],
    "poolings": [name for name in SPECS if "Pooling" in name],
    "regularizations": ["ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D",
                        "SpatialDropout2D", "SpatialDropout3D"],
    "reshapings": ["Cropping1D", "Cropping2D", "Cropping3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "UpSampling1D",
                   "UpSampling2D", "UpSampling3D", "Flatten", "Permute", "RepeatVector", "Reshape"],
    "merging": ["Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract", "Concatenate", "Dot"],
    "activations": ["ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"],
    "preprocessing": ["Rescaling", "CategoryEncoding", "Discretization", "Resizing", "CenterCrop", "RandomFlip", "RandomBrightness",
                      "RandomContrast"],
}
# What has no weights, or cannot be trained through.
NOT_FITTED = {"preprocessing", "reshapings", "regularizations", "merging", "poolings"}


def covering(family, fit):
    """One model with layers of each class, until every argument had a value of its own."""
    random = np.random.default_rng([11, zlib.crc32(family.encode()), fit])
    inputs, arrays, outputs = [], [], []
    for name in COVER[family]:
        some = 1 if not SPECS[name][1] else 2 if fit else 12
        xs, values, ys, _ = of_class(name, random, some, None if fit else set(), still=bool(fit))
        inputs, arrays, outputs = inputs + xs, arrays + values, outputs + ys
    if not fit:
        return {"model": Model(inputs, outputs), "inputs": arrays}
    flat = [L.Flatten()(y) if len(y.shape) > 2 else y for y in outputs if None not in y.shape[1:]]
    flat = [y if len(y.shape) > 1 else L.Reshape((1,))(y) for y in flat]
    y = L.Dense(1, activation="tanh", kernel_initializer="zeros")(L.Concatenate()(flat))
    return {"model": Model(inputs, y), "inputs": arrays, "targets": numbers(2, 1, seed=1),
            "compile": dict(optimizer="sgd", loss="mse"), "fit": dict(batch_size=2, epochs=2)}


for family in COVER:
    MODELS[f"settings_of_{family}"] = lambda family=family: covering(family, 0)
    if family not in NOT_FITTED:
        MODELS[f"fit_settings_of_{family}"] = lambda family=family: covering(family, 1)


def main(folder, seed, names):
    import keras

    failed = 0
    for name in names or SPECS:
        for fit in (0, 1):
            case = f"{name}_{seed}" + ("_fit" if fit else "")
            keras.utils.clear_session()
            keras.utils.set_random_seed(seed)
            try:
                write_cases.write(case, random_case(name, seed, fit), pathlib.Path(folder) / case)
            except Exception as error:
                failed += 1
                print(f"FAILED {case}: {type(error).__name__}: {str(error)[:200]}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
