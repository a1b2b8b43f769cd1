"""Makes the files in `keras2` beside it, with TensorFlow 2.15.1.

    python make_keras2.py

For each optimizer: a model after one epoch (`NAME.h5`), and its weights after another (`after.npz`), on the data in
`data.npz`. `old_` are the optimizers from before Keras 2.11, which name and order their variables otherwise.
"""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np  # noqa: E402
from tensorflow import keras  # noqa: E402

L, O = keras.layers, keras.optimizers
OPTIMIZERS = {
    "sgd": lambda: O.SGD(0.05),
    "rmsprop": lambda: O.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: O.Adam(0.01, amsgrad=True),
    "adam_average": lambda: O.Adam(O.schedules.ExponentialDecay(0.05, 2, 0.9), use_ema=True, ema_momentum=0.7),
    "adagrad": lambda: O.Adagrad(0.05),
    "old_sgd": lambda: O.legacy.SGD(0.05, momentum=0.9, nesterov=True),
    "old_rmsprop": lambda: O.legacy.RMSprop(0.01, momentum=0.5, centered=True),
    "old_adam": lambda: O.legacy.Adam(0.01, amsgrad=True, decay=0.1),
    "old_adagrad": lambda: O.legacy.Adagrad(0.05),
}

folder = pathlib.Path(__file__).parent / "keras2"
folder.mkdir(exist_ok=True)
random = np.random.default_rng(5)
x, y = random.normal(size=(12, 3)).astype("float32"), random.normal(size=(12, 1)).astype("float32")
fit = dict(batch_size=4, shuffle=False, verbose=0)
after = {}
for name, make in OPTIMIZERS.items():
    keras.backend.clear_session()
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, activation="tanh"), L.BatchNormalization(), L.Dense(1)])
    model.compile(make(), "mse", metrics=["mae"])
    model.fit(x, y, **fit)
    model.save(folder / f"{name}.h5")
    model.fit(x, y, **fit)
    for number, weight in enumerate(model.get_weights()):
        after[f"{name}/{number}"] = weight
np.savez(folder / "after.npz", **after)
np.savez(folder / "data.npz", x=x, y=y)
