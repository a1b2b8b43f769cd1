"""Lets Keras 2 compute what Deckle has to compute from Keras 2's files: cases as of `write_cases.py`.

    python keras2.py FOLDER        # needs: pip install tensorflow-cpu==2.15.1

A case's model is `model.h5`, written after an epoch of training, so that the optimizer's state has to be read.
"""

import json
import os
import pathlib
import sys
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import tensorflow  # noqa: E402
from tensorflow import keras  # noqa: E402

L, O, Input, Model, Sequential = keras.layers, keras.optimizers, keras.Input, keras.Model, keras.Sequential
random = np.random.default_rng(5)


def numbers(*shape):
    return random.normal(size=shape).astype("float32")


def labels(count, classes=3):
    return random.integers(0, classes, count).astype("int32")


def write(folder, name, model, x, y=None, **compile):
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    for weight in model.weights:
        if weight.dtype == "float32" and "variance" not in weight.name:
            weight.assign(0.3 * numbers(*weight.shape))
    inputs, targets = (value if isinstance(value, list) else [value] for value in (x, y))
    arrays = {f"x{i}": array for i, array in enumerate(inputs)}
    about = {"name": name, "kind": "predict", "keras": tensorflow.__version__, "backend": "tensorflow", "tolerance": 1e-4}

    def predict(letter):
        outputs = model.predict(x, verbose=0)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        arrays.update({f"{letter}{i}": array for i, array in enumerate(outputs)})

    if y is not None:
        arrays |= {f"t{i}": array for i, array in enumerate(targets)}
        model.compile(**compile)
        fit = dict(batch_size=8, shuffle=False, verbose=0)
        model.fit(x, y, **fit)
    predict("y")
    model.save(folder / "model.h5")
    if y is not None:
        history = model.fit(x, y, epochs=2, **fit).history
        history = {key: [float(value) for value in values] for key, values in history.items()}
        predict("z")
        about |= {"kind": "fit", "batch_size": 8, "epochs": 2, "history": history}
    np.savez_compressed(folder / "data.npz", **arrays)
    (folder / "case.json").write_text(json.dumps(about, indent=1) + "\n")
    print(name)


def two_heads():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    both = L.Dense(5, activation="relu")(L.Concatenate()([a, b]))
    outputs = [L.Dense(1, name="p")(both), L.Dense(3, activation="softmax", name="q")(both)]
    return Model([a, b], outputs), [numbers(24, 4), numbers(24, 3)], [numbers(24, 1), labels(24)]


def words():
    ids = random.integers(1, 5, (20, 6)).astype("int32")
    ids[:, 4:] = 0
    x = Input((6,), dtype="int32")
    return x, L.Embedding(5, 3, mask_zero=True)(x), ids


def main(folder):
    keras.utils.set_random_seed(3)
    labelled = "sparse_categorical_crossentropy"
    write(folder, "keras2_convnet", Sequential([
        Input((8, 8, 1)), L.Conv2D(3, 3, activation="relu", padding="same"), L.BatchNormalization(), L.MaxPooling2D(),
        L.Flatten(), L.Dropout(0.0), L.Dense(3, activation="softmax")]),
        numbers(24, 8, 8, 1), labels(24), optimizer="adam", loss=labelled, metrics=["accuracy"])
    write(folder, "keras2_input_shape", Sequential([L.Dense(4, activation="relu", input_shape=(5,)), L.Dense(3)]),
          numbers(16, 5), np.eye(3, dtype="float32")[labels(16)], optimizer=O.RMSprop(0.01),
          loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
          metrics=[keras.metrics.CategoricalAccuracy(name="hits"), "mse"])
    write(folder, "keras2_heads", *two_heads(), optimizer=O.Adam(0.01), loss={"p": "mse", "q": labelled},
          loss_weights={"p": 0.5, "q": 2.0}, metrics={"p": ["mae"], "q": ["accuracy"]})
    write(folder, "keras2_heads_in_lists", *two_heads(), optimizer=O.legacy.Adam(0.01, decay=0.1),
          loss=["mse", keras.losses.SparseCategoricalCrossentropy()], loss_weights=[0.5, 2.0],
          metrics=[["mae"], ["accuracy"]])
    x, embedded, ids = words()
    write(folder, "keras2_bidirectional", Model(x, L.Dense(1)(L.Bidirectional(L.LSTM(3))(embedded))), ids, numbers(20, 1),
          optimizer=O.SGD(0.05, momentum=0.9), loss="mse")
    x, embedded, ids = words()
    write(folder, "keras2_gru", Model(x, L.Dense(1)(L.GRU(3)(L.GRU(4, return_sequences=True)(embedded)))), ids,
          numbers(20, 1), optimizer=O.AdamW(0.01), loss="mae")
    encoder = Sequential([Input((4,)), L.Dense(5, activation="tanh"), L.BatchNormalization()], name="encoder")
    inner = Input((5,))
    head = Model(inner, L.Dense(3)(L.Dense(5)(inner)), name="head")
    a, b = Input((4,), name="a"), Input((4,), name="b")
    joined = L.Concatenate()([head(encoder(a)), head(encoder(b)), L.Dense(3, name="beside")(a)])
    write(folder, "keras2_nested", Model([a, b], L.Dense(1)(joined), name="nest"), [numbers(20, 4), numbers(20, 4)],
          numbers(20, 1), optimizer=O.Adam(0.01), loss="mse")
    part = Sequential([Input((4,)), L.Dense(5, activation="tanh"), L.BatchNormalization()], name="part")
    part.trainable = False
    x = Input((4,))
    write(folder, "keras2_frozen", Model(x, L.Dense(1)(part(x))), numbers(20, 4), numbers(20, 1),
          optimizer=O.legacy.RMSprop(0.01, momentum=0.3), loss="mse")
    x = Input((5, 6))
    convolved = L.Conv1D(4, 2, activation="relu", padding="causal")(L.TimeDistributed(L.Dense(6))(x))
    write(folder, "keras2_layers", Model(x, L.LayerNormalization()(convolved)), numbers(5, 5, 6))
    write(folder, "keras2_attention", Model(x, L.MultiHeadAttention(2, 3)(x, x)), numbers(5, 5, 6))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
