"""Makes the files beside it, with Keras 3.15.1 on JAX.

    KERAS_BACKEND=jax python make.py

For each optimizer: a model after one epoch (`NAME.keras`, one also as legacy `.h5` and as
`.weights.h5`), and its weights after another (`after.npz`), on the data in `data.npz`.
"""

import h5py
import keras
import numpy as np

O = keras.optimizers
OPTIMIZERS = {
    "sgd": lambda: O.SGD(0.05),
    "sgd_momentum": lambda: O.SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda: O.RMSprop(0.01),
    "rmsprop_all": lambda: O.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: O.Adam(0.01),
    "adam_amsgrad": lambda: O.Adam(0.01, amsgrad=True),
    "adam_schedule": lambda: O.Adam(O.schedules.ExponentialDecay(0.05, 2, 0.9)),
    "adamw": lambda: O.AdamW(0.01, weight_decay=0.01),
    "adagrad": lambda: O.Adagrad(0.05),
}


def network():
    keras.utils.set_random_seed(3)
    words = keras.Input((5,), dtype="int32", name="words")
    x = keras.layers.Embedding(7, 3)(words)
    x = keras.layers.LSTM(4)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dense(3, activation="tanh", name="hidden")(x)
    return keras.Model(words, keras.layers.Dense(1)(x), name="network")


random = np.random.default_rng(5)
x = random.integers(0, 7, (12, 5)).astype("int32")
y = random.normal(size=(12, 1)).astype("float32")
after = {}
for name, optimizer in OPTIMIZERS.items():
    model = network()
    model.compile(optimizer(), "mse", metrics=["mae"])
    fit = dict(batch_size=4, shuffle=False, verbose=0)
    model.fit(x, y, **fit)
    model.save(f"{name}.keras")
    if name == "adam":
        model.save("adam.h5")
        model.save_weights("adam.weights.h5")
    model.fit(x, y, **fit)
    for number, weight in enumerate(model.get_weights()):
        after[f"{name}/{number}"] = weight
np.savez("after.npz", **after)
np.savez("data.npz", x=x, y=y)

# The same weights laid out as by Keras 2: names end in `:0`, texts are bytes; a list is split.

with h5py.File("adam.h5") as new, h5py.File("keras2.h5", "w") as old:
    weights = old.create_group("model_weights")
    weights.attrs["backend"] = b"tensorflow"
    weights.attrs["keras_version"] = b"2.9.0"
    names = [n for n in new["model_weights"].attrs["layer_names"]]
    weights.attrs["layer_names0"] = [n.encode() for n in names[:3]]
    weights.attrs["layer_names1"] = [n.encode() for n in names[3:]]
    for name in names:
        group = weights.create_group(name)
        was = new["model_weights"][name]
        inner = [n for n in was.attrs["weight_names"]]
        group.attrs["weight_names"] = [(n.split("/", 1)[1] + ":0").encode() for n in inner]
        for n in inner:
            group[n.split("/", 1)[1] + ":0"] = was[n][()]
    old.attrs["keras_version"] = b"2.9.0"
    old.attrs["backend"] = b"tensorflow"

# Models in models, with their predictions.
L = keras.layers
keras.utils.set_random_seed(1)
encoder = keras.Sequential([keras.Input((4,)), L.Dense(5, activation="tanh"), L.BatchNormalization()], name="encoder")
a, b, c = keras.Input((4,), name="a"), keras.Input((4,), name="b"), keras.Input((5,))
tail = keras.Sequential([keras.Input((5,)), L.Dense(3)], name="tail")
head = keras.Model(c, tail(L.Dense(5)(c)), name="head")
joined = L.Concatenate()([head(encoder(a)), head(encoder(b)), L.Dense(3, name="shared")(a)])
nest = keras.Model([a, b], L.Dense(1)(joined), name="nest")
nest.compile("adam", "mse")
random = np.random.default_rng(0)
x = [random.normal(size=(8, 4)).astype("float32") for _ in range(2)]
nest.fit(x, random.normal(size=(8, 1)).astype("float32"), verbose=0, shuffle=False)
nest.save("nested.keras")
nest.save("nested.h5")
np.savez("nested.npz", x0=x[0], x1=x[1], y=nest.predict(x, verbose=0))
