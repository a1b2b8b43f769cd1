"""Cases of models that chance makes: graphs of layers, operations and models of models; many are trained.

    python chance.py FOLDER COUNT [SEED]        # needs: pip install keras jax

What does not fit together is thrown away. The same seed makes the same models.
"""

import pathlib
import random
import sys

from write_cases import write  # first: it chooses the backend

import keras
import numpy as np
from keras import Input, Model, Sequential, constraints, layers as L, losses, optimizers, ops, regularizers
from keras.optimizers import schedules

ACTIVATIONS = ["relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus", "softsign", "leaky_relu", "hard_sigmoid", "mish", "softmax", "exponential", None]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.n = np.random.default_rng(seed)
        self.known = {}

    def act(self):
        return self.r.choice(ACTIVATIONS)

    def dense(self):
        r = self.r
        more = {}
        if r.random() < 0.2:
            more["kernel_regularizer"] = r.choice([regularizers.L2(0.01), regularizers.L1(0.005), regularizers.L1L2(0.01, 0.02), "l2"])
        if r.random() < 0.15:
            more["bias_constraint"] = r.choice([constraints.NonNeg(), constraints.MaxNorm(0.5, axis=0)])
        if r.random() < 0.2:
            more["use_bias"] = False
        return L.Dense(r.randint(1, 5), activation=self.act(), **more)

    def layer(self, rank):
        """A layer for tensors of that many axes, the batch included."""
        r = self.r
        some = [self.dense, lambda: L.Activation(r.choice(ACTIVATIONS[:-1])), L.LayerNormalization, L.BatchNormalization, lambda: L.Dropout(0.0), L.UnitNormalization,
                lambda: L.PReLU(), lambda: L.LeakyReLU(negative_slope=0.2), lambda: L.Rescaling(0.5, offset=0.1), lambda: L.ReLU(max_value=1.0, negative_slope=0.1), L.Identity, L.RMSNormalization]
        if rank == 2:
            some += [self.dense, self.dense, lambda: L.RepeatVector(r.randint(2, 4)), lambda: L.Softmax()]
        if rank == 3:
            states = dict(return_sequences=r.random() < 0.6, go_backwards=r.random() < 0.2)
            some += [lambda: L.LSTM(r.randint(1, 4), **states), lambda: L.GRU(r.randint(1, 4), reset_after=r.random() < 0.7, **states), lambda: L.SimpleRNN(r.randint(1, 4), **states),
                     lambda: L.Bidirectional(L.GRU(2, return_sequences=r.random() < 0.5), merge_mode=r.choice(["concat", "sum", "mul", "ave"])), L.GlobalAveragePooling1D, L.GlobalMaxPooling1D, L.Flatten,
                     lambda: L.Conv1D(r.randint(1, 4), r.randint(1, 2), padding=r.choice(["same", "causal"]), activation=self.act()), lambda: L.TimeDistributed(L.Dense(r.randint(1, 4))), lambda: L.Permute((2, 1)),
                     lambda: L.ZeroPadding1D(1), lambda: L.MaxPooling1D(2), lambda: L.UpSampling1D(2), lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d")]
        if rank == 4:
            some += [lambda: L.Conv2D(r.randint(1, 3), r.randint(1, 3), padding="same", strides=r.randint(1, 2), activation=self.act()), lambda: L.MaxPooling2D(2), lambda: L.AveragePooling2D(2, padding="same"), L.GlobalAveragePooling2D,
                     L.Flatten, lambda: L.SeparableConv2D(2, 2, padding="same"), lambda: L.DepthwiseConv2D(2, depth_multiplier=2), lambda: L.Conv2DTranspose(2, 2, strides=2), lambda: L.ZeroPadding2D(1), lambda: L.GlobalMaxPooling2D()]
        return r.choice(some)()

    def operation(self, x, pool):
        r = self.r
        same = [y for y in pool if y.shape == x.shape and y.dtype == x.dtype]
        y = r.choice(same)
        some = [lambda: x + y, lambda: x * 0.5, lambda: 1.5 - x, lambda: x * y, lambda: ops.maximum(x, y), lambda: ops.tanh(x), lambda: ops.square(x), lambda: ops.exp(-ops.abs(x)), lambda: ops.clip(x, -0.5, 0.5),
                lambda: ops.where(x > 0, x, y * 0.1), lambda: ops.concatenate([x, y], axis=-1), lambda: ops.mean(x, axis=-1, keepdims=True) - x, lambda: ops.softmax(x), lambda: -x, lambda: x / (ops.square(y) + 1), lambda: ops.minimum(x, 0.3)]
        if len(x.shape) == 3:
            some += [lambda: x[:, 0], lambda: x[:, :, ::-1], lambda: ops.sum(x, axis=1), lambda: ops.matmul(x, ops.transpose(y, (0, 2, 1))), lambda: ops.max(x, axis=-1), lambda: ops.flip(x, axis=1), lambda: ops.cumsum(x, axis=1)]
        if len(x.shape) == 2:
            some += [lambda: ops.expand_dims(x, 1), lambda: ops.stack([x, y], axis=1), lambda: x[:, :1]]
        return r.choice(some)()

    def nested(self, x, depth):
        """A model of models for tensors of that shape, in all of the ways there are."""
        r, shape = self.r, tuple(x.shape[1:])
        if r.random() < 0.5:
            parts = []
            for _ in range(r.randint(1, 3)):
                parts.append(self.dense() if r.random() < 0.6 else r.choice([L.LayerNormalization, L.BatchNormalization, lambda: L.Dropout(0.0)])())
            made = Sequential([Input(shape)] * (r.random() < 0.8) + parts)
        else:
            i = Input(shape)
            made = Model(i, self.grow([i], r.randint(1, 4), depth + 1)[-1])
        if r.random() < 0.25:
            made.trainable = False
        return made

    def grow(self, pool, steps, depth=0):
        r = self.r
        pool = list(pool)
        for _ in range(steps):
            x = r.choice(pool[-4:])
            if "int" in x.dtype or x.dtype == "bool":
                continue
            kind, key = r.random(), (depth, tuple(x.shape))
            if kind < 0.15 and self.known.get(key):
                y = r.choice(self.known[key])(x)
            elif kind < 0.3 and depth < 2:
                made = self.nested(x, depth)
                self.known.setdefault(key, []).append(made)
                y = made(x)
            elif kind < 0.5:
                y = self.operation(x, pool)
            elif kind < 0.6:
                same = [z for z in pool if z.shape == x.shape]
                y = r.choice([L.Add, L.Multiply, L.Average, L.Maximum, L.Concatenate, L.Subtract])()([x, r.choice(same)])
            else:
                made = self.layer(len(x.shape))
                if r.random() < 0.1:
                    made.trainable = False
                self.known.setdefault(key, []).append(made)
                y = made(x)
            if None in y.shape[1:] or np.prod(y.shape[1:]) > 200 or "float" not in y.dtype:
                continue
            pool.append(y)
        return pool

    def container(self, parts, names):
        kind = self.r.random()
        if len(parts) == 1 and kind < 0.5:
            return parts[0]
        if kind < 0.4:
            return dict(zip(names, parts))
        return tuple(parts) if kind < 0.6 else list(parts)

    def optimizer(self):
        r = self.r
        rate = r.choice([0.01, 0.02, schedules.ExponentialDecay(0.02, 5, 0.7), schedules.CosineDecay(0.02, 12), schedules.PiecewiseConstantDecay([3, 6], [0.02, 0.01, 0.005])])
        more = r.choice([{}, {}, {"clipnorm": 0.5}, {"global_clipnorm": 0.7}, {"weight_decay": 0.01}, {"clipvalue": 0.1}])
        return r.choice([
            lambda: optimizers.SGD(rate, momentum=r.choice([0.0, 0.9]), nesterov=r.random() < 0.5, **more), lambda: optimizers.Adam(rate, amsgrad=r.random() < 0.3, **more), lambda: optimizers.RMSprop(rate, momentum=r.choice([0.0, 0.5]), centered=r.random() < 0.4, **more),
            lambda: optimizers.Adagrad(rate, **more), lambda: optimizers.Adadelta(rate, **more), lambda: optimizers.Adamax(rate, **more), lambda: optimizers.Nadam(rate, **more), lambda: optimizers.AdamW(rate),
            lambda: optimizers.Lion(0.002), lambda: optimizers.Ftrl(rate)])()

    def case(self):
        r = self.r
        shapes = r.sample([(r.randint(2, 5),), (r.randint(2, 4), r.randint(2, 4)), (6, 6, r.randint(1, 2))], r.choice([1, 1, 1, 2, 3]))
        x = [Input(shape, name=f"in_{chr(97 + i)}") for i, shape in enumerate(shapes)]
        pool = list(x)
        if r.random() < 0.25:
            words = Input((5,), dtype="int32", name="words")
            x.append(words)
            pool.append(L.Embedding(7, 3, mask_zero=r.random() < 0.6)(words))
        r.shuffle(pool)
        pool = self.grow(pool, r.randint(4, 14))
        flat = [L.Dense(r.randint(1, 3), activation=r.choice([None, "tanh"]))(y if len(y.shape) == 2 else L.Flatten()(y)) for y in pool[-r.choice([1, 1, 2, 3]):]]
        names = r.sample(["zeta", "alpha", "mid", "beta"], len(flat))
        data = [self.n.uniform(-1, 1, (24, *i.shape[1:])).astype("float32") if i.dtype == "float32" else np.sort(self.n.integers(0, 7, (24, 5)), axis=1)[:, ::-1].astype("int32") for i in x]
        made = Model(self.container(x, [i.name for i in x]), self.container(flat, names))
        # No path to some inputs: Keras takes them anyway.
        inputs = keras.tree.pack_sequence_as(made._inputs_struct, [dict(zip((i.name for i in x), data))[i.name] for i in keras.tree.flatten(made._inputs_struct)])
        found = {"model": made, "inputs": inputs, "by_place": True, "tolerance": 1e-4}
        if r.random() < 0.6:
            outs = made.outputs
            targets = [self.n.uniform(-1, 1, (24, y.shape[-1])).astype("float32") for y in outs]
            kinds = [lambda: "mse", lambda: "mae", lambda: losses.Huber(), lambda: losses.LogCosh(), lambda: losses.MeanSquaredError(reduction="sum")]
            chosen = [r.choice(kinds)() for _ in outs]
            loss = chosen[0] if len(outs) == 1 else keras.tree.pack_sequence_as(made._outputs_struct, chosen)
            metrics = ["mae"] if len(outs) == 1 and not isinstance(made._outputs_struct, dict) else None
            found |= {"targets": keras.tree.pack_sequence_as(made._outputs_struct, targets), "compile": dict(optimizer=self.optimizer(), loss=loss, metrics=metrics),
                      "fit": dict(batch_size=r.choice([7, 8, 24]), epochs=2, **r.choice([{}, {"validation_split": 0.25}])), "tolerance": 1e-3}
            if r.random() < 0.5:
                found["before"] = dict(batch_size=8, epochs=1)
        return found


def main(folder, count, seed=0):
    thrown = 0
    for number in range(seed, seed + count):
        name = f"chance_{number}"
        keras.utils.clear_session()
        keras.utils.set_random_seed(number)
        try:
            write(name, Maker(number).case(), pathlib.Path(folder) / name)
        except Exception as error:
            thrown += 1
            print(f"thrown away {name}: {type(error).__name__}: {str(error)[:100]}", flush=True)
    print(f"{count - thrown} cases")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
