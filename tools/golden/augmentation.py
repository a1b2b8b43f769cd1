"""Writes `crates/nn/tests/augmentation.json`: what Keras's layers that change images at random make where chance
has no choice.

    KERAS_BACKEND=jax python tools/golden/augmentation.py    # needs: pip install keras==3.15.1 jax

`crates/nn/src/layers/affine/tests.rs` compares.
"""

import json
import pathlib

import numpy as np
from keras import layers as L

OUT = pathlib.Path(__file__).parents[2] / "crates/nn/tests/augmentation.json"


def images(height, width, channels, first=False):
    x = (np.arange(height * width * channels) * 37 % 101).reshape(1, height, width, channels).astype("float32")
    return np.moveaxis(x, -1, 1) if first else x


def flat(x):
    return [round(float(v), 5) for v in np.asarray(x).reshape(-1)]


cases = []


def add(layer, x, y):
    cases.append({"class_name": type(layer).__name__, "config": layer.get_config(), "shape": x.shape, "x": flat(x), "y": [flat(v) for v in y]})


for fill_mode in ["reflect", "wrap", "constant", "nearest"]:
    for interpolation in ["bilinear", "nearest"]:
        settings = dict(fill_mode=fill_mode, interpolation=interpolation, fill_value=7.0)
        for size in [(5, 4, 2), (3, 6, 1)]:
            x = images(*size)
            made = [
                L.RandomRotation((0.2, 0.2), **settings),
                L.RandomRotation((-0.07, -0.07), **settings),
                L.RandomTranslation((0.2, 0.2), (-0.3, -0.3), **settings),
                L.RandomTranslation((-0.9, -0.9), (1.0, 1.0), **settings),
                L.RandomZoom((0.3, 0.3), **settings),
                L.RandomZoom((-0.4, -0.4), (0.9, 0.9), **settings),
            ]
            for layer in made:
                add(layer, x, [layer(x, training=True)])
            layer = L.RandomShear((0.3, 0.3), (0.15, 0.15), **settings)
            ways = [layer.transform_images(x, {"shear_factor": np.array([[s * 0.3, s * 0.15]], "float32")}) for s in (1, -1)]
            add(layer, x, ways)
x = images(4, 5, 2, first=True)
for layer in [
    L.RandomRotation((0.1, 0.1), data_format="channels_first"),
    L.RandomTranslation((0.3, 0.3), (0.1, 0.1), data_format="channels_first"),
    L.RandomZoom((0.3, 0.3), data_format="channels_first"),
    L.RandomBrightness((0.2, 0.2)),
    L.RandomBrightness((-0.3, -0.3), value_range=(0, 80)),
    L.RandomContrast((-0.4, 0.4), data_format="channels_first"),
    L.RandomContrast(0, value_range=(5, 80), data_format="channels_first"),
]:
    add(layer, x, [layer(x, training=True)])
OUT.write_text(json.dumps(cases) + "\n")
