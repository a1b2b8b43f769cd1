"""Golden cases of random configurations: any layer, loss, metric, optimizer, schedule, initializer, regularizer, constraint.

    python random_cases.py FOLDER [--seed N] [--count K] [--kind layers|fits]        # needs: pip install keras jax

`layers` puts a few random layers side by side into one model, with odd sizes, masks, unknown axes, channels first and
other element types, and trains some of these models. `fits` are trainings: outputs with losses, metrics, weights and
masks, an optimizer and its schedule. (`chance.py` makes graphs.) Arguments are drawn by their names, see CHOICES and
`arguments`. What Keras refuses is counted and left out. A case depends on nothing but its kind and its seed: the K
cases are those of the seeds N, N+1, ...; the one of seed 7 lies in FOLDER/layers-7. In training, Keras on JAX forgets
masks when it updates metrics, and the states of stateful layers are others; so there outputs with masks have no metrics
and nothing is stateful. With KERAS_BACKEND=tensorflow they have, and some layers are.
"""

import argparse
import collections
import inspect
import math
import pathlib
import random
import shutil

from write_cases import FIT, PREDICT, write  # first: it chooses the backend

import keras
import numpy as np
from keras import Input, Model, Sequential, activations, constraints, initializers, layers as L, losses, metrics, optimizers, ops, regularizers
from keras.optimizers import schedules

JAX = keras.backend.backend() == "jax"
TOLERANCE = {"float16": 6e-3, "bfloat16": 4e-2}


def classes(module, *without):
    """The classes that a module offers, each once, under their names."""
    found = {part.__name__: part for _, part in sorted(vars(module).items()) if inspect.isclass(part)}
    return {name: part for name, part in found.items() if name not in without}


ACTIVATIONS = sorted(name for name in vars(activations) if name[0] != "_" and name not in ("get", "serialize", "deserialize", "glu", "threshold"))
OPTIMIZERS = classes(optimizers, "Optimizer", "OptimizerMap", "MultiOptimizer", "LossScaleOptimizer", *([] if JAX else ["ScheduleFreeAdamW"]))  # differs there
SCHEDULES = classes(schedules, "LearningRateSchedule")
OF_MATRICES = (L.Dense, L.Embedding, L.SimpleRNN, L.GRU, L.LSTM)  # their kernels are
ONLY_OF_MATRICES = ("Identity", "Orthogonal", "OrthogonalRegularizer")

# What arguments may be, by `Class.name`, `name`, or the end of the name, as `_dropout`. A function draws for the case.
CHOICES = {name: choices for names, choices in {
    # layers
    "use_bias center scale unit_forget_bias reset_after mask_zero tie_weights": [True, False],
    "renorm keepdims return_sequences return_state go_backwards unroll zero_output_for_mask use_scale use_gate invert normalize crop_to_aspect_ratio": [True],
    "activation": [None, *ACTIVATIONS], "_activation": ["sigmoid", "hard_sigmoid", "tanh", "softsign", "relu6", "linear"],
    "_initializer": [lambda c: c.of_weights(classes(initializers, "Initializer", "STFT"))],
    "_regularizer": [lambda c: c.of_weights(classes(regularizers, "Regularizer"))], "_constraint": [lambda c: c.of_weights(classes(constraints, "Constraint"))],
    "data_format": ["channels_last", "channels_first"], "padding": ["valid", "same"], "Conv1D.padding": ["valid", "same", "causal"],
    "dropout _dropout rate stddev": [lambda c: 0.0 if c.trained else 0.3], "seed": [None, 0, 7], "epsilon": [1e-3, 1e-2, 0.3], "momentum _momentum": [0.0, 0.5, 0.9],
    "Rescaling.scale offset": [0.5, -2.0], "alpha": [0.25, 0.0, 1.0], "negative_slope ReLU.threshold": [0.0, 0.3], "max_value": [None, 0.6, 6.0],
    "score_mode": ["dot", "concat"], "flash_attention": [False], "value_dim depth_multiplier power_iterations": [1, 2, 3], "logit_soft_cap": [0.3, 5.0],
    "merge_mode": ["concat", "sum", "mul", "ave"], "interpolation": ["nearest", "bilinear"], "implementation": [1, 2],
    "output_mode": ["multi_hot", "one_hot", "count"], "Discretization.output_mode": ["int", "one_hot", "multi_hot", "count"],
    # initializers, regularizers, constraints
    "mean minval": [0.0, -0.1], "maxval RandomNormal.stddev TruncatedNormal.stddev": [0.3], "value gain VarianceScaling.scale": [0.5, 2.0],
    "VarianceScaling.mode": ["fan_in", "fan_out", "fan_avg"], "distribution": ["uniform", "normal", "untruncated_normal"], "mode": ["rows", "columns"],
    "l1 l2 factor": [0.01, 0.1, 0.0], "min_value": [0.0, 0.3], "MaxNorm.max_value MinMaxNorm.max_value": [0.5, 2.0], "MinMaxNorm.rate": [1.0, 0.5, 0.0],
    "MaxNorm.axis MinMaxNorm.axis UnitNorm.axis": [0, -1],
    # losses, metrics
    "reduction": ["sum", "sum_over_batch_size", "mean", "mean_with_sample_weight"], "from_logits remove_diagonal multi_label": [True, False],
    "label_smoothing": [0.0, 0.1, 0.5], "axis": [-1, lambda c: c.r.randrange(1, c.rank)], "Dice.axis Tversky.axis": [None, -1, 0], "delta beta": [0.1, 0.5, 3.0],
    "gamma": [0.0, 1.0, 2.5], "Circle.gamma": [8.0, 1.0], "margin q": [0.4, 0.1], "apply_class_balancing": [True], "ignore_class": [None, 0, 1, -1],
    "name": ["mine", "accuracy"], "threshold": [0.25, 0.5, 0.75], "thresholds": [0.5, 0.0, [0.25, 0.5], [0.2, 0.4, 0.9], [0.75]], "k top_k": [1, 2, 5],
    "class_id": [0, lambda c: c.classes - 1], "num_thresholds": [2, 3, 20, 200], "curve": ["ROC", "PR", "PRGAIN"], "num_regressors": [0, 1, 50],
    "summation_method": ["interpolation", "minoring", "majoring"], "label_weights": [lambda c: [0.5 + i for i in range(c.classes)]],
    "average": [None, "micro", "macro", "weighted"], "class_aggregation": [None, "uniform_average", "variance_weighted_average"],
    "num_classes": [lambda c: c.classes], "target_class_ids": [[0], lambda c: [c.classes - 1], lambda c: list(range(c.classes))],
    "BinaryIoU.target_class_ids": [[0], [1], [0, 1]], "specificity sensitivity recall precision": [0.0, 0.5, 0.8, 1.0],
    # optimizers, schedules
    "use_ema nesterov centered amsgrad relative_step exclude_embeddings staircase cycle": [True, False],
    "learning_rate": [0.01, 0.05, lambda c: c.one_of(SCHEDULES)], "initial_learning_rate warmup_target": [0.02, 0.05], "weight_decay adam_weight_decay": [0.01, 0.1],
    "ema_overwrite_frequency gradient_accumulation_steps ns_steps": [2, 3], "loss_scale_factor": [2.0, 128.0], "clipnorm clipvalue global_clipnorm": [0.05, 1.0],
    "beta_1 rho adam_beta_1": [0.0, 0.5, 0.9], "beta_2 adam_beta_2": [0.5, 0.99], "beta_2_decay learning_rate_power": [-0.8, -0.3], "epsilon_1 epsilon_2": [1e-3, 0.1],
    "clip_threshold initial_accumulator_value": [1.0, 0.3], "l1_regularization_strength l2_regularization_strength l2_shrinkage_regularization_strength": [0.01, 0.1],
    "adam_lr_ratio rms_rate end_learning_rate": [0.3, 0.001], "decay_steps first_decay_steps warmup_steps": [1, 2, 5], "decay_rate m_mul": [0.5, 0.9], "power": [0.5, 2.0],
    "CosineDecay.alpha CosineDecayRestarts.alpha": [0.0, 0.1], "t_mul": [1.0, 2.0], "boundaries": [[1, 3]], "values": [[0.05, 0.02, 0.01], [0.01, 0.1, 0.0]],
}.items() for name in names.split()}


class Case:
    """What a case is drawn with: its inputs so far, its properties, and those of what is drawn."""

    def __init__(self, seed, trained):
        self.r, self.n = random.Random(seed), np.random.default_rng(seed)
        self.trained = trained
        self.policy = "float32" if trained or self.chance(0.8) else self.pick("float64", "float16", "bfloat16")
        self.stateful = trained and not JAX and self.chance(0.1)
        self.examples = self.pick(1, 2, 3, 5)
        self.inputs, self.data = [], []
        self.rank, self.classes, self.matrix = 2, 3, False

    def pick(self, *values):
        return self.r.choice(values)

    def chance(self, share):
        return self.r.random() < share

    def sizes(self, count):
        return tuple(self.r.randint(1, 4) for _ in range(count))

    def for_each(self, rank, *values):
        """An argument for each of the spatial axes: one number, or a tuple."""
        return self.pick(*values) if self.chance(0.4) else tuple(self.pick(*values) for _ in range(rank))

    def arguments(self, made, share=0.2, **given):
        """Arguments for a class: those given, those it demands, and others with that chance."""
        for name, parameter in inspect.signature(made).parameters.items():
            self.matrix = made in OF_MATRICES and name.startswith(("kernel", "recurrent", "embeddings"))
            names = (f"{made.__name__}.{name}", name, "_" + name.rsplit("_")[-1])
            choices = next((CHOICES[name] for name in names if name in CHOICES), None)
            if name in given or choices is None or (name == "name" and issubclass(made, L.Layer)):
                continue
            if parameter.default is parameter.empty or self.chance(share):
                value = self.r.choice(choices)
                given[name] = value(self) if callable(value) else value
        return given

    def one_of(self, classes, share=0.3, **given):
        made = self.r.choice(list(classes.values()))
        return made(**self.arguments(made, share, **given))

    def of_weights(self, classes):
        """An initializer, regularizer or constraint; some are of matrices only."""
        made = self.one_of({name: part for name, part in classes.items() if self.matrix or name not in ONLY_OF_MATRICES})
        return made if self.chance(0.8) else keras.saving.serialize_keras_object(made)

    def layer(self, name, **given):
        given = self.arguments(getattr(L, name), **given)
        if name in ("Dense", "Conv1D", "Conv2D", "BatchNormalization") and self.chance(0.1):  # those without layers of their own
            given["trainable"] = False
        if self.chance(0.04):
            given["dtype"] = self.pick("float32", "float64")
        return getattr(L, name)(**given)

    def input(self, *shape, high=None, dtype=None, unknown=()):
        """An input of examples of that shape: whole numbers below `high`, or any numbers."""
        if high is not None:
            data, dtype = self.n.integers(0, high, (self.examples, *shape)), dtype or "int32"
        elif dtype == "bool":
            data = self.n.random((self.examples, *shape)) < self.pick(0.5, 0.8, 1.0)
        else:
            data = self.n.uniform(-1, 1, (self.examples, *shape))
            kind = self.r.random()
            if kind < 0.1:
                data = np.round(2 * data)  # many are equal
            elif kind < 0.2:
                data = data * self.pick(0.0, 1e-3, 20.0)
        self.data.append(data.astype(dtype or "float32"))
        shape = tuple(None if axis in unknown else size for axis, size in enumerate(shape))
        self.inputs.append(Input(shape, batch_size=self.examples if self.stateful else None, dtype=dtype or "float32"))
        return self.inputs[-1]

    def some(self, axes):
        return [axis for axis in axes if self.chance(0.6)] if self.chance(0.2) else []

    def steps(self, *shape, masked=0.35, **settings):
        """An input with steps, which may be masked."""
        shape = shape or (self.pick(1, 3, 4), self.pick(1, 2, 3))
        x = self.input(*shape, unknown=self.some([0]), **settings)
        if len(shape) < 2 or not self.chance(masked):
            return x
        value = self.pick(0.0, 0.5)
        self.data[-1][self.n.random((self.examples, shape[0])) < self.pick(0.3, 0.6)] = value
        return L.Masking(value)(x)

    def state(self):
        return dict(stateful=True) if self.stateful else {}

    def image(self, rank, data_format=None, channels=None, low=1):
        """An input with spatial axes."""
        sizes, unknown = [self.r.randint(low, low + (5 if rank < 3 else 3)) for _ in range(rank)], self.some(range(rank))
        channels = channels or self.pick(1, 2, 3)
        if data_format == "channels_first":
            return self.input(channels, *sizes, unknown=[axis + 1 for axis in unknown])
        return self.input(*sizes, channels, unknown=unknown)


LAYERS = {}


def layers(names):
    """Takes a function into the list that draws inputs for such a layer, makes it and applies it; N stands for 1, 2 and 3."""

    def take(draw):
        for name in names.split():
            LAYERS.update((part, draw) for part in (name.replace("ND", f"{rank}D") for rank in (1, 2, 3)) if part == name or hasattr(L, part))
        return draw

    return take


@layers("Dense Identity Activation ELU LeakyReLU ReLU PReLU Softmax LayerNormalization UnitNormalization RMSNormalization BatchNormalization GroupNormalization "
        "ActivityRegularization Dropout AlphaDropout GaussianDropout GaussianNoise Rescaling Flatten Permute RepeatVector Reshape Discretization")
def of_any_shape(c, name):
    shape = c.sizes(1 if name == "RepeatVector" else c.pick(1, 2, 2, 3, 4))
    x = c.steps(*shape, high=4 if not c.trained and "Normalization" not in name and c.chance(0.1) else None)
    size, c.rank = math.prod(shape), len(x.shape)
    given = {"Dense": dict(units=c.pick(1, 2, 5)), "Activation": dict(activation=c.r.choice(ACTIVATIONS)), "GroupNormalization": dict(groups=c.pick(1, -1)),
             "PReLU": dict(shared_axes=c.pick(None, [1], list(range(1, c.rank)))), "RMSNormalization": dict(axis=-1), "RepeatVector": dict(n=c.pick(1, 3)),
             "Permute": dict(dims=c.r.sample(range(1, c.rank), c.rank - 1)), "Discretization": dict(bin_boundaries=c.pick([0.0], [-1.0, 0.0, 0.3, 1.0])),
             "Reshape": dict(target_shape=c.pick((size,), (-1,), (1, size), (shape[0], -1), (-1, shape[-1], 1)))}.get(name, {})
    if name in ("LayerNormalization", "UnitNormalization", "Softmax") and c.chance(0.3):
        given = dict(axis=c.r.sample(range(1, c.rank), c.r.randrange(1, c.rank)))
    return c.layer(name, **given)(x)


@layers("EinsumDense Embedding ReversibleEmbedding Masking CategoryEncoding Normalization Resizing CenterCrop")
def of_one_shape(c, name):
    if "Embedding" in name:
        layer = c.layer(name, input_dim=7, output_dim=c.pick(1, 3))
        y = layer(c.input(*c.sizes(c.pick(0, 1, 1, 2)), high=7, dtype=c.pick("int32", "int64", "uint8", "float32")))
        return [y, layer(y, reverse=True)] if name[0] == "R" else y
    if name == "EinsumDense":
        equation, shape, output, bias = c.pick(("abc,cd->abd", (4, 3), (None, 5), "d"), ("abc,cd->abd", (4, 3), (4, 2), "bd"), ("...x,xy->...y", (3, 2), (4,), "y"),
                                               ("ab...,bc->ac...", (3, 2), (4,), None), ("abc,bcd->ad", (4, 3), (5,), "d"), ("abcd,cde->abe", (2, 3, 4), (None, 5), "e"),
                                               ("ab,bcd->adc", (3,), (4, 2), "dc"), ("abc,abd->acd", (4, 3), (3, 2), None), ("abc,cd->adb", (4, 3), (2, 4), "db"))
        return c.layer(name, equation=equation, output_shape=output, bias_axes=c.pick(bias, None))(c.steps(*shape))
    if name == "Masking":
        return c.layer(name)(c.steps(*c.sizes(c.pick(2, 3)), masked=1))
    if name == "CategoryEncoding":
        return c.layer(name, num_tokens=7)(c.input(c.pick(2, 5), high=7))
    if name == "Normalization":
        return c.layer(name, axis=-1, mean=[0.5, -0.1, 2.0], variance=[1.5, 0.2, 3.0])(c.input(2, 3))
    return c.layer(name, height=c.pick(1, 3, 4), width=c.pick(2, 4, 5))(c.input(4, 5, c.pick(1, 3)))


@layers("ConvND ConvNDTranspose DepthwiseConvND SeparableConvND AveragePoolingND MaxPoolingND GlobalAveragePoolingND GlobalMaxPoolingND AdaptiveAveragePoolingND "
        "AdaptiveMaxPoolingND SpatialDropoutND UpSamplingND ZeroPaddingND CroppingND ConvLSTMND")
def over_space(c, name):
    rank = int(next(letter for letter in name if letter in "123"))
    one = name in ("DepthwiseConv2D", "SeparableConv2D")  # they want the same stride along both axes
    groups = c.pick(1, 1, 2, 3) if name == f"Conv{rank}D" else 1
    margins = c.pick(c.pick(0, 1, 2), (1, 2) if rank == 1 else tuple((c.pick(0, 1), c.pick(0, 1, 2)) for _ in range(rank)))
    known = {"filters": groups * c.pick(1, 2), "groups": groups, "kernel_size": c.for_each(rank, 1, 2, 3), "pool_size": c.for_each(rank, 1, 2, 3),
             "output_size": c.for_each(rank, 1, 2, 5), "cropping": margins, "size": c.pick(1, 2, 3) if rank == 1 else c.for_each(rank, 1, 2, 3),
             "data_format": c.pick("channels_last", "channels_first"), c.pick("strides", "dilation_rate", "none"): c.pick(1, 2) if one else c.for_each(rank, 1, 2, 3)}
    if name.startswith("Zero"):
        known["padding"] = margins
    given = {key: known[key] for key in known if key in inspect.signature(getattr(L, name)).parameters}
    first = given.get("data_format") == "channels_first"
    if "LSTM" in name:
        sizes = [c.pick(2, 3) for _ in range(rank)]
        return c.layer(name, **given, **c.state())(c.steps(c.pick(1, 3), *([2, *sizes] if first else [*sizes, 2])))
    x = c.image(rank, given.get("data_format"), groups * c.pick(1, 2), low=4 if name.startswith("Crop") else 1)
    return c.layer(name, **given)(L.Masking()(x) if rank == 1 and c.chance(0.2) else x)


@layers("Add Average Maximum Minimum Multiply Subtract Concatenate Dot")
def merging(c, name):
    if name == "Dot":
        one, other, axes = c.pick(((3, 4), (3, 4), 1), ((3, 4), (3, 4), -1), ((4,), (4,), 1), ((3, 4), (4, 3), (1, 2)), ((3, 4), (4,), (2, 1)), ((2, 3, 4), (4, 2), (3, 1)))
        return c.layer(name, axes=axes)([c.input(*one), c.input(*other)])
    shape, inputs = c.sizes(c.pick(1, 2, 2, 3)), []
    axis, joins = c.r.randrange(len(shape)), name == "Concatenate"
    for _ in range(2 if name == "Subtract" else c.pick(2, 2, 3)):
        changed = c.pick(1, 2, 3) if joins else c.pick(1, shape[axis], shape[axis])
        inputs.append(c.steps(*shape[:axis], changed, *shape[axis + 1:]))
    return c.layer(name, **(dict(axis=c.pick(axis + 1, axis - len(shape))) if joins else {}))(inputs)


@layers("SimpleRNN GRU LSTM RNN Bidirectional")
def over_steps(c, name):
    if name == "RNN":
        cells = [c.layer(c.pick("SimpleRNNCell", "GRUCell", "LSTMCell"), units=c.pick(1, 2, 3)) for _ in range(c.pick(1, 2, 3))]
        return c.layer(name, cell=c.pick(cells, cells[0]), **c.state())(c.steps())
    if name == "Bidirectional":
        return c.layer(name, layer=c.layer(c.pick("SimpleRNN", "GRU", "LSTM"), units=2, go_backwards=False, **c.state()))(c.steps())
    layer, x = c.layer(name, units=c.pick(1, 2, 3), **c.state()), c.steps()
    return layer(x, initial_state=[c.input(layer.units) for _ in range(1 + (name == "LSTM"))]) if not c.stateful and c.chance(0.2) else layer(x)


@layers("TimeDistributed SpectralNormalization")
def wrapper(c, name):
    either = [(L.Dense(3), (3, 4)), (L.Conv1D(2, 2, padding=c.pick("same", "causal")), (3, 4, 2)), (L.EinsumDense("ab,bc->ac", 3), (3, 4)), (L.Conv2D(2, 2, groups=2), (2, 3, 3, 2))]
    more = [(L.LSTM(2), (3, 4, 2)), (L.Bidirectional(L.GRU(1, return_sequences=True)), (2, 3, 2)), (L.BatchNormalization(), (3, 4)), (L.Flatten(), (3, 2, 2)),
            (L.GlobalAveragePooling1D(), (2, 3, 2)), (L.TimeDistributed(L.Dense(2)), (2, 3, 4)), (L.Softmax(), (3, 4)), (part(c, 4), (3, 4)), (L.Reshape((2, 2)), (3, 4)),
            (Sequential([L.Dense(3), L.BatchNormalization(), L.Dense(2, activity_regularizer="l2")]), (3, 4)), (L.SpectralNormalization(L.Dense(2)), (3, 4))]
    inner, shape = c.pick(*either, *(more if name[0] == "T" else []))
    return c.layer(name, layer=inner)(c.steps(*(shape if name[0] == "T" else shape[1:])))


@layers("Attention AdditiveAttention MultiHeadAttention GroupQueryAttention")
def attention(c, name):
    """Some with masks of their own, besides those of their inputs."""
    features, queries, values = c.pick(1, 2, 4), c.pick(1, 2, 4), c.pick(1, 3, 4)
    query = c.steps(queries, features)
    value, values = (query, queries) if c.chance(0.4) else (c.steps(values, features), values)
    more = {key: True for key in ("use_causal_mask", "return_attention_scores") if c.chance(0.3)}
    if not name.startswith(("Multi", "Group")):
        return c.layer(name)([query, value], **more)
    for mask, shape in dict(attention_mask=(queries, values), query_mask=(queries,), value_mask=(values,)).items():
        if c.chance(0.15):
            more[mask] = c.input(*shape, dtype="bool")
    heads = c.pick((2, 1), (2, 2), (4, 2))
    given = dict(num_heads=c.pick(1, 2), key_dim=c.pick(1, 3)) if name[0] == "M" else dict(head_dim=2, num_query_heads=heads[0], num_key_value_heads=heads[1])
    return c.layer(name, **given)(query, value, **more)


def part(c, features):
    """A small model from features to as many."""
    x = Input((features,))
    return Model(x, L.Add()([x, L.Dense(features, kernel_regularizer=c.pick(None, "l2"))(L.BatchNormalization()(x) if c.chance(0.5) else x)]))


@layers("chain")
def chain(c, name):
    """Layers one after another over steps: masks, wrappers and models go through all of them."""
    y, shared = L.Embedding(6, 3, mask_zero=c.chance(0.7))(c.input(4, high=6)) if c.chance(0.4) else c.steps(4, 3, masked=0.7), {}
    for _ in range(c.r.randint(2, 5)):
        size = y.shape[-1]
        y = c.pick(
            lambda: L.LSTM(2, return_sequences=True), lambda: L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode=c.pick("concat", "sum")),
            lambda: L.TimeDistributed(shared.setdefault(size, part(c, size))), lambda: shared.setdefault(size, part(c, size)), lambda: L.TimeDistributed(L.Dense(3)),
            lambda: L.SpectralNormalization(L.Dense(2)), lambda: L.BatchNormalization(momentum=0.8), lambda: L.LayerNormalization(), lambda: L.Conv1D(2, 2, padding="causal"),
            lambda: L.RNN([L.LSTMCell(2), L.GRUCell(2)], return_sequences=True), lambda: lambda y: L.MultiHeadAttention(1, 2)(y, y), lambda: lambda y: L.Attention()([y, y]),
            lambda: lambda y: L.Add()([y, ops.tanh(y)]), lambda: lambda y: L.Concatenate()([y, L.Dense(2)(y)]), lambda: L.Dense(3, activity_regularizer="l2"),
            lambda: Sequential([L.Dense(3), L.Dropout(0.0), L.GRU(2, return_sequences=True)]), lambda: lambda y: y[:, ::-1])()(y)
    return [y, c.pick(L.GlobalAveragePooling1D, L.GlobalMaxPooling1D, L.Flatten, lambda: L.LSTM(2), lambda: L.Bidirectional(L.GRU(1)))()(y)]


def unpacked(values):
    return values[0] if len(values) == 1 else list(values)


def case_of_layers(seed, refused):
    c = Case(seed, trained=seed % 3 == 0)
    keras.config.set_dtype_policy(c.policy)
    outputs = []
    for _ in range(c.pick(1, 2, 3, 4)):
        name, inputs, data = c.r.choice(list(LAYERS)), list(c.inputs), list(c.data)
        try:
            made = [(y, keras.backend.is_float_dtype(y.dtype)) for y in keras.tree.flatten(LAYERS[name](c, name))]
            # Outputs of small types are not for files; layers of their own give losses names of their own.
            made = [L.Identity(dtype="float32" if real else None)(y) for y, real in made if real or not c.trained]
        except Exception as error:
            made = refused.update([f"{name}: {type(error).__name__}"])
        if not made:
            c.inputs, c.data = inputs, data
        outputs += made or []
    model = Model(c.inputs, unpacked(outputs))
    case = {"model": model, "inputs": c.data, "tolerance": TOLERANCE.get(c.policy, 5 * PREDICT)}
    if c.trained:
        shapes = [y.shape for y in keras.tree.flatten(model(c.data))]
        case |= {"targets": unpacked([c.n.uniform(-1, 1, shape).astype("float32") for shape in shapes]),
                 "compile": dict(optimizer=optimizer(c), loss=[c.pick("mse", "huber", "log_cosh") for _ in outputs]),
                 "fit": dict(batch_size=c.examples if c.stateful else c.pick(1, 2, 5), epochs=2), "tolerance": 2 * FIT}
    return case


# What outputs are: their activation, their losses and their metrics. `targets` makes what belongs to it.
BINARY = ("AUC AUC BinaryAccuracy BinaryCrossentropy BinaryIoU F1Score FBetaScore FalseNegatives FalsePositives Hinge Precision PrecisionAtRecall Recall "
          "RecallAtPrecision SensitivityAtSpecificity SpecificityAtSensitivity SquaredHinge TrueNegatives TruePositives")
KINDS = {
    "numbers": (None, "MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError CosineSimilarity LogCosh Huber",
                "MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError CosineSimilarity LogCoshError RootMeanSquaredError R2Score PearsonCorrelation "
                "ConcordanceCorrelation"),
    "positive": ("softplus", "MeanSquaredLogarithmicError Poisson", "MeanSquaredLogarithmicError Poisson"),
    "bits": ("sigmoid", "BinaryCrossentropy BinaryFocalCrossentropy Dice Tversky", BINARY),
    "signs": ("tanh", "Hinge SquaredHinge", "Hinge SquaredHinge Accuracy"),
    "shares": ("softmax", "CategoricalCrossentropy CategoricalFocalCrossentropy KLDivergence CategoricalHinge",
               BINARY + " CategoricalAccuracy CategoricalCrossentropy CategoricalHinge KLDivergence TopKCategoricalAccuracy OneHotIoU OneHotMeanIoU"),
    "labels": ("softmax", "SparseCategoricalCrossentropy CategoricalGeneralizedCrossEntropy",
               "IoU MeanIoU SparseCategoricalAccuracy SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy"),
    "pairs": (None, "Circle", ""),
    "texts": (None, "CTC", ""),
}


def targets(c, kind, shape):
    if kind in ("labels", "pairs", "texts"):
        shape = {"labels": shape[:-1], "pairs": shape[:1], "texts": (shape[0], 2)}[kind]
        return c.n.integers(kind == "texts", c.classes, shape).astype(c.pick("int32", "int64", "float32", "uint8"))
    if kind == "shares":
        hot = np.eye(c.classes, dtype="float32")[c.n.integers(0, c.classes, shape[:-1])]
        return hot if c.chance(0.7) else 0.8 * hot + np.float32(0.2 / c.classes)
    if kind in ("bits", "signs"):
        return (c.n.integers(0, 2, shape) * (1 + (kind == "signs")) - (kind == "signs")).astype(c.pick("float32", "int32"))
    return c.n.uniform(0.05 if kind == "positive" else -1, 1, shape).astype("float32")


def optimizer(c):
    made = c.r.choice(list(OPTIMIZERS.values()))
    steady = dict(epsilon=c.pick(1e-3, 1e-2)) if "epsilon" in inspect.signature(made).parameters else {}  # rounding stays small
    given = c.arguments(made, **steady, **(dict(learning_rate=0.03) if c.chance(0.6) else c.arguments(lambda learning_rate: None)))
    for other in [name for name in given if name in ("clipnorm", "clipvalue", "global_clipnorm")][1:]:  # one of them at most
        del given[other]
    return made(**given)


def metrics_of(c, kind, truth, guess, weight, refused):
    """Metrics that Keras can compute for that truth."""
    found, possible = [], KINDS[kind][2].split()
    for name in c.r.choices(possible, k=c.pick(0, 1, 2, 3)) if possible else []:
        given = dict(sparse_y_pred=False) if "IoU" in name and name != "BinaryIoU" else {}
        try:
            metric = getattr(metrics, name)(**c.arguments(getattr(metrics, name), **given))
            metric.update_state(truth, guess, sample_weight=weight)
            metric.result()
            found.append(type(metric).from_config(metric.get_config()))
        except Exception as error:
            refused.update([f"{name}: {type(error).__name__}"])
    return found


def output(c, place, refused):
    """An output and its name, with all that its training needs."""
    kind = c.r.choice(list(KINDS))
    activation, possible, _ = KINDS[kind]
    c.classes = c.pick(1, 2, 3, 5) if kind in ("numbers", "positive", "bits", "signs") else c.pick(2, 3, 5)
    steps = {"pairs": (), "texts": (4,)}.get(kind, c.pick((), (), (4,), (4,), (2, 3)))
    c.rank = len(steps) + 2
    made = getattr(losses, c.r.choice(possible.split()))
    given = c.arguments(made, 0.3)
    masked = 0.0 if kind == "texts" else 0.5
    y = L.Embedding(6, 3, mask_zero=c.chance(masked))(c.input(4, high=6)) if steps == (4,) and c.chance(0.4) else c.steps(*steps, c.pick(2, 3), masked=masked)
    if steps == (4,) and c.chance(0.4):
        y = c.pick(L.LSTM, L.GRU)(3, return_sequences=True)(y)
    if c.chance(0.3):
        y = c.layer("Dense", units=3)(y)
    name = f"{c.pick('out', 'a_b', 'zeta')}{place}"
    y = c.layer("Dense", units=c.classes, activation=None if given.get("from_logits") else activation)(y)
    y = (L.UnitNormalization if kind == "pairs" else L.Identity)(name=name)(y)
    # One for an example or a step, with as many axes as the losses have: Keras would put fewer beside the last ones.
    weighed = () if kind in ("pairs", "texts") or made.__name__ in ("Dice", "Tversky") else c.pick((1,) * len(steps), steps)
    weight = c.n.uniform(0, 2, (c.examples, *weighed)).astype("float32")
    weight[c.n.random(weight.shape) < c.pick(0, 0, 0.4)] = 0
    truth, guess = targets(c, kind, (c.examples, *steps, c.classes)), c.n.uniform(0.1, 0.9, (c.examples, *steps, c.classes)).astype("float32")
    forgotten = getattr(y, "_keras_mask", None) is not None and JAX
    plain, weighted = ([] if forgotten else metrics_of(c, kind, truth, guess, w, refused) for w in (None, weight))
    return name, y, dict(loss=made(**given), metrics=plain, weighted_metrics=weighted, targets=truth, sample_weight=weight, loss_weights=c.pick(0.0, 0.3, 1.0, 2.0))


def case_of_fits(seed, refused):
    c = Case(seed, trained=True)
    c.stateful, c.examples = False, c.pick(1, 7, 8)  # no batch is as long as the last axis of steps, where Keras would put weights
    outputs = [output(c, place, refused) for place in range(c.pick(1, 1, 2, 3))]
    names, as_dict = [name for name, _, _ in outputs], c.chance(0.4)

    def pack(values):
        return dict(zip(names, values)) if as_dict and len(values) > 1 else unpacked(values)

    asked = {key: pack([about[key] for _, _, about in outputs]) for key in outputs[0][2]}
    settings = {key: asked[key] for key in ("loss", "metrics", "weighted_metrics")} | dict(optimizer=optimizer(c))
    if len(outputs) > 1 and c.chance(0.4):
        settings["loss_weights"] = asked["loss_weights"]
    case = {"model": Model(c.inputs, pack([y for _, y, _ in outputs])), "inputs": c.data, "targets": asked["targets"], "compile": settings,
            "fit": dict(batch_size=c.pick(1, 6, 8), epochs=c.pick(1, 2, 3))}
    if c.chance(0.5):
        case["sample_weight"] = asked["sample_weight"]
    elif len(outputs) == 1 and c.chance(0.3):
        case["fit"]["class_weight"] = {0: 0.5, 1: 2.0}
    if c.examples > 3 and c.chance(0.15):
        case["fit"]["validation_split"] = 0.25
    return case


DRAWN = {"layers": case_of_layers, "fits": case_of_fits}


def main(folder, first, count, kind):
    refused, written = collections.Counter(), 0
    for seed in range(first, first + count):
        name = f"{kind}-{seed}"
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        try:
            write(name, DRAWN[kind](seed, refused), folder / name)
            if any(word in (folder / name / "case.json").read_text() for word in ("NaN", "Infinity")):
                raise ArithmeticError("a history that is not finite")
            if any(array.size == 0 for array in np.load(folder / name / "data.npz").values()):
                raise ValueError("an output without elements")
            written += 1
        except Exception as error:
            shutil.rmtree(folder / name, ignore_errors=True)
            refused[f"case: {type(error).__name__}: {str(error)[:60]!r}"] += 1
        finally:
            keras.config.set_dtype_policy("float32")
    print(f"{written} cases; Keras refused", *(f"{times} {what}" for what, times in refused.most_common()), sep="\n  ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--kind", choices=DRAWN, default="layers")
    given = parser.parse_args()
    main(given.folder, given.seed, given.count, given.kind)
